"""The browser's side of a stream, as it is served: `sigil-client.js`, for pages to import.

Theory: the module lies in the package, so the page of a program gets the client that fits the
server it came from. It changes only with the package. So a browser asks each time whether it has
(`no-cache`), and is told that it has not.

It does not know what the module does, nor under which path it is served.
"""

from functools import cache
from hashlib import sha256
from importlib.resources import files

from ..core.http.request import Request
from ..core.http.response import Response

FIXED_FIELDS = (("Cache-Control", "no-cache"), ("X-Content-Type-Options", "nosniff"))


def client_module(request: Request | None = None) -> Response:
    """The module `sigil-client.js`; 304 if the `request` says that its sender has it (RFC 9110
    section 13.1.2).
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
    """The source and its entity tag."""
    source = files("sigil").joinpath("browser", "sigil-client.js").read_bytes()
    return source, f'"{sha256(source).hexdigest()[:32]}"'


def _has(field: str, tag: str) -> bool:
    """Whether an If-None-Match names this tag, strongly or weakly, or any."""
    return any(name.strip(" \t").removeprefix("W/") in (tag, "*") for name in field.split(","))
