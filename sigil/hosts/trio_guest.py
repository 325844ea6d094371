"""The other way round: trio as the guest of a server's own loop.

    sigil.hosts.trio_guest.run(server, main)

Theory: trio can run on top of any loop that lets other threads have a function called, which is
what `wake` and a queue are. So a program that serves by ticks, as games and simulators do, has
trio's tasks between its ticks.

Rules: it returns what `main` returns, or raises what that raises. When `main` has ended the server
is stopped, and when the server has ended first `main` is cancelled. All of it happens on this
thread.
"""

from collections.abc import Awaitable, Callable
from queue import SimpleQueue
from typing import Any

from sigil import HttpServer

from .hosting import begin, end_now


def run(
    server: HttpServer, main: Callable[..., Awaitable[object]], *args: object, grace: float = 0.0
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
        server.stop(grace)

    begin(server)
    trio.lowlevel.start_guest_run(
        cancellable, run_sync_soon_threadsafe=call_soon, done_callback=end
    )
    try:
        while server.running or not outcomes:
            if server.running:
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
