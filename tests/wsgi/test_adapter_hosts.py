"""Applications of WSGI in every loop that a server has: none, one of the program's, asyncio."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from sigil import Limits, http_server_serve, make_http_server
from sigil.testing import Client, NoAnswer
from sigil.wsgi import handler
from tests.support.servers import PATIENCE

TEXT = ("Content-Type", "text/plain")


def echo(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
    """An application that sends back what it reads, as it reads it."""
    start_response("200 OK", [TEXT])
    yield f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']} ".encode()
    while piece := environ["wsgi.input"].read(1_000):
        yield piece


def failing(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    raise KeyError("on purpose")


# -- in memory -------------------------------------------------------------------------------------


def test_in_memory_a_call_waits_for_the_thread() -> None:
    with Client(handler(echo, max_whole_len=5), thread_timeout=PATIENCE) as client:
        for body in (b"", b"short", b"x" * 100_000):
            answer = client.post("/", body=body)
            assert answer.body == b"testserver:80 " + body
        assert client.state.slots.used == 1


def test_in_memory_what_it_raises_is_raised_in_the_test() -> None:
    client = Client(handler(failing), thread_timeout=PATIENCE)
    with client, pytest.raises(KeyError, match="on purpose"):
        client.get("/")


def test_in_memory_without_a_timeout_nothing_is_waited_for() -> None:
    release = threading.Event()

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        release.wait(PATIENCE)
        start_response("200 OK", [TEXT])
        return []

    client = Client(handler(app))
    with pytest.raises(NoAnswer, match="there is no answer yet"):
        client.get("/")
    release.set()


def test_the_threads_end_with_the_server() -> None:
    seen: list[threading.Thread] = []

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        seen.append(threading.current_thread())
        start_response("200 OK", [TEXT])
        return []

    with Client(handler(app), thread_timeout=PATIENCE) as client:
        client.get("/")
        assert seen[0].is_alive()
    seen[0].join(PATIENCE)
    assert not seen[0].is_alive()


def test_an_application_that_never_answers_does_not_keep_the_server() -> None:
    release, begun = threading.Event(), threading.Event()

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        begun.set()
        release.wait(PATIENCE)
        return []

    limits = Limits(response_timeout=7.0, shutdown_timeout=3.0)
    client = Client(handler(app), limits=limits, raise_errors=False)
    connection = client.connect()
    connection.request("GET", "/")
    assert begun.wait(PATIENCE)
    client.advance(7.0)
    assert connection.answers()[0].status == 503
    client.stop()
    client.advance(10.0)
    assert not client.server.running
    assert "the handler has not shut down within 3 s" in client.log[-1].text
    release.set()


# -- in loops --------------------------------------------------------------------------------------


def test_in_a_loop_of_the_programs_own() -> None:
    server = make_http_server(handler(echo), port=0)
    server.listen()
    answers: list[str] = []

    def ask() -> None:
        answers.append(httpx.post(f"http://127.0.0.1:{server.port}/", content=b"hello").text)
        server.wake()

    client = threading.Thread(target=ask)
    client.start()
    frames = 0
    while not answers:
        server.tick(PATIENCE)
        frames += 1
    client.join()
    assert answers == [f"127.0.0.1:{server.port} hello"]
    server.stop()
    while server.running:
        server.tick(PATIENCE)
    assert frames < 100  # it was woken by what came, and not by a clock


def test_inside_asyncio() -> None:
    async def main() -> str:
        server = make_http_server(handler(echo), port=0)
        server.listen()
        serving = asyncio.create_task(http_server_serve(server))
        async with httpx.AsyncClient(timeout=PATIENCE) as client:
            answer = await client.post(f"http://127.0.0.1:{server.port}/", content=b"hello")
        server.stop()
        await serving
        return answer.text

    assert asyncio.run(main()).endswith(" hello")
