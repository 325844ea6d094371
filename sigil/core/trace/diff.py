"""What changed between two states of a server, named by field.

Theory: a state is a tree of records, and what a turn left alone is the very same object in both. So
two states are compared from the top, what is identical is passed over, and what is left is where
they differ, each with its path: `clients[3].outgoing.outbox[0:2]`.

Rules: no changes means equal states, and equal states have none. A client is named by the
generation of its connection, which no other has, not by its slot; a message on the ring by its
number. A path ends at what is one thing to people: a connection, a limit, bytes, a member of a set.
How many changes are listed is bounded, and so is what each shows of its values. It does not know
what the fields mean.
"""

from collections.abc import Mapping, Sequence, Set
from typing import Any, Final, final

from ..bounded_repr import bounded_repr
from ..broadcast.entry import Published, Subscription
from ..broadcast.ring import Ring, walk
from ..conn import Conn, Peer, Ticket
from ..connection.client import Client
from ..http.head import Head
from ..http.headers import Headers
from ..http.request import Request
from ..http.response import Response
from ..server.slots import Slots, clients_of
from ..value import Value

MAX_CHANGES: Final = 500
"""Changes that are listed: more than a turn brings about, and as many as somebody reads."""
SHOWN_MAX: Final = 160
"""Characters of a value that a change shows."""
MORE: Final = "..."
"""The path of the last change, if there are more than are listed."""

ATOMS: Final = frozenset(
    (Conn, Peer, Ticket, Subscription, Published, Head, Headers, Request, Response)
)
"""Records that are one thing to people, and not looked into."""


@final
class Change(Value):
    """A field that differs: where it is, and its value in each state; None if there it is not."""

    __match_args__ = ("path", "before", "after")
    __slots__ = __match_args__

    def __init__(self, path: str, before: object, after: object) -> None:
        self.path: Final = path
        self.before: Final = before
        self.after: Final = after

    def __repr__(self) -> str:
        return f"{self.path}: {brief(self.before)} -> {brief(self.after)}"


def brief(value: object) -> str:
    """The repr of a value in one line, of bounded length."""
    text = bounded_repr(value)
    return text if len(text) <= SHOWN_MAX else f"{text[: SHOWN_MAX - 3]}..."


def diff(before: Value, after: Value, max_changes: int = MAX_CHANGES) -> tuple[Change, ...]:
    """What differs between two records, such as states of a server; if that is more than
    `max_changes`, the last one says how much more.
    """
    found = Findings(max_changes)
    found.compare("", before, after)
    if found.more:
        found.changes.append(Change(MORE, None, f"{found.more} more changes"))
    return tuple(found.changes)


class Findings:
    """The changes that were found, up to so many."""

    __slots__ = ("_max", "changes", "more")

    def __init__(self, max_changes: int) -> None:
        self._max: Final = max_changes
        self.changes: list[Change] = []
        self.more = 0

    def add(self, path: str, before: object, after: object) -> None:
        """Add a change, or count it."""
        if len(self.changes) < self._max:
            self.changes.append(Change(path or "it", before, after))
        else:
            self.more += 1

    def compare(self, path: str, before: Any, after: Any) -> None:
        """Add what differs between two values at this path."""
        if before is after:
            return
        kind = type(before)
        if kind is not type(after) and not _are_alike(before, after):
            if before != after:
                self.add(path, before, after)
        elif kind is Slots:
            self._compare_clients(path, before, after)
            self._compare_fields(path, before, after, ("free", "used"))
        elif kind is Ring:
            self._compare_rings(path, before, after)
        elif kind not in ATOMS and hasattr(kind, "__match_args__"):
            self._compare_fields(path, before, after, kind.__match_args__)
        elif isinstance(before, Mapping):
            self._compare_mappings(path, before, after)
        elif isinstance(before, Set):
            self._compare_sets(path, before, after)
        elif isinstance(before, Sequence) and not isinstance(before, str | bytes | memoryview):
            self._compare_sequences(path, before, after)
        elif before != after:
            self.add(path, before, after)

    def _compare_fields(self, path: str, before: Any, after: Any, names: tuple[str, ...]) -> None:
        """Compare these fields of two records of one type."""
        for name in names:
            self.compare(_field(path, name), getattr(before, name), getattr(after, name))

    def _compare_clients(self, path: str, before: Slots, after: Slots) -> None:
        """Compare the clients of two tables, each with itself, wherever it stands."""
        old = {client.conn.generation: client for client in clients_of(before)}
        new = {client.conn.generation: client for client in clients_of(after)}
        for generation in sorted({*old, *new}):
            self.compare(f"clients[{generation}]", old.get(generation), new.get(generation))
        if len(before.entries) != len(after.entries):
            self.add(_field(path, "count"), len(before.entries), len(after.entries))
        elif before != after and old == new and before.free == after.free:
            self.add(_field(path, "entries"), before.entries, after.entries)

    def _compare_rings(self, path: str, before: Ring, after: Ring) -> None:
        """Compare two rings: the messages by number, everything else by field."""
        names = tuple([name for name in Ring.__match_args__ if name != "pages"])
        self._compare_fields(path, before, after, names)
        old, new = _entries_of(before), _entries_of(after)
        gone = [number for number in old if number not in new]
        come = [number for number in new if number not in old]
        kept = [number for number in old if number in new]
        self._compare_runs(path, gone, old, True)
        self._compare_runs(path, come, new, False)
        for number in kept:
            self.compare(f"{path}[{number}]", old[number], new[number])
        if old == new:  # the same messages may lie on other pages
            self.compare(_field(path, "pages"), before.pages, after.pages)

    def _compare_runs(
        self, path: str, numbers: list[int], entries: dict[int, Published], is_gone: bool
    ) -> None:
        """Add a change for the messages of neighbouring numbers that only one of two rings has."""
        if not numbers:
            return
        run = tuple([entries[number] for number in numbers])
        where = f"{path}[{numbers[0]}:{numbers[-1] + 1}]"
        if is_gone:
            self.add(where, run, None)
        else:
            self.add(where, None, run)

    def _compare_mappings(self, path: str, before: Any, after: Any) -> None:
        """Compare two mappings by key."""
        for key in before:
            where = f"{path}[{_key(key)}]"
            if key in after:
                self.compare(where, before[key], after[key])
            else:
                self.add(where, before[key], None)
        for key in after:
            if key not in before:
                self.add(f"{path}[{_key(key)}]", None, after[key])

    def _compare_sets(self, path: str, before: Any, after: Any) -> None:
        """Add the members that only one of two sets has."""
        for member in before:
            if member not in after:
                self.add(f"{path}{{{_key(member)}}}", member, None)
        for member in after:
            if member not in before:
                self.add(f"{path}{{{_key(member)}}}", None, member)

    def _compare_sequences(self, path: str, before: Any, after: Any) -> None:
        """Compare two sequences item by item, or, if they are not equally long, between what both
        begin with and what both end with.
        """
        if len(before) == len(after):
            for index, item in enumerate(before):
                self.compare(f"{path}[{index}]", item, after[index])
            return
        shorter = min(len(before), len(after))
        start = 0
        while start < shorter and _is_same(before[start], after[start]):
            start += 1
        end = 0
        while end < shorter - start and _is_same(before[-1 - end], after[-1 - end]):
            end += 1
        old = tuple(before[start : len(before) - end])
        new = tuple(after[start : len(after) - end])
        self.add(f"{path}[{start}:{start + max(len(old), len(new))}]", old or None, new or None)


def _are_alike(before: object, after: object) -> bool:
    """True for two collections of different types that are compared by what is in them."""
    return any(isinstance(before, kind) and isinstance(after, kind) for kind in (Mapping, Set))


def _is_same(one: object, other: object) -> bool:
    """True for two equal values; seldom has to look into them."""
    return one is other or one == other


def _entries_of(ring: Ring) -> dict[int, Published]:
    """The messages on a ring, by number."""
    return dict(walk(ring, ring.tail_number, ring.head_number))


def _field(path: str, name: str) -> str:
    """The path of a field of the record at this path."""
    return f"{path}.{name}" if path else name


def _key(key: object) -> str:
    """A key or a member as it stands in a path."""
    if isinstance(key, Conn):
        return str(key.generation)
    if isinstance(key, Client):
        return str(key.conn.generation)
    return brief(key)
