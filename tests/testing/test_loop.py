"""asyncio in memory: coroutines run as they would under `http_server_serve`, by the clock of the
test.

Theory: what a coroutine sees of a loop must be asyncio's own behaviour, so the oracle is asyncio:
the same program served on a socket sends the same bytes. Beyond that, time is the test's, and
nothing waits.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from sigil import (
    BadInput,
    Callbacks,
    CloseReason,
    Conn,
    Deferred,
    Request,
    Response,
    http_server_serve,
)
from sigil.testing import Client, HandlerError, NeverIdle, NoAnswer
from tests.support import servers
from tests.support.core_driver import OK, get
from tests.support.requests import GET
from tests.testing.test_client import always, dateless

Handler = Callable[[Request], Awaitable[Response]]


async def various(request: Request) -> Response:
    """Many ways to wait."""
    match request.path:
        case "/sleep":
            await asyncio.sleep(0.01)
        case "/gather":
            return Response.text(
                str(await asyncio.gather(*(nap(number / 100, number) for number in (3, 1, 2))))
            )
        case "/group":
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(nap(0.0, number)) for number in range(3)]
            return Response.text(str([task.result() for task in tasks]))
        case "/timeout":
            try:
                async with asyncio.timeout(0.01):
                    await asyncio.Event().wait()
            except TimeoutError:
                return Response.text("too late")
        case "/queue":
            queue: asyncio.Queue[int] = asyncio.Queue(1)
            puts = asyncio.create_task(put(queue))
            return Response.text(str([await queue.get() for _ in range(3)] + [await puts]))
        case "/thread":
            return Response.text(await asyncio.to_thread("a".join, "xyz"))
        case "/bad":
            raise BadInput("no tea", 422)
        case "/stream":
            return Response.stream(count(3))
    return Response.text(request.path)


async def nap(seconds: float, result: int) -> int:
    """The result, later."""
    await asyncio.sleep(seconds)
    return result


async def put(queue: asyncio.Queue[int]) -> int:
    """Three numbers, and a fourth."""
    for number in range(3):
        await queue.put(number)
    return 3


async def count(most: int) -> AsyncIterator[bytes]:
    """Lines, one after the other."""
    for number in range(most):
        await asyncio.sleep(0.001)
        yield b"%d\n" % number


PATHS = ("/sleep", "/gather", "/group", "/timeout", "/queue", "/thread", "/bad", "/stream", "/")


@pytest.mark.parametrize("path", PATHS)
def test_coroutines_answer_as_under_asyncio(path: str) -> None:
    async def serve() -> bytes:
        server = servers.make(various)
        server.listen()
        task = asyncio.create_task(http_server_serve(server))
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(get(path) + b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        data = await asyncio.wait_for(reader.read(), servers.PATIENCE)
        writer.close()
        server.stop(0)
        await task
        return data

    client = Client(various)
    connection = client.connect()
    connection.send(get(path) + b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    client.advance(1)
    assert dateless(connection.received) == dateless(asyncio.run(serve()))


def test_an_hour_of_sleep_is_over_when_the_test_says_so() -> None:
    woken: list[float] = []

    async def app(request: Request) -> Response:
        loop = asyncio.get_running_loop()
        for seconds in (2.5, 0.25, 60.0):
            await asyncio.sleep(seconds)
            woken.append(loop.time())
        return OK

    client = Client(app)
    connection = client.connect()
    connection.send(GET)
    client.advance(62.7)
    assert (woken, connection.answers()) == ([2.5, 2.75], [])
    client.advance(0.1)
    assert (woken, connection.answers()[0].status) == ([2.5, 2.75, 62.75], 200)


def test_a_timer_that_is_cancelled_is_not_another_that_is_its_equal() -> None:
    calls: list[int] = []

    async def app(request: Request) -> Response:
        loop = asyncio.get_running_loop()
        timers = [loop.call_at(5.0, calls.append, 1) for _ in range(3)]
        timers[2].cancel()
        loop.call_at(4.0, calls.append, 0)
        return OK

    client = Client(app)
    assert client.get("/").status == 200
    client.advance(10)
    assert calls == [0, 1, 1]


def test_a_request_can_wait_for_another() -> None:
    arrived = asyncio.Event()

    async def app(request: Request) -> Response:
        if request.path == "/wait":
            await arrived.wait()
        arrived.set()
        return Response.text(request.path)

    client = Client(app)
    waiting = client.connect()
    waiting.request("GET", "/wait")
    assert waiting.answers() == []
    assert client.get("/go").text == "/go"
    assert waiting.answers()[0].text == "/wait"


def test_without_a_turn_of_the_clock_there_is_no_answer() -> None:
    client = Client(various)
    with pytest.raises(NoAnswer, match="no answer yet"):
        client.get("/sleep")
    assert client.get("/").text == "/"


def raising(error: BaseException) -> Handler:
    """A coroutine that fails after a while."""

    async def handler(request: Request) -> Response:
        await asyncio.sleep(0)
        raise error

    return handler


def test_what_a_coroutine_raises_is_raised() -> None:
    error = KeyError("tea")
    with pytest.raises(KeyError) as caught:
        Client(raising(error)).get("/")
    assert caught.value is error
    client = Client(raising(error), raise_errors=False)
    assert client.get("/").status == 500
    assert "KeyError: 'tea'" in client.log[-1].text
    with pytest.raises(HandlerError, match="returned int"):
        Client(coroutine_of(7)).get("/")


def coroutine_of(result: Any) -> Any:
    """A coroutine that returns this at once."""

    async def handler(request: Request) -> Any:
        return result

    return handler


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit()])
def test_what_ends_the_program_leaves(error: BaseException) -> None:
    client = Client(raising(error))
    with pytest.raises(type(error)):
        client.get("/")
    with pytest.raises(HandlerError, match=type(error).__name__):
        client.run_until_idle()
    assert [line.status for line in client.access] == [500]


def test_a_coroutine_that_never_rests_comes_to_a_bound() -> None:
    async def app(request: Request) -> Response:
        while True:
            await asyncio.sleep(0)

    with pytest.raises(NeverIdle):
        Client(app).connect().send(GET)


def test_there_is_no_network_for_coroutines() -> None:
    async def app(request: Request) -> Response:
        await asyncio.open_connection("127.0.0.1", 1)
        return OK

    with pytest.raises(NotImplementedError):
        Client(app).get("/")


def test_what_raises_in_a_thread_and_what_nobody_awaits(caplog: pytest.LogCaptureFixture) -> None:
    async def app(request: Request) -> Response:
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 // 0)
        task = asyncio.create_task(
            nap(0.0, 1 // (len(request.path) - 1)) if request.path != "/" else fail()
        )
        await asyncio.sleep(0)
        del task
        return OK

    async def fail() -> int:
        raise KeyError("alone")

    with caplog.at_level(logging.ERROR, logger="asyncio"):
        assert Client(app).get("/").status == 200
    assert [
        "KeyError: 'alone'" in record.exc_text for record in caplog.records if record.exc_text
    ] == [True]


def test_the_end_cancels_what_is_under_way_and_lets_it_clean_up() -> None:
    steps: list[str] = []

    async def app(request: Request) -> Response:
        try:
            await asyncio.sleep(3_600)
        finally:
            await asyncio.sleep(0)
            steps.append("cleaned up")
        return OK

    with Client(app) as client:
        connection = client.connect()
        connection.send(GET)
    assert (steps, connection.reason, client.running) == (
        ["cleaned up"],
        CloseReason.SHUTDOWN,
        False,
    )


def test_an_asynchronous_stream_is_pulled_and_closed() -> None:
    steps: list[str] = []

    async def lines() -> AsyncIterator[bytes]:
        try:
            while True:
                await asyncio.sleep(1.0)
                yield b"tick\n"
        finally:
            await asyncio.sleep(0)
            steps.append("closed")

    client = Client(lambda request: Response.stream(lines()))
    connection = client.connect()
    connection.send(GET)
    client.advance(3.5)
    assert connection.answers()[0].body == b"tick\n" * 3
    connection.reset()
    assert steps == ["closed"]


def test_callbacks_may_wait_and_keep_their_order() -> None:
    async def slowly(server: Any, conn: Conn, data: str | bytes) -> None:
        await asyncio.sleep(60)
        server.send(conn, data)

    client = Client(always(Response.upgrade()), callbacks=Callbacks(ws_message=slowly))
    websocket = client.websocket("/")
    websocket.send("a")
    websocket.send("b")
    client.advance(59)
    assert websocket.messages() == []
    client.advance(2)
    assert websocket.messages() == ["a"]
    client.advance(60)
    assert websocket.messages() == ["a", "b"]


def test_an_asynchronous_test_may_use_the_client() -> None:
    async def test() -> str:
        await asyncio.sleep(0)
        outer = asyncio.get_running_loop()
        text = Client(various).get("/group").text
        assert asyncio.get_running_loop() is outer
        await asyncio.sleep(0)
        return text

    assert asyncio.run(test()) == "[0, 1, 2]"


def test_another_way_to_set_spawn_can_be_given() -> None:
    def refuse(awaitable: Any, deferred: Deferred | None) -> Callable[[], object]:
        awaitable.close()
        if deferred is not None:
            deferred.resolve(Response.text("run elsewhere"))
        return lambda: None

    client = Client(various)
    client.server.set_spawn(refuse)
    assert client.get("/").text == "run elsewhere"
    client.server.set_spawn(None)
    with pytest.raises(HandlerError, match="asynchronous"):
        client.get("/")
