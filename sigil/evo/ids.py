"""The ids of requests and WebSockets: opaque, never repeated, and in the form of a UUID.

Theory: what names a connection is a value, `Conn`, whose generation no other connection of the
server ever has. An id is that value, the number of the request on the connection, and a prefix that
is drawn anew whenever a server listens: 122 bits, which a UUID of version 8 (RFC 9562 section 5.8)
has room for. So nothing has to be remembered to know whom an id names.

Rules: both ways are functions, and a text that is no id of this prefix names nobody. It does not
know whether whom an id names is still there.
"""

import re
import secrets
from typing import NamedTuple

from sigil import Conn

PREFIX_BITS, SLOT_BITS, GENERATION_BITS, NUMBER_BITS = 32, 22, 38, 30
"""122 bits: a quarter of a million million connections, with as many requests each as
`Limits.max_requests_per_connection` is by default.
"""

WEBSOCKET = 0
"""The number of a connection that is a WebSocket; its requests have those from 1 on."""

_LOW_BITS = 62
_MIDDLE_BITS = 12
_MARKS = 8 << 76 | 2 << 62
"""Version 8, and the variant of RFC 9562."""
_TEXT = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


class Named(NamedTuple):
    """Whom an id names: a connection, and a request on it, or `WEBSOCKET`."""

    conn: Conn
    number: int


def draw_prefix() -> int:
    """A prefix for the ids of one server."""
    return secrets.randbits(PREFIX_BITS)


def encode_id(prefix: int, conn: Conn, number: int) -> str:
    """The id of a request, or of a WebSocket; OverflowError for one that has no room in it."""
    packed = prefix
    for value, bits in (
        (conn.slot, SLOT_BITS),
        (conn.generation, GENERATION_BITS),
        (number, NUMBER_BITS),
    ):
        if value >> bits:
            raise OverflowError(f"{value} has no room in {bits} bits of an id")
        packed = packed << bits | value
    low = packed & (1 << _LOW_BITS) - 1
    middle = packed >> _LOW_BITS & (1 << _MIDDLE_BITS) - 1
    high = packed >> _LOW_BITS + _MIDDLE_BITS
    text = f"{high << 80 | middle << 64 | low | _MARKS:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def decode_id(prefix: int, text: str) -> Named | None:
    """Whom an id names; None if it is none of this prefix."""
    if _TEXT.fullmatch(text) is None:
        return None
    bits = int(text.replace("-", ""), 16)
    low = bits & (1 << _LOW_BITS) - 1
    middle = bits >> 64 & (1 << _MIDDLE_BITS) - 1
    packed = (bits >> 80) << _LOW_BITS + _MIDDLE_BITS | middle << _LOW_BITS | low
    number = packed & (1 << NUMBER_BITS) - 1
    packed >>= NUMBER_BITS
    generation = packed & (1 << GENERATION_BITS) - 1
    packed >>= GENERATION_BITS
    slot = packed & (1 << SLOT_BITS) - 1
    if packed >> SLOT_BITS != prefix:
        return None
    return Named(Conn(slot, generation), number)


def check_id(client_id: object) -> str:
    """The id; TypeError for what is none, whatever it names."""
    if not isinstance(client_id, str):
        raise TypeError(f"an id is a str, not {type(client_id).__name__}")
    return client_id
