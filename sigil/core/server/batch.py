"""A server being moved on: the draft that one call of the fold writes on.

Theory: events come in runs, and one draft of the table serves a run. What must hold over all
clients together (the sums of what they have sent and are owed) is kept here too, because here every
client passes before and after.

Rules: a desk is private to one call and ends in a new server. Its context is that of the event at
hand: it changes when a budget is exceeded or met again, at once, so that a run does what its events
would do one by one. It does not know which event is being told.
"""

from ..broadcast.broadcast import (
    add_laggard,
    count_subscribers,
    join_cohort,
    leave_cohort,
    remove_laggard,
)
from ..close_reasons import CloseReason
from ..conn import Conn
from ..connection.client import (
    IDLE_HTTP,
    NOTHING_OUTGOING,
    Client,
    Disconnected,
    has_unsent,
    incoming_len,
    is_in_cohort,
    is_laggard,
    is_subscriber,
    may_parse,
    outgoing_len,
    with_subscriber,
)
from ..connection.context import Context, Outcome, Parse, context
from ..connection.deadlines import after_transition
from ..connection.responses import service_unavailable
from ..connection.subscriber import CloseState, Subscriber
from ..connection.transitions import close_with_error, resume
from ..connection.websocket import close_notice, closing_frames
from ..effects import CallClose, Drop, Effect, Send, Then
from ..events import HandlerFailed, HandlerReturned
from .eviction import slowest_sender
from .slots import Draft
from .state import Server, ServerState, with_slots
from .totals import add_closed


def make_context(server: Server, parse: Parse) -> Context:
    """What transitions may know of this server."""
    return context(
        server.limits,
        server.now,
        tick_started_at=server.tick_started_at,
        date=server.date,
        is_draining=server.running is not ServerState.SERVING,
        logs_access=server.logs_access,
        parse=parse,
        is_paused=server.load.paused_at is not None,
        has_subscriber_slot=has_subscriber_slot(server),
        broadcast=server.broadcast,
    )


def has_subscriber_slot(server: Server) -> bool:
    """True if one more connection may become a WebSocket, perhaps in the place of another."""
    limits = server.limits
    most = limits.max_ws_connection_cnt
    return server.load.websockets < most or (limits.full_policy == "evict" and most > 0)


def _is_idle(client: Client) -> bool:
    """True for a client at rest, without counting."""
    return client.incoming is IDLE_HTTP and client.outgoing is NOTHING_OUTGOING


class Batch:
    """One run of events over one server."""

    __slots__ = (
        "_newcomer",
        "_parse",
        "broadcast",
        "context",
        "draft",
        "effects",
        "load",
        "server",
        "totals",
        "unflushed",
        "wheel",
    )

    def __init__(self, server: Server, parse: Parse) -> None:
        self._parse = parse
        self._newcomer: Conn | None = None
        self.server = server
        self.draft = Draft(server.slots)
        self.context = make_context(server, parse)
        self.wheel = server.wheel
        self.totals = server.totals
        self.load = server.load
        self.broadcast = server.broadcast
        self.unflushed: list[Conn] = []
        self.effects: list[Effect] = []

    def commit(self, before: Client, outcome: Outcome) -> None:
        """Put what a transition made of a client in its place, keep the orders, and see that all
        budgets are kept.
        """
        after, effects = outcome
        if isinstance(after, Disconnected):
            self._remove(before, after, effects)
        else:
            settled, effects = after_transition(before, after, effects, self.context)
            if settled.subscriber is not None:
                settled = self._schedule_flush(before, settled, settled.subscriber)
            self.draft.put(settled)
            self.effects += effects
            if _is_idle(before) and _is_idle(settled):
                return
            self._update_load(before, settled)
        self._enforce_budgets()

    def _schedule_flush(self, before: Client, client: Client, subscriber: Subscriber) -> Client:
        """A subscriber to which something is to be sent is scheduled for the next flush, once."""
        if before.subscriber is None:
            self._newcomer = client.conn
            self._count_subscribers(subscriber, 1)
        elif (
            subscriber.close_state is CloseState.CLOSED
            and before.subscriber.close_state is not CloseState.CLOSED
        ):
            self._count_subscribers(subscriber, -1)
        self._update_cohort(before, client)
        is_behind = client.outgoing.outbox or client.outgoing.is_full
        if subscriber.is_scheduled or is_behind or not has_unsent(client):
            return client
        self.unflushed.append(client.conn)
        return with_subscriber(client, subscriber._replace(is_scheduled=True))

    def _update_cohort(self, before: Client, after: Client | None) -> None:
        """A subscriber is in its cohort, or it is a laggard, or neither."""
        left = before.subscriber if is_in_cohort(before) else None
        joined = after.subscriber if after is not None and is_in_cohort(after) else None
        has_moved = left is None or joined is None or left.subscription != joined.subscription
        if left is not None and has_moved:
            self.broadcast = leave_cohort(self.broadcast, before.conn, left.subscription)
        if joined is not None and has_moved:
            self.broadcast = join_cohort(self.broadcast, before.conn, joined.subscription)
        subscriber = None if after is None else after.subscriber
        if subscriber is not None and subscriber.cursor is not None:
            self.broadcast = add_laggard(self.broadcast, before.conn, subscriber.cursor)
        elif is_laggard(before):
            self.broadcast = remove_laggard(self.broadcast, before.conn)

    def _count_subscribers(self, subscriber: Subscriber, more: int) -> None:
        """One subscriber more or less; the oldest gives way to one too many."""
        self.broadcast = count_subscribers(self.broadcast, subscriber.subscription.encoding, more)
        self.load = self.load._replace(websockets=self.load.websockets + more)
        self.context = make_context(self.server._replace(load=self.load), self._parse)

    def _remove(self, before: Client, disconnected: Disconnected, effects: list[Effect]) -> None:
        """A connection ends."""
        self.draft.remove(before)
        self.totals = add_closed(self.totals, disconnected.client, disconnected.reason)
        self.effects += (
            *effects,
            Drop(before.conn),
            *close_notice(disconnected.client, disconnected.reason),
            CallClose(before.conn, disconnected.reason),
        )
        if before.subscriber is not None and is_subscriber(before):
            self._count_subscribers(before.subscriber, -1)
        self._update_cohort(before, None)
        self._update_load(before, None)

    def close_now(self, client: Client, reason: CloseReason) -> None:
        """End a connection now; if an answer was being made for it, it gets a 503 as far as it
        takes it at once.
        """
        effects: list[Effect] = []
        if is_subscriber(client):
            effects = closing_frames(client, reason, self.context)
        elif (
            client.outstanding and client.outgoing.streaming is None and not client.outgoing.outbox
        ):
            segments = service_unavailable(reason, client.outstanding[0], self.context.date)
            effects = [Send(client.conn, segments, Then.DROP)]
        self.commit(client, (Disconnected(client, reason), effects))

    def count_stale(self, kind: type) -> None:
        """An event for a connection that is gone: an answer is late, anything else is nothing."""
        if kind is HandlerReturned or kind is HandlerFailed:
            self.totals = self.totals._replace(stale_responses=self.totals.stale_responses + 1)

    # -- budgets -----------------------------------------------------------------------------------

    def _update_load(self, before: Client, after: Client | None) -> None:
        """Add to the sums what a client has more than before."""
        load = self.load
        inbound, outbound = load.inbound, load.outbound
        inbound += (0 if after is None else incoming_len(after)) - incoming_len(before)
        outbound += (0 if after is None else outgoing_len(after)) - outgoing_len(before)
        if inbound != load.inbound or outbound != load.outbound:
            self.load = load._replace(inbound=inbound, outbound=outbound)

    def _enforce_budgets(self) -> None:
        """Over the one budget the slowest sender is turned out; over the other, nobody is handed
        anything out.
        """
        limits, load = self.server.limits, self.load
        if load.websockets > limits.max_ws_connection_cnt:
            self._evict_websocket()
        elif load.inbound > limits.max_inbound_len:
            self._reject_slowest_sender()
        elif load.outbound > limits.max_outbound_len and load.paused_at is None:
            self._set_pause(self.server.now)
        elif load.paused_at is not None and load.outbound <= limits.max_outbound_len // 2:
            self._set_pause(None)
            self._resume_all()

    def _evict_websocket(self) -> None:
        """The oldest WebSocket gives way."""
        others = [
            client
            for client in self.draft.clients()
            if is_subscriber(client) and client.conn != self._newcomer
        ]
        self.close_now(min(others, key=lambda client: client.conn.generation), CloseReason.EVICTED)

    def _reject_slowest_sender(self) -> None:
        """The slowest sender is told that there is no room for what it sends."""
        client = slowest_sender(self.draft.clients(), self.server.now)
        if client is not None:
            self.commit(client, close_with_error(client, CloseReason.EVICTED, self.context))

    def _set_pause(self, at: float | None) -> None:
        self.load = self.load._replace(paused_at=at)
        self.context = make_context(self.server._replace(load=self.load), self._parse)

    def _resume_all(self) -> None:
        """What had to wait is looked at again, by slot."""
        for waiting in list(self.draft.clients()):
            client = self.draft.find_client(waiting.conn)
            if (
                client is not None
                and client.incoming.buffer
                and may_parse(client, self.context.limits)
            ):
                self.commit(client, resume(client, [], self.context))

    # -- the end -----------------------------------------------------------------------------------

    def finish(self) -> tuple[Server, list[Effect]]:
        """The server after all that, and the orders in sequence."""
        server, slots = self.server, self.draft.finish()
        if (
            self.context.is_draining
            or self.wheel is not server.wheel
            or self.totals is not server.totals
            or self.load is not server.load
            or self.unflushed
            or self.broadcast is not server.broadcast
        ):
            is_over = server.running is ServerState.DRAINING and not slots.used
            running = ServerState.STOPPED if is_over else server.running
            server = server._replace(
                slots=slots,
                wheel=self.wheel,
                totals=self.totals,
                running=running,
                load=self.load,
                unflushed=server.unflushed.extend(self.unflushed),
                broadcast=self.broadcast,
            )
        else:
            server = with_slots(server, slots)
        return server, self.effects
