"""The grammar of a head: positions, first lines, early verdicts and field lines, each
as a literal.
"""

import pytest

from sigil.core.close_reasons import CloseReason
from sigil.core.http.request_line import RequestLine, parse_request_line, split_target
from sigil.core.limits import Limits
from sigil.core.parse_result import Malformed
from tests.support.core_driver import same

LIMITS = Limits()


@pytest.mark.parametrize(
    ("line", "parsed"),
    [
        (b"GET / HTTP/1.1", RequestLine("GET", "/", 1)),
        (b"GET / HTTP/1.0", RequestLine("GET", "/", 0)),
        (b"POST /a?b=c HTTP/1.1", RequestLine("POST", "/a?b=c", 1)),
        (b"OPTIONS * HTTP/1.1", RequestLine("OPTIONS", "*", 1)),
        (b"GET http://a.example/x HTTP/1.1", RequestLine("GET", "http://a.example/x", 1)),
        (b"GET / HTTP/1.7", RequestLine("GET", "/", 1)),
        (b"PATCH /%ff HTTP/1.1", RequestLine("PATCH", "/%ff", 1)),
    ],
)
def test_a_good_first_line_is_method_target_and_version(line: bytes, parsed: RequestLine) -> None:
    assert same(parse_request_line(line, LIMITS), parsed)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"", CloseReason.BAD_REQUEST),
        (b"GET", CloseReason.BAD_REQUEST),
        (b"GET /", CloseReason.BAD_REQUEST),
        (b"GET  / HTTP/1.1", CloseReason.BAD_REQUEST),
        (b"GET / HTTP/1.1 ", CloseReason.BAD_REQUEST),
        (b" GET / HTTP/1.1", CloseReason.BAD_REQUEST),
        (b"GET\t/ HTTP/1.1", CloseReason.BAD_REQUEST),
        (b"GET /\xc3\xa9 HTTP/1.1", CloseReason.BAD_REQUEST),
        (b"GET / http/1.1", CloseReason.BAD_REQUEST),
        (b"GET / HTTP/11", CloseReason.BAD_REQUEST),
        (b"GET /#part HTTP/1.1", CloseReason.BAD_REQUEST),
        (b"GET * HTTP/1.1", CloseReason.BAD_REQUEST),
        (b"GET a HTTP/1.1", CloseReason.BAD_REQUEST),
        (b"GET http:///x HTTP/1.1", CloseReason.BAD_REQUEST),
        (b"G(T / HTTP/1.1", CloseReason.BAD_REQUEST),
        (b"BREW / HTTP/1.1", CloseReason.UNKNOWN_METHOD),
        (b"get / HTTP/1.1", CloseReason.UNKNOWN_METHOD),
        (b"CONNECT a:1 HTTP/1.1", CloseReason.UNKNOWN_METHOD),
        (b"GET / HTTP/2.0", CloseReason.VERSION),
        (b"GET / HTTP/0.9", CloseReason.VERSION),
    ],
)
def test_a_bad_first_line_has_a_reason(line: bytes, reason: CloseReason) -> None:
    refusal = parse_request_line(line, LIMITS)
    assert isinstance(refusal, Malformed)
    assert refusal.reason is reason


def test_a_target_may_be_as_long_as_the_bound_and_not_one_byte_longer() -> None:
    limits = Limits(max_target_len=10)
    assert same(
        parse_request_line(b"GET /123456789 HTTP/1.1", limits), RequestLine("GET", "/123456789", 1)
    )
    assert same(
        parse_request_line(b"GET /123456789a HTTP/1.1", limits),
        Malformed(CloseReason.PATH_TOO_LONG, "the request target is longer than 10 bytes"),
    )


@pytest.mark.parametrize(
    ("target", "parts"),
    [
        ("/", ("/", "")),
        ("/a?b", ("/a", "b")),
        ("/a?b?c", ("/a", "b?c")),
        ("*", ("*", "")),
        ("http://h", ("/", "")),
        ("http://h?q", ("/", "q")),
        ("HTTP://h/p?q", ("/p", "q")),
        ("/a%3Fb", ("/a%3Fb", "")),
        ("//h/p", ("//h/p", "")),
    ],
)
def test_a_target_is_split_at_its_first_question_mark(target: str, parts: tuple[str, str]) -> None:
    assert split_target(target) == parts
