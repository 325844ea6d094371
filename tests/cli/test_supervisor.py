"""Several processes on one port, as a person meets them: they serve, die, are replaced, and end.

Theory: what is decided is tried in test_supervision; here is what only processes show: sockets that
are shared, queues that outlive whoever read them, and that nobody stays behind. That a process has
ended is seen by its standard error, which all of them share, as it ends when the last of them has.

Rules: whoever waits, waits for a line of the log or for an answer. A worker is known by the number
of its process, which it answers with.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from tests.support.command import PATIENCE_SECONDS, Ended, Running, run, running

APP = """\
import os, signal, sys, threading
from sigil import Deferred, Request, Response, make_http_server

def app(request: Request):
    if request.path != "/":
        print("handling", request.path, file=sys.stderr, flush=True)
    if request.path == "/slow":
        deferred = Deferred()
        threading.Thread(target=wait, args=(deferred,), daemon=True).start()
        return deferred
    if request.path == "/stuck":
        threading.Event().wait()
    if request.path == "/child":
        return Response.text(str(status_of_child()))
    if request.path == "/blocked":
        return Response.text(str(signal.pthread_sigmask(signal.SIG_BLOCK, ())))
    return Response.text(str(os.getpid()))

def wait(deferred):
    while not os.path.exists("go"):
        threading.Event().wait(0.01)
    deferred.resolve(Response.text("slow"))

def status_of_child():
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.write(writing, b"!")
        threading.Event().wait(60)
        os._exit(0)
    os.read(reading, 1)
    os.kill(child, signal.SIGTERM)
    return os.waitpid(child, 0)[1]

server = make_http_server(app, port=0)

if os.path.exists("broken"):
    raise LookupError("no such thing")
"""

MANY_STARTS_SECONDS = 6 * PATIENCE_SECONDS
"""For a command that starts many processes, one after another."""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory with an application."""
    (tmp_path / "web.py").write_text(APP)
    return tmp_path


class Workers:
    """A command with workers, of which one at least serves, and what it has logged so far."""

    def __init__(self, running: Running) -> None:
        self.running, self.process, self.port = running, running.process, running.port
        self.log = ""

    def wait_for(self, pattern: str, count: int = 1) -> list[str]:
        """What the first group of the pattern is in so many of the lines that are logged now."""
        assert self.process.stderr is not None
        found: list[str] = []
        while len(found) < count:
            line = self.process.stderr.readline()
            assert line, f"{pattern!r} was not logged, but: {self.log}"
            self.log += line
            match = re.search(pattern, line)
            found += [match[1]] if match else []
        return found

    def wait_for_workers(self, count: int) -> list[int]:
        """The numbers of so many processes that begin to listen."""
        return [int(pid) for pid in self.wait_for(r"\[(\d+)\] sigil.server: listening", count)]

    def pid(self) -> int:
        """The process that answers."""
        status, text = self.running.get("/")
        assert status == 200
        return int(text)

    def end(self, number: int = signal.SIGINT) -> Ended:
        self.process.send_signal(number)
        return self.ended()

    def ended(self) -> Ended:
        ended = self.running.ended()
        self.log += ended.err
        return ended


@contextmanager
def serving(place: Path, *words: str, has_own_group: bool = False) -> Iterator[Workers]:
    """A command with two workers."""
    command = ("serve", "web:app", "--workers", "2", *words)
    with running(
        *command, folder=place, has_own_group=has_own_group, patience=MANY_STARTS_SECONDS
    ) as server:
        assert "listening on" in server.first_line, server.ended()
        yield Workers(server)


class Client:
    """A connection that is kept."""

    def __init__(self, port: int) -> None:
        self._sock = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS)
        self._file = self._sock.makefile("rb")

    def send(self, path: str = "/") -> None:
        self._sock.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())

    def answer(self) -> str:
        """The body of the next response; empty if the connection has ended."""
        length = 0
        try:
            while (line := self._file.readline()) not in (b"\r\n", b""):
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            return self._file.read(length).decode()
        except ConnectionError:
            return ""

    def ask(self) -> str:
        self.send()
        return self.answer()

    def close(self) -> None:
        self._file.close()
        self._sock.close()


def test_workers_serve_one_port_are_replaced_restarted_and_end_together(place: Path) -> None:
    with serving(place, "--no-access-log") as server:
        assert server.running.first_line == f"listening on http://127.0.0.1:{server.port}\n"
        first = server.wait_for_workers(2)
        assert server.pid() in first
        assert server.running.get("/blocked") == (200, "set()")  # what user code starts inherits it

        os.kill(first[0], signal.SIGKILL)
        server.wait_for(f"worker ({first[0]}) was ended by SIGKILL; another is started now")
        (third,) = server.wait_for_workers(1)
        os.kill(first[1], signal.SIGTERM)
        server.wait_for(f"worker ({first[1]}) ended with status 0: another takes its place")
        (fourth,) = server.wait_for_workers(1)

        server.process.send_signal(signal.SIGHUP)
        server.wait_for("(restarting 2 workers, one after another)")
        fifth = server.wait_for_workers(2)
        server.wait_for(r"\[(\d+)\] sigil.server: stopped listening", 1)
        assert server.pid() in fifth and not {third, fourth} & set(fifth)

        server.process.send_signal(signal.SIGTTIN)
        assert len(server.wait_for_workers(1)) == 1
        server.process.send_signal(signal.SIGTTOU)
        server.wait_for("(2 workers are wanted, there were 3)")
        ended = server.end(signal.SIGTERM)
    assert (ended.status, ended.out) == (0, server.running.first_line)
    assert "Traceback" not in server.log


def test_a_worker_that_dies_under_load_loses_only_its_own_connections(place: Path) -> None:
    with serving(place, "--no-access-log") as server, ExitStack() as stack:
        pids = server.wait_for_workers(2)
        clients: dict[int, list[Client]] = {pid: [] for pid in pids}
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not all(clients.values()):  # until both have some
            assert time.monotonic() < deadline
            client = Client(server.port)
            stack.callback(client.close)
            clients[int(client.ask())].append(client)
        dying, other = pids
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        waiting = [Client(server.port) for _ in range(20)]  # in the kernel, and nobody's yet
        for client in waiting:
            stack.callback(client.close)
            client.send()
        for client in (*clients[dying], *clients[other]):
            client.send()
        os.kill(dying, signal.SIGKILL)
        os.kill(other, signal.SIGCONT)
        assert {client.answer() for client in clients[dying]} == {""}
        assert {client.answer() for client in clients[other]} == {str(other)}
        (new,) = server.wait_for_workers(1)
        assert {client.answer() for client in waiting} <= {str(other), str(new)}
        assert server.end().status == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_is_under_way_is_answered_when_all_are_to_end(place: Path, number: int) -> None:
    with serving(place, "--no-access-log", has_own_group=True) as server:
        client = Client(server.port)
        client.send("/slow")
        server.wait_for("handling (/slow)")
        os.killpg(server.process.pid, number)  # as a terminal or systemd does, to the workers too
        server.wait_for("(stopped listening)")
        (place / "go").touch()
        assert client.answer() == "slow"
        client.close()
        assert server.ended().status == 0
        with pytest.raises(ConnectionRefusedError):
            Client(server.port)


def test_a_signal_to_a_child_of_a_worker_ends_it_and_not_the_worker(place: Path) -> None:
    with serving(place) as workers:
        workers.wait_for_workers(2)
        assert workers.running.get("/child") == (200, str(int(signal.SIGTERM)))
        assert workers.end().status == 0
    assert "sigil.server: listening" not in workers.log.partition("/child")[2]


def test_a_second_signal_ends_all_at_once(place: Path) -> None:
    words = ("--no-access-log", "--timeout-graceful-shutdown", "600")
    with serving(place, *words) as server:
        server.wait_for_workers(2)
        clients = [Client(server.port) for _ in range(2)]
        for client, path in zip(clients, ("/slow", "/stuck"), strict=True):
            client.send(path)
            server.wait_for(f"handling ({path})")
        server.process.send_signal(signal.SIGTERM)
        server.wait_for("(stopped listening)")
        assert server.end(signal.SIGTERM).status == 0
        assert "slow" not in {client.answer() for client in clients}
        for client in clients:
            client.close()


def test_nobody_stays_behind_when_the_parent_is_killed(place: Path) -> None:
    with serving(place, "--timeout-graceful-shutdown", "0", has_own_group=True) as server:
        server.wait_for_workers(2)
        client = Client(server.port)
        client.send("/stuck")
        server.wait_for("handling (/stuck)")
        server.process.kill()
        try:
            server.ended()  # when the last process that has its standard error has ended
            with pytest.raises(ConnectionRefusedError):
                Client(server.port)
            client.close()
        finally:
            with suppress(ProcessLookupError):
                os.killpg(server.process.pid, signal.SIGKILL)


def test_a_worker_is_replaced_after_so_many_requests(place: Path) -> None:
    with serving(place, "--limit-max-requests", "2") as server:
        first = server.wait_for_workers(2)
        seen: set[int] = set()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not seen - set(first):
            assert time.monotonic() < deadline
            seen.add(server.pid())
        assert server.end().status == 0
        ended = rf"worker ({'|'.join(map(str, first))}) ended with status 0: another takes its"
        assert re.search(ended, server.log)


def test_an_http_server_is_served_where_it_says_over_a_unix_socket_and_by_a_descriptor(
    place: Path,
) -> None:
    words = ("serve", "web:server", "--workers", "2", "--uds", "s")
    with running(*words, folder=place) as server:
        assert server.first_line == "listening on unix:s\n"
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(place / "s"))
            sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert sock.recv(1000).startswith(b"HTTP/1.1 200")
        assert server.end().status == 0
    assert not (place / "s").exists()
    with socket.create_server(("127.0.0.1", 0)) as opened:
        number, port = opened.fileno(), opened.getsockname()[1]
        words = ("serve", "web:server", "--workers", "2", "--fd", str(number))
        with running(*words, folder=place, descriptors=[number]) as server:
            assert server.port == port
            assert server.get("/")[0] == 200
            assert server.end().status == 0
        Client(port).close()  # it goes on listening


TERMINAL = """\
import os, pty, sys
pid, terminal = pty.fork()
if not pid:
    os.execv(sys.executable, [sys.executable, "-m", "sigil", *sys.argv[1:]])
seen = b""
while b"listening on http" not in seen:
    seen += os.read(terminal, 1000)
os.close(terminal)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


def test_all_end_with_the_terminal_that_they_were_started_in(place: Path) -> None:
    words = ("serve", "web:app", "--workers", "2", "--port", "0")
    command = (sys.executable, "-c", TERMINAL, *words)
    done = subprocess.run(
        command, cwd=place, capture_output=True, text=True, timeout=PATIENCE_SECONDS
    )
    assert (done.stdout, done.returncode) == ("0\n", 0)


# -- what cannot be started ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "status", "sentence"),
    [
        ("web:missing", 3, "sigil: error: there is no web:missing: module 'web' has no attribute"),
        ("nowhere:app", 3, "sigil: error: no module 'nowhere'"),
        ("web:app", 4, "sigil: error: cannot listen: Address already in use: 127.0.0.1:"),
    ],
)
def test_what_cannot_be_started_is_said_once_and_ends_the_command(
    place: Path, target: str, status: int, sentence: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = run("serve", target, "--workers", "3", "--port", port, folder=place)
    assert (ended.status, ended.out, ended.err.count("sigil: error:")) == (status, "", 1)
    assert ended.err.startswith(sentence)


def test_a_new_worker_that_cannot_be_started_leaves_the_others_alone(place: Path) -> None:
    with serving(place) as server:
        first = server.wait_for_workers(2)
        (place / "broken").touch()
        server.process.send_signal(signal.SIGHUP)
        server.wait_for("worker (.*) ended with status 3 before it served: the others stay as they")
        assert "LookupError: no such thing" in server.log
        assert server.pid() in first
        os.kill(first[0], signal.SIGKILL)
        server.wait_for("worker (.*) ended with status 3 before it served; another is started in")
        assert server.pid() == first[1]
        assert server.end().status == 0
