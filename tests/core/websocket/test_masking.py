"""Masking: an exclusive or with a key of four bytes, however long the payload is."""

import pytest

from sigil.core.websocket.masking import BIGINT_XOR_MAX, apply_mask

KEY = bytes.fromhex("37fa213d")


@pytest.mark.parametrize("length", [*range(20), *(BIGINT_XOR_MAX + near for near in range(-5, 6))])
def test_masking_is_an_exclusive_or_with_the_key_again_and_again(length: int) -> None:
    data = bytes((index * 7 + index // 256) % 256 for index in range(length))
    plain = bytes(byte ^ KEY[index % 4] for index, byte in enumerate(data))
    assert apply_mask(data, KEY) == plain
    assert apply_mask(plain, KEY) == data
