"""Serving until a server is stopped: by a call, by a signal, by an exception.

Theory: a server serves as long as somebody ticks it, and ends in a tick too. Whoever asks for the
end only posts it: from a handler, another thread, a signal handler. What user code never gives back
is broken out of by a second signal; then the end does not wait for user code any more.

Rules: `stop` may be called from anywhere, all others by the thread that ticks. A child process that
user code has forked within a tick owns nothing here and ends nothing. It does not know sockets.
"""

import logging
import os
from abc import abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import get_ident
from types import FrameType

from ..core.effects import ERROR_LOG
from ..core.limits import Limits
from .arguments import stop_event
from .hosts.own_loop import OwnLoop
from .loop.acceptor import Acceptor
from .loop.engine import Engine
from .loop.signals import is_host_loop, stopping_on_signals, waking_on_signals
from .program.body_sources import Spawn
from .program.deferred import Deferred
from .program.logs import write_text
from .program.tracebacks import EXIT_EXCEPTIONS, SecondSignal, error_text
from .recording.recorded import Recorded

_LOG = logging.getLogger(ERROR_LOG)


class Stopping(Recorded):
    """A server that serves until it is stopped."""

    __slots__ = ("_acceptor", "_asked_at", "_has_ended", "_started", "_tick_count", "_tick_pid")

    def __init__(self, limits: Limits, engine: Engine) -> None:
        super().__init__(limits, engine)
        self._acceptor: Acceptor | None = None
        """The listening sockets, until the server winds down."""
        self._has_ended = False
        self._tick_count, self._asked_at = 0, -1
        """How many ticks there were, now and at the last signal."""
        self._tick_pid = 0
        """The process of the last tick."""
        self._started = Deferred()

    @abstractmethod
    def listen(self) -> None:
        """Open the listening socket."""

    @abstractmethod
    def tick(self, timeout: float | None = 0.0) -> bool:
        """Do what there is to do, waiting for it up to `timeout` seconds."""

    @abstractmethod
    def fileno(self) -> int:
        """The descriptor that is readable when a tick has something to do."""

    @abstractmethod
    def next_deadline(self) -> float | None:
        """When a tick is needed though nothing is ready."""

    @abstractmethod
    def _set_spawn(self, spawn: Spawn | None, in_asyncio: bool = True) -> None:
        """Set how coroutines of user code are run from now on."""

    @abstractmethod
    def _abandon(self) -> None:
        """Have ended, and touch nothing."""

    # -- the beginning -----------------------------------------------------------------------------

    @property
    def started(self) -> Deferred:
        """A promise that is resolved when the server that listens accepts connections, behind the
        `startup` of its handler, or fails with what that raised, or with a RuntimeError if the
        server is stopped before. After the end it is the next one.
        """
        return self._started

    def _expect_start(self) -> None:
        """The server listens, and what begins with it is to begin."""
        self._application.lifespan.reset()
        if self._started.is_resolved:
            self._started = Deferred()

    def _note_start(self) -> None:
        """Keep the promise, if what begins has begun."""
        if not self._application.lifespan.is_starting:
            self._complete(self._started, None)

    def _note_end(self, error: BaseException | None) -> None:
        """Fail the promise, unless it was kept: nobody waits for what does not come. The next one
        is for the next beginning.
        """
        promise, self._started = self._started, Deferred()
        self._complete(promise, error or RuntimeError("the server has stopped before it began"))

    def _complete(self, promise: Deferred, error: BaseException | None) -> None:
        """Keep a promise, or fail it, unless that was done."""
        try:
            with self._guard.user_code():
                promise.complete(error)
        except EXIT_EXCEPTIONS:
            raise
        except BaseException as raised:
            text = "a callback of the promise `started` raised"
            write_text(_LOG, logging.ERROR, error_text(text, raised))

    # -- the end -----------------------------------------------------------------------------------

    @contextmanager
    def stop_on_signals(
        self, grace: float = 5.0, *, stop: Callable[[], object] | None = None
    ) -> Iterator[None]:
        """Let SIGINT and SIGTERM stop the server while this is entered, for a loop of your own.

        The first signal drains for up to `grace` seconds, a second one stops at once; with `stop`,
        each calls that instead. Either wakes whatever waits in `tick` or for `fileno()`. Listens if
        that was not done. Within the block of another server, both are stopped. In any thread but
        the main one, signals are left alone.

        If user code blocks, in a handler or between two ticks, the second signal raises a
        KeyboardInterrupt in it. That ends the server, and with it this block; it is not raised
        further unless another thread serves, which it cannot interrupt.
        """
        stop_event(grace)  # what makes no sense is said now, and not when a signal comes
        stop = stop or (lambda: self.stop(grace))
        with stopping_on_signals(self, stop, self._is_held_up) as is_outermost:
            is_entered = False
            try:
                self.listen()
                with waking_on_signals(self._mailbox.copy_ends):
                    is_entered = True
                    yield
            except SecondSignal as interrupt:
                if not is_entered or self._is_served_elsewhere():
                    raise KeyboardInterrupt from interrupt
                self._stop_now()
                if not is_outermost:
                    raise

    def start(self, *, grace: float = 5.0) -> None:
        """Serve until `stop`; in the main thread SIGINT and SIGTERM drain for up to `grace`
        seconds, a second one stops at once. RuntimeError from within a tick, and if something else
        serves.
        """
        self._require_unserved("start")
        with self.stop_on_signals(grace):
            self.server_loop()

    def _is_held_up(self, frame: FrameType | None) -> bool:
        """True if user code on this thread, in `frame`, keeps the server from stopping: a tick has
        called it, or there was no tick since this was asked last.
        """
        tick_count, self._asked_at = self._asked_at, self._tick_count
        if self._thread == get_ident() and (self._is_ticking or self._guard.is_busy):
            return not self._guard.is_busy
        return self._tick_count == tick_count and not is_host_loop(frame)

    def server_loop(self) -> None:
        """Tick until the server has stopped, waiting as long as nothing is due; without signals,
        without listening.

        Coroutines of handlers, callbacks and streams are run by an asyncio loop that is made for
        the first one. Whatever leaves this ends the server.  RuntimeError from within a tick, and
        if something else serves, which harms nothing.
        """
        self._begin_serving("server_loop")
        self._serve_here()

    def _serve_here(self) -> None:
        """Tick until the server has stopped, which this thread has begun to serve."""
        loop = OwnLoop(self)
        try:
            while self.running:
                if loop.has_begun:
                    loop.run()
                else:
                    self.tick(None)
        except BaseException:
            self._stop_now()
            raise
        finally:
            loop.close()
            self._end_serving()

    def stop(self, grace: float = 5.0) -> None:
        """Ask the server to end: no new connections, what is under way is answered for up to
        `grace` seconds.

        A second call, or a grace of 0, ends everything at once; `shutdown` of the handler is waited
        for until there is a call more. May be called from a handler, a
        signal handler or another thread; returns immediately. Whoever ticks goes on doing so until
        `running` is False. Before the first `listen` it takes effect then (a thread may be about to
        start); after the end it does nothing.
        """
        event = stop_event(grace)
        if self._application.lifespan.is_ending:
            self._application.lifespan.hurry()
        acceptor = self._acceptor
        if acceptor is not None:
            acceptor.leave()
        if not self._has_ended or self.running:
            self._post(event)

    def _stop_now(self) -> None:
        """Stop at once, and return when everything is closed.  Not from within a tick.

        Nobody who still waits for user code gets it: one that blocks may be why this is called.
        """
        if os.getpid() != self._tick_pid and self._tick_pid:
            # user code has forked within a tick, and this is the child: nothing here is its own
            self._abandon()
        self._application.lifespan.hurry()
        if self.running:
            self._begin_tick()
            self._engine.stop_now()
        while self.running:
            try:
                self.tick(0.0)
            except EXIT_EXCEPTIONS:  # the program is ending already
                continue
