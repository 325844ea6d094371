"""A route: which requests it is for, and what answers them.

Theory: a route is one line of a table: a method, a pattern, and whatever it leads to. It is a value
that says where it was written, so that two that cannot both be there name each other.

Rules: `METHODS` are those that handlers see; `ANY` is for all of them. It does not know how a path
is matched (`trie`), nor what its handler is.
"""

from typing import Any, Final, final

from ..value import Value
from .patterns import Segments, check_segments

ANY: Final = "ANY"
"""The method of a route that is for all of them."""

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
"""The methods that handlers see, in the order in which they are named."""

BODIES: Final = ("whole", "stream")
"""How a handler takes the body of a request: with the request, or in pieces as it comes."""


@final
class Route(Value):
    """One line of a table.

    `method` is one of `METHODS` or `ANY`; `pattern` is what it is written as, `segments` what that
    means; `handler` is what answers; `name` is what `url_for` finds it by, empty if it has none;
    `place` is the file and line where it is written; `mounted` is the number of segments that are
    the prefix behind which it is mounted, 0 if it is not; `body` is one of `BODIES`.
    """

    __match_args__ = (
        "method",
        "pattern",
        "segments",
        "handler",
        "name",
        "place",
        "mounted",
        "body",
    )
    __slots__ = __match_args__

    def __init__(
        self,
        method: str,
        pattern: str,
        segments: Segments,
        handler: Any,
        name: str = "",
        place: str = "",
        mounted: int = 0,
        body: str = "whole",
    ) -> None:
        self.method: Final = method
        self.pattern: Final = pattern
        self.segments: Final = segments
        self.handler: Final = handler
        self.name: Final = name
        self.place: Final = place
        self.mounted: Final = mounted
        self.body: Final = body


def mounted_behind(prefix: str, segments: Segments, route: Route) -> Route:
    """The route behind a prefix of these segments; ValueError if the two make no sense together."""
    pattern, joined = f"{prefix}{route.pattern}", (*segments, *route.segments)
    check_segments(pattern, joined)
    return Route(
        route.method, pattern, joined, route.handler, route.name, route.place,
        len(segments) + route.mounted, route.body,
    )  # fmt: skip


def describe(route: Route) -> str:
    """A route in words: method, pattern, and where it is written."""
    return f"{route.method} {route.pattern} ({route.place or 'no file'})"
