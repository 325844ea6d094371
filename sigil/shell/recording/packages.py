"""The packages that a recording is written and read with, which not everybody has.

Theory: `mcap` has the records of the container; `msgspec` packs a whole turn in one call of C, in a
quarter of the time that `msgpack` takes, which packs what the other refuses, and reads everything.
They come with the extra `record`, and nobody who records nothing needs them.

Rules: whoever needs them and has them not reads in a sentence how they are installed. Texts may
hold what is no UTF-8 (half of a surrogate pair), so they are packed as Python has them. What both
pack is the same bytes.
"""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from zstandard import ZstdDecompressor, ZstdError, frame_content_size

MISSING = (
    "a recording is written and read with the packages mcap, msgpack and msgspec, which are not "
    "installed: pip install 'sigil-http[record]'"
)
_NAMES = ("mcap", "msgpack", "msgspec")
SURROGATES = "surrogatepass"
MAX_LEN = 2**28
"""A server, or turns that were written together, of more bytes are not read: what is compressed may
claim any length, and a kilobyte may become a gibibyte. So they are not written either.
"""
MAX_ITEMS = 2**24
"""Items of one collection."""


class TooLong(ValueError):
    """More bytes than are read at once."""


def check_len(length: int, max_len: int = MAX_LEN, what: str = "it") -> None:
    """`TooLong` for more bytes than are read at once."""
    if length > max_len:
        raise TooLong(f"{what} is {length:,} bytes, and no more than {max_len:,} are read")


def require_packages() -> None:
    """None if the packages are installed; ModuleNotFoundError with a sentence if not."""
    if any(find_spec(name) is None for name in _NAMES):
        raise ModuleNotFoundError(MISSING)


def packer() -> Callable[[Any], bytes]:
    """What packs plain values: a function that is kept, since making one takes as long as a turn.

    What is none of them, because a program has put it where the core only passes it on, is packed
    as the structure of its placeholder.
    """
    require_packages()
    import msgpack
    import msgspec

    from ...core.trace.plain import flatten

    pack = msgspec.msgpack.Encoder().encode
    pack_anything = msgpack.Packer(default=flatten, unicode_errors=SURROGATES).pack

    def pack_plain(plain: Any) -> bytes:
        """The packed bytes; what is derived from a scalar, half of a surrogate pair and whatever is
        not plain are so rare that they are tried again.
        """
        try:
            data: bytes = pack(plain)
        except (TypeError, ValueError, OverflowError):
            data = pack_anything(plain)
        return data

    return pack_plain


def unpack(data: bytes) -> Any:
    """The plain values of packed bytes; ValueError if they are none."""
    import msgpack

    try:
        return msgpack.unpackb(
            data,
            use_list=False,
            strict_map_key=False,
            unicode_errors=SURROGATES,
            max_array_len=MAX_ITEMS,
            max_map_len=MAX_ITEMS,
        )
    except (msgpack.UnpackException, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"it is not msgpack: {error}") from error


def decompress(data: bytes, max_len: int = MAX_LEN) -> bytes:
    """What is in a frame of Zstandard; ValueError if it is none, or longer."""
    try:
        check_len(frame_content_size(data), max_len)
        return ZstdDecompressor().decompress(data, max_output_size=max_len)
    except ZstdError as error:
        raise ValueError(str(error)) from error
