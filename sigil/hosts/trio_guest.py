"""The other way round: trio as the guest of a server's own loop.

    sigil.hosts.trio_guest.run(server, main)

Theory: trio can run on top of any loop that lets other threads have a function called, which is
what `wake` and a queue are. So a program that serves by ticks, as games and simulators do, has
trio's tasks between its ticks.

Rules: it returns what `main` returns, or raises what that raises. When `main` has ended the server
is stopped, or the client in its place closed, and when that has ended first `main` is cancelled.
All of it happens on this thread.
"""

from collections.abc import Awaitable, Callable
from queue import SimpleQueue
from typing import Any, Protocol

from .hosting import Hosted, begin, begin_end, end_now, is_running


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
    cannot listen.
    """
    import trio

    calls: SimpleQueue[Callable[[], object]] = SimpleQueue()
    outcomes: list[Any] = []
    scope = trio.CancelScope()

    async def cancellable() -> object:
        with scope:
            return await main(*args)
        return None

    def call_soon(function: Callable[[], object]) -> None:
        calls.put(function)
        server.wake()

    def end(outcome: Any) -> None:
        outcomes.append(outcome)
        begin_end(server, grace)

    begin(server)
    trio.lowlevel.start_guest_run(
        cancellable, run_sync_soon_threadsafe=call_soon, done_callback=end
    )
    try:
        while is_running(server) or not outcomes:
            if is_running(server):
                server.tick(None)
            else:
                scope.cancel()
                calls.get()()
            while not calls.empty():
                calls.get()()
    except BaseException:
        scope.cancel()
        while not outcomes:
            calls.get()()
        raise
    finally:
        end_now(server)
    return outcomes[0].unwrap()
