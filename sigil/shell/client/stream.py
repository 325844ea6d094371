"""The body of a response that a program takes in pieces.

Theory: pieces are kept as they came, encoded, and decoded when they are asked for: so what is held
is bounded by what was read, whatever it becomes. When too much is held the connection is not read,
until the program has taken half of it; that is all the back-pressure there is.

Rules: an end with an error is raised behind the last good piece. Who stops asking closes it, which
ends the request. It does not know requests: it is given a `Feed`.
"""

from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Protocol

from ...core.client.failures import FailureKind
from .decoding import BadCoding, Decoder

if TYPE_CHECKING:
    from asyncio import Future


class Feed(Protocol):
    """What is needed of the loop."""

    def wait(self) -> None:
        """Do something, and wait for it if need be."""

    def want(self, request: int, is_wanted: bool) -> None:
        """Read more of the response to a request, or no more for now."""

    def abandon(self, request: int, kind: FailureKind, what: str) -> None:
        """Nobody wants the response to a request any more."""


class BodyStream:
    """A body in pieces: of the request of this number, no more than `max_len` bytes of it held."""

    def __init__(
        self,
        feed: Feed,
        request: int,
        max_len: int,
        decoder: Decoder | None,
        max_body_len: int,
    ) -> None:
        self._feed = feed
        self._request = request
        self._max_len = max_len
        self.max_body_len = max_body_len
        """Bytes of it that a program may hold as a whole."""
        self._decoder = decoder
        self._raw: deque[bytes] = deque()
        self.held_len = 0
        self._decoded: Iterator[bytes] = iter(())
        self._is_paused = False
        self._has_ended = False
        self._error: Exception | None = None
        self._waiter: Future[None] | None = None
        self.when_closed: Callable[[], object] | None = None
        self.was_asked = False
        """Somebody has begun to take it."""

    # -- from the loop -----------------------------------------------------------------------------

    def give(self, pieces: tuple[bytes, ...]) -> None:
        """More of it has come."""
        if self._has_ended:
            return
        self._raw.extend(pieces)
        self.held_len += sum([len(piece) for piece in pieces])
        if self.held_len > self._max_len and not self._is_paused:
            self._is_paused = True
            self._feed.want(self._request, False)
        self._wake()

    def end(self, error: Exception | None) -> None:
        """No more comes."""
        if not self._has_ended:
            self._has_ended, self._error = True, error
            self._wake()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            # it may be of a loop that another thread runs
            waiter.get_loop().call_soon_threadsafe(_resolve, waiter)

    # -- for the program ---------------------------------------------------------------------------

    def _take(self) -> bytes:
        """The next piece that is there; empty if none is."""
        self.was_asked = True
        while True:
            try:
                piece = next(self._decoded, b"")
            except BadCoding as error:
                self._fail(str(error))
                return b""
            if piece:
                return piece
            if not self._raw:
                return b""
            raw = self._raw.popleft()
            self.held_len -= len(raw)
            if self._is_paused and self.held_len <= self._max_len // 2:
                self._is_paused = False
                self._feed.want(self._request, True)
            if self._decoder is None:
                return raw
            self._decoded = self._decoder.feed(raw)

    def _fail(self, what: str) -> None:
        """The body cannot be decoded."""
        from .errors import DecodingError

        self._raw.clear()
        self._decoded = iter(())
        error, was_over = DecodingError(f"the body cannot be decoded: {what}"), self._has_ended
        self._has_ended, self._error = True, error
        if not was_over:
            self._feed.abandon(self._request, FailureKind.DECODING, str(error))

    def _finish(self) -> None:
        """Raise what the body ended with, if it did not end well."""
        if self._error is None and self._decoder is not None:
            decoder, self._decoder = self._decoder, None
            try:
                decoder.finish()
            except BadCoding as error:
                self._fail(str(error))
        problem, self._error = self._error, None
        if problem is not None:
            raise problem

    def pieces(self) -> Iterator[bytes]:
        """The pieces, each waited for."""
        try:
            while True:
                piece = self._take()
                if piece:
                    yield piece
                elif self._has_ended:
                    self._finish()
                    return
                else:
                    self._feed.wait()
        finally:
            self.close()

    async def next_piece(self) -> bytes:
        """The next piece, when it is there; empty at the end. RuntimeError while somebody else
        waits for it.
        """
        from asyncio import get_running_loop

        self.require_free()
        while True:
            piece = self._take()
            if piece:
                return piece
            if self._has_ended:
                self._finish()
                return b""
            self._waiter = waiter = get_running_loop().create_future()
            await waiter

    def require_free(self) -> None:
        """RuntimeError while somebody waits for the next piece, which is for one."""
        if self._waiter is not None and not self._waiter.done():
            raise RuntimeError("somebody else waits for this body already")

    def let_go(self) -> None:
        """Want no more of it, unless somebody has begun to take it, who closes it."""
        if not self.was_asked:
            self.close()

    def close(self) -> None:
        """Want no more of it."""
        if not self._has_ended:
            self._has_ended = True
            self._feed.abandon(self._request, FailureKind.CANCELLED, "its body was not wanted")
        self._raw.clear()
        self.held_len = 0
        if self._waiter is not None and not self._waiter.done():
            from .errors import RequestCancelled

            self._error = RequestCancelled("the response was closed while its body was waited for")
            self._wake()
        close, self.when_closed = self.when_closed, None
        if close is not None:
            close()


def _resolve(waiter: "Future[None]") -> None:
    if not waiter.done():
        waiter.set_result(None)
