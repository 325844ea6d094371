"""A recording in a file of MCAP, read: the first server, the turns, and what it says about itself.

Theory: a recording may be longer than the memory, so its turns are read when they are asked for.
It may come from a stranger, so nothing in it is trusted: it holds plain values, of which only
records that are known are made, and what is damaged or unknown is a `RecordingError` with a
sentence.

Rules: a file whose end is missing is read as far as it goes. It does not know what a turn means.
"""

from collections.abc import Sequence
from os import PathLike
from typing import NamedTuple

from ...core.server.state import Server
from ...core.trace.about import About
from ...core.trace.turn import Turn


class RecordingError(ValueError):
    """A recording that cannot be read, in a sentence."""


class RecordingParts(NamedTuple):
    """What a recording consists of."""

    first: Server
    turns: Sequence[Turn]
    about: About


def read_recording(path: str | PathLike[str]) -> RecordingParts:
    """The first server of a recording, its turns, which are read when they are asked for, and what
    it says about itself. `RecordingError` for what is no recording, or is damaged.
    """
    raise RecordingError(f"{path} cannot be read: this version of sigil reads no recordings yet")
