"""One HTTP request to an application: its messages in both directions.

Theory: an application is called once for a request, with two functions. `receive` gives it the
body, piece by piece as it asks for them, and then that the client has left, or has its response;
`send` takes the response. The call may go on when that is complete.

Rules: an application that raises, or returns without a response, has its client answered with 500,
or the body broken off, and is logged; nobody else is harmed. What it does when the client has left
is no error. A body is read as fast as it is asked for. It does not know where the application runs
(`runner`).
"""

import asyncio
import logging
from typing import Any

from sigil import Request

from .exchange import COMPLETE, NEW, Exchange, is_of_disconnect
from .messages import Message
from .runner import Runner
from .scope import Scope


class HttpExchange(Exchange):
    """A request, and the call of the application for it."""

    _has_body = True
    """The body was not given to its end."""
    _reading: asyncio.Lock | None = None
    """Held by the task that waits for a piece of the body."""

    def __init__(self, app: Any, scope: Scope, request: Request, runner: Runner) -> None:
        super().__init__(app, scope, request, runner, request.method == "HEAD")

    async def receive(self) -> Message:
        """The next piece of the body; behind it, and when it is certain, that the client has left,
        or has its response.
        """
        if self._is_over():
            return {"type": "http.disconnect"}
        chunks: Any = self._request.chunks
        if self._has_body and chunks is None:
            self._has_body = False
            return {"type": "http.request", "body": self._request.body, "more_body": False}
        if self._has_body:
            return await self._next_piece(chunks)
        self._ended = ended = self._ended or asyncio.Event()
        await ended.wait()
        return {"type": "http.disconnect"}

    async def _next_piece(self, chunks: Any) -> Message:
        """The next piece of a body that comes in pieces; tasks that wait for one have one each."""
        self._reading = reading = self._reading or asyncio.Lock()
        async with reading:
            if self._has_body and not self._is_over():
                try:
                    piece = await chunks.read()
                except ConnectionAbortedError:
                    return {"type": "http.disconnect"}
                self._has_body = bool(piece)
                return {"type": "http.request", "body": piece, "more_body": bool(piece)}
        return await self.receive()

    def _is_over(self) -> bool:
        """True if the client has left, or has its response."""
        return self.has_left or self.stage is COMPLETE

    def _on_error(self, error: BaseException) -> None:
        """The application has raised."""
        if is_of_disconnect(error):
            return
        if self.has_left:
            self._log("the application raised when its client had left", error, logging.INFO)
        else:
            self._fail(error)

    def _on_return(self) -> None:
        """The application has returned."""
        if self._is_over():
            return
        what = "without a response" if self.stage is NEW else "in the middle of its response"
        self._fail(RuntimeError(f"the application returned {what}"))
