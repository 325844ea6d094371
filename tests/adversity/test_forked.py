"""Ends, while a child process holds a copy of every descriptor.

Theory: user code forks (`multiprocessing` does), and the child has the sockets of all connections.
What is only closed then stays open for the other end. So a child is forked in the middle of things
and stays until each kind of end has come over the wire.

Rules: the child does nothing but wait, and leaves without cleaning up. It does not know how a
socket is shut down.
"""

import multiprocessing
import os
import select
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from sigil import HttpServer, Limits, Request, Response
from tests.support.requests import GET
from tests.support.servers import HOST, PATIENCE, Raw, ask, end, make, pump, settle, ticking
from tests.support.websocket_client import websocket_clients


@contextmanager
def forked() -> Iterator[None]:
    """A child process that has copies of all descriptors, until the block ends."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(writing)
        os.read(reading, 1)
        os._exit(0)
    os.close(reading)
    try:
        yield
    finally:
        os.close(writing)
        os.waitpid(child, 0)


def broken() -> Iterator[bytes]:
    yield b"one"
    raise ValueError("it breaks off")


def app(request: Request) -> Response:
    """What ends in several ways."""
    if request.is_upgrade:
        return Response.upgrade()
    if request.path == "/broken":
        return Response.stream(broken())
    return Response.text("fine")


def request(path: bytes, fields: bytes = b"") -> bytes:
    return b"GET %s HTTP/1.1\r\nHost: a\r\n%s\r\n" % (path, fields)


def is_over(client: Raw) -> Callable[[], bool]:
    return lambda: client.over


LIMITS = Limits(idle_timeout=0.2, linger_timeout=0.2, header_timeout=0.2, ws_close_timeout=0.2)

ENDS: dict[str, bytes] = {
    "idle": GET,
    "silent": b"",
    "half a head": b"GET / HT",
    "close": request(b"/", b"Connection: close\r\n"),
    "broken": request(b"/broken"),
    "bad": b"NONSENSE\r\n\r\n",
}


@pytest.mark.parametrize("kind", ENDS)
def test_a_connection_ends_over_the_wire(kind: str) -> None:
    with ticking(app, LIMITS) as server, Raw(server) as client:
        pump(server, lambda: len(server.clients()) == 1, client)
        with forked():
            client.send(ENDS[kind])
            pump(server, is_over(client), client)


def test_a_websocket_ends_over_the_wire() -> None:
    with ticking(app, LIMITS) as server:
        (client,) = websocket_clients(server, 1)
        with forked():
            server.close(server.clients()[0], 4000)
            pump(server, is_over(client), client)
            assert client.close_code == 4000


def test_who_is_evicted_hears_of_it() -> None:
    limits = Limits(max_connection_cnt=1, max_ws_connection_cnt=1)
    with ticking(app, limits) as server, Raw(server, GET) as idle:
        pump(server, lambda: bool(idle.answers()), idle)
        with forked(), Raw(server, GET) as newcomer:
            pump(server, lambda: idle.over and bool(newcomer.answers()), idle, newcomer)


def test_who_is_rejected_hears_of_it() -> None:
    limits = Limits(
        max_connection_cnt=1, max_ws_connection_cnt=1, full_policy="503", linger_timeout=0.2
    )
    with ticking(app, limits) as server, Raw(server, GET) as first:
        pump(server, lambda: bool(first.answers()), first)
        with Raw(server, GET) as second:
            pump(server, lambda: bool(second.answers()), second)
            with forked():
                pump(server, is_over(second), second)
            assert (second.answers()[0].status, first.over) == (503, False)


@pytest.mark.parametrize("grace", [0.0, 0.2])
def test_who_is_there_at_a_stop_hears_of_it(grace: float) -> None:
    with ticking(app, LIMITS) as server:
        (client,) = websocket_clients(server, 1)
        with Raw(server, GET) as idle, Raw(server, b"GET / HT") as half:
            pump(server, lambda: bool(idle.answers()), idle, half)
            with forked():
                server.stop(grace)
                pump(server, lambda: client.over and idle.over and half.over, client, idle, half)
                assert client.close_code == 1001


def test_a_handler_that_starts_a_process_keeps_no_connection_open() -> None:
    """As `multiprocessing` forks on Linux."""
    context = multiprocessing.get_context("fork")
    release = context.Event()
    processes: list[multiprocessing.process.BaseProcess] = []

    def starting(request: Request) -> Response:
        if request.path != "/start":
            return app(request)
        process = context.Process(target=release.wait, args=(PATIENCE,))
        process.start()
        processes.append(process)
        return Response.text("started")

    try:
        with ticking(starting, LIMITS) as server, Raw(server, request(b"/start")) as idle:
            pump(server, is_over(idle), idle)  # idle for too long
            assert idle.answers()[0].text == "started" and processes[0].is_alive()
            with Raw(server, request(b"/broken")) as broken_off:
                pump(server, is_over(broken_off), broken_off)
            (client,) = websocket_clients(server, 1)
            server.close(server.clients()[0], 4000)
            pump(server, is_over(client), client)
            port = server.port
            end(server)
            again = make(app, port=port)
            again.listen()
            assert ask(again).text == "fine"
            end(again)
            assert processes[0].is_alive()
    finally:
        release.set()
        for process in processes:
            process.join(PATIENCE)


def test_a_server_listens_again_at_once_on_the_port_that_it_had() -> None:
    with ticking(app) as server, Raw(server, GET) as client:
        pump(server, lambda: bool(client.answers()), client)
        port = server.port
        with forked():
            end(server)
            again = make(app, port=port)
            again.listen()
            try:
                assert ask(again).text == "fine"
            finally:
                end(again)


def test_a_listener_that_was_handed_in_goes_on_for_whoever_has_it_too() -> None:
    with socket.create_server((HOST, 0)) as listener:
        server = make(app)
        server.listen(listener.dup())
        end(server)
        with socket.create_connection(listener.getsockname()[:2], 5.0):
            accepted, _ = listener.accept()
            accepted.close()


def test_a_child_that_leaves_a_handler_by_an_exception_ends_nobody() -> None:
    """It unwinds through the parent's loop, whose connections are not its own."""
    children: list[int] = []

    def forking(request: Request) -> Response:
        if request.is_upgrade:
            return Response.upgrade()
        child = os.fork()
        if not child:
            sys.exit(3)
        children.append(child)
        return Response.text("parent")

    server: HttpServer = make(forking)
    server.listen()
    (socket_,) = websocket_clients(server, 1)
    parent = os.getpid()
    with Raw(server, GET) as client:
        try:
            pump(server, lambda: bool(client.answers()), client)
        except SystemExit:
            if os.getpid() == parent:
                raise
            server._stop_now()  # as `server_loop` does
            os._exit(7 if server.running else 0)
        assert os.waitpid(children[0], 0)[1] == 0
        settle(server, client, socket_)
        server.broadcast("still here")
        pump(server, lambda: socket_.messages == [b"still here"], socket_)
        assert client.answers()[0].text == "parent"
    end(server)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_a_child_does_to_it_what_it_did_before_the_server_was(number: int) -> None:
    """`Process.terminate()`, say: it is not the server's to be stopped by."""
    with ticking(app) as server, server.stop_on_signals():
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            try:
                os.write(writing, b"!")  # one that comes before is lost: Python forgets it
                select.select([], [], [], PATIENCE)
                os._exit(1)
            except KeyboardInterrupt:
                os._exit(2)
        with open(reading, "rb", 0) as ready, open(writing, "wb"):
            assert ready.read(1) == b"!"
        os.kill(child, number)
        assert os.waitpid(child, 0)[1] in (signal.SIGTERM, 2 << 8)
        assert ask(server, GET).status == 200
