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
from ..tls import Tls
from ..value import Value
from .decoding import (
    DEFAULT_BOUNDS,
    BadInput,
    DecodingBounds,
    parse_cookies,
    parse_json,
    parse_pairs,
)
from .form import Form, FormFile
from .headers import Headers, Pairs
from .multipart import parse_form
from .params import NO_PARAMS, Params
from .request_line import split_target
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
    come; `params` are what a route (`sigil.Routes`) took out of the path, and `mount_path` is the
    beginning of the path, undecoded, behind which the handler is mounted: without routes there are
    none, and it is empty; `scheme` is `http`, or `https` over TLS, or where a proxy that is trusted
    says so.
    """

    __match_args__ = (
        "method", "target", "path", "query", "version", "headers", "body", "peer", "bounds", "conn",
        "params", "mount_path", "scheme", "chunks",
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
        params: Params = NO_PARAMS,
        mount_path: str = "",
        scheme: str = "http",
        chunks: Any = None,
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
        self.params: Final = params
        self.mount_path: Final = mount_path
        self.scheme: Final = scheme
        self.chunks: Final = chunks
        """The pieces of the body as they come, for a handler that takes them so: to be iterated
        over, or asked for (`ask`); else None.
        """

    @property
    def tls(self) -> Tls | None:
        """What TLS has settled with the peer: version, cipher, server name, certificate; None if
        this server was not reached over TLS.
        """
        return self.peer.tls

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
    def subpath(self) -> str:
        """The path behind `mount_path`, undecoded; all of it, undecoded, where nothing is mounted.

        It is what a mounted handler has to look at: undecoded, since an encoded slash is a part of
        a name, and no separator.
        """
        path, _ = split_target(self.target)
        return path[len(self.mount_path) :]

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
        """The text fields of the body as a form, urlencoded or multipart (`form_data`); of several
        values of one name the last is taken.
        """
        return dict(self.form_list())

    def form_list(self) -> Pairs:
        """The text fields of the body as a form, as (name, value) pairs in order."""
        return self.form_data().fields

    def files(self) -> dict[str, FormFile]:
        """The files of the body as a form by the names of their fields; of several files of one
        name the last is taken. An urlencoded form has none.
        """
        return {file.name: file for file in self.file_list()}

    def file_list(self) -> tuple[FormFile, ...]:
        """The files of the body as a form, in order."""
        return self.form_data().files

    def form_data(self) -> Form:
        """The body as a form: text fields and files, both in order. Whoever needs both parses the
        body once with this.

        `BadInput` with 415 if it is declared neither as `application/x-www-form-urlencoded` nor as
        `multipart/form-data`, or is in another charset than UTF-8; with 413 for more than
        `Limits.max_form_len` beside its files; with 431 for headers of a part beyond
        `Limits.max_part_headers` and `Limits.max_part_header_len`; with 400 for more than
        `Limits.max_form_fields` and `Limits.max_form_files`, for what is not UTF-8, and for what is
        malformed. Multipart forms need the package python-multipart (`sigil-http[forms]`).
        """
        return parse_form(self.body, self.headers.get("content-type", ""), self.bounds)


def with_params(request: Request, params: Params, mount_path: str) -> Request:
    """The request with what a route took out of its path."""
    return Request(
        request.method, request.target, request.path, request.query, request.version,
        request.headers, request.body, request.peer, request.bounds, request.conn,
        params, mount_path, request.scheme, request.chunks,
    )  # fmt: skip


def with_field(request: Request, name: str, value: str) -> Request:
    """The request with this field in the place of those of its name."""
    key = name.lower()
    kept = [pair for pair in request.headers.pairs if pair[0].lower() != key]
    return with_origin(request, Headers((*kept, (name, value))), request.peer, request.scheme)


def with_origin(request: Request, headers: Headers, peer: Peer, scheme: str) -> Request:
    """The request as if it had come with these headers, from this peer and under this scheme."""
    return request.replace(headers=headers, peer=peer, scheme=scheme)
