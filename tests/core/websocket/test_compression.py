"""permessage-deflate as it is read: what zlib wrote is inflated, within bounds, and nothing else
is.
"""

import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigil.core.broadcast.encoding import Encoding
from sigil.core.close_reasons import CloseReason
from sigil.core.parse_result import Malformed
from sigil.core.websocket.compression import BAD_DEFLATE, TOO_LONG, deflate, inflate
from sigil.core.websocket.fragments import CompressedMessage, decompress
from sigil.core.websocket.frames import Opcode

DEFLATES = tuple(encoding for encoding in Encoding if encoding >= Encoding.DEFLATE_9)


LONG = b"all work and no play " * 50


payloads = st.one_of(st.binary(max_size=300), st.binary(max_size=20).map(lambda data: data * 100))


@given(payloads, st.sampled_from(DEFLATES))
def test_what_was_deflated_is_inflated(payload: bytes, encoding: Encoding) -> None:
    assert inflate(deflate(payload, encoding), len(payload)) == payload


def test_inflation_ends_at_the_bound() -> None:
    assert inflate(deflate(LONG, 15), len(LONG)) == LONG
    assert inflate(deflate(LONG, 15), len(LONG) - 1) is TOO_LONG
    assert inflate(deflate(bytes(10**7), 15), 1_000) is TOO_LONG
    assert TOO_LONG.reason is CloseReason.WS_OVERSIZE_FRAME


BOMB = deflate(bytes(2**24), 15)


def final_block(payload: bytes) -> bytes:
    """A message that ends in a final block, behind which more may follow."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    return compressor.compress(payload) + compressor.flush()


@pytest.mark.parametrize(
    "data",
    [BOMB, final_block(b"hello") + BOMB, final_block(bytes(100)) * 3 + BOMB, b"\x00" + BOMB],
    ids=["one stream", "behind a final block", "behind several", "no bomb"],
)
@pytest.mark.parametrize("opcode", [Opcode.TEXT, Opcode.BINARY])
def test_of_a_bomb_no_more_is_made_than_the_bound(data: bytes, opcode: Opcode) -> None:
    tracemalloc.start()
    try:
        assert isinstance(decompress(CompressedMessage(opcode, data), 1_000), Malformed)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * len(BOMB) + 100_000 < 2**20


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
