"""What the core orders: the closed sum of what a server does to the world.

Theory: a transition does not act, it returns effects. So a test can read them, a recording can
compare them, and the shell that performs them stays small and decides nothing.

Rules: effects are performed in order. `Send` carries its continuation: complete success is not
reported, anything less is, by `Stalled` or `ConnectionLost`. An effect for a connection that is
gone does nothing. Whoever performs effects handles every member of `Effect`.
"""

from enum import IntEnum
from typing import Final, TypeAlias, final

from pyrsistent import PSet

from .broadcast.entry import Subscription
from .close_reasons import CloseReason
from .conn import Conn, Peer, Ticket
from .control import CallWritable, CallWsPong
from .events import Segment
from .http.request import Request
from .securing import StartTls
from .value import Value
from .websocket.fragments import AnyMessage


class Then(IntEnum):
    """What is done to the connection when the kernel has taken all bytes of a `Send`."""

    KEEP = 0
    """Nothing: it stays open."""
    SHUT = 1
    """Our side is shut down; the peer may still send, and is still read."""
    DROP = 2
    """It is closed, at once even if the kernel takes only a part of the bytes."""


class Interest(IntEnum):
    """What a connection is watched for, as a bit set."""

    NOTHING = 0
    READ = 1
    WRITE = 2
    BOTH = 3


@final
class Adopt(Value):
    """The accepted connection `socket_id` (see `Accepted`) is named `conn` from now on."""

    __match_args__ = ("conn", "socket_id")
    __slots__ = __match_args__

    def __init__(self, conn: Conn, socket_id: int) -> None:
        self.conn: Final = conn
        self.socket_id: Final = socket_id


@final
class Reject(Value):
    """The accepted connection `socket_id` is sent as much of `data` as the kernel takes, and
    closed.
    """

    __match_args__ = ("socket_id", "data")
    __slots__ = __match_args__

    def __init__(self, socket_id: int, data: bytes) -> None:
        self.socket_id: Final = socket_id
        self.data: Final = data


@final
class CallOpen(Value):
    """Call `Callbacks.open`: `conn` is open."""

    __match_args__ = ("conn",)
    __slots__ = __match_args__

    def __init__(self, conn: Conn) -> None:
        self.conn: Final = conn


@final
class CallClose(Value):
    """Call `Callbacks.close`: `conn` is closed, for `reason`."""

    __match_args__ = ("conn", "reason")
    __slots__ = __match_args__

    def __init__(self, conn: Conn, reason: CloseReason) -> None:
        self.conn: Final = conn
        self.reason: Final = reason


@final
class Handle(Value):
    """Call the handler with each of `requests`, which were received together; `ticket` names the
    first, and the numbers of the others follow. The responses come back by `HandlerReturned`.
    """

    __match_args__ = ("ticket", "requests")
    __slots__ = __match_args__

    def __init__(self, ticket: Ticket, requests: tuple[Request, ...]) -> None:
        self.ticket: Final = ticket
        self.requests: Final = requests


@final
class AskBody(Value):
    """Ask the program how it wants the body of `request`, which comes without it, and report
    `BodyChosen`; or, if it answers the request right away, `HandlerReturned`.
    """

    __match_args__ = ("ticket", "request")
    __slots__ = __match_args__

    def __init__(self, ticket: Ticket, request: Request) -> None:
        self.ticket: Final = ticket
        self.request: Final = request


@final
class HandlePieces(Value):
    """Call the handler with `request`, whose body comes in pieces. Each that it wants is reported
    by `BodyWanted`, and what it returns by `HandlerReturned`.
    """

    __match_args__ = ("ticket", "request")
    __slots__ = __match_args__

    def __init__(self, ticket: Ticket, request: Request) -> None:
        self.ticket: Final = ticket
        self.request: Final = request


@final
class BodyPiece(Value):
    """Give the program the piece of a body that it waits for; nothing comes behind the last one,
    which may be empty.
    """

    __match_args__ = ("ticket", "data", "is_last")
    __slots__ = __match_args__

    def __init__(self, ticket: Ticket, data: bytes, is_last: bool) -> None:
        self.ticket: Final = ticket
        self.data: Final = data
        self.is_last: Final = is_last


@final
class CallWsOpen(Value):
    """Call `Callbacks.ws_open`: `request` has turned `conn` into a WebSocket. Then report
    `Delivered`.
    """

    __match_args__ = ("conn", "request")
    __slots__ = __match_args__

    def __init__(self, conn: Conn, request: Request) -> None:
        self.conn: Final = conn
        self.request: Final = request


@final
class Deliver(Value):
    """Call `Callbacks.ws_message` for each of these messages, which were received together: text as
    str, binary as bytes. Then report `Delivered`.
    """

    __match_args__ = ("conn", "messages")
    __slots__ = __match_args__

    def __init__(self, conn: Conn, messages: tuple[str | bytes, ...]) -> None:
        self.conn: Final = conn
        self.messages: Final = messages


@final
class DeliverCompressed(Value):
    """Call `Callbacks.ws_message` for each of these messages, some of which are compressed, or
    `ws_fragment` for pieces of one: it is decompressed when those before it have been handled, and
    no sooner. Then report `Delivered`, with an error for one that cannot be decompressed.
    """

    __match_args__ = ("conn", "messages")
    __slots__ = __match_args__

    def __init__(self, conn: Conn, messages: tuple[AnyMessage, ...]) -> None:
        self.conn: Final = conn
        self.messages: Final = messages


@final
class CallWsClose(Value):
    """Call `Callbacks.ws_close`: the WebSocket `conn` is closed, for `reason`, with close code
    `code`; `text` is the reason in the peer's close frame.
    """

    __match_args__ = ("conn", "reason", "code", "text")
    __slots__ = __match_args__

    def __init__(self, conn: Conn, reason: CloseReason, code: int, text: str = "") -> None:
        self.conn: Final = conn
        self.reason: Final = reason
        self.code: Final = code
        self.text: Final = text


@final
class CallWsDrain(Value):
    """Call `Callbacks.ws_drain`: the WebSocket `conn` was behind with reading, and has taken all
    that it was sent.
    """

    __match_args__ = ("conn",)
    __slots__ = __match_args__

    def __init__(self, conn: Conn) -> None:
        self.conn: Final = conn


@final
class CallSseOpen(Value):
    """Call `Callbacks.sse_open`: the response to `request` has made `conn` an event stream of what
    is broadcast.
    """

    __match_args__ = ("conn", "request")
    __slots__ = __match_args__

    def __init__(self, conn: Conn, request: Request) -> None:
        self.conn: Final = conn
        self.request: Final = request


@final
class CallSseClose(Value):
    """Call `Callbacks.sse_close`: the event stream `conn` has ended, for `reason`."""

    __match_args__ = ("conn", "reason")
    __slots__ = __match_args__

    def __init__(self, conn: Conn, reason: CloseReason) -> None:
        self.conn: Final = conn
        self.reason: Final = reason


@final
class Pull(Value):
    """Ask the streamed body of the response to `ticket` for its next chunk."""

    __match_args__ = ("ticket",)
    __slots__ = __match_args__

    def __init__(self, ticket: Ticket) -> None:
        self.ticket: Final = ticket


@final
class SendFile(Value):
    """Send up to `max_len` bytes of what is left of the file that is the body of the response to
    `ticket`, as many as the kernel takes. Then report `FileSent`.
    """

    __match_args__ = ("ticket", "max_len")
    __slots__ = __match_args__

    def __init__(self, ticket: Ticket, max_len: int) -> None:
        self.ticket: Final = ticket
        self.max_len: Final = max_len


@final
class CloseBody(Value):
    """Close the streamed body, or the file, of the response to `ticket`, or cancel what is to make
    the response: no more of it is needed.
    """

    __match_args__ = ("ticket",)
    __slots__ = __match_args__

    def __init__(self, ticket: Ticket) -> None:
        self.ticket: Final = ticket


@final
class Send(Value):
    """Send the segments to `conn` in order; when all are taken, do `then`."""

    __match_args__ = ("conn", "segments", "then")
    __slots__ = __match_args__

    def __init__(self, conn: Conn, segments: tuple[Segment, ...], then: Then) -> None:
        self.conn: Final = conn
        self.segments: Final = segments
        self.then: Final = then


@final
class FanOut(Value):
    """Send `data` to all `members` of a cohort, who have the same `subscription`: the frames of the
    broadcast from number `start` up to, not including, `end`.

    A member that takes all of it is not reported; each of the others is, by `FanOutStalled`.
    """

    __match_args__ = ("subscription", "members", "data", "start", "end")
    __slots__ = __match_args__

    def __init__(
        self, subscription: Subscription, members: PSet[Conn], data: bytes, start: int, end: int
    ) -> None:
        self.subscription: Final = subscription
        self.members: Final = members
        self.data: Final = data
        self.start: Final = start
        self.end: Final = end


@final
class Watch(Value):
    """Report from now on when `conn` is readable, writable, both or neither, as `interest` says."""

    __match_args__ = ("conn", "interest")
    __slots__ = __match_args__

    def __init__(self, conn: Conn, interest: Interest) -> None:
        self.conn: Final = conn
        self.interest: Final = interest


@final
class LimitUnsent(Value):
    """Let the kernel hold no more unsent bytes for `conn` from now on than
    `Limits.tcp_notsent_lowat`: what is sent to it is live, and is not to wait behind what is old.
    """

    __match_args__ = ("conn",)
    __slots__ = __match_args__

    def __init__(self, conn: Conn) -> None:
        self.conn: Final = conn


@final
class ReadSendQueue(Value):
    """Report by `SendQueueRead` how many bytes the kernel still holds for `conn`."""

    __match_args__ = ("conn",)
    __slots__ = __match_args__

    def __init__(self, conn: Conn) -> None:
        self.conn: Final = conn


@final
class Drop(Value):
    """Close the socket of `conn` at once, and everything that works for the connection. Over TLS
    the end is said (close_notify) if it `is_complete`: nothing that had begun is cut off by it.
    """

    __match_args__ = ("conn", "is_complete")
    __slots__ = __match_args__

    def __init__(self, conn: Conn, is_complete: bool = False) -> None:
        self.conn: Final = conn
        self.is_complete: Final = is_complete


SERVER_LOG: Final = "sigil.server"
"""The logger of what happens to the server and its connections."""
ERROR_LOG: Final = "sigil.error"
"""The logger of what went wrong in the program's own code, with tracebacks."""
ACCESS_LOG: Final = "sigil.access"
"""The logger of responses: one line for each `AccessLog`."""


class LogLevel(IntEnum):
    """How serious a log line is; the numbers are those of the logging module."""

    INFO = 20
    WARNING = 30
    ERROR = 40


@final
class Log(Value):
    """Write the line `text` to the logger named `logger` at `level`, one of `LogLevel`."""

    __match_args__ = ("logger", "level", "text")
    __slots__ = __match_args__

    def __init__(self, logger: str, level: int, text: str) -> None:
        self.logger: Final = logger
        self.level: Final = level
        self.text: Final = text


@final
class AccessLog(Value):
    """Write the line of one response to the access log: `version` is the minor version of HTTP/1,
    `length` the length of the body in bytes, -1 if it is streamed.

    `since` is when the request was complete, or the response before it was sent if that was later,
    on the server's clock: how long the response took is known to whoever writes the line.
    """

    __match_args__ = ("peer", "method", "target", "version", "status", "length", "since")
    __slots__ = __match_args__

    def __init__(
        self,
        peer: Peer,
        method: str,
        target: str,
        version: int,
        status: int,
        length: int,
        since: float = 0.0,
    ) -> None:
        self.peer: Final = peer
        self.method: Final = method
        self.target: Final = target
        self.version: Final = version
        self.status: Final = status
        self.length: Final = length
        self.since: Final = since


Effect: TypeAlias = (
    Adopt | Reject | CallOpen | CallClose | CallWsOpen | Deliver | DeliverCompressed | CallWsClose
    | CallWsDrain | CallWsPong | CallWritable | CallSseOpen | CallSseClose | Handle | AskBody
    | HandlePieces | BodyPiece | Pull | SendFile | CloseBody | Send | FanOut | Watch | LimitUnsent
    | ReadSendQueue | Drop | Log | AccessLog | StartTls
)  # fmt: skip
