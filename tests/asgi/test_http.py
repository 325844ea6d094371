"""Requests of applications: back-pressure in both directions."""

import asyncio
import gc
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from sigil import Limits
from tests.asgi.serving import Client, Served, sigil_in_asyncio, sigil_in_thread, until
from tests.asgi.table import get
from tests.support.servers import logged_by

SERVERS = {"asyncio": sigil_in_asyncio, "thread": sigil_in_thread}
LIMITS = Limits(max_streamed_body_len=2**30, half_closed_timeout=0.1)
PIECE = bytes(100_000)


@pytest.fixture(scope="module", params=SERVERS)
def served(request: pytest.FixtureRequest) -> Iterator[Served]:
    """One server for all."""
    with SERVERS[request.param](Served(request.param), limits=LIMITS) as served:
        yield served


def test_a_stream_waits_for_a_client_that_does_not_read_and_is_whole(served: Served) -> None:
    sent: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})
        for number in range(300):
            await send({"type": "http.response.body", "body": PIECE, "more_body": True})
            sent.append(number)
        await send({"type": "http.response.body"})

    served.app = app
    with Client(served.port) as client:
        client.send(get())
        client.read_until(b"\r\n\r\n")
        assert len(sent) < 300  # 30 MB, and some are on their way
        length, tail = len(client.received), client.received[-10:]
        while not tail.endswith(b"\r\n0\r\n\r\n"):
            data = client.sock.recv(1_000_000)
            assert data
            length, tail = length + len(data), (tail + data)[-10:]
    assert length > 300 * len(PIECE)
    assert len(sent) == 300


def test_who_waits_for_a_reader_is_told_when_it_leaves(served: Served) -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200})
        try:
            while True:
                await send({"type": "http.response.body", "body": PIECE, "more_body": True})
        except OSError as error:
            seen.append(type(error).__name__)
        seen.append((await receive())["type"])

    served.app = app
    with Client(served.port) as client:
        client.send(get())
        client.read_until(b"\r\n\r\n")
    until(lambda: len(seen) == 2)
    assert seen == ["ClientDisconnected", "http.disconnect"]


def test_tasks_that_send_at_once_wait_for_the_client_together(served: Served) -> None:
    """What one sends while another waits is behind it, and no reason to break the body off."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        piece = {"type": "http.response.body", "body": PIECE, "more_body": True}
        await send({"type": "http.response.start", "status": 200})
        await asyncio.gather(*[send(piece) for _ in range(40)])
        await send({"type": "http.response.body", "body": b"end"})

    served.app = app
    with Client(served.port) as client:
        client.send(get())
        assert client.answer().body == PIECE * 40 + b"end"


def test_tasks_that_receive_at_once_have_a_piece_each(served: Served) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        first, second = await asyncio.gather(receive(), receive())
        got = b"".join([message["type"].encode() + message["body"] for message in (first, second)])
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": got})

    served.app = app
    with Client(served.port) as client:
        client.send(get(method="POST", more="Transfer-Encoding: chunked\r\n"))
        client.send(b"1\r\na\r\n0\r\n\r\n")
        assert client.answer().body == b"http.requestahttp.request"


def test_what_is_no_end_of_the_program_is_logged_once(served: Served) -> None:
    class Odd(BaseException):
        pass

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0)
        raise Odd

    served.app = app
    with logged_by("asyncio") as told, Client(served.port) as client:
        client.send(get())
        assert client.answer().status == 500
        gc.collect()
    assert told == []


def test_an_upload_waits_for_an_application_that_does_not_receive(served: Served) -> None:
    lengths: list[int] = []
    gates: list[asyncio.Event] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        gates.append(asyncio.Event())
        await asyncio.wait_for(gates[0].wait(), 60)
        while (message := await receive())["more_body"]:
            lengths.append(len(message["body"]))
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"taken"})

    served.app = app
    total = 40_000_000
    with Client(served.port) as client:
        client.send(f"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {total}\r\n\r\n".encode())
        until(lambda: bool(gates))
        sent = _send_until_full(client.sock, total)
        assert sent < total
        gates[0]._loop.call_soon_threadsafe(gates[0].set)  # type: ignore[attr-defined]
        client.sock.sendall(bytes(total - sent))
        assert client.answer().body == b"taken"
    assert sum(lengths) == total
    assert max(lengths) <= 2 * LIMITS.max_body_piece_len  # and what one read brings


def _send_until_full(sock: socket.socket, total: int) -> int:
    """How much of so many bytes is taken until nothing more is, within a moment."""
    sock.settimeout(0.3)
    sent = 0
    try:
        while sent < total:
            sent += sock.send(bytes(min(1_000_000, total - sent)))
    except TimeoutError:
        pass
    sock.settimeout(60)
    return sent


def test_who_is_cancelled_while_it_receives_loses_nothing(served: Served) -> None:
    pieces: list[bytes] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        has_more = True
        while has_more:
            try:
                message = await asyncio.wait_for(receive(), 0.001)
            except TimeoutError:
                continue
            pieces.append(message["body"])
            has_more = message["more_body"]
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"".join(pieces)})

    served.app = app
    with Client(served.port) as client:
        client.send(get(method="POST", more="Transfer-Encoding: chunked\r\n"))
        for piece in (b"a", b"b", b"c"):
            client.send(b"1\r\n%s\r\n" % piece)
            until(lambda piece=piece: piece in b"".join(pieces))  # type: ignore[misc]
        client.send(b"0\r\n\r\n")
        assert client.answer().body == b"abc"


def test_many_requests_at_once_are_answered_in_order(served: Served) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"].endswith("3"):
            await asyncio.sleep(0.005)
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": scope["path"].encode()})

    served.app = app
    with Client(served.port) as client:
        client.send(b"".join([get(f"/{number}") for number in range(20)]))
        client.read_until(b"/19")
        places = [client.received.index(b"\r\n\r\n/%d" % number) for number in range(20)]
    assert places == sorted(places)


def test_a_program_that_blocks_in_one_request_harms_no_other_behind_it(served: Served) -> None:
    """What an application does for one client does not end another's."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/wrong":
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
            raise ValueError("wrong")
        await send({"type": "http.response.start", "status": 200})
        await asyncio.sleep(0.01)
        await send({"type": "http.response.body", "body": b"right"})

    served.app = app
    with Client(served.port) as right, Client(served.port) as wrong:
        right.send(get("/right"))
        wrong.send(get("/wrong"))
        assert not wrong.answer().is_whole
        assert right.answer().body == b"right"
        right.received = b""
        right.send(get("/right"))
        assert right.answer().body == b"right"
