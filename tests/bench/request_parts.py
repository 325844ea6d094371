"""Where the time of a GET goes: the kernel, the handler, the core, and the shell around them.

    python -m tests.bench.request_parts [--rounds N]

What is measured. Server and clients are in one process, over loopback: the clients send, and then
the CPU time of one tick is taken, divided by the requests that it answered. `kernel` is one
`epoll_wait` for all, and one `recv` and one `send` for each connection, by a loop that does nothing
else; `handler` is a program's function that returns a text; `core` is what the tick spends in
`advance`. The rest is `shell`: looking up who is ready, performing effects, calling the handler.
Each figure is the lowest tenth over rounds, since noise only adds.

What it doesn't know. Which of the two cores it has is said in its first line, and no more; what
other requests cost, or other servers: `python -m tests.bench` does.
"""

from __future__ import annotations

import argparse
import select
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

from sigil import Request, Response, make_http_server
from sigil.core.build import core_build
from sigil.core.server.fold import advance

HOST = "127.0.0.1"
GET = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench/1.0\r\nAccept: */*\r\n\r\n"
RECEIVE_SZ = 65_536
ROWS = ((1, 1), (64, 1), (16, 16))
"""(connections, requests pipelined on each)"""


class Parts(NamedTuple):
    """CPU microseconds per request."""

    kernel: float
    handler: float
    core: float
    total: float


def app(request: Request) -> Response:
    return Response.text("hello, world\n")


def lowest_us(seconds: Sequence[float], count: int) -> float:
    """The lowest tenth, in microseconds for each of `count`."""
    return sorted(seconds)[len(seconds) // 10] * 1e6 / count


def timed(call: Callable[..., Any], spent: list[float]) -> Callable[..., Any]:
    """The same function, which adds the time of each call to the last item of `spent`."""

    def call_timed(*arguments: Any) -> Any:
        begun_at = time.thread_time()
        result = call(*arguments)
        spent[-1] += time.thread_time() - begun_at
        return result

    return call_timed


class Clients:
    """Sockets of clients, each of which sends `depth` requests and waits for all responses."""

    def __init__(self, opened: ExitStack, port: int, conn_cnt: int, depth: int) -> None:
        self.socks = [socket.create_connection((HOST, port)) for _ in range(conn_cnt)]
        for sock in self.socks:
            opened.enter_context(sock).setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.requests = GET * depth

    def times(self, turn: Callable[[], object], response_sz: int, rounds: int) -> list[float]:
        """The times of the first turn in each round; a round takes as many as it needs."""
        seconds = []
        for _ in range(rounds):
            for sock in self.socks:
                sock.sendall(self.requests)
            begun_at = time.thread_time()
            turn()
            seconds.append(time.thread_time() - begun_at)
            for sock in self.socks:
                self.receive(sock, turn, response_sz)
        return seconds

    def receive(self, sock: socket.socket, turn: Callable[[], object], response_sz: int) -> None:
        """Receive all responses; whoever was not ready in the first turn is answered in another."""
        left, sock_timeout = response_sz, sock.gettimeout()
        sock.setblocking(False)
        while left:
            try:
                left -= len(sock.recv(RECEIVE_SZ))
            except BlockingIOError:
                turn()
        sock.settimeout(sock_timeout)


def kernel_us(conn_cnt: int, depth: int, response: bytes, rounds: int) -> float:
    """What the system calls take by themselves, for each request."""
    with ExitStack() as opened:
        listener = opened.enter_context(socket.create_server((HOST, 0), backlog=conn_cnt))
        clients = Clients(opened, listener.getsockname()[1], conn_cnt, depth)
        epoll = opened.enter_context(select.epoll())
        accepted = {}
        for _ in range(conn_cnt):
            sock = opened.enter_context(listener.accept()[0])
            sock.setblocking(False)
            epoll.register(sock.fileno(), select.EPOLLIN)
            accepted[sock.fileno()] = sock
        responses = response * depth

        def turn() -> None:
            for descriptor, _ in epoll.poll(1.0):
                sock = accepted[descriptor]
                sock.recv(RECEIVE_SZ)
                sock.send(responses)

        return lowest_us(clients.times(turn, len(responses), rounds), conn_cnt * depth)


def handler_us(conn_cnt: int, depth: int, rounds: int) -> float:
    """What calls of the handler take in a loop, for each."""
    request: Any = None
    seconds = []
    for _ in range(rounds):
        begun_at = time.thread_time()
        for _ in range(64):
            app(request)
        seconds.append(time.thread_time() - begun_at)
    return lowest_us(seconds, 64)


def parts_of(conn_cnt: int, depth: int, rounds: int) -> Parts:
    """Where the time goes for so many connections, with so many requests on each."""
    server = make_http_server(app, host=HOST, port=0)
    server.listen()
    with ExitStack() as opened:
        clients = Clients(opened, server.port, conn_cnt, depth)
        while len(server.clients()) < conn_cnt:
            server.tick(1.0)
        clients.socks[0].sendall(GET)
        server.tick(1.0)
        response = clients.socks[0].recv(RECEIVE_SZ)
        response_sz = len(response) * depth
        total = lowest_us(
            clients.times(lambda: server.tick(1.0), response_sz, rounds), conn_cnt * depth
        )
        spent: list[float] = []
        server._engine._advance = timed(advance, spent)

        def turn() -> None:
            spent.append(0.0)
            server.tick(1.0)

        clients.times(turn, response_sz, rounds)
    server.stop(0.0)
    while server.running:
        server.tick()
    first_turns = [seconds for seconds in spent if seconds]
    return Parts(
        kernel_us(conn_cnt, depth, response, rounds),
        handler_us(conn_cnt, depth, rounds),
        lowest_us(first_turns, conn_cnt * depth),
        total,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Where the CPU time of a GET goes.")
    parser.add_argument("--rounds", type=int, default=1_000)
    rounds = parser.parse_args().rounds
    print(f"CPU microseconds per request, {core_build()} core")
    print("| connections | pipelined | kernel | handler | core | shell | all |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for conn_cnt, depth in ROWS:
        parts = parts_of(conn_cnt, depth, max(10, rounds // (conn_cnt * depth)))
        shell = parts.total - parts.kernel - parts.handler - parts.core
        figures = (parts.kernel, parts.handler, parts.core, shell, parts.total)
        cells = " | ".join(f"{figure:.2f}" for figure in figures)
        print(f"| {conn_cnt} | {depth} | {cells} |")


if __name__ == "__main__":
    main()
