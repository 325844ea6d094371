"""The crank: what is told how often, what may leave before what, and what is left when user code
breaks out.
"""

import socket
from collections.abc import Iterator, Sequence
from threading import Thread

import pytest

from sigil import (
    Callbacks,
    CloseReason,
    Conn,
    Deferred,
    HttpServer,
    Peer,
    Request,
    Response,
    SendStatus,
)
from sigil.core.broadcast.entry import Subscription
from sigil.core.connection.context import Parse
from sigil.core.effects import Effect
from sigil.core.events import Delivered, Event, FanOutStalled, TimeRead
from sigil.core.http.head import parse_headers_only
from sigil.core.limits import Limits
from sigil.core.server import advance, make_server
from sigil.core.server.state import Server
from sigil.shell.loop.engine import Engine
from sigil.testing import Client
from sigil.testing.kernel import Wire as MemoryWire
from sigil.testing.server import MemoryServer
from tests.support.requests import UPGRADE
from tests.support.servers import HOST, ticking
from tests.support.websocket_client import frame
from tests.support.work import calls_of


def count_of_a_turn(clients: int, turns: int) -> int:
    """How often the core is told something in the last of these turns, in each of which all clients
    are echoed to.
    """
    told = 0

    def counted(
        state: Server, events: Sequence[Event], parse: Parse
    ) -> tuple[Server, list[Effect]]:
        nonlocal told
        told += 1
        return advance(state, events, parse)

    echo = Callbacks(ws_message=lambda server, conn, data: server.send(conn, data))
    server = MemoryServer(lambda request: Response.upgrade(), Limits(), echo, counted)
    client = Client(lambda request: None)
    client.server = server
    sockets = [client.websocket("/") for _ in range(clients)]
    for turn in range(turns):
        for websocket in sockets:
            websocket.send(f"{turn}")
        told = 0
        server.tick()
        told_last = told
        client.run_until_idle()
        assert [websocket.receive() for websocket in sockets] == [f"{turn}"] * clients
    return told_last


def test_an_echo_is_told_with_all_others_in_every_turn() -> None:
    assert count_of_a_turn(1, 1) == count_of_a_turn(9, 1) == count_of_a_turn(9, 3)


@pytest.mark.parametrize("is_said_to_all", [True, False], ids=["broadcast", "send"])
@pytest.mark.parametrize("count", [1, 5], ids=["within a turn", "more than a turn holds"])
def test_who_stops_reading_has_all_its_time_however_long_nothing_had_happened(
    count: int, is_said_to_all: bool
) -> None:
    limits = Limits(stall_timeout=30.0, outgoing_buffer_sz=400_000, max_ws_outbox_len=400_000)
    client = Client(lambda request: Response.upgrade(), limits=limits)
    server, websocket = client.server, client.websocket("/", window_len=10_000)
    (conn,) = server.clients()
    server.now += 1_000.0  # the program was busy with other things, and ticks again only now
    for _ in range(count):
        words = "x" * 90_000
        assert (
            server.broadcast(words) if is_said_to_all else server.send(conn, words)
        ) is not SendStatus.DROPPED
    server.tick()
    client.advance(29.0)
    assert server.clients()
    client.advance(2.0)
    assert not server.clients()
    assert websocket.messages() == []


def test_who_is_answered_before_another_handler_takes_long_has_all_its_time() -> None:
    def app(request: Request) -> Response:
        if request.path == "/slow":
            client.server.now += 100.0
        return Response.bytes(bytes(100_000))

    client = Client(app, limits=Limits(stall_timeout=30.0))
    big, slow = client.connect(window_len=1_000), client.connect()
    for connection, path in ((big, b"/big"), (slow, b"/slow")):
        connection.wire.arrived += b"GET %b HTTP/1.1\r\nHost: h\r\n\r\n" % path
    client.server.tick()
    client.advance(29.0)
    assert len(client.clients()) == 2
    client.advance(2.0)
    assert len(client.clients()) == 1


@pytest.mark.parametrize("act", ["subscribe", "send"])
def test_a_word_in_a_slow_handler_makes_no_answer_late(act: str) -> None:
    def app(request: Request) -> Response:
        if request.path == "/slow":
            client.server.now += 100.0
            if act == "subscribe":
                client.server.subscribe(websocket.handle, "x")
            else:
                client.server.send(websocket.handle, "x" * 1_000_000)
        return Response.upgrade() if request.is_upgrade else Response.text("in time")

    client = Client(app, limits=Limits(response_timeout=30.0, ws_ping_interval=1_000.0))
    websocket, first, second = (
        client.websocket("/", window_len=100),
        client.connect(),
        client.connect(),
    )
    for connection, path in ((first, b"/fast"), (second, b"/slow")):
        connection.wire.arrived += b"GET %b HTTP/1.1\r\nHost: h\r\n\r\n" % path
    client.server.tick()
    client.run_until_idle()
    assert [bytes(connection.wire.received)[:15] for connection in (first, second)] == [
        b"HTTP/1.1 200 OK"
    ] * 2


@pytest.mark.parametrize("act", ["close", "subscribe", "broadcast"])
@pytest.mark.parametrize("is_upgrade", [False, True], ids=["events", "websocket"])
def test_what_another_thread_wants_of_a_client_comes_after_its_answer(
    is_upgrade: bool, act: str
) -> None:
    promised: list[Deferred] = []

    def app(request: Request) -> Deferred:
        promised.append(Deferred())
        return promised[0]

    def elsewhere() -> None:
        (conn,) = client.clients()
        promised[0].resolve(Response.upgrade() if is_upgrade else Response.sse())
        if act == "close":
            client.server.close(conn)
        elif act == "subscribe":
            client.server.subscribe(conn, "news")
        client.server.broadcast("heard", topic="news" if act == "subscribe" else None)

    client = Client(app)
    connection = client.connect()
    connection.send(UPGRADE if is_upgrade else b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    thread = Thread(target=elsewhere)
    thread.start()
    thread.join()
    client.run_until_idle()
    received = bytes(connection.wire.received).partition(b"\r\n\r\n")[2]
    assert received.count(b"heard") == (act != "close")
    assert (b"\x88\x02\x03\xe8" in received) if act == "close" and is_upgrade else True
    assert connection.wire.is_shut is (act == "close" and not is_upgrade)


# -- what leaves early -----------------------------------------------------------------------------


class Stubborn(Iterator[bytes]):
    """A stream whose end ends the program."""

    def __next__(self) -> bytes:
        return b"x"

    def close(self) -> None:
        raise KeyboardInterrupt


def test_what_leaves_in_the_middle_of_a_callback_is_whole_though_a_stream_ends_the_program() -> (
    None
):
    def app(request: Request) -> Response | Deferred:
        if request.path == "/ws":
            return Response.upgrade()
        return Deferred() if request.path == "/later" else Response.stream(Stubborn())

    said = [f"{number}" + "y" * 50_000 for number in range(8)]

    def burst(server: HttpServer, conn: Conn, data: str | bytes) -> None:
        for words in said:
            server.send(other.handle, words)

    client = Client(
        app,
        limits=Limits(max_connection_cnt=1, full_policy="evict", max_ws_outbox_len=200_000),
        callbacks=Callbacks(ws_message=burst),
    )
    one, other = client.websocket("/ws"), client.websocket("/ws")
    client.connect().send(
        b"GET /later HTTP/1.1\r\nHost: h\r\n\r\nGET /stream HTTP/1.1\r\nHost: h\r\n\r\n"
    )
    client.server.kernel.connect(
        MemoryWire(Peer("newcomer", 1), None, None)
    )  # takes its place in the same tick
    one.connection.wire.arrived += frame(1, b"go")
    with pytest.raises(KeyboardInterrupt):
        client.run_until_idle()
    client.run_until_idle()
    assert other.messages() == said


@pytest.mark.parametrize("count", [0, 8])
def test_who_is_closed_before_it_is_let_in_is_told(count: int) -> None:
    def opened(server: HttpServer, conn: Conn) -> None:
        if conn.slot == 1:
            server.close(server.clients()[2], CloseReason.FULL)
            for _ in range(count):
                server.send(websocket.handle, "y" * 300_000)

    client = Client(
        lambda request: Response.upgrade(),
        limits=Limits(max_ws_outbox_len=1_000_000),
        callbacks=Callbacks(open=opened),
    )
    websocket = client.websocket("/")
    first, second = (MemoryWire(Peer(name, 1), None, None) for name in ("first", "second"))
    client.server.kernel.connect(first)
    client.server.kernel.connect(second)
    client.run_until_idle()
    assert (bytes(first.received), bytes(second.received)[:12], second.is_shut) == (
        b"",
        b"HTTP/1.1 503",
        True,
    )


def test_the_clock_of_a_server_in_memory_goes_on_after_a_tick_that_was_left() -> None:
    def pieces() -> Iterator[bytes | None]:
        yield b"a"
        yield None
        raise KeyboardInterrupt

    client = Client(lambda request: Response.stream(pieces()))
    client.connect().send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    client.server.now = 1.0
    with pytest.raises(KeyboardInterrupt):
        client.server.tick()
    client.server.now = 100.0
    client.server.tick()
    assert client.state.now == 100.0


# -- what is remembered ----------------------------------------------------------------------------


def test_cohorts_that_are_gone_are_forgotten() -> None:
    with ticking(lambda request: Response.upgrade()) as server:
        socks = [socket.create_connection((HOST, server.port)) for _ in range(50)]
        for sock in socks:
            sock.sendall(UPGRADE)
        while server.state.load.websockets < len(socks):
            server.tick(1.0)
        cohorts = server._sockets._fan_outs.cohorts
        for number in range(300):
            for conn in server.clients():
                server.subscribe(conn, f"{number}")
            server.broadcast("hello", topic=f"{number}")
            server.tick()
            for conn in server.clients():
                server.unsubscribe(conn, f"{number}")
            server.tick()
            assert cohorts.remembered <= 4_096
        assert cohorts.remembered == sum(len(cohort[0]) for _, cohort in cohorts._known.values())
        for sock in socks:
            sock.close()
        while server.clients():
            server.tick(1.0)
        assert not cohorts


def test_a_cohort_that_stalls_whole_is_reported_at_the_price_of_each_before_all_else() -> None:
    def reporting(count: int) -> int:
        engine = Engine(make_server(Limits(), 0.0, 0), parse_headers_only, lambda: TimeRead(0.0, 0))
        engine.events.append(Delivered(Conn(0, 0)))
        stalls = [FanOutStalled(Conn(slot, slot), 0, 0, 1, Subscription()) for slot in range(count)]
        calls = calls_of(lambda: [engine.report(stall) for stall in stalls])
        assert engine.events == [*stalls, Delivered(Conn(0, 0))]
        return calls

    assert reporting(1_000) <= 11 * reporting(100)


def test_what_is_reported_finds_its_place_whatever_became_of_the_events_before() -> None:
    engine = Engine(make_server(Limits(), 0.0, 0), parse_headers_only, lambda: TimeRead(0.0, 0))
    stalls = [FanOutStalled(Conn(slot, slot), 0, 0, 1, Subscription()) for slot in range(6)]
    reply = Delivered(Conn(9, 9))
    engine.report(stalls[0])
    engine.report(stalls[1])
    engine.events[:0] = [reply]
    engine.report(stalls[2])
    assert engine.events == [stalls[2], reply, *stalls[:2]]
    engine.events.clear()
    engine.report(reply)
    engine.report(stalls[3])
    engine.report(stalls[4])
    assert engine.events == [stalls[3], stalls[4], reply]
