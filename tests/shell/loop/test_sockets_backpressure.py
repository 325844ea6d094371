"""Clients that read slowly: what they are owed waits for them, is never more than a little, and is
never lost.

Theory: a stream that nobody reads is not pulled. So what a slow reader costs is what the kernel
keeps for it and two pieces, however long the stream; and a body that is there already is sent from
where it is, for all readers.
"""

import hashlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

from sigil import Limits, Request, Response
from tests.support.requests import GET
from tests.support.servers import MIB, PATIENCE, Raw, ask, in_thread, make, pump, settle, ticking

PIECE = 65_536
SIZE = 64 * MIB


def resident_bytes() -> int:
    """Of this process, now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def piece(index: int) -> bytes:
    """A piece that differs from all others."""
    return b"%015d\n" % index * (PIECE // 16)


def test_a_stream_that_nobody_reads_is_not_pulled_and_arrives_whole_when_somebody_does() -> None:
    pulled: list[int] = []

    def handler(request: Request) -> Response:
        def chunks() -> Iterator[bytes]:
            for index in range(SIZE // PIECE):
                pulled.append(index)
                yield piece(index)

        return (
            Response.stream(chunks(), headers={"Content-Length": str(SIZE)})
            if request.path == "/"
            else Response.text("meanwhile")
        )

    with ticking(handler) as server, Raw(server, GET, receive_buffer=65_536) as client:
        client.reads = False
        settle(server)
        count, resident = len(pulled), resident_bytes()
        assert 0 < count * PIECE < 8 * MIB
        assert server.stats().outbox_bytes <= 2 * PIECE
        for _ in range(50):
            assert ask(server, b"GET /other HTTP/1.1\r\nHost: a\r\n\r\n").text == "meanwhile"
        assert len(pulled) == count
        assert resident_bytes() - resident < 8 * MIB

        digest, length = hashlib.sha256(), 0

        def is_read() -> bool:
            nonlocal length
            digest.update(client.received)
            length += len(client.received)
            client.received.clear()
            return length >= SIZE

        client.reads = True
        pump(server, lambda: b"\r\n\r\n" in client.received, client)
        head, _, rest = bytes(client.received).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK")
        client.received[:] = rest
        pump(server, is_read, client)
        expected = hashlib.sha256()
        for index in range(SIZE // PIECE):
            expected.update(piece(index))
        assert (length, digest.digest()) == (SIZE, expected.digest())
        assert pulled == list(range(SIZE // PIECE))


def test_an_endless_stream_does_not_keep_the_loop_to_itself() -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield bytes(1_000)

    def handler(request: Request) -> Response:
        return Response.stream(endless()) if request.path == "/" else Response.text("meanwhile")

    with (
        in_thread(make(handler)) as server,
        socket.create_connection(("127.0.0.1", server.port)) as greedy,
    ):
        greedy.sendall(GET)
        done = threading.Event()

        def read() -> None:
            while not done.is_set() and greedy.recv(MIB):
                pass

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        try:
            for _ in range(20):
                with socket.create_connection(
                    ("127.0.0.1", server.port), timeout=PATIENCE
                ) as other:
                    other.sendall(b"GET /x HTTP/1.0\r\n\r\n")
                    assert other.makefile("rb").read().endswith(b"meanwhile")
        finally:
            done.set()
            reader.join(PATIENCE)
        assert not reader.is_alive()


def test_one_large_body_serves_many_slow_readers_from_the_same_memory() -> None:
    body = bytes(SIZE)
    limits = Limits(max_outbound_len=2**30)
    with ticking(lambda request: Response.bytes(body), limits) as server:
        crowd = [Raw(server, GET, receive_buffer=4096) for _ in range(20)]
        for client in crowd:
            client.reads = False
        resident = resident_bytes()
        settle(server)
        assert resident_bytes() - resident < SIZE // 2, "the body was copied"
        assert server.stats().outbox_bytes > 20 * (SIZE - 8 * MIB)
        first, *others = crowd
        for client in others:
            client.reset()
        total = 0

        def is_read() -> bool:
            nonlocal total
            total += len(first.received)
            first.received.clear()
            return total >= SIZE and server.stats().outbox_bytes == 0

        first.reads = True
        pump(server, is_read, first, patience=3 * PATIENCE)
        settle(server, first)
        total += len(first.received)
        assert SIZE < total < SIZE + 500
        assert resident_bytes() - resident < SIZE // 2
        assert len(server.clients()) == 1
        first.close()


def test_a_client_that_asks_again_and_again_and_never_reads_is_not_read_either() -> None:
    handled: list[str] = []

    def handler(request: Request) -> Response:
        handled.append(request.path)
        return Response.bytes(bytes(100_000))

    with (
        ticking(handler, Limits(max_outbox_len=200_000)) as server,
        Raw(server, receive_buffer=4096) as client,
    ):
        client.reads = False
        client.send(GET * 100_000)
        settle(server, client)
        count = len(handled)
        assert count < 500
        assert (
            server.stats().outbox_bytes < 2 * 64 * 100_200 + 200_000
        )  # a second batch begins before a stall is told
        assert server.stats().bytes_in < MIB
        settle(server, client)
        assert len(handled) == count
        client.reads = True
        total = 0

        def is_going_on() -> bool:
            nonlocal total
            total += len(client.received)
            client.received.clear()
            return len(handled) > count + 200

        pump(server, is_going_on, client)
        assert total > count * 100_000


def test_pieces_of_every_size_arrive_whole_through_a_small_window() -> None:
    def handler(request: Request) -> Response:
        return Response.stream(bytes([index % 256]) * (index * 37 % 40_000) for index in range(200))

    expected = b"".join(bytes([index % 256]) * (index * 37 % 40_000) for index in range(200))
    with ticking(handler) as server, Raw(server, GET * 3, receive_buffer=2_048) as client:
        client.reads = False
        settle(server)
        client.reads = True
        pump(
            server,
            lambda: (
                bytes(client.received[-5:]) == b"0\r\n\r\n"
                and len(client.answers(*["GET"] * 3)) == 3
                and client.answers(*["GET"] * 3)[2].is_whole
            ),
            client,
            patience=2 * PATIENCE,
        )
        assert [answer.body == expected for answer in client.answers("GET", "GET", "GET")] == [
            True
        ] * 3


def test_a_half_closed_client_gets_the_whole_of_a_body_that_ended_a_long_batch() -> None:
    last = bytes(8 * MIB)

    def handler(request: Request) -> Response:
        return Response.bytes(last if request.path == "/last" else b"x")

    post = b"POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"
    lost: dict[int, int] = {}
    for count in range(
        24, 40
    ):  # more rounds than one tick has, so that the answer and the end meet in one tick
        with ticking(handler) as server, Raw(server, receive_buffer=4096) as client:
            settle(server)
            client.reads = False
            client.send(post % b"/" * count + post % b"/last")
            client.half_close()
            settle(server)
            client.reads = True
            pump(server, lambda: client.over or len(client.received) > 8 * MIB, client)
            if len(client.received) < 8 * MIB:
                lost[count] = len(client.received)
    assert lost == {}
