"""A network in a bad mood: the wires and the kernel of `sigil.testing`, with everything that a real
one may do.

Theory: an operating system promises less than it mostly keeps: a write may take half of what it is
given, a read may give a byte, one who is ready may be seen later, and in any order. What holds
under the worst of moods, drawn from dice, holds on a good day.

Rules: all chance comes from the dice that are handed in. A wire takes and gives bytes in order, and
loses none but by a reset. `taken` are all bytes that were ever taken from the server. It does not
know what the bytes mean.
"""

from random import Random
from typing import NamedTuple

from ...core.conn import Peer
from ...core.effects import Interest
from ...core.events import Accepted, Event, Segment
from ...core.limits import Limits
from ..kernel import Kernel, Wire


class Mood(NamedTuple):
    """How one wire behaves: its window in bytes (None: all is read at once), and how often writes
    and reads are cut.
    """

    window_len: int | None = None
    cut_writes: float = 0.0
    cut_reads: float = 0.0

    @property
    def is_prompt(self) -> bool:
        """True if it takes all that it is ever given."""
        return self.window_len is None and not self.cut_writes


class Line(Wire):
    """A wire with a mood."""

    __slots__ = ("dice", "mood", "taken")

    def __init__(self, peer: Peer, dice: Random, mood: Mood) -> None:
        super().__init__(peer, mood.window_len, None)
        self.dice = dice
        self.mood = mood
        self.taken = bytearray()

    def cheer(self) -> None:
        """From now on this is a good wire with a reader that reads."""
        self.mood = Mood()
        self.window_len = None
        self.read(len(self.waiting))

    def read(self, count: int) -> None:
        """The client reads up to so many bytes."""
        self.received += self.waiting[:count]
        del self.waiting[:count]

    def recv(self, most: int) -> bytes:
        """What the server reads, perhaps less than is there."""
        if self.mood.cut_reads and self.dice.random() < self.mood.cut_reads:
            most = self.dice.randint(1, most)
        return super().recv(most)

    def send(self, data: Segment) -> int:
        """How much of what the server writes is taken, perhaps less than there is room for."""
        part = data
        if self.mood.cut_writes and len(data) and self.dice.random() < self.mood.cut_writes:
            part = data[: self.dice.randrange(len(data))]
            if not len(part) and not self.has_reset and not self.is_shut:
                raise BlockingIOError
        count = super().send(part)
        self.taken += part[:count]
        return count


class Network(Kernel):
    """A kernel that reports in any order, late, and lets in whenever it likes."""

    def __init__(self, dice: Random) -> None:
        super().__init__()
        self._dice = dice
        self.is_calm = False
        """True when everybody who is ready is reported at once."""

    def accept(self, most: int) -> list[Event]:
        """Some of those who wait to be let in."""
        events = super().accept(most if self.is_calm else self._dice.randint(0, most))
        assert all(isinstance(event, Accepted) for event in events)
        return events

    def process_readable_clients(self, limits: Limits) -> list[Event]:
        """Some of those who are ready, in some order."""
        wires = list(self._wires.values())
        if not self.is_calm:
            wires = [
                connection
                for connection in wires
                if self._dice.random() < SEEN or _is_awaited(connection)
            ]
            self._dice.shuffle(wires)
            wires.sort(key=_is_awaited, reverse=True)
        ready = [(connection, mask) for connection in wires if (mask := connection.readiness())][
            : limits.max_reads_per_tick
        ]
        return [
            event
            for connection, mask in ready
            for event in self._process(connection, mask, limits.max_read_len)
        ]


def _is_awaited(connection: Wire) -> bool:
    """True for a wire that takes everything and is to be sent more: that is seen at once, and
    before all others.
    """
    return (
        isinstance(connection, Line)
        and connection.mood.is_prompt
        and bool(connection.interest & Interest.WRITE)
    )


SEEN = 0.8
"""How likely one that is ready is seen to be in a tick."""
