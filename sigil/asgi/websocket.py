"""One WebSocket to an application: its messages in both directions.

Theory: an application is called once for a WebSocket. It is told that somebody wants to connect and
accepts, closes, or answers with a response; then messages come in the order in which they were
received, and leave in the order in which they are sent. Both directions have a bound: a message
more is delivered only when the application has taken some, and `send` waits while the client is
behind.

Rules: what concerns the connection is done on the thread of the server, what concerns the
application on its own (`runner`); what both touch is changed by one indivisible step, and looked at
once more behind that. The end is told once all messages before it are taken. What is sent behind
the end is `ClientDisconnected`. It does not know frames.
"""

import asyncio
import logging
from collections import deque
from contextlib import suppress
from enum import IntEnum
from typing import Any, Final

from sigil import Callbacks, CloseReason, Conn, Deferred, HttpServer, Request, Response, SendStatus

from .exchange import COMPLETE, DENIAL_KINDS, Exchange, is_of_disconnect
from .messages import (
    NORMAL_CLOSURE,
    ClientDisconnected,
    Message,
    accept_of,
    close_of,
    data_of,
    out_of_turn,
    type_of,
)
from .runner import Runner
from .scope import Scope

INCOMING_MAX: Final = 16
"""Messages that wait for the application; what comes behind them waits with the server."""
INCOMING_LEN_MAX: Final = 256 * 1024
"""Bytes of them, above which nothing more is taken: one message may be as long as `Limits` has it,
and sixteen of that length would be too many.
"""
BURST_LEN: Final = 64 * 1024
"""Bytes that are sent to a client before it is looked whether it takes them, and that an
application may be ahead of it.
"""
LOOK_SECONDS: Final = 0.02
"""How often it is looked whether a client takes what it is sent, where nobody tells."""
LOST: Final = 1006
"""The code of a connection that was lost (RFC 6455 section 7.1.5)."""
FAILED: Final = 1011
WENT_AWAY: Final = "the WebSocket is closed"


class State(IntEnum):
    """How far a WebSocket has come, as the application sees it."""

    CONNECTING = 0
    DENYING = 1
    """It is answered with a response."""
    ACCEPTED = 2
    OPEN = 3
    CLOSED = 4
    """By the application, or by what it was told."""


class WebSocketExchange(Exchange):
    """A request for a WebSocket, and the call of the application for it."""

    _kinds = DENIAL_KINDS

    def __init__(self, app: Any, scope: Scope, request: Request, runner: Runner) -> None:
        super().__init__(app, scope, request, runner, False)
        self._server = runner.server
        self._conn: Conn = request.conn
        self._state = State.CONNECTING
        self._has_connected = False
        """The application was told that somebody connects."""
        self._changed = asyncio.Event()
        """Set whenever there is something to be received, or something was sent."""
        # received
        self._incoming: deque[str | bytes] = deque()
        self._received_len = self._given_len = 0
        """Bytes of the messages that have come, and of those that the application has taken."""
        self._rooms: deque[Deferred] = deque()
        """The promises that the application will have taken some."""
        self._end: tuple[int, str] | None = None
        """The code and the reason of the end, behind all that was received."""
        # sent
        self._outgoing: deque[str | bytes] = deque()
        self._put_len = self._taken_len = 0
        """Bytes that the application has sent, and that the server has taken."""
        self._burst_len = 0
        """Bytes that were sent since it was looked whether the client takes them."""
        self._is_behind = False
        self._is_lost = False
        self._closing: tuple[int, str] | None = None
        """The close frame that goes behind all that was sent."""

    # -- receiving ---------------------------------------------------------------------------------

    async def receive(self) -> Message:
        """The next message, as soon as there is one."""
        if not self._has_connected:
            self._has_connected = True
            return {"type": "websocket.connect"}
        while not self._incoming:
            if self._end is not None:
                code, reason = self._end
                self._state = State.CLOSED
                return {"type": "websocket.disconnect", "code": code, "reason": reason}
            await self._wait()
        data = self._incoming.popleft()
        self._given_len += len(data)
        while self._rooms and not self._is_full(2):
            self._rooms.popleft().resolve(None)
        kind = "text" if isinstance(data, str) else "bytes"
        return {"type": "websocket.receive", kind: data}

    def _is_full(self, divisor: int = 1) -> bool:
        """True if as much as may wait for the application does, or this part of it."""
        if len(self._incoming) * divisor >= INCOMING_MAX:
            return True
        return (self._received_len - self._given_len) * divisor >= INCOMING_LEN_MAX

    async def _wait(self) -> None:
        """Wait until something has changed."""
        self._changed.clear()
        await self._changed.wait()

    def _wake(self) -> None:
        """Something has changed."""
        super()._wake()
        self._changed.set()

    def leave(self) -> None:
        """The client has left, or no WebSocket was opened."""
        super().leave()
        self._finish(LOST, "")

    def _complete(self) -> None:
        """The client has a response, and will have no WebSocket."""
        super()._complete()
        self._end = self._end or (LOST, "")
        self._wake()

    def _finish(self, code: int, reason: str) -> None:
        """The WebSocket has ended."""
        if self._end is None:
            self._end = code, reason
        self._is_lost = True
        self._wake()

    # -- sending -----------------------------------------------------------------------------------

    async def send(self, message: Message) -> None:
        """Take a message; waits while the client is behind."""
        kind = type_of(message)
        while self._state is State.ACCEPTED and not self._is_lost:  # another task has accepted it
            await self._wait()
        state = self._state
        if state is State.OPEN:
            await self._send_open(message, kind)
        elif state is State.CONNECTING:
            await self._send_first(message, kind)
        elif state is State.DENYING:
            await super().send(message)
        elif self._closing is None and self._is_lost:
            self._send_lost(message, kind)
        else:
            raise RuntimeError(
                f"Unexpected ASGI message '{kind}', after sending 'websocket.close' "
                "or response already completed."
            )

    async def _send_first(self, message: Message, kind: str) -> None:
        """Take the answer to a client that connects."""
        if kind == "websocket.accept":
            subprotocol, headers = accept_of(message, self._scope["subprotocols"])
            await self._accept(subprotocol, headers)
        elif kind == "websocket.close":
            close_of(message)
            self._state, self._closing, self._end = State.CLOSED, (LOST, ""), (LOST, "")
            self._respond(Response.error(403))
            self._wake()
        elif kind == DENIAL_KINDS[0]:
            await super().send(message)
            self._state = State.DENYING
        else:
            raise out_of_turn(kind, "websocket.accept", "websocket.close", DENIAL_KINDS[0])

    async def _accept(self, subprotocol: str | None, headers: Any) -> None:
        """Open the WebSocket, and wait until it is."""
        callbacks = Callbacks(
            ws_open=self._on_open, ws_message=self._on_message,
            ws_close=self._on_ws_close, ws_drain=self._on_drain,
        )  # fmt: skip
        response = Response.upgrade(
            subprotocol, headers=headers, after=False, callbacks=callbacks, refused=self._on_refused
        )
        self._state = State.ACCEPTED
        self._respond(response)
        while self._state is State.ACCEPTED and not self._is_lost:
            await self._wait()
        if self._state is State.ACCEPTED:
            self._state = State.CLOSED
            raise ClientDisconnected("the WebSocket was not opened")

    async def _send_open(self, message: Message, kind: str) -> None:
        """Take a message to an open WebSocket."""
        if kind == "websocket.send":
            data = data_of(message)
            if self._is_lost:
                raise ClientDisconnected(WENT_AWAY)
            self._outgoing.append(data)
            self._put_len += len(data)
            self._runner.call(self._flush)
            while self._has_to_wait():
                await self._wait_for_client()
            if self._is_lost:
                raise ClientDisconnected(WENT_AWAY)
        elif kind == "websocket.close":
            self._close(*close_of(message))
        else:
            raise out_of_turn(kind, "websocket.send", "websocket.close")

    async def _wait_for_client(self) -> None:
        """Wait until the client has caught up, or something else has changed.

        Nothing is told of that (`ws_drain`) while a message is being delivered: while one waits for
        room, and the application for the client, it is looked at again and again.
        """
        if not self._rooms:
            await self._wait()
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_SECONDS):
                await self._wait()
            return
        self._runner.call(self._look)

    def _send_lost(self, message: Message, kind: str) -> None:
        """Take a message to a client that has left: its end is there already, and nothing else is
        taken.
        """
        if kind != "websocket.close":
            raise ClientDisconnected(WENT_AWAY)
        self._close(*close_of(message))

    def _has_to_wait(self) -> bool:
        """True while the client is behind with what the application has sent."""
        if self._is_lost or not self._outgoing:
            return False
        return self._is_behind or self._put_len - self._taken_len > BURST_LEN

    def _close(self, code: int, reason: str) -> None:
        """Close behind all that was sent; nothing if the client has left, whose end it is then."""
        self._state = State.CLOSED
        self._incoming.clear()
        if self._is_lost:
            return
        self._closing = self._end = code, reason
        self._runner.call(self._flush)
        self._wake()

    # -- on the thread of the server ---------------------------------------------------------------

    def _flush(self) -> None:
        """Send what the application has sent, as far as the client takes it."""
        server, conn, outgoing = self._server, self._conn, self._outgoing
        waited = self._is_behind
        while outgoing and not self._is_behind and not self._is_lost:
            if self._burst_len >= BURST_LEN:
                self._is_behind = True
                server.call_soon(self._look)
                break
            data = outgoing[0]
            status = server.send(conn, data)
            self._burst_len += len(data)
            self._taken_len += len(data)
            outgoing.popleft()
            if status is SendStatus.BACKPRESSURE:
                self._is_behind = True
            elif status is SendStatus.DROPPED:
                self._is_lost = True
        if waited or self._is_lost or not outgoing:
            self._runner.post(self._wake)
        if self._closing is not None and not outgoing and not self._is_lost:
            self._is_lost = True
            server.close(conn, *self._closing)

    def _look(self) -> None:
        """Go on, unless the client is still behind; then it is told when it is not."""
        self._burst_len = 0
        if self._server.buffered_amount(self._conn) < BURST_LEN:
            self._is_behind = False
            self._flush()

    def _on_open(self, server: HttpServer, conn: Conn, request: Request) -> None:
        self._runner.post(self._open)

    def _open(self) -> None:
        self._state = State.OPEN
        self._wake()

    def _on_message(self, server: HttpServer, conn: Conn, data: str | bytes) -> Deferred | None:
        """A message has come; the next is delivered when the application has room for it."""
        if self._closing is not None:
            return None
        self._incoming.append(data)
        self._received_len += len(data)
        if not self._is_full():
            self._runner.post(self._wake)
            return None
        room = Deferred()
        self._rooms.append(room)
        self._runner.post(self._wake)
        if not self._is_full():  # it was taken in between
            room.resolve(None)
        return room

    def _on_drain(self, server: HttpServer, conn: Conn) -> None:
        """The client has taken all that it was sent."""
        self._is_behind, self._burst_len = False, 0
        self._flush()
        self._runner.post(self._wake)

    def _on_ws_close(self, server: HttpServer, conn: Conn, reason: CloseReason, code: int) -> None:
        """The WebSocket has ended; the application may not know yet that it was opened."""
        self._runner.post(self._finish, code, server.close_text(conn))

    def _on_refused(self) -> None:
        """No WebSocket was opened."""
        self._runner.post(self._finish, LOST, "")

    # -- the end -----------------------------------------------------------------------------------

    def _on_error(self, error: BaseException) -> None:
        """The application has raised."""
        if is_of_disconnect(error):
            return
        if self._state in (State.CONNECTING, State.DENYING) and not self._is_lost:
            self._fail(error)
            return
        level = logging.INFO if self._is_lost and self._closing is None else logging.ERROR
        self._log("the application raised", error, level)
        if self._state is State.OPEN and not self._is_lost:
            self._close(FAILED, "")

    def _on_return(self) -> None:
        """The application has returned."""
        if self._is_lost:
            return
        if self._state is State.OPEN:
            self._close(NORMAL_CLOSURE, "")
        elif self._state in (State.CONNECTING, State.DENYING) and self.stage is not COMPLETE:
            is_new = self._state is State.CONNECTING
            what = "without an answer" if is_new else "in the middle of its response"
            self._fail(RuntimeError(f"the application returned {what}"))
