"""The story of a turn: what is told first, what is counted, what goes without saying."""

from typing import Any

from pyrsistent import pset

from sigil.core.broadcast.entry import NO_OPTIONS
from sigil.core.close_reasons import CloseReason
from sigil.core.conn import Conn, Peer, Ticket
from sigil.core.effects import (
    Adopt,
    CallClose,
    CallWsDrain,
    FanOut,
    Handle,
    Interest,
    Log,
    Reject,
    Watch,
)
from sigil.core.events import (
    Accepted,
    FanOutStalled,
    HandlerFailed,
    HandlerReturned,
    InputRead,
    Publish,
    Received,
    Stalled,
    Stop,
    TickStarted,
)
from sigil.core.http.headers import Headers
from sigil.core.http.request import Request
from sigil.core.http.response import Response
from sigil.core.views.story import SENTENCES_MAX, story_of
from tests.support.core_broadcasts import NEWS

CONNS = [Conn(slot, slot + 5) for slot in range(20)]
A, B = CONNS[:2]


def story(*events: Any, effects: Any = ()) -> list[tuple[Any, ...]]:
    return [tuple(sentence) for sentence in story_of(events, effects)]


def test_nothing_is_one_quiet_sentence() -> None:
    quiet = [("quiet", None, "Time passes.")]
    assert story() == quiet
    assert story(TickStarted(1.0, 1), InputRead(), effects=[Watch(A, Interest.READ)]) == quiet


def test_what_matters_most_comes_first() -> None:
    publish = Publish(((1, b"a", None, NO_OPTIONS),) * 2)
    effects = [
        FanOut(NEWS, pset(CONNS), b"ab", 4, 6),
        CallWsDrain(B),
        CallClose(B, CloseReason.PEER_RESET),
        CallClose(A, CloseReason.WS_CLIENT_TOO_SLOW),
    ]
    assert story(publish, FanOutStalled(B, 3, 4, 6, NEWS), effects=effects) == [
        ("evicted", A, "Connection 5 is evicted: it fell too far behind what was published."),
        ("ended", B, "Connection 6 ends: the other side broke the connection."),
        ("stalled", B, "Connection 6 falls behind: it took 3 bytes, and lags from here on."),
        ("caught up", B, "Connection 6 has caught up."),
        ("published", None, "2 messages are published."),
        ("published", None, "What was published is sent to 20 clients that keep up."),
    ]


def test_who_comes_and_asks() -> None:
    request = Request("GET", "/<b>", "/<b>", "", 1, Headers(()), b"", Peer("a", 1))
    came = [Accepted(7, Peer("192.0.2.1", 80)), Accepted(8, Peer("192.0.2.2", 80))]
    effects = [Adopt(A, 7), Reject(8, b""), Handle(Ticket(A, 0), (request, request))]
    assert story(*came, Received(A, b"GET"), effects=effects) == [
        ("asked", A, "Connection 5 asks: GET '/<b>' and 1 more."),
        ("came", A, "192.0.2.1:80 connects: it is connection 5."),
        ("warning", None, "192.0.2.2:80 is rejected."),
        ("quiet", A, "3 bytes from connection 5."),
    ]


def test_who_is_answered() -> None:
    answers = (Response.text("a"), Response.error(404), Response.text("b"))
    returned, failed = (
        HandlerReturned(Ticket(A, 0), answers),
        HandlerFailed(Ticket(B, 0), 500, "", ""),
    )
    assert story(returned, failed) == [
        ("asked", A, "Connection 5 is answered: 200 and 404."),
        ("warning", B, "The handler fails: 500."),
    ]


def test_what_is_alike_is_counted() -> None:
    closes = [CallClose(conn, CloseReason.SHUTDOWN) for conn in CONNS]
    stalls = [Stalled(conn, 0, (b"ab",)) for conn in CONNS[:3]]
    logs = [Log("sigil.server", 30, f"line {number}\n") for number in range(2)]
    assert story(Stop(1.0), *stalls, effects=[*closes, *logs]) == [
        ("ended", None, "20 connections end."),
        ("stalled", None, "3 clients do not take what they are sent."),
        ("warning", None, "Logged: 'line 0\\n'"),
        ("warning", None, "Logged: 'line 1\\n'"),
        ("warning", None, "The server is asked to stop."),
    ]


def test_a_story_is_bounded() -> None:
    events: list[Any] = [Stop(1.0), *[Received(conn, b"<i>") for conn in CONNS]]
    effects: list[Any] = [Log("sigil.error", 40, "x" * 10**5)]
    effects += [CallClose(conn, CloseReason(-number)) for number, conn in enumerate(CONNS, 1)]
    effects += [Adopt(A, 1), CallWsDrain(A)]
    found = story_of([*events, Accepted(1, Peer("x" * 10**4, 1))], effects)
    assert len(found) <= SENTENCES_MAX
    assert all(len(sentence.text) < 400 for sentence in found)
