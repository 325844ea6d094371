"""Events as bytes, read back by the algorithm of the standard.

Theory: whether an event is written well is decided by whoever reads it. So what is written is read
by `tests.support.event_stream_reader`; a law says that what is written is what is read.

Rules: pure.  What a client does with the last id between two connections is not its business.
"""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigil.core.http.sse import KEEP_ALIVE_COMMENT, SseEvent, encode_event
from tests.support.builds import refusal
from tests.support.core_driver import same
from tests.support.event_stream_reader import ReadEvent, Reading, read_events

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
        (SseEvent("x", id="a\nb"), ValueError, "id"),
        (SseEvent("x", id="a\r"), ValueError, "id"),
        (SseEvent("x", id="a\0b"), ValueError, "id"),
        (SseEvent("x", retry_ms=-1), ValueError, "milliseconds"),
    ],
)
def test_what_is_no_event_or_would_break_the_framing_is_refused(
    item: Any, error: type[Exception], word: str
) -> None:
    with pytest.raises(error, match=word):
        encode_event(item)


@pytest.mark.parametrize(
    ("field", "sentence"),
    [
        ({"event": 7}, "the event of an event is a str, not int"),
        ({"id": 7}, "the id of an event is a str, not int"),
        ({"retry_ms": 1.5}, "a number of milliseconds, not 1.5"),
        ({"retry_ms": "5"}, "a number of milliseconds, not '5'"),
    ],
)
def test_a_field_of_another_type_is_refused(field: dict[str, Any], sentence: str) -> None:
    with pytest.raises((TypeError, ValueError), match=refusal(sentence)):
        encode_event(SseEvent("x", **field))


texts = st.text(
    st.one_of(st.sampled_from("\r\n :\0\ufeff\u2028da"), st.characters(exclude_categories=["Cs"]))
)
names = texts.map(lambda text: re.sub(r"[\r\n]", "", text))
ids = names.map(lambda text: text.replace("\0", ""))
events = st.builds(SseEvent, texts, names, st.none() | ids, st.none() | st.integers(0, 10**9))


@given(st.lists(events, max_size=5))
def test_what_is_written_is_what_is_read(sent: list[SseEvent]) -> None:
    expected: list[ReadEvent] = []
    last_id, retry_ms = "", None
    for event in sent:
        last_id = last_id if event.id is None else event.id
        retry_ms = retry_ms if event.retry_ms is None else event.retry_ms
        data = event.data.replace("\r\n", "\n").replace("\r", "\n")
        expected.append(ReadEvent(event.event or "message", data, last_id))
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
