"""Values as plain structures, and back: what a recording is written of.

Theory: a record is a tree of records, collections, texts and numbers. A plain structure says the
same with numbers, texts, bytes and tuples alone, which any format can hold: whatever is no such
scalar is a tuple that begins with a tag. What is shared stays so: a record that was written before
is a reference to it.

Rules: `restore(flatten(value)) == value`, for everything that `Server` and the events are made of.
What is not known is the program's own, and becomes a `Placeholder`; only what is in the tables of
`registry` is ever made. Views are written as the bytes they show. What cannot be restored is a
`PlainError` with a sentence. It does not know files.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from pyrsistent import PMap, PSet, PVector, pmap, pset, pvector

from .placeholder import placeholder
from .registry import ENUM_NUMBERS, ENUMS, FORMS, NUMBERS, as_known
from .turn import Plain

TUPLE: Final = 0
RECORD: Final = 1
ENUM: Final = 2
FROZENSET: Final = 3
PSET: Final = 4
PMAP: Final = 5
PVECTOR: Final = 6
LIST: Final = 7
DICT: Final = 8
SAME: Final = 9
"""The record, or the bytes, with this number, of those that stand in this structure, from 0."""
SHARED_BYTES_MIN: Final = 2
"""What is shorter is the same object wherever it stands."""
LENGTH_RATIO: Final = 16
"""A structure is refused in which a record, or a reference, is more than so many records in the
mean: each may stand in the next one twice, and forty of them be a million millions, which whoever
hashes or compares them goes through.
"""
LEAST_LENGTH: Final = 1_000
"""So many records are always allowed."""
BIG_INT: Final = 10
"""A number beyond 64 bits, in hexadecimal digits."""
_COLLECTIONS: Final = (FROZENSET, PSET, PMAP, PVECTOR, LIST, DICT)
LEAST_INT: Final = -(2**63)
GREATEST_INT: Final = 2**64 - 1

Tables: TypeAlias = Mapping[str, Sequence[Sequence[str]]]
"""The records and the enumerations of a recording by their numbers: each its name, and then the
names of its fields.
"""
Masks: TypeAlias = Mapping[type, Callable[[Any], Any]]
"""What makes another record of a record of some classes before it is written."""
NO_MASKS: Final[Masks] = MappingProxyType({})


Hide: TypeAlias = Callable[[bytes], bytes]
"""What is written in the place of bytes, as long as they are."""


class PlainError(ValueError):
    """A plain structure that is not one of a value that is known here."""


def tables() -> dict[str, list[list[str]]]:
    """The tables of this version of sigil."""
    return {
        "records": [[form.name, *form.fields] for form in FORMS],
        "enums": [[enum.__name__] for enum in ENUMS],
    }


# -- values to plain structures --------------------------------------------------------------------


class Flattener:
    """Makes plain structures, in which each record stands once."""

    def __init__(self, masks: Masks = NO_MASKS, hide: Hide | None = None) -> None:
        self._seen: dict[int, int] = {}
        self._kept: list[Any] = []
        """What was seen, so that no other object comes to have its identity."""
        self._masks, self._hide = masks, hide

    def plain(self, value: Any) -> Plain:
        """The plain structure of a value."""
        kind = type(value)
        if value is None or kind is str or kind is float or kind is bool:
            return value  # type: ignore[no-any-return]  # it is one of these
        if kind is bytes:
            return self._bytes(value)
        if kind is int:
            return _plain_int(value)
        if kind is tuple:
            return (TUPLE, *self._all(value))
        number = NUMBERS.get(kind)
        if number is not None:
            return self._record(value, number)
        enum = ENUM_NUMBERS.get(kind)
        if enum is not None:
            return (ENUM, enum, int(value))
        return self._collection(value)

    def _bytes(self, value: bytes) -> Plain:
        """Bytes, or a reference to them: a message that needs no encoding is its plain frame."""
        shown = value
        if self._hide is not None:
            shown = self._hide(value)
        if len(value) < SHARED_BYTES_MIN:
            return shown
        seen = self._seen.get(id(value))
        if seen is not None:
            return (SAME, seen)
        self._remember(value)
        return shown

    def _remember(self, value: Any) -> None:
        """Let what comes later refer to this."""
        self._seen[id(value)] = len(self._seen)
        self._kept.append(value)

    def _all(self, values: Any) -> list[Plain]:
        """The plain structures of values, in order."""
        return [self.plain(value) for value in values]

    def _record(self, value: Any, number: int) -> Plain:
        """The plain structure of a record, or a reference to it."""
        seen = self._seen.get(id(value))
        if seen is not None:
            return (SAME, seen)
        mask = self._masks.get(type(value))
        masked = value if mask is None else mask(value)
        self._kept.append(masked)
        plain = (RECORD, number, *self._all(FORMS[number].read(masked)))
        self._remember(value)
        return plain

    def _collection(self, value: Any) -> Plain:
        """The plain structure of what is neither a scalar nor a known record."""
        if isinstance(value, frozenset | set):
            return (FROZENSET, *self._all(value))
        if isinstance(value, PSet):
            return (PSET, *self._all(value))
        if isinstance(value, PMap):
            return (PMAP, *self._items(value))
        if isinstance(value, PVector):
            return (PVECTOR, *self._all(value))
        if isinstance(value, dict):
            return (DICT, *self._items(value))
        if isinstance(value, list):
            return (LIST, *self._all(value))
        if isinstance(value, memoryview | bytearray):
            return self.plain(bytes(value))
        return self._derived(value)

    def _derived(self, value: Any) -> Plain:
        """The plain structure of what is derived from a scalar, or else a placeholder."""
        if isinstance(value, str):
            return str.__str__(value)
        if isinstance(value, bytes):
            return self.plain(b"".join((value,)))
        if isinstance(value, int):
            return _plain_int(int.__int__(value))
        if isinstance(value, tuple):
            return (TUPLE, *self._all(value))
        return self.plain(placeholder(value))

    def _items(self, mapping: Mapping[Any, Any]) -> list[Plain]:
        """Keys and values by turns."""
        items: list[Plain] = []
        for key, value in mapping.items():
            items.append(self.plain(key))
            items.append(self.plain(value))
        return items


def _plain_int(value: int) -> Plain:
    """A number, or a text of it if it has more than 64 bits."""
    return value if LEAST_INT <= value <= GREATEST_INT else (BIG_INT, f"{value:x}")


def flatten(value: Any, masks: Masks = NO_MASKS, hide: Hide | None = None) -> Plain:
    """The plain structure of a value; the record of a class that is in `masks` is written as what
    that makes of it, and bytes as what `hide` makes of them.
    """
    return Flattener(masks, hide).plain(value)


# -- and back --------------------------------------------------------------------------------------

Maker: TypeAlias = Callable[[Sequence[Any]], Any]


def _by_position(make: Callable[..., Any]) -> Maker:
    """What makes a record of its fields in order."""
    return lambda values: make(*values)


def _by_name(make: Callable[..., Any], known: frozenset[str], names: Sequence[str]) -> Maker:
    """What makes a record of the fields of another version: those that are known here."""

    def make_by_name(values: Sequence[Any]) -> Any:
        pairs = zip(names, values, strict=True)
        return make(**{name: value for name, value in pairs if name in known})

    return make_by_name


def _unknown(name: str) -> Maker:
    """What refuses a record that is not known here."""

    def refuse(values: Sequence[Any]) -> Any:
        raise PlainError(f"the record {name!r} is not known to this version of sigil")

    return refuse


class Restorer:
    """Makes values of plain structures that were written with these tables."""

    def __init__(self, written: Tables | None = None) -> None:
        written = tables() if written is None else written
        self._makers = [_maker(name, names) for name, *names in written["records"]]
        by_name = {enum.__name__: enum for enum in ENUMS}
        self._enums = [by_name.get(row[0]) for row in written["enums"]]
        self._seen: list[Any] = []
        self._lengths: list[int] = []
        """For each that was seen, how many records it is by itself, and with those in it."""
        self._read = self._length = 0
        """How many records and references were read, and how many records that is: a reference
        counts as all that it refers to.
        """

    def restore(self, plain: Any) -> Any:
        """The value of a whole structure; `PlainError` if it is none."""
        self._seen, self._lengths = [], []
        self._read = self._length = 0
        try:
            return self._value(plain)
        except PlainError:
            raise
        except (TypeError, ValueError, LookupError, AttributeError, RecursionError) as error:
            raise PlainError(f"a value cannot be made: {error}") from error

    def _value(self, plain: Any) -> Any:
        """The value of a structure."""
        if not isinstance(plain, tuple):
            if isinstance(plain, bytes) and len(plain) >= SHARED_BYTES_MIN:
                self._seen.append(plain)
                self._lengths.append(0)
            return plain
        tag = plain[0]
        if tag == TUPLE:
            return tuple([self._value(item) for item in plain[1:]])
        if tag == RECORD:
            return self._record(plain)
        if tag == SAME:
            return self._same(plain[1])
        if tag == ENUM:
            return self._enum(plain[1], plain[2])
        return self._collection(tag, plain[1:])

    def _record(self, plain: Sequence[Any]) -> Any:
        """The record of a structure, which is seen from now on."""
        before = self._length
        values = [self._value(item) for item in plain[2:]]
        record = as_known(self._makers[_index(plain[1], self._makers)](values))
        self._read += 1
        self._length += 1
        self._seen.append(record)
        self._lengths.append(self._length - before)
        return record

    def _same(self, number: int) -> Any:
        """What was seen with this number; `PlainError` if there is too much of it by now."""
        found = self._seen[_index(number, self._seen)]
        self._read += 1
        self._length += self._lengths[number]
        if self._length > LEAST_LENGTH + LENGTH_RATIO * self._read:
            raise PlainError("records stand in each other so often that nobody has made them")
        return found

    def _enum(self, number: int, value: int) -> Any:
        """A member of an enumeration."""
        enum = self._enums[_index(number, self._enums)]
        if enum is None:
            raise PlainError("an enumeration is not known to this version of sigil")
        return enum(value)

    def _collection(self, tag: int, plain: Sequence[Any]) -> Any:
        """A collection of the kind that the tag says."""
        if tag == BIG_INT:
            return int(plain[0], 16)
        if tag not in _COLLECTIONS:
            raise PlainError(f"the tag {tag!r} is not known to this version of sigil")
        items = [self._value(item) for item in plain]
        if tag == FROZENSET:
            return frozenset(items)
        if tag == PSET:
            return pset(items)
        if tag == PVECTOR:
            return pvector(items)
        if tag == LIST:
            return items
        pairs = dict(zip(items[::2], items[1::2], strict=True))
        return pmap(pairs) if tag == PMAP else pairs


def _index(number: Any, table: Sequence[Any]) -> int:
    """A number in a table; `PlainError` for one that is not there."""
    if type(number) is not int or not 0 <= number < len(table):
        raise PlainError(f"there is no number {number!r} in a table of {len(table)}")
    return number


def _maker(name: str, names: Sequence[str]) -> Maker:
    """What makes a record of this name with these fields."""
    for form in FORMS:
        if form.name == name:
            if form.fields == tuple(names):
                return _by_position(form.make)
            return _by_name(form.make, frozenset(form.fields), names)
    return _unknown(name)


def restore(plain: Plain, written: Tables | None = None) -> Any:
    """The value of a plain structure, that was written with these tables; those of this version of
    sigil if there are none. `PlainError` if it is not one of a value.
    """
    return Restorer(written).restore(plain)
