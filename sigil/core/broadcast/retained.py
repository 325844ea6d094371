"""Retained messages: the last one of each topic, for whoever comes to be subscribed to it.

Theory: who joins a stream of state needs the last value at once, and cannot wait for the next one,
nor search a history for it. So a message may be published to be retained (MQTT 5 section 3.3.1.3):
it is kept beside the ring, which may overwrite it, until a newer one is retained on its topic. What
a client is to be sent of them is no copy and no snapshot: it is a range of message numbers, read
when the client takes it. A message that was replaced since has a number beyond that range, and
comes the way of all that is published.

Rules: an empty message clears its topic. There are `max_retained_topics` at most, with
`max_retained_len` bytes: beyond that those are dropped that were published first, so that topics
that nothing is published on any more give way to those in use; that is logged. They are read in
order of publication. An encoding is made when somebody needs it, a little in every tick, and
remembered, in half as many bytes again; when these are used up, all that was encoded is forgotten.
It does not know who is subscribed.
"""

from bisect import bisect_left
from collections.abc import Iterator
from operator import itemgetter
from typing import Final, final

from pyrsistent import PMap, PVector, pmap, pvector

from ..limits import Limits
from ..topics import ALL_TOPICS, Topics
from ..value import Value
from ..websocket.frames import Opcode
from .encoding import ENCODING_INFO, Encoding, recode

MESSAGE_BYTES: Final = 384
"""What a retained message counts for beside its frame and its topic: its places in the tables."""
ENCODED_BYTES: Final = 256
"""What it counts for in another encoding, beside its frame there."""
CHAR_BYTES_MAX: Final = 4
"""Bytes of a character of a topic that has one that is not ASCII, at most."""

COMPACT_AT: Final = 64
"""Numbers of messages that were replaced which are kept beside as many as there are messages."""


@final
class RetainedMessage(Value):
    """A message that is retained: its number and its plain frame."""

    __match_args__ = ("number", "frame")
    __slots__ = __match_args__

    def __init__(self, number: int, frame: bytes) -> None:
        self.number: Final = number
        self.frame: Final = frame


@final
class RetainedPiece(Value):
    """What is sent next to whoever is to be sent all that is retained: `data` are messages, the
    last of them with number `last`, and the next one that there is has number `following`; None if
    there is none.
    """

    __match_args__ = ("data", "last", "following")
    __slots__ = __match_args__

    def __init__(self, data: bytes, last: int, following: int | None) -> None:
        self.data: Final = data
        self.last: Final = last
        self.following: Final = following


PIECES_MAX: Final = 4
"""Pieces that are kept until the next message is retained: those of clients that join together."""


@final
class Retained(Value):
    """The messages that are retained, by topic, `length` bytes altogether.

    `order` has the numbers and topics in order of publication, among those of messages that were
    replaced since; it begins at `first`. `encoded` has the messages in other encodings, each with
    its number, `encoded_len` bytes altogether. `dropped` messages were dropped for want of room,
    and not logged yet; the last line about that was logged at `logged_at`. `pieces` are what was
    sent of all this, by encoding and first number, to those who join together.
    """

    __match_args__ = (
        "messages", "length", "order", "first", "encoded", "encoded_len", "dropped", "logged_at",
        "pieces",
    )  # fmt: skip
    __slots__ = __match_args__

    def __init__(
        self,
        messages: PMap[str | None, RetainedMessage],
        length: int,
        order: PVector[tuple[int, str | None]],
        first: int,
        encoded: PMap[tuple[str | None, Encoding], RetainedMessage],
        encoded_len: int,
        dropped: int,
        logged_at: float | None,
        pieces: PMap[tuple[Encoding, int], RetainedPiece],
    ) -> None:
        self.messages: Final = messages
        self.length: Final = length
        self.order: Final = order
        self.first: Final = first
        self.encoded: Final = encoded
        self.encoded_len: Final = encoded_len
        self.dropped: Final = dropped
        self.logged_at: Final = logged_at
        self.pieces: Final = pieces

    def __repr__(self) -> str:
        return f"Retained({len(self.messages)} messages, {self.length} bytes)"


NOTHING_RETAINED: Final = Retained(pmap(), 0, pvector(), 0, pmap(), 0, 0, None, pmap())


# -- writing ---------------------------------------------------------------------------------------


def retained_len(frame_len: int, topic: str | None) -> int:
    """What a message with a frame of this length counts for."""
    topic_len = 0
    if topic is not None:
        topic_len = len(topic) if topic.isascii() else CHAR_BYTES_MAX * len(topic)
    return frame_len + MESSAGE_BYTES + topic_len


def retain(
    retained: Retained, number: int, topic: str | None, frame: bytes, limits: Limits
) -> Retained:
    """The retained messages with this one in the place of its topic's, or without that one if this
    one is empty; others are dropped to make room. It is not longer than `max_retained_len`.
    """
    before = retained.messages.get(topic)
    messages, order, length = retained.messages, retained.order, retained.length
    if before is not None:
        length -= retained_len(len(before.frame), topic)
    if not payload_of(frame):
        if before is None:
            return retained
        cleared = messages.remove(topic)
        return _compacted(retained.replace(messages=cleared, length=length, pieces=pmap()))
    retained = retained.replace(
        messages=messages.set(topic, RetainedMessage(number, frame)),
        length=length + retained_len(len(frame), topic),
        order=order.append((number, topic)),
        pieces=pmap(),
    )
    return _compacted(_within(retained, limits))


def _within(retained: Retained, limits: Limits) -> Retained:
    """The retained messages without the oldest, as many as there are too many of."""
    messages, length = retained.messages, retained.length
    first, dropped = retained.first, retained.dropped
    while messages and (
        len(messages) > limits.max_retained_topics or length > limits.max_retained_len
    ):
        number, topic = retained.order[first]
        first += 1
        message = messages.get(topic)
        if message is not None and message.number == number:
            messages = messages.remove(topic)
            length -= retained_len(len(message.frame), topic)
            dropped += 1
    if first == retained.first:
        return retained
    return retained.replace(messages=messages, length=length, first=first, dropped=dropped)


def _compacted(retained: Retained) -> Retained:
    """The retained messages, with nothing else in their order if that was most of it."""
    order, messages = retained.order, retained.messages
    if len(order) <= 2 * len(messages) + COMPACT_AT:
        return retained
    remaining = [at for at in order[retained.first :] if _is_current(retained, at)]
    return retained.replace(order=pvector(remaining), first=0)


def _is_current(retained: Retained, at: tuple[int, str | None]) -> bool:
    """True for the number and topic of a message that is retained still."""
    message = retained.messages.get(at[1])
    return message is not None and message.number == at[0]


def payload_of(frame: bytes) -> bytes:
    """The payload of a plain frame of this server."""
    short_length = frame[1]
    if short_length == 126:
        return frame[4:]
    return frame[10:] if short_length == 127 else frame[2:]


# -- reading ---------------------------------------------------------------------------------------


@final
class RetainedRange(Value):
    """What somebody is to be sent of what is retained: messages from number `start` up to, without,
    `end` on these topics, and on none if it `is_joining`, but not on those that are `known`, which
    it was subscribed to already.
    """

    __match_args__ = ("start", "end", "topics", "known", "is_joining")
    __slots__ = __match_args__

    def __init__(
        self, start: int, end: int, topics: Topics, known: Topics, is_joining: bool
    ) -> None:
        self.start: Final = start
        self.end: Final = end
        self.topics: Final = topics
        self.known: Final = known
        self.is_joining: Final = is_joining


def messages_in(
    retained: Retained, wanted: RetainedRange, encoding: Encoding
) -> Iterator[tuple[str | None, RetainedMessage]]:
    """The messages of a range that there are in an encoding, with their topics, in order of
    publication.
    """
    is_text_only = ENCODING_INFO[encoding].is_text_only
    found = _all_from(retained, wanted) if ALL_TOPICS in wanted.topics else _some(retained, wanted)
    for topic, message in found:
        if message.number >= wanted.end:
            return
        if not is_text_only or message.frame[0] & 0x0F == Opcode.TEXT:
            yield topic, message


def _all_from(
    retained: Retained, wanted: RetainedRange
) -> Iterator[tuple[str | None, RetainedMessage]]:
    """The messages from the start of a range on, on whatever topic, in order."""
    messages, known = retained.messages, wanted.known
    for place in range(_place_of(retained, wanted.start), len(retained.order)):
        number, topic = retained.order[place]
        message = messages.get(topic)
        is_wanted = wanted.is_joining or (topic is not None and topic not in known)
        if message is not None and message.number == number and is_wanted:
            yield topic, message


def _place_of(retained: Retained, number: int) -> int:
    """Where in the order the messages from this number on begin."""
    return bisect_left(retained.order, number, retained.first, key=itemgetter(0))


def _some(retained: Retained, wanted: RetainedRange) -> list[tuple[str | None, RetainedMessage]]:
    """The messages from the start of a range on, on its topics, in order."""
    names: list[str | None] = [None] if wanted.is_joining else []
    names += [topic for topic in wanted.topics if isinstance(topic, str)]
    found = [
        (message.number, topic, message)
        for topic in names
        if (message := retained.messages.get(topic)) is not None
        and message.number >= wanted.start
        and topic not in wanted.known
    ]
    found.sort(key=_number_of)
    return [(topic, message) for _, topic, message in found]


def _number_of(found: tuple[int, str | None, RetainedMessage]) -> int:
    """What is found is sorted by its number."""
    return found[0]


def has_any(retained: Retained, wanted: RetainedRange, encoding: Encoding) -> bool:
    """True if there is a message in a range."""
    if not retained.messages or wanted.start >= wanted.end:
        return False
    return next(messages_in(retained, wanted, encoding), None) is not None


# -- encodings -------------------------------------------------------------------------------------


def stored_retained(
    retained: Retained, topic: str | None, message: RetainedMessage, encoding: Encoding
) -> bytes | None:
    """A message in an encoding, as it is sent; None if it is not encoded yet."""
    if encoding is Encoding.PLAIN:
        return message.frame
    known = retained.encoded.get((topic, encoding))
    return known.frame if known is not None and known.number == message.number else None


def encode_retained(message: RetainedMessage, encoding: Encoding) -> bytes:
    """A message in an encoding: an event has no id, since it moves no position."""
    return recode(message.frame, encoding)


def retained_cost(message: RetainedMessage) -> int:
    """What a message counts for in what may be encoded in one tick."""
    return len(message.frame) + MESSAGE_BYTES


def max_encoded_len(limits: Limits) -> int:
    """How many bytes may be held of retained messages in other encodings than the plain one."""
    return limits.max_retained_len // 2


def remember_retained(
    retained: Retained,
    frames: list[tuple[str | None, RetainedMessage]],
    encoding: Encoding,
    limits: Limits,
) -> Retained:
    """The retained messages with these frames in an encoding as well, each with the number of its
    message. If that is too much, all that was encoded before is forgotten; at least the first one
    is kept.
    """
    encoded, length, max_len = retained.encoded, retained.encoded_len, max_encoded_len(limits)
    added = sum([len(message.frame) + ENCODED_BYTES for _, message in frames])
    if length + added > max_len:
        encoded, length = pmap(), 0
    evolver = encoded.evolver()
    for topic, message in frames:
        before = encoded.get((topic, encoding))
        added = len(message.frame) + ENCODED_BYTES
        if before is not None:
            added -= len(before.frame) + ENCODED_BYTES
        if length and length + added > max_len:
            break
        evolver[topic, encoding] = message
        length += added
    return retained.replace(encoded=evolver.persistent(), encoded_len=length)


# -- pieces ----------------------------------------------------------------------------------------


def with_piece(
    retained: Retained, wanted: RetainedRange, encoding: Encoding, room: int, max_count: int
) -> Retained:
    """The retained messages with the piece that begins a range of all of them, if it is encoded:
    about `room` bytes in `max_count` messages at most. Others that join take the very same.
    """
    key = encoding, wanted.start
    if not wanted.is_joining or ALL_TOPICS not in wanted.topics or key in retained.pieces:
        return retained
    everything = wanted.replace(end=NO_END)
    frames: list[bytes] = []
    last, following, left = -1, None, room
    for topic, message in messages_in(retained, everything, encoding):
        frame = stored_retained(retained, topic, message, encoding)
        if frame is None or left <= 0 or len(frames) >= max_count:
            following = message.number
            break
        frames.append(frame)
        left -= len(frame)
        last = message.number
    if len(frames) < PIECE_MIN:
        return retained
    pieces = retained.pieces if len(retained.pieces) < PIECES_MAX else pmap()
    piece = RetainedPiece(b"".join(frames), last, following)
    return retained.replace(pieces=pieces.set(key, piece))


NO_END: Final = 2**62
"""More than any number of a message."""
PIECE_MIN: Final = 16
"""Messages of the smallest piece that is worth to be kept."""


def piece_of(
    retained: Retained, wanted: RetainedRange, encoding: Encoding, room: int
) -> RetainedPiece | None:
    """The piece that begins this range and fits, if there is one."""
    if not retained.pieces or not wanted.is_joining or ALL_TOPICS not in wanted.topics:
        return None
    piece = retained.pieces.get((encoding, wanted.start))
    if piece is None or piece.last >= wanted.end or len(piece.data) > room:
        return None
    return piece
