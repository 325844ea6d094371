"""Calling a program, one call after the other for each connection: jobs, and what becomes of them.

Theory: a callback is user code that may do anything, wait included: it may return a `Deferred`, and
under asyncio it may be `async def`. The callbacks of a connection are called in order, so while one
of them waits, those behind it queue, and no other connection notices.

Rules: a job that has had its time in a tick leaves the rest to the run queue. A callback that
raises is logged with its traceback and ends its connection (500 or 1011). What the core waits for
(`Delivered`) is reported when all calls of a job are done. Delivery stops when the program closes
the connection, or stops to read it; then what is left comes back (`DeliveryHeld`). What is meant to
end the program leaves, after the core was informed. It does not know which effect orders a call
(`callbacks`).
"""

import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

from ...core.close_reasons import CloseReason
from ...core.conn import Conn
from ...core.connection.outgoing import is_held
from ...core.connection.websocket_end import may_be_given_more
from ...core.control import DeliveryHeld
from ...core.effects import ERROR_LOG
from ...core.events import CloseRequested, Delivered, Event
from ...core.parse_result import Malformed
from ...core.server.slots import find_client
from ...core.websocket.fragments import CompressedMessage, Fragment, decompress
from .body_sources import NEEDS_LOOP, Spawn
from .callback_table import CallbackTable
from .connection_programs import ConnectionPrograms
from .deferred import Deferred
from .futures import is_future, promised
from .host import Host
from .jobs import Job, Returned
from .logs import write_text
from .message_pieces import BadPieces, MessagePieces
from .run_queue import RunQueue
from .tracebacks import EXIT_EXCEPTIONS, error_text, is_cancellation, safe_name

_LOG = logging.getLogger(ERROR_LOG)


LATER = (Deferred, Awaitable)
"""What a callback returns that has not done with its call, a future of a thread pool beside it."""


def is_later(result: object) -> bool:
    """True for what a callback returns that has not done with its call."""
    return isinstance(result, LATER) or is_future(result)


ORDERLY = (CloseReason.OK, CloseReason.WS_PEER_CLOSED)
"""Why a WebSocket was closed in order, by the program or by its peer."""


class BadCompressedMessage(Exception):
    """A compressed message is not what it says."""

    def __init__(self, error: Malformed) -> None:
        super().__init__(error.message)
        self.error = error


def in_pieces(server: object, conn: Conn, *values: object) -> None:
    """Stands for two callbacks, in a job some of whose messages are pieces of one."""


def ignore_call(server: object, conn: Conn, *values: object) -> None:
    """The callback of a program without one: messages are decompressed and checked all the same,
    and what comes after an end is done.
    """


class CallbackJobs:
    """The calls of the callbacks of one server."""

    def __init__(
        self, server: Host, callbacks: CallbackTable, events: list[Event], run_queue: RunQueue
    ) -> None:
        self._server = server
        self._guard = server._engine.guard
        self._run_queue = run_queue
        self._callbacks = callbacks
        self.programs = ConnectionPrograms()
        """What some connections have of their own."""
        self._own = self.programs.own
        self._pieces = MessagePieces(server._engine.snapshot.limits)
        self._events = events
        """Where events go that come before the one a method returns."""
        self._waiting: dict[Conn, deque[Job]] = {}
        """For each connection one of whose jobs waits: the jobs behind it."""
        self._awaited: dict[Conn, tuple[Job, Deferred]] = {}
        """The calls that are awaited, but for those of an end."""
        self._coroutines: set[Conn] = set()
        """Those of them that are coroutines, which come to an end when they are cancelled."""
        self.spawn: Spawn | None = None

    def callbacks_of(self, conn: Conn) -> CallbackTable:
        """The callbacks of a connection."""
        callbacks: CallbackTable = self.programs.callbacks(conn, self._callbacks)
        return callbacks

    # -- jobs --------------------------------------------------------------------------------------

    def _begin(
        self,
        conn: Conn,
        callback: Callable[..., object] | None,
        values: tuple[Any, ...],
        done: Event | None,
    ) -> Event | None:
        """Call back for this connection now, or behind the jobs that wait."""
        if callback is None:
            return done
        return self.perform(Job(conn, callback, [values], done, True, False))

    def _begin_end(
        self,
        conn: Conn,
        reason: CloseReason,
        callback: Callable[..., object] | None,
        values: tuple[Any, ...],
        after: Callable[[Conn], None],
    ) -> Event | None:
        """Call back at an end now, or behind the jobs that wait, and do what comes `after`."""
        if self._awaited:
            self._cancel_awaited(conn, reason)
        if callback is None and conn not in self._waiting:
            after(conn)
            return None
        callback = ignore_call if callback is None else callback
        return self.perform(Job(conn, callback, [values], None, False, False, after))

    def _begin_delivery(
        self, conn: Conn, callback: Callable[..., object] | None, messages: Sequence[object]
    ) -> Event | None:
        """Deliver messages now, or behind the jobs that wait."""
        if callback is None:
            return Delivered(conn)
        return self.perform(delivery_of(conn, callback, messages))

    def perform(self, job: Job) -> Event | None:
        """Run a job, which may be what was left of one, or have it wait behind one that awaits."""
        if job.conn in self._waiting:
            self._waiting[job.conn].append(job)
            return None
        return self._run(job)

    def _run(self, job: Job) -> Event | None:
        """Make the calls of a job, as far as they return at once."""
        conn, callback, values = job.conn, job.callback, job.values
        if callback is in_pieces:
            return self._run_pieces(job)
        queue = self._run_queue
        guard = self._guard
        was_busy, guard.is_busy = guard.is_busy, False
        try:
            for index, value in enumerate(values):
                if job.is_delivery and not self.is_open(conn):
                    break
                if job.is_delivery and self.is_held(conn):
                    return DeliveryHeld(conn, (), tuple([value[0] for value in values[index:]]))
                result = callback(self._server, conn, *map(self._decompressed, value))
                if result is not None and is_later(result):
                    return self._wait(job._replace(values=values[index + 1 :]), result)
                if index + 1 < len(values) and queue.clock() >= queue.until:
                    queue.put_first(conn, job._replace(values=values[index + 1 :]))
                    return None
        except BadCompressedMessage as bad:
            return Delivered(conn, (), bad.error)
        except EXIT_EXCEPTIONS:
            self._interrupt(job)
            raise
        except BaseException as error:
            return self._fail(job, error)
        finally:
            guard.is_busy = was_busy
        return _finish(job)

    def _run_pieces(self, job: Job) -> Event | None:
        """Make the calls of a delivery in which are pieces of messages, as far as they return at
        once; what is inflated of one is a piece at a time.
        """
        conn, queue = job.conn, self._run_queue
        called: Callable[..., object] = ignore_call
        left = deque(job.values)
        try:
            with self._guard.user_code():
                while left and self.is_open(conn):
                    if self.is_held(conn):
                        return DeliveryHeld(conn, (), tuple([value[0] for value in left]))
                    message, rest = self._pieces.take(conn, left.popleft()[0])
                    if rest is not None:
                        left.appendleft((rest,))
                    if message is None:
                        continue
                    called = self._callback_for(conn, message)
                    result = called(self._server, conn, message)
                    if result is not None and is_later(result):
                        return self._wait(job._replace(values=tuple(left)), result)
                    if left and queue.clock() >= queue.until:
                        queue.put_first(conn, job._replace(values=tuple(left)))
                        return None
        except BadPieces as bad:
            return Delivered(conn, (), bad.error)
        except EXIT_EXCEPTIONS:
            self._interrupt(job)
            raise
        except BaseException as error:
            return self._fail(job._replace(callback=called), error)
        return _finish(job)

    def _callback_for(self, conn: Conn, message: object) -> Callable[..., object]:
        """What is called with a message, or with a piece of one."""
        callbacks = self.callbacks_of(conn)
        callback = callbacks.ws_fragment if type(message) is Fragment else callbacks.ws_message
        return ignore_call if callback is None else callback

    def _decompressed(self, value: object) -> object:
        """The argument of a callback; `BadCompressedMessage` for a message that cannot be
        decompressed.
        """
        if type(value) is not CompressedMessage:
            return value
        message = decompress(value, self._server._engine.snapshot.limits.max_ws_message_len)
        if isinstance(message, Malformed):
            raise BadCompressedMessage(message)
        return message

    def is_open(self, conn: Conn) -> bool:
        """True while the program may be called with more messages of this connection."""
        server = self._server
        # within the tick's own work, which is nobody's interruption, the value is the engine's
        state = server._engine.state if self._guard.is_busy else server.state
        client = find_client(state.slots, conn)
        return client is not None and may_be_given_more(client)

    def is_held(self, conn: Conn) -> bool:
        """True while the program wants no messages of this connection, and it has not ended."""
        server = self._server
        state = server._engine.state if self._guard.is_busy else server.state
        client = find_client(state.slots, conn)
        return client is not None and is_held(client.outgoing)

    # -- callbacks that wait -----------------------------------------------------------------------

    def _wait(self, job: Job, result: Any) -> Event | None:
        """Wait for what a call of a job has promised, or run its coroutine; the rest of the job
        goes on when that has come to its end.
        """
        result = promised(result)
        if isinstance(result, Deferred):
            self._hold(job, result)
            return None
        return self._run_coroutine(job, result)

    def _hold(self, job: Job, later: Deferred) -> None:
        """Have the jobs behind this one wait until there is a result."""
        self._waiting.setdefault(job.conn, deque())
        if job.is_fatal:
            self._awaited[job.conn] = job, later
        later.when_resolved(lambda result: self._server._post(Returned(job, result, later)))

    def _run_coroutine(self, job: Job, awaitable: Awaitable[object]) -> Event | None:
        """Run the coroutine of a job where there is a loop for it."""
        if self.spawn is None:
            if isinstance(awaitable, Coroutine):
                awaitable.close()
            error = TypeError(f"the callback is asynchronous, {NEEDS_LOOP}")
            return self._fail(job, error)
        later = Deferred()
        self._hold(job, later)
        if job.is_fatal:
            self._coroutines.add(job.conn)
            later.on_cancel(self.spawn(awaitable, later))
        else:  # the callback of an end is not cancelled when the server ends
            self.spawn(_await(awaitable, later), None)
        return None

    def _cancel_awaited(self, conn: Conn, reason: CloseReason) -> None:
        """Cancel the call that is awaited for a connection that ends; messages that came before
        either side has closed in order are dealt with to the end.
        """
        job, later = self._awaited.get(conn, (None, None))
        if job is None or later is None or (job.done is not None and reason in ORDERLY):
            return
        with self._guard.user_code():
            later.cancel()
        if conn not in self._coroutines:  # nobody else need know that it will have no result
            later.complete(None)

    def resume(self, returned: Returned) -> Event | None:
        """Go on when a call has come to its end: the rest of its job is for the run queue, and so
        are the jobs behind it.
        """
        job, error, later = returned
        if later.is_mapped and later.is_wanted:
            with self._guard.user_code():
                error = later.apply(error)
            if isinstance(error, Deferred):
                self._hold(job, error)
                return None
        jobs = self._waiting.pop(job.conn, deque())
        self._awaited.pop(job.conn, None)
        self._coroutines.discard(job.conn)
        if not later.is_wanted and (error is None or is_cancellation(error)):
            job, error = job._replace(values=()), None  # it was us who cancelled it
        is_failed = isinstance(error, BaseException)
        if job.values and not is_failed:
            jobs.appendleft(job)
            event = None
        else:
            event = self._fail(job, error) if isinstance(error, BaseException) else _finish(job)
        self._run_queue.put_first(job.conn, *jobs)
        return event

    # -- failures ----------------------------------------------------------------------------------

    def _report(self, event: Event | None) -> None:
        """Add an event that comes before the one which is returned."""
        if event is not None:
            self._events.append(event)

    def _interrupt(self, job: Job) -> None:
        """Report that a callback ends the program: nobody will look at what it left, so its
        connection ends as well.
        """
        if job.is_fatal:
            self._report(CloseRequested(job.conn, CloseReason.HANDLER_ERROR))
        self._report(_finish(job))

    def _fail(self, job: Job, error: BaseException) -> Event | None:
        """Log that a callback raised, and end its connection."""
        # when the server has ended, it was us who cancelled it
        if self._server.running or not is_cancellation(error):
            text = f"the callback {safe_name(job.callback)} raised"
            write_text(_LOG, logging.ERROR, error_text(text, error))
        if job.is_fatal:
            self._report(CloseRequested(job.conn, CloseReason.HANDLER_ERROR))
        else:
            self._guard.note_raised()
        return _finish(job)


def delivery_of(conn: Conn, callback: Callable[..., object], messages: Sequence[object]) -> Job:
    """The job of calling back with each of these messages."""
    return Job(conn, callback, [(message,) for message in messages], Delivered(conn), True, True)


def _finish(job: Job) -> Event | None:
    """The event when all calls of a job have returned, and what is to be done then is."""
    if job.after is not None:
        job.after(job.conn)
    return job.done


async def _await(awaitable: Awaitable[object], later: Deferred) -> None:
    """Await a callback that nothing cancels."""
    try:
        await awaitable
    except BaseException as error:
        later.complete(error)
        if not isinstance(error, Exception):
            raise
    else:
        later.complete(None)
