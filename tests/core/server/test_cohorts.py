"""Cohorts: a subscriber is in exactly one, or a laggard, and the sets follow its record."""

from sigil.core.broadcast.broadcast import NO_CURSOR, Broadcast, make_broadcast
from sigil.core.broadcast.encoding import Encoding
from sigil.core.broadcast.entry import Subscription
from sigil.core.conn import Conn
from sigil.core.connection.client import Client, make_client
from sigil.core.connection.subscriber import CloseState, make_subscriber
from sigil.core.limits import Limits
from sigil.core.server.cohorts import update_cohort
from tests.support.core_driver import PEER

CONN = Conn(3, 7)
EMPTY = make_broadcast(Limits())
NEWS = Subscription(Encoding.PLAIN, frozenset({"news"}))
WEATHER = Subscription(Encoding.PLAIN, frozenset({"weather"}))
HTTP = make_client(CONN, PEER)


def subscribed(subscription: Subscription, cursor: int | None = None) -> Client:
    """The client as a subscriber."""
    return HTTP.replace(subscriber=make_subscriber(subscription, cursor))


def closing(client: Client) -> Client:
    """The subscriber when its close frame is sent."""
    assert client.subscriber is not None
    return client.replace(subscriber=client.subscriber.replace(close_state=CloseState.CLOSING))


def cohorts_of(broadcast: Broadcast) -> dict[Subscription, set[Conn]]:
    """Who is in which cohort."""
    return {subscription: set(members) for subscription, members in broadcast.cohorts.items()}


def test_a_subscriber_joins_the_cohort_of_its_subscription_and_leaves_it_with_its_connection() -> (
    None
):
    joined = update_cohort(EMPTY, HTTP, subscribed(NEWS))
    assert cohorts_of(joined) == {NEWS: {CONN}}
    assert cohorts_of(update_cohort(joined, subscribed(NEWS), None)) == {}


def test_a_subscriber_leaves_its_cohort_when_its_close_frame_is_sent() -> None:
    joined = update_cohort(EMPTY, HTTP, subscribed(NEWS))
    left = update_cohort(joined, subscribed(NEWS), closing(subscribed(NEWS)))
    assert cohorts_of(left) == {}
    assert update_cohort(left, closing(subscribed(NEWS)), None) is left


def test_another_subscription_is_another_cohort() -> None:
    joined = update_cohort(EMPTY, HTTP, subscribed(NEWS))
    moved = update_cohort(joined, subscribed(NEWS), subscribed(WEATHER))
    assert cohorts_of(moved) == {WEATHER: {CONN}}


def test_a_laggard_is_in_no_cohort_until_it_has_caught_up() -> None:
    joined = update_cohort(EMPTY, HTTP, subscribed(NEWS))
    lagging = update_cohort(joined, subscribed(NEWS), subscribed(NEWS, cursor=5))
    assert (cohorts_of(lagging), set(lagging.laggards), lagging.lowest_cursor) == ({}, {CONN}, 5)
    back = update_cohort(lagging, subscribed(NEWS, cursor=5), subscribed(NEWS))
    assert (cohorts_of(back), set(back.laggards)) == ({NEWS: {CONN}}, set())


def test_a_laggard_that_is_gone_is_forgotten() -> None:
    lagging = update_cohort(EMPTY, HTTP, subscribed(NEWS, cursor=5))
    assert set(update_cohort(lagging, subscribed(NEWS, cursor=5), None).laggards) == set()


def test_who_stays_where_it_is_changes_nothing() -> None:
    joined = update_cohort(EMPTY, HTTP, subscribed(NEWS))
    assert update_cohort(joined, subscribed(NEWS), subscribed(NEWS)) is joined
    assert update_cohort(EMPTY, HTTP, HTTP) is EMPTY
    assert EMPTY.lowest_cursor == NO_CURSOR
