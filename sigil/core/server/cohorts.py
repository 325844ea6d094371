"""Cohort bookkeeping: which subscriber is in which cohort, who is a laggard, how many there are in
each encoding.

Theory: where a subscriber is, is read off its record: without a cursor it is in the cohort of its
subscription, with one it is a laggard. The sets in `Broadcast` repeat that for all of them, so that
a flush costs one order per cohort. They are kept right here, by comparing a client before and after
every transition, so that no transition can forget to.

Rules: a subscriber is in exactly one cohort or among the laggards, until its close frame is sent; a
subscriber is counted from its upgrade until its program has been told of its end. Nothing is looked
up: each function costs the same however many subscribers there are, and a topic more or less costs
one topic. This file does not know what is published, nor when it is sent.
"""

from ..broadcast.broadcast import (
    Broadcast,
    change_topics,
    count_open,
    join_cohort,
    leave_cohort,
)
from ..broadcast.cohort_index import NO_TOPICS
from ..broadcast.entry import Subscription
from ..broadcast.laggards import add_laggard, filed_under, remove_laggard
from ..conn import Conn
from ..connection.client import Client
from ..connection.client_status import is_in_cohort, is_laggard
from ..connection.subscriber import OPEN


def _cohort_of(client: Client | None) -> Subscription | None:
    """The subscription whose cohort a client is in; None if it is in none."""
    if client is None or client.subscriber is None or not is_in_cohort(client):
        return None
    return client.subscriber.subscription


def _open_subscription(client: Client | None) -> Subscription | None:
    """The subscription of a client that is sent what is published, in a cohort or as a laggard."""
    if client is None or client.subscriber is None or client.subscriber.close_state is not OPEN:
        return None
    return client.subscriber.subscription


def _count_topics(
    broadcast: Broadcast, conn: Conn, old: Subscription | None, new: Subscription | None
) -> Broadcast:
    """The broadcast when a client has another subscription, or begins or ends to be sent what is
    published (none before or after).
    """
    if old is None or new is None:
        broadcast = count_open(broadcast, 1 if old is None else -1)
    topics_before = NO_TOPICS if old is None else old.topics
    topics_after = NO_TOPICS if new is None else new.topics
    return change_topics(broadcast, conn, topics_before, topics_after)


def update_cohort(broadcast: Broadcast, before: Client, after: Client | None) -> Broadcast:
    """The broadcast with a client where it belongs after a transition; None: it is gone."""
    old, new = _open_subscription(before), _open_subscription(after)
    if old is not new:
        broadcast = _count_topics(broadcast, before.conn, old, new)
    left, joined = _cohort_of(before), _cohort_of(after)
    if left != joined:
        if left is not None:
            broadcast = leave_cohort(broadcast, before.conn, left)
        if joined is not None:
            broadcast = join_cohort(broadcast, before.conn, joined)
    subscriber = None if after is None else after.subscriber
    if subscriber is not None and subscriber.cursor is not None:
        number = filed_under(subscriber.cursor, broadcast.ring)
        return add_laggard(broadcast, before.conn, number)
    if is_laggard(before):
        return remove_laggard(broadcast, before.conn)
    return broadcast
