"""Origins as a program lists them: what an entry of `Limits.origins` means, and what none can mean.

Theory: an origin is a scheme, a host and a port (RFC 6454 section 4), and browsers write it in one
way only: in lower case, without the port that the scheme has by default, without a path. An entry
that no browser will ever send refuses everybody, and nobody sees why. So an entry that can only
mean one origin means it, however it is written, and any other is refused when the limits are used
for a server, with what to write.

Rules: `"*"` is every origin and `"self"` the server's own; `"null"` and `"file://"` are what
browsers send for pages that have none. It does not know any request.
"""

import re
from functools import lru_cache
from typing import Final

ANY: Final = "*"
SELF: Final = "self"
OPAQUE: Final = frozenset(("null", "file://"))
"""What browsers send for pages without an origin (RFC 6454 section 7.1), a file among them."""

DEFAULT_PORTS: Final = {"http": "80", "https": "443", "ws": "80", "wss": "443"}

_PAGE_SCHEMES: Final = {"ws": "http", "wss": "https"}
"""The schemes of pages that open WebSockets with these: a page has no other origin."""

_ORIGIN: Final = re.compile(
    r"([A-Za-z][A-Za-z0-9+\-.]*)://(\[[0-9A-Fa-f:.]+\]|[!-~]+?)(?::([0-9]{1,5}))?",
)
"""A scheme, a host, in brackets if it is an IPv6 address, and maybe a port."""

_HOST: Final = re.compile(r"\[[0-9a-f:.]+\]|[a-z0-9_](?:[a-z0-9_.\-]*[a-z0-9_])?")

PORT_MAX: Final = 65_535


def normal_origin(text: str) -> str | None:
    """The origin as browsers write it: in lower case, and without the default port of its scheme;
    None if it is none.

    `normal_origin("HTTPS://A.example:443") == "https://a.example"`
    """
    if text in OPAQUE:
        return text
    match = _ORIGIN.fullmatch(text)
    if match is None:
        return None
    scheme, host, port = match[1].lower(), match[2].lower(), match[3]
    if _HOST.fullmatch(host) is None:
        return None
    if port is None or int(port) == int(DEFAULT_PORTS.get(scheme, "-1")):
        return f"{scheme}://{host}"
    return f"{scheme}://{host}:{int(port)}" if 0 < int(port) <= PORT_MAX else None


@lru_cache(maxsize=16)
def listed_origins(origins: tuple[str, ...]) -> frozenset[str]:
    """The entries of a valid list, as browsers write them."""
    return frozenset(
        [entry if entry in (ANY, SELF) else normal_origin(entry) or entry for entry in origins]
    )


# -- what is wrong with a list ---------------------------------------------------------------------


def check_origins(origins: object) -> str | None:
    """None for a list of origins that browsers can send, or a sentence about the first entry that
    none can, and what to write in its place.
    """
    if origins is None:
        return None
    if not isinstance(origins, tuple):
        return f"origins is None or a tuple of origins, not {origins!r}"
    for entry in origins:
        if not isinstance(entry, str):
            return f"an origin is a str, not {type(entry).__name__}"
        problem = _problem_with(entry)
        if problem is not None:
            return f"origins has {entry!r}, which no browser sends: {problem}"
    return None


def _problem_with(entry: str) -> str | None:
    """Why no browser can send this as its origin, and what to write; None if one can."""
    if entry in (ANY, SELF):
        return None
    known = next((word for word in (SELF, "null") if entry.strip().lower() == word), None)
    if known is not None:
        return None if entry == known else f"write {known!r}"
    scheme, separator, rest = entry.strip().partition("://")
    if not separator:
        return _without_scheme(entry.strip())
    if scheme.lower() == "file":
        return None if entry == "file://" else "pages from files have the origin 'file://'"
    if scheme.lower() in _PAGE_SCHEMES:
        page = _PAGE_SCHEMES[scheme.lower()]
        return f"an origin is that of the page, write {_suggested(page, rest)!r}"
    if "*" in rest:
        return "an origin names one host, so write each of them, or '*' for all there are"
    normal = normal_origin(entry)
    suggested = normal_origin(_suggested(scheme, rest))
    if normal is None and suggested is not None:
        return f"an origin is a scheme, a host and a port and no more, write {suggested!r}"
    if normal is None:
        return "write a scheme, a host in ASCII, and a port if it is not the usual one"
    return None


def _without_scheme(text: str) -> str:
    """What is wrong with a text that has no scheme."""
    host = text.partition("/")[0] or "example.com"
    return f"an origin begins with a scheme, write {'https://' + host!r} or {'http://' + host!r}"


def _suggested(scheme: str, rest: str) -> str:
    """The origin that an address with this scheme has: without user, path, query and fragment."""
    authority = re.split(r"[/?#\\ ]", rest, maxsplit=1)[0].rpartition("@")[2]
    return f"{scheme.lower()}://{authority.lower()}"
