"""The frame codec: bytes to WebSocket frames and back (RFC 6455 section 5).

Theory: a frame is a header of 2 to 14 bytes and a payload. Everything that can be wrong with a
frame is wrong in its header, so a frame is refused before its payload comes, and at the very byte
that is wrong: a peer can neither make us wait, nor make us buffer, for what will be refused anyway.

Rules: functions take bytes and return records; a refusal is a `Malformed` whose reason has the
close code, a frame that has not all come is `NeedMore`. What is refused does not depend on how the
bytes were cut into reads: bytes are judged in the order in which they come. A server reads masked
frames and writes unmasked ones, a client the other way round; `FrameRules` says which.

It does not know messages: `messages` assembles them. It chooses no masking keys, since those must
be unpredictable: whoever writes a masked frame passes one in.
"""

from enum import IntEnum
from struct import Struct
from typing import Final, final

from ..close_reasons import CloseReason
from ..parse_result import Malformed, NeedMore, malformed
from ..value import Value
from .masking import apply_mask


class Opcode(IntEnum):
    """What a frame carries; from CLOSE on it is a control frame (RFC 6455 section 5.2)."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


@final
class FrameRules(Value):
    """What holds for every frame that one side of a connection reads.

    The bounds are bytes of payload as they come, compressed or not. A message may have
    `max_small_fragments` continuation frames beyond one for every `min_fragment_len` bytes of it;
    how many there are is not bounded if that is 0. `allows_rsv1` is true if
    compression was negotiated (RFC 7692 section 6); `is_masked` is true where a server reads, and
    false where a client does (RFC 6455 section 5.1). A message of more than `piece_len` bytes comes
    out in pieces of so many, unless that is 0.
    """

    __match_args__ = (
        "max_frame_len", "max_message_len", "allows_rsv1", "is_masked",
        "max_small_fragments", "min_fragment_len", "piece_len",
    )  # fmt: skip
    __slots__ = __match_args__

    def __init__(
        self,
        max_frame_len: int,
        max_message_len: int,
        allows_rsv1: bool = False,
        is_masked: bool = True,
        max_small_fragments: int = 0,
        min_fragment_len: int = 0,
        piece_len: int = 0,
    ) -> None:
        self.max_frame_len: Final = max_frame_len
        self.max_message_len: Final = max_message_len
        self.allows_rsv1: Final = allows_rsv1
        self.is_masked: Final = is_masked
        self.max_small_fragments: Final = max_small_fragments
        self.min_fragment_len: Final = min_fragment_len
        self.piece_len: Final = piece_len


@final
class FrameHeader(Value):
    """All of a frame but its payload of `length` bytes, which begins at index `end` of the data.

    `key` is the masking key, empty if the payload is not masked.
    """

    __match_args__ = ("opcode", "fin", "rsv1", "length", "key", "end")
    __slots__ = __match_args__

    def __init__(
        self, opcode: Opcode, fin: bool, rsv1: bool, length: int, key: bytes, end: int
    ) -> None:
        self.opcode: Final = opcode
        self.fin: Final = fin
        self.rsv1: Final = rsv1
        self.length: Final = length
        self.key: Final = key
        self.end: Final = end


@final
class Frame(Value):
    """A whole frame, its payload unmasked."""

    __match_args__ = ("opcode", "fin", "rsv1", "payload")
    __slots__ = __match_args__

    def __init__(self, opcode: Opcode, fin: bool, rsv1: bool, payload: bytes) -> None:
        self.opcode: Final = opcode
        self.fin: Final = fin
        self.rsv1: Final = rsv1
        self.payload: Final = payload


FIN, RSV, RSV1, MASKED = 0x80, 0x70, 0x40, 0x80
"""Bits of the first byte of a frame; MASKED is one of the second byte."""

_CONTROL: Final = 0x08
"""The bit of an opcode that makes it a control frame's (RFC 6455 section 5.5)."""

KEY_LEN: Final = 4
"""Bytes of a masking key."""

CONTROL_MAX: Final = 125
"""Payload bytes of a control frame, and of any frame whose length is a single byte."""

_pack_short, _pack_medium, _pack_long = Struct(">BB").pack, Struct(">BBH").pack, Struct(">BBQ").pack
_EXTENDED_WIDTHS: Final = {126: 2, 127: 8}
"""Bytes of the length behind the second byte, by the 7 bits in it that announce them."""

_SHORTEST: Final = {2: 126, 8: 0x10000}
"""The least length that needs so many bytes."""


# -- writing ---------------------------------------------------------------------------------------


def frame_header(opcode: int, length: int, rsv1: bool = False) -> bytes:
    """The header that a server sends before a payload of `length` bytes: final and not masked.

    `frame_header(Opcode.TEXT, 5) == b"\\x81\\x05"`. For payloads that are better sent as memory of
    their own than copied; `encode_frame` makes one piece of both.
    """
    return _header(FIN | opcode | (RSV1 if rsv1 else 0), length, 0)


def frame_len(length: int) -> int:
    """The bytes of a whole frame that a server sends with a payload of `length` bytes."""
    if length < 126:
        return length + 2
    return length + 4 if length < 0x10000 else length + 10


def _header(first: int, length: int, masked: int) -> bytes:
    """The first byte, then `masked` and the length in its shortest form."""
    if length < 126:
        return _pack_short(first, masked | length)
    if length < 0x10000:
        return _pack_medium(first, masked | 126, length)
    return _pack_long(first, masked | 127, length)


def encode_frame(opcode: int, payload: bytes, rsv1: bool = False) -> bytes:
    """A whole frame of a server in one piece, final and not masked; `rsv1` marks a compressed one.

    `encode_frame(Opcode.TEXT, b"Hello") == b"\\x81\\x05Hello"`
    """
    length = len(payload)
    if length < SMALL_FRAME_MAX and not rsv1 and opcode in SHORT_FRAME_HEADERS:
        return SHORT_FRAME_HEADERS[opcode][length] + payload
    first = opcode | (FIN | RSV1 if rsv1 else FIN)
    # `_header` is written out here: the call would be a fifth of the cost.
    if length < 126:
        return _pack_short(first, length) + payload
    if length < 0x10000:
        return _pack_medium(first, 126, length) + payload
    return _pack_long(first, 127, length) + payload


SMALL_FRAME_MAX: Final = 2_048
"""Payloads shorter than this have their header in a table; copying them costs next to nothing."""

SHORT_FRAME_HEADERS: Final = {
    int(opcode): tuple(_header(FIN | opcode, length, 0) for length in range(count))
    for opcode, count in (
        (Opcode.TEXT, SMALL_FRAME_MAX),
        (Opcode.BINARY, SMALL_FRAME_MAX),
        (Opcode.PING, CONTROL_MAX + 1),
    )
}
"""The header of every short frame of a server that a program sends: by opcode, then by length of
the payload.
"""


def encode_masked(opcode: int, payload: bytes, key: bytes, fin: bool = True, rsv: int = 0) -> bytes:
    """A whole frame of a client, masked with the 4 bytes of `key`.

    `encode_masked(Opcode.TEXT, b"Hello", bytes.fromhex("37fa213d"))` is `81 85 37 fa 21 3d 7f 9f 4d
    51 58`. `rsv` is the three reserved bits as a number from 0 to 7.
    """
    first = rsv << 4 | opcode | (FIN if fin else 0)
    return b"".join((_header(first, len(payload), MASKED), key, apply_mask(payload, key)))


# -- reading ---------------------------------------------------------------------------------------


def parse_frame(
    data: bytes, start: int, rules: FrameRules
) -> tuple[Frame, int] | NeedMore | Malformed:
    """The frame that begins at index `start` of `data`, and the index behind it.

    With `rules = FrameRules(1024, 1024, is_masked=False)`, `parse_frame(b"\\x81\\x02hi", 0, rules)`
    is the frame of the text `b"hi"`, and 4. The frame stands alone: whether it continues a message
    as it should is not checked. Refused with 1002 or 1009.
    """
    header = parse_frame_header(data, start, rules)
    if not isinstance(header, FrameHeader):
        return header
    end = header.end + header.length
    if end > len(data):
        return NeedMore(len(data))
    payload = data[header.end : end]
    if header.key:
        payload = apply_mask(payload, header.key)
    return Frame(header.opcode, header.fin, header.rsv1, payload), end


def parse_frame_header(
    data: bytes,
    start: int,
    rules: FrameRules,
    is_continuing: bool | None = None,
    message_len: int = 0,
) -> FrameHeader | NeedMore | Malformed:
    """The header of the frame that begins at index `start` of `data`.

    `parse_frame_header(b"\\x81\\x05", 0, FrameRules(1024, 1024, is_masked=False))` is the header of
    a text of 5 bytes whose payload begins at 2. `is_continuing` is true inside a message that has
    `message_len` bytes so far, false between two messages, None if the frame stands alone. Refused
    at the first byte that is wrong, with 1002 or 1009.
    """
    if len(data) <= start:
        return NeedMore(start)
    first = data[start]
    error = FIRST_BYTE_ERRORS[is_continuing, rules.allows_rsv1][first]
    if error is not None:
        return error
    if len(data) == start + 1:
        return NeedMore(start + 1)
    second = data[start + 1]
    if (second >= MASKED) is not rules.is_masked:
        return _NOT_MASKED if rules.is_masked else _IS_MASKED
    length = second & 0x7F
    width = 0
    if first & _CONTROL:
        if length > CONTROL_MAX:
            return _LONG_CONTROL
    else:
        width = _EXTENDED_WIDTHS.get(length, 0)
        whole = _parse_length(data, start + 2, length, rules, message_len)
        if not isinstance(whole, int):
            return whole
        length = whole
    key_start = start + 2 + width
    end = key_start + 4 if rules.is_masked else key_start
    if end > len(data):
        return NeedMore(len(data))
    key = data[key_start:end]
    return FrameHeader(OPCODES[first & 0x0F], first >= FIN, first & RSV1 != 0, length, key, end)


_NOT_MASKED: Final = malformed("a frame of the client is not masked", CloseReason.WS_BAD_MASK)
_IS_MASKED: Final = malformed("a frame of the server is masked", CloseReason.WS_BAD_MASK)
_LONG_CONTROL: Final = malformed(
    "a control frame carries more than 125 bytes", CloseReason.WS_CONTROL_FRAME_TOO_LARGE
)
_LENGTH_NOT_SHORTEST: Final = malformed(
    "the length of a frame is not in its shortest form", CloseReason.WS_NONMINIMAL_LENGTH
)


def _parse_length(
    data: bytes, start: int, short_length: int, rules: FrameRules, message_len: int
) -> int | NeedMore | Malformed:
    """The length of a data frame, from the 7 bits `short_length` and the 0, 2 or 8 bytes at
    `start`.

    Bytes that have not come leave a range of lengths: what is wrong with all of it is wrong
    already.
    """
    width = _EXTENDED_WIDTHS.get(short_length, 0)
    digits = data[start : start + width]
    min_len = short_length
    if width:
        min_len = int.from_bytes(digits.ljust(width, b"\x00"))
        max_len = int.from_bytes(digits.ljust(width, b"\xff"))
        if max_len < _SHORTEST[width]:
            return _LENGTH_NOT_SHORTEST
    if min_len > rules.max_frame_len or message_len + min_len > rules.max_message_len:
        return _oversize(rules, message_len)
    return min_len if len(digits) == width else NeedMore(len(data))


def _oversize(rules: FrameRules, message_len: int) -> Malformed:
    """The refusal of a frame that exceeds a bound; it names the nearer one, so that it does not
    depend on how much of the length has come.
    """
    kind, bound = "frame", rules.max_frame_len
    if rules.max_message_len - message_len < bound:
        kind, bound = "message", rules.max_message_len
    return malformed(f"a {kind} is longer than {bound} bytes", CloseReason.WS_OVERSIZE_FRAME)


def _first_byte_error(
    first: int, is_continuing: bool | None, allows_rsv1: bool
) -> Malformed | None:
    """What is wrong with the first byte of a frame, or None."""
    opcode = first & 0x0F
    if opcode not in OPCODES:
        return malformed(
            f"a frame has the opcode {opcode}, which has no meaning", CloseReason.WS_UNKNOWN_OPCODE
        )
    starts_message = opcode in (Opcode.TEXT, Opcode.BINARY)
    # The one reserved bit that may be set says of a message, in its first frame, that it is
    # compressed (RFC 7692 section 6).
    may_be_rsv1 = allows_rsv1 and starts_message
    if first & RSV and not (may_be_rsv1 and first & RSV == RSV1):
        return malformed(
            "a reserved bit is set without an extension that gives it meaning",
            CloseReason.WS_BAD_RSV,
        )
    if opcode & _CONTROL:
        if first & FIN:
            return None
        return malformed("a control frame is fragmented", CloseReason.WS_FRAGMENTED_CONTROL)
    if is_continuing and starts_message:
        return malformed(
            "a new message begins inside a fragmented one", CloseReason.WS_EXPECTED_CONT_OPCODE
        )
    if is_continuing is False and not starts_message:
        return malformed(
            "a continuation frame has no message to continue", CloseReason.WS_EXPECTED_TEXT_OPCODE
        )
    return None


OPCODES: Final = {int(opcode): opcode for opcode in Opcode}
FIRST_BYTE_ERRORS: Final = {
    (is_continuing, allows_rsv1): tuple(
        _first_byte_error(first, is_continuing, allows_rsv1) for first in range(256)
    )
    for is_continuing in (None, False, True)
    for allows_rsv1 in (False, True)
}
"""What is wrong with each of the 256 first bytes, by `is_continuing` and `allows_rsv1`."""


# -- the payload of a close frame ------------------------------------------------------------------

NO_STATUS_RCVD: Final = 1005
"""Stands for a close frame without a code; never on the wire (RFC 6455 section 7.4.1)."""

REASON_MAX: Final = CONTROL_MAX - 2
"""Bytes of a close frame's reason."""


def is_close_code(code: int) -> bool:
    """True for the codes that a close frame may carry (RFC 6455 section 7.4.2 and the IANA
    registry).
    """
    return 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999


def encode_close(code: int, reason: str = "") -> bytes:
    """The payload of a close frame, empty for 1005.

    `encode_close(1000, "bye") == b"\\x03\\xe8bye"`. The reason is cut to 123 bytes, never inside a
    character. ValueError for a code that may not be sent.
    """
    if code == NO_STATUS_RCVD:
        return b""
    if not is_close_code(code):
        raise ValueError(
            f"{code} is not the code of a close frame (1000 to 1003, 1007 to 1014, 3000 to 4999)"
        )
    cut = reason.encode(errors="replace")[:REASON_MAX].decode(errors="ignore")
    return code.to_bytes(2) + cut.encode()


def parse_close(payload: bytes) -> tuple[int, str] | Malformed:
    """The code and the reason of a close frame, 1005 and nothing for an empty one.

    `parse_close(b"\\x03\\xe8bye") == (1000, "bye")`. Refused with 1002 or 1007.
    """
    if not payload:
        return NO_STATUS_RCVD, ""
    if len(payload) < 2:
        return malformed("a close frame carries half a code", CloseReason.WS_BAD_CLOSE_PAYLOAD)
    code = int.from_bytes(payload[:2])
    if not is_close_code(code):
        return malformed(
            f"a close frame carries the code {code}, which may not be sent",
            CloseReason.WS_BAD_CLOSE_PAYLOAD,
        )
    try:
        return code, payload[2:].decode()
    except UnicodeDecodeError:
        return malformed("the reason in a close frame is not UTF-8", CloseReason.WS_BAD_UTF8)
