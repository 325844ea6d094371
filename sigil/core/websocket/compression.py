"""The parts of it."""

import zlib

from ..close_reasons import CloseReason
from ..parse_result import Malformed, malformed

DEFLATE_LEVEL = 3

MEMORY_LEVEL = 5
"""More memory than this makes a small window slower, and messages hardly shorter."""

DEFLATE_END = b"\x00\x00\xff\xff"
"""What a flush ends with, and what is left out of a message (RFC 7692 section 7.2.1)."""

BAD_DEFLATE = malformed("a compressed message cannot be decompressed", CloseReason.WS_BAD_COMPRESSION)

TOO_LONG = malformed(
    "a compressed message is longer than this server accepts", CloseReason.WS_OVERSIZE_FRAME
)


def deflate(payload: bytes, bits: int) -> bytes:
    """A message compressed with a window of 2**`bits` bytes, as it stands in a frame."""
    squeezer = zlib.compressobj(DEFLATE_LEVEL, zlib.DEFLATED, -bits, MEMORY_LEVEL)
    return (squeezer.compress(payload) + squeezer.flush(zlib.Z_SYNC_FLUSH))[: -len(DEFLATE_END)]


def inflate(payload: bytes, most: int) -> bytes | Malformed:
    """The message that a frame holds compressed; 1007 if it is none, 1009 if it has more than
    `max_frames` bytes.

    No more than one byte above the bound is ever made (RFC 7692 section 7.2.2). Blocks may follow a
    block that says it is the last one (section 7.2.3.4); for zlib each of those ends a stream,
    whose window the next one goes on with.
    """
    data, message = payload + _STREAM_END if payload else b"", b""
    for _ in range(STREAMS_MAX):
        if data in (b"", _STREAM_END):
            return message
        inflater = zlib.decompressobj(-zlib.MAX_WBITS, zdict=message[-WINDOW_LEN:])
        try:
            message += inflater.decompress(data, most + 1 - len(message))
        except zlib.error:
            return BAD_DEFLATE
        if len(message) > most:
            return TOO_LONG
        if not inflater.eof:
            return BAD_DEFLATE
        data = inflater.unused_data
    return BAD_DEFLATE


_STREAM_END = DEFLATE_END + b"\x01\x00\x00\xff\xff"
"""What was left out, and an empty last block: if it is not reached, the message ended in the middle
of a block.
"""

WINDOW_LEN = 2**zlib.MAX_WBITS

STREAMS_MAX = 64
"""How often a message may say that it ends; nobody who means well does so twice."""
