"""Carrying out orders: the one place where effects touch sockets and user code.

Theory: an order is done or not done; what comes of it is told as events, and never decided here.  So every method
below takes one effect and returns at most one event.

Rules: nothing blocks.  User code is called only from here, and whatever it raises becomes an event.  A connection
whose send stalled is blocked: later sends to it are handed back whole, so bytes cannot overtake each other, until
its turn comes to be written again.  Orders for a connection that is gone do nothing.

It does not know HTTP, time, or when it is called.
"""

import logging
import selectors
import socket
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from ..core.conn import Conn, Ticket
from ..core.effects import (
    Abandon,
    Access,
    Adopt,
    Drop,
    Effect,
    Farewell,
    Greet,
    Handle,
    Interest,
    Note,
    Pull,
    Send,
    Then,
    TurnAway,
    Watch,
)
from ..core.events import (
    Answered,
    Chunk,
    Ended,
    Event,
    Failed,
    HalfClosed,
    Hangup,
    Received,
    Refused,
    Segment,
    Stalled,
    Writable,
)
from ..core.reasons import CloseReason
from ..core.request import BadInput, Request
from ..core.response import Pulled, Response

if TYPE_CHECKING:
    from .server import HttpServer

Ready: TypeAlias = list[tuple[selectors.SelectorKey, int]]
Handler: TypeAlias = Callable[[Request], Response | None]

MAX_SEGMENTS = 1_000
"""Pieces of memory in one system call; Linux refuses more than 1024."""

_NOWHERE = Pulled(())
"""What the core sees of a stream: that there is one.  Its iterator stays here."""

_new = tuple.__new__
_KEEP = Then.KEEP
_READ = selectors.EVENT_READ

_ACCESS_LOG = logging.getLogger("sigil.access")


class Callbacks(NamedTuple):
    """What a program may want to be told: `open(server, conn)` and `close(server, conn, reason)`.

    One that raises is logged with its traceback and ends its connection (with a 500 where one can still be sent).
    """

    open: "Callable[[HttpServer, Conn], object] | None" = None
    close: "Callable[[HttpServer, Conn, CloseReason], object] | None" = None


class Excuse(NamedTuple):
    """What becomes of a handler's exception: the status and the sentence the client gets, and the account for the log."""

    status: int
    message: str
    account: str


def _excuse(request: Request, error: Exception) -> Excuse:
    """Bad input is the client's business; everything else is ours, and the client sees none of it."""
    if isinstance(error, BadInput):
        return Excuse(error.status, str(error), "")
    return Excuse(500, "", f"{request.method} {request.target}: the handler raised\n{traceback.format_exc()}")


class Wire:
    """A connection's socket and what else belongs to it outside the core."""

    __slots__ = ("conn", "interest", "is_blocked", "recv", "send", "sock", "sources")

    def __init__(self, conn: Conn, sock: socket.socket) -> None:
        self.conn = conn
        self.sock = sock
        self.recv = sock.recv
        self.send = sock.send
        self.interest = Interest.NOTHING
        self.is_blocked = False
        self.sources: dict[int, Iterator[Any]] = {}


class Performer:
    """Everything that stands between the core's names and the world's things."""

    def __init__(self, server: "HttpServer", handler: Handler, callbacks: Callbacks,
                 selector: selectors.BaseSelector) -> None:
        self._server = server
        self._handler = handler
        self._callbacks = callbacks
        self._selector = selector
        self._doors: dict[int, socket.socket] = {}
        self._wires: dict[Conn, Wire] = {}
        self._report: Callable[[Event], None] = [].append
        self._methods: dict[type, Callable[[Any], Event | None]] = {
            Handle: self.handle_request,
            Send: self.send,
            Pull: self.pull,
            Abandon: self.abandon,
            Watch: self.watch,
            Drop: self.drop,
            Adopt: self.adopt,
            TurnAway: self.turn_away,
            Greet: self.greet,
            Farewell: self.farewell,
            Note: self.note,
            Access: self.access,
        }

    def perform(self, orders: Iterator[Effect], events: list[Event]) -> None:
        """Carry out orders in sequence, adding what comes of them to `events`."""
        methods = self._methods
        self._report = report = events.append
        for order in orders:
            event = methods[type(order)](order)
            if event is not None:
                report(event)

    # -- connections -------------------------------------------------------------------------------------------

    def knock(self, connection: socket.socket) -> int:
        """Keep a new connection until the core has decided about it; the number it is known by."""
        door = connection.fileno()
        self._doors[door] = connection
        return door

    def adopt(self, order: Adopt) -> None:
        """A new connection has a name: watch it for reading."""
        wire = Wire(order.conn, self._doors.pop(order.door))
        self._wires[order.conn] = wire
        self._set_interest(wire, Interest.READ)

    def turn_away(self, order: TurnAway) -> None:
        """Say no and close: as much of the answer as is taken at once."""
        connection = self._doors.pop(order.door)
        with connection:
            try:
                connection.send(order.data)
                connection.shutdown(socket.SHUT_WR)
                connection.recv(65_536)
            except OSError:
                return

    def watch(self, order: Watch) -> None:
        """Change what a connection is watched for."""
        wire = self._wires.get(order.conn)
        if wire is not None:
            self._set_interest(wire, order.interest)

    def _set_interest(self, wire: Wire, interest: Interest) -> None:
        """Selectors cannot watch for nothing, so then the socket is taken out."""
        if wire.interest and interest:
            self._selector.modify(wire.sock, interest, wire)
        elif interest:
            self._selector.register(wire.sock, interest, wire)
        elif wire.interest:
            self._selector.unregister(wire.sock)
        wire.interest = interest

    def drop(self, order: Drop) -> None:
        """Close a connection and the streams that were for it."""
        wire = self._wires.pop(order.conn, None)
        if wire is not None:
            self._set_interest(wire, Interest.NOTHING)
            wire.sock.close()
            for source in wire.sources.values():
                close_source(source)

    def close(self) -> None:
        """Close whatever is still open, without a word."""
        for conn in list(self._wires):
            self.drop(Drop(conn))
        for connection in self._doors.values():
            connection.close()
        self._doors.clear()

    # -- bytes -------------------------------------------------------------------------------------------------

    def process_readable_clients(self, ready: Ready, most: int) -> tuple[list[Event], list[object]]:
        """Read each connection that is ready once, up to `most` bytes: what came, and what is not a connection."""
        events: list[Event] = []
        others: list[object] = []
        for key, mask in ready:
            wire = key.data
            if type(wire) is not Wire:
                others.append(wire)
                continue
            if mask != _READ:
                wire.is_blocked = False
                events.append(Writable(wire.conn))
                if not mask & _READ:
                    continue
            try:
                data = wire.recv(most)
            except (BlockingIOError, InterruptedError):
                continue
            except OSError as error:
                events.append(Failed(wire.conn, error.errno or 0))
                continue
            events.append(_new(Received, (wire.conn, data)) if data else HalfClosed(wire.conn))
        return events, others

    def send(self, order: Send) -> Event | None:
        """Send segments and do what follows; what the kernel does not take is handed back."""
        conn, segments, then = order
        wire = self._wires.get(conn)
        if wire is None:
            return None
        try:
            if then is _KEEP and len(segments) == 1 and not wire.is_blocked:
                data = segments[0]
                count = wire.send(data)
                if count == len(data):
                    return None
                return self._send_all(wire, (memoryview(data)[count:],), count)
            return self._send_and_then(wire, segments, then)
        except BlockingIOError:
            wire.is_blocked = True
            return Stalled(conn, 0, segments)
        except OSError as error:
            return Failed(conn, error.errno or 0)

    def _send_and_then(self, wire: Wire, segments: tuple[Segment, ...], then: Then) -> Event | None:
        """The general case: several segments, a blocked connection, or something to do after the last byte."""
        if then is Then.DROP:
            with suppress(OSError):
                self._send_all(wire, segments, 0)
            self.drop(Drop(wire.conn))
            return None
        if wire.is_blocked:
            return Stalled(wire.conn, 0, segments)
        stalled = self._send_all(wire, segments, 0)
        if stalled is None and then is Then.SHUT:
            wire.sock.shutdown(socket.SHUT_WR)
        return stalled

    def _send_all(self, wire: Wire, segments: tuple[Segment, ...], taken: int) -> Stalled | None:
        """Give segments to the kernel until it has them all or takes no more; it has `taken` bytes before them."""
        index = offset = 0
        while index < len(segments):
            first = segments[index] if not offset else memoryview(segments[index])[offset:]
            try:
                if index + 1 == len(segments):
                    count = wire.sock.send(first)
                else:
                    count = wire.sock.sendmsg((first, *segments[index + 1:index + MAX_SEGMENTS]))
            except (BlockingIOError, InterruptedError):
                wire.is_blocked = True
                return Stalled(wire.conn, taken, (first, *segments[index + 1:]))
            taken += count
            offset += count
            while index < len(segments) and offset >= len(segments[index]):
                offset -= len(segments[index])
                index += 1
        return None

    # -- user code ---------------------------------------------------------------------------------------------

    def handle_request(self, order: Handle) -> Event | None:
        """Call the handler with each request; whatever it does is an event."""
        ticket, requests = order
        handler, (conn, number) = self._handler, ticket
        responses: list[Response] = []
        response: Any
        for request in requests:
            try:
                response = handler(request)
            except Exception as error:
                response = _excuse(request, error)
            except BaseException:  # the loop is being left: the clients are told, then the exception goes its way
                self._report_answers(Ticket(conn, number), responses)
                self._report_interrupt(order, number + len(responses))
                raise
            if type(response) is Response and type(response.body) is bytes:
                responses.append(response)
                continue
            self._report_answers(Ticket(conn, number), responses)
            number += len(responses) + 1
            self._report(self._examine(Ticket(conn, number - 1), request, response))
            responses = []
        if not responses:
            return None
        if number != ticket.number:
            ticket = Ticket(conn, number)
        answered: Answered = _new(Answered, (ticket, tuple(responses)))
        return answered

    def _report_answers(self, ticket: Ticket, responses: list[Response]) -> None:
        """The answers so far, if there are any."""
        if responses:
            self._report(Answered(ticket, tuple(responses)))

    def _report_interrupt(self, order: Handle, number: int) -> None:
        """The request called `number`, and those behind it, will not be handled."""
        conn, first = order.ticket
        for request in order.requests[number - first:]:
            self._report(Refused(Ticket(conn, number), 500, "", f"{request.method} {request.target}: interrupted"))
            number += 1

    def _examine(self, ticket: Ticket, request: Request, result: object) -> Event:
        """What a handler returned that is not a response with a body of bytes."""
        match result:
            case Excuse():
                return Refused(ticket, *result)
            case Response():
                return self._keep_source(ticket, result)
            case None:
                return Answered(ticket, (Response.error(404),))
            case _:
                return Refused(ticket, 500, "", f"{request.method} {request.target}: the handler returned "
                                                f"{type(result).__name__}, not a Response")

    def _keep_source(self, ticket: Ticket, response: Response) -> Event:
        """The iterator of a stream stays here, under the number of its request."""
        wire = self._wires.get(ticket.conn)
        if wire is None or not isinstance(response.body, Pulled):
            return Answered(ticket, (response,))
        try:
            wire.sources[ticket.number] = iter(response.body.chunks)
        except Exception:
            return Refused(ticket, 500, "", f"the stream could not be started\n{traceback.format_exc()}")
        return Answered(ticket, (response._replace(body=_NOWHERE),))

    def pull(self, order: Pull) -> Event | None:
        """Ask a stream for its next piece."""
        ticket = order.ticket
        wire = self._wires.get(ticket.conn)
        source = wire.sources.get(ticket.number) if wire is not None else None
        if wire is None or source is None:
            return None
        try:
            piece = next(source)
            data = piece if type(piece) is bytes else frozen(piece)
        except StopIteration:
            del wire.sources[ticket.number]
            return Ended(ticket)
        except Exception:
            self.abandon(Abandon(ticket))
            return Refused(ticket, 500, "", f"the stream raised\n{traceback.format_exc()}")
        return Chunk(ticket, data)

    def abandon(self, order: Abandon) -> None:
        """A stream will not be asked again."""
        wire = self._wires.get(order.ticket.conn)
        source = wire.sources.pop(order.ticket.number, None) if wire is not None else None
        if source is not None:
            close_source(source)

    def greet(self, order: Greet) -> Event | None:
        """Tell user code of a new connection."""
        if self._callbacks.open is None or self._call_back(self._callbacks.open, self._server, order.conn):
            return None
        return Hangup(order.conn, CloseReason.HANDLER_ERROR)

    def farewell(self, order: Farewell) -> None:
        """Tell user code of a connection that is gone."""
        if self._callbacks.close is not None:
            self._call_back(self._callbacks.close, self._server, order.conn, order.reason)

    def _call_back(self, callback: Callable[..., object], *arguments: object) -> bool:
        """True if the callback did not raise; if it did, that is logged."""
        try:
            callback(*arguments)
        except Exception:
            name = getattr(callback, "__name__", repr(callback))
            logging.getLogger("sigil.error").error("the callback %s raised\n%s", name, traceback.format_exc())
            return False
        return True

    # -- logs --------------------------------------------------------------------------------------------------

    def note(self, order: Note) -> None:
        """Write a line to a log."""
        logging.getLogger(order.logger).log(order.level, "%s", order.text)

    def access(self, order: Access) -> None:
        """Write a line to the access log."""
        _ACCESS_LOG.info('%s "%s %s HTTP/1.%d" %d %s', order.peer, order.method, order.target, order.version, order.status,
                         "-" if order.length < 0 else order.length)


def frozen(piece: object) -> bytes:
    """A piece of a stream as bytes; TypeError if it is none."""
    if isinstance(piece, bytes | bytearray | memoryview):
        return bytes(piece)
    raise TypeError(f"a stream yields bytes, not {type(piece).__name__}")


def close_source(source: Iterable[Any]) -> None:
    """Let a generator run its `finally`; what it raises there is logged."""
    close = getattr(source, "close", None)
    if close is None:
        return
    try:
        close()
    except Exception:
        logging.getLogger("sigil.error").error("a stream raised when it was closed\n%s", traceback.format_exc())

