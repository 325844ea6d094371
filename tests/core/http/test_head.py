"""Heads: bytes in, `Head`, `Malformed` or `NeedMore` out, and what follows from a head."""

import pytest

from sigil.core.close_reasons import CloseReason
from sigil.core.http.head import (
    FIELD_BYTES,
    HEAD_BYTES,
    TARGET_FACTOR,
    TEXT_FACTOR,
    Head,
    parse_headers_only,
)
from sigil.core.http.headers import Headers
from sigil.core.limits import Limits
from sigil.core.parse_result import Malformed, NeedMore
from tests.support.core_driver import head_of, same

HOST = b"Host: a\r\n"


def test_a_simple_head_is_read_in_full() -> None:
    assert same(
        parse_headers_only(b"GET /a%20b?c=%20 HTTP/1.1\r\nHost: a.example\r\nX-Y:  z \r\n\r\nrest"),
        Head(
            method="GET",
            target="/a%20b?c=%20",
            path="/a b",
            query="c=%20",
            version=1,
            headers=Headers((("Host", "a.example"), ("X-Y", "z"))),
            body_length=0,
            keep_alive=True,
            expects_continue=False,
            may_pipeline=True,
            size=HEAD_BYTES + 2 * FIELD_BYTES + TEXT_FACTOR * 29 + TARGET_FACTOR * 12,
        ),
    )


def test_a_head_with_a_body_to_come_is_not_simple() -> None:
    data = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
    assert same(
        parse_headers_only(data),
        Head(
            "POST",
            "/",
            "/",
            "",
            1,
            Headers((("Host", "a"), ("Content-Length", "3"), ("Expect", "100-continue"))),
            body_length=3,
            keep_alive=True,
            expects_continue=True,
            may_pipeline=False,
            size=HEAD_BYTES + 3 * FIELD_BYTES + TEXT_FACTOR * 52 + TARGET_FACTOR * 1,
        ),
    )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"G",
        b"GET / HTTP/1.1\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n\r",
    ],
)
def test_a_head_without_its_empty_line_needs_more(data: bytes) -> None:
    assert same(parse_headers_only(data), NeedMore(len(data)))


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"\r\n\r\n", 400),
        (b"GET /\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n c\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999999\r\n\r\n", 413),
        (b"GET / HTTP/1.1\r\nHost: a\r\nExpect: miracles\r\n\r\n", 417),
        (b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 501),
        (b"GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505),
    ],
)
def test_a_bad_head_is_refused_with_a_status(data: bytes, status: int) -> None:
    refusal = parse_headers_only(data)
    assert isinstance(refusal, Malformed)
    assert (refusal.status, refusal.is_head) == (status, False)


def test_the_refusal_of_a_head_request_says_that_it_is_one() -> None:
    refusal = parse_headers_only(b"HEAD / HTTP/1.1\r\n\r\n")
    assert same(refusal, Malformed(CloseReason.BAD_HOST, "the request has no Host", True))


@pytest.mark.parametrize(
    ("fields", "version", "persists"),
    [
        (b"", b"1.1", True),
        (b"Connection: close\r\n", b"1.1", False),
        (b"Connection: x, CLOSE\r\n", b"1.1", False),
        (b"Connection: keep-alive\r\nConnection: close\r\n", b"1.1", False),
        (b"Connection: closed\r\n", b"1.1", True),
        (b"", b"1.0", False),
        (b"Connection: keep-alive\r\n", b"1.0", True),
        (b"Connection: keep-alive, close\r\n", b"1.0", False),
    ],
)
def test_a_connection_persists_as_version_and_field_say(
    fields: bytes, version: bytes, persists: bool
) -> None:
    assert (
        head_of(b"GET / HTTP/" + version + b"\r\n" + HOST + fields + b"\r\n").keep_alive is persists
    )


@pytest.mark.parametrize(
    ("data", "is_simple"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", True),
        (b"OPTIONS / HTTP/1.1\r\nHost: a\r\n\r\n", True),
        (b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", False),
        (b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", False),
        (b"POST / HTTP/1.1\r\nHost: a\r\n\r\n", False),
        (b"DELETE / HTTP/1.1\r\nHost: a\r\n\r\n", False),
        (b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", False),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n", False),
    ],
)
def test_only_safe_requests_that_change_nothing_are_simple(data: bytes, is_simple: bool) -> None:
    assert head_of(data).may_pipeline is is_simple


def test_an_expectation_means_nothing_without_a_body_or_in_http_1_0() -> None:
    assert not head_of(
        b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n"
    ).expects_continue
    assert not head_of(
        b"POST / HTTP/1.0\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n"
    ).expects_continue
    assert head_of(
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: 100-Continue\r\n\r\n"
    ).expects_continue


def sized(length: int) -> bytes:
    """A head of exactly so many bytes."""
    bare = b"GET / HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n"
    return bare.replace(b"X: ", b"X: " + b"y" * (length - len(bare)))


def test_a_head_may_be_as_long_as_the_bound_and_not_one_byte_longer() -> None:
    limits = Limits(max_header_len=200)
    assert isinstance(parse_headers_only(sized(200), limits), Head)
    assert same(
        parse_headers_only(sized(201), limits),
        Malformed(CloseReason.LARGE_HEADER, "the head of the request is longer than 200 bytes"),
    )


def test_a_head_without_an_end_is_refused_one_byte_past_the_bound() -> None:
    limits = Limits(max_header_len=200)
    assert same(parse_headers_only(sized(300)[:200], limits), NeedMore(200))
    assert same(
        parse_headers_only(sized(300)[:201], limits),
        Malformed(CloseReason.LARGE_HEADER, "the head of the request is longer than 200 bytes"),
    )


def test_a_body_may_be_announced_as_long_as_the_bound_and_not_one_byte_longer() -> None:
    limits = Limits(max_body_len=10, max_streamed_body_len=0)
    assert (
        head_of(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n", limits).body_length
        == 10
    )
    assert same(
        parse_headers_only(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n", limits),
        Malformed(CloseReason.LARGE_REQUEST, "the body is longer than 10 bytes"),
    )
