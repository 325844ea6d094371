"""Bodies that are taken in pieces: what is not taken is not read, and ends are told behind it."""

import gc
import socket
import threading

import pytest

from sigil import Deferred
from sigil.client import (
    Client,
    ClientLimits,
    ConnectionClosed,
    DecodingError,
    ReadTimeout,
    Timeouts,
)
from tests.support.answering import answering, read_head, sends, stays
from tests.support.servers import PATIENCE

HEAD = b"HTTP/1.1 200 OK\r\n"
LIMITS = ClientLimits(max_unread_len=100_000, max_read_len=16_384)
CHUNK = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"


class Endless:
    """A server that sends for ever, and counts what the kernel has taken."""

    def __init__(self) -> None:
        self.sent = 0
        self.is_blocked = threading.Event()

    def __call__(self, connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        connection.settimeout(0.2)
        while True:
            try:
                self.sent += connection.send(CHUNK)
            except TimeoutError:
                self.is_blocked.set()
                connection.settimeout(PATIENCE)


def test_a_server_waits_for_a_program_that_takes_nothing() -> None:
    server = Endless()
    with answering(server) as port, Client(limits=LIMITS) as client:
        response = client.run(client.get(f"http://127.0.0.1:{port}/", stream=True))
        while not server.is_blocked.is_set():
            client.tick(0.05)
        assert response.stream_len <= LIMITS.max_unread_len + LIMITS.max_read_len
        before = server.sent
        pieces = response.iter_bytes()
        taken = 0
        while taken < before + 1_000_000:  # it goes on when something is taken
            taken += len(next(pieces))
        response.close()
        assert not client.state.calls and not client.state.connections


def test_a_response_that_is_dropped_unread_is_closed() -> None:
    server = Endless()
    with answering(server) as port, Client(limits=LIMITS) as client:
        url = f"http://127.0.0.1:{port}/"
        response = client.run(client.get(url, stream=True))
        assert client.state.calls and client.state.connections
        del response
        gc.collect()
        assert not client.state.calls and not client.state.connections
        # one that is taken is not, though nobody has the response itself
        pieces = client.run(client.get(url, stream=True)).iter_bytes()
        gc.collect()
        assert sum(len(next(pieces)) for _ in range(20)) > 100_000
        pieces.close()
        assert not client.state.calls


def test_a_function_may_have_the_server_wait() -> None:
    body = HEAD + b"Content-Length: 600000\r\n\r\n" + b"x" * 600_000
    with answering(sends(body)) as port, Client(limits=LIMITS) as client:
        promises: list[Deferred] = []
        taken = 0

        def take(piece: bytes) -> Deferred:
            nonlocal taken
            taken += len(piece)
            promises.append(Deferred())
            return promises[-1]

        asked = client.get(f"http://127.0.0.1:{port}/", on_body=take)
        while not promises:
            client.tick(1.0)
        for _ in range(20):
            client.tick(0.0)
        assert len(promises) == 1
        while taken < 600_000:
            promises[-1].resolve(None)
            client.tick(1.0)
        promises[-1].resolve(None)
        assert client.run(asked).status == 200


def test_an_end_is_told_behind_what_came_before_it() -> None:
    with answering(sends(HEAD + b"Content-Length: 9\r\n\r\nhalf")) as port, Client() as client:
        response = client.run(client.get(f"http://127.0.0.1:{port}/", stream=True))
        pieces = response.iter_bytes()
        assert next(pieces) == b"half"
        with pytest.raises(ConnectionClosed, match="5 bytes before the end"):
            next(pieces)
    coded = HEAD + b"Content-Encoding: gzip\r\nContent-Length: 9\r\n\r\nnot gzip!"
    with answering(sends(coded)) as port, Client() as client:
        response = client.run(client.get(f"http://127.0.0.1:{port}/", stream=True))
        with pytest.raises(DecodingError):
            assert response.body
        assert not client.state.calls


def test_a_stream_that_stands_still_ends_in_time() -> None:
    def begin(connection: socket.socket) -> None:
        sends(HEAD + b"Transfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n")(connection)
        stays(connection)

    with answering(begin) as port, Client() as client:
        options = {"stream": True, "timeout": Timeouts(between_bytes=0.2)}
        response = client.run(client.get(f"http://127.0.0.1:{port}/", **options))
        with pytest.raises(ReadTimeout, match="did not go on"):
            list(response.iter_bytes())


def test_a_body_is_whole_or_in_pieces() -> None:
    with answering(sends(HEAD + b"Content-Length: 4\r\n\r\nbody")) as port, Client() as client:
        url = f"http://127.0.0.1:{port}/"
        whole = client.run(client.get(url))
        assert (whole.is_streamed, list(whole.iter_bytes()), whole.body) == (
            False,
            [b"body"],
            b"body",
        )
        response = client.run(client.get(url, stream=True))
        assert response.is_streamed and response.body == b"body" and response.text == "body"
        response = client.run(client.get(url, stream=True))
        assert list(response.iter_bytes()) == [b"body"]
        with pytest.raises(RuntimeError, match="taken in pieces"):
            assert response.body
