"""Bodies that are sent while they are made: chunks, back-pressure, their ends, good and bad."""

import pytest

from sigil.core.close_reasons import CloseReason
from sigil.core.effects import CallClose, CloseBody, Drop, LimitUnsent, Log, Pull, Send, Then
from sigil.core.events import (
    Event,
    HandlerFailed,
    Received,
    Stalled,
    StreamChunk,
    StreamEnded,
    Writable,
)
from sigil.core.http.bodies import StreamedBody
from sigil.core.http.response import Response
from sigil.core.server.state import Server
from tests.support.core_driver import (
    CONN,
    DATE,
    OK,
    OK_BYTES,
    advance_by,
    answered,
    asked,
    bytes_of,
    client_of,
    effect_names,
    get,
    same,
    ticket,
)
from tests.support.requests import GET

STREAM = Response(200, (), StreamedBody(()))

STREAM_TOP = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" + DATE


LAST = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


def streaming(
    *events: Event, response: Response = STREAM, data: bytes = GET
) -> tuple[Server, list[object]]:
    """A server whose request was answered by a stream, after these events; and what the last
    `apply` ordered.
    """
    server, effects = advance_by(asked(data), answered(0, response))
    for event in events:
        server, effects = advance_by(server, event)
    return server, list(effects)


def test_a_stream_is_asked_piece_by_piece_and_sent_in_chunks() -> None:
    server, effects = streaming()
    top = Send(CONN, (STREAM_TOP,), Then.KEEP)
    assert same(effects, [LimitUnsent(CONN), top, Pull(ticket(0))])
    server, effects = advance_by(server, StreamChunk(ticket(0), b"hello"))
    assert same(effects, [Send(CONN, (b"5\r\nhello\r\n",), Then.KEEP), Pull(ticket(0))])
    server, effects = advance_by(server, StreamEnded(ticket(0)))
    assert same(effects, [Send(CONN, (b"0\r\n\r\n",), Then.KEEP)])
    assert client_of(server).responded == 1


def test_an_empty_piece_is_skipped() -> None:
    assert same(streaming(StreamChunk(ticket(0), b""))[1], [Pull(ticket(0))])


def test_answers_behind_a_stream_wait_for_its_end() -> None:
    server, effects = advance_by(asked(get("/1") + get("/2")), answered(0, STREAM), answered(1, OK))
    assert effect_names(effects) == ["LimitUnsent", "Send", "Pull"]
    effects = advance_by(server, StreamChunk(ticket(0), b"x"), StreamEnded(ticket(0)))[1]
    assert bytes_of(effects) == b"1\r\nx\r\n0\r\n\r\n" + OK_BYTES


def test_a_stream_to_http_1_0_ends_with_the_connection() -> None:
    old = b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
    server, effects = streaming(data=old)
    assert same(
        effects[1], Send(CONN, (b"HTTP/1.1 200 OK\r\nConnection: close\r\n" + DATE,), Then.KEEP)
    )
    server, effects = advance_by(server, StreamChunk(ticket(0), b"hello"))
    assert bytes_of(effects) == b"hello"
    assert same(advance_by(server, StreamEnded(ticket(0)))[1], [Send(CONN, (), Then.SHUT)])


COUNTED = Response(200, (("Content-Length", "5"),), StreamedBody(()))


def test_a_counted_stream_is_sent_as_it_is() -> None:
    server, effects = streaming(
        StreamChunk(ticket(0), b"he"), StreamChunk(ticket(0), b"llo"), response=COUNTED
    )
    assert same(effects, [Send(CONN, (b"llo",), Then.KEEP), Pull(ticket(0))])
    server, effects = advance_by(server, StreamEnded(ticket(0)))
    assert effects == []
    assert bytes_of(advance_by(server, Received(CONN, GET), answered(1, OK))[1]) == OK_BYTES


@pytest.mark.parametrize(
    ("event", "problem"),
    [
        (
            StreamChunk(ticket(0), b"llo!"),
            "GET /: the stream yields more bytes than the Content-Length it was given",
        ),
        (
            StreamEnded(ticket(0)),
            "GET /: the stream ended 3 bytes short of the Content-Length it was given",
        ),
    ],
)
def test_a_counted_stream_that_breaks_its_word_breaks_the_connection(
    event: Event, problem: str
) -> None:
    server, _ = streaming(StreamChunk(ticket(0), b"he"), response=COUNTED)
    server, effects = advance_by(server, event)
    assert same(
        effects,
        [
            Log("sigil.error", 40, problem),
            CloseBody(ticket(0)),
            Drop(CONN),
            CallClose(CONN, CloseReason.HANDLER_ERROR),
        ],
    )


def test_a_stream_that_fails_on_the_way_breaks_the_connection() -> None:
    server, _ = streaming(StreamChunk(ticket(0), b"he"))
    server, effects = advance_by(server, HandlerFailed(ticket(0), 500, "", "it broke"))
    assert same(
        effects,
        [
            Log("sigil.error", 40, "it broke"),
            Drop(CONN),
            CallClose(CONN, CloseReason.HANDLER_ERROR),
        ],
    )


def test_a_client_that_is_behind_stops_the_stream_and_one_that_catches_up_sets_it_going() -> None:
    server, effects = streaming(StreamChunk(ticket(0), b"one"))
    server, _ = advance_by(server, Stalled(CONN, 2, (b"e\r\n",)))
    server, effects = advance_by(server, StreamChunk(ticket(0), b"two"))
    assert effects == []
    assert client_of(server).outgoing.outbox == (b"e\r\n", b"3\r\ntwo\r\n")
    server, effects = advance_by(server, Writable(CONN))
    assert same(effects[:2], [Send(CONN, (b"e\r\n", b"3\r\ntwo\r\n"), Then.KEEP), Pull(ticket(0))])


def test_a_stream_is_never_asked_twice_for_one_piece() -> None:
    server, effects = streaming(Stalled(CONN, 0, (STREAM_TOP,)), Writable(CONN))
    assert "Pull" not in effect_names(effects)
    server, effects = advance_by(server, Stalled(CONN, 1, (STREAM_TOP[1:],)), Writable(CONN))
    assert "Pull" not in effect_names(effects)
    assert effect_names(advance_by(server, StreamChunk(ticket(0), b"x"))[1]) == ["Send", "Pull"]


def test_the_end_of_a_stream_waits_behind_what_is_not_taken() -> None:
    server, _ = streaming(Stalled(CONN, 0, (STREAM_TOP,)), StreamChunk(ticket(0), b"x"), data=LAST)
    server, effects = advance_by(server, StreamEnded(ticket(0)))
    assert bytes_of(effects) == b""
    server, effects = advance_by(server, Writable(CONN))
    assert same(effects[0], Send(CONN, (STREAM_TOP, b"1\r\nx\r\n", b"0\r\n\r\n"), Then.SHUT))
