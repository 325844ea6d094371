"""The parts of it."""

from collections.abc import Iterable

from ..broadcast.broadcast import NO_MEMBERS, commit_pending, index_topics, pending_bytes_for
from ..broadcast.entry import Subscription
from ..broadcast.ring import Ring
from ..conn import Conn
from ..connection import fast_path
from ..connection.client import Client
from ..connection.context import Parse
from ..connection.subscriber import Follow
from ..connection.websocket_send import flush_messages
from ..effects import Effect, FanOut
from ..events import Flush
from .batch import Batch
from .state import Server, with_broadcast
from .totals import count_sent

FLUSH = Flush(None)


def flush(server: Server, event: Flush, parse: Parse) -> tuple[Server, list[Effect]]:
    """What was said leaves: what was said to one before anything was published, then what was
    published, then the rest.

    With a `conn`, only what was said to this one client leaves, if nothing stands before it.
    """
    if event.conn is not None and not server.broadcast.pending:
        batch = Batch(server, parse)
        _flush_each(batch, (event.conn,), server.broadcast.ring)
        return batch.finish()
    listed, is_heard_by_all = server.unflushed, bool(server.broadcast.pending)
    if not listed:
        return _fan_out(server) if is_heard_by_all else (server, [])
    batch, number = (
        Batch(server._replace(unflushed=listed[:0]), parse),
        server.broadcast.ring.head_number,
    )
    late = (
        {conn for conn in listed if _waits_for(batch.draft.find_client(conn), number)}
        if is_heard_by_all
        else NO_MEMBERS
    )
    _flush_each(
        batch,
        [conn for conn in listed if conn not in late] if late else listed,
        server.broadcast.ring,
    )
    server, effects = batch.finish()
    if not is_heard_by_all:
        return server, effects
    server, fans = _fan_out(server)
    batch = Batch(server, parse)
    _flush_each(batch, [conn for conn in listed if conn in late], server.broadcast.ring)
    server, more = batch.finish()
    return server, effects + fans + more


def _waits_for(client: Client | None, number: int) -> bool:
    """True if something said to this client stands behind what was published from this number on."""
    if client is None or client.subscriber is None:
        return False
    subscriber = client.subscriber
    return (subscriber.cursor or 0) > number or any(
        isinstance(item, Follow) and item.to > number for item in subscriber.queue
    )


def _flush_each(batch: Batch, conns: Iterable[Conn], ring: Ring) -> None:
    """What was said to each of these leaves."""
    for conn in conns:
        client = batch.draft.find_client(conn)
        if client is None or client.subscriber is None:
            continue
        step = fast_path.flush_messages(client)
        if step is None:
            batch.commit(client, flush_messages(client, ring, batch.server.limits))
        else:
            batch.draft.put(step[0])
            batch.effects += step[1]


def _fan_out(server: Server) -> tuple[Server, list[Effect]]:
    """What was published in this turn leaves, one order for each cohort, and is on the ring."""
    broadcast = server.broadcast
    cohorts, sent = broadcast.cohorts, 0
    fans: list[Effect] = []
    several = len(cohorts) > 1
    index = index_topics(broadcast) if several else None
    known: dict[Subscription, bytes] = {}
    for subscription, members in (
        sorted(cohorts.items(), key=_in_order) if several else cohorts.items()
    ):
        # cohorts that differ only in topics on which nothing was published are sent the same piece
        # of memory
        heard = subscription
        if index is not None and subscription.topics:
            heard = Subscription(
                subscription.encoding,
                frozenset([topic for topic in subscription.topics if topic in index]),
            )
        data = known.get(heard)
        if data is None:
            data = known[heard] = pending_bytes_for(broadcast, heard, index)
        if data:
            fans.append(
                FanOut(
                    subscription, members, data, broadcast.ring.head_number, broadcast.next_number
                )
            )
            sent += len(data) * len(members)
    return with_broadcast(server, commit_pending(broadcast), count_sent(server.totals, sent)), fans


def _in_order(item: tuple[Subscription, object]) -> tuple[int, list[str]]:
    """Cohorts by encoding and topics: the order of a set of texts is another one in every process."""
    return item[0].encoding, sorted(item[0].topics)
