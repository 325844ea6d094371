"""The program behind the server: its handler, and what becomes of its exceptions.

Theory: user code may do anything, so it is called in one place, and whatever it does comes back as an event: an
answer, or an excuse with the traceback for the log.

Rules: nothing it raises gets past here but what is meant to end the program (KeyboardInterrupt, SystemExit), and even
then the client is answered first.  Streams are kept by `sources`, callbacks called by `callbacks`.  It does not know
sockets.
"""

import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from ...core.conn import Conn, Ticket
from ...core.effects import Abandon, Deliver, Farewell, Greet, Handle, Part, Pull, Unpack, Welcome
from ...core.events import Answered, Event, Refused
from ...core.http.request import BadInput, Request
from ...core.http.response import Pulled, Response
from ...core.http.validate import kind_of
from ...core.server.slots import find
from .body_sources import LatePiece, Sources, Spawn, close_pieces
from .callbacks import Callbacks, Caller, Returned
from .deferred import Deferred
from .tracebacks import ENDINGS, account_of, sentence_of

if TYPE_CHECKING:
    from ..server import HttpServer

Answer: TypeAlias = "Response | Deferred | None"
Handler: TypeAlias = "Callable[[Request], Answer] | Callable[[Request], Awaitable[Response | None]]"


class Excuse(NamedTuple):
    """What becomes of a handler's exception: the status and sentence for the client, the account for the log."""

    status: int
    message: str
    account: str


def _excuse(request: Request, error: BaseException) -> Excuse:
    """Bad input is the client's business; everything else is ours, and the client sees none of it."""
    if issubclass(type(error), BadInput):
        status = _status_of(error)
        if status is not None:
            return Excuse(status, sentence_of(error), "")
    return Excuse(500, "", f"{request.method} {request.target}: the handler raised\n{account_of(error)}")


def _status_of(error: BaseException) -> Any:
    """The status that bad input asks for; None if it cannot be had."""
    try:
        return getattr(error, "status", None)
    except ENDINGS:
        raise
    except BaseException:
        return None


class Late(NamedTuple):
    """A result that came after its handler had returned, on its way to the loop's thread."""

    ticket: Ticket
    request: Request
    result: object


Word: TypeAlias = Event | Late | LatePiece | Returned
"""What may be left for the thread that ticks."""


class Program:
    """All user code of one server: a handler, callbacks, and the streams that responses brought."""

    def __init__(self, server: "HttpServer", handler: Handler, callbacks: Callbacks,
                 events: list[Event], clock: Callable[[], float] = time.monotonic) -> None:
        self._server = server
        self._handler = handler
        self._caller = Caller(server, callbacks)
        self.sources = Sources(server.post, clock)
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
            except ENDINGS:  # the loop is being left: the clients are told, then the exception goes its way
                self._report_answers(Ticket(conn, number), responses)
                self._report_interrupt(order, number + len(responses))
                raise
            except BaseException as error:
                response = _excuse(request, error)
            if type(response) is Response and type(response.body) is bytes:
                responses.append(response)
                continue
            self._report_answers(Ticket(conn, number), responses)
            number += len(responses) + 1
            event = self._examine(Ticket(conn, number - 1), request, response)
            if event is not None:
                self._events.append(event)
            responses = []
        if not responses:
            return None
        if number != ticket.number:
            ticket = Ticket(conn, number)
        return Answered(ticket, tuple(responses))

    def _report_answers(self, ticket: Ticket, responses: list[Response]) -> None:
        """The answers so far, if there are any."""
        if responses:
            self._events.append(Answered(ticket, tuple(responses)))

    def _report_interrupt(self, order: Handle, number: int) -> None:
        """The request called `number`, and those behind it, will not be handled."""
        conn, first = order.ticket.conn, order.ticket.number
        for request in order.requests[number - first:]:
            account = f"{request.method} {request.target}: interrupted"
            self._events.append(Refused(Ticket(conn, number), 500, "", account))
            number += 1

    def _examine(self, ticket: Ticket, request: Request, result: object) -> Event | None:
        """What a handler returned that is not a response with a body of bytes; None if the answer comes later."""
        try:
            return self._weigh(ticket, request, result)
        except ENDINGS:
            raise
        except BaseException as error:
            return Refused(ticket, 500, "", f"{request.method} {request.target}: the handler returned an object of "
                                            f"type {kind_of(result)} that cannot be looked at\n{account_of(error)}")

    def _weigh(self, ticket: Ticket, request: Request, result: object) -> Event | None:
        """The same of an object that does not raise when it is asked what it is."""
        match result:
            case Excuse():
                return Refused(ticket, *result)
            case Response() if issubclass(type(result), Response):
                return self._keep_source(ticket, result)
            case None:
                return Answered(ticket, (Response.error(404),))
            case Deferred():
                result.when_resolved(lambda late: self._server.post(Late(ticket, request, late)))
                return None
            case Awaitable() if self.sources.spawn is not None:
                deferred = Deferred()
                self.sources.spawn(result, deferred)
                return self._weigh(ticket, request, deferred)
            case BaseException():
                return Refused(ticket, *_excuse(request, result))
            case Coroutine():
                result.close()
                return Refused(ticket, 500, "", f"{request.method} {request.target}: the handler is asynchronous, "
                                                "which needs http_server_serve() inside asyncio")
            case _:
                return Refused(ticket, 500, "", f"{request.method} {request.target}: the handler returned "
                                                f"{kind_of(result)}, not a Response")

    def take_late(self, late: Late | LatePiece | Returned) -> Event | None:
        """A late result as an event; what came for a connection that is gone is told to the core all the same."""
        if isinstance(late, LatePiece):
            return self.sources.take_late(late, self._events)
        if isinstance(late, Returned):
            return self._caller.go_on(late, self._events)
        ticket, request, result = late
        if find(self._server.state.slots, ticket.conn) is None:
            discard(late, self.sources.spawn)
            return Answered(ticket, (Response.error(404),))
        return self._examine(ticket, request, result)

    def _keep_source(self, ticket: Ticket, response: Response) -> Event:
        """The iterator of a stream stays here, under the number of its request."""
        body = response.body
        if not isinstance(body, Pulled):
            return Answered(ticket, (response,))
        refused = self.sources.keep(ticket, body, self._events)
        return refused or Answered(ticket, (response._replace(body=Pulled((), body.is_sse)),))

    def pull(self, order: Pull) -> Event | None:
        """Ask a stream for its next piece."""
        return self.sources.pull(order.ticket, self._events)

    def abandon(self, order: Abandon) -> None:
        """A stream will not be asked again."""
        self.sources.abandon(order.ticket)

    def abandon_all(self, conn: Conn) -> None:
        """None of a connection's streams will be asked again."""
        self.sources.abandon_all(conn)

    # -- callbacks ------------------------------------------------------------------------------------------------

    def greet(self, order: Greet) -> Event | None:
        """Tell user code of a new connection."""
        return self._caller.greet(order, self._events)

    def farewell(self, order: Farewell) -> Event | None:
        """Tell user code of a connection that is gone."""
        return self._caller.farewell(order, self._events)

    def welcome(self, order: Welcome) -> Event | None:
        """Tell user code of a new WebSocket."""
        return self._caller.welcome(order, self._events)

    def deliver(self, order: Deliver) -> Event | None:
        """Give user code messages of a WebSocket."""
        return self._caller.deliver(order, self._events)

    def unpack(self, order: Unpack) -> Event | None:
        """Give user code messages of a WebSocket of which some are compressed."""
        return self._caller.unpack(order, self._events)

    def part(self, order: Part) -> Event | None:
        """Tell user code of a WebSocket that has ended."""
        return self._caller.part(order, self._events)

    def run_coroutines(self, spawn: Spawn | None) -> None:
        """How coroutines of user code are run from now on; None: they are refused."""
        self.sources.spawn = self._caller.spawn = spawn


def discard(word: object, spawn: Spawn | None = None) -> None:
    """A word that nobody will take: if it brings a stream, that is closed."""
    if isinstance(word, Late) and issubclass(type(word.result), Response):
        body = word.result.body  # type: ignore[attr-defined]  # a response has one
        if issubclass(type(body), Pulled):
            close_pieces(body.chunks, spawn)
