"""The public client, against our own server: styles of use, bodies, and what fails."""

import asyncio
import gzip
import io
import threading
from collections.abc import AsyncIterator, Iterator

import pytest

from sigil import HttpServer, Request, Response, make_http_server
from sigil.client import (
    Client,
    ClientError,
    ClientLimits,
    ConnectError,
    HttpStatusError,
    RequestTimeout,
    ResponseTooLarge,
    Timeouts,
    TooManyRedirects,
    http_get,
    http_post,
    http_put,
)


def app(request: Request) -> Response:
    """What is asked for by its path."""
    match request.path:
        case "/echo":
            kind = request.headers.get("content-type", "")
            return Response.bytes(request.body, headers={"x-type": kind})
        case "/gzip":
            data = gzip.compress(b"x" * 100_000)
            return Response.bytes(data, headers={"Content-Encoding": "gzip"})
        case "/moved":
            return Response.redirect("/")
        case "/loop":
            return Response.redirect("/loop")
        case "/cookie":
            text = request.headers.get("cookie", "")
            return Response.text(text, headers={"Set-Cookie": "a=b"})
        case "/stream":
            return Response.stream(b"line %d\n" % number for number in range(1_000))
        case "/missing":
            return Response.error(404)
        case "/never":
            return Response.stream(_pieces_that_never_come())
    return Response.text(f"{request.method} {request.target}")


def _pieces_that_never_come() -> Iterator[object]:
    from sigil import Deferred

    yield b"first"
    yield Deferred()


@pytest.fixture(scope="module")
def server() -> Iterator[HttpServer]:
    """A server for all tests."""
    with make_http_server(app, port=0).serve_in_thread() as server:
        yield server


@pytest.fixture(scope="module")
def url(server: HttpServer) -> str:
    """Its URL."""
    return f"http://127.0.0.1:{server.port}"


# -- scripts ---------------------------------------------------------------------------------------


def test_a_script_gets_what_it_asks_for(url: str) -> None:
    response = http_get(f"{url}/a", params={"b": [1, "ü"], "c": True})
    assert (response.status, response.reason, response.is_success) == (200, "OK", True)
    assert response.text == "GET /a?b=1&b=%C3%BC&c=true"
    assert response.headers["content-type"].startswith("text/plain")
    assert response.url == f"{url}/a?b=1&b=%C3%BC&c=true"
    assert http_get(url.replace("127.0.0.1", "localhost")).text == "GET /"


def test_bodies_are_sent_in_every_form(url: str) -> None:
    echo = f"{url}/echo"
    sent = http_post(echo, json={"a": [1, None]})
    assert (sent.json(), sent.headers["x-type"]) == ({"a": [1, None]}, "application/json")
    sent = http_post(echo, form={"a": "b c", "d": ["e", "f"]})
    assert sent.text == "a=b+c&d=e&d=f"
    assert sent.headers["x-type"] == "application/x-www-form-urlencoded"
    assert http_post(echo, "ü").headers["x-type"] == "text/plain; charset=utf-8"
    assert http_put(echo, b"x" * 3_000_000).body == b"x" * 3_000_000
    assert http_put(echo, data=io.BytesIO(b"file" * 50_000)).body == b"file" * 50_000
    assert http_put(echo, (b"%d," % number for number in range(1_000))).body.endswith(b"998,999,")


def test_a_body_in_pieces_is_taken_as_it_comes(url: str) -> None:
    with http_get(f"{url}/stream", stream=True) as response:
        lines = list(response.iter_lines())
    assert lines == [f"line {number}" for number in range(1_000)]
    response = http_get(f"{url}/never", stream=True)
    pieces = response.iter_bytes()
    assert next(pieces) == b"first"
    response.close()


def test_what_fails_is_told_with_its_url(url: str) -> None:
    with pytest.raises(ConnectError, match=r"GET http://127.0.0.1:1/x\?\.\.\.: .*refused"):
        http_get("http://user:secret@127.0.0.1:1/x?token=secret", retries=0)
    with pytest.raises(TooManyRedirects):
        http_get(f"{url}/loop")
    with pytest.raises(RequestTimeout, match=r"within 0\.2 seconds"):
        http_get(f"{url}/never", timeout=0.2)
    with pytest.raises(HttpStatusError, match="404") as caught:
        http_get(f"{url}/missing").raise_for_status()
    assert caught.value.status == 404
    with pytest.raises(ResponseTooLarge):
        http_get(f"{url}/gzip", max_response_len=99_999)
    for problem in ("localhost", "ftp://a", "http://a b"):
        with pytest.raises(ValueError):
            http_get(problem)


# -- clients ---------------------------------------------------------------------------------------


def test_a_client_keeps_connections_and_cookies(url: str) -> None:
    with Client(base_url=url, headers={"X-A": "b"}) as client:
        assert client.run(client.get("/cookie")).text == ""
        assert client.run(client.get("cookie")).text == "a=b"
        assert client.run(client.get("cookie", cookies={"c": "d"})).text == "a=b; c=d"
        assert client.run(client.get("/moved")).history[0].status == 302
        assert client.run(client.get("/moved", follow_redirects=False)).is_redirect
        assert client.run(client.head("/")).body == b""
        assert len(client.run(client.get("/gzip")).body) == 100_000
        assert [cookie.name for cookie in client.cookies] == ["a"]
        assert client.state.next_connection == 1
    with pytest.raises(ClientError, match="closed"):
        client.run(client.get("/"))


def test_many_requests_share_a_few_connections(url: str) -> None:
    with Client(limits=ClientLimits(max_connections_per_origin=3)) as client:
        promised = [client.get(f"{url}/{number}") for number in range(50)]
        texts = [client.run(deferred).text for deferred in promised]
        assert texts == [f"GET /{number}" for number in range(50)]
        assert client.state.next_connection == 3


def test_pieces_are_given_to_a_function(url: str) -> None:
    pieces: list[bytes] = []
    with Client() as client:
        response = client.run(client.get(f"{url}/stream", on_body=pieces.append))
        assert response.status == 200 and b"".join(pieces).endswith(b"line 999\n")

        def refuse(piece: bytes) -> None:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            client.run(client.get(f"{url}/stream", on_body=refuse))
        assert client.run(client.get(url)).status == 200


def test_a_body_that_raises_fails_its_request_only(url: str) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"a"
        raise ZeroDivisionError

    with Client() as client:
        with pytest.raises(ZeroDivisionError):
            client.run(client.post(f"{url}/echo", pieces()))
        assert client.run(client.get(url)).status == 200


# -- in a handler, and under asyncio ---------------------------------------------------------------


def test_a_handler_returns_what_another_server_answers(url: str) -> None:
    def gateway(request: Request) -> object:
        promised = client.get(url + request.target)
        return promised.map(lambda response: Response.text(response.text.upper()))

    edge = make_http_server(gateway, port=0)
    client = Client(server=edge)
    with edge.serve_in_thread():
        assert http_get(f"http://127.0.0.1:{edge.port}/abc").text == "GET /ABC"
        assert http_get(f"http://127.0.0.1:{edge.port}/def").text == "GET /DEF"
    client.close()


def test_coroutines_await_and_iterate(url: str) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for number in range(3):
            await asyncio.sleep(0)
            yield b"%d" % number

    async def main() -> None:
        async with Client(base_url=url) as client:
            texts = await asyncio.gather(*[get_text(client, f"/{n}") for n in range(20)])
            assert texts == [f"GET /{n}" for n in range(20)]
            response = await client.get("/stream", stream=True)
            assert b"".join([piece async for piece in response]).endswith(b"line 999\n")
            assert (await client.post("/echo", pieces())).body == b"012"
            with pytest.raises(ConnectError):
                await client.get("http://127.0.0.1:1/", retries=0)
            waiting = asyncio.ensure_future(get_text(client, "/never"))
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert not client.state.calls

    async def get_text(client: Client, path: str) -> str:
        response = await client.get(path)
        text: str = response.text
        return text

    asyncio.run(main())


def test_a_client_outlives_a_loop_of_asyncio(url: str) -> None:
    async def ask() -> int:
        status: int = (await client.get(url)).status
        return status

    with Client() as client:
        assert asyncio.run(ask()) == 200
        assert asyncio.run(ask()) == 200
        assert client.run(client.get(url)).status == 200


def test_other_threads_may_ask(url: str) -> None:
    with Client(base_url=url) as client:
        found: list[object] = []
        promised: list[object] = []

        def ask() -> None:
            deferred = client.get("/thread")
            promised.append(deferred)
            deferred.when_resolved(found.append)

        thread = threading.Thread(target=ask)
        thread.start()
        while not found:
            client.tick(1.0)
        thread.join()
        assert getattr(found[0], "status", None) == 200


@pytest.mark.parametrize(
    "options",
    [
        {"timeout": -1},
        {"timeout": Timeouts(connect=0)},
        {"proxy": "ftp://a"},
        {"headers": {"a b": "c"}},
        {"headers": {"Transfer-Encoding": "chunked"}},
        {"headers": {"Content-Length": "5"}, "body": b"x"},
        {"cookies": {"a": "b;c"}},
    ],
)
def test_arguments_that_make_no_sense_are_refused_at_the_call(
    url: str, options: dict[str, object]
) -> None:
    with Client() as client, pytest.raises(ValueError):
        client.post(url, **options)
