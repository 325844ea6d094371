"""What stands in a recording for an object of the program: an iterator, a file, a context.

Theory: such an object cannot be written, and the core never looks into it; so all that replay needs
is that something is there. Its type is what helps a reader.

Rules: names are bounded, and the object is not asked for a text: its `repr` is the program's own
code, which may raise, and may say a secret. It does not know what the object was for.
"""

from typing import Final, final

from ..value import Value

SHOWN_MAX: Final = 120
"""Characters of the name, at most."""


@final
class Placeholder(Value):
    """An object of the program, of which only the name of its type is known."""

    __match_args__ = ("kind",)
    __slots__ = __match_args__

    def __init__(self, kind: str) -> None:
        self.kind: Final = kind


def placeholder(value: object) -> Placeholder:
    """What stands for an object in a recording; for one that was read from a recording, itself."""
    if isinstance(value, Placeholder):
        return value
    kind = type(value)
    return Placeholder(f"{kind.__module__}.{kind.__qualname__}"[:SHOWN_MAX])
