"""Bytes become requests: what is handed over when, what waits, and what becomes of the rest."""

import pytest

from sigil.core.close_reasons import CloseReason
from sigil.core.connection.client import IDLE_HTTP, Phase
from sigil.core.effects import Handle, Interest, Watch
from sigil.core.events import Received
from sigil.core.http.headers import Headers
from sigil.core.http.request import Request
from sigil.core.limits import Limits
from sigil.core.parse_result import Malformed
from sigil.core.server.stats import stats
from tests.support.core_driver import (
    CHUNKED,
    CONN,
    HELLO,
    OK,
    OK_BYTES,
    PEER,
    advance_by,
    answered,
    asked,
    bytes_of,
    client_of,
    drive,
    effect_names,
    get,
    requests_of,
    same,
    serving,
    ticket,
)
from tests.support.requests import GET


def a_get(target: str) -> Request:
    """The request that `get(target)` is."""
    pairs = (("Host", "a"),)
    return Request("GET", target, target, "", 1, Headers(pairs), b"", PEER, conn=CONN)


def test_a_request_is_handed_over_as_soon_as_it_is_complete() -> None:
    server = serving()
    server, effects = advance_by(server, Received(CONN, GET[:-1]))
    assert effects == []
    server, effects = advance_by(server, Received(CONN, GET[-1:]))
    assert same(effects, [Handle(ticket(0), (a_get("/"),))])
    assert client_of(server).incoming is IDLE_HTTP


def test_requests_that_come_together_are_handed_over_together() -> None:
    server, effects = advance_by(
        serving(), Received(CONN, get("/1") + get("/2") + get("/3") + b"GET")
    )
    assert same(effects, [Handle(ticket(0), (a_get("/1"), a_get("/2"), a_get("/3")))])
    assert client_of(server).incoming.buffer == b"GET"
    server, effects = advance_by(server, Received(CONN, get("/4")[3:]))
    assert same(effects, [Handle(ticket(3), (a_get("/4"),))])


def test_a_request_with_a_body_is_handed_over_with_it() -> None:
    effects = advance_by(serving(), Received(CONN, HELLO))[1]
    assert same(
        effects,
        [
            Handle(
                ticket(0),
                (
                    Request(
                        "POST",
                        "/p",
                        "/p",
                        "",
                        1,
                        Headers((("Host", "a"), ("Content-Length", "5"))),
                        b"hello",
                        PEER,
                        conn=CONN,
                    ),
                ),
            )
        ],
    )


@pytest.mark.parametrize(
    "first",
    [
        HELLO,
        b"DELETE / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"PUT / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx",
    ],
)
def test_behind_an_unsafe_method_or_a_body_the_next_request_waits(first: bytes) -> None:
    server, effects = advance_by(serving(), Received(CONN, first + GET))
    assert (effect_names(effects), len(requests_of(effects))) == (["Handle"], 1)
    assert client_of(server).incoming.buffer == GET
    server, effects = advance_by(server, answered(0, OK))
    assert effect_names(effects) == ["Send", "Handle"]
    assert same(requests_of(effects), [a_get("/")])


def test_behind_a_last_request_nothing_is_read() -> None:
    last = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    server, effects = advance_by(serving(), Received(CONN, last + GET), Received(CONN, GET))
    assert len(requests_of(effects)) == 1
    assert client_of(server).incoming.phase is Phase.MUST_CLOSE
    assert client_of(server).incoming.buffer == b""


@pytest.mark.parametrize("blank", [b"\r\n", b"\r\n\r\n", b"\r\n\r\n\r\n"])
def test_empty_lines_before_a_request_are_skipped(blank: bytes) -> None:
    for data in (blank + GET, GET + blank + GET):
        assert {request.target for request in drive(serving(), [data]).requests} == {"/"}
    assert client_of(asked(blank)).incoming is IDLE_HTTP


def test_a_carriage_return_at_the_front_may_be_half_of_an_empty_line() -> None:
    server = asked(b"\r")
    assert client_of(server).incoming.buffer == b"\r"
    assert same(requests_of(advance_by(server, Received(CONN, b"\n" + GET))[1]), [a_get("/")])
    assert bytes_of(advance_by(server, Received(CONN, b"G"))[1]).startswith(b"HTTP/1.1 400 ")


def test_requests_beyond_the_queue_wait_unparsed() -> None:
    limits = Limits(max_queued_requests=2)
    server, effects = advance_by(serving(limits), Received(CONN, get("/1") + get("/2") + get("/3")))
    assert same(requests_of(effects), [a_get("/1"), a_get("/2")])
    assert client_of(server).incoming.buffer == get("/3")
    server, effects = advance_by(server, answered(0, OK))
    assert same(requests_of(effects), [a_get("/3")])


def test_a_client_that_sends_on_while_it_waits_is_not_read_beyond_a_head() -> None:
    limits = Limits(max_header_len=100)
    server = asked(HELLO, limits)
    server, effects = advance_by(server, Received(CONN, b"x" * 99))
    assert effects == []
    server, effects = advance_by(server, Received(CONN, b"x"))
    assert same(effects, [Watch(CONN, Interest.NOTHING)])


def test_what_is_wrong_becomes_doom_and_waits_for_what_is_owed() -> None:
    server, effects = advance_by(serving(), Received(CONN, get("/1") + b"GET /2\r\n\r\n"))
    assert effect_names(effects) == ["Handle"]
    incoming = client_of(server).incoming
    assert incoming.phase is Phase.MUST_CLOSE
    assert same(
        incoming.final_error,
        Malformed(
            CloseReason.BAD_REQUEST,
            "the request line has no version: HTTP/0.9 is not spoken here, HTTP/1.1 is",
        ),
    )
    server, effects = advance_by(server, answered(0, OK))
    assert bytes_of(effects).startswith(OK_BYTES + b"HTTP/1.1 400 Bad Request\r\n")


def test_a_body_is_bounded_whether_counted_or_chunked() -> None:
    limits = Limits(max_body_len=5)
    long = HELLO.replace(b": 5", b": 6") + b"!"
    chunks = CHUNKED + b"3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"
    assert [request.body for request in drive(serving(limits), [HELLO, chunks]).requests] == [
        b"hello",
        b"hello",
    ]
    for data in (long, chunks.replace(b"2\r\nlo", b"3\r\nlo!")):
        driven = drive(serving(limits), [data])
        assert (driven.requests, driven.output[:13], driven.fate) == ((), b"HTTP/1.1 413 ", "shut")


def test_bytes_and_requests_are_counted() -> None:
    figures = stats(asked(HELLO + GET))
    assert (figures.bytes_in, figures.requests) == (len(HELLO + GET), 1)


@pytest.mark.parametrize(
    ("data", "status", "allow"),
    [
        (
            b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n",
            b"405 Method Not Allowed",
            b"Allow: GET, HEAD, POST, PUT, PATCH, DELETE",
        ),
        (
            b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
            b"204 No Content",
            b"Allow: GET, HEAD, POST, PUT, PATCH, DELETE",
        ),
    ],
)
def test_what_is_about_the_server_is_answered_by_the_server(
    data: bytes, status: bytes, allow: bytes
) -> None:
    driven = drive(serving(), [get("/1") + data + get("/2")])
    assert [request.target for request in driven.requests] == ["/1", "/2"]
    answers = driven.output.split(b"HTTP/1.1 ")[1:]
    assert len(answers) == 3
    assert answers[1].startswith(status)
    assert allow in answers[1]
