"""Starting a call at once: its first steps are taken before the handler returns.

Theory: most applications answer without waiting for anything, and a task that is begun by the loop
later costs its client a turn, and the server a promise. So a coroutine is run as a task up to where
it first waits, and the task goes on from there. Python 3.12 has that. Before, a task is made ahead
and waits: the coroutine is run in its place, in a context of its own, and the task takes over only
if there is anything left to do. One that ends at once has used nothing of it, and it is kept for
the next: to make a task is what would cost most.

Rules: what a coroutine sees is a task like any other: its name, what it is cancelled by, its
context. A task that anybody still knows when its coroutine has ended is not used again, but ended.
It does not know what it runs.
"""

import asyncio
import sys
from asyncio import tasks
from collections.abc import Coroutine, Generator
from contextvars import Context, copy_context
from typing import Any, Final, Protocol, TypeAlias
from weakref import getweakrefcount

Call: TypeAlias = Coroutine[Any, Any, None]
Task: TypeAlias = asyncio.Task[None]

_enter_task: Final = tasks._enter_task
_leave_task: Final = tasks._leave_task
"""What Python documents for tasks of one's own ("Extending", Task lifetime support)."""

_NOTHING: Final = object()


class Starter(Protocol):
    """What starts coroutines in one loop."""

    def start(self, coroutine: Call) -> Task | None:
        """The task that runs a coroutine, which has begun; None if it has ended already."""

    def close(self) -> None:
        """Nothing more is started."""


class EagerStarter:
    """For Python 3.12 and later."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._options: dict[str, Any] = {"loop": loop, "eager_start": True}

    def start(self, coroutine: Call) -> Task | None:
        """The task that runs a coroutine, which has begun; None if it has ended already."""
        task: Task = asyncio.Task(coroutine, **self._options)
        return None if task.done() else task

    def close(self) -> None:
        """There is nothing to be let go of."""


class _Waiting(Coroutine[Any, Any, None]):
    """What a task runs that is made ahead: nothing, until it is given the rest of a coroutine."""

    __slots__ = ("_context", "_coroutine", "_first", "_is_over", "_loop", "_parked")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._is_over = False
        self._coroutine: Call | None = None
        self._context: Context | None = None
        self._first: object = _NOTHING
        """What the coroutine has waited for first, and the task has not been told."""
        self._parked: asyncio.Future[None] | None = None
        """What the task waits for as long as there is nothing to do."""

    def give(self, coroutine: Call | None, context: Context | None, first: object) -> None:
        """Go on with this; None is the end."""
        self._coroutine, self._context, self._first = coroutine, context, first
        self._is_over = coroutine is None
        if self._parked is not None and not self._parked.done():
            self._parked.set_result(None)

    def send(self, value: Any) -> Any:
        """Wait, hand over what was waited for, or go on."""
        coroutine, context = self._coroutine, self._context
        if coroutine is None or context is None:
            if self._is_over:
                raise StopIteration
            self._parked = self._loop.create_future()
            self._parked._asyncio_future_blocking = True
            return self._parked
        first, self._first = self._first, _NOTHING
        return context.run(coroutine.send, value) if first is _NOTHING else first

    def throw(self, kind: Any, value: Any = None, trace: Any = None) -> Any:
        """Raise where it waits."""
        error = kind if value is None else value
        coroutine, context = self._coroutine, self._context
        if coroutine is None or context is None:
            raise error
        self._first = _NOTHING
        return context.run(coroutine.throw, error)

    def close(self) -> None:
        """End it where it waits."""
        if self._coroutine is not None:
            self._coroutine.close()

    def __await__(self) -> Generator[Any, Any, None]:
        raise TypeError("what waits for a coroutine is run by its task")


class HandStarter:
    """For Python 3.11."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._task: Task | None = None
        """A task that was made ahead."""
        self._waiting = _Waiting(loop)
        self._name = ""
        self._known_by = (0, 0)
        """How many references there are to it that are nobody's, strong and weak ones."""

    def start(self, coroutine: Call) -> Task | None:
        """The task that runs a coroutine, which has begun; None if it has ended already."""
        loop, context = self._loop, copy_context()
        task = self._task
        if task is None or task.done():
            task = self._make()
        outer = asyncio.current_task(loop)
        if outer is not None:
            _leave_task(loop, outer)
        _enter_task(loop, task)
        has_ended = True
        try:
            first = context.run(coroutine.send, None)
            has_ended = False
        except StopIteration:
            pass
        except Exception:
            self._end()
            raise
        finally:
            _leave_task(loop, task)
            if outer is not None:
                _enter_task(loop, outer)
        if not has_ended:
            self._task = None
            self._waiting.give(coroutine, context, first)
            return task
        if self._is_known(task):
            self._end()
        return None

    def _make(self) -> Task:
        """A task that waits for something to do."""
        self._waiting = _Waiting(self._loop)
        self._task = task = asyncio.Task(self._waiting, loop=self._loop)
        self._name = task.get_name()
        self._known_by = sys.getrefcount(task), getweakrefcount(task)
        return task

    def _is_known(self, task: Task) -> bool:
        """True if the coroutine that has ended has left anything at its task."""
        strong, weak = self._known_by
        return bool(
            sys.getrefcount(task) > strong + 1  # and the caller's
            or getweakrefcount(task) > weak
            or task.get_name() is not self._name
            or task.cancelling()
            or getattr(task, "_callbacks", None)
        )

    def _end(self) -> None:
        """Let the task end that was made ahead."""
        if self._task is not None:
            self._waiting.give(None, None, _NOTHING)
            self._task = None

    def close(self) -> None:
        """Nothing more is started."""
        self._end()


def starter(loop: asyncio.AbstractEventLoop) -> Starter:
    """What starts coroutines in this loop."""
    return EagerStarter(loop) if sys.version_info >= (3, 12) else HandStarter(loop)
