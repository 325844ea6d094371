"""Small pure tools for the tests of the core: literals everybody needs, and a driver that answers
at once.

`drive` is a whole world in a loop: it feeds bytes in the pieces it is given, answers every request
with `handler`, and collects what goes out; its kernel always has room. It knows events and effects
only, as a shell would.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from sigil.core.conn import Conn, Peer, Ticket
from sigil.core.connection.client import Client
from sigil.core.connection.context import Parse
from sigil.core.effects import (
    CallClose,
    Drop,
    Effect,
    Handle,
    Interest,
    ReadSendQueue,
    Reject,
    Send,
    Then,
    Watch,
)
from sigil.core.events import (
    Accepted,
    Event,
    Flush,
    HandlerReturned,
    InputRead,
    Received,
    SendQueueRead,
    TickStarted,
    Writable,
)
from sigil.core.http.head import Head, parse_headers_only
from sigil.core.http.request import Request
from sigil.core.http.response import Response
from sigil.core.limits import Limits
from sigil.core.server import advance, make_server
from sigil.core.server.clock import next_deadline
from sigil.core.server.fold import coalesce
from sigil.core.server.slots import find_client
from sigil.core.server.state import Server
from sigil.core.value import Value

PEER = Peer("192.0.2.1", 5000)
CONN = Conn(0, 0)
"""The connection that `serving` begins with."""

DATE = b"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n"
"""What ends every head that is sent at wall time 0."""

HELLO = b"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
OK = Response.text("ok")
OK_BYTES = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Type: text/plain; charset=utf-8\r\n"
    + DATE
    + b"ok"
)
OK_CLOSE = OK_BYTES.replace(b"2\r\n", b"2\r\nConnection: close\r\n", 1)


def get(target: str) -> bytes:
    """A simple request for a target."""
    return b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % target.encode()


def typed(value: Any) -> Any:
    """The same value with every tuple marked by its type, so that records of different types are
    never equal.
    """
    if isinstance(value, Value):
        fields = [getattr(value, name) for name in value.__match_args__]
        return type(value).__name__, *map(typed, fields)
    if isinstance(value, tuple):
        return type(value).__name__, *map(typed, value)
    if isinstance(value, list):
        return list(map(typed, value))
    return value


def same(left: Any, right: Any) -> bool:
    """Equal in type and in value, all the way down."""
    return bool(typed(left) == typed(right))


def head_of(data: bytes, limits: Limits | None = None) -> Head:
    """The head at the front of these bytes, which must be good."""
    head = parse_headers_only(data, limits or Limits())
    assert isinstance(head, Head), head
    return head


def serving(limits: Limits | None = None, logs_access: bool = False) -> Server:
    """A server at time 0 with one connection, `CONN`."""
    server = make_server(limits or Limits(), 0.0, 0, logs_access)
    return advance(server, [Accepted(7, PEER)])[0]


def advance_by(server: Server, *events: Event) -> tuple[Server, list[Effect]]:
    """`advance`, with the events as arguments, by a loop that is on time: it has looked whenever it
    had to before a tick starts, and judges when all that follows it is read, before a last flush.
    """
    effects: list[Effect] = []
    starts = [index for index, event in enumerate(events) if type(event) is TickStarted]
    for start, end in pairwise([0, *starts, len(events)]):
        turn = list(events[start:end])
        if turn and isinstance(turn[0], TickStarted):
            server, more = looked_until(server, turn[0].now)
            effects += more
            turn.insert(len(turn) - (turn[-1] == Flush(None)), InputRead())
        server, more = told_what_is_held(*advance(server, turn))
        effects += more
    return server, coalesce(effects)


def told_what_is_held(server: Server, effects: list[Effect]) -> tuple[Server, list[Effect]]:
    """The server, told that the kernel holds nothing for those about whom that was asked, and the
    other effects.
    """
    asked_about = [effect.conn for effect in effects if isinstance(effect, ReadSendQueue)]
    if not asked_about:
        return server, effects
    left = [effect for effect in effects if not isinstance(effect, ReadSendQueue)]
    server, more = advance(server, [SendQueueRead(conn, 0) for conn in asked_about])
    return server, left + more


def looked_until(server: Server, seconds: float) -> tuple[Server, list[Effect]]:
    """The server after all ticks that it needs before this second, in which nothing comes in."""
    effects: list[Effect] = []
    while (look := next_deadline(server)) is not None and look < seconds:
        now = max(look, server.now)
        turn = [TickStarted(now, server.unix_time), InputRead()]
        server, more = told_what_is_held(*advance(server, turn))
        effects += more
    return server, effects


def at(seconds: float) -> TickStarted:
    """The clock reads so many seconds; the wall stands still, so that the date does too."""
    return TickStarted(seconds, 0)


def asked(data: bytes, limits: Limits | None = None, logs_access: bool = False) -> Server:
    """A server that has just received these bytes on `CONN`."""
    return advance_by(serving(limits, logs_access), Received(CONN, data))[0]


def answered(number: int, *responses: Response) -> HandlerReturned:
    """Responses to the requests of `CONN` from `number` on."""
    return HandlerReturned(Ticket(CONN, number), responses)


def ticket(number: int) -> Ticket:
    """A request of `CONN`."""
    return Ticket(CONN, number)


def client_of(server: Server) -> Client:
    """The record of `CONN`, which must be there."""
    client = find_client(server.slots, CONN)
    assert client is not None
    return client


def bytes_of(effects: Iterable[Effect]) -> bytes:
    """All bytes these effects send."""
    return b"".join(b"".join(effect.segments) for effect in effects if isinstance(effect, Send))


def effect_names(effects: Iterable[Effect]) -> list[str]:
    """The names of the effects, in order."""
    return [type(effect).__name__ for effect in effects]


def requests_of(effects: Iterable[Effect]) -> list[Request]:
    """All requests these effects hand over."""
    return [
        request for effect in effects if isinstance(effect, Handle) for request in effect.requests
    ]


def fate_of(effects: Sequence[Effect]) -> str:
    """What these effects make of the connection: keep, shut or drop; turned away is a drop."""
    if any(isinstance(effect, Drop | CallClose | Reject) for effect in effects):
        return "drop"
    return (
        "shut"
        if any(isinstance(effect, Send) and effect.then is not Then.KEEP for effect in effects)
        else "keep"
    )


class Driven(NamedTuple):
    """What came of a run: the requests the handler saw, the bytes sent, and the
    connection's fate.
    """

    requests: tuple[Request, ...]
    output: bytes
    fate: str


def echo(request: Request) -> Response:
    """What was asked, told back."""
    return Response.text(f"{request.method} {request.target} {request.body!r}")


def drive(
    server: Server,
    reads: Iterable[bytes],
    handler: Callable[[Request], Response] = echo,
    parse: Parse = parse_headers_only,
) -> Driven:
    """Feed `CONN` of this server with reads, answering every request at once, until the server
    shuts or all is read.
    """
    requests: list[Request] = []
    output, fate = b"", "keep"
    for data in reads:
        events: list[Event] = [Received(CONN, data)] if data else []
        while events:
            server, effects = advance(server, events, parse)
            output += bytes_of(effects)
            fate = fate if fate != "keep" else fate_of(effects)
            handles = [effect for effect in effects if isinstance(effect, Handle)]
            requests += requests_of(effects)
            events = [
                HandlerReturned(order.ticket, tuple(map(handler, order.requests)))
                for order in handles
            ]
            if any(
                isinstance(effect, Watch) and effect.interest & Interest.WRITE for effect in effects
            ):
                events.append(Writable(CONN))
    return Driven(tuple(requests), output, fate)


def cut(data: bytes, positions: Iterable[int]) -> list[bytes]:
    """These bytes in pieces, cut at these positions."""
    edges = [0, *sorted(min(position, len(data)) for position in positions), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def byte_by_byte(data: bytes) -> list[bytes]:
    """These bytes in pieces of one."""
    return [data[index : index + 1] for index in range(len(data))]


def unavailable(sentence: bytes) -> bytes:
    """The whole 503 with this sentence."""
    body = b"503 Service Unavailable: " + sentence + b"\n"
    return (
        b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: %d\r\nConnection: close\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\nRetry-After: 1\r\n" % len(body) + DATE + body
    )


FULL = unavailable(b"this server has as many connections as it accepts")


SHUTDOWN = unavailable(b"the server is shutting down").replace(b"Retry-After: 1\r\n", b"")
