"""A loop that was held up: the time in which nobody looked, and that does not count.

Theory: deadlines are for clients that do nothing. When the loop does nothing (it was stopped, a
debugger or a slow frame had it), clients may wait for us as much as we for them: a sender whose
window is full, a reader that has read all there is, a coroutine that was not run. So deadlines have
a clock of their own, the counted time. It runs with the clock of the world, but from one tick to
the next no further than the server could have waited by itself, which is a period of the timer
wheel, or than its loop usually takes.

Rules: a tick that comes later than it was asked for ends nobody who has become overdue since the
tick before, because what it reads, sends and runs must have its effect first. They are looked at
again after as much time as it was late, half a period at most; or by the next tick that is late, so
that a loop that is always late still ends whoever is overdue. What is usual grows fourfold with
each tick at most, and one short tick ends it: so a host that ticks twenty times a second has all
its time counted, whatever the shortest timeout is, and one hold-up is not usual. It does not know
what anybody waits for.
"""

from math import inf
from typing import Final, final

from ..value import Value
from .timer_wheel import Wheel, next_expiry


@final
class HeldUp(Value):
    """The hold-ups of a server until now."""

    __match_args__ = ("seconds", "judges_from", "judges_until", "tick_at", "usual")
    __slots__ = __match_args__

    def __init__(
        self, seconds: float, judges_from: float, judges_until: float, tick_at: float, usual: float
    ) -> None:
        self.seconds: Final = seconds
        """How far the counted time is behind the clock."""
        self.judges_from: Final = judges_from
        """A moment of the counted time: in ticks that start before it, only those are overdue that
        were so at `judges_until`.
        """
        self.judges_until: Final = judges_until
        self.tick_at: Final = tick_at
        """When the last tick started, on the clock of the world."""
        self.usual: Final = usual
        """Seconds that usually pass from one tick to the next, if they are more than a period."""


NEVER_HELD_UP: Final = HeldUp(0.0, -inf, -inf, 0.0, 0.0)


def judged_at(held_up: HeldUp, tick_started_at: float) -> float:
    """The moment of the counted time by which it is decided who is overdue in this tick."""
    return held_up.judges_until if tick_started_at < held_up.judges_from else tick_started_at


def when_read(held_up: HeldUp, wheel: Wheel, tick_started_at: float, now: float) -> HeldUp:
    """The hold-ups when the clock reads `now`, in or behind a tick that began at `tick_started_at`
    of the counted time.
    """
    due = next_expiry(wheel)
    if due is None:
        return held_up  # nobody waits for anything
    usual = max(wheel.period, held_up.usual)
    latest = max(tick_started_at + usual, due) + wheel.granularity
    if now - held_up.seconds <= latest:
        return held_up
    return held_up.replace(seconds=now - latest)


def when_tick_started(held_up: HeldUp, wheel: Wheel, tick_started_at: float, now: float) -> HeldUp:
    """The hold-ups when a tick starts and the clock reads `now`, behind one that began at
    `tick_started_at` of the counted time.
    """
    after = when_read(held_up, wheel, tick_started_at, now)
    usual = min(now - held_up.tick_at, 4 * max(wheel.period, held_up.usual))
    after = HeldUp(after.seconds, after.judges_from, after.judges_until, now, usual)
    due = next_expiry(wheel)
    if due is None:
        return after
    late = now - held_up.seconds - max(due, tick_started_at)
    if late <= wheel.granularity:
        return after
    judges_from = now - after.seconds + min(late, wheel.period / 2)
    return after.replace(judges_from=judges_from, judges_until=tick_started_at)
