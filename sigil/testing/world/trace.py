"""What happened in a world, as one number: two runs are the same if their numbers are.

Theory: a world is reproducible only if nothing but the seed decides, and that is noticed by hashing
all that was told to the core and all that it ordered, in sequence.

Rules: the number depends on values only: sets are spelled in order, views as their bytes, and what
belongs to the interpreter (addresses, the order of a hash table) is left out. It does not know what
the words mean.
"""

from hashlib import sha256
from typing import Any

from pyrsistent import PSet

from ...core.http.request import Request


def spell(value: Any) -> str:
    """A value as words that are the same in every run of the interpreter."""
    if isinstance(value, memoryview):
        return repr(bytes(value))
    if isinstance(value, frozenset | set | PSet):
        return f"{{{', '.join(sorted(map(spell, value)))}}}"
    if isinstance(value, Request):
        return f"Request({value.method} {value.target})"
    if isinstance(value, tuple):
        return f"{type(value).__name__}({', '.join(map(spell, value))})"
    if value is None or isinstance(value, str | bytes | int | float):
        return repr(value)
    return type(value).__name__


class Trace:
    """Lines about what happened, hashed; kept too if they are to be read."""

    def __init__(self, is_kept: bool = False) -> None:
        self._hash = sha256()
        self._is_kept = is_kept
        self.lines: list[str] = []

    def add(self, word: str, value: Any) -> None:
        """One thing has happened."""
        line = f"{word} {spell(value)}"
        self._hash.update(line.encode() + b"\n")
        if self._is_kept:
            self.lines.append(line)

    def digest(self) -> str:
        """The number of all that has happened until now, in hexadecimal digits."""
        return self._hash.hexdigest()
