"""A server being moved on: the draft that one call of the fold writes on.

Theory: events come in runs, and one draft of the table serves a run.  What must hold over all clients together (the
sums of what they have sent and are owed) is kept here too, because here every client passes before and after.

Rules: a desk is private to one call and ends in a new server.  Its context is that of the event at hand: it changes
when a budget is exceeded or met again, at once, so that a run does what its events would do one by one.  It does not
know which event is being told.
"""

from functools import partial

from ..broadcast.broadcast import catch_up, count_listeners, join, lag, leave
from ..close_reasons import CloseReason
from ..conn import Conn
from ..connection.client import (
    CALM,
    CLEAR,
    Client,
    Context,
    Gone,
    Outcome,
    Parse,
    intake_len,
    is_laggard,
    is_member,
    is_talking,
    may_parse,
    outbound_len,
)
from ..connection.deadlines import settle
from ..connection.responses import unavailable
from ..connection.session import Closing, Talk
from ..connection.transitions import resume, turn_out
from ..connection.websocket import last_frames, part_of
from ..effects import Drop, Effect, Farewell, Send, Then
from ..events import Answered, Refused
from ..http.head import parse_headers_only
from .eviction import slowest_sender
from .slots import Draft
from .state import Running, Server, with_slots
from .totals import add_closed


def make_context(server: Server, parse: Parse) -> Context:
    """What transitions may know of this server.  While it is paused, nobody may have anything under way."""
    is_draining, limits = server.running is not Running.SERVING, server.limits
    if parse is parse_headers_only:
        parse = partial(parse_headers_only, limits=limits)
    last_number = limits.max_requests_per_connection - 1
    if server.load.paused_at is not None:
        limits, last_number = limits._replace(max_queued_requests=0), -1
    return Context(limits, server.now, server.began, server.date, is_draining, server.logs_access,
                   not (is_draining or server.logs_access), parse, last_number, has_talk_room(server), server.stream,
                   bool(server.stream.pending))


def has_talk_room(server: Server) -> bool:
    """True if one more connection may become a WebSocket, perhaps in the place of another."""
    limits = server.limits
    most = limits.max_ws_connection_cnt
    return server.load.talks < most or (limits.full_policy == "evict" and most > 0)


def _weighs_nothing(client: Client) -> bool:
    """True for a client at rest, without counting."""
    return client.intake is CALM and client.outflow is CLEAR


class Desk:
    """One run of events over one server."""

    __slots__ = ("_newcomer", "_parse", "context", "draft", "effects", "load", "server", "stream", "totals",
                 "unflushed", "wheel")

    def __init__(self, server: Server, parse: Parse) -> None:
        self._parse = parse
        self._newcomer: Conn | None = None
        self.server = server
        self.draft = Draft(server.slots)
        self.context = make_context(server, parse)
        self.wheel = server.wheel
        self.totals = server.totals
        self.load = server.load
        self.stream = server.stream
        self.unflushed: list[Conn] = []
        self.effects: list[Effect] = []

    def settle(self, before: Client, outcome: Outcome) -> None:
        """Put what a transition made of a client in its place, keep the orders, and see that all budgets are kept."""
        after, effects = outcome
        if isinstance(after, Gone):
            self._let_go(before, after, effects)
        else:
            settled, effects = settle(before, after, effects, self.context)
            settled = settled if settled.talk is None else self._list(before, settled, settled.talk)
            self.draft.put(settled)
            self.effects += effects
            if _weighs_nothing(before) and _weighs_nothing(settled):
                return
            self._weigh(before, settled)
        self._keep_budgets()

    def _list(self, before: Client, client: Client, talk: Talk) -> Client:
        """A WebSocket to which something is to be said is listed for the end of the turn, once."""
        if before.talk is None:
            self._newcomer = client.conn
            self._weigh_talks(talk, 1)
        elif talk.closing is Closing.OVER and before.talk.closing is not Closing.OVER:
            self._weigh_talks(talk, -1)
        self._place(before, client)
        is_free = not (client.outflow.outbox or client.outflow.is_full)
        if talk.is_listed or not is_free or not (talk.queue or talk.pong is not None or talk.cursor is not None):
            return client
        self.unflushed.append(client.conn)
        return client._replace(talk=talk._replace(is_listed=True))

    def _place(self, before: Client, after: Client | None) -> None:
        """A WebSocket is in its cohort, or it is a laggard, or neither."""
        was, now = is_member(before), after is not None and is_member(after)
        hearing = () if before.talk is None else before.talk.hearing
        moves = was and now and after is not None and after.talk is not None and after.talk.hearing != hearing
        if was and before.talk is not None and (moves or not now):
            self.stream = leave(self.stream, before.conn, before.talk.hearing)
        if now and after is not None and after.talk is not None and (moves or not was):
            self.stream = join(self.stream, after.conn, after.talk.hearing)
        cursor = None if after is None or after.talk is None else after.talk.cursor
        if cursor is not None:
            self.stream = lag(self.stream, before.conn, cursor)
        elif is_laggard(before):
            self.stream = catch_up(self.stream, before.conn)

    def _weigh_talks(self, talk: Talk, more: int) -> None:
        """One WebSocket more or less; the oldest gives way to one too many."""
        self.stream = count_listeners(self.stream, talk.hearing.encoding, more)
        self.load = self.load._replace(talks=self.load.talks + more)
        self.context = make_context(self.server._replace(load=self.load), self._parse)

    def _let_go(self, before: Client, gone: Gone, effects: list[Effect]) -> None:
        """A connection ends."""
        self.draft.remove(before)
        self.totals = add_closed(self.totals, gone.client, gone.reason)
        self.effects += (*effects, Drop(before.conn), *part_of(before.conn, gone.client.talk, gone.reason),
                         Farewell(before.conn, gone.reason))
        if before.talk is not None and is_talking(before):
            self._weigh_talks(before.talk, -1)
        self._place(before, None)
        self._weigh(before, None)

    def dismiss(self, client: Client, reason: CloseReason) -> None:
        """End a connection now; if an answer was being made for it, it gets a 503 as far as it takes it at once."""
        effects: list[Effect] = []
        if is_talking(client):
            effects = last_frames(client, reason, self.context)
        elif client.owed and client.outflow.streaming is None and not client.outflow.outbox:
            segments = unavailable(reason, client.owed[0], self.context.date)
            effects = [Send(client.conn, segments, Then.DROP)]
        self.settle(client, (Gone(client, reason), effects))

    def miss(self, kind: type) -> None:
        """An event for a connection that is gone: an answer is late, anything else is nothing."""
        if kind is Answered or kind is Refused:
            self.totals = self.totals._replace(late=self.totals.late + 1)

    # -- budgets --------------------------------------------------------------------------------------------------

    def _weigh(self, before: Client, after: Client | None) -> None:
        """Add to the sums what a client has more than before."""
        load = self.load
        inbound, outbound = load.inbound, load.outbound
        inbound += (0 if after is None else intake_len(after)) - intake_len(before)
        outbound += (0 if after is None else outbound_len(after)) - outbound_len(before)
        if inbound != load.inbound or outbound != load.outbound:
            self.load = load._replace(inbound=inbound, outbound=outbound)

    def _keep_budgets(self) -> None:
        """Over the one budget the slowest sender is turned out; over the other, nobody is handed anything out."""
        limits, load = self.server.limits, self.load
        if load.talks > limits.max_ws_connection_cnt:
            self._evict_talk()
        elif load.inbound > limits.max_inbound_len:
            self._turn_out()
        elif load.outbound > limits.max_outbound_len and load.paused_at is None:
            self._set_pause(self.server.now)
        elif load.paused_at is not None and load.outbound <= limits.max_outbound_len // 2:
            self._set_pause(None)
            self._resume_all()

    def _evict_talk(self) -> None:
        """The oldest WebSocket gives way."""
        others = [client for client in self.draft.clients() if is_talking(client) and client.conn != self._newcomer]
        self.dismiss(min(others, key=lambda client: client.conn.turn), CloseReason.EVICTED)

    def _turn_out(self) -> None:
        """The slowest sender is told that there is no room for what it sends."""
        client = slowest_sender(self.draft.clients(), self.server.now)
        if client is not None:
            self.settle(client, turn_out(client, CloseReason.EVICTED, self.context))

    def _set_pause(self, at: float | None) -> None:
        self.load = self.load._replace(paused_at=at)
        self.context = make_context(self.server._replace(load=self.load), self._parse)

    def _resume_all(self) -> None:
        """What had to wait is looked at again, by slot."""
        for waiting in list(self.draft.clients()):
            client = self.draft.find(waiting.conn)
            if client is not None and client.intake.buffer and may_parse(client, self.context.limits):
                self.settle(client, resume(client, [], self.context))

    # -- the end --------------------------------------------------------------------------------------------------

    def finish(self) -> tuple[Server, list[Effect]]:
        """The server after all that, and the orders in sequence."""
        server, slots = self.server, self.draft.finish()
        if (self.context.is_draining or self.wheel is not server.wheel or self.totals is not server.totals
                or self.load is not server.load or self.unflushed or self.stream is not server.stream):
            is_over = server.running is Running.DRAINING and not slots.used
            running = Running.STOPPED if is_over else server.running
            server = server._replace(slots=slots, wheel=self.wheel, totals=self.totals, running=running, load=self.load,
                                     unflushed=server.unflushed.extend(self.unflushed), stream=self.stream)
        else:
            server = with_slots(server, slots)
        return server, self.effects
