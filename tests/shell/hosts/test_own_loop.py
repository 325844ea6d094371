"""Coroutines where a server serves by itself: in a thread of its own, and in `start`.

Theory: who writes `async def` need not know what drives the server. That it goes over to another
loop is nobody's business: what was under way goes on, and what comes is answered as before.
"""

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sigil import Callbacks, Conn, Deferred, HttpServer, Request, Response
from sigil.core.effects import ERROR_LOG
from tests.support.requests import GET
from tests.support.servers import PATIENCE, Raw, in_thread, logged_by, make
from tests.support.websocket_client import WebSocketClient, text


def until(client: Raw, so: object) -> None:
    """Let the client read until something is so."""
    give_up_at = time.monotonic() + PATIENCE
    while not so():  # type: ignore[operator]
        client.poll()
        assert time.monotonic() < give_up_at


def fetch(server: HttpServer, target: bytes) -> tuple[int, str]:
    """The status and the text of an answer, behind which the server closes."""
    request = b"GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" % target
    with Raw(server, request) as client:
        until(client, lambda: client.over)
        found = client.answers()[0]
        return found.status, found.text


class Program:
    """A handler with everything that may be a coroutine."""

    def __init__(self) -> None:
        self.told: list[object] = []
        self.threads: set[int] = set()
        self.callbacks = Callbacks(ws_message=self.on_message, ws_close=self.on_close)

    async def startup(self, server: HttpServer) -> None:
        assert server.runs_coroutines
        await asyncio.sleep(0)
        self.told.append("begun")

    async def shutdown(self, server: HttpServer) -> None:
        await asyncio.sleep(0)
        self.told.append("ended")

    async def __call__(self, request: Request) -> Response:
        self.threads.add(threading.get_ident())
        await asyncio.sleep(0)
        if request.is_upgrade:
            return Response.upgrade()
        if request.path == "/broken":
            raise ValueError("broken")
        if request.path == "/long":
            self.told.append("asked")
            try:
                await asyncio.sleep(PATIENCE)
            except asyncio.CancelledError:
                self.told.append("cancelled")
                raise
        return Response.stream(self.chunks())

    async def chunks(self) -> AsyncIterator[bytes]:
        for number in range(3):
            await asyncio.sleep(0)
            yield b"%d" % number

    async def on_message(self, server: HttpServer, conn: Conn, data: str) -> None:
        await asyncio.sleep(0)
        server.send(conn, data.upper())

    async def on_close(self, *_: object) -> None:
        await asyncio.sleep(0)
        self.told.append("closed")


@pytest.mark.parametrize("way", ["serve_in_thread", "start"])
def test_everything_may_be_a_coroutine(way: str) -> None:
    program = Program()
    server = make(program, callbacks=program.callbacks)
    with logged_by(ERROR_LOG) as lines:
        with server.serve_in_thread() if way == "serve_in_thread" else in_thread(server):
            assert fetch(server, b"/") == (200, "012")
            assert fetch(server, b"/broken")[0] == 500
            with WebSocketClient(server, b"") as client:
                until(client, lambda: client.is_open)
                client.send(text("hello"))
                until(client, lambda: client.messages == [b"HELLO"])
            with Raw(server, GET.replace(b"/ ", b"/long ", 1)) as client:
                until(client, lambda: "asked" in program.told)
                client.reset()
            until(client, lambda: "cancelled" in program.told)
        assert program.threads and threading.get_ident() not in program.threads
    assert sorted(map(str, program.told)) == ["asked", "begun", "cancelled", "closed", "ended"]
    assert not server.runs_coroutines
    assert len(lines) == 1 and "ValueError: broken" in lines[0]


def test_what_was_under_way_goes_on_when_the_first_coroutine_comes() -> None:
    promises: list[Deferred] = []

    def app(request: Request) -> object:
        if request.path == "/later":
            promises.append(Deferred())
            return promises[-1]
        return wait()

    async def wait() -> Response:
        await asyncio.sleep(0)
        return Response.text("awaited")

    server = make(app)
    with server.serve_in_thread(), Raw(server, GET.replace(b"/ ", b"/later ", 1)) as early:
        until(early, lambda: promises)
        assert fetch(server, b"/") == (200, "awaited")
        promises[0].resolve(Response.text("promised"))
        until(early, early.answers)
        assert early.answers()[0].text == "promised"
        server.call_soon(promises.clear)
        until(early, lambda: not promises)


def test_a_second_life_has_a_loop_of_its_own() -> None:
    program = Program()
    server = make(program)
    for _ in range(2):
        with server.serve_in_thread():
            assert fetch(server, b"/") == (200, "012")
    assert program.told == ["begun", "ended"] * 2


def test_who_has_no_coroutine_has_no_asyncio() -> None:
    source = """
import sys, urllib.request
from sigil import Response, make_http_server
with make_http_server(lambda request: Response.text("plain"), port=0).serve_in_thread() as server:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/") as answer:
        assert answer.read() == b"plain"
print("asyncio" in sys.modules)
"""
    command = [sys.executable, "-c", source]
    root = Path(__file__).parents[3]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, cwd=root)
    assert done.stdout == "False\n", done.stderr


def test_within_another_loop_of_asyncio_they_are_refused() -> None:
    async def app(request: Request) -> Response:
        return Response.text("never")

    async def main() -> None:
        def ask() -> None:
            statuses.append(fetch(server, b"/")[0])
            server.stop(0)

        server = make(app)
        server.listen()
        thread = threading.Thread(target=ask)
        thread.start()
        server.server_loop()  # it blocks the loop, which is somebody else's mistake
        thread.join()

    statuses: list[int] = []
    asyncio.run(main())
    assert statuses == [500]
