"""Ropes: bytes that come in pieces, joined late and seldom."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from sigil.core.rope import Rope, rope_append, rope_join

PIECES = st.lists(st.binary(min_size=1, max_size=300))


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
def test_each_piece_is_at_least_twice_as_long_as_the_next_so_that_there_are_few(
    pieces: list[bytes],
) -> None:
    lengths = [len(piece) for piece in rope_of(pieces)]
    assert all(first >= 2 * second for first, second in pairwise(lengths))
    assert len(lengths) <= sum(lengths).bit_length()


def test_a_rope_of_one_piece_is_that_piece_and_no_copy() -> None:
    piece = bytes(1_000)
    assert rope_join(rope_append((), piece)) is piece
    assert rope_join(()) == b""
