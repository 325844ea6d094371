"""Figures of connections: where each is, what it waits for and until when, and what it holds.

Theory: a connection is a record of many parts, and whoever looks at a server wants a row for each:
is it a request, a WebSocket, an event stream; does it keep up; what is next. All of it is read off
the server's value, so a row of an hour ago is the same function of an older value.

Rules: a value in, named tuples of numbers and texts out. A row costs what its connection is behind
by, and no more rows are made than are asked for. Texts from outside are as they came: whoever shows
them escapes them. It does not know how anything is drawn.
"""

from collections.abc import Iterator
from enum import Enum
from math import inf
from typing import Final, NamedTuple

from ..broadcast.broadcast import Broadcast
from ..conn import Conn
from ..connection.client import Client, Phase
from ..connection.client_status import is_in_cohort, outbox_len
from ..connection.deadlines import Waiting, deadline_of, waiting_for
from ..connection.subscriber import CloseState
from ..connection.websocket_send import buffered_amount
from ..server.slots import clients_of, find_client
from ..server.state import Server, counted_now
from ..server.totals import requests_of
from ..topics import names_of


class Place(Enum):
    """Where a connection stands to what is published."""

    NONE = "none"
    """It is sent nothing of it."""
    COHORT = "cohort"
    """It has been sent everything."""
    LAGGARD = "laggard"
    """It has a cursor of its own."""
    ENDING = "ending"
    """Its end has begun."""


class ConnectionFigures(NamedTuple):
    """One connection."""

    conn: Conn
    peer: str
    kind: str
    """`"http"`, `"websocket"`, `"event stream"` or `"long poll"`."""
    phase: str
    """The name of its `Phase`."""
    waits_for: str
    """What it waits for, in a few words."""
    seconds_left: float | None
    """Until that is overdue; None if it never is."""
    requests: int
    """Complete requests so far."""
    outstanding: int
    """Those of them that are not answered yet."""
    bytes_in: int
    bytes_out: int
    outbox: int
    """Bytes that were sent to it alone and that the kernel has not taken."""
    buffered: int
    """All bytes that the kernel has not taken for it: those, and what it needs of the ring."""
    place: Place
    cursor: int | None
    """The number of the next message it is to be sent, if it is a subscriber."""
    behind: int
    """How many messages have been published from there on, on any topic."""
    topics: tuple[str, ...]
    encoding: str
    """In which it is sent what is published; empty if it is not."""


WAITS: Final = {
    Waiting.IDLE: "a request",
    Waiting.HEADER: "the end of a head",
    Waiting.BODY: "the end of a body",
    Waiting.RESPONSE: "the handler",
    Waiting.CHUNK: "the next chunk",
    Waiting.SSE: "the next event",
    Waiting.WRITE: "the peer to read",
    Waiting.LINGER: "the peer to end",
    Waiting.PING: "a message",
    Waiting.PONG: "the pong",
    Waiting.CLOSE: "the peer's close frame",
    Waiting.CALLBACK: "the callback",
    Waiting.HANGUP: "the program",
    Waiting.POLL: "something to be published",
    Waiting.HANDSHAKE: "the TLS handshake",
}
"""What a connection waits for, in a few words."""


def connection_figures(server: Server, client: Client) -> ConnectionFigures:
    """The figures of a client of this server."""
    broadcast, subscriber = server.broadcast, client.subscriber
    cursor = _cursor_of(client, broadcast)
    topics: list[str] = [] if subscriber is None else names_of(subscriber.subscription.topics)
    encoding = "" if subscriber is None else subscriber.subscription.encoding.name.lower()
    return ConnectionFigures(
        conn=client.conn,
        peer=str(client.peer),
        kind=kind_of(client),
        phase=client.incoming.phase.name,
        waits_for=WAITS[waiting_for(client)],
        seconds_left=_seconds_left(server, client),
        requests=requests_of(client),
        outstanding=len(client.outstanding),
        bytes_in=client.bytes_in,
        bytes_out=client.bytes_out,
        outbox=outbox_len(client),
        buffered=buffered_amount(client, broadcast),
        place=place_of(client),
        cursor=cursor,
        behind=_behind(cursor, broadcast),
        topics=tuple(topics),
        encoding=encoding,
    )


def find_figures(server: Server, conn: Conn) -> ConnectionFigures | None:
    """The figures of this connection; None if it is not open."""
    client = find_client(server.slots, conn)
    return None if client is None else connection_figures(server, client)


def _behind(cursor: int | None, broadcast: Broadcast) -> int:
    """How many messages have been published from this cursor on."""
    return 0 if cursor is None else max(0, broadcast.next_number - cursor)


def _seconds_left(server: Server, client: Client) -> float | None:
    """How long a client may still take for what it is waited for; None if for ever."""
    deadline = deadline_of(client, server.limits)
    return None if deadline == inf else deadline - counted_now(server)


def kind_of(client: Client) -> str:
    """What a connection is."""
    if client.websocket is not None:
        return "websocket"
    if client.subscriber is None:
        return "http"
    return "event stream" if client.subscriber.polling is None else "long poll"


def place_of(client: Client) -> Place:
    """Where a connection stands to what is published."""
    subscriber = client.subscriber
    if client.incoming.phase in (Phase.LINGER, Phase.MUST_CLOSE, Phase.DROPPED):
        return Place.ENDING
    if subscriber is None:
        return Place.NONE
    if subscriber.close_state is not CloseState.OPEN:
        return Place.ENDING
    return Place.COHORT if subscriber.cursor is None else Place.LAGGARD


def _cursor_of(client: Client, broadcast: Broadcast) -> int | None:
    """The number of the next message that a client is to be sent."""
    if client.subscriber is None:
        return None
    if is_in_cohort(client):
        return broadcast.ring.head_number
    return client.subscriber.cursor


def connections(server: Server, start: int, count: int, by_lag: bool = False) -> list[Client]:
    """Up to `count` clients from the `start`-th on, by slot; or `by_lag`, those first that lag, the
    one that is furthest behind before the others.
    """
    if by_lag:
        laggards, in_order = server.broadcast.laggards, sorted(_by_cursor(server))
        others = (one.conn for one in clients_of(server.slots) if one.conn not in laggards)
        conns = [*(conn for _, conn in in_order), *others][start : start + count]
        found = [find_client(server.slots, conn) for conn in conns]
        return [client for client in found if client is not None]
    return list(clients_of(server.slots))[start : start + count]


def _by_cursor(server: Server) -> Iterator[tuple[int, Conn]]:
    """The cursors of the laggards, and whose they are."""
    for conn, cursor in server.broadcast.laggards.items():
        yield cursor, conn
