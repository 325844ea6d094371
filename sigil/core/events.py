"""The facts that the world reports: the closed sum of what can happen to a server.

Theory: the core knows nothing but what is written in these records, so a list of them is a complete
recording of a run. The shell makes them from clocks, sockets and user code; a test or a notebook
makes them by hand.

Rules: an event states what has happened, never what to do. Times are seconds: `now` on a clock that
never goes back, `unix_time` since 1970. An event for a connection that is gone is no error: it
changes nothing.
"""

from typing import NamedTuple, TypeAlias, assert_never

from .broadcast.entry import Subscription
from .close_reasons import CloseReason
from .conn import Conn, Peer, Ticket
from .http.response import Response
from .parse_result import Malformed

Segment: TypeAlias = bytes | memoryview
"""A piece of memory to be sent.  A view is always of `bytes`, so nobody can change it."""


class TickStarted(NamedTuple):
    """The clock was read at the beginning of a turn: deadlines may have passed."""

    now: float
    unix_time: int


class TimeRead(NamedTuple):
    """The clock was read within a turn: what follows happens now. Deadlines wait for what has come
    in time.
    """

    now: float
    unix_time: int


class Accepted(NamedTuple):
    """A new connection is at the door; `socket_id` is the shell's number for it until it is adopted
    or turned away.
    """

    socket_id: int
    peer: Peer


class Received(NamedTuple):
    """Bytes came; never empty."""

    conn: Conn
    data: bytes


class HalfClosed(NamedTuple):
    """The other side will send no more; it may still read."""

    conn: Conn


class ConnectionLost(NamedTuple):
    """The connection is broken: `error` is the operating system's number for it."""

    conn: Conn
    error: int


class CloseRequested(NamedTuple):
    """The program wants this connection closed: what is owed is answered first.

    A WebSocket is closed with `code` (0: that of the reason) and `text`.
    """

    conn: Conn
    reason: CloseReason
    code: int = 0
    text: str = ""


class HandlerReturned(NamedTuple):
    """The handler returned responses: to the request `ticket` names and those that follow it.

    The body of a stream stays with the shell, which is asked for it by `Pull`.
    """

    ticket: Ticket
    responses: tuple[Response, ...]


class HandlerFailed(NamedTuple):
    """The handler, or the stream it returned, failed: the status to answer, what the client is
    told, what is logged.
    """

    ticket: Ticket
    status: int
    message: str
    traceback: str


class StreamChunk(NamedTuple):
    """A stream yielded a piece of the body."""

    ticket: Ticket
    data: bytes


class StreamEnded(NamedTuple):
    """A stream has no more."""

    ticket: Ticket


class Stalled(NamedTuple):
    """The kernel took `taken` bytes of the last `Send` and no more: `rest` is handed back."""

    conn: Conn
    taken: int
    rest: tuple[Segment, ...]


class Writable(NamedTuple):
    """A connection that was stalled takes bytes again."""

    conn: Conn


class Delivered(NamedTuple):
    """The program has looked at what `CallWsOpen`, `Deliver` or `DeliverCompressed` gave it, and
    has last said this to that client.

    With a `error`, it has looked at what stood before a message that cannot be unpacked.
    """

    conn: Conn
    replies: tuple[tuple[int, bytes], ...] = ()
    error: Malformed | None = None


class SendMessages(NamedTuple):
    """The program says messages to one WebSocket: each an opcode, 1 for text and 2 for binary, and
    a payload.
    """

    conn: Conn
    messages: tuple[tuple[int, bytes], ...]


class Publish(NamedTuple):
    """The program says messages to all WebSockets: each an opcode, a payload, and a topic to narrow
    it or None.
    """

    messages: tuple[tuple[int, bytes, str | None], ...]


class Subscribe(NamedTuple):
    """The program lets a WebSocket hear a topic from now on, or not any more."""

    conn: Conn
    topic: str
    is_subscribed: bool


class FanOutStalled(NamedTuple):
    """Of what a `FanOut` from `start` to `end` sent, the kernel took `taken` bytes for this client."""

    conn: Conn
    taken: int
    start: int
    end: int
    subscription: Subscription


class Flush(NamedTuple):
    """A turn of the loop is over, and what was said in it may leave; or it may leave to `conn`,
    which has said much.
    """

    conn: Conn | None


class Stop(NamedTuple):
    """The server is to stop: answer what is under way for up to `grace` seconds; a second time
    means at once.
    """

    grace: float


Event: TypeAlias = (
    TickStarted
    | TimeRead
    | Accepted
    | Received
    | HalfClosed
    | ConnectionLost
    | CloseRequested
    | HandlerReturned
    | HandlerFailed
    | StreamChunk
    | StreamEnded
    | Stalled
    | FanOutStalled
    | Writable
    | Delivered
    | SendMessages
    | Publish
    | Subscribe
    | Flush
    | Stop
)


def conn_of(event: Event) -> Conn | None:
    """The connection that an event is about; None if it is about the server as a whole."""
    match event:
        case HandlerReturned() | HandlerFailed() | StreamChunk() | StreamEnded():
            return event.ticket.conn
        case (
            Received()
            | HalfClosed()
            | ConnectionLost()
            | CloseRequested()
            | Stalled()
            | Writable()
            | Delivered()
            | SendMessages()
            | Subscribe()
            | FanOutStalled()
            | Flush()
        ):
            return event.conn
        case TickStarted() | TimeRead() | Accepted() | Publish() | Stop():
            return None
        case _:
            assert_never(event)
