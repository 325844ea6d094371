"""The index of cohorts: what a topic reaches is what a look at every subscription finds, in an
order that is the same everywhere.
"""

from random import Random

import pytest

from sigil.core.broadcast.broadcast import (
    Broadcast,
    change_topics,
    join_cohort,
    leave_cohort,
    make_broadcast,
    subscriber_count,
)
from sigil.core.broadcast.cohort_index import EMPTY_INDEX, NARROW_TOPICS_MAX, NO_TOPICS, recipients
from sigil.core.broadcast.encoding import Encoding
from sigil.core.broadcast.entry import Subscription
from sigil.core.conn import Conn
from sigil.core.limits import Limits
from sigil.core.topics import ALL_TOPICS

EMPTY = make_broadcast(Limits())
TOPICS = [f"t{number}" for number in range(3 * NARROW_TOPICS_MAX)]


def some_subscription(dice: Random) -> Subscription:
    """A narrow or a wide subscription."""
    count = dice.choice((0, 1, 2, NARROW_TOPICS_MAX, NARROW_TOPICS_MAX + 1, len(TOPICS)))
    topics = frozenset(dice.sample(TOPICS, count))
    if dice.random() < 0.1:
        topics |= {ALL_TOPICS}
    return Subscription(dice.choice((Encoding.PLAIN, Encoding.SSE)), topics)


def check(broadcast: Broadcast, places: dict[Conn, tuple[Subscription, bool]]) -> None:
    """Compare what the index finds with a look at everybody."""
    cohorts: dict[Subscription, set[Conn]] = {}
    for conn, (subscription, lags) in places.items():
        if not lags:
            cohorts.setdefault(subscription, set()).add(conn)
    for topic in ("t1", "t2", "no such topic"):
        assert subscriber_count(broadcast, topic) == sum(
            bool(subscription.topics & {topic, ALL_TOPICS}) for subscription, _ in places.values()
        )
    assert subscriber_count(broadcast, ALL_TOPICS) == sum(
        ALL_TOPICS in subscription.topics for subscription, _ in places.values()
    )
    for asked in ([None], ["t1"], ["t1", "t2", "t9"], [], ["no such topic"]):
        topics = [ALL_TOPICS, *asked]
        found = recipients(broadcast.cohort_index, topics)
        assert len({subscription for subscription, _ in found}) == len(found)
        assert dict(found) == {
            subscription: subscription.topics & set(topics)
            for subscription in cohorts
            if None in topics or subscription.topics & set(topics)
        }
        encodings = [subscription.encoding for subscription, _ in found]
        assert encodings == sorted(encodings)


@pytest.mark.parametrize("seed", range(15))
def test_what_is_found_is_what_a_look_at_everybody_finds(seed: int) -> None:
    dice, broadcast = Random(seed), EMPTY
    places: dict[Conn, tuple[Subscription, bool]] = {}
    for step in range(120):
        conn = Conn(dice.randint(0, 12), 0)
        old, lagged = places.get(conn, (None, True))
        before = NO_TOPICS if old is None else old.topics
        if old is not None and dice.random() < 0.3:
            new, lags = None, True
            del places[conn]
        else:
            new, lags = some_subscription(dice), dice.random() < 0.3
            places[conn] = (new, lags)
        broadcast = change_topics(broadcast, conn, before, NO_TOPICS if new is None else new.topics)
        if old is not None and not lagged:
            broadcast = leave_cohort(broadcast, conn, old)
        if new is not None and not lags:
            broadcast = join_cohort(broadcast, conn, new)
        if step % 10 == 0:
            check(broadcast, places)
    for conn, (subscription, lags) in places.items():
        broadcast = change_topics(broadcast, conn, subscription.topics, NO_TOPICS)
        if not lags:
            broadcast = leave_cohort(broadcast, conn, subscription)
    number = broadcast.cohort_index.next_number
    assert broadcast.cohort_index == EMPTY_INDEX.replace(next_number=number)


def test_cohorts_come_in_the_order_in_which_they_began() -> None:
    broadcast, topics = EMPTY, ["zebra", "ape", "gnu"]
    for number, topic in enumerate(topics):
        subscription = Subscription(Encoding.PLAIN, frozenset((topic,)))
        broadcast = join_cohort(broadcast, Conn(number, number), subscription)
    found = recipients(broadcast.cohort_index, [None, ALL_TOPICS])
    assert [next(iter(subscription.topics)) for subscription, _ in found] == topics


@pytest.mark.parametrize("count", [NARROW_TOPICS_MAX, NARROW_TOPICS_MAX + 1, 1_000])
def test_many_with_the_same_topics_are_one_cohort(count: int) -> None:
    broadcast, topics = EMPTY, frozenset(f"t{number}" for number in range(count))
    subscription = Subscription(Encoding.PLAIN, topics)
    for number in range(20):
        broadcast = change_topics(broadcast, Conn(number, number), NO_TOPICS, topics)
        broadcast = join_cohort(broadcast, Conn(number, number), subscription)
    assert recipients(broadcast.cohort_index, [ALL_TOPICS, "t3", "t5"]) == [
        (subscription, {"t3", "t5"})
    ]
