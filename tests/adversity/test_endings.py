"""How it ends with promises that nobody keeps, and with a program that wants to end.

Theory: only what is meant to end the program may end the server, and then it ends whole: nothing is
left that listens and is not served, nobody waits for ever. A coroutine is user code like any other,
only later.

Rules: the server is run in a thread and in asyncio, for there it has no caller whom an exception
would reach. It does not know who lets the loop be left.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from sigil import Deferred, HttpServer, Limits, Request, Response, http_server_serve
from tests.adversity.outrage import RAISED, contained
from tests.support.requests import GET
from tests.support.servers import PATIENCE, Raw, ask, logged_by, make, pump, ticking

STREAM = b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n"

# -- never -----------------------------------------------------------------------------------------


def test_a_deferred_that_is_never_resolved_is_503_after_the_answer_timeout() -> None:
    def app(request: Request) -> object:
        return Response.text("fine") if request.path == "/" else Deferred()

    limits = Limits(response_timeout=0.3)
    with ticking(app, limits) as server, Raw(server, GET.replace(b"/ ", b"/never ", 1)) as client:
        pump(server, lambda: client.over, client)
        assert client.answers()[0].status == 503
        assert ask(server).text == "fine"


def test_a_stream_that_comes_after_the_server_has_ended_is_closed() -> None:
    later = Deferred()
    closed: list[bool] = []

    class Source:
        def __iter__(self) -> Iterator[bytes]:
            raise AssertionError("nobody is there to read it")

        def close(self) -> None:
            closed.append(True)

    with ticking(lambda request: later) as server, Raw(server, GET) as client:
        pump(server, lambda: server.stats().requests == 1, client)
    later.resolve(Response.stream(Source()))
    assert closed == [True]


# -- what is meant to end the program --------------------------------------------------------------

ENDINGS = pytest.mark.parametrize(
    "ending", [SystemExit(3), KeyboardInterrupt()], ids=["exit", "interrupt"]
)


@contextmanager
def listening_connection(server: HttpServer) -> Iterator[Raw]:
    """A connection of somebody else, who has been answered once."""
    with Raw(server, GET) as client:
        deadline = time.monotonic() + PATIENCE
        while not client.received:
            assert time.monotonic() < deadline
            client.poll()
        yield client


def assert_ended(server: HttpServer, port: int, other: Raw) -> None:
    """Nobody listens any more, and who was connected knows."""
    assert not server.running
    assert server.clients() == ()
    with pytest.raises(ConnectionRefusedError):
        Raw(port)
    deadline = time.monotonic() + PATIENCE
    while not other.over:
        assert time.monotonic() < deadline, "the connection of another is left open"
        other.poll()


@ENDINGS
def test_what_is_meant_to_end_the_program_ends_a_server_in_a_thread(ending: BaseException) -> None:
    def app(request: Request) -> Response:
        if request.path == "/end":
            raise ending
        return Response.text("fine")

    with logged_by("sigil.error", logging.CRITICAL):
        serving = make(app).serve_in_thread()
        server, port = serving.server, serving.server.port
        with listening_connection(server) as other:
            with Raw(port, GET.replace(b"/ ", b"/end ", 1)):
                serving._thread.join(PATIENCE)
            try:
                assert_ended(server, port, other)
            finally:
                while server.running:
                    server.stop(0)
                    server.tick()


def run_to_the_end(main: Coroutine[Any, Any, None]) -> None:
    """As most programs do: what leaves the loop cancels what is left in it."""
    asyncio.run(main)


def run_and_leave(main: Coroutine[Any, Any, None]) -> None:
    """As a notebook does: what leaves the loop leaves everything in it as it is."""
    asyncio.new_event_loop().run_until_complete(main)


@pytest.mark.parametrize("run", [run_to_the_end, run_and_leave])
@pytest.mark.filterwarnings("ignore")
@ENDINGS
def test_what_is_meant_to_end_the_program_ends_a_server_in_asyncio(
    ending: BaseException, run: Callable[[Coroutine[Any, Any, None]], None]
) -> None:
    def app(request: Request) -> Response:
        if request.path == "/end":
            raise ending
        return Response.text("fine")

    server = make(app)
    clients: list[Raw] = []
    ports: list[int] = []

    async def visit() -> None:
        await until(lambda: server.running)
        ports.append(server.port)
        clients.append(Raw(server, GET))
        await until(lambda: has_heard(clients[0]))
        clients.append(Raw(server, GET.replace(b"/ ", b"/end ", 1)))
        await asyncio.Event().wait()

    async def main() -> None:
        await asyncio.gather(http_server_serve(server), visit())

    try:
        with pytest.raises(type(ending)):
            run(main())
        assert_ended(server, ports[0], clients[0])
    finally:
        for client in clients:
            client.close()
        while server.running:
            server.stop(0)
            server.tick()


# -- an interrupt among others ---------------------------------------------------------------------


def test_what_comes_late_together_with_an_interrupt_is_not_lost() -> None:
    interrupted, other = Deferred(), Deferred()

    def app(request: Request) -> object:
        return (
            Response.stream(iter((b"begin", interrupted))) if request.path == "/stream" else other
        )

    with ticking(app) as server, Raw(server, STREAM) as first, Raw(server, GET) as second:
        pump(server, lambda: server.stats().requests == 2 and bool(first.received), first, second)
        interrupted.fail(KeyboardInterrupt())
        other.resolve(Response.text("late"))
        with pytest.raises(KeyboardInterrupt):
            pump(server, lambda: False, first, second, patience=2.0)
        pump(server, lambda: bool(second.received), first, second, patience=2.0)
        assert second.answers()[0].text == "late"


def test_a_silent_stream_is_asked_again_although_another_one_interrupts() -> None:
    def interrupting() -> Iterator[bytes | None]:
        yield b"begin"
        yield None
        raise KeyboardInterrupt

    streams: list[Iterator[bytes | None]] = [interrupting(), iter((b"begin", None, b"more"))]
    with (
        ticking(lambda request: Response.stream(streams.pop(0))) as server,
        Raw(server, STREAM) as first,
        Raw(server, STREAM) as second,
    ):
        with pytest.raises(KeyboardInterrupt):
            pump(server, lambda: False, first, second, patience=2.0)
        pump(
            server, lambda: b"more" in first.received + second.received, first, second, patience=2.0
        )


# -- coroutines ------------------------------------------------------------------------------------


def has_heard(client: Raw) -> bool:
    """Something came."""
    client.poll()
    return bool(client.received)


async def until(condition: Callable[[], bool]) -> None:
    """Give way until it is so."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it never came to be"
        await asyncio.sleep(0)


async def ask_twice(app: Callable[[Request], Awaitable[object]], patience: float) -> list[int]:
    """The statuses that two requests in a row get from a coroutine, as far as they come."""
    server = make(app)
    task = asyncio.ensure_future(http_server_serve(server))
    await until(lambda: server.running)
    try:
        with Raw(server, GET + GET) as client:
            deadline = time.monotonic() + patience
            while len(client.answers("GET", "GET")) < 2 and time.monotonic() < deadline:
                await asyncio.sleep(0.001)
                client.poll()
            return [answer.status for answer in client.answers("GET", "GET")]
    finally:
        server.stop(0)
        await task


@pytest.mark.parametrize("name", RAISED)
@pytest.mark.filterwarnings("ignore")
def test_whatever_a_coroutine_raises_is_an_answer(name: str) -> None:
    async def app(request: Request) -> Response:
        raise RAISED[name]

    with (
        contained(),
        logged_by("sigil.error", logging.CRITICAL),
        logged_by("asyncio", logging.CRITICAL),
    ):
        statuses = asyncio.run(ask_twice(app, 2.0))
    assert len(statuses) == 2
    assert set(statuses) <= {400, 500}


def test_a_coroutine_that_returns_a_deferred_is_an_answer() -> None:
    async def app(request: Request) -> Deferred:
        later = Deferred()
        threading.Thread(target=later.resolve, args=(Response.text("late"),)).start()
        return later

    with logged_by("asyncio", logging.CRITICAL):
        statuses = asyncio.run(ask_twice(app, 2.0))
    assert statuses in ([200, 200], [500, 500])
