"""The body of a request, as it arrives (RFC 9112 sections 6 and 7).

Theory: a body in progress is a value: what the next byte belongs to, and a rope of what has come.
Feeding it bytes gives a new value and the bytes that belong to the next request; chunked framing is
a table with one function for each state.

Rules: `continue_body_read` is total and holds no byte twice. Large reads are pieces of the rope as
they came, small ones are joined, so it has few pieces however small the reads were. Nothing grows
beyond `Limits`. It does not know the connection, nor what the body means.
"""

import re
from enum import IntEnum
from typing import Final, TypeAlias, final

from ..close_reasons import CloseReason
from ..limits import Limits
from ..parse_result import Malformed, malformed
from ..rope import Rope, rope_append
from ..value import Value
from .fields import CRLF, ILLEGAL_IN_HEAD, parse_header_lines
from .framing import body_too_long
from .tokens import TOKEN_CHAR_BYTES


class BodyState(IntEnum):
    """What the next byte of a body belongs to."""

    LENGTH = 0
    """A body whose Content-Length is known."""
    CHUNK_LINE = 1
    """The line with the size of a chunk and its extensions."""
    CHUNK_DATA = 2
    CHUNK_END = 3
    """The line end behind the data of a chunk."""
    TRAILERS = 4
    """The trailer section behind the last chunk, or its empty line."""
    COMPLETE = 5
    """Nothing: the body has ended."""


@final
class BodyReader(Value):
    """A body in progress.

    `state` is what the next byte belongs to, `remaining` the number of bytes that the current chunk
    or the body of known length still lacks. `rope` holds the decoded bytes so far, `length` of
    them; `extension_len` counts the bytes of all chunk extensions, `chunks` the chunks that began.
    """

    __match_args__ = ("state", "remaining", "rope", "length", "extension_len", "chunks")
    __slots__ = __match_args__

    def __init__(
        self,
        state: BodyState,
        remaining: int,
        rope: Rope,
        length: int,
        extension_len: int,
        chunks: int = 0,
    ) -> None:
        self.state: Final = state
        self.remaining: Final = remaining
        self.rope: Final = rope
        self.length: Final = length
        self.extension_len: Final = extension_len
        self.chunks: Final = chunks

    @property
    def is_complete(self) -> bool:
        """True if the body has ended."""
        return self.state is BodyState.COMPLETE


_QUOTED_STRING: Final = rb'"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*"'
_CHUNK_EXTENSION: Final = rb"[ \t]*;[ \t]*%(char)b+(?:[ \t]*=[ \t]*(?:%(char)b+|%(quoted)b))?" % {
    b"char": TOKEN_CHAR_BYTES,
    b"quoted": _QUOTED_STRING,
}
_CHUNK_LINE: Final = re.compile(rb"0*([0-9A-Fa-f]{1,16})((?:%b)*)" % _CHUNK_EXTENSION)
"""`chunk-size [ chunk-ext ]` (RFC 9112 section 7.1): the size in group 1, the extensions in 2."""

_ILLEGAL_IN_CHUNK_LINE: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


def begin_body(body_length: int) -> BodyReader:
    """The body behind a head, of which nothing has come; `body_length` is that of `Head`."""
    if body_length < 0:
        return BodyReader(BodyState.CHUNK_LINE, 0, (), 0, 0)
    state = BodyState.LENGTH if body_length else BodyState.COMPLETE
    return BodyReader(state, body_length, (), 0, 0)


def take_rope(body: BodyReader) -> BodyReader:
    """The body without the bytes that have come, which were handed on."""
    return BodyReader(body.state, body.remaining, (), body.length, body.extension_len, body.chunks)


Progress: TypeAlias = tuple[BodyReader, int]
"""A body, and the position in the data up to which it has taken it."""


def continue_body_read(
    body: BodyReader, data: bytes, limits: Limits
) -> tuple[BodyReader, bytes] | Malformed:
    """The body after `data` was fed to it, and the bytes that it has not taken; `Malformed` with
    400, 413 or 431 for what is no body.

    Bytes left over by a complete body belong to the next request. Those left over by one that is
    not complete are to be fed again, with what comes behind them.
    """
    position = 0
    while not body.is_complete:
        progress = READERS[body.state](body, data, position, limits)
        if isinstance(progress, Malformed):
            return progress
        has_stopped = progress[0] is body
        body, position = progress
        if has_stopped:
            break
    return body, data[position:] if position else data


def _read_length(body: BodyReader, data: bytes, start: int, limits: Limits) -> Progress | Malformed:
    """The body of known length after the data from `start` on."""
    return _take(body, data, start, BodyState.COMPLETE)


def _read_chunk_data(
    body: BodyReader, data: bytes, start: int, limits: Limits
) -> Progress | Malformed:
    """The body after the data from `start` on, which belongs to a chunk."""
    return _take(body, data, start, BodyState.CHUNK_END)


def _take(body: BodyReader, data: bytes, start: int, after: BodyState) -> Progress:
    """The body with up to `remaining` more bytes in its rope; once none remain its state is
    `after`.
    """
    piece = data[start : start + body.remaining]
    if not piece:
        return body, start
    remaining = body.remaining - len(piece)
    taken = BodyReader(
        body.state if remaining else after,
        remaining,
        rope_append(body.rope, piece),
        body.length + len(piece),
        body.extension_len,
        body.chunks,
    )
    return taken, start + len(piece)


def _read_chunk_line(
    body: BodyReader, data: bytes, start: int, limits: Limits
) -> Progress | Malformed:
    """The body after `chunk-size [ chunk-ext ] CRLF`; a size of 0 is that of the last chunk."""
    end = data.find(CRLF, start, start + limits.max_chunk_line_len + 2)
    if end < 0:
        return _check_partial_line(body, data, start, limits)
    match = _CHUNK_LINE.fullmatch(data, start, end)
    if match is None:
        return malformed("a chunk-size line is malformed or too long")
    extension_len = body.extension_len + len(match[2])
    if extension_len > limits.max_chunk_extension_len:
        return malformed("the chunk extensions are too long")
    size = int(match[1], 16)
    if body.length + size > limits.max_body_len:
        return body_too_long(limits.max_body_len)
    if not size:
        return BodyReader(BodyState.TRAILERS, 0, body.rope, body.length, extension_len), end + 2
    chunks = body.chunks + 1
    if (chunks - limits.max_small_chunks) * limits.min_chunk_len > body.length + size:
        return malformed("the body has too many small chunks")
    return BodyReader(
        BodyState.CHUNK_DATA, size, body.rope, body.length, extension_len, chunks
    ), end + 2


def _check_partial_line(
    body: BodyReader, data: bytes, start: int, limits: Limits
) -> Progress | Malformed:
    """The body as it is, to wait for the rest of a chunk-size line; 400 if it cannot become one."""
    line = data[start : start + limits.max_chunk_line_len + 2]
    line = line.removesuffix(b"\r")
    if len(line) > limits.max_chunk_line_len or _ILLEGAL_IN_CHUNK_LINE.search(line):
        return malformed("a chunk-size line is malformed or too long")
    return body, start


def _read_chunk_end(
    body: BodyReader, data: bytes, start: int, limits: Limits
) -> Progress | Malformed:
    """The body after the line end behind the data of a chunk."""
    end = data[start : start + 2]
    if not CRLF.startswith(end):
        return malformed("the data of a chunk is not followed by a line end")
    if len(end) < 2:
        return body, start
    return BodyReader(
        BodyState.CHUNK_LINE, 0, body.rope, body.length, body.extension_len, body.chunks
    ), start + 2


def _read_trailers(
    body: BodyReader, data: bytes, start: int, limits: Limits
) -> Progress | Malformed:
    """The body after its trailer section, which is checked as any field lines are, and dropped (RFC
    9112 section 7.1.2).
    """
    complete = BodyReader(BodyState.COMPLETE, 0, body.rope, body.length, body.extension_len)
    if data.startswith(CRLF, start):
        return complete, start + 2
    end = data.find(b"\r\n\r\n", start, start + limits.max_trailer_len + 4)
    if end < 0:
        return _check_partial_trailers(body, data, start, limits)
    error = _check_trailers(data[start : end + 4], limits)
    return (complete, end + 4) if error is None else error


def _check_partial_trailers(
    body: BodyReader, data: bytes, start: int, limits: Limits
) -> Progress | Malformed:
    """The body as it is, to wait for the rest of a trailer section; 400 for an illegal byte, 431
    for one that is too long.
    """
    section = data[start : start + limits.max_trailer_len + 4]
    if ILLEGAL_IN_HEAD.search(section, 0, limits.max_trailer_len):
        return malformed("a trailer field is malformed")
    if len(section) >= limits.max_trailer_len + 4:
        return malformed(
            f"the trailer section is longer than {limits.max_trailer_len} bytes",
            CloseReason.LARGE_HEADER,
        )
    return body, start


def _check_trailers(block: bytes, limits: Limits) -> Malformed | None:
    """What is wrong with a whole trailer section, or None. Fields that frame a message mean nothing
    there.
    """
    if ILLEGAL_IN_HEAD.search(block):
        return malformed("a trailer field is malformed")
    headers = parse_header_lines(block, limits)
    if isinstance(headers, Malformed):
        too_many = headers.reason is CloseReason.LARGE_HEADER
        return headers if too_many else malformed("a trailer field is malformed")
    return None


READERS: Final = {
    BodyState.LENGTH: _read_length,
    BodyState.CHUNK_LINE: _read_chunk_line,
    BodyState.CHUNK_DATA: _read_chunk_data,
    BodyState.CHUNK_END: _read_chunk_end,
    BodyState.TRAILERS: _read_trailers,
}
"""The function that reads what a state expects, for every state but `COMPLETE`."""
