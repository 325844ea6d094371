"""What a program sends over a WebSocket, and what it is given.

Theory: what is received is given to the program in one of two ways: to a callback, at once, or to
whoever asks for it (`take`), which loops do.

Rules: what the program has not taken is bounded (`max_received_len`), and beyond that the
connection is not read; what it sends is bounded (`max_queue_len`), and dropped beyond. Nothing is
queued while there is no connection. `position` moves when a message is given to the program. A
callback that raises is logged and ends the WebSocket with 1011. It does not know when to connect
(`websocket_reconnecting`), nor who waits (`websocket`, `websocket_async`).
"""

import logging
from collections.abc import Callable
from typing import Protocol, assert_never

from ...core.client.responses import ResponseHead
from ...core.client.websocket_positions import Delivery, Fact, Gap, Located, Silence
from ...core.client.websocket_retry import Happening, StreamState
from ...core.effects import ERROR_LOG
from ...core.parse_result import Malformed
from ...core.send_status import SendStatus
from ...core.tls import Tls
from ...core.websocket.fragments import CompressedMessage, Message, decompress
from ..program.logs import write_text
from ..program.tracebacks import EXIT_EXCEPTIONS, error_text
from .client import Client
from .websocket_connection import WebSocketConnection
from .websocket_errors import WebSocketClosed
from .websocket_inbox import Inbox
from .websocket_reconnecting import Reconnecting
from .websocket_settings import WebSocketSettings, checked_close, checked_message, checked_ping

_LOG = logging.getLogger(ERROR_LOG)
CALLBACK_RAISED = 1011
EXPECTED_CODES = frozenset((1000, 1001, 1005))
"""The codes of ends that are no failure."""
Function = Callable[..., object] | None


class CallbackTable(Protocol):
    """The functions of a program; `WebSocketCallbacks` says when they are called."""

    @property
    def open(self) -> Function:
        """Called with the WebSocket."""

    @property
    def message(self) -> Function:
        """Called with the WebSocket and the message."""

    @property
    def close(self) -> Function:
        """Called with the WebSocket, code, reason, and seconds until the next attempt."""

    @property
    def drain(self) -> Function:
        """Called with the WebSocket."""

    @property
    def pong(self) -> Function:
        """Called with the WebSocket and the payload."""

    @property
    def gap(self) -> Function:
        """Called with the WebSocket and the gap."""

    @property
    def error(self) -> Function:
        """Called with the WebSocket and the exception."""


class MessageSide(Reconnecting):
    """A WebSocket with what a program does with it."""

    def __init__(
        self, settings: WebSocketSettings, client: Client, callbacks: CallbackTable
    ) -> None:
        super().__init__(settings, client)
        self.callbacks = callbacks
        self._inbox = Inbox(settings.limits.max_received_len)
        self._position = settings.after
        self.on_change: Callable[[], object] | None = None
        """Called whenever something has happened."""
        self._ending: tuple[int, str] | None = None
        self.pongs = 0
        """How many pongs were received."""
        self._calls = 0
        """How many callbacks are under way."""

    # -- questions ---------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """The address, without user and query that may be secret."""
        return self.settings.uri.shown

    @property
    def state(self) -> StreamState:
        """Waiting for the next attempt, connecting, open, closing or closed."""
        return self._machine.state

    @property
    def is_open(self) -> bool:
        """True while messages can be sent."""
        return self._machine.state is StreamState.OPEN

    @property
    def is_over(self) -> bool:
        """True when it is closed for good."""
        return self._machine.state is StreamState.CLOSED

    @property
    def position(self) -> str | None:
        """Where in a sigil server's stream the program is: behind the message it was given last;
        `after` for another `ws_connect`. None without one.
        """
        return self._position

    @property
    def subprotocol(self) -> str | None:
        """The subprotocol that the server chose; None if none."""
        return None if self._connection is None else self._connection.subprotocol

    @property
    def response(self) -> ResponseHead | None:
        """The head of the 101; None before."""
        return None if self._connection is None else self._connection.head

    @property
    def tls(self) -> Tls | None:
        """What the handshake of TLS has settled; None without TLS."""
        return None if self._connection is None else self._connection.tls

    @property
    def close_code(self) -> int | None:
        """The code with which it is over; None before."""
        return None if self._ending is None else self._ending[0]

    @property
    def close_reason(self) -> str:
        """The reason with which it is over."""
        return "" if self._ending is None else self._ending[1]

    @property
    def buffered_amount(self) -> int:
        """Bytes that were sent and that the kernel has not taken, at most."""
        return 0 if self._connection is None else self._connection.buffered_amount

    @property
    def has_messages(self) -> bool:
        """True if something that was received waits to be taken."""
        return bool(self._inbox)

    @property
    def is_blocked(self) -> bool:
        """True while the server is behind with reading what it is sent."""
        return self._connection is not None and self._connection.is_blocked

    @property
    def is_gone(self) -> bool:
        """True when it is over and its connection is gone, which may be a little later."""
        return self.is_over and (self._connection is None or self._connection.is_gone)

    @property
    def is_settled(self) -> bool:
        """True unless the first attempt is under way."""
        machine = self._machine
        return machine.has_opened or machine.failures > 0 or self.is_over

    def require_open(self) -> None:
        """Give up, and raise what it failed with, if the first attempt has failed."""
        if not self._machine.has_opened:
            error = self.error
            self.close()
            raise error or WebSocketClosed(self.close_code or 1006, self.close_reason)

    # -- what the program wants --------------------------------------------------------------------

    def send(self, data: Message) -> SendStatus:
        """Send a str as a text or bytes as a binary message, now or not at all; true unless it was
        dropped, since there is no connection or too much waits. From a thread that does not tick
        it is sent by the next tick, and true says that it is to be.
        """
        if type(data) not in (str, bytes):
            data = checked_message(data)
        connection = self._connection
        if connection is None or self._machine.state is not StreamState.OPEN:
            return SendStatus.DROPPED
        if self.client.loop.is_elsewhere:
            if isinstance(data, str):
                data.encode()  # what cannot be sent is raised here
            self.client.call_soon(MessageSide.send, self, data)
            return SendStatus.SUCCESS
        return connection.send(data)

    def ping(self, payload: bytes = b"") -> None:
        """Send a ping of up to 125 bytes; `pong` is called with the answer. From a thread that does
        not tick it is sent by the next tick.
        """
        checked_ping(payload)
        if self.client.loop.is_elsewhere:
            self.client.call_soon(self.ping, payload)
        elif self._connection is not None:
            self._connection.ping(payload)

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close for good: the close frame goes behind what was sent, and `close` is called when the
        server has answered, or after `close_timeout`. ValueError for a code that may not be sent,
        TypeError for a reason that is no str. From a thread that does not tick it is closed by the
        next tick.
        """
        checked_close(code, reason)
        if self.client.loop.is_elsewhere:
            self.client.call_soon(self.close, code, reason)
            return
        self._step(Happening("close", code=code, reason=reason))

    def take(self) -> Message | None:
        """The next message that was received, if there is no callback for it; None if none waits.

        RuntimeError if there is such a callback.
        """
        if self.callbacks.message is not None:
            raise RuntimeError("messages are given to the callback `message`")
        while (fact := self._inbox.take()) is not None:
            if self._inbox.has_room and self._connection is not None:
                self._connection.set_reading(True)
            message = self._give(fact)
            if message is not None:
                return message
        return None

    def closed_error(self) -> BaseException:
        """What is raised to whoever waits for something of a connection that is no more."""
        if not self.is_over:
            return self.error or WebSocketClosed(1006, "")
        return self.final_error() or WebSocketClosed(self.close_code or 1006, self.close_reason)

    def start_ping(self) -> Callable[[], bool]:
        """Send a ping; returns what is true when a pong has come, or none will any more."""
        connection, pongs = self._connection, self.pongs
        self.ping()
        return lambda: self.pongs > pongs or self._connection is not connection or not self.is_open

    def final_error(self) -> BaseException | None:
        """What is to be raised when it is over: None if it ended as it should."""
        if self._is_closed_by_program or self._ending is None:
            return None
        if self._ending[0] in EXPECTED_CODES and self._unopened is None:
            return None
        return self._unopened or self.error or WebSocketClosed(*self._ending)

    # -- what happens ------------------------------------------------------------------------------

    def _accept(self, fact: Fact, length: int) -> None:
        """Give a fact to the callback, or keep it for whoever asks."""
        if self._machine.state is not StreamState.OPEN:
            return
        if self.callbacks.message is None:
            self._inbox.put(fact, length)
            if self._inbox.is_full and self._connection is not None:
                self._connection.set_reading(False)
            self._changed()
            return
        message = self._give(fact)
        if message is not None:
            self._call(self.callbacks.message, message)

    def _give(self, fact: Fact) -> Message | None:
        """The message that a fact is for the program, if any; the position moves with it."""
        match fact:
            case Delivery(message, position):
                opened = self._open(message)
                if opened is not None and position is not None:
                    self._position = position
                return opened
            case Located(position):
                self._position = position
            case Gap():
                self._position = fact.position
                self._call(self.callbacks.gap, fact)
            case Silence():
                pass
            case _:
                assert_never(fact)
        return None

    def _open(self, message: Message | CompressedMessage) -> Message | None:
        """The message, decompressed; None if it cannot be, which ends the WebSocket."""
        if not isinstance(message, CompressedMessage):
            return message
        opened = decompress(message, self.settings.limits.max_message_len)
        if isinstance(opened, Malformed):
            self._inbox.clear()
            self._cannot_open(opened)
            return None
        return opened

    def ponged(self, connection: WebSocketConnection, payload: bytes) -> None:
        """A pong was received."""
        self.pongs += 1
        self._call(self.callbacks.pong, payload)
        self._changed()

    def drained(self, connection: WebSocketConnection) -> None:
        """All that was sent was taken."""
        if connection is self._connection:
            self._call(self.callbacks.drain)
            self._changed()

    def _emit_open(self) -> None:
        self._call(self.callbacks.open)

    def _emit_error(self) -> None:
        self._call(self.callbacks.error, self.error)

    def _emit_close(self, code: int, reason: str, retry_after: float | None) -> None:
        if retry_after is None:
            self._ending = code, reason
        self._call(self.callbacks.close, code, reason, retry_after)

    def _is_held_up(self) -> bool:
        return self._inbox.is_full

    def _changed(self) -> None:
        """Something has happened."""
        if self.on_change is not None:
            self.on_change()

    def _call(self, function: Callable[..., object] | None, *arguments: object) -> None:
        """Call a function of the program; one that raises is logged, and ends the WebSocket."""
        if function is None:
            return
        self._calls += 1
        try:
            function(self, *arguments)
        except EXIT_EXCEPTIONS:
            raise
        except BaseException as error:
            write_text(_LOG, logging.ERROR, error_text(f"a callback of {self.url} raised", error))
            self._step(Happening("close", code=CALLBACK_RAISED, reason="a callback raised"))
        finally:
            self._calls -= 1

    def __repr__(self) -> str:
        return f"<WebSocket {self.state.value}: {self.url}>"
