"""The client over TLS: certificates of every kind, names, ends that are cut off, and its own."""

import datetime
import socket
import ssl
from contextlib import suppress

import pytest

from sigil.client import (
    CertificateError,
    Client,
    ConnectionClosed,
    ConnectTimeout,
    Timeouts,
    TlsError,
    http_get,
    http_post,
)
from tests.support.answering import Answerer, answering, read_head, resets, sends, stays
from tests.support.certificates import (
    client_context,
    issued,
    other_authority,
    server_context,
)

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def context_of(*names: str, is_expired: bool = False, is_ours: bool = True) -> ssl.SSLContext:
    """A server's context, with a certificate that has this wrong with it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if not is_ours:
        other_authority().issue_cert(*names).configure_cert(context)
    elif is_expired:
        from tests.support.certificates import authority

        long_ago = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
        authority().issue_cert(*names, not_after=long_ago).configure_cert(context)
    else:
        issued(*names).configure_cert(context)
    return context


def test_a_response_comes_over_tls() -> None:
    with answering(sends(OK), server_context()) as port:
        for host in ("127.0.0.1", "localhost"):
            response = http_get(f"https://{host}:{port}/", verify=client_context())
            assert response.text == "ok"
            assert response.tls is not None and response.tls.is_verified


@pytest.mark.parametrize(
    ("context", "sentence"),
    [
        (context_of("localhost", is_expired=True), "expired"),
        (context_of("example.org"), "mismatch"),
        (context_of("localhost", is_ours=False), "unable to get local issuer"),
    ],
)
def test_a_certificate_that_is_not_to_be_trusted_is_told(
    context: ssl.SSLContext, sentence: str
) -> None:
    with answering(sends(OK), context) as port:
        url = f"https://localhost:{port}/"
        with pytest.raises(CertificateError, match=sentence) as caught:
            http_get(url, verify=client_context())
        assert str(caught.value).startswith(f"GET {url}: the certificate is not one to be trusted")
        assert http_get(url, verify=False).text == "ok"


def test_the_systems_certificates_do_not_trust_a_stranger() -> None:
    with (
        answering(sends(OK), server_context()) as port,
        pytest.raises(CertificateError, match=r"self-signed|local issuer"),
    ):
        http_get(f"https://localhost:{port}/")


def test_what_is_no_tls_is_told() -> None:
    def answer(connection: socket.socket) -> None:
        connection.recv(1_000)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with answering(answer) as port:
        for verify in (True, False):
            with pytest.raises(TlsError, match="TLS handshake failed"):
                http_get(f"https://127.0.0.1:{port}/", verify=verify)


def test_a_handshake_that_does_not_go_on_ends_in_time() -> None:
    with answering(stays) as port, pytest.raises(ConnectTimeout, match="TLS handshake"):
        http_get(f"https://127.0.0.1:{port}/", timeout=Timeouts(tls=0.2))


def test_a_handshake_that_breaks_off_is_told() -> None:
    def leave(connection: socket.socket) -> None:
        connection.recv(10)

    with answering(leave) as port, pytest.raises(TlsError, match="handshake"):
        http_get(f"https://127.0.0.1:{port}/")


def without_end(*pieces: bytes) -> Answerer:
    """What sends these over TLS, and ends the connection without TLS saying so."""

    def answer(connection: socket.socket) -> None:
        sends(*pieces)(connection)
        connection.shutdown(socket.SHUT_RDWR)

    return answer


def with_end(*pieces: bytes) -> Answerer:
    """What sends these over TLS, and ends it as it should be ended."""

    def answer(connection: socket.socket) -> None:
        sends(*pieces)(connection)
        assert isinstance(connection, ssl.SSLSocket)
        with suppress(OSError):
            connection.unwrap()

    return answer


def test_an_end_that_tls_does_not_vouch_for_is_an_error() -> None:
    until_close = b"HTTP/1.1 200 OK\r\n\r\nsome"
    with answering(with_end(until_close), server_context()) as port:
        assert http_get(f"https://localhost:{port}/", verify=client_context()).text == "some"
    with (
        answering(without_end(until_close), server_context()) as port,
        pytest.raises(ConnectionClosed, match="cut off"),
    ):
        http_get(f"https://localhost:{port}/", verify=client_context())
    # what has said how long it is may end as it likes
    with answering(without_end(OK), server_context()) as port:
        assert http_get(f"https://localhost:{port}/", verify=client_context()).text == "ok"


def test_much_is_sent_and_received_over_tls() -> None:
    body = bytes(range(256)) * 16_384

    def echo(connection: socket.socket) -> None:
        _, _, data = read_head(connection).partition(b"\r\n\r\n")
        while len(data) < len(body):
            data += connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(data) + data)

    with answering(echo, server_context()) as port:
        response = http_post(f"https://localhost:{port}/", body, verify=client_context())
        assert response.body == body


def test_the_server_may_ask_for_a_certificate() -> None:
    with answering(sends(OK), server_context(client_certificates=True)) as port:
        url = f"https://localhost:{port}/"
        assert http_get(url, ssl_context=client_context(issued("me"))).text == "ok"
        with pytest.raises(OSError):  # of TLS 1.3, the client is done before the server looks
            http_get(url, verify=client_context(), retries=0)


def test_connections_are_shared_among_requests_that_do_tls_alike() -> None:
    def answer(connection: socket.socket) -> None:
        while read_head(connection):
            connection.sendall(OK)

    with answering(answer, server_context()) as port, Client(verify=client_context()) as client:
        url = f"https://localhost:{port}/"
        for _ in range(2):
            client.run(client.get(url))
        assert client.state.next_connection == 1
        client.run(client.get(url, verify=False))
        assert client.state.next_connection == 2


def test_what_breaks_within_a_response_is_told() -> None:
    with (
        answering(resets(OK[:-1]), server_context()) as port,
        pytest.raises(ConnectionClosed, match=r"cut off|broke"),
    ):
        http_get(f"https://localhost:{port}/", verify=client_context())
