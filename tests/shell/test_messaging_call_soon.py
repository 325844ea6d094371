"""`call_soon`: functions that are called on the thread that ticks, in order with what is sent."""

import threading
from collections.abc import Callable

import pytest

from sigil import Callbacks, Conn, Deferred, HttpServer, Request, Response, SendStatus
from sigil.core.websocket.frames import encode_frame
from sigil.testing import Client
from tests.support.servers import Raw, hello, logged_by, make, pump, ticking
from tests.support.upgrade_requests import asking


def in_a_thread(function: Callable[[], object]) -> None:
    """Run this in another thread, to its end."""
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()


def test_a_function_is_called_in_the_next_tick_on_its_thread() -> None:
    calls: list[tuple[int, object]] = []

    def note(value: object) -> None:
        calls.append((threading.get_ident(), value))

    with ticking() as server:
        in_a_thread(lambda: server.call_soon(note, 1))
        server.call_soon(note, 2)
        assert calls == []
        server.tick()
        assert calls == [(threading.get_ident(), 1), (threading.get_ident(), 2)]
        server.tick()
        assert len(calls) == 2


def test_a_tick_that_waits_is_woken() -> None:
    with ticking() as server:
        called = threading.Event()
        threading.Timer(0.01, server.call_soon, [called.set]).start()
        for _ in range(10):
            if not called.is_set():
                server.tick(10.0)
        assert called.is_set()


def test_what_it_calls_for_itself_is_for_the_tick_after() -> None:
    calls: list[int] = []

    def again() -> None:
        calls.append(len(calls))
        server.call_soon(again)

    with ticking() as server:
        server.call_soon(again)
        server.tick()
        server.tick()
        assert calls == [0, 1]


def test_what_one_raises_is_logged_and_the_others_are_called() -> None:
    calls: list[str] = []

    def wrong() -> None:
        raise ValueError("not so")

    with ticking(hello) as server, logged_by("sigil.error") as lines:
        server.call_soon(wrong)
        server.call_soon(calls.append, "called")
        server.tick()
    assert calls == ["called"]
    assert "call_soon(wrong) raised" in lines[0]
    assert "not so" in lines[0]


def test_what_ends_the_program_leaves_the_tick_and_the_rest_is_called_later() -> None:
    calls: list[str] = []

    def leave() -> None:
        raise KeyboardInterrupt

    with ticking() as server:
        server.call_soon(leave)
        server.call_soon(calls.append, "called")
        with pytest.raises(KeyboardInterrupt):
            server.tick()
        server.tick()
    assert calls == ["called"]


def test_what_cannot_be_called_is_refused_where_it_is_said() -> None:
    server = make()
    with pytest.raises(TypeError, match="a function, not int"):
        server.call_soon(5)  # type: ignore[arg-type]


def test_a_server_that_has_stopped_calls_nothing() -> None:
    calls: list[str] = []
    with ticking() as server:
        server.stop(0)
        pump(server, lambda: not server.running)
        server.call_soon(calls.append, "called")
        server.tick()
    assert calls == []


def test_it_is_called_behind_what_the_same_thread_has_sent_before() -> None:
    conns: list[Conn] = []
    statuses: list[SendStatus] = []
    later = Deferred()

    def ws_open(server: HttpServer, conn: Conn, request: Request) -> None:
        conns.append(conn)

    def handler(request: Request) -> Deferred:
        conns.append(request.conn)
        return later

    def work() -> None:
        later.resolve(Response.upgrade())
        server.send(conns[0], "a")
        server.call_soon(lambda: statuses.append(server.send(conns[0], "b")))
        server.send(conns[0], "c")

    with (
        ticking(handler, callbacks=Callbacks(ws_open=ws_open)) as server,
        Raw(server, asking()) as client,
    ):
        pump(server, lambda: bool(conns), client)
        in_a_thread(work)
        end = b"".join([encode_frame(1, text) for text in (b"a", b"b", b"c")])
        pump(server, lambda: client.received.endswith(end), client)
    assert statuses == [SendStatus.SUCCESS]
    assert conns == [conns[0]] * 2


def test_in_memory_it_is_the_same() -> None:
    calls: list[str] = []
    client = Client(lambda request: Response.text("hello"))
    client.server.call_soon(calls.append, "called")
    client.run_until_idle()
    assert calls == ["called"]
