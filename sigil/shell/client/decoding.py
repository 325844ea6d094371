"""Bodies in a content coding, decoded as they come: gzip, deflate, zstd (RFC 9110 section 8.4.1,
RFC 8878).

Theory: a few bytes may stand for very many, so what comes out is never made at once: a decoder is
asked for pieces, and whoever holds them all counts them. The state of a decompressor is no value,
so it lives here, beside the request whose body it is.

Rules: pieces are small, whatever they were made of. A coding that is not known is left as it is,
and so is what is below it. Several members or frames behind each other are one body. A body that
ends within its coding is an error, an empty one is not. It does not know who wants the pieces.
"""

import zlib
from collections.abc import Iterator
from typing import Protocol

import zstandard

PIECE_LEN = 65_536
"""Bytes of a piece, about."""
CODINGS_MAX = 2
"""More codings than this on one body have no use but to be long to decode: each of them makes a
thousand bytes of one, and only what the last one makes is counted.
"""
_ZSTD_SLICE = 256
"""Bytes that are given to the decompressor of zstd at once, whose output cannot be bounded: four of
them may stand for 128 KiB.
"""
_ZSTD_WINDOW_MAX = 2**23
"""Bytes of the window that a decoder needs to have (RFC 9659)."""
_GZIP_WBITS, _ZLIB_WBITS, _RAW_WBITS = 31, 15, -15


class BadCoding(ValueError):
    """A body is not in the coding that it is said to be in."""


class Decoder(Protocol):
    """What decodes one coding."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The pieces that follow from more bytes."""

    def finish(self) -> None:
        """The body has ended; BadCoding if it must not end here."""


class Inflater:
    """Decodes gzip and deflate: the latter in its zlib format, or raw, which some servers send."""

    def __init__(self, is_gzip: bool) -> None:
        self._is_gzip = is_gzip
        self._object = zlib.decompressobj(_GZIP_WBITS) if is_gzip else None
        self._has_begun = False
        self._first = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The pieces that follow from more bytes."""
        if self._object is None:
            self._first += data
            if len(self._first) < 2:
                return
            data, self._first = self._first, b""
            is_zlib = data[0] & 0x0F == 8 and int.from_bytes(data[:2], "big") % 31 == 0
            self._object = zlib.decompressobj(_ZLIB_WBITS if is_zlib else _RAW_WBITS)
        while data:
            if self._object.eof:
                if not self._is_gzip or not data.lstrip(b"\0"):
                    return  # what is behind the end is padding
                self._object = zlib.decompressobj(_GZIP_WBITS)
            self._has_begun = True
            try:
                piece = self._object.decompress(data, PIECE_LEN)
            except zlib.error as error:
                raise BadCoding(str(error)) from error
            data = self._object.unused_data if self._object.eof else self._object.unconsumed_tail
            if piece:
                yield piece
            elif not self._object.eof and not data:
                return

    def finish(self) -> None:
        """The body has ended; BadCoding if it must not end here."""
        if self._first or (self._has_begun and self._object is not None and not self._object.eof):
            raise BadCoding("the compressed body ends too early")


class ZstdDecoder:
    """Decodes zstd, frame by frame."""

    def __init__(self) -> None:
        self._context = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_MAX)
        self._object = self._context.decompressobj()
        self._is_within = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The pieces that follow from more bytes."""
        for start in range(0, len(data), _ZSTD_SLICE):
            rest = data[start : start + _ZSTD_SLICE]
            while rest:
                try:
                    piece = self._object.decompress(rest)
                except zstandard.ZstdError as error:
                    raise BadCoding(str(error)) from error
                self._is_within = not self._object.eof
                rest = b"" if self._is_within else self._object.unused_data
                if not self._is_within:
                    self._object = self._context.decompressobj()
                for begin in range(0, len(piece), PIECE_LEN):
                    yield piece[begin : begin + PIECE_LEN]

    def finish(self) -> None:
        """The body has ended; BadCoding if it must not end here."""
        if self._is_within:
            raise BadCoding("the compressed body ends too early")


class Chain:
    """Decodes several codings, the one that was applied last first."""

    def __init__(self, outer: Decoder, inner: Decoder) -> None:
        self._outer, self._inner = outer, inner

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The pieces that follow from more bytes."""
        for piece in self._outer.feed(data):
            yield from self._inner.feed(piece)

    def finish(self) -> None:
        """The body has ended; BadCoding if it must not end here."""
        self._outer.finish()
        self._inner.finish()


def make_decoder(codings: tuple[str, ...]) -> Decoder | None:
    """What decodes a body to which these codings were applied, in this order; None if there is
    nothing to decode, or nobody here who can. BadCoding for too many of them.
    """
    if len(codings) > CODINGS_MAX:
        raise BadCoding(f"there are {len(codings)} codings on the body")
    decoder: Decoder | None = None
    for coding in reversed(codings):
        following: Decoder
        if coding in ("gzip", "x-gzip"):
            following = Inflater(is_gzip=True)
        elif coding == "deflate":
            following = Inflater(is_gzip=False)
        elif coding == "zstd":
            following = ZstdDecoder()
        else:
            break
        decoder = following if decoder is None else Chain(decoder, following)
    return decoder
