"""What a route took out of a path: its parameters by name, as a value.

Theory: a request is a value and can be hashed, and a dictionary cannot. So parameters are a mapping
of their own that never changes: looked up and iterated as a dictionary is. There are few of them,
and most requests look one up, so names and values are held as they come, side by side.

Rules: immutable; hashable if the values are; each name once. It does not know routes.
"""

from collections.abc import Iterator
from typing import Any, Final, final


@final
class Params:
    """The parameters of a path by name: `request.params["id"]`."""

    __slots__ = ("_names", "_values")

    def __init__(self, names: tuple[str, ...] = (), values: tuple[Any, ...] = ()) -> None:
        """From names and as many values."""
        self._names: Final = names
        self._values: Final = values

    def __getitem__(self, name: str) -> Any:
        if name not in self._names:
            raise KeyError(name)
        return self._values[self._names.index(name)]

    def get(self, name: str, default: Any = None) -> Any:
        """The value of `name`; `default` if there is none."""
        return self[name] if name in self._names else default

    def keys(self) -> tuple[str, ...]:
        """The names, in the order in which they stand in the path."""
        return self._names

    def values(self) -> tuple[Any, ...]:
        """The values, in that order."""
        return self._values

    def items(self) -> tuple[tuple[str, Any], ...]:
        """(name, value) pairs, in that order."""
        return tuple(zip(self._names, self._values, strict=True))

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __eq__(self, other: object) -> bool:
        """True for the same items in whatever order, also of a dictionary."""
        if isinstance(other, Params):
            other = dict(other.items())
        return dict(self.items()) == other

    def __hash__(self) -> int:
        return hash(frozenset(self.items()))

    def __repr__(self) -> str:
        return f"Params({dict(self.items())!r})"

    def __reduce__(self) -> tuple[type["Params"], tuple[tuple[str, ...], tuple[Any, ...]]]:
        return Params, (self._names, self._values)


NO_PARAMS: Final = Params()
"""Those of a request that no route with parameters has matched."""


def with_more(params: Params, more: Params) -> Params:
    """The parameters of a path and of the path behind it: of two of one name, the latter."""
    if not len(params):
        return more
    joined = dict(params.items())
    joined.update(more.items())
    return Params(tuple(joined), tuple(joined.values()))
