"""A wire: the socket of one connection; and cohorts of them, as the core orders bytes to be sent to
many.

Theory: the core speaks of names, the kernel of descriptors. Between the two a name is looked up;
for a cohort, which is sent to again and again while its members are the same, they are looked up
once.

Rules: cohorts are remembered by the identity of their set of names, and up to a bound; beyond it
all are forgotten at once, those that are gone with the others. It does not know why anything is
sent, nor when.
"""

import selectors
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TypeAlias

from pyrsistent import PSet

from ...core.broadcast.entry import Subscription
from ...core.conn import Conn
from ...core.events import ConnectionLost, Segment


class ConnectionSocket:
    """A connection's socket, and whether the selector has it."""

    __slots__ = ("conn", "is_watched", "recv", "send", "sock")

    def __init__(self, conn: Conn, sock: socket.socket) -> None:
        self.conn = conn
        self.sock = sock
        self.recv = sock.recv
        self.send = sock.send
        self.is_watched = False

    def failure(self) -> ConnectionLost:
        """What has happened to it, of which nothing was asked: 0 if it has ended without an error."""
        try:
            return ConnectionLost(
                self.conn, self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            )
        except OSError as error:
            return ConnectionLost(self.conn, error.errno or 0)


def close(connection: socket.socket) -> None:
    """Close a socket, which is closed whatever the system says about it (close(2))."""
    with suppress(OSError):
        connection.close()


def trim(rest: Segment) -> Segment:
    """What is left of a piece of memory: by reference, unless that would keep more than twice of it
    alive.
    """
    if isinstance(rest, memoryview) and 2 * len(rest) <= len(rest.obj):  # type: ignore[arg-type]  # a view of bytes
        return bytes(rest)
    return rest


def reports_errors_unwatched(selector: selectors.BaseSelector) -> bool:
    """True if a selector that is told to watch for nothing still reports a connection that breaks,
    as epoll does.

    With any other a connection that is not watched is taken out, and that it has broken is seen
    when it is used.
    """
    return hasattr(selectors, "EpollSelector") and isinstance(selector, selectors.EpollSelector)


# -- cohorts ---------------------------------------------------------------------------------------

Cohort: TypeAlias = tuple[tuple[ConnectionSocket, ...], tuple[Callable[[bytes], int], ...]]
"""Wires, and how each of them sends."""

REMEMBERED_MOST, REMEMBERED_TIMES = 4_096, 4
"""As many wires as this are remembered in all cohorts together, or each so often."""


def _take_nothing(data: bytes) -> int:
    """How a blocked connection sends."""
    return 0


class CohortSockets:
    """The wires of each cohort, as long as its members are the same."""

    __slots__ = ("_known", "_wires", "remembered")

    def __init__(self, wires: Mapping[Conn, ConnectionSocket]) -> None:
        self._wires = wires
        self._known: dict[Subscription, tuple[PSet[Conn], Cohort]] = {}
        self.remembered = 0
        """How many wires are remembered, counted in each cohort."""

    def __len__(self) -> int:
        return len(self._known)

    def find(
        self, subscription: Subscription, members: PSet[Conn], blocked: set[ConnectionSocket]
    ) -> Cohort:
        """The wires of a cohort; one that is blocked takes nothing."""
        known, cohort = self._known.get(subscription, (None, None))
        if known is not members or cohort is None:
            # in order of their slots, which is near to that of their memory in the kernel: a
            # seventh cheaper for 1,000
            wires = [self._wires[conn] for conn in sorted(members) if conn in self._wires]
            cohort = tuple(wires), tuple([connection.send for connection in wires])
            self._remember(subscription, members, cohort)
        if not blocked:
            return cohort
        return cohort[0], tuple(
            [
                _take_nothing if connection in blocked else connection.send
                for connection in cohort[0]
            ]
        )

    def _remember(self, subscription: Subscription, members: PSet[Conn], cohort: Cohort) -> None:
        """Remember a cohort in the place of what it was, and for it all others if they are too
        many.
        """
        _, old = self._known.pop(subscription, (None, None))
        self.remembered -= 0 if old is None else len(old[0])
        if self.remembered + len(cohort[0]) > max(
            REMEMBERED_MOST, REMEMBERED_TIMES * len(self._wires)
        ):
            self.forget()
        self.remembered += len(cohort[0])
        self._known[subscription] = members, cohort

    def forget(self) -> None:
        """Remember none."""
        self._known.clear()
        self.remembered = 0
