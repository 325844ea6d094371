"""The end of a tick: what was queued for clients, and what was published, is sent.

Theory: what the program sends within a tick is only queued, so that each client gets it in one
piece when the tick ends; and what is published is sent once per cohort: one `FanOut` names all
members and the one piece of memory they are sent. A member that is excluded from some of it gets a
piece of its own, and a long-poll its answer.

Rules: a client receives everything in the order in which it was sent or published. So first go the
queues with nothing behind what was published in this tick, then what was published, then the other
queues. Only cohorts that are sent something are visited, in the order of their numbers, which is
the same in every process. This file does not know sockets, nor how a message became a frame.
"""

from collections.abc import Iterable
from typing import Final

from pyrsistent import PVector, pset, pvector

from ..broadcast.broadcast import commit_pending, index_topics, pending_bytes_for
from ..broadcast.cohort_index import recipients
from ..broadcast.encoding import Encoding
from ..broadcast.entry import Subscription, with_topics
from ..conn import Conn
from ..connection.client import Client, with_subscriber
from ..connection.client_status import is_close_due, is_in_cohort, is_polling
from ..connection.context import Parse
from ..connection.poll_answers import flush_poll
from ..connection.subscriber import Follow
from ..connection.transitions import resume_after
from ..connection.websocket import flush_websocket
from ..connection.websocket_end import answer_close
from ..connection.websocket_send import flush_messages
from ..effects import Effect, FanOut
from ..events import Flush
from .batch import Batch
from .slots import find_client
from .state import Server, after_run, with_broadcast
from .totals import count_sent

FLUSH_ALL: Final = Flush(None)

_NOBODY: Final[PVector[Conn]] = pvector()


def flush(server: Server, event: Flush, parse: Parse) -> tuple[Server, list[Effect]]:
    """The server after all that was queued or published was sent, and the effects that send it.

    With `event.conn`, only what is queued for that client is sent; but if something was published
    in this tick, all is sent, because nothing may overtake it.
    """
    has_published = bool(server.broadcast.pending)
    if event.conn is not None and not has_published:
        return _flush_one(server, event.conn, parse)
    scheduled = server.unflushed
    if not scheduled:
        return _fan_out(server, parse) if has_published else (server, [])
    # whoever gets something more to send by this is scheduled for the next flush
    server = after_run(
        server, server.slots, _NOBODY, server.wheel, server.next_generation, server.totals
    )
    if not has_published:
        return _flush_queues(server, scheduled, event.unhandled, parse)
    batch, first_published = Batch(server, parse), server.broadcast.ring.head_number
    waiting = {
        conn
        for conn in scheduled
        if _is_behind_published(batch.draft.find_client(conn), first_published)
    }
    _flush_each(batch, [conn for conn in scheduled if conn not in waiting], event.unhandled)
    server, effects = batch.finish()
    server, fan_outs = _fan_out(server, parse)
    if not waiting:
        return server, effects + fan_outs
    last = [conn for conn in scheduled if conn in waiting]
    server, more = _flush_queues(server, last, event.unhandled, parse)
    return server, effects + fan_outs + more


def _is_behind_published(client: Client | None, first_published: int) -> bool:
    """True if something queued for this client comes after what was published in this tick, which
    begins at this number.
    """
    if client is None or client.subscriber is None:
        return False
    cursor = client.subscriber.cursor
    if cursor is not None and cursor > first_published:
        return True
    return any(
        isinstance(item, Follow) and item.to > first_published for item in client.subscriber.queue
    )


def _flush_one(server: Server, conn: Conn, parse: Parse) -> tuple[Server, list[Effect]]:
    """The server after what is queued for this client was sent before the tick is over, and the
    effects. It stays on the list of those to be flushed, if it is there.
    """
    batch = Batch(server, parse)
    client = batch.draft.find_client(conn)
    if client is None or client.subscriber is None:
        return server, []
    batch.encode_ahead(client)
    broadcast, is_scheduled = batch.server.broadcast, client.subscriber.is_scheduled
    batch.commit(client, flush_messages(client, broadcast, server.limits, is_scheduled))
    return batch.finish()


def _flush_queues(
    server: Server, conns: Iterable[Conn], unhandled: frozenset[Conn], parse: Parse
) -> tuple[Server, list[Effect]]:
    """The server after what is queued for each of these was sent, and the effects."""
    batch = Batch(server, parse)
    _flush_each(batch, conns, unhandled)
    return batch.finish()


def _flush_each(batch: Batch, conns: Iterable[Conn], unhandled: frozenset[Conn]) -> None:
    """Send what is queued for each of these, as far as it may be sent; answer the close frames that
    have come, but those of the `unhandled`.
    """
    for conn in conns:
        client = batch.draft.find_client(conn)
        if client is None or client.subscriber is None:
            continue
        batch.encode_ahead(client)
        context = batch.context
        if is_close_due(client) and conn not in unhandled:
            unscheduled = with_subscriber(client, client.subscriber.replace(is_scheduled=False))
            batch.commit(client, answer_close(unscheduled, context))
        elif client.websocket is not None:
            batch.commit(client, flush_websocket(client, context))
        elif is_polling(client):
            batch.commit(client, resume_after(flush_poll(client, context), context))
        else:
            batch.commit(client, flush_messages(client, context.broadcast, context.limits))


# -- to cohorts ------------------------------------------------------------------------------------


def _fan_out(server: Server, parse: Parse) -> tuple[Server, list[Effect]]:
    """The server with what was published in this tick on the ring, and one `FanOut` for each cohort
    that gets any of it, and for each member of it that gets less.
    """
    broadcast = server.broadcast
    start, end = broadcast.ring.head_number, broadcast.next_number
    places = index_topics(broadcast)
    excluded = _excluded_members(server) if broadcast.pending_excluded else {}
    fan_outs: list[Effect] = []
    polls: list[Conn] = []
    sent_len = 0
    known: dict[Subscription, bytes] = {}
    topics = [topic for topic, numbers in places.items() if numbers]
    for subscription, published in recipients(broadcast.cohort_index, topics):
        if subscription.encoding is Encoding.LINES:
            polls += sorted(broadcast.cohorts[subscription])
            continue
        # cohorts that differ only in topics on which nothing was published share one piece
        restricted = with_topics(subscription, published)
        data = known.get(restricted)
        if data is None:
            data = known[restricted] = pending_bytes_for(broadcast, restricted, places)
        if not data:
            continue
        members = broadcast.cohorts[subscription]
        if excluded:
            for conn in excluded.get(subscription, ()):
                members = members.remove(conn)
                theirs = pending_bytes_for(broadcast, restricted, places, conn)
                if theirs:
                    fan_outs.append(FanOut(subscription, pset([conn]), theirs, start, end))
                    sent_len += len(theirs)
        if members:
            fan_outs.append(FanOut(subscription, members, data, start, end))
            sent_len += len(data) * len(members)
    totals = count_sent(server.totals, sent_len)
    server = with_broadcast(server, commit_pending(broadcast), totals)
    if not polls:
        return server, fan_outs
    server, answers = _answer_polls(server, polls, start, parse)
    return server, fan_outs + answers


def _answer_polls(
    server: Server, conns: Iterable[Conn], start: int, parse: Parse
) -> tuple[Server, list[Effect]]:
    """The server with these long-polls answered with what was published from number `start` on, and
    the effects.
    """
    batch = Batch(server, parse)
    for conn in conns:
        client = batch.draft.find_client(conn)
        if client is not None and client.subscriber is not None:
            context, subscriber = batch.context, client.subscriber.replace(cursor=start)
            outcome = flush_poll(with_subscriber(client, subscriber), context)
            batch.commit(client, resume_after(outcome, context))
    return batch.finish()


def _excluded_members(server: Server) -> dict[Subscription, list[Conn]]:
    """The members of cohorts that are excluded from something published in this tick, by cohort;
    who is gone, or lags, is in none.
    """
    found: dict[Subscription, list[Conn]] = {}
    for conn in dict.fromkeys(server.broadcast.pending_excluded):
        client = find_client(server.slots, conn)
        if client is not None and client.subscriber is not None and is_in_cohort(client):
            found.setdefault(client.subscriber.subscription, []).append(conn)
    return found
