"""`wsgi.file_wrapper`: a file as the iterable that an application returns.

Theory: an application that returns a file tells the server so by wrapping it, and the server may
have a better way to send it than the application. Here the file is read in the application's
thread, as many bytes at a time as are sent at a time; the block size of the application is what
frameworks suggest for servers that write each block by itself.

Rules: what is read is what `read` of the file returns, from where it stands. What is no regular
file is read in blocks of the size that was suggested, since a pipe or a generator in disguise may
have a reason for it. It is closed if the file can be.
"""

import os
import stat
from typing import Any, Final

BLOCK_LEN: Final = 262_144
"""Bytes that are read of a regular file at a time."""


class FileWrapper:
    """A file, which is read block by block."""

    def __init__(self, filelike: Any, block_size: int = 8192) -> None:
        self._read = filelike.read
        self._block_len = max(block_size, BLOCK_LEN) if is_regular(filelike) else block_size
        if hasattr(filelike, "close"):
            self.close = filelike.close

    def __iter__(self) -> "FileWrapper":
        return self

    def __next__(self) -> bytes:
        block: bytes = self._read(self._block_len)
        if block:
            return block
        raise StopIteration


def is_regular(filelike: Any) -> bool:
    """True for an open regular file of the operating system."""
    try:
        return stat.S_ISREG(os.fstat(filelike.fileno()).st_mode)
    except (AttributeError, OSError, ValueError, TypeError):
        return False
