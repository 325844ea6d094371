"""A server over TLS as its clients see it: OpenSSL's own, curl, websockets, a socket by hand."""

import os
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import IO

import pytest
from websockets.exceptions import InvalidStatus

from sigil import (
    Callbacks,
    CloseReason,
    HttpServer,
    Limits,
    Request,
    Response,
    http_server_is_ssl,
    http_server_reload_tls,
    make_http_server,
)
from sigil.tls import TlsConfigError, TlsPeer
from tests.support.certificates import (
    authority,
    client_context,
    issued,
    server_context,
)
from tests.support.secure import Secure
from tests.support.secure_websocket import secure_websocket
from tests.support.servers import Raw, settle, ticking
from tests.tools import need, needs

PATIENCE = 60
LARGE = bytes(range(256)) * 4 * 1024 * 30
"""30 MiB: far more than any buffer."""


def program(request: Request) -> Response:
    tls = request.tls
    match request.path:
        case "/large":
            return Response.bytes(LARGE)
        case "/file":
            return Response.file(os.environ["SIGIL_TEST_FILE"])
        case "/socket":
            return Response.upgrade(topics=["news"])
        case "/sum":
            return Response.text(str(sum(request.body)))
        case "/stream":
            return Response.stream([b"one ", b"two"])
        case "/name":
            return Response.text(f"{tls and tls.server_name}")
    kind = "none" if tls is None else f"{tls.version} {tls.is_verified} {tls.is_resumed}"
    return Response.text(f"{request.scheme} {kind}\n")


def echo(server: HttpServer, conn: object, data: str | bytes) -> None:
    server.send(conn, data)  # type: ignore[arg-type]


@contextmanager
def serving(
    context: ssl.SSLContext | None = None, limits: Limits | None = None, **others: object
) -> Iterator[HttpServer]:
    """A server over TLS, in a thread."""
    server = make_http_server(
        program,
        port=0,
        limits=limits,
        callbacks=Callbacks(ws_message=echo),
        ssl_context=context or server_context(),
        **others,  # type: ignore[arg-type]
    )
    with server.serve_in_thread():
        yield server


@pytest.fixture(scope="module")
def shared() -> Iterator[HttpServer]:
    with serving() as server:
        yield server


@pytest.fixture
def ca(tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    path.write_bytes(authority().cert_pem.bytes())
    return str(path)


def dial(server: HttpServer, context: ssl.SSLContext | None = None) -> ssl.SSLSocket:
    """A blocking connection over TLS."""
    sock = socket.create_connection((server.host, server.port), PATIENCE)
    return (context or client_context()).wrap_socket(sock, server_hostname="localhost")


def asked(sock: ssl.SSLSocket, request: bytes) -> bytes:
    """All that comes until the end, which has to be said."""
    sock.sendall(request)
    data = bytearray()
    while piece := sock.recv(2**20):
        data += piece
    return bytes(data)


def last(target: str) -> bytes:
    return f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()


def strict(context: ssl.SSLContext, server: HttpServer) -> ssl.SSLSocket:
    """A connection whose end without close_notify is an error."""
    sock = socket.create_connection((server.host, server.port), PATIENCE)
    return context.wrap_socket(sock, server_hostname="localhost", suppress_ragged_eofs=False)


# -- answers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_everything_that_is_answered_is_answered_over_tls_to_its_said_end(
    shared: HttpServer, version: ssl.TLSVersion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file.bin"
    path.write_bytes(LARGE[:1_000_000])
    monkeypatch.setenv("SIGIL_TEST_FILE", str(path))
    context = client_context()
    context.minimum_version = context.maximum_version = version
    expected = {"/large": LARGE, "/file": LARGE[:1_000_000], "/name": b"localhost"}
    for target, body in expected.items():
        with strict(context, shared) as sock:
            assert asked(sock, last(target)).partition(b"\r\n\r\n")[2] == body
    with strict(context, shared) as sock:
        assert b"one " in asked(sock, last("/stream"))


def test_a_large_body_comes_in(shared: HttpServer) -> None:
    body = bytes([1]) * 5_000_000
    head = f"POST /sum HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n"
    head += "Connection: close\r\n\r\n"
    with dial(shared) as sock:
        assert asked(sock, head.encode() + body).endswith(b"\r\n\r\n5000000")


def test_a_slow_reader_gets_all_of_a_large_answer() -> None:
    limits = Limits(max_tls_held_len=20_000)
    with ticking(program, limits, ssl_context=server_context()) as server, Raw(server) as raw:
        client, sent = Secure(raw), False
        length = 0
        while length < len(LARGE):
            client.turn()
            if client.tls.is_secured and not sent:
                with suppress(BlockingIOError):
                    client.tls.send(last("/large"))
                    sent = True
            server.tick()
            assert client.problem is None
            length += len(client.received)
            client.received = b""


def test_a_session_goes_on_and_a_pipeline_is_answered(shared: HttpServer) -> None:
    with dial(shared) as sock:
        sock.sendall(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n" * 3 + last("/b"))
        data = b""
        while piece := sock.recv(65_536):
            data += piece
        assert data.count(b"https TLSv1.3 False False") == 4


# -- questions -------------------------------------------------------------------------------------


def test_a_server_knows_what_is_known_of_its_clients() -> None:
    context = server_context()
    authority().configure_trust(context)
    context.verify_mode = ssl.CERT_OPTIONAL
    with serving(context) as server:
        for certificate, known in ((None, TlsPeer.UNVERIFIED), (issued("me"), TlsPeer.VERIFIED)):
            with dial(server, client_context(certificate)) as sock:
                sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                assert str(known is TlsPeer.VERIFIED).encode() in sock.recv(65_536)
                (conn,) = server.clients()
                assert server.is_ssl(conn) is http_server_is_ssl(server, conn) is known
                peer = server.peer(conn)
                assert peer is not None and peer.tls is not None
            while server.clients():
                pass
        assert server.is_ssl(conn) is TlsPeer.NONE
    with ticking(program) as plain, Raw(plain):
        settle(plain)
        assert plain.is_ssl(plain.clients()[0]) is TlsPeer.NONE


def test_it_says_https() -> None:
    server = make_http_server(program, port=8443, ssl_context=server_context())
    assert repr(server) == "<HttpServer https://127.0.0.1:8443, not listening>"
    assert server.settings.ssl_context is not None


def test_an_end_that_nobody_has_said_cuts_no_request_short(shared: HttpServer) -> None:
    before = shared.stats().requests
    sock = dial(shared)
    sock.sendall(b"POST /sum HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345")
    with closing(sock):
        plain = socket.socket(fileno=os.dup(sock.fileno()))
        with plain:
            plain.shutdown(socket.SHUT_WR)  # below TLS: no close_notify
        assert sock.recv(65_536).startswith(b"HTTP/1.1 400 ")
    assert shared.stats().requests == before, "no handler has seen it"


# -- WebSockets ------------------------------------------------------------------------------------


def test_a_websocket_over_tls(shared: HttpServer) -> None:
    url = f"wss://localhost:{shared.port}/socket"
    origin = f"https://localhost:{shared.port}"
    with secure_websocket(url, client_context(), origin=origin) as websocket:
        for message in ("hi", bytes(300_000), "x" * 100_000):
            websocket.send(message)
            assert websocket.recv() == message
        shared.broadcast("news", topic="news")
        assert websocket.recv() == "news"
    assert websocket.close_code == 1000


def test_the_origin_of_a_page_over_tls_is_https(shared: HttpServer) -> None:
    url = f"wss://localhost:{shared.port}/socket"
    origin = f"http://localhost:{shared.port}"
    with (
        pytest.raises(InvalidStatus) as refused,
        secure_websocket(url, client_context(), origin=origin),
    ):
        pass
    assert refused.value.response.status_code == 403


def test_a_laggard_over_tls_is_found_and_ends() -> None:
    limits = Limits(max_ws_send_frame_cnt=64, outgoing_buffer_sz=2**20, max_outbox_len=65_536)
    reasons: list[CloseReason] = []
    callbacks = Callbacks(ws_close=lambda server, conn, reason, code: reasons.append(reason))
    upgrade = (
        b"GET /socket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    with (
        ticking(program, limits, callbacks, server_context()) as server,
        Raw(server) as slow,
        Raw(server) as quick,
    ):
        clients = [Secure(slow), Secure(quick)]
        asked_for: set[Secure] = set()
        while server.subscriber_count() < 2:
            for client in clients:
                client.turn()
                if client.tls.is_secured and client not in asked_for:
                    with suppress(BlockingIOError):
                        client.tls.send(upgrade)
                        asked_for.add(client)
            server.tick()
        count = 0
        while not reasons:
            server.broadcast(bytes(50_000), topic="news")
            count += 1
            for _ in range(20):
                server.tick()
                clients[1].turn()
        assert reasons == [CloseReason.WS_CLIENT_TOO_SLOW]
        assert server.subscriber_count() == 1
        length = count * 50_000
        while len(clients[1].received) < length:
            server.tick()
            clients[1].turn()


# -- reloading -------------------------------------------------------------------------------------


def test_another_context_is_for_newcomers_and_nobody_is_dropped() -> None:
    with serving() as server:
        with dial(server) as old:
            old.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert b"https" in old.recv(65_536)
            before = old.getpeercert(binary_form=True)
            http_server_reload_tls(server, server_context("localhost", "other.test"))
            old.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert b"https" in old.recv(65_536)
            with dial(server) as new:
                assert new.getpeercert(binary_form=True) != before
        with pytest.raises(TlsConfigError):
            server.reload_tls(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
        with dial(server) as new:
            assert asked(new, last("/")).endswith(b"https TLSv1.3 False False\n")
    plain = make_http_server(program, port=0)
    with pytest.raises(RuntimeError, match="without ssl_context"):
        plain.reload_tls(server_context())


# -- other sockets, and the proxy protocol ---------------------------------------------------------


def test_a_unix_socket_and_a_socket_that_is_given(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    with serving(uds=path), socket.socket(socket.AF_UNIX) as plain:
        plain.settimeout(PATIENCE)
        plain.connect(path)
        with client_context().wrap_socket(plain, server_hostname="localhost") as sock:
            assert asked(sock, last("/")).endswith(b"https TLSv1.3 False False\n")
    listener = socket.create_server(("127.0.0.1", 0))
    server = make_http_server(program, ssl_context=server_context())
    server.listen(listener)
    with server.serve_in_thread(), dial(server) as sock:
        assert b"https" in asked(sock, last("/"))


def test_the_header_of_a_proxy_comes_in_plain_before_tls() -> None:
    header = b"PROXY TCP4 198.51.100.7 127.0.0.1 5000 443\r\n"
    with (
        serving(limits=Limits(proxy_protocol=("127.0.0.1",))) as server,
        socket.create_connection((server.host, server.port), PATIENCE) as plain,
    ):
        plain.sendall(header)
        with client_context().wrap_socket(plain, server_hostname="localhost") as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert b"https" in sock.recv(65_536)
            peer = server.peer(server.clients()[0])
            assert peer is not None and peer.host == "198.51.100.7"


# -- other programs --------------------------------------------------------------------------------


@needs("curl")
def test_curl(shared: HttpServer, ca: str) -> None:
    url, curl = f"https://localhost:{shared.port}/", need("curl")
    run = subprocess.run([curl, "-sS", "--cacert", ca, url, url], capture_output=True, check=True)
    assert run.stdout == b"https TLSv1.3 False False\n" * 2
    for arguments, code in ((["-sS", url], 60), (["-sS", "-k", url], 0)):
        run = subprocess.run([curl, *arguments], capture_output=True, check=False)
        assert run.returncode == code
    run = subprocess.run(
        [curl, "-sS", url.replace("https", "http")], capture_output=True, check=True
    )
    assert b"this port expects TLS" in run.stdout


@contextmanager
def s_client(server: HttpServer, *arguments: str) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """What goes into OpenSSL's client, and what comes out of it."""
    command = [need("openssl"), "s_client", "-connect", f"localhost:{server.port}", *arguments]
    run = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert run.stdin is not None and run.stdout is not None
    with run:
        try:
            yield run.stdin, run.stdout
        finally:
            run.kill()
            with suppress(BrokenPipeError):  # what it has not read is in the buffer still
                run.stdin.close()


def until(output: IO[bytes], *words: bytes) -> bytes:
    """The first line that has one of these words; nothing if there is none."""
    for line in output:
        if any(word in line for word in words):
            return line
    return b""


@needs("openssl")
@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_s_client_resumes_its_session(
    shared: HttpServer, ca: str, tmp_path: Path, version: str
) -> None:
    session = str(tmp_path / "session.pem")
    more = [version, "-CAfile", ca, "-quiet", "-no_ign_eof", "-verify_return_error"]
    answers = []
    for option in ("-sess_out", "-sess_in"):
        with s_client(shared, *more, option, session) as (given, output):
            given.write(last("/"))
            given.flush()
            answers.append(until(output, b"https TLSv"))
    assert answers[0].endswith(b" False False\n") and answers[1].endswith(b" False True\n")


@needs("openssl")
def test_key_updates_are_followed(shared: HttpServer, ca: str) -> None:
    with s_client(shared, "-tls1_3", "-CAfile", ca) as (given, output):
        for _ in range(3):
            given.write(b"K\n")
            given.flush()
            assert until(output, b"KEYUPDATE")
        given.write(last("/"))
        given.flush()
        assert until(output, b"https TLSv1.3", b"closed") == b"https TLSv1.3 False False\n"


@needs("openssl")
def test_renegotiation_is_refused(shared: HttpServer, ca: str) -> None:
    with s_client(shared, "-tls1_2", "-CAfile", ca) as (given, output):
        given.write(b"R\n")
        given.flush()
        assert until(output, b"RENEGOTIATING")
        with suppress(BrokenPipeError):  # it may have ended already
            given.write(last("/"))
            given.flush()
        assert not until(output, b"https TLSv1.2")
