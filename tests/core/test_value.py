"""Value classes: equal, hashed, shown, matched, copied and pickled by their fields."""

import copy
import pickle
import re
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

import pytest

import sigil
from sigil.core.conn import Conn, Ticket
from sigil.core.effects import Effect
from sigil.core.events import Event, HalfClosed, Writable
from sigil.core.http.bodies import StreamedBody
from sigil.core.limits import Limits
from sigil.core.server import make_server
from sigil.core.server.state import Server
from sigil.core.value import Value
from tests.support.builds import needs_pure_sources


def test_values_are_equal_by_type_and_fields() -> None:
    assert Conn(1, 2) == Conn(1, 2)
    assert Conn(1, 2) != Conn(1, 3)
    assert HalfClosed(Conn(1, 2)) != Writable(Conn(1, 2))
    assert Conn(1, 2) != (1, 2)
    assert Ticket(Conn(1, 2), 3) == Ticket(Conn(1, 2), 3) != Ticket(Conn(1, 1), 3)


def test_a_value_is_hashed_by_its_fields() -> None:
    assert len({Conn(1, 2), Conn(1, 2), Conn(2, 1), Ticket(Conn(1, 2), 3)}) == 3
    with pytest.raises(TypeError, match="unhashable"):
        hash(StreamedBody([]))


def test_a_value_is_shown_as_it_is_made() -> None:
    assert repr(Ticket(Conn(1, 2), 3)) == "Ticket(conn=Conn(slot=1, generation=2), number=3)"


def test_a_value_is_matched_by_its_fields() -> None:
    match Conn(3, 4):
        case Conn(slot, generation):
            assert (slot, generation) == (3, 4)


def test_a_value_is_replaced_field_by_field() -> None:
    assert Conn(1, 2).replace(generation=3) == Conn(1, 3)
    assert Conn(1, 2).replace() == Conn(1, 2)
    with pytest.raises(TypeError):
        Conn(1, 2).replace(number=3)


@pytest.mark.parametrize("value", [Ticket(Conn(1, 2), 3), make_server(Limits(), 0.0, 0)])
def test_a_value_is_copied_and_pickled(value: Value) -> None:
    for other in (copy.copy(value), copy.deepcopy(value), pickle.loads(pickle.dumps(value))):
        assert type(other) is type(value) and other == value and repr(other) == repr(value)


@pytest.mark.parametrize("kind", [*get_args(Event), *get_args(Effect), Conn, Ticket, Server])
def test_a_value_has_no_attributes_beside_its_fields(kind: Any) -> None:
    assert kind.__dictoffset__ == 0


@pytest.mark.parametrize(
    ("left", "right"),
    [(Conn(0, 9), Conn(1, 2)), (Conn(1, 2), Conn(1, 3))],
)
def test_connections_are_in_order_of_their_slots(left: Conn, right: Conn) -> None:
    assert sorted([right, left]) == [left, right]


def compared_by_identity() -> dict[str, Value]:
    """The constants behind `is` in the core that are records, by name."""
    found = {}
    installed = Path(sigil.__file__).parent
    for path in sorted((installed / "core").glob("**/*.py")):
        dotted = path.relative_to(installed.parent).with_suffix("").parts
        module = import_module(".".join(dotted))
        for name in re.findall(r"\bis (?:not )?([A-Z][A-Z_]+)\b", path.read_text(encoding="utf-8")):
            if isinstance(getattr(module, name, None), Value):
                found[name] = getattr(module, name)
    return found


@needs_pure_sources
def test_a_record_that_is_known_by_identity_is_so_again() -> None:
    found = compared_by_identity()
    assert "NOTHING_OUTGOING" in found and "IDLE_WEBSOCKET" in found
    del found["NO_HEAD"]  # it stands for no request, in a call, and is in no state
    for name, record in found.items():
        assert pickle.loads(pickle.dumps(record)) is record, name
        assert copy.copy(record) is record and copy.deepcopy(record) is record
        other = record.replace()
        assert other == record and pickle.loads(pickle.dumps(other)) == other
