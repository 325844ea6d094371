"""TLS to a proxy, and within it TLS to a server: who answers, who fails, and what goes through."""

import datetime
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from sigil import Callbacks, Request, Response, make_http_server
from sigil.client import (
    CertificateError,
    Client,
    ConnectionClosed,
    ConnectTimeout,
    ProxyError,
    Timeouts,
    http_get,
    ws_connect,
)
from tests.support.answering import answering, read_head, sends, stays
from tests.support.certificates import (
    authority,
    client_context,
    other_authority,
    server_context,
    write_certificate,
)
from tests.support.servers import HOST, PATIENCE
from tests.support.tls_proxy import tls_proxy
from tests.tools import need

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BODY = bytes(range(256)) * 8_192


def expired() -> ssl.SSLContext:
    """A server's context whose certificate has expired."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    long_ago = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    authority().issue_cert("localhost", HOST, not_after=long_ago).configure_cert(context)
    return context


def through(port: int, user: str = "u:p") -> dict[str, Any]:
    """The keywords of a request through the proxy there."""
    return {
        "proxy": f"https://{user}@localhost:{port}",
        "proxy_verify": client_context(),
        "verify": client_context(),
    }


def test_requests_of_both_schemes_go_through_a_proxy_over_tls() -> None:
    with tls_proxy(server_context()) as proxy, answering(sends(OK), server_context()) as secure:
        way = through(proxy.port)
        plain = http_get("http://nowhere.invalid/x", **way)
        assert (plain.text, plain.tls) == ("by way.", None)
        assert proxy.heads[0].startswith(b"GET http://nowhere.invalid/x HTTP/1.1\r\n")
        response = http_get(f"https://localhost:{secure}/", **way)
        assert response.text == "ok"
        assert response.tls is not None and response.tls.server_name == "localhost"
        assert proxy.heads[1].startswith(b"CONNECT localhost:%d HTTP/1.1\r\n" % secure)
        with pytest.raises(ProxyError, match="407 Password") as caught:
            http_get(f"https://localhost:{secure}/", **through(proxy.port, "u:secret"))
        assert "secret" not in str(caught.value)


def test_the_proxys_certificate_and_the_servers_are_told_apart() -> None:
    with answering(sends(OK), server_context()) as good, answering(sends(OK), expired()) as bad:
        with tls_proxy(expired()) as proxy:
            way = through(proxy.port)
            with pytest.raises(ProxyError, match=r"certificate of the proxy .* localhost.*expired"):
                http_get(f"https://localhost:{good}/", **way)
            with pytest.raises(ProxyError, match="certificate of the proxy"):  # it is its own
                http_get(f"https://localhost:{good}/", **{**way, "verify": False})
            assert proxy.heads == []
            way["proxy_verify"] = False
            assert http_get(f"https://localhost:{good}/", **way).text == "ok"
        with tls_proxy(server_context()) as proxy:
            way = through(proxy.port)
            with pytest.raises(CertificateError, match=r"to be trusted for localhost.*expired"):
                http_get(f"https://localhost:{bad}/", **way)
            assert http_get(f"https://localhost:{bad}/", **{**way, "verify": False}).text == "ok"
            with pytest.raises(ProxyError, match="certificate of the proxy"):
                http_get(f"https://localhost:{good}/", **{**way, "proxy_verify": True})


def test_a_proxy_that_speaks_no_tls_or_does_not_go_on_is_told() -> None:
    with answering(sends(b"HTTP/1.1 400 Bad\r\n\r\n\r\n\r\n")) as port, answering(stays) as silent:

        def answer(connection: socket.socket) -> None:
            connection.recv(1_000)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        with answering(answer) as plain, pytest.raises(ProxyError, match="handshake with the prox"):
            http_get("https://localhost:1/", **through(plain))
        with pytest.raises(ConnectTimeout, match="handshake with the proxy did not end in time"):
            http_get("https://localhost:1/", **through(silent), timeout=Timeouts(tls=0.2))
        with tls_proxy(server_context()) as proxy, pytest.raises(ProxyError):
            http_get("https://localhost:1/", **through(proxy.port))  # nobody listens there
        assert port


def echo(connection: socket.socket) -> None:
    """Answer with the body, when all of it is there."""
    _, _, data = read_head(connection).partition(b"\r\n\r\n")
    while len(data) < len(BODY):
        data += connection.recv(65_536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(data) + data)


def test_much_goes_through_both_ways() -> None:
    with (
        tls_proxy(server_context()) as proxy,
        answering(echo, server_context()) as port,
        Client(**through(proxy.port)) as client,
    ):
        waiting = [client.post(f"https://localhost:{port}/", BODY) for _ in range(3)]
        for deferred in waiting:
            assert client.run(deferred).body == BODY


@pytest.mark.parametrize("is_whole", [True, False])
def test_an_end_that_nobody_vouches_for_is_an_error(is_whole: bool) -> None:
    def answer(connection: socket.socket) -> None:
        sends(b"HTTP/1.1 200 OK\r\n\r\nsome")(connection)
        assert isinstance(connection, ssl.SSLSocket)
        if is_whole:
            with suppress(OSError):
                connection.unwrap()
        else:
            connection.shutdown(socket.SHUT_RDWR)

    for cuts_off in (False, True):
        with (
            tls_proxy(server_context(), cuts_off=cuts_off) as proxy,
            answering(answer, server_context()) as port,
        ):
            if is_whole:  # the server has said that it ends, whatever the proxy does
                assert http_get(f"https://localhost:{port}/", **through(proxy.port)).text == "some"
            else:
                with pytest.raises(ConnectionClosed, match="cut off"):
                    http_get(f"https://localhost:{port}/", **through(proxy.port))


def test_a_websocket_goes_through() -> None:
    def app(request: Request) -> Response:
        return Response.upgrade()

    callbacks = Callbacks(ws_message=lambda server, conn, message: server.send(conn, message))
    for context in (server_context(), None):
        server = make_http_server(app, host=HOST, port=0, callbacks=callbacks, ssl_context=context)
        with server.serve_in_thread(), tls_proxy(server_context()) as proxy:
            scheme = "ws" if context is None else "wss"
            url = f"{scheme}://localhost:{server.port}/"
            with ws_connect(url, reconnect=False, **through(proxy.port)) as ws:
                for message in ("hello", BODY):
                    ws.send(message)
                    assert ws.recv(PATIENCE) == message
            assert proxy.heads[0].startswith(b"CONNECT localhost:%d " % server.port)


# -- haproxy ---------------------------------------------------------------------------------------

HAPROXY = """\
global
    log stderr format raw local0 err
defaults
    mode tcp
    timeout connect 30s
    timeout client 60s
    timeout server 60s
frontend tls
    bind 127.0.0.1:{port} ssl crt {pem}
    default_backend tunnels
backend tunnels
    server one 127.0.0.1:{plain}
"""


@contextmanager
def haproxy(folder: Path, plain: int) -> Iterator[int]:
    """The port where haproxy speaks TLS for a proxy that does not."""
    with socket.create_server((HOST, 0)) as listener:
        port = listener.getsockname()[1]
    files = write_certificate(folder)
    pem = folder / "both.pem"
    pem.write_bytes(files.certificate.read_bytes() + files.key.read_bytes())
    config = folder / "haproxy.cfg"
    config.write_text(HAPROXY.format(port=port, pem=pem, plain=plain))
    process = subprocess.Popen([need("haproxy"), "-db", "-f", str(config)])
    try:
        for _ in range(100_000):
            with suppress(OSError), socket.create_connection((HOST, port), PATIENCE):
                break
        yield port
    finally:
        process.terminate()
        process.wait(PATIENCE)


def test_haproxy_speaks_tls_for_a_proxy(tmp_path: Path) -> None:
    with (
        tls_proxy(None) as plain,
        haproxy(tmp_path, plain.port) as port,
        answering(echo, server_context()) as server,
        Client(**through(port)) as client,
    ):
        assert client.run(client.post(f"https://localhost:{server}/", BODY)).body == BODY
        assert client.run(client.get("http://nowhere.invalid/")).text == "by way."
        with pytest.raises(ProxyError, match="certificate of the proxy"):
            client.run(client.get("http://a.invalid/", proxy_verify=other_trust()))


def other_trust() -> ssl.SSLContext:
    """A context of a client that trusts somebody else."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    other_authority().configure_trust(context)
    return context
