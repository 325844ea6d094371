"""The ring and the stream over it, against a list that forgets nothing: what is kept, what is read,
who is where.
"""

from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sigil.core.broadcast.broadcast import (
    NO_CURSOR,
    add_laggard,
    append_pending,
    commit_pending,
    fits,
    has_subscribers,
    join_cohort,
    leave_cohort,
    make_broadcast,
    pending_bytes_for,
    remove_laggard,
    skip_numbers,
    start_of_history,
)
from sigil.core.broadcast.encoding import Encoding
from sigil.core.broadcast.entry import Published, Subscription, matches
from sigil.core.broadcast.ring import (
    COMPACT_AT,
    Ring,
    TopicSpan,
    last_matching,
    make_ring,
    may_match,
    page_of,
    ring_append,
    ring_read,
    ring_reserve,
)
from sigil.core.conn import Conn
from sigil.core.limits import Limits
from sigil.core.websocket.frames import encode_frame

NONE = Subscription(Encoding.PLAIN, frozenset())
NEWS = Subscription(Encoding.PLAIN, frozenset(("news",)))
BOTH = Subscription(Encoding.PLAIN, frozenset(("news", "sport")))
PACKED = Subscription(Encoding.DEFLATE_9, NEWS.topics)
ALL = Subscription(Encoding.PLAIN, frozenset(("*",)))
EVENTS = Subscription(Encoding.SSE, NEWS.topics)
HEARINGS = (NONE, NEWS, BOTH, PACKED, ALL, EVENTS)
EPOCH = 7


def put(ring: Ring, *lengths: int) -> Ring:
    """The ring with frames of these lengths on one page more."""
    entries = tuple(Published(b"x" * length, None, ()) for length in lengths)
    return ring_append(ring_reserve(ring, len(entries), sum(lengths)), entries, sum(lengths))


def ones(count: int, size: int = 8) -> Ring:
    """A ring of `size` bytes on which `count` frames of one byte were published, one by one."""
    ring = make_ring(size, 1_000)
    for _ in range(count):
        ring = put(ring, 1)
    return ring


@pytest.mark.parametrize(
    ("offset", "length", "clamp"),
    [
        (0, 8, 0),
        (6, 1, 0),
        (6, 2, 0),
        (7, 1, 0),
        (7, 2, 1),
        (8, 1, 1),
        (1, 8, 1),
        (7, 8, 7),
        (16, 8, 16),
        (5, 3, 0),
        (5, 4, 1),
        (13, 3, 8),
        (13, 4, 9),
    ],
)
def test_everything_below_the_clamp_is_let_go_and_nothing_else(
    offset: int, length: int, clamp: int
) -> None:
    ring = ring_reserve(ones(offset), 1, length)
    assert (ring.tail_offset, ring.tail_number) == (clamp, clamp)
    assert (ring.head_offset, ring.head_number) == (offset, offset)


def test_what_would_lose_a_byte_is_let_go_whole() -> None:
    ring = ring_reserve(put(put(make_ring(8, 100), 3, 3), 2), 1, 1)
    assert (ring.tail_offset, ring.tail_number) == (3, 1)


def test_frames_are_bounded_by_their_number_too() -> None:
    ring = put(put(make_ring(1_000, 3), 1, 1), 1, 1)
    assert (ring.tail_number, ring.head_number) == (1, 4)
    assert [number for number, _ in ring_read(ring, 1, 4, NONE)] == [1, 2, 3]


def test_a_frame_of_any_length_up_to_the_size_fits_at_any_offset() -> None:
    for length in range(1, 9):
        ring = make_ring(8, 1_000)
        for count in range(1, 50):
            ring = put(ring, length)
            assert ring.head_offset == count * length
            assert ring.head_offset - ring.tail_offset == min(count, 8 // length) * length


def test_a_page_is_found_by_any_number_on_it() -> None:
    ring = put(put(put(make_ring(6, 100), 1, 1), 1, 1, 1), 2)
    assert [page_of(ring, number) - ring.first_page for number in range(ring.tail_number, 8)] == [
        0,
        1,
        1,
        1,
        2,
        3,
        3,
    ]


def test_pages_behind_the_tail_are_let_go_at_once_and_their_places_in_time() -> None:
    ring = make_ring(2, 100)
    for count in range(3 * COMPACT_AT):
        ring = put(ring, 1)
        assert all(page is None for page in ring.pages[: ring.first_page])
        assert len(ring.pages) <= COMPACT_AT + 3, count


def test_the_same_ring_can_be_gone_on_from_twice() -> None:
    ring = put(make_ring(8, 100), 4, 4)
    left, right = put(ring, 8), put(ring, 1)
    assert [len(frame) for _, frame in ring_read(ring, 0, 2, NONE)] == [4, 4]
    assert [len(frame) for _, frame in ring_read(left, left.tail_number, 3, NONE)] == [8]
    assert [len(frame) for _, frame in ring_read(right, right.tail_number, 3, NONE)] == [4, 1]


# -- stretches -------------------------------------------------------------------------------------

RARE = (*(("news",) * 3), None, *(("much",) * 600))


def large_ring(dice: Random) -> tuple[Ring, list[Published]]:
    """A ring of at most 900 frames after 3,000 of them, of which few are for those who hear little;
    and all of them.
    """
    ring, published, most = make_ring(10**6, 900), list[Published](), dice.choice((1, 7, 300))
    while len(published) < 3_000:
        entries = tuple(
            Published(encode_frame(dice.choice((1, 2)), b"%d" % number), dice.choice(RARE), ())
            for number in range(dice.randint(1, most))
        )
        ring = ring_append(
            ring_reserve(ring, len(entries), sum(map(size_of, entries))),
            entries,
            sum(map(size_of, entries)),
        )
        published += entries
    return ring, published


@pytest.mark.parametrize("seed", range(12))
def test_what_is_passed_over_is_for_nobody_who_asks(seed: int) -> None:
    dice = Random(seed)
    ring, published = large_ring(dice)
    assert 2 <= len(ring.topic_spans) <= 8 and ring.topic_spans[-1].end == ring.indexed_number
    for subscription in HEARINGS:
        kept = [
            number
            for number in range(ring.tail_number, len(published))
            if matches(published[number], subscription)
        ]
        for _ in range(10):
            start, end = sorted(dice.randint(ring.tail_number, len(published)) for _ in range(2))
            assert [number for number, _ in ring_read(ring, start, end, subscription)] == [
                number for number in kept if start <= number < end
            ]
            count = dice.randint(1, 40)
            assert last_matching(ring, subscription, count) == (kept[-count:] or [None])[0]


def test_a_stretch_is_looked_at_by_who_may_find_something_on_it() -> None:
    span = TopicSpan(0, 300, frozenset(("news",)), frozenset(("sport",)))
    assert [may_match(span, subscription) for subscription in HEARINGS] == [
        False,
        True,
        True,
        True,
        True,
        True,
    ]
    assert may_match(span, Subscription(Encoding.PLAIN, frozenset(("sport",))))
    assert not may_match(span, Subscription(Encoding.SSE, frozenset(("sport",))))
    assert not may_match(
        span._replace(texts=frozenset()), Subscription(Encoding.SSE, frozenset(("*",)))
    )
    assert may_match(
        span._replace(texts=frozenset((None,))), Subscription(Encoding.SSE, frozenset())
    )


# -- a stream --------------------------------------------------------------------------------------

PAYLOADS = st.builds(encode_frame, st.sampled_from((1, 2)), st.binary(max_size=5))
OTHERS = st.one_of(
    st.just(()), st.binary(min_size=1, max_size=3).map(lambda other: ((Encoding.DEFLATE_9, other),))
)
ENTRIES = st.builds(Published, PAYLOADS, st.sampled_from((None, "news", "sport")), OTHERS)
PLACES = st.sampled_from(HEARINGS)
CONNS = st.builds(lambda slot: Conn(slot, slot), st.integers(0, 4))


def size_of(entry: Published) -> int:
    """Bytes of an entry in all its encodings."""
    frame, _, others = entry
    return len(frame) + sum(len(other) for _, other in others)


def in_encoding(entry: Published, number: int, encoding: Encoding) -> bytes:
    """An entry as somebody is sent it: what is so short is the same in all encodings of frames."""
    frame, _, others = entry
    if encoding is not Encoding.SSE:
        return dict(others).get(encoding, frame)
    lines = b"\ndata: ".join(frame[2:].replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"))
    return b"id: 7-%d\ndata: %b\n\n" % (number + 1, lines)


class Streaming(RuleBasedStateMachine):
    """A stream of at most 12 bytes in 5 frames, beside the list of everything that was ever
    published.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stream = make_broadcast(Limits(outgoing_buffer_sz=12, max_ws_send_frame_cnt=5), EPOCH)
        self.published: list[Published] = []
        self.stored = 0
        self.tail = 0
        self.places: dict[Conn, Subscription | int] = {}

    def heard(self, start: int, end: int, subscription: Subscription) -> list[tuple[int, bytes]]:
        """What the list has from one number up to another for somebody."""
        topics = (None, "news", "sport") if subscription == ALL else (None, *subscription.topics)
        return [
            (number, in_encoding(entry, number, subscription.encoding))
            for number, entry in enumerate(self.published)
            if start <= number < end
            and entry.topic in topics
            and not (subscription == EVENTS and entry.frame[0] == 0x82)
        ]

    @rule(entries=st.lists(ENTRIES, min_size=1, max_size=4).map(tuple))
    def publish(self, entries: tuple[Published, ...]) -> None:
        length = sum(map(size_of, entries))
        pending = self.published[self.stored :]
        can_be = len(pending) + len(entries) <= 5 and sum(map(size_of, pending)) + length <= 12
        assert fits(self.stream, len(entries), length) is can_be
        if can_be:
            self.published += entries
            self.stream = append_pending(self.stream, entries, length)
            while (
                len(self.published) - self.tail > 5
                or sum(map(size_of, self.published[self.tail :])) > 12
            ):
                self.tail += 1

    @rule()
    def store(self) -> None:
        self.stored = len(self.published)
        self.stream = commit_pending(self.stream)

    @precondition(lambda self: not self.places and self.stored == len(self.published))
    @rule(count=st.integers(1, 3))
    def skip(self, count: int) -> None:
        """What nobody is sent has numbers, and takes no room."""
        self.published += [Published(b"", "nobody", ())] * count
        self.tail = self.stored = len(self.published)
        self.stream = skip_numbers(self.stream, count)

    @rule(conn=CONNS, subscription=PLACES)
    def join(self, conn: Conn, subscription: Subscription) -> None:
        if conn not in self.places:
            self.places[conn] = subscription
            self.stream = join_cohort(self.stream, conn, subscription)

    @rule(conn=CONNS)
    def leave(self, conn: Conn) -> None:
        place = self.places.pop(conn, None)
        if isinstance(place, Subscription):
            self.stream = leave_cohort(self.stream, conn, place)
        elif place is not None:
            self.stream = remove_laggard(self.stream, conn)

    @rule(conn=CONNS, back=st.integers(0, 5))
    def lag(self, conn: Conn, back: int) -> None:
        if not isinstance(self.places.get(conn), Subscription):
            cursor = max(self.tail, self.stored - back)
            self.places[conn] = cursor
            self.stream = add_laggard(self.stream, conn, cursor)

    @invariant()
    def the_tail_is_exact(self) -> None:
        ring = self.stream.ring
        assert (ring.tail_number, ring.head_number, self.stream.next_number) == (
            self.tail,
            self.stored,
            len(self.published),
        )
        assert ring.tail_offset == sum(map(size_of, self.published[: self.tail]))
        assert ring.head_offset == sum(map(size_of, self.published[: self.stored]))
        assert self.stream.pending == tuple(self.published[self.stored :])

    @invariant()
    def everything_that_is_kept_is_read(self) -> None:
        for subscription in HEARINGS:
            for start in range(self.tail, self.stored + 1):
                kept = self.heard(start, self.stored, subscription)
                assert list(ring_read(self.stream.ring, start, self.stored, subscription)) == kept
            assert pending_bytes_for(self.stream, subscription) == b"".join(
                frame for _, frame in self.heard(self.stored, len(self.published), subscription)
            )

    @invariant()
    def history_ends_with_what_was_published_last(self) -> None:
        for subscription in HEARINGS:
            kept = [
                number for number, _ in self.heard(self.tail, len(self.published), subscription)
            ]
            for count in range(1, 7):
                expected = kept[-count:][0] if kept else len(self.published)
                assert start_of_history(self.stream, subscription, count) == expected

    @invariant()
    def everybody_is_in_one_place(self) -> None:
        cohorts: dict[Subscription, set[Conn]] = {}
        for conn, place in self.places.items():
            if isinstance(place, Subscription):
                cohorts.setdefault(place, set()).add(conn)
        laggards = {conn: place for conn, place in self.places.items() if isinstance(place, int)}
        assert {
            subscription: set(members) for subscription, members in self.stream.cohorts.items()
        } == cohorts
        assert set(self.stream.laggards) == set(laggards)
        assert self.stream.lowest_cursor <= min(laggards.values(), default=NO_CURSOR)
        assert has_subscribers(self.stream, Limits()) is bool(
            self.places or self.stored < len(self.published)
        )
        assert has_subscribers(self.stream, Limits(history_messages=1))

    @precondition(lambda self: self.published)
    @rule()
    def forget_nobody(self) -> None:
        """Storing twice is storing once."""
        assert commit_pending(commit_pending(self.stream)) == commit_pending(self.stream)


Streaming.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestStreaming = Streaming.TestCase
