"""Heads with a cookie or with credentials: the field that differs from client to client is taken
out, and put back into what the rest of the head is.

Theory: a browser sends the same head again and again, but for its Cookie. A head is remembered by
its bytes, and one with a secret in it is not; so without this every such head would be parsed anew.
A Cookie or an Authorization says nothing about how a message is framed or whom it is for: the head
with such a field is the head without it, and the field.

Rules: equal to parsing the whole, or None: where one more field could make a difference (limits, a
second line of that name, an unusual byte) the whole is parsed. Of many such lines none is taken
out, or a head of nothing else would be parsed once for each. What is left when the field is taken
out has no part of it. It does not know what is remembered.
"""

from collections.abc import Callable
from typing import Final

from ..limits import Limits
from .fields import CRLF
from .head import FIELD_BYTES, LEGAL, TEXT_FACTOR, Head, Parsed, with_headers
from .headers import with_pair

_COOKIES: Final = ((b"\r\nCookie: ", "Cookie"), (b"\r\ncookie: ", "cookie"))
_CREDENTIALS: Final = (
    (b"\r\nAuthorization: ", "Authorization"),
    (b"\r\nauthorization: ", "authorization"),
)
"""How the line of such a field begins, and its name, as clients spell it."""
_LINES_MAX: Final = 2
"""One of each name."""


def parse_around_secret(
    data: bytes, parse_rest: Callable[[bytes], Parsed], limits: Limits
) -> Head | None:
    """The head in the bytes of exactly one, if it is good and has a Cookie or an Authorization;
    `parse_rest` parses what is left without that.
    """
    cookies, credentials = data.count(b"ookie: "), data.count(b"uthorization: ")
    if not 0 < cookies + credentials <= _LINES_MAX or len(data) > limits.max_header_len:
        return None
    for beginning, name in _COOKIES if cookies else _CREDENTIALS:  # noqa: B007 - used below
        start = data.find(beginning)
        if start >= 0:
            break
    else:
        return None  # it is spelled in another way, or part of something else
    end = data.find(CRLF, start + 2)
    value = data[start + len(beginning) : end]
    if value.translate(None, LEGAL):
        return None
    rest = parse_rest(data[:start] + data[end:])
    if type(rest) is not Head or len(rest.headers.pairs) >= limits.max_headers:
        return None
    if name.lower() in rest.headers.combined:
        return None
    # the request line is no field, and its end is the first of those before this line
    place = data.count(CRLF, 0, start)
    headers = with_pair(rest.headers, place, name, value.decode("latin-1").strip(" \t"))
    return with_headers(rest, headers, FIELD_BYTES + TEXT_FACTOR * (end - start))
