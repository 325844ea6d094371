"""The bounds of a WebSocket in the role of a client, each with its reason.

Theory: a server is a stranger too: it may send without end, answer nothing, or take nothing. So
whatever grows or waits has a bound here, as a server has in `Limits`, with the same numbers where
the two mean the same thing.

Rules: lengths are bytes, times are seconds; infinity switches a timeout off. It does not know what
happens beyond a bound: `websocket` does.
"""

from typing import Final, NamedTuple

from ..websocket.frames import FrameRules


class WebSocketLimits(NamedTuple):
    """What one WebSocket of a client may hold, and how long it waits."""

    max_message_len: int = 2**24
    """Bytes of a message that is received, decompressed. Beyond, the WebSocket is closed with 1009
    and for good: `MessageTooLarge`.
    """
    max_small_fragments: int = 4_096
    """Continuation frames of one message beyond one for every `min_fragment_len` bytes of it: empty
    ones could come without end. Close code 1008 beyond.
    """
    min_fragment_len: int = 16
    """Bytes that a frame has on average in a message of more than `max_small_fragments`."""
    max_queue_len: int = 2**24
    """Bytes that were sent and that the server has not taken. A message beyond is dropped, and
    `send` returns `DROPPED`; one that is longer by itself is sent when nothing else waits.
    """
    max_received_len: int = 2**20
    """Bytes of messages, as they came, that the program has not taken; each counts 64 bytes more.
    From here on the connection is not read, until half of them are taken.
    """
    open_timeout: float = 15.0
    """Seconds for a connection and the answer to the handshake, and for the first message of a
    stream with positions. After that the attempt has failed.
    """
    ping_interval: float = 20.0
    """Seconds after which a WebSocket from which nothing was received is pinged."""
    pong_timeout: float = 20.0
    """Seconds for anything to be received after that ping. After that the connection is lost."""
    close_timeout: float = 5.0
    """Seconds for the answer to our close frame, and for the server to end the connection when both
    close frames were sent. After that we do.
    """


DEFAULT_LIMITS = WebSocketLimits()

_POSITIVE: Final = frozenset(("max_queue_len", "max_received_len"))

WEBSOCKET_BYTES: Final = 16_384
RECEIVED_BYTES: Final = 384
"""Memory of a WebSocket and of a message that waits for the program, beside the bytes of its text;
measured for CPython on 64 bits, and rounded up.
"""
COUNTED_BYTES: Final = 64
"""What a message counts for in `max_received_len`, beside its length."""
FRAME_LEN_MIN: Final = 2
CHAR_BYTES_MAX: Final = 4
"""Bytes of a character in memory: one that came as a single byte, too, if others are wider."""


def frame_rules(limits: WebSocketLimits, allows_rsv1: bool) -> FrameRules:
    """The rules for frames of a server, which are not masked; `allows_rsv1` with compression."""
    return FrameRules(
        limits.max_message_len,
        limits.max_message_len,
        allows_rsv1,
        False,
        limits.max_small_fragments,
        limits.min_fragment_len,
    )


def check_websocket_limits(limits: WebSocketLimits) -> str | None:
    """What makes no sense in these limits, as a sentence; None if all does."""
    values: dict[str, object] = limits._asdict()
    for name, value in values.items():
        is_length = type(WebSocketLimits._field_defaults[name]) is int
        is_number = type(value) is int or (not is_length and type(value) is float)
        minimum = 1 if name in _POSITIVE else 0
        if not is_number or not isinstance(value, int | float):
            return f"{name} is a {'whole ' if is_length else ''}number, not {value!r}"
        if is_length and value < minimum:
            return f"{name} is a whole number, {minimum} or more, not {value}"
        if not is_length and not value > 0:
            return f"{name} is a number of seconds above 0, not {value}"
    return None


def websocket_footprint(limits: WebSocketLimits, read_len: int) -> int:
    """Bytes of memory that one WebSocket can come to hold, of which `read_len` bytes are read at
    once: messages that wait for the program, one that has not come whole, one that is just being
    opened, and what the server has not taken.
    """
    # reading stops behind the read with which too much waits: whatever that holds is there, too
    waiting = limits.max_received_len + limits.max_message_len + read_len
    count = limits.max_received_len // COUNTED_BYTES + read_len // FRAME_LEN_MIN + 1
    received = CHAR_BYTES_MAX * waiting + RECEIVED_BYTES * count
    opening = (1 + CHAR_BYTES_MAX) * limits.max_message_len
    return WEBSOCKET_BYTES + received + limits.max_message_len + opening + limits.max_queue_len
