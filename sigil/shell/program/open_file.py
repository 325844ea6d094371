"""An open file: what it is known by, and how its bytes are had and sent.

Theory: between a look at a path and the opening of it anything may happen, so nothing is known of a
path, and all of the open descriptor: that it is a file, how long, how old. What is opened is what
is described, and what is described is what is sent.

Rules: nothing but a regular file is opened: a pipe would wait for its other end, a device do
whatever it does. The descriptor is closed once, at the latest when nobody has the file any more. A
file that became shorter than was promised raises `FileShrank`; the kernel sends it without a copy
where it can. It does not know requests, nor why a part of it is sent.
"""

import errno
import os
import stat
import time
from contextlib import suppress
from typing import Any, Final, Protocol

from ...core.web.file_content import FileFacts

OPEN_FLAGS: Final = (
    os.O_RDONLY
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_BINARY", 0)
)
"""How a file is opened: without waiting for anybody if it is none."""
COPY_LEN: Final = 65_536
"""Bytes that are read at once where the kernel does not send a file by itself."""
NO_SENDFILE: Final = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSOCK)
"""The errors of a file system, or of a socket, that has no sendfile(2)."""


class FileShrank(Exception):
    """A file became shorter while it was sent."""


class ReadableFile(Protocol):
    """A file that is open, whatever it is: its facts, and its bytes."""

    @property
    def facts(self) -> FileFacts:
        """How long it is, and how old."""

    def read(self, offset: int, length: int) -> bytes:
        """So many bytes from there on."""

    def close(self) -> None:
        """Nobody needs it any more."""


class BytesSocket(Protocol):
    """What a file is sent to: a socket, or what stands for one in memory."""

    def send(self, data: bytes, /) -> int:
        """How many of these bytes were taken."""


class OpenFile:
    """A regular file of the system, open for reading."""

    __slots__ = ("_copies", "_descriptor", "facts")

    def __init__(self, descriptor: int) -> None:
        """From a descriptor, which is closed by this, also if it is of no regular file; that raises
        FileNotFoundError.
        """
        self._descriptor = descriptor
        self._copies = not hasattr(os, "sendfile")
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            self.close()
            raise FileNotFoundError(errno.ENOENT, "not a regular file")
        self.facts = FileFacts(status.st_size, status.st_mtime_ns, time.time_ns())

    def __del__(self) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<OpenFile {self._descriptor}>"

    def close(self) -> None:
        """Close the descriptor, if it is open."""
        descriptor, self._descriptor = getattr(self, "_descriptor", -1), -1
        if descriptor >= 0:
            with suppress(OSError):
                os.close(descriptor)

    def read(self, offset: int, length: int) -> bytes:
        """Exactly so many bytes from there on; `FileShrank` if there are fewer."""
        pieces: list[bytes] = []
        while length:
            data = os.pread(self._descriptor, length, offset)
            if not data:
                raise FileShrank(_shrank(offset))
            pieces.append(data)
            offset, length = offset + len(data), length - len(data)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def send(self, sock: Any, offset: int, length: int) -> int:
        """How many of so many bytes from there on a socket has taken, at least one; OSError as from
        a socket or a disk, `FileShrank` if there is nothing there.
        """
        # over TLS there is nothing that the kernel could send as it is
        if not self._copies and hasattr(sock, "fileno") and not hasattr(sock, "handshake"):
            try:
                count = os.sendfile(sock.fileno(), self._descriptor, offset, length)
            except OSError as error:
                if error.errno not in NO_SENDFILE:
                    raise
                self._copies = True
            else:
                if not count:
                    raise FileShrank(_shrank(offset))
                return count
        data = os.pread(self._descriptor, min(length, COPY_LEN), offset)
        if not data:
            raise FileShrank(_shrank(offset))
        taken: int = sock.send(data)
        return taken

    def will_need(self, offset: int, length: int) -> None:
        """Have the kernel read ahead what will be sent soon, so that sending it need not wait."""
        if hasattr(os, "posix_fadvise"):
            with suppress(OSError):
                os.posix_fadvise(self._descriptor, offset, length, os.POSIX_FADV_WILLNEED)


def _shrank(offset: int) -> str:
    return f"the file became shorter while it was sent: it ends at {offset} or before"


class MemoryFile:
    """A file whose bytes are in memory."""

    __slots__ = ("_data", "facts")

    def __init__(self, data: bytes, modified_ns: int = 0, tag: str = "") -> None:
        """From the bytes, when they were made, if that is known, and an entity tag by content."""
        self._data = data
        self.facts = FileFacts(len(data), modified_ns, time.time_ns(), tag)

    def read(self, offset: int, length: int) -> bytes:
        """So many bytes from there on: the very bytes if it is all of them."""
        if not offset and length == len(self._data):
            return self._data
        return self._data[offset : offset + length]

    def close(self) -> None:
        """Nothing is open."""


def open_path(path: Any) -> OpenFile:
    """The file at a path that the program has named; OSError or ValueError if there is none."""
    return OpenFile(os.open(path, OPEN_FLAGS))
