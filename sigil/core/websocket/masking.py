"""Masking of WebSocket payloads: an exclusive or with a key of 4 bytes (RFC 6455 section 5.3).

Theory: Python has no exclusive or of byte strings, so `apply_mask` is an extension's function where
there is one: that of `_xor.c`, which a compiled wheel has, or else that of the library `websockets`
if it is installed. Both take 0.1 microseconds for a short payload and 17 for 1 MiB. What is always
there is `apply_mask_in_python`, for which a short payload is a big integer and a long one four
translations: 0.5 microseconds and 3,400. So one is chosen, once, and not by size.

Rules: masking twice gives what there was before. Keys are passed in: they must be unpredictable,
which a pure function cannot be. It does not know frames.
"""

from collections.abc import Callable, Sequence
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from typing import Final, TypeAlias

Mask: TypeAlias = Callable[[bytes, bytes], bytes]

BIGINT_XOR_MAX: Final = 640
"""Bytes up to which one exclusive or of two big integers beats four translations.

Measured under 3.11: 0.5 against 0.9 microseconds for 128 bytes, 2.0 against 1.6 for 1 KiB, 150
against 50 for 64 KiB.
"""

_KEY_REPEATS: Final = tuple(
    [((1 << 32 * count) - 1) // 0xFFFFFFFF for count in range(BIGINT_XOR_MAX // 4 + 1)]
)
"""A key times `_KEY_REPEATS[n]` is that key n times in a row: a multiplication is cheaper than
repeating bytes and converting them.
"""

_ALL_BYTES: Final = int.from_bytes(range(256))
_ONES: Final = int.from_bytes(b"\1" * 256)
_XOR_TABLES: Final = tuple([(_ALL_BYTES ^ mask * _ONES).to_bytes(256) for mask in range(256)])
"""For each byte of a key, what it makes of all bytes, as `bytes.translate` wants it."""


def apply_mask_in_python(data: bytes, key: bytes) -> bytes:
    """`data` masked with a key of 4 bytes, without an extension; see `apply_mask`."""
    length = len(data)
    if length > BIGINT_XOR_MAX:
        return _apply_mask_by_table(data, key)
    # The key, repeated to whole words, without the bytes that stand beyond the end of the data.
    mask = int.from_bytes(key) * _KEY_REPEATS[length + 3 >> 2] >> 8 * (-length & 3)
    return (int.from_bytes(data) ^ mask).to_bytes(length)


def _apply_mask_by_table(data: bytes, key: bytes) -> bytes:
    """`data` masked, every fourth byte at once, since those share a byte of the key.

    A `bytearray` is translated a fifth faster than `bytes`, which first look whether anything
    changes.
    """
    masked = bytearray(data)
    for index, byte in enumerate(key):
        masked[index::4] = masked[index::4].translate(_XOR_TABLES[byte])
    return bytes(masked)


# -- the choice ------------------------------------------------------------------------------------


def mask_of_wheel() -> Mask | None:
    """The function of the extension beside this file; None if this is not a compiled wheel."""
    try:
        from ._xor import apply_mask
    except ImportError:
        return None
    return apply_mask


def mask_of_websockets(path: Sequence[str] | None = None) -> Mask | None:
    """The function of the library `websockets` on this path, by default that of Python; None if it
    is not there or has no extension.

    The extension is loaded without the package around it, whose import takes 25 milliseconds.
    """
    package = PathFinder.find_spec("websockets", path)
    if package is None:
        return None
    spec = PathFinder.find_spec("websockets.speedups", package.submodule_search_locations)
    if spec is None or spec.loader is None:
        return None
    speedups = module_from_spec(spec)
    spec.loader.exec_module(speedups)
    mask: Mask = speedups.apply_mask
    return mask


apply_mask: Final[Mask] = mask_of_wheel() or mask_of_websockets() or apply_mask_in_python
"""`data` masked with a key of 4 bytes; masked data is unmasked the same way.

`apply_mask(b"Hello", bytes.fromhex("37fa213d")) == bytes.fromhex("7f9f4d5158")`
"""
