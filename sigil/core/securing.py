"""What is ordered and reported of TLS: one effect, and two events.

Theory: keys and records are the shell's, and what the core has to know is three things: from where
on a connection is TLS, that its handshake is over and what that has settled, or why it failed.
Whatever comes before and after are bytes as on any connection.

Rules: they are members of `Effect` and `Event`. A connection has one handshake, so each is there
once at most. It does not know what TLS is.
"""

from typing import Final, final

from .conn import Conn
from .tls import Tls
from .value import Value


@final
class StartTls(Value):
    """Go on with `conn` over TLS, as its server; `data` was read of it and belongs to that."""

    __match_args__ = ("conn", "data")
    __slots__ = __match_args__

    def __init__(self, conn: Conn, data: bytes) -> None:
        self.conn: Final = conn
        self.data: Final = data


@final
class Secured(Value):
    """The handshake of `conn` is over, and `tls` is what it has settled."""

    __match_args__ = ("conn", "tls")
    __slots__ = __match_args__

    def __init__(self, conn: Conn, tls: Tls) -> None:
        self.conn: Final = conn
        self.tls: Final = tls


@final
class HandshakeFailed(Value):
    """The handshake of `conn` has failed: `problem` says why, in words for a log. The other end was
    told, as far as TLS has a code for it, unless it has not begun one: `first_bytes` are those that
    came in the place of it, else there are none.
    """

    __match_args__ = ("conn", "problem", "first_bytes")
    __slots__ = __match_args__

    def __init__(self, conn: Conn, problem: str, first_bytes: bytes = b"") -> None:
        self.conn: Final = conn
        self.problem: Final = problem
        self.first_bytes: Final = first_bytes
