"""The parts of it."""

import re
from typing import NamedTuple, TypeAlias

from ..websocket.frames import Opcode
from .encoding import Encoding, recode

Topics = frozenset[str]

EVERY_TOPIC = "*"
"""Who hears this one hears all of them."""

Published: TypeAlias = tuple[bytes, str | None, tuple[tuple[Encoding, bytes], ...]]
"""One published frame, plain; whom it is for: those who hear its topic, or everybody for None; and
the same in the encodings that were listened in. A plain tuple, because one is made for every
message.
"""


class Subscription(NamedTuple):
    """How somebody hears a stream: in which encoding, and which topics."""

    encoding: Encoding
    topics: Topics


def matches(entry: Published, subscription: Subscription) -> bool:
    """True if an entry is for somebody: on a topic that is heard, and of a kind that can be said
    so.
    """
    frame, topic, _ = entry
    return (
        topic is None or topic in subscription.topics or EVERY_TOPIC in subscription.topics
    ) and (subscription.encoding is not Encoding.SSE or frame[0] & 0x0F == Opcode.TEXT)


def frame_for(entry: Published, subscription: Subscription, epoch: int, number: int) -> bytes:
    """The frame of an entry for somebody, which is nothing for whom it is not; `number` is what it
    has on the ring.

    What nobody listened to in an encoding when it was published is encoded now: only who asks for
    history needs that.
    """
    if not matches(entry, subscription):
        return b""
    frame, _, others = entry
    if subscription.encoding is Encoding.PLAIN:
        return frame
    for encoding, other in others:
        if encoding is subscription.encoding:
            return other
    return recode(frame, subscription.encoding, format_position(epoch, number))


def entry_len(entry: Published) -> int:
    """Bytes of an entry in all its encodings; one that is the plain frame again takes nothing."""
    frame, _, others = entry
    return (
        len(frame) + sum([len(other) for _, other in others if other is not frame])
        if others
        else len(frame)
    )


def format_position(epoch: int, number: int) -> str:
    """Where in the stream somebody is who has heard all up to the frame with this number; -1 is
    before the first.
    """
    return f"{epoch}-{number + 1}"


_POSITION = re.compile(r"([0-9]{1,18})-([0-9]{1,15})")


def parse_position(text: str) -> tuple[int, int] | None:
    """The epoch of a position, and the number of the frame that follows; None if it is none."""
    match = _POSITION.fullmatch(text)
    return None if match is None else (int(match[1]), int(match[2]))
