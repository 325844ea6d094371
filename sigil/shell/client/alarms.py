"""Functions that are called at a time, for what a client's loop does beside its connections.

Theory: there are few of them, such as one for each WebSocket that waits to connect again; so they
are a heap, and one that is cancelled stays in it until its time has come.

Rules: times are those of `time.monotonic()`. It does not know what is called, nor by whom.
"""

from collections.abc import Callable, Iterator
from heapq import heappop, heappush
from itertools import count


class Alarm:
    """A function that is to be called; `cancel` it, and it is not."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[[], object]) -> None:
        self.function: Callable[[], object] | None = function

    def cancel(self) -> None:
        """Do not call it."""
        self.function = None


class Alarms:
    """All of them."""

    __slots__ = ("_heap", "_numbers")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Alarm]] = []
        self._numbers = count()

    def set(self, at: float, function: Callable[[], object]) -> Alarm:
        """Have a function called at a time."""
        alarm = Alarm(function)
        heappush(self._heap, (at, next(self._numbers), alarm))
        return alarm

    def next_at(self) -> float | None:
        """When the first one is due; None if there is none."""
        heap = self._heap
        while heap and heap[0][2].function is None:
            heappop(heap)
        return heap[0][0] if heap else None

    def or_sooner(self, at: float | None) -> float | None:
        """The sooner of this time and that of the first one; None if there is neither."""
        first = self.next_at()
        if at is None or first is None:
            return first if at is None else at
        return min(at, first)

    def take_due(self, now: float) -> Iterator[Callable[[], object]]:
        """The functions that are due, in order; one that is cancelled by another is not."""
        due: list[Alarm] = []
        while (at := self.next_at()) is not None and at <= now:
            due.append(heappop(self._heap)[2])
        for alarm in due:
            if alarm.function is not None:
                yield alarm.function
