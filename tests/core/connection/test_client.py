"""What can be read off a connection's record: what it waits for, until when, and what it is watched
for.
"""

import pytest

from sigil.core.broadcast.broadcast import make_broadcast
from sigil.core.close_reasons import CloseReason
from sigil.core.connection.client import (
    IDLE_HTTP,
    NOTHING_OUTGOING,
    Client,
    Incoming,
    Outgoing,
    Phase,
    make_client,
    may_parse,
    outbox_len,
    pipeline_waits,
)
from sigil.core.connection.context import Context
from sigil.core.connection.deadlines import (
    Waiting,
    after_transition,
    deadline_of,
    interest_of,
    waiting_for,
)
from sigil.core.effects import Interest, Watch
from sigil.core.http.body import begin_body
from sigil.core.http.head import parse_headers_only
from sigil.core.limits import Limits
from tests.support.core_driver import CONN, DATE, PEER, head_of, same

SIMPLE = head_of(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
UNSAFE = head_of(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n")
LAST = head_of(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
FRESH = make_client(CONN, PEER, 100.0)
LIMITS = Limits(max_outbox_len=10, max_queued_requests=2, max_header_len=50, max_linger_len=30)
CONTEXT = Context(
    LIMITS,
    200.0,
    200.0,
    DATE,
    False,
    False,
    True,
    parse_headers_only,
    10**9,
    True,
    make_broadcast(LIMITS),
    False,
)


def with_intake(client: Client, **fields: object) -> Client:
    """The client with these fields of its intake replaced."""
    return client._replace(incoming=client.incoming._replace(**fields))  # type: ignore[arg-type]


def with_outbox(client: Client, *segments: bytes) -> Client:
    """The client with this outbox."""
    return client._replace(outgoing=client.outgoing._replace(outbox=segments))


READING = with_intake(FRESH, phase=Phase.BODY, head=UNSAFE, body=begin_body(9))
LINGERING = with_intake(FRESH, phase=Phase.LINGER)


def test_a_new_connection_is_calm_and_clear() -> None:
    assert same(
        FRESH, Client(CONN, PEER, IDLE_HTTP, (), 0, 100.0, NOTHING_OUTGOING, 0, 0, None, None)
    )
    assert same(IDLE_HTTP, Incoming(Phase.HEAD, b"", 0, None, None, False, None, False, 0))
    assert same(
        NOTHING_OUTGOING, Outgoing((), None, (), False, CloseReason.OK, Interest.READ, None)
    )


@pytest.mark.parametrize(
    ("client", "waiting", "seconds"),
    [
        (FRESH, Waiting.IDLE, 60.0),
        (with_intake(FRESH, buffer=b"GET"), Waiting.HEADER, 10.0),
        (READING, Waiting.BODY, 30.0),
        (READING._replace(outstanding=(SIMPLE,)), Waiting.BODY, 30.0),
        (FRESH._replace(outstanding=(SIMPLE,)), Waiting.RESPONSE, 300.0),
        (
            with_intake(FRESH, buffer=b"GET")._replace(outstanding=(SIMPLE,)),
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


@pytest.mark.parametrize(
    ("owed", "parked"),
    [((), False), ((SIMPLE,), False), ((SIMPLE, UNSAFE), True), ((UNSAFE,), True), ((LAST,), True)],
)
def test_a_connection_is_parked_behind_what_is_not_simple(
    owed: tuple[object, ...], parked: bool
) -> None:
    assert pipeline_waits(FRESH._replace(outstanding=owed)) is parked  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("client", "may"),
    [
        (FRESH, True),
        (READING, True),
        (LINGERING, False),
        (with_intake(FRESH, phase=Phase.MUST_CLOSE), False),
        (FRESH._replace(outstanding=(SIMPLE,)), True),
        (FRESH._replace(outstanding=(SIMPLE, SIMPLE)), False),
        (FRESH._replace(outstanding=(UNSAFE,)), False),
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
        (with_intake(FRESH._replace(outstanding=(UNSAFE,)), buffer=b"x" * 49), Interest.READ),
        (with_intake(FRESH._replace(outstanding=(UNSAFE,)), buffer=b"x" * 50), Interest.NOTHING),
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


def test_settling_starts_the_clock_of_whoever_waits_for_something_new() -> None:
    after, effects = after_transition(FRESH, with_intake(FRESH, buffer=b"G"), [], CONTEXT)
    assert (after.waiting_since, effects) == (200.0, [])
    again, effects = after_transition(
        after, with_intake(after, buffer=b"GE"), [], CONTEXT._replace(now=205.0)
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
        busy._replace(incoming=Incoming(*IDLE_HTTP), outgoing=Outgoing(*NOTHING_OUTGOING)),
        [],
        CONTEXT,
    )
    assert rested.incoming is IDLE_HTTP
    assert rested.outgoing is NOTHING_OUTGOING
