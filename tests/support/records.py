"""Records whose fields are all different, to see which of them a function changes.

Theory: a function that rebuilds a record field by field can exchange two fields of one type, and no
type checker sees it. So it is called on a record of values that occur once, with arguments that
occur once, and the result is compared with both, field by field.

Rules: numbers are numbers and tuples are tuples, so that functions may add to them; everything else
is an object that is equal to itself alone. It does not know what a field means.
"""

import inspect
from collections.abc import Callable, Iterator
from itertools import count
from types import ModuleType
from typing import Any, NamedTuple, get_origin, get_type_hints


class Update(NamedTuple):
    """What a function made of a record, and the arguments that it was given, by name."""

    before: Any
    after: Any
    arguments: dict[str, Any]

    @property
    def changed(self) -> set[str]:
        """The names of the fields that have another value than before."""
        return {
            name
            for name in self.before.__match_args__
            if getattr(self.after, name) is not getattr(self.before, name)
            and getattr(self.after, name) != getattr(self.before, name)
        }

    @property
    def named(self) -> set[str]:
        """The fields that an argument is named after."""
        return self.arguments.keys() & set(self.before.__match_args__)

    @property
    def misplaced(self) -> set[str]:
        """Those of them that have not become the argument."""
        return {
            name for name in self.named if getattr(self.after, name) is not self.arguments[name]
        }


def updates_of(module: ModuleType, record: type) -> list[str]:
    """The public functions of a module that take one of its records and return one."""
    return [name for name, function in vars(module).items() if is_update(module, function, record)]


def is_update(module: ModuleType, function: object, record: type) -> bool:
    """True for a public function of the module from a record, and perhaps more, to such
    a record.
    """
    if (
        not inspect.isfunction(function)
        or function.__module__ != module.__name__
        or function.__name__.startswith("_")
    ):
        return False
    *parameters, result = get_type_hints(function).values() or (None,)
    return result is record and bool(parameters) and parameters[0] is record


def updated(function: Callable[..., Any], record: type) -> Update:
    """What a function makes of a record whose values, and its arguments, all occur once."""
    numbers = count(1_000)
    hints = get_type_hints(record.__init__)
    before = record(*distinct_values([hints[name] for name in record.__match_args__], numbers))  # type: ignore[attr-defined]
    parameters = {name: hint for name, hint in get_type_hints(function).items() if name != "return"}
    names = list(parameters)[1:]
    values = distinct_values([parameters[name] for name in names], numbers)
    arguments = dict(zip(names, values, strict=True))
    return Update(before, function(before, **arguments), arguments)


def distinct_values(hints: list[Any], numbers: Iterator[int]) -> list[Any]:
    """A value for each of these types, none like another."""
    return [distinct_value(hint, next(numbers)) for hint in hints]


def distinct_value(hint: Any, number: int) -> Any:
    """A value that can stand for one of this type where a function only adds to it."""
    if hint in (int, float):
        return hint(number)
    if get_origin(hint) is tuple:
        return (object(),)
    return object()
