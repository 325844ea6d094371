"""The other way round: trio as the guest of a server's own loop.

    sigil.hosts.trio_guest.run(server, main)

Theory: trio can run on top of any loop that lets other threads have a function called, which is
what `wake` and a queue are. So a program that serves by ticks, as games and simulators do, has
trio's tasks between its ticks. Those of handlers, callbacks and streams are among them: trio is
asked for each by its token, since a tick is no task.

Rules: it returns what `main` returns, or raises what that raises. When `main` has ended the server
is stopped, or the client in its place closed, and when that has ended first `main` is cancelled.
The tasks of handlers last as long as the server. All of it happens on this thread.
"""

from collections.abc import Awaitable, Callable
from queue import SimpleQueue
from typing import Any, Protocol

from sigil import Deferred, HttpServer

from .hosting import Hosted, begin, begin_end, end_now, is_running
from .trio import EXIT_EXCEPTIONS, Tasks


class Waking(Hosted, Protocol):
    """A server or a client."""

    def tick(self, timeout: float | None, /) -> bool:
        """Do what there is to do, waiting for it as long as it takes if that is None."""

    def wake(self) -> None:
        """End the wait of a tick, from whatever thread."""


def run(
    server: Waking, main: Callable[..., Awaitable[object]], *args: object, grace: float = 0.0
) -> Any:
    """What the trio function `main(*args)` returns, run as a guest of the server, which listens
    from now on; behind that the server has ended, for which it has `grace` seconds. OSError if it
    cannot listen, RuntimeError if something else drives it.
    """
    import trio

    guest = _Guest(server, grace)
    begin(server, "run")
    trio.lowlevel.start_guest_run(
        guest.run, main, args, run_sync_soon_threadsafe=guest.call_soon, done_callback=guest.end
    )
    try:
        guest.wait_until_begun()
        guest.take_turns()
    finally:
        end_now(server)
        guest.wait_for_end()
        if isinstance(server, HttpServer):
            server._set_spawn(None)
    return guest.outcomes[0].unwrap()


class _Guest:
    """What trio runs, and the calls by which it has its turns."""

    def __init__(self, server: Waking, grace: float) -> None:
        import trio

        self._server, self._grace = server, grace
        self._calls: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self._scope = trio.CancelScope()
        self._has_ended = trio.Event()
        """The server has ended."""
        self._token: Any = None
        self.outcomes: list[Any] = []

    # -- what trio runs ----------------------------------------------------------------------------

    async def run(self, main: Callable[..., Awaitable[object]], args: tuple[object, ...]) -> object:
        """What `main` returns, and the tasks of handlers until the server has ended."""
        import trio

        failure: BaseException | None = None
        result: object = None
        async with trio.open_nursery() as nursery:
            tasks = Tasks(nursery)
            if isinstance(self._server, HttpServer):
                self._server._set_spawn(self._spawn_by(tasks), in_asyncio=False)
            self._token = trio.lowlevel.current_trio_token()
            try:
                with self._scope:
                    result = await main(*args)
            except (Exception, *EXIT_EXCEPTIONS) as error:
                failure = error  # as it is, not in the group that a nursery makes
            begin_end(self._server, self._grace)
            await self._has_ended.wait()
            tasks.end()
            nursery.cancel_scope.cancel()
        if failure is not None:
            raise failure
        return result

    def _spawn_by(
        self, tasks: Tasks
    ) -> Callable[[Awaitable[object], Deferred | None], Callable[[], object]]:
        """What has trio begin a task, and returns what has it cancelled."""

        def spawn(awaitable: Awaitable[object], deferred: Deferred | None) -> Callable[[], object]:
            cancels: list[Callable[[], object]] = []
            self._token.run_sync_soon(lambda: cancels.append(tasks.spawn(awaitable, deferred)))
            return lambda: self._token.run_sync_soon(lambda: cancels[0]())

        return spawn

    # -- its turns ---------------------------------------------------------------------------------

    def call_soon(self, function: Callable[[], object]) -> None:
        """Call this between two ticks; from whatever thread."""
        self._calls.put(function)
        self._server.wake()

    def end(self, outcome: Any) -> None:
        """Nothing is left to run."""
        self.outcomes.append(outcome)

    def wait_until_begun(self) -> None:
        """Let trio begin, so that it can be asked for tasks."""
        while self._token is None and not self.outcomes:
            self._calls.get()()

    def take_turns(self) -> None:
        """Tick, and call what trio wants to have called, until the server has ended."""
        while is_running(self._server) and not self.outcomes:
            self._server.tick(None)
            while not self._calls.empty():
                self._calls.get()()

    def wait_for_end(self) -> None:
        """Let `main` end, and the tasks of handlers, since the server has ended."""
        if self._token is not None and not self.outcomes:
            self._scope.cancel()
            self._token.run_sync_soon(self._has_ended.set)
        while not self.outcomes:
            self._calls.get()()
