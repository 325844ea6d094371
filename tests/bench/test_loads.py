"""The loads in C count right answers, and refuse those that are wrong, missing, doubled or out of
order.

Each is run against a server of a few lines that says what a test wants it to say. It does not know
what a load costs.
"""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.bench.processes import COMPILE_FLAGS, NATIVE
from tests.bench.requests import GET_QUERY
from tests.tools import need


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tools")
    for source in NATIVE.glob("*.c"):
        flags = ("-Wall", "-Wextra", "-Werror", *COMPILE_FLAGS)
        command = (need("cc"), *flags, "-o", str(folder / source.stem), str(source))
        subprocess.run(command, check=True, timeout=60)
    return folder


def run_load(
    command: list[str],
    port_at: int,
    serve: Callable[[socket.socket], None],
    control: tuple[int, ...] = (),
) -> subprocess.CompletedProcess[str]:
    """The load against a server that is a function of a connection; it inherits `control`."""

    def accept() -> None:
        while True:
            try:
                sock, _ = listening.accept()
            except OSError:
                return
            with sock, suppress(ConnectionError):
                sock.settimeout(10)
                serve(sock)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        command[port_at] = str(listening.getsockname()[1])
        done = subprocess.run(
            command,
            input="go\n",
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            pass_fds=control,
        )
        for descriptor in control:
            os.close(descriptor)
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(10)
        return done


def response(body: bytes, status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)


def run_http_load(tools: Path, answer: Callable[[int], bytes]) -> subprocess.CompletedProcess[str]:
    """One connection, four requests, one at a time; each must have its own number back."""

    def serve(sock: socket.socket) -> None:
        while data := sock.recv(4096):
            sock.sendall(answer(int(data.partition(b"id=")[2][:10])))

    at = (GET_QUERY.find("0000000000"), 0)
    numbers = (0, 1, 1, 2, 4, *at, 1, 0, 20)
    command = [str(tools / "http_load"), *map(str, numbers), GET_QUERY, "0000000000"]
    return run_load(command, 1, serve)


def test_the_http_load_counts_right_answers(tools: Path) -> None:
    done = run_http_load(tools, lambda number: response(b"%010d" % number))
    size = len(response(b"0000000000"))
    assert (done.returncode, done.stdout) == (0, f"ready {size}\ndone 4 {4 * size}\n")


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (lambda number: response(b"%010d" % number, b"500 Internal Server Error"), "status"),
        (lambda number: response(b"%010d" % (number + 1)), "body"),
        (lambda number: response(b"%010d" % (number // 2)), "body"),
        (lambda number: response(b"%010d\n" % number), "length"),
        (lambda number: b"HTTP/1.1 200 OK\r\n\r\n%010d" % number, "no content-length"),
        (lambda number: response(b"%010d" % number) + b"x", "more bytes than asked for"),
    ],
    ids=["status", "another", "repeated", "length", "unframed", "more"],
)
def test_the_http_load_refuses_a_wrong_answer(
    tools: Path, answer: Callable[[int], bytes], why: str
) -> None:
    done = run_http_load(tools, answer)
    assert (done.returncode, done.stderr) == (1, f"load: {why}: wrong answer\n")
    assert "done" not in done.stdout


UPGRADED = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)


def frame(payload: bytes, first: int = 0x81) -> bytes:
    return bytes((first, len(payload))) + payload


def run_echo_load(tools: Path, reply: bytes) -> subprocess.CompletedProcess[str]:
    """One WebSocket that sends a text and a ping, twice, and is answered with these bytes."""

    def serve(sock: socket.socket) -> None:
        sock.recv(4096)
        sock.sendall(UPGRADED)
        while sock.recv(4096):
            sock.sendall(reply)

    numbers = (0, 1, 1, 12, 1, 1, 1, 1, 1, 0, 20)
    return run_load([str(tools / "websocket_load"), "echo", *map(str, numbers)], 2, serve)


TEXT, PONG = frame(b"0000000000xx"), frame(b"pin\0", 0x8A)


@pytest.mark.parametrize("reply", [TEXT + PONG, PONG + TEXT], ids=["text first", "pong first"])
def test_the_websocket_load_counts_right_answers(tools: Path, reply: bytes) -> None:
    done = run_echo_load(tools, reply)
    assert (done.returncode, done.stdout) == (0, f"ready\ndone 1 {len(reply)}\n")


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (frame(b"0000000001xx") + PONG, "payload"),
        (frame(b"0000000000xx", 0x82) + PONG, "frame"),
        (frame(b"0000000000x") + PONG, "frame"),
        (TEXT + PONG + PONG, "more bytes than asked for"),
        (TEXT + frame(b"pin\1", 0x8A), "pong"),
    ],
    ids=["another", "binary", "length", "twice", "pong"],
)
def test_the_websocket_load_refuses_a_wrong_answer(tools: Path, reply: bytes, why: str) -> None:
    done = run_echo_load(tools, reply)
    assert (done.returncode, done.stderr) == (1, f"load: {why}: wrong answer\n")


@pytest.mark.parametrize(
    ("numbers", "ends"),
    [((0, 1, 2, 3), 0), ((0, 2, 3, 4), 1), ((0, 0, 1, 2), 1), ((0, 2, 1, 3), 1)],
    ids=["in order", "a gap", "doubled", "out of order"],
)
def test_what_is_read_is_gapless_and_in_order(
    tools: Path, numbers: tuple[int, ...], ends: int
) -> None:
    control, orders = os.pipe()

    def serve(sock: socket.socket) -> None:
        sock.recv(4096)
        sock.sendall(UPGRADED)
        for number in numbers:
            if os.read(control, 1):
                sock.sendall(frame(b"%010dxx" % number))
        os.close(control)

    words = (0, 1, 1, 12, 1, 0, 1, 3, orders, 0, 20)
    command = [str(tools / "websocket_load"), "read", *map(str, words)]
    done = run_load(command, 2, serve, (orders,))
    wrong = "load: payload: wrong answer\n" if ends else ""
    assert (done.returncode, done.stderr) == (ends, wrong)
