"""CORS with a whole server in memory, and a page of another port in Chromium."""

import json
from pathlib import Path
from queue import Queue
from typing import Any
from urllib.parse import unquote

import pytest

from sigil import HttpServer, Request, Response, chain, make_http_server
from sigil.testing import Client
from sigil.web import basic_auth, cors
from tests.support.browser import browser_at
from tests.tools import needs

PAGE = {"Origin": "https://page.example"}


def app(request: Request) -> Response:
    if request.path == "/fails":
        raise KeyError("x")
    return Response.text(f"{request.method}", headers={"X-Told": "yes"})


def test_every_response_may_be_read_errors_and_challenges_included() -> None:
    handler = chain(app, cors(origins="https://page.example"), basic_auth(lambda *_: True))
    client = Client(handler, raise_errors=False)
    sent = {**PAGE, "Authorization": "Basic Og=="}
    for path, headers, status in (("/", sent, 200), ("/fails", sent, 500), ("/", PAGE, 401)):
        got = client.get(path, headers=headers)
        assert got.status == status
        assert got.headers["access-control-allow-origin"] == "https://page.example"
        assert got.headers["vary"] == "Origin"


def test_a_preflight_does_not_reach_the_handler_and_other_options_do() -> None:
    client = Client(chain(app, cors(origins="*")))
    asked = {**PAGE, "Access-Control-Request-Method": "DELETE"}
    assert client.options("/", headers=asked).status == 204
    assert client.options("/", headers=PAGE).body == b"OPTIONS"


def test_options_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="do not go together"):
        cors(origins="*", credentials=True)
    with pytest.raises(ValueError, match="no browser sends"):
        cors(origins="page.example")
    with pytest.raises(TypeError, match="origins"):
        cors()  # type: ignore[call-arg]


SCRIPT = """<!doctype html><script type="module">
const results = []
const ask = async (path, options) => {
  try {
    const got = await fetch(location.hash.slice(1) + path, options)
    results.push([got.status, await got.text(), got.headers.get("x-told")])
  } catch (error) { results.push(error.name) }
}
await ask("/allowed", { method: "PUT", headers: { "X-Own": "1" } })
await ask("/allowed/fails", {})
await ask("/refused", { method: "PUT" })
await ask("/refused", {})
fetch("/result?" + encodeURIComponent(JSON.stringify(results)))
</script>"""


@needs("chromium")
def test_a_page_of_another_port_reads_what_it_may(tmp_path: Path) -> None:
    results: Queue[Any] = Queue()

    def page(request: Request) -> Response:
        if request.path == "/result":
            results.put(json.loads(unquote(request.query)))
        return Response.html(SCRIPT)

    pages = make_http_server(page, port=0)
    pages.listen()
    allowed = chain(
        lambda request: app(request.replace(path=request.path.removeprefix("/allowed"))),
        cors(origins=f"http://127.0.0.1:{pages.port}", expose="X-Told"),
    )
    refused = chain(app, cors(origins="https://other.example"))

    def api(request: Request) -> Any:
        return allowed(request) if request.path.startswith("/allowed") else refused(request)

    server: HttpServer = make_http_server(api, port=0)
    with server.serve_in_thread(), pages.serve_in_thread():
        address = f"http://127.0.0.1:{pages.port}/#http://127.0.0.1:{server.port}"
        with browser_at(tmp_path, address):
            assert results.get(timeout=60) == [
                [200, "PUT", "yes"],
                [500, "500 Internal Server Error\n", None],
                "TypeError",
                "TypeError",
            ]
