"""The PROXY protocol with a real haproxy, as the guide has it: version 2, and version 1."""

import socket
from http.client import HTTPConnection
from pathlib import Path

import pytest

from sigil import Limits, Request, Response, make_http_server
from tests.docs.blocks import block_with
from tests.docs.running import PATIENCE_SECONDS
from tests.docs.test_proxies import free_port, running
from tests.tools import need, needs


@needs("haproxy")
@pytest.mark.parametrize("version", ["send-proxy-v2", "send-proxy"])
def test_the_peer_is_the_client_of_haproxy(version: str, tmp_path: Path) -> None:
    def app(request: Request) -> Response:
        return Response.text(str(request.peer))

    port = free_port()
    limits = Limits(proxy_protocol=("127.0.0.1",))
    with make_http_server(app, port=0, limits=limits).serve_in_thread() as server:
        text = block_with("send-proxy-v2", "haproxy").text
        text = text.replace("127.0.0.1:8080", f"127.0.0.1:{server.port}")
        text = text.replace("bind :80", f"bind 127.0.0.1:{port}").replace("send-proxy-v2", version)
        (tmp_path / "haproxy.cfg").write_text(text, encoding="utf-8")
        words = [need("haproxy"), "-db", "-f", str(tmp_path / "haproxy.cfg")]
        with running(words, port):
            client = HTTPConnection(
                "127.0.0.1", port, PATIENCE_SECONDS, source_address=("127.0.0.7", 0)
            )
            for _ in range(2):
                client.request("GET", "/")
                assert client.sock is not None
                name = client.sock.getsockname()
                assert client.getresponse().read() == f"127.0.0.7:{name[1]}".encode()
            client.close()
        with socket.create_connection(("127.0.0.1", server.port), PATIENCE_SECONDS) as stranger:
            stranger.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert stranger.recv(1_000) == b""
