"""What the tests of WebSockets in trouble share: a program that keeps books, and clients whose
frames are wsproto's.

Theory: whatever happens to a connection, its callbacks come in one order and in pairs: `open`, then
perhaps `ws_open`, messages and `ws_close`, then `close`. So every callback is written down for its
connection, and at the end each list must be a whole life.

Rules: what the books see is all they know; an action of a test may be hung on any callback. Frames
are made and read by wsproto, which shares no code with sigil.
"""

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import wsproto
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, TextMessage

from sigil import Callbacks, Conn, HttpServer, Request, Response
from tests.support.websocket_client import WebSocketClient

WHICH = ("open", "ws_open", "ws_message", "ws_close", "close")


def text(words: str) -> bytes:
    """A text message of a client."""
    return Connection(ConnectionType.CLIENT).send(TextMessage(data=words))


def binary(data: bytes) -> bytes:
    """A binary message of a client."""
    return Connection(ConnectionType.CLIENT).send(BytesMessage(data=data))


def closing(code: int = 1000) -> bytes:
    """A close frame of a client."""
    return Connection(ConnectionType.CLIENT).send(CloseConnection(code=code))


class CallbackBook:
    """A program: it says messages back, and writes down what it is told; `acts` may do more, one
    for each callback.
    """

    def __init__(self) -> None:
        self.lives: dict[Conn, list[str]] = defaultdict(list)
        self.acts: dict[str, Callable[[HttpServer, Conn], Any]] = {}

    def handle(self, request: Request) -> Response:
        """An upgrade, or a word."""
        return Response.upgrade() if request.path == "/chat" else Response.text("fine")

    def callbacks(self) -> Callbacks:
        """All five."""
        return Callbacks(**{name: self._callback(name) for name in WHICH})

    def _callback(self, name: str) -> Callable[..., Any]:
        def callback(server: HttpServer, conn: Conn, *values: Any) -> Any:
            self.lives[conn].append(name)
            if name in self.acts:
                return self.acts[name](server, conn)
            if name == "ws_message":
                server.send(conn, values[0])
            return None

        callback.__name__ = name
        return callback

    def seen(self, name: str) -> int:
        """How often a callback was called, for all connections together."""
        return sum(life.count(name) for life in self.lives.values())

    def assert_whole(self) -> None:
        """Every connection that was opened has had a whole life."""
        wrong = {conn: life for conn, life in self.lives.items() if not is_whole(life)}
        assert wrong == {}


def is_whole(life: list[str]) -> bool:
    """True if these are the callbacks of a connection from its beginning to its end."""
    once = [name for name in life if name != "ws_message"]
    if once == ["open", "close"]:
        return "ws_message" not in life
    return (
        once == ["open", "ws_open", "ws_close", "close"]
        and "ws_message" not in life[:2]
        and life[-2:] == ["ws_close", "close"]
    )


class WsprotoClient(WebSocketClient):
    """A client that has asked for an upgrade, and says `data` when it has it, for no client may do
    so before.
    """

    def __init__(self, where: HttpServer | int, data: bytes = b"", receive_buffer: int = 0) -> None:
        self._first = data
        super().__init__(where, receive_buffer=receive_buffer)

    def __enter__(self) -> "WsprotoClient":
        return self

    def poll(self) -> None:
        """Send and receive what is possible now."""
        super().poll()
        if self._first and self.is_open:
            first, self._first = self._first, b""
            self.send(first)

    def read_messages(self) -> list[str | bytes]:
        """The messages that have come, each whole; a close as its code in words."""
        reader, messages, parts = Connection(ConnectionType.CLIENT), [], []
        reader.receive_data(bytes(self.received).partition(b"\r\n\r\n")[2])
        for event in reader.events():
            if isinstance(event, wsproto.events.Message):
                parts.append(event.data)
                if event.message_finished:
                    messages.append(parts[0][:0].join(parts))
                    parts = []
            elif isinstance(event, CloseConnection):
                messages.append(f"closed {int(event.code)}")
        return messages
