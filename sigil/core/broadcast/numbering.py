"""The numbers of messages here, and those that their positions have: the same, unless what is
published is taken over from another server.

Theory: what is published here has gapless numbers, by which it is stored, found and counted. A
server that publishes what another one does, its upstream, is to tell the positions of that one, so
that a client may come back to either; and it may not be sent all, so that those numbers have holes.
So the two are kept apart: the position before a message has its number here and a `shift`, which
grows with each hole. That is a table of the holes, and nothing else knows of them.

Rules: a position never goes back within an epoch. The table has the holes that are on the ring, and
is made shorter as the tail of the ring passes them. Of what is older, which only what is retained
is, a number is written too low and read too low rather than too high: then some of it is sent
twice, and nothing is lost. It does not know the ring, nor how a position is written.
"""

from bisect import bisect_right
from collections.abc import Sequence
from operator import itemgetter
from typing import Final, final

from pyrsistent import PVector, pvector

from ..value import Value

COMPACT_AT: Final = 64
"""Holes behind the tail that are kept beside as many as there are others."""


@final
class Numbering(Value):
    """How numbers of messages here become those of positions.

    `is_own`: they are the same. Else `runs` are pairs of a number and the shift from there on, in
    order, and what is before them, since the stream was taken over at number `began_at`, has the
    shift `base` at least. `epoch_before` and `before` are those of the stream before that.
    """

    __match_args__ = ("is_own", "base", "runs", "began_at", "epoch_before", "before")
    __slots__ = __match_args__

    def __init__(
        self,
        is_own: bool,
        base: int,
        runs: PVector[tuple[int, int]],
        began_at: int,
        epoch_before: int,
        before: "Numbering | None",
    ) -> None:
        self.is_own: Final = is_own
        self.base: Final = base
        self.runs: Final = runs
        self.began_at: Final = began_at
        self.epoch_before: Final = epoch_before
        self.before: Final = before

    def __repr__(self) -> str:
        if self.is_own:
            return "Numbering(own)"
        return f"Numbering({len(self.runs)} runs since {self.began_at})"


OWN: Final = Numbering(True, 0, pvector([(0, 0)]), 0, 0, None)


def public_number(numbering: Numbering, number: int) -> int:
    """The number in the position before the message with this number."""
    if numbering.is_own:
        return number
    place = bisect_right(numbering.runs, number, key=itemgetter(0)) - 1
    return number + (numbering.base if place < 0 else numbering.runs[place][1])


def public_numbers(numbering: Numbering, numbers: Sequence[int]) -> Sequence[int]:
    """The numbers in the positions before the messages with these numbers."""
    if numbering.is_own:
        return numbers
    return [public_number(numbering, number) for number in numbers]


def own_number(numbering: Numbering, public: int) -> int:
    """The number of the first message here that is behind the position with this number."""
    if numbering.is_own:
        return public
    runs = numbering.runs
    place = max(0, bisect_right(runs, public, key=_first_public) - 1)
    number = public - runs[place][1]
    return min(number, runs[place + 1][0]) if place + 1 < len(runs) else number


def _first_public(run: tuple[int, int]) -> int:
    """The number in the position before the first message of a run."""
    return run[0] + run[1]


def moved_on(numbering: Numbering, number: int, public: int, tail_number: int) -> Numbering:
    """The numbering when the position before the next message, which has this number here, is this
    one; the very same if it is so already, or would go back.
    """
    runs, shift = numbering.runs, public - number
    last, last_shift = runs[-1]
    if shift <= last_shift:
        return numbering
    run = number, shift
    runs = runs.set(len(runs) - 1, run) if last == number else runs.append(run)
    passed = bisect_right(runs, tail_number, key=itemgetter(0)) - 1
    if 2 * passed > len(runs) + COMPACT_AT:
        runs = runs[passed:]
    return numbering.replace(runs=runs)


def taken_over(numbering: Numbering, epoch: int, number: int, public: int) -> Numbering:
    """The numbering when a stream is taken over: the position before the next message, which has
    this number here, is this one in another stream, or behind a gap in the same. Those before are
    of this epoch.
    """
    shift = public - number
    earlier = numbering.replace(before=None)
    return Numbering(False, shift, pvector([(number, shift)]), number, epoch, earlier)
