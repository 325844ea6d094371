"""Budgets: what is due at which load, and sums that are those of the clients."""

import pytest

from sigil.core.conn import Conn
from sigil.core.connection.client import Client, make_client
from sigil.core.limits import Limits
from sigil.core.server.budgets import (
    NO_LOAD,
    Load,
    Measure,
    due_measure,
    has_subscriber_slot,
    load_after,
)
from tests.support.core_driver import PEER

LIMITS = Limits(max_ws_connection_cnt=2, max_inbound_len=100, max_outbound_len=200)


@pytest.mark.parametrize(
    ("load", "measure"),
    [
        (NO_LOAD, None),
        (Load(100, 200, None, 2), None),
        (Load(0, 0, None, 3), Measure.EVICT_SUBSCRIBER),
        (Load(101, 0, None, 0), Measure.REJECT_SENDERS),
        (Load(0, 201, None, 0), Measure.PAUSE),
        (Load(0, 201, 7.0, 0), None),
        (Load(0, 300, 7.0, 0), None),
        (Load(0, 301, 7.0, 0), Measure.DROP_READERS),
        (Load(0, 301, None, 0), Measure.DROP_READERS),
        (Load(101, 301, None, 0), Measure.REJECT_SENDERS),
        (Load(0, 101, 7.0, 0), None),
        (Load(0, 100, 7.0, 0), Measure.RESUME),
        (Load(101, 201, 7.0, 3), Measure.EVICT_SUBSCRIBER),
        (Load(101, 201, None, 2), Measure.REJECT_SENDERS),
    ],
)
def test_what_is_due_at_which_load(load: Load, measure: Measure | None) -> None:
    assert due_measure(load, LIMITS) is measure


def holding(inbound: int, outbound: int) -> Client:
    """A client with so many bytes of an incomplete request, and of an outbox."""
    client = make_client(Conn(0, 0), PEER)
    return client.replace(
        incoming=client.incoming.replace(buffer=bytes(inbound)),
        outgoing=client.outgoing.replace(outbox=(bytes(outbound),)),
    )


def test_the_load_changes_by_what_a_client_holds_more_or_less() -> None:
    load = load_after(NO_LOAD, holding(0, 0), holding(5, 70))
    assert (load.inbound, load.outbound) == (5, 70)
    load = load_after(load, holding(5, 70), holding(9, 60))
    assert (load.inbound, load.outbound) == (9, 60)
    assert load_after(load, holding(9, 60), None) == NO_LOAD


def test_a_client_that_holds_as_much_as_before_leaves_the_very_load() -> None:
    load = Load(5, 70, None, 1)
    assert load_after(load, holding(5, 70), holding(5, 70)) is load


@pytest.mark.parametrize(
    ("websockets", "policy", "max_count", "has_slot"),
    [
        (1, "503", 2, True),
        (2, "503", 2, False),
        (2, "wait", 2, False),
        (2, "evict", 2, True),
        (0, "evict", 0, False),
    ],
)
def test_one_more_may_become_a_subscriber_if_there_is_a_place_or_somebody_to_evict(
    websockets: int, policy: str, max_count: int, has_slot: bool
) -> None:
    limits = Limits(max_ws_connection_cnt=max_count, full_policy=policy)
    assert has_subscriber_slot(NO_LOAD.replace(websockets=websockets), limits) is has_slot
