"""A server in memory: the product's core and its way of calling user code, without sockets and
clocks.

Theory: what `sigil.shell.server` is on a machine, this is in a test. It holds the same `Engine`,
ticks it in the same order, bounded by the same limits, and has the methods that callbacks may call.
The network is a `Kernel`, the clock a number, the log a list, and asyncio a `Loop`.

Rules: each kind of effect is a row of a table; one without a row is a KeyError at once. A log
record is kept in `log` and goes to its logger; the access log is only kept.

It does not know the client of a test: `client` does.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

from ..core.effects import (
    AccessLog,
    Adopt,
    CallClose,
    Drop,
    FanOut,
    LimitUnsent,
    Log,
    ReadSendQueue,
    Reject,
    Send,
    Then,
    Watch,
)
from ..core.events import (
    Event,
    FanOutStalled,
    HandlerFailed,
    InputRead,
    Stalled,
    Stop,
    TickStarted,
    TimeRead,
)
from ..core.http.head import parse_headers_only
from ..core.limits import Limits
from ..core.securing import StartTls
from ..core.server.admission import accept_room
from ..core.server.clock import next_deadline
from ..core.server.fold import advance
from ..core.server.state import NO_LAST_READS, ServerState, make_server
from ..core.server.stats import Stats, stats
from ..core.views.cards import server_card
from ..shell.arguments import stop_event
from ..shell.callbacks import Callbacks
from ..shell.loop.engine import Advance, Engine
from ..shell.loop.last_look import QUEUE_MAX
from ..shell.program.body_sources import LateChunk, Spawn
from ..shell.program.handlers import Application, Handler
from ..shell.program.host import Posted
from ..shell.program.jobs import LateResult, Returned
from ..shell.program.logs import write_text
from ..shell.program.piece_handlers import asks_above
from ..shell.program.protocols import Protocol
from ..shell.program.run_queue import Work
from ..shell.program.tracebacks import EXIT_EXCEPTIONS
from ..shell.recording.recorded import Recorded
from .failures import ErrorLogHandler, recording_failures
from .kernel import Kernel
from .loop import Loop


class MemoryServer(Recorded):
    """What callbacks are given in a test in place of an `HttpServer`: it has the methods of one.

    `advance` and `kernel` are replaced by those of `sigil.testing.world`.
    """

    def __init__(
        self,
        handler: Handler,
        limits: Limits,
        callbacks: Callbacks,
        advance: Advance = advance,
        kernel: Kernel | None = None,
        protocols: Sequence[Protocol] = (),
    ) -> None:
        super().__init__(
            limits,
            Engine(
                make_server(
                    limits,
                    0.0,
                    0,
                    logs_access=True,
                    asks_above=asks_above(handler),
                ),
                parse_headers_only,
                self._read_time,
                advance,
            ),
        )
        self.now = 0.0
        """The time on the server's clock, in seconds."""
        self.unix_offset = 0.0
        """How many seconds its Unix time is ahead of that."""
        self.kernel = kernel or Kernel()
        self.log: list[Log] = []
        self.access: list[AccessLog] = []
        self.errors: list[BaseException] = []
        """What the handler raised and the client sees as a 500, until a test takes it."""
        clock = self._read_clock
        self._loop = Loop(clock)  # type: ignore[abstract]  # asyncio has what it lacks raise
        self._has_ended = False
        self._posted = threading.Event()
        """Set when a thread has left something for the next tick."""
        self._error_log = ErrorLogHandler(self.log)
        self._application = Application(
            self,
            recording_failures(handler, self.errors),
            callbacks,
            self._engine.events,
            clock,
        )
        self._application.upgrades.protocols = tuple(protocols)
        self._application.sources.find_socket = self.kernel.find_socket
        self._engine.methods = self._make_methods(self._application, self.kernel)
        self._engine.run_queue = self._application.run_queue
        self._engine.perform_work = self._perform_work
        self.set_spawn(self._loop.spawn)

    def __repr__(self) -> str:
        state = self._engine.snapshot
        return f"<MemoryServer {state.running.name.lower()}, clients: {state.slots.used}>"

    def _repr_html_(self) -> str:
        return server_card(self._engine.snapshot.replace(now=self.now), "in memory")

    def _read_clock(self) -> float:
        """The time on the server's clock, in seconds."""
        return self.now

    def _make_methods(
        self, program: Application, kernel: Kernel
    ) -> "dict[type, Callable[[Any], Event | None]]":
        """The method that carries out an effect, by the type of the effect."""
        return {
            **program.methods(),
            Send: self._send,
            FanOut: self._fan_out,
            Watch: kernel.watch,
            LimitUnsent: kernel.limit_unsent,
            ReadSendQueue: kernel.read_send_queue,
            StartTls: kernel.start_tls,
            Drop: self._drop,
            Adopt: kernel.adopt,
            Reject: kernel.reject,
            CallClose: self._call_close,
            Log: self._log_record,
            AccessLog: self.access.append,
        }

    # -- the state, as of an HttpServer ------------------------------------------------------------

    @property
    def running(self) -> bool:
        """True until the last connection of a stopped server is closed."""
        return not self._has_ended

    @property
    def listening(self) -> bool:
        """True until the server is asked to stop."""
        return self.running and self.state.running is ServerState.SERVING

    @property
    def host(self) -> str:
        """A host of this machine: it is listened on in memory."""
        return "127.0.0.1"

    @property
    def port(self) -> int:
        """0: there is none."""
        return 0

    def stats(self) -> Stats:
        """The statistics since the server was made."""
        return stats(self.state.replace(now=self.now))

    def next_deadline(self) -> float | None:
        """When the next tick is due, in seconds of `now`; None if nothing is scheduled."""
        if self.has_work:
            return self.now
        times = (
            next_deadline(self.state),
            self._application.sources.poll_at,
            self._application.lifespan.due_at,
            self._loop.next_timer(),
        )
        return min((at for at in times if at is not None), default=None)

    # -- control, as of an HttpServer --------------------------------------------------------------

    def stop(self, grace: float = 5.0) -> None:
        """Stop the server from the next tick on; requests under way have `grace` seconds more."""
        event = stop_event(grace)
        if self._application.lifespan.is_ending:
            self._application.lifespan.hurry()
        self._post(event)

    def set_spawn(self, spawn: Spawn | None) -> None:
        """Set what runs the coroutines of user code; with None they are refused with a 500."""
        self._application.set_spawn(spawn)
        self._is_in_asyncio = True

    # -- one tick ----------------------------------------------------------------------------------

    @property
    def has_work(self) -> bool:
        """True if a tick would do anything at this time."""
        if self._has_ended:
            return False
        return (
            self._engine.has_work
            or self.state.last_reads != NO_LAST_READS
            or bool(self._mailbox)
            or bool(self._interrupting_calls)
            or self._loop.has_work
            or self.kernel.is_busy
            or self._application.lifespan.has_work
            or (self.kernel.has_backlog and accept_room(self.state) > 0)
        )

    def wait_for_threads(self, seconds: float) -> bool:
        """True if another thread leaves something for the next tick within `seconds` of the real
        clock, while something is awaited; False at once if nothing is.
        """
        return self._application.awaits_anything and self._posted.wait(seconds)

    def wake(self) -> None:
        """Let whoever waits for threads go on."""
        self._posted.set()

    def _post(self, item: Posted) -> None:
        """Leave something for the next tick; may be called from any thread."""
        super()._post(item)
        self._posted.set()

    def require_idle(self) -> None:
        """RuntimeError if this is called by the program behind the server."""
        if self._is_ticking:
            raise RuntimeError(
                "the client was used within its server's own tick: a handler must return instead"
            )

    def tick(self) -> None:
        """Read the clock and the connections, advance the core, and perform the effects."""
        self.require_idle()
        if self._has_ended:
            return
        self._posted.clear()  # before that is taken
        try:
            self._is_ticking = True
            self._begin_tick()
            self._start_program()
            with self._error_log.attached():
                self._process_connections()
        finally:
            self._is_ticking = self._guard.is_busy = False

    def _start_program(self) -> None:
        """Let the handler begin, as `HttpServer` does; if it cannot, the server has ended."""
        if not self._application.lifespan.is_starting:
            return
        try:
            self._application.lifespan.start()
        except BaseException:
            self.kernel.close()
            self._has_ended = True
            raise

    def _read_time(self) -> TimeRead:
        """The time on both clocks, for the engine."""
        return TimeRead(self.now, int(self.now + self.unix_offset))

    def _process_connections(self) -> None:
        """One tick, in the order of `HttpServer.process_connections`."""
        engine, limits = self._engine, self._limits
        engine.flush_between_ticks()
        engine.run_queue.begin_tick()
        with self._guard.user_code():
            self._loop.run_once()
        engine.forget_tick()
        reading = self._read_time()
        engine.events.insert(0, TickStarted(reading.now, reading.unix_time))
        engine.events += self.kernel.process_readable_clients(limits)
        engine.events += self.kernel.accept(
            0
            if self._application.lifespan.is_starting
            else min(
                limits.max_accepts_per_tick,
                accept_room(engine.state),
                engine.run_queue.room(limits),
            ),
            self._application.callbacks.admitted,
        )
        self._take_posted()
        self._read_before_stop()
        self._application.sources.poll(self.now)
        engine.run_rounds(InputRead(self.kernel.unread))
        self._wind_down()

    def _read_before_stop(self) -> None:
        """Read whoever has sent something, before a stop is told (`shell.loop.last_look`)."""
        engine = self._engine
        stops = [event for event in engine.events if type(event) is Stop]
        if not stops:
            return
        engine.events[:] = [event for event in engine.events if type(event) is not Stop]
        try:
            engine.events += self.kernel.process_all_readable_clients(self._limits)
        finally:
            engine.events += stops

    def _wind_down(self) -> None:
        """Close the backlog if the server is stopping, and everything once it has stopped."""
        if self.state.running is not ServerState.SERVING:
            self._engine.events += self.kernel.accept(QUEUE_MAX)
            self.kernel.close_backlog()
        if self.state.running is ServerState.STOPPED and self._engine.is_done:
            if not self._application.lifespan.end(self.now, self._limits.shutdown_timeout):
                return
            self.kernel.close()
            self.set_spawn(None)
            with self._guard.user_code():
                self._loop.end()
            self._has_ended = True
            self._mailbox.close()

    def _take_late(self, late: LateResult | LateChunk | Returned) -> Event | None:
        """The event for a result that came after its handler had returned.

        An exception that becomes a 500 is also added to `errors`, like one that a handler raises.
        """
        event = super()._take_late(late)
        if isinstance(event, HandlerFailed) and event.traceback and isinstance(late, LateResult):
            error = late.result
            if isinstance(error, BaseException) and not isinstance(error, EXIT_EXCEPTIONS):
                self.errors.append(error)
        return event

    # -- effects that concern more than one part ---------------------------------------------------

    def _send(self, effect: Send) -> None:
        """Send, and drop the connection if that follows: then what was not taken is lost."""
        event = self.kernel.send(effect)
        if effect.then is Then.DROP:
            self._drop(Drop(effect.conn))
        elif event is not None:
            self._engine.report(event)

    def _fan_out(self, effect: FanOut) -> None:
        """Send to all members of a cohort, and report each one that does not take all of it."""
        for conn in sorted(effect.members):
            event = self.kernel.send(Send(conn, (effect.data,), Then.KEEP))
            if isinstance(event, Stalled):
                event = FanOutStalled(
                    conn, event.taken, effect.start, effect.end, effect.subscription
                )
            if event is not None:
                self._engine.report(event)

    def _drop(self, effect: Drop) -> None:
        """Close a connection and the body streams for it."""
        if self.kernel.drop(effect):
            self._application.end_connection(effect.conn)

    def _call_close(self, effect: CallClose) -> Event | None:
        """Record the reason of the close for the client, and call the callback `close`."""
        self.kernel.record_close(effect)
        return self._application.callbacks.call_close(effect)

    def _perform_work(self, work: Work) -> Event | None:
        """Do work that has waited for its turn: the end of a connection is recorded then, too."""
        if isinstance(work, CallClose):
            return self._call_close(work)
        return self._application.perform_work(work)

    def _log_record(self, effect: Log) -> None:
        """Keep a record in `log`, and write it to its logger."""
        self.log.append(effect)
        with self._error_log.muted():
            write_text(logging.getLogger(effect.logger), effect.level, effect.text)
