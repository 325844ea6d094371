"""A server as whoever ticks it sees it: one descriptor, one deadline, one function.

Theory: a host loop never has to know that there are connections. It waits until the descriptor is
readable or the deadline is over, and ticks. So the descriptor is readable whenever a tick has
something to do: because of what came from outside, since all that is waited for is in one poller
whose descriptor it is, and because of what was called for on this side, since that writes a byte to
the mailbox, which is watched as well.

Rules: the deadline says when a tick is needed though nothing is ready; it is over while there is
work. A host that has never asked for the descriptor is not woken: it ticks anyway. It does not know
what a tick does.
"""

from ..core.limits import Limits
from ..core.server.clock import next_deadline
from .loop.engine import Engine
from .loop.poller import Poller
from .loop.sockets import Sockets
from .messaging import NO_THREAD
from .securing import Securing


class Watched(Securing):
    """A server that a host loop watches."""

    __slots__ = ("_is_awake", "_is_watched", "_poller", "_sockets")

    def __init__(self, limits: Limits, engine: Engine) -> None:
        super().__init__(limits, engine)
        self._poller: Poller | None = None
        self._sockets: Sockets
        self._is_watched = False
        """The host loop watches the descriptor, and wants to be woken."""
        self._is_awake = False
        """It was, since the last tick."""

    @property
    def running(self) -> bool:
        """True from `listen` until the last connection of a stopped server is closed."""
        return self._poller is not None

    def fileno(self) -> int:
        """One descriptor that becomes readable when a tick has something to do, for a host loop to
        watch; what is sent between two ticks included, from the first call of this on.
        """
        descriptor = self._require_poller().fileno()
        if descriptor is None:
            raise OSError(
                "this platform has no descriptor for that; call tick() at intervals instead"
            )
        if not self._is_watched:
            self._is_watched, self._sending_thread = True, NO_THREAD
            if self._has_work():
                self.wake()
        return descriptor

    def next_deadline(self) -> float | None:
        """When `tick` must be called at the latest even if nothing is ready, on `time.monotonic()`;
        None if never.
        """
        return self._engine.snapshot.now if self._has_work() else self._deadline()

    def _deadline(self) -> float | None:
        """The next deadline, if no work is left."""
        deadline = next_deadline(self.state)
        rejected_at = self._sockets.rejected.due_at if self.running else None
        resumes_at = None if self._acceptor is None else self._acceptor.resumes_at
        program = self._application
        for at in (program.sources.poll_at, program.lifespan.due_at, rejected_at, resumes_at):
            if at is not None and (deadline is None or at < deadline):
                deadline = at
        return deadline

    def _bounded(self, timeout: float | None) -> float | None:
        """The timeout while no work is left, but no longer than until something is due."""
        at = None if timeout == 0.0 else self._deadline()
        if at is None:
            return timeout
        left = max(0.0, at - self._engine.run_queue.clock())
        return left if timeout is None else min(timeout, left)

    def _has_work(self) -> bool:
        """True if the last tick left something over, or anything was posted since."""
        return self._engine.has_work or bool(self._mailbox) or bool(self._interrupting_calls)

    def _before_send(self) -> None:
        """Wake the host loop, if messages that are sent between two ticks would wait for it."""
        if self._is_watched and not self._is_awake and not self._is_ticking:
            self._is_awake = True
            self._mailbox.wake()

    def _end_watch(self) -> None:
        """A tick is over: the next call wakes the host loop again, and what is left over does so
        now.
        """
        if self._is_watched:
            self._is_awake, self._sending_thread = False, NO_THREAD
            if self.running and self._has_work():
                self._mailbox.wake()

    def _require_poller(self) -> Poller:
        if self._poller is None:
            raise RuntimeError("the server is not listening: call listen() or tick() first")
        return self._poller
