"""The spine: accepting, deadlines at the exact second, draining, stopping, and sends that are
joined.
"""

from math import inf

import pytest

from sigil.core.close_reasons import CloseReason
from sigil.core.conn import Conn, Peer
from sigil.core.effects import (
    Adopt,
    CallClose,
    CallOpen,
    Drop,
    Effect,
    Log,
    Pull,
    Reject,
    Send,
    Then,
)
from sigil.core.events import (
    Accepted,
    ConnectionLost,
    Event,
    HalfClosed,
    Received,
    Stalled,
    Stop,
    TickStarted,
    Writable,
)
from sigil.core.http.response import Response, StreamedBody
from sigil.core.limits import Limits
from sigil.core.server import advance, make_server, step
from sigil.core.server.clock import next_deadline
from sigil.core.server.fold import coalesce
from sigil.core.server.state import Server, ServerState
from sigil.core.server.stats import stats
from tests.support.core_driver import (
    CONN,
    DATE,
    GET,
    HELLO,
    OK,
    OK_BYTES,
    OK_CLOSE,
    PEER,
    answered,
    asked,
    at,
    bytes_of,
    fate_of,
    get,
    kinds,
    requests_of,
    same,
    serving,
    tell,
    ticket,
)

LAST = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
STREAM = Response(200, (), StreamedBody(()))
GRAIN = 2.0 / 32
"""Default limits: the shortest timeout is 2 seconds, a grain a 32nd of it."""


def unavailable(sentence: bytes) -> bytes:
    """The whole 503 with this sentence."""
    body = b"503 Service Unavailable: " + sentence + b"\n"
    return (
        b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: %d\r\nConnection: close\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\nRetry-After: 1\r\n" % len(body) + DATE + body
    )


FULL = unavailable(b"this server has as many connections as it accepts")
SHUTDOWN = unavailable(b"the server is shutting down").replace(b"Retry-After: 1\r\n", b"")


# -- accepting -------------------------------------------------------------------------------------


def test_a_connection_at_the_door_is_adopted_and_greeted() -> None:
    server, effects = step(make_server(Limits(), 0.0, 0), Accepted(7, PEER))
    assert same(effects, (Adopt(CONN, 7), CallOpen(CONN)))
    server, effects = step(server, Accepted(8, PEER))
    assert same(effects, (Adopt(Conn(1, 1), 8), CallOpen(Conn(1, 1))))


def test_one_connection_more_than_the_bound_is_turned_away_with_a_503() -> None:
    server = make_server(Limits(max_connection_cnt=2, full_policy="503"), 0.0, 0)
    server, effects = tell(server, Accepted(1, PEER), Accepted(2, PEER))
    assert kinds(effects) == ["Adopt", "CallOpen", "Adopt", "CallOpen"]
    server, effects = tell(server, Accepted(3, Peer("::1", 9)))
    assert same(
        effects,
        [
            Log(
                "sigil.server",
                30,
                "[::1]:9 rejected, FULL: this server has as many connections as it accepts",
            ),
            Reject(3, FULL),
        ],
    )
    server, _ = tell(server, ConnectionLost(CONN, 104))
    assert same(tell(server, Accepted(4, PEER))[1], [Adopt(Conn(0, 2), 4), CallOpen(Conn(0, 2))])


# -- deadlines -------------------------------------------------------------------------------------


def until(server: Server, seconds: float) -> list[Effect]:
    """The orders of a server that is told the clock at this second, and looked at as often as it
    asked until then.
    """
    effects: list[Effect] = []
    while (look := next_deadline(server)) is not None and look < seconds:
        server, more = tell(server, at(look))
        effects += more
    return effects + tell(server, at(seconds))[1]


def stalled(limits: Limits | None = None) -> Server:
    """A server whose client takes nothing of its answer."""
    return tell(asked(GET, limits), answered(0, OK), Stalled(CONN, 0, (OK_BYTES,)))[0]


def lingering() -> Server:
    """A server that has sent its last answer."""
    return tell(asked(LAST), answered(0, OK))[0]


DEADLINES = [
    ("idle", serving(), 60.0, "drop", b""),
    ("idle after an answer", tell(asked(GET), answered(0, OK))[0], 60.0, "drop", b""),
    ("header", asked(GET[:-1]), 10.0, "shut", b"HTTP/1.1 408 Request Timeout\r\n"),
    ("counted body", asked(HELLO[:-1]), 30.0, "shut", b"HTTP/1.1 408 Request Timeout\r\n"),
    ("no body", asked(HELLO[:-5]), 30.0, "shut", b"HTTP/1.1 408 Request Timeout\r\n"),
    ("stall", stalled(), 30.0, "drop", b""),
    ("linger", lingering(), 2.0, "drop", b""),
]


@pytest.mark.parametrize(
    ("server", "seconds", "fate", "answer"),
    [case[1:] for case in DEADLINES],
    ids=[case[0] for case in DEADLINES],
)
def test_a_deadline_is_kept_at_its_second_and_not_before(
    server: Server, seconds: float, fate: str, answer: bytes
) -> None:
    assert until(server, seconds - 0.001) == []
    effects = until(server, seconds)
    assert fate_of(effects) == fate
    assert bytes_of(effects).startswith(answer)


@pytest.mark.parametrize("timeout", [1.9, 3.3, 7.7, 10.01])
def test_a_deadline_between_grains_is_noticed_at_most_a_grain_late(timeout: float) -> None:
    server = asked(GET[:-1], Limits(header_timeout=timeout))
    grain = min(timeout, 2.0) / 32
    assert until(server, timeout - 0.001) == []
    assert fate_of(until(server, timeout + grain)) == "shut"


def test_a_client_that_dribbles_a_head_gains_no_time() -> None:
    server, now, effects = serving(), 0.0, list[Effect]()
    for byte in GET:
        server, effects = tell(server, TickStarted(now, 0), Received(CONN, bytes((byte,))))
        if bytes_of(effects):
            break
        now += 1.0
    assert bytes_of(effects).startswith(b"HTTP/1.1 408 ")
    assert now == 10.0


def test_a_late_answer_is_waited_for_until_its_deadline() -> None:
    server = asked(GET)
    assert until(server, 299.9) == []
    assert bytes_of(tell(server, at(299.9), answered(0, OK))[1]) == OK_BYTES


def test_a_late_answer_that_does_not_come_is_a_503_and_the_end() -> None:
    server, effects = tell(asked(GET + GET), at(300.0), at(310.0))
    note, send, *_ = effects
    assert note == Log("sigil.error", 40, "GET /: no answer for 300 s")
    assert bytes_of([send]).startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"\r\nConnection: close\r\n" in bytes_of([send])
    assert fate_of(effects) == "drop"
    assert stats(server).closed == {"ANSWER_TIMEOUT": 1}


def test_a_client_that_takes_some_bytes_begins_its_patience_anew() -> None:
    server = stalled(Limits(min_read_rate=0))
    server, _ = tell(server, at(20.0), Writable(CONN), Stalled(CONN, 5, (OK_BYTES[5:],)))
    assert until(server, 49.9) == []
    assert same(until(server, 50.0), [Drop(CONN), CallClose(CONN, CloseReason.WRITE_STALL)])


@pytest.mark.parametrize(
    ("server", "reason"),
    [
        (serving(), CloseReason.IDLE_TIMEOUT),
        (stalled(), CloseReason.WRITE_STALL),
        (lingering(), CloseReason.OK),
    ],
)
def test_whoever_is_overdue_is_dropped_for_a_reason(server: Server, reason: CloseReason) -> None:
    assert same(until(server, 60.0), [Drop(CONN), CallClose(CONN, reason)])


def test_a_timeout_is_followed_by_lingering_and_the_same_reason() -> None:
    server, effects = tell(asked(GET[:-1]), at(10.0))
    assert fate_of(effects) == "shut"
    assert until(server, 11.9) == []
    assert same(
        until(server, 12.0 + GRAIN), [Drop(CONN), CallClose(CONN, CloseReason.HEADER_TIMEOUT)]
    )


def test_the_next_deadline_is_when_somebody_must_be_looked_at() -> None:
    assert next_deadline(make_server(Limits(), 0.0, 0)) is None
    assert next_deadline(serving()) == 2.0
    assert next_deadline(tell(serving(), at(2.0))[0]) == 4.0


def test_the_date_is_the_one_on_the_wall() -> None:
    effects = tell(asked(GET), TickStarted(1.0, 784_111_777), answered(0, OK))[1]
    assert b"\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n" in bytes_of(effects)


@pytest.mark.parametrize(
    "limits",
    [
        Limits(linger_timeout=0.0),
        Limits(
            header_timeout=inf,
            body_timeout=inf,
            idle_timeout=inf,
            stall_timeout=inf,
            linger_timeout=inf,
        ),
    ],
)
def test_timeouts_may_be_nothing_or_for_ever(limits: Limits) -> None:
    assert fate_of(until(asked(GET[:-1], limits), 1.0)) == "keep"


# -- the end ---------------------------------------------------------------------------------------


def test_stopping_closes_who_is_idle_and_refuses_who_comes() -> None:
    server, effects = tell(serving(), Stop(5.0))
    assert same(effects, [Drop(CONN), CallClose(CONN, CloseReason.SHUTDOWN)])
    assert server.running is ServerState.STOPPED
    assert same(
        tell(server, Accepted(8, PEER))[1][1],
        Reject(8, unavailable(b"the server is shutting down")),
    )


def test_draining_answers_what_is_under_way_once_more_and_closes() -> None:
    server, effects = tell(asked(get("/1") + get("/2")), Stop(5.0))
    assert effects == []
    assert server.running is ServerState.DRAINING
    server, effects = tell(server, answered(0, OK))
    assert bytes_of(effects) == OK_BYTES
    server, effects = tell(server, answered(1, OK))
    assert same(effects, [Send(CONN, (OK_CLOSE,), Then.SHUT)])
    server, effects = tell(server, HalfClosed(CONN))
    assert same(effects, [Drop(CONN), CallClose(CONN, CloseReason.OK)])
    assert server.running is ServerState.STOPPED


def test_draining_waits_for_a_request_that_has_begun() -> None:
    server, effects = tell(asked(HELLO[:-1]), Stop(5.0), Received(CONN, HELLO[-1:]))
    assert len(requests_of(effects)) == 1
    assert bytes_of(tell(server, answered(0, OK))[1]) == OK_CLOSE


def test_draining_is_over_when_its_grace_is() -> None:
    server, _ = tell(asked(GET), at(3.0), Stop(5.0))
    assert next_deadline(server) == 5.0
    server, effects = tell(server, at(7.999))
    assert effects == []
    assert next_deadline(server) == 8.0
    server, effects = tell(server, at(8.0))
    assert same(
        effects,
        [Send(CONN, (SHUTDOWN,), Then.DROP), Drop(CONN), CallClose(CONN, CloseReason.SHUTDOWN)],
    )
    assert server.running is ServerState.STOPPED
    assert stats(server).clients == 0


@pytest.mark.parametrize("events", [(Stop(0.0),), (Stop(-1.0),), (Stop(100.0), Stop(100.0))])
def test_stopping_without_grace_or_twice_means_now(events: tuple[Event, ...]) -> None:
    server, effects = tell(asked(GET), *events)
    assert same(
        effects,
        [Send(CONN, (SHUTDOWN,), Then.DROP), Drop(CONN), CallClose(CONN, CloseReason.SHUTDOWN)],
    )
    assert server.running is ServerState.STOPPED


def test_stopping_a_stopped_server_changes_nothing() -> None:
    server, _ = tell(serving(), Stop(0.0))
    after, effects = tell(server, Stop(0.0), Stop(1.0), at(100.0))
    assert effects == []
    assert after.running is ServerState.STOPPED


def test_stopping_now_sends_nothing_into_the_middle_of_an_answer() -> None:
    streaming, _ = tell(asked(GET), answered(0, STREAM))
    for server in (streaming, stalled()):
        assert same(tell(server, Stop(0.0))[1], [Drop(CONN), CallClose(CONN, CloseReason.SHUTDOWN)])


# -- joining ---------------------------------------------------------------------------------------

A, B = Conn(0, 0), Conn(1, 1)


@pytest.mark.parametrize(
    ("effects", "joined"),
    [
        ([], []),
        (
            [Send(A, (b"1",), Then.KEEP), Send(A, (b"2",), Then.SHUT)],
            [Send(A, (b"1", b"2"), Then.SHUT)],
        ),
        (
            [
                Send(A, (b"1",), Then.KEEP),
                Send(A, (b"2",), Then.KEEP),
                Send(A, (b"3", b"4"), Then.KEEP),
            ],
            [Send(A, (b"1", b"2", b"3", b"4"), Then.KEEP)],
        ),
        (
            [Send(A, (b"1",), Then.KEEP), Send(B, (b"2",), Then.KEEP), Send(A, (b"3",), Then.KEEP)],
            [Send(A, (b"1",), Then.KEEP), Send(B, (b"2",), Then.KEEP), Send(A, (b"3",), Then.KEEP)],
        ),
        (
            [Send(A, (b"1",), Then.SHUT), Send(A, (b"2",), Then.KEEP)],
            [Send(A, (b"1",), Then.SHUT), Send(A, (b"2",), Then.KEEP)],
        ),
        (
            [Send(A, (b"1",), Then.KEEP), Pull(ticket(0)), Send(A, (b"2",), Then.KEEP)],
            [Send(A, (b"1",), Then.KEEP), Pull(ticket(0)), Send(A, (b"2",), Then.KEEP)],
        ),
    ],
)
def test_neighbouring_sends_of_one_connection_are_one(
    effects: list[Effect], joined: list[Effect]
) -> None:
    assert same(coalesce(effects), joined)


def test_advancing_over_nothing_changes_nothing() -> None:
    server = serving()
    assert advance(server, []) == (server, [])


def test_sends_of_one_advance_are_joined() -> None:
    _, effects = tell(asked(get("/1") + get("/2")), answered(0, OK), answered(1, OK))
    assert same(effects, [Send(CONN, (OK_BYTES, OK_BYTES), Then.KEEP)])
