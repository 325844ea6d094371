"""What `start_response` is given: a status and header fields, checked, as a value.

Theory: PEP 3333 has a status as a text, such as `200 OK`, and header fields as a list of pairs of
str, and asks a server to refuse what cannot be sent where it is said: `start_response` raises, and
the traceback shows the line that is wrong. An application sends the same few heads again and again,
so what comes of one is remembered by what it was made of; the Content-Length, which differs, stands
beside it.

Rules: the fields that belong to a connection (RFC 9110 section 7.6.1) are the server's, and are
refused; so is what `Response` refuses. What may be a secret, or is long, is not remembered. It does
not know the body.
"""

import re
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final, NamedTuple

from sigil import Response

_STATUS: Final = re.compile(r"([2-5][0-9][0-9])(?: ([\t -~\x80-\xff]*))?")
_PHRASES: Final = {status.value: status.phrase for status in HTTPStatus}
_OF_CONNECTIONS: Final = frozenset(
    (
        "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailers",
        "transfer-encoding", "upgrade",
    )
)  # fmt: skip
"""The fields that `wsgiref.util.is_hop_by_hop` names."""
_WITHOUT_CONTENT: Final = frozenset((204, 205, 304))
_SECRET: Final = re.compile("auth|cookie|token|key|secret|session|passw|sig")
"""What the name of a field has in it, in lower case, if its value may be a secret."""
_LENGTH_DIGITS_MAX: Final = 18
REMEMBERED_HEADS: Final = 128
REMEMBERED_FIELDS: Final = 8
REMEMBERED_LEN: Final = 256
"""How many heads are remembered, how many fields each has at most, and how long their values are.
"""

PLAIN, TYPE, LENGTH, SECRET, OF_CONNECTION = range(5)
"""What a field is, by its name."""


class Head(NamedTuple):
    """What stands before a body: `response` has the status and the fields, and no body.

    `length` is the Content-Length that was declared, which is not among the fields; None if there
    is none.
    """

    response: Response
    length: int | None
    has_content: bool
    """False for a status whose responses never have a body."""


def make_head(status: object, headers: object) -> Head:
    """The head of a response; TypeError or ValueError, with a sentence, for what `start_response`
    may not be given.
    """
    if type(status) is not str:
        raise TypeError(f"a status is a str such as '200 OK', not {type(status).__name__}")
    number, reason = parse_status(status)
    if type(headers) is not list:
        raise TypeError(f"headers are a list of (name, value), not {type(headers).__name__}")
    length, fields, has_type, is_remembered = None, [], False, len(headers) <= REMEMBERED_FIELDS
    for pair in headers:
        if type(pair) is not tuple or len(pair) != 2:
            raise TypeError(f"a header is a tuple of two str, not {_shown(pair)}")
        name, value = pair
        if type(name) is not str or type(value) is not str:
            raise TypeError(f"a header is a tuple of two str, not {_shown(pair)}")
        role = role_of(name)
        if role == LENGTH:
            length = parse_length(value, length)
            continue
        if role == TYPE:
            has_type = True
        elif role == OF_CONNECTION:
            raise ValueError(f"the header {name!r} is the server's, and no application's")
        if role == SECRET or len(value) > REMEMBERED_LEN or "?" in value:
            is_remembered = False
        fields.append(pair)
    make = _make_remembered if is_remembered else make_response
    response = make(number, reason, tuple(fields), has_type)
    return Head(response, length, number not in _WITHOUT_CONTENT)


@lru_cache(maxsize=128)
def parse_status(status: str) -> tuple[int, str]:
    """The number of a status such as `404 Not Found`, and its reason phrase, empty if it is the one
    that is registered for the number; ValueError for what is no status.
    """
    match = _STATUS.fullmatch(status)
    if match is None:
        raise ValueError(
            f"{status!r} is not a status such as '200 OK': a number from 200 to 599, a space and "
            "a reason"
        )
    number, reason = int(match[1]), match[2] or ""
    return number, "" if reason == _PHRASES.get(number) else reason


def parse_length(value: str, other: int | None) -> int:
    """The number in a Content-Length; ValueError for what is none, and for a second one."""
    digits = value.strip(" \t")
    is_number = len(digits) <= _LENGTH_DIGITS_MAX and digits.isascii() and digits.isdigit()
    if other is not None or not is_number:
        raise ValueError(f"Content-Length {value!r} is not one decimal number")
    return int(digits)


def make_response(
    number: int, reason: str, fields: tuple[tuple[str, str], ...], has_type: bool
) -> Response:
    """The response with these fields and no body; ValueError if one of them cannot be sent."""
    response = Response.bytes(b"", number, fields)
    if has_type and not reason:
        return response
    # without a Content-Type there is none, not the default one
    return Response(number, fields, b"", reason, response.prepared if has_type else None)


_make_remembered: Final = lru_cache(maxsize=REMEMBERED_HEADS)(make_response)


def _shown(pair: Any) -> str:
    """What is no header, by its types."""
    if type(pair) is tuple:
        return f"a tuple of {', '.join([type(item).__name__ for item in pair]) or 'nothing'}"
    return f"a {type(pair).__name__}"


@lru_cache(maxsize=512)
def role_of(name: str) -> int:
    """What a field with this name is."""
    key = name.lower()
    if key in _OF_CONNECTIONS:
        return OF_CONNECTION
    if _SECRET.search(key):
        return SECRET
    return {"content-length": LENGTH, "content-type": TYPE}.get(key, PLAIN)
