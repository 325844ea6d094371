"""A WebSocket under asyncio: `async with`, `async for`, and a `send` that waits for room."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from aiohttp import WSMsgType, web

from sigil.client import (
    AsyncWebSocket,
    Client,
    ConnectError,
    SendStatus,
    StreamState,
    WebSocketClosed,
    WebSocketLimits,
    WebSocketTimeout,
    ws_connect,
)
from tests.support.certificates import client_context, server_context
from tests.support.websocket_servers import Line, scripted, websockets_server

MIB = 2**20


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The URL of an echo server."""
    with websockets_server(ssl_context=server_context()) as url:
        yield url


def run(url: str, what: Callable[[AsyncWebSocket], Awaitable[None]], **options: Any) -> None:
    """Do this with a WebSocket."""

    async def main() -> None:
        context = client_context()
        async with ws_connect(url, ssl_context=context, **options) as ws:
            await what(ws)
        assert ws.state is StreamState.CLOSED

    asyncio.run(main())


def test_it_sends_and_receives(url: str) -> None:
    async def what(ws: AsyncWebSocket) -> None:
        assert await ws.send("a") is SendStatus.SUCCESS
        assert await ws.recv() == "a"
        assert await ws.ping() > 0
        await ws.send(b"x" * MIB)
        async for message in ws:
            assert message == b"x" * MIB
            break
        assert (ws.subprotocol, ws.position) == (None, None)

    run(url, what)


def test_what_is_waited_for_has_a_time_and_takes_nothing_when_it_is_cancelled(url: str) -> None:
    async def what(ws: AsyncWebSocket) -> None:
        with pytest.raises(WebSocketTimeout, match=r"no message in 0.01 s"):
            await ws.recv(0.01)
        task = asyncio.create_task(ws.recv())
        await asyncio.sleep(0)
        task.cancel()
        await ws.send("a")
        assert await ws.recv() == "a"

    run(url, what)


def test_send_waits_for_room() -> None:
    may_read = asyncio.Event()
    taken: list[int] = []

    def stubborn(line: Line) -> None:
        line.accept()
        while not may_read.is_set():
            line.sock.settimeout(0.01)
            try:
                line.sock.recv(1)
            except TimeoutError:
                continue
        line.sock.settimeout(60)
        taken.append(len(line.read_all()))

    async def what(ws: AsyncWebSocket) -> None:
        async def flood() -> None:
            for _ in range(100):
                assert await ws.send(bytes(100_000))

        task = asyncio.create_task(flood())
        while not ws.websocket.is_blocked:
            await asyncio.sleep(0)
        may_read.set()
        await task

    limits = WebSocketLimits(max_queue_len=MIB, close_timeout=0.1)
    with scripted(stubborn) as plain_url:
        run(plain_url, what, limits=limits, reconnect=False)
    assert taken[0] > 9_000_000


def test_nobody_there_is_raised() -> None:
    async def main() -> None:
        async with ws_connect("ws://127.0.0.1:1/"):
            pass

    with pytest.raises(ConnectError):
        asyncio.run(main())


def test_a_failure_is_raised_by_a_loop() -> None:
    async def what(ws: AsyncWebSocket) -> None:
        got = []
        with pytest.raises(WebSocketClosed, match="is not UTF-8"):
            async for message in ws:
                got.append(message)  # noqa: PERF401 - it raises
        assert got == ["ok"]
        with pytest.raises(WebSocketClosed):
            await ws.send("late")

    with scripted(lambda line: line.accept(behind=b"\x81\x02ok\x81\x01\xff")) as url:
        run(url, what, reconnect=False)


def test_aiohttp_and_many_at_once() -> None:
    async def handler(request: web.Request) -> web.WebSocketResponse:
        response = web.WebSocketResponse(compress=True)
        await response.prepare(request)
        async for message in response:
            if message.type is WSMsgType.TEXT:
                await response.send_str(message.data, compress=15)
            else:
                await response.send_bytes(message.data)
        return response

    async def one(client: Client, url: str, number: int) -> None:
        async with ws_connect(url, client=client) as ws:
            for message in (f"{number}" * 500, bytes([number]) * 70_000, ""):
                await ws.send(message)
                assert await ws.recv() == message

    async def main() -> None:
        server = web.Application()
        server.router.add_get("/", handler)
        runner = web.AppRunner(server)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        async with Client() as client:
            await asyncio.gather(*(one(client, f"ws://127.0.0.1:{port}/", n) for n in range(10)))
        await runner.cleanup()

    asyncio.run(main())


def test_a_ping_over_a_connection_that_is_lost_is_answered_by_nobody() -> None:
    def ending(line: Line) -> None:
        line.accept()
        line.sock.recv(1)

    async def ping(ws: AsyncWebSocket) -> None:
        with pytest.raises(WebSocketClosed):
            await ws.ping()

    with scripted(ending) as url:
        run(url, ping)
