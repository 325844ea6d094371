"""A file of MCAP that is written: its records, in order, and its summary at the end.

Theory: a file of MCAP is a list of records, each with its length, so it can be read up to wherever
it was cut off. What comes once in a file is written with the records of the package `mcap`. Its
`Writer` takes some ten microseconds of Python for a message, which a busy server has not; so a
chunk is made of a batch, in which the messages lie as they are written.

Rules: what is not wholly written is taken back, so that what follows is readable: `put` raises
OSError and the file is as before. What is longer than a reader takes at once is not written:
`TooLong`. Checksums are of each chunk, and of all that stands before the
summary. It does not know threads.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable
from contextlib import suppress
from fcntl import LOCK_UN, flock
from struct import Struct
from typing import TYPE_CHECKING, Any, BinaryIO
from zlib import crc32

from zstandard import ZstdCompressor

from ...core.trace.about import About
from .about_text import PROFILE, metadata_of
from .batch import Batch
from .channels import CHANNELS, schema_of
from .packages import MAX_LEN, check_len, require_packages

if TYPE_CHECKING:
    from mcap.records import ChunkIndex

    from ...core.server.state import Server

MAGIC = bytes((137, 77, 67, 65, 80, 48, 13, 10))
STATE_NAME = "state.msgpack.zst"
STATE_TYPE = "application/zstd"
ZSTD_LEVEL = 1
"""What compresses several times as fast as a disk writes."""
_MESSAGE_INDEX = Struct("<BQHI")
_MESSAGE_INDEX_OPCODE = 7


class McapFile:
    """A file that is written; it is given open, at its beginning, and is closed at the end."""

    def __init__(self, file: BinaryIO, longest: int = MAX_LEN) -> None:
        require_packages()
        from mcap.records import Statistics

        self._file, self._longest = file, longest
        self.size = 0
        """Bytes that are written."""
        self._crc = 0
        self._compress = ZstdCompressor(level=ZSTD_LEVEL).compress
        self._chunks: list[ChunkIndex] = []
        self._attachments: list[Any] = []
        self._metadata: list[Any] = []
        self._counts = dict.fromkeys([channel.number for channel in CHANNELS], 0)
        self._statistics = Statistics(
            attachment_count=0,
            channel_count=len(CHANNELS),
            channel_message_counts=self._counts,
            chunk_count=0,
            message_count=0,
            message_end_time=0,
            message_start_time=0,
            metadata_count=0,
            schema_count=sum([bool(channel.fields) for channel in CHANNELS]),
        )

    def put(self, data: bytes) -> None:
        """Write this behind what there is, or nothing: OSError."""
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError:
            self._take_back()
            raise
        self.size += len(data)
        self._crc = crc32(data, self._crc)

    def _take_back(self) -> None:
        """Let the file end where it did, as far as the disk allows."""
        try:
            self._file.seek(self.size)
            self._file.truncate()
        except OSError:
            pass  # whoever reads it stops there

    # -- what stands at the beginning --------------------------------------------------------------

    def begin(self, about: About, state: Server, packed_state: bytes, at: int) -> None:
        """Write what a recording begins with, all of it or nothing."""
        from mcap.data_stream import RecordBuilder
        from mcap.records import (
            Attachment,
            AttachmentIndex,
            Header,
            Metadata,
            MetadataIndex,
        )

        builder = RecordBuilder()
        builder.write(MAGIC)
        Header(profile=PROFILE, library=f"sigil {about.sigil}").write(builder)
        _write_schemas(builder)
        _write_channels(builder)
        metadata = []
        for name, texts in metadata_of(about, state.limits).items():
            start = builder.count
            Metadata(name=name, metadata=texts).write(builder)
            length = builder.count - start
            metadata.append(MetadataIndex(offset=start, length=length, name=name))
        start, data = builder.count, self._compress(packed_state)
        named: dict[str, Any] = {
            "create_time": at,
            "log_time": at,
            "name": STATE_NAME,
            "media_type": STATE_TYPE,
        }
        Attachment(data=data, **named).write(builder)
        length = builder.count - start
        attachment = AttachmentIndex(offset=start, length=length, data_size=len(data), **named)
        self.put(_bytes_of(builder))
        self._metadata, self._attachments = metadata, [attachment]
        self._statistics.metadata_count = len(metadata)
        self._statistics.attachment_count = 1

    # -- turns -------------------------------------------------------------------------------------

    def add(self, batch: Batch) -> None:
        """Write a batch as a chunk, with the places of its messages; all of it or nothing."""
        from mcap.data_stream import RecordBuilder
        from mcap.records import Chunk, ChunkIndex

        check_len(batch.size, self._longest, "a batch of turns")
        content = batch.content()
        data = self._compress(content)
        builder = RecordBuilder()
        Chunk(
            compression="zstd",
            data=data,
            message_end_time=batch.ended,
            message_start_time=batch.begun,
            uncompressed_crc=crc32(content),
            uncompressed_size=len(content),
        ).write(builder)
        length, places = builder.count, {}
        for channel, index in batch.index.items():
            places[channel] = self.size + builder.count
            builder.write(_message_index(channel, index))
        chunk = ChunkIndex(
            chunk_length=length,
            chunk_start_offset=self.size,
            compression="zstd",
            compressed_size=len(data),
            message_end_time=batch.ended,
            message_index_length=builder.count - length,
            message_index_offsets=places,
            message_start_time=batch.begun,
            uncompressed_size=len(content),
        )
        self.put(_bytes_of(builder))
        self._chunks.append(chunk)
        self._count(batch)

    def _count(self, batch: Batch) -> None:
        """Add a batch to the statistics."""
        known = self._statistics
        for channel, index in batch.index.items():
            self._counts[channel] += len(index) // 2
            known.message_count += len(index) // 2
        known.chunk_count += 1
        known.message_start_time = known.message_start_time or batch.begun
        known.message_end_time = batch.ended

    # -- the end -----------------------------------------------------------------------------------

    def end(self) -> None:
        """Write the summary; what was written before is whole without it."""
        from mcap.data_stream import RecordBuilder
        from mcap.opcode import Opcode
        from mcap.records import DataEnd, Footer, SummaryOffset

        builder = RecordBuilder()
        DataEnd(self._crc).write(builder)
        self.put(_bytes_of(builder))
        start, offsets = self.size, []
        groups: tuple[tuple[int, Callable[[Any], None]], ...] = (
            (Opcode.SCHEMA, _write_schemas),
            (Opcode.CHANNEL, _write_channels),
            (Opcode.STATISTICS, self._statistics.write),
            (Opcode.CHUNK_INDEX, _writer_of(self._chunks)),
            (Opcode.ATTACHMENT_INDEX, _writer_of(self._attachments)),
            (Opcode.METADATA_INDEX, _writer_of(self._metadata)),
        )
        for opcode, write in groups:
            before = builder.count
            write(builder)
            if builder.count > before:
                length = builder.count - before
                offsets.append(
                    SummaryOffset(
                        group_opcode=opcode, group_start=start + before, group_length=length
                    )
                )
        offset_start = start + builder.count
        for offset in offsets:
            offset.write(builder)
        summary = _bytes_of(builder)
        footer_start = Struct("<BQQQ").pack(Opcode.FOOTER, 20, start, offset_start)
        Footer(
            summary_start=start,
            summary_offset_start=offset_start,
            summary_crc=crc32(footer_start, crc32(summary)),
        ).write(builder)
        self.put(summary + _bytes_of(builder) + MAGIC)

    def close(self) -> None:
        """Close the file, which others may write to now, though a forked process has it too."""
        with suppress(OSError):
            flock(self._file, LOCK_UN)
        self._file.close()


def _bytes_of(builder: Any) -> bytes:
    """What was built, after which nothing is."""
    data: bytes = builder.end()
    return data


def _write_schemas(builder: Any) -> None:
    """Write the schemas of the channels that have one."""
    from mcap.records import Schema

    for channel in CHANNELS:
        schema = schema_of(channel)
        if schema:
            name = channel.topic[1:].replace("/", ".")
            Schema(id=channel.number, data=schema, encoding="jsonschema", name=name).write(builder)


def _write_channels(builder: Any) -> None:
    """Write the channels."""
    from mcap.records import Channel

    for channel in CHANNELS:
        Channel(
            id=channel.number,
            topic=channel.topic,
            message_encoding=channel.encoding,
            metadata={},
            schema_id=channel.number if channel.fields else 0,
        ).write(builder)


def _writer_of(records: list[Any]) -> Callable[[Any], None]:
    """What writes some records."""

    def write(builder: Any) -> None:
        for record in records:
            record.write(builder)

    return write


def _message_index(channel: int, index: array[int]) -> bytes:
    """The record with the places of the messages of a channel."""
    if sys.byteorder == "big":
        index = array("Q", index)
        index.byteswap()
    places = index.tobytes()
    return (
        _MESSAGE_INDEX.pack(_MESSAGE_INDEX_OPCODE, 6 + len(places), channel, len(places)) + places
    )
