"""What a connection waits for and until when, and what follows when that changes."""

import pytest

from sigil.core.connection.client import IDLE_HTTP, Client
from sigil.core.connection.deadlines import Waiting, after_transition, deadline_of, waiting_for
from sigil.core.connection.outgoing import NOTHING_OUTGOING
from sigil.core.effects import Interest, Watch
from sigil.core.limits import Limits
from tests.support.core_clients import (
    CONTEXT,
    FRESH,
    LINGERING,
    READING,
    SIMPLE,
    with_intake,
    with_outbox,
)
from tests.support.core_driver import CONN, same


@pytest.mark.parametrize(
    ("client", "waiting", "seconds"),
    [
        (FRESH, Waiting.IDLE, 60.0),
        (with_intake(FRESH, buffer=b"GET"), Waiting.HEADER, 10.0),
        (READING, Waiting.BODY, 30.0),
        (READING.replace(outstanding=(SIMPLE,)), Waiting.BODY, 30.0),
        (FRESH.replace(outstanding=(SIMPLE,)), Waiting.RESPONSE, 300.0),
        (
            with_intake(FRESH, buffer=b"GET").replace(outstanding=(SIMPLE,)),
            Waiting.RESPONSE,
            300.0,
        ),
        (with_outbox(FRESH, b"x"), Waiting.WRITE, 30.0),
        (with_outbox(LINGERING, b"x"), Waiting.WRITE, 30.0),
        (LINGERING, Waiting.LINGER, 2.0),
    ],
)
def test_what_a_connection_waits_for_says_how_long(
    client: Client, waiting: Waiting, seconds: float
) -> None:
    assert waiting_for(client) is waiting
    assert deadline_of(client, Limits()) == 100.0 + seconds


def test_settling_starts_the_clock_of_whoever_waits_for_something_new() -> None:
    after, effects = after_transition(FRESH, with_intake(FRESH, buffer=b"G"), [], CONTEXT)
    assert (after.waiting_since, effects) == (200.0, [])
    again, effects = after_transition(
        after, with_intake(after, buffer=b"GE"), [], CONTEXT.replace(now=205.0)
    )
    assert (again.waiting_since, effects) == (200.0, [])


def test_settling_orders_a_watch_only_when_the_interest_is_new() -> None:
    stalled = with_outbox(FRESH, b"x" * 10)
    after, effects = after_transition(FRESH, stalled, [], CONTEXT)
    assert same(effects, [Watch(CONN, Interest.WRITE)])
    assert after_transition(after, after, [], CONTEXT) == (after, [])


def test_settling_gives_a_connection_at_rest_the_very_records_of_rest() -> None:
    busy = with_intake(FRESH, buffer=b"G")
    rested, _ = after_transition(
        busy,
        busy.replace(incoming=IDLE_HTTP.replace(), outgoing=NOTHING_OUTGOING.replace()),
        [],
        CONTEXT,
    )
    assert rested.incoming is IDLE_HTTP
    assert rested.outgoing is NOTHING_OUTGOING
