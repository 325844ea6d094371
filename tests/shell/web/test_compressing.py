"""Content compressed: what a decompressor makes of it, and when."""

import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zstandard import ZstdDecompressor

from sigil import Deferred, Unfold
from sigil.shell.web.compressing import (
    PIECE_LEN,
    compress_bytes,
    compress_chunks,
    compress_pieces,
)

READERS: dict[str, Callable[[], Any]] = {
    "gzip": lambda: zlib.decompressobj(31),
    "zstd": lambda: ZstdDecompressor().decompressobj(),
}
every_coding = pytest.mark.parametrize("coding", READERS)


@every_coding
@given(data=st.binary(max_size=300))
def test_bytes_come_back(coding: str, data: bytes) -> None:
    assert READERS[coding]().decompress(compress_bytes(data, coding)) == data


@every_coding
def test_long_content_is_made_in_pieces_as_they_are_asked_for(coding: str) -> None:
    data = bytes(range(256)) * (PIECE_LEN // 64)
    pieces = list(compress_pieces(data, coding))
    assert len(pieces) > 1
    assert READERS[coding]().decompress(b"".join(pieces)) == data


@every_coding
def test_each_chunk_can_be_read_when_it_comes(coding: str) -> None:
    reader = READERS[coding]()
    chunks = iter(compress_chunks([b"one\n", b"two\n", b"", b"three\n"], coding))  # type: ignore[arg-type]
    assert [reader.decompress(chunk) if chunk else b"" for chunk in chunks] == [
        b"one\n",
        b"two\n",
        b"",
        b"three\n",
        b"",
    ]
    assert reader.eof
    assert list(chunks) == []


@every_coding
def test_what_is_not_there_yet_is_passed_on(coding: str) -> None:
    later = Deferred()
    later.resolve(b"later")
    reader = READERS[coding]()
    chunks: Any = compress_chunks([None, later], coding)
    assert next(chunks) is None
    promised = next(chunks)
    assert reader.decompress(promised.apply(b"later")) == b"later"
    assert promised.apply(None) is None
    reader.decompress(next(chunks))
    assert reader.eof


def test_an_unfold_is_compressed_too() -> None:
    stream = Unfold(lambda n: (b"%d" % n, n + 1) if n < 3 else None, 0)
    data = b"".join(compress_chunks(stream, "gzip"))  # type: ignore[arg-type]
    assert zlib.decompress(data, 31) == b"012"


def test_what_is_compressed_is_closed_with_it() -> None:
    closed: list[str] = []

    def chunks() -> Iterator[bytes]:
        try:
            yield b"a"
            yield b"b"
        finally:
            closed.append("generator")

    stream: Any = compress_chunks(chunks(), "gzip")
    next(stream)
    stream.close()
    assert closed == ["generator"]


def test_what_is_no_chunk_is_refused() -> None:
    with pytest.raises(TypeError, match="a stream yields bytes, not str"):
        next(iter(compress_chunks(["text"], "gzip")))  # type: ignore[arg-type]


@every_coding
def test_a_stream_that_ends_while_its_chunk_is_waited_for_is_complete(coding: str) -> None:
    """So ends a body that is written: it yields a promise, which comes to the end."""
    later = Deferred()
    reader = READERS[coding]()
    chunks: Any = compress_chunks([b"one", later], coding)
    assert reader.decompress(next(chunks)) == b"one"
    promised = next(chunks)
    reader.decompress(promised.apply(StopIteration()))
    assert reader.eof
    assert list(chunks) == []


def test_a_chunk_that_fails_is_no_end() -> None:
    chunks: Any = compress_chunks([Deferred()], "gzip")
    failure = OSError("the disk is full")
    assert next(chunks).apply(failure) is failure
