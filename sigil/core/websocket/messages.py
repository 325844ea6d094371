"""WebSocket messages: a fold of reads to what the peer said (RFC 6455 sections 5.4 to 5.6, 8.1).

Theory: a conversation is a stream of bytes that was cut anywhere, in frames that were cut anywhere
from messages. What has been received of it is a value, `MessageReader`; a read gives the next value
and the items it completed, in the order in which they came: text as `str`, binary as `bytes`,
control frames as records.

Rules: cuts change nothing, neither the items nor the flaw. A payload is unmasked and checked as it
comes, so text that cannot become UTF-8 is refused at the byte that is wrong, and only a frame's
head or a control frame is ever kept back. Pieces of a message are a rope, joined once. After a
Close or a flaw nothing is read any more.

It does not answer: pongs, close frames and the end of the connection belong to whoever folds. A
compressed message comes out as it came, `CompressedMessage`, and is inflated when somebody asks
what it says.
"""

from codecs import utf_8_decode
from struct import Struct
from typing import NamedTuple, TypeAlias

from ..close_reasons import CloseReason
from ..parse_result import Malformed, NeedMore, malformed
from ..rope import Rope, rope_append, rope_join
from .compression import inflate
from .frames import (
    BIGINT_XOR_MAX,
    KEY_REPEATS,
    FrameHeader,
    FrameRules,
    Opcode,
    apply_mask,
    parse_close,
    parse_frame_header,
)

# -- items -----------------------------------------------------------------------------------------


class Ping(NamedTuple):
    """The peer asks for a pong with this payload (RFC 6455 section 5.5.2)."""

    payload: bytes


class Pong(NamedTuple):
    """The answer to a ping of ours, or a sign of life nobody asked for (RFC 6455 section 5.5.3)."""

    payload: bytes


class Close(NamedTuple):
    """The peer has said its last word; `code` is 1005 if it gave none (RFC 6455 section 5.5.1)."""

    code: int
    reason: str


class CompressedMessage(NamedTuple):
    """A compressed message: what it will be, and its payload as it came (RFC 7692 section 6)."""

    opcode: Opcode
    payload: bytes


Message: TypeAlias = str | bytes
Item: TypeAlias = Message | CompressedMessage | Ping | Pong | Close


# -- what has been received ------------------------------------------------------------------------


class FragmentedMessage(NamedTuple):
    """A message that has begun; `max_bytes` is what its frames so far announced, `trim` a character
    that has only begun.
    """

    opcode: Opcode
    is_compressed: bool
    rope: Rope
    size: int
    tail: bytes


class PartialFrame(NamedTuple):
    """A data frame whose payload has not all come; `key` is turned so that its first byte is the
    next to be used.
    """

    remaining: int
    key: bytes
    fin: bool


class MessageReader(NamedTuple):
    """The receiving side of a conversation: bytes that are not understood yet, a message and a
    frame under way.
    """

    buffer: bytes
    message: FragmentedMessage | None
    frame: PartialFrame | None
    is_over: bool


BETWEEN_MESSAGES = MessageReader(b"", None, None, False)
"""Between two messages, with nothing kept back: where a conversation begins and mostly is."""

READER_CLOSED = MessageReader(b"", None, None, True)
"""After a Close or a flaw."""

Taken: TypeAlias = tuple[MessageReader, Item | None, int]
"""The receiving side after a step, what it completed, and where in the data it stopped."""

_TEXT_WHOLE, _BINARY_WHOLE = 0x81, 0x82
_eight_bytes = Struct(">BBHI").unpack_from


def receive_data(
    reader: MessageReader, data: bytes, rules: FrameRules
) -> tuple[MessageReader, tuple[Item, ...], Malformed | None]:
    """What has been received when `data` has come too, the items this completes, and what is wrong
    with the next.

    The reason of a flaw has its close code: 1002, 1007 or 1009.
    """
    items: list[Item] = []
    start = 0
    if reader.buffer:
        data = reader.buffer + data
        reader = BETWEEN_MESSAGES if reader.message is None else reader._replace(buffer=b"")
    while not reader.is_over:
        if reader is BETWEEN_MESSAGES and rules.is_masked:
            start = take_unfragmented(data, start, rules, items)
        if start == len(data):
            break
        _, message, frame, _ = reader
        if message is not None and frame is not None:
            step: Taken | NeedMore | Malformed = _take_payload(message, frame, data, start)
        else:
            step = _take_frame(reader, data, start, rules)
        if isinstance(step, Malformed):
            return READER_CLOSED, tuple(items), step
        if isinstance(step, NeedMore):
            return reader._replace(buffer=data[start:]), tuple(items), None
        reader, item, start = step
        if item is not None:
            items.append(item)
    return reader, tuple(items), None


def take_unfragmented(data: bytes, start: int, rules: FrameRules, items: list[Item]) -> int:
    """Whole messages of one masked frame each, from `start` on, added to `items`; returned is where
    they end.

    The loop to be fast in: it knows only what nearly all frames are, and stops before anything else
    and anything wrong, for the general steps to look at. One unpacking reads the head of a frame in
    both of its usual forms, with 2 and 4 bytes of length, and `apply_mask` is written out: a call
    costs a fifth of all there is to do.
    """
    from_bytes, append, last = int.from_bytes, items.append, len(data) - 8
    bound = min(rules.max_frame_len, rules.max_message_len)
    while start <= last:
        first, second, length, key = _eight_bytes(data, start)
        if first != _TEXT_WHOLE and first != _BINARY_WHOLE:
            break
        if second == 254 and length > 125:
            begin = start + 8
        elif 128 <= second < 254:
            begin = start + 6
            key = length << 16 | key >> 16
            length = second - 128
        else:
            break
        end = begin + length
        if end > last + 8 or length > bound:
            break
        if length > BIGINT_XOR_MAX:
            payload = apply_mask(data[begin:end], data[begin - 4 : begin])
        else:
            mask = key * KEY_REPEATS[length + 3 >> 2]
            if length & 3:
                mask >>= 8 * (-length & 3)
            payload = (from_bytes(data[begin:end]) ^ mask).to_bytes(length)
        if first == _TEXT_WHOLE:
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
) -> Taken | NeedMore | Malformed:
    """The head of a frame, and as much of its payload as has come; a control frame only as a whole."""
    message = reader.message
    size = message.size if message else 0
    header = parse_frame_header(data, start, rules, message is not None, size)
    if not isinstance(header, FrameHeader):
        return header
    opcode, length = header.opcode, header.length
    arriving = PartialFrame(length, header.key, header.fin)
    if opcode >= Opcode.CLOSE:
        return _take_control(reader, data, header)
    if message is None:
        return _take_payload(
            FragmentedMessage(opcode, header.rsv1, (), length, b""), arriving, data, header.end
        )
    grown = FragmentedMessage(
        message.opcode, message.is_compressed, message.rope, size + length, message.tail
    )
    return _take_payload(grown, arriving, data, header.end)


def _take_control(
    reader: MessageReader, data: bytes, header: FrameHeader
) -> Taken | NeedMore | Malformed:
    """A control frame: it may come between the frames of a message, and leaves the message alone."""
    end = header.end + header.length
    if end > len(data):
        return NeedMore(len(data))
    payload = data[header.end : end]
    if header.key:
        payload = apply_mask(payload, header.key)
    if header.opcode is Opcode.CLOSE:
        parsed = parse_close(payload)
        return parsed if isinstance(parsed, Malformed) else (READER_CLOSED, Close(*parsed), end)
    return reader, Ping(payload) if header.opcode is Opcode.PING else Pong(payload), end


def _take_payload(
    message: FragmentedMessage, frame: PartialFrame, data: bytes, start: int
) -> Taken | Malformed:
    """As much of a data frame's payload as has come; if that was the last of a message, the
    message.
    """
    opcode, is_squeezed, rope, size, tail = message
    remaining, key, is_final = frame
    piece = data[start : start + remaining]
    end = start + len(piece)
    remaining -= len(piece)
    is_complete = is_final and not remaining
    if key:
        piece = apply_mask(piece, key)
    if opcode is Opcode.TEXT and not is_squeezed:
        rest = check_utf8(tail, piece, is_complete)
        if isinstance(rest, Malformed):
            return rest
        tail = rest
    if piece:  # a peer may send empty frames without end: they leave no trace
        rope = rope_append(rope, piece)
    if is_complete:
        return BETWEEN_MESSAGES, _finish(opcode, is_squeezed, rope), end
    message = FragmentedMessage(opcode, is_squeezed, rope, size, tail)
    if not remaining:
        return MessageReader(b"", message, None, False), None, end
    turn = len(piece) & 3
    arriving = PartialFrame(remaining, key[turn:] + key[:turn], is_final)
    return MessageReader(b"", message, arriving, False), None, end


def _finish(opcode: Opcode, is_squeezed: bool, rope: Rope) -> Item:
    """The item that a complete message is; its text has been checked piece by piece."""
    payload = rope_join(rope)
    if is_squeezed:
        return CompressedMessage(opcode, payload)
    return payload.decode() if opcode is Opcode.TEXT else payload


def check_utf8(tail: bytes, piece: bytes, is_last: bool) -> bytes | Malformed:
    """The bytes at the end of `trim` and `chunk` that only begin a character, at most 3; 1007 if
    they are not UTF-8.

    Refused as soon as no continuation could make it UTF-8; the end of the last piece is the end of
    a character.
    """
    text = tail + piece if tail else piece
    try:
        rest = text[utf_8_decode(text, "strict", is_last)[1] :]
    except UnicodeDecodeError:
        return _BAD_TEXT
    # The decoder waits for the third byte of a surrogate, for the sake of handlers that pass those
    # on.
    return _BAD_TEXT if rest[:1] == b"\xed" and rest[1:] >= b"\xa0" else rest


_BAD_TEXT = malformed("a text message is not UTF-8", CloseReason.WS_BAD_UTF8)


def decompress(compressed: CompressedMessage, most: int) -> Message | Malformed:
    """What a compressed message says; 1007 if it is no deflate or no text, 1009 beyond `max_frames`
    bytes.
    """
    payload = inflate(compressed.payload, most)
    if isinstance(payload, Malformed) or compressed.opcode is not Opcode.TEXT:
        return payload
    try:
        return payload.decode()
    except UnicodeDecodeError:
        return _BAD_TEXT
