"""A run of events over one server: where the transition of a connection becomes part of the server.

Theory: events come in runs, and one draft of the slot table serves a whole run. A transition knows
one client; what must hold over all of them (cohorts, sums, budgets, the list of those to flush) is
brought up to date here, because every client passes here before and after.

Rules: a batch is private to one call and ends in a new server. `server` is up to date but for its
slots, which are in `draft`, and its `unflushed`, to which `finish` adds. `context` is that of the
event at hand: it is made anew as soon as a budget is exceeded or met again, so that a run does what
its events would do one by one. What is in a cohort stands in `cohorts`, what a budget is in
`budgets`; this file only applies them, in order. It does not know which event it is.
"""

from typing import assert_never

from ..broadcast.broadcast import count_subscribers
from ..close_reasons import CloseReason
from ..conn import Conn
from ..connection.client import (
    IDLE_HTTP,
    NOTHING_OUTGOING,
    Client,
    Disconnected,
    has_unsent,
    is_subscriber,
    may_parse,
    subscriber_of,
    with_subscriber,
)
from ..connection.context import Context, Outcome, Parse, context
from ..connection.deadlines import after_transition
from ..connection.responses import service_unavailable
from ..connection.send_queue import encode_ahead
from ..connection.subscriber import Subscriber
from ..connection.transitions import close_with_error, resume
from ..connection.websocket import close_notice, closing_frames
from ..effects import CallClose, Drop, Effect, Send, Then
from ..events import HandlerFailed, HandlerReturned
from .budgets import (
    Measure,
    due_measure,
    has_subscriber_slot,
    load_after,
    oldest_subscriber,
)
from .cohorts import update_cohort
from .eviction import slowest_sender
from .slots import Draft
from .state import Server, ServerState, with_broadcast, with_slots
from .totals import add_closed


def make_context(server: Server, parse: Parse) -> Context:
    """What transitions may know of this server; `parse` parses the head of a request."""
    return context(
        server.limits,
        server.now,
        tick_started_at=server.tick_started_at,
        date=server.date,
        is_draining=server.running is not ServerState.SERVING,
        logs_access=server.logs_access,
        parse=parse,
        is_paused=server.load.paused_at is not None,
        has_subscriber_slot=has_subscriber_slot(server.load, server.limits),
        broadcast=server.broadcast,
    )


class Batch:
    """One run of events over one server; `draft`, `context` and `effects` are read by `fold`."""

    __slots__ = ("_parse", "context", "draft", "effects", "server", "unflushed")

    def __init__(self, server: Server, parse: Parse) -> None:
        self._parse = parse
        self.server = server
        self.context = make_context(server, parse)
        self.draft = Draft(server.slots)
        self.unflushed: list[Conn] = []
        self.effects: list[Effect] = []

    # -- one client --------------------------------------------------------------------------------

    def commit(self, before: Client, outcome: Outcome) -> None:
        """Put what a transition made of a client in its place, keep its effects, and see that all
        budgets are met.
        """
        after, effects = outcome
        if isinstance(after, Disconnected):
            self._remove(before, after, effects)
            self._enforce_budgets()
            return
        after, effects = after_transition(before, after, effects, self.context)
        if after.subscriber is not None:
            self._count_subscriber(before, after)
            self._update_cohort(before, after)
            after = self._schedule_flush(after, after.subscriber)
        self.draft.put(after)
        self.effects += effects
        if _is_idle(before) and _is_idle(after):
            return  # neither holds anything, so no sum has changed
        self._update_load(before, after)
        is_new_subscriber = is_subscriber(after) and not is_subscriber(before)
        self._enforce_budgets(after.conn if is_new_subscriber else None)

    def _remove(self, before: Client, disconnected: Disconnected, effects: list[Effect]) -> None:
        """Free the slot of a client whose connection ends, and order its end."""
        client, reason = disconnected.client, disconnected.reason
        self.draft.remove(before)
        self.server = self.server._replace(totals=add_closed(self.server.totals, client, reason))
        self.effects += (
            *effects,
            Drop(before.conn),
            *close_notice(client, reason),
            CallClose(before.conn, reason),
        )
        self._count_subscriber(before, None)
        self._update_cohort(before, None)
        self._update_load(before, None)

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
        if is_subscriber(client):
            effects = closing_frames(client, reason, self.context)
        elif _awaits_response(client):
            segments = service_unavailable(reason, client.outstanding[0], self.context.date)
            effects = [Send(client.conn, segments, Then.DROP)]
        self.commit(client, (Disconnected(client, reason), effects))

    def count_stale(self, kind: type) -> None:
        """Count an event of a type that came for a connection that is gone, if it is a response."""
        if kind is HandlerReturned or kind is HandlerFailed:
            totals = self.server.totals
            totals = totals._replace(stale_responses=totals.stale_responses + 1)
            self.server = self.server._replace(totals=totals)

    # -- subscribers -------------------------------------------------------------------------------

    def _count_subscriber(self, before: Client, after: Client | None) -> None:
        """Count a subscriber that has begun or ended."""
        was, now = is_subscriber(before), after is not None and is_subscriber(after)
        if was == now:
            return
        subscriber = subscriber_of(after if after is not None and now else before)
        more, server = (1 if now else -1), self.server
        self.server = server._replace(
            broadcast=count_subscribers(server.broadcast, subscriber.subscription.encoding, more),
            load=server.load._replace(websockets=server.load.websockets + more),
        )
        self.context = make_context(self.server, self._parse)

    def _update_cohort(self, before: Client, after: Client | None) -> None:
        """Let the broadcast know where a subscriber is now."""
        broadcast = update_cohort(self.server.broadcast, before, after)
        if broadcast is not self.server.broadcast:
            self.server = self.server._replace(broadcast=broadcast)

    def _schedule_flush(self, client: Client, subscriber: Subscriber) -> Client:
        """The client, scheduled for the next flush if there is something to send and nothing in the
        way of it.
        """
        is_blocked = client.outgoing.outbox or client.outgoing.is_full
        if subscriber.is_scheduled or is_blocked or not has_unsent(client):
            return client
        self.unflushed.append(client.conn)
        return with_subscriber(client, subscriber._replace(is_scheduled=True))

    # -- budgets -----------------------------------------------------------------------------------

    def _update_load(self, before: Client, after: Client | None) -> None:
        """Add what a client holds more than before to the sums."""
        load = load_after(self.server.load, before, after)
        if load is not self.server.load:
            self.server = self.server._replace(load=load)

    def _enforce_budgets(self, newest: Conn | None = None) -> None:
        """Do the one measure that is due, if any; `newest` is the subscriber that has just begun.

        A measure that ends or moves a client commits it, which comes here again.
        """
        measure = due_measure(self.server.load, self.server.limits)
        match measure:
            case None:
                pass
            case Measure.EVICT_SUBSCRIBER:
                oldest = oldest_subscriber(self.draft.clients(), newest)
                self.close_now(oldest, CloseReason.EVICTED)
            case Measure.REJECT_SENDER:
                sender = slowest_sender(self.draft.clients(), self.server.now)
                if sender is not None:
                    self.commit(sender, close_with_error(sender, CloseReason.EVICTED, self.context))
            case Measure.PAUSE:
                self._set_paused_at(self.server.now)
            case Measure.RESUME:
                self._set_paused_at(None)
                self._resume_all()
            case _:
                assert_never(measure)

    def _set_paused_at(self, paused_at: float | None) -> None:
        """Pause the server, or end its pause with None."""
        load = self.server.load._replace(paused_at=paused_at)
        self.server = self.server._replace(load=load)
        self.context = make_context(self.server, self._parse)

    def _resume_all(self) -> None:
        """Go on with the requests that could not be handled during a pause, by slot."""
        for before in list(self.draft.clients()):
            client = self.draft.find_client(before.conn)  # an earlier one may have ended it
            if client is None or not client.incoming.buffer:
                continue
            if may_parse(client, self.context.limits):
                self.commit(client, resume(client, [], self.context))

    # -- the end -----------------------------------------------------------------------------------

    def finish(self) -> tuple[Server, list[Effect]]:
        """The server after all that, and the effects in order."""
        server, unflushed = self.server, self.server.unflushed
        if self.unflushed:
            unflushed = unflushed.extend(self.unflushed)
        server = with_slots(server, self.draft.finish(), unflushed)
        if self.context.is_draining and not server.slots.used:
            server = server._replace(running=ServerState.STOPPED)
        return server, self.effects


def _is_idle(client: Client) -> bool:
    """True for an idle HTTP connection, told without counting what it holds."""
    return client.incoming is IDLE_HTTP and client.outgoing is NOTHING_OUTGOING


def _awaits_response(client: Client) -> bool:
    """True if a client waits for a response that has not begun."""
    outgoing = client.outgoing
    return bool(client.outstanding) and outgoing.streaming is None and not outgoing.outbox
