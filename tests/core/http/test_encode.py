"""Responses as bytes, to the byte: framing by status, method, version and length."""

from typing import Any

import pytest

from sigil.core.http.bodies import FileBody, StreamedBody
from sigil.core.http.chunks import COPY_MAX, Framing, StreamState
from sigil.core.http.encode import (
    Encoded,
    date_field_and_end,
    encode_response,
    gather,
    status_line,
)
from sigil.core.http.response import Response
from tests.support.builds import is_refused
from tests.support.core_driver import DATE, head_of, same

GET = head_of(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
HEAD = head_of(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
OLD = head_of(b"GET / HTTP/1.0\r\n\r\n")
OLD_KEPT = head_of(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
OLD_HEAD = head_of(b"HEAD / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
TEXT = b"Content-Type: text/plain; charset=utf-8\r\n"
OCTETS = b"Content-Type: application/octet-stream\r\n"
STREAM = Response.stream([])


def joined(response: Response, head: Any, closes: bool) -> Encoded:
    """A response, encoded, with its pieces joined to one."""
    encoded = encode_response(response, head, closes, DATE)
    assert isinstance(encoded, Encoded)
    return encoded.replace(pieces=(b"".join(encoded.pieces),))


@pytest.mark.parametrize(
    ("seconds", "line"),
    [
        (0, b"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n"),
        (784_111_777, b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n"),
        (951_782_400, b"Date: Tue, 29 Feb 2000 00:00:00 GMT\r\n\r\n"),
        (2_147_483_647, b"Date: Tue, 19 Jan 2038 03:14:07 GMT\r\n\r\n"),
        (253_402_300_799, b"Date: Fri, 31 Dec 9999 23:59:59 GMT\r\n\r\n"),
    ],
)
def test_a_date_is_written_as_http_wants_it(seconds: int, line: bytes) -> None:
    assert date_field_and_end(seconds) == line


@pytest.mark.parametrize(
    ("status", "line"),
    [
        (200, b"HTTP/1.1 200 OK\r\n"),
        (404, b"HTTP/1.1 404 Not Found\r\n"),
        (413, b"HTTP/1.1 413 Content Too Large\r\n"),
        (422, b"HTTP/1.1 422 Unprocessable Content\r\n"),
        (599, b"HTTP/1.1 599 \r\n"),
    ],
)
def test_a_status_line_has_a_phrase_if_there_is_one(status: int, line: bytes) -> None:
    assert status_line(status) == line


@pytest.mark.parametrize(
    ("response", "line"),
    [
        (Response.text("", 404).with_reason("Gone fishing"), b"HTTP/1.1 404 Gone fishing\r\n"),
        (Response(599, (), b"", "caf\xe9\t!"), b"HTTP/1.1 599 caf\xe9\t!\r\n"),
        (Response.stream([b""]).with_reason("Sure"), b"HTTP/1.1 200 Sure\r\n"),
        (Response(304, (), b"", "As before"), b"HTTP/1.1 304 As before\r\n"),
        (Response(205, (), StreamedBody(()), "Clear"), b"HTTP/1.1 205 Clear\r\n"),
        (Response(200, (), FileBody(None, (b"x",)), "File"), b"HTTP/1.1 200 File\r\n"),
        (Response.sse(topics="a").with_reason("Hear"), b"HTTP/1.1 200 Hear\r\n"),
    ],
)
def test_a_response_may_have_a_phrase_of_its_own_whatever_its_body(
    response: Response, line: bytes
) -> None:
    encoded = encode_response(response, GET, False, DATE)
    assert isinstance(encoded, Encoded)
    assert b"".join(encoded.pieces).startswith(line)


CASES = [
    (
        "text",
        Response.text("hi"),
        GET,
        False,
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + TEXT + DATE + b"hi",
        False,
    ),
    (
        "empty",
        Response.text(""),
        GET,
        False,
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" + TEXT + DATE,
        False,
    ),
    (
        "closing",
        Response.text("hi"),
        GET,
        True,
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n" + TEXT + DATE + b"hi",
        True,
    ),
    (
        "wish to close",
        Response.text("hi", headers={"connection": "x, Close"}),
        GET,
        False,
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close, x\r\n" + TEXT + DATE + b"hi",
        True,
    ),
    (
        "keep-alive is not for handlers",
        Response(200, (("Connection", "keep-alive"),), b""),
        GET,
        True,
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n" + DATE,
        True,
    ),
    (
        "head",
        Response.text("hi"),
        HEAD,
        False,
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + TEXT + DATE,
        False,
    ),
    (
        "head of a declared length",
        Response(200, (("Content-Length", "99"),), b""),
        HEAD,
        False,
        b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n" + DATE,
        False,
    ),
    ("204", Response(204, (), b""), GET, False, b"HTTP/1.1 204 No Content\r\n" + DATE, False),
    (
        "204 with a body",
        Response.text("hi", 204),
        GET,
        False,
        b"HTTP/1.1 204 No Content\r\n" + TEXT + DATE,
        False,
    ),
    (
        "304",
        Response(304, (("ETag", '"x"'),), b"hi"),
        GET,
        False,
        b'HTTP/1.1 304 Not Modified\r\nETag: "x"\r\n' + DATE,
        False,
    ),
    (
        "205",
        Response(205, (), b"hi"),
        GET,
        False,
        b"HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n" + DATE,
        False,
    ),
    (
        "204 stream",
        Response(204, (), StreamedBody(())),
        GET,
        False,
        b"HTTP/1.1 204 No Content\r\n" + DATE,
        False,
    ),
    (
        "1.0",
        Response.text("hi"),
        OLD,
        True,
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n" + TEXT + DATE + b"hi",
        True,
    ),
    (
        "1.0 kept",
        Response.text("hi"),
        OLD_KEPT,
        False,
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n" + TEXT + DATE + b"hi",
        False,
    ),
    (
        "own date",
        Response(200, (("Date", "now"), ("X-A", "\xe9")), b""),
        GET,
        False,
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nDate: now\r\nX-A: \xe9\r\n\r\n",
        False,
    ),
    (
        "declared and kept",
        Response(200, (("Content-Length", "02"),), b"hi"),
        GET,
        False,
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + DATE + b"hi",
        False,
    ),
    (
        "no phrase",
        Response(599, (), b""),
        GET,
        False,
        b"HTTP/1.1 599 \r\nContent-Length: 0\r\n" + DATE,
        False,
    ),
    (
        "head of a stream",
        STREAM,
        HEAD,
        False,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" + OCTETS + DATE,
        False,
    ),
    (
        "head of a stream in 1.0",
        STREAM,
        OLD_HEAD,
        False,
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n" + OCTETS + DATE,
        True,
    ),
]


@pytest.mark.parametrize(
    ("response", "head", "closes", "data", "ends"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_a_whole_response_is_these_bytes(
    response: Response, head: object, closes: bool, data: bytes, ends: bool
) -> None:
    assert same(joined(response, head, closes), Encoded((data,), ends, None))


def test_a_stream_is_chunked_counted_or_until_close() -> None:
    top = b"HTTP/1.1 200 OK\r\n"
    assert same(
        joined(STREAM, GET, False),
        Encoded(
            (top + b"Transfer-Encoding: chunked\r\n" + OCTETS + DATE,),
            False,
            StreamState(Framing.CHUNKED, 0, False, True, False),
        ),
    )
    assert same(
        joined(Response(200, (("Content-Length", "7"),), StreamedBody(())), GET, True),
        Encoded(
            (top + b"Content-Length: 7\r\nConnection: close\r\n" + DATE,),
            True,
            StreamState(Framing.CONTENT_LENGTH, 7, True, True, False),
        ),
    )
    assert same(
        joined(STREAM, OLD_KEPT, False),
        Encoded(
            (top + b"Connection: close\r\n" + OCTETS + DATE,),
            True,
            StreamState(Framing.UNTIL_CLOSE, 0, True, True, False),
        ),
    )
    assert same(
        joined(Response(200, (("Content-Length", "7"),), StreamedBody(())), OLD_KEPT, False),
        Encoded(
            (top + b"Content-Length: 7\r\nConnection: keep-alive\r\n" + DATE,),
            False,
            StreamState(Framing.CONTENT_LENGTH, 7, False, True, False),
        ),
    )


def test_a_body_up_to_the_bound_is_joined_and_a_larger_one_is_passed_by_reference() -> None:
    for length, count in ((COPY_MAX, 1), (COPY_MAX + 1, 2)):
        body = b"x" * length
        encoded = encode_response(Response(200, (), body), GET, False, DATE)
        assert isinstance(encoded, Encoded)
        assert len(gather(encoded.pieces)) == count
        assert (
            b"".join(encoded.pieces)
            == b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n" % length + DATE + body
        )
        assert count == 1 or gather(encoded.pieces)[1] is body


@pytest.mark.parametrize(
    ("response", "problem"),
    [
        (
            Response(200, (("X-A", "b\r\nX-C: d"),), b""),
            "the value of header 'X-A' contains a character that cannot be sent: 'b\\r\\nX-C: d'",
        ),
        (Response(200, (("X-A\r\nX-B", "c"),), b""), "'X-A\\r\\nX-B' is not a header name"),
        (
            Response(200, (("Transfer-Encoding", "chunked"),), b""),
            "the header 'Transfer-Encoding' is the server's to send",
        ),
        (
            Response(200, (("Content-Length", "5"),), b"hi"),
            "the response declares a Content-Length of 5 and has a body of 2 bytes",
        ),
        (
            Response(200, (("Content-Length", "1"), ("Content-Length", "2")), b"hi"),
            "Content-Length '1, 2' is not one decimal number",
        ),
        (Response(101, (), b""), "101 is not the status of a response (200 to 599)"),
        (
            Response(200, (), b"", "a\r\nb"),
            "a reason phrase is one line of printable latin-1, not 'a\\r\\nb'",
        ),
    ],
)
def test_what_cannot_be_sent_is_a_sentence_and_never_bytes(
    response: Response, problem: str
) -> None:
    assert encode_response(response, GET, False, DATE) == problem


@pytest.mark.parametrize("body", [b"abc", StreamedBody(())])
def test_a_205_never_announces_a_body_that_it_does_not_send(body: bytes | StreamedBody) -> None:
    encoded = encode_response(Response(205, (("Content-Length", "3"),), body), GET, False, DATE)
    assert isinstance(encoded, str) or b"Content-Length: 0\r\n" in gather(encoded.pieces)[0]


def test_a_304_may_say_how_long_the_body_would_have_been() -> None:
    encoded = encode_response(Response(304, (("Content-Length", "3"),), b""), GET, False, DATE)
    assert isinstance(encoded, Encoded)
    assert gather(encoded.pieces)[0].startswith(b"HTTP/1.1 304 Not Modified\r\n")


def test_one_connection_field_that_says_close_is_enough() -> None:
    pairs = (("Connection", "close"), ("Connection", "x"))
    encoded = encode_response(Response(200, pairs, b""), GET, False, DATE)
    assert isinstance(encoded, Encoded)
    assert encoded.closes


def test_headers_that_are_no_tuple_are_refused() -> None:
    headers: Any = {"A": "b"}
    if is_refused(Response, 200, headers, b""):
        return
    problem = encode_response(Response(200, headers, b""), GET, False, b"")
    assert problem == "the headers of a response are a tuple of pairs, not {'A': 'b'}"


@pytest.mark.parametrize(
    "body", ["text", None, bytearray(b"x"), type("Fake", (), {"chunks": [b"a"]})()]
)
def test_a_body_that_is_neither_bytes_nor_a_stream_is_refused(body: object) -> None:
    if is_refused(Response, 200, (), body):
        return
    problem = encode_response(Response(200, (), body), GET, False, b"")  # type: ignore[arg-type]
    assert problem == f"the body of a response is bytes or a stream, not {type(body).__name__}"


def test_a_sentence_that_is_no_unicode_is_sent_with_what_can_be_sent() -> None:
    assert Response.error(400, "name \ud800").body == b"400 Bad Request: name ?\n"
