"""A digest of all that happened in a world: two runs are the same if their digests are.

Theory: a world is reproducible only if nothing but the seed decides, and that is checked by hashing
all events and effects of the core, in sequence.

Rules: the digest depends on values only: sets are written in order, views as their bytes, and what
belongs to the interpreter (addresses, the order of a hash table) is left out. It does not know what
the values mean.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from pyrsistent import PSet

from ...core.http.request import Request
from ...core.value import Value


def canonical(value: Any) -> str:
    """A value as a text that is the same in every run of the interpreter."""
    if isinstance(value, memoryview):
        return repr(bytes(value))
    if isinstance(value, frozenset | set | PSet):
        return f"{{{', '.join(sorted(map(canonical, value)))}}}"
    if isinstance(value, Request):
        return f"Request({value.method} {value.target})"
    if isinstance(value, Value):
        fields = [canonical(getattr(value, name)) for name in value.__match_args__]
        return f"{type(value).__name__}({', '.join(fields)})"
    if isinstance(value, tuple):
        return f"{type(value).__name__}({', '.join(map(canonical, value))})"
    if value is None or isinstance(value, str | bytes | int | float):
        return repr(value)
    return type(value).__name__


class Trace:
    """A hash over lines about what happened; with `keeps_lines` they can be read in `lines`. One
    that `is_brief` has the kinds of what happened, and not the values: for a great many.
    """

    def __init__(self, keeps_lines: bool = False, is_brief: bool = False) -> None:
        self._is_brief = is_brief
        self._hash = sha256()
        self.keeps_lines = keeps_lines
        self.lines: list[str] = []

    def add(self, label: str, value: Any) -> None:
        """Add one line: what happened, and with which value."""
        line = f"{label} {canonical(value)}"
        self._hash.update(line.encode() + b"\n")
        if self.keeps_lines:
            self.lines.append(line)

    def add_events(self, events: Sequence[Any]) -> None:
        """Add what the core is given in a call."""
        if self._is_brief:
            kinds = " ".join([type(event).__name__ for event in events])
            self._hash.update(kinds.encode() + b"\n")
            return
        for event in events:
            self.add("event", event)

    def digest(self) -> str:
        """The hash of all lines so far, in hexadecimal digits."""
        return self._hash.hexdigest()
