"""A server in memory: the product's core and the product's way of calling user code, without sockets and clocks.

Theory: what `shell/server.py` is to a machine, this is to a test: it holds an `Engine` and turns it in the same order,
bounded by the same limits, and answers what callbacks may ask.  The network is a `Kernel`, the clock a number, the log
a list, and asyncio a `Loop`.

Rules: a kind of effect is one row of a table, and one that has no row is an error at once, never silence.  A note is
kept and goes to the log it is for; the access log is only kept.  It does not know who tests what: `client` does.
"""

import logging
from collections import deque
from collections.abc import Callable
from threading import get_ident
from typing import TYPE_CHECKING, Any, cast, get_args

from ..core.conn import Conn
from ..core.effects import (
    Abandon,
    Access,
    Adopt,
    Deliver,
    Drop,
    Effect,
    Fan,
    Farewell,
    Greet,
    Handle,
    Note,
    Part,
    Pull,
    Send,
    Then,
    TurnAway,
    Watch,
    Welcome,
)
from ..core.events import Elapsed, Event, Lagged, Publish, Refused, Stalled, Stop, Subscribe, Whisper
from ..core.head import parse_headers_only
from ..core.limits import Limits
from ..core.records import Running, Server
from ..core.server import make_server, next_deadline, room_of, stats
from ..core.speak import buffered_amount
from ..core.stats import Stats
from ..core.table import clients_of
from ..core.talk import SendStatus
from ..shell.callbacks import Callbacks, Returned
from ..shell.engine import Engine, framed, hangup, report
from ..shell.program import Handler, Late, Program, discard
from ..shell.sources import ENDINGS, Spawn
from ..shell.staging import Stager
from .kernel import Kernel
from .loop import Loop
from .notice import Ear, noticing

if TYPE_CHECKING:
    from ..shell.server import HttpServer


class MemoryServer(Stager):
    """What callbacks are given in place of an `HttpServer`: it answers the same questions and takes the same orders."""

    def __init__(self, handler: Handler, limits: Limits, callbacks: Callbacks) -> None:
        super().__init__(limits.outgoing_buffer_sz)
        self.now = 0.0
        """The time on the server's clock, and since 1970, in seconds."""
        self.kernel = Kernel()
        self.log: list[Note] = []
        self.access: list[Access] = []
        self.errors: list[BaseException] = []
        """What the handler raised, as far as it was answered with a 500."""
        self._limits = limits
        self.engine = Engine(make_server(limits, 0.0, 0, logs_access=True), parse_headers_only,
                             self._send_now)
        """What is turned; nothing that a test should touch."""
        self._inbox: deque[Any] = deque()
        clock = self._read_clock
        self._loop = Loop(clock)  # type: ignore[abstract]  # asyncio has what it lacks raise
        self._is_ticking = False
        self._has_ended = False
        self._thread = get_ident()
        self._ear = Ear(self.log)
        # Program asks its server for `post`, `state` and `engine` only, and callbacks for what is public in both.
        self._program = Program(cast("HttpServer", self), noticing(handler, self.errors), callbacks, clock)
        self._methods: dict[type, Callable[[Any], Event | None]] = self._make_methods(self._program, self.kernel)
        self.run_coroutines(self._loop.spawn)

    def _read_clock(self) -> float:
        return self.now

    def _make_methods(self, program: Program, kernel: Kernel) -> "dict[type, Callable[[Any], Event | None]]":
        """Every kind of effect, and who carries it out."""
        return {
            Handle: program.handle_request,
            Send: self._send,
            Fan: self._fan,
            Pull: program.pull,
            Abandon: program.abandon,
            Watch: kernel.watch,
            Drop: self._drop,
            Adopt: kernel.adopt,
            TurnAway: kernel.turn_away,
            Greet: program.greet,
            Farewell: self._farewell,
            Welcome: program.welcome,
            Deliver: program.deliver,
            Part: program.part,
            Note: self._note,
            Access: self.access.append,
        }

    # -- questions, as of an HttpServer ---------------------------------------------------------------------------

    @property
    def state(self) -> Server:
        """The core's value, all that was said included: immutable, and yours to keep."""
        return self.engine.state

    @property
    def running(self) -> bool:
        """True until the last connection of a stopped server is closed."""
        return not self._has_ended

    @property
    def listening(self) -> bool:
        """True until the server is asked to stop."""
        return self.running and self.state.running is Running.SERVING

    def clients(self) -> tuple[Conn, ...]:
        """The handles of all open connections."""
        return tuple(client.conn for client in clients_of(self.state.slots))

    def stats(self) -> Stats:
        """Figures since the server was made."""
        return stats(self.state._replace(now=self.now))

    def buffered_amount(self, conn: Conn) -> int:
        """Bytes owed to this client and not yet taken for it; 0 for one that is gone."""
        return buffered_amount(self.state, conn)

    def next_deadline(self) -> float | None:
        """When a tick must come at the latest, on the clock of `now`; None if nothing waits."""
        if self.has_work:
            return self.now
        times = (next_deadline(self.state), self._program.sources.poll_at, self._loop.next_timer())
        return min((at for at in times if at is not None), default=None)

    # -- orders, as to an HttpServer ------------------------------------------------------------------------------

    def send(self, conn: Conn, data: str | bytes | bytearray | memoryview) -> SendStatus:
        """Say a message to one WebSocket; what becomes of it is as with `HttpServer.send`."""
        if get_ident() != self._thread:
            return self._say(Whisper(conn, (framed(data),)))
        return self.engine.say(conn, data)

    def broadcast(self, data: str | bytes | bytearray | memoryview, *, topic: str | None = None) -> SendStatus:
        """Say a message to all WebSockets, or those upgraded with this topic, as with `HttpServer.broadcast`."""
        if get_ident() != self._thread:
            return self._say(Publish(((*framed(data), topic),)))
        return self.engine.publish(data, topic)

    def subscribe(self, conn: Conn, topic: str) -> None:
        """Let a WebSocket hear a topic from now on, as with `HttpServer.subscribe`."""
        self._say(Subscribe(conn, topic, True))

    def unsubscribe(self, conn: Conn, topic: str) -> None:
        """Let a WebSocket hear a topic no more, as with `HttpServer.unsubscribe`."""
        self._say(Subscribe(conn, topic, False))

    def close(self, conn: Conn, code: int = 1000, reason: str = "") -> None:
        """Close a connection, a WebSocket with this code and reason, as with `HttpServer.close`."""
        self._say(hangup(conn, code, reason))

    def _say(self, event: Event) -> SendStatus:
        """Tell the core at once what the program wants, or leave word if this is another thread."""
        if get_ident() != self._thread:
            self.post(event)
        else:
            self.engine.tell(event)
        return SendStatus.SUCCESS

    def stop(self, grace: float = 5.0) -> None:
        """Ask the server to end, in the next tick: what is under way is answered for up to `grace` seconds."""
        self.post(Stop(float(grace)))

    def post(self, word: Any) -> None:
        """Leave word for the next tick, an event or something late of the program's; may be called from any thread."""
        if self._has_ended:
            self._discard(word)
        else:
            self._inbox.append(word)

    def run_coroutines(self, spawn: Spawn | None) -> None:
        """How coroutines of user code are run from now on, if not as at first; None: they are refused."""
        self._program.run_coroutines(spawn)

    # -- one turn -------------------------------------------------------------------------------------------------

    @property
    def has_work(self) -> bool:
        """True if a tick would do anything at this time."""
        if self._has_ended:
            return False
        return (self.engine.has_work or bool(self._inbox) or self._loop.has_work or self.kernel.is_busy
                or (self.kernel.has_callers and room_of(self.state) > 0))

    def require_rest(self) -> None:
        """RuntimeError if this is called by the program behind the server."""
        if self._is_ticking:
            raise RuntimeError("the client was used from within its server's own tick: a handler must return instead")

    def tick(self) -> None:
        """One turn: one look at clock and connections, one advance of the core, and what follows from it."""
        self.require_rest()
        if self._has_ended:
            return
        self._is_ticking, self._thread = True, get_ident()
        try:
            with self._ear.listening():
                self._process_connections()
        finally:
            self._is_ticking = False

    def _process_connections(self) -> None:
        """The turn itself, in the order of `HttpServer.process_connections`."""
        engine, limits = self.engine, self._limits
        self._perform(engine.orders, engine.events)
        self._loop.run_once()
        engine.events.insert(0, Elapsed(self.now, int(self.now)))
        engine.events += self.kernel.process_readable_clients(limits)
        engine.events += self.kernel.accept(min(limits.max_accepts_per_tick, room_of(engine.state)))
        self._empty_inbox()
        self._program.sources.poll(self.now, engine.events)
        engine.run_rounds(self._perform)
        self._wind_down()

    def _perform(self, orders: deque[Effect], events: list[Event]) -> None:
        """Carry out orders; if user code breaks out, those that were not carried out wait for the next tick."""
        self._program.events = events
        while orders:
            order = orders.popleft()
            method = self._methods.get(type(order))
            if method is None:
                raise NotImplementedError(f"sigil.testing does not know the effect {type(order).__name__}")
            event = method(order)
            if event is not None:
                report(events, event)

    def _empty_inbox(self) -> None:
        """What was left for this tick; what comes meanwhile is for the next one."""
        self._program.events = events = self.engine.events
        for _ in range(len(self._inbox)):
            word = self._inbox.popleft()
            if isinstance(word, Whisper | Publish):
                self.engine.repeat(word)
                continue
            event = word if isinstance(word, get_args(Event)) else self._take_late(word)
            if event is not None:
                events.append(event)

    def _wind_down(self) -> None:
        """A server that is stopping lets nobody in; one that has stopped has nothing left."""
        if self.state.running is not Running.SERVING:
            self.kernel.refuse()
        if self.state.running is Running.STOPPED and not self.engine.events:
            self.kernel.close()
            self.run_coroutines(None)
            self._loop.end()
            self._has_ended = True
            while self._inbox:
                self._discard(self._inbox.popleft())

    def _discard(self, word: Any) -> None:
        """A word that came too late; what a connection's callbacks are told of its end is told all the same."""
        if isinstance(word, Returned):
            self._program.take_late(word)
        else:
            discard(word)

    def _take_late(self, late: Any) -> Event | None:
        """A result that came after its handler had returned; a failure is noticed like one of the handler."""
        event = self._program.take_late(late)
        result = late.result if isinstance(late, Late) and not isinstance(late.result, ENDINGS) else None
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

    def _fan(self, order: Fan) -> None:
        """Send to all members of a cohort; who does not take all of it is reported."""
        self._send_now(deque((order,)), self.engine.events)

    def _send_now(self, orders: deque[Effect], events: list[Event]) -> None:
        """Carry out orders that do nothing but send."""
        for order in orders:
            if isinstance(order, Fan):
                sends = ((conn, self._send(Send(conn, (order.data,), Then.KEEP))) for conn in sorted(order.members))
                found = [_of_fan(order, conn, event) for conn, event in sends if event is not None]
            else:
                event = self._send(order) if isinstance(order, Send) else None
                found = [] if event is None else [event]
            for event in found:
                report(events, event)

    def _drop(self, order: Drop) -> None:
        """Close a connection and the streams that were for it."""
        if self.kernel.drop(order):
            self._program.abandon_all(order.conn)

    def _farewell(self, order: Farewell) -> Event | None:
        """A connection is gone: its other end learns why, and so does user code."""
        self.kernel.farewell(order)
        return self._program.farewell(order)

    def _note(self, order: Note) -> None:
        """Keep the line, and write it to the log it is for."""
        self.log.append(order)
        with self._ear.covered():
            logging.getLogger(order.logger).log(order.level, "%s", order.text)


def _of_fan(order: Fan, conn: Conn, event: Event) -> Event:
    """What is reported of a member that did not take all of what its cohort was sent."""
    return Lagged(conn, event.taken, order.start, order.end, order.topics) if isinstance(event, Stalled) else event
