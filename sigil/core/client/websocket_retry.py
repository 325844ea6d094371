"""When a client connects again: the table of the browser's client, for a client with one transport.

Theory: a stream outlives its connections. What it does when one opens, ends or says nothing is a
table: by the state and what has happened, which action follows, and which state. `TABLE` has the
rows of docs/reference/client.md, which `sigil-client.js` has too, without those about other
transports and about a machine that knows that it is offline: this client has WebSockets only, and a
program has no such knowledge. `next_step` is a pure function of it; a delay is made of a random
number that came with the event.

Rules: the first row that fits counts, and where there is none nothing is done. Delays begin afresh
only after a connection that was steady and did not end with 1013: a server that evicts its oldest
client accepts the one that takes its place, and both would reconnect for ever. It does not know
connections or clocks.
"""

from collections.abc import Callable
from enum import Enum
from typing import Final, NamedTuple, TypeAlias, final

from ..value import Value


class StreamState(Enum):
    """How far a stream is; `WAITING` is for the next attempt."""

    WAITING = "waiting"
    CONNECTING = "connecting"
    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"


WAITING: Final = StreamState.WAITING
CONNECTING: Final = StreamState.CONNECTING
OPEN: Final = StreamState.OPEN
CLOSING: Final = StreamState.CLOSING
CLOSED: Final = StreamState.CLOSED

FINAL_CODES: Final = frozenset((1002, 1003, 1007, 1008, 1010))
"""Closes after which it would not get better: protocol, data, content, policy, extension."""

LOST_CODE: Final = 1006
BUSY_CODE: Final = 1013
FALLBACK_EVERY: Final = 4
"""Every so many losses in a row, a handshake with an offer that may be at fault is repeated without
it.
"""


class Backoff(NamedTuple):
    """When to try again: the n-th delay in a row is anywhere between 0 and `first * factor ** n`
    seconds, or `maximum` if that is less.
    """

    first: float = 0.25
    """The bound of the first delay."""
    maximum: float = 30.0
    """The bound of all of them."""
    factor: float = 2.0
    """How fast the bound grows."""
    steady: float = 5.0
    """Delays begin afresh after a connection that has lived so long, unless it ends with 1013."""
    first_busy: float = 3.75
    """Instead of `first` after a close with 1013, for a server that is full."""


DEFAULT_BACKOFF = Backoff()


def check_backoff(backoff: Backoff) -> str | None:
    """What makes no sense in these delays, as a sentence; None if all does."""
    values: dict[str, object] = backoff._asdict()
    for name, value in values.items():
        is_number = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
        if not is_number:
            return f"{name} of a Backoff is a number, 0 or more, not {value!r}"
    return None


@final
class Machine(Value):
    """What a stream knows of its connections.

    `strikes` is how often in a row it was lost before it was steady, `attempts` how many there were
    since it was open, `failures` how many delays in a row; `may_offer` is true if Zstandard is
    offered at all, `offers` if it is in this attempt.
    """

    __match_args__ = (
        "state", "strikes", "attempts", "failures", "may_offer", "offers", "has_opened",
    )  # fmt: skip
    __slots__ = __match_args__

    def __init__(
        self,
        state: StreamState,
        strikes: int,
        attempts: int,
        failures: int,
        may_offer: bool,
        offers: bool,
        has_opened: bool,
    ) -> None:
        self.state: Final = state
        self.strikes: Final = strikes
        self.attempts: Final = attempts
        self.failures: Final = failures
        self.may_offer: Final = may_offer
        self.offers: Final = offers
        self.has_opened: Final = has_opened


def make_machine(may_offer: bool = False) -> Machine:
    """The machine of a stream that has not begun."""
    return Machine(WAITING, 0, 0, 0, may_offer, False, False)


# -- events ----------------------------------------------------------------------------------------


@final
class Happening(Value):
    """What has happened: `kind` is the name in the table (start, due, opened, late, ended, close).

    `protocol` is what a connection that opened has agreed on, `why` a sentence about one that is
    late, `code` and `reason` are those of an end, or of a close of the program. Of an end: `error`
    is a sentence about it or None, `is_final` that it would not get better, `was_steady` that the
    connection has lived for long, `has_connected` that the handshake was answered, `was_given_up`
    that it was late, and `random` a number from 0 up to 1.
    """

    __match_args__ = (
        "kind", "protocol", "why", "code", "reason", "error", "is_final", "was_steady",
        "has_connected", "was_given_up", "random",
    )  # fmt: skip
    __slots__ = __match_args__

    def __init__(
        self,
        kind: str,
        protocol: str | None = None,
        why: str = "",
        code: int = LOST_CODE,
        reason: str = "",
        error: str | None = None,
        is_final: bool = False,
        was_steady: bool = False,
        has_connected: bool = False,
        was_given_up: bool = False,
        random: float = 0.0,
    ) -> None:
        self.kind: Final = kind
        self.protocol: Final = protocol
        self.why: Final = why
        self.code: Final = code
        self.reason: Final = reason
        self.error: Final = error
        self.is_final: Final = is_final
        self.was_steady: Final = was_steady
        self.has_connected: Final = has_connected
        self.was_given_up: Final = was_given_up
        self.random: Final = random


# -- actions ---------------------------------------------------------------------------------------


@final
class Connect(Value):
    """Begin an attempt, and offer `compress-zstd` in it or not."""

    __match_args__ = ("offers_zstd",)
    __slots__ = __match_args__

    def __init__(self, offers_zstd: bool) -> None:
        self.offers_zstd: Final = offers_zstd


@final
class Abandon(Value):
    """Let go of the connection without waiting for the server: it ends with 1006."""

    __match_args__ = ("why",)
    __slots__ = __match_args__

    def __init__(self, why: str) -> None:
        self.why: Final = why


@final
class Retry(Value):
    """The next attempt is due in `seconds`."""

    __match_args__ = ("seconds",)
    __slots__ = __match_args__

    def __init__(self, seconds: float) -> None:
        self.seconds: Final = seconds


@final
class EmitOpen(Value):
    """A connection is there; `attempt` counts from 1 those that it took."""

    __match_args__ = ("attempt", "protocol", "is_reconnect")
    __slots__ = __match_args__

    def __init__(self, attempt: int, protocol: str | None, is_reconnect: bool) -> None:
        self.attempt: Final = attempt
        self.protocol: Final = protocol
        self.is_reconnect: Final = is_reconnect


@final
class EmitError(Value):
    """Why a connection failed; before its `EmitClose`."""

    __match_args__ = ("message",)
    __slots__ = __match_args__

    def __init__(self, message: str) -> None:
        self.message: Final = message


@final
class EmitClose(Value):
    """A connection has ended, or an attempt has failed; the next one begins in `retry_after`
    seconds.
    """

    __match_args__ = ("code", "reason", "retry_after")
    __slots__ = __match_args__

    def __init__(self, code: int, reason: str, retry_after: float) -> None:
        self.code: Final = code
        self.reason: Final = reason
        self.retry_after: Final = retry_after


@final
class End(Value):
    """Close the connection with this code and reason; if `has_connection` is false there is none,
    and `ended` follows at once.
    """

    __match_args__ = ("code", "reason", "has_connection")
    __slots__ = __match_args__

    def __init__(self, code: int, reason: str, has_connection: bool) -> None:
        self.code: Final = code
        self.reason: Final = reason
        self.has_connection: Final = has_connection


@final
class Finish(Value):
    """The stream is over: the last `close`."""

    __match_args__ = ("code", "reason")
    __slots__ = __match_args__

    def __init__(self, code: int, reason: str) -> None:
        self.code: Final = code
        self.reason: Final = reason


Action: TypeAlias = Connect | Abandon | Retry | EmitOpen | EmitError | EmitClose | End | Finish
Outcome: TypeAlias = tuple[Machine, tuple[Action, ...]]
Act: TypeAlias = Callable[[Machine, Happening, Backoff], Outcome]
Guard: TypeAlias = Callable[[Machine, Happening], bool]


# -- conditions ------------------------------------------------------------------------------------


def always(_machine: Machine, _event: Happening) -> bool:
    """True."""
    return True


def is_final(_machine: Machine, event: Happening) -> bool:
    """True if it would not get better."""
    return event.is_final or event.code in FINAL_CODES


def may_be_its_offer(machine: Machine, event: Happening) -> bool:
    """True if the handshake may have failed because of what it offered."""
    failed = not event.has_connected and not event.was_given_up
    return machine.offers and failed and machine.strikes % FALLBACK_EVERY == 0


# -- actions of the table --------------------------------------------------------------------------


def attempt(machine: Machine, _event: Happening, _backoff: Backoff) -> Outcome:
    """Count the attempt, and connect."""
    tried = machine.replace(offers=machine.may_offer, attempts=machine.attempts + 1)
    return tried, (Connect(machine.may_offer),)


def attempt_without(machine: Machine, _event: Happening, _backoff: Backoff) -> Outcome:
    """Connect again, at once, without the offer."""
    return machine.replace(offers=False), (Connect(False),)


def announce(machine: Machine, event: Happening, _backoff: Backoff) -> Outcome:
    """Begin to count attempts afresh; a handshake without the offer that succeeded is the last with
    one.
    """
    opened = machine.replace(attempts=0, has_opened=True, may_offer=machine.offers)
    return opened, (EmitOpen(machine.attempts, event.protocol, machine.has_opened),)


def abandon(machine: Machine, event: Happening, _backoff: Backoff) -> Outcome:
    """Let go of the connection."""
    return machine, (Abandon(event.why),)


def retry(machine: Machine, event: Happening, backoff: Backoff) -> Outcome:
    """Try again after a while."""
    is_busy = event.code == BUSY_CODE
    failures = 0 if event.was_steady and not is_busy else machine.failures
    first = backoff.first_busy if is_busy else backoff.first
    seconds = delay(failures, backoff._replace(first=first), event.random)
    is_strike = event.code == LOST_CODE and not event.was_steady
    waiting = machine.replace(
        failures=failures + 1, strikes=machine.strikes + 1 if is_strike else 0
    )
    errors = () if event.error is None else (EmitError(event.error),)
    return waiting, (Retry(seconds), *errors, EmitClose(event.code, event.reason, seconds))


def shut(machine: Machine, event: Happening, _backoff: Backoff) -> Outcome:
    """Close the connection."""
    return machine, (End(event.code, event.reason, True),)


def shut_at_once(machine: Machine, event: Happening, _backoff: Backoff) -> Outcome:
    """Nothing to close."""
    return machine, (End(event.code, event.reason, False),)


def finish(machine: Machine, event: Happening, _backoff: Backoff) -> Outcome:
    """Emit the last close."""
    return machine, (Finish(event.code, event.reason),)


def delay(failures: int, backoff: Backoff, random: float) -> float:
    """Seconds before the next attempt after so many failures in a row: exponential back-off with
    full jitter.

    `delay(3, Backoff(), 0.5) == 1.0`
    """
    try:
        bound = backoff.first * backoff.factor**failures
    except OverflowError:
        bound = backoff.maximum
    return random * min(backoff.maximum, bound)


Row: TypeAlias = tuple[StreamState, str, Guard, Act, StreamState]

TABLE: Final[tuple[Row, ...]] = (
    (WAITING, "start", always, attempt, CONNECTING),
    (WAITING, "due", always, attempt, CONNECTING),
    (WAITING, "close", always, shut_at_once, CLOSING),
    (CONNECTING, "opened", always, announce, OPEN),
    (CONNECTING, "late", always, abandon, CONNECTING),
    (CONNECTING, "ended", is_final, finish, CLOSED),
    (CONNECTING, "ended", may_be_its_offer, attempt_without, CONNECTING),
    (CONNECTING, "ended", always, retry, WAITING),
    (CONNECTING, "close", always, shut, CLOSING),
    (OPEN, "late", always, abandon, OPEN),
    (OPEN, "ended", is_final, finish, CLOSED),
    (OPEN, "ended", always, retry, WAITING),
    (OPEN, "close", always, shut, CLOSING),
    (CLOSING, "late", always, abandon, CLOSING),
    (CLOSING, "ended", always, finish, CLOSED),
)
"""In which state, when what happens, if what is so: what is done, and the state then."""


def next_step(machine: Machine, event: Happening, backoff: Backoff = DEFAULT_BACKOFF) -> Outcome:
    """The machine after an event, and what is to be done, in order."""
    for state, kind, guard, act, state_then in TABLE:
        if state is machine.state and kind == event.kind and guard(machine, event):
            after, actions = act(machine, event, backoff)
            return after.replace(state=state_then), actions
    return machine, ()
