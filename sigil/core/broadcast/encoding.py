"""How messages are written for somebody: plain, in deflate (RFC 7692), in Zstandard (RFC 8878), or
as an event.

Theory: no context outlives a message, on either side, so an encoded message is a function of the
message: one copy serves all who have agreed on the encoding, and nobody's window is kept. The
objects of zlib and zstandard live for one call, which costs about a microsecond more than to keep
them.

Rules: what is short is not encoded, and neither is what would not become shorter; both protocols
allow that for every message by itself. But whoever hears `compress-zstd` takes every binary frame
for Zstandard, so there a binary message is always encoded. An event stream has only texts: there a
binary message is nothing. What comes is never inflated beyond a bound. It does not know who has
agreed on what: `handshake` does.
"""

from enum import IntEnum

from zstandard import ZstdCompressor

from ..http.sse import encode_message_event
from ..websocket.compression import deflate
from ..websocket.frames import Opcode, encode_frame


class Encoding(IntEnum):
    """How a client is sent messages; those of deflate are called by the bits of their window.

    All are frames of a WebSocket but `SSE`, which are events of an event stream.
    """

    PLAIN = 0
    ZSTD = 1
    SSE = 2
    DEFLATE_9 = 9
    DEFLATE_10 = 10
    DEFLATE_11 = 11
    DEFLATE_12 = 12
    DEFLATE_13 = 13
    DEFLATE_14 = 14
    DEFLATE_15 = 15


COMPRESS_MIN = 200
"""Bytes up to which a message is sent as it is, in the reference system and here."""
ZSTD_LEVEL = 3


def encode_message(opcode: int, payload: bytes, encoding: Encoding, position: str = "") -> bytes:
    """A whole frame of a server with this message in an encoding; an event has its position in the
    stream as its id.
    """
    if encoding is Encoding.PLAIN:
        return encode_frame(opcode, payload)
    if encoding is Encoding.ZSTD:
        return _encode_zstd(opcode, payload)
    if encoding is Encoding.SSE:
        return encode_message_event(payload, position) if opcode == Opcode.TEXT else b""
    if len(payload) > COMPRESS_MIN:
        squeezed = deflate(payload, encoding)
        if len(squeezed) < len(payload):
            return encode_frame(opcode, squeezed, True)
    return encode_frame(opcode, payload)


def _encode_zstd(opcode: int, payload: bytes) -> bytes:
    """A text that is long becomes a binary message; a binary message is one frame of Zstandard,
    whatever its length.
    """
    is_binary = opcode == Opcode.BINARY
    if is_binary or len(payload) > COMPRESS_MIN:
        squeezed = ZstdCompressor(level=ZSTD_LEVEL, write_content_size=True).compress(payload)
        if is_binary or len(squeezed) < len(payload):
            return encode_frame(Opcode.BINARY, squeezed)
    return encode_frame(opcode, payload)


def recode(frame: bytes, encoding: Encoding, position: str = "") -> bytes:
    """A plain frame of ours in another encoding."""
    length = frame[1]
    begin = 2 if length < 126 else 4 if length == 126 else 10
    return encode_message(frame[0] & 0x0F, frame[begin:], encoding, position)
