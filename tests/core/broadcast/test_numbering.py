"""The numbers of positions where they are those of an upstream: what holes do to them."""

from hypothesis import given
from hypothesis import strategies as st

from sigil.core.broadcast.numbering import (
    COMPACT_AT,
    OWN,
    Numbering,
    moved_on,
    own_number,
    public_number,
    public_numbers,
    taken_over,
)


def test_a_server_of_its_own_has_the_numbers_that_it_tells() -> None:
    assert public_number(OWN, 5) == own_number(OWN, 5) == 5
    assert public_numbers(OWN, (3, 4)) == (3, 4)
    assert repr(OWN) == "Numbering(own)"


def test_a_hole_moves_what_is_behind_it() -> None:
    numbering = taken_over(OWN, 7, 10, 10)
    numbering = moved_on(numbering, 12, 20, 10)  # 12 to 19 were not for this server
    assert [public_number(numbering, number) for number in (10, 11, 12, 13)] == [10, 11, 20, 21]
    assert [own_number(numbering, public) for public in (10, 11, 12, 13, 19, 20, 21)] == [
        10, 11, 12, 12, 12, 12, 13,
    ]  # fmt: skip


def test_a_position_never_goes_back() -> None:
    numbering = moved_on(taken_over(OWN, 7, 10, 10), 10, 15, 10)
    assert moved_on(numbering, 10, 14, 10) is numbering
    assert public_number(moved_on(numbering, 10, 16, 10), 10) == 16


def test_another_stream_begins_where_it_says_and_the_one_before_is_known() -> None:
    before = taken_over(OWN, 7, 100, 100)
    after = taken_over(before, 8, 101, 3)
    assert public_number(after, 101) == 3 and own_number(after, 3) == 101
    assert after.epoch_before == 8 and after.before is not None
    assert public_number(after.before, 100) == 100 and after.before.before is None


def test_holes_that_the_ring_has_passed_are_forgotten() -> None:
    numbering = taken_over(OWN, 7, 0, 0)
    for number in range(10 * COMPACT_AT):
        numbering = moved_on(numbering, number, 2 * number, max(0, number - 3))
    assert len(numbering.runs) <= 2 * COMPACT_AT
    assert public_number(numbering, 5) <= 10 and own_number(numbering, 10) <= 5


HOLES = st.lists(st.tuples(st.integers(1, 3), st.integers(0, 4)), max_size=30)


@given(st.integers(0, 50), st.integers(0, 50), HOLES)
def test_each_message_has_the_number_that_it_had(
    first: int, public: int, holes: list[tuple[int, int]]
) -> None:
    begin = max(first, public)
    numbering, number, told = taken_over(OWN, 7, begin, public), begin, public
    expected: dict[int, int] = {}
    for count, hole in holes:
        numbering = moved_on(numbering, number, told, begin)
        for _ in range(count):
            expected[number] = told
            number, told = number + 1, told + 1
        told += hole
    assert {one: public_number(numbering, one) for one in expected} == expected
    for asked in range(public, told):
        behind = [one for one, at in expected.items() if at >= asked]
        assert own_number(numbering, asked) == (behind[0] if behind else _head(numbering, asked))


def _head(numbering: Numbering, asked: int) -> int:
    """Where the numbers go on behind the last message."""
    return asked - numbering.runs[-1][1]
