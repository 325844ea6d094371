"""A request that is not answered yet, and its response as it is written.

Theory: in the runtime a response is written in steps: a status, headers, and then a body in one
piece (`send`), in chunks (`write`), or by offsets (`stream`). In sigil it is a value. So the steps
are collected until the body begins; then the response is given to the server, with a `BodyWriter`
for what is still to come.

Rules: the steps have an order, and one that is out of it is a RuntimeError with a sentence, which
changes nothing. What could not be sent is refused where it is written. A response that has no body
(HEAD, 204, 304) takes what is written, and sends none of it. It does not know ids, nor events.
"""

import re
from collections.abc import Callable
from enum import Enum

from sigil import Deferred, Request, Response, SendStatus
from sigil.web import BodyWriter

from .send_status import HttpSendStatus

MAX_BUFFERED_LEN = 64 * 2**10
"""Bytes of a body that are taken before the client has taken them: as many as one call of the
kernel takes on most machines, so that the next ones are there when it has room again.
"""

WITHOUT_BODY = frozenset((204, 205, 304))
"""Statuses whose responses have no body (RFC 9110 section 6.4.1)."""

SHUTTING_DOWN = "Service Unavailable: Server shutting down"
"""What a client is told whose request is not answered because the server stops."""

_STATUS = re.compile(r"([0-9]{3})(?: (.*))?", re.DOTALL)

HeaderPair = tuple[str, str]


class Stage(Enum):
    """How far a response is."""

    HEAD = "its body has not begun"
    CHUNKED = "its body is written in chunks (write_response)"
    STREAMED = "its body is streamed by offsets (stream_response)"


class PendingRequest:
    """One request, and what there is of its response."""

    __slots__ = (
        "_aborted", "_headers", "_length", "_max_buffered_len", "_reason", "_stage", "_status",
        "_total", "_writable", "_writer", "deferred", "endpoint", "has_ended", "id", "is_asking",
        "offset", "received", "request",
    )  # fmt: skip

    def __init__(
        self, request_id: str, request: Request, endpoint: str, max_buffered_len: int
    ) -> None:
        self.id = request_id
        self.request = request
        self.endpoint = endpoint
        self._max_buffered_len = max_buffered_len
        self.deferred = Deferred()
        """The response, for the server."""
        self.received = 0
        """Bytes of the body that have come."""
        self.is_asking = False
        """A piece of the body was asked for, and has not come."""
        self.has_ended = False
        """The last piece of the body has come."""
        self.offset = 0
        """Bytes of the response's body that were taken."""
        self._stage = Stage.HEAD
        self._status, self._reason = 200, ""
        self._headers: list[HeaderPair] = []
        self._length: int | None = None
        """The Content-Length among the headers."""
        self._total: int | None = None
        """How long the body is that is streamed."""
        self._writer: BodyWriter | None = None

    def watch(self, aborted: Callable[[], object], writable: Callable[[], object]) -> None:
        """Have `aborted` called once nobody waits for the response any more, and `writable` when a
        client that was behind has room for more.
        """
        self.deferred.on_cancel(aborted)
        self._aborted, self._writable = aborted, writable

    # -- the head ----------------------------------------------------------------------------------

    def set_status(self, status: int | str) -> None:
        """Have the response begin with this status, and with the text behind its number.

        ValueError for what is none, RuntimeError behind a header or a part of the body.
        """
        number, reason = parse_status(status)
        self._require_head("the status")
        if self._headers:
            raise RuntimeError("the status is written before the headers of a response")
        self._status, self._reason = number, reason

    def add_header(self, name: str, value: str) -> None:
        """Add a header. ValueError or TypeError for one that cannot be sent, RuntimeError behind a
        part of the body.
        """
        if not (isinstance(name, str) and isinstance(value, str)):
            kinds = f"{type(name).__name__} and {type(value).__name__}"
            raise TypeError(f"a header is a name and a value, both str, not {kinds}")
        Response.bytes(b"", headers=((name, value),))  # raises what is wrong with it
        self._require_head("a header")
        if name.lower() == "content-length":
            if self._length is not None or not (value.isascii() and value.isdigit()):
                raise ValueError(f"Content-Length is one decimal number, not {value!r}")
            self._length = int(value)
        self._headers.append((name, value))

    def _require_head(self, what: str) -> None:
        """RuntimeError once the body has begun."""
        if self._stage is not Stage.HEAD:
            raise RuntimeError(f"{what} is written before the body of a response: {self._words()}")

    def _words(self) -> str:
        return f"of {self.request.method} {self.request.target} {self._stage.value}"

    # -- the body ----------------------------------------------------------------------------------

    def send(self, data: bytes) -> SendStatus:
        """End the response with this, which is all of its body or the last chunk. `DROPPED` if
        nobody will receive it.

        ValueError for a body that is not as long as the headers declare, RuntimeError for one that
        is streamed by offsets.
        """
        if self._stage is Stage.STREAMED:
            raise RuntimeError(f"the last part of a body ends the response: {self._words()}")
        length = self.offset + len(data)
        if self._length not in (None, length) and self._has_body():
            raise ValueError(f"Content-Length is {self._length}, and the body has {length} bytes")
        if self._stage is Stage.CHUNKED:
            status = self._write(data)
            self._end()
            return status
        return self._respond(Response(self._status, tuple(self._headers), data, self._reason))

    def write(self, data: bytes) -> SendStatus:
        """Send a chunk; the first one sends the head, after which the response is chunked.

        `BACKPRESSURE` if it was taken and the client is behind, `DROPPED` if nobody will receive
        it. RuntimeError for a body that is streamed by offsets, ValueError for one that becomes
        longer than the headers declare.
        """
        if self._stage is Stage.STREAMED:
            raise RuntimeError(f"it is one or the other: {self._words()}")
        length = self.offset + len(data)
        if self._length is not None and length > self._length and self._has_body():
            raise ValueError(f"Content-Length is {self._length}, and the body has {length} bytes")
        if self._stage is Stage.HEAD:
            self._begin(Stage.CHUNKED)
        return self._write(data)

    def stream(self, data: bytes, offset: int, total: int | None) -> HttpSendStatus:
        """Send what there is room for of the bytes of a body from `offset` on, whose length is
        `total`, or, if that is not given with the first part, what the first part is.

        Bytes in front of the offset that is due are left out, so that they may be given again.
        ValueError for a part that leaves bytes out, or goes beyond the total; RuntimeError for a
        body that is written in chunks.
        """
        if self._stage is Stage.CHUNKED:
            raise RuntimeError(f"it is one or the other: {self._words()}")
        total = self._check_part(offset, offset + len(data), total)
        if self._stage is Stage.HEAD:
            if self._length is None:
                self.add_header("Content-Length", str(total))
            self._total = total
            self._begin(Stage.STREAMED)
        part = data[self.offset - offset :]
        if self._writer is not None and not self._writer.is_open:
            return HttpSendStatus.NONE
        room = len(part) if self._writer is None else self._room()
        self._write(part[:room])
        status = HttpSendStatus.SENT if room >= len(part) else HttpSendStatus.NONE
        if self.offset == total:
            self._end()
            status |= HttpSendStatus.ENDED
        return status

    def _check_part(self, offset: int, end: int, total: int | None) -> int:
        """The length of the body; ValueError for a part that does not fit into it."""
        known = self._total
        if known is None:
            known = next(length for length in (total, self._length, end) if length is not None)
        if total not in (None, known) or self._length not in (None, known):
            raise ValueError(f"the body has {known} bytes in all, and that does not change")
        if not 0 <= offset <= self.offset:
            raise ValueError(f"the next byte of the body is {self.offset}, and not {offset}")
        if end > known:
            raise ValueError(f"the body has {known} bytes in all, and this part ends with {end}")
        return known

    @property
    def is_chunked(self) -> bool:
        """True if the body is written in chunks, and has begun."""
        return self._stage is Stage.CHUNKED

    @property
    def is_behind(self) -> bool:
        """True if the client has to take something before there is room for more."""
        return self._writer is not None and self._writer.is_open and self._room() <= 0

    def _room(self) -> int:
        """How many bytes there is room for: one more than the mark, above which the writer calls
        back.
        """
        assert self._writer is not None
        return max(0, self._max_buffered_len + 1 - self._writer.buffered_amount)

    # -- the end -----------------------------------------------------------------------------------

    def refuse(self) -> bool:
        """Answer with a 503, since the server stops; False if the response has begun already."""
        if self._stage is Stage.HEAD:
            fields = (("Content-Type", "text/plain"), ("Connection", "close"))
            self._respond(Response(503, fields, SHUTTING_DOWN.encode()))
            return True
        return False

    def fail(self) -> None:
        """Answer with a 500, or break off a body that has begun, since a handler has raised."""
        if self._stage is Stage.HEAD:
            self._respond(Response.error(500))
        elif self._writer is not None:
            self._writer.fail(RuntimeError(f"a handler has raised: the body {self._words()}"))

    # -- the rest is for this class ----------------------------------------------------------------

    def _has_body(self) -> bool:
        """True if what is written is sent."""
        return self.request.method != "HEAD" and self._status not in WITHOUT_BODY

    def _respond(self, response: Response) -> SendStatus:
        """Give the server the response, or all but what the writer will write of it."""
        is_wanted = self.deferred.is_wanted
        self.deferred.resolve(response)
        return SendStatus.SUCCESS if is_wanted else SendStatus.DROPPED

    def _begin(self, stage: Stage) -> None:
        """Give the server the head, and a writer of the body."""
        self._stage = stage
        body: BodyWriter | tuple[()] = ()
        if self._has_body():
            body = self._writer = BodyWriter(self._max_buffered_len)
            self._writer.on_close(self._aborted)
            self._writer.on_writable(self._writable)
        response = Response.stream(body, self._status)
        self._respond(response.replace(headers=tuple(self._headers), reason=self._reason))

    def _write(self, data: bytes) -> SendStatus:
        """Send some of the body, unless there is none."""
        self.offset += len(data)
        return SendStatus.SUCCESS if self._writer is None else self._writer.write(data)

    def _end(self) -> None:
        if self._writer is not None:
            self._writer.end()


def parse_status(status: object) -> tuple[int, str]:
    """The number of a status and the text behind it, which is empty if there is none; ValueError or
    TypeError for what is no status.
    """
    if isinstance(status, int) and not isinstance(status, bool):
        number, reason = int(status), ""
    elif isinstance(status, str):
        match = _STATUS.fullmatch(status)
        if match is None:
            raise ValueError(f'a status is a number and a text, "404 Not Found", not {status!r}')
        number, reason = int(match[1]), match[2] or ""
    else:
        raise TypeError(f"a status is an int or a str, not {type(status).__name__}")
    Response.bytes(b"", status=number).with_reason(reason)  # raises what is wrong with it
    return number, reason
