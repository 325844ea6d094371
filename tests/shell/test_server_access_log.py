"""The access log: one line per answer if somebody listens when the server does, and nothing at all
otherwise.
"""

import logging

import pytest

from sigil import Request, Response
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
    assert lines == [
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
