"""What the world reports: the closed sum of what can happen to a server.

Theory: the core knows nothing but what is in these records, so a list of them is a complete
recording of a run. The shell makes them from clocks, sockets and user code; a test or a notebook
makes them by hand.

Rules: an event states what has happened, never what to do. Times are in seconds: `now` on a clock
that never goes back, `unix_time` since 1970. An event for a connection that is gone is no error: it
changes nothing. Whoever handles events handles every member of `Event`.
"""

from typing import NamedTuple, TypeAlias, assert_never

from .broadcast.entry import Subscription
from .close_reasons import CloseReason
from .conn import Conn, Peer, Ticket
from .http.request import Request
from .http.response import Response
from .parse_result import Malformed

Segment: TypeAlias = bytes | memoryview
"""A piece of memory to be sent. A view is always one of `bytes`, so nobody can change it."""


class TickStarted(NamedTuple):
    """A tick has started, and the clock was read; what came in until then follows. No deadline is
    applied before `InputRead`.
    """

    now: float
    unix_time: int


class TimeRead(NamedTuple):
    """The clock was read within a tick: the events that follow happen at `now`. No deadline is
    applied, since more may have been received in time.
    """

    now: float
    unix_time: int


class InputRead(NamedTuple):
    """All that had come in when the tick started was reported, and what is overdue by then is so:
    deadlines are applied. Those of the `unread` are not, as they are ready, and nobody has read, or
    not all of it, what may have come in time.
    """

    unread: frozenset[Conn] = frozenset()


class Accepted(NamedTuple):
    """A new connection was accepted; `socket_id` is the shell's number for it until `Adopt` or
    `Reject` decides about it.
    """

    socket_id: int
    peer: Peer


class DescriptorsExhausted(NamedTuple):
    """A connection waits that cannot be accepted, for want of descriptors or of memory in the
    kernel: `error` is the `errno` of the operating system.
    """

    error: int


class Received(NamedTuple):
    """Bytes were received; never empty."""

    conn: Conn
    data: bytes


class HalfClosed(NamedTuple):
    """The peer has shut down its side: it will send no more, and may still read."""

    conn: Conn


class ConnectionLost(NamedTuple):
    """The connection is broken: `error` is the `errno` of the operating system."""

    conn: Conn
    error: int


class CloseRequested(NamedTuple):
    """The program wants this connection closed; outstanding requests are answered first.

    A WebSocket is sent a close frame with `code` (0 is the code of `reason`) and `text`.
    """

    conn: Conn
    reason: CloseReason
    code: int = 0
    text: str = ""


class HandlerReturned(NamedTuple):
    """The handler returned responses, to the request that `ticket` names and to those that follow
    it.

    A streamed body stays with the shell, which is asked for its chunks by `Pull`.
    """

    ticket: Ticket
    responses: tuple[Response, ...]


class HandlerFailed(NamedTuple):
    """The handler, or the streamed body that it returned, failed: `status` and `message` are for
    the client, `traceback` is for the log.
    """

    ticket: Ticket
    status: int
    message: str
    traceback: str


class Postponed(NamedTuple):
    """The handler was not called with these requests, the last ones of a `Handle`: enough was made
    for their client, or for all, in this round. They are to be handed out again; `ticket` names the
    first.
    """

    ticket: Ticket
    requests: tuple[Request, ...]


class StreamChunk(NamedTuple):
    """The streamed body of the response to `ticket` yielded a chunk."""

    ticket: Ticket
    data: bytes


class StreamEnded(NamedTuple):
    """The streamed body of the response to `ticket` has ended."""

    ticket: Ticket


class Stalled(NamedTuple):
    """The kernel took only `taken` bytes of the last `Send`: `rest` is what it did not take."""

    conn: Conn
    taken: int
    rest: tuple[Segment, ...]


class Writable(NamedTuple):
    """A connection that was stalled is writable again."""

    conn: Conn


class Delivered(NamedTuple):
    """The callback of a `CallWsOpen`, `Deliver` or `DeliverCompressed` has returned; `replies` are
    messages that it has just sent to that client, each an opcode and a payload.

    With an `error`, only the messages before one that cannot be decompressed were delivered.
    """

    conn: Conn
    replies: tuple[tuple[int, bytes], ...] = ()
    error: Malformed | None = None


class SendMessages(NamedTuple):
    """The program sends messages to one WebSocket, each an opcode (1 for text, 2 for binary) and a
    payload.
    """

    conn: Conn
    messages: tuple[tuple[int, bytes], ...]


class Publish(NamedTuple):
    """The program broadcasts messages, each an opcode (1 for text, 2 for binary), a payload, and
    the topic to whose subscribers it goes, or None for all.
    """

    messages: tuple[tuple[int, bytes, str | None], ...]


class Subscribe(NamedTuple):
    """The program subscribes a client to a topic, or ends its subscription to it."""

    conn: Conn
    topic: str
    is_subscribed: bool


class FanOutStalled(NamedTuple):
    """The kernel took only `taken` bytes for this client of the `FanOut` from number `start` to
    `end`.
    """

    conn: Conn
    taken: int
    start: int
    end: int
    subscription: Subscription


class Flush(NamedTuple):
    """A tick is over, and the messages sent and broadcast in it are to leave; with a `conn`, those
    to this client leave before, because they are many.

    Of the WebSockets in `unhandled` messages were delivered with which the program has not been
    called yet: a close frame of theirs is not answered before it has been.
    """

    conn: Conn | None
    unhandled: frozenset[Conn] = frozenset()


class Stop(NamedTuple):
    """The server is to stop: outstanding requests are answered for up to `grace` seconds. A second
    `Stop` means at once.
    """

    grace: float


Event: TypeAlias = (
    TickStarted
    | TimeRead
    | InputRead
    | Accepted
    | DescriptorsExhausted
    | Received
    | HalfClosed
    | ConnectionLost
    | CloseRequested
    | HandlerReturned
    | HandlerFailed
    | Postponed
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
    """The connection that an event is about; None if it is about the whole server."""
    match event:
        case HandlerReturned() | HandlerFailed() | Postponed():
            return event.ticket.conn
        case StreamChunk() | StreamEnded():
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
        case TickStarted() | TimeRead() | InputRead() | Publish() | Stop():
            return None
        case Accepted() | DescriptorsExhausted():
            return None
        case _:
            assert_never(event)
