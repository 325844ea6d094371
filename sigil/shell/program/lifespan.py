"""The beginning and the end of a handler that has them: `startup(server)` and `shutdown(server)`.

Theory: what a program needs before it can answer, and lets go of when it has answered last,
belongs to its handler and not to the loop that happens to drive it. So a handler may have two
functions beside itself, and each may promise its end: until the first has kept that nobody is
accepted, and until the second has the server has not stopped.

Rules: `startup` is called in the first tick, on the thread that serves, and `shutdown` once for
each that has not failed, when the last connection has closed. What a beginning raises or fails with
leaves the tick, and the server with it; what an end raises is logged, and it is waited for no
longer than `Limits.shutdown_timeout`, nor where the server is stopped once more. Handlers within
handlers begin together. It does not know what begins.
"""

import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from enum import IntEnum
from typing import Any

from ...core.effects import ERROR_LOG
from ...core.http.validate import type_name
from .body_sources import NEEDS_LOOP, Spawn
from .deferred import Deferred
from .futures import promised
from .guard import Guard
from .host import Host
from .logs import write_text
from .tracebacks import EXIT_EXCEPTIONS, error_text

_LOG = logging.getLogger(ERROR_LOG)


class LifespanState(IntEnum):
    """Where the handler of a server is in its life."""

    NEW = 0
    """Nothing was called."""
    STARTING = 1
    """A beginning was promised, and has not come to its end."""
    SERVING = 2
    ENDING = 3
    """An end was promised, and has not come."""
    ENDED = 4


def living_handlers(handler: object) -> tuple[Any, ...]:
    """The handlers with a beginning or an end: this one, or those that are in it."""
    inner = getattr(handler, "living_handlers", None)
    if inner is not None:
        return tuple(inner)
    return (handler,) if _has(handler, "startup") or _has(handler, "shutdown") else ()


def _has(handler: object, name: str) -> bool:
    return callable(getattr(handler, name, None))


class Lifespan:
    """The beginning and the end of the handler of one server."""

    def __init__(self, server: Host, handler: object, guard: Guard) -> None:
        self._server = server
        self._handler = handler
        self._guard = guard
        self.spawn: Spawn | None = None
        """How coroutines are run; None: they are refused."""
        self.reset()

    def reset(self) -> None:
        """Begin anew: the server listens. Nothing is to be done where nothing begins or ends."""
        has_any = bool(living_handlers(self._handler))
        self._state = LifespanState.NEW if has_any else LifespanState.SERVING
        self._begun: list[Any] = []
        """The handlers whose beginning was called, and has not failed."""
        self._pending: list[tuple[Deferred, object]] = []
        """What was promised and has not come, each with its handler."""
        self._results: deque[tuple[Deferred, object]] = deque()
        """What has come, on its way to the loop's thread."""
        self._waits = True
        """False when the server is to end at once: then nothing is waited for."""
        self.due_at: float | None = None
        """When an end that was promised is waited for no longer, on the clock."""

    @property
    def is_starting(self) -> bool:
        """True until the beginning is over: nobody is accepted before. False where it will not be,
        since the server ends.
        """
        return self._waits and self._state <= LifespanState.STARTING

    @property
    def has_work(self) -> bool:
        """True if a tick would call something, or take what has come."""
        return self._state is LifespanState.NEW or bool(self._results)

    @property
    def is_ending(self) -> bool:
        """True while an end that was promised is waited for."""
        return self._state is LifespanState.ENDING

    def hurry(self) -> None:
        """Wait for nothing any more; may be called from any thread."""
        self._waits = False

    # -- the beginning -----------------------------------------------------------------------------

    def start(self) -> bool:
        """Call what begins, if that was not done, and take what was promised; True once it is over.
        What it raises or has failed with is raised, and then nothing goes on that had begun.
        """
        try:
            if self._state is LifespanState.NEW:
                self._state = LifespanState.STARTING
                for handler in living_handlers(self._handler):
                    if _has(handler, "startup"):
                        self._call(handler, handler.startup)
                    self._begun.append(handler)
            self._take_results(raises=True)
        except BaseException:
            self._abandon()
            raise
        if self._pending:
            return False
        self._state = LifespanState.SERVING
        return True

    def _abandon(self) -> None:
        """Let go of what has begun, since something else has failed to."""
        begun, self._begun = self._begun, []
        self._cancel_pending()
        self._state = LifespanState.ENDED
        self._call_ends(begun)
        self._cancel_pending()

    def _cancel_pending(self) -> None:
        """Nobody waits any more for what was promised."""
        pending, self._pending = self._pending, []
        with self._guard.user_code():
            for later, _ in pending:
                later.cancel()

    # -- the end -----------------------------------------------------------------------------------

    def end(self, now: float, timeout: float) -> bool:
        """Call what ends, if that was not done; True when it is over, or has taken too long."""
        if self._state < LifespanState.ENDING:
            self._cancel_pending()  # the server was stopped before it had begun
            begun, self._begun = self._begun, []
            self._state, self.due_at = LifespanState.ENDING, now + timeout
            self._call_ends(begun)
        self._take_results(raises=False)
        if self._pending and self._waits and self.due_at is not None and now >= self.due_at:
            text = f"the handler has not shut down within {timeout:g} s (Limits.shutdown_timeout)"
            write_text(_LOG, logging.ERROR, text)
            self._waits = False
        if self._pending and self._waits:
            return False
        self._cancel_pending()
        self._state, self.due_at = LifespanState.ENDED, None
        return True

    def _call_ends(self, begun: list[Any]) -> None:
        """Call what ends, the last first; what it raises is logged."""
        for handler in reversed(begun):
            try:
                if _has(handler, "shutdown"):
                    self._call(handler, handler.shutdown)
            except EXIT_EXCEPTIONS:
                raise
            except BaseException as error:
                _log_end(error)

    # -- what is promised --------------------------------------------------------------------------

    def _call(self, handler: object, function: Callable[[Any], object]) -> None:
        """Call a function of the program, and hold what it promises."""
        with self._guard.user_code():
            result = promised(function(self._server))
            if isinstance(result, Awaitable) and not isinstance(result, Deferred):
                result = self._run(result)
        if isinstance(result, Deferred):
            self._hold(result, handler)

    def _run(self, awaitable: Awaitable[object]) -> Deferred | None:
        """The promise of a coroutine, which runs in the loop that is there; TypeError if there is
        none. That of an end goes on when it is not waited for any more.
        """
        if self.spawn is None:
            if isinstance(awaitable, Coroutine):
                awaitable.close()
            raise TypeError(
                f"startup and shutdown are asynchronous, {NEEDS_LOOP}; elsewhere they return a "
                "Deferred"
            )
        later = Deferred()
        if self._state is LifespanState.STARTING:
            later.on_cancel(self.spawn(awaitable, later))
        else:
            self.spawn(_ending(awaitable, later), None)
        return later

    def _hold(self, later: Deferred, handler: object) -> None:
        """Wait for what was promised."""
        self._pending.append((later, handler))
        later.when_resolved(lambda result: self._arrive(later, result))

    def _arrive(self, later: Deferred, result: object) -> None:
        """A promise was kept, by any thread."""
        self._results.append((later, result))
        self._server.wake()

    def _take_results(self, raises: bool) -> None:
        """Take what has come; a failure is raised, or logged."""
        while self._results:
            later, result = self._results.popleft()
            handlers = [handler for pending, handler in self._pending if pending is later]
            if not handlers:
                continue
            self._pending = [held for held in self._pending if held[0] is not later]
            if later.is_mapped:
                with self._guard.user_code():
                    result = later.apply(result)
            if isinstance(result, Deferred):
                self._hold(result, handlers[0])
            elif isinstance(result, BaseException):
                if raises:
                    self._begun = [begun for begun in self._begun if begun is not handlers[0]]
                    raise result
                _log_end(result)


def _log_end(error: BaseException) -> None:
    text = error_text(f"the handler raised when it shut down: {type_name(error)}", error)
    write_text(_LOG, logging.ERROR, text)


async def _ending(awaitable: Awaitable[object], later: Deferred) -> None:
    """Await an end, and say what came of it."""
    try:
        later.complete(await awaitable)
    except BaseException as error:
        later.complete(error)
        if not isinstance(error, Exception):
            raise
