"""Frames that are encoded when they are asked for, because nobody had the encoding when they were
published.

Theory: what is published is encoded once for each encoding that somebody has then. A newcomer that
asks for history in another one needs it encoded now, and a small request may ask for thousands of
messages. So little is encoded in one tick, over all clients, and the rest in the next ones; and
what was encoded is remembered, so that the next who asks has it for nothing.

Rules: a tick has an allowance in bytes, to which each frame counts a little more than its length;
the first one beyond it is still encoded, so that there is progress. What is remembered is bounded,
but for a message that is too long by itself. It does not know who asks, nor the ring.
"""

from collections.abc import Mapping
from math import inf
from typing import Final, final

from pyrsistent import PMap, pmap

from ..limits import Limits
from ..value import Value
from .encoding import Encoding, recode
from .entry import Published
from .position import format_position

ENTRY_LEN: Final = 1_024
"""What a frame counts for beside its length, in time and in memory: setting a compressor up takes
as long as a kilobyte or two, and a place in the table is half of one.
"""


@final
class Recoded(Value):
    """Frames in other encodings, by number and encoding, `length` bytes altogether; and how much
    may still be encoded in the tick that began at `tick_started_at`.
    """

    __match_args__ = ("frames", "length", "tick_started_at", "allowance")
    __slots__ = __match_args__

    def __init__(
        self,
        frames: PMap[tuple[int, Encoding], bytes],
        length: int,
        tick_started_at: float,
        allowance: int,
    ) -> None:
        self.frames: Final = frames
        self.length: Final = length
        self.tick_started_at: Final = tick_started_at
        self.allowance: Final = allowance


NOTHING_RECODED: Final = Recoded(pmap(), 0, -inf, 2**62)
"""Outside a server as much as is wanted may be encoded."""


def in_tick(recoded: Recoded, tick_started_at: float, limits: Limits) -> Recoded:
    """The frames with what may be encoded in this tick; the very same in the same tick."""
    if recoded.tick_started_at == tick_started_at:
        return recoded
    return recoded.replace(
        tick_started_at=tick_started_at, allowance=limits.max_recode_len_per_tick
    )


def remember(
    recoded: Recoded, frames: Mapping[tuple[int, Encoding], bytes], spent: int, limits: Limits
) -> Recoded:
    """The frames with these as well, in the order in which they are needed, for which `spent` of
    the allowance was used.

    If that is too much, all that is older is forgotten; at least the first one is kept.
    """
    known, length = recoded.frames, recoded.length
    if length + sum([len(frame) + ENTRY_LEN for frame in frames.values()]) > limits.max_recoded_len:
        known, length = pmap(), 0
    evolver = known.evolver()
    for key, frame in frames.items():
        added = len(frame) + ENTRY_LEN
        if length and length + added > limits.max_recoded_len:
            break
        evolver[key] = frame
        length += added
    return recoded.replace(
        frames=evolver.persistent(), length=length, allowance=recoded.allowance - spent
    )


def stored_frame(
    entry: Published, number: int, encoding: Encoding, recoded: Recoded
) -> bytes | None:
    """The frame of the entry with this number in an encoding; None if it is not encoded yet."""
    if encoding is Encoding.PLAIN:
        return entry.frame
    for known, encoded in entry.encodings:
        if known is encoding:
            return encoded
    return recoded.frames.get((number, encoding))


def encode_anew(entry: Published, number: int, encoding: Encoding, epoch: int) -> bytes:
    """The frame of the entry whose position has this number in an encoding."""
    return recode(entry.frame, encoding, format_position(epoch, number))


def recoding_cost(entry: Published) -> int:
    """What an entry counts for in an allowance if it is encoded."""
    return len(entry.frame) + ENTRY_LEN
