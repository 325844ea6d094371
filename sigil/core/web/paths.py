"""The path of a target: apart into its segments, and together again (RFC 3986 section 3.3).

Theory: a slash separates segments, and an encoded one does not: it is a character of a segment. So
a path is cut first and decoded then, segment by segment. A segment that is `.` or `..` is for the
client to resolve (RFC 3986 section 5.2.4), as browsers do also with `%2e`; whoever sends one means
to leave the folder that the server is in.

Rules: whatever a path has that is no UTF-8 text, or that no resource can be called, is refused with
a sentence (400): a percent sign that begins no escape, bytes that are not UTF-8, NUL, a segment `.`
or `..`. So the segments that are left are texts that can be sent again. It does not know what a
path is for.
"""

import re
from typing import Final
from urllib.parse import quote, unquote

from ..parse_result import Malformed, malformed

_NO_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
"""A percent sign that begins no escape."""

_SEGMENT_MARKS: Final = "!$&'()*+,;=:@"
"""The characters that a segment may contain as they are, besides letters, digits and `-._~`."""

DOT_SEGMENTS: Final = (".", "..")


def split_path(path: str) -> list[str] | Malformed:
    """The segments of an undecoded path that begins with a slash, decoded; the first is empty, as
    nothing is before that slash, and so is the last of a path that ends in one.
    """
    segments = path.split("/")
    if "%" not in path and "/." not in path:
        return segments
    if _NO_ESCAPE.search(path) is not None:
        return malformed("the path contains a percent sign that begins no escape")
    try:
        segments = [unquote(segment, errors="strict") for segment in segments]
    except UnicodeDecodeError:
        return malformed("the path is not UTF-8 where it is percent-encoded")
    if "\0" in "".join(segments):
        return malformed("the path contains a NUL, which is in no name")
    if "." in segments or ".." in segments:
        return malformed("the path contains a segment . or .., which a client resolves itself")
    return segments


def encode_segment(text: str) -> str:
    """The segment of a path for this text, so encoded that `split_path` gives the text again;
    ValueError for one of which there is no such segment: an empty one, `.`, `..`, one with NUL or
    with half of a surrogate pair.
    """
    if not text or text in DOT_SEGMENTS or "\0" in text:
        raise ValueError(f"{text!r} cannot be a segment of a path")
    try:
        return quote(text, safe=_SEGMENT_MARKS)
    except UnicodeEncodeError as error:
        raise ValueError(f"{text!r} cannot be a segment of a path: it is no text") from error
