"""One scripted run of a server: requests, streams and WebSockets, from the first connection until
the server has stopped.

Theory: whatever drives a server, who asks it the same is answered the same. So the script knows
nothing of loops: it is a generator that does something, and yields until it sees what came of it,
and whoever runs it lets the loop turn at each yield. The program behind it has something of
everything: a handler, a callback, a promise, a stream that pauses, a file, a timeout.

Rules: the script waits for facts, never for a while, and does the next thing only when all that the
last one causes has been seen, so that its order is an order of causes. What it calls on the server
it calls from where it runs: between two ticks of the loop, or in another thread. `PROGRAM_FILE` is
what is served as a file.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

from sigil import Callbacks, Conn, Deferred, HttpServer, Request, Response
from tests.support.requests import UPGRADE
from tests.support.websocket_client import CallbackLog, close_frame, frame, text

PROGRAM_FILE = Path(__file__).with_name("requests.py")
LONG = "all work and no play " * 40
"""Long enough to be compressed, for whoever has agreed on it."""
DEFLATED = UPGRADE.replace(
    b"Sec-WebSocket-Version",
    b"Sec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Version",
)
YIELDS_MAX = 20_000
"""How often a fact is waited for: for minutes, in the slowest of loops."""


class End(Protocol):
    """The client's end of a connection."""

    @property
    def port(self) -> int:
        """The port of the client."""

    @property
    def received(self) -> bytes | bytearray:
        """All that has come."""

    @property
    def over(self) -> bool:
        """Nothing more will come."""

    def send(self, data: bytes) -> None:
        """Send bytes."""

    def half_close(self) -> None:
        """Send no more."""

    def reset(self) -> None:
        """Leave without a word."""

    def poll(self) -> None:
        """Receive what is there."""


class Program:
    """What is served, and what it was called with; `of_coroutines` if handler and callbacks are."""

    def __init__(self, of_coroutines: bool = False) -> None:
        self.promises: list[Deferred] = []
        self.handler: Callable[..., Any] = self.handle
        self.log = CallbackLog(ws_message=self.on_message)
        if of_coroutines:
            self.handler = coroutine_of(self.handle)
            self.log = CallbackLog(ws_message=coroutine_of(self.on_message))

    @property
    def callbacks(self) -> Callbacks:
        """All callbacks there are, which write down that they were called."""
        return self.log.callbacks

    def handle(self, request: Request) -> Any:
        """A response of each kind."""
        match request.path:
            case "/chat":
                return Response.upgrade(topics=["lobby"])
            case "/news":
                return Response.sse(topics=["news"], retry_ms=500)
            case "/poll":
                return Response.poll(topics=["news"], after=request.args.get("after"))
            case "/stream":
                return Response.stream(pausing())
            case "/file":
                return Response.file(PROGRAM_FILE)
            case "/later":
                self.promises.append(Deferred())
                return self.promises[-1]
            case "/broken":
                raise ValueError("broken")
        return Response.text(f"{request.method} {request.target} {request.body!r}")

    def on_message(self, server: HttpServer, conn: Conn, data: str | bytes) -> None:
        """Do what a message says, or say it back."""
        word, _, rest = str(data).partition(" ")
        match word:
            case "join":
                server.subscribe(conn, rest)
                server.send(conn, f"{server.subscriber_count(rest)} at {rest}")
            case "tell":
                server.broadcast(rest, topic="lobby", exclude=conn)
            case "end":
                server.close(conn, 4000, rest)
            case "time":
                server.set_timeout(conn, 7, 0.01)
            case _:
                server.send(conn, data)


def coroutine_of(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, as one that is awaited."""

    async def call(*args: Any) -> Any:
        return function(*args)

    return call


def pausing() -> Iterator[bytes | None]:
    """A stream that has nothing to send now and then."""
    yield b"one "
    yield None
    yield b"two "
    yield b"three"


def get(target: str, *fields: str, method: str = "GET") -> bytes:
    """A request."""
    return "\r\n".join((f"{method} {target} HTTP/1.1", "Host: a", *fields, "", "")).encode()


class Script:
    """The script, for a server and a way to connect to it."""

    def __init__(self, server: Any, program: Program, connect: Callable[[], End]) -> None:
        self.server = server
        self.program = program
        self._connect = connect
        self.ends: dict[str, End] = {}
        self._sent_len = 0

    # -- what it does and waits for ----------------------------------------------------------------

    def connect(self, name: str) -> Iterator[None]:
        """A connection more, when the program knows of it."""
        opened = len(self.told("open"))
        self.ends[name] = self._connect()
        yield from self.until(lambda: len(self.told("open")) > opened)

    def until(self, so: Callable[[], object]) -> Iterator[None]:
        """Wait until something is so."""
        for _ in range(YIELDS_MAX):
            for end in self.ends.values():
                end.poll()
            if so():
                return
            yield
        came = {name: bytes(end.received[-300:]) for name, end in self.ends.items()}
        raise AssertionError(f"it never came to be: {came}, {self.program.log.lines}")

    def send(self, name: str, data: bytes) -> None:
        """Send bytes."""
        self._sent_len += len(data)
        self.ends[name].send(data)

    def read(self) -> Iterator[None]:
        """Wait until the server has read all that was sent."""
        yield from self.until(lambda: self.server.stats().bytes_in == self._sent_len)

    def came(self, name: str, *parts: bytes) -> Iterator[None]:
        """Wait until these have come to a client, one behind the other."""
        yield from self.until(lambda: has_in_order(bytes(self.ends[name].received), parts))

    def ask(self, name: str, data: bytes, *parts: bytes) -> Iterator[None]:
        """Send something, and wait until these have come behind what had come before."""
        before = len(self.ends[name].received)
        self.send(name, data)
        yield from self.until(lambda: has_in_order(bytes(self.ends[name].received[before:]), parts))

    def told(self, callback: str) -> list[Any]:
        """The calls of a callback."""
        return [line for line in self.program.log.lines if line[0] == callback]

    def over(self, name: str, closed: int) -> Iterator[None]:
        """Wait until the server has ended a connection, end the client's side too, and wait until
        so many have closed in all.
        """
        yield from self.until(lambda: self.ends[name].over)
        self.ends[name].half_close()
        yield from self.until(lambda: len(self.told("close")) == closed)

    # -- the script --------------------------------------------------------------------------------

    def steps(self) -> Iterator[None]:
        """All of it; it yields while it waits."""
        yield from self.requests()
        yield from self.streams()
        yield from self.websockets()
        yield from self.broadcasts()
        yield from self.ends_of_connections()
        yield from self.stop()

    def requests(self) -> Iterator[None]:
        """One connection: requests one by one, at once, and in pieces."""
        yield from self.connect("web")
        yield from self.ask("web", get("/first"), b"GET /first b''")
        yield from self.ask("web", get("/second", method="HEAD"), b"\r\n\r\n")
        yield from self.ask(
            "web", get("/a") + get("/b") + get("/c"), b"GET /a b''", b"GET /b b''", b"GET /c b''"
        )
        head = get("/post", "Content-Length: 9", "Expect: 100-continue", method="POST")
        yield from self.ask("web", head, b"HTTP/1.1 100 Continue\r\n\r\n")
        self.send("web", b"one,")
        yield from self.read()
        yield from self.ask("web", b"two,3", b"POST /post b'one,two,3'")
        yield from self.ask("web", get("/broken"), b"HTTP/1.1 500 ")
        self.send("web", get("/later") + get("/behind"))
        yield from self.until(lambda: self.program.promises)
        self.program.promises[0].resolve(Response.text("it came later"))
        yield from self.came("web", b"it came later", b"GET /behind b''")

    def streams(self) -> Iterator[None]:
        """A stream, a file, an event stream and a long-poll."""
        yield from self.ask("web", get("/stream"), b"one ", b"two ", b"three", b"\r\n0\r\n\r\n")
        yield from self.ask("web", get("/file"), PROGRAM_FILE.read_bytes())
        yield from self.ask("web", get("/file", "Range: bytes=3-20"), b"HTTP/1.1 206 ")
        yield from self.connect("feed")
        yield from self.ask("feed", get("/news"), b"retry: 500")
        yield from self.until(lambda: self.told("sse_open"))
        yield from self.connect("poll")
        self.send("poll", get("/poll"))
        yield from self.until(lambda: self.server.subscriber_count("news") == 2)
        self.server.broadcast("extra, extra", topic="news")
        yield from self.came("feed", b"data: extra, extra")
        yield from self.came("poll", b"extra, extra")

    def websockets(self) -> Iterator[None]:
        """Two WebSockets, of which one agrees on compression, and messages both ways."""
        for name, request in (("ann", UPGRADE), ("bob", DEFLATED)):
            yield from self.connect(name)
            yield from self.ask(name, request, b"HTTP/1.1 101 ", b"\r\n\r\n")
        yield from self.until(lambda: len(self.told("ws_open")) == 2)
        yield from self.ask("ann", text("hello"), b"\x81\x05hello")
        yield from self.ask("ann", text("one") + text("two"), b"\x81\x03one", b"\x81\x03two")
        pieces = frame(1, b"in ", fin=False) + frame(9, b"ping") + frame(0, b"pieces")
        yield from self.ask("ann", pieces, b"\x8a\x04ping", b"\x81\x09in pieces")
        yield from self.ask("ann", frame(2, bytes(range(8))), b"\x82\x08" + bytes(range(8)))
        yield from self.ask("bob", text(LONG), b"\xc1")
        yield from self.ask("bob", text("last"), b"\x81\x04last")

    def broadcasts(self) -> Iterator[None]:
        """Messages to all, to those of a topic, to one, and one that is retained."""
        self.server.broadcast("to all")
        for name in ("ann", "feed"):
            yield from self.came(name, b"to all")
        yield from self.came("bob", b"last", b"to all")
        self.server.broadcast(LONG, topic="lobby")
        yield from self.came("ann", b"\x81\x7e\x03\x48" + LONG.encode())
        self.server.broadcast("kept", topic="state", retain=True)
        yield from self.ask("bob", text("join state"), b"kept", b"\x81\x0a1 at state")
        yield from self.ask("ann", text("join state"), b"kept", b"\x81\x0a2 at state")
        self.send("ann", text("tell by ann"))
        yield from self.came("bob", b"by ann")
        bob = self.told("ws_open")[1][1]
        self.server.send(bob, "for you")
        yield from self.came("bob", b"\x81\x07for you")

    def ends_of_connections(self) -> Iterator[None]:
        """Connections that end in every way there is."""
        yield from self.ask("ann", close_frame(1000, "enough"), b"\x88\x02\x03\xe8")
        yield from self.over("ann", 1)
        yield from self.connect("bad")
        self.send("bad", b"GET / HTTP/1.1\r\nHost : a\r\n\r\n")
        yield from self.over("bad", 2)
        yield from self.connect("half")
        yield from self.ask("half", get("/half"), b"GET /half b''")
        self.ends["half"].half_close()
        yield from self.until(lambda: len(self.told("close")) == 3)
        yield from self.connect("gone")
        yield from self.ask("gone", UPGRADE, b"\r\n\r\n")
        yield from self.until(lambda: len(self.told("ws_open")) == 3)
        self.ends["gone"].reset()
        yield from self.until(lambda: len(self.told("close")) == 4)
        for count, (name, said) in enumerate((("late", "time is short"), ("sent", "end of it")), 5):
            yield from self.connect(name)
            yield from self.ask(name, UPGRADE, b"\r\n\r\n")
            yield from self.ask(name, text(said), b"\x88")
            self.send(name, close_frame(1000))
            yield from self.over(name, count)

    def stop(self) -> Iterator[None]:
        """The server stops, with three connections open."""
        self.server.stop(5.0)
        yield from self.came("bob", b"\x88", b"\x03\xe9")
        self.send("bob", close_frame(1001))
        for name in ("web", "feed", "poll", "bob"):
            yield from self.until(lambda name=name: self.ends[name].over)  # type: ignore[misc]
            self.ends[name].half_close()
        yield from self.until(lambda: not self.server.running)


def has_in_order(data: bytes, parts: tuple[bytes, ...]) -> bool:
    """True if the bytes have these parts, one behind the other."""
    start = 0
    for part in parts:
        found = data.find(part, start)
        if found < 0:
            return False
        start = found + len(part)
    return True
