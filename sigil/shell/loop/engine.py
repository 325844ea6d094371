"""The loop around the core: it advances the current value by events, and performs the effects.

Theory: a server is a fold over events, so whoever drives it needs three things and one loop:
advance the core by what has happened, perform the effects it returns, advance it by what came of
them, and again for a bounded number of rounds; then flush what was sent. The loop is the same over
sockets, in memory, or in a simulation, so it is here, and the methods that perform effects are
handed in.

Rules: nothing is lost if user code breaks out of a round: events the core has not received and
effects not performed are still here. What user code sends is buffered (`send_buffer`), and the core
has it before anybody looks at its state. What the kernel did not take precedes what is sent later,
or later bytes would overtake it. The clock is handed in too; between the beginnings of two ticks
the core gets the time when a client stalls or is sent to, as its deadlines begin then. It does not
know threads or sockets.
"""

import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from ...core.conn import Conn
from ...core.connection.client import Client
from ...core.connection.context import Parse
from ...core.control import DeliveryHeld, ReadingAllowed
from ...core.effects import ERROR_LOG, Adopt, Effect, FanOut, Send, Then
from ...core.events import (
    CloseRequested,
    ConnectionLost,
    Delivered,
    Event,
    FanOutStalled,
    Flush,
    InputRead,
    Stalled,
    Stop,
    TickStarted,
    TimeRead,
    conn_of,
)
from ...core.server.fold import advance
from ...core.server.slots import find_client
from ...core.server.state import Server
from ..program.guard import Guard
from ..program.logs import write_text
from ..program.run_queue import USER_CODE, RunQueue, Work
from ..program.tracebacks import error_text
from .send_buffer import SendBuffer

_ERRORS = logging.getLogger(ERROR_LOG)
_FLUSH = Flush(None)
NOT_TAKEN = (Stalled, FanOutStalled, ConnectionLost)
"""Events of bytes that the kernel did not take."""
CONTROLS = (CloseRequested, ReadingAllowed)
"""Events by which user code has to do with what is delivered of its connection."""
OF_A_TICK = (TickStarted, InputRead)
"""Events that are about the tick in which they are applied."""
STALE_SECONDS = 0.005
"""The core's clock may be so late: far less than any deadline, and longer than most ticks take."""

Methods: TypeAlias = Mapping[type, Callable[[Any], Event | None]]
"""What performs each kind of effect; what came of it is returned, or added to the events."""
Clock: TypeAlias = Callable[[], TimeRead]
"""Reads the time: on a clock that never goes back, and since 1970."""
Advance: TypeAlias = Callable[[Server, Sequence[Event], Parse], tuple[Server, list[Effect]]]
"""The core, as a function."""


class Engine:
    """The current value of a server, the events it has not received, the effects not performed."""

    def __init__(
        self, state: Server, parse: Parse, clock: Clock, advance: Advance = advance
    ) -> None:
        self._state = state
        self._parse = parse
        self._advance = advance
        self.clock = clock
        self.methods: Methods = {}
        self.guard = Guard()
        """Busy while a tick, or a call of user code, is at work here."""
        self.run_queue: RunQueue
        """User code that waits for its turn; the program's."""
        self.perform_work: Callable[[Work], Event | None]
        """What performs it."""
        self.buffer = SendBuffer(self)
        self.events: list[Event] = []
        """What has happened and the core has not received. It is always this list: whoever performs
        effects adds to it.
        """
        self._effects: deque[Effect] = deque()
        """Effects that were not performed, in order; the first one may be at it."""
        self.touched: Effect | None = None
        """The effect of which bytes were given to the kernel last, while effects are performed."""
        self.must_repeat: Callable[[Effect], bool] = _never
        """True if an effect that was interrupted is to be performed again; else what came of it is
        reported.
        """
        self.read_newcomers: Callable[[], None] = _nobody_new
        """Adds what has come from connections that were accepted in this round."""
        self._last_not_taken: tuple[int, Event | None] = (0, None)
        """How many events the last one that was put before others was behind, itself counted, and
        that one.
        """
        self.control_count = 0
        """How often user code has closed a connection, or stopped to read one: while it is the
        same, nobody need look whether a callback has done that to its own.
        """

    @property
    def snapshot(self) -> Server:
        """The core's value without what is buffered: for other threads, which may look but not
        advance.
        """
        return self._state

    @property
    def state(self) -> Server:
        """The core's value, with all that user code has sent."""
        if self.buffer.unconfirmed or not self.buffer.is_clean:
            self.sync()
        return self._state

    def begin(self, state: Server, parse: Parse) -> None:
        """Go on with another value, whose heads are parsed so."""
        self._state, self._parse = state, parse

    @property
    def has_work(self) -> bool:
        """True if the last tick left something over, or user code has sent something since."""
        return bool(self.events or self._effects or self.run_queue.count) or self.has_unsent

    @property
    def is_done(self) -> bool:
        """True if nothing has happened that the core has not received, and no user code waits."""
        return not self.events and not self.run_queue.count

    @property
    def has_unsent(self) -> bool:
        """True if user code has sent something that was not flushed."""
        state, buffer = self._state, self.buffer
        if state.unflushed or state.broadcast.pending:
            return True
        return not buffer.is_clean and buffer.has_any

    # -- rounds ------------------------------------------------------------------------------------

    def run_rounds(self, last: InputRead | None = None) -> bool:
        """Advance the core by the events, perform its effects, and so on with what came of them;
        when all was answered that this tick has read, `last` is applied. True if that ordered
        anything.

        After `Limits.max_rounds_per_tick` rounds the rest waits for the next tick.
        """
        for number in range(self._state.limits.max_rounds_per_tick):
            events = self.events[:]
            self.events.clear()
            if number:
                events[:0] = self._time_events()
            self.advance(events)
            self.buffer.unconfirmed.clear()
            self._perform()
            self.read_newcomers()
            if not self.events:
                break
        has_judged = last is not None and self._apply_last(last)
        self._flush()
        if self.events:
            self._sync_until_quiet()
        return has_judged

    def _apply_last(self, last: InputRead) -> bool:
        """Apply what ends a tick, behind all that was performed in it; True if that had effects."""
        self.sync()
        self._perform()
        self.advance([last])
        has_effects = bool(self._effects)
        self._perform()
        return has_effects

    def forget_tick(self) -> None:
        """Leave out the beginning and the end of a tick that was broken off by an exception."""
        if self.events:
            self.events[:] = [event for event in self.events if type(event) not in OF_A_TICK]

    def flush_between_ticks(self) -> None:
        """Perform what the last tick left over, and flush what was sent since: before anybody
        waits.
        """
        self._perform()
        if self.events:
            return  # a tick that was broken off has left them: the core has them before the flush
        # clients that were sent to by themselves have their deadlines from now on; those of a
        # broadcast have theirs when it is flushed
        if self.buffer.has_sends or self._state.unflushed:
            self.advance(self._time_events())
        self._flush()

    def _time_events(self) -> list[Event]:
        """The time, if it has gone on since the core last had it: user code may have taken long, or
        run between two ticks.
        """
        reading = self.clock()
        return [reading] if reading.now > self._state.now + STALE_SECONDS else []

    # -- advancing ---------------------------------------------------------------------------------

    def advance(self, events: list[Event]) -> None:
        """Advance the core by all that is buffered, then by these events; its effects wait to be
        performed.
        """
        if not self.buffer.is_clean:
            events = [*self.buffer.take_events(), *events]
        self.advance_core(events)

    def advance_core(self, events: list[Event]) -> None:
        """Advance the core by exactly these events."""
        try:
            self._state, effects = self._advance(self._state, events, self._parse)
        except Exception:
            # there is no known way to get here: but a defect of ours must not end everybody
            effects = self._advance_singly(events)
        except BaseException:
            self.events[:0] = events
            raise
        self._effects += effects

    def _advance_singly(self, events: list[Event]) -> list[Effect]:
        """The effects of these events one by one; one that the core cannot take ends its
        connection.
        """
        effects: list[Effect] = []
        for event in events:
            try:
                self._state, more = self._advance(self._state, (event,), self._parse)
            except Exception as error:
                text = f"a defect of sigil: {type(event).__name__} could not be handled"
                write_text(_ERRORS, logging.ERROR, error_text(text, error))
                conn = conn_of(event)
                ending = () if conn is None else (ConnectionLost(conn, 0),)
                self._state, more = self._advance(self._state, ending, self._parse)
            effects += more
        return effects

    def stop_now(self) -> None:
        """Stop at once: what has happened is still answered, but user code that has not begun waits
        behind the end, and is not called for those who are gone then.
        """
        effects = self._take_effects()
        self._effects += [effect for effect in effects if type(effect) not in USER_CODE]
        for effect in effects:
            if type(effect) in USER_CODE:
                self.run_queue.put(effect)  # type: ignore[arg-type]  # it is work, by its type
        events = self.events[:]
        self.events.clear()
        self.advance([*events, Stop(0.0)])

    def apply(self, *events: Event) -> None:
        """Advance the core at once by what user code has requested."""
        self.control_count += sum([type(event) in CONTROLS for event in events])
        self.sync()
        self.advance([*self._time_events(), *events])

    # -- performing --------------------------------------------------------------------------------

    def _perform(self) -> None:
        """Perform effects in order until none is left, then user code that has waited for its turn;
        if user code breaks out, the rest waits for the next time.
        """
        self._perform_effects()
        queue = self.run_queue
        while (work := queue.next()) is not None:
            event = self.perform_work(work)
            queue.end(work)
            if event is not None:
                self.events.append(event)
            self._perform_effects()

    def _perform_effects(self) -> None:
        """Perform effects in order until none is left; user code that has to wait is queued."""
        methods, add, queue = self.methods, self.events.append, self.run_queue
        effects, begun = self._effects, None
        try:
            while effects:
                effect = effects[0]
                kind = type(effect)
                begun = effect
                # nearly always nothing waits, and user code has time left
                calls = kind in USER_CODE
                may_wait = calls and (queue.count or queue.read_clock() >= queue.until)
                if not (may_wait and queue.defers(effect)):
                    event = methods[kind](effect)
                    if calls:
                        queue.end(effect)
                    if event is not None:
                        add(event)
                effects.popleft()
        except BaseException:
            # user code is called once, whatever it raises
            is_at_head = bool(effects) and effects[0] is begun
            if is_at_head and (type(begun) in USER_CODE or not self.must_repeat(effects[0])):
                effects.popleft()
            raise
        finally:
            self.touched = None

    @property
    def effects(self) -> tuple[Effect, ...]:
        """The effects that were not performed, in order."""
        return tuple(self._effects)

    def _take_effects(self) -> list[Effect]:
        """All effects that were not performed, in order, for whoever performs them now."""
        effects = list(self._effects)
        self._effects.clear()
        return effects

    def report(self, event: Event) -> None:
        """Add what came of an effect; bytes not taken go before what would cause more of them to be
        sent.
        """
        events = self.events
        if type(event) not in NOT_TAKEN:
            events.append(event)
            return
        # behind the one that was reported last, if it is still where it was put: a whole cohort may
        # stall at once
        index, last = self._last_not_taken
        if not (0 < index <= len(events) and events[index - 1] is last):
            index = 0
        while index < len(events) and type(events[index]) in NOT_TAKEN:
            index += 1
        events.insert(index, event)
        self._last_not_taken = index + 1, event

    # -- flushing ----------------------------------------------------------------------------------

    def _flush(self) -> None:
        """Send what user code has sent. The core has what the kernel did not take before anybody
        can send more, or that would be overtaken.
        """
        if not self.has_unsent:
            return
        self.advance([self._flush_event()])
        self._perform()
        self._sync_until_quiet()

    def _flush_event(self) -> Flush:
        """The end of the tick; the program has not been called for those whose work still waits."""
        if not self.run_queue.count:
            return _FLUSH
        return Flush(None, frozenset([at for at in self._state.unflushed if at in self.run_queue]))

    def flush_now(self, conn: Conn | None) -> bool:
        """Send at once what waits for the end of the tick, to one client or to all; True if there
        may be room again.

        Sends among the effects that wait go first, as they were ordered first; what the kernel does
        not take reaches the core before anything else.
        """
        self.sync()
        if conn is not None and not _can_flush(find_client(self._state.slots, conn)):
            return False
        self._state, effects = self._advance(
            self._state, [*self._time_events(), Flush(conn)], self._parse
        )
        waiting = [*self._take_effects(), *effects]
        newcomers = {effect.conn for effect in waiting if type(effect) is Adopt}
        sends = [effect for effect in waiting if _may_be_sent_now(effect, newcomers)]
        self._effects += [effect for effect in waiting if not _may_be_sent_now(effect, newcomers)]
        for effect in sends:
            self.methods[type(effect)](effect)
        self.sync(with_replies=False)
        return True

    # -- catching up -------------------------------------------------------------------------------

    def sync(self, with_replies: bool = True) -> None:
        """Advance the core by all that is buffered and what the kernel did not take; with
        `with_replies` also by deliveries that bring replies.

        A client that takes no more is given its time from now on: long after anything else has
        happened, perhaps.
        """
        precedes = _precedes_sends if with_replies else _is_not_taken
        first = [event for event in self.events if precedes(event)]
        if first:
            self.events[:] = [event for event in self.events if not precedes(event)]
            if any(map(_is_not_taken, first)):
                first[:0] = self._time_events()
        if first or self.buffer.has_any:
            self.advance(first)
        if with_replies:
            self.buffer.unconfirmed.clear()

    def _sync_until_quiet(self) -> None:
        """Leave no event that what user code sends before the next tick must not overtake."""
        max_rounds = self._state.limits.max_rounds_per_tick
        rounds = 0
        while any(map(_precedes_sends, self.events)):
            rounds += 1
            # a reply may bring about the next one for ever; bytes not taken bring about nothing
            self.sync(with_replies=rounds <= max_rounds)
            self._perform()
            if rounds > max_rounds and not any(map(_is_not_taken, self.events)):
                return


def _never(effect: Effect) -> bool:
    """Performs effects that nothing interrupts."""
    return False


def _nobody_new() -> None:
    """Reads nothing: whoever gives the events reads newcomers too."""


def _can_flush(client: Client | None) -> bool:
    """True if flushing a client now sends something: it has messages queued, and nothing before
    them.

    A client with an outbox waits for the kernel, and one with a cursor is sent what it missed
    first.
    """
    if client is None or client.subscriber is None or client.outgoing.outbox:
        return False
    return client.subscriber.cursor is None and bool(client.subscriber.queue)


def _may_be_sent_now(effect: Effect, newcomers: set[Conn]) -> bool:
    """True for sends that may go before other effects: not to newcomers, which are not adopted yet,
    and not the last of a connection, which ends its streams, and that is user code.
    """
    if type(effect) is Send:
        return effect.then is not Then.DROP and effect.conn not in newcomers
    return type(effect) is FanOut


def _precedes_sends(event: Event) -> bool:
    """True for what the core must have before anything that is sent later: bytes not taken, and
    replies.
    """
    if type(event) is Delivered or type(event) is DeliveryHeld:
        return bool(event.replies)
    return type(event) in NOT_TAKEN


def _is_not_taken(event: Event) -> bool:
    """True for bytes that the kernel did not take."""
    return type(event) in NOT_TAKEN
