"""What was recorded is what happened: the same effects, the same last server."""

import http.client
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sigil import Callbacks, HttpServer, Request, Response, make_http_server, replay
from sigil.core.server.state import Server
from sigil.core.trace.plain import flatten
from sigil.core.trace.turn import Turn
from sigil.shell.recording.reader import RecordingError, RecordingParts, read_recording
from sigil.testing import Client
from tests.support.replaying import replayed


def app(request: Request) -> Response:
    """Answers, upgrades, streams."""
    if request.path == "/ws":
        return Response.upgrade(topics=("news",))
    if request.path == "/stream":
        return Response.stream(iter([b"a", b"bc", b"def"]))
    return Response.text(f"hello {request.path}, {len(request.body)}")


def ask(server: HttpServer, path: str = "/", body: bytes = b"") -> bytes:
    """The body of a response over a real socket."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.request("POST" if body else "GET", path, body or None)
    answer = connection.getresponse().read()
    connection.close()
    return answer


@pytest.fixture
def server() -> Iterator[HttpServer]:
    """A server that is served from a thread."""
    server = make_http_server(app, port=0)
    with server.serve_in_thread():
        yield server


def test_a_recording_from_the_beginning_folds_to_the_last_server(tmp_path: Path) -> None:
    path = tmp_path / "run.mcap"
    server = make_http_server(app, port=0)
    with server.recording(path) as given:
        with server.serve_in_thread():
            assert ask(server) == b"hello /, 0"
            assert ask(server, "/stream") == b"abcdef"
            assert ask(server, "/upload", b"x" * 300_000) == b"hello /upload, 300000"
        last = server.state
    assert given == path
    assert replayed(read_recording(path)) == last


def test_a_recording_that_begins_with_open_connections_does_too(
    server: HttpServer, tmp_path: Path
) -> None:
    path = tmp_path / "run.mcap"
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as held:
        held.sendall(b"POST /held HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc")
        ask(server)
        with server.recording(path):  # from another thread than the one that serves
            held.sendall(b"def")
            assert held.recv(65_536).startswith(b"HTTP/1.1 200")
            ask(server)
    parts = read_recording(path)
    assert parts.first.slots.used >= 1
    replayed(parts)


def test_recordings_may_overlap_and_end_in_any_order(server: HttpServer, tmp_path: Path) -> None:
    first, second = server.recording(tmp_path / "a.mcap"), server.recording(tmp_path / "b.mcap")
    first.__enter__()
    ask(server)
    second.__enter__()
    ask(server)
    first.__exit__(None, None, None)
    ask(server)
    second.__exit__(None, None, None)
    for name in ("a.mcap", "b.mcap"):
        parts = read_recording(tmp_path / name)
        assert len(parts.turns) > 0
        replayed(parts)
    assert server._engine._advance is server._core


def test_a_server_that_is_configured_while_it_is_recorded_has_a_gap_of_no_turns(
    tmp_path: Path,
) -> None:
    path = tmp_path / "run.mcap"
    server = make_http_server(app, port=0)
    with server.recording(path):
        for _ in range(2):
            with server.serve_in_thread():
                ask(server)
    parts = read_recording(path)
    assert [turn.gap.missed for turn in parts.turns if turn.gap is not None] == [0]
    replayed(parts)


def test_a_server_in_memory_is_recorded_too(tmp_path: Path) -> None:
    path = tmp_path / "run.mcap"
    client = Client(app, callbacks=Callbacks(ws_message=lambda server, conn, data: None))
    with client.server.recording(path):
        assert client.get("/memory").text == "hello /memory, 0"
        client.websocket("/ws").send("hello")
        client.server.broadcast("news")
        last = client.state
    assert replayed(read_recording(path)) == last


def test_a_recording_without_turns_has_its_server(tmp_path: Path) -> None:
    server = make_http_server(app, port=0)
    with server.recording(tmp_path / "run.mcap"):
        pass
    parts = read_recording(tmp_path / "run.mcap")
    assert (parts.first, len(parts.turns)) == (server.state, 0)


def test_turns_are_numbered_from_one_and_read_when_they_are_asked_for(
    server: HttpServer, tmp_path: Path
) -> None:
    path = tmp_path / "run.mcap"
    with server.recording(path):
        for _ in range(5):
            ask(server)
    turns = read_recording(path).turns
    assert [turn.number for turn in turns] == list(range(1, len(turns) + 1))
    assert turns[-1].number == len(turns)
    assert [turn.number for turn in turns[1:3]] == [2, 3]
    assert isinstance(turns[0], Turn)
    with pytest.raises(IndexError, match="none at"):
        turns[len(turns)]


def test_a_path_that_cannot_be_written_is_refused_at_the_call(
    server: HttpServer, tmp_path: Path
) -> None:
    path = tmp_path / "nowhere" / "run.mcap"
    with (
        pytest.raises(RecordingError, match=r"cannot be written to .*: No such file"),
        server.recording(path),
    ):
        raise AssertionError("it was not refused")
    assert server._engine._advance is server._core


def test_the_same_traffic_flattens_alike(server: HttpServer, tmp_path: Path) -> None:
    """The parts of a recording are values: read twice they are equal."""
    path = tmp_path / "run.mcap"
    with server.recording(path):
        ask(server)
    once, again = read_recording(path), read_recording(path)
    assert flatten(once.first) == flatten(again.first)
    assert list(once.turns) == list(again.turns)
    assert isinstance(once, RecordingParts)
    assert isinstance(once.first, Server)


# -- what is asked for, and where ------------------------------------------------------------------


def test_files_stay_where_the_first_one_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that changes its folder has all of them in one place."""
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path)
    client = Client(app)
    with client.server.recording("run.mcap", max_len=1) as first:
        (recorder,) = client.server._recorders
        client.get("/")
        recorder.hand_over()
        monkeypatch.chdir(tmp_path / "other")
        client.get("/")
        recorder.hand_over()
        client.get("/")
    assert first == tmp_path / "run-0001.mcap"
    assert len(list(tmp_path.glob("run-*.mcap"))) >= 2
    assert not list((tmp_path / "other").iterdir())


def test_one_file_is_written_by_one_recording(tmp_path: Path) -> None:
    path = tmp_path / "run.mcap"
    server = Client(app).server
    refused = pytest.raises(RecordingError, match=r"run\.mcap: another one is being written to it")
    with server.recording(path):
        with refused, server.recording(path):
            raise AssertionError("it was not refused")
        with refused, Client(app).server.recording(path):
            raise AssertionError("it was not refused")
    assert not read_recording(path).turns  # it is whole
    with server.recording(path):
        pass


FORKED = """
import os, sys
from sigil import Response
from sigil.testing import Client

client = Client(lambda request: Response.text("hello"))
with client.server.recording(sys.argv[1]):
    client.get("/")
    process = os.fork()
    if process == 0:
        sys.exit(0)  # which ends the block, in this process too
    os.waitpid(process, 0)
    client.get("/")
"""


def test_a_process_that_is_forked_does_not_write_to_the_file(tmp_path: Path) -> None:
    path = tmp_path / "run.mcap"
    subprocess.run([sys.executable, "-W", "ignore", "-c", FORKED, path], check=True, timeout=60)
    parts = read_recording(path)
    assert parts.about.is_whole
    replayed(parts)


@pytest.mark.parametrize(
    "wrong",
    [{"seconds": float("nan")}, {"seconds": -1}, {"max_len": 0}, {"pause": "long"}],
    ids=str,
)
def test_what_makes_no_sense_of_the_last_turns_is_refused(wrong: dict[str, Any]) -> None:
    with (
        pytest.raises(ValueError, match=r"is a number, \d or more, not "),
        Client(app).server.recorder(**wrong),
    ):
        raise AssertionError("it was not refused")


def test_a_recording_says_when_it_began_though_nothing_happens_for_long(tmp_path: Path) -> None:
    client = Client(app)
    before = time.time()
    with client.server.recording(tmp_path / "run.mcap"):
        between = time.time()
        client.get("/")
    assert before <= replay(tmp_path / "run.mcap").about.begun <= between
    with client.server.recorder() as recent:
        before = time.time()
        client.get("/")
        between = time.time()
        recent.write(tmp_path / "recent.mcap")
    assert before <= replay(tmp_path / "recent.mcap").about.begun <= between
