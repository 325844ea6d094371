"""Whose bodies are read next.

Theory: most requests come in one read, and a body in many. Each read costs as much as a small
request, whether it brings a byte or a million, so a body that is under way, or the payload of a
frame, is read in few large pieces; and since one tick may bring only so much of that, those who
send them take turns.

Rules: whoever was read longest ago is first. A connection may be here that is in no body: all that
is known is that it had as much for us as was read; how much a body lacks, the core says. It does
not know sockets.
"""

from collections.abc import Iterable
from contextlib import suppress

from ...core.conn import Conn
from ...core.events import Event, Received
from ...core.limits import Limits
from .connection_socket import ConnectionSocket

SHARES_MAX = 16
"""The shares into which what is read of bodies in one tick is divided, at most."""
KEPT_LEN_MAX = 2**25 - 2**16
"""Bytes of the longest block that glibc can be made to keep (DEFAULT_MMAP_THRESHOLD_MAX)."""


class BodyTurns:
    """The connections that may be in the middle of a body, of `max_len` bytes at most.

    `turns` has the number of the last read of each; whoever is in it may be asked for at once.
    """

    __slots__ = ("_count", "_max_len", "turns")

    def __init__(self, max_len: int) -> None:
        self._max_len = max_len
        self._count = 0
        """How many reads were numbered."""
        self.turns: dict[ConnectionSocket, int] = {}

    def add(self, connection: ConnectionSocket) -> None:
        """Add a connection that was read just now."""
        if not self._count:
            keep_blocks(self._max_len)
        self._count += 1
        self.turns[connection] = self._count

    def discard(self, connection: ConnectionSocket) -> None:
        """Forget a connection that is in no body."""
        self.turns.pop(connection, None)

    def in_order(self, connections: Iterable[ConnectionSocket]) -> list[ConnectionSocket]:
        """These connections, all of which are here, the one that was read longest ago first."""
        return sorted(connections, key=self.turns.__getitem__)


def share_len(limits: Limits, count: int) -> int:
    """How many bytes are read at most from each of so many connections that are ready in one tick
    and in the middle of a body.
    """
    return max(1, limits.max_body_read_len_per_tick // min(count, SHARES_MAX))


def full_read_len(max_len: int) -> int:
    """From how many bytes on a read of up to so many is one after which there may be more: TLS
    takes a part of it.
    """
    return max_len - max_len // 64


def unread_of(
    left: Iterable[tuple[object, int]], events: Iterable[Event], max_len: int
) -> frozenset[Conn]:
    """The connections that have more for us than was read: those that are `left` for the next tick,
    and those from which as much came as one read takes.
    """
    conns = [conn for owner, _ in left if type(conn := getattr(owner, "conn", None)) is Conn]
    full_len = full_read_len(max_len)
    conns += [
        event.conn for event in events if type(event) is Received and len(event.data) >= full_len
    ]
    return frozenset(conns)


def keep_blocks(length: int) -> None:
    """Have the allocator keep blocks of up to so many bytes when they are freed.

    By default glibc gives every large block back to the kernel, and the next one is cleared page by
    page again, which takes longer than to receive what goes into it. It stops that for blocks as
    long as one that was freed (mallopt(3), M_MMAP_THRESHOLD); of this one no page is ever touched.
    """
    with suppress(MemoryError):  # a limit of the process: then blocks are as they always are
        bytes(min(length, KEPT_LEN_MAX))
