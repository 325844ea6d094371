"""A relay with a server whose clients are real, and an origin that the test plays."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from sigil import (
    ALL_TOPICS,
    HttpServer,
    Limits,
    Request,
    Response,
    SendStatus,
    make_http_server,
)
from sigil.client import Client
from sigil.core.client.websocket_retry import Backoff
from sigil.relay import Relay, relay
from sigil.relay.links import via_of
from sigil.relay.relay import Headers, Observer
from tests.support.descriptors import count_descriptors
from tests.support.servers import Raw, pump, ticking

AT_ONCE = Backoff(first=0.0, maximum=0.0)
POLL = b"GET /poll?after=%s HTTP/1.1\r\nHost: a\r\n\r\n"


class Origin:
    """An origin that says what the test has it say."""

    def __init__(self) -> None:
        self.urls: list[str] = []
        self.headers: list[tuple[tuple[str, str], ...]] = []
        self.observers: list[Observer] = []
        self.closed = 0
        self._client: Client | None = None

    def connect(self, client: Client, url: str, headers: Headers, observer: Observer) -> "Origin":
        """A connection is made."""
        self.urls.append(url)
        self.headers.append(tuple(headers))
        self.observers.append(observer)
        self._client = client
        return self

    def say(self, *messages: str | bytes) -> None:
        """These messages come over the last connection."""
        for message in messages:
            self.observers[-1].received(message)
        self._wake()

    def end(self, why: str = "closed with 1001") -> None:
        """The last connection ends."""
        self.observers[-1].ended(why)
        self._wake()

    def _wake(self) -> None:
        """Something has come, as bytes of a socket would."""
        assert self._client is not None
        self._client.wake()

    def close(self) -> None:
        """The relay closes its connection."""
        self.closed += 1


@contextmanager
def edge(
    url: str = "ws://origin.example/live", **options: Any
) -> Iterator[tuple[HttpServer, Relay, Origin]]:
    """A server whose relay has begun to follow an origin."""
    relays: list[Relay] = []

    def app(request: Request) -> Response:
        refusal = relays[0].refusal(request)
        return refusal or Response.poll(
            topics=ALL_TOPICS, after=request.args.get("after"), timeout=0
        )

    with ticking(app) as server:
        origin = Origin()
        follower = relay(server, url, connect=origin.connect, backoff=AT_ONCE, **options)
        relays.append(follower)
        pump(server, lambda: len(origin.urls) == 1)
        yield server, follower, origin
        follower.close()


def lines_of(server: HttpServer, after: str = "") -> list[Any]:
    """What a long-poll behind a position is answered with."""
    with Raw(server) as client:
        client.send(POLL % after.encode())
        pump(
            server,
            lambda: b"\r\n\r\n" in client.received and client.received.endswith(b"}\n"),
            client,
        )
        body = client.received.partition(b"\r\n\r\n")[2]
    return [json.loads(line) for line in body.splitlines()]


def test_what_the_origin_publishes_is_published_with_its_positions() -> None:
    with edge() as (server, follower, origin):
        assert origin.urls == ["ws://origin.example/live?after=&sigil-relay=1"]
        origin.say(
            "\0position:7-2", "\0relay:1", '\0next:7-3 0 "a"', "hello", "\0next:7-4 0 null", "you"
        )
        pump(server, lambda: follower.status.messages == 2)
        assert server.position() == follower.status.position == "7-4"
        assert follower.status.is_connected and follower.status.has_stream
        assert lines_of(server, "7-3") == [
            {"position": "7-3"}, {"position": "7-4", "text": "you"}, {"position": "7-4"},
        ]  # fmt: skip
        assert server.broadcast("of its own") is SendStatus.DROPPED


def test_a_connection_that_is_lost_is_made_again_behind_what_was_reached(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO), edge(history=5) as (server, follower, origin):
        assert origin.urls == ["ws://origin.example/live?history=5&after=&sigil-relay=1"]
        origin.say("\0position:7-2", "\0next:7-3", "one")
        origin.end("closed with 1001")
        pump(server, lambda: len(origin.urls) == 2)
        assert origin.urls[1] == "ws://origin.example/live?after=7-3&sigil-relay=1"
        assert (follower.status.is_connected, follower.status.has_stream) == (False, True)
        assert lines_of(server, "7-2")[1] == {"position": "7-3", "text": "one"}
        origin.say("\0position:7-3", "\0next:7-4", "two")
        pump(server, lambda: follower.status.messages == 2)
        assert follower.status.gaps == 0 and follower.status.error == ""
        origin.end("closed with 1001")
        origin.end("said by nobody")
        pump(server, lambda: len(origin.urls) == 3)
        origin.say('\0gap:{"after":"7-4","position":"8-0","missed":null}')
        pump(server, lambda: follower.status.gaps == 1)
        assert lines_of(server, "7-4")[0] == {
            "gap": {"after": "7-4", "position": "8-0", "missed": None}
        }
    logged = "\n".join(record.message for record in caplog.records)
    assert "ws://origin.example/live is lost: closed with 1001; trying again" in logged
    assert "following ws://origin.example/live from 7-3" in logged
    assert "a gap: ws://origin.example/live goes on at 8-0" in logged


def test_an_attempt_that_fails_again_for_the_same_reason_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING), edge() as (server, follower, origin):
        for number in range(3):
            origin.end("the server answered 404")
            pump(server, lambda number=number: len(origin.urls) == number + 2)
        assert follower.status.error == "the server answered 404"
        assert not follower.status.has_stream
    assert [record.message for record in caplog.records] == [
        "ws://origin.example/live cannot be followed: the server answered 404; trying again"
    ]


def test_until_the_origin_was_reached_there_is_no_stream() -> None:
    with edge() as (server, _, _origin), Raw(server) as client:
        client.send(POLL % b"")
        pump(server, lambda: b"has not been reached" in client.received, client)
        assert client.received.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nRetry-After: 1\r\n" in client.received


def test_who_follows_itself_is_refused_also_by_way_of_others() -> None:
    with edge() as (server, _, origin), Raw(server) as client:
        ((name, via),) = [pair for pair in origin.headers[0] if pair[0] == "Via"]
        client.send(f"GET / HTTP/1.1\r\nHost: a\r\n{name}: {via}, 1.1 x\r\n\r\n".encode())
        pump(server, lambda: b"follows itself" in client.received, client)
        assert client.received.startswith(b"HTTP/1.1 508 ")
    other = "00000000000000aa"
    with edge() as (server, _, origin), Raw(server) as client:
        client.send(f"GET / HTTP/1.1\r\nHost: a\r\nVia: {via_of([other])}\r\n\r\n".encode())
        pump(server, lambda: b" 503 " in client.received, client)
        origin.end()
        pump(server, lambda: len(origin.urls) == 2)
        assert other in dict(origin.headers[1])["Via"], "so that this one finds its name there"


def test_an_origin_without_positions_is_followed_and_a_loss_of_it_is_a_gap(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING), edge() as (server, follower, origin):
        origin.say("hello", b"\0\1")
        pump(server, lambda: follower.status.messages == 2)
        before = server.position()
        assert before.endswith("-2")
        origin.end()
        pump(server, lambda: len(origin.urls) == 2)
        assert origin.urls[1].endswith("?after=&sigil-relay=1")
        origin.say("again")
        pump(server, lambda: follower.status.messages == 3)
        assert lines_of(server, before)[0]["gap"]["missed"] is None
    assert "it sends no positions" in caplog.text


def test_what_is_asked_of_the_origin() -> None:
    url = "wss://user:secret@origin.example:8443/live?x=1"
    with edge(url, topics=["a", "b c"], headers=[("X-Key", "k")]) as (_, follower, origin):
        assert origin.urls == [
            "wss://user:secret@origin.example:8443/live?x=1&topic=a&topic=b+c&after=&sigil-relay=1"
        ]
        assert ("X-Key", "k") in origin.headers[0]
        assert "secret" not in repr(follower) + str(follower.status.as_dict())


def test_a_relay_that_is_closed_follows_no_more_and_the_server_goes_on() -> None:
    with edge() as (server, follower, origin):
        origin.say("\0position:7-2", "\0next:7-3", "one")
        pump(server, lambda: follower.status.messages == 1)
        follower.close()
        follower.close()
        assert origin.closed == 1 and follower not in server.members
        assert lines_of(server, "7-2")[1] == {"position": "7-3", "text": "one"}


@pytest.mark.parametrize("url", ["http://a/", "ws://", "a"])
def test_what_is_no_address_of_an_origin_is_refused(url: str) -> None:
    with ticking() as server, pytest.raises(ValueError, match=r"\w+ "):
        relay(server, url)


@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        ({"topics": [1]}, TypeError, "each of topics is a str, not int"),
        ({"history": "x"}, ValueError, "history is a whole number from 0, not 'x'"),
        ({"headers": [("x a", "1")]}, ValueError, "'x a' is not a header name"),
        ({"headers": {"Upgrade": "h2c"}}, ValueError, "the header 'Upgrade' is the handshake's"),
        ({"headers": 5}, TypeError, "headers are a mapping or pairs"),
        ({"backoff": 3}, TypeError, "backoff is a Backoff, not 3"),
        ({"max_message_len": "x"}, ValueError, "max_message_len is a whole number, not 'x'"),
        ({"verify": 5}, TypeError, "verify is True, False or an SSLContext"),
        ({"server": 5}, TypeError, "a relay is of an HttpServer, not of int"),
    ],
)
def test_what_makes_no_sense_is_refused_at_the_call(
    options: dict[str, Any], error: type[Exception], sentence: str
) -> None:
    with ticking() as server:
        descriptors = count_descriptors()
        with pytest.raises(error, match=sentence) as raised:
            relay(**{"server": server, "url": "ws://a/", **options})
        assert (server.members, count_descriptors()) == ((), descriptors), raised


def test_one_topic_and_a_mapping_of_headers_are_asked_of_the_origin() -> None:
    with edge(topics="news", headers={"X-Key": "k"}) as (_, _, origin):
        assert origin.urls == ["ws://origin.example/live?topic=news&after=&sigil-relay=1"]
        assert ("X-Key", "k") in origin.headers[0]


def test_a_server_follows_one_origin_at_a_time() -> None:
    with edge() as (server, follower, _):
        with pytest.raises(RuntimeError, match="follows an origin already"):
            relay(server, "ws://another.example/")
        follower.close()
        relay(server, "ws://127.0.0.1:1/").close()


def test_a_relay_is_made_on_the_thread_that_ticks() -> None:
    server = make_http_server(lambda request: Response.text(""), port=0)
    url = "ws://127.0.0.1:1/"
    with server.serve_in_thread():
        descriptors = count_descriptors()
        with pytest.raises(
            RuntimeError, match=r"use server.call_soon\(relay, server, url\)"
        ) as raised:
            relay(server, url)
        with pytest.raises(RuntimeError, match="another thread serves") as also:
            Client(server=server)
        assert count_descriptors() == descriptors, (raised, also)


def test_a_message_that_is_longer_than_the_relay_takes_is_a_gap(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING), edge() as (server, follower, origin):
        origin.say("\0position:7-2", "\0next:7-3", "one", '\0next:7-4 0 "a"')
        origin.observers[-1].refused()
        origin.end("a message is longer than 9 bytes")
        pump(server, lambda: len(origin.urls) == 2)
        assert origin.urls[1] == "ws://origin.example/live?after=7-4&sigil-relay=1"
        origin.say("\0position:7-4", "\0next:7-5", "three")
        pump(server, lambda: follower.status.messages == 2)
        assert lines_of(server, "7-3") == [
            {"gap": {"after": "7-3", "position": "7-4", "missed": 1}},
            {"position": "7-5", "text": "three"},
            {"position": "7-5"},
        ]
        origin.observers[0].refused()
    assert "a gap: ws://origin.example/live goes on at 7-4" in caplog.text


def test_an_origin_is_followed_behind_a_message_that_is_too_long() -> None:
    """With a real origin."""

    def app(request: Request) -> Response:
        return Response.upgrade(topics=ALL_TOPICS, after=request.args.get("after"))

    origin = make_http_server(app, port=0, limits=Limits(history_messages=100))
    with origin.serve_in_thread(), ticking() as server:
        url = f"ws://127.0.0.1:{origin.port}/"
        follower = relay(server, url, max_message_len=100, backoff=AT_ONCE)
        pump(server, lambda: follower.status.has_stream)
        for message in ("one", "x" * 101, "three"):
            origin.broadcast(message, topic="a")
        pump(server, lambda: follower.status.messages == 2)
        assert (follower.status.gaps, follower.status.connections) == (1, 2)
        assert follower.status.position == origin.position()
        follower.close()
