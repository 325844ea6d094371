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
from typing import Any, Final, TypeAlias, final

from pyrsistent import PVector, pvector

from ..conn import Conn
from ..value import Value

Key: TypeAlias = tuple[int, int]
"""The generation of a connection, and its slot."""
NO_KEY: Final[Key] = (-1, -1)
SPARE: Final = 32
"""So many that have ended are no reason to make the heap anew."""


@final
class Oldest(Value):
    """A binary heap: the first `size` of `keys`, none of which is before its parent, that at
    `(index - 1) // 2`; behind them there may be places without a meaning.
    """

    __match_args__ = ("keys", "size")
    __slots__ = __match_args__

    def __init__(self, keys: PVector[Key], size: int) -> None:
        self.keys: Final = keys
        self.size: Final = size


NOBODY: Final = Oldest(pvector(), 0)


def of_conns(conns: Iterable[Conn]) -> Oldest:
    """The heap of these connections."""
    keys = sorted([(conn.generation, conn.slot) for conn in conns])
    return Oldest(pvector(keys), len(keys))


def add(oldest: Oldest, conn: Conn) -> Oldest:
    """The heap with one more connection."""
    keys, index, key = oldest.keys.evolver(), oldest.size, (conn.generation, conn.slot)
    if index == len(oldest.keys):
        keys.append(key)
    while index:
        parent = (index - 1) // 2
        if keys[parent] <= key:
            break
        keys[index] = keys[parent]
        index = parent
    keys[index] = key
    return Oldest(keys.persistent(), oldest.size + 1)


def take_oldest(oldest: Oldest, is_there: Callable[[Conn], bool]) -> tuple[Conn | None, Oldest]:
    """The oldest connection that is there still, or None if there is none, and the heap without it
    and those that are not there.
    """
    keys, count = oldest.keys.evolver(), oldest.size
    found = None
    while count and found is None:
        generation, slot = keys[0]
        conn = Conn(slot, generation)
        count -= 1
        _sift_down(keys, count)
        if is_there(conn):
            found = conn
    return found, Oldest(keys.persistent(), count)


def _sift_down(keys: Any, count: int) -> None:
    """Remove the first of `count + 1` keys: the last one takes its place, and sinks to where it
    belongs.
    """
    key, index = keys[count], 0
    keys[count] = NO_KEY
    while (child := 2 * index + 1) < count:
        if child + 1 < count and keys[child + 1] < keys[child]:
            child += 1
        if key <= keys[child]:
            break
        keys[index] = keys[child]
        index = child
    if count:
        keys[index] = key


def has_too_many(oldest: Oldest, count: int) -> bool:
    """True if so few of those in the heap are there still that it is to be made anew."""
    return oldest.size > 2 * count + SPARE


def conns_of(oldest: Oldest) -> list[Conn]:
    """The connections in the heap, in no order."""
    return [Conn(slot, generation) for generation, slot in oldest.keys[: oldest.size]]
