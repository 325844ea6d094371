"""Performing effects: the one place where they touch sockets and logs.

Theory: an effect is performed or not; what came of it is reported as events, and never decided
here. So every method below takes one effect and returns at most one event. Effects of user code are
performed by `program`.

Rules: nothing blocks. A connection whose send stalled is blocked: later sends to it are handed back
whole, so bytes cannot overtake each other, until the kernel reports it writable. Effects for a
connection that is gone do nothing. It does not know HTTP, time, or when it is called.
"""

import logging
import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, TypeAlias

from ...core.conn import Conn, Peer
from ...core.connection.client_status import lacking_len
from ...core.effects import (
    ACCESS_LOG,
    AccessLog,
    Adopt,
    Drop,
    Effect,
    FanOut,
    Interest,
    LimitUnsent,
    Log,
    ReadSendQueue,
    Reject,
    Send,
    Then,
    Watch,
)
from ...core.events import (
    Accepted,
    ConnectionLost,
    Event,
    Received,
    Segment,
    SendQueueRead,
    Stalled,
    Writable,
)
from ...core.securing import Secured, StartTls
from ...core.server.slots import find_client
from ..program.handlers import Application
from ..program.logs import write_access, write_text
from ..tls_problems import loss_of
from .body_turns import BodyTurns, full_read_len, share_len
from .connection_socket import (
    ConnectionSocket,
    ConnectionTable,
    StreamSocket,
    close,
    close_connection,
    trim,
)
from .engine import Engine
from .fan_out import FanOuts, SendTo
from .kernel_buffer import held_len, limit_unsent
from .poller import READABLE, Poller, ready_for
from .rejected import DRAIN_LEN, RejectedSockets

if TYPE_CHECKING:
    from .tls_connections import TlsConnections

Ready: TypeAlias = list[tuple[object, int]]
"""Whose descriptors are ready, and what for."""
FIRST_READ_LEN = 4_096
"""Bytes that are read of a newcomer at once: the head of most requests."""

MAX_SEGMENTS = 1_000
"""Pieces of memory in one system call; Linux refuses more than 1024."""

_ACCESS = logging.getLogger(ACCESS_LOG)


class Sockets:
    """The sockets of all connections, by handle, and the methods that perform effects on them."""

    def __init__(
        self,
        engine: Engine,
        program: Application,
        poller: Poller,
        tls: "TlsConnections | None" = None,
    ) -> None:
        self._engine = engine
        self._tls = tls
        self._program = program
        self._poller = poller
        self._accepted: dict[int, socket.socket] = {}
        self._table = ConnectionTable()
        self._newcomers: list[ConnectionSocket] = []
        """Those of whom nobody has looked yet whether they have sent something."""
        self._blocked: set[ConnectionSocket] = set()
        """Connections whose last send stalled."""
        self._bodies = BodyTurns(engine.snapshot.limits.max_body_len)
        self.rejected = RejectedSockets()
        send_to: SendTo = socket.socket.send if tls is None else tls.send
        self._fan_outs = FanOuts(engine, self._table, self._blocked, send_to)
        self._count: int | None = None
        """How many bytes the last send of a single segment took; None if that is not known."""
        program.sources.find_socket = self._find_socket
        engine.must_repeat = self.must_repeat
        engine.read_newcomers = self.read_newcomers
        engine.methods = {
            **program.methods(),
            Send: self.send,
            FanOut: self._fan_outs.fan_out,
            Watch: self.watch,
            LimitUnsent: self.limit_unsent,
            ReadSendQueue: self.read_send_queue,
            Drop: self.drop,
            Adopt: self.adopt,
            Reject: self.reject,
            Log: self.log,
            AccessLog: self.log_access,
            StartTls: self.start_tls,
        }

    # -- connections -------------------------------------------------------------------------------

    def accepted(self, connection: socket.socket, peer: Peer) -> Accepted:
        """A new connection, as an event: it is held under its number until the core has decided."""
        socket_id = connection.fileno()
        self._accepted[socket_id] = connection
        return Accepted(socket_id, peer, self._tls is not None)

    def start_tls(self, effect: StartTls) -> None:
        """Go on with a connection over TLS."""
        connection = self._table.find(effect.conn)
        if connection is None or self._tls is None:
            return
        if connection in self._newcomers:
            self._newcomers.remove(connection)
        for event in self._tls.start(connection, effect):
            self._engine.report(event)
            if type(event) is Secured:  # what has come behind its end, nobody else would read
                max_len = self._engine.snapshot.limits.max_read_len
                self._receive(connection, max_len, self._engine.events)

    def go_on_with_handshakes(self, ready: Sequence[object], max_len: int) -> Ready:
        """Go on with the TLS handshakes among what is ready, and read who is secured: most have
        sent their first request by then. Those that are left for the next tick.
        """
        if self._tls is None:
            return []
        events = self._engine.events
        left, secured = self._tls.go_on(ready, events)
        for connection in secured:
            assert type(connection) is ConnectionSocket
            self._receive(connection, max_len, events)
        return left

    def adopt(self, effect: Adopt) -> Event | None:
        """Give a new connection its handle, and watch it for reading."""
        connection = self._table.find(effect.conn)
        if connection is None:  # else this was interrupted before
            connection = ConnectionSocket(effect.conn, self._accepted[effect.socket_id])
            self._table.put(connection)
        self._accepted.pop(effect.socket_id, None)
        self._newcomers.append(connection)
        return self._set_interest(connection, Interest.READ)

    def reject(self, effect: Reject) -> None:
        """Reject a new connection: send as much of the response as is taken at once, and hold it
        for a while, so that the response can be read.
        """
        limits = self._engine.snapshot.limits
        connection = self._accepted.pop(effect.socket_id, None)
        if connection is not None:  # else this was interrupted before
            self.rejected.add(connection, effect.data, limits, self._engine.clock().now)

    def watch(self, effect: Watch) -> Event | None:
        """Change what a connection is watched for."""
        connection = self._table.find(effect.conn)
        return None if connection is None else self._set_interest(connection, effect.interest)

    def _set_interest(self, connection: ConnectionSocket, interest: Interest) -> Event | None:
        """Watch a connection for this from now on; one that cannot be watched is lost."""
        connection.interest = interest
        try:
            self._poller.watch(connection.sock.fileno(), interest, connection)
        except OSError as error:
            return ConnectionLost(connection.conn, error.errno or 0)
        return None

    def limit_unsent(self, effect: LimitUnsent) -> None:
        """Let the kernel hold little for a connection from now on."""
        connection = self._table.find(effect.conn)
        if connection is not None:
            limit_unsent(connection.sock, self._engine.snapshot.limits.tcp_notsent_lowat)

    def read_send_queue(self, effect: ReadSendQueue) -> Event | None:
        """How much the kernel still holds for a connection."""
        connection = self._table.find(effect.conn)
        held = None if connection is None else held_len(connection.sock)
        return None if held is None else SendQueueRead(effect.conn, held)

    def drop(self, effect: Drop) -> None:
        """Close a connection and the streams that were for it."""
        connection = self._table.find(effect.conn)
        if connection is not None:
            self._blocked.discard(connection)
            self._bodies.discard(connection)
            self._poller.forget(connection.sock.fileno())
            if effect.is_complete:
                with suppress(OSError):  # there is no room, or it is gone
                    connection.shut()
            close_connection(connection)
            self._program.end_connection(effect.conn)
            self._table.remove(connection)
            if not self._engine.snapshot.slots.used:
                self._fan_outs.cohorts.forget()

    def close(self) -> None:
        """Close whatever is still open, without sending anything."""
        for connection in self._table:
            self.drop(Drop(connection.conn))
        for accepted in self._accepted.values():
            close(accepted)
        self._accepted.clear()
        self.rejected.close()

    # -- bytes -------------------------------------------------------------------------------------

    def process_readable_clients(
        self, ready: Ready, max_len: int
    ) -> tuple[list[Event], list[object], Ready]:
        """What came of each connection that is ready, read once up to `max_len` bytes, or to the
        end of its body if it is in the middle of one; whatever else is ready, which is not a
        connection; and those that are left for the next tick.
        """
        events: list[Event] = []
        others: list[object] = []
        lacking: dict[ConnectionSocket, int] = {}
        bodies, full_len = self._bodies, full_read_len(max_len)
        for connection, mask in ready:
            if type(connection) is not ConnectionSocket:
                others.append(connection)
                continue
            if mask != READABLE:
                found = ready_for(mask, connection.interest)
                if not found:  # epoll reports errors of a connection that is watched for nothing
                    events.append(connection.failure())
                    continue
                if found & Interest.WRITE:
                    self._blocked.discard(connection)
                    events.append(Writable(connection.conn))
                if not found & Interest.READ:
                    continue
            if connection in bodies.turns:
                length = self._lacking_len(connection)
                if length > max_len:
                    lacking[connection] = length
                    continue
                bodies.discard(connection)
            if self._receive(connection, max_len, events) >= full_len:
                bodies.add(connection)
        return events, others, self._read_bodies(lacking, events) if lacking else []

    def _receive(self, connection: ConnectionSocket, max_len: int, events: list[Event]) -> int:
        """Add what came of a connection, read once up to `max_len` bytes, and return how many."""
        try:
            data = connection.sock.recv(max_len)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError as error:
            events.append(loss_of(connection.conn, error))
            return 0
        events.append(Received(connection.conn, data) if data else connection.half_closed())
        return len(data)

    def _lacking_len(self, connection: ConnectionSocket) -> int:
        """Bytes that the body lacks in the middle of which a connection is; 0 if it is in none."""
        state = self._engine.snapshot
        client = find_client(state.slots, connection.conn)
        return 0 if client is None else lacking_len(client, state.limits)

    def _read_bodies(self, lacking: dict[ConnectionSocket, int], events: list[Event]) -> Ready:
        """Add what came of connections that are in the middle of bodies, each of which lacks so
        many bytes, as much as one tick may; those that are left for the next one.
        """
        limits = self._engine.snapshot.limits
        room, share = limits.max_body_read_len_per_tick, share_len(limits, len(lacking))
        left: Ready = []
        for connection in self._bodies.in_order(lacking):
            if room:
                max_len = min(lacking[connection], share, room)
                room -= self._receive(connection, max_len, events)
                self._bodies.add(connection)
            else:
                left.append((connection, READABLE))
        return left

    def read_newcomers(self) -> None:
        """Read what newcomers have sent by the time that they are watched: mostly the first request
        of each, which need not wait for the next tick then.
        """
        if not self._newcomers:
            return
        max_len = min(FIRST_READ_LEN, self._engine.snapshot.limits.max_read_len)
        for connection in self._newcomers:
            if connection.interest != Interest.READ:
                continue
            try:
                data = connection.sock.recv(max_len)
            except OSError:  # nothing has come, or it is lost, which the next tick sees
                continue
            if data:
                self._engine.events.append(Received(connection.conn, data))
        self._newcomers.clear()

    def send(self, effect: Send) -> None:
        """Send segments and do what follows; what the kernel does not take is reported, before
        anything else.
        """
        conn, segments, then = effect.conn, effect.segments, effect.then
        connection = self._table.find(conn)
        if connection is None:
            return
        event: Event | None
        try:
            if then is Then.KEEP and len(segments) == 1 and connection not in self._blocked:
                data, self._count, self._engine.touched = segments[0], None, effect
                self._count = count = connection.sock.send(data)
                if count == len(data):
                    return
                event = self._send_all(connection, (memoryview(data)[count:],), count)
            else:
                self._count, self._engine.touched = None, effect
                event = self._send_and_then(connection, segments, then)
        except (BlockingIOError, InterruptedError):
            self._blocked.add(connection)
            event = Stalled(conn, 0, segments)
        except OSError as error:
            event = loss_of(conn, error)
        if event is not None:
            self._engine.report(event)

    def _find_socket(self, conn: Conn) -> StreamSocket | None:
        """The socket of a connection; None if it is gone, or its last send stalled: nothing may
        overtake what was not taken.
        """
        connection = self._table.find(conn)
        if connection is None or connection in self._blocked:
            return None
        return connection.sock

    def _send_and_then(
        self, connection: ConnectionSocket, segments: tuple[Segment, ...], then: Then
    ) -> Event | None:
        """The general case: several segments, a blocked connection, or something to do after the
        last byte.
        """
        if then is Then.DROP:
            with suppress(OSError):
                if connection not in self._blocked:
                    if self._send_all(connection, segments, 0) is None:
                        connection.shut()
                    connection.sock.recv(DRAIN_LEN)  # what is unread would make a reset of the end
            self.drop(Drop(connection.conn))
            return None
        if connection in self._blocked:
            return Stalled(connection.conn, 0, segments)
        stalled = self._send_all(connection, segments, 0)
        if stalled is None and then is Then.SHUT:
            stalled = self._shut(connection)
        return stalled

    def _shut(self, connection: ConnectionSocket) -> Stalled | None:
        """End our side of a connection; if there is no room to say so, what is left is an end
        without bytes.
        """
        try:
            connection.shut()
        except (BlockingIOError, InterruptedError):
            self._blocked.add(connection)
            return Stalled(connection.conn, 0, (b"",))
        return None

    def _send_all(
        self, connection: ConnectionSocket, segments: tuple[Segment, ...], taken: int
    ) -> Stalled | None:
        """Send segments until the kernel has them all or takes no more: `Stalled` then, with the
        `taken` bytes before them counted.
        """
        index = offset = 0
        while index < len(segments):
            first = segments[index] if not offset else memoryview(segments[index])[offset:]
            try:
                if index + 1 == len(segments):
                    count = connection.sock.send(first)
                else:
                    count = connection.sock.sendmsg(
                        (first, *segments[index + 1 : index + MAX_SEGMENTS])
                    )
            except (BlockingIOError, InterruptedError):
                self._blocked.add(connection)
                return Stalled(connection.conn, taken, (trim(first), *segments[index + 1 :]))
            taken += count
            offset += count
            while index < len(segments) and offset >= len(segments[index]):
                offset -= len(segments[index])
                index += 1
        return None

    # -- interrupts --------------------------------------------------------------------------------

    def must_repeat(self, effect: Effect) -> bool:
        """True if an effect that was interrupted is to be performed again: nothing was sent of it.

        Else what it has sent is reported. If nobody knows how much the kernel took, which only the
        return value of one system call has said, the connection is lost rather than left with a
        hole.
        """
        if not isinstance(effect, Send | FanOut) or self._engine.touched is not effect:
            return True
        if isinstance(effect, FanOut):
            self._fan_outs.report_interrupted(effect)
        elif effect.then is Then.DROP:
            self.drop(Drop(effect.conn))
        elif len(effect.segments) > 1 or self._count != len(effect.segments[0]):
            connection = self._table.find(effect.conn)
            if connection is not None:
                self._blocked.add(connection)  # nothing goes behind the hole
                self._engine.report(ConnectionLost(effect.conn, 0))
        return False

    # -- logs --------------------------------------------------------------------------------------

    def log(self, effect: Log) -> None:
        """Write a line to a log."""
        write_text(logging.getLogger(effect.logger), effect.level, effect.text)

    def log_access(self, effect: AccessLog) -> None:
        """Write a line to the access log, with its parts as attributes of the record."""
        write_access(_ACCESS, effect, self._engine.run_queue.clock() - effect.since)
