"""What a handler is given: one complete request as a value.

Theory: a handler is a function of a request, so a request holds everything it may depend on and
nothing that can change. Fields are what was received; what has to be decoded (query, cookies, JSON,
forms) is decoded when asked for, because most handlers never ask.

Rules: bytes that a client sent never raise anything but `BadInput` here, which the server answers
with its status if the handler does not catch it. Every str that a request gives can be sent again.
It knows the connection by name and the peer's address alone, and not how anything is decoded
(`decoding`).
"""

from typing import Any, Final, final

from ..conn import NO_CONN, Conn, Peer
from ..value import Value
from .decoding import (
    DEFAULT_BOUNDS,
    BadInput,
    DecodingBounds,
    parse_cookies,
    parse_json,
    parse_pairs,
)
from .headers import Headers, Pairs
from .sse import last_event_id
from .tokens import parse_list, split_list


@final
class Request(Value):
    """One HTTP request.

    `method` is in upper case; `target` is the request target as it was sent, undecoded; `path` is
    its path, percent-decoded; `query` is what follows the question mark, undecoded; `version` is
    the minor version of HTTP/1, 0 or 1; `body` is the whole body without its framing; `peer` is the
    address that it came from, which is a proxy's if there is one; `bounds` are those fields
    of `Limits` that bound what is decoded below; `conn` names the connection, on which others may
    come; `scheme` is `http`, or `https` where a proxy that is trusted says so.
    """

    __match_args__ = (
        "method", "target", "path", "query", "version", "headers", "body", "peer", "bounds", "conn",
        "scheme",
    )  # fmt: skip
    __slots__ = __match_args__

    def __init__(
        self,
        method: str,
        target: str,
        path: str,
        query: str,
        version: int,
        headers: Headers,
        body: bytes,
        peer: Peer,
        bounds: DecodingBounds = DEFAULT_BOUNDS,
        conn: Conn = NO_CONN,
        scheme: str = "http",
    ) -> None:
        self.method: Final = method
        self.target: Final = target
        self.path: Final = path
        self.query: Final = query
        self.version: Final = version
        self.headers: Final = headers
        self.body: Final = body
        self.peer: Final = peer
        self.bounds: Final = bounds
        self.conn: Final = conn
        self.scheme: Final = scheme

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
        """The query as a dictionary, decoded; of several values of one name the last is taken.
        `BadInput` for more fields than `Limits.max_form_fields`.
        """
        return dict(self.arg_list)

    @property
    def arg_list(self) -> Pairs:
        """The query as (name, value) pairs in order, decoded, blank values kept; `BadInput` for
        more than `Limits.max_form_fields`.
        """
        return parse_pairs(self.query, self.bounds.max_form_fields)

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies by name (RFC 6265 section 5.4), decoded from UTF-8; of several of one name
        the first is taken. `BadInput` for more than `Limits.max_form_fields`.
        """
        return parse_cookies(self.headers.get("cookie", ""), self.bounds.max_form_fields)

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
        """The body as JSON (RFC 8259, UTF-8), whatever its declared type; `BadInput` if it is not.

        What JSON could not be sent again is refused as well: NaN and infinities, numbers that
        overflow a float, half of a surrogate pair (RFC 7493), and more than
        `Limits.max_json_depth` arrays and objects within each other.
        """
        return parse_json(self.body, self.bounds.max_json_depth)

    def form(self) -> dict[str, str]:
        """The body as an `application/x-www-form-urlencoded` form; of several values of one name
        the last is taken.

        `BadInput` with 415 if it is declared as anything else, with 413 if it is longer than
        `Limits.max_form_len`, with 400 if it is not UTF-8 or has more than
        `Limits.max_form_fields`.
        """
        if self.content_type != "application/x-www-form-urlencoded":
            raise BadInput("the body is not declared as application/x-www-form-urlencoded", 415)
        if len(self.body) > self.bounds.max_form_len:
            raise BadInput(f"the form is longer than {self.bounds.max_form_len} bytes", 413)
        return dict(parse_pairs(self.text(), self.bounds.max_form_fields))


def with_field(request: Request, name: str, value: str) -> Request:
    """The request with this field in the place of those of its name."""
    key = name.lower()
    kept = [pair for pair in request.headers.pairs if pair[0].lower() != key]
    return with_origin(request, Headers((*kept, (name, value))), request.peer, request.scheme)


def with_origin(request: Request, headers: Headers, peer: Peer, scheme: str) -> Request:
    """The request as if it had come with these headers, from this peer and under this scheme."""
    return request.replace(headers=headers, peer=peer, scheme=scheme)
