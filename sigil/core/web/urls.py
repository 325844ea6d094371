"""The path that leads to a route: the inverse of matching.

Theory: a link that is written twice, as a route and as a text, is wrong one day. So it is made of
the route: `url_for(table, "/jobs/:id<int>", {"id": 5})` is `/jobs/5`.

Rules: what is made leads back to the same values: each is made a text, encoded as a segment, and
tried with the converter of the parameter. What cannot be is a ValueError with a sentence. It knows
neither scheme nor host.
"""

from collections.abc import Mapping
from typing import Any

from .paths import DOT_SEGMENTS, encode_segment
from .patterns import REST_NAME, Param, Rest, Segment, Static, names_in
from .route import Route, describe
from .routes import Table, index_of, is_hashable


def url_for(table: Table, target: object, params: Mapping[str, Any]) -> str:
    """The path of the route that `target` names, with these parameters.

    `target` is a name, a pattern or a handler. Of several routes it is the one whose parameters
    have these names. LookupError if there is none, ValueError for parameters that are not those of
    the route, or for a value that no path can have.
    """
    candidates = index_of(table).get(target, ()) if is_hashable(target) else ()
    if not candidates:
        raise LookupError(f"there is no route for {target!r}")
    route = _choose(candidates, target, params)
    texts = [_text_of(route, segment, params) for segment in route.segments]
    path = "/" + "/".join(texts)
    if path.startswith("//"):
        raise ValueError(f"{describe(route)}: what begins with two slashes is a host, not a path")
    return path


def _choose(candidates: tuple[Route, ...], target: object, params: Mapping[str, Any]) -> Route:
    """The one of these routes that has parameters of these names."""
    fitting = {
        route.pattern: route for route in candidates if sorted(_names(route)) == sorted(params)
    }
    if len(fitting) == 1:
        return next(iter(fitting.values()))
    found = "several of these" if fitting else "none of these"
    given = ", ".join(params) or "no parameters"
    listed = ", ".join(dict.fromkeys(route.pattern for route in candidates))
    raise ValueError(f"{target!r} with {given} is {found}: {listed}")


def _names(route: Route) -> tuple[str, ...]:
    """The names of the parameters that the path of this route is made with: what is behind a mount
    is the rest.
    """
    names = names_in(route.segments)
    return (*names, REST_NAME) if route.segments[-1:] == (Rest(""),) else names


def _text_of(route: Route, segment: Segment, params: Mapping[str, Any]) -> str:
    """One segment, encoded."""
    if isinstance(segment, Static):
        return encode_segment(segment.text) if segment.text else ""
    if isinstance(segment, Param):
        text, convert = str(params[segment.name]), segment.converter.convert
        encoded = encode_segment(text)
        if convert is not None and convert(text) != params[segment.name]:
            raise ValueError(
                f"{describe(route)}: {segment.name} would be {convert(text)!r} again, not"
                f" {params[segment.name]!r}"
            )
        return encoded
    return _rest(str(params[segment.name or REST_NAME]))


def _rest(text: str) -> str:
    """The rest of a path: segments with slashes between them, of which some may be empty."""
    parts = text.split("/")
    if any(part in DOT_SEGMENTS for part in parts):
        raise ValueError(f"{text!r} cannot be in a path: a client resolves . and .. itself")
    return "/".join([encode_segment(part) if part else "" for part in parts])
