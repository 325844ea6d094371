"""A server inside asyncio (or any loop with its interface, such as uvloop).

Theory: the server needs two things of a host loop: to be ticked when its one descriptor is
readable, and at its next deadline. Both are ordinary calls of asyncio, so the server stays what it
is, and several fit into one loop.

Rules: everything happens on the loop's thread. Handlers may be `async def`: their coroutines become
tasks, and the results are delivered like any late response. Cancelling the wait ends the server at
once. It does not know HTTP, nor how a tick works.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine

from ..program.deferred import Deferred
from ..program.host import InLoop
from ..program.tracebacks import SecondSignal

CLOSING_SECONDS = 10.0
"""How long callbacks of connections that have ended, and streams that are being closed, are waited
for at the end.
"""


class AsyncioHost:
    """What asyncio does for one server."""

    def __init__(self, server: InLoop, loop: asyncio.AbstractEventLoop) -> None:
        self._server = server
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.closings: set[asyncio.Task[None]] = set()
        """Tasks that are waited for: streams being closed, what was cancelled, callbacks of an
        end.
        """
        self.ended: asyncio.Future[None] = loop.create_future()
        self._ticks_soon = False
        """A tick is scheduled behind what the loop does now."""

    def begin(self) -> None:
        """Listen, and tick whenever there is reason to."""
        self._server._set_spawn(self.spawn)
        try:
            self._server.listen()
        except BaseException:
            self._server._set_spawn(None)
            raise
        self._descriptor = self._server.fileno()
        self._loop.add_reader(self._descriptor, self.tick)
        self._server._set_wake(self.wake_here)
        self.tick()

    def wake_here(self) -> bool:
        """Have a tick behind what the loop does now, if this is called by a task of it; False if
        not: a signal handler may interrupt a loop that waits, which only the descriptor ends.
        """
        if asyncio._get_running_loop() is not self._loop or asyncio.current_task() is None:
            return False
        if not self._ticks_soon:
            self._ticks_soon = True
            self._loop.call_soon(self._tick_soon)
        return True

    def _tick_soon(self) -> None:
        self._ticks_soon = False
        if not self.ended.done():
            self.tick()

    def tick(self) -> None:
        """Tick once, and schedule the next tick that no descriptor causes."""
        try:
            self._server.tick(0.0)
        except BaseException as error:
            # user code raised it to end the program: it leaves the loop the way it came
            self._server._stop_now()
            self._end(error)
            # whoever awaits the server learns of it, also that its handler could not start
            if isinstance(error, SecondSignal | Exception):
                return
            raise
        if not self._server.running:
            self._end(None)
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        deadline = self._server.next_deadline()
        if deadline is not None:
            delay = max(0.0, deadline - time.monotonic())
            self._timer = self._loop.call_later(delay, self.tick)

    def spawn(
        self, awaitable: Awaitable[object], deferred: Deferred | None
    ) -> Callable[[], object]:
        """What cancels the task in which an asynchronous handler, or one chunk of an asynchronous
        stream, now runs.

        Without a `deferred` it is the closing of a stream, or a callback of an end: it may finish.
        """
        task = self._loop.create_task(run_and_deliver(awaitable, deferred))
        tasks = self.closings if deferred is None else self._tasks
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        task.add_done_callback(lambda task: end_unbegun(task, awaitable, deferred))
        return task.cancel if deferred is None else lambda: self._cancel(task)

    def _cancel(self, task: asyncio.Task[None]) -> None:
        """Cancel a task whose result nobody wants; it has ended when it has cleaned up."""
        if not task.done():
            self.closings.add(task)
            task.add_done_callback(self.closings.discard)
            task.cancel()

    def _end(self, error: BaseException | None) -> None:
        """Leave the loop, and cancel handlers that are still running: nobody waits for them."""
        self._server._set_wake(None)
        self._loop.remove_reader(self._descriptor)
        if self._timer is not None:
            self._timer.cancel()
        for task in tuple(self._tasks):
            self._cancel(task)
        if self.ended.done():
            return
        if error is None:
            self.ended.set_result(None)
        else:
            self.ended.set_exception(error)

    async def finish(self) -> None:
        """Wait for the closing tasks, and for those they cause, up to `CLOSING_SECONDS`."""
        give_up_at = self._loop.time() + CLOSING_SECONDS
        while self.closings and self._loop.time() < give_up_at:
            await asyncio.wait(self.closings, timeout=give_up_at - self._loop.time())
        for task in tuple(self.closings):
            task.cancel()
        self._server._set_spawn(None)

    def stop_now(self) -> None:
        """End the server within this call."""
        self._server._stop_now()
        self._end(None)


def end_unbegun(
    task: asyncio.Task[None], awaitable: Awaitable[object], deferred: Deferred | None
) -> None:
    """A task that is cancelled before it begins never completes its deferred, and its coroutine
    would warn that nobody has awaited it.
    """
    if not task.cancelled():
        return
    if isinstance(awaitable, Coroutine):
        awaitable.close()
    if deferred is not None:
        deferred.complete(asyncio.CancelledError())


async def run_and_deliver(awaitable: Awaitable[object], deferred: Deferred | None) -> None:
    """Await what user code returned, and deliver its result or exception."""
    deferred = deferred or Deferred()
    try:
        result = await awaitable
    except Exception as error:
        deferred.complete(error)
    except BaseException as error:  # cancelled, or meant to end the program
        deferred.complete(error)
        if not isinstance(error, SecondSignal):  # the server ends, and the loop with it
            raise
    else:
        deferred.complete(result)


async def serve(server: InLoop) -> None:
    """Serve inside the running loop until the server has stopped, or until this is cancelled;
    RuntimeError if something else serves.
    """
    server._begin_serving("http_server_serve")
    try:
        await serve_with(AsyncioHost(server, asyncio.get_running_loop()))
    finally:
        server._end_serving()


async def serve_with(host: AsyncioHost) -> None:
    """Serve with a host of the running loop, which may have coroutines already."""
    host.begin()
    try:
        await host.ended
    except asyncio.CancelledError:
        host.stop_now()
        raise
    finally:
        await host.finish()
