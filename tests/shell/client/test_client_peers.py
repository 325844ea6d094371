"""Our client and servers that are not ours: the standard library, aiohttp, nginx; and proxies."""

import asyncio
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from aiohttp import web

from sigil.client import Client, ProxyError, http_get, set_proxy
from tests.support.answering import answering, read_head, sends
from tests.support.certificates import client_context, server_context
from tests.support.servers import HOST, PATIENCE
from tests.tools import need

BODY = bytes(range(256)) * 400


# -- http.server -----------------------------------------------------------------------------------


class Echo(BaseHTTPRequestHandler):
    """Answers with what it is sent, in HTTP/1.1."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """The body, as it came."""
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Files(SimpleHTTPRequestHandler):
    """Files of a folder, in HTTP/1.0, whose bodies may end with the connection."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def library_server(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """The URL of a server of the standard library."""
    server = ThreadingHTTPServer((HOST, 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(PATIENCE)


def test_the_servers_of_the_standard_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(BODY)
    monkeypatch.chdir(tmp_path)
    with library_server(Files) as url:
        assert http_get(f"{url}/file").body == BODY
        assert http_get(f"{url}/missing").status == 404
    with library_server(Echo) as url, Client(base_url=url) as client:
        assert client.run(client.post("/", BODY)).body == BODY
        assert client.run(client.post("/", [b"a", b"bc"])).body == b"abc"
        assert client.state.next_connection == 1


# -- aiohttp ---------------------------------------------------------------------------------------


def test_aiohttp() -> None:
    async def echo(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"X-Method": request.method})
        response.enable_compression()
        await response.prepare(request)
        async for piece in request.content.iter_any():
            await response.write(piece)
        return response

    async def main() -> None:
        application = web.Application()
        application.router.add_route("*", "/echo", echo)
        runner = web.AppRunner(application)
        await runner.setup()
        await web.TCPSite(runner, HOST, 0).start()
        port = runner.addresses[0][1]
        async with Client(base_url=f"http://{HOST}:{port}") as client:
            for body in (BODY, [BODY, b"more"]):
                response = await client.post("/echo", body)
                whole = body if isinstance(body, bytes) else b"".join(body)
                assert (response.status, response.body) == (200, whole)
                assert response.headers["content-encoding"] in ("deflate", "gzip")
            assert client.state.next_connection == 1
            head = await client.head("/echo")
            assert (head.headers["x-method"], head.body) == ("HEAD", b"")
            missing = await client.get("/missing")
            assert missing.status == 404
        await runner.cleanup()

    asyncio.run(main())


# -- nginx -----------------------------------------------------------------------------------------

NGINX = """\
pid {folder}/nginx.pid; error_log stderr; daemon off; worker_processes 1; {user}
events {{ worker_connections 64; }}
http {{
    access_log off; gzip on; gzip_types *; gzip_min_length 10; gzip_http_version 1.0;
    client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
    uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
    server {{ listen {host}:{port}; root {folder}; keepalive_requests 3;
             location = /moved {{ return 307 /file; }} }}
}}
"""


def test_nginx(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(BODY)
    tmp_path.chmod(0o755)
    with socket.create_server((HOST, 0)) as listener:
        port = listener.getsockname()[1]
    user = "user root;" if os.getuid() == 0 else ""
    config = tmp_path / "nginx.conf"
    config.write_text(NGINX.format(folder=tmp_path, host=HOST, port=port, user=user))
    command = [need("nginx"), "-c", str(config), "-p", str(tmp_path)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        with Client(base_url=f"http://{HOST}:{port}") as client:
            for _ in range(10_000):
                with suppress(OSError):
                    client.run(client.get("/file", retries=9))
                    break
            for _ in range(8):
                response = client.run(client.get("/moved"))
                assert response.body == BODY and response.history[0].status == 307
                assert response.headers["content-encoding"] == "gzip"
            fields = {"Range": "bytes=5-9", "Accept-Encoding": "identity"}
            ranged = client.run(client.get("/file", headers=fields))
            assert (ranged.status, ranged.body) == (206, BODY[5:10])
            assert client.run(client.post("/file", b"x")).status == 405
    finally:
        process.terminate()
        process.wait(PATIENCE)


# -- proxies ---------------------------------------------------------------------------------------

SEEN: list[bytes] = []


def proxy(connection: socket.socket) -> None:
    """A small proxy: a tunnel for CONNECT, if it is given the password; else its own answer."""
    head = read_head(connection)
    SEEN.append(head)
    if not head.startswith(b"CONNECT "):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nby way.")
        return
    if b"Proxy-Authorization: Basic dTpw\r\n" not in head:
        connection.sendall(b"HTTP/1.1 407 Password\r\nContent-Length: 0\r\n\r\n")
        return
    port = int(head.split()[1].rpartition(b":")[2])
    with socket.create_connection((HOST, port), PATIENCE) as onward:
        connection.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")

        def pump(source: socket.socket, target: socket.socket) -> None:
            with suppress(OSError):
                while data := source.recv(65_536):
                    target.sendall(data)
                target.shutdown(socket.SHUT_WR)

        back = threading.Thread(target=pump, args=(onward, connection), daemon=True)
        back.start()
        pump(connection, onward)
        back.join(PATIENCE)


def test_proxies_forward_and_make_tunnels(monkeypatch: pytest.MonkeyPatch) -> None:
    ok = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    with answering(proxy) as port, answering(sends(ok), server_context()) as secure:
        SEEN.clear()
        url, verify = f"https://localhost:{secure}/", client_context()
        assert http_get("http://nowhere.invalid/x", proxy=f"u:p@{HOST}:{port}").text == "by way."
        assert SEEN[0].startswith(b"GET http://nowhere.invalid/x HTTP/1.1\r\nHost: nowhere.invalid")
        assert http_get(url, proxy=f"http://u:p@{HOST}:{port}", verify=verify).text == "ok"
        with pytest.raises(ProxyError, match="407 Password") as caught:
            http_get(url, proxy=f"u:secret@{HOST}:{port}", verify=verify)
        assert "secret" not in str(caught.value)

        monkeypatch.setenv("http_proxy", f"{HOST}:{port}")
        assert http_get("http://nowhere.invalid/").text == "by way."
        monkeypatch.setenv("http_proxy", f"{HOST}:1")
        assert set_proxy(f"{HOST}:{port}") == 0
        try:
            assert http_get("http://nowhere.invalid/").text == "by way."
            with Client(proxy=False) as client:
                assert client.run(client.get(url, verify=verify)).text == "ok"
                client.set_proxy(f"{HOST}:{port}")
                assert client.run(client.get("http://nowhere.invalid/")).text == "by way."
        finally:
            set_proxy("")
        with pytest.raises(ValueError, match="proxy"):
            set_proxy("ftp://a")
