"""What a program has asked of one connection, as a record.

Theory: nearly nobody asks for anything, so this is a part of `Outgoing` that is None, and a
connection of which nothing was asked has the very records that it would have without this file.

Rules: a record in which nothing is asked is never kept (`control_of`). It does not know what the
program has to say besides, nor what follows from it.
"""

from typing import Final, final

from ..value import Value


@final
class Timeout(Value):
    """How long the program gives a connection: until when, on the clock of deadlines, and why."""

    __match_args__ = ("reason", "seconds", "until")
    __slots__ = __match_args__

    def __init__(self, reason: int, seconds: float, until: float) -> None:
        self.reason: Final = reason
        """One of `TimeoutReason`."""
        self.seconds: Final = seconds
        self.until: Final = until


@final
class Control(Value):
    """What a program has asked of one connection."""

    __match_args__ = ("is_held", "wants_writable", "timeout", "extra_timers")
    __slots__ = __match_args__

    def __init__(
        self, is_held: bool, wants_writable: bool, timeout: Timeout | None, extra_timers: int
    ) -> None:
        self.is_held: Final = is_held
        """Nothing that comes is given to the program."""
        self.wants_writable: Final = wants_writable
        """The program is to be told when more can be sent."""
        self.timeout: Final = timeout
        self.extra_timers: Final = extra_timers
        """How often it is in the timer wheel beside its usual place, for timeouts that were nearer
        than that; they may have been replaced since.
        """


NOTHING_ASKED: Final = Control(False, False, None, 0)


def control_of(control: Control) -> Control | None:
    """The record, or None if nothing is asked in it."""
    return None if control == NOTHING_ASKED else control


def at_end(control: Control | None) -> Control | None:
    """What is left of the record of a connection that ends: nothing is asked of it any more."""
    if control is None or not control.extra_timers:
        return None
    return Control(False, False, None, control.extra_timers)
