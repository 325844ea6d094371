"""User code that blocks is named in the log, with what it was called for, and once in a while.

Theory: time is the number that the server in memory has for a clock, so a handler blocks by adding
to it; nothing here takes any.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from sigil import Callbacks, Conn, Deferred, HttpServer, Limits, Request, Response, Routes, chain
from sigil.core.effects import ERROR_LOG
from sigil.shell.program.slow_calls import INTERVAL_SECONDS, SLOW_LOG
from sigil.testing import Client
from sigil.web import security_headers
from tests.support.servers import ask, logged_by, make, ticking

HERE = __name__
SLOW = 0.5
client: Client


def block(seconds: float = SLOW) -> None:
    client.server.now += seconds


def slow_handler(request: Request) -> Response:
    block(float(request.target.partition("?s=")[2] or SLOW))
    return Response.text("in the end")


class Program:
    def __call__(self, request: Request) -> Response:
        return slow_handler(request)

    def method(self, request: Request) -> Response:
        return slow_handler(request)


def routed() -> Routes:
    routes = Routes()
    inner = Routes()
    inner.get("/slow")(slow_handler)
    routes.mount("/in", inner)
    return routes


NAMES: dict[str, tuple[Any, str, str]] = {
    "a function": (slow_handler, "/", "slow_handler"),
    "an object": (Program(), "/", "Program"),
    "a method": (Program().method, "/", "Program.method"),
    "behind middleware": (chain(slow_handler, security_headers()), "/", "slow_handler"),
    "of a route": (chain(routed(), security_headers()), "/in/slow", "slow_handler"),
}


def lines_of(app: Any, act: Callable[[], object], **more: Any) -> list[str]:
    """What is logged of slow calls meanwhile."""
    global client
    client = Client(app, **more)
    with logged_by(SLOW_LOG) as lines:
        act()
    return lines


@pytest.mark.parametrize("kind", NAMES)
def test_a_handler_is_named_as_it_is_found_in_its_module(kind: str) -> None:
    app, path, name = NAMES[kind]
    assert lines_of(app, lambda: client.get(path)) == [
        f"{HERE}.{name} blocked the server for 0.500 s, for GET {path} (Limits.slow_handler)"
    ]


def test_of_pipelined_requests_the_one_that_was_slow_is_named() -> None:
    def act() -> None:
        connection = client.connect()
        targets = ["/?s=0.001", "/?s=0.75", "/?s=0.002"]
        connection.send(
            b"".join(b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % target.encode() for target in targets)
        )
        assert len(connection.answers()) == 3

    (line,) = lines_of(slow_handler, act)
    assert line.startswith(f"{HERE}.slow_handler blocked the server for 0.751 s, for GET /?s=0.75")


def test_one_that_is_always_slow_is_logged_once_in_a_while_and_counted() -> None:
    def act() -> None:
        for _ in range(5):
            client.get("/")
        client.server.now += INTERVAL_SECONDS
        client.get("/")

    first, second = lines_of(slow_handler, act)
    assert "more since" not in first
    assert second.endswith("(4 more since it was logged) (Limits.slow_handler)")


def test_one_that_raises_is_named_too() -> None:
    def app(request: Request) -> Response:
        block()
        raise ValueError

    def act() -> None:
        with logged_by(ERROR_LOG), pytest.raises(ValueError):
            client.get("/")

    assert len(lines_of(app, act)) == 1


def test_what_waits_without_blocking_is_not() -> None:
    later = Deferred()

    async def app(request: Request) -> Response:
        await asyncio.sleep(10 * SLOW)
        return Response.text("later")

    def act() -> None:
        connection = client.connect()
        connection.request("GET", "/")
        client.advance(10 * SLOW)
        later.resolve(Response.text("later"))
        client.run_until_idle()
        assert connection.answers()[0].text == "later"

    for each in (app, lambda request: later):
        assert lines_of(each, act) == []


def on_message(server: HttpServer, conn: Conn, data: str) -> None:
    block()


def test_callbacks_are_named_for_their_client() -> None:
    def on_open(server: HttpServer, conn: Conn, request: Request) -> None:
        block()

    def act() -> None:
        websocket = client.websocket("/")
        websocket.send("one")
        client.run_until_idle()

    callbacks = Callbacks(ws_message=on_message, ws_open=on_open)
    opening, message = lines_of(lambda request: Response.upgrade(), act, callbacks=callbacks)
    assert f"<locals>.on_open blocked the server for {SLOW:.3f} s, for " in opening
    assert message.startswith(f"{HERE}.on_message blocked the server for {SLOW:.3f} s, for ")


def test_streams_and_what_is_made_of_promises_are_named() -> None:
    def chunks() -> Any:
        block()
        yield b"one"

    def stream() -> None:
        client.get("/")

    (line,) = lines_of(lambda request: Response.stream(chunks()), stream)
    assert line.startswith("the stream of a response blocked the server")

    later = Deferred()

    def slowly(result: Response) -> Response:
        block()
        return result

    def act() -> None:
        connection = client.connect()
        connection.request("GET", "/mapped")
        later.resolve(Response.text("mapped"))
        client.run_until_idle()
        assert connection.answers()[0].text == "mapped"

    (line,) = lines_of(lambda request: later.map(slowly), act)
    assert line.startswith(
        "what a Deferred was mapped with blocked the server for 0.500 s, for GET"
    )


def test_what_call_soon_calls_is_named() -> None:
    def act() -> None:
        client.server.call_soon(block)
        client.run_until_idle()

    (line,) = lines_of(slow_handler, act)
    assert line == (
        f"{HERE}.block blocked the server for 0.500 s, for call_soon (Limits.slow_handler)"
    )


def test_a_server_with_sockets_measures_as_well() -> None:
    server = make(limits=Limits(slow_handler=0.0))
    assert server.settings.limits.slow_handler == 0.0
    with ticking(limits=Limits(slow_handler=0.0)) as server, logged_by(SLOW_LOG) as lines:
        assert ask(server).text == "hello /"
    assert lines[-1].startswith("tests.support.servers.hello blocked the server for 0.00")
