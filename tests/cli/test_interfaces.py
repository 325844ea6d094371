"""What kind of application something is, by how it is called; no processes."""

import functools
from typing import Any

import pytest

from sigil import Request, Response, Routes, chain, make_http_server
from sigil.apps.terminal import CommandError
from sigil.cli.interfaces import (
    chosen_interface,
    handler_of,
    interface_of,
    is_asynchronous,
)
from sigil.cli.settings import read_settings
from sigil.testing import Client
from sigil.web import basic_auth, etag
from tests.support.servers import PATIENCE


def handler(request: Request) -> Response:
    return Response.text("handler")


async def later(request: Request) -> Response:
    return Response.text("later")


def wsgi(environ: Any, start_response: Any) -> list[bytes]:
    return []


async def asgi(scope: Any, receive: Any, send: Any) -> None: ...


def asgi_with_options(scope: Any, receive: Any, send: Any, *, debug: bool = False) -> Any: ...


def anything(*args: Any, **kwargs: Any) -> None: ...


def with_default(request: Request, name: str = "") -> None: ...


def nothing() -> None: ...


def by_name(*, request: Request) -> None: ...


def old(scope: Any) -> Any: ...


class Old:
    def __init__(self, scope: Any) -> None: ...

    async def __call__(self, receive: Any, send: Any) -> None: ...


class Wsgi:
    def __call__(self, environ: Any, start_response: Any) -> list[bytes]:
        return []


class WsgiClass:
    def __init__(self, environ: Any, start_response: Any) -> None: ...


class Asgi:
    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...

    def method(self, request: Request) -> None: ...


class Later:
    async def __call__(self, request: Request) -> None: ...


@functools.wraps(asgi)
def decorated(*args: Any) -> Any:
    return asgi(*args)


SERVER = make_http_server(handler)


@pytest.mark.parametrize(
    ("app", "interface"),
    [
        (SERVER, "server"),
        (handler, "handler"),
        (later, "handler"),
        (with_default, "handler"),
        (anything, "handler"),
        (Routes(), "handler"),
        (chain(later), "handler"),
        (functools.partial(with_default, name="x"), "handler"),
        (Asgi().method, "handler"),
        (print, "handler"),
        (wsgi, "wsgi"),
        (Wsgi(), "wsgi"),
        (WsgiClass, "wsgi"),
        (asgi, "asgi"),
        (Asgi(), "asgi"),
        (asgi_with_options, "asgi"),
        (decorated, "asgi"),
        (functools.partial(asgi_with_options, debug=True), "asgi"),
    ],
)
def test_what_it_is_shows_in_how_it_is_called(app: Any, interface: str) -> None:
    assert interface_of(app, "web:app") == interface


@pytest.mark.parametrize(
    ("app", "sentence"),
    [
        (old, "web:app is an ASGI application of version 2, which is not served: version 3 is one"),
        (Old, "web:app is an ASGI application of version 2"),
        (nothing, "web:app takes no argument, as a factory does: with --factory it is called for"),
        (Asgi, "web:app takes no argument, as a factory does: with --factory"),
        (by_name, "web:app takes no argument"),
    ],
)
def test_what_is_none_of_them_is_refused_in_words(app: Any, sentence: str) -> None:
    with pytest.raises(CommandError, match=sentence) as refused:
        interface_of(app, "web:app")
    assert refused.value.status == 3


@pytest.mark.parametrize(
    ("app", "words", "status", "sentence"),
    [
        (SERVER, "--interface asgi", 2, "web:app is an HttpServer, which has its handler"),
        (SERVER, "--threads 2", 2, "--threads is for WSGI applications, and web:app is an HttpS"),
        (handler, "--root-path /x", 2, "--root-path is for WSGI and ASGI applications, and "),
        (asgi, "--threads 2", 2, "--threads is for WSGI .*, and web:app is an ASGI application"),
        (wsgi, "--lifespan off", 2, "--lifespan is for ASGI .*, and web:app is a WSGI application"),
        (
            handler,
            "--interface wsgi",
            3,
            "called with request, and --interface wsgi would call it ",
        ),
        (wsgi, "--interface asgi", 3, "environ, start_response, and .* with scope, receive, send"),
        (nothing, "--interface handler", 3, "is called with nothing, and --interface handler"),
        (Old, "--interface asgi", 3, "version 2, which is not served"),
    ],
)
def test_what_was_asked_for_and_is_not_there_is_refused_in_words(
    app: Any, words: str, status: int, sentence: str
) -> None:
    settings = read_settings(["serve", "web:app", *words.split()], "0")
    with pytest.raises(CommandError, match=sentence) as refused:
        chosen_interface(app, settings)
    assert refused.value.status == status


@pytest.mark.parametrize(
    ("app", "words", "interface"),
    [
        (anything, "--interface asgi", "asgi"),
        (anything, "--interface wsgi --threads 2", "wsgi"),
        (print, "--interface handler", "handler"),
        (asgi, "--root-path /x --lifespan off", "asgi"),
    ],
)
def test_what_nobody_can_tell_is_what_was_asked_for(app: Any, words: str, interface: str) -> None:
    settings = read_settings(["serve", "web:app", *words.split()], "0")
    assert chosen_interface(app, settings) == interface


def test_a_handler_is_its_own_handler() -> None:
    assert handler_of(handler, "handler", read_settings(["serve", "web:app"], "0")) is handler


def test_flags_reach_a_wsgi_application() -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        names = ("SCRIPT_NAME", "wsgi.multithread", "wsgi.multiprocess")
        return [repr([environ[name] for name in names]).encode()]

    def answer(words: str) -> str:
        settings = read_settings(["serve", "web:app", *words.split()], "0")
        with Client(handler_of(app, "wsgi", settings), thread_timeout=PATIENCE) as client:
            return client.get("/").text

    assert answer("") == "['', True, False]"
    assert answer("--root-path /shop --threads 1 --workers 2") == "['/shop', False, True]"


def test_what_is_asynchronous_within_is_found() -> None:
    routes, inner = Routes(), Routes()
    routes.mount("/inner", inner)
    assert not is_asynchronous(routes)
    inner.add("/later", later)
    found = (routes, later, Later(), chain(routes, etag()), chain(later, basic_auth(str.__eq__)))
    assert [is_asynchronous(each) for each in found] == [True] * len(found)
    others = (handler, inner.add, Routes(), chain(handler, etag()))
    assert [is_asynchronous(each) for each in others] == [False] * len(others)
