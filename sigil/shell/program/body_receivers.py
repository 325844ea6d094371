"""The bodies of requests that the program takes in pieces.

Theory: a handler that takes its body in pieces has begun when the head has come, and goes on with
each piece. There are two ways to write one. A generator is given each piece as the value of a
`yield`, and returns its response; it runs on the thread of the loop, between two ticks of which
others are served. Any other has `request.chunks`: a coroutine iterates over it in the host's loop,
and who has promised its response asks it for one piece after another, from wherever it works. All
ask for the next piece when they are ready for it, and so the client is not read faster than that.

Rules: a piece is asked for once, and given once; behind the last one there is nothing but the empty
piece. A handler whose client has left, or was answered in another way, is closed like any
generator, or cancelled. It does not know sockets, nor how a body is framed.
"""

from collections.abc import Callable, Generator
from typing import TypeAlias

from ...core.conn import Conn, Ticket
from ...core.effects import BodyPiece
from ...core.events import Event
from ...core.http.request import Request
from ...core.http.validate import type_name
from .body_sources import close_iterator
from .request_chunks import RequestChunks

PieceHandler: TypeAlias = Generator[object, bytes, object]


class BodyReceiver:
    """A handler under way that takes its body in pieces."""

    __slots__ = ("chunks", "has_ended", "pieces", "request")

    def __init__(self, request: Request, chunks: RequestChunks | None = None) -> None:
        self.request = request
        self.chunks = chunks
        """The pieces, for a handler that is a coroutine; None if the body is there."""
        self.pieces: PieceHandler | None = None
        """The handler, if it is a generator."""
        self.has_ended = False
        """The last piece was given."""


Step: TypeAlias = tuple[bool, object]
"""True and the result of a handler that has returned; False and what is wrong, or None if it waits
for the next piece.
"""


class BodyReceivers:
    """All handlers that take their bodies in pieces, by connection: each has one at most."""

    def __init__(self, post: Callable[[Event], None]) -> None:
        self._post = post
        self._receivers: dict[Conn, tuple[Ticket, BodyReceiver]] = {}

    def begin(self, ticket: Ticket, request: Request) -> BodyReceiver:
        """The receiver of a body, and the request that its handler is called with."""
        chunks = RequestChunks(ticket, self._post)
        receiver = BodyReceiver(request.replace(chunks=chunks), chunks)
        self._receivers[ticket.conn] = ticket, receiver
        return receiver

    def find(self, ticket: Ticket) -> BodyReceiver | None:
        """The receiver for this request, if its handler is still at work."""
        known, receiver = self._receivers.get(ticket.conn, (None, None))
        return receiver if known == ticket else None

    def has(self, conn: Conn) -> bool:
        """True if a handler works for this connection."""
        return conn in self._receivers

    def run(self, receiver: BodyReceiver, piece: bytes | None) -> Step:
        """Run the handler up to where it wants another piece, or to its end; it is given `piece`,
        or, when it begins, nothing. What it raises is raised.

        Behind the last piece it is given empty ones at once.
        """
        assert receiver.pieces is not None
        try:
            wanted = receiver.pieces.send(piece)  # type: ignore[arg-type]  # None to begin with
            if wanted is None and receiver.has_ended:
                wanted = receiver.pieces.send(b"")
                if wanted is None:
                    return False, "the handler goes on behind the end of the body"
        except StopIteration as end:
            return True, end.value
        if wanted is None:
            return False, None
        kind = type_name(wanted)
        return False, f"a handler that takes its body in pieces yields nothing, not {kind}"

    def give(self, effect: BodyPiece) -> BodyReceiver | None:
        """Give a piece to a coroutine that waits for it; the receiver, if it is a generator, which
        is to be run with it.
        """
        receiver = self.find(effect.ticket)
        if receiver is None:
            return None
        receiver.has_ended = effect.is_last
        if receiver.pieces is not None:
            return receiver
        if receiver.chunks is not None:
            receiver.chunks.give(effect.data, effect.is_last)
        if effect.is_last:
            del self._receivers[effect.ticket.conn]  # there is nothing more to give
        return None

    def end(self, ticket: Ticket) -> None:
        """The handler of this request has ended, or nobody waits for it: it is closed."""
        if self.find(ticket) is not None:
            self.end_connection(ticket.conn)

    def end_connection(self, conn: Conn) -> None:
        """Close the handler that works for a connection, if there is one."""
        _, receiver = self._receivers.pop(conn, (None, None))
        if receiver is None:
            return
        if receiver.chunks is not None:
            receiver.chunks.close()
        if receiver.pieces is not None:
            close_iterator(receiver.pieces, None)
