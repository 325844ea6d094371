"""A loop that was held up: for everything that a connection can wait for, what came in time counts,
what could not come because of us has its time, and what does not come has its end.
"""

from itertools import count
from math import inf
from typing import NamedTuple

import pytest

from sigil.core.close_reasons import CloseReason
from sigil.core.connection.deadlines import Waiting, deadline_of, waiting_for
from sigil.core.effects import Effect
from sigil.core.events import (
    Accepted,
    CloseRequested,
    Delivered,
    Event,
    HalfClosed,
    InputRead,
    Received,
    Stalled,
    Stop,
    StreamChunk,
    TickStarted,
    TimeRead,
    Writable,
)
from sigil.core.http.response import Response
from sigil.core.limits import Limits
from sigil.core.securing import Secured
from sigil.core.server import advance
from sigil.core.server.clock import next_deadline
from sigil.core.server.held_up import NEVER_HELD_UP, judged_at, when_read, when_tick_started
from sigil.core.server.slots import clients_of
from sigil.core.server.state import Server, counted_now, make_server
from sigil.core.server.stats import stats
from sigil.core.server.timer_wheel import make_wheel, schedule
from sigil.core.tls import Tls
from sigil.core.websocket.frames import encode_masked
from tests.support.core_driver import (
    CONN,
    HELLO,
    OK,
    OK_BYTES,
    PEER,
    advance_by,
    answered,
    asked,
    at,
    bytes_of,
    client_of,
    effect_names,
    looked_until,
    same,
    serving,
    ticket,
    told_what_is_held,
)
from tests.support.core_websockets import FLUSH, binary, close, just_upgraded, open_websocket, text
from tests.support.requests import GET
from tests.support.timeouts import SECOND

LAST = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
MIB = 2**20


class Row(NamedTuple):
    """A server with one connection that waits for something, and the event that it waits for."""

    waiting: Waiting
    server: Server
    event: Event


def streaming(response: Response) -> Server:
    """A server that has begun to stream a response."""
    return advance_by(asked(GET, SECOND), answered(0, response))[0]


ROWS = (
    Row(Waiting.IDLE, serving(SECOND), Received(CONN, GET)),
    Row(Waiting.HEADER, asked(GET[:-1], SECOND), Received(CONN, GET[-1:])),
    Row(Waiting.BODY, asked(HELLO[:-1], SECOND), Received(CONN, HELLO[-1:])),
    Row(Waiting.RESPONSE, asked(GET, SECOND), answered(0, OK)),
    Row(Waiting.CHUNK, streaming(Response.stream(())), StreamChunk(ticket(0), b"x")),
    Row(Waiting.SSE, streaming(Response.sse(())), StreamChunk(ticket(0), b"data: x\n\n")),
    Row(
        Waiting.WRITE,
        advance_by(asked(GET, SECOND), answered(0, OK), Stalled(CONN, 0, (OK_BYTES,)))[0],
        Writable(CONN),
    ),
    Row(
        Waiting.LINGER,
        advance_by(asked(LAST, SECOND), answered(0, OK))[0],
        HalfClosed(CONN),
    ),
    Row(Waiting.PING, open_websocket(SECOND), Received(CONN, text("a"))),
    Row(
        Waiting.PONG,
        advance_by(open_websocket(SECOND), at(1.0), FLUSH)[0],
        Received(CONN, encode_masked(10, b"", b"\1\2\3\4")),
    ),
    Row(
        Waiting.CLOSE,
        advance_by(open_websocket(SECOND), CloseRequested(CONN, CloseReason.OK), FLUSH)[0],
        Received(CONN, close(b"\x03\xe8")),
    ),
    Row(
        Waiting.CALLBACK,  # so much waits for the program that nothing is read
        advance_by(just_upgraded(SECOND), Received(CONN, binary(bytes(70_000))))[0],
        Delivered(CONN),
    ),
    Row(Waiting.HANGUP, advance_by(asked(GET, SECOND), HalfClosed(CONN))[0], answered(0, OK)),
    Row(
        Waiting.POLL,
        advance_by(asked(GET, SECOND), answered(0, Response.poll(timeout=1.0)))[0],
        HalfClosed(CONN),
    ),
    Row(
        Waiting.HANDSHAKE,
        advance_by(make_server(SECOND, 0.0, 0), Accepted(7, PEER, is_tls=True))[0],
        Secured(CONN, Tls("TLSv1.3", "TLS_AES_256_GCM_SHA384")),
    ),
)
every_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.waiting.name)


def test_there_is_a_row_for_everything_that_a_connection_can_wait_for() -> None:
    assert [row.waiting for row in ROWS] == list(Waiting)
    assert all(waiting_for(client_of(row.server)) is row.waiting for row in ROWS)


def held_up(server: Server, *events: Event, seconds: float = 60.0) -> tuple[Server, list[Effect]]:
    """The server after a tick that comes so late, in which these events are read."""
    start = TickStarted(server.now + seconds, server.unix_time)
    return advance(server, [start, *events, InputRead()])


@every_row
@pytest.mark.parametrize("seconds", [1.2, 60.0])
def test_what_came_in_time_counts(row: Row, seconds: float) -> None:
    _, expected = advance(row.server, [row.event])
    after, effects = held_up(row.server, row.event, seconds=seconds)
    assert same(effects, expected)
    assert same(held_up(after, seconds=seconds)[1], [])  # and it has its time anew


@every_row
def test_what_did_not_come_in_the_time_in_which_nobody_looked_may_come_yet(row: Row) -> None:
    _, expected = advance(row.server, [row.event])
    server, effects = held_up(row.server)
    assert effects == []
    server, effects = looked_until(server, server.now + 0.45)
    assert effects == []
    assert same(advance(server, [row.event])[1], expected)


@every_row
def test_what_does_not_come_is_over_soon_and_so_it_is_if_every_tick_is_late(row: Row) -> None:
    server, _ = held_up(row.server)
    _, effects = looked_until(server, server.now + 1.6)
    assert bool(effects) == (row.waiting is not Waiting.CALLBACK) or server.unflushed
    server, ticks = row.server, 0
    for ticks in count(1):
        server, effects = held_up(server)
        server, more = advance(server, [FLUSH])
        if effects or more or ticks > 9:
            break
    assert ticks <= 3 or row.waiting is Waiting.CALLBACK


@every_row
def test_who_is_ready_and_unread_is_judged_by_no_tick_that_has_not_read_it(row: Row) -> None:
    server = row.server
    for _ in range(20):  # late or in time, as long as it is ready and there is no turn for it
        start = TickStarted(server.now + 1.0, server.unix_time)
        server, effects = advance(server, [start, InputRead(frozenset((CONN,)))])
        assert effects == []
    look = next_deadline(server)
    assert look is None or look <= server.now + 0.6 or row.waiting is Waiting.CALLBACK
    assert same(held_up(server, row.event)[1], advance(row.server, [row.event])[1])


# -- rates, and what else has an end ---------------------------------------------------------------


def test_a_body_above_its_rate_is_not_slower_for_what_the_loop_was_held_up() -> None:
    limits = SECOND._replace(min_body_rate=1_000)
    server = asked(
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n" + bytes(900), limits
    )
    now = 0.0
    for tick in range(60):
        now += 30.0 if tick % 6 == 5 else 0.1
        server, effects = advance_by_late(server, now, Received(CONN, bytes(300)))
        assert effects == []
    for _ in range(30):
        now += 0.1
        server, effects = advance_by_late(server, now, Received(CONN, bytes(1)))
        if effects:
            break
    assert b"408 Request Timeout" in bytes_of(effects)


def test_a_reader_above_its_rate_is_not_slower_for_what_the_loop_was_held_up() -> None:
    limits = SECOND._replace(min_read_rate=1_000)
    server, effects = advance_by(asked(GET, limits), answered(0, Response.bytes(bytes(MIB))))
    left, now = bytes_of(effects), 0.0
    server, _ = advance_by(server, Stalled(CONN, 0, (left,)))
    for tick in range(60):
        now, left = now + (30.0 if tick % 6 == 5 else 0.1), left[300:]
        events = (Writable(CONN), Stalled(CONN, 300, (left,)))
        server, effects = advance_by_late(server, now, *events)
        assert stats(server).closed == {}


def advance_by_late(server: Server, now: float, *events: Event) -> tuple[Server, list[Effect]]:
    """The server after one tick at `now`, whatever was due before."""
    return advance(server, [TickStarted(now, 0), *events, InputRead()])


def test_who_asked_before_the_grace_was_over_is_answered_by_a_loop_that_was_held_up() -> None:
    server, _ = advance_by(asked(GET[:-1], Limits()), Stop(5.0))
    server, effects = advance(server, [TickStarted(60.0, 0), Received(CONN, GET[-1:])])
    assert effect_names(effects) == ["Handle"]
    server, effects = advance(server, [answered(0, OK), InputRead()])
    assert bytes_of(effects).startswith(b"HTTP/1.1 200 OK\r\n")


def test_the_grace_of_a_stop_is_time_of_the_clock() -> None:
    server, _ = advance_by(asked(GET, Limits()), Stop(5.0))
    _, effects = held_up(server, seconds=5.0)
    assert b"503 Service Unavailable" in bytes_of(effects)


def test_who_reads_all_there_is_is_no_relief_for_a_loop_that_was_held_up() -> None:
    limits = SECOND._replace(max_outbound_len=4_000)
    server, effects = advance_by(asked(GET, limits), answered(0, Response.bytes(bytes(5_000))))
    server, _ = advance_by(server, Stalled(CONN, 0, (bytes_of(effects),)))
    assert server.load.paused_at == 0.0
    server, effects = held_up(server, Writable(CONN))
    assert effect_names(effects)[0] == "Send"
    assert server.load.paused_at is None


# -- a loop with a beat ----------------------------------------------------------------------------

BEATS = (0.01, 0.05, 0.1, 0.25, 1.0)
"""Seconds from one tick of a host to the next."""
SHORTEST = (0.02, 1.0)
"""The shortest timeout, which may be none of what the connection waits for."""


def ended_at(server: Server, beat: float, part: float = 0.5) -> float:
    """When the connection is ended, or told what is due, by a loop that ticks with this beat and is
    busy for a part of it.
    """
    start = server.now
    for tick in range(1, int(30.0 / beat)):
        now = start + tick * beat
        events = [TickStarted(now, 0), InputRead(), TimeRead(now + part * beat, 0), FLUSH]
        server, effects = told_what_is_held(*advance(server, events))
        if effects:
            return now - start
    return inf


def assert_on_time(server: Server, beat: float, limit: float = 1.0) -> None:
    """It is ended not before its limit and not long after it."""
    ended = ended_at(server, beat)
    assert limit - 1e-6 <= ended <= 2 * limit + 3 * beat


def with_shortest(server: Server, shortest: float) -> Server:
    """The server, with a wheel for a timeout that nobody waits for."""
    wheel = make_wheel(shortest)
    for client in clients_of(server.slots):
        deadline = deadline_of(client, server.limits)
        wheel = schedule(wheel, client.conn, counted_now(server), deadline)
    return server.replace(wheel=wheel)


@pytest.mark.parametrize("shortest", SHORTEST)
@pytest.mark.parametrize("beat", BEATS)
@every_row
def test_a_loop_with_a_beat_judges_on_time(row: Row, beat: float, shortest: float) -> None:
    server = with_shortest(row.server, shortest)
    if row.waiting is Waiting.CALLBACK:
        assert ended_at(server, beat) == inf
    else:
        assert_on_time(server, beat)


@pytest.mark.parametrize("shortest", SHORTEST)
@pytest.mark.parametrize("beat", BEATS)
def test_a_loop_with_a_beat_drops_the_slowest_readers_on_time(beat: float, shortest: float) -> None:
    limits = Limits(max_outbound_len=4_000)
    server, effects = advance_by(asked(GET, limits), answered(0, Response.bytes(bytes(5_000))))
    server, _ = advance_by(server, Stalled(CONN, 0, (bytes_of(effects),)))
    assert server.load.paused_at == 0.0
    assert_on_time(with_shortest(server, shortest), beat)


@pytest.mark.parametrize("beat", BEATS)
def test_a_loop_with_a_beat_ends_the_grace_of_a_stop_on_time(beat: float) -> None:
    server, _ = advance_by(asked(GET, Limits()), Stop(1.0))
    assert_on_time(server, beat)


# -- the counted time ------------------------------------------------------------------------------

WHEEL = schedule(make_wheel(1.0), CONN, 0.0, 10.0)
GRAIN = WHEEL.granularity


def test_a_loop_that_is_on_time_is_not_held_up() -> None:
    after = when_tick_started(NEVER_HELD_UP, WHEEL, 0.0, 1.0 + GRAIN)
    assert after == NEVER_HELD_UP.replace(tick_at=after.tick_at, usual=after.usual)
    assert when_read(NEVER_HELD_UP, WHEEL, 0.0, 1.0 + GRAIN) is NEVER_HELD_UP
    assert when_read(NEVER_HELD_UP, make_wheel(1.0), 0.0, 1_000.0) is NEVER_HELD_UP


def test_time_goes_on_for_a_period_and_stands_still_until_the_next_tick() -> None:
    after = when_read(NEVER_HELD_UP, WHEEL, 0.0, 9.0)
    assert after == NEVER_HELD_UP.replace(seconds=8.0 - GRAIN)
    assert when_read(after, WHEEL, 0.0, 20.0).seconds == 19.0 - GRAIN


@pytest.mark.parametrize(("now", "more"), [(1.2, 0.2), (1.4, 0.4), (1.6, 0.5), (100.0, 0.5)])
def test_a_late_tick_puts_off_the_judgement_by_as_much_and_half_a_period_at_most(
    now: float, more: float
) -> None:
    after = when_tick_started(NEVER_HELD_UP, WHEEL, 0.0, now)
    counted = now - after.seconds
    assert after.judges_from == pytest.approx(counted + more)
    assert judged_at(after, counted) == 0.0
    assert judged_at(after, counted + more + 0.01) == counted + more + 0.01
    later = when_tick_started(after, WHEEL, counted, now + 9.0)  # it is late as well, and judges
    assert judged_at(later, counted + 1.0) == counted


def test_a_tick_that_takes_long_itself_holds_up_the_next_one() -> None:
    server, _ = advance(serving(SECOND), [TickStarted(0.9, 0), TimeRead(30.0, 30), InputRead()])
    assert counted_now(server) == pytest.approx(0.9 + 1.0 + 1.0 / 32)
    server, effects = advance(server, [TickStarted(30.0, 30), InputRead()])
    assert effects == []


def test_a_newcomer_after_a_hold_up_has_all_its_time() -> None:
    server, _ = held_up(serving(SECOND), Received(CONN, GET))
    server, _ = advance(server, [Accepted(8, PEER)])
    start = server.now
    server, effects = looked_until(server, start + 0.99)
    assert "CallClose" not in effect_names(effects)


def test_the_next_deadline_is_on_the_clock_of_the_world_and_not_a_hair_early() -> None:
    server, _ = advance(serving(SECOND), [TickStarted(1e6 + 0.1, 0), InputRead()])
    for _ in range(100):
        look = next_deadline(server)
        if look is None:
            break
        assert look > server.now
        server, _ = advance(server, [TickStarted(look, 0), InputRead()])
    assert stats(server).closed == {"IDLE_TIMEOUT": 1}
