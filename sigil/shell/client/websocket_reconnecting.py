"""One connection of a WebSocket after another: when to connect, and what was received.

Theory: what a WebSocket of a program does when a connection opens, ends or is silent is the table
of `sigil.core.client.websocket_retry`, whose actions are carried out here. What is received over
whatever connection becomes facts, in order, for whoever is built on this.

Positions: a sigil server that is asked says with each message where in its stream the client is
then, and a connection asks for what comes behind the last position that was received; so nothing
that was published is lost or received twice, but for what the server has no longer, of which a
`Gap` tells.

Rules: a message that is longer than this client takes ends the WebSocket for good, since what comes
behind the last position begins with it. Everything happens on the thread that ticks the client,
between two steps of its core. There is one timer at a time: for the handshake, for silence, or for
the next attempt. It does not know what the program does with facts and events: the class above
does.
"""

import os
from collections.abc import Callable
from typing import assert_never

from ...core.client.websocket import Ended
from ...core.client.websocket_positions import (
    Delivery,
    Fact,
    Silence,
    read_message,
    stream_target,
)
from ...core.client.websocket_retry import (
    Abandon,
    Action,
    Connect,
    EmitClose,
    EmitError,
    EmitOpen,
    End,
    Finish,
    Happening,
    Retry,
    StreamState,
    make_machine,
    next_step,
)
from ...core.close_reasons import CLOSE_INFO
from ...core.parse_result import Malformed
from ...core.websocket.fragments import CompressedMessage, Message
from .alarms import Alarm
from .client import Client
from .websocket_connection import Ending, WebSocketConnection, clock, error_of
from .websocket_errors import MessageTooLarge, WebSocketTimeout
from .websocket_settings import WebSocketSettings


class Reconnecting:
    """What a WebSocket knows of its connections."""

    def __init__(self, settings: WebSocketSettings, client: Client) -> None:
        self.settings = settings
        self.client = client
        self._machine = make_machine()
        self._connection: WebSocketConnection | None = None
        self._next_position: str | None = None
        self._received_position = settings.after
        self._timer: Alarm | None = None
        self._opened_at = self._received_at = 0.0
        self._silence = 0.0
        self._is_closed_by_program = False
        self._unopened: BaseException | None = None
        self.error: BaseException | None = None
        """Why the last attempt failed, or the last connection was lost; None if neither."""

    # -- what is built on this says what to do -----------------------------------------------------

    def _accept(self, fact: Fact, length: int) -> None:
        """Take a fact, of a message of so many bytes."""
        raise NotImplementedError

    def ponged(self, connection: WebSocketConnection, payload: bytes) -> None:
        """A pong was received."""
        raise NotImplementedError

    def drained(self, connection: WebSocketConnection) -> None:
        """All that was sent was taken, which was not so before."""
        raise NotImplementedError

    def _emit_open(self) -> None:
        """A connection is there."""
        raise NotImplementedError

    def _emit_error(self) -> None:
        """`error` says what has failed."""
        raise NotImplementedError

    def _emit_close(self, code: int, reason: str, retry_after: float | None) -> None:
        """A connection has ended; None if it was the last."""
        raise NotImplementedError

    def _is_held_up(self) -> bool:
        """True while nothing is read, since the program takes nothing."""
        raise NotImplementedError

    def _changed(self) -> None:
        """Something has happened."""
        raise NotImplementedError

    # -- what its connection reports ---------------------------------------------------------------

    def connected(self, connection: WebSocketConnection) -> None:
        """The handshake was accepted; a stream with positions is open with its first message, since
        a proxy may answer a handshake for a server that nothing gets to.
        """
        if connection is self._connection and not self.settings.is_stream:
            self._opened()

    def _opened(self) -> None:
        self._opened_at = self._received_at = clock()
        self._cancel_timer()
        self._silence = 0.0
        self.error = None
        protocol = None if self._connection is None else self._connection.subprotocol
        self._step(Happening("opened", protocol=protocol))

    def received(
        self, connection: WebSocketConnection, message: Message | CompressedMessage
    ) -> None:
        """A message was received."""
        if connection is not self._connection:
            return
        if not self.settings.is_stream:
            self._accept(Delivery(message, None), len(message))
            return
        self._received_at = clock()
        if self._machine.state is StreamState.CONNECTING:
            self._opened()
        self._next_position, fact = read_message(self._next_position, message)
        if isinstance(fact, Silence):
            self._endure(fact.seconds)
        elif fact is not None:
            self._received_position = fact.position or self._received_position
            self._accept(fact, len(message))

    def ended(self, connection: WebSocketConnection, ending: Ending) -> None:
        """A connection is over."""
        if connection is not self._connection:
            return
        self.error = ending.error
        has_opened = self._machine.has_opened
        is_refused = ending.is_refused and not has_opened
        is_hopeless = is_refused or isinstance(ending.error, MessageTooLarge)
        may_retry = self.settings.reconnects and self.client.running and not is_hopeless
        is_open, lived = self._machine.state is StreamState.OPEN, clock() - self._opened_at
        self._step(
            Happening(
                "ended",
                code=ending.code,
                reason=ending.reason,
                error=None if ending.error is None else str(ending.error),
                is_final=not may_retry,
                was_steady=is_open and lived >= self.settings.backoff.steady,
                has_connected=connection.has_connected,
                was_given_up=connection.was_given_up,
                random=int.from_bytes(os.urandom(7)) / 2**56,
            )
        )

    def gone(self, connection: WebSocketConnection) -> None:
        """There is no connection any more."""
        self._changed()

    # -- silence -----------------------------------------------------------------------------------

    def _endure(self, seconds: float) -> None:
        """The server says for how long nothing may come."""
        if self._silence == 0.0 and self._machine.state is StreamState.OPEN:
            self._silence = seconds
            self._check_silence()

    def _check_silence(self) -> None:
        """Give up a connection over which nothing came for too long; look again if it did."""
        now = clock()
        if self._is_held_up():
            self._received_at = now
        if now - self._received_at >= self._silence:
            self._late(f"no message was received for {self._silence:g} s")
        else:
            self._set_timer(self._received_at + self._silence, self._check_silence)

    def _late(self, why: str) -> None:
        self._step(Happening("late", why=f"{self.settings.uri.shown}: {why}"))

    def _handshake_late(self) -> None:
        limit = self.settings.limits.open_timeout
        connection = self._connection
        what = "the handshake was not answered"
        if connection is not None and connection.has_connected:
            what = "nothing was received"
        self._late(f"{what} in {limit:g} s")

    def _set_timer(self, at: float, function: Callable[[], object]) -> None:
        self._cancel_timer()
        self._timer = self.client.loop.call_at(at, function)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # -- what the table wants ----------------------------------------------------------------------

    def _step(self, event: Happening) -> None:
        """Tell the machine, and carry out what it wants."""
        self._machine, actions = next_step(self._machine, event, self.settings.backoff)
        for action in actions:
            self._perform(action)
        self._changed()

    def _perform(self, action: Action) -> None:
        match action:
            case Connect():
                self._connect()
            case Abandon(why):
                if self._connection is not None:
                    self._connection.abandon(WebSocketTimeout(why))
            case Retry(seconds):
                self._set_timer(clock() + seconds, self._due)
            case EmitOpen():
                self._emit_open()
            case EmitError():
                self._emit_error()
            case EmitClose(code, reason, retry_after):
                is_waiting = self._machine.state is StreamState.WAITING
                if is_waiting:  # else a callback has closed it, and the last end was told
                    self._emit_close(code, reason, retry_after)
            case End(code, reason, has_connection):
                self._end(code, reason, has_connection)
            case Finish(code, reason):
                self._finish(code, reason)
            case _:
                assert_never(action)

    def _connect(self) -> None:
        """Begin an attempt, behind the last position."""
        settings = self.settings
        after = (self._received_position or "") if settings.is_stream else None
        target = stream_target(
            settings.uri.target, settings.topics, settings.history, after, settings.is_stream
        )
        path, _, query = target.partition("?")
        uri = settings.uri.replace(path=path, query=query or None)
        self._next_position = None
        connection = self._connection = WebSocketConnection(self, settings.limits)
        self._set_timer(clock() + settings.limits.open_timeout, self._handshake_late)
        connection.start(
            self.client, uri, settings.protocols, settings.compresses, settings.origin,
            settings.headers, settings.options,
        )  # fmt: skip

    def _cannot_open(self, problem: Malformed) -> None:
        """What was received cannot be opened, which is the end: over the connection if there is
        one, and without one all the same, since what comes behind the last position is behind it.
        """
        connection = self._connection
        if connection is not None and self._machine.state is StreamState.OPEN:
            connection.fail(problem)
            return
        code = CLOSE_INFO[problem.reason].code
        self._unopened = error_of(self.settings.uri.shown, Ended(code, problem.message, problem))
        self._step(Happening("close", code=code, reason=problem.message))

    def _due(self) -> None:
        self._step(Happening("due"))

    def _end(self, code: int, reason: str, has_connection: bool) -> None:
        """Close the connection, if there is one."""
        self._is_closed_by_program = self._unopened is None
        self._cancel_timer()
        if has_connection and self._connection is not None:
            self._connection.close(code, reason)
        else:
            self._step(Happening("ended", code=code, reason=reason))

    def _finish(self, code: int, reason: str) -> None:
        """It is over."""
        self._cancel_timer()
        self.error = self._unopened or self.error
        if self.error is not None and not self._is_closed_by_program:
            self._emit_error()
        self._emit_close(code, reason, None)
