"""Marks on requests and responses, with a whole server in memory, and httpx on a real socket."""

import re
from typing import Any

import httpx
import pytest

from sigil import Request, Response, chain, make_http_server
from sigil.testing import Client
from sigil.web import request_id, security_headers, server_timing, timing_metric


def app(request: Request) -> Response:
    if request.path == "/fails":
        raise KeyError("x")
    headers = {"Server-Timing": timing_metric("db", 0.0123)} if request.path == "/timed" else {}
    return Response.text(request.headers.get("x-request-id", ""), headers=headers)


def test_the_handler_and_the_client_find_the_same_name() -> None:
    client = Client(chain(app, request_id()))
    got = client.get("/")
    assert re.fullmatch(r"[0-9a-f]{32}", got.body.decode())
    assert got.headers["x-request-id"] == got.body.decode()
    assert client.get("/").body != got.body
    kept = client.get("/", headers={"X-Request-ID": "edge-7"})
    assert (kept.body, kept.headers["x-request-id"]) == (b"edge-7", "edge-7")
    assert client.get("/", headers={"X-Request-ID": "<b>"}).body != b"<b>"


def test_names_of_strangers_may_be_declined_and_made_otherwise() -> None:
    client = Client(chain(app, request_id(accept=False, make=lambda: "own")))
    assert client.get("/", headers={"X-Request-ID": "edge-7"}).body == b"own"
    broken = Client(chain(app, request_id(make=lambda: "a b")), raise_errors=False)
    assert broken.get("/").status == 500
    assert "make made 'a b', which is no name for a request" in broken.log[-1].text


def test_what_makes_names_or_tells_the_time_is_a_function() -> None:
    with pytest.raises(TypeError, match="make is a function that returns a str, not 'own'"):
        request_id(make="own")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"clock is a function that returns seconds, not 5\.0"):
        server_timing(clock=5.0)  # type: ignore[arg-type]


def test_a_failure_has_its_name_and_time_too() -> None:
    client = Client(chain(app, request_id(), server_timing()), raise_errors=False)
    got = client.get("/fails", headers={"X-Request-ID": "edge-7"})
    assert (got.status, got.headers["x-request-id"]) == (500, "edge-7")
    assert got.headers["server-timing"].startswith("app;dur=")


def test_timing_is_that_of_the_clock() -> None:
    times = iter([10.0, 10.25])
    client = Client(chain(app, server_timing(name="all", clock=lambda: next(times))))
    assert client.get("/timed").headers.get_all("server-timing") == ("db;dur=12.3", "all;dur=250")


def test_pages_are_secured_and_the_handler_has_the_last_word() -> None:
    def page(request: Request) -> Response:
        return Response.html("", headers={"X-Frame-Options": "SAMEORIGIN"})

    got = Client(chain(page, security_headers(content_security_policy="default-src 'self'"))).get(
        "/"
    )
    assert got.headers["x-frame-options"] == "SAMEORIGIN"
    assert got.headers["content-security-policy"] == "default-src 'self'"
    assert got.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (request_id, {"header": "a b"}),
        (server_timing, {"name": "a b"}),
        (security_headers, {"frame_options": "x"}),
    ],
)
def test_options_that_make_no_sense_are_refused(make: Any, options: Any) -> None:
    with pytest.raises(ValueError, match="not "):
        make(**options)


def test_httpx_reads_the_marks() -> None:
    server = make_http_server(chain(app, request_id(), server_timing(), security_headers()), port=0)
    with server.serve_in_thread():
        got = httpx.get(f"http://127.0.0.1:{server.port}/", timeout=60)
    assert got.headers["x-request-id"] == got.text
    assert got.headers["referrer-policy"] == "strict-origin-when-cross-origin"
    assert "server-timing" in got.headers
