"""The table of transitions is complete: a row for each event that concerns one connection, called
after its event.
"""

import re
from typing import get_args

import pytest

from sigil.core.connection.transitions import TRANSITIONS
from sigil.core.events import Event, Flush
from sigil.core.securing import Secured

EVENTS = get_args(Event)
BY_CONN = {event for event in EVENTS if "conn" in event.__match_args__} - {Flush, Secured}
BY_TICKET = {event for event in EVENTS if "ticket" in event.__match_args__}


def test_every_event_about_one_connection_has_its_row() -> None:
    assert set(TRANSITIONS) == BY_CONN | BY_TICKET


def test_a_row_knows_whether_its_event_names_a_request() -> None:
    assert {event for event, row in TRANSITIONS.items() if row.has_ticket} == BY_TICKET


@pytest.mark.parametrize("event", TRANSITIONS, ids=lambda event: event.__name__)
def test_a_row_is_called_after_its_event(event: type) -> None:
    name = "on_" + re.sub(r"(?<!^)(?=[A-Z])", "_", event.__name__).lower()
    assert TRANSITIONS[event].apply.__name__ == name
