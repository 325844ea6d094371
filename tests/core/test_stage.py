"""Staging as a value: what is appended, what does not fit, what is taken back.

Theory: a stage is a bounded string with a sticky flag, so a bytearray and a flag in this file are
its whole model, and any sequence of words must leave both the same.
"""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigil.core.stage import Stage, append_bytes, append_format, make_stage, take, truncate, unstage

EMPTY = make_stage(8)


def staged(*pieces: bytes, size: int = 8) -> Stage:
    """A stage with these pieces appended."""
    stage = make_stage(size)
    for piece in pieces:
        stage = append_bytes(stage, piece)
    return stage


# -- appending -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pieces", "length", "has_failed"),
    [
        ((b"12345678",), 8, False),
        ((b"123456789",), 0, True),
        ((b"1", b"2"), 2, False),
        ((b"123456", b"78"), 8, False),
        ((b"123456", b"789"), 6, True),
        ((b"12345678", b""), 8, False),
        ((b"12345678", b"9"), 8, True),
        ((), 0, False),
        ((b"",), 0, False),
    ],
)
def test_what_fits_exactly_fits_and_one_byte_more_fails(
    pieces: tuple[bytes, ...], length: int, has_failed: bool
) -> None:
    stage = staged(*pieces)
    assert (stage.length, stage.has_failed) == (length, has_failed)
    assert take(stage)[1] == (None if has_failed else b"".join(pieces))


def test_after_a_failure_nothing_is_appended_though_it_would_fit() -> None:
    stage = staged(b"123456", b"789")
    assert append_bytes(stage, b"7") == stage
    assert append_format(stage, "%d", (7,)) == stage
    assert append_format(stage, "%d", ("no number",)) == stage


def test_a_failure_is_told_once_and_the_stage_is_usable_again() -> None:
    stage, data = take(staged(b"123456789"))
    assert (stage, data) == (EMPTY, None)
    assert take(append_bytes(stage, b"again")) == (EMPTY, b"again")
    assert unstage(staged(b"123456", b"789")) == EMPTY


@pytest.mark.parametrize(
    ("fmt", "args", "expected"),
    [
        ("", (), b""),
        ("a", (), b"a"),
        ("100%%", (), b"100%"),
        ("%d", (-7,), b"-7"),
        ("%s", ("\u00e4",), b"\xc3\xa4"),
        ("%.3f", (0.5,), b"0.500"),
        ("%lu", (2**40,), b"1099511627776"),
        ("%x|%s", (255, b""), b"ff|b''"),
        ("%s", (("a", "b"),), b"('a', 'b')"),
    ],
)
def test_a_format_is_pythons_in_utf_8(fmt: str, args: tuple[object, ...], expected: bytes) -> None:
    assert take(append_format(make_stage(64), fmt, args))[1] == expected


@pytest.mark.parametrize(
    ("fmt", "args", "error"),
    [
        ("%d", ("x",), TypeError),
        ("%d", (), TypeError),
        ("", (1,), TypeError),
        ("100%", (), ValueError),
        ("%s", ("\ud800",), ValueError),
    ],
)
def test_a_format_that_does_not_suit_its_arguments_is_an_error_at_once(
    fmt: str, args: tuple[object, ...], error: type[Exception]
) -> None:
    with pytest.raises(error):
        append_format(EMPTY, fmt, args)


def test_what_can_change_is_copied_and_what_cannot_is_not() -> None:
    changing = bytearray(b"abc")
    stage = append_bytes(EMPTY, changing)
    changing[:] = b"xyz"
    assert take(stage)[1] == b"abc"
    constant = b"a constant"
    assert take(append_bytes(make_stage(64), constant))[1] is constant


def test_a_view_counts_in_bytes() -> None:
    view = memoryview(b"12345678").cast("H")
    assert append_bytes(EMPTY, view).length == 8
    assert append_bytes(staged(b"1"), view).has_failed


@pytest.mark.parametrize("data", ["text", 5, None, [1]])
def test_only_bytes_are_appended(data: Any) -> None:
    with pytest.raises(TypeError):
        append_bytes(EMPTY, data)


# -- taking back -----------------------------------------------------------------------------------


def test_truncating_takes_back_the_end_and_nothing_else() -> None:
    stage = staged(b"abcd", b"ef", b"g")
    assert [take(truncate(stage, length))[1] for length in (7, 6, 5, 1, 0)] == [
        b"abcdefg",
        b"abcdef",
        b"abcde",
        b"a",
        b"",
    ]
    assert truncate(stage, 0) == EMPTY


@pytest.mark.parametrize("length", [-1, 5, 2**70])
def test_truncating_never_grows(length: int) -> None:
    with pytest.raises(ValueError, match="4 that are staged"):
        truncate(staged(b"abcd"), length)


def test_truncating_does_not_heal_a_failure() -> None:
    assert truncate(staged(b"abcd", b"efghi"), 2).has_failed


# -- laws ------------------------------------------------------------------------------------------

WORD = st.one_of(
    st.tuples(st.just("append"), st.binary(max_size=12)),
    st.tuples(st.just("truncate"), st.integers(0, 40)),
    st.tuples(st.sampled_from(("unstage", "take")), st.none()),
)


@given(st.integers(0, 32), st.lists(WORD, max_size=30))
def test_any_words_do_to_a_stage_what_they_do_to_a_bounded_string(
    size: int, words: list[tuple[str, Any]]
) -> None:
    stage, model, has_failed = make_stage(size), b"", False
    for word, argument in words:
        if word == "append":
            has_failed = has_failed or len(model) + len(argument) > size
            model += b"" if has_failed else argument
            stage = append_bytes(stage, argument)
        elif word == "truncate" and argument <= len(model):
            model, stage = model[:argument], truncate(stage, argument)
        elif word == "unstage":
            stage, model, has_failed = unstage(stage), b"", False
        elif word == "take":
            stage, data = take(stage)
            assert data == (None if has_failed else model)
            model, has_failed = b"", False
        assert (stage.length, stage.has_failed, b"".join(stage.rope)) == (
            len(model),
            has_failed,
            model,
        )


def test_the_law_of_the_original_holds_for_every_length() -> None:
    for length in range(1, 9):
        for _ in range(1_024):
            stage, data = take(staged(bytes(range(length))))
            assert (stage, data) == (EMPTY, bytes(range(length)))
    assert take(staged(bytes(9))) == (EMPTY, None)


@given(st.lists(st.binary(max_size=5), max_size=300))
def test_many_small_pieces_stay_few(pieces: list[bytes]) -> None:
    stage = staged(*pieces, size=2**20)
    assert b"".join(stage.rope) == b"".join(pieces)
    assert len(stage.rope) <= 12
