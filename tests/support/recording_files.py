"""Recordings that somebody has altered: what is in a file, as lists, and a file of that."""

import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import msgpack
import zstandard
from mcap.data_stream import RecordBuilder
from mcap.records import Attachment, Channel, Chunk, DataEnd, Header, Metadata, Schema
from mcap.stream_reader import StreamReader

from sigil.shell.recording.batch import TURNS
from sigil.shell.recording.mcap_file import MAGIC

_MESSAGE = struct.Struct("<BQHIQQ")


class Content(NamedTuple):
    """What is in a file: its records but the chunks, the packed server, and turns as lists."""

    records: list[Any]
    state: Any
    turns: list[Any]

    def write(
        self,
        path: Path,
        packed: bytes | None = None,
        metadata: dict[str, dict[str, str]] | None = None,
        chunk: Callable[[bytes], bytes] = zstandard.compress,
    ) -> Path:
        """A file of it, with another attachment, other metadata, or compressed in another way."""
        state = zstandard.compress(msgpack.packb(self.state)) if packed is None else packed
        builder = RecordBuilder()
        builder.write(MAGIC)
        for record in self.records:
            if isinstance(record, Metadata):
                texts = {**record.metadata, **(metadata or {}).get(record.name, {})}
                Metadata(name=record.name, metadata=texts).write(builder)
            elif isinstance(record, Attachment):
                names = {"name": record.name, "media_type": record.media_type}
                Attachment(create_time=0, log_time=0, data=state, **names).write(builder)
            else:
                record.write(builder)
        messages = [msgpack.packb(turn) for turn in self.turns]
        heads = [_MESSAGE.pack(5, 22 + len(data), TURNS, 0, 1, 1) for data in messages]
        content = b"".join([head + data for head, data in zip(heads, messages, strict=True)])
        Chunk(
            compression="zstd",
            data=chunk(content),
            message_end_time=1,
            message_start_time=1,
            uncompressed_crc=crc32(content),
            uncompressed_size=len(content),
        ).write(builder)
        path.write_bytes(builder.end())
        return path


def read_content(path: Path) -> Content:
    """What is in a file."""
    kept: list[Any] = []
    state, turns = None, []
    with path.open("rb") as file:
        for record in StreamReader(file, emit_chunks=True).records:
            if isinstance(record, DataEnd):
                break
            if isinstance(record, Attachment):
                state = msgpack.unpackb(zstandard.decompress(record.data), strict_map_key=False)
            if isinstance(record, Chunk):
                turns += list(turns_in(zstandard.decompress(record.data)))
            elif isinstance(record, Header | Schema | Channel | Metadata | Attachment):
                kept.append(record)
    return Content(kept, state, turns)


def turns_in(content: bytes) -> Iterator[Any]:
    """The turns in a chunk, as lists."""
    offset = 0
    while offset < len(content):
        _, length, channel, *_ = _MESSAGE.unpack_from(content, offset)
        if channel == TURNS:
            yield msgpack.unpackb(content[offset + _MESSAGE.size : offset + 9 + length])
        offset += 9 + length
