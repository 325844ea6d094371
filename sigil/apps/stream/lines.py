"""Splitting a byte stream into lines: a value, and two functions of it.

Theory: a stream is cut into chunks by the transport, and into lines by the program that wrote it.
The two are unrelated, so the state between two chunks is one value: the beginning of a line whose
end has not arrived, or that the rest of a line is to be skipped.

Rules: a line ends with LF or CRLF, which is not part of it; the last one may lack it. An empty line
is a line. One longer than `max_len` bytes is replaced by `None`, as soon as it is known to be too
long, and no more of it is buffered. However the bytes are cut, the lines are the same.

It does not know what the bytes mean, nor where they come from.
"""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

Line: TypeAlias = bytes | None
"""A line without its line end; None for one that was too long."""

LF, CR = b"\n", b"\r"


class Lines(NamedTuple):
    """The state between two chunks.

    `partial` is the beginning of a line, in pieces of which each is longer than the next one (so
    they are few, and no byte is copied often), `partial_len` bytes in all. While `is_skipping`, the
    line is one that was too long.
    """

    max_len: int
    partial: tuple[bytes, ...] = ()
    partial_len: int = 0
    is_skipping: bool = False


def feed(lines: Lines, data: bytes) -> tuple[Lines, list[Line]]:
    """The state after one more chunk, and the lines that it completes, in order."""
    first, *others = data.split(LF)
    lines, completed = _append(lines, first)
    if not others:
        return lines, completed
    max_len = lines.max_len
    if not lines.is_skipping:
        completed.append(_line(b"".join(lines.partial), max_len))
    last = others.pop()
    completed += [_line(piece, max_len) for piece in others]
    lines, too_long = _append(Lines(max_len), last)
    return lines, completed + too_long


def finish(lines: Lines) -> list[Line]:
    """The last line, if it lacked its line end; at most one."""
    if not lines.partial_len:
        return []
    return [b"".join(lines.partial) if lines.partial_len <= lines.max_len else None]


def _append(lines: Lines, piece: bytes) -> tuple[Lines, list[Line]]:
    """The state after more bytes of a line whose end has not arrived, and `[None]` if that makes it
    too long.
    """
    if lines.is_skipping or not piece:
        return lines, []
    length = lines.partial_len + len(piece)
    # One byte too many may be the CR of a line end.
    if length > lines.max_len + len(CR):
        return Lines(lines.max_len, is_skipping=True), [None]
    return Lines(lines.max_len, _joined(lines.partial, piece), length), []


def _joined(pieces: Sequence[bytes], piece: bytes) -> tuple[bytes, ...]:
    """The pieces and one more; a piece that is not longer than its successor is joined with it."""
    count = len(pieces)
    length = len(piece)
    while count and len(pieces[count - 1]) <= length:
        count -= 1
        length += len(pieces[count])
    return (*pieces[:count], b"".join((*pieces[count:], piece)))


def _line(piece: bytes, max_len: int) -> Line:
    """The line in the bytes before an LF; None if it is too long."""
    line = piece[:-1] if piece.endswith(CR) else piece
    return line if len(line) <= max_len else None
