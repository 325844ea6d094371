"""States are what the core makes of the turns, in whatever order they are asked for, and few are
kept.
"""

from random import Random

import pytest

from sigil.core.events import TickStarted
from sigil.core.limits import Limits
from sigil.core.server.state import make_server
from sigil.core.trace.states import MAX_RECENT, States, replay_turn
from sigil.core.trace.turn import Gap, Turn
from tests.support.recordings import watched_world

FIRST = make_server(Limits(), 0.0, 0)
TICKS = tuple([Turn(number, (TickStarted(float(number), number),), ()) for number in range(1, 501)])
"""After turn n the time is n."""


@pytest.mark.parametrize("seed", range(20))
def test_every_state_is_the_one_that_the_server_had(seed: int) -> None:
    watched = watched_world(seed, is_held_up=seed % 2 == 1)
    states = States(watched.states[0], tuple(watched.turns), interval=7)
    numbers = list(range(states.count))
    Random(seed).shuffle(numbers)
    assert all(states.at(number) == watched.states[number] for number in numbers)
    steps = list(states.walk())
    assert [step.after for step in steps] == watched.states[1:]
    assert [step.effects for step in steps] == watched.effects


def test_a_state_is_the_same_whatever_was_asked_for_before() -> None:
    states, rng = States(FIRST, TICKS, interval=16, max_marks=8), Random(1)
    for _ in range(300):
        number = rng.randrange(states.count)
        assert states.at(number).now == number
        assert states.kept_count <= 8 + 1 + MAX_RECENT


@pytest.mark.parametrize("step", [1, -1])
def test_going_on_a_turn_at_a_time_costs_about_a_turn_in_both_directions(step: int) -> None:
    class Counted(tuple[Turn, ...]):
        reads = 0

        def __getitem__(self, index: object) -> Turn:  # type: ignore[override]
            Counted.reads += 1
            return super().__getitem__(index)  # type: ignore[call-overload, no-any-return]

    states = States(FIRST, Counted(TICKS), interval=64)
    states.at(500)
    Counted.reads = 0
    for number in list(range(501))[::step]:
        states.at(number)
    assert Counted.reads <= 500 * 4


def test_a_walk_begins_and_ends_where_it_is_to() -> None:
    states = States(FIRST, TICKS)
    steps = list(states.walk(10, 13))
    assert [step.turn.number for step in steps] == [11, 12, 13]
    assert [(step.before.now, step.after.now) for step in steps] == [(10, 11), (11, 12), (12, 13)]
    assert states.replayed(7) == replay_turn(states.at(6), TICKS[6])


def test_behind_a_gap_it_goes_on_from_the_state_that_was_recorded_there() -> None:
    elsewhere = make_server(Limits(max_headers=3), 100.0, 100)
    turns = (*TICKS[:3], Turn(4, (TickStarted(101.0, 101),), (), Gap(17, elsewhere)))
    states = States(FIRST, turns)
    assert states.at(3).limits.max_headers == Limits().max_headers
    assert states.at(4).limits.max_headers == 3
    assert next(states.walk(3)).before is elsewhere
