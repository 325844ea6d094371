"""Callbacks that return a `Deferred`: what comes behind waits until it is resolved, with and
without asyncio.

Theory: a program that takes its messages elsewhere, in a thread or another loop, says with a
promise that it has room for the next one. That is all the back-pressure there is, so nothing may be
called before, nothing may be lost, and a promise that nobody keeps may hold nobody but its own
connection.
"""

import threading
from collections.abc import Callable

import pytest

from sigil import Callbacks, CloseReason, Conn, Deferred, HttpServer, Request, Response
from sigil.core.websocket.frames import encode_close, encode_masked
from sigil.testing import Client, MemoryServer
from tests.support.servers import Raw, pump, ticking
from tests.support.upgrade_requests import asking

MASK = b"\x01\x02\x03\x04"
CLOSE = encode_masked(8, encode_close(4_000, "bye"), MASK)


def upgrade(request: Request) -> Response:
    """Everything becomes a WebSocket."""
    return Response.upgrade()


def texts(*words: str) -> bytes:
    """Text messages of a client, in one read."""
    return b"".join([encode_masked(1, word.encode(), MASK) for word in words])


class Promising:
    """A program that promises to take each message, and what it was called with."""

    def __init__(
        self, *later: str, uses_asyncio: bool = False, make: Callable[[], Deferred] = Deferred
    ) -> None:
        self.later = later
        self.make = make
        self.seen: list[object] = []
        self.promised: list[Deferred] = []
        self.client = Client(
            upgrade,
            callbacks=Callbacks(
                ws_open=self.on_open, ws_message=self.on_message,
                ws_close=self.on_close, close=self.on_end,
            ),
            raise_errors=False,
        )  # fmt: skip
        if not uses_asyncio:
            self.client.server.set_spawn(None)
        self.websocket = self.client.websocket("/")

    def call(self, name: str, seen: object) -> Deferred | None:
        """Note a call; what it returns."""
        self.seen.append(seen)
        if name not in self.later:
            return None
        self.promised.append(self.make())
        return self.promised[-1]

    def on_open(self, server: MemoryServer, conn: Conn, request: Request) -> object:
        return self.call("open", "open")

    def on_message(self, server: MemoryServer, conn: Conn, data: str | bytes) -> object:
        return self.call("message", data)

    def on_close(self, server: MemoryServer, conn: Conn, reason: CloseReason, code: int) -> object:
        return self.call("close", (reason, code))

    def on_end(self, server: MemoryServer, conn: Conn, reason: CloseReason) -> None:
        self.seen.append("end")

    def arrive(self, data: bytes) -> None:
        """The client has sent this."""
        self.websocket.connection.wire.arrived += data
        self.turn()

    def turn(self) -> None:
        """Until nothing happens any more."""
        self.client.run_until_idle()

    def keep(self) -> None:
        """The promise that was given last is kept."""
        self.promised[-1].resolve(None)
        self.turn()


@pytest.mark.parametrize("uses_asyncio", [False, True])
@pytest.mark.parametrize("together", [False, True])
def test_messages_wait_until_the_program_has_taken_the_one_before(
    together: bool, uses_asyncio: bool
) -> None:
    program = Promising("message", uses_asyncio=uses_asyncio)
    for read in [texts("a", "b", "c")] if together else map(texts, "abc"):
        program.arrive(read)
    assert program.seen == ["open", "a"]
    program.keep()
    assert program.seen == ["open", "a", "b"]
    program.keep()
    program.keep()
    assert program.seen == ["open", "a", "b", "c"]
    program.arrive(texts("d"))
    assert program.seen[-1] == "d"


def test_messages_wait_for_what_ws_open_has_promised() -> None:
    program = Promising("open")
    program.arrive(texts("a"))
    assert program.seen == ["open"]
    program.keep()
    assert program.seen == ["open", "a"]


def test_a_promise_that_is_kept_already_is_no_wait() -> None:
    done = Deferred()
    done.resolve("whatever")
    program = Promising("message", make=lambda: done)
    program.arrive(texts("a", "b"))
    assert program.seen == ["open", "a", "b"]


def test_what_came_before_an_orderly_end_is_taken_first() -> None:
    program = Promising("message")
    program.arrive(texts("a", "b") + CLOSE)
    assert program.seen == ["open", "a"]
    program.keep()
    program.keep()
    closed = (CloseReason.WS_PEER_CLOSED, 4_000)
    assert program.seen == ["open", "a", "b", closed, "end"]


def test_a_connection_that_is_lost_waits_for_no_promise() -> None:
    program = Promising("message")
    cancelled: list[str] = []
    program.arrive(texts("a", "b"))
    program.promised[-1].on_cancel(lambda: cancelled.append("told"))
    program.websocket.connection.reset()
    program.turn()
    assert cancelled == ["told"]
    assert not program.promised[-1].is_wanted
    closed = program.seen[2]
    assert isinstance(closed, tuple)
    assert closed[1] == 1006
    assert program.seen == ["open", "a", closed, "end"]
    assert program.promised[-1].resolve(None) is False
    program.turn()
    assert len(program.seen) == 4


def test_a_promise_that_fails_ends_its_connection() -> None:
    program = Promising("message")
    program.arrive(texts("a"))
    program.promised[-1].fail(ValueError("no room for it"))
    program.turn()
    assert program.websocket.code == 1011
    assert "no room for it" in program.client.server.log[-1].text


def test_what_a_promise_is_mapped_to_is_waited_for_too() -> None:
    first, second = Deferred(), Deferred()
    program = Promising("message", make=lambda: first.map(lambda _: second))
    program.arrive(texts("a", "b"))
    program.keep()
    assert program.seen == ["open", "a"]
    second.resolve(None)
    program.turn()
    assert program.seen == ["open", "a", "b"]


def test_the_callback_of_an_end_may_promise_and_what_is_behind_it_waits() -> None:
    program = Promising("close")
    program.arrive(CLOSE)
    program.websocket.connection.half_close()
    program.turn()
    closed = (CloseReason.WS_PEER_CLOSED, 4_000)
    assert program.seen == ["open", closed]
    program.keep()
    assert program.seen == ["open", closed, "end"]


def test_a_thread_takes_messages_and_others_are_served_meanwhile() -> None:
    taken: list[object] = []
    waiting: list[tuple[object, Deferred]] = []

    def on_message(server: HttpServer, conn: Conn, data: str | bytes) -> Deferred:
        later = Deferred()
        waiting.append((data, later))
        return later

    def take() -> None:
        data, later = waiting.pop(0)
        taken.append(data)
        later.resolve(None)

    def in_a_thread(function: Callable[[], None]) -> None:
        thread = threading.Thread(target=function)
        thread.start()
        thread.join()

    with (
        ticking(upgrade, callbacks=Callbacks(ws_message=on_message)) as server,
        Raw(server, asking()) as slow,
        Raw(server, asking()) as other,
    ):
        pump(server, lambda: bool(slow.received and other.received), slow, other)
        slow.send(texts("a", "b"))
        pump(server, lambda: len(waiting) == 1, slow)
        other.send(texts("x"))
        pump(server, lambda: len(waiting) == 2, other)
        for count in (1, 2, 3):
            in_a_thread(take)
            pump(server, lambda count=count: len(taken) + len(waiting) == 3 or count == 3)  # type: ignore[misc]
        assert sorted(map(str, taken)) == ["a", "b", "x"]
