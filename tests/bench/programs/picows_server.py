"""picows by its own interface: a listener whose methods are called with each frame, on uvloop."""

from __future__ import annotations

import asyncio
import os
from itertools import islice
from typing import ClassVar

import uvloop
from orders import CONTROL, Order, announce, listener, messages_of
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_create_server

GREATEST_SZ = 2**24


class Echo(WSListener):  # type: ignore[misc]
    """Every message goes back; one in fragments is put together first."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """A frame of a client; pings are answered by picows."""
        if frame.msg_type == WSMsgType.CLOSE:
            transport.disconnect()
        elif frame.fin and not self.parts:
            transport.send(WSMsgType.TEXT, frame.get_payload_as_utf8_text().encode())
        else:
            self.parts.append(frame.get_payload_as_bytes())
            if frame.fin:
                transport.send(WSMsgType.TEXT, b"".join(self.parts).decode().encode())
                self.parts.clear()


class Member(WSListener):  # type: ignore[misc]
    """One of those that a tick goes to."""

    everyone: ClassVar[set[WSTransport]] = set()

    def on_ws_connected(self, transport: WSTransport) -> None:
        """A client is there."""
        self.everyone.add(transport)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """A client has gone."""
        self.everyone.discard(transport)


async def run(order: Order) -> None:
    """Serve until the process is ended."""
    sock, kind = listener(), Echo if order.service == "echo" else Member
    server = await ws_create_server(lambda request: kind(), sock=sock, max_frame_size=GREATEST_SZ)
    messages = messages_of(order)

    def send() -> None:
        os.read(CONTROL, 1)
        for message in islice(messages, order.depth):
            data = message.encode()
            for transport in Member.everyone:
                transport.send(WSMsgType.TEXT, data)

    if order.service == "ticks":
        asyncio.get_running_loop().add_reader(CONTROL, send)
    announce(sock.getsockname()[1])
    await server.serve_forever()


def serve(order: Order) -> None:
    """Serve what is ordered."""
    uvloop.run(run(order))
