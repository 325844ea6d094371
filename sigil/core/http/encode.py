"""A response as bytes: status line, fields, framing (RFC 9110 section 8.6, RFC 9112 sections 4, 6,
7).

Theory: the bytes of a response are a function of the response, of the request's head (HEAD has no
body, HTTP/1.0 no chunks) and of whether the connection is to close. The framing is chosen here and
nowhere else, so the length that is declared is always the length that is sent.

Rules: nothing is written that `field_lines` or `validate` refuses; what cannot be written is
returned as a sentence for the log, and the caller sends a 500. What is sent are pieces, which
`gather` joins: small bodies are copied behind the head, large ones passed on by reference. It does
not know sockets or time: the Date field is passed in as bytes.
"""

from collections.abc import Sequence
from typing import Final, Never, final

from ..value import Value
from .bodies import EventStream, FileBody, Poll, StreamedBody, Upgrade, file_body_len
from .chunks import COPY_MAX, Framing, StreamState
from .dates import format_date
from .field_lines import PreparedHeaders, prepare_headers
from .head import Head
from .response import REASON_PHRASES, Response
from .validate import (
    NO_CONTENT_STATUSES,
    check_reason,
    check_retry,
    check_slow,
    check_start,
    check_status,
    check_subscription,
    type_name,
)

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


@final
class Encoded(Value):
    """What to send for a response: its pieces in order, whether the connection closes behind them,
    and the state of the body if it is streamed.
    """

    __match_args__ = ("pieces", "closes", "streaming")
    __slots__ = __match_args__

    def __init__(
        self, pieces: tuple[bytes, ...], closes: bool, streaming: StreamState | None
    ) -> None:
        self.pieces: Final = pieces
        self.closes: Final = closes
        self.streaming: Final = streaming


def date_field_and_end(seconds: int) -> bytes:
    """The Date field (RFC 9110 section 5.6.7) of a time in seconds since 1970, and the empty line
    that ends a head.
    """
    return f"Date: {format_date(seconds)}\r\n\r\n".encode()


def end_of_head(seconds: int, has_date: bool) -> bytes:
    """What ends a head at that time: the Date field and the empty line, or that alone."""
    return date_field_and_end(seconds) if has_date else b"\r\n"


_STATUS_LINES: Final = {
    status: f"HTTP/1.1 {status} {phrase}\r\n".encode()
    for status, phrase in REASON_PHRASES.items()
    if check_status(status) is None
}
_CONNECTION_CLOSE: Final = b"Connection: close\r\n"
_CONNECTION_KEEP_ALIVE: Final = b"Connection: keep-alive\r\n"


def encode_response(response: Response, head: Head, closes: bool, date: bytes) -> Encoded | str:
    """The bytes of `response` to the request `head`, or a sentence that says why it cannot be sent.

    `closes` is true if the connection is to close behind this response; `Encoded.closes` may be
    true besides because the response asks for it. `date` is the Date field with the empty line that
    ends a head.
    """
    status, body = response.status, response.body
    if type(status) is not int or status not in _STATUS_LINES:
        problem = check_status(status)
        if problem is not None:
            return problem
    line, reason = _STATUS_LINES.get(status), response.reason
    if line is None or type(reason) is not str or reason:
        problem = check_reason(reason)
        if problem is not None:
            return problem
        line = status_line(status, reason)
    fields = response.prepared
    if fields is None:
        checked = prepare_headers(response.headers)
        if isinstance(checked, str):
            return checked
        fields = checked
    closes = closes or fields.closes
    match body:
        case bytes():
            return _encode_whole(status, line, body, fields, head, closes, date)
        case StreamedBody():
            return _encode_stream(status, line, fields, body.is_sse, head, closes, date)
        case FileBody():
            return _encode_file(status, line, body, fields, head, closes, date)
        case EventStream():
            return _encode_events(status, line, body, fields, head, date)
        case Upgrade() | Poll():
            pass  # a 101 is written by `encode_upgrade`, and a long-poll is answered with bytes
        case _:
            # The type checker knows that nothing is left; a handler may return something else.
            _nothing: Never = body
    return f"the body of a response is bytes or a stream, not {type_name(body)}"


def _encode_whole(
    status: int,
    line: bytes,
    body: bytes,
    fields: PreparedHeaders,
    head: Head,
    closes: bool,
    date: bytes,
) -> Encoded | str:
    """A response with its whole body, or without it if status or method allow none (RFC 9110
    section 8.6); or a sentence if it is not as long as was declared.
    """
    declared, has_body = fields.length, head.method != "HEAD"
    length: int | None = len(body)
    if status in NO_CONTENT_STATUSES:  # a 304 may tell the length of the content it stands for
        has_body, length = False, declared if status == 304 else None
    elif status == 205:
        has_body, length = False, 0
    elif declared is not None and has_body and declared != length:
        return (
            f"the response declares a Content-Length of {declared} and has a body of {length} bytes"
        )
    elif declared is not None:
        length = declared
    framing_line = b"" if length is None else b"Content-Length: %d\r\n" % length
    lines = _encode_head(line, framing_line, fields, head, closes, date)
    return Encoded((*lines, body) if has_body else lines, closes, None)


def _encode_events(
    status: int, line: bytes, body: EventStream, fields: PreparedHeaders, head: Head, date: bytes
) -> Encoded | str:
    """The head of a response whose body is an event stream. It is framed as for HTTP/1.0, without
    chunks: then an event is the same bytes for everybody.
    """
    if fields.length is not None:
        return "the response declares a Content-Length, and its body is a stream without end"
    problem = check_subscription(body.topics, body.history) or check_start(body.after)
    problem = problem or check_retry(body.retry_ms) or check_slow(body.slow)
    if problem is not None:
        return problem
    return _encode_stream(status, line, fields, True, head.replace(version=0), True, date)


def _encode_stream(
    status: int,
    line: bytes,
    fields: PreparedHeaders,
    is_sse: bool,
    head: Head,
    closes: bool,
    date: bytes,
) -> Encoded | str:
    """The head of a response whose body will be pulled.

    The end of the body is marked by the declared length if there is one, else by chunks, else,
    under HTTP/1.0, by the end of the connection (RFC 9112 section 6.3).
    """
    if status in NO_CONTENT_STATUSES or status == 205:
        return _encode_whole(status, line, b"", fields, head, closes, date)
    if fields.length is not None:
        framing, framing_line = Framing.CONTENT_LENGTH, b"Content-Length: %d\r\n" % fields.length
    elif head.version == 0:
        framing, framing_line, closes = Framing.UNTIL_CLOSE, b"", True
    else:
        framing, framing_line = Framing.CHUNKED, b"Transfer-Encoding: chunked\r\n"
    lines = _encode_head(line, framing_line, fields, head, closes, date)
    if head.method == "HEAD":
        return Encoded(lines, closes, None)
    stream = StreamState(framing, fields.length or 0, closes, True, is_sse)
    return Encoded(lines, closes, stream)


def _encode_file(
    status: int,
    line: bytes,
    body: FileBody,
    fields: PreparedHeaders,
    head: Head,
    closes: bool,
    date: bytes,
) -> Encoded | str:
    """The head of a response whose body is a file, or parts of one, whose length is known."""
    if body.parts is None:
        return "the file that is the body of the response was not opened"
    if status in NO_CONTENT_STATUSES or status == 205:
        return _encode_whole(status, line, b"", fields, head, closes, date)
    length = file_body_len(body)
    if fields.length is not None and fields.length != length:
        return (
            f"the response declares a Content-Length of {fields.length} and has a file of {length} "
            "bytes"
        )
    framing_line = b"Content-Length: %d\r\n" % length
    lines = _encode_head(line, framing_line, fields, head, closes, date)
    if head.method == "HEAD" or not length:
        return Encoded(lines, closes, None)
    stream = StreamState(Framing.CONTENT_LENGTH, length, closes, True, False, True)
    return Encoded(lines, closes, stream)


def _encode_head(
    line: bytes, framing_line: bytes, fields: PreparedHeaders, head: Head, closes: bool, date: bytes
) -> tuple[bytes, ...]:
    """Status line and field lines, with the empty line behind them."""
    connection = b""
    if closes or head.version == 0 or fields.options:
        connection = _connection_line(fields.options, closes, head.version)
    return (
        line,
        framing_line,
        connection,
        fields.block,
        b"\r\n" if fields.has_date else date,
    )


def gather(pieces: Sequence[bytes]) -> tuple[bytes, ...]:
    """The pieces as segments: neighbours are joined to one, but for pieces of more than `COPY_MAX`
    bytes, which are not copied.
    """
    if max(map(len, pieces)) <= COPY_MAX:
        return (b"".join(pieces),)
    segments: list[bytes] = []
    short: list[bytes] = []
    for piece in pieces:
        if len(piece) <= COPY_MAX:
            short.append(piece)
            continue
        segments += (b"".join(short), piece)
        short = []
    last = b"".join(short)
    return (*segments, last) if last else tuple(segments)


def status_line(status: int, reason: str = "") -> bytes:
    """The status line with its line end, like `HTTP/1.1 200 OK` (RFC 9112 section 4); without a
    `reason` the phrase is the registered one, which is empty for a status that has none.
    """
    if not reason and status in _STATUS_LINES:
        return _STATUS_LINES[status]
    return b"HTTP/1.1 %d %b\r\n" % (status, reason.encode("latin-1"))


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
