"""Work is proportional to what happens, not to how many clients, topics or messages there are
(DESIGN 3, law 10).

Theory: a time says little on a busy machine, so the calls of functions are counted that an event
takes among few and among many: Python's own and those of C. A loop over all of something is seen by
the calls in it; a copy of all of it in C is one call, and is not.

Rules: the same events among few and among many may differ by the depth of trees and by where a
table of hashes stands, and by no more. It does not know times: `docs/performance.md` has those.
"""

from collections.abc import Callable

import pytest

from sigil.core.broadcast.entry import NO_OPTIONS
from sigil.core.conn import Ticket
from sigil.core.connection.client_status import SMALL_HEAD_FIELDS
from sigil.core.connection.websocket_send import buffered_amount
from sigil.core.events import (
    Event,
    HandlerReturned,
    InputRead,
    Publish,
    Received,
    Stalled,
    TickStarted,
)
from sigil.core.server import advance
from sigil.core.server.clock import is_due, next_deadline
from sigil.core.server.slots import find_client
from sigil.core.server.state import Server
from tests.support.builds import needs_pure_sources
from tests.support.core_driver import OK
from tests.support.crowds import ROOM, conns_of, idle, lagging, passed, published, websockets
from tests.support.requests import GET
from tests.support.work import RUSH, SITUATIONS, Situation, calls_of, relief

pytestmark = needs_pure_sources

FEW, MANY = 100, 2_000
MORE_CALLS = 1.5
"""How many times the calls may be among many times as many."""


def work_of(server: Server, events: list[Event]) -> int:
    """The calls of advancing a server, when all that is cached is."""
    advance(server, events)
    return calls_of(lambda: advance(server, events))


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.name)
def test_the_work_does_not_grow(situation: Situation) -> None:
    count, more = situation.few, situation.few * situation.times
    few, many = work_of(*situation.make(count)), work_of(*situation.make(more))
    if situation.is_for_each:
        few, many = few // count + 1, many // more + 1
    assert many <= MORE_CALLS * few, (few, many)


@pytest.mark.parametrize("question", [next_deadline, lambda server: is_due(server, 1.0)])
def test_asking_when_time_is_needed_does_not_grow(question: Callable[[Server], object]) -> None:
    few, many = websockets(FEW), websockets(MANY)
    assert calls_of(lambda: question(many)) <= calls_of(lambda: question(few))


def test_how_much_is_buffered_is_known_without_a_walk_over_all_of_it() -> None:
    def asking(count: int) -> int:
        server = lagging(websockets(1, limits=ROOM._replace(max_ws_send_frame_cnt=8_192)))
        server = published(server, count)
        client = find_client(server.slots, conns_of(server)[0])
        return calls_of(lambda: buffered_amount(client, server.broadcast))

    assert asking(8_000) <= asking(600) + 8_000 // 8  # a page of messages takes a few calls


def test_a_loop_is_seen() -> None:
    assert calls_of(lambda: [len(()) for _ in range(100)]) >= 100


def test_publishing_does_not_look_at_clients() -> None:
    event = Publish(((1, b"x", None, NO_OPTIONS),))
    few, many = websockets(FEW), websockets(MANY)
    assert work_of(many, [event]) <= work_of(few, [event])


def test_a_head_above_what_is_small_goes_the_usual_way() -> None:
    def asking(fields: int) -> int:
        head = (
            GET[:-2] + b"".join(b"X-%d: value\r\n" % number for number in range(fields)) + b"\r\n"
        )
        server = idle(1)
        (conn,) = conns_of(server)
        return work_of(server, [Received(conn, head), HandlerReturned(Ticket(conn, 0), (OK,))])

    assert asking(SMALL_HEAD_FIELDS + 10) - asking(SMALL_HEAD_FIELDS) <= 50 + (
        asking(SMALL_HEAD_FIELDS - 10) - asking(SMALL_HEAD_FIELDS - 20)
    )


def relieved(server: Server) -> Server:
    """The server when so many ticks have passed that a pause has ended."""
    for _ in range(40):
        if server.load.paused_at is None:
            return server
        server, _ = advance(server, [TickStarted(server.now, 0), InputRead()])
    raise AssertionError("the pause does not end")


def test_relief_that_looks_at_a_part_of_the_table_ends_all_the_same() -> None:
    server, events = relief(3 * RUSH)
    server = relieved(advance(server, events)[0])
    assert server.load.outbound <= server.limits.max_outbound_len // 2


def test_relief_leaves_those_alone_who_hold_next_to_nothing_wherever_the_largest_is() -> None:
    count = 2 * RUSH
    server = idle(count, ROOM._replace(max_outbound_len=1_000_000))
    conns = conns_of(server)
    large = {conns[count - 7], conns[count - 5]}
    stalled = [Stalled(conn, 0, (b"x" * (600_000 if conn in large else 50),)) for conn in conns]
    server = passed(advance(server, stalled)[0], 0.75)
    server = relieved(advance(server, [TickStarted(1.0, 1), InputRead()])[0])
    assert large & set(conns_of(server)) != large
    assert set(conns) - set(conns_of(server)) <= large
