"""Servers of ASGI applications over real sockets: sigil inside asyncio, sigil in a thread, uvicorn.

Theory: one server of each kind lasts for a whole file of tests; what it serves is whatever a test
has put into `Served.app`, so that a test costs no more than its requests.

Rules: every wait ends after `PATIENCE` seconds. A server is told to stop and waited for. It does
not know what is served.
"""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import uvicorn

from sigil import HttpServer, Limits, http_server_serve, make_http_server
from sigil.asgi import handler
from tests.support.servers import HOST, PATIENCE, Answer, read_answers

MOMENT = threading.Event()
"""Is never set: a thread that waits for it lets others run."""

SOON = Limits(half_closed_timeout=0.1)
"""A client that has ended its side is taken to have left soon."""

App = Callable[[Any, Any, Any], Any]


class Served:
    """What is served now, and where."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.port = 0
        self.app: App | None = None
        self.server: HttpServer | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """The application; it has no lifespan."""
        assert self.app is not None and scope["type"] != "lifespan"
        return await self.app(scope, receive, send)


def until(
    condition: Callable[[], Any], what: str = "it never came to be", patience: float = PATIENCE
) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < deadline, what
        MOMENT.wait(0.001)


@contextmanager
def sigil_in_asyncio(
    served: Served, run: Callable[..., Any] = asyncio.run, limits: Limits = SOON, grace: float = 5.0
) -> Iterator[Served]:
    """sigil inside `http_server_serve`: the application runs in that loop."""
    server = make_http_server(handler(served, grace=grace), host=HOST, port=0, limits=limits)
    served.server = server
    with in_a_thread(lambda: run(http_server_serve(server)), lambda: server.stop(0)):
        until(lambda: server.running)
        served.port = server.port
        yield served


@contextmanager
def sigil_in_thread(served: Served, limits: Limits = SOON, grace: float = 5.0) -> Iterator[Served]:
    """sigil in a thread of its own: the application runs in another one."""
    server = make_http_server(handler(served, grace=grace), host=HOST, port=0, limits=limits)
    served.server = server
    with server.serve_in_thread():
        served.port = server.port
        yield served


@contextmanager
def uvicorn_server(served: Served) -> Iterator[Served]:
    """uvicorn with httptools and uvloop."""
    sock = socket.socket()
    sock.bind((HOST, 0))
    config = uvicorn.Config(
        served, log_level="critical", http="httptools", ws="websockets-sansio", lifespan="off"
    )
    server = uvicorn.Server(config)
    with in_a_thread(
        lambda: server.run(sockets=[sock]), lambda: setattr(server, "should_exit", True)
    ):
        until(lambda: server.started)
        served.port = sock.getsockname()[1]
        yield served


@contextmanager
def in_a_thread(run: Callable[[], object], stop: Callable[[], object]) -> Iterator[None]:
    """Run something in a thread; at the end it is stopped, and waited for."""
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop()
        thread.join(PATIENCE)
    assert not thread.is_alive()


class Client:
    """A client that sends bytes and reads answers, and blocks."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection((HOST, port), PATIENCE)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def send(self, data: bytes) -> None:
        """Send all of this."""
        self.sock.sendall(data)

    def read(self) -> bytes:
        """What comes next; nothing at the end."""
        with suppress(ConnectionResetError):
            data = self.sock.recv(65_536)
            self.received += data
            return data
        return b""

    def read_until(self, end: bytes) -> bytes:
        """All that has come, as soon as this is there."""
        while end not in self.received:
            assert self.read(), f"the end came, and not {end!r}: {self.received!r}"
        return self.received

    def answer(self, method: str = "GET") -> Answer:
        """The next answer, or what there is of it at the end."""
        while True:
            found = read_answers(self.received, (method,), ended=False)
            if found and found[0].is_whole:
                return found[0]
            if not self.read():
                return read_answers(self.received, (method,), ended=True)[0]


def ask(port: int, data: bytes, method: str = "GET") -> Answer:
    """The answer to one request."""
    with Client(port) as client:
        client.send(data)
        return client.answer(method)
