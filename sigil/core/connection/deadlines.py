"""What a connection waits for and for how long, what it is watched for, and what that makes of a
transition's outcome.

Theory: none of this is kept by hand in each transition, where it could be forgotten: it is read off
the record, so it agrees with it. `settle` is what every transition's outcome passes: the clock is
set if the connection waits for something new, and a `Watch` is ordered if it is to be watched for
something else.

Rules: `since` is when the connection began to wait for what it waits for, so whoever dribbles does
not gain time. Every member of `Waiting` has a row that says how long the patience for it is. It
does not know what is done to who is late.
"""

from collections.abc import Callable
from enum import IntEnum
from math import inf

from ..effects import Effect, Interest, Watch
from ..limits import Limits
from .client import (
    DELIVERING,
    EVENT_STREAM,
    IDLE_HTTP,
    IDLE_WEBSOCKET,
    NOTHING_OUTGOING,
    Client,
    Incoming,
    Phase,
    ReadLag,
    incoming_len,
    may_parse,
    outbox_len,
    pipeline_waits,
    subscriber_of,
)
from .context import Context, Step
from .subscriber import CloseState
from .websocket_state import WebSocket


class Waiting(IntEnum):
    """What a connection waits for; the limits say for how long."""

    IDLE = 0
    HEADER = 1
    BODY = 2
    RESPONSE = 3
    CHUNK = 4
    SSE = 5
    WRITE = 6
    LINGER = 7
    PING = 8
    PONG = 9
    CLOSE = 10
    CALLBACK = 11


def waiting_for(client: Client) -> Waiting:
    """What the connection waits for."""
    phase = client.incoming.phase
    if client.outgoing.outbox or client.outgoing.is_full:
        return Waiting.WRITE
    if phase is Phase.LINGER:
        return Waiting.LINGER
    if phase is Phase.EVENT_STREAM:
        return Waiting.SSE
    if client.websocket is not None:
        return _websocket_waits_for(client, client.websocket)
    if phase is Phase.BODY and not pipeline_waits(client):
        return Waiting.BODY
    if client.outstanding:
        return (
            Waiting.RESPONSE
            if client.outgoing.streaming is None
            else STREAMS[client.outgoing.streaming.is_sse]
        )
    return Waiting.IDLE if client.incoming.buffer in _NOTHING_YET else Waiting.HEADER


def _websocket_waits_for(client: Client, websocket: WebSocket) -> Waiting:
    """What a WebSocket waits for that is not behind with reading."""
    if subscriber_of(client).close_state is not CloseState.OPEN:
        return Waiting.CLOSE
    if client.incoming.phase is Phase.DELIVERING:
        return Waiting.CALLBACK
    return Waiting.PONG if websocket.awaits_pong else Waiting.PING


STREAMS = (Waiting.CHUNK, Waiting.SSE)
_NOTHING_YET = (b"", b"\r")
"""Half of an empty line is no beginning: whoever sends nothing but line ends gains no time by it.
"""


def deadline_of(client: Client, limits: Limits) -> float:
    """When its patience, or ours, ends: a timeout, or a rate that was fallen short of."""
    waiting = waiting_for(client)
    patience, rate_deadline = _TIMEOUTS[waiting]
    until = client.waiting_since + patience(limits)
    return until if rate_deadline is None else min(until, rate_deadline(client, limits))


def body_rate_deadline(client: Client, limits: Limits) -> float:
    """When the body will have come too slowly, if nothing more comes."""
    return (
        client.waiting_since
        + limits.rate_grace
        + _seconds(incoming_len(client), limits.min_body_rate)
    )


def read_rate_deadline(client: Client, limits: Limits) -> float:
    """When the client will have read too slowly, if it takes nothing more."""
    read_lag = client.outgoing.read_lag
    if read_lag is None:
        return inf
    return (
        read_lag.since
        + limits.rate_grace
        + _seconds(client.bytes_out - read_lag.bytes_out, limits.min_read_rate)
    )


def _seconds(length: int, rate: int) -> float:
    """How long so many bytes may take at this rate; any time if there is no rate."""
    return length / rate if rate else inf


_TIMEOUTS: dict[
    Waiting, tuple[Callable[[Limits], float], Callable[[Client, Limits], float] | None]
] = {
    Waiting.IDLE: (lambda limits: limits.idle_timeout, None),
    Waiting.HEADER: (lambda limits: limits.header_timeout, None),
    Waiting.BODY: (lambda limits: limits.body_timeout, body_rate_deadline),
    Waiting.RESPONSE: (lambda limits: limits.response_timeout, None),
    Waiting.CHUNK: (lambda limits: limits.response_timeout, None),
    Waiting.SSE: (lambda limits: limits.sse_keep_alive_interval, None),
    Waiting.WRITE: (lambda limits: limits.stall_timeout, read_rate_deadline),
    Waiting.LINGER: (lambda limits: limits.linger_timeout, None),
    Waiting.PING: (lambda limits: limits.ws_ping_interval, None),
    Waiting.PONG: (lambda limits: limits.ws_pong_timeout, None),
    Waiting.CLOSE: (lambda limits: limits.ws_close_timeout, None),
    Waiting.CALLBACK: (lambda limits: inf, None),
}


def interest_of(client: Client, limits: Limits) -> Interest:
    """What the connection is to be watched for."""
    incoming, outbox = client.incoming, client.outgoing.outbox
    if incoming.phase is Phase.LINGER:
        return Interest.WRITE if outbox else Interest.READ
    if client.subscriber is not None:
        is_fed = (
            client.websocket is not None
            and incoming.phase is Phase.DELIVERING
            and len(client.websocket.unread) >= limits.max_header_len
        )
        listens = (
            not incoming.peer_half_closed
            and not is_fed
            and incoming.discarded <= limits.max_linger_len
            and (not outbox or outbox_len(client) < limits.max_outbox_len)
        )
        return Interest(
            (Interest.READ if listens else 0)
            | (Interest.WRITE if outbox or client.outgoing.is_full else 0)
        )
    listens = (
        not incoming.peer_half_closed
        and not client.outgoing.is_full
        and incoming.discarded <= limits.max_linger_len
        and (len(incoming.buffer) < limits.max_header_len or may_parse(client, limits))
        and (not outbox or outbox_len(client) < limits.max_outbox_len)
    )
    return Interest(
        (Interest.READ if listens else 0)
        | (Interest.WRITE if outbox or client.outgoing.is_full else 0)
    )


def after_transition(
    before: Client, after: Client, effects: list[Effect], context: Context
) -> Step:
    """What a transition left, with its clock set if it waits for something new, and a `Watch` if
    that is new too.
    """
    incoming, outgoing, since = after.incoming, after.outgoing, after.waiting_since
    interest, waiting = interest_of(after, context.limits), waiting_for(after)
    if interest is not outgoing.interest:
        outgoing = outgoing._replace(interest=interest)
        effects = [*effects, Watch(after.conn, interest)]
    if waiting is Waiting.WRITE or outgoing.read_lag is not None:
        read_lag = _still_behind(
            outgoing.read_lag, waiting is Waiting.WRITE, after.bytes_out, context
        )
        outgoing = outgoing._replace(read_lag=read_lag)
    if waiting is not waiting_for(before) or after.responded != before.responded:
        since = context.now
    settled = after._replace(
        incoming=_intern(incoming),
        waiting_since=since,
        outgoing=NOTHING_OUTGOING if outgoing == NOTHING_OUTGOING else outgoing,
    )
    return settled, effects


def _intern(incoming: Incoming) -> Incoming:
    """The very record that says that a connection is at rest, if it is."""
    return next((record for record in _SHARED if record == incoming), incoming)


_SHARED = (IDLE_HTTP, IDLE_WEBSOCKET, DELIVERING, EVENT_STREAM)


def _still_behind(
    read_lag: ReadLag | None, is_behind: bool, bytes_out: int, context: Context
) -> ReadLag | None:
    """What is remembered of how a client keeps up, after an event that found it behind or not."""
    if read_lag is None:
        return ReadLag(context.now, bytes_out, inf, 0) if is_behind else None
    is_over = read_lag.caught_up_at < context.tick_started_at
    if not is_behind and read_lag.caught_up_at == inf:
        return read_lag._replace(caught_up_at=context.now, caught_up_at_bytes=bytes_out)
    if not is_behind:
        return None if is_over else read_lag
    if is_over or (read_lag.caught_up_at < inf and bytes_out >= read_lag.caught_up_at_bytes):
        return ReadLag(context.now, bytes_out, inf, 0)
    return read_lag._replace(bytes_out=min(read_lag.bytes_out, bytes_out), caught_up_at=inf)
