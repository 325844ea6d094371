"""What the core orders: the closed sum of what a server does to the world.

Theory: a transition does not act, it returns effects. So a test can read them, a recording can
compare them, and the shell that performs them stays small and decides nothing.

Rules: effects are performed in order. `Send` carries its continuation: complete success is not
reported, anything less is, by `Stalled` or `ConnectionLost`. An effect for a connection that is
gone does nothing. Whoever performs effects handles every member of `Effect`.
"""

from enum import IntEnum
from typing import NamedTuple, TypeAlias

from pyrsistent import PSet

from .broadcast.entry import Subscription
from .close_reasons import CloseReason
from .conn import Conn, Peer, Ticket
from .events import Segment
from .http.request import Request
from .websocket.messages import CompressedMessage, Message


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


class Adopt(NamedTuple):
    """The accepted connection `socket_id` (see `Accepted`) is named `conn` from now on."""

    conn: Conn
    socket_id: int


class Reject(NamedTuple):
    """The accepted connection `socket_id` is sent as much of `data` as the kernel takes, and
    closed.
    """

    socket_id: int
    data: bytes


class CallOpen(NamedTuple):
    """Call `Callbacks.open`: `conn` is open."""

    conn: Conn


class CallClose(NamedTuple):
    """Call `Callbacks.close`: `conn` is closed, for `reason`."""

    conn: Conn
    reason: CloseReason


class Handle(NamedTuple):
    """Call the handler with each of `requests`, which were received together; `ticket` names the
    first, and the numbers of the others follow. The responses come back by `HandlerReturned`.
    """

    ticket: Ticket
    requests: tuple[Request, ...]


class CallWsOpen(NamedTuple):
    """Call `Callbacks.ws_open`: `request` has turned `conn` into a WebSocket. Then report
    `Delivered`.
    """

    conn: Conn
    request: Request


class Deliver(NamedTuple):
    """Call `Callbacks.ws_message` for each of these messages, which were received together: text as
    str, binary as bytes. Then report `Delivered`.
    """

    conn: Conn
    messages: tuple[str | bytes, ...]


class DeliverCompressed(NamedTuple):
    """Call `Callbacks.ws_message` for each of these messages, some of which are compressed: one is
    decompressed when those before it have been handled, and no sooner. Then report `Delivered`,
    with an error for a message that cannot be decompressed.
    """

    conn: Conn
    messages: tuple[Message | CompressedMessage, ...]


class CallWsClose(NamedTuple):
    """Call `Callbacks.ws_close`: the WebSocket `conn` is closed, for `reason`, with close code
    `code`.
    """

    conn: Conn
    reason: CloseReason
    code: int


class Pull(NamedTuple):
    """Ask the streamed body of the response to `ticket` for its next chunk."""

    ticket: Ticket


class CloseBody(NamedTuple):
    """Close the streamed body of the response to `ticket`, or cancel what is to make the response:
    no more of it is needed.
    """

    ticket: Ticket


class Send(NamedTuple):
    """Send the segments to `conn` in order; when all are taken, do `then`."""

    conn: Conn
    segments: tuple[Segment, ...]
    then: Then


class FanOut(NamedTuple):
    """Send `data` to all `members` of a cohort, who have the same `subscription`: the frames of the
    broadcast from number `start` up to, not including, `end`.

    A member that takes all of it is not reported; each of the others is, by `FanOutStalled`.
    """

    subscription: Subscription
    members: PSet[Conn]
    data: bytes
    start: int
    end: int


class Watch(NamedTuple):
    """Report from now on when `conn` is readable, writable, both or neither, as `interest` says."""

    conn: Conn
    interest: Interest


class Drop(NamedTuple):
    """Close the socket of `conn` at once, and everything that works for the connection."""

    conn: Conn


SERVER_LOG = "sigil.server"
"""The logger of what happens to the server and its connections."""
ERROR_LOG = "sigil.error"
"""The logger of what went wrong in the program's own code, with tracebacks."""
ACCESS_LOG = "sigil.access"
"""The logger of responses: one line for each `AccessLog`."""


class LogLevel(IntEnum):
    """How serious a log line is; the numbers are those of the logging module."""

    INFO = 20
    WARNING = 30
    ERROR = 40


class Log(NamedTuple):
    """Write the line `text` to the logger named `logger` at `level`, one of `LogLevel`."""

    logger: str
    level: int
    text: str


class AccessLog(NamedTuple):
    """Write the line of one response to the access log: `version` is the minor version of HTTP/1,
    `length` the length of the body in bytes, -1 if it is streamed.

    `since` is when the request was complete, or the response before it was sent if that was later,
    on the server's clock: how long the response took is known to whoever writes the line.
    """

    peer: Peer
    method: str
    target: str
    version: int
    status: int
    length: int
    since: float = 0.0


Effect: TypeAlias = (
    Adopt
    | Reject
    | CallOpen
    | CallClose
    | CallWsOpen
    | Deliver
    | DeliverCompressed
    | CallWsClose
    | Handle
    | Pull
    | CloseBody
    | Send
    | FanOut
    | Watch
    | Drop
    | Log
    | AccessLog
)
