"""The table of limits, its part about the shell: turns of the loop, other threads, and the kernel.

Theory: these bounds are about real descriptors, so the probes here are clients on the loopback and
a server that is told when to tick. What was sent over the loopback is there at once: one tick is
one look.

Rules: nothing is timed.  It does not know the core's bounds.
"""

import fcntl
import os
import socket
import struct
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from sigil import HttpServer, Limits, Response
from sigil.core.conn import Peer
from sigil.core.events import Accepted, InputRead, TickStarted
from sigil.core.server import advance, make_server, stats
from sigil.shell.loop.tls_socket import TlsSocket
from tests.limits.row import Row
from tests.support.certificates import client_context, server_context
from tests.support.core_driver import looked_until
from tests.support.requests import GET
from tests.support.servers import MIB, Raw, hello, settle, ticking
from tests.support.websocket_client import upgrade, websocket_clients

LOCAL = "localhost"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9000\r\n\r\n"


def accept(limits: Limits, count: int) -> str:
    """So many newcomers: who is in after one tick, and after two."""
    with ExitStack() as stack:
        server = stack.enter_context(ticking(hello, limits))
        for _ in range(count):
            stack.enter_context(Raw(server))
        return two_ticks(server, lambda: len(server.clients()))


def read_many(limits: Limits, count: int) -> str:
    """So many clients ask at once: who is heard in one tick, and in two."""
    with ExitStack() as stack:
        server = stack.enter_context(ticking(hello, limits))
        clients = [stack.enter_context(Raw(server)) for _ in range(count)]
        settle(server)
        for client in clients:
            client.send(GET)
        return two_ticks(server, lambda: server.stats().requests)


def probe(limits: Limits, keepalive: tuple[int, int, int] | None) -> str:
    """What a connection has of the options of TCP keep-alive."""
    with ticking(hello, limits._replace(tcp_keepalive=keepalive)) as server, Raw(server) as client:
        settle(server, client)
        (conn,) = server.clients()
        descriptor = server.get_socket_fd(conn)
        assert descriptor is not None
        with socket.socket(fileno=os.dup(descriptor)) as sock:
            if not sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE):
                return "none"
            options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
            return str([sock.getsockopt(socket.IPPROTO_TCP, option) for option in options])


def read_much(limits: Limits, length: int) -> str:
    """So many bytes from one client: how many are read in one tick, and in two."""
    with ticking(hello, limits) as server, Raw(server) as client:
        settle(server)
        client.send(POST + bytes(length - len(POST)))
        return two_ticks(server, lambda: server.stats().bytes_in)


def begin_handshakes(limits: Limits, count: int) -> str:
    """So many clients begin with a TLS handshake: how many are answered in one tick, and in two."""
    with ExitStack() as stack:
        server = stack.enter_context(ticking(hello, limits, ssl_context=server_context()))
        clients = [stack.enter_context(Raw(server)) for _ in range(count)]
        settle(server)
        for client in clients:
            tls = TlsSocket(client.sock, client_context(), server_side=False, server_hostname=LOCAL)
            tls.handshake()

        def answered_count() -> int:
            for client in clients:
                client.poll()
            return sum(bool(client.received) for client in clients)

        return two_ticks(server, answered_count)


class _CountingSocket:
    """A socket that takes everything, and counts in how many calls."""

    family = socket.AF_UNIX

    def __init__(self) -> None:
        self.count = 0

    def send(self, data: bytes) -> int:
        self.count += 1
        return len(data)


def encrypt(limits: Limits, length: int) -> str:
    """So many bytes over TLS: in how many calls the kernel gets them."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.setblocking(False)
        client = TlsSocket(ours, client_context(), server_side=False, server_hostname=LOCAL)
        server = TlsSocket(
            theirs, server_context(), server_side=True, max_held_len=limits.max_tls_held_len
        )
        while not (client.handshake() and server.handshake()):
            server.handshake()
        counting = server.sock = _CountingSocket()  # type: ignore[assignment]
        assert server.send(bytes(length)) == length
        return f"in {counting.count}"


def read_body(limits: Limits, length: int) -> str:
    """So many bytes of a body that has begun: how many are read in one tick, and in two."""
    with ticking(hello, limits) as server, Raw(server) as client:
        settle(server)
        client.send(POST + bytes(limits.max_read_len - len(POST)))
        settle(server)
        client.send(bytes(length))
        begun = server.stats().bytes_in
        return two_ticks(server, lambda: server.stats().bytes_in - begun)


def two_ticks(server: HttpServer, figure: Callable[[], int]) -> str:
    """A figure after one tick and after another."""
    server.tick(0)
    first = figure()
    server.tick(0)
    return f"{first}, then {figure()}"


def go_round(limits: Limits, count: int) -> str:
    """A stream that takes so many rounds: to be asked for, to begin, to end, and one for each
    piece.
    """

    def pieces() -> Iterator[bytes]:
        for _ in range(count - 3):
            yield b"piece"

    def is_whole() -> int:
        client.poll()
        return int(client.answers()[0].is_whole)

    with (
        ticking(lambda request: Response.stream(pieces()), limits) as server,
        Raw(server) as client,
    ):
        settle(server)
        client.send(GET)
        return two_ticks(server, is_whole)


def overdue_together(limits: Limits, count: int) -> str:
    """So many connections are idle for too long at once: how many are left after one tick, and
    after two.
    """
    state = make_server(limits, 0.0, 0)
    state, _ = advance(state, [Accepted(number, Peer("h", number)) for number in range(count)])
    state, _ = looked_until(state, limits.idle_timeout)
    left = []
    for _ in range(2):
        state, _ = advance(state, [TickStarted(limits.idle_timeout, 0), InputRead()])
        left.append(stats(state).clients)
    return f"{left[0]}, then {left[1]}"


def leave_word(limits: Limits, length: int) -> str:
    """Another thread says so many bytes in two messages, 200 of each for its being one, and one
    more after a tick.
    """
    with ticking(upgrade, limits) as server:
        (client,) = websocket_clients(server, 1)
        (conn,) = server.clients()
        statuses: list[str] = []

        def say(*lengths: int) -> None:
            thread = threading.Thread(
                target=lambda: statuses.extend(
                    server.send(conn, bytes(each)).name for each in lengths
                )
            )
            thread.start()
            thread.join()

        say(60, length - 460)
        settle(server, client)
        say(1)
        settle(server, client)
        heard = [len(message) for message in client.messages]
        client.close()
        return f"{', '.join(statuses)}: {heard}"


def hold(limits: Limits, length: int) -> str:
    """Whether the kernel holds so many bytes of a response that the client's own does not take."""
    return _hold(limits, length, Response.bytes(bytes(8 * MIB)))


def hold_stream(limits: Limits, length: int) -> str:
    """The same of a streamed response."""
    return _hold(limits, length, Response.stream((bytes(8 * MIB),)))


def _hold(limits: Limits, length: int, response: Response) -> str:
    """Whether the kernel holds so many bytes that the client's own does not take."""
    if sys.platform != "linux":
        pytest.skip("what the kernel holds is exact on Linux only")

    with ticking(lambda request: response, limits) as server, Raw(server, GET, 4_096) as client:
        client.reads = False
        settle(server)
        (arrived,) = struct.unpack("i", fcntl.ioctl(client.sock, termios.FIONREAD, bytes(4)))
        return "held" if server.stats().bytes_out - arrived >= length else "not held"


ROWS = (
    Row(
        "max_accepts_per_tick",
        Limits(max_accepts_per_tick=3),
        accept,
        3,
        4,
        "3, then 3",
        "3, then 4",
    ),
    Row(
        "max_reads_per_tick",
        Limits(max_reads_per_tick=3),
        read_many,
        3,
        4,
        "3, then 3",
        "3, then 4",
    ),
    Row(
        "max_read_len",
        Limits(max_read_len=2_000),
        read_much,
        2_000,
        2_001,
        "2000, then 2000",
        "2000, then 2001",
    ),
    Row(
        "max_read_len_per_tick",
        Limits(max_read_len_per_tick=2_000),
        read_much,
        2_000,
        2_001,
        "2000, then 2000",
        "2000, then 2001",
    ),
    Row(
        "max_body_read_len_per_tick",
        Limits(max_read_len=1_000, max_body_read_len_per_tick=2_000),
        read_body,
        2_000,
        2_001,
        "2000, then 2000",
        "2000, then 2001",
    ),
    Row(
        "max_tls_handshakes_per_tick",
        Limits(max_tls_handshakes_per_tick=3),
        begin_handshakes,
        3,
        4,
        "3, then 3",
        "3, then 4",
    ),
    Row(
        "max_tls_held_len",
        Limits(max_tls_held_len=20_000),
        encrypt,
        20_000,
        20_001,
        "in 1",
        "in 2",
    ),
    Row(
        "max_rounds_per_tick",
        Limits(max_rounds_per_tick=6),
        go_round,
        6,
        7,
        "1, then 1",
        "0, then 1",
    ),
    Row(
        "max_overdue_per_tick",
        Limits(max_overdue_per_tick=3),
        overdue_together,
        3,
        4,
        "0, then 0",
        "1, then 0",
    ),
    Row(
        "max_thread_queue_len",
        Limits(max_thread_queue_len=500),
        leave_word,
        500,
        501,
        "SUCCESS, SUCCESS, SUCCESS: [60, 40, 1]",
        "SUCCESS, DROPPED, SUCCESS: [60, 1]",
    ),
    Row(
        "tcp_notsent_lowat",
        Limits(tcp_notsent_lowat=65_536),
        hold_stream,
        65_536,
        65_537,
        "held",
        "not held",
    ),
    Row("tcp_keepalive", Limits(), probe, (60, 5, 3), None, "[60, 5, 3]", "none"),
    Row(
        "max_unsent_response_len",
        Limits(max_unsent_response_len=131_072),
        hold,
        131_072,
        131_073,
        "held",
        "not held",
    ),
)
