"""The callbacks of a program: a method for each effect that orders a call.

Theory: what is called, and with what, is said here; how it is called, and what becomes of whatever
user code does, is the same for all of them (`callback_jobs`). Messages are the exception: they come
by the hundred thousand, so their loop is written out.

Rules: as those of the jobs. It does not know what the callbacks do.
"""

import logging
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Protocol, TypeVar

from ...core.conn import Conn, Peer
from ...core.control import CallWritable, CallWsPong, DeliveryHeld
from ...core.effects import (
    ERROR_LOG,
    CallClose,
    CallOpen,
    CallSseClose,
    CallSseOpen,
    CallWsClose,
    CallWsDrain,
    CallWsOpen,
    Deliver,
    DeliverCompressed,
    Effect,
)
from ...core.events import Delivered, Event
from ...core.send_status import SendStatus
from .callback_jobs import (
    BadCompressedMessage,
    CallbackJobs,
    delivery_of,
    ignore_call,
    in_pieces,
    is_later,
)
from .logs import write_text
from .message_pieces import has_pieces
from .tracebacks import EXIT_EXCEPTIONS, error_text, safe_name

_LOG = logging.getLogger(ERROR_LOG)


class Closable(Protocol):
    """What a newcomer is until it is admitted: a socket, or a wire in memory."""

    def close(self) -> None:
        """Close it."""


Newcomer = TypeVar("Newcomer", bound=Closable)


class CallbackRunner(CallbackJobs):
    """Calls the callbacks of one server; a method for each effect, which returns its event."""

    def methods(self) -> dict[type[Effect], Callable[[Any], Event | None]]:
        """What performs each kind of effect that orders a call."""
        return {
            CallOpen: self.call_open,
            CallClose: self.call_close,
            CallWsOpen: self.call_ws_open,
            Deliver: self.deliver,
            DeliverCompressed: self.deliver,
            CallWsClose: self.call_ws_close,
            CallWsDrain: self.call_ws_drain,
            CallWritable: self.call_writable,
            CallWsPong: self.call_ws_pong,
            CallSseOpen: self.call_sse_open,
            CallSseClose: self.call_sse_close,
        }

    def deliver(self, effect: Deliver | DeliverCompressed) -> Event | None:
        """Call the program with messages: the loop to be fast in. A compressed one is decompressed
        when it is due, so that one is in memory at a time.
        """
        conn, messages = effect.conn, effect.messages
        callbacks, server = self._callbacks, self._server
        if self._own:
            callbacks = self.callbacks_of(conn)
        callback = callbacks.ws_message
        is_plain = type(effect) is Deliver
        if not is_plain and has_pieces(messages):
            return self.perform(delivery_of(conn, in_pieces, messages))
        if callback is None and not is_plain:
            callback = ignore_call
        if callback is None or self._waiting:
            return self._begin_delivery(conn, callback, messages)
        engine, success, queue = server._engine, SendStatus.SUCCESS, self._run_queue
        control_count, left = engine.control_count, len(messages)
        remaining: Iterable[object] = messages if is_plain else map(self._decompressed, messages)
        guard = self._guard
        was_busy, guard.is_busy = guard.is_busy, False
        try:
            for message in remaining:
                result = callback(server, conn, message)
                # None and the status of an echo are usual, and an abstract class is slow to ask
                if result is not None and result is not success and is_later(result):
                    rest = messages[len(messages) - left + 1 :]
                    return self._wait(delivery_of(conn, callback, rest), result)
                left -= 1
                if engine.control_count != control_count:
                    if not self.is_open(conn):
                        break
                    if left and self.is_held(conn):
                        replies = engine.buffer.take_messages(conn)
                        return DeliveryHeld(conn, replies, messages[-left:])
                if left and queue.clock() >= queue.until:
                    queue.put_first(conn, effect.replace(messages=messages[-left:]))
                    return None
        except BadCompressedMessage as bad:
            return Delivered(conn, engine.buffer.take_messages(conn), bad.error)
        except EXIT_EXCEPTIONS:
            self._interrupt(delivery_of(conn, callback, ()))
            raise
        except BaseException as error:
            return self._fail(delivery_of(conn, callback, ()), error)
        finally:
            guard.is_busy = was_busy
        return Delivered(conn, engine.buffer.take_messages(conn))

    def deliver_late(self, effect: Deliver | DeliverCompressed) -> Event | None:
        """Call the program with messages that have waited for their turn, if it still wants any."""
        if not self.is_open(effect.conn):
            return Delivered(effect.conn)
        if self.is_held(effect.conn):
            return DeliveryHeld(effect.conn, (), effect.messages)
        return self.deliver(effect)

    def call_ws_open(self, effect: CallWsOpen) -> Event | None:
        """Call the program with a new WebSocket."""
        conn = effect.conn
        request = self.programs.open(conn, effect.request)
        return self._begin(conn, self.callbacks_of(conn).ws_open, (request,), Delivered(conn))

    def call_ws_close(self, effect: CallWsClose) -> Event | None:
        """Call the program with a WebSocket that has ended."""
        callback, values = self.callbacks_of(effect.conn).ws_close, (effect.reason, effect.code)
        if effect.text:
            self.programs.close_texts[effect.conn] = effect.text
        return self._begin_end(effect.conn, effect.reason, callback, values, self.programs.end)

    def call_ws_drain(self, effect: CallWsDrain) -> Event | None:
        """Call the program with a WebSocket that has taken all that it was behind."""
        return self._begin(effect.conn, self.callbacks_of(effect.conn).ws_drain, (), None)

    def call_ws_pong(self, effect: CallWsPong) -> Event | None:
        """Call the program with what a ping of its own has brought back."""
        callback = self.callbacks_of(effect.conn).ws_pong
        return self._begin(effect.conn, callback, (effect.data,), None)

    def call_writable(self, effect: CallWritable) -> Event | None:
        """Call the program with a connection that can be sent more."""
        return self._begin(effect.conn, self.callbacks_of(effect.conn).writable, (), None)

    def call_sse_open(self, effect: CallSseOpen) -> Event | None:
        """Call the program with a new event stream."""
        request = self.programs.open(effect.conn, effect.request)
        return self._begin(effect.conn, self._callbacks.sse_open, (request,), None)

    def call_sse_close(self, effect: CallSseClose) -> Event | None:
        """Call the program with an event stream that has ended."""
        callback, values = self._callbacks.sse_close, (effect.reason,)
        return self._begin_end(effect.conn, effect.reason, callback, values, self.programs.end)

    def call_open(self, effect: CallOpen) -> Event | None:
        """Call the program with a new connection."""
        return self._begin(effect.conn, self._callbacks.open, (), None)

    def call_close(self, effect: CallClose) -> Event | None:
        """Call the program with a connection that is gone: the server's callback, which was told of
        its beginning, unless the connection has one of its own.
        """
        conn, own = effect.conn, self.callbacks_of(effect.conn).close
        callback = self._callbacks.close if own is None else own
        return self._begin_end(conn, effect.reason, callback, (effect.reason,), self._drop)

    def _drop(self, conn: Conn) -> None:
        """Drop what belongs to a connection that is gone."""
        self._pieces.drop(conn)
        if not self.programs.is_empty:
            with self._guard.user_code():
                self.programs.drop(conn)

    # -- at the door -------------------------------------------------------------------------------

    def admitted(self, newcomers: list[tuple[Newcomer, Peer]]) -> list[tuple[Newcomer, Peer]]:
        """Those of these newcomers whom the program admits by their address; the others are closed,
        before a byte of theirs was read. Without the callback all are.
        """
        if self._callbacks.admit is None:
            return newcomers
        admitted: list[tuple[Newcomer, Peer]] = []
        for connection, peer in newcomers:
            if self._admits(self._callbacks.admit, peer):
                admitted.append((connection, peer))
            else:
                connection.close()
        return admitted

    def _admits(self, admit: Callable[..., object], peer: Peer) -> bool:
        """True if the program admits a peer; not if it raises, or would have to be awaited."""
        try:
            with self._guard.user_code():
                answer = admit(self._server, peer)
                if answer is None or not is_later(answer):
                    return bool(answer)
            if isinstance(answer, Coroutine):
                answer.close()
            raise TypeError("whether a peer is admitted has to be known at once")
        except EXIT_EXCEPTIONS:
            raise
        except BaseException as error:
            text = error_text(f"the callback {safe_name(admit)} raised", error)
            write_text(_LOG, logging.ERROR, text)
            self._guard.note_raised()
            return False
