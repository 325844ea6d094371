"""The last turns of a server are kept in memory, and written when they are wanted."""

import logging
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from sigil import Callbacks, CloseReason, Conn, HttpServer, Request, Response
from sigil.shell.recording.reader import RecordingError, read_recording
from sigil.testing import Client
from tests.support.replaying import replayed
from tests.support.requests import GET, UPGRADE
from tests.support.servers import PATIENCE, Raw, make


def app(request: Request) -> Response:
    """Answers, or raises."""
    if request.path == "/raise":
        raise LookupError("as asked")
    return Response.text("hello")


def test_they_are_written_by_hand(tmp_path: Path) -> None:
    client = Client(app)
    with client.server.recorder() as recent:
        for _ in range(3):
            client.get("/")
        path = recent.write(tmp_path / "a.mcap")
        last = client.state
        again = recent.write(tmp_path / "b.mcap")
    assert replayed(read_recording(path)) == last
    assert list(read_recording(again).turns) == list(read_recording(path).turns)


def test_nothing_is_nothing_to_write(tmp_path: Path) -> None:
    with (
        Client(app).server.recorder() as recent,
        pytest.raises(RecordingError, match="nothing to write"),
    ):
        recent.write(tmp_path / "a.mcap")


def test_they_are_bounded_in_bytes_and_what_is_left_replays(tmp_path: Path) -> None:
    client = Client(app)
    with client.server.recorder(max_len=40_000) as recent:
        for number in range(200):
            client.get(f"/{number}" + "a" * 400)
        assert sum(batch.size for batch in recent._batches) <= 40_000
        parts = read_recording(recent.write(tmp_path / "a.mcap"))
        last = client.state
    assert parts.first.totals.accepted > 0
    assert replayed(parts) == last


def test_they_are_bounded_in_time(tmp_path: Path) -> None:
    client = Client(app)
    with client.server.recorder(seconds=0.0, max_len=16_000) as recent:
        for number in range(200):
            client.get(f"/{number}")
        assert len(recent._batches) <= 2


def test_a_handler_that_raises_has_them_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    client = Client(app, raise_errors=False)
    with (
        caplog.at_level(logging.WARNING),
        client.server.recorder(path=tmp_path / "{number}.mcap", pause=3_600),
    ):
        client.get("/")
        assert client.get("/raise").status == 500
        assert client.get("/raise").status == 500
    assert [path.name for path in tmp_path.iterdir()] == ["0001.mcap"]
    replayed(read_recording(tmp_path / "0001.mcap"))
    assert "user code has raised" in caplog.text


def test_a_callback_that_raises_has_them_written(tmp_path: Path) -> None:
    def fail(server: HttpServer, conn: Conn, data: str | bytes) -> None:
        raise ValueError(data)

    client = Client(
        lambda request: Response.upgrade(), callbacks=Callbacks(ws_message=fail), raise_errors=False
    )
    with client.server.recorder(path=tmp_path / "{number}.mcap", pause=3_600):
        websocket = client.websocket("/")
        assert list(tmp_path.iterdir()) == []
        websocket.send("boom")
        client.advance(1)
    (path,) = tmp_path.iterdir()
    parts = read_recording(path)
    replayed(parts)
    raised = [event for turn in parts.turns for event in turn.events]
    assert CloseReason.HANDLER_ERROR in [getattr(event, "reason", None) for event in raised]


def fail(*_: object) -> None:
    raise LookupError("as asked")


async def fail_later(*_: object) -> None:
    raise LookupError("as asked, later")


def turn_until(so: Callable[[], bool], *clients: Raw) -> None:
    """Return when something is so in a server that ticks elsewhere."""
    deadline = time.monotonic() + PATIENCE
    while not so():
        assert time.monotonic() < deadline, "it never came to be"
        for client in clients:
            client.poll()


def is_answered(client: Raw) -> bool:
    return bool(client.received) or client.over


UNSEEN = {
    "close": Callbacks(close=fail),
    "ws_close": Callbacks(ws_close=fail),
    "sse_close": Callbacks(sse_close=fail),
    "admit": Callbacks(
        admit=lambda server, peer: not server.stats().accepted or fail()  # type: ignore
    ),
    "a coroutine of an end": Callbacks(ws_close=fail_later),
    "call_soon": Callbacks(close=lambda server, *_: server.call_soon(fail)),
    "callback_all_protocol": Callbacks(
        ws_open=lambda server, *_: server.callback_all_protocol("", fail)
    ),
}
"""Programs that raise where no turn says so: what a client does ends with that."""


def answer(request: Request) -> Response:
    """Whatever is asked for."""
    return Response.upgrade() if request.is_upgrade else Response.sse(topics=["a"])


@pytest.mark.parametrize("callbacks", UNSEEN.values(), ids=UNSEEN)
def test_user_code_that_raises_where_no_turn_says_so_has_them_written(
    callbacks: Callbacks, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = make(answer, callbacks=callbacks)
    with (
        caplog.at_level(logging.WARNING),
        server.recorder(path=tmp_path / "{number}.mcap", pause=3_600),
        server.serve_in_thread(),
    ):
        for data in (UPGRADE, GET):
            with Raw(server, data) as client:
                turn_until(partial(is_answered, client), client)
        turn_until(lambda: "user code has raised" in caplog.text)
    replayed(read_recording(tmp_path / "0001.mcap"))


def test_a_reason_has_them_written(tmp_path: Path) -> None:
    client = Client(app)
    reasons = [CloseReason.BAD_REQUEST]
    with client.server.recorder(path=tmp_path / "a.mcap", reasons=reasons):
        connection = client.connect()
        connection.send(b"this is no request\r\n\r\n")
        client.advance(60)
    parts = read_recording(tmp_path / "a.mcap")
    replayed(parts)
    assert len(parts.turns) > 0


def test_what_cannot_be_written_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    client, folder = Client(app, raise_errors=False), tmp_path / "folder"
    folder.mkdir()
    with client.server.recorder(path=folder / "a.mcap"):
        folder.rmdir()
        client.get("/raise")
    assert "the last turns were not written: a recording cannot be written" in caplog.text
