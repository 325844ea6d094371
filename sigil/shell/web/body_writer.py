"""A body of a response that is pushed: `BodyWriter`, which a program writes to as it has something.

Theory: the core pulls a body, one piece at a time and only as fast as the client reads, and a
stream that has none yet yields a `Deferred`. So a body that is pushed is a queue between the two:
`write` puts a piece in, the iterator takes all that are there, and when there are none it yields a
promise, which the next write resolves. What waits in the queue is what the client is behind.

Rules: one writer at a time, from any thread; the reader is the loop's thread. Nobody waits for
anybody: `_written` belongs to the writer and `_taken` to the reader, and each looks once more
behind what it has just said, so that a piece that comes in between is seen by one of them. Pieces
are sent in the order in which they were written, and what was written before the end, or before a
failure, goes before it. It does not know sockets, nor how a body is framed.
"""

from collections import deque
from collections.abc import Callable, Iterator

from ...core.http.validate import safe_repr, type_name
from ...core.send_status import SendStatus
from ..program.deferred import Deferred
from ..program.logs import call_logged

Callback = Callable[[], object]

MAX_BUFFERED_LEN = 64 * 1024
"""As much as one piece of a body that is sent: who is behind by more is not served faster by it."""
FULL_FACTOR = 16
"""Who goes on while this many times the mark waits does not look at what `write` returns."""
MAX_PIECE_LEN = 256 * 1024
"""Bytes of small pieces that are joined into one."""


class BodyWriter:
    """The body of a response that is written as it comes: `Response.stream(writer)`.

    Above `max_buffered_len` bytes that the client has not taken, a write is answered with
    BACKPRESSURE; above sixteen times as many the body fails. ValueError for a length that is not
    positive.
    """

    __slots__ = (
        "_end", "_has_left", "_is_behind", "_is_flooded", "_max_len", "_on_close", "_on_writable",
        "_pieces", "_promises", "_taken", "_written",
    )  # fmt: skip

    def __init__(self, max_buffered_len: int = MAX_BUFFERED_LEN) -> None:
        if type(max_buffered_len) is not int or max_buffered_len <= 0:
            what = safe_repr(max_buffered_len)
            raise ValueError(f"max_buffered_len is a positive number of bytes, not {what}")
        self._max_len = max_buffered_len
        self._pieces: deque[bytes] = deque()
        self._written = self._taken = 0
        self._end: BaseException | None = None
        """What is behind the last piece: StopIteration, or what the body fails with."""
        self._has_left = False
        """Nobody takes anything any more."""
        self._is_flooded = False
        """So much was waiting that this has failed by itself: what is written is dropped."""
        self._is_behind = False
        """A write was answered with BACKPRESSURE, and `on_writable` is due for it."""
        self._promises: list[Deferred] = []
        """What the loop waits for, if it waits: taking it is one indivisible step."""
        self._on_writable: Callback | None = None
        self._on_close: Callback | None = None

    # -- for the program ---------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """True until the end, a failure, or until the client has left."""
        return self._end is None and not self._has_left

    @property
    def buffered_amount(self) -> int:
        """Bytes that were written and that the connection has not taken."""
        return 0 if self._has_left else self._written - self._taken

    def write(self, data: bytes | bytearray | memoryview) -> SendStatus:
        """SUCCESS if more may follow at once; BACKPRESSURE if this was taken, and what follows had
        better wait for `on_writable`; DROPPED if nobody will read it.

        TypeError for what is not bytes, RuntimeError behind the program's `end` or `fail`.
        """
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(f"a body is written in bytes, not {type_name(data)}")
        if self._has_left or self._is_flooded:
            return SendStatus.DROPPED
        if self._end is not None:
            raise RuntimeError("nothing is written behind the end of a body")
        if self.buffered_amount > FULL_FACTOR * self._max_len:
            text = f"{self.buffered_amount} bytes wait, and the program goes on writing"
            self._is_flooded = True
            self.fail(BufferError(text))
            return SendStatus.DROPPED
        if data:
            piece = bytes(data)
            self._pieces.append(piece)
            self._written += len(piece)
            self._wake()
        return self._status()

    def end(self) -> None:
        """The body is complete. Once more is nothing."""
        self._finish(StopIteration())

    def fail(self, error: BaseException) -> None:
        """The body cannot be completed: behind what was written the connection breaks off, and the
        error is logged with its traceback. Nothing if the body has ended.
        """
        if not isinstance(error, BaseException):
            raise TypeError(f"a body fails with an exception, not with {safe_repr(error)}")
        self._finish(error)

    def on_writable(self, callback: Callback) -> None:
        """Have `callback` called on the loop's thread whenever the client has caught up after a
        write that was answered with BACKPRESSURE: half of `max_buffered_len` is free again.
        """
        self._on_writable = callback

    def on_close(self, callback: Callback) -> None:
        """Have `callback` called once nobody reads this any more before its end was sent: the
        client has left, or has not asked for a body. At once if that is so, else on the loop's
        thread.
        """
        self._on_close = callback
        if self._has_left:
            self._call_on_close()

    def _status(self) -> SendStatus:
        """How the client is doing, behind a write."""
        if self.buffered_amount <= self._max_len:
            return SendStatus.SUCCESS
        self._is_behind = True
        # All may have been taken just before that was said, and then nobody would call back.
        if self.buffered_amount > self._max_len:
            return SendStatus.BACKPRESSURE
        self._is_behind = False
        return SendStatus.DROPPED if self._has_left else SendStatus.SUCCESS

    def _finish(self, end: BaseException) -> None:
        if self._end is None:
            self._end = end
            self._wake()

    def _wake(self) -> None:
        """Let the loop know that there is something to take, if it waits for it."""
        try:
            promise = self._promises.pop()
        except IndexError:  # it does not wait, or somebody else was faster
            return
        promise.resolve(None)

    # -- for the shell -----------------------------------------------------------------------------

    def __iter__(self) -> Iterator[object]:
        return self

    def __next__(self) -> object:
        """The next piece, or a `Deferred` of it."""
        if self._pieces or self._end is not None:
            return self._take(None)
        promise = Deferred()
        self._promises.append(promise)
        if self._pieces or self._end is not None:
            self._wake()  # it came in between
        return promise.map(self._take)

    def _take(self, _: object) -> object:
        """All that was written, up to a piece of some length; raises what is behind the last. A
        promise again, if what was written was taken before its writer came to say so.
        """
        pieces, taken = [], 0
        while self._pieces and (not taken or taken + len(self._pieces[0]) <= MAX_PIECE_LEN):
            pieces.append(self._pieces.popleft())
            taken += len(pieces[-1])
        if not pieces:
            end = self._end
            if end is None:
                return self.__next__()
            if self._pieces:  # they came between the two looks, before the end
                return self._take(None)
            self._has_left, self._on_close = True, None
            raise end
        self._taken += taken
        if self._is_behind and self.buffered_amount <= self._max_len // 2:
            self._is_behind = False
            self._call_on_writable()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _call_on_writable(self) -> None:
        if self._on_writable is not None:
            call_logged(self._on_writable, "on_writable of a BodyWriter raised")

    def close(self) -> None:
        """Nobody reads this any more."""
        if not self._has_left:
            self._has_left = True
            self._pieces.clear()
            self._call_on_close()

    def _call_on_close(self) -> None:
        callback, self._on_close = self._on_close, None
        if callback is not None:
            call_logged(callback, "on_close of a BodyWriter raised")
