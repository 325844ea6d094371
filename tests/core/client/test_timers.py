"""When to look at what has a deadline."""

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from sigil.core.client.timers import NO_TIMERS, QUANTUM, next_look, put_down, take_due


def test_nothing_is_due_when_nothing_is_put_down() -> None:
    assert take_due(NO_TIMERS, 1e9) == (NO_TIMERS, [])
    assert next_look(NO_TIMERS) == inf


@given(st.lists(st.tuples(st.integers(0, 9), st.floats(0.0, 100.0))), st.floats(0.0, 100.0))
def test_whoever_is_due_is_taken_late_by_a_quantum_at_most(
    put: list[tuple[int, float]], now: float
) -> None:
    timers = NO_TIMERS
    for key, at in put:
        timers = put_down(timers, key, at)
    timers, keys = take_due(timers, now)
    late = [key for key, at in put if at <= now - QUANTUM]
    soon = [key for key, at in put if at <= now]
    assert all(keys.count(key) >= late.count(key) for key in late)
    assert all(keys.count(key) <= soon.count(key) for key in keys)
    assert next_look(timers) > now
    _, rest = take_due(timers, 101.0)
    assert sorted(keys + rest) == sorted(key for key, _ in put)
