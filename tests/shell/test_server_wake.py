"""What is called for between two ticks, under a host loop that waits for the descriptor.

Theory: a host such as Qt or trio ticks when the descriptor is readable or the deadline is over, and
calls the server from its own timers in between. So each of these calls makes the descriptor
readable, once until the next tick; a host that has never asked for it need not be woken.
"""

import select
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count
from types import FrameType

import pytest

from sigil import Callbacks, Conn, Deferred, HttpServer, Limits, Request, Response
from tests.support.builds import needs_pure_sources
from tests.support.requests import GET
from tests.support.servers import PATIENCE, Raw, make, pump, settle, ticking
from tests.support.websocket_client import WebSocketClient, text, upgrade, websocket_clients


def is_readable(server: HttpServer, timeout: float = 0.0) -> bool:
    """What a host loop's select says."""
    return bool(select.select([server.fileno()], [], [], timeout)[0])


def stage(server: HttpServer, conn: Conn) -> None:
    server.printf("staged")
    server.ws_broadcast()


def stage_for_one(server: HttpServer, conn: Conn) -> None:
    server.memcpy(b"staged")
    server.ws_send(conn)


CALLS: dict[str, Callable[[HttpServer, Conn], object]] = {
    "broadcast": lambda server, conn: server.broadcast("to all"),
    "send": lambda server, conn: server.send(conn, "to one"),
    "close": lambda server, conn: server.close(conn),
    "ws_broadcast": stage,
    "ws_send": stage_for_one,
    "subscribe": lambda server, conn: server.subscribe(conn, "a"),
    "unsubscribe": lambda server, conn: server.unsubscribe(conn, "a"),
    "stop": lambda server, conn: server.stop(),
    "wake": lambda server, conn: server.wake(),
    "call_soon": lambda server, conn: server.call_soon(server.broadcast, "soon"),
    "attach": lambda server, conn: server.attach(make()),
    "broadcast of a topic": lambda server, conn: server.broadcast("to some", topic="news"),
    "broadcast that is retained": lambda server, conn: server.broadcast("kept", retain=True),
}

SILENT = ("wake", "subscribe", "unsubscribe", "attach", "broadcast of a topic")
"""Calls of which the client notices nothing."""


@pytest.fixture
def scene() -> Iterator[tuple[HttpServer, WebSocketClient, Conn]]:
    """A server at rest whose descriptor is watched, a WebSocket and its handle."""
    with ticking(upgrade) as server:
        (client,) = websocket_clients(server, 1)
        assert server.fileno() >= 0
        settle(server, client)
        assert not is_readable(server)
        yield server, client, server.clients()[0]


@pytest.mark.parametrize("name", CALLS)
def test_each_call_makes_the_descriptor_readable(
    scene: tuple[HttpServer, WebSocketClient, Conn], name: str
) -> None:
    server, client, conn = scene
    for _ in range(2):
        CALLS[name](server, conn)
        assert is_readable(server)
        if name not in SILENT:
            deadline = server.next_deadline()
            assert deadline is not None
            assert deadline <= time.monotonic()
        server.tick(0)
        if not server.running or name == "close":
            break
        assert not is_readable(server), "one tick was enough"
    pump(server, lambda: name in SILENT or bool(client.frames), client)


@pytest.mark.parametrize("name", sorted(set(CALLS) - {"ws_broadcast", "ws_send", "attach"}))
def test_each_call_of_another_thread_makes_it_readable_too(
    scene: tuple[HttpServer, WebSocketClient, Conn], name: str
) -> None:
    server, client, conn = scene
    for _ in range(2):
        thread = threading.Thread(target=CALLS[name], args=(server, conn))
        thread.start()
        thread.join()
        assert is_readable(server)
        server.tick(0)
        if not server.running or name == "close":
            break
    pump(server, lambda: name in SILENT or bool(client.frames), client)


def test_it_stays_readable_while_a_tick_leaves_something_over() -> None:
    def app(request: Request) -> Response:
        handled.append(request.path)
        return Response.text("fine")

    handled: list[str] = []
    # user code has no time at all: each tick handles one request
    with ticking(app, Limits(max_user_seconds_per_tick=1e-9)) as server:
        server.fileno()
        with Raw(server, GET * 5) as client:
            while len(handled) < 5:
                assert is_readable(server, PATIENCE)
                server.tick()
                if 0 < len(handled) < 5:
                    assert is_readable(server), "what waits is seen without the deadline"
            pump(server, client.answers, client)
            settle(server)
            assert not is_readable(server)


def test_it_is_readable_when_user_code_has_broken_a_tick_off() -> None:
    def app(request: Request) -> Response:
        server.broadcast("said before the end")
        raise SystemExit

    with ticking(app) as server, Raw(server, GET) as client:
        server.fileno()
        assert is_readable(server, PATIENCE)
        with pytest.raises(SystemExit):
            for _ in range(100):
                server.tick()
        assert is_readable(server)
        pump(server, client.answers, client)


def test_a_late_chunk_and_a_late_callback_make_it_readable() -> None:
    promises: list[Deferred] = []

    def promise(*told: object) -> Deferred:
        promises.append(Deferred())
        return promises[-1]

    def app(request: Request) -> Response:
        if request.is_upgrade:
            return Response.upgrade()
        return Response.stream(iter((promise(), b"end")))

    callbacks = Callbacks(ws_message=promise)
    with ticking(app, callbacks=callbacks) as server, Raw(server, GET) as client:
        pump(server, lambda: bool(promises))
        settle(server)
        assert not is_readable(server)
        promises.pop().resolve(b"a chunk, ")
        assert is_readable(server)
        pump(server, client.answers, client)
        assert client.answers()[0].text == "a chunk, end"
        (talker,) = websocket_clients(server, 1)
        talker.send(text("hello"))
        pump(server, lambda: bool(promises), talker)
        settle(server)
        assert not is_readable(server)
        promises.pop().resolve(None)
        assert is_readable(server)


def test_many_calls_wake_once(
    scene: tuple[HttpServer, WebSocketClient, Conn], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, _, conn = scene
    wakes: list[None] = []
    wake = server._mailbox.wake

    def counted() -> None:
        wakes.append(None)
        wake()

    monkeypatch.setattr(server._mailbox, "wake", counted)
    for turn in range(1, 4):
        for _ in range(10):
            server.broadcast("to all")
            server.send(conn, "to one")
            server.subscribe(conn, "a")
        assert len(wakes) == turn
        server.tick(0)


def test_who_never_asks_for_the_descriptor_is_not_woken_and_who_asks_late_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with ticking(upgrade) as server:
        (client,) = websocket_clients(server, 1)
        settle(server, client)
        with monkeypatch.context() as patch:
            patch.setattr(server._mailbox, "wake", lambda: pytest.fail("it was woken"))
            server.broadcast("one")
            server.tick(0)
            server.broadcast("two")
        assert is_readable(server)
        server.tick(0)
        assert not is_readable(server)
        pump(server, lambda: client.messages == [b"one", b"two"], client)


def test_what_is_called_for_within_a_tick_leaves_with_it_and_wakes_nobody() -> None:
    def app(request: Request) -> Response:
        if request.is_upgrade:
            return Response.upgrade()
        server.broadcast("from a handler")
        return Response.text("fine")

    with ticking(app) as server:
        (client,) = websocket_clients(server, 1)
        with Raw(server, GET) as asker:
            assert is_readable(server, PATIENCE)
            pump(server, lambda: bool(asker.answers()), asker)
            client.poll()
            assert client.messages == [b"from a handler"]
            assert not is_readable(server)


def test_a_host_that_waits_for_the_descriptor_sends_each_frame_before_the_next() -> None:
    """As the README says: select until the deadline, tick. A timer of the host broadcasts."""
    with ticking(upgrade) as server:
        (client,) = websocket_clients(server, 1)
        descriptor = server.fileno()
        settle(server, client)
        for frame in range(120):
            server.broadcast(f"frame {frame}")
            deadline = server.next_deadline()
            wait = PATIENCE if deadline is None else max(0.0, deadline - time.monotonic())
            select.select([descriptor], [], [], wait)
            server.tick()
            while len(client.messages) <= frame:  # nobody ticks meanwhile
                assert select.select([client.sock], [], [], PATIENCE)[0], f"frame {frame} waits"
                client.poll()
        assert client.messages == [b"frame %d" % frame for frame in range(120)]


def test_a_late_answer_of_the_host_makes_the_descriptor_readable() -> None:
    promises: list[Deferred] = []

    def app(request: Request) -> Deferred:
        promises.append(Deferred())
        return promises[-1]

    with ticking(app) as server, Raw(server, GET) as client:
        pump(server, lambda: bool(promises))
        settle(server)
        assert not is_readable(server)
        promises[0].resolve(Response.text("late"))
        assert is_readable(server)
        server.tick()
        pump(server, lambda: bool(client.answers()), client)
        assert client.answers()[0].text == "late"


@needs_pure_sources
def test_an_interrupt_at_any_call_of_a_tick_leaves_a_server_that_ticks() -> None:
    of_tick = HttpServer.tick.__code__
    for nth in count(1):
        calls = count(1)

        def on_call(frame: FrameType, event: str, arg: object) -> None:
            caller = frame.f_back
            if caller is not None and caller.f_code is of_tick and next(calls) == nth:  # noqa: B023
                raise KeyboardInterrupt

        with ticking() as server, Raw(server) as client:
            server.fileno()
            server.tick(0)
            before = sys.gettrace()
            sys.settrace(on_call)
            try:
                server.tick(0)
                break
            except KeyboardInterrupt:
                pass
            finally:
                sys.settrace(before)
            client.send(GET)
            pump(server, lambda: client.received.endswith(b"hello /"), client)
    assert nth > 3


def test_a_new_life_is_watched_anew() -> None:
    with ticking(upgrade) as server:
        server.fileno()
    server.listen()
    (client,) = websocket_clients(server, 1)
    settle(server, client)
    assert not is_readable(server)
    server.broadcast("again")
    assert is_readable(server)
    server.stop(0)
    server.tick()
