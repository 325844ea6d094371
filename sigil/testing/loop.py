"""asyncio made of memory: coroutines of the program behind the server, stepped by the test, timed
by its clock.

Theory: a coroutine needs little of a loop: to be called soon, to be called at a time, and a clock.
With a clock that a test turns, `asyncio.sleep(3600)` is over as soon as the test says so, and
nothing depends on the machine.

Rules: no sockets, no threads, no waiting: what asyncio would give to a thread (`asyncio.to_thread`)
is called at once, and what would wait for a network is not there, which is a `NotImplementedError`.
One step runs what is ready and no more, so that a coroutine that never rests is noticed by whoever
steps. It does not know what is run.
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
"""Steps that coroutines have for their `finally`, when the server has ended."""


class Loop(asyncio.AbstractEventLoop):
    """An event loop that does nothing by itself."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[asyncio.TimerHandle] = []
        self._tasks: set[asyncio.Task[None]] = set()

    # -- for the server ----------------------------------------------------------------------------

    def spawn(
        self, awaitable: Awaitable[object], deferred: Deferred | None
    ) -> Callable[[], object]:
        """Run a coroutine from the next step on; how to cancel it. What comes of it goes to
        `deferred`.
        """
        task: asyncio.Task[None] = self.create_task(run_and_deliver(awaitable, deferred))
        if deferred is not None:  # without one it is the closing of a stream, which is let finish
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            task.add_done_callback(
                lambda _: deferred.fail(asyncio.CancelledError())
            )  # if it never began
        return task.cancel

    @property
    def has_work(self) -> bool:
        """True if a step would run anything at this time."""
        return bool(self._ready) or (bool(self._timers) and self._timers[0].when() <= self._clock())

    def next_timer(self) -> float | None:
        """When something is to be run that is not ready yet; None if there is nothing."""
        return self._timers[0].when() if self._timers else None

    def run_once(self) -> None:
        """Run what is ready at this time, and not what that makes ready."""
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
        """Cancel what is still under way, for nobody waits for it, and let it clean up."""
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
        """False: asyncio's debugging is about time that has really passed."""
        return False

    def is_running(self) -> bool:
        """True while something is run."""
        return events._get_running_loop() is self

    def is_closed(self) -> bool:
        """False: there is nothing to be closed."""
        return False

    def create_future(self) -> asyncio.Future[Any]:
        """A future of this loop."""
        return asyncio.Future(loop=self)

    def get_task_factory(self) -> None:
        """None: tasks are made as asyncio makes them."""

    def create_task(self, coro: Any, **options: Any) -> asyncio.Task[Any]:
        """A task of this loop."""
        return asyncio.Task(coro, loop=self, **options)

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Have something called in the next step."""
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_soon_threadsafe(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """The same; may be called from any thread."""
        return self.call_soon(callback, *args, context=context)

    def call_later(
        self,
        delay: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Have something called when the test has let so many seconds pass."""
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Have something called at a time on the test's clock."""
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, timer)
        return timer

    def _timer_handle_cancelled(self, timer: asyncio.TimerHandle) -> None:
        """A timer that was cancelled is no reason to look at the clock."""
        self._timers = [
            other for other in self._timers if other is not timer
        ]  # timers may be equal
        heapq.heapify(self._timers)

    def run_in_executor(
        self, executor: Any, func: Callable[[*Ts], Result], *args: *Ts
    ) -> asyncio.Future[Result]:
        """What a thread would do, done at once."""
        future: asyncio.Future[Result] = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Something that was raised has nobody to go to but the log; what a test has left
        unfinished is no news.
        """
        if "exception" in context:
            _LOG.error("%s", context["message"], exc_info=context["exception"])
