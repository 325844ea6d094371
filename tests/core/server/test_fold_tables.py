"""The two tables of the fold: every kind of event is a row of exactly one of them."""

from typing import get_args

from sigil.core.connection.deadlines import Waiting
from sigil.core.connection.transitions import TRANSITIONS
from sigil.core.events import Event
from sigil.core.server.eviction import EVICTION_ORDER
from sigil.core.server.fold import SERVER_TRANSITIONS


def test_every_kind_of_event_is_in_exactly_one_of_the_two_tables() -> None:
    assert sorted([*TRANSITIONS, *SERVER_TRANSITIONS], key=str) == sorted(get_args(Event), key=str)


def test_whoever_is_no_subscriber_has_a_rank_for_whatever_it_waits_for() -> None:
    only_subscribers = {
        Waiting.PING,
        Waiting.PONG,
        Waiting.CLOSE,
        Waiting.POLL,
    }
    assert sorted(EVICTION_ORDER) == sorted(set(Waiting) - only_subscribers)
