"""The socket of one connection, and the sockets of cohorts, to which the same bytes are sent.

Theory: the core names connections by handles, the kernel by descriptors. Between the two a handle
is looked up; for a cohort, which is sent to again and again while its members are the same, all are
looked up once.

Rules: the sockets of a cohort are cached by the identity of its set of members, up to a bound; when
that is reached the whole cache is cleared, with those that are gone. It does not know why anything
is sent, nor when.
"""

import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from operator import attrgetter
from typing import TypeAlias

from pyrsistent import PSet

from ...core.broadcast.entry import Subscription
from ...core.conn import Conn
from ...core.events import ConnectionLost, Segment


class ConnectionSocket:
    """A connection's socket, and what it is watched for."""

    __slots__ = ("conn", "interest", "send", "sock")

    def __init__(self, conn: Conn, sock: socket.socket) -> None:
        self.conn = conn
        self.sock = sock
        self.send = sock.send
        self.interest = 0

    def failure(self) -> ConnectionLost:
        """The loss of a connection that is watched for nothing; errno 0 if there is no error."""
        try:
            return ConnectionLost(
                self.conn, self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            )
        except OSError as error:
            return ConnectionLost(self.conn, error.errno or 0)


def close(connection: socket.socket) -> None:
    """Close a socket, which is closed whatever the system says about it (close(2)).

    It is shut down before: so the other end gets it also if a child process, forked by user
    code, has a copy of the descriptor.
    """
    with suppress(OSError):  # the other end was faster
        connection.shutdown(socket.SHUT_RDWR)
    with suppress(OSError):
        connection.close()


def trim(rest: Segment) -> Segment:
    """The rest of a segment: by reference, unless that would hold more than twice its bytes in
    memory.
    """
    if isinstance(rest, memoryview) and 2 * len(rest) <= len(rest.obj):  # type: ignore[arg-type]  # a view of bytes
        return bytes(rest)
    return rest


# -- cohorts ---------------------------------------------------------------------------------------

Cohort: TypeAlias = tuple[tuple[ConnectionSocket, ...], tuple[Callable[[bytes], int], ...]]
"""The sockets of a cohort, and the method that each sends with."""

CACHED_MAX, CACHED_TIMES = 4_096, 4
"""How many sockets may be cached in all cohorts together: so many, or each so often."""


_slot_of = attrgetter("slot")


def _take_nothing(data: bytes) -> int:
    """Stands for the `send` of a blocked connection: takes no bytes."""
    return 0


class CohortSockets:
    """The sockets of each cohort, cached as long as its members are the same."""

    __slots__ = ("_known", "_sockets", "remembered")

    def __init__(self, sockets: Mapping[Conn, ConnectionSocket]) -> None:
        self._sockets = sockets
        self._known: dict[Subscription, tuple[PSet[Conn], Cohort]] = {}
        self.remembered = 0
        """How many sockets are cached, counted in each cohort."""

    def __len__(self) -> int:
        return len(self._known)

    def find(
        self, subscription: Subscription, members: PSet[Conn], blocked: set[ConnectionSocket]
    ) -> Cohort:
        """The sockets of a cohort; one that is blocked takes nothing."""
        known, cohort = self._known.get(subscription, (None, None))
        if known is not members or cohort is None:
            # in order of their slots, which is near to that of their memory in the kernel: a
            # seventh cheaper for 1,000
            sockets = [
                self._sockets[conn]
                for conn in sorted(members, key=_slot_of)
                if conn in self._sockets
            ]
            cohort = tuple(sockets), tuple([connection.send for connection in sockets])
            self._cache(subscription, members, cohort)
        if not blocked:
            return cohort
        return cohort[0], tuple(
            [
                _take_nothing if connection in blocked else connection.send
                for connection in cohort[0]
            ]
        )

    def _cache(self, subscription: Subscription, members: PSet[Conn], cohort: Cohort) -> None:
        """Cache a cohort in the place of what it was; clear the cache if it is too large."""
        _, old = self._known.pop(subscription, (None, None))
        self.remembered -= 0 if old is None else len(old[0])
        if self.remembered + len(cohort[0]) > max(CACHED_MAX, CACHED_TIMES * len(self._sockets)):
            self.forget()
        self.remembered += len(cohort[0])
        self._known[subscription] = members, cohort

    def forget(self) -> None:
        """Clear the cache."""
        self._known.clear()
        self.remembered = 0
