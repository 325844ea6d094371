"""Every sum, list, cohort and floor of a server is what can be read off the records of its clients,
after every step, whatever comes.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sigil.core.broadcast.entry import NO_OPTIONS
from sigil.core.close_reasons import CloseReason
from sigil.core.conn import Ticket
from sigil.core.events import (
    CloseRequested,
    Delivered,
    Event,
    HalfClosed,
    HandlerReturned,
    Publish,
    Received,
    Stalled,
    Stop,
    Writable,
)
from sigil.core.http.response import Response
from sigil.core.limits import Limits
from sigil.core.server import step
from sigil.core.server.state import Server, make_server
from sigil.testing.world.checks import CHECKS, check_budgets
from tests.core.test_laws import LIMITS, TIGHT, start
from tests.support.core_driver import CONN, answered, bytes_of, get
from tests.support.core_websockets import FLUSH, OTHER
from tests.support.requests import UPGRADE
from tests.support.strategies import events

FULL = TIGHT._replace(max_ws_connection_cnt=1, max_outbox_len=60)


def violations(server: Server) -> list[str]:
    """What is not as the records say, but for budgets, which are those of a program that asks
    before it sends.
    """
    checks = [check for check in CHECKS if check is not check_budgets]
    return [str(violation) for check in checks for violation in check(server)]


@settings(max_examples=400, deadline=None)
@given(events(), st.sampled_from((LIMITS, TIGHT, FULL)))
def test_every_sum_and_every_list_is_what_the_records_say_after_every_step(
    run: list[Event], limits: Limits
) -> None:
    server = start(limits)
    assert violations(server) == []
    for event in run:
        server, _ = step(server, event)
        assert (violations(server), event) == ([], event)


BEFORE: dict[str, tuple[Event, ...]] = {
    "nothing": (),
    "close": (CloseRequested(CONN, CloseReason.OK),),
    "failure": (CloseRequested(CONN, CloseReason.HANDLER_ERROR),),
    "half-closed": (HalfClosed(CONN),),
    "draining": (Stop(5.0),),
    "behind": (Stalled(CONN, 0, (b"x" * 20,)),),
    "violation": (Received(CONN, b"\x00\x00"),),
    "published": (Publish(((1, b"x", None, NO_OPTIONS),)),),
    "full": (
        Received(OTHER, get("/")),
        HandlerReturned(Ticket(OTHER, 0), (Response.sse(),)),
    ),
}
"""What may have become of a connection, or of the server, before a late response comes."""
LATE = (Response.sse(), Response.sse(history=3, topics=("a",)), Response.upgrade())


@pytest.mark.parametrize("first", BEFORE)
@pytest.mark.parametrize("second", BEFORE)
@pytest.mark.parametrize("response", LATE, ids=lambda response: type(response.body).__name__)
def test_a_late_response_that_subscribes_is_counted_in_every_state_and_at_the_end_not_at_all(
    first: str, second: str, response: Response
) -> None:
    server = start(FULL._replace(max_inbound_len=10_000, max_header_len=400))
    ends: list[Event] = [Delivered(CONN), FLUSH, Writable(CONN), FLUSH, Stop(0.0)]
    for event in (
        Received(CONN, UPGRADE),
        *BEFORE[first],
        *BEFORE[second],
        answered(0, response),
        *ends,
    ):
        server, _ = step(server, event)
        assert (violations(server), event) == ([], event)
    assert (server.load.websockets, server.load.inbound, server.load.outbound) == (0, 0, 0)
    assert (server.broadcast.encoding_counts, server.slots.used) == ((), 0)


def test_an_upgrade_after_a_close_is_refused_and_the_connection_closed() -> None:
    server = start(LIMITS)
    for event in (Received(CONN, UPGRADE), CloseRequested(CONN, CloseReason.OK)):
        server, _ = step(server, event)
    server, effects = step(server, answered(0, Response.upgrade()))
    assert bytes_of(effects).startswith(b"HTTP/1.1 503 ")
    assert server.load.websockets == 0


def test_the_checks_find_a_sum_that_is_not_one() -> None:
    server = start(LIMITS)
    assert violations(server) == []
    load = server.load
    assert violations(server.replace(load=load.replace(inbound=1)))
    assert violations(server.replace(load=load.replace(websockets=1)))
    assert violations(server.replace(unflushed=server.unflushed.append(CONN)))
    assert violations(server.replace(wheel=make_server(LIMITS, 0.0, 0).wheel))
