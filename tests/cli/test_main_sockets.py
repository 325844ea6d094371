"""Where the command listens besides host and port: Unix sockets, and sockets that it inherits.

Theory: a socket file is a thing that outlives its process, so what is tested is what lies there
before, during and after. Who asks is curl, which shares nothing with sigil; what asks without it is
a plain socket.
"""

import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command import APP, PATIENCE_SECONDS, command, run, running
from tests.tools import need, needs


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory with an application."""
    (tmp_path / "web.py").write_text(APP)
    return tmp_path


def curl(path: Path, target: str) -> str:
    """What curl gets over a Unix socket."""
    command = (
        need("curl"),
        "-sS",
        "--fail",
        "--max-time",
        str(PATIENCE_SECONDS),
        "--unix-socket",
        str(path),
        f"http://sigil.example{target}",
    )
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def ask(address: object, family: socket.AddressFamily = socket.AF_UNIX) -> bytes:
    """The last bytes of what comes back from there."""
    with socket.socket(family) as sock:
        sock.settimeout(PATIENCE_SECONDS)
        sock.connect(address)  # type: ignore[arg-type]
        sock.sendall(b"GET /asked HTTP/1.0\r\n\r\n")
        received = b""
        while data := sock.recv(1000):
            received += data
    return received.rpartition(b"\r\n\r\n")[2]


# -- Unix sockets ----------------------------------------------------------------------------------


@needs("curl")
@pytest.mark.parametrize(
    ("words", "target", "answer"),
    [
        (("serve", "web:app"), "/x", "GET /x"),
        (("serve", "web:later"), "/x", "later"),
        (("demo",), "/hello", "hello from sigil\n"),
    ],
)
def test_curl_is_served_over_a_unix_socket(
    place: Path, words: tuple[str, ...], target: str, answer: str
) -> None:
    path = place / "s"
    with running(*words, "--uds", str(path), folder=place) as server:
        assert server.first_line == f"listening on unix:{path}\n"
        assert stat.S_IMODE(path.lstat().st_mode) == 0o660
        assert curl(path, target) == answer
        ended = server.end()
    assert (ended.status, "Traceback" in ended.err) == (0, False)
    assert not path.exists()


def test_the_permissions_of_the_socket_can_be_chosen(place: Path) -> None:
    with running("serve", "web:app", "--uds", "s", "--uds-mode", "606", folder=place) as server:
        assert server.first_line == "listening on unix:s\n"
        assert stat.S_IMODE((place / "s").lstat().st_mode) == 0o606
        assert ask(str(place / "s")) == b"GET /asked"


def test_a_server_that_was_killed_leaves_nothing_in_the_way_of_the_next(place: Path) -> None:
    path = place / "s"
    with running("serve", "web:app", "--uds", str(path), folder=place) as server:
        server.process.kill()
        server.process.wait(PATIENCE_SECONDS)
        assert path.is_socket()
    with running("serve", "web:app", "--uds", str(path), folder=place) as server:
        assert ask(str(path)) == b"GET /asked"
        assert server.end(signal.SIGTERM).status == 0
    assert not path.exists()


def test_a_socket_that_is_served_is_not_taken_over(place: Path) -> None:
    path = place / "s"
    with running("serve", "web:app", "--uds", str(path), folder=place) as server:
        ended = run("serve", "web:app", "--uds", str(path), folder=place)
        assert (ended.status, ended.out) == (4, "")
        assert ended.err == (
            f"sigil: error: cannot listen: Address already in use: {path} "
            "(another server listens there; choose another path with --uds)\n"
        )
        assert ask(str(path)) == b"GET /asked"
        assert server.end().status == 0


def test_a_file_is_not_taken_for_a_socket(place: Path) -> None:
    (place / "s").write_text("dear")
    ended = run("serve", "web:app", "--uds", "s", folder=place)
    assert (ended.status, ended.out) == (4, "")
    assert ended.err.startswith("sigil: error: cannot listen: it exists and is no socket: s (")
    assert (place / "s").read_text() == "dear"


def test_a_file_that_is_another_s_by_now_is_left_alone(place: Path) -> None:
    path = place / "s"
    with running("serve", "web:app", "--uds", str(path), folder=place) as server:
        path.unlink()
        path.write_text("dear")
        assert server.end().status == 0
    assert path.read_text() == "dear"


@pytest.mark.skipif(sys.platform != "linux", reason="a full queue says so on Linux")
@pytest.mark.parametrize("backlog", [1, 4])
def test_backlog_is_how_many_may_wait(place: Path, backlog: int) -> None:
    with running(
        "serve", "web:app", "--uds", "s", "--backlog", str(backlog), folder=place
    ) as server:
        assert ask(str(place / "s")) == b"GET /asked"
        server.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, server.process.pid, os.WSTOPPED)
        crowd = [socket.socket(socket.AF_UNIX) for _ in range(10)]
        for sock in crowd:
            sock.setblocking(False)
        came_in = [sock.connect_ex(str(place / "s")) for sock in crowd].count(0)
        server.process.send_signal(signal.SIGCONT)
        for sock in crowd:
            sock.close()
        assert came_in == backlog + 1  # the kernel's way to count
        assert server.end().status == 0


# -- copies of sockets -----------------------------------------------------------------------------

FORKING = """\
import os, signal, sys
from sigil.cli.main import main

def fork(*_):
    if not os.fork():
        os.write(1, b"forked\\n")
        os.close(1)
        os.close(2)
        os.read(until, 1)
        os._exit(0)

until = int(sys.argv.pop(1))
signal.signal(signal.SIGUSR1, fork)
main(sys.argv[1:])
"""


@pytest.mark.parametrize("words", [("serve", "web:app"), ("demo",), ("stream",)])
def test_a_port_can_be_had_again_though_a_child_has_a_copy_of_the_listener(
    place: Path, words: tuple[str, ...]
) -> None:
    reading, writing = os.pipe()
    command = (sys.executable, "-c", FORKING, str(reading), *words, "--port", "0")
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, cwd=place, stdin=pipe, stdout=pipe, pass_fds=(reading,))
    watchdog = threading.Timer(PATIENCE_SECONDS, process.kill)
    watchdog.start()
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline().rpartition(b":")[2])
        if words != ("serve", "web:app"):
            process.stdout.readline()  # "open it in a browser"
        process.send_signal(signal.SIGUSR1)
        while process.stdout.readline() != b"forked\n":
            assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_SECONDS) == 0
        socket.create_server(("127.0.0.1", port)).close()
    finally:
        watchdog.cancel()
        process.kill()
        os.close(writing)
        os.close(reading)
        process.communicate()


# -- inherited sockets -----------------------------------------------------------------------------


@pytest.fixture
def opened() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@pytest.mark.parametrize("words", [("serve", "web:app"), ("serve", "web:later"), ("demo",)])
def test_an_inherited_socket_is_served(
    place: Path, opened: socket.socket, words: tuple[str, ...]
) -> None:
    number = opened.fileno()
    with running(*words, "--fd", str(number), folder=place, descriptors=[number]) as server:
        assert server.first_line == f"listening on http://127.0.0.1:{opened.getsockname()[1]}\n"
        opened.close()
        assert server.get("/hello")[0] == 200
        ended = server.end()
    assert (ended.status, "Traceback" in ended.err) == (0, False)


def test_an_inherited_socket_goes_on_listening_after_its_server(
    place: Path, opened: socket.socket
) -> None:
    number = opened.fileno()
    for _ in range(2):
        with running(
            "serve", "web:app", "--fd", str(number), folder=place, descriptors=[number]
        ) as server:
            assert ask(opened.getsockname(), socket.AF_INET) == b"GET /asked"
            assert server.end().status == 0
    socket.create_connection(opened.getsockname()).close()


def test_an_inherited_unix_socket_keeps_its_file(place: Path) -> None:
    path = place / "s"
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(str(path))
        opened.listen()
        number = opened.fileno()
        with running(
            "serve", "web:app", "--fd", str(number), folder=place, descriptors=[number]
        ) as server:
            assert server.first_line == f"listening on unix:{path}\n"
            assert ask(str(path)) == b"GET /asked"
            assert server.end().status == 0
    assert path.is_socket()  # whoever made it may want it back


@pytest.mark.parametrize(
    ("number", "complaint"),
    [
        ("0", "Socket operation on non-socket: descriptor 0"),
        ("99", "Bad file descriptor: descriptor 99 (--fd is"),
    ],
)
def test_a_descriptor_that_is_no_socket_ends_with_4(
    place: Path, number: str, complaint: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sigil", "serve", "web:app", "--fd", number],
        cwd=place,
        text=True,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE_SECONDS,
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (4, "", 1)
    assert done.stderr.startswith(f"sigil: error: cannot listen: {complaint}")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_standard_streams_that_are_closed_stop_nobody_and_are_no_sockets(closed: str) -> None:
    words = ["sh", "-c", f'exec "$@" {closed}', "sh", *command("stream", "--port", "0")]
    ended = subprocess.run(
        words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE_SECONDS
    )
    assert (ended.returncode, "Traceback" in ended.stderr) == (0, False)
