"""The names of the files of a recording.

Theory: a recording that goes on for days is many files. Their names are a pattern, in which
`{number}` is how many there were, and `{time}` when the file began, so that they sort by time. A
program may change its folder meanwhile: the files lie where the first one was asked for.

Rules: a recording that rotates and whose pattern has neither gets a number before its ending. Only
files that this recording has written are removed. It does not know what is in them.
"""

from collections import deque
from contextlib import suppress
from os import PathLike, fsdecode
from os.path import abspath
from pathlib import Path
from time import gmtime, strftime


class FileNames:
    """The names of the files of one recording, in order."""

    def __init__(self, pattern: str | PathLike[str], is_rotating: bool = False) -> None:
        text = abspath(fsdecode(pattern))
        if is_rotating and "{number}" not in text and "{time}" not in text:
            path = Path(text)
            text = str(path.with_name(f"{path.stem}-{{number}}{path.suffix}"))
        self._pattern = text
        self._number = 0
        self._written: deque[Path] = deque()

    def next(self) -> Path:
        """The path of the next file."""
        self._number += 1
        began = strftime("%Y%m%dT%H%M%SZ", gmtime())
        text = self._pattern.replace("{number}", f"{self._number:04d}").replace("{time}", began)
        path = Path(text)
        if path in self._written:  # two within a second
            path = path.with_name(f"{path.stem}-{self._number:04d}{path.suffix}")
        self._written.append(path)
        return path

    def remove_old(self, keep: int | None) -> None:
        """Remove the oldest files, so that one more makes `keep`; None keeps all."""
        while keep is not None and len(self._written) >= keep and self._written:
            with suppress(OSError):
                self._written.popleft().unlink()
