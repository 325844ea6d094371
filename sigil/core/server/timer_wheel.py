"""A timing wheel: timers for many connections, at no cost per request.

Theory: nearly every deadline is moved before it expires, so moving one must cost nothing. The
deadline is read off the client's record; the wheel only knows when to look at that record next. No
deadline is ever set nearer than the shortest timeout, so looking once in that time (the `period`)
is enough: a client whose deadline has moved on is scheduled again. Whoever does get a nearer
deadline (a client that has ended its side) is scheduled once more.

Rules: a bucket is a multiple of `granularity` seconds and expires when that time has come, so a
deadline is noticed up to one `granularity` late and never early. A connection that has been closed
may still be in a bucket: whoever looks it up finds nothing. The wheel does not know clients, only
`Conn`s and times.
"""

from collections.abc import Sequence
from math import ceil, floor
from typing import Final, final

from pyrsistent import PMap, PVector, pmap, pvector

from ..conn import Conn
from ..value import Value

BUCKETS_PER_PERIOD: Final = 32
PERIOD_MIN_SECONDS, PERIOD_MAX_SECONDS = 0.01, 3_600.0
"""A tiny timeout must not make every tick look at everybody, nor a huge one forget anybody."""


@final
class Wheel(Value):
    """Connections by the time at which to look at them.

    `period` is the longest time in seconds that a connection is not looked at, `granularity` the
    seconds from one bucket to the next, and `soonest` the index of the first bucket, if there is
    one. The bucket at index `i` expires at `i * granularity`.
    """

    __match_args__ = ("period", "granularity", "buckets", "soonest")
    __slots__ = __match_args__

    def __init__(
        self,
        period: float,
        granularity: float,
        buckets: PMap[int, PVector[Conn]],
        soonest: int | None,
    ) -> None:
        self.period: Final = period
        self.granularity: Final = granularity
        self.buckets: Final = buckets
        self.soonest: Final = soonest


def make_wheel(period: float) -> Wheel:
    """An empty wheel; `period` is the shortest timeout in seconds."""
    period = min(max(period, PERIOD_MIN_SECONDS), PERIOD_MAX_SECONDS)
    return Wheel(period, period / BUCKETS_PER_PERIOD, pmap(), None)


def schedule(wheel: Wheel, conn: Conn, now: float, deadline: float) -> Wheel:
    """The wheel with `conn` to be looked at when its deadline comes, or after a period, whichever
    is sooner.
    """
    return schedule_all(wheel, (conn,), now, deadline)


def schedule_all(wheel: Wheel, conns: Sequence[Conn], now: float, deadline: float) -> Wheel:
    """The wheel with `conns` to be looked at when the deadline comes that they have in common, or
    after a period, whichever is sooner.
    """
    index = ceil(min(deadline, now + wheel.period) / wheel.granularity)
    bucket = wheel.buckets.get(index, pvector())
    soonest = index if wheel.soonest is None else min(index, wheel.soonest)
    buckets = wheel.buckets.set(index, bucket.extend(conns))
    return Wheel(wheel.period, wheel.granularity, buckets, soonest)


def expire(wheel: Wheel, now: float, max_count: int) -> tuple[Wheel, list[Conn]]:
    """The wheel without the connections whose buckets have expired, `max_count` of them at most,
    and these connections, oldest bucket first. Those that are left are in expired buckets still.
    """
    if wheel.soonest is None or now < wheel.soonest * wheel.granularity:
        return wheel, []
    expired = sorted(index for index in wheel.buckets if index * wheel.granularity <= now)
    conns: list[Conn] = []
    buckets = wheel.buckets
    for index in expired:
        bucket = list(buckets[index])
        room = max_count - len(conns)
        conns += bucket[:room]
        if len(bucket) > room:
            buckets = buckets.set(index, pvector(bucket[room:]))
            break
        buckets = buckets.remove(index)
    return Wheel(wheel.period, wheel.granularity, buckets, min(buckets, default=None)), conns


def put_back(wheel: Wheel, conns: list[Conn], now: float) -> Wheel:
    """The wheel with connections that have expired and were not looked at, which expire at once."""
    if not conns:
        return wheel
    index = floor(now / wheel.granularity)
    bucket = wheel.buckets.get(index, pvector()).extend(conns)
    soonest = index if wheel.soonest is None else min(index, wheel.soonest)
    return Wheel(wheel.period, wheel.granularity, wheel.buckets.set(index, bucket), soonest)


def next_expiry(wheel: Wheel) -> float | None:
    """When the first bucket expires, on the clock of `now`; None if the wheel is empty."""
    return None if wheel.soonest is None else wheel.soonest * wheel.granularity
