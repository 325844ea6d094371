"""The flags --record and --redact."""

from pathlib import Path

import pytest

from sigil.cli.recording import path_for
from sigil.cli.settings import Settings
from sigil.shell.recording.reader import read_recording
from tests.support.command import APP, run, running
from tests.support.replaying import replayed


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "web.py").write_text(APP)
    return tmp_path


def test_what_a_command_serves_is_recorded(folder: Path) -> None:
    flags = ("--record", "run.mcap", "--redact", "cookie,body")
    with running("serve", "web:app", *flags, folder=folder) as server:
        assert server.get("/a") == (200, "GET /a")
        assert server.end().status == 0
    parts = read_recording(folder / "run.mcap")
    assert parts.about.redaction == ("cookie", "body")
    assert parts.about.is_whole
    replayed(parts)


@pytest.mark.parametrize(
    ("status", "flags", "words"),
    [
        (3, ("--record", "nowhere/run.mcap"), "nowhere/run.mcap: No such file"),
        (3, ("--record", "run.mcap", "--redact", "host"), "the field host cannot be redacted"),
        (2, ("--redact", "cookie"), "--redact needs --record: nothing is recorded without it"),
    ],
)
def test_what_cannot_be_recorded_is_an_error_before_anything_is_served(
    folder: Path, status: int, flags: tuple[str, ...], words: str
) -> None:
    ended = run("serve", "web:app", "--port", "0", *flags, folder=folder)
    assert ended.status == status
    assert words in ended.err
    assert "Traceback" not in ended.err


def test_processes_that_serve_together_write_a_file_each() -> None:
    settings = Settings("serve", record="a/run.mcap", workers=2)
    assert path_for(settings).startswith("a/run-")
    assert path_for(settings._replace(workers=1)) == "a/run.mcap"
    assert "{pid}" not in path_for(settings._replace(record="{pid}.mcap"))
