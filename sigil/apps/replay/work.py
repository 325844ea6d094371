"""A thread that computes what a request asks for, while the loop answers others.

Theory: a turn far from those that were shown is computed from the last state that is kept before
it, and another seed is a network that is run: seconds, in which a loop that did it itself would
answer nobody. So one thread does that, one request after the other, and the handler returns a
promise. What is computed on the way is kept, so who gives up and asks again begins where it ended.

Rules: a request whose visitor has asked again is superseded, and so is one whose client has left:
it is not begun, and what has begun is given up at the next turn that it would read. One thread, so
nothing that it computes needs a lock. It ends with the process. It does not know what is computed.
"""

from collections.abc import Callable, Iterator, Sequence
from queue import SimpleQueue
from threading import Thread
from typing import Any, NamedTuple, overload

from sigil import Deferred, Response

VISITS_MAX = 256
"""Visits whose last request is known: more pages are not open."""
SUPERSEDED = "superseded: the same visit has asked for something else since"

Visit = tuple[str, str]
"""What was asked for, and by whom."""
Do = Callable[[Callable[[], Response], Visit | None], Response | Deferred]
"""Has a response computed, now or later; the second is the visit that it is for, if it has one."""


class GivenUp(BaseException):
    """Nobody waits any more: it leaves whatever is being computed, as a cancellation does."""


class Job(NamedTuple):
    """What is to be computed, and the visit that it is for."""

    compute: Callable[[], Response]
    visit: Visit | None
    later: Deferred


def at_once(compute: Callable[[], Response], visit: Visit | None) -> Response:
    """The response, computed by whoever asks."""
    return compute()


class Worker:
    """The thread; `do` has something computed by it."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[Job] = SimpleQueue()
        self._latest: dict[Visit, Deferred] = {}
        """The last request of each visit."""
        self._job: Job | None = None
        Thread(target=self._run, name="sigil time machine", daemon=True).start()

    def do(self, compute: Callable[[], Response], visit: Visit | None) -> Deferred:
        """The promise of a response; for the loop's thread."""
        later = Deferred()
        if visit is not None:
            self._latest.pop(visit, None)
            self._latest[visit] = later
            if len(self._latest) > VISITS_MAX:
                del self._latest[next(iter(self._latest))]
        self._jobs.put(Job(compute, visit, later))
        return later

    def look(self) -> None:
        """`GivenUp` if nobody waits any more for what is being computed."""
        if self._job is not None and not self._is_wanted(self._job):
            raise GivenUp

    def _is_wanted(self, job: Job) -> bool:
        """True if the client is there, and has not asked again."""
        if not job.later.is_wanted:
            return False
        return job.visit is None or self._latest.get(job.visit, job.later) is job.later

    def _run(self) -> None:
        """Do one thing after the other."""
        while True:
            job = self._job = self._jobs.get()
            try:
                self.look()
                job.later.resolve(job.compute())
            except GivenUp:
                job.later.resolve(Response.error(409, SUPERSEDED))
            except Exception as error:
                job.later.fail(error)
            finally:
                self._job = None


class Watched(Sequence[Any]):
    """Turns, of which `look` is called before each that is read; what it raises leaves."""

    def __init__(self, turns: Sequence[Any], look: Callable[[], None]) -> None:
        self._turns, self._look = turns, look

    def __len__(self) -> int:
        return len(self._turns)

    @overload
    def __getitem__(self, index: int) -> Any: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Any]: ...

    def __getitem__(self, index: int | slice) -> Any:
        self._look()
        return self._turns[index]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._turns)
