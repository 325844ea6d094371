"""What an event does to one connection: half-closes, stalls, failures, hang-ups and lingering."""

import pytest

from sigil.core.close_reasons import CloseReason
from sigil.core.conn import Conn, Ticket
from sigil.core.connection.client import Phase
from sigil.core.effects import CallClose, Drop, Effect, Interest, Log, Send, Then, Watch
from sigil.core.events import (
    Accepted,
    CloseRequested,
    ConnectionLost,
    Event,
    HalfClosed,
    HandlerFailed,
    HandlerReturned,
    Received,
    Stalled,
    StreamChunk,
    StreamEnded,
    Writable,
)
from sigil.core.http.bodies import StreamedBody
from sigil.core.http.response import Response
from sigil.core.limits import Limits
from sigil.core.server import step
from sigil.core.server.slots import clients_of
from sigil.core.server.state import Server
from sigil.core.server.stats import stats
from tests.support.core_driver import (
    CONN,
    HELLO,
    OK,
    OK_BYTES,
    OK_CLOSE,
    advance_by,
    answered,
    asked,
    at,
    bytes_of,
    client_of,
    drive,
    effect_names,
    fate_of,
    get,
    requests_of,
    same,
    serving,
    ticket,
)
from tests.support.requests import GET

LAST = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
BAD = b"GET /\r\n\r\n"


def gone(reason: CloseReason) -> list[object]:
    """The orders that end a connection for a reason."""
    return [Drop(CONN), CallClose(CONN, reason)]


# -- errors ----------------------------------------------------------------------------------------


def test_a_bad_request_is_answered_and_the_connection_shut() -> None:
    effects = advance_by(serving(), Received(CONN, b"GET / HTTP/1.1\r\n\r\n"))[1]
    assert same(
        effects[0],
        Log(
            "sigil.server", 20, "192.0.2.1:5000 refused with 400, BAD_HOST: the request has no Host"
        ),
    )
    assert bytes_of(effects) == (
        b"HTTP/1.1 400 Bad Request\r\nContent-Length: 41\r\nConnection: close\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\r\n"
        b"400 Bad Request: the request has no Host\n"
    )
    assert fate_of(effects) == "shut"
    assert effect_names(effects) == ["Log", "Send"]


def test_a_bad_head_request_is_answered_without_a_body() -> None:
    output = drive(serving(), [b"HEAD / HTTP/1.1\r\n\r\n"]).output
    assert output.startswith(b"HTTP/1.1 400 ")
    assert output.endswith(b"\r\n\r\n")
    assert output.count(b"\r\n\r\n") == 1


def test_good_requests_before_a_bad_one_are_answered_first_and_nothing_after_it() -> None:
    driven = drive(serving(), [get("/1") + HELLO + get("/3") + BAD + get("/4")])
    assert [request.target for request in driven.requests] == ["/1", "/p", "/3"]
    statuses = [part[:3] for part in driven.output.split(b"HTTP/1.1 ")[1:]]
    assert (statuses[:4], driven.fate) == ([b"200", b"200", b"200", b"400"], "shut")


def test_the_error_waits_until_the_last_owed_answer_is_there() -> None:
    server, effects = advance_by(serving(), Received(CONN, get("/1") + get("/2") + BAD))
    server, effects = advance_by(server, answered(1, OK))
    assert effects == []
    effects = advance_by(server, answered(0, OK))[1]
    assert bytes_of(effects).startswith(OK_BYTES + OK_BYTES + b"HTTP/1.1 400 ")
    assert fate_of(effects) == "shut"


# -- half-close ------------------------------------------------------------------------------------


def test_an_idle_client_that_ends_its_half_has_closed() -> None:
    assert same(advance_by(serving(), at(1.0), HalfClosed(CONN))[1], gone(CloseReason.PEER_CLOSED))


def test_a_half_close_in_the_tick_of_a_response_shuts_so_that_the_response_arrives() -> None:
    server, effects = advance_by(asked(GET), answered(0, OK), HalfClosed(CONN))
    assert same(effects, [Send(CONN, (OK_BYTES,), Then.SHUT)])
    assert same(advance_by(server, HalfClosed(CONN))[1][0], Drop(CONN))


def test_a_client_that_ends_its_half_still_gets_what_it_is_owed() -> None:
    server, effects = advance_by(asked(GET), HalfClosed(CONN))
    assert same(effects, [Watch(CONN, Interest.NOTHING)])
    server, effects = advance_by(server, answered(0, OK))
    assert same(effects, [Send(CONN, (OK_CLOSE,), Then.SHUT), Watch(CONN, Interest.READ)])
    assert same(advance_by(server, HalfClosed(CONN))[1], gone(CloseReason.OK))


@pytest.mark.parametrize("data", [b"GET", GET[:-1], HELLO[:-1], b"\r"])
def test_half_a_request_at_the_end_of_the_input_is_a_bad_one(data: bytes) -> None:
    effects = advance_by(asked(data), HalfClosed(CONN))[1]
    assert bytes_of(effects).endswith(
        b"400 Bad Request: the connection was closed before the request was complete\n"
    )
    assert fate_of(effects) == "shut"


@pytest.mark.parametrize("first", [HELLO, get("/p")])
def test_complete_requests_that_wait_at_the_end_of_the_input_are_all_answered(first: bytes) -> None:
    limits = Limits(max_queued_requests=1)
    server, effects = advance_by(
        serving(limits), Received(CONN, first + get("/2") + get("/3")), HalfClosed(CONN)
    )
    targets, output = [], b""
    for number in range(3):
        targets += [request.target for request in requests_of(effects)]
        server, effects = advance_by(server, answered(number, OK))
        output += bytes_of(effects)
    assert targets == ["/p", "/2", "/3"]
    assert output == OK_BYTES + OK_BYTES + OK_CLOSE
    assert fate_of(effects) == "shut"


def test_the_end_of_the_input_after_our_last_answer_ends_the_connection() -> None:
    server, _ = advance_by(asked(LAST), answered(0, OK))
    assert same(advance_by(server, HalfClosed(CONN))[1], gone(CloseReason.OK))


def test_the_end_of_the_input_does_not_overtake_a_last_answer_that_is_not_taken() -> None:
    server, _ = advance_by(asked(LAST), answered(0, OK))
    server, _ = advance_by(server, Stalled(CONN, 0, (OK_CLOSE,)))
    server, effects = advance_by(server, HalfClosed(CONN))
    assert "Drop" not in effect_names(effects)
    assert same(advance_by(server, Writable(CONN))[1][0], Send(CONN, (OK_CLOSE,), Then.SHUT))


# -- stalls ----------------------------------------------------------------------------------------


def test_what_the_kernel_does_not_take_is_kept_and_sent_when_it_can_be() -> None:
    server, _ = advance_by(asked(GET), answered(0, OK))
    server, effects = advance_by(server, Stalled(CONN, 10, (OK_BYTES[10:],)))
    assert same(effects, [Watch(CONN, Interest.BOTH)])
    assert stats(server).bytes_out == 10
    server, effects = advance_by(server, Writable(CONN))
    assert same(effects, [Send(CONN, (OK_BYTES[10:],), Then.KEEP), Watch(CONN, Interest.READ)])
    assert stats(server).bytes_out == len(OK_BYTES)


def test_while_something_is_not_taken_nothing_overtakes_it() -> None:
    server, _ = advance_by(asked(get("/1") + get("/2")), answered(0, OK))
    server, _ = advance_by(server, Stalled(CONN, 0, (OK_BYTES,)))
    server, effects = advance_by(server, answered(1, Response.text("no")))
    assert effects == []
    assert (
        bytes_of(advance_by(server, Writable(CONN))[1])
        == OK_BYTES + OK_BYTES.removesuffix(b"ok") + b"no"
    )


def test_a_client_that_does_not_read_is_not_read_either() -> None:
    limits = Limits(max_outbox_len=100)
    server, _ = advance_by(asked(GET, limits), answered(0, OK))
    server, effects = advance_by(server, Stalled(CONN, 0, (b"x" * 99,)))
    assert same(effects, [Watch(CONN, Interest.BOTH)])
    server, effects = advance_by(server, Received(CONN, GET))
    assert effect_names(effects) == ["Handle"]
    server, effects = advance_by(server, answered(1, OK), Received(CONN, GET))
    assert same(effects, [Watch(CONN, Interest.WRITE)])
    server, effects = advance_by(server, Writable(CONN))
    assert effect_names(effects) == ["Send"]
    server, effects = advance_by(server, Writable(CONN))
    assert effect_names(effects) == ["Handle", "Watch"]


def test_being_writable_with_nothing_to_write_is_nothing() -> None:
    server = serving()
    after, effects = advance_by(server, Writable(CONN))
    assert effects == []
    assert same(client_of(after), client_of(server))


LARGE = Response.bytes(b"x" * 100)


def full(*more: Event) -> tuple[Server, list[Effect]]:
    """A server that has just sent more than a client may owe us reading, with a request waiting
    behind it.
    """
    return advance_by(
        advance_by(asked(HELLO + GET, Limits(max_outbox_len=100)), *more)[0], answered(0, LARGE)
    )


def test_behind_more_than_the_kernel_may_have_taken_the_next_request_waits_for_room() -> None:
    server, effects = full()
    assert effect_names(effects) == ["Send", "Watch"]
    assert same(effects[1], Watch(CONN, Interest.WRITE))
    server, effects = advance_by(server, Writable(CONN))
    assert effect_names(effects) == ["Handle", "Watch"]
    assert same(effects[1], Watch(CONN, Interest.READ))
    assert same(advance_by(server, answered(1, OK))[1], [Send(CONN, (OK_BYTES,), Then.KEEP)])


def test_a_complete_request_that_waits_for_room_at_the_end_of_the_input_is_answered() -> None:
    server, effects = full(HalfClosed(CONN))
    assert fate_of(effects) == "keep"
    effects = advance_by(server, Writable(CONN))[1]
    assert len(requests_of(effects)) == 1


def test_a_complete_request_behind_a_full_outbox_at_the_end_of_the_input_is_answered() -> None:
    server, _ = advance_by(
        asked(GET, Limits(max_outbox_len=100)), answered(0, OK), Received(CONN, HELLO + GET)
    )
    server, _ = advance_by(server, HalfClosed(CONN), Stalled(CONN, 0, (b"x" * 100,)))
    server, effects = advance_by(server, answered(1, OK))
    assert fate_of(effects) == "keep"
    server, effects = advance_by(server, Writable(CONN))
    assert effect_names(effects) == ["Send"]
    effects = advance_by(server, Writable(CONN))[1]
    assert len(requests_of(effects)) == 1


def test_a_connection_that_is_hung_up_while_it_waits_for_room_lingers_no_longer_than_others() -> (
    None
):
    server, _ = full()
    server, effects = advance_by(server, CloseRequested(CONN, CloseReason.HANDLER_ERROR))
    assert fate_of(effects) == "shut"
    assert advance_by(server, at(1.9))[1] == []
    assert same(advance_by(server, at(1.95), at(2.1))[1], gone(CloseReason.HANDLER_ERROR))


# -- ends ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"\r\n", b"GET", GET, HELLO, HELLO[:-1]])
def test_a_broken_connection_is_gone_at_once(data: bytes) -> None:
    assert same(advance_by(asked(data), ConnectionLost(CONN, 104))[1], gone(CloseReason.PEER_RESET))


def test_a_connection_that_breaks_after_our_last_answer_ended_well() -> None:
    server, _ = advance_by(asked(LAST), answered(0, OK))
    assert same(advance_by(server, ConnectionLost(CONN, 104))[1], gone(CloseReason.OK))


def test_a_hang_up_comes_after_what_is_owed() -> None:
    server, effects = advance_by(asked(GET), CloseRequested(CONN, CloseReason.HANDLER_ERROR))
    assert bytes_of(effects) == b""
    effects = advance_by(server, Received(CONN, GET), answered(0, OK))[1]
    assert bytes_of(effects).startswith(OK_BYTES + b"HTTP/1.1 500 Internal Server Error\r\n")
    assert (fate_of(effects), len(requests_of(effects))) == ("shut", 0)


@pytest.mark.parametrize("reason", list(CloseReason))
def test_a_hang_up_may_have_any_reason(reason: CloseReason) -> None:
    effects = advance_by(serving(), CloseRequested(CONN, reason))[1]
    assert fate_of(effects) in ("shut", "drop")


@pytest.mark.parametrize("status", [0, 99, 199, 600, -1])
def test_user_code_may_refuse_with_a_status_that_is_none(status: int) -> None:
    effects = advance_by(asked(GET), HandlerFailed(ticket(0), status, "", ""))[1]
    assert bytes_of(effects).startswith(b"HTTP/1.1 500 ")


def test_what_is_sent_after_our_last_answer_is_thrown_away_up_to_a_bound() -> None:
    limits = Limits(max_linger_len=10)
    server, _ = advance_by(asked(LAST, limits), answered(0, OK))
    server, effects = advance_by(server, Received(CONN, b"x" * 10))
    assert effects == []
    assert client_of(server).incoming.discarded == 10
    assert same(advance_by(server, Received(CONN, b"x"))[1], gone(CloseReason.OK))


def test_what_is_sent_while_the_last_answer_is_owed_is_thrown_away_up_to_a_bound() -> None:
    limits = Limits(max_linger_len=10)
    server, effects = advance_by(asked(LAST, limits), Received(CONN, b"x" * 10))
    assert effects == []
    server, effects = advance_by(server, Received(CONN, b"x"))
    assert same(effects, [Watch(CONN, Interest.NOTHING)])
    effects = advance_by(server, answered(0, OK))[1]
    assert same(effects, [Send(CONN, (OK_CLOSE,), Then.SHUT), Watch(CONN, Interest.READ)])


def test_the_bound_is_one_for_all_reads_before_and_after_the_last_answer() -> None:
    limits = Limits(max_linger_len=10)
    server = asked(LAST, limits)
    for _ in range(2):
        server, effects = advance_by(server, Received(CONN, b"x" * 3))
        assert effects == []
    server, _ = advance_by(server, answered(0, OK))
    server, effects = advance_by(server, Received(CONN, b"x" * 4))
    assert effects == []
    assert same(advance_by(server, Received(CONN, b"x"))[1], gone(CloseReason.OK))


def test_an_event_stream_throws_away_as_much_in_many_reads_as_in_one() -> None:
    server, _ = advance_by(
        asked(GET, Limits(max_linger_len=10)), answered(0, Response.sse(topics=("a",)))
    )
    for _ in range(5):
        server, effects = advance_by(server, Received(CONN, b"xx"))
        assert effects == []
    server, effects = advance_by(server, Received(CONN, b"x"))
    assert same(effects, [Watch(CONN, Interest.NOTHING)])


def test_whoever_goes_on_sending_after_the_last_answer_gains_no_time_by_it() -> None:
    server, _ = advance_by(asked(LAST, Limits(linger_timeout=2.0)), answered(0, OK))
    for tenth in range(1, 20):
        server, effects = advance_by(server, at(tenth / 10), Received(CONN, b"x"))
        assert effects == []
    _, effects = advance_by(server, at(2.0), Received(CONN, b"x"))
    assert same(effects, gone(CloseReason.OK))


# -- nobody there ----------------------------------------------------------------------------------


def late(conn: Conn) -> list[Event]:
    """One event of each kind for a connection."""
    first = Ticket(conn, 0)
    return [
        Received(conn, GET),
        HalfClosed(conn),
        ConnectionLost(conn, 104),
        CloseRequested(conn, CloseReason.HANDLER_ERROR),
        HandlerReturned(first, (OK,)),
        HandlerReturned(first, (Response(200, (), StreamedBody(())),)),
        HandlerFailed(first, 500, "", "x"),
        StreamChunk(first, b"x"),
        StreamEnded(first),
        Stalled(conn, 0, (b"x",)),
        Writable(conn),
    ]


@pytest.mark.parametrize("conn", [Conn(0, 0), Conn(0, 5), Conn(1, 1), Conn(99, 99), Conn(-1, 0)])
def test_events_for_connections_that_are_gone_or_never_were_give_no_orders(conn: Conn) -> None:
    server, _ = advance_by(asked(GET), ConnectionLost(CONN, 104))
    for event in late(conn):
        after, effects = step(server, event)
        assert effects == ()
        assert same(after.replace(totals=server.totals), server)


def test_a_late_answer_does_not_reach_who_has_the_slot_now() -> None:
    server, _ = advance_by(
        asked(GET), ConnectionLost(CONN, 104), Accepted(9, client_of(serving()).peer)
    )
    server, _ = advance_by(server, Received(Conn(0, 1), GET))
    for event in late(CONN):
        after, effects = advance_by(server, event)
        assert effects == []
        assert same(after.slots, server.slots)
    assert (
        bytes_of(advance_by(server, HandlerReturned(Ticket(Conn(0, 1), 0), (OK,)))[1]) == OK_BYTES
    )


# -- once known differences between ways to cut the same bytes -------------------------------------


def test_the_longest_method_alone_on_its_line_has_one_verdict() -> None:
    data = b"A" * 32 + b"\r\n\r\n"
    assert drive(serving(), [data[:33], data[33:]]).output == drive(serving(), [data]).output


@pytest.mark.parametrize("first", [b"\r\n", GET])
def test_a_bad_byte_behind_a_request_is_refused_as_early_as_alone(first: bytes) -> None:
    assert drive(serving(), [first, b"\x00ab"]).fate == "shut"
    assert drive(serving(), [first + b"\x00ab"]).fate == "shut"


def test_a_client_that_sends_nothing_but_line_ends_is_not_kept_for_ever() -> None:
    server, now = serving(), 0.0
    while now < 600.0 and client_count(server) == 1:
        server, _ = advance_by(
            server,
            at(now := now + 9.0),
            Received(CONN, b"\r"),
            at(now := now + 9.0),
            Received(CONN, b"\n"),
        )
    assert client_count(server) == 0


def client_count(server: Server) -> int:
    """How many connections are open and not lingering."""
    return sum(client.incoming.phase is not Phase.LINGER for client in clients_of(server.slots))
