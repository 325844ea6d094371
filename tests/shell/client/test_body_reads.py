"""Bodies and messages are read in a few large pieces, within what one tick may read."""

import socket
from typing import Any

import pytest

from sigil import Callbacks, Request, Response, make_http_server
from sigil.client import Client, ClientLimits, ws_connect
from sigil.shell.client.body_reads import BodyReads
from sigil.shell.client.transport import Transport
from tests.support.answering import Answerer, answering, read_head
from tests.support.servers import HOST, MIB, PATIENCE

LIMITS = ClientLimits(max_read_len=4_096, max_body_read_len_per_tick=65_536)


def test_what_is_lacking_is_read_at_once_as_far_as_there_is_room_in_a_tick() -> None:
    reads = BodyReads(LIMITS)
    reads.begin_tick()
    assert [reads.read_len(length) for length in (50_000, 50_000, 50_000)] == [
        50_000, 15_536, 4_096,
    ]  # fmt: skip
    reads.begin_tick()
    assert reads.read_len(10**9) == 65_536


@pytest.fixture
def lengths(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes each read was asked for."""
    asked: list[int] = []
    read = Transport.read

    def noted(self: Transport, max_len: int) -> Any:
        asked.append(max_len)
        return read(self, max_len)

    monkeypatch.setattr(Transport, "read", noted)
    return asked


def sends_at_once(data: bytes) -> Answerer:
    """What reads a head, and sends this."""

    def answer(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(data)

    return answer


@pytest.mark.parametrize("is_chunked", [False, True])
def test_a_body_is_read_in_large_pieces(lengths: list[int], is_chunked: bool) -> None:
    body = bytes(range(256)) * 4_096
    if is_chunked:
        framed = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (MIB, body)
    else:
        framed = b"Content-Length: %d\r\n\r\n%b" % (MIB, body)
    with (
        answering(sends_at_once(b"HTTP/1.1 200 OK\r\n" + framed)) as port,
        Client(limits=ClientLimits(max_read_len=4_096)) as client,
    ):
        assert client.run(client.get(f"http://{HOST}:{port}/")).body == body
        assert max(lengths) > 500_000
        lengths.clear()
        response = client.run(client.get(f"http://{HOST}:{port}/", stream=True))
        assert b"".join(response.iter_bytes()) == body
        assert max(lengths) == client.limits.max_unread_len


def test_a_message_is_read_in_large_pieces(lengths: list[int]) -> None:
    message = "0123456789abcdef" * 65_536

    def app(request: Request) -> Response:
        return Response.upgrade()

    callbacks = Callbacks(ws_message=lambda server, conn, data: server.send(conn, data))
    server = make_http_server(app, host=HOST, port=0, callbacks=callbacks)
    with server.serve_in_thread(), Client(limits=LIMITS) as client:
        with ws_connect(f"ws://{HOST}:{server.port}/", client=client, compress=False) as ws:
            for _ in range(3):
                ws.send(message)
                assert ws.recv(PATIENCE) == message
        assert max(lengths) == LIMITS.max_body_read_len_per_tick
        assert min(lengths) in (1, LIMITS.max_read_len)
