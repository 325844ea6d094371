"""What is remembered of a subscriber, and which topics it may have."""

import pytest

from sigil import Limits
from sigil.core.broadcast.encoding import Encoding
from sigil.core.broadcast.entry import Subscription
from sigil.core.close_reasons import CloseReason
from sigil.core.connection.subscriber import (
    CloseState,
    add_topics,
    make_subscriber,
    with_queue,
)

SUBSCRIPTION = Subscription(Encoding.PLAIN, frozenset(("news",)))
LIMITS = Limits(max_ws_topics_per_client=2, max_topic_len=4)


def test_a_subscriber_begins_open_and_with_nothing_to_be_sent() -> None:
    subscriber = make_subscriber(SUBSCRIPTION, None)
    assert (subscriber.queue, subscriber.queued_len, subscriber.is_scheduled) == ((), 0, False)
    assert (subscriber.close_state, subscriber.reason) == (CloseState.OPEN, CloseReason.OK)


def test_another_queue_changes_nothing_else() -> None:
    subscriber = make_subscriber(SUBSCRIPTION, 7)
    assert with_queue(subscriber, (b"abc",), 3, True) == subscriber.replace(
        queue=(b"abc",), queued_len=3, is_scheduled=True
    )


def test_topics_are_added_once_each() -> None:
    both = add_topics(SUBSCRIPTION, ("news", "news", "x"), LIMITS)
    assert both == Subscription(Encoding.PLAIN, frozenset(("news", "x")))
    assert SUBSCRIPTION.topics == {"news"}


@pytest.mark.parametrize(
    ("topics", "problem"),
    [
        (("a", "b"), "3 topics: Limits.max_ws_topics_per_client is 2"),
        (("five5",), "a topic of 5 bytes: Limits.max_topic_len is 4"),
        (("\u00e9\u00e9\u00e9",), "a topic of 6 bytes: Limits.max_topic_len is 4"),
        (("\ud800\ud800",), "a topic of 6 bytes: Limits.max_topic_len is 4"),
    ],
)
def test_what_is_beyond_a_limit_is_a_sentence(topics: tuple[str, ...], problem: str) -> None:
    assert add_topics(SUBSCRIPTION, topics, LIMITS) == (
        f"a client cannot be subscribed to {problem}"
    )
