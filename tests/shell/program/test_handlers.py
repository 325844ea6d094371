"""User code that goes wrong: the client gets a status and no internals, the log gets the traceback,
nobody else gets anything.

Theory: a handler is a function that may do whatever a function can do: raise, return nonsense, be a
coroutine, or leave the program. Each of these is one request's business.
"""

from collections.abc import Callable
from typing import Any

import pytest

from sigil import BadInput, Request, Response
from sigil.core.http.bodies import StreamedBody
from sigil.testing import Client
from tests.support.requests import GET
from tests.support.servers import Raw, ask, exchange, logged_by, pump, settle, ticking


def post(body: bytes, content_type: str = "application/json") -> bytes:
    return (
        f"POST / HTTP/1.1\r\nHost: a\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def raising(error: BaseException) -> Callable[[Request], Response]:
    def handler(request: Request) -> Response:
        raise error

    return handler


@pytest.mark.parametrize(
    "error",
    [
        LookupError("secret"),
        RuntimeError(),
        OSError(5, "secret"),
        RecursionError(),
        StopIteration("secret"),
        AssertionError("secret"),
        MemoryError(),
        BlockingIOError(),
        UnicodeDecodeError("utf-8", b"secret", 0, 1, "secret"),
    ],
)
def test_an_exception_is_a_500_with_the_traceback_in_the_log_and_nothing_in_the_body(
    error: Exception,
) -> None:
    with ticking(raising(error)) as server, logged_by("sigil.error") as lines:
        answer = ask(server, b"GET /the/path?q HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (answer.status, answer.text) == (500, "500 Internal Server Error\n")
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert len(lines) == 1
        assert lines[0].startswith("GET /the/path?q: the handler raised\nTraceback")
        assert type(error).__name__ in lines[0]
        assert "in handler" in lines[0]


def test_a_connection_outlives_its_handlers_exceptions() -> None:
    with ticking(raising(LookupError())) as server, Raw(server) as client:
        for count in range(1, 5):
            client.send(GET)

            def is_there(count: int = count) -> bool:
                return len(client.answers(*["GET"] * count)) == count

            pump(server, is_there, client)
        assert not client.over
        assert server.stats().accepted == 1


def test_the_log_is_the_logger_sigil_error_at_level_error(caplog: pytest.LogCaptureFixture) -> None:
    with ticking(raising(LookupError("why"))) as server:
        ask(server)
    records = [record for record in caplog.records if record.name == "sigil.error"]
    assert [record.levelname for record in records] == ["ERROR"]
    assert "LookupError: why" in records[0].getMessage()


def test_none_is_a_404() -> None:
    with ticking(lambda request: None) as server, logged_by("sigil.error") as lines:
        answer = ask(server)
        assert (answer.status, answer.text) == (404, "404 Not Found\n")
        assert lines == []


@pytest.mark.parametrize(
    ("result", "name"),
    [
        ("hello", "str"),
        (b"hello", "bytes"),
        (0, "int"),
        ((200, (), b""), "tuple"),
        ({}, "dict"),
        (Response, "type"),
        (iter(()), "tuple_iterator"),
    ],
)
def test_a_result_of_another_type_is_a_500_and_the_log_names_the_type(
    result: object, name: str
) -> None:
    with ticking(lambda request: result) as server, logged_by("sigil.error") as lines:
        answer = ask(server)
        assert (answer.status, answer.text) == (500, "500 Internal Server Error\n")
        assert lines == [f"GET /: the handler returned {name}, not a Response"]


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
def test_a_coroutine_function_outside_asyncio_is_a_500_and_the_log_says_what_it_needs() -> None:
    async def handler(request: Request) -> Response:
        return Response.text("never")

    with ticking(handler) as server, logged_by("sigil.error") as lines:
        assert ask(server).status == 500
        assert len(lines) == 1
        assert "which needs start(), serve_in_thread() or http_server_serve()" in lines[0]


@pytest.mark.parametrize(
    "fields",
    [
        (200, (("Bad Name", "x"),), b""),
        (200, (("X", "a\r\nInjected: 1"),), b""),
        (200, (("Transfer-Encoding", "chunked"),), b""),
        (200, (("Content-Length", "7"),), b"six"),
        (99, (), b""),
        (101, (), b""),
        (200, (), "text"),
        (200, (), None),
        ("200", (), b""),
        (200, None, b""),
        (200, ("ab",), b""),
        (200, [["X", "y"]], b""),
    ],
)
def test_a_response_that_cannot_be_sent_is_a_500_with_a_sentence_in_the_log(
    fields: tuple[Any, ...],
) -> None:
    with ticking(lambda request: Response(*fields)) as server, logged_by("sigil.error") as lines:
        answer = ask(server)
        assert (answer.status, answer.text) == (500, "500 Internal Server Error\n")
        assert len(lines) == 1
        assert lines[0].startswith("GET /: ")
        assert "injected" not in answer.headers


@pytest.mark.parametrize(
    ("body", "word"), [(b"{", "JSON"), (b"", "JSON"), (b"\xff", "JSON"), (b"[" * 100_000, "JSON")]
)
def test_a_body_that_is_not_json_is_the_clients_mistake(body: bytes, word: str) -> None:
    with (
        ticking(lambda request: Response.json(request.json())) as server,
        logged_by("sigil.error") as lines,
    ):
        answer = ask(server, post(body), "POST")
        assert answer.status == 400
        assert word in answer.text
        assert lines == []
        assert ask(server, post(b"[1, 2]"), "POST").text == "[1,2]"


def test_a_form_that_is_none_is_415_and_a_broken_one_400() -> None:
    form = "application/x-www-form-urlencoded"
    with (
        ticking(lambda request: Response.json(request.form())) as server,
        logged_by("sigil.error") as lines,
    ):
        assert ask(server, post(b"a=1"), "POST").status == 415
        assert ask(server, post(b"\xff", form), "POST").status == 400
        assert ask(server, post(b"&".join([b"a=1"] * 1_001), form), "POST").status == 400
        assert (
            ask(server, post(b"a=1&b=%20", form + "; charset=utf-8"), "POST").text
            == '{"a":"1","b":" "}'
        )
        assert lines == []


def test_a_handler_may_refuse_input_itself() -> None:
    with (
        ticking(raising(BadInput("no such colour", 422))) as server,
        logged_by("sigil.error") as lines,
    ):
        answer = ask(server)
        assert (answer.status, answer.text) == (422, "422 Unprocessable Content: no such colour\n")
        assert lines == []


@pytest.mark.parametrize("status", [99, 200, 302, 500, 1000])
def test_a_bad_input_with_a_status_that_is_not_the_clients_is_the_handlers_own_mistake(
    status: int,
) -> None:
    def handler(request: Request) -> Response:
        raise BadInput("odd", status)

    with ticking(handler) as server, logged_by("sigil.error") as lines:
        assert [ask(server).status for _ in range(2)] == [500, 500]
        assert f"ValueError: {status} is not the status of a client's error" in lines[0]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3)])
def test_what_is_meant_to_end_the_program_leaves_the_tick_and_the_client_gets_500(
    error: BaseException,
) -> None:
    def handler(request: Request) -> Response:
        if request.path == "/end":
            raise error
        return Response.text("fine")

    with ticking(handler) as server, Raw(server) as client, logged_by("sigil.error") as lines:
        settle(server)
        client.send(b"GET /end HTTP/1.1\r\nHost: a\r\n\r\n")
        with pytest.raises(type(error)) as caught:
            settle(server)
        assert caught.value is error
        assert server.running
        pump(server, lambda: bool(client.answers()), client)
        answer = client.answers()[0]
        assert (answer.status, answer.text) == (500, "500 Internal Server Error\n")
        assert len(lines) == 1
        assert lines[0].startswith("GET /end: ")
        assert "interrupted" in lines[0]
        assert ask(server).text == "fine"


def test_requests_of_others_that_came_with_an_interrupt_are_answered_later() -> None:
    def handler(request: Request) -> Response:
        if request.path == "/end":
            raise KeyboardInterrupt
        return Response.text("fine")

    end = b"GET /end HTTP/1.1\r\nHost: a\r\n\r\n"
    with ticking(handler) as server, Raw(server) as one, Raw(server) as two, Raw(server) as three:
        pump(server, lambda: len(server.clients()) == 3)
        for client, data in ((one, GET + end + GET), (two, GET), (three, GET * 2)):
            client.send(data)
        with pytest.raises(KeyboardInterrupt):
            settle(server)
        pump(
            server,
            lambda: (
                len(one.answers(*["GET"] * 3)) == 3
                and len(three.answers("GET", "GET")) == 2
                and len(two.answers()) == 1
            ),
            one,
            two,
            three,
        )
        assert [answer.status for answer in one.answers(*["GET"] * 3)] == [200, 500, 500]
        assert two.answers()[0].text == "fine"


def test_what_was_read_in_a_tick_that_is_interrupted_at_its_beginning_is_not_lost() -> None:
    def handler(request: Request) -> Response:
        if request.path == "/end":
            raise KeyboardInterrupt
        return Response.text("fine")

    end = b"GET /end HTTP/1.1\r\nHost: a\r\n\r\n"
    with ticking(handler) as server, Raw(server) as one, Raw(server) as two, Raw(server) as three:
        pump(server, lambda: len(server.clients()) == 3)
        one.send(end)
        two.send(end)
        with pytest.raises(KeyboardInterrupt):
            settle(server)
        three.send(GET)  # the handling of the second /end is still to be carried out
        with pytest.raises(KeyboardInterrupt):
            settle(server)
        pump(server, lambda: bool(one.answers() and two.answers()), one, two, three)
        pump(server, lambda: bool(three.answers()), three, patience=0.5)


def test_a_stop_that_came_before_an_interrupt_is_not_lost() -> None:
    def handler(request: Request) -> Response:
        raise KeyboardInterrupt

    with ticking(handler) as server, Raw(server, GET) as one, Raw(server, GET) as two:
        with pytest.raises(KeyboardInterrupt):
            pump(server, lambda: False)
        server.stop(0)
        with pytest.raises(KeyboardInterrupt):
            server.tick()
        pump(server, lambda: not server.running, one, two, patience=0.5)


def test_in_a_pipelined_batch_only_the_one_that_raised_is_a_500() -> None:
    def handler(request: Request) -> Response | None:
        match request.path:
            case "/raise":
                raise LookupError("middle")
            case "/none":
                return None
            case "/wrong":
                return "text"  # type: ignore[return-value]
            case "/stream":
                return Response.stream([b"str", b"eam"])
            case _:
                return Response.text(request.path)

    paths = ["/1", "/raise", "/2", "/none", "/stream", "/wrong", "/3", "/raise", "/stream", "/4"]
    data = b"".join(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode() for path in paths)
    with ticking(handler) as server, logged_by("sigil.error") as lines:
        answers = exchange(server, data, *["GET"] * len(paths))
        assert [answer.status for answer in answers] == [
            200,
            500,
            200,
            404,
            200,
            500,
            200,
            500,
            200,
            200,
        ]
        texts = [answer.text for answer in answers if answer.status == 200]
        assert texts == ["/1", "/2", "stream", "/3", "stream", "/4"]
        assert [line.split(":")[0] for line in lines] == ["GET /raise", "GET /wrong", "GET /raise"]


def test_a_request_shows_where_it_came_from() -> None:
    def handler(request: Request) -> Response:
        return Response.text(f"{request.peer} {request.version} {request.host}")

    data = b"GET http://b/x HTTP/1.1\r\nHost: b\r\n\r\n"
    with ticking(handler) as server, Raw(server, data) as client:
        pump(server, lambda: bool(client.answers()), client)
        host, port = client.sock.getsockname()
        assert client.answers()[0].text == f"{host}:{port} 1 b"


class Sealed:
    """A stream that does not tell what it is."""

    @property
    def __class__(self) -> type:  # type: ignore[override]
        raise OSError(5, "the drawer is stuck")


def test_a_stream_that_cannot_be_started_is_reported_as_that() -> None:
    client = Client(
        lambda request: Response(200, (), StreamedBody(Sealed())),
        raise_errors=False,
    )
    assert client.get("/").status == 500
    (line,) = [line for line in client.log if line.logger == "sigil.error"]
    assert line.text.startswith("the stream could not be started\nTraceback")
    assert "the drawer is stuck" in line.text
