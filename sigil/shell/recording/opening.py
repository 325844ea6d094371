"""`sigil.replay(path)`: a recording in a file, as a lazy sequence of states.

Theory: whoever serves never needs a recording, so what reads one is imported when somebody asks for
one.

Rules: the file is read as far as it is asked about, and must stay where it is meanwhile. It does
not know what is asked.
"""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .recording import Recording


def replay(path: str | PathLike[str]) -> Recording:
    """The recording in a file: `recording[n]` is the state of the server after turn n.

    `RecordingError`, a ValueError, with a sentence for what is no recording, or is damaged, or is
    of a version to come; ModuleNotFoundError without the packages of `sigil-http[record]`.
    """
    from .reader import read_recording
    from .recording import Recording

    return Recording(*read_recording(path))
