"""A stream without what is redacted is cut anywhere, and hides the same."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sigil.core.http.head import Head, parse_headers_only
from sigil.core.parse_result import Malformed
from sigil.core.trace.redaction import Redaction, redaction_of
from sigil.core.trace.stream_mask import Part, StreamMask
from sigil.core.websocket.frames import encode_masked

ALL = redaction_of(["authorization", "cookie", "body", "messages"])
assert ALL is not None
FIELDS = redaction_of(["cookie"])
assert FIELDS is not None
GET = b"GET /a?b HTTP/1.1\r\nHost: a\r\nCookie: %b\r\nAccept: */*\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\nauthorization:%b\r\n\r\n%b"
CHUNKED = (
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5;%b\r\n%b\r\nA\r\n%b%b\r\n0\r\nCookie: %b\r\n\r\n"
)
UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    b"Cookie: %b\r\n\r\n"
)


def masked(first: bytes, payload: bytes) -> bytes:
    """A frame of a client, whose first byte is given."""
    return first + encode_masked(first[0] & 0x0F, payload, b"\x01\x80\xff\x7e")[1:]


def frames(secret: bytes) -> bytes:
    """Frames of every kind, with a secret in each that is a message."""
    return b"".join(
        [
            masked(b"\x01", secret),
            masked(b"\x89", secret),
            masked(b"\x80", secret * 30),
            masked(b"\x82", secret * 14_000),
            masked(b"\x8a", b"pong"),
            masked(b"\xc2", secret),
            masked(b"\x88", b"\x03\xe8" + secret),
        ]
    )


def stream(secret: bytes) -> bytes:
    """Everything that a client may send, with a secret of five bytes wherever one can be."""
    return b"".join(
        [
            GET % secret,
            b"\r\n",
            POST % (10, secret, secret * 2),
            CHUNKED % (secret, secret, secret, secret, secret),
            POST % (0, secret, b""),
            UPGRADE % secret,
            frames(secret),
        ]
    )


WHOLE, HIDDEN = stream(b"s3cre"), stream(b"xxxxx")


def in_pieces(redaction: Redaction, data: bytes, cuts: list[int]) -> bytes:
    """What comes out of a stream that is cut there."""
    mask, places = StreamMask(redaction), sorted({0, *cuts, len(data)})
    pieces = [data[start:end] for start, end in pairwise(places)]
    return b"".join([mask.mask(piece) for piece in pieces])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 3_000), max_size=40))
def test_a_stream_is_hidden_the_same_whatever_it_is_cut_into(cuts: list[int]) -> None:
    assert in_pieces(ALL, WHOLE, cuts) == HIDDEN


def test_a_stream_may_come_byte_by_byte() -> None:
    data = WHOLE[:2_000]
    assert in_pieces(ALL, data, list(range(len(data)))) == HIDDEN[:2_000]


def test_only_what_is_redacted_is_hidden() -> None:
    out = in_pieces(FIELDS, WHOLE, [])
    assert b"Cookie: xxxxx\r\n" in out
    assert b"s3cres3cre" in out
    assert frames(b"s3cre") in out


@given(st.text(alphabet="abcäöü€ ;=", min_size=1, max_size=30))
def test_a_head_is_a_head_and_as_long(value: str) -> None:
    secret = value.encode()
    head = GET % secret
    out = in_pieces(ALL, head, [])
    assert len(out) == len(head)
    before, after = parse_headers_only(head), parse_headers_only(out)
    assert type(before) is type(after)
    if isinstance(after, Head) and isinstance(before, Head):
        assert len(after.headers["cookie"]) == len(before.headers["cookie"])


@pytest.mark.parametrize(
    "head",
    [
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: five\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab",
    ],
)
def test_behind_a_framing_that_is_not_clear_everything_is_hidden(head: bytes) -> None:
    mask = StreamMask(ALL)
    mask.mask(head)
    assert mask.mask(b"s3cre: s3cre\r\ns3cre") == b"x" * 19
    assert mask.part is Part.REST


REFUSED = [
    b"GET / HTTP/1.1\r\nCookie : s3cre\r\n s3cre\r\nA: b\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n Cookie: s3cre\r\n\r\n",
    b"GET / HTTP/1.1\r\n\tCookie: s3cre\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nA: b\rCookie: s3cre\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nA: b\r\rCookie: s3cre\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nCookie\0: s3cre\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nmy Cookie: s3cre\r\n\r\n",
    b"Cookie: s3cre\r\n\r\n",
    b"Cookie: s3cre s3cre\r\nHost: a\r\n\r\n",
]
"""Heads of clients that know no better, in which there is a secret all the same."""


@pytest.mark.parametrize("head", REFUSED)
def test_what_the_core_refuses_hides_nothing_less(head: bytes) -> None:
    out = in_pieces(ALL, head, [])
    assert b"s3cre" not in out
    assert in_pieces(ALL, head, list(range(len(head)))) == out
    before, after = parse_headers_only(head), parse_headers_only(out)
    assert isinstance(before, Malformed) and isinstance(after, Malformed)
    assert before.reason == after.reason
    assert len(before.message) == len(after.message)


def test_a_line_of_a_request_is_shown_whatever_came_before_it() -> None:
    """A colon in a target is none in a method, and a secret in a trailer ends with its line."""
    second = b"GET http://a:80/ HTTP/1.1\r\nHost: a\r\n\r\n"
    for data in (CHUNKED % ((b"xxxxx",) * 5), GET % b"xxxxx"):
        whole = data + second + second
        assert in_pieces(ALL, whole, []) == whole
        assert in_pieces(ALL, whole, list(range(len(whole)))) == whole


def test_the_header_of_a_proxy_is_passed_over() -> None:
    version_2 = b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + bytes(12)
    for header in (b"PROXY TCP4 1.2.3.4 5.6.7.8 9 10\r\n", version_2):
        for cut in range(len(header) + 4):
            mask = StreamMask(ALL, Part.PROXY)
            data = header + GET % b"s3cre"
            assert mask.mask(data[:cut]) + mask.mask(data[cut:]) == header + GET % b"xxxxx"
