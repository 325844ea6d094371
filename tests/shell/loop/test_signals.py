"""A script's end: a process that blocks in `start` and is told to stop from outside.

Theory: the first signal asks, the second insists. Nothing here waits for a while: that the server
drains is seen by its port being closed, that it has ended by its process being gone.
"""

import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from sigil import Deferred
from tests.support.descriptors import count_descriptors
from tests.support.requests import GET
from tests.support.servers import (
    HOST,
    MIB,
    PATIENCE,
    Raw,
    end,
    make,
    pump,
    read_answers,
    settle,
    ticking,
)

SCRIPT = """
import signal, sys
from sigil import Response, make_http_server

def app(request):
    if request.path == "/kill":
        signal.raise_signal(signal.SIGINT)
        return Response.text("answered")
    if request.path == "/small":
        return Response.text("small")
    return Response.stream(bytes(65536) for _ in range(512))

before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
server = make_http_server(app, port=0)
server.listen()
print(server.port, flush=True)
server.start()
after = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
print("ended", before == after, server.running, server.clients(), flush=True)
"""

SIGNALS = [signal.SIGINT, signal.SIGTERM]


@contextmanager
def script() -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A process that serves, and its port."""
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        yield process, int(process.stdout.readline())
    finally:
        process.kill()
        process.communicate(timeout=PATIENCE)


def connect(port: int, data: bytes = b"") -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
    sock.settimeout(PATIENCE)
    sock.connect((HOST, port))
    sock.sendall(data)
    return sock


def wait_until_closed(port: int) -> None:
    """Return when nobody listens on the port any more."""
    deadline = time.monotonic() + PATIENCE
    while True:
        assert time.monotonic() < deadline, "the server goes on listening"
        with socket.socket() as sock:
            if sock.connect_ex((HOST, port)) != 0:
                return


def read_all(sock: socket.socket) -> bytes:
    """What comes until the connection ends, in whatever way."""
    received = bytearray()
    try:
        while data := sock.recv(MIB):
            received += data
    except ConnectionResetError:
        pass
    return bytes(received)


def assert_clean(process: subprocess.Popen[str]) -> None:
    """It ends, with 0, in silence, with its signal handlers as they were."""
    out, err = process.communicate(timeout=PATIENCE)
    assert (out, err, process.returncode) == ("ended True False ()\n", "", 0)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_a_server_at_rest(number: int) -> None:
    with (
        script() as (process, port),
        connect(port, b"GET /small HTTP/1.1\r\nHost: a\r\n\r\n") as idle,
    ):
        assert idle.recv(MIB).endswith(
            b"small"
        )  # so it is in start(), whose signal handlers are set
        os.kill(process.pid, number)
        assert_clean(process)
        assert read_all(idle) == b""


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_drains_the_stream_that_is_under_way(number: int) -> None:
    with script() as (process, port), connect(port, GET) as slow:
        start = slow.recv(100)
        os.kill(process.pid, number)
        wait_until_closed(port)
        assert process.poll() is None
        (answer,) = read_answers(start + read_all(slow))
        assert (len(answer.body), answer.is_whole) == (512 * 65_536, True)
        slow.close()
        assert_clean(process)


@pytest.mark.parametrize(("first", "second"), [(SIGNALS[0], SIGNALS[0]), (SIGNALS[1], SIGNALS[0])])
def test_the_second_signal_ends_it_at_once(first: int, second: int) -> None:
    with script() as (process, port), connect(port, GET) as slow:
        start = slow.recv(100)
        os.kill(process.pid, first)
        wait_until_closed(port)
        assert process.poll() is None
        os.kill(process.pid, second)
        assert_clean(process)
        (answer,) = read_answers(start + read_all(slow))
        assert not answer.is_whole


def test_a_signal_in_the_middle_of_a_handler_lets_it_answer() -> None:
    with (
        script() as (process, port),
        connect(port, b"GET /kill HTTP/1.1\r\nHost: a\r\n\r\n") as sock,
    ):
        assert read_all(sock).endswith(b"answered")
        sock.close()
        assert_clean(process)


LOOP = """
import select, signal
from sigil import Response, make_http_server

server = make_http_server(lambda request: Response.text("answered"), port=0)
before = signal.getsignal(signal.SIGINT)
with server.stop_on_signals(0.0):
    poll = select.poll()
    poll.register(server.fileno(), select.POLLIN)
    print(server.port, flush=True)
    while server.running:
        poll.poll()
        server.tick(0.0)
print("ended", before == signal.getsignal(signal.SIGINT), flush=True)
"""


@pytest.mark.parametrize("number", SIGNALS)
def test_a_loop_of_the_programs_own_is_woken_by_a_signal_and_stops(number: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", LOOP], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(number)
        out, err = process.communicate(timeout=PATIENCE)
    assert (out, err, process.returncode) == ("ended True\n", "", 0)


def test_a_signal_stops_all_servers_within_whose_blocks_it_comes() -> None:
    servers = make(), make()
    with servers[0].stop_on_signals(), servers[1].stop_on_signals():
        signal.raise_signal(signal.SIGINT)
        for _ in range(1_000):
            running = [server.tick(0.0) for server in servers if server.running]
            if not running:
                break
        assert not running


def test_two_blocks_of_one_server_have_a_signal_stop_it_once() -> None:
    """Twice would be at once, and nobody would be answered any more."""
    with (
        ticking(lambda request: Deferred()) as server,
        server.stop_on_signals(),
        server.stop_on_signals(),
        Raw(server, GET) as client,
    ):
        pump(server, lambda: server.stats().requests == 1, client)
        for is_answered_still in (True, False):
            signal.raise_signal(signal.SIGTERM)
            settle(server)
            assert server.running is is_answered_still


def test_a_signal_behind_the_end_of_the_server_is_written_to_nobody(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The descriptor that it woke may be a client's by now."""
    server = make()
    with server.stop_on_signals():
        end(server)
        others = [sock for _ in range(8) for sock in socket.socketpair()]
        signal.raise_signal(signal.SIGINT)
        assert select.select(others, [], [], 0.0)[0] == []
        for sock in others:
            sock.close()
    assert capfd.readouterr().err == ""


def test_a_block_around_start_ends_as_it_began() -> None:
    server, before = make(), count_descriptors()
    with server.stop_on_signals():
        server.stop(0.0)
        server.start()
    assert count_descriptors() == before
    assert signal.set_wakeup_fd(-1) == -1
