"""What a program's request may raise: one exception for each kind of failure.

Theory: a program that makes a request wants to know what to do about a failure: look at the URL,
try again later, ask for a certificate. So there is a class for each of these, below one for all of
them, in the words of the field; the sentence has the method, the URL and the phase.

Rules: every failure of the core has its class (`ERRORS`). All are `OSError`, as whoever catches
what a socket raises expects; timeouts are `TimeoutError` as well. No sentence has credentials. What
is wrong with the arguments of a call is a ValueError or TypeError, raised by the call.
"""

from ...core.client.failures import Failure, FailureKind


class ClientError(OSError):
    """A request has failed."""

    def __init__(self, message: str) -> None:
        super().__init__(message)


class ConnectError(ClientError):
    """No address of the host accepted a connection."""


class ResolveError(ConnectError):
    """The host has no address, or nobody can tell."""


class TlsError(ConnectError):
    """The connection could not be secured."""


class CertificateError(TlsError):
    """The server's certificate is not to be trusted for this host."""


class ProxyError(ConnectError):
    """The proxy did not make the connection."""


class ClientTimeout(ClientError, TimeoutError):
    """Something took longer than is allowed."""


class ConnectTimeout(ClientTimeout, ConnectError):
    """No connection came about in time."""


class WriteTimeout(ClientTimeout):
    """The server did not take the request in time."""


class ReadTimeout(ClientTimeout):
    """The response did not begin, or go on, in time."""


class RequestTimeout(ClientTimeout):
    """All of it took longer than is allowed."""


class ConnectionClosed(ClientError, ConnectionError):
    """The connection ended before the response did."""


class ProtocolError(ClientError):
    """What came back is no response of HTTP, or one that cannot be trusted."""


class ResponseTooLarge(ProtocolError):
    """The response is longer than is allowed."""


class DecodingError(ProtocolError):
    """The body is not in the coding that the response says it is in."""


class RedirectError(ClientError):
    """A redirect cannot be followed, or is not to be."""


class TooManyRedirects(RedirectError):
    """There were more redirects than are allowed."""


class RequestBodyError(ClientError):
    """The body of the request could not be made, or not a second time."""


class TooManyRequests(ClientError):
    """More requests wait than are allowed."""


class RequestCancelled(ClientError):
    """Nobody waits for the response any more."""


class ClientClosedError(ClientError):
    """The client was closed."""


class HttpStatusError(ClientError):
    """The response has a status that is no success; raised by `raise_for_status`."""

    status: int = 0


ERRORS: dict[FailureKind, type[ClientError]] = {
    FailureKind.RESOLVE: ResolveError,
    FailureKind.CONNECT: ConnectError,
    FailureKind.CONNECT_TIMEOUT: ConnectTimeout,
    FailureKind.TLS: TlsError,
    FailureKind.CERTIFICATE: CertificateError,
    FailureKind.PROXY: ProxyError,
    FailureKind.CLOSED: ConnectionClosed,
    FailureKind.WRITE_TIMEOUT: WriteTimeout,
    FailureKind.READ_TIMEOUT: ReadTimeout,
    FailureKind.WHOLE_TIMEOUT: RequestTimeout,
    FailureKind.PROTOCOL: ProtocolError,
    FailureKind.TOO_LARGE: ResponseTooLarge,
    FailureKind.DECODING: DecodingError,
    FailureKind.TOO_MANY_REDIRECTS: TooManyRedirects,
    FailureKind.REDIRECT: RedirectError,
    FailureKind.BODY: RequestBodyError,
    FailureKind.QUEUE_FULL: TooManyRequests,
    FailureKind.CANCELLED: RequestCancelled,
    FailureKind.CLIENT_CLOSED: ClientClosedError,
}
"""The exception for each kind of failure."""


def error_of(failure: Failure) -> ClientError:
    """The exception for a failure."""
    return ERRORS[failure.kind](failure.message)
