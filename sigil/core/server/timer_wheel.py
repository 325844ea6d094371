"""Timers for many connections, at no cost per request.

Theory: nearly every deadline is moved before it is due, so moving one must be free. The deadline
stands in the client's record; the wheel only knows when to look at it next. Nothing is ever set to
become due sooner than the shortest timeout, so looking once in that time is enough: a client whose
deadline has moved is filed again.

Rules: a bucket is a multiple of `granularity` seconds and is opened when that time has come, so a
deadline is noticed up to one grain late and never early. Names of connections that are gone may
still be filed: whoever looks them up finds nothing. It does not know clients, only names and times.
"""

from math import ceil
from typing import NamedTuple

from pyrsistent import PMap, PVector, pmap, pvector

from ..conn import Conn

BUCKETS_PER_PERIOD = 32
PERIOD_MIN_SECONDS, PERIOD_MAX_SECONDS = 0.01, 3_600.0
"""Nobody is looked at more often than makes sense, nor forgotten where no timeout ever comes."""


class Wheel(NamedTuple):
    """Buckets of names by time; `period` is the longest that anybody is left alone, in seconds."""

    period: float
    granularity: float
    buckets: PMap[int, PVector[Conn]]
    soonest: int | None


def make_wheel(period: float) -> Wheel:
    """An empty wheel for a shortest timeout of `period` seconds."""
    period = min(max(period, PERIOD_MIN_SECONDS), PERIOD_MAX_SECONDS)
    return Wheel(period, period / BUCKETS_PER_PERIOD, pmap(), None)


def schedule(wheel: Wheel, conn: Conn, now: float, deadline: float) -> Wheel:
    """The wheel with `conn` to be looked at when its deadline comes, or after a period, whichever
    is sooner.
    """
    index = ceil(min(deadline, now + wheel.period) / wheel.granularity)
    bucket = wheel.buckets.get(index, pvector())
    soonest = index if wheel.soonest is None else min(index, wheel.soonest)
    return Wheel(
        wheel.period, wheel.granularity, wheel.buckets.set(index, bucket.append(conn)), soonest
    )


def expire(wheel: Wheel, now: float) -> tuple[Wheel, list[Conn]]:
    """The wheel without the buckets whose time has come, and the names that were in them, oldest
    first.
    """
    if wheel.soonest is None or now < wheel.soonest * wheel.granularity:
        return wheel, []
    due = sorted(index for index in wheel.buckets if index * wheel.granularity <= now)
    conns = [conn for index in due for conn in wheel.buckets[index]]
    buckets = wheel.buckets
    for index in due:
        buckets = buckets.remove(index)
    return Wheel(wheel.period, wheel.granularity, buckets, min(buckets, default=None)), conns


def next_expiry(wheel: Wheel) -> float | None:
    """When the wheel must be turned again, on the clock of `now`; None if it is empty."""
    return None if wheel.soonest is None else wheel.soonest * wheel.granularity
