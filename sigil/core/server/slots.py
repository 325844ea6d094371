"""The slot table: which small integer is which connection.

Theory: a slot is an index into one persistent vector, so finding a client is one read, and old
tables stay intact. A free slot holds the index of the next free one: the free list costs nothing
and needs no second record.

Rules: an entry is a client or an index, never both; every slot is in use or on the free list,
exactly once. The slot freed last is used first. Many writes at once go through a `Draft`, which is
private to one call and ends in a new table. No other file knows pyrsistent's vector.
"""

from collections.abc import Iterator
from typing import Final, final

from pyrsistent import PVector, pvector

from ..conn import Conn
from ..connection.client import Client
from ..value import Value

NO_SLOT: Final = -1


@final
class Slots(Value):
    """All slots; `free` is the first free one or `NO_SLOT`; `used` counts those in use."""

    __match_args__ = ("entries", "free", "used")
    __slots__ = __match_args__

    def __init__(self, entries: PVector[Client | int], free: int, used: int) -> None:
        self.entries: Final = entries
        self.free: Final = free
        self.used: Final = used


EMPTY: Final = Slots(pvector(), NO_SLOT, 0)


def clients_of(slots: Slots) -> Iterator[Client]:
    """The clients in the table, by slot."""
    return (entry for entry in slots.entries if isinstance(entry, Client))


def find_client(slots: Slots, conn: Conn) -> Client | None:
    """The client of connection `conn`, or None if that connection is gone."""
    entry = slots.entries[conn.slot] if 0 <= conn.slot < len(slots.entries) else None
    return entry if isinstance(entry, Client) and entry.conn == conn else None


def free_slots(slots: Slots) -> list[int]:
    """The slots on the free list, the next one to be used first."""
    found, slot = [], slots.free
    while slot != NO_SLOT:
        found.append(slot)
        entry = slots.entries[slot]
        assert isinstance(entry, int)
        slot = entry
    return found


class Draft:
    """A table being rewritten: reads see earlier writes; `finish` returns the new table, and the
    old one is unchanged.
    """

    __slots__ = ("_free", "_length", "_used", "entries")

    def __init__(self, slots: Slots) -> None:
        self._free, self._used = slots.free, slots.used
        self.entries = slots.entries.evolver()
        self._length = len(slots.entries)

    def find_client(self, conn: Conn) -> Client | None:
        """The client of connection `conn` as it is now, or None if that connection is gone."""
        slot = conn.slot
        entry = self.entries[slot] if 0 <= slot < self._length else None
        return entry if type(entry) is Client and entry.conn == conn else None

    def clients(self) -> Iterator[Client]:
        """The clients in the table, by slot, each as it is when it is asked for."""
        return (
            entry
            for entry in map(self.entries.__getitem__, range(self._length))
            if isinstance(entry, Client)
        )

    @property
    def slot_count(self) -> int:
        """Slots, free ones included."""
        return self._length

    def clients_from(self, start: int, count: int) -> Iterator[Client]:
        """The clients in `count` slots from this one on, behind the last slot from the first."""
        length = self._length
        slots = (slot % length for slot in range(start, start + count))
        return (entry for entry in map(self.entries.__getitem__, slots) if type(entry) is Client)

    def next_slot(self) -> int:
        """The slot that the next client will get."""
        return self._length if self._free == NO_SLOT else self._free

    def add(self, client: Client) -> None:
        """Put a new client into the slot of its `conn`, which must be `next_slot()`."""
        slot = client.conn.slot
        if slot == self._length:
            self.entries.append(client)
            self._length += 1
        else:
            following = self.entries[slot]
            assert isinstance(following, int)
            self._free = following
            self.entries[slot] = client
        self._used += 1

    def put(self, client: Client) -> None:
        """Replace a client by a later version of itself."""
        self.entries[client.conn.slot] = client

    def remove(self, client: Client) -> None:
        """Free the slot of a client that has disconnected."""
        self.entries[client.conn.slot] = self._free
        self._free = client.conn.slot
        self._used -= 1

    @property
    def used(self) -> int:
        """Slots in use."""
        return self._used

    def finish(self) -> Slots:
        """The table as it is now."""
        return Slots(self.entries.persistent(), self._free, self._used)
