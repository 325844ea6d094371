"""How a server stops: idle connections at once, the others when they are answered or the grace is
over.
"""

import pytest

from sigil.core.close_reasons import CLOSE_INFO, CloseReason
from sigil.core.conn import Conn
from sigil.core.effects import Adopt, CallClose, CallOpen, Drop, Reject, Send, Then
from sigil.core.events import (
    Accepted,
    Event,
    HalfClosed,
    InputRead,
    Received,
    Stalled,
    Stop,
    TickStarted,
)
from sigil.core.http.bodies import StreamedBody
from sigil.core.http.response import Response
from sigil.core.limits import Limits
from sigil.core.server import advance, make_server
from sigil.core.server.clock import next_deadline
from sigil.core.server.state import Server, ServerState
from sigil.core.server.stats import stats
from tests.support.core_driver import (
    CONN,
    HELLO,
    OK,
    OK_BYTES,
    OK_CLOSE,
    PEER,
    SHUTDOWN,
    advance_by,
    answered,
    asked,
    at,
    bytes_of,
    client_of,
    get,
    requests_of,
    same,
    serving,
    unavailable,
)
from tests.support.requests import GET

STREAM = Response(200, (), StreamedBody(()))


def stalled(limits: Limits | None = None) -> Server:
    """A server whose client takes nothing of its answer."""
    return advance_by(asked(GET, limits), answered(0, OK), Stalled(CONN, 0, (OK_BYTES,)))[0]


def test_stopping_closes_who_is_idle_and_refuses_who_comes_later() -> None:
    server, effects = advance_by(serving(), Stop(5.0), InputRead(), InputRead())
    assert same(effects, [Drop(CONN), CallClose(CONN, CloseReason.SHUTDOWN)])
    assert server.running is ServerState.STOPPED
    assert same(
        advance_by(server, Accepted(8, PEER))[1][1],
        Reject(8, unavailable(b"the server is shutting down")),
    )


def test_draining_answers_what_is_under_way_once_more_and_closes() -> None:
    server, effects = advance_by(asked(get("/1") + get("/2")), Stop(5.0))
    assert effects == []
    assert server.running is ServerState.DRAINING
    server, effects = advance_by(server, answered(0, OK))
    assert bytes_of(effects) == OK_BYTES
    server, effects = advance_by(server, answered(1, OK))
    assert same(effects, [Send(CONN, (OK_CLOSE,), Then.SHUT)])
    server, effects = advance_by(server, HalfClosed(CONN))
    assert same(effects, [Drop(CONN), CallClose(CONN, CloseReason.OK)])
    assert server.running is ServerState.STOPPED


def test_draining_waits_for_a_request_that_has_begun() -> None:
    server, effects = advance_by(asked(HELLO[:-1]), Stop(5.0), Received(CONN, HELLO[-1:]))
    assert len(requests_of(effects)) == 1
    assert bytes_of(advance_by(server, answered(0, OK))[1]) == OK_CLOSE


def test_draining_is_over_when_its_grace_is() -> None:
    server, _ = advance_by(asked(GET), at(3.0), Stop(5.0))
    assert next_deadline(server) == 4.0
    server, effects = advance_by(server, at(7.999))
    assert effects == []
    assert next_deadline(server) == 8.0
    server, effects = advance_by(server, at(8.0))
    assert same(
        effects,
        [Send(CONN, (SHUTDOWN,), Then.DROP), Drop(CONN), CallClose(CONN, CloseReason.SHUTDOWN)],
    )
    assert server.running is ServerState.STOPPED
    assert stats(server).clients == 0


@pytest.mark.parametrize("events", [(Stop(0.0),), (Stop(-1.0),), (Stop(100.0), Stop(100.0))])
def test_stopping_without_grace_or_twice_means_now(events: tuple[Event, ...]) -> None:
    server, effects = advance_by(asked(GET), *events)
    assert same(
        effects,
        [Send(CONN, (SHUTDOWN,), Then.DROP), Drop(CONN), CallClose(CONN, CloseReason.SHUTDOWN)],
    )
    assert server.running is ServerState.STOPPED


def test_stopping_a_stopped_server_changes_nothing() -> None:
    server, _ = advance_by(serving(), Stop(0.0))
    after, effects = advance_by(server, Stop(0.0), Stop(1.0), at(100.0))
    assert effects == []
    assert after.running is ServerState.STOPPED


def test_stopping_now_sends_nothing_into_the_middle_of_an_answer() -> None:
    streaming, _ = advance_by(asked(GET), answered(0, STREAM))
    for server in (streaming, stalled()):
        assert same(
            advance_by(server, Stop(0.0))[1], [Drop(CONN), CallClose(CONN, CloseReason.SHUTDOWN)]
        )


# -- those who may have sent something that nobody has read ----------------------------------------

NEXT = Conn(1, 1)
"""The connection behind `CONN`."""


def kept_alive() -> Server:
    """A server with a connection that was answered, and may ask again."""
    return advance_by(asked(GET), answered(0, OK))[0]


@pytest.mark.parametrize("server", [serving(), kept_alive()], ids=["a newcomer", "kept alive"])
@pytest.mark.parametrize("count", [0, 1])
def test_what_had_come_before_the_stop_is_answered(server: Server, count: int) -> None:
    server, effects = advance_by(server, Stop(5.0), *[InputRead()] * count)
    assert effects == []
    assert next_deadline(server) == server.now
    server, effects = advance_by(server, Received(CONN, GET), InputRead(), InputRead())
    assert len(requests_of(effects)) == 1
    server, effects = advance_by(server, answered(client_of(server).responded, OK))
    assert same(effects, [Send(CONN, (OK_CLOSE,), Then.SHUT)])


def test_accepted_and_stopped_in_one_run_is_answered() -> None:
    events: list[Event] = [TickStarted(1.0, 0), Accepted(7, PEER), Stop(5.0)]
    server, effects = advance(make_server(Limits(), 0.0, 0), events)
    assert same(effects, [Adopt(CONN, 7), CallOpen(CONN)])
    server, effects = advance(server, [Received(CONN, GET)])
    assert len(requests_of(effects)) == 1


def test_who_comes_while_the_server_drains_is_read_once() -> None:
    draining, _ = advance_by(asked(GET), Stop(5.0), InputRead(), InputRead())
    server, effects = advance_by(draining, Accepted(8, PEER), InputRead())
    assert same(effects, [Adopt(NEXT, 8), CallOpen(NEXT)])
    _, effects = advance_by(server, Received(NEXT, GET))
    assert len(requests_of(effects)) == 1
    server, effects = advance_by(server, InputRead())
    assert same(effects, [Drop(NEXT), CallClose(NEXT, CloseReason.SHUTDOWN)])
    assert next_deadline(server) != server.now


def test_who_is_ready_and_was_not_read_is_not_closed_yet() -> None:
    server, _ = advance_by(serving(), Stop(5.0), InputRead())
    server, effects = advance_by(server, InputRead(frozenset([CONN])))
    assert effects == []
    assert same(
        advance_by(server, InputRead())[1], [Drop(CONN), CallClose(CONN, CloseReason.SHUTDOWN)]
    )


def test_half_a_head_is_waited_for_until_the_grace_is_over() -> None:
    server, effects = advance_by(
        serving(), Stop(5.0), Received(CONN, GET[:-1]), InputRead(), InputRead(), InputRead()
    )
    assert effects == []
    assert len(requests_of(advance_by(server, Received(CONN, GET[-1:]))[1])) == 1


@pytest.mark.parametrize("policy", ["evict", "wait", "503"])
def test_nobody_is_evicted_for_who_comes_while_the_server_drains(policy: str) -> None:
    limits = Limits(max_connection_cnt=1, full_policy=policy)
    _, effects = advance_by(serving(limits), Stop(5.0), Accepted(8, PEER))
    assert same(
        effects[1:], [Reject(8, unavailable(CLOSE_INFO[CloseReason.FULL].sentence.encode()))]
    )


def test_a_newcomer_that_nobody_has_read_is_told_503_when_all_is_closed_at_once() -> None:
    _, effects = advance_by(serving(), Stop(0.0))
    assert [type(effect) for effect in effects] == [Send, Drop, CallClose]
    assert bytes_of(effects).startswith(b"HTTP/1.1 503")
    _, effects = advance_by(kept_alive(), Stop(0.0))
    assert [type(effect) for effect in effects] == [Drop, CallClose]
