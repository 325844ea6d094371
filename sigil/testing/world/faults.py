"""What goes wrong in a world of somebody's own program, and how often.

Theory: nothing of this is rare among thousands of clients and over months, and a server is there
for it: so by default all of it happens, often enough to be seen in a world that takes a second.

Rules: each field is a probability, 0 for never. It does not know how it is done.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple


class Faults(NamedTuple):
    """What goes wrong: the probability of each. `NO_FAULTS` has none; `faults_named("resets")` none
    but these.
    """

    cuts: float = 0.3
    """That a client's bytes are cut on their way, in both directions."""
    slow: float = 0.15
    """That a client reads slowly, from a small window."""
    dead: float = 0.1
    """That a client does nothing any more at some time, and does not say so."""
    silent: float = 0.05
    """That a client connects and sends nothing."""
    dribbles: float = 0.05
    """That a client sends a byte now and then."""
    resets: float = 0.1
    """That a client resets its connection in the middle of something."""
    half_closes: float = 0.05
    """That a client ends its side behind its last request, and reads on."""
    late: float = 0.2
    """That a connection which is ready is reported in a later tick."""
    descriptors: float = 0.02
    """That a newcomer is not accepted, for want of descriptors or of memory."""
    held_up: float = 0.005
    """That the loop is held up before a tick, for up to a minute."""
    clock: float = 0.01
    """That the clock of the system steps, forward or back, before a tick."""
    blocking: float = 0.01
    """That a call of the handler blocks, for up to three seconds."""
    stop: float = 0.2
    """That the server is stopped in the middle of it."""


CLOCK_STEPS = (-3_600.0, -1.0, 1.0, 3_600.0, 31_536_000.0)
"""Seconds by which the clock of the system is set, forward or back."""

ALL_FAULTS = Faults()
"""All of it, as often as by default."""
NO_FAULTS = Faults(*(0.0 for _ in Faults._fields))
"""Nothing goes wrong."""


def faults_named(*names: str) -> Faults:
    """Only these faults, as often as by default; ValueError for one that there is not."""
    unknown = sorted(set(names) - set(Faults._fields), key=str)
    if unknown:
        known = ", ".join(Faults._fields)
        raise ValueError(f"there is no fault {unknown[0]!r}, only {known}")
    return NO_FAULTS._replace(**{name: Faults._field_defaults[name] for name in names})


def to_faults(faults: Faults | str | Iterable[str]) -> Faults:
    """The faults that are given as such, or by their names; ValueError for what is no probability,
    or no name.
    """
    if isinstance(faults, str):
        return faults_named(faults)
    if not isinstance(faults, Faults):
        if isinstance(faults, Mapping) or not isinstance(faults, Iterable):
            raise TypeError(f"faults are Faults or names, not {type(faults).__name__}")
        return faults_named(*faults)
    for name, chance in zip(Faults._fields, faults, strict=True):
        if not isinstance(chance, int | float):
            raise TypeError(f"the fault {name} is a probability, not {type(chance).__name__}")
        if not 0.0 <= chance <= 1.0:
            raise ValueError(f"the fault {name} is a probability, from 0 to 1, not {chance}")
    return faults
