"""`sigil replay` proves a recording, answers what it is asked, and checks a folder of them."""

import shutil
from http.client import HTTPConnection
from pathlib import Path
from typing import NamedTuple

import pytest
from websockets.sync.client import connect

from sigil import Callbacks, Conn, HttpServer, Request, Response, make_http_server
from sigil.apps.terminal import CommandError
from sigil.cli.recordings import run_replay
from sigil.cli.settings import read_settings
from sigil.testing import Client
from tests.support.command import run
from tests.support.recording_files import read_content

PATIENCE = 60.0
PROGRAM = """
from sigil import Response, make_http_server

def app(request):
    return Response.text(f"you asked for {request.path}")

def changed(request):
    return app(request) if request.path != "/b" else Response.text("something else")

def failing(request):
    return Response.text(str({}[request.path]))

server = make_http_server(app)
"""


class Printed(NamedTuple):
    """What a command has printed, and its exit status."""

    status: int
    out: str


@pytest.fixture(scope="module", name="folder")
def record_requests(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a program and a recording of three requests to it."""

    def app(request: Request) -> Response:
        return Response.text(f"you asked for {request.path}")

    folder = tmp_path_factory.mktemp("traces")
    (folder / "shop.py").write_text(PROGRAM)
    server = make_http_server(app, port=0)
    with server.recording(folder / "run.mcap"), server.serve_in_thread():
        client = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
        for path in ("/a", "/b", "/c"):
            client.request("GET", path)
            client.getresponse().read()
        client.close()
    return folder


@pytest.fixture(name="replay")
def make_replay(folder: Path, capsys: pytest.CaptureFixture[str]) -> "Replay":
    return Replay(folder, capsys)


class Replay:
    """`sigil replay` of the recording, in this process."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capsys = folder, capsys

    def __call__(self, *words: str, path: Path | None = None) -> Printed:
        target = str(path or self.folder / "run.mcap")
        dirs = ("--app-dir", str(self.folder)) if "--app" in words else ()
        status = run_replay(read_settings(["replay", target, *words, *dirs], "test"))
        return Printed(status, self._capsys.readouterr().out)

    def refused(self, *words: str, path: Path | None = None) -> tuple[int, str]:
        """The status and the sentence of what cannot be done."""
        with pytest.raises(CommandError) as caught:
            self(*words, path=path)
        return caught.value.status, str(caught.value)


def test_without_flags_a_recording_is_proved_and_its_ends_are_listed(replay: Replay) -> None:
    status, out = replay()
    assert status == 0
    rows = out.splitlines()
    assert rows[0].startswith(f"{replay.folder / 'run.mcap'}: ") and " turns in " in rows[0]
    assert rows[1] == "  1 connection accepted, 3 requests, 0 messages published"
    assert rows[2].startswith("  recorded 20") and " by sigil " in rows[2]
    assert rows[3] == "it was replayed: the same effects, to the byte"
    assert rows[4] == "connections that have ended (--explain N says why):"
    assert "connection 0 (127.0.0.1:" in rows[5] and len(rows) == 6


def test_a_turn_is_shown_with_what_it_has_changed(replay: Replay) -> None:
    status, out = replay("--until", "2")
    assert status == 0 and ": 2 turns in " in out
    assert "turn 2:\n  -> " in out and "\n  <- " in out and "clients[0]" in out, out


def test_a_connection_can_be_read_and_explained(replay: Replay) -> None:
    dialogue = replay("--conn", "0").out
    assert "-> GET /a" in dialogue
    assert "<- 200 OK, text/plain; charset=utf-8, 16 bytes: 'you asked for /a'" in dialogue
    explained = replay("--explain", "0").out
    assert "was accepted" in explained and "it was closed, " in explained


def test_figures_are_printed_one_a_line(replay: Replay) -> None:
    rows = replay("--stats").out.splitlines()
    assert "requests: 3" in rows and "events:" in rows and "  HandlerReturned: 3" in rows


def test_what_would_have_been_otherwise_is_printed(replay: Replay) -> None:
    status, out = replay("--limits", "max_headers=1", "--slow", "skip")
    assert status == 0
    assert out.startswith("with max_headers=1, slow='skip':\n")


def test_the_same_handler_answers_alike_and_a_changed_one_does_not(replay: Replay) -> None:
    same = replay("--app", "shop:app")
    assert same == (0, "shop:app answers every request as it was recorded\n")
    assert replay("--app", "shop:server") == (
        0,
        "shop:server answers every request as it was recorded\n",
    )
    status, out = replay("--app", "shop:changed")
    assert status == 1 and out.startswith("shop:changed answers 1 request otherwise:\nturn ")
    assert "GET /b" in out and "'something else' (14 bytes) now" in out
    status, out = replay("--app", "shop:failing")
    assert status == 1 and "answers 3 requests otherwise" in out and "KeyError: '/a'" in out


def test_a_folder_is_checked_up_to_the_first_difference(replay: Replay, tmp_path: Path) -> None:
    shutil.copy(replay.folder / "run.mcap", tmp_path / "a.mcap")
    (tmp_path / "more").mkdir()
    shutil.copy(replay.folder / "run.mcap", tmp_path / "more" / "b.mcap")
    status, out = replay("--check", path=tmp_path)
    assert status == 0
    assert [row.split(": ")[0] for row in out.splitlines()] == [
        str(tmp_path / "a.mcap"),
        str(tmp_path / "more" / "b.mcap"),
    ]
    assert all(row.endswith(" turns, the same") for row in out.splitlines())
    status, out = replay("--check", "--app", "shop:changed", path=tmp_path)
    assert status == 1 and out.startswith(f"{tmp_path / 'a.mcap'}: shop:changed answers 1 request ")


def test_what_is_not_there_is_refused_in_a_sentence(replay: Replay, tmp_path: Path) -> None:
    status, text = replay.refused("--until", "9999")
    assert status == 2 and text.startswith("there is no turn 9999: the recording has ")
    status, text = replay.refused("--conn", "7")
    assert (status, text) == (2, "there is no connection 7: the recording has only 0")
    status, text = replay.refused("--limits", "max_headers=0")
    assert status == 2 and "max_headers" in text
    status, text = replay.refused(path=tmp_path / "missing.mcap")
    assert status == 3 and "missing.mcap cannot be read" in text
    foreign = tmp_path / "foreign.mcap"
    foreign.write_bytes(b"hello")
    assert replay.refused(path=foreign)[0] == 3
    assert replay.refused("--check", path=foreign) == (
        3,
        f"{foreign} is no folder: --check takes one",
    )
    (tmp_path / "empty").mkdir()
    status, text = replay.refused("--check", path=tmp_path / "empty")
    assert status == 3 and text.endswith("has no recordings (*.mcap)")
    assert replay.refused("--app", "shop:missing")[0] == 3
    assert replay.refused("--port", "0")[0] == 2


@pytest.fixture(scope="module", name="redacted")
def record_redacted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A redacted recording of a client that was sent compressed messages."""

    def echo(server: HttpServer, conn: Conn, data: str | bytes) -> None:
        server.broadcast(data)
        server.send(conn, data)

    path = tmp_path_factory.mktemp("redacted") / "run.mcap"
    server = make_http_server(
        lambda request: Response.upgrade(), port=0, callbacks=Callbacks(ws_message=echo)
    )
    with (
        server.recording(path, redact="cookie,body,messages"),
        server.serve_in_thread(),
        connect(f"ws://127.0.0.1:{server.port}/", open_timeout=PATIENCE) as client,
    ):
        assert "permessage-deflate" in client.response.headers["Sec-WebSocket-Extensions"]
        for text in (" ".join(map(str, range(900))), "short"):
            client.send(text)
            assert [client.recv(PATIENCE), client.recv(PATIENCE)] == [text, text]
    return path


def test_what_was_compressed_and_redacted_is_no_difference(replay: Replay, redacted: Path) -> None:
    status, out = replay(path=redacted)
    assert status == 0
    assert "redacted: cookie, body, messages\n" in out
    assert (
        "it is redacted, so effects were compared by kind, field and length, but from turn " in out
    )
    assert " on not how long messages are that were encoded; they are the same\n" in out
    assert "(--explain N says why)" in out
    assert replay("--check", path=redacted.parent).status == 0


@pytest.mark.parametrize("limit", ["max_headers", "no_such=1", "max_headers=many"])
def test_what_is_no_limit_is_a_usage_error(replay: Replay, limit: str) -> None:
    with pytest.raises(SystemExit):
        replay("--limits", limit)


def test_a_recording_that_differs_is_said_so(replay: Replay, tmp_path: Path) -> None:
    """As if this version ordered something else: an effect is missing in the file."""
    content = read_content(replay.folder / "run.mcap")
    place = next(n for n, (_, effects) in enumerate(content.turns) if effects)
    content.turns[place][1].pop(0)
    path = content.write(tmp_path / "altered.mcap")
    status, out = replay(path=path)
    assert status == 1 and f"it differs from its replay:\n  turn {place + 1}, effect 0" in out
    assert replay("--check", path=tmp_path).status == 1


@pytest.mark.parametrize(
    "words", [(), ("--stats",), ("--conn", "0"), ("--slow", "skip"), ("--app", "shop:app")]
)
def test_what_is_damaged_further_on_is_refused_in_a_sentence(
    replay: Replay, tmp_path: Path, words: tuple[str, ...]
) -> None:
    """It is read as far as it is asked about, and that is not at once."""
    content = read_content(replay.folder / "run.mcap")
    content.turns[-1][0] = [[99]]
    path = content.write(tmp_path / "damaged.mcap")
    status, text = replay.refused(*words, path=path)
    turn = len(content.turns)
    expected = f"{path}: turn {turn} cannot be read: the kind of event 99 is not known"
    assert status == 3 and text.startswith(expected), text
    assert replay.refused("--check", path=tmp_path) == (3, text)


def test_what_a_recording_says_is_no_order_to_a_terminal(replay: Replay, tmp_path: Path) -> None:
    content = read_content(replay.folder / "run.mcap")
    hostile = {"sigil": {"sigil": "1\x1b[2J\x07", "redaction": "a\rb"}}
    out = replay(path=content.write(tmp_path / "hostile.mcap", metadata=hostile)).out
    assert "by sigil 1\\x1b[2J\\x07, " in out and "redacted: a\\rb" in out
    assert all(char.isprintable() or char == "\n" for char in out)


def test_a_terminal_that_has_not_all_characters_gets_escapes(tmp_path: Path) -> None:
    client = Client(lambda request: Response.text("h\u00e9llo \u2603"))
    with client.server.recording(tmp_path / "run.mcap"):
        client.get("/")
    words = ("replay", str(tmp_path / "run.mcap"), "--conn", "0")
    ended = run(*words, environment={"PYTHONIOENCODING": "ascii"})
    assert (ended.status, ended.err) == (0, "")
    assert "'h\\xe9llo \\u2603'" in ended.out


@pytest.mark.parametrize(
    "words",
    [("--check", "--stats"), ("--check", "--conn", "0"), ("--ignore", "date")],
)
def test_flags_that_would_say_nothing_are_refused(replay: Replay, words: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit):
        replay(*words)


def test_the_command_is_one_of_sigil(folder: Path) -> None:
    ended = run("replay", str(folder / "run.mcap"))
    assert (ended.status, ended.err) == (0, "")
    assert "it was replayed: the same effects, to the byte\n" in ended.out
    ended = run("replay", str(folder / "shop.py"))
    assert (
        ended.status == 3
        and ended.err.startswith("sigil: error: ")
        and "Traceback" not in ended.err
    )
