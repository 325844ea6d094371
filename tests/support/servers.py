"""What the tests of the shell share: a server on a free port, clients that speak raw bytes, and an
independent reader.

Theory: most tests need no thread. `pump` turns the server and lets every client read and write
without blocking, over and over, until something is so; what a test waits for is a condition, never
a while. A client library that blocks gets `in_thread`. What came is read by h11, which shares no
code with sigil.

Rules: every wait ends after `PATIENCE` seconds with an AssertionError; no thread and no socket
survives its test. It does not know what is asked of the server.
"""

import logging
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import NamedTuple

import h11

from sigil import Callbacks, HttpServer, Limits, Request, Response, make_http_server
from tests.support.requests import GET

PATIENCE = 60.0
HOST = "127.0.0.1"
MIB = 2**20


def hello(request: Request) -> Response:
    """The simplest of programs."""
    return Response.text(f"hello {request.path}")


def make(
    handler: Callable[..., object] = hello,
    limits: Limits | None = None,
    callbacks: Callbacks | None = None,
    host: str = HOST,
    port: int = 0,
    ssl_context: ssl.SSLContext | None = None,
) -> HttpServer:
    """A server on a free port.  The handler may be wrong on purpose, so its type is not checked."""
    return make_http_server(
        handler,  # type: ignore[arg-type]
        host=host,
        port=port,
        limits=limits,
        callbacks=callbacks,
        ssl_context=ssl_context,
    )


@contextmanager
def ticking(
    handler: Callable[..., object] = hello,
    limits: Limits | None = None,
    callbacks: Callbacks | None = None,
    ssl_context: ssl.SSLContext | None = None,
) -> Iterator[HttpServer]:
    """A listening server that the test ticks itself; it is stopped at the end, whatever
    happened.
    """
    server = make(handler, limits, callbacks, ssl_context=ssl_context)
    server.listen()
    try:
        yield server
    finally:
        end(server)


def end(server: HttpServer) -> None:
    """Stop at once."""
    if server.running:
        server.stop(0)
        for _ in range(1_000):
            if not server.running:
                break
            server.tick(0)
    assert not server.running, "the server goes on after stop(0)"


@contextmanager
def in_thread(server: HttpServer) -> Iterator[HttpServer]:
    """The server in a thread of its own, in `start`; at the end the thread is gone, or the test
    fails.
    """
    failures: list[BaseException] = []

    def run() -> None:
        try:
            server.start()
        except BaseException as error:  # the thread has nobody to raise to
            failures.append(error)

    server.listen()
    thread = threading.Thread(target=run, name="sigil under test", daemon=True)
    thread.start()
    try:
        yield server
    finally:
        if thread.is_alive():
            server.stop(0)
        thread.join(PATIENCE)
    assert not thread.is_alive(), "start() did not return after stop(0)"
    if failures:
        raise AssertionError("start() raised") from failures[0]
    assert not server.running


class Raw:
    """A client that sends bytes and keeps what comes, without ever blocking; `poll`
    makes it go on.
    """

    def __init__(
        self,
        where: HttpServer | int,
        data: bytes = b"",
        receive_buffer: int = 0,
        family: socket.AddressFamily = socket.AF_INET,
    ) -> None:
        port = where if isinstance(where, int) else where.port
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        if receive_buffer:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.sock.settimeout(PATIENCE)
        self.sock.connect((HOST if family == socket.AF_INET else "::1", port))
        self.sock.setblocking(False)
        # or what is sent might wait for the other side to acknowledge what was sent before
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = bytearray()
        self.unsent = memoryview(b"")
        self.reads = True
        self.ended = False
        """The other side has said that it will send no more."""
        self.broken = False
        """The connection was reset."""
        self.send(data)

    def __enter__(self) -> "Raw":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def over(self) -> bool:
        """Nothing more will come."""
        return self.ended or self.broken

    def send(self, data: bytes) -> None:
        """Send, as far as the kernel takes it; the rest follows in `poll`."""
        self.unsent = memoryview(bytes(self.unsent) + data)
        self._flush()

    def poll(self) -> None:
        """Send and receive what is possible now."""
        self._flush()
        while self.reads and not self.over:
            try:
                data = self.sock.recv(MIB)
            except BlockingIOError:
                return
            except OSError:
                self.broken = True
                return
            self.received += data
            self.ended = not data

    def _flush(self) -> None:
        while self.unsent:
            try:
                self.unsent = self.unsent[self.sock.send(self.unsent) :]
            except BlockingIOError:
                return
            except OSError:  # it does not listen any more; what it has said can still be read
                self.unsent = memoryview(b"")

    def half_close(self) -> None:
        """Say that no more will be sent."""
        self.sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Leave."""
        self.sock.close()

    def reset(self) -> None:
        """Leave without a word."""
        with suppress(OSError):
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def answers(self, *methods: str) -> "list[Answer]":
        """What came, as complete answers to these methods (one GET if none is given)."""
        return read_answers(bytes(self.received), methods or ("GET",), self.ended)


class Answer(NamedTuple):
    """One answer; `is_whole` says that its end was seen and was where it should be."""

    status: int
    headers: dict[str, str]
    body: bytes
    is_whole: bool

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()


def read_answers(
    data: bytes, methods: Sequence[str] = ("GET",), ended: bool = True
) -> list[Answer]:
    """What a client understands that sent requests with these methods and got these bytes."""
    reader = h11.Connection(h11.CLIENT)
    reader.receive_data(data)
    if ended:
        reader.receive_data(b"")
    found: list[Answer] = []
    for method in methods:
        reader.send(h11.Request(method=method, target="/", headers=[("Host", "a")]))
        reader.send(h11.EndOfMessage())
        answer = _read_answer(reader)
        if answer is None:
            break
        found.append(answer)
        if reader.our_state is not h11.DONE or reader.their_state is not h11.DONE:
            break
        reader.start_next_cycle()
    return found


def _read_answer(reader: h11.Connection) -> Answer | None:
    head: h11.Response | None = None
    pieces: list[bytes] = []
    is_whole = False
    while True:
        try:
            event = reader.next_event()
        except h11.RemoteProtocolError:
            break
        if isinstance(event, h11.Response):
            head = event
        elif isinstance(event, h11.Data):
            pieces.append(bytes(event.data))
        elif isinstance(event, h11.EndOfMessage):
            is_whole = True
            break
        elif not isinstance(event, h11.InformationalResponse):
            break
    if head is None:
        return None
    headers = {name.decode(): value.decode() for name, value in head.headers}
    return Answer(head.status_code, headers, b"".join(pieces), is_whole)


def pump(
    server: HttpServer, until: Callable[[], bool], *clients: Raw, patience: float = PATIENCE
) -> None:
    """Turn the server and its clients until something is so."""
    deadline = time.monotonic() + patience
    while not until():
        received = [bytes(client.received[:200]) for client in clients]
        assert time.monotonic() < deadline, f"it never came to be; received {received}"
        if server.running:
            server.tick(0.002)
        for client in clients:
            client.poll()


def settle(server: HttpServer, *clients: Raw) -> None:
    """Turn until nothing happens any more: what was sent over loopback is there at once."""
    quiet = 0
    deadline = time.monotonic() + PATIENCE
    while quiet < 3:
        assert time.monotonic() < deadline, "the server does not come to rest"
        quiet = 0 if server.tick(0.001) else quiet + 1
        for client in clients:
            client.poll()


def exchange(server: HttpServer, data: bytes, *methods: str) -> list[Answer]:
    """Send these bytes, say that no more comes, and read all answers until the connection ends."""
    with Raw(server, data) as client:
        client.half_close()
        pump(server, lambda: client.over, client)
        return client.answers(*methods)


def ask(server: HttpServer, data: bytes = GET, method: str = "GET") -> Answer:
    """The answer to one request on a connection of its own, which the client leaves open until it
    is there.
    """
    with Raw(server, data) as client:

        def is_there() -> bool:
            return client.over or any(answer.is_whole for answer in client.answers(method))

        pump(server, is_there, client)
        return client.answers(method)[0]


class LogLines(logging.Handler):
    """What was logged to one logger while it was listened to."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the line."""
        self.lines.append(record.getMessage())


@contextmanager
def logged_by(name: str, level: int = logging.INFO) -> Iterator[list[str]]:
    """The lines written to the logger `name` meanwhile."""
    logger, ear = logging.getLogger(name), LogLines()
    before = logger.level
    logger.addHandler(ear)
    logger.setLevel(level)
    try:
        yield ear.lines
    finally:
        logger.removeHandler(ear)
        logger.setLevel(before)
