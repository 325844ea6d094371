"""Messages of permessage-deflate: compressed, and inflated within a bound (RFC 7692 section 7.2).

Theory: no compression context outlives a message, on either side. The objects of zlib live for one
call, so a compressed message is a function of the message, one copy of it serves every subscriber,
and no record holds a window of 32 KiB.

Rules: what a flush leaves at the end is cut off on the way out and added on the way in. A peer
never makes this server hold more than one byte above the bound it asked for, however well the
message is compressed. Bad input is a `Malformed`, with 1007 or 1009.

It does not know frames, nor which encoding a client agreed to: `handshake` reads the offers, and
`broadcast.negotiation` chooses among them.
"""

import zlib
from typing import Final

from ..close_reasons import CloseReason
from ..parse_result import Malformed, malformed

DEFLATE_LEVEL: Final = 3

MEMORY_LEVEL: Final = 5
"""More memory than this makes a small window slower, and messages hardly shorter."""

DEFLATE_END: Final = b"\x00\x00\xff\xff"
"""The end of every flush, which is left out of a message (RFC 7692 section 7.2.1)."""

WINDOW_LEN: Final = 2**zlib.MAX_WBITS
"""Bytes that a compressed block may refer back to."""

STREAMS_MAX: Final = 64
"""Final blocks that are accepted in one message; no sensible sender writes a second one."""

STREAM_END: Final = DEFLATE_END + b"\x01\x00\x00\xff\xff"
"""`DEFLATE_END` and an empty final block: a message that does not reach it ended inside a block."""

BAD_DEFLATE: Final = malformed(
    "a compressed message cannot be decompressed", CloseReason.WS_BAD_COMPRESSION
)

TOO_LONG: Final = malformed(
    "a compressed message is longer than is accepted here", CloseReason.WS_OVERSIZE_FRAME
)


def deflate(payload: bytes, window_bits: int) -> bytes:
    """A message compressed with a window of 2**`window_bits` bytes (9 to 15), as a frame holds it.

    `inflate(deflate(b"hello", 15), 5) == b"hello"`
    """
    compressor = zlib.compressobj(DEFLATE_LEVEL, zlib.DEFLATED, -window_bits, MEMORY_LEVEL)
    compressed = compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH)
    return compressed[: -len(DEFLATE_END)]


def inflate(payload: bytes, max_len: int) -> bytes | Malformed:
    """The message that a frame holds compressed: 1007 if it is no deflate, 1009 above `max_len`.

    At most `max_len` + 1 bytes are ever made of it (RFC 7692 section 7.2.2).
    """
    data, message = payload + STREAM_END if payload else b"", b""
    # Blocks may follow a final block (section 7.2.3.4). For zlib each of those ends a stream, and
    # the next stream may refer back to what came before it.
    for _ in range(STREAMS_MAX):
        if data in (b"", STREAM_END):
            return message
        inflater = zlib.decompressobj(-zlib.MAX_WBITS, zdict=message[-WINDOW_LEN:])
        try:
            message += inflater.decompress(data, max_len + 1 - len(message))
        except zlib.error:
            return BAD_DEFLATE
        if len(message) > max_len:
            return TOO_LONG
        if not inflater.eof:
            return BAD_DEFLATE
        data = inflater.unused_data
    return BAD_DEFLATE
