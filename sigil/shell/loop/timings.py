"""How long user code keeps the loop, and how long nobody looks at the sockets: two clocks that run
only where somebody asked for them.

Theory: a server that is slow is mostly a handler that blocks, or a host loop that does something
else. Both are seen from outside the core: the time of each call is measured anyway, to log what is
slow, and the time from one look at the sockets to the next is that between two calls of the poller.
So whoever wants a histogram of them hangs one at each of these two places.

Rules: what nobody observes costs nothing. A server is observed once, however many ask. A histogram
is some numbers that only grow, so it is read at any time, and two readings are subtracted. It does
not know how they are written.
"""

from bisect import bisect_left
from collections.abc import Callable
from typing import Any, Protocol

from ...core.effects import AskBody, BodyPiece, Handle, HandlePieces
from ...core.views.metrics import Histogram
from .engine import Engine
from .poller import Poller

BOUNDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0,
          2.5, 5.0, 10.0)  # fmt: skip
"""Upper bounds of the buckets, in seconds: from what nobody notices to what everybody does."""
_OF_A_HANDLER = frozenset((Handle, HandlePieces, AskBody, BodyPiece))


class Counted:
    """Durations by bucket."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        """Count a duration."""
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds

    def read(self) -> Histogram:
        """All that was counted, as a value."""
        return Histogram(BOUNDS, tuple(self.counts), self.total)


class Timings:
    """What is observed of one server."""

    def __init__(self) -> None:
        self.handlers, self.callbacks, self.lag = Counted(), Counted(), Counted()
        self.poller: Poller | None = None
        """The one that is observed."""

    def add_call(self, work: object, seconds: float) -> None:
        """Count a call of user code."""
        (self.handlers if type(work) in _OF_A_HANDLER else self.callbacks).add(seconds)


class TimedKernel:
    """What watches descriptors, and is asked when it was looked at last."""

    def __init__(self, kernel: Any, clock: Callable[[], float], lag: Counted) -> None:
        self._kernel, self._clock, self._lag = kernel, clock, lag
        self._looked_at: float | None = None
        self.register, self.modify = kernel.register, kernel.modify
        self.unregister, self.close = kernel.unregister, kernel.close
        if hasattr(kernel, "fileno"):
            self.fileno = kernel.fileno

    def poll(self, timeout: float | None, max_count: int) -> list[tuple[int, int]]:
        """Those that are ready; how long nobody has looked is counted."""
        if self._looked_at is not None:
            self._lag.add(self._clock() - self._looked_at)
        ready: list[tuple[int, int]] = self._kernel.poll(timeout, max_count)
        self._looked_at = self._clock()
        return ready


class Observable(Protocol):
    """A server with sockets, or in memory, which has no poller."""

    @property
    def _engine(self) -> Engine: ...


def timings_of(server: Observable) -> Timings:
    """What is observed of a server, which is from now on if it was not before."""
    queue = server._engine.run_queue
    timings = queue.observer
    if not isinstance(timings, Timings):
        timings = Timings()
        queue.observe(timings)
    poller = getattr(server, "_poller", None)
    if poller is not None and timings.poller is not poller:  # a server may listen again
        timings.poller = poller
        clock, lag = queue.clock, timings.lag
        poller.watch_kernel(lambda kernel: TimedKernel(kernel, clock, lag))
    return timings
