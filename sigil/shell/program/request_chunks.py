"""The body of a request, asked for piece by piece: `request.chunks`.

Theory: who takes a body in pieces asks for one, and is given a `Deferred` of it, on whatever thread
and with whatever loop; inside asyncio the same is awaited, or iterated over. A piece that is asked
for is read from the client, and no more: that is the back-pressure.

Rules: one piece is asked for at a time; behind the last one all are empty, and when the rest does
not come (the client has left, or was answered otherwise) what is asked for fails. Who is cancelled
where it awaits a piece loses nothing: that one is for who asks next. It does not know how a body is
framed, nor who reads it.
"""

import threading
from abc import abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

from ...core.conn import Ticket
from ...core.events import BodyWanted, Event
from .deferred import Deferred, Result


class BodyChunks(AsyncIterator[bytes]):
    """The pieces of a body; a kind of them defines how one is had."""

    def __init__(self) -> None:
        self._asked: Deferred | None = None
        """The last piece that was asked for."""
        self._kept: Deferred | None = None
        """A piece that was awaited and has not been taken."""
        self._is_awaited = False

    def ask(self) -> Deferred:
        """A `Deferred` of the next piece, which is empty behind the last one; from any thread, and
        without asyncio: `ask().when_resolved(callback)`.

        It fails with ConnectionAbortedError when the rest does not come, and with `BadInput` when
        the body is longer than may be. RuntimeError while a piece that was asked for has not come.
        """
        kept, self._kept = self._kept, None
        if kept is not None and not self._is_awaited:
            return kept
        if self._is_awaited or not (self._asked is None or self._asked.is_resolved):
            self._kept = kept
            raise RuntimeError("the next piece of this body is waited for already")
        self._asked = asked = Deferred()
        self._bring(asked)
        return asked

    async def read(self) -> bytes:
        """The next piece, as soon as there is one; empty behind the last one. RuntimeError if
        another task waits for it, or it was asked for otherwise.
        """
        results: list[Result] = []
        self._kept = asked = self.ask()
        asked.when_resolved(results.append)
        if not results:
            await self._come(asked)
        self._kept = None
        (result,) = results
        if isinstance(result, BaseException):
            raise result
        assert isinstance(result, bytes)
        return result

    async def _come(self, asked: Deferred) -> None:
        """Wait until a piece that was asked for has come."""
        import asyncio  # here, since only who is served inside asyncio gets here

        loop, thread = asyncio.get_running_loop(), threading.get_ident()
        waiter: asyncio.Future[None] = loop.create_future()

        def wake() -> None:
            if not waiter.done():
                waiter.set_result(None)

        def wake_from_anywhere(_: object) -> None:
            if threading.get_ident() == thread:
                wake()
                return
            with suppress(RuntimeError):  # the loop is closed: nobody waits
                loop.call_soon_threadsafe(wake)

        self._is_awaited = True
        try:
            asked.when_resolved(wake_from_anywhere)
            await waiter
        finally:
            self._is_awaited = False

    def __aiter__(self) -> "BodyChunks":
        return self

    async def __anext__(self) -> bytes:
        piece = await self.read()
        if not piece:
            raise StopAsyncIteration
        return piece

    @abstractmethod
    def _bring(self, asked: Deferred) -> None:
        """Have what was asked for resolved with the next piece."""


class RequestChunks(BodyChunks):
    """The pieces of a body that comes from the client."""

    def __init__(self, ticket: Ticket, post: Callable[[Event], Any]) -> None:
        super().__init__()
        self._ticket = ticket
        self._post = post
        self._wanted: Deferred | None = None
        """The piece that was asked for and has not come."""
        self._has_ended = self._is_cut_off = False

    def _bring(self, asked: Deferred) -> None:
        self._wanted = asked
        # looked at behind that: whoever ends it looks for what is wanted behind having said so
        if self._has_ended:
            self._give(b"")
        else:
            self._post(BodyWanted(self._ticket))

    def give(self, data: bytes, is_last: bool) -> None:
        """Give the piece that was asked for. For the shell."""
        self._has_ended = is_last
        self._give(data)

    def close(self) -> None:
        """Nothing more comes. For the shell."""
        self._is_cut_off = self._is_cut_off or not self._has_ended
        self._has_ended = True
        self._give(b"")

    def _give(self, data: bytes) -> None:
        wanted = self._wanted
        if wanted is None:  # left as it is: another thread may be about to ask
            return
        self._wanted = None
        if self._is_cut_off:
            wanted.fail(ConnectionAbortedError("the rest of the body does not come"))
        else:
            wanted.resolve(data)


class WholeBody(BodyChunks):
    """The pieces of a body that is there: itself, if it is not empty."""

    def __init__(self, body: bytes) -> None:
        super().__init__()
        self._body = body

    def _bring(self, asked: Deferred) -> None:
        body, self._body = self._body, b""
        asked.resolve(body)


class BoundedChunks(BodyChunks):
    """The pieces of another body, each as `check` returns it, which raises for one too many."""

    def __init__(self, chunks: Any, check: Callable[[bytes], bytes]) -> None:
        super().__init__()
        self._chunks = chunks
        self._check = check

    def _bring(self, asked: Deferred) -> None:
        def give(piece: Result) -> None:
            try:
                asked.complete(self._check(piece) if isinstance(piece, bytes) else piece)
            except Exception as error:
                asked.fail(error)

        self._chunks.ask().when_resolved(give)
