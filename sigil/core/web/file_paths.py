"""The path of a request as the name of a file below a root, or as none.

Theory: a path is text from a stranger, and a file system reads more into names than their
characters: `..` is the folder above, `C:` another drive, a NUL the end, a dot at the end nothing at
all. So a path becomes names, one for each folder, that mean nothing but themselves; and what could
mean more is refused, whatever the operating system, without a look at the disk.

Rules: what is decoded is decoded once, and must be UTF-8. A slash, a backslash or a NUL that is
percent-encoded is refused, and so is what would become one, or a dot, if it were decoded once more.
The refusal is None: a client learns no more than that there is nothing. It does not know what
exists.
"""

import re
from typing import Final, NamedTuple
from urllib.parse import unquote_to_bytes

NAME_LEN_MAX: Final = 255
"""Bytes of a name, at most, on every file system of today."""
DEPTH_MAX: Final = 64
"""Folders within each other that a path may name."""

_ENCODED: Final = re.compile(r"%(?:25)*(?:2f|5c|00)", re.IGNORECASE)
"""A slash, a backslash or a NUL, encoded once or several times."""
_ENCODED_TWICE: Final = re.compile(r"%(?:25)+2e", re.IGNORECASE)
"""A dot that is encoded more than once."""
_DRIVE: Final = re.compile(r"[A-Za-z]:")
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Control characters, and those that change the direction of what is displayed."""


class PathPolicy(NamedTuple):
    """Which names that begin with a dot may be asked for: all of them, or those in `dot_names`."""

    dot_files: bool = False
    dot_names: frozenset[str] = frozenset((".well-known",))


DEFAULT_POLICY: Final = PathPolicy()


class RelativePath(NamedTuple):
    """Names from a root down; `is_folder` if the path ended in a slash."""

    names: tuple[str, ...]
    is_folder: bool


def relative_path(raw: str, policy: PathPolicy = DEFAULT_POLICY) -> RelativePath | None:
    """The names that a path of a request leads to, which begins with a slash and is as it was sent;
    None if it is refused.
    """
    if not raw.startswith("/") or _ENCODED.search(raw) or _ENCODED_TWICE.search(raw):
        return None
    try:
        path = unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        return None
    names = path[1:].split("/")
    is_folder = names[-1] == ""
    if is_folder:
        names = names[:-1]
    if len(names) > DEPTH_MAX or not all(_is_allowed(name, policy) for name in names):
        return None
    return RelativePath(tuple(names), is_folder)


def _is_allowed(name: str, policy: PathPolicy) -> bool:
    """True for a name that means itself on every file system, and is not hidden."""
    if not name or len(name.encode()) > NAME_LEN_MAX:
        return False
    if name.startswith("."):
        is_hidden = not policy.dot_files and name not in policy.dot_names
        if is_hidden or not name.strip("."):
            return False
    if "\\" in name or "::" in name or _DRIVE.match(name) or _CONTROLS.search(name):
        return False
    # Windows leaves out what stands at the end, so these would be names of something else.
    return not name.endswith((".", " ")) and not name.startswith(" ")


def without_prefix(raw: str, prefix: str) -> str | None:
    """What is left of a path behind a prefix, with its slash; None for a path that is elsewhere."""
    prefix = prefix.rstrip("/")
    if raw == prefix:
        return ""
    return raw[len(prefix) :] if raw.startswith(f"{prefix}/") else None
