"""What a connection waits for and until when, what it is watched for, and what that makes of a
transition's outcome.

Theory: none of this is set by hand in each transition, where it could be forgotten: it is read off
the record, so it agrees with it. `after_transition` is what every transition's outcome passes: the
clock is set anew if the connection waits for something else now, and a `Watch` is ordered if it is
to be watched for something else.

Rules: `waiting_since` is when the connection began to wait for what it waits for, so a client that
sends a head byte by byte gains no time. Where there is a rate, that decides about the slow, and the
timeout is for silence: a body may take its time. Every member of `Waiting` has a row that says how
long it may last. It does not know what is done when it has lasted longer (`timeouts`).
"""

from collections.abc import Callable
from enum import IntEnum
from math import inf
from typing import Final, TypeAlias

from ..effects import Effect, Interest, Watch
from ..limits import Limits
from .client import (
    DELIVERING,
    DROPPED,
    EVENT_STREAM,
    IDLE_HTTP,
    IDLE_WEBSOCKET,
    PROXIED,
    PROXIED_TLS,
    SECURING,
    WHOLE,
    BodyMode,
    BodyPace,
    Client,
    Incoming,
    Phase,
    settled,
    with_outgoing,
    with_pace,
)
from .client_status import (
    buffered_len,
    incoming_len,
    is_polling,
    may_parse,
    outbox_len,
    pipeline_waits,
    subscriber_of,
)
from .context import Context, Step
from .outgoing import NOTHING_OUTGOING, Outgoing, is_held, with_watch
from .read_lag import look_deadline, read_lag_after, read_rate_deadline
from .subscriber import CloseState
from .websocket_state import WebSocket

# -- what it waits for -----------------------------------------------------------------------------


class Waiting(IntEnum):
    """What a connection waits for; the limits say for how long."""

    IDLE = 0
    """The first byte of a request."""
    HEADER = 1
    """The end of a head."""
    BODY = 2
    """The end of a request's body."""
    RESPONSE = 3
    """The response of the program."""
    CHUNK = 4
    """The next chunk of a streamed response."""
    SSE = 5
    """The next event of an event stream."""
    WRITE = 6
    """The kernel to take bytes, which is the peer to read."""
    LINGER = 7
    """The peer to end its side, after our last byte."""
    PING = 8
    """Anything from the peer of a WebSocket; a ping is sent if nothing comes."""
    PONG = 9
    """Anything from the peer, after the ping."""
    CLOSE = 10
    """The peer's close frame, after ours."""
    CALLBACK = 11
    """The program to return from what was delivered to a WebSocket that is not read meanwhile, to
    say how it takes a body, or to have a connection read that it has stopped to read; for ever.
    """
    HANGUP = 12
    """The program, for a client that has ended its side: the response, or the next chunk of it, or
    that it returns from the messages of a WebSocket. Most who do have left, and nothing says so
    until they are sent something.
    """
    POLL = 13
    """Something that is published, for the answer to a long-poll."""
    HANDSHAKE = 14
    """The end of the TLS handshake."""


WITH_HEARTBEATS: Final = (Waiting.PING, Waiting.PONG, Waiting.CALLBACK)
"""What a WebSocket waits for while it is sent heartbeats, if it has asked for them."""

STREAMS: Final = (Waiting.CHUNK, Waiting.SSE, Waiting.HANGUP)
"""What a connection waits for while the body of a response is streamed."""
# The members themselves, for what is asked of every client: finding one on its class takes ten
# times as long.
_WRITE: Final = Waiting.WRITE
_BODY_END: Final = Waiting.BODY
_RESPONSE: Final = Waiting.RESPONSE
_IDLE: Final = Waiting.IDLE
_PING: Final = Waiting.PING
_CALLBACK: Final = Waiting.CALLBACK
_BODY: Final = Phase.BODY
_ASKED: Final = BodyMode.ASKED
_WANTED: Final = BodyMode.WANTED
_LINGER: Final = Phase.LINGER
_EVENT_STREAM: Final = Phase.EVENT_STREAM
_DROPPED: Final = Phase.DROPPED
_TLS: Final = Phase.TLS
_OPEN: Final = CloseState.OPEN
_READING: Final = (Interest.READ, Interest.BOTH)
_INTERESTS: Final = (Interest.NOTHING, Interest.READ, Interest.WRITE, Interest.BOTH)

_NOTHING_YET: Final = (b"", b"\r")
"""Half of an empty line is not the beginning of a request: a client that sends nothing but line
ends gains no time by it.
"""


def waiting_for(client: Client) -> Waiting:
    """What the connection waits for."""
    phase, outgoing = client.incoming.phase, client.outgoing
    if phase is _DROPPED:
        return Waiting.CALLBACK
    if outgoing.outbox or outgoing.is_full:
        return _WRITE
    if phase is _LINGER:
        return Waiting.LINGER
    if phase is _EVENT_STREAM:
        return Waiting.SSE
    if client.websocket is not None:
        return _websocket_waits_for(client, client.websocket)
    if phase is _BODY:
        mode = client.incoming.body_mode
        if mode is _ASKED:
            return Waiting.CALLBACK
        if mode is _WANTED or (mode is WHOLE and not pipeline_waits(client)):
            return _CALLBACK if is_held(outgoing) else _BODY_END
    if client.outstanding:
        return _program_waited_for(client)
    if phase is _TLS:
        return Waiting.HANDSHAKE
    if is_held(outgoing) and not client.incoming.peer_half_closed:
        return _CALLBACK
    return _IDLE if client.incoming.buffer in _NOTHING_YET else Waiting.HEADER


def _program_waited_for(client: Client) -> Waiting:
    """What a connection waits for that has to be answered."""
    streaming = client.outgoing.streaming
    if streaming is not None and streaming.is_sse:
        return Waiting.SSE
    if client.incoming.peer_half_closed:
        return Waiting.HANGUP
    if is_polling(client):
        return Waiting.POLL
    return _RESPONSE if streaming is None else Waiting.CHUNK


def _websocket_waits_for(client: Client, websocket: WebSocket) -> Waiting:
    """What a WebSocket waits for that is not behind with reading."""
    if subscriber_of(client).close_state is not _OPEN:
        return Waiting.CLOSE
    if client.incoming.peer_half_closed:
        return Waiting.HANGUP
    if client.outgoing.interest not in _READING:
        return Waiting.CALLBACK
    return Waiting.PONG if websocket.awaits_pong else _PING


# -- and until when --------------------------------------------------------------------------------


def deadline_of(client: Client, limits: Limits) -> float:
    """When a connection is to be looked at, in seconds of the server's clock: because what it waits
    for is overdue, or the time is over that the program gives it.
    """
    until, control = waited_until(client, limits), client.outgoing.control
    if control is None or control.timeout is None:
        return until
    return min(until, control.timeout.until)


def waited_until(client: Client, limits: Limits) -> float:
    """When what the connection waits for is overdue: a timeout, or the moment at which a rate would
    be fallen short of; or when the kernel is asked about it.
    """
    waiting = waiting_for(client)
    if is_heartbeat_next(client, waiting, limits):
        assert client.websocket is not None and client.websocket.heartbeat_at is not None
        return client.websocket.heartbeat_at
    if waiting is Waiting.POLL:
        polling = subscriber_of(client).polling
        assert polling is not None
        return polling.until
    until = timeout_of(client, waiting, limits)
    return min(until, look_deadline(client, limits)) if waiting is _WRITE else until


def is_heartbeat_next(client: Client, waiting: Waiting, limits: Limits) -> bool:
    """True if the next thing due to a client, which waits for this, is a heartbeat."""
    websocket = client.websocket
    if websocket is None or websocket.heartbeat_at is None or waiting not in WITH_HEARTBEATS:
        return False
    if client.incoming.phase is Phase.DROPPED:
        return False
    return websocket.heartbeat_at <= timeout_of(client, waiting, limits)


def timeout_of(client: Client, waiting: Waiting, limits: Limits) -> float:
    """When what the connection waits for, which is this, is overdue."""
    timeout, rate_deadline = TIMEOUTS[waiting]
    until = client.waiting_since + timeout(limits)
    return until if rate_deadline is None else min(until, rate_deadline(client, limits))


def body_rate_deadline(client: Client, limits: Limits) -> float:
    """When the body will have come too slowly, if nothing more comes."""
    pace = client.incoming.pace
    if pace is None:
        return inf
    seconds = _seconds(incoming_len(client), limits.min_body_rate)
    return pace.since + limits.rate_grace + seconds - pace.lapsed


def lapse(client: Client, limits: Limits, now: float) -> Client:
    """The client without what it gained by being faster than it must, beyond `rate_grace`: or it
    could be fast for a minute, and as good as silent for days.
    """
    rate_deadline = TIMEOUTS[waiting_for(client)][1]
    unused = 0.0 if rate_deadline is None else rate_deadline(client, limits) - limits.rate_grace
    if not now < unused < inf:
        return client
    incoming, outgoing = client.incoming, client.outgoing
    if incoming.pace is not None:
        pace = incoming.pace.replace(lapsed=incoming.pace.lapsed + unused - now)
        return client.replace(incoming=incoming.replace(pace=pace))
    assert outgoing.read_lag is not None  # or its deadline were endless
    read_lag = outgoing.read_lag.replace(lapsed=outgoing.read_lag.lapsed + unused - now)
    return client.replace(outgoing=outgoing.replace(read_lag=read_lag))


def _seconds(length: int, rate: int) -> float:
    """How long so many bytes may take at this rate, in bytes per second; for ever if it is 0."""
    return length / rate if rate else inf


Timeout: TypeAlias = Callable[[Limits], float]
RateDeadline: TypeAlias = Callable[[Client, Limits], float]

TIMEOUTS: Final[dict[Waiting, tuple[Timeout, RateDeadline | None]]] = {
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
    Waiting.POLL: (lambda limits: limits.max_poll_timeout, None),
    Waiting.HANDSHAKE: (lambda limits: limits.tls_handshake_timeout, None),
    Waiting.HANGUP: (
        lambda limits: min(limits.half_closed_timeout, limits.response_timeout),
        None,
    ),
}
"""How long each may last, in seconds, and the deadline that a rate sets beside it."""


# -- what it is watched for ------------------------------------------------------------------------


def interest_of(client: Client, limits: Limits) -> Interest:
    """What the connection is to be watched for."""
    phase, outgoing = client.incoming.phase, client.outgoing
    if phase is _DROPPED:
        return Interest.NOTHING
    if phase is _LINGER:
        return Interest.WRITE if outgoing.outbox else Interest.READ
    control = outgoing.control
    if control is not None and phase is _TLS:
        return Interest.READ  # what goes on is the shell's, and not for the program to hold up
    reads = 1 if _is_read(client, limits) else 0
    wants_writable = control is not None and control.wants_writable
    writes = 2 if outgoing.outbox or outgoing.is_full or wants_writable else 0
    return _INTERESTS[reads + writes]


def _is_read(client: Client, limits: Limits) -> bool:
    """True if the connection is to be read: its peer has not ended, and there is room for more."""
    incoming, outgoing = client.incoming, client.outgoing
    if incoming.peer_half_closed or incoming.discarded > limits.max_linger_len:
        return False
    if client.websocket is not None:
        return _is_websocket_read(client, client.websocket, limits)
    if is_held(outgoing):
        return False
    if outgoing.outbox and outbox_len(client) >= limits.max_outbox_len:
        return False
    if incoming.phase is _EVENT_STREAM:
        return True
    has_room = len(incoming.buffer) < limits.max_header_len
    return not outgoing.is_full and (has_room or may_parse(client, limits))


def _is_websocket_read(client: Client, websocket: WebSocket, limits: Limits) -> bool:
    """True if a WebSocket is to be read: not too many of its messages wait for the program, and it
    takes what it is sent.
    """
    if websocket.undelivered.length >= limits.max_header_len:
        return False
    is_behind = client.outgoing.outbox or client.outgoing.is_full
    return not is_behind or buffered_len(client) < limits.max_outbox_len


# -- what every transition passes ------------------------------------------------------------------


def waiting_anew(before: Client, after: Client, now: float) -> Client:
    """What an event left of an HTTP connection that was at rest and is so still, with its clock set
    anew if it waits for something else: for a response, for a request, or for another one.
    """
    if after.waiting_since == now:
        return after
    is_same = bool(after.outstanding) is bool(before.outstanding)
    if is_same and after.responded == before.responded:
        return after
    return settled(after, after.incoming, after.outgoing, now)


def after_transition(
    before: Client, after: Client, effects: list[Effect], context: Context
) -> Step:
    """What a transition left, with its clock set anew if it waits for something else, and a `Watch`
    if it is to be watched for something else.
    """
    incoming, outgoing, waiting_since = after.incoming, after.outgoing, after.waiting_since
    interest = interest_of(after, context.limits)
    if interest is not outgoing.interest:
        outgoing = with_watch(outgoing, interest, outgoing.read_lag)
        after = with_outgoing(after, outgoing)
        effects = [*effects, Watch(after.conn, interest)]
    waiting = waiting_for(after)
    if waiting is _WRITE or outgoing.read_lag is not None:
        is_behind = waiting is _WRITE
        read_lag = read_lag_after(outgoing.read_lag, is_behind, after.bytes_out, context)
        if read_lag is not outgoing.read_lag:
            outgoing = with_watch(outgoing, interest, read_lag)
    if waiting is not waiting_for(before) or after.responded != before.responded:
        waiting_since = context.now
    if waiting is _BODY_END or incoming.pace is not None:
        is_judged = waiting is _BODY_END and incoming.body_mode is WHOLE
        incoming = _paced(incoming, is_judged, context.now)
        if after.bytes_in != before.bytes_in:
            waiting_since = context.now  # it is not silent, and whether it is fast enough is asked
    incoming, outgoing = _intern(incoming), _intern_outgoing(outgoing)
    if (
        incoming is after.incoming
        and outgoing is after.outgoing
        and waiting_since == after.waiting_since
    ):
        return after, effects
    return settled(after, incoming, outgoing, waiting_since), effects


def _paced(incoming: Incoming, is_body: bool, now: float) -> Incoming:
    """The incoming data with the pace of its body, if the connection waits for one."""
    if not is_body:
        return with_pace(incoming, None)
    return incoming if incoming.pace is not None else with_pace(incoming, BodyPace(now, 0.0))


def _intern(incoming: Incoming) -> Incoming:
    """The shared record that equals this one, if there is one: then it can be told by identity."""
    shared = _SHARED.get(incoming.phase)
    if shared is None or shared is incoming or incoming.buffer or shared != incoming:
        return incoming
    return shared


_SHARED: Final = {
    record.phase: record
    for record in (
        IDLE_HTTP,
        IDLE_WEBSOCKET,
        DELIVERING,
        EVENT_STREAM,
        DROPPED,
        PROXIED,
        PROXIED_TLS,
        SECURING,
    )
}


def _intern_outgoing(outgoing: Outgoing) -> Outgoing:
    """`NOTHING_OUTGOING` if this equals it: then it can be told by identity."""
    if outgoing is NOTHING_OUTGOING or outgoing.outbox or outgoing.streaming is not None:
        return outgoing
    if outgoing.is_full or outgoing.read_lag is not None or outgoing.control is not None:
        return outgoing
    if outgoing != NOTHING_OUTGOING:
        return outgoing
    return NOTHING_OUTGOING
