"""One script, and every way there is to drive a server: what leaves, what is called, and what the
core is given and orders are the same.

Theory: a loop decides when a tick is, and nothing else. So a program that was tried in one loop, or
in memory, behaves in the others, and what was recorded in one is what would have happened in
another. The run in memory, which has neither sockets nor threads, is what the others are compared
with; what happens in it is stated here in so many words, and read by a client that shares no code.

Rules: what is the same, and what may differ, is said in `tests.support.traces`, and shown here. No
run takes the time of anything.
"""

from functools import cache
from typing import Any

import pytest

from sigil import CloseReason
from sigil.core.events import Received
from tests.support.scripted import LONG, PROGRAM_FILE, Program
from tests.support.scripted_runs import COROUTINES, RUNS, Run, in_memory, over_sockets
from tests.support.servers import read_answers
from tests.support.traces import Trace, Turn, joined, timeless
from tests.support.websocket_client import read_frames


@cache
def reference(of_coroutines: bool = False) -> Run:
    """What the others are compared with."""
    return in_memory(Program(of_coroutines))


def assert_same(trace: Trace, other: Trace, *fields: str) -> None:
    """Compare connection by connection, so that what differs is small."""
    for field in fields:
        ours, theirs = getattr(trace, field), getattr(other, field)
        assert list(ours) == list(theirs), field
        for name in ours:
            assert ours[name] == theirs[name], (field, name)


# -- every way to drive a server -------------------------------------------------------------------


@pytest.mark.parametrize("way", RUNS)
def test_what_happens_is_the_same_however_a_server_is_driven(way: str) -> None:
    run = over_sockets(Program(), way)
    assert_same(run.trace, reference().trace, *Trace._fields)
    assert run.recording.verify() is None


@pytest.mark.parametrize("way", COROUTINES)
def test_it_is_the_same_if_the_program_is_made_of_coroutines(way: str) -> None:
    """But for the events: that a callback has come to its end is reported behind what it has sent,
    and what the client then says may come before or after that.
    """
    run = over_sockets(Program(of_coroutines=True), way)
    trace = run.trace
    same = [field for field in Trace._fields if field != "events"]
    assert_same(trace, reference(of_coroutines=True).trace, *same)
    assert_same(trace, reference().trace, "received", "callbacks")
    assert run.recording.verify() is None


def test_two_runs_end_for_the_same_reasons_as_a_recording_tells_it() -> None:
    ends = [
        sorted((close.conn, close.reason) for close in run.recording.closes())
        for run in (reference(), over_sockets(Program(), "select"))
    ]
    assert ends[0] == ends[1] and len(ends[0]) == 10


# -- what happens ----------------------------------------------------------------------------------


def calls(name: str) -> list[tuple[Any, ...]]:
    """The callbacks of a connection, without its number and without requests."""
    return [
        (callback, *(item for item in rest if not isinstance(item, tuple)))
        for callback, _, *rest in reference().trace.callbacks[name]
    ]


def test_the_program_is_called_so() -> None:
    gone, done = CloseReason.PEER_CLOSED, CloseReason.SHUTDOWN
    assert {name: calls(name) for name in ("web", "feed", "poll", "half", "bad")} == {
        "web": [("open",), ("close", done)],
        "feed": [("open",), ("sse_open",), ("sse_close", done), ("close", done)],
        "poll": [("open",), ("close", done)],
        "half": [("open",), ("close", gone)],
        "bad": [("open",), ("close", CloseReason.BAD_REQUEST)],
    }
    said = ["hello", "one", "two", "in pieces", bytes(range(8)), "join state", "tell by ann"]
    assert calls("ann") == [
        ("open",),
        ("ws_open",),
        *(("ws_message", message) for message in said),
        ("ws_close", CloseReason.WS_PEER_CLOSED, 1000),
        ("close", CloseReason.WS_PEER_CLOSED),
    ]
    assert [call[1:] for call in calls("bob") if call[0] == "ws_message"] == [
        (LONG,),
        ("last",),
        ("join state",),
    ]
    assert [calls(name)[-2:] for name in ("bob", "gone", "late", "sent")] == [
        [("ws_close", reason, code), ("close", reason)]
        for reason, code in (
            (done, 1001),
            (CloseReason.PEER_RESET, 1006),
            (CloseReason.PROGRAM_TIMEOUT, 1008),
            (CloseReason.OK, 4000),
        )
    ]


def test_a_client_that_shares_no_code_reads_it_so() -> None:
    received = reference().received
    methods = ["GET", "HEAD", *["GET"] * 3, "POST", *["GET"] * 6]
    answers = read_answers(received["web"], methods)
    assert [answer.status for answer in answers] == [200] * 6 + [500] + [200] * 4 + [206]
    assert answers[5].body == b"POST /post b'one,two,3'"
    assert [answer.body for answer in answers[7:9]] == [b"it came later", b"GET /behind b''"]
    assert answers[9].body == b"one two three"
    assert answers[10].body == PROGRAM_FILE.read_bytes()
    assert [answer.status for answer in read_answers(received["bad"])] == [400]
    frames, rest = read_frames(received["ann"].partition(b"\r\n\r\n")[2])
    assert frames == [
        (1, b"hello"),
        (1, b"one"),
        (1, b"two"),
        (10, b"ping"),
        (1, b"in pieces"),
        (2, bytes(range(8))),
        (1, b"to all"),
        (1, LONG.encode()),
        (1, b"kept"),
        (1, b"2 at state"),
        (8, (1000).to_bytes(2)),
    ]
    assert rest == b""


def test_what_the_core_orders_is_what_leaves() -> None:
    assert reference().trace.sent == reference().trace.received


# -- what is compared, and what is not -------------------------------------------------------------


def altered(turns: list[Turn], **changes: Any) -> Trace:
    """The reference with other turns, or other lines and bytes."""
    return reference()._replace(turns=turns, **changes).trace


def test_how_events_fall_into_turns_and_bytes_into_reads_is_not_compared() -> None:
    single: list[Turn] = []
    for events, effects in reference().turns:
        for event in events:
            if type(event) is Received and len(event.data) > 1:
                single.append(((Received(event.conn, event.data[:1]),), ()))
                event = Received(event.conn, event.data[1:])
            single.append(((event,), ()))
        single += [((), (effect,)) for effect in effects]
    assert len(single) > len(reference().turns) + 200
    assert altered(single) == reference().trace


def test_a_byte_a_call_and_an_event_more_or_less_are_seen() -> None:
    run = reference()
    same = run.trace
    where = next(
        index for index, (events, _) in enumerate(run.turns) if type(events[-1]) is Received
    )
    events, effects = run.turns[where]
    assert altered([*run.turns[:where], (events[:-1], effects), *run.turns[where + 1 :]]) != same
    assert altered(run.turns, lines=run.lines[:-1]) != same
    assert altered(run.turns, lines=[run.lines[0], run.lines[0], *run.lines[1:]]) != same
    assert altered(run.turns, received={**run.received, "ann": run.received["ann"] + b"\0"}) != same


def test_times_are_not_compared() -> None:
    head = b"HTTP/1.1 200 OK\r\nDate: %s\r\nLast-Modified: %s\r\n\r\nid: %d-7\n"
    assert timeless(head % (b"now", b"then", 5)) == timeless(head % (b"later", b"before", 66))
    assert timeless(b"data: 5-7") == b"data: 5-7"


def test_neighbours_are_joined_where_one_says_as_much_as_two() -> None:
    assert joined([("Received", b"a"), ("Received", b"b"), ("HalfClosed",), ("HalfClosed",)]) == [
        ("Received", b"ab"),
        ("HalfClosed",),
        ("HalfClosed",),
    ]
    assert joined([("HandlerReturned", [(1, "b")]), ("HandlerReturned", [(0, "a")])]) == [
        ("HandlerReturned", [(0, "a"), (1, "b")])
    ]
