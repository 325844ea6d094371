"""An answer, or a piece of a stream, that comes later: from a thread, a callback, a coroutine or another tick.

Theory: a handler that cannot answer yet returns a promise, and so may a stream yield one.  Whoever keeps it may be in
another thread, and may be faster than the handler's own return; so the promise and its delivery meet under a lock,
whichever comes first.

Rules: the first result counts, later ones are refused by the return value.  Results are delivered on the loop's
thread, in the order in which they came.  A result for a client that has left is dropped and counted.
It does not know requests, responses or sockets: it carries whatever its maker could have given at once.
"""

from collections.abc import Callable
from threading import Lock
from typing import TypeAlias

Result: TypeAlias = object
"""What a handler may return, or a stream yield; an exception stands for what it may raise."""

_OPEN = object()


class Deferred:
    """What a handler returns, or a stream yields, for later; `resolve` or `fail` it once, from anywhere."""

    __slots__ = ("_deliveries", "_lock", "_result")

    def __init__(self) -> None:
        self._lock = Lock()
        self._result: object = _OPEN
        self._deliveries: list[Callable[[Result], object]] = []

    @property
    def is_resolved(self) -> bool:
        """True once there is a result."""
        return self._result is not _OPEN

    def resolve(self, result: Result) -> bool:
        """Give what the handler would have returned, or the stream yielded; False if there is a result already."""
        return self._settle(result)

    def fail(self, error: BaseException) -> bool:
        """Have it as if the handler, or the stream, had raised `error`; False if there is a result already."""
        return self._settle(error)

    def _settle(self, result: Result) -> bool:
        if isinstance(result, Deferred):
            raise TypeError("a Deferred is resolved with a response, not with a Deferred")
        with self._lock:
            if self._result is not _OPEN:
                return False
            self._result, deliveries = result, self._deliveries
        for deliver in deliveries:
            deliver(result)
        return True

    def when_resolved(self, deliver: Callable[[Result], object]) -> None:
        """Have `deliver` called with the result: at once if there is one, else by whoever brings it.  For the shell."""
        with self._lock:
            result = self._result
            if result is _OPEN:
                self._deliveries.append(deliver)
        if result is not _OPEN:
            deliver(result)
