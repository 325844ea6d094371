"""The table of routes as a value, and which of them a request is for.

Theory: a program says which handler answers which paths and methods, and a table of that is a
value: `match(table, method, path)` is a function of three values, whoever called what when.

Rules: a request is refused only if no route at all is for it: where the most specific one is not
for its method, the next one counts. At one place a named method goes before ANY, and a HEAD is for
the route of HEAD, of GET, or of ANY. The result is the same in whatever order routes were added.
It does not know handlers: what a route leads to is handed through.
"""

from collections.abc import Iterable
from types import MappingProxyType
from typing import Final, TypeAlias, assert_never, final

from ..http.params import NO_PARAMS, Params, with_more
from ..http.request import Request, with_params
from ..http.response import Response
from ..parse_result import Malformed
from ..value import Value
from .paths import split_path
from .patterns import Segments, has_own_converter, shape_of
from .route import METHODS, Route, describe
from .trie import (
    EMPTY,
    Endpoint,
    Node,
    endpoint_of,
    is_more_specific,
    search,
    takes_all_behind,
    with_endpoint_below,
)

SLASHES: Final = ("redirect", "strict")
"""What becomes of a path that only a slash at the end keeps from being another, which a route is
for: a redirection to that (308), or a 404.
"""

# -- the table -------------------------------------------------------------------------------------

Index: TypeAlias = MappingProxyType[object, tuple[Route, ...]]


@final
class Table(Value):
    """The routes of a program, in the order in which they were added, and what becomes of a path
    that only a slash at the end keeps from matching (`SLASHES`).
    """

    __match_args__ = ("routes", "slash")
    __slots__ = (*__match_args__, "root", "index", "is_pure")

    def __init__(
        self,
        routes: tuple[Route, ...] = (),
        slash: str = "redirect",
        root: Node | None = None,
        index: Index | None = None,
        is_pure: bool | None = None,
    ) -> None:
        self.routes: Final = routes
        self.slash: Final = slash
        self.root: Final = root
        """The trie of the routes, if whoever made the table has it."""
        self.index: Final = index
        """The routes by name, by pattern and by handler, likewise."""
        self.is_pure: Final = is_pure
        """True if no converter is the program's own, so that a match may be remembered."""


def make_table(routes: Iterable[Route] = (), slash: str = "redirect") -> Table:
    """The table of these routes; ValueError for two that are for the same requests, or that have
    the same name and different patterns.
    """
    if slash not in SLASHES:
        raise ValueError(f"slash is one of {', '.join(SLASHES)}, not {slash!r}")
    return with_routes(Table((), slash, EMPTY, MappingProxyType({}), True), routes)


def with_routes(table: Table, more: Iterable[Route]) -> Table:
    """The table with more routes; ValueError as of `make_table`."""
    added = tuple(more)
    root, index, is_pure = root_of(table), dict(index_of(table)), table.is_pure
    for route in added:
        is_pure = is_pure and not has_own_converter(route.segments)
        root = with_endpoint_below(root, route.segments, endpoint_of(route))
        _add_to_index(index, route)
    routes = (*table.routes, *added)
    return Table(routes, table.slash, root, MappingProxyType(index), is_pure)


def find_route(table: Table, method: str, segments: Segments) -> Route | None:
    """The route of this method whose pattern is for these paths, if there is one."""
    shape = shape_of(segments)
    for route in table.routes:
        if route.method == method and shape_of(route.segments) == shape:
            return route
    return None


def without_route(table: Table, route: Route) -> Table:
    """The table without this route, if it is there: what it would be had it never been added."""
    if route not in table.routes:
        return table
    return make_table([other for other in table.routes if other != route], table.slash)


def root_of(table: Table) -> Node:
    """The trie of a table."""
    root = table.root
    if root is None:
        root = make_table(table.routes).root
        assert root is not None
    return root


def index_of(table: Table) -> Index:
    """The routes of a table by whatever `url_for` finds them by."""
    index = table.index
    if index is None:
        index = make_table(table.routes).index
        assert index is not None
    return index


def _add_to_index(index: dict[object, tuple[Route, ...]], route: Route) -> None:
    """Add a route to the dictionary of those that `url_for` finds; ValueError if its name is that
    of another pattern.
    """
    keys: list[object] = [route.pattern]
    if route.name:
        keys.append(route.name)
        for other in index.get(route.name, ()):
            if other.pattern != route.pattern:
                raise ValueError(
                    f"{describe(route)} has the name {route.name!r} of {describe(other)}"
                )
    if is_hashable(route.handler):
        keys.append(route.handler)
    for key in keys:
        index[key] = (*index.get(key, ()), route)


def is_hashable(handler: object) -> bool:
    """True for what can be looked up."""
    try:
        hash(handler)
    except TypeError:
        return False
    return True


# -- what a request is for -------------------------------------------------------------------------


@final
class Found(Value):
    """The request is for this route; `mount_len` is the length of the beginning of the path, in
    characters, behind which it is mounted.
    """

    __match_args__ = ("route", "params", "mount_len")
    __slots__ = __match_args__

    def __init__(self, route: Route, params: Params, mount_len: int) -> None:
        self.route: Final = route
        self.params: Final = params
        self.mount_len: Final = mount_len


@final
class MethodNotAllowed(Value):
    """Routes are for this path, but none for this method; `allowed` are those that are."""

    __match_args__ = ("allowed",)
    __slots__ = __match_args__

    def __init__(self, allowed: tuple[str, ...]) -> None:
        self.allowed: Final = allowed


@final
class SlashDiffers(Value):
    """No route is for this path, or only one that takes all behind a beginning of it, and a more
    specific one is for `path`, which differs by a slash at the end.
    """

    __match_args__ = ("path",)
    __slots__ = __match_args__

    def __init__(self, path: str) -> None:
        self.path: Final = path


@final
class NotFound(Value):
    """No route is for `path`."""

    __match_args__ = ("path",)
    __slots__ = __match_args__

    def __init__(self, path: str) -> None:
        self.path: Final = path


Refused: TypeAlias = MethodNotAllowed | SlashDiffers | NotFound | Malformed
Match: TypeAlias = Found | Refused
"""What a table says of a request."""


def match(table: Table, method: str, path: str) -> Match:
    """Which route is for a request of this method and this path, which is undecoded as it was sent;
    or why none is.
    """
    segments = split_path(path)
    if isinstance(segments, Malformed):
        return segments
    if not path.startswith("/"):
        return NotFound(path)
    root = root_of(table) if table.root is None else table.root
    allowed: dict[str, Endpoint] = {}
    hit = search(root, segments, method, allowed)
    may_differ = not allowed if hit is None else takes_all_behind(hit[0])
    if may_differ and table.slash == "redirect" and len(path) > 1:
        is_open = not segments[-1]
        other = segments[:-1] if is_open else [*segments, ""]
        better = search(root, other, method, {})
        if better is not None and (hit is None or is_more_specific(better[0], hit[0])):
            return SlashDiffers(path[:-1] if is_open else f"{path}/")
    if hit is not None:
        endpoint, values = hit
        mounted = endpoint.route.mounted
        mount_len = _prefix_len(path, mounted) if mounted else 0
        params = Params(endpoint.names, values) if values else NO_PARAMS
        return Found(endpoint.route, params, mount_len)
    if allowed:
        return MethodNotAllowed(tuple([name for name in METHODS if name in allowed]))
    return NotFound(path)


def _prefix_len(path: str, count: int) -> int:
    """The number of characters of the first so many segments, and the slashes before them."""
    end = 0
    for _ in range(count):
        end = path.find("/", end + 1)
    return len(path) if end < 0 else end


# -- what is done about it -------------------------------------------------------------------------


def allowed_with_options(allowed: tuple[str, ...]) -> str:
    """The value of Allow (RFC 9110 section 10.2.1): these methods, and OPTIONS, which is answered
    for every path that has a route.
    """
    return ", ".join([name for name in METHODS if name in allowed or name == "OPTIONS"])


def refusal(refused: Refused, request: Request) -> Response | None:
    """The response to a request that no route is for, or to an OPTIONS that only the table answers;
    None for a 404, which may be somebody else's to answer.
    """
    match refused:
        case NotFound():
            return None
        case MethodNotAllowed():
            headers = (("Allow", allowed_with_options(refused.allowed)),)
            if request.method == "OPTIONS":
                return Response(204, headers, b"")
            message = f"{request.method} is not allowed here, {headers[0][1]} are"
            return Response.error(405, message, headers)
        case SlashDiffers():
            location = f"{request.mount_path}{refused.path}"
            query = f"?{request.query}" if request.query else ""
            return Response.redirect(f"{location}{query}", 308)
        case Malformed():
            return Response.error(refused.status, refused.message)
        case _:
            assert_never(refused)


def with_match(request: Request, found: Found) -> Request:
    """The request as the route's handler is to see it: with its parameters, beside those of a mount
    around it, and the path behind which it is mounted.
    """
    params, mount_path = found.params, request.mount_path
    if params is NO_PARAMS and not found.mount_len:
        return request
    if found.mount_len:
        mount_path += request.subpath[: found.mount_len]
    if request.params is not NO_PARAMS:
        params = with_more(request.params, params)
    return with_params(request, params, mount_path)
