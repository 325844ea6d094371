"""Heads of responses, where their bodies end, and what every cutting of the bytes has in common."""

from itertools import pairwise

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sigil.core.client.connection import Phase
from sigil.core.client.effects import GiveBody, GiveEnd, GiveFailure, GiveHead
from sigil.core.client.events import Connected, DataReceived, EndReceived
from sigil.core.client.limits import DEFAULT_LIMITS, ClientLimits
from sigil.core.client.responses import (
    UNTIL_CLOSE,
    ResponseHead,
    content_codings,
    keeps_alive,
    parse_response_head,
    response_body,
)
from sigil.core.http.headers import Headers
from sigil.core.parse_result import Malformed, NeedMore
from tests.support.core_agent import Driven, request_to


def head_of(data: bytes, limits: ClientLimits = DEFAULT_LIMITS) -> ResponseHead:
    """The head of a response that is one."""
    head = parse_response_head(data, limits)
    assert isinstance(head, ResponseHead), head
    return head


def test_a_head_is_read_in_full() -> None:
    data = b"HTTP/1.1 404 Not Found\r\nA: b \r\nA:c\r\n\r\nrest"
    head = head_of(data)
    assert head == ResponseHead(1, 404, "Not Found", Headers((("A", "b"), ("A", "c"))), 38)
    assert data[head.size :] == b"rest"
    assert head_of(b"HTTP/1.0 200\r\n\r\n") == ResponseHead(0, 200, "", Headers(), 16)
    assert head_of(b"HTTP/1.1 200 \r\n\r\n").reason == ""
    assert head_of(b"HTTP/1.7 200 caf\xe9\r\n\r\n").version == 7


def test_every_beginning_of_a_head_needs_more() -> None:
    data = b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n"
    for length in range(len(data)):
        assert parse_response_head(data[:length], DEFAULT_LIMITS) == NeedMore(length)


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 099 OK\r\n\r\n",
        b"HTTP/1.1 600 OK\r\n\r\n",
        b"HTTP/1.1  200 OK\r\n\r\n",
        b"HTTP/1.1\t200 OK\r\n\r\n",
        b"HTTP/1.1 200OK\r\n\r\n",
        b"http/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 O\x00K\r\n\r\n",
        b"\r\nHTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n: b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\x00\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\nC: d\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n A: b\r\n\r\n",
    ],
)
def test_what_is_no_head_is_refused(data: bytes) -> None:
    assert isinstance(parse_response_head(data, DEFAULT_LIMITS), Malformed)


def test_a_head_has_bounds() -> None:
    limits = ClientLimits(max_response_headers=2, max_response_header_len=40)
    assert head_of(b"HTTP/1.1 200 OK\r\nA: b\r\nC: d\r\n\r\n", limits).status == 200
    for data in (
        b"HTTP/1.1 200 OK\r\nA: b\r\nC: d\r\nE: f\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"b" * 30 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"b" * 30,
        b"HTTP/1.1 200 " + b"O" * 2_000,
    ):
        assert isinstance(parse_response_head(data, limits), Malformed)


def length_of(fields: bytes, method: str = "GET", line: bytes = b"HTTP/1.1 200 OK") -> int | str:
    """How long the body behind this head is: -1 if it is chunked, or what is wrong."""
    reader = response_body(head_of(line + b"\r\n" + fields + b"\r\n"), method)
    if isinstance(reader, Malformed):
        return reader.message
    return 0 if reader.is_complete else reader.remaining or -1


def test_a_body_ends_where_the_standard_says() -> None:
    five, chunked = b"Content-Length: 5\r\n", b"Transfer-Encoding: Chunked\r\n"
    assert length_of(five) == 5
    assert length_of(chunked) == -1
    assert length_of(b"") == UNTIL_CLOSE
    for status in (b"204 No Content", b"304 Not Modified", b"101 Switching"):
        assert length_of(five, line=b"HTTP/1.1 " + status) == 0
        assert length_of(chunked, line=b"HTTP/1.1 " + status) == 0
    assert length_of(five, "HEAD") == 0
    assert "both" in str(length_of(five + chunked))
    assert "HTTP/1.0" in str(length_of(chunked, line=b"HTTP/1.0 200 OK"))
    assert "one decimal" in str(length_of(five + five))
    assert "one decimal" in str(length_of(five + b"Content-Length: 6\r\n"))
    for value in (b"-5", b"+5", b"5x", b"", b"0x5", b"\xb2", b"5, 5", b"5,", b",5", b"5, 6", b","):
        assert "Content-Length" in str(length_of(b"Content-Length: " + value + b"\r\n"))


def test_a_connection_persists_as_the_standard_says() -> None:
    for line, fields, persists in (
        (b"HTTP/1.1 200 OK", b"", True),
        (b"HTTP/1.1 200 OK", b"Connection: close\r\n", False),
        (b"HTTP/1.1 200 OK", b"Connection: x, Close\r\n", False),
        (b"HTTP/1.0 200 OK", b"", False),
        (b"HTTP/1.0 200 OK", b"Connection: Keep-Alive\r\n", True),
    ):
        assert keeps_alive(head_of(line + b"\r\n" + fields + b"\r\n")) is persists


def test_codings_are_listed_in_the_order_in_which_they_were_applied() -> None:
    assert content_codings(Headers()) == ()
    assert content_codings(Headers((("Content-Encoding", "GZIP, identity, zstd"),))) == (
        "gzip",
        "zstd",
    )


# -- laws ------------------------------------------------------------------------------------------

FIELDS = st.lists(
    st.tuples(
        st.from_regex(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,8}", fullmatch=True),
        st.from_regex(rb"[!-~\x80-\xff]([\t -~\x80-\xff]{0,8}[!-~\x80-\xff])?", fullmatch=True),
    ),
    max_size=4,
).map(lambda pairs: [pair for pair in pairs if pair[0].lower() not in FRAMING])
FRAMING = (b"content-length", b"transfer-encoding", b"connection", b"upgrade", b"location",
           b"set-cookie", b"content-encoding")  # fmt: skip
BODIES = st.binary(max_size=60)
STATUSES = st.sampled_from((200, 201, 204, 304, 400, 404, 500, 599))


@st.composite
def responses(draw: st.DrawFn) -> bytes:
    """A response of any framing, and perhaps with something wrong about it."""
    body, status = draw(BODIES), draw(STATUSES)
    lines = [b"HTTP/1.1 %d X" % status, *[b": ".join(pair) for pair in draw(FIELDS)]]
    framing = draw(st.sampled_from(("length", "chunked", "close", "short", "broken")))
    if framing in ("length", "short"):
        lines.append(b"Content-Length: %d" % (len(body) + (framing == "short")))
    if framing == "chunked":
        lines.append(b"Transfer-Encoding: chunked")
        size = draw(st.integers(1, 20))
        chunks = [body[at : at + size] for at in range(0, len(body), size)]
        body = b"".join([b"%x;a=b\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks])
        body += draw(st.sampled_from((b"0\r\n\r\n", b"0\r\nT: v\r\n\r\n", b"")))
    head = b"\r\n".join([*lines, b"", b""])
    data = head + body
    if framing == "broken":
        at = draw(st.integers(0, len(data) - 1))
        data = data[:at] + draw(st.binary(max_size=3)) + data[at + 1 :]
    return data


def told(pieces: list[bytes], method: str = "GET") -> tuple[object, bytes, str]:
    """What a client makes of a response that comes in these pieces: head, body, and end."""
    client = Driven()
    client.ask(request_to(method=method))
    client.tell(Connected(0, 0))
    for piece in pieces:
        if piece:
            client.tell(DataReceived(0, piece))
    client.tell(EndReceived(0))
    heads = [effect.head for effect in client.all if isinstance(effect, GiveHead)]
    parts = [effect.pieces for effect in client.all if isinstance(effect, GiveBody)]
    body = b"".join(b"".join(pieces) for pieces in parts)
    ends = [effect for effect in client.all if isinstance(effect, GiveEnd | GiveFailure)]
    if len(ends) != 1:  # it is tried again
        return None, b"", "again"
    (end,) = ends
    text = "" if isinstance(end, GiveEnd) else end.failure.message
    return (heads[0] if heads else None), body, text


@settings(max_examples=300)
@given(responses(), st.lists(st.integers(0, 200), max_size=8), st.sampled_from(("GET", "HEAD")))
def test_how_a_response_is_cut_makes_no_difference(
    data: bytes, cuts: list[int], method: str
) -> None:
    places = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    pieces = [data[start:end] for start, end in pairwise(places)]
    whole = told([data], method)
    assert told([data[at : at + 1] for at in range(len(data))], method) == whole
    assert told(pieces, method) == whole


@settings(max_examples=300)
@given(responses())
def test_what_h11_reads_is_read_alike(data: bytes) -> None:
    head, body, end = told([data])
    theirs = by_h11(data)
    if theirs is None:
        return  # h11 refuses what we need not: a reason with obs-text, and so on
    if head is None:
        # the other way round: we are stricter about line ends, versions and numbers
        assert end
        return
    assert isinstance(head, ResponseHead)
    status, fields, their_body, is_whole = theirs
    assert head.status == status
    assert [(name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in head.headers.pairs] == fields  # fmt: skip
    assert is_whole is (end == "")
    if is_whole:
        assert body == their_body


def by_h11(data: bytes) -> tuple[int, list[tuple[bytes, bytes]], bytes, bool] | None:
    """Status, fields and body as h11 reads them, and whether it was whole; or None."""
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="GET", target="/", headers=[("Host", "a")]))
    client.send(h11.EndOfMessage())
    client.receive_data(data)
    client.receive_data(b"")
    body, head = b"", None
    try:
        while True:
            event = client.next_event()
            if isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                break
            elif not isinstance(event, h11.InformationalResponse):
                return None
    except h11.RemoteProtocolError:
        return None if head is None else (head.status_code, list(head.headers), body, False)
    assert head is not None
    return head.status_code, list(head.headers), body, True


def test_a_connection_is_idle_behind_a_response_however_it_is_cut() -> None:
    data = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    for at in range(1, len(data)):
        client = Driven()
        client.ask()
        client.tell(Connected(0, 0))
        client.tell(DataReceived(0, data[:at]), DataReceived(0, data[at:]))
        assert client.connection(0).phase is Phase.IDLE
