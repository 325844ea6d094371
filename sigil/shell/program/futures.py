"""Futures of thread pools (`concurrent.futures`) as promises.

Theory: who has work done by a pool holds a future, and a `Deferred` is the same thing with another
name: the result comes later, from any thread, and may not be wanted any more. So where user code
may give a `Deferred` it may give such a future, which is cancelled when the client leaves; work
that a thread has begun goes on, and its result is dropped.

Rules: whoever has no such future has no need of the module that they are from, so it is not
imported here. Futures of asyncio are awaitable, and belong to whoever runs coroutines.
"""

import sys
from typing import Any, Protocol

from .deferred import Deferred


class PoolFuture(Protocol):
    """A `concurrent.futures.Future`, for whoever has not imported it."""

    def add_done_callback(self, fn: Any, /) -> object:
        """Have a function called with the future when it is done."""

    def cancel(self) -> bool:
        """Cancel it, if it has not begun."""

    def set_running_or_notify_cancel(self) -> bool:
        """What no other promise has."""


def is_future(value: object) -> bool:
    """True for a future of a thread pool, or of processes."""
    module = sys.modules.get("concurrent.futures")
    return module is not None and isinstance(value, module.Future)


def promise_of(future: Any) -> Deferred:
    """The promise of what a future comes to; the future is cancelled when nobody waits for it."""
    later = Deferred()
    later.on_cancel(future.cancel)
    future.add_done_callback(lambda done: later.complete(_outcome(done)))
    return later


def promised(value: Any) -> Any:
    """The promise of a future; any other value as it is."""
    return promise_of(value) if is_future(value) else value


def _outcome(done: Any) -> object:
    """The result of a future that is done, or the exception that it failed with."""
    try:
        error = done.exception()
    except BaseException as cancelled:
        return cancelled
    return done.result() if error is None else error
