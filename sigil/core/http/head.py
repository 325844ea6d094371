"""The head of a request: request line and field lines, parsed, checked, and what follows from them.

Theory: a head is a pure function of its bytes, so it is parsed once, checked once, and may be
cached by whoever sees the same bytes again. Everything the later stages ask on every request (does
it have a body, does the connection persist, may the next request be handled before the response)
is worked out here.

Rules: `parse_headers_only` is total: `Head`, `Malformed` or `NeedMore`, and only the first is true.
It never reads behind the empty line. The verdict may not depend on how the bytes were cut into
reads, so what can be refused early (`check_partial_head`) is refused late with the same words:
request line first, then illegal bytes in the rest, then the size. It does not know the connection
that the bytes came from.
"""

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias, final
from urllib.parse import unquote

from ..close_reasons import CloseReason
from ..conn import Conn, Peer
from ..limits import Limits
from ..parse_result import Malformed, NeedMore, malformed, without_body_for_head
from ..value import Value
from .decoding import DEFAULT_BOUNDS, DecodingBounds, decoding_bounds
from .fields import CRLF, ILLEGAL_IN_HEAD, parse_header_lines
from .framing import body_too_long, check_host_field, message_body_length
from .headers import Headers
from .params import NO_PARAMS
from .request import Request
from .request_line import (
    RequestLine,
    check_partial_request_line,
    max_line_len,
    parse_request_line,
    split_target,
)
from .tokens import parse_list

PIPELINED_METHODS: Final = frozenset(("GET", "OPTIONS"))
"""Safe methods (RFC 9110 section 9.2.1): the next pipelined request may be handled before the
response to one of these is sent.
"""

HEARTBEATS: Final = "sigil-heartbeats"
"""What a client puts into the query of a WebSocket's handshake to be sent heartbeats
(`connection.heartbeat`). It is for the server, so the program is not shown it.
"""

LEGAL: Final = b"\t" + bytes(range(0x20, 0x7F)) + bytes(range(0x80, 0x100))
"""The bytes that a head may contain besides line ends: visible characters, space, tab and obs-text
(RFC 9110 section 5.5).
"""

_DEFAULT_LIMITS: Final = Limits()


@final
class Head(Value):
    """A request without its body.

    `method`, `target`, `path`, `query`, `version` and `headers` are those of `Request`.
    `body_length` is the length of the body in bytes, -1 if it is chunked. `keep_alive` is true if
    the connection persists after the response, `expects_continue` if the client waits for a 100
    Continue before it sends the body.
    """

    __match_args__ = (
        "method", "target", "path", "query", "version", "headers", "body_length",
        "keep_alive", "expects_continue", "may_pipeline", "size", "bounds",
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
        body_length: int,
        keep_alive: bool,
        expects_continue: bool,
        may_pipeline: bool,
        size: int,
        bounds: DecodingBounds = DEFAULT_BOUNDS,
    ) -> None:
        self.method: Final = method
        self.target: Final = target
        self.path: Final = path
        self.query: Final = query
        self.version: Final = version
        self.headers: Final = headers
        self.body_length: Final = body_length
        self.keep_alive: Final = keep_alive
        self.expects_continue: Final = expects_continue
        self.may_pipeline: Final = may_pipeline
        """A safe method, no body, no upgrade, and the connection persists: the next request need
        not wait for the response.
        """
        self.size: Final = size
        """About how many bytes of memory it takes, at most."""
        self.bounds: Final = bounds
        """Those of the request: here, since a head that comes again is not parsed again."""


HEAD_BYTES: Final = 1_024
"""Bytes of memory of a head beside its fields: the record, its request, and what stands for an
outstanding request; measured for CPython on 64 bits, and rounded up.
"""
TARGET_FACTOR: Final = 6
"""The target is there as it came, once more, and as the decoded path, of wider characters
perhaps.
"""
FIELD_BYTES: Final = 320
"""Bytes of memory of a field line beside its text: the pair, two strings, the dictionary's entry;
measured for CPython on 64 bits, and rounded up.
"""
TEXT_FACTOR: Final = 2
"""The text of a field is there once in its line, and once more in what lines are combined to."""


Parsed: TypeAlias = Head | Malformed | NeedMore
"""What a parser makes of bytes that should begin with a head."""


@final
class FieldSection(Value):
    """The field lines of a head, and what follows from them under a version of HTTP, whatever the
    rest of the request line is.
    """

    __match_args__ = ("headers", "body_length", "expects_continue", "keep_alive", "size")
    __slots__ = __match_args__

    def __init__(
        self,
        headers: Headers,
        body_length: int,
        expects_continue: bool,
        keep_alive: bool,
        size: int,
    ) -> None:
        self.headers: Final = headers
        self.body_length: Final = body_length
        self.expects_continue: Final = expects_continue
        self.keep_alive: Final = keep_alive
        self.size: Final = size
        """About how many bytes of memory a head with these fields takes beside its target."""


ParsedSection: TypeAlias = FieldSection | Malformed
ParseSection: TypeAlias = Callable[[tuple[bytes, int]], ParsedSection]
"""Makes a field section of its lines, with the empty line behind them, and the minor version."""


def with_headers(head: Head, headers: Headers, more_len: int) -> Head:
    """The head with other headers, which take `more_len` bytes more."""
    return Head(
        head.method, head.target, head.path, head.query, head.version, headers, head.body_length,
        head.keep_alive, head.expects_continue, head.may_pipeline, head.size + more_len,
        head.bounds,
    )  # fmt: skip


def request_of(head: Head, body: bytes, peer: Peer, conn: Conn) -> Request:
    """The request with this head and this body, from `peer` on the connection `conn`."""
    return Request(
        head.method, head.target, head.path, head.query, head.version, head.headers,
        body, peer, head.bounds, conn, NO_PARAMS, "", "http" if peer.tls is None else "https",
    )  # fmt: skip


def requests_of(heads: Sequence[Head], body: bytes, peer: Peer, conn: Conn) -> tuple[Request, ...]:
    """The requests with these heads and this body, from `peer` on the connection `conn`; a head
    that comes again at once makes the very same request.
    """
    if len(heads) == 1:
        return (request_of(heads[0], body, peer, conn),)
    requests: list[Request] = []
    last: Head | None = None
    for head in heads:
        requests.append(requests[-1] if head is last else request_of(head, body, peer, conn))
        last = head
    return tuple(requests)


# -- a whole head ----------------------------------------------------------------------------------


def parse_headers_only(
    data: bytes, limits: Limits = _DEFAULT_LIMITS, parse_section: ParseSection | None = None
) -> Parsed:
    """The head at the beginning of `data` (RFC 9112 sections 2 to 6), whatever follows it.

    `Malformed` carries the reason and the sentence its sender gets: 400, 413, 414, 417, 431, 501 or
    505. `NeedMore` means that the empty line that ends a head has not come, and that nothing is
    wrong so far. `parse_section` may be any function equal to `parse_field_section` under
    these limits, such as one that remembers.
    """
    end = find_header_end(data)
    if end < 0:
        error = check_partial_head(data, 0, limits)
        return NeedMore(len(data)) if error is None else without_body_for_head(data, error)
    parsed = _parse_head(data[: end + 4], limits, parse_section)
    return without_body_for_head(data, parsed) if type(parsed) is Malformed else parsed


def find_header_end(buffer: bytes, start: int = 0) -> int:
    """The position of the empty line (CRLF CRLF) that ends a head, or -1.

    `start` is the number of bytes that an earlier search has covered; at most 3 of them are
    searched again.
    """
    return buffer.find(b"\r\n\r\n", start - 3 if start > 3 else 0)


def _parse_head(
    head: bytes, limits: Limits, parse_section: ParseSection | None
) -> Head | Malformed:
    """The head in the bytes of exactly one head, its empty line included."""
    is_legal = has_only_legal_bytes(head, limits)
    line_end = head.find(CRLF, 0, max_line_len(limits))
    if line_end < 0 or not is_legal:
        error = check_partial_head(head, 0, limits)
        return malformed("the head is malformed") if error is None else error
    line = parse_request_line(head[:line_end], limits)
    if isinstance(line, Malformed):
        return line
    lines = head[line_end + 2 :], line.version
    section = parse_field_section(lines, limits) if parse_section is None else parse_section(lines)
    if isinstance(section, Malformed):
        return section
    return _make_head(line, section, decoding_bounds(limits))


def has_only_legal_bytes(head: bytes, limits: Limits) -> bool:
    """True if `check_partial_head` could find nothing wrong behind the first line: the quick test
    for nearly every head.
    """
    if len(head) > limits.max_header_len:
        return False
    # Without the legal bytes only line ends are left, two bytes each; one byte more is a stray one.
    return len(head.translate(None, LEGAL)) == 2 * head.count(CRLF)


def parse_field_section(lines: tuple[bytes, int], limits: Limits) -> ParsedSection:
    """The field section in these lines, with the empty line behind them, under a minor version of
    HTTP/1; or the first thing that is wrong with it.
    """
    block, version = lines
    headers = parse_header_lines(block, limits)
    if isinstance(headers, Malformed):
        return headers
    error = check_host_field(headers, version)
    if error is not None:
        return error
    body_length = message_body_length(headers, version)
    if isinstance(body_length, Malformed):
        return body_length
    max_len = max(limits.max_body_len, limits.max_streamed_body_len)
    if body_length > max_len:
        return body_too_long(max_len)
    expects_continue = _expects_continue(headers, version)
    if isinstance(expects_continue, Malformed):
        return expects_continue
    size = HEAD_BYTES + FIELD_BYTES * len(headers.pairs) + TEXT_FACTOR * len(block)
    return FieldSection(
        headers, body_length, expects_continue and body_length != 0,
        _keeps_alive(headers, version), size,
    )  # fmt: skip


def _expects_continue(headers: Headers, version: int) -> bool | Malformed:
    """True if the client asks for a 100 Continue; 417 for any other expectation (RFC 9110 section
    10.1.1).
    """
    value = headers.combined.get("expect")
    if not value or version == 0:
        return False
    expectations = parse_list(value)
    if expectations not in ([], ["100-continue"]):
        return malformed(
            "this server meets no expectation but 100-continue", CloseReason.EXPECTATION
        )
    return bool(expectations)


def _make_head(line: RequestLine, section: FieldSection, bounds: DecodingBounds) -> Head:
    """The head with these parts, and what follows from them."""
    method, target, headers = line.method, line.target, section.headers
    path, query = split_target(target)
    if HEARTBEATS in query and "upgrade" in headers.combined:
        query = "&".join([part for part in query.split("&") if part != HEARTBEATS])
    may_pipeline = (
        section.body_length == 0
        and section.keep_alive
        and method in PIPELINED_METHODS
        # The server's own responses, and a connection that leaves HTTP, are out of the usual way.
        and not is_for_server(method, target)
        and "upgrade" not in headers.combined
    )
    return Head(
        method,
        target,
        unquote(path) if "%" in path else path,
        query,
        line.version,
        headers,
        section.body_length,
        section.keep_alive,
        section.expects_continue,
        may_pipeline,
        section.size + TARGET_FACTOR * len(target),
        bounds,
    )


def _keeps_alive(headers: Headers, version: int) -> bool:
    """True if the connection persists after the response (RFC 9112 section 9.3)."""
    value = headers.combined.get("connection")
    if value is None or value == "keep-alive":
        return version == 1 or value is not None
    options = parse_list(value)
    return "close" not in options and (version == 1 or "keep-alive" in options)


def is_for_server(method: str, target: str) -> bool:
    """True for the requests that sigil answers itself: they are about the server, not about a
    resource.
    """
    return method == "TRACE" or target == "*"


# -- the beginning of a head -----------------------------------------------------------------------


def check_partial_head(prefix: bytes, start: int, limits: Limits) -> Malformed | None:
    """What is wrong with a head of which only the beginning, `prefix`, has come; None if it may
    still become a valid one.

    The first `start` bytes were checked by an earlier call, and are not looked at again, except for
    the request line.
    """
    window = prefix[: limits.max_header_len]
    line_end = window.find(CRLF, 0, max_line_len(limits))
    if line_end < 0:
        return check_partial_request_line(window, max(start - 1, 0), limits)
    if line_end >= start - 2:
        line = parse_request_line(window[:line_end], limits)
        if isinstance(line, Malformed):
            return line
    illegal = ILLEGAL_IN_HEAD.search(window, max(start - 1, line_end))
    if illegal is not None:
        return malformed(_describe_illegal_byte(illegal[0]))
    if len(prefix) > limits.max_header_len:
        return malformed(
            f"the head of the request is longer than {limits.max_header_len} bytes",
            CloseReason.LARGE_HEADER,
        )
    return None


def _describe_illegal_byte(byte: bytes) -> str:
    """The sentence for one byte that no head may contain where it stood."""
    names = {
        b"\n": "a line feed without a carriage return",
        b"\r": "a carriage return without a line feed",
    }
    return f"the head contains {names.get(byte, f'the control byte 0x{byte[0]:02x}')}"
