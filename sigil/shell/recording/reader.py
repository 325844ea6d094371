"""A recording in a file of MCAP, read: the first server, the turns, and what it says about itself.

Theory: a recording may be longer than the memory, so its turns are read when they are asked for: of
each chunk it is known where it is and how many turns are in it. It may come from a stranger, so
nothing in it is trusted: it holds plain values, of which only records that are known are made, and
what is damaged or unknown is a `RecordingError` with a sentence.

Rules: a file whose end is missing is read as far as it goes. One that has its end has the checksum
of all of it, and is refused if that is another. It does not know what a turn means.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import Any, NamedTuple

from zstandard import ZstdDecompressor, ZstdError

from ...core.server.state import Server
from ...core.trace.about import About
from ...core.trace.plain import PlainError, Restorer
from .about_text import ABOUT, TABLES, about_of
from .errors import RecordingError
from .mcap_file import STATE_NAME
from .mcap_scan import Scan, scan
from .packages import require_packages, unpack
from .turns import FileTurns

__all__ = ["RecordingError", "RecordingParts", "read_recording"]

MAX_STATE_LEN = 2**31
"""A first server of more bytes is none: what is compressed may claim any length."""


class RecordingParts(NamedTuple):
    """What a recording consists of."""

    first: Server
    turns: Sequence[Any]
    about: About


def read_recording(path: str | PathLike[str]) -> RecordingParts:
    """The first server of a recording, its turns, which are read when they are asked for, and what
    it says about itself. `RecordingError` for what is no recording, or is damaged.
    """
    require_packages()
    name = fspath(path)
    try:
        return _read(Path(path))
    except OSError as error:
        why = error.strerror or error
        raise RecordingError(f"{name} cannot be read: {why}") from error
    except (RecordingError, PlainError) as error:
        raise RecordingError(f"{name} cannot be read: {error}") from error


def _read(path: Path) -> RecordingParts:
    """A recording; its errors do not name it."""
    found = scan(path)
    texts = found.metadata.get(ABOUT)
    if texts is None:
        raise RecordingError("it is a file of MCAP, and no recording of sigil")
    about = about_of(texts)
    restorer = Restorer(_tables(found))
    first = restorer.restore(_state(found))
    if not isinstance(first, Server):
        raise RecordingError("what it begins with is no server")
    about = about.replace(is_whole=found.is_whole)
    return RecordingParts(first, FileTurns(path, found.chunks, restorer), about)


def _tables(found: Scan) -> dict[str, Any]:
    """The tables of records and enumerations."""
    texts = found.metadata.get(TABLES, {})
    try:
        return {name: json.loads(texts[name]) for name in ("records", "enums")}
    except (KeyError, ValueError):
        raise RecordingError("it has no tables of records") from None


def _state(found: Scan) -> Any:
    """The plain structure of the first server."""
    data = found.attachments.get(STATE_NAME)
    if data is None:
        raise RecordingError("it has no first server: it was cut off, or is no recording of sigil")
    try:
        packed = ZstdDecompressor().decompress(data, max_output_size=MAX_STATE_LEN)
        return unpack(packed)
    except (ZstdError, ValueError) as error:
        raise RecordingError(f"its first server is damaged: {error}") from error
