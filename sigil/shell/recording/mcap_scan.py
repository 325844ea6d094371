"""A file of MCAP, gone through once: where its chunks are, and whether it is whole.

Theory: each record of MCAP has its length, so a file is gone through by its lengths, and whatever
is behind the last whole record was cut off. Each chunk has its checksum, which is compared when it
is read; a file that has its end has one of all that stands before, which is compared here.

Rules: what is not MCAP is refused with a sentence; records that are not known are passed over, as
the format wants it. It does not know what is in a chunk.
"""

from __future__ import annotations

from pathlib import Path
from struct import Struct
from typing import Any, BinaryIO, NamedTuple
from zlib import crc32

from .errors import RecordingError
from .mcap_file import MAGIC

HEADER, CHUNK, MESSAGE_INDEX, ATTACHMENT, METADATA, DATA_END = 1, 6, 7, 9, 12, 15
"""The opcodes of the records that are looked at."""
CHUNK_HEAD = Struct("<QQQI")
"""What a chunk begins with: its first and last time, its length when it is decompressed, its
CRC-32."""
_RECORD = Struct("<BQ")
_INDEX = Struct("<HI")
_CRC = Struct("<I")
BLOCK_LEN = 2**20
MAX_RECORD_LEN = 2**32
"""A record that claims to be longer is none."""


class ChunkPlace(NamedTuple):
    """Where a chunk is, how many messages of each channel its index has, and the CRC-32 that it has
    of itself, by which it is known again.
    """

    offset: int
    length: int
    counts: dict[int, int]
    checksum: int


class Scan(NamedTuple):
    """What was found in a file."""

    metadata: dict[str, dict[str, str]]
    attachments: dict[str, bytes]
    chunks: list[ChunkPlace]
    is_whole: bool


def scan(path: Path) -> Scan:
    """What is in a file; RecordingError if it is no MCAP, or is damaged."""
    with path.open("rb") as file:
        return _Scanner(file, path.stat().st_size).run()


class _Scanner:
    """Goes through a file from its beginning."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._size, self._position = file, size, 0
        self._crc = crc32(MAGIC)
        self._found = Scan({}, {}, [], False)

    def run(self) -> Scan:
        """All that is found."""
        if not self._size:
            raise RecordingError("it is empty: nothing was recorded")
        if self._take(len(MAGIC)) != MAGIC:
            raise RecordingError("it is no file of MCAP")
        is_whole = False
        while not is_whole:
            offset = self._position
            header = self._take(_RECORD.size)
            if len(header) < _RECORD.size:
                break
            opcode, length = _RECORD.unpack(header)
            if length > min(MAX_RECORD_LEN, self._size - self._position):
                break  # it was cut off here
            if opcode == DATA_END:
                self._compare(self._take(length))
                is_whole = True
            else:
                self._crc = crc32(header, self._crc)
                self._record(opcode, length, offset)
        return self._found._replace(is_whole=is_whole)

    def _take(self, length: int) -> bytes:
        """Bytes of the file, fewer at its end."""
        data = self._file.read(length)
        self._position += len(data)
        return data

    def _record(self, opcode: int, length: int, offset: int) -> None:
        """Look at a record of which the header was read."""
        if opcode == CHUNK:
            self._pass_chunk(length, offset)
            return
        if opcode not in (MESSAGE_INDEX, ATTACHMENT, METADATA):
            self._pass(length)
            return
        data = self._take(length)
        self._crc = crc32(data, self._crc)
        try:
            self._look(opcode, data)
        except Exception as error:  # the package has errors of its own
            raise RecordingError(f"the record at byte {offset} is damaged: {error}") from error

    def _pass_chunk(self, length: int, offset: int) -> None:
        """Note where a chunk is, and go on behind it."""
        head = self._take(min(length, CHUNK_HEAD.size))
        self._crc = crc32(head, self._crc)
        checksum = CHUNK_HEAD.unpack(head)[-1] if len(head) == CHUNK_HEAD.size else 0
        self._found.chunks.append(ChunkPlace(offset, _RECORD.size + length, {}, checksum))
        self._pass(length - len(head))

    def _pass(self, length: int) -> None:
        """Go on behind a record, whose bytes are only summed up."""
        while length > 0:
            block = self._take(min(length, BLOCK_LEN))
            if not block:
                return
            self._crc = crc32(block, self._crc)
            length -= len(block)

    def _compare(self, data: bytes) -> None:
        """Compare the checksum of all that was read with the one that was written."""
        (expected,) = _CRC.unpack(data[: _CRC.size]) if len(data) >= _CRC.size else (0,)
        if expected and expected != self._crc:
            raise RecordingError("it is damaged: its CRC-32 is not the one that was written")

    def _look(self, opcode: int, data: bytes) -> None:
        """Take what is in a record."""
        from io import BytesIO

        from mcap.data_stream import ReadDataStream
        from mcap.records import Attachment, Metadata

        if opcode == MESSAGE_INDEX:
            channel, length = _INDEX.unpack(data[: _INDEX.size])
            if self._found.chunks:
                self._found.chunks[-1].counts[channel] = length // 16
            return
        stream: Any = ReadDataStream(BytesIO(data))
        if opcode == METADATA:
            metadata = Metadata.read(stream)
            self._found.metadata[metadata.name] = metadata.metadata
            return
        attachment = Attachment.read(stream)
        if _CRC.unpack(data[-4:])[0] not in (0, crc32(data[:-4])):
            raise ValueError("its CRC-32 is not the one that was written")
        self._found.attachments[attachment.name] = attachment.data
