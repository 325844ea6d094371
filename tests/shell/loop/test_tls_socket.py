"""TLS over real sockets: the two roles with each other, and each with the standard library's own.

Time is not waited for: both ends are driven in turns until what is looked for is there.
"""

import select
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from threading import Thread
from typing import NamedTuple

import pytest

from sigil.core.tls import Tls, TlsPeer, tls_peer
from sigil.shell.loop.tls_socket import HELD_LEN, RECORD_LEN, TlsBuffers, TlsSocket
from tests.support.certificates import (
    authority,
    client_context,
    issued,
    other_authority,
    server_context,
)

TURNS_MAX = 10_000
PATIENCE_SECONDS = 60.0
OVERHEAD_MAX = 1_024
"""Bytes around so much plaintext, in some records."""


class Pair(NamedTuple):
    """The two ends of one connection."""

    server: TlsSocket
    client: TlsSocket


@contextmanager
def connected(
    of_server: ssl.SSLContext | None = None,
    of_client: ssl.SSLContext | None = None,
    buffers: TlsBuffers | None = None,
) -> Iterator[Pair]:
    """Two ends that have not begun with their handshake."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.setblocking(False)
        server = TlsSocket(ours, of_server or server_context(), server_side=True, buffers=buffers)
        client = TlsSocket(
            theirs,
            of_client or client_context(),
            server_side=False,
            server_hostname="localhost",
            buffers=buffers,
        )
        yield Pair(server, client)


def shake(pair: Pair) -> None:
    """Go on at both ends until the handshake is over."""
    for _ in range(20):
        done = [end.handshake() for end in (pair.client, pair.server)]
        if all(done):
            return
    raise AssertionError("the handshake does not end")


@contextmanager
def secured(
    of_server: ssl.SSLContext | None = None, of_client: ssl.SSLContext | None = None
) -> Iterator[Pair]:
    """Two ends behind their handshake."""
    with connected(of_server, of_client) as pair:
        shake(pair)
        yield pair


def received(end: TlsSocket, length: int, turn: Callable[[], object] = bool) -> bytes:
    """The next `length` bytes of an end; `turn` is what the other one does meanwhile."""
    data = b""
    for _ in range(TURNS_MAX):
        with suppress(BlockingIOError):
            data += end.recv(65_536)
        if len(data) >= length:
            return data
        turn()
    raise AssertionError(f"only {len(data)} of {length} bytes have come")


def fill(end: TlsSocket, piece: bytes) -> bytes:
    """What an end took of a piece that is given again and again, until it takes no more."""
    taken = b""
    while True:
        try:
            count = end.send(piece)
        except BlockingIOError:
            return taken
        taken += piece[:count]
        if count < len(piece):
            return taken


def flush(end: TlsSocket) -> None:
    """Let the kernel take what an end holds, as far as it does."""
    with suppress(BlockingIOError):
        end.send(b"")


# -- the handshake ---------------------------------------------------------------------------------


def test_the_handshake_goes_on_step_by_step_and_never_waits() -> None:
    with connected() as (server, client):
        assert not server.handshake(), "nothing has come"
        assert not client.handshake(), "the first message has left"
        assert not server.is_secured and not server.handshake(), "the answer has left"
        assert client.handshake() and client.is_secured
        assert server.handshake() and server.is_secured


def test_it_goes_on_whenever_the_socket_is_used() -> None:
    with connected() as (server, client):
        with pytest.raises(BlockingIOError):
            client.send(b"hello")
        with pytest.raises(BlockingIOError):
            server.recv(100)
        assert client.send(b"hello") == 5
        assert server.recv(100) == b"hello", "it came behind the last message of the handshake"


def test_bytes_that_were_read_before_belong_to_it() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for sock in (ours, theirs):
            sock.setblocking(False)
        client = TlsSocket(theirs, client_context(), server_side=False, server_hostname="localhost")
        client.handshake()
        begun = ours.recv(10)
        server = TlsSocket(ours, server_context(), server_side=True, preread=begun)
        shake(Pair(server, client))


def test_byte_by_byte_it_is_the_same() -> None:
    with connected() as (server, client):
        client.handshake()
        first = server.sock.recv(65_536)
        relay, ours = socket.socketpair()
        with relay, ours:
            ours.setblocking(False)
            server = TlsSocket(ours, server_context(), server_side=True)
            for at in range(len(first)):
                relay.send(first[at : at + 1])
                assert not server.handshake()
            answer = relay.recv(65_536)
            assert answer[:1] == b"\x16", "a record of the handshake"


def test_what_it_has_settled_can_be_read_off() -> None:
    of_server, of_client = server_context(), client_context()
    for context in (of_server, of_client):
        context.set_alpn_protocols(["http/1.1"])
    with secured(of_server, of_client) as (server, client):
        facts = client.facts()
        assert facts.version == "TLSv1.3" and facts.cipher.startswith("TLS_")
        assert facts.alpn == "http/1.1" and facts.server_name == "localhost"
        assert facts.is_verified and tls_peer(facts) is TlsPeer.VERIFIED
        assert facts.certificate is not None
        pem = issued("localhost", "127.0.0.1").cert_chain_pems[0].bytes().decode()
        assert facts.certificate == ssl.PEM_cert_to_DER_cert(pem)
        of_theirs = server.facts()
        assert of_theirs == Tls(facts.version, facts.cipher, "http/1.1")
        assert tls_peer(of_theirs) is TlsPeer.UNVERIFIED and tls_peer(None) is TlsPeer.NONE


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_client_may_have_a_certificate(version: ssl.TLSVersion) -> None:
    of_server, of_client = server_context(client_certificates=True), client_context(issued("me"))
    of_client.maximum_version = of_client.minimum_version = version
    with secured(of_server, of_client) as (server, _):
        facts = server.facts()
        assert facts.is_verified and facts.certificate is not None
        assert facts.version == version.name.replace("_", ".")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_is_resumed(version: ssl.TLSVersion) -> None:
    of_server, of_client = server_context(), client_context()
    of_client.maximum_version = of_client.minimum_version = version
    with secured(of_server, of_client) as (server, client):
        server.send(b"x")
        received(client, 1)
        assert not server.facts().is_resumed
        session = client.ssl_object.session
        assert session is not None
    with connected(of_server, of_client) as pair:
        pair.client.ssl_object.session = session
        shake(pair)
        assert pair.server.facts().is_resumed and pair.client.facts().is_resumed


# -- handshakes that fail --------------------------------------------------------------------------


def failures_of(pair: Pair) -> tuple[str, str]:
    """What each end says when the handshake fails: the server, the client."""
    said = ["", ""]
    for _ in range(20):
        for place, end in enumerate(pair):
            if not said[place]:
                try:
                    end.handshake()
                    end.recv(100)
                except BlockingIOError:
                    pass
                except ssl.SSLError as error:
                    said[place] = error.reason or str(error)
    return said[0], said[1]


def test_each_end_is_told_why_it_fails() -> None:
    stranger = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    other_authority().configure_trust(stranger)
    with connected(of_client=stranger) as pair:
        ours, theirs = failures_of(pair)
        assert theirs == "CERTIFICATE_VERIFY_FAILED" and ours == "TLSV1_ALERT_UNKNOWN_CA"
    old, new = server_context(), client_context()
    old.maximum_version, new.minimum_version = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
    with connected(old, new) as pair:
        ours, theirs = failures_of(pair)
        assert ours == "UNSUPPORTED_PROTOCOL" and theirs == "TLSV1_ALERT_PROTOCOL_VERSION"
    with connected(server_context(client_certificates=True)) as pair:
        ours, theirs = failures_of(pair)
        assert ours == "PEER_DID_NOT_RETURN_A_CERTIFICATE"
        assert theirs == "TLSV13_ALERT_CERTIFICATE_REQUIRED"
    with connected(server_context("elsewhere.test")) as pair:
        assert failures_of(pair)[1] == "CERTIFICATE_VERIFY_FAILED"


def test_what_is_no_tls_is_said_to_be_none() -> None:
    for text in (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"SSH-2.0-OpenSSH_9.2\r\n", bytes(100)):
        with connected() as (server, client):
            client.sock.send(text)
            with pytest.raises(ssl.SSLError):
                server.handshake()
            assert not server.is_secured


def test_an_end_in_the_middle_of_it_is_an_error() -> None:
    with connected() as (server, client):
        client.handshake()
        client.sock.shutdown(socket.SHUT_WR)
        with pytest.raises(ssl.SSLEOFError, match="within the TLS handshake"):
            server.handshake()


# -- bytes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [1, 2, 100, RECORD_LEN, RECORD_LEN + 1, HELD_LEN, 1_000_000])
def test_what_is_sent_is_received(length: int) -> None:
    data = bytes(range(256)) * (length // 256 + 1)
    data = data[:length]
    with secured() as pair:
        for giver, taker in (pair, reversed(pair)):
            left = memoryview(data)

            def send(giver: TlsSocket = giver) -> None:
                nonlocal left
                with suppress(BlockingIOError):
                    left = left[giver.send(left) :]

            assert received(taker, length, send) == data
            assert not left and not giver.held_len


def test_ends_may_share_what_ciphertext_passes_through() -> None:
    buffers = TlsBuffers()
    with connected(buffers=buffers) as pair, connected(buffers=buffers) as other:
        shake(pair)
        shake(other)
        fill(pair.server, bytes(1_000_000))
        other.server.send(b"to the other")
        assert received(other.client, 12) == b"to the other"
        assert not buffers.incoming.pending and not buffers.outgoing.pending


def test_pieces_share_records() -> None:
    with secured() as (server, client):
        assert server.sendmsg([b"a" * 10, memoryview(b"b" * 10), b"c" * HELD_LEN]) == 20
        assert received(client, 20) == b"a" * 10 + b"b" * 10
        length = server.sendmsg([b"d" * (HELD_LEN + 1), b"e"])
        assert received(client, length) == b"d" * length


def test_a_read_leaves_no_plaintext_behind_that_a_poller_would_not_see() -> None:
    with secured() as (server, client):
        for text in (b"one", b"two", b"three"):
            client.send(text)
        assert server.recv(65_536) == b"onetwothree"
        client.send(bytes(5_000))
        with pytest.raises(BlockingIOError):
            server.recv(100)  # part of a record
        data = received(server, 5_000)
        assert data == bytes(5_000)
        with pytest.raises(BlockingIOError):
            server.recv(100)


def test_what_the_kernel_does_not_take_is_held_and_bounded_and_told() -> None:
    with secured() as (server, client):
        piece = bytes(range(256)) * 1_024
        taken = fill(server, piece)
        assert 0 < server.held_len <= HELD_LEN + OVERHEAD_MAX
        for _ in range(3):
            with pytest.raises(BlockingIOError):
                server.send(b"more")
        assert 0 < server.held_len <= HELD_LEN + OVERHEAD_MAX
        rest = (piece * 2)[len(taken) % len(piece) :][: len(piece)]
        left = memoryview(rest)

        def send() -> None:
            nonlocal left
            with suppress(BlockingIOError):
                left = left[server.send(left) :]

        data = received(client, len(taken) + len(rest), send)
        assert data == taken + rest, "no byte is lost, none comes twice"


def test_the_byte_that_was_said_not_to_be_taken_is_not_sent_twice() -> None:
    with secured() as (server, client):
        taken = fill(server, b"0123456789" * 100_000)
        text = (b"0123456789" * 100_000)[len(taken) % 1_000_000 :]
        assert server.held_len, "the next byte is among what is held"
        data = received(client, len(taken) + 1, lambda: server.held_len and flush(server))
        assert data == taken + text[:1], "it is there already"
        assert server.send(text[:1]) == 1 and not server.held_len
        assert server.send(text[1:2]) == 1
        assert received(client, 1) == text[1:2]


# -- ends ------------------------------------------------------------------------------------------


def test_an_end_is_said_behind_what_was_sent_and_the_other_side_goes_on() -> None:
    with secured() as (server, client):
        client.send(b"last")
        client.shutdown(socket.SHUT_WR)
        assert received(server, 4) == b"last"
        assert server.recv(100) == b"" == server.recv(100) and server.has_ended
        server.send(b"answer")
        assert received(client, 6) == b"answer"
        server.shutdown(socket.SHUT_WR)
        assert client.recv(100) == b""


def test_an_end_that_is_said_behind_data_is_seen_by_a_poller() -> None:
    """Though the connection below has not ended."""
    with secured() as (server, client):
        client.send(b"last")
        with suppress(ssl.SSLWantReadError):
            client.ssl_object.unwrap()
        client._settle()
        client._flush()
        assert server.recv(100) == b"last"
        assert select.select([server], [], [], PATIENCE_SECONDS)[0] == [server]
        assert server.recv(100) == b""


def test_an_end_that_nobody_has_said_is_an_error() -> None:
    with secured() as (server, client):
        client.send(b"last")
        client.sock.shutdown(socket.SHUT_WR)
        assert server.recv(100) == b"last"
        with pytest.raises(ssl.SSLEOFError, match="close_notify"):
            server.recv(100)
        assert not server.has_ended


def test_an_end_for_which_there_is_no_room_is_said_later() -> None:
    with secured() as (server, client):
        taken = fill(server, bytes(300_000))
        with pytest.raises(BlockingIOError):
            server.shutdown(socket.SHUT_WR)
        has_ended = False

        def shut() -> None:
            nonlocal has_ended
            if not has_ended:
                with suppress(BlockingIOError):
                    server.shutdown(socket.SHUT_WR)
                    has_ended = True

        data = received(client, len(taken) + 1, shut)  # with the byte that was encrypted before
        assert not data.strip(b"\0") and has_ended
        assert client.recv(100) == b""


def test_who_is_given_up_says_no_end() -> None:
    with secured() as (server, client):
        server.send(b"half of it")
        server.shutdown(socket.SHUT_RDWR)
        assert received(client, 10) == b"half of it"
        with pytest.raises(ssl.SSLEOFError):
            client.recv(100)


def test_a_record_that_was_changed_is_an_error_and_the_other_end_is_told() -> None:
    with secured() as (server, client):
        client.sock.send(b"\x17\x03\x03\x00\x20" + bytes(32))
        with pytest.raises(ssl.SSLError, match=r"(?i)bad record mac|decrypt"):
            server.recv(100)
        with pytest.raises(ssl.SSLError, match=r"(?i)alert"):
            received(client, 1)


# -- interrupts, and what a peer may ask for -------------------------------------------------------


class _Interrupting:
    """A socket whose first send is left by an interrupt, when the kernel has the bytes."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def send(self, data: bytes) -> int:
        self._sock.send(data)
        raise KeyboardInterrupt


def test_a_call_that_an_interrupt_has_left_leaves_no_hole() -> None:
    with secured() as (server, client):
        plain = server.sock
        server.sock = _Interrupting(plain)  # type: ignore[assignment]
        with pytest.raises(KeyboardInterrupt):
            server.send(b"once")
        server.sock = plain
        for call in (lambda: server.send(b"again"), lambda: server.recv(100)):
            with pytest.raises(ConnectionAbortedError, match="interrupt"):
                call()
        assert received(client, 4) == b"once"


def test_the_library_s_own_client_and_server_understand_it() -> None:
    """In a thread each, and blocking."""
    data = bytes(range(256)) * 8_192
    with ExitStack() as stack:
        ours, theirs = socket.socketpair()
        stack.enter_context(ours)
        ours.setblocking(False)
        server = TlsSocket(ours, server_context(), server_side=True)
        got: list[bytes] = []

        def talk() -> None:
            theirs.settimeout(PATIENCE_SECONDS)
            with client_context().wrap_socket(theirs, server_hostname="localhost") as sock:
                sock.sendall(data)
                while len(b"".join(got)) < len(data):
                    got.append(sock.recv(65_536))
                sock.unwrap().close()

        thread = Thread(target=talk)
        thread.start()
        echoed, ended, turns = b"", False, 0
        while not ended:
            select.select([server], [server] if echoed else [], [], PATIENCE_SECONDS)
            with suppress(BlockingIOError):
                piece = server.recv(65_536)
                ended = not piece
                echoed += piece
            if echoed:
                with suppress(BlockingIOError):
                    echoed = echoed[server.send(echoed) :]
            turns += 1
            assert turns < 100_000
        server.shutdown(socket.SHUT_WR)
        thread.join()
        assert b"".join(got) == data


def test_certificates_are_those_of_the_tests() -> None:
    assert authority() is authority() is not other_authority()
