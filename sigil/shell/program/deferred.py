"""A response, or a chunk of a stream, that comes later: from a thread, a callback, a coroutine or
another tick.

Theory: a handler that cannot respond yet returns a promise, and so may a stream yield one. Whoever
resolves it may be in another thread, or in a signal handler that interrupts this very one, and may
be faster than the handler's own return. So nobody waits for anybody here: the first result takes
the only token, and whoever finds both a result and somebody to deliver it to delivers it; taking
from a list is one indivisible step.

Rules: the first result counts, later ones are refused by the return value. Results are delivered on
the loop's thread, in the order in which they came. A result for a client that has left is dropped
and counted; whoever works on it can ask (`is_wanted`), or be told (`on_cancel`). It does not know
requests, responses or sockets: it carries whatever its maker could have given at once.
"""

import logging
from collections.abc import Callable
from typing import TypeAlias

from ...core.effects import ERROR_LOG
from .logs import write_text
from .tracebacks import EXIT_EXCEPTIONS, error_text

_LOG = logging.getLogger(ERROR_LOG)

Result: TypeAlias = object
"""What a handler may return, or a stream yield; an exception stands for what it may raise."""

_UNRESOLVED = object()


class Deferred:
    """What a handler returns, or a stream yields, for later; `resolve` or `fail` it once, from
    anywhere.
    """

    __slots__ = ("_cancellations", "_deliveries", "_result", "_tokens", "is_wanted")

    def __init__(self) -> None:
        self._tokens = [True]
        self._result: object = _UNRESOLVED
        self._deliveries: list[Callable[[Result], object]] = []
        self._cancellations: list[Callable[[], object]] = []
        self.is_wanted = True
        """False once nobody waits for the result: the client has left, or was answered otherwise.
        Work on it may be given up; a result is taken, and dropped.
        """

    @property
    def is_resolved(self) -> bool:
        """True once there is a result."""
        return self._result is not _UNRESOLVED

    def resolve(self, result: Result) -> bool:
        """Give what the handler would have returned, or the stream yielded; False if there is a
        result already.
        """
        if isinstance(result, Deferred):
            raise TypeError("a Deferred is resolved with a response, not with a Deferred")
        return self.complete(result)

    def fail(self, error: BaseException) -> bool:
        """Have it as if the handler, or the stream, had raised `error`; False if there is a result
        already.
        """
        return self.complete(error)

    def on_cancel(self, callback: Callable[[], object]) -> None:
        """Have `callback` called once nobody waits for the result any more, such as the `cancel` of
        a future: at once if that is so, else on the loop's thread. Not if there is a result.
        """
        self._cancellations.append(callback)
        if not self.is_wanted:
            self._cancel()

    def cancel(self) -> None:
        """Nobody waits any more: whoever works on the result is told. For the shell."""
        if not self.is_resolved:
            self.is_wanted = False
            self._cancel()

    def _cancel(self) -> None:
        """Call the callbacks of the cancellation, each once; what one raises is logged."""
        while self._cancellations:
            try:
                callback = self._cancellations.pop(0)
            except IndexError:  # somebody else was faster
                return
            try:
                callback()
            except EXIT_EXCEPTIONS:
                raise
            except BaseException as error:
                text = "a callback of a Deferred raised when it was cancelled"
                write_text(_LOG, logging.ERROR, error_text(text, error))

    def complete(self, result: Result) -> bool:
        """Resolve it with whatever a coroutine came to; False if there is a result already. For the
        shell.
        """
        try:
            self._tokens.pop()
        except IndexError:
            return False
        self._result = result
        self._deliver()
        return True

    def when_resolved(self, deliver: Callable[[Result], object]) -> None:
        """Have `deliver` called with the result: at once if there is one, else by whoever brings
        it. For the shell.
        """
        self._deliveries.append(deliver)
        if self._result is not _UNRESOLVED:
            self._deliver()

    def _deliver(self) -> None:
        """Deliver the result to all who wait and whom no other thread is delivering it to."""
        while self._deliveries:
            try:
                deliver = self._deliveries.pop(0)
            except IndexError:  # somebody else was faster
                return
            deliver(self._result)
