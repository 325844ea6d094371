"""Worlds: a whole server among clients, a network and a program that all follow from one seed.

    from sigil.testing import World

    World(17).run()

Theory: a defect of a server is found by the order of many small things, and kept by a seed. What is
sigil's own is in `own_world`, whose clients know all that they must be sent; a world of somebody
else's program in `users_world`. Both are a `World`, may be run again by a `Script`, and be made
shorter (`shrink`).

Rules: one seed decides everything. It does not know any test framework.
"""

from .decisions import Script, read_script
from .faults import ALL_FAULTS, NO_FAULTS, Faults
from .model import Violation
from .own_world import OwnWorld
from .simulation import Outcome, Simulation
from .users_world import UsersWorld
from .visitors import Ask, Visitors
from .world import World

__all__ = [
    "ALL_FAULTS",
    "NO_FAULTS",
    "Ask",
    "Faults",
    "Outcome",
    "OwnWorld",
    "Script",
    "Simulation",
    "UsersWorld",
    "Violation",
    "Visitors",
    "World",
    "read_script",
]
