"""The tables have everything that a server and the events are made of."""

import importlib
from enum import Enum
from typing import Any, get_args, get_origin, get_type_hints

from sigil.core.events import Event
from sigil.core.server.state import Server
from sigil.core.topics import ALL_TOPICS
from sigil.core.trace.registry import CONSTANTS, ENUMS, RECORDS, as_known, fields_of
from sigil.core.value import Value
from tests.support.builds import needs_pure_sources

EVENTS = set(get_args(Event))
PLAIN = {int, str, bytes, float, bool, type(None), memoryview, tuple, frozenset, object}


def parts_of(kind: Any, found: set[Any]) -> None:
    """Add all classes that the annotations of a class reach."""
    origin = get_origin(kind)
    if origin is not None:
        if "Callable" not in str(origin):
            for argument in get_args(kind):
                parts_of(argument, found)
        return
    if not isinstance(kind, type) or kind in found or kind in PLAIN:
        return
    found.add(kind)
    is_named_tuple = issubclass(kind, tuple) and hasattr(kind, "_fields")
    if issubclass(kind, Value) or is_named_tuple:
        hints = get_type_hints(kind if is_named_tuple else kind.__init__)
        for name in fields_of(kind):
            parts_of(hints[name], found)


def reached() -> set[Any]:
    """All classes of sigil that a server and the events are made of."""
    found: set[Any] = set()
    for kind in (Server, *EVENTS):
        parts_of(kind, found)
    return {kind for kind in found - EVENTS if kind.__module__.startswith("sigil")}


@needs_pure_sources
def test_each_record_is_in_the_table() -> None:
    records = {kind for kind in reached() if not issubclass(kind, Enum)}
    assert records <= set(RECORDS)


@needs_pure_sources
def test_each_enumeration_is_in_the_table() -> None:
    enums = {kind for kind in reached() if issubclass(kind, Enum)}
    assert enums <= set(ENUMS)


def test_names_are_used_once() -> None:
    names = [kind.__name__ for kind in (*RECORDS, *ENUMS)]
    assert len(set(names)) == len(names)


def test_constants_are_known_by_identity() -> None:
    for module in {kind.__module__ for kind in RECORDS}:
        for name, value in vars(importlib.import_module(module)).items():
            if isinstance(value, tuple(RECORDS)) and not name.startswith("_"):
                assert value is ALL_TOPICS or as_known(value) in CONSTANTS, name


def test_what_equals_a_constant_becomes_it() -> None:
    for constant in CONSTANTS:
        if isinstance(constant, Value) and constant.__match_args__:
            assert as_known(constant.replace()) is constant
