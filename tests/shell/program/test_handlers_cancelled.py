"""What works for a connection ends with it: coroutines, promises and streams, however it ends.

A table of all that may work for a connection (`WORKS`) against all ends of one (`ENDS`).
"""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future

import pytest

from sigil import (
    Callbacks,
    CloseReason,
    Conn,
    Deferred,
    HttpServer,
    Limits,
    Request,
    Response,
    http_server_serve,
    make_http_server,
)
from sigil.testing import Client, Connection
from tests.support.requests import GET, UPGRADE
from tests.support.servers import HOST
from tests.support.websocket_client import frame

LIMITS = Limits(
    half_closed_timeout=1.0,
    response_timeout=5.0,
    ws_ping_interval=2.0,
    ws_pong_timeout=2.0,
    max_connection_cnt=1,
)
"""Of connections that are no WebSockets there is one, so that a second one evicts it."""


class Program:
    """A program whose work never ends by itself, and that counts what has begun and ended."""

    def __init__(self) -> None:
        self.begun = self.ended = 0
        self.futures: list[Future[Response]] = []
        self.client: Client

    async def wait(self) -> None:
        """Wait for ever."""
        self.begun += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.ended += 1

    async def handle(self, request: Request) -> Response:
        """A coroutine."""
        await self.wait()
        raise AssertionError

    def promise(self, request: Request) -> Deferred:
        """A promise that somebody works on."""
        deferred, future = Deferred(), Future[Response]()
        deferred.on_cancel(future.cancel)
        deferred.on_cancel(self.note_end)
        self.begun += 1
        self.futures.append(future)
        return deferred

    def note_end(self) -> None:
        """Something has ended."""
        self.ended += 1

    def stream(self, request: Request) -> Response:
        """A stream that has nothing to yield."""

        def chunks() -> Iterator[None]:
            self.begun += 1
            try:
                while True:
                    yield None
            finally:
                self.ended += 1

        return Response.stream(chunks())  # type: ignore[arg-type]  # None: nothing yet

    def promising_stream(self, request: Request) -> Response:
        """A stream that promises a chunk."""

        def chunks() -> Iterator[Deferred]:
            self.begun += 1
            chunk = Deferred()
            chunk.on_cancel(self.note_end)
            yield chunk

        return Response.stream(chunks())  # type: ignore[arg-type]  # a promise of bytes

    def async_stream(self, request: Request) -> Response:
        """An asynchronous stream in the middle of a chunk."""

        async def chunks() -> AsyncIterator[bytes]:
            await self.wait()
            yield b""

        return Response.stream(chunks())


WORKS: dict[str, Callable[[Program], Callable[[Request], object]]] = {
    "coroutine": lambda program: program.handle,
    "promise": lambda program: program.promise,
    "stream": lambda program: program.stream,
    "stream of promises": lambda program: program.promising_stream,
    "asynchronous stream": lambda program: program.async_stream,
}


def reset(program: Program, connection: Connection) -> None:
    """The client breaks off."""
    connection.reset()


def hang_up(program: Program, connection: Connection) -> None:
    """The client ends its side, and a second passes."""
    connection.half_close()
    program.client.advance(1.0 + 1 / 32)


def time_out(program: Program, connection: Connection) -> None:
    """It takes too long."""
    program.client.advance(5.1)


def evict(program: Program, connection: Connection) -> None:
    """Another connection takes its place."""
    program.client.connect()


def stop(program: Program, connection: Connection) -> None:
    """The server stops."""
    program.client.server.stop(0.5)
    program.client.server.tick()
    program.client.advance(1.0)


def stop_now(program: Program, connection: Connection) -> None:
    """The server stops at once."""
    program.client.server.stop(0.0)
    program.client.run_until_idle()


ENDS = (reset, hang_up, time_out, evict, stop, stop_now)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("work", WORKS)
def test_all_that_works_for_a_connection_ends_with_it(
    work: str, end: Callable[[Program, Connection], None]
) -> None:
    program = Program()
    handler = WORKS[work](program)
    program.client = Client(handler, limits=LIMITS, raise_errors=False)  # type: ignore[arg-type]
    connection = program.client.connect()
    connection.send(GET)
    assert (program.begun, program.ended) == (1, 0)
    end(program, connection)
    assert (program.begun, program.ended) == (1, 1)
    assert all(future.cancelled() for future in program.futures)
    assert not [line for line in program.client.log if "Cancelled" in line.text]
    assert program.client.stats().stale_responses == 0


def test_a_response_that_came_is_not_cancelled() -> None:
    promises: list[Deferred] = []
    calls: list[str] = []

    def handler(request: Request) -> Deferred:
        promises.append(Deferred())
        promises[0].on_cancel(lambda: calls.append("cancelled"))
        return promises[0]

    client = Client(handler)
    connection = client.connect()
    connection.send(GET)
    promises[0].resolve(Response.text("here"))
    client.run_until_idle()
    connection.reset()
    assert ([answer.status for answer in connection.answers()], calls) == ([200], [])
    assert promises[0].is_wanted


def test_who_ends_its_side_and_still_reads_is_answered_within_the_time() -> None:
    promises: list[Deferred] = []

    def handler(request: Request) -> Deferred:
        promises.append(Deferred())
        return promises[0]

    client = Client(handler, limits=LIMITS)
    connection = client.connect()
    connection.send(GET)
    client.advance(3.0)
    connection.half_close()
    client.advance(0.9)
    promises[0].resolve(Response.text("here"))
    client.run_until_idle()
    assert [answer.status for answer in connection.answers()] == [200]


def test_a_stream_that_goes_on_reaches_who_has_ended_its_side() -> None:
    pieces: list[bytes] = []

    def chunks() -> Iterator[bytes | None]:
        for _ in range(10):
            while not pieces:
                yield None
            yield pieces.pop()

    handler = lambda request: Response.stream(chunks())  # type: ignore[arg-type, return-value]  # noqa: E731
    client = Client(handler, limits=LIMITS)
    connection = client.connect()
    connection.send(GET)
    connection.half_close()
    for _ in range(10):
        pieces.append(b"x")
        client.advance(0.9)
    (answer,) = connection.answers()
    assert (answer.body, answer.is_whole) == (b"x" * 10, True)


# -- pipelined, behind a last response -------------------------------------------------------------


def test_what_is_behind_a_last_response_is_cancelled_with_it() -> None:
    program = Program()

    def handler(request: Request) -> object:
        if request.path == "/last":
            return Response.text("last", headers={"Connection": "close"})
        return program.promise(request)

    client = Client(handler, limits=LIMITS)  # type: ignore[arg-type]
    connection = client.connect()
    get = b"GET %b HTTP/1.1\r\nHost: h\r\n\r\n"
    connection.send(get % b"/last" + get % b"/more")
    client.advance(5.0)
    assert (program.begun, program.ended) == (1, 1)


# -- callbacks -------------------------------------------------------------------------------------


class Talking(Program):
    """A program whose callbacks wait for ever."""

    def __init__(self, waits_in: str) -> None:
        super().__init__()
        self.calls: list[str] = []
        calls = self.calls

        async def wait(*arguments: object) -> None:
            calls.append(waits_in)
            await self.wait()

        def note(server: object, conn: Conn, reason: CloseReason, code: int = 0) -> None:
            calls.append(reason.name)

        callbacks = Callbacks(ws_close=note, close=note)._replace(**{waits_in: wait})
        self.client = Client(
            lambda request: Response.upgrade(),
            limits=LIMITS,
            callbacks=callbacks,
        )


@pytest.mark.parametrize("end", [reset, stop_now])
@pytest.mark.parametrize("waits_in", ["open", "ws_open", "ws_message"])
def test_a_callback_that_waits_ends_with_its_connection(
    waits_in: str, end: Callable[[Program, Connection], None]
) -> None:
    program = Talking(waits_in)
    connection = program.client.connect()
    if waits_in != "open":
        connection.send(UPGRADE)
        connection.send(frame(1, b"hello") * 3)
    assert (program.begun, program.ended) == (1, 0)
    end(program, connection)
    assert (program.begun, program.ended) == (1, 1)
    assert not [line for line in program.client.log if "Cancelled" in line.text]
    assert program.calls[0] == waits_in and len(program.calls) == (2 if waits_in == "open" else 3)


def test_a_message_that_came_before_an_orderly_close_is_dealt_with_to_the_end() -> None:
    done: list[str] = []

    async def on_message(server: object, conn: Conn, data: str | bytes) -> None:
        await asyncio.sleep(1.0)
        done.append(str(data))

    client = Client(lambda request: Response.upgrade(), callbacks=Callbacks(ws_message=on_message))
    connection = client.connect()
    connection.send(UPGRADE)
    connection.send(frame(1, b"hello") + frame(8, b"\x03\xe8"))
    client.advance(2.0)
    assert done == ["hello"]


# -- promises --------------------------------------------------------------------------------------


def test_who_asks_to_be_told_too_late_is_told_at_once() -> None:
    deferred, calls = Deferred(), list[str]()
    deferred.cancel()
    assert not deferred.is_wanted
    deferred.on_cancel(lambda: calls.append("late"))
    deferred.cancel()
    assert calls == ["late"]


def test_a_callback_of_a_cancellation_that_raises_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    deferred, calls = Deferred(), list[str]()
    deferred.on_cancel(lambda: {}["nobody"])
    deferred.on_cancel(lambda: calls.append("called"))
    deferred.cancel()
    assert (calls, "KeyError" in caplog.text) == (["called"], True)


# -- over sockets ----------------------------------------------------------------------------------


@pytest.mark.parametrize("is_reset", [True, False], ids=["reset", "closed"])
def test_a_hundred_clients_that_have_left_leave_no_coroutine(is_reset: bool) -> None:
    counts = {"begun": 0, "ended": 0}

    async def app(request: Request) -> Response:
        counts["begun"] += 1
        try:
            await asyncio.Event().wait()
        finally:
            counts["ended"] += 1
        raise AssertionError

    server = make_http_server(app, port=0, limits=Limits(half_closed_timeout=0.1))
    asyncio.run(leave(server, counts, is_reset))
    assert counts == {"begun": 100, "ended": 100}


async def leave(server: HttpServer, counts: dict[str, int], is_reset: bool) -> None:
    """A hundred clients ask, and leave when all are waited for."""
    server.listen()
    serving = asyncio.create_task(http_server_serve(server))
    clients = [socket.create_connection((HOST, server.port)) for _ in range(100)]
    for client in clients:
        client.sendall(GET)
    await until(lambda: counts["begun"] == 100)
    for client in clients:
        if is_reset:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
    await until(lambda: counts["ended"] == 100)
    assert server.running
    server.stop(0.0)
    await serving


async def until(is_true: Callable[[], bool]) -> None:
    """Let the loop go on until something holds, for ten seconds at most."""
    async with asyncio.timeout(10.0):
        while not is_true():
            await asyncio.sleep(0.01)
