"""The socket of one connection, and the sockets of cohorts, to which the same bytes are sent.

Theory: the core names connections by handles, the kernel by descriptors. Between the two a handle
is looked up, in a table that has the same slots as the core's; for a cohort, which is sent to again
and again while its members are the same, all are looked up once.

Rules: the sockets of a cohort are cached by the identity of its set of members, up to a bound; when
that is reached the whole cache is cleared, with those that are gone. It does not know why anything
is sent, nor when.
"""

import socket
from collections.abc import Iterable, Iterator
from operator import attrgetter
from typing import Protocol, TypeAlias

from pyrsistent import PSet

from ...core.broadcast.entry import Subscription
from ...core.conn import Conn
from ...core.events import ConnectionLost, HalfClosed, Segment

OUR_SIDE, PEERS_SIDE = 1, 2
"""The sides of a connection, of which either may have ended."""


class StreamSocket(Protocol):
    """What is needed of a connection's socket: one of the system, or one over TLS."""

    @property
    def family(self) -> int:
        """The kind of address."""

    def fileno(self) -> int:
        """The descriptor."""

    def recv(self, max_len: int, /) -> bytes:
        """What has come, about so many bytes of it; nothing at the end."""

    def send(self, data: Segment, /) -> int:
        """How many bytes were taken."""

    def sendmsg(self, segments: Iterable[Segment], /) -> int:
        """How many bytes of these were taken."""

    def shutdown(self, how: int, /) -> None:
        """End one side, or both."""

    def getsockopt(self, level: int, option: int, /) -> int:
        """An option."""

    def setsockopt(self, level: int, option: int, value: int, /) -> None:
        """Set an option."""

    def close(self) -> None:
        """Close the descriptor."""


class ConnectionSocket:
    """A connection's socket, what it is watched for, and which of its sides have ended."""

    __slots__ = ("conn", "ended", "interest", "sock")

    def __init__(self, conn: Conn, sock: StreamSocket) -> None:
        self.conn = conn
        self.sock = sock
        self.interest = 0
        self.ended = 0

    def shut(self) -> None:
        """End our side, behind the last byte; BlockingIOError if there is no room to say so, which
        only happens under TLS.
        """
        self.sock.shutdown(socket.SHUT_WR)
        self.ended |= OUR_SIDE

    def half_closed(self) -> HalfClosed:
        """The end of the peer's side."""
        self.ended |= PEERS_SIDE
        return HalfClosed(self.conn)

    def failure(self) -> ConnectionLost:
        """The loss of a connection that is watched for nothing; errno 0 if there is no error."""
        try:
            return ConnectionLost(
                self.conn, self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            )
        except OSError as error:
            return ConnectionLost(self.conn, error.errno or 0)


def close(connection: StreamSocket) -> None:
    """Close a socket, which is closed whatever the system says about it (close(2)).

    It is shut down before: so the other end gets it also if a child process, forked by user
    code, has a copy of the descriptor.
    """
    # a connection ends here, as often as one begins: `suppress` would take longer than the calls
    try:  # noqa: SIM105
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:  # the other end was faster
        pass
    _close_descriptor(connection)


def _close_descriptor(connection: StreamSocket) -> None:
    """Close a socket, as it is."""
    try:  # noqa: SIM105
        connection.close()
    except OSError:
        pass


def close_connection(connection: ConnectionSocket) -> None:
    """Close the socket of a connection: at once, if both sides have ended and so nothing is held
    back.
    """
    if connection.ended != OUR_SIDE | PEERS_SIDE:
        close(connection.sock)
    else:
        _close_descriptor(connection.sock)


class ConnectionTable:
    """The sockets of all connections, each at the slot of its `Conn`."""

    __slots__ = ("slots",)

    def __init__(self) -> None:
        self.slots: list[ConnectionSocket | None] = []

    def __iter__(self) -> Iterator[ConnectionSocket]:
        """Those of all connections, by slot."""
        return (connection for connection in self.slots if connection is not None)

    def find(self, conn: Conn) -> ConnectionSocket | None:
        """The socket of a connection; None if that is gone."""
        slot, slots = conn.slot, self.slots
        connection = slots[slot] if slot < len(slots) else None
        if connection is None or connection.conn.generation != conn.generation:
            return None
        return connection

    def put(self, connection: ConnectionSocket) -> None:
        """Put a new connection at its slot."""
        slot, slots = connection.conn.slot, self.slots
        if slot >= len(slots):
            slots.extend([None] * (slot + 1 - len(slots)))
        slots[slot] = connection

    def remove(self, connection: ConnectionSocket) -> None:
        """Leave the slot of a connection that is gone."""
        self.slots[connection.conn.slot] = None


HELD_FACTOR = 8
"""How many times as much as its rest may be held of a segment. Rests of rests are copied too: all
together a seventh of the segment, and with a factor of 2 as much as all of it.
"""


def trim(rest: Segment) -> Segment:
    """The rest of a segment: by reference, unless that would hold more than `HELD_FACTOR` times its
    bytes in memory.
    """
    if isinstance(rest, memoryview) and HELD_FACTOR * len(rest) <= len(rest.obj):  # type: ignore[arg-type]  # a view of bytes
        return bytes(rest)
    return rest


# -- cohorts ---------------------------------------------------------------------------------------

Cohort: TypeAlias = tuple[tuple[ConnectionSocket, ...], tuple[StreamSocket, ...]]
"""The connections of a cohort, and their sockets."""

CACHED_MAX, CACHED_TIMES = 4_096, 4
"""How many sockets may be cached in all cohorts together: so many, or each so often."""


_slot_of = attrgetter("slot")


def _with_sockets(connections: Iterable[ConnectionSocket]) -> Cohort:
    """These connections, and their sockets."""
    connections = tuple(connections)
    return connections, tuple([connection.sock for connection in connections])


class CohortSockets:
    """The sockets of each cohort, cached as long as its members are the same."""

    __slots__ = ("_known", "_table", "remembered")

    def __init__(self, table: ConnectionTable) -> None:
        self._table = table
        self._known: dict[Subscription, tuple[PSet[Conn], Cohort]] = {}
        self.remembered = 0
        """How many sockets are cached, counted in each cohort."""

    def __len__(self) -> int:
        return len(self._known)

    def find(
        self, subscription: Subscription, members: PSet[Conn], blocked: set[ConnectionSocket]
    ) -> Cohort:
        """The connections of a cohort, and the sockets of those that are not blocked: these come
        first.
        """
        known, cohort = self._known.get(subscription, (None, None))
        if known is not members or cohort is None:
            # in order of their slots, which is near to that of their memory in the kernel: a
            # seventh cheaper for 1,000
            in_order = sorted(members, key=_slot_of)
            cohort = _with_sockets(filter(None, map(self._table.find, in_order)))
            self._cache(subscription, members, cohort)
        if not blocked:
            return cohort
        connections, _ = cohort
        ready, sockets = _with_sockets([one for one in connections if one not in blocked])
        return (*ready, *[one for one in connections if one in blocked]), sockets

    def _cache(self, subscription: Subscription, members: PSet[Conn], cohort: Cohort) -> None:
        """Cache a cohort in the place of what it was; clear the cache if it is too large."""
        _, old = self._known.pop(subscription, (None, None))
        self.remembered -= 0 if old is None else len(old[0])
        max_count = max(CACHED_MAX, CACHED_TIMES * len(self._table.slots))
        if self.remembered + len(cohort[0]) > max_count:
            self.forget()
        self.remembered += len(cohort[0])
        self._known[subscription] = members, cohort

    def forget(self) -> None:
        """Clear the cache."""
        self._known.clear()
        self.remembered = 0
