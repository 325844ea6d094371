"""User code takes its time, and nobody else waits for all of it: what is begun in one tick, what
waits for the next, and in which order.

The clock is a number, which the program itself moves on: what it calls slow takes as long as that.
"""

import zlib
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from sigil import ALL_TOPICS, Callbacks, Conn, Limits, Peer, Request, Response
from sigil.core.close_reasons import CloseReason
from sigil.core.conn import Ticket
from sigil.core.effects import CallClose, CallOpen, Pull
from sigil.shell.program.run_queue import RunQueue, Work
from sigil.testing import Client, MemoryServer
from sigil.testing.kernel import Wire
from tests.support.requests import UPGRADE
from tests.support.websocket_client import frame

GET = b"GET /%b HTTP/1.1\r\nHost: h\r\n\r\n"
SLOW_SECONDS = 0.1


class Program:
    """A program all of whose parts take long, and note down what they did."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.calls: list[str] = []
        self.client = Client(
            self.handle,
            limits=limits or Limits(),
            callbacks=Callbacks(
                open=lambda server, conn: self.note("open"),
                close=lambda server, conn, reason: self.note("close"),
                ws_open=lambda server, conn, request: self.note("ws_open"),
                ws_message=self.on_message,
                ws_close=lambda server, conn, reason, code: self.note("ws_close"),
            ),
        )
        self.server = self.client.server

    def note(self, call: str) -> None:
        """Take long, and note it down."""
        self.server.now += SLOW_SECONDS
        self.calls.append(call)

    def handle(self, request: Request) -> Response:
        """A handler that takes long, unless it is asked for what is quick."""
        if request.is_upgrade:
            return Response.upgrade()
        if request.path == "/quick":
            return Response.text("quick")
        if request.path == "/stream":
            return Response.stream(self.chunks())
        self.note(request.path)
        return Response.text(request.path)

    def chunks(self) -> Iterator[bytes]:
        """A stream each of whose chunks takes long."""
        for number in range(5):
            self.note(f"chunk {number}")
            yield b"x"

    def on_message(self, server: object, conn: Conn, data: str | bytes) -> None:
        """A callback that takes long, and answers."""
        self.note(str(data))
        self.server.send(conn, data)


def deflated(text: str) -> bytes:
    """A compressed message from a client."""
    squeezer = zlib.compressobj(wbits=-15)
    payload = squeezer.compress(text.encode()) + squeezer.flush(zlib.Z_SYNC_FLUSH)
    return frame(0x41, payload[:-4])


def pipelined(program: Program) -> str:
    """Requests that came together."""
    connection = program.client.connect()
    connection.wire.arrived += b"".join(GET % b"%d" % number for number in range(5))
    return "/0 /1 /2 /3 /4"


def many_connections(program: Program) -> str:
    """Requests of many connections."""
    for number, connection in enumerate([program.client.connect() for _ in range(5)]):
        connection.wire.arrived += GET % b"%d" % number
    return "/0 /1 /2 /3 /4"


def messages(program: Program) -> str:
    """Messages that came together."""
    connection = program.client.connect()
    connection.send(UPGRADE)
    connection.wire.arrived += b"".join(frame(1, b"%d" % number) for number in range(5))
    return "0 1 2 3 4"


def compressed_messages(program: Program) -> str:
    """Compressed messages that came together."""
    connection = program.client.connect()
    head = UPGRADE.replace(b"\r\n\r\n", b"\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n")
    connection.send(head)
    connection.wire.arrived += b"".join(deflated(f"{number}") for number in range(5))
    return "0 1 2 3 4"


def streams(program: Program) -> str:
    """A stream whose chunks are made one after the other."""
    program.client.connect().wire.arrived += GET % b"stream"
    return "chunk 0,chunk 1,chunk 2,chunk 3,chunk 4"


def arrivals(program: Program) -> str:
    """Connections that are made together."""
    for number in range(5):
        program.server.kernel.connect(Wire(Peer("test", number), None, None))
    return "open open open open open"


def departures(program: Program) -> str:
    """Connections that end together."""
    connections = [program.client.connect() for _ in range(5)]
    program.client.run_until_idle()
    for connection in connections:
        connection.wire.has_reset = True
    return "close close close close close"


KINDS = (
    pipelined,
    many_connections,
    messages,
    compressed_messages,
    streams,
    arrivals,
    departures,
)


@pytest.mark.parametrize("begin", KINDS)
def test_one_slow_piece_of_user_code_is_begun_in_a_tick(
    begin: Callable[[Program], str],
) -> None:
    program = Program()
    wanted = begin(program)
    expected = wanted.split("," if "," in wanted else " ")
    program.calls.clear()
    counts = Counter[int]()
    while program.server.has_work:
        before = len(program.calls)
        program.server.tick()
        counts[len(program.calls) - before] += 1
    calls = [call for call in program.calls if call in expected]
    assert calls == expected
    assert max(counts) == 1


@pytest.mark.parametrize("begin", KINDS)
def test_somebody_else_waits_for_one_of_each_connection_at_most(
    begin: Callable[[Program], str],
) -> None:
    program = Program()
    other = program.client.connect()
    other.send(GET % b"quick")
    expected = begin(program)
    connection_count = max(2, len(program.server.clients()))
    while not program.calls or program.calls[-1] not in expected:
        program.server.tick()
    other.wire.arrived += GET % b"quick"
    before = len(program.calls)
    while len(other.answers()) < 2:
        program.server.tick()
    assert len(program.calls) - before <= connection_count


@pytest.mark.parametrize("begin", KINDS)
def test_what_has_time_is_done_in_one_tick(begin: Callable[[Program], str]) -> None:
    program = Program(Limits(max_user_seconds_per_tick=10.0))
    begin(program)
    program.client.server.tick()
    program.client.server.tick()
    assert not program.server._engine.run_queue.count


def test_what_is_answered_leaves_before_the_rest_runs() -> None:
    program = Program()
    connection = program.client.connect()
    program.client.run_until_idle()
    connection.wire.arrived += (GET % b"slow") * 10
    seen = []
    for _ in range(10):
        program.server.tick()
        seen.append(len(connection.answers()))
    assert seen == list(range(1, 11))


def test_what_a_callback_sends_leaves_before_the_next_one_runs() -> None:
    program = Program()
    wire = program.client.websocket("/").connection.wire
    for number in range(4):
        wire.arrived += frame(1, b"%d" % number)
    received, seen = bytes(wire.received), []
    for _ in range(4):
        program.server.tick()
        seen.append(bytes(wire.received).removeprefix(received))
    assert seen == [b"".join(b"\x81\x01%d" % n for n in range(last + 1)) for last in range(4)]


def test_a_stop_ends_a_pipeline_when_its_grace_is_over() -> None:
    program = Program()
    connection = program.client.connect()
    program.client.run_until_idle()
    connection.wire.arrived += (GET % b"slow") * 60
    program.server.tick()
    began = program.server.now
    program.server.stop(1.0)
    while program.server.running:
        program.server.tick()
    assert program.server.now - began <= 1.0 + 3 * SLOW_SECONDS
    statuses = [answer.status for answer in connection.answers()]
    assert statuses == [200] * (len(statuses) - 1) + [503]
    assert len(statuses) > 5


@pytest.mark.parametrize("begin", [pipelined, messages, compressed_messages])
def test_nothing_is_done_for_a_connection_that_has_broken(
    begin: Callable[[Program], str],
) -> None:
    program = Program()
    expected = begin(program)
    while not program.calls or program.calls[-1] not in expected:
        program.server.tick()
    (conn,) = program.server.clients()
    wire = program.server.kernel.find(conn)
    assert wire is not None
    wire.has_reset = True
    program.client.run_until_idle()
    assert [call for call in program.calls if call in expected.split()] == expected.split()[:1]
    assert program.calls[-1] == "close"


def test_open_comes_before_messages_and_these_before_close() -> None:
    program = Program()
    connection = program.client.connect()
    frames = b"".join(frame(1, b"%d" % number) for number in range(4))
    connection.send(UPGRADE)
    connection.send(frames + frame(8, b"\x03\xe8"))
    connection.half_close()
    program.client.run_until_idle()
    assert program.calls == ["open", "ws_open", "0", "1", "2", "3", "ws_close", "close"]


def test_a_message_behind_our_close_frame_is_not_delivered() -> None:
    program = Program()
    websocket = program.client.websocket("/")
    websocket.connection.wire.arrived += b"".join(frame(1, b"%d" % n) for n in range(4))
    program.server.tick()
    program.server.close(websocket.handle)
    program.client.run_until_idle()
    assert program.calls == ["open", "ws_open", "0", "ws_close", "close"]


def greeting(response: Callable[[], Response]) -> Client:
    """A program whose handler takes long, and which sends newcomers a greeting."""

    def handle(request: Request) -> Response:
        client.server.now += SLOW_SECONDS
        return response()

    def greet(server: MemoryServer, conn: Conn, request: Request) -> None:
        server.send(conn, "greeting")

    client = Client(handle, callbacks=Callbacks(ws_open=greet, sse_open=greet))
    return client


@pytest.mark.parametrize("response", [Response.upgrade, lambda: Response.sse(topics=[ALL_TOPICS])])
def test_what_a_newcomer_is_greeted_with_precedes_what_is_broadcast_behind_the_tick(
    response: Callable[[], Response],
) -> None:
    client = greeting(response)
    connections = [client.connect() for _ in range(3)]
    client.run_until_idle()
    for connection in connections:
        connection.wire.arrived += UPGRADE
    for _ in range(20):
        client.server.tick()
        client.server.broadcast("news")
    client.run_until_idle()
    for connection in connections:
        received = bytes(connection.wire.received)
        assert 0 < received.find(b"greeting") < received.find(b"news")


# -- the queue itself ------------------------------------------------------------------------------


class Clock:
    """A clock that a test moves on."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def pull(slot: int, number: int = 0) -> Pull:
    """Work for a connection."""
    return Pull(Ticket(Conn(slot, slot), number))


def drain(queue: RunQueue) -> list[Work]:
    """All that waits, in the order of its turns, one in each tick."""
    done = []
    while queue.count:
        queue.begin_tick()
        work = queue.next()
        assert work is not None
        done.append(work)
    return done


def test_nothing_waits_while_there_is_time() -> None:
    clock = Clock()
    queue = RunQueue(1.0, clock)
    assert not queue.defers(pull(0))
    clock.now = 0.9
    assert not queue.defers(pull(1))
    clock.now = 1.0
    assert queue.defers(pull(2))
    assert (queue.count, len(queue), queue.next()) == (1, 1, None)
    queue.begin_tick()
    assert queue.defers(pull(3))
    assert (queue.next(), queue.next()) == (pull(2), pull(3))


def test_whoever_has_had_a_turn_alternates_with_whoever_has_not() -> None:
    queue = RunQueue(0.0, Clock())
    for number in range(4):
        queue.put(pull(0, number))
    assert queue.next() == pull(0, 0)
    queue.begin_tick()
    for slot in (1, 2, 3):
        queue.put(pull(slot))
    order = drain(queue)
    assert [work.ticket.conn.slot for work in order if isinstance(work, Pull)] == [
        *(0, 1, 0, 2, 0, 3)
    ]


def test_the_rest_of_work_goes_before_all_else_of_its_connection() -> None:
    queue = RunQueue(0.0, Clock())
    queue.put(pull(0, 2))
    queue.put_first(Conn(0, 0), pull(0, 0), pull(0, 1))
    assert drain(queue) == [pull(0, 0), pull(0, 1), pull(0, 2)]


def test_with_no_time_at_all_one_runs_in_every_tick() -> None:
    queue = RunQueue(0.0, Clock())
    assert not queue.defers(pull(0))
    assert queue.defers(pull(1))
    assert drain(queue) == [pull(1)]


def test_more_connections_than_can_be_open_do_not_wait() -> None:
    limits, queue = Limits(max_connection_cnt=2, max_ws_connection_cnt=1), RunQueue(0.0, Clock())
    for slot in range(3):
        assert queue.room(limits) == 3 - slot
        queue.put(CallOpen(Conn(slot, slot)))
        queue.put(CallClose(Conn(slot, slot), CloseReason.OK))
    queue.put(CallOpen(Conn(3, 3)))
    assert queue.room(limits) == 0
