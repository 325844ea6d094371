"""Calls that come in between: by whatever runs on the ticking thread between two bytecodes.

Theory: a signal handler, `__del__`, a callback of a weak reference or of the garbage collector, a
trace function: all of them run on the thread that ticks, at any bytecode, and may call the server.
A trace function can be had at every bytecode, so it stands for all; real signals and finalizers are
tried beside it.

Rules: what comes in between is counted, so nothing depends on how fast the machine is. Of each
client everything that it is to have is compared, in order: nothing lost, nothing twice, nothing
overtaken. The error log stays empty.
"""

import gc
import signal
import sys
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pytest

from sigil import Conn, Deferred, HttpServer, Limits, Request, Response
from tests.support.builds import needs_pure_sources
from tests.support.requests import GET
from tests.support.servers import Raw, logged_by, pump, settle, ticking
from tests.support.websocket_client import CallbackLog, WebSocketClient, text, websocket_clients

FILES = "/sigil/shell/"
CORE = "/sigil/core/"


@contextmanager
def at_bytecodes(
    act: Callable[[], object], first: int, every: int, max_count: int = 20
) -> Iterator[None]:
    """Call `act` on this thread at the bytecode of sigil with this number, and at every so many
    after it, but not more often than `max_count` times.
    """
    acting, count, left = False, -first, max_count

    def on_bytecode(frame: FrameType, event: str, argument: Any) -> Any:
        nonlocal acting, count, left
        if event == "opcode" and left and not acting:
            count += 1
            if count > 0 and count % every == 0:
                acting, left = True, left - 1
                act()
                acting = False
        return on_bytecode

    def on_call(frame: FrameType, event: str, argument: Any) -> Any:
        if acting or not (FILES in frame.f_code.co_filename or CORE in frame.f_code.co_filename):
            return None
        frame.f_trace_opcodes = True
        return on_bytecode

    before = sys.gettrace()
    sys.settrace(on_call)
    try:
        yield
    finally:
        sys.settrace(before)


class Scene:
    """A server whose clients echo, hear broadcasts and lag, and what they are to have."""

    def __init__(self, server: HttpServer, log: CallbackLog) -> None:
        self.server = server
        self.clients = websocket_clients(server, 3)
        (self.laggard,) = websocket_clients(server, 1, 4_096)
        self.conns = sorted(server.clients(), key=lambda conn: conn.generation)
        self.laggard.reads = False
        self.broadcasts = 0
        self.interruptions = 0
        for conn in self.conns[:2]:
            server.subscribe(conn, "side")
        for number in range(40):
            server.send(self.conns[3], bytes([number]) * 60_000)
            server.tick(0)
        assert server.buffered_amount(self.conns[3]) > 0
        settle(server, *self.clients)

    def turn(self, number: int) -> None:
        """One turn of the program: clients speak, it broadcasts, the server ticks."""
        for client in self.clients:
            client.send(text(f"echo {number}"))
        self.server.broadcast(f"news {number}")
        self.server.tick(0.01)
        for client in self.clients:
            client.poll()

    def end(self, turns: int) -> None:
        """Everybody has all that is owed to them, in order."""
        everybody = (*self.clients, self.laggard)
        expected = {
            b"echo": [b"echo %d" % number for number in range(turns)],
            b"news": [b"news %d" % number for number in range(turns)],
        }
        self.laggard.reads = True

        def of(client: WebSocketClient, word: bytes) -> list[bytes]:
            return [message for message in client.messages if message.startswith(word)]

        self.server.tick()  # what is queued comes before the last word
        self.server.broadcast("the end")
        pump(
            self.server,
            lambda: (
                all(b"the end" in client.received for client in everybody)
                and all(client.received.count(b"echo") == turns for client in self.clients)
            ),
            *everybody,
        )
        cuts = [b"cut %d" % number for number in range(1, self.interruptions + 1)]
        for client in self.clients:
            assert of(client, b"echo") == expected[b"echo"]
            assert of(client, b"news") == expected[b"news"]
            assert of(client, b"cut") == cuts
        assert of(self.laggard, b"cut") == cuts
        assert of(self.laggard, b"news") == expected[b"news"]
        assert [m[:1] for m in self.laggard.messages if len(m) == 60_000] == [
            bytes([number]) for number in range(40)
        ]


def app(request: Request) -> Response:
    """A page, a stream, or the WebSocket."""
    if request.is_upgrade:
        return Response.upgrade()
    if request.path == "/stream":
        return Response.stream(b"%d," % number for number in range(50))
    return Response.text("page")


def echo(server: HttpServer, conn: Conn, data: str | bytes) -> None:
    """Say back what came."""
    server.send(conn, data)


LIMITS = Limits(
    tcp_notsent_lowat=4_096, max_ws_outbox_len=8 * 2**20, stall_timeout=3_600, rate_grace=3_600
)
"""The laggard may lag for as long as the tracing takes, which a busy machine makes long."""


@contextmanager
def scene() -> Iterator[Scene]:
    """The scene, whose error log stays empty."""
    log = CallbackLog(ws_message=echo)
    with ticking(app, LIMITS, log.callbacks) as server, logged_by("sigil.error") as lines:
        yield Scene(server, log)
        assert lines == []


def broadcast(it: Scene) -> None:
    """A word to all."""
    it.interruptions += 1
    it.server.broadcast(f"cut {it.interruptions}")


def send(it: Scene) -> None:
    """A word to each."""
    it.interruptions += 1
    for conn in it.conns:
        it.server.send(conn, f"cut {it.interruptions}")


def stage(it: Scene) -> None:
    """A word to all that is put together, but not while the program does that."""
    it.interruptions += 1
    it.server.printf("cut %d", it.interruptions)
    it.server.ws_broadcast()


def mixed(it: Scene) -> None:
    """Words to all and to each in turn, and questions."""
    server = it.server
    (broadcast, send)[it.interruptions % 2](it)
    server.subscribe(it.conns[0], "a")
    server.unsubscribe(it.conns[0], "a")
    assert len(server.clients()) == 4
    assert server.stats().clients == 4
    assert server.buffered_amount(it.conns[3]) >= 0
    assert server.peer(it.conns[0]) is not None
    assert server.position()
    assert server.next_deadline() is not None
    assert server.running
    assert server.fileno() >= 0
    server.wake()


TURNS = 40


@needs_pure_sources
@pytest.mark.parametrize("act", [broadcast, send, stage, mixed])
def test_calls_at_any_bytecode_of_a_tick_lose_nothing(act: Callable[[Scene], None]) -> None:
    """Each turn at other bytecodes: a few hundred apart, and each time a few further on."""
    with scene() as it:
        for number in range(TURNS):
            with at_bytecodes(lambda: act(it), number * 11, 11 * TURNS):
                it.turn(number)
        assert it.interruptions > 3 * TURNS
        it.end(TURNS)


@needs_pure_sources
@pytest.mark.parametrize("first", range(0, 4_000, 500))
def test_calls_at_each_single_bytecode_of_a_piece_of_a_tick_lose_nothing(first: int) -> None:
    with scene() as it:
        with at_bytecodes(lambda: broadcast(it), first, 1, 500):
            it.turn(0)
        assert it.interruptions > 0
        it.end(1)


@needs_pure_sources
def test_closing_at_any_bytecode_closes_that_one_only() -> None:
    for first in range(0, 1_500, 137):
        with scene() as it:
            doomed = websocket_clients(it.server, 1)[0]
            conn = max(it.server.clients(), key=lambda conn: conn.generation)

            def close() -> None:
                it.server.close(conn, 4000, "cut")  # noqa: B023

            with at_bytecodes(close, first, 211):
                it.turn(0)
            pump(it.server, lambda: doomed.close_code == 4000, doomed)  # noqa: B023
            for client in it.clients:
                pump(it.server, lambda: len(client.messages) == 2, client)  # noqa: B023
                assert client.messages == [b"news 0", b"echo 0"] or client.messages == [
                    b"echo 0",
                    b"news 0",
                ]


@needs_pure_sources
def test_resolving_at_any_bytecode_answers_once() -> None:
    for first in range(0, 1_000, 97):
        promises: list[Deferred] = []

        def app(request: Request) -> Deferred:
            promises.append(Deferred())  # noqa: B023
            return promises[-1]  # noqa: B023

        def resolve() -> None:
            for promise in promises:  # noqa: B023
                promise.resolve(Response.text("late"))

        with ticking(app) as server, Raw(server, GET) as client:
            with at_bytecodes(resolve, first, 89, 100):
                for _ in range(4):
                    server.tick(0.01)
            resolve()
            pump(server, lambda: bool(client.answers()), client)
            assert [answer.text for answer in client.answers("GET", "GET")] == ["late"]


@needs_pure_sources
def test_stopping_at_any_bytecode_answers_who_has_asked() -> None:
    for first in range(0, 1_500, 101):
        with ticking() as server, Raw(server, GET) as client:
            with at_bytecodes(lambda: server.stop(5.0), first, 1, 1):
                for _ in range(5):
                    server.tick(0.01)
            pump(server, lambda: client.over, client)
            assert not client.received or client.answers()[0].status in (200, 503)


@needs_pure_sources
def test_staging_at_any_bytecode_of_a_staging_program_loses_no_piece() -> None:
    """Pieces that come in between are in a message of their own, or in the program's: whole in
    either case.
    """
    pieces = 0

    def piece() -> None:
        nonlocal pieces
        pieces += 1
        server.printf("[cut %d]", pieces)
        server.ws_broadcast()

    with ticking(app) as server:
        (client,) = websocket_clients(server, 1)
        with at_bytecodes(piece, 0, 5, 1_000):
            for number in range(20):
                server.printf("{%d", number)
                server.memcpy(b"}")
                server.ws_broadcast()
        pump(server, lambda: b"".join(client.messages).count(b"cut") == pieces, client)
        said = b"".join(client.messages).decode()
        assert all(said.count(f"{{{number}") == 1 for number in range(10, 20))
        assert said.count("}") == 20
        assert all(said.count(f"[cut {number}]") == 1 for number in range(1, pieces + 1))


@needs_pure_sources
def test_calls_that_interrupt_are_bounded_like_those_of_other_threads() -> None:
    statuses = []
    limits = LIMITS._replace(max_thread_queue_len=10_000)
    with ticking(app, limits) as server:
        (client,) = websocket_clients(server, 1)

        def act() -> None:
            statuses.append(server.broadcast("x" * 500))

        with at_bytecodes(act, 0, 1, 100):
            server.tick()
        assert {str(status.name) for status in statuses} >= {"SUCCESS", "DROPPED"}
        pump(
            server,
            lambda: len(client.messages) == sum(status.name != "DROPPED" for status in statuses),
            client,
        )


# -- the real ones ---------------------------------------------------------------------------------


def test_broadcasts_of_a_signal_handler_and_echoes_lose_nothing() -> None:
    """As many alarms as can be had, until there were enough of them."""
    with scene() as it:
        turns, is_handling = 0, False

        def on_alarm(number: int, frame: FrameType | None) -> None:
            nonlocal is_handling
            if not is_handling:  # a slow machine interrupts the handler itself
                is_handling = True
                broadcast(it)
                is_handling = False

        before = signal.signal(signal.SIGALRM, on_alarm)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.0004, 0.0004)
            while it.interruptions < 2_000:
                it.turn(turns)
                turns += 1
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        it.end(turns)


class Loop:
    """Garbage that only the collector finds, and that calls something when it is found."""

    def __init__(self, act: Callable[[], None]) -> None:
        self.itself = self
        self.act = act

    def __del__(self) -> None:
        self.act()


def test_finalizers_weak_references_and_the_collector_lose_nothing() -> None:
    with scene() as it:
        thresholds = gc.get_threshold()

        def on_collection(phase: str, info: dict[str, int]) -> None:
            if it.interruptions < 3_000:
                broadcast(it)

        gc.callbacks.append(on_collection)
        gc.set_threshold(20)
        references = []
        try:
            for number in range(20):
                for _ in range(5):
                    Loop(lambda: broadcast(it))
                    garbage = Loop(lambda: None)
                    references.append(weakref.ref(garbage, lambda _: broadcast(it)))
                it.turn(number)
        finally:
            gc.set_threshold(*thresholds)
            gc.callbacks.remove(on_collection)
        gc.collect()
        assert it.interruptions > 100
        it.end(20)
