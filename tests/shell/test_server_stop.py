"""The end of a server: what is under way is finished, nothing new begins, and nobody waits for
ever.

Theory: to stop is to answer what was asked and to take no more; a deadline ends the first, a second
word ends it now. Who asks for it does not matter: a handler, another thread, a signal.
"""

import signal
import socket
import threading
import time
from collections.abc import Iterator
from select import select

import pytest

from sigil import Request, Response
from tests.support.requests import GET
from tests.support.servers import (
    HOST,
    MIB,
    PATIENCE,
    Raw,
    ask,
    in_thread,
    make,
    pump,
    settle,
    ticking,
)


def large(request: Request) -> Response:
    """More than any buffer takes; a stream for `/stream`."""
    if request.path == "/stream":
        return Response.stream(bytes(MIB) for _ in range(32))
    return Response.bytes(bytes(32 * MIB))


def refuses(port: int) -> bool:
    """Nobody listens there."""
    with socket.socket() as sock:
        sock.settimeout(PATIENCE)
        return sock.connect_ex((HOST, port)) != 0


def test_a_server_at_rest_reads_everybody_once_more_and_closes_idle_connections() -> None:
    with ticking() as server, Raw(server, GET) as asked, Raw(server) as silent:
        pump(server, lambda: bool(asked.answers()) and len(server.clients()) == 2, asked)
        port = server.port
        server.stop()
        assert server.running
        assert server.tick() is True
        pump(server, lambda: not server.running)
        pump(server, lambda: asked.over and silent.over, asked, silent)
        assert asked.ended
        assert silent.ended
        assert refuses(port)
        assert server.stats().closed == {"SHUTDOWN": 2}
        assert server.clients() == ()


@pytest.mark.parametrize("path", [b"/", b"/stream"])
def test_what_is_under_way_is_drained_over_many_ticks(path: bytes) -> None:
    with (
        ticking(large) as server,
        Raw(server, b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % path, 65_536) as client,
    ):
        client.reads = False
        pump(server, lambda: server.stats().outbox_bytes > 0)
        port = server.port
        server.stop(30.0)
        settle(server)
        assert server.running
        assert refuses(port)
        client.reads = True
        pump(server, lambda: client.over, client)
        assert client.ended
        client.half_close()
        pump(server, lambda: not server.running)
        assert (len(client.answers()[0].body), client.answers()[0].is_whole) == (32 * MIB, True)


def test_answers_given_while_draining_say_that_the_connection_ends() -> None:
    post = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n"
    with (
        ticking() as server,
        Raw(server, post) as body,
        Raw(server, b"GET / HTTP/1.1\r\nHo") as head,
    ):
        pump(server, lambda: len(server.clients()) == 2)
        settle(server)
        server.stop(30.0)
        settle(server)
        assert server.running
        body.send(b"ab")
        head.send(b"st: a\r\n\r\n")
        pump(server, lambda: body.over and head.over, body, head)
        for client in (body, head):
            (answer,) = client.answers()
            assert (answer.status, answer.headers["connection"]) == (200, "close")
            client.half_close()
        pump(server, lambda: not server.running)


@pytest.mark.parametrize("grace", [0, 0.0, -1.0])
def test_a_grace_of_nothing_ends_everything_at_once(grace: float) -> None:
    with ticking(large) as server, Raw(server, GET, 4096) as client:
        client.reads = False
        pump(server, lambda: server.stats().outbox_bytes > 0)
        server.stop(grace)
        server.tick()
        assert not server.running
        client.reads = True
        pump(server, lambda: client.over, client)
        assert not client.answers()[0].is_whole


def test_stopping_twice_means_now() -> None:
    for first in (0, 1):
        with ticking(large) as server, Raw(server, GET, 4096):
            pump(server, lambda: server.stats().outbox_bytes > 0)
            server.stop(30.0)
            for _ in range(first):
                server.tick()
                assert server.running
            server.stop(30.0)
            server.tick()
            assert not server.running


def test_draining_ends_with_the_grace() -> None:
    with ticking(large) as server, Raw(server, GET, 4096):
        pump(server, lambda: server.stats().outbox_bytes > 0)
        started = time.monotonic()
        server.stop(0.3)
        pump(server, lambda: not server.running, patience=2.0)
        assert 0.25 < time.monotonic() - started < 1.0


def test_start_wakes_up_by_itself_when_the_grace_is_over() -> None:
    with in_thread(make(large)) as server, Raw(server, GET, 4096) as client:
        assert select([client.sock], [], [], PATIENCE)[0]  # it has come, and is not read
        started = time.monotonic()
        server.stop(0.3)
        while server.running:
            assert time.monotonic() - started < 2.0
        assert time.monotonic() - started > 0.25


def test_a_handler_may_stop_the_server_and_is_still_answered() -> None:
    for grace in (0, 5.0):

        def handler(request: Request, grace: float = grace) -> Response:
            server.stop(grace)
            return Response.text("the last word")

        with ticking(handler) as server, Raw(server, GET) as client:
            pump(server, lambda: client.over, client)
            assert client.answers()[0].text == "the last word"
            pump(server, lambda: not server.running)


def test_a_handler_may_stop_a_server_in_start() -> None:
    def handler(request: Request) -> Response:
        server.stop()
        return Response.text("the last word")

    with (
        in_thread(make(handler)) as server,
        socket.create_connection((HOST, server.port), PATIENCE) as sock,
    ):
        sock.sendall(GET)
        assert sock.makefile("rb").read().endswith(b"the last word")


def test_another_thread_wakes_a_server_that_waits() -> None:
    server = make()
    server.listen()
    started = time.monotonic()
    stopper = threading.Timer(0.1, server.stop)
    stopper.start()
    while server.running:
        server.tick(PATIENCE)
    stopper.join(PATIENCE)
    assert time.monotonic() - started < PATIENCE / 2


def test_many_threads_may_stop_at_the_same_time() -> None:
    for _ in range(20):
        with in_thread(make()) as server:
            threads = [threading.Thread(target=server.stop) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(PATIENCE)


def test_who_sends_nothing_until_the_drain_is_under_way_is_not_served() -> None:
    handled: list[str] = []

    def handler(request: Request) -> Response:
        handled.append(request.path)
        return large(request)

    with ticking(handler) as server, Raw(server, GET, 4096), Raw(server) as late:
        pump(server, lambda: server.stats().outbox_bytes > 0 and len(server.clients()) == 2)
        server.stop(30.0)
        pump(server, lambda: len(server.clients()) == 1)
        late.send(GET)
        pump(server, lambda: late.over, late)
        assert len(handled) == 1


def test_a_connection_that_is_owed_an_answer_by_a_parked_request_is_drained() -> None:
    post = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"

    def handler(request: Request) -> Response:
        server.stop(30.0)
        return Response.text("fine")

    with ticking(handler) as server, Raw(server, post * 3) as client:
        pump(server, lambda: client.over, client)
        answers = client.answers("POST", "POST", "POST")
        assert answers
        assert all(answer.is_whole for answer in answers)


def test_signal_handlers_are_restored_after_start_and_untouched_by_a_thread() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    during: list[object] = []

    def handler(request: Request) -> Response:
        during.extend(signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM))
        server.stop()
        return Response.text("bye")

    with (
        in_thread(make(handler)) as server,
        socket.create_connection((HOST, server.port), PATIENCE) as sock,
    ):
        sock.sendall(GET)
        assert sock.makefile("rb").read()
    assert during == before
    during.clear()
    server = make(handler)
    server.listen()
    with Raw(server, GET):
        server.start()
    assert len(during) == 2
    assert not set(map(id, during)) & set(map(id, before))
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_signal_handlers_are_restored_when_an_exception_leaves_start() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]

    def handler(request: Request) -> Response:
        raise SystemExit(3)

    server = make(handler)
    server.listen()
    with Raw(server, GET), pytest.raises(SystemExit):
        server.start()
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    assert not server.running


def test_a_stream_that_stops_the_server_is_drained_to_its_end() -> None:
    def chunks() -> Iterator[bytes]:
        yield b"one "
        server.stop(30.0)
        yield b"two"

    with ticking(lambda request: Response.stream(chunks())) as server, Raw(server, GET) as client:
        pump(server, lambda: client.over, client)
        assert (client.answers()[0].text, client.answers()[0].is_whole) == ("one two", True)
        client.half_close()
        pump(server, lambda: not server.running)


def test_a_stop_before_the_first_tick_is_not_lost() -> None:
    server = make()
    server.stop()
    server.start()
    assert not server.running
    server.listen()
    try:
        assert ask(server).status == 200
    finally:
        server.stop(0)
        server.tick()
