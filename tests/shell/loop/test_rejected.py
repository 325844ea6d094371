"""Who is rejected can read why, whatever it has sent, and is not held for ever."""

import socket
import time
from collections.abc import Callable

import pytest

from sigil import HttpServer, Limits, Response, make_http_server
from sigil.shell.loop.rejected import RejectedSockets
from tests.support.requests import GET
from tests.support.servers import HOST


def connect(server: HttpServer) -> socket.socket:
    """A client of this server."""
    client = socket.create_connection((HOST, server.port))
    client.settimeout(30)
    return client


def tick_until(server: HttpServer, is_so: Callable[[], bool]) -> None:
    """Tick until it is so."""
    give_up_at = time.monotonic() + 30
    while not is_so() and time.monotonic() < give_up_at:
        server.tick(0.1)
    assert is_so()


def pair() -> tuple[socket.socket, socket.socket]:
    """Two ends of a TCP connection: ours, which does not block, and the peer's."""
    with socket.create_server((HOST, 0)) as listener:
        theirs = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    ours.setblocking(False)
    theirs.settimeout(30)
    return ours, theirs


@pytest.mark.parametrize("length", [0, 1, 100_000])
def test_the_response_can_be_read_though_the_peer_has_sent_much(length: int) -> None:
    rejected, (ours, theirs) = RejectedSockets(), pair()
    rejected.add(ours, b"no", Limits(linger_timeout=2.0), 10.0)
    theirs.sendall(b"x" * length)
    rejected.close_overdue(11.9)
    assert (len(rejected), rejected.due_at) == (1, 12.0)
    assert theirs.recv(10) + theirs.recv(10) == b"no"
    rejected.close_overdue(12.0)
    assert (len(rejected), ours.fileno()) == (0, -1)
    theirs.close()


def test_a_peer_that_has_left_is_not_waited_for() -> None:
    rejected, (ours, theirs) = RejectedSockets(), pair()
    rejected.add(ours, b"no", Limits(), 0.0)
    theirs.close()
    while len(rejected):
        rejected.close_overdue(0.0)
    assert ours.fileno() == -1


def test_no_more_are_held_than_one_tick_may_accept() -> None:
    rejected, ends = RejectedSockets(), [pair() for _ in range(4)]
    for ours, _ in ends:
        rejected.add(ours, b"no", Limits(max_accepts_per_tick=3), 0.0)
    assert [ours.fileno() < 0 for ours, _ in ends] == [True, False, False, False]
    rejected.close()
    assert all(ours.fileno() < 0 for ours, _ in ends) and rejected.due_at is None
    for _, theirs in ends:
        theirs.close()


def test_one_that_is_gone_is_not_held() -> None:
    rejected, (ours, theirs) = RejectedSockets(), pair()
    ours.close()
    rejected.add(ours, b"no", Limits(), 0.0)
    assert len(rejected) == 0
    theirs.close()


def test_a_client_at_a_full_server_reads_its_503_after_it_has_sent_a_request() -> None:
    limits = Limits(max_connection_cnt=1, full_policy="503", linger_timeout=0.5)
    server = make_http_server(lambda request: Response.text("x"), port=0, limits=limits)
    server.listen()
    first = connect(server)
    tick_until(server, lambda: server.stats().accepted == 1)
    second = connect(server)
    tick_until(server, lambda: server.stats().rejected == 1)
    second.sendall(GET * 1_000)
    second.sendall(GET * 1_000)
    server.tick()
    received = b""
    while data := second.recv(65_536):
        received += data
    assert received.startswith(b"HTTP/1.1 503 ")
    at = server.next_deadline()
    assert at is not None and at <= time.monotonic() + 0.5
    tick_until(server, lambda: len(server._sockets.rejected) == 0)
    for client in (first, second):
        client.close()
    server.stop(0)
    server.tick()
