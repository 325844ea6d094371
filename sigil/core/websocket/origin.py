"""The parts of it."""

import re

from ..http.headers import Headers

_DEFAULT_PORTS = {"http": "80", "https": "443", "ws": "80", "wss": "443"}

_ORIGIN = re.compile(r"([A-Za-z][A-Za-z0-9+\-.]*)://([^/?#@ ,]+)")

_AUTHORITY = re.compile(r"(\[[^\]]*\]|[^:]*)(?::([0-9]*))?")


def is_origin_allowed(headers: Headers, origins: tuple[str, ...] | None) -> bool:
    """Whether pages of the request's Origin may connect; a request without one is not a browser's."""
    origin = headers.get("origin")
    if origin is None:
        return True
    if origins is not None:
        return origin in origins or "*" in origins
    return is_same_origin(origin, headers.get("host", ""))


def is_same_origin(origin: str, host: str) -> bool:
    """Whether an Origin names the authority that Host does.

    Schemes are not compared, since TLS may have ended before us; a port left out is the default one
    of the Origin's scheme, on both sides.
    """
    match = _ORIGIN.fullmatch(origin)
    if match is None:
        return False
    port = _DEFAULT_PORTS.get(match[1].lower(), "")
    theirs, ours = _authority(match[2], port), _authority(host, port)
    return theirs is not None and theirs == ours


def _authority(text: str, default_port: str) -> tuple[str, str] | None:
    """Host in lower case and port without leading zeros; None if it is no authority."""
    match = _AUTHORITY.fullmatch(text)
    if match is None or not match[1]:
        return None
    return match[1].lower(), (match[2] or default_port).lstrip("0")
