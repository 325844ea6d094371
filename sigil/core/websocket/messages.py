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

from codecs import utf_8_decode
from struct import Struct
from typing import Final, TypeAlias, final

from ..close_reasons import CloseReason
from ..parse_result import Malformed, NeedMore, malformed
from ..rope import Rope, rope_append, rope_join
from ..value import Value
from .compression import inflate
from .frames import (
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


@final
class CompressedMessage(Value):
    """A text or binary message, still compressed (RFC 7692 section 6)."""

    __match_args__ = ("opcode", "payload")
    __slots__ = __match_args__

    def __init__(self, opcode: Opcode, payload: bytes) -> None:
        self.opcode: Final = opcode
        self.payload: Final = payload


Message: TypeAlias = str | bytes
"""A message as user code sees it: text or binary."""

Item: TypeAlias = Message | CompressedMessage | Ping | Pong | Close
"""What a connection receives: a message or a control frame."""


# -- the reader ------------------------------------------------------------------------------------


@final
class FragmentedMessage(Value):
    """A message whose last frame has not come (RFC 6455 section 5.4).

    `rope` has its payload so far, `announced_len` the bytes that the headers of its frames so far
    announced, `partial_char` the bytes at the end of a text that only begin a character, at most 3,
    `continuations` is the number of its frames but the first.
    """

    __match_args__ = (
        "opcode", "is_compressed", "rope", "announced_len", "partial_char", "continuations",
    )  # fmt: skip
    __slots__ = __match_args__

    def __init__(
        self,
        opcode: Opcode,
        is_compressed: bool,
        rope: Rope,
        announced_len: int,
        partial_char: bytes,
        continuations: int = 0,
    ) -> None:
        self.opcode: Final = opcode
        self.is_compressed: Final = is_compressed
        self.rope: Final = rope
        self.announced_len: Final = announced_len
        self.partial_char: Final = partial_char
        self.continuations: Final = continuations


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


BETWEEN_MESSAGES: Final = MessageReader(b"", None, None, False)
"""The reader between two messages with nothing buffered: as it begins, and mostly is."""

READER_CLOSED: Final = MessageReader(b"", None, None, True)
"""The reader after a Close or an error."""

Step: TypeAlias = tuple[MessageReader, Item | None, int]
"""The reader after a step, the item that the step completed, and where in the data it stopped."""

_WHOLE_TEXT, _WHOLE_BINARY = 0x81, 0x82
_unpack_header = Struct(">BBH").unpack_from


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
        reader = BETWEEN_MESSAGES if reader.message is None else reader.replace(buffer=b"")
    while not reader.is_over:
        if reader is BETWEEN_MESSAGES and rules.is_masked:
            start = take_unfragmented(data, start, rules, items)
        if start == len(data):
            break
        message, frame = reader.message, reader.frame
        if message is not None and frame is not None:
            step: Step | NeedMore | Malformed = _take_payload(message, frame, data, start)
        else:
            step = _take_frame(reader, data, start, rules)
        if isinstance(step, Malformed):
            return READER_CLOSED, tuple(items), step
        if isinstance(step, NeedMore):
            return reader.replace(buffer=data[start:]), tuple(items), None
        reader, item, start = step
        if item is not None:
            items.append(item)
    return reader, tuple(items), None


def take_unfragmented(
    data: bytes, start: int, rules: FrameRules, messages: list[Message] | list[Item]
) -> int:
    """The index behind the uncompressed messages of one masked frame each that stand in `data` from
    index `start` on; they are appended to `messages`.

    It stops before anything else, and before anything wrong, which `receive_data` takes step by
    step.
    """
    # The loop to be fast in. One unpacking reads a header in both of its usual forms, with a length
    # of 1 and of 3 bytes.
    append, last = messages.append, len(data) - 8
    max_len = min(rules.max_frame_len, rules.max_message_len)
    while start <= last:
        first, second, length = _unpack_header(data, start)
        if first != _WHOLE_TEXT and first != _WHOLE_BINARY:
            break
        if second == 254 and length > 125:
            begin = start + 8
        elif 128 <= second < 254:
            # The length was in the second byte: what was unpacked as length is of the key.
            begin = start + 6
            length = second - 128
        else:
            break
        end = begin + length
        if end > last + 8 or length > max_len:
            break
        payload = apply_mask(data[begin:end], data[begin - 4 : begin])
        if first == _WHOLE_TEXT:
            try:
                append(payload.decode())
            except UnicodeDecodeError:
                break
        else:
            append(payload)
        start = end
    return start


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
    frame = PartialFrame(header.length, header.key, header.fin)
    if message is None:
        message = FragmentedMessage(header.opcode, header.rsv1, (), header.length, b"")
    else:
        message = FragmentedMessage(
            message.opcode,
            message.is_compressed,
            message.rope,
            announced_len + header.length,
            message.partial_char,
            message.continuations + 1,
        )
        small_count = message.continuations - rules.max_small_fragments
        if small_count * rules.min_fragment_len > message.announced_len:
            return _TOO_MANY_FRAGMENTS
    return _take_payload(message, frame, data, header.end)


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
    message: FragmentedMessage, frame: PartialFrame, data: bytes, start: int
) -> Step | Malformed:
    """The reader after as much of a data frame's payload as has come, and the message if that was
    the last of it.
    """
    opcode, is_compressed = message.opcode, message.is_compressed
    rope, partial_char = message.rope, message.partial_char
    piece = data[start : start + frame.remaining]
    end = start + len(piece)
    remaining = frame.remaining - len(piece)
    is_complete = frame.fin and not remaining
    if frame.key:
        piece = apply_mask(piece, frame.key)
    if opcode is Opcode.TEXT and not is_compressed:
        checked = check_utf8(partial_char, piece, is_complete)
        if isinstance(checked, Malformed):
            return checked
        partial_char = checked
    if piece:  # a peer may send empty frames without end: they leave no trace
        rope = rope_append(rope, piece)
    if is_complete:
        return BETWEEN_MESSAGES, _complete(opcode, is_compressed, rope), end
    message = FragmentedMessage(
        opcode, is_compressed, rope, message.announced_len, partial_char, message.continuations
    )
    if not remaining:
        return MessageReader(b"", message, None, False), None, end
    key, offset = frame.key, len(piece) & 3
    frame = PartialFrame(remaining, key[offset:] + key[:offset], frame.fin)
    return MessageReader(b"", message, frame, False), None, end


def _complete(opcode: Opcode, is_compressed: bool, rope: Rope) -> Item:
    """The item that a complete message is; its text has been checked piece by piece."""
    payload = rope_join(rope)
    if is_compressed:
        return CompressedMessage(opcode, payload)
    return payload.decode() if opcode is Opcode.TEXT else payload


def check_utf8(partial_char: bytes, piece: bytes, is_last: bool) -> bytes | Malformed:
    """The bytes at the end of a text that only begin a character, at most 3; 1007 if it is not
    UTF-8.

    The text is `partial_char`, left over from the piece before, and `piece`. It is refused as soon
    as no continuation could make it UTF-8, and after the last piece nothing may be left over.
    """
    text = partial_char + piece if partial_char else piece
    try:
        rest = text[utf_8_decode(text, "strict", is_last)[1] :]
    except UnicodeDecodeError:
        return _BAD_TEXT
    # Python's decoder waits for the third byte of a surrogate before it refuses, for the sake of
    # error handlers that accept surrogates.
    if rest[:1] == b"\xed" and rest[1:] >= b"\xa0":
        return _BAD_TEXT
    return rest


_TOO_MANY_FRAGMENTS: Final = malformed(
    "a message has too many small fragments", CloseReason.WS_OVERHEAD
)
_BAD_TEXT: Final = malformed("a text message is not UTF-8", CloseReason.WS_BAD_UTF8)


def decompress(compressed: CompressedMessage, max_len: int) -> Message | Malformed:
    """The message that was compressed: 1007 if it is no deflate or no text, 1009 above `max_len`
    bytes.
    """
    payload = inflate(compressed.payload, max_len)
    if isinstance(payload, Malformed) or compressed.opcode is not Opcode.TEXT:
        return payload
    try:
        return payload.decode()
    except UnicodeDecodeError:
        return _BAD_TEXT
