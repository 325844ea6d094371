"""A response, or a chunk of a stream, that comes later: from a thread, a callback, a coroutine or
another tick.

Theory: a handler that cannot respond yet returns a promise, and so may a stream yield one. Whoever
resolves it may be in another thread, or in a signal handler that interrupts this very one, and may
be faster than the handler's own return. So nobody waits for anybody here: the first result takes
the only token, and whoever finds both a result and somebody to deliver it to delivers it; taking
from a list is one indivisible step.

Rules: the first result counts, later ones are refused by the return value. Results are delivered on
the loop's thread, in the order in which they came, and what is made of them (`map`) is made there,
as late as they are delivered: whoever resolves it runs none of that. A result for a client that has
left is dropped and counted; whoever works on it can ask (`is_wanted`), or be told (`on_cancel`). It
does not know requests, responses or sockets: it carries whatever its maker could have given at
once.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial
from typing import Any, NamedTuple, TypeAlias

from ...core.http.validate import safe_repr
from .logs import call_logged
from .tracebacks import EXIT_EXCEPTIONS

Result: TypeAlias = object
"""What a handler may return, or a stream yield; an exception stands for what it may raise."""

_UNRESOLVED = object()


class Deferred:
    """What a handler returns, or a stream yields, for later; `resolve` or `fail` it once, from
    anywhere.
    """

    __slots__ = ("_functions", "_promise")

    def __init__(self) -> None:
        self._promise = _Promise()
        self._functions: tuple[_Mapping, ...] = ()

    @property
    def is_wanted(self) -> bool:
        """False once nobody waits for the result: the client has left, or was answered otherwise.
        Work on it may be given up; a result is taken, and dropped.
        """
        return self._promise.is_wanted

    @property
    def is_resolved(self) -> bool:
        """True once there is a result."""
        return self._promise.result is not _UNRESOLVED

    @property
    def is_mapped(self) -> bool:
        """True if something is to be made of the result when it is delivered."""
        return bool(self._functions)

    def map(
        self,
        function: Callable[[Any], Result],
        failed: Callable[[BaseException], Result] | None = None,
    ) -> Deferred:
        """A `Deferred` of what `function` makes of the result of this one, such as a response with
        one more header; TypeError for what is no function.

        It is called on the loop's thread when the result is delivered, and not at all if nobody
        waits for it any more. It may return what a handler may, another `Deferred` included; what
        it raises is the result in its place. A failure passes by it, and is given to `failed` if
        there is one. Both are the same promise: either may be resolved, failed and cancelled.
        """
        for given in (function, failed):
            if given is not None and not callable(given):
                raise TypeError(f"a Deferred is mapped by a function, not by {safe_repr(given)}")
        if function is None:
            raise TypeError("a Deferred is mapped by a function, not by None")
        mapped = Deferred()
        mapped._promise = self._promise
        mapped._functions = (*self._functions, _Mapping(function, failed))
        return mapped

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
        promise = self._promise
        promise.cancellations.append(callback)
        if not promise.is_wanted:
            promise.call_cancellations()

    def cancel(self) -> None:
        """Nobody waits any more: whoever works on the result is told. For the shell."""
        if not self.is_resolved:
            self._promise.is_wanted = False
            self._promise.call_cancellations()

    def complete(self, result: Result) -> bool:
        """Resolve it with whatever a coroutine came to; False if there is a result already. For the
        shell.
        """
        promise = self._promise
        try:
            promise.tokens.pop()
        except IndexError:
            return False
        promise.result = result
        promise.deliver()
        return True

    def when_resolved(self, deliver: Callable[[Result], object]) -> None:
        """Have `deliver` called with the result, or the exception it failed with: at once if there
        is one, else by whoever brings it, on their thread. It is the result before anything is made
        of it (`map`).
        """
        promise = self._promise
        promise.deliveries.append(deliver)
        if promise.result is not _UNRESOLVED:
            promise.deliver()

    def __await__(self) -> Generator[Any, Any, Any]:
        """What it comes to, under asyncio; what it fails with is raised. A task that is cancelled
        meanwhile wants the result no more.
        """
        # here, since a program without coroutines has no other use for asyncio
        from asyncio import CancelledError, get_running_loop

        loop = get_running_loop()
        future = loop.create_future()

        def deliver(result: Result) -> None:
            loop.call_soon_threadsafe(_settle, future, result)

        self.when_resolved(deliver)
        try:
            result = self.apply((yield from future))
        except CancelledError:
            self.cancel()
            raise
        if isinstance(result, Deferred):
            return (yield from result.__await__())
        if isinstance(result, BaseException):
            raise result
        return result

    def apply(self, result: Result) -> Result:
        """What the functions of `map` make of the result. For the shell, on the loop's thread."""
        for place, mapping in enumerate(self._functions):
            if isinstance(result, Deferred):
                for later in self._functions[place:]:
                    result = result.map(later.function, later.failed)
                return result
            result = _map_once(mapping, result)
        return result


def _settle(future: Any, result: Result) -> None:
    """Give a future its result, unless nobody waits for it any more."""
    if not future.done():
        future.set_result(result)


class _Mapping(NamedTuple):
    """What is to be made of a result, and of a failure."""

    function: Callable[[Any], Result]
    failed: Callable[[BaseException], Result] | None


def _map_once(mapping: _Mapping, result: Result) -> Result:
    """What one mapping makes of a result; what it raises is the result then."""
    try:
        if not isinstance(result, BaseException):
            return mapping.function(result)
        return result if mapping.failed is None else mapping.failed(result)
    except EXIT_EXCEPTIONS:
        raise
    except BaseException as error:
        return error


class _Promise:
    """The result of a `Deferred`, and of all that is mapped from it."""

    __slots__ = ("cancellations", "deliveries", "is_wanted", "result", "tokens")

    def __init__(self) -> None:
        self.tokens = [True]
        self.result: object = _UNRESOLVED
        self.deliveries: list[Callable[[Result], object]] = []
        self.cancellations: list[Callable[[], object]] = []
        self.is_wanted = True

    def call_cancellations(self) -> None:
        """Call the callbacks of the cancellation, each once; what one raises is logged."""
        while self.cancellations:
            try:
                callback = self.cancellations.pop(0)
            except IndexError:  # somebody else was faster
                return
            call_logged(callback, "a callback of a Deferred raised when it was cancelled")

    def deliver(self) -> None:
        """Deliver the result to all who wait and whom no other thread is delivering it to."""
        while self.deliveries:
            try:
                deliver = self.deliveries.pop(0)
            except IndexError:  # somebody else was faster
                return
            call_logged(partial(deliver, self.result), "what takes the result of a Deferred raised")
