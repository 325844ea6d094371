"""A run of events over one server: where the transition of a connection becomes part of the server.

Theory: events come in runs, and one draft of the slot table serves a whole run. A transition knows
one client; what must hold over all of them (cohorts, sums, budgets, the list of those to flush) is
brought up to date here, because every client passes here before and after.

Rules: a batch is private to one call and ends in a new server. `server` is up to date but for its
slots, which are in `draft`, and what `finish` adds to it once for the whole run: to `unflushed`,
for newcomers, and for those who have ended. `context` is that of the
event at hand: it is made anew as soon as a budget is exceeded or met again, so that a run does what
its events would do one by one. What is in a cohort stands in `cohorts`, what a budget is in
`budgets`; this file only applies them, in order. It does not know which event it is.
"""

from collections.abc import Callable, Iterable
from typing import Final, assert_never

from ..broadcast.broadcast import count_subscribers
from ..broadcast.laggards import has_fallen_off
from ..close_reasons import CloseReason
from ..conn import Conn, Peer
from ..connection.client import (
    Client,
    Disconnected,
    Incoming,
    Phase,
    make_client,
    with_subscriber,
)
from ..connection.client_status import (
    has_unsent,
    holds_nothing,
    incoming_len,
    is_close_due,
    is_complete,
    is_counted,
    is_laggard,
    is_polling,
    is_scheduled,
    is_subscriber,
    may_parse,
    stays_at_rest,
    stays_idle,
    subscriber_of,
)
from ..connection.context import Context, Outcome, Parse, context
from ..connection.deadlines import after_transition, deadline_of, waiting_anew
from ..connection.poll_answers import last_poll_answer
from ..connection.responses import NO_HEAD, service_unavailable
from ..connection.send_queue import encode_ahead
from ..connection.subscriber import Subscriber
from ..connection.transitions import close_with_error, resume
from ..connection.websocket_end import close_notice, closing_frames
from ..effects import CallClose, Drop, Effect, Send, Then
from ..events import HandlerFailed, HandlerReturned
from .budgets import (
    Measure,
    due_measure,
    has_subscriber_slot,
    inbound_target,
    load_after,
)
from .cohorts import update_cohort
from .eviction import slowest_readers, slowest_senders
from .extra_timers import look_in_time
from .oldest import Oldest, add, conns_of, has_too_many, of_conns, take_oldest
from .slots import Draft
from .state import (
    Server,
    ServerState,
    after_run,
    counted_now,
    with_broadcast,
    with_load,
)
from .timer_wheel import schedule_all
from .totals import add_run, count_skip

_TLS: Final = Phase.TLS


def make_context(server: Server, parse: Parse) -> Context:
    """What transitions may know of this server; `parse` parses the head of a request."""
    return context(
        server.limits,
        counted_now(server),
        tick_started_at=server.tick_started_at,
        date=server.date,
        is_draining=server.running is not ServerState.SERVING,
        logs_access=server.logs_access,
        asks_above=server.asks_above,
        parse=parse,
        is_paused=server.load.paused_at is not None,
        has_subscriber_slot=has_subscriber_slot(server.load, server.limits),
        broadcast=server.broadcast,
        has_connection_slot=has_connection_slot(server),
    )


def has_connection_slot(server: Server) -> bool:
    """True if a subscriber may become a connection like others, as one does that has polled."""
    return server.slots.used - server.load.websockets < server.limits.max_connection_cnt


class Batch:
    """One run of events over one server; `draft`, `context` and `effects` are read by `fold`."""

    __slots__ = (
        "_deadline", "_ended", "_is_settling", "_newcomers", "_parse",
        "context", "draft", "effects", "has_settled", "server", "unflushed",
    )  # fmt: skip

    def __init__(self, server: Server, parse: Parse) -> None:
        self._parse = parse
        self.server = server
        self.context = make_context(server, parse)
        self.draft = Draft(server.slots)
        self.unflushed: list[Conn] = []
        self.effects: list[Effect] = []
        self._is_settling = False
        self.has_settled = False
        """A budget was exceeded or met again: effects of one client may stand side by side."""
        self._newcomers: list[Conn] = []
        self._deadline = 0.0
        """The first of those of all newcomers of this run."""
        self._ended: list[tuple[Client, CloseReason]] = []

    # -- one client --------------------------------------------------------------------------------

    def add(self, peer: Peer, incoming: Incoming) -> Conn:
        """Put a new client, of which this is expected, into the next slot; its name."""
        conn = Conn(self.draft.next_slot(), self.server.next_generation + len(self._newcomers))
        client = make_client(conn, peer, self.context.now, incoming)
        self.draft.add(client)
        deadline = deadline_of(client, self.server.limits)
        self._deadline = min(self._deadline, deadline) if self._newcomers else deadline
        self._newcomers.append(conn)
        return conn

    def commit(self, before: Client, outcome: Outcome) -> None:
        """Put what a transition made of a client in its place, keep its effects, and see that all
        budgets are met.
        """
        after, effects = outcome
        if isinstance(after, Disconnected):
            self._remove(before, after, effects)
            return
        if stays_at_rest(before, after):
            self.draft.entries[after.conn.slot] = waiting_anew(before, after, self.context.now)
            self.effects += effects
            if not (is_counted(before.outstanding) or is_counted(after.outstanding)):
                return  # no sum has changed
            self.update_load(before, after)
            return
        is_idle, is_new = stays_idle(before, after), False
        if not is_idle:
            after, effects = after_transition(before, after, effects, self.context)
            if after.subscriber is not None or before.subscriber is not None:
                is_new = is_subscriber(after) and not is_subscriber(before)
                self._update_cohort(before, after)
                self._count_subscriber(before, after)  # which makes the context of those behind it
        is_same_websocket = after.websocket is before.websocket
        if after.subscriber is not None and not (
            is_idle and is_same_websocket and after.subscriber is before.subscriber
        ):
            after = self._schedule_flush(before, after, after.subscriber)
        if not is_idle:
            self.server, after = look_in_time(self.server, before, after, self.context.now)
        self.draft.put(after)
        self.effects += effects
        if is_idle and is_same_websocket:
            return  # it holds what it held
        if not is_new and holds_nothing(before) and holds_nothing(after):
            return  # no sum has changed
        self.update_load(before, after, after.conn if is_new else None)

    def _remove(self, before: Client, disconnected: Disconnected, effects: list[Effect]) -> None:
        """Free the slot of a client whose connection ends, and order its end."""
        client, reason = disconnected.client, disconnected.reason
        self.draft.remove(before)
        self._ended.append((client, reason))
        self.effects += (
            *effects,
            Drop(before.conn, is_complete(client)),
            *close_notice(client, reason),
            CallClose(before.conn, reason),
        )
        if before.subscriber is not None:
            self._count_subscriber(before, None)
            self._update_cohort(before, None)
        if not holds_nothing(before):
            self.update_load(before, None)

    def encode_ahead(self, client: Client) -> None:
        """Let what a client is to be sent next be encoded, if nobody has asked for it before."""
        server, subscriber = self.server, client.subscriber
        if subscriber is None or subscriber.cursor is None:
            return
        broadcast = encode_ahead(
            subscriber, server.broadcast, server.tick_started_at, server.limits
        )
        if broadcast is not server.broadcast:
            self.server = with_broadcast(server, broadcast, server.totals)
            self.context = make_context(self.server, self._parse)

    def close_now(self, client: Client, reason: CloseReason) -> None:
        """End a connection now: a WebSocket with a close frame, one whose response has not begun
        with a 503, each only as far as it can be sent at once.
        """
        effects: list[Effect] = []
        if is_polling(client):
            effects = last_poll_answer(client, self.context)
        elif is_subscriber(client):
            effects = closing_frames(client, reason, self.context)
        elif _awaits_response(client):
            segments = service_unavailable(reason, client.outstanding[0], self.context.date)
            effects = [Send(client.conn, segments, Then.DROP)]
        elif (
            reason is CloseReason.SHUTDOWN
            and not client.bytes_in
            and client.incoming.phase is not _TLS
        ):
            segments = service_unavailable(reason, NO_HEAD, self.context.date)  # as at the door
            effects = [Send(client.conn, segments, Then.DROP)]
        self.commit(client, (Disconnected(client, reason), effects))

    def count_stale(self, kind: type) -> None:
        """Count an event of a type that came too late, if it is a response."""
        if kind is HandlerReturned or kind is HandlerFailed:
            totals = self.server.totals
            totals = totals.replace(stale_responses=totals.stale_responses + 1)
            self.server = self.server.replace(totals=totals)

    # -- subscribers -------------------------------------------------------------------------------

    def _count_subscriber(self, before: Client, after: Client | None) -> None:
        """Count a subscriber that has begun or ended."""
        was, now = is_subscriber(before), after is not None and is_subscriber(after)
        if was == now:
            return
        subscriber = subscriber_of(after if after is not None and now else before)
        more, server = (1 if now else -1), self.server
        self.server = server.replace(
            broadcast=count_subscribers(server.broadcast, subscriber.subscription, more),
            load=server.load.replace(websockets=server.load.websockets + more),
            oldest=add(server.oldest, before.conn) if now else self._oldest_after_end(),
        )
        self.context = make_context(self.server, self._parse)

    def _oldest_after_end(self) -> Oldest:
        """The subscribers by age, after one has ended: made anew if only a part of them is left."""
        oldest = self.server.oldest
        if not has_too_many(oldest, self.server.load.websockets):
            return oldest
        return of_conns(filter(self._is_subscriber, conns_of(oldest)))

    def _update_cohort(self, before: Client, after: Client | None) -> None:
        """Let the broadcast know where a subscriber is now; count one that was moved on."""
        if is_laggard(before) and after is not None and after.subscriber is not None:
            self._count_skip(before, after)
        broadcast = update_cohort(self.server.broadcast, before, after)
        if broadcast is not self.server.broadcast:
            self.server = self.server.replace(broadcast=broadcast)

    def _schedule_flush(self, before: Client, client: Client, subscriber: Subscriber) -> Client:
        """The client, scheduled for the next flush if there is something to send and nothing in the
        way of it.
        """
        if subscriber.is_scheduled:
            if not is_scheduled(before):
                self.unflushed.append(client.conn)
            return client
        if not has_unsent(client):
            return client
        is_blocked = client.outgoing.outbox or client.outgoing.is_full
        if is_blocked and not is_close_due(client):
            return client
        self.unflushed.append(client.conn)
        return with_subscriber(client, subscriber.replace(is_scheduled=True))

    def _count_skip(self, before: Client, after: Client) -> None:
        """Count a laggard that had fallen off the ring and reads on, if it was one."""
        server, cursor = self.server, subscriber_of(before).cursor
        tail_number, now_at = server.broadcast.ring.tail_number, subscriber_of(after).cursor
        reads_on = now_at is None or now_at >= tail_number
        if cursor is not None and reads_on and has_fallen_off(server.broadcast, before.conn):
            totals = count_skip(server.totals, tail_number - cursor)
            self.server = server.replace(totals=totals)

    # -- budgets -----------------------------------------------------------------------------------

    def update_load(self, before: Client, after: Client | None, newest: Conn | None = None) -> None:
        """Add what a client holds more than before to the sums, and see that all budgets are met;
        `newest` is the subscriber that has just begun.
        """
        load = load_after(self.server.load, before, after)
        if load is not self.server.load:
            self.server = with_load(self.server, load)
        self._settle_budgets(newest)

    def _settle_budgets(self, newest: Conn | None = None) -> None:
        """Do what is due until nothing is; `newest` is the subscriber that has just begun.

        A measure commits clients, which is no reason to begin with another one inside it.
        """
        if self._is_settling:
            return
        measure = due_measure(self.server.load, self.server.limits)
        if measure is None:
            return
        self._is_settling = self.has_settled = True
        while measure is not None and self._take_measure(measure, newest):
            measure = due_measure(self.server.load, self.server.limits)
        self._is_settling = False

    def _take_measure(self, measure: Measure, newest: Conn | None) -> bool:
        """Do what is due; False if there was nobody to do it to."""
        match measure:
            case Measure.EVICT_SUBSCRIBER:
                return self.evict_oldest(newest)
            case Measure.REJECT_SENDERS:
                return self._reject_senders()
            case Measure.DROP_READERS:
                length = self.server.limits.max_outbound_len
                return self.drop_readers(lambda: self.server.load.outbound > length)
            case Measure.PAUSE:
                self._set_paused_at(self.context.now)
                return True
            case Measure.RESUME:
                self.end_pause()
                return True
            case _:
                assert_never(measure)

    def evict_oldest(self, newest: Conn | None) -> bool:
        """Evict the subscriber that was accepted first, `newest` apart."""
        conn, oldest = take_oldest(self.server.oldest, self._is_subscriber)
        if conn is not None and conn == newest:
            conn, oldest = take_oldest(oldest, self._is_subscriber)
            oldest = add(oldest, newest)
        self.server = self.server.replace(oldest=oldest)
        client = None if conn is None else self.draft.find_client(conn)
        if client is not None:
            self.close_now(client, CloseReason.EVICTED)
        return client is not None

    def _is_subscriber(self, conn: Conn) -> bool:
        """True while this connection is a subscriber."""
        client = self.draft.find_client(conn)
        return client is not None and is_subscriber(client)

    def _reject_senders(self) -> bool:
        """Reject those who hold most of what is incomplete, until a part of the budget is free."""
        target = inbound_target(self.server.limits)
        conns = slowest_senders(self.draft.clients(), self.context.now)
        for conn in conns:
            if self.server.load.inbound <= target:
                break
            client = self.draft.find_client(conn)
            if client is not None:
                self.commit(client, close_with_error(client, CloseReason.EVICTED, self.context))
            client = self.draft.find_client(conn)
            if client is not None and incoming_len(client):
                self.close_now(client, CloseReason.EVICTED)
        return bool(conns)

    def drop_readers(
        self,
        is_too_much: Callable[[], bool],
        clients: Iterable[Client] | None = None,
        unread: frozenset[Conn] = frozenset(),
        max_count: int | None = None,
    ) -> bool:
        """Drop those for whom most is held while it is too much, of these clients or of all,
        `max_count` at most and the `unread` last; False if there was nobody to drop.

        Whoever holds less than half of what all do on average is left alone: there are others.
        """
        load, count = self.server.load, self.draft.used
        least = load.outbound // (2 * max(1, count))
        if clients is None:
            clients = self.draft.clients()
        if max_count is not None:
            count = max_count
        conns = slowest_readers(clients, self.context.now, unread, count, least)
        for conn in conns:
            if not is_too_much():
                break
            client = self.draft.find_client(conn)
            if client is not None:
                self.commit(client, (Disconnected(client, CloseReason.TOO_SLOW), []))
        return bool(conns)

    def end_pause(self) -> None:
        """End a pause, and go on with the requests that waited for that."""
        self._set_paused_at(None)
        self._resume_all()

    def _set_paused_at(self, paused_at: float | None) -> None:
        """Pause the server, or end its pause with None."""
        load = self.server.load.replace(paused_at=paused_at)
        self.server = self.server.replace(load=load)
        self.context = make_context(self.server, self._parse)

    def _resume_all(self) -> None:
        """Go on with the requests that could not be handled during a pause, by slot."""
        for before in list(self.draft.clients()):
            client = self.draft.find_client(before.conn)  # an earlier one may have ended it
            if client is None:
                continue
            may_go_on = client.incoming.buffer and may_parse(client, self.context.limits)
            if may_go_on or client.outgoing.postponed:
                self.commit(client, resume(client, [], self.context))

    # -- the end -----------------------------------------------------------------------------------

    def finish(self) -> tuple[Server, list[Effect]]:
        """The server after all that, and the effects in order."""
        server, count = self.server, len(self._newcomers)
        unflushed, wheel, totals = server.unflushed, server.wheel, server.totals
        if self.unflushed:
            unflushed = unflushed.extend(self.unflushed)
        if count:
            wheel = schedule_all(wheel, self._newcomers, self.context.now, self._deadline)
        if count or self._ended:
            totals = add_run(totals, count, self._ended)
        generation = server.next_generation + count
        server = after_run(server, self.draft.finish(), unflushed, wheel, generation, totals)
        if self.context.is_draining and not server.slots.used:
            server = server.replace(running=ServerState.STOPPED)
        return server, self.effects


def _awaits_response(client: Client) -> bool:
    """True if a client waits for a response that has not begun."""
    outgoing = client.outgoing
    return bool(client.outstanding) and outgoing.streaming is None and not outgoing.outbox
