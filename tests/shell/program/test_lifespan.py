"""Handlers with a beginning and an end: who is accepted when, what a failure leaves, and what is
waited for.
"""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from sigil import (
    Deferred,
    Limits,
    Request,
    Response,
    Routes,
    chain,
    http_server_serve,
    make_http_server,
)
from sigil.testing import Client
from sigil.web import in_pieces, security_headers
from tests.support.event_loops import loops
from tests.support.requests import GET
from tests.support.servers import HOST, Raw, in_thread, logged_by, make, pump, ticking


class Living:
    """A handler with a beginning and an end, and what it was called with."""

    def __init__(self, startup: object = None, shutdown: object = None) -> None:
        self.results = {"startup": startup, "shutdown": shutdown}
        self.calls: list[str] = []
        self.servers: list[object] = []
        self.threads: list[int] = []

    def __call__(self, request: Request) -> Response:
        self.calls.append("request")
        return Response.text("served")

    def startup(self, server: object) -> object:
        return self.call("startup", server)

    def shutdown(self, server: object) -> object:
        return self.call("shutdown", server)

    def call(self, name: str, server: object) -> object:
        """Note a call; what it was to return, or raise."""
        self.calls.append(name)
        self.servers.append(server)
        self.threads.append(threading.get_ident())
        result = self.results[name]
        if isinstance(result, BaseException):
            raise result
        return result() if callable(result) else result


def test_a_handler_begins_in_the_first_tick_and_ends_behind_the_last_connection() -> None:
    living = Living()
    with ticking(living) as server:
        assert living.calls == []
        with Raw(server, GET) as client:
            pump(server, lambda: bool(client.answers()), client)
            assert living.calls == ["startup", "request"]
            server.stop()
            pump(server, lambda: not server.running, client)
            assert living.calls == ["startup", "request", "shutdown"]
            assert client.over
    assert living.servers == [server, server]


def test_nobody_is_accepted_before_the_promise_of_the_beginning_is_kept() -> None:
    later = Deferred()
    living = Living(startup=later)
    with ticking(living) as server, Raw(server, GET) as client:
        for _ in range(20):
            server.tick(0.001)
        assert server.clients() == ()
        assert living.calls == ["startup"]
        threading.Thread(target=later.resolve, args=(None,)).start()
        pump(server, lambda: bool(client.answers()), client)


def test_a_tick_that_waits_ends_when_the_promise_is_kept() -> None:
    later = Deferred()
    with in_thread(make(Living(startup=later))) as server, Raw(server, GET) as client:
        threading.Timer(0.05, later.resolve, [None]).start()
        client.sock.setblocking(True)
        assert client.sock.recv(20).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("comes_later", [False, True])
def test_a_beginning_that_fails_ends_the_server_and_leaves_the_tick(comes_later: bool) -> None:
    error, later = ValueError("no database"), Deferred()
    living = Living(startup=later if comes_later else error)
    server = make(living)
    server.listen()
    with Raw(server, GET) as client:
        if comes_later:
            server.tick()
            later.fail(error)
        with pytest.raises(ValueError, match="no database"):
            server.tick()
        assert not server.running
        assert server.tick() is False
        assert living.calls == ["startup"]
        client.sock.setblocking(True)
        with pytest.raises(OSError):
            assert client.sock.recv(10) == b""
            raise ConnectionResetError


def test_start_raises_what_the_beginning_raises() -> None:
    server = make(Living(startup=ValueError("no database")))
    with pytest.raises(ValueError, match="no database"):
        server.start()
    assert not server.running


def test_a_server_that_has_failed_may_listen_again() -> None:
    living = Living(startup=ValueError("no database"))
    server = make(living)
    with pytest.raises(ValueError, match="no database"):
        server.tick()
    living.results["startup"] = None
    server.listen()
    with Raw(server, GET) as client:
        pump(server, lambda: bool(client.answers()), client)
    server.stop(0)
    pump(server, lambda: not server.running)
    assert living.calls == ["startup", "startup", "request", "shutdown"]


def test_a_server_that_is_stopped_while_it_begins_ends_what_has_begun() -> None:
    later = Deferred()
    told: list[str] = []
    later.on_cancel(lambda: told.append("cancelled"))
    living = Living(startup=later)
    with ticking(living) as server:
        server.tick()
        server.stop()
        pump(server, lambda: not server.running)
    assert told == ["cancelled"]
    assert living.calls == ["startup", "shutdown"]


def test_the_end_is_waited_for() -> None:
    later = Deferred()
    with ticking(Living(shutdown=later)) as server:
        server.tick()
        server.stop(0)
        for _ in range(20):
            server.tick(0.001)
        assert server.running
        threading.Thread(target=later.resolve, args=(None,)).start()
        pump(server, lambda: not server.running)


def test_the_end_is_not_waited_for_longer_than_the_limit() -> None:
    later = Deferred()
    limits = Limits(shutdown_timeout=4.0)
    client = Client(Living(shutdown=later), limits=limits, raise_errors=False)
    client.get("/")
    client.stop()
    client.advance(3.75)
    assert client.running
    client.advance(0.5)
    assert not client.running
    assert not later.is_wanted
    assert "Limits.shutdown_timeout" in client.log[-1].text


def test_a_stop_more_ends_the_waiting() -> None:
    with ticking(Living(shutdown=Deferred())) as server:
        server.tick()
        server.stop(0)
        for _ in range(20):
            server.tick(0.001)
        assert server.running
        server.stop()
        pump(server, lambda: not server.running)


@pytest.mark.parametrize("comes_later", [False, True])
def test_an_end_that_raises_is_logged_and_the_server_ends(comes_later: bool) -> None:
    later = Deferred()
    later.fail(ValueError("it is stuck"))
    living = Living(shutdown=later if comes_later else ValueError("it is stuck"))
    with logged_by("sigil.error") as lines, ticking(living) as server:
        server.tick()
        server.stop()
        pump(server, lambda: not server.running)
    assert "it is stuck" in lines[0]


def test_who_stops_before_the_first_tick_begins_nothing_when_it_is_broken_off() -> None:
    living = Living()
    server = make(living)
    server.listen()
    server._stop_now()
    assert living.calls == []


def test_a_thread_that_serves_is_where_it_begins_and_ends() -> None:
    living = Living()
    with make(living).serve_in_thread() as server, Raw(server, GET) as client:
        client.sock.setblocking(True)
        assert client.sock.recv(20).startswith(b"HTTP/1.1 200")
    assert living.calls == ["startup", "request", "shutdown"]
    assert len(set(living.threads)) == 1
    assert living.threads[0] != threading.get_ident()


# -- inside asyncio --------------------------------------------------------------------------------


async def soon() -> None:
    """A coroutine that takes a few turns."""
    for _ in range(3):
        await asyncio.sleep(0)


async def fails() -> None:
    """A coroutine that raises later."""
    await soon()
    raise ValueError("no database")


@pytest.mark.parametrize("run", loops())
def test_inside_asyncio_both_may_be_coroutines(run: Callable[..., object]) -> None:
    living = Living(startup=soon, shutdown=soon)
    server = make(living)

    async def main() -> None:
        serving = asyncio.ensure_future(http_server_serve(server))
        while not server.running:
            await asyncio.sleep(0)
        _, writer = await asyncio.open_connection(HOST, server.port)
        writer.write(GET)
        while "request" not in living.calls:
            await asyncio.sleep(0.001)
        assert server.runs_coroutines
        writer.close()
        server.stop()
        await serving

    run(main())
    assert living.calls == ["startup", "request", "shutdown"]
    assert not server.runs_coroutines


@pytest.mark.parametrize("run", loops())
@pytest.mark.parametrize("startup", [ValueError("no database"), fails])
@pytest.mark.parametrize("listens_before", [False, True])
def test_inside_asyncio_a_beginning_that_fails_is_raised_to_who_awaits(
    startup: object, listens_before: bool, run: Callable[..., object]
) -> None:
    server = make(Living(startup=startup))

    async def main() -> None:
        if listens_before:
            server.listen()
        with pytest.raises(ValueError, match="no database"):
            await http_server_serve(server)

    run(main())
    assert not server.running


def test_a_coroutine_of_the_end_goes_on_when_serving_is_cancelled() -> None:
    living, ended = Living(), []

    async def end() -> None:
        await soon()
        ended.append("ended")

    living.results["shutdown"] = end
    server = make(living)

    async def main() -> None:
        serving = asyncio.ensure_future(http_server_serve(server))
        while not living.calls:
            await asyncio.sleep(0)
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving

    asyncio.run(main())
    assert living.calls == ["startup", "shutdown"]
    assert ended == ["ended"]


def test_elsewhere_a_coroutine_is_refused_in_words() -> None:
    server = make(Living(startup=soon))
    with pytest.raises(TypeError, match="http_server_serve"):
        server.tick()


# -- in memory -------------------------------------------------------------------------------------


def test_in_memory_it_is_the_same() -> None:
    living = Living(startup=soon, shutdown=soon)
    client = Client(living)
    assert client.get("/").text == "served"
    client.stop()
    assert living.calls == ["startup", "request", "shutdown"]
    assert living.servers == [client.server, client.server]


def test_in_memory_a_beginning_that_fails_is_raised_to_the_test() -> None:
    client = Client(Living(startup=ValueError("no database")))
    with pytest.raises(ValueError, match="no database"):
        client.get("/")
    assert not client.running


# -- handlers in handlers --------------------------------------------------------------------------


def plain(handler: Any) -> Any:
    """Middleware that knows nothing of beginnings."""
    return lambda request: handler(request)


def mounted(handler: Any) -> Routes:
    """Routes with a handler in two places."""
    routes = Routes()
    routes.mount("/a", handler)
    routes.add("/", handler)
    return routes


@pytest.mark.parametrize(
    "wrap",
    [
        lambda handler: chain(handler, plain),
        lambda handler: chain(handler, security_headers()),
        lambda handler: chain(handler, plain, security_headers(), plain),
        in_pieces,
        mounted,
        lambda handler: chain(mounted(handler), plain),
    ],
    ids=["chain", "middleware", "more of it", "pieces", "routes", "routes in a chain"],
)
def test_a_handler_in_others_begins_and_ends_once(wrap: Callable[[Any], Any]) -> None:
    living = Living()
    client = Client(wrap(living))
    assert client.get("/").text == "served"
    client.stop()
    assert living.calls == ["startup", "request", "shutdown"]


def test_several_begin_together_and_end_the_other_way_round() -> None:
    calls: list[str] = []

    def make_living(name: str) -> Living:
        living = Living()
        living.call = lambda what, server: calls.append(f"{what} {name}")  # type: ignore[method-assign]
        return living

    routes = Routes()
    routes.mount("/a", make_living("a"))
    routes.mount("/b", make_living("b"))
    client = Client(routes)
    client.get("/a")
    client.stop()
    assert calls == ["startup a", "startup b", "shutdown b", "shutdown a"]


def test_what_has_begun_is_ended_when_another_fails_to() -> None:
    first, pending = Living(), Living(startup=Deferred())
    last = Living(startup=ValueError("no database"))
    routes = Routes()
    for name, living in (("a", first), ("b", pending), ("c", last)):
        routes.mount(f"/{name}", living)
    server = make_http_server(routes, host=HOST, port=0)
    with pytest.raises(ValueError, match="no database"):
        server.tick()
    assert first.calls == ["startup", "shutdown"]
    assert pending.calls == ["startup", "shutdown"]
    assert last.calls == ["startup"]


def test_a_handler_without_either_has_nothing_to_do() -> None:
    client = Client(lambda request: Response.text("served"))
    assert client.get("/").text == "served"
    assert not client.server._application.lifespan.is_starting


# -- the promise -----------------------------------------------------------------------------------


def test_a_server_promises_when_it_accepts() -> None:
    later, seen = Deferred(), []
    server = make(Living(startup=later))
    server.started.when_resolved(seen.append)
    server.listen()
    server.tick()
    assert seen == []
    later.resolve(None)
    server.tick(10.0)
    assert seen == [None] and server.started.is_resolved
    server.stop(0)
    while server.running:
        server.tick(10.0)
    assert not server.started.is_resolved  # it is the next one
    server.configure(handler=lambda request: None)
    server.listen()
    assert server.started.is_resolved  # nothing begins
    server._stop_now()


def test_a_server_that_is_stopped_before_it_has_begun_fails_its_promise() -> None:
    seen: list[object] = []
    server = make(Living(startup=Deferred()))
    server.started.when_resolved(seen.append)
    server.listen()
    server.tick()
    assert seen == []
    server._stop_now()
    assert [str(error) for error in seen] == ["the server has stopped before it began"]
    assert not server.started.is_resolved


def test_a_server_that_cannot_start_fails_its_promise() -> None:
    seen: list[object] = []
    server = make(Living(startup=LookupError("nothing there")))
    server.started.when_resolved(seen.append)
    with pytest.raises(LookupError):
        server.start()
    assert [str(error) for error in seen] == ["nothing there"]
    server.configure(handler=Living())
    server.started.when_resolved(seen.append)
    server.listen()
    server.tick()
    assert seen[1:] == [None]
    server._stop_now()


def test_who_waits_for_the_promise_and_raises_harms_nobody() -> None:
    server = make(Living())
    server.started.when_resolved(lambda result: 1 // 0)
    with logged_by("sigil.error") as lines:
        server.listen()
        server.tick()
    assert server.running and "ZeroDivisionError" in lines[0]
    server._stop_now()
