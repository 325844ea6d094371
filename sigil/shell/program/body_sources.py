"""Streams: what produces the bodies that are sent while they are made.

Theory: the core asks for a piece; the program's iterator gives one, or says that there is none yet:
None (ask again soon) or a `Deferred` (it will say itself). An asynchronous iterator gives a
coroutine for each piece, which is run where there is a loop for it and is a `Deferred` too. So all
of them are one thing: pieces, now or later.

Rules: a source is named by the ticket of its request, and closed when nobody will ask it again.
What it raises becomes `HandlerFailed`, with the traceback; what is meant to end the program passes
on, after the core has been told. It does not know the wire, nor how a piece is framed.
"""

import logging
import time
from collections.abc import AsyncIterable, Awaitable, Callable, Iterator
from typing import Any, NamedTuple, TypeAlias

from ...core.conn import Conn, Ticket
from ...core.events import Event, HandlerFailed, StreamChunk, StreamEnded
from ...core.http.response import StreamedBody, Unfold
from ...core.http.sse import encode_event
from ...core.http.validate import type_name
from .deferred import Deferred
from .tracebacks import EXIT_EXCEPTIONS, format_traceback

Spawn: TypeAlias = Callable[[Awaitable[object], Deferred | None], Callable[[], object]]
"""Run a coroutine where there is a loop for it, and say how to cancel it. What comes of it goes to
the `Deferred`; without one it is the closing of a stream, which is not cancelled.
"""

_LOG = logging.getLogger("sigil.error")

POLL_SECONDS = 0.05
"""How long a stream that had nothing to yield is left alone: soon enough to be live, rarely enough
to be cheap.
"""


class LateChunk(NamedTuple):
    """What a stream had promised, on its way to the loop's thread."""

    ticket: Ticket
    chunk: object


class BodySource:
    """One stream under way: how to ask for the next piece, how to make it bytes, how to close it."""

    __slots__ = ("_later", "_pieces", "cancel", "encode", "is_async")

    def __init__(self, body: StreamedBody) -> None:
        chunks = body.chunks
        self.is_async = isinstance(chunks, AsyncIterable)
        self.encode: Callable[[Any], bytes] = encode_event if body.is_sse else to_bytes
        self.cancel: Callable[[], object] | None = None
        self._pieces: Any = chunks
        if isinstance(chunks, AsyncIterable):
            self._pieces = aiter(chunks)
        else:
            self._pieces = iterate_unfold(chunks) if isinstance(chunks, Unfold) else iter(chunks)

    def ask(self, spawn: Spawn | None) -> object:
        """The next piece, or what stands for one that comes later."""
        if not self.is_async:
            return next(self._pieces)
        if spawn is None:
            raise TypeError(
                "the stream is asynchronous, which needs http_server_serve() inside asyncio"
            )
        self._later = later = Deferred()
        self.cancel = spawn(anext(self._pieces), later)
        return later

    def close(self, spawn: Spawn | None) -> None:
        """Let a generator run its `finally`; one that is in the middle of an asynchronous piece is
        cancelled there.
        """
        if self.cancel is None:
            close_iterator(self._pieces, spawn)
            return
        self._later.when_resolved(lambda _: close_iterator(self._pieces, spawn))
        self.cancel()


def close_iterator(pieces: object, spawn: Spawn | None) -> None:
    """Close an iterator, or an iterable that was never asked; what it raises is logged."""
    if isinstance(pieces, AsyncIterable):
        if spawn is not None:
            spawn(_closing(pieces), None)
        return
    try:
        close = getattr(pieces, "close", None)
        if close is not None:
            close()
    except EXIT_EXCEPTIONS:
        raise
    except BaseException as error:
        _log_close(error)


def _log_close(error: BaseException) -> None:
    _LOG.error("a stream raised when it was closed\n%s", format_traceback(error))


async def _closing(pieces: AsyncIterable[Any]) -> None:
    """Close an asynchronous generator, or what else can be closed like one."""
    try:
        close = getattr(pieces, "aclose", None)
        if close is not None:
            await close()
    except Exception as error:
        _log_close(error)


def iterate_unfold(stream: Unfold) -> Iterator[Any]:
    """The pieces of a pure stream."""
    step, state = stream.step, stream.seed
    while (made := step(state)) is not None:
        piece, state = made
        yield piece


def to_bytes(piece: object) -> bytes:
    """A piece of a stream as bytes; TypeError if it is none."""
    if isinstance(piece, bytes | bytearray | memoryview):
        return bytes(piece)
    raise TypeError(f"a stream yields bytes, not {type_name(piece)}")


class BodySources:
    """All streams under way, by the number of their request."""

    def __init__(
        self, post: Callable[[LateChunk], object], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._post = post
        self._clock = clock
        self._sources: dict[Conn, dict[int, BodySource]] = {}
        self._silent: list[Ticket] = []
        self.spawn: Spawn | None = None
        self.poll_at: float | None = None
        """When those that had nothing are asked again, on the clock; None if there are none."""

    def start(self, ticket: Ticket, body: StreamedBody, events: list[Event]) -> Event | None:
        """Keep the iterator of a stream; `HandlerFailed` if it cannot be had. If it ends the
        program, `events` says so.
        """
        try:
            source = BodySource(body)
        except EXIT_EXCEPTIONS:
            events.append(
                HandlerFailed(ticket, 500, "", "the stream was interrupted when it began")
            )
            raise
        except BaseException as error:
            return HandlerFailed(
                ticket, 500, "", f"the stream could not be started\n{format_traceback(error)}"
            )
        self._sources.setdefault(ticket.conn, {})[ticket.number] = source
        return None

    def pull(self, ticket: Ticket, events: list[Event]) -> Event | None:
        """Ask a stream for its next piece.  If it ends the program, `events` says so first."""
        source = self._find(ticket)
        if source is None:
            return None
        try:
            piece = source.ask(self.spawn)
        except BaseException as error:
            return self._take_failure(ticket, error, events)
        return self._take(ticket, source, piece, events)

    def take_late(self, late: LateChunk, events: list[Event]) -> Event | None:
        """What a stream had promised has come."""
        source = self._find(late.ticket)
        if source is None:
            return None
        source.cancel = None
        return self._take(late.ticket, source, late.chunk, events)

    def _take(
        self, ticket: Ticket, source: BodySource, piece: object, events: list[Event]
    ) -> Event | None:
        """A piece, as the core is told of it; None if there is none yet."""
        if piece is None:
            self._silent.append(ticket)
            if self.poll_at is None:
                self.poll_at = self._clock() + POLL_SECONDS
            return None
        if type(piece) is bytes and source.encode is to_bytes:
            return StreamChunk(ticket, piece)
        try:
            if isinstance(piece, Deferred):
                piece.when_resolved(lambda made: self._post(LateChunk(ticket, made)))
                return None
            if not isinstance(piece, BaseException):
                return StreamChunk(ticket, source.encode(piece))
            failure: BaseException = piece
        except BaseException as error:
            failure = error
        return self._take_failure(ticket, failure, events)

    def _take_failure(
        self, ticket: Ticket, error: BaseException, events: list[Event]
    ) -> Event | None:
        """A stream raised: that it has ended, that the program is to end, or something that is its
        own trouble.
        """
        kind = type(error)
        if issubclass(kind, StopIteration | StopAsyncIteration):
            events.append(StreamEnded(ticket))
            self.close_body(ticket)
            return None
        is_ending = issubclass(kind, EXIT_EXCEPTIONS)
        account = "was interrupted" if is_ending else f"raised\n{format_traceback(error)}"
        events.append(HandlerFailed(ticket, 500, "", f"the stream {account}"))
        self.close_body(ticket)
        if is_ending:
            raise error
        return None

    def poll(self, now: float, events: list[Event]) -> None:
        """Ask those again that had nothing, if it is time; if one of them ends the program, the
        rest are asked next.
        """
        if self.poll_at is None or now < self.poll_at:
            return
        silent, self._silent, self.poll_at = iter(self._silent), [], None
        try:
            for ticket in silent:
                event = self.pull(ticket, events)
                if event is not None:
                    events.append(event)
        except EXIT_EXCEPTIONS:
            self._silent += silent
            self.poll_at = now if self._silent else None
            raise

    def _find(self, ticket: Ticket) -> BodySource | None:
        return self._sources.get(ticket.conn, {}).get(ticket.number)

    def _forget(self, ticket: Ticket) -> BodySource | None:
        """The source of a ticket, which is not kept any more."""
        sources = self._sources.get(ticket.conn, {})
        source = sources.pop(ticket.number, None)
        if not sources:
            self._sources.pop(ticket.conn, None)
        return source

    def close_body(self, ticket: Ticket) -> None:
        """A stream will not be asked again."""
        source = self._forget(ticket)
        if source is not None:
            source.close(self.spawn)

    def close_bodies(self, conn: Conn) -> None:
        """None of a connection's streams will be asked again; all are closed, whatever one of them
        raises.
        """
        endings: list[BaseException] = []
        for source in self._sources.pop(conn, {}).values():
            try:
                source.close(self.spawn)
            except EXIT_EXCEPTIONS as error:
                endings.append(error)
        if endings:
            raise endings[0]
