"""Figures of the stream: what is kept of it, and who is where, in numbers.

Theory: whoever draws the ring (in a line of text, in a picture, on a page far away) needs the same
few numbers, and they are a function of the server's value. So they are worked out here, once, and
drawn elsewhere.

Rules: values in, named tuples of numbers and texts out, which JSON can say. Offsets count bytes and
numbers count messages, both since the beginning; the tail's are those of the oldest message that is
kept, the head's those of the next one that will be sent. What is too much to be told one by one is
counted. It does not know how anything is drawn, nor that texts from outside may have to be escaped
for it.
"""

from collections.abc import Iterator, Sized
from typing import NamedTuple

from ..broadcast.broadcast import Broadcast
from ..broadcast.entry import Subscription, entry_len
from ..broadcast.ring import Ring, page_of
from ..close_reasons import CloseReason
from ..conn import Conn, Peer
from ..connection.client import Client, outbox_len
from ..connection.websocket_send import buffered_amount
from ..server.slots import find_client
from ..server.state import Server

COHORTS_MAX, LAGGARDS_MAX = 6, 12
"""What is told one by one; the rest is counted."""


class CohortFigures(NamedTuple):
    """So many clients that hear the same in the same encoding, and have been sent all of it."""

    encoding: str
    topics: tuple[str, ...]
    clients: int


class LaggardFigures(NamedTuple):
    """A client with a cursor of its own: the number and the offset of the next message it is to be
    sent.

    It is `read_lag` by so many messages. In bytes: `outbox` is what is its alone, `outstanding` all
    that the kernel has not taken for it.
    """

    conn: Conn
    peer: str
    topics: tuple[str, ...]
    cursor: int
    offset: int
    behind: int
    outbox: int
    owed: int


class RingFigures(NamedTuple):
    """The ring and everybody around it: at most `max_bytes` bytes in at most `max_frames` messages
    are kept.

    The end lies behind what was published in this turn and is not sent yet; between two turns it is
    the head. `members` is how many are at the head in all; `dropped` how many ever fell too far
    behind.
    """

    max_bytes: int
    max_frames: int
    tail_number: int
    tail_offset: int
    head_number: int
    head_offset: int
    end_number: int
    end_offset: int
    members: int
    cohorts: tuple[CohortFigures, ...]
    more_cohorts: int
    laggards: tuple[LaggardFigures, ...]
    more_laggards: int
    dropped: int


def ring_figures(server: Server) -> RingFigures:
    """The figures of a server's ring: the largest cohorts, the laggards that are furthest behind,
    and how many more.
    """
    broadcast, ring = server.broadcast, server.broadcast.ring
    cohorts = sorted(broadcast.cohorts.items(), key=_by_size)
    laggards = laggards_of(server, LAGGARDS_MAX)
    return RingFigures(
        ring.max_bytes,
        ring.max_frames,
        ring.tail_number,
        ring.tail_offset,
        ring.head_number,
        ring.head_offset,
        broadcast.next_number,
        end_of(broadcast),
        sum(len(members) for _, members in cohorts),
        tuple(
            CohortFigures(
                subscription.encoding.name.lower(), tuple(sorted(subscription.topics)), len(members)
            )
            for subscription, members in cohorts[:COHORTS_MAX]
        ),
        max(0, len(cohorts) - COHORTS_MAX),
        laggards,
        len(broadcast.laggards) - len(laggards),
        server.totals.closed.get(CloseReason.WS_CLIENT_TOO_SLOW.name, 0),
    )


def _by_size(cohort: tuple[Subscription, Sized]) -> tuple[int, int, list[str]]:
    """The largest first; of those, in order."""
    subscription, members = cohort
    return -len(members), subscription.encoding, sorted(subscription.topics)


def subscriber_count(server: Server, topic: str) -> int:
    """How many clients hear this topic by its name, wherever they are."""
    broadcast = server.broadcast
    behind = (client for client, _ in _followers(server))
    return sum(
        len(members)
        for subscription, members in broadcast.cohorts.items()
        if topic in subscription.topics
    ) + sum(
        client.subscriber is not None and topic in client.subscriber.subscription.topics
        for client in behind
    )


class SubscriberInfo(NamedTuple):
    """A client that hears a topic, and whether it has still to be sent some of what was published."""

    conn: Conn
    peer: Peer
    is_behind: bool


def subscribers(server: Server, topic: str) -> Iterator[SubscriberInfo]:
    """Every client that hears this topic by its name, wherever it is."""
    for subscription, members in server.broadcast.cohorts.items():
        if topic in subscription.topics:
            for client in filter(None, (find_client(server.slots, conn) for conn in members)):
                yield SubscriberInfo(client.conn, client.peer, False)
    for client, _ in _followers(server):
        if client.subscriber is not None and topic in client.subscriber.subscription.topics:
            yield SubscriberInfo(client.conn, client.peer, True)


# -- laggards --------------------------------------------------------------------------------------


def _followers(server: Server) -> Iterator[tuple[Client, int]]:
    """Every laggard with its cursor."""
    for conn in server.broadcast.laggards:
        client = find_client(server.slots, conn)
        if (
            client is not None
            and client.subscriber is not None
            and client.subscriber.cursor is not None
        ):
            yield client, client.subscriber.cursor


def laggards_of(server: Server, most: int | None = None) -> tuple[LaggardFigures, ...]:
    """The laggards, the one that is furthest behind first, and no more than `max_frames` of them
    (None: all).
    """
    followers = sorted(_followers(server), key=lambda follower: (follower[1], follower[0].conn))[
        :most
    ]
    return tuple(_figures_of(server, client, cursor) for client, cursor in followers)


def _figures_of(server: Server, client: Client, cursor: int) -> LaggardFigures:
    broadcast = server.broadcast
    topics = (
        () if client.subscriber is None else tuple(sorted(client.subscriber.subscription.topics))
    )
    return LaggardFigures(
        client.conn,
        str(client.peer),
        topics,
        cursor,
        offset_of(broadcast, cursor),
        broadcast.next_number - cursor,
        outbox_len(client),
        buffered_amount(client, broadcast),
    )


# -- offsets ---------------------------------------------------------------------------------------


def offset_of(broadcast: Broadcast, number: int) -> int:
    """The offset at which a frame begins, one of those that are kept or were published in this
    turn.
    """
    ring = broadcast.ring
    if number >= ring.head_number:
        return ring.head_offset + sum(
            map(entry_len, broadcast.pending[: number - ring.head_number])
        )
    offset = ring.head_offset
    for page in ring.pages[page_of(ring, number) :]:
        assert page is not None
        offset -= sum(map(entry_len, page.entries[max(0, number - page.number) :]))
    return offset


def end_of(broadcast: Broadcast) -> int:
    """The offset behind all that was published."""
    return broadcast.ring.head_offset + broadcast.pending_len


class Block(NamedTuple):
    """Some of what is kept: frames from number `first_page` up to `end`, and the offsets they lie
    between.
    """

    first: int
    end: int
    start_offset: int
    end_offset: int


def blocks_of(ring: Ring, least: float) -> Iterator[Block]:
    """What is kept by pages, with those drawn together that are shorter than `least` bytes."""
    first, start = ring.tail_number, ring.tail_offset
    end, end_offset = first, start
    for page in ring.pages[ring.first_page :]:
        assert page is not None
        end_offset += sum(map(entry_len, page.entries[max(0, end - page.number) :]))
        end = page.number + len(page.entries)
        if end_offset - start >= least:
            yield Block(first, end, start, end_offset)
            first, start = end, end_offset
    if end > first:
        yield Block(first, end, start, end_offset)
