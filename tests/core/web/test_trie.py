"""What a search costs: the length of the path, and never a node twice."""

from itertools import product

import pytest

from sigil.core.web.converters import Convert, with_own
from sigil.core.web.patterns import parse_pattern
from sigil.core.web.route import Route
from sigil.core.web.routes import Found, Table, make_table, match, root_of, with_routes
from sigil.core.web.trie import Node
from tests.support.work import calls_of


def nodes_of(node: Node) -> int:
    """The number of nodes in a trie."""
    below = [*node.statics.values(), *(edge.node for edge in node.edges)]
    return 1 + sum(nodes_of(child) for child in below)


def test_no_path_makes_the_search_enter_a_node_twice() -> None:
    calls = []

    def note(text: str) -> str:
        calls.append(text)
        return text

    own: dict[str, Convert] = {"note": note}
    converters = with_own(own)
    depth = 9
    patterns = [
        "".join(f"/:p{place}<note>" if bit else "/a" for place, bit in enumerate(bits)) + "/end"
        for bits in product((False, True), repeat=depth)
    ]
    table = make_table(
        [Route("GET", pattern, parse_pattern(pattern, converters), None) for pattern in patterns]
    )
    assert not isinstance(match(table, "GET", "/a" * depth + "/nowhere"), Found)
    # once for the path, and once for that with a slash behind it
    assert len(calls) <= 2 * nodes_of(root_of(table))
    calls.clear()
    assert isinstance(match(table, "GET", "/a" * depth + "/end"), Found) and calls == []


def crowd(count: int) -> Table:
    """A table of so many routes, and three."""
    patterns = ["/", "/jobs/:id<int>", "/files/*path"]
    for number in range(count // 4):
        patterns += [
            f"/api/r{number}",
            f"/api/r{number}/:id",
            f"/api/r{number}/:id<int>/log",
            f"/other{number}/*rest",
        ]
    return make_table([Route("GET", text, parse_pattern(text), None) for text in patterns])


def work_of_matching(table: Table, path: str) -> int:
    """Calls of functions in a match."""
    return calls_of(lambda: match(table, "GET", path))


@pytest.mark.parametrize(
    "path", ["/", "/jobs/5", "/files/a/b", "/api/r0/x", "/api/r0/5/log", "/nothing", "/api/x"]
)
def test_matching_costs_as_much_among_a_thousand_routes_as_among_few(path: str) -> None:
    assert work_of_matching(crowd(1_000), path) == work_of_matching(crowd(4), path)


def test_adding_costs_what_its_pattern_is_long() -> None:
    route = Route("GET", "/api/:id/new", parse_pattern("/api/:id/new"), None)
    few, many = crowd(4), crowd(1_000)
    work = calls_of(lambda: with_routes(few, [route]))
    assert calls_of(lambda: with_routes(many, [route])) == work
