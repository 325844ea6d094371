"""The fields that frame a message: Content-Length, Transfer-Encoding and Host, value by value."""

import pytest

from sigil.core.close_reasons import CloseReason
from sigil.core.http.framing import (
    check_host,
    check_host_field,
    message_body_length,
    parse_content_length,
)
from sigil.core.http.headers import Headers
from sigil.core.parse_result import Malformed
from tests.support.core_driver import same

NOT_A_NUMBER = Malformed(CloseReason.BAD_REQUEST, "Content-Length is not one decimal number")
TOO_LARGE = Malformed(CloseReason.LARGE_REQUEST, "Content-Length is beyond all bounds")


@pytest.mark.parametrize(
    ("value", "length"),
    [
        ("0", 0),
        ("5", 5),
        ("007", 7),
        ("000", 0),
        ("0" * 500 + "42", 42),
        ("999999999999999999", 999_999_999_999_999_999),
        ("", NOT_A_NUMBER),
        (" 1", NOT_A_NUMBER),
        ("1 ", NOT_A_NUMBER),
        ("0abc", NOT_A_NUMBER),
        ("0x1", NOT_A_NUMBER),
        ("+1", NOT_A_NUMBER),
        ("-1", NOT_A_NUMBER),
        ("1_0", NOT_A_NUMBER),
        ("1.0", NOT_A_NUMBER),
        ("5, 5", NOT_A_NUMBER),
        ("²", NOT_A_NUMBER),
        ("٣", NOT_A_NUMBER),
        ("1000000000000000000", TOO_LARGE),
        (str(2**64 - 1), TOO_LARGE),
        (str(2**64), TOO_LARGE),
        ("9" * 10_000, TOO_LARGE),
    ],
)
def test_a_content_length_is_digits_or_refused(value: str, length: object) -> None:
    assert same(parse_content_length(value), length)


@pytest.mark.parametrize(
    ("pairs", "version", "length"),
    [
        ((), 1, 0),
        ((("Content-Length", "7"),), 1, 7),
        ((("Content-Length", "7"),), 0, 7),
        ((("Transfer-Encoding", "chunked"),), 1, -1),
        ((("Transfer-Encoding", "CHUNKED"),), 1, -1),
    ],
)
def test_a_plain_framing_is_understood(
    pairs: tuple[tuple[str, str], ...], version: int, length: int
) -> None:
    assert message_body_length(Headers(pairs), version) == length


@pytest.mark.parametrize(
    ("pairs", "version", "status"),
    [
        ((("Content-Length", "7"), ("Content-Length", "7")), 1, 400),
        ((("Content-Length", "7"), ("Transfer-Encoding", "chunked")), 1, 400),
        ((("Transfer-Encoding", "chunked"),), 0, 400),
        ((("Transfer-Encoding", "chunked"), ("Transfer-Encoding", "chunked")), 1, 400),
        ((("Transfer-Encoding", ""),), 1, 400),
        ((("Transfer-Encoding", "chunked;q=1"),), 1, 400),
        ((("Transfer-Encoding", "chunked, gzip"),), 1, 400),
        ((("Transfer-Encoding", "gzip"),), 1, 400),
        ((("Transfer-Encoding", "identity"),), 1, 400),
        ((("Transfer-Encoding", "gzip, chunked"),), 1, 501),
        ((("Transfer-Encoding", "xyzzy"),), 1, 501),
    ],
)
def test_a_framing_two_servers_could_read_differently_is_refused(
    pairs: tuple[tuple[str, str], ...], version: int, status: int
) -> None:
    refusal = message_body_length(Headers(pairs), version)
    assert isinstance(refusal, Malformed)
    assert refusal.status == status


@pytest.mark.parametrize(
    "value",
    [
        "",
        "a",
        "a.example",
        "a.example:",
        "a.example:80",
        "a:65535",
        "127.0.0.1:8080",
        "[::1]",
        "[::1]:80",
        "[v1.a]",
        "a%20b",
        "a_b",
        "a:00080",
        "a,b",
    ],
)
def test_a_host_is_a_name_or_an_address_and_maybe_a_port(value: str) -> None:
    assert check_host(value) is None


@pytest.mark.parametrize(
    "value",
    [
        "a b",
        "a/b",
        "a@b",
        "a:b",
        "a:65536",
        "a:99999999",
        "[::1",
        "::1",
        "[a]",
        "[]",
        "[::1%25eth0]",
        "[fe80::1%eth0]",
        "a%2",
        "é",
        "a:80:80",
        "a#b",
        "a?b",
    ],
)
def test_anything_else_is_no_host(value: str) -> None:
    assert same(
        check_host(value),
        Malformed(CloseReason.BAD_HOST, "Host is not a valid host name or address"),
    )


def test_host_is_there_once_except_in_http_1_0() -> None:
    one, two = Headers((("Host", "a"),)), Headers((("Host", "a"), ("host", "a")))
    assert check_host_field(one, 1) is None
    assert check_host_field(Headers(), 0) is None
    assert same(
        check_host_field(Headers(), 1), Malformed(CloseReason.BAD_HOST, "the request has no Host")
    )
    assert same(
        check_host_field(two, 1),
        Malformed(CloseReason.BAD_HOST, "the request has more than one Host"),
    )
    assert same(
        check_host_field(two, 0),
        Malformed(CloseReason.BAD_HOST, "the request has more than one Host"),
    )
