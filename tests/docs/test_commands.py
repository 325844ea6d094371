"""Every command in the documents works.

What it is: each line of an `sh` block, and each behind a dollar sign in a `console` block, is tried
by the function in `CHECKS` that knows how; a command that nobody here knows how to try fails. Its
rules: no sleeps; every process has a deadline.  The README's first two commands set up what these
tests run in, so here they are only read; `.ci/run` runs the second one as it stands.
"""

import os
import re
import shlex
import socket
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest
from websockets.sync.client import connect

from tests.docs.blocks import COMMANDS, README, ROOT, Block, block_with, lines_of, page_of
from tests.docs.running import PATIENCE_SECONDS, run, serving, serving_program
from tests.support.command import http_get

HELLO = """\
from sigil import Request, Response

def app(request: Request) -> Response:
    return Response.text("hello\\n")
"""

ECHO = """\
from sigil import Callbacks, Response, make_http_server

def echo(server, conn, data):
    server.send(conn, data)

server = make_http_server(lambda request: Response.upgrade(), callbacks=Callbacks(ws_message=echo))
"""


def check_set_up(command: str, folder: Path) -> None:
    """The first two: one line each, and every part of them exists."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    steps = command.split(" && ")
    assert steps[0] == "python3 -m venv .venv"
    assert steps[1].startswith(".venv/bin/python -m pip install -q -e ")
    extra = re.search(r"'\.\[(\w+)\]'", steps[1])
    if extra is None:
        script = steps[2].split()[0].removeprefix(".venv/bin/")
        assert script in project["scripts"]
    else:
        needed = {
            re.split(r"[<>=]", need)[0] for need in project["optional-dependencies"][extra[1]]
        }
        assert extra[1] == "test" and "pytest" in needed
    assert len(steps) == 3


def check_compiled(command: str, folder: Path) -> None:
    """The variable is what the build asks for; tests/test_setup.py and .ci/run build with it."""
    variable, _, install = command.partition("=1 ")
    assert f'"{variable}"' in (ROOT / "setup.py").read_text(encoding="utf-8")
    assert install == ".venv/bin/python -m pip install ."


def check_bench(command: str, folder: Path) -> None:
    """The bench takes these words; `tests/bench` runs it."""
    words = shlex.split(command.removeprefix(".venv/bin/python "))
    ended = run(sys.executable, *words, "--list", folder=ROOT)
    assert ended.returncode == 0 and ended.stdout, ended.stderr


def check_extras(command: str, folder: Path) -> None:
    """What is installed is an extra."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "optional-dependencies"
    ]
    wanted = re.fullmatch(r"\.venv/bin/python -m pip install -q -e '\.\[([\w,-]+)\]'", command)
    assert wanted and set(wanted[1].split(",")) <= set(extras), command


def check_part_bench(command: str, folder: Path) -> None:
    """A bench of a part says what it takes; that it runs is tested in tests/bench."""
    words = shlex.split(command.removeprefix(".venv/bin/python "))
    ended = run(sys.executable, *words, "--help", folder=ROOT)
    assert ended.returncode == 0, ended.stderr
    assert any(word in ended.stdout for word in ("--rounds", "--seconds", "--states"))


def check_suite(command: str, folder: Path) -> None:
    """The suite is run by tests/autobahn; here it says what it takes."""
    words = shlex.split(command.removeprefix(".venv/bin/python "))
    ended = run(sys.executable, *words, "--help", folder=ROOT)
    assert ended.returncode == 0, ended.stderr
    assert "--compression" in ended.stdout


def check_serve(command: str, folder: Path) -> None:
    """`sigil serve` with these very flags, but for the port."""
    (folder / "hello.py").write_text(HELLO, encoding="utf-8")
    words = shlex.split(command.replace("--port 8080", "--port 0"))[1:]
    with serving(sys.executable, "-m", "sigil", *words, folder=folder) as port:
        assert http_get(port) == (200, "hello\n")


LAST_LINE = "the last line of the log; all that follow come as they are written"


@contextmanager
def streaming_log(folder: Path) -> Iterator[int]:
    """The port of the pipeline of the guide, whose log has two lines."""
    (folder / "app.log").write_text(f"a line of the log\n{LAST_LINE}\n", encoding="utf-8")
    line = next(
        line for line in lines_of(block_with("tail -n +1", "console")) if "sigil stream" in line
    )
    tail, stream = (
        shlex.split(part) for part in line.replace("--port 8080", "--port 0").split(" | ")
    )
    source = subprocess.Popen(tail, cwd=folder, stdout=subprocess.PIPE)
    try:
        with serving(
            sys.executable, "-m", "sigil", *stream[1:], folder=folder, stdin=source.stdout
        ) as port:
            yield port
    finally:
        source.kill()
        source.communicate()


def check_files(command: str, folder: Path) -> None:
    """`sigil files` with these very flags, but for the port: the folder is listed."""
    words = shlex.split(command.replace("--port 8080", "--port 0"))[1:]
    with serving(sys.executable, "-m", "sigil", *words, folder=ROOT) as port:
        status, page = http_get(port)
    assert status == 200 and "guides/</a>" in page


def check_stream(command: str, folder: Path) -> None:
    """`sigil stream` behind this very pipe, but for the port: what is in the log is heard, and what
    is added to it."""
    with streaming_log(folder) as port, connect(f"ws://127.0.0.1:{port}/ws") as listener:
        assert [listener.recv(PATIENCE_SECONDS) for _ in range(2)] == [
            "a line of the log",
            LAST_LINE,
        ]
        with (folder / "app.log").open("a", encoding="utf-8") as log:
            log.write("one more\n")
        assert listener.recv(PATIENCE_SECONDS) == "one more"


def check_event_stream(command: str, folder: Path) -> None:
    """What curl is told of the log, but for the numbers; asked here without curl, which not
    everybody has."""
    target = shlex.split(command)[-1].rpartition(":8080")[2]
    with streaming_log(folder) as port, connect(f"ws://127.0.0.1:{port}/ws") as listener:
        assert [listener.recv(PATIENCE_SECONDS) for _ in range(2)][-1] == LAST_LINE
        connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
        connection.request("GET", target)
        response = connection.getresponse()
        events = "".join(response.readline().decode() for _ in range(4))
        connection.close()
    shown = page_of("guides/command.md").partition(f"$ {command}\n")[2].partition("```")[0]
    form = re.compile(rf"id: \d+-\d+\n\nid: \d+-\d+\ndata: {LAST_LINE}\n")
    assert form.fullmatch(events) and form.fullmatch(shown)


def check_writing(command: str, folder: Path) -> None:
    """How long somebody has to write: with this very pipe, but for the port, the waiting and most
    of the lines."""
    quick = (
        command.replace("--port 8080", "--port 0")
        .replace("sleep 9", "sleep 0")
        .replace("1000000", "1000")
    )
    done = subprocess.run(
        ["bash", "-c", quick.replace(".venv/bin/sigil", f"{shlex.quote(sys.executable)} -m sigil")],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=True,
    )
    assert done.stdout.startswith("listening on ")
    assert re.search(r"^real\s", done.stderr, re.MULTILINE)
    assert "standard input has ended after 1000 lines\n" in done.stderr


def check_refusal(command: str, folder: Path) -> None:
    """What curl is told; asked here without curl, which not everybody has."""
    method = shlex.split(command)[3]
    (folder / "hello.py").write_text(HELLO, encoding="utf-8")
    with serving(
        sys.executable, "-m", "sigil", "serve", "hello:app", "--port", "0", folder=folder
    ) as port:
        status, said = http_get(port, method=method)
    assert said in page_of("guides/http.md") and said.startswith(f"{status} ")


def check_chat(command: str, folder: Path) -> None:
    """What the chat of the guide answers who asks for it with curl."""
    with serving_program(block_with("topic=rooms[")) as port:
        _, body = http_get(port, path=command.rpartition(":8080")[2])
    assert f"$ {command}\n{body}```" in page_of("guides/websockets.md")


def check_jobs(command: str, folder: Path) -> None:
    """What the program about routes answers."""
    words = shlex.split(command)
    with serving_program(block_with("jobs = {1:")) as port:
        method = words[3] if "-X" in words else "GET"
        _, body = http_get(port, method=method, path=words[-1].rpartition(":8080")[2])
    assert f"$ {command}\n{body.rstrip()}\n" in page_of("guides/routes.md")


def check_notes(command: str, folder: Path) -> None:
    """What the program of events answers to a note that is put there."""
    with serving_program(block_with("import Event, HttpServer")) as port:
        connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
        connection.request("PUT", command.rpartition(":8080")[2], body=b"buy milk")
        answer = connection.getresponse().read().decode()
        connection.close()
    assert f"$ {command}\n{answer}```" in page_of("guides/evo.md")


def check_tank(command: str, folder: Path) -> None:
    """What the first step of the tutorial answers."""
    with serving_program(block_with("# tank.py\nfrom sigil")) as port:
        _, body = http_get(port)
    assert f"$ {command}\n{body}```" in page_of("tutorial.md")


def check_taken_port(command: str, folder: Path) -> None:
    """What is printed if the port is taken, and the exit status."""
    (folder / "hello.py").write_text(HELLO, encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = run(
            sys.executable,
            "-m",
            "sigil",
            *shlex.split(command.replace("8080", port))[1:],
            folder=folder,
        )
    shown = page_of("symptoms.md").partition(f"$ {command}\n")[2].partition("```")[0]
    assert (ended.returncode, ended.stderr.split()) == (4, shown.replace("8080", port).split())


def check_world(command: str, folder: Path) -> None:
    """`sigil world` with these very flags, but for the port: the page is there, or what happened is
    printed in the form that is shown.
    """
    words = shlex.split(command.replace("--port 8080", "--port 0"))[1:]
    if "--serve" in words:
        with serving(sys.executable, "-m", "sigil", *words, folder=folder) as port:
            status, page = http_get(port)
        assert status == 200 and "<html" in page
        return
    printed = run(sys.executable, "-m", "sigil", *words, folder=folder).stdout
    shown = page_of("guides/time-machine.md").partition(f"$ {command}\n")[2].partition("```")[0]
    form = re.compile(r"[\d,.]+\b")
    assert form.sub("0", printed) == form.sub("0", shown)


def check_relay(command: str, folder: Path) -> None:
    """An edge with these very flags, but for the ports: it follows `sigil stream`."""
    with streaming_log(folder) as port:
        words = shlex.split(command.replace(":8080", f":{port}").replace("--port 9000", "--port 0"))
        with (
            serving(sys.executable, "-m", "sigil", *words[1:], folder=folder) as edge,
            connect(f"ws://127.0.0.1:{port}/ws") as at_origin,
        ):
            assert [at_origin.recv(PATIENCE_SECONDS) for _ in range(2)][-1] == LAST_LINE
            while http_get(edge, path="/healthz")[0] == 503:
                pass
            with connect(f"ws://127.0.0.1:{edge}/ws") as at_edge:
                assert [at_edge.recv(PATIENCE_SECONDS) for _ in range(2)][-1] == LAST_LINE


def check_get(command: str, folder: Path) -> None:
    """A request to the program of the page, but for the port."""
    (folder / "hello.py").write_text(HELLO, encoding="utf-8")
    words = ("serve", "hello:app", "--port", "0")
    with serving(sys.executable, "-m", "sigil", *words, folder=folder) as port:
        asked = shlex.split(command.replace(":8080", f":{port}"))[1:]
        ended = run(sys.executable, "-m", "sigil", *asked, folder=folder)
    assert f"$ {command}\n{ended.stdout}```" in page_of("guides/command.md"), ended.stderr


def check_ws(command: str, folder: Path) -> None:
    """Lines through an echo."""
    (folder / "echo.py").write_text(ECHO, encoding="utf-8")
    words = ("serve", "echo:server", "--port", "0")
    with serving(sys.executable, "-m", "sigil", *words, folder=folder) as port:
        line = command.replace(":8080", f":{port}")
        line = line.replace(".venv/bin/sigil", f"{shlex.quote(sys.executable)} -m sigil")
        ended = run("bash", "-c", line, folder=folder)
    assert f"$ {command}\n{ended.stdout}```" in page_of("guides/command.md"), ended.stderr


CHECKS: dict[str, Callable[[str, Path], None]] = {
    "python3 -m venv": check_set_up,
    "SIGIL_COMPILE=1": check_compiled,
    ".venv/bin/python -m pip install -q -e '.[bench": check_extras,
    ".venv/bin/python -m tests.bench --": check_bench,
    ".venv/bin/python -m tests.bench.request_parts": check_part_bench,
    ".venv/bin/python -m tests.bench.route_cost": check_part_bench,
    ".venv/bin/python -m tests.bench.ws_client_cost": check_part_bench,
    ".venv/bin/python tests/autobahn/run_client.py": check_suite,
    ".venv/bin/python tests/autobahn/run.py": check_suite,
    ".venv/bin/python -m tests.bench.relay_cost": check_part_bench,
    ".venv/bin/python -m tests.bench.client_cost": check_part_bench,
    ".venv/bin/python -m tests.bench.host_latency": check_part_bench,
    ".venv/bin/python -m tests.bench.scaling_cost": check_part_bench,
    ".venv/bin/python -m tests.bench.snapshot_cost": check_part_bench,
    ".venv/bin/python -m tests.bench.file_cost": check_part_bench,
    ".venv/bin/python -m tests.bench.tls_cost": check_part_bench,
    ".venv/bin/sigil serve hello:app --port 8080 --": check_serve,
    ".venv/bin/sigil serve hello:app --port 8080": check_taken_port,
    ".venv/bin/sigil files docs": check_files,
    "tail -n +1 -F app.log": check_stream,
    ".venv/bin/sigil relay ws://": check_relay,
    ".venv/bin/sigil world": check_world,
    ".venv/bin/sigil get http://": check_get,
    "printf 'one": check_ws,
    "curl -sN 'http://127.0.0.1:8080/events": check_event_stream,
    "(sleep 9; time seq": check_writing,
    "curl -s -X PUT": check_jobs,
    "curl -s -T": check_notes,
    "curl -s http://127.0.0.1:8080/jobs": check_jobs,
    "curl -s -X": check_refusal,
    "curl -s http://127.0.0.1:8080/chat": check_chat,
    "curl -s http://127.0.0.1:8080/": check_tank,
}
"""How each kind of command is tried, by how it begins."""


@pytest.mark.parametrize("block", COMMANDS, ids=lambda block: block.name)
def test_a_command_works(block: Block, tmp_path: Path) -> None:
    assert lines_of(block)
    for line in lines_of(block):
        check = next((check for start, check in CHECKS.items() if line.startswith(start)), None)
        assert check is not None, f"nobody knows how to try: {line}"
        check(line, tmp_path)


def test_the_first_two_commands_are_the_demo_and_the_tests() -> None:
    shells = [block.text for block in COMMANDS if block.page == README and block.language == "sh"]
    assert [text.count("\n") for text in shells[:2]] == [1, 1]
    assert shells[0].endswith(" && .venv/bin/sigil demo\n")
    assert shells[1].endswith(" && .venv/bin/python -m pytest\n")


def test_the_demo_serves_its_page() -> None:
    with serving(sys.executable, "-m", "sigil", "demo", "--port", "0") as port:
        status, page = http_get(port)
    assert status == 200 and "<html" in page


def test_the_commands_behind_the_figures_of_the_readme_exist() -> None:
    commands = re.findall(r"\| `\.venv/bin/python ([^`]+)` \|", README.read_text(encoding="utf-8"))
    assert len(commands) > 3 and any("tests.bench" in command for command in commands)
    for command in commands:
        if "tests.bench" in command:
            check_bench(f".venv/bin/python {command}", ROOT)
        else:
            named = command.removeprefix("-m pytest ")
            if named.startswith("-m "):  # a module
                named = named.removeprefix("-m ").replace(".", "/") + ".py"
            assert all((ROOT / path).exists() for path in named.split()), command


def test_ci_is_executable_and_reads_its_command_from_the_readme() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert run("bash", "-n", str(script)).returncode == 0
    ended = run("bash", str(script), "--show")
    shells = [block.text for block in COMMANDS if block.page == README and block.language == "sh"]
    assert ended.stdout == shells[1], ended.stderr


def test_what_ci_installs_for_the_other_pythons_is_a_part_of_what_the_tests_need() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    assert set(extras["test-core"]) < set(extras["test"])
    assert "test-core" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


# -- systemd --------------------------------------------------------------------------------------


def test_the_unit_serves_the_socket_that_it_is_handed(tmp_path: Path) -> None:
    unit = block_with("ExecStart=", "ini").text
    words = shlex.split(unit.partition("ExecStart=")[2].partition("\n")[0])
    assert words[0].endswith("/.venv/bin/sigil") and words[words.index("--fd") + 1] == "3"
    (tmp_path / "hello.py").write_text(HELLO, encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number = listener.fileno()
        serve = shlex.join([sys.executable, "-m", "sigil", *words[1:]])
        command = f"exec 3<&{number} {number}<&-; exec {serve}"
        with serving("bash", "-c", command, folder=tmp_path, pass_fds=(number,)) as port:
            assert port == listener.getsockname()[1]
            assert http_get(port) == (200, "hello\n")
