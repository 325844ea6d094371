"""What the worlds have found, as small as it could be made, on a whole server in memory."""

import asyncio

import pytest

from sigil import Callbacks, CloseReason, Conn, Deferred, Limits, Request, Response
from sigil.core.send_status import SendStatus
from sigil.core.websocket.frames import encode_masked
from sigil.testing import Client, MemoryServer, WebSocket

MASK = b"\x01\x02\x03\x04"


def upgrade(request: Request) -> Response:
    """Everything becomes a WebSocket."""
    return Response.upgrade()


def say_in_one_read(client: Client, *sockets: WebSocket) -> None:
    """All of these have something to say in the same tick."""
    for websocket in sockets:
        websocket.connection.wire.arrived += encode_masked(1, b"hello", MASK)
    client.run_until_idle()


known = pytest.mark.xfail(strict=True, reason="known, and not mended yet")


def test_answers_are_in_order_when_a_request_is_handled_between_two_that_were_not_taken() -> None:
    promises = [Deferred(), Deferred()]

    def app(request: Request) -> Response | Deferred:
        number = int(request.path[1:])
        return promises[number] if number < 2 else Response.text(request.path * 50)

    client = Client(app, limits=Limits(max_queued_requests=2))
    connection = client.connect(window_len=60)
    connection.send(
        b"".join(b"GET /%d HTTP/1.1\r\nHost: h\r\n\r\n" % number for number in range(4))
    )
    promises[0].resolve(Response.text("/0" * 50))
    promises[1].resolve(Response.text("/1" * 50))
    client.run_until_idle()
    while connection.read(1_000):
        pass
    assert [answer.text for answer in connection.answers()] == [
        f"/{number}" * 50 for number in range(4)
    ]


@pytest.mark.parametrize("is_to_all", [False, True])
def test_what_one_callback_says_is_not_overtaken_by_what_the_next_one_says(is_to_all: bool) -> None:
    conns: list[Conn] = []

    def on_open(server: MemoryServer, conn: Conn, request: Request) -> None:
        conns.append(conn)

    def on_message(server: MemoryServer, conn: Conn, data: str | bytes) -> None:
        if conn == conns[0]:
            server.send(conn, "first")
        elif is_to_all:
            server.broadcast("second")
        else:
            server.send(conns[0], "second")

    client = Client(upgrade, callbacks=Callbacks(ws_open=on_open, ws_message=on_message))
    one, other = client.websocket("/"), client.websocket("/")
    say_in_one_read(client, one, other)
    assert one.messages() == ["first", "second"]


def test_a_message_that_fits_exactly_is_not_called_dropped() -> None:
    client = Client(upgrade, limits=Limits(outgoing_buffer_sz=100))
    websocket = client.websocket("/")
    assert client.server.broadcast(b"x" * 98) is SendStatus.SUCCESS
    assert client.server.broadcast(b"x" * 99) is SendStatus.DROPPED
    assert websocket.messages() == [b"x" * 98]


def test_what_was_not_taken_in_the_last_round_is_owed() -> None:
    def on_message(server: MemoryServer, conn: Conn, data: str | bytes) -> None:
        server.send(conn, "x" * 100)

    client = Client(
        upgrade, callbacks=Callbacks(ws_message=on_message), limits=Limits(max_rounds_per_tick=2)
    )
    websocket = client.websocket("/")
    websocket.connection.wire.window_len = 40
    websocket.connection.wire.arrived += encode_masked(1, b"hello", MASK)
    client.server.tick()
    assert client.server.buffered_amount(websocket.handle) == 102 - 40


@pytest.mark.parametrize("kind", ["ws_close", "close"])
def test_who_waits_in_a_coroutine_is_told_of_the_end_all_the_same(kind: str) -> None:
    ends: list[CloseReason] = []

    async def on_message(server: MemoryServer, conn: Conn, data: str | bytes) -> None:
        await asyncio.sleep(60.0)

    def on_end(server: MemoryServer, conn: Conn, reason: CloseReason, code: int = 0) -> None:
        ends.append(reason)

    callbacks = Callbacks(ws_message=on_message)._replace(**{kind: on_end})
    client = Client(upgrade, callbacks=callbacks)
    websocket = client.websocket("/")
    say_in_one_read(client, websocket)
    client.stop(0.0)
    assert ends == [CloseReason.SHUTDOWN]


def test_a_coroutine_is_user_code_whose_calls_are_done_at_once() -> None:
    statuses: list[SendStatus] = []

    async def on_message(server: MemoryServer, conn: Conn, data: str | bytes) -> None:
        await asyncio.sleep(0.0)
        server.close(conn)
        statuses.append(server.send(conn, "behind the close"))

    client = Client(upgrade, callbacks=Callbacks(ws_message=on_message))
    say_in_one_read(client, client.websocket("/"))
    assert statuses == [SendStatus.DROPPED]
