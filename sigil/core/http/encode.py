"""A response as bytes: status line, fields, framing (RFC 9110 section 8.6, RFC 9112 sections 4, 6,
7).

Theory: what goes on the wire is a function of the response, of the request's head (HEAD has no
body, HTTP/1.0 no chunks) and of whether the connection is to close. The framing is chosen here and
nowhere else, so the length that is announced is always the length that is sent.

Rules: nothing is written that `sanitize` refuses; a refusal is a sentence for the log, and the
caller sends a 500. Small bodies are joined to the head, large ones are passed on by reference. It
does not know sockets or time: the Date field comes in as bytes.
"""

from datetime import UTC, datetime
from enum import IntEnum
from typing import NamedTuple

from .head import Head
from .headers import Headers, Pairs
from .response import HTML, JSON, OCTETS, REASON_PHRASES, TEXT, EventStream, Response, StreamedBody
from .validate import NO_CONTENT_STATUSES, check_response, check_subscription, declared_length

COPY_MAX = 16_384
"""Bodies up to so many bytes are copied behind their head: cheaper than a second piece of memory to
send.
"""

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Framing(IntEnum):
    """How the end of a streamed body is marked."""

    CHUNKED = 0
    CONTENT_LENGTH = 1
    UNTIL_CLOSE = 2


class StreamState(NamedTuple):
    """A streamed body under way.

    `remaining` counts down the declared length, if there is one; `closes` says that the connection
    ends with it; `is_pulled` that the stream owes us a piece, so that it is never asked twice;
    `is_sse` that it is one of events.
    """

    framing: Framing
    remaining: int
    closes: bool
    is_pulled: bool
    is_sse: bool


class Encoded(NamedTuple):
    """What to send for a response, and what it means for the connection and for the rest of the
    body.
    """

    segments: tuple[bytes, ...]
    closes: bool
    streaming: StreamState | None


class PreparedHeaders(NamedTuple):
    """Header pairs made ready: the lines, and what they say about framing."""

    block: bytes
    has_date: bool
    closes: bool
    length: int | None
    options: str
    """Connection options besides `close` and `keep-alive`."""


def date_field_and_end(seconds: int) -> bytes:
    """The Date field for a time in seconds since 1970 (RFC 9110 section 5.6.7), and the empty line
    that ends a head.
    """
    at = datetime.fromtimestamp(seconds, UTC)
    return (
        f"Date: {_DAYS[at.weekday()]}, {at.day:02} {_MONTHS[at.month - 1]} {at.year:04} "
        f"{at.hour:02}:{at.minute:02}:{at.second:02} GMT\r\n\r\n"
    ).encode()


def _lines(pairs: Pairs) -> bytes:
    return "".join([f"{name}: {value}\r\n" for name, value in pairs]).encode("latin-1")


_STATUS_LINES = {
    status: f"HTTP/1.1 {status} {phrase}\r\n".encode() for status, phrase in REASON_PHRASES.items()
}
_COMMON = {
    pairs: PreparedHeaders(_lines(pairs), False, False, None, "")
    for pairs in (TEXT, HTML, JSON, OCTETS, ())
}
"""The headers that most responses have, made ready once."""

_TEXT_BLOCK = _COMMON[TEXT].block
_SIMPLE_STARTS = {
    status: line + b"Content-Length: "
    for status, line in _STATUS_LINES.items()
    if status >= 200 and status not in NO_CONTENT_STATUSES and status != 205
}
_LENGTHS = tuple(b"%d\r\n" % length for length in range(4_096))

_CONNECTION_CLOSE = b"Connection: close\r\n"
_CONNECTION_KEEP_ALIVE = b"Connection: keep-alive\r\n"


def encode_common_responses(responses: tuple[Response, ...], date: bytes) -> bytes | None:
    """The bytes of responses to simple requests, one behind the other; None if one of them needs a
    closer look.

    The case to be fast in: common headers, a small body that is there, and a connection that goes
    on.
    """
    pieces: list[bytes] = []
    known, block = TEXT, _TEXT_BLOCK
    try:
        for status, headers, body in responses:
            if headers is not known:
                block, known = _COMMON[headers].block, headers
            if type(body) is not bytes or len(body) > COPY_MAX:
                return None
            length = len(body)
            pieces += (
                _SIMPLE_STARTS[status],
                _LENGTHS[length] if length < 4_096 else b"%d\r\n" % length,
                block,
                date,
                body,
            )
    except (
        Exception
    ):  # an uncommon status or header, or what somebody made that cannot even be looked up
        return None
    return b"".join(pieces)


def status_line(status: int) -> bytes:
    """`HTTP/1.1 200 OK` with its line end; a status without a registered phrase has an empty one."""
    return _STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status


def prepare_headers(response: Response) -> PreparedHeaders | str:
    """The fields of a response ready for the wire, or why it cannot be sent."""
    body = response.body
    if not isinstance(body, bytes | StreamedBody | EventStream):
        return f"the body of a response is bytes or a stream, not {type(body).__name__}"
    problem = check_response(response)
    if problem is not None:
        return problem
    length = declared_length(response.headers)
    if isinstance(body, EventStream) and length is not None:
        return "the response declares a Content-Length, and its body is a stream without end"
    problem = (
        check_subscription(body.topics, body.history) if isinstance(body, EventStream) else None
    )
    if problem is not None:
        return problem
    return length if isinstance(length, str) else _prepare(response.headers, length)


def _prepare(pairs: Pairs, length: int | None) -> PreparedHeaders:
    """Lines for pairs that were found good; the framing fields among them are left out, and
    remembered.
    """
    names = Headers(pairs).combined
    rest = tuple(
        [pair for pair in pairs if pair[0].lower() not in ("content-length", "connection")]
    )
    options = [option.strip() for option in names.get("connection", "").split(",")]
    others = ", ".join(
        option for option in options if option.lower() not in ("", "close", "keep-alive")
    )
    return PreparedHeaders(
        _lines(rest), "date" in names, "close" in map(str.lower, options), length, others
    )


def encode_response(response: Response, head: Head, closes: bool, date: bytes) -> Encoded | str:
    """The bytes of `response` to the request `head`, or a sentence that says why it cannot be sent.

    `closes` says that the connection ends with this answer; the result's `closes` may also be the
    response's wish.
    """
    fields, body = prepare_headers(response), response.body
    if isinstance(fields, str):
        return fields
    assert isinstance(body, bytes | StreamedBody | EventStream)
    closes = closes or fields.closes
    if isinstance(body, StreamedBody):
        return _encode_stream(response.status, fields, body.is_sse, head, closes, date)
    if isinstance(body, EventStream):
        # as to somebody who knows no chunks: so an event is the same bytes for everybody
        return _encode_stream(response.status, fields, True, head._replace(version=0), True, date)
    is_sent = head.method != "HEAD" and response.status not in NO_CONTENT_STATUSES
    if is_sent and fields.length is not None and fields.length != len(body):
        return f"the response declares a Content-Length of {fields.length} and has a body of {len(body)} bytes"
    return _encode_whole(response.status, body, fields, head, closes, date)


def _encode_whole(
    status: int, body: bytes, fields: PreparedHeaders, head: Head, closes: bool, date: bytes
) -> Encoded:
    """A response whose body is there."""
    if status in NO_CONTENT_STATUSES or status == 205:
        body = b""
    count = _announced(status, body, fields)
    length = b"" if count is None else b"Content-Length: %d\r\n" % count
    top = _encode_head(status, length, fields, head, closes, date)
    if not body or head.method == "HEAD":
        return Encoded((top,), closes, None)
    segments = (top + body,) if len(body) <= COPY_MAX else (top, body)
    return Encoded(segments, closes, None)


def _announced(status: int, body: bytes, fields: PreparedHeaders) -> int | None:
    """The Content-Length to send, None for none: a 304 may tell that of the content it stands for."""
    if status in NO_CONTENT_STATUSES:
        return fields.length if status == 304 else None
    return len(body) if fields.length is None or status == 205 else fields.length


def _encode_stream(
    status: int, fields: PreparedHeaders, is_sse: bool, head: Head, closes: bool, date: bytes
) -> Encoded:
    """The head of a response whose body will be pulled: counted if declared, chunked if possible,
    else until close.
    """
    if status in NO_CONTENT_STATUSES or status == 205:
        return _encode_whole(status, b"", fields, head, closes, date)
    framing, line = Framing.CHUNKED, b"Transfer-Encoding: chunked\r\n"
    if fields.length is not None:
        framing, line = Framing.CONTENT_LENGTH, b"Content-Length: %d\r\n" % fields.length
    elif head.version == 0:
        framing, line, closes = Framing.UNTIL_CLOSE, b"", True
    top = _encode_head(status, line, fields, head, closes, date)
    stream = StreamState(framing, fields.length or 0, closes, True, is_sse)
    return Encoded((top,), closes, None if head.method == "HEAD" else stream)


def _encode_head(
    status: int, length: bytes, fields: PreparedHeaders, head: Head, closes: bool, date: bytes
) -> bytes:
    """Status line and fields, with the empty line behind them."""
    connection = _CONNECTION_CLOSE if closes else b"" if head.version else _CONNECTION_KEEP_ALIVE
    if fields.options:
        ours = "close, " if closes else "" if head.version else "keep-alive, "
        connection = f"Connection: {ours}{fields.options}\r\n".encode()
    return b"".join(
        (
            _STATUS_LINES.get(status) or status_line(status),
            length,
            connection,
            fields.block,
            b"\r\n" if fields.has_date else date,
        )
    )


def encode_chunk(stream: StreamState, data: bytes) -> tuple[bytes, ...] | str:
    """The segments for one piece of a streamed body, which is not empty; or why it cannot be part
    of it.
    """
    if stream.framing is Framing.CHUNKED:
        size = b"%x\r\n" % len(data)
        return (
            (b"".join((size, data, b"\r\n")),) if len(data) <= COPY_MAX else (size, data, b"\r\n")
        )
    if stream.framing is Framing.CONTENT_LENGTH and len(data) > stream.remaining:
        return "the stream yields more bytes than the Content-Length it was given"
    return (data,)


def encode_last_chunk(stream: StreamState) -> tuple[bytes, ...] | str:
    """The segments that end a streamed body; or why it must not end here."""
    if stream.framing is Framing.CONTENT_LENGTH and stream.remaining:
        return f"the stream ended {stream.remaining} bytes short of the Content-Length it was given"
    return (LAST_CHUNK,) if stream.framing is Framing.CHUNKED else ()
