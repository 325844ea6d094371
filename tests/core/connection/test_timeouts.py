"""What becomes of connections whose response, chunk or event is late, and the comments that keep
silent event streams alive.
"""

import pytest

from sigil.core.connection.client import Phase
from sigil.core.effects import CloseBody, Pull, Send, Then
from sigil.core.events import Received, Stalled, StreamChunk, Writable
from sigil.core.http.response import Response
from sigil.core.http.sse import KEEP_ALIVE_COMMENT
from sigil.core.limits import Limits
from sigil.core.server.stats import stats
from tests.support.core_driver import (
    CONN,
    OK,
    advance_by,
    answered,
    asked,
    at,
    bytes_of,
    client_of,
    effect_names,
    ticket,
)
from tests.support.requests import GET

HALF_A_BODY = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nab"

CHUNKED_COMMENT = b"3\r\n:\n\n\r\n"

PATIENT = 1000.0


def test_a_late_answer_is_waited_for_to_the_bound_and_then_told_503() -> None:
    server = asked(GET, Limits(response_timeout=8.0))
    server, effects = advance_by(server, at(7.99))
    assert effects == []
    assert bytes_of(advance_by(server, answered(0, OK))[1]).startswith(b"HTTP/1.1 200 OK\r\n")
    server, effects = advance_by(server, at(8.0))
    assert effect_names(effects) == ["Log", "Send", "CloseBody"]
    assert bytes_of(effects).startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"\r\nConnection: close\r\n" in bytes_of(effects)
    assert b"Retry-After" not in bytes_of(effects)
    assert effects[1].then is Then.SHUT  # type: ignore[union-attr]
    server, effects = advance_by(server, answered(0, OK))
    assert effects == []
    server, effects = advance_by(server, at(10.0))
    assert stats(server).closed == {"ANSWER_TIMEOUT": 1}
    server, effects = advance_by(server, answered(0, OK))
    assert (effects, stats(server).stale_responses) == ([], 2)


def test_a_request_behind_an_overdue_answer_is_not_handled() -> None:
    server, _ = advance_by(asked(GET, Limits(response_timeout=8.0)), at(8.0))
    _, effects = advance_by(server, Received(CONN, GET))
    assert "Handle" not in effect_names(effects)


@pytest.mark.parametrize("pieces", [(), (StreamChunk(ticket(0), b""),)])
def test_a_piece_is_waited_for_to_the_bound_and_then_the_connection_is_broken_off(
    pieces: tuple[StreamChunk, ...],
) -> None:
    server, _ = advance_by(
        asked(GET, Limits(response_timeout=8.0)), answered(0, Response.stream(())), *pieces
    )
    server, effects = advance_by(server, at(7.99))
    assert effects == []
    more, effects = advance_by(server, StreamChunk(ticket(0), b"x"))
    assert bytes_of(effects) == b"1\r\nx\r\n"
    assert advance_by(more, at(15.9))[1] == []
    server, effects = advance_by(server, at(8.0))
    assert effect_names(effects) == ["Log", "CloseBody", "Drop", "CallClose"]
    assert effects[1] == CloseBody(ticket(0))


def test_a_silent_event_stream_gets_a_comment_in_every_interval_and_a_busy_one_none() -> None:
    server, effects = advance_by(
        asked(GET, Limits(sse_keep_alive_interval=8.0, response_timeout=8.0)),
        answered(0, Response.sse(())),
    )
    assert effect_names(effects) == ["LimitUnsent", "Send", "Pull"]
    sent = []
    for second in range(1, 60):
        server, effects = advance_by(server, at(float(second)))
        sent += [(second, bytes_of([effect])) for effect in effects]
        if 20 <= second < 40:
            server, effects = advance_by(server, StreamChunk(ticket(0), b"data: x\n\n"))
            assert effects == [Send(CONN, (b"9\r\ndata: x\n\n\r\n",), Then.KEEP), Pull(ticket(0))]
    assert sent == [(second, CHUNKED_COMMENT) for second in (8, 16, 47, 55)]


def test_a_client_that_is_behind_gets_no_comments_and_is_dropped_like_any_other() -> None:
    server, _ = advance_by(
        asked(GET, Limits(sse_keep_alive_interval=1.0, stall_timeout=8.0)),
        answered(0, Response.sse(())),
        StreamChunk(ticket(0), b"data: x\n\n"),
        Stalled(CONN, 0, (b"x",)),
    )
    server, effects = advance_by(server, *(at(second / 4) for second in range(32)))
    assert effects == []
    server, effects = advance_by(server, at(8.0))
    assert effect_names(effects) == ["Drop", "CallClose"]
    assert stats(server).closed == {"WRITE_STALL": 1}


def test_a_comment_that_is_not_taken_is_sent_again_before_what_follows() -> None:
    server, _ = advance_by(
        asked(GET, Limits(sse_keep_alive_interval=8.0)), answered(0, Response.sse(()))
    )
    server, effects = advance_by(
        server,
        at(8.0),
        Stalled(CONN, 1, (CHUNKED_COMMENT[1:],)),
        StreamChunk(ticket(0), b"data: x\n\n"),
    )
    server, effects = advance_by(server, Writable(CONN))
    assert bytes_of(effects) == CHUNKED_COMMENT[1:] + b"9\r\ndata: x\n\n\r\n"
    assert effect_names(effects)[:2] == ["Send", "Pull"]


def test_an_event_stream_to_an_old_client_is_kept_alive_too() -> None:
    server, effects = advance_by(
        asked(b"GET / HTTP/1.0\r\n\r\n", Limits(sse_keep_alive_interval=8.0)),
        answered(0, Response.sse(())),
    )
    assert b"chunked" not in bytes_of(effects)
    server, effects = advance_by(server, at(8.0))
    assert bytes_of(effects) == b":\n\n"


def test_a_stream_whose_declared_length_is_used_up_gets_no_comment() -> None:
    server, _ = advance_by(
        asked(GET, Limits(sse_keep_alive_interval=8.0)),
        answered(0, Response.sse((), headers={"Content-Length": "9"})),
        StreamChunk(ticket(0), b"data: x\n\n"),
    )
    assert advance_by(server, at(8.0), at(16.0))[1] == []


def not_yet(reason: str) -> pytest.MarkDecorator:
    """A defect that is known."""
    return pytest.mark.xfail(strict=True, raises=AssertionError, reason=reason)


def test_a_body_behind_a_stream_has_no_more_time_than_any_other() -> None:
    server, _ = advance_by(
        asked(GET + HALF_A_BODY, Limits(body_timeout=8.0, rate_grace=PATIENT)),
        answered(0, Response.sse(())),
    )
    for second in range(1, 30):
        server, _ = advance_by(server, at(float(second)), StreamChunk(ticket(0), b"data: x\n\n"))
    assert client_of(server).incoming.phase is Phase.MUST_CLOSE


@not_yet("while a body comes in, nobody looks at how long the stream has been silent")
def test_an_event_stream_before_a_body_is_kept_alive_too() -> None:
    server, _ = advance_by(
        asked(
            GET + HALF_A_BODY,
            Limits(body_timeout=PATIENT, rate_grace=PATIENT, sse_keep_alive_interval=8.0),
        ),
        answered(0, Response.sse(())),
    )
    server, effects = advance_by(server, at(8.0), at(16.0))
    assert bytes_of(effects).count(KEEP_ALIVE_COMMENT) > 0


def test_a_piece_gains_a_client_that_takes_nothing_no_time() -> None:
    server, _ = advance_by(
        asked(GET, Limits(stall_timeout=8.0)),
        answered(0, Response.stream(())),
        StreamChunk(ticket(0), b"x"),
        Stalled(CONN, 0, (b"x",)),
        at(7.0),
        StreamChunk(ticket(0), b"y"),
    )
    server, effects = advance_by(server, at(8.0))
    assert effect_names(effects) == ["Drop", "CallClose"]


def test_comments_take_nothing_from_a_declared_length() -> None:
    server, _ = advance_by(
        asked(GET, Limits(sse_keep_alive_interval=8.0)),
        answered(0, Response.sse((), headers={"Content-Length": "9"})),
        at(8.0),
    )
    server, effects = advance_by(server, StreamChunk(ticket(0), b"data: x\n\n"))
    assert effect_names(effects) == ["Send", "Pull"]


def test_a_stream_behind_an_overdue_answer_is_let_go_at_once() -> None:
    server, _ = advance_by(
        asked(GET + GET, Limits(response_timeout=8.0)), answered(1, Response.stream(()))
    )
    server, effects = advance_by(server, at(8.0))
    assert CloseBody(ticket(1)) in effects


def test_an_answer_that_comes_while_the_connection_lingers_is_late_too() -> None:
    server, _ = advance_by(asked(GET, Limits(response_timeout=8.0)), at(8.0))
    server, effects = advance_by(server, answered(0, OK))
    assert (effects, stats(server).stale_responses) == ([], 1)


def test_a_request_whose_answer_is_overdue_is_still_counted() -> None:
    server = asked(GET + GET, Limits(response_timeout=8.0))
    assert stats(server).requests == 2
    server, _ = advance_by(server, at(8.0))
    assert stats(server).requests == 2
