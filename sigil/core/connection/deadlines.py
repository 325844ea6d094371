"""What a connection waits for and for how long, what it is watched for, and what that makes of a transition's outcome.

Theory: none of this is kept by hand in each transition, where it could be forgotten: it is read off the record, so it
agrees with it.  `settle` is what every transition's outcome passes: the clock is set if the connection waits for
something new, and a `Watch` is ordered if it is to be watched for something else.

Rules: `since` is when the connection began to wait for what it waits for, so whoever dribbles does not gain time.
Every member of `Waiting` has a row that says how long the patience for it is.  It does not know what is done to who is
late.
"""

from collections.abc import Callable
from enum import IntEnum
from math import inf

from ..effects import Effect, Interest, Watch
from ..limits import Limits
from .client import (
    CALM,
    CLEAR,
    LISTENING,
    PARKED,
    TALKING,
    Behind,
    Client,
    Context,
    Intake,
    Phase,
    Step,
    intake_len,
    is_parked,
    may_parse,
    outbox_len,
)
from .session import Closing, Talk


class Waiting(IntEnum):
    """What a connection waits for; the limits say for how long."""

    IDLE = 0
    HEADER = 1
    BODY = 2
    ANSWER = 3
    PIECE = 4
    EVENT = 5
    WRITE = 6
    LINGER = 7
    TALK = 8
    PONG = 9
    CLOSE = 10
    PROGRAM = 11


def waiting_for(client: Client) -> Waiting:
    """What the connection waits for."""
    phase = client.intake.phase
    if client.outflow.outbox or client.outflow.is_full:
        return Waiting.WRITE
    if phase is Phase.LINGER:
        return Waiting.LINGER
    if phase is Phase.LISTEN:
        return Waiting.EVENT
    if client.talk is not None:
        return _talk_waits_for(client.talk, phase is Phase.PARKED)
    if phase is Phase.BODY and not is_parked(client):
        return Waiting.BODY
    if client.owed:
        return Waiting.ANSWER if client.outflow.streaming is None else STREAMS[client.outflow.streaming.is_sse]
    return Waiting.IDLE if client.intake.buffer in _NOTHING_YET else Waiting.HEADER


def _talk_waits_for(talk: Talk, is_parked: bool) -> Waiting:
    if talk.closing is not Closing.OPEN:
        return Waiting.CLOSE
    if is_parked:
        return Waiting.PROGRAM
    return Waiting.PONG if talk.is_pinged else Waiting.TALK


STREAMS = (Waiting.PIECE, Waiting.EVENT)
_NOTHING_YET = (b"", b"\r")
"""Half of an empty line is no beginning: whoever sends nothing but line ends gains no time by it."""


def deadline_of(client: Client, limits: Limits) -> float:
    """When its patience, or ours, ends: a timeout, or a rate that was fallen short of."""
    waiting = waiting_for(client)
    patience, rate_deadline = _PATIENCE[waiting]
    until = client.since + patience(limits)
    return until if rate_deadline is None else min(until, rate_deadline(client, limits))


def body_rate_deadline(client: Client, limits: Limits) -> float:
    """When the body will have come too slowly, if nothing more comes."""
    return client.since + limits.rate_grace + _seconds(intake_len(client), limits.min_body_rate)


def read_rate_deadline(client: Client, limits: Limits) -> float:
    """When the client will have read too slowly, if it takes nothing more."""
    behind = client.outflow.behind
    if behind is None:
        return inf
    return behind.since + limits.rate_grace + _seconds(client.bytes_out - behind.bytes_out, limits.min_read_rate)


def _seconds(length: int, rate: int) -> float:
    """How long so many bytes may take at this rate; any time if there is no rate."""
    return length / rate if rate else inf


_PATIENCE: dict[Waiting, tuple[Callable[[Limits], float], Callable[[Client, Limits], float] | None]] = {
    Waiting.IDLE: (lambda limits: limits.idle_timeout, None),
    Waiting.HEADER: (lambda limits: limits.header_timeout, None),
    Waiting.BODY: (lambda limits: limits.body_timeout, body_rate_deadline),
    Waiting.ANSWER: (lambda limits: limits.answer_timeout, None),
    Waiting.PIECE: (lambda limits: limits.answer_timeout, None),
    Waiting.EVENT: (lambda limits: limits.sse_keep_alive_interval, None),
    Waiting.WRITE: (lambda limits: limits.stall_timeout, read_rate_deadline),
    Waiting.LINGER: (lambda limits: limits.linger_timeout, None),
    Waiting.TALK: (lambda limits: limits.ws_ping_interval, None),
    Waiting.PONG: (lambda limits: limits.ws_pong_timeout, None),
    Waiting.CLOSE: (lambda limits: limits.ws_close_timeout, None),
    Waiting.PROGRAM: (lambda limits: inf, None),
}


def interest_of(client: Client, limits: Limits) -> Interest:
    """What the connection is to be watched for."""
    intake, outbox = client.intake, client.outflow.outbox
    if intake.phase is Phase.LINGER:
        return Interest.WRITE if outbox else Interest.READ
    if client.talk is not None:
        is_fed = intake.phase is Phase.PARKED and len(client.talk.pending) >= limits.max_header_len
        listens = (not intake.at_end and not is_fed and intake.discarded <= limits.max_linger_len
                   and (not outbox or outbox_len(client) < limits.max_outbox_len))
        return Interest((Interest.READ if listens else 0) | (Interest.WRITE if outbox or client.outflow.is_full else 0))
    listens = (not intake.at_end and not client.outflow.is_full and intake.discarded <= limits.max_linger_len
               and (len(intake.buffer) < limits.max_header_len or may_parse(client, limits))
               and (not outbox or outbox_len(client) < limits.max_outbox_len))
    return Interest((Interest.READ if listens else 0) | (Interest.WRITE if outbox or client.outflow.is_full else 0))


def settle(before: Client, after: Client, effects: list[Effect], context: Context) -> Step:
    """What a transition left, with its clock set if it waits for something new, and a `Watch` if that is new too."""
    intake, outflow, since = after.intake, after.outflow, after.since
    interest, waiting = interest_of(after, context.limits), waiting_for(after)
    if interest is not outflow.interest:
        outflow = outflow._replace(interest=interest)
        effects = [*effects, Watch(after.conn, interest)]
    if waiting is Waiting.WRITE or outflow.behind is not None:
        behind = _still_behind(outflow.behind, waiting is Waiting.WRITE, after.bytes_out, context)
        outflow = outflow._replace(behind=behind)
    if waiting is not waiting_for(before) or after.answered != before.answered:
        since = context.now
    settled = after._replace(intake=_canonical(intake), since=since, outflow=CLEAR if outflow == CLEAR else outflow)
    return settled, effects


def _canonical(intake: Intake) -> Intake:
    """The very record that says that a connection is at rest, if it is."""
    return next((record for record in _AT_REST if record == intake), intake)


_AT_REST = (CALM, TALKING, PARKED, LISTENING)


def _still_behind(behind: Behind | None, is_behind: bool, bytes_out: int, context: Context) -> Behind | None:
    """What is remembered of how a client keeps up, after an event that found it behind or not."""
    if behind is None:
        return Behind(context.now, bytes_out, inf, 0) if is_behind else None
    is_over = behind.until < context.began
    if not is_behind and behind.until == inf:
        return behind._replace(until=context.now, goal=bytes_out)
    if not is_behind:
        return None if is_over else behind
    if is_over or (behind.until < inf and bytes_out >= behind.goal):
        return Behind(context.now, bytes_out, inf, 0)
    return behind._replace(bytes_out=min(behind.bytes_out, bytes_out), until=inf)
