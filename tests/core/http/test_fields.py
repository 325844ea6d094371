"""Field lines become pairs of bytes, or are refused with a sentence."""

import pytest

from sigil.core.close_reasons import CloseReason
from sigil.core.http.fields import parse_header_lines, split_field_lines
from sigil.core.http.head import Head, parse_headers_only
from sigil.core.http.headers import Headers
from sigil.core.limits import Limits
from sigil.core.parse_result import Malformed
from tests.support.core_driver import same


def test_field_lines_become_pairs_of_bytes() -> None:
    assert split_field_lines(b"Host: a\r\nX-Empty:\r\nX-Obs: \xff\r\n\r\n") == [
        (b"Host", b"a"),
        (b"X-Empty", b""),
        (b"X-Obs", b"\xff"),
    ]


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (b"Host a\r\n\r\n", "a header line has no colon"),
        (b"Host : a\r\n\r\n", "there is white space between a header name and its colon"),
        (
            b": a\r\n\r\n",
            "a header name is empty or contains a character that is not allowed there",
        ),
        (
            b"H(st: a\r\n\r\n",
            "a header name is empty or contains a character that is not allowed there",
        ),
        (
            b"A: b\r\n c\r\n\r\n",
            "a header field is folded over several lines, which is obsolete and refused",
        ),
    ],
)
def test_a_bad_field_line_is_refused_with_a_sentence(block: bytes, message: str) -> None:
    assert same(split_field_lines(block), Malformed(CloseReason.BAD_REQUEST, message))


@pytest.mark.parametrize(
    "block",
    [
        b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"Content-Length: 99999999999999999999999\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
        b"Transfer-Encoding: chunked, gzip\r\n\r\n",
        b"Connection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    ],
)
def test_what_the_framing_fields_mean_is_not_the_tokenisers_business(block: bytes) -> None:
    expected = [
        (name, value.strip())
        for name, _, value in (line.partition(b":") for line in block[:-4].split(b"\r\n"))
    ]
    pairs = split_field_lines(block)
    assert not isinstance(pairs, Malformed)
    assert [(name, value.strip()) for name, value in pairs] == expected


def test_there_may_be_as_many_fields_as_the_bound_and_not_one_more() -> None:
    limits = Limits(max_headers=3)
    assert isinstance(
        parse_headers_only(b"GET / HTTP/1.1\r\nHost: a\r\nB: b\r\nB: b\r\n\r\n", limits), Head
    )
    assert same(
        parse_headers_only(b"GET / HTTP/1.1\r\nHost: a\r\nB: b\r\nB: b\r\nB: b\r\n\r\n", limits),
        Malformed(CloseReason.LARGE_HEADER, "the request has more than 3 header fields"),
    )


def test_field_lines_are_read_with_or_without_their_empty_line() -> None:
    expected = Headers((("A", "b"), ("C", "")))
    assert parse_header_lines(b"A: b\r\nC:\r\n") == expected
    assert parse_header_lines(b"A: b\r\nC:\r\n\r\n") == expected
    assert parse_header_lines(b"\r\n") == Headers()
    assert parse_header_lines(b"") == Headers()
