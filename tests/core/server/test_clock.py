"""Deadlines at the exact second, the next of them, and the date."""

from math import inf

import pytest

from sigil.core.close_reasons import CloseReason
from sigil.core.effects import CallClose, Drop, Effect, Log
from sigil.core.events import InputRead, Received, Stalled, TickStarted, TimeRead, Writable
from sigil.core.limits import Limits
from sigil.core.server import advance, make_server
from sigil.core.server.clock import next_deadline
from sigil.core.server.state import Server
from sigil.core.server.stats import stats
from tests.support.core_driver import (
    CONN,
    HELLO,
    OK,
    OK_BYTES,
    advance_by,
    answered,
    asked,
    at,
    bytes_of,
    effect_names,
    fate_of,
    same,
    serving,
)
from tests.support.requests import GET

LAST = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


GRAIN = 1.0 / 32

"""Default limits: the shortest timeout is 2 seconds, a grain a 32nd of it."""


TIMEOUT_FIELDS = [
    name for name, value in zip(Limits._fields, Limits(), strict=True) if type(value) is float
]


def until(server: Server, seconds: float) -> list[Effect]:
    """The orders of a server that is told the clock at this second, and looked at as often as it
    asked until then.
    """
    effects: list[Effect] = []
    while (look := next_deadline(server)) is not None and look < seconds:
        server, more = advance_by(server, at(look))
        effects += more
    return effects + advance_by(server, at(seconds))[1]


def stalled(limits: Limits | None = None) -> Server:
    """A server whose client takes nothing of its answer."""
    return advance_by(asked(GET, limits), answered(0, OK), Stalled(CONN, 0, (OK_BYTES,)))[0]


def lingering() -> Server:
    """A server that has sent its last answer."""
    return advance_by(asked(LAST), answered(0, OK))[0]


DEADLINES = [
    ("idle", serving(), 60.0, "drop", b""),
    ("idle after an answer", advance_by(asked(GET), answered(0, OK))[0], 60.0, "drop", b""),
    ("header", asked(GET[:-1]), 10.0, "shut", b"HTTP/1.1 408 Request Timeout\r\n"),
    ("counted body", asked(HELLO[:-1]), 30.0, "shut", b"HTTP/1.1 408 Request Timeout\r\n"),
    ("no body", asked(HELLO[:-5]), 30.0, "shut", b"HTTP/1.1 408 Request Timeout\r\n"),
    ("stall", stalled(), 30.0, "drop", b""),
    ("linger", lingering(), 2.0, "drop", b""),
]


@pytest.mark.parametrize(
    ("server", "seconds", "fate", "answer"),
    [case[1:] for case in DEADLINES],
    ids=[case[0] for case in DEADLINES],
)
def test_a_deadline_is_kept_at_its_second_and_not_before(
    server: Server, seconds: float, fate: str, answer: bytes
) -> None:
    assert until(server, seconds - 0.001) == []
    effects = until(server, seconds)
    assert fate_of(effects) == fate
    assert bytes_of(effects).startswith(answer)


@pytest.mark.parametrize("timeout", [1.9, 3.3, 7.7, 10.01])
def test_a_deadline_between_grains_is_noticed_at_most_a_grain_late(timeout: float) -> None:
    server = asked(GET[:-1], Limits(header_timeout=timeout))
    grain = min(timeout, 2.0) / 32
    assert until(server, timeout - 0.001) == []
    assert fate_of(until(server, timeout + grain)) == "shut"


def test_a_client_that_dribbles_a_head_gains_no_time() -> None:
    server, now, effects = serving(), 0.0, list[Effect]()
    for byte in GET:
        server, effects = advance_by(server, TickStarted(now, 0), Received(CONN, bytes((byte,))))
        if bytes_of(effects):
            break
        now += 1.0
    assert bytes_of(effects).startswith(b"HTTP/1.1 408 ")
    assert now == 10.0


def test_a_late_answer_is_waited_for_until_its_deadline() -> None:
    server = asked(GET)
    assert until(server, 299.9) == []
    assert bytes_of(advance_by(server, at(299.9), answered(0, OK))[1]) == OK_BYTES


def test_a_late_answer_that_does_not_come_is_a_503_and_the_end() -> None:
    server, effects = advance_by(asked(GET + GET), at(300.0), at(310.0))
    note, send, *_ = effects
    assert note == Log("sigil.error", 40, "GET /: no answer for 300 s")
    assert bytes_of([send]).startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"\r\nConnection: close\r\n" in bytes_of([send])
    assert fate_of(effects) == "drop"
    assert stats(server).closed == {"ANSWER_TIMEOUT": 1}


def test_a_client_that_takes_some_bytes_begins_its_patience_anew() -> None:
    server = stalled(Limits(min_read_rate=0))
    server, _ = advance_by(server, at(20.0), Writable(CONN), Stalled(CONN, 5, (OK_BYTES[5:],)))
    assert until(server, 49.9) == []
    assert same(until(server, 50.0), [Drop(CONN), CallClose(CONN, CloseReason.WRITE_STALL)])


@pytest.mark.parametrize(
    ("server", "reason"),
    [
        (serving(), CloseReason.IDLE_TIMEOUT),
        (stalled(), CloseReason.WRITE_STALL),
        (lingering(), CloseReason.OK),
    ],
)
def test_whoever_is_overdue_is_dropped_for_a_reason(server: Server, reason: CloseReason) -> None:
    assert same(until(server, 60.0), [Drop(CONN), CallClose(CONN, reason)])


def test_a_timeout_is_followed_by_lingering_and_the_same_reason() -> None:
    server, effects = advance_by(asked(GET[:-1]), at(10.0))
    assert fate_of(effects) == "shut"
    assert until(server, 11.9) == []
    assert same(
        until(server, 12.0 + GRAIN), [Drop(CONN), CallClose(CONN, CloseReason.HEADER_TIMEOUT)]
    )


def test_the_next_deadline_is_when_somebody_must_be_looked_at() -> None:
    assert next_deadline(make_server(Limits(), 0.0, 0)) is None
    assert next_deadline(serving()) == 2.0
    assert next_deadline(advance_by(serving(), at(2.0))[0]) == 4.0


def test_relief_is_the_next_deadline_though_nobody_else_is_due_for_long() -> None:
    limits = Limits(**dict.fromkeys(TIMEOUT_FIELDS, 1_000.0), max_outbound_len=100, min_read_rate=0)
    server = stalled(limits)
    assert server.load.paused_at == 0.0
    assert next_deadline(server) == 1.0
    assert until(server, 0.999) == []
    assert same(until(server, 1.0), [Drop(CONN), CallClose(CONN, CloseReason.TOO_SLOW)])


def test_the_clock_alone_makes_nobody_late() -> None:
    server, effects = advance(serving(Limits(idle_timeout=1.0)), [TickStarted(1.1, 0)])
    assert effects == []
    server, effects = advance(server, [Received(CONN, GET), InputRead()])
    assert effect_names(effects) == ["Handle"]


def test_whoever_is_ready_and_unread_is_not_late_until_he_is_read() -> None:
    server, effects = advance(
        serving(Limits(idle_timeout=1.0)), [TickStarted(1.0, 0), InputRead(frozenset((CONN,)))]
    )
    assert effects == []
    look = next_deadline(server)
    assert look is not None and look <= 1.0 + 1.0 / 32
    _, effects = advance(server, [TickStarted(look, 0), Received(CONN, GET), InputRead()])
    assert effect_names(effects) == ["Handle"]
    _, effects = advance(server, [TickStarted(look, 0), InputRead()])
    assert effect_names(effects) == ["Drop", "CallClose"]


def test_nobody_is_late_by_what_a_tick_itself_has_taken() -> None:
    server = serving(Limits(idle_timeout=1.0))
    events = [TickStarted(0.9, 0), TimeRead(5.0, 5), InputRead()]
    server, effects = advance(server, events)
    assert effects == []


def test_the_date_is_the_one_on_the_wall() -> None:
    effects = advance_by(asked(GET), TickStarted(1.0, 784_111_777), answered(0, OK))[1]
    assert b"\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n" in bytes_of(effects)


@pytest.mark.parametrize(
    "limits",
    [
        Limits(linger_timeout=0.0),
        Limits(
            header_timeout=inf,
            body_timeout=inf,
            idle_timeout=inf,
            stall_timeout=inf,
            linger_timeout=inf,
        ),
    ],
)
def test_timeouts_may_be_nothing_or_for_ever(limits: Limits) -> None:
    assert fate_of(until(asked(GET[:-1], limits), 1.0)) == "keep"
