"""A request that a client sends: as a value, and as bytes (RFC 9112 sections 3 and 6).

Theory: a request is encoded when a connection is there for it, since the form of its target depends
on whom it is sent to: the path for a server, the whole URI for a proxy, host and port for CONNECT.
Its fields were checked and encoded when it was made, so that who makes it reads at once what is
wrong.

Rules: the fields that frame a message are the client's: a Content-Length that is given must be that
of the body, and Transfer-Encoding is never given. A field that the program sets replaces the
default one. It does not know connections.
"""

from base64 import b64encode
from collections.abc import Sequence
from enum import IntEnum
from typing import Final, NamedTuple, final
from urllib.parse import quote

from ..http.field_lines import PreparedHeaders, prepare_headers
from ..http.headers import Pairs
from ..http.tokens import TOKEN
from ..value import Value
from .limits import DEFAULT_TIMEOUTS, Timeouts
from .uri import Uri

SAFE_METHODS: Final = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))
IDEMPOTENT_METHODS: Final = SAFE_METHODS | {"PUT", "DELETE"}
"""Methods that may be sent again if nobody has answered (RFC 9110 section 9.2.2)."""

ACCEPT_ENCODING: Final = "gzip, deflate, zstd"
CHUNKED: Final = -1
"""The length of a body whose length is not known."""

_DEFAULTS: Final = (
    ("accept", b"Accept: */*\r\n"),
    ("accept-encoding", f"Accept-Encoding: {ACCEPT_ENCODING}\r\n".encode()),
)
_WITH_BODY: Final = frozenset(("POST", "PUT", "PATCH"))
"""Methods whose requests say that they have no body (RFC 9110 section 8.6)."""
_NOT_TO_BE_SET: Final = frozenset(("transfer-encoding", "expect", "te", "trailer"))


class RequestOptions(NamedTuple):
    """How a request is carried out."""

    timeouts: Timeouts = DEFAULT_TIMEOUTS
    follow_redirects: bool = True
    max_redirects: int = 10
    may_downgrade: bool = False
    """A redirect from https to http is followed."""
    retries: int = 2
    """Attempts behind the first, for what may be sent again."""
    waits_as_asked: bool = False
    """A 429 or 503 with Retry-After is tried again when that time has come."""
    is_streamed: bool = False
    """The program takes the body in pieces: no bound for its length."""
    upgrade: str = ""
    """The protocol that takes the connection over with a 101; empty for none."""
    uses_cookies: bool = True
    cookies: str = ""
    """Cookies that are sent beside those of the jar, to this origin only."""
    uses_proxy: bool = True
    """The client's proxies are used, unless there is one for this request."""
    proxy: Uri | None = None
    tls: int = 0
    """The shell's number for how TLS is done; connections are shared among requests with the same.
    """
    proxy_tls: int = 0
    """The shell's number for how TLS is done with a proxy."""


DEFAULT_OPTIONS: Final = RequestOptions()


class TargetForm(IntEnum):
    """What stands in a request line behind the method (RFC 9112 section 3.2)."""

    ORIGIN = 0
    ABSOLUTE = 1


@final
class OutgoingRequest(Value):
    """A request to be sent.

    `fields` are the fields of the program, encoded as `prepared`. `body` is all of the body, or
    None if it is pulled in pieces, of `length` bytes together or `CHUNKED`; `can_rewind` is true if
    it can be pulled from its beginning again.
    """

    __match_args__ = (
        "method", "uri", "fields", "prepared", "body", "length", "can_rewind", "options",
    )  # fmt: skip
    __slots__ = __match_args__

    def __init__(
        self,
        method: str,
        uri: Uri,
        fields: Pairs,
        prepared: PreparedHeaders,
        body: bytes | None,
        length: int,
        can_rewind: bool,
        options: RequestOptions,
    ) -> None:
        self.method: Final = method
        self.uri: Final = uri
        self.fields: Final = fields
        self.prepared: Final = prepared
        self.body: Final = body
        self.length: Final = length
        self.can_rewind: Final = can_rewind
        self.options: Final = options

    @property
    def is_idempotent(self) -> bool:
        """True if it may be sent again when nobody has answered."""
        return self.method in IDEMPOTENT_METHODS and self.can_repeat

    @property
    def can_repeat(self) -> bool:
        """True if its body can be sent again."""
        return self.body is not None or self.can_rewind


def make_request(
    method: str,
    uri: Uri,
    fields: Pairs = (),
    body: bytes | None = b"",
    length: int = 0,
    can_rewind: bool = False,
    options: RequestOptions = DEFAULT_OPTIONS,
) -> OutgoingRequest | str:
    """The request; or a sentence that says why it cannot be sent. `length` counts for a body that
    is pulled (None).
    """
    if TOKEN.fullmatch(method) is None:
        return f"{method!r} is not a method"
    if method == "CONNECT":
        return "CONNECT is sent to proxies only, by itself"
    for name, _ in fields:
        if name.lower() in _NOT_TO_BE_SET:
            return f"the header {name!r} is the client's to send"
    prepared = prepare_headers(fields)
    if isinstance(prepared, str):
        return prepared
    if body is not None:
        length = len(body)
    if prepared.length is not None and length not in (prepared.length, CHUNKED):
        return f"Content-Length is {prepared.length}, and the body has {length} bytes"
    if prepared.length is not None:
        length = prepared.length
    return OutgoingRequest(method, uri, fields, prepared, body, length, can_rewind, options)


def with_fields(request: OutgoingRequest, fields: Pairs) -> OutgoingRequest:
    """The request with fewer of its fields."""
    prepared = prepare_headers(fields)
    assert isinstance(prepared, PreparedHeaders)
    return request.replace(fields=fields, prepared=prepared)


def encode_request_head(
    request: OutgoingRequest,
    user_agent: str,
    cookie: str = "",
    form: TargetForm = TargetForm.ORIGIN,
    proxy_authorization: str = "",
) -> bytes:
    """The bytes of the head of a request, its empty line included."""
    uri, prepared = request.uri, request.prepared
    keys = prepared.keys
    target = uri.target if form is TargetForm.ORIGIN else str(uri)
    lines = [f"{request.method} {target} HTTP/1.1\r\n".encode("latin-1")]
    if "host" not in keys:
        lines.append(f"Host: {uri.host_field}\r\n".encode("latin-1"))
    if "user-agent" not in keys:
        lines.append(f"User-Agent: {user_agent}\r\n".encode("latin-1"))
    lines += [line for key, line in _DEFAULTS if key not in keys]
    if uri.userinfo and "authorization" not in keys:
        credentials = encode_basic(uri.user, uri.password)
        lines.append(f"Authorization: {credentials}\r\n".encode("latin-1"))
    if proxy_authorization:
        lines.append(f"Proxy-Authorization: {proxy_authorization}\r\n".encode("latin-1"))
    if cookie and "cookie" not in keys:
        lines.append(f"Cookie: {cookie}\r\n".encode("latin-1"))
    lines += [prepared.block, _framing(request), b"\r\n"]
    return b"".join(lines)


def _framing(request: OutgoingRequest) -> bytes:
    """The lines that frame the message and the connection."""
    prepared, length = request.prepared, request.length
    options = [prepared.options] if prepared.options else []
    if prepared.closes:
        options.append("close")
    line = f"Connection: {', '.join(options)}\r\n".encode("latin-1") if options else b""
    if length == CHUNKED:
        return line + b"Transfer-Encoding: chunked\r\n"
    if length or request.method in _WITH_BODY:
        return line + b"Content-Length: %d\r\n" % length
    return line


def encode_basic(user: str, password: str) -> str:
    """The credentials of the scheme Basic (RFC 7617), in UTF-8."""
    return "Basic " + b64encode(f"{user}:{password}".encode("utf-8", "surrogatepass")).decode()


def encode_connect(uri: Uri, user_agent: str, proxy_authorization: str = "") -> bytes:
    """The bytes of a request that asks a proxy for a tunnel to the host of `uri` (RFC 9110 section
    9.3.6).
    """
    lines = [f"CONNECT {uri.authority} HTTP/1.1", f"Host: {uri.authority}"]
    lines.append(f"User-Agent: {user_agent}")
    if proxy_authorization:
        lines.append(f"Proxy-Authorization: {proxy_authorization}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def add_query(uri: Uri, pairs: Sequence[tuple[str | bytes, str | bytes]]) -> Uri:
    """The URI with these parameters behind those that it has."""
    if not pairs:
        return uri
    added = "&".join([f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in pairs])
    return uri.replace(query=f"{uri.query}&{added}" if uri.query else added)
