"""What must hold for somebody's own program, whatever it answers: it and its server are alive, they
keep nobody who has gone and nobody's memory, and they do nothing to who is well.

Theory: safety says that nothing wrong is sent; liveness says that something is done in time. Each
connection is therefore watched: one that is well has its answer, or receives something, within the
longest time that the limits leave for it; one that is dead, or has ended, is gone within the sum of
the times that a connection may pass through. A loop that is held up is not late: that time does not
count.

Rules: what is raised is a `Violation`, named after the rule. Who is looked at is who is due, never
all. It does not know what acts when.
"""

import traceback
from bisect import bisect
from collections import Counter
from collections.abc import Iterator, Sequence

from ...core.close_reasons import CloseReason
from ...core.conn import Conn
from ...core.effects import ERROR_LOG, CallClose, CallOpen, Effect
from ...core.events import (
    Accepted,
    Delivered,
    DescriptorsExhausted,
    Event,
    HandlerReturned,
    Publish,
    SendMessages,
    StreamChunk,
)
from ...core.limits import Limits
from ...core.server.state import Server
from .model import Violation
from .traced_server import TracedServer
from .visitors import Visitor

SLACK_SECONDS = 15.0
"""What a server with thousands of clients may take longer: its ticks are bounded, one behind the
other.
"""

_ORDERLY = frozenset(
    (
        CloseReason.OK,
        CloseReason.SHUTDOWN,
        CloseReason.PEER_CLOSED,
        CloseReason.EXPECTED_EOF,
        CloseReason.WS_PEER_CLOSED,
        CloseReason.HANDLER_ERROR,
        CloseReason.PROGRAM_TIMEOUT,
        CloseReason.IDLE_TIMEOUT,
    )
)
"""Why a client that is well may be closed."""
_WHEN_FULL = frozenset((CloseReason.EVICTED, CloseReason.FULL))
_UNANSWERED = frozenset((CloseReason.SHUTDOWN, CloseReason.HANDLER_ERROR))
"""Why one may be closed that has not been answered."""

_REFUSED = frozenset(
    (
        CloseReason.LARGE_REQUEST,
        CloseReason.LARGE_HEADER,
        CloseReason.PATH_TOO_LONG,
        CloseReason.UNKNOWN_METHOD,
        CloseReason.EXPECTATION,
        CloseReason.ORIGIN_REFUSED,
        CloseReason.WS_MISSING_UPGRADE,
    )
)
"""Why one may be closed that has asked for what the server, by its limits, does not do: it is told
so, and its connection ends.
"""


def answer_bound(limits: Limits) -> float:
    """Seconds in which who is well receives something of what it has asked for."""
    longest = max(limits.response_timeout, limits.max_poll_timeout, limits.sse_keep_alive_interval)
    return longest + SLACK_SECONDS


def gone_bound(limits: Limits) -> float:
    """Seconds in which one is gone that does nothing any more: a request is waited for, answered,
    and its answer not taken.
    """
    http = limits.idle_timeout + limits.header_timeout + limits.body_timeout
    answer = limits.response_timeout + limits.half_closed_timeout + limits.max_poll_timeout
    writing = limits.stall_timeout + limits.rate_grace + limits.linger_timeout
    websocket = limits.ws_ping_interval + limits.ws_pong_timeout + limits.ws_close_timeout
    stream = limits.sse_keep_alive_interval
    return http + answer + writing + websocket + stream + SLACK_SECONDS


class UsersRules:
    """The rules, and what they remember."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.answer_bound = answer_bound(limits)
        self.gone_bound = gone_bound(limits)
        self.watch_seconds = min(self.answer_bound, self.gone_bound, 60.0)
        """After how long a connection is looked at."""
        self.opened = 0
        self.open: set[Conn] = set()
        self.reasons: Counter[CloseReason] = Counter()
        self.violations: list[Violation] = []
        self.response_len = 65_536
        """The longest that the program has made at once."""
        self.longest = 0
        """The longest body, piece of one, or message that it has made."""
        self.published_len = 0
        self.tick_len = 1_024
        """The most that it has published in a tick."""
        self._held_at: list[float] = []
        self._held: list[float] = [0.0]
        self._evicted_needlessly: set[Conn] = set()
        self._log_seen = 0

    # -- what happens ------------------------------------------------------------------------------

    def note_turn(self, before: Server, events: Sequence[Event], effects: Sequence[Effect]) -> None:
        """Note what the core was given in a call, and what it ordered."""
        for event in events:
            if isinstance(event, Publish):
                lengths = [len(message[1]) for message in event.messages]
                self.published_len += sum(lengths)
                self.longest = max(self.longest, *lengths, 0)
            elif isinstance(event, SendMessages | Delivered):
                sent = event.messages if isinstance(event, SendMessages) else event.replies
                self.longest = max(self.longest, *[len(data) for _, data in sent], 0)
            elif isinstance(event, HandlerReturned | StreamChunk):
                self._note_length(event)
        for effect in effects:
            if type(effect) is CallOpen:
                self.opened += 1
                self.open.add(effect.conn)
            elif type(effect) is CallClose:
                self._note_close(before, events, effect)

    def _note_close(self, before: Server, events: Sequence[Event], effect: CallClose) -> None:
        """Note that a connection has ended, and whether there was a need for it."""
        conn, reason = effect.conn, effect.reason
        self.reasons[reason] += 1
        if conn not in self.open:
            self.violations.append(Violation("ends", f"{conn} was closed twice, or never opened"))
        self.open.discard(conn)
        if reason in _WHEN_FULL and not _may_be_full(before, events):
            self._evicted_needlessly.add(conn)

    def _note_length(self, event: HandlerReturned | StreamChunk) -> None:
        """Note how much the program has made at once."""
        bodies = [event.data] if isinstance(event, StreamChunk) else []
        if isinstance(event, HandlerReturned):
            bodies = [one.body for one in event.responses if isinstance(one.body, bytes)]
        self.longest = max(self.longest, *map(len, bodies), 0)
        self.response_len = max(self.response_len, self.longest)

    def note_held_up(self, now: float, seconds: float) -> None:
        """Note that the loop was held up until now."""
        self._held_at.append(now)
        self._held.append(self._held[-1] + seconds)

    def since(self, then: float, now: float) -> float:
        """Seconds in which the loop could have done something."""
        held, at = self._held, self._held_at
        return max(0.0, now - then - (held[-1] - held[bisect(at, then)]))

    def end_tick(self) -> None:
        """Note how much was published."""
        self.tick_len = max(self.tick_len, self.published_len)
        self.published_len = 0

    # -- the rules ---------------------------------------------------------------------------------

    def failures(self, server: TracedServer) -> Iterator[Violation]:
        """What the program, or sigil, has raised."""
        yield from self.violations
        for error in server.errors:
            yield Violation("raises", "".join(traceback.format_exception(error)))
        for line in server.log[self._log_seen :]:
            if line.logger == ERROR_LOG:
                yield Violation(_rule_of(line.text), line.text)
        self._log_seen = len(server.log)

    def overdue(self, visitor: Visitor, now: float) -> Iterator[Violation]:
        """Check that who does nothing is gone, and that who is well has received something."""
        waited = self.since(visitor.active_at, now)
        beyond = self.since(visitor.ends_at, now)
        if beyond > self.gone_bound:
            yield Violation("gone", f"{visitor.wire.peer} has left {beyond:.1f} s ago")
        if not visitor.is_well:
            if (visitor.is_dead or visitor.has_ended) and waited > self.gone_bound:
                yield Violation("gone", f"{visitor.wire.peer} is there after {waited:.1f} s")
        elif visitor.asked and waited > self.answer_bound:
            yield Violation("answered", f"{visitor.wire.peer} waits for {waited:.1f} s")

    def kept(self, visitor: Visitor) -> Iterator[Violation]:
        """Check that who is well was not closed without a reason."""
        reason, conn = visitor.wire.reason, visitor.wire.conn
        if not visitor.is_well or reason is None:
            return
        waits = visitor.asked and not (visitor.has_ended or visitor.was_last)
        is_right = reason in (_UNANSWERED if waits else _ORDERLY)
        if reason in _REFUSED:
            is_right = bool(visitor.statuses) and visitor.statuses[-1] >= 400
        if reason in _WHEN_FULL:
            is_right = conn not in self._evicted_needlessly
        if not is_right:
            rule = "unanswered" if reason is CloseReason.ANSWER_TIMEOUT else "kept"
            yield Violation(
                rule,
                f"{visitor.wire.peer} was well and was closed with {reason.name}, while it waited "
                f"for {len(visitor.asked)} answers",
            )


def _may_be_full(server: Server, events: Sequence[Event]) -> bool:
    """True if so much has come with these events, at most, that somebody has to give way."""
    limits, load = server.limits, server.load
    newcomers = sum(isinstance(event, Accepted) for event in events)
    upgrades = sum(isinstance(event, HandlerReturned) for event in events)
    return (
        server.slots.used - load.websockets + newcomers >= limits.max_connection_cnt
        or load.websockets + upgrades >= limits.max_ws_connection_cnt
        or load.inbound > limits.max_inbound_len // 2
        or any(isinstance(event, DescriptorsExhausted) for event in events)
    )


def _rule_of(text: str) -> str:
    """The rule that is broken by what a line of the error log says."""
    if text.startswith("a defect of sigil"):
        return "defect"
    return "unanswered" if ": no answer for " in text else "raises"
