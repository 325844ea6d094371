"""Which messages are the newest of their topics: the index against a look at all of them."""

from random import Random

import pytest

from sigil.core.broadcast.encoding import Encoding
from sigil.core.broadcast.entry import (
    LATEST,
    NO_OPTIONS,
    Published,
    Subscription,
    matches,
)
from sigil.core.broadcast.latest import (
    NOTHING_LATEST,
    SUPERSEDED_MAX,
    LatestIndex,
    add_latest,
    forget_latest,
    is_superseded,
    last_latest,
    latest_between,
)
from sigil.core.topics import ALL_TOPICS, Topic
from sigil.core.websocket.frames import encode_frame

TEXT, BINARY = encode_frame(1, b"x"), encode_frame(2, b"x")
PLAIN_NEWS = Subscription(Encoding.PLAIN, frozenset(("news",)))
SUBSCRIPTIONS = [
    Subscription(encoding, frozenset(topics))
    for encoding in (Encoding.PLAIN, Encoding.SSE)
    for topics in ((), ("news",), ("news", "t1", "t2"), ("nothing",), (ALL_TOPICS,))
]


def state(topic: str | None = None, frame: bytes = TEXT) -> Published:
    """A message with `latest`."""
    return Published(frame, topic, (), LATEST)


def numbers(index: LatestIndex, subscription: Subscription, start: int = 0) -> list[int]:
    """All that the index has for a subscription."""
    return list(latest_between(index, start, 10**9, subscription))


# -- examples --------------------------------------------------------------------------------------


def test_the_last_one_on_each_topic_is_the_newest() -> None:
    entries = [state("news"), state("sport"), state("news"), state(None), state(None)]
    index = add_latest(NOTHING_LATEST, entries, 7)
    assert numbers(index, PLAIN_NEWS) == [9, 11]
    assert numbers(index, Subscription()) == [11]
    assert numbers(index, Subscription(Encoding.PLAIN, frozenset((ALL_TOPICS,)))) == [8, 9, 11]
    assert is_superseded(index, 7, entries[0], PLAIN_NEWS)
    assert not is_superseded(index, 9, entries[2], PLAIN_NEWS)


def test_what_was_published_without_latest_supersedes_nothing_and_is_never_superseded() -> None:
    ordinary = Published(TEXT, "news", (), NO_OPTIONS)
    index = add_latest(NOTHING_LATEST, [ordinary, state("news"), ordinary], 0)
    assert numbers(index, PLAIN_NEWS) == [1]
    assert not is_superseded(index, 0, ordinary, PLAIN_NEWS)
    assert add_latest(index, [ordinary], 3) is index


def test_a_binary_message_supersedes_no_text_where_there_are_only_texts() -> None:
    entries = [state("news"), state("news", BINARY)]
    index, events = add_latest(NOTHING_LATEST, entries, 0), Subscription(Encoding.SSE)
    assert numbers(index, PLAIN_NEWS) == [1]
    assert numbers(index, Subscription(Encoding.SSE, PLAIN_NEWS.topics)) == [0]
    assert numbers(index, events) == []
    later = add_latest(index, [state("news", BINARY)], 2)
    assert numbers(later, Subscription(Encoding.SSE, PLAIN_NEWS.topics)) == [0]


def test_a_topic_is_forgotten_when_its_newest_message_is_passed() -> None:
    index = add_latest(NOTHING_LATEST, [state("a"), state("b"), state("a")], 0)
    assert forget_latest(index, 0) is index
    assert set(forget_latest(index, 1).newest) == {"a", "b"}
    assert set(forget_latest(index, 2).newest) == {"a"}
    assert not forget_latest(index, 3).newest
    assert repr(index) == "LatestIndex(2 topics)"


# -- laws ------------------------------------------------------------------------------------------


def newest_of(published: list[Published], tail: int, subscription: Subscription) -> list[int]:
    """The numbers of what a look at every message finds."""
    found: dict[Topic | None, int] = {}
    for number, entry in enumerate(published):
        if entry.options.latest and matches(entry, subscription):
            found[entry.topic] = number
    return sorted(number for number in found.values() if number >= tail)


@pytest.mark.parametrize("seed", range(30))
def test_the_index_agrees_with_a_look_at_every_message(seed: int) -> None:
    dice, index = Random(seed), NOTHING_LATEST
    published: list[Published] = []
    topics = [None, "news", *(f"t{number}" for number in range(dice.choice((2, 40, 900))))]
    kept = dice.choice((5, 300, 3_000))
    while len(published) < 2_000:
        entries = [
            Published(
                dice.choice((TEXT, TEXT, BINARY)),
                dice.choice(topics),
                (),
                dice.choice((LATEST, LATEST, NO_OPTIONS)),
            )
            for _ in range(dice.randint(1, 40))
        ]
        index = add_latest(index, entries, len(published))
        published += entries
        tail = max(0, len(published) - kept)
        index = forget_latest(index, tail)
        if dice.random() < 0.2:
            check(dice, index, published, tail)
        assert len(index.newest) <= kept
        assert len(index.order) <= 2 * SUPERSEDED_MAX + 4 * kept + 40


def check(dice: Random, index: LatestIndex, published: list[Published], tail: int) -> None:
    """Compare all that the index is asked with a look at every message."""
    for subscription in SUBSCRIPTIONS:
        expected = newest_of(published, tail, subscription)
        start, end = sorted(dice.randint(tail, len(published)) for _ in range(2))
        found = list(latest_between(index, start, end, subscription))
        assert found == [number for number in expected if start <= number < end]
        count = dice.randint(1, 9)
        before = [number for number in expected if number < end]
        last = last_latest(index, end, subscription, count)
        assert [number for number in last if number >= tail] == before[-count:]
        for number in range(max(tail, len(published) - 20), len(published)):
            entry = published[number]
            if matches(entry, subscription):
                is_newest = number in expected or not entry.options.latest
                assert is_superseded(index, number, entry, subscription) is not is_newest
