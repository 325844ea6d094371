"""Positions: what is written is read, and what a WebSocket is sent of them, byte by byte."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigil.core.broadcast.position import (
    Position,
    format_position,
    format_start,
    gap_frame,
    gap_json,
    next_frame,
    next_frames_len,
    parse_position,
    position_frame,
)

EPOCHS = st.integers(0, 10**18 - 1)


@given(EPOCHS, st.integers(-1, 10**15 - 2))
def test_a_position_that_was_written_is_read(epoch: int, number: int) -> None:
    read = parse_position(format_position(epoch, number))
    assert read == Position(epoch, number + 1, number + 1)


@given(EPOCHS, st.integers(0, 10**15 - 1), st.integers(0, 10**15 - 1))
def test_so_is_one_of_somebody_who_lacks_what_is_retained(epoch: int, one: int, two: int) -> None:
    number, retained_from = max(one, two), min(one, two)
    text = format_start(epoch, number, retained_from)
    assert parse_position(text) == Position(epoch, number, retained_from)
    assert ("." in text) is (retained_from < number)


@pytest.mark.parametrize(
    "text",
    ["", "1", "1-", "-1", "1-2-3", "a-1", "1 -1", "1-1\n", "-1-1", "1-2.", "1-2.3", "1-2.1.1"],
)
def test_what_is_no_position_is_none(text: str) -> None:
    assert parse_position(text) is None


@pytest.mark.parametrize("text", ["1.1", "1-\u0661", "9" * 19 + "-1", "1-" + "9" * 16])
def test_nor_is_one_with_other_digits_or_too_many(text: str) -> None:
    assert parse_position(text) is None


def test_what_a_websocket_is_sent_begins_with_nul() -> None:
    assert position_frame("7-9.0") == b"\x81\x0f\0position:7-9.0"
    assert next_frame(7, 8) == b"\x81\x09\0next:7-9"
    assert gap_frame("{}") == b"\x81\x07\0gap:{}"


def test_a_gap_is_one_line_of_json_whatever_was_asked_for() -> None:
    assert gap_json("7-1", "7-3", 2) == '{"after":"7-1","position":"7-3","missed":2}'
    text = gap_json("\n\0\ud800é", "7-3", None)
    assert text.encode().isascii() and "\n" not in text
    assert json.loads(text)["after"] == "\n\0\ud800é"


@given(EPOCHS, st.lists(st.integers(0, 10**6), unique=True).map(sorted))
def test_the_length_of_positions_is_that_of_their_frames(epoch: int, numbers: list[int]) -> None:
    frames = [next_frame(epoch, number) for number in numbers]
    assert next_frames_len(epoch, numbers) == sum(map(len, frames))
