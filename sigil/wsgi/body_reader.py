"""`wsgi.input` of a body that comes while it is read.

Theory: an application reads when it likes, and whoever sends is not read faster than that. So each
piece is asked for (`request.chunks.ask`), and the thread of the application waits for it; one piece
more is on its way while the application works on the last. Below are `read`, `readline` and the
rest of a file, of which `io.BufferedReader` makes everything out of one method.

Rules: behind the end there are empty bytes, however often it is read. A client that leaves before
the end is a ConnectionAbortedError, which is an OSError, as frameworks expect it. One thread reads,
that of the application. It does not know what a body is framed in, nor what it is.
"""

import io
import threading
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from sigil import Deferred

BUFFER_LEN: Final = 65_536
"""How much is taken out of a piece at a time for those who read little by little."""

Ask: TypeAlias = Callable[[], Deferred]


class BodyReader(io.RawIOBase):
    """The pieces of a body as a file: `prefix`, which is there already, then what is asked for."""

    def __init__(self, ask: Ask, prefix: bytes = b"") -> None:
        super().__init__()
        self._ask = ask
        self._piece = memoryview(prefix)
        self._next: Deferred | None = None
        """The piece that was asked for and not yet taken."""
        self._has_ended = False

    def readable(self) -> bool:
        """True: that is all that can be done with it."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer with what is there, of which it waits for at least one byte; how many
        bytes that is, 0 at the end. ConnectionAbortedError if the rest does not come.
        """
        if not self._piece and not self._has_ended:
            self._take_piece()
        count = min(len(buffer), len(self._piece))
        buffer[:count] = self._piece[:count]
        self._piece = self._piece[count:]
        return count

    def _take_piece(self) -> None:
        """Wait for the next piece, and have the one behind it sent."""
        awaited = self._next or self._ask()
        self._next = None
        piece = wait_for(awaited)
        if piece:
            self._piece, self._next = memoryview(piece), self._ask()
        else:
            self._has_ended = True


def wait_for(deferred: Deferred) -> bytes:
    """The piece that a `Deferred` is resolved with, which this thread waits for; what it fails with
    is raised.
    """
    results: list[Any] = []
    arrived = threading.Lock()
    arrived.acquire()

    def take(result: Any) -> None:
        results.append(result)
        arrived.release()

    deferred.when_resolved(take)
    arrived.acquire()
    piece: Any = results[0]
    if isinstance(piece, BaseException):
        raise piece
    return bytes(piece)


def body_file(ask: Ask, prefix: bytes = b"") -> io.BufferedReader:
    """The body as the file that an application reads."""
    return io.BufferedReader(BodyReader(ask, prefix), BUFFER_LEN)
