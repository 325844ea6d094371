"""When to look at what has a deadline, at no cost for a deadline that is moved.

Theory: nearly every deadline is moved before it comes, and later than it was. So it is read off
the record that has it, and here stands only when to look at that record next: who is looked at and
has more time is put down for a later look. A deadline that comes sooner than the next look is put
down once more.

Rules: times are rounded up to a `QUANTUM`, so a deadline is seen up to that late and never early.
Whoever is gone may still be here: whoever looks finds nothing. Those are forgotten when the timers
are made anew, which whoever has them does before most are gone. It knows numbers and times only.
"""

from math import ceil, inf
from typing import Final, final

from pyrsistent import PMap, PVector, pmap, pvector

from ..value import Value

QUANTUM: Final = 1 / 64
"""Seconds."""
LATEST: Final = 2.0**53
"""Seconds: what is later than that is never."""


@final
class Timers(Value):
    """Keys by the quantum in which they are looked at, `count` of them; `soonest` is the first
    quantum, if there is one.
    """

    __match_args__ = ("buckets", "soonest", "count")
    __slots__ = __match_args__

    def __init__(
        self, buckets: PMap[int, PVector[int]], soonest: int | None, count: int = 0
    ) -> None:
        self.buckets: Final = buckets
        self.soonest: Final = soonest
        self.count: Final = count


NO_TIMERS: Final = Timers(pmap(), None)


def put_down(timers: Timers, key: int, at: float) -> Timers:
    """The timers that look at this key at a time, which is not `inf`."""
    index = ceil(min(at, LATEST) / QUANTUM)
    bucket = timers.buckets.get(index, pvector()).append(key)
    soonest = index if timers.soonest is None else min(index, timers.soonest)
    return Timers(timers.buckets.set(index, bucket), soonest, timers.count + 1)


def take_due(timers: Timers, now: float) -> tuple[Timers, list[int]]:
    """The timers without the keys whose time has come, and these, the oldest first."""
    if timers.soonest is None or now < timers.soonest * QUANTUM:
        return timers, []
    due = sorted([index for index in timers.buckets if index * QUANTUM <= now])
    keys: list[int] = []
    buckets = timers.buckets
    for index in due:
        keys += buckets[index]
        buckets = buckets.remove(index)
    return Timers(buckets, min(buckets, default=None), timers.count - len(keys)), keys


def next_look(timers: Timers) -> float:
    """When the next look is; `inf` if there is none."""
    return inf if timers.soonest is None else timers.soonest * QUANTUM
