"""The market: the same from the same seed, and everything that is to be seen happens in it."""

import pytest

from sigil.apps.replay.documents import Wanted, make_view, turn_document
from sigil.apps.replay.market import Market
from sigil.apps.replay.simulations import unlogged


@pytest.fixture(scope="module")
def market() -> Market:
    market = Market(2)
    with unlogged():
        market.run()
    return market


def test_the_same_seed_is_the_same_market(market: Market) -> None:
    again = Market(2)
    with unlogged():
        outcome = again.run()
    assert outcome.seed == 2 and outcome.evicted > 0
    assert again.recording().turns == market.recording().turns
    assert again.wires == market.wires


def test_a_market_can_be_replayed(market: Market) -> None:
    assert market.recording().verify() is None


def test_there_is_something_to_see(market: Market) -> None:
    view = make_view(market.recording(), "a market", market.wires)
    totals = {kind: column[-1] for kind, column in view.timeline.counts.items()}
    for kind in ("closes", "evictions", "stalls", "published", "received", "sent"):
        assert totals[kind] > 0, kind
    unread = [pair for wires in market.wires.values() for pair in wires.values()]
    assert max(unread)[0] > 100
    tones = {
        tone
        for turn in range(0, view.timeline.turns, 7)
        for tone, _, _ in turn_document(view, turn, Wanted(has_changes=False))["story"]
    }
    assert {"stalled", "published", "came", "asked", "quiet"} <= tones
