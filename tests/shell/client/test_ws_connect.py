"""Opening a WebSocket: what is wrong with an argument is raised at the call, and every wrong answer
of a server is a typed error with a sentence.
"""

from math import nan
from typing import Any

import pytest

from sigil.client import (
    Backoff,
    Client,
    ConnectError,
    ConnectionClosed,
    ProtocolError,
    WebSocketCallbacks,
    WebSocketLimits,
    WebSocketRefused,
    WebSocketTimeout,
    ws_connect,
)
from tests.support.descriptors import count_descriptors
from tests.support.websocket_servers import Line, scripted, websockets_server

URL = "ws://127.0.0.1:1/"


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ({"url": "example.com"}, ValueError, "example.com|scheme"),
        ({"url": "ftp://a/"}, ValueError, "ftp|scheme"),
        ({"protocols": ["a", "a"]}, ValueError, "a subprotocol is offered twice"),
        ({"protocols": "a b"}, ValueError, "'a b' is not the name of a subprotocol"),
        ({"headers": {"Upgrade": "h2c"}}, ValueError, "the header 'Upgrade' is the handshake's"),
        ({"headers": 5}, TypeError, "headers are a mapping or pairs"),
        ({"origin": "a\n"}, ValueError, "character that cannot be sent"),
        ({"history": -1}, ValueError, "history is a whole number from 0, not -1"),
        (
            {"limits": WebSocketLimits(max_queue_len=0)},
            ValueError,
            "max_queue_len is a whole number",
        ),
        ({"limits": 5}, TypeError, "limits is a WebSocketLimits, not 5"),
        ({"protocols": [b"a"]}, TypeError, "each of protocols is a str, not bytes"),
        ({"protocols": 1}, TypeError, "protocols are an iterable of str, not int"),
        ({"origin": 1}, TypeError, "origin is a str, not int"),
        ({"after": 7}, TypeError, "after is a str, not int"),
        ({"after": "\ud800"}, ValueError, "half of a surrogate pair"),
        ({"topics": b"ab"}, TypeError, "topics are an iterable of str, not bytes"),
        ({"topics": None}, TypeError, "topics are an iterable of str, not NoneType"),
        ({"topics": ["a", 1]}, TypeError, "each of topics is a str, not int"),
        ({"topics": ["\ud800"]}, ValueError, "half of a surrogate pair"),
        ({"backoff": 1}, TypeError, "backoff is a Backoff, not 1"),
        ({"backoff": Backoff(first=-1)}, ValueError, "first of a Backoff is a number, 0 or more"),
        ({"backoff": Backoff(steady=nan)}, ValueError, "steady of a Backoff is a number"),
        ({"callbacks": 1}, TypeError, "callbacks is a WebSocketCallbacks, not int"),
        (
            {"callbacks": WebSocketCallbacks(message=1)},  # type: ignore[arg-type]
            TypeError,
            "the callback message is a function, not int",
        ),
        ({"client": 1}, TypeError, "client is a Client, not int"),
        ({"verify": 1}, TypeError, "verify is True, False or an SSLContext"),
        ({"proxy": 1}, TypeError, "a proxy is a str, not int"),
    ],
)
def test_wrong_arguments_are_refused_at_the_call(
    arguments: dict[str, Any], error: type[Exception], sentence: str
) -> None:
    descriptors = count_descriptors()
    with pytest.raises(error, match=sentence) as raised:
        ws_connect(**{"url": URL, **arguments})
    assert count_descriptors() == descriptors, raised  # whatever the traceback holds


def test_one_topic_is_a_topic_and_not_its_letters() -> None:
    targets: list[str] = []

    def script(line: Line) -> None:
        targets.append(line.target)
        line.accept()

    with scripted(script) as url, Client() as client:
        ws = ws_connect(url, topics="news", client=client, reconnect=False)
        while not ws.is_over:
            client.tick(1.0)
    assert targets == ["/?topic=news&after=&sigil-heartbeats"]


def answering(text: bytes) -> Any:
    """A script that gives this answer to the handshake."""

    def script(line: Line) -> None:
        line.read_head()
        line.sock.sendall(text)

    return script


def accepting(*fields: str, behind: bytes = b"", **changed: str) -> Any:
    """A script that accepts, but for these fields."""
    return lambda line: line.accept(*fields, behind=behind, **changed)


NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 22\r\n\r\nThere is no such page.\n"


@pytest.mark.parametrize(
    ("answer", "status", "sentence"),
    [
        (NOT_FOUND, 404, "answered 404 to a WebSocket handshake: There is no such page"),
        (
            b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n",
            401,
            "answered 401 to a WebSocket handshake",
        ),
        (
            b"HTTP/1.1 302 Found\r\nLocation: ws://elsewhere/\r\nContent-Length: 0\r\n\r\n",
            302,
            "answered 302 to a WebSocket handshake",
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", 200, "answered 200 .*: hi"),
        (
            b"HTTP/1.1 500 Oh\r\nContent-Length: 900000\r\n\r\n" + b"<p>no " * 9_000,
            500,
            "answered 500 .*: <p>no <p>no",
        ),
        (b"HTTP/1.1 503 Full\r\nContent-Length: 0\r\n\r\n", 503, "answered 503"),
    ],
)
def test_another_answer_is_an_error_with_its_status_and_the_beginning_of_its_body(
    answer: bytes, status: int, sentence: str
) -> None:
    with (
        scripted(answering(answer)) as url,
        pytest.raises(WebSocketRefused, match=sentence) as raised,
        ws_connect(url),
    ):
        pass
    assert raised.value.status == status
    assert len(raised.value.body) <= 1_024
    assert len(str(raised.value)) < 400


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        (accepting(Sec_WebSocket_Accept="c2lnaWw="), "does not fit the key"),
        (accepting(Upgrade="h2c"), "switched to a protocol that was not asked for"),
        (accepting("Sec-WebSocket-Protocol: chat"), "subprotocol 'chat', which was not offered"),
        (accepting("Sec-WebSocket-Extensions: x-gzip"), "'x-gzip', which was not offered"),
        (
            accepting("Sec-WebSocket-Extensions: permessage-deflate"),
            "keeps its window between messages",
        ),
    ],
)
def test_a_server_that_lies_is_refused(script: Any, sentence: str) -> None:
    with (
        scripted(script) as url,
        pytest.raises(ProtocolError, match=sentence),
        ws_connect(url),
    ):
        pass


def test_what_is_no_http_is_refused() -> None:
    with (
        scripted(answering(b"SSH-2.0-OpenSSH_9.2\r\n")) as url,
        pytest.raises(ProtocolError),
        ws_connect(url),
    ):
        pass


def test_a_server_that_dies_before_it_answers_is_an_error() -> None:
    for script in (lambda line: None, lambda line: line.read_head(), answering(b"HTTP/1.1 10")):
        with scripted(script) as url, pytest.raises(ConnectionClosed), ws_connect(url):
            pass


def test_a_server_that_never_answers_is_given_up() -> None:
    def silent(line: Line) -> None:
        line.read_all()

    with (
        scripted(silent) as url,
        pytest.raises(WebSocketTimeout, match=r"the handshake was not answered in 0.05 s"),
        ws_connect(url, limits=WebSocketLimits(open_timeout=0.05)),
    ):
        pass


def test_nobody_there_is_an_error() -> None:
    with pytest.raises(ConnectError, match=r"127\.0\.0\.1:1"), ws_connect(URL):
        pass


def test_what_is_asked_for_comes_to_the_server() -> None:
    heads: list[bytes] = []

    def script(line: Line) -> None:
        heads.append(line.read_head())
        line.accept("Sec-WebSocket-Protocol: b", behind=b"\x81\x02hi\x88\x02\x03\xe8")

    with (
        scripted(script) as url,
        ws_connect(
            f"{url}chat?x=%20",
            ("a", "b"),
            "https://page.example",
            {"X-Own": "yes"},
            "7-3",
            topics=["x y"],
            history=2,
            reconnect=False,
        ) as ws,
    ):
        assert ws.subprotocol == "b"
        assert list(ws) == ["hi"]
    (head,) = heads
    assert head.startswith(
        b"GET /chat?x=%20&topic=x+y&history=2&after=7-3&sigil-heartbeats HTTP/1.1\r\n"
    )
    for line in (
        b"\r\nSec-WebSocket-Protocol: a, b\r\n",
        b"\r\nOrigin: https://page.example\r\n",
        b"\r\nX-Own: yes\r\n",
        b"\r\nSec-WebSocket-Version: 13\r\n",
    ):
        assert line in head


def test_a_plain_websocket_leaves_the_address_as_it_is() -> None:
    targets: list[str] = []

    def script(line: Line) -> None:
        targets.append(line.target)
        line.accept(behind=b"\x81\x0b\x00position:\x31\x88\x00")

    with scripted(script) as url, ws_connect(f"{url}?", compress=False, reconnect=False) as ws:
        assert list(ws) == ["\x00position:1"]
        assert ws.position is None
    assert targets == ["/?"] or targets == ["/"]


def test_compression_is_used_where_it_was_agreed_on() -> None:
    with websockets_server() as url:
        with ws_connect(url) as ws:
            assert ws.response is not None
            assert "permessage-deflate" in ws.response.headers["sec-websocket-extensions"]
            ws.send("a" * 10_000)
            assert ws.recv() == "a" * 10_000
        with ws_connect(url, compress=False) as ws:
            assert ws.response is not None
            assert "sec-websocket-extensions" not in ws.response.headers
