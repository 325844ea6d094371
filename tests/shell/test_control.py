"""What a program asks of one connection, over real sockets: it is held, told of, given a time.

What follows from each event stands in tests/core/connection/test_control_requests.py.
"""

import os
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

from sigil import (
    Callbacks,
    CloseReason,
    Conn,
    Deferred,
    HttpServer,
    Peer,
    Request,
    Response,
    SendStatus,
    TimeoutReason,
    make_http_server,
)
from sigil.shell.peer_names import look_up, name_of
from sigil.testing import Client
from tests.support.requests import GET
from tests.support.servers import Raw, logged_by, pump, settle, ticking
from tests.support.websocket_client import (
    CallbackLog,
    WebSocketClient,
    close_clients,
    close_frame,
    frame,
    text,
    upgrade,
    websocket_clients,
)

GONE = Conn(7, 7_777)


def in_a_thread(function: Callable[[], object]) -> None:
    """Run this in another thread, to its end."""
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()


# -- reading ---------------------------------------------------------------------------------------


def test_a_callback_that_stops_to_read_is_given_no_more_of_what_came_with_it() -> None:
    def hold(server: HttpServer, conn: Conn, data: str | bytes) -> None:
        if data == "2":
            server.rx_flow_control(conn, False)

    diary = CallbackLog(ws_message=hold)
    with ticking(upgrade, callbacks=diary.callbacks) as server:
        (client,) = websocket_clients(server, 1)
        conn = diary.lines[0][1]
        client.send(b"".join(text(str(number)) for number in range(5)) + frame(9, b"there?"))
        pump(server, lambda: (10, b"there?") in client.frames, client)
        client.send(text("5"))
        settle(server, client)
        assert diary.of("ws_message") == [("0",), ("1",), ("2",)]
        in_a_thread(lambda: server.rx_flow_control(conn, True))
        pump(server, lambda: len(diary.of("ws_message")) == 6, client)
        assert diary.of("ws_message") == [(str(number),) for number in range(6)]
        close_clients(server, client)
    diary.assert_balanced()


def test_a_callback_that_is_awaited_may_stop_to_read_too() -> None:
    promised: list[Deferred] = []

    def later(server: HttpServer, conn: Conn, data: str | bytes) -> object:
        promised.append(Deferred())
        return promised[-1]

    diary = CallbackLog(ws_message=later)
    with ticking(upgrade, callbacks=diary.callbacks) as server:
        (client,) = websocket_clients(server, 1)
        conn = diary.lines[0][1]
        client.send(text("a") + text("b"))
        pump(server, lambda: len(promised) == 1, client)
        server.rx_flow_control(conn, False)
        promised[0].resolve(None)
        settle(server, client)
        assert diary.of("ws_message") == [("a",)]
        server.rx_flow_control(conn, True)
        pump(server, lambda: len(promised) == 2, client)
        promised[1].resolve(None)
        close_clients(server, client)
    diary.assert_balanced()


def test_a_client_that_is_not_read_waits_and_what_it_sent_arrives_whole() -> None:
    seen: list[int] = []
    server: HttpServer

    def take(server: HttpServer, conn: Conn, data: str | bytes) -> None:
        seen.append(len(data))

    message = frame(2, b"x" * 60_000)
    with ticking(upgrade, callbacks=Callbacks(ws_message=take)) as server:
        (client,) = websocket_clients(server, 1, receive_buffer=4_096)
        (conn,) = server.clients()
        server.rx_flow_control(conn, False)
        client.send(message * 200)
        settle(server, client)
        assert seen == [] and len(client.unsent) > 0  # the kernel is full: twelve megabytes are not
        client_record = server.state.slots.entries[conn.slot]
        assert client_record.bytes_in < 2**18  # type: ignore[union-attr]
        server.rx_flow_control(conn, True)
        pump(server, lambda: len(seen) == 200, client)
        assert seen == [60_000] * 200
        close_clients(server, client)


def test_a_close_frame_ends_the_hold() -> None:
    diary = CallbackLog()
    with ticking(upgrade, callbacks=diary.callbacks) as server:
        (client,) = websocket_clients(server, 1)
        server.rx_flow_control(diary.lines[0][1], False)
        client.send(text("last words") + close_frame(1000))
        client.half_close()
        pump(server, lambda: client.over and len(diary.of("close")) == 1, client)
        assert diary.of("ws_message") == [("last words",)]
        assert diary.endings == [(CloseReason.WS_PEER_CLOSED, 1000)]
        client.close()


def test_the_next_request_of_a_held_connection_waits() -> None:
    conns: list[Conn] = []

    def app(request: Request) -> Response:
        conns.append(request.conn)
        server.rx_flow_control(request.conn, False)
        return Response.text("hello")

    with ticking(app) as server, Raw(server, GET) as client:
        pump(server, lambda: len(client.answers()) == 1, client)
        client.send(GET)
        settle(server, client)
        assert len(conns) == 1
        server.rx_flow_control(conns[0], True)
        pump(server, lambda: len(client.answers("GET", "GET")) == 2, client)


# -- writing ---------------------------------------------------------------------------------------


def test_a_program_that_makes_what_it_sends_as_it_is_taken_holds_one_piece() -> None:
    pieces = iter([bytes([number]) * 100_000 for number in range(100)])
    held: list[int] = []

    def send_one(server: HttpServer, conn: Conn, *_: Any) -> None:
        held.append(server.buffered_amount(conn))
        piece = next(pieces, None)
        if piece is not None:
            assert server.send(conn, piece) is SendStatus.SUCCESS
            server.callback_on_writable(conn)

    callbacks = Callbacks(ws_open=send_one, writable=send_one)
    with ticking(upgrade, callbacks=callbacks) as server:
        client = WebSocketClient(server, receive_buffer=4_096)
        pump(server, lambda: len(client.messages) == 100, client)
        assert [message[0] for message in client.messages] == list(range(100))
        assert max(held) == 0
        close_clients(server, client)


def test_a_word_that_is_asked_for_by_another_thread_and_between_ticks_comes() -> None:
    told: list[Conn] = []
    callbacks = Callbacks(writable=lambda server, conn: told.append(conn))
    with ticking(callbacks=callbacks) as server, Raw(server, GET) as client:
        pump(server, lambda: len(client.answers()) == 1, client)
        (conn,) = server.clients()
        in_a_thread(lambda: server.callback_on_writable(conn))
        pump(server, lambda: told == [conn], client)
        server.callback_on_writable(conn)
        server.callback_on_writable(conn)
        pump(server, lambda: told == [conn, conn], client)
        settle(server, client)
        assert told == [conn, conn]


def test_partial_buffered_is_true_while_the_kernel_has_not_taken_all() -> None:
    with ticking(upgrade) as server:
        (client,) = websocket_clients(server, 1, receive_buffer=4_096)
        (conn,) = server.clients()
        assert not server.partial_buffered(conn)
        client.reads = False
        server.send(conn, b"x" * 2**23)
        settle(server, client)
        assert server.partial_buffered(conn)
        client.reads = True
        pump(server, lambda: not server.partial_buffered(conn), client)
        close_clients(server, client)


def test_a_ping_of_the_program_goes_behind_what_was_sent_and_is_answered() -> None:
    diary = CallbackLog()
    with ticking(upgrade, callbacks=diary.callbacks) as server:
        (client,) = websocket_clients(server, 1)
        (conn,) = server.clients()
        server.send(conn, "before")
        assert server.ping(conn, b"tag") is SendStatus.SUCCESS
        in_a_thread(lambda: server.ping(conn))
        pump(server, lambda: len(client.frames) == 3, client)
        assert client.frames == [(1, b"before"), (9, b"tag"), (9, b"")]
        client.send(frame(10, b"tag") + frame(10))
        pump(server, lambda: diary.of("ws_pong") == [(b"tag",)], client)
        close_clients(server, client)


# -- time ------------------------------------------------------------------------------------------


def test_a_timeout_of_the_program_ends_a_connection_and_the_log_says_why() -> None:
    diary = CallbackLog()
    with ticking(upgrade, callbacks=diary.callbacks) as server, logged_by("sigil.server") as lines:
        (client,) = websocket_clients(server, 1)
        conn = diary.lines[0][1]
        server.set_timeout(conn, TimeoutReason.AWAITING_PING, 0.05)
        pump(server, lambda: client.close_code == 1008, client)
        client.send(close_frame(1008))
        client.half_close()
        pump(server, lambda: bool(diary.of("close")), client)
        assert diary.endings == [(CloseReason.PROGRAM_TIMEOUT, 1008)]
        assert any("AWAITING_PING" in line for line in lines)
        client.close()


def test_a_timeout_that_is_ended_never_comes() -> None:
    client = Client(upgrade)
    websocket = client.websocket("/")
    client.server.set_timeout(websocket.handle, TimeoutReason.USER, 5.0)
    client.advance(4.0)
    client.server.set_timeout(websocket.handle, TimeoutReason.USER, 5.0)
    client.advance(4.0)
    client.server.set_timeout(websocket.handle)
    client.advance(19.0)
    assert client.server.peer(websocket.handle) is not None


# -- who it is -------------------------------------------------------------------------------------


def test_a_peer_is_admitted_by_its_address_before_a_byte_is_read() -> None:
    asked: list[Peer] = []
    diary = CallbackLog(admit=lambda server, peer: asked.append(peer) or len(asked) > 1)
    with ticking(callbacks=diary.callbacks) as server:
        with Raw(server, GET) as refused:
            pump(server, lambda: refused.over, refused)
            assert refused.received == b"" and server.clients() == ()
        with Raw(server, GET) as welcome:
            pump(server, lambda: len(welcome.answers()) == 1, welcome)
        assert [peer.host for peer in asked] == ["127.0.0.1"] * 2
        pump(server, lambda: len(diary.of("close")) == 1)
        assert len(diary.of("open")) == 1


@pytest.mark.parametrize("answer", ["raises", "awaits"])
def test_a_peer_about_whom_there_is_no_answer_is_not_let_in(answer: str) -> None:
    async def later(server: HttpServer, peer: Peer) -> bool:
        return True

    def fail(server: HttpServer, peer: Peer) -> bool:
        raise ValueError("who?")

    callbacks = Callbacks(admit=later if answer == "awaits" else fail)
    with ticking(callbacks=callbacks) as server, logged_by("sigil.error") as lines:
        with Raw(server, GET) as refused:
            pump(server, lambda: refused.over, refused)
        assert len(lines) == 1 and "the callback" in lines[0]


def test_in_memory_a_peer_is_admitted_too() -> None:
    client = Client(
        lambda request: Response.text("in"),
        callbacks=Callbacks(admit=lambda server, peer: peer.host == "192.0.2.1"),
    )
    assert client.connect(peer=Peer("192.0.2.2", 1)).is_closed
    assert not client.connect(peer=Peer("192.0.2.1", 1)).is_closed


def test_the_name_of_a_peer_is_looked_up_by_another_thread() -> None:
    answers: list[tuple[str, str]] = []

    def app(request: Request) -> Deferred:
        later = server.look_up_peer(request.conn)
        return later.map(lambda found: Response.text(found[0]))

    with ticking(app) as server, Raw(server, GET) as client:
        pump(server, lambda: len(client.answers()) == 1, client)
        (conn,) = server.clients()
        name = name_of("127.0.0.1", 1)
        assert client.answers()[0].text == name
        pump(server, lambda: server.peer_addresses(conn) == (name, "127.0.0.1"), client)
        assert server.peer_addresses(GONE) == ("", "")
        server.look_up_peer(GONE).when_resolved(answers.append)
        assert answers == [("", "")]
    assert len(server._application.callbacks.programs) == 0


def test_an_address_without_a_name_has_none() -> None:
    for host in ("", "/run/socket", "@abstract"):
        names: list[str] = []
        look_up(host, 1, names.append)
        assert names == [""]
    assert name_of("no address at all", 1) == ""


def test_the_descriptor_of_a_connection_is_its_socket() -> None:
    with ticking() as server, Raw(server, GET) as client:
        pump(server, lambda: len(client.answers()) == 1, client)
        (conn,) = server.clients()
        descriptor = server.get_socket_fd(conn)
        assert descriptor is not None
        with socket.socket(fileno=os.dup(descriptor)) as copy:
            assert copy.getpeername() == client.sock.getsockname()
        assert server.get_socket_fd(GONE) is None


def test_what_the_program_has_given_to_a_server_is_there() -> None:
    user = object()
    assert make_http_server(upgrade, user=user).context_user() is user
    assert make_http_server(upgrade).context_user() is None


# -- arguments -------------------------------------------------------------------------------------

ANY: Any = None
WRONG: list[tuple[Callable[[HttpServer], object], type[Exception], str]] = [
    (lambda server: server.rx_flow_control(ANY, True), TypeError, "named by a Conn"),
    (lambda server: server.rx_flow_control(GONE, 1), TypeError, "enable is True or False, not int"),  # type: ignore[arg-type]
    (lambda server: server.callback_on_writable(ANY), TypeError, "named by a Conn"),
    (lambda server: server.partial_buffered(ANY), TypeError, "named by a Conn"),
    (lambda server: server.set_timeout(ANY, 1, 1.0), TypeError, "named by a Conn"),
    (lambda server: server.set_timeout(GONE, ANY, 1.0), TypeError, "a reason is a TimeoutReason"),
    (lambda server: server.set_timeout(GONE, 1, ANY), TypeError, "seconds are a number"),
    (lambda server: server.set_timeout(GONE, 1, -1.0), ValueError, "0 or more"),
    (lambda server: server.set_timeout(GONE, 1, float("inf")), ValueError, "finite"),
    (lambda server: server.peer_addresses(ANY), TypeError, "named by a Conn"),
    (lambda server: server.look_up_peer(ANY), TypeError, "named by a Conn"),
    (lambda server: server.get_socket_fd(ANY), TypeError, "named by a Conn"),
    (lambda server: server.ping(GONE, "x"), TypeError, "bytes, not str"),  # type: ignore[arg-type]
    (lambda server: server.ping(GONE, b"x" * 126), ValueError, "125 bytes at most"),
]


@pytest.mark.parametrize(("call", "kind", "words"), WRONG)
def test_what_cannot_be_meant_is_refused_in_words(
    call: Callable[[HttpServer], object], kind: type[Exception], words: str
) -> None:
    with ticking() as server, pytest.raises(kind, match=words):
        call(server)


def test_for_a_connection_that_is_gone_nothing_changes() -> None:
    with ticking() as server:
        before = server.state.slots
        server.rx_flow_control(GONE, False)
        server.callback_on_writable(GONE)
        server.set_timeout(GONE, 1, 1.0)
        assert server.ping(GONE) is SendStatus.DROPPED
        assert not server.partial_buffered(GONE)
        assert server.state.slots == before
