"""Middleware over whatever a handler may return, and whatever it may raise.

Theory: what is made of a response must not depend on when it comes. So each way in which a handler
can give one is tried with one function, in memory; order, wrong arguments and failures beside it.
"""

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest

from sigil import (
    BadInput,
    Deferred,
    Handler,
    Request,
    Response,
    chain,
    http_server_serve,
    make_http_server,
)
from sigil.testing import Client
from sigil.web import Middleware, answer, changing, guarding, map_result, preparing
from tests.support.event_loops import loops
from tests.support.requests import make_request

REQUEST = make_request()


def mark(name: str) -> Middleware:
    """Middleware that adds its name to the field `X-By`, by `answer`."""

    def marking(handler: Handler) -> Handler:
        def marked(request: Request) -> Any:
            return answer(handler, request, lambda response: marked_by(response, name))

        return marked

    return marking


def marked_by(response: Response, name: str) -> Response:
    return response.replace(headers=(*response.headers, ("X-By", name)))


def text(request: Request) -> Response:
    return Response.text(request.path)


def nothing(request: Request) -> None:
    return None


def resolved(request: Request) -> Deferred:
    later = Deferred()
    later.resolve(Response.text("later"))
    return later


def failing_later(request: Request) -> Deferred:
    later = Deferred()
    later.fail(KeyError("late"))
    return later


async def coroutine(request: Request) -> Response:
    await asyncio.sleep(0)
    return Response.text("awaited")


async def deferred_coroutine(request: Request) -> Any:
    return resolved(request)


def future(request: Request) -> Awaitable[Response]:
    task: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
    task.set_result(Response.text("future"))
    return task


def deferred_in_deferred(request: Request) -> Deferred:
    return resolved(request).map(lambda _: resolved(request))


async def failing_coroutine(request: Request) -> Response:
    raise KeyError("awaited")


def failing(request: Request) -> Response:
    raise KeyError("now")


def bad(request: Request) -> Response:
    raise BadInput("not so", 422)


async def bad_coroutine(request: Request) -> Response:
    raise BadInput("not so", 422)


EVERY_WAY = [
    (text, 200, b"/"),
    (nothing, 404, b"404 Not Found\n"),
    (resolved, 200, b"later"),
    (coroutine, 200, b"awaited"),
    (deferred_coroutine, 200, b"later"),
    (deferred_in_deferred, 200, b"later"),
    (failing, 500, b"500 Internal Server Error\n"),
    (failing_later, 500, b"500 Internal Server Error\n"),
    (failing_coroutine, 500, b"500 Internal Server Error\n"),
    (bad, 422, b"422 Unprocessable Content: not so\n"),
    (bad_coroutine, 422, b"422 Unprocessable Content: not so\n"),
]


@pytest.mark.parametrize(("handler", "status", "body"), EVERY_WAY)
def test_the_response_is_mapped_however_it_comes(handler: Any, status: int, body: bytes) -> None:
    with Client(chain(handler, mark("outer"), mark("inner")), raise_errors=False) as client:
        got = client.get("/")
        assert (got.status, got.body) == (status, body)
        assert got.headers.get_all("x-by") == ("inner", "outer")


@pytest.mark.parametrize("handler", [failing, failing_later, failing_coroutine])
def test_what_a_handler_raises_is_logged_once_with_its_traceback(handler: Any) -> None:
    with Client(chain(handler, mark("a"), mark("b")), raise_errors=False) as client:
        client.get("/here")
        (line,) = [line.text for line in client.log if line.logger == "sigil.error"]
        assert line.startswith("GET /here: the handler raised\n")
        assert "KeyError: " in line
        assert ("Traceback" in line) == (handler is not failing_later), "it was never raised"


@pytest.mark.parametrize("run", loops())
def test_a_future_is_mapped_on_the_loop_of_asyncio(run: Any) -> None:
    async def ask() -> bytes:
        server = make_http_server(chain(future, mark("a")), port=0)
        server.listen()
        serving = asyncio.create_task(http_server_serve(server))
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        got = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        server.stop(0)
        await serving
        return got

    got = run(ask())
    assert b"X-By: a\r\n" in got and got.endswith(b"future")


def test_without_a_loop_a_coroutine_is_closed_and_the_log_says_what_it_needs() -> None:
    closed = []

    async def handler(request: Request) -> Response:
        try:
            return Response.text("")
        finally:
            closed.append(True)

    coroutine = handler(None)  # type: ignore[arg-type]
    mapped = map_result(coroutine, lambda response: response)
    mapped.close()
    with pytest.raises(RuntimeError, match="cannot reuse already awaited"):
        coroutine.send(None)
    assert closed == []


# -- order and arguments ---------------------------------------------------------------------------


def test_the_first_named_is_the_outermost() -> None:
    order: list[str] = []

    def noting(name: str) -> Middleware:
        def around(handler: Handler) -> Handler:
            def noted(request: Request) -> Any:
                order.append(f"{name} in")
                result = handler(request)
                order.append(f"{name} out")
                return result

            return noted

        return around

    handler = chain(text, noting("a"), noting("b"))
    assert handler(REQUEST) == Response.text("/x")
    assert order == ["a in", "b in", "b out", "a out"]


def test_a_chain_of_nothing_is_the_handler() -> None:
    assert chain(text) is text


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((None,), "a handler is a function of a request, not NoneType"),
        ((Response.text(""),), "a handler is a function of a request, not Response"),
        ((text, 7), "middleware is a function from a handler to a handler, not 7"),
        ((text, None), "middleware is a function from a handler to a handler, not None"),
        (
            (text, nothing),
            "the middleware nothing makes a handler, which is a function of a request; it "
            "returned None",
        ),
    ],
)
def test_what_is_no_handler_and_no_middleware_is_refused(
    arguments: tuple[Any, ...], sentence: str
) -> None:
    with pytest.raises(TypeError) as caught:
        chain(*arguments)
    assert str(caught.value) == sentence


@pytest.mark.parametrize("make", [changing, preparing, guarding])
@pytest.mark.parametrize("given", [None, 5, Response.text("")])
def test_what_is_no_function_is_refused_where_it_is_written(make: Any, given: object) -> None:
    with pytest.raises(TypeError, match=r"is a function of a request.*, not "):
        make(given)


def test_middleware_within_sees_what_is_raised_and_without_sees_the_response() -> None:
    seen: list[object] = []

    def catching(handler: Handler) -> Handler:
        def caught(request: Request) -> Any:
            try:
                result = handler(request)
            except KeyError as error:
                seen.append(error.args)
                raise
            seen.append(result.status)  # type: ignore[union-attr]
            return result

        return caught

    client = Client(chain(failing, catching, mark("m"), catching), raise_errors=False)
    assert client.get("/").status == 500
    assert seen == [("now",), 500]


def test_middleware_that_raises_is_a_failure_for_those_around_it() -> None:
    def broken(handler: Handler) -> Handler:
        return lambda request: answer(handler, request, lambda _: 1 / 0)

    for handler in (text, resolved, coroutine):
        client = Client(chain(handler, mark("outer"), broken), raise_errors=False)  # type: ignore[arg-type]
        got = client.get("/")
        assert (got.status, got.headers.get_all("x-by")) == (500, ("outer",))


def test_what_ends_the_program_passes() -> None:
    def leaving(request: Request) -> Response:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        chain(leaving, mark("a"))(REQUEST)


def test_what_no_handler_may_return_is_left_to_the_server() -> None:
    client = Client(chain(lambda _: "text", mark("a")), raise_errors=False)  # type: ignore[arg-type,return-value]
    assert client.get("/").status == 500
    assert "the handler returned str, not a Response" in client.log[-1].text
