"""Messages in their encodings: what is written can be read by zlib and zstandard, and what is read
is bounded.
"""

import zlib

from hypothesis import given
from hypothesis import strategies as st
from zstandard import ZstdDecompressor, frame_content_size

from sigil.core.broadcast.encoding import COMPRESS_MIN, Encoding, encode_message, recode
from sigil.core.websocket.compression import deflate
from sigil.core.websocket.frames import FrameRules, Opcode, encode_frame, parse_frame

DEFLATES = tuple(encoding for encoding in Encoding if encoding >= Encoding.DEFLATE_9)
OPEN = FrameRules(2**30, 2**30, True, False)
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
