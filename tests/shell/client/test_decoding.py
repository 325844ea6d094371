"""Content codings, decoded as they come, in pieces of any size."""

import gzip
import zlib

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from sigil.shell.client.decoding import PIECE_LEN, BadCoding, make_decoder


def raw_deflate(data: bytes) -> bytes:
    """Deflate without the format of zlib."""
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


PACKERS = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstandard.compress,
}


def decoded(codings: tuple[str, ...], pieces: list[bytes]) -> bytes:
    """What these pieces are, decoded."""
    decoder = make_decoder(codings)
    assert decoder is not None
    found = []
    for piece in pieces:
        for part in decoder.feed(piece):
            assert 0 < len(part) <= 2 * PIECE_LEN
            found.append(part)
    decoder.finish()
    return b"".join(found)


@given(st.binary(max_size=2_000), st.sampled_from(sorted(PACKERS)), st.integers(1, 50))
def test_what_was_packed_is_there_however_it_is_cut(data: bytes, coding: str, size: int) -> None:
    packed = PACKERS[coding](data * 20)
    pieces = [packed[at : at + size] for at in range(0, len(packed), size)]
    assert decoded((coding,), pieces) == data * 20


def test_several_codings_members_and_frames() -> None:
    data = b"abc" * 50_000
    assert decoded(("gzip", "zstd"), [zstandard.compress(gzip.compress(data))]) == data
    assert decoded(("gzip",), [gzip.compress(data) + gzip.compress(b"more")]) == data + b"more"
    assert decoded(("gzip",), [gzip.compress(data), b"\0" * 9]) == data
    assert decoded(("zstd",), [zstandard.compress(data) + zstandard.compress(b"more")]) == (
        data + b"more"
    )
    assert decoded(("deflate",), [raw_deflate(data)]) == data
    for coding in PACKERS:
        assert decoded((coding,), []) == b""


def test_what_is_not_known_is_left_as_it_is() -> None:
    assert make_decoder(()) is None
    assert make_decoder(("br",)) is None
    inner = make_decoder(("br", "gzip"))
    assert inner is not None and b"".join(inner.feed(gzip.compress(b"x"))) == b"x"
    with pytest.raises(BadCoding):
        make_decoder(("gzip",) * 5)


def test_what_is_not_in_its_coding_is_told() -> None:
    for coding, packer in PACKERS.items():
        packed = packer(b"data" * 100)
        with pytest.raises(BadCoding, match="too early"):
            decoded((coding,), [packed[:-5]])
        with pytest.raises(BadCoding):
            decoded((coding,), [b"\xff\xff" + packed])


def test_a_large_window_is_refused() -> None:
    parameters = zstandard.ZstdCompressionParameters(window_log=24)
    packed = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    data = packed.compress(bytes(1_000)) + packed.flush()
    with pytest.raises(BadCoding):
        decoded(("zstd",), [data])


def test_pieces_are_made_as_they_are_asked_for() -> None:
    decoder = make_decoder(("gzip",))
    assert decoder is not None
    pieces = decoder.feed(gzip.compress(bytes(10**8)))
    assert len(next(pieces)) == PIECE_LEN
