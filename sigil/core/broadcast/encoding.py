"""How a message is written for a subscriber: as a plain frame, in deflate (RFC 7692), in Zstandard
(RFC 8878), or as an event of an event stream.

Theory: no compression context outlives a message, on either side, so an encoded message is a
function of the message: one copy serves everybody who agreed on the encoding, and no window is held
for any of them. The objects of zlib and zstandard live for one call, which costs about a
microsecond more than to reuse them.

Rules: a short message is not compressed, and neither is one that would not become shorter; both
protocols allow that for every message by itself. But a client of `compress-zstd` takes every binary
frame for Zstandard, so for it a binary message is always compressed. An event stream carries only
text: there a binary message is nothing. What holds for an encoding stands in `ENCODING_INFO`, which
the type checker proves complete.

It does not know who agreed on what: `negotiation` does.
"""

from enum import IntEnum
from typing import Final, Literal, NamedTuple, TypeAlias, assert_never, get_args

from ..http.ndjson import encode_message_line
from ..http.sse import encode_message_event
from ..websocket.compression import deflate
from ..websocket.frames import Opcode, encode_frame


class Encoding(IntEnum):
    """How a subscriber is sent messages; the value of a deflate encoding is its window's bits.

    All of them are WebSocket frames but `SSE`, which is events of an event stream, and `LINES`, the
    lines of JSON of a long-poll.
    """

    PLAIN = 0
    ZSTD = 1
    SSE = 2
    LINES = 3
    DEFLATE_9 = 9
    DEFLATE_10 = 10
    DEFLATE_11 = 11
    DEFLATE_12 = 12
    DEFLATE_13 = 13
    DEFLATE_14 = 14
    DEFLATE_15 = 15


Deflate: TypeAlias = Literal[
    Encoding.DEFLATE_9,
    Encoding.DEFLATE_10,
    Encoding.DEFLATE_11,
    Encoding.DEFLATE_12,
    Encoding.DEFLATE_13,
    Encoding.DEFLATE_14,
    Encoding.DEFLATE_15,
]
"""The encodings of permessage-deflate."""

DEFLATE_BY_BITS: Final[dict[str, Deflate]] = {
    str(int(member)): member for member in get_args(Deflate)
}
"""The encoding for a window of 2**n bytes, by n as it is written in the handshake."""


class EncodingInfo(NamedTuple):
    """What holds for all messages in an encoding.

    `overhead_factor`: a message takes at most so many times the length of its plain frame.
    `plain_max`: up to so many bytes a message is sent as its plain frame; none is if it is -1.
    `is_text_only`: it has no binary messages. `has_positions`: a subscriber is told its position in
    the stream, and may come back for what it missed.
    """

    overhead_factor: int
    plain_max: int = -1
    is_text_only: bool = False
    has_positions: bool = False


COMPRESS_MIN: Final = 200
"""Bytes up to which a message is not compressed, in the reference system and here."""

EVENT_OVERHEAD_FACTOR: Final = 8
"""An event of nothing but line ends has seven bytes for each of them; its own lines come on top."""


LINE_OVERHEAD_FACTOR: Final = 7
"""A line of nothing but control characters has six bytes for each of them; its names come on top.
"""


def _info_of(encoding: Encoding) -> EncodingInfo:
    """What holds for an encoding; a member that is not handled does not pass the type checker."""
    match encoding:
        case Encoding.PLAIN:
            return EncodingInfo(1, plain_max=2**60)
        case Encoding.ZSTD:  # may make a message longer
            return EncodingInfo(2)
        case Encoding.SSE:
            return EncodingInfo(EVENT_OVERHEAD_FACTOR, is_text_only=True, has_positions=True)
        case Encoding.LINES:
            return EncodingInfo(LINE_OVERHEAD_FACTOR, has_positions=True)
        case (
            Encoding.DEFLATE_9
            | Encoding.DEFLATE_10
            | Encoding.DEFLATE_11
            | Encoding.DEFLATE_12
            | Encoding.DEFLATE_13
            | Encoding.DEFLATE_14
            | Encoding.DEFLATE_15
        ):
            return EncodingInfo(1, plain_max=COMPRESS_MIN)
        case _:
            assert_never(encoding)


ENCODING_INFO: Final = {encoding: _info_of(encoding) for encoding in Encoding}

ZSTD_LEVEL: Final = 3


def encode_message(opcode: int, payload: bytes, encoding: Encoding, position: str = "") -> bytes:
    """A message as a whole frame of a server in an encoding, as an event with `position` as its id,
    or as a line with it; empty for a binary message in an event stream. Without a position, an
    event or a line is that of a retained message.

    `encode_message(Opcode.TEXT, b"hi", Encoding.SSE, "7-1") == b"id: 7-1\\ndata: hi\\n\\n"`
    """
    if encoding is Encoding.PLAIN:
        return encode_frame(opcode, payload)
    if encoding is Encoding.ZSTD:
        return _encode_zstd(opcode, payload)
    if encoding is Encoding.SSE:
        return encode_message_event(payload, position) if opcode == Opcode.TEXT else b""
    if encoding is Encoding.LINES:
        return encode_message_line(payload, opcode == Opcode.TEXT, position)
    return _encode_deflate(opcode, payload, encoding)


def _encode_deflate(opcode: int, payload: bytes, encoding: Deflate) -> bytes:
    """A message as a frame whose payload is compressed, unless it is short or would not become
    shorter.
    """
    if len(payload) > COMPRESS_MIN:
        compressed = deflate(payload, encoding)
        if len(compressed) < len(payload):
            return encode_frame(opcode, compressed, rsv1=True)
    return encode_frame(opcode, payload)


def _encode_zstd(opcode: int, payload: bytes) -> bytes:
    """A long text as a binary message, a short one as it is; a binary message compressed, whatever
    its length. Each is one frame of Zstandard.
    """
    is_binary = opcode == Opcode.BINARY
    if is_binary or len(payload) > COMPRESS_MIN:
        # here, since it brings a library of 2 MB, which few servers need
        from zstandard import ZstdCompressor

        compressed = ZstdCompressor(level=ZSTD_LEVEL, write_content_size=True).compress(payload)
        if is_binary or len(compressed) < len(payload):
            return encode_frame(Opcode.BINARY, compressed)
    return encode_frame(opcode, payload)


def recode(frame: bytes, encoding: Encoding, position: str = "") -> bytes:
    """A plain frame of this server in another encoding; `position` is the id of an event.

    `recode(b"\\x81\\x02hi", Encoding.SSE) == b"data: hi\\n\\n"`
    """
    short_length = frame[1]
    begin = 2
    if short_length == 126:
        begin = 4
    elif short_length == 127:
        begin = 10
    return encode_message(frame[0] & 0x0F, frame[begin:], encoding, position)
