"""Parameters of a query and fields of a form: whatever a program has, as pairs of texts.

Rules: a mapping or pairs; a list is one pair for each of its items; what is None is left out, and
True is `true`, as JSON has it. Bytes are sent as they are. What would be sent as something that
nobody means, such as the letters of a text, is a TypeError. It does not know what they are for.
"""

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

Text: TypeAlias = str | bytes
"""A text, or the bytes that stand for one."""


def text_pairs(what: str, given: object) -> tuple[tuple[Text, Text], ...]:
    """The pairs; TypeError for what are none.

    `text_pairs("params", {"a": [1, True], "b": None}) == (("a", "1"), ("a", "true"))`.
    """
    items: Any = given.items() if isinstance(given, Mapping) else given
    if not isinstance(items, Iterable) or isinstance(items, str | bytes):
        raise TypeError(f"{what} are a mapping or pairs, not {type(given).__name__}")
    pairs: list[tuple[Text, Text]] = []
    for pair in items:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise TypeError(f"{what} are a mapping or pairs, not {pair!r}")
        name, value = pair
        values = value if isinstance(value, list | tuple) else (value,)
        pairs += [(_text(name), _text(each)) for each in values if each is not None]
    return tuple(pairs)


def _text(value: object) -> Text:
    """A name or a value as text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, bytes) else str(value)
