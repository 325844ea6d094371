"""Requests that are not handed out yet: behind a stream, behind answers that are held, and those
that the handler was not called with.

Theory: an answer that comes before its turn is held, so whoever has many made behind one that never
ends would fill the memory with them. What is held for one client is bounded, and what would be
beyond waits as the bytes that it came in.
"""

import pytest

from sigil.core.conn import Ticket
from sigil.core.connection.client_status import EARLY_RESPONSE_LEN, early_len, outgoing_len
from sigil.core.effects import Effect, Handle, Interest, Watch
from sigil.core.events import Event, Postponed, Received, Stalled, StreamEnded, Writable
from sigil.core.http.response import Response
from sigil.core.limits import Limits
from sigil.core.server.state import Server
from tests.support.core_driver import (
    CONN,
    HELLO,
    OK,
    advance_by,
    answered,
    asked,
    bytes_of,
    client_of,
    get,
    requests_of,
    ticket,
)

LIMITS = Limits(max_outbox_len=10_000)
BIG = Response.bytes(bytes(6_000))
STREAM = Response.stream(())
EVENTS = Response.sse(())


def paths(effects: list[Effect]) -> list[str]:
    """What is handed out."""
    return [request.path for request in requests_of(effects)]


@pytest.mark.parametrize("stream", [STREAM, EVENTS, EVENTS.replace(status=201)])
@pytest.mark.parametrize("waiting", [get("/1"), get("/1") + get("/2"), get("/1")[:9], HELLO])
def test_nothing_is_handed_out_behind_a_stream_until_it_ends(
    stream: Response, waiting: bytes
) -> None:
    server, _ = advance_by(asked(get("/stream"), LIMITS), answered(0, stream))
    server, effects = advance_by(server, Received(CONN, waiting))
    assert requests_of(effects) == []
    assert client_of(server).incoming.buffer == waiting
    server, effects = advance_by(server, StreamEnded(ticket(0)))
    assert len(requests_of(effects)) == waiting.count(b"\r\n\r\n")


def test_what_is_held_behind_the_first_answer_is_bounded_and_goes_on_when_that_comes() -> None:
    server, effects = advance_by(asked(get("/0"), LIMITS), Received(CONN, get("/1") + get("/2")))
    assert paths(effects) == ["/1", "/2"]
    server, _ = advance_by(server, answered(1, BIG))
    server, effects = advance_by(server, Received(CONN, get("/3")))
    assert paths(effects) == ["/3"], "one is not too many"
    server, _ = advance_by(server, answered(2, BIG))
    assert early_len(client_of(server)) == 2 * (6_000 + EARLY_RESPONSE_LEN)
    server, effects = advance_by(server, Received(CONN, get("/4")))
    assert paths(effects) == []
    server, effects = advance_by(server, answered(0, OK), answered(3, OK))
    assert paths(effects) == [], "so much was sent at once that it may not be taken"
    server, effects = advance_by(server, Writable(CONN))
    assert paths(effects) == ["/4"]
    assert early_len(client_of(server)) == 0


def test_a_great_number_of_empty_answers_is_something_too() -> None:
    empty = Response(204, (), b"")
    server = asked(get("/0") * 11, LIMITS)
    server, _ = advance_by(server, answered(1, *[empty] * 9))
    assert paths(advance_by(server, Received(CONN, get("/more")))[1]) == ["/more"]
    server, _ = advance_by(server, answered(10, empty))
    assert server.load.outbound == 10 * EARLY_RESPONSE_LEN == outgoing_len(client_of(server))
    assert paths(advance_by(server, Received(CONN, get("/more")))[1]) == []


def postponed(*events: Event) -> tuple[Server, list[Effect]]:
    """The server after three requests, of which the handler was called with the first only."""
    server, effects = advance_by(asked(b"", LIMITS), Received(CONN, get("/0") + get("/1") * 2))
    (handle,) = [effect for effect in effects if isinstance(effect, Handle)]
    return advance_by(server, *events, Postponed(ticket(1), handle.requests[1:]))


def test_postponed_requests_are_handed_out_when_the_kernel_has_room() -> None:
    server, effects = postponed(answered(0, BIG))
    assert requests_of(effects) == []
    assert Watch(CONN, Interest.WRITE) in effects
    server, effects = advance_by(server, Received(CONN, get("/2")))
    assert requests_of(effects) == [], "those before come first"
    server, effects = advance_by(server, Writable(CONN))
    assert paths(effects) == ["/1", "/1", "/2"]
    assert [effect.ticket for effect in effects if isinstance(effect, Handle)] == [
        ticket(1),
        ticket(3),
    ]
    server, effects = advance_by(server, answered(1, OK, OK, OK))
    assert bytes_of(effects).count(b"HTTP/1.1 200 OK") == 3
    assert not client_of(server).outstanding


def test_postponed_requests_wait_until_what_was_sent_is_taken() -> None:
    server, effects = postponed(answered(0, BIG, BIG).replace(responses=(BIG,)))
    rest = bytes(12_000)
    server, effects = advance_by(server, Stalled(CONN, 0, (rest,)))
    server, effects = advance_by(server, Writable(CONN))
    assert requests_of(effects) == []
    server, effects = advance_by(server, Stalled(CONN, 11_000, (rest[:1_000],)), Writable(CONN))
    assert paths(effects) == ["/1", "/1"]


def test_postponed_requests_wait_behind_a_stream_for_its_end() -> None:
    server, _ = postponed(answered(0, EVENTS))
    server, effects = advance_by(server, Writable(CONN))
    assert requests_of(effects) == []
    server, effects = advance_by(server, StreamEnded(ticket(0)))
    assert paths(effects) == ["/1", "/1"]


def test_behind_the_end_of_a_connection_nothing_is_handed_out_again() -> None:
    closing = OK.replace(headers=(("Connection", "close"),))
    server, effects = postponed(answered(0, closing))
    server, effects = advance_by(server, Writable(CONN))
    assert requests_of(effects) == []


def test_what_was_postponed_with_gaps_keeps_its_numbers() -> None:
    server, effects = advance_by(asked(b"", LIMITS), Received(CONN, get("/0") * 5))
    (handle,) = [effect for effect in effects if isinstance(effect, Handle)]
    server, _ = advance_by(
        server,
        Postponed(ticket(4), handle.requests[4:]),
        Postponed(ticket(1), handle.requests[1:3]),
        Postponed(ticket(9), handle.requests[1:3]),
    )
    server, effects = advance_by(server, Writable(CONN))
    orders = [effect for effect in effects if isinstance(effect, Handle)]
    assert [(order.ticket, len(order.requests)) for order in orders] == [
        (Ticket(CONN, 1), 2),
        (Ticket(CONN, 4), 1),
    ]


def test_the_first_request_is_handed_out_whatever_is_held_behind_it() -> None:
    server, effects = advance_by(asked(b"", LIMITS), Received(CONN, get("/0") * 3))
    (handle,) = [effect for effect in effects if isinstance(effect, Handle)]
    server, effects = advance_by(
        server, answered(1, BIG, BIG), Postponed(ticket(0), handle.requests[:1])
    )
    server, effects = advance_by(server, Writable(CONN))
    assert [effect for effect in effects if isinstance(effect, Handle)] == [
        Handle(ticket(0), handle.requests[:1])
    ]
    server, effects = advance_by(server, answered(0, OK))
    assert not client_of(server).outstanding
