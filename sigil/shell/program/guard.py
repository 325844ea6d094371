"""The guard against re-entry: whether sigil itself is at work on its state.

Theory: signal handlers, `__del__`, callbacks of weak references and of the garbage collector, and
trace functions run on the thread that ticks, between any two bytecodes, and may call the server.
While sigil is in the middle of a step such a call must wait its turn, as one from another thread
does. While user code runs that the tick has called, or nobody is at work, it may be done at once.

Rules: one flag. Whoever works on the state of a server sets it, and clears it around each call of
user code and when it is done. Nothing waits for it: it is for one thread, and asking and setting
need not be one step, since what comes in between has ended before the flag is set. It does not know
what is done meanwhile.
"""

from collections.abc import Callable
from types import TracebackType


class Guard:
    """Whether sigil is at work on the state of a server: `is_busy`; and who is told that user code
    has raised, where no event says so: `note_raised`.
    """

    __slots__ = ("is_busy", "note_raised")

    def __init__(self) -> None:
        self.is_busy = False
        self.note_raised: Callable[[], None] = _nothing

    def user_code(self) -> "UserCode":
        """A block in which user code runs."""
        return UserCode(self)


def _nothing() -> None:
    """Notes nothing: nobody wants to know."""


class UserCode:
    """A block in which the guard is not busy; afterwards it is as before."""

    __slots__ = ("_guard", "_was_busy")

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._was_busy = guard.is_busy

    def __enter__(self) -> None:
        self._guard.is_busy = False

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._guard.is_busy = self._was_busy
