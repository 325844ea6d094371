"""The broadcast beside a list that forgets nothing: what each client is sent, whoever comes, goes
or lags.
"""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from sigil.core.broadcast.broadcast import (
    NO_CURSOR,
    append_pending,
    commit_pending,
    fits,
    has_subscribers,
    join_cohort,
    leave_cohort,
    make_broadcast,
    pending_bytes_for,
    skip_numbers,
    start_of_history,
)
from sigil.core.broadcast.encoding import Encoding
from sigil.core.broadcast.entry import Published, Subscription
from sigil.core.broadcast.laggards import add_laggard, remove_laggard
from sigil.core.broadcast.reading import ring_read
from sigil.core.conn import Conn
from sigil.core.limits import Limits
from sigil.core.websocket.frames import encode_frame
from tests.support.core_broadcasts import ALL, EPOCH, EVENTS, HEARINGS, size_of

PAYLOADS = st.builds(encode_frame, st.sampled_from((1, 2)), st.binary(max_size=5))

OTHERS = st.one_of(
    st.just(()), st.binary(min_size=1, max_size=3).map(lambda other: ((Encoding.DEFLATE_9, other),))
)

ENTRIES = st.builds(Published, PAYLOADS, st.sampled_from((None, "news", "sport")), OTHERS)

PLACES = st.sampled_from(HEARINGS)

CONNS = st.builds(lambda slot: Conn(slot, slot), st.integers(0, 4))


def in_encoding(entry: Published, number: int, encoding: Encoding) -> bytes:
    """An entry as somebody is sent it: what is so short is the same in all encodings of frames."""
    frame = entry.frame
    if encoding is not Encoding.SSE:
        return dict(entry.encodings).get(encoding, frame)
    lines = b"\ndata: ".join(frame[2:].replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"))
    return b"id: 7-%d\ndata: %b\n\n" % (number + 1, lines)


def limits_of(max_bytes: int, max_frames: int) -> Limits:
    """Limits of a stream of so many bytes in so many frames."""
    return Limits(outgoing_buffer_sz=max_bytes, max_ws_send_frame_cnt=max_frames)


class Streaming(RuleBasedStateMachine):
    """A stream of at most 12 bytes in 5 frames, or of 60 in 3, beside the list of everything that
    was ever published.
    """

    def __init__(self) -> None:
        super().__init__()
        self.bounds = 12, 5
        self.stream = make_broadcast(limits_of(*self.bounds), EPOCH)
        self.published: list[Published] = []
        self.stored = 0
        self.tail = 0
        self.places: dict[Conn, Subscription | int] = {}

    @initialize(bounds=st.sampled_from(((12, 5), (60, 3))))
    def begin(self, bounds: tuple[int, int]) -> None:
        """One is full of bytes, the other of frames."""
        self.bounds = bounds
        self.stream = make_broadcast(limits_of(*bounds), EPOCH)

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
        max_bytes, max_frames = self.bounds
        pending_len, count = sum(map(size_of, pending)), len(pending) + len(entries)
        can_be = count <= max_frames and pending_len + length <= max_bytes
        assert fits(self.stream, len(entries), length) is can_be
        if can_be:
            self.published += entries
            self.stream = append_pending(self.stream, entries, length)
            while (
                len(self.published) - self.tail > max_frames
                or sum(map(size_of, self.published[self.tail :])) > max_bytes
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
