"""Conversations as they arrive: messages in pieces, control frames between them, and what must not
be said.

The laws: cuts change nothing, fragments equal the whole. The oracle: wsproto, fed with the same
bytes.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from wsproto.frame_protocol import FrameProtocol, ParseFailed

from sigil.core.close_reasons import CLOSE_INFO, CloseReason
from sigil.core.parse_result import Malformed
from sigil.core.websocket.fragments import CompressedMessage, FragmentedMessage
from sigil.core.websocket.frames import (
    FrameRules,
    Opcode,
    encode_close,
    encode_frame,
    encode_masked,
)
from sigil.core.websocket.masking import BIGINT_XOR_MAX
from sigil.core.websocket.messages import (
    BETWEEN_MESSAGES,
    READER_CLOSED,
    Close,
    Item,
    MessageReader,
    PartialFrame,
    Ping,
    Pong,
    receive_data,
)
from tests.support.core_driver import byte_by_byte, cut, same
from tests.support.utf8 import can_become_utf8

TERMS = FrameRules(2**20, 2**20)
TIGHT = FrameRules(40, 60)
SQUEEZING = FrameRules(2**20, 2**20, allows_rsv1=True)
KEY = bytes.fromhex("37fa213d")
EURO = "€".encode()
some = settings(max_examples=250, deadline=None)


def frame(opcode: int, payload: bytes = b"", fin: bool = True, rsv: int = 0) -> bytes:
    """A frame of a client."""
    return encode_masked(opcode, payload, KEY, fin, rsv)


class Heard(NamedTuple):
    """All that came of a conversation."""

    items: tuple[Item, ...]
    flaw: Malformed | None
    inbound: MessageReader


def hear(reads: Iterable[bytes], rules: FrameRules = TERMS) -> Heard:
    """Fold reads from the beginning of a conversation; at most one of them may find a flaw."""
    reader, heard, flaws = BETWEEN_MESSAGES, (), []
    for data in reads:
        reader, items, error = receive_data(reader, data, rules)
        heard += items
        flaws += [error] if error is not None else []
    assert len(flaws) < 2
    return Heard(heard, flaws[0] if flaws else None, reader)


def hear_both_ways(data: bytes, rules: FrameRules = TERMS) -> Heard:
    """What comes of these bytes in one read, which must be what comes of them one by one, and cut
    once anywhere.
    """
    at_once, slowly = hear([data], rules), hear(byte_by_byte(data), rules)
    assert same(at_once[:2], slowly[:2])
    for position in range(1, min(len(data), 1_000)):
        assert same(hear(cut(data, [position]), rules)[:2], at_once[:2])
    return at_once


# -- whole messages --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "items"),
    [
        (frame(1, b"Hello"), ("Hello",)),
        (frame(2, b"Hello"), (b"Hello",)),
        (frame(1), ("",)),
        (frame(2), (b"",)),
        (frame(1, b"x") + frame(2, b"y"), ("x", b"y")),
        (frame(1, EURO * 40) * 3, ("€" * 40,) * 3),
        (frame(1, "\ud7ff\ue000\U0010ffff".encode() * 50), ("\ud7ff\ue000\U0010ffff" * 50,)),
        (frame(2, b"x" * 126) * 8, (b"x" * 126,) * 8),
        (
            frame(2, b"x" * BIGINT_XOR_MAX) + frame(2, b"y" * (BIGINT_XOR_MAX + 1)),
            (b"x" * BIGINT_XOR_MAX, b"y" * (BIGINT_XOR_MAX + 1)),
        ),
        (frame(2, b"x" * 65_535) + frame(1, b"y" * 65_536), (b"x" * 65_535, "y" * 65_536)),
        (
            frame(9, b"a") + frame(1, b"x") + frame(10, b"b") + frame(2, b"y"),
            (Ping(b"a"), "x", Pong(b"b"), b"y"),
        ),
        (frame(9) + frame(10), (Ping(b""), Pong(b""))),
        (frame(8), (Close(1005, ""),)),
        (frame(8, encode_close(1000, "bye")), (Close(1000, "bye"),)),
        (b"", ()),
    ],
)
def test_whole_messages_come_out_in_order(data: bytes, items: tuple[Item, ...]) -> None:
    heard = hear_both_ways(data)
    assert same(heard.items, items)
    assert heard.flaw is None


def test_between_messages_nothing_is_kept() -> None:
    for data in (
        frame(1, b"hello") * 3,
        frame(9, b"x"),
        frame(1, b"a", fin=False) + frame(0, b"b"),
    ):
        assert hear([data]).inbound is BETWEEN_MESSAGES
        assert hear(byte_by_byte(data)).inbound is BETWEEN_MESSAGES


@pytest.mark.parametrize("length", [0, 1, 2, 3, 125, 126, 127, BIGINT_XOR_MAX, BIGINT_XOR_MAX + 1])
def test_a_client_reads_frames_that_are_not_masked(length: int) -> None:
    rules = FrameRules(2**20, 2**20, is_masked=False)
    data = encode_frame(1, b"x" * length) + encode_frame(9, b"p") + encode_frame(2, b"y" * length)
    assert same(hear_both_ways(data, rules).items, ("x" * length, Ping(b"p"), b"y" * length))
    refusal = hear_both_ways(frame(1, b"x" * length), rules).flaw
    assert refusal is not None
    assert refusal.reason is CloseReason.WS_BAD_MASK


# -- fragments -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "items"),
    [
        (frame(1, b"Hel", fin=False) + frame(0, b"lo"), ("Hello",)),
        (frame(2, b"a", fin=False) + frame(0, b"b", fin=False) + frame(0, b"c"), (b"abc",)),
        (
            frame(1, b"a", fin=False)
            + frame(9, b"1")
            + frame(0, b"b", fin=False)
            + frame(10, b"2")
            + frame(0, b"c"),
            (Ping(b"1"), Pong(b"2"), "abc"),
        ),
        (
            frame(1, EURO[:1], fin=False)
            + frame(9)
            + frame(0, EURO[1:2], fin=False)
            + frame(0, EURO[2:]),
            (Ping(b""), "€"),
        ),
        (frame(1, fin=False) + frame(0, fin=False) + frame(0), ("",)),
        (frame(2, fin=False) + frame(0, b"x", fin=False) + frame(0), (b"x",)),
        (frame(2, b"a", fin=False) + frame(0, b"b") + frame(1, b"c"), (b"ab", "c")),
        (frame(2, b"a", fin=False) + frame(8, encode_close(1001)), (Close(1001, ""),)),
    ],
)
def test_fragments_are_joined_whatever_comes_between_them(
    data: bytes, items: tuple[Item, ...]
) -> None:
    heard = hear_both_ways(data)
    assert same(heard.items, items)
    assert heard.flaw is None


def test_a_message_under_way_is_a_value() -> None:
    reader, items, error = receive_data(
        BETWEEN_MESSAGES, frame(1, b"x" + EURO, fin=False)[:-1], TERMS
    )
    assert (items, error) == ((), None)
    turned = KEY[3:] + KEY[:3]
    assert same(
        reader,
        MessageReader(
            b"",
            FragmentedMessage(Opcode.TEXT, False, (b"x" + EURO[:2],), 4, EURO[:2]),
            PartialFrame(1, turned, False),
            False,
        ),
    )
    rest = frame(1, b"x" + EURO, fin=False)[-1:] + frame(0, b"!")
    assert same(receive_data(reader, rest, TERMS), receive_data(reader, rest, TERMS))
    assert same(receive_data(reader, rest, TERMS), (BETWEEN_MESSAGES, ("x€!",), None))


def test_a_frame_head_or_a_control_frame_is_all_that_is_kept_back() -> None:
    ping = frame(9, b"x" * 125)
    for data in (ping[:-1], frame(2, b"x" * 70_000)[:13]):
        assert hear(byte_by_byte(data)).inbound == BETWEEN_MESSAGES.replace(buffer=data)


def test_empty_fragments_leave_no_trace() -> None:
    reader, items, error = receive_data(
        BETWEEN_MESSAGES, frame(2, b"x", fin=False) + frame(0, fin=False) * 1000, TERMS
    )
    assert (items, error) == ((), None)
    assert same(
        reader,
        MessageReader(
            b"", FragmentedMessage(Opcode.BINARY, False, (b"x",), 1, b"", 1000), None, False
        ),
    )


def test_a_large_message_in_small_reads_has_few_pieces() -> None:
    payload = bytes(range(256)) * 64
    data = frame(2, payload)
    reader = receive_data(BETWEEN_MESSAGES, data[:8], TERMS)[0]
    for piece in (data[start : start + 10] for start in range(8, len(data) - 10, 10)):
        reader, _, _ = receive_data(reader, piece, TERMS)
        assert reader.message is not None
        assert len(reader.message.rope) < 15
    assert same(hear(cut(data, range(8, len(data), 10))).items, (payload,))


# -- flaws -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (frame(0, b"x"), CloseReason.WS_EXPECTED_TEXT_OPCODE),
        (frame(0, b"x", fin=False), CloseReason.WS_EXPECTED_TEXT_OPCODE),
        (frame(1, b"a", fin=False) + frame(1, b"b"), CloseReason.WS_EXPECTED_CONT_OPCODE),
        (
            frame(2, b"a", fin=False) + frame(0, b"b", fin=False) + frame(2),
            CloseReason.WS_EXPECTED_CONT_OPCODE,
        ),
        (frame(3, b"x"), CloseReason.WS_UNKNOWN_OPCODE),
        (frame(1, b"x", rsv=4), CloseReason.WS_BAD_RSV),
        (frame(9, b"x", rsv=1), CloseReason.WS_BAD_RSV),
        (frame(9, b"x", fin=False), CloseReason.WS_FRAGMENTED_CONTROL),
        (frame(9, b"x" * 126), CloseReason.WS_CONTROL_FRAME_TOO_LARGE),
        (encode_frame(1, b"not masked"), CloseReason.WS_BAD_MASK),
        (b"\x82\xfe\x00\x7d", CloseReason.WS_NONMINIMAL_LENGTH),
        (b"\x82\xfe\x00\x7d" + KEY + bytes(125), CloseReason.WS_NONMINIMAL_LENGTH),
        (b"\x82\xff" + bytes(8) + KEY, CloseReason.WS_NONMINIMAL_LENGTH),
        (b"\x82\xff\x80", CloseReason.WS_OVERSIZE_FRAME),
        (frame(8, b"\x03"), CloseReason.WS_BAD_CLOSE_PAYLOAD),
        (frame(8, b"\x03\xee"), CloseReason.WS_BAD_CLOSE_PAYLOAD),
        (frame(8, b"\x03\xe8\xff"), CloseReason.WS_BAD_UTF8),
        (frame(1, b"\xff" * 8), CloseReason.WS_BAD_UTF8),
        (frame(1, EURO[:2]), CloseReason.WS_BAD_UTF8),
        (frame(1, b"long enough" + EURO[:2]), CloseReason.WS_BAD_UTF8),
        (frame(1, EURO[:2], fin=False) + frame(0), CloseReason.WS_BAD_UTF8),
        (frame(1, EURO[:2], fin=False) + frame(0, b"x", fin=False), CloseReason.WS_BAD_UTF8),
    ],
)
@pytest.mark.parametrize("behind", [b"", frame(1, b"unheard of"), b"\xff" * 30])
def test_what_was_good_comes_out_before_the_flaw_and_nothing_after_it(
    wrong: bytes, reason: CloseReason, behind: bytes
) -> None:
    good = frame(1, b"good") + frame(9, b"x") + frame(2, b"also good")
    heard = hear_both_ways(good + wrong + behind)
    assert same(heard.items, ("good", Ping(b"x"), b"also good"))
    assert heard.flaw is not None
    assert heard.flaw.reason is reason
    assert heard.inbound is READER_CLOSED


def test_nothing_is_heard_after_a_close() -> None:
    heard = hear_both_ways(frame(1, b"x") + frame(8) + frame(1, b"y") + frame(3))
    assert same(heard, Heard(("x", Close(1005, "")), None, READER_CLOSED))
    assert same(receive_data(READER_CLOSED, frame(1, b"z"), TERMS), (READER_CLOSED, (), None))


@pytest.mark.parametrize(
    "text",
    [
        b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80edited",
        b"\xc0\xaf",
        b"\xed\xa0\x80",
        b"\xf8\x88",
        b"\x80",
        b"ok \xfe",
        b"\xe0\x80\xaf",
        b"\xf0\x80\x80\xaf",
        b"\xf5",
        b"\xe2\x82x",
        b"\xf0\x9f\x98x",
    ],
)
def test_text_is_refused_at_the_first_byte_that_cannot_be_utf_8(text: bytes) -> None:
    can_begin = [length for length in range(len(text) + 1) if can_become_utf8(text[:length])]
    data, head = frame(1, text + b" and so on"), 6
    reads = byte_by_byte(data[: head + can_begin[-1] + 1])
    assert hear(reads[:-1]).flaw is None
    error = hear(reads).flaw
    assert same(error, Malformed(CloseReason.WS_BAD_UTF8, "a text message is not UTF-8"))


# -- bounds ----------------------------------------------------------------------------------------


def test_messages_may_be_as_long_as_the_bounds() -> None:
    longest = frame(2, b"x" * 40, fin=False) + frame(0, b"y" * 20)
    assert same(
        hear_both_ways(longest + frame(1, b"z" * 40), TIGHT),
        Heard((b"x" * 40 + b"y" * 20, "z" * 40), None, BETWEEN_MESSAGES),
    )


@pytest.mark.parametrize(
    ("data", "last", "sentence"),
    [
        (frame(2, b"x" * 41), 2, "a frame is longer than 40 bytes"),
        (frame(1, b"x" * 300), 3, "a frame is longer than 40 bytes"),
        (
            frame(2, b"x" * 40, fin=False) + frame(0, b"y" * 21),
            46 + 2,
            "a message is longer than 60 bytes",
        ),
        (
            frame(1, b"x" * 30, fin=False) + frame(0, b"y" * 30, fin=False) + frame(0, b"z"),
            72 + 2,
            "a message is longer than 60 bytes",
        ),
    ],
)
def test_what_is_too_long_is_refused_before_it_comes(data: bytes, last: int, sentence: str) -> None:
    assert hear_both_ways(data[: last - 1], TIGHT).flaw is None
    for length in (last, len(data)):
        assert same(
            hear_both_ways(data[:length], TIGHT).flaw,
            Malformed(CloseReason.WS_OVERSIZE_FRAME, sentence),
        )


# -- compressed messages ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "items"),
    [
        (frame(1, b"\xff\xfe", rsv=4), (CompressedMessage(Opcode.TEXT, b"\xff\xfe"),)),
        (frame(2, b"x" * 200, rsv=4), (CompressedMessage(Opcode.BINARY, b"x" * 200),)),
        (
            frame(1, b"\xff", fin=False, rsv=4) + frame(9) + frame(0, b"\xfe"),
            (Ping(b""), CompressedMessage(Opcode.TEXT, b"\xff\xfe")),
        ),
        (
            frame(1, b"plain") + frame(1, b"\xff", rsv=4) + frame(2, b"plain"),
            ("plain", CompressedMessage(Opcode.TEXT, b"\xff"), b"plain"),
        ),
    ],
)
def test_a_compressed_message_comes_out_as_it_came(data: bytes, items: tuple[Item, ...]) -> None:
    assert same(hear_both_ways(data, SQUEEZING), Heard(items, None, BETWEEN_MESSAGES))
    error = hear_both_ways(data).flaw
    assert error is not None
    assert error.reason is CloseReason.WS_BAD_RSV


@pytest.mark.parametrize(
    "data",
    [
        frame(2, b"x", fin=False, rsv=4) + frame(0, b"y", rsv=4),
        frame(9, rsv=4),
        frame(1, b"x", rsv=6),
    ],
)
def test_only_the_first_frame_of_a_message_says_that_it_is_compressed(data: bytes) -> None:
    error = hear_both_ways(data, SQUEEZING).flaw
    assert error is not None
    assert error.reason is CloseReason.WS_BAD_RSV


# -- laws and the oracle ---------------------------------------------------------------------------

CUTS = st.lists(st.integers(0, 600), max_size=8)
controls = st.lists(
    st.builds(frame, st.sampled_from([9, 10]), st.binary(max_size=5)), max_size=2
).map(b"".join)


@st.composite
def messages(draw: st.DrawFn, squeezed: bool = False) -> bytes:
    """The frames of one message, cut anywhere, with control frames between them."""
    text = draw(st.text(max_size=30) | st.sampled_from(["x" * 128, "€😀" * 30]))
    opcode, payload = draw(st.sampled_from([(1, text.encode()), (2, text.encode("utf-16"))]))
    pieces = cut(payload, draw(st.lists(st.integers(0, len(payload)), max_size=3)))
    frames = []
    for index, piece in enumerate(pieces):
        frames += [
            frame(0 if index else opcode, piece, fin=index == len(pieces) - 1),
            draw(controls),
        ]
    return b"".join(frames)


@st.composite
def conversations(draw: st.DrawFn) -> bytes:
    """Messages, maybe a close frame among them, maybe with a byte changed."""
    closes = st.builds(
        frame, st.just(8), st.sampled_from([b"", b"\x03\xe8", b"\x03\xe8bye", b"\x03\xed", b"\x03"])
    )
    parts = draw(st.lists(messages() | messages() | closes, max_size=5))
    data = bytearray(b"".join(parts))
    if data and draw(st.booleans()):
        data[draw(st.integers(0, len(data) - 1))] = draw(
            st.sampled_from([0, 1, 0x41, 0x7E, 0x82, 0x8B, 0xFE, 0xFF])
        )
    return bytes(data)


@some
@given(conversations(), CUTS, st.sampled_from([TERMS, TIGHT, SQUEEZING]))
@example(frame(1, b"x" * 128) * 4, [1, 130, 200], TERMS)
def test_cutting_a_conversation_changes_neither_the_items_nor_the_flaw(
    data: bytes, cuts: list[int], rules: FrameRules
) -> None:
    whole = hear([data], rules)
    assert same(hear(cut(data, cuts), rules)[:2], whole[:2])
    assert same(hear(byte_by_byte(data), rules)[:2], whole[:2])


@some
@given(st.text(max_size=60), st.lists(st.integers(0, 100), max_size=5), st.data())
def test_fragments_with_controls_at_any_place_equal_the_whole(
    text: str, cuts: list[int], data: st.DataObject
) -> None:
    pieces = cut(text.encode(), cuts)
    said, pings = b"", []
    for index, piece in enumerate(pieces):
        if data.draw(st.booleans()):
            pings.append(Ping(b"%d" % index))
            said += frame(9, b"%d" % index)
        said += frame(0 if index else 1, piece, fin=index == len(pieces) - 1)
    assert same(hear([said]), Heard((*pings, text), None, BETWEEN_MESSAGES))


class Verdict(NamedTuple):
    """What wsproto makes of a conversation: messages and control frames, and the code it would
    close with.
    """

    items: tuple[Any, ...]
    code: int | None


def wsproto_verdict(reads: Sequence[bytes]) -> Verdict:
    """The same reads, understood by wsproto; it is not asked for anything after a close."""
    protocol = FrameProtocol(client=False, extensions=[])
    items: list[Any] = []
    pieces: list[Any] = []
    try:
        for data in reads:
            protocol.receive_bytes(data)
            for received in protocol.received_frames():
                if received.opcode == 8:
                    return Verdict(
                        (*items, ("close", int(received.payload[0]), received.payload[1] or "")),
                        None,
                    )
                if received.opcode >= 9:
                    items.append((int(received.opcode), bytes(received.payload)))
                    continue
                pieces.append(received.payload)
                if received.message_finished:
                    items.append(
                        "".join(pieces) if isinstance(pieces[0], str) else b"".join(pieces)
                    )
                    pieces = []
    except ParseFailed as failure:
        return Verdict(tuple(items), int(failure.code))
    return Verdict(tuple(items), None)


def as_verdict(heard: Heard) -> Verdict:
    """What we heard, in the same terms."""
    names = {Ping: 9, Pong: 10}
    items = tuple(
        ("close", item.code, item.reason)
        if isinstance(item, Close)
        else (names[type(item)], item.payload)
        if isinstance(item, Ping | Pong)
        else item
        for item in heard.items
    )
    return Verdict(items, None if heard.flaw is None else CLOSE_INFO[heard.flaw.reason].code)


@some
@given(conversations(), CUTS)
@example(frame(1, b"a", fin=False) + frame(9, b"p") + frame(0, b"b") + frame(8, b"\x03\xe8x"), [3])
@example(frame(9, b"p") + b"!", [])
def test_wsproto_hears_the_same(data: bytes, cuts: list[int]) -> None:
    theirs = wsproto_verdict(cut(data, cuts))
    ours = as_verdict(hear([data], FrameRules(2**63, 2**63)))
    if (
        ours.code is not None and theirs.code is None
    ):  # it looks at the first byte of a head when the second is there
        theirs = wsproto_verdict([*cut(data, cuts), b"\x80"])
    assert ours.items == theirs.items
    assert ours.code == theirs.code


# -- overhead --------------------------------------------------------------------------------------

BOUNDED = FrameRules(2**20, 2**20, max_small_fragments=4, min_fragment_len=4)
TOO_MANY = Malformed(CloseReason.WS_OVERHEAD, "a message has too many small fragments")


@pytest.mark.parametrize("opcode", [Opcode.TEXT, Opcode.BINARY])
@pytest.mark.parametrize(("length", "count"), [(0, 4), (1, 5), (2, 8), (3, 16), (4, None)])
def test_fragments_may_be_small_or_many_wherever_they_are_cut(
    opcode: Opcode, length: int, count: int | None
) -> None:
    begin, following = frame(opcode, b"", False), frame(0, b"x" * length, False)
    allowed = begin + following * (count or 200)
    assert same(hear([allowed], BOUNDED).flaw, None)
    if count is not None:
        for reads in ([allowed + following], byte_by_byte(allowed + following)):
            assert same(hear(reads, BOUNDED), Heard((), TOO_MANY, READER_CLOSED))


def test_control_frames_between_fragments_are_no_fragments() -> None:
    data = frame(2, b"", False) + (frame(9) + frame(0, b"", False)) * 4 + frame(0, b"last")
    assert same(hear([data], BOUNDED).items, (*[Ping(b"")] * 4, b"last"))


def test_every_message_is_counted_anew() -> None:
    message = frame(2, b"", False) + frame(0, b"", False) * 3 + frame(0)
    assert same(hear([message * 5], BOUNDED).items, (b"",) * 5)
