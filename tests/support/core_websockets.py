"""Small pure tools for the tests of WebSockets in the core: literals, and a driver that plays
program and kernel.

`echo_run` feeds bytes in the pieces it is given, looks at every message at once, says each
back, and flushes once at the end; its kernel always has room. It knows events and effects only, as
a shell would.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sigil.core.broadcast.entry import NO_OPTIONS
from sigil.core.close_reasons import CloseReason
from sigil.core.conn import Conn, Ticket
from sigil.core.connection.client_status import subscriber_of, websocket_of
from sigil.core.connection.subscriber import Subscriber
from sigil.core.connection.websocket_state import WebSocket
from sigil.core.effects import CallWsClose, CallWsOpen, Deliver, Drop, Effect, FanOut, Send, Then
from sigil.core.events import (
    Accepted,
    Delivered,
    Event,
    Flush,
    HandlerReturned,
    Publish,
    Received,
    SendMessages,
)
from sigil.core.http.response import Response
from sigil.core.limits import Limits
from sigil.core.server import advance, make_server
from sigil.core.server.state import Server
from sigil.core.websocket.frames import Frame, FrameRules, encode_masked, parse_frame
from tests.support.core_driver import CONN, PEER, advance_by, answered, asked, bytes_of, client_of
from tests.support.requests import UPGRADE

KEY = b"\x9d\xfa\x21\x3d"
PLAIN = FrameRules(2**30, 2**30, is_masked=False)
"""What a client reads by."""

FLUSH = Flush(None)
ACCEPTING = Response.upgrade()


def text(words: str) -> bytes:
    """A text message of a client."""
    return encode_masked(1, words.encode(), KEY)


def binary(data: bytes) -> bytes:
    """A binary message of a client."""
    return encode_masked(2, data, KEY)


def ping(payload: bytes = b"") -> bytes:
    """A ping of a client."""
    return encode_masked(9, payload, KEY)


def close(payload: bytes = b"") -> bytes:
    """A close frame of a client."""
    return encode_masked(8, payload, KEY)


def received(data: bytes, conn: Conn = CONN) -> Received:
    """These bytes came."""
    return Received(conn, data)


def sending(*messages: str | bytes, conn: Conn = CONN) -> SendMessages:
    """The program says these messages to one client."""
    return SendMessages(
        conn,
        tuple(
            (1, message.encode()) if isinstance(message, str) else (2, message)
            for message in messages
        ),
    )


def just_upgraded(limits: Limits | None = None, topics: Sequence[str] = ()) -> Server:
    """A server whose only connection, `CONN`, has just become a WebSocket; the program has not
    looked yet.
    """
    return advance_by(asked(UPGRADE, limits), answered(0, Response.upgrade(topics=topics)))[0]


def open_websocket(limits: Limits | None = None, topics: Sequence[str] = ()) -> Server:
    """The same when the program has looked at it."""
    return advance_by(just_upgraded(limits, topics), Delivered(CONN))[0]


def subscriber_in(server: Server) -> Subscriber:
    """The record of `CONN` as a subscriber, which must be there."""
    return subscriber_of(client_of(server))


def websocket_in(server: Server) -> WebSocket:
    """The record of `CONN` as a WebSocket, which must be there."""
    return websocket_of(client_of(server))


def frames_in(data: bytes) -> list[tuple[int, bytes]]:
    """All frames of a server in these bytes, which must be whole and nothing else: opcode and
    payload.
    """
    found, start = list[tuple[int, bytes]](), 0
    while start < len(data):
        read = parse_frame(data, start, PLAIN)
        assert isinstance(read, tuple) and isinstance(read[0], Frame), (
            read,
            data[start : start + 20],
        )
        found.append((int(read[0].opcode), read[0].payload))
        start = read[1]
    return found


def bytes_to(conn: Conn, effects: Iterable[Effect]) -> bytes:
    """The bytes that these effects send to one client, alone or with its cohort."""
    return b"".join(
        b"".join(effect.segments) if isinstance(effect, Send) else effect.data
        for effect in effects
        if (isinstance(effect, Send) and effect.conn == conn)
        or (isinstance(effect, FanOut) and conn in effect.members)
    )


def frames_of(effects: Iterable[Effect], conn: Conn = CONN) -> list[tuple[int, bytes]]:
    """All frames that these effects send to one client."""
    return frames_in(bytes_to(conn, effects))


def close_notices(effects: Iterable[Effect]) -> list[tuple[CloseReason, int]]:
    """How the program is told that WebSockets have ended."""
    return [(effect.reason, effect.code) for effect in effects if isinstance(effect, CallWsClose)]


def delivered_in(effects: Iterable[Effect]) -> list[str | bytes]:
    """All messages that these effects hand over."""
    return [
        message for effect in effects if isinstance(effect, Deliver) for message in effect.messages
    ]


class EchoRun(NamedTuple):
    """What came of a conversation: messages the program saw, bytes sent, how it was told of the
    end, and the end.
    """

    messages: tuple[str | bytes, ...]
    output: bytes
    parts: tuple[tuple[CloseReason, int], ...]
    fate: str


def echo_run(server: Server, reads: Iterable[bytes]) -> EchoRun:
    """Feed `CONN` with reads, say every message back, and flush when all is read."""
    effects: list[Effect] = []
    for data in reads:
        events: list[Event] = [received(data)] if data else []
        while events:
            server, more = advance(server, events)
            effects += more
            events = [
                event
                for order in more
                if isinstance(order, Deliver | CallWsOpen)
                for event in (*echoes(order), Delivered(CONN))
            ]
    server, more = advance(server, [FLUSH])
    effects += more
    fates = ["drop" for effect in effects if isinstance(effect, Drop)] + [
        "shut" for effect in effects if isinstance(effect, Send) and effect.then is Then.SHUT
    ]
    return EchoRun(
        tuple(delivered_in(effects)),
        bytes_of(effects),
        tuple(close_notices(effects)),
        (*fates, "keep")[0],
    )


def echoes(order: Deliver | CallWsOpen) -> list[Event]:
    """What an echoing program says to these messages."""
    return [sending(message) for message in order.messages] if isinstance(order, Deliver) else []


OTHER, STALE = Conn(1, 1), Conn(0, 99)


def publishing(text: str, topic: str | None = None) -> Publish:
    """The program says this to all."""
    return Publish(((1, text.encode(), topic, NO_OPTIONS),))


def pair(limits: Limits | None = None, topics: Sequence[Sequence[str]] = ((), ())) -> Server:
    """A server with two WebSockets, `CONN` and `OTHER`, and a connection that is none."""
    server, _ = advance_by(
        make_server(limits or Limits(), 0.0, 0),
        Accepted(0, PEER),
        Accepted(1, PEER),
        Accepted(2, PEER),
    )
    for conn, names in zip((CONN, OTHER), topics, strict=True):
        server, _ = advance_by(
            server,
            Received(conn, UPGRADE),
            HandlerReturned(Ticket(conn, 0), (Response.upgrade(topics=names),)),
            Delivered(conn),
        )
    return server
