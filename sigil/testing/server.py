"""A server in memory: the product's core and the product's way of calling user code, without
sockets and clocks.

Theory: what `shell/server.py` is to a machine, this is to a test: it holds an `Engine` and turns it
in the same order, bounded by the same limits, and answers what callbacks may ask. The network is a
`Kernel`, the clock a number, the log a list, and asyncio a `Loop`.

Rules: a kind of effect is one row of a table; one that has no row is a KeyError at once, never
silence. A note is kept and goes to the log it is for; the access log is only kept. It does not know
who tests what: `client` does.
"""

import logging
from collections.abc import Callable
from threading import get_ident
from typing import Any, TypeAlias

from ..core.conn import Conn
from ..core.connection.context import Parse
from ..core.effects import (
    AccessLog,
    Adopt,
    CallClose,
    Drop,
    FanOut,
    Log,
    Reject,
    Send,
    Then,
    Watch,
)
from ..core.events import Event, FanOutStalled, HandlerFailed, Stalled, Stop, TickStarted, TimeRead
from ..core.http.head import parse_headers_only
from ..core.limits import Limits
from ..core.server.admission import accept_room
from ..core.server.clock import next_deadline
from ..core.server.state import Server, ServerState, make_server
from ..core.server.stats import Stats, stats
from ..shell.callbacks import Callbacks
from ..shell.loop.engine import Clock, Engine
from ..shell.messaging import Messaging
from ..shell.program.body_sources import LateChunk, Spawn
from ..shell.program.handlers import Application, Handler
from ..shell.program.jobs import LateResult, Returned
from ..shell.program.tracebacks import EXIT_EXCEPTIONS
from .failures import ErrorLogHandler, recording_failures
from .kernel import Kernel
from .loop import Loop

MakeEngine: TypeAlias = Callable[[Server, Parse, Clock], Engine]


class MemoryServer(Messaging):
    """What callbacks are given in place of an `HttpServer`: it answers the same questions and takes
    the same orders.
    """

    def __init__(
        self,
        handler: Handler,
        limits: Limits,
        callbacks: Callbacks,
        make_engine: MakeEngine = Engine,
        kernel: Kernel | None = None,
    ) -> None:
        super().__init__(
            limits,
            make_engine(
                make_server(limits, 0.0, 0, logs_access=True), parse_headers_only, self._moment
            ),
        )
        self.now = 0.0
        """The time on the server's clock, and since 1970, in seconds."""
        self.kernel = kernel or Kernel()
        self.log: list[Log] = []
        self.access: list[AccessLog] = []
        self.errors: list[BaseException] = []
        """What the handler raised, as far as it was answered with a 500."""
        clock = self._read_clock
        self._loop = Loop(clock)  # type: ignore[abstract]  # asyncio has what it lacks raise
        self._is_ticking = False
        self._has_ended = False
        self._error_log = ErrorLogHandler(self.log)
        self._application = Application(
            self,
            recording_failures(handler, self.errors),
            callbacks,
            self.engine.events,
            clock,
        )
        self.engine.methods = self._make_methods(self._application, self.kernel)
        self.set_spawn(self._loop.spawn)

    def _read_clock(self) -> float:
        return self.now

    def _make_methods(
        self, program: Application, kernel: Kernel
    ) -> "dict[type, Callable[[Any], Event | None]]":
        """Every kind of effect, and who carries it out."""
        return {
            **program.methods(),
            Send: self._send,
            FanOut: self._fan,
            Watch: kernel.watch,
            Drop: self._drop,
            Adopt: kernel.adopt,
            Reject: kernel.turn_away,
            CallClose: self._farewell,
            Log: self._note,
            AccessLog: self.access.append,
        }

    # -- questions, as of an HttpServer ------------------------------------------------------------

    @property
    def running(self) -> bool:
        """True until the last connection of a stopped server is closed."""
        return not self._has_ended

    @property
    def listening(self) -> bool:
        """True until the server is asked to stop."""
        return self.running and self.state.running is ServerState.SERVING

    def stats(self) -> Stats:
        """Figures since the server was made."""
        return stats(self.state._replace(now=self.now))

    def next_deadline(self) -> float | None:
        """When a tick must come at the latest, on the clock of `now`; None if nothing waits."""
        if self.has_work:
            return self.now
        times = (
            next_deadline(self.state),
            self._application.sources.poll_at,
            self._loop.next_timer(),
        )
        return min((at for at in times if at is not None), default=None)

    # -- orders, as to an HttpServer ---------------------------------------------------------------

    def stop(self, grace: float = 5.0) -> None:
        """Ask the server to end, in the next tick: what is under way is answered for up to `grace`
        seconds.
        """
        self.post(Stop(float(grace)))

    def set_spawn(self, spawn: Spawn | None) -> None:
        """How coroutines of user code are run from now on, if not as at first; None: they are
        refused.
        """
        self._application.set_spawn(spawn)

    # -- one turn ----------------------------------------------------------------------------------

    @property
    def has_work(self) -> bool:
        """True if a tick would do anything at this time."""
        if self._has_ended:
            return False
        return (
            self.engine.has_work
            or bool(self._mailbox)
            or self._loop.has_work
            or self.kernel.is_busy
            or (self.kernel.has_callers and accept_room(self.state) > 0)
        )

    def require_idle(self) -> None:
        """RuntimeError if this is called by the program behind the server."""
        if self._is_ticking:
            raise RuntimeError(
                "the client was used within its server's own tick: a handler must return instead"
            )

    def tick(self) -> None:
        """One turn: one look at clock and connections, one advance of the core, and what follows
        from it.
        """
        self.require_idle()
        if self._has_ended:
            return
        self._is_ticking, self._thread = True, get_ident()
        self._sending_thread = self._thread
        try:
            with self._error_log.attached():
                self._process_connections()
        finally:
            self._is_ticking = False

    def _moment(self) -> TimeRead:
        return TimeRead(self.now, int(self.now))

    def _process_connections(self) -> None:
        """The turn itself, in the order of `HttpServer.process_connections`."""
        engine, limits = self.engine, self._limits
        engine.flush_between_ticks()
        self._loop.run_once()
        is_told_late = (
            bool(engine.events) and type(engine.events[0]) is TickStarted
        )  # a tick was left before it was told
        reading = self._moment()
        engine.events[:is_told_late] = [TickStarted(reading.now, reading.unix_time)]
        engine.events += self.kernel.process_readable_clients(limits)
        engine.events += self.kernel.accept(
            min(limits.max_accepts_per_tick, accept_room(engine.state))
        )
        self._take_posted()
        self._application.sources.poll(self.now)
        engine.run_rounds()
        self._wind_down()

    def _wind_down(self) -> None:
        """A server that is stopping lets nobody in; one that has stopped has nothing left."""
        if self.state.running is not ServerState.SERVING:
            self.kernel.refuse()
        if self.state.running is ServerState.STOPPED and not self.engine.events:
            self.kernel.close()
            self.set_spawn(None)
            self._loop.end()
            self._has_ended = True
            self._mailbox.close()

    def _take_late(self, late: LateResult | LateChunk | Returned) -> Event | None:
        """A result that came after its handler had returned; a failure is noticed like one of the
        handler.
        """
        event = super()._take_late(late)
        result = (
            late.result
            if isinstance(late, LateResult) and not isinstance(late.result, EXIT_EXCEPTIONS)
            else None
        )
        if (
            isinstance(result, BaseException)
            and isinstance(event, HandlerFailed)
            and event.traceback
        ):
            self.errors.append(result)
        return event

    # -- effects that concern more than one of the parts -------------------------------------------

    def _send(self, order: Send) -> None:
        """Send; nobody waits for what is sent before a connection is dropped."""
        event = self.kernel.send(order)
        if order.then is Then.DROP:
            self._drop(Drop(order.conn))
        elif event is not None:
            self.engine.report(event)

    def _fan(self, order: FanOut) -> None:
        """Send to all members of a cohort; who does not take all of it is reported."""
        for conn in sorted(order.members):
            event = self.kernel.send(Send(conn, (order.data,), Then.KEEP))
            if event is not None:
                self.engine.report(_of_fan(order, conn, event))

    def _drop(self, order: Drop) -> None:
        """Close a connection and the streams that were for it."""
        if self.kernel.drop(order):
            self._application.sources.close_bodies(order.conn)

    def _farewell(self, order: CallClose) -> Event | None:
        """A connection is gone: its other end learns why, and so does user code."""
        self.kernel.farewell(order)
        return self._application.callbacks.call_close(order)

    def _note(self, order: Log) -> None:
        """Keep the line, and write it to the log it is for."""
        self.log.append(order)
        with self._error_log.muted():
            logging.getLogger(order.logger).log(order.level, "%s", order.text)


def _of_fan(order: FanOut, conn: Conn, event: Event) -> Event:
    """What is reported of a member that did not take all of what its cohort was sent."""
    return (
        FanOutStalled(conn, event.taken, order.start, order.end, order.subscription)
        if isinstance(event, Stalled)
        else event
    )
