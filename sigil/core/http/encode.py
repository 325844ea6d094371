"""A response as bytes: status line, fields, framing (RFC 9110 section 8.6, RFC 9112 sections 4, 6,
7).

Theory: the bytes of a response are a function of the response, of the request's head (HEAD has no
body, HTTP/1.0 no chunks) and of whether the connection is to close. The framing is chosen here and
nowhere else, so the length that is declared is always the length that is sent.

Rules: nothing is written that `validate` refuses; what cannot be written is returned as a sentence
for the log, and the caller sends a 500. Small bodies are copied behind the head, large ones are
passed on by reference. It does not know sockets or time: the Date field is passed in as bytes.
"""

from datetime import UTC, datetime
from typing import Final, Never, assert_never, final

from ..value import Value
from .chunks import COPY_MAX, Framing, StreamState
from .head import Head
from .headers import Headers, Pairs
from .response import (
    HTML,
    JSON,
    OCTETS,
    REASON_PHRASES,
    TEXT,
    Body,
    EventStream,
    Response,
    StreamedBody,
    Upgrade,
)
from .tokens import split_list
from .validate import NO_CONTENT_STATUSES, check_response, check_subscription, declared_length

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@final
class Encoded(Value):
    """What to send for a response: the segments, whether the connection closes behind them, and the
    state of the body if it is streamed.
    """

    __match_args__ = ("segments", "closes", "streaming")
    __slots__ = __match_args__

    def __init__(
        self, segments: tuple[bytes, ...], closes: bool, streaming: StreamState | None
    ) -> None:
        self.segments: Final = segments
        self.closes: Final = closes
        self.streaming: Final = streaming


@final
class PreparedHeaders(Value):
    """The headers of a response, encoded.

    `block` holds their field lines without Content-Length and Connection; `has_date` is true if
    Date is among them. `closes` is true if the response asks for the connection to close, `length`
    is the declared Content-Length in bytes.
    """

    __match_args__ = ("block", "has_date", "closes", "length", "options")
    __slots__ = __match_args__

    def __init__(
        self, block: bytes, has_date: bool, closes: bool, length: int | None, options: str
    ) -> None:
        self.block: Final = block
        self.has_date: Final = has_date
        self.closes: Final = closes
        self.length: Final = length
        self.options: Final = options
        """The options in Connection besides `close` and `keep-alive`."""


def date_field_and_end(seconds: int) -> bytes:
    """The Date field (RFC 9110 section 5.6.7) of a time in seconds since 1970, and the empty line
    that ends a head.
    """
    at = datetime.fromtimestamp(seconds, UTC)
    return (
        f"Date: {_DAYS[at.weekday()]}, {at.day:02} {_MONTHS[at.month - 1]} {at.year:04} "
        f"{at.hour:02}:{at.minute:02}:{at.second:02} GMT\r\n\r\n"
    ).encode()


def _encode_lines(pairs: Pairs) -> bytes:
    """The field lines of these pairs."""
    return "".join([f"{name}: {value}\r\n" for name, value in pairs]).encode("latin-1")


_STATUS_LINES = {
    status: f"HTTP/1.1 {status} {phrase}\r\n".encode() for status, phrase in REASON_PHRASES.items()
}
_COMMON_HEADERS = {
    pairs: PreparedHeaders(_encode_lines(pairs), False, False, None, "")
    for pairs in (TEXT, HTML, JSON, OCTETS, ())
}
"""The headers that most responses have, prepared once."""
_TEXT_BLOCK = _COMMON_HEADERS[TEXT].block

_COMMON_STARTS = {
    status: line + b"Content-Length: "
    for status, line in _STATUS_LINES.items()
    if status >= 200 and status not in NO_CONTENT_STATUSES and status != 205
}
"""The beginning of a response with content, by status."""
_LENGTHS = tuple(b"%d\r\n" % length for length in range(4_096))
"""The end of the Content-Length line, by length."""

_CONNECTION_CLOSE = b"Connection: close\r\n"
_CONNECTION_KEEP_ALIVE = b"Connection: keep-alive\r\n"


def encode_common_responses(responses: tuple[Response, ...], date: bytes) -> bytes | None:
    """The bytes of the responses to pipelined requests, one behind the other; None if
    `encode_response` is needed for one of them.

    Common are the headers of `Response.text` and its like, a registered status, and a small body of
    bytes on a connection that persists: the case to be fast in. `date` is the Date field with the
    empty line that ends a head.
    """
    pieces: list[bytes] = []
    known_headers, block = TEXT, _TEXT_BLOCK
    try:
        for response in responses:
            status, headers, body = response.status, response.headers, response.body
            if headers is not known_headers:
                known_headers, block = headers, _COMMON_HEADERS[headers].block
            if type(body) is not bytes or len(body) > COPY_MAX:
                return None
            length = len(body)
            pieces += (
                _COMMON_STARTS[status],
                _LENGTHS[length] if length < 4_096 else b"%d\r\n" % length,
                block,
                date,
                body,
            )
    except Exception:
        # An uncommon status or header, or one from user code that cannot even be looked up.
        return None
    return b"".join(pieces)


def encode_response(response: Response, head: Head, closes: bool, date: bytes) -> Encoded | str:
    """The bytes of `response` to the request `head`, or a sentence that says why it cannot be sent.

    `closes` is true if the connection is to close behind this response; `Encoded.closes` may be
    true besides because the response asks for it. `date` is the Date field with the empty line that
    ends a head.
    """
    fields = prepare_headers(response)
    if isinstance(fields, str):
        return fields
    status, body = response.status, response.body
    closes = closes or fields.closes
    match body:
        case bytes():
            return _encode_bytes(status, body, fields, head, closes, date)
        case StreamedBody():
            return _encode_stream(status, fields, body.is_sse, head, closes, date)
        case EventStream():
            # Framed as for HTTP/1.0, without chunks: then an event is the same bytes for everybody.
            return _encode_stream(status, fields, True, head.replace(version=0), True, date)
        case Upgrade():
            # `prepare_headers` has refused it: a 101 is written by `encode_upgrade`.
            return "an upgrade is not a response to be encoded here"
        case _:
            assert_never(body)


def prepare_headers(response: Response) -> PreparedHeaders | str:
    """The headers of a response, validated and encoded, or a sentence that says why the response
    cannot be sent.
    """
    body = response.body
    problem = _check_body(body) or check_response(response)
    if problem is not None:
        return problem
    length = declared_length(response.headers)
    if isinstance(body, EventStream):
        if length is not None:
            return "the response declares a Content-Length, and its body is a stream without end"
        problem = check_subscription(body.topics, body.history)
        if problem is not None:
            return problem
    return length if isinstance(length, str) else _prepare(response.headers, length)


def _check_body(body: Body) -> str | None:
    """None for a body that can be encoded."""
    match body:
        case bytes() | StreamedBody() | EventStream():
            return None
        case Upgrade():
            pass
        case _:
            # The type checker knows that nothing is left; a handler may return something else.
            _nothing: Never = body
    return f"the body of a response is bytes or a stream, not {type(body).__name__}"


def _prepare(pairs: Pairs, length: int | None) -> PreparedHeaders:
    """The encoded lines of valid headers. Content-Length and Connection are left out, since their
    lines depend on the request.
    """
    combined = Headers(pairs).combined
    others = tuple(
        [pair for pair in pairs if pair[0].lower() not in ("content-length", "connection")]
    )
    options = split_list(combined.get("connection", ""))
    other_options = [option for option in options if option.lower() not in ("close", "keep-alive")]
    return PreparedHeaders(
        _encode_lines(others),
        "date" in combined,
        "close" in map(str.lower, options),
        length,
        ", ".join(other_options),
    )


def _encode_bytes(
    status: int, body: bytes, fields: PreparedHeaders, head: Head, closes: bool, date: bytes
) -> Encoded | str:
    """A response whose body is bytes; or a sentence if it is not as long as was declared."""
    has_content = head.method != "HEAD" and status not in NO_CONTENT_STATUSES
    if has_content and fields.length is not None and fields.length != len(body):
        return (
            f"the response declares a Content-Length of {fields.length} "
            f"and has a body of {len(body)} bytes"
        )
    return _encode_whole(status, body, fields, head, closes, date)


def _encode_whole(
    status: int, body: bytes, fields: PreparedHeaders, head: Head, closes: bool, date: bytes
) -> Encoded:
    """A response with its whole body, or without it if status or method allow none."""
    if status in NO_CONTENT_STATUSES or status == 205:
        body = b""
    length = _content_length(status, body, fields)
    framing_line = b"" if length is None else b"Content-Length: %d\r\n" % length
    start = _encode_head(status, framing_line, fields, head, closes, date)
    if not body or head.method == "HEAD":
        return Encoded((start,), closes, None)
    if len(body) <= COPY_MAX:
        return Encoded((start + body,), closes, None)
    return Encoded((start, body), closes, None)


def _content_length(status: int, body: bytes, fields: PreparedHeaders) -> int | None:
    """The Content-Length to send (RFC 9110 section 8.6), None for none: a 304 may have that of the
    content it stands for.
    """
    if status == 304:
        return fields.length
    if status in NO_CONTENT_STATUSES:
        return None
    return len(body) if fields.length is None or status == 205 else fields.length


def _encode_stream(
    status: int, fields: PreparedHeaders, is_sse: bool, head: Head, closes: bool, date: bytes
) -> Encoded:
    """The head of a response whose body will be pulled.

    The end of the body is marked by the declared length if there is one, else by chunks, else,
    under HTTP/1.0, by the end of the connection (RFC 9112 section 6.3).
    """
    if status in NO_CONTENT_STATUSES or status == 205:
        return _encode_whole(status, b"", fields, head, closes, date)
    if fields.length is not None:
        framing, line = Framing.CONTENT_LENGTH, b"Content-Length: %d\r\n" % fields.length
    elif head.version == 0:
        framing, line, closes = Framing.UNTIL_CLOSE, b"", True
    else:
        framing, line = Framing.CHUNKED, b"Transfer-Encoding: chunked\r\n"
    start = _encode_head(status, line, fields, head, closes, date)
    if head.method == "HEAD":
        return Encoded((start,), closes, None)
    stream = StreamState(framing, fields.length or 0, closes, True, is_sse)
    return Encoded((start,), closes, stream)


def _encode_head(
    status: int, framing_line: bytes, fields: PreparedHeaders, head: Head, closes: bool, date: bytes
) -> bytes:
    """Status line and field lines, with the empty line behind them."""
    return b"".join(
        (
            _STATUS_LINES.get(status) or status_line(status),
            framing_line,
            _connection_line(fields.options, closes, head.version),
            fields.block,
            b"\r\n" if fields.has_date else date,
        )
    )


def status_line(status: int) -> bytes:
    """The status line with its line end, like `HTTP/1.1 200 OK` (RFC 9112 section 4); the reason
    phrase of an unregistered status is empty.
    """
    return _STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status


def _connection_line(options: str, closes: bool, version: int) -> bytes:
    """The line of the Connection field (RFC 9110 section 7.6.1), empty if there is nothing to tell:
    HTTP/1.1 persists by itself, HTTP/1.0 does not.
    """
    if closes:
        own_option, line = "close, ", _CONNECTION_CLOSE
    elif version == 0:
        own_option, line = "keep-alive, ", _CONNECTION_KEEP_ALIVE
    else:
        own_option, line = "", b""
    return f"Connection: {own_option}{options}\r\n".encode() if options else line
