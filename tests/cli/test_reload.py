"""`--reload`: what is saved is served, by real processes, and nobody who comes meanwhile is
refused.

Theory: a test changes a file and asks until the new answer comes; what the parent does in between
is read from what it says on stderr. Every wait ends with the watchdog of the process, which takes
its children along.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.support.command import PATIENCE_SECONDS, Ended, Running, running, started

pytest.importorskip("watchfiles")

SAYS = """\
import os, threading
from sigil import Deferred, Response, make_http_server

def app(request):
    if request.path == "/slow":
        deferred = Deferred()
        threading.Thread(target=wait, args=(deferred,), daemon=True).start()
        return deferred
    if request.path == "/stuck":
        threading.Event().wait()
    return Response.text({answer!r})

def wait(deferred):
    while not os.path.exists("go"):
        threading.Event().wait(0.01)
    deferred.resolve(Response.text("slow {answer}"))

def make():
    return app

server = make_http_server(app)
"""


def save(folder: Path, answer: str) -> None:
    """The application now says this. A reader sees the old file or the new one, nothing
    in between.
    """
    (folder / "new").write_text(SAYS.format(answer=answer))
    (folder / "new").replace(folder / "web.py")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory with an application that says one."""
    save(tmp_path, "one")
    return tmp_path


@contextmanager
def reloading(place: Path, *words: str, has_own_group: bool = False) -> Iterator[Running]:
    with running(
        "serve",
        "web:app",
        "--reload",
        "--no-access-log",
        *words,
        folder=place,
        has_own_group=has_own_group,
    ) as server:
        yield server


def wait_for_line(process: "subprocess.Popen[str]", part: str) -> str:
    """What it says on stderr, up to the line that has this in it."""
    assert process.stderr is not None
    said = ""
    for line in process.stderr:
        said += line
        if part in line:
            return said
    raise AssertionError(f"it never said {part!r}, but: {said}")


def wait_for_answer(server: Running, answer: str) -> None:
    """Ask until this is what comes; a connection may end without an answer when its child does, but
    is not refused.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        assert time.monotonic() < deadline, f"it never answered {answer!r}"
        try:
            if server.get("/") == (200, answer):
                return
        except ConnectionRefusedError:
            raise
        except (ConnectionError, TimeoutError):
            continue


def wait_until_refused(port: int) -> None:
    """Return when nobody listens on the port any more."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        with socket.socket() as sock:
            if sock.connect_ex(("127.0.0.1", port)) != 0:
                return
        assert time.monotonic() < deadline, "somebody goes on listening"


def slow(server: Running) -> socket.socket:
    """A request that is answered as soon as there is a file called go."""
    sock = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_SECONDS)
    sock.sendall(b"GET /slow HTTP/1.0\r\n\r\n")
    return sock


def read_all(sock: socket.socket) -> bytes:
    received = b""
    while data := sock.recv(1000):
        received += data
    return received


def test_what_is_saved_is_served_and_nobody_is_refused(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    with reloading(place) as server:
        assert server.first_line == f"listening on http://127.0.0.1:{server.port}\n"
        assert server.get("/") == (200, "one")
        for answer in (
            "two",
            "six",
            "ten",
        ):  # of one length, within a second: bytecode would not tell them apart
            save(place, answer)
            wait_for_answer(server, answer)
        ended = server.end()
    assert ended.status == 0
    assert ended.out == server.first_line  # once, by the parent
    assert ended.err.count("web.py changed: restarting") == 3
    assert "Traceback" not in ended.err


def test_a_module_that_does_not_import_is_reported_and_the_next_change_awaited(place: Path) -> None:
    (place / "web.py").write_text("x = (\n")
    with started("serve", "web:app", "--reload", folder=place) as process:
        said = wait_for_line(process, "exited with status 3; waiting for a change")
        assert (
            "sigil: error: importing 'web' failed: "
            f"SyntaxError: '(' was never closed, at {place}/web.py:1" in said
        )
        save(place, "mended")
        server = Running(process)  # the address comes when there is somebody to serve
        wait_for_answer(server, "mended")
        assert server.end(signal.SIGTERM).status == 0


def test_what_is_under_way_is_answered_by_the_old_code(place: Path) -> None:
    with reloading(place) as server, slow(server) as sock:
        assert server.get("/") == (200, "one")  # so the slow one has been read
        save(place, "two")
        wait_for_line(server.process, "stopped listening")
        (place / "go").touch()
        assert read_all(sock).endswith(b"slow one")
        sock.close()
        wait_for_answer(server, "two")
        assert server.end().status == 0


def test_ctrl_c_of_a_terminal_drains_once(place: Path) -> None:
    with reloading(place, has_own_group=True) as server, slow(server) as sock:
        assert server.get("/") == (200, "one")
        os.killpg(server.process.pid, signal.SIGINT)  # the child gets it, too
        wait_for_line(server.process, "stopped listening")
        (place / "go").touch()
        assert read_all(sock).endswith(b"slow one")
        sock.close()
        assert server.ended().status == 0


def test_a_second_ctrl_c_ends_it_at_once(place: Path) -> None:
    with reloading(place, "--timeout-graceful-shutdown", "600") as server, slow(server) as sock:
        assert server.get("/") == (200, "one")
        server.process.send_signal(signal.SIGINT)
        wait_for_line(server.process, "stopped listening")
        assert server.end().status == 0
        assert b"slow" not in read_all(sock)


def test_a_handler_that_never_returns_is_no_obstacle(place: Path) -> None:
    with reloading(place, "--timeout-graceful-shutdown", "0") as server:
        assert server.get("/") == (200, "one")
        with socket.create_connection(("127.0.0.1", server.port)) as sock:
            sock.sendall(b"GET /stuck HTTP/1.0\r\n\r\n")
            save(place, "two")
            wait_for_line(server.process, "the server does not exit: it is killed")
        wait_for_answer(server, "two")
        assert server.end().status == 0


def test_children_end_with_a_parent_that_was_killed(place: Path) -> None:
    with reloading(place, has_own_group=True) as server:
        assert server.get("/") == (200, "one")
        server.process.kill()
        server.process.wait(PATIENCE_SECONDS)
        try:
            wait_until_refused(server.port)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(server.process.pid, signal.SIGKILL)


def test_other_directories_are_watched_instead(
    place: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    first, second = (tmp_path_factory.mktemp(name) for name in ("first", "second"))
    with reloading(place, "--reload-dir", str(first), "--reload-dir", str(second)) as server:
        assert server.get("/") == (200, "one")
        save(place, "two")
        for folder in (first, second):
            (folder / "part.py").write_text("")
            said = wait_for_line(server.process, "restarting")
            assert "part.py" in said and "web.py" not in said
        wait_for_answer(server, "two")


def test_reload_serves_unix_sockets_and_factories_as_well(place: Path) -> None:
    path = place / "s"
    with running(
        "serve", "web:make", "--factory", "--reload", "--uds", str(path), folder=place
    ) as server:
        assert server.first_line == f"listening on unix:{path}\n"
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(PATIENCE_SECONDS)
            sock.connect(str(path))
            sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert read_all(sock).endswith(b"one")
        assert server.end().status == 0
    assert not path.exists()


def test_reload_hands_an_inherited_socket_on_to_an_http_server(place: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as opened:
        number = opened.fileno()
        with running(
            "serve",
            "web:server",
            "--reload",
            "--fd",
            str(number),
            folder=place,
            descriptors=[number],
        ) as server:
            save(place, "two")
            wait_for_answer(server, "two")
            assert server.end().status == 0


# -- what it takes ---------------------------------------------------------------------------------


def ended(place: Path, script: str, *words: str) -> Ended:
    done = subprocess.run(
        [sys.executable, "-c", script, "serve", "web:app", "--reload", "--port", "0", *words],
        cwd=place,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


MAIN = "import sys; from sigil.cli.main import main; sys.exit(main())"


def test_without_the_package_that_watches_there_is_a_sentence(place: Path) -> None:
    assert ended(place, f"import sys; sys.modules['watchfiles'] = None; {MAIN}") == Ended(
        3, "", "sigil: error: --reload needs watchfiles: pip install 'sigil-http[reload]'\n"
    )


def test_a_directory_that_is_not_there_is_a_sentence(place: Path) -> None:
    assert ended(place, MAIN, "--reload-dir", "nowhere") == Ended(
        3, "", "sigil: error: there is no directory nowhere to watch\n"
    )
