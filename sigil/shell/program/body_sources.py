"""The streams of response bodies: what produces bodies that are sent while they are made.

Theory: the core pulls a chunk; the program's iterator yields one, or has none yet: None (pull again
soon) or a `Deferred` (which is resolved with it). An asynchronous iterator yields a coroutine for
each chunk, which is run where there is a loop for it and is a `Deferred` too. So all of them are
one thing: chunks, now or later.

Rules: a source is named by the ticket of its request, and closed when nobody will pull it again.
What it raises becomes `HandlerFailed`, with the traceback; what is meant to end the program leaves,
after the core was informed. It does not know sockets, nor how a chunk is framed.
"""

import logging
from collections.abc import AsyncIterable, Awaitable, Callable, Iterator
from typing import Any, NamedTuple, TypeAlias

from ...core.conn import Conn, Ticket
from ...core.effects import ERROR_LOG, CloseBody, Pull, SendFile
from ...core.events import (
    Event,
    FileSent,
    HandlerFailed,
    HandlerReturned,
    StreamChunk,
    StreamEnded,
)
from ...core.http.bodies import FileBody, StreamedBody, Unfold
from ...core.http.request import Request
from ...core.http.response import Response
from ...core.http.sse import encode_event
from ...core.http.validate import type_name
from ...core.limits import Limits
from ..tls_problems import loss_of
from .deferred import Deferred
from .file_bodies import FileTransfer, is_of_socket, open_response, problem_of
from .futures import promised
from .guard import Guard
from .logs import write_text
from .open_file import BytesSocket
from .run_queue import RunQueue
from .tracebacks import EXIT_EXCEPTIONS, error_text

Spawn: TypeAlias = Callable[[Awaitable[object], Deferred | None], Callable[[], object]]
"""Runs a coroutine where there is a loop for it, and returns what cancels it. Its result goes to
the `Deferred`; without one it is the closing of a stream, which is not cancelled.
"""
NEEDS_LOOP = "which needs start(), serve_in_thread() or http_server_serve()"
"""What is said of a coroutine where nothing runs it: in a program that ticks by itself."""

_LOG = logging.getLogger(ERROR_LOG)

POLL_SECONDS = 0.05
"""How long a stream that had nothing to yield is left alone: short enough to be live, long enough
to be cheap.
"""


class LateChunk(NamedTuple):
    """A chunk for which a stream had yielded a `Deferred`, on its way to the loop's thread."""

    ticket: Ticket
    chunk: object


class BodySource:
    """One stream under way: how its next chunk is had, and made bytes, and how it is closed."""

    __slots__ = ("_chunks", "encode", "is_async", "promised", "running")

    def __init__(self, body: StreamedBody) -> None:
        chunks = body.chunks
        self.is_async = isinstance(chunks, AsyncIterable)
        self.encode: Callable[[Any], bytes] = encode_event if body.is_sse else to_bytes
        self.running: Deferred | None = None
        """The asynchronous chunk that is being made."""
        self.promised: Deferred | None = None
        """The chunk for which the stream has yielded a `Deferred`."""
        self._chunks: Any
        if isinstance(chunks, AsyncIterable):
            self._chunks = aiter(chunks)
        elif isinstance(chunks, Unfold):
            self._chunks = iterate_unfold(chunks)
        else:
            self._chunks = iter(chunks)

    def next_chunk(self, spawn: Spawn | None) -> object:
        """The next chunk, or a `Deferred` or None for one that comes later."""
        if not self.is_async:
            return next(self._chunks)
        if spawn is None:
            raise TypeError(f"the stream is asynchronous, {NEEDS_LOOP}")
        self.running = running = Deferred()
        running.on_cancel(spawn(anext(self._chunks), running))
        return running

    def close(self, spawn: Spawn | None) -> None:
        """Let a generator run its `finally`; one that is in the middle of an asynchronous chunk is
        cancelled there.
        """
        if self.promised is not None:
            self.promised.cancel()
        if self.running is None:
            close_iterator(self._chunks, spawn)
            return
        self.running.when_resolved(lambda _: close_iterator(self._chunks, spawn))
        self.running.cancel()


def close_iterator(chunks: object, spawn: Spawn | None) -> None:
    """Close an iterator, or an iterable that was never iterated; what it raises is logged."""
    if isinstance(chunks, AsyncIterable):
        if spawn is not None:
            spawn(_closing(chunks), None)
        return
    try:
        close = getattr(chunks, "close", None)
        if close is not None:
            close()
    except EXIT_EXCEPTIONS:
        raise
    except BaseException as error:
        _log_close(error)


def _log_close(error: BaseException) -> None:
    write_text(_LOG, logging.ERROR, error_text("a stream raised when it was closed", error))


async def _closing(chunks: AsyncIterable[Any]) -> None:
    """Close an asynchronous generator, or what else can be closed like one."""
    try:
        close = getattr(chunks, "aclose", None)
        if close is not None:
            await close()
    except Exception as error:
        _log_close(error)


def iterate_unfold(stream: Unfold) -> Iterator[Any]:
    """The chunks of a pure stream."""
    step, state = stream.step, stream.seed
    while (made := step(state)) is not None:
        chunk, state = made
        yield chunk


def to_bytes(chunk: object) -> bytes:
    """A chunk of a stream as bytes; TypeError if it is none."""
    if isinstance(chunk, bytes | bytearray | memoryview):
        return bytes(chunk)
    raise TypeError(f"a stream yields bytes, not {type_name(chunk)}")


def _no_socket(conn: Conn) -> BytesSocket | None:
    """None: nobody has said yet where sockets are."""
    return None


class BodySources:
    """All streams under way, by connection and number of the request."""

    def __init__(
        self,
        post: Callable[[LateChunk], object],
        events: list[Event],
        guard: Guard,
        run_queue: RunQueue,
    ) -> None:
        self._post = post
        self._run_queue = run_queue
        self._events = events
        """Where events go that come before the one a method returns."""
        self._guard = guard
        self._sources: dict[Conn, dict[int, BodySource | FileTransfer]] = {}
        self.open_files = 0
        """How many files are open because they are being sent."""
        self.find_socket: Callable[[Conn], BytesSocket | None] = _no_socket
        """The socket of a connection; None if it takes nothing now, or is gone."""
        self._idle: list[Ticket] = []
        """Streams that had nothing to yield."""
        self.spawn: Spawn | None = None
        self.poll_at: float | None = None
        """When idle streams are pulled again, on the clock; None if there are none."""

    def start(self, ticket: Ticket, body: StreamedBody) -> Event | None:
        """Hold the iterator of a stream; `HandlerFailed` if there is none to be had."""
        try:
            with self._guard.user_code():
                source = BodySource(body)
        except EXIT_EXCEPTIONS:
            self._fail(ticket, "the stream was interrupted when it began")
            raise
        except BaseException as error:
            details = error_text("the stream could not be started", error)
            return HandlerFailed(ticket, 500, "", details)
        self._sources.setdefault(ticket.conn, {})[ticket.number] = source
        return None

    def pull(self, effect: Pull) -> Event | None:
        """Pull the next chunk of a stream."""
        ticket = effect.ticket
        source = self._find(ticket)
        if not isinstance(source, BodySource):
            return None
        try:
            with self._guard.user_code():
                chunk = source.next_chunk(self.spawn)
        except BaseException as error:
            return self._take_failure(ticket, error)
        return self._take(ticket, source, chunk)

    def start_file(
        self, ticket: Ticket, request: Request, response: Response, limits: Limits
    ) -> Event:
        """The event of a response whose body is a file, which is opened; what is to be sent of one
        that is not read at once stays here.
        """
        try:
            with self._guard.user_code():
                response = open_response(request, response, limits)
        except EXIT_EXCEPTIONS:
            self._fail(ticket, "the file was interrupted when it was opened")
            raise
        except BaseException as error:
            problem = problem_of(error)
            if problem is None:
                return HandlerFailed(
                    ticket, 500, "", error_text("a file could not be opened", error)
                )
            details = problem.details and f"{request.method} {request.target}: {problem.details}"
            return HandlerFailed(ticket, problem.status, problem.message, details)
        body = response.body
        if not isinstance(body, FileBody):
            return HandlerReturned(ticket, (response,))
        if self.open_files >= limits.max_open_files:
            body.file.close()
            busy = Response.error(503, "too many files are open", headers=(("Retry-After", "1"),))
            return HandlerReturned(ticket, (busy,))
        self._sources.setdefault(ticket.conn, {})[ticket.number] = FileTransfer(body)
        self.open_files += 1
        return HandlerReturned(ticket, (response.replace(body=FileBody(None, body.parts)),))

    def send_file(self, effect: SendFile) -> Event | None:
        """Send some of a file, and close it behind its last byte."""
        ticket, transfer = effect.ticket, self._find(effect.ticket)
        if not isinstance(transfer, FileTransfer):
            return None
        sock = self.find_socket(ticket.conn)
        if sock is None:
            return FileSent(ticket, 0)
        try:
            taken = transfer.send(sock, effect.max_len)
        except EXIT_EXCEPTIONS:
            self._fail(ticket, "the file was interrupted")
            self._close(ticket)
            raise
        except BaseException as error:
            self._close(ticket)
            if isinstance(error, OSError) and is_of_socket(error):
                return loss_of(ticket.conn, error)
            problem = problem_of(error)
            details = error_text("a file failed", error) if problem is None else problem.details
            self._fail(ticket, details or str(error))
            return None
        if transfer.is_done:
            self._close(ticket)
        return FileSent(ticket, taken)

    def take_late(self, late: LateChunk) -> Event | None:
        """The event of a chunk that came later than it was pulled."""
        source = self._find(late.ticket)
        if not isinstance(source, BodySource):
            return None
        chunk, promised = late.chunk, source.promised
        source.running = source.promised = None
        if promised is not None and promised.is_mapped:
            try:
                with self._guard.user_code():
                    chunk = promised.apply(chunk)
            except EXIT_EXCEPTIONS as error:
                return self._take_failure(late.ticket, error)
        return self._take(late.ticket, source, chunk)

    def _take(self, ticket: Ticket, source: BodySource, chunk: object) -> Event | None:
        """The event of a chunk; None if there is none yet."""
        if chunk is None:
            self._idle.append(ticket)
            if self.poll_at is None:
                self.poll_at = self._run_queue.clock() + POLL_SECONDS
            return None
        if type(chunk) is bytes and source.encode is to_bytes:
            return StreamChunk(ticket, chunk)
        try:
            chunk = promised(chunk)
            if isinstance(chunk, Deferred):
                if chunk is not source.running:
                    source.promised = chunk
                chunk.when_resolved(lambda result: self._post(LateChunk(ticket, result)))
                return None
            if not isinstance(chunk, BaseException):
                return StreamChunk(ticket, source.encode(chunk))
            failure: BaseException = chunk
        except BaseException as error:
            failure = error
        return self._take_failure(ticket, failure)

    def _take_failure(self, ticket: Ticket, error: BaseException) -> Event | None:
        """Close a stream that raised: its end, an error, or what is meant to end the program, which
        is raised again.
        """
        kind = type(error)
        if issubclass(kind, StopIteration | StopAsyncIteration):
            self._events.append(StreamEnded(ticket))
            self._close(ticket)
            return None
        if issubclass(kind, EXIT_EXCEPTIONS):
            self._fail(ticket, "the stream was interrupted")
            self._close(ticket)
            raise error
        self._fail(ticket, error_text("the stream raised", error))
        self._close(ticket)
        return None

    def _fail(self, ticket: Ticket, details: str) -> None:
        """Report that a stream has failed."""
        self._events.append(HandlerFailed(ticket, 500, "", details))

    def poll(self, now: float) -> None:
        """Have idle streams pulled again in this tick, if it is time."""
        if self.poll_at is None or now < self.poll_at:
            return
        for ticket in self._idle:
            self._run_queue.put(Pull(ticket))
        self._idle, self.poll_at = [], None

    @property
    def awaits_chunk(self) -> bool:
        """True if a chunk was promised and has not come."""
        return any(
            isinstance(source, BodySource)
            and (source.promised is not None or source.running is not None)
            for sources in self._sources.values()
            for source in sources.values()
        )

    def _find(self, ticket: Ticket) -> BodySource | FileTransfer | None:
        return self._sources.get(ticket.conn, {}).get(ticket.number)

    def _forget(self, ticket: Ticket) -> BodySource | FileTransfer | None:
        """The source of a ticket, which is not held any more."""
        sources = self._sources.get(ticket.conn, {})
        source = sources.pop(ticket.number, None)
        if not sources:
            self._sources.pop(ticket.conn, None)
        return source

    def close_body(self, effect: CloseBody) -> None:
        """Close a stream that will not be pulled again."""
        self._close(effect.ticket)

    def _close(self, ticket: Ticket) -> None:
        source = self._forget(ticket)
        if source is not None:
            self.open_files -= isinstance(source, FileTransfer)
            with self._guard.user_code():
                source.close(self.spawn)

    def close_bodies(self, conn: Conn) -> None:
        """Close all streams of a connection, whatever one of them raises."""
        endings: list[BaseException] = []
        for source in self._sources.pop(conn, {}).values():
            self.open_files -= isinstance(source, FileTransfer)
            try:
                with self._guard.user_code():
                    source.close(self.spawn)
            except EXIT_EXCEPTIONS as error:
                endings.append(error)
        if endings:
            raise endings[0]
