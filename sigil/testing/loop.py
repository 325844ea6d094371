"""An asyncio event loop in memory, stepped by the server of a test and timed by its clock.

Theory: a coroutine needs little of a loop: to be called soon, to be called at a time, and a clock.
With a clock that a test advances, `asyncio.sleep(3600)` is over as soon as the test wants it to be,
and nothing depends on the machine.

Rules: no sockets, no threads, no waiting. What asyncio would run in a thread (`asyncio.to_thread`)
is called at once, and what would need a network is missing, which is a `NotImplementedError`. One
step runs what is ready and no more, so that its caller notices a coroutine that never becomes idle.
It does not know what it runs.
"""

import asyncio
import heapq
import logging
from asyncio import events
from collections import deque
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Any, TypeVar, TypeVarTuple

from ..shell.hosts.asyncio_host import run_and_deliver
from ..shell.program.deferred import Deferred

Ts = TypeVarTuple("Ts")
Result = TypeVar("Result")

_LOG = logging.getLogger("asyncio")
_MAX_LAST_STEPS = 1_000
"""The steps in which cancelled coroutines may run their `finally`, when the server has ended."""


class Loop(asyncio.AbstractEventLoop):
    """An event loop that runs only while `run_once` is called."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[asyncio.TimerHandle] = []
        self._tasks: set[asyncio.Task[None]] = set()

    # -- for the server ----------------------------------------------------------------------------

    def spawn(
        self, awaitable: Awaitable[object], deferred: Deferred | None
    ) -> Callable[[], object]:
        """Run a coroutine from the next step on; the function returned cancels it.

        Its result or exception goes to `deferred`, if there is one.
        """
        task: asyncio.Task[None] = self.create_task(run_and_deliver(awaitable, deferred))
        # One without a deferred closes a stream: it is not cancelled with the others.
        if deferred is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            # A task that is cancelled before its first step has not failed the deferred itself.
            task.add_done_callback(lambda _: deferred.fail(asyncio.CancelledError()))
        return task.cancel

    @property
    def has_work(self) -> bool:
        """True if a step would run anything at this time."""
        return bool(self._ready) or (bool(self._timers) and self._timers[0].when() <= self._clock())

    def next_timer(self) -> float | None:
        """When the first timer is due, in seconds on the clock; None if there is none."""
        return self._timers[0].when() if self._timers else None

    def run_once(self) -> None:
        """Run what is ready at this time, but not what becomes ready by it."""
        if not self.has_work:
            return
        while self._timers and self._timers[0].when() <= self._clock():
            self._ready.append(heapq.heappop(self._timers))
        outer = events._get_running_loop()
        events._set_running_loop(self)
        try:
            for _ in range(len(self._ready)):
                handle = self._ready.popleft()
                if not handle.cancelled():
                    handle._run()
        finally:
            events._set_running_loop(outer)

    def end(self) -> None:
        """Cancel all coroutines, whose results are not needed any more, and let them clean up."""
        for task in tuple(self._tasks):
            task.cancel()
        for _ in range(_MAX_LAST_STEPS):
            if not self._ready:
                return
            self.run_once()

    # -- for asyncio -------------------------------------------------------------------------------

    def time(self) -> float:
        """The time on the test's clock."""
        return self._clock()

    def get_debug(self) -> bool:
        """False: asyncio's debug mode measures real time."""
        return False

    def is_running(self) -> bool:
        """True within `run_once`."""
        return events._get_running_loop() is self

    def is_closed(self) -> bool:
        """False: there is nothing to close."""
        return False

    def create_future(self) -> asyncio.Future[Any]:
        """A future of this loop."""
        return asyncio.Future(loop=self)

    def get_task_factory(self) -> None:
        """None: tasks are `asyncio.Task`."""

    def create_task(self, coro: Any, **options: Any) -> asyncio.Task[Any]:
        """A task of this loop."""
        return asyncio.Task(coro, loop=self, **options)

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Schedule a call for the next step."""
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_soon_threadsafe(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Schedule a call for the next step, as `call_soon` does."""
        return self.call_soon(callback, *args, context=context)

    def call_later(
        self,
        delay: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Schedule a call for when `delay` seconds have passed on the clock."""
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Schedule a call for the time `when` of the clock, in seconds."""
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, timer)
        return timer

    def _timer_handle_cancelled(self, timer: asyncio.TimerHandle) -> None:
        """Remove a cancelled timer, so that no tick is scheduled for it."""
        # Not `remove`: that could take another timer, as timers of the same time are equal.
        self._timers = [other for other in self._timers if other is not timer]
        heapq.heapify(self._timers)

    def run_in_executor(
        self, executor: Any, func: Callable[[*Ts], Result], *args: *Ts
    ) -> asyncio.Future[Result]:
        """The result of a function that asyncio would run in a thread; it is called at once."""
        future: asyncio.Future[Result] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Log an exception that no code has caught; what a test left unfinished is not reported."""
        if "exception" in context:
            _LOG.error("%s", context["message"], exc_info=context["exception"])
