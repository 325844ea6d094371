"""Positions: places in the stream of what is published, as clients are told them and come back.

Theory: a position names a place between two messages: the epoch, which no other stream has, and the
number of messages before it, written `<epoch>-<n>`. A client that joins is sent what is retained
before anything else, and may be cut off in the middle of that; so while retained messages are still
to come its position is written `<epoch>-<n>.<r>`: of these it has those that were published before
message `r`. Then whoever comes back with the last position that it was told has lost nothing.

Rules: a client is told a position only when all that is before it was sent, in the same order over
every transport. Over a WebSocket that is a text which begins with NUL, as nothing that people or
JSON write does: `position` ("you are here"), `next` ("with the next message you will be here") and
`gap`. They are never compressed, and stored nowhere. This file does not know what is published, nor
who is told.
"""

import json
import re
from bisect import bisect_left
from collections.abc import Sequence
from typing import Final, final

from ..value import Value
from ..websocket.frames import Opcode, encode_frame, frame_len


@final
class Position(Value):
    """A position that a client came back with: `number` is that of the message behind it,
    `retained_from` that of the first one which it may lack of those that are retained.
    """

    __match_args__ = ("epoch", "number", "retained_from")
    __slots__ = __match_args__

    def __init__(self, epoch: int, number: int, retained_from: int) -> None:
        self.epoch: Final = epoch
        self.number: Final = number
        self.retained_from: Final = retained_from


def format_position(epoch: int, number: int) -> str:
    """The position behind the message with this number, -1 for before the first.

    `format_position(7, 0) == "7-1"`
    """
    return f"{epoch}-{number + 1}"


def format_start(epoch: int, number: int, retained_from: int) -> str:
    """The position before the message with this number, of somebody who has of what is retained
    only what was published before message `retained_from`.

    `format_start(7, 9, 9) == "7-9"`, `format_start(7, 9, 4) == "7-9.4"`
    """
    return f"{epoch}-{number}" if retained_from >= number else f"{epoch}-{number}.{retained_from}"


_POSITION: Final = re.compile(r"([0-9]{1,18})-([0-9]{1,15})(?:\.([0-9]{1,15}))?")


def parse_position(text: str) -> Position | None:
    """The position that is written so; None if the text is none.

    `parse_position("7-1") == Position(7, 1, 1)`
    """
    match = _POSITION.fullmatch(text)
    if match is None:
        return None
    number, retained_from = int(match[2]), match[3]
    if retained_from is None:
        return Position(int(match[1]), number, number)
    if int(retained_from) > number:
        return None
    return Position(int(match[1]), number, int(retained_from))


# -- over a WebSocket ------------------------------------------------------------------------------

_NEXT: Final = "\0next:"
_RETAINED: Final = "\0retained:"

RELAY_VERSION: Final = 1
"""That of what a relay is told beside positions."""


def position_frame(position: str) -> bytes:
    """The frame of a server that tells a client its position."""
    return encode_frame(Opcode.TEXT, f"\0position:{position}".encode())


def next_frame(epoch: int, number: int) -> bytes:
    """The frame that goes before the message with this number: the position behind it."""
    return encode_frame(Opcode.TEXT, f"{_NEXT}{epoch}-{number + 1}".encode())


def relay_frame() -> bytes:
    """The frame that tells a relay that it will be told of each message all that it needs."""
    return encode_frame(Opcode.TEXT, f"\0relay:{RELAY_VERSION}".encode())


def message_label(topic: str | None, is_latest: bool, is_retained: bool) -> str:
    """What a relay is told of a message behind its position: how it was published, and on which
    topic.

    `message_label("a", False, True) == ' 2 "a"'`
    """
    return f" {is_latest + 2 * is_retained} {json.dumps(topic)}"


def labelled_next_frame(epoch: int, number: int, label: str) -> bytes:
    """As `next_frame`, for a relay, which is told this of the message as well."""
    return encode_frame(Opcode.TEXT, f"{_NEXT}{epoch}-{number + 1}{label}".encode())


def labelled_retained_frame(epoch: int, number: int, label: str) -> bytes:
    """The frame that goes before a retained message for a relay: the position behind that."""
    return encode_frame(Opcode.TEXT, f"{_RETAINED}{epoch}-{number + 1}{label}".encode())


def gap_frame(gap: str) -> bytes:
    """The frame that tells a client a gap, which is JSON."""
    return encode_frame(Opcode.TEXT, b"\0gap:" + gap.encode())


def next_frames_len(epoch: int, numbers: Sequence[int], label_len: int = 0) -> int:
    """The bytes of the frames that go before the messages with these numbers, which are in order,
    each with a label of this length: a sum over the lengths that a number can have.
    """
    length, start, digits = 0, 0, 1
    while start < len(numbers):
        end = bisect_left(numbers, 10**digits - 1, start)  # a position is one more than a number
        length += (end - start) * _next_frame_len(epoch, digits + label_len)
        start, digits = end, digits + 1
    return length


def _next_frame_len(epoch: int, digits: int) -> int:
    """The bytes of a frame that tells a position with so much behind its epoch."""
    return frame_len(len(f"{_NEXT}{epoch}-") + digits)


# -- gaps ------------------------------------------------------------------------------------------


def gap_json(after: str, position: str, missed: int | None) -> str:
    """What a client is told that cannot be sent all behind the position `after`: the one from which
    it goes on, and how many messages are gone; None if nobody knows.
    """
    gap = {"after": after, "position": position, "missed": missed}
    return json.dumps(gap, separators=(",", ":"))
