"""Events as flat tuples of plain fields, and back: `read_event(event_fields(event)) == event`.

Theory: `kinds` says what each kind of event is written as; here is the one function that writes
them all, and the one that reads them.

Rules: an event that a newer version of sigil knows, and this one does not, is a `PlainError` that
names it; fields that this version does not know are passed over, and those that an older one had
not are what the constructor makes of nothing. It does not know how tuples are packed.
"""

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final, NamedTuple

from ..conn import Conn, Ticket
from ..events import Event
from .kinds import KINDS, Column, Kind
from .plain import PlainError, Restorer
from .turn import Plain

OWNER_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "": (),
    "conn": ("conn.slot", "conn.generation"),
    "ticket": ("ticket.conn.slot", "ticket.conn.generation", "ticket.number"),
}
"""What is written of whose an event is."""


class Writing(NamedTuple):
    """How a kind is written: its number, what reads all fields, and at which places what makes
    a plain value of one.
    """

    number: int
    read: Callable[[Any], Any]
    is_single: bool
    converters: tuple[tuple[int, Callable[[Any], Plain]], ...]


def field_names(kind: Kind) -> tuple[str, ...]:
    """The fields of a kind, in the order in which they are written behind its number."""
    return (*OWNER_FIELDS[kind.owner], *[column.name for column in kind.columns])


def _writing(kind: Kind) -> Writing:
    """How a kind is written."""
    names = field_names(kind)
    first = len(OWNER_FIELDS[kind.owner])
    converters = tuple(
        [
            (first + index, column.write)
            for index, column in enumerate(kind.columns)
            if column.write is not None
        ]
    )
    return Writing(kind.number, attrgetter(*names), len(names) == 1, converters)


_WRITING: Final[Mapping[type, Writing]] = {kind.event: _writing(kind) for kind in KINDS}
_READING: Final[Mapping[int, Kind]] = {kind.number: kind for kind in KINDS}


def event_fields(event: Event) -> tuple[Plain, ...]:
    """An event as a kind and its fields: `(7, 0, 3)` for `HalfClosed(Conn(0, 3))`."""
    return events_fields((event,))[0]


def events_fields(events: Sequence[Event]) -> list[tuple[Plain, ...]]:
    """The events of a turn, each as a flat tuple."""
    rows: list[tuple[Plain, ...]] = []
    for event in events:
        number, read, is_single, converters = _WRITING[type(event)]
        fields = read(event)
        if is_single:
            fields = (fields,)
        if converters:
            fields = list(fields)
            for place, convert in converters:
                fields[place] = convert(fields[place])
        rows.append((number, *fields))
    return rows


# -- and back --------------------------------------------------------------------------------------


def _owner(kind: Kind, fields: Sequence[Any]) -> tuple[Any, ...]:
    """What an event begins with: the connection or the request that it is about, or nothing."""
    if kind.owner == "conn":
        return (Conn(fields[0], fields[1]),)
    if kind.owner == "ticket":
        return (Ticket(Conn(fields[0], fields[1]), fields[2]),)
    return ()


def _field(column: Column, value: Any, restorer: Restorer) -> Any:
    """A field of an event."""
    return value if column.read is None else column.read(value, restorer)


def read_event(fields: Sequence[Any], restorer: Restorer) -> Event:
    """The event of a flat tuple; `PlainError` for what is none."""
    number = fields[0] if fields else None
    kind = _READING.get(number) if isinstance(number, int) else None
    if kind is None:
        raise PlainError(f"the kind of event {number!r} is not known to this version of sigil")
    first = len(OWNER_FIELDS[kind.owner])
    given = fields[1 + first :]
    try:
        values = [
            _field(column, value, restorer)
            for column, value in zip(kind.columns, given, strict=False)
        ]
        event: Event = kind.event(*_owner(kind, fields[1:]), *values)
    except (TypeError, ValueError, LookupError, AttributeError) as error:
        raise PlainError(f"a {kind.event.__name__} cannot be made: {error}") from error
    return event
