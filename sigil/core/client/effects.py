"""What a client orders: the closed sum of what it does to the world and to its program.

Theory: as in the server's core, a transition does not act. Effects are performed in order; what
comes of them is reported by events.

Rules: `SendData` is not reported if the kernel takes all of it; anything less is, by `SendBlocked`
and later `SendDrained`, or by `ConnectionBroken`. An effect for what is gone does nothing. Whoever
performs effects handles every member of `ClientEffect`.
"""

from typing import Final, TypeAlias, final

from ..events import Segment
from ..value import Value
from .failures import Failure
from .racing import Address
from .responses import ResponseHead
from .uri import Uri


@final
class Resolve(Value):
    """Find the addresses of a host; report `Resolved` or `ResolveFailed`."""

    __match_args__ = ("connection", "host", "port")
    __slots__ = __match_args__

    def __init__(self, connection: int, host: str, port: int) -> None:
        self.connection: Final = connection
        self.host: Final = host
        self.port: Final = port


@final
class Connect(Value):
    """Begin to connect to an address; report `Connected` or `ConnectFailed`."""

    __match_args__ = ("connection", "attempt", "address")
    __slots__ = __match_args__

    def __init__(self, connection: int, attempt: int, address: Address) -> None:
        self.connection: Final = connection
        self.attempt: Final = attempt
        self.address: Final = address


@final
class UseAttempt(Value):
    """This attempt, which has connected, is the connection; the others are given up."""

    __match_args__ = ("connection", "attempt")
    __slots__ = __match_args__

    def __init__(self, connection: int, attempt: int) -> None:
        self.connection: Final = connection
        self.attempt: Final = attempt


@final
class StartTls(Value):
    """Begin the handshake with the server, or the proxy, of this name, within what there is of TLS
    already; report `HandshakeDone` or `HandshakeFailed`.
    """

    __match_args__ = ("connection", "server_name", "tls", "is_of_proxy")
    __slots__ = __match_args__

    def __init__(
        self, connection: int, server_name: str, tls: int, is_of_proxy: bool = False
    ) -> None:
        self.connection: Final = connection
        self.server_name: Final = server_name
        self.tls: Final = tls
        self.is_of_proxy: Final = is_of_proxy


@final
class CheckIdle(Value):
    """Look whether anything has come on a connection that was idle: report `ConnectionStale` then,
    and send nothing on it any more.
    """

    __match_args__ = ("connection",)
    __slots__ = __match_args__

    def __init__(self, connection: int) -> None:
        self.connection: Final = connection


@final
class SendData(Value):
    """Send bytes, behind those that were sent before."""

    __match_args__ = ("connection", "segments")
    __slots__ = __match_args__

    def __init__(self, connection: int, segments: tuple[Segment, ...]) -> None:
        self.connection: Final = connection
        self.segments: Final = segments


@final
class SetReading(Value):
    """Read a connection, or do not read it, from now on."""

    __match_args__ = ("connection", "is_wanted")
    __slots__ = __match_args__

    def __init__(self, connection: int, is_wanted: bool) -> None:
        self.connection: Final = connection
        self.is_wanted: Final = is_wanted


@final
class CloseConnection(Value):
    """Close a connection, or give up its making."""

    __match_args__ = ("connection",)
    __slots__ = __match_args__

    def __init__(self, connection: int) -> None:
        self.connection: Final = connection


@final
class PullBody(Value):
    """Ask the program for the next piece of the body of a request, of up to so many bytes if it can
    be asked for that; report `PieceMade`, or `RequestAbandoned` if it cannot be had. From its
    beginning, if `is_first`.
    """

    __match_args__ = ("request", "max_len", "is_first")
    __slots__ = __match_args__

    def __init__(self, request: int, max_len: int, is_first: bool) -> None:
        self.request: Final = request
        self.max_len: Final = max_len
        self.is_first: Final = is_first


@final
class GiveHead(Value):
    """Give the program the head of the final response to a request, which came by a connection.
    `uri` is what was asked in the end, `history` are the redirects that led there: what was asked,
    and how it was answered.
    """

    __match_args__ = ("request", "connection", "head", "uri", "history")
    __slots__ = __match_args__

    def __init__(
        self,
        request: int,
        connection: int,
        head: ResponseHead,
        uri: Uri,
        history: tuple[tuple[Uri, ResponseHead], ...],
    ) -> None:
        self.request: Final = request
        self.connection: Final = connection
        self.head: Final = head
        self.uri: Final = uri
        self.history: Final = history


@final
class GiveBody(Value):
    """Give the program more of the body of a response, as it was sent."""

    __match_args__ = ("request", "pieces")
    __slots__ = __match_args__

    def __init__(self, request: int, pieces: tuple[bytes, ...]) -> None:
        self.request: Final = request
        self.pieces: Final = pieces


@final
class GiveEnd(Value):
    """The response to a request is complete."""

    __match_args__ = ("request",)
    __slots__ = __match_args__

    def __init__(self, request: int) -> None:
        self.request: Final = request


@final
class GiveFailure(Value):
    """A request has failed."""

    __match_args__ = ("request", "failure")
    __slots__ = __match_args__

    def __init__(self, request: int, failure: Failure) -> None:
        self.request: Final = request
        self.failure: Final = failure


@final
class HandOver(Value):
    """The connection of a request belongs to the protocol that it asked for, from `data` on."""

    __match_args__ = ("request", "connection", "head", "data")
    __slots__ = __match_args__

    def __init__(self, request: int, connection: int, head: ResponseHead, data: bytes) -> None:
        self.request: Final = request
        self.connection: Final = connection
        self.head: Final = head
        self.data: Final = data


@final
class TransferData(Value):
    """Give bytes to the protocol that has a connection."""

    __match_args__ = ("connection", "data")
    __slots__ = __match_args__

    def __init__(self, connection: int, data: bytes) -> None:
        self.connection: Final = connection
        self.data: Final = data


@final
class TransferBlocked(Value):
    """The kernel has not taken all that the protocol of a connection has sent."""

    __match_args__ = ("connection",)
    __slots__ = __match_args__

    def __init__(self, connection: int) -> None:
        self.connection: Final = connection


@final
class TransferDrained(Value):
    """The kernel has taken all that the protocol of a connection has sent."""

    __match_args__ = ("connection",)
    __slots__ = __match_args__

    def __init__(self, connection: int) -> None:
        self.connection: Final = connection


@final
class TransferDue(Value):
    """The deadline of the protocol that has a connection has passed."""

    __match_args__ = ("connection",)
    __slots__ = __match_args__

    def __init__(self, connection: int) -> None:
        self.connection: Final = connection


@final
class TransferEnded(Value):
    """The connection of a protocol has ended: with a failure, or as it should."""

    __match_args__ = ("connection", "failure")
    __slots__ = __match_args__

    def __init__(self, connection: int, failure: Failure | None) -> None:
        self.connection: Final = connection
        self.failure: Final = failure


ClientEffect: TypeAlias = (
    Resolve
    | Connect
    | UseAttempt
    | StartTls
    | CheckIdle
    | SendData
    | SetReading
    | CloseConnection
    | PullBody
    | GiveHead
    | GiveBody
    | GiveEnd
    | GiveFailure
    | HandOver
    | TransferData
    | TransferBlocked
    | TransferDrained
    | TransferDue
    | TransferEnded
)
