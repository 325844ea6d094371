"""A WebSocket for coroutines: what waits is awaited.

Theory: asyncio ticks the client, and the WebSocket says when something has happened; then whoever
waits looks again.

Rules: `send` waits for room: until the server is no longer behind with reading. What is cancelled
while it waits has taken nothing. It does not know the connection.
"""

from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING

from ...core.client.websocket_retry import StreamState
from ...core.send_status import SendStatus
from ...core.websocket.fragments import Message
from .websocket_connection import clock
from .websocket_errors import WebSocketClosed, WebSocketTimeout
from .websocket_messages import MessageSide

if TYPE_CHECKING:
    from asyncio import Future


class AsyncWebSocket:
    """A WebSocket; what `async with ws_connect(url)` gives."""

    def __init__(self, websocket: MessageSide) -> None:
        self.websocket = websocket
        """The WebSocket itself: its state, position, response and figures."""
        self._waiters: set[Future[None]] = set()
        websocket.on_change = self._wake

    def _wake(self) -> None:
        """Something has happened: whoever waits looks again."""
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def _change(self) -> None:
        """Wait until something has happened."""
        # here, since a script has no other use for asyncio
        from asyncio import get_running_loop

        waiter = get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            await waiter
        finally:
            self._waiters.discard(waiter)

    async def _until(self, is_so: Callable[[], bool], timeout: float | None, what: str) -> None:
        """Wait until it is so."""
        from asyncio import timeout as timeout_after

        try:
            async with timeout_after(timeout):
                while not is_so():
                    await self._change()
        except TimeoutError:
            raise WebSocketTimeout(f"{self.websocket.url}: no {what} in {timeout:g} s") from None

    async def wait_open(self, timeout: float | None = None) -> None:
        """Wait until there is a connection. If the first attempt fails, what it failed with is
        raised; `WebSocketTimeout` after so many seconds.
        """
        websocket = self.websocket
        await self._until(lambda: websocket.is_settled, timeout, "connection")
        websocket.require_open()

    async def send(self, data: Message) -> SendStatus:
        """Send a str as a text or bytes as a binary message, when there is room; true unless it was
        dropped, since there is no connection. `WebSocketClosed` when it is over.
        """
        websocket = self.websocket
        while websocket.is_blocked:
            await self._until(self._has_room, None, "room")
        if websocket.is_over:
            raise websocket.closed_error()
        return websocket.send(data)

    def _has_room(self) -> bool:
        websocket = self.websocket
        return not websocket.is_blocked or not websocket.is_open

    async def recv(self, timeout: float | None = None) -> Message:
        """The next message. `WebSocketClosed` when it is over, `WebSocketTimeout` after so many
        seconds.
        """
        websocket = self.websocket
        message = websocket.take()
        if message is None and timeout is not None:
            await self._until(
                lambda: websocket.has_messages or websocket.is_over, timeout, "message"
            )
            message = websocket.take()
        while message is None:
            if websocket.is_over:
                raise websocket.closed_error()
            await self._change()
            message = websocket.take()
        return message

    async def ping(self, timeout: float | None = None) -> float:
        """Seconds until a ping was answered. `WebSocketClosed`, or what the connection was lost
        with, if there is none that answers; `WebSocketTimeout` after so many seconds.
        """
        websocket = self.websocket
        start, pongs = clock(), websocket.pongs
        await self._until(websocket.start_ping(), timeout, "pong")
        if websocket.pongs == pongs:
            raise websocket.closed_error()
        return clock() - start

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close for good, and wait until that is so."""
        websocket = self.websocket
        websocket.close(code, reason)
        await self._until(lambda: websocket.is_gone, None, "end")

    @property
    def state(self) -> StreamState:
        """Waiting for the next attempt, connecting, open, closing or closed."""
        return self.websocket.state

    @property
    def position(self) -> str | None:
        """Where in a sigil server's stream the program is; None without one."""
        return self.websocket.position

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol that the server chose; None if none."""
        return self.websocket.subprotocol

    async def __aiter__(self) -> AsyncIterator[Message]:
        """The messages until it is over; what it ended with is raised if that was a failure."""
        while True:
            try:
                message = await self.recv()
            except WebSocketClosed:
                error = self.websocket.final_error()
                if error is not None:
                    raise error from None
                return
            yield message
