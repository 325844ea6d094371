"""Value classes: equal, hashed, shown, matched, copied and pickled by their fields."""

import copy
import pickle
from typing import Any, Final, final, get_args

import pytest

from sigil import Conn, Peer
from sigil.core.conn import Ticket
from sigil.core.effects import Effect
from sigil.core.events import Event
from sigil.core.limits import Limits
from sigil.core.server import make_server
from sigil.core.server.state import Server
from sigil.core.value import Value


@final
class Point(Value):
    """Two numbers."""

    __match_args__ = ("x", "y")
    __slots__ = __match_args__

    def __init__(self, x: Any, y: Any = 0) -> None:
        self.x: Final = x
        self.y: Final = y


@final
class Other(Value):
    """Two other numbers."""

    __match_args__ = ("x", "y")
    __slots__ = __match_args__

    def __init__(self, x: Any, y: Any = 0) -> None:
        self.x: Final = x
        self.y: Final = y


def test_values_are_equal_by_type_and_fields() -> None:
    assert Point(1, 2) == Point(1, 2)
    assert Point(1, 2) != Point(1, 3)
    assert Point(1, 2) != Other(1, 2)
    assert Point(1, 2) != (1, 2)
    assert Point(Point(1), [Point(2)]) == Point(Point(1), [Point(2)])


def test_a_value_is_hashed_by_its_fields() -> None:
    assert len({Point(1, 2), Point(1, 2), Point(2, 1), Other(1, 2)}) == 3
    with pytest.raises(TypeError, match="unhashable"):
        hash(Point([]))


def test_a_value_is_shown_as_it_is_made() -> None:
    assert repr(Point(1, Peer("a", 2))) == "Point(x=1, y=Peer(host='a', port=2))"


def test_a_value_is_matched_by_its_fields() -> None:
    match Conn(3, 4):
        case Conn(slot, generation):
            assert (slot, generation) == (3, 4)


def test_a_value_is_replaced_field_by_field() -> None:
    assert Point(1, 2).replace(y=3) == Point(1, 3)
    assert Point(1, 2).replace() == Point(1, 2)
    with pytest.raises(TypeError):
        Point(1, 2).replace(z=3)


@pytest.mark.parametrize("value", [Point(1, Conn(1, 2)), make_server(Limits(), 0.0, 0)])
def test_a_value_is_copied_and_pickled(value: Value) -> None:
    for other in (copy.copy(value), copy.deepcopy(value), pickle.loads(pickle.dumps(value))):
        assert type(other) is type(value) and other == value and repr(other) == repr(value)


@pytest.mark.parametrize("kind", [*get_args(Event), *get_args(Effect), Conn, Ticket, Server])
def test_a_value_has_no_attributes_beside_its_fields(kind: Any) -> None:
    value = object.__new__(kind)
    with pytest.raises(AttributeError):
        value.another = 1


@pytest.mark.parametrize(
    ("left", "right"),
    [(Conn(0, 9), Conn(1, 2)), (Conn(1, 2), Conn(1, 3))],
)
def test_connections_are_in_order_of_their_slots(left: Conn, right: Conn) -> None:
    assert sorted([right, left]) == [left, right]
