"""Ropes: bytes that come in pieces, joined late and seldom."""

from itertools import pairwise
from operator import is_

from hypothesis import given
from hypothesis import strategies as st

from sigil.core.rope import WHOLE_LEN, Rope, rope_append, rope_join

SMALL = st.binary(min_size=1, max_size=300)
LARGE = st.integers(min_value=WHOLE_LEN // 4, max_value=2 * WHOLE_LEN).map(bytes)
PIECES = st.lists(SMALL | LARGE)


def rope_of(pieces: list[bytes]) -> Rope:
    """The rope to which these pieces were appended one by one."""
    rope: Rope = ()
    for piece in pieces:
        rope = rope_append(rope, piece)
    return rope


@given(PIECES)
def test_a_rope_is_what_was_appended_in_order(pieces: list[bytes]) -> None:
    assert rope_join(rope_of(pieces)) == b"".join(pieces)


@given(PIECES)
def test_a_piece_is_large_or_twice_as_long_as_the_next_so_that_there_are_few(
    pieces: list[bytes],
) -> None:
    lengths = [len(piece) for piece in rope_of(pieces)]
    assert all(first >= WHOLE_LEN or first >= 2 * second for first, second in pairwise(lengths))
    assert len(lengths) <= sum(lengths) // WHOLE_LEN + WHOLE_LEN.bit_length()


def test_large_pieces_are_kept_as_they_came() -> None:
    pieces = [bytes([number]) * (WHOLE_LEN + number) for number in range(9)]
    assert all(map(is_, rope_of(pieces), pieces))


def test_a_small_piece_is_joined_with_the_large_one_behind_it() -> None:
    small, large = b"s", bytes(WHOLE_LEN)
    assert rope_of([large, small, large]) == (large, small + large)


def test_a_rope_of_one_piece_is_that_piece_and_no_copy() -> None:
    piece = bytes(1_000)
    assert rope_join(rope_append((), piece)) is piece
    assert rope_join(()) == b""
