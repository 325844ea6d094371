"""Threads that do one job after the other, and the jobs that wait for one.

Theory: a queue and a few threads that take from it. A thread is started when something waits, up to
their number, and stays: it takes the next job as soon as it has done one, so that many short jobs
cost one wake-up.

Rules: the queue has a bound, beyond which a job is refused. Jobs are submitted by one thread, the
server's. What a job raises is its own business, and must not leave it. Threads are daemons: one
that never comes back does not keep the process. It does not know what the jobs are.
"""

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Generic, TypeVar

Job = TypeVar("Job")


class ThreadPool(Generic[Job]):
    """Up to `count` threads that call `work` with each job."""

    def __init__(self, work: Callable[[Job], object], count: int, max_waiting: int) -> None:
        self._work = work
        self._count = count
        self._max_waiting = max_waiting
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []

    @property
    def waiting(self) -> int:
        """How many jobs wait, about."""
        return self._jobs.qsize()

    def submit(self, job: Job) -> bool:
        """Have a job done; False if too many wait."""
        jobs = self._jobs
        if jobs.qsize() >= self._max_waiting:
            return False
        jobs.put(job)
        if len(self._threads) < self._count:
            self._start()
        return True

    def _start(self) -> None:
        """Start one more thread. RuntimeError if none can be had, and there is none."""
        name = f"sigil.wsgi-{len(self._threads)}"
        thread = threading.Thread(target=self._run, args=(self._jobs,), name=name, daemon=True)
        try:
            thread.start()
        except RuntimeError:
            if not self._threads:
                raise
            return
        self._threads.append(thread)

    def _run(self, jobs: "SimpleQueue[Job | None]") -> None:
        """Do jobs until there are no more; runs in a thread."""
        work = self._work
        while True:
            job = jobs.get()
            if job is None:
                return
            work(job)
            del job  # or it would be held until the next one comes

    def close(self) -> list[threading.Thread]:
        """Let each thread end behind the jobs that wait; the threads. Later jobs have new ones."""
        threads, jobs = self._threads, self._jobs
        self._threads, self._jobs = [], SimpleQueue()
        for _ in threads:
            jobs.put(None)
        return threads
