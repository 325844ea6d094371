"""What is known of a request by its id.

Theory: a program that handles events holds ids, and asks for the request when it needs it. What it
gets is a value of its own, which stays when the request is answered.

Rules: names of headers are in lower case, and of several of one name the last counts, as in the
runtime; `Request.headers` has all of them. It does not know ids.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from sigil import Request


class RequestDetails(NamedTuple):
    """One request as a record."""

    method: str
    """In upper case."""
    url: str
    """The path, undecoded, without the query."""
    query: str
    """What follows the question mark, undecoded."""
    endpoint: str
    """The pattern of the route that the request is for."""
    headers: Mapping[str, str]
    """By name in lower case."""
    params: Mapping[str, object]
    """What the pattern has taken out of the path."""


def details_of(request: Request, endpoint: str) -> RequestDetails:
    """The details of a request for this endpoint."""
    headers = {name.lower(): value for name, value in request.headers.pairs}
    return RequestDetails(
        request.method,
        request.mount_path + request.subpath,
        request.query,
        endpoint,
        MappingProxyType(headers),
        MappingProxyType(dict(request.params.items())),
    )


def headers_text(request: Request) -> str:
    """The headers as lines, `name: value` and a line end each, as they came."""
    return "".join(f"{name.lower()}: {value}\r\n" for name, value in request.headers.pairs)
