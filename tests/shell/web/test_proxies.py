"""A server behind proxies: in memory, and behind a real nginx."""

import os
from pathlib import Path

import httpx
import pytest

from sigil import Request, Response, chain, make_http_server
from sigil.testing import Client
from sigil.web import trusted_proxies
from tests.docs.test_proxies import NGINX, free_port, running
from tests.tools import need, needs

CONF = """
server {{
    listen 127.0.0.1:{port};
    location / {{
        proxy_pass http://127.0.0.1:{backend};
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto https;
        proxy_set_header X-Forwarded-Host $http_host;
    }}
}}
"""


def app(request: Request) -> Response:
    return Response.text(f"{request.peer} {request.scheme} {request.host}")


def test_the_handler_sees_the_client() -> None:
    client = Client(chain(app, trusted_proxies("127.0.0.0/8", host=True)))
    fields = {
        "X-Forwarded-For": "1.1.1.1, 192.0.2.9",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "shop.example",
    }
    assert client.get("/", headers=fields).body == b"192.0.2.9 https shop.example"
    stranger = Client(chain(app, trusted_proxies("10.0.0.0/8", host=True)))
    assert b"192.0.2.9" not in stranger.get("/", headers=fields).body


def test_options_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="'localhost' is no network"):
        trusted_proxies("localhost")
    with pytest.raises(ValueError, match="fields is"):
        trusted_proxies("::1", fields="all")


@needs("nginx")
def test_behind_nginx_what_a_client_claims_is_not_believed(tmp_path: Path) -> None:
    server = make_http_server(chain(app, trusted_proxies("127.0.0.1", host=True)), port=0)
    with server.serve_in_thread():
        port = free_port()
        conf = CONF.format(port=port, backend=server.port)
        user = "user root;" if os.getuid() == 0 else ""
        (tmp_path / "sigil.conf").write_text(conf, encoding="utf-8")
        (tmp_path / "nginx.conf").write_text(
            NGINX.format(folder=tmp_path, user=user), encoding="utf-8"
        )
        words = [need("nginx"), "-e", "stderr", "-p", str(tmp_path), "-c"]
        with running([*words, str(tmp_path / "nginx.conf")], port):
            transport = httpx.HTTPTransport(local_address="127.0.0.5")
            with httpx.Client(transport=transport, timeout=60) as client:
                got = client.get(
                    f"http://127.0.0.1:{port}/",
                    headers={"X-Forwarded-For": "8.8.8.8", "Host": "shop.example"},
                )
    assert got.text == "127.0.0.5 https shop.example"
