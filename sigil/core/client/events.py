"""What a client is told: the closed sum of what can happen to it.

Theory: as in the server's core, an event states what has happened, so that a list of them is a
complete recording. The clock is told by the same two events: `TimeRead`, and `InputRead` when all
that came in time was told, and what is overdue is so.

Rules: requests have the numbers that the shell gives them, connections those that the core gives;
neither is used twice. An event for what is gone changes nothing. Whoever handles events handles
every member of `ClientEvent`.
"""

from typing import Final, TypeAlias, final

from ..events import InputRead, Segment, TimeRead
from ..value import Value
from .cookies import CookieJar
from .failures import FailureKind
from .proxies import Proxies
from .racing import Address
from .requests import OutgoingRequest


@final
class RequestMade(Value):
    """The program has made a request. `seed` is 32 random bytes, for whatever is left to chance."""

    __match_args__ = ("request", "outgoing", "seed")
    __slots__ = __match_args__

    def __init__(self, request: int, outgoing: OutgoingRequest, seed: bytes) -> None:
        self.request: Final = request
        self.outgoing: Final = outgoing
        self.seed: Final = seed


@final
class RequestAbandoned(Value):
    """Nobody wants the response any more, or the shell cannot go on with it: `kind` and `what` are
    why.
    """

    __match_args__ = ("request", "kind", "what")
    __slots__ = __match_args__

    def __init__(self, request: int, kind: FailureKind, what: str) -> None:
        self.request: Final = request
        self.kind: Final = kind
        self.what: Final = what


@final
class PieceMade(Value):
    """The next piece of the body of a request is there; empty at its end."""

    __match_args__ = ("request", "data")
    __slots__ = __match_args__

    def __init__(self, request: int, data: bytes) -> None:
        self.request: Final = request
        self.data: Final = data


@final
class ResponseWanted(Value):
    """The program wants more of a response that it takes in pieces, or no more for now."""

    __match_args__ = ("request", "is_wanted")
    __slots__ = __match_args__

    def __init__(self, request: int, is_wanted: bool) -> None:
        self.request: Final = request
        self.is_wanted: Final = is_wanted


@final
class Resolved(Value):
    """The addresses of the host of a connection are known."""

    __match_args__ = ("connection", "addresses")
    __slots__ = __match_args__

    def __init__(self, connection: int, addresses: tuple[Address, ...]) -> None:
        self.connection: Final = connection
        self.addresses: Final = addresses


@final
class ResolveFailed(Value):
    """The addresses of the host of a connection cannot be had."""

    __match_args__ = ("connection", "error")
    __slots__ = __match_args__

    def __init__(self, connection: int, error: str) -> None:
        self.connection: Final = connection
        self.error: Final = error


@final
class Connected(Value):
    """An attempt has connected; `attempt` is the place of its address."""

    __match_args__ = ("connection", "attempt")
    __slots__ = __match_args__

    def __init__(self, connection: int, attempt: int) -> None:
        self.connection: Final = connection
        self.attempt: Final = attempt


@final
class ConnectFailed(Value):
    """An attempt to connect has failed."""

    __match_args__ = ("connection", "attempt", "error")
    __slots__ = __match_args__

    def __init__(self, connection: int, attempt: int, error: str) -> None:
        self.connection: Final = connection
        self.attempt: Final = attempt
        self.error: Final = error


@final
class HandshakeDone(Value):
    """A connection is secured."""

    __match_args__ = ("connection",)
    __slots__ = __match_args__

    def __init__(self, connection: int) -> None:
        self.connection: Final = connection


@final
class HandshakeFailed(Value):
    """A connection could not be secured; `is_certificate` if the certificate is the reason."""

    __match_args__ = ("connection", "error", "is_certificate")
    __slots__ = __match_args__

    def __init__(self, connection: int, error: str, is_certificate: bool) -> None:
        self.connection: Final = connection
        self.error: Final = error
        self.is_certificate: Final = is_certificate


@final
class DataReceived(Value):
    """Bytes were received; never empty."""

    __match_args__ = ("connection", "data")
    __slots__ = __match_args__

    def __init__(self, connection: int, data: bytes) -> None:
        self.connection: Final = connection
        self.data: Final = data


@final
class EndReceived(Value):
    """The other end will send no more; `is_truncated` if TLS does not vouch for that."""

    __match_args__ = ("connection", "is_truncated")
    __slots__ = __match_args__

    def __init__(self, connection: int, is_truncated: bool = False) -> None:
        self.connection: Final = connection
        self.is_truncated: Final = is_truncated


@final
class ConnectionBroken(Value):
    """A connection is gone: `error` is what the operating system, or TLS, calls it."""

    __match_args__ = ("connection", "error")
    __slots__ = __match_args__

    def __init__(self, connection: int, error: str) -> None:
        self.connection: Final = connection
        self.error: Final = error


@final
class ConnectionStale(Value):
    """A connection that was idle has ended, or something came that nobody had asked for, before its
    next request was sent; none of that was.
    """

    __match_args__ = ("connection",)
    __slots__ = __match_args__

    def __init__(self, connection: int) -> None:
        self.connection: Final = connection


@final
class SendBlocked(Value):
    """The kernel has not taken all that was sent, or has taken more of what it had not: the shell
    holds the rest.
    """

    __match_args__ = ("connection",)
    __slots__ = __match_args__

    def __init__(self, connection: int) -> None:
        self.connection: Final = connection


@final
class SendDrained(Value):
    """The kernel has taken all that was sent, and had not at first."""

    __match_args__ = ("connection",)
    __slots__ = __match_args__

    def __init__(self, connection: int) -> None:
        self.connection: Final = connection


@final
class DataOrdered(Value):
    """The protocol that has a connection sends bytes."""

    __match_args__ = ("connection", "segments")
    __slots__ = __match_args__

    def __init__(self, connection: int, segments: tuple[Segment, ...]) -> None:
        self.connection: Final = connection
        self.segments: Final = segments


@final
class ReadingOrdered(Value):
    """The protocol that has a connection wants it read, or not."""

    __match_args__ = ("connection", "is_wanted")
    __slots__ = __match_args__

    def __init__(self, connection: int, is_wanted: bool) -> None:
        self.connection: Final = connection
        self.is_wanted: Final = is_wanted


@final
class DeadlineOrdered(Value):
    """The protocol that has a connection is to be called at a time (`inf`: at none)."""

    __match_args__ = ("connection", "at")
    __slots__ = __match_args__

    def __init__(self, connection: int, at: float) -> None:
        self.connection: Final = connection
        self.at: Final = at


@final
class CloseOrdered(Value):
    """The protocol that has a connection closes it."""

    __match_args__ = ("connection",)
    __slots__ = __match_args__

    def __init__(self, connection: int) -> None:
        self.connection: Final = connection


@final
class ProxiesChanged(Value):
    """Other proxies are used for the requests that are made from now on."""

    __match_args__ = ("proxies",)
    __slots__ = __match_args__

    def __init__(self, proxies: Proxies) -> None:
        self.proxies: Final = proxies


@final
class CookiesChanged(Value):
    """The program has put other cookies into the jar."""

    __match_args__ = ("jar",)
    __slots__ = __match_args__

    def __init__(self, jar: CookieJar) -> None:
        self.jar: Final = jar


@final
class ClientClosed(Value):
    """The program has closed its client: all that is under way ends, for the reason `what`."""

    __match_args__ = ("what",)
    __slots__ = __match_args__

    def __init__(self, what: str) -> None:
        self.what: Final = what


ClientEvent: TypeAlias = (
    TimeRead
    | InputRead
    | RequestMade
    | RequestAbandoned
    | PieceMade
    | ResponseWanted
    | Resolved
    | ResolveFailed
    | Connected
    | ConnectFailed
    | HandshakeDone
    | HandshakeFailed
    | DataReceived
    | EndReceived
    | ConnectionBroken
    | ConnectionStale
    | SendBlocked
    | SendDrained
    | DataOrdered
    | ReadingOrdered
    | DeadlineOrdered
    | CloseOrdered
    | ProxiesChanged
    | CookiesChanged
    | ClientClosed
)
