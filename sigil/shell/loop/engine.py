"""The crank of a server: the current value of the core, the events not told yet, the orders not
carried out yet.

Theory: a server is a fold, so whoever turns it needs three things and one loop: tell what has
happened, carry out what is ordered, tell what came of that, and again for a bounded number of
rounds; then flush what was said. Sockets, memory, or a simulation: the loop is the same, so it is
here, and what carries orders out is handed in.

Rules: nothing is lost if user code breaks out of a round: what was not told and not carried out is
still here. What user code says is told to the core at once, so that its status is true. The clock
is handed in too: it is read where something is not taken, or somebody is spoken to, between the
beginnings of two turns. It does not know threads or sockets.
"""

import logging
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from ...core.broadcast.broadcast import (
    FRAME_HEADER_LEN_MAX,
    encoding_overhead,
    fits,
    publish_capacity,
)
from ...core.close_reasons import CloseReason
from ...core.conn import Conn
from ...core.connection.context import Parse
from ...core.connection.websocket_send import NOMINAL_FRAME_HEADER_LEN, send_capacity
from ...core.effects import Adopt, Effect, FanOut, Send, Then
from ...core.events import (
    CloseRequested,
    ConnectionLost,
    Delivered,
    Event,
    FanOutStalled,
    Flush,
    Publish,
    SendMessages,
    Stalled,
    TimeRead,
    conn_of,
)
from ...core.send_status import SendStatus
from ...core.server.fold import advance
from ...core.server.slots import find_client
from ...core.server.state import Server
from ...core.websocket.frames import Opcode, frame_len
from .send_buffer import to_message

_ERROR_LOG = logging.getLogger("sigil.error")
_FLUSH = Flush(None)
NOT_TAKEN = (Stalled, FanOutStalled, ConnectionLost)
STALE_SECONDS = 0.005
"""The core's clock may be so late: far less than any deadline, and longer than most turns take."""
TOO_SLOW = CloseReason.WS_CLIENT_TOO_SLOW.name

Methods: TypeAlias = Mapping[type, Callable[[Any], Event | None]]
"""Who carries out which kind of order; what comes of it is returned, or added to the events."""


Clock: TypeAlias = Callable[[], TimeRead]
"""Reads the time, on a clock that never goes back, and since 1970."""


class Engine:
    """A server value being turned."""

    def __init__(self, state: Server, parse: Parse, clock: Clock) -> None:
        self._state = state
        self.clock = clock
        self.methods: Methods = {}
        self._unsent: list[Event] = []
        self._sent_to: set[Conn] = set()
        """To whom something was said that the core may not have been told."""
        self._has_replies = False
        """Words wait among the events, in a `Delivered`."""
        self._sending_to: Conn | None = None
        self._messages: list[tuple[int, bytes]] = []
        self.recipient: Conn | None = None
        """Whom something was said to last, while there is `send_room` (bytes) for more: `keep`
        takes it, with `status`.
        """
        self.send_room = 0
        self._text_only = False
        """It hears texts, and nothing else."""
        self.append_message = self._messages.append
        self.status = SendStatus.DROPPED
        self._publications: list[tuple[int, bytes, str | None]] = []
        self.publish_room = 0
        """While something is said to all: the bytes, and `publish_count` messages, of which it is
        known what becomes, `publish_status`; what is said is taken by `append_publication`.
        """
        self.publish_count = 0
        self.publish_status = SendStatus.SUCCESS
        self.append_publication = self._publications.append
        self.events: list[Event] = []
        """What has happened and was not told yet. It is always this list: whoever carries out
        orders adds to it.
        """
        self._effects: list[Effect] = []
        self._performing: Iterator[Effect] = iter(())
        """Orders that are being carried out, before all others."""
        self.close_count = 0
        """How often user code has closed a connection: so that whoever calls it need not look each
        time.
        """
        self._parse = parse

    @property
    def snapshot(self) -> Server:
        """The core's value without what was said last: for other threads, which may look but not
        turn.
        """
        return self._state

    @property
    def state(self) -> Server:
        """The core's value, all that was said included."""
        if self._messages or self._unsent or self._publications or self._has_replies:
            self._sync()
        return self._state

    def begin(self, state: Server) -> None:
        """Go on with another value."""
        self._state = state

    @property
    def has_work(self) -> bool:
        """True if the last turn left something over, or something was said since."""
        return bool(self.events or self._effects) or self.has_unsent

    # -- turning -----------------------------------------------------------------------------------

    def run_rounds(self) -> None:
        """Tell, carry out, and so on with what comes of it; what is left over after the last round
        is kept.
        """
        for number in range(self._state.limits.max_rounds_per_tick):
            events = self.events[:]
            self.events.clear()
            if number:
                events[:0] = self._time_events()
            self._advance(events)
            self._forget_replies()
            self._perform()
            if not self.events:
                break
        self._flush()
        if self.events:
            self._sync_until_quiet()

    def flush_between_ticks(self) -> None:
        """Do what the last turn left undone, and let leave what was said since: before anybody
        waits.
        """
        self._perform()
        if (
            self._messages or self._unsent or self._state.unflushed
        ):  # what is said to one client alone has its time
            self._advance(self._time_events())
        self._flush()

    def _time_events(self) -> list[Event]:
        """The time, if it has gone on since the core was told: user code may have taken long, or
        not been in a turn.
        """
        reading = self.clock()
        return [reading] if reading.now > self._state.now + STALE_SECONDS else []

    def _perform(self) -> None:
        """Carry out orders in sequence until none is left; if user code breaks out, the rest waits
        for the next time.
        """
        methods, add = self.methods, self.events.append
        while self._effects:
            self._performing, self._effects = iter(self._effects), []
            try:
                for order in self._performing:
                    event = methods[type(order)](order)
                    if event is not None:
                        add(event)
            except BaseException:
                self._effects = self._take_effects()
                raise

    def _take_effects(self) -> list[Effect]:
        """All orders that were not carried out, in sequence, for whoever does something else with
        them.
        """
        orders = [*self._performing, *self._effects]
        self._effects = []
        return orders

    def _sync_until_quiet(self) -> None:
        """Leave nothing untold that must not be overtaken by what is said before the next turn."""
        rounds = 0
        while any(map(_goes_first, self.events)):
            # an answer may bring about the next one for ever; bytes not taken bring about nothing
            rounds += 1
            self._sync(rounds <= self._state.limits.max_rounds_per_tick)
            self._perform()
            if rounds > self._state.limits.max_rounds_per_tick and not any(
                map(_is_not_taken, self.events)
            ):
                return

    @property
    def has_unsent(self) -> bool:
        """True if something was said that has not left."""
        state = self._state
        return bool(
            self._messages
            or self._unsent
            or self._publications
            or state.unflushed
            or state.broadcast.pending
        )

    def _flush(self) -> None:
        """What was said leaves. What is not taken is told before anybody can say more, or it would
        be overtaken.
        """
        if not self.has_unsent:
            return
        self._advance([_FLUSH])
        self._perform()
        self._sync_until_quiet()

    def _advance(self, events: list[Event]) -> None:
        """Tell the core what was said and what has happened, and keep what it orders."""
        self._close_window()
        if self._unsent:
            events, self._unsent = self._unsent + events, []
        try:
            self._state, effects = advance(self._state, events, self._parse)
        except (
            Exception
        ):  # there is no known way: this is so that one defect of ours is not everybody's end
            effects = self._advance_singly(events)
        except BaseException:
            self.events[:0] = events
            raise
        self._effects += effects

    def _advance_singly(self, events: list[Event]) -> list[Effect]:
        """The same event by event; one that the core cannot take ends its connection."""
        effects: list[Effect] = []
        for event in events:
            try:
                self._state, more = advance(self._state, (event,), self._parse)
            except Exception:
                _ERROR_LOG.error(
                    "a defect of sigil: %s could not be told\n%s",
                    type(event).__name__,
                    traceback.format_exc(),
                )
                conn = conn_of(event)
                self._state, more = advance(
                    self._state, () if conn is None else (ConnectionLost(conn, 0),)
                )
            effects += more
        return effects

    # -- what user code says -----------------------------------------------------------------------

    def send(self, conn: Conn, data: object) -> SendStatus:
        """Say a message to one WebSocket.

        The core is told at the latest when somebody looks: messages to one client are told
        together, while it is known that there is room for them.
        """
        return self._send(conn, (1, data.encode()) if type(data) is str else to_message(data))

    def _send(self, conn: Conn, message: tuple[int, bytes]) -> SendStatus:
        if conn is not self.recipient:
            self._open_window(conn)
        if self.recipient is None or (self._text_only and message[0] != Opcode.TEXT):
            return SendStatus.DROPPED
        self.append_message(message)
        self.send_room -= len(message[1]) + NOMINAL_FRAME_HEADER_LEN
        if self.send_room <= 0:
            self.recipient = None
        return self.status

    def replay(self, word: SendMessages | Publish) -> None:
        """Say what another thread has said."""
        if isinstance(word, Publish):
            for message in word.messages:
                self._publish(message)
        else:
            for said in word.messages:
                self._send(word.conn, said)

    def _open_window(self, conn: Conn) -> None:
        """Say to another client now: what was said to the last one is an event, and there is room
        for so much more.
        """
        if self._messages or self._publications:
            self._close_window()
        if conn in self._sent_to:
            self._sync()
        status, room, self._text_only = send_capacity(
            find_client(self._state.slots, conn), self._state.limits
        )
        if room <= 0 and self._flush_now(conn):
            status, room, self._text_only = send_capacity(
                find_client(self._state.slots, conn), self._state.limits
            )
        self.status, self.send_room, self.publish_room = status, room, 0
        self._sending_to, self.recipient = conn, conn if room > 0 else None

    def take_messages(self, conn: Conn) -> tuple[tuple[int, bytes], ...]:
        """What was said to this client last and the core was not told, for whoever tells it now."""
        if conn is not self._sending_to or not self._messages:
            return ()
        said = tuple(self._messages)
        self._messages.clear()
        self.recipient = self._sending_to = None
        self._sent_to.add(conn)
        self._has_replies = True
        return said

    def _close_window(self) -> None:
        """What was said to one client, or to all, becomes an event."""
        if self._publications:
            self._unsent.append(Publish(tuple(self._publications)))
            self._publications.clear()
        self.publish_room = 0
        if self._messages and self._sending_to is not None:
            conn = self._sending_to
            self._unsent.append(SendMessages(conn, self.take_messages(conn)))
        self.recipient = self._sending_to = None

    def _flush_now(self, conn: Conn | None) -> bool:
        """Send at once what was said in this turn, to one client or to all; True if there may be
        room again.

        What was ordered to be sent before goes first, and what the kernel does not take is told
        before anything else.
        """
        self._sync()
        client = None if conn is None else find_client(self._state.slots, conn)
        if conn is not None and (
            client is None
            or client.subscriber is None
            or client.outgoing.outbox
            or client.subscriber.cursor is not None
            or not client.subscriber.queue
        ):
            return False
        self._state, effects = advance(
            self._state, [*self._time_events(), Flush(conn)], self._parse
        )
        orders = [*self._take_effects(), *effects]
        newcomers = {order.conn for order in orders if type(order) is Adopt}
        sends = [order for order in orders if _may_leave(order, newcomers)]
        self._effects = [order for order in orders if not _may_leave(order, newcomers)]
        for order in sends:
            self.methods[type(order)](order)
        self._sync(False)
        return True

    def _sync(self, with_answers: bool = True) -> None:
        """Tell the core all that was said, and what the kernel did not take: nothing later may
        overtake either.

        Who takes no more has from now on for it, and now may be long after anything else has
        happened.
        """
        goes_first = _goes_first if with_answers else _is_not_taken
        first = [event for event in self.events if goes_first(event)]
        if first:
            self.events[:] = [event for event in self.events if not goes_first(event)]
            if any(map(_is_not_taken, first)):
                first[:0] = self._time_events()
        if first or self._messages or self._unsent or self._publications:
            self._advance(first)
        if with_answers:
            self._forget_replies()

    def _forget_replies(self) -> None:
        """The core was told all that was said: nobody need be caught up with."""
        self._has_replies = False
        self._sent_to.clear()

    def publish(self, data: object, topic: str | None) -> SendStatus:
        """Say a message to all WebSockets, or those that hear its topic.

        The core is told at the latest when somebody looks, while it is known what becomes of it.
        """
        return self._publish((*to_message(data), topic))

    def _publish(self, message: tuple[int, bytes, str | None]) -> SendStatus:
        length = len(message[1]) + FRAME_HEADER_LEN_MAX
        if length > self.publish_room or self.publish_count <= 0:
            self._open_broadcast_window(length)
        if length <= self.publish_room and self.publish_count > 0:
            self.publish_room -= length
            self.publish_count -= 1
            self.append_publication(message)
            return self.publish_status
        dropped = self._state.totals.closed.get(TOO_SLOW, 0)
        self.append_publication(message)
        self._advance([])
        is_too_long = frame_len(len(message[1])) > self._state.limits.outgoing_buffer_sz
        was_dropped = is_too_long or self._state.totals.closed.get(TOO_SLOW, 0) > dropped
        return SendStatus.DROPPED if was_dropped else self.publish_status

    def _open_broadcast_window(self, length: int) -> None:
        """Say to all now: what was said to one is an event, and there is room for so much."""
        self._close_window()
        if self._unsent or self._has_replies:
            self._sync()
        if self._state.broadcast.pending and not fits(
            self._state.broadcast, 1, length * encoding_overhead(self._state.broadcast)
        ):
            self._flush_now(None)
        self.publish_status, self.publish_room, self.publish_count = publish_capacity(
            self._state.broadcast
        )

    def report(self, event: Event) -> None:
        """Add what came of an order; bytes not taken go before what would cause more of them to be
        sent.
        """
        events, index = self.events, 0
        while index < len(events) and type(events[index]) in NOT_TAKEN:
            index += 1
        events.insert(index if type(event) in NOT_TAKEN else len(events), event)

    def apply(self, *events: Event) -> None:
        """Tell the core at once what the program wants."""
        self.close_count += sum([type(event) is CloseRequested for event in events])
        self._sync()
        self._advance([*self._time_events(), *events])


def _may_leave(order: Effect, newcomers: set[Conn]) -> bool:
    """True for what may be sent before other orders: not to whom the shell does not know yet, nor
    the last of all.

    What ends a connection ends its streams, and that is user code.
    """
    return type(order) is FanOut or (
        type(order) is Send and order.then is not Then.DROP and order.conn not in newcomers
    )


def _goes_first(event: Event) -> bool:
    """True for what must be told before anything that is said later: bytes not taken, and an answer
    on its way.
    """
    return type(event) in NOT_TAKEN or (type(event) is Delivered and bool(event.replies))


def _is_not_taken(event: Event) -> bool:
    """True for bytes that the kernel did not take."""
    return type(event) in NOT_TAKEN
