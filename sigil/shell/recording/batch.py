"""Turns that are written together: the content of a chunk of MCAP, while it grows.

Theory: a message of MCAP is a header of 31 bytes and its data, and a chunk is one message behind
the other; so what the loop has to do for a turn is to add two pieces of bytes to a list. The rest
(to join, to compress, to sum up, to write) is done a chunk at a time by a thread, in calls that let
the loop go on. The server at the beginning is kept as the value that it is: it is only made bytes
where a file begins, or goes on behind a gap.

Rules: whoever adds has the lock of the recorder. It does not know files.
"""

from array import array
from struct import Struct

from ...core.server.state import Server

TURNS, GAPS, STATS, LAG, CLOSES = 1, 2, 3, 4, 5
"""The channels of a recording."""
_MESSAGE = Struct("<BQHIQQ")
_pack_header = _MESSAGE.pack
_OPCODE = 5
_HEADER_LEN = _MESSAGE.size
_FIXED_LEN = _HEADER_LEN - 9
"""Bytes of a message record behind its length, without its data."""
_SEQUENCE_MASK = 2**32 - 1


class Batch:
    """Some turns that follow one another, and what belongs to them."""

    def __init__(self, start: Server, is_joined: bool, missed: int = 0) -> None:
        self.start = start
        """The server before the first turn."""
        self.last = start
        """The server behind the last one."""
        self.is_joined = is_joined
        """True if the first turn follows the last one of the batch before."""
        self.missed = missed
        """How many turns are missing before it."""
        self.count = 0
        self.begun = 0
        """When the first message was added, in nanoseconds since 1970."""
        self.ended = 0
        self.size = 0
        self.parts: list[bytes] = []
        self.index: dict[int, array[int]] = {}
        """For each channel the time and the place of each message, by turns."""

    def add(self, channel: int, sequence: int, at: int, data: bytes) -> None:
        """Add a message."""
        length, size = len(data), self.size
        header = _pack_header(
            _OPCODE, _FIXED_LEN + length, channel, sequence & _SEQUENCE_MASK, at, at
        )
        self.parts += (header, data)
        places = self.index.get(channel)
        if places is None:
            places = self.index[channel] = array("Q")
            self.begun = self.begun or at
        places.append(at)
        places.append(size)
        self.size = size + _HEADER_LEN + length
        self.ended = at

    def copy(self) -> "Batch":
        """A batch of the same turns, to which more can be added."""
        other = Batch(self.start, self.is_joined, self.missed)
        other.last, other.count = self.last, self.count
        other.begun, other.ended, other.size = self.begun, self.ended, self.size
        other.parts = self.parts[:]
        other.index = {channel: places[:] for channel, places in self.index.items()}
        return other

    def content(self) -> bytes:
        """All messages, one behind the other."""
        return b"".join(self.parts)
