"""A server in memory: the product's core and the product's way of calling user code, without sockets and clocks.

Theory: what `shell/server.py` is to a machine, this is to a test: it holds the current value of the core, the events
not told yet and the orders not carried out yet, and a tick is the same turn in the same order, bounded by the same
limits.  The network is a `Kernel`, the clock a number, the log a list.

Rules: a kind of effect is one row of a table, and one that has no row is an error at once, never silence.  A note is
kept and goes to the log it is for; the access log is only kept.  It does not know who tests what: `client` does.
"""

import logging
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast, get_args

from ..core.conn import Conn
from ..core.effects import (
    Abandon,
    Access,
    Adopt,
    Drop,
    Effect,
    Farewell,
    Greet,
    Handle,
    Note,
    Pull,
    Send,
    Then,
    TurnAway,
    Watch,
)
from ..core.events import Elapsed, Event, Refused, Stop
from ..core.limits import Limits
from ..core.records import Running, Server
from ..core.server import advance, make_server, next_deadline, room_of, stats
from ..core.stats import Stats
from ..core.table import clients_of
from ..shell.callbacks import Callbacks
from ..shell.program import Handler, Late, Program, discard
from ..shell.sources import POLL_SECONDS, Spawn
from .kernel import Kernel
from .notice import Ear, noticing

if TYPE_CHECKING:
    from ..shell.server import HttpServer


class MemoryServer:
    """What callbacks are given in place of an `HttpServer`: it answers the same questions."""

    def __init__(self, handler: Handler, limits: Limits, callbacks: Callbacks) -> None:
        self.now = 0.0
        """The time on the server's clock, and since 1970, in seconds."""
        self.kernel = Kernel()
        self.log: list[Note] = []
        self.access: list[Access] = []
        self.errors: list[BaseException] = []
        """What the handler raised, as far as it was answered with a 500."""
        self._limits = limits
        self._state = make_server(limits, 0.0, 0, logs_access=True)
        self._inbox: deque[Any] = deque()
        self._events: list[Event] = []
        self._orders: deque[Effect] = deque()
        self._poll_at: float | None = None
        self._is_ticking = False
        self._has_ended = False
        self._ear = Ear(self.log)
        # Program asks its server for `post` and `state` only, and callbacks for what is public in both.
        self._program = Program(cast("HttpServer", self), noticing(handler, self.errors), callbacks)
        self._methods: dict[type, Callable[[Any], Event | None]] = self._make_methods(self._program, self.kernel)

    def _make_methods(self, program: Program, kernel: Kernel) -> "dict[type, Callable[[Any], Event | None]]":
        """Every kind of effect, and who carries it out."""
        return {
            Handle: program.handle_request,
            Send: self._send,
            Pull: program.pull,
            Abandon: program.abandon,
            Watch: kernel.watch,
            Drop: self._drop,
            Adopt: kernel.adopt,
            TurnAway: kernel.turn_away,
            Greet: program.greet,
            Farewell: self._farewell,
            Note: self._note,
            Access: self.access.append,
        }

    # -- questions, as of an HttpServer ---------------------------------------------------------------------------

    @property
    def state(self) -> Server:
        """The core's value after the last tick: immutable, and yours to keep."""
        return self._state

    @property
    def running(self) -> bool:
        """True until the last connection of a stopped server is closed."""
        return not self._has_ended

    @property
    def listening(self) -> bool:
        """True until the server is asked to stop."""
        return self.running and self._state.running is Running.SERVING

    def clients(self) -> tuple[Conn, ...]:
        """The handles of all open connections."""
        return tuple(client.conn for client in clients_of(self._state.slots))

    def stats(self) -> Stats:
        """Figures since the server was made."""
        return stats(self._state._replace(now=self.now))

    def next_deadline(self) -> float | None:
        """When the next deadline is looked at, on the clock of `now`; None if nothing waits."""
        times = (next_deadline(self._state), self._program.sources.poll_at)
        return min((at for at in times if at is not None), default=None)

    def stop(self, grace: float = 5.0) -> None:
        """Ask the server to end, in the next tick: what is under way is answered for up to `grace` seconds."""
        self.post(Stop(float(grace)))

    def post(self, word: Any) -> None:
        """Leave word for the next tick, an event or something late of the program's; may be called from any thread."""
        if self._has_ended:
            discard(word)
        else:
            self._inbox.append(word)

    def run_coroutines(self, spawn: Spawn | None) -> None:
        """How coroutines of user code are run from now on; None, as at first: they are refused."""
        self._program.sources.spawn = spawn

    # -- one turn -------------------------------------------------------------------------------------------------

    @property
    def has_work(self) -> bool:
        """True if a tick would do anything at this time."""
        if self._has_ended:
            return False
        return (bool(self._events or self._orders or self._inbox) or self.kernel.is_busy
                or (self.kernel.has_callers and room_of(self._state) > 0))

    def require_rest(self) -> None:
        """RuntimeError if this is called by the program behind the server."""
        if self._is_ticking:
            raise RuntimeError("the client was used from within its server's own tick: a handler must return instead")

    def tick(self) -> None:
        """One turn: one look at clock and connections, one advance of the core, and what follows from it."""
        self.require_rest()
        if self._has_ended:
            return
        self._is_ticking = True
        try:
            with self._ear.listening():
                self._process_connections()
        finally:
            self._is_ticking = False

    def _process_connections(self) -> None:
        """The turn itself, in the order of `HttpServer.process_connections`."""
        self._carry_out()
        self._events.insert(0, Elapsed(self.now, int(self.now)))
        self._events += self.kernel.process_readable_clients(self._limits)
        self._events += self.kernel.accept(min(self._limits.max_accepts_per_tick, room_of(self._state)))
        self._empty_inbox()
        self._poll()
        for _ in range(self._limits.max_rounds_per_tick):
            events, self._events = self._events, []
            self._state, effects = advance(self._state, events)
            self._orders += effects
            self._carry_out()
            if not self._events:
                break
        self._wind_down()

    def _carry_out(self) -> None:
        """Carry out the orders; if user code breaks out, those that were not carried out wait for the next tick."""
        self._program.events = self._events
        while self._orders:
            order = self._orders.popleft()
            method = self._methods.get(type(order))
            if method is None:
                raise NotImplementedError(f"sigil.testing does not know the effect {type(order).__name__}")
            event = method(order)
            if event is not None:
                self._events.append(event)
        self._set_poll()

    def _poll(self) -> None:
        """Ask streams again that had nothing, if it is time."""
        self._program.sources.poll(self.now, self._events)
        self._set_poll()

    def _set_poll(self) -> None:
        """A stream has just had nothing: it is asked again by our clock, not by the machine's."""
        sources = self._program.sources
        if sources.poll_at != self._poll_at and sources.poll_at is not None:
            sources.poll_at = self.now + POLL_SECONDS
        self._poll_at = sources.poll_at

    def _empty_inbox(self) -> None:
        """What was left for this tick; what comes meanwhile is for the next one."""
        self._program.events = self._events
        for _ in range(len(self._inbox)):
            word = self._inbox.popleft()
            event = word if isinstance(word, get_args(Event)) else self._take_late(word)
            if event is not None:
                self._events.append(event)

    def _wind_down(self) -> None:
        """A server that is stopping lets nobody in; one that has stopped has nothing left."""
        if self._state.running is not Running.SERVING:
            self.kernel.refuse()
        if self._state.running is Running.STOPPED and not self._events:
            self.kernel.close()
            self._has_ended = True
            while self._inbox:
                discard(self._inbox.popleft())

    def _take_late(self, late: Any) -> Event | None:
        """A result that came after its handler had returned; a failure is noticed like one of the handler."""
        event = self._program.take_late(late)
        result = late.result if isinstance(late, Late) else None
        if isinstance(result, BaseException) and isinstance(event, Refused) and event.account:
            self.errors.append(result)
        return event

    # -- effects that concern more than one of the parts ----------------------------------------------------------

    def _send(self, order: Send) -> Event | None:
        """Send; nobody waits for what is sent before a connection is dropped."""
        event = self.kernel.send(order)
        if order.then is not Then.DROP:
            return event
        self._drop(Drop(order.conn))
        return None

    def _drop(self, order: Drop) -> None:
        """Close a connection and the streams that were for it."""
        if self.kernel.drop(order):
            self._program.abandon_all(order.conn)

    def _farewell(self, order: Farewell) -> None:
        """A connection is gone: its other end learns why, and so does user code."""
        self.kernel.farewell(order)
        self._program.farewell(order)

    def _note(self, order: Note) -> None:
        """Keep the line, and write it to the log it is for."""
        self.log.append(order)
        with self._ear.covered():
            logging.getLogger(order.logger).log(order.level, "%s", order.text)
