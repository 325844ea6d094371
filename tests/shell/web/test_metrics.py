"""`metrics()` over real sockets and in memory: what it shows, and what it does not do."""

import http.client
import threading

import pytest
from prometheus_client.parser import text_string_to_metric_families

from sigil import Request, Response, Routes, chain, make_http_server
from sigil.shell.web.metrics import NOT_BEGUN, prefers_open
from sigil.testing import Client
from sigil.web import metrics, security_headers


def hello(request: Request) -> Response:
    return Response.text("hello")


def routes_with_metrics() -> Routes:
    routes = Routes()
    routes.add("/metrics", metrics(), method="GET")
    routes.add("/*rest", hello)
    return routes


def samples_of(text: str) -> dict[str, float]:
    """All values without labels, and those of buckets by their bound."""
    return {
        sample.name + sample.labels.get("le", sample.labels.get("reason", "")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def scrape(port: int, accept: str = "") -> tuple[http.client.HTTPResponse, str]:
    """The response of a server on this port, and its text."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/metrics", headers={"Accept": accept} if accept else {})
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response, text


def test_it_is_the_figures_of_the_server_that_it_is_mounted_in() -> None:
    server = make_http_server(chain(routes_with_metrics(), security_headers()), port=0)
    with server.serve_in_thread():
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        for _ in range(3):
            connection.request("GET", "/")
            assert connection.getresponse().read() == b"hello"
        response, text = scrape(server.port)
        connection.close()
    assert response.status == 200
    assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert response.headers["Cache-Control"] == "no-store"
    samples = samples_of(text)
    assert samples["sigil_requests_total"] == 4 and samples["sigil_connections"] == 2
    assert samples["sigil_handler_seconds_count"] == 3  # this one has not returned yet
    assert samples["sigil_handler_seconds_bucket+Inf"] == 3
    assert samples["sigil_loop_lag_seconds_count"] >= 3
    assert samples["process_resident_memory_bytes"] > 10**6


def test_open_metrics_are_sent_to_whoever_prefers_them() -> None:
    with Client(routes_with_metrics()) as client:
        accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
        response = client.get("/metrics", headers={"Accept": accept})
        assert response.headers["content-type"].startswith("application/openmetrics-text")
        assert response.body.endswith(b"# EOF\n")
        assert client.get("/metrics").headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize(
    ("accept", "is_open"),
    [
        ("", False),
        ("*/*", False),
        ("application/openmetrics-text", True),
        ("application/openmetrics-text;q=0.1, text/plain", False),
        ("application/openmetrics-text;q=x", False),
        ("text/*;q=0.5, Application/OpenMetrics-Text; version=1.0.0; q=0.7", True),
        ("application/openmetrics-text;q=0", False),
    ],
)
def test_the_format_is_negotiated(accept: str, is_open: bool) -> None:
    assert prefers_open(accept) is is_open


def test_a_server_on_another_address_may_show_them() -> None:
    with Client(hello) as client:
        client.get("/")
        client.get("/")
        shown = metrics(client.server)
        with Client(shown) as monitoring:  # its own beginning does not change whose they are
            samples = samples_of(monitoring.get("/").text)
    assert samples["sigil_requests_total"] == 2


def test_what_makes_no_sense_is_a_sentence() -> None:
    with pytest.raises(TypeError, match="metrics are those of an HttpServer, not of str"):
        metrics("server")
    shown = metrics()
    with Client(lambda request: shown(request)) as client:  # which hides it from the server
        response = client.get("/metrics")
        assert response.status == 503 and NOT_BEGUN in response.text
    with Client(metrics()) as client:
        assert client.post("/metrics", body=b"x").status == 405
        assert client.request("HEAD", "/metrics").body == b""


def test_nothing_is_observed_before_it_is_asked_for() -> None:
    server = make_http_server(hello, port=0)
    queue = server._engine.run_queue
    assert queue.observer is None and queue._report_from > 0


def test_a_handler_that_blocks_is_seen_and_callbacks_are_others() -> None:
    release = threading.Event()

    def slow(request: Request) -> Response:
        release.wait(0.02)  # a handler that blocks: it is never set
        return Response.text("done")

    routes = Routes()
    routes.add("/metrics", metrics(), method="GET")
    routes.add("/slow", slow)
    server = make_http_server(routes, port=0)
    with server.serve_in_thread():
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        connection.request("GET", "/slow")
        connection.getresponse().read()
        connection.close()
        samples = samples_of(scrape(server.port)[1])
    assert samples["sigil_handler_seconds_count"] == 1
    assert samples["sigil_handler_seconds_bucket0.01"] == 0
    assert samples["sigil_handler_seconds_sum"] >= 0.02
    assert samples["sigil_loop_lag_seconds_sum"] >= 0.02
