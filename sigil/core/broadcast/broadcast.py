"""The stream: one message to everybody, at the price of one message.

Theory: clients that hear the same topics in the same encoding and have been sent the same frames are in the same
situation, and a situation needs no record for each of them: they are a cohort, a set of names.  Publishing appends a
frame; the end of the turn gives one order for each cohort (`Fan`), whatever its size.  Only exceptions have records of
their own: a laggard has a cursor, the number of the next frame it is to be sent.

Rules: every client is sent exactly what was published on its topics since it joined, in order, or is dropped with a
reason before what it needs is overwritten.  A cursor lies between the tail and the head.  All that is published has a
number, but nothing is kept while nobody listens, may come back for it, or wants a history.  It does not know how a
cursor moves on: `talk` and `utter` do.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple, TypeAlias

from pyrsistent import PMap, PSet, pmap, pset

from ..conn import Conn
from ..limits import Limits
from ..send_status import SendStatus
from ..websocket.frames import SMALL_HEADS, encode_frame
from .encoding import Encoding, recode
from .entry import EVERY_TOPIC, Entry, Hearing, entry_len, heard, is_for, position_after
from .ring import Ring, append, last_of, make_ring, make_room
from .ring import skip as skip_on

Cohorts: TypeAlias = PMap[Hearing, PSet[Conn]]


class Stream(NamedTuple):
    """What was published, what was published in this turn, and where everybody is.

    `floor` is a number that no laggard's cursor is below: while the tail is not above it, nobody need be looked at.
    `encodings` counts the clients in each encoding but the plain one, which everything is kept in.  `is_revisited`:
    somebody has been told positions, and may come back for what it has missed.
    """

    ring: Ring
    pending: tuple[Entry, ...]
    pending_len: int
    cohorts: Cohorts
    laggards: PSet[Conn]
    floor: int
    encodings: tuple[tuple[Encoding, int], ...]
    is_revisited: bool

    @property
    def next_number(self) -> int:
        """The number of the next frame to be published."""
        return self.ring.head_number + len(self.pending)


def make_stream(limits: Limits, epoch: int = 0) -> Stream:
    """A stream on which nothing was published."""
    return Stream(make_ring(limits.outgoing_buffer_sz, limits.max_ws_send_frame_cnt, epoch), (), 0, pmap(), pset(),
                  NOT_BEHIND, (), False)


def fits(stream: Stream, count: int, length: int) -> bool:
    """True if so much more can be published before the turn is flushed."""
    ring = stream.ring
    return stream.pending_len + length <= ring.size and len(stream.pending) + count <= ring.most


def is_heard(stream: Stream, limits: Limits) -> bool:
    """True if anybody is to be sent what is published, now or later."""
    return bool(stream.cohorts or stream.laggards or limits.history_messages or stream.is_revisited or stream.pending)


def skip(stream: Stream, count: int) -> Stream:
    """The stream after so many frames that nobody is to be sent."""
    return stream._replace(ring=skip_on(stream.ring, count))


def publish(stream: Stream, entries: tuple[Entry, ...], length: int) -> Stream:
    """The stream with these frames published, which fit; the tail is moved on at once, for what will be overwritten."""
    ring, pending, pending_len, cohorts, laggards, floor, encodings, is_revisited = stream
    pending, pending_len = pending + entries, pending_len + length
    return Stream(make_room(ring, len(pending), pending_len), pending, pending_len, cohorts, laggards, floor, encodings,
                  is_revisited)


def store(stream: Stream) -> Stream:
    """The stream with what was published in this turn on the ring."""
    if not stream.pending:
        return stream
    ring, pending, pending_len, cohorts, laggards, floor, encodings, is_revisited = stream
    return Stream(append(ring, pending, pending_len), (), 0, cohorts, laggards, floor, encodings, is_revisited)


Index: TypeAlias = dict[str | None, list[int]]


def index_topics(stream: Stream) -> Index:
    """Where what was published in this turn is for whom: places among the pending frames, by topic; `"*"` is all."""
    index: Index = {None: [], EVERY_TOPIC: list(range(len(stream.pending)))}
    for place, (_, topic, _) in enumerate(stream.pending):
        if topic != EVERY_TOPIC:
            index.setdefault(topic, []).append(place)
    return index


def data_for(stream: Stream, hearing: Hearing, index: Index | None = None) -> bytes:
    """What somebody is sent of what was published in this turn, in one piece; an `index` is a short cut."""
    encoding, topics, ring, pending = hearing.encoding, hearing.topics, stream.ring, stream.pending
    places: Iterable[int] = range(len(pending))
    if index is not None:
        places = sorted({place for topic in (None, *topics) for place in index.get(topic, ())})
    elif encoding is Encoding.PLAIN and EVERY_TOPIC not in topics:
        return b"".join([frame for frame, topic, _ in pending if topic is None or topic in topics])
    if encoding is Encoding.PLAIN:
        return b"".join([pending[place][0] for place in places])
    return b"".join([heard(pending[place], hearing, ring.epoch, ring.head_number + place) for place in places])


# -- who is where -------------------------------------------------------------------------------------------------

def join(stream: Stream, conn: Conn, hearing: Hearing) -> Stream:
    """A client is where the head is: it is one of its cohort."""
    cohort = stream.cohorts.get(hearing, NOBODY).add(conn)
    return stream._replace(cohorts=stream.cohorts.set(hearing, cohort))


def leave(stream: Stream, conn: Conn, hearing: Hearing) -> Stream:
    """A client is not one of its cohort any more; a cohort without members is no cohort."""
    cohort = stream.cohorts[hearing].remove(conn)
    cohorts = stream.cohorts.set(hearing, cohort) if cohort else stream.cohorts.remove(hearing)
    return stream._replace(cohorts=cohorts)


def count_listeners(stream: Stream, encoding: Encoding, more: int) -> Stream:
    """So many clients more listen in an encoding, wherever they are; none for which nobody does is made."""
    if encoding is Encoding.PLAIN:
        return stream
    counts = dict(stream.encodings)
    counts[encoding] = counts.get(encoding, 0) + more
    return stream._replace(encodings=tuple(sorted((known, count) for known, count in counts.items() if count)),
                           is_revisited=stream.is_revisited or encoding is Encoding.SSE)


def lag(stream: Stream, conn: Conn, cursor: int) -> Stream:
    """A client is behind its cohort, and needs what was published from its cursor on."""
    if conn in stream.laggards and cursor >= stream.floor:
        return stream
    return stream._replace(laggards=stream.laggards.add(conn), floor=min(stream.floor, cursor))


def catch_up(stream: Stream, conn: Conn) -> Stream:
    """A client is no laggard any more."""
    return stream._replace(laggards=stream.laggards.remove(conn))


NOBODY: PSet[Conn] = pset()
NOT_BEHIND = 2**62
"""More than any number."""


# -- cursors ------------------------------------------------------------------------------------------------------

def start_of_history(stream: Stream, hearing: Hearing, count: int) -> int:
    """The number from which on the last `count` (not 0) frames for somebody are, as far as they are kept."""
    now = [number for number, entry in enumerate(stream.pending, stream.ring.head_number)
           if is_for(entry, hearing)][-count:]
    kept = last_of(stream.ring, hearing, count - len(now)) if len(now) < count else None
    return kept if kept is not None else now[0] if now else stream.next_number


def first_number(stream: Stream, hearing: Hearing, history: int) -> int | None:
    """Where a newcomer begins: with what is published from now on, or so many messages before."""
    if history > 0:
        return start_of_history(stream, hearing, history)
    return stream.next_number if stream.pending else None


def _plain(messages: tuple[tuple[int, bytes, str | None], ...]) -> tuple[Entry, ...]:
    """The entries of messages, plain: if all are small, without a call for each."""
    try:
        return tuple([(SMALL_HEADS[opcode][len(payload)] + payload, topic, ()) for opcode, payload, topic in messages])
    except LookupError:
        return tuple([(encode_frame(opcode, payload), topic, ()) for opcode, payload, topic in messages])


def _encode_all(entries: tuple[Entry, ...], stream: Stream) -> tuple[Entry, ...]:
    """The entries that are published next, in each encoding that is listened in."""
    return tuple([_encoded(entry, stream, number) for number, entry in enumerate(entries, stream.next_number)])


def _encoded(entry: Entry, stream: Stream, number: int) -> Entry:
    """The entry in each encoding that is listened in, once, unless all of them together do not fit on the ring."""
    frame, topic, _ = entry
    position = position_after(stream.ring.epoch, number)
    others = tuple([(encoding, _shared(recode(frame, encoding, position), frame)) for encoding, _ in stream.encodings])
    whole = (frame, topic, others)
    return whole if entry_len(whole) <= stream.ring.size else entry


def _shared(other: bytes, frame: bytes) -> bytes:
    """The very frame, if it is the same in another encoding."""
    return frame if other == frame else other


def room_to_publish(stream: Stream) -> tuple[SendStatus, int, int]:
    """What would become of messages to all now, and for how many bytes and messages at least that is certain."""
    ring = stream.ring
    length, count = ring.size - stream.pending_len, ring.most - len(stream.pending)
    status = SendStatus.SUCCESS
    if stream.laggards:
        status = SendStatus.BACKPRESSURE
        free = ring.size - (ring.head_offset + stream.pending_len - ring.tail_offset)
        free_count = ring.most - (ring.head_number + len(stream.pending) - ring.tail_number)
        # at least: what they take in other encodings comes on top
        spare = [len(entry[0]) for entry in islice(_before(ring, stream.floor), SPARE_FRAMES)]
        length, count = min(length, free + sum(spare)), min(count, free_count + len(spare))
    return status, length // weight_of(stream), count


def weight_of(stream: Stream) -> int:
    """How often a frame's length is the most that it may take in all encodings.

    Zstandard may make it longer, and an event of nothing but line ends has seven bytes for each.
    """
    return 1 + sum([_WEIGHTS.get(encoding, 1) for encoding, _ in stream.encodings])

EVENT_WEIGHT = 8

_WEIGHTS = {Encoding.ZSTD: 2, Encoding.SSE: EVENT_WEIGHT}

PUBLISHED_HEAD_LEN = 10
"""The most that a frame adds to a message."""

SPARE_FRAMES = 64
"""How far ahead of the slowest laggard it is looked for frames that nobody needs."""


def _before(ring: Ring, number: int) -> Iterator[Entry]:
    """The frames from the tail up to a number."""
    for index in range(ring.first, len(ring.pages)):
        page = ring.pages[index]
        assert page is not None
        for at, entry in enumerate(page.entries, page.number):
            if at >= number:
                return
            if at >= ring.tail_number:
                yield entry
