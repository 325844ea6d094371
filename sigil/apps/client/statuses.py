"""The exit status of a client: which kind of failure it was, with the numbers that curl has.

Rules: 0 is success. What has a kind of its own for scripts has a number of its own; the most
special class counts. It does not print.
"""

from sigil.client import (
    CertificateError,
    ClientError,
    ClientTimeout,
    ConnectError,
    ConnectionClosed,
    DecodingError,
    HttpStatusError,
    ProtocolError,
    ProxyError,
    ResolveError,
    ResponseTooLarge,
    TlsError,
    TooManyRedirects,
)

USAGE_STATUS, URL_STATUS, HTTP_STATUS, INTERRUPT_STATUS = 2, 3, 22, 130

STATUSES: tuple[tuple[type[BaseException], int], ...] = (
    (ClientTimeout, 28),
    (ResolveError, 6),
    (ProxyError, 5),
    (CertificateError, 60),
    (TlsError, 35),
    (ConnectError, 7),
    (HttpStatusError, HTTP_STATUS),
    (TooManyRedirects, 47),
    (DecodingError, 61),
    (ResponseTooLarge, 63),
    (ProtocolError, 8),
    (ConnectionClosed, 52),
    (ClientError, 56),
    (ValueError, URL_STATUS),
)
"""The first row that fits counts."""


def status_of(error: BaseException) -> int:
    """The exit status for what has failed; 1 for what has no row."""
    return next((status for kind, status in STATUSES if isinstance(error, kind)), 1)
