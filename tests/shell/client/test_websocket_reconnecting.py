"""A WebSocket that outlives its connections: it connects again, resumes behind its position, and
gives up where it would not get better; against our own server and scripted ones.
"""

from collections.abc import Callable
from typing import Any
from zlib import Z_SYNC_FLUSH, compressobj

import pytest

from sigil import Callbacks, Conn, HttpServer, Limits, Request, Response, make_http_server
from sigil.client import (
    Backoff,
    Client,
    Gap,
    MessageTooLarge,
    StreamState,
    WebSocket,
    WebSocketCallbacks,
    WebSocketClosed,
    WebSocketLimits,
    WebSocketRefused,
    ws_connect,
)
from tests.support.websocket_servers import Line, scripted

PATIENCE = 60.0
SOON = Backoff(first=0.001, maximum=0.001, first_busy=0.001)


def recording(seen: list[Any]) -> WebSocketCallbacks:
    """Callbacks that write down what they are called with, but for delays."""
    return WebSocketCallbacks(
        open=lambda ws: seen.append("open"),
        message=lambda ws, data: seen.append(data),
        close=lambda ws, code, reason, after: seen.append((code, reason, after is not None)),
        gap=lambda ws, gap: seen.append(gap),
        error=lambda ws, error: seen.append(type(error).__name__),
    )


def until(client: Client, is_so: Callable[[], bool]) -> None:
    """Tick until it is so."""
    while not is_so():
        assert client.tick(PATIENCE), "nothing happens any more"


def text(message: str) -> bytes:
    """A short text of a server."""
    data = message.encode()
    return bytes((0x81, len(data))) + data


def saying(*messages: str, end: bytes = b"") -> Callable[[Line], None]:
    """A script that accepts, sends these texts, and ends so."""
    return lambda line: line.accept(behind=b"".join(map(text, messages)) + end)


def test_a_lost_connection_is_made_again_behind_the_last_position() -> None:
    targets: list[str] = []

    def script(*messages: str) -> Callable[[Line], None]:
        def run(line: Line) -> None:
            targets.append(line.target)
            saying(*messages)(line)

        return run

    scripts = (
        script("\0position:7-1", "\0next:7-2", "two"),
        script("\0next:7-3", "three", '\0gap:{"after":"7-3","position":"8-1","missed":2}'),
        script("\0next:8-2", "\0 a message", "direct"),
        saying(end=b"\x88\x02\x03\xf0"),  # 1008: it would not get better
    )
    seen: list[Any] = []
    with scripted(*scripts) as url, Client() as client:
        ws = ws_connect(url, after="", backoff=SOON, client=client, callbacks=recording(seen))
        until(client, lambda: ws.is_over)
        assert ws.position == "8-2"
    lost = ["WebSocketClosed", (1006, "", True)]
    assert seen == [
        "open", "two", *lost,
        "open", "three", Gap("7-3", "8-1", 2), *lost,
        "open", "\0 a message", "direct", *lost,
        (1008, "", False),
    ]  # fmt: skip
    assert targets == [
        "/?after=&sigil-heartbeats",
        "/?after=7-2&sigil-heartbeats",
        "/?after=8-1&sigil-heartbeats",
    ]


def test_a_loop_goes_on_over_the_next_connection() -> None:
    with (
        scripted(saying("one"), saying("two"), saying("three", end=b"\x88\x02\x03\xea")) as url,
        ws_connect(url, backoff=SOON) as ws,
    ):
        assert [ws.recv(), ws.recv(), ws.recv()] == ["one", "two", "three"]


@pytest.mark.parametrize(
    ("answer", "seen"),
    [
        ("404 Not Found", ["WebSocketRefused", (1006, "", False)]),
        ("503 Full", ["WebSocketRefused", (1013, "", True)]),
        ("502 Bad Gateway", ["WebSocketRefused", (1006, "", True)]),
    ],
)
def test_a_refusal_of_the_first_attempt_is_final_unless_it_may_get_better(
    answer: str, seen: list[Any]
) -> None:
    def refuse(line: Line) -> None:
        line.read_head()
        line.sock.sendall(f"HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n".encode())

    found: list[Any] = []
    with scripted(refuse, saying("hi")) as url, Client() as client:
        ws = ws_connect(url, backoff=SOON, client=client, callbacks=recording(found))
        until(client, lambda: len(found) >= 2)
        assert found[:2] == seen
        if seen[1][2]:
            until(client, lambda: "hi" in found)
        else:
            assert isinstance(ws.error, WebSocketRefused)


def test_a_refusal_of_who_was_there_before_may_get_better() -> None:
    def refuse(line: Line) -> None:
        line.read_head()
        line.sock.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    with (
        scripted(saying("one"), refuse, saying("two")) as url,
        ws_connect(url, backoff=SOON) as ws,
    ):
        assert [ws.recv(), ws.recv()] == ["one", "two"]


def test_who_does_not_reconnect_is_over_with_its_connection() -> None:
    found: list[Any] = []
    with scripted(saying("one")) as url, Client() as client:
        ws = ws_connect(url, reconnect=False, client=client, callbacks=recording(found))
        until(client, lambda: ws.is_over)
    assert found == ["open", "one", "WebSocketClosed", (1006, "", False)]


def test_it_is_closed_while_it_waits_or_connects() -> None:
    found: list[Any] = []
    with Client() as client:
        ws = ws_connect("ws://127.0.0.1:1/", client=client, callbacks=recording(found))
        until(client, lambda: ws.state is StreamState.WAITING)
        ws.close(4000, "enough")
        assert found == ["ConnectError", (1006, "", True), (4000, "enough", False)]
        ws = ws_connect("ws://127.0.0.1:1/", client=client, callbacks=recording(found))
        ws.close()
        assert found[3:] == [(1000, "", False)]
        assert ws.is_gone


def test_a_server_from_which_nothing_comes_is_given_up() -> None:
    def silent(line: Line) -> None:
        line.accept(behind=text("\0heartbeat:5"))
        line.read_all()

    found: list[Any] = []
    limits = WebSocketLimits(close_timeout=0.01)
    with scripted(silent, saying("back")) as url, Client() as client:
        ws_connect(
            url, after="", backoff=SOON, limits=limits, client=client, callbacks=recording(found)
        )
        until(client, lambda: "back" in found)
    assert found[:5] == ["open", "WebSocketTimeout", (1006, "", True), "open", "back"]


def test_a_handshake_that_a_proxy_answers_for_nobody_does_not_open_a_stream() -> None:
    def proxy(line: Line) -> None:
        line.accept()
        line.read_all()

    found: list[Any] = []
    limits = WebSocketLimits(open_timeout=0.05, close_timeout=0.01)
    with scripted(proxy, saying("\0position:7-1")) as url, Client() as client:
        ws_connect(
            url, after="", backoff=SOON, limits=limits, client=client, callbacks=recording(found)
        )
        until(client, lambda: "open" in found)
    assert found[:3] == ["WebSocketTimeout", (1006, "", True), "open"]


# -- our own server --------------------------------------------------------------------------------


def app(request: Request) -> Response:
    """A stream of what is broadcast."""
    return Response.upgrade(topics=("a",), after=request.args.get("after"))


def test_nothing_that_our_server_publishes_is_lost_or_received_twice() -> None:
    conns: list[Conn] = []

    def note(server: HttpServer, conn: Conn, request: Request) -> None:
        conns.append(conn)

    server = make_http_server(
        app, port=0, limits=Limits(history_messages=1_000), callbacks=Callbacks(ws_open=note)
    )
    server.listen()
    found: list[Any] = []
    client = Client(server=server)
    ws = ws_connect(
        f"ws://127.0.0.1:{server.port}/live",
        after="",
        topics=["a"],
        backoff=SOON,
        client=client,
        callbacks=recording(found),
    )

    def received() -> list[Any]:
        return [item for item in found if isinstance(item, str) and item.isdigit()]

    def ticked(is_so: Callable[[], bool]) -> None:
        for _ in range(10_000):
            if is_so():
                return
            server.tick(0.01)
        raise AssertionError(found[-5:])

    ticked(lambda: ws.is_open)
    for number in range(30):
        server.broadcast(str(number), topic="a")
        server.broadcast("no", topic="b")
        if number % 7 == 3:
            server.close(conns[-1], 1012, "restart")
            connections = len(conns)
            ticked(lambda connections=connections: len(conns) > connections)
    ticked(lambda: len(received()) >= 30)
    assert received() == [str(number) for number in range(30)]
    client.close()
    server.stop(0)
    while server.running:
        server.tick(0)


def test_a_websocket_shows_what_it_is() -> None:
    with Client() as client:
        ws = ws_connect("ws://user:secret@127.0.0.1:1/x", client=client)
        assert repr(ws) == "<WebSocket connecting: ws://127.0.0.1:1/x>"
        assert isinstance(ws, WebSocket)
        ws.close()


@pytest.mark.parametrize("is_callback", [False, True])
def test_it_is_over_with_its_client(is_callback: bool) -> None:
    seen: list[Any] = []
    with scripted(lambda line: (line.accept(behind=text("go")), line.read_all())) as url:
        client = Client()
        callbacks = recording(seen)
        if is_callback:
            callbacks = callbacks._replace(message=lambda ws, data: client.close())
        ws = ws_connect(url, backoff=SOON, client=client, callbacks=callbacks)
        until(client, lambda: "go" in seen or ws.is_over)
        client.close()
    assert ws.is_over and seen[-1] == (1006, "", False)


TOO_LONG = b"\x81\x7e\x01\x00" + b"x" * 256
SHORT = WebSocketLimits(max_message_len=255, close_timeout=0.01)


@pytest.mark.parametrize("after", ["7-1", None])
def test_a_message_that_is_too_long_is_the_end(after: str | None) -> None:
    seen: list[Any] = []
    words = ["\0next:7-2", "two", "\0next:7-3"] if after else ["two"]
    with scripted(saying(*words, end=TOO_LONG)) as url, Client() as client:
        ws = ws_connect(
            url, after=after, backoff=SOON, limits=SHORT, client=client, callbacks=recording(seen)
        )
        until(client, lambda: ws.is_over)
        assert ws.position == ("7-2" if after else None)
    assert seen == [
        "open", "two", "MessageTooLarge", (1009, "a frame is longer than 255 bytes", False),
    ]  # fmt: skip


def test_a_message_that_a_server_finds_too_long_is_not_the_end() -> None:
    with (
        scripted(saying("one", end=b"\x88\x02\x03\xf1"), saying("two")) as url,  # 1009
        ws_connect(url, backoff=SOON) as ws,
    ):
        assert [ws.recv(), ws.recv()] == ["one", "two"]


def bomb_behind_one() -> Callable[[Line], None]:
    """A script that accepts, and sends a message, one that is very long when it is opened, and one
    more.
    """
    extension = "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover"
    packed = compressobj(9, wbits=-15)
    bomb = (packed.compress(bytes(400_000)) + packed.flush(Z_SYNC_FLUSH))[:-4]
    header = b"\xc2\x7e" + len(bomb).to_bytes(2)
    messages = [text("\0next:7-1"), text("one"), text("\0next:7-2"), header + bomb]
    messages += [text("\0next:7-3"), text("three")]
    return lambda line: line.accept(extension, behind=b"".join(messages))


OPENED_MAX = WebSocketLimits(max_message_len=50_000, close_timeout=0.01)


def test_a_compressed_message_that_is_too_long_is_the_end_behind_what_came_before() -> None:
    def script(line: Line) -> None:
        bomb_behind_one()(line)
        line.read_all()

    received: list[str | bytes] = []
    with (
        scripted(script) as url,
        pytest.raises(MessageTooLarge, match="longer than is accepted"),
        ws_connect(url, after="7-0", backoff=SOON, limits=OPENED_MAX) as ws,
    ):
        received += ws
    assert received == ["one"] and ws.position == "7-1"
    assert ws.close_code == 1009


@pytest.mark.parametrize("state", [StreamState.WAITING, StreamState.CONNECTING, StreamState.CLOSED])
def test_it_is_the_end_also_where_its_connection_is_gone_when_it_is_taken(
    state: StreamState,
) -> None:
    def silent(line: Line) -> None:
        line.read_all()

    backoff = Backoff(first=1e6, maximum=1e6) if state is StreamState.WAITING else SOON
    reconnect = state is not StreamState.CLOSED
    options = {"backoff": backoff, "limits": OPENED_MAX, "reconnect": reconnect}
    received: list[str | bytes] = []
    with (
        scripted(bomb_behind_one(), silent) as url,
        pytest.raises(MessageTooLarge, match="longer than is accepted"),
        ws_connect(url, after="7-0", **options) as ws,
    ):
        until(ws.client, lambda: ws.state is state)
        received += ws
    assert received == ["one"] and ws.position == "7-1"


def test_who_closes_it_when_told_why_it_was_lost_is_told_its_last_end_and_no_more() -> None:
    seen: list[Any] = []
    callbacks = recording(seen)._replace(
        error=lambda ws, error: (seen.append(type(error).__name__), ws.close(4000, "enough"))
    )
    with scripted(saying("one")) as url, Client() as client:
        ws = ws_connect(url, backoff=SOON, client=client, callbacks=callbacks)
        until(client, lambda: ws.is_over)
    assert seen == ["open", "one", "WebSocketClosed", (4000, "enough", False)]


def test_a_ping_over_a_connection_that_is_lost_is_answered_by_nobody() -> None:
    def silent(line: Line) -> None:
        line.accept()
        line.read_all()

    def ending(line: Line) -> None:
        line.accept()
        line.sock.recv(1)

    with scripted(ending, silent) as url, ws_connect(url, backoff=SOON) as ws:
        with pytest.raises(WebSocketClosed):
            ws.measure_ping()
        with pytest.raises(WebSocketClosed):
            ws.measure_ping()  # there is no connection
        until(ws.client, lambda: ws.is_open)
