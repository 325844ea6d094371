"""What a request may fail with: a kind, and a sentence for whoever made it.

Theory: what a stranger's server does is no bug of the program, so it is an ordinary result. The
kind says what to do about it; the sentence names the phase and the URL, so that a line in a log is
enough to begin with.

Rules: a sentence has no credentials in it: a URL is shown without its user, password and fragment.
Each kind becomes one exception where a program sees it (`sigil.shell.client.errors`). It does not
know who fails.
"""

from enum import IntEnum
from typing import Final, final

from ..value import Value
from .uri import Uri


class FailureKind(IntEnum):
    """What a request failed with."""

    RESOLVE = 0
    """The host has no address, or nobody can tell."""
    CONNECT = 1
    """No address accepted a connection."""
    CONNECT_TIMEOUT = 2
    """No connection came about in time."""
    TLS = 3
    """The handshake failed, or the connection broke the rules of TLS."""
    CERTIFICATE = 4
    """The certificate is not one to be trusted for this host."""
    PROXY = 5
    """The proxy did not make the connection."""
    CLOSED = 6
    """The connection ended before the response did."""
    WRITE_TIMEOUT = 7
    READ_TIMEOUT = 8
    WHOLE_TIMEOUT = 9
    PROTOCOL = 10
    """What came back is no response of HTTP, or is framed in a way that cannot be trusted."""
    TOO_LARGE = 11
    """The response is longer than is allowed."""
    DECODING = 12
    """The body is not in the coding that the response says it is in."""
    TOO_MANY_REDIRECTS = 13
    REDIRECT = 14
    """A redirect that cannot be followed, or is not to be."""
    BODY = 15
    """The body of the request could not be made, or not a second time."""
    QUEUE_FULL = 16
    CANCELLED = 17
    CLIENT_CLOSED = 18


@final
class Failure(Value):
    """Why a request failed: its kind, and a sentence that is shown to whoever made it."""

    __match_args__ = ("kind", "message")
    __slots__ = __match_args__

    def __init__(self, kind: FailureKind, message: str) -> None:
        self.kind: Final = kind
        self.message: Final = message


def failure_of(kind: FailureKind, method: str, uri: Uri, what: str) -> Failure:
    """The failure of a request: `what` has happened, as in "GET http://host/: the server ..."."""
    return Failure(kind, f"{method} {uri.shown}: {what}")
