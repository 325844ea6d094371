"""One connection in memory: both ends of it, and what is between them.

Theory: the core sees little of a connection: bytes are there or not, a write takes so many of them
and no more, a side is shut, it breaks. A `Wire` has exactly that, and the errors of a socket.

Rules: nothing blocks. Bytes for an end that does not read are buffered. Whatever may make a wire
ready says so (`woken`), so that a kernel looks at these and not at all, as a real one does; bytes
are added by `wire.arrived += data` and taken by `take`. A reset loses no bytes that were sent
before it, as on a loopback interface. It does not know HTTP, time, nor other wires.
"""

import errno
import os

from ..core.close_reasons import CloseReason
from ..core.conn import Conn, Peer
from ..core.effects import Interest
from ..core.events import Segment


class Wire:
    """Both ends of one connection, and the memory between them."""

    __slots__ = (
        "_arrived",
        "_has_half_closed",
        "_has_reset",
        "_interest",
        "_wakes_at",
        "_window_len",
        "conn",
        "is_blocked",
        "is_closed",
        "is_shut",
        "peer",
        "read_len",
        "reason",
        "received",
        "unread",
        "was_reset",
        "woken",
    )

    def __init__(self, peer: Peer, window_len: int | None, read_len: int | None) -> None:
        self.peer = peer
        self._window_len = window_len
        self.read_len = read_len
        """The maximum of bytes that one read by the server returns; None for no such bound."""
        self._wakes_at: int | None = None
        self._arrived = bytearray()
        self.woken: dict[Conn, Wire] | None = None
        """Where a wire that may have become ready is noted: the kernel's, once it is accepted."""
        self.unread = bytearray()
        """Bytes sent by the server and not read by the client."""
        self.received = bytearray()
        """Bytes sent by the server and read by the client."""
        self.conn: Conn | None = None
        self.reason: CloseReason | None = None
        self._interest = Interest.NOTHING
        self.is_blocked = False
        self.is_shut = False
        self.is_closed = False
        self.was_reset = False
        self._has_half_closed = False
        self._has_reset = False

    # -- what may make it ready --------------------------------------------------------------------

    def _wake(self) -> None:
        """Note that it may have become ready."""
        if self.woken is not None and self.conn is not None:
            self.woken[self.conn] = self

    @property
    def arrived(self) -> bytearray:
        """Bytes sent by the client and not read by the server."""
        return self._arrived

    @arrived.setter
    def arrived(self, data: bytearray) -> None:
        """Replace the bytes that the server has not read, or add to them."""
        self._arrived = data
        self._wake()

    @property
    def window_len(self) -> int | None:
        """The maximum of `unread`, in bytes; None for a client that reads at once."""
        return self._window_len

    @window_len.setter
    def window_len(self, length: int | None) -> None:
        """Change how much is held for the client."""
        self._window_len = length
        self._wake()

    @property
    def wakes_at(self) -> int | None:
        """Room is reported when no more bytes than these are `unread`, as by a kernel whose buffer
        is large, which can be asked what it holds; None for as soon as there is any.
        """
        return self._wakes_at

    @wakes_at.setter
    def wakes_at(self, length: int | None) -> None:
        """Change when room is reported."""
        self._wakes_at = length
        self._wake()

    @property
    def interest(self) -> Interest:
        """What the server watches it for."""
        return self._interest

    @interest.setter
    def interest(self, interest: Interest) -> None:
        """Watch it for something else."""
        self._interest = interest
        self._wake()

    @property
    def has_half_closed(self) -> bool:
        """The client has shut its side."""
        return self._has_half_closed

    @has_half_closed.setter
    def has_half_closed(self, has_half_closed: bool) -> None:
        """Shut the client's side, or not."""
        self._has_half_closed = has_half_closed
        self._wake()

    @property
    def has_reset(self) -> bool:
        """The client has reset the connection."""
        return self._has_reset

    @has_reset.setter
    def has_reset(self, has_reset: bool) -> None:
        """Reset the connection, or not."""
        self._has_reset = has_reset
        self._wake()

    def take(self, count: int) -> bytes:
        """Up to so many bytes, which the client reads: there is room for as many more."""
        data = bytes(self.unread[:count])
        del self.unread[:count]
        self.received += data
        self._wake()
        return data

    # -- what the server sees of it ----------------------------------------------------------------

    def readiness(self) -> Interest:
        """What the server could do now, of what it watches for."""
        is_readable = bool(self._arrived) or self._has_half_closed or self._has_reset
        window_len = self._window_len
        has_room = window_len is None or len(self.unread) <= self._room_from(window_len)
        ready = 0
        if is_readable:
            ready |= Interest.READ
        if has_room or self._has_reset:
            ready |= Interest.WRITE
        return Interest(self._interest & ready)

    def _room_from(self, window_len: int) -> int:
        """How many bytes may be unread when room is reported."""
        return window_len - 1 if self._wakes_at is None else self._wakes_at

    def held_len(self) -> int:
        """Bytes that the kernel holds for the client, as far as it can be asked."""
        return 0 if self._wakes_at is None else len(self.unread)

    def recv(self, max_count: int) -> bytes:
        """Up to `max_count` bytes for the server; b"" if the client has shut its side.

        OSError as from a socket: BlockingIOError if there are none yet, ECONNRESET after a reset.
        """
        if self.arrived:
            count = max_count if self.read_len is None else min(max_count, self.read_len)
            data = bytes(self.arrived[:count])
            del self.arrived[:count]
            return data
        if self.has_reset:
            raise _os_error(errno.ECONNRESET)
        if self.has_half_closed:
            return b""
        raise BlockingIOError

    def send(self, data: Segment) -> int:
        """How many of the bytes that the server writes are taken.

        OSError as from a socket: BlockingIOError if none are, ECONNRESET or EPIPE if none ever
        will be.
        """
        if self.has_reset or self.is_shut:
            raise _os_error(errno.ECONNRESET if self.has_reset else errno.EPIPE)
        if self.window_len is None:
            self.received += data
            return len(data)
        count = min(len(data), max(0, self.window_len - len(self.unread)))
        if data and not count:
            raise BlockingIOError
        self.unread += data[:count]
        return count

    def shut(self) -> None:
        """Shut the server's side: the client reads the end after the last byte."""
        if self.has_reset:
            raise _os_error(errno.ENOTCONN)
        self.is_shut = True

    def close(self) -> None:
        """Close the server's socket; bytes that it has not read make the client see a reset."""
        self.was_reset = bool(self.arrived)
        self.is_shut = self.is_closed = True
        self.interest = Interest.NOTHING


def _os_error(number: int) -> OSError:
    """The error that a socket raises with this number."""
    return OSError(number, os.strerror(number))
