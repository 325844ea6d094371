"""Situations whose cost may not grow: an event, or a few, among N clients, topics or messages.

Theory: what happens is the same in each situation whatever N is, so the work should be the same
(DESIGN 3, law 10). The table of `tests/core/server/test_work.py` counts it, and the table of
`docs/performance.md` measures it; both are made of the situations below.

Rules: a situation is a function of N that returns a server and the events. Work is counted in calls
of functions, Python's own and those of C.
"""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, NamedTuple

from sigil.core.broadcast.entry import LATEST, PublishOptions
from sigil.core.close_reasons import CloseReason
from sigil.core.conn import Ticket
from sigil.core.events import (
    Accepted,
    CloseRequested,
    ConnectionLost,
    Delivered,
    Event,
    HandlerReturned,
    InputRead,
    Received,
    Stalled,
    Subscribe,
    TickStarted,
    TimeRead,
    Writable,
)
from sigil.core.http.response import Response
from sigil.core.server import advance
from sigil.core.server.state import Server
from sigil.core.topics import ALL_TOPICS
from sigil.core.websocket.frames import encode_masked
from tests.support.core_driver import OK, PEER
from tests.support.crowds import (
    FLUSH,
    ROOM,
    conns_of,
    idle,
    lagging,
    passed,
    published,
    publishing,
    stalls,
    upgraded,
    websockets,
)
from tests.support.requests import GET, UPGRADE

Scene = tuple[Server, list[Event]]


def calls_of(function: Callable[[], Any]) -> int:
    """How many functions are called by a function, itself counted."""
    count = 0

    def note(frame: FrameType, what: str, argument: object) -> None:
        nonlocal count
        count += what in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        function()
    finally:
        sys.setprofile(before)
    return count


class Situation(NamedTuple):
    """What happens among N of what: once, or to each of them. `few` is the least N from which on
    the work may not grow, which is tried with so many `times` as many.
    """

    name: str
    make: Callable[[int], Scene]
    is_for_each: bool = False
    few: int = 100
    times: int = 16


def _own_topic(number: int) -> tuple[str, ...]:
    return (f"topic {number}",)


# -- connections -----------------------------------------------------------------------------------


def accept(count: int) -> Scene:
    return idle(count), [Accepted(1, PEER)]


def accept_when_full(count: int) -> Scene:
    return passed(idle(count, ROOM._replace(max_connection_cnt=count)), 1.0), [Accepted(1, PEER)]


def accept_in_a_rush(count: int) -> Scene:
    """All have come this very moment, and none is idle yet."""
    return idle(count, ROOM._replace(max_connection_cnt=count)), [Accepted(1, PEER)]


def lose(count: int) -> Scene:
    server = idle(count)
    return server, [ConnectionLost(conns_of(server)[count // 2], 104)]


def get(count: int) -> Scene:
    server = idle(count)
    conn = conns_of(server)[count // 2]
    return server, [Received(conn, GET), HandlerReturned(Ticket(conn, 0), (OK,))]


def nothing_due(count: int) -> Scene:
    return idle(count), [TickStarted(0.01, 0), TimeRead(0.02, 0), InputRead()]


def all_overdue(count: int) -> Scene:
    return passed(idle(count), 59.75), [TickStarted(60.0, 60), InputRead()]


def relief(count: int) -> Scene:
    """So many clients do not read, and all they have together is twice too much."""
    server = idle(count, ROOM._replace(max_outbound_len=1_000 * count // 2))
    server, _ = advance(server, [Stalled(conn, 0, (b"x" * 1_000,)) for conn in conns_of(server)])
    return passed(server, 0.75), [TickStarted(1.0, 1), InputRead()]


# -- WebSockets ------------------------------------------------------------------------------------


def echo(count: int) -> Scene:
    server = websockets(count)
    conn = conns_of(server)[count // 2]
    message = encode_masked(1, b"x" * 128, b"\x9d\xfa\x21\x3d")
    return server, [Received(conn, message), Delivered(conn, ((1, b"x" * 128),)), FLUSH]


def open_one(count: int) -> Scene:
    server, _ = advance(websockets(count, _own_topic), [Accepted(1, PEER)])
    conn = conns_of(server)[-1]
    response = Response.upgrade(topics=("another",))
    return server, [
        Received(conn, UPGRADE),
        HandlerReturned(Ticket(conn, 0), (response,)),
        Delivered(conn),
    ]


def evict_websocket(count: int) -> Scene:
    full = websockets(count, limits=ROOM._replace(max_ws_connection_cnt=count))
    server, _ = advance(full, [Accepted(1, PEER)])
    conn = conns_of(server)[-1]
    return server, [
        Received(conn, UPGRADE),
        HandlerReturned(Ticket(conn, 0), (Response.upgrade(),)),
    ]


def lose_websocket(count: int) -> Scene:
    server = websockets(count, _own_topic)
    return server, [ConnectionLost(conns_of(server)[count // 2], 104)]


def close_websocket(count: int) -> Scene:
    server = websockets(count, _own_topic)
    return server, [CloseRequested(conns_of(server)[count // 2], CloseReason.OK), FLUSH]


# -- topics ----------------------------------------------------------------------------------------


def subscribe(count: int) -> Scene:
    server = websockets(count, _own_topic)
    return server, [Subscribe(conns_of(server)[count // 2], "another", True)]


def unsubscribe(count: int) -> Scene:
    server = websockets(count, _own_topic)
    return server, [Subscribe(conns_of(server)[count // 2], f"topic {count // 2}", False)]


def _of_many_topics(count: int) -> Server:
    return websockets(3, lambda number: [f"topic {number} {index}" for index in range(count)])


def subscribe_of_many(count: int) -> Scene:
    server = _of_many_topics(count)
    return server, [Subscribe(conns_of(server)[1], "another", True)]


def unsubscribe_of_many(count: int) -> Scene:
    server = _of_many_topics(count)
    return server, [Subscribe(conns_of(server)[1], "topic 1 5", False)]


def stall_of_many(count: int) -> Scene:
    server, events = stalls(_of_many_topics(count))
    return server, events[1:2]


def publish_to_nobody(count: int) -> Scene:
    return websockets(count, _own_topic), [publishing("x", "no such topic"), FLUSH]


def publish_to_one(count: int) -> Scene:
    return websockets(count, _own_topic), [publishing("x", f"topic {count // 2}"), FLUSH]


def publish_to_one_of_many(count: int) -> Scene:
    return _of_many_topics(count), [publishing("x", "topic 1 5"), FLUSH]


def publish_to_clients_of_many(count: int) -> Scene:
    """100 clients, each subscribed to so many topics of its own."""
    server = websockets(100, lambda number: [f"topic {number} {index}" for index in range(count)])
    return server, [publishing("x", "topic 50 5"), FLUSH]


def publish_to_a_cohort_of_many(count: int) -> Scene:
    """So many clients, all subscribed to the same many topics."""
    server = websockets(count, lambda number: [f"topic {index}" for index in range(100)])
    return server, [publishing("x", "topic 5"), FLUSH]


def subscribe_to_many(count: int) -> Scene:
    """One client, which has half as many topics already."""
    topics = [f"topic {index}" for index in range(count // 2)]
    server = websockets(1, lambda number: topics)
    (conn,) = conns_of(server)
    return server, [
        Subscribe(conn, f"another {index}", True) for index in range(count - count // 2)
    ]


def count_subscribers(count: int) -> Scene:
    """A client comes and goes, and is counted under its topics."""
    server = websockets(count, lambda number: ("all", f"topic {number}"))
    conn = conns_of(server)[count // 2]
    return server, [Subscribe(conn, "all", False), Subscribe(conn, "all", True)]


def drain(count: int) -> Scene:
    """One of so many that are behind takes all."""
    server = lagging(websockets(count))
    return server, [Writable(conns_of(server)[count // 2]), FLUSH]


def publish_to_cohort(count: int) -> Scene:
    return websockets(count), [publishing("x" * 128)] * 16 + [FLUSH]


def publish_excluding(count: int) -> Scene:
    server = websockets(count)
    exclude = PublishOptions(exclude=conns_of(server)[count // 2])
    return server, [publishing("x" * 128, options=exclude)] * 16 + [publishing(), FLUSH]


def publish_to_each(count: int) -> Scene:
    return websockets(count, _own_topic), [publishing(), FLUSH]


# -- laggards --------------------------------------------------------------------------------------


def publish_with_laggards(count: int) -> Scene:
    """The tail comes to one laggard; all the others have read on."""
    server = lagging(websockets(count, limits=ROOM._replace(max_ws_send_frame_cnt=512)))
    server = published(server, 511)
    conns = conns_of(server)[1:]
    server, _ = advance(server, [Writable(conn) for conn in conns])
    server, _ = advance(server, [Stalled(conn, 0, (b"x" * 8,)) for conn in conns])
    return server, [publishing()]


def read_on_behind_superseded(count: int) -> Scene:
    """A client of all topics is at the tail of so many states, most of which are superseded."""
    limits = ROOM._replace(max_ws_send_frame_cnt=2 * count)
    server = lagging(websockets(1, lambda number: (ALL_TOPICS,), limits))
    server = published(server, count, topic=lambda number: f"state {number % 8}", options=LATEST)
    return server, [Writable(conn) for conn in conns_of(server)]


def publish_when_many_have_fallen_off(count: int) -> Scene:
    """So many that skip needed what is overwritten, and read nothing since."""
    server = idle(count, ROOM._replace(max_ws_send_frame_cnt=8))
    server = lagging(upgraded(server, conns_of(server), Response.upgrade(slow="skip")))
    return published(server, 9), [publishing(), FLUSH]


def report_stalls(count: int) -> Scene:
    return stalls(websockets(count))


def report_stalls_of_cohorts(count: int) -> Scene:
    return stalls(websockets(count, _own_topic))


def catch_up(count: int) -> Scene:
    server = lagging(websockets(count, _own_topic))
    return server, [Writable(conn) for conn in conns_of(server)]


# -- history ---------------------------------------------------------------------------------------


def _history(count: int) -> Server:
    limits = ROOM._replace(history_messages=count, max_ws_send_frame_cnt=count)
    rare = count // 3
    return published(
        idle(1, limits), count, 100, lambda number: "rare" if number == rare else "usual"
    )


def _asking(server: Server, raw: bytes, response: Response) -> Scene:
    (conn,) = conns_of(server)
    return server, [Received(conn, raw), HandlerReturned(Ticket(conn, 0), (response,)), FLUSH]


def history_of_a_rare_topic(count: int) -> Scene:
    return _asking(_history(count), UPGRADE, Response.upgrade(topics=("rare",), history=10))


def all_history(count: int) -> Scene:
    return _asking(_history(count), UPGRADE, Response.upgrade(topics=("usual",), history=count))


def all_history_in_deflate(count: int) -> Scene:
    raw = UPGRADE[:-2] + b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
    return _asking(_history(count), raw, Response.upgrade(topics=("usual",), history=count))


def last_event_id(count: int) -> Scene:
    raw = GET[:-2] + b"Last-Event-ID: 0-1\r\n\r\n"
    return _asking(_history(count), raw, Response.sse(topics=("usual",)))


RUSH = 1_100
"""More clients than are looked at for one that gives way."""
CROWD = 600
"""More clients than are dealt with in one tick."""
LONG_HISTORY = 2_500
"""More messages than are looked at or sent at once."""

SITUATIONS = (
    Situation("a connection is accepted, N are idle", accept),
    Situation("a connection is accepted, N are idle, and no more fit", accept_when_full),
    Situation(
        "a connection is accepted, N are new, and no more fit", accept_in_a_rush, few=RUSH, times=3
    ),
    Situation("one of N idle connections is lost", lose),
    Situation("a GET on one of N idle connections", get),
    Situation("a tick in which nothing of N is due", nothing_due),
    Situation(
        "a tick in which N idle connections are overdue", all_overdue, few=4 * CROWD, times=3
    ),
    Situation("a tick in which N do not read, and too much is held", relief, few=RUSH, times=8),
    Situation("an echo to one of N WebSockets", echo),
    Situation("a WebSocket is opened, N are open", open_one),
    Situation("a WebSocket is opened, N are open, and no more fit", evict_websocket),
    Situation("one of N WebSockets is lost", lose_websocket),
    Situation("one of N WebSockets is closed", close_websocket),
    Situation("one of N clients of a topic each subscribes to one more", subscribe),
    Situation("one of N clients of a topic each unsubscribes", unsubscribe),
    Situation("a client of N topics subscribes to one more", subscribe_of_many),
    Situation("a client of N topics unsubscribes from one", unsubscribe_of_many),
    Situation("a client of N topics stalls", stall_of_many),
    Situation("a message to nobody of N clients of a topic each", publish_to_nobody),
    Situation("a message to one of N clients of a topic each", publish_to_one),
    Situation("a message to one of 3 clients of N topics each", publish_to_one_of_many),
    Situation("a message to one of 100 clients of N topics each", publish_to_clients_of_many),
    Situation("a message to N clients of the same many topics", publish_to_a_cohort_of_many),
    Situation("a client subscribes to N topics, each", subscribe_to_many, True, few=1_000),
    Situation("one of N clients of two topics leaves one and comes back", count_subscribers),
    Situation("one of N clients that are behind takes all", drain),
    Situation("16 messages to N clients of one cohort", publish_to_cohort),
    Situation("16 messages to N clients of one cohort that exclude one", publish_excluding),
    Situation("a message to N clients of a topic each, each", publish_to_each, True),
    Situation("a message when the tail comes to one of N laggards", publish_with_laggards),
    Situation(
        "a client reads on behind N states, most superseded",
        read_on_behind_superseded,
        few=LONG_HISTORY,
    ),
    Situation(
        "a message when N that skip have fallen off the ring", publish_when_many_have_fallen_off
    ),
    Situation("N of a cohort stall, each", report_stalls, True),
    Situation("N of a topic each stall, each", report_stalls_of_cohorts, True),
    Situation("N laggards catch up, each", catch_up, True),
    Situation(
        "the history of a rare topic among N messages", history_of_a_rare_topic, few=LONG_HISTORY
    ),
    Situation("the whole history of N messages", all_history, few=LONG_HISTORY),
    Situation("the same in an encoding that nobody had", all_history_in_deflate, few=LONG_HISTORY),
    Situation("an event stream resumed N messages back", last_event_id, few=LONG_HISTORY),
)
