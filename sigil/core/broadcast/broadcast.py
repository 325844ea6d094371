"""The stream: one message to everybody, at the price of one message.

Theory: clients that hear the same topics in the same encoding and have been sent the same frames
are in the same situation, and a situation needs no record for each of them: they are a cohort, a
set of names. Publishing appends a frame; the end of the turn gives one order for each cohort
(`FanOut`), whatever its size. Only exceptions have records of their own: a laggard has a cursor,
the number of the next frame it is to be sent.

Rules: every client is sent exactly what was published on its topics since it joined, in order, or
is dropped with a reason before what it needs is overwritten. A cursor lies between the tail and the
head. All that is published has a number, but nothing is kept while nobody listens, may come back
for it, or wants a history. It does not know how a cursor moves on: `send_queue` and
`websocket_send` do.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple, TypeAlias

from pyrsistent import PMap, PSet, pmap, pset

from ..conn import Conn
from ..limits import Limits
from ..send_status import SendStatus
from ..websocket.frames import SHORT_FRAME_HEADERS, encode_frame
from .encoding import Encoding, recode
from .entry import (
    EVERY_TOPIC,
    Published,
    Subscription,
    entry_len,
    format_position,
    frame_for,
    matches,
)
from .ring import Ring, last_matching, make_ring, ring_append, ring_reserve, ring_skip

Cohorts: TypeAlias = PMap[Subscription, PSet[Conn]]


class Broadcast(NamedTuple):
    """What was published, what was published in this turn, and where everybody is.

    `lowest_cursor` is a number that no laggard's cursor is below: while the tail is not above it,
    nobody need be looked at. `encoding_counts` counts the clients in each encoding but the plain
    one, which everything is kept in. `may_be_resumed`: somebody has been told positions, and may
    come back for what it has missed.
    """

    ring: Ring
    pending: tuple[Published, ...]
    pending_len: int
    cohorts: Cohorts
    laggards: PSet[Conn]
    lowest_cursor: int
    encoding_counts: tuple[tuple[Encoding, int], ...]
    may_be_resumed: bool

    @property
    def next_number(self) -> int:
        """The number of the next frame to be published."""
        return self.ring.head_number + len(self.pending)


def make_broadcast(limits: Limits, epoch: int = 0) -> Broadcast:
    """A stream on which nothing was published."""
    return Broadcast(
        make_ring(limits.outgoing_buffer_sz, limits.max_ws_send_frame_cnt, epoch),
        (),
        0,
        pmap(),
        pset(),
        NO_CURSOR,
        (),
        False,
    )


def fits(broadcast: Broadcast, count: int, length: int) -> bool:
    """True if so much more can be published before the turn is flushed."""
    ring = broadcast.ring
    return (
        broadcast.pending_len + length <= ring.max_bytes
        and len(broadcast.pending) + count <= ring.max_frames
    )


def has_subscribers(broadcast: Broadcast, limits: Limits) -> bool:
    """True if anybody is to be sent what is published, now or later."""
    return bool(
        broadcast.cohorts
        or broadcast.laggards
        or limits.history_messages
        or broadcast.may_be_resumed
        or broadcast.pending
    )


def skip_numbers(broadcast: Broadcast, count: int) -> Broadcast:
    """The stream after so many frames that nobody is to be sent."""
    return broadcast._replace(ring=ring_skip(broadcast.ring, count))


def append_pending(broadcast: Broadcast, entries: tuple[Published, ...], length: int) -> Broadcast:
    """The stream with these frames published, which fit; the tail is moved on at once, for what
    will be overwritten.
    """
    ring, pending, pending_len, cohorts, laggards, floor, encodings, is_revisited = broadcast
    pending, pending_len = pending + entries, pending_len + length
    return Broadcast(
        ring_reserve(ring, len(pending), pending_len),
        pending,
        pending_len,
        cohorts,
        laggards,
        floor,
        encodings,
        is_revisited,
    )


def commit_pending(broadcast: Broadcast) -> Broadcast:
    """The stream with what was published in this turn on the ring."""
    if not broadcast.pending:
        return broadcast
    ring, pending, pending_len, cohorts, laggards, floor, encodings, is_revisited = broadcast
    return Broadcast(
        ring_append(ring, pending, pending_len),
        (),
        0,
        cohorts,
        laggards,
        floor,
        encodings,
        is_revisited,
    )


Index: TypeAlias = dict[str | None, list[int]]


def index_topics(broadcast: Broadcast) -> Index:
    """Where what was published in this turn is for whom: places among the pending frames, by topic;
    `"*"` is all.
    """
    index: Index = {None: [], EVERY_TOPIC: list(range(len(broadcast.pending)))}
    for place, (_, topic, _) in enumerate(broadcast.pending):
        if topic != EVERY_TOPIC:
            index.setdefault(topic, []).append(place)
    return index


def pending_bytes_for(
    broadcast: Broadcast, subscription: Subscription, index: Index | None = None
) -> bytes:
    """What somebody is sent of what was published in this turn, in one piece; an `index` is a short
    cut.
    """
    encoding, topics, ring, pending = (
        subscription.encoding,
        subscription.topics,
        broadcast.ring,
        broadcast.pending,
    )
    places: Iterable[int] = range(len(pending))
    if index is not None:
        places = sorted({place for topic in (None, *topics) for place in index.get(topic, ())})
    elif encoding is Encoding.PLAIN and EVERY_TOPIC not in topics:
        return b"".join([frame for frame, topic, _ in pending if topic is None or topic in topics])
    if encoding is Encoding.PLAIN:
        return b"".join([pending[place][0] for place in places])
    return b"".join(
        [
            frame_for(pending[place], subscription, ring.epoch, ring.head_number + place)
            for place in places
        ]
    )


# -- who is where ----------------------------------------------------------------------------------


def join_cohort(broadcast: Broadcast, conn: Conn, subscription: Subscription) -> Broadcast:
    """A client is where the head is: it is one of its cohort."""
    cohort = broadcast.cohorts.get(subscription, NO_MEMBERS).add(conn)
    return broadcast._replace(cohorts=broadcast.cohorts.set(subscription, cohort))


def leave_cohort(broadcast: Broadcast, conn: Conn, subscription: Subscription) -> Broadcast:
    """A client is not one of its cohort any more; a cohort without members is no cohort."""
    cohort = broadcast.cohorts[subscription].remove(conn)
    cohorts = (
        broadcast.cohorts.set(subscription, cohort)
        if cohort
        else broadcast.cohorts.remove(subscription)
    )
    return broadcast._replace(cohorts=cohorts)


def count_subscribers(broadcast: Broadcast, encoding: Encoding, more: int) -> Broadcast:
    """So many clients more listen in an encoding, wherever they are; none for which nobody does is
    made.
    """
    if encoding is Encoding.PLAIN:
        return broadcast
    counts = dict(broadcast.encoding_counts)
    counts[encoding] = counts.get(encoding, 0) + more
    return broadcast._replace(
        encoding_counts=tuple(sorted((known, count) for known, count in counts.items() if count)),
        may_be_resumed=broadcast.may_be_resumed or encoding is Encoding.SSE,
    )


def add_laggard(broadcast: Broadcast, conn: Conn, cursor: int) -> Broadcast:
    """A client is behind its cohort, and needs what was published from its cursor on."""
    if conn in broadcast.laggards and cursor >= broadcast.lowest_cursor:
        return broadcast
    return broadcast._replace(
        laggards=broadcast.laggards.add(conn), lowest_cursor=min(broadcast.lowest_cursor, cursor)
    )


def remove_laggard(broadcast: Broadcast, conn: Conn) -> Broadcast:
    """A client is no laggard any more."""
    return broadcast._replace(laggards=broadcast.laggards.remove(conn))


NO_MEMBERS: PSet[Conn] = pset()
NO_CURSOR = 2**62
"""More than any number."""


# -- cursors ---------------------------------------------------------------------------------------


def start_of_history(broadcast: Broadcast, subscription: Subscription, count: int) -> int:
    """The number from which on the last `count` (not 0) frames for somebody are, as far as they are
    kept.
    """
    now = [
        number
        for number, entry in enumerate(broadcast.pending, broadcast.ring.head_number)
        if matches(entry, subscription)
    ][-count:]
    kept = (
        last_matching(broadcast.ring, subscription, count - len(now)) if len(now) < count else None
    )
    return kept if kept is not None else now[0] if now else broadcast.next_number


def first_cursor(broadcast: Broadcast, subscription: Subscription, history: int) -> int | None:
    """Where a newcomer begins: with what is published from now on, or so many messages before."""
    if history > 0:
        return start_of_history(broadcast, subscription, history)
    return broadcast.next_number if broadcast.pending else None


def plain_entries(messages: tuple[tuple[int, bytes, str | None], ...]) -> tuple[Published, ...]:
    """The entries of messages, plain: if all are small, without a call for each."""
    try:
        return tuple(
            [
                (SHORT_FRAME_HEADERS[opcode][len(payload)] + payload, topic, ())
                for opcode, payload, topic in messages
            ]
        )
    except LookupError:
        return tuple(
            [(encode_frame(opcode, payload), topic, ()) for opcode, payload, topic in messages]
        )


def encode_entries(entries: tuple[Published, ...], broadcast: Broadcast) -> tuple[Published, ...]:
    """The entries that are published next, in each encoding that is listened in."""
    return tuple(
        [
            encode_entry(entry, broadcast, number)
            for number, entry in enumerate(entries, broadcast.next_number)
        ]
    )


def encode_entry(entry: Published, broadcast: Broadcast, number: int) -> Published:
    """The entry in each encoding that is listened in, once, unless all of them together do not fit
    on the ring.
    """
    frame, topic, _ = entry
    position = format_position(broadcast.ring.epoch, number)
    others = tuple(
        [
            (encoding, _shared(recode(frame, encoding, position), frame))
            for encoding, _ in broadcast.encoding_counts
        ]
    )
    whole = (frame, topic, others)
    return whole if entry_len(whole) <= broadcast.ring.max_bytes else entry


def _shared(other: bytes, frame: bytes) -> bytes:
    """The very frame, if it is the same in another encoding."""
    return frame if other == frame else other


def publish_capacity(broadcast: Broadcast) -> tuple[SendStatus, int, int]:
    """What would become of messages to all now, and for how many bytes and messages at least that
    is certain.
    """
    ring = broadcast.ring
    length, count = ring.max_bytes - broadcast.pending_len, ring.max_frames - len(broadcast.pending)
    status = SendStatus.SUCCESS
    if broadcast.laggards:
        status = SendStatus.BACKPRESSURE
        free = ring.max_bytes - (ring.head_offset + broadcast.pending_len - ring.tail_offset)
        free_count = ring.max_frames - (
            ring.head_number + len(broadcast.pending) - ring.tail_number
        )
        # at least: what they take in other encodings comes on top
        spare = [
            len(entry[0])
            for entry in islice(_entries_before(ring, broadcast.lowest_cursor), SPARE_FRAMES)
        ]
        length, count = min(length, free + sum(spare)), min(count, free_count + len(spare))
    return status, length // encoding_overhead(broadcast), count


def encoding_overhead(broadcast: Broadcast) -> int:
    """How often a frame's length is the most that it may take in all encodings.

    Zstandard may make it longer, and an event of nothing but line ends has seven bytes for each.
    """
    return 1 + sum(
        [_OVERHEAD_FACTORS.get(encoding, 1) for encoding, _ in broadcast.encoding_counts]
    )


EVENT_OVERHEAD_FACTOR = 8

_OVERHEAD_FACTORS = {Encoding.ZSTD: 2, Encoding.SSE: EVENT_OVERHEAD_FACTOR}

FRAME_HEADER_LEN_MAX = 10
"""The most that a frame adds to a message."""

SPARE_FRAMES = 64
"""How far ahead of the slowest laggard it is looked for frames that nobody needs."""


def _entries_before(ring: Ring, number: int) -> Iterator[Published]:
    """The frames from the tail up to a number."""
    for index in range(ring.first_page, len(ring.pages)):
        page = ring.pages[index]
        assert page is not None
        for at, entry in enumerate(page.entries, page.number):
            if at >= number:
                return
            if at >= ring.tail_number:
                yield entry
