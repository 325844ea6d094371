"""A crowd in an hour of virtual time."""

import logging
from collections.abc import Iterator

import pytest

from sigil.testing.world.crowd import CONNECTIONS, SECONDS, crowd, crowd_world
from sigil.testing.world.shrink import broken_rule_of


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Nothing is logged: the program of a crowd raises now and then, and is slow."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def test_a_hundred_thousand_come_and_go_in_an_hour() -> None:
    world = crowd_world(1)
    assert broken_rule_of(world) is None
    outcome, statuses = world.outcome(), dict(world.outcome().statuses)
    reasons = dict(outcome.reasons)
    assert outcome.connections > 0.999 * CONNECTIONS and outcome.seconds > 0.9 * SECONDS
    assert statuses[200] > 0.8 * CONNECTIONS and statuses[101] > 5_000 and outcome.received > 10_000
    for reason in ("EVICTED", "WRITE_STALL", "IDLE_TIMEOUT", "HEADER_TIMEOUT", "PROGRAM_TIMEOUT"):
        assert reasons[reason] > 10


def test_a_crowd_is_the_same_one_every_time() -> None:
    outcomes = [crowd_world(2, 400, 60.0).run() for _ in range(2)]
    assert outcomes[0] == outcomes[1] and outcomes[0].connections >= 399


def test_a_crowd_is_of_so_many() -> None:
    assert sum(group.number for group in crowd(1_234)) == 1_234
