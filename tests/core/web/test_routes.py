"""The table of routes: which one a request is for, by literal tables."""

from typing import Any
from uuid import UUID

import pytest

from sigil.core.http.headers import Headers
from sigil.core.http.request import Request
from sigil.core.parse_result import Malformed
from sigil.core.web.converters import Convert, with_own
from sigil.core.web.patterns import parse_pattern
from sigil.core.web.route import Route, mounted_behind
from sigil.core.web.routes import (
    Found,
    MethodNotAllowed,
    NotFound,
    SlashDiffers,
    Table,
    find_route,
    make_table,
    match,
    refusal,
    with_match,
    with_routes,
    without_route,
)
from tests.support.core_driver import PEER

ID = "6fa459ea-ee8a-3ca4-894e-db77e160355e"


def route(text: str, handler: Any = None, own: dict[str, Convert] | None = None) -> Route:
    """A route written as `GET /pattern`, whose handler is this text if there is no other."""
    method, pattern = text.split(" ", 1)
    segments = parse_pattern(pattern, with_own(own or {}))
    return Route(method, pattern, segments, text if handler is None else handler, place="app.py:1")


def table(*texts: str, slash: str = "redirect") -> Table:
    """The table of routes that are written as `GET /pattern`."""
    return make_table(map(route, texts), slash)


def found(routes: Table, text: str) -> Any:
    """(handler, parameters) for a request written as `GET /path`, or why there is none."""
    result = match(routes, *text.split(" ", 1))
    if isinstance(result, Found):
        return result.route.handler, dict(result.params.items())
    return result


JOBS = table(
    "GET /",
    "GET /jobs",
    "POST /jobs",
    "GET /jobs/new",
    "GET /jobs/:id<int>",
    "DELETE /jobs/:id<int>",
    "GET /jobs/:name",
    "ANY /jobs/:name/log",
    "GET /jobs/new/log",
    "GET /jobs/:name/files/*path",
    "GET /values/:value<float>",
    "GET /values/:value<uuid>",
    "GET /values/:value<int>",
    "GET /deep/a/b/c",
    "GET /deep/:x/b/d",
    "GET /deep/a/:y/e",
    "GET /deep/*rest",
    "GET /slash/",
)


@pytest.mark.parametrize(
    ("request_", "handler", "params"),
    [
        ("GET /", "GET /", {}),
        ("HEAD /", "GET /", {}),
        ("GET /jobs", "GET /jobs", {}),
        ("POST /jobs", "POST /jobs", {}),
        # a text goes before a parameter, one with a converter before one of any text
        ("GET /jobs/new", "GET /jobs/new", {}),
        ("GET /jobs/17", "GET /jobs/:id<int>", {"id": 17}),
        ("DELETE /jobs/17", "DELETE /jobs/:id<int>", {"id": 17}),
        ("GET /jobs/x17", "GET /jobs/:name", {"name": "x17"}),
        ("GET /jobs/a%2Fb%20c", "GET /jobs/:name", {"name": "a/b c"}),
        ("GET /jobs/a+b", "GET /jobs/:name", {"name": "a+b"}),
        # a named method goes before ANY, but a more specific place before both
        ("GET /jobs/new/log", "GET /jobs/new/log", {}),
        ("POST /jobs/new/log", "ANY /jobs/:name/log", {"name": "new"}),
        ("PATCH /jobs/x/log", "ANY /jobs/:name/log", {"name": "x"}),
        # the rest of a path, which may be empty behind its slash
        ("GET /jobs/x/files/a/b", "GET /jobs/:name/files/*path", {"name": "x", "path": "a/b"}),
        ("GET /jobs/x/files/", "GET /jobs/:name/files/*path", {"name": "x", "path": ""}),
        ("GET /jobs/x/files//a//", "GET /jobs/:name/files/*path", {"name": "x", "path": "/a//"}),
        # converters have an order of their own
        ("GET /values/5", "GET /values/:value<int>", {"value": 5}),
        ("GET /values/5.5", "GET /values/:value<float>", {"value": 5.5}),
        (f"GET /values/{ID}", "GET /values/:value<uuid>", {"value": UUID(ID)}),
        # where a more specific way leads nowhere, the next one is tried
        ("GET /deep/a/b/c", "GET /deep/a/b/c", {}),
        ("GET /deep/a/b/d", "GET /deep/:x/b/d", {"x": "a"}),
        ("GET /deep/a/b/e", "GET /deep/a/:y/e", {"y": "b"}),
        ("GET /deep/a/b/f", "GET /deep/*rest", {"rest": "a/b/f"}),
        ("GET /deep/a", "GET /deep/*rest", {"rest": "a"}),
        ("GET /slash/", "GET /slash/", {}),
    ],
)
def test_the_most_specific_route_is_found(
    request_: str, handler: str, params: dict[str, Any]
) -> None:
    assert found(JOBS, request_) == (handler, params)


@pytest.mark.parametrize(
    ("request_", "result"),
    [
        ("GET /nothing", NotFound("/nothing")),
        ("GET /values/x", NotFound("/values/x")),
        ("GET //", SlashDiffers("/")),
        ("GET //jobs", NotFound("//jobs")),
        ("GET /jobs//log", NotFound("/jobs//log")),
        ("GET /Jobs", NotFound("/Jobs")),
        ("GET *", NotFound("*")),
        # an encoded slash is no separator, and no part of a rest, in which it would look like one
        ("GET /jobs%2Fnew", NotFound("/jobs%2Fnew")),
        ("GET /deep/a%2Fb", NotFound("/deep/a%2Fb")),
        ("PUT /deep/a%2Fb", NotFound("/deep/a%2Fb")),
        ("PUT /jobs", MethodNotAllowed(("GET", "HEAD", "POST"))),
        ("OPTIONS /jobs", MethodNotAllowed(("GET", "HEAD", "POST"))),
        # all routes of the path count, not only those of the most specific pattern
        ("PUT /jobs/17", MethodNotAllowed(("GET", "HEAD", "DELETE"))),
        ("PUT /jobs/new", MethodNotAllowed(("GET", "HEAD"))),
        ("BREW /jobs", MethodNotAllowed(("GET", "HEAD", "POST"))),
        ("GET /jobs/", SlashDiffers("/jobs")),
        ("POST /jobs/", SlashDiffers("/jobs")),
        ("PUT /jobs/", NotFound("/jobs/")),
        ("GET /slash", SlashDiffers("/slash/")),
        ("GET /jobs/x/files", SlashDiffers("/jobs/x/files/")),
        ("GET /jobs/a%20b/", SlashDiffers("/jobs/a%20b")),
    ],
)
def test_where_no_route_is_for_a_request_it_is_known_why(request_: str, result: object) -> None:
    assert found(JOBS, request_) == result


def test_a_path_that_no_resource_can_have_is_malformed() -> None:
    for path in ("/%zz", "/%00", "/%FF", "/jobs/.."):
        assert isinstance(match(JOBS, "GET", path), Malformed)


@pytest.mark.parametrize(
    ("request_", "result"),
    [
        ("GET /static", SlashDiffers("/static/")),
        ("POST /static", SlashDiffers("/static/")),
        ("GET /static/", ("ANY /static/*", {"rest": ""})),
        ("GET /jobs/", SlashDiffers("/jobs")),
        ("POST /jobs/", ("ANY /*", {"rest": "jobs/"})),
        ("GET /docs/api", SlashDiffers("/docs/api/")),
        ("GET /docs/api/x", ("GET /docs/*page", {"page": "api/x"})),
        ("GET /both/", ("GET /both/*", {"rest": ""})),
        ("GET /both", ("GET /both", {})),
        ("GET /x/", ("ANY /*", {"rest": "x/"})),
        ("GET /", ("ANY /*", {"rest": ""})),
    ],
)
def test_what_takes_all_that_is_left_gives_way_to_a_redirection_to_something_more_specific(
    request_: str, result: object
) -> None:
    routes = table(
        "ANY /*",
        "ANY /static/*",
        "GET /jobs",
        "GET /docs/*page",
        "GET /docs/api/",
        "GET /both",
        "GET /both/*",
    )
    assert found(routes, request_) == result


def test_a_parameter_gives_way_to_no_redirection() -> None:
    routes = table("GET /:name", "GET /static/*")
    assert found(routes, "GET /static") == ("GET /:name", {"name": "static"})


def test_strict_slashes_are_two_paths() -> None:
    strict = table("GET /a", "GET /b/", slash="strict")
    assert found(table("GET /*", "GET /a/*", slash="strict"), "GET /a") == ("GET /*", {"rest": "a"})
    assert found(strict, "GET /a/") == NotFound("/a/")
    assert found(strict, "GET /b") == NotFound("/b")
    both = table("GET /a", "GET /a/")
    assert (found(both, "GET /a")[0], found(both, "GET /a/")[0]) == ("GET /a", "GET /a/")
    with pytest.raises(ValueError, match="slash is one of redirect, strict, not 'lax'"):
        table(slash="lax")


@pytest.mark.parametrize(
    ("routes", "chosen"),
    [
        (("ANY /", "GET /", "HEAD /"), "HEAD /"),
        (("ANY /", "GET /"), "GET /"),
        (("ANY /", "POST /"), "ANY /"),
    ],
)
def test_a_head_is_for_head_or_get_or_any(routes: tuple[str, ...], chosen: str) -> None:
    assert found(table(*routes), "HEAD /") == (chosen, {})
    assert found(table(*reversed(routes)), "HEAD /") == (chosen, {})


def test_options_may_have_a_route_of_its_own() -> None:
    assert found(table("GET /", "OPTIONS /"), "OPTIONS /") == ("OPTIONS /", {})
    assert found(table("GET /", "ANY /"), "OPTIONS /") == ("ANY /", {})


def test_converters_of_a_program_go_before_the_others() -> None:
    def even(text: str) -> int:
        if int(text) % 2:
            raise ValueError
        return int(text) // 2

    own: dict[str, Convert] = {"even": even}
    routes = make_table([route("GET /:n<int>"), route("GET /:n<even>", own=own)])
    assert found(routes, "GET /6") == ("GET /:n<even>", {"n": 3})
    assert found(routes, "GET /7") == ("GET /:n<int>", {"n": 7})
    assert found(routes, "GET /x") == NotFound("/x")


def test_what_a_converter_raises_besides_is_a_bug_of_the_program() -> None:
    routes = make_table([route("GET /:n<bad>", own={"bad": {"a": 1}.__getitem__})])
    with pytest.raises(KeyError):
        match(routes, "GET", "/b")


# -- a table is a value ----------------------------------------------------------------------------


def test_a_table_is_what_its_routes_are() -> None:
    one = table("GET /a", "GET /b")
    assert one == with_routes(table("GET /a"), [route("GET /b")]) != table("GET /b", "GET /a")
    assert hash(one) == hash(table("GET /a", "GET /b"))
    changed = one.replace(slash="strict")
    assert (changed.root, found(changed, "GET /a")) == (None, ("GET /a", {}))


def test_adding_leaves_the_table_before_as_it_was() -> None:
    before = table("GET /a/b")
    after = with_routes(before, [route("GET /a/:x"), route("POST /a/b")])
    assert found(before, "GET /a/c") == NotFound("/a/c")
    assert found(before, "POST /a/b") == MethodNotAllowed(("GET", "HEAD"))
    assert found(after, "GET /a/c") == ("GET /a/:x", {"x": "c"})


def test_removing_is_as_if_it_had_never_been_added() -> None:
    routes = table("GET /a", "GET /:x<int>/b", "POST /:x<int>/b")
    gone = find_route(routes, "GET", parse_pattern("/:y<int>/b"))
    assert gone == route("GET /:x<int>/b")
    assert without_route(routes, gone) == table("GET /a", "POST /:x<int>/b")
    assert find_route(routes, "PUT", parse_pattern("/a")) is None
    assert without_route(routes, route("PUT /a")) is routes


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("GET /a", "GET /a"),
        ("ANY /:x", "ANY /:y"),
        ("GET /a/:x<int>/*", "GET /a/:y<int>/*all"),
        ("GET /%61", "GET /a"),
    ],
)
def test_what_is_for_the_same_requests_is_refused_and_both_places_are_named(
    one: str, other: str
) -> None:
    second = route(other).replace(place="more.py:2")
    with pytest.raises(ValueError) as caught:
        make_table([route(one), second])
    assert str(caught.value) == (
        f"{other} (more.py:2) is for the same requests as {one} (app.py:1)"
    )


def test_a_name_is_that_of_one_pattern() -> None:
    named = route("GET /a").replace(name="a")
    assert make_table([named, route("POST /a").replace(name="a")])
    with pytest.raises(ValueError, match=r"GET /b \(app.py:1\) has the name 'a' of GET /a \(app"):
        make_table([named, route("GET /b").replace(name="a")])


# -- mounts, and what a handler sees ---------------------------------------------------------------


def request_for(target: str, method: str = "GET") -> Request:
    """A request for this target."""
    path, _, query = target.partition("?")
    return Request(method, target, path, query, 1, Headers(), b"", PEER)


def seen(routes: Table, request: Request) -> Request:
    """The request as the handler of its route sees it."""
    result = match(routes, request.method, request.subpath)
    assert isinstance(result, Found)
    return with_match(request, result)


def test_a_request_without_parameters_is_handed_on_as_it_is() -> None:
    request = request_for("/jobs")
    assert seen(JOBS, request) is request


def test_a_request_gets_its_parameters_beside_those_around_it() -> None:
    request = seen(JOBS, request_for("/jobs/x/log?a=1"))
    assert (request.params, request.mount_path, request.path) == ({"name": "x"}, "", "/jobs/x/log")
    inner = table("GET /log/:day")
    outer = make_table([mounted_behind("/:name", parse_pattern("/:name"), route("ANY /*"))])
    around = seen(outer, request_for("/x%20y/log/mon"))
    assert (around.mount_path, around.subpath) == ("/x%20y", "/log/mon")
    request = seen(inner, around)
    assert request.params == {"name": "x y", "rest": "log/mon", "day": "mon"}
    assert (request.mount_path, request.path) == ("/x%20y", "/x%20y/log/mon")


def test_a_mount_path_grows_with_each_mount() -> None:
    once = mounted_behind("/b/c", parse_pattern("/b/c"), route("GET /d/:x"))
    twice = mounted_behind("/a", parse_pattern("/a"), once)
    assert (once.pattern, twice.pattern, twice.mounted) == ("/b/c/d/:x", "/a/b/c/d/:x", 3)
    request = seen(make_table([twice]), request_for("http://h/a/b/c/d/e?q"))
    assert (request.mount_path, request.subpath, request.params) == ("/a/b/c", "/d/e", {"x": "e"})


def test_a_mount_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="two of its parameters are called x"):
        mounted_behind("/:x", parse_pattern("/:x"), route("GET /:x"))
    with pytest.raises(ValueError, match="it has more than 100 segments"):
        mounted_behind("/a" * 50, parse_pattern("/a" * 50), route("GET " + "/a" * 51))


# -- refusals --------------------------------------------------------------------------------------


def refused(target: str, method: str = "GET") -> Any:
    """(status, headers, body) of the refusal of a request; None for a 404."""
    result = match(JOBS, method, request_for(target).subpath)
    assert not isinstance(result, Found)
    response = refusal(result, request_for(target, method))
    return None if response is None else (response.status, dict(response.headers), response.body)


def test_what_is_not_found_is_left_to_others() -> None:
    assert refused("/nothing") is None


def test_a_method_that_is_not_allowed_is_a_405_and_options_are_told() -> None:
    status, headers, body = refused("/jobs", "PUT")
    assert (status, headers["Allow"]) == (405, "GET, HEAD, POST, OPTIONS")
    assert b"PUT is not allowed here, GET, HEAD, POST, OPTIONS are" in body
    assert refused("/jobs", "OPTIONS") == (204, {"Allow": "GET, HEAD, POST, OPTIONS"}, b"")


def test_a_slash_too_much_or_too_little_is_a_redirection_that_keeps_the_query() -> None:
    assert refused("/jobs/?a=%20b")[1]["Location"] == "/jobs?a=%20b"
    status, headers, _ = refused("http://other/slash?a")
    assert (status, headers["Location"]) == (308, "/slash/?a")


def test_no_redirection_leads_to_another_host() -> None:
    routes = table("GET /:a/", "GET /")
    for path in ("//", "//evil.example", "//evil.example/"):
        result = match(routes, "GET", path)
        if isinstance(result, SlashDiffers):
            response = refusal(result, request_for(path))
            assert response is not None
            assert not dict(response.headers)["Location"].startswith("//")


def test_a_malformed_path_is_a_400_with_a_sentence() -> None:
    status, _, body = refused("/%zz")
    assert (status, body) == (
        400,
        b"400 Bad Request: the path contains a percent sign that begins no escape\n",
    )
