"""What records show of themselves: a repr that is bounded, and the docs of their fields on hover.

Theory: the records of the core are named tuples, so that a look shows everything. That is too much
where everything is the messages of an hour: whoever types `server.state` wants to see what it is
like. And what is written below a field is what a notebook should show when one asks for it, which
Python keeps for no field of a named tuple.

Rules: a value that is small is shown as it always was; of a large one, as much as fits. Nothing is
changed but what is shown. It does not know what any record means.
"""

import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from typing import Any, NamedTuple

MAX_REPR_LEN = 4_000
"""About how many characters a repr has at most."""
MAX_TEXT_LEN = 200
"""How many characters or bytes of one text are shown."""

_FIELD = re.compile(r'^    (\w+): [^\n]*\n    """(.*?)"""', re.MULTILINE | re.DOTALL)
"""A field of a class with the docs below it."""


def bound_reprs(package: str) -> None:
    """Give a bounded repr to all named tuples of a package, as far as its modules are imported; but
    not to those that have one of their own.
    """
    for record in _records_of(package):
        if record.__repr__.__code__.co_filename == _Plain.__repr__.__code__.co_filename:
            record.__repr__ = bounded_repr


def document_fields(*records: Any) -> None:
    """Set what is written below each field of these named tuples as its docs, for `help` and for
    hovering; nothing where there is no source.
    """
    for record in records:
        loader = getattr(sys.modules[record.__module__], "__loader__", None)
        get_source = getattr(loader, "get_source", lambda name: None)
        _, _, source = (get_source(record.__module__) or "").partition(
            f"\nclass {record.__name__}("
        )
        for name, text in _FIELD.findall(source.partition("\nclass ")[0]):
            if name in record._fields:
                getattr(record, name).__doc__ = " ".join(text.split())


class _Plain(NamedTuple):
    """A named tuple with the repr that they all have."""

    field: None = None


def _records_of(package: str) -> Iterator[Any]:
    """The named tuples that are defined in a package."""
    for name, module in sorted(sys.modules.items()):
        if name.startswith(f"{package}."):
            yield from (
                value
                for value in tuple(vars(module).values())
                if _is_record_type(value) and value.__module__ == name
            )


def _is_record_type(value: object) -> bool:
    """True for the class of a named tuple."""
    return isinstance(value, type) and issubclass(value, tuple) and hasattr(value, "_fields")


# -- reprs -----------------------------------------------------------------------------------------


def bounded_repr(value: object) -> str:
    """The repr of a value, of no more than about `MAX_REPR_LEN` characters."""
    return _brief(value, 2 * MAX_REPR_LEN)


def _brief(value: Any, room: int) -> str:
    """The repr of a value in about as many characters as there is room for, or a few more; what is
    within another value gets half of its room.
    """
    room = room // 2
    if isinstance(value, str | bytes | bytearray):
        return _text(value)
    if isinstance(value, Collection) and len(value) == 0:
        return repr(value)
    if isinstance(value, memoryview):
        return f"<memoryview of {value.nbytes} bytes>"
    if isinstance(value, tuple) and _is_record_type(type(value)):
        record: Any = type(value)
        pairs = zip(record._fields, value, strict=True)
        fields = (f"{name}={_brief(item, room)}" for name, item in pairs)
        return f"{record.__name__}({_join(_limited(fields, room), len(value))})"
    if isinstance(value, Mapping):
        items = (f"{_brief(key, room)}: {_brief(item, room)}" for key, item in value.items())
        return _around(value, "{", _join(_limited(items, room), len(value)), "}")
    if isinstance(value, Set):
        start, end = "{}" if isinstance(value, set | frozenset) else "[]"
        items = (_brief(item, room) for item in value)
        return _around(value, start, _join(_limited(items, room), len(value)), end)
    if isinstance(value, Sequence):
        items = (_brief(item, room) for item in value)
        text = _join(_limited(items, room), len(value))
        if type(value) is tuple:
            return f"({text},)" if len(value) == 1 else f"({text})"
        return _around(value, "[", text, "]")
    text = repr(value)
    return text if len(text) <= MAX_TEXT_LEN else f"{text[:MAX_TEXT_LEN]}..."


def _text(value: Any) -> str:
    """The repr of the beginning of a text or of bytes."""
    if len(value) <= MAX_TEXT_LEN:
        return repr(value)
    return f"{value[:MAX_TEXT_LEN]!r}... of {len(value)}"


def _around(value: object, start: str, text: str, end: str) -> str:
    """The items of a collection, as its type is written."""
    name = type(value).__name__
    if name in ("dict", "list", "set"):
        return f"{start}{text}{end}"
    return f"{name.lower()}({start}{text}{end})"


def _limited(texts: Iterable[str], room: int) -> Iterator[str]:
    """As many of these texts as there is room for."""
    for text in texts:
        yield text
        room -= len(text) + 2
        if room <= 0:
            return


def _join(texts: Iterable[str], count: int) -> str:
    """The texts of `count` items, and a sign if there are more of these."""
    shown = list(texts)
    if len(shown) < count:
        shown.append(f"... {count} in all")
    return ", ".join(shown)
