"""Recordings that other Pythons, and the other core, have made are read here, and replay.

They were made by `make_recordings.py` beside them, with each Python, pure and compiled.
"""

from pathlib import Path

import pytest

from sigil.core.trace.about import FORMAT_MAJOR
from sigil.shell.recording.reader import read_recording
from tests.support.replaying import replayed

RECORDINGS = sorted((Path(__file__).parent / "recordings").glob("*.mcap"))


def test_there_are_recordings_of_both_cores_and_of_several_pythons() -> None:
    names = {path.stem for path in RECORDINGS}
    assert {"pure-3.11", "pure-3.12", "pure-3.13", "compiled-3.11"} <= names


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.stem)
def test_one_of_another_python_or_core_replays_here(path: Path) -> None:
    parts = read_recording(path)
    core, python = path.stem.split("-")
    assert parts.about.is_compiled == (core == "compiled")
    assert parts.about.python.startswith(f"{python}.")
    assert parts.about.format[0] == FORMAT_MAJOR
    assert parts.about.is_whole
    assert len(parts.turns) > 50
    last = replayed(parts)
    assert last.slots.used > 0
