"""Handlers that are asked how they take the body of a request, and those that take it in pieces.

Theory: a handler that has an attribute `before_body` is asked as soon as a head is there: it takes
the body whole, takes it in pieces, or answers the request without it. What it does with pieces is
in `body_receivers`; here the handler is called, and whatever it does becomes an event.

It may say in `asks_above` that it takes shorter bodies whole, and
need not be asked about those: that saves a round of the core.

Rules: as for any handler, nothing it raises leaves but what is meant to end the program, and even
then the client is answered first. It does not know sockets.
"""

from collections.abc import Callable, Generator
from typing import Any

from ...core.conn import Conn, Ticket
from ...core.connection.context import NEVER_ASKS
from ...core.effects import AskBody, BodyPiece, Effect, HandlePieces
from ...core.events import BodyChosen, BodyWanted, Event
from ...core.http.request import Request
from ...core.http.response import Response
from ...core.http.validate import safe_repr, type_name
from .body_receivers import BodyReceiver, BodyReceivers, PieceHandler
from .body_sources import close_iterator
from .guard import Guard
from .handler_errors import failed, handler_error, internal_error
from .tracebacks import EXIT_EXCEPTIONS


def asks_for_body(handler: object) -> bool:
    """True if a handler wants to be asked how it takes a body, before that is read."""
    return callable(getattr(handler, "before_body", None))


def asks_above(handler: object) -> int:
    """Above how many bytes of a body a handler wants to be asked: its attribute `asks_above`, 0 if
    it has none, and `NEVER_ASKS` if it is not asked at all. ValueError for what is no number.
    """
    if not asks_for_body(handler):
        return NEVER_ASKS
    length = getattr(handler, "asks_above", 0)
    if type(length) is not int or length < 0:
        raise ValueError(f"asks_above of a handler is a number of bytes, not {safe_repr(length)}")
    return length


class PieceHandlers:
    """The handler of one server, where bodies are asked about or come in pieces."""

    def __init__(
        self,
        handler: Any,
        post: Callable[[Event], None],
        guard: Guard,
        events: list[Event],
        to_event: Callable[[Ticket, Request, object], Event | None],
    ) -> None:
        self._handler = handler
        self._guard = guard
        self._events = events
        """Where events go that come before the one a method returns."""
        self._to_event = to_event
        self._receivers = BodyReceivers(post)

    def methods(self) -> dict[type[Effect], Callable[[Any], Event | None]]:
        """What performs each kind of effect that concerns them."""
        return {
            AskBody: self.ask_body,
            HandlePieces: self.handle_pieces,
            BodyPiece: self.take_piece,
        }

    def ask_body(self, effect: AskBody) -> Event | None:
        """Ask the handler how it takes the body of a request."""
        ticket, request = effect.ticket, effect.request
        try:
            with self._guard.user_code():
                before_body = self._handler.before_body
                choice = None if before_body is None else before_body(request)
        except EXIT_EXCEPTIONS:
            self._events.append(internal_error(ticket, request, "interrupted"))
            raise
        except BaseException as error:
            return failed(ticket, handler_error(request, error))
        if choice is None or choice == "whole":
            return BodyChosen(ticket, False)
        if choice == "stream":
            return BodyChosen(ticket, True)
        if type(choice) is Response:
            return self._to_event(ticket, request, choice)
        what = 'before_body returns None, "stream" or a Response'
        return internal_error(ticket, request, f"{what}, not {type_name(choice)}")

    def handle_pieces(self, effect: HandlePieces) -> Event | None:
        """Call the handler with a request whose body comes in pieces."""
        ticket = effect.ticket
        receiver = self._receivers.begin(ticket, effect.request)
        request = receiver.request
        try:
            with self._guard.user_code():
                result = self._handler(request)
                if not isinstance(result, Generator):
                    return self._to_event(ticket, request, result)
                receiver.pieces = result
        except EXIT_EXCEPTIONS:
            self._events.append(internal_error(ticket, request, "interrupted"))
            raise
        except BaseException as error:
            return failed(ticket, handler_error(request, error))
        return self._run_pieces(ticket, receiver, None)

    def take_piece(self, effect: BodyPiece) -> Event | None:
        """Give a handler the piece of a body that it waits for."""
        with self._guard.user_code():
            receiver = self._receivers.give(effect)
        return None if receiver is None else self._run_pieces(effect.ticket, receiver, effect.data)

    def run_returned(self, ticket: Ticket, request: Request, pieces: PieceHandler) -> Event | None:
        """Run a handler that takes its body in pieces, and that another has returned: with the
        pieces of one that comes so, at once or later, or with one that is there, or with none; the
        event of what came of it.
        """
        waiting = self._receivers.find(ticket)
        if waiting is not None and waiting.pieces is None:
            waiting.pieces = pieces
            return self._run_pieces(ticket, waiting, None)
        receiver = BodyReceiver(request)
        receiver.pieces = pieces
        event = self._run_pieces(ticket, receiver, None)
        if isinstance(event, BodyWanted):
            receiver.has_ended = True
            event = self._run_pieces(ticket, receiver, request.body)
        with self._guard.user_code():
            close_iterator(pieces, None)
        return event

    def _run_pieces(
        self, ticket: Ticket, receiver: BodyReceiver, piece: bytes | None
    ) -> Event | None:
        """Run a handler that is a generator up to where it wants the next piece; the event of what
        came of it.
        """
        request = receiver.request
        try:
            with self._guard.user_code():
                has_returned, result = self._receivers.run(receiver, piece)
        except EXIT_EXCEPTIONS:
            self._events.append(internal_error(ticket, request, "interrupted"))
            raise
        except BaseException as error:
            self._receivers.end(ticket)
            return failed(ticket, handler_error(request, error))
        if not has_returned and result is None:
            return BodyWanted(ticket)
        self._receivers.end(ticket)
        if has_returned:
            return self._to_event(ticket, request, result)
        return internal_error(ticket, request, str(result))

    def end(self, ticket: Ticket) -> None:
        """Nobody waits any more for what the handler does for this request."""
        with self._guard.user_code():
            self._receivers.end(ticket)

    def end_connection(self, conn: Conn) -> None:
        """Close the handler that works for a connection, which has ended."""
        if self._receivers.has(conn):
            with self._guard.user_code():
                self._receivers.end_connection(conn)
