"""Content compressed: at once, or chunk by chunk while it is sent.

Theory: a compressor has a state, so it lives here and not in a record, one for each response. What
is streamed is live, so after each chunk all of it is flushed: a client has every event or line when
it was made, and not when a block of the compressor is full.

Rules: bytes longer than `PIECE_LEN` are compressed in pieces as the client takes them, so that a
large body holds nobody up and is in memory once. A stream is asked for a chunk only when one is
asked of it; what it has not yet (None, a `Deferred`) is passed on as such. It is closed with what
is made of it. It does not know requests, or which coding was chosen and why.
"""

import zlib
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterator
from typing import Any, Protocol

from ...core.http.bodies import Chunks, Unfold
from ..program.body_sources import iterate_unfold, to_bytes
from ..program.deferred import Deferred
from ..program.futures import promised

GZIP_LEVEL = 6
ZSTD_LEVEL = 3
ZSTD_SOURCE_LEN = 128 * 2**10
"""What a context is made for: one for content without an end takes 800 KiB in the place of 240. One
of gzip takes 40 to 260.
"""
_GZIP_BITS = 31
"""The widest window, in the format of gzip."""

PIECE_LEN = 64 * 2**10
"""Bytes that are compressed at once: about a millisecond's work."""


class Compressor(Protocol):
    """Content that is compressed piece by piece."""

    def flushed(self, data: bytes) -> bytes:
        """The data compressed, so that all of it can be read from what was returned until now."""

    def compress(self, data: bytes) -> bytes:
        """The data compressed; some of it may come later."""

    def end(self) -> bytes:
        """What is left, and the end."""


class Gzip:
    """The format of gzip (RFC 1952), without a time or a name."""

    def __init__(self) -> None:
        self._context = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, _GZIP_BITS)

    def compress(self, data: bytes) -> bytes:
        """The data compressed; some of it may come later."""
        return self._context.compress(data)

    def flushed(self, data: bytes) -> bytes:
        """The data compressed, all of it."""
        return self._context.compress(data) + self._context.flush(zlib.Z_SYNC_FLUSH)

    def end(self) -> bytes:
        """What is left, and the check at the end."""
        return self._context.flush()


class Zstd:
    """The format of Zstandard (RFC 8878), in a window that every client has room for (RFC 9659)."""

    def __init__(self) -> None:
        # here, since it brings a library of 2 MB, which few servers need
        from zstandard import COMPRESSOBJ_FLUSH_BLOCK, ZstdCompressionParameters, ZstdCompressor

        parameters = ZstdCompressionParameters.from_level(ZSTD_LEVEL, source_size=ZSTD_SOURCE_LEN)
        self._context = ZstdCompressor(compression_params=parameters).compressobj()
        self._flush_block = COMPRESSOBJ_FLUSH_BLOCK

    def compress(self, data: bytes) -> bytes:
        """The data compressed; some of it may come later."""
        return self._context.compress(data)

    def flushed(self, data: bytes) -> bytes:
        """The data compressed, all of it."""
        return self._context.compress(data) + self._context.flush(self._flush_block)

    def end(self) -> bytes:
        """What is left, and the end of the frame."""
        return self._context.flush()


COMPRESSORS: dict[str, Callable[[], Compressor]] = {"gzip": Gzip, "zstd": Zstd}
"""By the name of the coding."""


def compress_bytes(data: bytes, coding: str) -> bytes:
    """All of the data compressed."""
    compressor = COMPRESSORS[coding]()
    return compressor.compress(data) + compressor.end()


def compress_pieces(data: bytes, coding: str) -> Iterator[bytes]:
    """The data compressed in pieces, each made when it is asked for."""
    compressor = COMPRESSORS[coding]()
    for start in range(0, len(data), PIECE_LEN):
        piece = compressor.compress(data[start : start + PIECE_LEN])
        if piece:
            yield piece
    yield compressor.end()


def compress_chunks(chunks: Chunks, coding: str) -> Chunks:
    """The chunks of a stream compressed, each flushed."""
    flushing = _Flushing(COMPRESSORS[coding]())
    if isinstance(chunks, AsyncIterable):
        return _AsyncCompressed(aiter(chunks), flushing)
    if isinstance(chunks, Unfold):
        return _Compressed(iterate_unfold(chunks), flushing)
    return _Compressed(iter(chunks), flushing)


class _Flushing:
    """What becomes of the chunks of one stream, and of its end, which comes once."""

    __slots__ = ("_compressor", "has_ended")

    def __init__(self, compressor: Compressor) -> None:
        self._compressor = compressor
        self.has_ended = False

    def chunk(self, chunk: Any) -> Any:
        """A chunk compressed; None for one that is not there yet, and a `Deferred` of it."""
        if chunk is None:
            return None
        chunk = promised(chunk)
        if isinstance(chunk, Deferred):
            return chunk.map(self.chunk, self._failed)
        data = to_bytes(chunk)
        return self._compressor.flushed(data) if data else b""

    def _failed(self, error: BaseException) -> Any:
        """What a chunk comes to that was waited for and does not come: the end, or a failure."""
        return self.end() if isinstance(error, StopIteration | StopAsyncIteration) else error

    def end(self) -> bytes:
        """What is left, and the end."""
        self.has_ended = True
        return self._compressor.end()


class _Compressed(Iterator[Any]):
    """The chunks of an iterator, compressed, and the end behind them."""

    __slots__ = ("_chunks", "_flushing")

    def __init__(self, chunks: Iterator[Any], flushing: _Flushing) -> None:
        self._chunks = chunks
        self._flushing = flushing

    def __next__(self) -> Any:
        if self._flushing.has_ended:
            raise StopIteration
        try:
            chunk = next(self._chunks)
        except StopIteration:
            return self._flushing.end()
        return self._flushing.chunk(chunk)

    def close(self) -> None:
        """Close what is compressed."""
        close = getattr(self._chunks, "close", None)
        if close is not None:
            close()


class _AsyncCompressed(AsyncIterator[Any]):
    """The chunks of an asynchronous iterator, compressed, and the end behind them."""

    __slots__ = ("_chunks", "_flushing")

    def __init__(self, chunks: AsyncIterator[Any], flushing: _Flushing) -> None:
        self._chunks = chunks
        self._flushing = flushing

    async def __anext__(self) -> Any:
        if self._flushing.has_ended:
            raise StopAsyncIteration
        try:
            chunk = await anext(self._chunks)
        except StopAsyncIteration:
            return self._flushing.end()
        return self._flushing.chunk(chunk)

    async def aclose(self) -> None:
        """Close what is compressed."""
        close = getattr(self._chunks, "aclose", None)
        if close is not None:
            await close()
