"""A server inside asyncio (or any loop with its interface, such as uvloop).

Theory: the server needs two things of a host loop: to be ticked when its one descriptor is
readable, and at its next deadline. Both are ordinary calls of asyncio, so the server stays what it
is, and several fit into one loop.

Rules: everything happens on the loop's thread. Handlers may be `async def`: their coroutines become
tasks whose results are delivered like any late answer. Cancelling the wait ends the server at once.
It does not know HTTP, nor how a tick works.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from ..program.deferred import Deferred

if TYPE_CHECKING:
    from ..server import HttpServer


CLOSING_SECONDS = 10.0
"""How long callbacks of connections that have ended, and streams that are being closed, are waited
for at the end.
"""


class _Host:
    """What asyncio does for one server."""

    def __init__(self, server: "HttpServer", loop: asyncio.AbstractEventLoop) -> None:
        self._server = server
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.closings: set[asyncio.Task[None]] = set()
        """What is let come to its end: streams being closed, what was cancelled, callbacks that
        tell of an end.
        """
        self.ended: asyncio.Future[None] = loop.create_future()

    def begin(self) -> None:
        """Listen, and tick whenever there is reason to."""
        self._server.listen()
        self._server.set_spawn(self.spawn)
        self._descriptor = self._server.fileno()
        self._loop.add_reader(self._descriptor, self.tick)
        self.tick()

    def tick(self) -> None:
        """One tick, and an appointment for the next one that is not caused by a descriptor."""
        try:
            self._server.tick(0.0)
        except (
            BaseException
        ) as error:  # out of user code on purpose: it leaves the loop the way it came
            self._server.stop_now()
            self._end(error)
            raise
        if not self._server.running:
            self._end(None)
            return
        if self._timer is not None:
            self._timer.cancel()
        deadline = self._server.next_deadline()
        self._timer = (
            None
            if deadline is None
            else self._loop.call_later(max(0.0, deadline - time.monotonic()), self.tick)
        )

    def spawn(
        self, awaitable: Awaitable[object], deferred: Deferred | None
    ) -> Callable[[], object]:
        """Run an asynchronous handler, or one piece of an asynchronous stream, as a task; how to
        cancel it.

        Without a `deferred` it is the closing of a stream, which is let finish.
        """
        task = self._loop.create_task(run_and_deliver(awaitable, deferred))
        tasks = self.closings if deferred is None else self._tasks
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        if deferred is None:
            return task.cancel
        task.add_done_callback(
            lambda _: deferred.settle(asyncio.CancelledError())
        )  # if it never began
        return lambda: self._cancel(task)

    def _cancel(self, task: asyncio.Task[None]) -> None:
        """Nobody wants what a task was to give: it is over when it has cleaned up."""
        if not task.done():
            self.closings.add(task)
            task.add_done_callback(self.closings.discard)
            task.cancel()

    def _end(self, error: BaseException | None) -> None:
        """Let go of the loop; handlers that are still running are cancelled, for nobody waits for
        them.
        """
        self._loop.remove_reader(self._descriptor)
        if self._timer is not None:
            self._timer.cancel()
        for task in tuple(self._tasks):
            self._cancel(task)
        if not self.ended.done():
            self.ended.set_exception(error) if error is not None else self.ended.set_result(None)

    async def finish(self) -> None:
        """Wait for what has to come to its end, for a while; what it brings about has to as well."""
        give_up_at = self._loop.time() + CLOSING_SECONDS
        while self.closings and self._loop.time() < give_up_at:
            await asyncio.wait(self.closings, timeout=give_up_at - self._loop.time())
        for task in tuple(self.closings):
            task.cancel()
        self._server.set_spawn(None)

    def stop_now(self) -> None:
        """End the server within this call."""
        self._server.stop_now()
        self._end(None)


async def run_and_deliver(awaitable: Awaitable[object], deferred: Deferred | None) -> None:
    """Await what user code gave us, and deliver what comes of it, whatever that is."""
    deferred = deferred or Deferred()
    try:
        result = await awaitable
    except Exception as error:
        deferred.settle(error)
    except BaseException as error:  # cancelled, or out of user code on purpose
        deferred.settle(error)
        raise
    else:
        deferred.settle(result)


async def http_server_serve(server: "HttpServer") -> None:
    """Serve inside the running asyncio loop until `server.stop()`; cancelling this ends the server
    at once.

    Handlers may be `async def`. OSError if the server cannot listen. No signal handlers are
    installed.
    """
    host = _Host(server, asyncio.get_running_loop())
    host.begin()
    try:
        await host.ended
    except asyncio.CancelledError:
        host.stop_now()
        raise
    finally:
        await host.finish()
