"""What routes cost: the CPU time of a GET that is routed, beside one that is not.

    python -m tests.bench.route_cost [--rounds N]

What is measured. Three servers in one process, over loopback: one with a handler, one with `Routes`
of three routes that lead to that handler, and one with a thousand more. In turns, each is sent one
request on each connection, and the CPU time of the ticks that answer them is taken, divided by the
requests. Each figure is the lowest tenth over rounds, since noise only adds. What is asked for is
the same path again and again, as clients that poll do, or another one each time.

What it doesn't know. What handlers do, and how many routes a program has.
"""

from __future__ import annotations

import argparse
import select
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack

from sigil import HttpServer, Request, Response, Routes, make_http_server
from sigil.core.build import core_build

HOST = "127.0.0.1"
RECEIVE_SZ = 65_536
CONN_CNTS = (1, 64)
MANY = 1_000
PATHS: dict[str, Callable[[int], str]] = {
    "`/`": lambda number: "/",
    "`/jobs/42`, for `/jobs/:id`": lambda number: "/jobs/42",
    "`/jobs/<n>`, each another": lambda number: f"/jobs/{number}",
}


def app(request: Request) -> Response:
    return Response.text("hello, world\n")


def routed(count: int) -> Routes:
    """So many routes and three, all of them to the same handler."""
    routes = Routes()
    for pattern in ("/", "/jobs/:id", "/jobs/:id<int>/log"):
        routes.add(pattern, app, "GET")
    for number in range(count):
        routes.add(f"/api/r{number}/:id", app, "GET")
    return routes


def get(path: str) -> bytes:
    """A request."""
    fields = f"Host: {HOST}\r\nUser-Agent: bench/1.0\r\nAccept: */*\r\n"
    return f"GET {path} HTTP/1.1\r\n{fields}\r\n".encode()


def connected(server: HttpServer, conn_cnt: int, opened: ExitStack) -> list[socket.socket]:
    """So many connections to a server, which has accepted them."""
    server.listen()
    socks = [
        opened.enter_context(socket.create_connection((HOST, server.port))) for _ in range(conn_cnt)
    ]
    while len(server.clients()) < conn_cnt:
        server.tick(1.0)
    return socks


def seconds_of(server: HttpServer, socks: list[socket.socket], requests: list[bytes]) -> float:
    """CPU time of the ticks in which each connection gets the response to its request."""
    for sock, request in zip(socks, requests, strict=True):
        sock.sendall(request)
    seconds, waiting = 0.0, set(socks)
    while waiting:
        begun_at = time.thread_time()
        server.tick(1.0)
        seconds += time.thread_time() - begun_at
        for sock in select.select(list(waiting), (), (), 0)[0]:
            sock.recv(RECEIVE_SZ)
            waiting.discard(sock)
    return seconds


def costs_us(conn_cnt: int, path: Callable[[int], str], rounds: int) -> list[float]:
    """CPU microseconds per request: of the handler, of few routes, of many."""
    servers = [
        make_http_server(handler, host=HOST, port=0) for handler in (app, routed(0), routed(MANY))
    ]
    spent: list[list[float]] = [[] for _ in servers]
    with ExitStack() as opened:
        connections = [connected(server, conn_cnt, opened) for server in servers]
        for number in range(rounds):
            requests = [get(path(number * conn_cnt + place)) for place in range(conn_cnt)]
            for server, socks, seconds in zip(servers, connections, spent, strict=True):
                seconds.append(seconds_of(server, socks, requests))
    for server in servers:
        server.stop(0.0)
        while server.running:
            server.tick()
    return [sorted(seconds)[rounds // 10] * 1e6 / conn_cnt for seconds in spent]


def main() -> None:
    parser = argparse.ArgumentParser(description="What routes cost.")
    parser.add_argument("--rounds", type=int, default=2_000)
    rounds = parser.parse_args().rounds
    print(f"CPU microseconds per request, {core_build()} core")
    print(f"| connections | asked for | a handler | 3 routes | {MANY + 3} routes | more |")
    print("| ---: | --- | ---: | ---: | ---: | ---: |")
    for conn_cnt in CONN_CNTS:
        for words, path in PATHS.items():
            plain, few, many = costs_us(conn_cnt, path, max(10, rounds // conn_cnt * 4))
            cells = f"{plain:.2f} | {few:.2f} | {many:.2f} | {few / plain - 1:.0%}"
            print(f"| {conn_cnt} | {words} | {cells} |")


if __name__ == "__main__":
    main()
