"""Recordings in files are read."""

from pathlib import Path

import pytest

from sigil.shell.recording.reader import RecordingError, read_recording


def test_what_is_no_recording_is_refused_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "no.mcap"
    path.write_bytes(b"hello")
    with pytest.raises(RecordingError):
        read_recording(path)
