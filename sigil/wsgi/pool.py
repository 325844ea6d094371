"""Threads that do one job after the other, and the jobs that wait for one.

Theory: to wake a thread costs more than a short job does, and in one interpreter only one thread
runs at a time. So one is woken at a time, however many jobs come: it takes a job, wakes the next
one if there are more, and goes on with them as long as there are any. Short jobs that come together
cost one wake-up or two, and long ones are at work at once. Threads are started in the same way,
when there is none to be woken, up to their number.

Rules: the jobs that wait have a bound, beyond which one is refused. Nobody holds a lock: jobs and
parked threads are taken by one indivisible step, and whoever parks looks for jobs once more behind
having said so. What a job raises is its own business, and must not leave it. Threads are daemons:
one that never comes back does not keep the process. It does not know what the jobs are.
"""

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

Job = TypeVar("Job")


class Crew(Generic[Job]):
    """Threads that share jobs, until they are told to end."""

    def __init__(self, work: Callable[[Job], object], count: int) -> None:
        self._work = work
        self._count = count
        self.jobs: deque[Job] = deque()
        self.threads: list[threading.Thread] = []
        self._parked: deque[threading.Lock] = deque()
        """The threads that wait for a job, each for its lock to be released."""
        self._is_waking = False
        """A thread was woken, or started, and has not looked for jobs yet."""
        self._starting = threading.Lock()
        self._is_ending = False

    def wake(self) -> None:
        """Have a thread look for jobs, unless one is about to."""
        if self._is_waking:
            return
        try:
            lock = self._parked.pop()  # who was at work last: its memory is at hand
        except IndexError:
            if len(self.threads) < self._count:
                self._start()
            return
        self._is_waking = True  # before it is woken, which ends this
        lock.release()

    def _start(self) -> None:
        """Start one more thread. RuntimeError if none can be had, and there is none."""
        if not self._starting.acquire(blocking=False):
            return  # somebody else is at it
        try:
            if len(self.threads) >= self._count:
                return  # somebody else was at it
            name = f"sigil.wsgi-{len(self.threads)}"
            thread = threading.Thread(target=self._run, name=name, daemon=True)
            self._is_waking = True
            thread.start()
            self.threads.append(thread)
        except RuntimeError:
            self._is_waking = False
            if not self.threads:
                raise
        finally:
            self._starting.release()
        if self.jobs:  # whoever wanted one more thread meanwhile has left that to this
            self.wake()

    def _run(self) -> None:
        """Do jobs until the end; runs in a thread."""
        lock = threading.Lock()
        lock.acquire()
        self._is_waking = False
        jobs, work = self.jobs, self._work
        while True:
            try:
                job = jobs.popleft()
            except IndexError:
                if self._is_ending:
                    return
                self._park(lock)
                continue
            if jobs:
                self.wake()
            work(job)
            del job  # or it would be held until the next one comes

    def _park(self, lock: threading.Lock) -> None:
        """Wait until there may be jobs."""
        self._parked.append(lock)
        if self.jobs or self._is_ending:
            try:
                self._parked.remove(lock)
                return
            except ValueError:  # this thread is being woken
                pass
        lock.acquire()
        self._is_waking = False

    def end(self) -> None:
        """Let each thread end behind the jobs that wait."""
        self._is_ending = True
        while self._parked:
            self._parked.pop().release()


class ThreadPool(Generic[Job]):
    """Up to `count` threads that call `work` with each job."""

    def __init__(self, work: Callable[[Job], object], count: int, max_waiting: int) -> None:
        self._work = work
        self._count = count
        self._max_waiting = max_waiting
        self._crew: Crew[Job] = Crew(work, count)

    @property
    def waiting(self) -> int:
        """How many jobs wait, about."""
        return len(self._crew.jobs)

    def submit(self, job: Job) -> bool:
        """Have a job done; False if too many wait."""
        crew = self._crew
        if len(crew.jobs) >= self._max_waiting:
            return False
        crew.jobs.append(job)
        crew.wake()
        return True

    def close(self) -> list[threading.Thread]:
        """Let each thread end behind the jobs that wait; the threads. Later jobs have new ones."""
        crew, self._crew = self._crew, Crew(self._work, self._count)
        crew.end()
        return crew.threads
