"""WebSocket messages: a fold of reads to what the peer said (RFC 6455 sections 5.4 to 5.6, 8.1).

Theory: a conversation is a stream of bytes that was cut anywhere, in frames that were cut anywhere from messages.
What has been received of it is a value, `Inbound`; a read gives the next value and the items it completed, in the
order in which they came: text as `str`, binary as `bytes`, control frames as records.

Rules: cuts change nothing, neither the items nor the flaw.  A payload is unmasked and checked as it comes, so text
that cannot become UTF-8 is refused at the byte that is wrong, and only a frame's head or a control frame is ever kept
back.  Pieces of a message are a rope, joined once.  After a Close or a flaw nothing is read any more.

It does not answer: pongs, close frames and the end of the connection belong to whoever folds.  A compressed
message comes out as it came, `Squeezed`, and is inflated when somebody asks what it says.
"""

from codecs import utf_8_decode
from struct import Struct
from typing import NamedTuple, TypeAlias

from ..close_reasons import CloseReason
from ..parse_result import Malformed, NeedMore, bad
from ..rope import Rope, append, join
from .compression import inflate
from .frames import REPEATS, SMALL_MAX, FrameHead, Opcode, Terms, parse_close, read_head, unmask

# -- items --------------------------------------------------------------------------------------------------------


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


class Squeezed(NamedTuple):
    """A compressed message: what it will be, and its payload as it came (RFC 7692 section 6)."""

    opcode: Opcode
    payload: bytes


Message: TypeAlias = str | bytes
Item: TypeAlias = Message | Squeezed | Ping | Pong | Close


# -- what has been received ---------------------------------------------------------------------------------------


class Partial(NamedTuple):
    """A message that has begun; `size` is what its frames so far announced, `tail` a character that has only begun."""

    opcode: Opcode
    is_squeezed: bool
    rope: Rope
    size: int
    tail: bytes


class Arriving(NamedTuple):
    """A data frame whose payload has not all come; `key` is turned so that its first byte is the next to be used."""

    remaining: int
    key: bytes
    is_final: bool


class Inbound(NamedTuple):
    """The receiving side of a conversation: bytes that are not understood yet, a message and a frame under way."""

    buffer: bytes
    message: Partial | None
    frame: Arriving | None
    is_over: bool


CALM = Inbound(b"", None, None, False)
"""Between two messages, with nothing kept back: where a conversation begins and mostly is."""

OVER = Inbound(b"", None, None, True)
"""After a Close or a flaw."""

Taken: TypeAlias = tuple[Inbound, Item | None, int]
"""The receiving side after a step, what it completed, and where in the data it stopped."""

_TEXT_WHOLE, _BINARY_WHOLE = 0x81, 0x82
_eight_bytes = Struct(">BBHI").unpack_from


def take_bytes(inbound: Inbound, data: bytes, terms: Terms) -> tuple[Inbound, tuple[Item, ...], Malformed | None]:
    """What has been received when `data` has come too, the items this completes, and what is wrong with the next.

    The reason of a flaw has its close code: 1002, 1007 or 1009.
    """
    items: list[Item] = []
    start = 0
    if inbound.buffer:
        data = inbound.buffer + data
        inbound = CALM if inbound.message is None else inbound._replace(buffer=b"")
    while not inbound.is_over:
        if inbound is CALM and terms.is_masked:
            start = take_whole(data, start, terms, items)
        if start == len(data):
            break
        _, message, frame, _ = inbound
        if message is not None and frame is not None:
            step: Taken | NeedMore | Malformed = _take_payload(message, frame, data, start)
        else:
            step = _take_frame(inbound, data, start, terms)
        if isinstance(step, Malformed):
            return OVER, tuple(items), step
        if isinstance(step, NeedMore):
            return inbound._replace(buffer=data[start:]), tuple(items), None
        inbound, item, start = step
        if item is not None:
            items.append(item)
    return inbound, tuple(items), None


def take_whole(data: bytes, start: int, terms: Terms, items: list[Item]) -> int:
    """Whole messages of one masked frame each, from `start` on, added to `items`; returned is where they end.

    The loop to be fast in: it knows only what nearly all frames are, and stops before anything else and anything
    wrong, for the general steps to look at.  One unpacking reads the head of a frame in both of its usual forms, with
    2 and 4 bytes of length, and `unmask` is written out: a call costs a fifth of all there is to do.
    """
    from_bytes, append, last = int.from_bytes, items.append, len(data) - 8
    bound = min(terms.max_frame_len, terms.max_message_len)
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
        if length > SMALL_MAX:
            payload = unmask(data[begin:end], data[begin - 4:begin])
        else:
            mask = key * REPEATS[length + 3 >> 2]
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


# -- any frame ----------------------------------------------------------------------------------------------------

def _take_frame(inbound: Inbound, data: bytes, start: int, terms: Terms) -> Taken | NeedMore | Malformed:
    """The head of a frame, and as much of its payload as has come; a control frame only as a whole."""
    message = inbound.message
    size = message.size if message else 0
    head = read_head(data, start, terms, message is not None, size)
    if not isinstance(head, FrameHead):
        return head
    opcode, length = head.opcode, head.length
    arriving = Arriving(length, head.key, head.is_final)
    if opcode >= Opcode.CLOSE:
        return _take_control(inbound, data, head)
    if message is None:
        return _take_payload(Partial(opcode, head.rsv1, (), length, b""), arriving, data, head.end)
    grown = Partial(message.opcode, message.is_squeezed, message.rope, size + length, message.tail)
    return _take_payload(grown, arriving, data, head.end)


def _take_control(inbound: Inbound, data: bytes, head: FrameHead) -> Taken | NeedMore | Malformed:
    """A control frame: it may come between the frames of a message, and leaves the message alone."""
    end = head.end + head.length
    if end > len(data):
        return NeedMore(len(data))
    payload = data[head.end:end]
    if head.key:
        payload = unmask(payload, head.key)
    if head.opcode is Opcode.CLOSE:
        parsed = parse_close(payload)
        return parsed if isinstance(parsed, Malformed) else (OVER, Close(*parsed), end)
    return inbound, Ping(payload) if head.opcode is Opcode.PING else Pong(payload), end


def _take_payload(message: Partial, frame: Arriving, data: bytes, start: int) -> Taken | Malformed:
    """As much of a data frame's payload as has come; if that was the last of a message, the message."""
    opcode, is_squeezed, rope, size, tail = message
    remaining, key, is_final = frame
    piece = data[start:start + remaining]
    end = start + len(piece)
    remaining -= len(piece)
    is_complete = is_final and not remaining
    if key:
        piece = unmask(piece, key)
    if opcode is Opcode.TEXT and not is_squeezed:
        rest = check_text(tail, piece, is_complete)
        if isinstance(rest, Malformed):
            return rest
        tail = rest
    if piece:  # a peer may send empty frames without end: they leave no trace
        rope = append(rope, piece)
    if is_complete:
        return CALM, _finish(opcode, is_squeezed, rope), end
    message = Partial(opcode, is_squeezed, rope, size, tail)
    if not remaining:
        return Inbound(b"", message, None, False), None, end
    turn = len(piece) & 3
    arriving = Arriving(remaining, key[turn:] + key[:turn], is_final)
    return Inbound(b"", message, arriving, False), None, end


def _finish(opcode: Opcode, is_squeezed: bool, rope: Rope) -> Item:
    """The item that a complete message is; its text has been checked piece by piece."""
    payload = join(rope)
    if is_squeezed:
        return Squeezed(opcode, payload)
    return payload.decode() if opcode is Opcode.TEXT else payload


def check_text(tail: bytes, piece: bytes, is_last: bool) -> bytes | Malformed:
    """The bytes at the end of `tail` and `piece` that only begin a character, at most 3; 1007 if they are not UTF-8.

    Refused as soon as no continuation could make it UTF-8; the end of the last piece is the end of a character.
    """
    text = tail + piece if tail else piece
    try:
        rest = text[utf_8_decode(text, "strict", is_last)[1]:]
    except UnicodeDecodeError:
        return _BAD_TEXT
    # The decoder waits for the third byte of a surrogate, for the sake of handlers that pass those on.
    return _BAD_TEXT if rest[:1] == b"\xed" and rest[1:] >= b"\xa0" else rest


_BAD_TEXT = bad("a text message is not UTF-8", CloseReason.WS_BAD_UTF8)


def read_squeezed(squeezed: Squeezed, most: int) -> Message | Malformed:
    """What a compressed message says; 1007 if it is no deflate or no text, 1009 beyond `most` bytes."""
    payload = inflate(squeezed.payload, most)
    if isinstance(payload, Malformed) or squeezed.opcode is not Opcode.TEXT:
        return payload
    try:
        return payload.decode()
    except UnicodeDecodeError:
        return _BAD_TEXT
