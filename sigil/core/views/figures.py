"""Figures of the stream: what is kept of it, and who is where, in numbers.

Theory: whoever draws the ring (in a line of text, in a picture, on a page far away) needs the same few numbers, and
they are a function of the server's value.  So they are worked out here, once, and drawn elsewhere.

Rules: values in, named tuples of numbers and texts out, which JSON can say.  Offsets count bytes and numbers count
messages, both since the beginning; the tail's are those of the oldest message that is kept, the head's those of the
next one that will be sent.  What is too much to be told one by one is counted.  It does not know how anything is drawn,
nor that texts from outside may have to be escaped for it.
"""

from collections.abc import Iterator, Sized
from typing import NamedTuple

from ..broadcast.broadcast import Stream
from ..broadcast.entry import Hearing, entry_len
from ..broadcast.ring import Ring, page_of
from ..close_reasons import CloseReason
from ..conn import Conn, Peer
from ..connection.client import Client, outbox_len
from ..connection.websocket_send import buffered_amount
from ..server.slots import find
from ..server.state import Server

COHORTS_MAX, LAGGARDS_MAX = 6, 12
"""What is told one by one; the rest is counted."""


class CohortFigures(NamedTuple):
    """So many clients that hear the same in the same encoding, and have been sent all of it."""

    encoding: str
    topics: tuple[str, ...]
    clients: int


class LaggardFigures(NamedTuple):
    """A client with a cursor of its own: the number and the offset of the next message it is to be sent.

    It is `behind` by so many messages.  In bytes: `outbox` is what is its alone, `owed` all that the kernel has not
    taken for it.
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
    """The ring and everybody around it: at most `size` bytes in at most `most` messages are kept.

    The end lies behind what was published in this turn and is not sent yet; between two turns it is the head.
    `members` is how many are at the head in all; `dropped` how many ever fell too far behind.
    """

    size: int
    most: int
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
    """The figures of a server's ring: the largest cohorts, the laggards that are furthest behind, and how many more."""
    stream, ring = server.stream, server.stream.ring
    cohorts = sorted(stream.cohorts.items(), key=_by_size)
    laggards = laggards_of(server, LAGGARDS_MAX)
    return RingFigures(
        ring.size, ring.most, ring.tail_number, ring.tail_offset, ring.head_number, ring.head_offset,
        stream.next_number, end_of(stream), sum(len(members) for _, members in cohorts),
        tuple(CohortFigures(hearing.encoding.name.lower(), tuple(sorted(hearing.topics)), len(members))
              for hearing, members in cohorts[:COHORTS_MAX]), max(0, len(cohorts) - COHORTS_MAX),
        laggards, len(stream.laggards) - len(laggards),
        server.totals.closed.get(CloseReason.WS_CLIENT_TOO_SLOW.name, 0))


def _by_size(cohort: tuple[Hearing, Sized]) -> tuple[int, int, list[str]]:
    """The largest first; of those, in order."""
    hearing, members = cohort
    return -len(members), hearing.encoding, sorted(hearing.topics)


def listeners(server: Server, topic: str) -> int:
    """How many clients hear this topic by its name, wherever they are."""
    stream = server.stream
    behind = (client for client, _ in _followers(server))
    return (sum(len(members) for hearing, members in stream.cohorts.items() if topic in hearing.topics)
            + sum(client.talk is not None and topic in client.talk.hearing.topics for client in behind))


class Listener(NamedTuple):
    """A client that hears a topic, and whether it has still to be sent some of what was published."""

    conn: Conn
    peer: Peer
    is_behind: bool


def who_hears(server: Server, topic: str) -> Iterator[Listener]:
    """Every client that hears this topic by its name, wherever it is."""
    for hearing, members in server.stream.cohorts.items():
        if topic in hearing.topics:
            for client in filter(None, (find(server.slots, conn) for conn in members)):
                yield Listener(client.conn, client.peer, False)
    for client, _ in _followers(server):
        if client.talk is not None and topic in client.talk.hearing.topics:
            yield Listener(client.conn, client.peer, True)


# -- laggards -----------------------------------------------------------------------------------------------------

def _followers(server: Server) -> Iterator[tuple[Client, int]]:
    """Every laggard with its cursor."""
    for conn in server.stream.laggards:
        client = find(server.slots, conn)
        if client is not None and client.talk is not None and client.talk.cursor is not None:
            yield client, client.talk.cursor


def laggards_of(server: Server, most: int | None = None) -> tuple[LaggardFigures, ...]:
    """The laggards, the one that is furthest behind first, and no more than `most` of them (None: all)."""
    followers = sorted(_followers(server), key=lambda follower: (follower[1], follower[0].conn))[:most]
    return tuple(_figures_of(server, client, cursor) for client, cursor in followers)


def _figures_of(server: Server, client: Client, cursor: int) -> LaggardFigures:
    stream = server.stream
    topics = () if client.talk is None else tuple(sorted(client.talk.hearing.topics))
    return LaggardFigures(client.conn, str(client.peer), topics, cursor, offset_of(stream, cursor),
                          stream.next_number - cursor, outbox_len(client), buffered_amount(client, stream))


# -- offsets ------------------------------------------------------------------------------------------------------

def offset_of(stream: Stream, number: int) -> int:
    """The offset at which a frame begins, one of those that are kept or were published in this turn."""
    ring = stream.ring
    if number >= ring.head_number:
        return ring.head_offset + sum(map(entry_len, stream.pending[:number - ring.head_number]))
    offset = ring.head_offset
    for page in ring.pages[page_of(ring, number):]:
        assert page is not None
        offset -= sum(map(entry_len, page.entries[max(0, number - page.number):]))
    return offset


def end_of(stream: Stream) -> int:
    """The offset behind all that was published."""
    return stream.ring.head_offset + stream.pending_len


class Block(NamedTuple):
    """Some of what is kept: frames from number `first` up to `end`, and the offsets they lie between."""

    first: int
    end: int
    start_offset: int
    end_offset: int


def blocks_of(ring: Ring, least: float) -> Iterator[Block]:
    """What is kept by pages, with those drawn together that are shorter than `least` bytes."""
    first, start = ring.tail_number, ring.tail_offset
    end, end_offset = first, start
    for page in ring.pages[ring.first:]:
        assert page is not None
        end_offset += sum(map(entry_len, page.entries[max(0, end - page.number):]))
        end = page.number + len(page.entries)
        if end_offset - start >= least:
            yield Block(first, end, start, end_offset)
            first, start = end, end_offset
    if end > first:
        yield Block(first, end, start, end_offset)
