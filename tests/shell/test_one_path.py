"""One path: whatever a request looks like, it runs through the functions of the reference systems.

Theory: a request is sent to a real server, and the names of sigil's functions are noted as they are
called. A request that is usual and one that is not differ in what is called beside these, and never
in these or in their order.
"""

import logging
import sys
from types import FrameType
from typing import Any

import pytest

from sigil import Request, Response
from tests.support.builds import needs_pure_sources
from tests.support.servers import Raw, pump, ticking

pytestmark = needs_pure_sources

PATH = (
    "process_connections",
    "process_readable_clients",
    "handle_client_data",
    "try_parse_and_handle",
    "find_header_end",
    "finalize_request",
    "handle_request",
    "send_response",
)
"""What every request runs through, in the order of the first calls."""

REQUESTS = {
    "usual": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "two at once": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 2,
    "with a cookie": b"GET /?q=1 HTTP/1.1\r\nHost: a\r\nCookie: a=1\r\n\r\n",
    "HEAD": b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
    "HTTP/1.0": b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    "the last one": b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    "with a body": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
    "with chunks": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"1\r\na\r\n0\r\n\r\n",
    "a stream": b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n",
    "an event stream": b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n",
    "no WebSocket": b"GET /upgrade HTTP/1.1\r\nHost: a\r\n\r\n",
}


def app(request: Request) -> Response:
    """Responses of every kind."""
    match request.path:
        case "/stream":
            return Response.stream([b"abc"])
        case "/events":
            return Response.sse()
        case "/upgrade":
            return Response.upgrade()
        case _:
            return Response.text("hello", headers={"X-A": "b", "Set-Cookie": "a=1"})


def names_called(data: bytes) -> list[str]:
    """The names of `PATH` that are called while this request is answered, each once, in order."""
    called: dict[str, None] = {}

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and frame.f_code.co_name in PATH:
            called.setdefault(frame.f_code.co_name)

    with ticking(app) as server, Raw(server) as client:
        pump(server, lambda: len(server.clients()) == 1, client)
        client.sock.sendall(data)
        sys.setprofile(note)
        try:
            pump(server, lambda: b"\r\n\r\n" in client.received, client)
        finally:
            sys.setprofile(None)
    return list(called)


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_runs_through_the_one_path(name: str) -> None:
    assert names_called(REQUESTS[name]) == list(PATH)


def test_the_access_log_is_no_other_path(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "sigil.access"):
        assert names_called(REQUESTS["usual"]) == list(PATH)
    assert [record.name for record in caplog.records] == ["sigil.access"]
