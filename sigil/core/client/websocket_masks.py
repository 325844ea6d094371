"""The masking keys of a client's frames (RFC 6455 section 5.3).

Theory: a masking key must not be predictable by whoever chooses the payloads, and a pure function
has no source of chance. So a connection begins with a seed that came as a fact, and its keys are
what SHA-256 makes of the seed and a counter: without the seed none of them can be predicted, not
even from all that were sent before, and with it a connection can be replayed byte for byte.

Rules: a digest makes eight keys; no key is used twice on purpose. It does not know frames.
"""

from hashlib import sha256
from typing import Final, final

from ..value import Value
from ..websocket.frames import KEY_LEN

SEED_LEN: Final = 32
"""Bytes of a seed: as many as a digest has."""

_COUNTER_LEN: Final = 8


@final
class MaskKeys(Value):
    """The keys that are left: `unused` of the digest with number `digests` - 1, then those that
    follow.
    """

    __match_args__ = ("seed", "digests", "unused")
    __slots__ = __match_args__

    def __init__(self, seed: bytes, digests: int, unused: bytes) -> None:
        self.seed: Final = seed
        self.digests: Final = digests
        self.unused: Final = unused


def make_mask_keys(seed: bytes) -> MaskKeys:
    """The keys of a connection with this seed, which has 32 bytes; ValueError for others."""
    if len(seed) != SEED_LEN:
        raise ValueError(f"the seed of masking keys has {SEED_LEN} bytes, not {len(seed)}")
    return MaskKeys(seed, 0, b"")


def next_key(keys: MaskKeys) -> tuple[bytes, MaskKeys]:
    """The next key, and the keys behind it."""
    unused, digests = keys.unused, keys.digests
    if not unused:
        unused = sha256(keys.seed + digests.to_bytes(_COUNTER_LEN)).digest()
        digests += 1
    return unused[:KEY_LEN], MaskKeys(keys.seed, digests, unused[KEY_LEN:])
