"""The parts of it."""

from collections.abc import Iterable

from ..broadcast.broadcast import NOBODY, data_for, index_topics, store
from ..broadcast.entry import Hearing
from ..broadcast.ring import Ring
from ..conn import Conn
from ..connection import fast_path
from ..connection.client import Client, Parse
from ..connection.session import Follow
from ..connection.websocket_send import flush
from ..effects import Effect, Fan
from ..events import Flush
from .batch import Desk
from .state import Server, with_stream
from .totals import count_sent

FLUSH = Flush(None)


def flush_turn(server: Server, event: Flush, parse: Parse) -> tuple[Server, list[Effect]]:
    """What was said leaves: what was said to one before anything was published, then what was published, then the rest.

    With a `conn`, only what was said to this one client leaves, if nothing stands before it.
    """
    if event.conn is not None and not server.stream.pending:
        desk = Desk(server, parse)
        _flush_each(desk, (event.conn,), server.stream.ring)
        return desk.finish()
    listed, is_heard_by_all = server.unflushed, bool(server.stream.pending)
    if not listed:
        return _fan_out(server) if is_heard_by_all else (server, [])
    desk, number = Desk(server._replace(unflushed=listed[:0]), parse), server.stream.ring.head_number
    late = {conn for conn in listed if _waits_for(desk.draft.find(conn), number)} if is_heard_by_all else NOBODY
    _flush_each(desk, [conn for conn in listed if conn not in late] if late else listed, server.stream.ring)
    server, effects = desk.finish()
    if not is_heard_by_all:
        return server, effects
    server, fans = _fan_out(server)
    desk = Desk(server, parse)
    _flush_each(desk, [conn for conn in listed if conn in late], server.stream.ring)
    server, more = desk.finish()
    return server, effects + fans + more


def _waits_for(client: Client | None, number: int) -> bool:
    """True if something said to this client stands behind what was published from this number on."""
    if client is None or client.talk is None:
        return False
    talk = client.talk
    return (talk.cursor or 0) > number or any(isinstance(item, Follow) and item.to > number for item in talk.queue)


def _flush_each(desk: Desk, conns: Iterable[Conn], ring: Ring) -> None:
    """What was said to each of these leaves."""
    for conn in conns:
        client = desk.draft.find(conn)
        if client is None or client.talk is None:
            continue
        step = fast_path.flush_simple(client)
        if step is None:
            desk.settle(client, flush(client, ring, desk.server.limits))
        else:
            desk.draft.put(step[0])
            desk.effects += step[1]


def _fan_out(server: Server) -> tuple[Server, list[Effect]]:
    """What was published in this turn leaves, one order for each cohort, and is on the ring."""
    stream = server.stream
    cohorts, sent = stream.cohorts, 0
    fans: list[Effect] = []
    several = len(cohorts) > 1
    index = index_topics(stream) if several else None
    known: dict[Hearing, bytes] = {}
    for hearing, members in sorted(cohorts.items(), key=_in_order) if several else cohorts.items():
        # cohorts that differ only in topics on which nothing was published are sent the same piece of memory
        heard = hearing
        if index is not None and hearing.topics:
            heard = Hearing(hearing.encoding, frozenset([topic for topic in hearing.topics if topic in index]))
        data = known.get(heard)
        if data is None:
            data = known[heard] = data_for(stream, heard, index)
        if data:
            fans.append(Fan(hearing, members, data, stream.ring.head_number, stream.next_number))
            sent += len(data) * len(members)
    return with_stream(server, store(stream), count_sent(server.totals, sent)), fans


def _in_order(item: tuple[Hearing, object]) -> tuple[int, list[str]]:
    """Cohorts by encoding and topics: the order of a set of texts is another one in every process."""
    return item[0].encoding, sorted(item[0].topics)
