"""Listeners in literal events: clients that are sent what is broadcast as server-sent events.

Theory: a listener is one more place in the stream, so what holds of a WebSocket's place holds of
its own; what differs is written down here byte by byte. That events are read as they were meant is
decided by the reader of `test_sse`.

Rules: pure.  The server's epoch is 0, since its stream began at wall time 0.
"""

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigil.core.broadcast.broadcast import make_broadcast
from sigil.core.broadcast.encoding import Encoding
from sigil.core.broadcast.entry import NO_OPTIONS, Subscription
from sigil.core.close_reasons import CloseReason
from sigil.core.conn import Conn, Peer
from sigil.core.connection.client import EVENT_STREAM
from sigil.core.connection.client_status import is_in_cohort, is_laggard
from sigil.core.connection.deadlines import Waiting, waiting_for
from sigil.core.connection.websocket_send import send_capacity
from sigil.core.effects import (
    AccessLog,
    CallClose,
    CallSseClose,
    CallSseOpen,
    CallWsClose,
    CallWsOpen,
    CloseBody,
    Drop,
    Effect,
    FanOut,
    LimitUnsent,
    Log,
    Send,
    Then,
)
from sigil.core.events import (
    Accepted,
    CloseRequested,
    ConnectionLost,
    Event,
    FanOutStalled,
    Flush,
    HalfClosed,
    HandlerReturned,
    Publish,
    Received,
    Stalled,
    Stop,
    Subscribe,
    Writable,
)
from sigil.core.http.response import Response
from sigil.core.limits import Limits
from sigil.core.send_status import SendStatus
from sigil.core.server.slots import find_client
from sigil.core.server.state import Server
from sigil.core.server.stats import stats
from sigil.core.topics import ALL_TOPICS
from tests.support.core_driver import (
    CONN,
    DATE,
    OK,
    advance_by,
    answered,
    asked,
    at,
    bytes_of,
    client_of,
    effect_names,
    serving,
    ticket,
)
from tests.support.core_websockets import FLUSH, bytes_to, sending, text
from tests.support.event_stream_reader import ReadEvent, read_events
from tests.support.requests import GET, UPGRADE

HEAD = (
    b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: text/event-stream\r\n"
    b"Cache-Control: no-store\r\n"
    b"X-Accel-Buffering: no\r\n" + DATE
)
START = HEAD + b"id: 0-0\n\n"
HEARS_ALL = Subscription(Encoding.SSE, frozenset())
KEEPING = Limits(history_messages=10)
SMALL = Limits(outgoing_buffer_sz=400)


def told(*messages: str | bytes, topic: str | None = None) -> Publish:
    """The program broadcasts these messages."""
    return Publish(
        tuple(
            (1, message.encode(), topic, NO_OPTIONS)
            if isinstance(message, str)
            else (2, message, topic, NO_OPTIONS)
            for message in messages
        )
    )


def listening(
    limits: Limits | None = None, data: bytes = GET, response: Response | None = None
) -> Server:
    """A server whose only connection, `CONN`, has just become a listener."""
    return advance_by(asked(data, limits), answered(0, response or Response.sse()))[0]


def came_back(
    last_id: str, before: Server, response: Response | None = None
) -> tuple[Server, bytes]:
    """The server after a second client has come with the last event it has seen, and what that one
    is sent at once.
    """
    conn = Conn(before.slots.used, before.next_generation)
    request = f"GET / HTTP/1.1\r\nHost: a\r\nLast-Event-ID: {last_id}\r\n\r\n".encode()
    server, effects = advance_by(
        before,
        Accepted(8, Peer("192.0.2.2", 1)),
        Received(conn, request),
        HandlerReturned(ticket(0).replace(conn=conn), (response or Response.sse(),)),
        FLUSH,
    )
    return server, bytes_to(conn, effects).removeprefix(HEAD)


# -- the beginning ---------------------------------------------------------------------------------


def test_the_answer_is_a_head_and_from_then_on_the_stream() -> None:
    server, effects = advance_by(asked(GET), answered(0, Response.sse()))
    limited, beginning, notice = effects
    assert limited == LimitUnsent(CONN)
    assert beginning == Send(CONN, (HEAD, b"id: 0-0\n\n"), Then.KEEP)
    assert isinstance(notice, CallSseOpen) and notice.request.conn == CONN
    assert client_of(server).incoming is EVENT_STREAM and is_in_cohort(client_of(server))
    assert waiting_for(client_of(server)) is Waiting.SSE
    server, effects = advance_by(server, told("hello", "two\nlines"), FLUSH)
    (fan,) = effects
    assert fan == FanOut(
        HEARS_ALL,
        server.broadcast.cohorts[HEARS_ALL],
        b"id: 0-1\ndata: hello\n\nid: 0-2\ndata: two\ndata: lines\n\n",
        0,
        2,
    )


def test_an_answer_of_http_1_0_is_the_same_but_for_its_head() -> None:
    _, effects = advance_by(
        asked(b"GET / HTTP/1.0\r\n\r\n"), answered(0, Response.sse()), told("x"), FLUSH
    )
    assert bytes_to(CONN, effects) == START + b"id: 0-1\ndata: x\n\n"


def test_head_is_answered_with_the_head_alone() -> None:
    server, effects = advance_by(
        asked(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"), answered(0, Response.sse())
    )
    assert effects[0] == Send(CONN, (HEAD,), Then.SHUT) and not server.load.websockets


def test_status_and_fields_are_the_programs() -> None:
    _, effects = advance_by(
        asked(GET), answered(0, Response.sse(status=203, headers={"X-Room": "7"}))
    )
    assert bytes_of(effects) == START.replace(
        b"200 OK", b"203 Non-Authoritative Information"
    ).replace(b"no\r\n", b"no\r\nX-Room: 7\r\n")


def test_no_content_is_no_stream() -> None:
    server, effects = advance_by(asked(GET), answered(0, Response.sse(status=204)))
    assert bytes_of(effects).startswith(b"HTTP/1.1 204 ") and not server.load.websockets


def test_a_stream_without_end_has_no_length() -> None:
    server, effects = advance_by(
        asked(GET), answered(0, Response.sse(headers={"Content-Length": "5"}))
    )
    assert bytes_of(effects).startswith(b"HTTP/1.1 500 ") and not server.load.websockets
    assert "a stream without end" in next(
        effect.text for effect in effects if isinstance(effect, Log)
    )


@pytest.mark.parametrize("fields", [{"topics": ("a",)}, {"history": 3}])
def test_events_of_ones_own_are_not_those_that_are_broadcast(fields: dict[str, object]) -> None:
    with pytest.raises(TypeError, match="not both"):
        Response.sse(["x"], **fields)  # type: ignore[arg-type]


def test_the_access_log_has_the_request() -> None:
    _, effects = advance_by(asked(GET, None, True), answered(0, Response.sse()))
    (line,) = [effect for effect in effects if isinstance(effect, AccessLog)]
    assert (line.method, line.target, line.version) == ("GET", "/", 1)
    assert (line.status, line.length) == (200, -1)


def test_there_is_room_for_so_many_and_the_oldest_gives_way() -> None:
    refusing = Limits(max_ws_connection_cnt=0)
    server, effects = advance_by(asked(GET, refusing), answered(0, Response.sse()))
    assert bytes_of(effects).startswith(b"HTTP/1.1 503 ") and b"Retry-After: 1\r\n" in bytes_of(
        effects
    )
    server, _ = came_back("", listening(Limits(max_ws_connection_cnt=1)))
    assert (
        server.load.websockets == 1
        and server.slots.used == 1
        and stats(server).closed == {"EVICTED": 1}
    )


def test_nobody_begins_to_listen_to_a_server_that_stops() -> None:
    _, effects = advance_by(asked(GET), Stop(5.0), answered(0, Response.sse()))
    assert bytes_of(effects).startswith(b"HTTP/1.1 503 ")


def test_requests_behind_it_are_not_answered_and_their_streams_are_let_go() -> None:
    server = advance_by(asked(GET + GET + GET), answered(1, Response.stream([b"x"])))[0]
    server, effects = advance_by(server, answered(0, Response.sse()))
    assert CloseBody(ticket(1)) in effects and bytes_of(effects) == START
    server, effects = advance_by(server, answered(2, OK), Received(CONN, GET), told("x"), FLUSH)
    assert bytes_to(CONN, effects) == b"id: 0-1\ndata: x\n\n"


# -- what it hears ---------------------------------------------------------------------------------


def test_a_binary_message_is_left_out_and_counted() -> None:
    server, effects = advance_by(listening(), told("a", b"\x00", "b"), FLUSH)
    assert bytes_to(CONN, effects) == b"id: 0-1\ndata: a\n\nid: 0-3\ndata: b\n\n"
    assert stats(server).sse_skipped == 1
    server, effects = advance_by(server, told(b"\x01", b"\x02"), FLUSH)
    assert effects == [] and stats(server).sse_skipped == 3


def test_topics_are_heard_as_by_a_websocket() -> None:
    server = listening(response=Response.sse(topics=("news",)))
    server, effects = advance_by(
        server, told("n", topic="news"), told("s", topic="sport"), told("all"), FLUSH
    )
    assert bytes_to(CONN, effects) == b"id: 0-1\ndata: n\n\nid: 0-3\ndata: all\n\n"
    _, effects = advance_by(server, Subscribe(CONN, "sport", True), told("s", topic="sport"), FLUSH)
    assert bytes_to(CONN, effects) == b"id: 0-4\ndata: s\n\n"


def test_who_is_subscribed_to_all_topics_is_sent_every_one() -> None:
    server = listening(response=Response.sse(topics=ALL_TOPICS))
    _, effects = advance_by(
        server, told("n", topic="news"), told("s", topic="sport"), told("all"), FLUSH
    )
    assert [event.data for event in read_events(bytes_to(CONN, effects)).events] == [
        "n",
        "s",
        "all",
    ]


def test_what_is_said_to_one_has_no_position_and_is_in_order() -> None:
    _, effects = advance_by(
        listening(), told("a"), sending("to you"), told("b"), sending(b"\x00"), FLUSH
    )
    assert bytes_to(CONN, effects) == b"id: 0-1\ndata: a\n\ndata: to you\n\nid: 0-2\ndata: b\n\n"


TEXTS = st.text(st.sampled_from("ab:\n\r \ufeff\x00é"), max_size=12)


@given(st.lists(TEXTS, max_size=6))
def test_what_is_heard_is_what_was_said_but_for_line_ends(messages: list[str]) -> None:
    _, effects = advance_by(listening(), told(*messages), FLUSH)
    lines = [message.replace("\r\n", "\n").replace("\r", "\n") for message in messages]
    events = read_events(bytes_to(CONN, effects)).events
    assert events == [
        ReadEvent("message", line, f"0-{number}") for number, line in enumerate(lines, 1)
    ]


# -- coming back -----------------------------------------------------------------------------------


def test_who_comes_back_goes_on_behind_what_it_has_seen() -> None:
    server, _ = advance_by(listening(), told("a", "b", "c"), FLUSH)
    assert came_back("0-1", server)[1] == b"id: 0-1\n\nid: 0-2\ndata: b\n\nid: 0-3\ndata: c\n\n"
    after, sent = came_back("0-3", server)
    assert (
        sent == b"id: 0-3\n\n" and is_in_cohort(client_of(after)) and not after.broadcast.laggards
    )


def test_what_was_published_while_nobody_listened_is_kept_for_who_may_come_back() -> None:
    server, _ = advance_by(
        listening(), told("a"), FLUSH, ConnectionLost(CONN, 104), told("b"), FLUSH
    )
    assert not server.slots.used
    assert came_back("0-1", server)[1] == b"id: 0-1\n\nid: 0-2\ndata: b\n\n"


def test_what_is_not_kept_any_more_is_told_as_a_gap() -> None:
    server, _ = advance_by(
        listening(SMALL), *[event for count in range(12) for event in (told("x" * 30), FLUSH)]
    )
    tail = server.broadcast.ring.tail_number
    sent = came_back("0-1", server)[1]
    assert read_events(sent).events[0] == ReadEvent(
        "gap", f'{{"after":"0-1","position":"0-{tail}","missed":{tail - 1}}}', f"0-{tail}"
    )
    assert [event.id for event in read_events(sent).events[1:]] == [
        f"0-{number}" for number in range(tail + 1, 13)
    ]


@pytest.mark.parametrize(
    "last_id", ["0-9", "17", "<script>", "0-", "-1", "0-1-2", "0-" + "9" * 16, "1-0"]
)
def test_who_has_seen_another_stream_is_told_so_and_begins_as_a_newcomer(last_id: str) -> None:
    server, _ = advance_by(listening(KEEPING), told("a", "b"), FLUSH)
    sent = read_events(came_back(last_id, server, Response.sse(history=1))[1]).events
    assert sent == [
        ReadEvent("gap", f'{{"after":"{last_id}","position":"0-1","missed":null}}', "0-1"),
        ReadEvent("message", "b", "0-2"),
    ]


def test_messages_that_nobody_was_to_be_sent_have_numbers_all_the_same() -> None:
    server, _ = advance_by(serving(), told("a", b"b"), told("c"))
    assert server.broadcast == make_broadcast(Limits()).replace(ring=server.broadcast.ring)
    assert (server.broadcast.ring.tail_number, server.broadcast.next_number) == (3, 3)
    assert (
        came_back("0-0", server)[1]
        == b'event: gap\nid: 0-3\ndata: {"after":"0-0","position":"0-3","missed":3}\n\n'
    )


def test_a_newcomer_asks_for_texts_of_its_topics() -> None:
    server, _ = advance_by(
        listening(KEEPING), told("a", "b"), told(b"\x00", b"\x01"), told("s", topic="sport"), FLUSH
    )
    assert (
        came_back("", server, Response.sse(history=2))[1]
        == b"id: 0-0\n\nid: 0-1\ndata: a\n\nid: 0-2\ndata: b\n\n"
    )


def test_a_newcomer_hears_what_is_published_from_now_on() -> None:
    server, _ = advance_by(listening(), told("early"))
    server, effects = advance_by(
        server,
        Accepted(8, Peer("192.0.2.2", 1)),
        Received(Conn(1, 1), GET),
        HandlerReturned(ticket(0).replace(conn=Conn(1, 1)), (Response.sse(),)),
        told("late"),
        FLUSH,
    )
    assert bytes_to(Conn(1, 1), effects) == HEAD + b"id: 0-1\n\nid: 0-2\ndata: late\n\n"
    assert bytes_to(CONN, effects) == b"id: 0-1\ndata: early\n\nid: 0-2\ndata: late\n\n"


@pytest.mark.parametrize("act", [Writable, Flush, HalfClosed])
def test_a_newcomer_does_not_hear_what_was_said_before_it_came_whatever_it_is_sent_at_once(
    act: Callable[[Conn], Event],
) -> None:
    conn = Conn(1, 1)
    server = advance_by(
        listening(),
        told("early"),
        Accepted(8, Peer("192.0.2.2", 1)),
        Received(conn, GET),
        HandlerReturned(ticket(0).replace(conn=conn), (Response.sse(),)),
    )[0]
    _, effects = advance_by(server, sending("you", conn=conn), act(conn), told("late"), FLUSH)
    assert [event.data for event in read_events(bytes_to(conn, effects)).events] == ["you", "late"]


# -- being slow ------------------------------------------------------------------------------------


def test_half_an_event_is_finished_before_anything_else() -> None:
    server, effects = advance_by(listening(), told("abc", "def"), FLUSH)
    whole = bytes_to(CONN, effects)
    for taken, _ in pairwise(range(len(whole) + 1)):
        after, _ = advance_by(
            server, FanOutStalled(CONN, taken, 0, 2, HEARS_ALL), sending("you"), told("ghi"), FLUSH
        )
        assert is_laggard(client_of(after))
        after, effects = advance_by(after, Writable(CONN), FLUSH)
        assert (
            whole[:taken] + bytes_to(CONN, effects)
            == whole + b"data: you\n\nid: 0-3\ndata: ghi\n\n"
        )
        assert is_in_cohort(client_of(after))


def test_who_falls_too_far_behind_is_dropped_and_the_program_is_told() -> None:
    server, _ = advance_by(listening(SMALL), told("a"), FLUSH)
    server, _ = advance_by(server, FanOutStalled(CONN, 1, 0, 1, HEARS_ALL))
    effects: list[Effect] = []
    for _ in range(12):
        server, more = advance_by(server, told("x" * 30), FLUSH)
        effects += more
    assert [kind for kind in effect_names(effects) if kind != "FanOut"] == [
        "Log",
        "Drop",
        "CallSseClose",
        "CallClose",
    ]
    assert effects[-1] == CallClose(CONN, CloseReason.WS_CLIENT_TOO_SLOW)


def test_a_head_that_is_not_taken_is_taken_first() -> None:
    server, _ = advance_by(listening(), Stalled(CONN, 10, (HEAD[10:],)), told("a"), FLUSH)
    _, effects = advance_by(server, Writable(CONN), FLUSH)
    assert bytes_to(CONN, effects) == HEAD[10:] + b"id: 0-1\ndata: a\n\n"


# -- what it says ----------------------------------------------------------------------------------


def test_what_a_listener_says_is_thrown_away() -> None:
    server, effects = advance_by(listening(), Received(CONN, GET + text("hello")))
    assert effects == [] and client_of(server).incoming.discarded == len(GET + text("hello"))
    limits = Limits(max_linger_len=10)
    server, effects = advance_by(listening(limits), Received(CONN, b"x" * 11))
    assert effect_names(effects) == ["Watch"]
    _, effects = advance_by(server, told("still"), FLUSH)
    assert bytes_to(CONN, effects) == b"id: 0-1\ndata: still\n\n"


def test_a_listener_that_will_say_no_more_may_still_listen() -> None:
    server, effects = advance_by(listening(), HalfClosed(CONN), FLUSH)
    assert bytes_to(CONN, effects) == b":\n\n"
    _, effects = advance_by(server, told("a"), FLUSH)
    assert bytes_to(CONN, effects) == b"id: 0-1\ndata: a\n\n"


def test_silence_is_broken_by_a_comment() -> None:
    server = listening(Limits(sse_keep_alive_interval=8.0))
    for seconds in (8.0, 16.0, 24.0):
        server, effects = advance_by(server, at(seconds - 0.1), FLUSH)
        assert bytes_to(CONN, effects) == b""
        server, effects = advance_by(server, at(seconds), FLUSH)
        assert bytes_to(CONN, effects) == b"id: 0-0\n\n"


def test_a_position_is_told_of_what_has_left() -> None:
    """What was published in this turn has not been sent yet, and a client that breaks off now has
    not heard it.
    """
    server, effects = advance_by(listening(), told("a"), FLUSH, told("b"), at(15.0))
    server, effects = advance_by(server, FLUSH)
    assert bytes_to(CONN, effects) == b"id: 0-1\n\nid: 0-2\ndata: b\n\n"


def test_what_may_be_said_is_an_eighth_of_the_room_and_text() -> None:
    limits = Limits(max_ws_outbox_len=8_001)
    assert send_capacity(find_client(listening(limits).slots, CONN), limits) == (
        SendStatus.SUCCESS,
        1_001,
        True,
    )
    server, _ = advance_by(listening(limits), Stalled(CONN, 0, (b"x",)))
    assert send_capacity(find_client(server.slots, CONN), server.limits) == (
        SendStatus.BACKPRESSURE,
        1_000,
        True,
    )


# -- the end ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "end",
    [
        CloseRequested(CONN, CloseReason.OK),
        CloseRequested(CONN, CloseReason.OK, 1000, "bye"),
        Stop(5.0),
    ],
)
def test_the_end_comes_behind_what_was_published(end: CloseRequested | Stop) -> None:
    server, effects = advance_by(listening(), told("last"), end, FLUSH)
    assert bytes_to(CONN, effects) == b"id: 0-1\ndata: last\n\n"
    assert [effect.then for effect in effects if isinstance(effect, Send)] == [Then.SHUT]
    assert not [effect for effect in effects if isinstance(effect, CallWsClose | CallWsOpen)]
    ended = CloseReason.SHUTDOWN if isinstance(end, Stop) else CloseReason.OK
    assert [effect for effect in effects if isinstance(effect, CallSseClose)] == [
        CallSseClose(CONN, ended)
    ]
    assert not server.load.websockets and not server.broadcast.cohorts


def test_an_end_waits_for_who_is_slow_whatever_is_said_to_others_meanwhile() -> None:
    rest = b"data: first\n\n"
    server, _ = advance_by(
        listening(SMALL), told("first"), FLUSH, Stalled(CONN, 10, (rest,)), Stop(60.0)
    )
    for _ in range(20):
        server, effects = advance_by(server, told("x" * 30), FLUSH)
        assert effects == []
    server, effects = advance_by(server, at(16.0), Writable(CONN), FLUSH)
    assert effects[0] == Send(CONN, (rest,), Then.SHUT)
    _, effects = advance_by(server, HalfClosed(CONN))
    assert CallClose(CONN, CloseReason.SHUTDOWN) in effects


def test_an_end_that_was_decided_before_the_answer_is_the_end_of_the_stream() -> None:
    _, effects = advance_by(
        asked(GET),
        CloseRequested(CONN, CloseReason.OK),
        answered(0, Response.sse()),
        told("late"),
        FLUSH,
    )
    assert bytes_to(CONN, effects) == HEAD + b"id: 0-0\n\n"
    expected = ["LimitUnsent", "Send", "CallSseOpen", "Send", "CallSseClose"]
    assert effect_names(effects) == expected
    _, effects = advance_by(
        asked(GET + b"no request\r\n\r\n"), answered(0, Response.sse()), told("a"), FLUSH
    )
    assert bytes_to(CONN, effects) == START + b"id: 0-1\ndata: a\n\n"


def test_an_upgrade_after_an_end_that_was_decided_before_is_refused() -> None:
    _, effects = advance_by(
        asked(UPGRADE), CloseRequested(CONN, CloseReason.SHUTDOWN), answered(0, Response.upgrade())
    )
    assert bytes_of(effects).startswith(b"HTTP/1.1 503 ")


def test_an_end_at_once_sends_what_can_be_sent() -> None:
    server, effects = advance_by(listening(), told("last"), Stop(0.0))
    assert bytes_to(CONN, effects) == b"id: 0-1\ndata: last\n\n"
    assert Drop(CONN) in effects and not server.slots.used
    _, effects = advance_by(listening(), Stop(0.0))
    assert effect_names(effects) == ["Drop", "CallSseClose", "CallClose"]


def test_a_broken_connection_is_gone() -> None:
    server, effects = advance_by(listening(), ConnectionLost(CONN, 104))
    reset = CloseReason.PEER_RESET
    assert effects == [Drop(CONN), CallSseClose(CONN, reset), CallClose(CONN, reset)]
    assert (
        not server.load.websockets
        and not server.broadcast.cohorts
        and not server.broadcast.encoding_counts
    )


def test_a_listener_and_a_websocket_are_sent_the_same_in_one_turn() -> None:
    conn = Conn(1, 1)
    _, effects = advance_by(
        listening(),
        Accepted(8, Peer("192.0.2.2", 1)),
        Received(conn, UPGRADE),
        HandlerReturned(ticket(0).replace(conn=conn), (Response.upgrade(),)),
        told("a"),
        FLUSH,
    )
    assert [
        (fan.subscription.encoding, fan.data) for fan in effects if isinstance(fan, FanOut)
    ] == [(Encoding.PLAIN, b"\x81\x01a"), (Encoding.SSE, b"id: 0-1\ndata: a\n\n")]


# -- where the program lets it begin ---------------------------------------------------------------


def resumed(after: str | None, last_id: str = "", **more: int) -> bytes:
    """What a client is sent at once that begins behind `after` for the program, of two messages."""
    server, _ = advance_by(listening(KEEPING), told("a", "b"), FLUSH)
    return came_back(last_id, server, Response.sse(after=after, **more))[1]


@pytest.mark.parametrize(
    ("after", "last_id", "position", "texts"),
    [
        (None, "", "0-2", []),
        ("", "", "0-2", []),
        ("0-1", "", "0-1", ["b"]),
        ("0-0", "", "0-0", ["a", "b"]),
        ("0-0", "0-1", "0-1", ["b"]),  # the browser's word is newer
        (None, "0-1", "0-1", ["b"]),
    ],
)
def test_the_program_lets_a_stream_begin_behind_a_position(
    after: str | None, last_id: str, position: str, texts: list[str]
) -> None:
    sent = resumed(after, last_id)
    assert f"id: {position}\n\n".encode() in sent
    assert [event.data for event in read_events(sent).events] == texts


def test_a_position_of_the_programs_that_is_none_is_a_gap_too() -> None:
    (gap,) = read_events(resumed("nonsense")).events
    assert gap == ReadEvent("gap", '{"after":"nonsense","position":"0-2","missed":null}', "0-2")


def test_a_client_is_sent_how_long_to_wait_before_it_reconnects() -> None:
    assert resumed(None, retry_ms=1_500) == b"retry: 1500\nid: 0-2\n\n"
    assert resumed("x", retry_ms=0).startswith(b"retry: 0\nevent: gap\nid: 0-2\n")


@pytest.mark.parametrize("retry_ms", [-1, 1.5, "1", True])
def test_a_time_to_wait_is_a_whole_number_of_milliseconds(retry_ms: int) -> None:
    with pytest.raises(TypeError):
        Response.sse(retry_ms=retry_ms)


def test_events_of_the_program_have_ids_of_their_own() -> None:
    for more in ({"after": "0-1"}, {"retry_ms": 5}):
        with pytest.raises(TypeError, match="not both"):
            Response.sse(["a"], **more)  # type: ignore[arg-type]
