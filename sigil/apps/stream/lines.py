"""Bytes that come in pieces become lines: a value, and two functions of it.

Theory: a stream of bytes is cut into pieces by whoever carries it, and into lines by whoever wrote
it. The two have nothing to do with each other, so what is known between two pieces is one value:
the beginning of a line of which the end has not come, or that the rest of a line is to be skipped.

Rules: a line is what ends with LF or CRLF, without that end; the last one may lack it. An empty
line is a line. One that is longer than `most_len` is none: in its place is `None`, as soon as it is
known to be too long, and no more of it is kept. However the bytes are cut, the lines are the same.
It does not know what the bytes mean, nor where they come from.
"""

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

Line: TypeAlias = bytes | None
"""A line without its end; None for one that was too long."""

LF, CR = b"\n", b"\r"


class Lines(NamedTuple):
    """What is known between two pieces.

    `rest` is the line that has begun, in pieces of which each is longer than the next one (so they
    are few, and no byte is copied often), `rest_len` bytes in all. While `is_skipping`, it is a
    line that was too long.
    """

    most_len: int
    rest: tuple[bytes, ...] = ()
    rest_len: int = 0
    is_skipping: bool = False


def feed(lines: Lines, data: bytes) -> tuple[Lines, list[Line]]:
    """What is known after one more piece, and the lines that it ends, in order."""
    first, *others = data.split(LF)
    lines, found = _begin(lines, first)
    if not others:
        return lines, found
    if not lines.is_skipping:
        found.append(_cut(b"".join(lines.rest), lines.most_len))
    last, most_len = others.pop(), lines.most_len
    found += [_cut(piece, most_len) for piece in others]
    lines, more = _begin(Lines(most_len), last)
    return lines, found + more


def finish(lines: Lines) -> list[Line]:
    """The last line, if it lacked its end."""
    if not lines.rest_len:
        return []
    return [b"".join(lines.rest) if lines.rest_len <= lines.most_len else None]


def _begin(lines: Lines, piece: bytes) -> tuple[Lines, list[Line]]:
    """More of a line of which the end has not come. One byte too much may be a CR that is not part
    of it.
    """
    if lines.is_skipping or not piece:
        return lines, []
    length = lines.rest_len + len(piece)
    if length > lines.most_len + len(CR):
        return Lines(lines.most_len, is_skipping=True), [None]
    return Lines(lines.most_len, _joined(lines.rest, piece), length), []


def _joined(rest: Sequence[bytes], piece: bytes) -> tuple[bytes, ...]:
    """One piece more: what is not longer than its successor is joined with it."""
    count = len(rest)
    length = len(piece)
    while count and len(rest[count - 1]) <= length:
        count -= 1
        length += len(rest[count])
    return (*rest[:count], b"".join((*rest[count:], piece)))


def _cut(piece: bytes, most_len: int) -> Line:
    """What stands before an LF, as a line."""
    line = piece[:-1] if piece.endswith(CR) else piece
    return line if len(line) <= most_len else None
