"""Converters: what a parameter of a path has to look like, and the value that is made of it.

Theory: `:id<int>` is for segments that are numbers, and no others: a segment that its converter
refuses is as if the route were not there, so that another one may match, or none, which is a 404.
A converter is any function of a text that raises ValueError for one that it refuses: `int`, an
enumeration, `date.fromisoformat`.

Rules: what the built-in ones take is a subset of what Python's types take, in ASCII: no spaces, no
underscores, no plus sign, no infinity. Converters are tried in a fixed order (`rank`), whatever the
order in which routes are added: a program's own in the order in which it names them, then the
built-in ones, then what takes any segment. It does not know where in a path a segment stands.
"""

import re
from collections.abc import Callable, Mapping
from math import isinf
from typing import Any, Final, TypeAlias, final

from ..value import Value

Convert: TypeAlias = Callable[[str], Any]
"""Makes a value of a decoded segment, or raises ValueError."""

_INT: Final = re.compile(r"-?[0-9]+")
_FLOAT: Final = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_UUID: Final = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


@final
class Converter(Value):
    """A converter: its name in patterns, the function (None takes the segment as it is), and its
    place among others in the order in which they are tried, the lowest first.
    """

    __match_args__ = ("name", "convert", "rank")
    __slots__ = __match_args__

    def __init__(self, name: str, convert: Convert | None, rank: int) -> None:
        self.name: Final = name
        self.convert: Final = convert
        self.rank: Final = rank


def to_int(text: str) -> int:
    """The whole number that these digits are, with a minus sign or without."""
    if _INT.fullmatch(text) is None:
        raise ValueError(f"{text!r} is not a whole number")
    return int(text)


def to_float(text: str) -> float:
    """The number that this decimal is."""
    number = float(text) if _FLOAT.fullmatch(text) is not None else float("inf")
    if isinf(number):
        raise ValueError(f"{text!r} is not a number")
    return number


def to_uuid(text: str) -> Any:
    """The `uuid.UUID` written with hyphens in 36 characters (RFC 9562 section 4)."""
    from uuid import UUID  # which takes others' time to import: few need it

    if _UUID.fullmatch(text) is None:
        raise ValueError(f"{text!r} is not a UUID")
    return UUID(text)


TEXT: Final = Converter("str", None, 1_000)
"""What takes any segment but an empty one, and is tried last."""

BUILT_IN: Final = {
    "int": Converter("int", to_int, 997),
    "uuid": Converter("uuid", to_uuid, 998),
    "float": Converter("float", to_float, 999),
    "str": TEXT,
}
"""The converters that every program has."""

_OWN_MAX: Final = 900
"""So many converters a program may have: they are tried before the built-in ones."""


def is_own(converter: Converter) -> bool:
    """True for a converter of a program, of which nobody knows whether it always does the same."""
    return converter.rank < _OWN_MAX


def with_own(own: Mapping[Any, Any]) -> Mapping[str, Converter]:
    """The built-in converters and a program's own, which may hide them; TypeError or ValueError for
    what cannot be one.
    """
    if len(own) > _OWN_MAX:
        raise ValueError(f"there are more than {_OWN_MAX} converters")
    converters = dict(BUILT_IN)
    for rank, (name, convert) in enumerate(own.items()):
        if not isinstance(name, str) or not name.isidentifier():
            raise ValueError(f"the name of a converter is an identifier, not {name!r}")
        if not callable(convert):
            kind = type(convert).__name__
            raise TypeError(f"the converter {name} is a function of a str, not {kind}")
        converters[name] = Converter(name, convert, rank)
    return converters
