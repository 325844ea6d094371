"""The HTTP server of the Evo runtime: the order of its events, and what is sent for what it writes.

Theory: what is told to a program is a list, and what is sent is bytes; both are literal here, over
sockets and in memory.
"""

from typing import Any

import pytest

from sigil import Limits, Request, Response, chain
from sigil.evo import Event, HttpSendStatus, HttpServer, RequestDetails, SendStatus
from sigil.testing import Client
from sigil.web import body_limit
from tests.support.evo import Diary, MemoryWorld, SocketWorld, World, every_world, serving
from tests.support.servers import logged_by

GET = b"GET /a/b?x=1 HTTP/1.1\r\nHost: h\r\nX-Two: 1\r\nX-Two: 2\r\n\r\n"
POST = b"POST /a/b HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\n"
CHUNKED = b"POST /a/b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
FINISHED, STARTED = "HTTP_REQUEST_FINISHED", "HTTP_REQUEST_STARTED"


def without_date(data: bytes) -> bytes:
    """What was sent, without the lines of the Date."""
    lines = data.split(b"\r\n")
    return b"\r\n".join(line for line in lines if not line.startswith(b"Date: "))


def server_for(*routes: str, **arguments: Any) -> HttpServer:
    """A server with these routes."""
    server = HttpServer(**arguments)
    for route in routes or ("/*",):
        server.add_route(route)
    return server


def answering(server: HttpServer, data: str | bytes = "done") -> Any:
    """What ends the response with this."""
    return lambda event: server.send_response(event.client_id, data)


# -- the order of events ---------------------------------------------------------------------------


@every_world
def test_a_request_without_a_body_starts_and_finishes(world: type[World]) -> None:
    server = server_for()
    diary = Diary(server, HTTP_REQUEST_FINISHED=answering(server, "hi"))
    with serving(world, server) as here:
        client = here.connect(GET)
        here.until(lambda: client.received.endswith(b"hi"))
        here.stop()
    assert diary.lines == [
        ("SERVER_STARTED_LISTENING", "SERVER", str(here.port)),
        ("HTTP_REQUEST_STARTED", 1, ""),
        ("HTTP_REQUEST_FINISHED", 1, b""),
        ("SERVER_STOPPED_LISTENING", "SERVER", "Going Away"),
    ]
    assert without_date(client.received) == b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


@every_world
def test_pieces_of_a_body_come_one_by_one_and_the_last_is_known_by_its_length(
    world: type[World],
) -> None:
    server = server_for()
    diary = Diary(server, HTTP_REQUEST_FINISHED=answering(server))
    with serving(world, server) as here:
        client = here.connect(POST)
        here.until(lambda: STARTED in diary.names)
        client.send(b"abc")
        here.until(lambda: "HTTP_DATA_RECEIVED" in diary.names)
        client.send(b"def")
        here.until(lambda: client.received.endswith(b"done"))
    assert diary.lines[1:4] == [
        ("HTTP_REQUEST_STARTED", 1, ""),
        ("HTTP_DATA_RECEIVED", 1, b"abc"),
        ("HTTP_REQUEST_FINISHED", 1, b"def"),
    ]


@every_world
def test_behind_the_chunks_of_a_body_comes_an_empty_piece(world: type[World]) -> None:
    server = server_for()
    diary = Diary(server, HTTP_REQUEST_FINISHED=answering(server))
    with serving(world, server) as here:
        client = here.connect(CHUNKED + b"3\r\nabc\r\n")
        here.until(lambda: "HTTP_DATA_RECEIVED" in diary.names)
        client.send(b"0\r\n\r\n")
        here.until(lambda: client.received.endswith(b"done"))
        client.send(GET)
        here.until(lambda: client.received.count(b"done") == 2)
    assert diary.lines[1:6] == [
        ("HTTP_REQUEST_STARTED", 1, ""),
        ("HTTP_DATA_RECEIVED", 1, b"abc"),
        ("HTTP_REQUEST_FINISHED", 1, b""),
        ("HTTP_REQUEST_STARTED", 2, ""),
        ("HTTP_REQUEST_FINISHED", 2, b""),
    ]


@every_world
def test_a_client_that_leaves_is_told_of_when_its_id_is_gone(world: type[World]) -> None:
    server, known = server_for(), list[bool]()

    def look(event: Event[Any]) -> None:
        known.append(server.has_request_details(event.client_id))

    diary = Diary(server, HTTP_REQUEST_STARTED=look, HTTP_CONNECTION_ABORTED=look)
    with serving(world, server) as here:
        waiting, torn = here.connect(GET), here.connect(POST + b"abc")
        here.until(lambda: len(diary.lines) == 5)
        waiting.reset()
        here.until(lambda: len(diary.lines) == 6)
        torn.reset()
        here.until(lambda: len(diary.lines) == 7)
    first, second = (1, 2) if diary.lines[2][1] == 1 or diary.lines[1][1] == 1 else (2, 1)
    assert sorted(line for line in diary.lines[1:5] if line[1] == 1) == [
        ("HTTP_REQUEST_FINISHED", 1, b""),
        ("HTTP_REQUEST_STARTED", 1, ""),
    ]
    assert diary.lines[5:7] == [
        ("HTTP_CONNECTION_ABORTED", first, ""),
        ("HTTP_CONNECTION_ABORTED", second, ""),
    ]
    assert known == [True, True, False, False]
    assert server.send_response(diary.ids[0], "too late") is SendStatus.DROPPED
    assert not server.has_request_details(diary.ids[1])


@every_world
def test_each_request_of_a_pipeline_is_answered_by_its_own_id(world: type[World]) -> None:
    server, ids = server_for(), list[str]()
    diary = Diary(server, HTTP_REQUEST_FINISHED=lambda event: ids.append(event.client_id))
    with serving(world, server) as here:
        client = here.connect(GET * 3)
        here.until(lambda: len(ids) == 3)
        for number in (2, 0, 1):
            server.send_response(ids[number], f"<{number}>")
        here.until(lambda: b"<2>" in client.received)
    assert [line[:2] for line in diary.lines[1:7]] == [
        (name, number) for number in (1, 2, 3) for name in (STARTED, FINISHED)
    ]
    bodies = [part[:3] for part in bytes(client.received).split(b"\r\n\r\n")[1:]]
    assert bodies == [b"<0>", b"<1>", b"<2>"]


@every_world
def test_who_is_answered_before_the_body_has_come_is_told_no_more_of_it(world: type[World]) -> None:
    server = server_for()
    diary = Diary(server, HTTP_REQUEST_STARTED=answering(server, "no"))
    with serving(world, server) as here:
        client = here.connect(POST)
        here.until(lambda: client.received.endswith(b"no"))
        client.send(b"abcdef")
        here.until(lambda: True)
    assert diary.lines[1:2] == [("HTTP_REQUEST_STARTED", 1, "")]
    assert "HTTP_CONNECTION_ABORTED" not in diary.names
    assert b"Connection: close" in client.received


@every_world
def test_a_body_that_is_refused_by_its_head_is_not_asked_for(world: type[World]) -> None:
    server = server_for()

    def refuse(event: Event[Any]) -> None:
        if server.get_request_header(event.client_id, "content-length") == "7":
            server.write_status(event.client_id, 413)
            server.send_response(event.client_id)

    Diary(server, HTTP_REQUEST_STARTED=refuse, HTTP_REQUEST_FINISHED=answering(server, "thanks"))
    head = POST.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n")
    with serving(world, server) as here:
        refused, welcome = here.connect(head.replace(b"6", b"7")), here.connect(head)
        here.until(lambda: b"413" in refused.received and b"100 Continue" in welcome.received)
        welcome.send(b"abcdef")
        here.until(lambda: welcome.received.endswith(b"thanks"))
    assert b"100 Continue" not in refused.received


def test_a_body_that_is_too_long_is_a_413_and_its_request_aborted() -> None:
    for make_handler, limits in (
        (lambda server: server.handler, Limits(max_streamed_body_len=10)),
        (lambda server: chain(server.handler, body_limit(10)), Limits()),
    ):
        server = server_for()
        diary = Diary(server)
        client = Client(
            make_handler(server), limits=limits, callbacks=server.callbacks, raise_errors=False
        )
        connection = client.connect()
        connection.send(CHUNKED + b"3\r\nabc\r\n")
        server.process_deferred_events()
        client.run_until_idle()
        connection.send(b"a\r\n0123456789\r\n0\r\n\r\n")
        while server.process_deferred_events():
            client.run_until_idle()
        assert connection.answers("POST")[0].status == 413
        assert diary.names[-1] == "HTTP_CONNECTION_ABORTED"
        assert "HTTP_REQUEST_FINISHED" not in diary.names
        assert not server._requests


def test_a_body_is_read_no_faster_than_events_are_drained() -> None:
    server = server_for(limits=Limits(max_body_piece_len=1000))
    diary = Diary(server)
    client = Client(server.handler, limits=server.limits, callbacks=server.callbacks)
    connection = client.connect()
    connection.send(
        b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 300000\r\n\r\n" + bytes(300_000)
    )
    assert server.process_deferred_events() == 2
    client.run_until_idle()
    assert server.process_deferred_events() == 1
    assert diary.names[1:] == ["HTTP_REQUEST_STARTED", "HTTP_DATA_RECEIVED"]
    held = len(connection.wire.arrived)
    assert held > 100_000
    client.run_until_idle()
    assert len(connection.wire.arrived) == held or server.has_deferred_events
    while server.process_deferred_events():
        client.run_until_idle()
    assert sum(len(line[2]) for line in diary.lines[2:]) == 300_000
    assert diary.names.count("HTTP_REQUEST_FINISHED") == 1


# -- what is known of a request --------------------------------------------------------------------


@every_world
def test_a_request_is_known_by_its_id_until_it_is_answered(world: type[World]) -> None:
    server, known = server_for("/a/:name"), list[Any]()

    def look(event: Event[Any]) -> None:
        id = event.client_id
        known.extend(
            (
                server.has_request_details(id),
                server.get_request_details(id),
                server.get_request_method(id),
                server.get_request_url(id),
                server.get_request_query(id),
                server.get_request_endpoint(id),
                server.get_request_header(id, "X-TWO"),
                server.get_request_header(id, "X-Three"),
                server.get_request_headers(id),
            )
        )
        server.send_response(id)

    diary = Diary(server, HTTP_REQUEST_FINISHED=look)
    with serving(world, server) as here:
        here.connect(GET)
        here.until(lambda: bool(known))
    details = RequestDetails(
        "GET", "/a/b", "x=1", "/a/:name", {"host": "h", "x-two": "2"}, {"name": "b"}
    )
    assert known == [
        True, details, "GET", "/a/b", "x=1", "/a/:name", "1, 2", None,
        "host: h\r\nx-two: 1\r\nx-two: 2\r\n",
    ]  # fmt: skip
    for asked in (
        server.get_request_details, server.get_request, server.get_request_method,
        server.get_request_url, server.get_request_query, server.get_request_endpoint,
        server.get_request_headers, lambda id: server.get_request_header(id, "host"),
    ):  # fmt: skip
        assert asked(diary.ids[0]) is None  # type: ignore[operator]
        assert asked("no id at all") is None  # type: ignore[operator]
        with pytest.raises(TypeError, match="an id is a str, not NoneType"):
            asked(None)  # type: ignore[operator]
    assert not server.has_request_details(diary.ids[0])


# -- routes ----------------------------------------------------------------------------------------


def test_routes_are_listed_in_order_and_refused_where_they_make_no_sense() -> None:
    server = HttpServer()
    for route, method in (("/b", "GET"), ("/a/:x", "GET"), ("/a/*", "ANY"), ("/b", "POST")):
        server.add_route(route, method)
    assert server.get_registered_routes("GET") == ("/b", "/a/:x")
    assert server.get_registered_routes("ANY") == ("/a/*",)
    assert server.get_registered_routes("HEAD") == ()
    with pytest.raises(ValueError, match=r"GET /b(.|\n)*test_http_server.py"):
        server.add_route("/b", "GET")
    with pytest.raises(ValueError, match="a method is one of"):
        server.add_route("/c", "BREW")
    with pytest.raises(ValueError, match="a method is one of GET, POST, OPTIONS"):
        server.get_registered_routes("BREW")
    with pytest.raises(ValueError, match="begins with a slash"):
        server.add_route("c")
    with pytest.raises(TypeError, match="a route is a str, not int"):
        server.add_route(5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a handler is a function"):
        server.add_route("/c", "GET", "handler")
    server.remove_route("/b", "GET")
    assert server.get_registered_routes("GET") == ("/a/:x",)
    with pytest.raises(KeyError, match="no route GET /b"):
        server.remove_route("/b", "GET")


def test_routes_may_be_added_and_removed_while_it_serves_and_have_handlers_of_their_own() -> None:
    server = HttpServer()
    Diary(server, HTTP_REQUEST_FINISHED=answering(server, "event"))
    client = Client(server.handler, callbacks=server.callbacks)

    def ask(target: str, method: str = "GET") -> tuple[int, str]:
        connection = client.connect()
        connection.request(method, target, body=b"abc" if method == "POST" else b"")
        while server.process_deferred_events():
            client.run_until_idle()
        answer = connection.answers()[0]
        return answer.status, answer.text

    def own(request: Request) -> Response:
        return Response.text(f"own {request.params['name']} {len(request.body)}")

    assert ask("/a")[0] == 404
    server.add_route("/a", "POST")
    assert ask("/a", "POST") == (200, "event")
    assert ask("/a")[0] == 405
    server.add_route("/:name", handler=own)
    assert ask("/a") == (200, "own a 0")
    assert ask("/b", "POST") == (200, "own b 3")
    server.remove_route("/a", "POST")
    assert ask("/a", "POST") == (200, "own a 3")


# -- responses -------------------------------------------------------------------------------------


def written(*steps: Any, request: bytes = GET, **arguments: Any) -> tuple[bytes, list[Any]]:
    """What is sent when these steps are taken at the end of a request, without Date; and what they
    returned, or raised.
    """
    server, results = server_for(**arguments), list[Any]()

    def take(event: Event[Any]) -> None:
        for name, *values in steps:
            try:
                results.append(getattr(server, name)(event.client_id, *values))
            except (ValueError, TypeError, RuntimeError) as error:
                results.append((type(error), str(error)))

    Diary(server, HTTP_REQUEST_FINISHED=take)
    with serving(MemoryWorld, server) as here:
        client = here.connect(request)
        here.until(lambda: True)
        return without_date(client.received), results


def test_what_is_written_is_what_is_sent() -> None:
    sent, results = written(
        ("write_status", "404 Gone fishing"),
        ("write_header", "X-A", "b"),
        ("write_header", "x-a", "c"),
        ("send_response", "é"),
    )
    assert sent == (
        b"HTTP/1.1 404 Gone fishing\r\nContent-Length: 2\r\nX-A: b\r\nx-a: c\r\n\r\n\xc3\xa9"
    )
    assert results == [True, True, True, SendStatus.SUCCESS]
    assert written(("write_status", 404), ("send_response",))[0] == (
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
    )
    assert written(("write_status", "404 Not Found"), ("send_response", b""))[0] == (
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
    )
    assert written(("write_status", "204"), ("send_response",))[0] == (
        b"HTTP/1.1 204 No Content\r\n\r\n"
    )


def test_without_a_date_an_empty_404_has_the_three_lines_that_it_has_there() -> None:
    server = server_for(limits=Limits(date_header=False))

    def answer(event: Event[Any]) -> None:
        server.write_status(event.client_id, "404 Not Found")
        if server.get_request_method(event.client_id) == "POST":
            server.write_header(event.client_id, "Content-Type", "text/plain")
        server.send_response(event.client_id, event.message)

    Diary(server, HTTP_REQUEST_FINISHED=answer)
    with serving(MemoryWorld, server) as here:
        client = here.connect(GET + POST + b"foobar")
        here.until(lambda: client.received.endswith(b"foobar"))
    assert client.received == (
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 6\r\nContent-Type: text/plain\r\n\r\nfoobar"
    )


def test_the_first_part_that_is_written_makes_the_response_chunked() -> None:
    sent, results = written(
        ("write_header", "Content-Type", "text/plain"),
        ("write_response", "hello"),
        ("write_response", b""),
        ("write_response", " world"),
        ("send_response", "!"),
    )
    assert sent == (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: text/plain\r\n\r\n"
        b"c\r\nhello world!\r\n0\r\n\r\n"
    )
    assert results == [True, *[SendStatus.SUCCESS] * 4]


def test_a_response_to_head_is_what_it_would_be_without_its_body() -> None:
    head = GET.replace(b"GET", b"HEAD")
    assert written(("send_response", "hello"), request=head * 2)[0] == (
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n" * 2
    )
    sent, results = written(
        ("write_response", "hello"), ("has_request_details",), ("send_response", "x"),
        request=head,
    )  # fmt: skip
    assert sent == b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert results == [SendStatus.SUCCESS, True, SendStatus.SUCCESS]
    sent, results = written(("stream_response", "he", 0, 5), request=head)
    assert sent == b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
    assert results == [HttpSendStatus.SENT]


def test_a_length_that_was_declared_is_kept_or_refused() -> None:
    sent, results = written(
        ("write_header", "Content-Length", "5"),
        ("write_header", "Content-Length", "5"),
        ("write_response", "toolong"),
        ("write_response", "hel"),
        ("send_response", "l"),
        ("send_response", "lo"),
    )
    assert sent == b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
    assert [result for result in results if isinstance(result, tuple)] == [
        (ValueError, "Content-Length is one decimal number, not '5'"),
        (ValueError, "Content-Length is 5, and the body has 7 bytes"),
        (ValueError, "Content-Length is 5, and the body has 4 bytes"),
    ]


def test_a_step_out_of_order_is_refused_with_a_sentence_and_changes_nothing() -> None:
    sent, results = written(
        ("write_header", "X-A", "b"),
        ("write_status", 404),
        ("write_response", "hello"),
        ("write_header", "X-B", "c"),
        ("write_status", 404),
        ("stream_response", "more"),
        ("send_response",),
        ("send_response", "once more"),
        ("write_response", "once more"),
        ("write_header", "X-C", "d"),
    )
    assert sent == (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    )
    chunked = "of GET /a/b?x=1 its body is written in chunks (write_response)"
    errors = [result for result in results if isinstance(result, tuple)]
    assert errors[:4] == [
        (RuntimeError, "the status is written before the headers of a response"),
        (RuntimeError, f"a header is written before the body of a response: {chunked}"),
        (RuntimeError, f"the status is written before the body of a response: {chunked}"),
        (RuntimeError, f"it is one or the other: {chunked}"),
    ]
    assert [kind for kind, _ in errors[4:]] == [RuntimeError] * 3
    assert all("was answered already" in text for _, text in errors[4:])


@pytest.mark.parametrize(
    ("step", "kind", "text"),
    [
        (("write_status", "Not Found"), ValueError, "a status is a number and a text"),
        (("write_status", "99 Few"), ValueError, "a status is a number and a text"),
        (("write_status", 101), ValueError, "101 is not the status of a response"),
        (("write_status", "200 a\r\nX: y"), ValueError, "a reason phrase is one line"),
        (("write_status", None), TypeError, "a status is an int or a str, not NoneType"),
        (("write_status", True), TypeError, "a status is an int or a str, not bool"),
        (("write_header", "X-A", "b\r\nX-C: d"), ValueError, "cannot be sent"),
        (("write_header", "X A", "b"), ValueError, "is not a header name"),
        (("write_header", "Transfer-Encoding", "chunked"), ValueError, "the server's to send"),
        (("write_header", "Content-Length", "-5"), ValueError, "Content-Length"),
        (("write_header", "X-A", 5), TypeError, "a name and a value, both str"),
        (("write_response", 5), TypeError, "a body is a str or bytes, not int"),
        (("send_response", None), TypeError, "a body is a str or bytes, not NoneType"),
        (("stream_response", [1]), TypeError, "a body is a str or bytes, not list"),
        (("stream_response", "x", "0"), TypeError, "offset is a number of bytes, not str"),
        (("stream_response", "x", 0, 1.0), TypeError, "total is a number of bytes, not float"),
        (("stream_response", "x", 1), ValueError, "the next byte of the body is 0, and not 1"),
        (("stream_response", "x", -1), ValueError, "the next byte of the body is 0, and not -1"),
        (("stream_response", "xyz", 0, 2), ValueError, "2 bytes in all, and this part ends with 3"),
    ],
)
def test_what_is_wrong_is_said_to_who_wrote_it(step: Any, kind: type, text: str) -> None:
    sent, (result, ended) = written(step, ("send_response", "fine"))
    assert result[0] is kind and text in result[1]
    assert ended is SendStatus.SUCCESS and sent.endswith(b"Content-Length: 4\r\n\r\nfine")


def test_what_is_written_to_an_id_that_nobody_has_is_dropped() -> None:
    server = server_for()
    assert server.write_status("id", 200) is server.write_header("id", "A", "b") is False
    assert server.write_response("id", "x") is server.send_response("id") is SendStatus.DROPPED
    assert server.stream_response("id", "x") is HttpSendStatus.NONE


@every_world
def test_a_handler_that_raises_is_a_500_and_harms_no_other(world: type[World]) -> None:
    server = server_for()

    def answer(event: Event[Any]) -> None:
        if server.get_request_query(event.client_id) == "bad":
            raise ZeroDivisionError("mine")
        server.send_response(event.client_id, "good")

    Diary(server, HTTP_REQUEST_FINISHED=answer)
    with logged_by("sigil.error") as lines, serving(world, server) as here:
        bad = here.connect(GET.replace(b"x=1", b"bad"))
        good = here.connect(GET)
        here.until(lambda: b"500 Internal" in bad.received and b"good" in good.received)
    assert lines == ["the handler of HTTP_REQUEST_FINISHED raised"]
    assert not server._requests


def test_what_is_sent_for_a_request_whose_handler_has_raised_is_dropped() -> None:
    server, statuses = server_for(), list[SendStatus]()

    def begin(event: Event[Any]) -> None:
        raise ZeroDivisionError("mine")

    def finish(event: Event[Any]) -> None:
        statuses.append(server.send_response(event.client_id, "late"))

    Diary(server, HTTP_REQUEST_STARTED=begin, HTTP_REQUEST_FINISHED=finish)
    client = Client(server.handler, callbacks=server.callbacks)
    connection = client.connect()
    connection.send(GET)
    with logged_by("sigil.error") as lines:
        server.process_deferred_events()
    client.run_until_idle()
    assert connection.answers()[0].status == 500
    assert statuses == [SendStatus.DROPPED]
    assert lines == ["the handler of HTTP_REQUEST_STARTED raised"]


@every_world
def test_a_handler_that_raises_in_the_middle_breaks_its_response_off(world: type[World]) -> None:
    server = server_for()

    def answer(event: Event[Any]) -> None:
        server.write_response(event.client_id, "begun")
        raise ZeroDivisionError("mine")

    Diary(server, HTTP_REQUEST_FINISHED=answer)
    with logged_by("sigil.error"), serving(world, server) as here:
        client = here.connect(GET)
        if isinstance(here, SocketWorld):
            here.until(lambda: client.over)
        else:
            here.until(lambda: client.is_closed or client.has_ended)
    assert client.received.endswith(b"5\r\nbegun\r\n")
