"""What the world reports: the closed sum of what can happen to a server.

Theory: the core knows nothing but what is in these records, so a list of them is a complete
recording of a run. The shell makes them from clocks, sockets and user code; a test or a notebook
makes them by hand.

Rules: an event states what has happened, never what to do. Times are in seconds: `now` on a clock
that never goes back, `unix_time` since 1970. An event for a connection that is gone is no error: it
changes nothing. Whoever handles events handles every member of `Event`.
"""

from typing import Final, TypeAlias, assert_never, final

from .broadcast.entry import Publication, Subscription
from .broadcast.upstream import UpstreamJoined, UpstreamPublished
from .close_reasons import CloseReason
from .conn import Conn, Peer, Ticket
from .control import DeliveryHeld, ReadingAllowed, TimeoutRequested, WritableRequested
from .http.request import Request
from .http.response import Response
from .parse_result import Malformed
from .securing import HandshakeFailed, Secured
from .topics import Topic
from .value import Value

Segment: TypeAlias = bytes | memoryview
"""A piece of memory to be sent. A view is always one of `bytes`, so nobody can change it."""


@final
class TickStarted(Value):
    """A tick has started; what came in until then follows, before any deadline (`InputRead`)."""

    __match_args__ = ("now", "unix_time")
    __slots__ = __match_args__

    def __init__(self, now: float, unix_time: int) -> None:
        self.now: Final = now
        self.unix_time: Final = unix_time


@final
class TimeRead(Value):
    """The clock was read within a tick: the events that follow happen at `now`. No deadline is
    applied, since more may have been received in time.
    """

    __match_args__ = ("now", "unix_time")
    __slots__ = __match_args__

    def __init__(self, now: float, unix_time: int) -> None:
        self.now: Final = now
        self.unix_time: Final = unix_time


@final
class InputRead(Value):
    """All that had come in when the tick started was reported, and what is overdue by then is so:
    deadlines are applied. Those of the `unread` are not, as they are ready, and nobody has read, or
    not all of it, what may have come in time.
    """

    __match_args__ = ("unread",)
    __slots__ = __match_args__

    def __init__(self, unread: frozenset[Conn] = frozenset()) -> None:
        self.unread: Final = unread


@final
class Accepted(Value):
    """A new connection was accepted; `socket_id` is the shell's number for it until `Adopt` or
    `Reject` decides about it. With `is_tls` it begins with a TLS handshake.
    """

    __match_args__ = ("socket_id", "peer", "is_tls")
    __slots__ = __match_args__

    def __init__(self, socket_id: int, peer: Peer, is_tls: bool = False) -> None:
        self.socket_id: Final = socket_id
        self.peer: Final = peer
        self.is_tls: Final = is_tls


@final
class DescriptorsExhausted(Value):
    """A connection waits that cannot be accepted, for want of descriptors or of memory in the
    kernel: `error` is the `errno` of the operating system.
    """

    __match_args__ = ("error",)
    __slots__ = __match_args__

    def __init__(self, error: int) -> None:
        self.error: Final = error


@final
class Received(Value):
    """Bytes were received; never empty."""

    __match_args__ = ("conn", "data")
    __slots__ = __match_args__

    def __init__(self, conn: Conn, data: bytes) -> None:
        self.conn: Final = conn
        self.data: Final = data


@final
class HalfClosed(Value):
    """The peer has shut down its side: it will send no more, and may still read."""

    __match_args__ = ("conn",)
    __slots__ = __match_args__

    def __init__(self, conn: Conn) -> None:
        self.conn: Final = conn


@final
class ConnectionLost(Value):
    """The connection is broken: `error` is the system's `errno`, `problem` what TLS failed of."""

    __match_args__ = ("conn", "error", "problem")
    __slots__ = __match_args__

    def __init__(self, conn: Conn, error: int, problem: str = "") -> None:
        self.conn: Final = conn
        self.error: Final = error
        self.problem: Final = problem


@final
class CloseRequested(Value):
    """The program wants this connection closed; outstanding requests are answered first.

    A WebSocket is sent a close frame with `code` (0 is the code of `reason`) and `text`.
    """

    __match_args__ = ("conn", "reason", "code", "text")
    __slots__ = __match_args__

    def __init__(self, conn: Conn, reason: CloseReason, code: int = 0, text: str = "") -> None:
        self.conn: Final = conn
        self.reason: Final = reason
        self.code: Final = code
        self.text: Final = text


@final
class HandlerReturned(Value):
    """The handler returned responses, to the request that `ticket` names and to those that follow
    it.

    A streamed body stays with the shell, which is asked for its chunks by `Pull`.
    """

    __match_args__ = ("ticket", "responses")
    __slots__ = __match_args__

    def __init__(self, ticket: Ticket, responses: tuple[Response, ...]) -> None:
        self.ticket: Final = ticket
        self.responses: Final = responses


@final
class HandlerFailed(Value):
    """The handler, or the streamed body that it returned, failed: `status` and `message` are for
    the client, `traceback` is for the log.
    """

    __match_args__ = ("ticket", "status", "message", "traceback")
    __slots__ = __match_args__

    def __init__(self, ticket: Ticket, status: int, message: str, traceback: str) -> None:
        self.ticket: Final = ticket
        self.status: Final = status
        self.message: Final = message
        self.traceback: Final = traceback


@final
class Postponed(Value):
    """The handler was not called with these requests, the last ones of a `Handle`: enough was made
    for their client, or for all, in this round. They are to be handed out again; `ticket` names the
    first.
    """

    __match_args__ = ("ticket", "requests")
    __slots__ = __match_args__

    def __init__(self, ticket: Ticket, requests: tuple[Request, ...]) -> None:
        self.ticket: Final = ticket
        self.requests: Final = requests


@final
class BodyChosen(Value):
    """The program has said how it wants the body of the request `ticket`: in pieces, or whole."""

    __match_args__ = ("ticket", "is_in_pieces")
    __slots__ = __match_args__

    def __init__(self, ticket: Ticket, is_in_pieces: bool) -> None:
        self.ticket: Final = ticket
        self.is_in_pieces: Final = is_in_pieces


@final
class BodyWanted(Value):
    """The program waits for the next piece of the body of the request `ticket`."""

    __match_args__ = ("ticket",)
    __slots__ = __match_args__

    def __init__(self, ticket: Ticket) -> None:
        self.ticket: Final = ticket


@final
class StreamChunk(Value):
    """The streamed body of the response to `ticket` yielded a chunk."""

    __match_args__ = ("ticket", "data")
    __slots__ = __match_args__

    def __init__(self, ticket: Ticket, data: bytes) -> None:
        self.ticket: Final = ticket
        self.data: Final = data


@final
class StreamEnded(Value):
    """The streamed body of the response to `ticket` has ended."""

    __match_args__ = ("ticket",)
    __slots__ = __match_args__

    def __init__(self, ticket: Ticket) -> None:
        self.ticket: Final = ticket


@final
class FileSent(Value):
    """The kernel took `taken` bytes more of the file that is the body of the response to `ticket`,
    or none.
    """

    __match_args__ = ("ticket", "taken")
    __slots__ = __match_args__

    def __init__(self, ticket: Ticket, taken: int) -> None:
        self.ticket: Final = ticket
        self.taken: Final = taken


@final
class Stalled(Value):
    """The kernel took only `taken` bytes of the last `Send`: `rest` is what it did not take."""

    __match_args__ = ("conn", "taken", "rest")
    __slots__ = __match_args__

    def __init__(self, conn: Conn, taken: int, rest: tuple[Segment, ...]) -> None:
        self.conn: Final = conn
        self.taken: Final = taken
        self.rest: Final = rest


@final
class Writable(Value):
    """A connection that was stalled is writable again."""

    __match_args__ = ("conn",)
    __slots__ = __match_args__

    def __init__(self, conn: Conn) -> None:
        self.conn: Final = conn


@final
class SendQueueRead(Value):
    """The kernel holds `length` bytes of what it took for a connection: they were not acknowledged
    yet. 0 where that is not known.
    """

    __match_args__ = ("conn", "length")
    __slots__ = __match_args__

    def __init__(self, conn: Conn, length: int) -> None:
        self.conn: Final = conn
        self.length: Final = length


@final
class Delivered(Value):
    """The callback of a `CallWsOpen`, `Deliver` or `DeliverCompressed` has returned; `replies` are
    messages that it has just sent to that client, each an opcode and a payload.

    With an `error`, only the messages before one that cannot be decompressed were delivered.
    """

    __match_args__ = ("conn", "replies", "error")
    __slots__ = __match_args__

    def __init__(
        self,
        conn: Conn,
        replies: tuple[tuple[int, bytes], ...] = (),
        error: Malformed | None = None,
    ) -> None:
        self.conn: Final = conn
        self.replies: Final = replies
        self.error: Final = error


@final
class SendMessages(Value):
    """The program sends messages to one WebSocket, each an opcode (1 for text, 2 for binary) and a
    payload.
    """

    __match_args__ = ("conn", "messages")
    __slots__ = __match_args__

    def __init__(self, conn: Conn, messages: tuple[tuple[int, bytes], ...]) -> None:
        self.conn: Final = conn
        self.messages: Final = messages


@final
class Publish(Value):
    """The program broadcasts messages, each an opcode (1 for text, 2 for binary), a payload, the
    topic to whose subscribers it goes, or None for all, and its `PublishOptions`.
    """

    __match_args__ = ("messages",)
    __slots__ = __match_args__

    def __init__(self, messages: tuple[Publication, ...]) -> None:
        self.messages: Final = messages


@final
class Subscribe(Value):
    """The program subscribes a client to a topic, or ends its subscription to it."""

    __match_args__ = ("conn", "topic", "is_subscribed")
    __slots__ = __match_args__

    def __init__(self, conn: Conn, topic: Topic, is_subscribed: bool) -> None:
        self.conn: Final = conn
        self.topic: Final = topic
        self.is_subscribed: Final = is_subscribed


@final
class FanOutStalled(Value):
    """The kernel took only `taken` bytes for this client of the `FanOut` from number `start` to
    `end`.
    """

    __match_args__ = ("conn", "taken", "start", "end", "subscription")
    __slots__ = __match_args__

    def __init__(
        self, conn: Conn, taken: int, start: int, end: int, subscription: Subscription
    ) -> None:
        self.conn: Final = conn
        self.taken: Final = taken
        self.start: Final = start
        self.end: Final = end
        self.subscription: Final = subscription


@final
class Flush(Value):
    """A tick is over, and the messages sent and broadcast in it are to leave; with a `conn`, those
    to this client leave before, because they are many.

    Of the WebSockets in `unhandled` messages were delivered with which the program has not been
    called yet: a close frame of theirs is not answered before it has been.
    """

    __match_args__ = ("conn", "unhandled")
    __slots__ = __match_args__

    def __init__(self, conn: Conn | None, unhandled: frozenset[Conn] = frozenset()) -> None:
        self.conn: Final = conn
        self.unhandled: Final = unhandled


@final
class Stop(Value):
    """The server is to stop: outstanding requests are answered for up to `grace` seconds. A second
    `Stop` means at once.
    """

    __match_args__ = ("grace",)
    __slots__ = __match_args__

    def __init__(self, grace: float) -> None:
        self.grace: Final = grace


Event: TypeAlias = (
    TickStarted | TimeRead | InputRead | Accepted | DescriptorsExhausted | Received | HalfClosed
    | ConnectionLost | CloseRequested | HandlerReturned | HandlerFailed | Postponed | BodyChosen
    | BodyWanted | StreamChunk | StreamEnded | FileSent | Stalled | FanOutStalled | Writable
    | SendQueueRead | Delivered | DeliveryHeld | SendMessages | Publish | UpstreamJoined
    | UpstreamPublished | Subscribe | ReadingAllowed | WritableRequested | TimeoutRequested | Flush
    | Stop | Secured | HandshakeFailed
)  # fmt: skip


def conn_of(event: Event) -> Conn | None:
    """The connection that an event is about; None if it is about the whole server."""
    match event:
        case HandlerReturned() | HandlerFailed() | Postponed():
            return event.ticket.conn
        case StreamChunk() | StreamEnded() | FileSent() | BodyChosen() | BodyWanted():
            return event.ticket.conn
        case (
            Received()
            | HalfClosed()
            | ConnectionLost()
            | CloseRequested()
            | Stalled()
            | Writable()
            | SendQueueRead()
            | Delivered()
            | DeliveryHeld()
            | SendMessages()
            | Subscribe()
            | FanOutStalled()
            | Flush()
        ):
            return event.conn
        case ReadingAllowed() | WritableRequested() | TimeoutRequested():
            return event.conn
        case Secured() | HandshakeFailed():
            return event.conn
        case TickStarted() | TimeRead() | InputRead() | Publish() | Stop():
            return None
        case UpstreamJoined() | UpstreamPublished() | Accepted() | DescriptorsExhausted():
            return None
        case _:
            assert_never(event)
