"""What `start_response` is given: a status and header fields, checked, as a value.

Theory: PEP 3333 has a status as a text, such as `200 OK`, and header fields as a list of pairs of
str, and asks a server to refuse what cannot be sent where it is said: `start_response` raises, and
the traceback shows the line that is wrong.

Rules: the fields that belong to a connection (RFC 9110 section 7.6.1) are the server's, and are
refused; so is what `Response` refuses. It does not know the body.
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


class Head(NamedTuple):
    """What stands before a body: `response` has the status and the fields, and no body.

    `length` is the Content-Length that was declared, None if there is none.
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
    pairs = tuple(headers)
    length, has_type = None, False
    for pair in pairs:
        name, value = _pair(pair)
        role = _role_of(name)
        if role == "connection":
            raise ValueError(f"the header {name!r} is the server's, and no application's")
        if role == "length":
            length = value
        elif role == "type":
            has_type = True
    response = Response.bytes(b"", number, pairs)
    if not has_type or reason:  # without a Content-Type there is none, not the default one
        response = Response(number, pairs, b"", reason, response.prepared if has_type else None)
    return Head(response, None if length is None else int(length), number not in _WITHOUT_CONTENT)


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


def _pair(pair: Any) -> tuple[str, str]:
    """The name and value of a field; TypeError for anything else."""
    if type(pair) is tuple and len(pair) == 2:
        name, value = pair
        if type(name) is str and type(value) is str:
            return name, value
    raise TypeError(f"a header is a tuple of two str, not {_shown(pair)}")


def _shown(pair: Any) -> str:
    """What is no header, by its types."""
    if type(pair) is tuple:
        return f"a tuple of {', '.join([type(item).__name__ for item in pair]) or 'nothing'}"
    return f"a {type(pair).__name__}"


@lru_cache(maxsize=512)
def _role_of(name: str) -> str:
    """What a field with this name is besides a line to be sent; empty for nothing."""
    key = name.lower()
    if key in _OF_CONNECTIONS:
        return "connection"
    return {"content-length": "length", "content-type": "type"}.get(key, "")
