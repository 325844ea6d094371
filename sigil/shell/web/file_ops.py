"""Where files are taken from: a dictionary, a zip, the resources of a package, or a folder.

Theory: whoever serves files needs two things: to open one by its names, and to list a folder. What
has these two can be served, whatever it is: that is `FileOps`. A folder of the disk is in
`folder_files`; here are those whose files are read whole and are bytes.

Rules: names are such as `core.web.file_paths` lets through. FileNotFoundError for what is not
there, IsADirectoryError for a folder, and any other OSError for what fails. What makes no sense is
refused where it is written. It does not know requests.
"""

import errno
import os
from calendar import timegm
from collections.abc import Iterable, Mapping
from typing import Any, Final, Protocol, TypeAlias

from ...core.http.validate import safe_repr
from ...core.web.etags import content_tag
from ...core.web.listing import Entry
from ..program.open_file import MemoryFile, ReadableFile
from .folder_files import FolderFiles

Names: TypeAlias = tuple[str, ...]

UNPACKED_LEN_MAX: Final = 2**26
"""Bytes of a file in a zip, at most: it is unpacked whole, in memory."""


class FileOps(Protocol):
    """What files can be taken from."""

    def open(self, names: Names, /) -> ReadableFile:
        """The file of this name, in folders within each other."""

    def list(self, names: Names, /) -> Iterable[Entry]:
        """What is in a folder."""


def not_found(names: Names) -> FileNotFoundError:
    """The error for a file that is not there."""
    return FileNotFoundError(errno.ENOENT, "no such file", "/".join(names))


def is_folder(names: Names) -> IsADirectoryError:
    """The error for a folder that is opened as a file."""
    return IsADirectoryError(errno.EISDIR, "a folder", "/".join(names))


def file_ops(root: Any, follow_links: bool) -> FileOps:
    """What the files of a root are taken from: a folder or a zip by its path, a mapping of paths to
    bytes or texts, a `zipfile.ZipFile`, the resources of a package, or a `FileOps`.

    TypeError for anything else, FileNotFoundError or NotADirectoryError for a path of neither,
    ValueError for an empty one: that of a variable that is not set is no wish to show everything.
    """
    if root == "":
        raise ValueError("an empty path names no folder: write '.' for the one the program runs in")
    if isinstance(root, str | os.PathLike):
        path = os.path.abspath(os.fspath(root))
        if isinstance(path, str) and path.lower().endswith(".zip") and os.path.isfile(path):
            from zipfile import ZipFile

            return ZipFiles(ZipFile(path))
        return FolderFiles(path, follow_links)
    if isinstance(root, Mapping):
        return MappingFiles(root)
    if callable(getattr(root, "infolist", None)):
        return ZipFiles(root)
    if callable(getattr(root, "joinpath", None)) and callable(getattr(root, "iterdir", None)):
        return ResourceFiles(root)
    if callable(getattr(root, "open", None)) and callable(getattr(root, "list", None)):
        ops: FileOps = root
        return ops
    raise TypeError(
        "files are taken from a folder, a mapping, a zip, resources of a package or a FileOps, "
        f"not from {safe_repr(root)}"
    )


def _folders_of(paths: Iterable[str]) -> dict[Names, dict[str, bool]]:
    """What is in each folder that these paths have: names, and whether they are folders."""
    folders: dict[Names, dict[str, bool]] = {(): {}}
    for path in paths:
        names = tuple(path.strip("/").split("/"))
        for depth, name in enumerate(names):
            is_inner = depth + 1 < len(names) or path.endswith("/")
            within = folders.setdefault(names[:depth], {})
            within[name] = within.get(name, False) or is_inner
            if is_inner:
                folders.setdefault(names[: depth + 1], {})
    return folders


class MappingFiles:
    """The files of a mapping: `{"index.html": "...", "img/a.png": b"..."}`."""

    def __init__(self, files: Mapping[str, bytes | str]) -> None:
        """TypeError for a path that is no str, or a content that is neither text nor bytes."""
        self._files: dict[Names, bytes] = {}
        for path, content in files.items():
            if not isinstance(path, str) or not isinstance(content, bytes | str):
                raise TypeError(
                    f"a file is a path and its bytes or text, not {safe_repr((path, content))}"
                )
            data = content.encode() if isinstance(content, str) else content
            self._files[tuple(path.strip("/").split("/"))] = data
        self._tags = {names: content_tag(data) for names, data in self._files.items()}
        self._folders = _folders_of(files)

    def open(self, names: Names) -> ReadableFile:
        """The file of this name."""
        data = self._files.get(names)
        if data is None:
            raise is_folder(names) if names in self._folders else not_found(names)
        return MemoryFile(data, 0, self._tags[names])

    def list(self, names: Names) -> Iterable[Entry]:
        """What is in a folder."""
        if names not in self._folders:
            raise not_found(names)
        for name, is_inner in self._folders[names].items():
            length = len(self._files.get((*names, name), b""))
            yield Entry(name, is_inner, length, 0)


class ZipFiles:
    """The files of a zip, each unpacked when it is asked for."""

    def __init__(self, archive: Any) -> None:
        """From a `zipfile.ZipFile`, which has to stay open."""
        infos = archive.infolist()
        self._archive = archive
        self._infos: dict[Names, Any] = {
            tuple(info.filename.strip("/").split("/")): info for info in infos if not info.is_dir()
        }
        self._folders = _folders_of(info.filename for info in infos)

    def open(self, names: Names) -> ReadableFile:
        """The file of this name; OSError for one of more than `UNPACKED_LEN_MAX` bytes, and for
        what is damaged or encrypted.
        """
        info = self._infos.get(names)
        if info is None:
            raise is_folder(names) if names in self._folders else not_found(names)
        if info.file_size > UNPACKED_LEN_MAX:
            raise OSError(errno.EFBIG, "too long to be unpacked", "/".join(names))
        try:
            data = self._archive.read(info)
        except OSError:
            raise
        except Exception as error:  # of zipfile, zlib and others
            raise OSError(errno.EIO, f"cannot be unpacked: {error}", "/".join(names)) from error
        return MemoryFile(data, 0, f'"{info.CRC:08x}-{info.file_size:x}"')

    def list(self, names: Names) -> Iterable[Entry]:
        """What is in a folder."""
        if names not in self._folders:
            raise not_found(names)
        for name, is_inner in self._folders[names].items():
            info = self._infos.get((*names, name))
            if info is None:
                yield Entry(name, is_inner, 0, 0)
            else:
                yield Entry(name, is_inner, info.file_size, _modified(info))


def _modified(info: Any) -> int:
    """When a file in a zip was modified, in seconds since 1970, its clock taken for UTC; 0 if that
    is no date, as where nobody wrote one.
    """
    try:
        return timegm((*info.date_time, 0, 0, 0))
    except ValueError:
        return 0


class ResourceFiles:
    """The resources of a package, as `importlib.resources.files("package")` has them."""

    def __init__(self, root: Any) -> None:
        self._root = root

    def _find(self, names: Names) -> Any:
        """The resource of this name."""
        return self._root.joinpath(*names) if names else self._root

    def open(self, names: Names) -> ReadableFile:
        """The file of this name."""
        found = self._find(names)
        if found.is_dir():
            raise is_folder(names)
        if not found.is_file():
            raise not_found(names)
        data = found.read_bytes()
        return MemoryFile(data, 0, content_tag(data))

    def list(self, names: Names) -> Iterable[Entry]:
        """What is in a folder."""
        found = self._find(names)
        if not found.is_dir():
            raise not_found(names)
        for item in found.iterdir():
            yield Entry(item.name, item.is_dir(), 0 if item.is_dir() else len(item.read_bytes()), 0)
