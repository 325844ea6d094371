"""`Routes`: what collects a table and calls what it says, over sockets and from several threads."""

import json
import re
import subprocess
import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from sigil import Deferred, Headers, Peer, Request, Response, Routes, make_http_server
from sigil.core.web.patterns import parse_pattern
from sigil.core.web.route import Route
from sigil.core.web.routes import make_table
from sigil.shell.web.routes import REMEMBERED_PATHS
from sigil.testing import Client
from tests.support.builds import refusal
from tests.tools import need

routes = Routes()


@routes.get("/")
def index(request: Request) -> Response:
    return Response.text("index")


@routes.get("/jobs/:id<int>", name="job")
def job(request: Request) -> Response:
    return Response.json({"id": request.params["id"]})


@routes.delete("/jobs/:id<int>")
def delete_job(request: Request) -> Response:
    return Response.text(f"deleted {request.params['id']}")


@routes.get("/files/*path")
def file(request: Request) -> Response:
    return Response.text(request.params["path"])


def answer(app: Routes, target: str, method: str = "GET") -> tuple[int, str]:
    """(status, body) of a request."""
    response = Client(app).request(method, target)
    return response.status, response.text


# -- answers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "target", "status", "body"),
    [
        ("GET", "/", 200, "index"),
        ("HEAD", "/", 200, ""),
        ("GET", "/jobs/5?x=1", 200, '{"id":5}'),
        ("DELETE", "/jobs/5", 200, "deleted 5"),
        ("GET", "/files/a%20b/c", 200, "a b/c"),
        ("GET", "/jobs/x", 404, "404 Not Found\n"),
        ("GET", "/jobs/5/", 308, "see /jobs/5\n"),
        ("GET", "/files/a%2Fb", 404, "404 Not Found\n"),
        ("GET", "/%00", 400, "400 Bad Request: the path contains a NUL, which is in no name\n"),
        ("OPTIONS", "/jobs/5", 204, ""),
        (
            "PUT",
            "/jobs/5",
            405,
            "405 Method Not Allowed: PUT is not allowed here, GET, HEAD, DELETE, OPTIONS are\n",
        ),
    ],
)
def test_a_request_is_answered_by_its_route(
    method: str, target: str, status: int, body: str
) -> None:
    assert answer(routes, target, method) == (status, body)


def test_over_a_socket_it_is_the_same() -> None:
    server = make_http_server(routes, port=0)
    with server.serve_in_thread(), httpx.Client() as client:
        base = f"http://127.0.0.1:{server.port}"
        assert client.get(f"{base}/jobs/7").json() == {"id": 7}
        head = client.head(f"{base}/jobs/7")
        assert (head.status_code, head.headers["content-length"], head.content) == (200, "8", b"")
        refused = client.put(f"{base}/jobs/7")
        assert (refused.status_code, refused.headers["allow"]) == (
            405,
            "GET, HEAD, DELETE, OPTIONS",
        )
        options = client.options(f"{base}/jobs/7")
        assert (options.status_code, options.headers["allow"]) == (204, refused.headers["allow"])
        moved = client.get(f"{base}/jobs/7/?a=%20")
        assert (moved.status_code, moved.headers["location"]) == (308, "/jobs/7?a=%20")
        assert client.get(f"{base}/jobs/7/", follow_redirects=True).json() == {"id": 7}
        assert client.get(f"{base}/nothing").status_code == 404


def test_whatever_a_handler_may_return_is_handed_on() -> None:
    kinds = Routes()
    deferred = Deferred()
    kinds.add("/none", lambda request: None)
    kinds.add("/deferred", lambda request: deferred)
    client = Client(kinds)
    assert client.get("/none").status == 404
    deferred.resolve(Response.text("late"))
    assert client.get("/deferred").text == "late"


def test_a_handler_may_be_asynchronous() -> None:
    kinds = Routes()

    @kinds.get("/:name")
    async def hello(request: Request) -> Response:
        return Response.text(f"hello {request.params['name']}")

    coroutine = kinds(_asking("/ann"))
    with pytest.raises(StopIteration) as ended:
        coroutine.send(None)
    assert ended.value.value == Response.text("hello ann")


def test_a_websocket_is_opened_by_its_route() -> None:
    kinds = Routes()
    kinds.add("/rooms/:room", lambda request: Response.upgrade(topics=request.params["room"]))
    client = Client(kinds)
    page = client.websocket("/rooms/attic")
    client.server.broadcast("hello", topic="attic")
    client.run_until_idle()
    assert page.messages() == ["hello"]


# -- decorators ------------------------------------------------------------------------------------


def test_there_is_a_decorator_for_each_method_and_it_gives_the_handler_back() -> None:
    every = Routes()
    decorators: dict[str, Callable[[str], Any]] = {
        "GET": every.get,
        "HEAD": every.head,
        "POST": every.post,
        "PUT": every.put,
        "PATCH": every.patch,
        "DELETE": every.delete,
        "OPTIONS": every.options,
        "ANY": every.any,
    }
    for method, decorator in decorators.items():

        def handler(request: Request, method: str = method) -> Response:
            return Response.text(method)

        assert decorator("/x")(handler) is handler
        assert every.get_registered_routes(method) == ("/x",)
    for method in list(decorators)[:-1]:
        assert answer(every, "/x", method)[1] == ("" if method == "HEAD" else method)


def test_registered_routes_are_in_the_order_in_which_they_were_added() -> None:
    assert routes.get_registered_routes("GET") == ("/", "/jobs/:id<int>", "/files/*path")
    assert routes.get_registered_routes("ANY") == ()


def test_the_table_is_a_value_with_the_places() -> None:
    assert [route.place.rpartition(":")[0] for route in routes.table.routes] == [__file__] * 4
    plain = [route.replace(place="") for route in routes.table.routes]
    assert make_table(plain).routes[0] == Route("GET", "/", parse_pattern("/"), index)
    assert repr(routes) == "<Routes: 4>"


def test_duplicates_are_refused_with_both_places() -> None:
    twice = Routes()
    twice.add("/:a", index)
    before = twice.table
    with pytest.raises(ValueError) as caught:
        twice.any("/:b")(index)
    first, second = str(caught.value).split(" is for the same requests as ")
    assert first.startswith(f"ANY /:b ({__file__}:") and second.startswith(f"ANY /:a ({__file__}:")
    assert twice.table is before


@pytest.mark.parametrize(
    ("add", "error", "why"),
    [
        (lambda some: some.get("x"), ValueError, "the pattern 'x' makes no sense: it begins"),
        (lambda some: some.get(3), TypeError, "a pattern is a str, not int"),
        (
            lambda some: some.get("/x")(3),
            TypeError,
            "a handler is a function of a request, not int",
        ),
        (
            lambda some: some.add("/x", None),
            TypeError,
            "a handler is a function of a request, not N",
        ),
        (
            lambda some: some.add("/x", index, "get"),
            ValueError,
            "a method is one of GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS or ANY, not 'get'",
        ),
        (lambda some: some.add("/x", index, "TRACE"), ValueError, "a method is one of"),
        (lambda some: some.add("/x", index, name="/x"), ValueError, "a name is a str that does"),
        (lambda some: some.add("/x", index, name=3), ValueError, "a name is a str that does"),
        (lambda some: some.mount("x", index), ValueError, "it begins with a slash"),
        (lambda some: some.mount("/x", 3), TypeError, "a handler is a function of a request"),
        (lambda some: some.mount("/*", index), ValueError, "what is mounted takes all behind it"),
        (lambda some: some.mount("/x", some), ValueError, "routes cannot be mounted in themselves"),
        (lambda some: some.mount("/x", Routes(), name="x"), ValueError, "have names of their own"),
        (lambda some: some.remove("/x"), KeyError, "there is no route ANY"),
        (lambda some: Routes(slash="lax"), ValueError, "slash is one of redirect, strict"),
        (lambda some: Routes(converters={"x": 3}), TypeError, "the converter x is a function of a"),
        (lambda some: some.url_for("x"), LookupError, "there is no route for 'x'"),
    ],
)
def test_what_makes_no_sense_is_refused_where_it_is_written(
    add: Callable[[Any], object], error: type[Exception], why: str
) -> None:
    some = Routes()
    with pytest.raises(error) as caught:
        add(some)
    assert re.search(refusal(why), str(caught.value))
    assert some.table.routes == ()


def test_paths_are_made_of_routes() -> None:
    assert routes.url_for(job, id=5) == routes.url_for("job", id=5) == "/jobs/5"
    assert routes.url_for("/files/*path", path="a b") == "/files/a%20b"


# -- mounts ----------------------------------------------------------------------------------------


def echo_paths(request: Request) -> Response:
    """What a mounted handler sees of a path."""
    return Response.json([request.mount_path, request.subpath, request.path])


def test_a_mounted_handler_sees_what_is_behind_its_prefix() -> None:
    outer = Routes()
    outer.mount("/static", echo_paths, name="static")
    outer.mount("/users/:user/", echo_paths)
    assert answer(outer, "/static/a%2Fb/c?q")[1] == '["/static","/a%2Fb/c","/static/a/b/c"]'
    assert json.loads(answer(outer, "/users/x%20y/")[1]) == ["/users/x%20y", "/", "/users/x y/"]
    assert answer(outer, "/static", "POST") == (308, "see /static/\n")
    assert answer(outer, "/staticx")[0] == 404
    assert outer.url_for("static", rest="app.js") == "/static/app.js"
    assert outer.get_registered_routes("ANY") == ("/static/*", "/users/:user/*")


def test_a_mount_at_the_root_answers_what_nothing_else_does() -> None:
    outer = Routes()
    outer.mount("/", echo_paths)
    outer.add("/x", index)
    assert answer(outer, "/x") == (200, "index")
    assert json.loads(answer(outer, "/y/z")[1]) == ["", "/y/z", "/y/z"]
    assert json.loads(answer(outer, "/")[1]) == ["", "/", "/"]


def test_a_mount_answers_what_no_rest_beside_it_takes() -> None:
    outer = Routes()
    outer.add("/files/*path", index, "GET")
    outer.mount("/files", echo_paths)
    assert answer(outer, "/files/a/b") == (200, "index")
    assert json.loads(answer(outer, "/files/a%2Fb")[1])[1:] == ["/a%2Fb", "/files/a/b"]


def test_mounted_routes_are_one_table_with_those_around_them() -> None:
    inner, outer = Routes(converters={"even": _even}), Routes()
    inner.get("/jobs")(echo_paths)
    outer.mount("/api", inner)
    outer.get("/api/:name")(lambda request: Response.text(request.params["name"]))
    inner.get("/n/:n<even>", name="n")(lambda request: Response.json(request.params["n"]))
    assert json.loads(answer(outer, "/api/jobs")[1]) == ["/api", "/jobs", "/api/jobs"]
    assert answer(outer, "/api/else") == (200, "else")
    assert answer(outer, "/api/n/4") == (200, "4")
    assert answer(outer, "/api/n/5")[0] == 404
    assert outer.url_for("n", n=4) == "/api/n/4"
    assert outer.get_registered_routes("GET") == ("/api/jobs", "/api/:name", "/api/n/:n<even>")
    assert answer(inner, "/jobs")[0] == 200


def _even(text: str) -> int:
    if int(text) % 2:
        raise ValueError
    return int(text)


def test_what_an_outer_table_refuses_is_added_nowhere() -> None:
    inner, middle, outer = Routes(), Routes(), Routes()
    middle.mount("/b", inner)
    outer.mount("/a", middle)
    outer.get("/a/b/c")(index)
    tables = inner.table, middle.table, outer.table
    with pytest.raises(ValueError, match="is for the same requests as"):
        inner.get("/c")(index)
    assert (inner.table, middle.table, outer.table) == tables
    inner.post("/c")(index)
    assert outer.get_registered_routes("POST") == ("/a/b/c",)
    inner.remove("/c", "POST")
    assert [some.get_registered_routes("POST") for some in (inner, middle, outer)] == [()] * 3
    for some in (inner, middle, outer):
        with pytest.raises(ValueError, match="routes cannot be mounted in themselves"):
            inner.mount("/x", some)


def test_routes_behind_another_handler_match_what_is_left_of_the_path() -> None:
    inner, outer = Routes(), Routes()
    inner.get("/jobs/:id<int>")(
        lambda request: Response.json([request.mount_path, dict(request.params.items())])
    )
    outer.mount("/:version", lambda request: inner(request))
    assert answer(outer, "/v%201/jobs/5") == (200, '["/v%201",{"version":"v 1","id":5}]')
    assert answer(outer, "/v1/jobs/5/?a") == (308, "see /v1/jobs/5?a\n")
    assert answer(outer, "/v1/jobs/x")[0] == 404


# -- while it serves -------------------------------------------------------------------------------


def test_routes_are_added_while_it_serves_by_any_thread() -> None:
    live = Routes()
    live.get("/0")(index)
    server = make_http_server(live, port=0)

    def add_some(first: int) -> None:
        for number in range(first, first + 50):
            live.get(f"/{number}")(index)

    with server.serve_in_thread(), httpx.Client() as client:
        threads = [threading.Thread(target=add_some, args=(1 + 50 * n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        base = f"http://127.0.0.1:{server.port}"
        while any(thread.is_alive() for thread in threads):
            assert client.get(f"{base}/0").status_code == 200
        for number in (0, 1, 200):
            assert client.get(f"{base}/{number}").text == "index"
    assert len(live.table.routes) == 201


def test_threads_that_change_routes_in_each_other_do_not_wait_for_each_other_for_ever() -> None:
    inner, one, other, outer = Routes(), Routes(), Routes(), Routes()
    one.mount("/i", inner)
    other.mount("/i", inner)
    outer.mount("/one", one)
    outer.mount("/other", other)

    def add_some(some: Routes, name: str) -> None:
        for number in range(30):
            some.get(f"/{name}{number}")(index)

    threads = [
        threading.Thread(target=add_some, args=(some, name))
        for some, name in ((inner, "a"), (one, "b"), (other, "c"), (outer, "d"))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30.0)
    assert not any(thread.is_alive() for thread in threads)
    assert len(outer.table.routes) == 30 * 5


def curl(*words: str) -> str:
    """What curl prints."""
    return subprocess.run(
        [need("curl"), "-s", "--max-time", "20", *words], capture_output=True, text=True, check=True
    ).stdout


def test_curl_is_answered_as_it_asks() -> None:
    names = Routes()
    names.get("/names/:name")(lambda request: Response.text(request.params["name"]))
    names.post("/names/:name")(lambda request: Response.text(request.text()))
    server = make_http_server(names, port=0)
    with server.serve_in_thread():
        base = f"http://127.0.0.1:{server.port}"
        assert curl(f"{base}/names/a%2Fb%20c") == "a/b c"
        assert curl("--path-as-is", f"{base}/names/../x").startswith("400 Bad Request: ")
        assert curl("--path-as-is", f"{base}/names/%2e%2e/x").startswith("400 Bad Request: ")
        refused = curl("-i", "-X", "DELETE", f"{base}/names/a")
        assert "\nAllow: GET, HEAD, POST, OPTIONS\n" in refused
        head = curl("-I", f"{base}/names/a")
        assert head.startswith("HTTP/1.1 200 OK\nContent-Length: 1\n") and head.endswith("\n\n")
        assert curl("-i", "-X", "OPTIONS", f"{base}/names/a").startswith("HTTP/1.1 204 ")
        # a 308 is followed with the method and the body
        assert curl("-L", "-d", "hello", f"{base}/names/a/?x=1") == "hello"


# -- what is remembered ----------------------------------------------------------------------------


def test_a_converter_of_a_program_is_asked_each_time() -> None:
    known = {"a": 1}

    def look_up(text: str) -> int:
        if text not in known:
            raise ValueError
        return known[text]

    live = Routes(converters={"known": look_up})
    live.get("/:id<known>")(lambda request: Response.json(request.params["id"]))
    assert answer(live, "/a") == (200, "1")
    known["a"] = 2
    assert answer(live, "/a") == (200, "2")
    del known["a"]
    assert answer(live, "/a")[0] == 404


def test_what_was_found_before_is_found_anew_when_routes_have_changed() -> None:
    live = Routes()
    live.get("/:name")(lambda request: Response.text("name"))
    assert answer(live, "/a") == (200, "name")
    live.get("/a")(lambda request: Response.text("a"))
    assert answer(live, "/a") == (200, "a")
    live.remove("/a", "GET")
    assert answer(live, "/a") == (200, "name")


def test_many_paths_are_not_all_remembered() -> None:
    live = Routes()
    live.get("/:name")(lambda request: Response.text(request.params["name"]))
    for number in range(2 * REMEMBERED_PATHS):
        assert live(_asking(f"/{number}")) == Response.text(str(number))
    long = "x" * 1_000
    assert live(_asking(f"/{long}")) == Response.text(long)
    assert sum(len(path) for _, path in live._matches) < REMEMBERED_PATHS * 10


def _asking(target: str) -> Request:
    """A request for this target, made by hand."""
    return Request("GET", target, target, "", 1, Headers(), b"", Peer("127.0.0.1", 1))
