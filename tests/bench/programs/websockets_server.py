"""websockets: its asyncio server with the extension in C that it ships, as its documentation writes
an echo and a broadcast."""

from __future__ import annotations

import asyncio
import os
import signal

from orders import CONTROL, LONG_S, Order, announce, listener, messages_of
from websockets.asyncio.server import ServerConnection, broadcast
from websockets.asyncio.server import serve as serve_websockets

GREATEST_SZ = 2**24


async def until_told_to_end() -> None:
    """Returns at SIGTERM; an exception raised by the signal might be lost in asyncio."""
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    await told.wait()


async def echo(order: Order) -> None:
    """Every message goes back to who sent it."""

    async def reply(websocket: ServerConnection) -> None:
        async for message in websocket:
            await websocket.send(message)

    sock = listener()
    async with serve_websockets(
        reply, sock=sock, compression=None, max_size=GREATEST_SZ, ping_interval=LONG_S
    ):
        announce(sock.getsockname()[1])
        await until_told_to_end()


async def tick(order: Order) -> None:
    """A tick goes to everyone."""
    connections: set[ServerConnection] = set()
    messages = messages_of(order)

    async def join(websocket: ServerConnection) -> None:
        connections.add(websocket)
        await websocket.wait_closed()
        connections.discard(websocket)

    def send() -> None:
        os.read(CONTROL, 1)
        for _ in range(order.depth):
            broadcast(connections, next(messages))

    sock = listener()
    compression = "deflate" if order.service == "deflate" else None
    async with serve_websockets(join, sock=sock, compression=compression, ping_interval=LONG_S):
        announce(sock.getsockname()[1])
        asyncio.get_running_loop().add_reader(CONTROL, send)
        await until_told_to_end()


def serve(order: Order) -> None:
    """Serve what is ordered."""
    asyncio.run(echo(order) if order.service == "echo" else tick(order))
