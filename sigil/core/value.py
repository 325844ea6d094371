"""The base of the records that are made for every request, message or turn: value classes.

Theory: a record is a value: equal by its fields, hashable if they are, shown by them, and never
changed. A value class says so once for all of them, and costs what a plain object costs: a field is
read where it lies, and a compiled one is made in a tenth of the time that a named tuple takes.

Rules: a value class is final, names its fields in `__match_args__`, in the order of its
constructor's parameters, and sets each of them once, as `Final`; nothing else is ever set
(`tests/test_records.py`). The type checker refuses a second assignment, and so does the compiled
class when it is run. What only follows from the fields, and is at hand already when a record is
made, may have a slot behind them: it is no part of the value, and is None in what is made of it by
`replace`. A record that the core knows by identity (what a connection at rest has) is pickled and
copied as its name, so that it is the same again. Whatever is on the path of every message makes a
record anew with its constructor, in a function beside its class; `replace` is for whatever is rare.
It does not know any record.
"""

from typing import Any, ClassVar, Self

from .bounded_repr import bounded_repr, html_repr


class Value:
    """A record of fields that never change."""

    __slots__ = ()
    __match_args__: ClassVar[tuple[str, ...]] = ()

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if type(self) is not type(other):
            return NotImplemented
        return self._values() == other._values()

    def __hash__(self) -> int:
        return hash(self._values())

    def __repr__(self) -> str:
        return bounded_repr(self)

    def _repr_html_(self) -> str | None:
        return html_repr(self)

    def __reduce__(self) -> str | tuple[Any, ...]:
        return type(self), self._values()

    def _values(self) -> tuple[Any, ...]:
        """The values of all fields, in order."""
        return tuple([getattr(self, name) for name in self.__match_args__])

    def replace(self, **changes: Any) -> Self:
        """The record with other values in some of its fields; TypeError for one that it has not."""
        for name in self.__match_args__:
            if name not in changes:
                changes[name] = getattr(self, name)
        return type(self)(**changes)
