"""Events as bytes, read back by the algorithm of the standard, and the clocks of answers that are
being made.

Theory: whether an event is written well is decided by whoever reads it. So `read_events` is a
reader of its own, step by step as WHATWG HTML section 9.2.6 has it, and shares nothing with the
writer; a law says that what is written is what is read.

Rules: pure.  What a client does with the last id between two connections is not its business.
"""

import re
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigil.core.connection.client import Phase
from sigil.core.effects import CloseBody, Pull, Send, Then
from sigil.core.events import Received, Stalled, StreamChunk, Writable
from sigil.core.http.response import Response
from sigil.core.http.sse import KEEP_ALIVE_COMMENT, SseEvent, encode_event
from sigil.core.limits import Limits
from sigil.core.server.stats import stats
from tests.support.core_driver import (
    CONN,
    GET,
    OK,
    answered,
    asked,
    at,
    bytes_of,
    client_of,
    kinds,
    same,
    tell,
    ticket,
)

HALF_A_BODY = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nab"
CHUNKED_COMMENT = b"3\r\n:\n\n\r\n"
PATIENT = 1000.0


class Heard(NamedTuple):
    """One event as a client is given it; `id` is the last one that was sent, with this event or
    before.
    """

    type: str
    data: str
    id: str


class Reading(NamedTuple):
    """What a client makes of a stream: the events, how long it will wait before it reconnects, and
    with which id.
    """

    events: list[Heard]
    retry_ms: int | None
    last_id: str


def read_events(stream: bytes) -> Reading:
    """WHATWG HTML section 9.2.6, to the letter; what is not ended by an empty line is no event."""
    text = stream.decode("utf-8", "replace").removeprefix("\ufeff")
    events: list[Heard] = []
    data = kind = last_id = id_buffer = ""
    retry_ms = None
    for line in read_lines(text):
        if line == "":
            last_id = id_buffer
            if data != "":
                events.append(Heard(kind or "message", data.removesuffix("\n"), last_id))
            data = kind = ""
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            kind = value
        elif name == "data":
            data += value + "\n"
        elif name == "id" and "\0" not in value:
            id_buffer = value
        elif name == "retry" and re.fullmatch("[0-9]+", value):
            retry_ms = int(value)
    return Reading(events, retry_ms, last_id)


def read_lines(text: str) -> list[str]:
    """The lines that are ended by CR LF, LF or CR; what follows the last end is not complete."""
    lines, line, index = [], "", 0
    while index < len(text):
        char = text[index]
        index += 1
        if char not in "\r\n":
            line += char
            continue
        if char == "\r" and text[index : index + 1] == "\n":
            index += 1
        lines.append(line)
        line = ""
    return lines


# -- bytes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ("hello", b"data: hello\n\n"),
        ("", b"data: \n\n"),
        (" led by a space", b"data:  led by a space\n\n"),
        ("two\nlines", b"data: two\ndata: lines\n\n"),
        ("a\rb\r\nc\n", b"data: a\ndata: b\ndata: c\ndata: \n\n"),
        ("no\u2028end\x0b\x0c\x85here", "data: no\u2028end\x0b\x0c\x85here\n\n".encode()),
        ("\ufeffbom", b"data: \xef\xbb\xbfbom\n\n"),
        (": no comment", b"data: : no comment\n\n"),
        ("nul \0", b"data: nul \0\n\n"),
        ({"frame": 7, "name": "é"}, '{"frame":7,"name":"é"}'.join(("data: ", "\n\n")).encode()),
        ({"text": "a\nb"}, b'data: {"text":"a\\nb"}\n\n'),
        (7, b"data: 7\n\n"),
        (1.5, b"data: 1.5\n\n"),
        (True, b"data: true\n\n"),
        ([1, "a", None], b'data: [1,"a",null]\n\n'),
        ((1, 2), b"data: [1,2]\n\n"),
        (SseEvent(None), b"data: null\n\n"),
        (SseEvent("x", event="tick"), b"event: tick\ndata: x\n\n"),
        (SseEvent("x", event=" "), b"event:  \ndata: x\n\n"),
        (SseEvent("x", id="7"), b"id: 7\ndata: x\n\n"),
        (SseEvent("x", id=""), b"id: \ndata: x\n\n"),
        (SseEvent("x", retry_ms=0), b"retry: 0\ndata: x\n\n"),
        (SseEvent([1], "tick", "é", 250), "event: tick\nid: é\nretry: 250\ndata: [1]\n\n".encode()),
    ],
)
def test_an_event_is_these_bytes(item: Any, expected: bytes) -> None:
    assert encode_event(item) == expected


@pytest.mark.parametrize(
    ("item", "error", "word"),
    [
        (b"bytes", TypeError, "not bytes"),
        (bytearray(b"x"), TypeError, "not bytes"),
        (memoryview(b"x"), TypeError, "not bytes"),
        (SseEvent(b"bytes"), TypeError, "not bytes"),
        (object(), TypeError, "not JSON serializable"),
        ({1, 2}, TypeError, "not JSON serializable"),
        (float("nan"), ValueError, "not JSON compliant"),
        ([float("inf")], ValueError, "not JSON compliant"),
        ("\ud800", ValueError, "surrogates"),
        (SseEvent("x", event="a\nb"), ValueError, "event"),
        (SseEvent("x", event="a\rb"), ValueError, "event"),
        (SseEvent("x", event=7), TypeError, "event of an event is a str, not int"),  # type: ignore[arg-type]
        (SseEvent("x", id="a\nb"), ValueError, "id"),
        (SseEvent("x", id="a\r"), ValueError, "id"),
        (SseEvent("x", id="a\0b"), ValueError, "id"),
        (SseEvent("x", id=7), TypeError, "id of an event is a str, not int"),  # type: ignore[arg-type]
        (SseEvent("x", retry_ms=-1), ValueError, "milliseconds"),
        (SseEvent("x", retry_ms=True), ValueError, "milliseconds"),
        (SseEvent("x", retry_ms=1.5), ValueError, "milliseconds"),  # type: ignore[arg-type]
        (SseEvent("x", retry_ms="5"), ValueError, "milliseconds"),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_event_or_would_break_the_framing_is_refused(
    item: Any, error: type[Exception], word: str
) -> None:
    with pytest.raises(error, match=word):
        encode_event(item)


texts = st.text(
    st.one_of(st.sampled_from("\r\n :\0\ufeff\u2028da"), st.characters(exclude_categories=["Cs"]))
)
names = texts.map(lambda text: re.sub(r"[\r\n]", "", text))
ids = names.map(lambda text: text.replace("\0", ""))
events = st.builds(SseEvent, texts, names, st.none() | ids, st.none() | st.integers(0, 10**9))


@given(st.lists(events, max_size=5))
def test_what_is_written_is_what_is_read(sent: list[SseEvent]) -> None:
    expected: list[Heard] = []
    last_id, retry_ms = "", None
    for event in sent:
        last_id = last_id if event.id is None else event.id
        retry_ms = retry_ms if event.retry_ms is None else event.retry_ms
        data = event.data.replace("\r\n", "\n").replace("\r", "\n")
        expected.append(Heard(event.event or "message", data, last_id))
    stream = b"".join(map(encode_event, sent))
    assert same(read_events(stream), Reading(expected, retry_ms, last_id))
    assert same(
        read_events(
            KEEP_ALIVE_COMMENT
            + KEEP_ALIVE_COMMENT.join(map(encode_event, sent))
            + KEEP_ALIVE_COMMENT
        ),
        read_events(stream),
    )


@given(texts)
def test_a_text_and_an_event_of_that_text_are_the_same(text: str) -> None:
    assert encode_event(text) == encode_event(SseEvent(text))


# -- the clocks of answers -------------------------------------------------------------------------


def test_a_late_answer_is_waited_for_to_the_bound_and_then_told_503() -> None:
    server = asked(GET, Limits(response_timeout=8.0))
    server, effects = tell(server, at(7.99))
    assert effects == []
    assert bytes_of(tell(server, answered(0, OK))[1]).startswith(b"HTTP/1.1 200 OK\r\n")
    server, effects = tell(server, at(8.0))
    assert kinds(effects) == ["Log", "Send"]
    assert bytes_of(effects).startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"\r\nConnection: close\r\n" in bytes_of(effects)
    assert b"Retry-After" not in bytes_of(effects)
    assert effects[1].then is Then.SHUT  # type: ignore[union-attr]
    server, effects = tell(server, answered(0, OK))
    assert effects == []
    server, effects = tell(server, at(10.0))
    assert stats(server).closed == {"ANSWER_TIMEOUT": 1}
    server, effects = tell(server, answered(0, OK))
    assert (effects, stats(server).stale_responses) == ([], 1)


def test_a_request_behind_an_overdue_answer_is_not_handled() -> None:
    _, effects = tell(asked(GET, Limits(response_timeout=8.0)), at(8.0), Received(CONN, GET))
    assert "Handle" not in kinds(effects)


@pytest.mark.parametrize("pieces", [(), (StreamChunk(ticket(0), b""),)])
def test_a_piece_is_waited_for_to_the_bound_and_then_the_connection_is_broken_off(
    pieces: tuple[StreamChunk, ...],
) -> None:
    server, _ = tell(
        asked(GET, Limits(response_timeout=8.0)), answered(0, Response.stream(())), *pieces
    )
    server, effects = tell(server, at(7.99))
    assert effects == []
    more, effects = tell(server, StreamChunk(ticket(0), b"x"))
    assert bytes_of(effects) == b"1\r\nx\r\n"
    assert tell(more, at(15.9))[1] == []
    server, effects = tell(server, at(8.0))
    assert kinds(effects) == ["Log", "CloseBody", "Drop", "CallClose"]
    assert effects[1] == CloseBody(ticket(0))


def test_a_silent_event_stream_gets_a_comment_in_every_interval_and_a_busy_one_none() -> None:
    server, effects = tell(
        asked(GET, Limits(sse_keep_alive_interval=8.0, response_timeout=8.0)),
        answered(0, Response.sse(())),
    )
    assert kinds(effects) == ["Send", "Pull"]
    sent = []
    for second in range(1, 60):
        server, effects = tell(server, at(float(second)))
        sent += [(second, bytes_of([effect])) for effect in effects]
        if 20 <= second < 40:
            server, effects = tell(server, StreamChunk(ticket(0), b"data: x\n\n"))
            assert effects == [Send(CONN, (b"9\r\ndata: x\n\n\r\n",), Then.KEEP), Pull(ticket(0))]
    assert sent == [(second, CHUNKED_COMMENT) for second in (8, 16, 47, 55)]


def test_a_client_that_is_behind_gets_no_comments_and_is_dropped_like_any_other() -> None:
    server, _ = tell(
        asked(GET, Limits(sse_keep_alive_interval=1.0, stall_timeout=8.0)),
        answered(0, Response.sse(())),
        StreamChunk(ticket(0), b"data: x\n\n"),
        Stalled(CONN, 0, (b"x",)),
    )
    server, effects = tell(server, *(at(second / 4) for second in range(32)))
    assert effects == []
    server, effects = tell(server, at(8.0))
    assert kinds(effects) == ["Drop", "CallClose"]
    assert stats(server).closed == {"WRITE_STALL": 1}


def test_a_comment_that_is_not_taken_is_sent_again_before_what_follows() -> None:
    server, _ = tell(asked(GET, Limits(sse_keep_alive_interval=8.0)), answered(0, Response.sse(())))
    server, effects = tell(
        server,
        at(8.0),
        Stalled(CONN, 1, (CHUNKED_COMMENT[1:],)),
        StreamChunk(ticket(0), b"data: x\n\n"),
    )
    server, effects = tell(server, Writable(CONN))
    assert bytes_of(effects) == CHUNKED_COMMENT[1:] + b"9\r\ndata: x\n\n\r\n"
    assert kinds(effects)[:2] == ["Send", "Pull"]


def test_an_event_stream_to_an_old_client_is_kept_alive_too() -> None:
    server, effects = tell(
        asked(b"GET / HTTP/1.0\r\n\r\n", Limits(sse_keep_alive_interval=8.0)),
        answered(0, Response.sse(())),
    )
    assert b"chunked" not in bytes_of(effects)
    server, effects = tell(server, at(8.0))
    assert bytes_of(effects) == b":\n\n"


def test_a_stream_whose_declared_length_is_used_up_gets_no_comment() -> None:
    server, _ = tell(
        asked(GET, Limits(sse_keep_alive_interval=8.0)),
        answered(0, Response.sse((), headers={"Content-Length": "9"})),
        StreamChunk(ticket(0), b"data: x\n\n"),
    )
    assert tell(server, at(8.0), at(16.0))[1] == []


# -- what is not so yet ----------------------------------------------------------------------------


def not_yet(reason: str) -> pytest.MarkDecorator:
    """A defect that is known."""
    return pytest.mark.xfail(strict=True, raises=AssertionError, reason=reason)


def test_a_body_behind_a_stream_has_no_more_time_than_any_other() -> None:
    server, _ = tell(
        asked(GET + HALF_A_BODY, Limits(body_timeout=8.0, rate_grace=PATIENT)),
        answered(0, Response.sse(())),
    )
    for second in range(1, 30):
        server, _ = tell(server, at(float(second)), StreamChunk(ticket(0), b"data: x\n\n"))
    assert client_of(server).incoming.phase is Phase.MUST_CLOSE


@not_yet("while a body comes in, nobody looks at how long the stream has been silent")
def test_an_event_stream_before_a_body_is_kept_alive_too() -> None:
    server, _ = tell(
        asked(
            GET + HALF_A_BODY,
            Limits(body_timeout=PATIENT, rate_grace=PATIENT, sse_keep_alive_interval=8.0),
        ),
        answered(0, Response.sse(())),
    )
    server, effects = tell(server, at(8.0), at(16.0))
    assert bytes_of(effects).count(KEEP_ALIVE_COMMENT) > 0


def test_a_piece_gains_a_client_that_takes_nothing_no_time() -> None:
    server, _ = tell(
        asked(GET, Limits(stall_timeout=8.0)),
        answered(0, Response.stream(())),
        StreamChunk(ticket(0), b"x"),
        Stalled(CONN, 0, (b"x",)),
        at(7.0),
        StreamChunk(ticket(0), b"y"),
    )
    server, effects = tell(server, at(8.0))
    assert kinds(effects) == ["Drop", "CallClose"]


def test_comments_take_nothing_from_a_declared_length() -> None:
    server, _ = tell(
        asked(GET, Limits(sse_keep_alive_interval=8.0)),
        answered(0, Response.sse((), headers={"Content-Length": "9"})),
        at(8.0),
    )
    server, effects = tell(server, StreamChunk(ticket(0), b"data: x\n\n"))
    assert kinds(effects) == ["Send", "Pull"]


def test_a_stream_behind_an_overdue_answer_is_let_go_at_once() -> None:
    server, _ = tell(
        asked(GET + GET, Limits(response_timeout=8.0)), answered(1, Response.stream(()))
    )
    server, effects = tell(server, at(8.0))
    assert CloseBody(ticket(1)) in effects


@not_yet("a late answer is counted only if its connection is gone, not while it lingers")
def test_an_answer_that_comes_while_the_connection_lingers_is_late_too() -> None:
    server, _ = tell(asked(GET, Limits(response_timeout=8.0)), at(8.0), answered(0, OK))
    assert stats(server).stale_responses == 1


def test_a_request_whose_answer_is_overdue_is_still_counted() -> None:
    server = asked(GET + GET, Limits(response_timeout=8.0))
    assert stats(server).requests == 2
    server, _ = tell(server, at(8.0))
    assert stats(server).requests == 2
