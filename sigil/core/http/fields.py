"""The field lines of a head or of a trailer section (RFC 9112 section 5).

Theory: field lines are split by httptools (llhttp in C, strict), because they are most of the bytes
of a request; bytes that it would let through are refused before by `head`. Its verdict is a number,
so a block that it refuses is split once more by the rules below, which say in a sentence what is
wrong.

Rules: `parse_header_lines` is total: `Headers` or `Malformed`. The parser object of httptools lives
for one call. It does not know what a field means: `framing` does.
"""

import re
from typing import Final, TypeAlias

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from ..close_reasons import CloseReason
from ..limits import Limits
from ..parse_result import Malformed, malformed
from .headers import Headers, decode_pairs
from .tokens import TOKEN_BYTES

CRLF: Final = b"\r\n"

BytePair: TypeAlias = tuple[bytes, bytes]

ILLEGAL_IN_HEAD: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?=[^\n])|(?<!\r)\n")
"""A byte that no field section may contain, or a CR or LF that is not half of a line end; a CR at
the very end is left out, for it may become one.
"""

_DEFAULT_LIMITS: Final = Limits()

_PRELUDE: Final = b"POST / HTTP/1.1\r\n"
"""httptools wants a request line before field lines. It gets this one: the real one is parsed by
`request_line`, by stricter rules.
"""


def parse_header_lines(block: bytes, limits: Limits = _DEFAULT_LIMITS) -> Headers | Malformed:
    """The headers in the field lines of a head or a trailer section, or what is wrong with them:
    400, or 431 for more than `Limits.max_headers`.

    `block` may or may not end in the empty line that ends a section. Its bytes must be legal ones
    (`ILLEGAL_IN_HEAD`).
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


def split_field_lines(block: bytes) -> list[BytePair] | Malformed:
    """The (name, value) pairs of a block of field lines that ends in an empty line (RFC 9112
    section 5), or what is wrong with the first bad line.
    """
    collector = _PairCollector()
    try:
        HttpRequestParser(collector).feed_data(_PRELUDE + block)
    except HttpParserUpgrade:
        pass
    except HttpParserError:
        # httptools also refuses fields that frame a message in ways it does not like. What those
        # mean is not decided here, so a block may be refused by it and pass our own rules.
        return _split_field_lines_checked(block)
    return collector.pairs


class _PairCollector:
    """Collects the pairs that httptools reports for one block of field lines."""

    __slots__ = ("pairs",)

    def __init__(self) -> None:
        self.pairs: list[BytePair] = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self.pairs.append((name, value))


def _split_field_lines_checked(block: bytes) -> list[BytePair] | Malformed:
    """The (name, value) pairs of a block, split line by line without httptools; or what is wrong
    with the first bad line, in a sentence.
    """
    pairs: list[BytePair] = []
    for line in block[:-4].split(CRLF):
        error = _check_field_line(line)
        if error is not None:
            return error
        name, _, value = line.partition(b":")
        pairs.append((name, value))
    return pairs


def _check_field_line(line: bytes) -> Malformed | None:
    """What is wrong with one field line (RFC 9112 sections 5.1 and 5.2), or None."""
    name, colon, _ = line.partition(b":")
    if line[:1] in (b" ", b"\t"):
        return malformed(
            "a header field is folded over several lines, which is obsolete and refused"
        )
    if not colon:
        return malformed("a header line has no colon")
    if name[-1:] in (b" ", b"\t"):
        return malformed("there is white space between a header name and its colon")
    if TOKEN_BYTES.fullmatch(name) is None:
        return malformed("a header name is empty or contains a character that is not allowed there")
    return None
