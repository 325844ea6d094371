"""What is posted is taken, and whoever waits is woken: once for all that came meanwhile."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigil.shell.loop.mailbox import Mailbox
from sigil.shell.loop.poller import Poller

PATIENCE = 10.0


@contextmanager
def opened() -> Iterator[tuple[Mailbox[int], Poller]]:
    """A mailbox, and the poller that it wakes."""
    poller, mailbox = Poller(), Mailbox[int](lambda item: None)
    mailbox.open(poller)
    try:
        yield mailbox, poller
    finally:
        mailbox.close()
        poller.close()


def is_awake(poller: Poller, timeout: float = 0.0) -> bool:
    """True if there is a reason to look."""
    return bool(poller.wait(timeout))


def test_many_items_are_one_wake_up() -> None:
    with opened() as (mailbox, poller):
        assert not is_awake(poller)
        for item in range(1_000):
            mailbox.put(item)
        assert is_awake(poller)
        mailbox.drain_wakeup()
        assert not is_awake(poller)
        assert list(mailbox.take()) == list(range(1_000))
        mailbox.put(1)
        assert is_awake(poller)


@given(st.lists(st.sampled_from(("put", "look", "take")), max_size=12))
def test_whoever_waits_is_awake_while_something_waits(steps: list[str]) -> None:
    with opened() as (mailbox, poller):
        for number, step in enumerate(steps):
            if step == "put":
                mailbox.put(number)
            elif step == "take" or is_awake(poller):
                if step == "look":
                    mailbox.drain_wakeup()
                deque(mailbox.take())
            assert is_awake(poller) or not len(mailbox)


def test_what_is_taken_without_having_been_woken_wakes_once_more() -> None:
    with opened() as (mailbox, poller):
        mailbox.put(1)
        assert list(mailbox.take()) == [1]
        mailbox.put(2)
        assert is_awake(poller)
        mailbox.drain_wakeup()
        mailbox.wake()
        assert is_awake(poller)
        assert list(mailbox.take()) == [2]


def test_it_wakes_again_after_it_was_closed_and_opened() -> None:
    with opened() as (mailbox, _):
        mailbox.put(1)
        mailbox.close()
        mailbox.put(2)
        other = Poller()
        mailbox.open(other)
        mailbox.put(3)
        assert is_awake(other)
        assert list(mailbox.take()) == [3]
        other.close()


@pytest.mark.parametrize("thread_count", [1, 4])
def test_no_wake_up_is_lost(thread_count: int) -> None:
    count = 5_000
    with opened() as (mailbox, poller):
        threads = [
            threading.Thread(target=lambda: [mailbox.put(item) for item in range(count)])
            for _ in range(thread_count)
        ]
        for thread in threads:
            thread.start()
        taken = 0
        while taken < count * thread_count:
            assert is_awake(poller, PATIENCE), "items wait, and nobody was woken"
            mailbox.drain_wakeup()
            taken += len(list(mailbox.take()))
        for thread in threads:
            thread.join()
        assert len(mailbox) == 0
