"""Figures: what is counted when, while connections live and after they have ended."""

from sigil.core.build import core_build
from sigil.core.close_reasons import CloseReason
from sigil.core.conn import Conn, Ticket
from sigil.core.events import (
    Accepted,
    ConnectionLost,
    HandlerFailed,
    HandlerReturned,
    Received,
    Stalled,
)
from sigil.core.limits import Limits
from sigil.core.server import make_server
from sigil.core.server.state import Server
from sigil.core.server.stats import Stats, stats
from tests.support.core_driver import (
    CONN,
    OK,
    OK_BYTES,
    PEER,
    advance_by,
    answered,
    asked,
    at,
    bytes_of,
    serving,
    ticket,
)
from tests.support.requests import GET


def figures(server: Server, **changes: object) -> Stats:
    """The figures of a server with one quiet connection, changed in these."""
    quiet = Stats(
        uptime_seconds=0.0,
        clients=1,
        accepted=1,
        rejected=0,
        requests=0,
        bytes_in=0,
        bytes_out=0,
        outbox_bytes=0,
        stale_responses=0,
        closed={},
        sse_skipped=0,
        skips=0,
        skipped_messages=0,
        retained_dropped=0,
        core=core_build(),
    )
    assert type(stats(server)) is Stats
    return quiet._replace(**changes)  # type: ignore[arg-type]


def test_a_new_server_has_counted_nothing() -> None:
    assert stats(make_server(Limits(), 5.0, 0)) == figures(serving(), clients=0, accepted=0)


def test_requests_and_bytes_are_counted_while_the_connection_lives_and_kept_when_it_has_ended() -> (
    None
):
    server, _ = advance_by(asked(GET), answered(0, OK), at(7.0))
    counted = {
        "uptime_seconds": 7.0,
        "requests": 1,
        "bytes_in": len(GET),
        "bytes_out": len(OK_BYTES),
    }
    assert stats(server) == figures(server, **counted)
    server, _ = advance_by(server, ConnectionLost(CONN, 104))
    assert stats(server) == figures(server, clients=0, closed={"PEER_RESET": 1}, **counted)


def test_what_is_not_taken_is_owed_and_not_sent() -> None:
    server, _ = advance_by(asked(GET), answered(0, OK))
    server, _ = advance_by(server, Stalled(CONN, 3, (OK_BYTES[3:],)))
    expected = figures(
        server, requests=1, bytes_in=len(GET), bytes_out=3, outbox_bytes=len(OK_BYTES) - 3
    )
    assert stats(server) == expected


def test_who_is_turned_away_is_counted_apart() -> None:
    server, _ = advance_by(
        serving(Limits(max_connection_cnt=1, full_policy="503")), Accepted(8, PEER)
    )
    assert stats(server) == figures(server, rejected=1)


def test_answers_that_come_too_late_are_counted() -> None:
    server, _ = advance_by(asked(GET), ConnectionLost(CONN, 104))
    server, _ = advance_by(
        server,
        answered(0, OK),
        HandlerFailed(ticket(0), 500, "", ""),
        HandlerReturned(Ticket(Conn(9, 9), 0), (OK,)),
        Received(CONN, GET),
    )
    assert stats(server).stale_responses == 3


def test_ends_are_counted_by_the_name_of_their_reason_in_alphabetical_order() -> None:
    server = make_server(Limits(), 0.0, 0)
    for turn in range(3):
        server, _ = advance_by(server, Accepted(turn, PEER))
    for turn in range(2):
        server, _ = advance_by(server, ConnectionLost(Conn(turn, turn), 104))
    server, _ = advance_by(server, at(60.0))
    assert list(stats(server).closed.items()) == [("IDLE_TIMEOUT", 1), ("PEER_RESET", 2)]
    assert set(stats(server).closed) <= set(CloseReason.__members__)


def test_bytes_out_are_the_bytes_of_the_sends() -> None:
    server, effects = advance_by(asked(GET * 3), answered(0, OK, OK, OK))
    assert stats(server).bytes_out == len(bytes_of(effects))
