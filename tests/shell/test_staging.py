"""Staging over real sockets: the names of the reference system, what they send, and how a failure
is seen.

Theory: what a stage is, is tested as a value; here is what becomes of it: a body, a message to one,
a message to all.
"""

import struct
import threading
from typing import Any

import pytest

import sigil
from sigil import (
    CloseReason,
    Conn,
    HttpServer,
    Limits,
    Request,
    Response,
    SendStatus,
    http_server_close,
    http_server_fd,
    http_server_footprint,
    http_server_memcpy,
    http_server_printf,
    http_server_stage_body,
    http_server_stage_len,
    http_server_stage_trunc,
    http_server_unstage,
    http_server_ws_broadcast,
    http_server_ws_close,
    http_server_ws_send,
)
from tests.support.requests import GET
from tests.support.servers import Raw, ask, logged_by, make, pump, settle, ticking
from tests.support.websocket_client import (
    CallbackLog,
    WebSocketClient,
    close_clients,
    upgrade,
    websocket_clients,
)

METHODS = {
    "printf": "printf",
    "memcpy": "memcpy",
    "stage_len": "stage_len",
    "stage_trunc": "stage_trunc",
    "unstage": "unstage",
    "stage_body": "stage_body",
    "ws_send": "ws_send",
    "ws_broadcast": "ws_broadcast",
    "ws_close": "close",
    "close": "close",
    "fd": "fileno",
    "listen": "listen",
    "start": "start",
    "stop": "stop",
    "tick": "tick",
}
SMALL = Limits(outgoing_buffer_sz=1_000)


@pytest.mark.parametrize(("name", "method"), METHODS.items())
def test_a_name_is_the_same_function_as_a_method(name: str, method: str) -> None:
    assert getattr(sigil, f"http_server_{name}") is getattr(HttpServer, method)
    assert f"http_server_{name}" in sigil.__all__


# -- bodies ----------------------------------------------------------------------------------------


def test_a_body_is_staged_piece_by_piece_and_sent_whole() -> None:
    def handler(request: Request) -> Response:
        http_server_printf(server, "<%s>", request.path)
        for number in range(3):
            http_server_printf(server, "%d,", number)
        http_server_memcpy(server, b"\xff!")
        assert http_server_stage_len(server) == 13
        http_server_stage_trunc(server, 10)
        return http_server_stage_body(server, 201, {"Content-Type": "text/plain"})

    with ticking(handler) as server:
        for _ in range(2):
            answer = ask(server, b"GET /ab HTTP/1.1\r\nHost: a\r\n\r\n")
            assert (answer.status, answer.body) == (201, b"</ab>0,1,2")
            assert (answer.headers["content-type"], answer.headers["content-length"]) == (
                "text/plain",
                "10",
            )
            assert http_server_stage_len(server) == 0


def test_a_body_that_fits_exactly_is_sent_and_one_byte_more_is_a_500_after_which_all_is_well() -> (
    None
):
    def handler(request: Request) -> Response:
        http_server_memcpy(server, b"x" * int(request.query))
        http_server_printf(server, "y")
        return http_server_stage_body(server)

    with ticking(handler, SMALL) as server, logged_by("sigil.error") as lines:
        asked = [
            ask(server, b"GET /?%d HTTP/1.1\r\nHost: a\r\n\r\n" % length)
            for length in (999, 1_000, 1_001, 998)
        ]
        assert [answer.status for answer in asked] == [200, 500, 500, 200]
        assert [len(asked[index].body) for index in (0, 3)] == [1_000, 999]
        assert asked[0].headers["content-type"] == "application/octet-stream"
        assert sum("Limits.outgoing_buffer_sz" in line for line in lines) == 2


def test_nothing_staged_is_an_empty_body() -> None:
    with ticking(lambda request: server.stage_body()) as server:
        assert ask(server).body == b""


# -- messages --------------------------------------------------------------------------------------


def test_a_staged_message_is_text_unless_it_is_to_be_binary() -> None:
    diary = CallbackLog()
    with ticking(upgrade, callbacks=diary.callbacks) as server:
        client, other = websocket_clients(server, 2)
        conn = diary.lines[0][1]
        http_server_printf(server, '{"number": %d, "name": "%s"}', 7, "\u00e4")
        assert http_server_ws_send(server, conn) is SendStatus.SUCCESS
        http_server_memcpy(server, struct.pack("<d", 0.5))
        assert http_server_ws_send(server, conn, binary=True) is SendStatus.SUCCESS
        assert http_server_ws_send(server, conn) is SendStatus.SUCCESS
        http_server_printf(server, "to all")
        assert http_server_ws_broadcast(server) is SendStatus.SUCCESS
        http_server_memcpy(server, b"\x80")
        assert http_server_ws_broadcast(server, binary=True) is SendStatus.SUCCESS
        assert http_server_stage_len(server) == 0
        common = [(1, b"to all"), (2, b"\x80")]
        pump(server, lambda: len(client.frames) == 5 and len(other.frames) == 2, client, other)
        assert client.frames == [
            (1, '{"number": 7, "name": "\u00e4"}'.encode()),
            (2, b"\0\0\0\0\0\0\xe0?"),
            (1, b""),
            *common,
        ]
        assert other.frames == common
        close_clients(server, client, other)


def test_a_topic_narrows_a_staged_broadcast() -> None:
    def handler(request: Request) -> Response:
        return Response.upgrade(topics=["a"] if server.stats().requests == 1 else ["b"])

    with ticking(handler) as server:
        first = websocket_clients(server, 1)[0]
        second = websocket_clients(server, 1)[0]
        http_server_printf(server, "b only")
        http_server_ws_broadcast(server, "b")
        http_server_printf(server, "both")
        http_server_ws_broadcast(server)
        pump(
            server,
            lambda: second.messages == [b"b only", b"both"] and first.messages == [b"both"],
            first,
            second,
        )
        close_clients(server, first, second)


def test_a_failed_stage_is_a_visible_no_once_and_sends_nothing() -> None:
    diary = CallbackLog()
    with ticking(upgrade, SMALL, callbacks=diary.callbacks) as server:
        client = websocket_clients(server, 1)[0]
        conn = diary.lines[0][1]
        for take in (lambda: server.ws_send(conn), lambda: server.ws_broadcast()):
            server.memcpy(b"x" * 900)
            server.memcpy(b"y" * 101)
            server.printf("z")
            assert server.stage_len() == 900
            assert take() is SendStatus.DROPPED
            assert server.stage_len() == 0
            server.printf("well")
            assert take() is SendStatus.SUCCESS
        server.memcpy(b"x" * 2_000)
        http_server_unstage(server)
        server.printf("again")
        assert server.ws_send(conn) is SendStatus.SUCCESS
        pump(server, lambda: len(client.messages) == 3, client)
        assert client.messages == [b"well", b"well", b"again"]
        close_clients(server, client)


def test_a_stage_is_empty_after_it_was_sent_to_nobody() -> None:
    with ticking(upgrade) as server:
        server.printf("to a stranger")
        assert server.ws_send(Conn(0, 99)) is SendStatus.DROPPED
        assert server.stage_len() == 0
        server.printf("to nobody")
        assert server.ws_broadcast() is SendStatus.SUCCESS
        assert server.stage_len() == 0


def test_text_that_is_not_utf_8_is_refused_and_gone() -> None:
    with ticking(upgrade) as server:
        client = websocket_clients(server, 1)[0]
        server.memcpy(b"\xff")
        with pytest.raises(ValueError, match="utf-8"):
            server.ws_broadcast()
        assert server.stage_len() == 0
        server.memcpy("\u00e4".encode()[:1])
        server.memcpy("\u00e4".encode()[1:])
        server.ws_broadcast()
        pump(server, lambda: client.messages == ["\u00e4".encode()], client)
        close_clients(server, client)


def test_truncating_takes_back_and_cannot_add() -> None:
    server = make()
    server.printf("kept, not kept")
    server.stage_trunc(4)
    for length in (5, -1):
        with pytest.raises(ValueError, match="4 that are staged"):
            server.stage_trunc(length)
    assert server.stage_body().body == b"kept"


def test_only_the_thread_that_ticks_may_stage() -> None:
    errors: list[BaseException] = []

    def run(word: Any) -> None:
        try:
            word()
        except RuntimeError as error:
            errors.append(error)

    with ticking() as server:
        server.tick(0)
        server.printf("mine")
        words = [
            lambda: server.printf("x"),
            lambda: server.memcpy(b"x"),
            server.stage_len,
            server.unstage,
            server.stage_body,
            server.ws_broadcast,
            lambda: server.stage_trunc(0),
            lambda: server.ws_send(Conn(0, 0)),
        ]
        for word in words:
            thread = threading.Thread(target=run, args=(word,))
            thread.start()
            thread.join()
        assert len(errors) == len(words)
        assert server.stage_body().body == b"mine"


# -- the other names -------------------------------------------------------------------------------


def test_a_websocket_is_closed_with_a_code_or_for_a_reason() -> None:
    diary = CallbackLog()
    with ticking(upgrade, callbacks=diary.callbacks) as server:
        clients = websocket_clients(server, 3)
        conns = [line[1] for line in diary.lines if line[0] == "ws_open"]
        http_server_ws_close(server, conns[0], 4000, "enough")
        http_server_ws_close(server, conns[1])
        http_server_ws_close(server, conns[2], CloseReason.EVICTED)
        pump(server, lambda: all(client.close_code for client in clients), *clients)
        assert sorted(client.close_code for client in clients) == [1000, 1013, 4000]
        for client in clients:
            client.send(b"\x88\x80abcd")
            client.half_close()
        pump(server, lambda: all(client.over for client in clients), *clients)
        assert sorted(diary.endings) == sorted(
            [(CloseReason.OK, 4000), (CloseReason.OK, 1000), (CloseReason.EVICTED, 1013)]
        )


def test_a_connection_is_closed_for_a_reason_and_its_close_is_told_it() -> None:
    diary = CallbackLog()
    with ticking(callbacks=diary.callbacks) as server, Raw(server, GET) as client:
        pump(server, lambda: bool(client.answers()), client)
        conn = server.clients()[0]
        http_server_close(server, conn, CloseReason.EVICTED)
        client.half_close()
        pump(server, lambda: client.over and not server.clients(), client)
        assert diary.lines[-1] == ("close", conn, CloseReason.EVICTED)
        http_server_close(server, conn, CloseReason.EVICTED)
        settle(server)
        assert len(diary.of("close")) == 1


def test_the_descriptor_is_the_one_to_watch() -> None:
    with ticking() as server:
        assert http_server_fd(server) == server.fileno() >= 0


def test_the_footprint_is_that_of_the_core() -> None:
    assert http_server_footprint(Limits()) > http_server_footprint(SMALL) > 2**20


def test_who_asked_for_the_stage_is_not_who_is_sent_it() -> None:
    def heard(server: HttpServer, conn: Conn, data: str | bytes) -> None:
        server.printf("%s says %s", conn.slot, data)
        server.ws_broadcast()

    diary = CallbackLog(ws_message=heard)
    with ticking(upgrade, callbacks=diary.callbacks) as server:
        first, second = WebSocketClient(server), WebSocketClient(server)
        pump(server, lambda: first.is_open and second.is_open, first, second)
        first.send(b"\x81\x82\0\0\0\0hi")
        pump(server, lambda: len(second.messages) == 1, first, second)
        assert second.messages == first.messages
        assert second.messages[0].endswith(b" says hi")
        close_clients(server, first, second)
