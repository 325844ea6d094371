"""A recording is a lazy sequence of states, and answers what is asked of it with a value or with a
sentence.
"""

import math
from collections.abc import Callable

import pytest

from sigil.core.conn import Conn
from sigil.core.server.state import Server
from sigil.shell.recording.recording import (
    NeverTrue,
    PredicateFailed,
    Recording,
    UnknownConn,
)
from tests.support.recordings import Watched, watched_world


@pytest.fixture(scope="module", name="watched")
def watch_a_world() -> Watched:
    return watched_world(29)


@pytest.fixture(scope="module", name="recording")
def record_a_world(watched: Watched) -> Recording:
    return watched.recording


def test_it_is_the_sequence_of_the_states_that_the_server_had(
    watched: Watched, recording: Recording
) -> None:
    states = watched.states
    assert len(recording) == len(states) == len(recording.turns) + 1
    assert list(recording) == states
    assert recording[0] is recording.first is states[0]
    assert recording[-1] == states[-1] and recording[5] == states[5]
    assert recording[3:9:2] == states[3:9:2] and recording[-3:] == states[-3:]
    assert list(reversed(recording)) == states[::-1]
    assert states[4] in recording
    assert [turn.number for turn in recording.turns] == list(range(1, len(states)))


def test_the_effects_of_a_turn_are_computed_again_as_a_whole(
    watched: Watched, recording: Recording
) -> None:
    for number in range(1, len(recording)):
        assert recording.effects(number) == watched.effects[number - 1]
    assert recording.effects(-1) == watched.effects[-1]


@pytest.mark.parametrize(
    "ask", [lambda it: it[9_999], lambda it: it.effects(9_999), lambda it: it.diff(0, 9_999)]
)
def test_a_turn_that_is_not_there_is_named_with_those_that_are(
    recording: Recording, ask: Callable[[Recording], object]
) -> None:
    expected = f"there is no turn 9999: the recording has {len(recording.turns)}, from 1 on"
    with pytest.raises(IndexError, match=expected):
        ask(recording)


def test_there_are_no_effects_before_the_first_turn(recording: Recording) -> None:
    with pytest.raises(IndexError, match="state 0 is before the first turn"):
        recording.effects(0)


def test_a_difference_is_that_of_two_states(recording: Recording) -> None:
    assert recording.diff(4, 4) == ()
    assert {change.path for change in recording.diff(0, -1)} >= {"now", "next_generation"}
    assert len(recording.diff(0, -1, max_changes=3)) == 4


# -- bisection -------------------------------------------------------------------------------------


def test_the_first_state_of_which_something_is_true_is_found_by_few_looks(
    recording: Recording,
) -> None:
    for wanted in (0, 1, 2, len(recording) // 2, len(recording) - 1):
        asked: list[Server] = []
        generation, now = recording[wanted].next_generation, recording[wanted].now

        def is_true(state: Server, asked: list[Server] = asked, now: float = now) -> bool:
            asked.append(state)
            return state.now >= now

        found = recording.bisect(is_true)
        assert recording[found].now >= now and (found == 0 or recording[found - 1].now < now)
        assert found <= wanted and generation >= 0
        assert len(asked) <= math.ceil(math.log2(len(recording.turns))) + 1


def test_what_is_true_from_the_start_is_found_there(recording: Recording) -> None:
    assert recording.bisect(lambda state: True) == 0


def test_what_is_never_true_is_said_so(recording: Recording) -> None:
    with pytest.raises(NeverTrue, match=f"the predicate is true of no state of {len(recording)}"):
        recording.bisect(lambda state: False)


def test_a_predicate_that_raises_is_reported_with_the_turn_and_its_traceback(
    recording: Recording,
) -> None:
    with pytest.raises(PredicateFailed, match="raised ZeroDivisionError for the state") as caught:
        recording.bisect(lambda state: 1 // state.next_generation >= 0 and 1 // 0)
    assert 0 <= caught.value.turn < len(recording)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert caught.value.__cause__.__traceback__ is not None


# -- connections -----------------------------------------------------------------------------------


def test_it_agrees_with_the_core(recording: Recording) -> None:
    assert recording.verify() is None


def test_a_connection_is_named_by_its_handle_its_generation_or_its_end(
    recording: Recording,
) -> None:
    closes = recording.closes()
    assert len(closes) == len(recording.conns) == sum(recording.stats().closed.values())
    close = closes[0]
    assert recording.explain(close) == recording.explain(close.conn)
    assert recording.explain(close) == recording.explain(close.conn.generation)
    assert recording.dialogue(close.conn) == recording.dialogue(close.conn.generation)
    assert len(recording.dialogue(close.conn, max_lines=2).lines) == 2


@pytest.mark.parametrize("conn", [99, Conn(0, 99), Conn(77, 0), -1])
def test_a_connection_that_is_not_there_is_named_with_those_that_are(
    recording: Recording, conn: Conn | int
) -> None:
    last = len(recording.conns) - 1
    with pytest.raises(
        UnknownConn, match=f"there is no connection .*: the recording has 0 to {last}"
    ):
        recording.dialogue(conn)
    with pytest.raises(UnknownConn):
        recording.explain(conn)
    with pytest.raises(UnknownConn, match="the recording has none"):
        Recording(recording.first, ()).explain(0)


# -- what it shows ---------------------------------------------------------------------------------


def test_its_repr_says_how_long_it_is_and_computes_nothing(watched: Watched) -> None:
    recording = watched.recording
    assert repr(recording) == f"<Recording of {len(watched.turns)} turns>"
    assert repr(Recording(watched.states[0], watched.turns[:1])) == "<Recording of 1 turn>"
