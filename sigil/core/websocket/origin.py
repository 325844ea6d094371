"""The Origin of an upgrade request: may pages from there open a WebSocket here?

Theory: browsers let any page open a WebSocket to any server, and send that server's cookies along,
so the server itself has to look at the Origin field (RFC 6455 section 10.2). Only browsers send it,
and a page cannot choose it: a request without one comes from a program that could claim anything,
and is let through.

Rules: with a list of origins, the Origin must be one of them, spelled as browsers spell it, or the
list must have `"*"`. Without a list it must name the same host and port as the Host field (RFC 6454
section 4, without the scheme). What cannot be parsed is not the same origin.

It does not refuse: `handshake` makes the 403.
"""

import re
from typing import Final

from ..http.headers import Headers

_DEFAULT_PORTS: Final = {"http": "80", "https": "443", "ws": "80", "wss": "443"}

_ORIGIN: Final = re.compile(r"([A-Za-z][A-Za-z0-9+\-.]*)://([^/?#@ ,]+)")
"""A scheme and an authority, and no more (RFC 6454 section 6.1)."""

_AUTHORITY: Final = re.compile(r"(\[[^\]]*\]|[^:]*)(?::([0-9]*))?")
"""A host, in brackets if it is an IPv6 address, and maybe a port."""


def is_origin_allowed(headers: Headers, origins: tuple[str, ...] | None) -> bool:
    """True if pages of the request's Origin may connect, or the request has none.

    `origins` are the allowed ones, `"*"` for all; None allows the same origin only.
    """
    origin = headers.get("origin")
    if origin is None:
        return True
    if origins is not None:
        return origin in origins or "*" in origins
    return is_same_origin(origin, headers.get("host", ""))


def is_same_origin(origin: str, host: str) -> bool:
    """True if an Origin names the host and port that a Host field does.

    `is_same_origin("https://a.example", "A.example:443")` is true. Schemes are not compared, since
    TLS may have ended in a proxy; a port left out is the default one of the Origin's scheme, on
    both sides.
    """
    match = _ORIGIN.fullmatch(origin)
    if match is None:
        return False
    default_port = _DEFAULT_PORTS.get(match[1].lower(), "")
    page, server = _authority(match[2], default_port), _authority(host, default_port)
    return page is not None and page == server


def _authority(text: str, default_port: str) -> tuple[str, str] | None:
    """The host in lower case and the port without leading zeros; None if `text` is no authority."""
    match = _AUTHORITY.fullmatch(text)
    if match is None or not match[1]:
        return None
    port = match[2] or default_port
    return match[1].lower(), port.lstrip("0")
