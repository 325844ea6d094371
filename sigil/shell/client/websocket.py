"""A WebSocket that a program has: made by `ws_connect`, for callbacks, scripts and coroutines.

Theory: the object is one for three styles. With callbacks somebody ticks its client, and functions
are called. A script has nobody else who ticks, so there what waits ticks the client. Under asyncio
`async with` gives an `AsyncWebSocket`, whose methods are awaited.

Rules: nothing waits inside a callback, nor where a server or asyncio ticks the client. It does not
know what is received: `websocket_messages` does.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple, Self

from ...core.client.websocket_positions import Gap
from ...core.client.websocket_retry import Happening
from ...core.send_status import SendStatus
from ...core.websocket.fragments import Message
from .client import Client
from .websocket_async import AsyncWebSocket
from .websocket_connection import clock
from .websocket_errors import WebSocketClosed, WebSocketTimeout
from .websocket_messages import MessageSide
from .websocket_settings import WebSocketSettings


class WebSocketCallbacks(NamedTuple):
    """The functions that a WebSocket calls, on the thread that ticks; each is optional.

    `open(ws)` is called when a connection is there, again after each reconnecting;
    `message(ws, data)` with a str for a text and bytes for a binary message; `drain(ws)` when the
    server was behind with reading and has taken all that it was sent; `pong(ws, payload)`;
    `gap(ws, gap)` when messages of a sigil server are missing; `error(ws, error)` when an attempt
    has failed, or a connection was lost; and `close(ws, code, reason, retry_after)` when one has
    ended: the next attempt is in `retry_after` seconds, None if there is none. They may send and
    close. One that raises is logged, and ends the WebSocket with 1011.
    """

    open: "Callable[[WebSocket], object] | None" = None
    message: "Callable[[WebSocket, str | bytes], object] | None" = None
    close: "Callable[[WebSocket, int, str, float | None], object] | None" = None
    drain: "Callable[[WebSocket], object] | None" = None
    pong: "Callable[[WebSocket, bytes], object] | None" = None
    gap: "Callable[[WebSocket, Gap], object] | None" = None
    error: "Callable[[WebSocket, BaseException], object] | None" = None


NO_CALLBACKS = WebSocketCallbacks()


class WebSocket(MessageSide):
    """A WebSocket; made by `ws_connect`."""

    def __init__(
        self,
        settings: WebSocketSettings,
        client: Client,
        callbacks: WebSocketCallbacks = NO_CALLBACKS,
        owns_client: bool = False,
    ) -> None:
        super().__init__(settings, client, callbacks)
        self._owns_client = owns_client
        self._asynchronous: AsyncWebSocket | None = None
        self._step(Happening("start"))

    # -- for scripts -------------------------------------------------------------------------------

    def send(self, data: Message) -> SendStatus:
        """Send a str as a text or bytes as a binary message, now or not at all; true unless it was
        dropped, since there is no connection or too much waits. In a script, it waits while the
        server is behind with reading. From a thread that does not tick it is sent by the next tick,
        and true says that it is to be.
        """
        status, connection = super().send(data), self._connection
        if (
            connection is None
            or self.client.loop.is_elsewhere
            or not (connection.is_blocked and self.is_blocking)
        ):
            return status
        self._wait_for(lambda: not connection.is_blocked or connection.is_over)
        return SendStatus.SUCCESS if status and not connection.is_over else status

    @property
    def is_blocking(self) -> bool:
        """True where nobody else ticks the client, so that what waits does."""
        is_ours = self._owns_client and not self._calls
        return is_ours and not self.client.is_hosted and not self.client.loop.is_elsewhere

    def _wait_for(self, is_so: Callable[[], bool], timeout: float | None = None) -> bool:
        """Tick the client until it is so; False if that takes longer than `timeout` seconds."""
        until = None if timeout is None else clock() + timeout
        while not is_so():
            left = None if until is None else until - clock()
            if left is not None and left <= 0:
                return False
            self.client.tick(left)
        return True

    def wait_open(self, timeout: float | None = None) -> None:
        """Wait until there is a connection. If the first attempt fails, what it failed with is
        raised; `WebSocketTimeout` after so many seconds.
        """
        if not self._wait_for(lambda: self.is_settled, timeout):
            raise WebSocketTimeout(f"{self.url}: no connection in {timeout:g} s")
        self.require_open()

    def recv(self, timeout: float | None = None) -> Message:
        """The next message, waited for. `WebSocketClosed` when it is over, `WebSocketTimeout` after
        so many seconds.
        """
        message = self.take()
        if message is None:
            found: list[Message] = []

            def is_there() -> bool:
                taken = self.take()
                if taken is not None:
                    found.append(taken)
                return taken is not None or self.is_over

            if not self._wait_for(is_there, timeout):
                raise WebSocketTimeout(f"{self.url}: no message in {timeout:g} s")
            if not found:
                raise self.closed_error()
            message = found[0]
        return message

    def measure_ping(self, timeout: float | None = None) -> float:
        """Seconds until a ping was answered, waited for. `WebSocketClosed`, or what the connection
        was lost with, if there is none that answers; `WebSocketTimeout` after so many seconds.
        """
        start, pongs = clock(), self.pongs
        if not self._wait_for(self.start_ping(), timeout):
            raise WebSocketTimeout(f"{self.url}: no pong in {timeout:g} s")
        if self.pongs == pongs:
            raise self.closed_error()
        return clock() - start

    def __iter__(self) -> Iterator[Message]:
        """The messages until it is over; what it ended with is raised if that was a failure."""
        while True:
            try:
                message = self.recv()
            except WebSocketClosed:
                error = self.final_error()
                if error is not None:
                    raise error from None
                return
            yield message

    def __enter__(self) -> Self:
        """The WebSocket, when there is a connection."""
        try:
            self.wait_open()
        except BaseException:
            self._let_go()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
        self._wait_for(lambda: self.is_gone)
        self._let_go()

    def _let_go(self) -> None:
        """Close the client, if it is for this WebSocket alone."""
        if self._owns_client:
            self.client.close()

    # -- under asyncio -----------------------------------------------------------------------------

    async def __aenter__(self) -> AsyncWebSocket:
        """The WebSocket for coroutines, when there is a connection."""
        self._asynchronous = AsyncWebSocket(self)
        try:
            await self._asynchronous.wait_open()
        except BaseException:
            self._let_go()
            raise
        return self._asynchronous

    async def __aexit__(self, *error: object) -> None:
        assert self._asynchronous is not None
        try:
            await self._asynchronous.close()
        finally:
            self._let_go()
