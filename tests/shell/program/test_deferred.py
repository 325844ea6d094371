"""Answers that come later: `Deferred` from threads and callbacks, coroutines inside asyncio,
servers in threads.

Theory: what matters is that an answer reaches its request and nobody else's, in order, whoever
brings it and when; and that one that comes too late changes nothing.

Rules: real sockets; threads and tasks are joined by the test that starts them; every wait has a
bound.
"""

import asyncio
import http.client
import logging
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from sigil import (
    BadInput,
    Deferred,
    HttpServer,
    Limits,
    Request,
    Response,
    http_server_serve,
    make_http_server,
)
from tests.support.event_loops import loops

WAIT_SECONDS = 60.0
HEAD = b" HTTP/1.1\r\nHost: a\r\n\r\n"
LAST = b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


def are_in_order(answer: bytes, *parts: bytes) -> bool:
    """True if every part is there, each behind the one before."""
    places = [answer.index(part) for part in parts]
    return places == sorted(places)


def connect(server: HttpServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=WAIT_SECONDS)


def tick_until(server: HttpServer, condition: Callable[[], bool]) -> None:
    """Tick until something is so; many ticks without it are a failure."""
    for _ in range(1_000):
        if condition():
            return
        server.tick(0.01)
    raise AssertionError("it did not happen")


def read_all(connection: socket.socket) -> bytes:
    with connection:
        return b"".join(iter(lambda: connection.recv(65_536), b""))


def end(server: HttpServer) -> None:
    server.stop(0)
    tick_until(server, lambda: not server.running)


def test_a_deferred_is_answered_from_another_thread_while_the_loop_waits() -> None:
    def app(request: Request) -> Deferred:
        later = Deferred()
        threading.Thread(
            target=later.resolve, args=(Response.text(f"late {request.path}"),)
        ).start()
        return later

    server = make_http_server(app, port=0)
    with server.serve_in_thread():
        client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=WAIT_SECONDS)
        for path in ("/a", "/b"):
            client.request("GET", path)
            assert client.getresponse().read() == f"late {path}".encode()
        client.close()
    assert not server.running


def test_pipelined_answers_leave_in_order_whatever_order_they_come_in() -> None:
    promises: list[Deferred] = []

    def app(request: Request) -> Deferred:
        promises.append(Deferred())
        return promises[-1]

    server = make_http_server(app, port=0)
    server.listen()
    client = connect(server)
    client.sendall(b"GET /0" + HEAD + b"GET /1" + HEAD + b"GET /2" + HEAD)
    client.shutdown(socket.SHUT_WR)
    tick_until(server, lambda: len(promises) == 3)
    for number in (2, 0, 1):
        assert promises[number].resolve(Response.text(f"<{number}>"))
    tick_until(server, lambda: not server.clients())
    answer = read_all(client)
    assert are_in_order(answer, b"<0>", b"<1>", b"<2>")
    assert answer.count(b"HTTP/1.1 200 OK") == 3
    end(server)


def test_a_deferred_that_was_resolved_before_it_was_returned_is_answered_at_once() -> None:
    def app(request: Request) -> Deferred:
        later = Deferred()
        later.resolve(Response.stream([b"a", b"b"]))
        return later

    server = make_http_server(app, port=0, limits=Limits(linger_timeout=0.1))
    server.listen()
    client = connect(server)
    client.sendall(LAST)
    # a slow tick leaves pieces for the next
    tick_until(server, lambda: server.stats().accepted == 1 and not server.clients())
    end(server)
    assert read_all(client).endswith(b"1\r\na\r\n1\r\nb\r\n0\r\n\r\n")


def test_only_the_first_result_counts() -> None:
    later = Deferred()
    assert not later.is_resolved
    assert later.resolve(None)
    assert later.is_resolved
    assert not later.resolve(Response.text("second"))
    assert not later.fail(ValueError("third"))


def test_a_deferred_that_fails_is_a_500_with_its_traceback_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def app(request: Request) -> Deferred:
        later = Deferred()
        later.fail(LookupError("no such secret"))
        return later

    server = make_http_server(app, port=0)
    with caplog.at_level(logging.ERROR, "sigil.error"), server.serve_in_thread():
        client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=WAIT_SECONDS)
        client.request("GET", "/x")
        response = client.getresponse()
        assert (response.status, b"secret" in response.read()) == (500, False)
        client.close()
    assert "LookupError: no such secret" in caplog.text


def test_an_answer_to_a_client_that_has_left_is_counted_and_closes_its_stream() -> None:
    promises: list[Deferred] = []
    closed = threading.Event()

    class Source:
        def __iter__(self) -> Iterator[bytes]:
            raise AssertionError("nobody is there to read it")

        def close(self) -> None:
            closed.set()

    def app(request: Request) -> Deferred:
        promises.append(Deferred())
        return promises[-1]

    server = make_http_server(app, port=0)
    server.listen()
    client = connect(server)
    client.sendall(b"GET /" + HEAD)
    tick_until(server, lambda: len(promises) == 1)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    client.close()
    tick_until(server, lambda: not server.clients())
    promises[0].resolve(Response.stream(Source()))
    tick_until(server, lambda: server.stats().stale_responses == 1)
    assert closed.is_set()
    end(server)


@pytest.mark.parametrize("run", loops())
def test_async_handlers_are_answered_inside_asyncio(run: Callable[..., None]) -> None:
    async def app(request: Request) -> Response:
        await asyncio.sleep(0)
        if request.path == "/fail":
            raise LookupError
        return Response.text(f"async {request.path}")

    async def scenario() -> None:
        server = make_http_server(app, port=0)
        serving = asyncio.create_task(http_server_serve(server))
        await asyncio.sleep(0)
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /1" + HEAD + b"GET /fail" + HEAD + LAST)
        answer = await asyncio.wait_for(reader.read(), WAIT_SECONDS)
        writer.close()
        assert are_in_order(answer, b"async /1", b"500 Internal", b"async /last")
        server.stop()
        await asyncio.wait_for(serving, WAIT_SECONDS)
        assert not server.running

    run(scenario())


@pytest.mark.parametrize("run", loops())
def test_several_servers_share_a_loop_and_cancelling_ends_them(run: Callable[..., None]) -> None:
    async def scenario() -> None:
        servers = [
            make_http_server(lambda request, name=name: Response.text(name), port=0)
            for name in "ab"
        ]
        tasks = [asyncio.create_task(http_server_serve(server)) for server in servers]
        await asyncio.sleep(0)
        for server, name in zip(servers, (b"a", b"b"), strict=True):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(LAST)
            assert (await asyncio.wait_for(reader.read(), WAIT_SECONDS)).endswith(name)
            writer.close()
        for task in tasks:
            task.cancel()
        await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), WAIT_SECONDS)
        assert [server.running for server in servers] == [False, False]

    run(scenario())


def test_a_server_in_a_thread_says_at_once_that_its_port_is_taken_and_may_take_it_over() -> None:
    first = make_http_server(lambda request: Response.text("first"), port=0)
    serving = first.serve_in_thread()
    second = make_http_server(lambda request: Response.text("second"), port=first.port)
    with pytest.raises(OSError, match=f"Address already in use: 127.0.0.1:{first.port}"):
        second.serve_in_thread()
    with second.serve_in_thread(reuse=True):
        assert not first.running
        client = http.client.HTTPConnection("127.0.0.1", second.port, timeout=WAIT_SECONDS)
        client.request("GET", "/")
        assert client.getresponse().read() == b"second"
        client.close()
    serving.stop()


def test_bad_input_with_a_sentence_that_is_no_unicode_harms_nobody() -> None:
    def app(request: Request) -> Response:
        raise BadInput("unknown name " + request.json()["name"] + "\ud800")

    server = make_http_server(app, port=0)
    with server.serve_in_thread():
        client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=WAIT_SECONDS)
        client.request("POST", "/", body=b'{"name": "x"}')
        response = client.getresponse()
        assert (response.status, response.read()) == (400, b"400 Bad Request: unknown name x?\n")
        client.close()


def test_one_deferred_may_answer_two_requests_and_never_itself() -> None:
    shared = Deferred()
    server = make_http_server(lambda request: shared, port=0)
    server.listen()
    clients = [connect(server), connect(server)]
    for client in clients:
        client.sendall(LAST)
    tick_until(server, lambda: server.stats().requests == 2)
    with pytest.raises(TypeError):
        shared.resolve(shared)  # type: ignore[arg-type]
    shared.resolve(Response.text("both"))
    tick_until(server, lambda: server.stats().bytes_out > 200)
    end(server)
    assert [read_all(client).endswith(b"both") for client in clients] == [True, True]


def test_a_cancelled_future_in_a_handler_is_a_500_and_not_the_end() -> None:
    def app(request: Request) -> Response:
        raise asyncio.CancelledError

    server = make_http_server(app, port=0)
    with server.serve_in_thread():
        client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=WAIT_SECONDS)
        for _ in range(2):
            client.request("GET", "/")
            response = client.getresponse()
            assert (response.status, response.read()[:3]) == (500, b"500")
        client.close()


def test_a_tick_after_the_end_does_not_listen_again() -> None:
    server = make_http_server(lambda request: None, port=0)
    server.tick()
    end(server)
    assert server.tick() is False
    assert not server.running
