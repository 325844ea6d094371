"""Masking keys: what SHA-256 makes of a seed and a counter, and the same again."""

from hashlib import sha256

import pytest

from sigil.core.client.websocket_masks import make_mask_keys, next_key

SEED = bytes(range(32))


def keys_of(seed: bytes, count: int) -> list[bytes]:
    """The first keys of a connection with this seed."""
    keys, found = make_mask_keys(seed), list[bytes]()
    for _ in range(count):
        key, keys = next_key(keys)
        found.append(key)
    return found


def test_a_digest_of_the_seed_and_a_counter_makes_eight_keys() -> None:
    digests = sha256(SEED + bytes(8)).digest() + sha256(SEED + bytes(7) + b"\1").digest()
    assert keys_of(SEED, 16) == [digests[at : at + 4] for at in range(0, 64, 4)]


def test_a_seed_makes_the_same_keys_again_and_no_key_twice() -> None:
    keys = keys_of(SEED, 1_000)
    assert keys == keys_of(SEED, 1_000)
    assert len(set(keys)) == 1_000
    assert not set(keys) & set(keys_of(bytes(32), 1_000))


def test_a_seed_has_32_bytes() -> None:
    with pytest.raises(ValueError, match="32 bytes, not 16"):
        make_mask_keys(SEED[:16])
