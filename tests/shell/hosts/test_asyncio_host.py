"""WebSockets inside asyncio: all five callbacks may wait, the order of each connection stays, the
others go on.

The clients are those of `websockets`; nothing here runs a thread.
"""

import asyncio
import gc
import socket
import struct
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from sigil import (
    Callbacks,
    CloseReason,
    Conn,
    HttpServer,
    Response,
    http_server_serve,
    make_http_server,
)
from tests.support.servers import HOST, PATIENCE, logged_by, make, pump, ticking
from tests.support.websocket_client import DECISIVE, CallbackLog, WebSocketClient, text, upgrade

Deed = Callable[..., Awaitable[None]]


@asynccontextmanager
async def hosted(callbacks: Callbacks) -> AsyncIterator[HttpServer]:
    """A server on this loop; at the end it has ended."""
    server = make(upgrade, callbacks=callbacks)
    server.listen()
    task = asyncio.create_task(http_server_serve(server))
    try:
        yield server
    finally:
        server.stop(0)
        await asyncio.wait_for(task, PATIENCE)


def joined(server: HttpServer) -> connect:
    """A client of this server."""
    return connect(
        f"ws://{HOST}:{server.port}/chat", compression=None, max_size=None, ping_interval=None
    )


async def until(so: Callable[[], bool]) -> None:
    """Let the loop turn until something is so."""
    async with asyncio.timeout(PATIENCE):
        while not so():
            await asyncio.sleep(0.001)


async def close_code(client: ClientConnection) -> int:
    """The code with which this client was closed; what came before is read."""
    with pytest.raises(ConnectionClosed):
        async with asyncio.timeout(PATIENCE):
            while True:
                await client.recv()
    return client.close_code or 0


def waiting(diary: CallbackLog, name: str) -> Deed:
    """A callback that gives way, notes that it has ended, and says so to its client."""

    async def deed(server: HttpServer, conn: Conn, *told: object) -> None:
        await asyncio.sleep(0.01)
        if name in ("ws_open", "ws_message"):
            server.send(conn, f"{name} {told[0] if name == 'ws_message' else ''}".strip())
        diary.lines.append((f"{name} done", conn))

    return deed


def test_all_five_may_wait_and_what_a_connection_is_told_stays_in_order() -> None:
    diary = CallbackLog()
    names = [name for name in Callbacks._fields if name not in DECISIVE]
    diary.deeds = {name: waiting(diary, name) for name in names}

    async def main() -> None:
        async with hosted(diary.callbacks) as server:
            async with joined(server) as client:
                for number in range(5):
                    await client.send(str(number))
                assert [await client.recv() for _ in range(6)] == [
                    "ws_open",
                    *(f"ws_message {n}" for n in range(5)),
                ]
            await until(lambda: diary.lines[-1][0] == "close done")

    asyncio.run(main())
    names = ["open", "ws_open", *["ws_message"] * 5, "ws_close", "close"]
    assert [line[0] for line in diary.lines] == [
        line for name in names for line in (name, f"{name} done")
    ]
    assert diary.of("ws_message") == [(str(number),) for number in range(5)]
    assert diary.endings == [(CloseReason.WS_PEER_CLOSED, 1000)]


def test_one_that_waits_holds_up_nobody_else_and_what_comes_meanwhile_keeps_its_order() -> None:
    gate = asyncio.Event()
    diary = CallbackLog()

    async def deed(server: HttpServer, conn: Conn, data: str) -> None:
        if data == "wait":
            await gate.wait()
        server.send(conn, data)

    diary.deeds = {"ws_message": deed}

    async def main() -> None:
        async with (
            hosted(diary.callbacks) as server,
            joined(server) as slow,
            joined(server) as quick,
        ):
            await slow.send("wait")
            for number in range(50):
                await slow.send(f"slow {number}")
                await quick.send(f"quick {number}")
                assert await quick.recv() == f"quick {number}"
            assert diary.of("ws_message")[0] == ("wait",)
            assert ("slow 0",) not in diary.of("ws_message")
            gate.set()
            assert [await slow.recv() for _ in range(51)] == [
                "wait",
                *(f"slow {number}" for number in range(50)),
            ]

    asyncio.run(main())
    diary.assert_balanced()


@pytest.mark.parametrize("name", ["open", "ws_open", "ws_message", "ws_close", "close"])
def test_one_that_raises_after_it_waited_ends_its_connection_only(name: str) -> None:
    diary = CallbackLog()

    async def deed(server: HttpServer, conn: Conn, *told: object) -> None:
        await asyncio.sleep(0)
        if conn == diary.lines[-1][1] and len({line[1] for line in diary.lines}) > 1:
            raise RuntimeError("on purpose")

    async def main() -> None:
        async with hosted(diary.callbacks) as server, joined(server) as other:
            diary.deeds = {name: deed}
            try:
                async with joined(server) as client:
                    await client.send("x")
                    if name in ("ws_open", "ws_message"):
                        assert await close_code(client) == 1011
            except WebSocketException as error:
                assert name == "open", error
            await until(lambda: len(diary.of("close")) == 1)
            diary.deeds = {}
            await other.ping()
            assert other.close_code is None

    with logged_by("sigil.error") as errors:
        asyncio.run(main())
    diary.assert_balanced()
    assert len(errors) == 1
    assert "on purpose" in errors[0]


def test_a_task_may_broadcast_and_close_between_ticks() -> None:
    diary = CallbackLog()

    async def main() -> None:
        async with hosted(diary.callbacks) as server, joined(server) as one, joined(server) as two:
            server.broadcast("all")
            assert [await one.recv(), await two.recv()] == ["all", "all"]
            for line in [line for line in diary.lines if line[0] == "ws_open"]:
                server.close(line[1], 4000, "enough")
            assert [await close_code(one), await close_code(two)] == [4000, 4000]
            assert one.close_reason == "enough"

    asyncio.run(main())
    diary.assert_balanced()


def test_delivery_stops_when_the_program_closes_while_it_waits() -> None:
    diary = CallbackLog()

    async def deed(server: HttpServer, conn: Conn, data: str) -> None:
        await asyncio.sleep(0.02)
        server.close(conn, 4000)

    diary.deeds = {"ws_message": deed}

    async def main() -> None:
        async with hosted(diary.callbacks) as server, joined(server) as client:
            for number in range(5):
                await client.send(str(number))
            assert await close_code(client) == 4000

    asyncio.run(main())
    assert diary.of("ws_message") == [("0",)]
    diary.assert_balanced()


@pytest.mark.parametrize("name", ["ws_message", "ws_close"])
def test_every_beginning_has_its_end_though_the_server_ends_first(name: str) -> None:
    diary = CallbackLog()

    async def deed(server: HttpServer, conn: Conn, *told: object) -> None:
        await asyncio.sleep(PATIENCE if name == "ws_message" else 0.01)

    diary.deeds = {name: deed}

    async def main() -> None:
        async with hosted(diary.callbacks) as server, joined(server) as client:
            await client.send("x")
            await until(lambda: bool(diary.of("ws_message")))
            server.stop(0.1)  # the grace is for callbacks too, though their clients have closed
            assert await close_code(client) == 1001
            await until(lambda: not server.running)

    asyncio.run(main())
    diary.assert_balanced()


def test_an_asynchronous_callback_outside_asyncio_is_a_failure_that_says_so() -> None:
    async def deed(server: HttpServer, conn: Conn, data: str) -> None:
        """Never runs."""

    diary = CallbackLog(ws_message=deed)
    with (
        logged_by("sigil.error") as errors,
        ticking(upgrade, callbacks=diary.callbacks) as server,
    ):
        client = WebSocketClient(server, b"")
        pump(server, lambda: client.is_open, client)
        client.send(text("x"))
        pump(server, lambda: client.close_code == 1011, client)
        client.close()
    assert "http_server_serve" in errors[0]
    diary.assert_balanced()


def test_a_coroutine_that_is_cancelled_before_it_begins_is_closed_without_a_warning() -> None:
    class Lines:
        def __aiter__(self) -> "Lines":
            return self

        async def __anext__(self) -> bytes:
            return b"line\n"

    server = make_http_server(lambda request: Response.stream(Lines()), host=HOST, port=0)
    server.listen()

    async def main() -> None:
        task = asyncio.create_task(http_server_serve(server))
        with socket.create_connection((HOST, server.port)) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await until(lambda: bool(server.stats().closed))
        server.stop(0)
        await asyncio.wait_for(task, PATIENCE)

    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        asyncio.run(main())
        gc.collect()
    assert [str(one.message) for one in warned] == []
