"""The handler of an application: where it may stand, what it is refused, and how it ends."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from sigil import Limits, Request, Response, Routes, chain, make_http_server
from sigil.asgi import handler
from sigil.testing import Client
from sigil.web import security_headers, trusted_proxies
from tests.asgi.serving import Client as Client_
from tests.asgi.serving import Served, ask, sigil_in_asyncio, sigil_in_thread, until
from tests.support.requests import GET
from tests.support.servers import HOST, logged_by


async def show(scope: Any, receive: Any, send: Any) -> None:
    """Answer with parts of the scope."""
    assert scope["type"] == "http"
    body = "\n".join([scope["root_path"], scope["path"], scope["scheme"], str(scope["client"])])
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-a", b"b")]})
    await send({"type": "http.response.body", "body": body.encode()})


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: handler(5), TypeError, "called with scope, receive, send; not 5"),
        (lambda: handler(show, root_path=5), TypeError, "root_path is a str, not 5"),  # type: ignore[arg-type]
        (lambda: handler(show, root_path="api"), ValueError, "begins with a slash"),
        (lambda: handler(show, root_path="/api/"), ValueError, "does not end with one"),
        (lambda: handler(show, lifespan="maybe"), ValueError, "one of auto, on, off"),
        (lambda: handler(show, grace=-1), ValueError, "grace is a number of seconds, not -1"),
        (lambda: handler(show, grace=True), ValueError, "not True"),
    ],
)
def test_what_makes_no_sense_is_refused_where_it_is_written(
    make: Callable[[], object], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        make()


def shown(served: Any, path: str = "/a", **headers: str) -> list[str]:
    """What an application shows of its scope, in memory."""
    client = Client(served)
    answer = client.get(path, headers={name.replace("_", "-"): headers[name] for name in headers})
    assert answer.headers["x-a"] == "b"
    client.stop()
    return answer.text.split("\n")


def test_in_memory_it_is_a_handler_like_others() -> None:
    assert shown(handler(show))[:3] == ["", "/a", "http"]


def test_a_root_path_is_before_the_path() -> None:
    assert shown(handler(show, root_path="/api"))[:2] == ["/api", "/api/a"]


def test_among_routes_it_knows_where_it_is_mounted() -> None:
    routes = Routes()
    routes.mount("/api", handler(show))

    @routes.get("/other")
    def other(request: Request) -> Response:
        return Response.text("other", headers={"X-A": "b"})

    assert shown(routes, "/api/a")[:2] == ["/api", "/api/a"]
    assert shown(routes, "/other") == ["other"]


def test_middleware_goes_around_it() -> None:
    served = chain(handler(show), security_headers(), trusted_proxies("127.0.0.1"))
    client = Client(served)
    answer = client.get("/a", headers={"X-Forwarded-Proto": "https"})
    assert "x-content-type-options" in answer.headers
    client.stop()


def test_one_that_was_not_started_says_so() -> None:
    inner = handler(show)
    client = Client(lambda request: inner(request), raise_errors=False)
    assert client.get("/").status == 500
    assert "pass on its `startup`" in client.log[-1].text


def test_one_handler_serves_in_one_server_at_a_time() -> None:
    served = handler(show)
    first = make_http_server(served, host=HOST, port=0)
    with first.serve_in_thread():
        assert ask(first.port, GET).status == 200
        other = make_http_server(served, host=HOST, port=0)
        with pytest.raises(RuntimeError, match="serves in another server"):
            other.tick()
        assert not other.running
    with other.serve_in_thread():
        assert ask(other.port, GET).status == 200


def test_its_repr_names_the_application() -> None:
    assert "show" in repr(handler(show))


def test_in_a_loop_of_ones_own_the_application_has_a_thread() -> None:
    threads: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        threads.append(threading.current_thread().name)
        await show(scope, receive, send)

    server = make_http_server(handler(app, lifespan="off"), host=HOST, port=0)
    server.listen()
    answers: list[int] = []
    asker = threading.Thread(target=lambda: answers.append(ask(server.port, GET).status))
    asker.start()
    while not answers:
        server.tick(0.01)
    server.stop()
    while server.running:
        server.tick(0.01)
    asker.join()
    assert (answers, threads) == ([200], [f"sigil.asgi:{server.port}"])
    until(lambda: not any(name.name == threads[0] for name in threading.enumerate()))


# -- the end ---------------------------------------------------------------------------------------

servers = pytest.mark.parametrize("serve", [sigil_in_asyncio, sigil_in_thread])


@servers
def test_what_goes_on_behind_a_response_has_its_grace(serve: Callable[..., Any]) -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await show(scope, receive, send)
        await asyncio.sleep(0.05)
        seen.append("done")

    served = Served("sigil")
    served.app = app
    with serve(served):
        assert ask(served.port, GET).status == 200
    assert seen == ["done"]


@servers
def test_what_does_not_end_is_cancelled_behind_it(serve: Callable[..., Any]) -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await show(scope, receive, send)
        try:
            await asyncio.sleep(1_000)
        finally:
            seen.append("cancelled")

    served = Served("sigil")
    served.app = app
    with serve(served, grace=0.05), logged_by("sigil.error") as lines:
        assert ask(served.port, GET).status == 200
    assert seen == ["cancelled"]
    assert len(lines) <= 1


@servers
def test_what_an_application_raises_is_logged_with_its_place(serve: Callable[..., Any]) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise ValueError("a mistake of the program's")

    served = Served("sigil")
    served.app = app
    with serve(served), logged_by("sigil.error") as lines:
        assert ask(served.port, GET).status == 500
        until(lambda: bool(lines))
    assert "GET /" in lines[0]
    assert "a mistake of the program's" in lines[0]


def test_a_program_that_exits_in_its_thread_ends_the_server() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0)
        raise SystemExit(3)

    server = make_http_server(handler(app, lifespan="off"), host=HOST, port=0)
    with server.serve_in_thread(), logged_by("sigil.error") as lines:
        with Client_(server.port) as client:
            client.send(GET)
            client.read()
        until(lambda: not server.running)
    assert any("SystemExit" in line for line in lines)


@servers
def test_bad_input_is_told_to_the_client(serve: Callable[..., Any]) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["more_body"]:
            pass

    served = Served("sigil")
    served.app = app
    limits = Limits(max_streamed_body_len=100_000, max_body_len=70_000)
    body = b"20000\r\n" + b"x" * 0x20000 + b"\r\n0\r\n\r\n"
    with serve(served, limits=limits):
        head = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
        assert ask(served.port, head + body).status == 413
