"""The grammar of a head: positions, first lines, early verdicts and field lines, each as a literal."""

import pytest

from sigil.core.close_reasons import CloseReason
from sigil.core.http.fields import split_field_lines
from sigil.core.http.head import check_partial_head, find_header_end
from sigil.core.http.request_line import RequestLine, parse_request_line, split_target
from sigil.core.limits import Limits
from sigil.core.parse_result import Malformed
from tests.support.core_driver import same

LIMITS = Limits()


@pytest.mark.parametrize(
    ("data", "position"),
    [
        (b"", -1),
        (b"\r\n\r\n", 0),
        (b"abc\r\n\r\n", 3),
        (b"abc\r\n\r\n\r\n\r\n", 3),
        (b"abc\r\n\r", -1),
        (b"abc\n\n", -1),
        (b"abc\r\r\n\n", -1),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\nbody\r\n\r\n", 23),
    ],
)
def test_the_end_of_a_head_is_the_position_of_the_first_empty_line(
    data: bytes, position: int
) -> None:
    assert find_header_end(data) == position


def test_searching_on_from_any_cut_finds_what_searching_the_whole_finds() -> None:
    data = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    for covered in range(len(data)):
        assert find_header_end(data[:covered]) == -1
        assert find_header_end(data, covered) == 23


class Watched(bytes):
    """Bytes that remember where they were searched from."""

    starts: tuple[int, ...] = ()

    def find(self, sub: bytes, start: int = 0, end: int | None = None) -> int:  # type: ignore[override]
        self.starts = (*self.starts, start)
        return super().find(sub, start, len(self) if end is None else end)


@pytest.mark.parametrize(("start", "begins"), [(0, 0), (1, 0), (3, 0), (4, 1), (5, 2), (1000, 997)])
def test_a_search_goes_back_at_most_three_bytes(start: int, begins: int) -> None:
    data = Watched(b"x" * 2000 + b"\r\n\r\n")
    assert find_header_end(data, start) == 2000
    assert data.starts == (begins,)


def test_what_lies_more_than_three_bytes_before_the_start_is_not_looked_at() -> None:
    data = b"a\r\n\r\nbcdefgh\r\n\r\n"
    assert [find_header_end(data, start) for start in (0, 4, 5, 12)] == [1, 1, 12, 12]


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


@pytest.mark.parametrize(
    ("prefix", "message"),
    [
        (b"G", None),
        (b"GET / HT", None),
        (b"GET / HTTP/1.1\r", None),
        (b"GET / HTTP/1.1\r\nHost: a\r", None),
        (
            b"\x16\x03\x01",
            "the request line contains a byte that is not a visible ASCII character or a space",
        ),
        (
            b"GET /\n",
            "the request line contains a byte that is not a visible ASCII character or a space",
        ),
        (
            b"GET / HTTP/1.1\rH",
            "the request line contains a byte that is not a visible ASCII character or a space",
        ),
        (b"GET / HTTP/1.1\r\nHost: a\n", "the head contains a line feed without a carriage return"),
        (
            b"GET / HTTP/1.1\r\nHost: a\rb",
            "the head contains a carriage return without a line feed",
        ),
        (b"GET / HTTP/1.1\r\nHost: \x00", "the head contains the control byte 0x00"),
        (b"GET / HTTP/1.1\r\nHost: \x7f", "the head contains the control byte 0x7f"),
        (b"GET /\r\n", "the request line has no version: HTTP/0.9 is not spoken here, HTTP/1.1 is"),
        (b"A" * 33, "the method AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA is not one this server knows"),
        (b"{" * 33, "the method is not a token"),
    ],
)
def test_what_is_wrong_is_known_before_the_head_ends(prefix: bytes, message: str | None) -> None:
    error = check_partial_head(prefix, 0, LIMITS)
    assert (error.message if error is not None else None) == message


def test_a_first_line_without_an_end_is_a_target_too_long() -> None:
    limits = Limits(max_target_len=36)
    assert check_partial_head(b"GET /" + b"a" * 94, 0, limits) is None
    error = check_partial_head(b"GET /" + b"a" * 95, 0, limits)
    assert error is not None
    assert error.reason is CloseReason.PATH_TOO_LONG


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
