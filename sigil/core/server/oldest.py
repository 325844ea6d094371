"""The subscribers in the order in which they were accepted: whom a newcomer replaces is found
without a look at the table.

Theory: generations only grow, so the oldest is the one with the lowest generation, and a binary
heap has that at its front. One that ends anywhere else is left where it is and passed over when it
comes to the front: whoever asks knows whether it is there still.

Rules: adding, and taking the oldest, cost the logarithm of the number. Whoever removes many sees to
it that the heap is made anew (`has_too_many`), so that it is never much larger than what is in it.
It does not know clients, only `Conn`s.
"""

from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any, Final, final

from pyrsistent import PVector, pvector

from ..conn import Conn
from ..value import Value

NO_CONN: Final = Conn(-1, -1)
"""In a place without a meaning."""
SPARE: Final = 32
"""So many that have ended are no reason to make the heap anew."""


@final
class Oldest(Value):
    """A binary heap: the first `size` of `conns`, none of which is older than its parent, that at
    `(index - 1) // 2`; behind them there may be places without a meaning.
    """

    __match_args__ = ("conns", "size")
    __slots__ = __match_args__

    def __init__(self, conns: PVector[Conn], size: int) -> None:
        self.conns: Final = conns
        self.size: Final = size


NOBODY: Final = Oldest(pvector(), 0)

_age = attrgetter("generation")


def of_conns(conns: Iterable[Conn]) -> Oldest:
    """The heap of these connections."""
    in_order = sorted(conns, key=_age)
    return Oldest(pvector(in_order), len(in_order))


def add(oldest: Oldest, conn: Conn) -> Oldest:
    """The heap with one more connection."""
    conns, index = oldest.conns.evolver(), oldest.size
    if index == len(oldest.conns):
        conns.append(conn)
    while index:
        parent = (index - 1) // 2
        if conns[parent].generation <= conn.generation:
            break
        conns[index] = conns[parent]
        index = parent
    conns[index] = conn
    return Oldest(conns.persistent(), oldest.size + 1)


def take_oldest(oldest: Oldest, is_there: Callable[[Conn], bool]) -> tuple[Conn | None, Oldest]:
    """The oldest connection that is there still, or None if there is none, and the heap without it
    and those that are not there.
    """
    conns, count = oldest.conns.evolver(), oldest.size
    found = None
    while count and found is None:
        conn: Conn = conns[0]
        count -= 1
        _sift_down(conns, count)
        if is_there(conn):
            found = conn
    return found, Oldest(conns.persistent(), count)


def _sift_down(conns: Any, count: int) -> None:
    """Remove the first of `count + 1` connections: the last one takes its place, and sinks to where
    it belongs.
    """
    last, index = conns[count], 0
    conns[count] = NO_CONN
    while (child := 2 * index + 1) < count:
        if child + 1 < count and conns[child + 1].generation < conns[child].generation:
            child += 1
        if last.generation <= conns[child].generation:
            break
        conns[index] = conns[child]
        index = child
    if count:
        conns[index] = last


def has_too_many(oldest: Oldest, count: int) -> bool:
    """True if so few of those in the heap are there still that it is to be made anew."""
    return oldest.size > 2 * count + SPARE


def conns_of(oldest: Oldest) -> list[Conn]:
    """The connections in the heap, in no order."""
    return list(oldest.conns[: oldest.size])
