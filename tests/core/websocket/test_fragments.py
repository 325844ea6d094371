"""Messages that come in pieces: what they grow to, piece by piece, and what is refused."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sigil.core.close_reasons import CloseReason
from sigil.core.parse_result import Malformed
from sigil.core.websocket.fragments import (
    NEW_MESSAGES,
    CompressedMessage,
    FragmentedMessage,
    check_utf8,
    decompress,
    with_piece,
)
from sigil.core.websocket.frames import FrameRules, Opcode
from tests.support.core_driver import cut, same
from tests.support.utf8 import can_become_utf8

RULES = FrameRules(2**20, 2**20, max_small_fragments=2, min_fragment_len=4)
TEXT, BINARY, COMPRESSED_TEXT = NEW_MESSAGES[0x01], NEW_MESSAGES[0x02], NEW_MESSAGES[0x41]
EURO = "\u20ac".encode()
some = settings(max_examples=250, deadline=None)


def test_a_message_grows_by_its_pieces_until_the_last() -> None:
    begun = with_piece(TEXT, 3, 1, b"Hel", False, RULES)
    assert same(begun, FragmentedMessage(Opcode.TEXT, False, (b"Hel",), 3, b"", 0))
    assert isinstance(begun, FragmentedMessage)
    torn = with_piece(begun, 2, 1, b"l", False, RULES)
    assert same(torn, FragmentedMessage(Opcode.TEXT, False, (b"Hel", b"l"), 5, b"", 1))
    assert isinstance(torn, FragmentedMessage)
    assert with_piece(torn, 0, 0, b"o", True, RULES) == "Hello"


@pytest.mark.parametrize(
    ("message", "whole"),
    [
        (TEXT, "\u20ac"),
        (BINARY, EURO),
        (COMPRESSED_TEXT, CompressedMessage(Opcode.TEXT, EURO)),
        (NEW_MESSAGES[0x42], CompressedMessage(Opcode.BINARY, EURO)),
    ],
)
@pytest.mark.parametrize("cut_at", [0, 1, 2, 3])
def test_a_message_is_what_its_first_frame_says(
    message: FragmentedMessage, whole: str | bytes | CompressedMessage, cut_at: int
) -> None:
    begun = with_piece(message, cut_at, 1, EURO[:cut_at], False, RULES)
    assert isinstance(begun, FragmentedMessage)
    assert same(with_piece(begun, 3 - cut_at, 1, EURO[cut_at:], True, RULES), whole)


def test_text_is_checked_piece_by_piece_and_what_is_compressed_is_not() -> None:
    begun = with_piece(TEXT, 2, 1, b"x" + EURO[:1], False, RULES)
    assert isinstance(begun, FragmentedMessage)
    assert begun.partial_char == EURO[:1]
    for piece, is_last in ((b"x", False), (b"x", True), (b"", True)):
        error = with_piece(begun, 1, 1, piece, is_last, RULES)
        assert isinstance(error, Malformed)
        assert error.reason is CloseReason.WS_BAD_UTF8
    for message in (BINARY, COMPRESSED_TEXT):
        assert isinstance(with_piece(message, 1, 1, b"\xff", False, RULES), FragmentedMessage)


def test_too_many_small_fragments_are_refused_with_the_header_of_the_one_too_many() -> None:
    message = BINARY
    for _ in range(3):
        grown = with_piece(message, 0, 1, b"", False, RULES)
        assert isinstance(grown, FragmentedMessage)
        message = grown
    error = with_piece(message, 3, 1, b"", False, RULES)
    assert isinstance(error, Malformed)
    assert error.reason is CloseReason.WS_OVERHEAD
    assert isinstance(with_piece(message, 4, 1, b"", False, RULES), FragmentedMessage)


def test_a_compressed_message_is_as_long_as_it_came() -> None:
    assert len(CompressedMessage(Opcode.TEXT, b"12345")) == 5
    assert isinstance(decompress(CompressedMessage(Opcode.TEXT, b"\xff"), 9), Malformed)


@some
@given(
    st.lists(
        st.sampled_from(
            [
                b"a",
                b"\xc3",
                b"\xa9",
                b"\xe2",
                b"\x82",
                b"\xac",
                b"\xed",
                b"\xa0",
                b"\xf0",
                b"\x9f",
                b"\x98",
                b"\x80",
                b"\xf4",
                b"\x90",
                b"\xe0",
                b"\xc0",
            ]
        ),
        max_size=9,
    ),
    st.lists(st.integers(0, 9), max_size=4),
)
@example([b"\xed", b"\xa0"], [])
@example([b"a", b"\xed", b"\x80"], [2])
def test_text_in_pieces_is_good_as_long_as_it_can_become_utf_8(
    letters: list[bytes], cuts: list[int]
) -> None:
    text, tail = b"".join(letters), b""
    position = 0
    for piece in cut(text, cuts):
        position += len(piece)
        result = check_utf8(tail, piece, is_last=False)
        assert isinstance(result, bytes) is can_become_utf8(text[:position])
        if isinstance(result, Malformed):
            return
        assert len(result) < 4
        tail = result
    ends_well = not text or "\ufffd" not in text.decode(errors="replace")
    assert isinstance(check_utf8(tail, b"", is_last=True), bytes) is ends_well
