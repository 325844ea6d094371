"""What a route took out of a path: its parameters by name, as a value.

Theory: a request is a value and can be hashed, and a dictionary cannot. So parameters are a mapping
of their own that never changes: looked up, iterated and compared as a dictionary is.

Rules: immutable; hashable if the values are. It does not know routes.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, final


@final
class Params:
    """The parameters of a path by name: `request.params["id"]`. Equal to a dictionary of the same
    items, too.
    """

    __slots__ = ("values_by_name",)

    def __init__(self, values_by_name: Mapping[str, Any] | None = None) -> None:
        """From a mapping, which is copied."""
        self.values_by_name: Final[MappingProxyType[str, Any]] = MappingProxyType(
            dict(values_by_name or ())
        )

    def __getitem__(self, name: str) -> Any:
        return self.values_by_name[name]

    def get(self, name: str, default: Any = None) -> Any:
        """The value of `name`; `default` if there is none."""
        return self.values_by_name.get(name, default)

    def keys(self) -> tuple[str, ...]:
        """The names, in the order in which they stand in the path."""
        return tuple(self.values_by_name)

    def values(self) -> tuple[Any, ...]:
        """The values, in that order."""
        return tuple(self.values_by_name.values())

    def items(self) -> tuple[tuple[str, Any], ...]:
        """(name, value) pairs, in that order."""
        return tuple(self.values_by_name.items())

    def __contains__(self, name: object) -> bool:
        return name in self.values_by_name

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_by_name)

    def __len__(self) -> int:
        return len(self.values_by_name)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Params):
            return self.values_by_name == other.values_by_name
        return self.values_by_name == other

    def __hash__(self) -> int:
        return hash(frozenset(self.values_by_name.items()))

    def __repr__(self) -> str:
        return f"Params({dict(self.values_by_name)!r})"

    def __reduce__(self) -> tuple[type["Params"], tuple[dict[str, Any]]]:
        return Params, (dict(self.values_by_name),)


NO_PARAMS: Final = Params()
"""Those of a request that no route with parameters has matched."""
