"""WebSockets that gather around a small ring, some of which take less than they are sent.

Theory: pictures and figures of the ring need a server with clients in many places, and how they got
there does not matter. So a few words make one: who comes, what is said, who takes how much of it.

Rules: only events of the core; the same words make the same server. It does not know what is asked
of it.
"""

from collections.abc import Mapping

from sigil.core.broadcast.encoding import Encoding
from sigil.core.broadcast.entry import NO_OPTIONS, Published, Subscription
from sigil.core.conn import Conn, Peer
from sigil.core.effects import Adopt, FanOut, Handle
from sigil.core.events import (
    Accepted,
    Delivered,
    FanOutStalled,
    Flush,
    HandlerReturned,
    Publish,
    Received,
)
from sigil.core.http.response import Response
from sigil.core.limits import Limits
from sigil.core.server import advance, make_server
from sigil.core.server.state import Server
from sigil.core.topics import ALL_TOPICS
from tests.support.core_driver import PEER, advance_by
from tests.support.requests import UPGRADE

SMALL = Limits(outgoing_buffer_sz=600, max_ws_send_frame_cnt=16)
"""Ten bytes of the ring are one character of its text."""


def join_websockets(
    server: Server, count: int, topics: tuple[str, ...] = (), peer: Peer = PEER
) -> tuple[Server, list[Conn]]:
    """So many more WebSockets that hear these topics."""
    conns = []
    for _ in range(count):
        server, effects = advance_by(server, Accepted(0, peer))
        adopt = effects[0]
        assert isinstance(adopt, Adopt)
        server, effects = advance_by(server, Received(adopt.conn, UPGRADE))
        handle = effects[0]
        assert isinstance(handle, Handle)
        server, _ = advance_by(
            server,
            HandlerReturned(handle.ticket, (Response.upgrade(topics=topics),)),
            Delivered(adopt.conn),
        )
        conns.append(adopt.conn)
    return server, conns


def with_websockets(count: int, limits: Limits = SMALL) -> tuple[Server, list[Conn]]:
    """A server with so many WebSockets and nothing else."""
    return join_websockets(make_server(limits, 0.0, 0), count)


ALL_TAKEN: dict[int, int] = {}


def publish_lengths(
    server: Server, *lengths: int, flushes: bool = True, taken: Mapping[int, int] = ALL_TAKEN
) -> Server:
    """Publish messages whose frames have these lengths, at most 127; of what leaves, clients (by
    slot) take so much.
    """
    server, _ = advance(
        server, [Publish(tuple((2, bytes(length - 2), None, NO_OPTIONS) for length in lengths))]
    )
    if not flushes:
        return server
    server, effects = advance_by(server, Flush(None))
    for fan in effects:
        if isinstance(fan, FanOut):
            lagging = [
                FanOutStalled(conn, taken[conn.slot], fan.start, fan.end, fan.subscription)
                for conn in sorted(fan.members)
                if conn.slot in taken
            ]
            server, _ = advance(server, lagging)
    return server


def size_of(entry: Published) -> int:
    """Bytes of an entry in all its encodings."""
    return len(entry.frame) + sum(len(other) for _, other in entry.encodings)


NONE = Subscription(Encoding.PLAIN, frozenset())


NEWS = Subscription(Encoding.PLAIN, frozenset(("news",)))


BOTH = Subscription(Encoding.PLAIN, frozenset(("news", "sport")))


PACKED = Subscription(Encoding.DEFLATE_9, NEWS.topics)


ALL = Subscription(Encoding.PLAIN, frozenset((ALL_TOPICS,)))


EVENTS = Subscription(Encoding.SSE, NEWS.topics)


HEARINGS = (NONE, NEWS, BOTH, PACKED, ALL, EVENTS)


EPOCH = 7
