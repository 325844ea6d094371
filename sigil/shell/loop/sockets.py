"""Carrying out orders: the one place where effects touch sockets and logs.

Theory: an order is done or not done; what comes of it is told as events, and never decided here.  So every method
below takes one effect and returns at most one event.

Rules: nothing blocks.  A connection whose send stalled is blocked: later sends to it are handed back whole, so bytes
cannot overtake each other, until its turn comes to be written again.  Orders for a connection that is gone do nothing.
It does not know HTTP, time, or when it is called; user code is called by `program`.
"""

import logging
import selectors
import socket
from contextlib import suppress
from operator import length_hint
from typing import TypeAlias

from ...core.conn import Conn
from ...core.effects import (
    Abandon,
    Access,
    Adopt,
    Deliver,
    Drop,
    Fan,
    Farewell,
    Greet,
    Handle,
    Interest,
    Note,
    Part,
    Pull,
    Send,
    Then,
    TurnAway,
    Unpack,
    Watch,
    Welcome,
)
from ...core.events import (
    Event,
    Failed,
    HalfClosed,
    Lagged,
    Received,
    Segment,
    Stalled,
    Writable,
)
from ..program.handlers import Program
from .connection_socket import Cohorts, Wire, can_watch_for_nothing, close, tail
from .engine import Engine

Ready: TypeAlias = list[tuple[selectors.SelectorKey, int]]
MAX_SEGMENTS = 1_000
"""Pieces of memory in one system call; Linux refuses more than 1024."""

_KEEP = Then.KEEP
_READ = selectors.EVENT_READ

_ACCESS_LOG = logging.getLogger("sigil.access")


class Performer:
    """Everything that stands between the core's names and the world's things."""

    def __init__(self, engine: Engine, program: Program, selector: selectors.BaseSelector) -> None:
        self._engine = engine
        self._program = program
        self._selector = selector
        self._can_watch_for_nothing = can_watch_for_nothing(selector)
        self._doors: dict[int, socket.socket] = {}
        self._wires: dict[Conn, Wire] = {}
        self._blocked: set[Wire] = set()
        """Connections whose last send stalled."""
        self._cohorts = Cohorts(self._wires)
        engine.methods = {
            Handle: program.handle_request,
            Send: self.send,
            Fan: self.fan,
            Pull: program.pull,
            Abandon: program.abandon,
            Watch: self.watch,
            Drop: self.drop,
            Adopt: self.adopt,
            TurnAway: self.turn_away,
            Greet: program.greet,
            Farewell: program.farewell,
            Welcome: program.welcome,
            Deliver: program.deliver,
            Unpack: program.unpack,
            Part: program.part,
            Note: self.note,
            Access: self.access,
        }

    # -- connections ----------------------------------------------------------------------------------------------

    def knock(self, connection: socket.socket) -> int:
        """Keep a new connection until the core has decided about it; the number it is known by."""
        door = connection.fileno()
        self._doors[door] = connection
        return door

    def adopt(self, order: Adopt) -> Event | None:
        """A new connection has a name: watch it for reading."""
        wire = Wire(order.conn, self._doors.pop(order.door))
        self._wires[order.conn] = wire
        return self._set_interest(wire, Interest.READ)

    def turn_away(self, order: TurnAway) -> None:
        """Say no and close: as much of the answer as is taken at once."""
        connection = self._doors.pop(order.door)
        with suppress(OSError):
            connection.send(order.data)
            connection.shutdown(socket.SHUT_WR)
            connection.recv(65_536)
        close(connection)

    def watch(self, order: Watch) -> Event | None:
        """Change what a connection is watched for."""
        wire = self._wires.get(order.conn)
        return None if wire is None else self._set_interest(wire, order.interest)

    def _set_interest(self, wire: Wire, interest: Interest) -> Event | None:
        """Watch for this from now on; a connection that cannot be watched is broken."""
        is_watched = bool(interest) or self._can_watch_for_nothing
        try:
            if wire.is_watched and is_watched:
                self._selector.modify(wire.sock, interest, wire)
            elif is_watched:
                self._selector.register(wire.sock, interest, wire)
            else:
                self._unwatch(wire)
        except OSError as error:
            wire.is_watched = False  # a selector forgets whom it cannot change
            return Failed(wire.conn, error.errno or 0)
        wire.is_watched = is_watched
        return None

    def _unwatch(self, wire: Wire) -> None:
        """Take a connection out of the selector, if it is there."""
        if wire.is_watched:
            wire.is_watched = False
            self._selector.unregister(wire.sock)

    def drop(self, order: Drop) -> None:
        """Close a connection and the streams that were for it."""
        wire = self._wires.pop(order.conn, None)
        if wire is not None:
            self._blocked.discard(wire)
            with suppress(OSError):
                self._unwatch(wire)
            close(wire.sock)
            if not self._wires:
                self._cohorts.forget()
            self._program.abandon_all(order.conn)

    def close(self) -> None:
        """Close whatever is still open, without a word."""
        for conn in list(self._wires):
            self.drop(Drop(conn))
        for connection in self._doors.values():
            close(connection)
        self._doors.clear()

    # -- bytes ----------------------------------------------------------------------------------------------------

    def process_readable_clients(self, ready: Ready, most: int) -> tuple[list[Event], list[object]]:
        """Read each connection that is ready once, up to `most` bytes: what came, and what is not a connection."""
        events: list[Event] = []
        others: list[object] = []
        for key, mask in ready:
            wire = key.data
            if type(wire) is not Wire:
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
                events.append(Failed(wire.conn, error.errno or 0))
                continue
            events.append(Received(wire.conn, data) if data else HalfClosed(wire.conn))
        return events, others

    def send(self, order: Send) -> None:
        """Send segments and do what follows; what the kernel does not take is handed back, before anything else."""
        conn, segments, then = order.conn, order.segments, order.then
        wire = self._wires.get(conn)
        if wire is None:
            return
        event: Event | None
        try:
            if then is _KEEP and len(segments) == 1 and wire not in self._blocked:
                data = segments[0]
                count = wire.send(data)
                if count == len(data):
                    return
                event = self._send_all(wire, (memoryview(data)[count:],), count)
            else:
                event = self._send_and_then(wire, segments, then)
        except (BlockingIOError, InterruptedError):
            self._blocked.add(wire)
            event = Stalled(conn, 0, segments)
        except OSError as error:
            event = Failed(conn, error.errno or 0)
        if event is not None:
            self._engine.report(event)

    def _send_and_then(self, wire: Wire, segments: tuple[Segment, ...], then: Then) -> Event | None:
        """The general case: several segments, a blocked connection, or something to do after the last byte."""
        if then is Then.DROP:
            with suppress(OSError):
                if wire not in self._blocked:
                    self._send_all(wire, segments, 0)
            self.drop(Drop(wire.conn))
            return None
        if wire in self._blocked:
            return Stalled(wire.conn, 0, segments)
        stalled = self._send_all(wire, segments, 0)
        if stalled is None and then is Then.SHUT:
            wire.sock.shutdown(socket.SHUT_WR)
        return stalled

    def _send_all(self, wire: Wire, segments: tuple[Segment, ...], taken: int) -> Stalled | None:
        """Give segments to the kernel until it has them all or takes no more; it has `taken` bytes before them."""
        index = offset = 0
        while index < len(segments):
            first = segments[index] if not offset else memoryview(segments[index])[offset:]
            try:
                if index + 1 == len(segments):
                    count = wire.sock.send(first)
                else:
                    count = wire.sock.sendmsg((first, *segments[index + 1:index + MAX_SEGMENTS]))
            except (BlockingIOError, InterruptedError):
                self._blocked.add(wire)
                return Stalled(wire.conn, taken, (tail(first), *segments[index + 1:]))
            taken += count
            offset += count
            while index < len(segments) and offset >= len(segments[index]):
                offset -= len(segments[index])
                index += 1
        return None

    def fan(self, order: Fan) -> None:
        """Send one piece of memory to all members of a cohort; who does not take all of it is reported.

        The loop to be fast in: one system call for each client, and nothing else.
        """
        hearing, data = order.hearing, order.data
        wires, sends = self._cohorts.find(hearing, order.members, self._blocked)
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
                self._engine.report(Failed(wires[-1 - length_hint(coming)].conn, error.errno or 0))
                continue
            wire = wires[-1 - length_hint(coming)]  # the iterator knows how many are left
            self._blocked.add(wire)
            self._engine.report(Lagged(wire.conn, taken, order.start, order.end, hearing))

    # -- logs -----------------------------------------------------------------------------------------------------

    def note(self, order: Note) -> None:
        """Write a line to a log."""
        logging.getLogger(order.logger).log(order.level, "%s", order.text)

    def access(self, order: Access) -> None:
        """Write a line to the access log."""
        length = "-" if order.length < 0 else order.length
        _ACCESS_LOG.info('%s "%s %s HTTP/1.%d" %d %s', order.peer, order.method, order.target, order.version,
                         order.status, length)
