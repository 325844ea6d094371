"""What a program may give to a recording, and what makes no sense in it, in a sentence.

Theory: a recording is wanted when something has gone wrong, which is late to learn that it was
asked for in a way that writes nothing. So whatever makes no sense is refused at the call.

Rules: TypeError for what is of another type, ValueError for values that make no sense,
`RecordingError` for what the file system does not allow. It does not know what becomes of them.
"""

import os
from collections.abc import Iterable
from math import isfinite
from os import PathLike
from pathlib import Path

from ...core.close_reasons import CloseReason
from .errors import RecordingError
from .names import FileNames


def check_number(name: str, value: object, minimum: int, is_whole: bool = False) -> None:
    """ValueError for an argument that is no number, or less than this; None is no bound."""
    if value is None:
        return
    kinds = int if is_whole else int | float
    is_number = isinstance(value, kinds) and not isinstance(value, bool)
    if not is_number or not isfinite(value) or value < minimum:  # type: ignore[arg-type, operator]
        kind = "whole number" if is_whole else "number"
        raise ValueError(f"{name} is a {kind}, {minimum} or more, not {value!r}")


def check_rotation(max_len: object, max_seconds: object, keep: object) -> None:
    """ValueError for a rotation that makes no sense."""
    check_number("max_len", max_len, 1)
    check_number("max_seconds", max_seconds, 0)
    check_number("keep", keep, 1, is_whole=True)
    if keep is not None and max_len is None and max_seconds is None:
        raise ValueError("keep needs max_len or max_seconds: there is one file without them")


def to_names(redact: object) -> tuple[str, ...]:
    """What is to be redacted, by name; `a,b` is `["a", "b"]`."""
    if isinstance(redact, str):
        return tuple(redact.split(","))
    if isinstance(redact, bytes) or not isinstance(redact, Iterable):
        raise TypeError(f"redact is some names, or a text of them, not {redact!r}")
    return tuple(redact)


def to_reasons(reasons: object, path: object) -> frozenset[CloseReason]:
    """The reasons for which the last turns are written, which need a path to be written to."""
    given = (reasons,) if isinstance(reasons, CloseReason) else reasons
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise TypeError(f"reasons are some CloseReason, not {reasons!r}")
    found = tuple(given)
    for reason in found:
        if not isinstance(reason, CloseReason):
            raise TypeError(f"reasons are some CloseReason, not {reason!r}")
    if found and path is None:
        raise ValueError("reasons need a path: files are written there by themselves")
    return frozenset(found)


def check_folder(path: str | PathLike[str]) -> None:
    """`RecordingError` if no file can be written in the folder of this path."""
    folder = Path(FileNames(path).next()).parent
    if not folder.is_dir():
        why = "its folder is not there"
    elif not os.access(folder, os.W_OK | os.X_OK):
        why = "nothing may be written in its folder"
    else:
        return
    raise RecordingError(f"the last turns could not be written to {os.fspath(path)}: {why}")
