"""Bodies that are files: opened when a response is about to be sent, and sent piece by piece.

Theory: a response with a file in it says which, and the request how much of it is needed. When both
are at hand the file is open, and its facts decide, by `core.web.file_content`, what is sent. What
is small is read at once and is bytes from there on, as what is in memory is; the rest stays open
here, and the kernel sends it when the core orders that.

Rules: what cannot be opened becomes a status: 404 for what is not there or may not be read, without
a word about which; 503 if there are too many open files; 500 for a disk that fails. What goes wrong
once a file is under way breaks the connection, since its length was promised. After a call that an
interrupt left, nobody knows what the kernel took, and nothing more is sent. It does not know
sockets, nor when it is called.
"""

import errno
import os
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from ...core.http.bodies import FileBody, FileSpan, file_body_len
from ...core.http.request import Request
from ...core.http.response import Response
from ...core.limits import Limits
from ...core.web.file_content import file_fields, select_content
from ..tls_problems import is_of_tls
from .open_file import BytesSocket, FileShrank, OpenFile, ReadableFile, open_path

SLOW_SECONDS: Final = 0.002
"""What is sent from memory takes less."""
CALL_LEN: Final = 2**20
"""Bytes that are sent in one call: few enough to be read from a disk within milliseconds."""
READ_LEN: Final = 65_536
"""Bytes of what is read at once, in one call, rather than kept open and sent by the kernel."""
NOT_FOUND: Final = (
    errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL,
    errno.ENXIO, errno.ENODEV,
)  # fmt: skip
"""The errors of a path that leads to no file."""
_NO_FILE: Final = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
_FORBIDDEN: Final = (errno.EACCES, errno.EPERM)
_EXHAUSTED: Final = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
_OF_SOCKETS: Final = (
    errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN, errno.ECONNABORTED, errno.ETIMEDOUT,
    errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.EBADF,
)  # fmt: skip


class FileProblem(NamedTuple):
    """Why there is no file to be sent: a status and a sentence for the client, and a line for the
    error log, empty if there is nothing to be done about it.
    """

    status: int
    message: str
    details: str


def problem_of(error: BaseException) -> FileProblem | None:
    """What is answered in the place of a file that cannot be opened, or read; None if this error
    has nothing to do with that.
    """
    if isinstance(error, FileShrank):
        return FileProblem(500, "", str(error))
    if isinstance(error, ValueError):  # a NUL in a path
        return FileProblem(404, "", "")
    if not isinstance(error, OSError):
        return None
    number = error.errno or 0
    if number in NOT_FOUND or isinstance(error, _NO_FILE):
        return FileProblem(404, "", "")
    if number in _FORBIDDEN:
        return FileProblem(404, "", f"a file cannot be read: {error}")
    if number in _EXHAUSTED:
        return FileProblem(503, "too many files are open", f"a file cannot be opened: {error}")
    return FileProblem(500, "", f"a file cannot be read: {error}")


def is_of_socket(error: OSError) -> bool:
    """True if it is the connection that failed, and not the file."""
    return error.errno in _OF_SOCKETS or is_of_tls(error)


def open_response(request: Request, response: Response, limits: Limits) -> Response:
    """The response to this request with its file open, and the parts of it chosen: its body is
    bytes, or a `FileBody` whose file is an `OpenFile`. Whatever opening and reading raises leaves,
    and nothing stays open then.
    """
    body = response.body
    assert isinstance(body, FileBody)
    file: Any = body.file
    if hasattr(file, "facts"):
        name = ""
    else:
        name = os.path.basename(os.fspath(file))
        file = open_path(file)
    try:
        given = FileBody(file, body.parts)
        fields = file_fields(response.headers, name, file.facts)
        full = response.replace(headers=fields, body=given)
        boundary = os.urandom(16).hex()
        chosen = select_content(request, full, file.facts, boundary, limits.max_ranges)
        return _with_bytes(request, chosen, file)
    except BaseException:
        file.close()
        raise


def _with_bytes(request: Request, response: Response, file: ReadableFile) -> Response:
    """The response with bytes in the place of a file that is small, or in memory; a file that is
    not needed any more is closed.
    """
    body = response.body
    if not isinstance(body, FileBody):
        file.close()
        return response
    is_short = file_body_len(body) <= READ_LEN or not isinstance(file, OpenFile)
    if not is_short and request.method != "HEAD":
        return response
    if request.method == "HEAD":
        length = ("Content-Length", str(file_body_len(body)))
        others = [pair for pair in response.headers if pair[0].lower() != "content-length"]
        file.close()
        return response.replace(headers=(*others, length), body=b"")
    pieces = [
        _read_part(file, part) if isinstance(part, FileSpan) else part
        for part in body.parts or ()
        if not isinstance(part, FileSpan) or part.length
    ]
    file.close()
    return response.replace(body=pieces[0] if len(pieces) == 1 else b"".join(pieces))


def _read_part(file: ReadableFile, part: FileSpan) -> bytes:
    """The bytes of a part; `FileShrank` if the file has others than it was said to have: they would
    be sent as a whole that they are not.
    """
    data = bytes(file.read(part.offset, part.length))
    if len(data) != part.length:
        text = f"the file has {len(data)} of the {part.length} bytes from {part.offset} on"
        raise FileShrank(text)
    return data


class FileTransfer:
    """A file on its way to one client: its parts, and how far it has come."""

    __slots__ = ("_clock", "_file", "_is_calling", "_offset", "_parts", "_place")

    def __init__(self, body: FileBody, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._file: OpenFile = body.file
        self._parts = body.parts or ()
        self._place = 0
        """Which of the parts is being sent."""
        self._offset = 0
        """How many bytes of that were sent."""
        self._is_calling = False
        """The kernel was given something, and how much of it it took is not known yet."""

    @property
    def is_done(self) -> bool:
        """True if all was sent."""
        return self._place >= len(self._parts)

    def close(self, spawn: object = None) -> None:
        """Close the file."""
        self._file.close()

    def send(self, sock: BytesSocket, max_len: int) -> int:
        """How many bytes a socket takes now, up to so many: none if it has no room. OSError as from
        a socket or a disk, `FileShrank` if the file is shorter than it was.

        If that takes long the disk is waited for: the kernel is asked to read what comes next while
        the others have their turn.
        """
        ends = self._clock() + SLOW_SECONDS
        taken = self._send_up_to(sock, max_len, ends)
        if self._clock() > ends and not self.is_done:
            part = self._parts[self._place]
            if isinstance(part, FileSpan):
                length = min(max_len, part.length - self._offset)
                self._file.will_need(part.offset + self._offset, length)
        return taken

    def _send_up_to(self, sock: BytesSocket, max_len: int, ends: float) -> int:
        """How many bytes a socket takes now, in calls that begin before this time."""
        taken = 0
        while taken < max_len and not self.is_done and not (taken and self._clock() > ends):
            part = self._parts[self._place]
            length = part.length if isinstance(part, FileSpan) else len(part)
            most = min(length - self._offset, max_len - taken, CALL_LEN)
            try:
                count = self._send_some(sock, most)
            except (BlockingIOError, InterruptedError):
                self._is_calling = False
                return taken
            except (OSError, FileShrank):
                self._is_calling = False
                if taken:
                    return taken  # it is met again, by the next call
                raise
            self._offset += count
            taken += count
            self._is_calling = False
            if self._offset >= length:
                self._place, self._offset = self._place + 1, 0
        return taken

    def _send_some(self, sock: BytesSocket, length: int) -> int:
        """How many of the next bytes of a part were taken."""
        if self._is_calling:
            raise FileShrank("an interrupt came while the file was sent: what was taken is unknown")
        part = self._parts[self._place]
        self._is_calling = True
        if isinstance(part, FileSpan):
            return self._file.send(sock, part.offset + self._offset, length)
        return sock.send(part[self._offset : self._offset + length])
