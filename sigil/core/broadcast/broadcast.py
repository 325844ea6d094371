"""The broadcast: one message to every subscriber, at the price of one message.

Theory: subscribers with the same topics and the same encoding that have been sent the same frames
are in the same situation, and a situation needs no record for each of them: they are a cohort, a
set of `Conn`. Publishing appends an entry; the flush at the end of the tick makes one effect for
each cohort (`FanOut`), whatever its size. Only exceptions have records of their own: a laggard has
a cursor, the number of the next frame that it is to be sent.

Rules: every subscriber is sent exactly what was published on its topics since it joined, in order,
or is dropped with a reason before what it needs is overwritten. A cursor lies between the tail and
the head. All that is published has a number, but nothing is stored while there is no subscriber,
nobody may come back for it, and no history is asked for. What is published in one tick is pending
until the tick is flushed, and never overwrites itself.

It does not know how a cursor advances: `connection.send_queue` and `connection.websocket_send` do.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Final, TypeAlias, final

from pyrsistent import PMap, PSet, pmap, pset

from ..conn import Conn
from ..limits import Limits
from ..send_status import SendStatus
from ..topics import ALL_TOPICS, Topic, Topics
from ..value import Value
from .cohort_index import (
    EMPTY_INDEX,
    CohortIndex,
    add_cohort,
    count_of,
    enter_cohort,
    exit_cohort,
    remove_cohort,
    with_topics,
)
from .encoding import ENCODING_INFO, Encoding
from .entry import (
    Published,
    Subscription,
    frame_for,
    is_excluded,
    matches,
    position_for,
)
from .latest import is_superseded
from .numbering import public_numbers
from .reading import last_due
from .retained import NOTHING_RETAINED, Retained
from .ring import (
    Ring,
    make_ring,
    ring_append,
    ring_reserve,
    ring_skip,
    with_latest,
)

Cohorts: TypeAlias = PMap[Subscription, PSet[Conn]]


@final
class Broadcast(Value):
    """What was published, and where each subscriber is.

    `pending` was published in this tick, `pending_len` bytes in all encodings, and has entries that
    exclude the `pending_excluded`; the ring has what was published before. A laggard is looked at
    when the tail passes the number that `laggards` has for it, which is not above its cursor;
    `laggards_at` has the laggards by that number. None of these is below `lowest_cursor`.
    `encoding_counts` has the number of subscribers in each encoding but the plain one, in which
    everything is stored, and `encoded_from` the number of the first frame that each of these has
    had subscribers for all the time. `may_be_resumed`: some subscriber was told its position, and
    may come back for what it missed. `open_count` is how many are sent what is published from now
    on. `retained` is kept beside the ring.
    """

    __match_args__ = (
        "ring", "pending", "pending_len", "pending_excluded", "cohorts", "cohort_index", "laggards",
        "laggards_at", "lowest_cursor", "encoding_counts", "encoded_from", "may_be_resumed",
        "open_count", "retained",
    )  # fmt: skip
    __slots__ = __match_args__

    def __init__(
        self,
        ring: Ring,
        pending: tuple[Published, ...],
        pending_len: int,
        pending_excluded: tuple[Conn, ...],
        cohorts: Cohorts,
        cohort_index: CohortIndex,
        laggards: PMap[Conn, int],
        laggards_at: PMap[int, PSet[Conn]],
        lowest_cursor: int,
        encoding_counts: tuple[tuple[Encoding, int], ...],
        encoded_from: tuple[tuple[Encoding, int], ...],
        may_be_resumed: bool,
        open_count: int,
        retained: Retained,
    ) -> None:
        self.ring: Final = ring
        self.pending: Final = pending
        self.pending_len: Final = pending_len
        self.pending_excluded: Final = pending_excluded
        self.cohorts: Final = cohorts
        self.cohort_index: Final = cohort_index
        self.laggards: Final = laggards
        self.laggards_at: Final = laggards_at
        self.lowest_cursor: Final = lowest_cursor
        self.encoding_counts: Final = encoding_counts
        self.encoded_from: Final = encoded_from
        self.may_be_resumed: Final = may_be_resumed
        self.open_count: Final = open_count
        self.retained: Final = retained

    @property
    def next_number(self) -> int:
        """The number of the next frame to be published."""
        return self.ring.head_number + len(self.pending)

    def __repr__(self) -> str:
        members = sum(map(len, self.cohorts.values()))
        return (
            f"Broadcast({self.ring!r}, {len(self.pending)} pending, "
            f"{members} subscribers in {len(self.cohorts)} cohorts, {len(self.laggards)} laggards)"
        )


def make_broadcast(limits: Limits, epoch: int = 0) -> Broadcast:
    """A broadcast on which nothing was published, without subscribers."""
    return Broadcast(
        ring=make_ring(limits.outgoing_buffer_sz, limits.max_ws_send_frame_cnt, epoch),
        pending=(),
        pending_len=0,
        pending_excluded=(),
        cohorts=pmap(),
        cohort_index=EMPTY_INDEX,
        laggards=pmap(),
        laggards_at=pmap(),
        lowest_cursor=NO_CURSOR,
        encoding_counts=(),
        encoded_from=(),
        may_be_resumed=False,
        open_count=0,
        retained=NOTHING_RETAINED,
    )


# -- publishing ------------------------------------------------------------------------------------


def fits(broadcast: Broadcast, count: int, length: int) -> bool:
    """True if `count` entries of `length` bytes can still be published before the next flush."""
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
        or limits.history_messages  # a subscriber to come may ask for what is published now
        or broadcast.may_be_resumed
        or broadcast.pending
    )


def skip_numbers(broadcast: Broadcast, count: int) -> Broadcast:
    """The broadcast after `count` frames that nobody is to be sent."""
    return broadcast.replace(ring=ring_skip(broadcast.ring, count))


def append_pending(
    broadcast: Broadcast, entries: tuple[Published, ...], length: int, has_options: bool = True
) -> Broadcast:
    """The broadcast with these entries of `length` bytes published, which fit; some may have
    options.

    The tail moves at once, for what will be overwritten when they are committed; and what they
    supersede is so at once.
    """
    ring, excluded = broadcast.ring, broadcast.pending_excluded
    if has_options:
        ring = with_latest(ring, entries, broadcast.next_number)
        excluded += tuple(_excluded_by(entries))
    pending, pending_len = broadcast.pending + entries, broadcast.pending_len + length
    ring = ring_reserve(ring, len(pending), pending_len)
    return _with_pending(broadcast, ring, pending, pending_len, excluded)


def _excluded_by(entries: tuple[Published, ...]) -> list[Conn]:
    """The connections that these entries exclude."""
    exclude = [entry.options.exclude for entry in entries]
    return [conn for conn in exclude if conn is not None]


def commit_pending(broadcast: Broadcast) -> Broadcast:
    """The broadcast with the pending entries on the ring, as the flush of a tick leaves it."""
    if not broadcast.pending:
        return broadcast
    ring = ring_append(broadcast.ring, broadcast.pending, broadcast.pending_len)
    return _with_pending(broadcast, ring, (), 0, ())


def _with_pending(
    broadcast: Broadcast,
    ring: Ring,
    pending: tuple[Published, ...],
    pending_len: int,
    excluded: tuple[Conn, ...],
) -> Broadcast:
    """The broadcast with another ring and other pending entries of `pending_len` bytes, which
    exclude some.
    """
    return Broadcast(
        ring, pending, pending_len, excluded, broadcast.cohorts, broadcast.cohort_index,
        broadcast.laggards, broadcast.laggards_at, broadcast.lowest_cursor,
        broadcast.encoding_counts, broadcast.encoded_from, broadcast.may_be_resumed,
        broadcast.open_count, broadcast.retained,
    )  # fmt: skip


TopicIndex: TypeAlias = dict[Topic | None, list[int]]
"""Places among the pending entries, by topic."""


def index_topics(broadcast: Broadcast) -> TopicIndex:
    """The places of the pending entries on each topic, in order; those for everybody are under
    None, and all are under `ALL_TOPICS`.
    """
    index: TopicIndex = {None: [], ALL_TOPICS: list(range(len(broadcast.pending)))}
    for place, entry in enumerate(broadcast.pending):
        index.setdefault(entry.topic, []).append(place)
    return index


def pending_bytes_for(
    broadcast: Broadcast,
    subscription: Subscription,
    index: TopicIndex | None = None,
    conn: Conn | None = None,
) -> bytes:
    """What a subscriber is sent of the pending entries, in one piece; `index` is theirs, if it is
    known already, and `conn` the subscriber, if some of them exclude it.
    """
    topics, pending = subscription.topics, broadcast.pending
    if index is None:
        index = index_topics(broadcast)
    places = index[None]
    if topics:
        places = sorted({place for topic in (None, *topics) for place in index.get(topic, ())})
    if conn is not None:
        places = [place for place in places if not is_excluded(pending[place], conn)]
    if subscription.encoding is Encoding.PLAIN and not subscription.has_positions:
        return b"".join([pending[place].frame for place in places])
    epoch, head_number = broadcast.ring.epoch, broadcast.ring.head_number
    numbers = public_numbers(broadcast.ring.numbering, [head_number + place for place in places])
    frames: list[bytes] = []
    for place, number in zip(places, numbers, strict=True):
        frames.append(position_for(pending[place], subscription, epoch, number))
        frames.append(frame_for(pending[place], subscription, epoch, number))
    return b"".join(frames)


# -- subscribers -----------------------------------------------------------------------------------

NO_MEMBERS: Final[PSet[Conn]] = pset()

NO_CURSOR: Final = 2**62
"""More than any number of a frame."""


def join_cohort(broadcast: Broadcast, conn: Conn, subscription: Subscription) -> Broadcast:
    """The broadcast with a subscriber in its cohort: it has been sent all up to the head."""
    cohort, index = broadcast.cohorts.get(subscription), broadcast.cohort_index
    if cohort is None:
        cohort, index = NO_MEMBERS, add_cohort(index, subscription)
    return broadcast.replace(
        cohorts=broadcast.cohorts.set(subscription, cohort.add(conn)),
        cohort_index=enter_cohort(index, conn, subscription),
    )


def leave_cohort(broadcast: Broadcast, conn: Conn, subscription: Subscription) -> Broadcast:
    """The broadcast without a subscriber in its cohort; a cohort without members is removed."""
    cohort = broadcast.cohorts[subscription].remove(conn)
    index = exit_cohort(broadcast.cohort_index, conn, subscription)
    if cohort:
        cohorts = broadcast.cohorts.set(subscription, cohort)
    else:
        cohorts, index = broadcast.cohorts.remove(subscription), remove_cohort(index, subscription)
    return broadcast.replace(cohorts=cohorts, cohort_index=index)


def count_open(broadcast: Broadcast, more: int) -> Broadcast:
    """The broadcast with one subscriber more, or less, that is sent what is published."""
    return broadcast.replace(open_count=broadcast.open_count + more)


def subscriber_count(broadcast: Broadcast, topic: Topic | None = None) -> int:
    """How many subscribers are sent what is published on a topic, or, without one, to everybody;
    those that lag, too. Of `ALL_TOPICS`, how many are subscribed to that.
    """
    if topic is None:
        return broadcast.open_count
    return count_of(broadcast.cohort_index, topic)


def change_topics(broadcast: Broadcast, conn: Conn, before: Topics, after: Topics) -> Broadcast:
    """The broadcast when the topics of a subscriber have become others, or it has begun or ended
    (none before or after), whether it is in a cohort or lags.
    """
    index = with_topics(broadcast.cohort_index, conn, before, after)
    return broadcast if index is broadcast.cohort_index else broadcast.replace(cohort_index=index)


def count_subscribers(broadcast: Broadcast, subscription: Subscription, more: int) -> Broadcast:
    """The broadcast with `more` subscribers in the encoding of a subscription, or fewer if it is
    negative.

    An encoding without subscribers is not made any more. A subscriber that is told its position may
    come back for what it missed.
    """
    encoding = subscription.encoding
    has_positions = subscription.has_positions or ENCODING_INFO[encoding].has_positions
    if has_positions and not broadcast.may_be_resumed:
        broadcast = broadcast.replace(may_be_resumed=True)
    if encoding is Encoding.PLAIN:
        return broadcast
    counts = dict(broadcast.encoding_counts)
    counts[encoding] = counts.get(encoding, 0) + more
    remaining = sorted((known, count) for known, count in counts.items() if count)
    first = dict.fromkeys(counts, broadcast.next_number) | dict(broadcast.encoded_from)
    return broadcast.replace(
        encoding_counts=tuple(remaining),
        encoded_from=tuple([(known, first[known]) for known, _ in remaining]),
    )


# -- cursors ---------------------------------------------------------------------------------------


def start_of_history(broadcast: Broadcast, subscription: Subscription, count: int) -> int:
    """The cursor for the last `count` frames for a subscription, 1 or more, or for as many of them
    as are stored.
    """
    pending_numbers = [
        number
        for number, entry in enumerate(broadcast.pending, broadcast.ring.head_number)
        if matches(entry, subscription)
        and not is_superseded(broadcast.ring.latest, number, entry, subscription)
    ][-count:]
    missing = count - len(pending_numbers)
    if missing:
        number = last_due(broadcast.ring, subscription, missing)
        if number is not None:
            return number
    return pending_numbers[0] if pending_numbers else broadcast.next_number


def first_cursor(broadcast: Broadcast, subscription: Subscription, history: int) -> int | None:
    """The cursor of a new subscriber, which is sent the last `history` frames; None if it is where
    the head is, and joins its cohort.
    """
    if history > 0:
        return start_of_history(broadcast, subscription, history)
    return broadcast.next_number if broadcast.pending else None


# -- how much can be published ---------------------------------------------------------------------

FRAME_HEADER_LEN_MAX: Final = 10
"""The bytes that a frame of a server adds to its payload, at most."""

SPARE_FRAMES: Final = 64
"""How many frames before the slowest laggard's cursor are counted as free, at most."""


def publish_capacity(broadcast: Broadcast) -> tuple[SendStatus, int, int]:
    """What a publish to everybody would return now, and for how many bytes and messages at least
    that is certain; nothing, if what is published is that of an upstream.
    """
    ring, pending_count = broadcast.ring, len(broadcast.pending)
    if not ring.numbering.is_own:
        return SendStatus.DROPPED, 0, 0
    length, count = ring.max_bytes - broadcast.pending_len, ring.max_frames - pending_count
    if not broadcast.laggards:
        return SendStatus.SUCCESS, length // encoding_overhead(broadcast), count
    stored_len = ring.head_offset + broadcast.pending_len - ring.tail_offset
    stored_count = ring.head_number + pending_count - ring.tail_number
    # What the slowest laggard has been sent can be overwritten too. Of that, only the plain frames
    # of the first few entries are counted: what is promised is a minimum.
    spare = [
        len(entry.frame)
        for entry in islice(_entries_before(ring, broadcast.lowest_cursor), SPARE_FRAMES)
    ]
    length = min(length, ring.max_bytes - stored_len + sum(spare))
    count = min(count, ring.max_frames - stored_count + len(spare))
    return SendStatus.BACKPRESSURE, length // encoding_overhead(broadcast), count


def encoding_overhead(broadcast: Broadcast) -> int:
    """How many times the length of its frame a message takes at most, in all encodings that have
    subscribers.
    """
    factors = [ENCODING_INFO[encoding].overhead_factor for encoding, _ in broadcast.encoding_counts]
    return 1 + sum(factors)


def _entries_before(ring: Ring, number: int) -> Iterator[Published]:
    """The entries from the tail up to, without, a number."""
    for index in range(ring.first_page, len(ring.pages)):
        page = ring.pages[index]
        assert page is not None
        for entry_number, entry in enumerate(page.entries, page.number):
            if entry_number >= number:
                return
            if entry_number >= ring.tail_number:
                yield entry
