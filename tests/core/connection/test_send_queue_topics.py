"""A client that changes its topics while it does not read: what its queue refers to is counted, so
it has a bound, and what it is sent is what it was subscribed to at each moment.
"""

import gc
import tracemalloc

from sigil.core.broadcast.entry import Subscription
from sigil.core.connection.client_status import subscriber_of
from sigil.core.connection.subscriber import PLACE_BYTES, Follow, item_len, make_place, places_len
from sigil.core.connection.websocket_send import buffered_amount
from sigil.core.events import Stalled, Subscribe, Writable
from sigil.core.limits import Limits
from sigil.core.server.slots import find_client
from sigil.core.server.state import Server
from sigil.core.server.stats import stats
from tests.support.core_driver import CONN, advance_by, client_of, same
from tests.support.core_websockets import (
    FLUSH,
    bytes_to,
    open_websocket,
    publishing,
    sending,
    subscriber_in,
)

TOPICS = tuple(f"topic {number}" for number in range(1_000))
LIMITS = Limits(max_ws_topics_per_client=1_001, max_topic_len=4_096, max_ws_outbox_len=2**20)
MOST = 100
"""Places of 1,000 topics for which there is no room."""


def behind(limits: Limits = LIMITS, topics: tuple[str, ...] = TOPICS) -> Server:
    """A client with these topics that does not read."""
    return advance_by(open_websocket(limits, topics), Stalled(CONN, 0, (b"x",)))[0]


def changed(server: Server, number: int) -> Server:
    """The server when something was published, and the client has one topic more or less."""
    event = Subscribe(CONN, f"{number // 2:04096}", number % 2 == 0)
    return advance_by(server, publishing("a", TOPICS[0]), FLUSH, event)[0]


def test_what_a_queue_refers_to_is_counted_and_bounded() -> None:
    server = behind()
    gc.collect()
    tracemalloc.start()
    before, longest = tracemalloc.get_traced_memory()[0], 0
    for number in range(MOST):
        server = changed(server, number)
        client = find_client(server.slots, CONN)
        if client is None:
            break
        longest = subscriber_of(client).places_len
        held = tracemalloc.get_traced_memory()[0] - before
        assert held < 1.1 * longest + 200_000  # that is the ring, and one set more
        assert server.load.outbound == longest + 1
    tracemalloc.stop()
    assert stats(server).closed == {"WS_CLIENT_TOO_SLOW": 1}
    assert longest < LIMITS.max_ws_outbox_len + make_place(0, _subscription(), None).size


def _subscription() -> Subscription:
    return subscriber_in(behind()).subscription


def test_who_keeps_up_with_many_topics_may_change_many_of_them_in_one_tick() -> None:
    limits = Limits(max_ws_topics_per_client=20_000)
    server = open_websocket(limits, tuple(f"topic {number}" for number in range(16_000)))
    for number in range(100):
        room = f"room {number}"
        server = advance_by(server, Subscribe(CONN, room, True), publishing("joined", room))[0]
    places = [item.size for item in subscriber_in(server).queue if isinstance(item, Follow)]
    assert sum(places) < 8_000_000 < limits.max_ws_outbox_len
    server, effects = advance_by(server, FLUSH)
    assert bytes_to(CONN, effects).count(b"joined") == 100


def test_places_for_one_subscription_count_its_topics_once() -> None:
    server = behind()
    for _ in range(50):
        server, _ = advance_by(server, publishing("a", TOPICS[0]), sending("b"))
    places = [item for item in subscriber_in(server).queue if isinstance(item, Follow)]
    assert len(places) == 50
    assert [place.size for place in places[1:]] == [PLACE_BYTES] * 49
    assert places[0].size > 1_000 * 64


def test_places_are_not_among_the_bytes_that_are_to_be_sent() -> None:
    server, _ = advance_by(behind(), publishing("a", TOPICS[0]), FLUSH, Subscribe(CONN, "b", True))
    assert subscriber_in(server).places_len > 1_000
    assert subscriber_in(server).queued_len == 0
    assert buffered_amount(client_of(server), server.broadcast) == 1 + 3


def test_the_length_of_a_queue_is_that_of_its_items_and_none_when_it_was_sent() -> None:
    server = behind(topics=TOPICS[:3])
    for number in range(10):
        server = changed(server, number)
        one = subscriber_in(server)
        assert one.queued_len == sum(map(item_len, one.queue))
        assert one.places_len == places_len(one.queue)
    server, effects = advance_by(server, Writable(CONN))
    assert bytes_to(CONN, effects) == b"x" + b"\x81\x01a" * 10
    assert same(subscriber_in(server).queue, ()) and subscriber_in(server).queued_len == 0
    assert subscriber_in(server).places_len == 0


def test_a_client_that_may_be_sent_little_may_change_its_topics_all_the_same() -> None:
    server = behind(LIMITS._replace(max_ws_outbox_len=60), TOPICS[:3])
    for number in range(4):
        server = changed(server, number)
    assert client_of(server).conn == CONN
