"""The response with `sigil-client.js`, the client of a stream for browsers.

Theory: the JavaScript is a file of this package, so a page gets the client that fits the server it
came from. It changes only with the package, so a browser revalidates it each time (`no-cache`), and
mostly gets a 304.

It does not know what the JavaScript does, nor under which path it is served.
"""

from functools import cache

from ..core.http.request import Request
from ..core.http.response import Response

FIXED_FIELDS = (("Cache-Control", "no-cache"), ("X-Content-Type-Options", "nosniff"))


def client_module(request: Request | None = None) -> Response:
    """The response with `sigil-client.js`.

    It is a 304 if the If-None-Match of the `request` has the file's tag (RFC 9110 section 13.1.2).
    """
    source, tag = _module()
    fields = (("ETag", tag), *FIXED_FIELDS)
    if request is not None and _has(request.headers.get("if-none-match", ""), tag):
        return Response(304, fields, b"")
    return Response.bytes(
        source, headers=(("Content-Type", "text/javascript; charset=utf-8"), *fields)
    )


@cache
def _module() -> tuple[bytes, str]:
    """The bytes of the file and their entity tag."""
    # here, since a program that serves no page for browsers needs neither
    from hashlib import sha256
    from importlib.resources import files

    source = files("sigil").joinpath("browser", "sigil-client.js").read_bytes()
    return source, f'"{sha256(source).hexdigest()[:32]}"'


def _has(field: str, tag: str) -> bool:
    """True if an If-None-Match has this tag, strong or weak, or `*`."""
    return any(name.strip(" \t").removeprefix("W/") in (tag, "*") for name in field.split(","))
