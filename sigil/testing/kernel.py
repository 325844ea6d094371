"""A network made of memory: connections, and the effects that touch them.

Theory: what the core sees of an operating system is little: bytes are there or not, so many are
taken and no more, a side is shut, a connection breaks. A `ConnectionSocket` is both ends of one
connection with exactly that; `Kernel` holds all of them and does with them what `shell/perform.py`
does with sockets, effect by effect.

Rules: nothing blocks. A wire whose send stalled hands later sends back whole until it was told to
be writable again. Bytes wait where nobody listens. The core is told only of what it watches for.
Bytes in flight are not lost: a reset overtakes nothing that had been taken, as on a loopback. It
does not know HTTP, time, or user code.
"""

import errno
import os
from contextlib import suppress

from ..core.close_reasons import CloseReason
from ..core.conn import Conn, Peer
from ..core.effects import Adopt, CallClose, Drop, Interest, Reject, Send, Then, Watch
from ..core.events import (
    Accepted,
    ConnectionLost,
    Event,
    HalfClosed,
    Received,
    Segment,
    Stalled,
    Writable,
)
from ..core.limits import Limits


class Wire:
    """Both ends of one connection, and the memory between them."""

    __slots__ = (
        "arrived",
        "conn",
        "has_half_closed",
        "has_reset",
        "interest",
        "is_blocked",
        "is_closed",
        "is_shut",
        "peer",
        "read_len",
        "reason",
        "received",
        "waiting",
        "was_reset",
        "window_len",
    )

    def __init__(self, peer: Peer, window_len: int | None, read_len: int | None) -> None:
        self.peer = peer
        self.window_len = window_len
        """Bytes taken from the server and not read by the client, at most; None for a client that
        reads at once.
        """
        self.read_len = read_len
        """Bytes of the client that come in one piece, at most; None for no such bound."""
        self.arrived = bytearray()
        """From the client, not read by the server."""
        self.waiting = bytearray()
        """From the server, not read by the client."""
        self.received = bytearray()
        """From the server, read by the client."""
        self.conn: Conn | None = None
        self.reason: CloseReason | None = None
        self.interest = Interest.NOTHING
        self.is_blocked = False
        self.is_shut = False
        self.is_closed = False
        self.was_reset = False
        self.has_half_closed = False
        self.has_reset = False

    def readiness(self) -> Interest:
        """What the server could do now, of what it watches for."""
        is_readable = bool(self.arrived) or self.has_half_closed or self.has_reset
        is_writable = (
            self.has_reset or self.window_len is None or len(self.waiting) < self.window_len
        )
        ready = (Interest.READ if is_readable else 0) | (Interest.WRITE if is_writable else 0)
        return Interest(self.interest & ready)

    def recv(self, most: int) -> bytes:
        """What the server reads: b"" when the client has ended its side, OSError when it has broken
        off.
        """
        if self.arrived:
            count = most if self.read_len is None else min(most, self.read_len)
            data = bytes(self.arrived[:count])
            del self.arrived[:count]
            return data
        if self.has_reset:
            raise _broken(errno.ECONNRESET)
        if self.has_half_closed:
            return b""
        raise BlockingIOError

    def send(self, data: Segment) -> int:
        """How much of what the server writes is taken: OSError if nothing can be."""
        if self.has_reset or self.is_shut:
            raise _broken(errno.ECONNRESET if self.has_reset else errno.EPIPE)
        if self.window_len is None:
            self.received += data
            return len(data)
        count = min(len(data), max(0, self.window_len - len(self.waiting)))
        if data and not count:
            raise BlockingIOError
        self.waiting += data[:count]
        return count

    def shut(self) -> None:
        """The server's side is ended."""
        if self.has_reset:
            raise _broken(errno.ENOTCONN)
        self.is_shut = True

    def close(self) -> None:
        """The server has closed its socket: if it had not read everything, that is seen as
        a reset.
        """
        self.was_reset = bool(self.arrived)
        self.is_shut = self.is_closed = True
        self.interest = Interest.NOTHING


def _broken(number: int) -> OSError:
    return OSError(number, os.strerror(number))


class Kernel:
    """All connections, and the effects that concern them."""

    def __init__(self) -> None:
        self.bytes_read = 0
        self.bytes_written = 0
        self._wires: dict[Conn, Wire] = {}
        self._callers: list[Wire] = []
        self._doors: dict[int, Wire] = {}
        self._next_door = 0
        self._turn_offset = 0

    # -- towards the core --------------------------------------------------------------------------

    def connect(self, connection: Wire) -> None:
        """Somebody wants to be let in."""
        self._callers.append(connection)

    @property
    def is_busy(self) -> bool:
        """True if there is anything to tell of those who have been let in."""
        return any(connection.readiness() for connection in self._wires.values())

    @property
    def has_callers(self) -> bool:
        """True if somebody waits to be let in."""
        return bool(self._callers)

    def accept(self, most: int) -> list[Event]:
        """Up to `max_frames` of those who wait to be let in."""
        callers, self._callers = self._callers[:most], self._callers[most:]
        events: list[Event] = []
        for connection in callers:
            self._doors[self._next_door] = connection
            events.append(Accepted(self._next_door, connection.peer))
            self._next_door += 1
        return events

    def process_readable_clients(self, limits: Limits) -> list[Event]:
        """Each connection that is ready once, and as many of them as one tick may look at."""
        ready = [
            (connection, mask)
            for connection in self._wires.values()
            if (mask := connection.readiness())
        ]
        most = limits.max_reads_per_tick
        if len(ready) > most:
            self._turn_offset = (self._turn_offset + most) % len(ready)
            ready = (ready[self._turn_offset :] + ready[: self._turn_offset])[:most]
        return [
            event
            for connection, mask in ready
            for event in self._process(connection, mask, limits.max_read_len)
        ]

    def _process(self, connection: Wire, mask: Interest, most: int) -> list[Event]:
        """What there is to tell of one connection."""
        conn = connection.conn
        assert conn is not None
        events: list[Event] = []
        if mask & Interest.WRITE:
            connection.is_blocked = False
            events.append(Writable(conn))
        if mask & Interest.READ:
            try:
                data = connection.recv(most)
            except OSError as error:
                return [*events, ConnectionLost(conn, error.errno or 0)]
            self.bytes_read += len(data)
            events.append(Received(conn, data) if data else HalfClosed(conn))
        return events

    def refuse(self) -> None:
        """Nobody will be let in any more: who waits for it is reset."""
        for connection in self._callers:
            connection.close()
            connection.was_reset = True
        self._callers.clear()

    def close(self) -> None:
        """The server is gone, and so is what it had open."""
        for connection in (*self._doors.values(), *self._wires.values()):
            connection.close()
        self._doors.clear()
        self._wires.clear()

    # -- effects -----------------------------------------------------------------------------------

    def adopt(self, order: Adopt) -> None:
        """A new connection has a name: watch it for reading."""
        connection = self._doors.pop(order.socket_id)
        connection.conn, connection.interest = order.conn, Interest.READ
        self._wires[order.conn] = connection

    def turn_away(self, order: Reject) -> None:
        """Say no and close: as much of the answer as is taken at once."""
        connection = self._doors.pop(order.socket_id)
        with suppress(OSError):
            self.bytes_written += connection.send(order.data)
            connection.shut()
            connection.recv(65_536)
        connection.close()

    def watch(self, order: Watch) -> None:
        """Change what a connection is watched for."""
        connection = self.find(order.conn)
        if connection is not None:
            connection.interest = order.interest

    def find(self, conn: Conn) -> Wire | None:
        """The wire of a connection that the server has not closed."""
        connection = self._wires.get(conn)
        return None if connection is None or connection.is_closed else connection

    def drop(self, order: Drop) -> bool:
        """Close a connection; True if it was open."""
        connection = self.find(order.conn)
        if connection is not None:
            connection.close()
        return connection is not None

    def farewell(self, order: CallClose) -> None:
        """Remember why a connection is gone, and forget the rest."""
        connection = self._wires.pop(order.conn, None)
        if connection is not None:
            connection.reason = order.reason

    def send(self, order: Send) -> Event | None:
        """Send segments and shut our side if that is to follow; what is not taken is handed back.
        Drops nothing.
        """
        conn, segments, then = order.conn, order.segments, order.then
        connection = self.find(conn)
        if connection is None:
            return None
        try:
            stalled = self._send_all(connection, segments)
            if stalled is None and then is Then.SHUT:
                connection.shut()
            return stalled
        except OSError as error:
            return ConnectionLost(conn, error.errno or 0)

    def _send_all(self, connection: Wire, segments: tuple[Segment, ...]) -> Stalled | None:
        """Give segments to the wire until it has them all or takes no more."""
        assert connection.conn is not None
        if connection.is_blocked:
            return Stalled(connection.conn, 0, segments)
        taken = 0
        for index, segment in enumerate(segments):
            count = 0
            with suppress(BlockingIOError):
                count = connection.send(segment)
            taken += count
            self.bytes_written += count
            if count < len(segment):
                connection.is_blocked = True
                rest = memoryview(segment)[count:] if count else segment
                return Stalled(connection.conn, taken, (rest, *segments[index + 1 :]))
        return None
