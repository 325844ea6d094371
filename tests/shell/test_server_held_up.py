"""A loop that was held up, over sockets: whoever was well meanwhile is well afterwards.

Theory: what holds a loop up (SIGSTOP, a debugger, a slow frame) is nothing but a clock that has
gone on between two ticks, while the kernel went on taking and giving bytes. So the server's clock
is one that the test can set, the clients do what they do, and all timeouts are a second.

Rules: nobody waits for anything but for what is to be seen. It does not know how deadlines are
kept.
"""

import pytest

from sigil import Callbacks, CloseReason, HttpServer, Request, Response
from sigil.core.events import InputRead, TickStarted, TimeRead
from sigil.shell.loop.clock import read_clock
from tests.support.requests import GET, UPGRADE
from tests.support.servers import MIB, PATIENCE, Raw, pump, settle, ticking
from tests.support.timeouts import SECOND
from tests.support.websocket_client import close_frame, frame, read_frames, text

HELD_UP = 1.2
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"


class Clock:
    """The clock of a server, which can be set forward."""

    def __init__(self, server: HttpServer) -> None:
        self._ahead = 0.0
        server._engine.clock = self

    def __call__(self) -> TimeRead:
        read = read_clock()
        return TimeRead(read.now + self._ahead, read.unix_time + int(self._ahead))

    def hold_up(self, seconds: float = HELD_UP) -> None:
        """So much time passes before the next tick."""
        self._ahead += seconds


def app(request: Request) -> Response:
    """An upgrade, a large response, or how long the body was."""
    if request.is_upgrade:
        return Response.upgrade()
    if request.path == "/large":
        return Response.bytes(bytes(16 * MIB))
    return Response.text(str(len(request.body)))


def talk(server: HttpServer, client: Raw) -> None:
    """Make a WebSocket of this client."""
    client.send(UPGRADE)
    pump(server, lambda: client.received.endswith(b"\r\n\r\n"), client)
    client.received.clear()


@pytest.mark.parametrize("seconds", [HELD_UP, 60.0])
@pytest.mark.parametrize(
    ("first", "then"),
    [
        (b"", GET),
        (GET[:-1], GET[-1:]),
        (GET[:20], GET[20:]),
        (b"", POST % MIB + bytes(MIB)),
        (POST % MIB, bytes(MIB)),
        (POST % (8 * MIB) + bytes(MIB), bytes(7 * MIB)),
    ],
    ids=["request", "last byte", "head", "head and body", "body", "long body"],
)
def test_a_request_that_was_sent_in_time_is_answered(
    first: bytes, then: bytes, seconds: float
) -> None:
    with ticking(app, SECOND) as server, Raw(server, first) as client:
        clock = Clock(server)
        settle(server, client)
        client.send(then)
        clock.hold_up(seconds)
        pump(server, lambda: client.over or bool(client.answers()), client)
        assert [answer.status for answer in client.answers("POST")] == [200]


def test_an_upload_and_a_download_go_on_though_every_tick_is_late() -> None:
    limits = SECOND._replace(min_body_rate=1_000, min_read_rate=1_000)
    with (
        ticking(app, limits) as server,
        Raw(server, POST % (2 * MIB)) as sender,
        Raw(server, b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n") as reader,
    ):
        clock = Clock(server)
        sender.send(bytes(2 * MIB))

        def are_done() -> bool:
            clock.hold_up()
            return bool(sender.answers("POST")) and len(reader.received) > 16 * MIB

        pump(server, are_done, sender, reader, patience=6 * PATIENCE)
        assert sender.answers("POST")[0].text == str(2 * MIB)
        assert reader.answers()[0].is_whole


def test_who_is_ready_and_has_no_turn_yet_is_not_late() -> None:
    limits = SECOND._replace(max_reads_per_tick=1)
    with ticking(app, limits) as server:
        clock = Clock(server)
        clients = [Raw(server) for _ in range(20)]
        pump(server, lambda: len(server.clients()) == 20)
        for client in clients:
            client.send(GET)

        def are_answered() -> bool:
            clock.hold_up(0.3)
            return all(client.over or client.answers() for client in clients)

        pump(server, are_answered, *clients)
        assert [len(client.answers()) for client in clients] == [1] * 20
        for client in clients:
            client.close()


def test_a_pong_in_the_kernel_counts() -> None:
    with ticking(app, SECOND) as server, Raw(server) as client:
        clock = Clock(server)
        talk(server, client)
        for _ in range(3):
            clock.hold_up()
            pump(server, lambda: bool(client.received), client)
            assert [opcode for opcode, _ in read_frames(bytes(client.received))[0]] == [9]
            client.received.clear()
            client.send(frame(10))
            clock.hold_up()
            server.tick()
            client.poll()
            assert 8 not in [opcode for opcode, _ in read_frames(bytes(client.received))[0]]
            client.received.clear()
        assert not client.over


def test_the_answer_to_our_close_frame_counts() -> None:
    told: list[tuple[CloseReason, int]] = []
    callbacks = Callbacks(ws_close=lambda server, conn, reason, code: told.append((reason, code)))
    with ticking(app, SECOND, callbacks) as server, Raw(server) as client:
        clock = Clock(server)
        talk(server, client)
        (conn,) = server.clients()
        server.close(conn, 4_000)
        pump(server, lambda: bool(client.received), client)
        client.send(text("one more") + close_frame(4_000))
        clock.hold_up()
        pump(server, lambda: client.over, client)
        assert told == [(CloseReason.OK, 4_000)]
        assert client.ended


def test_who_reads_all_there_is_is_not_one_that_takes_nothing() -> None:
    with (
        ticking(app, SECOND) as server,
        Raw(server, b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n", 65_536) as client,
    ):
        clock = Clock(server)
        client.reads = False
        pump(server, lambda: server.stats().outbox_bytes > 0)
        client.reads = True
        client.poll()
        clock.hold_up()
        pump(server, lambda: client.over or len(client.received) > 16 * MIB, client)
        assert client.answers()[0].is_whole


def test_a_last_response_that_was_read_is_an_orderly_end() -> None:
    with (
        ticking(app, SECOND) as server,
        Raw(server, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n") as client,
    ):
        clock = Clock(server)
        pump(server, lambda: client.ended, client)
        client.send(bytes(1_000))  # it goes on sending, and is not reset for it
        client.half_close()
        clock.hold_up()
        pump(server, lambda: not server.clients(), client)
        assert (client.broken, server.stats().closed) == (False, {"OK": 1})


def test_a_stop_that_comes_too_late_answers_who_has_asked() -> None:
    with ticking(app, SECOND) as server, Raw(server, GET[:-1]) as client:
        clock = Clock(server)
        settle(server, client)
        server.stop(1.0)
        server.tick()
        client.send(GET[-1:])
        clock.hold_up(60.0)
        pump(server, lambda: client.over, client)
        assert [answer.status for answer in client.answers()] == [200]


def test_the_end_of_a_tick_that_was_broken_off_is_forgotten() -> None:
    with ticking(app, SECOND) as server, Raw(server) as client:
        settle(server, client)
        engine = server._engine
        engine.events += [TickStarted(0.0, 0), InputRead()]
        engine.forget_tick()
        assert engine.events == []


ENDS: list[tuple[str, bytes, str]] = [
    ("idle", b"", "IDLE_TIMEOUT"),
    ("head", GET[:-1], "HEADER_TIMEOUT"),
    ("body", POST % 9, "BODY_TIMEOUT"),
]


@pytest.mark.parametrize(("first", "reason"), [end[1:] for end in ENDS], ids=[e[0] for e in ENDS])
def test_who_says_nothing_is_ended_though_every_tick_is_late(first: bytes, reason: str) -> None:
    limits = SECOND._replace(rate_grace=9.0)
    with ticking(app, limits) as server, Raw(server, first) as client:
        clock = Clock(server)
        pump(server, lambda: len(server.clients()) == 1)
        settle(server, client)
        ticks = 0
        while server.clients():
            clock.hold_up(5.0)
            server.tick()
            client.poll()
            ticks += 1
        assert (server.stats().closed, ticks <= 6) == ({reason: 1}, True)
