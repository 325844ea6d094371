"""Responses become bytes: in order, with the connection's fate, streams with back-pressure, and
broken streams.
"""

from typing import Any

import pytest

from sigil.core.connection.client import Phase
from sigil.core.effects import AccessLog, CloseBody, Log, Send, Then
from sigil.core.events import (
    Event,
    HandlerFailed,
    HandlerReturned,
    Received,
    StreamChunk,
    StreamEnded,
)
from sigil.core.http.bodies import StreamedBody
from sigil.core.http.response import Response
from sigil.core.limits import Limits
from tests.support.builds import is_refused
from tests.support.core_driver import (
    CONN,
    DATE,
    HELLO,
    OK,
    OK_BYTES,
    OK_CLOSE,
    advance_by,
    answered,
    asked,
    bytes_of,
    client_of,
    effect_names,
    get,
    same,
    serving,
    ticket,
)
from tests.support.requests import GET

STREAM = Response(200, (), StreamedBody(()))
ERROR = (
    b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 26\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n" + DATE + b"500 Internal Server Error\n"
)
LAST = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
THREE = get("/1") + get("/2") + get("/3")


def numbered(number: int) -> Response:
    """A response that can be told from others."""
    return Response.text(f"{number}")


def bodies(data: bytes) -> bytes:
    """The bodies of one byte each in a run of responses, one behind the other."""
    return b"".join(part[:1] for part in data.split(b"GMT\r\n\r\n")[1:])


def test_an_answer_is_sent_and_the_connection_goes_on() -> None:
    server, effects = advance_by(asked(GET), answered(0, OK))
    assert same(effects, [Send(CONN, (OK_BYTES,), Then.KEEP)])
    assert (client_of(server).responded, client_of(server).outstanding) == (1, ())


def test_the_last_answer_shuts_our_side_behind_it() -> None:
    server, effects = advance_by(asked(LAST), answered(0, OK))
    assert same(effects, [Send(CONN, (OK_CLOSE,), Then.SHUT)])
    assert client_of(server).incoming.phase is Phase.LINGER


def test_answers_to_requests_that_came_together_go_out_together() -> None:
    effects = advance_by(asked(THREE), answered(0, OK, OK, OK))[1]
    assert same(effects, [Send(CONN, (OK_BYTES * 3,), Then.KEEP)])


@pytest.mark.parametrize(
    "order", [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)]
)
def test_answers_leave_in_the_order_of_the_requests(order: tuple[int, ...]) -> None:
    server, output = asked(THREE), b""
    for count, number in enumerate(order, 1):
        server, effects = advance_by(server, answered(number, numbered(number)))
        output += bytes_of(effects)
        ready = next((index for index in range(3) if index not in order[:count]), 3)
        assert bodies(output) == b"012"[:ready]
    assert client_of(server).outgoing.early_responses == ()


def test_an_early_answer_is_held_and_sent_behind_the_one_before_it() -> None:
    server, effects = advance_by(asked(THREE), answered(1, numbered(1), numbered(2)))
    assert effects == []
    assert same(client_of(server).outgoing.early_responses, ((1, numbered(1)), (2, numbered(2))))
    assert bodies(bytes_of(advance_by(server, answered(0, numbered(0)))[1])) == b"012"


@pytest.mark.parametrize(
    "event",
    [
        answered(0, OK),
        answered(3, OK),
        answered(1, OK),
        StreamChunk(ticket(0), b"x"),
        StreamEnded(ticket(0)),
        answered(-1, OK),
    ],
)
def test_an_answer_nobody_waits_for_changes_nothing(event: Event) -> None:
    server, _ = advance_by(asked(THREE), answered(0, OK), answered(1, OK), answered(2, OK))
    after, effects = advance_by(server, event)
    assert effects == []
    assert same(client_of(after), client_of(server))


def test_a_second_answer_to_the_same_request_is_let_go() -> None:
    server, _ = advance_by(asked(THREE), answered(1, numbered(1)))
    server, effects = advance_by(server, answered(1, numbered(9)), answered(1, STREAM))
    assert same(effects, [CloseBody(ticket(1))])
    assert (
        bodies(bytes_of(advance_by(server, answered(0, numbered(0)), answered(2, numbered(2)))[1]))
        == b"012"
    )


def test_a_response_that_cannot_be_sent_becomes_a_500_and_a_note() -> None:
    effects = advance_by(
        asked(GET), answered(0, Response(200, (("X-A", "b\r\nSet-Cookie: c"),), b"secret"))
    )[1]
    problem = (
        "GET /: the value of header 'X-A' contains a character that cannot be sent: "
        "'b\\r\\nSet-Cookie: c'"
    )
    assert same(effects, [Log("sigil.error", 40, problem), Send(CONN, (ERROR,), Then.KEEP)])


@pytest.mark.parametrize(
    "fields",
    [
        (99, (), b""),
        ("200", (), b""),
        (200, [("A", "b")], b""),
        (200, (), "text"),
        (200, (), None),
        (200, (("A\r\nB", "c"),), b""),
        (200, (("A", None),), b""),
        (200, (("Transfer-Encoding", "chunked"),), b""),
        (200, (("Content-Length", "9"),), b""),
        (200, (["A", "b"],), b""),
        ([200], (), b""),
        ({}, {}, {}),
    ],
)
def test_a_response_filled_by_hand_can_break_nothing(fields: tuple[Any, ...]) -> None:
    if is_refused(Response, *fields):
        return
    response = Response(*fields)
    effects = advance_by(asked(GET), answered(0, response))[1]
    assert effect_names(effects) == ["Log", "Send"]
    assert bytes_of(effects) == ERROR


def test_a_stream_that_cannot_be_sent_is_abandoned() -> None:
    effects = advance_by(asked(GET), answered(0, Response(200, (("A\n", "b"),), StreamedBody(()))))[
        1
    ]
    assert effect_names(effects) == ["Log", "CloseBody", "Send"]
    assert bytes_of(effects) == ERROR


@pytest.mark.parametrize("data", [b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", GET])
def test_a_stream_whose_body_is_never_sent_is_abandoned(data: bytes) -> None:
    response = Response(204, (), StreamedBody(())) if data == GET else STREAM
    effects = advance_by(asked(data), answered(0, response))[1]
    assert effect_names(effects) == ["Send", "CloseBody"]
    assert bytes_of(effects).endswith(DATE)


def test_each_answer_is_told_to_the_access_log_if_there_is_one() -> None:
    server = asked(get("/1?q") + get("/2"), logs_access=True)
    effects = advance_by(server, answered(0, numbered(5), STREAM))[1]
    peer = client_of(server).peer
    assert [effect for effect in effects if isinstance(effect, AccessLog)] == [
        AccessLog(peer, "GET", "/1?q", 1, 200, 1),
        AccessLog(peer, "GET", "/2", 1, 200, -1),
    ]


# -- refusals and interim answers ------------------------------------------------------------------


def test_user_code_that_fails_is_a_status_for_the_client_and_an_account_for_the_log() -> None:
    effects = advance_by(asked(GET), HandlerFailed(ticket(0), 500, "", "Traceback: secret"))[1]
    assert same(
        effects, [Log("sigil.error", 40, "Traceback: secret"), Send(CONN, (ERROR,), Then.KEEP)]
    )
    effects = advance_by(asked(GET), HandlerFailed(ticket(0), 404, "no such thing", ""))[1]
    assert effect_names(effects) == ["Send"]
    assert bytes_of(effects).endswith(b"404 Not Found: no such thing\n")


def test_a_refusal_out_of_order_is_held_like_an_answer() -> None:
    server, effects = advance_by(asked(THREE), HandlerFailed(ticket(1), 500, "", ""))
    assert effects == []
    assert bytes_of(advance_by(server, answered(0, OK))[1]) == OK_BYTES + ERROR


EXPECTING = HELLO.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n").removesuffix(b"hello")
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def test_a_client_that_waits_to_be_asked_for_its_body_is_asked() -> None:
    server, effects = advance_by(serving(), Received(CONN, EXPECTING))
    assert same(effects, [Send(CONN, (CONTINUE,), Then.KEEP)])
    server, effects = advance_by(server, Received(CONN, b"hello"))
    assert effect_names(effects) == ["Handle"]
    assert bytes_of(advance_by(server, answered(0, OK))[1]) == OK_BYTES


def test_the_interim_answer_does_not_depend_on_how_the_body_came() -> None:
    server, effects = advance_by(serving(), Received(CONN, EXPECTING + b"hello"))
    assert bytes_of(effects + advance_by(server, answered(0, OK))[1]) == CONTINUE + OK_BYTES


def test_a_body_that_is_refused_by_its_head_is_not_asked_for() -> None:
    effects = advance_by(serving(Limits(max_body_len=4)), Received(CONN, EXPECTING))[1]
    assert bytes_of(effects).startswith(b"HTTP/1.1 413 Content Too Large\r\n")


def test_an_interim_answer_waits_for_the_answers_before_it() -> None:
    server, effects = advance_by(serving(), Received(CONN, GET + EXPECTING))
    assert bytes_of(effects) == b""
    assert bytes_of(advance_by(server, answered(0, OK))[1]) == OK_BYTES + CONTINUE


def test_an_answer_without_responses_changes_nothing() -> None:
    for server in (serving(), asked(GET)):
        after, effects = advance_by(server, HandlerReturned(ticket(0), ()))
        assert bytes_of(effects) == b""
        assert client_of(after).outstanding == client_of(server).outstanding
