"""WebSockets over real sockets: the program is told in order, may do anything, and nobody pays for
another.

The bytes are read by an independent reader (`speaking`); the clients of others are in
test_websocket_clients.
"""

import pytest

from sigil import CloseReason, Conn, HttpServer, Limits, Request, Response
from sigil.core.send_status import SendStatus
from tests.support.requests import GET, UPGRADE
from tests.support.servers import PATIENCE, Raw, ask, logged_by, pump, settle, ticking
from tests.support.websocket_client import (
    CallbackLog,
    WebSocketClient,
    close_clients,
    close_frame,
    echo,
    frame,
    text,
    upgrade,
    websocket_clients,
)

SUCCESS, BACKPRESSURE, DROPPED = SendStatus.SUCCESS, SendStatus.BACKPRESSURE, SendStatus.DROPPED
SMALL = Limits(tcp_notsent_lowat=4_096)
"""The kernel takes little for a client that does not read, so that the tests need few bytes."""


# -- the handshake ---------------------------------------------------------------------------------

REFUSALS = [
    (b"GET /chat", b"POST /chat", 400, {}),
    (b"Upgrade: websocket\r\n", b"", 426, {"upgrade": "websocket", "sec-websocket-version": "13"}),
    (b"Connection: Upgrade", b"Connection: keep-alive", 426, {"connection": "Upgrade"}),
    (b"Version: 13", b"Version: 12", 426, {"connection": "Upgrade", "sec-websocket-version": "13"}),
    (
        b"Sec-WebSocket-Version: 13\r\n",
        b"",
        426,
        {"connection": "Upgrade", "sec-websocket-version": "13"},
    ),
    (b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", b"", 400, {}),
    (b"dGhlIHNhbXBsZSBub25jZQ==", b"c2hvcnQ=", 400, {}),
    (b"Host: a\r\n", b"Host: a\r\nOrigin: http://b\r\n", 403, {}),
]


@pytest.mark.parametrize(("old", "new", "status", "fields"), REFUSALS)
def test_a_refused_upgrade_has_its_answer_and_the_connection_goes_on(
    old: bytes, new: bytes, status: int, fields: dict[str, str]
) -> None:
    diary = CallbackLog()
    with (
        ticking(upgrade_or_hello, callbacks=diary.callbacks) as server,
        Raw(server, UPGRADE.replace(old, new)) as raw,
    ):
        method = "POST" if b"POST" in new else "GET"
        pump(server, lambda: bool(raw.answers(method)) and raw.answers(method)[0].is_whole, raw)
        answer = raw.answers(method)[0]
        assert answer.status == status
        assert {name: answer.headers.get(name) for name in fields} == fields
        assert ("Limits.origins" in answer.text) == (status == 403)
        raw.send(GET)
        pump(server, lambda: len(raw.answers(method, "GET")) == 2, raw)
        assert raw.answers(method, "GET")[1].text == "hello"
        assert diary.of("ws_open") == []


def upgrade_or_hello(request: Request) -> Response:
    """The WebSocket is at /chat."""
    return Response.upgrade() if request.path == "/chat" else Response.text("hello")


def test_http_1_0_cannot_be_upgraded() -> None:
    with ticking(upgrade) as server:
        answer = ask(server, UPGRADE.replace(b"HTTP/1.1", b"HTTP/1.0"))
        assert (answer.status, answer.headers["sec-websocket-version"]) == (426, "13")


def test_nothing_that_follows_a_response_that_refuses_the_upgrade_is_parsed() -> None:
    asked: list[str] = []

    def handler(request: Request) -> Response:
        asked.append(request.path)
        return Response.text("not here", status=404)

    with ticking(handler) as server, Raw(server, UPGRADE + GET) as raw:
        pump(server, lambda: raw.over, raw)
        assert [answer.status for answer in raw.answers("GET")] == [404]
        assert asked == ["/chat"]


def test_early_data_is_refused_unless_the_limits_take_it() -> None:
    diary = CallbackLog(ws_message=echo)
    with (
        ticking(upgrade, callbacks=diary.callbacks) as server,
        WebSocketClient(server, text("early")) as client,
    ):
        pump(server, lambda: client.over, client)
        assert client.received.startswith(b"HTTP/1.1 400 ")
        assert diary.of("ws_open") == []
    diary = CallbackLog(ws_message=echo)
    with (
        ticking(upgrade, Limits(ws_early_data=True), diary.callbacks) as server,
        WebSocketClient(server, text("early")) as client,
    ):
        pump(server, lambda: client.messages == [b"early"], client)
        close_clients(server, client)
    diary.assert_balanced()


@pytest.mark.parametrize(("policy", "is_in"), [("evict", True), ("wait", False), ("503", False)])
def test_a_full_pool_evicts_the_oldest_or_refuses(policy: str, is_in: bool) -> None:
    diary = CallbackLog()
    limits = Limits(max_ws_connection_cnt=2, full_policy=policy)
    with ticking(upgrade, limits, diary.callbacks) as server:
        first, second = websocket_clients(server, 1)[0], websocket_clients(server, 1)[0]
        third = WebSocketClient(server)
        pump(
            server, lambda: bool(third.received) and (not is_in or first.over), first, second, third
        )
        settle(server, first, second, third)
        assert third.is_open == is_in
        assert first.close_code == (1013 if is_in else 0)
        assert second.frames == []
        assert is_in or third.received.startswith(b"HTTP/1.1 503 ")
    diary.assert_balanced()


# -- the callbacks ---------------------------------------------------------------------------------


def test_the_program_is_told_everything_once_and_in_order() -> None:
    diary = CallbackLog(ws_message=echo)
    with ticking(upgrade, callbacks=diary.callbacks) as server:
        (client,) = websocket_clients(server, 1)
        client.send(
            text("a") + frame(2, b"\x00") + frame(1, b"\xe2", False) + frame(0, b"\x82\xac")
        )
        pump(server, lambda: len(client.messages) == 3, client)
        close_clients(server, client)
        settle(server)
    assert [line[0] for line in diary.lines] == [
        "open",
        "ws_open",
        *["ws_message"] * 3,
        "ws_close",
        "close",
    ]
    assert diary.of("ws_message") == [("a",), (b"\x00",), ("\u20ac",)]
    assert diary.of("ws_open")[0][0].path == "/chat"
    assert diary.endings == [(CloseReason.WS_PEER_CLOSED, 1000)]
    assert client.frames == [(1, b"a"), (2, b"\x00"), (1, b"\xe2\x82\xac"), (8, b"\x03\xe8")]


def raises(server: HttpServer, conn: Conn, *told: object) -> None:
    """A callback that fails, after it has said something."""
    server.send(conn, "about to fail")
    raise RuntimeError("on purpose")


@pytest.mark.parametrize(
    ("name", "code"),
    [("open", 0), ("ws_open", 1011), ("ws_message", 1011), ("ws_close", 1000), ("close", 1000)],
)
def test_a_callback_that_raises_ends_its_connection_and_harms_nobody(name: str, code: int) -> None:
    fails: list[Conn] = []

    def deed(server: HttpServer, conn: Conn, *told: object) -> None:
        if conn in fails or (name in ("open", "ws_open") and len(diary.of("open")) == 2):
            fails.append(conn)
            raises(server, conn)
        elif name == "ws_message":
            echo(server, conn, *told)  # type: ignore[arg-type]  # it is a message

    diary = CallbackLog(**{"ws_message": echo, name: deed})
    limits = Limits(ws_close_timeout=0.1)
    with logged_by("sigil.error") as errors, ticking(upgrade, limits, diary.callbacks) as server:
        (other,) = websocket_clients(server, 1)
        client = WebSocketClient(server)
        settle(server, other, client)
        fails += server.clients()[1:] if name not in ("open", "ws_open") else []
        client.send(text("x") if code == 1011 else close_frame(1000))
        pump(server, lambda: client.over, other, client)
        client.close()
        settle(server, other)
        other.send(text("still here"))
        pump(server, lambda: other.messages == [b"still here"], other)
        assert client.close_code == code
        assert [payload for opcode, payload in client.frames if opcode == 1] == (
            [b"about to fail"] if code == 1011 else []
        )
    diary.assert_balanced()
    assert len(errors) == 1
    assert "on purpose" in errors[0]
    assert "Traceback" in errors[0]


@pytest.mark.parametrize("name", ["open", "ws_open", "ws_message", "ws_close", "close"])
def test_from_inside_every_callback_the_program_may_send_broadcast_and_close(name: str) -> None:
    statuses: list[object] = []

    def deed(server: HttpServer, conn: Conn, *told: object) -> None:
        if conn != listener[0]:
            statuses.extend(
                (server.send(conn, f"to you from {name}"), server.broadcast(f"to all from {name}"))
            )
            server.send(listener[0], f"to the listener from {name}")
            server.close(conn, 4000, "enough")
            server.close(conn, 4001)
            statuses.append(server.send(conn, "too late"))

    listener: list[Conn] = [Conn(-1, -1)]
    diary = CallbackLog()
    with ticking(upgrade, callbacks=diary.callbacks) as server:
        (ear,) = websocket_clients(server, 1)
        listener[0] = server.clients()[0]
        diary.deeds[name] = deed
        client = WebSocketClient(server)
        settle(server, ear, client)
        client.send(text("x"))
        client.send(close_frame(4000))
        pump(server, lambda: client.over, ear, client)
        client.close()
        pump(server, lambda: len(ear.messages) == 2, ear)
        assert sorted(ear.messages) == sorted(
            [f"to all from {name}".encode(), f"to the listener from {name}".encode()]
        )
        lives = name in ("ws_open", "ws_message")
        assert statuses == [SUCCESS if lives else DROPPED, SUCCESS, DROPPED]
        if lives:
            assert client.messages == [
                f"to you from {name}".encode(),
                f"to all from {name}".encode(),
            ]
            assert client.frames[-1] == (8, b"\x0f\xa0enough")
        assert ear.close_code == 0
    diary.assert_balanced()


def test_a_program_may_close_another_in_the_middle_of_its_messages() -> None:
    def deed(server: HttpServer, conn: Conn, data: str) -> None:
        for other in server.clients():
            server.close(other, 4000)

    diary = CallbackLog(ws_message=deed)
    with ticking(upgrade, callbacks=diary.callbacks) as server:
        clients = websocket_clients(server, 2)
        for client in clients:
            client.send(text("1") + text("2") + text("3"))
        settle(server, *clients)
        pump(server, lambda: all(client.close_code == 4000 for client in clients), *clients)
        close_clients(server, *clients)
    assert diary.of("ws_message") in ([("1",)], [("1",), ("1",)])
    assert diary.endings == [(CloseReason.OK, 4000)] * 2
    diary.assert_balanced()


def test_a_handle_never_hits_a_successor() -> None:
    diary = CallbackLog()
    with ticking(upgrade, callbacks=diary.callbacks) as server:
        (first,) = websocket_clients(server, 1)
        stale = server.clients()[0]
        close_clients(server, first)
        settle(server)
        (second,) = websocket_clients(server, 1)
        assert server.clients()[0].slot == stale.slot
        assert (server.send(stale, "x"), server.buffered_amount(stale)) == (DROPPED, 0)
        server.close(stale, 4000)
        settle(server, second)
        assert second.frames == []
        server.send(server.clients()[0], "y")
        pump(server, lambda: second.messages == [b"y"], second)


def test_what_is_no_message_and_what_is_no_code_is_refused() -> None:
    with ticking(upgrade) as server:
        (client,) = websocket_clients(server, 1)
        (conn,) = server.clients()
        for wrong in (1, None, ["x"]):
            with pytest.raises(TypeError):
                server.send(conn, wrong)  # type: ignore[arg-type]  # on purpose
        with pytest.raises(ValueError, match="surrogates"):
            server.broadcast("\ud800")
        for code in (0, 999, 1004, 1005, 1006, 1015, 2999, 5000):
            with pytest.raises(ValueError, match=str(code)):
                server.close(conn, code)
        buffer = bytearray(b"before")
        server.send(conn, buffer)
        buffer[:] = b"behind"
        server.send(conn, memoryview(b"view"))
        pump(server, lambda: client.messages == [b"before", b"view"], client)


# -- the end ---------------------------------------------------------------------------------------


def test_the_program_closes_and_the_client_answers() -> None:
    diary = CallbackLog()
    with ticking(upgrade, callbacks=diary.callbacks) as server:
        (client,) = websocket_clients(server, 1)
        (conn,) = server.clients()
        server.send(conn, "last words")
        server.close(conn, 4321, "gr\u00fc\u00df dich")
        pump(server, lambda: client.close_code == 4321, client)
        assert diary.endings == []
        assert client.frames == [
            (1, b"last words"),
            (8, b"\x10\xe1" + "gr\u00fc\u00df dich".encode()),
        ]
        close_clients(server, client)
        settle(server)
    assert diary.endings == [(CloseReason.OK, 4321)]
    diary.assert_balanced()


def test_a_stop_says_1001_to_everybody_and_waits_for_their_answers() -> None:
    diary = CallbackLog()
    with ticking(upgrade, callbacks=diary.callbacks) as server:
        clients = websocket_clients(server, 3)
        server.stop(grace=PATIENCE)
        pump(server, lambda: all(client.close_code == 1001 for client in clients), *clients)
        assert server.running
        close_clients(server, *clients)
        pump(server, lambda: not server.running)
    assert diary.endings == [(CloseReason.SHUTDOWN, 1001)] * 3
    diary.assert_balanced()


def test_a_stop_at_once_says_1001_too() -> None:
    diary = CallbackLog()
    with ticking(upgrade, callbacks=diary.callbacks) as server:
        clients = websocket_clients(server, 3)
        server.stop(0)
        pump(
            server, lambda: not server.running and all(client.over for client in clients), *clients
        )
        assert [client.close_code for client in clients] == [1001] * 3
    diary.assert_balanced()


def test_a_silent_client_is_pinged_and_one_that_does_not_answer_is_closed_with_1011() -> None:
    limits = Limits(ws_ping_interval=0.05, ws_pong_timeout=0.2)
    diary = CallbackLog()
    with ticking(upgrade, limits, diary.callbacks) as server:
        dead, alive = websocket_clients(server, 2)
        pings = 0

        def answer() -> bool:
            nonlocal pings
            alive.send(frame(10) * (len(alive.frames) - pings))
            pings = len(alive.frames)
            return dead.over

        pump(server, answer, dead, alive)
        assert dead.frames[0] == (9, b"")
        assert dead.close_code == 1011
        assert {opcode for opcode, _ in alive.frames} == {9}
        assert diary.endings == [(CloseReason.WS_PONG_TIMEOUT, 1011)]
    diary.assert_balanced()


def test_a_close_that_nobody_answers_ends_in_time() -> None:
    diary = CallbackLog()
    with ticking(upgrade, Limits(ws_close_timeout=0.05), diary.callbacks) as server:
        (client,) = websocket_clients(server, 1)
        server.close(server.clients()[0], 4000)
        pump(server, lambda: client.over, client)
        assert diary.endings == [(CloseReason.OK, 4000)]
    diary.assert_balanced()


# -- what is wrong ---------------------------------------------------------------------------------

HOSTILE = [
    (b"\x81\x05hello", 1002, "WS_BAD_MASK"),
    (b"\x82\xff\x80\x00\x00\x00\x00\x00\x00\x00", 1009, "WS_OVERSIZE_FRAME"),
    (b"\x82\xff\x00\x00\x00\x00\x00\x01\x00\x01", 1009, "WS_OVERSIZE_FRAME"),
    (frame(2, b"x" * 40_000, False) + frame(0, b"x" * 40_000, False), 1009, "WS_OVERSIZE_FRAME"),
    (frame(8, b"\x03\xed"), 1002, "WS_BAD_CLOSE_PAYLOAD"),
    (frame(8, b"\x03"), 1002, "WS_BAD_CLOSE_PAYLOAD"),
    (frame(8, b"\x03\xe8\xc0\x80"), 1007, "WS_BAD_UTF8"),
    (frame(1, b"\xed\xa0\x80"), 1007, "WS_BAD_UTF8"),
    (frame(0, b"x"), 1002, "WS_EXPECTED_TEXT_OPCODE"),
    (frame(1, b"x", False) + frame(1, b"x"), 1002, "WS_EXPECTED_CONT_OPCODE"),
    (frame(9, b"", False), 1002, "WS_FRAGMENTED_CONTROL"),
    (frame(9, b"x" * 126), 1002, "WS_CONTROL_FRAME_TOO_LARGE"),
    (b"\xc1\x80" + b"\x00" * 4, 1002, "WS_BAD_RSV"),
]


@pytest.mark.parametrize(("data", "code", "reason"), HOSTILE)
def test_who_breaks_the_protocol_is_told_how_and_everybody_else_is_unharmed(
    data: bytes, code: int, reason: str
) -> None:
    diary = CallbackLog(ws_message=echo)
    limits = Limits(max_ws_message_len=65_536)
    with logged_by("sigil.server") as lines, ticking(upgrade, limits, diary.callbacks) as server:
        client, other = websocket_clients(server, 2)
        client.send(text("good") + data)
        pump(server, lambda: client.over and bool(diary.endings), client, other)
        assert client.frames[0] == (1, b"good")
        assert client.close_code == code
        assert [line for line in lines if reason in line and str(code) in line]
        assert diary.endings == [(CloseReason[reason], code)]
        other.send(text("fine"))
        pump(server, lambda: other.messages == [b"fine"], other)
    diary.assert_balanced()


def test_messages_at_the_bound_are_taken() -> None:
    with ticking(
        upgrade, Limits(max_ws_message_len=65_536), CallbackLog(ws_message=echo).callbacks
    ) as server:
        (client,) = websocket_clients(server, 1)
        client.send(frame(2, b"x" * 65_536) + frame(2, b"y" * 65_535, False) + frame(0, b"y"))
        pump(server, lambda: client.messages == [b"x" * 65_536, b"y" * 65_536], client)


def test_fragments_without_end_cost_nothing_and_a_reset_in_mid_frame_is_told_as_1006() -> None:
    diary = CallbackLog()
    with ticking(upgrade, callbacks=diary.callbacks) as server:
        client, other = websocket_clients(server, 2)
        client.send(frame(1, b"", False) + frame(0, b"", False) * 4_000)
        settle(server, client)
        assert server.state.load.inbound == 0
        client.send(frame(0, b"half of it")[:9])
        settle(server, client)
        client.reset()
        pump(server, lambda: bool(diary.endings), other)
        assert diary.endings == [(CloseReason.PEER_RESET, 1006)]
        assert other.frames == []
    diary.assert_balanced()


def test_a_flood_of_pings_is_answered_whole_and_never_behind_the_close() -> None:
    with ticking(upgrade, SMALL, CallbackLog(ws_message=echo).callbacks) as server:
        client, other = websocket_clients(server, 1, 4_096)[0], websocket_clients(server, 1)[0]
        client.reads = False
        message = b"m" * 60_000
        for number in range(30):
            client.send(
                frame(9, b"%d" % number * 20) + (frame(2, message) if number % 3 == 0 else b"")
            )
            server.tick(0)
        client.send(frame(9, b"99" * 20) + close_frame(1000))
        settle(server, client)
        client.reads = True
        pump(server, lambda: client.over, client, other)
        assert client.rest == b""
        assert client.frames[-1] == (8, b"\x03\xe8")
        assert set(client.messages) == {message}
        pongs = [
            int(payload[: len(payload) // 20]) for opcode, payload in client.frames if opcode == 10
        ]
        assert pongs == sorted(set(pongs))
        other.send(frame(9, b"me too"))
        pump(server, lambda: other.frames == [(10, b"me too")], other)
