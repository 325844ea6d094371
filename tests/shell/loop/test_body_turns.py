"""Bodies in progress are read in few large pieces, in turn, and nobody else waits for that.

Theory: what was sent over the loopback is there at once, so one tick is one look: how much it has
read is counted by the server.

Rules: nothing is timed. Each client sends a body that is there before it is read.
"""

import os
import socket
import subprocess
import sys
from contextlib import ExitStack

import pytest

from sigil import Callbacks, HttpServer, Limits, Request, Response
from sigil.core.conn import Conn
from sigil.core.server.slots import clients_of
from sigil.shell.loop.body_turns import BodyTurns, share_len
from sigil.shell.loop.connection_socket import ConnectionSocket
from tests.support.requests import GET
from tests.support.servers import MIB, Raw, pump, settle, ticking
from tests.support.websocket_client import close_clients, frame, upgrade, websocket_clients

ROOM = 20_000
"""Bytes of a body that surely fit into what the kernel keeps for one connection."""
HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % ROOM


def length_of_body(request: Request) -> Response:
    """The answer by which it is known that a body came whole."""
    return Response.text(str(len(request.body)))


def begun(server: HttpServer, stack: ExitStack, count: int, limits: Limits) -> list[Raw]:
    """Clients of whose bodies the first read has brought as much as it could; their heads say that
    `ROOM` bytes come.
    """
    clients = [stack.enter_context(Raw(server)) for _ in range(count)]
    settle(server)
    for client in clients:
        client.send(HEAD + bytes(limits.max_read_len - len(HEAD)))
    settle(server)
    return clients


def read_of(server: HttpServer) -> list[int]:
    """How many bytes have come from each connection, by slot."""
    return [client.bytes_in for client in clients_of(server.state.slots)]


def test_whoever_was_read_longest_ago_is_first() -> None:
    with socket.socket() as sock:
        sockets = [ConnectionSocket(Conn(slot, slot), sock) for slot in range(3)]
    turns = BodyTurns(1_000)
    for connection in sockets:
        turns.add(connection)
    first, second, third = sockets
    turns.add(second)
    assert turns.in_order(sockets) == [first, third, second]
    turns.discard(first)
    turns.discard(first)
    assert list(turns.turns) == [second, third]


def test_a_share_is_a_sixteenth_at_least() -> None:
    limits = Limits(max_body_read_len_per_tick=16_000)
    assert [share_len(limits, count) for count in (1, 4, 16, 64)] == [16_000, 4_000, 1_000, 1_000]
    assert share_len(Limits(max_body_read_len_per_tick=1), 2) == 1


def test_what_a_body_lacks_is_read_at_once() -> None:
    limits = Limits(max_read_len=1_000)
    with ticking(length_of_body, limits) as server, ExitStack() as stack:
        (client,) = begun(server, stack, 1, limits)
        client.send(bytes(len(HEAD) + ROOM - 1_000))
        server.tick()
        assert read_of(server) == [len(HEAD) + ROOM]
        client.poll()
        assert client.answers("POST")[0].text == str(ROOM)


def test_what_comes_behind_a_body_is_no_part_of_it() -> None:
    limits = Limits(max_read_len=1_000)
    with ticking(length_of_body, limits) as server, ExitStack() as stack:
        (client,) = begun(server, stack, 1, limits)
        client.send(bytes(len(HEAD) + ROOM - 1_000) + GET)
        server.tick()
        assert read_of(server) == [len(HEAD) + ROOM]
        settle(server)
        client.poll()
        assert [answer.text for answer in client.answers("POST", "GET")] == [str(ROOM), "0"]


def test_those_who_send_bodies_take_turns_and_nobody_else_waits() -> None:
    limits = Limits(max_read_len=1_000, max_body_read_len_per_tick=16_000)
    with ticking(length_of_body, limits) as server, ExitStack() as stack:
        begun_clients = begun(server, stack, 40, limits)
        honest = stack.enter_context(Raw(server))
        settle(server)
        for client in begun_clients:
            client.send(bytes(ROOM // 2))
        for turn in range(1, 6):
            honest.send(GET)
            server.tick()
            honest.poll()
            assert len(honest.answers(*["GET"] * turn)) == turn
            *bodies, _ = read_of(server)
            # a sixteenth for each of sixteen, and everybody once before anybody twice
            assert sum(bodies) == 40_000 + turn * 16_000
            assert max(bodies) - min(bodies) <= 1_000


def test_a_chunk_is_read_like_a_body() -> None:
    limits = Limits(max_read_len=1_000)
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % ROOM
    with ticking(length_of_body, limits) as server, Raw(server) as client:
        settle(server)
        client.send(head + bytes(1_000 - len(head)))
        settle(server)
        client.send(bytes(len(head) + ROOM - 1_000) + b"\r\n0\r\n\r\n")
        server.tick()
        assert read_of(server) == [len(head) + ROOM]
        settle(server)
        client.poll()
        assert client.answers("POST")[0].text == str(ROOM)


def test_the_payload_of_a_frame_is_read_like_a_body() -> None:
    limits, message = Limits(max_read_len=1_000), frame(2, bytes(ROOM))

    def echo(server: HttpServer, conn: Conn, data: str | bytes) -> None:
        server.send(conn, data)

    with ticking(upgrade, limits, Callbacks(ws_message=echo)) as server:
        (client,) = websocket_clients(server, 1)
        (before,) = read_of(server)
        client.send(message[:1_000])
        settle(server)
        client.send(message[1_000:])
        server.tick()
        assert read_of(server) == [before + len(message)]
        pump(server, lambda: client.messages == [bytes(ROOM)], client)
        close_clients(server, client)


def test_bodies_of_a_mebibyte_come_whole_from_many_at_once() -> None:
    body = bytes(range(256)) * (MIB // 256)
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % MIB

    def is_equal(request: Request) -> Response:
        return Response.text(str(request.body == body))

    with ticking(is_equal) as server, ExitStack() as stack:
        clients = [stack.enter_context(Raw(server, head + body)) for _ in range(20)]
        pump(server, lambda: all(client.received for client in clients), *clients)
        assert {client.answers("POST")[0].text for client in clients} == {"True"}


UNDER_A_LIMIT = """
import resource
from sigil.shell.loop.body_turns import keep_blocks
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**20, resource.RLIM_INFINITY))
try:
    bytes(2**25)
except MemoryError:
    keep_blocks(2**25)
    print("kept going")
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="memory is read in /proc")
def test_where_there_is_no_memory_for_a_block_nothing_is_raised() -> None:
    command = [sys.executable, "-c", UNDER_A_LIMIT]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout, done.stderr) == ("kept going\n", "")
