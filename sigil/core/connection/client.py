"""One connection as a record, and what can be read off it.

Theory: everything the server remembers about a connection is one immutable `Client`: who it is, what has come and is
not understood (`Intake`), which requests are owed an answer, what is on its way out (`Outflow`).  What it waits for and
what it is watched for are not fields: they are read off the record (`waiting`), so they agree with it.

Rules: absence is None.  Requests are numbered from 0 in order of arrival; `answered` is the number of the first one
that is owed an answer, `owed` the heads of those from there on.  `held` keeps answers that came before their turn.
While the `outbox` is not empty, nothing is sent but through it.  `since` is when the connection began to wait for
what it waits for: whoever dribbles does not gain time.  A connection at rest has the very records `CALM` and `CLEAR`,
so that one look tells that nothing special is going on.

It does not know sockets, nor how bytes become requests (`intake`) or responses bytes (`answer`, `encode`).
"""

from collections.abc import Callable
from enum import IntEnum
from typing import NamedTuple, TypeAlias

from ..broadcast.broadcast import Stream
from ..close_reasons import CloseReason
from ..conn import Conn, Peer
from ..effects import Effect, Interest
from ..events import Segment
from ..http.body import Body
from ..http.encode import Streaming
from ..http.head import Head, Parsed
from ..http.response import Response
from ..limits import Limits
from ..parse_result import Malformed
from .session import Closing, Talk, heard_len


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

    Bytes are sent as if they would all be taken, so it has caught up `until` then only if the turn ends and it still
    has; or if it is behind again, and `goal` bytes were taken all the same.
    """

    since: float
    bytes_out: int
    until: float
    goal: int


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


# -- a client moved on: what most events change, by name -----------------------------------------------------------

def received(client: Client, intake: Intake, owed: tuple[Head, ...], length: int, now: float) -> Client:
    """The client after a read of `length` bytes at `now` that left this intake and these requests to be answered."""
    conn, peer, _, _, answered, _, outflow, bytes_in, bytes_out, talk = client
    return Client(conn, peer, intake, owed, answered, now, outflow, bytes_in + length, bytes_out, talk)


def with_requests(client: Client, intake: Intake, heads: tuple[Head, ...]) -> Client:
    """The client with more requests that are owed an answer, and what is left of what has come."""
    conn, peer, _, owed, answered, since, outflow, bytes_in, bytes_out, talk = client
    return Client(conn, peer, intake, owed + heads, answered, since, outflow, bytes_in, bytes_out, talk)


def responded(client: Client, count: int, length: int, now: float) -> Client:
    """The client after `count` answers of `length` bytes altogether were sent at `now`."""
    conn, peer, intake, owed, answered, _, outflow, bytes_in, bytes_out, talk = client
    left = owed[count:] if count < len(owed) else ()
    return Client(conn, peer, intake, left, answered + count, now, outflow, bytes_in, bytes_out + length, talk)


def delivered_to(client: Client, intake: Intake, length: int, now: float) -> Client:
    """The client after its program has looked at its messages at `now`, and said `length` bytes, which are sent."""
    conn, peer, _, owed, answered, _, outflow, bytes_in, bytes_out, talk = client
    return Client(conn, peer, intake, owed, answered, now, outflow, bytes_in, bytes_out + length, talk)


def with_talk(client: Client, talk: Talk, sent_len: int = 0) -> Client:
    """The client with its conversation moved on, of which `sent_len` bytes more were sent."""
    conn, peer, intake, owed, answered, since, outflow, bytes_in, bytes_out, _ = client
    return Client(conn, peer, intake, owed, answered, since, outflow, bytes_in, bytes_out + sent_len, talk)


Parse: TypeAlias = Callable[[bytes], Parsed]


class Context(NamedTuple):
    """What a transition may know of the server around the client.  `date` ends the head: its line and the empty one."""

    limits: Limits
    now: float
    began: float
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


def is_listed(client: Client) -> bool:
    """True for a WebSocket or a listener to whom something is to be said at the end of the turn."""
    return client.talk is not None and client.talk.is_listed


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


def talk_of(client: Client) -> Talk:
    """The conversation, which must be there."""
    assert client.talk is not None
    return client.talk


def owed_len(client: Client) -> int:
    """Bytes that are owed to a client and that the kernel has not taken."""
    queued_len = 0 if client.talk is None else client.talk.queued_len
    return queued_len + outbox_len(client) if client.outflow.outbox else queued_len
