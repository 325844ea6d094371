"""What goes wrong on the machine of a world of sigil's own: which of it does is drawn for each.

Theory: a server is not alone on its machine. Descriptors run out, a handler blocks the loop, and
the clock of the system is set. But what goes wrong everywhere hides what only a quiet world shows:
who is evicted for a descriptor falls off no ring. So each world draws which of these faults it has,
most none, and among many worlds there are all combinations (swarm testing, Groce et al. 2012).

Rules: a world whose script has come to its end has none. It does not know how it is done.
"""

from random import Random
from typing import NamedTuple

from .faults import CLOCK_STEPS

PART = 0.3
"""The part of all worlds that have one of these faults."""
DESCRIPTORS = (3, 2, 1)
BLOCKED_SECONDS = (0.001, 0.02, 0.7, 3.0)


class Machine(NamedTuple):
    """A machine: how many descriptors it has for connections (None: enough), and the probabilities
    that a call of user code blocks, and that the clock steps before a tick.
    """

    descriptors: int | None = None
    blocking: float = 0.0
    steps: float = 0.0

    def blocked(self, rng: Random) -> float:
        """Seconds for which a call of user code blocks."""
        if not self.blocking or rng.random() >= self.blocking:
            return 0.0
        return rng.choice(BLOCKED_SECONDS)

    def step(self, rng: Random) -> float:
        """Seconds by which the clock of the system is set before a tick."""
        if not self.steps or rng.random() >= self.steps:
            return 0.0
        return rng.choice(CLOCK_STEPS)


def draw_machine(rng: Random) -> Machine:
    """A machine on which some of this goes wrong, or nothing."""
    descriptors = rng.choice(DESCRIPTORS) if rng.random() < PART else None
    blocking = rng.choice((0.05, 0.3)) if rng.random() < PART else 0.0
    steps = rng.choice((0.1, 0.5)) if rng.random() < PART else 0.0
    return Machine(descriptors, blocking, steps)
