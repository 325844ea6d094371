"""The body of a request, as it arrives (RFC 9112 sections 6 and 7).

Theory: a body in progress is a value: what is still expected, and a rope of what came. Feeding it
bytes gives a new value and the bytes that belong to the next request; chunked framing is a small
table of such values.

Rules: `continue_body_read` is total and never keeps a byte twice. A rope's pieces shrink by half
from left to right, so it has few pieces however small the reads were, and each byte is copied a
logarithmic number of times. Nothing is grown beyond `Limits`. It does not know the connection, nor
what the body means.
"""

import re
from enum import IntEnum
from typing import NamedTuple, TypeAlias

from ..close_reasons import CloseReason
from ..limits import Limits
from ..parse_result import Malformed, malformed
from ..rope import Rope, rope_append
from .fields import CRLF, ILLEGAL_IN_HEAD, parse_header_lines


class BodyState(IntEnum):
    """What the next byte of a body belongs to."""

    LENGTH = 0
    """A body whose Content-Length is known."""
    CHUNK_LINE = 1
    CHUNK_DATA = 2
    CHUNK_END = 3
    TRAILERS = 4
    NOTHING = 5
    """The body is complete."""


class BodyReader(NamedTuple):
    """A body in progress. `remaining` counts the bytes of the current piece, `extension_len` those
    of chunk extensions.
    """

    expecting: BodyState
    remaining: int
    rope: Rope
    size: int
    extension_len: int

    @property
    def is_complete(self) -> bool:
        """True when nothing is expected any more."""
        return self.expecting is BodyState.NOTHING


_CHUNK_LINE = re.compile(
    rb"0*([0-9A-Fa-f]{1,16})"
    rb"((?:[ \t]*;[ \t]*[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
    rb"(?:[ \t]*=[ \t]*(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
    rb'|"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*"))?)*)'
)
_NOT_IN_CHUNK_LINE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


def begin_body(length: int) -> BodyReader:
    """The body that a head announces: `body_length` bytes, or chunks for -1."""
    if length < 0:
        return BodyReader(BodyState.CHUNK_LINE, 0, (), 0, 0)
    return BodyReader(BodyState.LENGTH if length else BodyState.NOTHING, length, (), 0, 0)


Progress: TypeAlias = tuple[BodyReader, int]
"""A body, and the position up to which the data has been taken."""


def continue_body_read(
    body: BodyReader, data: bytes, limits: Limits
) -> tuple[BodyReader, bytes] | Malformed:
    """Feed `data` to a body in progress: the body after it, and the bytes that were not (or not
    yet) taken.

    While bytes are left over and the body still expects something, it needs more before it can take
    them.
    """
    position = 0
    while not body.is_complete:
        step = _STEPS[body.expecting](body, data, position, limits)
        if isinstance(step, Malformed):
            return step
        is_stuck = step[0] is body
        body, position = step
        if is_stuck:
            break
    return body, data[position:] if position else data


def _take(body: BodyReader, data: bytes, start: int, after: BodyState) -> Progress:
    """Move up to `remaining` bytes to the rope; when all have come, go on to `after`."""
    piece = data[start : start + body.remaining]
    if not piece:
        return body, start
    remaining = body.remaining - len(piece)
    taken = BodyReader(
        body.expecting if remaining else after,
        remaining,
        rope_append(body.rope, piece),
        body.size + len(piece),
        body.extension_len,
    )
    return taken, start + len(piece)


def _read_length(body: BodyReader, data: bytes, start: int, limits: Limits) -> Progress | Malformed:
    return _take(body, data, start, BodyState.NOTHING)


def _read_chunk_data(
    body: BodyReader, data: bytes, start: int, limits: Limits
) -> Progress | Malformed:
    return _take(body, data, start, BodyState.CHUNK_END)


def _read_chunk_line(
    body: BodyReader, data: bytes, start: int, limits: Limits
) -> Progress | Malformed:
    """`chunk-size [ chunk-ext ] CRLF`: the size decides what comes next."""
    end = data.find(CRLF, start, start + limits.max_chunk_line_len + 2)
    if end < 0:
        return _check_partial_line(body, data, start, limits)
    match = _CHUNK_LINE.fullmatch(data, start, end)
    if match is None:
        return malformed("a chunk-size line is malformed or too long")
    spent = body.extension_len + len(match[2])
    if spent > limits.max_chunk_extension_len:
        return malformed("the chunk extensions are too long")
    size = int(match[1], 16)
    if body.size + size > limits.max_body_len:
        return malformed(
            f"the body is longer than {limits.max_body_len} bytes", CloseReason.LARGE_REQUEST
        )
    expecting = BodyState.CHUNK_DATA if size else BodyState.TRAILERS
    return BodyReader(expecting, size, body.rope, body.size, spent), end + 2


def _check_partial_line(
    body: BodyReader, data: bytes, start: int, limits: Limits
) -> Progress | Malformed:
    """A chunk-size line that has not ended: wait, unless it cannot become one."""
    line = data[start : start + limits.max_chunk_line_len + 2]
    line = line[:-1] if line.endswith(b"\r") else line
    if len(line) > limits.max_chunk_line_len or _NOT_IN_CHUNK_LINE.search(line):
        return malformed("a chunk-size line is malformed or too long")
    return body, start


def _read_chunk_end(
    body: BodyReader, data: bytes, start: int, limits: Limits
) -> Progress | Malformed:
    """The CRLF behind the data of a chunk."""
    end = data[start : start + 2]
    if not CRLF.startswith(end):
        return malformed("the data of a chunk is not followed by a line end")
    if len(end) < 2:
        return body, start
    return BodyReader(BodyState.CHUNK_LINE, 0, body.rope, body.size, body.extension_len), start + 2


def _read_trailers(
    body: BodyReader, data: bytes, start: int, limits: Limits
) -> Progress | Malformed:
    """The trailer section: checked like any field lines, then dropped (RFC 9112 section 7.1.2)."""
    done = BodyReader(BodyState.NOTHING, 0, body.rope, body.size, body.extension_len)
    if data.startswith(CRLF, start):
        return done, start + 2
    end = data.find(b"\r\n\r\n", start, start + limits.max_trailer_len + 4)
    if end < 0:
        return _check_partial_trailers(body, data, start, limits)
    error = _check_trailers(data[start : end + 4], limits)
    return (done, end + 4) if error is None else error


def _check_partial_trailers(
    body: BodyReader, data: bytes, start: int, limits: Limits
) -> Progress | Malformed:
    """A trailer section that has not ended: wait, unless it is too long or a line end is not one."""
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
    """What is wrong with a whole trailer section, or None; the framing fields mean nothing there."""
    if ILLEGAL_IN_HEAD.search(block):
        return malformed("a trailer field is malformed")
    headers = parse_header_lines(block, limits)
    if isinstance(headers, Malformed):
        too_many = headers.reason is CloseReason.LARGE_HEADER
        return headers if too_many else malformed("a trailer field is malformed")
    return None


_STEPS = {
    BodyState.LENGTH: _read_length,
    BodyState.CHUNK_LINE: _read_chunk_line,
    BodyState.CHUNK_DATA: _read_chunk_data,
    BodyState.CHUNK_END: _read_chunk_end,
    BodyState.TRAILERS: _read_trailers,
}
