"""The orders that the core gives: the closed sum of what a server does to the world.

Theory: a transition does not act, it returns what is to be done. So a test can read the orders, a
recording can compare them, and the shell that carries them out stays small and has no opinion.

Rules: orders are carried out in sequence. `Send` carries its continuation: complete success is
silent, anything less comes back as `Stalled` or `ConnectionLost`. An order for a connection that is
gone does nothing.
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
    """What follows when all bytes of a `Send` are taken."""

    KEEP = 0
    """The connection goes on."""
    SHUT = 1
    """Our side is shut; the other side may still send and be read."""
    DROP = 2
    """The connection is closed, and also if not all bytes could be sent at once: nobody waits for
    it.
    """


class Interest(IntEnum):
    """What a connection is watched for."""

    NOTHING = 0
    READ = 1
    WRITE = 2
    BOTH = 3


class Adopt(NamedTuple):
    """The connection at `socket_id` is `conn` from now on."""

    conn: Conn
    socket_id: int


class Reject(NamedTuple):
    """The connection at `socket_id` is sent `data`, as far as it takes it, and closed."""

    socket_id: int
    data: bytes


class CallOpen(NamedTuple):
    """Tell user code that `conn` is open."""

    conn: Conn


class CallClose(NamedTuple):
    """Tell user code that `conn` is gone, and why."""

    conn: Conn
    reason: CloseReason


class Handle(NamedTuple):
    """Call the handler with each of `requests`, which came together; `ticket` names the first, the
    others follow.
    """

    ticket: Ticket
    requests: tuple[Request, ...]


class CallWsOpen(NamedTuple):
    """Tell user code that `conn` has become a WebSocket, by this request; then report `Delivered`."""

    conn: Conn
    request: Request


class Deliver(NamedTuple):
    """Give user code these messages, which came together: text as str, binary as bytes; then report
    `Delivered`.
    """

    conn: Conn
    messages: tuple[str | bytes, ...]


class DeliverCompressed(NamedTuple):
    """The same for messages of which some are compressed: each is to be inflated when its turn
    comes, and no sooner.

    What cannot be is reported by `Delivered`, with the flaw.
    """

    conn: Conn
    messages: tuple[Message | CompressedMessage, ...]


class CallWsClose(NamedTuple):
    """Tell user code that the WebSocket `conn` has ended, why, and with which close code."""

    conn: Conn
    reason: CloseReason
    code: int


class Pull(NamedTuple):
    """Ask the stream of `ticket` for its next piece."""

    ticket: Ticket


class CloseBody(NamedTuple):
    """The stream of `ticket` will not be asked any more: close it."""

    ticket: Ticket


class Send(NamedTuple):
    """Send the segments in order, then do what `then` says."""

    conn: Conn
    segments: tuple[Segment, ...]
    then: Then


class FanOut(NamedTuple):
    """Send `data`, the frames of the stream from number `start` up to `end`, to all of `members`,
    who hear it so.

    Who takes all of it is not reported; the others are, each by `FanOutStalled`.
    """

    subscription: Subscription
    members: PSet[Conn]
    data: bytes
    start: int
    end: int


class Watch(NamedTuple):
    """Report from now on when `conn` can be read, written, both or neither."""

    conn: Conn
    interest: Interest


class Drop(NamedTuple):
    """Close `conn` at once, with everything that belongs to it."""

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
    """A request was answered, for the access log: `body_length` is the body's in bytes, -1 if it
    was streamed.
    """

    peer: Peer
    method: str
    target: str
    version: int
    status: int
    length: int


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
