"""Who goes first: places, memory, and what becomes of those who have to give way."""

from math import inf

import pytest

from sigil.core.conn import Conn, Ticket
from sigil.core.connection.deadlines import Waiting, deadline_of, timeout_of, waiting_for
from sigil.core.effects import Handle, Watch
from sigil.core.events import (
    Accepted,
    Event,
    HalfClosed,
    HandlerReturned,
    Received,
    Stalled,
    TimeRead,
    Writable,
)
from sigil.core.http.response import Response
from sigil.core.limits import Limits
from sigil.core.server import make_server
from sigil.core.server.admission import accept_room
from sigil.core.server.budgets import Load
from sigil.core.server.clock import next_deadline
from sigil.core.server.slots import clients_of
from sigil.core.server.state import Server, counted_now
from sigil.core.server.stats import stats
from tests.support.core_driver import (
    CONN,
    HELLO,
    OK,
    PEER,
    advance_by,
    at,
    bytes_of,
    client_of,
    effect_names,
    fate_of,
    requests_of,
)
from tests.support.core_websockets import FLUSH, open_websocket, sending
from tests.support.requests import GET

HALF = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n" + bytes(50)
BIG = Response.bytes(bytes(600))


def crowd(count: int, limits: Limits) -> Server:
    """So many connections, the one in slot n accepted at second n."""
    server = make_server(limits, 0.0, 0)
    for number in range(count):
        server, _ = advance_by(server, at(float(number)), Accepted(number, PEER))
    return server


def conn(slot: int) -> Conn:
    """The connection that was the first in its slot."""
    return Conn(slot, slot)


def owing(server: Server, slot: int, taken: int = 0) -> Server:
    """The server after this client has asked, and has taken so many bytes of a large answer."""
    server, effects = advance_by(server, Received(conn(slot), GET))
    assert isinstance(effects[0], Handle)
    server, effects = advance_by(server, HandlerReturned(effects[0].ticket, (BIG,)))
    data = bytes_of(effects)
    return advance_by(server, Stalled(conn(slot), taken, (data[taken:],)))[0]


# -- places ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("events", "slot"),
    [
        ((), 0),
        ((Received(conn(0), GET), HandlerReturned(Ticket(conn(0), 0), (OK,))), 1),
        ((Received(conn(0), GET[:9]), Received(conn(1), HALF), Received(conn(2), GET)), 0),
        ((Received(conn(0), GET), Received(conn(1), HALF), Received(conn(2), GET)), 1),
        ((Received(conn(0), GET), Received(conn(1), GET), Received(conn(2), GET)), 0),
        (
            (
                Received(conn(2), GET),
                HandlerReturned(Ticket(conn(2), 0), (BIG,)),
                Stalled(conn(2), 1, (bytes(500),)),
            ),
            2,
        ),
    ],
)
def test_the_place_of_whoever_holds_up_most_is_given_to_a_newcomer(
    events: tuple[Event, ...], slot: int
) -> None:
    server, _ = advance_by(crowd(3, Limits(max_connection_cnt=3)), at(9.0), *events)
    server, effects = advance_by(server, Accepted(7, PEER))
    assert effect_names(effects)[0] == "Log"
    assert effect_names(effects)[-4:] == ["Drop", "CallClose", "Adopt", "CallOpen"]
    assert effects[-2].conn == Conn(slot, 3)  # type: ignore[union-attr]
    assert stats(server).closed == {"EVICTED": 1}


def downloading(bytes_per_tick: int, until: float) -> Server:
    """A full server of three: the first client takes so much of its response in each tick, a tenth
    of a second, until this second; the second one is idle, the third waits for its response.
    """
    limits = Limits(max_connection_cnt=3, idle_timeout=inf, stall_timeout=inf)
    server, _ = advance_by(crowd(3, limits), Received(conn(2), GET))
    server, _ = advance_by(server, at(9.0), Received(conn(0), GET))
    server, effects = advance_by(
        server, HandlerReturned(Ticket(conn(0), 0), (Response.bytes(bytes(2**22)),))
    )
    left = bytes_of(effects)
    server, _ = advance_by(server, Stalled(conn(0), 0, (left,)))
    for tick in range(91, round(until * 10) + 1):
        left = left[bytes_per_tick:]
        server, _ = advance_by(
            server, at(tick / 10), Writable(conn(0)), Stalled(conn(0), bytes_per_tick, (left,))
        )
    return server


@pytest.mark.parametrize(
    ("server", "slot"),
    [
        (downloading(200_000, 10.0), 1),
        (downloading(1_000, 20.0), 1),
        (downloading(500, 20.0), 0),
        (advance_by(downloading(200_000, 10.0), at(14.9))[0], 1),
        (advance_by(downloading(200_000, 10.0), at(15.1))[0], 0),
    ],
    ids=["fast", "good enough", "slow", "paused", "stalled"],
)
def test_a_download_that_is_read_at_a_good_rate_goes_last(server: Server, slot: int) -> None:
    server, effects = advance_by(server, Accepted(7, PEER))
    assert effects[-2].conn == Conn(slot, 3)  # type: ignore[union-attr]


def test_a_download_that_goes_on_goes_after_one_that_waits_for_its_response() -> None:
    server, _ = advance_by(downloading(200_000, 10.0), Accepted(7, PEER), Received(Conn(1, 3), GET))
    _, effects = advance_by(server, Accepted(8, PEER))
    assert effects[-2].conn == Conn(2, 4)  # type: ignore[union-attr]


def test_whoever_is_evicted_while_an_answer_is_made_gets_a_503() -> None:
    server, _ = advance_by(crowd(1, Limits(max_connection_cnt=1)), Received(conn(0), GET))
    _, effects = advance_by(server, Accepted(7, PEER))
    assert bytes_of(effects).startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert fate_of(effects) == "drop"


def test_a_crowd_at_the_door_is_let_in_one_for_one() -> None:
    server = crowd(100, Limits(max_connection_cnt=100, idle_timeout=inf))
    server, effects = advance_by(
        server, at(200.0), *(Accepted(number, PEER) for number in range(250))
    )
    assert effect_names(effects).count("Adopt") == effect_names(effects).count("CallClose") == 250
    figures = stats(server)
    assert (figures.clients, figures.accepted, figures.rejected) == (100, 350, 0)


def test_who_is_to_wait_is_told_by_the_room_there_is() -> None:
    assert accept_room(crowd(2, Limits(max_connection_cnt=3, full_policy="wait"))) == 1
    assert accept_room(crowd(3, Limits(max_connection_cnt=3, full_policy="wait"))) == 0
    assert accept_room(crowd(3, Limits(max_connection_cnt=3))) > 1_000


# -- what clients send -----------------------------------------------------------------------------


def test_at_the_inbound_budget_all_is_well_and_one_past_it_the_slowest_sender_is_told_503() -> None:
    server = crowd(3, Limits(max_inbound_len=110))
    server, effects = advance_by(
        server, at(9.0), Received(conn(1), HALF), at(10.0), Received(conn(2), HALF + bytes(10))
    )
    assert effects == []
    assert server.load == Load(110, 0, None, 0)
    server, effects = advance_by(server, at(11.0), Received(conn(0), b"G"))
    assert effect_names(effects) == ["Log", "Send", "Watch"] or effect_names(effects) == [
        "Log",
        "Send",
    ]
    assert effects[1].conn == conn(1)  # type: ignore[union-attr]
    assert bytes_of(effects).startswith(b"HTTP/1.1 503 ")
    assert b"make room for others" in bytes_of(effects)
    assert server.load == Load(61, 0, None, 0)


# -- what clients owe us reading -------------------------------------------------------------------

LIMITS = Limits(max_outbound_len=1_000, rate_grace=9.0)


def test_over_the_outbound_budget_nothing_is_handed_out_until_half_of_it_is_taken() -> None:
    server = owing(crowd(3, LIMITS), 0)
    assert server.load.paused_at is None
    server = owing(server, 1)
    assert server.load.paused_at == server.now
    assert server.load.outbound > 1_000
    server, effects = advance_by(server, Received(conn(2), GET), Received(conn(2), HELLO))
    assert requests_of(effects) == []
    server, effects = advance_by(server, Writable(conn(0)))
    assert requests_of(effects) == []
    server, effects = advance_by(server, Writable(conn(1)))
    assert [request.method for request in requests_of(effects)] == ["GET", "POST"]
    assert server.load == Load(0, 0, None, 0)


def test_after_a_second_of_too_much_the_slowest_readers_are_dropped() -> None:
    server = owing(owing(owing(crowd(4, LIMITS), 0, 100), 1, 400), 2, 500)
    assert server.load.paused_at == 3.0
    server, effects = advance_by(server, Received(conn(3), GET), at(3.5))
    assert effects == []
    assert next_deadline(server) is not None
    assert next_deadline(server) <= 4.0  # type: ignore[operator]
    server, effects = advance_by(server, at(4.0))
    assert effect_names(effects)[:2] == ["Drop", "CallClose"]
    assert stats(server).closed == {"TOO_SLOW": 2}
    assert [request.path for request in requests_of(effects)] == ["/"]
    assert server.load.outbound < 500


# -- rates -----------------------------------------------------------------------------------------

RATES = Limits(
    body_timeout=1_000.0, stall_timeout=1_000.0, rate_grace=5.0, min_body_rate=10, min_read_rate=10
)


def test_a_body_at_the_least_rate_is_waited_for_and_a_slower_one_is_408() -> None:
    server = crowd(1, RATES)
    server, _ = advance_by(server, at(10.0), Received(conn(0), HALF[:-50]))
    for second in range(11, 60):
        server, effects = advance_by(server, at(float(second)), Received(conn(0), bytes(1)))
        if effects:
            break
    assert second == 16  # five seconds of grace, and a tenth for each of the bytes
    assert bytes_of(effects).startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    server = crowd(1, RATES)
    server, _ = advance_by(server, at(10.0), Received(conn(0), HALF[:-50]))
    for second in range(11, 20):
        server, effects = advance_by(server, at(float(second)), Received(conn(0), bytes(10)))
        assert effects == []


def test_a_reader_at_the_least_rate_is_waited_for_and_a_slower_one_is_dropped() -> None:
    def last_second(rate: int) -> int:
        server = owing(crowd(1, RATES), 0)
        left = b"".join(next(clients_of(server.slots)).outgoing.outbox)
        for second in range(1, 60):
            left = left[rate:]
            server, effects = advance_by(
                server, at(float(second)), Writable(conn(0)), Stalled(conn(0), rate, (left,))
            )
            if "Drop" in effect_names(effects):
                assert stats(server).closed == {"TOO_SLOW": 1}
                return second
        return 60

    assert last_second(1) <= 7
    assert last_second(10) == 60


def test_what_the_kernel_hands_back_is_not_what_a_reader_has_taken_too_slowly() -> None:
    """A queue is sent up to a budget and the client waited for; that the kernel took none of it is
    heard afterwards.
    """
    limits = RATES._replace(max_outbox_len=1_000, ws_ping_interval=1_000.0)
    server, _ = advance_by(
        open_websocket(limits), at(100.0), *[sending(bytes(400)) for _ in range(5)], FLUSH
    )
    client = client_of(server)
    assert (
        waiting_for(client) is Waiting.WRITE
        and client.subscriber is not None
        and client.subscriber.queue
    )
    server, _ = advance_by(server, Stalled(CONN, 0, (bytes(1_200),)))
    assert deadline_of(client_of(server), limits) == 105.0
    server, effects = advance_by(server, at(104.9))
    assert "Drop" not in effect_names(effects)


def test_a_clock_that_is_read_within_a_turn_makes_nobody_late() -> None:
    server, effects = advance_by(owing(crowd(1, RATES), 0), TimeRead(10_000.0, 0))
    assert effects == [] and server.now == 10_000.0
    assert advance_by(server, at(10_000.0))[1] == []
    assert "Drop" in effect_names(advance_by(server, at(10_005.0))[1])


def test_a_reader_by_the_byte_gains_no_time_by_clocks_that_are_read_within_a_turn() -> None:
    server = owing(crowd(1, RATES), 0)
    left = b"".join(next(clients_of(server.slots)).outgoing.outbox)
    for second in range(1, 20):
        left = left[1:]
        server, effects = advance_by(
            server,
            at(float(second)),
            Writable(conn(0)),
            TimeRead(second + 0.1, 0),
            HalfClosed(conn(0)),
            TimeRead(second + 0.2, 0),
            Stalled(conn(0), 1, (left,)),
        )
        if "Drop" in effect_names(effects):
            break
    assert second <= 7


def test_who_has_caught_up_and_falls_behind_before_the_next_turn_has_all_its_time() -> None:
    server = owing(crowd(1, RATES), 0)
    server, effects = advance_by(server, at(4.0), Writable(conn(0)))
    assert bytes_of(effects)
    server, effects = advance_by(server, Received(conn(0), GET))
    server, effects = advance_by(
        server, TimeRead(1_000.0, 0), HandlerReturned(Ticket(conn(0), 1), (BIG,))
    )
    data, now = bytes_of(effects), counted_now(server)
    server, _ = advance_by(server, Stalled(conn(0), 0, (data,)), at(1_004.0))
    client = next(clients_of(server.slots))
    assert timeout_of(client, waiting_for(client), RATES) == now + 5.0


# -- requests per connection -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "reads", [[GET * 5], [GET] * 5, [GET + GET, GET + GET + GET], [GET, HELLO + GET, GET]]
)
def test_the_last_request_of_a_connection_is_the_last(reads: list[bytes]) -> None:
    server, output, asked = crowd(1, Limits(max_requests_per_connection=3)), b"", 0
    for data in reads:
        server, effects = advance_by(server, Received(conn(0), data))
        while orders := [order for order in effects if isinstance(order, Handle)]:
            asked += len(requests_of(effects))
            server, effects = advance_by(
                server,
                *(HandlerReturned(order.ticket, (OK,) * len(order.requests)) for order in orders),
            )
            output += bytes_of(effects)
    assert asked == 3
    assert output.count(b"HTTP/1.1 200 OK\r\n") == 3
    assert output.count(b"Connection: close\r\n") == 1
    assert output.rindex(b"HTTP/1.1 200") < output.index(b"Connection: close\r\n")
    assert not any(isinstance(effect, Watch) and effect.interest == 0 for effect in effects)
