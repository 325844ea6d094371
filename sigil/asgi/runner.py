"""Where an application runs: in the loop that serves, or in a loop in a thread of its own.

Theory: inside `http_server_serve` there is a loop already, and a request is a task of it, which is
begun in the very call of the handler. Elsewhere the server is driven by a thread that has no loop,
or by a game, so the application gets a thread with one. All that differs is how one side has
something done by the other: `post` from the server to the application, `call` from the application
to the server; in one thread both are plain calls.

Rules: what is posted is done in its order, and a loop that is busy is woken once for all of it. It
does not know what is run.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Protocol

from sigil import Deferred, HttpServer, Response

from .eager import starter

Result = Response | Deferred


class Call(Protocol):
    """One call of the application, and what it answers."""

    def run(self) -> Coroutine[Any, Any, None]:
        """The coroutine that calls the application."""

    def promise(self) -> Deferred:
        """The promise of the response."""

    def result(self) -> Result:
        """The response if there is one, or the promise of it; raises what it has failed with."""


class Runner:
    """What both have in common: the tasks, and how they are ended."""

    def __init__(self, server: HttpServer) -> None:
        self.server = server
        self.tasks: set[asyncio.Task[None]] = set()
        self.loop: asyncio.AbstractEventLoop

    def post(self, function: Callable[..., object], *args: object) -> None:
        """Have the application's side do this: on the thread of the server."""
        raise NotImplementedError

    def call(self, function: Callable[..., object], *args: object) -> None:
        """Have the server's side do this: on the thread of the application."""
        raise NotImplementedError

    def serve(self, exchange: Call) -> Result:
        """Begin a call of the application; what the handler returns."""
        raise NotImplementedError

    def keep(self, task: "asyncio.Task[None]") -> None:
        """Hold a task until it is done."""
        self.tasks.add(task)
        task.add_done_callback(self._let_go)

    def _let_go(self, task: "asyncio.Task[None]") -> None:
        """Let go of a task that is done; what it has raised is known to its call."""
        self.tasks.discard(task)
        if not task.cancelled():
            task.exception()

    async def drain(self, grace: float) -> None:
        """Wait for all tasks, and cancel those that take longer than `grace` seconds."""
        if self.tasks:
            await asyncio.wait(set(self.tasks), timeout=grace)
        for task in tuple(self.tasks):
            task.cancel()
        if self.tasks:
            await asyncio.wait(set(self.tasks), timeout=grace)


class HostRunner(Runner):
    """The application runs in the loop that serves."""

    def __init__(self, server: HttpServer) -> None:
        super().__init__(server)
        self.loop = asyncio.get_running_loop()
        self._starter = starter(self.loop)

    def post(self, function: Callable[..., object], *args: object) -> None:
        """Do it: it is one thread."""
        function(*args)

    def call(self, function: Callable[..., object], *args: object) -> None:
        """Do it."""
        function(*args)

    def serve(self, exchange: Call) -> Result:
        """The response, if the application has answered without waiting."""
        if asyncio._get_running_loop() is self.loop:
            task = self._starter.start(exchange.run())
        else:  # in memory, where it runs between two ticks
            task = self.loop.create_task(exchange.run())
        if task is not None:
            self.keep(task)
        return exchange.result()

    async def drain(self, grace: float) -> None:
        """Wait for all tasks, and cancel those that take longer than `grace` seconds."""
        self._starter.close()
        await super().drain(grace)


class ThreadRunner(Runner):
    """The application runs in a loop in a thread of its own."""

    def __init__(self, server: HttpServer) -> None:
        super().__init__(server)
        self._posted: deque[tuple[Callable[..., object], tuple[object, ...]]] = deque()
        self._is_woken = False
        self._thread_loop: asyncio.AbstractEventLoop | None = None
        """The loop, once it runs."""
        self._main: asyncio.Task[None] | None = None
        self._stopping: asyncio.Event | None = None
        """Set when the application is to end; None before it has started."""
        self._ended = Deferred()

    def start(
        self,
        startup: Callable[[], Coroutine[Any, Any, None]],
        shutdown: Callable[[], Coroutine[Any, Any, None]],
    ) -> Deferred:
        """Start the thread; the promise that what starts the application has come to its end."""
        started = Deferred()

        async def main() -> None:
            self._main = asyncio.current_task()
            self.loop = self._thread_loop = asyncio.get_running_loop()
            self._do_posted()
            try:
                await startup()
            except BaseException as error:
                started.fail(error)
                return
            self._stopping = asyncio.Event()
            started.resolve(None)
            await self._stopping.wait()
            await shutdown()

        def run() -> None:
            try:
                with asyncio.Runner() as runner:
                    runner.run(main())
            except asyncio.CancelledError:
                self._ended.resolve(None)
            except BaseException as error:
                if not started.fail(error):  # it has ended in the middle: nobody would be answered
                    self.server.stop(0.0)
                self._ended.fail(error)
            else:
                self._ended.resolve(None)

        name = f"sigil.asgi:{self.server.port}"
        threading.Thread(target=run, name=name, daemon=True).start()
        return started

    def stop(self) -> Deferred:
        """End the application; the promise that the thread has ended. When nobody waits for that
        any more, everything is cancelled.
        """
        self._ended.on_cancel(lambda: self.post(self._cancel))
        self.post(self._stop)
        return self._ended

    def _stop(self) -> None:
        if self._stopping is None:
            self._cancel()
        else:
            self._stopping.set()

    def _cancel(self) -> None:
        if self._main is not None:
            self._main.cancel()

    def post(self, function: Callable[..., object], *args: object) -> None:
        """Have it done by the loop, which is woken unless it was."""
        self._posted.append((function, args))
        loop = self._thread_loop
        if self._is_woken or loop is None:  # it looks when it begins
            return
        self._is_woken = True
        with suppress(RuntimeError):  # the loop has ended: nobody is left to be told
            loop.call_soon_threadsafe(self._do_posted)

    def _do_posted(self) -> None:
        """Do what was posted, and what is posted meanwhile."""
        self._is_woken = False  # first: what is posted from here on wakes it again
        for _ in range(len(self._posted)):
            function, args = self._posted.popleft()
            try:
                function(*args)
            except Exception as error:
                context = {"message": "sigil.asgi: a callback raised", "exception": error}
                self.loop.call_exception_handler(context)

    def call(self, function: Callable[..., object], *args: object) -> None:
        """Have it done by the next tick."""
        self.server.call_soon(function, *args)

    def serve(self, exchange: Call) -> Result:
        """The promise of a response."""
        later = exchange.promise()
        self.post(self._start, exchange)
        return later

    def _start(self, exchange: Call) -> None:
        self.keep(self.loop.create_task(exchange.run()))
