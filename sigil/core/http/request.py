"""What a handler is given: one complete request as a value.

Theory: a handler is a function of a request, so a request holds everything it may depend on and
nothing that can change. Fields are what was received; what has to be decoded (query, cookies, JSON,
forms) is decoded when asked for, because most handlers never ask.

Rules: bytes that a client sent never raise anything but `BadInput` here, which the server answers
with its status if the handler does not catch it. It does not know the connection beyond the peer's
address.
"""

import json
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from ..conn import Peer
from .headers import Headers
from .sse import last_event_id
from .tokens import parse_list, split_list

MAX_FORM_FIELDS = 1_000
"""The number of fields that one form or query may have: each costs far more memory than its bytes.
"""


class BadInput(ValueError):
    """The client sent what the handler cannot use; unless the handler catches it, the response has
    `status` and the message as its text.
    """

    def __init__(self, message: str, status: int = 400) -> None:
        """`status` is one from 400 to 499; ValueError if it is not."""
        if type(status) is not int or not 400 <= status <= 499:
            raise ValueError(f"{status} is not the status of a client's error (400 to 499)")
        super().__init__(message)
        self.status = status


class Request(NamedTuple):
    """One HTTP request.

    `method` is in upper case; `target` is the request target as it was sent, undecoded; `path` is
    its path, percent-decoded; `query` is what follows the question mark, undecoded; `version` is
    the minor version of HTTP/1, 0 or 1; `body` is the whole body without its framing; `peer` is the
    address that it came from, which is a proxy's if there is one.
    """

    method: str
    target: str
    path: str
    query: str
    version: int
    headers: Headers
    body: bytes
    peer: Peer

    @property
    def host(self) -> str:
        """The authority of the request (RFC 9110 section 7.2): the one in an absolute target, else
        the Host field, else empty.
        """
        _, scheme, rest = self.target.partition("://")
        if scheme and not self.target.startswith("/"):
            return rest.split("/", 1)[0].split("?", 1)[0]
        return self.headers.get("host", "")

    @property
    def args(self) -> dict[str, str]:
        """The query as a dictionary, decoded; of several values of one name the last is taken."""
        return dict(self.arg_list)

    @property
    def arg_list(self) -> tuple[tuple[str, str], ...]:
        """The query as (name, value) pairs in order, decoded, blank values kept."""
        return _parse_pairs(self.query)

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies by name (RFC 6265 section 5.4); of several of one name the first is taken."""
        cookies: dict[str, str] = {}
        for part in self.headers.get("cookie", "").split(";"):
            name, equals, value = part.strip().partition("=")
            if equals and name:
                cookies.setdefault(name.strip(), _unquote_cookie(value.strip()))
        return cookies

    @property
    def content_type(self) -> str:
        """The media type of the body without parameters, lower-case; empty if there is none."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def last_event_id(self) -> str:
        """The id of the last event that a reconnecting event stream has received (WHATWG HTML
        section 9.2.4); empty if there is none.
        """
        return last_event_id(self.headers)

    @property
    def is_upgrade(self) -> bool:
        """True if the request asks for a WebSocket, valid or not: `Response.upgrade()` answers an
        invalid one with what is wrong.
        """
        return self.version == 1 and "websocket" in parse_list(self.headers.get("upgrade", ""))

    @property
    def subprotocols(self) -> tuple[str, ...]:
        """The subprotocols a WebSocket client offers, in its order of preference."""
        return tuple(split_list(self.headers.get("sec-websocket-protocol", "")))

    def text(self) -> str:
        """The body as UTF-8; `BadInput` if it is not."""
        try:
            return self.body.decode()
        except UnicodeDecodeError as error:
            raise BadInput("the body is not UTF-8") from error

    def json(self) -> Any:
        """The body as JSON (RFC 8259), whatever its declared type; `BadInput` if it is not."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise BadInput(f"the body is not JSON: {error}") from error

    def form(self) -> dict[str, str]:
        """The body as an `application/x-www-form-urlencoded` form; of several values of one name
        the last is taken.

        `BadInput` with 415 if it is declared as anything else, with 400 if it is not UTF-8 or has
        too many fields.
        """
        if self.content_type != "application/x-www-form-urlencoded":
            raise BadInput("the body is not declared as application/x-www-form-urlencoded", 415)
        return dict(_parse_pairs(self.text()))


def _parse_pairs(text: str) -> tuple[tuple[str, str], ...]:
    """The (name, value) pairs of text like `a=1&b=2`, decoded; `BadInput` for too many."""
    try:
        return tuple(parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FORM_FIELDS))
    except ValueError as error:
        raise BadInput(f"more than {MAX_FORM_FIELDS} fields") from error


def _unquote_cookie(value: str) -> str:
    """A cookie value without the quotes around it, if there are any."""
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value
