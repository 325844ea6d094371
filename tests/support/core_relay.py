"""An origin and edges in memory: servers of the core, and what connects them.

Theory: an edge is a server whose upstream is a WebSocket of the origin. Both are values, so the
network between them is a function: what the origin sends to the connection of an edge is read, and
becomes events of the edge. Clients are the same on both: what they are sent is kept, and read as a
client that follows positions reads it.

Rules: only events and effects of the core. A connection takes all that it is sent, unless it is
told to stall. It does not know what is expected.
"""

import json
from typing import Any, NamedTuple

from sigil.core.broadcast.upstream import (
    Following,
    make_following,
    position_of,
    read_messages,
    reconnected,
)
from sigil.core.conn import Conn
from sigil.core.effects import Adopt, Effect, Handle
from sigil.core.events import Accepted, ConnectionLost, Delivered, Event, HandlerReturned, Received
from sigil.core.http.response import Response
from sigil.core.limits import Limits
from sigil.core.server import advance, make_server
from sigil.core.server.state import Server
from sigil.core.topics import ALL_TOPICS
from tests.support.core_driver import PEER
from tests.support.core_websockets import FLUSH, bytes_to, frames_in
from tests.support.requests import UPGRADE


class Node:
    """A server of the core, with what it has sent to each of its connections."""

    def __init__(self, limits: Limits | None = None, epoch: int = 0) -> None:
        self.server: Server = make_server(limits or Limits(), 0.0, 0, epoch=epoch)
        self.sent: dict[Conn, bytes] = {}

    def apply(self, *events: Event) -> list[Effect]:
        """Advance the server by these events; the effects."""
        self.server, effects = advance(self.server, events)
        for conn in self.sent:
            self.sent[conn] += bytes_to(conn, effects)
        return effects

    def flush(self) -> None:
        """The tick ends."""
        self.apply(FLUSH)

    def ask(self, request: bytes, response: Response) -> Conn:
        """A new connection whose request is answered so; it is kept what it is sent."""
        adopt = self.apply(Accepted(0, PEER))[0]
        assert isinstance(adopt, Adopt)
        self.sent[adopt.conn] = b""
        handle = self.apply(Received(adopt.conn, request))[0]
        assert isinstance(handle, Handle)
        self.apply(HandlerReturned(handle.ticket, (response,)), Delivered(adopt.conn), FLUSH)
        return adopt.conn

    def upgrade(self, query: str, response: Response) -> Conn:
        """A new WebSocket, whose handshake has this query."""
        return self.ask(UPGRADE.replace(b"/chat", b"/chat?" + query.encode()), response)

    def lose(self, conn: Conn) -> None:
        """The connection is lost."""
        self.apply(ConnectionLost(conn, 104))
        self.sent.pop(conn, None)

    def take(self, conn: Conn) -> bytes:
        """What it was sent since this was asked last."""
        data, self.sent[conn] = self.sent[conn], b""
        return data

    def take_messages(self, conn: Conn) -> list[str | bytes]:
        """The messages that a WebSocket was sent since this was asked last."""
        data = self.take(conn)
        if data.startswith(b"HTTP/1.1 101"):
            data = data.partition(b"\r\n\r\n")[2]
        return [
            payload.decode() if opcode == 1 else payload
            for opcode, payload in frames_in(data)
            if opcode in (1, 2)
        ]


class Edge(Node):
    """A server that publishes what `origin` does, on these topics or all."""

    def __init__(
        self, origin: Node, topics: Any = ALL_TOPICS, limits: Limits | None = None, history: int = 0
    ) -> None:
        super().__init__(limits, epoch=99)
        self.origin = origin
        self.response = Response.upgrade(topics=topics, history=history, slow="skip")
        self.following: Following = make_following(limits or Limits(), 99)
        self.conn: Conn | None = None

    def connect(self) -> None:
        """Connect to the origin, behind the position that was reached."""
        self.following = reconnected(self.following)
        query = f"after={position_of(self.following)}&sigil-relay=1"
        self.conn = self.origin.upgrade(query, self.response)

    def disconnect(self) -> None:
        """The connection to the origin is lost, with what was on its way."""
        if self.conn is not None:
            self.origin.lose(self.conn)
        self.conn = None

    def pump(self) -> None:
        """Read what the origin has sent, publish it, and end the tick."""
        if self.conn is not None:
            messages = self.origin.take_messages(self.conn)
            self.following, events = read_messages(self.following, messages)
            for event in events:
                self.flush()
                self.apply(event)
        self.flush()


class Heard(NamedTuple):
    """A message that a client was sent: the position with it, empty for a retained one, and what it
    says.
    """

    position: str
    text: str


class Follower:
    """A client that follows positions over a WebSocket, and comes back with the last one."""

    def __init__(self, node: Node, topics: Any = ALL_TOPICS, history: int = 0) -> None:
        self.node = node
        self.response = Response.upgrade(topics=topics, history=history, slow="skip")
        self.position = ""
        self.log: list[Heard | dict[str, Any] | str] = []
        """Messages, gaps as objects, positions as texts."""
        self.conn: Conn | None = None

    def connect(self, node: Node | None = None) -> None:
        """Connect, to this node from now on."""
        self.node = node or self.node
        self.conn = self.node.upgrade(f"after={self.position}", self.response)

    def disconnect(self) -> None:
        """The connection is lost, with what was on its way."""
        if self.conn is not None:
            self.node.lose(self.conn)
        self.conn = None

    def read(self) -> None:
        """Take what it was sent."""
        if self.conn is None:
            return
        following = ""
        for message in self.node.take_messages(self.conn):
            text = message if isinstance(message, str) else message.decode()
            if not following and text.startswith("\0"):
                following = self._take_word(text)
            else:
                self.log.append(Heard(following, text))
                self.position = following or self.position
                following = ""

    def _take_word(self, text: str) -> str:
        """Take a word of the protocol; the position of the next message, if it is one."""
        name, _, value = text[1:].partition(":")
        if name == "next":
            return value
        if name == "gap":
            gap = json.loads(value)
            self.log.append(gap)
            self.position = gap["position"]
        elif name == "position":
            self.log.append(value)
            self.position = value
        return ""
