"""Programs of Starlette and FastAPI, unchanged: with httpx, with websockets and with Chromium."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from sigil import HttpServer, http_server_serve, make_http_server
from sigil.asgi import handler
from tests.asgi.programs import DONE, fastapi_program, starlette_program
from tests.asgi.serving import in_a_thread, until
from tests.support.browser import browser_at
from tests.support.servers import HOST, PATIENCE, logged_by


@contextmanager
def in_asyncio(app: Any) -> Iterator[HttpServer]:
    """Inside `http_server_serve`."""
    server = make_http_server(handler(app), host=HOST, port=0)
    with in_a_thread(lambda: asyncio.run(http_server_serve(server)), lambda: server.stop(0)):
        until(lambda: server.running)
        yield server


@contextmanager
def in_thread(app: Any) -> Iterator[HttpServer]:
    """In a thread that serves, with another one for the program."""
    with make_http_server(handler(app), host=HOST, port=0).serve_in_thread() as server:
        yield server


@contextmanager
def in_a_game(app: Any) -> Iterator[HttpServer]:
    """Ticked by a loop that does other things, sixty times a second or more."""
    server, frames = make_http_server(handler(app), host=HOST, port=0), list[int]()
    server.listen()

    def play() -> None:
        while server.running:
            server.tick(0.002)
            frames.append(len(frames))

    with in_a_thread(play, lambda: server.stop(0)):
        yield server
    assert frames


BROWSER_PATIENCE = 60.0

Serve = Callable[[Any], AbstractContextManager[HttpServer]]
WAYS = {"asyncio": in_asyncio, "thread": in_thread, "game": in_a_game}


@pytest.fixture(scope="module", params=WAYS)
def starlette(request: pytest.FixtureRequest) -> Iterator[HttpServer]:
    """A program of Starlette, served in every way."""
    DONE.clear()
    with WAYS[request.param](starlette_program()) as server:
        yield server
    assert DONE[0] == "up"
    assert DONE[-1] == "down"


@pytest.fixture(scope="module", params=WAYS)
def fastapi(request: pytest.FixtureRequest) -> Iterator[HttpServer]:
    """A program of FastAPI, served in every way."""
    with WAYS[request.param](fastapi_program()) as server:
        yield server


@contextmanager
def client_of(server: HttpServer) -> Iterator[httpx.Client]:
    """A client."""
    base = f"http://{HOST}:{server.port}"
    with httpx.Client(base_url=base, timeout=PATIENCE, trust_env=False) as client:
        yield client


def websocket_to(server: HttpServer, path: str, **options: Any) -> Any:
    """A WebSocket."""
    return connect(f"ws://{HOST}:{server.port}{path}", proxy=None, **options)


def test_starlette_answers_requests(starlette: HttpServer) -> None:
    with client_of(starlette) as client:
        answer = client.get("/", params={"name": "you"})
        assert (answer.text, answer.headers["x-timing"]) == ("hello, you", "0")
        assert client.get("/away").headers["location"] == "/"
        assert client.get("/nowhere").status_code == 404
        assert client.head("/").status_code == 200
        assert client.put("/items/one").text == "put"
        item = client.get("/items/one").json()
        assert item["url"] == f"http://{HOST}:{starlette.port}/items/one"


def test_starlette_takes_forms_and_sends_files(starlette: HttpServer) -> None:
    with client_of(starlette) as client:
        for length in (10, 3_000_000):
            answer = client.post("/upload", files={"file": ("a.txt", bytes(length))})
            assert answer.json() == {"name": "a.txt", "length": length}
        own = Path(__file__).with_name("programs.py").read_bytes()
        assert client.get("/file").content == own
        part = client.get("/file", headers={"Range": "bytes=5-9"})
        assert (part.status_code, part.content) == (206, own[5:10])


def test_starlette_streams_and_does_what_is_behind_it(starlette: HttpServer) -> None:
    with client_of(starlette) as client:
        before = DONE.count("behind")
        lines = client.get("/count/300", headers={"Accept-Encoding": "identity"}).text.split()
        assert lines == [str(number) for number in range(300)]
        assert len(client.get("/count/300").content) == sum(len(line) + 1 for line in lines)
        until(lambda: DONE.count("behind") == before + 2)
        before = DONE.count("counted")
        with client.stream("GET", "/count/1000000") as stream:
            next(stream.iter_bytes())
        until(lambda: DONE.count("counted") == before + 1)


def test_starlette_says_what_went_wrong_in_the_log_alone(starlette: HttpServer) -> None:
    with client_of(starlette) as client, logged_by("sigil.error") as lines:
        answer = client.get("/wrong")
        assert answer.status_code == 500
        assert "mistake" not in answer.text
        until(lambda: bool(lines))
        assert client.get("/").status_code == 200


def test_starlette_has_websockets(starlette: HttpServer) -> None:
    before = DONE.count("websocket ended")
    with websocket_to(starlette, "/echo", subprotocols=["a"]) as websocket:
        assert websocket.subprotocol == "a"
        for number in range(100):
            websocket.send(str(number))
        assert [websocket.recv(PATIENCE) for _ in range(100)] == [str(n) for n in range(100)]
    until(lambda: DONE.count("websocket ended") == before + 1)
    with websocket_to(starlette, "/json") as websocket:
        websocket.send('{"a": 1}')
        assert websocket.recv(PATIENCE) == '{"got":{"a":1}}'
        websocket.send("no json")
        with pytest.raises(ConnectionClosed) as closed:
            websocket.recv(PATIENCE)
    assert closed.value.rcvd is not None and closed.value.rcvd.code == 1003


def test_fastapi_answers_requests(fastapi: HttpServer) -> None:
    with client_of(fastapi) as client:
        added = client.post("/orders", json={"name": "tea"})
        number = added.json()["number"]
        assert (added.status_code, added.json()["order"]["count"]) == (201, 1)
        assert client.get(f"/orders/{number}").json() == {"name": "tea", "count": 1}
        assert client.get("/orders/99").status_code == 404
        assert client.post("/orders", json={}).status_code == 422
        assert client.get("/me").status_code == 401
        assert client.get("/me", params={"token": "a"}).json() == {"name": "a"}
        assert client.post("/files", files={"file": bytes(200_000)}).json() == {"length": 200_000}
        assert client.get("/openapi.json").json()["info"]["title"] == "orders"


def test_fastapi_has_websockets(fastapi: HttpServer) -> None:
    with websocket_to(fastapi, "/chat/tea") as websocket:
        websocket.send("hello")
        assert websocket.recv(PATIENCE) == "tea: hello"
        websocket.close(4_001)
    until(lambda: DONE[-1:] == ["chat 4001"])


def test_many_clients_at_once_are_served(fastapi: HttpServer) -> None:
    failures: list[object] = []

    def work() -> None:
        with client_of(fastapi) as client:
            for number in range(20):
                answer = client.get("/me", params={"token": str(number)})
                if answer.json() != {"name": str(number)}:
                    failures.append(answer)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert failures == []


def test_a_page_opens_a_websocket_and_asks(starlette: HttpServer, tmp_path: Path) -> None:
    with browser_at(tmp_path, f"http://{HOST}:{starlette.port}/page"):
        until(lambda: "greeted page" in DONE, patience=BROWSER_PATIENCE)
