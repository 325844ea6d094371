"""The Origin of a request: may pages from there open a WebSocket here, or read an event stream?

Theory: browsers let any page open a WebSocket to any server, and send that server's cookies along,
so the server itself has to look at the Origin field (RFC 6455 section 10.2). Of an event stream or
a long-poll a page of another origin is shown nothing, unless the response says that it may be
(CORS, WHATWG Fetch section 3.2). One list says both. Only browsers send the field, and a page
cannot choose it: a request without one comes from a program that could claim anything, and is let
through.

Rules: with a list of origins, the Origin must be one of them, or the list must have `"*"`, or
`"self"` and the Origin be the server's own. Without a list it must be the server's own: name the
same host and port as the Host field (RFC 6454 section 4, without the scheme, which a proxy may
have changed; but a WebSocket over TLS to this very server is for pages of https alone). What
cannot be parsed is not the same origin. No page is allowed to send credentials by what is added
here: that is for the program to say.

It does not refuse: `handshake` makes the 403. What entries of a list mean is `core.origins`'s.
"""

import re
from typing import Final

from ..http.headers import Headers, Pairs
from ..origins import ANY, DEFAULT_PORTS, SELF, listed_origins, normal_origin

_ORIGIN: Final = re.compile(r"([A-Za-z][A-Za-z0-9+\-.]*)://([^/?#@ ,]+)")
"""A scheme and an authority, and no more (RFC 6454 section 6.1)."""

_AUTHORITY: Final = re.compile(r"(\[[^\]]*\]|[^:]*)(?::([0-9]*))?")
"""A host, in brackets if it is an IPv6 address, and maybe a port."""

_HTTPS: Final = "https:"

ALLOW_ORIGIN: Final = "Access-Control-Allow-Origin"


def is_origin_allowed(
    headers: Headers, origins: tuple[str, ...] | None, is_tls: bool = False
) -> bool:
    """True if pages of the request's Origin may connect, or the request has none.

    `origins` are the allowed ones, `"*"` for all, `"self"` for the same; None allows only the same
    origin. With `is_tls` the request came over TLS.
    """
    origin = headers.get("origin")
    return origin is None or _is_allowed(origin, headers.get("host", ""), origins, is_tls)


def _is_allowed(origin: str, host: str, origins: tuple[str, ...] | None, is_tls: bool) -> bool:
    """True if pages of this Origin may connect to this host."""
    is_same = is_same_origin(origin, host)
    if is_tls and origin[:6].lower() != _HTTPS:
        is_same = False  # anybody on the way may have made that page
    if origins is None:
        return is_same
    listed = listed_origins(origins)
    if ANY in listed or (SELF in listed and is_same):
        return True
    return normal_origin(origin) in listed and origin not in (ANY, SELF)


def cross_origin_fields(headers: Headers, origins: tuple[str, ...] | None, given: Pairs) -> Pairs:
    """The fields by which a browser shows a response to a page of another origin, if pages of the
    request's Origin may connect; none beside one that is `given` already.
    """
    origin = headers.get("origin")
    if origin is None or not _is_allowed(origin, headers.get("host", ""), origins, False):
        return ()
    if any(name.lower() == ALLOW_ORIGIN.lower() for name, _ in given):
        return ()
    is_any = origins is not None and ANY in origins
    return (ALLOW_ORIGIN, ANY if is_any else origin), ("Vary", "Origin")


def is_same_origin(origin: str, host: str) -> bool:
    """True if an Origin names the host and port that a Host field does.

    `is_same_origin("https://a.example", "A.example:443")` is true. Schemes are not compared, since
    TLS may have ended in a proxy; a port left out is the default one of the Origin's scheme, on
    both sides.
    """
    match = _ORIGIN.fullmatch(origin)
    if match is None:
        return False
    default_port = DEFAULT_PORTS.get(match[1].lower(), "")
    page, server = _authority(match[2], default_port), _authority(host, default_port)
    return page is not None and page == server


def _authority(text: str, default_port: str) -> tuple[str, str] | None:
    """The host in lower case and the port without leading zeros; None if `text` is no authority."""
    match = _AUTHORITY.fullmatch(text)
    if match is None or not match[1]:
        return None
    port = match[2] or default_port
    return match[1].lower(), port.lstrip("0")
