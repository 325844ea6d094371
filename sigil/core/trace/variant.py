"""A server to which happens what was recorded, under other limits or with another policy for slow
readers.

Theory: what comes from the world (connections, bytes, what the kernel took, what the program
answered) does not depend on the limits at once, so a recording can be given to another server. Its
connections are the same by the socket they came on, whatever they are named.

Rules: an event for a connection that this server does not have is left out and counted, and so is
one that makes no sense to it. An answer of the program waits until this server has asked for it.
What the kernel took is what was recorded, though it was perhaps sent something else. It does not
know what is compared.
"""

from typing import Any, Final

from ..broadcast.ring import ring_reserve
from ..conn import Conn, Ticket
from ..connection.context import Parse
from ..control import DeliveryHeld
from ..effects import (
    Adopt,
    AskBody,
    CallClose,
    CallWsOpen,
    CloseBody,
    Deliver,
    DeliverCompressed,
    Effect,
    Handle,
    HandlePieces,
)
from ..events import (
    Delivered,
    Event,
    Flush,
    HandlerFailed,
    HandlerReturned,
    InputRead,
    Postponed,
    Publish,
    conn_of,
)
from ..http.bodies import EventStream, Upgrade
from ..http.response import Response
from ..limits import Limits, shortest_timeout, without_aliases
from ..server.fold import advance
from ..server.slots import clients_of, find_client
from ..server.state import Server, counted_now
from ..server.timer_wheel import make_wheel, schedule_all
from ..server.totals import requests_of
from .states import Replayed

MAX_ANSWER_ROUNDS: Final = 64
"""Rounds in one turn in which answers are given that were recorded before they were asked for."""


def under(server: Server, limits: Limits, slow: str | None = None) -> Server:
    """A server in the same situation under other limits: what is beyond them is dealt with as soon
    as something happens. With `slow`, this is what becomes of every subscriber that is too slow.
    """
    limits = without_aliases(limits)
    ring = server.broadcast.ring.replace(
        max_bytes=limits.outgoing_buffer_sz, max_frames=limits.max_ws_send_frame_cnt
    )
    wheel, now = make_wheel(shortest_timeout(limits)), counted_now(server)
    conns = [client.conn for client in clients_of(server.slots)]
    if conns:
        wheel = schedule_all(wheel, conns, now, now)
    slots = server.slots
    if slow is not None:
        entries = slots.entries
        for client in clients_of(slots):
            if client.subscriber is not None:
                subscriber = client.subscriber.replace(skips=slow == "skip")
                entries = entries.set(client.conn.slot, client.replace(subscriber=subscriber))
        slots = slots.replace(entries=entries)
    return server.replace(
        limits=limits,
        wheel=wheel,
        slots=slots,
        broadcast=server.broadcast.replace(ring=ring_reserve(ring, 0, 0)),
    )


class Variant:
    """A server that is given what was recorded of another one, turn by turn."""

    __slots__ = (
        "_asked", "_delivering", "_early", "_limits", "_parse", "_returned", "_slow",
        "adopted", "left_out", "names",
        "newcomers", "rejected", "server",
    )  # fmt: skip

    def __init__(self, first: Server, limits: Limits, slow: str | None, parse: Parse) -> None:
        self._limits: Final = limits
        self._slow: Final = slow
        self._parse: Final = parse
        self._asked: set[Ticket] = set()
        """The requests that it has handed out, and for which it has no answer."""
        self._early: dict[Ticket, Event] = {}
        """The answers to requests that it has not handed out yet."""
        self._delivering: dict[Conn, int] = {}
        """How often the program was called for a connection and has not returned."""
        self._returned: dict[Conn, list[Event]] = {}
        """What says that it has, before it was called here."""
        self.server = first
        self.names: dict[Conn, Conn] = {}
        """Its names of the connections, by those in the recording."""
        self.left_out: dict[str, int] = {}
        """Events that it was not given, by kind."""
        self.newcomers: list[Conn] = []
        """The connections of the recording that were accepted in the last turn, here too."""
        self.rejected: set[Conn] = set()
        """Connections of the recording that it did not accept."""
        self.adopted = 0
        """Connections that it accepted, and the recorded server did not."""
        self.begin(first)

    def begin(self, recorded: Server) -> None:
        """Go on from what was recorded: at the start, and behind a gap."""
        self.server = under(recorded, self._limits, self._slow)
        self.names = {client.conn: client.conn for client in clients_of(recorded.slots)}
        self._asked.clear()
        self._early.clear()
        self._delivering.clear()
        self._returned.clear()

    def follow(self, step: Replayed) -> Replayed:
        """What becomes of this server in a turn that was recorded of the other one."""
        if step.turn.gap is not None:
            self.begin(step.turn.gap.state)
        before = self.server
        events = self._translated(step)
        effects = self._advance(events)
        self._pair(step.effects, effects)
        for _ in range(MAX_ANSWER_ROUNDS):
            answers = self._take_answers() + self._take_returns()
            if not answers:
                break
            effects += self._advance(answers)
        return Replayed(step.turn, before, self.server, tuple(effects))

    # -- events ------------------------------------------------------------------------------------

    def _translated(self, step: Replayed) -> list[Event]:
        """The events of a turn as events for this server."""
        found: list[Event] = []
        for event in step.turn.events:
            conn = conn_of(event)
            if conn is not None and not self._has(conn):
                if find_client(step.before.slots, conn) is not None:  # else it is late for both
                    self._leave_out(event)
            elif isinstance(event, Delivered | DeliveryHeld):
                found += self._returns(renamed(event, self.names))
            elif isinstance(event, HandlerReturned | HandlerFailed):
                found += self._answers(event)
            else:
                found.append(renamed(event, self.names))
                if isinstance(event, Postponed):
                    self._forget_asked(event)
        return found

    def _has(self, conn: Conn) -> bool:
        """True for a connection of the recording that is open here too."""
        name = self.names.get(conn)
        return name is not None and find_client(self.server.slots, name) is not None

    def _returns(self, event: Delivered | DeliveryHeld) -> list[Event]:
        """What says that the program has returned, if something was delivered that it has not
        returned from; else it is kept until something is.
        """
        count = self._delivering.get(event.conn, 0)
        if count:
            self._delivering[event.conn] = count - 1
            return [event]
        self._returned.setdefault(event.conn, []).append(event)
        return []

    def _take_returns(self) -> list[Event]:
        """What says that the program has returned from what was delivered later here."""
        ready: list[Event] = []
        for conn in [conn for conn in self._returned if self._delivering.get(conn, 0)]:
            self._delivering[conn] -= 1
            kept = self._returned[conn]
            ready.append(kept.pop(0))
            if not kept:
                del self._returned[conn]
        return ready

    def _forget_asked(self, event: Postponed) -> None:
        """Requests that are handed out again are not asked for until then."""
        conn, number = self.names[event.ticket.conn], event.ticket.number
        for place in range(len(event.requests)):
            self._asked.discard(Ticket(conn, number + place))

    def _answers(self, event: HandlerReturned | HandlerFailed) -> list[Event]:
        """An answer, if it was asked for; what was not asked for yet is kept until it is."""
        given = renamed(event, self.names)
        if isinstance(given, HandlerReturned):
            responses = [with_policy(response, self._slow) for response in given.responses]
            first = given.ticket.number
            tickets = [Ticket(given.ticket.conn, first + place) for place in range(len(responses))]
            if self._asked.issuperset(tickets):
                self._asked.difference_update(tickets)
                return [HandlerReturned(given.ticket, tuple(responses))]
            for ticket, response in zip(tickets, responses, strict=True):
                self._early[ticket] = HandlerReturned(ticket, (response,))
            return self._take_answers()
        if given.ticket not in self._asked:
            client = find_client(self.server.slots, given.ticket.conn)
            if client is None or given.ticket.number >= requests_of(client):
                self._early[given.ticket] = given
                return []
        self._asked.discard(given.ticket)
        return [given]

    def _take_answers(self) -> list[Event]:
        """The answers that are there and asked for, in order."""
        ready = [ticket for ticket in self._early if ticket in self._asked]
        self._asked.difference_update(ready)
        return [self._early.pop(ticket) for ticket in ready]

    def _leave_out(self, event: Event) -> None:
        """Count an event that is not given to it."""
        name = type(event).__name__
        self.left_out[name] = self.left_out.get(name, 0) + 1

    # -- the core ----------------------------------------------------------------------------------

    def _advance(self, events: list[Event]) -> list[Effect]:
        """The effects of these events; those that it cannot take are left out."""
        try:
            self.server, effects = advance(self.server, events, self._parse)
        except Exception:
            effects = self._advance_singly(events)
        for effect in effects:
            if isinstance(effect, Handle):
                first = effect.ticket.number
                for place in range(len(effect.requests)):
                    self._asked.add(Ticket(effect.ticket.conn, first + place))
            elif isinstance(effect, AskBody | HandlePieces):
                self._asked.add(effect.ticket)
            elif isinstance(effect, CloseBody):
                self._asked.discard(effect.ticket)
            elif isinstance(effect, Deliver | DeliverCompressed | CallWsOpen):
                self._delivering[effect.conn] = self._delivering.get(effect.conn, 0) + 1
            elif isinstance(effect, CallClose):
                self._delivering.pop(effect.conn, None)
                self._returned.pop(effect.conn, None)
        return effects

    def _advance_singly(self, events: list[Event]) -> list[Effect]:
        """The effects of these events one by one, without those that make no sense to it."""
        effects: list[Effect] = []
        for event in events:
            try:
                self.server, more = advance(self.server, (event,), self._parse)
            except Exception:
                self._leave_out(event)
            else:
                effects += more
        return effects

    def _pair(self, recorded: tuple[Effect, ...], effects: list[Effect]) -> None:
        """Know the newcomers of a turn by the sockets on which they came."""
        own = {effect.socket_id: effect.conn for effect in effects if isinstance(effect, Adopt)}
        self.newcomers = []
        for effect in recorded:
            if isinstance(effect, Adopt):
                conn = own.pop(effect.socket_id, None)
                if conn is None:
                    self.rejected.add(effect.conn)
                else:
                    self.names[effect.conn] = conn
                    self.newcomers.append(effect.conn)
        self.adopted += len(own)


def renamed(event: Any, names: dict[Conn, Conn]) -> Any:
    """An event with the connections in it under other names; those without one are left out."""
    kind = type(event)
    if isinstance(event, InputRead):
        return InputRead(frozenset([names[conn] for conn in event.unread if conn in names]))
    if isinstance(event, Flush):
        unhandled = frozenset([names[conn] for conn in event.unhandled if conn in names])
        return Flush(None if event.conn is None else names[event.conn], unhandled)
    if isinstance(event, Publish):
        return Publish(tuple([_publication(message, names) for message in event.messages]))
    if isinstance(event, Postponed):
        conn = names[event.ticket.conn]
        requests = tuple([request.replace(conn=conn) for request in event.requests])
        return Postponed(Ticket(conn, event.ticket.number), requests)
    fields = kind.__match_args__
    if "ticket" in fields:
        return event.replace(ticket=Ticket(names[event.ticket.conn], event.ticket.number))
    if "conn" in fields:
        return event.replace(conn=names[event.conn])
    return event


def _publication(message: Any, names: dict[Conn, Conn]) -> Any:
    """A message that is published, with whom it excludes under another name."""
    opcode, payload, topic, options = message
    if options.exclude is None:
        return message
    return opcode, payload, topic, options.replace(exclude=names.get(options.exclude))


def with_policy(response: Response, slow: str | None) -> Response:
    """The response with another policy for whoever is too slow; None leaves it."""
    body = response.body
    if slow is None or not isinstance(body, Upgrade | EventStream):
        return response
    return response.replace(body=body.replace(slow=slow))
