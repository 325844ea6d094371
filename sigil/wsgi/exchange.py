"""One request and what an application answers it with: `start_response`, `write`, and the iterable
that it returns.

Theory: nothing is sent before there is something of a body, or the end of it: until then the
application may call `start_response` once more, with `exc_info`, and whatever it raises becomes a
500. With the first bytes the response is on its way. If they are all of it, by the Content-Length
or since the iterable is a list of one, it is one with a whole body. Else it is a stream, which the
application's thread pushes (`sigil.web.BodyWriter`) and waits where the client is behind.

Rules: everything here runs in the application's thread. An application that breaks the rules of PEP
3333 gets an exception where it does so, or, if that is not in a call, one is raised in its name:
the client gets a 500 or a body that breaks off, and the log a traceback. What is iterated over is
closed whatever happens, also when the client has left. It does not know threads, nor what an
environ is.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, TypeAlias

from sigil import Deferred, Request, Response, SendStatus
from sigil.web import BodyWriter

from .environ import Environ
from .head import Head, make_head

MAX_BUFFERED_LEN: Final = 262_144
"""Bytes that the client is behind with before the application waits for it."""
JOINED_LEN: Final = 1_048_576
"""A list of pieces that is no longer is sent as one."""

Write: TypeAlias = Callable[[bytes], None]
Application: TypeAlias = Callable[[Environ, Callable[..., Write]], Iterable[bytes]]

_LOG = logging.getLogger("sigil.error")


class Exchange:
    """A request, and the answer to it as an application makes it.

    `prefix` is the beginning of a body that comes in pieces; with `is_whole`, all of it.
    """

    _head: Head | None = None
    _sent: Response | None = None
    """The response, once it is on its way."""
    _left: int | None = None
    """How many bytes of its Content-Length are to come, if it has declared one."""
    _writer: BodyWriter | None = None
    _room: threading.Event | None = None
    """Set when the client has caught up, or left."""

    def __init__(
        self, request: Request, deferred: Deferred, prefix: bytes = b"", is_whole: bool = False
    ) -> None:
        self.request = request
        self.deferred = deferred
        self.prefix = prefix
        self.is_whole = is_whole

    # -- what an application calls -----------------------------------------------------------------

    def start_response(self, status: object, headers: object, exc_info: Any = None) -> Write:
        """Take the status and the headers of the response; `write` is returned.

        RuntimeError for a second call without `exc_info`; with it, that exception is raised again
        if the headers were sent. TypeError or ValueError for what cannot be sent.
        """
        if exc_info is not None:
            try:
                if self._sent is not None:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # or the traceback would hold itself
        elif self._head is not None:
            raise RuntimeError(
                "start_response was called before: a second call replaces the first only with "
                "exc_info, while nothing was sent"
            )
        self._head = make_head(status, headers)
        return self.write

    def write(self, data: object) -> None:
        """Send some of the body; what was written is sent before what is returned."""
        self._send(data, "write takes bytes")

    # -- the whole of it ---------------------------------------------------------------------------

    def run(self, application: Application, environ: Environ) -> None:
        """Have an application answer, and close what it returns; what it raises is raised."""
        result: Any = application(environ, self.start_response)
        if type(result) is list or type(result) is tuple:
            self._send_list(result)
            return
        try:
            self._send_all(result)
            self._finish()
        finally:
            close = getattr(result, "close", None)
            if close is not None:
                close()

    def _send_list(self, pieces: Sequence[Any]) -> None:
        """Send a body that is there already: as one piece if it is not very long."""
        for piece in pieces:
            if type(piece) is not bytes:
                require_bytes(piece, "an application returns an iterable of bytes")
        if len(pieces) != 1 and sum(map(len, pieces)) <= JOINED_LEN:
            pieces = [b"".join(pieces)]
        if self._sent is None and len(pieces) == 1:
            self._send_whole(pieces[0])
            return
        self._send_all(pieces)
        self._finish()

    def _send_all(self, pieces: Any) -> None:
        """Send a body piece by piece, as long as somebody reads it."""
        if isinstance(pieces, str | bytes) or not hasattr(pieces, "__iter__"):
            kind = type(pieces).__name__
            raise TypeError(f"an application returns an iterable of bytes, not {kind}")
        for piece in pieces:
            if not self._send(piece, "an application returns an iterable of bytes"):
                return

    def _finish(self) -> None:
        """There is no more of the body."""
        if self._sent is None:
            self._send_whole(b"")
        elif self._writer is not None:
            self._writer.end()

    # -- on the way --------------------------------------------------------------------------------

    def _send(self, piece: Any, rule: str) -> bool:
        """Send a piece; False if nobody wants more."""
        if type(piece) is not bytes:
            require_bytes(piece, rule)
        if self._sent is None:
            if not piece:
                return True
            head = self._require_head()
            if self.request.method == "HEAD":
                self._send_whole(b"")
                return False
            if not head.has_content or len(piece) == head.length:
                self._send_whole(piece)
                return True
            self._begin_stream(head)
        if not piece:
            return self._is_read()
        if self._left is not None:
            self._left -= len(piece)
            if self._left < 0:
                raise ValueError("the application sends more bytes than its Content-Length")
        return self._push(piece)

    def _send_whole(self, body: bytes) -> None:
        """Send the response with this body; to a HEAD, whose body nobody makes, without a length
        unless there is one.
        """
        head = self._require_head()
        length = head.length
        if self.request.method == "HEAD" or not head.has_content:
            self._send_without_body(head, body)
            return
        if length is not None and length != len(body):
            raise ValueError(
                f"the application declares a Content-Length of {length} and sends a body of "
                f"{len(body)} bytes"
            )
        self._left = 0
        self._resolve(head.response, body)

    def _send_without_body(self, head: Head, body: Any) -> None:
        """Send what stands before a body, to a HEAD or with a status that has none: with its
        length, if that was declared or all of the body is there.
        """
        response = head.response
        if head.length is not None:
            response, body = with_length(response, head.length), b""
        elif not body and head.has_content:
            body = Response.stream(()).body
        self._left = 0
        self._resolve(response, body)

    def _begin_stream(self, head: Head) -> None:
        """Send what stands before a body that is made while it is sent."""
        self._writer = writer = BodyWriter(MAX_BUFFERED_LEN)
        self._left, response = head.length, head.response
        if head.length is not None:
            response = with_length(response, head.length)
        self._resolve(response, Response.stream(writer).body)

    def _resolve(self, head: Response, body: Any) -> None:
        """Send a response that has this before its body."""
        self._sent = Response(head.status, head.headers, body, head.reason, head.prepared)
        self.deferred.resolve(self._sent)

    def _push(self, piece: bytes) -> bool:
        """Push a piece of a stream, and wait while the client is behind; False if it has left."""
        writer = self._writer
        if writer is None:  # the whole of it was sent
            return False
        status = writer.write(piece)
        if status is SendStatus.BACKPRESSURE:
            self._wait(writer)
        return status is not SendStatus.DROPPED and writer.is_open

    def _wait(self, writer: BodyWriter) -> None:
        """Wait until the client has caught up, or left."""
        room = self._room
        if room is None:
            room = self._room = threading.Event()
            writer.on_writable(room.set)
            writer.on_close(room.set)
        while writer.is_open and writer.buffered_amount > MAX_BUFFERED_LEN:
            room.wait()
            room.clear()

    def _is_read(self) -> bool:
        """True if there is somebody who may want more."""
        return self._writer is None or self._writer.is_open

    def _require_head(self) -> Head:
        """What `start_response` was given; RuntimeError if it was not called."""
        if self._head is None:
            raise RuntimeError("the application sends a body and has not called start_response")
        return self._head

    # -- errors ------------------------------------------------------------------------------------

    def fail(self, error: BaseException) -> None:
        """The application has raised: a 500 if nothing was sent, else the body breaks off. What
        nobody waits for is logged, unless it is that the client has left.
        """
        writer = self._writer
        if self._sent is None and self.deferred.is_wanted:
            self.deferred.fail(error)
        elif writer is not None and writer.is_open:
            writer.fail(error)
        elif not isinstance(error, ConnectionAbortedError):
            when = "when its client had left" if self._sent is None else "behind its response"
            about = f"{self.request.method} {self.request.target}"
            _LOG.error("%s: the application raised %s", about, when, exc_info=error)


def with_length(response: Response, length: int) -> Response:
    """The response with a Content-Length."""
    headers = (*response.headers, ("Content-Length", str(length)))
    return Response(response.status, headers, response.body, response.reason)


def require_bytes(piece: object, rule: str) -> None:
    """TypeError for a piece of a body that is not bytes."""
    if not isinstance(piece, bytes):
        raise TypeError(f"{rule}, not {type(piece).__name__}")
