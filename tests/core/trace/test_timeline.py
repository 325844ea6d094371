"""The index of a recording: where something happened, and where the next of its kind is."""

from itertools import pairwise
from typing import Any

from pyrsistent import pset

from sigil.core.broadcast.entry import NO_OPTIONS
from sigil.core.close_reasons import CloseReason
from sigil.core.conn import Conn, Peer
from sigil.core.effects import (
    AccessLog,
    Adopt,
    CallClose,
    Drop,
    Effect,
    FanOut,
    Log,
    Reject,
    Send,
    Then,
)
from sigil.core.events import (
    Accepted,
    Event,
    FanOutStalled,
    Publish,
    Received,
    Stalled,
    TickStarted,
    TimeRead,
)
from sigil.core.limits import Limits
from sigil.core.server import make_server
from sigil.core.trace.summary import summaries_of
from sigil.core.trace.timeline import (
    KINDS,
    Timeline,
    columns_of,
    make_timeline,
    next_of,
    places_before,
    previous_of,
    turn_at,
)
from sigil.core.trace.turn import Gap, Turn
from tests.support.core_broadcasts import NEWS
from tests.support.core_driver import CONN, PEER, serving

A, B = Conn(0, 5), Conn(1, 6)


def turns_of(*turns: tuple[list[Any], list[Any]]) -> tuple[Turn, ...]:
    return tuple(
        Turn(number, tuple(events), summaries_of(effects))
        for number, (events, effects) in enumerate(turns, 1)
    )


TURNS: tuple[tuple[list[Event], list[Effect]], ...] = (
    ([TickStarted(1.0, 1), Accepted(7, PEER)], [Adopt(A, 7)]),
    ([Received(A, b"hello"), TimeRead(1.5, 1)], [Send(A, (b"ab", b"c"), Then.KEEP)]),
    ([Publish(((1, b"x", None, NO_OPTIONS),) * 3)], []),
    ([], [FanOut(NEWS, pset([A, B]), b"1234", 0, 3), Reject(9, b"xyz")]),
    ([FanOutStalled(B, 1, 0, 3, NEWS), Stalled(A, 0, (b"c",))], []),
    (
        [TickStarted(2.5, 2)],
        [Log("sigil.server", 30, "careful"), AccessLog(PEER, "GET", "/", 1, 200, 0)],
    ),
    ([], [CallClose(A, CloseReason.WS_CLIENT_TOO_SLOW), Drop(A)]),
    ([TickStarted(4.0, 4)], [CallClose(B, CloseReason.PEER_RESET), Log("sigil.server", 20, "so")]),
)


def index() -> Timeline:
    return make_timeline(make_server(Limits(), 0.5, 0), turns_of(*TURNS))


def happened(kind: str) -> list[int]:
    """How much of a kind happened in each turn."""
    column = index().counts[kind]
    return [after - before for before, after in pairwise(column)]


def test_the_time_of_a_turn_is_what_the_clock_said_last() -> None:
    found = index()
    assert found.turns == 8
    assert list(found.times) == [0.5, 1.0, 1.5, 1.5, 1.5, 1.5, 2.5, 2.5, 4.0]
    assert [turn_at(found, time) for time in (0.0, 0.5, 1.2, 1.5, 3.9, 99.0)] == [0, 0, 1, 5, 7, 8]


def test_what_happened_is_counted() -> None:
    assert {kind: happened(kind) for kind in KINDS} == {
        "closes": [0, 0, 0, 0, 0, 0, 1, 1],
        "evictions": [0, 0, 0, 0, 0, 0, 1, 0],
        "stalls": [0, 0, 0, 0, 2, 0, 0, 0],
        "warnings": [0, 0, 0, 0, 0, 1, 0, 0],
        "published": [0, 0, 3, 0, 0, 0, 0, 0],
        "received": [0, 5, 0, 0, 0, 0, 0, 0],
        "sent": [0, 3, 0, 11, 0, 0, 0, 0],
        "gaps": [0, 0, 0, 0, 0, 0, 0, 0],
    }


def test_a_connection_has_its_turns_and_its_address() -> None:
    found = index()
    lives = {name: (life.conn, life.peer, list(life.turns)) for name, life in found.lives.items()}
    assert lives == {5: (A, str(PEER), [1, 2, 5, 7]), 6: (B, "", [5, 8])}
    assert (list(found.fan_outs), list(found.lines)) == ([4], [6, 8])
    assert make_timeline(serving(), ()).lives[0][:2] == (CONN, str(PEER))


def test_the_next_and_the_previous_turn_of_a_kind() -> None:
    found = index()
    assert [next_of(found, "closes", turn) for turn in range(9)] == [7] * 7 + [8, None]
    assert [previous_of(found, "closes", turn) for turn in range(9)] == [None] * 8 + [7]
    assert [next_of(found, "stalls", turn) for turn in (0, 4, 5, 8)] == [5, 5, None, None]
    assert [previous_of(found, "stalls", turn) for turn in (0, 5, 6, 8)] == [None, None, 5, 5]
    assert next_of(found, "gaps", 0) is None is previous_of(found, "gaps", 8)


def test_a_stretch_is_summed_up_in_columns() -> None:
    columns = columns_of(index(), 1, 8, 4)
    assert columns["turns"] == [1, 3, 5, 7, 9]
    assert columns["sent"] == [3, 11, 0, 0]
    assert columns["closes"] == [0, 0, 0, 2]
    assert columns_of(index(), 5, 5, 100)["stalls"] == [2]
    assert columns_of(index(), 0, 8, 100)["turns"] == list(range(10))


def test_the_last_of_some_turns() -> None:
    lines = index().lines
    assert [places_before(lines, turn, 5) for turn in (5, 6, 8)] == [[], [6], [6, 8]]
    assert places_before(lines, 8, 1) == [8]


def test_a_gap_goes_on_from_another_server() -> None:
    other = serving()
    lost = Turn(1, (), (), Gap(12, other.replace(now=9.0)))
    found = make_timeline(make_server(Limits(), 0.5, 0), (lost, Turn(2, (TimeRead(9.5, 9),), ())))
    assert list(found.times) == [0.5, 9.0, 9.5]
    assert list(found.counts["gaps"]) == [0, 1, 1]
    assert found.lives[0].peer == str(PEER)


def test_what_a_later_version_has_recorded_is_passed_over() -> None:
    found = make_timeline(make_server(Limits(), 0.0, 0), (Turn(1, (), ((999, 1, 2), (1_000,))),))
    assert found.lives == {} and found.turns == 1


def test_two_connections_of_one_socket_number_have_their_own_addresses() -> None:
    other = Peer("192.0.2.9", 9)
    turns = turns_of(([Accepted(7, PEER)], [Adopt(A, 7)]), ([Accepted(7, other)], [Adopt(B, 7)]))
    found = make_timeline(make_server(Limits(), 0.0, 0), turns)
    assert [life.peer for life in found.lives.values()] == [str(PEER), str(other)]
