"""The second signal: it breaks out of whatever keeps the server from stopping.

Theory: a signal handler cannot stop user code that blocks but by raising in it. So each kind of
user code blocks for ever here, in each way to run a server, and two signals end the process: SIGINT
and SIGTERM, with and without grace. A WebSocket that is there meanwhile hears a close frame.

Rules: a process that has got the first signal says so before the second one comes. Nothing sleeps
but what is broken out of.
"""

import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.requests import UPGRADE
from tests.support.servers import HOST, MIB, PATIENCE

SIGNALS = [signal.SIGINT, signal.SIGTERM]

PROGRAM = """
import asyncio, signal, sys, threading, time
from sigil import (Callbacks, HttpServer, Response, http_server_serve, make_http_server)

kind, way, grace = sys.argv[1], sys.argv[2], float(sys.argv[3])

def block():
    print("blocks", flush=True)
    while True:
        time.sleep(60)

def chunks():
    yield b"one"
    block()

def end():
    try:
        yield b"one"
        yield b"two"
    finally:
        block()

class Ending:
    def __iter__(self):
        return self
    def __next__(self):
        raise ValueError("it ends")
    def close(self):
        block()

async def achunks():
    yield b"one"
    block()

async def later():
    block()

def app(request):
    if request.is_upgrade:
        return Response.upgrade()
    if kind == "handler":
        block()
    if kind == "stream":
        return Response.stream(chunks())
    if kind == "iter":
        class Slow:
            def __iter__(self):
                block()
        return Response.stream(Slow())
    if kind == "close":
        return Response.stream(Ending())
    if kind == "async handler":
        return later()
    if kind == "async stream":
        return Response.stream(achunks())
    return Response.text("fine")

def told(*_):
    if kind == "callback":
        block()

def frame():
    if kind == "frame" and len(server.clients()) > 1:
        block()

server = make_http_server(app, port=0, callbacks=Callbacks(
    ws_message=told, close=lambda *_: block() if kind == "close callback" else None))
server.listen()
print(server.port, flush=True)

post = HttpServer._post
def noting(self, item):
    post(self, item)
    if type(item).__name__ == "Stop":
        print("stops", flush=True)
HttpServer._post = noting

async def main():
    async def ticker():
        while True:
            await asyncio.sleep(0.01)
            frame()
    task = asyncio.create_task(ticker())
    await http_server_serve(server)
    task.cancel()

async def main_with_signals():
    with server.stop_on_signals(grace):
        await main()

if way == "start":
    server.start(grace=grace)
elif way == "tick":
    with server.stop_on_signals(grace):
        while server.running:
            frame()
            server.tick(0.02)
elif way == "asyncio outside":
    with server.stop_on_signals(grace):
        asyncio.run(main())
elif way == "asyncio inside":
    asyncio.run(main_with_signals())
elif way == "thread":
    with server.serve_in_thread(), server.stop_on_signals(grace):
        print("watches", flush=True)
        while server.running:
            time.sleep(60)
print("ended", server.running, flush=True)
"""

SYNC = ("handler", "stream", "iter", "close", "callback", "close callback")
ASYNC = ("async handler", "async stream")
CASES = [
    *[(kind, "start") for kind in SYNC],
    *[(kind, "tick") for kind in (*SYNC, "frame")],
    *[(kind, way) for way in ("asyncio outside", "asyncio inside") for kind in (*SYNC, *ASYNC)],
]


@contextmanager
def program(kind: str, way: str, grace: float) -> Iterator[tuple["subprocess.Popen[str]", int]]:
    """A process that serves, and its port."""
    words = [sys.executable, "-c", PROGRAM, kind, way, str(grace)]
    process = subprocess.Popen(
        words, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
    )
    watchdog = threading.Timer(PATIENCE, process.kill)
    watchdog.start()
    try:
        assert process.stdout is not None
        yield process, int(process.stdout.readline())
    finally:
        watchdog.cancel()
        process.kill()
        process.communicate(timeout=PATIENCE)


def connect(port: int, data: bytes) -> socket.socket:
    sock = socket.create_connection((HOST, port), PATIENCE)
    sock.sendall(data)
    return sock


def read_until(process: "subprocess.Popen[str]", word: str) -> None:
    """Read lines until this one."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.strip() == word:
            return
    raise AssertionError(f"it never printed {word!r}")


def read_all(sock: socket.socket) -> bytes:
    received = bytearray()
    try:
        while data := sock.recv(MIB):
            received += data
    except ConnectionResetError:
        pass
    return bytes(received)


def opened(port: int) -> socket.socket:
    """A WebSocket that is open."""
    sock, received = connect(port, UPGRADE), b""
    while b"\r\n\r\n" not in received:
        received += sock.recv(1)
    return sock


def block_it(port: int, kind: str) -> socket.socket:
    """What makes user code of this kind block."""
    if kind == "callback":
        sock = opened(port)
        sock.sendall(b"\x81\x80\0\0\0\0")
        return sock
    return connect(port, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")


def end(process: "subprocess.Popen[str]", kind: str, signals: list[int]) -> str:
    """Send signals, each when the one before was handled; what is printed at the end."""
    for number in signals:
        process.send_signal(number)
        read_until(process, "stops")
    assert process.stdout is not None
    assert process.stderr is not None
    out, err = process.stdout.read(), process.stderr.read()
    assert process.wait(PATIENCE) == 0, err
    return out


@pytest.mark.parametrize(("kind", "way"), CASES)
@pytest.mark.parametrize("number", SIGNALS)
def test_the_second_signal_breaks_out_of_what_blocks(kind: str, way: str, number: int) -> None:
    grace = 0.0 if number == signal.SIGTERM else 30.0
    with program(kind, way, grace) as (process, port), opened(port) as other:
        with block_it(port, kind):
            if kind == "close callback":
                other.close()
            read_until(process, "blocks")
            count = 3 if kind == "close callback" else 2
            out = end(process, kind, [number] * 2) if count == 2 else ""
            if count == 3:  # the end of the other connection blocks as well
                process.send_signal(number)
                read_until(process, "stops")
                process.send_signal(number)
                while process.poll() is None:
                    assert process.stdout is not None
                    line = process.stdout.readline()
                    if line.startswith("blocks"):
                        process.send_signal(number)
                    out += line
                assert process.returncode == 0
            assert "ended False" in out
        if kind != "close callback":
            assert read_all(other)[2:4] == (1001).to_bytes(2), "a close frame"


def test_who_waits_behind_a_handler_that_blocks_is_answered_and_blocks_nobody() -> None:
    """The handler is not called again for those whose requests have come meanwhile."""
    with program("handler", "start", 30.0) as (process, port):
        request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
        with connect(port, request * 5) as first:
            read_until(process, "blocks")
            with connect(port, request) as second, connect(port, request) as third:
                out = end(process, "handler", [signal.SIGINT] * 2)
                assert "blocks" not in out
                assert read_all(first).startswith(b"HTTP/1.1 500 ")
                for sock in (second, third):
                    answer = read_all(sock)
                    assert not answer or answer.startswith(b"HTTP/1.1 503 ")


def test_a_signal_handled_by_a_tick_at_rest_raises_nothing() -> None:
    for way in ("start", "tick", "asyncio inside", "asyncio outside", "thread"):
        with program("none", way, 30.0) as (process, port), opened(port):
            process.send_signal(signal.SIGTERM)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=PATIENCE)
            if way != "thread":
                assert (process.returncode, err) == (0, "")
                assert "ended False" in out


@pytest.mark.parametrize("number", SIGNALS)
def test_a_thread_that_blocks_does_not_keep_the_process(number: int) -> None:
    """It cannot be interrupted, but the main thread is, and ends as by any KeyboardInterrupt."""
    with program("handler", "thread", 30.0) as (process, port):
        read_until(process, "watches")  # before that a signal ends the program
        with block_it(port, "handler"):
            read_until(process, "blocks")
            for _ in range(2):
                process.send_signal(number)
                read_until(process, "stops")
            assert process.stderr is not None
            assert "KeyboardInterrupt" in process.stderr.read()
            assert process.wait(PATIENCE) == -signal.SIGINT
