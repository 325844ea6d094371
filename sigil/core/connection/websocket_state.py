"""The record of what a connection remembers of its peer's side once it has become a WebSocket (RFC
6455).

Theory: messages come in pieces, and the program that they are for may take its time. So the record
holds what has come and is no message yet (`reader`), the messages that came while the program was
at work (`undelivered`), which pongs are due, and what ends the connection (`end`). What is sent is
no part of it: that is what every subscriber has (`subscriber`).

Rules: control frames are never held: only messages wait. While the peer is behind with reading, the
payload of its latest ping is all that is held of its pings (section 5.5.3). It does not know what
happens with the messages (`websocket`).
"""

from typing import Any, Final, final

from ..close_reasons import CloseReason
from ..limits import Limits
from ..parse_result import Malformed, malformed
from ..value import Value
from ..websocket.fragments import AnyMessage, CompressedFragment, CompressedMessage, Fragment
from ..websocket.frames import FrameRules
from ..websocket.messages import (
    BETWEEN_MESSAGES,
    Close,
    Item,
    MessageReader,
    Ping,
    Pong,
)

MESSAGE_BYTES: Final = 64
"""What a message that waits counts for beside its length: the least that its object takes."""

INFLATED_MAX: Final = 1_032
"""Bytes that deflate can make of one, at most."""

FRAME_HEADER_BYTES: Final = 4
"""What the frame of a short reply has beside its payload."""


@final
class Undelivered(Value):
    """Messages that wait for the program: those from `start` on, which count for `length` bytes.

    They are not copied when some are delivered, so that this costs the same however many there are.
    """

    __match_args__ = ("messages", "start", "length")
    __slots__ = __match_args__

    def __init__(self, messages: tuple[AnyMessage, ...], start: int, length: int) -> None:
        self.messages: Final = messages
        self.start: Final = start
        self.length: Final = length

    def __reduce__(self) -> str | tuple[Any, ...]:
        return (
            "NOTHING_UNDELIVERED" if self is NOTHING_UNDELIVERED else (Undelivered, self._values())
        )


NOTHING_UNDELIVERED: Final = Undelivered((), 0, 0)


@final
class WebSocket(Value):
    """What has come from the peer of a WebSocket, and what is due because of it."""

    __match_args__ = (
        "awaits_pong", "reader", "undelivered", "end", "pongs", "code", "frame_rules",
        "heartbeat_at", "has_heartbeats", "controls_since", "controls", "awaits_drain",
    )  # fmt: skip
    __slots__ = __match_args__

    def __init__(
        self,
        awaits_pong: bool,
        reader: MessageReader,
        undelivered: Undelivered,
        end: Close | Malformed | None,
        pongs: bytes,
        code: int,
        frame_rules: FrameRules,
        heartbeat_at: float | None = None,
        has_heartbeats: bool = False,
        controls_since: float = 0.0,
        controls: int = 0,
        awaits_drain: bool = False,
    ) -> None:
        self.awaits_pong: Final = awaits_pong
        """A ping was sent to it, and nothing has come since."""
        self.reader: Final = reader
        self.undelivered: Final = undelivered
        """The messages behind those that the program has; `NOTHING_UNDELIVERED` itself if there are
        none.
        """
        self.end: Final = end
        """What ends the connection: a close frame in the tick in which it came, anything else when
        everything before it has been delivered.
        """
        self.pongs: Final = pongs
        """The answers to pings that are due: whole frames, which go before the queue."""
        self.code: Final = code
        """The code with which it ends, once that is known; 0 before."""
        self.frame_rules: Final = frame_rules
        self.heartbeat_at: Final = heartbeat_at
        """When it is to be sent the next heartbeat, or its position, if it has asked for either."""
        self.has_heartbeats: Final = has_heartbeats
        """It has asked for heartbeats."""
        self.controls_since: Final = controls_since
        """When the second began in which pings and pongs are counted."""
        self.controls: Final = controls
        """The pings and pongs that came in that second."""
        self.awaits_drain: Final = awaits_drain
        """It was behind with reading, and nothing is left that it has not been sent: if the kernel
        has taken all by the next flush, the program is told.
        """


def make_websocket(
    rules: FrameRules, heartbeat_at: float | None = None, has_heartbeats: bool = False
) -> WebSocket:
    """A WebSocket that was just opened."""
    return WebSocket(
        False, BETWEEN_MESSAGES, NOTHING_UNDELIVERED, None, b"", 0, rules, heartbeat_at,
        has_heartbeats,
    )  # fmt: skip


def after_read(
    websocket: WebSocket,
    reader: MessageReader,
    end: Close | Malformed | None,
    pongs: bytes,
    controls_since: float,
    controls: int,
) -> WebSocket:
    """The WebSocket after a read, whatever came: that is an answer to any ping of ours."""
    return WebSocket(
        False, reader, websocket.undelivered, end, pongs, websocket.code, websocket.frame_rules,
        websocket.heartbeat_at, websocket.has_heartbeats, controls_since, controls,
        websocket.awaits_drain,
    )  # fmt: skip


def with_undelivered(websocket: WebSocket, undelivered: Undelivered) -> WebSocket:
    """The WebSocket with other messages that wait for the program."""
    return WebSocket(
        websocket.awaits_pong, websocket.reader, undelivered, websocket.end, websocket.pongs,
        websocket.code, websocket.frame_rules, websocket.heartbeat_at,
        websocket.has_heartbeats, websocket.controls_since, websocket.controls,
        websocket.awaits_drain,
    )  # fmt: skip


def with_pongs(websocket: WebSocket, pongs: bytes) -> WebSocket:
    """The WebSocket with these pongs due, and no others."""
    return WebSocket(
        websocket.awaits_pong, websocket.reader, websocket.undelivered, websocket.end, pongs,
        websocket.code, websocket.frame_rules, websocket.heartbeat_at,
        websocket.has_heartbeats, websocket.controls_since, websocket.controls,
        websocket.awaits_drain,
    )  # fmt: skip


TOO_MANY_CONTROLS: Final = malformed(
    "too many pings and pongs in a second", CloseReason.WS_OVERHEAD
)


def count_controls(
    websocket: WebSocket, items: tuple[Item, ...], now: float, limits: Limits
) -> tuple[float, int, tuple[Item, ...]]:
    """When the second began in which pings and pongs are counted, how many came in it with these
    items, and the items that count: those before the first ping or pong that is one too many.
    """
    since, count = websocket.controls_since, websocket.controls
    if now - since >= 1.0:
        since, count = now, 0
    for index, item in enumerate(items):
        if isinstance(item, (Ping, Pong)):
            count += 1
            if count > limits.max_ws_control_frames_per_second:
                return since, count, items[:index]
    return since, count, items


def unread_len(websocket: WebSocket) -> int:
    """Bytes that came and were not delivered yet, wherever they are held."""
    reader = websocket.reader
    if reader is BETWEEN_MESSAGES:
        return websocket.undelivered.length
    rope = () if reader.message is None else reader.message.rope
    return len(reader.buffer) + sum(map(len, rope)) + websocket.undelivered.length


# -- what waits for the program --------------------------------------------------------------------


def park(undelivered: Undelivered, messages: tuple[AnyMessage, ...]) -> Undelivered:
    """What waits for the program, with these messages behind it."""
    if not messages:
        return undelivered
    waiting = undelivered.messages[undelivered.start :]
    return Undelivered(waiting + messages, 0, undelivered.length + _length_of(messages))


def park_first(undelivered: Undelivered, messages: tuple[AnyMessage, ...]) -> Undelivered:
    """What waits for the program, with these messages before it."""
    waiting = undelivered.messages[undelivered.start :]
    return Undelivered(messages + waiting, 0, undelivered.length + _length_of(messages))


def _length_of(messages: tuple[AnyMessage, ...]) -> int:
    """What messages that wait count for: their lengths, as they came, and their objects."""
    return MESSAGE_BYTES * len(messages) + sum([len(message) for message in messages])


def next_batch(
    undelivered: Undelivered, messages: tuple[AnyMessage, ...], length: int, limits: Limits
) -> tuple[tuple[AnyMessage, ...], Undelivered]:
    """The messages that are delivered next, together, of those that wait and these behind them, and
    those that wait for these to be handled; the frames of all have `length` bytes at most.
    """
    if undelivered is NOTHING_UNDELIVERED and INFLATED_MAX * length <= replies_max_len(limits):
        return messages, undelivered
    return take_batch(park(undelivered, messages), limits)


def take_batch(
    undelivered: Undelivered, limits: Limits
) -> tuple[tuple[AnyMessage, ...], Undelivered]:
    """The messages that are delivered next, together, and those that wait for these to be handled.

    They are so many, one at least, that replies as long as they are have room: of a program that
    only echoes nothing is dropped.
    """
    messages, start, length = undelivered.messages, undelivered.start, undelivered.length
    room, end = replies_max_len(limits), start
    while end < len(messages):
        room -= _reply_len(messages[end])
        if room < 0 and end > start:
            break
        end += 1
    batch = messages[start:end]
    if end == len(messages):
        return batch, NOTHING_UNDELIVERED
    return batch, Undelivered(messages, end, length - _length_of(batch))


def take_all(undelivered: Undelivered) -> tuple[AnyMessage, ...]:
    """All messages that wait."""
    return undelivered.messages[undelivered.start :]


def replies_max_len(limits: Limits) -> int:
    """How many bytes replies to what is delivered at once may have: with what the client has not
    taken before (`max_outbox_len`, and as much that may come back) they are within what may be
    queued.
    """
    return limits.max_ws_outbox_len - 2 * limits.max_outbox_len


def _reply_len(message: AnyMessage) -> int:
    """Bytes of the frame with this message, at most."""
    if isinstance(message, (CompressedMessage, CompressedFragment)):
        return FRAME_HEADER_BYTES + INFLATED_MAX * len(message.payload)
    data = message.data if isinstance(message, Fragment) else message
    if isinstance(data, str) and not data.isascii():
        return FRAME_HEADER_BYTES + 4 * len(data)
    return FRAME_HEADER_BYTES + len(message)
