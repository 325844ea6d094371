"""A client inside asyncio: ticked when its descriptor is readable, and at its next deadline.

Theory: as with a server, the client needs two things of a loop, and stays what it is.

Rules: everything happens on the loop's thread. A loop that is closed takes nothing from the client
but its ticks. It does not know what a tick does.
"""

import sys
from typing import TYPE_CHECKING

from .loop import ClientLoop

if TYPE_CHECKING:
    import asyncio


class AsyncioHost:
    """What asyncio does for one client."""

    def __init__(self, client: ClientLoop, loop: "asyncio.AbstractEventLoop") -> None:
        self._client = client
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at: float | None = None
        self._descriptor = client.fileno()
        loop.add_reader(self._descriptor, self._tick)
        client.after_run = self._schedule
        self._schedule()

    @property
    def is_over(self) -> bool:
        """True if the loop is closed."""
        return self._loop.is_closed()

    def _tick(self) -> None:
        """Tick once, and schedule the next tick that no descriptor causes."""
        if self._client.is_closed:
            self.end()
            return
        self._client.tick(0.0)
        self._schedule()

    def _schedule(self) -> None:
        """Tick again at the next deadline: a timer that is too early is left as it is."""
        at = self._client.next_deadline()
        if at is None or (self._timer_at is not None and self._timer_at <= at):
            return
        if self._timer is not None:
            self._timer.cancel()
        delay = max(0.0, at - self._client.clock())
        self._timer, self._timer_at = self._loop.call_later(delay, self._at_deadline), at

    def _at_deadline(self) -> None:
        self._timer = self._timer_at = None
        self._tick()

    def end(self) -> None:
        """Tick no more."""
        self._client.after_run = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = self._timer_at = None
        if not self._loop.is_closed():
            self._loop.remove_reader(self._descriptor)


def begin_here(client: ClientLoop) -> AsyncioHost | None:
    """Have the loop that runs in this thread tick a client; None if none runs."""
    asyncio = sys.modules.get("asyncio")
    loop = None if asyncio is None else asyncio._get_running_loop()
    return None if loop is None else AsyncioHost(client, loop)
