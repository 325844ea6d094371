"""Staging: messages and bodies put together piece by piece, under names of `fd_http_server`.

Theory: a server holds one `Stage`, a value, and every method here replaces it by another: some
append, and `ws_send`, `ws_broadcast` and `stage_body` take what is there. They are for programs
that come from that system; whoever has a whole message calls `send` or `broadcast`.

Rules: one stage, one thread: these methods are for the thread that ticks, because half a message of
another thread would be finished by this one. Whatever interrupts sigil itself on that thread (a
signal handler, say) has a stage of its own, so that neither finishes the other's message; what
interrupts user code has the stage of that. Whatever takes leaves the stage empty, also if nothing
could be sent. A failed stage is refused where it is taken, visibly: `DROPPED`, or an exception
where the result would be a response. It does not know how messages leave: `send` and `broadcast`
do. It is a base class because these are methods of the server, whose names are given.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from threading import get_ident
from typing import TypeVar

from ..core.conn import Conn
from ..core.http.response import BytesLike, HeadersLike, Response
from ..core.send_status import SendStatus
from ..core.stage import Stage, append_bytes, append_format, make_stage, take, truncate, unstage
from .program.guard import Guard

Result = TypeVar("Result")


class Stager(ABC):
    """A server that has a stage."""

    __slots__ = ("_guard", "_size", "_stages")
    _thread: int
    """The thread that ticks."""

    def __init__(self, size: int, guard: Guard) -> None:
        self._guard = guard
        self._set_stage_size(size)

    def _set_stage_size(self, size: int) -> None:
        """Stage up to so many bytes from now on; what is staged is dropped."""
        self._size = size
        self._stages = [make_stage(size), make_stage(size)]
        """What the program stages, and what is staged by whatever interrupts sigil."""

    @property
    @abstractmethod
    def running(self) -> bool:
        """True while another thread may be ticking."""

    @abstractmethod
    def send(self, conn: Conn, data: str | bytes | bytearray | memoryview) -> SendStatus:
        """Send a message to one WebSocket."""

    @abstractmethod
    def broadcast(
        self,
        data: str | bytes | bytearray | memoryview,
        *,
        topic: str | None = None,
        latest: bool = False,
        retain: bool = False,
        exclude: Conn | None = None,
    ) -> SendStatus:
        """Publish a message to all, or to the subscribers of `topic`."""

    # -- putting together --------------------------------------------------------------------------

    def printf(self, fmt: str, *args: object) -> None:
        """Stage `fmt % args`, in UTF-8.  On the thread that ticks only, as all that stages.

        Never fails for want of room: what does not fit, and all that follows, is not staged, and
        whatever takes the stage reports it. TypeError or ValueError for a format that does not suit
        its arguments.
        """
        self._change(lambda stage: (append_format(stage, fmt, args), None))

    def memcpy(self, data: BytesLike) -> None:
        """Stage these bytes, behind those that are staged. TypeError for what is not bytes."""
        self._change(lambda stage: (append_bytes(stage, data), None))

    def stage_len(self) -> int:
        """How many bytes are staged; what did not fit is not among them."""
        return self._change(lambda stage: (stage, stage.length))

    def stage_trunc(self, length: int) -> None:
        """Truncate the stage to its first `length` bytes. ValueError if there are fewer."""
        self._change(lambda stage: (truncate(stage, length), None))

    def unstage(self) -> None:
        """Empty the stage, also of the failure that something did not fit."""
        self._change(lambda stage: (unstage(stage), None))

    # -- taking ------------------------------------------------------------------------------------

    def stage_body(self, status: int = 200, headers: HeadersLike = ()) -> Response:
        """A response with what is staged as its body, `application/octet-stream` unless `headers`
        name another type.

        BufferError if something did not fit into `Limits.outgoing_buffer_sz`, which from a handler
        is a 500; the stage is empty then too.
        """
        data = self._change(take)
        if data is None:
            raise BufferError(
                f"a body was staged that is longer than Limits.outgoing_buffer_sz, {self._size}"
            )
        return Response.bytes(data, status, headers)

    def ws_send(self, conn: Conn, *, binary: bool = False) -> SendStatus:
        """Send what is staged to one WebSocket, as text unless it is to be `binary`; the status is
        that of `send`.

        `DROPPED` too if something did not fit.  ValueError for text that is not UTF-8.
        """
        data = self._change(take)
        if data is None:
            return SendStatus.DROPPED
        return self.send(conn, data if binary else data.decode())

    def ws_broadcast(self, topic: str | None = None, *, binary: bool = False) -> SendStatus:
        """Publish what is staged to all, or to the subscribers of `topic`, as text unless it is to
        be `binary`; the status is that of `broadcast`.

        `DROPPED` too if something did not fit.  ValueError for text that is not UTF-8.
        """
        data = self._change(take)
        if data is None:
            return SendStatus.DROPPED
        return self.broadcast(data if binary else data.decode(), topic=topic)

    def _change(self, change: Callable[[Stage], tuple[Stage, Result]]) -> Result:
        """The result of changing the stage; RuntimeError on a thread that it does not belong to."""
        if self.running and get_ident() != self._thread:
            raise RuntimeError(
                "only the thread that ticks may stage: use send() or broadcast() from another one"
            )
        guard = self._guard
        was_busy, guard.is_busy = guard.is_busy, True
        try:
            self._stages[was_busy], result = change(self._stages[was_busy])
        finally:
            guard.is_busy = was_busy
        return result


http_server_printf = Stager.printf
http_server_memcpy = Stager.memcpy
http_server_stage_len = Stager.stage_len
http_server_stage_trunc = Stager.stage_trunc
http_server_unstage = Stager.unstage
http_server_stage_body = Stager.stage_body
http_server_ws_send = Stager.ws_send
http_server_ws_broadcast = Stager.ws_broadcast
