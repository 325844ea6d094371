"""A file that changes while it is being read: what is said is of what was opened, or that it has
changed.

Theory: turns are read when they are asked for, so between two of them somebody may write another
recording to the same path, cut the file off, or take it away. Whoever reads must not be given turns
of two recordings.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from sigil import Request, Response, replay
from sigil.shell.recording.errors import RecordingError
from sigil.shell.recording.recording import Recording
from sigil.testing import Client
from tests.support.replaying import wait_until_written


def record(path: Path, text: str, each: Callable[[int], object] = bool) -> None:
    """A recording of some chunks; `each` is called behind each of them."""

    def app(request: Request) -> Response:
        return Response.text(text)

    client = Client(app)
    with client.server.recording(path):
        for number in range(8):
            client.get(f"/{number}")
            wait_until_written(client.server._recorders[0])
            each(number)


def cut_off(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def take_away(path: Path) -> None:
    path.unlink()


def put_a_folder_there(path: Path) -> None:
    path.unlink()
    path.mkdir()


def replace(path: Path) -> None:
    other = path.with_name("other.mcap")
    record(other, "TEA")
    os.replace(other, path)


def overwrite(path: Path) -> None:
    """As a program that is begun again does: the same file, and nearly the same places in it."""
    record(path, "TEA")


CUT_OFF, ANOTHER = r"cut off before byte \d+ since", "not the one that was there when"
CHANGES = [
    (cut_off, CUT_OFF),
    (empty, CUT_OFF),
    (take_away, "cannot be read: No such file"),
    (put_a_folder_there, "cannot be read: Is a directory"),
    (replace, ANOTHER),
    (overwrite, ANOTHER),
]
USES: list[Callable[[Recording], object]] = [
    Recording.verify,
    Recording.stats,
    Recording.closes,
    Recording._repr_html_,
    lambda recording: recording[-1],
    lambda recording: recording.turns[-1],
    lambda recording: list(recording.turns),
    lambda recording: recording.explain(recording.conns[-1]),
    lambda recording: recording.against(lambda request: None),
]


@pytest.mark.parametrize(
    ("change", "sentence"), CHANGES, ids=lambda one: getattr(one, "__name__", "")
)
def test_what_has_changed_is_said_in_a_sentence(
    change: Callable[[Path], None], sentence: str, tmp_path: Path
) -> None:
    kept, path = tmp_path / "kept.mcap", tmp_path / "run.mcap"
    record(kept, "tea")
    for use in USES:
        if path.is_dir():
            path.rmdir()
        shutil.copy(kept, path)
        recording = replay(path)
        change(path)
        with pytest.raises(RecordingError, match=sentence) as raised:
            use(recording)
        assert str(raised.value).startswith(str(path))


def test_what_is_still_being_written_is_read_as_far_as_it_was(tmp_path: Path) -> None:
    path, opened = tmp_path / "run.mcap", list[Recording]()

    def look(number: int) -> None:
        recording = replay(path)
        assert not recording.about.is_whole
        assert recording.verify() is None
        opened.append(recording)

    record(path, "tea", look)
    lengths = [len(recording) for recording in opened]
    assert lengths == sorted(set(lengths))
    whole = replay(path)
    assert whole.about.is_whole
    for recording in opened:  # what was added since is no change of what was there
        assert recording.verify() is None
        assert recording[-1] == whole[len(recording) - 1]
