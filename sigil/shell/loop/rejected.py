"""Connections that were rejected, for as long as their peers may want to read why.

Theory: a socket that is closed while bytes of the peer are unread, or come later, answers with a
reset, and what the peer has not read by then is lost (RFC 9112 section 9.6): it would see
ECONNRESET in the place of a 503. So our side is shut down behind the response, and the socket is
held for a while; what the peer sends stays in the kernel's buffer.

Rules: none is held for longer than `Limits.linger_timeout`, but for a loop that does not tick, and
no more of them than one tick may accept; beyond that the oldest is closed. Nothing is read before
that. It does not know why a connection was rejected.
"""

import socket
from collections import deque
from contextlib import suppress

from ...core.limits import Limits
from .connection_socket import close

DRAIN_LEN = 65_536
"""Bytes that are read before a socket is closed, so that it is closed without a reset."""


class RejectedSockets:
    """The sockets of connections that were rejected, oldest first."""

    def __init__(self) -> None:
        self._held: deque[tuple[float, socket.socket]] = deque()

    def __len__(self) -> int:
        """How many are held."""
        return len(self._held)

    @property
    def due_at(self) -> float | None:
        """When the oldest is to be closed; None if none is held."""
        return self._held[0][0] if self._held else None

    def add(self, connection: socket.socket, data: bytes, limits: Limits, now: float) -> None:
        """Send as much of the response as is taken at once, and end our side."""
        try:
            connection.send(data)
            connection.shutdown(socket.SHUT_WR)
        except OSError:  # it is gone already
            close(connection)
            return
        self._held.append((now + limits.linger_timeout, connection))
        while len(self._held) > limits.max_accepts_per_tick:
            _end(self._held.popleft()[1])

    def close_overdue(self, now: float) -> None:
        """Close those that were held long enough, or whose peers have ended their side."""
        while self._held and (self._held[0][0] <= now or _has_ended(self._held[0][1])):
            _end(self._held.popleft()[1])

    def close(self) -> None:
        """Close all."""
        while self._held:
            _end(self._held.popleft()[1])


def _end(connection: socket.socket) -> None:
    """Close a socket, without a reset if the peer has not sent too much by now."""
    with suppress(OSError):
        connection.recv(DRAIN_LEN)
    close(connection)


def _has_ended(connection: socket.socket) -> bool:
    """True if the peer has ended its side, and has sent nothing that was not read."""
    try:
        return not connection.recv(1, socket.MSG_PEEK)
    except (BlockingIOError, InterruptedError):
        return False
    except OSError:  # it was reset
        return True
