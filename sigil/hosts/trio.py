"""A server, or a client, inside trio, which may itself be a guest of another loop.

    trio.run(sigil.hosts.trio.serve, server)

Theory: trio waits for the descriptor, no longer than until the deadline, and a nursery has the
coroutines of handlers, callbacks and streams: each is a task of its own, with a cancel scope for
the moment in which its client leaves.

Rules: cancelling the wait ends the server at once, and the tasks with it. It is an ordinary trio
function, so it runs in `trio.run` and in a guest run alike. What a task is cancelled by reaches the
server as a cancellation, and is nobody's failure.
"""

from asyncio import CancelledError
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from math import inf
from typing import Any

from sigil import Deferred, HttpServer

from .hosting import Hosted, begin, end_now, is_running, let_go, seconds_left

EXIT_EXCEPTIONS = (KeyboardInterrupt, SystemExit)
CLOSING_SECONDS = 10.0
"""How long callbacks of connections that have ended, and streams that are being closed, are waited
for at the end.
"""


async def serve(server: Hosted, *, task_status: Any = None) -> None:
    """Serve until the server has stopped, or the client was closed, or this is cancelled; OSError
    if it cannot listen, RuntimeError if something else drives it.

    `await nursery.start(serve, server)` returns when it listens.
    """
    import trio

    failure: BaseException | None = None
    descriptor = begin(server)
    try:
        async with trio.open_nursery() as nursery:
            tasks = Tasks(nursery)
            if isinstance(server, HttpServer):
                server._set_spawn(tasks.spawn, in_asyncio=False)
            if task_status is not None:
                task_status.started(server)
            try:
                await _tick(server, descriptor)
            except (Exception, *EXIT_EXCEPTIONS) as error:
                failure = error  # as it is, not in the group that a nursery makes
            finally:
                end_now(server)
                tasks.end()
                nursery.cancel_scope.cancel()
    finally:
        if isinstance(server, HttpServer):
            server._set_spawn(None)
        let_go(server)
    if failure is not None:
        raise failure


async def _tick(server: Hosted, descriptor: int) -> None:
    """Tick whenever there is reason to, until the server has stopped."""
    import trio

    with _closing_wakes(server, descriptor):
        while is_running(server):
            seconds = seconds_left(server)
            with (
                suppress(trio.ClosedResourceError),
                trio.move_on_after(inf if seconds is None else seconds),
            ):
                await trio.lowlevel.wait_readable(descriptor)
            server.tick(0.0)


@contextmanager
def _closing_wakes(server: Hosted, descriptor: int) -> Iterator[None]:
    """Whoever closes a client in here ends the wait for its descriptor."""
    import trio

    before_close = getattr(server, "_set_before_close", None)
    if before_close is None:  # a server ends in its own time
        yield
        return
    before_close(lambda: trio.lowlevel.notify_closing(descriptor))
    try:
        yield
    finally:
        before_close(None)


class Tasks:
    """Coroutines of user code, as tasks of a nursery, which only the server cancels: whoever
    cancels `serve` ends the server first, and with it what they work for.
    """

    def __init__(self, nursery: Any) -> None:
        self._nursery = nursery
        self._scopes: dict[Any, bool] = {}
        """The scope of each, and whether it is a closing: of a stream, or a callback of an end."""
        self._give_up_at = inf

    def spawn(
        self, awaitable: Awaitable[object], deferred: Deferred | None
    ) -> Callable[[], object]:
        """What cancels the task in which this now runs; without a `deferred` it is a closing."""
        import trio

        scope = trio.CancelScope(shield=True)
        scope.deadline = self._give_up_at
        self._scopes[scope] = deferred is None
        self._nursery.start_soon(self._run, awaitable, deferred or Deferred(), scope)
        return scope.cancel

    async def _run(self, awaitable: Awaitable[object], deferred: Deferred, scope: Any) -> None:
        result: object = CancelledError()
        try:
            with scope:
                result = await awaitable
        except Exception as error:
            result = error
        finally:
            del self._scopes[scope]
            deferred.complete(result)

    def end(self) -> None:
        """Cancel all but closings, which are waited for no longer than `CLOSING_SECONDS`."""
        import trio

        self._give_up_at = trio.current_time() + CLOSING_SECONDS
        for scope, is_closing in self._scopes.items():
            scope.deadline = self._give_up_at
            if not is_closing:
                scope.cancel()
