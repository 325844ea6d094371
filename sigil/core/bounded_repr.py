"""The repr of a value, of bounded length: what a record shows of itself.

Theory: a look at a record shows everything. That is too much where everything is the messages of an
hour: whoever types `server.state` wants to see what it is like.

Rules: a value that is small is shown as it always was; of a large one, as much as fits. A record is
what names its fields in `__match_args__`: a value class, a named tuple. Nothing depends on where an
object lies, or on how it is hashed: a view is shown as its bytes, a set in order. A field that
holds a password (`HIDDEN`) is not shown. It does not know what any record means.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from importlib import import_module
from typing import Any, Final

MAX_REPR_LEN: Final = 4_000
"""About how many characters a repr has at most."""
HIDDEN: Final = frozenset(("userinfo",))
"""Names of fields that are not shown: user and password of a URL."""
SORTED_MAX: Final = 1_000
"""As many items that cannot be compared are sorted by how they are shown."""
MAX_TEXT_LEN: Final = 200
"""How many characters or bytes of one text are shown."""


def bounded_repr(value: object) -> str:
    """The repr of a value, of no more than about `MAX_REPR_LEN` characters."""
    return _brief(value, 2 * MAX_REPR_LEN)


def html_repr(value: object) -> str | None:
    """The card that a notebook shows in the place of the repr; None for what has none.

    Cards come last in the order of reading, and nothing needs them: so they are found by name, and
    imported when somebody looks.
    """
    card: str | None = import_module("sigil.core.views.cards").card_of(value)
    return card


def _brief(value: Any, room: int) -> str:
    """The repr of a value in about as many characters as there is room for, or a few more; what is
    within another value gets half of its room.
    """
    room = room // 2
    if isinstance(value, str | bytes | bytearray):
        return _text(value)
    if isinstance(value, memoryview):
        return _view(value)
    if isinstance(value, Collection) and len(value) == 0:
        return repr(value)
    names = getattr(type(value), "__match_args__", None)
    if names is not None:
        fields = (f"{name}={_field(name, getattr(value, name), room)}" for name in names)
        return f"{type(value).__name__}({_join(_limited(fields, room), len(names))})"
    if isinstance(value, Mapping):
        items = (f"{_brief(key, room)}: {_brief(item, room)}" for key, item in value.items())
        return _around(value, "{", _join(_limited(items, room), len(value)), "}")
    if isinstance(value, Set):
        start, end = "{}" if isinstance(value, set | frozenset) else "[]"
        items = (_brief(item, room) for item in _in_order(value))
        return _around(value, start, _join(_limited(items, room), len(value)), end)
    if isinstance(value, Sequence):
        items = (_brief(item, room) for item in value)
        text = _join(_limited(items, room), len(value))
        if type(value) is tuple:
            return f"({text},)" if len(value) == 1 else f"({text})"
        return _around(value, "[", text, "]")
    text = repr(value)
    return text if len(text) <= MAX_TEXT_LEN else f"{text[:MAX_TEXT_LEN]}..."


def _field(name: str, value: object, room: int) -> str:
    """The repr of a field; of one that is hidden, whether there is anything."""
    return "'...'" if value and name in HIDDEN else _brief(value, room)


def _text(value: Any) -> str:
    """The repr of the beginning of a text or of bytes."""
    if len(value) <= MAX_TEXT_LEN:
        return repr(value)
    return f"{value[:MAX_TEXT_LEN]!r}... of {len(value)}"


def _view(view: memoryview) -> str:
    """A view as the bytes that it shows, and not as where these are."""
    try:
        shown = view.cast("B")[:MAX_TEXT_LEN] if view.c_contiguous else view.tobytes()
        more = "" if view.nbytes <= MAX_TEXT_LEN else f"... of {view.nbytes}"
        return f"memoryview({bytes(shown[:MAX_TEXT_LEN])!r}{more})"
    except ValueError:  # it was released, and shows nothing
        return "<released memoryview>"


def _in_order(items: Set[Any]) -> Iterable[Any]:
    """The items of a set in an order that is the same in every process; of a large one whose items
    have none, as they come.
    """
    try:
        return sorted(items)
    except TypeError:
        return items if len(items) > SORTED_MAX else sorted(items, key=bounded_repr)


def _around(value: object, start: str, text: str, end: str) -> str:
    """The items of a collection, as its type is written."""
    name = type(value).__name__
    if name in ("dict", "list", "set"):
        return f"{start}{text}{end}"
    # a vector of pyrsistent is a PVector, or a PythonPVector where that is not compiled
    return f"{name.lower().removeprefix('python')}({start}{text}{end})"


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
