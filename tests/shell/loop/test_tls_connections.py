"""Handshakes on a server that is ticked, and what its log says of those that fail."""

import logging
import select
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from sigil import (
    Callbacks,
    CloseReason,
    Conn,
    HttpServer,
    Limits,
    Request,
    Response,
    make_http_server,
)
from sigil.shell.loop.tls_socket import TlsSocket
from sigil.shell.tls_problems import problem_of
from tests.support.certificates import (
    client_context,
    issued,
    other_authority,
    server_context,
)
from tests.support.key_updates import KeyUpdates, logging_context
from tests.support.requests import GET
from tests.support.secure import Secure
from tests.support.servers import HOST, Raw, end, settle, ticking

TURNS_MAX = 2_000


def program(request: Request) -> Response:
    return Response.text(f"{request.scheme} {request.tls is not None}")


def test_a_request_may_come_with_the_end_of_the_handshake() -> None:
    with ticking(program, ssl_context=server_context()) as server, Raw(server) as raw:
        client = Secure(raw)
        for _ in range(TURNS_MAX):
            client.turn()
            if client.tls.is_secured:
                break
            server.tick()
        client.tls.send(GET)
        for _ in range(TURNS_MAX):
            server.tick()
            client.turn()
            if client.received:
                break
        assert client.received.endswith(b"https True")


class HastySocket(socket.socket):
    """A server's socket, whose peer answers whenever it is read: faster than any ever is."""

    client: Secure
    is_asked = False

    def recv(self, max_len: int, flags: int = 0) -> bytes:
        if type(self).is_asked:
            self.client.turn()
            if self.client.tls.is_secured:
                self.client.tls.send(GET)
                type(self).is_asked = False
        return super().recv(max_len, flags)


class HastyListener(socket.socket):
    """Accepts such sockets."""

    def accept(self) -> tuple[socket.socket, object]:  # type: ignore[override]
        sock, address = super().accept()
        return HastySocket(fileno=sock.detach()), address


def test_a_request_may_come_with_the_header_of_a_proxy_and_the_whole_handshake() -> None:
    limits = Limits(proxy_protocol=(HOST,))
    server = make_http_server(program, limits=limits, ssl_context=server_context())
    with HastyListener() as listener:
        listener.bind((HOST, 0))
        listener.listen()
        server.listen(listener)
        with Raw(listener.getsockname()[1], b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n") as raw:
            HastySocket.client, HastySocket.is_asked = Secure(raw), True
            HastySocket.client.turn()
            for _ in range(TURNS_MAX):
                server.tick()
                HastySocket.client.turn()
                if HastySocket.client.received:
                    break
            assert HastySocket.client.received.endswith(b"https True")
        end(server)


def test_what_a_program_asks_of_one_neither_ends_it_nor_keeps_the_loop_awake() -> None:
    writable: list[Conn] = []

    def ask(server: HttpServer, conn: Conn) -> None:
        server.rx_flow_control(conn, False)
        if conn.generation:
            server.callback_on_writable(conn)

    callbacks = Callbacks(open=ask, writable=lambda server, conn: writable.append(conn))
    with (
        ticking(program, None, callbacks, server_context()) as server,
        Raw(server) as first,
        Raw(server) as second,
    ):
        clients = Secure(first), Secure(second)
        settle(server)
        assert not select.select([server.fileno()], [], [], 0.0)[0]
        for _ in range(TURNS_MAX):
            for client in clients:
                client.turn()
            server.tick()
            if all(client.tls.is_secured for client in clients) and writable:
                break
        assert tuple(writable) == server.clients()[1:]
        for client in clients:
            client.tls.send(GET)
        settle(server)
        for client, conn in zip(clients, server.clients(), strict=True):
            client.turn()
            assert not client.received
            server.rx_flow_control(conn, True)
        for _ in range(TURNS_MAX):
            server.tick()
            for client in clients:
                client.turn()
            if all(client.received for client in clients):
                break
        assert all(client.received.endswith(b"https True") for client in clients)


def test_one_that_dribbles_keeps_nobody_from_anything() -> None:
    limits = Limits(max_tls_handshakes_per_tick=1)
    with (
        ticking(program, limits, ssl_context=server_context()) as server,
        Raw(server) as slow,
        Raw(server) as silent,
        Raw(server) as raw,
    ):
        hello = Secure(slow)
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.setblocking(False)
            first = TlsSocket(
                ours, client_context(), server_side=False, server_hostname="localhost"
            )
            first.handshake()
            dribbled = theirs.recv(65_536)
        client = Secure(raw)
        for place in range(len(dribbled)):
            slow.sock.send(dribbled[place : place + 1])
            server.tick()
            client.turn()
            if client.tls.is_secured:
                break
        assert client.tls.is_secured and not hello.tls.is_secured
        assert server.stats().clients == 3 and not silent.received


def fail(
    caplog: pytest.LogCaptureFixture,
    of_server: ssl.SSLContext | None = None,
    of_client: ssl.SSLContext | None = None,
) -> tuple[str, str]:
    """What the log of the server says of a handshake, and the reason that the client has."""
    caplog.clear()
    with (
        caplog.at_level(logging.INFO, "sigil.server"),
        ticking(program, ssl_context=of_server or server_context()) as server,
        Raw(server) as raw,
    ):
        client = Secure(raw, of_client)
        for _ in range(TURNS_MAX):
            client.turn()
            server.tick()
            lines = [text for text in caplog.messages if "TLS_HANDSHAKE_FAILED" in text]
            if lines and client.problem is not None:
                break
        assert client.problem is not None
        return lines[0].partition("TLS_HANDSHAKE_FAILED: ")[2], client.problem.reason


def test_the_log_says_in_words_why_one_has_failed(caplog: pytest.LogCaptureFixture) -> None:
    stranger = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    other_authority().configure_trust(stranger)
    words, reason = fail(caplog, of_client=stranger)
    assert words.startswith("it does not trust our certificate") and "VERIFY_FAILED" in reason
    words, _ = fail(caplog, of_server=server_context(client_certificates=True))
    assert words == "it has no certificate, and one is required"
    foreign = client_context(other_authority().issue_cert("me"))
    words, reason = fail(caplog, server_context(client_certificates=True), foreign)
    assert words.startswith("its certificate was not accepted: ") and "UNKNOWN_CA" in reason
    old, new = server_context(), client_context()
    old.minimum_version, new.maximum_version = ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2
    words, _ = fail(caplog, old, new)
    assert words == "it knows no version of TLS that is allowed here"
    ours, theirs = server_context(), client_context()
    ours.maximum_version = theirs.maximum_version = ssl.TLSVersion.TLSv1_2
    ours.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
    theirs.set_ciphers("ECDHE-ECDSA-CHACHA20-POLY1305")
    words, _ = fail(caplog, ours, theirs)
    assert words.startswith("no cipher is known to both ends")


def test_a_reason_without_words_is_shown_as_it_is() -> None:
    error = ssl.SSLError(1, "[SSL: ODD] odd")
    error.reason = "ODD"
    assert problem_of(error) == "OpenSSL says ODD"


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        (GET, b"HTTP/1.1 400 Bad Request\r\n"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"HTTP/1.1 400 Bad Request\r\n"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", b""),
        (bytes(300), b""),
        (b"\x16\x03\x01\x00\x05hello", b"\x15"),
    ],
    ids=["http", "h2", "ssh", "zeros", "broken"],
)
def test_what_is_no_tls_is_answered_in_its_own_words(data: bytes, answer: bytes) -> None:
    with ticking(program, ssl_context=server_context()) as server, Raw(server, data) as client:
        for _ in range(TURNS_MAX):
            server.tick()
            client.poll()
            if client.over:
                break
        assert client.ended and not client.broken
        assert bytes(client.received).startswith(answer) and bool(client.received) is bool(answer)


RECORD = b"\x17\x03\x03\x00\x20" + bytes(32)
"""What looks like one, and was not encrypted by anybody."""


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize(
    ("data", "words"),
    [
        (RECORD, "what came is no record of it: it was changed on its way, or added"),
        (GET, "what came is no TLS"),
        (b"\x17\x03\x03\xff\xff", "a record that came is longer than TLS allows"),
    ],
    ids=["record", "plain", "long"],
)
def test_what_cannot_be_decrypted_is_said_in_words_and_counted(
    caplog: pytest.LogCaptureFixture, version: ssl.TLSVersion, data: bytes, words: str
) -> None:
    context = client_context()
    context.minimum_version = context.maximum_version = version
    ends: list[CloseReason] = []
    callbacks = Callbacks(close=lambda server, conn, reason: ends.append(reason))
    with (
        caplog.at_level(logging.INFO, "sigil.server"),
        ticking(program, None, callbacks, server_context()) as server,
        Raw(server) as raw,
        Raw(server) as other_raw,
    ):
        client, other = Secure(raw, context), Secure(other_raw)
        turn(server, client, other, until=lambda: client.tls.is_secured and other.tls.is_secured)
        client.tls.send(GET)
        turn(server, client, until=lambda: client.received.endswith(b"https True"))
        raw.sock.send(data)
        turn(server, until=lambda: bool(ends))
        assert ends == [CloseReason.TLS_FAILED]
        assert server.stats().closed == {"TLS_FAILED": 1}
        assert [text for text in caplog.messages if text.endswith(f"TLS_FAILED: {words}")]
        other.tls.send(GET)
        turn(server, other, until=lambda: other.received.endswith(b"https True"))


def test_whoever_floods_key_updates_and_reads_nothing_is_dropped(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    server = make_http_server(
        program, limits=Limits(max_tls_held_len=1_024), ssl_context=server_context()
    )
    with caplog.at_level(logging.INFO, "sigil.server"), socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
        listener.bind((HOST, 0))
        listener.listen()
        server.listen(listener)
        port = listener.getsockname()[1]
        with Raw(port, receive_buffer=4_096) as raw, Raw(port) as other_raw:
            client, other = Secure(raw, logging_context(tmp_path / "keys")), Secure(other_raw)
            turn(server, client, until=lambda: client.tls.is_secured)
            (cipher, _, _) = client.tls.ssl_object.cipher() or ("", "", 0)
            updates = KeyUpdates(tmp_path / "keys", cipher)
            for _ in range(TURNS_MAX):
                if server.stats().closed:
                    break
                raw.send(updates.make(50))
                server.tick()
            assert server.stats().closed == {"TLS_FAILED": 1}
            reason = "TLS_FAILED: it asks for answers and reads none of them"
            assert [text for text in caplog.messages if text.endswith(reason)]
            turn(server, other, until=lambda: other.tls.is_secured)
            other.tls.send(GET)
            turn(server, other, until=lambda: other.received.endswith(b"https True"))
        end(server)


def turn(server: HttpServer, *clients: Secure, until: Callable[[], bool]) -> None:
    """Go on at both ends until it is so."""
    for _ in range(TURNS_MAX):
        server.tick()
        for client in clients:
            client.turn()
        if until():
            return
    raise AssertionError("it does not come about")


def test_an_end_in_the_middle_of_one_frees_its_place() -> None:
    with ticking(program, ssl_context=server_context()) as server:
        with Raw(server, b"\x16\x03\x01"):
            settle(server)
            assert len(server.clients()) == 1
        for _ in range(TURNS_MAX):
            server.tick()
            if not server.clients():
                break
        assert not server.clients()
        with suppress(KeyError):
            assert server.stats().closed["TLS_HANDSHAKE_FAILED"] == 1


def test_client_certificates_are_seen() -> None:
    with (
        ticking(program, ssl_context=server_context(client_certificates=True)) as server,
        Raw(server) as raw,
    ):
        client = Secure(raw, client_context(issued("me")))
        for _ in range(TURNS_MAX):
            client.turn()
            server.tick()
            (conn,) = server.clients() or (None,)
            if conn is not None and server.is_ssl(conn):
                break
        assert server.is_ssl(server.clients()[0]).name == "VERIFIED"
