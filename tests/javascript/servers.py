"""The servers that the client is tried on: they send known messages, close with known codes, and
count.

Theory: what a client gets depends on the path it asks for. `/messages` sends `MESSAGES` and no
more; `/echo` sends what it receives; `/close?code=1008` closes with that code as soon as it is
open, `/hello?code=1008` after a message; `/subscribed` subscribes to topics, with history, as its
query asks; `/live` does too, over whatever transport is asked for; `/page` is a page; anything else
is a 404, so that it never opens. `lifeless` is the end of a line on which nobody is any more.

It does not know the client.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sigil import (
    Callbacks,
    CloseReason,
    Conn,
    HttpServer,
    Limits,
    Request,
    Response,
    make_http_server,
)
from sigil.browser.client_module import client_module
from sigil.core.websocket.handshake import accept_key
from tests.support.servers import in_thread

HOST = "127.0.0.1"
MESSAGES = (
    "short",
    "x" * 200,
    "y" * 201,
    "gr\u00fc\u00df \u20ac \U0001f600 " * 50,
    b"",
    b"abc",
    bytes(range(256)) * 4,
    b"\xff" * 5,
    "\ufeffwith a mark " * 20,
    "",
    "that is all",
)
"""Texts below, at and above the 200 bytes from which they are compressed, and bytes that are text
or are not.
"""
COUNT = 20
SUBPROTOCOL = "chat"
ANYBODY = {"Access-Control-Allow-Origin": "*"}
"""Pages of other origins may read it."""


def as_printed(message: str | bytes) -> list[str]:
    """A message as the scripts print it."""
    return ["text", message] if isinstance(message, str) else ["bytes", message.hex()]


def as_zstd(message: str | bytes) -> list[str]:
    """What the client makes of it under `compress-zstd`: what is UTF-8 is text."""
    try:
        return ["text", message if isinstance(message, str) else message.decode()]
    except UnicodeDecodeError:
        return as_printed(message)


def as_bytes(message: str | bytes) -> list[str]:
    """What the client makes of it with `binary`."""
    return as_printed(message.encode() if isinstance(message, str) else message)


class Program:
    """A handler and callbacks; `asked` are the upgrades that were asked for, `ended` how
    WebSockets ended.
    """

    def __init__(self, page: str = "", files: dict[str, Response] | None = None) -> None:
        self.asked: list[Request] = []
        self.ended: list[tuple[CloseReason, int]] = []
        self.page = page
        self.files = files or {}

    def __call__(self, request: Request) -> Response:
        """The answer."""
        if request.path == "/sigil-client.js":
            return client_module(request)
        if request.path in ("/messages", "/echo", "/close", "/hello", "/count", "/subscribed"):
            return self._upgrade(request)
        if request.path == "/live":
            return self._live(request)
        if request.path == "/page":
            return Response.html(self.page)
        return self.files.get(request.path) or Response.error(404)

    def _live(self, request: Request) -> Response:
        """By what is asked for."""
        if request.is_upgrade:
            return self._upgrade(request)
        self.asked.append(request)
        topics = [value for name, value in request.arg_list if name == "topic"]
        after = request.args.get("after")
        if request.headers.get("accept") == "text/event-stream":
            return Response.sse(topics=topics, after=after, headers=ANYBODY)
        return Response.poll(topics=topics, after=after, timeout=0.3, headers=ANYBODY)

    def _upgrade(self, request: Request) -> Response:
        self.asked.append(request)
        topics = [value for name, value in request.arg_list if name == "topic"]
        subprotocol = SUBPROTOCOL if SUBPROTOCOL in request.subprotocols else None
        return Response.upgrade(
            subprotocol, topics=topics, history=int(request.args.get("history", "0"))
        )

    def on_open(self, server: HttpServer, conn: Conn, request: Request) -> None:
        """Send what belongs to the path."""
        messages: dict[str, tuple[str | bytes, ...]] = {
            "/messages": MESSAGES,
            "/hello": ("hello",),
            "/count": tuple(f"{number} {'.' * 300}" for number in range(COUNT)),
        }
        for message in messages.get(request.path, ()):
            server.send(conn, message)
        if "code" in request.args:
            server.close(conn, int(request.args["code"]), "as you wish")

    def on_message(self, server: HttpServer, conn: Conn, data: str | bytes) -> None:
        """Send back what came."""
        server.send(conn, data)

    def on_close(self, server: HttpServer, conn: Conn, reason: CloseReason, code: int) -> None:
        """Remember how it ended."""
        self.ended.append((reason, code))

    @property
    def callbacks(self) -> Callbacks:
        """Those of a server."""
        return Callbacks(ws_open=self.on_open, ws_message=self.on_message, ws_close=self.on_close)


@contextmanager
def serving(
    program: Program | None = None, limits: Limits | None = None, port: int = 0
) -> Iterator[HttpServer]:
    """The program in a server in a thread."""
    it = program or Program()
    with in_thread(
        make_http_server(it, host=HOST, port=port, limits=limits, callbacks=it.callbacks)
    ) as server:
        yield server


def address(server: HttpServer, path: str) -> str:
    """Where a path of the server is."""
    return f"ws://{HOST}:{server.port}{path}"


@contextmanager
def lifeless(*, opens: bool) -> Iterator[str]:
    """An address at which connections are taken, and handshakes answered if it `opens`; then never
    a byte.
    """
    held: list[socket.socket] = []
    with socket.create_server((HOST, 0)) as listener:
        thread = threading.Thread(target=take_all, args=(listener, held, opens))
        thread.start()
        try:
            yield f"ws://{HOST}:{listener.getsockname()[1]}/"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for connection in held:
                connection.close()


def take_all(listener: socket.socket, held: list[socket.socket], opens: bool) -> None:
    """Take connections and hold them, until there is nothing to take them from."""
    with suppress(OSError):
        while True:
            held.append(listener.accept()[0])
            if opens:
                answer_handshake(held[-1])


def answer_handshake(connection: socket.socket) -> None:
    """Read one request, and agree (RFC 6455 section 4.2.2)."""
    with connection.makefile("rb") as lines:
        fields = dict(
            line.split(b": ", 1) for line in iter(lines.readline, b"\r\n") if b": " in line
        )
    key = {name.lower(): value.strip() for name, value in fields.items()}[b"sec-websocket-key"]
    connection.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept_key(key.decode()).encode() + b"\r\n\r\n"
    )
