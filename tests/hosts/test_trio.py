"""Coroutines of handlers, callbacks and streams inside trio: who leaves has them cancelled, and
what they raise is an answer.

Theory: what holds inside asyncio holds here, with the same program of callbacks in words of trio.
"""

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import trio

import sigil.hosts.trio
import sigil.hosts.trio_guest
from sigil import Callbacks, Conn, HttpServer, Request, Response
from sigil.core.effects import ERROR_LOG
from tests.support.requests import GET
from tests.support.servers import HOST, PATIENCE, Raw, logged_by, make
from tests.support.websocket_client import WebSocketClient, close_frame, text, upgrade

Script = Callable[[HttpServer], Awaitable[object]]


def in_trio(server: HttpServer, script: Script, by_cancelling: bool = False) -> None:
    """Run a script beside the server, which is stopped, or cancelled, at the end."""

    async def main() -> None:
        with trio.fail_after(PATIENCE):
            async with trio.open_nursery() as nursery:
                assert await nursery.start(sigil.hosts.trio.serve, server) is server
                await script(server)
                if by_cancelling:
                    nursery.cancel_scope.cancel()
                else:
                    server.stop(0)
        assert not server.running and not server.runs_coroutines

    trio.run(main)


def cancelled_in_trio(server: HttpServer, script: Script) -> None:
    in_trio(server, script, by_cancelling=True)


def with_a_guest(server: HttpServer, script: Script) -> None:
    """Run a script as a guest of the server, which is stopped at the end."""

    async def main() -> None:
        with trio.fail_after(PATIENCE):
            await script(server)

    sigil.hosts.trio_guest.run(server, main)
    assert not server.running and not server.runs_coroutines


Running = Callable[[HttpServer, Script], None]
in_all_ways = pytest.mark.parametrize("run", [in_trio, cancelled_in_trio, with_a_guest])


async def until(so: Callable[[], object], *clients: Raw) -> None:
    while not so():
        for client in clients:
            client.poll()
        await trio.sleep(0.001)


@in_all_ways
def test_handlers_callbacks_and_streams_may_be_coroutines(run: Running) -> None:
    told: list[object] = []

    async def app(request: Request) -> Response:
        await trio.sleep(0)
        if request.is_upgrade:
            return Response.upgrade()
        if request.path == "/broken":
            raise ValueError("broken")
        return Response.stream(chunks())

    async def chunks() -> AsyncIterator[bytes]:
        for number in range(3):
            await trio.sleep(0)
            yield b"%d" % number

    async def on_message(server: HttpServer, conn: Conn, data: str) -> None:
        await trio.sleep(0)
        server.send(conn, data.upper())

    async def on_close(server: HttpServer, conn: Conn, reason: object, code: int) -> None:
        await trio.sleep(0)
        told.append(code)

    async def script(server: HttpServer) -> None:
        with Raw(server, GET) as client:
            await until(lambda: [answer.text for answer in client.answers()] == ["012"], client)
        with Raw(server, GET.replace(b"/ ", b"/broken ", 1)) as client:
            await until(client.answers, client)
            assert client.answers()[0].status == 500
        with WebSocketClient(server) as talker:
            await until(lambda: talker.is_open, talker)
            talker.send(text("hello"))
            await until(lambda: talker.messages == [b"HELLO"], talker)
            talker.send(close_frame(1000))
            await until(lambda: told == [1000], talker)

    callbacks = Callbacks(ws_message=on_message, ws_close=on_close)
    with logged_by(ERROR_LOG) as lines:
        run(make(app, callbacks=callbacks), script)
    assert len(lines) == 1 and "ValueError: broken" in lines[0]


@in_all_ways
def test_who_leaves_has_its_coroutine_cancelled_and_an_end_may_finish(run: Running) -> None:
    told: list[str] = []

    async def app(request: Request) -> Response:
        if request.is_upgrade:
            return Response.upgrade()
        try:
            told.append("begun")
            await trio.sleep_forever()
        finally:
            told.append("cancelled")
        raise AssertionError("nobody sleeps for ever")

    async def on_close(*_: object) -> None:
        await trio.sleep(0.01)
        told.append("closed")

    async def script(server: HttpServer) -> None:
        with Raw(server, GET) as client:
            await until(lambda: told == ["begun"], client)
            client.reset()
            await until(lambda: told == ["begun", "cancelled"])
        told.clear()
        talker = WebSocketClient(server)
        await until(lambda: server.subscriber_count() == 1, talker)
        last = Raw(server, GET)
        await until(lambda: told == ["begun"], last)

    with logged_by(ERROR_LOG) as lines:
        server = make(app, callbacks=Callbacks(ws_close=on_close))
        run(server, script)
    assert sorted(told) == ["begun", "cancelled", "closed"]
    assert lines == []


def test_a_port_that_is_taken_is_an_error_as_it_is() -> None:
    with socket.create_server((HOST, 0)) as taken:
        server = make(port=taken.getsockname()[1])
        with pytest.raises(OSError, match="Address already in use"):
            trio.run(sigil.hosts.trio.serve, server)
        with pytest.raises(OSError, match="Address already in use"):
            sigil.hosts.trio_guest.run(server, trio.sleep_forever)


@asynccontextmanager
async def noted(told: list[str], name: str) -> AsyncIterator[None]:
    try:
        yield
    finally:
        told.append(name)


def test_a_guest_returns_its_result_and_is_cancelled_when_the_server_ends_first() -> None:
    told: list[str] = []

    async def brief(number: int) -> int:
        await trio.sleep(0)
        return number + 1

    async def long() -> None:
        async with noted(told, "cleaned up"):
            server.stop(0)
            await trio.sleep_forever()

    async def broken() -> None:
        await trio.sleep(0)
        raise ValueError("broken")

    server = make()
    assert sigil.hosts.trio_guest.run(server, brief, 1) == 2
    assert not server.running
    assert sigil.hosts.trio_guest.run(server, long) is None
    assert told == ["cleaned up"]
    with pytest.raises(ValueError, match="broken"):
        sigil.hosts.trio_guest.run(server, broken)


def test_a_guest_and_the_server_take_turns() -> None:
    async def main() -> str:
        with WebSocketClient(server) as client:
            await until(lambda: server.subscriber_count() == 1, client)
            server.broadcast("from a task")
            await until(lambda: client.messages, client)
            return client.messages[0].decode()

    server = make(upgrade)
    assert sigil.hosts.trio_guest.run(server, main) == "from a task"


def test_what_leaves_a_tick_ends_the_guest_first() -> None:
    told: list[str] = []

    def app(request: Request) -> Response:
        raise SystemExit(3)

    async def main() -> None:
        async with noted(told, "cleaned up"):
            with Raw(server, GET) as client:
                await until(lambda: False, client)

    server = make(app)
    with pytest.raises(SystemExit):
        sigil.hosts.trio_guest.run(server, main)
    assert told == ["cleaned up"] and not server.running


def test_a_handler_that_awaits_has_the_grace_of_the_server_when_its_guest_has_ended() -> None:
    goes_on = trio.Event()

    async def app(request: Request) -> Response:
        await goes_on.wait()
        return Response.text("late")

    async def main() -> None:
        client.poll()
        await until(lambda: server.stats().requests == 1, client)
        trio.lowlevel.current_trio_token().run_sync_soon(goes_on.set)

    server = make(app)
    server.listen()
    with Raw(server, GET) as client:
        sigil.hosts.trio_guest.run(server, main, grace=PATIENCE)
        client.poll()
        assert [answer.text for answer in client.answers()] == ["late"]


def test_a_guest_that_is_told_to_end_the_program_ends_the_server() -> None:
    async def app(request: Request) -> Response:
        await trio.sleep_forever()
        raise AssertionError("nobody sleeps for ever")

    async def main() -> None:
        with Raw(server, GET) as client:
            await until(lambda: server.stats().requests == 1, client)
            raise SystemExit(4)

    server = make(app)
    with pytest.raises(SystemExit):
        sigil.hosts.trio_guest.run(server, main)
    assert not server.running and not server.runs_coroutines
