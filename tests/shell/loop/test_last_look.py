"""Nobody who has sent a whole request is reset when the server stops, however it is stopped.

A hundred clients connect and send while nobody ticks; then the server stops.
"""

import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from sigil import HttpServer, Limits, Request, Response, make_http_server
from sigil.core.conn import Peer
from sigil.core.server.slots import clients_of
from sigil.testing import Client
from sigil.testing.kernel import Wire
from tests.support.requests import GET
from tests.support.servers import HOST

COUNT = 100


def fine(request: Request) -> Response:
    """The simplest of programs."""
    return Response.text("fine")


def everything(client: socket.socket) -> bytes:
    """All that a client is sent until the server ends; OSError if it is reset."""
    client.settimeout(10.0)
    received = b""
    while data := client.recv(65_536):
        received += data
    return received


def run_out(server: HttpServer) -> None:
    """Tick until the server has stopped."""
    while server.running:
        server.tick(0.01)


def stop(server: HttpServer) -> None:
    """An orderly stop."""
    server.stop(5.0)
    run_out(server)


def stop_now(server: HttpServer) -> None:
    """A stop at once."""
    server.stop(0.0)
    run_out(server)


def stop_twice(server: HttpServer) -> None:
    """A stop, and another one that makes it one at once."""
    server.stop(5.0)
    server.stop(5.0)
    run_out(server)


def terminate(server: HttpServer) -> None:
    """SIGTERM."""
    with server.stop_on_signals():
        os.kill(os.getpid(), signal.SIGTERM)
        run_out(server)


@pytest.mark.parametrize("end", [stop, stop_now, stop_twice, terminate])
@pytest.mark.parametrize("policy", ["evict", "wait", "503"])
def test_a_hundred_newcomers_that_have_sent_a_request_are_answered(
    end: Callable[[HttpServer], None], policy: str
) -> None:
    server = make_http_server(
        fine, host=HOST, port=0, backlog=COUNT, limits=Limits(full_policy=policy)
    )
    server.listen()
    clients = [socket.create_connection((HOST, server.port)) for _ in range(COUNT)]
    for client in clients:
        client.sendall(GET)
    end(server)
    statuses = [everything(client)[:12] for client in clients]
    assert set(statuses) <= {b"HTTP/1.1 200", b"HTTP/1.1 503"}
    if end in (stop, terminate):
        assert statuses == [b"HTTP/1.1 200"] * COUNT


def test_who_asks_again_when_the_server_stops_is_answered() -> None:
    server = make_http_server(fine, host=HOST, port=0)
    server.listen()
    clients = [socket.create_connection((HOST, server.port)) for _ in range(20)]
    for client in clients:
        client.sendall(GET)
    while any(client.responded == 0 for client in clients_of(server.state.slots)) or (
        len(server.clients()) < 20
    ):
        server.tick(0.01)
    for client in clients:
        client.sendall(GET)
    stop(server)
    assert [everything(client).count(b"HTTP/1.1 200") for client in clients] == [2] * 20


def test_newcomers_of_a_unix_socket_are_answered(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(COUNT)
    server = make_http_server(fine)
    server.listen(listener)
    clients = [socket.socket(socket.AF_UNIX) for _ in range(COUNT)]
    for client in clients:
        client.connect(path)
        client.sendall(GET)
    stop(server)
    assert [everything(client)[:12] for client in clients] == [b"HTTP/1.1 200"] * COUNT


def test_those_that_there_is_no_room_for_are_told_503() -> None:
    limits = Limits(max_connection_cnt=10, full_policy="wait")
    server = make_http_server(fine, host=HOST, port=0, backlog=COUNT, limits=limits)
    server.listen()
    clients = [socket.create_connection((HOST, server.port)) for _ in range(COUNT)]
    for client in clients:
        client.sendall(GET)
    stop(server)
    statuses = [everything(client)[:12] for client in clients]
    assert sorted(set(statuses)) == [b"HTTP/1.1 200", b"HTTP/1.1 503"]


def test_it_is_so_in_memory_too() -> None:
    client = Client(fine)
    wires = [Wire(Peer("test", number), None, None) for number in range(COUNT)]
    for wire in wires:
        client.server.kernel.connect(wire)
        wire.arrived += GET
    client.stop()
    assert [bytes(wire.received[:12]) for wire in wires] == [b"HTTP/1.1 200"] * COUNT


def test_user_code_that_breaks_out_loses_no_stop() -> None:
    def leave(request: Request) -> Response:
        raise KeyboardInterrupt

    client = Client(leave, raise_errors=False)
    wire = Wire(Peer("test", 0), None, None)
    client.server.kernel.connect(wire)
    client.server.tick()
    wire.arrived += GET
    client.server.stop(5.0)
    with pytest.raises(KeyboardInterrupt):
        client.server.tick()
    client.advance(Limits().linger_timeout + 1.0)
    assert not client.server.running
    assert bytes(wire.received[:12]) == b"HTTP/1.1 500"


def test_who_waits_where_other_processes_accept_is_left_to_them() -> None:
    """A process of several is replaced: those whom it has not accepted are not told of its end."""
    with socket.create_server((HOST, 0)) as listener:
        first, second = make_http_server(fine), make_http_server(fine)
        first.listen(listener.dup(), others_accept=lambda: True)
        clients = [socket.create_connection(listener.getsockname()) for _ in range(10)]
        stop(first)
        second.listen(listener.dup())
        for client in clients:
            client.sendall(GET)
        stop(second)
        assert [everything(client)[:12] for client in clients] == [b"HTTP/1.1 200"] * 10
