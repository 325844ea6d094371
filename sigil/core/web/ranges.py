"""Ranges of bytes: what a client asks for, and how several of them are framed (RFC 9110 sections
14 and 15.3.7).

Theory: a client that seeks, or goes on where it was cut off, asks for parts of a body. One part is
sent as it is, under a status and a field that say where it belongs; several are sent as the parts
of a multipart body, each behind such a field.

Rules: a field that is malformed, of another unit, or asks for too many ranges is ignored, and all
is sent, as if there were none. Ranges that overlap or nearly touch are merged where the first of
them stands, so that what is sent is never much more than the whole. It does not know what the bytes
are.
"""

import re
from typing import Final, NamedTuple, TypeAlias

MERGE_GAP_MAX: Final = 80
"""Bytes between two ranges that cost less than the head of one more part."""
DIGITS_MAX: Final = 18
"""Digits of a position: more than any file has bytes."""
_SPEC: Final = re.compile(r"([0-9]*)-([0-9]*)")


class Span(NamedTuple):
    """Bytes of a body, from `start` up to, not including, `end`."""

    start: int
    end: int


Piece: TypeAlias = "bytes | Span"
"""A piece of a multipart body: framing, or a part of what is sent."""


def select_ranges(value: str, length: int, max_count: int) -> tuple[Span, ...] | None:
    """The ranges of a body of `length` bytes that a Range field asks for, those merged that
    overlap: none if no byte that it asks for is there (416), None if the field is to be ignored.

    More ranges than `max_count` are ignored.
    """
    unit, equals, text = value.partition("=")
    if not equals or unit.strip().lower() != "bytes":
        return None
    specs = [spec.strip(" \t") for spec in text.split(",", 4 * max_count)]
    specs = [spec for spec in specs if spec]
    if not specs or len(specs) > max_count:
        return None
    spans: list[Span] = []
    for spec in specs:
        span = _parse_spec(spec, length)
        if span is None:
            return None
        if span.start < span.end:
            spans.append(span)
    return _merged(spans)


def _parse_spec(spec: str, length: int) -> Span | None:
    """The bytes that one range has of a body, none if it begins behind the end; None if it is
    malformed.
    """
    match = _SPEC.fullmatch(spec)
    if match is None or spec == "-":
        return None
    first, last = match.groups()
    if len(first) > DIGITS_MAX or len(last) > DIGITS_MAX:
        return None
    if not first:
        return Span(max(0, length - int(last)), length)
    if last and int(last) < int(first):
        return None
    return Span(int(first), min(length, int(last) + 1) if last else length)


def _merged(spans: list[Span]) -> tuple[Span, ...]:
    """The spans in order, each merged with those before that it nearly touches."""
    merged: list[Span] = []
    for span in spans:
        index = len(merged)
        for place in range(len(merged) - 1, -1, -1):
            other = merged[place]
            is_near = (
                span.start <= other.end + MERGE_GAP_MAX and other.start <= span.end + MERGE_GAP_MAX
            )
            if is_near:
                span = Span(min(span.start, other.start), max(span.end, other.end))
                del merged[place]
                index = place
        merged.insert(index, span)
    # one that grew may nearly touch another now
    return tuple(merged) if len(merged) == len(spans) else _merged(merged)


def content_range(span: Span, length: int) -> str:
    """The value of Content-Range for a part of a body of `length` bytes."""
    return f"bytes {span.start}-{span.end - 1}/{length}"


def unsatisfied_range(length: int) -> str:
    """The value of Content-Range of a 416: how long the body is."""
    return f"bytes */{length}"


def multipart_pieces(
    spans: tuple[Span, ...], length: int, content_type: str, boundary: str
) -> tuple[Piece, ...]:
    """The pieces of a `multipart/byteranges` body (RFC 2046 section 5.1) of these parts."""
    pieces: list[Piece] = []
    for index, span in enumerate(spans):
        line_end = "\r\n" if index else ""
        head = (
            f"{line_end}--{boundary}\r\nContent-Type: {content_type}\r\n"
            f"Content-Range: {content_range(span, length)}\r\n\r\n"
        )
        pieces += (head.encode("latin-1"), span)
    return (*pieces, f"\r\n--{boundary}--\r\n".encode())
