"""A head with a cookie or with credentials is the head without, and the field: whatever is made of
it is what parsing the whole makes, and what is left has nothing of the secret.
"""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sigil.core.http.head import Head, Parsed, parse_headers_only
from sigil.core.http.secret_fields import parse_around_secret
from sigil.core.limits import Limits

LIMITS = Limits(max_headers=4, max_header_len=300)
PLAIN = b"GET /a HTTP/1.1\r\nHost: a\r\nX-A: b\r\n\r\n"
MIDDLE = b"GET /a HTTP/1.1\r\nHost: a\r\nCookie: s3cret=1\r\nX-A: b\r\n\r\n"
FIRST = b"GET /a HTTP/1.1\r\nauthorization:  Basic s3cret \r\nHost: a\r\nX-A: b\r\n\r\n"
LAST = b"POST /a HTTP/1.0\r\nContent-Length: 4\r\nX-A: b\r\ncookie: s3cret\r\n\r\n"


def parsed(data: bytes, seen: list[bytes] | None = None) -> Head | None:
    """What is made of a head around its secret; what was left of it is put into `seen`."""

    def parse_rest(rest: bytes) -> Parsed:
        if seen is not None:
            seen.append(rest)
        return parse_headers_only(rest, LIMITS)

    return parse_around_secret(data, parse_rest, LIMITS)


@pytest.mark.parametrize("data", [MIDDLE, FIRST, LAST], ids=["middle", "first", "last"])
def test_a_head_is_the_same_in_whole_and_in_parts(data: bytes) -> None:
    seen: list[bytes] = []
    head, whole = parsed(data, seen), parse_headers_only(data, LIMITS)
    assert head == whole and isinstance(whole, Head)
    assert head is not None and head.headers.keys() == whole.headers.keys()
    assert len(seen) == 1 and b"s3cret" not in seen[0]


@pytest.mark.parametrize(
    "data",
    [
        PLAIN,
        MIDDLE.replace(b"Host: a", b"Host: a\r\nCookie: b"),
        MIDDLE.replace(b"Host: a", b"Host: a\r\nCOOKIE: b"),
        MIDDLE.replace(b"s3cret", b"s3\x00cret"),
        MIDDLE.replace(b"Host: a\r\n", b""),
        MIDDLE.replace(b"X-A: b", b"A: b\r\nB: c\r\nC: d"),
        MIDDLE.replace(b"s3cret", b"s3cret" * 50),
        MIDDLE.replace(b"X-A: b", b"X A: b"),
    ],
    ids=["none", "twice", "twice in other letters", "NUL", "no host", "many", "long", "bad"],
)
def test_where_one_field_more_may_make_a_difference_the_whole_is_parsed(data: bytes) -> None:
    assert parsed(data) is None


LINES = st.sampled_from(
    (
        b"Host: a",
        b"Cookie: a=b",
        b"cookie: c",
        b"Cookie:d",
        b"COOKIE: e",
        b"Authorization: f",
        b"authorization:  g\t",
        b"Cookie: ",
        b"X: Cookie: h",
        b"Content-Length: 5",
        b"Transfer-Encoding: chunked",
        b"Connection: close",
        b"Cookie: \xe9\x01",
        b" Cookie: folded",
    )
)


@given(
    st.sampled_from((b"GET /a?b HTTP/1.1", b"POST / HTTP/1.0", b"GET  / HTTP/1.1")),
    st.lists(LINES, max_size=5),
)
@example(b"GET / HTTP/1.1", [b"Host: a", b"Cookie: a=b", b"X: y", b"X: z"])
def test_what_is_made_of_it_is_what_parsing_the_whole_makes(
    line: bytes, lines: list[bytes]
) -> None:
    data = b"\r\n".join((line, *lines, b"", b""))
    head, whole = parsed(data), parse_headers_only(data, LIMITS)
    if head is not None:
        assert isinstance(whole, Head)
        assert head == whole
        assert head.headers.items() == whole.headers.items()


SPELLINGS = (b"Cookie", b"cookie", b"Authorization", b"authorization")


@pytest.mark.parametrize("names", [SPELLINGS[:1], SPELLINGS], ids=["one name", "all names"])
def test_many_such_fields_are_not_taken_out_one_by_one(names: tuple[bytes, ...]) -> None:
    lines = b"".join(b"%b: %d\r\n" % (names[i % len(names)], i) for i in range(90))
    data, parsed_lens = b"GET / HTTP/1.1\r\nHost: a\r\n" + lines + b"\r\n", list[int]()

    def parse(head: bytes) -> Parsed:
        parsed_lens.append(len(head))
        around = parse_around_secret(head, parse, Limits())
        return parse_headers_only(head) if around is None else around

    assert parse(data) == parse_headers_only(data)
    assert len(parsed_lens) == 1
