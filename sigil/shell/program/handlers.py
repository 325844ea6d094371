"""The program behind the server: its handler, and what becomes of its exceptions.

Theory: user code may do anything, so it is called in one place, and whatever it does comes back as
an event: an answer, or an excuse with the traceback for the log.

Rules: nothing it raises gets past here but what is meant to end the program (KeyboardInterrupt,
SystemExit), and even then the client is answered first. Streams are kept by `sources`, callbacks
called by `callbacks`. It does not know sockets.
"""

import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from ...core.conn import Conn, Ticket
from ...core.effects import (
    CallClose,
    CallOpen,
    CallWsClose,
    CallWsOpen,
    CloseBody,
    Deliver,
    DeliverCompressed,
    Handle,
    Pull,
)
from ...core.events import Event, HandlerFailed, HandlerReturned
from ...core.http.request import BadInput, Request
from ...core.http.response import Response, StreamedBody
from ...core.http.validate import type_name
from ...core.server.slots import find_client
from .body_sources import BodySources, LateChunk, Spawn, close_iterator
from .callbacks import CallbackRunner, Callbacks, Returned
from .deferred import Deferred
from .tracebacks import EXIT_EXCEPTIONS, format_traceback, safe_str

if TYPE_CHECKING:
    from ..server import HttpServer

HandlerResult: TypeAlias = Response | Deferred | None
"""What a handler returns: a response, one that comes later, or None for a 404."""

Handler: TypeAlias = (
    Callable[[Request], HandlerResult] | Callable[[Request], Awaitable[Response | None]]
)
"""A function of a request; inside asyncio it may be `async def`."""


class HandlerError(NamedTuple):
    """What becomes of a handler's exception: the status and sentence for the client, the account
    for the log.
    """

    status: int
    message: str
    traceback: str


def _handler_error(request: Request, error: BaseException) -> HandlerError:
    """Bad input is the client's business; everything else is ours, and the client sees none of it."""
    if issubclass(type(error), BadInput):
        status = _status_of(error)
        if status is not None:
            return HandlerError(status, safe_str(error), "")
    return HandlerError(
        500, "", f"{request.method} {request.target}: the handler raised\n{format_traceback(error)}"
    )


def _status_of(error: BaseException) -> Any:
    """The status that bad input asks for; None if it cannot be had."""
    try:
        return getattr(error, "status", None)
    except EXIT_EXCEPTIONS:
        raise
    except BaseException:
        return None


class LateResult(NamedTuple):
    """A result that came after its handler had returned, on its way to the loop's thread."""

    ticket: Ticket
    request: Request
    result: object


Posted: TypeAlias = Event | LateResult | LateChunk | Returned
"""What may be left for the thread that ticks."""


class Application:
    """All user code of one server: a handler, callbacks, and the streams that responses brought."""

    def __init__(
        self,
        server: "HttpServer",
        handler: Handler,
        callbacks: Callbacks,
        events: list[Event],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._server = server
        self._handler = handler
        self._caller = CallbackRunner(server, callbacks)
        self.sources = BodySources(server.post, clock)
        self._events = events
        """Where events go that come before the one a method returns."""

    def handle_request(self, order: Handle) -> Event | None:
        """Call the handler with each request; whatever it does is an event."""
        handler, requests, ticket = self._handler, order.requests, order.ticket
        conn, number = ticket.conn, ticket.number
        responses: list[Response] = []
        response: Any
        for request in requests:
            try:
                response = handler(request)
            except (
                EXIT_EXCEPTIONS
            ):  # the loop is being left: the clients are told, then the exception goes its way
                self._report_answers(Ticket(conn, number), responses)
                self._report_interrupt(order, number + len(responses))
                raise
            except BaseException as error:
                response = _handler_error(request, error)
            if type(response) is Response and type(response.body) is bytes:
                responses.append(response)
                continue
            self._report_answers(Ticket(conn, number), responses)
            number += len(responses) + 1
            event = self._to_event(Ticket(conn, number - 1), request, response)
            if event is not None:
                self._events.append(event)
            responses = []
        if not responses:
            return None
        if number != ticket.number:
            ticket = Ticket(conn, number)
        return HandlerReturned(ticket, tuple(responses))

    def _report_answers(self, ticket: Ticket, responses: list[Response]) -> None:
        """The answers so far, if there are any."""
        if responses:
            self._events.append(HandlerReturned(ticket, tuple(responses)))

    def _report_interrupt(self, order: Handle, number: int) -> None:
        """The request called `number`, and those behind it, will not be handled."""
        conn, first = order.ticket.conn, order.ticket.number
        for request in order.requests[number - first :]:
            account = f"{request.method} {request.target}: interrupted"
            self._events.append(HandlerFailed(Ticket(conn, number), 500, "", account))
            number += 1

    def _to_event(self, ticket: Ticket, request: Request, result: object) -> Event | None:
        """What a handler returned that is not a response with a body of bytes; None if the answer
        comes later.
        """
        try:
            return self._match_result(ticket, request, result)
        except EXIT_EXCEPTIONS:
            raise
        except BaseException as error:
            return HandlerFailed(
                ticket,
                500,
                "",
                f"{request.method} {request.target}: the handler returned an object of "
                f"type {type_name(result)} that cannot be looked at\n{format_traceback(error)}",
            )

    def _match_result(self, ticket: Ticket, request: Request, result: object) -> Event | None:
        """The same of an object that does not raise when it is asked what it is."""
        match result:
            case HandlerError():
                return HandlerFailed(ticket, *result)
            case Response() if issubclass(type(result), Response):
                return self._start_body(ticket, result)
            case None:
                return HandlerReturned(ticket, (Response.error(404),))
            case Deferred():
                result.when_resolved(
                    lambda late: self._server.post(LateResult(ticket, request, late))
                )
                return None
            case Awaitable() if self.sources.spawn is not None:
                deferred = Deferred()
                self.sources.spawn(result, deferred)
                return self._match_result(ticket, request, deferred)
            case BaseException():
                return HandlerFailed(ticket, *_handler_error(request, result))
            case Coroutine():
                result.close()
                return HandlerFailed(
                    ticket,
                    500,
                    "",
                    f"{request.method} {request.target}: the handler is asynchronous, "
                    "which needs http_server_serve() inside asyncio",
                )
            case _:
                return HandlerFailed(
                    ticket,
                    500,
                    "",
                    f"{request.method} {request.target}: the handler returned "
                    f"{type_name(result)}, not a Response",
                )

    def take_late(self, late: LateResult | LateChunk | Returned) -> Event | None:
        """A late result as an event; what came for a connection that is gone is told to the core
        all the same.
        """
        if isinstance(late, LateChunk):
            return self.sources.take_late(late, self._events)
        if isinstance(late, Returned):
            return self._caller.resume(late, self._events)
        ticket, request, result = late
        if find_client(self._server.state.slots, ticket.conn) is None:
            discard(late, self.sources.spawn)
            return HandlerReturned(ticket, (Response.error(404),))
        return self._to_event(ticket, request, result)

    def _start_body(self, ticket: Ticket, response: Response) -> Event:
        """The iterator of a stream stays here, under the number of its request."""
        body = response.body
        if not isinstance(body, StreamedBody):
            return HandlerReturned(ticket, (response,))
        refused = self.sources.start(ticket, body, self._events)
        return refused or HandlerReturned(
            ticket, (response._replace(body=StreamedBody((), body.is_sse)),)
        )

    def pull(self, order: Pull) -> Event | None:
        """Ask a stream for its next piece."""
        return self.sources.pull(order.ticket, self._events)

    def close_body(self, order: CloseBody) -> None:
        """A stream will not be asked again."""
        self.sources.close_body(order.ticket)

    def close_bodies(self, conn: Conn) -> None:
        """None of a connection's streams will be asked again."""
        self.sources.close_bodies(conn)

    # -- callbacks ---------------------------------------------------------------------------------

    def call_open(self, order: CallOpen) -> Event | None:
        """Tell user code of a new connection."""
        return self._caller.call_open(order, self._events)

    def call_close(self, order: CallClose) -> Event | None:
        """Tell user code of a connection that is gone."""
        return self._caller.call_close(order, self._events)

    def call_ws_open(self, order: CallWsOpen) -> Event | None:
        """Tell user code of a new WebSocket."""
        return self._caller.call_ws_open(order, self._events)

    def deliver(self, order: Deliver) -> Event | None:
        """Give user code messages of a WebSocket."""
        return self._caller.deliver(order, self._events)

    def deliver_compressed(self, order: DeliverCompressed) -> Event | None:
        """Give user code messages of a WebSocket of which some are compressed."""
        return self._caller.deliver_compressed(order, self._events)

    def call_ws_close(self, order: CallWsClose) -> Event | None:
        """Tell user code of a WebSocket that has ended."""
        return self._caller.call_ws_close(order, self._events)

    def set_spawn(self, spawn: Spawn | None) -> None:
        """How coroutines of user code are run from now on; None: they are refused."""
        self.sources.spawn = self._caller.spawn = spawn


def discard(word: object, spawn: Spawn | None = None) -> None:
    """A word that nobody will take: if it brings a stream, that is closed."""
    if isinstance(word, LateResult) and issubclass(type(word.result), Response):
        body = word.result.body  # type: ignore[attr-defined]  # a response has one
        if issubclass(type(body), StreamedBody):
            close_iterator(body.chunks, spawn)
