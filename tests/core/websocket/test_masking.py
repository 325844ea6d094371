"""Masking: an exclusive or with a key of four bytes, however long the payload is, and whichever of
the three functions does it.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets import speedups

from sigil.core.build import core_build
from sigil.core.websocket.masking import (
    BIGINT_XOR_MAX,
    Mask,
    apply_mask,
    apply_mask_in_python,
    mask_of_websockets,
)

KEY = bytes.fromhex("37fa213d")

every_way = pytest.mark.parametrize(
    "mask",
    [apply_mask, apply_mask_in_python, speedups.apply_mask],
    ids=["chosen", "python", "theirs"],
)


@every_way
def test_the_example_of_rfc_6455(mask: Mask) -> None:
    assert mask(b"Hello", KEY) == bytes.fromhex("7f9f4d5158")


@every_way
@pytest.mark.parametrize("length", [*range(20), *(BIGINT_XOR_MAX + near for near in range(-5, 6))])
def test_masking_is_an_exclusive_or_with_the_key_again_and_again(mask: Mask, length: int) -> None:
    data = bytes((index * 7 + index // 256) % 256 for index in range(length))
    plain = bytes(byte ^ KEY[index % 4] for index, byte in enumerate(data))
    assert mask(data, KEY) == plain
    assert mask(plain, KEY) == data


@given(st.binary(max_size=3 * BIGINT_XOR_MAX), st.binary(min_size=4, max_size=4))
def test_every_way_does_the_same(data: bytes, key: bytes) -> None:
    masked = apply_mask_in_python(data, key)
    assert apply_mask(data, key) == masked
    assert speedups.apply_mask(data, key) == masked


def test_an_extension_is_chosen_the_own_one_where_the_core_is_compiled() -> None:
    assert apply_mask is not apply_mask_in_python
    is_own = apply_mask.__module__ == "sigil.core.websocket._xor"
    assert is_own == (core_build() == "compiled")


def test_without_the_library_there_is_nothing_of_it_to_choose() -> None:
    assert mask_of_websockets([]) is None
