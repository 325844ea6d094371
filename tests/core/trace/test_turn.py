"""A turn is a value."""

from sigil.core.events import TickStarted
from sigil.core.trace.turn import Turn


def test_a_turn_is_a_value() -> None:
    assert Turn(1, (TickStarted(1.0, 2),), ()) == Turn(1, (TickStarted(1.0, 2),), ())
