"""The trie of routes: what a table is searched by, along a path.

Theory: patterns that begin alike share what they begin with. So a path is followed segment by
segment from the root, and what that costs depends on the length of the path, and not on how many
routes there are elsewhere. In each segment a text goes before a parameter, parameters go in the
order of their converters, and the rest of a path comes last; the ways that were not taken are
remembered, and tried where the one that was leads nowhere, deeper down or for this method.

Rules: nodes are values; adding a route makes those on its way anew, and shares all others. No node
is entered twice in one search: only one edge leads to it, from a node that was not entered twice
either. So whatever the path is, trying other ways costs at most the nodes whose patterns begin like
it. It does not know tables, nor requests.
"""

from typing import Any, Final, TypeAlias, final

from ..value import Value
from .converters import Converter
from .patterns import Param, Rest, Segment, Segments, Static, names_in
from .route import ANY, METHODS, Route, describe


@final
class Endpoint(Value):
    """A route at the node where its pattern ends, and the names of its parameters; `takes_rest` is
    true if the last of them is the rest of the path. `ranks` has how late each of its segments is
    tried, compared with others in its place.
    """

    __match_args__ = ("route", "names", "takes_rest", "ranks")
    __slots__ = __match_args__

    def __init__(
        self, route: Route, names: tuple[str, ...], takes_rest: bool, ranks: tuple[int, ...]
    ) -> None:
        self.route: Final = route
        self.names: Final = names
        self.takes_rest: Final = takes_rest
        self.ranks: Final = ranks


@final
class Node(Value):
    """A place in the trie, behind some segments.

    `statics` leads on by text; `edges` by whatever else, in the order in which they are *not* to be
    tried: the last one first. `routes` are those whose patterns end here, by the method they name,
    and `answers` is which of these is for a request of each method. The dictionaries are never
    changed.
    """

    __match_args__ = ("statics", "edges", "routes", "answers")
    __slots__ = __match_args__

    def __init__(
        self,
        statics: "dict[str, Node]",
        edges: "tuple[Edge, ...]",
        routes: dict[str, Endpoint],
        answers: dict[str, Endpoint],
    ) -> None:
        self.statics: Final = statics
        self.edges: Final = edges
        self.routes: Final = routes
        self.answers: Final = answers


@final
class Edge(Value):
    """The way to a node by a segment that `converter` takes; None takes all segments there are."""

    __match_args__ = ("converter", "node")
    __slots__ = __match_args__

    def __init__(self, converter: Converter | None, node: Node) -> None:
        self.converter: Final = converter
        self.node: Final = node


EMPTY: Final = Node({}, (), {}, {})
"""A place that nothing leads on from, and where no pattern ends."""


def endpoint_of(route: Route) -> Endpoint:
    """The endpoint of a route."""
    last = route.segments[-1]
    takes_rest = isinstance(last, Rest) and last.name != ""
    ranks = tuple([_rank(segment) for segment in route.segments])
    return Endpoint(route, names_in(route.segments), takes_rest, ranks)


def _rank(segment: Segment) -> int:
    """How late a segment is tried, compared with others in its place."""
    if isinstance(segment, Param):
        return segment.converter.rank
    return _TEXT_RANK if isinstance(segment, Static) else _REST_RANK


def takes_all_behind(endpoint: Endpoint) -> bool:
    """True if the pattern ends in the rest of a path, or in a mount."""
    return endpoint.ranks[-1] == _REST_RANK


def is_more_specific(one: Endpoint, other: Endpoint) -> bool:
    """True if one pattern is tried before the other: the first segment that differs decides."""
    for rank, other_rank in zip(one.ranks, other.ranks, strict=False):
        if rank != other_rank:
            return rank < other_rank
    return False


def with_endpoint_below(node: Node, segments: Segments, endpoint: Endpoint) -> Node:
    """The node with one more route, whose pattern goes on with these segments; ValueError for one
    that is there already.
    """
    if not segments:
        return _with_endpoint(node, endpoint)
    segment, behind = segments[0], segments[1:]
    if isinstance(segment, Static):
        child = node.statics.get(segment.text, EMPTY)
        statics = dict(node.statics)
        statics[segment.text] = with_endpoint_below(child, behind, endpoint)
        return Node(statics, node.edges, node.routes, node.answers)
    converter = segment.converter if isinstance(segment, Param) else None
    edges = {edge.converter: edge.node for edge in node.edges}
    edges[converter] = with_endpoint_below(edges.get(converter, EMPTY), behind, endpoint)
    ordered = sorted(edges, key=_untried, reverse=True)
    return Node(
        node.statics, tuple([Edge(key, edges[key]) for key in ordered]), node.routes, node.answers
    )


def _untried(converter: Converter | None) -> tuple[int, str]:
    """How late an edge is tried, compared with the others of its node."""
    return (_REST_RANK, "") if converter is None else (converter.rank, converter.name)


_TEXT_RANK: Final = -1
"""Below that of every converter: a text is tried first."""
_REST_RANK: Final = 1_000_000
"""Above that of every converter: the rest of a path is tried last."""


def _with_endpoint(node: Node, endpoint: Endpoint) -> Node:
    """The node with one more route that ends there."""
    route = endpoint.route
    there = node.routes.get(route.method)
    if there is not None:
        raise ValueError(f"{describe(route)} is for the same requests as {describe(there.route)}")
    routes = dict(node.routes)
    routes[route.method] = endpoint
    return Node(node.statics, node.edges, routes, _answers_of(routes))


def _answers_of(routes: dict[str, Endpoint]) -> dict[str, Endpoint]:
    """Which of the routes of one place is for a request of each method."""
    answers: dict[str, Endpoint] = {}
    for method in METHODS:
        chosen = routes.get(method)
        if chosen is None and method == "HEAD":
            chosen = routes.get("GET")
        if chosen is None:
            chosen = routes.get(ANY)
        if chosen is not None:
            answers[method] = chosen
    return answers


def _without_rests(node: Node) -> Node:
    """A place without those of its routes that make a parameter of the rest of the path: a slash
    within a segment would look there like one between two.
    """
    kept = {name: point for name, point in node.routes.items() if not point.takes_rest}
    return Node(node.statics, node.edges, kept, _answers_of(kept))


# -- the search ------------------------------------------------------------------------------------

Hit: TypeAlias = tuple[Endpoint, tuple[Any, ...]]
"""A route and the values of its parameters."""


def search(
    root: Node, segments: list[str], method: str, allowed: dict[str, Endpoint]
) -> Hit | None:
    """The most specific route for these segments and this method; None if there is none, and then
    `allowed` has the methods for which there are routes.
    """
    count, at = len(segments), 1
    node: Node | None = root
    values: tuple[Any, ...] = ()
    waiting: list[tuple[Edge, int, tuple[Any, ...]]] = []
    while True:
        while node is not None and at < count:
            edges = node.edges
            node = node.statics.get(segments[at])
            at += 1
            for edge in edges:
                if at < count or edge.node.answers:  # else it leads nowhere
                    waiting.append((edge, at, values))  # noqa: PERF401 - nearly always none or one
        if node is not None:
            endpoint = node.answers.get(method)
            if endpoint is None:
                allowed.update(node.answers)
            elif not endpoint.takes_rest:
                return endpoint, values
            else:
                rest = segments[len(endpoint.route.segments) :]
                return endpoint, (*values, "/".join(rest))
        if not waiting:
            return None
        edge, at, values = waiting.pop()
        node, converter = edge.node, edge.converter
        if converter is None:
            if "/" in "".join(segments[at - 1 :]):
                node = _without_rests(node)
            at = count
            continue
        segment = segments[at - 1]
        if not segment:
            node = None
        elif converter.convert is None:
            values = (*values, segment)
        else:
            try:
                values = (*values, converter.convert(segment))
            except ValueError:
                node = None
