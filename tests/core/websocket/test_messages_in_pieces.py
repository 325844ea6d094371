"""Long messages come out in pieces, where the program takes them so: the same pieces however the
bytes are cut, and together the message.
"""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigil.core.close_reasons import CloseReason
from sigil.core.parse_result import Malformed
from sigil.core.websocket.compression import deflate
from sigil.core.websocket.fragments import CompressedFragment, Fragment
from sigil.core.websocket.frames import FrameRules, Opcode, encode_masked
from sigil.core.websocket.messages import (
    BETWEEN_MESSAGES,
    Close,
    Item,
    MessageReader,
    Ping,
    receive_data,
)

KEY = b"\x9d\xfa\x21\x3d"
TEXT, BINARY, CONTINUATION, PING, CLOSE = 1, 2, 0, 9, 8
RULES = FrameRules(1_000, 1_000, allows_rsv1=True, piece_len=8)


def frames(payload: bytes, cuts: Sequence[int], opcode: int = TEXT, rsv: int = 0) -> bytes:
    """A message in frames that end at these places."""
    ends = [*sorted(min(cut, len(payload)) for cut in cuts), len(payload)]
    made, start = b"", 0
    for index, end in enumerate(ends):
        code = opcode if index == 0 else CONTINUATION
        is_last = index == len(ends) - 1
        bits = rsv if index == 0 else 0
        made += encode_masked(code, payload[start:end], KEY, fin=is_last, rsv=bits)
        start = end
    return made


def read(
    data: bytes, cuts: Sequence[int] = (), rules: FrameRules = RULES
) -> tuple[list[Item], Malformed | None, MessageReader]:
    """What comes of these bytes, received in pieces that end at these places."""
    reader, items, start = BETWEEN_MESSAGES, list[Item](), 0
    for end in [*sorted(min(cut, len(data)) for cut in cuts), len(data)]:
        reader, more, error = receive_data(reader, data[start:end], rules)
        items += more
        if error is not None:
            return items, error, reader
        start = end
    return items, None, reader


@pytest.mark.parametrize("cuts", [(), (3,), (8,), (3, 5)])
def test_what_is_no_longer_than_a_piece_is_a_message(cuts: tuple[int, ...]) -> None:
    for opcode, message in ((TEXT, "12345678"), (BINARY, b"12345678")):
        data = frames(b"12345678", cuts, opcode)
        assert read(data) == ([message], None, BETWEEN_MESSAGES)
        assert read(data, range(len(data))) == ([message], None, BETWEEN_MESSAGES)


def test_a_longer_one_is_pieces_that_say_how_much_is_to_come() -> None:
    items, error, reader = read(frames(b"0123456789abcdefghij", (), BINARY))
    assert (error, reader) == (None, BETWEEN_MESSAGES)
    assert items == [
        Fragment(b"01234567", True, False, 12),
        Fragment(b"89abcdef", False, False, 4),
        Fragment(b"ghij", False, True, 0),
    ]
    assert [item.is_binary for item in items if isinstance(item, Fragment)] == [True] * 3


def test_frames_that_have_not_begun_are_not_counted() -> None:
    items, _, _ = read(frames(b"0123456789abcdefghij", (10, 18), BINARY))
    assert [item.remaining for item in items if isinstance(item, Fragment)] == [2, 2, 0]


def test_text_is_cut_between_characters() -> None:
    items, _, _ = read(frames("1234567\u20ac90".encode(), ()))
    assert items == [Fragment("1234567", True, False, 5), Fragment("\u20ac90", False, True, 0)]
    assert not any(item.is_binary for item in items if isinstance(item, Fragment))


def test_a_message_that_turns_out_to_end_behind_a_piece_has_an_empty_last_one() -> None:
    items, _, _ = read(frames(b"0123456789abcdef", (9, 16), BINARY))
    assert items[-1] == Fragment(b"89abcdef", False, True, 0)
    data = encode_masked(BINARY, b"x" * 9, KEY, fin=False) + encode_masked(CONTINUATION, b"", KEY)
    assert read(data)[0] == [Fragment(b"x" * 8, True, False, 1), Fragment(b"x", False, True, 0)]


def test_pings_come_between_the_pieces() -> None:
    head, tail = frames(b"0123456789", (9,), BINARY)[:15], frames(b"0123456789", (9,), BINARY)[15:]
    items, error, _ = read(head + encode_masked(PING, b"?", KEY) + tail)
    assert error is None
    assert items == [
        Fragment(b"01234567", True, False, 1),
        Ping(b"?"),
        Fragment(b"89", False, True, 0),
    ]


def test_a_compressed_message_comes_out_compressed_whatever_its_length() -> None:
    payload = deflate(b"hello", 15)
    items, _, _ = read(frames(payload, (), TEXT, rsv=4))
    assert items == [CompressedFragment(Opcode.TEXT, payload, True, True, 0)]
    longer = deflate(bytes(range(40)), 15)
    items, _, _ = read(frames(longer, (5,), BINARY, rsv=4))
    pieces = [item for item in items if isinstance(item, CompressedFragment)]
    assert b"".join(piece.payload for piece in pieces) == longer
    assert [len(piece) for piece in pieces[:-1]] == [8] * (len(pieces) - 1)
    assert [piece.is_final for piece in pieces] == [False] * (len(pieces) - 1) + [True]


@pytest.mark.parametrize(
    ("data", "count", "reason"),
    [
        (frames(b"0123456\xff89", ()), 0, CloseReason.WS_BAD_UTF8),
        (frames(b"0123456789\xff", ()), 1, CloseReason.WS_BAD_UTF8),
        (frames(b"0123456789\xe2\x82", ()), 1, CloseReason.WS_BAD_UTF8),
        (frames(b"x" * 1_001, ()), 0, CloseReason.WS_OVERSIZE_FRAME),
        (frames(b"x" * 1_001, (900,)), 112, CloseReason.WS_OVERSIZE_FRAME),
    ],
)
def test_what_is_wrong_counts_behind_the_pieces_before_it(
    data: bytes, count: int, reason: CloseReason
) -> None:
    for cuts in ((), range(len(data))):
        items, error, _ = read(data, cuts)
        assert len(items) == count
        assert error is not None and error.reason is reason


def test_no_more_than_a_piece_is_held() -> None:
    data = frames(b"x" * 900, (100, 500), BINARY)
    reader = BETWEEN_MESSAGES
    for index in range(len(data)):
        reader, _, _ = receive_data(reader, data[index : index + 1], RULES)
        held = 0 if reader.message is None else sum(map(len, reader.message.rope))
        assert held <= RULES.piece_len


MESSAGES = st.lists(
    st.tuples(
        st.one_of(st.text(max_size=40), st.binary(max_size=40)),
        st.lists(st.integers(0, 40), max_size=4),
        st.booleans(),
    ),
    max_size=4,
)


@given(MESSAGES, st.lists(st.integers(0, 400), max_size=12))
def test_cuts_change_nothing_and_the_pieces_are_the_messages(
    messages: list[tuple[str | bytes, list[int], bool]], cuts: list[int]
) -> None:
    data = b""
    for content, ends, has_ping in messages:
        payload, opcode = (
            (content.encode(), TEXT) if isinstance(content, str) else (content, BINARY)
        )
        data += frames(payload, ends, opcode)
        if has_ping:
            data += encode_masked(PING, b"", KEY)
    data += encode_masked(CLOSE, b"\x03\xe8", KEY)
    items, error, _ = read(data)
    assert error is None and isinstance(items[-1], Close)
    assert read(data, cuts)[0] == items
    joined = list[str | bytes]()
    for item in items:
        if isinstance(item, str | bytes):
            joined.append(item)
        elif isinstance(item, Fragment) and item.is_first:
            joined.append(item.data)
        elif isinstance(item, Fragment):
            joined[-1] += item.data  # type: ignore[operator]
    assert joined == [content for content, _, _ in messages]
