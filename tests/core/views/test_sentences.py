"""Events and effects in words: every kind has its sentence, whatever came from outside."""

from typing import Any

from pyrsistent import pset

from sigil.core.broadcast.entry import NO_OPTIONS, PublishOptions
from sigil.core.close_reasons import CloseReason
from sigil.core.conn import Peer, Ticket
from sigil.core.control import DeliveryHeld
from sigil.core.effects import (
    AccessLog,
    Adopt,
    CallClose,
    CallWsClose,
    Deliver,
    Effect,
    FanOut,
    Handle,
    Log,
    Send,
    Then,
)
from sigil.core.events import (
    Accepted,
    CloseRequested,
    ConnectionLost,
    Delivered,
    Event,
    FanOutStalled,
    HandlerReturned,
    InputRead,
    Publish,
    Received,
    SendMessages,
    Stalled,
    Subscribe,
    TickStarted,
)
from sigil.core.http.response import Response
from sigil.core.server.fold import advance
from sigil.core.topics import ALL_TOPICS
from sigil.core.views.sentences import (
    EFFECT_SENTENCES,
    EVENT_SENTENCES,
    SENTENCE_MAX,
    conn_of_effect,
    effect_line,
    event_line,
    quoted,
)
from sigil.testing import Client
from tests.support.core_broadcasts import NEWS
from tests.support.core_driver import CONN
from tests.support.tables import check_each

TICKET = Ticket(CONN, 3)
LATEST = PublishOptions(latest=True, retain=True)

EVENTS = {
    TickStarted(1.5, 0): "a tick begins, the clock says 1.500 s",
    InputRead(): "all that had come in was read: deadlines apply",
    InputRead(frozenset((CONN,))): "all that had come in was read: deadlines apply, "
    "but not those of 1 client",
    Accepted(7, Peer("::1", 5000), True): "[::1]:5000 connects over TLS",
    Received(CONN, b"GET / HTTP/1.1\r\n"): "received 16 bytes: b'GET / HTTP/1.1\\r\\n'",
    Received(CONN, b"\x81\x80\x00\x00\x00\x00"): "received 6 bytes",
    ConnectionLost(CONN, 104): "the connection is lost: errno 104",
    CloseRequested(CONN, CloseReason.OK, 1000, "bye"): "the program closes it: OK, the last "
    "response was sent and the connection was not to persist, 'bye'",
    HandlerReturned(TICKET, (Response.text("a"), Response.error(404))): "the handler answers "
    "request 3: 200, 404",
    Stalled(CONN, 40, (b"ab", b"c")): "it took 40 bytes, and not the other 3",
    FanOutStalled(CONN, 1, 4, 5, NEWS): "it took 1 byte of message 4, and lags from here on",
    FanOutStalled(CONN, 0, 4, 7, NEWS): "it took 0 bytes of messages 4 to 6, and lags from here on",
    Delivered(CONN, ((1, b"yes"),)): "the callback returned and replied b'yes'",
    DeliveryHeld(CONN, (), ()): "the callback returned, and wants no more for now",
    SendMessages(CONN, ((1, b"a"),) * 5): "the program sends b'a', b'a', b'a' and 2 more",
    Publish(((1, b"hello", "news", LATEST), (2, b"\x00", None, NO_OPTIONS))): "the program "
    "publishes 2 messages: b'hello' on 'news', latest, retained, b'\\x00'",
    Subscribe(CONN, "news", False): "the program unsubscribes it: 'news'",
    Subscribe(CONN, ALL_TOPICS, True): "the program subscribes it: all topics",
}
EFFECTS = {
    Adopt(CONN, 7): "it gets slot 0, generation 0",
    CallClose(CONN, CloseReason.EVICTED): "closed: EVICTED, it was evicted to make room for others",
    CallWsClose(CONN, CloseReason.WS_PEER_CLOSED, 1000, "bye"): "the WebSocket is over, code 1000: "
    "WS_PEER_CLOSED, the client closed the WebSocket, 'bye'",
    Deliver(CONN, ("a", b"b")): "give the program 'a', b'b'",
    Send(CONN, (b"HTTP/1.1 ", b"200 OK"), Then.SHUT): "send 15 bytes: b'HTTP/1.1 200 OK', "
    "then our side is shut",
    Send(CONN, (memoryview(b"\x82\x00"),), Then.KEEP): "send 2 bytes",
    FanOut(NEWS, pset([CONN]), b"12345", 4, 6): "1 client of a cohort is sent 5 bytes: 2 messages",
    Log("sigil.server", 30, "careful"): "log: 'careful'",
    AccessLog(Peer("a", 1), "GET", "/<b>", 1, 200, -1): "a:1 GET '/<b>' 200, streamed",
}


def test_every_kind_has_its_sentence() -> None:
    assert set(EVENT_SENTENCES) == set(Event.__args__)
    assert set(EFFECT_SENTENCES) == set(Effect.__args__)


def test_an_event_is_a_sentence() -> None:
    assert {event: event_line(event).text for event in EVENTS} == EVENTS


def test_an_effect_is_a_sentence() -> None:
    assert {effect: effect_line(effect).text for effect in EFFECTS} == EFFECTS


def test_a_line_has_the_kind_and_the_connection() -> None:
    assert event_line(Received(CONN, b"a"))[:2] == ("Received", CONN)
    assert event_line(TickStarted(0.0, 0))[:2] == ("TickStarted", None)
    assert effect_line(Adopt(CONN, 7))[:2] == ("Adopt", CONN)
    assert conn_of_effect(Handle(TICKET, ())) == CONN
    assert conn_of_effect(Log("a", 30, "b")) is None


def test_what_comes_from_outside_is_quoted_and_bounded() -> None:
    hostile = "<script>\u202e\x1b[31m\n" * 10**4
    rows: list[tuple[Any, Any]] = [
        (event_line, Subscribe(CONN, hostile, True)),
        (event_line, Received(CONN, hostile.encode())),
        (event_line, SendMessages(CONN, ((1, hostile.encode()),) * 9)),
        (event_line, ConnectionLost(CONN, 1, hostile)),
        (effect_line, Deliver(CONN, (hostile,) * 9)),
        (effect_line, Log("a", 30, hostile)),
        (effect_line, AccessLog(Peer(hostile, 0), "GET", hostile, 1, 200, 0)),
    ]

    def check(row: tuple[Any, Any]) -> None:
        line, record = row
        text = line(record).text
        assert text.isprintable() and len(text) <= SENTENCE_MAX, text

    check_each(rows, check)
    assert quoted("a'\n") == '"a\'\\n"'


def test_whatever_a_server_does_can_be_read() -> None:
    seen: list[str] = []

    def advance_and_read(*given: Any) -> Any:
        state, effects = advance(*given)
        seen.extend(event_line(event).text for event in given[1])
        seen.extend(effect_line(effect).text for effect in effects)
        return state, effects

    client = Client(lambda request: Response.upgrade(topics=("a",), history=2))
    client.server._engine._advance = advance_and_read
    websocket = client.websocket("/", window_len=10**6)
    websocket.send("hello")
    client.server.broadcast("news", topic="a")
    websocket.read(10**6)
    client.run_until_idle()
    websocket.close()
    assert "1 client of a cohort is sent 6 bytes: 1 message" in seen
    assert "give the program 'hello'" in seen
