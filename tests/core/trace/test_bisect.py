"""The first number of which something is true is found, by few looks."""

import pytest

from sigil.core.trace.bisect import first_true


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 8, 9, 1_000])
def test_the_first_is_found_wherever_it_is_by_a_logarithm_of_looks(count: int) -> None:
    for first in range(count + 1):
        asked: list[int] = []

        def is_true(number: int, first: int = first, asked: list[int] = asked) -> bool:
            asked.append(number)
            return number >= first

        assert first_true(count, is_true) == (first if first < count else None)
        assert len(asked) == len(set(asked)) <= count.bit_length()


def test_of_what_is_not_monotone_a_place_is_found_at_which_it_becomes_true() -> None:
    truths = [False, True, False, False, True, False, False, True, True, False, True]
    found = first_true(len(truths), truths.__getitem__)
    assert found is not None and truths[found] and not truths[found - 1]


def test_what_is_raised_leaves() -> None:
    with pytest.raises(ZeroDivisionError):
        first_true(3, lambda number: 1 // 0)
