"""How a server stops: idle connections at once, the others when they are answered or the grace is
over.
"""

import pytest

from sigil.core.close_reasons import CloseReason
from sigil.core.effects import CallClose, Drop, Reject, Send, Then
from sigil.core.events import Accepted, Event, HalfClosed, Received, Stalled, Stop
from sigil.core.http.response import Response, StreamedBody
from sigil.core.limits import Limits
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


def test_stopping_closes_who_is_idle_and_refuses_who_comes() -> None:
    server, effects = advance_by(serving(), Stop(5.0))
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
