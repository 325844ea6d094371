"""The table of routes against a naive matcher, which tries all routes and compares all of them.

Theory: what is most specific can be said of two routes without any tree: the first segment in which
they differ in kind decides. So a matcher that looks at every route is ten lines, and the table has
to find what it finds, whatever the routes and the paths are and in whatever order they were added.
"""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sigil.core.web.patterns import Param, Rest, Segments, Static, parse_pattern, shape_of
from sigil.core.web.route import METHODS, Route
from sigil.core.web.routes import (
    Found,
    MethodNotAllowed,
    SlashDiffers,
    Table,
    make_table,
    match,
    without_route,
)

PIECES = st.sampled_from(["a", "b", "1", ":x", ":x<int>", ":x<float>"])
PATTERNS = st.builds(
    lambda pieces, end: "".join(f"/{piece}" for piece in [*pieces, *end]),
    st.lists(PIECES, max_size=4),
    st.sampled_from([[], [""], ["*"]]),
).filter(lambda pattern: pattern != "")
ROUTES = st.lists(
    st.tuples(st.sampled_from([*METHODS, "ANY", "ANY", "GET"]), PATTERNS), min_size=1, max_size=12
)
PATHS = st.lists(
    st.sampled_from(["a", "b", "1", "2", "1.5", "a%2Fb", ""]), min_size=1, max_size=5
).map(lambda texts: "/" + "/".join(texts))


def made(lines: list[tuple[str, str]]) -> list[Route]:
    """A route for each line, the first of those that are for the same requests."""
    routes: dict[Any, Route] = {}
    for number, (method, pattern) in enumerate(lines):
        named = "/".join(
            piece.replace("x", f"x{place}") for place, piece in enumerate(pattern.split("/"))
        )
        segments = parse_pattern(named)
        routes.setdefault(
            (method, shape_of(segments)), Route(method, named, segments, (number, method, named))
        )
    return list(routes.values())


def kinds(segments: Segments) -> list[tuple[int, str]]:
    """How specific each segment is, the least first."""
    return [
        (0, "")
        if isinstance(segment, Static)
        else (segment.converter.rank, segment.converter.name)
        if isinstance(segment, Param)
        else (9_999, "")
        for segment in segments
    ]


def fits(segments: Segments, texts: list[str]) -> bool:
    """True if a pattern matches these segments of a path."""
    for place, segment in enumerate(segments):
        if isinstance(segment, Rest):
            return len(texts) > place and "%2F" not in "".join(texts[place:])
        if place >= len(texts):
            return False
        if isinstance(segment, Static):
            if segment.text != texts[place]:
                return False
        elif not texts[place] or not converts(segment, texts[place]):
            return False
    return len(segments) == len(texts)


def converts(param: Param, text: str) -> bool:
    """True if the converter of a parameter takes this text."""
    try:
        return param.converter.convert is None or param.converter.convert(text) is not None
    except ValueError:
        return False


def suits(route: Route, method: str) -> int | None:
    """How well a route suits a method, the best first; None if it does not."""
    order = [method, "GET", "ANY"] if method == "HEAD" else [method, "ANY"]
    return order.index(route.method) if route.method in order else None


def naive(routes: list[Route], method: str, path: str) -> object:
    """The route that the rules choose, or the methods that are allowed; None if nothing is."""
    texts = path.split("/")[1:]
    fitting = [route for route in routes if fits(route.segments, texts)]
    suiting = [route for route in fitting if suits(route, method) is not None]
    if suiting:
        return min(suiting, key=lambda route: (kinds(route.segments), suits(route, method)))
    allowed = {route.method for route in fitting}
    if "GET" in allowed:
        allowed.add("HEAD")
    return tuple(name for name in METHODS if name in allowed) or None


def said(table: Table, method: str, path: str) -> object:
    """What the table says, as `naive` does."""
    result = match(table, method, path)
    if isinstance(result, Found):
        return result.route
    return result.allowed if isinstance(result, MethodNotAllowed) else None


@given(ROUTES, st.lists(st.tuples(st.sampled_from(METHODS), PATHS), min_size=1, max_size=8))
def test_the_table_finds_what_a_naive_matcher_finds(
    lines: list[tuple[str, str]], requests: list[tuple[str, str]]
) -> None:
    routes = made(lines)
    table = make_table(routes, "strict")
    for method, path in requests:
        assert said(table, method, path) == naive(routes, method, path), (method, path)


@given(ROUTES, st.randoms(use_true_random=False), st.sampled_from(METHODS), PATHS)
def test_the_order_in_which_routes_are_added_changes_nothing(
    lines: list[tuple[str, str]], random: Any, method: str, path: str
) -> None:
    routes = made(lines)
    shuffled = random.sample(routes, len(routes))
    assert said(make_table(routes), method, path) == said(make_table(shuffled), method, path)


@given(ROUTES, st.data())
def test_removing_undoes_adding(lines: list[tuple[str, str]], data: st.DataObject) -> None:
    routes = made(lines)
    place = data.draw(st.integers(0, len(routes) - 1))
    gone = routes[place]
    left = routes[:place] + routes[place + 1 :]
    table = without_route(make_table(routes), gone)
    assert table == make_table(left)
    assert table.root == make_table(left).root


@given(ROUTES, st.sampled_from(METHODS), PATHS)
def test_a_redirection_leads_to_a_route_and_no_further(
    lines: list[tuple[str, str]], method: str, path: str
) -> None:
    table = make_table(made(lines))
    result = match(table, method, path)
    if isinstance(result, SlashDiffers):
        assert isinstance(match(table, method, result.path), Found)
    elif said(table, method, path) is None:
        other = path[:-1] if path.endswith("/") else f"{path}/"
        assert not isinstance(naive(list(table.routes), method, other), Route)
