"""Heartbeats: who asks for them gets them, whatever else happens, and nobody else does."""

import asyncio
from math import inf

import pytest

from sigil import Callbacks, Limits, Request, Response
from sigil.core.connection.heartbeat import (
    asks_for_heartbeats,
    heartbeat,
    keep_alive_notice,
)
from sigil.core.http.head import Head, parse_headers_only
from sigil.testing import Client, WebSocket
from tests.support.requests import UPGRADE

INTERVAL = 20.0
BEAT = "\0heartbeat:20000"


def head(target: str, data: bytes = UPGRADE) -> Head:
    """The head of a handshake with this target."""
    parsed = parse_headers_only(data.replace(b"/chat", target.encode(), 1))
    assert isinstance(parsed, Head)
    return parsed


@pytest.mark.parametrize(
    ("target", "asks", "query"),
    [
        ("/a", False, ""),
        ("/a?sigil-heartbeats", True, ""),
        ("/a?topic=b&sigil-heartbeats", True, "topic=b"),
        ("/a?sigil-heartbeats&topic=b", True, "topic=b"),
        ("/a?sigil-heartbeats=1", False, "sigil-heartbeats=1"),
        ("/a?x=sigil-heartbeats", False, "x=sigil-heartbeats"),
        ("http://a/a?sigil-heartbeats", True, ""),
    ],
)
def test_a_handshake_asks_by_its_query_and_the_program_is_not_shown_it(
    target: str, asks: bool, query: str
) -> None:
    assert asks_for_heartbeats(head(target), Limits()) is asks
    assert (head(target).query, head(target).target) == (query, target)


def test_other_requests_have_their_query_as_it_is() -> None:
    plain = head("/a?sigil-heartbeats", UPGRADE.replace(b"Upgrade: websocket\r\n", b""))
    assert plain.query == "sigil-heartbeats"


@pytest.mark.parametrize("interval", [0.0, float("inf")])
def test_where_nobody_is_pinged_nobody_has_heartbeats(interval: float) -> None:
    assert not asks_for_heartbeats(head("/a?sigil-heartbeats"), Limits(ws_ping_interval=interval))


@pytest.mark.parametrize(
    ("target", "interval", "notice"),
    [
        ("/a?after=&sigil-heartbeats", 15.0, (b":heartbeat:15000\n",)),
        ("/a?after=", 15.0, ()),
        ("/a?sigil-heartbeats", 0.0, ()),
        ("/a?sigil-heartbeats", inf, ()),
    ],
)
def test_an_event_stream_says_how_often_something_comes_to_who_asks(
    target: str, interval: float, notice: tuple[bytes, ...]
) -> None:
    limits = Limits(sse_keep_alive_interval=interval)
    assert keep_alive_notice(head(target), limits) == notice


def test_a_heartbeat_says_how_often_they_come() -> None:
    assert heartbeat(Limits()).decode() == BEAT
    assert heartbeat(Limits(ws_ping_interval=0.25)) == b"\0heartbeat:250"


def accept(request: Request) -> Response:
    """A WebSocket."""
    return Response.upgrade(topics=["news"])


def opened(client: Client) -> WebSocket:
    """A WebSocket that has asked for heartbeats."""
    return client.websocket("/?sigil-heartbeats")


def test_the_first_comes_at_once_and_the_others_every_interval() -> None:
    client = Client(accept)
    websocket, other = opened(client), client.websocket("/")
    for count in range(1, 4):
        assert websocket.messages() == [BEAT] * count
        client.advance(INTERVAL - 2)
        assert websocket.messages() == [BEAT] * count
        client.advance(2)
    assert other.messages() == []


def count_in(client: Client, websocket: WebSocket, seconds: float, step: float) -> int:
    """How many heartbeats come in this time."""
    before = websocket.messages().count(BEAT)
    while seconds > 0:
        client.advance(step)
        seconds -= step
    return websocket.messages().count(BEAT) - before


def test_they_come_while_the_client_talks_and_while_it_is_talked_to() -> None:
    client = Client(accept)
    websocket = opened(client)
    for _ in range(100):
        websocket.send("I am here")
        client.server.broadcast("so am I", topic="news")
        client.advance(1.0)
    assert 4 <= websocket.messages().count(BEAT) - 1 <= 5


def test_they_come_while_the_program_takes_its_time() -> None:
    async def slow(server: object, conn: object, data: str | bytes) -> None:
        await asyncio.Event().wait()

    client = Client(accept, callbacks=Callbacks(ws_message=slow))
    websocket = opened(client)
    websocket.send("think")
    assert 4 <= count_in(client, websocket, 100.0, 1.0) <= 5


def test_a_message_and_a_heartbeat_are_both_whole_and_in_order() -> None:
    client = Client(accept, limits=Limits(ws_ping_interval=1.0))
    websocket = opened(client)
    beat = "\0heartbeat:1000"
    for number in range(50):
        client.server.broadcast(f"{number} {'x' * 70_000}", topic="news")
        client.advance(0.5)
    messages = [message for message in websocket.messages() if message != beat]
    assert [int(str(message).split()[0]) for message in messages] == list(range(50))
    assert 20 <= len(websocket.messages()) - 50 <= 27


def test_none_is_sent_to_who_is_closing_or_gone() -> None:
    client = Client(accept)
    websocket = opened(client)
    client.server.close(client.clients()[0], 1000)
    client.run_until_idle()
    client.advance(100)
    assert (websocket.messages(), websocket.code) == ([BEAT], 1000)
