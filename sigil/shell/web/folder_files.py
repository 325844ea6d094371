"""The files of a folder of the disk, and of nothing outside it.

Theory: between a look at a name and its opening, a folder can be replaced by a link. So a file is
opened first, without any right to its bytes (O_PATH), and what was opened is looked at: where it
lies, by the kernel's own word (/proc/self/fd), and what it is. Only a regular file below the root
is opened for reading then, by that descriptor and not by its name.

Rules: the root is found anew for each file, so it may be a link that is moved to another release.
Links are followed as long as what they lead to is below the root; with `follow_links=False` none
is, on the way or at the end. Where the kernel has no such word (not Linux), links are never
followed: each folder is opened from the one before. Nothing else than a regular file is ever opened
for reading: not a device, a pipe, a socket. It does not know requests.
"""

import errno
import os
import stat
from collections.abc import Iterable
from contextlib import ExitStack
from itertools import islice
from typing import Final

from ...core.web.listing import Entry
from ..program.open_file import OPEN_FLAGS, OpenFile

LISTED_MAX: Final = 2_000
"""Entries of a folder that are looked at for a listing, each a call of the system."""
_O_PATH: Final[int] = getattr(os, "O_PATH", 0)
_HAS_PLACES: Final = bool(_O_PATH) and os.path.isdir("/proc/self/fd")
"""The kernel says where an open file lies."""
_CLOEXEC: Final[int] = getattr(os, "O_CLOEXEC", 0)
_NOFOLLOW: Final[int] = getattr(os, "O_NOFOLLOW", 0)
_DIRECTORY: Final[int] = getattr(os, "O_DIRECTORY", 0)


def place_of(descriptor: int) -> str:
    """Where an open file lies, links resolved."""
    return os.readlink(f"/proc/self/fd/{descriptor}")


def is_below(place: str, root: str, path: str, follow_links: bool) -> bool:
    """True if what was found at `path` from the root lies there, or, with links, below the root."""
    base = root.rstrip("/")
    if not follow_links:
        return place == (f"{base}/{path}" if path else root)
    return place == root or place.startswith(f"{base}/")


class FolderFiles:
    """The files below a folder."""

    def __init__(self, root: str, follow_links: bool = True) -> None:
        """FileNotFoundError or NotADirectoryError if there is no such folder."""
        if not os.path.isdir(root):
            missing = FileNotFoundError if not os.path.exists(root) else NotADirectoryError
            number = errno.ENOENT if missing is FileNotFoundError else errno.ENOTDIR
            raise missing(number, "there is no such folder to serve files from", root)
        self._root = root
        self._follow_links = follow_links

    def open(self, names: tuple[str, ...]) -> OpenFile:
        """The file of this name; IsADirectoryError for a folder, FileNotFoundError for what is not
        below the root, or no regular file.
        """
        with ExitStack() as opened:
            found = self._find(names, opened)
            mode = os.fstat(found).st_mode
            if stat.S_ISDIR(mode):
                raise IsADirectoryError(errno.EISDIR, "a folder")
            if not stat.S_ISREG(mode):
                raise FileNotFoundError(errno.ENOENT, "not a regular file")
            if not _HAS_PLACES:
                return OpenFile(os.dup(found))
            return OpenFile(os.open(f"/proc/self/fd/{found}", OPEN_FLAGS))

    def list(self, names: tuple[str, ...]) -> Iterable[Entry]:
        """What is in a folder: files and folders that can be asked for, up to `LISTED_MAX`."""
        with ExitStack() as opened:
            found = self._find(names, opened)
            path: int | str = f"/proc/self/fd/{found}" if _HAS_PLACES else found
            with os.scandir(path) as entries:
                looked_at = [self._entry(names, entry) for entry in islice(entries, LISTED_MAX + 1)]
                return [entry for entry in looked_at if entry is not None]

    def _entry(self, names: tuple[str, ...], found: "os.DirEntry[str]") -> Entry | None:
        """An entry of the listing of a folder; None for what cannot be asked for."""
        try:
            found.name.encode()
            is_link = found.is_symlink()
            facts = self._facts_behind((*names, found.name)) if is_link else found.stat()
        except (OSError, UnicodeEncodeError):
            return None
        is_inner = stat.S_ISDIR(facts.st_mode)
        if not is_inner and not stat.S_ISREG(facts.st_mode):
            return None
        return Entry(found.name, is_inner, facts.st_size, int(facts.st_mtime))

    def _facts_behind(self, names: tuple[str, ...]) -> os.stat_result:
        """What a link leads to; FileNotFoundError, or another OSError, if it may not be followed.
        Nothing is told of what lies outside the root, not even how long it is.
        """
        with ExitStack() as opened:
            return os.fstat(self._find(names, opened))

    def _find(self, names: tuple[str, ...], opened: ExitStack) -> int:
        """A descriptor of what has this name and lies below the root, to be looked at."""
        if not _HAS_PLACES:
            return self._walk(names, opened)
        path = "/".join(names)
        root = os.open(self._root, _O_PATH | _DIRECTORY | _CLOEXEC)
        opened.callback(os.close, root)
        links = 0 if self._follow_links else _NOFOLLOW
        found = os.open(path or ".", _O_PATH | _CLOEXEC | links, dir_fd=root)
        opened.callback(os.close, found)
        if not is_below(place_of(found), place_of(root), path, self._follow_links):
            raise FileNotFoundError(errno.ENOENT, "outside of the folder that is served")
        return found

    def _walk(self, names: tuple[str, ...], opened: ExitStack) -> int:
        """A descriptor of what has this name, opened folder by folder, and by no link."""
        found = os.open(self._root, os.O_RDONLY | _DIRECTORY | _CLOEXEC)
        opened.callback(os.close, found)
        for name in names:
            found = os.open(name, OPEN_FLAGS | _NOFOLLOW, dir_fd=found)
            opened.callback(os.close, found)
        return found
