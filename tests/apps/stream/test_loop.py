"""`sigil stream` as a person meets it: a real process at the end of a real pipe, and real clients.

Theory: what is written into the pipe is known, so what clients receive is known too, but for when.
So a test writes, and reads until it has what it wants; a process has a deadline, after which it is
killed and the reading ends. The clients are the library `websockets` and curl, which share nothing
with sigil.
"""

import json
import os
import pty
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import IO, Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.support.command import PATIENCE_SECONDS, command, run
from tests.tools import need, needs

MIB = 2**20
SAY_SECONDS = 60.0
LIFE_SECONDS = 300.0
"""No process of a test is there for longer."""
needs_proc = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="this system has no /proc"
)


class Streaming:
    """The command, its pipes, and where it listens."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdout is not None and process.stderr is not None
        self.process = process
        self.out, self.err = process.stdout, process.stderr
        self.first_line = self.out.readline().decode()
        port = self.first_line.rstrip().rpartition(":")[2]
        assert port.isdecimal(), self.err.read().decode()
        self.port = int(port)

    def write(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def end_input(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    def subscribe(self, query: str = "") -> ClientConnection:
        return connect(
            f"ws://127.0.0.1:{self.port}/ws{query}",
            compression=None,
            max_size=None,
            open_timeout=PATIENCE_SECONDS,
            close_timeout=0.5,
        )  # nobody waits for what it never reads

    def get(self, path: str) -> tuple[int, bytes]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_SECONDS)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def figures(self) -> dict[str, Any]:
        figures = json.loads(self.get("/stream.json")[1])
        assert isinstance(figures, dict)
        return figures

    def wait_for_lines(self, count: int) -> None:
        """Ask until so many were read; the watchdog bounds it."""
        while self.figures()["lines"] < count:
            assert self.process.poll() is None

    def line_with(self, text: str) -> str:
        """The next line of the log that has this text in it."""
        logged = []
        for line in self.err:
            logged.append(line.decode())
            if text in logged[-1]:
                return logged[-1]
        raise AssertionError(f"it never logged {text!r}: {logged}")

    def peak_bytes(self) -> int:
        """The most memory that it ever had."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return 1024 * int(status.partition("VmHWM:")[2].split()[0])

    def ended(self) -> tuple[int, str]:
        """Its status, and what is left of the log."""
        log = self.err.read().decode()
        return self.process.wait(PATIENCE_SECONDS), log


@contextmanager
def streaming(
    *flags: str,
    stdin: int | IO[bytes] = subprocess.PIPE,
    patience_seconds: float = LIFE_SECONDS,
    before: tuple[str, ...] = (),
    group: int | None = None,
) -> Iterator[Streaming]:
    """`sigil stream` with these flags; `before` is what starts it, `group` the process group it
    joins.
    """
    process = subprocess.Popen(
        [*before, *command("stream", "--port", "0", "--no-access-log", *flags)],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        process_group=group,
    )
    watchdog = threading.Timer(patience_seconds, process.kill)
    watchdog.start()
    try:
        yield Streaming(process)
    finally:
        watchdog.cancel()
        process.kill()
        process.wait(PATIENCE_SECONDS)
        for end in (process.stdin, process.stdout, process.stderr):
            if end is not None:
                end.close()


def rest_of(subscriber: ClientConnection) -> tuple[list[str | bytes], int]:
    """All that comes until the end, and the close code."""
    received: list[str | bytes] = []
    try:
        while True:
            received.append(subscriber.recv(PATIENCE_SECONDS))
    except ConnectionClosed as end:
        return received, end.rcvd.code if end.rcvd is not None else 1006


# -- lines -----------------------------------------------------------------------------------------


def test_lines_arrive_as_they_are_and_the_end_of_them_is_the_end() -> None:
    with streaming() as server:
        assert server.first_line == f"listening on http://127.0.0.1:{server.port}\n"
        with server.subscribe() as early:
            server.write(b"a\r\n\nb\xc3\xa9\n\xff\xfe\r\n")
            assert [early.recv(PATIENCE_SECONDS) for _ in range(4)] == ["a", "", "bé", b"\xff\xfe"]
            server.write(b"in two ")
            server.write(b"pieces\nno end")
            assert early.recv(PATIENCE_SECONDS) == "in two pieces"
            with server.subscribe() as late:
                server.end_input()
                assert rest_of(early) == (["no end"], 1001)
                assert rest_of(late) == (
                    ["a", "", "bé", b"\xff\xfe", "in two pieces", "no end"],
                    1001,
                )
        status, log = server.ended()
        assert server.out.read() == b"open it in a browser; Ctrl-C stops it\n"
    assert status == 0
    assert "standard input has ended after 6 lines\n" in log
    assert "Traceback" not in log


@needs("curl")
def test_curl_hears_the_texts_until_the_end() -> None:
    with streaming() as server:
        server.write(b"a\n\xff\nb\n")
        server.wait_for_lines(3)
        curl = subprocess.Popen(
            [
                need("curl"),
                "-sSN",
                "--max-time",
                str(PATIENCE_SECONDS),
                f"http://127.0.0.1:{server.port}/events",
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert curl.stdout is not None
            data = (line for line in curl.stdout if line.startswith("data:"))
            assert [next(data), next(data)] == ["data: a\n", "data: b\n"]
            server.write(b"c\n")
            server.end_input()
            assert list(data) == ["data: c\n"]
            assert curl.wait(PATIENCE_SECONDS) == 0
        finally:
            curl.kill()
            curl.communicate()
        assert server.ended()[0] == 0


def test_flags_for_topics_and_history() -> None:
    with streaming("--topic-field", "of", "--history", "3") as server:
        server.write(b'{"of":"a"}\n{"of":"b"}\n{"of":1}\nall\n')
        server.wait_for_lines(4)
        with (
            server.subscribe("?topic=a&topic=1") as some,
            server.subscribe() as every,
            server.subscribe("?history=1") as last,
        ):
            server.end_input()
            assert rest_of(some) == (['{"of":"a"}', '{"of":1}', "all"], 1001)
            assert rest_of(every) == (['{"of":"b"}', '{"of":1}', "all"], 1001)
            assert rest_of(last) == (["all"], 1001)


@needs_proc
def test_a_line_without_end_is_skipped_in_bounded_memory() -> None:
    with streaming("--max-line", "1000", "--linger") as server, server.subscribe() as subscriber:
        before = server.peak_bytes()
        server.write(b"before\n")
        for _ in range(64):
            server.write(bytes(MIB))
        server.write(b"\nafter\n" + b"x" * 1000 + b"\n" + b"x" * 1001 + b"\n")
        server.end_input()
        assert server.line_with("WARNING").endswith(
            "line 2 is longer than --max-line, 1000 bytes, and was not published (1 so far)\n"
        )
        assert "WARNING" not in server.line_with(
            "after 5 lines, of which 2 were too long to be published"
        )
        assert server.peak_bytes() - before < 8 * MIB
        server.process.send_signal(signal.SIGTERM)
        assert rest_of(subscriber) == (["before", "after", "x" * 1000], 1001)
        assert server.ended()[0] == 0


# -- the input -------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_lingers_until_a_signal_comes(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "log").write_bytes(b"".join(b"%d\n" % line for line in range(100_000)))
    with (
        (tmp_path / "log").open("rb") as log,
        streaming("--linger", "--history", "2", stdin=log) as server,
    ):
        server.line_with("standard input has ended after 100000 lines")
        assert server.figures()["has_ended"] is True
        with server.subscribe() as subscriber:
            assert [subscriber.recv(PATIENCE_SECONDS) for _ in range(2)] == ["99998", "99999"]
            server.process.send_signal(number)
            assert rest_of(subscriber) == ([], 1001)
        assert server.ended()[0] == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_after_what_was_read(number: signal.Signals) -> None:
    with streaming() as server, server.subscribe() as subscriber:
        server.write(b"a\nb\n")
        assert [subscriber.recv(PATIENCE_SECONDS) for _ in range(2)] == ["a", "b"]
        server.write(b"no end")
        server.write(b"\nc\nno end")
        assert [subscriber.recv(PATIENCE_SECONDS) for _ in range(2)] == ["no end", "c"]
        server.process.send_signal(number)
        assert rest_of(subscriber) == (["no end"], 1001)
        status, log = server.ended()
    assert status == 0
    assert "standard input has ended" not in log


def test_an_interrupt_that_reaches_the_whole_pipeline_ends_it_cleanly() -> None:
    source = "import itertools\nfor number in itertools.count(): print(number, flush=True)"
    writer = subprocess.Popen(
        [sys.executable, "-c", source],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        process_group=0,
    )
    try:
        assert writer.stdout is not None
        with (
            streaming(stdin=writer.stdout, group=writer.pid) as server,
            server.subscribe() as subscriber,
        ):
            first = int(subscriber.recv(PATIENCE_SECONDS))
            os.killpg(writer.pid, signal.SIGINT)
            received, code = rest_of(subscriber)
            assert [int(line) for line in received] == list(
                range(first + 1, first + 1 + len(received))
            )
            assert code == 1001
            status, log = server.ended()
        assert status == 0
        assert "Traceback" not in log
    finally:
        writer.kill()
        writer.communicate()


def test_a_second_signal_ends_it_at_once() -> None:
    with streaming("--timeout-graceful-shutdown", "600") as server, stalled(server):
        fill(server)
        server.process.send_signal(signal.SIGINT)
        server.line_with("stopped listening")
        assert server.process.poll() is None
        server.process.send_signal(signal.SIGINT)
        assert server.ended()[0] == 0


def test_the_end_of_the_input_is_no_signal() -> None:
    with streaming("--timeout-graceful-shutdown", "600") as server, stalled(server):
        fill(server)
        server.end_input()
        server.line_with("stopped listening")
        server.process.send_signal(signal.SIGINT)
        server.line_with(
            "sigil: the input has ended, and clients are being sent the rest; "
            "Ctrl-C again stops now"
        )
        assert server.process.poll() is None
        server.process.send_signal(signal.SIGINT)
        assert server.ended()[0] == 0


def test_a_signal_after_the_end_of_the_input_takes_nothing_from_anybody() -> None:
    with (
        streaming("--timeout-graceful-shutdown", "600") as server,
        server.subscribe() as subscriber,
    ):
        fill(server)
        server.end_input()
        server.line_with("stopped listening")
        server.process.send_signal(signal.SIGTERM)
        server.line_with("Ctrl-C again stops now")
        received, code = rest_of(subscriber)
        assert [int(str(line)[:15]) for line in received] == list(range(8 * MIB // len(LINE)))
        assert (code, server.ended()[0]) == (1001, 0)


def test_what_is_typed_is_streamed_and_control_d_ends_it() -> None:
    terminal, end = pty.openpty()
    try:
        with streaming(stdin=end) as server, server.subscribe() as subscriber:
            server.line_with("sigil: reading lines from the terminal; Ctrl-D ends the input")
            os.write(terminal, b"typed\n")
            assert subscriber.recv(PATIENCE_SECONDS) == "typed"
            os.write(terminal, b"\x04")
            assert rest_of(subscriber) == ([], 1001)
            assert server.ended()[0] == 0
    finally:
        os.close(terminal)
        os.close(end)


def test_a_terminal_that_goes_away_is_the_end_of_the_input() -> None:
    terminal, end = pty.openpty()
    with streaming(stdin=end) as server, server.subscribe() as subscriber:
        os.close(end)
        os.write(terminal, b"typed\n")
        assert subscriber.recv(PATIENCE_SECONDS) == "typed"
        os.close(terminal)
        assert rest_of(subscriber) == ([], 1001)
        assert server.ended()[0] == 0


@pytest.mark.parametrize(
    ("redirection", "text"),
    [
        ("<&-", "standard input is closed: there are no lines to publish"),
        ("0>/dev/null", "standard input cannot be read: Bad file descriptor"),
        ("</dev/null", "standard input has ended after 0 lines"),
    ],
)
def test_an_input_that_gives_nothing_is_one_that_has_ended(redirection: str, text: str) -> None:
    shell = ("sh", "-c", f'exec "$@" {redirection}', "sh")
    with streaming(stdin=subprocess.DEVNULL, before=shell) as server:
        status, log = server.ended()
    assert status == 0
    assert text in log and "Traceback" not in log
    with streaming("--linger", stdin=subprocess.DEVNULL, before=shell) as server:
        server.line_with("standard input has ended")
        assert server.get("/")[0] == 200
        server.process.send_signal(signal.SIGTERM)
        assert server.ended()[0] == 0


def test_a_socket_to_listen_on_is_not_read() -> None:
    ended = run("stream", "--fd", "0")
    assert (ended.status, ended.out) == (2, "")
    assert ended.err == (
        "sigil: error: --fd 0 is standard input, from which lines are read: "
        "pass the socket as another descriptor\n"
    )


# -- more than anybody can take --------------------------------------------------------------------


LINE = b"%015d" + b"x" * 10_000 + b"\n"


def fill(server: Streaming, length: int = 8 * MIB) -> None:
    """Write so much; it returns when all of it is on its way."""
    for number in range(length // len(LINE)):
        server.write(LINE % number)


@contextmanager
def stalled(server: Streaming) -> Iterator[socket.socket]:
    """A WebSocket that has shaken hands and reads nothing."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8_192)
        sock.settimeout(PATIENCE_SECONDS)
        sock.connect(("127.0.0.1", server.port))
        sock.sendall(
            b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert sock.recv(12) == b"HTTP/1.1 101"
        yield sock


@needs_proc
def test_a_stalled_client_slows_nobody_and_is_dropped() -> None:
    with (
        streaming(patience_seconds=SAY_SECONDS) as server,
        stalled(server),
        server.subscribe("?topic=none") as other,
    ):
        for start in range(
            0, 16_000, 100
        ):  # the other one is a client that keeps up, however slow this machine is
            for number in range(start, start + 100):
                server.write(LINE % number)
            received = [int(str(other.recv(PATIENCE_SECONDS))[:15]) for _ in range(100)]
            assert received == list(range(start, start + 100))
        server.end_input()
        assert rest_of(other) == ([], 1001)
        assert server.peak_bytes() < 160 * MIB  # of which the ring has 64
        status, log = server.ended()
    assert status == 0
    assert log.count("dropped, WS_CLIENT_TOO_SLOW: it needed message") == 1


def test_a_flood_of_short_lines_keeps_nobody_from_being_served() -> None:
    flood = subprocess.Popen(
        [sys.executable, "-c", "import sys\nwhile True: sys.stdout.write('y\\n' * 50_000)"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert flood.stdout is not None
        with streaming(stdin=flood.stdout) as server:
            with server.subscribe("?history=7") as subscriber:
                assert [subscriber.recv(PATIENCE_SECONDS) for _ in range(100)] == ["y"] * 100
            counts = [server.figures()["lines"] for _ in range(10)]
            assert counts == sorted(set(counts))
            assert server.get("/")[0] == 200
            server.process.send_signal(signal.SIGINT)
            assert server.ended()[0] == 0
    finally:
        flood.kill()
        flood.communicate()
