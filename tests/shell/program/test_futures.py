"""Futures of thread pools as answers: each stands where a `Deferred` may.

Theory: what is true of a promise is true of a future, so each place that takes one is tried with a
real pool, over sockets and in memory. A future that is never done shows who is cancelled.
"""

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from sigil import Callbacks, Conn, HttpServer, Request, Response, chain
from sigil.core.effects import ERROR_LOG
from sigil.shell.program.futures import is_future, promised
from sigil.shell.program.tracebacks import is_cancellation
from sigil.testing import Client
from sigil.web import compress, security_headers
from tests.support.requests import GET
from tests.support.servers import Raw, ask, logged_by, pump, ticking
from tests.support.websocket_client import text, upgrade, websocket_clients


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


def answer(request: Request) -> Response:
    if request.path == "/broken":
        raise ValueError("broken in a thread")
    return Response.text(threading.current_thread().name)


def test_what_a_pool_makes_is_the_answer(pool: ThreadPoolExecutor) -> None:
    with ticking(lambda request: pool.submit(answer, request)) as server:
        assert ask(server).text.startswith("ThreadPoolExecutor")
        with logged_by(ERROR_LOG) as lines:
            assert ask(server, GET.replace(b"/ ", b"/broken ", 1)).status == 500
        assert "ValueError: broken in a thread" in lines[0]


def test_so_it_is_in_memory() -> None:
    held: list[Future[Response]] = []

    def app(request: Request) -> Future[Response]:
        held.append(Future())
        return held[-1]

    client = Client(app)
    connection = client.connect()
    connection.request("GET", "/")
    connection.request("GET", "/")
    for future in reversed(held):
        future.set_result(Response.text("done"))
        client.run_until_idle()
    assert [each.text for each in connection.answers()] == ["done", "done"]


def test_one_that_was_done_before_it_was_returned_is_an_answer_at_once() -> None:
    done: Future[Response] = Future()
    done.set_result(Response.text("done"))
    assert Client(lambda request: done).get("/").text == "done"


def test_it_is_cancelled_when_its_client_leaves_and_nobody_logs_that() -> None:
    held: list[Future[Response]] = []

    def app(request: Request) -> Future[Response]:
        held.append(Future())
        return held[-1]

    with ticking(app) as server, logged_by(ERROR_LOG) as lines:
        with Raw(server, GET) as client:
            pump(server, lambda: bool(held))
            client.reset()
            pump(server, held[0].cancelled)
        assert ask_and_finish(server, held) == "after"
        assert lines == [] and server.stats().stale_responses == 0


def ask_and_finish(server: HttpServer, held: list[Future[Response]]) -> str:
    with Raw(server, GET) as client:
        pump(server, lambda: len(held) == 2)
        held[1].set_result(Response.text("after"))
        pump(server, client.answers, client)
        return client.answers()[0].text


def test_one_that_somebody_else_cancels_is_a_failure() -> None:
    def app(request: Request) -> Future[Response]:
        future: Future[Response] = Future()
        future.cancel()
        return future

    with ticking(app) as server:
        assert ask(server).status == 500


def test_a_chunk_of_a_stream_may_be_one_and_is_cancelled_with_it() -> None:
    held: list[Future[bytes]] = [Future() for _ in range(2)]
    client = Client(lambda request: Response.stream(iter(held)))
    connection = client.connect()
    connection.request("GET", "/")
    held[0].set_result(b"a chunk")
    client.run_until_idle()
    assert [each.body for each in connection.answers()] == [b"a chunk"]
    assert not held[1].cancelled()
    connection.reset()
    client.run_until_idle()
    assert held[1].cancelled()


def test_what_a_callback_returns_is_waited_for(pool: ThreadPoolExecutor) -> None:
    gate = threading.Event()

    def shout(data: str) -> str:
        gate.wait()
        return data.upper()

    def told(server: HttpServer, conn: Conn, data: str) -> Any:
        if data == "first":
            future = pool.submit(shout, data)
            future.add_done_callback(lambda done: server.send(conn, done.result()))
            return future
        return server.send(conn, data)

    with ticking(upgrade, callbacks=Callbacks(ws_message=told)) as server:
        (client,) = websocket_clients(server, 1)
        client.send(text("first") + text("second"))
        for _ in range(10):
            server.tick()
        gate.set()
        pump(server, lambda: client.messages == [b"FIRST", b"second"], client)


def test_middleware_sees_what_it_comes_to() -> None:
    def app(request: Request) -> Future[Response]:
        done: Future[Response] = Future()
        chunk: Future[bytes] = Future()
        chunk.set_result(b"streamed " * 100)
        done.set_result(Response.stream(iter((chunk,)), headers=(("Content-Type", "text/plain"),)))
        return done

    client = Client(chain(app, security_headers(), compress()))
    found = client.get("/", headers=(("Accept-Encoding", "gzip"),))
    assert found.headers["X-Content-Type-Options"] == "nosniff"
    assert found.headers["Content-Encoding"] == "gzip" and len(found.body) < 900


def test_a_beginning_may_be_one() -> None:
    class App:
        def startup(self, server: object) -> Future[None]:
            self.begun: Future[None] = Future()
            return self.begun

        def __call__(self, request: Request) -> Response:
            return Response.text("begun")

    app = App()
    with ticking(app) as server:
        server.tick()
        with Raw(server, GET) as client:
            for _ in range(10):
                server.tick()
            app.begun.set_result(None)
            pump(server, client.answers, client)
            assert client.answers()[0].text == "begun"


def test_only_futures_of_pools_are_futures() -> None:
    future: Future[int] = Future()
    assert is_future(future) and not is_future(3) and not is_future(None)
    assert promised(3) == 3
    later = promised(future)
    results: list[object] = []
    later.when_resolved(results.append)
    future.cancel()
    assert is_cancellation(results[0]) and not is_cancellation(ValueError())
