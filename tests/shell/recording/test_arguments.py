"""What makes no sense in a recording is refused where it is written, in a sentence."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from sigil import CloseReason, Response, make_http_server, replay
from sigil.shell.recording.errors import RecordingError
from sigil.shell.recording.recording import Recording
from sigil.testing import Client

SLOW = CloseReason.WS_CLIENT_TOO_SLOW
RECORDINGS: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"redact": 5}, TypeError, "redact is some names, or a text of them, not 5"),
    ({"redact": b"cookie"}, TypeError, "redact is some names, or a text of them, not b'cookie'"),
    ({"redact": [5]}, ValueError, "cannot be redacted, since there is none: 5"),
    ({"redact": ["two words"]}, ValueError, "since there is none: 'two words'"),
    ({"redact": "body;cookie"}, ValueError, "since there is none: 'body;cookie'"),
    ({"redact": ["host"]}, ValueError, "the field host cannot be redacted"),
    ({"max_len": 0}, ValueError, "max_len is a number, 1 or more, not 0"),
    ({"max_seconds": -1}, ValueError, "max_seconds is a number, 0 or more, not -1"),
    ({"keep": True, "max_len": 9}, ValueError, "keep is a whole number, 1 or more, not True"),
    ({"max_len": "5"}, ValueError, "max_len is a number, 1 or more, not '5'"),
    ({"max_seconds": float("nan")}, ValueError, "max_seconds is a number, 0 or more, not nan"),
    ({"keep": 0, "max_len": 9}, ValueError, "keep is a whole number, 1 or more, not 0"),
    ({"keep": 1.5, "max_len": 9}, ValueError, "keep is a whole number, 1 or more, not 1.5"),
    ({"keep": 3}, ValueError, "keep needs max_len or max_seconds"),
]
RECORDERS: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"seconds": "5"}, ValueError, "seconds is a number, 0 or more, not '5'"),
    ({"seconds": -1}, ValueError, "seconds is a number, 0 or more, not -1"),
    ({"max_len": True}, ValueError, "max_len is a number, 1 or more, not True"),
    ({"pause": "x"}, ValueError, "pause is a number, 0 or more, not 'x'"),
    ({"reasons": "OK", "path": "a"}, TypeError, "reasons are some CloseReason, not 'OK'"),
    ({"reasons": ["OK"], "path": "a"}, TypeError, "reasons are some CloseReason, not 'OK'"),
    ({"reasons": 5, "path": "a"}, TypeError, "reasons are some CloseReason, not 5"),
    ({"reasons": [SLOW]}, ValueError, "reasons need a path"),
    ({"path": "nowhere/a.mcap"}, RecordingError, "nowhere/a.mcap: its folder is not there"),
    ({"path": 7}, TypeError, "expected str, bytes or os.PathLike object, not int"),
]


def refused(
    begin: Callable[[], AbstractContextManager[object]], kind: type[Exception], sentence: str
) -> None:
    with pytest.raises(kind) as raised, begin():
        raise AssertionError("it was not refused")
    assert sentence in str(raised.value)


@pytest.mark.parametrize(("arguments", "kind", "sentence"), RECORDINGS)
def test_a_recording_to_a_file(
    arguments: dict[str, Any], kind: type[Exception], sentence: str, tmp_path: Path
) -> None:
    server = make_http_server(lambda request: None)
    refused(lambda: server.recording(tmp_path / "run.mcap", **arguments), kind, sentence)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("arguments", "kind", "sentence"), RECORDERS)
def test_a_recorder(arguments: dict[str, Any], kind: type[Exception], sentence: str) -> None:
    refused(lambda: make_http_server(lambda request: None).recorder(**arguments), kind, sentence)


def test_one_reason_is_as_good_as_a_list_of_it(tmp_path: Path) -> None:
    server = make_http_server(lambda request: None)
    with server.recorder(path=tmp_path / "a.mcap", reasons=SLOW) as recent:  # type: ignore[arg-type]
        assert recent._reasons == {SLOW}


ASKED: list[tuple[Callable[[Recording], object], type[Exception], str]] = [
    (lambda recording: recording["a"], TypeError, "cannot be interpreted as an integer"),  # type: ignore[call-overload]
    (lambda recording: recording[1.5], TypeError, "cannot be interpreted as an integer"),  # type: ignore[call-overload]
    (lambda recording: recording.diff("a", 0), TypeError, "as an integer"),  # type: ignore[arg-type]
    (lambda recording: recording.effects("a"), TypeError, "as an integer"),  # type: ignore[arg-type]
    (lambda recording: recording.bisect(None), TypeError, "is a function of a state, not None"),  # type: ignore[arg-type]
    (lambda recording: recording.dialogue("x"), TypeError, "by a Conn or a number, not 'x'"),  # type: ignore[arg-type]
    (lambda recording: recording.explain(None), TypeError, "by a Conn or a number, not None"),  # type: ignore[arg-type]
    (lambda recording: recording.what_if(limits=5), TypeError, "limits are a Limits, not int"),  # type: ignore[arg-type]
    (lambda recording: recording.dialogue(7), LookupError, "the recording has only 0"),
]


@pytest.mark.parametrize(("ask", "kind", "sentence"), ASKED)
def test_what_is_asked_of_a_recording(
    ask: Callable[[Recording], object], kind: type[Exception], sentence: str
) -> None:
    client = Client(lambda request: Response.text("hello"), keeps_turns=True)
    client.get("/")
    with pytest.raises(kind) as raised:
        ask(client.recording())
    assert sentence in str(raised.value)


def test_a_path_may_be_bytes_as_elsewhere(tmp_path: Path) -> None:
    path = bytes(tmp_path / "run.mcap")
    with make_http_server(lambda request: None).recording(path):  # type: ignore[arg-type]
        pass
    assert replay(path).verify() is None  # type: ignore[arg-type]
