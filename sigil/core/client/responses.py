"""A response as a client reads it: its head, and where its body ends (RFC 9112 sections 4 and 6.3).

Theory: whoever sends a response may be broken or hostile, and a client that is lenient reads one
response where another one sees two. So a head is read by the rules that requests are read by, and
what is ambiguous is refused.

Rules: a Content-Length is one number: a list of equal ones may be taken or refused (RFC 9112
section 6.3), and is refused, as in a request. `parse_response_head` is total: `ResponseHead`,
`Malformed` or `NeedMore`, and does not depend on how the bytes were cut into reads, but that what
is no response is refused early. Lines end in CRLF, and are not folded. It does not know the
connection, nor the request but its method.
"""

import re
from typing import Final, final

from ..close_reasons import CloseReason
from ..http.body import BodyReader, begin_body
from ..http.fields import CRLF, ILLEGAL_IN_HEAD, split_field_lines
from ..http.framing import parse_content_length
from ..http.head import find_header_end
from ..http.headers import Headers, decode_pairs
from ..http.tokens import parse_list
from ..parse_result import Malformed, NeedMore, malformed
from ..value import Value
from .limits import ClientLimits

_STATUS_LINE: Final = re.compile(rb"HTTP/1\.([0-9]) ([1-5][0-9][0-9])(?: ([\t -~\x80-\xff]*))?")
_BEGINNING: Final = b"HTTP/1."
_TLS_RECORDS: Final = (b"\x15\x03", b"\x16\x03")
STATUS_LINE_MAX: Final = 1_024
"""Bytes of a status line: a reason phrase is a few words."""
_BAD_LINE: Final = "the status line is malformed or too long"
UNTIL_CLOSE: Final = 2**61
"""What is left of a body that ends with the connection."""
_BODILESS: Final = frozenset((204, 304))


@final
class ResponseHead(Value):
    """The head of a response: `version` is the minor one of HTTP/1, `size` its length in bytes."""

    __match_args__ = ("version", "status", "reason", "headers", "size")
    __slots__ = __match_args__

    def __init__(self, version: int, status: int, reason: str, headers: Headers, size: int) -> None:
        self.version: Final = version
        self.status: Final = status
        self.reason: Final = reason
        self.headers: Final = headers
        self.size: Final = size

    @property
    def is_informational(self) -> bool:
        """True for 1xx but 101: the final response follows."""
        return self.status < 200 and self.status != 101


# -- the head --------------------------------------------------------------------------------------


def parse_response_head(
    data: bytes, limits: ClientLimits, start: int = 0
) -> ResponseHead | Malformed | NeedMore:
    """The head at the beginning of `data`, whatever follows it; `start` bytes were searched before.

    `NeedMore` means that the empty line that ends it has not come, and that nothing is wrong so
    far.
    """
    end = find_header_end(data, start)
    size = end + 4 if end >= 0 else len(data)
    if end < 0 or size > limits.max_response_header_len:
        error = _check_partial(data, limits)
        return NeedMore(len(data)) if error is None else error
    line_end = data.find(CRLF, 0, STATUS_LINE_MAX)
    line = _STATUS_LINE.fullmatch(data, 0, line_end) if line_end >= 0 else None
    if line is None:
        error = _check_partial(data[:size], limits)
        return malformed(_BAD_LINE) if error is None else error
    block = data[line_end + 2 : size]
    if ILLEGAL_IN_HEAD.search(block) is not None:
        return malformed("the head contains a control character, or half of a line end")
    pairs = split_field_lines(block) if len(block) > 2 else []
    if isinstance(pairs, Malformed):
        return pairs
    if len(pairs) > limits.max_response_headers:
        return _too_many_fields(limits)
    reason = line[3].decode("latin-1") if line[3] else ""
    return ResponseHead(int(line[1]), int(line[2]), reason, decode_pairs(pairs), size)


def _too_many_fields(limits: ClientLimits) -> Malformed:
    return malformed(f"there are more than {limits.max_response_headers} header fields")


def _check_partial(data: bytes, limits: ClientLimits) -> Malformed | None:
    """What is wrong with a head that is not complete, or is too long; None if nothing is."""
    beginning = data[: len(_BEGINNING)]
    if not _BEGINNING.startswith(beginning):
        if data[:2] in _TLS_RECORDS:
            return malformed("what came back is TLS: is it an https URL?")
        if beginning.startswith(b"HTTP/"):
            return malformed("the version of HTTP is not 1.0 or 1.1")
        return malformed("what came back is not HTTP")
    line_end = data.find(CRLF, 0, STATUS_LINE_MAX)
    if line_end < 0:
        line = data[:STATUS_LINE_MAX].removesuffix(b"\r")
        if len(data) >= STATUS_LINE_MAX or ILLEGAL_IN_HEAD.search(line) is not None:
            return malformed(_BAD_LINE)
        return None
    if _STATUS_LINE.fullmatch(data, 0, line_end) is None:
        return malformed(_BAD_LINE)
    if ILLEGAL_IN_HEAD.search(data, line_end, limits.max_response_header_len) is not None:
        return malformed("the head contains a control character, or half of a line end")
    if len(data) > limits.max_response_header_len:
        return malformed(f"the head is longer than {limits.max_response_header_len} bytes")
    if data.count(CRLF) > limits.max_response_headers + 3:
        return _too_many_fields(limits)
    return None


# -- the body --------------------------------------------------------------------------------------


def response_body(head: ResponseHead, method: str) -> BodyReader | Malformed:
    """The body behind this head, of which nothing has come; or why its end cannot be known (RFC
    9112 section 6.3).
    """
    fields = head.headers.combined
    codings, length = fields.get("transfer-encoding"), fields.get("content-length")
    if method == "HEAD" or head.status < 200 or head.status in _BODILESS:
        return begin_body(0)
    if codings is not None:
        if length is not None:
            return malformed("the response has both Transfer-Encoding and Content-Length")
        if head.version == 0:
            return malformed("Transfer-Encoding does not exist in HTTP/1.0")
        if parse_list(codings) != ["chunked"]:
            return malformed("the only transfer coding that is decoded is chunked")
        return begin_body(-1)
    if length is None:
        return begin_body(UNTIL_CLOSE)
    declared = parse_content_length(length)
    return declared if isinstance(declared, Malformed) else begin_body(declared)


def keeps_alive(head: ResponseHead) -> bool:
    """True if the connection persists behind this response (RFC 9112 section 9.3)."""
    value = head.headers.combined.get("connection")
    if value is None:
        return head.version > 0
    options = parse_list(value)
    return "close" not in options and (head.version > 0 or "keep-alive" in options)


def content_codings(headers: Headers) -> tuple[str, ...]:
    """The content codings of a body, in the order in which they were applied, without identity."""
    value = headers.combined.get("content-encoding")
    if value is None:
        return ()
    return tuple([coding for coding in parse_list(value) if coding != "identity"])


def is_too_large(error: Malformed) -> bool:
    """True if what is wrong is a length."""
    return error.reason is CloseReason.LARGE_REQUEST
