"""Calling back: what the program wants to be told, one thing after the other for each connection.

Theory: a callback is user code that may do anything, wait included: under asyncio it may be `async
def`. What a connection's callbacks are told has an order, so while one of them waits, the next ones
of that connection queue behind it, and nobody else notices.

Rules: a callback that raises is logged with its traceback and ends its connection (500 or 1011).
What the core waits for (`Delivered`) is told when all calls of a job are done. Delivery stops when
the program closes the connection. What is meant to end the program is passed on, after the core has
been told. It does not know what the callbacks mean.
"""

import logging
from asyncio import CancelledError
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ...core.close_reasons import CloseReason
from ...core.conn import Conn
from ...core.connection.client import is_subscriber
from ...core.effects import CallClose, CallOpen, CallWsClose, CallWsOpen, Deliver, DeliverCompressed
from ...core.events import CloseRequested, Delivered, Event
from ...core.http.request import Request
from ...core.parse_result import Malformed
from ...core.send_status import SendStatus
from ...core.server.slots import find_client
from ...core.websocket.messages import CompressedMessage, decompress
from .body_sources import Spawn
from .deferred import Deferred
from .tracebacks import EXIT_EXCEPTIONS, format_traceback, safe_name

if TYPE_CHECKING:
    from ..server import HttpServer

_LOG = logging.getLogger("sigil.error")


class Callbacks(NamedTuple):
    """What a program may want to be told; any of them may be `async def` under `http_server_serve`.

    `open(server, conn)` and `close(server, conn, reason)` come once for each connection. For one
    that becomes a WebSocket, in between: `ws_open(server, conn, request)`, `ws_message(server,
    conn, data)` with a str for a text and bytes for a binary message, and `ws_close(server, conn,
    reason, code)`. From inside any of them the program may send, broadcast and close. One that
    raises is logged with its traceback and ends its connection (500 or 1011).
    """

    open: "Callable[[HttpServer, Conn], object] | None" = None
    close: "Callable[[HttpServer, Conn, CloseReason], object] | None" = None
    ws_open: "Callable[[HttpServer, Conn, Request], object] | None" = None
    ws_message: "Callable[[HttpServer, Conn, str | bytes], object] | None" = None
    ws_close: "Callable[[HttpServer, Conn, CloseReason, int], object] | None" = None


class Job(NamedTuple):
    """Calls of one callback of one connection, one for each of `values`; `done` is told when all
    have returned.
    """

    conn: Conn
    callback: Callable[..., object]
    values: Sequence[tuple[Any, ...]]
    done: Event | None
    is_fatal: bool
    """One that raises ends the connection; at its end there is nothing left to end."""


class Returned(NamedTuple):
    """An asynchronous job has come to its end, on its way to the loop's thread."""

    job: Job
    error: object


class BadCompressedMessage(Exception):
    """A compressed message is not what it says."""

    def __init__(self, error: Malformed) -> None:
        super().__init__(error.message)
        self.error = error


def _ignore(server: object, conn: Conn, data: str | bytes) -> None:
    """Stands for a callback that the program does not have: what is wrong is found all the same."""


class CallbackRunner:
    """Calls the callbacks of one server."""

    def __init__(self, server: "HttpServer", callbacks: Callbacks) -> None:
        self._server = server
        self._callbacks = callbacks
        self._waiting: dict[Conn, deque[Job]] = {}
        """For each connection one of whose jobs waits: the jobs behind it."""
        self.spawn: Spawn | None = None

    def deliver(self, order: Deliver, events: list[Event]) -> Event | None:
        """Give the program messages: the loop to be fast in."""
        conn, messages = order.conn, order.messages
        callback, server = self._callbacks.ws_message, self._server
        if callback is None or self._waiting:
            return self._begin(
                conn, callback, [(message,) for message in messages], Delivered(conn), events
            )
        engine = server.engine
        farewells, coming, usual = engine.close_count, iter(messages), SendStatus.SUCCESS
        try:
            for message in coming:
                result = callback(server, conn, message)
                if result is not None and result is not usual and isinstance(result, Awaitable):
                    rest = [(message,) for message in coming]
                    return self._wait(
                        Job(conn, callback, rest, Delivered(conn), True), result, events
                    )
                if engine.close_count != farewells and not self._is_open(conn):
                    break
        except EXIT_EXCEPTIONS:
            self._interrupt(Job(conn, callback, (), Delivered(conn), True), events)
            raise
        except BaseException as error:
            return self._fail(Job(conn, callback, (), Delivered(conn), True), error, events)
        return Delivered(conn, engine.buffer.take_messages(conn))

    def deliver_compressed(self, order: DeliverCompressed, events: list[Event]) -> Event | None:
        """The same for messages of which some are compressed: of those there is one at a time."""
        callback = self._callbacks.ws_message or _ignore
        return self._begin(
            order.conn,
            callback,
            [(item,) for item in order.messages],
            Delivered(order.conn),
            events,
        )

    def _unpacked(self, value: object) -> object:
        """What a callback is given; `BadCompressedMessage` if it cannot be."""
        if type(value) is not CompressedMessage:
            return value
        message = decompress(value, self._server.engine.snapshot.limits.max_ws_message_len)
        if isinstance(message, Malformed):
            raise BadCompressedMessage(message)
        return message

    def call_ws_open(self, order: CallWsOpen, events: list[Event]) -> Event | None:
        """Tell the program of a new WebSocket."""
        return self._begin(
            order.conn, self._callbacks.ws_open, [(order.request,)], Delivered(order.conn), events
        )

    def call_ws_close(self, order: CallWsClose, events: list[Event]) -> Event | None:
        """Tell the program that a WebSocket has ended."""
        return self._begin(
            order.conn, self._callbacks.ws_close, [(order.reason, order.code)], None, events, False
        )

    def call_open(self, order: CallOpen, events: list[Event]) -> Event | None:
        """Tell the program of a new connection."""
        return self._begin(order.conn, self._callbacks.open, [()], None, events)

    def call_close(self, order: CallClose, events: list[Event]) -> Event | None:
        """Tell the program of a connection that is gone."""
        return self._begin(
            order.conn, self._callbacks.close, [(order.reason,)], None, events, False
        )

    def _begin(
        self,
        conn: Conn,
        callback: Callable[..., object] | None,
        values: Sequence[tuple[Any, ...]],
        done: Event | None,
        events: list[Event],
        is_fatal: bool = True,
    ) -> Event | None:
        """A job for this connection: now, or behind those that wait."""
        if callback is None:
            return done
        job = Job(conn, callback, values, done, is_fatal)
        if conn in self._waiting:
            self._waiting[conn].append(job)
            return None
        return self._run(job, events)

    def _run(self, job: Job, events: list[Event]) -> Event | None:
        """Make the calls of a job, as far as they return at once."""
        conn, callback, values, done, _ = job
        try:
            for index, value in enumerate(values):
                result = callback(self._server, conn, *map(self._unpacked, value))
                if isinstance(result, Awaitable):
                    return self._wait(job._replace(values=values[index + 1 :]), result, events)
                if index + 1 < len(values) and not self._is_open(conn):
                    break
        except BadCompressedMessage as mangled:
            return Delivered(conn, (), mangled.error)
        except EXIT_EXCEPTIONS:
            self._interrupt(job, events)
            raise
        except BaseException as error:
            return self._fail(job, error, events)
        return done

    def _is_open(self, conn: Conn) -> bool:
        """True while the program may be given more of this connection's messages."""
        client = find_client(self._server.state.slots, conn)
        return (
            client is not None
            and is_subscriber(client)
            and client.subscriber is not None
            and not client.subscriber.close_state
        )

    def _wait(self, job: Job, awaitable: Awaitable[object], events: list[Event]) -> Event | None:
        """One of a job's calls is asynchronous: the rest of it goes on when that has returned."""
        if self.spawn is None:
            if isinstance(awaitable, Coroutine):
                awaitable.close()
            error = TypeError(
                "the callback is asynchronous, which needs http_server_serve() inside asyncio"
            )
            return self._fail(job, error, events)
        self._waiting.setdefault(job.conn, deque())
        later = Deferred()
        later.when_resolved(lambda error: self._server.post(Returned(job, error)))
        if job.is_fatal:
            self.spawn(awaitable, later)
        else:
            self.spawn(
                _finish(awaitable, later), None
            )  # it tells of an end, and is let come to its own
        return None

    def resume(self, returned: Returned, events: list[Event]) -> Event | None:
        """An asynchronous call has returned: the rest of its job, then the jobs behind it."""
        job, error = returned
        jobs = self._waiting.pop(job.conn, deque())
        try:
            event = (
                self._fail(job, error, events)
                if isinstance(error, BaseException)
                else self._resume_job(job, events)
            )
            while jobs and job.conn not in self._waiting:
                events += [] if event is None else [event]
                event = self._run(jobs.popleft(), events)
        except EXIT_EXCEPTIONS:  # those behind it are called in the next tick
            self._server.post(Returned(job._replace(values=(), done=None), None))
            self._waiting[job.conn] = jobs
            raise
        if jobs:
            self._waiting[job.conn].extendleft(reversed(jobs))
        return event

    def _resume_job(self, job: Job, events: list[Event]) -> Event | None:
        """What is left of a job, unless the program has closed the connection meanwhile."""
        return self._run(job, events) if job.values and self._is_open(job.conn) else job.done

    def _interrupt(self, job: Job, events: list[Event]) -> None:
        """A callback ends the program: what it has not looked at nobody will, so its connection
        ends as well.
        """
        if job.is_fatal:
            events.append(CloseRequested(job.conn, CloseReason.HANDLER_ERROR))
        events += [] if job.done is None else [job.done]

    def _fail(self, job: Job, error: BaseException, events: list[Event]) -> Event | None:
        """A callback has raised."""
        if self._server.running or not isinstance(
            error, CancelledError
        ):  # at the end it was we who cancelled it
            _LOG.error(
                "the callback %s raised\n%s", safe_name(job.callback), format_traceback(error)
            )
        if job.is_fatal:
            events.append(CloseRequested(job.conn, CloseReason.HANDLER_ERROR))
        return job.done


async def _finish(awaitable: Awaitable[object], later: Deferred) -> None:
    """Await a callback that nothing cancels."""
    try:
        await awaitable
    except BaseException as error:
        later.settle(error)
        if not isinstance(error, Exception):
            raise
    else:
        later.settle(None)
