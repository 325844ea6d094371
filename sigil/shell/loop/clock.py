"""The clock: the one place where a running server reads the time.

Theory: the core knows no clock, so a reading is an event. Deadlines use a clock that never goes
back, the Date field uses the time since 1970; both are read together, so that they agree.

It does not know when it is read: the server reads it when a tick begins, the engine where something
was not taken by the kernel.
"""

import time

from ...core.events import TimeRead


def read_clock() -> TimeRead:
    """The time, in seconds: monotonic, and whole ones since 1970."""
    return TimeRead(time.monotonic(), int(time.time()))
