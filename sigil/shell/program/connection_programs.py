"""What a handler has given with an upgrade: callbacks for this connection alone, a context, and the
request, which `ws_open` and `sse_open` are called with.

Theory: these are objects of the program, and the core is a function of values: it is told that a
connection is to become a WebSocket, and not what for. So they stay here, under the name of the
connection, as the iterators of bodies stay in `body_sources`.

Rules: what was given with a response is held until the core has opened the connection for it, or
has said that it will not (`CloseBody`); then, but for the request, until the program has returned
from the end. Nothing is held for a connection that is gone. It does not know who calls the
callbacks.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from ...core.conn import Conn, Ticket
from ...core.http.request import Request
from .logs import call_logged
from .protocols import Protocol


class Own(NamedTuple):
    """What belongs to one connection: its callbacks, None for those of the server, its context,
    what is called if it is not opened, and its protocol.
    """

    callbacks: Any
    context: object
    refused: Callable[[], object] | None = None
    protocol: Protocol | None = None


NOTHING = Own(None, None)


def has_any(own: Own) -> bool:
    """True if a connection has anything of its own; a context is not asked what it equals."""
    return own.callbacks is not None or own.context is not None or own.protocol is not None


def call_refused(refused: Callable[[], object]) -> None:
    """Tell the program that what it has given a response for was not opened; what it raises is
    logged.
    """
    call_logged(refused, "what was to be called if an upgrade is refused raised")


class ConnectionPrograms:
    """What was given for the connections of one server."""

    __slots__ = ("_given", "_sessions", "close_texts", "names", "own")

    def __init__(self) -> None:
        self._given: dict[Conn, dict[int, tuple[Request, Own]]] = {}
        """What waits for the core, with the request, by connection and number of the request."""
        self.own: dict[Conn, Own] = {}
        """What belongs to connections that were opened, and of whose end the program has not
        returned from.
        """
        self.names: dict[Conn, str] = {}
        """The names of clients that were looked up."""
        self._sessions: dict[str, dict[Conn, None]] = {}
        """Of each protocol the connections that are open."""
        self.close_texts: dict[Conn, str] = {}
        """What peers have written into their close frames, until the program has returned from the
        end.
        """

    def __len__(self) -> int:
        """How many connections something is held for."""
        held = self._given.keys() | self.own.keys() | self.close_texts.keys() | self.names.keys()
        return len(held)

    @property
    def is_empty(self) -> bool:
        """True if nothing is held for any connection."""
        return not (self._given or self.own or self.close_texts or self.names)

    def give(self, ticket: Ticket, request: Request, own: Own) -> None:
        """Hold what was given with the response to a request."""
        self._given.setdefault(ticket.conn, {})[ticket.number] = request, own

    def forget(self, ticket: Ticket) -> Callable[[], object] | None:
        """Drop what was given with a response that has opened nothing; what is to be called."""
        waiting = self._given.get(ticket.conn, {})
        given = waiting.pop(ticket.number, None)
        if given is None:
            return None
        if not waiting:
            del self._given[ticket.conn]
        return given[1].refused

    def open(self, conn: Conn, request: Request) -> Request:
        """The request that has opened this connection, as the handler had it; `request`, which is
        equal to it, if no handler is known.
        """
        waiting = self._given.pop(conn, None)
        if waiting is None:
            return request
        # responses go out in order, and those before it that have opened nothing are forgotten
        request, own = waiting[min(waiting)]
        if has_any(own):
            self.own[conn] = own._replace(refused=None)
        if own.protocol is not None:
            self._sessions.setdefault(own.protocol.name, {})[conn] = None
        return request

    def callbacks(self, conn: Conn, otherwise: Any) -> Any:
        """The callbacks of this connection: its own, or those of the server."""
        callbacks = self.own.get(conn, NOTHING).callbacks
        return otherwise if callbacks is None else callbacks

    def context(self, conn: Conn) -> object:
        """The context of this connection; None if it has none, or is not open."""
        return self.own.get(conn, NOTHING).context

    def protocol(self, conn: Conn) -> Protocol | None:
        """The protocol of this connection; None if it has none, or is not open."""
        return self.own.get(conn, NOTHING).protocol

    def sessions(self, name: str) -> tuple[Conn, ...]:
        """The open connections of a protocol; may be called from any thread."""
        return tuple(self._sessions.get(name, ()))

    def _end_session(self, conn: Conn, own: Own) -> None:
        """Forget a connection that was one of its protocol."""
        if own.protocol is not None:
            del self._sessions[own.protocol.name][conn]

    def end(self, conn: Conn) -> None:
        """Drop the context of a connection whose end the program has returned from; its callbacks
        are kept for `close`.
        """
        self.close_texts.pop(conn, None)
        own = self.own.pop(conn, NOTHING)
        self._end_session(conn, own)
        if own.callbacks is not None:
            self.own[conn] = Own(own.callbacks, None)

    def drop(self, conn: Conn) -> None:
        """Drop all that belongs to a connection that is gone."""
        self._end_session(conn, self.own.pop(conn, NOTHING))
        self.close_texts.pop(conn, None)
        self.names.pop(conn, None)
        for _, own in self._given.pop(conn, {}).values():
            if own.refused is not None:
                call_refused(own.refused)
