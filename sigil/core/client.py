"""One connection as a record, and what can be read off it.

Theory: everything the server remembers about a connection is one immutable `Client`: who it is, what has come and is
not understood (`Intake`), which requests are owed an answer, what is on its way out (`Outflow`).  What it waits for and
what it is watched for are not kept by hand in each transition but read off the record, so they agree with it.

Rules: absence is None.  Requests are numbered from 0 in order of arrival; `answered` is the number of the first one
that is owed an answer, `owed` the heads of those from there on.  `held` keeps answers that came before their turn.
While the `outbox` is not empty, nothing is sent but through it.  `since` is when the connection began to wait for
what it waits for: whoever dribbles does not gain time.  A connection at rest has the very records `CALM` and `CLEAR`,
so that one look tells that nothing special is going on.

It does not know sockets, nor how bytes become requests (`intake`) or responses bytes (`answer`, `encode`).
"""

from collections.abc import Callable
from enum import IntEnum
from math import inf
from typing import NamedTuple, TypeAlias

from .body import Body
from .conn import Conn, Peer
from .effects import Effect, Interest, Watch
from .encode import Streaming
from .events import Segment
from .head import Head, Parsed
from .limits import Limits
from .reasons import CloseReason
from .refusal import Malformed
from .response import Response
from .stream import Stream
from .talk import Closing, Talk, heard_len


class Phase(IntEnum):
    """What becomes of bytes that arrive."""

    HEAD = 0
    """They are the head of a request."""
    BODY = 1
    """They are the body of `head`."""
    DEAF = 2
    """They are thrown away: what is owed will be answered, and nothing after it."""
    LINGER = 3
    """They are thrown away: our side is shut, or will be when the outbox is empty."""
    TALK = 4
    """They are frames of a WebSocket."""
    PARKED = 5
    """They are, and are kept until the program has looked at what it was given before."""
    LISTEN = 6
    """They are thrown away: this client listens to the stream."""


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


class Intake(NamedTuple):
    """What has come from the client and is not a request yet."""

    phase: Phase
    buffer: bytes
    scan: int
    """How much of the buffer has been searched for the end of a head and found sound."""
    head: Head | None
    body: Body | None
    expects: bool
    """A 100 Continue is due before the answer to the last request."""
    doom: Malformed | None
    """What the client will be told last, after all that it is owed."""
    at_end: bool
    """The other side has said that it will send no more."""
    discarded: int
    """Bytes that came and were thrown away."""


class Behind(NamedTuple):
    """Since when a client has been behind with reading, and how many bytes it had taken by then.

    It has caught up only if it still has when time has passed `until`: bytes are sent as if they would all be taken.
    """

    since: float
    bytes_out: int
    until: float


class Outflow(NamedTuple):
    """What is on its way to the client and cannot be forgotten yet."""

    held: tuple[tuple[int, Response], ...]
    streaming: Streaming | None
    outbox: tuple[Segment, ...]
    is_full: bool
    """So much was sent in one go that the kernel may not have taken it: nothing is parsed until it says it has room."""
    reason: CloseReason
    """Why the connection lingers."""
    interest: Interest
    behind: Behind | None


CALM = Intake(Phase.HEAD, b"", 0, None, None, False, None, False, 0)
TALKING = CALM._replace(phase=Phase.TALK)
PARKED = CALM._replace(phase=Phase.PARKED)
LISTENING = CALM._replace(phase=Phase.LISTEN)
CLEAR = Outflow((), None, (), False, CloseReason.OK, Interest.READ, None)


class Client(NamedTuple):
    """One connection."""

    conn: Conn
    peer: Peer
    intake: Intake
    owed: tuple[Head, ...]
    answered: int
    since: float
    outflow: Outflow
    bytes_in: int
    bytes_out: int
    """Bytes sent, as far as we know: what comes back as not taken is subtracted again."""
    talk: Talk | None
    """The conversation, if this is or was a WebSocket, or listens to the stream."""


class Gone(NamedTuple):
    """What a transition leaves of a client whose connection is to be dropped."""

    client: Client
    reason: CloseReason


Parse: TypeAlias = Callable[[bytes], Parsed]


class Context(NamedTuple):
    """What a transition may know of the server around the client.  `date` ends the head: its line and the empty one."""

    limits: Limits
    now: float
    date: bytes
    is_draining: bool
    logs_access: bool
    is_quiet: bool
    """Neither of the two: answers need nothing but to be sent."""
    parse: Parse
    last_number: int
    """The number of a connection's last request; -1 while nothing is handed out to anybody."""
    has_talk_room: bool
    """One more connection may become a WebSocket or a listener."""
    stream: Stream
    has_pending: bool
    """Something was published in this turn."""


Step: TypeAlias = tuple[Client, list[Effect]]
Outcome: TypeAlias = tuple[Client | Gone, list[Effect]]


def make_client(conn: Conn, peer: Peer, now: float) -> Client:
    """A connection from which nothing has come yet."""
    return Client(conn, peer, CALM, (), 0, now, CLEAR, 0, 0, None)


def is_parked(client: Client) -> bool:
    """True while the next request has to wait for an answer: behind an unsafe method, a body, a last request."""
    return bool(client.owed) and not client.owed[-1].is_simple


def outbox_len(client: Client) -> int:
    """Bytes this client is owed and the kernel did not take."""
    return sum(map(len, client.outflow.outbox))


def is_member(client: Client) -> bool:
    """True for a WebSocket or a listener that is where its cohort is."""
    talk = client.talk
    return talk is not None and talk.closing is Closing.OPEN and talk.cursor is None


def is_laggard(client: Client) -> bool:
    """True for a WebSocket or a listener that has a cursor of its own."""
    return client.talk is not None and client.talk.cursor is not None


def is_talking(client: Client) -> bool:
    """True while this is a WebSocket whose end the program has not been told of, or a listener."""
    return client.talk is not None and client.talk.closing is not Closing.OVER


def intake_len(client: Client) -> int:
    """Bytes this client has sent that are no complete request yet."""
    intake, talk = client.intake, client.talk
    return (len(intake.buffer) + (0 if intake.body is None else intake.body.size)
            + (0 if talk is None else heard_len(talk)))


def outbound_len(client: Client) -> int:
    """Bytes that are held for this client: its outbox, answers that came early, what was said while it was behind."""
    outflow = client.outflow
    if outflow is CLEAR:
        return 0
    held = sum([len(answer.body) for _, answer in outflow.held if isinstance(answer.body, bytes)])
    return outbox_len(client) + held + (0 if client.talk is None else client.talk.queued_len)


def may_parse(client: Client, limits: Limits) -> bool:
    """True if bytes in the buffer may become requests now."""
    return (client.intake.phase <= Phase.BODY and not is_parked(client)
            and len(client.owed) < limits.max_queued_requests
            and not client.outflow.is_full
            and (not client.outflow.outbox or outbox_len(client) < limits.max_outbox_len))


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
        behind = _still_behind(outflow.behind, waiting is Waiting.WRITE, after.bytes_out, context.now)
        outflow = outflow._replace(behind=behind)
    if waiting is not waiting_for(before) or after.answered != before.answered:
        since = context.now
    settled = after._replace(intake=_canonical(intake), since=since, outflow=CLEAR if outflow == CLEAR else outflow)
    return settled, effects


def _canonical(intake: Intake) -> Intake:
    """The very record that says that a connection is at rest, if it is."""
    return next((record for record in _AT_REST if record == intake), intake)


_AT_REST = (CALM, TALKING, PARKED, LISTENING)


def _still_behind(behind: Behind | None, is_behind: bool, bytes_out: int, now: float) -> Behind | None:
    """What is remembered of how a client keeps up, after an event that found it behind or not."""
    if behind is not None and behind.until < now:
        behind = None
    if is_behind:
        return Behind(now, bytes_out, inf) if behind is None else behind._replace(until=inf)
    return behind if behind is None or behind.until != inf else behind._replace(until=now)
