"""The server a program holds: it owns the sockets and the current value of the core, and turns the crank.

Theory: all that changes is here, and it is little: one `Server` value, the events not told yet, the orders not carried
out yet.  A tick reads the clock and the ready descriptors into events, advances the core, carries out its orders,
tells it what came of them, and so on for a bounded number of rounds.

Rules: everything but `stop` belongs to the thread that ticks.  A tick with work left over makes the next one poll.
If user code lets a KeyboardInterrupt or a SystemExit out, it leaves the tick, and the orders not yet carried out wait
for the next one.  It does not know HTTP: the core does.
"""

import logging
import selectors
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from operator import length_hint
from types import FrameType

from ..core.conn import Conn
from ..core.effects import Effect
from ..core.events import Accepted, Elapsed, Event, Stop
from ..core.limits import Limits
from ..core.server import Running, Server, advance, make_server, next_deadline, stats
from ..core.stats import Stats
from ..core.table import clients_of
from .listen import Stopped, accept_waiting, open_listener
from .perform import Performer, Ready
from .program import Callbacks, Handler, Late, Program, Spawn
from .remember import remembering_parser
from .threaded import Serving

_LOG = logging.getLogger("sigil.server")
_ACCESS_LOG = logging.getLogger("sigil.access")

ACCEPT_PAUSE_SECONDS = 1.0
"""How long no connection is accepted after descriptors ran out: long enough not to spin."""


class HttpServer:
    """An HTTP/1.1 server; make it with `make_http_server`."""

    def __init__(self, handler: Handler, host: str, port: int, backlog: int, limits: Limits,
                 callbacks: Callbacks) -> None:
        self.host = host
        self._asked_port = port
        self._backlog = backlog
        self._limits = limits
        self._handler = handler
        self._callbacks = callbacks
        self._parse = remembering_parser(limits)
        self._state = make_server(limits, time.monotonic(), int(time.time()))
        self._inbox: deque[Event | Late] = deque()
        self.spawn: Spawn | None = None
        """How coroutines are run: set while the server is inside asyncio."""
        self._events: list[Event] = []
        self._orders: Iterator[Effect] = iter(())
        self._selector: selectors.BaseSelector | None = None
        self._performer: Performer
        self._listener: socket.socket | None = None
        self._waker: socket.socket | None = None
        self._sleeper: socket.socket | None = None
        self._accepts_again_at: float | None = None
        self._turn_offset = 0
        self._is_ticking = False
        self._has_ended = False

    # -- questions ------------------------------------------------------------------------------------------------

    @property
    def state(self) -> Server:
        """The core's value after the last tick: immutable, and yours to keep."""
        return self._state

    @property
    def running(self) -> bool:
        """True from `listen` until the last connection of a stopped server is closed."""
        return self._selector is not None

    @property
    def port(self) -> int:
        """The port listened on; before `listen`, the one that was asked for."""
        return self._asked_port if self._listener is None else int(self._listener.getsockname()[1])

    def clients(self) -> tuple[Conn, ...]:
        """The handles of all open connections."""
        return tuple(client.conn for client in clients_of(self._state.slots))

    def stats(self) -> Stats:
        """Figures since the server was made."""
        return stats(self._state._replace(now=time.monotonic()))

    def fileno(self) -> int:
        """One descriptor that becomes readable when a tick has something to do, for a host loop to watch."""
        selector = self._require_selector()
        fileno = getattr(selector, "fileno", None)
        if fileno is None:
            raise OSError("this platform's selector has no descriptor; call tick() at intervals instead")
        return int(fileno())

    def next_deadline(self) -> float | None:
        """When `tick` must be called at the latest even if nothing is ready, on `time.monotonic()`; None if never."""
        if self._events or self._inbox or length_hint(self._orders) > 0:
            return self._state.now
        deadlines = [at for at in (next_deadline(self._state), self._accepts_again_at) if at is not None]
        return min(deadlines, default=None)

    # -- life -----------------------------------------------------------------------------------------------------

    def listen(self) -> None:
        """Open the listening socket; OSError with the address if that cannot be.  Twice is once."""
        if self.running:
            return
        self._open()
        logs_access = _ACCESS_LOG.isEnabledFor(logging.INFO)
        old = self._state
        self._state = make_server(self._limits, time.monotonic(), int(time.time()), logs_access)._replace(
            turn=old.turn, totals=old.totals, since=old.since)
        _LOG.info("listening on http://%s:%d", f"[{self.host}]" if ":" in self.host else self.host, self.port)

    def _open(self) -> None:
        """Everything a listening server owns, or nothing."""
        with ExitStack() as opened:
            listener = opened.enter_context(open_listener(self.host, self._asked_port, self._backlog))
            selector = opened.enter_context(selectors.DefaultSelector())
            waker, sleeper = map(opened.enter_context, socket.socketpair())
            waker.setblocking(False)
            sleeper.setblocking(False)
            selector.register(sleeper, selectors.EVENT_READ, None)
            selector.register(listener, selectors.EVENT_READ, listener)
            opened.pop_all()
        self._listener, self._selector, self._waker, self._sleeper = listener, selector, waker, sleeper
        self._performer = Performer(Program(self, self._handler, self._callbacks), selector)

    def start(self) -> None:
        """Serve until `stop`; in the main thread SIGINT and SIGTERM drain, and a second one stops at once."""
        with self._signals():
            self.listen()
            self.server_loop()

    def server_loop(self) -> None:
        """Tick until the server has stopped, waiting as long as nothing is due; without signals, without listening."""
        while self.running:
            self.tick(self._patience())

    def stop(self, grace: float = 5.0) -> None:
        """Ask the server to end: no new connections, what is under way is answered for up to `grace` seconds.

        A second call, or a grace of 0, ends everything at once.  May be called from a handler, a signal handler or
        another thread; returns immediately.  Whoever ticks goes on doing so until `running` is False.  Before the
        first `listen` it is remembered (a thread may be about to start); after the end it does nothing.
        """
        if self._has_ended and not self.running:
            return
        self.post(Stop(float(grace)))

    def serve_in_thread(self, *, reuse: bool = False) -> Serving:
        """Listen, and serve from a thread of its own: `with server.serve_in_thread(): ...`, or keep it and `stop()` it.

        With `reuse`, a server that this process serves from a thread on the same host and port is stopped first.
        OSError if the server cannot listen.
        """
        return Serving(self, reuse)

    def post(self, word: Event | Late) -> None:
        """Leave word for the next tick, and wake the server if it waits; may be called from any thread."""
        self._inbox.append(word)
        waker = self._waker
        if waker is not None:
            with suppress(OSError):  # full, so it is awake; or closed, so there is nobody to wake
                waker.send(b"\0")

    def tick(self, timeout: float | None = 0.0) -> bool:
        """One turn: wait up to `timeout` seconds for something to do (None: until there is), and do it.

        Returns True if there was anything to do.  Opens the listening socket if that was not done; after the server
        has stopped, only `listen` or `start` opens it again.
        """
        if self._is_ticking:
            raise RuntimeError("tick() was called from within tick(): a handler must return instead")
        if self._has_ended and not self.running:
            return False
        if not self.running:
            self.listen()
        self._is_ticking = True
        try:
            return self.process_connections(timeout)
        finally:
            self._is_ticking = False

    # -- one turn -------------------------------------------------------------------------------------------------

    def process_connections(self, timeout: float | None) -> bool:
        """The turn itself: one look at all descriptors, one advance of the core, and what follows from it."""
        has_work = bool(self._events) or bool(self._inbox) or length_hint(self._orders) > 0
        ready = self._require_selector().select(0.0 if has_work else timeout)
        events: list[Event] = [Elapsed(time.monotonic(), int(time.time()))]
        events += self._events
        self._events = []
        events += self._process_ready(ready)
        events += self._empty_inbox()
        has_work = has_work or len(events) > 1
        self._run_rounds(events)
        if self._state.running is not Running.SERVING:
            self._wind_down()
        return has_work

    def _run_rounds(self, events: list[Event]) -> None:
        """Advance the core, carry out its orders, and so on with what comes of them; what is left over is kept."""
        queue: list[Event] = []
        self._events = events
        self._carry_out(queue)
        queue += events
        self._events = []
        for _ in range(self._limits.max_rounds_per_tick):
            self._state, effects = advance(self._state, queue, self._parse)
            queue = []
            self._orders = iter(effects)
            self._carry_out(queue)
            if not queue:
                return
        self._events = queue

    def _carry_out(self, queue: list[Event]) -> None:
        """Carry out the orders; if user code breaks out of the loop, what has happened so far is kept."""
        try:
            self._performer.perform(self._orders, queue)
        except BaseException:
            self._events = queue + self._events
            raise

    def _empty_inbox(self) -> list[Event]:
        """What was left for this tick, by other threads and by user code; what comes meanwhile is for the next one."""
        events: list[Event] = []
        for _ in range(len(self._inbox)):
            word = self._inbox.popleft()
            event = self._performer.program.take_late(word) if isinstance(word, Late) else word
            if event is not None:
                events.append(event)
        return events

    def _process_ready(self, ready: Ready) -> list[Event]:
        """Events from descriptors that are ready: connections in turn, then newcomers."""
        most = self._limits.max_reads_per_tick
        if len(ready) > most:
            self._turn_offset = (self._turn_offset + most) % len(ready)
            ready = (ready[self._turn_offset:] + ready[:self._turn_offset])[:most]
        events, others = self._performer.process_readable_clients(ready, self._limits.max_read_len)
        for other in others:
            events += self._process_own(other)
        if self._accepts_again_at is not None and time.monotonic() >= self._accepts_again_at:
            self._resume_accepting()
        return events

    def _process_own(self, which: object) -> list[Event]:
        """The server's own descriptors: somebody is at the door, or somebody woke us."""
        if which is not None:
            return self._accept()
        with suppress(BlockingIOError):
            while self._sleeper is not None and self._sleeper.recv(4_096):
                pass
        return []

    def _accept(self) -> list[Event]:
        """Take the connections that are waiting, as many as one tick may."""
        if self._listener is None:
            return []
        arrivals = accept_waiting(self._listener, self._limits)
        if arrivals.stopped is Stopped.EXHAUSTED:
            self._pause_accepting()
        return [Accepted(self._performer.knock(connection), peer) for connection, peer in arrivals.sockets]

    def _pause_accepting(self) -> None:
        """Do not spin on a listener that is ready and cannot be served."""
        _LOG.warning("no descriptors are left: accepting no connections for %g s", ACCEPT_PAUSE_SECONDS)
        if self._accepts_again_at is None and self._listener is not None:
            self._require_selector().unregister(self._listener)
        self._accepts_again_at = time.monotonic() + ACCEPT_PAUSE_SECONDS

    def _resume_accepting(self) -> None:
        self._accepts_again_at = None
        if self._listener is not None:
            self._require_selector().register(self._listener, selectors.EVENT_READ, self._listener)

    def _patience(self) -> float | None:
        """How long `start` may wait in one tick."""
        at = self.next_deadline()
        return None if at is None else max(0.0, at - time.monotonic())

    # -- the end --------------------------------------------------------------------------------------------------

    def _wind_down(self) -> None:
        """A server that is stopping listens no more; one that has stopped owns nothing more."""
        if self._listener is not None:
            self._asked_port, port = self._asked_port, self.port
            if self._accepts_again_at is None:
                self._require_selector().unregister(self._listener)
            self._accepts_again_at = None
            self._listener.close()
            self._listener = None
            _LOG.info("stopped listening on port %d", port)
        if self._state.running is Running.STOPPED and not self._events:
            self._close()

    def _close(self) -> None:
        """Give back every descriptor."""
        self._performer.close()
        for thing in (self._waker, self._sleeper, self._selector):
            if thing is not None:
                thing.close()
        self._waker = self._sleeper = self._selector = None
        self._has_ended = True
        self._inbox.clear()

    def _require_selector(self) -> selectors.BaseSelector:
        if self._selector is None:
            raise RuntimeError("the server is not listening: call listen() or tick() first")
        return self._selector

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """SIGINT and SIGTERM mean stop, while this is entered in the main thread; elsewhere they are not touched."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def on_signal(number: int, frame: FrameType | None) -> None:
            self.stop()

        before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def make_http_server(handler: Handler, *, host: str = "127.0.0.1", port: int = 8080, backlog: int = 128,
                     timeout: float | None = None, max_request_size: int | None = None, limits: Limits | None = None,
                     callbacks: Callbacks | None = None) -> HttpServer:
    """A server that is not listening yet.

    `handler` is called with each complete `Request` and returns a `Response`, or None for a 404.  `port` 0 picks a
    free one.  `timeout` (seconds) and `max_request_size` (bytes), if given, override `Limits.body_timeout` and
    `Limits.max_body_len`, whose defaults are 30 s and 10 MiB.  TypeError if the handler cannot be called.
    """
    if not callable(handler):
        raise TypeError(f"a handler is a function of a request, not {type(handler).__name__}")
    limits = limits or Limits()
    if timeout is not None:
        limits = limits._replace(body_timeout=timeout)
    if max_request_size is not None:
        limits = limits._replace(max_body_len=max_request_size)
    return HttpServer(handler, host, port, backlog, limits, callbacks or Callbacks())


http_server_listen = HttpServer.listen
http_server_start = HttpServer.start
http_server_stop = HttpServer.stop
http_server_tick = HttpServer.tick
