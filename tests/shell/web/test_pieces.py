"""Handlers that take their body in pieces, alone and within middleware: asked by the head, mapped
at the end.
"""

from collections.abc import Callable, Generator
from typing import Any

import pytest

from sigil import Deferred, Request, Response, Routes, chain
from sigil.core.connection.context import NEVER_ASKS
from sigil.shell.program.piece_handlers import asks_above, asks_for_body
from sigil.testing import Client
from sigil.web import (
    basic_auth,
    changing,
    compress,
    cors,
    guarding,
    in_pieces,
    preparing,
    request_id,
    server_timing,
)

PUT = b"PUT /up HTTP/1.1\r\nHost: a\r\n%sContent-Length: 6\r\n\r\n"
AUTHORIZED = b"Authorization: Basic YTpi\r\n"


def count(request: Request) -> Generator[None, bytes, Response]:
    """How many bytes come in how many pieces."""
    length = pieces = 0
    while chunk := (yield):
        length, pieces = length + len(chunk), pieces + 1
    return Response.text(f"{length} in {pieces}")


def exchange(handler: Any, head: bytes = PUT % b"") -> tuple[int, str, dict[str, str]]:
    """The answer to an upload in two pieces, of which the second is sent if nothing has come."""
    connection = Client(handler, raise_errors=False).connect()
    connection.send(head + b"abc")
    if not connection.received:
        connection.send(b"def")
    (answer,) = connection.answers("PUT")
    return answer.status, answer.text, dict(answer.headers.items())


def test_a_handler_takes_its_body_in_pieces() -> None:
    assert exchange(in_pieces(count))[:2] == (200, "6 in 2")


@pytest.mark.parametrize(
    "data", [b"GET /up HTTP/1.1\r\nHost: a\r\n\r\n", PUT.replace(b"6", b"0") % b""]
)
def test_it_does_so_too_where_there_is_no_body(data: bytes) -> None:
    connection = Client(in_pieces(count)).connect()
    connection.send(data)
    (answer,) = connection.answers("GET")
    assert (answer.status, answer.text) == (200, "0 in 0")


def test_so_does_a_coroutine() -> None:
    @in_pieces
    async def handler(request: Request) -> Response:
        assert request.chunks is not None
        return Response.text(str([piece async for piece in request.chunks]))

    client = Client(handler)
    assert client.get("/").text == "[]"
    assert client.put("/", body=b"abc").text == "[b'abc']"


@pytest.mark.parametrize(
    "middleware",
    [
        changing(lambda request, response: response),
        preparing(lambda request: request.replace(path="/other")),
        guarding(lambda request: None),
        lambda handler: lambda request: handler(request),
        server_timing(),
        request_id(),
        cors(origins=["https://a.example"]),
        compress(),
    ],
)
def test_it_does_within_middleware(middleware: Any) -> None:
    assert exchange(chain(in_pieces(count), middleware, middleware))[:2] == (200, "6 in 2")


@pytest.mark.parametrize("middleware", [server_timing(), request_id(), compress()])
def test_middleware_of_sigil_asks_the_handler_in_it_also_without_chain(middleware: Any) -> None:
    assert exchange(middleware(in_pieces(count)))[:2] == (200, "6 in 2")


def test_its_response_is_changed_like_any_other() -> None:
    marked = changing(lambda request, response: response.replace(status=201))
    assert exchange(chain(in_pieces(count), marked))[:2] == (201, "6 in 2")


def test_what_it_raises_is_a_response_that_is_changed_too() -> None:
    def handler(request: Request) -> Generator[None, bytes, Response]:
        yield
        raise LookupError("within a body")

    marked = changing(lambda request, response: response.replace(headers=(("X-A", "b"),)))
    status, _, headers = exchange(chain(in_pieces(handler), marked))
    assert (status, headers["x-a"]) == (500, "b")


def test_who_is_not_let_in_is_told_before_the_body_is_read() -> None:
    handler = chain(in_pieces(count), basic_auth(lambda user, password: password == "b"))
    assert exchange(handler)[0] == 401
    assert exchange(handler, PUT % AUTHORIZED)[:2] == (200, "6 in 2")


def test_so_is_who_sends_a_whole_body() -> None:
    whole: Callable[[Request], Response] = lambda request: Response.bytes(request.body)  # noqa: E731
    handler = chain(whole, basic_auth(lambda user, password: password == "b"))
    assert exchange(handler)[0] == 401
    assert exchange(handler, PUT % AUTHORIZED)[:2] == (200, "abcdef")


def test_a_refusal_by_the_head_is_changed_by_what_is_around_it() -> None:
    marked = changing(lambda request, response: response.replace(headers=(("X-A", "b"),)))
    refused = guarding(lambda request: Response.error(403))
    status, _, headers = exchange(chain(in_pieces(count), marked, refused))
    assert (status, headers["x-a"]) == (403, "b")


def test_a_route_takes_its_body_in_pieces_and_the_others_take_it_whole() -> None:
    routes, inner = Routes(), Routes()

    @inner.put("/up", body="stream")
    def up(request: Request) -> Generator[None, bytes, Response]:
        assert request.params["name"] == "a"
        return count(request)

    @inner.put("/whole")
    def whole(request: Request) -> Response:
        return Response.bytes(request.body)

    routes.mount("/:name", inner)
    routes.mount("/other", in_pieces(count))
    assert exchange(routes, PUT.replace(b"/up", b"/a/up") % b"")[:2] == (200, "6 in 2")
    assert exchange(routes, PUT.replace(b"/up", b"/a/whole") % b"")[:2] == (200, "abcdef")
    assert exchange(routes, PUT.replace(b"/up", b"/other/x") % b"")[:2] == (200, "6 in 2")
    assert exchange(routes, PUT.replace(b"/up", b"/nobody/x") % b"")[0] == 404
    assert routes.url_for(up, name="b") == "/b/up"


def test_a_route_with_parameters_gives_its_handler_the_pieces() -> None:
    asked: list[object] = []
    routes, inner = Routes(), Routes()

    @inner.put("/:file", body="stream")
    def up(request: Request) -> Deferred:
        later = Deferred()
        request.chunks.ask().when_resolved(
            lambda piece: (asked.append(piece), later.resolve(Response.text("taken")))
        )
        return later

    routes.mount("/up", inner)
    assert exchange(routes, PUT.replace(b"/up", b"/up/a") % b"")[:2] == (200, "taken")
    assert asked == [b"abc"]


def test_nobody_is_asked_while_no_route_has_a_say() -> None:
    routes = Routes()
    routes.add("/whole", lambda request: Response.bytes(request.body), "PUT")
    handler = chain(routes, changing(lambda request, response: response))
    assert not asks_for_body(routes) and not asks_for_body(handler)
    assert exchange(handler, PUT.replace(b"/up", b"/whole") % b"")[:2] == (200, "abcdef")
    client = Client(handler)
    routes.add("/up", count, "PUT", body="stream")
    assert asks_for_body(routes) and asks_for_body(handler)
    assert exchange(handler)[:2] == (200, "6 in 2")
    assert client.put("/up", body=b"abcdef").text == "6 in 1"  # it was there before


def test_a_method_that_no_route_is_for_is_refused_before_the_body_is_read() -> None:
    routes = Routes()
    routes.add("/up", lambda request: Response.text("got"), "GET")
    routes.add("/other", count, "PUT", body="stream")
    connection = Client(routes).connect()
    connection.send(PUT % b"")
    assert [answer.status for answer in connection.answers("PUT")] == [405]


def test_a_body_that_is_neither_is_refused_where_it_is_written() -> None:
    with pytest.raises(ValueError, match="body is one of whole, stream, not 'streamed'"):
        Routes().put("/up", body="streamed")


def test_what_is_no_handler_is_refused() -> None:
    with pytest.raises(TypeError, match="a handler is a function of a request, not 5"):
        in_pieces(5)  # type: ignore[arg-type]


# -- bodies that are not asked about ---------------------------------------------------------------


class Asked:
    """A handler that is asked about bodies of more than three bytes."""

    asks_above = 3

    def __init__(self) -> None:
        self.asked: list[str] = []

    def before_body(self, request: Request) -> str:
        self.asked.append(request.headers.get("content-length", "unknown"))
        return "stream"

    def __call__(self, request: Request) -> Any:
        if request.chunks is None:
            return Response.bytes(request.body)
        answer = Deferred()
        pieces: list[bytes] = []

        def take(piece: Any) -> None:
            pieces.append(piece)
            if piece:
                request.chunks.ask().when_resolved(take)  # type: ignore[attr-defined]
            else:
                answer.resolve(Response.bytes(b"".join(pieces)))

        request.chunks.ask().when_resolved(take)  # type: ignore[attr-defined]
        return answer


def identity(request: Request, response: Response) -> Response:
    """What changes nothing."""
    return response


def within_routes(handler: Any) -> Routes:
    """Routes, of which one leads to the handler."""
    routes = Routes()
    routes.add("/", handler)
    routes.add("/other", lambda request: Response.text("other"))
    return routes


WRAPPERS: tuple[Callable[[Any], Any], ...] = (
    lambda handler: handler,
    within_routes,
    lambda handler: chain(handler, changing(identity)),
)


@pytest.mark.parametrize("wrap", WRAPPERS)
def test_a_handler_is_asked_about_long_bodies_only(wrap: Callable[[Any], Any]) -> None:
    handler = Asked()
    client = Client(wrap(handler))
    for body in (b"", b"abc", b"abcd"):
        assert client.post("/", body=body).body == body
    chunked = client.connect()
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunked.send(head + b"1\r\na\r\n0\r\n\r\n")
    assert chunked.answers()[0].body == b"a"
    assert handler.asked == ["4", "unknown"]


def test_who_guards_is_asked_about_all() -> None:
    handler = Asked()
    guarded = chain(handler, guarding(lambda request: None))
    assert Client(guarded).post("/", body=b"a").body == b"a"
    assert handler.asked == ["1"]
    assert (asks_above(handler), asks_above(guarded)) == (3, 0)
    assert asks_above(lambda request: None) == NEVER_ASKS


def test_a_length_that_is_none_is_refused() -> None:
    handler = Asked()
    handler.asks_above = -1
    with pytest.raises(ValueError, match="asks_above of a handler is a number of bytes, not -1"):
        Client(handler)
