"""What is read from a ring for somebody, against a look at every message."""

from random import Random

import pytest

from sigil.core.broadcast.encoding import Encoding
from sigil.core.broadcast.entry import (
    LATEST,
    NO_OPTIONS,
    Published,
    PublishOptions,
    Subscription,
    frame_len_for,
    is_excluded,
    matches,
)
from sigil.core.broadcast.reading import (
    entries_due,
    first_due,
    last_due,
    length_due,
    read_encoded,
    ring_read,
)
from sigil.core.broadcast.ring import Ring, make_ring, ring_append, ring_reserve, with_latest
from sigil.core.conn import Conn
from sigil.core.topics import ALL_TOPICS, Topic
from sigil.core.websocket.frames import encode_frame
from tests.support.core_broadcasts import size_of

A, B = Conn(0, 0), Conn(1, 1)
RARE = (*(("news",) * 3), None, *(("much",) * 600))
OFTEN = ("news", "sport", None)
SUBSCRIPTIONS = [
    Subscription(encoding, frozenset(topics))
    for encoding in (Encoding.PLAIN, Encoding.SSE)
    for topics in ((), ("news",), ("news", "sport"), ("much",), ("nothing",), (ALL_TOPICS,))
]
SOME = (NO_OPTIONS, NO_OPTIONS, LATEST, LATEST, PublishOptions(exclude=A))
OPTIONS = {
    "ordinary": (NO_OPTIONS,),
    "mixed": (*SOME, PublishOptions(latest=True, exclude=B)),
    "states": (LATEST,),
    "few": (*((NO_OPTIONS,) * 40), LATEST),
}


def appended(ring: Ring, entries: tuple[Published, ...]) -> Ring:
    """The ring with these entries published and stored."""
    length = sum(map(size_of, entries))
    ring = with_latest(ring, entries, ring.head_number)
    return ring_append(ring_reserve(ring, len(entries), length), entries, length)


def large_ring(dice: Random, kind: str) -> tuple[Ring, list[Published]]:
    """A ring of at most 900 frames after 3,000 of them, and all of them."""
    ring, published, most = make_ring(10**6, 900), list[Published](), dice.choice((1, 7, 300))
    topics = dice.choice((RARE, OFTEN))
    while len(published) < 3_000:
        entries = tuple(
            Published(
                encode_frame(dice.choice((1, 2)), b"%d" % number),
                dice.choice(topics),
                (),
                dice.choice(OPTIONS[kind]),
            )
            for number in range(dice.randint(1, most))
        )
        ring = appended(ring, entries)
        published += entries
    return ring, published


def due_of(published: list[Published], subscription: Subscription, conn: Conn) -> list[int]:
    """The numbers of all that is due to somebody, by a look at every message."""
    newest: dict[Topic | None, int] = {}
    for number, entry in enumerate(published):
        if entry.options.latest and matches(entry, subscription):
            newest[entry.topic] = number
    return [
        number
        for number, entry in enumerate(published)
        if matches(entry, subscription)
        and not is_excluded(entry, conn)
        and (not entry.options.latest or newest[entry.topic] == number)
    ]


@pytest.mark.parametrize("kind", OPTIONS)
@pytest.mark.parametrize("seed", range(8))
def test_what_is_passed_over_is_not_due(seed: int, kind: str) -> None:
    dice = Random(seed)
    ring, published = large_ring(dice, kind)
    assert 2 <= len(ring.topic_spans) <= 8 and ring.topic_spans[-1].end == ring.indexed_number
    tail, head = ring.tail_number, len(published)
    for subscription in SUBSCRIPTIONS:
        everything = [n for n in range(tail, head) if matches(published[n], subscription)]
        for conn in (A, B):
            due = [n for n in due_of(published, subscription, conn) if n >= tail]
            for start, end in [(tail, head), *(some_range(dice, tail, head) for _ in range(6))]:
                part = [number for number in due if start <= number < end]
                read = entries_due(ring, start, end, subscription, conn)
                assert [number for number, _ in read] == part
                read = entries_due(ring, start, end, subscription, conn)
                frames = read_encoded(ring, read, subscription)
                assert [number for number, _ in frames] == part
                first = first_due(ring, start, end, subscription, conn)
                assert first == (part or [None])[0]
                sent = [frame_len_for(published[number], subscription) for number in part]
                if subscription.encoding is Encoding.PLAIN:  # for others it is an estimate
                    assert length_due(ring, start, end, subscription, conn) == sum(sent)
                whole = [number for number, _ in ring_read(ring, start, end, subscription, conn)]
                assert whole == [
                    number
                    for number in everything
                    if start <= number < end and not is_excluded(published[number], conn)
                ]


def some_range(dice: Random, tail: int, head: int) -> tuple[int, int]:
    """Two numbers on the ring, in order."""
    start, end = sorted(dice.randint(tail, head) for _ in range(2))
    return start, end


@pytest.mark.parametrize("kind", OPTIONS)
@pytest.mark.parametrize("seed", range(8))
def test_history_is_the_last_of_what_is_due(seed: int, kind: str) -> None:
    dice = Random(seed)
    ring, published = large_ring(dice, kind)
    nobody = Conn(9, 9)
    for subscription in SUBSCRIPTIONS:
        due = [n for n in due_of(published, subscription, nobody) if n >= ring.tail_number]
        for count in (1, 2, dice.randint(1, 40), 2_000):
            assert last_due(ring, subscription, count) == (due[-count:] or [None])[0]


def test_the_newest_may_not_be_on_the_ring_yet() -> None:
    state = Published(encode_frame(1, b"x"), None, (), LATEST)
    ring = appended(make_ring(100, 9), (state,))
    newer = with_latest(ring, (state,), 1)
    assert list(entries_due(newer, 0, 2, Subscription())) == []
    assert first_due(newer, 0, 2, Subscription()) is None
    assert length_due(newer, 0, 2, Subscription()) == 0
    assert last_due(newer, Subscription(), 5) is None
