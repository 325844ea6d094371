"""The parts of it."""

import re
from typing import TypeAlias

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from ..close_reasons import CloseReason
from ..limits import Limits
from ..parse_result import Malformed, malformed
from .headers import Headers, decode_pairs
from .request_line import _TOKEN

CRLF = b"\r\n"

_DEFAULTS = Limits()

BytePair: TypeAlias = tuple[bytes, bytes]

ILLEGAL_IN_HEAD = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?=[^\n])|(?<!\r)\n")
"""A byte no field section may contain, or a CR or LF that is not half of a line end; a CR at the
end may become one.
"""


class _Collector:
    """What httptools calls back: it keeps the pairs of one head and lives for one call."""

    __slots__ = ("pairs",)

    def __init__(self) -> None:
        self.pairs: list[BytePair] = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self.pairs.append((name, value))


_PRELUDE = b"POST / HTTP/1.1\r\n"
"""The parser wants a request line; it gets this one, because ours is read above and by stricter
rules.
"""


def split_field_lines(block: bytes) -> list[BytePair] | Malformed:
    """The (name, value) pairs of a block of field lines that ends in an empty line (RFC 9112
    section 5).

    The bytes of the block have passed `has_only_legal_bytes`.  httptools also judges the fields
    that frame a message; what they mean is not decided here, so a block that it refuses is read
    again by our own rules for lines.
    """
    collector = _Collector()
    try:
        HttpRequestParser(collector).feed_data(_PRELUDE + block)
    except HttpParserUpgrade:
        pass
    except HttpParserError:
        return _split_field_lines_checked(block)
    return collector.pairs


def _split_field_lines_checked(block: bytes) -> list[BytePair] | Malformed:
    """The same line by line, with a sentence for what is wrong."""
    pairs: list[BytePair] = []
    for line in block[:-4].split(CRLF):
        error = _explain_line(line)
        if error is not None:
            return error
        name, _, value = line.partition(b":")
        pairs.append((name, value))
    return pairs


def _explain_line(line: bytes) -> Malformed | None:
    """What is wrong with one field line, or None."""
    name, colon, _ = line.partition(b":")
    if line[:1] in (b" ", b"\t"):
        return malformed(
            "a header field is folded over several lines, which is obsolete and refused"
        )
    if not colon:
        return malformed("a header line has no colon")
    if name[-1:] in (b" ", b"\t"):
        return malformed("there is white space between a header name and its colon")
    if _TOKEN.fullmatch(name) is None:
        return malformed("a header name is empty or contains a character that is not allowed there")
    return None


def parse_header_lines(block: bytes, limits: Limits = _DEFAULTS) -> Headers | Malformed:
    """The field lines of a head or a trailer section, with or without the empty line that ends
    them.
    """
    if not block.endswith(b"\r\n\r\n") and block != CRLF:
        block += CRLF if block.endswith(CRLF) or not block else CRLF + CRLF
    pairs = split_field_lines(block)
    if isinstance(pairs, Malformed):
        return pairs
    if len(pairs) > limits.max_headers:
        return malformed(
            f"the request has more than {limits.max_headers} header fields",
            CloseReason.LARGE_HEADER,
        )
    return decode_pairs(pairs)
