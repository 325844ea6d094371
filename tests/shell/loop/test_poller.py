"""What is watched, by epoll and by what stands for it, and what it is ready for."""

import errno
import select
import selectors
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import NamedTuple

import pytest

from sigil.shell.loop.poller import READABLE, WRITABLE, Poller, SelectorAsEpoll, ready_for
from tests.adversity.failing import HAS_EPOLL

NOTHING, READ, WRITE, BOTH = range(4)
BROKEN = 16
"""EPOLLHUP."""
OTHER_SELECTORS = tuple(
    getattr(selectors, name)
    for name in ("PollSelector", "SelectSelector", "KqueueSelector")
    if hasattr(selectors, name)
)
KERNELS = (
    None,
    *(lambda make=make: SelectorAsEpoll(make()) for make in OTHER_SELECTORS),  # type: ignore[misc]  # bound early
)


class Watched(NamedTuple):
    """A poller, and two ends of a connection."""

    poller: Poller
    ours: socket.socket
    peer: socket.socket

    @property
    def descriptor(self) -> int:
        """That of our end."""
        return self.ours.fileno()


@pytest.fixture(params=KERNELS, ids=["default", *(make.__name__ for make in OTHER_SELECTORS)])
def watched(request: pytest.FixtureRequest) -> Iterator[Watched]:
    make: Callable[[], SelectorAsEpoll] | None = request.param
    with ExitStack() as stack:
        poller = Poller(None if make is None else make())
        stack.callback(poller.close)
        ours, peer = map(stack.enter_context, socket.socketpair())
        yield Watched(poller, ours, peer)


def test_an_owner_is_reported_for_what_was_asked(watched: Watched) -> None:
    poller, ours, peer = watched
    poller.watch(ours.fileno(), READ, "owner")
    assert poller.wait(0.0) == []
    peer.send(b"x")
    assert poller.wait(None) == [("owner", READABLE)]
    poller.watch(ours.fileno(), WRITE, "owner")
    assert poller.wait(0.0) == [("owner", WRITABLE)]
    poller.watch(ours.fileno(), BOTH, "owner")
    assert poller.wait(0.0) == [("owner", READABLE | WRITABLE)]


def test_who_is_forgotten_is_not_reported_and_may_come_back(watched: Watched) -> None:
    poller, ours, _ = watched
    for _ in range(2):
        poller.watch(ours.fileno(), WRITE, "owner")
        assert poller.wait(0.0) == [("owner", WRITABLE)]
        for _ in range(2):
            poller.forget(ours.fileno())
        assert poller.wait(0.0) == []


def test_watching_for_nothing_is_allowed_and_reports_no_data(watched: Watched) -> None:
    poller, ours, peer = watched
    peer.send(b"x")
    poller.watch(ours.fileno(), READ, "owner")
    poller.watch(ours.fileno(), NOTHING, "owner")
    assert poller.wait(0.0) == []
    poller.watch(ours.fileno(), READ, "owner")
    assert poller.wait(0.0) == [("owner", READABLE)]


@pytest.mark.skipif(not HAS_EPOLL, reason="needs epoll")
def test_epoll_reports_a_connection_that_broke_though_it_is_watched_for_nothing() -> None:
    poller = Poller()
    ours, peer = socket.socketpair()
    with ours:
        poller.watch(ours.fileno(), NOTHING, "owner")
        peer.close()
        ((owner, mask),) = poller.wait(0.0)
        assert (owner, ready_for(mask, NOTHING), ready_for(mask, READ)) == ("owner", NOTHING, READ)
        poller.close()


def test_all_that_are_ready_are_reported(watched: Watched) -> None:
    poller, ours, peer = watched
    for owner in (ours, peer):
        poller.watch(owner.fileno(), WRITE, owner)
    assert {owner for owner, _ in poller.wait(0.0)} == {ours, peer}


def test_what_cannot_be_watched_is_an_error_and_is_not_watched(watched: Watched) -> None:
    poller, ours, _ = watched
    number = ours.fileno()
    poller.watch(number, READ, "owner")
    ours.close()
    if poller.fileno() is not None:  # the others find out when they wait
        with pytest.raises(OSError) as raised:
            poller.watch(number, BOTH, "owner")
        assert raised.value.errno in (errno.EBADF, errno.ENOENT)
        poller.forget(number)


def test_a_call_that_was_interrupted_may_be_made_again(watched: Watched) -> None:
    poller, ours, _ = watched
    poller.watch(ours.fileno(), WRITE, "owner")
    poller._owners[:] = [None] * len(poller._owners)  # an interrupt came between the two tables
    assert poller.wait(0.0) == [(None, WRITABLE)]
    poller.watch(ours.fileno(), WRITE, "owner")
    assert poller.wait(0.0) == [("owner", WRITABLE)]


def test_a_socket_that_is_closed_has_no_descriptor_to_forget(watched: Watched) -> None:
    poller, ours, _ = watched
    poller.watch(ours.fileno(), WRITE, "owner")
    poller.forget(-1)
    poller.forget(9_999)
    assert poller.wait(0.0) == [("owner", WRITABLE)]


def test_a_time_that_is_over_does_not_wait(watched: Watched) -> None:
    assert watched.poller.wait(-1.0) == []


def test_epoll_has_a_descriptor_that_is_ready_when_any_is() -> None:
    poller = Poller()
    ours, peer = socket.socketpair()
    with ours, peer:
        descriptor = poller.fileno()
        if descriptor is not None:
            poller.watch(ours.fileno(), READ, "owner")
            assert select.select([descriptor], [], [], 0.0)[0] == []
            peer.send(b"x")
            assert select.select([descriptor], [], [], 0.0)[0] == [descriptor]
    poller.close()


@pytest.mark.parametrize(
    ("mask", "interest", "ready"),
    [
        (READABLE, READ, READ),
        (READABLE, BOTH, READ),
        (WRITABLE, BOTH, WRITE),
        (READABLE | WRITABLE, BOTH, BOTH),
        (BROKEN, BOTH, BOTH),
        (BROKEN, READ, READ),
        (BROKEN, WRITE, WRITE),
        (READABLE | BROKEN, WRITE, WRITE),
        (BROKEN, NOTHING, NOTHING),
    ],
)
def test_who_broke_can_be_read_and_written(mask: int, interest: int, ready: int) -> None:
    assert ready_for(mask, interest) == ready
