"""One call of an application, and the response that it sends, message by message, as one of
sigil's.

Theory: an application is called once for a request. What it answers is the result of the handler:
at once if it has answered when the handler returns, else as a promise. A response is begun by one
message and followed by pieces of its body. Nothing is sent before the first piece is there: if that
is all, it is a whole response, with its length; otherwise the body is written as it comes, and
`send` waits while the client is behind.

Rules: messages come in one order, and one that is out of turn is an error where it is sent. What is
sent to a client that has left is `ClientDisconnected`. A body that is declared with a length has
that length. An exchange refers to nothing that refers to it, so that it is let go when it is over.
It does not know what the application receives, nor where it runs.
"""

import asyncio
import logging
from enum import IntEnum
from typing import Any, Final

from sigil import Deferred, Request, Response, SendStatus
from sigil.web import BodyWriter

from .messages import ClientDisconnected, Message, body_of, out_of_turn, start_of, type_of
from .runner import Result, Runner
from .scope import Scope

LOG: Final = logging.getLogger("sigil.error")

_NO_CONTENT: Final = frozenset((204, 205, 304))
_PASSED_ON: Final = (asyncio.CancelledError, KeyboardInterrupt, SystemExit)
"""What ends more than a call, and what its task is told by; all else is answered and logged."""


class Stage(IntEnum):
    """How far a response has come."""

    NEW = 0
    STARTED = 1
    """Its head is known, and nothing was sent."""
    STREAMING = 2
    COMPLETE = 3
    GONE = 4
    """The client has left before it was complete."""


NEW: Final = Stage.NEW
STARTED: Final = Stage.STARTED
COMPLETE: Final = Stage.COMPLETE
GONE: Final = Stage.GONE
"""The members themselves: finding one on its class takes ten times as long."""
HTTP_KINDS: Final = ("http.response.start", "http.response.body")
DENIAL_KINDS: Final = ("websocket.http.response.start", "websocket.http.response.body")
"""The types of the messages of a response, and of one in the place of a WebSocket."""


def is_of_disconnect(error: BaseException) -> bool:
    """True for what came of sending to a client that has left."""
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        if isinstance(following, ClientDisconnected):
            return True
        seen.add(id(following))
        following = following.__cause__ or following.__context__
    return False


class Exchange:
    """A call of the application, and its response. A kind of exchange says what is received, and
    what becomes of an application that fails.
    """

    stage: Stage = NEW
    _kinds = HTTP_KINDS
    """The types of the messages of the response."""
    has_left = False
    """The client has left before the response was sent to its end."""
    _later: Deferred | None = None
    _outcome: Response | BaseException | None = None
    """The response, or what the application has failed with, as long as nothing was promised."""
    _head: Response | None = None
    _missing: int | None = None
    """Bytes of the body that are still to come, if its length was declared."""
    _writer: BodyWriter | None = None
    _change: asyncio.Event | None = None
    """While the client is behind with the body: set when it has caught up, or has left."""
    _ended: asyncio.Event | None = None
    """Set when the client has left, or has its response."""

    def __init__(
        self, app: Any, scope: Scope, request: Request, runner: Runner, is_head: bool
    ) -> None:
        self._app = app
        self._scope = scope
        self._request = request
        self._runner = runner
        self._is_bodiless = is_head

    # -- the call ----------------------------------------------------------------------------------

    async def run(self) -> None:
        """Call the application."""
        try:
            result = await self._app(self._scope, self.receive, self.send)
        except BaseException as error:
            self._on_error(error)
            if isinstance(error, _PASSED_ON):
                raise
        else:
            if result is not None:
                self._log(f"the application returned {type(result).__name__}, and not None")
            self._on_return()

    async def receive(self) -> Message:
        """The next message for the application."""
        raise NotImplementedError

    def _on_error(self, error: BaseException) -> None:
        """The application has raised."""
        raise NotImplementedError

    def _on_return(self) -> None:
        """The application has returned."""
        raise NotImplementedError

    def _log(
        self, text: str, error: BaseException | None = None, level: int = logging.ERROR
    ) -> None:
        """Write to the error log what is wrong with the application."""
        method, path = self._request.method, self._request.path
        LOG.log(level, "%s", f"{method} {path}: {text}", exc_info=error)

    # -- its result --------------------------------------------------------------------------------

    def result(self) -> Result:
        """The response, or the promise of it; raises what the application has failed with."""
        outcome = self._outcome
        if outcome is None:
            return self.promise()
        self._outcome = None
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def promise(self) -> Deferred:
        """The promise of the response."""
        self._later = later = Deferred()
        later.on_cancel(self._on_cancel)
        return later

    def _respond(self, outcome: Response | BaseException) -> None:
        """Answer the request."""
        later = self._later
        if later is None:
            self._outcome = outcome
        elif isinstance(outcome, BaseException):
            later.fail(outcome)
        else:
            later.resolve(outcome)

    def _fail(self, error: BaseException) -> None:
        """The application has failed: the response is 500, or what was begun is broken off."""
        writer = self._writer
        if self.stage is COMPLETE:
            self._log("the application raised behind its response", error)
        elif writer is not None:
            writer.fail(error)
        elif isinstance(error, Exception):
            self._respond(error)
        else:
            failure = RuntimeError(f"the application was interrupted: {type(error).__name__}")
            failure.__cause__ = error
            self._respond(failure)

    # -- its response ------------------------------------------------------------------------------

    async def send(self, message: Message) -> None:
        """Take a message of a response; waits while the client is behind, also with what another
        task has sent.
        """
        while self._change is not None:
            await self._change.wait()
        kind, stage = type_of(message), self.stage
        start_kind, body_kind = self._kinds
        if stage is NEW:
            if kind != start_kind:
                raise out_of_turn(kind, start_kind)
            self._start(start_of(message, kind))
        elif stage is COMPLETE:
            raise RuntimeError(
                f"Unexpected ASGI message '{kind}' sent, after response already completed."
            )
        elif stage is GONE:
            raise ClientDisconnected("the client has left")
        elif kind != body_kind:
            raise out_of_turn(kind, body_kind)
        else:
            body, has_more = body_of(message, kind), message.get("more_body", False)
            if self._missing is not None:
                self._count(self._missing, len(body), has_more)
            if stage is STARTED and not has_more:
                self._send_whole(body)
            elif not await self._write(body, has_more):
                raise ClientDisconnected("the client has left")

    def _start(self, head: Response) -> None:
        """Take the head of the response."""
        self._head, self.stage = head, STARTED
        if head.status in _NO_CONTENT:
            self._is_bodiless = True
        if head.prepared is not None and not self._is_bodiless:
            self._missing = head.prepared.length

    def _count(self, missing: int, length: int, has_more: bool) -> None:
        """RuntimeError for a body that is not as long as was declared."""
        if length > missing:
            raise RuntimeError("Response content longer than Content-Length")
        if not has_more and length < missing:
            raise RuntimeError("Response content shorter than Content-Length")
        self._missing = missing - length

    def _send_whole(self, body: bytes) -> None:
        """Send a response whose body is there."""
        head = self._head
        assert head is not None
        self._respond(Response(head.status, head.headers, body, "", head.prepared))
        self._complete()

    def _complete(self) -> None:
        """The response is complete."""
        self.stage = COMPLETE
        if self._ended is not None:
            self._ended.set()

    async def _write(self, body: bytes, has_more: bool) -> bool:
        """Write a piece of the body; False if the client has left."""
        if self._is_bodiless:
            self._send_without_body(has_more)
            return True
        if self._writer is None:
            self._writer = self._begin_stream()
        writer = self._writer
        status = writer.write(body) if body else SendStatus.SUCCESS
        if not has_more:
            writer.end()
            self._complete()
            return True
        if status is SendStatus.BACKPRESSURE:
            await self._caught_up()
        return status is not SendStatus.DROPPED and writer.is_open

    def _begin_stream(self) -> BodyWriter:
        """Send the head of a response whose body is written."""
        head, writer = self._head, BodyWriter()
        assert head is not None
        writer.on_writable(self._on_writable)
        writer.on_close(self._on_close)
        self.stage = Stage.STREAMING
        body = Response.stream(writer).body
        self._respond(Response(head.status, head.headers, body, "", head.prepared))
        return writer

    def _send_without_body(self, has_more: bool) -> None:
        """Send the head of a response that has no body, whatever is written."""
        head = self._head
        assert head is not None
        if self.stage is STARTED:
            body = Response.stream(()).body
            self._respond(Response(head.status, head.headers, body, "", head.prepared))
        if has_more:
            self.stage = Stage.STREAMING
        else:
            self._complete()

    # -- a client that is behind, or has left ------------------------------------------------------

    async def _caught_up(self) -> None:
        """Wait until the client has caught up, or has left."""
        self._change = change = asyncio.Event()
        await change.wait()

    def _on_writable(self) -> None:
        """The client has caught up; on the thread of the server."""
        self._runner.post(self._wake)

    def _on_close(self) -> None:
        """The client has left in the middle of the body; on the thread of the server."""
        self._runner.post(self.leave)

    def _wake(self) -> None:
        change, self._change = self._change, None
        if change is not None:
            change.set()

    def _on_cancel(self) -> None:
        """Nobody waits for the response any more; on the thread of the server."""
        self._runner.post(self.leave)

    def leave(self) -> None:
        """The client has left: nothing more is sent."""
        self.has_left = True
        if self.stage is not COMPLETE:
            self.stage = GONE
        self._wake()
        if self._ended is not None:
            self._ended.set()
