"""Threads that do jobs: started when they are needed, and no more than there may be."""

import threading

import pytest

from sigil.wsgi.pool import ThreadPool

PATIENCE = 10.0


def test_jobs_are_done_in_order_by_one_thread() -> None:
    done: list[int] = []
    pool: ThreadPool[int] = ThreadPool(done.append, 1, 100)
    for number in range(50):
        assert pool.submit(number)
    (thread,) = pool.close()
    thread.join(PATIENCE)
    assert done == list(range(50))


def test_two_that_start_a_thread_at_the_same_time_start_no_more_than_there_may_be() -> None:
    pool: ThreadPool[int] = ThreadPool(list[int]().append, 1, 100)
    crew = pool._crew
    crew._start()
    crew._start()  # of somebody who has looked before the first was there
    (thread,) = pool.close()
    thread.join(PATIENCE)


def test_a_burst_of_long_jobs_has_all_threads_though_one_was_idle() -> None:
    meeting = threading.Barrier(5)

    def work(is_met: bool) -> None:
        if is_met:
            meeting.wait(PATIENCE)

    pool: ThreadPool[bool] = ThreadPool(work, 4, 100)
    pool._crew.jobs.extend([True, True, True])  # as they come while a thread is woken for the first
    assert pool.submit(True)
    meeting.wait(PATIENCE)
    for thread in pool.close():
        thread.join(PATIENCE)


def test_jobs_are_done_at_once_and_those_beyond_wait_or_are_refused() -> None:
    meeting, release = threading.Barrier(3), threading.Event()

    def work(is_met: bool) -> None:
        if is_met:
            meeting.wait(PATIENCE)
        release.wait(PATIENCE)

    pool: ThreadPool[bool] = ThreadPool(work, 2, 2)
    assert pool.submit(True) and pool.submit(True)
    meeting.wait(PATIENCE)  # both threads are at work
    assert pool.submit(False) and pool.submit(False)
    assert not pool.submit(False)
    assert pool.waiting == 2
    release.set()
    for thread in pool.close():
        thread.join(PATIENCE)
        assert not thread.is_alive()


def test_threads_are_started_when_they_are_needed_and_again_after_the_end() -> None:
    done = threading.Semaphore(0)
    pool: ThreadPool[int] = ThreadPool(lambda _: done.release(), 4, 10)
    assert pool.close() == []
    for _ in range(2):
        assert pool.submit(1)
        assert done.acquire(timeout=PATIENCE)
        threads = pool.close()
        assert 1 <= len(threads) <= 4
        assert all(thread.daemon for thread in threads)
        for thread in threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()


@pytest.mark.parametrize("count", [1, 2, 4])
def test_no_wake_up_is_lost_however_the_jobs_come(count: int) -> None:
    done = threading.Semaphore(0)
    pool: ThreadPool[int] = ThreadPool(lambda _: done.release(), count, 1_000)
    for wave in range(300):
        size = 1 + wave % 7
        for job in range(size):
            assert pool.submit(job)
        for _ in range(size):
            assert done.acquire(timeout=PATIENCE), f"wave {wave}: a job waits, and no thread is up"
    threads = pool.close()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    assert len(threads) <= count


def test_a_job_does_not_wait_behind_a_long_one() -> None:
    release, long_begun, short_done = (threading.Event() for _ in range(3))

    def work(is_long: bool) -> None:
        if is_long:
            long_begun.set()
            release.wait(PATIENCE)
        else:
            short_done.set()

    pool: ThreadPool[bool] = ThreadPool(work, 2, 10)
    assert pool.submit(True)
    assert long_begun.wait(PATIENCE)
    assert pool.submit(False)
    assert short_done.wait(PATIENCE)
    release.set()
    for thread in pool.close():
        thread.join(PATIENCE)
