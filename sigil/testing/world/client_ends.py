"""A client of ours in a world: the pure core of `sigil.client`, on wires that behave as badly as
they may.

Theory: what `sigil.shell.client.sockets` is to sockets, this is to wires: each effect of the core
is carried out, and what comes of it is an event, now or in a later turn. So retries, pools,
deadlines and redirects are those of the product, and nothing else of it is here.

Rules: the core is told the time first, then what came, then that all of it was told (`InputRead`).
What is ready may be seen later, and in any order; what is sent is taken in parts. It does not know
what is asked for.
"""

import errno
import os
import socket
import ssl
from collections.abc import Callable
from random import Random
from typing import Any, TypeAlias

from ...core.client.agent import Agent, make_agent
from ...core.client.effects import (
    CheckIdle,
    ClientEffect,
    CloseConnection,
    Connect,
    Resolve,
    SendData,
    SetReading,
    StartTls,
    UseAttempt,
)
from ...core.client.events import (
    ClientEvent,
    Connected,
    ConnectFailed,
    ConnectionBroken,
    ConnectionStale,
    DataReceived,
    EndReceived,
    HandshakeDone,
    HandshakeFailed,
    Resolved,
    ResolveFailed,
    SendBlocked,
    SendDrained,
)
from ...core.client.fold import advance, next_deadline
from ...core.client.limits import ClientLimits
from ...core.client.racing import Address
from ...core.events import InputRead, Segment, TimeRead
from ...shell.loop.tls_socket import TlsBuffers, TlsSocket
from .network import Behaviour
from .tls_wire import CONTEXT, TlsWire
from .trace import Trace

Program: TypeAlias = Callable[[ClientEffect], object]
"""What takes the effects that are for a program."""
HIDDEN_RATE = 0.2


class ClientsEnd:
    """A wire as its client has it, in the place of a socket: `room` is how much the client's kernel
    holds for it, and reads and writes are cut as often as `cuts` says.
    """

    family = socket.AF_INET

    def __init__(self, wire: TlsWire, rng: Random, room: int, cuts: float) -> None:
        self.wire, self._rng, self._room, self._cuts = wire, rng, room, cuts
        self.has_shut = False

    def stop_cutting(self) -> None:
        """Cut no more."""
        self._cuts = 0.0
        self.wire.behaviour = Behaviour(self.wire.window_len)

    def _cut(self, length: int) -> int:
        if self._cuts and length > 1 and self._rng.random() < self._cuts:
            return self._rng.randint(1, length)
        return length

    def recv(self, max_len: int, /) -> bytes:
        """What has come; nothing at the end; OSError as from a socket."""
        wire = self.wire
        if self.has_shut:
            return b""
        if wire.unread:
            return wire.take(self._cut(max_len))
        if wire.has_reset or wire.was_reset:
            raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
        if wire.is_shut:
            return b""
        raise BlockingIOError

    def send(self, data: Segment, /) -> int:
        """How many of these bytes are taken."""
        wire = self.wire
        if wire.has_reset or wire.was_reset:
            raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
        count = min(len(data), self._room - len(wire.arrived))
        if count <= 0:
            raise BlockingIOError
        count = self._cut(count)
        if not wire.is_closed:  # else nobody reads it
            wire.arrived += bytes(data[:count])
        return count

    def sendmsg(self, segments: Any, /) -> int:
        """How many bytes of these are taken."""
        return self.send(b"".join(segments))

    def shutdown(self, how: int, /) -> None:
        """End one side, or both."""
        if how == socket.SHUT_RD:
            self.has_shut = True
        elif not self.wire.has_reset:
            self.wire.has_half_closed = True


class Line:
    """A connection of the client: its wire, TLS if it has begun, and what was not taken."""

    def __init__(self, number: int, end: ClientsEnd) -> None:
        self.number, self.end = number, end
        self.stream: Any = end
        self.is_used = self.is_shaking = self.is_blocked = self.is_stale = False
        self.is_wanted = True
        self.pending = b""


class ClientEnd:
    """A client in a world. `connect` makes a wire to the server, or None where nobody accepts it;
    `program` takes what is for a program.
    """

    def __init__(
        self,
        limits: ClientLimits,
        rng: Random,
        trace: Trace,
        connect: Callable[[], ClientsEnd | None],
        program: Program,
    ) -> None:
        self.agent: Agent = make_agent(limits, "world", now=0.0)
        self._rng, self._trace = rng, trace
        self._connect, self._program = connect, program
        self.lines: dict[int, Line] = {}
        self._buffers = TlsBuffers()
        self._events: list[ClientEvent] = []
        self.is_reliable = False
        """All that is ready is seen at once."""
        self.connections = 0

    # -- turns -------------------------------------------------------------------------------------

    def report(self, event: ClientEvent) -> None:
        """Tell the core an event in the next turn, or behind what happens in this one."""
        self._events.append(event)

    def turn(self, now: float) -> None:
        """Tell the core what has happened by this time, and carry out what it orders."""
        before, self._events = self._events, []
        self._events += (TimeRead(now, int(now)), *before)
        for line in self._ready():
            self._events += self._happened(line)
        self._run()
        at = next_deadline(self.agent)
        if at is not None and at <= now:
            self._events.append(InputRead())
            self._run()

    def _run(self) -> None:
        while self._events:
            events, self._events = self._events, []
            for event in events:
                self._trace.add("client event", event)
            self.agent, effects = advance(self.agent, events)
            for effect in effects:
                self._trace.add("client effect", effect)
                self._perform(effect)

    def next_deadline(self) -> float | None:
        """When the client has something to do though nothing comes."""
        return next_deadline(self.agent)

    # -- what happens ------------------------------------------------------------------------------

    def _ready(self) -> list[Line]:
        lines = [line for line in self.lines.values() if line.is_used]
        if self.is_reliable:
            return lines
        seen = [line for line in lines if self._rng.random() >= HIDDEN_RATE]
        self._rng.shuffle(seen)
        return seen

    def _happened(self, line: Line) -> list[ClientEvent]:
        """What has happened on a connection."""
        if line.is_shaking:
            event = self._shake(line)
            if not isinstance(event, HandshakeDone):
                return [] if event is None else [event]
            return [event, *self._read(line, 65_536)]
        events: list[ClientEvent] = []
        if line.is_blocked or (isinstance(line.stream, TlsSocket) and line.stream.held_len):
            was_blocked = line.is_blocked
            event = self._flush(line)
            if event is not None:
                events.append(event)
            elif was_blocked and not line.is_blocked:
                events.append(SendDrained(line.number))
        return [*events, *self._read(line, 65_536)] if line.is_wanted else events

    def _read(self, line: Line, max_len: int) -> list[ClientEvent]:
        """What one read brings."""
        try:
            data = line.stream.recv(max_len)
        except BlockingIOError:
            return []
        except ssl.SSLEOFError:
            line.is_wanted = False
            return [EndReceived(line.number, True)]
        except OSError as error:
            line.is_wanted = False
            return [ConnectionBroken(line.number, error.strerror or "broken")]
        if data:
            return [DataReceived(line.number, data)]
        line.is_wanted = False
        return [EndReceived(line.number)]

    def _shake(self, line: Line) -> ClientEvent | None:
        try:
            is_over = line.stream.handshake()
        except OSError as error:
            return HandshakeFailed(line.number, error.strerror or "it failed", False)
        if not is_over:
            return None
        line.is_shaking = False
        return HandshakeDone(line.number)

    def _flush(self, line: Line) -> ClientEvent | None:
        """Have more of what is pending taken; an event if that breaks the connection."""
        try:
            while True:
                count = line.stream.send(line.pending)
                line.pending = line.pending[count:]
                if not line.pending:
                    line.is_blocked = False
                    return None
        except BlockingIOError:
            return None
        except OSError as error:
            line.pending, line.is_blocked = b"", False
            read = self._read(line, 65_536)
            if read and isinstance(read[0], DataReceived):  # there may be an answer all the same
                return read[0]
            return ConnectionBroken(line.number, error.strerror or "broken")

    # -- effects -----------------------------------------------------------------------------------

    def _perform(self, effect: ClientEffect) -> None:
        """Carry out one effect."""
        if isinstance(effect, Resolve):
            self._resolve(effect)
        elif isinstance(effect, Connect):
            self._begin(effect)
        elif isinstance(effect, UseAttempt | StartTls | CheckIdle | SendData | SetReading):
            line = self.lines.get(effect.connection)
            if line is not None:
                self._perform_on(line, effect)
        elif isinstance(effect, CloseConnection):
            line = self.lines.pop(effect.connection, None)
            if line is not None:
                self._close(line)
        else:
            self._program(effect)

    def _resolve(self, effect: Resolve) -> None:
        if self._rng.random() < 0.05 and not self.is_reliable:
            self.report(ResolveFailed(effect.connection, "no such host"))
        else:
            self.report(Resolved(effect.connection, (Address(4, "127.0.0.1", effect.port),)))

    def _begin(self, effect: Connect) -> None:
        end = self._connect()
        if end is None:
            self.report(ConnectFailed(effect.connection, effect.attempt, "connection refused"))
            return
        self.connections += 1
        self.lines[effect.connection] = Line(effect.connection, end)
        self.report(Connected(effect.connection, effect.attempt))

    def _perform_on(
        self, line: Line, effect: UseAttempt | StartTls | CheckIdle | SendData | SetReading
    ) -> None:
        if isinstance(effect, UseAttempt):
            line.is_used = True
        elif isinstance(effect, StartTls):
            end: Any = line.end
            line.stream = TlsSocket(
                end, CONTEXT, server_side=False, server_hostname=effect.server_name,
                buffers=self._buffers,
            )  # fmt: skip
            line.is_shaking = True
        elif isinstance(effect, CheckIdle):
            if self._read(line, 1):
                line.is_stale = True
                self.report(ConnectionStale(line.number))
        elif isinstance(effect, SendData):
            self._send(line, b"".join([bytes(segment) for segment in effect.segments]))
        else:
            line.is_wanted = effect.is_wanted

    def _send(self, line: Line, data: bytes) -> None:
        was_blocked = line.is_blocked
        if line.is_stale or not data:
            return
        line.pending += data
        if was_blocked:
            return
        line.is_blocked = True
        event = self._flush(line)
        if event is not None:
            self.report(event)
        elif line.is_blocked:
            self.report(SendBlocked(line.number))

    def _close(self, line: Line) -> None:
        """Close a connection; what was not read makes the server see a reset."""
        wire = line.end.wire
        try:
            if isinstance(line.stream, TlsSocket) and not line.is_shaking:
                line.stream.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        if wire.unread and not wire.is_shut:
            wire.has_reset = True
        wire.has_half_closed = True
        wire.window_len = None
