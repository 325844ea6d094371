"""A lock that a thread knows to be its own, for what a signal handler may ask for.

Theory: a signal handler runs on the thread that ticks, between any two bytecodes, as `__del__` and
trace functions do: also while that thread adds a turn to a batch. If the handler ends the recording
then, or has the last turns written, it must not wait for the lock, which is held by what it has
interrupted. So it is asked first whose the lock is; and what cannot be done here is done by a
thread of its own, which may wait.

Rules: a thread counts as inside before it has the lock, and until it has given it back. It does not
know what is done inside.
"""

from collections.abc import Callable
from threading import Lock, Thread, get_ident
from types import TracebackType


class OwnLock:
    """A lock, with the threads that have it or are about to."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._inside: set[int] = set()

    @property
    def is_own(self) -> bool:
        """True if this thread has the lock, or waits for it: whoever asks has interrupted that."""
        return get_ident() in self._inside

    def __enter__(self) -> None:
        self._inside.add(get_ident())
        self._lock.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lock.release()
        self._inside.discard(get_ident())


def call_outside(function: Callable[[], object], *locks: OwnLock) -> None:
    """Call a function that needs these locks: here, or by a thread of its own if this one has been
    interrupted inside of one.
    """
    if any(lock.is_own for lock in locks):
        Thread(target=function, name="sigil recording, behind a signal").start()
    else:
        function()
