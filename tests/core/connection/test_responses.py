"""Responses become bytes: in order, with the connection's fate, streams with back-pressure, and
broken streams.
"""

import pytest

from sigil.core.close_reasons import CloseReason
from sigil.core.connection.client import Phase
from sigil.core.effects import AccessLog, CallClose, CloseBody, Drop, Log, Pull, Send, Then
from sigil.core.events import (
    Event,
    HandlerFailed,
    HandlerReturned,
    Received,
    Stalled,
    StreamChunk,
    StreamEnded,
    Writable,
)
from sigil.core.http.response import Response, StreamedBody
from sigil.core.limits import Limits
from sigil.core.server.state import Server
from tests.support.core_driver import (
    CONN,
    DATE,
    GET,
    HELLO,
    OK,
    OK_BYTES,
    OK_CLOSE,
    answered,
    asked,
    bytes_of,
    client_of,
    get,
    kinds,
    same,
    serving,
    tell,
    ticket,
)

STREAM = Response(200, (), StreamedBody(()))
STREAM_TOP = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" + DATE
ERROR = (
    b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 26\r\nContent-Type: text/plain; charset=utf-8\r\n"
    + DATE
    + b"500 Internal Server Error\n"
)
LAST = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
THREE = get("/1") + get("/2") + get("/3")


def numbered(number: int) -> Response:
    """A response that can be told from others."""
    return Response.text(f"{number}")


def bodies(data: bytes) -> bytes:
    """The bodies of one byte each in a run of responses, one behind the other."""
    return b"".join(part[:1] for part in data.split(b"GMT\r\n\r\n")[1:])


def streaming(
    *events: Event, response: Response = STREAM, data: bytes = GET
) -> tuple[Server, list[object]]:
    """A server whose request was answered by a stream, after these events; and what the last
    `apply` ordered.
    """
    server, effects = tell(asked(data), answered(0, response))
    for event in events:
        server, effects = tell(server, event)
    return server, list(effects)


def test_an_answer_is_sent_and_the_connection_goes_on() -> None:
    server, effects = tell(asked(GET), answered(0, OK))
    assert same(effects, [Send(CONN, (OK_BYTES,), Then.KEEP)])
    assert (client_of(server).responded, client_of(server).outstanding) == (1, ())


def test_the_last_answer_shuts_our_side_behind_it() -> None:
    server, effects = tell(asked(LAST), answered(0, OK))
    assert same(effects, [Send(CONN, (OK_CLOSE,), Then.SHUT)])
    assert client_of(server).incoming.phase is Phase.LINGER


def test_answers_to_requests_that_came_together_go_out_together() -> None:
    effects = tell(asked(THREE), answered(0, OK, OK, OK))[1]
    assert same(effects, [Send(CONN, (OK_BYTES * 3,), Then.KEEP)])


@pytest.mark.parametrize(
    "order", [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)]
)
def test_answers_leave_in_the_order_of_the_requests(order: tuple[int, ...]) -> None:
    server, output = asked(THREE), b""
    for count, number in enumerate(order, 1):
        server, effects = tell(server, answered(number, numbered(number)))
        output += bytes_of(effects)
        ready = next((index for index in range(3) if index not in order[:count]), 3)
        assert bodies(output) == b"012"[:ready]
    assert client_of(server).outgoing.early_responses == ()


def test_an_early_answer_is_held_and_sent_behind_the_one_before_it() -> None:
    server, effects = tell(asked(THREE), answered(1, numbered(1), numbered(2)))
    assert effects == []
    assert same(client_of(server).outgoing.early_responses, ((1, numbered(1)), (2, numbered(2))))
    assert bodies(bytes_of(tell(server, answered(0, numbered(0)))[1])) == b"012"


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
    server, _ = tell(asked(THREE), answered(0, OK), answered(1, OK), answered(2, OK))
    after, effects = tell(server, event)
    assert effects == []
    assert same(client_of(after), client_of(server))


def test_a_second_answer_to_the_same_request_is_let_go() -> None:
    server, _ = tell(asked(THREE), answered(1, numbered(1)))
    server, effects = tell(server, answered(1, numbered(9)), answered(1, STREAM))
    assert same(effects, [CloseBody(ticket(1))])
    assert (
        bodies(bytes_of(tell(server, answered(0, numbered(0)), answered(2, numbered(2)))[1]))
        == b"012"
    )


def test_a_response_that_cannot_be_sent_becomes_a_500_and_a_note() -> None:
    effects = tell(
        asked(GET), answered(0, Response(200, (("X-A", "b\r\nSet-Cookie: c"),), b"secret"))
    )[1]
    problem = "GET /: the value of header 'X-A' contains a character that cannot be sent: 'b\\r\\nSet-Cookie: c'"
    assert same(effects, [Log("sigil.error", 40, problem), Send(CONN, (ERROR,), Then.KEEP)])


@pytest.mark.parametrize(
    "response",
    [
        Response(99, (), b""),
        Response("200", (), b""),
        Response(200, [("A", "b")], b""),
        Response(200, (), "text"),
        Response(200, (), None),
        Response(200, (("A\r\nB", "c"),), b""),
        Response(200, (("A", None),), b""),
        Response(200, (("Transfer-Encoding", "chunked"),), b""),
        Response(200, (("Content-Length", "9"),), b""),
        Response(200, (["A", "b"],), b""),
        Response([200], (), b""),
        Response({}, {}, {}),
    ],
)  # type: ignore[arg-type]
def test_a_response_filled_by_hand_can_break_nothing(response: Response) -> None:
    effects = tell(asked(GET), answered(0, response))[1]
    assert kinds(effects) == ["Log", "Send"]
    assert bytes_of(effects) == ERROR


def test_a_stream_that_cannot_be_sent_is_abandoned() -> None:
    effects = tell(asked(GET), answered(0, Response(200, (("A\n", "b"),), StreamedBody(()))))[1]
    assert kinds(effects) == ["Log", "CloseBody", "Send"]
    assert bytes_of(effects) == ERROR


@pytest.mark.parametrize("data", [b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", GET])
def test_a_stream_whose_body_is_never_sent_is_abandoned(data: bytes) -> None:
    response = Response(204, (), StreamedBody(())) if data == GET else STREAM
    effects = tell(asked(data), answered(0, response))[1]
    assert kinds(effects) == ["Send", "CloseBody"]
    assert bytes_of(effects).endswith(DATE)


def test_each_answer_is_told_to_the_access_log_if_there_is_one() -> None:
    server = asked(get("/1?q") + get("/2"), logs_access=True)
    effects = tell(server, answered(0, numbered(5), STREAM))[1]
    peer = client_of(server).peer
    assert [effect for effect in effects if isinstance(effect, AccessLog)] == [
        AccessLog(peer, "GET", "/1?q", 1, 200, 1),
        AccessLog(peer, "GET", "/2", 1, 200, -1),
    ]


# -- streams ---------------------------------------------------------------------------------------


def test_a_stream_is_asked_piece_by_piece_and_sent_in_chunks() -> None:
    server, effects = streaming()
    assert same(effects, [Send(CONN, (STREAM_TOP,), Then.KEEP), Pull(ticket(0))])
    server, effects = tell(server, StreamChunk(ticket(0), b"hello"))
    assert same(effects, [Send(CONN, (b"5\r\nhello\r\n",), Then.KEEP), Pull(ticket(0))])
    server, effects = tell(server, StreamEnded(ticket(0)))
    assert same(effects, [Send(CONN, (b"0\r\n\r\n",), Then.KEEP)])
    assert client_of(server).responded == 1


def test_an_empty_piece_is_skipped() -> None:
    assert same(streaming(StreamChunk(ticket(0), b""))[1], [Pull(ticket(0))])


def test_answers_behind_a_stream_wait_for_its_end() -> None:
    server, effects = tell(asked(get("/1") + get("/2")), answered(0, STREAM), answered(1, OK))
    assert kinds(effects) == ["Send", "Pull"]
    effects = tell(server, StreamChunk(ticket(0), b"x"), StreamEnded(ticket(0)))[1]
    assert bytes_of(effects) == b"1\r\nx\r\n0\r\n\r\n" + OK_BYTES


def test_a_stream_to_http_1_0_ends_with_the_connection() -> None:
    old = b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
    server, effects = streaming(data=old)
    assert same(
        effects[0], Send(CONN, (b"HTTP/1.1 200 OK\r\nConnection: close\r\n" + DATE,), Then.KEEP)
    )
    server, effects = tell(server, StreamChunk(ticket(0), b"hello"))
    assert bytes_of(effects) == b"hello"
    assert same(tell(server, StreamEnded(ticket(0)))[1], [Send(CONN, (), Then.SHUT)])


COUNTED = Response(200, (("Content-Length", "5"),), StreamedBody(()))


def test_a_counted_stream_is_sent_as_it_is() -> None:
    server, effects = streaming(
        StreamChunk(ticket(0), b"he"), StreamChunk(ticket(0), b"llo"), response=COUNTED
    )
    assert same(effects, [Send(CONN, (b"llo",), Then.KEEP), Pull(ticket(0))])
    server, effects = tell(server, StreamEnded(ticket(0)))
    assert effects == []
    assert bytes_of(tell(server, Received(CONN, GET), answered(1, OK))[1]) == OK_BYTES


@pytest.mark.parametrize(
    ("event", "problem"),
    [
        (
            StreamChunk(ticket(0), b"llo!"),
            "GET /: the stream yields more bytes than the Content-Length it was given",
        ),
        (
            StreamEnded(ticket(0)),
            "GET /: the stream ended 3 bytes short of the Content-Length it was given",
        ),
    ],
)
def test_a_counted_stream_that_breaks_its_word_breaks_the_connection(
    event: Event, problem: str
) -> None:
    server, _ = streaming(StreamChunk(ticket(0), b"he"), response=COUNTED)
    server, effects = tell(server, event)
    assert same(
        effects,
        [
            Log("sigil.error", 40, problem),
            CloseBody(ticket(0)),
            Drop(CONN),
            CallClose(CONN, CloseReason.HANDLER_ERROR),
        ],
    )


def test_a_stream_that_fails_on_the_way_breaks_the_connection() -> None:
    server, _ = streaming(StreamChunk(ticket(0), b"he"))
    server, effects = tell(server, HandlerFailed(ticket(0), 500, "", "it broke"))
    assert same(
        effects,
        [
            Log("sigil.error", 40, "it broke"),
            Drop(CONN),
            CallClose(CONN, CloseReason.HANDLER_ERROR),
        ],
    )


def test_a_client_that_is_behind_stops_the_stream_and_one_that_catches_up_sets_it_going() -> None:
    server, effects = streaming(StreamChunk(ticket(0), b"one"))
    server, _ = tell(server, Stalled(CONN, 2, (b"e\r\n",)))
    server, effects = tell(server, StreamChunk(ticket(0), b"two"))
    assert effects == []
    assert client_of(server).outgoing.outbox == (b"e\r\n", b"3\r\ntwo\r\n")
    server, effects = tell(server, Writable(CONN))
    assert same(effects[:2], [Send(CONN, (b"e\r\n", b"3\r\ntwo\r\n"), Then.KEEP), Pull(ticket(0))])


def test_a_stream_is_never_asked_twice_for_one_piece() -> None:
    server, effects = streaming(Stalled(CONN, 0, (STREAM_TOP,)), Writable(CONN))
    assert "Pull" not in kinds(effects)
    server, effects = tell(server, Stalled(CONN, 1, (STREAM_TOP[1:],)), Writable(CONN))
    assert "Pull" not in kinds(effects)
    assert kinds(tell(server, StreamChunk(ticket(0), b"x"))[1]) == ["Send", "Pull"]


def test_the_end_of_a_stream_waits_behind_what_is_not_taken() -> None:
    server, _ = streaming(Stalled(CONN, 0, (STREAM_TOP,)), StreamChunk(ticket(0), b"x"), data=LAST)
    server, effects = tell(server, StreamEnded(ticket(0)))
    assert bytes_of(effects) == b""
    server, effects = tell(server, Writable(CONN))
    assert same(effects[0], Send(CONN, (STREAM_TOP, b"1\r\nx\r\n", b"0\r\n\r\n"), Then.SHUT))


# -- refusals and interim answers ------------------------------------------------------------------


def test_user_code_that_fails_is_a_status_for_the_client_and_an_account_for_the_log() -> None:
    effects = tell(asked(GET), HandlerFailed(ticket(0), 500, "", "Traceback: secret"))[1]
    assert same(
        effects, [Log("sigil.error", 40, "Traceback: secret"), Send(CONN, (ERROR,), Then.KEEP)]
    )
    effects = tell(asked(GET), HandlerFailed(ticket(0), 404, "no such thing", ""))[1]
    assert kinds(effects) == ["Send"]
    assert bytes_of(effects).endswith(b"404 Not Found: no such thing\n")


def test_a_refusal_out_of_order_is_held_like_an_answer() -> None:
    server, effects = tell(asked(THREE), HandlerFailed(ticket(1), 500, "", ""))
    assert effects == []
    assert bytes_of(tell(server, answered(0, OK))[1]) == OK_BYTES + ERROR


EXPECTING = HELLO.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n").removesuffix(b"hello")
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def test_a_client_that_waits_to_be_asked_for_its_body_is_asked() -> None:
    server, effects = tell(serving(), Received(CONN, EXPECTING))
    assert same(effects, [Send(CONN, (CONTINUE,), Then.KEEP)])
    server, effects = tell(server, Received(CONN, b"hello"))
    assert kinds(effects) == ["Handle"]
    assert bytes_of(tell(server, answered(0, OK))[1]) == OK_BYTES


def test_the_interim_answer_does_not_depend_on_how_the_body_came() -> None:
    server, effects = tell(serving(), Received(CONN, EXPECTING + b"hello"))
    assert bytes_of(effects + tell(server, answered(0, OK))[1]) == CONTINUE + OK_BYTES


def test_a_body_that_is_refused_by_its_head_is_not_asked_for() -> None:
    effects = tell(serving(Limits(max_body_len=4)), Received(CONN, EXPECTING))[1]
    assert bytes_of(effects).startswith(b"HTTP/1.1 413 Content Too Large\r\n")


def test_an_interim_answer_waits_for_the_answers_before_it() -> None:
    server, effects = tell(serving(), Received(CONN, GET + EXPECTING))
    assert bytes_of(effects) == b""
    assert bytes_of(tell(server, answered(0, OK))[1]) == OK_BYTES + CONTINUE


def test_an_answer_without_responses_changes_nothing() -> None:
    for server in (serving(), asked(GET)):
        after, effects = tell(server, HandlerReturned(ticket(0), ()))
        assert bytes_of(effects) == b""
        assert client_of(after).outstanding == client_of(server).outstanding
