"""`sigil top` as a command: in a terminal, in a pipe, and with what is no server of sigil."""

import fcntl
import os
import pty
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from sigil import HttpServer, Response, Routes, make_http_server
from sigil.cli.main import main
from sigil.web import metrics

PATIENCE_S = 60.0


def command(*words: str) -> subprocess.CompletedProcess[str]:
    """`sigil top` with its output in a pipe."""
    line = (sys.executable, "-m", "sigil", "top", *words)
    return subprocess.run(line, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


@pytest.fixture(scope="module")
def server() -> Iterator[HttpServer]:
    """A server with metrics, a page that is none, and an answer that is an error."""
    routes = Routes()
    routes.add("/metrics", metrics(), method="GET")
    routes.add("/page", lambda request: Response.text("<b>no metrics</b>"))
    routes.add("/long", lambda request: Response.text("sigil_connections 1\n" * 2**17))
    routes.add("/secret", lambda request: Response.error(401))
    server = make_http_server(routes, port=0)
    with server.serve_in_thread():
        yield server


def test_in_a_pipe_it_prints_the_figures_once(server: HttpServer) -> None:
    done = command(f"127.0.0.1:{server.port}")
    assert done.returncode == 0 and done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0].startswith("sigil ") and lines[1].endswith("/metrics")
    assert any(line.startswith("clients") for line in lines)


def test_what_is_no_server_of_sigil_is_a_sentence(
    server: HttpServer, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    at = f"http://127.0.0.1:{server.port}"
    for url, sentence in (
        (
            f"http://127.0.0.1:{port}",
            f"cannot read http://127.0.0.1:{port}/metrics: the server cannot be connected to",
        ),
        (f"{at}/page", "are no metrics of a server of sigil"),
        (f"{at}/nothing", "there are no metrics at"),
        (f"{at}/secret", "answers 401"),
        (f"{at}/long", "the body is longer than the 1048576 bytes"),
        ("ftp://a", "cannot read ftp://a"),
        ("http://me:hidden@127.0.0.1/\x1b[31m", "cannot read http://127.0.0.1/\ufffd[31m"),
    ):
        assert main(["top", url]) == 1
        shown = capsys.readouterr()
        assert sentence in shown.err and shown.out == "", (url, shown)
        assert "hidden" not in shown.err
    with pytest.raises(SystemExit, match="2"):
        main(["top", "--interval", "0"])


def shown_until(descriptor: int, word: bytes, seen: bytes = b"") -> bytes:
    """What a terminal has shown when this word was among it."""
    end = time.monotonic() + PATIENCE_S
    while word not in seen:
        ready, _, _ = select.select([descriptor], [], [], max(0.0, end - time.monotonic()))
        assert ready, seen
        seen += os.read(descriptor, 65_536)
    return seen


def test_in_a_terminal_it_shows_what_is_now_and_goes_on_when_the_server_is_gone() -> None:
    server = make_http_server(metrics(), port=0)
    screen, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color"}
    with server.serve_in_thread():
        line = (sys.executable, "-m", "sigil", "top", f"127.0.0.1:{server.port}")
        words = (*line, "--interval", "0.1")
        process = subprocess.Popen(words, stdin=side, stdout=side, stderr=side, env=environment)
        os.close(side)
        shown_until(screen, b"clients")
        shown_until(screen, b"/s")  # a second reading
    shown_until(screen, b"asking on")  # it is gone
    again = make_http_server(metrics(), port=server.port)
    with again.serve_in_thread():
        shown_until(screen, b"serving for", shown_until(screen, b"/s"))
        process.send_signal(signal.SIGINT)
        end = time.monotonic() + PATIENCE_S
        while process.poll() is None and time.monotonic() < end:  # it may have more to say
            if select.select([screen], [], [], 0.05)[0]:
                try:
                    os.read(screen, 65_536)
                except OSError:
                    break
        assert process.wait(PATIENCE_S) == 0
    os.close(screen)


@contextmanager
def shown_in_terminal(
    server: HttpServer, term: str, columns: int, encoding: str = "utf-8"
) -> Iterator[tuple["subprocess.Popen[bytes]", int]]:
    """`sigil top` in a terminal, and the other end of that."""
    screen, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))
    line = (sys.executable, "-m", "sigil", "top", f"127.0.0.1:{server.port}", "--interval", "0.1")
    environment = {**os.environ, "TERM": term, "PYTHONIOENCODING": encoding}
    process = subprocess.Popen(line, stdin=side, stdout=side, stderr=side, env=environment)
    os.close(side)
    try:
        yield process, screen
    finally:
        process.kill()
        process.wait()
        os.close(screen)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_in_a_terminal_without_blocks_the_bars_are_of_other_characters(
    server: HttpServer, encoding: str
) -> None:
    with shown_in_terminal(server, "xterm", 80, encoding) as (process, screen):
        shown_until(screen, b"ring      ........", b"")
        shown_until(screen, b"/s")
        assert process.poll() is None
    line = (sys.executable, "-m", "sigil", "top", f"127.0.0.1:{server.port}", "--once")
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    printed = subprocess.run(line, capture_output=True, env=environment, check=True).stdout
    assert b"ring      ........" in printed and b"\\u" not in printed


def test_in_a_narrow_terminal_each_line_has_a_row_and_a_signal_gives_the_screen_back(
    server: HttpServer,
) -> None:
    with shown_in_terminal(server, "xterm", 10) as (process, screen):
        seen = shown_until(screen, b"clients")
        assert b"sigil 0" in seen  # and not "sigil" above "0.1.0"
        process.send_signal(signal.SIGTERM)
        shown_until(screen, b"\x1b[?1049l", b"")
        assert process.wait(PATIENCE_S) == 128 + signal.SIGTERM


def test_in_a_terminal_that_cannot_be_drawn_in_the_figures_are_printed_once(
    server: HttpServer,
) -> None:
    with shown_in_terminal(server, "dumb", 80) as (process, screen):
        assert b"\x1b" not in shown_until(screen, b"behind ")
        assert process.wait(PATIENCE_S) == 0


def test_without_rich_it_says_what_is_missing() -> None:
    program = (
        "import sys; sys.modules['rich'] = sys.modules['rich.console'] = None\n"
        "from sigil.apps.top.watch import watch\n"
        "from sigil.apps.terminal import CommandError\n"
        "try:\n    watch(None, None, 1.0)\nexcept CommandError as error:\n    print(error)\n"
    )
    done = subprocess.run(
        (sys.executable, "-c", program), capture_output=True, text=True, check=False
    )
    assert "pip install 'sigil-http[top]'" in done.stdout, done.stderr
