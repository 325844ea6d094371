"""Rates: a slow body and a slow reader end, and whoever is only patient, or fast and pausing, does
not.
"""

import pytest

from sigil.core.effects import FanOut
from sigil.core.events import (
    Event,
    FanOutStalled,
    Received,
    Stalled,
    Writable,
)
from sigil.core.http.response import Response
from sigil.core.limits import Limits
from sigil.core.server.state import Server
from sigil.core.server.stats import stats
from tests.support.core_driver import (
    CONN,
    advance_by,
    answered,
    asked,
    at,
    bytes_of,
    requests_of,
)
from tests.support.core_websockets import FLUSH, open_websocket, publishing
from tests.support.requests import GET

MIB = 2**20


def uploading(length: int, limits: Limits | None = None) -> Server:
    """A server that has been sent the head of a request with a body of this length."""
    return asked(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % length, limits)


def test_ten_mebibytes_at_fifty_kilobytes_a_second_are_waited_for() -> None:
    server, left, second = uploading(10 * MIB), 10 * MIB, 0
    while left:
        second += 1
        piece = bytes(min(50_000, left))
        left -= len(piece)
        server, effects = advance_by(server, at(float(second)), Received(CONN, piece))
    (request,) = requests_of(effects)
    assert (len(request.body), second) == (10 * MIB, 210)


@pytest.mark.parametrize(("first", "step"), [(0, 1), (100_000, 1), (5 * MIB, 1), (5 * MIB, 1_000)])
def test_a_body_that_was_fast_may_not_dribble_for_ever(first: int, step: int) -> None:
    """Every ten seconds so many bytes more come: too few, but for whoever sends a thousand."""
    server = uploading(10 * MIB, Limits(min_body_rate=50))
    if first:
        server, _ = advance_by(server, Received(CONN, bytes(first)))
    for second in range(10, 600, 10):
        server, effects = advance_by(server, at(float(second)), Received(CONN, bytes(step)))
        if effects:
            break
    assert bool(effects) == (step == 1)
    assert not effects or 30 <= second <= 70
    assert b"408 Request Timeout" in bytes_of(effects) or step > 1


def test_a_body_that_falls_silent_is_408_after_its_timeout_however_fast_it_was() -> None:
    server, _ = advance_by(uploading(10 * MIB), at(3.0), Received(CONN, bytes(5 * MIB)))
    server, effects = advance_by(server, at(32.9))
    assert effects == []
    server, effects = advance_by(server, at(33.0))
    assert b"408 Request Timeout" in bytes_of(effects)
    assert stats(advance_by(server, at(36.0))[0]).closed == {"BODY_TIMEOUT": 1}


def test_a_chunked_body_of_nothing_but_overhead_is_not_one_that_comes() -> None:
    server = asked(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    for second in range(1, 60):
        server, effects = advance_by(
            server, at(float(second)), Received(CONN, b"1;" + b"x" * 250 + b"\r\nb\r\n")
        )
        if effects:
            break
    assert 30 <= second <= 32


def reading(limits: Limits, takes: int, first: int) -> int:
    """The second at which a client is dropped that takes `first` bytes of a large response at once,
    and then so many every ten seconds; 0 if it is not.
    """
    server, effects = advance_by(asked(GET, limits), answered(0, Response.bytes(bytes(9 * MIB))))
    left = bytes_of(effects)
    server, _ = advance_by(server, Stalled(CONN, 0, (left,)))
    for second in range(1, 600, 10):
        count = first if second == 1 else takes
        left = left[count:]
        events: tuple[Event, ...] = (Writable(CONN), Stalled(CONN, count, (left,)))
        server, effects = advance_by(server, at(float(second)), *events)
        if stats(server).closed:
            assert stats(server).closed == {"TOO_SLOW": 1}
            return second
    return 0


@pytest.mark.parametrize(("first", "takes"), [(1, 1), (5 * MIB, 1), (5 * MIB, 1_000)])
def test_a_reader_that_was_fast_may_not_dribble_for_ever(first: int, takes: int) -> None:
    dropped_at = reading(Limits(min_read_rate=50), takes, first)
    assert 30 <= dropped_at <= 70 or (dropped_at == 0 and takes == 1_000)


@pytest.mark.parametrize("taken", [0, 1, 50_000, 99_000])
def test_whoever_reads_all_that_is_broadcast_is_fast_whatever_the_kernel_takes_at_once(
    taken: int,
) -> None:
    """A megabyte a second, and each message is a little too large for what is free just then."""
    limits = Limits(min_read_rate=20_000, max_outbox_len=2**20)
    server = open_websocket(limits._replace(ws_ping_interval=1e6))
    for tick in range(1, 700):
        server, effects = advance_by(
            server, at(tick / 10 + 0.03), Writable(CONN), publishing("x" * 100_000), FLUSH
        )
        for effect in effects:
            if isinstance(effect, FanOut):
                stalled = FanOutStalled(CONN, taken, effect.start, effect.end, effect.subscription)
                server, _ = advance_by(server, stalled)
        assert stats(server).closed == {}


def test_a_subscriber_by_the_byte_is_dropped_though_it_is_in_its_cohort_before_it_stalls() -> None:
    """With each event it seems to have taken all, until the kernel hands back what it did not."""
    limits = Limits(min_read_rate=50, ws_ping_interval=1e6)
    server, effects = advance_by(open_websocket(limits), publishing("x" * 5_000), FLUSH)
    (fan,) = (effect for effect in effects if isinstance(effect, FanOut))
    left = fan.data
    server, _ = advance_by(server, FanOutStalled(CONN, 0, fan.start, fan.end, fan.subscription))
    for second in range(1, 200):
        left = left[1:]
        server, _ = advance_by(
            server, at(float(second)), Writable(CONN), Stalled(CONN, 1, (left,)), FLUSH
        )
        if stats(server).closed:
            break
    assert 30 <= second <= 33
    assert stats(server).closed == {"TOO_SLOW": 1}
