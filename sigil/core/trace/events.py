"""Events as flat tuples of plain fields, and back: `read_event(event_fields(event)) == event`.

Theory: `kinds` says what each kind of event is written as; here is the one function that writes
them all, and the one that reads them.

Rules: an event that a newer version of sigil knows, and this one does not, is a `PlainError` that
names it; fields that this version does not know are passed over, and those that an older one had
not are what the constructor makes of nothing. It does not know how tuples are packed.
"""

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final, TypeAlias

from ..conn import Conn, Ticket
from ..events import Event, HandlerReturned, Received
from .kinds import KINDS, Column, Kind, plain_responses
from .plain import PlainError, Restorer
from .turn import Plain

OWNER_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "": (),
    "conn": ("conn.slot", "conn.generation"),
    "ticket": ("ticket.conn.slot", "ticket.conn.generation", "ticket.number"),
}
"""What is written of whose an event is."""


Row: TypeAlias = tuple[Plain, ...]
"""An event as it is written."""
Write: TypeAlias = Callable[[Any], Row]
"""Makes the row of an event of one kind."""


# -- kinds that are written out: a busy server has little else -------------------------------------
#
# They write what the table says, which a test compares, in half the time.


def _received(event: Received) -> Row:
    """What a client has sent."""
    conn = event.conn
    return (6, conn.slot, conn.generation, event.data)


def _handler_returned(event: HandlerReturned) -> Row:
    """What the handler has answered."""
    ticket = event.ticket
    conn = ticket.conn
    return (10, conn.slot, conn.generation, ticket.number, plain_responses(event.responses))


# -- and what writes all the others ----------------------------------------------------------------


def field_names(kind: Kind) -> tuple[str, ...]:
    """The fields of a kind, in the order in which they are written behind its number."""
    return (*OWNER_FIELDS[kind.owner], *[column.name for column in kind.columns])


def writer_of(kind: Kind) -> Write:
    """What writes the events of a kind, as the table says."""
    names, number = field_names(kind), kind.number
    first = len(OWNER_FIELDS[kind.owner])
    read: Callable[[Any], Any] = attrgetter(*names)  # a tuple, or the one field
    is_single = len(names) == 1
    converters = tuple(
        [
            (first + index, column.write)
            for index, column in enumerate(kind.columns)
            if column.write is not None
        ]
    )

    def write(event: Any) -> Row:
        read_fields = read(event)
        fields = [read_fields] if is_single else list(read_fields)
        for place, convert in converters:
            fields[place] = convert(fields[place])
        return (number, *fields)

    return write


_WRITERS: Final[Mapping[type, Write]] = {kind.event: writer_of(kind) for kind in KINDS}
_READING: Final[Mapping[int, Kind]] = {kind.number: kind for kind in KINDS}


def event_fields(event: Event) -> Row:
    """An event as a kind and its fields: `(7, 0, 3)` for `HalfClosed(Conn(0, 3))`."""
    return events_fields((event,))[0]


def events_fields(events: Sequence[Event]) -> list[Row]:
    """The events of a turn, each as a flat tuple."""
    rows: list[Row] = []
    for event in events:
        if isinstance(event, Received):
            rows.append(_received(event))
        elif isinstance(event, HandlerReturned):
            rows.append(_handler_returned(event))
        else:
            rows.append(_WRITERS[type(event)](event))
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
