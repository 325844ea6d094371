"""Patterns: what a route is written as, `/jobs/:id<int>/log/*rest`, as a value.

Theory: a pattern is a path in which some segments have a name in the place of a text. `:id` is a
parameter, which takes one segment, `:id<int>` one that a converter takes, and `*rest`, at the end,
takes all that follow. What is in a pattern is written as people read it; a percent sign begins an
escape as it does in a path, for a text that would be taken for something else (`%3A`, `%2A`, `%25`,
`%2F`).

Rules: a pattern that no path can match, or that most likely means something else, raises ValueError
with a sentence, where it is written. Two patterns have the same shape if they match the same paths
for whatever their parameters are called. It does not know what a pattern leads to.
"""

import re
from collections.abc import Mapping
from typing import Final, TypeAlias, final

from ..parse_result import Malformed
from ..value import Value
from .converters import BUILT_IN, Converter, is_own
from .paths import split_path

MAX_SEGMENTS: Final = 100
"""A pattern has no more segments: far more than anybody reads."""

REST_NAME: Final = "rest"
"""What the rest of a path is called whose pattern gives it no name."""

MOUNT_POINT: Final = "/*"
"""What is behind the prefix in the pattern of a mount."""

_PARAM: Final = re.compile(r":([^<>]*)(?:<([^<>]*)>)?")
_ELSEWHERE: Final = {
    "?": "it is for paths, and the query, which the handler reads, is behind those",
    "#": "a fragment is never sent to a server",
    "*": "a * begins the name of the rest of a path, in a segment of its own at the end",
    "<": "a parameter is a whole segment, :name or :name<converter>",
    "{": "a parameter is a whole segment, :name or :name<converter>",
}
"""Characters that a segment without a name does not have, and why."""


@final
class Static(Value):
    """A segment that is this text, decoded; the empty one is behind a slash at the end."""

    __match_args__ = ("text",)
    __slots__ = __match_args__

    def __init__(self, text: str) -> None:
        self.text: Final = text


@final
class Param(Value):
    """A segment that becomes the parameter `name`, if the converter takes it."""

    __match_args__ = ("name", "converter")
    __slots__ = __match_args__

    def __init__(self, name: str, converter: Converter) -> None:
        self.name: Final = name
        self.converter: Final = converter


@final
class Rest(Value):
    """All segments from here on, one at least, which may be empty; they become the parameter
    `name`, or, if that is empty, stay behind the mount path.
    """

    __match_args__ = ("name",)
    __slots__ = __match_args__

    def __init__(self, name: str) -> None:
        self.name: Final = name


Segment: TypeAlias = Static | Param | Rest
"""One segment of a pattern."""

Segments: TypeAlias = tuple[Segment, ...]


def parse_pattern(pattern: str, converters: Mapping[str, Converter] = BUILT_IN) -> Segments:
    """The segments of a pattern; ValueError with a sentence for one that makes no sense."""
    if not isinstance(pattern, str):
        raise TypeError(f"a pattern is a str, not {type(pattern).__name__}")
    if not pattern.startswith("/"):
        raise _senseless(pattern, "it begins with a slash, as every path does")
    texts = pattern[1:].split("/")
    if "" in texts[:-1]:
        raise _senseless(pattern, "two slashes follow each other in it")
    segments = tuple([_segment(pattern, text, converters) for text in texts])
    check_segments(pattern, segments)
    return segments


def check_segments(pattern: str, segments: Segments) -> None:
    """ValueError for segments that make no sense together."""
    if len(segments) > MAX_SEGMENTS:
        raise _senseless(pattern, f"it has more than {MAX_SEGMENTS} segments")
    for segment in segments[:-1]:
        if isinstance(segment, Rest):
            raise _senseless(pattern, f"nothing can follow *{segment.name}, which takes it all")
    names = names_in(segments)
    for name in names:
        if names.count(name) > 1:
            raise _senseless(pattern, f"two of its parameters are called {name}")


def parse_prefix(prefix: str, converters: Mapping[str, Converter] = BUILT_IN) -> Segments:
    """The segments of a prefix to mount something behind, which is a pattern without a rest; a
    slash at its end counts for nothing.
    """
    segments = parse_pattern(prefix, converters)
    last = segments[-1]
    if isinstance(last, Rest):
        raise _senseless(prefix, f"what is mounted takes all behind it: leave out *{last.name}")
    return segments[:-1] if last == Static("") else segments


def names_in(segments: Segments) -> tuple[str, ...]:
    """The names of the parameters, in order."""
    return tuple([item.name for item in segments if isinstance(item, Param | Rest) and item.name])


def has_own_converter(segments: Segments) -> bool:
    """True if a converter of the program is among them."""
    return any(isinstance(item, Param) and is_own(item.converter) for item in segments)


def shape_of(segments: Segments) -> tuple[object, ...]:
    """What is equal for patterns that match the same paths: names are left out of it."""
    return tuple([_shape(segment) for segment in segments])


def _shape(segment: Segment) -> object:
    """What a segment matches, without its name."""
    if isinstance(segment, Static):
        return segment.text
    return segment.converter if isinstance(segment, Param) else Rest("")


def _senseless(pattern: str, why: str) -> ValueError:
    """The error for a pattern."""
    return ValueError(f"the pattern {pattern!r} makes no sense: {why}")


def _segment(pattern: str, text: str, converters: Mapping[str, Converter]) -> Segment:
    """One segment of the pattern."""
    if text.startswith("*"):
        name = text[1:] or REST_NAME
        if not name.isidentifier():
            raise _senseless(pattern, f"the name of a rest is an identifier, not {name!r}")
        return Rest(name)
    if text.startswith(":"):
        return _param(pattern, text, converters)
    return Static(_static(pattern, text))


def _param(pattern: str, text: str, converters: Mapping[str, Converter]) -> Param:
    """The parameter that is written as `:name` or `:name<converter>`."""
    match = _PARAM.fullmatch(text)
    if match is None or not match[1].isidentifier():
        raise _senseless(
            pattern, f"a parameter is a whole segment, :name or :name<converter>, not {text!r}"
        )
    name = "str" if match[2] is None else match[2]
    converter = converters.get(name)
    if converter is None:
        known = ", ".join(converters)
        raise _senseless(pattern, f"there is no converter {name!r} among {known}")
    return Param(match[1], converter)


def _static(pattern: str, text: str) -> str:
    """A segment that is a text, decoded."""
    for mark, why in _ELSEWHERE.items():
        if mark in text:
            raise _senseless(pattern, why)
    if not text.isprintable():
        raise _senseless(pattern, "it contains a character that is no printable one")
    decoded = split_path(f"/{text}")
    if isinstance(decoded, Malformed):
        raise _senseless(pattern, f"no path that it matches is accepted: {decoded.message}")
    return decoded[1]
