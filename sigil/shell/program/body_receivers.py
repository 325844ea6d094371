"""The bodies of requests that the program takes in pieces.

Theory: a handler that takes its body in pieces has begun when the head has come, and goes on with
each piece. There are two ways to write one. A generator is given each piece as the value of a
`yield`, and returns its response; it runs on the thread of the loop, between two ticks of which
others are served. A coroutine iterates over `request.chunks` in the host's loop. Both ask for the
next piece when they are ready for it, and so the client is not read faster than that.

Rules: a piece is asked for once, and given once; behind the last one there is nothing but the empty
piece. A handler whose client has left, or was answered in another way, is closed like any
generator, or cancelled. It does not know sockets, nor how a body is framed.
"""

from collections.abc import Callable, Generator
from typing import Any, TypeAlias

from ...core.conn import Conn, Ticket
from ...core.effects import BodyPiece
from ...core.events import BodyWanted, Event
from ...core.http.request import Request
from ...core.http.validate import type_name
from .body_sources import close_iterator

PieceHandler: TypeAlias = Generator[object, bytes, object]


class RequestChunks:
    """The pieces of a request's body, for `async for`: `request.chunks`.

    It ends with the body. A handler whose client has left is cancelled where it waits.
    """

    def __init__(self, ticket: Ticket, post: Callable[[Event], None]) -> None:
        self._ticket = ticket
        self._post = post
        self._waiter: Any = None
        self._is_wanted = False
        """A piece was asked for that has not come."""
        self._kept: bytes | None = None
        """A piece that came when nobody waited any more for what was asked for."""
        self._has_ended = False

    def __aiter__(self) -> "RequestChunks":
        return self

    async def __anext__(self) -> bytes:
        piece = await self.read()
        if not piece:
            raise StopAsyncIteration
        return piece

    async def read(self) -> bytes:
        """The next piece, as soon as there is one; empty behind the last one. RuntimeError if
        another task waits for it. Who is cancelled here loses nothing: the piece is for the next
        call.
        """
        if self._waiter is not None:
            raise RuntimeError("another task waits for the next piece of this body")
        if self._kept is None and not self._has_ended:
            await self._come()
        piece, self._kept = self._kept, None
        return piece or b""

    async def _come(self) -> None:
        """Wait for a piece, and ask for it unless that was done."""
        import asyncio  # here, since only who is served inside asyncio gets here

        self._waiter = asyncio.get_running_loop().create_future()
        if not self._is_wanted:
            self._is_wanted = True
            self._post(BodyWanted(self._ticket))
        try:
            await self._waiter
        finally:
            self._waiter = None

    def give(self, data: bytes, is_last: bool) -> None:
        """Give the piece that was asked for. For the shell."""
        self._has_ended = is_last
        self._is_wanted = False
        self._kept = data
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def close(self) -> None:
        """Nothing more comes. For the shell."""
        self._has_ended = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.cancel()


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
