"""The HTTP server of the Evo runtime.

Theory: a request is a sequence of events: its head, the pieces of its body, the last of them. The
program answers when it wants to, by the id that the events carry. So each request is a handler of
sigil that takes its body in pieces and promises a response; what the program writes under the id
resolves the promise.

Rules: an id is valid from HTTP_REQUEST_STARTED until the response has ended, or nobody waits for
it. One that is not valid is no error, since the client may have left: what is asked of it is None,
and what is written to it is dropped. The next piece of a body is asked for when the program was
given the last, and the first one when it was given the head: a client is read no faster than events
are drained. It does not know WebSockets.
"""

from functools import partial
from typing import Any

from sigil import BadInput, Callbacks, CloseReason, Conn, Limits, Request, Routes, SendStatus
from sigil import HttpServer as SigilServer
from sigil.web import BodyWriter

from .details import RequestDetails, details_of, headers_text
from .events import Event, EventType
from .ids import check_id, decode_id, encode_id
from .pending import MAX_BUFFERED_LEN, PendingRequest
from .send_status import HttpSendStatus
from .serving import EventServer

METHODS = ("GET", "POST", "OPTIONS", "DELETE", "PATCH", "PUT", "HEAD", "ANY")
"""The methods that routes are for."""


class Seen:
    """What is remembered of one connection."""

    __slots__ = ("count", "last_answered", "pending")

    def __init__(self) -> None:
        self.count = 0
        """How many requests have come."""
        self.pending: set[str] = set()
        """The ids of those that are not answered."""
        self.last_answered = ""
        """The id of the one that was answered last."""


class HttpServer(EventServer):
    """An HTTP server as the Evo runtime has it: routes, events by name, requests by id.

        server = HttpServer()
        server.add_route("/hello", "GET")

        @server.on("HTTP_REQUEST_FINISHED")
        def finished(event: Event[bytes]) -> None:
            server.send_response(event.client_id, "hello")

        server.start_listening(9001)
        server.serve()

    A body that is written in parts is taken up to `max_buffered_len` bytes before the client has
    taken them. ValueError for a length that is not positive.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        limits: Limits | None = None,
        max_buffered_len: int = MAX_BUFFERED_LEN,
        **others: Any,
    ) -> None:
        self._routes = Routes()
        BodyWriter(max_buffered_len)  # raises what is wrong with it
        self._max_buffered_len = max_buffered_len
        self._requests: dict[str, PendingRequest] = {}
        """The requests that are not answered, by id."""
        self._seen: dict[Conn, Seen] = {}
        super().__init__(host=host, limits=limits, **others)

    # -- events ------------------------------------------------------------------------------------

    def HTTP_REQUEST_STARTED(self, event: Event[str]) -> None:
        """The head of a request is there: `event.client_id` is its id."""

    def HTTP_DATA_RECEIVED(self, event: Event[bytes]) -> None:
        """`event.message` is a piece of the body, and more is to come."""

    def HTTP_REQUEST_FINISHED(self, event: Event[bytes]) -> None:
        """`event.message` is the last piece of the body; it is empty if there is none."""

    def HTTP_CONNECTION_ABORTED(self, event: Event[str]) -> None:
        """Nobody waits for the response to a request any more; its id is invalid already."""

    def HTTP_CONNECTION_WRITABLE(self, event: Event[int]) -> None:
        """There is room for more of a response that is written in parts; `event.message` is the
        offset of the next byte.
        """

    # -- routes ------------------------------------------------------------------------------------

    def add_route(self, route: str, method: str = "ANY", handler: Any = None) -> None:
        """Have requests of this method to paths that match the pattern make events; or, with a
        `handler`, a function of a `Request` as everywhere in sigil, have it answer them.

        Also while the server listens. ValueError with a sentence for a pattern or a method that
        makes no sense, and for what was added already.
        """
        if not isinstance(route, str):
            raise TypeError(f"a route is a str, not {type(route).__name__}")
        if handler is not None:
            self._routes.add(route, handler, method)
            return
        self._routes.add(route, partial(self._begin, route), method, body="stream")

    def remove_route(self, route: str, method: str = "ANY") -> None:
        """Remove a route; KeyError if there is none. Requests that have come stay valid."""
        self._routes.remove(route, method)

    def get_registered_routes(self, method: str) -> tuple[str, ...]:
        """The patterns of the routes of this method, or of `ANY`, in the order in which they were
        added; ValueError for a method that no route can be for.
        """
        if method not in METHODS:
            raise ValueError(f"a method is one of {', '.join(METHODS)}, not {method!r}")
        return self._routes.get_registered_routes(method)

    # -- requests ----------------------------------------------------------------------------------

    def has_request_details(self, request_id: str) -> bool:
        """True from HTTP_REQUEST_STARTED until the response has ended or nobody waits for it."""
        return check_id(request_id) in self._requests

    def get_request_details(self, request_id: str) -> RequestDetails | None:
        """All that is known of a request; None if the id is not valid."""
        pending = self._requests.get(check_id(request_id))
        return None if pending is None else details_of(pending.request, pending.endpoint)

    def get_request(self, request_id: str) -> Request | None:
        """The request as sigil has it, without its body; None if the id is not valid."""
        pending = self._requests.get(check_id(request_id))
        return None if pending is None else pending.request

    def get_request_method(self, request_id: str) -> str | None:
        """The method of a request, in upper case."""
        request = self.get_request(request_id)
        return None if request is None else request.method

    def get_request_url(self, request_id: str) -> str | None:
        """The path of a request, undecoded, without its query."""
        request = self.get_request(request_id)
        return None if request is None else request.mount_path + request.subpath

    def get_request_query(self, request_id: str) -> str | None:
        """What follows the question mark, undecoded."""
        request = self.get_request(request_id)
        return None if request is None else request.query

    def get_request_endpoint(self, request_id: str) -> str | None:
        """The pattern of the route that a request is for, as it was added."""
        pending = self._requests.get(check_id(request_id))
        return None if pending is None else pending.endpoint

    def get_request_header(self, request_id: str, name: str) -> str | None:
        """A header of a request, by its name in whatever case; None if it has none."""
        if not isinstance(name, str):
            raise TypeError(f"the name of a header is a str, not {type(name).__name__}")
        request = self.get_request(request_id)
        return None if request is None else request.headers.get(name)

    def get_request_headers(self, request_id: str) -> str | None:
        """The headers of a request as lines: name in lower case, colon, space, value, CR LF."""
        request = self.get_request(request_id)
        return None if request is None else headers_text(request)

    # -- responses ---------------------------------------------------------------------------------

    def write_status(self, request_id: str, status: int | str) -> bool:
        """Have the response begin with a status: a number, or a number and the text behind it, as
        in "404 Not Found". It is 200 otherwise. False if the id is not valid.

        ValueError for what is no status, RuntimeError behind a header or a part of the body.
        """
        pending = self._find_request(request_id)
        if pending is not None:
            pending.set_status(status)
        return pending is not None

    def write_header(self, request_id: str, name: str, value: str) -> bool:
        """Add a header to the response. False if the id is not valid.

        ValueError for one that cannot be sent, RuntimeError behind a part of the body.
        """
        pending = self._find_request(request_id)
        if pending is not None:
            pending.add_header(name, value)
        return pending is not None

    def write_response(self, request_id: str, data: str | bytes) -> SendStatus:
        """Send a chunk of the body; the first one sends the head. `send_response` ends it.

        `BACKPRESSURE` if the client is behind: HTTP_CONNECTION_WRITABLE comes when it has caught
        up, and a body breaks off when far too much waits for it. `DROPPED` if the id is not valid.
        """
        pending, body = self._find_request(request_id), _to_bytes(data)
        return SendStatus.DROPPED if pending is None else pending.write(body)

    def send_response(self, request_id: str, data: str | bytes = b"") -> SendStatus:
        """End the response with this: all of its body, or the last chunk. The id is invalid then.

        `DROPPED` if it was already. RuntimeError for a request that the program has answered.
        """
        pending, body = self._find_request(request_id), _to_bytes(data)
        if pending is None:
            return SendStatus.DROPPED
        status = pending.send(body)
        self._forget(pending, is_answered=True)
        return status

    def stream_response(
        self, request_id: str, data: str | bytes, offset: int = 0, total: int | None = None
    ) -> HttpSendStatus:
        """Send what there is room for of the bytes of a body from `offset` on; `total` is how many
        it has in all, by default what is given with the first part.

        `SENT` if all of it was taken, `ENDED` if the body is complete with it: then the id is
        invalid. Behind any part but the last HTTP_CONNECTION_WRITABLE comes once, as soon as there
        is room, with the offset of the next byte. Bytes in front of that may be given again.
        `NONE` if the id is not valid. ValueError for a part that does not fit to the last.
        """
        pending, body = self._find_request(request_id), _to_bytes(data)
        _check_count("offset", offset)
        if total is not None:
            _check_count("total", total)
        if pending is None:
            return HttpSendStatus.NONE
        status = pending.stream(body, offset, total)
        if status & HttpSendStatus.ENDED:
            self._forget(pending, is_answered=True)
        elif not pending.is_behind:
            self._has_room(pending)
        return status

    # -- for the server ----------------------------------------------------------------------------

    @property
    def callbacks(self) -> Callbacks:
        """The callbacks of the server."""
        return super().callbacks._replace(close=self._connection_closed)

    def _handle(self, request: Request) -> Any:
        """What the route of a request answers."""
        return self._routes(request)

    def _choose_body(self, request: Request) -> Any:
        """How the route of a request takes its body."""
        before_body = self._routes.before_body
        return None if before_body is None else before_body(request)

    @property
    def _living_handlers(self) -> tuple[Any, ...]:
        """The handlers of routes that begin and end with the server."""
        return (*super()._living_handlers, *self._routes.living_handlers)

    def _begin(self, endpoint: str, request: Request) -> Any:
        """A request has come whose route makes events."""
        seen = self._seen.setdefault(request.conn, Seen())
        seen.count += 1
        request_id = encode_id(self._prefix, request.conn, seen.count)
        pending = PendingRequest(request_id, request, endpoint, self._max_buffered_len)
        pending.watch(partial(self._abort, pending), partial(self._has_room, pending))
        self._requests[request_id] = pending
        seen.pending.add(request_id)
        self._defer(EventType.HTTP_REQUEST_STARTED, request_id, "")
        if not _has_body(request):
            self._ask(pending)
        return pending.deferred

    def _ask(self, pending: PendingRequest) -> None:
        """Ask for the next piece of the body, unless it is on its way: an event may be delivered
        again, if the program defers it again.
        """
        if pending.is_asking:
            return
        pending.is_asking = True
        chunks: Any = pending.request.chunks
        chunks.ask().when_resolved(partial(self._take_piece, pending))

    def _take_piece(self, pending: PendingRequest, piece: object) -> None:
        """The next piece of a body has come, or the rest does not come."""
        pending.is_asking = False
        if pending.id not in self._requests:
            return
        if not isinstance(piece, bytes):
            if isinstance(piece, BadInput):
                pending.deferred.fail(piece)
            self._abort(pending)
            return
        pending.received += len(piece)
        pending.has_ended = not piece or pending.received == _declared_len(pending.request)
        kind = EventType.HTTP_DATA_RECEIVED
        if pending.has_ended:
            kind = EventType.HTTP_REQUEST_FINISHED
        self._defer(kind, pending.id, piece)

    def _has_room(self, pending: PendingRequest) -> None:
        """There is room for more of a response that is written in parts."""
        if pending.id in self._requests:
            self._defer(EventType.HTTP_CONNECTION_WRITABLE, pending.id, pending.offset)

    def _abort(self, pending: PendingRequest) -> None:
        """Nobody waits for a response any more."""
        if self._forget(pending):
            self._defer(EventType.HTTP_CONNECTION_ABORTED, pending.id, "")

    def _connection_closed(self, server: SigilServer, conn: Conn, reason: CloseReason) -> None:
        """A client is gone, and with it all that it had asked for."""
        seen = self._seen.pop(conn, None)
        for request_id in sorted(seen.pending) if seen is not None else ():
            self._abort(self._requests[request_id])

    def _refuse_pending(self) -> None:
        super()._refuse_pending()
        for pending in list(self._requests.values()):
            if pending.refuse():
                self._forget(pending)

    # -- events, when they are delivered -----------------------------------------------------------

    def _deliver(self, given: object) -> None:
        """Deliver an event, unless it would say that another byte is next than is, or that there
        is room where the program has meanwhile filled it.
        """
        event = self._as_event(given)
        if event.type is EventType.HTTP_CONNECTION_WRITABLE:
            pending = self._requests.get(event.client_id)
            if pending is None:
                return
            if pending.is_chunked and not pending.is_behind:
                given = event._replace(message=pending.offset)  # nobody else tells who waits
            elif pending.offset != event.message:
                return
        super()._deliver(given)

    def _after_delivery(self, event: Event[Any]) -> None:
        """The first piece of a body is asked for behind the head, which the program may have
        refused, and each further one behind the last.
        """
        super()._after_delivery(event)
        pending = self._requests.get(event.client_id)
        if pending is None or pending.has_ended:
            return
        if event.type is EventType.HTTP_DATA_RECEIVED or (
            event.type is EventType.HTTP_REQUEST_STARTED and _has_body(pending.request)
        ):
            self._ask(pending)

    def _after_failure(self, event: Event[Any], error: BaseException) -> None:
        """A request whose event could not be handled gets a 500, or is broken off."""
        super()._after_failure(event, error)
        pending = self._requests.get(event.client_id)
        if pending is not None:
            pending.fail()
            self._forget(pending)

    # -- the rest is for this class ----------------------------------------------------------------

    def _find_request(self, request_id: str) -> PendingRequest | None:
        """The request of this id, None if it is not valid; RuntimeError if the program has answered
        it.
        """
        pending = self._requests.get(check_id(request_id))
        if pending is None:
            named = decode_id(self._prefix, request_id)
            seen = None if named is None else self._seen.get(named.conn)
            if seen is not None and seen.last_answered == request_id:
                raise RuntimeError(f"the request {request_id} was answered already")
        return pending

    def _forget(self, pending: PendingRequest, is_answered: bool = False) -> bool:
        """Have the id of a request not be valid any more; False if it was not."""
        if self._requests.pop(pending.id, None) is None:
            return False
        seen = self._seen.get(pending.request.conn)
        if seen is not None:
            seen.pending.discard(pending.id)
            seen.last_answered = pending.id if is_answered else seen.last_answered
        return True


def _has_body(request: Request) -> bool:
    """True for a request whose body is still to come."""
    return "transfer-encoding" in request.headers or _declared_len(request) > 0


def _declared_len(request: Request) -> int:
    """The Content-Length of a request; -1 if it has none."""
    value = request.headers.get("content-length", "")
    return int(value) if value.isdigit() else -1


def _to_bytes(data: object) -> bytes:
    """Some of a body as bytes, a str in UTF-8; TypeError for what is neither."""
    if isinstance(data, str):
        return data.encode()
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(data)
    raise TypeError(f"a body is a str or bytes, not {type(data).__name__}")


def _check_count(name: str, value: object) -> None:
    """TypeError for what is no number of bytes."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} is a number of bytes, not {type(value).__name__}")
