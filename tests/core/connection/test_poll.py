"""Long-polls: answered at once if there is something, else when there is, or when their time is
over; always with the position from which to go on.
"""

import json
from typing import Any

import pytest

from sigil import (
    ALL_TOPICS,
    CloseReason,
    Conn,
    HttpServer,
    Limits,
    Request,
    Response,
    SendStatus,
)
from sigil.testing import Client, Connection

KEEPING = Limits(history_messages=100)


def app(request: Request) -> Response:
    """A long-poll on the topics of the path (`*`: all), or a text."""
    if request.path == "/text":
        return Response.text("text")
    names = [name for name in request.path.strip("/").split("+") if name]
    topics = [ALL_TOPICS if name == "*" else name for name in names]
    timeout = float(request.args.get("timeout", "25"))
    history, after = int(request.args.get("history", "0")), request.args.get("after")
    return Response.poll(after=after, topics=topics, timeout=timeout, history=history)


def client_of(limits: Limits = KEEPING, **more: Any) -> Client:
    """A server in memory."""
    return Client(app, limits=limits, **more)


def position(client: Client, text: int | str) -> str:
    """A position of this server's."""
    return f"{client.server.position().partition('-')[0]}-{text}"


def lines_of(connection: Connection, index: int = -1) -> list[dict[str, Any]]:
    """The lines of an answer."""
    answer = connection.answers()[index]
    assert answer.status == 200 and answer.is_whole
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.body.endswith(b"\n")
    return [json.loads(line) for line in answer.body.splitlines()]


def polling(client: Client, target: str = "/a", **more: Any) -> Connection:
    """A connection that has asked."""
    connection = client.connect(**more)
    connection.request("GET", target)
    return connection


def test_it_is_answered_with_what_is_published_first_and_all_of_that_tick() -> None:
    client = client_of()
    connection = polling(client)
    client.advance(10.0)
    assert connection.answers() == []
    client.server.broadcast("other", topic="b")
    client.run_until_idle()
    assert connection.answers() == []
    client.server.broadcast("one \u00e4\n\0", topic="a")
    client.server.broadcast(b"\x00\xff")
    client.run_until_idle()
    assert lines_of(connection) == [
        {"position": position(client, 0)},
        {"position": position(client, 2), "text": "one \u00e4\n\0"},
        {"position": position(client, 3), "base64": "AP8="},
        {"position": position(client, 3)},
    ]


def test_it_goes_on_behind_a_position_at_once_and_the_connection_persists() -> None:
    client = client_of()
    for text in "abc":
        client.server.broadcast(text, topic="a")
    connection = polling(client, f"/a?after={position(client, 1)}")
    assert [line.get("text") for line in lines_of(connection)] == [None, "b", "c", None]
    connection.request("GET", f"/a?after={lines_of(connection)[-1]['position']}")
    connection.request("GET", "/text")
    assert len(connection.answers()) == 1
    client.server.broadcast("d", topic="a")
    client.run_until_idle()
    assert [line.get("text") for line in lines_of(connection, 1)] == [None, "d", None]
    assert connection.answers()[2].body == b"text"
    assert not connection.has_ended


def test_it_counts_as_a_subscriber_while_it_waits() -> None:
    client = client_of()
    polling(client)
    client.run_until_idle()
    server = client.server
    assert (server.subscriber_count("a"), server.subscriber_count("b")) == (1, 0)
    client.server.broadcast("news", topic="a")
    client.run_until_idle()
    assert server.subscriber_count("a") == server.subscriber_count() == 0


def test_its_time_is_over() -> None:
    client = client_of()
    connection = polling(client, "/a?timeout=10")
    client.server.broadcast("other", topic="b")
    client.advance(9.9)
    assert connection.answers() == []
    client.advance(0.2)
    assert lines_of(connection) == [
        {"position": position(client, 0)}, {"position": position(client, 1)},
    ]  # fmt: skip
    connection.request("GET", f"/a?after={position(client, 1)}")
    client.advance(30.0)
    assert lines_of(connection) == [{"position": position(client, 1)}]


def test_who_watches_over_its_connection_is_told_its_time_and_at_first_its_position_at_once() -> (
    None
):
    client = client_of()
    connection = polling(client, "/a?after=&sigil-heartbeats")
    there = position(client, 0)
    assert lines_of(connection) == [{"position": there}, {"timeout": 25.0}, {"position": there}]
    connection.request("GET", f"/a?after={there}&sigil-heartbeats")
    client.advance(10.0)
    assert len(connection.answers()) == 1
    client.server.broadcast("news", topic="a")
    client.run_until_idle()
    assert lines_of(connection) == [
        {"position": there},
        {"timeout": 25.0},
        {"position": position(client, 1), "text": "news"},
        {"position": position(client, 1)},
    ]


def test_one_that_does_not_wait_is_answered_at_once() -> None:
    client = client_of()
    assert lines_of(polling(client, "/a?timeout=0")) == [{"position": position(client, 0)}]


def test_a_gap_is_told_at_once() -> None:
    client = client_of(KEEPING._replace(max_ws_send_frame_cnt=2))
    for text in "abcd":
        client.server.broadcast(text)
    client.run_until_idle()
    one, two, three, four = [position(client, number) for number in (1, 2, 3, 4)]
    assert lines_of(polling(client, f"/a?after={one}")) == [
        {"gap": {"after": one, "position": two, "missed": 1}},
        {"position": three, "text": "c"},
        {"position": four, "text": "d"},
        {"position": four},
    ]
    assert lines_of(polling(client, "/a?after=nonsense")) == [
        {"gap": {"after": "nonsense", "position": four, "missed": None}}, {"position": four},
    ]  # fmt: skip


def test_who_is_new_begins_with_the_history_at_once_and_who_comes_back_does_not() -> None:
    client = client_of(KEEPING._replace(history_messages=2))
    for text in "abc":
        client.server.broadcast(text)
    client.run_until_idle()
    one, two, three = [position(client, number) for number in (1, 2, 3)]
    last = [{"position": three, "text": "c"}, {"position": three}]
    assert lines_of(polling(client, "/a?history=1")) == [{"position": two}, *last]
    both = [{"position": two, "text": "b"}, *last]
    assert lines_of(polling(client, "/a?history=9")) == [{"position": one}, *both]
    gap = {"gap": {"after": "7-5", "position": one, "missed": None}}
    assert lines_of(polling(client, "/a?history=2&after=7-5")) == [gap, *both]
    assert lines_of(polling(client, f"/a?history=2&after={two}")) == [{"position": two}, *last]
    waiting = polling(client, f"/a?history=2&after={three}")
    assert waiting.answers() == []
    assert polling(client_of(), "/a?history=2").answers() == []


def test_what_is_retained_comes_first_and_at_once() -> None:
    client = client_of()
    client.server.broadcast("state", topic="a", retain=True)
    client.server.broadcast(b"\x00", retain=True)
    client.server.broadcast("other", topic="b", retain=True)
    begin, end = position(client, "3.0"), position(client, 3)
    expected = [
        {"position": begin},
        {"retained": True, "text": "state"},
        {"retained": True, "base64": "AA=="},
        {"position": end},
    ]
    assert lines_of(polling(client)) == expected
    assert [line.get("text") for line in lines_of(polling(client, "/*"))][1::2] == [
        "state", "other",
    ]  # fmt: skip
    connection = polling(client, f"/a?after={end}")
    assert connection.answers() == []


def test_an_answer_is_bounded_and_the_rest_is_there_at_once() -> None:
    client = client_of(Limits(history_messages=1_000, max_outbox_len=5_000))
    for number in range(100):
        client.server.broadcast(f"{number} {'r' * 90}", topic=f"t{number}", retain=True)
    for number in range(100, 200):
        client.server.broadcast(f"{number} {'m' * 90}", topic="a")
    connection, after, got = client.connect(), "", list[int]()
    for count in range(100):
        connection.request("GET", f"/*?after={after}")
        lines = lines_of(connection, count)
        assert len(connection.answers()[count].body) < 6_000
        assert not any("gap" in line for line in lines)
        got += [int(line["text"].split()[0]) for line in lines if "text" in line]
        after = lines[-1]["position"]
        if after == position(client, 200):
            break
    assert got == list(range(100)) and count > 1, "new: what is retained, and from now on"
    connection, after, got = client.connect(), position(client, 100), list[int]()
    for count in range(100):
        connection.request("GET", f"/*?after={after}")
        lines = lines_of(connection, count)
        got += [int(line["text"].split()[0]) for line in lines if "text" in line]
        after = lines[-1]["position"]
        if after == position(client, 200):
            break
    assert got == list(range(100, 200)) and count > 1


# -- HTTP ------------------------------------------------------------------------------------------


def test_a_head_request_is_answered_at_once_without_a_body() -> None:
    client = client_of()
    connection = client.connect()
    connection.request("HEAD", "/a")
    (answer,) = connection.answers()
    assert (answer.status, answer.body) == (200, b"")


def test_a_client_of_http_1_0_is_answered_and_closed() -> None:
    client = client_of()
    connection = client.connect()
    connection.send(b"GET /a HTTP/1.0\r\n\r\n")
    client.server.broadcast("x", topic="a")
    client.run_until_idle()
    assert lines_of(connection)[1]["text"] == "x" and connection.has_ended


def test_a_client_that_ends_its_side_is_answered_and_one_that_resets_let_go() -> None:
    client = client_of()
    one, two = polling(client), polling(client)
    one.half_close()
    assert lines_of(one) == [{"position": position(client, 0)}] and one.has_ended
    two.reset()
    client.advance(1.0)
    assert client.clients() == () and client.server.subscriber_count("a") == 0


def test_it_is_drained_at_stop_and_answered_with_what_was_published() -> None:
    client = client_of()
    one = polling(client)
    client.server.broadcast("last", topic="a")
    client.server.stop(5.0)
    client.run_until_idle()
    assert [line.get("text") for line in lines_of(one)] == [None, "last", None]
    assert len(one.answers()) == 1 and one.has_ended and not client.server.running


def test_it_is_drained_at_stop_and_answered_with_its_position() -> None:
    client = client_of()
    connection = polling(client)
    client.server.stop(5.0)
    client.run_until_idle()
    assert lines_of(connection, 0) == [{"position": position(client, 0)}]
    assert len(connection.answers()) == 1 and connection.has_ended
    assert connection.answers()[0].headers["connection"] == "close"


def test_at_a_stop_without_grace_it_is_answered_as_far_as_can_be() -> None:
    client = client_of()
    connection = polling(client)
    client.server.stop(0.0)
    client.run_until_idle()
    assert lines_of(connection) == [{"position": position(client, 0)}]


def test_the_program_closes_it_behind_its_answer() -> None:
    client = client_of()
    connection = polling(client)
    (conn,) = client.clients()
    client.server.close(conn)
    client.run_until_idle()
    assert lines_of(connection, 0) == [{"position": position(client, 0)}]
    assert len(connection.answers()) == 1 and connection.has_ended


def test_a_second_response_is_nothing_to_it() -> None:
    client = client_of()
    connection = polling(client)
    (conn,) = client.clients()
    assert client.server.send(conn, "x") is SendStatus.DROPPED
    client.server.subscribe(conn, "b")
    client.server.broadcast("b", topic="b")
    client.run_until_idle()
    assert connection.answers() == []


def test_what_is_pipelined_behind_it_waits_for_its_answer() -> None:
    client = client_of()
    connection = client.connect()
    connection.send(
        b"GET /text HTTP/1.1\r\nHost: h\r\n\r\nGET /a HTTP/1.1\r\nHost: h\r\n\r\n"
        b"GET /text HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\nHost: h\r\n\r\n"
    )
    assert [answer.body for answer in connection.answers()] == [b"text"]
    client.server.broadcast("x", topic="a")
    client.run_until_idle()
    assert [answer.body[:4] for answer in connection.answers()] == [b"text", b'{"po', b"text"]
    client.server.broadcast("y", topic="b")
    client.run_until_idle()
    assert lines_of(connection)[-2]["text"] == "y"


# -- limits ----------------------------------------------------------------------------------------


def test_it_takes_the_place_of_a_subscriber_while_it_waits() -> None:
    client = client_of(KEEPING._replace(max_ws_connection_cnt=1, full_policy="503"))
    one, two = polling(client), polling(client)
    assert one.answers() == [] and [answer.status for answer in two.answers()] == [503]
    client.server.broadcast("x", topic="a")
    client.run_until_idle()
    assert lines_of(one)[1]["text"] == "x"
    two.request("GET", "/a")
    client.server.broadcast("y", topic="a")
    client.run_until_idle()
    assert lines_of(two)[1]["text"] == "y"


def test_the_oldest_is_answered_when_it_gives_way() -> None:
    client = client_of(KEEPING._replace(max_ws_connection_cnt=1))
    one, two = polling(client), polling(client)
    assert lines_of(one) == [{"position": position(client, 0)}]
    assert one.reason is CloseReason.EVICTED and two.answers() == []


def test_no_more_connections_come_back_than_there_is_room_for() -> None:
    client = client_of(KEEPING._replace(max_connection_cnt=2, full_policy="503"))
    polls = [polling(client) for _ in range(3)]
    others = [client.connect() for _ in range(2)]
    client.server.broadcast("x", topic="a")
    client.run_until_idle()
    assert [lines_of(poll)[1]["text"] for poll in polls] == ["x"] * 3
    assert all(poll.has_ended for poll in polls) and not any(other.is_closed for other in others)


def test_who_does_not_read_its_answers_before_is_answered_when_it_does() -> None:
    client = client_of(KEEPING._replace(max_outbox_len=500))
    connection = client.connect(window_len=100)
    for _ in range(3):
        connection.send(b"GET /text HTTP/1.1\r\nHost: h\r\n\r\n")
    connection.send(b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n")
    client.server.broadcast("x", topic="a")
    client.run_until_idle()
    while connection.read(50):
        pass
    client.server.broadcast("y", topic="a")
    client.run_until_idle()
    while connection.read(50):
        pass
    assert [line["text"] for line in lines_of(connection) if "text" in line] in (["x"], ["y"])


# -- what is wrong with it -------------------------------------------------------------------------


@pytest.mark.parametrize("timeout", [-1, float("nan"), -0.5])
def test_a_time_is_a_number_of_seconds(timeout: Any) -> None:
    with pytest.raises(TypeError, match="timeout is a number of seconds, not"):
        Response.poll(timeout=timeout)


def test_topics_and_positions_are_checked_at_the_call() -> None:
    with pytest.raises(TypeError):
        Response.poll(timeout="5")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Response.poll(after=7)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="topic"):
        Response.poll(topics=[7])  # type: ignore[list-item]
    with pytest.raises(TypeError, match="history"):
        Response.poll(history=-1)
    with pytest.raises(ValueError, match="status"):
        Response.poll(status=99)


def test_too_many_topics_are_the_programs_error() -> None:
    client = client_of(KEEPING._replace(max_ws_topics_per_client=1), raise_errors=False)
    assert [answer.status for answer in polling(client, "/a+b").answers()] == [500]


def test_headers_and_status_are_the_programs() -> None:
    def custom(request: Request) -> Response:
        return Response.poll(
            timeout=0, status=203, headers={"X-A": "b", "Cache-Control": "private"}
        )

    answer = Client(custom).get("/")
    assert (answer.status, answer.headers["x-a"]) == (203, "b")
    assert answer.headers["cache-control"] == "private"


def test_callbacks_of_event_streams_are_not_called_for_it() -> None:
    called: list[str] = []

    def note(server: HttpServer, conn: Conn, what: object) -> None:
        called.append("called")

    from sigil import Callbacks

    client = client_of(callbacks=Callbacks(sse_open=note, sse_close=note))
    one, two = polling(client), polling(client)
    one.reset()
    two.half_close()
    client.advance(1.0)
    assert called == []
