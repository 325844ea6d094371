"""Carrying out orders: the one place where effects touch sockets and logs.

Theory: an order is done or not done; what comes of it is told as events, and never decided here. So
every method below takes one effect and returns at most one event.

Rules: nothing blocks. A connection whose send stalled is blocked: later sends to it are handed back
whole, so bytes cannot overtake each other, until its turn comes to be written again. Orders for a
connection that is gone do nothing. It does not know HTTP, time, or when it is called; user code is
called by `program`.
"""

import logging
import selectors
import socket
from contextlib import suppress
from operator import length_hint
from typing import TypeAlias

from ...core.conn import Conn
from ...core.effects import (
    AccessLog,
    Adopt,
    CallClose,
    CallOpen,
    CallWsClose,
    CallWsOpen,
    CloseBody,
    Deliver,
    DeliverCompressed,
    Drop,
    FanOut,
    Handle,
    Interest,
    Log,
    Pull,
    Reject,
    Send,
    Then,
    Watch,
)
from ...core.events import (
    ConnectionLost,
    Event,
    FanOutStalled,
    HalfClosed,
    Received,
    Segment,
    Stalled,
    Writable,
)
from ..program.handlers import Application
from .connection_socket import (
    CohortSockets,
    ConnectionSocket,
    close,
    reports_errors_unwatched,
    trim,
)
from .engine import Engine

Ready: TypeAlias = list[tuple[selectors.SelectorKey, int]]
MAX_SEGMENTS = 1_000
"""Pieces of memory in one system call; Linux refuses more than 1024."""

_KEEP = Then.KEEP
_READ = selectors.EVENT_READ

_ACCESS_LOG = logging.getLogger("sigil.access")


class Sockets:
    """Everything that stands between the core's names and the world's things."""

    def __init__(
        self, engine: Engine, program: Application, selector: selectors.BaseSelector
    ) -> None:
        self._engine = engine
        self._program = program
        self._selector = selector
        self._can_watch_for_nothing = reports_errors_unwatched(selector)
        self._accepted: dict[int, socket.socket] = {}
        self._sockets: dict[Conn, ConnectionSocket] = {}
        self._blocked: set[ConnectionSocket] = set()
        """Connections whose last send stalled."""
        self._cohorts = CohortSockets(self._sockets)
        engine.methods = {
            Handle: program.handle_request,
            Send: self.send,
            FanOut: self.fan_out,
            Pull: program.pull,
            CloseBody: program.close_body,
            Watch: self.watch,
            Drop: self.drop,
            Adopt: self.adopt,
            Reject: self.reject,
            CallOpen: program.call_open,
            CallClose: program.call_close,
            CallWsOpen: program.call_ws_open,
            Deliver: program.deliver,
            DeliverCompressed: program.deliver_compressed,
            CallWsClose: program.call_ws_close,
            Log: self.log,
            AccessLog: self.log_access,
        }

    # -- connections -------------------------------------------------------------------------------

    def register_accepted(self, connection: socket.socket) -> int:
        """Keep a new connection until the core has decided about it; the number it is known by."""
        door = connection.fileno()
        self._accepted[door] = connection
        return door

    def adopt(self, order: Adopt) -> Event | None:
        """A new connection has a name: watch it for reading."""
        connection = ConnectionSocket(order.conn, self._accepted.pop(order.socket_id))
        self._sockets[order.conn] = connection
        return self._set_interest(connection, Interest.READ)

    def reject(self, order: Reject) -> None:
        """Say no and close: as much of the answer as is taken at once."""
        connection = self._accepted.pop(order.socket_id)
        with suppress(OSError):
            connection.send(order.data)
            connection.shutdown(socket.SHUT_WR)
            connection.recv(65_536)
        close(connection)

    def watch(self, order: Watch) -> Event | None:
        """Change what a connection is watched for."""
        connection = self._sockets.get(order.conn)
        return None if connection is None else self._set_interest(connection, order.interest)

    def _set_interest(self, connection: ConnectionSocket, interest: Interest) -> Event | None:
        """Watch for this from now on; a connection that cannot be watched is broken."""
        is_watched = bool(interest) or self._can_watch_for_nothing
        try:
            if connection.is_watched and is_watched:
                self._selector.modify(connection.sock, interest, connection)
            elif is_watched:
                self._selector.register(connection.sock, interest, connection)
            else:
                self._unwatch(connection)
        except OSError as error:
            connection.is_watched = False  # a selector forgets whom it cannot change
            return ConnectionLost(connection.conn, error.errno or 0)
        connection.is_watched = is_watched
        return None

    def _unwatch(self, connection: ConnectionSocket) -> None:
        """Take a connection out of the selector, if it is there."""
        if connection.is_watched:
            connection.is_watched = False
            self._selector.unregister(connection.sock)

    def drop(self, order: Drop) -> None:
        """Close a connection and the streams that were for it."""
        connection = self._sockets.pop(order.conn, None)
        if connection is not None:
            self._blocked.discard(connection)
            with suppress(OSError):
                self._unwatch(connection)
            close(connection.sock)
            if not self._sockets:
                self._cohorts.forget()
            self._program.close_bodies(order.conn)

    def close(self) -> None:
        """Close whatever is still open, without a word."""
        for conn in list(self._sockets):
            self.drop(Drop(conn))
        for connection in self._accepted.values():
            close(connection)
        self._accepted.clear()

    # -- bytes -------------------------------------------------------------------------------------

    def process_readable_clients(self, ready: Ready, most: int) -> tuple[list[Event], list[object]]:
        """Read each connection that is ready once, up to `max_frames` bytes: what came, and what is
        not a connection.
        """
        events: list[Event] = []
        others: list[object] = []
        for key, mask in ready:
            wire = key.data
            if type(wire) is not ConnectionSocket:
                others.append(wire)
                continue
            if mask != _READ:
                if not mask:  # not even watched for nothing does a broken connection keep silent
                    events.append(wire.failure())
                    continue
                self._blocked.discard(wire)
                events.append(Writable(wire.conn))
                if not mask & _READ:
                    continue
            try:
                data = wire.recv(most)
            except (BlockingIOError, InterruptedError):
                continue
            except OSError as error:
                events.append(ConnectionLost(wire.conn, error.errno or 0))
                continue
            events.append(Received(wire.conn, data) if data else HalfClosed(wire.conn))
        return events, others

    def send(self, order: Send) -> None:
        """Send segments and do what follows; what the kernel does not take is handed back, before
        anything else.
        """
        conn, segments, then = order.conn, order.segments, order.then
        connection = self._sockets.get(conn)
        if connection is None:
            return
        event: Event | None
        try:
            if then is _KEEP and len(segments) == 1 and connection not in self._blocked:
                data = segments[0]
                count = connection.send(data)
                if count == len(data):
                    return
                event = self._send_all(connection, (memoryview(data)[count:],), count)
            else:
                event = self._send_and_then(connection, segments, then)
        except (BlockingIOError, InterruptedError):
            self._blocked.add(connection)
            event = Stalled(conn, 0, segments)
        except OSError as error:
            event = ConnectionLost(conn, error.errno or 0)
        if event is not None:
            self._engine.report(event)

    def _send_and_then(
        self, connection: ConnectionSocket, segments: tuple[Segment, ...], then: Then
    ) -> Event | None:
        """The general case: several segments, a blocked connection, or something to do after the
        last byte.
        """
        if then is Then.DROP:
            with suppress(OSError):
                if connection not in self._blocked:
                    self._send_all(connection, segments, 0)
            self.drop(Drop(connection.conn))
            return None
        if connection in self._blocked:
            return Stalled(connection.conn, 0, segments)
        stalled = self._send_all(connection, segments, 0)
        if stalled is None and then is Then.SHUT:
            connection.sock.shutdown(socket.SHUT_WR)
        return stalled

    def _send_all(
        self, connection: ConnectionSocket, segments: tuple[Segment, ...], taken: int
    ) -> Stalled | None:
        """Give segments to the kernel until it has them all or takes no more; it has `taken` bytes
        before them.
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

    def fan_out(self, order: FanOut) -> None:
        """Send one piece of memory to all members of a cohort; who does not take all of it is
        reported.

        The loop to be fast in: one system call for each client, and nothing else.
        """
        subscription, data = order.subscription, order.data
        wires, sends = self._cohorts.find(subscription, order.members, self._blocked)
        length, coming = len(data), iter(sends)
        while True:
            try:
                for send in coming:
                    taken = send(data)
                    if taken != length:
                        break
                else:
                    return
            except (BlockingIOError, InterruptedError):
                taken = 0
            except OSError as error:
                self._engine.report(
                    ConnectionLost(wires[-1 - length_hint(coming)].conn, error.errno or 0)
                )
                continue
            connection = wires[-1 - length_hint(coming)]  # the iterator knows how many are left
            self._blocked.add(connection)
            self._engine.report(
                FanOutStalled(connection.conn, taken, order.start, order.end, subscription)
            )

    # -- logs --------------------------------------------------------------------------------------

    def log(self, order: Log) -> None:
        """Write a line to a log."""
        logging.getLogger(order.logger).log(order.level, "%s", order.text)

    def log_access(self, order: AccessLog) -> None:
        """Write a line to the access log."""
        length = "-" if order.length < 0 else order.length
        _ACCESS_LOG.info(
            '%s "%s %s HTTP/1.%d" %d %s',
            order.peer,
            order.method,
            order.target,
            order.version,
            order.status,
            length,
        )
