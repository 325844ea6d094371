"""Bytes become lines: literal values, and the law that however they are cut the lines
are the same.
"""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sigil.apps.stream.lines import Line, Lines, feed, finish

MIB = 2**20


def lines_of(pieces: Sequence[bytes], max_len: int) -> list[Line]:
    """All lines of these pieces, the last one too."""
    lines, found = Lines(max_len), []
    for piece in pieces:
        lines, more = feed(lines, piece)
        found += more
    return found + finish(lines)


def lines_in_words(data: bytes, max_len: int) -> list[Line]:
    """All lines of the whole, by the rule as it is written and nothing else."""
    *whole, last = data.split(b"\n")
    ended = [line.removesuffix(b"\r") for line in whole] + ([last] if last else [])
    return [line if len(line) <= max_len else None for line in ended]


@pytest.mark.parametrize(
    ("pieces", "found"),
    [
        ([], []),
        ([b""], []),
        ([b"a\n"], [b"a"]),
        ([b"a\nb"], [b"a", b"b"]),
        ([b"a", b"b\n", b"\n"], [b"ab", b""]),
        ([b"a\r\nb\r\n"], [b"a", b"b"]),
        ([b"a\r", b"\nb"], [b"a", b"b"]),
        ([b"a\rb\n"], [b"a\rb"]),
        ([b"a\r\r\n"], [b"a\r"]),
        ([b"a\r"], [b"a\r"]),
        ([b"\n\n\r\n"], [b"", b"", b""]),
        ([b"\xff\x00\n"], [b"\xff\x00"]),
        ([b"12345\n"], [b"12345"]),
        ([b"12345\r\n"], [b"12345"]),
        ([b"12345\r", b"\n"], [b"12345"]),
        ([b"123456\n"], [None]),
        ([b"123456\r\n"], [None]),
        ([b"123456"], [None]),
        ([b"12345\r"], [None]),
        ([b"12345\r6\nb\n"], [None, b"b"]),
        ([b"1234", b"5678", b"9", b"0\nb"], [None, b"b"]),
        ([b"1234567890\n1234567890\n"], [None, None]),
    ],
)
def test_lines(pieces: list[bytes], found: list[Line]) -> None:
    assert lines_of(pieces, 5) == found
    assert lines_of([bytes([byte]) for byte in b"".join(pieces)], 5) == found


SOUP = st.lists(
    st.sampled_from([b"\n", b"\r\n", b"\r", b"a", b"bc", b"\xff\xfe", b"123456789"])
).map(b"".join)


@given(data=SOUP, cuts=st.lists(st.integers(0, 100)), max_len=st.integers(1, 12))
@example(data=b"a\r\n", cuts=[2], max_len=1)
@example(data=b"ab\r\n", cuts=[3], max_len=1)
def test_however_the_bytes_are_cut_the_lines_are_the_same(
    data: bytes, cuts: list[int], max_len: int
) -> None:
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [data[start:stop] for start, stop in pairwise(edges)]
    assert lines_of(pieces, max_len) == lines_in_words(data, max_len)


@given(pieces=st.lists(st.binary(max_size=40)), max_len=st.integers(1, 30))
def test_no_more_is_kept_than_a_line_may_have(pieces: list[bytes], max_len: int) -> None:
    lines = Lines(max_len)
    for piece in pieces:
        lines, _ = feed(lines, piece)
        lengths = [len(part) for part in lines.partial]
        assert sum(lengths) == lines.partial_len <= max_len + 1
        assert all(one > other for one, other in pairwise(lengths))


def test_a_line_is_known_to_be_too_long_before_it_ends() -> None:
    lines, found = feed(Lines(5), b"1234567")
    assert (found, lines.is_skipping, lines.partial) == ([None], True, ())
    assert feed(lines, bytes(MIB)) == (lines, [])
    assert finish(lines) == []


def test_a_long_line_in_small_pieces_is_not_copied_for_each() -> None:
    lines = Lines(MIB)
    for _ in range(MIB // 16):
        lines, found = feed(lines, b"0123456789abcdef")
        assert found == [] and len(lines.partial) <= 20
    assert finish(lines) == [b"0123456789abcdef" * (MIB // 16)]
