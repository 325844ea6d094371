"""Whose slot a newcomer gets: whoever was ranked as idle and has moved on since keeps its own, the
best candidate is found wherever it is, and what is looked at does not grow with the table.
"""

import pytest

from sigil.core.conn import Conn, Ticket
from sigil.core.effects import CallClose, Drop, Effect
from sigil.core.events import (
    Accepted,
    ConnectionLost,
    DescriptorsExhausted,
    HandlerReturned,
    Received,
    TickStarted,
)
from sigil.core.http.response import Response
from sigil.core.limits import Limits
from sigil.core.server import advance, make_server
from sigil.core.server.eviction import FIRST_LOOK, LONGEST_LOOK
from sigil.core.server.slots import Draft
from sigil.core.server.state import Server
from tests.support.builds import needs_pure_sources
from tests.support.core_driver import PEER, advance_by, at
from tests.support.requests import GET, UPGRADE

PATIENT = {"idle_timeout": 1e6, "header_timeout": 1e6, "response_timeout": 1e6}


def conn(slot: int) -> Conn:
    """The connection in a slot of a crowd."""
    return Conn(slot, slot)


def crowd(count: int, busy: frozenset[int] = frozenset()) -> Server:
    """A full server, the client in slot n accepted at second n / 1000; some wait for an answer."""
    server = make_server(Limits(max_connection_cnt=count, **PATIENT), 0.0, 0)
    for number in range(count):
        server, _ = advance(server.replace(now=number / 1000), [Accepted(number, PEER)])
    reads = [Received(conn(slot), GET) for slot in sorted(busy)]
    return advance(server.replace(now=100.0), reads)[0]


def evicted(effects: list[Effect]) -> list[Conn]:
    """Who was dropped."""
    return [effect.conn for effect in effects if isinstance(effect, Drop)]


def test_whoever_was_ranked_as_idle_and_has_asked_since_is_passed_over() -> None:
    server = crowd(4)
    server, effects = advance_by(server, Accepted(9, PEER))
    assert evicted(effects) == [conn(0)]
    server, effects = advance_by(server, Received(conn(1), GET), Accepted(9, PEER))
    assert evicted(effects) == [conn(2)]


def test_whoever_asks_in_the_moment_in_which_it_was_ranked_is_passed_over() -> None:
    """It has waited since the same moment, but for something else."""
    server = make_server(Limits(max_connection_cnt=3, **PATIENT), 5.0, 0)
    server, _ = advance(server, [Accepted(number, PEER) for number in range(3)])
    server, effects = advance(server, [Accepted(9, PEER)])
    assert evicted(effects) == [conn(0)]
    server, effects = advance(server, [Received(conn(1), GET), Accepted(9, PEER)])
    assert evicted(effects) == [conn(2)]


def test_whoever_has_gone_or_become_a_websocket_is_passed_over() -> None:
    server, _ = advance_by(crowd(5), Accepted(9, PEER))
    upgrade = HandlerReturned(Ticket(conn(2), 0), (Response.upgrade(),))
    server, effects = advance_by(
        server, ConnectionLost(conn(1), 104), Received(conn(2), UPGRADE), upgrade
    )
    server, effects = advance_by(server, *[Accepted(9, PEER)] * 3)
    assert evicted(effects) == [conn(3)]


@pytest.mark.parametrize("count", [FIRST_LOOK, LONGEST_LOOK])
def test_the_one_that_is_idle_is_found_among_many_that_are_not(count: int) -> None:
    lonely = count - 3
    server = crowd(count, frozenset(range(count)) - {lonely})
    assert evicted(advance_by(server, Accepted(9, PEER))[1]) == [conn(lonely)]


def test_those_who_were_seen_and_not_chosen_are_remembered() -> None:
    idle = frozenset((3, 700, 701, 900))
    server = crowd(1_000, frozenset(range(1_000)) - idle)
    found = []
    for _ in range(4):
        server, effects = advance_by(server, Accepted(9, PEER))
        newcomer = next(effect.conn for effect in effects if type(effect).__name__ == "Adopt")
        server, _ = advance_by(server, Received(newcomer, GET))
        found += evicted(effects)
    assert {name.slot for name in found} == idle


@needs_pure_sources
def test_a_newcomer_does_not_make_the_whole_table_be_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = crowd(3_000)
    looked: list[int] = []
    clients_from = Draft.clients_from

    def counting(draft: Draft, start: int, count: int) -> object:
        looked.append(count)
        return clients_from(draft, start, count)

    monkeypatch.setattr(Draft, "clients_from", counting)
    for _ in range(50):
        server, effects = advance_by(server, Accepted(9, PEER))
        assert len(evicted(effects)) == 1
    assert sum(looked) < 50 * 64 + LONGEST_LOOK


# -- subscribers -----------------------------------------------------------------------------------


def test_the_oldest_websocket_gives_way_and_not_the_one_in_the_first_slot() -> None:
    limits = Limits(max_ws_connection_cnt=3, **PATIENT)
    server = make_server(limits, 0.0, 0)
    server, _ = advance(server, [Accepted(number, PEER) for number in range(4)])
    server, _ = advance(server, [ConnectionLost(conn(0), 104), Accepted(4, PEER)])
    newest = Conn(0, 4)
    accept = (Response.upgrade(),)
    for name in (newest, conn(1), conn(2)):
        server, _ = advance(
            server, [Received(name, UPGRADE), HandlerReturned(Ticket(name, 0), accept)]
        )
    server, effects = advance(
        server, [Received(conn(3), UPGRADE), HandlerReturned(Ticket(conn(3), 0), accept)]
    )
    assert evicted(effects) == [conn(1)]
    server, effects = advance(server, [Accepted(5, PEER)])
    name = next(effect.conn for effect in effects if type(effect).__name__ == "Adopt")
    server, effects = advance(
        server, [Received(name, UPGRADE), HandlerReturned(Ticket(name, 0), accept)]
    )
    assert evicted(effects) == [conn(2)]


def test_an_old_connection_that_becomes_a_websocket_last_evicts_the_oldest_other() -> None:
    limits = Limits(max_ws_connection_cnt=2, **PATIENT)
    server = make_server(limits, 0.0, 0)
    server, _ = advance(server, [Accepted(number, PEER) for number in range(3)])
    accept = (Response.upgrade(),)
    closed = []
    for slot in (2, 1, 0):
        server, effects = advance(
            server,
            [Received(conn(slot), UPGRADE), HandlerReturned(Ticket(conn(slot), 0), accept)],
        )
        closed += [effect.conn for effect in effects if isinstance(effect, CallClose)]
    assert closed == [conn(1)]


def test_websockets_that_come_and_go_leave_nothing_behind() -> None:
    server = make_server(Limits(max_ws_connection_cnt=5, **PATIENT), 0.0, 0)
    accept = (Response.upgrade(),)
    for number in range(300):
        server, effects = advance_by(server, at(number * 0.01), Accepted(number, PEER))
        name = next(effect.conn for effect in effects if type(effect).__name__ == "Adopt")
        server, _ = advance_by(
            server, Received(name, UPGRADE), HandlerReturned(Ticket(name, 0), accept)
        )
        if number % 2:
            server, _ = advance_by(server, ConnectionLost(name, 104))
    assert server.oldest.size <= 2 * 5 + 33
    assert server.load.websockets <= 5


# -- descriptors -----------------------------------------------------------------------------------


def test_without_descriptors_the_one_that_has_waited_longest_gives_way() -> None:
    server, effects = advance_by(crowd(4), at(200.0), DescriptorsExhausted(24))
    assert evicted(effects) == [conn(0)]
    server, effects = advance_by(server, DescriptorsExhausted(24))
    assert evicted(effects) == [conn(1)]


@pytest.mark.parametrize("policy", ["wait", "503"])
def test_without_descriptors_nobody_gives_way_by_another_policy(policy: str) -> None:
    server = crowd(4)
    server = server.replace(limits=server.limits._replace(full_policy=policy))
    assert advance_by(server, DescriptorsExhausted(24)) == (server, [])


def test_without_descriptors_whoever_has_come_or_asked_in_this_tick_is_left_alone() -> None:
    server = make_server(Limits(**PATIENT), 5.0, 0)
    server, effects = advance(server, [DescriptorsExhausted(24)])
    assert effects == []
    server, effects = advance(server, [Accepted(1, PEER), DescriptorsExhausted(24)])
    assert evicted(effects) == []
    server, effects = advance(
        server, [TickStarted(6.0, 0), Received(conn(0), GET), DescriptorsExhausted(24)]
    )
    assert evicted(effects) == []
    server, effects = advance(server, [TickStarted(7.0, 0), DescriptorsExhausted(24)])
    assert evicted(effects) == [conn(0)], "it waits for an answer, and nobody for less"


def test_without_descriptors_the_oldest_subscriber_gives_way_if_there_is_nobody_else() -> None:
    server = make_server(Limits(**PATIENT), 0.0, 0)
    accept = (Response.upgrade(),)
    for slot in range(2):
        events = [Accepted(slot, PEER), Received(conn(slot), UPGRADE)]
        server, _ = advance(server, [*events, HandlerReturned(Ticket(conn(slot), 0), accept)])
    server, effects = advance(server, [TickStarted(1.0, 0), DescriptorsExhausted(24)])
    assert evicted(effects) == [conn(0)]
