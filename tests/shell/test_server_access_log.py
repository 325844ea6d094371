"""The access log: one line per answer if somebody listens when the server does, and nothing at all
otherwise.
"""

import logging
import time

import pytest

from sigil import Deferred, Peer, Request, Response
from sigil.core.effects import AccessLog
from sigil.shell.program.logs import write_access
from sigil.testing import Client
from tests.support.requests import GET
from tests.support.servers import Raw, ask, exchange, logged_by, pump, ticking


def app(request: Request) -> Response | None:
    """Answers of every length."""
    match request.path:
        case "/none":
            return None
        case "/stream":
            return Response.stream([b"abc"])
        case "/fail":
            raise LookupError
        case _:
            return Response.text("hello")


def get(path: str, method: str = "GET", version: int = 1) -> bytes:
    return f"{method} {path} HTTP/1.{version}\r\nHost: a\r\n\r\n".encode()


def test_each_answer_is_one_line() -> None:
    with logged_by("sigil.access") as lines, ticking(app) as server:
        data = (
            get("/a?q=1")
            + get("/none")
            + get("/stream")
            + get("/fail")
            + get("/h", "HEAD")
            + get("/o", version=0)
        )
        with Raw(server, data) as client:
            port = client.sock.getsockname()[1]
            pump(server, lambda: client.over, client)
    assert [line.rpartition(" ")[0] for line in lines] == [
        f'127.0.0.1:{port} "{rest}'
        for rest in (
            'GET /a?q=1 HTTP/1.1" 200 5',
            'GET /none HTTP/1.1" 404 14',
            'GET /stream HTTP/1.1" 200 -',
            'GET /fail HTTP/1.1" 500 26',
            'HEAD /h HTTP/1.1" 200 5',
            'GET /o HTTP/1.0" 200 5',
        )
    ]


def test_answers_with_a_log_are_the_same_as_without() -> None:
    data = GET * 3 + get("/stream") + get("/none")
    with ticking(app) as server:
        without = exchange(server, data, *["GET"] * 5)
    with logged_by("sigil.access"), ticking(app) as server:
        assert [answer[2:] for answer in exchange(server, data, *["GET"] * 5)] == [
            answer[2:] for answer in without
        ]


def test_nobody_listening_means_no_lines(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "sigil.access")
    with ticking(app) as server:
        assert ask(server).status == 200
    assert [record for record in caplog.records if record.name == "sigil.access"] == []


def test_whether_it_is_written_is_decided_at_listen() -> None:
    with ticking(app) as server, logged_by("sigil.access") as lines:
        assert ask(server).status == 200
        assert lines == []


def test_a_refusal_is_an_answer_too() -> None:
    with logged_by("sigil.access") as lines, ticking(app) as server:
        assert ask(server, b"nonsense\r\n\r\n").status == 400
    assert len(lines) == 1


def test_a_target_cannot_forge_a_line() -> None:
    with logged_by("sigil.access") as lines, ticking(app) as server:
        ask(server, get("/%0d%0aforged"))
        ask(server, b"GET /a\nforged HTTP/1.1\r\nHost: a\r\n\r\n")
    assert all("\n" not in line and "\r" not in line for line in lines)


def test_a_record_has_the_parts_of_the_line_and_the_time_that_the_response_took(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "sigil.access")
    started_at = time.monotonic()
    with ticking(app) as server:
        ask(server, get("/a?q=1"))
        ask(server, get("/stream"))
    took = time.monotonic() - started_at
    first, second = (record for record in caplog.records if record.name == "sigil.access")
    parts = vars(first)
    assert {name: parts[name] for name in ("method", "target", "version", "status", "length")} == {
        "method": "GET",
        "target": "/a?q=1",
        "version": 1,
        "status": 200,
        "length": 5,
    }
    assert parts["peer"].startswith("127.0.0.1:")
    assert vars(second)["length"] is None
    for record in (first, second):
        seconds = vars(record)["seconds"]
        assert 0 <= seconds <= took
        assert record.getMessage().endswith(f" {seconds:.6f}")


def test_the_time_is_that_of_the_response_and_not_of_the_connection() -> None:
    promises: list[Deferred] = []

    def later(request: Request) -> Deferred:
        promises.append(Deferred())
        return promises[-1]

    client = Client(later)
    connection = client.connect()
    client.advance(30)
    connection.send(get("/late"))
    client.advance(7)
    promises[0].resolve(Response.text("x"))
    client.run_until_idle()
    client.advance(20)
    connection.send(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")
    connection.send(b"nonsense\r\n\r\n")
    now = client.server.now
    assert [now - entry.since for entry in client.access] == [27, 0, 0]


@pytest.mark.parametrize(
    ("target", "line"),
    [
        ("/a", '"GET /a HTTP/1.1"'),
        ('/"', '"GET /\\" HTTP/1.1"'),
        ("/\\", '"GET /\\\\ HTTP/1.1"'),
        ("/\n\r\t\x00\x7f", r'"GET /\n\r\t\x00\x7f HTTP/1.1"'),
        ("/é€😀\u2028", r'"GET /\xe9\u20ac\U0001f600\u2028 HTTP/1.1"'),
    ],
)
def test_whatever_is_in_a_target_the_line_can_be_taken_apart(target: str, line: str) -> None:
    entry = AccessLog(Peer("", 0), "GET", target, 1, 200, 2)
    with logged_by("sigil.access") as lines:
        write_access(logging.getLogger("sigil.access"), entry, 0.25)
    assert lines == [f"unix: {line} 200 2 0.250000"]
