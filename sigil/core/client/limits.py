"""Every bound of a client, in one record, and how long it waits for what in another.

Theory: a client is at the mercy of whatever it connects to, as a server is of its clients. So
nothing that it holds, waits for or repeats is without a bound, and each has its reason beside it.

Rules: lengths are in bytes, times in seconds, counts are plain numbers; the last word of a name is
its unit. The docstring of a field ends with what happens beyond the bound. A time of None is no
bound. It does not know who enforces what.
"""

from typing import Final, NamedTuple

from ..limits import Limits
from .websocket_limits import DEFAULT_LIMITS as DEFAULT_WEBSOCKET_LIMITS
from .websocket_limits import WebSocketLimits, websocket_footprint


class Timeouts(NamedTuple):
    """How long is waited for each phase of a request, in seconds; None: as long as it takes."""

    resolve: float | None = 10.0
    """For the addresses of a host: a resolver asks several servers, several times. Beyond this the
    request fails with `ConnectTimeout`.
    """
    connect: float | None = 10.0
    """For one of the addresses to accept a connection, all attempts together. Beyond this the
    request fails with `ConnectTimeout`.
    """
    tls: float | None = 10.0
    """For the handshake of TLS, or the answer of a proxy to CONNECT. Beyond this the request fails
    with `ConnectTimeout`.
    """
    send: float | None = 30.0
    """For the other end to take any more of what is sent. Beyond this the request fails with
    `WriteTimeout`.
    """
    first_byte: float | None = 60.0
    """For the first byte of a response, from when the request was sent: a server may have to work
    for it. Beyond this the request fails with `ReadTimeout`.
    """
    between_bytes: float | None = 30.0
    """For the next bytes of a response that has begun. An event stream may be silent for longer:
    give it None. Beyond this the request fails with `ReadTimeout`.
    """
    whole: float | None = None
    """For all of it, waiting for a connection, redirects and retries included. Beyond this the
    request fails with `RequestTimeout`.
    """


class ClientLimits(NamedTuple):
    """All bounds of a client. Replace what you need: `ClientLimits(max_response_len=2**20)`."""

    max_connections: int = 256
    """Connections open at once, to whatever host, WebSockets included: each costs a descriptor, of
    which a process often has 1,024. Beyond this requests wait.
    """
    max_connections_per_origin: int = 16
    """Connections open at once to one origin: more than that are no faster, and a server may take
    them for an attack. Beyond this requests wait.
    """
    max_waiting_requests: int = 10_000
    """Requests that wait for a connection, or for their next attempt: whoever makes more than are
    answered is to notice. Beyond this a request fails with `TooManyRequests`.
    """
    idle_timeout: float = 15.0
    """Seconds for which a connection is kept for the next request: shorter than most servers keep
    theirs, so that requests are not sent into a connection that is just being closed. It is closed
    then.
    """
    max_idle_connections: int = 64
    """Connections that are kept for later requests, to all origins together. Beyond this the one
    that has been idle longest is closed.
    """

    max_response_header_len: int = 65_536
    """Bytes of the head of a response, status line and field lines together: enough for large
    cookies. Beyond this the request fails with `ProtocolError`.
    """
    max_response_headers: int = 256
    """Field lines of one response; each costs more memory than its bytes. Beyond this the request
    fails with `ProtocolError`.
    """
    max_informational_responses: int = 16
    """Responses 1xx before the final one: a server may send progress, and not for ever. Beyond this
    the request fails with `ProtocolError`.
    """
    max_response_len: int = 64 * 2**20
    """Bytes of the decoded body of a response that is held whole. Who takes it in pieces
    (`stream=True`, `on_body`) has no such bound. Beyond this the request fails with
    `ResponseTooLarge`.
    """
    max_drained_len: int = 65_536
    """Bytes of a body that nobody wants, such as that of a redirect, that are read so that its
    connection can be used again. Beyond this it is closed instead.
    """
    max_unread_len: int = 262_144
    """Bytes of a streamed response that the program has not taken. From there on the connection is
    not read, until it takes some.
    """
    max_chunk_line_len: int = 1_024
    """Bytes of one chunk-size line with its extensions. Beyond this the request fails with
    `ProtocolError`.
    """
    max_chunk_extension_len: int = 16_384
    """Bytes of all chunk extensions of one body. Beyond this the request fails with
    `ProtocolError`.
    """
    max_trailer_len: int = 8_192
    """Bytes of the trailer section of a body, which is checked and dropped. Beyond this the request
    fails with `ProtocolError`.
    """

    max_redirects: int = 10
    """Redirects of one request; browsers follow 20, and who needs more than a few has lost the way.
    Beyond this it fails with `TooManyRedirects`.
    """
    max_retries: int = 2
    """Attempts behind the first, for what is idempotent and was not answered. Beyond this it fails
    with what the last one failed with.
    """
    retry_base: float = 0.1
    """Seconds before the first retry, at most; each further one may take twice as long. The wait is
    random from 0 on, so that clients that failed together do not come back together.
    """
    max_retry_delay: float = 30.0
    """Seconds before a retry, at most, also if Retry-After asks for longer: the response is given
    to the program then.
    """

    max_cookies: int = 1_000
    """Cookies of a client; beyond this those that were not used for longest are forgotten."""
    max_cookies_per_domain: int = 50
    """Cookies that one domain may set, as RFC 6265 asks for at least; beyond this its oldest are
    forgotten.
    """
    max_cookie_len: int = 4_096
    """Bytes of the name and value of a cookie, as browsers have it. Beyond this it is ignored."""

    attempt_delay: float = 0.25
    """Seconds after which the next address of a host is tried as well (RFC 8305 section 5). It is
    tried at once if the one before has failed.
    """
    max_addresses: int = 16
    """Addresses of one host that are tried. Those beyond are not."""
    max_resolver_threads: int = 16
    """Threads that ask for the addresses of hosts, which the operating system does not do without
    waiting. Beyond this, hosts wait for one.
    """
    max_abandoned_resolver_threads: int = 64
    """Threads beside these that still ask for a host which nobody waits for any more: they cannot
    be stopped, and hosts of which nothing is ever known are not to keep others from having a
    thread. Beyond this they do.
    """

    max_read_len: int = 65_536
    """Bytes that are read of one connection at once, so that the others have their turn."""
    max_body_read_len_per_tick: int = 2**22
    """Bytes read in one tick, beyond `max_read_len` of each, of connections that are in the
    middle of a body, of a chunk of one, or of the payload of a frame: each read costs as much as a
    small response. Of a body that is taken in pieces no more than `max_unread_len` at once.
    """
    max_send_len: int = 65_536
    """Bytes of a body that the program gives in pieces, or a file, that are asked for at once."""


DEFAULT_TIMEOUTS: Final = Timeouts()
DEFAULT_LIMITS: Final = ClientLimits()
_UNBOUNDED: Final = 2**62

_POSITIVE: Final = frozenset(
    (
        "max_connections",
        "max_connections_per_origin",
        "max_waiting_requests",
        "max_response_header_len",
        "max_response_headers",
        "max_addresses",
        "max_resolver_threads",
        "max_read_len",
        "max_body_read_len_per_tick",
        "max_send_len",
        "max_unread_len",
    )
)
"""The limits that may not be 0, since nothing would work."""


def body_limits(limits: ClientLimits) -> Limits:
    """The bounds of the reader of bodies, which is the server's. It has none for the length of a
    body or the number of chunks, which hold no memory: who holds them has.
    """
    return Limits(
        max_body_len=_UNBOUNDED,
        max_chunk_line_len=limits.max_chunk_line_len,
        max_chunk_extension_len=limits.max_chunk_extension_len,
        min_chunk_len=0,
        max_trailer_len=limits.max_trailer_len,
        max_headers=limits.max_response_headers,
    )


def check_client_limits(limits: ClientLimits) -> str | None:
    """None if a client can work within these limits, or a sentence about the first that makes no
    sense.
    """
    values: dict[str, object] = limits._asdict()
    for name, value in values.items():
        kind = type(ClientLimits._field_defaults[name])
        minimum = 1 if name in _POSITIVE else 0
        is_whole = kind is int
        is_number = type(value) is int or (not is_whole and type(value) is float)
        if not is_number or not isinstance(value, int | float) or not value >= minimum:
            noun = "a whole number" if is_whole else "a number"
            return f"{name} is {noun}, {minimum} or more, not {value!r}"
    return None


def check_timeouts(timeouts: Timeouts) -> str | None:
    """None for timeouts that are positive numbers or None, or a sentence about the first that is
    not.
    """
    values: dict[str, object] = timeouts._asdict()
    for name, value in values.items():
        is_number = isinstance(value, int | float) and not isinstance(value, bool) and value > 0
        if value is not None and not is_number:
            return f"the timeout {name} is a positive number of seconds or None, not {value!r}"
    return None


FIELD_BYTES: Final = 320
CONNECTION_BYTES: Final = 8_192
REQUEST_BYTES: Final = 8_192
"""Memory of a field of a response, of a connection and of a request, beside the bytes of its text;
measured for CPython on 64 bits, and rounded up.
"""
COOKIE_BYTES: Final = 1_024


def client_footprint(
    limits: ClientLimits,
    concurrent_requests: int | None = None,
    request_len: int = 16_384,
    websockets: int | None = None,
    websocket_limits: WebSocketLimits = DEFAULT_WEBSOCKET_LIMITS,
) -> int:
    """Bytes of memory that a client can come to hold: for so many requests under way at once, each
    with at most so many bytes of head and body that the program gave, and for so many WebSockets
    with these limits. Without `concurrent_requests` every connection that is no WebSocket has one;
    without both, every connection is whichever of the two takes more. Requests that wait are
    bounded by `max_waiting_requests`.

    What the other ends can bring about is in it; what the program keeps of responses and messages
    is not, nor a message that it sends and that is longer than `max_queue_len` by itself.
    """
    request, open_websockets = _request_footprint(limits), websockets or 0
    websocket = websocket_footprint(websocket_limits, limits.max_read_len)
    count = concurrent_requests
    if count is None:
        count = max(0, limits.max_connections - open_websockets)
        if websockets is None:
            request = max(request, websocket)
    cookies = limits.max_cookies * (COOKIE_BYTES + 4 * limits.max_cookie_len)
    waiting = limits.max_waiting_requests * (REQUEST_BYTES + request_len)
    connections = limits.max_connections * (CONNECTION_BYTES + limits.max_read_len)
    connections += limits.max_body_read_len_per_tick
    return count * request + open_websockets * websocket + cookies + waiting + connections


def _request_footprint(limits: ClientLimits) -> int:
    """Bytes of memory that one request under way can come to hold."""
    head = 4 * limits.max_response_header_len + FIELD_BYTES * limits.max_response_headers
    # a body is held once in pieces and once joined, while it becomes one
    response = head + 2 * limits.max_response_len + limits.max_unread_len + limits.max_read_len
    framing = limits.max_chunk_line_len + limits.max_trailer_len + limits.max_send_len
    return response + framing + REQUEST_BYTES
