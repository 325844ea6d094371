"""The oldest subscriber: a heap that agrees with sorting, whatever is added and has ended."""

from hypothesis import given
from hypothesis import strategies as st

from sigil.core.conn import Conn
from sigil.core.server.oldest import (
    NOBODY,
    SPARE,
    add,
    conns_of,
    has_too_many,
    of_conns,
    take_oldest,
)

CONNS = [Conn(slot, generation) for slot, generation in ((0, 9), (1, 4), (2, 6), (3, 2))]


def test_the_oldest_is_the_one_accepted_first_whatever_its_slot() -> None:
    heap = NOBODY
    for conn in CONNS:
        heap = add(heap, conn)
    for generation in (2, 4, 6, 9):
        conn, heap = take_oldest(heap, lambda conn: True)
        assert conn is not None and conn.generation == generation
    assert take_oldest(heap, lambda conn: True) == (None, heap)


def test_those_that_have_ended_are_passed_over_and_forgotten() -> None:
    conn, heap = take_oldest(of_conns(CONNS), lambda conn: conn.generation > 5)
    assert conn == Conn(2, 6)
    assert conns_of(heap) == [Conn(0, 9)]


def test_it_is_made_anew_when_most_have_ended() -> None:
    heap = of_conns(Conn(slot, slot) for slot in range(100))
    assert not has_too_many(heap, 100 - SPARE)
    assert has_too_many(heap, 10)


@given(
    st.lists(st.one_of(st.tuples(st.integers(0, 9), st.integers(0, 99)), st.none()), max_size=60),
    st.sets(st.integers(0, 99)),
)
def test_it_agrees_with_sorting(steps: list[tuple[int, int] | None], ended: set[int]) -> None:
    heap, model = NOBODY, list[Conn]()
    for step in steps:
        if step is not None:
            conn = Conn(*step)
            if conn.generation not in [known.generation for known in model]:
                heap, model = add(heap, conn), [*model, conn]
            continue
        found, heap = take_oldest(heap, lambda conn: conn.generation not in ended)
        there = [conn for conn in model if conn.generation not in ended]
        expected = min(there, key=lambda conn: conn.generation, default=None)
        assert found == expected
        model = [
            conn for conn in model if expected is not None and conn.generation > expected.generation
        ]
    assert sorted(conns_of(heap)) == sorted(model)
