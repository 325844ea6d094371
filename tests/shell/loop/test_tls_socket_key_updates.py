"""Key updates of TLS 1.3: those that a peer asks for and reads, and those that it does not read."""

import socket
import ssl
from contextlib import suppress
from pathlib import Path

import pytest

from sigil.shell.loop.tls_socket import RECORD_ROOM, TlsSocket
from tests.shell.loop.test_tls_socket import TURNS_MAX, Pair, received, secured, shake
from tests.support.certificates import server_context
from tests.support.key_updates import KeyUpdates, logging_context


def test_what_a_peer_asks_for_and_does_not_read_is_bounded(tmp_path: Path) -> None:
    held_max, updates_len = 1_024, 50
    answer_len = 5 + 5 + 1 + 16  # a header, a key update, its type, and what authenticates it
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)
        ours.setblocking(False)
        theirs.setblocking(False)
        server = TlsSocket(ours, server_context(), server_side=True, max_held_len=held_max)
        client = TlsSocket(
            theirs,
            logging_context(tmp_path / "keys"),
            server_side=False,
            server_hostname="localhost",
        )
        shake(Pair(server, client))
        updates, held = KeyUpdates(tmp_path / "keys", client.facts().cipher), [0]
        with pytest.raises(ssl.SSLError, match="reads none of them"):
            for _ in range(TURNS_MAX):
                theirs.send(updates.make(updates_len))
                with suppress(BlockingIOError):
                    server.recv(65_536)
                held.append(server.held_len)
        assert held_max < max(held) <= 2 * held_max + RECORD_ROOM
        assert server.held_len <= 2 * held_max + RECORD_ROOM + updates_len * answer_len


def test_key_updates_that_are_answered_go_on(tmp_path: Path) -> None:
    with secured(None, logging_context(tmp_path / "keys")) as (server, client):
        updates = KeyUpdates(tmp_path / "keys", client.facts().cipher)
        for _ in range(100):
            client.sock.send(updates.make(10))
            with suppress(BlockingIOError):
                server.recv(65_536)
            server.send(b"an answer")
            assert received(client, 9) == b"an answer" and not server.held_len
