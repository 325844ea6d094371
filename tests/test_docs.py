"""The documents are true: every program in them runs, every command in the README works, every link leads somewhere.

What it is: fenced blocks are read out of README.md and docs/, and tried.  A `python` block is a whole program.  One
that asks for port 8080 is a server: it is run on a free port, asked for one page, and must end with status 0 on SIGINT.
Any other must end by itself, and if a `text` block stands behind it, with only words between, print exactly that.
Its rules: no sleeps; every process has a deadline and is ended by its own id; a command nobody here knows how to try
fails the test.  The README's first two commands set up what these tests run in, so here they are only read; `.ci/run`
runs the second one as it stands.
What it does not know: whether the words are true; where a table repeats the code, that is compared.
"""

import inspect
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from math import inf
from pathlib import Path
from typing import IO, NamedTuple

import pytest
from javascript.node import CLIENT, running
from websockets.sync.client import connect
from websockets.typing import Origin

import sigil
from sigil import Callbacks, HttpServer, Limits, Request, Response, SendStatus
from sigil.core.close_reasons import CLOSE_INFO
from sigil.core.connection.client import Phase
from sigil.core.connection.deadlines import _TIMEOUTS, Waiting
from sigil.core.server.eviction import _RANKS
from sigil.testing import Client

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
SPEC = ROOT / "docs" / "spec.md"
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
PATIENCE_SECONDS = 30.0

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
ADDRESS = re.compile(r"http://[^/\s]+:(\d+)")
LIMIT_ROW = re.compile(r"^\| `(\w+)` \| (\S+)(?: bytes| s)? \|", re.MULTILINE)

LOUD = "import logging, sys; logging.basicConfig(level=logging.INFO, stream=sys.stdout)\n"
"""What a server is run behind, so that one which does not print its address logs it where the test reads."""

HELLO = """\
from sigil import Request, Response

def app(request: Request) -> Response:
    return Response.text("hello\\n")
"""


class Block(NamedTuple):
    """One fenced block; `printed` is the `text` block that follows it, if there is one."""

    page: Path
    line: int
    language: str
    text: str
    printed: str | None

    @property
    def name(self) -> str:
        """Where to find it."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks_of(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    found = list(FENCE.finditer(text))
    for place, match in enumerate(found):
        follower = found[place + 1] if place + 1 < len(found) else None
        is_output = follower is not None and follower[1] == "text" and "\n#" not in text[match.end():follower.start()]
        yield Block(page, text.count("\n", 0, match.start()) + 1, match[1], match[2],
                    follower[2] if follower is not None and is_output else None)


BLOCKS = [block for page in PAGES for block in blocks_of(page)]
PROGRAMS = [block for block in BLOCKS if block.language == "python"]
SERVERS = [block for block in PROGRAMS if "port=8080" in block.text]
SCRIPTS = [block for block in PROGRAMS if block not in SERVERS]
CHAT = next(block for block in SERVERS if "topic=rooms[" in block.text)
COMMANDS = [block for block in blocks_of(README) if block.language in ("sh", "console")]


# -- running things ------------------------------------------------------------------------------------------------

def run(*words: str, folder: Path | None = None) -> "subprocess.CompletedProcess[str]":
    """A process that is expected to end by itself."""
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)


@contextmanager
def serving(*words: str, folder: Path | None = None, stdin: IO[bytes] | None = None) -> Iterator[int]:
    """The port of a process that serves; it must end with status 0 when it is interrupted."""
    process = subprocess.Popen(words, cwd=folder, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               text=True)
    watchdog = threading.Timer(PATIENCE_SECONDS, process.kill)
    watchdog.start()
    try:
        assert process.stdout is not None
        said: list[str] = []
        found = None
        for line in process.stdout:
            said.append(line)
            found = ADDRESS.search(line)
            if found is not None:
                break
        assert found is not None, f"it never said where it listens: {said}"
        yield int(found[1])
        process.send_signal(signal.SIGINT)
        said += process.stdout.readlines()
        assert process.wait() == 0, "".join(said)
    finally:
        watchdog.cancel()
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def ask(port: int, method: str = "GET", path: str = "/") -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


# -- programs ------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("block", SCRIPTS, ids=lambda block: block.name)
def test_a_program_runs_and_prints_what_is_written_below_it(block: Block) -> None:
    ended = run(sys.executable, "-c", block.text)
    assert ended.returncode == 0, ended.stderr
    if block.printed is not None:
        assert ended.stdout.replace("\r\n", "\n").rstrip() == block.printed.rstrip()


@pytest.mark.parametrize("block", SERVERS, ids=lambda block: block.name)
def test_a_server_says_where_it_is_answers_and_ends_when_interrupted(block: Block) -> None:
    with serving(sys.executable, "-u", "-c", LOUD + block.text.replace("port=8080", "port=0")) as port:
        status, body = ask(port)
    assert (status, bool(body)) == (200, True)


def test_the_chat_is_a_chat_in_rooms() -> None:
    with serving(sys.executable, "-u", "-c", LOUD + CHAT.text.replace("port=8080", "port=0")) as port:
        address = f"ws://127.0.0.1:{port}/chat"
        with connect(address) as ann, connect(address) as bob, connect(f"{address}?room=attic") as eve:
            assert [who.recv(PATIENCE_SECONDS) for who in (ann, bob)] == ["you are in the lobby"] * 2
            ann.send("hello")
            assert [who.recv(PATIENCE_SECONDS) for who in (ann, bob)] == ["hello", "hello"]
            bob.close()
            assert ann.recv(PATIENCE_SECONDS) == "somebody left: WS_PEER_CLOSED, 1000"
            eve.send("anybody here?")
            assert [eve.recv(PATIENCE_SECONDS) for _ in range(2)] == ["you are in the attic", "anybody here?"]


def test_the_page_of_numbers_is_sent_numbers() -> None:
    program = next(block for block in SERVERS if "new WebSocket(" in block.text)
    with serving(sys.executable, "-u", "-c", LOUD + program.text.replace("port=8080", "port=0")) as port:
        assert "/live" in ask(port)[1]
        with connect(f"ws://127.0.0.1:{port}/live", origin=Origin(f"http://127.0.0.1:{port}")) as page:
            numbers = [json.loads(page.recv(PATIENCE_SECONDS)) for _ in range(3)]
    frames = [number["frame"] for number in numbers]
    assert frames == [frames[0], frames[0] + 1, frames[0] + 2]
    assert all(set(number) == {"frame", "height"} for number in numbers)


def test_the_page_that_comes_back_shows_a_clock_and_says_when_it_has_stopped(tmp_path: Path) -> None:
    program = next(block for block in SERVERS if "client_module(" in block.text)
    with ExitStack() as pages:
        with serving(sys.executable, "-u", "-c", LOUD + program.text.replace("port=8080", "port=0")) as port:
            assert ask(port, path="/sigil-client.js") == (200, CLIENT.read_text(encoding="utf-8"))
            page = pages.enter_context(running(tmp_path, f"http://127.0.0.1:{port}/", script="page.mjs"))
            assert page.until("p") == ["p", "live"]
            assert re.fullmatch(r"\d\d:\d\d:\d\d", page.until("h1")[1])
        assert re.fullmatch(r"lost \(1001\), again in \d+ ms", page.until("p")[1])


def test_there_is_a_program_for_each_way_in() -> None:
    texts = [block.text for block in PROGRAMS if block.page == README]
    assert any(".start()" in text for text in texts)
    assert any("http_server_tick(server" in text for text in texts)
    assert any("make_server(" in text and "port=" not in text for text in texts)
    assert any("http_server_serve(server)" in text for text in texts)
    assert any(block.page.parent.name == "docs" and block.printed for block in SCRIPTS)


def test_the_program_on_the_first_screen_is_the_one_in_the_package() -> None:
    words = [line.strip() for line in PROGRAMS[0].text.splitlines() if line.strip()]
    documented = [line.strip() for line in (sigil.__doc__ or "").splitlines()]
    assert words[:2] == [line for line in documented if line in words[:2]]
    assert words[-1] in documented
    first = next(block for block in BLOCKS if block.page == README)
    assert first.language == "python" and first.line < 20 and len(words) <= 5


def test_what_is_said_of_topics_and_history_holds() -> None:
    callbacks = Callbacks(ws_open=lambda server, conn, request: server.send(conn, "welcome"))
    client = Client(lambda request: Response.upgrade(topics=request.query, history=10),
                    limits=Limits(history_messages=100, outgoing_buffer_sz=10_000), callbacks=callbacks)
    for number in range(40):
        client.server.broadcast(str(number), topic=("a", "b", None)[number % 3])
    ann, eve = client.websocket("/?a"), client.websocket("/?c")
    assert ann.messages() == ["26", "27", "29", "30", "32", "33", "35", "36", "38", "39", "welcome"]
    assert eve.messages() == [str(number) for number in range(11, 40, 3)] + ["welcome"]
    assert ann.handle is not None
    client.server.unsubscribe(ann.handle, "a")
    client.server.subscribe(ann.handle, "c")
    client.server.broadcast("to a", topic="a")
    client.server.broadcast("to c", topic="c")
    client.settle()
    assert (ann.messages()[-1], eve.messages()[-1]) == ("to c", "to c")
    assert "to a" not in ann.messages()
    assert client.server.broadcast(bytes(10_001)) is SendStatus.DROPPED
    assert client.server.send(ann.handle, bytes(10_001)) is SendStatus.SUCCESS


def test_who_needs_what_is_no_longer_there_is_dropped_and_the_log_says_how_far_behind_it_was() -> None:
    ends: list[tuple[str, int]] = []
    callbacks = Callbacks(ws_close=lambda server, conn, reason, code: ends.append((reason.name, code)))
    client = Client(lambda request: Response.upgrade(), limits=Limits(outgoing_buffer_sz=5_000), callbacks=callbacks)
    slow, other = client.websocket("/", window_len=1_000), client.websocket("/")
    statuses = []
    while not ends:
        statuses.append(client.server.broadcast(bytes(900)))
        client.settle()
    assert statuses[-1] is SendStatus.DROPPED and SendStatus.BACKPRESSURE in statuses
    assert len(other.messages()) == len(statuses)
    assert (ends, slow.connection.is_closed) == ([("WS_CLIENT_TOO_SLOW", 1013)], True)
    assert "it needed message" in client.log[-1].text


# -- commands ------------------------------------------------------------------------------------------------------

def check_set_up(command: str, folder: Path) -> None:
    """The first two: one line each, and every part of them exists."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    steps = command.split(" && ")
    assert steps[0] == "python3 -m venv .venv"
    assert steps[1].startswith(".venv/bin/python -m pip install -q -e ")
    extra = re.search(r"'\.\[(\w+)\]'", steps[1])
    if extra is None:
        script = steps[2].split()[0].removeprefix(".venv/bin/")
        assert project["scripts"][script] == "sigil.cli.main:main"
    else:
        needed = {re.split(r"[<>=]", need)[0] for need in project["optional-dependencies"][extra[1]]}
        assert extra[1] == "test" and "pytest" in needed
    assert len(steps) == 3


def check_bench(command: str, folder: Path) -> None:
    """The extra and the file exist; `tests/bench` runs the bench itself."""
    install, bench = command.split(" && ")
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert install == ".venv/bin/python -m pip install -q -e '.[bench]'" and "bench" in extras
    ended = run(sys.executable, bench.removeprefix(".venv/bin/python "), "--help", folder=ROOT)
    assert ended.returncode == 0, ended.stderr


def check_serve(command: str, folder: Path) -> None:
    """`sigil serve` with these very flags, but for the port."""
    (folder / "hello.py").write_text(HELLO, encoding="utf-8")
    words = shlex.split(command.replace("--port 8080", "--port 0"))[1:]
    with serving(sys.executable, "-m", "sigil", *words, folder=folder) as port:
        assert ask(port) == (200, "hello\n")


LAST_LINE = "the last line of the log; all that follow come as they are written"


@contextmanager
def streaming_log(folder: Path) -> Iterator[int]:
    """The port of the pipeline of the README, whose log has two lines."""
    (folder / "app.log").write_text(f"a line of the log\n{LAST_LINE}\n", encoding="utf-8")
    line = next(line for block in COMMANDS for line in lines_of(block) if "sigil stream" in line)
    tail, stream = (shlex.split(part) for part in line.replace("--port 8080", "--port 0").split(" | "))
    source = subprocess.Popen(tail, cwd=folder, stdout=subprocess.PIPE)
    try:
        with serving(sys.executable, "-m", "sigil", *stream[1:], folder=folder, stdin=source.stdout) as port:
            yield port
    finally:
        source.kill()
        source.communicate()


def check_stream(command: str, folder: Path) -> None:
    """`sigil stream` behind this very pipe, but for the port: what is in the log is heard, and what is added to it."""
    with streaming_log(folder) as port, connect(f"ws://127.0.0.1:{port}/ws") as listener:
        assert [listener.recv(PATIENCE_SECONDS) for _ in range(2)] == ["a line of the log", LAST_LINE]
        with (folder / "app.log").open("a", encoding="utf-8") as log:
            log.write("one more\n")
        assert listener.recv(PATIENCE_SECONDS) == "one more"


def check_event_stream(command: str, folder: Path) -> None:
    """What curl is told of the log, but for the numbers; asked here without curl, which not everybody has."""
    target = shlex.split(command)[-1].rpartition(":8080")[2]
    with streaming_log(folder) as port, connect(f"ws://127.0.0.1:{port}/ws") as listener:
        assert [listener.recv(PATIENCE_SECONDS) for _ in range(2)][-1] == LAST_LINE
        connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
        connection.request("GET", target)
        response = connection.getresponse()
        events = "".join(response.readline().decode() for _ in range(4))
        connection.close()
    shown = README.read_text(encoding="utf-8").partition(f"$ {command}\n")[2].partition("```")[0]
    form = re.compile(rf"id: \d+-\d+\n\nid: \d+-\d+\ndata: {LAST_LINE}\n")
    assert form.fullmatch(events) and form.fullmatch(shown)


def check_writing(command: str, folder: Path) -> None:
    """How long somebody has to write: with this very pipe, but for the port, the waiting and most of the lines."""
    quick = command.replace("--port 8080", "--port 0").replace("sleep 9", "sleep 0").replace("1000000", "1000")
    done = subprocess.run(["bash", "-c", quick.replace(".venv/bin/sigil", f"{shlex.quote(sys.executable)} -m sigil")],
                          cwd=folder, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=True)
    assert done.stdout.startswith("listening on ")
    assert re.search(r"^real\s", done.stderr, re.MULTILINE) and "its lines: 1000\n" in done.stderr


def check_refusal(command: str, folder: Path) -> None:
    """What curl is told; asked here without curl, which not everybody has."""
    method = shlex.split(command)[3]
    (folder / "hello.py").write_text(HELLO, encoding="utf-8")
    with serving(sys.executable, "-m", "sigil", "serve", "hello:app", "--port", "0", folder=folder) as port:
        status, said = ask(port, method)
    assert said in README.read_text(encoding="utf-8") and said.startswith(f"{status} ")


def check_chat(command: str, folder: Path) -> None:
    """What the chat of the README answers who asks for it with curl."""
    path = command.rpartition(":8080")[2]
    with serving(sys.executable, "-u", "-c", LOUD + CHAT.text.replace("port=8080", "port=0")) as port:
        _, said = ask(port, path=path)
    assert f"$ {command}\n{said}```" in README.read_text(encoding="utf-8")


CHECKS: dict[str, Callable[[str, Path], None]] = {
    "python3 -m venv": check_set_up,
    ".venv/bin/python -m pip install -q -e '.[bench]'": check_bench,
    ".venv/bin/sigil serve": check_serve,
    "tail -n +1 -F app.log": check_stream,
    "curl -sN 'http://127.0.0.1:8080/events": check_event_stream,
    "(sleep 9; time seq": check_writing,
    "curl -s -X": check_refusal,
    "curl -s http://127.0.0.1:8080/chat": check_chat,
}
"""How each kind of command is tried, by how it begins."""


def lines_of(block: Block) -> list[str]:
    """The command lines of a block: all of `sh`, those behind a dollar sign of `console`."""
    lines = [line for line in block.text.splitlines() if line]
    return lines if block.language == "sh" else [line[2:] for line in lines if line.startswith("$ ")]


@pytest.mark.parametrize("block", COMMANDS, ids=lambda block: block.name)
def test_a_command_of_the_readme_works(block: Block, tmp_path: Path) -> None:
    assert lines_of(block)
    for line in lines_of(block):
        check = next((check for start, check in CHECKS.items() if line.startswith(start)), None)
        assert check is not None, f"nobody knows how to try: {line}"
        check(line, tmp_path)


def test_the_first_two_commands_are_the_demo_and_the_tests() -> None:
    shells = [block.text for block in COMMANDS if block.language == "sh"]
    assert [text.count("\n") for text in shells[:2]] == [1, 1]
    assert shells[0].endswith(" && .venv/bin/sigil demo\n")
    assert shells[1].endswith(" && .venv/bin/python -m pytest\n")


def test_the_demo_serves_its_page() -> None:
    with serving(sys.executable, "-m", "sigil", "demo", "--port", "0") as port:
        status, page = ask(port)
    assert status == 200 and "<html" in page


# -- what repeats the code -----------------------------------------------------------------------------------------

def section_of(page: Path, heading: str) -> str:
    """What stands below a heading of the second order."""
    return page.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def test_the_table_of_limits_has_every_limit_with_its_default() -> None:
    rows = LIMIT_ROW.findall(section_of(README, "Limits, and what happens at each"))
    assert {name: [value for other, value in rows if other == name] for name, _ in rows} == {
        name: [str(default)] for name, default in Limits._field_defaults.items()}


def test_the_tables_of_websockets_name_what_there_is() -> None:
    section = section_of(README, "WebSockets")
    told = dict(re.findall(r"^\| `(\w+)\(server, (conn[^)]*)\)` \|", section, re.MULTILINE))
    assert set(told) == set(Callbacks._fields)
    documented = dict(re.findall(r"`(\w+)\(server, (conn[^)]*)\)`", " ".join((Callbacks.__doc__ or "").split())))
    assert told == documented
    assert re.findall(r"^\| `([A-Z]+)` \|", section, re.MULTILINE) == [
        status.name for status in (SendStatus.SUCCESS, SendStatus.BACKPRESSURE, SendStatus.DROPPED)]
    for row in re.findall(r"^\| (`server\.[^|]*) \|", section, re.MULTILINE):
        for name, words in re.findall(r"`server\.(\w+)\(([^)]*)\)`", row):
            told_names = [word.partition("=")[0].lstrip("*") for word in words.split(", ") if word]
            known = [*inspect.signature(getattr(HttpServer, name)).parameters][1:]
            assert told_names == known[:len(told_names)], name


def test_the_statuses_of_the_table_are_those_that_are_sent() -> None:
    section = section_of(README, "Limits, and what happens at each")
    rows = re.findall(r"^\| ((?:\d{3}, )*\d{3}) \|", section, re.MULTILINE)
    told = {int(status) for row in rows for status in row.split(", ")}
    assert told == {info.status for info in CLOSE_INFO.values() if info.status} - {411} | {404, 405}


def test_the_tables_of_request_and_response_name_what_there_is() -> None:
    text = README.read_text(encoding="utf-8")
    assert all(f"| `{field}` |" in text for field in Request._fields)
    for name in re.findall(r"`request\.(\w+)", text):
        assert hasattr(Request, name), name
    constructors = {name for name, value in vars(Response).items() if isinstance(value, staticmethod)}
    assert set(re.findall(r"^\| `Response\.(\w+)\(", text, re.MULTILINE)) == constructors - {"__new__"}
    for name in re.findall(r"`server\.(\w+)", text):
        assert hasattr(HttpServer, name), name


def test_the_spec_names_every_event_and_effect_and_no_other() -> None:
    from sigil.core.effects import Effect
    from sigil.core.events import Event

    for kinds, heading in ((Event, "Events"), (Effect, "Effects")):
        section = section_of(SPEC, heading)
        written = re.findall(r"^\| `(\w+)\(([^)]*)\)` \|", section, re.MULTILINE)
        assert {name: tuple(fields.split(", ")) for name, fields in written} == {
            kind.__name__: kind._fields for kind in kinds.__args__}


def test_the_spec_names_every_phase_and_what_arriving_bytes_are_in_it() -> None:
    section = section_of(SPEC, "The life of a connection")
    assert re.findall(r"^\| `([A-Z]+)` \|", section, re.MULTILINE) == [phase.name for phase in Phase]


def test_the_spec_says_how_long_everything_is_waited_for() -> None:
    names = [name for name in Limits._fields if isinstance(Limits._field_defaults[name], float)]
    told_apart = Limits(**{name: float(number) for number, name in enumerate(names)})  # type: ignore[arg-type]
    rows = re.findall(r"^\| `([A-Z]+)`: [^|]*\| (?:`(\w+)`|for ever)", section_of(SPEC, "Timers"), re.MULTILINE)
    assert {Waiting[name]: getattr(told_apart, limit, inf) for name, limit in rows} == {
        waiting: patience(told_apart) for waiting, (patience, _) in _TIMEOUTS.items()}


def test_the_spec_ranks_who_gives_way_as_the_code_does() -> None:
    section = section_of(SPEC, "When there is not enough")
    ranked = re.findall(r"`([A-Z]+)`", section.partition("by what it waits for:")[2].partition(";")[0])
    assert [Waiting[name] for name in ranked] == sorted(_RANKS, key=lambda waiting: _RANKS[waiting])


def test_the_changelog_has_this_version() -> None:
    assert f"\n## [{sigil.__version__}] - " in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


# -- links ---------------------------------------------------------------------------------------------------------

def anchors_of(page: Path) -> set[str]:
    """The anchors that headings get where these pages are read."""
    headings = HEADING.findall(FENCE.sub("", page.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        if link.startswith(("http://", "https://")):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), f"{link} leads nowhere"
        assert not anchor or anchor in anchors_of(target), f"{link}: no such heading"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_name_files_that_exist_and_no_machine_paths(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for name in re.findall(r"`((?:sigil|tests|docs|notebooks|\.ci)/[\w./]*)`", text):
        assert (ROOT / name).exists(), f"{name} does not exist"
    assert not re.search(r"(?<![\w.])/(?:home|root|work|Users)/", text)


def test_the_records_of_decisions_are_numbered_and_have_the_three_parts() -> None:
    records = sorted((ROOT / "docs" / "adr").glob("*.md"))
    assert [int(record.name.partition("-")[0]) for record in records] == list(range(1, len(records) + 1))
    for record in records:
        text = record.read_text(encoding="utf-8")
        assert re.findall(r"^## (.*)$", text, re.MULTILINE) == ["Context", "Decision", "Consequences"], record.name


def test_ci_is_executable_and_reads_its_command_from_the_readme() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert run("bash", "-n", str(script)).returncode == 0
    ended = run("bash", str(script), "--show")
    shells = [block.text for block in COMMANDS if block.language == "sh"]
    assert ended.stdout == shells[1], ended.stderr
