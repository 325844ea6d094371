"""Messages in their encodings: what is written can be read by zlib and zstandard, and what is read
is bounded.
"""

import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zstandard import ZstdDecompressor, frame_content_size

from sigil.core.broadcast.encoding import COMPRESS_MIN, Encoding, encode_message, recode
from sigil.core.broadcast.negotiation import accept_permessage_deflate, negotiate
from sigil.core.close_reasons import CloseReason
from sigil.core.limits import Limits
from sigil.core.parse_result import Malformed
from sigil.core.websocket.compression import BAD_DEFLATE, TOO_LONG, deflate, inflate
from sigil.core.websocket.frames import FrameRules, Opcode, encode_frame, parse_frame
from sigil.core.websocket.handshake import Extension, Offer, parse_extensions
from sigil.core.websocket.messages import CompressedMessage, decompress
from tests.support.core_driver import same

DEFLATES = tuple(encoding for encoding in Encoding if encoding >= Encoding.DEFLATE_9)
OPEN = FrameRules(2**30, 2**30, True, False)
LONG = b"all work and no play " * 50
NOISE = bytes((index * index * 2654435761 >> 13) & 0xFF for index in range(1, 400))
payloads = st.one_of(st.binary(max_size=300), st.binary(max_size=20).map(lambda data: data * 100))


def unpacked(frame: bytes) -> tuple[Opcode, bool, bytes]:
    """Opcode, RSV1 and payload of a frame of ours."""
    read = parse_frame(frame, 0, OPEN)
    assert isinstance(read, tuple) and read[1] == len(frame)
    return read[0].opcode, read[0].rsv1, read[0].payload


@given(payloads, st.sampled_from(DEFLATES), st.sampled_from((Opcode.TEXT, Opcode.BINARY)))
def test_deflate_is_read_by_a_fresh_window_of_its_size(
    payload: bytes, encoding: Encoding, opcode: Opcode
) -> None:
    frame = encode_message(opcode, payload, encoding)
    kind, is_squeezed, data = unpacked(frame)
    assert kind is opcode
    assert is_squeezed is (
        len(payload) > COMPRESS_MIN and len(deflate(payload, encoding)) < len(payload)
    )
    reader = zlib.decompressobj(-encoding)
    assert (reader.decompress(data + b"\x00\x00\xff\xff") if is_squeezed else data) == payload
    assert len(frame) <= len(encode_frame(opcode, payload))


@given(payloads)
def test_zstandard_is_one_frame_with_its_size_in_a_binary_message(payload: bytes) -> None:
    kind, is_squeezed, data = unpacked(encode_message(Opcode.BINARY, payload, Encoding.ZSTD))
    assert (kind, is_squeezed) == (Opcode.BINARY, False)
    assert frame_content_size(data) == len(payload)
    assert ZstdDecompressor().decompress(data, max_output_size=10**6) == payload


def test_a_text_is_zstandard_over_200_bytes_and_text_up_to_there() -> None:
    assert encode_message(Opcode.TEXT, b"x" * 200, Encoding.ZSTD) == encode_frame(
        Opcode.TEXT, b"x" * 200
    )
    kind, _, data = unpacked(encode_message(Opcode.TEXT, b"x" * 201, Encoding.ZSTD))
    assert (kind, ZstdDecompressor().decompress(data)) == (Opcode.BINARY, b"x" * 201)


def test_what_would_not_become_shorter_is_sent_as_it_is_but_binary_in_zstandard() -> None:
    for encoding in (*DEFLATES, Encoding.ZSTD):
        assert encode_message(Opcode.TEXT, NOISE, encoding) == encode_frame(Opcode.TEXT, NOISE)
    assert unpacked(encode_message(Opcode.BINARY, NOISE, Encoding.ZSTD))[2] != NOISE


@given(payloads, st.sampled_from(tuple(Encoding)), st.sampled_from((Opcode.TEXT, Opcode.BINARY)))
def test_a_frame_is_written_anew_as_if_from_its_message(
    payload: bytes, encoding: Encoding, opcode: Opcode
) -> None:
    assert recode(encode_frame(opcode, payload), encoding) == encode_message(
        opcode, payload, encoding
    )


def test_a_frame_of_any_length_is_written_anew() -> None:
    for length in (0, 125, 126, 65_535, 65_536):
        assert recode(encode_frame(1, b"a" * length), Encoding.DEFLATE_15) == encode_message(
            1, b"a" * length, Encoding.DEFLATE_15
        )


# -- reading ---------------------------------------------------------------------------------------


@given(payloads, st.sampled_from(DEFLATES))
def test_what_was_deflated_is_inflated(payload: bytes, encoding: Encoding) -> None:
    assert inflate(deflate(payload, encoding), len(payload)) == payload


def test_inflation_ends_at_the_bound() -> None:
    assert inflate(deflate(LONG, 15), len(LONG)) == LONG
    assert inflate(deflate(LONG, 15), len(LONG) - 1) is TOO_LONG
    assert inflate(deflate(bytes(10**7), 15), 1_000) is TOO_LONG
    assert TOO_LONG.reason is CloseReason.WS_OVERSIZE_FRAME


@pytest.mark.parametrize(
    "data", [b"\xff", b"\x06", b"junk that is no deflate at all", deflate(LONG, 15)[5:]]
)
def test_what_is_no_deflate_is_refused(data: bytes) -> None:
    assert inflate(data, 10**6) is BAD_DEFLATE


def test_a_message_may_be_several_blocks_and_end_with_a_last_one() -> None:
    squeezer = zlib.compressobj(9, zlib.DEFLATED, -15)
    blocks = (
        squeezer.compress(b"one ") + squeezer.flush(zlib.Z_SYNC_FLUSH) + squeezer.compress(b"two")
    )
    assert inflate(blocks + squeezer.flush(zlib.Z_SYNC_FLUSH)[:-4], 100) == b"one two"
    final = zlib.compressobj(9, zlib.DEFLATED, -15)
    assert inflate(final.compress(b"last") + final.flush() + b"\x00", 100) == b"last"


@given(payloads.filter(bool), st.integers(0, 500), st.sampled_from(DEFLATES))
def test_a_message_that_was_cut_short_is_refused(
    payload: bytes, cut: int, encoding: Encoding
) -> None:
    squeezed = deflate(payload, encoding)
    if 0 < cut < len(squeezed):
        assert inflate(squeezed[:cut], 10**6) is BAD_DEFLATE or payload.startswith(
            inflate(squeezed[:cut], 10**6)
        )  # type: ignore[arg-type]  # a cut between two blocks is none


def test_blocks_may_follow_a_last_one_and_look_back_behind_it() -> None:
    final = zlib.compressobj(6, zlib.DEFLATED, -15)
    first = final.compress(b"a" * 300 + LONG) + final.flush()
    assert inflate(first + deflate(b"b" * 300, 15), 10**6) == b"a" * 300 + LONG + b"b" * 300
    behind = zlib.compressobj(6, zlib.DEFLATED, -15, zdict=b"a" * 300 + LONG)
    second = behind.compress(LONG) + behind.flush(zlib.Z_SYNC_FLUSH)[:-4]
    assert inflate(first + second, 10**6) == b"a" * 300 + LONG + LONG
    assert inflate(first + second, 300 + 2 * len(LONG) - 1) is TOO_LONG
    assert inflate(first + b"\x00JUNKJUNK", 10**6) is BAD_DEFLATE


def test_a_message_does_not_end_more_often_than_anybody_would() -> None:
    empty = b"\x03\x00"
    assert inflate(empty * 60, 10) == b""
    assert inflate(empty * 30_000, 10) is BAD_DEFLATE


@pytest.mark.parametrize(
    "example",
    [
        "f2 48 cd c9 c9 07 00",
        "00 05 00 fa ff 48 65 6c 6c 6f 00",
        "f3 48 cd c9 c9 07 00 00",
        "f2 48 05 00 00 00 ff ff ca c9 c9 07 00",
    ],
)
def test_the_examples_of_the_standard(example: str) -> None:
    """RFC 7692 sections 7.2.3.1 to 7.2.3.5."""
    assert inflate(bytes.fromhex(example), 5) == b"Hello"
    assert inflate(bytes.fromhex(example), 4) is TOO_LONG


def test_a_compressed_text_is_unicode_or_1007() -> None:
    assert decompress(CompressedMessage(Opcode.TEXT, deflate("Grüße".encode(), 15)), 100) == "Grüße"
    assert decompress(CompressedMessage(Opcode.BINARY, deflate(b"\xff", 15)), 100) == b"\xff"
    error = decompress(CompressedMessage(Opcode.TEXT, deflate(b"\xff", 15)), 100)
    assert isinstance(error, Malformed) and error.reason is CloseReason.WS_BAD_UTF8


# -- what is agreed on -----------------------------------------------------------------------------

BOTH = (("server_no_context_takeover", None), ("client_no_context_takeover", None))


@pytest.mark.parametrize(
    ("offer", "bits", "params"),
    [
        ("permessage-deflate", 15, ()),
        ("permessage-deflate; client_max_window_bits", 15, ()),
        ("permessage-deflate; client_max_window_bits=8; server_no_context_takeover", 15, ()),
        ("permessage-deflate; server_max_window_bits=9", 9, (("server_max_window_bits", "9"),)),
        (
            'permessage-deflate; server_max_window_bits="15"',
            15,
            (("server_max_window_bits", "15"),),
        ),
        ("permessage-deflate; server_max_window_bits=8, permessage-deflate", 15, ()),
        (
            "permessage-deflate; mystery, x-other, permessage-deflate; server_max_window_bits=12",
            12,
            (("server_max_window_bits", "12"),),
        ),
    ],
)
def test_the_first_offer_of_deflate_that_can_be_met_is_accepted(
    offer: str, bits: int, params: Any
) -> None:
    extensions = parse_extensions(offer)
    assert isinstance(extensions, tuple)
    encoding, subprotocol, extension = negotiate(Offer("", (), extensions), None, Limits())
    assert (int(encoding), subprotocol) == (bits, None)
    assert same(extension, Extension("permessage-deflate", (*BOTH, *params)))


@pytest.mark.parametrize(
    "offer",
    [
        "permessage-deflate; server_max_window_bits=8",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits=09",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; client_max_window_bits=7",
        "permessage-deflate; client_no_context_takeover=1",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate; unknown",
        "x-webkit-deflate-frame",
        "Permessage-Deflate2",
    ],
)
def test_what_cannot_be_met_is_declined(offer: str) -> None:
    extensions = parse_extensions(offer)
    assert isinstance(extensions, tuple)
    assert list(map(accept_permessage_deflate, extensions)) == [None]
    assert negotiate(Offer("", (), extensions), None, Limits())[0] is Encoding.PLAIN


def test_zstandard_is_a_subprotocol_that_the_program_may_overrule() -> None:
    deflated = Extension("permessage-deflate", ())
    offer = Offer("", ("chat", "compress-zstd"), (deflated,))
    assert negotiate(offer, None, Limits()) == (Encoding.ZSTD, "compress-zstd", None)
    assert negotiate(offer, "chat", Limits())[:2] == (Encoding.DEFLATE_15, "chat")
    assert negotiate(offer, "chat", Limits(permessage_deflate=False)) == (
        Encoding.PLAIN,
        "chat",
        None,
    )
    assert negotiate(offer, None, Limits(compress_websocket=False))[:2] == (
        Encoding.DEFLATE_15,
        None,
    )
    assert negotiate(offer, "compress-zstd", Limits(compress_websocket=False)) == (
        Encoding.ZSTD,
        "compress-zstd",
        None,
    )
