"""The head of a request as a value, and what follows from it.

Theory: a head is a pure function of its bytes, so it is parsed once, checked once, and may be
remembered by whoever sees the same bytes again. Everything the later stages ask on every request
(does it have a body, does the connection persist, may the next request overtake it) is worked out
here.

Rules: `parse_headers_only` is total: `Head`, `Malformed` or `NeedMore`, and only the first is true.
It never looks behind the empty line. It does not know the connection the bytes came from.
"""

from typing import NamedTuple, TypeAlias
from urllib.parse import unquote

from ..close_reasons import CloseReason
from ..conn import Peer
from ..limits import Limits
from ..parse_result import Malformed, NeedMore, malformed, without_body_for_head
from .fields import CRLF, ILLEGAL_IN_HEAD, parse_header_lines
from .framing import check_host_field, message_body_length, parse_list
from .headers import Headers
from .request import Request
from .request_line import (
    RequestLine,
    check_partial_request_line,
    max_line_len,
    parse_request_line,
    split_target,
)

PIPELINED_METHODS = frozenset(("GET", "OPTIONS"))
"""Safe methods (RFC 9110 section 9.2.1) behind which the next pipelined request is handed out
before the answer.
"""

_DEFAULTS = Limits()


class Head(NamedTuple):
    """A request without its body. `body_length` is the body's in bytes, -1 for chunked; `version`
    the minor one, 0 or 1.
    """

    method: str
    target: str
    path: str
    query: str
    version: int
    headers: Headers
    body_length: int
    keep_alive: bool
    expects_continue: bool
    may_pipeline: bool
    """HTTP/1.1, no body, no upgrade, the connection stays, the next request need not wait: the case
    to be fast in.
    """


def request_of(head: Head, body: bytes, peer: Peer) -> Request:
    """The request that this head and a body make."""
    method, target, path, query, version, headers, _, _, _, _ = head
    return Request(method, target, path, query, version, headers, body, peer)


Parsed: TypeAlias = Head | Malformed | NeedMore


def parse_headers_only(data: bytes, limits: Limits = _DEFAULTS) -> Parsed:
    """The head at the beginning of `data` (RFC 9112 sections 2 to 6), whatever follows it.

    `Malformed` carries the reason and the sentence its sender gets: 400, 413, 414, 417, 431, 501 or
    505. `NeedMore` says that the empty line that ends a head is not there yet, and nothing is wrong
    so far.
    """
    end = find_header_end(data)
    if end < 0:
        error = check_partial_head(data, 0, limits)
        return NeedMore(len(data)) if error is None else without_body_for_head(data, error)
    parsed = _parse_head(data[: end + 4], limits)
    return without_body_for_head(data, parsed) if type(parsed) is Malformed else parsed


def _parse_head(head: bytes, limits: Limits) -> Head | Malformed:
    """The same for the bytes of exactly one head."""
    line_end = head.find(CRLF, 0, max_line_len(limits))
    if line_end < 0 or not has_only_legal_bytes(head, limits):
        error = check_partial_head(head, 0, limits)
        return malformed("the head is malformed") if error is None else error
    line = parse_request_line(head[:line_end], limits)
    if isinstance(line, Malformed):
        return line
    return _parse_fields(line, head[line_end + 2 :], limits)


def _parse_fields(line: RequestLine, block: bytes, limits: Limits) -> Head | Malformed:
    """The head that this first line and these field lines make, or the first thing that is wrong
    with them.
    """
    headers = parse_header_lines(block, limits)
    if isinstance(headers, Malformed):
        return headers
    error = check_host_field(headers, line.version)
    if error is not None:
        return error
    length = message_body_length(headers, line.version)
    if isinstance(length, Malformed):
        return length
    if length > limits.max_body_len:
        return malformed(
            f"the body is longer than {limits.max_body_len} bytes", CloseReason.LARGE_REQUEST
        )
    expects = _expects_continue(headers, line.version)
    return expects if isinstance(expects, Malformed) else _make_head(line, headers, length, expects)


def _make_head(line: RequestLine, headers: Headers, length: int, expects: bool) -> Head:
    """The record, with what follows from its parts."""
    method, target, version = line.method, line.target, line.version
    path, query = split_target(target)
    persists = _keeps_alive(headers, version)
    is_simple = (
        length == 0
        and persists
        and version == 1
        and method in PIPELINED_METHODS
        and not is_for_server(method, target)
        and "upgrade" not in headers.combined
    )
    return Head(
        method,
        target,
        unquote(path) if "%" in path else path,
        query,
        version,
        headers,
        length,
        persists,
        expects and length != 0,
        is_simple,
    )


def is_for_server(method: str, target: str) -> bool:
    """True for the requests that sigil answers itself: they are about the server, not about a
    resource.
    """
    return method == "TRACE" or target == "*"


def _keeps_alive(headers: Headers, version: int) -> bool:
    """Whether the connection outlives the answer (RFC 9112 section 9.3)."""
    value = headers.combined.get("connection")
    if value is None or value == "keep-alive":
        return version == 1 or value is not None
    tokens = parse_list(value)
    return "close" not in tokens and (version == 1 or "keep-alive" in tokens)


def _expects_continue(headers: Headers, version: int) -> bool | Malformed:
    """Whether a 100 Continue is asked for; 417 for any other expectation (RFC 9110 section 10.1.1)."""
    value = headers.combined.get("expect")
    expectations = parse_list(value) if value and version else []
    if expectations not in ([], ["100-continue"]):
        return malformed(
            "this server meets no expectation but 100-continue", CloseReason.EXPECTATION
        )
    return bool(expectations)


LEGAL = b"\t" + bytes(range(0x20, 0x7F)) + bytes(range(0x80, 0x100))
"""What a head may contain but line ends: visible characters, space, tab, obs-text (RFC 9110 section
5.5).
"""


def find_header_end(buffer: bytes, start: int = 0) -> int:
    """Position of the empty line (CRLF CRLF) that ends a head, or -1.

    `start` is how much of the buffer an earlier search has covered: at most 3 bytes before it are
    looked at again.
    """
    return buffer.find(b"\r\n\r\n", start - 3 if start > 3 else 0)


def check_partial_head(prefix: bytes, start: int, limits: Limits) -> Malformed | None:
    """The verdict that the beginning of a head settles by itself, or None if it may still become a
    request.

    `start` is how much of it was inspected before; only what is new is looked at, but for the first
    line.
    """
    window = prefix[: limits.max_header_len]
    line_end = window.find(CRLF, 0, max_line_len(limits))
    if line_end < 0:
        return check_partial_request_line(window, max(start - 1, 0), limits)
    if line_end >= start - 2:
        line = parse_request_line(window[:line_end], limits)
        if isinstance(line, Malformed):
            return line
    flaw = ILLEGAL_IN_HEAD.search(window, max(start - 1, line_end))
    if flaw is not None:
        return malformed(_describe_illegal_byte(flaw[0]))
    if len(prefix) > limits.max_header_len:
        return malformed(
            f"the head of the request is longer than {limits.max_header_len} bytes",
            CloseReason.LARGE_HEADER,
        )
    return None


def _describe_illegal_byte(flaw: bytes) -> str:
    """The sentence for one byte that no head may contain where it stood."""
    names = {
        b"\n": "a line feed without a carriage return",
        b"\r": "a carriage return without a line feed",
    }
    return f"the head contains {names.get(flaw, f'the control byte 0x{flaw[0]:02x}')}"


def has_only_legal_bytes(head: bytes, limits: Limits) -> bool:
    """True if `check_partial_head` could find no flaw behind the first line: the quick test for
    nearly every head.

    What is left without the legal bytes are line ends, two bytes each; one byte more is a stray
    one.
    """
    return len(head) <= limits.max_header_len and len(
        head.translate(None, LEGAL)
    ) == 2 * head.count(CRLF)
