"""An unreliable network: the wires and the kernel of `sigil.testing`, with all that a real one may
do.

Theory: an operating system guarantees less than it usually does: a write may take half of its data,
a read may return one byte, a ready socket may be reported later, and in any order. What holds under
the worst behaviour, drawn at random, holds under the usual one.

Rules: all randomness comes from the generator that is passed in. A wire carries bytes in order, and
loses none but by a reset. It does not know what the bytes mean.
"""

import errno
from random import Random
from typing import NamedTuple

from ...core.conn import Peer
from ...core.effects import Interest
from ...core.events import DescriptorsExhausted, Event, Segment
from ...core.limits import Limits
from ..kernel import Admitted, Kernel, Wire


class Behaviour(NamedTuple):
    """How one wire behaves: its window in bytes (None: all is read at once), and the probabilities
    that a write or a read is cut short.
    """

    window_len: int | None = None
    cut_writes: float = 0.0
    cut_reads: float = 0.0

    @property
    def is_reliable(self) -> bool:
        """True if it takes all data at once."""
        return self.window_len is None and not self.cut_writes


class UnreliableWire(Wire):
    """A wire that behaves as its `behaviour` says."""

    __slots__ = ("behaviour", "rng")

    def __init__(self, peer: Peer, rng: Random, behaviour: Behaviour) -> None:
        super().__init__(peer, behaviour.window_len, None)
        self.rng = rng
        self.behaviour = behaviour

    def become_reliable(self) -> None:
        """Take all data at once from now on, and read what is buffered."""
        self.behaviour = Behaviour()
        self.window_len = None
        self.read(len(self.unread))

    def read(self, count: int) -> None:
        """The client reads up to so many bytes."""
        self.take(count)

    def recv(self, max_count: int) -> bytes:
        """Bytes that the server reads, perhaps fewer than there are."""
        if self.behaviour.cut_reads and self.rng.random() < self.behaviour.cut_reads:
            max_count = self.rng.randint(1, max_count)
        return super().recv(max_count)

    def send(self, data: Segment) -> int:
        """How many of the bytes that the server writes are taken, perhaps fewer than fit."""
        part = data
        if (
            self.behaviour.cut_writes
            and len(data)
            and self.rng.random() < self.behaviour.cut_writes
        ):
            part = data[: self.rng.randrange(len(data))]
            if not len(part) and not self.has_reset and not self.is_shut:
                raise BlockingIOError
        return super().send(part)


class RecordedWire(UnreliableWire):
    """A wire that keeps all bytes that were ever taken from the server."""

    __slots__ = ("taken",)

    def __init__(self, peer: Peer, rng: Random, behaviour: Behaviour) -> None:
        super().__init__(peer, rng, behaviour)
        self.taken = bytearray()

    def send(self, data: Segment) -> int:
        """How many of the bytes that the server writes are taken; these are kept."""
        count = super().send(data)
        self.taken += data[:count]
        return count


class UnreliableKernel(Kernel):
    """A kernel that reports readiness and new connections late and in any order."""

    def __init__(self, rng: Random) -> None:
        super().__init__()
        self._rng = rng
        self.is_reliable = False
        """All that is ready is reported at once."""
        self.hidden_rate = HIDDEN_RATE
        self.exhausted_rate = 0.0
        """The probability that a newcomer cannot be accepted, for want of something."""
        self.exhausted_count = 0
        self.descriptors: int | None = None
        """How many connections can be open at once, however reliable this is; None: any number."""

    def accept(self, max_count: int, admitted: Admitted = list) -> list[Event]:
        """The events of some of the new connections, perhaps with one that cannot be accepted."""
        if self.descriptors is not None:
            return self._accept_few(max_count, self.descriptors, admitted)
        if self.is_reliable or not (self._backlog and max_count):
            return super().accept(max_count, admitted)
        events = super().accept(max_count - self._rng.randint(0, max_count), admitted)
        if self._backlog and self.exhausted_rate and self._rng.random() < self.exhausted_rate:
            self.exhausted_count += 1
            events.append(DescriptorsExhausted(self._rng.choice(OUT_OF_RESOURCES)))
        return events

    def _accept_few(self, max_count: int, descriptors: int, admitted: Admitted) -> list[Event]:
        """The events of those new connections for which there is a descriptor, and that there is
        none for the next one.
        """
        used = len(self._accepted) + sum(not wire.is_closed for wire in self._wires.values())
        room = max(0, descriptors - used)
        events = super().accept(min(max_count, room), admitted)
        if self._backlog and max_count > room:
            self.exhausted_count += 1
            events.append(DescriptorsExhausted(errno.EMFILE))
        return events

    def process_readable_clients(self, limits: Limits) -> list[Event]:
        """The events of some of the ready connections, in some order."""
        ready, rng, hidden = self._ready(), self._rng, []
        if not self.is_reliable:
            rate = self.hidden_rate
            drawn = [(wire, _is_urgent(wire) or rng.random() >= rate) for wire in ready]
            hidden = [wire for wire, is_reported in drawn if not is_reported]
            ready = [wire for wire, is_reported in drawn if is_reported]
            rng.shuffle(ready)
            ready.sort(key=_is_urgent, reverse=True)
        events = self._process_all(ready, limits)
        self.unread |= {wire.conn for wire in hidden if wire.conn is not None}
        return events


def _is_urgent(wire: Wire) -> bool:
    """True for a reliable wire that the server waits to write to; it is reported at once, and
    first.
    """
    return (
        isinstance(wire, UnreliableWire)
        and wire.behaviour.is_reliable
        and bool(wire.interest & Interest.WRITE)
    )


OUT_OF_RESOURCES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
"""What accepting fails with, where a connection waits."""

HIDDEN_RATE = 0.2
"""The probability that a ready connection is not reported in a tick."""
