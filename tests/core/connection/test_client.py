"""What can be read off a connection's record: what it waits for, until when, and what it is watched
for.
"""

import pytest

from sigil.core.close_reasons import CloseReason
from sigil.core.connection.client import IDLE_HTTP, WHOLE, Client, Incoming, Phase
from sigil.core.connection.client_status import may_parse, outbox_len, pipeline_waits
from sigil.core.connection.deadlines import interest_of
from sigil.core.connection.outgoing import NOTHING_OUTGOING, Outgoing
from sigil.core.effects import Interest
from tests.support.core_clients import (
    FRESH,
    LIMITS,
    LINGERING,
    READING,
    SIMPLE,
    UNSAFE,
    with_intake,
    with_outbox,
)
from tests.support.core_driver import CONN, PEER, head_of, same

LAST = head_of(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")


def test_a_new_connection_is_calm_and_clear() -> None:
    assert same(
        FRESH, Client(CONN, PEER, IDLE_HTTP, (), 0, 100.0, NOTHING_OUTGOING, 0, 0, None, None)
    )
    assert same(
        IDLE_HTTP, Incoming(Phase.HEAD, b"", 0, None, None, False, None, False, 0, None, WHOLE)
    )
    assert same(
        NOTHING_OUTGOING, Outgoing((), (), None, (), False, CloseReason.OK, Interest.READ, None)
    )


@pytest.mark.parametrize(
    ("owed", "parked"),
    [((), False), ((SIMPLE,), False), ((SIMPLE, UNSAFE), True), ((UNSAFE,), True), ((LAST,), True)],
)
def test_a_connection_is_parked_behind_what_is_not_simple(
    owed: tuple[object, ...], parked: bool
) -> None:
    assert pipeline_waits(FRESH.replace(outstanding=owed)) is parked  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("client", "may"),
    [
        (FRESH, True),
        (READING, True),
        (LINGERING, False),
        (with_intake(FRESH, phase=Phase.MUST_CLOSE), False),
        (FRESH.replace(outstanding=(SIMPLE,)), True),
        (FRESH.replace(outstanding=(SIMPLE, SIMPLE)), False),
        (FRESH.replace(outstanding=(UNSAFE,)), False),
        (with_outbox(FRESH, b"x" * 9), True),
        (with_outbox(FRESH, b"x" * 9, b"y"), False),
    ],
)
def test_requests_are_parsed_within_the_bounds(client: Client, may: bool) -> None:
    assert may_parse(client, LIMITS) is may


@pytest.mark.parametrize(
    ("client", "interest"),
    [
        (FRESH, Interest.READ),
        (with_outbox(FRESH, b"x" * 9), Interest.BOTH),
        (with_outbox(FRESH, b"x" * 10), Interest.WRITE),
        (with_intake(FRESH, peer_half_closed=True), Interest.NOTHING),
        (with_outbox(with_intake(FRESH, peer_half_closed=True), b"x"), Interest.WRITE),
        (with_intake(FRESH.replace(outstanding=(UNSAFE,)), buffer=b"x" * 49), Interest.READ),
        (with_intake(FRESH.replace(outstanding=(UNSAFE,)), buffer=b"x" * 50), Interest.NOTHING),
        (with_intake(FRESH, buffer=b"x" * 50), Interest.READ),
        (with_intake(FRESH, phase=Phase.MUST_CLOSE, discarded=30), Interest.READ),
        (with_intake(FRESH, phase=Phase.MUST_CLOSE, discarded=31), Interest.NOTHING),
        (LINGERING, Interest.READ),
        (with_outbox(LINGERING, b"x"), Interest.WRITE),
    ],
)
def test_a_connection_is_watched_for_what_it_can_do(client: Client, interest: Interest) -> None:
    assert interest_of(client, LIMITS) is interest


def test_the_outbox_is_measured_in_bytes() -> None:
    assert outbox_len(with_outbox(FRESH, b"abc", b"de")) == 5
