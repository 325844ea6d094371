"""`open` and `close`: every connection is announced once and its end is told once, with the reason.

Theory: a program that keeps something per connection must be able to trust that each open has its
close. What a callback raises is the program's own mistake: it is logged, it costs its connection,
and nothing else.
"""

import pytest

from sigil import Callbacks, CloseReason, Conn, HttpServer, Limits, Request, Response
from tests.support.requests import GET
from tests.support.servers import (
    MIB,
    Raw,
    ask,
    end,
    hello,
    logged_by,
    make,
    pump,
    settle,
    ticking,
)


class Diary:
    """Callbacks that remember how they were called."""

    def __init__(self) -> None:
        self.opened: list[Conn] = []
        self.closed: list[tuple[Conn, CloseReason]] = []
        self.servers: set[HttpServer] = set()
        self.callbacks = Callbacks(open=self.open, close=self.close)

    def open(self, server: HttpServer, conn: Conn) -> None:
        self.servers.add(server)
        assert conn in server.clients()
        self.opened.append(conn)

    def close(self, server: HttpServer, conn: Conn, reason: CloseReason) -> None:
        self.servers.add(server)
        assert conn not in server.clients()
        self.closed.append((conn, reason))

    @property
    def reasons(self) -> list[str]:
        """Why connections ended, in order."""
        return [CloseReason(reason).name for _, reason in self.closed]


def test_open_and_close_are_called_with_the_server_the_handle_and_the_reason() -> None:
    diary = Diary()
    with ticking(callbacks=diary.callbacks) as server:
        with Raw(server, GET) as client:
            pump(server, lambda: bool(client.answers()), client)
            assert diary.opened == list(server.clients())
            assert diary.closed == []
        pump(server, lambda: not server.clients())
        assert diary.closed == [(diary.opened[0], CloseReason.PEER_CLOSED)]
        assert isinstance(diary.closed[0][1], CloseReason)
        assert diary.servers == {server}


def _leave_orderly(server: HttpServer, client: Raw) -> None:
    client.close()


def _leave_by_reset(server: HttpServer, client: Raw) -> None:
    client.reset()


def _say_close(server: HttpServer, client: Raw) -> None:
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    pump(server, lambda: client.ended, client)
    client.close()


def _say_nonsense(server: HttpServer, client: Raw) -> None:
    client.send(b"nonsense\r\n\r\n")
    pump(server, lambda: client.ended, client)
    client.close()


def _say_nothing(server: HttpServer, client: Raw) -> None:
    pump(server, lambda: client.ended, client)


def _dribble(server: HttpServer, client: Raw) -> None:
    client.send(b"GET / HT")
    pump(server, lambda: client.ended, client)


def _stop(server: HttpServer, client: Raw) -> None:
    server.stop()


def _break_off(server: HttpServer, client: Raw) -> None:
    client.send(b"GET /broken HTTP/1.1\r\nHost: a\r\n\r\n")


def _read_nothing(server: HttpServer, client: Raw) -> None:
    client.send(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n")


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (_leave_orderly, "PEER_CLOSED"),
        (_leave_by_reset, "PEER_RESET"),
        (_say_close, "OK"),
        (_say_nonsense, "BAD_REQUEST"),
        (_say_nothing, "IDLE_TIMEOUT"),
        (_dribble, "HEADER_TIMEOUT"),
        (_stop, "SHUTDOWN"),
        (_break_off, "HANDLER_ERROR"),
        (_read_nothing, "WRITE_STALL"),
    ],
)
def test_every_way_to_end_has_its_reason(act: object, reason: str) -> None:
    def handler(request: Request) -> Response:
        if request.path == "/broken":
            return Response.stream(iter(()), headers={"Content-Length": "1"})
        return Response.bytes(bytes(32 * MIB)) if request.path == "/large" else hello(request)

    diary = Diary()
    limits = Limits(idle_timeout=0.2, header_timeout=0.2, stall_timeout=0.2)
    with (
        ticking(handler, limits, diary.callbacks) as server,
        Raw(server, receive_buffer=4096) as client,
    ):
        pump(server, lambda: len(diary.opened) == 1)
        act(server, client)  # type: ignore[operator]
        pump(server, lambda: bool(diary.closed))
        assert diary.reasons == [reason]
        assert server.stats().closed == {reason: 1}


def test_each_open_has_one_close_whatever_a_crowd_does() -> None:
    diary = Diary()
    server = make(hello, Limits(max_connection_cnt=150), diary.callbacks)
    server.listen()
    crowd = []
    for index in range(200):
        crowd.append(Raw(server, (GET, b"", b"nonsense\r\n\r\n", GET[:9])[index % 4]))
        if index % 40 == 39:
            settle(server)
            for client in crowd[::3]:
                client.reset()
            for client in crowd[1::3]:
                client.close()
    settle(server)
    end(server)
    assert len(diary.opened) == len(set(diary.opened)) == server.stats().accepted
    assert sorted(diary.opened) == sorted(conn for conn, _ in diary.closed)
    for client in crowd:
        client.close()


def test_a_connection_turned_away_is_not_announced() -> None:
    diary = Diary()
    limits = Limits(max_connection_cnt=1, full_policy="503")
    with ticking(limits=limits, callbacks=diary.callbacks) as server, Raw(server):
        pump(server, lambda: len(diary.opened) == 1)
        with Raw(server) as late:
            pump(server, lambda: late.over, late)
        assert (len(diary.opened), diary.closed) == (1, [])


def test_an_open_that_raises_is_logged_and_its_connection_gets_500() -> None:
    diary = Diary()

    def failing(server: HttpServer, conn: Conn) -> None:
        if conn.generation == 1:
            raise LookupError("secret")

    callbacks = Callbacks(open=failing, close=diary.close)
    with (
        ticking(callbacks=callbacks) as server,
        logged_by("sigil.error") as lines,
        Raw(server) as good,
    ):
        pump(server, lambda: len(server.clients()) == 1)
        with Raw(server, GET) as bad:
            pump(server, lambda: bad.over, bad)
            (answer,) = bad.answers()
            assert answer.status == 500
            assert "secret" not in answer.text
        pump(server, lambda: bool(diary.closed))
        assert diary.reasons == ["HANDLER_ERROR"]
        assert len(lines) == 1
        assert "failing" in lines[0]
        assert "LookupError: secret" in lines[0]
        good.send(GET)
        pump(server, lambda: bool(good.answers()), good)
        assert ask(server).status == 200


def test_a_close_that_raises_is_logged_and_harms_nobody() -> None:
    def failing(server: HttpServer, conn: Conn, reason: CloseReason) -> None:
        raise LookupError("secret")

    with (
        ticking(callbacks=Callbacks(close=failing)) as server,
        logged_by("sigil.error") as lines,
    ):
        for _ in range(3):
            with Raw(server, GET) as client:
                pump(server, lambda: bool(client.answers()), client)
            pump(server, lambda: not server.clients())
        assert len(lines) == 3
        assert "LookupError: secret" in lines[0]
        assert ask(server).status == 200


def test_a_callback_may_stop_the_server_and_must_not_tick_it() -> None:
    def opened(server: HttpServer, conn: Conn) -> None:
        server.stop()
        server.tick()

    with (
        ticking(callbacks=Callbacks(open=opened)) as server,
        logged_by("sigil.error") as lines,
        Raw(server) as one,
    ):
        pump(server, lambda: one.over, one)
        one.half_close()
        pump(server, lambda: not server.running)
        assert "RuntimeError" in lines[0]
