"""The configurations of nginx and haproxy in the guide do what it says, with the real proxies and a
real server.

What it is: the blocks of docs/guides/operations.md are run as they stand, but for the ports;
nginx's is included into the least file that nginx starts with.  A server of this process is behind.
Its rules: everything lies in a temporary directory; proxies are ended by their id, and every wait
has a bound.  What is not installed is skipped here; `.ci/run` installs both.
"""

import json
import os
import shlex
import signal
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from queue import SimpleQueue
from threading import Event
from typing import NamedTuple

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from sigil import Callbacks, Conn, Deferred, HttpServer, Request, Response, make_http_server
from tests.docs.blocks import block_with, page_of
from tests.docs.running import PATIENCE_SECONDS, run
from tests.tools import need

TRIES = 200
UPLOAD = bytes(range(256)) * 12_000
LATER: SimpleQueue[Deferred] = SimpleQueue()
"""What the program has promised."""
PIECES = tuple(b"%d " % number * 3_000 for number in range(9))
NGINX = """\
{user}
pid {folder}/nginx.pid;
error_log stderr;
daemon off;
worker_processes 1;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/sigil.conf;
}}
"""


def app(request: Request) -> Response | Deferred:
    """What is behind the proxy."""
    match request.path:
        case "/live":
            return Response.upgrade()
        case "/later":
            LATER.put(later := Deferred())
            return later
        case "/pieces":
            return Response.stream(PIECES)
        case "/204" | "/304":
            return Response(int(request.path[1:]), (), b"")
        case "/500":
            raise LookupError("a program that fails")
        case "/events":
            return Response.sse()
        case "/upload":
            return Response.text(sha256(request.body).hexdigest())
    fields = ("host", "x-forwarded-for", "x-forwarded-proto", "connection")
    return Response.json({name: request.headers.get(name) for name in fields})


def echo_or_close(server: HttpServer, conn: Conn, data: str | bytes) -> None:
    """Send back what came, or close with the code that is asked for."""
    if isinstance(data, str) and data.startswith("close "):
        server.close(conn, int(data[6:]))
    else:
        server.send(conn, data)


class Proxied(NamedTuple):
    """A server, and the port of the proxy in front of it."""

    server: HttpServer
    port: int


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


def nginx(folder: Path, backend: str, port: int) -> list[str]:
    """The command that starts nginx with the configuration of the guide."""
    path = need("nginx")
    text = block_with("proxy_pass", "nginx").text
    assert text.count("127.0.0.1:8080") == text.count("listen 80;") == 1
    text = text.replace("127.0.0.1:8080", backend).replace(
        "listen 80;", f"listen 127.0.0.1:{port};"
    )
    user = "user root;" if os.getuid() == 0 else ""  # so that its workers may use the folder
    (folder / "sigil.conf").write_text(text, encoding="utf-8")
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, user=user), encoding="utf-8")
    return [path, "-e", "stderr", "-p", str(folder), "-c", str(folder / "nginx.conf")]


def haproxy(folder: Path, backend: str, port: int) -> list[str]:
    """The command that starts haproxy with the configuration of the guide."""
    path = need("haproxy")
    text = block_with("default_backend", "haproxy").text
    assert text.count("127.0.0.1:8080") == text.count("bind :80") == 1
    text = text.replace("127.0.0.1:8080", backend).replace("bind :80", f"bind 127.0.0.1:{port}")
    (folder / "haproxy.cfg").write_text(text, encoding="utf-8")
    return [path, "-db", "-f", str(folder / "haproxy.cfg")]


PROXIES = {"nginx": nginx, "haproxy": haproxy}


@contextmanager
def running(words: list[str], port: int) -> Iterator[None]:
    """A proxy that accepts connections; ended by its id."""
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        wait_for(process, port)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.communicate(timeout=PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def wait_for(process: "subprocess.Popen[str]", port: int) -> None:
    """Until the proxy accepts; what it has printed if it has ended."""
    for _ in range(TRIES):
        try:
            socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS).close()
        except OSError:
            try:
                assert process.wait(0.05) is None, process.stdout and process.stdout.read()
            except subprocess.TimeoutExpired:
                continue
        else:
            return
    raise AssertionError("the proxy does not accept connections")


@pytest.fixture(params=PROXIES)
def proxied(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Proxied]:
    """A server behind each of the proxies."""
    callbacks = Callbacks(ws_message=echo_or_close)
    port = free_port()
    with make_http_server(app, port=0, callbacks=callbacks).serve_in_thread() as server:
        words = PROXIES[request.param](tmp_path, f"127.0.0.1:{server.port}", port)
        with running(words, port):
            yield Proxied(server, port)


def ask(port: int, method: str, path: str, body: object = None) -> HTTPResponse:
    """The response to one request on a connection of its own."""
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    connection.request(
        method,
        path,
        body,
        encode_chunked=not isinstance(body, bytes | None),  # type: ignore[arg-type]
        headers={} if isinstance(body, bytes | None) else {"Transfer-Encoding": "chunked"},
    )
    return connection.getresponse()


def test_many_requests_use_few_connections(proxied: Proxied) -> None:
    before = proxied.server.stats()
    for _ in range(20):
        with ask(proxied.port, "GET", "/") as response:
            fields = json.loads(response.read())
            assert (response.status, fields["host"]) == (200, f"127.0.0.1:{proxied.port}")
            assert fields["x-forwarded-for"] == "127.0.0.1" and fields["connection"] in (None, "")
    after = proxied.server.stats()
    assert (after.requests - before.requests, after.accepted - before.accepted <= 3) == (20, True)


ASKED = {
    ("GET", "/pieces"): (200, b"".join(PIECES)),
    ("HEAD", "/pieces"): (200, b""),
    ("POST", "/upload"): (200, sha256(UPLOAD).hexdigest().encode()),
    ("GET", "/204"): (204, b""),
    ("GET", "/304"): (304, b""),
    ("HEAD", "/"): (200, b""),
    ("GET", "/500"): (500, b"500 Internal Server Error\n"),
}
"""Requests, and what comes of each: bodies that end in every way."""


def test_behind_a_response_of_any_kind_a_connection_is_used_again(proxied: Proxied) -> None:
    before = proxied.server.stats()
    connection = HTTPConnection("127.0.0.1", proxied.port, timeout=PATIENCE_SECONDS)
    connection.connect()
    sock = connection.sock
    for (method, path), expected in (*ASKED.items(), *reversed(ASKED.items())):
        connection.request(method, path, UPLOAD if method == "POST" else None)
        with connection.getresponse() as response:
            assert (path, response.status, response.read()) == (path, *expected)
        assert connection.sock is sock, f"closed behind {method} {path}"
    connection.close()
    after = proxied.server.stats()
    count = 2 * len(ASKED)
    assert (after.requests - before.requests, after.accepted - before.accepted <= 3) == (
        count,
        True,
    )


def test_a_server_that_stops_answers_what_it_has_been_asked(proxied: Proxied) -> None:
    with (
        socket.create_connection(("127.0.0.1", proxied.port), PATIENCE_SECONDS) as client,
        ask(proxied.port, "GET", "/events") as stream,
    ):
        client.sendall(b"GET /later HTTP/1.1\r\nHost: a\r\n\r\n")
        later = LATER.get(timeout=PATIENCE_SECONDS)
        proxied.server.stop(PATIENCE_SECONDS)
        stream.read()  # to its end
        later.resolve(Response.text("in the end"))
        with HTTPResponse(client) as response:
            response.begin()
            assert (response.status, response.read()) == (200, b"in the end")


def digest(body: bytes) -> bytes:
    """What an upload is answered with."""
    return sha256(body).hexdigest().encode()


@contextmanager
def uploading(proxied: Proxied, piece: bytes) -> Iterator[socket.socket]:
    """The client of an upload in chunks, of which this has arrived at the server."""
    before = proxied.server.stats().bytes_in
    with socket.create_connection(("127.0.0.1", proxied.port), PATIENCE_SECONDS) as client:
        client.sendall(
            b"POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + piece
        )
        wait_until(lambda: proxied.server.stats().bytes_in - before > len(piece))
        yield client


def wait_until(is_so: Callable[[], bool]) -> None:
    """Until something is so, with a bound."""
    pause = Event()
    for _ in range(TRIES):
        if is_so():
            return
        pause.wait(0.05)
    raise AssertionError("it does not come to be so")


@pytest.mark.parametrize("name", PROXIES)
def test_an_upload_that_is_not_buffered_arrives_while_it_is_sent(name: str, tmp_path: Path) -> None:
    port = free_port()
    with make_http_server(app, port=0).serve_in_thread() as server:
        words = PROXIES[name](tmp_path, f"127.0.0.1:{server.port}", port)
        if name == "nginx":
            assert "`proxy_request_buffering off;`" in page_of("guides/operations.md")
            old = "proxy_http_version 1.1;"
            change(tmp_path / "sigil.conf", old, f"{old} proxy_request_buffering off;")
        with (
            running(words, port),
            uploading(Proxied(server, port), b"3\r\none\r\n") as client,
        ):
            assert server.stats().requests == 0  # it is there, and not whole
            client.sendall(b"3\r\ntwo\r\n0\r\n\r\n")
            with HTTPResponse(client) as response:
                response.begin()
                assert (response.status, response.read()) == (200, digest(b"onetwo"))


def test_an_upload_arrives_whole(proxied: Proxied) -> None:
    pieces = (UPLOAD[start : start + 65_536] for start in range(0, len(UPLOAD), 65_536))
    for body in (UPLOAD, pieces):
        with ask(proxied.port, "POST", "/upload", body) as response:
            assert (response.status, response.read().decode()) == (200, sha256(UPLOAD).hexdigest())


def test_an_event_arrives_while_its_stream_goes_on(proxied: Proxied) -> None:
    with ask(proxied.port, "GET", "/events") as stream:
        assert (stream.status, stream.readline()[:3]) == (200, b"id:")
        for word in ("one", "two"):
            proxied.server.broadcast(word)
            line = b""
            while not line.startswith(b"data: "):
                line = stream.readline()
            assert line == f"data: {word}\n".encode()


def test_who_leaves_an_event_stream_is_gone(proxied: Proxied) -> None:
    with ask(proxied.port, "GET", "/events") as stream:
        assert stream.readline()[:3] == b"id:"
        before = proxied.server.stats().closed

    def is_gone() -> bool:
        proxied.server.broadcast("anybody?")  # haproxy sees by what it sends that nobody is
        return proxied.server.stats().closed != before

    wait_until(is_gone)


@pytest.mark.parametrize("code", [1000, 4321])
def test_a_websocket_is_closed_with_a_code_from_either_end(proxied: Proxied, code: int) -> None:
    address = f"ws://127.0.0.1:{proxied.port}/live"
    with connect(address) as client:
        client.ping().wait(PATIENCE_SECONDS)
        client.close(code, "enough")
    with connect(address) as client:
        client.send(f"close {code}")
        with pytest.raises(ConnectionClosed) as closed:
            client.recv(PATIENCE_SECONDS)
        assert closed.value.rcvd is not None and closed.value.rcvd.code == code


def test_a_websocket_echoes_for_pages_of_this_origin_and_no_other(proxied: Proxied) -> None:
    address, origin = f"ws://127.0.0.1:{proxied.port}/live", f"http://127.0.0.1:{proxied.port}"
    with connect(address, origin=Origin(origin)) as client:
        for word in ("hello", b"\0\1", "x" * 100_000):
            client.send(word)
            assert client.recv(PATIENCE_SECONDS) == word
    with (
        pytest.raises(InvalidStatus) as refused,
        connect(address, origin=Origin("http://example.com")),
    ):
        pass
    assert refused.value.response.status_code == 403


def test_without_the_port_in_host_a_page_gets_a_403_from_nginx(tmp_path: Path) -> None:
    port = free_port()
    with make_http_server(app, port=0).serve_in_thread() as server:
        words = nginx(tmp_path, f"127.0.0.1:{server.port}", port)
        change(tmp_path / "sigil.conf", "$http_host", "$host")
        with running(words, port), pytest.raises(InvalidStatus) as refused:
            connect(f"ws://127.0.0.1:{port}/live", origin=Origin(f"http://127.0.0.1:{port}"))
    assert refused.value.response.status_code == 403


def test_nginx_reaches_a_unix_socket(tmp_path: Path) -> None:
    port, path = free_port(), tmp_path / "sigil.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        server = make_http_server(app)
        server.listen(listener.dup())
        words = nginx(tmp_path, f"unix:{path}", port)
        with server.serve_in_thread(), running(words, port), ask(port, "GET", "/") as response:
            assert response.status == 200


# -- TLS ------------------------------------------------------------------------------------------


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate and its key, for this test."""
    pem, key = folder / "example.pem", folder / "example.key"
    words = shlex.split("req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost")
    made = run(need("openssl"), *words, "-out", str(pem), "-keyout", str(key))
    assert made.returncode == 0, made.stderr
    return pem, key


def with_tls(name: str, folder: Path, port: int) -> None:
    """The configuration that was written for a proxy, with the lines of the guide for TLS."""
    pem, key = certificate(folder)
    if name == "nginx":
        lines = block_with("listen 443 ssl", "nginx").text.replace("443", f"127.0.0.1:{port}")
        lines = lines.replace("/etc/ssl/certs/example.pem", str(pem))
        change(
            folder / "sigil.conf",
            f"listen 127.0.0.1:{port};",
            lines.replace("/etc/ssl/private/example.key", str(key)),
        )
        return
    assert "`bind :443 ssl crt /etc/ssl/private/example.pem`" in page_of("guides/operations.md")
    both = folder / "both.pem"
    both.write_text(pem.read_text(encoding="utf-8") + key.read_text(encoding="utf-8"))
    change(
        folder / "haproxy.cfg", f"bind 127.0.0.1:{port}", f"bind 127.0.0.1:{port} ssl crt {both}"
    )


def change(file: Path, old: str, new: str) -> None:
    """Put something else into a file that holds this once."""
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1
    file.write_text(text.replace(old, new), encoding="utf-8")


@pytest.mark.parametrize("name", PROXIES)
def test_a_page_at_https_opens_a_websocket_at_wss(name: str, tmp_path: Path) -> None:
    port = free_port()
    callbacks = Callbacks(ws_message=lambda server, conn, data: server.send(conn, data))
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    with make_http_server(app, port=0, callbacks=callbacks).serve_in_thread() as server:
        words = PROXIES[name](tmp_path, f"127.0.0.1:{server.port}", port)
        with_tls(name, tmp_path, port)
        origin, address = Origin(f"https://127.0.0.1:{port}"), f"wss://127.0.0.1:{port}/live"
        with running(words, port), connect(address, origin=origin, ssl=trusting) as client:
            client.send("hello")
            assert client.recv(PATIENCE_SECONDS) == "hello"
