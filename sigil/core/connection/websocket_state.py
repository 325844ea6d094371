"""The record of what a connection remembers of its peer's side once it has become a WebSocket (RFC
6455).

Theory: messages come in pieces, and the program that they are for may take its time. So the record
holds what has come and is no message yet (`reader`), what came while the program was at work
(`unread`, `undelivered`), which pong is due, and what ends the connection once everything before it
has been delivered (`end`). What is sent is no part of it: that is what every subscriber has
(`subscriber`).

Rules: while the peer is behind with reading, the payload of its latest ping is all that is held of
its pings (section 5.5.3). It does not know what happens with the messages (`websocket`).
"""

from collections.abc import Iterable
from typing import NamedTuple

from ..parse_result import Malformed
from ..websocket.frames import FrameRules
from ..websocket.messages import BETWEEN_MESSAGES, Close, CompressedMessage, Item, MessageReader


class Undelivered(NamedTuple):
    """Items that were read behind the messages that the program has: those from `start` on, with
    `length` bytes of messages among them.

    They are never copied, so that delivering the next ones costs the same however many there are.
    """

    items: tuple[Item, ...]
    start: int
    length: int


NOTHING_UNDELIVERED = Undelivered((), 0, 0)


class WebSocket(NamedTuple):
    """What has come from the peer of a WebSocket, and what is due because of it."""

    awaits_pong: bool
    """A ping was sent to it, and nothing has come since."""
    reader: MessageReader
    unread: bytes
    """What came while the program was at work."""
    undelivered: Undelivered
    """What was read behind the messages that the program has; `NOTHING_UNDELIVERED` itself if that
    is nothing.
    """
    end: Close | Malformed | None
    """What ends the connection, when everything before it has been delivered."""
    pong_payload: bytes | None
    """The payload of the ping that is to be answered when the queue has been sent."""
    code: int
    """The code with which it ends, once that is known; 0 before."""
    frame_rules: FrameRules
    heartbeat_at: float | None = None
    """When it is to be sent the next heartbeat, if it has asked for them."""


def make_websocket(
    rules: FrameRules, unread: bytes, heartbeat_at: float | None = None
) -> WebSocket:
    """A WebSocket that was just opened, behind whose handshake these bytes came."""
    return WebSocket(
        False, BETWEEN_MESSAGES, unread, NOTHING_UNDELIVERED, None, None, 0, rules, heartbeat_at
    )


def unread_len(websocket: WebSocket) -> int:
    """Bytes that came and were not delivered yet, wherever they are held."""
    reader = websocket.reader
    rope = () if reader.message is None else reader.message.rope
    return (
        len(websocket.unread)
        + len(reader.buffer)
        + sum(map(len, rope))
        + websocket.undelivered.length
    )


def messages_len(items: Iterable[Item]) -> int:
    """Bytes of the messages among these items, as they came; characters of texts."""
    return sum(
        [
            len(item.payload if isinstance(item, CompressedMessage) else item)
            for item in items
            if isinstance(item, str | bytes | CompressedMessage)
        ]
    )
