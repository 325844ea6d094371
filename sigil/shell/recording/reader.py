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
from os import PathLike, fsdecode
from pathlib import Path
from typing import Any, NamedTuple

from ...core.limits import Limits
from ...core.limits_check import check_limits
from ...core.server.state import Server
from ...core.trace.about import About
from ...core.trace.plain import PlainError, Restorer
from .about_text import ABOUT, TABLES, about_of
from .errors import RecordingError
from .mcap_file import STATE_NAME
from .mcap_scan import Scan, scan
from .packages import decompress, require_packages, unpack
from .turns import FileTurns

__all__ = ["RecordingError", "RecordingParts", "read_recording"]


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
    name = fsdecode(path)
    try:
        return _read(Path(name))
    except OSError as error:
        why = error.strerror or error
        raise RecordingError(f"{name} cannot be read: {why}") from error
    except (RecordingError, PlainError) as error:
        text = str(error)
        named = text if text.startswith(name) else f"{name} cannot be read: {text}"
        raise RecordingError(named) from error


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
    problem = check_limits(first.limits) if isinstance(first.limits, Limits) else "there are none"
    if problem is not None:
        raise RecordingError(f"its limits make no sense: {problem}")
    about = about.replace(is_whole=found.is_whole)
    return RecordingParts(first, FileTurns(path, found.chunks, restorer), about)


def _tables(found: Scan) -> dict[str, Any]:
    """The tables of records and enumerations."""
    texts = found.metadata.get(TABLES, {})
    try:
        found_tables = {name: json.loads(texts[name]) for name in ("records", "enums")}
    except (KeyError, ValueError, RecursionError):
        raise RecordingError("it has no tables of records") from None
    if not all(map(_is_table, found_tables.values())):
        raise RecordingError("its tables are no lists of names")
    return found_tables


def _is_table(rows: Any) -> bool:
    """True for a list of lists of names, none of which is empty."""
    return isinstance(rows, list) and all(map(_is_row, rows))


def _is_row(row: Any) -> bool:
    """True for a list of names."""
    return isinstance(row, list) and bool(row) and {*map(type, row)} == {str}


def _state(found: Scan) -> Any:
    """The plain structure of the first server."""
    data = found.attachments.get(STATE_NAME)
    if data is None:
        raise RecordingError("it has no first server: it was cut off, or is no recording of sigil")
    try:
        return unpack(decompress(data))
    except ValueError as error:
        raise RecordingError(f"its first server is damaged: {error}") from error
