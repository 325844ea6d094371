"""The lifespan of applications: who starts, who cannot, and who has none."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from sigil import Limits, make_http_server
from sigil.asgi import AsgiHandler, handler
from sigil.asgi.lifespan import LifespanFailed
from sigil.testing import Client
from tests.asgi.serving import ask
from tests.support.requests import GET
from tests.support.servers import HOST, logged_by

UP, UP_FAILED = {"type": "lifespan.startup.complete"}, {"type": "lifespan.startup.failed"}
DOWN, DOWN_FAILED = {"type": "lifespan.shutdown.complete"}, {"type": "lifespan.shutdown.failed"}


class Living:
    """An application with a lifespan: what it says, or raises, when it is told each."""

    def __init__(self, up: Any = UP, down: Any = DOWN) -> None:
        self.says = {"lifespan.startup": up, "lifespan.shutdown": down}
        self.told: list[str] = []
        self.states: list[Any] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self.live(scope, receive, send)
            return
        self.states.append(scope["state"])
        scope["state"]["own"] = True
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"served"})

    async def live(self, scope: Any, receive: Any, send: Any) -> None:
        """The lifespan."""
        scope["state"]["shared"] = self
        while len(self.told) < 2:
            kind = (await receive())["type"]
            self.told.append(kind)
            says = self.says[kind]
            if isinstance(says, BaseException):
                raise says
            await asyncio.sleep(0)
            await send(says)


def serve_in_memory(served: AsgiHandler) -> None:
    """One request, and the end."""
    client = Client(served, raise_errors=False)
    assert client.get("/").body == b"served"
    client.stop()
    assert not client.running


def serve_in_thread(served: AsgiHandler) -> None:
    """The same, over sockets."""
    server = make_http_server(served, host=HOST, port=0)
    server.tick()
    with server.serve_in_thread():
        assert ask(server.port, GET).body == b"served"


def start_in_memory(served: AsgiHandler) -> None:
    """Only the beginning."""
    Client(served).get("/")


def start_alone(served: AsgiHandler) -> None:
    """The same, over sockets."""
    make_http_server(served, host=HOST, port=0).start()


both_ways = pytest.mark.parametrize("serve", [serve_in_memory, serve_in_thread])
both_starts = pytest.mark.parametrize("start", [start_in_memory, start_alone])


@both_ways
@pytest.mark.parametrize("mode", ["auto", "on"])
def test_it_starts_before_the_first_request_and_ends_behind_the_last(
    mode: str, serve: Callable[[AsgiHandler], None]
) -> None:
    app = Living()
    serve(handler(app, lifespan=mode))
    assert app.told == ["lifespan.startup", "lifespan.shutdown"]


@both_ways
def test_each_request_has_a_copy_of_the_state(serve: Callable[[AsgiHandler], None]) -> None:
    app = Living()
    served = handler(app)
    serve(served)
    app.told.clear()
    serve(served)  # once more, with a state of its own
    assert [set(state) for state in app.states] == [{"shared", "own"}] * 2
    assert app.states[0]["shared"] is app


@both_starts
@pytest.mark.parametrize("mode", ["auto", "on"])
def test_one_that_fails_to_start_ends_the_server_and_says_why(
    mode: str, start: Callable[[AsgiHandler], None]
) -> None:
    app = Living(up=UP_FAILED | {"message": "no database"})
    served = handler(app, lifespan=mode)
    with pytest.raises(LifespanFailed, match="failed to start: no database"):
        start(served)
    assert app.told == ["lifespan.startup"]
    app.says["lifespan.startup"] = UP
    app.told.clear()
    serve_in_memory(served)  # once it can
    assert app.told == ["lifespan.startup", "lifespan.shutdown"]


@both_ways
def test_one_that_raises_has_no_lifespan(serve: Callable[[AsgiHandler], None]) -> None:
    with logged_by("sigil.server") as lines:
        serve(handler(Living(up=ValueError("not for me"))))
    assert "the application has no lifespan" in lines


@both_starts
def test_one_that_has_to_have_one_and_raises_cannot_be_served(
    start: Callable[[AsgiHandler], None],
) -> None:
    with pytest.raises(LifespanFailed, match="has no lifespan") as raised:
        start(handler(Living(up=ValueError("not for me")), lifespan="on"))
    assert isinstance(raised.value.__cause__, ValueError)


@both_ways
def test_one_that_is_not_asked_is_not_told(serve: Callable[[AsgiHandler], None]) -> None:
    app = Living()
    serve(handler(app, lifespan="off"))
    assert app.told == []


@both_ways
@pytest.mark.parametrize(
    ("down", "words"),
    [
        (DOWN_FAILED | {"message": "it is stuck"}, "it is stuck"),
        (DOWN_FAILED, "it does not say why"),
        (ValueError("it broke"), "it broke"),
    ],
)
def test_one_that_fails_to_end_is_logged(
    down: Any, words: str, serve: Callable[[AsgiHandler], None], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, "sigil.error"):
        serve(handler(Living(down=down)))
    assert words in caplog.text
    assert "failed to shut down" in caplog.text


@both_ways
def test_one_that_raises_in_the_middle_is_logged_and_requests_are_served(
    serve: Callable[[AsgiHandler], None], caplog: pytest.LogCaptureFixture
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send(UP)
            raise ValueError("midway")
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"served"})

    with caplog.at_level(logging.ERROR, "sigil.error"):
        serve(handler(app))
    assert "the lifespan of the application raised" in caplog.text
    assert caplog.text.count("ValueError: midway") == 1


@both_starts
def test_a_message_out_of_turn_is_refused_where_it_is_sent(
    start: Callable[[AsgiHandler], None],
) -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in (DOWN, {"type": "nonsense"}, UP_FAILED):
            try:
                await send(message)
            except RuntimeError as error:
                seen.append(str(error))

    with pytest.raises(LifespanFailed):
        start(handler(app))
    expected = "Expected ASGI message 'lifespan.startup.complete' or 'lifespan.startup.failed'"
    assert [words.startswith(expected) for words in seen] == [True, True]


def test_an_end_that_never_comes_is_waited_for_within_the_limit() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(UP)
        await receive()
        await asyncio.sleep(1_000)

    limits = Limits(shutdown_timeout=0.1)
    server = make_http_server(handler(app), host=HOST, port=0, limits=limits)
    with server.serve_in_thread(), logged_by("sigil.error") as lines:
        ask(server.port, GET)
        server.stop(0)
        while server.running:
            asyncio.run(asyncio.sleep(0.01))
    assert any("Limits.shutdown_timeout" in line for line in lines)


def test_a_stop_while_it_starts_ends_it() -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await asyncio.sleep(1_000)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    server = make_http_server(handler(app), host=HOST, port=0)
    server.tick()
    assert server.running
    server.stop()
    while server.running:
        server.tick(0.1)
    assert seen == ["cancelled"]
