"""Frames byte by byte: the examples of the standard, every refusal at the byte that is wrong, and
two other codecs.
"""

from collections.abc import Generator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Frame as WebsocketsFrame
from websockets.frames import Opcode as WebsocketsOpcode
from websockets.streams import StreamReader
from wsproto.frame_protocol import FrameProtocol

from sigil.core.close_reasons import CLOSE_INFO, CloseReason
from sigil.core.parse_result import Malformed, NeedMore
from sigil.core.websocket.frames import (
    Frame,
    FrameHeader,
    FrameRules,
    Opcode,
    encode_close,
    encode_frame,
    encode_masked,
    frame_header,
    is_close_code,
    parse_close,
    parse_frame,
    parse_frame_header,
)
from sigil.core.websocket.masking import BIGINT_XOR_MAX
from tests.support.core_driver import same

SERVER = FrameRules(2**20, 2**21)
CLIENT = FrameRules(2**20, 2**21, is_masked=False)
SQUEEZING = FrameRules(2**20, 2**21, allows_rsv1=True)
KEY = bytes.fromhex("37fa213d")
LENGTHS = (
    0,
    1,
    2,
    3,
    4,
    5,
    124,
    125,
    126,
    127,
    *range(BIGINT_XOR_MAX - 1, BIGINT_XOR_MAX + 5),
    65_535,
    65_536,
    65_537,
)
few = settings(max_examples=100, deadline=None)

payloads = st.binary(max_size=300) | st.sampled_from([bytes(range(256)) * 5, b"x" * 65_536])
keys = st.binary(min_size=4, max_size=4)


# -- examples --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("octets", "rules", "frame"),
    [
        ("81 05 48 65 6c 6c 6f", CLIENT, Frame(Opcode.TEXT, True, False, b"Hello")),
        ("81 85 37 fa 21 3d 7f 9f 4d 51 58", SERVER, Frame(Opcode.TEXT, True, False, b"Hello")),
        ("01 03 48 65 6c", CLIENT, Frame(Opcode.TEXT, False, False, b"Hel")),
        ("80 02 6c 6f", CLIENT, Frame(Opcode.CONTINUATION, True, False, b"lo")),
        ("89 05 48 65 6c 6c 6f", CLIENT, Frame(Opcode.PING, True, False, b"Hello")),
        ("8a 85 37 fa 21 3d 7f 9f 4d 51 58", SERVER, Frame(Opcode.PONG, True, False, b"Hello")),
        ("82 7e 01 00" + "aa" * 256, CLIENT, Frame(Opcode.BINARY, True, False, b"\xaa" * 256)),
        (
            "82 7f 00 00 00 00 00 01 00 00" + "aa" * 65_536,
            CLIENT,
            Frame(Opcode.BINARY, True, False, b"\xaa" * 65_536),
        ),
        ("c1 80 00 00 00 00", SQUEEZING, Frame(Opcode.TEXT, True, True, b"")),
        ("42 80 00 00 00 00", SQUEEZING, Frame(Opcode.BINARY, False, True, b"")),
    ],
)
def test_the_examples_of_rfc_6455_section_5_7_are_read_and_written(
    octets: str, rules: FrameRules, frame: Frame
) -> None:
    data = bytes.fromhex(octets)
    assert same(parse_frame(data, 0, rules), (frame, len(data)))
    assert same(parse_frame(b"??" + data + b"??", 2, rules), (frame, len(data) + 2))
    if rules.is_masked:
        rsv = 4 if frame.rsv1 else 0
        key = data[2:6]
        assert encode_masked(frame.opcode, frame.payload, key, frame.fin, rsv) == data
    elif frame.fin:
        assert encode_frame(frame.opcode, frame.payload) == data


def test_a_compressed_message_is_marked() -> None:
    assert encode_frame(Opcode.TEXT, b"x", rsv1=True) == b"\xc1\x01x"
    assert encode_frame(Opcode.BINARY, b"x" * 126, rsv1=True)[:4] == b"\xc2\x7e\x00\x7e"
    assert (
        frame_header(Opcode.BINARY, 65_536, rsv1=True)
        == b"\xc2\x7f\x00\x00\x00\x00\x00\x01\x00\x00"
    )


@pytest.mark.parametrize("length", LENGTHS)
def test_lengths_are_written_in_their_shortest_form_and_read_back(length: int) -> None:
    payload = (b"0123456789abcde" * (length // 15 + 1))[:length]
    size = 2 if length < 126 else 4 if length < 65_536 else 10
    header = frame_header(Opcode.BINARY, length)
    assert len(header) == size
    assert encode_frame(Opcode.BINARY, payload) == header + payload
    masked = encode_masked(Opcode.BINARY, payload, KEY)
    assert len(masked) == size + 4 + length
    expected = Frame(Opcode.BINARY, True, False, payload)
    assert same(parse_frame(header + payload, 0, CLIENT), (expected, len(header) + length))
    assert same(parse_frame(masked, 0, SERVER), (expected, len(masked)))


# -- refusals --------------------------------------------------------------------------------------

REFUSALS = [
    ("83", SERVER, CloseReason.WS_UNKNOWN_OPCODE),
    ("87", SERVER, CloseReason.WS_UNKNOWN_OPCODE),
    ("8b", SERVER, CloseReason.WS_UNKNOWN_OPCODE),
    ("0f", SERVER, CloseReason.WS_UNKNOWN_OPCODE),
    ("c1", SERVER, CloseReason.WS_BAD_RSV),
    ("a1", SERVER, CloseReason.WS_BAD_RSV),
    ("92", SERVER, CloseReason.WS_BAD_RSV),
    ("c9", SQUEEZING, CloseReason.WS_BAD_RSV),
    ("c0", SQUEEZING, CloseReason.WS_BAD_RSV),
    ("e1", SQUEEZING, CloseReason.WS_BAD_RSV),
    ("a1", SQUEEZING, CloseReason.WS_BAD_RSV),
    ("08", SERVER, CloseReason.WS_FRAGMENTED_CONTROL),
    ("09", SERVER, CloseReason.WS_FRAGMENTED_CONTROL),
    ("0a", SERVER, CloseReason.WS_FRAGMENTED_CONTROL),
    ("81 05", SERVER, CloseReason.WS_BAD_MASK),
    ("89 00", SERVER, CloseReason.WS_BAD_MASK),
    ("81 85", CLIENT, CloseReason.WS_BAD_MASK),
    ("88 fe", SERVER, CloseReason.WS_CONTROL_FRAME_TOO_LARGE),
    ("89 ff", SERVER, CloseReason.WS_CONTROL_FRAME_TOO_LARGE),
    ("8a 7e", CLIENT, CloseReason.WS_CONTROL_FRAME_TOO_LARGE),
    ("81 fe 00 7d", SERVER, CloseReason.WS_NONMINIMAL_LENGTH),
    ("81 fe 00 00", SERVER, CloseReason.WS_NONMINIMAL_LENGTH),
    ("82 ff 00 00 00 00 00 00", SERVER, CloseReason.WS_NONMINIMAL_LENGTH),
    ("82 ff 80", SERVER, CloseReason.WS_OVERSIZE_FRAME),
    ("82 ff 00 01", SERVER, CloseReason.WS_OVERSIZE_FRAME),
    ("82 ff 00 00 00 00 00 11", SERVER, CloseReason.WS_OVERSIZE_FRAME),
    ("82 ff 00 00 00 00 00 10 00 01", SERVER, CloseReason.WS_OVERSIZE_FRAME),
    ("82 fe 01", FrameRules(255, 2**20), CloseReason.WS_OVERSIZE_FRAME),
    ("82 fe 01 01", FrameRules(256, 2**20), CloseReason.WS_OVERSIZE_FRAME),
    ("82 e5", FrameRules(100, 2**20), CloseReason.WS_OVERSIZE_FRAME),
    ("82 e5", FrameRules(2**20, 100), CloseReason.WS_OVERSIZE_FRAME),
]


@pytest.mark.parametrize(("octets", "rules", "reason"), REFUSALS)
def test_a_frame_is_refused_at_the_byte_that_is_wrong_and_not_before(
    octets: str, rules: FrameRules, reason: CloseReason
) -> None:
    data = bytes.fromhex(octets)
    for length in range(len(data)):
        assert isinstance(parse_frame(data[:length], 0, rules), NeedMore)
    for behind in (b"", b"\x00", b"\xff" * 20):
        refusal = parse_frame(data + behind, 0, rules)
        assert isinstance(refusal, Malformed)
        assert refusal.reason is reason


def test_what_is_too_long_is_1009_and_everything_else_about_a_frame_is_1002() -> None:
    codes = {
        CLOSE_INFO[reason].code
        for _, _, reason in REFUSALS
        if reason is not CloseReason.WS_OVERSIZE_FRAME
    }
    assert codes == {1002}
    assert CLOSE_INFO[CloseReason.WS_OVERSIZE_FRAME].code == 1009


@pytest.mark.parametrize(
    ("rules", "size", "sentence"),
    [
        (FrameRules(300, 1000), 0, "a frame is longer than 300 bytes"),
        (FrameRules(300, 1000), 700, "a frame is longer than 300 bytes"),
        (FrameRules(300, 1000), 701, "a message is longer than 1000 bytes"),
        (FrameRules(1000, 300), 0, "a message is longer than 300 bytes"),
    ],
)
def test_the_nearer_bound_is_named_however_much_of_the_length_has_come(
    rules: FrameRules, size: int, sentence: str
) -> None:
    too_long = Malformed(CloseReason.WS_OVERSIZE_FRAME, sentence)
    for octets in ("80 ff 00 00 00 00 00 01", "80 fe 02", "80 fe 7f ff"):
        assert same(
            parse_frame_header(
                bytes.fromhex(octets), 0, rules, is_continuing=True, message_len=size
            ),
            too_long,
        )


def test_what_a_message_has_already_counts() -> None:
    rules, hundred = FrameRules(300, 1000), b"\x80\xe4" + KEY
    assert same(
        parse_frame_header(hundred, 0, rules, is_continuing=True, message_len=900),
        FrameHeader(Opcode.CONTINUATION, True, False, 100, KEY, 6),
    )
    assert same(
        parse_frame_header(hundred, 0, rules, is_continuing=True, message_len=901),
        Malformed(CloseReason.WS_OVERSIZE_FRAME, "a message is longer than 1000 bytes"),
    )


def test_a_frame_may_be_as_long_as_the_bounds() -> None:
    header = parse_frame_header(
        bytes.fromhex("80 fe 01 2c") + KEY,
        0,
        FrameRules(300, 1000),
        is_continuing=True,
        message_len=700,
    )
    assert same(header, FrameHeader(Opcode.CONTINUATION, True, False, 300, KEY, 8))


def test_a_control_frame_is_not_subject_to_the_bounds_of_messages() -> None:
    ping = encode_masked(Opcode.PING, b"x" * 125, KEY)
    assert same(
        parse_frame(ping, 0, FrameRules(10, 10)),
        (Frame(Opcode.PING, True, False, b"x" * 125), len(ping)),
    )


@pytest.mark.parametrize(
    ("first", "is_continuing", "reason"),
    [
        (0x80, True, None),
        (0x00, True, None),
        (0x89, True, None),
        (0x88, False, None),
        (0x81, False, None),
        (0x02, False, None),
        (0x80, None, None),
        (0x80, False, CloseReason.WS_EXPECTED_TEXT_OPCODE),
        (0x00, False, CloseReason.WS_EXPECTED_TEXT_OPCODE),
        (0x81, True, CloseReason.WS_EXPECTED_CONT_OPCODE),
        (0x02, True, CloseReason.WS_EXPECTED_CONT_OPCODE),
    ],
)
def test_a_message_is_begun_and_continued_in_turn(
    first: int, is_continuing: bool | None, reason: CloseReason | None
) -> None:
    header = parse_frame_header(bytes((first,)), 0, SERVER, is_continuing)
    assert (header.reason if isinstance(header, Malformed) else None) is reason


@pytest.mark.parametrize("length", [5, 200, 70_000])
def test_a_frame_needs_more_until_its_last_byte_is_there(length: int) -> None:
    data = encode_masked(Opcode.BINARY, b"x" * length, KEY)
    for end in (*range(11), len(data) - 1):
        assert same(parse_frame(data[:end], 0, SERVER), NeedMore(end))
    assert same(
        parse_frame(data, 0, SERVER), (Frame(Opcode.BINARY, True, False, b"x" * length), len(data))
    )
    assert same(parse_frame(data, len(data), SERVER), NeedMore(len(data)))


# -- close frames ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("payload", "result"),
    [
        (b"", (1005, "")),
        (b"\x03\xe8", (1000, "")),
        (b"\x03\xe8bye", (1000, "bye")),
        (b"\x0b\xb8\xe2\x82\xac", (3000, "€")),
        (b"\x03", CloseReason.WS_BAD_CLOSE_PAYLOAD),
        (b"\x03\xed", CloseReason.WS_BAD_CLOSE_PAYLOAD),
        (b"\x00\x00", CloseReason.WS_BAD_CLOSE_PAYLOAD),
        (b"\xff\xff", CloseReason.WS_BAD_CLOSE_PAYLOAD),
        (b"\x03\xe8\xff", CloseReason.WS_BAD_UTF8),
        (b"\x03\xe8\xe2\x82", CloseReason.WS_BAD_UTF8),
    ],
)
def test_a_close_frame_carries_nothing_or_a_code_and_maybe_a_reason(
    payload: bytes, result: object
) -> None:
    parsed = parse_close(payload)
    assert (parsed.reason if isinstance(parsed, Malformed) else parsed) == result


def test_the_codes_that_may_be_sent_are_those_of_the_registry() -> None:
    expected = {*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)}
    assert {code for code in range(65_536) if is_close_code(code)} == expected
    for code in (999, 1004, 1006, 1015, 1016, 2999, 5000):
        with pytest.raises(ValueError, match=str(code)):
            encode_close(code)
        assert isinstance(parse_close(code.to_bytes(2)), Malformed)


@pytest.mark.parametrize(
    ("reason", "sent"),
    [
        ("", b""),
        ("x" * 123, b"x" * 123),
        ("x" * 124, b"x" * 123),
        ("€" * 41, "€".encode() * 41),
        ("x" + "€" * 41, b"x" + "€".encode() * 40),
        ("xx" + "€" * 41, b"xx" + "€".encode() * 40),
        ("\ud800", b"?"),
    ],
)
def test_a_close_reason_is_cut_between_characters(reason: str, sent: bytes) -> None:
    assert encode_close(1000, reason) == b"\x03\xe8" + sent


def test_a_close_without_a_code_is_empty() -> None:
    assert encode_close(1005, "ignored") == b""


@few
@given(st.sampled_from([1000, 1003, 1007, 1014, 3000, 4999]), st.text(max_size=100))
def test_a_close_is_read_as_it_was_written(code: int, reason: str) -> None:
    payload = encode_close(code, reason)
    assert len(payload) <= 125
    parsed = parse_close(payload)
    assert not isinstance(parsed, Malformed)
    assert parsed[0] == code
    assert reason.encode(errors="replace").decode().startswith(parsed[1])


# -- laws and oracles ------------------------------------------------------------------------------


@few
@given(
    st.sampled_from([Opcode.CONTINUATION, Opcode.TEXT, Opcode.BINARY]),
    payloads,
    keys,
    st.booleans(),
    st.booleans(),
)
def test_frames_are_read_as_they_were_written(
    opcode: Opcode, payload: bytes, key: bytes, fin: bool, squeezed: bool
) -> None:
    rsv1 = squeezed and opcode is not Opcode.CONTINUATION
    masked = encode_masked(opcode, payload, key, fin, 4 if rsv1 else 0)
    assert same(parse_frame(masked, 0, SQUEEZING), (Frame(opcode, fin, rsv1, payload), len(masked)))
    plain = encode_frame(opcode, payload, rsv1)
    both = FrameRules(2**20, 2**20, allows_rsv1=True, is_masked=False)
    assert same(parse_frame(plain, 0, both), (Frame(opcode, True, rsv1, payload), len(plain)))


def run_to_end(steps: Generator[None, None, Any]) -> Any:
    """What a generator that waits for nothing returns."""
    with pytest.raises(StopIteration) as stop:
        next(steps)
    return stop.value.value


@few
@given(st.sampled_from([Opcode.TEXT, Opcode.BINARY, Opcode.PING, Opcode.PONG]), payloads, keys)
def test_websockets_reads_what_we_write_and_writes_what_we_read(
    opcode: Opcode, payload: bytes, key: bytes
) -> None:
    payload = payload[:125] if opcode >= Opcode.CLOSE else payload
    for data, is_masked in (
        (encode_frame(opcode, payload), False),
        (encode_masked(opcode, payload, key), True),
    ):
        reader = StreamReader()
        reader.feed_data(data)
        frame = run_to_end(WebsocketsFrame.parse(reader.read_exact, mask=is_masked))
        assert (frame.opcode, frame.fin, frame.data) == (opcode, True, payload)
    theirs = WebsocketsFrame(WebsocketsOpcode(opcode), payload)
    ours = Frame(opcode, True, False, payload)
    for rules in (SERVER, CLIENT):
        data = theirs.serialize(mask=rules.is_masked)
        assert same(parse_frame(bytes(data), 0, rules), (ours, len(data)))


@few
@given(st.sampled_from([Opcode.BINARY, Opcode.PING]), payloads, keys)
def test_wsproto_reads_what_we_write_and_writes_what_we_read(
    opcode: Opcode, payload: bytes, key: bytes
) -> None:
    payload = payload[:125] if opcode >= Opcode.CLOSE else payload
    for data, is_client in (
        (encode_frame(opcode, payload), True),
        (encode_masked(opcode, payload, key), False),
    ):
        reader = FrameProtocol(client=is_client, extensions=[])
        reader.receive_bytes(data)
        frames = list(reader.received_frames())
        assert b"".join(frame.payload for frame in frames) == payload
        assert (frames[-1].opcode, frames[-1].message_finished) == (opcode, True)
    ours = Frame(opcode, True, False, payload)
    for rules in (SERVER, CLIENT):
        writer = FrameProtocol(client=rules.is_masked, extensions=[])
        data = writer.ping(payload) if opcode is Opcode.PING else writer.send_data(payload)
        assert same(parse_frame(bytes(data), 0, rules), (ours, len(data)))
