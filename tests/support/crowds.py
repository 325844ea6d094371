"""Servers with many clients, for tests and benches of what their number costs.

Theory: a server is a value, so what an event costs among N clients can be measured on one and the
same server as often as is wanted. Here are the crowds, each of N clients in one situation, made by
events as a shell would report them.

Rules: everybody is accepted at the time 0.0 and nothing is due. It does not know what is measured.
"""

from collections.abc import Callable, Iterable, Sequence

from sigil.core.broadcast.entry import NO_OPTIONS, PublishOptions
from sigil.core.conn import Conn, Ticket
from sigil.core.effects import FanOut
from sigil.core.events import (
    Accepted,
    Delivered,
    Event,
    FanOutStalled,
    Flush,
    HandlerReturned,
    InputRead,
    Publish,
    Received,
    TickStarted,
)
from sigil.core.http.response import Response
from sigil.core.limits import Limits
from sigil.core.server import advance, make_server
from sigil.core.server.slots import clients_of
from sigil.core.server.state import Server
from tests.support.core_driver import PEER
from tests.support.requests import GET, UPGRADE

ROOM = Limits(
    max_connection_cnt=100_000, max_ws_connection_cnt=100_000, max_ws_topics_per_client=100_000
)
FLUSH = Flush(None)


def idle(count: int, limits: Limits = ROOM) -> Server:
    """A server with so many idle HTTP connections."""
    events = [Accepted(number, PEER) for number in range(count)]
    return advance(make_server(limits, 0.0, 0), events)[0]


def passed(server: Server, now: float) -> Server:
    """The server when it has ticked on until this time, and never been held up."""
    while server.now < now:
        tick = TickStarted(min(server.now + 0.25, now), int(server.now))
        server, _ = advance(server, [tick, InputRead()])
    return server


def conns_of(server: Server) -> tuple[Conn, ...]:
    """All its connections, by slot."""
    return tuple(client.conn for client in clients_of(server.slots))


def upgraded(server: Server, conns: Iterable[Conn], response: Response) -> Server:
    """The server when these idle connections have become WebSockets."""
    events: list[Event] = []
    for conn in conns:
        events.append(Received(conn, UPGRADE))
        events.append(HandlerReturned(Ticket(conn, 0), (response,)))
        events.append(Delivered(conn))
    return advance(server, events)[0]


def websockets(
    count: int,
    topics: Callable[[int], Sequence[str]] = lambda number: (),
    limits: Limits = ROOM,
) -> Server:
    """A server with so many WebSockets, each with the topics of its number."""
    server = idle(count, limits)
    for number, conn in enumerate(conns_of(server)):
        server = upgraded(server, (conn,), Response.upgrade(topics=topics(number)))
    return server


def event_streams(server: Server, conns: Iterable[Conn], response: Response) -> Server:
    """The server when these idle connections have become event streams."""
    events: list[Event] = []
    for conn in conns:
        events.append(Received(conn, GET))
        events.append(HandlerReturned(Ticket(conn, 0), (response,)))
    return advance(server, events)[0]


def publishing(
    text: str = "x", topic: str | None = None, options: PublishOptions = NO_OPTIONS
) -> Publish:
    """The program broadcasts a text."""
    return Publish(((1, text.encode(), topic, options),))


def published(
    server: Server,
    count: int,
    length: int = 16,
    topic: Callable[[int], str | None] | None = None,
    options: PublishOptions = NO_OPTIONS,
) -> Server:
    """The server after so many texts were published and sent, each with the topic of its number."""
    for start in range(0, count, 64):
        messages = tuple(
            (1, b"%0*d" % (length, number), None if topic is None else topic(number), options)
            for number in range(start, min(start + 64, count))
        )
        server, _ = advance(server, [Publish(messages), FLUSH])
    return server


def stalls(server: Server, text: str = "x", topic: str | None = None) -> tuple[Server, list[Event]]:
    """The server after a broadcast, and what a kernel reports that takes none of it."""
    server, effects = advance(server, [publishing(text, topic), FLUSH])
    return server, [
        FanOutStalled(conn, 0, effect.start, effect.end, effect.subscription)
        for effect in effects
        if isinstance(effect, FanOut)
        for conn in sorted(effect.members)
    ]


def lagging(server: Server) -> Server:
    """The server when everybody lags from the next message on."""
    return advance(*stalls(server))[0]
