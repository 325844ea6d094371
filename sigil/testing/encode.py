"""A request as bytes, as a plain client would send it.

Theory: a test of a handler states what it asks for, not how that is encoded. What is encoded here
is always a valid request; a test of invalid ones sends the bytes itself.

Rules: a Host is added, and a Content-Length where there is a body or the method suggests one (RFC
9110 section 8.6). What cannot be encoded as it was given is a ValueError. It does not know the
server or the connection.
"""

import json as _json
import re
from typing import Any

from ..core.http.field_lines import check_headers
from ..core.http.headers import to_pairs
from ..core.http.response import HeadersLike

ABSENT: Any = object()
"""The default for "no JSON", since None is a JSON value."""

_METHOD = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_TARGET = re.compile(r"[!-~\x80-\xff]+")
_HAVE_BODIES = frozenset(("POST", "PUT", "PATCH"))
_RAW = "write the bytes yourself to send it all the same: connect().send()"


def encode_request(
    method: str, target: str, body: bytes | str = b"", json: Any = ABSENT, headers: HeadersLike = ()
) -> bytes:
    """The bytes of one request; its body is `body`, or `json` as JSON.

    ValueError for what the server could not parse as it was given, TypeError for a body that is
    none.
    """
    if _METHOD.fullmatch(method) is None or _TARGET.fullmatch(target) is None:
        raise ValueError(
            f"{method!r} {target!r} is not a method and a percent-encoded target; {_RAW}"
        )
    given = to_pairs(headers)
    problem = check_headers(given)
    if problem is not None:
        raise ValueError(f"{problem}; {_RAW}")
    content, defaults = _content_of(body, json)
    if content or method in _HAVE_BODIES:
        defaults = (*defaults, ("Content-Length", str(len(content))))
    names = {name.lower() for name, _ in given}
    pairs = [pair for pair in (("Host", "testserver"), *defaults) if pair[0].lower() not in names]
    lines = [
        f"{method} {target} HTTP/1.1",
        *(f"{name}: {value}" for name, value in (*pairs, *given)),
        "",
        "",
    ]
    return "\r\n".join(lines).encode("latin-1") + content


def _content_of(body: bytes | str, json: Any) -> tuple[bytes, tuple[tuple[str, str], ...]]:
    """The body, and the header fields that describe it."""
    if not isinstance(body, str | bytes | bytearray | memoryview):
        raise TypeError(f"a body is a str or bytes, not {type(body).__name__}")
    if json is ABSENT:
        return (body.encode() if isinstance(body, str) else bytes(body)), ()
    if body:
        raise ValueError("a request has a body or a json, not both")
    return _json.dumps(json, ensure_ascii=False, allow_nan=False).encode(), (
        ("Content-Type", "application/json"),
    )
