"""WebSocket messages: what was read of a connection, assembled (RFC 6455 sections 5.4 to 5.6, 8.1).

Theory: a peer sends messages, cut into frames anywhere, and its bytes arrive cut into reads
anywhere. What has been read and is not a whole message yet is a value, `MessageReader`; a read
gives the next reader and the items it completed, in the order in which they came: text as `str`,
binary as `bytes`, control frames as records.

Rules: cuts change nothing, neither the items nor the error. A payload is unmasked and checked as it
comes, so text that cannot become UTF-8 is refused at the byte that is wrong, and only a header or a
control frame is ever buffered as it came. The pieces of a message are a rope, joined once. After a
Close or an error nothing is read any more.

It does not answer: pongs, close frames and the end of the connection are `connection.websocket`'s.
A compressed message comes out compressed, as `CompressedMessage`, and is inflated by whoever wants
its content.
"""

from typing import Any, Final, TypeAlias, final

from ..parse_result import Malformed, NeedMore
from ..rope import rope_len
from ..value import Value
from .fragments import (
    NEW_MESSAGES,
    AnyMessage,
    CompressedMessage,
    FragmentedMessage,
    cut_piece,
    last_piece,
    with_piece,
)
from .frames import (
    CONTROL_MAX,
    FIN,
    FIRST_BYTE_ERRORS,
    KEY_LEN,
    MASKED,
    OPCODES,
    RSV1,
    FrameHeader,
    FrameRules,
    Opcode,
    parse_close,
    parse_frame_header,
)
from .masking import apply_mask

# -- items -----------------------------------------------------------------------------------------


@final
class Ping(Value):
    """A ping, which wants a pong with the same payload (RFC 6455 section 5.5.2)."""

    __match_args__ = ("payload",)
    __slots__ = __match_args__

    def __init__(self, payload: bytes) -> None:
        self.payload: Final = payload


@final
class Pong(Value):
    """The pong for a ping of ours, or an unsolicited one (RFC 6455 section 5.5.3)."""

    __match_args__ = ("payload",)
    __slots__ = __match_args__

    def __init__(self, payload: bytes) -> None:
        self.payload: Final = payload


@final
class Close(Value):
    """The close frame of the peer; `code` is 1005 if it has none (RFC 6455 section 5.5.1)."""

    __match_args__ = ("code", "reason")
    __slots__ = __match_args__

    def __init__(self, code: int, reason: str) -> None:
        self.code: Final = code
        self.reason: Final = reason


Item: TypeAlias = AnyMessage | Ping | Pong | Close
"""What a connection receives: a message, a piece of one, or a control frame."""


# -- the reader ------------------------------------------------------------------------------------


@final
class PartialFrame(Value):
    """A data frame of which `remaining` bytes of payload have not come.

    `key` is rotated so that its first byte masks the next byte; empty if the frame is not masked.
    """

    __match_args__ = ("remaining", "key", "fin")
    __slots__ = __match_args__

    def __init__(self, remaining: int, key: bytes, fin: bool) -> None:
        self.remaining: Final = remaining
        self.key: Final = key
        self.fin: Final = fin


@final
class MessageReader(Value):
    """The receiving side of a WebSocket: what was read and is not a whole item yet.

    `buffer` is the begin of a header or control frame; `message` and `frame` are the message and
    the data frame that have begun, if any; `is_over` is true after a Close or an error.
    """

    __match_args__ = ("buffer", "message", "frame", "is_over")
    __slots__ = __match_args__

    def __init__(
        self,
        buffer: bytes,
        message: FragmentedMessage | None,
        frame: PartialFrame | None,
        is_over: bool,
    ) -> None:
        self.buffer: Final = buffer
        self.message: Final = message
        self.frame: Final = frame
        self.is_over: Final = is_over

    def __reduce__(self) -> str | tuple[Any, ...]:
        return "BETWEEN_MESSAGES" if self is BETWEEN_MESSAGES else (MessageReader, self._values())


BETWEEN_MESSAGES: Final = MessageReader(b"", None, None, False)
"""The reader between two messages with nothing buffered: as it begins, and mostly is."""

READER_CLOSED: Final = MessageReader(b"", None, None, True)
"""The reader after a Close or an error."""

Step: TypeAlias = tuple[MessageReader, Item | None, int]
"""The reader after a step, the item that the step completed, and where in the data it stopped."""


def receive_data(
    reader: MessageReader, data: bytes, rules: FrameRules
) -> tuple[MessageReader, tuple[Item, ...], Malformed | None]:
    """The reader after `data`, the items that this completes, and what is wrong behind them, if
    anything.

    `receive_data(BETWEEN_MESSAGES, encode_masked(Opcode.TEXT, b"hi", key), rules)` is
    `(BETWEEN_MESSAGES, ("hi",), None)`. The reason of an error has its close code: 1002, 1007, 1008
    or 1009.
    """
    items: list[Item] = []
    start = 0
    if reader.buffer:
        data = reader.buffer + data
        reader = _between_frames(reader.message)
    while not reader.is_over:
        if reader.frame is None:
            reader, start = _take_whole_frames(reader, data, start, rules, items)
        if start == len(data):
            break
        message, frame = reader.message, reader.frame
        if message is not None and frame is not None:
            step: Step | NeedMore | Malformed = _take_payload(message, frame, data, start, rules)
        else:
            step = _take_frame(reader, data, start, rules)
        if isinstance(step, Malformed):
            return READER_CLOSED, tuple(items), step
        if isinstance(step, NeedMore):
            return MessageReader(data[start:], message, None, False), tuple(items), None
        reader, item, start = step
        if item is not None:
            items.append(item)
    return reader, tuple(items), None


def _between_frames(message: FragmentedMessage | None) -> MessageReader:
    """The reader between two frames, with nothing buffered: inside this message, or in none."""
    return BETWEEN_MESSAGES if message is None else MessageReader(b"", message, None, False)


# -- frames that have come whole -------------------------------------------------------------------

_OTHER: Final = 0
_TEXT: Final = 1
_BINARY: Final = 2
_COMPRESSED: Final = 3
_FRAGMENT: Final = 4
_PING: Final = 5
_PONG: Final = 6


def _kind(first: int, is_continuing: bool, allows_rsv1: bool) -> int:
    """What a frame is by its first byte: a whole message, a fragment of one, a ping or a pong; one
    that closes, or is wrong, is `_OTHER`.
    """
    opcode, error = first & 0x0F, FIRST_BYTE_ERRORS[is_continuing, allows_rsv1][first]
    if error is not None or opcode == Opcode.CLOSE:
        return _OTHER
    if opcode > Opcode.CLOSE:
        return _PING if opcode == Opcode.PING else _PONG
    if opcode == Opcode.CONTINUATION or first < FIN:
        return _FRAGMENT
    if first & RSV1:
        return _COMPRESSED
    return _TEXT if opcode == Opcode.TEXT else _BINARY


_KINDS: Final = {
    (is_continuing, allows_rsv1): bytes(
        [_kind(first, is_continuing, allows_rsv1) for first in range(256)]
    )
    for is_continuing in (False, True)
    for allows_rsv1 in (False, True)
}
"""What a frame is by its first byte, inside a message or not, with compression or without."""


def _take_whole_frames(
    reader: MessageReader, data: bytes, start: int, rules: FrameRules, items: list[Item]
) -> tuple[MessageReader, int]:
    """The reader behind the frames that stand whole in `data` from index `start` on, and the index
    behind them; what they complete is appended to `items`.

    It stops before a frame that is torn, that closes or that is wrong in any way: `_take_frame`
    says what is the matter with it.
    """
    # The loop to be fast in: a header is read where it lies, and a whole message leaves no record.
    message, key_len, mask_bit = reader.message, 0, 0
    if rules.is_masked:
        key_len, mask_bit = KEY_LEN, MASKED
    # where a compressed message comes out in pieces, `_take_frame` reads it
    allows_rsv1 = rules.allows_rsv1 and not rules.piece_len
    kinds, max_len = _KINDS[message is not None, allows_rsv1], _max_frame_len(message, rules)
    size, last = len(data), len(data) - key_len - 4
    while start <= last:
        first, begin, length = data[start], start + key_len + 2, data[start + 1] - mask_bit
        if length == 126:
            begin, length = begin + 2, data[start + 2] << 8 | data[start + 3]
            if length < 126:
                break
        elif length < 0 or length > 126:
            break
        kind, end = kinds[first], begin + length
        if length > max_len or end > size:
            break
        payload = data[begin:end]
        if key_len:
            payload = apply_mask(payload, data[begin - 4 : begin])
        if kind == _TEXT:
            try:
                items.append(payload.decode())
            except UnicodeDecodeError:
                break
        elif kind == _BINARY:
            items.append(payload)
        elif kind == _COMPRESSED:
            items.append(CompressedMessage(OPCODES[first & 0x0F], payload))
        elif kind == _FRAGMENT:
            begun = NEW_MESSAGES[first & ~FIN] if message is None else message
            after = with_piece(begun, length, 1, payload, first >= FIN, rules)
            if isinstance(after, Malformed):
                break
            message = after if isinstance(after, FragmentedMessage) else None
            if not isinstance(after, FragmentedMessage):
                items.append(after)
            kinds = _KINDS[message is not None, allows_rsv1]
            max_len = _max_frame_len(message, rules)
        elif kind == _OTHER or length > CONTROL_MAX:
            break
        else:
            items.append(Ping(payload) if kind == _PING else Pong(payload))
        start = end
    return _between_frames(message), start


def _max_frame_len(message: FragmentedMessage | None, rules: FrameRules) -> int:
    """How long the next data frame may be, inside this message or in none, that is no piece."""
    room = rules.max_message_len - (0 if message is None else message.announced_len)
    if rules.piece_len:  # what is begun may come out in pieces: `_take_in_pieces` knows
        room = rules.piece_len if message is None else -1
    return min(rules.max_frame_len, room)


# -- any frame -------------------------------------------------------------------------------------


def _take_frame(
    reader: MessageReader, data: bytes, start: int, rules: FrameRules
) -> Step | NeedMore | Malformed:
    """The reader after the header of a frame and as much of its payload as has come; a control
    frame is only taken whole.
    """
    message = reader.message
    announced_len = message.announced_len if message else 0
    header = parse_frame_header(data, start, rules, message is not None, announced_len)
    if not isinstance(header, FrameHeader):
        return header
    if header.opcode >= Opcode.CLOSE:
        return _take_control(reader, data, header)
    if message is None:
        message = NEW_MESSAGES[data[start] & ~FIN]
    # nothing of the payload yet: a frame that is one too many is refused before it comes
    begun = with_piece(message, header.length, 1, b"", False, rules)
    if not isinstance(begun, FragmentedMessage):
        assert isinstance(begun, Malformed), "a message does not end with a header"
        return begun
    frame = PartialFrame(header.length, header.key, header.fin)
    return _take_payload(begun, frame, data, header.end, rules)


def _take_control(
    reader: MessageReader, data: bytes, header: FrameHeader
) -> Step | NeedMore | Malformed:
    """The reader after a control frame, which may come between the frames of a message and leaves
    the message alone.
    """
    end = header.end + header.length
    if end > len(data):
        return NeedMore(len(data))
    payload = data[header.end : end]
    if header.key:
        payload = apply_mask(payload, header.key)
    if header.opcode is Opcode.PING:
        return reader, Ping(payload), end
    if header.opcode is Opcode.PONG:
        return reader, Pong(payload), end
    parsed = parse_close(payload)
    if isinstance(parsed, Malformed):
        return parsed
    code, reason = parsed
    return READER_CLOSED, Close(code, reason), end


def _take_payload(
    message: FragmentedMessage, frame: PartialFrame, data: bytes, start: int, rules: FrameRules
) -> Step | Malformed:
    """The reader after as much of a data frame's payload as has come, and the message if that was
    the last of it.
    """
    if rules.piece_len:
        return _take_in_pieces(message, frame, data, start, rules)
    key = frame.key
    piece = data[start : start + frame.remaining]
    length = len(piece)
    end, remaining = start + length, frame.remaining - length
    if key:
        piece = apply_mask(piece, key)
    after = with_piece(message, 0, 0, piece, frame.fin and not remaining, rules)
    if isinstance(after, Malformed):
        return after
    if not isinstance(after, FragmentedMessage):
        return BETWEEN_MESSAGES, after, end
    if not remaining:
        return _between_frames(after), None, end
    offset = length & 3
    frame = PartialFrame(remaining, key[offset:] + key[:offset], frame.fin)
    return MessageReader(b"", after, frame, False), None, end


def _take_in_pieces(
    message: FragmentedMessage, frame: PartialFrame, data: bytes, start: int, rules: FrameRules
) -> Step | Malformed:
    """The reader after as much of a data frame's payload as one piece has room for, and the piece
    if more is to come behind it, or the last one; the whole message if it is no longer than one.
    """
    room = rules.piece_len - rope_len(message.rope)
    if room <= 0 and frame.remaining:
        after, item = cut_piece(message)
        return MessageReader(b"", after, frame, False), item, start
    piece = data[start : start + min(frame.remaining, room)]
    length, key = len(piece), frame.key
    remaining, end = frame.remaining - length, start + length
    if key:
        piece = apply_mask(piece, key)
    more = with_piece(message, 0, 0, piece, False, rules)
    if not isinstance(more, FragmentedMessage):
        assert isinstance(more, Malformed), "it ends with its last piece"
        return more
    if remaining:
        offset = length & 3
        frame = PartialFrame(remaining, key[offset:] + key[:offset], frame.fin)
        return MessageReader(b"", more, frame, False), None, end
    if not frame.fin:
        return _between_frames(more), None, end
    last = last_piece(more)
    return last if isinstance(last, Malformed) else (BETWEEN_MESSAGES, last, end)
