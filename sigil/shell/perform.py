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
from collections.abc import Callable
from contextlib import suppress
from operator import length_hint
from typing import TypeAlias

from pyrsistent import PSet

from ..core.conn import Conn
from ..core.effects import (
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
from ..core.events import (
    Event,
    Failed,
    HalfClosed,
    Lagged,
    Received,
    Segment,
    Stalled,
    Writable,
)
from ..core.ring import Hearing
from .engine import Engine
from .program import Program

Ready: TypeAlias = list[tuple[selectors.SelectorKey, int]]
MAX_SEGMENTS = 1_000
"""Pieces of memory in one system call; Linux refuses more than 1024."""

REMEMBERED_MOST, REMEMBERED_TIMES = 4_096, 4
"""As many wires as this are remembered in all cohorts together, or each so often. Beyond, all cohorts are forgotten,
those that are gone with the others."""

_new = tuple.__new__
_KEEP = Then.KEEP
_READ = selectors.EVENT_READ

_ACCESS_LOG = logging.getLogger("sigil.access")


class Wire:
    """A connection's socket, and whether the selector has it."""

    __slots__ = ("conn", "is_watched", "recv", "send", "sock")

    def __init__(self, conn: Conn, sock: socket.socket) -> None:
        self.conn = conn
        self.sock = sock
        self.recv = sock.recv
        self.send = sock.send
        self.is_watched = False


Cohort: TypeAlias = tuple[tuple[Wire, ...], tuple[Callable[[bytes], int], ...]]


def _cohort_of(wires: list[Wire]) -> Cohort:
    return tuple(wires), tuple([wire.send for wire in wires])


def _take_nothing(data: bytes) -> int:
    """How a blocked connection sends."""
    return 0


def can_watch_for_nothing(selector: selectors.BaseSelector) -> bool:
    """True if a selector that is told to watch for nothing still reports a connection that breaks, as epoll does.

    With any other a connection that is not watched is taken out, and that it has broken is seen when it is used.
    """
    return hasattr(selectors, "EpollSelector") and isinstance(selector, selectors.EpollSelector)


def _broken(wire: Wire) -> Failed:
    """What has happened to a connection that nothing was asked of: 0 if it has ended without an error."""
    try:
        return Failed(wire.conn, wire.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
    except OSError as error:
        return Failed(wire.conn, error.errno or 0)


def _close(connection: socket.socket) -> None:
    """Close a socket, which is closed whatever the system says about it (close(2))."""
    with suppress(OSError):
        connection.close()


def _tail(rest: Segment) -> Segment:
    """What is left of a piece of memory: by reference, unless that would keep more than twice of it alive."""
    if isinstance(rest, memoryview) and 2 * len(rest) <= len(rest.obj):  # type: ignore[arg-type]  # a view of bytes
        return bytes(rest)
    return rest


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
        self._cohorts: dict[Hearing, tuple[PSet[Conn], Cohort]] = {}
        """The wires of each cohort, as long as its members are the same."""
        self._remembered = 0
        """How many wires those are, counted in each."""
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
        _close(connection)

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
            _close(wire.sock)
            if not self._wires:
                self._forget_cohorts()
            self._program.abandon_all(order.conn)

    def close(self) -> None:
        """Close whatever is still open, without a word."""
        for conn in list(self._wires):
            self.drop(Drop(conn))
        for connection in self._doors.values():
            _close(connection)
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
                    events.append(_broken(wire))
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
            events.append(_new(Received, (wire.conn, data)) if data else HalfClosed(wire.conn))
        return events, others

    def send(self, order: Send) -> None:
        """Send segments and do what follows; what the kernel does not take is handed back, before anything else."""
        conn, segments, then = order
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
                return Stalled(wire.conn, taken, (_tail(first), *segments[index + 1:]))
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
        hearing, members, data, start, end = order
        wires, sends = self._cohort(hearing, members)
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
            self._engine.report(Lagged(wire.conn, taken, start, end, hearing))

    def _cohort(self, hearing: Hearing, members: PSet[Conn]) -> Cohort:
        """The wires of a cohort, and how each of them sends; one that is blocked takes nothing."""
        known, cohort = self._cohorts.get(hearing, (None, None))
        if known is not members or cohort is None:
            # in order of their slots, which is near to that of their memory in the kernel: a seventh cheaper for 1,000
            cohort = _cohort_of([self._wires[conn] for conn in sorted(members) if conn in self._wires])
            self._remember(hearing, members, cohort)
        if not self._blocked:
            return cohort
        return cohort[0], tuple([_take_nothing if wire in self._blocked else wire.send for wire in cohort[0]])

    def _remember(self, hearing: Hearing, members: PSet[Conn], cohort: Cohort) -> None:
        """Remember a cohort in the place of what it was, and for it all others if they are too many."""
        _, old = self._cohorts.pop(hearing, (None, None))
        self._remembered -= 0 if old is None else len(old[0])
        if self._remembered + len(cohort[0]) > max(REMEMBERED_MOST, REMEMBERED_TIMES * len(self._wires)):
            self._forget_cohorts()
        self._remembered += len(cohort[0])
        self._cohorts[hearing] = members, cohort

    def _forget_cohorts(self) -> None:
        self._cohorts.clear()
        self._remembered = 0

    # -- logs -----------------------------------------------------------------------------------------------------

    def note(self, order: Note) -> None:
        """Write a line to a log."""
        logging.getLogger(order.logger).log(order.level, "%s", order.text)

    def access(self, order: Access) -> None:
        """Write a line to the access log."""
        length = "-" if order.length < 0 else order.length
        _ACCESS_LOG.info('%s "%s %s HTTP/1.%d" %d %s', order.peer, order.method, order.target, order.version,
                         order.status, length)
