"""The command, as a person meets it: real processes, what they print, how they answer, and how they
end.

Every process gets port 0 and a deadline. Nothing here sleeps: a process is ready when it has said
where it listens.
"""

import os
import resource
import signal
import socket
import subprocess
import sys
import textwrap
import time
from http.client import HTTPConnection
from pathlib import Path

import pytest

from sigil import __version__
from sigil.core.build import core_build
from tests.support.command import (
    APP,
    PATIENCE_SECONDS,
    Ended,
    Running,
    run,
    running,
    started,
)
from tests.support.requests import GET

ELSEWHERE = """\
import os, signal, threading
from web import app, later

def interrupt():
    while not os.path.exists("go"):
        threading.Event().wait(0.01)
    threading.Event().wait(0.2)  # by then the server waits, and nothing is due that would wake it
    signal.pthread_kill(threading.get_ident(), signal.SIGINT)

threading.Thread(target=interrupt).start()
"""

STARTS = """\
class App:
    async def startup(self, server):
        raise LookupError("no database")

    async def __call__(self, request):
        pass

app = App()
"""

GATE = """\
from sigil import Response

def app(request):
    if not waited:
        waited.append(open("go").read())
    return Response.text("through")

waited = []
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "site.py").write_text("")  # a name of the library's, to be found here and not there
    (tmp_path / "web.py").write_text(APP)
    return tmp_path


# -- serving ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "answer"),
    [
        ("web:app", "GET /a"),
        ("web:inner.app", "inner"),
        ("web:later", "later"),
        ("web:routes", "later"),
        ("web:server", "GET /a"),
        ("web:wsgi", "http 127.0.0.1  /a"),
        ("web:asgi", "http 127.0.0.1  /a"),
    ],
)
def test_serve_answers_and_ends_cleanly(folder: Path, target: str, answer: str) -> None:
    with running("serve", target, folder=folder) as server:
        assert server.first_line == f"listening on http://127.0.0.1:{server.port}\n"
        assert server.port > 0
        assert server.get("/a") == (200, answer)
        ended = server.end()
    assert ended.status == 0
    assert ended.out == server.first_line
    assert "Traceback" not in ended.err


@pytest.mark.skipif(sys.platform != "linux", reason="reads the limit from /proc")
def test_the_command_may_open_as_many_descriptors_as_the_system_lets_it(folder: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(400, hard), hard))
    try:
        with running("serve", "web:app", folder=folder) as server:
            limits = Path("/proc", str(server.process.pid), "limits").read_text()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    (line,) = [line for line in limits.splitlines() if line.startswith("Max open files")]
    assert line.split()[3] == str(min(hard, 2**20))


def test_sigterm_ends_it_as_well(folder: Path) -> None:
    with running("serve", "web:app", folder=folder) as server:
        assert server.end(signal.SIGTERM).status == 0


def test_what_is_under_way_is_still_answered(folder: Path) -> None:
    with running("serve", "web:app", folder=folder) as server:
        assert server.get("/interrupt") == (200, "GET /interrupt")
        assert server.ended().status == 0


def test_it_serves_even_if_nobody_reads_what_it_prints(folder: Path) -> None:
    with started("serve", "web:app", folder=folder) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert "listening on" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_SECONDS) == 0
        assert "BrokenPipe" not in process.stderr.read()


def test_app_dir_is_where_the_module_is_looked_for(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    with running("serve", "web:app", "--app-dir", str(folder), folder=elsewhere) as server:
        assert server.get("/x") == (200, "GET /x")


def test_the_script_and_the_module_are_one_command(folder: Path) -> None:
    module = subprocess.run(
        [sys.executable, "-m", "sigil.cli.main", "--version"],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    version = f"sigil {__version__} ({core_build()} core)\n"
    assert (module.returncode, module.stdout) == (0, version)
    assert run("--version") == Ended(0, version, "")


def test_a_host_of_ipv6_is_in_brackets(folder: Path) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    with running("serve", "web:app", "--host", "::1", folder=folder) as server:
        assert server.first_line == f"listening on http://[::1]:{server.port}\n"
        assert server.get("/six", host="::1") == (200, "GET /six")


@pytest.mark.parametrize(("target", "path"), [("web:wsgi", "/a"), ("web:asgi", "/shop/a")])
def test_who_comes_by_a_trusted_proxy_is_the_client(folder: Path, target: str, path: str) -> None:
    words = ("serve", target, "--root-path", "/shop", "--forwarded-allow-ips", "127.0.0.0/8")
    fields = {"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https"}
    with running(*words, folder=folder) as server:
        connection = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_SECONDS)
        connection.request("GET", "/a", headers=fields)
        assert connection.getresponse().read() == f"https 192.0.2.7 /shop {path}".encode()
        connection.close()


# -- factories -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "answer"), [("web:make", "GET /a"), ("web:make_async", "an object's")]
)
def test_a_factory_makes_the_handler(folder: Path, target: str, answer: str) -> None:
    with running("serve", target, "--factory", folder=folder) as server:
        assert server.get("/a") == (200, answer)
        assert server.end().status == 0


@pytest.mark.parametrize(
    ("target", "complaint"),
    [
        ("web:make_later", "web:make_later is asynchronous"),
        (
            "web:make_nothing",
            "web:make_nothing() returned something of type NoneType, which cannot be called",
        ),
        (
            "web:make_trouble",
            "calling web:make_trouble() failed: LookupError: no such thing, at {folder}/web.py:",
        ),
        (
            "web:make_from",
            "calling web:make_from() failed: "
            "TypeError: make_from() missing 1 required positional argument",
        ),
        ("web:number", "web:number is of type int, which cannot be called"),
    ],
)
def test_a_factory_that_makes_nothing_ends_with_3(
    folder: Path, target: str, complaint: str
) -> None:
    ended = run("serve", target, "--factory", "--port", "0", folder=folder)
    assert (ended.status, ended.out, ended.err.count("\n")) == (3, "", 1)
    assert ended.err.startswith(f"sigil: error: {complaint.format(folder=folder)}")


# -- timeouts and limits ---------------------------------------------------------------------------


def open_connection(server: Running, path: str) -> socket.socket:
    """A connection on which something has been asked for."""
    sock = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_SECONDS)
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    return sock


def test_timeout_keep_alive_ends_connections_that_ask_for_nothing(folder: Path) -> None:
    with (
        running("serve", "web:app", "--timeout-keep-alive", "0.2", folder=folder) as server,
        open_connection(server, "/idle") as sock,
    ):
        assert sock.recv(1000).endswith(b"GET /idle")
        assert sock.recv(1000) == b""  # in time, or it raises


def test_timeout_graceful_shutdown_is_how_long_the_end_may_take(folder: Path) -> None:
    words = ("serve", "web:app", "--timeout-graceful-shutdown")
    with (
        running(*words, "0.1", folder=folder) as server,
        open_connection(server, "/endless") as sock,
    ):
        assert sock.recv(1000)
        begun = time.monotonic()
        assert server.end().status == 0
        assert time.monotonic() - begun < 4.0  # the default is 5 seconds
    with (
        running(*words, "600", folder=folder) as server,
        open_connection(server, "/endless") as sock,
    ):
        assert sock.recv(1000)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.stderr is not None
        assert any("stopped listening" in line for line in server.process.stderr)
        assert server.process.poll() is None
        assert server.end(signal.SIGTERM).status == 0  # the second one ends it at once


def test_limit_concurrency_answers_one_more_with_503(folder: Path) -> None:
    with (
        running("serve", "web:app", "--limit-concurrency", "1", folder=folder) as server,
        open_connection(server, "/first") as sock,
    ):
        assert sock.recv(1000).endswith(b"GET /first")
        assert server.get("/second")[0] == 503
        sock.sendall(b"GET /again HTTP/1.1\r\nHost: a\r\n\r\n")
        assert sock.recv(1000).endswith(b"GET /again")
        assert server.end().status == 0


@pytest.mark.parametrize(
    ("target", "answer"),
    [
        ("web:app", (200, "GET /a")),
        ("web:later", (200, "later")),
        ("web:promised", (200, "promised")),
    ],
)
def test_limit_max_requests_ends_the_process_after_so_many_answers(
    folder: Path, target: str, answer: tuple[int, str]
) -> None:
    with running("serve", target, "--limit-max-requests", "3", folder=folder) as server:
        assert [server.get("/a") for _ in range(3)] == [answer] * 3
        assert server.ended().status == 0


def test_nobody_in_the_queue_is_reset_by_limit_max_requests(folder: Path) -> None:
    os.mkfifo(folder / "go")
    (folder / "gate.py").write_text(GATE)
    with running("serve", "gate:app", "--limit-max-requests", "1", folder=folder) as server:
        clients = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(20)]
        for client in clients:
            client.settimeout(PATIENCE_SECONDS)
            client.sendall(GET)
        with (folder / "go").open("w"):  # the first of them is being answered
            pass
        statuses = {client.recv(65_536)[:12] for client in clients}
        for client in clients:
            client.close()
        assert server.ended().status == 0
    assert statuses <= {b"HTTP/1.1 200", b"HTTP/1.1 503"}


@pytest.mark.parametrize("target", ["elsewhere:app", "elsewhere:later"])
def test_a_signal_that_another_thread_takes_wakes_the_server(folder: Path, target: str) -> None:
    # As must one that comes just before the server waits, which cannot be had at will.
    (folder / "elsewhere.py").write_text(ELSEWHERE)
    with running("serve", target, folder=folder) as server:
        assert server.first_line
        (folder / "go").touch()
        assert server.ended().status == 0


# -- the log ---------------------------------------------------------------------------------------


def test_the_access_log_goes_to_stderr(folder: Path) -> None:
    with running("serve", "web:app", folder=folder) as server:
        server.get("/seen")
        ended = server.end()
    assert [line for line in ended.err.splitlines() if "sigil.access" in line and "/seen" in line]
    assert "/seen" not in ended.out


@pytest.mark.parametrize(
    "words", [("--no-access-log",), ("--log-level", "warning"), ("--log-level", "critical")]
)
def test_the_access_log_can_be_off(folder: Path, words: tuple[str, ...]) -> None:
    with running("serve", "web:app", *words, folder=folder) as server:
        server.get("/unseen")
        ended = server.end()
    assert "/unseen" not in ended.err
    assert ended.status == 0


def test_a_handler_that_fails_is_in_the_log_with_its_traceback(folder: Path) -> None:
    with running("serve", "web:app", "--no-access-log", folder=folder) as server:
        assert server.get("/fail")[0] == 500
        assert server.get("/after") == (200, "GET /after")
        ended = server.end()
    assert "sigil.error" in ended.err
    assert "LookupError: a handler that fails" in ended.err


# -- words that make no sense: 2 (which words those are is in test_settings) -----------------------


@pytest.mark.parametrize("words", [(), ("dance",), ("serve", "web"), ("demo", "--port", "65536")])
def test_usage_errors_end_with_2(words: tuple[str, ...]) -> None:
    ended = run(*words)
    assert (ended.status, ended.out) == (2, "")
    assert "Traceback" not in ended.err


# -- no application: 3 -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "complaint"),
    [
        ("nowhere:app", "no module 'nowhere'"),
        ("web.sub:app", "no module 'web.sub'"),
        ("web:missing", "there is no web:missing"),
        ("web:inner.missing", "there is no web:inner.missing"),
        ("web:number", "web:number is of type int, which cannot be called"),
        ("web:evo", "web:evo is of type HttpServer of sigil.evo, which its own serve() runs"),
        ("web:make", "web:make takes no argument, as a factory does: with --factory it is called"),
        (
            "divides:app",
            "importing 'divides' failed: "
            "ZeroDivisionError: division by zero, at {folder}/divides.py:2: 1 / 0",
        ),
        (
            "indirect:app",
            "JSONDecodeError: Expecting value: line 1 column 1 (char 0), "
            "at {folder}/indirect.py:3: json.l",
        ),
        (
            "needs:app",
            "importing 'needs' failed: "
            "ModuleNotFoundError: No module named 'absent', at {folder}/needs.py:1:",
        ),
        (
            "broken:app",
            "importing 'broken' failed: "
            "SyntaxError: '(' was never closed, at {folder}/broken.py:2: x = (",
        ),
        ("leaves:app", "importing 'leaves' failed: SystemExit: 5, at {folder}/leaves.py:1:"),
        (
            "starts:app",
            "starting starts:app failed: LookupError: no database, at {folder}/starts.py:3: raise",
        ),
    ],
)
def test_no_application_ends_with_3(folder: Path, target: str, complaint: str) -> None:
    modules = {
        "divides": "\n1 / 0\n",
        "indirect": "import json\n\njson.loads('')\n",
        "needs": "import absent\n",
        "broken": "\nx = (\n",
        "leaves": "raise SystemExit(5)\n",
        "starts": STARTS,
    }
    for name, text in modules.items():
        (folder / f"{name}.py").write_text(textwrap.dedent(text))
    ended = run("serve", target, "--port", "0", "--log-level", "warning", folder=folder)
    assert ended.status == 3
    assert ended.err.count("\n") == 1
    assert ended.err.startswith("sigil: error: ")
    assert complaint.format(folder=folder) in ended.err
    assert ended.out == ""


# -- no address: 4 ---------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [("serve", "web:app"), ("demo",), ("files", "."), ("stream",)])
def test_an_address_in_use_ends_with_4(folder: Path, words: tuple[str, ...]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run(*words, "--port", str(port), folder=folder)
    assert ended.status == 4
    assert ended.err.count("\n") == 1
    assert ended.err.startswith("sigil: error: cannot listen: ")
    assert f"127.0.0.1:{port}" in ended.err and "--port" in ended.err
    assert ended.out == ""


@pytest.mark.parametrize("host", ["192.0.2.1", "no host at all"])
def test_an_address_of_nobody_s_ends_with_4(folder: Path, host: str) -> None:
    ended = run("serve", "web:app", "--port", "0", "--host", host, folder=folder)
    assert ended.status == 4
    assert ended.err.count("\n") == 1
    assert host in ended.err and "--host" in ended.err


# -- the demo --------------------------------------------------------------------------------------


def test_the_demo_says_where_and_what_to_do_then_serves_and_ends() -> None:
    with running("demo") as server:
        assert server.first_line == f"listening on http://127.0.0.1:{server.port}\n"
        assert server.get("/hello") == (200, "hello from sigil\n")
        status, text = server.get("/load.json")
        assert status == 200 and '"requests"' in text
        ended = server.end()
    assert ended.status == 0
    assert ended.out.splitlines()[1:] == ["open it in a browser; Ctrl-C stops it"]


def test_a_folder_is_served_with_figures_beside_it(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<h1>home</h1>")
    (tmp_path / "sub").mkdir()
    with running("files", str(tmp_path), "--listing", "--spa", "--cors") as server:
        assert server.first_line == f"listening on http://127.0.0.1:{server.port}\n"
        assert server.get("/") == (200, "<h1>home</h1>")
        assert "<table>" in server.get("/sub/")[1]
        assert "requests per second" in server.get("/-/")[1]
        assert server.get("/none")[0] == 404
        ended = server.end()
    assert ended.status == 0
    words = "open it in a browser, figures are at /-/; Ctrl-C stops it"
    assert ended.out.splitlines()[1:] == [words]


def test_a_folder_that_is_not_there_ends_with_3(tmp_path: Path) -> None:
    ended = run("files", str(tmp_path / "none"), "--port", "0", folder=tmp_path)
    assert ended.status == 3
    assert "no such folder" in ended.err and ended.err.count("\n") == 1


def test_the_demo_can_be_interrupted_as_soon_as_it_listens() -> None:
    with running("demo") as server:
        assert server.end().status == 0
