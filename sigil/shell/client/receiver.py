"""Whoever waits for a response: what comes of it is gathered, and given as it was asked for.

Theory: the core gives a head, bytes, and an end or a failure. A program wants one of three things
of that: a response with its whole body, one whose body it takes in pieces, or a call for each
piece. The first result that is there resolves the `Deferred` of the request.

Rules: what is held of a whole body is bounded, decoded bytes counted. A function of the program
that raises fails the request with what it raised, and is logged. It does not know the connection.
"""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from ...core.client.effects import GiveHead
from ...core.client.failures import Failure, FailureKind
from ...core.client.limits import ClientLimits
from ...core.client.requests import OutgoingRequest
from ...core.client.responses import ResponseHead, content_codings
from ...core.client.uri import Uri
from ...core.effects import ERROR_LOG
from ...core.tls import Tls
from ..program.deferred import Deferred
from ..program.logs import write_text
from ..program.tracebacks import EXIT_EXCEPTIONS, error_text
from .bodies import Body
from .decoding import BadCoding, Decoder, make_decoder
from .errors import DecodingError, ResponseTooLarge, error_of
from .response import ClientResponse
from .stream import BodyStream, Feed
from .takeover import TakenOver

if TYPE_CHECKING:
    import asyncio

_ERRORS = logging.getLogger(ERROR_LOG)


class Wish(NamedTuple):
    """How a program wants a response."""

    is_streamed: bool = False
    on_body: Callable[[bytes], object] | None = None
    max_len: int | None = None
    """Bytes of a whole body; None: as the limits say."""
    first_len: int | None = None
    """Only so many bytes of a whole body are wanted: the response is complete with these."""
    protocol: TakenOver | None = None
    """What takes the connection over with a 101."""


class Receiver:
    """The response to one request, as it comes."""

    __slots__ = (
        "_decoder", "_feed", "_has_failed", "_length", "_limits", "_max_len", "_parts", "_response",
        "_stream", "_unresolved",
        "body", "deferred", "number", "outgoing", "pulls", "task", "tls", "wish",
    )  # fmt: skip

    def __init__(
        self,
        number: int,
        outgoing: OutgoingRequest,
        body: Body,
        wish: Wish,
        limits: ClientLimits,
        feed: Feed,
    ) -> None:
        self.number = number
        self.outgoing = outgoing
        self.body = body
        self.wish = wish
        self.deferred = Deferred()
        self.tls: Tls | None = None
        self.pulls = 0
        """How many pieces of the body were asked for."""
        self.task: asyncio.Task[None] | None = None
        """What awaits a piece of the body."""
        self._limits = limits
        self._max_len = limits.max_response_len if wish.max_len is None else wish.max_len
        self._unresolved = 0
        self._feed = feed
        self._decoder: Decoder | None = None
        self._parts: list[bytes] = []
        self._length = 0
        self._response: ClientResponse | None = None
        self._stream: BodyStream | None = None
        self._has_failed = False

    def head(self, effect: GiveHead) -> None:
        """The head has come."""
        head = effect.head
        try:
            self._decoder = make_decoder(content_codings(head.headers))
        except BadCoding as error:
            self._give_up(DecodingError(self._about(f"the body cannot be decoded: {error}")))
            return
        history = tuple(self._redirect(uri, past) for uri, past in effect.history)
        stream = None
        if self.wish.is_streamed:
            max_len = self._limits.max_unread_len
            stream = BodyStream(self._feed, self.number, max_len, self._decoder, self._max_len)
        body = None if stream is not None else b""
        method, uri = self.outgoing.method, effect.uri
        self._stream = stream
        response = ClientResponse(method, uri, head, history, body, stream, self.tls)
        if stream is None:
            self._response = response
            return
        # it is the program's alone: when nobody has it any more, it is closed
        deferred, self.deferred = self.deferred, Deferred()
        deferred.complete(response)

    def _redirect(self, uri: Uri, head: ResponseHead) -> ClientResponse:
        """A response that was a redirect; its body was not kept."""
        return ClientResponse(self.outgoing.method, uri, head)

    def pieces(self, pieces: tuple[bytes, ...]) -> None:
        """More of the body has come."""
        if self._stream is not None:
            self._stream.give(pieces)
            return
        if self._has_failed:
            return
        try:
            for piece in pieces:
                if self._decoder is None:
                    self._take(piece)
                    continue
                for part in self._decoder.feed(piece):
                    self._take(part)
                    if self._has_failed:
                        return
        except BadCoding as error:
            self._give_up(DecodingError(self._about(f"the body cannot be decoded: {error}")))

    def _take(self, piece: bytes) -> None:
        """One piece, decoded."""
        call = self.wish.on_body
        if call is not None:
            self._call(call, piece)
            return
        self._length += len(piece)
        first_len = self.wish.first_len
        if first_len is not None and self._length >= first_len:
            self._parts.append(piece[: len(piece) - self._length + first_len])
            self._complete()
            self._has_failed = True
            self._feed.abandon(self.number, FailureKind.CANCELLED, "the rest was not wanted")
            return
        if self._length > self._max_len:
            what = f"the body is longer than the {self._max_len} bytes that are held"
            self._give_up(ResponseTooLarge(self._about(what)))
            return
        self._parts.append(piece)

    def _call(self, function: Callable[[bytes], object], piece: bytes) -> None:
        """Call the program's function with a piece; a `Deferred` that it returns is waited for."""
        try:
            result = function(piece)
        except EXIT_EXCEPTIONS:
            raise
        except BaseException as error:
            write_text(_ERRORS, logging.ERROR, error_text("on_body raised", error))
            self._give_up(error)
            return
        if isinstance(result, Deferred) and not result.is_resolved:
            self._unresolved += 1
            self._feed.want(self.number, False)
            result.when_resolved(self._on_taken)

    def _on_taken(self, result: object) -> None:
        """The program has taken a piece; the connection is read when it has taken all."""
        self._unresolved -= 1
        if not self._unresolved:
            self._feed.want(self.number, True)

    def _about(self, what: str) -> str:
        """A sentence about this request."""
        return f"{self.outgoing.method} {self.outgoing.uri.shown}: {what}"

    def _give_up(self, error: BaseException) -> None:
        """The response cannot be gone on with."""
        self._has_failed = True
        self._parts.clear()
        self.deferred.complete(error)
        self._feed.abandon(self.number, FailureKind.CANCELLED, "it was given up")

    def end(self) -> None:
        """The response is complete."""
        self.close_source()
        if self._stream is not None:
            self._stream.end(None)
            return
        if self._has_failed:
            return
        if self._decoder is not None:
            try:
                self._decoder.finish()
            except BadCoding as error:
                self.deferred.complete(
                    DecodingError(self._about(f"the body cannot be decoded: {error}"))
                )
                return
        self._complete()

    def _complete(self) -> None:
        """Give the response with its whole body."""
        response, self._response = self._response, None
        assert response is not None
        parts = self._parts
        response.take_body(parts[0] if len(parts) == 1 else b"".join(parts))
        self._parts = []
        self.deferred.complete(response)

    def fail(self, failure: Failure) -> None:
        """The request has failed."""
        self.close_source()
        error = error_of(failure)
        if self._stream is not None:
            self._stream.end(error)
        self._parts.clear()
        self.deferred.complete(error)

    def close_source(self) -> None:
        """Nobody wants more of the body of the request."""
        source, task = self.body.source, self.task
        if task is not None and not task.done():
            task.cancel()
        if source is None:
            return
        try:
            source.close()
        except EXIT_EXCEPTIONS:
            raise
        except BaseException as error:
            write_text(_ERRORS, logging.ERROR, error_text("closing a body raised", error))
