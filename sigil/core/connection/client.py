"""One connection as a record, and what can be read off it.

Theory: everything the server remembers about a connection is one immutable `Client`: who it is,
what has come and is not understood (`Incoming`), which requests are owed an answer, what is on its
way out (`Outgoing`). What it waits for and what it is watched for are not fields: they are read off
the record (`waiting`), so they agree with it.

Rules: absence is None. Requests are numbered from 0 in order of arrival; `answered` is the number
of the first one that is owed an answer, `outstanding` the heads of those from there on.
`early_responses` keeps answers that came before their turn. While the `outbox` is not empty,
nothing is sent but through it. `since` is when the connection began to wait for what it waits for:
whoever dribbles does not gain time. A connection at rest has the very records `CALM` and
`NOTHING_OUTGOING`, so that one look tells that nothing special is going on.

It does not know sockets, nor how bytes become requests (`incoming`) or responses bytes (`answer`,
`encode`).
"""

from collections.abc import Callable
from enum import IntEnum
from typing import NamedTuple, TypeAlias

from ..broadcast.broadcast import Broadcast
from ..close_reasons import CloseReason
from ..conn import Conn, Peer
from ..effects import Effect, Interest
from ..events import Segment
from ..http.body import BodyReader
from ..http.encode import StreamState
from ..http.head import Head, Parsed
from ..http.response import Response
from ..limits import Limits
from ..parse_result import Malformed
from .session import CloseState, Session, unread_len


class Phase(IntEnum):
    """What becomes of bytes that arrive."""

    HEAD = 0
    """They are the head of a request."""
    BODY = 1
    """They are the body of `head`."""
    MUST_CLOSE = 2
    """They are thrown away: what is owed will be answered, and nothing after it."""
    LINGER = 3
    """They are thrown away: our side is shut, or will be when the outbox is empty."""
    WEBSOCKET = 4
    """They are frames of a WebSocket."""
    DELIVERING = 5
    """They are, and are kept until the program has looked at what it was given before."""
    EVENT_STREAM = 6
    """They are thrown away: this client listens to the stream."""


class Incoming(NamedTuple):
    """What has come from the client and is not a request yet."""

    phase: Phase
    buffer: bytes
    scan: int
    """How much of the buffer has been searched for the end of a head and found sound."""
    head: Head | None
    body: BodyReader | None
    expects_continue: bool
    """A 100 Continue is due before the answer to the last request."""
    final_error: Malformed | None
    """What the client will be told last, after all that it is owed."""
    peer_half_closed: bool
    """The other side has said that it will send no more."""
    discarded: int
    """Bytes that came and were thrown away."""


class ReadLag(NamedTuple):
    """Since when a client has been behind with reading, and how many bytes it had taken by then.

    Bytes are sent as if they would all be taken, so it has caught up `caught_up_at` then only if
    the turn ends and it still has; or if it is behind again, and `caught_up_at_bytes` bytes were
    taken all the same.
    """

    since: float
    bytes_out: int
    caught_up_at: float
    caught_up_at_bytes: int


class Outgoing(NamedTuple):
    """What is on its way to the client and cannot be forgotten yet."""

    early_responses: tuple[tuple[int, Response], ...]
    streaming: StreamState | None
    outbox: tuple[Segment, ...]
    is_full: bool
    """So much was sent in one go that the kernel may not have taken it: nothing is parsed until it
    says it has room.
    """
    reason: CloseReason
    """Why the connection lingers."""
    interest: Interest
    read_lag: ReadLag | None


IDLE_HTTP = Incoming(Phase.HEAD, b"", 0, None, None, False, None, False, 0)
IDLE_WEBSOCKET = IDLE_HTTP._replace(phase=Phase.WEBSOCKET)
DELIVERING = IDLE_HTTP._replace(phase=Phase.DELIVERING)
EVENT_STREAM = IDLE_HTTP._replace(phase=Phase.EVENT_STREAM)
NOTHING_OUTGOING = Outgoing((), None, (), False, CloseReason.OK, Interest.READ, None)


class Client(NamedTuple):
    """One connection."""

    conn: Conn
    peer: Peer
    incoming: Incoming
    outstanding: tuple[Head, ...]
    responded: int
    waiting_since: float
    outgoing: Outgoing
    bytes_in: int
    bytes_out: int
    """Bytes sent, as far as we know: what comes back as not taken is subtracted again."""
    session: Session | None
    """The conversation, if this is or was a WebSocket, or listens to the stream."""


class Disconnected(NamedTuple):
    """What a transition leaves of a client whose connection is to be dropped."""

    client: Client
    reason: CloseReason


# -- a client moved on: what most events change, by name -------------------------------------------


def after_read(
    client: Client, incoming: Incoming, owed: tuple[Head, ...], length: int, now: float
) -> Client:
    """The client after a read of `body_length` bytes at `now` that left this intake and these
    requests to be answered.
    """
    conn, peer, _, _, answered, _, outgoing, bytes_in, bytes_out, session = client
    return Client(
        conn, peer, incoming, owed, answered, now, outgoing, bytes_in + length, bytes_out, session
    )


def with_requests(client: Client, incoming: Incoming, heads: tuple[Head, ...]) -> Client:
    """The client with more requests that are owed an answer, and what is left of what has come."""
    conn, peer, _, owed, answered, since, outgoing, bytes_in, bytes_out, session = client
    return Client(
        conn, peer, incoming, owed + heads, answered, since, outgoing, bytes_in, bytes_out, session
    )


def after_responses(client: Client, count: int, length: int, now: float) -> Client:
    """The client after `count` answers of `body_length` bytes altogether were sent at `now`."""
    conn, peer, incoming, owed, answered, _, outgoing, bytes_in, bytes_out, session = client
    left = owed[count:] if count < len(owed) else ()
    return Client(
        conn,
        peer,
        incoming,
        left,
        answered + count,
        now,
        outgoing,
        bytes_in,
        bytes_out + length,
        session,
    )


def after_delivery(client: Client, incoming: Incoming, length: int, now: float) -> Client:
    """The client after its program has looked at its messages at `now`, and said `body_length`
    bytes, which are sent.
    """
    conn, peer, _, owed, answered, _, outgoing, bytes_in, bytes_out, session = client
    return Client(
        conn, peer, incoming, owed, answered, now, outgoing, bytes_in, bytes_out + length, session
    )


def with_session(client: Client, session: Session, sent_len: int = 0) -> Client:
    """The client with its conversation moved on, of which `sent_len` bytes more were sent."""
    conn, peer, incoming, owed, answered, since, outgoing, bytes_in, bytes_out, _ = client
    return Client(
        conn,
        peer,
        incoming,
        owed,
        answered,
        since,
        outgoing,
        bytes_in,
        bytes_out + sent_len,
        session,
    )


Parse: TypeAlias = Callable[[bytes], Parsed]


class Context(NamedTuple):
    """What a transition may know of the server around the client. `date` ends the head: its line
    and the empty one.
    """

    limits: Limits
    now: float
    tick_started_at: float
    date: bytes
    is_draining: bool
    logs_access: bool
    is_unlogged: bool
    """Neither of the two: answers need nothing but to be sent."""
    parse: Parse
    last_request_number: int
    """The number of a connection's last request; -1 while nothing is handed out to anybody."""
    has_subscriber_slot: bool
    """One more connection may become a WebSocket or a listener."""
    broadcast: Broadcast
    has_unflushed_broadcast: bool
    """Something was published in this turn."""


Step: TypeAlias = tuple[Client, list[Effect]]
Outcome: TypeAlias = tuple[Client | Disconnected, list[Effect]]


def make_client(conn: Conn, peer: Peer, now: float) -> Client:
    """A connection from which nothing has come yet."""
    return Client(conn, peer, IDLE_HTTP, (), 0, now, NOTHING_OUTGOING, 0, 0, None)


def pipeline_waits(client: Client) -> bool:
    """True while the next request has to wait for an answer: behind an unsafe method, a body, a
    last request.
    """
    return bool(client.outstanding) and not client.outstanding[-1].may_pipeline


def outbox_len(client: Client) -> int:
    """Bytes this client is owed and the kernel did not take."""
    return sum(map(len, client.outgoing.outbox))


def is_in_cohort(client: Client) -> bool:
    """True for a WebSocket or a listener that is where its cohort is."""
    session = client.session
    return session is not None and session.close_state is CloseState.OPEN and session.cursor is None


def is_laggard(client: Client) -> bool:
    """True for a WebSocket or a listener that has a cursor of its own."""
    return client.session is not None and client.session.cursor is not None


def is_subscriber(client: Client) -> bool:
    """True while this is a WebSocket whose end the program has not been told of, or a listener."""
    return client.session is not None and client.session.close_state is not CloseState.CLOSED


def is_scheduled(client: Client) -> bool:
    """True for a WebSocket or a listener to whom something is to be said at the end of the turn."""
    return client.session is not None and client.session.is_scheduled


def incoming_len(client: Client) -> int:
    """Bytes this client has sent that are no complete request yet."""
    incoming, session = client.incoming, client.session
    return (
        len(incoming.buffer)
        + (0 if incoming.body is None else incoming.body.length)
        + (0 if session is None else unread_len(session))
    )


def outgoing_len(client: Client) -> int:
    """Bytes that are held for this client: its outbox, answers that came early, what was said while
    it was behind.
    """
    outgoing = client.outgoing
    if outgoing is NOTHING_OUTGOING:
        return 0
    held = sum(
        [
            len(answer.body)
            for _, answer in outgoing.early_responses
            if isinstance(answer.body, bytes)
        ]
    )
    return outbox_len(client) + held + (0 if client.session is None else client.session.queued_len)


def may_parse(client: Client, limits: Limits) -> bool:
    """True if bytes in the buffer may become requests now."""
    return (
        client.incoming.phase <= Phase.BODY
        and not pipeline_waits(client)
        and len(client.outstanding) < limits.max_queued_requests
        and not client.outgoing.is_full
        and (not client.outgoing.outbox or outbox_len(client) < limits.max_outbox_len)
    )


def session_of(client: Client) -> Session:
    """The conversation, which must be there."""
    assert client.session is not None
    return client.session


def buffered_len(client: Client) -> int:
    """Bytes that are owed to a client and that the kernel has not taken."""
    queued_len = 0 if client.session is None else client.session.queued_len
    return queued_len + outbox_len(client) if client.outgoing.outbox else queued_len
