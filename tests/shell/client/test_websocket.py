"""A WebSocket of a program, over real sockets: scripts and callbacks, against our own server,
`websockets` and servers that break the rules.
"""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from sigil import Callbacks, Conn, HttpServer, Request, Response, make_http_server
from sigil.client import (
    Client,
    SendStatus,
    StreamState,
    WebSocket,
    WebSocketCallbacks,
    WebSocketClosed,
    WebSocketLimits,
    WebSocketTimeout,
    ws_connect,
)
from sigil.core.effects import ERROR_LOG
from sigil.core.websocket.compression import deflate
from tests.support.certificates import client_context, server_context
from tests.support.servers import logged_by
from tests.support.websocket_servers import Line, scripted, websockets_server

MIB = 2**20
PATIENCE = 60.0


def app(request: Request) -> Response:
    """A WebSocket that echoes."""
    return Response.upgrade()


def echo(server: HttpServer, conn: Conn, data: str | bytes) -> None:
    """Send back what is received; `bye` closes."""
    if data == "bye":
        server.close(conn, 4001, "as you say")
    else:
        server.send(conn, data)


@pytest.fixture(scope="module", params=["sigil", "websockets", "websockets over TLS"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of an echo server."""
    if request.param == "sigil":
        server = make_http_server(app, port=0, callbacks=Callbacks(ws_message=echo))
        with server.serve_in_thread():
            yield f"ws://127.0.0.1:{server.port}/"
        return
    context = server_context() if "TLS" in request.param else None
    with websockets_server(ssl_context=context) as url:
        yield url


@pytest.fixture(scope="module")
def ours() -> Iterator[str]:
    """The URL of our own echo server."""
    server = make_http_server(app, port=0, callbacks=Callbacks(ws_message=echo))
    with server.serve_in_thread():
        yield f"ws://127.0.0.1:{server.port}/"


def opened(url: str, **options: Any) -> WebSocket:
    """A WebSocket that trusts the authority of the tests."""
    return ws_connect(url, ssl_context=client_context(), **options)


# -- scripts ---------------------------------------------------------------------------------------


def test_a_script_sends_and_receives(url: str) -> None:
    with opened(url) as ws:
        assert ws.state is StreamState.OPEN
        assert (ws.tls is not None) is url.startswith("wss")
        messages = ["", "é" * 100, b"", bytes(range(256)), "x" * 70_000, b"y" * MIB]
        for message in messages:
            assert ws.send(message) is SendStatus.SUCCESS
        assert [ws.recv() for _ in messages] == messages
        assert ws.measure_ping(PATIENCE) > 0
        assert ws.buffered_amount == 0
    assert (ws.state, ws.close_code) == (StreamState.CLOSED, 1000)
    assert ws.send("late") is SendStatus.DROPPED
    with pytest.raises(WebSocketClosed, match="closed with 1000"):
        ws.recv()


def test_16_mib_come_back(url: str) -> None:
    with opened(url) as ws:
        message = bytes(range(256)) * (16 * MIB // 256)
        assert ws.send(message)
        assert ws.recv() == message


def test_a_loop_ends_with_the_websocket(ours: str) -> None:
    with ws_connect(ours, reconnect=False) as ws:
        ws.send("one")
        for message in ws:
            assert message == "one"
            ws.close()
    assert ws.close_code == 1000


def test_an_end_that_is_a_failure_is_raised_behind_the_last_message(ours: str) -> None:
    got = []
    with ws_connect(ours, reconnect=False) as ws:
        ws.send("one")
        ws.send("bye")
        with pytest.raises(WebSocketClosed, match="closed with 4001: as you say") as raised:
            got += list(ws)
    assert got == ["one"] or got == []
    assert (raised.value.code, raised.value.reason) == (4001, "as you say")


def test_what_is_waited_for_has_a_time(ours: str) -> None:
    with ws_connect(ours) as ws:
        with pytest.raises(WebSocketTimeout, match=r"no message in 0.01 s"):
            ws.recv(0.01)
        ws.send("still here")
        assert ws.recv() == "still here"


@pytest.mark.parametrize("message", [5, None, ["a"], object()])
def test_what_is_no_message_is_refused(ours: str, message: Any) -> None:
    with ws_connect(ours) as ws, pytest.raises(TypeError, match="a message is a str or bytes"):
        ws.send(message)


def test_views_and_byte_arrays_are_binary(ours: str) -> None:
    with ws_connect(ours) as ws:
        for data in (bytearray(b"abc"), memoryview(b"abc")):
            ws.send(data)  # type: ignore[arg-type]
            assert ws.recv() == b"abc"


@pytest.mark.parametrize("code", [0, 999, 1005, 1006, 2999, 5000, "1000"])
def test_a_code_that_may_not_be_sent_is_refused(ours: str, code: Any) -> None:
    with ws_connect(ours) as ws, pytest.raises(ValueError, match="is closed with 1000"):
        ws.close(code)


@pytest.mark.parametrize("reason", [5, b"bye", None])
def test_a_reason_that_is_no_text_leaves_it_as_it_is(ours: str, reason: Any) -> None:
    with ws_connect(ours) as ws:
        with pytest.raises(TypeError, match="the reason of a close is a str"):
            ws.close(1000, reason)
        ws.send("still here")
        assert ws.recv(PATIENCE) == "still here"


# -- callbacks -------------------------------------------------------------------------------------


def ticked(client: Client, seen: list[Any], last: str) -> list[Any]:
    """Tick until this was seen last."""
    while not any(item[0] == last for item in seen):
        assert client.tick(PATIENCE), "nothing happens any more"
    return seen


def recording(seen: list[Any], **own: Any) -> WebSocketCallbacks:
    """Callbacks that write down what they are called with."""

    def noting(name: str) -> Any:
        def note(ws: WebSocket, *arguments: object) -> None:
            seen.append((name, *arguments))
            if name in own:
                own[name](ws, *arguments)

        return note

    return WebSocketCallbacks(*[noting(name) for name in WebSocketCallbacks._fields])


def test_callbacks_are_called_in_the_tick_of_the_client(url: str) -> None:
    seen: list[Any] = []

    def begin(ws: WebSocket) -> None:
        ws.ping(b"?")
        ws.send("hello")

    callbacks = recording(seen, open=begin, message=lambda ws, _: ws.close(4000, "enough"))
    with Client() as client:
        ws = opened(url, client=client, callbacks=callbacks)
        assert ws.state is StreamState.CONNECTING
        ticked(client, seen, "close")
    assert sorted(seen, key=lambda item: str(item[0])) == [
        ("close", 4000, "" if seen[-1][2] == "" else "enough", None),
        ("message", "hello"),
        ("open",),
        ("pong", b"?"),
    ]


def test_a_client_in_the_tick_of_a_server_hands_on_what_it_receives() -> None:
    seen: list[Any] = []
    server = make_http_server(app, port=0, callbacks=Callbacks(ws_message=echo))
    server.listen()
    client = Client(server=server)
    callbacks = recording(seen, open=lambda ws: ws.send("x"), message=lambda ws, _: ws.close())
    ws = ws_connect(f"ws://127.0.0.1:{server.port}/", client=client, callbacks=callbacks)
    while not ws.is_gone:
        server.tick(PATIENCE)
    assert [item[0] for item in seen] == ["open", "message", "close"]
    client.close()
    server.stop(0)
    while server.running:
        server.tick(0)


def test_a_callback_that_raises_is_logged_and_ends_the_websocket(ours: str) -> None:
    seen: list[Any] = []

    def fail(ws: WebSocket, *_: object) -> None:
        raise ZeroDivisionError("in a callback")

    with Client() as client, logged_by(ERROR_LOG) as lines:
        callbacks = recording(seen, open=lambda ws: ws.send("a"), message=fail)
        ws_connect(ours, client=client, callbacks=callbacks)
        ticked(client, seen, "close")
    assert seen[-1][:2] == ("close", 1011)
    assert any("ZeroDivisionError: in a callback" in line for line in lines)


def test_messages_go_to_the_callback_or_to_who_asks(ours: str) -> None:
    callbacks = WebSocketCallbacks(message=lambda ws, data: None)
    with (
        ws_connect(ours, callbacks=callbacks) as ws,
        pytest.raises(RuntimeError, match="given to the callback"),
    ):
        ws.recv()


# -- what waits ------------------------------------------------------------------------------------


def test_what_a_server_does_not_read_is_queued_and_dropped_beyond_the_budget() -> None:
    seen: list[Any] = []
    may_read: list[bool] = []

    def stubborn(line: Line) -> None:
        line.accept()
        while not may_read:
            line.sock.settimeout(0.01)
            try:
                line.sock.recv(1)
            except TimeoutError:
                continue
        line.sock.settimeout(PATIENCE)
        line.read_all()

    def flood(ws: WebSocket) -> None:
        statuses: list[SendStatus] = []
        while SendStatus.DROPPED not in statuses[-1:]:
            statuses.append(ws.send(b"x" * 100_000))
        seen.append(("flooded", statuses, ws.buffered_amount))

    limits = WebSocketLimits(max_queue_len=4 * MIB)
    with scripted(stubborn) as url, Client() as client:
        ws = ws_connect(url, client=client, callbacks=recording(seen), limits=limits)
        ticked(client, seen, "open")
        flood(ws)
        statuses, buffered = seen[-1][1:]
        assert set(statuses) == set(SendStatus)
        assert statuses[0] is SendStatus.SUCCESS
        assert statuses[-2] is SendStatus.BACKPRESSURE
        assert 3 * MIB < buffered <= 5 * MIB
        may_read.append(True)
        ticked(client, seen, "drain")
        assert ws.send("again") is SendStatus.SUCCESS


def test_what_the_program_does_not_take_is_not_read(ours: str) -> None:
    def flooding(line: Line) -> None:
        line.accept()
        for _ in range(400):
            line.sock.sendall(b"\x82\x7f" + (100_000).to_bytes(8) + bytes(100_000))
        line.sock.sendall(b"\x88\x00")

    limits = WebSocketLimits(max_received_len=300_000)
    with scripted(flooding) as url, ws_connect(url, limits=limits, reconnect=False) as ws:
        assert ws.recv() == bytes(100_000)
        for _ in range(50):
            ws.client.tick(0.01)
        assert 300_000 <= ws._inbox.held_len < 500_000
        assert sum(len(message) for message in ws) == 399 * 100_000


# -- servers that break the rules ------------------------------------------------------------------

TOO_LONG = b"\x82\x7f" + (2**40).to_bytes(8)
BOMB = deflate(bytes(30 * MIB), 15)


@pytest.mark.parametrize(
    ("frames", "code", "sentence"),
    [
        (b"\x81\x82abcdef", 1002, "a frame of the server is masked"),
        (b"\x83\x00", 1002, "the opcode 3"),
        (TOO_LONG, 1009, "is longer than 16777216 bytes"),
        (b"\x81\x01\xff", 1007, "not UTF-8"),
        (b"\x88\x02\x03\xed", 1002, "which may not be sent"),
        (b"\x81\x05abc", 1006, "without a close frame"),
        (b"", 1006, "without a close frame"),
    ],
)
def test_a_violation_is_raised_behind_what_came_before_it(
    frames: bytes, code: int, sentence: str
) -> None:
    got: list[Any] = []

    def script(line: Line) -> None:
        line.accept(behind=b"\x81\x02ok" + frames)

    with (
        scripted(script) as url,
        pytest.raises(WebSocketClosed, match=sentence) as raised,
        ws_connect(url, reconnect=False) as ws,
    ):
        got.append(ws.recv())
        got += list(ws)
    assert got == ["ok"]
    assert raised.value.code == code


def test_a_bomb_is_not_decompressed() -> None:
    def script(line: Line) -> None:
        header = b"\xc2\x7f" + len(BOMB).to_bytes(8)
        extension = "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover"
        line.accept(extension, behind=header + BOMB)
        line.read_all()

    with (
        scripted(script) as url,
        pytest.raises(WebSocketClosed, match="longer than is accepted"),
        ws_connect(url, reconnect=False, limits=WebSocketLimits(close_timeout=0.01)) as ws,
    ):
        ws.recv()
    assert ws.close_code == 1009


def test_a_reset_is_an_end_like_others() -> None:
    import struct

    def script(line: Line) -> None:
        line.accept()
        option = struct.pack("ii", 1, 0)
        line.sock.setsockopt(1, 13, option)  # SOL_SOCKET, SO_LINGER: closing resets
        line.sock.close()

    with (
        scripted(script) as url,
        pytest.raises(WebSocketClosed) as raised,
        ws_connect(url, reconnect=False) as ws,
    ):
        list(ws)
    assert raised.value.code == 1006


def test_any_thread_may_send_and_each_message_is_sent_once() -> None:
    received: list[str] = []
    switching = sys.getswitchinterval()
    server = make_http_server(
        app,
        port=0,
        callbacks=Callbacks(
            ws_message=lambda server, conn, data: (received.append(data), server.send(conn, ""))
        ),
    )
    with server.serve_in_thread(), ws_connect(f"ws://127.0.0.1:{server.port}/") as ws:

        def send(number: int) -> None:
            for count in range(500):
                assert ws.send(f"{number}-{count}")

        sys.setswitchinterval(1e-6)
        try:
            with ThreadPoolExecutor(4) as pool:
                sending = [pool.submit(send, number) for number in range(4)]
                for _ in range(2_000):
                    ws.recv(PATIENCE)
                for each in sending:
                    each.result()
        finally:
            sys.setswitchinterval(switching)
    expected = [f"{number}-{count}" for number in range(4) for count in range(500)]
    assert sorted(received) == sorted(expected)


def test_another_thread_pings_and_closes(ours: str) -> None:
    with ws_connect(ours) as ws:
        with ThreadPoolExecutor(1) as pool:
            with pytest.raises(UnicodeEncodeError):
                pool.submit(ws.send, "\ud800").result()
            with pytest.raises(ValueError, match="a ping has at most 125 bytes"):
                pool.submit(ws.ping, bytes(126)).result()
            pool.submit(ws.ping).result()
            pool.submit(ws.close, 4000, "enough").result()
        assert ws.is_open, "what another thread asks for is done by the next tick"
        assert list(ws) == [] and ws.close_code == 4000
