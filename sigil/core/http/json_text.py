"""Values as JSON text (RFC 8259), and what to do about a value that has none.

Theory: what a handler answers with is often a number of numpy, a dataclass or a date, and JSON has
none of them. Which JSON is meant, only the program knows (a date as a text, or as seconds?), so
nothing is guessed: the error names the type, and a function that makes of it what has a JSON.

Rules: compact, in UTF-8 characters, and nothing that another parser would refuse: ValueError for
NaN and infinities. `default` is that of `json.dumps`: it is called with each object that has no
JSON, and returns another. It does not know who is sent the text.
"""

import json
from collections.abc import Callable, Set
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Final, NoReturn, TypeAlias

Default: TypeAlias = Callable[[Any], Any]

_ADVICE: Final[tuple[tuple[Any, str], ...]] = (
    ((date, time, timedelta, Decimal, complex), "str"),
    (Enum, "lambda member: member.value"),
    (Set, "list"),
    ((bytes, bytearray, memoryview), "lambda data: base64.b64encode(data).decode()"),
)
"""What makes a value that has JSON of objects of these types."""


def encode_json(value: Any, default: Default | None = None) -> str:
    """The JSON text of a value; TypeError with advice for what has none, ValueError for NaN and
    infinities.
    """
    if default is None:
        return _ENCODER.encode(value)
    if not callable(default):
        raise TypeError(
            f"default is a function of an object without JSON, not {type(default).__name__}; "
            "a status is given as status="
        )
    encoder = json.JSONEncoder(
        ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=default
    )
    return encoder.encode(value)


def _refuse(value: Any) -> NoReturn:
    """TypeError for an object that has no JSON, with advice."""
    kind = type(value).__name__
    raise TypeError(
        f"an object of type {kind} has no JSON: give default={_advice(value)}, or another function "
        "that makes of it what has one"
    )


def _advice(value: Any) -> str:
    """The source of a function for `default` that suits this object."""
    kind = type(value)
    if hasattr(kind, "__dataclass_fields__"):  # as `is_dataclass` asks, which few programs need
        return "dataclasses.asdict"
    if hasattr(kind, "tolist"):  # numpy's, and what is like it
        is_scalar = getattr(value, "shape", None) == ()
        return _name_of(value.item()) if is_scalar else "lambda array: array.tolist()"
    for types, function in _ADVICE:
        if isinstance(value, types):
            return function
    if hasattr(kind, "__float__"):
        return "float"
    return "vars" if hasattr(value, "__dict__") else "str"


def _name_of(item: Any) -> str:
    """The name of the type of this number of Python; `str` for whatever else it is."""
    return type(item).__name__ if isinstance(item, bool | int | float) else "str"


_ENCODER: Final = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_refuse
)
