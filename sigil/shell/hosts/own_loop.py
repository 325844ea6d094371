"""An asyncio loop for a server that serves by itself, made when the first coroutine needs one.

Theory: where a server drives itself (`start`, or in a thread of its own) there is room for one
loop, and it may as well be asyncio's: then handlers, callbacks and streams may be coroutines there
too. But asyncio is a third of the memory of a program that has no other use for it, and ticks by it
cost more. So the server begins with its own loop, and goes over to asyncio's between two ticks,
behind the one in which user code has returned the first coroutine.

Rules: it does not go back. Where a loop of asyncio runs on this thread already there can be no
other, and coroutines are refused as ever. It does not know what the coroutines do.
"""

import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from ..program.deferred import Deferred
from ..program.host import InLoop

if TYPE_CHECKING:
    from asyncio import Runner

    from .asyncio_host import AsyncioHost


class OwnLoop:
    """The loop of asyncio that a server has of its own, once it needs one."""

    def __init__(self, server: InLoop) -> None:
        self._server = server
        self._runner: Runner | None = None
        self._host: AsyncioHost | None = None
        asyncio = sys.modules.get("asyncio")
        if asyncio is None or asyncio._get_running_loop() is None:
            server._set_spawn(self.spawn, in_asyncio=False)

    @property
    def has_begun(self) -> bool:
        """True once there is a coroutine to run."""
        return self._host is not None

    def spawn(
        self, awaitable: Awaitable[object], deferred: Deferred | None
    ) -> Callable[[], object]:
        """What cancels a coroutine, which runs as soon as the loop does."""
        if self._host is None:
            from asyncio import Runner

            from .asyncio_host import AsyncioHost

            self._runner = Runner()
            self._host = AsyncioHost(self._server, self._runner.get_loop())
            self._server.wake()  # the tick that has called this is not to wait
        return self._host.spawn(awaitable, deferred)

    def run(self) -> None:
        """Serve in the loop of asyncio until the server has stopped."""
        from .asyncio_host import serve_with

        assert self._runner is not None and self._host is not None
        # not its own `run`, which would change what signals do
        self._runner.get_loop().run_until_complete(serve_with(self._host))

    def close(self) -> None:
        """Run no coroutine any more; tasks of the program's own are cancelled."""
        self._server._set_spawn(None)
        if self._runner is not None:
            self._runner.close()
