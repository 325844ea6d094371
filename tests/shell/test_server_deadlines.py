"""Limits that are met over a socket: whoever is too slow is told or left, and in time.

Theory: a deadline is only worth something if it is kept without anybody else knocking. So these
servers run in `start`, which has to wake up by itself, and the tests only wait for the end of the
connection.
"""

import socket
import time
from collections.abc import Iterator

import pytest

from sigil import HttpServer, Limits, Request, Response
from tests.support.requests import GET
from tests.support.servers import (
    HOST,
    MIB,
    PATIENCE,
    Answer,
    Raw,
    in_thread,
    make,
    pump,
    read_answers,
    settle,
    ticking,
)

LONG = 60.0
LIMITS = Limits(
    header_timeout=LONG,
    body_timeout=LONG,
    idle_timeout=LONG,
    stall_timeout=LONG,
    linger_timeout=LONG,
    rate_grace=LONG,
)
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"


def app(request: Request) -> Response:
    """A small answer, or one that does not fit into any buffer."""
    return Response.bytes(bytes(64 * MIB)) if request.path == "/large" else Response.text("fine")


def until_the_end(server: HttpServer, data: bytes, dribble: bytes = b"") -> tuple[bytes, float]:
    """What came until the connection ended, and after how long; `dribble` is sent byte by byte
    meanwhile.
    """
    received, started = b"", time.monotonic()
    with socket.create_connection((HOST, server.port), timeout=PATIENCE) as sock:
        sock.sendall(data)
        for index in range(len(dribble)):
            sock.settimeout(0.05)
            try:
                piece = sock.recv(MIB)
            except TimeoutError:
                sock.sendall(dribble[index : index + 1])
                continue
            received += piece
            break
        sock.settimeout(PATIENCE)
        while piece := sock.recv(MIB):
            received += piece
    return received, time.monotonic() - started


def only(received: bytes) -> Answer:
    """The one answer in these bytes."""
    (answer,) = read_answers(received)
    return answer


def closed_with(server: HttpServer) -> dict[str, int]:
    """Why connections ended, once the last one has."""
    deadline = time.monotonic() + PATIENCE
    while server.clients():
        assert time.monotonic() < deadline, "a connection stays open"
        with socket.create_connection((HOST, server.port), timeout=PATIENCE) as sock:
            sock.sendall(b"GET / HTTP/1.0\r\n\r\n")
            sock.recv(MIB)
    return server.stats().closed


@pytest.mark.parametrize("dribble", [b"", b"X-Slow: as slow as can be, and slower than that"])
def test_a_head_that_does_not_end_is_408_however_steadily_it_dribbles(dribble: bytes) -> None:
    with in_thread(make(app, LIMITS._replace(header_timeout=0.4))) as server:
        received, seconds = until_the_end(server, b"GET / HTTP/1.1\r\nHost: a\r\n", dribble)
        answer = only(received)
        assert answer.status == 408
        assert "head" in answer.text
        assert answer.headers["connection"] == "close"
        assert 0.35 < seconds < 1.2
        assert closed_with(server)["HEADER_TIMEOUT"] == 1


@pytest.mark.parametrize("dribble", [b"", b"12345678"])
def test_a_body_that_falls_silent_is_408(dribble: bytes) -> None:
    with in_thread(make(app, LIMITS._replace(body_timeout=0.3))) as server:
        received, seconds = until_the_end(server, POST, dribble)
        answer = only(received)
        assert answer.status == 408
        assert "body" in answer.text
        assert seconds > 0.25
        assert closed_with(server)["BODY_TIMEOUT"] == 1


def test_a_body_that_dribbles_is_408_though_it_is_never_silent() -> None:
    limits = LIMITS._replace(rate_grace=0.3, min_body_rate=10**6)
    with in_thread(make(app, limits)) as server:
        received, seconds = until_the_end(server, POST, b"123456789")
        assert only(received).status == 408
        assert seconds > 0.25
        assert closed_with(server)["TOO_SLOW"] == 1


def test_a_connection_that_asks_nothing_is_closed_without_a_word() -> None:
    with in_thread(make(app, LIMITS._replace(idle_timeout=0.3))) as server:
        received, seconds = until_the_end(server, b"")
        assert received == b""
        assert 0.25 < seconds < 1.1
        received, seconds = until_the_end(server, GET)
        assert only(received).text == "fine"
        assert 0.25 < seconds < 1.1
        assert closed_with(server)["IDLE_TIMEOUT"] == 2


def test_a_connection_that_goes_on_asking_is_not_idle() -> None:
    with in_thread(make(app, LIMITS._replace(idle_timeout=0.3))) as server:
        with socket.create_connection((HOST, server.port), timeout=0.1) as sock:
            started = time.monotonic()
            while time.monotonic() - started < 0.8:
                sock.sendall(GET)
                assert sock.recv(MIB).endswith(b"fine")
                with pytest.raises(TimeoutError):
                    sock.recv(MIB)
        assert server.stats().accepted == 1


def test_the_clock_of_a_head_begins_with_its_first_byte() -> None:
    limits = LIMITS._replace(header_timeout=0.3, idle_timeout=LONG)
    with (
        in_thread(make(app, limits)) as server,
        socket.create_connection((HOST, server.port), timeout=0.5) as sock,
    ):
        with pytest.raises(TimeoutError):
            sock.recv(MIB)
        sock.sendall(GET)
        assert sock.recv(MIB).endswith(b"fine")


def test_a_client_that_takes_no_byte_for_too_long_is_dropped() -> None:
    limits = LIMITS._replace(stall_timeout=0.3)
    with (
        ticking(app, limits) as server,
        Raw(server, b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n", 4096) as client,
    ):
        client.reads = False
        pump(server, lambda: server.stats().outbox_bytes > 0)
        started = time.monotonic()
        pump(server, lambda: not server.clients(), patience=2.0)
        assert 0.2 < time.monotonic() - started < 1.2
        assert server.stats().closed == {"WRITE_STALL": 1}


@pytest.mark.parametrize("bytes_per_second", [20_000_000, 800_000])
def test_a_client_that_reads_slowly_but_steadily_is_not_dropped(bytes_per_second: int) -> None:
    limits = LIMITS._replace(stall_timeout=0.4)
    with (
        ticking(app, limits) as server,
        Raw(server, b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n", 65_536) as client,
    ):
        client.reads = False
        pump(server, lambda: server.stats().outbox_bytes > 0)
        taken, started = 0, time.monotonic()
        while time.monotonic() - started < 1.0:
            server.tick(0.005)
            due = int((time.monotonic() - started) * bytes_per_second) - taken
            try:
                taken += len(client.sock.recv(max(due, 1)))
            except BlockingIOError:
                continue
        assert server.stats().closed == {}


def test_after_the_last_answer_a_client_that_stays_is_left_in_time() -> None:
    limits = LIMITS._replace(linger_timeout=0.3)
    request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    with ticking(app, limits) as server, Raw(server, request) as client:
        pump(server, lambda: client.ended, client)
        assert client.answers()[0].text == "fine"
        assert len(server.clients()) == 1
        started = time.monotonic()
        pump(server, lambda: not server.clients(), patience=2.0)
        assert 0.2 < time.monotonic() - started < 1.2
        assert server.stats().closed == {"OK": 1}


def test_a_handler_and_a_stream_may_take_as_long_as_they_like() -> None:
    short = Limits(
        header_timeout=0.1,
        body_timeout=0.1,
        idle_timeout=0.1,
        stall_timeout=0.1,
        linger_timeout=0.1,
    )

    def patient(request: Request) -> Response:
        def chunks() -> Iterator[bytes]:
            until = time.monotonic() + 0.5
            while time.monotonic() < until:
                yield b""
            yield b"at last"

        return Response.stream(chunks())

    with ticking(patient, short) as server, Raw(server, GET) as client:
        pump(server, lambda: client.over, client)
        assert client.answers()[0].text == "at last"
        assert client.answers()[0].is_whole


def test_one_connection_too_many_is_503_and_after_a_close_there_is_room_again() -> None:
    limits = LIMITS._replace(max_connection_cnt=2, full_policy="503")
    with ticking(app, limits) as server, Raw(server) as one, Raw(server) as two:
        pump(server, lambda: len(server.clients()) == 2)
        for _ in range(3):
            with Raw(server) as three:
                pump(server, lambda: three.over, three)
                assert three.ended
                (answer,) = three.answers()
                assert (answer.status, answer.headers["retry-after"]) == (503, "1")
                assert answer.headers["connection"] == "close"
                assert "as many connections" in answer.text
        one.send(GET)
        pump(server, lambda: bool(one.answers()), one)
        assert server.stats().rejected == 3
        two.close()
        settle(server)
        with Raw(server, GET) as four:
            pump(server, lambda: bool(four.answers()), four)
            assert four.answers()[0].status == 200


def test_one_too_many_that_has_asked_already_still_reads_why() -> None:
    with (
        ticking(app, LIMITS._replace(max_connection_cnt=1, full_policy="503")) as server,
        Raw(server),
    ):
        pump(server, lambda: len(server.clients()) == 1)
        for data in (GET, GET * 100, POST + bytes(10), bytes(MIB)):
            for _ in range(10):
                with Raw(server, data) as late:
                    pump(server, lambda: late.over, late)
                    assert late.answers()[0].status == 503
                    assert late.answers()[0].is_whole
