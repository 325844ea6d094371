"""Over TLS with programs of others: nginx and haproxy as clients of it, and a browser."""

import os
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from queue import SimpleQueue

import pytest
from websockets.sync.client import connect

from sigil import Callbacks, HttpServer, Request, Response, make_http_server
from tests.docs.test_proxies import NGINX, free_port, running
from tests.support.browser import browser_at
from tests.support.certificates import server_context, write_certificate
from tests.tools import need, needs

PATIENCE = 60
LARGE = bytes(range(256)) * 20_000
RESULTS: SimpleQueue[str] = SimpleQueue()
PAGE = """<!doctype html><title>over TLS</title><script type="module">
const socket = new WebSocket(location.href.replace(/^https/, "wss").replace(/page$/, "live"))
socket.onopen = () => socket.send("over " + location.protocol)
socket.onmessage = async ({ data }) => {
  const large = await (await fetch("/large")).arrayBuffer()
  await fetch(`/result?${encodeURIComponent(data)} ${large.byteLength}`)
}
</script>"""
NGINX_SERVER = """
server {{
    listen 127.0.0.1:{port};
    location / {{
        proxy_pass https://{backend};
        proxy_http_version 1.1;
        proxy_ssl_trusted_certificate {ca};
        proxy_ssl_verify on;
        proxy_ssl_name localhost;
        proxy_ssl_server_name on;
        proxy_set_header Host $host;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection $http_connection;
    }}
}}
"""
HAPROXY = """
defaults
    mode http
    timeout connect 30s
    timeout client 30s
    timeout server 30s
frontend web
    bind 127.0.0.1:{port}
    default_backend sigil
backend sigil
    server one {backend} ssl verify required ca-file {ca} sni str(localhost) verifyhost localhost
"""


def app(request: Request) -> Response:
    match request.path:
        case "/page":
            return Response.html(PAGE)
        case "/live":
            return Response.upgrade()
        case "/large":
            return Response.bytes(LARGE)
        case "/result":
            RESULTS.put(request.query)
            return Response.text("thank you")
    tls = request.tls
    return Response.text(f"{request.scheme} {tls and tls.server_name} {len(request.body)}")


def echo(server: HttpServer, conn: object, data: str | bytes) -> None:
    server.send(conn, data)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def server() -> Iterator[HttpServer]:
    server = make_http_server(
        app, port=0, callbacks=Callbacks(ws_message=echo), ssl_context=server_context()
    )
    with server.serve_in_thread():
        yield server


def nginx(folder: Path, backend: str, port: int, ca: Path) -> list[str]:
    user = "user root;" if os.getuid() == 0 else ""
    text = NGINX_SERVER.format(port=port, backend=backend, ca=ca)
    (folder / "sigil.conf").write_text(text)
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, user=user))
    return [need("nginx"), "-e", "stderr", "-p", str(folder), "-c", str(folder / "nginx.conf")]


def haproxy(folder: Path, backend: str, port: int, ca: Path) -> list[str]:
    (folder / "haproxy.cfg").write_text(HAPROXY.format(port=port, backend=backend, ca=ca))
    return [need("haproxy"), "-db", "-f", str(folder / "haproxy.cfg")]


@pytest.mark.parametrize("proxy", [nginx, haproxy])
def test_a_proxy_comes_by_tls(proxy: object, server: HttpServer, tmp_path: Path) -> None:
    port, ca = free_port(), write_certificate(tmp_path).authority
    words = proxy(tmp_path, f"127.0.0.1:{server.port}", port, ca)  # type: ignore[operator]
    with running(words, port):
        client = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        client.request("POST", "/", body=LARGE[:300_000])
        assert client.getresponse().read() == b"https localhost 300000"
        client.request("GET", "/large")
        assert client.getresponse().read() == LARGE
        client.close()
        with connect(f"ws://127.0.0.1:{port}/live", open_timeout=PATIENCE) as websocket:
            websocket.send("through")
            assert websocket.recv(PATIENCE) == "through"


@needs("chromium")
def test_a_page_over_tls_opens_its_websocket(server: HttpServer, tmp_path: Path) -> None:
    address = f"https://localhost:{server.port}/page"
    with browser_at(tmp_path, address, "--ignore-certificate-errors"):
        assert RESULTS.get(timeout=PATIENCE) == f"over%20https%3A%20{len(LARGE)}"
