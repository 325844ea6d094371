"""Routes: a handler that is made of others, by path and method.

Theory: what is for which request is a value, a table (`sigil.core.web.routes`); this collects it,
by decorators where the handlers are written, and calls whichever it says. Adding makes another
table, which is put in the place of the last at once, so routes may be added while it serves, by any
thread: a request is matched with one table or the next.

Rules: what makes no sense raises where it is written, and then nothing has been added. What is
mounted and is itself `Routes` becomes part of the table: what is added to it later is added here
too, and the most specific route counts, wherever it was added. Any other handler is called with the
path that is left to it (`request.subpath`). What is returned is what the handler returns: a
response, None, a `Deferred`, a coroutine. It does not know the server.
"""

import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from types import FrameType, TracebackType
from typing import Any, TypeVar

from ...core.http.request import Request
from ...core.http.validate import safe_repr
from ...core.web.converters import Convert, with_own
from ...core.web.patterns import MOUNT_POINT, Rest, Segments, parse_pattern, parse_prefix
from ...core.web.route import ANY, BODIES, METHODS, Route, mounted_behind
from ...core.web.routes import (
    Found,
    Match,
    Table,
    find_route,
    make_table,
    match,
    refusal,
    with_match,
    with_routes,
    without_route,
)
from ...core.web.urls import url_for
from ..program.handlers import Handler
from ..program.lifespan import living_handlers
from ..program.piece_handlers import asks_above
from .pieces import BeforeBody, before_body_of, choice_of, with_pieces

REMEMBERED_PATHS = 512
REMEMBERED_PATH_LEN = 256
"""How many paths are remembered with what they lead to, and how many characters each may have: as
many as clients of a small program ask for again and again.
"""

H = TypeVar("H", bound=Handler)
"""The type of a handler, which the decorators keep."""


class _Changing:
    """What one thread holds while it changes routes, its own and those they are mounted in."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._is_held = False

    def __enter__(self) -> None:
        self._lock.acquire()
        if self._is_held:  # by this thread, which something interrupts
            self._lock.release()
            raise RuntimeError("routes cannot be changed by what interrupts a change of routes")
        self._is_held = True

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_held = False
        self._lock.release()


CHANGING = _Changing()
"""There is one for all routes, since a change of some is one of those around them, too."""


class _Matches(dict[tuple[str, str], Match]):
    """What a table says of a method and a path: those that were found last, of which clients ask
    again and again; a look-up of others matches them.

    Nothing is remembered where a converter is the program's own: it may depend on anything.
    """

    def __init__(self, table: Table) -> None:
        super().__init__()
        self.table = table
        self._max_len = REMEMBERED_PATH_LEN if table.is_pure else 0
        self._asks: bool | None = None
        """What `asks_for_body` found."""
        self._asks_above: int | None = None
        """What `asks_above` found."""

    def asks_for_body(self) -> bool:
        """True if any route wants to be asked before a body is read; looked for once."""
        if self._asks is None:
            self._asks = any(
                route.body != "whole" or before_body_of(route.handler) is not None
                for route in self.table.routes
            )
        return self._asks

    def asks_above(self) -> int:
        """The least number of bytes above which a route wants to be asked; looked for once."""
        if self._asks_above is None:
            self._asks_above = min(
                (
                    0 if route.body != "whole" else asks_above(route.handler)
                    for route in self.table.routes
                    if route.body != "whole" or before_body_of(route.handler) is not None
                ),
                default=0,
            )
        return self._asks_above

    def __missing__(self, asked: tuple[str, str]) -> Match:
        method, path = asked
        found = match(self.table, method, path)
        if type(found) is Found and len(path) <= self._max_len:
            if len(self) >= REMEMBERED_PATHS:
                self.clear()
            self[asked] = found
        return found


class Routes:
    """A handler that calls others by method and path.

        routes = Routes()

        @routes.get("/jobs/:id<int>")
        def job(request: Request) -> Response:
            return Response.json({"id": request.params["id"]})

        make_http_server(routes).start()

    In a pattern `:id` is a segment of any text, `:id<int>` (`float`, `uuid`, or one of
    `converters`) one that a function takes, and `*rest`, at the end, all that follow. A text goes
    before a parameter, that before a rest, segment by segment. A path that no route is for is a
    404 (None is returned), a method that none is for a 405; HEAD is answered by the handler of GET,
    and OPTIONS with the methods that are allowed, unless there are routes for them. `slash` says
    what becomes of a path that only a slash at the end keeps from matching: `"redirect"`, a 308, or
    `"strict"`, a 404.

    `converters` are functions of a str, by name, that raise ValueError for a text that they do not
    take.
    """

    def __init__(
        self, *, converters: Mapping[str, Convert] | None = None, slash: str = "redirect"
    ) -> None:
        self._converters = with_own(converters or {})
        self._matches = _Matches(make_table((), slash))
        self._mounts: list[tuple[Routes, str, Segments]] = []
        """Where this is mounted: in what, and the prefix, as it is written and taken apart."""

    @property
    def table(self) -> Table:
        """All routes as they are now: a value."""
        return self._matches.table

    def __repr__(self) -> str:
        return f"<Routes: {len(self.table.routes)}>"

    def __call__(self, request: Request) -> Any:
        """What the handler of the request's route returns; a refusal if there is none."""
        found = self._matches[request.method, request.subpath]
        if type(found) is Found:
            request = with_match(request, found)
            if found.route.body != "whole":
                request = with_pieces(request)
            return found.route.handler(request)
        return refusal(found, request)

    def handler_for(self, request: Request) -> Handler | None:
        """The handler of the request's route; None if there is none."""
        found = self._matches[request.method, request.subpath]
        return found.route.handler if type(found) is Found else None

    @property
    def before_body(self) -> BeforeBody | None:
        """What is asked before a body is read; None while no route has a say in that, so that a
        body costs nothing more. A server looks when it begins to listen: a route that takes its
        bodies in pieces and comes later, as the first, is given each in one.
        """
        return self._choose_body if self._matches.asks_for_body() else None

    @property
    def asks_above(self) -> int:
        """Bodies that are no longer are taken whole by every route, and no route is asked."""
        return self._matches.asks_above()

    @property
    def living_handlers(self) -> tuple[Any, ...]:
        """The handlers of all routes that have a beginning or an end, each once. A server looks
        when it begins to listen: what is added later begins when it listens anew.
        """
        found: list[Any] = []
        for route in self.table.routes:
            for living in living_handlers(route.handler):
                if not any(living is other for other in found):
                    found.append(living)
        return tuple(found)

    def _choose_body(self, request: Request) -> Any:
        """How the handler of the request's route takes its body, or the refusal if there is none:
        it is asked before any of the body is read.
        """
        found = self._matches[request.method, request.subpath]
        if type(found) is not Found:
            return refusal(found, request)
        if found.route.body != "whole":
            return found.route.body
        return choice_of(found.route.handler, with_match(request, found))

    # -- adding ------------------------------------------------------------------------------------

    def get(self, pattern: str, *, name: str = "", body: str = "whole") -> Callable[[H], H]:
        """A decorator that adds a handler of GET, and of HEAD if nothing else is for that."""
        return self._decorator(pattern, "GET", name, body)

    def head(self, pattern: str, *, name: str = "", body: str = "whole") -> Callable[[H], H]:
        """A decorator that adds a handler of HEAD."""
        return self._decorator(pattern, "HEAD", name, body)

    def post(self, pattern: str, *, name: str = "", body: str = "whole") -> Callable[[H], H]:
        """A decorator that adds a handler of POST."""
        return self._decorator(pattern, "POST", name, body)

    def put(self, pattern: str, *, name: str = "", body: str = "whole") -> Callable[[H], H]:
        """A decorator that adds a handler of PUT."""
        return self._decorator(pattern, "PUT", name, body)

    def patch(self, pattern: str, *, name: str = "", body: str = "whole") -> Callable[[H], H]:
        """A decorator that adds a handler of PATCH."""
        return self._decorator(pattern, "PATCH", name, body)

    def delete(self, pattern: str, *, name: str = "", body: str = "whole") -> Callable[[H], H]:
        """A decorator that adds a handler of DELETE."""
        return self._decorator(pattern, "DELETE", name, body)

    def options(self, pattern: str, *, name: str = "", body: str = "whole") -> Callable[[H], H]:
        """A decorator that adds a handler of OPTIONS."""
        return self._decorator(pattern, "OPTIONS", name, body)

    def any(self, pattern: str, *, name: str = "", body: str = "whole") -> Callable[[H], H]:
        """A decorator that adds a handler of all methods for which there is no other."""
        return self._decorator(pattern, ANY, name, body)

    def add(
        self,
        pattern: str,
        handler: Handler,
        method: str = ANY,
        *,
        name: str = "",
        body: str = "whole",
    ) -> None:
        """Add a handler for the paths that match the pattern.

        `method` is one of GET, HEAD, POST, PUT, PATCH, DELETE and OPTIONS, or ANY; `name` is one
        for `url_for`. With `body="stream"` the handler takes the body in pieces as they come, as
        with `sigil.web.in_pieces`. ValueError with a sentence for a pattern, a method or a body
        that makes no sense, and for what is added already: both places are named.
        """
        self._add(self._route(pattern, handler, method, name, body, _place()))

    def mount(self, prefix: str, handler: Handler, *, name: str = "") -> None:
        """Have a handler answer all paths that go on behind `prefix`, with any method.

        `Routes` become part of these: what is added to them later, too. Any other handler sees the
        prefix as `request.mount_path` and what is left as `request.subpath`; `request.path` stays
        what it is. The prefix may have parameters. ValueError as of `add`.
        """
        segments = parse_prefix(prefix, self._converters)
        text = prefix.rstrip("/")
        if isinstance(handler, Routes):
            if name:
                raise ValueError("routes that are mounted have names of their own")
            self._mount_routes(handler, text, segments)
            return
        _check(handler, ANY, name)
        behind = (*segments, Rest(""))
        count = len(segments)
        self._add(Route(ANY, f"{text}{MOUNT_POINT}", behind, handler, name, _place(), count))

    def remove(self, pattern: str, method: str = ANY) -> None:
        """Remove the route of this pattern and method; KeyError if there is none."""
        segments = parse_pattern(pattern, self._converters)
        with CHANGING:
            route = find_route(self.table, method, segments)
            if route is None:
                raise KeyError(f"there is no route {method} {pattern}")
            plan: dict[Routes, Table] = {}
            self._plan_removal(route, plan)
            _carry_out(plan)

    # -- looking up --------------------------------------------------------------------------------

    def get_registered_routes(self, method: str) -> tuple[str, ...]:
        """The patterns of the routes of this method, or of `ANY`, in the order in which they were
        added.
        """
        return tuple(route.pattern for route in self.table.routes if route.method == method)

    def url_for(self, target: object, /, **params: Any) -> str:
        """The path of a route: `routes.url_for(job, id=5)` is `/jobs/5`.

        `target` is a handler, a name or a pattern; of several routes of one handler it is that
        whose parameters have these names. What is mounted has `rest`. LookupError if there is no
        such route, ValueError for parameters that no path can have.
        """
        return url_for(self.table, target, params)

    # -- the rest is for this class ----------------------------------------------------------------

    def _decorator(self, pattern: str, method: str, name: str, body: str) -> Callable[[H], H]:
        """The decorator that adds a handler; what is wrong with the pattern is found at once."""
        parse_pattern(pattern, self._converters)
        _check_body(body)
        place = _place(2)

        def add(handler: H) -> H:
            self._add(self._route(pattern, handler, method, name, body, place))
            return handler

        return add

    def _route(
        self, pattern: str, handler: Handler, method: str, name: str, body: str, place: str
    ) -> Route:
        """The route with these parts; TypeError or ValueError for what is none."""
        _check(handler, method, name)
        _check_body(body)
        segments = parse_pattern(pattern, self._converters)
        return Route(method, pattern, segments, handler, name, place, 0, body)

    def _add(self, route: Route) -> None:
        """Add a route here and wherever this is mounted, or nowhere."""
        with CHANGING:
            plan: dict[Routes, Table] = {}
            self._plan((route,), plan)
            _carry_out(plan)

    def _mount_routes(self, inner: "Routes", prefix: str, segments: Segments) -> None:
        """Mount other routes, and add what they have."""
        with CHANGING:
            if inner is self or inner in self._around():
                raise ValueError("routes cannot be mounted in themselves")
            there = [mounted_behind(prefix, segments, route) for route in inner.table.routes]
            plan: dict[Routes, Table] = {}
            self._plan(there, plan)
            _carry_out(plan)
            inner._mounts.append((self, prefix, segments))

    def _around(self) -> "set[Routes]":
        """All routes that these are mounted in, and those that they are mounted in."""
        around = {outer for outer, _, _ in self._mounts}
        return around.union(*[outer._around() for outer in around])

    def _plan(self, routes: Iterable[Route], plan: "dict[Routes, Table]") -> None:
        """Put into `plan` the tables with these routes, of this and of all around it."""
        added = tuple(routes)
        plan[self] = with_routes(plan.get(self, self.table), added)
        for outer, prefix, segments in self._mounts:
            outer._plan([mounted_behind(prefix, segments, route) for route in added], plan)

    def _plan_removal(self, route: Route, plan: "dict[Routes, Table]") -> None:
        """Put into `plan` the tables without a route, of this and of all around it that have it."""
        plan[self] = without_route(plan.get(self, self.table), route)
        for outer, prefix, segments in self._mounts:
            outer._plan_removal(mounted_behind(prefix, segments, route), plan)


def _carry_out(plan: dict[Routes, Table]) -> None:
    """Put each table into its place."""
    for routes, table in plan.items():
        routes._matches = _Matches(table)


def _check_body(body: object) -> None:
    """ValueError for what says nothing about a body."""
    if body not in BODIES:
        raise ValueError(f"body is one of {', '.join(BODIES)}, not {safe_repr(body)}")


def _check(handler: object, method: object, name: object) -> None:
    """TypeError or ValueError for what is no handler, no method or no name."""
    if not callable(handler):
        raise TypeError(f"a handler is a function of a request, not {type(handler).__name__}")
    if method != ANY and method not in METHODS:
        raise ValueError(f"a method is one of {', '.join(METHODS)} or {ANY}, not {method!r}")
    if not isinstance(name, str) or name.startswith("/"):
        raise ValueError(f"a name is a str that does not begin with a slash, not {name!r}")


def _place(depth: int = 1) -> str:
    """The file and line that call the function which is so many frames above this one; if that is
    in sigil itself, those of the program that has called it.
    """
    own = frame = sys._getframe(depth + 1)
    while _is_in_sigil(frame):
        if frame.f_back is None:
            frame = own
            break
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _is_in_sigil(frame: FrameType) -> bool:
    name = frame.f_globals.get("__name__", "")
    return isinstance(name, str) and name.startswith("sigil.")
