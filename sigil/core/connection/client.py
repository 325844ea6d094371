"""One connection as a record, and what can be read off it.

Theory: everything the server remembers about a connection is one immutable `Client`: who it is,
what has come and is no request yet (`Incoming`), the requests that await their responses, what is
on its way out (`Outgoing`), and, once it is a WebSocket or an event stream, what it is as a
subscriber. What it waits for and what it is watched for are not fields: they are read off the
record (`deadlines`), so they agree with it.

Rules: absence is None. Requests are numbered from 0 in order of arrival; `responded` is the number
of the first one that awaits its response, `outstanding` the heads of those from there on.
`early_responses` holds responses that were made before it was their turn to be sent, `postponed`
the requests that are to be handed to the program once more. While the
`outbox` is not empty, everything that is sent goes behind it. `waiting_since` is when the
connection began to wait for what it waits for: a client that sends byte by byte gains no time. An
idle connection has the very records `IDLE_HTTP` (or `IDLE_WEBSOCKET`, or `DELIVERING`) and
`NOTHING_OUTGOING`, so that one comparison of identities shows that nothing special is going on.
The fields of a client are replaced by the functions below, which name what changes.

It does not know sockets, nor how bytes become requests (`requests`) or responses bytes
(`responses`).
"""

from enum import IntEnum
from typing import Any, Final, final

from ..close_reasons import CloseReason
from ..conn import Conn, Peer
from ..http.body import BodyReader
from ..http.head import Head
from ..parse_result import Malformed
from ..value import Value
from .outgoing import NOTHING_OUTGOING, Outgoing
from .subscriber import Subscriber
from .websocket_state import WebSocket


class Phase(IntEnum):
    """What becomes of bytes that arrive."""

    HEAD = 0
    """They are the head of a request."""
    BODY = 1
    """They are the body of `head`."""
    MUST_CLOSE = 2
    """They are discarded: the outstanding requests are answered, and nothing after them."""
    LINGER = 3
    """They are discarded: our side is shut, or will be when the outbox is empty."""
    WEBSOCKET = 4
    """They are frames of a WebSocket."""
    DELIVERING = 5
    """They are frames, whose messages wait until the program has returned from what was delivered
    before.
    """
    EVENT_STREAM = 6
    """They are discarded: this client is sent an event stream."""
    DROPPED = 7
    """None arrive: the connection of a WebSocket is closed, and the program is still at work on
    what came before its peer's close frame.
    """
    PROXY = 8
    """They are the header of the PROXY protocol, before the first request."""
    PROXY_TLS = 9
    """They are that header, before TLS."""
    TLS = 10
    """None arrive: the shell is at the handshake of TLS."""


class BodyMode(IntEnum):
    """How the program is given the body of the request that is being read."""

    WHOLE = 0
    """With the request, when it has come."""
    QUEUED = 1
    """The program is to be asked, when what came before is answered."""
    ASKED = 2
    """The program was asked."""
    HELD = 3
    """In pieces; the program is at work on what it was given."""
    WANTED = 4
    """In pieces; the program waits for the next one."""


@final
class BodyPace(Value):
    """Since when a body is waited for, and how many seconds that it gained by coming faster than it
    must have lapsed.
    """

    __match_args__ = ("since", "lapsed")
    __slots__ = __match_args__

    def __init__(self, since: float, lapsed: float) -> None:
        self.since: Final = since
        self.lapsed: Final = lapsed


@final
class Incoming(Value):
    """What has come from the client and is not a request yet."""

    __match_args__ = (
        "phase", "buffer", "scan", "head", "body", "expects_continue", "final_error",
        "peer_half_closed", "discarded", "pace", "body_mode",
    )  # fmt: skip
    __slots__ = __match_args__

    def __init__(
        self,
        phase: Phase,
        buffer: bytes,
        scan: int,
        head: Head | None,
        body: BodyReader | None,
        expects_continue: bool,
        final_error: Malformed | None,
        peer_half_closed: bool,
        discarded: int,
        pace: BodyPace | None,
        body_mode: BodyMode,
    ) -> None:
        self.phase: Final = phase
        self.buffer: Final = buffer
        self.scan: Final = scan
        """How many bytes of the buffer were searched for the end of a head, and checked."""
        self.head: Final = head
        """The head of the request whose body is being read."""
        self.body: Final = body
        self.expects_continue: Final = expects_continue
        """A 100 Continue is to be sent before the response to the last request."""
        self.final_error: Final = final_error
        """What the client is answered last, behind the responses to its outstanding requests."""
        self.peer_half_closed: Final = peer_half_closed
        """The peer has ended its side: it will send no more."""
        self.discarded: Final = discarded
        """Bytes that came and were discarded."""
        self.pace: Final = pace
        """How a body comes in, while the connection waits for that."""
        self.body_mode: Final = body_mode

    def __reduce__(self) -> str | tuple[Any, ...]:
        for name, record in _AT_REST.items():
            if record is self:
                return name
        return Incoming, self._values()


WHOLE: Final = BodyMode.WHOLE
IDLE_HTTP: Final = Incoming(Phase.HEAD, b"", 0, None, None, False, None, False, 0, None, WHOLE)
IDLE_WEBSOCKET: Final = IDLE_HTTP.replace(phase=Phase.WEBSOCKET)
DELIVERING: Final = IDLE_HTTP.replace(phase=Phase.DELIVERING)
EVENT_STREAM: Final = IDLE_HTTP.replace(phase=Phase.EVENT_STREAM)
DROPPED: Final = IDLE_HTTP.replace(phase=Phase.DROPPED)
PROXIED: Final = IDLE_HTTP.replace(phase=Phase.PROXY)
PROXIED_TLS: Final = IDLE_HTTP.replace(phase=Phase.PROXY_TLS)
SECURING: Final = IDLE_HTTP.replace(phase=Phase.TLS)
_AT_REST: Final = {
    "IDLE_HTTP": IDLE_HTTP,
    "IDLE_WEBSOCKET": IDLE_WEBSOCKET,
    "DELIVERING": DELIVERING,
    "EVENT_STREAM": EVENT_STREAM,
    "DROPPED": DROPPED,
    "PROXIED": PROXIED,
    "PROXIED_TLS": PROXIED_TLS,
    "SECURING": SECURING,
}
"""By the name that each is pickled as."""


@final
class Client(Value):
    """One connection."""

    __match_args__ = (
        "conn", "peer", "incoming", "outstanding", "responded", "waiting_since", "outgoing",
        "bytes_in", "bytes_out", "subscriber", "websocket",
    )  # fmt: skip
    __slots__ = __match_args__

    def __init__(
        self,
        conn: Conn,
        peer: Peer,
        incoming: Incoming,
        outstanding: tuple[Head, ...],
        responded: int,
        waiting_since: float,
        outgoing: Outgoing,
        bytes_in: int,
        bytes_out: int,
        subscriber: Subscriber | None,
        websocket: WebSocket | None,
    ) -> None:
        self.conn: Final = conn
        self.peer: Final = peer
        self.incoming: Final = incoming
        self.outstanding: Final = outstanding
        """The heads of the requests that await their responses."""
        self.responded: Final = responded
        """How many requests were answered: the number of the first outstanding one."""
        self.waiting_since: Final = waiting_since
        self.outgoing: Final = outgoing
        self.bytes_in: Final = bytes_in
        self.bytes_out: Final = bytes_out
        """Bytes sent, as far as is known: what comes back as not taken is subtracted again."""
        self.subscriber: Final = subscriber
        """What it is to be sent as a WebSocket or as an event stream, if it is or was either."""
        self.websocket: Final = websocket
        """What has come from its peer as a WebSocket, if it is or was one; then it is a subscriber
        too.
        """


@final
class Disconnected(Value):
    """What a transition leaves of a client whose connection is to be dropped."""

    __match_args__ = ("client", "reason")
    __slots__ = __match_args__

    def __init__(self, client: Client, reason: CloseReason) -> None:
        self.client: Final = client
        self.reason: Final = reason


def make_client(conn: Conn, peer: Peer, now: float = 0.0, incoming: Incoming = IDLE_HTTP) -> Client:
    """A connection that was accepted at `now` (seconds), and from which nothing has come yet."""
    return Client(conn, peer, incoming, (), 0, now, NOTHING_OUTGOING, 0, 0, None, None)


# -- updates ---------------------------------------------------------------------------------------


def with_buffer(incoming: Incoming, buffer: bytes) -> Incoming:
    """The incoming data with another buffer, of which as much was searched."""
    return Incoming(
        incoming.phase, buffer, incoming.scan, incoming.head, incoming.body,
        incoming.expects_continue, incoming.final_error, incoming.peer_half_closed,
        incoming.discarded, incoming.pace, incoming.body_mode,
    )  # fmt: skip


def with_body(incoming: Incoming, body: BodyReader, buffer: bytes) -> Incoming:
    """The incoming data after more of its body was read, with what is left in the buffer."""
    return Incoming(
        incoming.phase, buffer, 0, incoming.head, body, incoming.expects_continue,
        incoming.final_error, incoming.peer_half_closed, incoming.discarded, incoming.pace,
        incoming.body_mode,
    )  # fmt: skip


def after_body(incoming: Incoming, buffer: bytes) -> Incoming:
    """The incoming data behind a body that was read, with what is left in the buffer."""
    return Incoming(
        Phase.HEAD, buffer, 0, None, None, incoming.expects_continue,
        incoming.final_error, incoming.peer_half_closed, incoming.discarded, incoming.pace,
        WHOLE,
    )  # fmt: skip


def with_body_mode(incoming: Incoming, body_mode: BodyMode, body: BodyReader) -> Incoming:
    """The incoming data with the body that is being read given to the program in another way."""
    return Incoming(
        incoming.phase, incoming.buffer, 0, incoming.head, body, incoming.expects_continue,
        incoming.final_error, incoming.peer_half_closed, incoming.discarded, incoming.pace,
        body_mode,
    )  # fmt: skip


def discarding(incoming: Incoming, phase: Phase, discarded: int) -> Incoming:
    """The incoming data of a connection that takes nothing more: `discarded` bytes altogether,
    those in the buffer too.
    """
    return Incoming(
        phase, b"", 0, None, None, incoming.expects_continue, incoming.final_error,
        incoming.peer_half_closed, discarded, incoming.pace, WHOLE,
    )  # fmt: skip


def lingering(incoming: Incoming) -> Incoming:
    """The incoming data of a connection whose last bytes were sent: what still comes is only
    counted.
    """
    return Incoming(
        Phase.LINGER, b"", 0, None, None, False, None, incoming.peer_half_closed,
        incoming.discarded, None, WHOLE,
    )  # fmt: skip


def with_pace(incoming: Incoming, pace: BodyPace | None) -> Incoming:
    """The incoming data with another pace of its body, or none."""
    return Incoming(
        incoming.phase, incoming.buffer, incoming.scan, incoming.head, incoming.body,
        incoming.expects_continue, incoming.final_error, incoming.peer_half_closed,
        incoming.discarded, pace, incoming.body_mode,
    )  # fmt: skip


def with_read(client: Client, incoming: Incoming, length: int) -> Client:
    """The client after a read of `length` bytes, with this incoming data."""
    return Client(
        client.conn, client.peer, incoming, client.outstanding, client.responded,
        client.waiting_since, client.outgoing, client.bytes_in + length, client.bytes_out,
        client.subscriber, client.websocket,
    )  # fmt: skip


def with_peer(client: Client, peer: Peer) -> Client:
    """The client with another peer."""
    return Client(
        client.conn, peer, client.incoming, client.outstanding, client.responded,
        client.waiting_since, client.outgoing, client.bytes_in, client.bytes_out,
        client.subscriber, client.websocket,
    )  # fmt: skip


def after_responses(client: Client, count: int, length: int, now: float) -> Client:
    """The client after `count` responses of `length` bytes altogether were sent at `now`."""
    return Client(
        client.conn, client.peer, client.incoming, client.outstanding[count:],
        client.responded + count, now, client.outgoing, client.bytes_in,
        client.bytes_out + length, client.subscriber, client.websocket,
    )  # fmt: skip


def after_frames(
    client: Client, incoming: Incoming, bytes_in: int, waiting_since: float, websocket: WebSocket
) -> Client:
    """The client after a read of frames, `bytes_in` altogether, with this left over."""
    return Client(
        client.conn, client.peer, incoming, client.outstanding, client.responded, waiting_since,
        client.outgoing, bytes_in, client.bytes_out, client.subscriber, websocket,
    )  # fmt: skip


def after_sending(
    client: Client,
    incoming: Incoming,
    outgoing: Outgoing,
    waiting_since: float,
    length: int,
    subscriber: Subscriber,
    websocket: WebSocket | None,
) -> Client:
    """The client after it was sent `length` bytes as a subscriber, with this left over."""
    return Client(
        client.conn, client.peer, incoming, client.outstanding, client.responded, waiting_since,
        outgoing, client.bytes_in, client.bytes_out + length, subscriber, websocket,
    )  # fmt: skip


def with_subscriber(client: Client, subscriber: Subscriber) -> Client:
    """The client with another record as a subscriber."""
    return Client(
        client.conn, client.peer, client.incoming, client.outstanding, client.responded,
        client.waiting_since, client.outgoing, client.bytes_in, client.bytes_out,
        subscriber, client.websocket,
    )  # fmt: skip


def with_incoming(client: Client, incoming: Incoming) -> Client:
    """The client with other incoming data."""
    return Client(
        client.conn, client.peer, incoming, client.outstanding, client.responded,
        client.waiting_since, client.outgoing, client.bytes_in, client.bytes_out,
        client.subscriber, client.websocket,
    )  # fmt: skip


def with_outgoing(client: Client, outgoing: Outgoing) -> Client:
    """The client with other outgoing data."""
    return Client(
        client.conn, client.peer, client.incoming, client.outstanding, client.responded,
        client.waiting_since, outgoing, client.bytes_in, client.bytes_out,
        client.subscriber, client.websocket,
    )  # fmt: skip


def with_websocket(client: Client, websocket: WebSocket) -> Client:
    """The client with another record as a WebSocket."""
    return Client(
        client.conn, client.peer, client.incoming, client.outstanding, client.responded,
        client.waiting_since, client.outgoing, client.bytes_in, client.bytes_out,
        client.subscriber, websocket,
    )  # fmt: skip


def with_requests(
    client: Client,
    incoming: Incoming,
    heads: tuple[Head, ...],
    read_len: int,
    waiting_since: float,
) -> Client:
    """The client with more outstanding requests, after a read of `read_len` bytes, and what is left
    over of what has come.
    """
    return Client(
        client.conn, client.peer, incoming, client.outstanding + heads, client.responded,
        waiting_since, client.outgoing, client.bytes_in + read_len, client.bytes_out,
        client.subscriber, client.websocket,
    )  # fmt: skip


def after_send(client: Client, outgoing: Outgoing, waiting_since: float, length: int) -> Client:
    """The client after `length` bytes more were sent, or fewer if some were not taken."""
    return Client(
        client.conn, client.peer, client.incoming, client.outstanding, client.responded,
        waiting_since, outgoing, client.bytes_in, client.bytes_out + length,
        client.subscriber, client.websocket,
    )  # fmt: skip


def after_last(client: Client, incoming: Incoming, outgoing: Outgoing, length: int) -> Client:
    """The client when its last bytes were sent, of which `length` leave now: no request is
    outstanding any more.
    """
    return Client(
        client.conn, client.peer, incoming, (), client.responded + len(client.outstanding),
        client.waiting_since, outgoing, client.bytes_in, client.bytes_out + length,
        client.subscriber, client.websocket,
    )  # fmt: skip


def settled(client: Client, incoming: Incoming, outgoing: Outgoing, waiting_since: float) -> Client:
    """The client with these records, which waits since then for what it waits for."""
    return Client(
        client.conn, client.peer, incoming, client.outstanding, client.responded,
        waiting_since, outgoing, client.bytes_in, client.bytes_out,
        client.subscriber, client.websocket,
    )  # fmt: skip
