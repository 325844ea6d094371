"""Figures of the broadcast: what the ring holds, and where everybody is, in numbers.

Theory: whoever shows the ring (in a line of text, in a picture, on a page far away) needs the same
few numbers, and they are a function of the server's value. So they are worked out here, once, and
drawn elsewhere (`show`).

Rules: a value in, named tuples of numbers, texts and names of connections out. Offsets count
bytes and numbers count messages, both since the server was made; the tail's are those of the oldest
message on the ring, the head's those of the next one to be sent. Cohorts and laggards beyond a
fixed number are counted instead of listed. This file does not know how anything is drawn, nor that
texts from outside may have to be escaped for it.
"""

from collections.abc import Iterator, Sized
from typing import NamedTuple

from ..broadcast.broadcast import Broadcast
from ..broadcast.entry import Subscription, entry_len
from ..broadcast.ring import Ring, page_of
from ..close_reasons import CloseReason
from ..conn import Conn, Peer
from ..connection.client import Client
from ..connection.client_status import is_laggard, outbox_len, subscriber_of
from ..connection.websocket_send import buffered_amount
from ..server.slots import find_client
from ..server.state import Server
from ..topics import Topic, in_order, names_of

COHORTS_MAX, LAGGARDS_MAX = 6, 12
"""How many are listed one by one; the others are counted."""


class CohortFigures(NamedTuple):
    """A cohort: `clients` is how many subscribers have the same topics and the same encoding and
    have been sent everything.
    """

    encoding: str
    topics: tuple[Topic, ...]
    clients: int


class LaggardFigures(NamedTuple):
    """A subscriber with a cursor of its own."""

    conn: Conn
    peer: str
    topics: tuple[Topic, ...]
    cursor: int
    """The number of the next message it is to be sent."""
    offset: int
    """Where that message begins."""
    behind: int
    """How many messages have been published from there on, on any topic."""
    outbox: int
    """Bytes that were sent to it alone and that the kernel has not taken."""
    buffered: int
    """All bytes that the kernel has not taken for it: those, and what it needs of the ring."""


class RingFigures(NamedTuple):
    """The ring and everybody around it."""

    max_bytes: int
    max_frames: int
    tail_number: int
    tail_offset: int
    head_number: int
    head_offset: int
    end_number: int
    """Behind what was published in this tick and is not sent yet; between two ticks, the head's."""
    end_offset: int
    members: int
    """How many subscribers are at the head, in all cohorts."""
    cohorts: tuple[CohortFigures, ...]
    """The largest ones."""
    more_cohorts: int
    """How many there are besides."""
    laggards: tuple[LaggardFigures, ...]
    """Those that are furthest behind."""
    more_laggards: int
    """How many there are besides."""
    dropped: int
    """How many subscribers were ever disconnected because they fell too far behind."""


def ring_figures(server: Server) -> RingFigures:
    """The figures of a server's ring, its `COHORTS_MAX` largest cohorts and the `LAGGARDS_MAX`
    laggards that are furthest behind.
    """
    broadcast, ring = server.broadcast, server.broadcast.ring
    cohorts = cohorts_of(broadcast)
    laggards = laggards_of(server, LAGGARDS_MAX)
    return RingFigures(
        max_bytes=ring.max_bytes,
        max_frames=ring.max_frames,
        tail_number=ring.tail_number,
        tail_offset=ring.tail_offset,
        head_number=ring.head_number,
        head_offset=ring.head_offset,
        end_number=broadcast.next_number,
        end_offset=end_of(broadcast),
        members=sum([cohort.clients for cohort in cohorts]),
        cohorts=cohorts[:COHORTS_MAX],
        more_cohorts=max(0, len(cohorts) - COHORTS_MAX),
        laggards=laggards,
        more_laggards=len(broadcast.laggards) - len(laggards),
        dropped=server.totals.closed.get(CloseReason.WS_CLIENT_TOO_SLOW.name, 0),
    )


def cohorts_of(broadcast: Broadcast) -> tuple[CohortFigures, ...]:
    """The figures of all cohorts, the largest ones first."""
    cohorts = sorted(broadcast.cohorts.items(), key=_by_size)
    return tuple([_cohort_figures(*cohort) for cohort in cohorts])


def _cohort_figures(subscription: Subscription, members: Sized) -> CohortFigures:
    """The figures of a cohort."""
    encoding, topics = subscription.encoding.name.lower(), tuple(in_order(subscription.topics))
    return CohortFigures(encoding, topics, len(members))


def _by_size(cohort: tuple[Subscription, Sized]) -> tuple[int, int, list[str]]:
    """What cohorts are sorted by: the largest first; those of one size by encoding and topics."""
    subscription, members = cohort
    return -len(members), subscription.encoding, names_of(subscription.topics)


# -- subscribers of a topic ------------------------------------------------------------------------


class SubscriberInfo(NamedTuple):
    """A subscriber of a topic; `is_behind` if it has not been sent everything yet."""

    conn: Conn
    peer: Peer
    is_behind: bool


def subscribers(server: Server, topic: str) -> Iterator[SubscriberInfo]:
    """Every client that has subscribed to this topic by its name, at the head or behind."""
    for subscription, members in server.broadcast.cohorts.items():
        if topic in subscription.topics:
            for client in filter(None, (find_client(server.slots, conn) for conn in members)):
                yield SubscriberInfo(client.conn, client.peer, is_behind=False)
    for client in _laggards(server):
        if topic in subscriber_of(client).subscription.topics:
            yield SubscriberInfo(client.conn, client.peer, is_behind=True)


# -- laggards --------------------------------------------------------------------------------------


def _laggards(server: Server) -> Iterator[Client]:
    """The laggards as clients, in no order."""
    for conn in server.broadcast.laggards:
        client = find_client(server.slots, conn)
        if client is not None and is_laggard(client):
            yield client


def laggards_of(server: Server, max_count: int | None = None) -> tuple[LaggardFigures, ...]:
    """The laggards, the one that is furthest behind first, and no more than `max_count` of them
    (None: all).
    """
    ordered = sorted(_laggards(server), key=lambda client: (_cursor_of(client), client.conn))
    return tuple(_laggard_figures(server, client) for client in ordered[:max_count])


def _cursor_of(laggard: Client) -> int:
    """The cursor of a laggard."""
    cursor = subscriber_of(laggard).cursor
    assert cursor is not None
    return cursor


def _laggard_figures(server: Server, client: Client) -> LaggardFigures:
    """The figures of a laggard."""
    broadcast, cursor = server.broadcast, _cursor_of(client)
    return LaggardFigures(
        conn=client.conn,
        peer=str(client.peer),
        topics=tuple(in_order(subscriber_of(client).subscription.topics)),
        cursor=cursor,
        offset=offset_of(broadcast, max(cursor, broadcast.ring.tail_number)),
        behind=broadcast.next_number - cursor,
        outbox=outbox_len(client),
        buffered=buffered_amount(client, broadcast),
    )


# -- offsets ---------------------------------------------------------------------------------------


def offset_of(broadcast: Broadcast, number: int) -> int:
    """The offset in bytes at which the message of this number begins, which is on the ring or was
    published in this tick.
    """
    ring = broadcast.ring
    if number >= ring.head_number:
        before = broadcast.pending[: number - ring.head_number]
        return ring.head_offset + sum(map(entry_len, before))
    offset = ring.head_offset
    for page in ring.pages[page_of(ring, number) :]:
        assert page is not None
        offset -= sum(map(entry_len, page.entries[max(0, number - page.number) :]))
    return offset


def end_of(broadcast: Broadcast) -> int:
    """The offset in bytes behind all that was published."""
    return broadcast.ring.head_offset + broadcast.pending_len


class Block(NamedTuple):
    """Neighbouring messages on the ring: those from number `first` up to, but not with, `end`."""

    first: int
    end: int
    start_offset: int
    end_offset: int


def blocks_of(ring: Ring, min_len: float) -> Iterator[Block]:
    """The messages on the ring by pages, where pages are joined until a block has `min_len` bytes;
    only the last block may be shorter.
    """
    first, start_offset = ring.tail_number, ring.tail_offset
    end, end_offset = first, start_offset
    for page in ring.pages[ring.first_page :]:
        assert page is not None
        end_offset += sum(map(entry_len, page.entries[max(0, end - page.number) :]))
        end = page.number + len(page.entries)
        if end_offset - start_offset >= min_len:
            yield Block(first, end, start_offset, end_offset)
            first, start_offset = end, end_offset
    if end > first:
        yield Block(first, end, start_offset, end_offset)
