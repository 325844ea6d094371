"""A network in memory: its connections, and the effects that concern them.

Theory: a `Wire` is both ends of one connection. `Kernel` holds all of them and carries out on them,
effect by effect, what `sigil.shell.loop.sockets` carries out on sockets.

Rules: nothing blocks. Once a send has stalled, later ones are handed back whole until `Writable`
has been reported. Bytes for an end that does not read are buffered. Readiness is reported to the
core only for what it watches. A tick costs what happens in it: of the wires those are looked at
that may have become ready.

It does not know HTTP, time or user code.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import TypeAlias

from ..core.conn import Conn, Peer
from ..core.effects import (
    Adopt,
    CallClose,
    Drop,
    Interest,
    LimitUnsent,
    ReadSendQueue,
    Reject,
    Send,
    Then,
    Watch,
)
from ..core.events import (
    Accepted,
    ConnectionLost,
    Event,
    HalfClosed,
    Received,
    Segment,
    SendQueueRead,
    Stalled,
    Writable,
)
from ..core.limits import Limits, read_share_len
from ..core.securing import Secured, StartTls
from ..core.tls import Tls
from .wire import Wire

__all__ = ["IN_MEMORY", "Admitted", "CountedWire", "Kernel", "Wire"]

IN_MEMORY = Tls("TLSv1.3", "TLS_AES_256_GCM_SHA384", "http/1.1")
"""What a handshake settles that nobody makes."""


def _age(at: tuple[Conn, Wire]) -> int:
    """What connections are sorted by, the oldest first."""
    return at[0].generation


Admitted: TypeAlias = Callable[[list[tuple[Wire, Peer]]], list[tuple[Wire, Peer]]]
"""Those of some newcomers who come in."""


class CountedWire:
    """A wire to which a file is sent, whose bytes count as written."""

    __slots__ = ("_kernel", "_wire")

    def __init__(self, kernel: "Kernel", wire: Wire) -> None:
        self._kernel = kernel
        self._wire = wire

    def send(self, data: bytes) -> int:
        """How many of these bytes are taken; BlockingIOError if there is room for none."""
        count = self._wire.send(data)
        self._kernel.bytes_written += count
        return count


class Kernel:
    """All connections in memory, and the effects that concern them."""

    def __init__(self) -> None:
        self.bytes_read = 0
        """Bytes that the server has read, of all connections."""
        self.bytes_written = 0
        """Bytes that were taken from the server, of all connections."""
        self._wires: dict[Conn, Wire] = {}
        self._woken: dict[Conn, Wire] = {}
        """Those that may be ready: all others are not."""
        self._backlog: list[Wire] = []
        self._accepted: dict[int, Wire] = {}
        self._next_socket_id = 0
        self._ready_offset = 0
        self.unread: frozenset[Conn] = frozenset()
        """Connections that were ready in the last tick and were not read, or not to the end."""

    # -- events ------------------------------------------------------------------------------------

    def connect(self, wire: Wire) -> None:
        """Add a new connection to the backlog, to be accepted."""
        self._backlog.append(wire)

    @property
    def is_busy(self) -> bool:
        """True if an accepted connection is ready for something that the server watches for."""
        return any(wire.readiness() for wire in self._woken.values())

    @property
    def has_backlog(self) -> bool:
        """True if there are connections that have not been accepted."""
        return bool(self._backlog)

    def accept(self, max_count: int, admitted: Admitted = list) -> list[Event]:
        """The `Accepted` events of the first connections of the backlog, up to `max_count`, of whom
        those come in that are `admitted`.
        """
        wires, self._backlog = self._backlog[:max_count], self._backlog[max_count:]
        events: list[Event] = []
        for wire, _ in admitted([(wire, wire.peer) for wire in wires]):
            self._accepted[self._next_socket_id] = wire
            events.append(Accepted(self._next_socket_id, wire.peer))
            self._next_socket_id += 1
        return events

    def process_readable_clients(self, limits: Limits) -> list[Event]:
        """The events of the ready connections, up to `max_reads_per_tick` of them.

        If there are more, each tick goes on behind those of the tick before.
        """
        ready = self._ready()
        if len(ready) > limits.max_reads_per_tick:
            self._ready_offset = (self._ready_offset + limits.max_reads_per_tick) % len(ready)
            ready = ready[self._ready_offset :] + ready[: self._ready_offset]
        return self._process_all(ready, limits)

    def process_all_readable_clients(self, limits: Limits) -> list[Event]:
        """The events of all ready connections, each read once."""
        ready = [(wire, wire.readiness()) for wire in self._ready()]
        return [
            event
            for wire, mask in ready
            for event in self._process(wire, mask, limits.max_read_len)
        ]

    def _ready(self) -> list[Wire]:
        """The connections that are ready, the oldest first."""
        ready = [(conn, wire) for conn, wire in self._woken.items() if wire.readiness()]
        ready.sort(key=_age)
        self._woken.clear()
        self._woken.update(ready)
        return [wire for _, wire in ready]

    def _process_all(self, ready: list[Wire], limits: Limits) -> list[Event]:
        """The events of the first `max_reads_per_tick` of these; the others are unread."""
        now, later = ready[: limits.max_reads_per_tick], ready[limits.max_reads_per_tick :]
        read_len = read_share_len(limits, len(now))
        events = [
            event for wire in now for event in self._process(wire, wire.readiness(), read_len)
        ]
        left = [*later, *(wire for wire in now if wire.arrived)]
        self.unread = frozenset(wire.conn for wire in left if wire.conn is not None)
        return events

    def _process(self, wire: Wire, mask: Interest, max_read_len: int) -> list[Event]:
        """The events of one connection that is ready for what `mask` has."""
        conn = wire.conn
        assert conn is not None
        events: list[Event] = []
        if mask & Interest.WRITE:
            wire.is_blocked = False
            events.append(Writable(conn))
        if mask & Interest.READ:
            try:
                data = wire.recv(max_read_len)
            except OSError as error:
                return [*events, ConnectionLost(conn, error.errno or 0)]
            self.bytes_read += len(data)
            events.append(Received(conn, data) if data else HalfClosed(conn))
        return events

    def under_way(self) -> dict[int, tuple[int, int]]:
        """By the generation of each connection that has any: the bytes that its client has not
        read, and those that the server has not.
        """
        found = {
            conn.generation: (len(wire.unread), len(wire.arrived))
            for conn, wire in self._wires.items()
        }
        return {name: lengths for name, lengths in found.items() if any(lengths)}

    def close_backlog(self) -> None:
        """Reset the connections that have not been accepted, as closing a listening socket does."""
        for wire in self._backlog:
            wire.close()
            wire.was_reset = True
        self._backlog.clear()

    def close(self) -> None:
        """Close all connections of the server."""
        for wire in (*self._accepted.values(), *self._wires.values()):
            wire.close()
        self._accepted.clear()
        self._wires.clear()
        self._woken.clear()

    # -- effects -----------------------------------------------------------------------------------

    def adopt(self, effect: Adopt) -> None:
        """Give an accepted connection its handle, and watch it for reading."""
        wire = self._accepted.pop(effect.socket_id)
        wire.conn, wire.woken, wire.interest = effect.conn, self._woken, Interest.READ
        self._wires[effect.conn] = wire

    def reject(self, effect: Reject) -> None:
        """Send an accepted connection as much of a response as is taken at once, and close it."""
        wire = self._accepted.pop(effect.socket_id)
        with suppress(OSError):
            self.bytes_written += wire.send(effect.data)
            wire.shut()
            wire.recv(65_536)
        wire.close()

    def watch(self, effect: Watch) -> None:
        """Change what a connection is watched for."""
        wire = self.find(effect.conn)
        if wire is not None:
            wire.interest = effect.interest

    def limit_unsent(self, effect: LimitUnsent) -> None:
        """A wire holds what its window has room for, whatever it is sent."""

    def read_send_queue(self, effect: ReadSendQueue) -> Event | None:
        """How much is held for a connection: nothing that was not reported as room already."""
        wire = self.find(effect.conn)
        return None if wire is None else SendQueueRead(effect.conn, wire.held_len())

    def start_tls(self, effect: StartTls) -> Event | None:
        """Go on over TLS, which in memory is nothing: the handshake is over at once."""
        wire = self.find(effect.conn)
        if wire is None:
            return None
        wire.arrived = bytearray(effect.data) + wire.arrived
        return Secured(effect.conn, IN_MEMORY)

    def find(self, conn: Conn) -> Wire | None:
        """The wire of a connection that the server has not closed, else None."""
        wire = self._wires.get(conn)
        return None if wire is None or wire.is_closed else wire

    def find_socket(self, conn: Conn) -> "CountedWire | None":
        """What a file is sent to; None if the connection is gone, or its last send stalled."""
        wire = self.find(conn)
        return None if wire is None or wire.is_blocked else CountedWire(self, wire)

    def drop(self, effect: Drop) -> bool:
        """Close a connection; True if it was open."""
        wire = self.find(effect.conn)
        if wire is not None:
            wire.close()
        return wire is not None

    def record_close(self, effect: CallClose) -> None:
        """Set the reason for which a connection was closed, and forget its handle."""
        wire = self._wires.pop(effect.conn, None)
        self._woken.pop(effect.conn, None)
        if wire is not None:
            wire.reason, wire.woken = effect.reason, None

    def send(self, effect: Send) -> Event | None:
        """Send segments, then shut the server's side for `Then.SHUT`; None if all were taken.

        `Stalled` hands back what was not taken, `ConnectionLost` has the error. `Then.DROP` is the
        caller's to carry out.
        """
        wire = self.find(effect.conn)
        if wire is None:
            return None
        try:
            stalled = self._send_all(wire, effect.conn, effect.segments)
            if stalled is None and effect.then is Then.SHUT:
                wire.shut()
            return stalled
        except OSError as error:
            return ConnectionLost(effect.conn, error.errno or 0)

    def _send_all(self, wire: Wire, conn: Conn, segments: tuple[Segment, ...]) -> Stalled | None:
        """Send segments until all are taken, or until one is not: what is left of them."""
        if wire.is_blocked:
            return Stalled(conn, 0, segments)
        taken = 0
        for index, segment in enumerate(segments):
            count = 0
            with suppress(BlockingIOError):
                count = wire.send(segment)
            taken += count
            self.bytes_written += count
            if count < len(segment):
                wire.is_blocked = True
                rest = memoryview(segment)[count:] if count else segment
                return Stalled(conn, taken, (rest, *segments[index + 1 :]))
        return None
