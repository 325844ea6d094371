"""What an edge costs: the CPU time of a message at an edge with clients, beside a server that
publishes it itself.

    python -m tests.bench.relay_cost [--rounds N] [--clients N]

What is measured. In one process, over loopback: an origin with so many WebSockets; another origin
with one edge; and that edge with as many WebSockets. In turns, messages of 128 bytes are broadcast
in one tick, and the CPU time is taken of the ticks that bring them to all clients, divided by the
messages. Each figure is the lowest tenth over rounds, since noise only adds.

What it doesn't know. What TLS costs, nor the network.
"""

from __future__ import annotations

import argparse
import select
import socket
import time
from contextlib import ExitStack

from sigil import ALL_TOPICS, HttpServer, Request, Response, make_http_server
from sigil.core.build import core_build
from sigil.relay import relay
from tests.support.requests import UPGRADE

HOST, TEXT = "127.0.0.1", "x" * 128
RECEIVE_SZ = 262_144


def app(request: Request) -> Response:
    return Response.upgrade(topics=ALL_TOPICS)


def ticked(server: HttpServer) -> float:
    """CPU time of one tick."""
    begun_at = time.thread_time()
    server.tick(0.0)
    return time.thread_time() - begun_at


def connected(server: HttpServer, count: int, opened: ExitStack) -> list[socket.socket]:
    """So many WebSockets."""
    socks = [
        opened.enter_context(socket.create_connection((HOST, server.port))) for _ in range(count)
    ]
    for sock in socks:
        sock.sendall(UPGRADE)
        while b"\r\n\r\n" not in _received(sock):
            server.tick(0.0)
    return socks


def _received(sock: socket.socket) -> bytes:
    """What has come; nothing if nothing has."""
    return sock.recv(RECEIVE_SZ) if select.select([sock], (), (), 0)[0] else b""


def delivered(servers: list[HttpServer], socks: list[socket.socket], wanted: int) -> list[float]:
    """CPU time of each server until each of these has so many bytes more."""
    seconds, left = [0.0] * len(servers), dict.fromkeys(socks, wanted)
    while left:
        for place, server in enumerate(servers):
            if select.select([server], (), (), 0)[0]:
                seconds[place] += ticked(server)
        for sock in select.select(list(left), (), (), 0)[0]:
            left[sock] -= len(sock.recv(RECEIVE_SZ))
            if left[sock] <= 0:
                del left[sock]
    return seconds


def costs_us(client_cnt: int, per_tick: int, rounds: int) -> tuple[float, float, float]:
    """CPU microseconds per message: of a server with the clients, of an edge with them, and of the
    origin of that edge.
    """
    alone, origin, edge = (make_http_server(app, host=HOST, port=0) for _ in range(3))
    frame_len = len(TEXT) + 4
    spent: list[tuple[float, float, float]] = []
    with ExitStack() as opened:
        for server in (alone, origin, edge):
            server.listen()
        follower = relay(edge, f"ws://{HOST}:{origin.port}/live")
        while not follower.status.has_stream:
            origin.tick(0.0)
            edge.tick(0.0)
        at_alone = connected(alone, client_cnt, opened)
        at_edge = connected(edge, client_cnt, opened)
        for _ in range(rounds):
            for server in (alone, origin):
                for _ in range(per_tick):
                    server.broadcast(TEXT)
            (by_alone,) = delivered([alone], at_alone, per_tick * frame_len)
            by_origin, by_edge = delivered([origin, edge], at_edge, per_tick * frame_len)
            spent.append((by_alone, by_edge, by_origin))
        follower.close()
    for server in (alone, origin, edge):
        server.stop(0.0)
        while server.running:
            server.tick(0.0)
    columns = list(zip(*spent, strict=True))
    lowest = [sorted(column)[rounds // 10] * 1e6 / per_tick for column in columns]
    return lowest[0], lowest[1], lowest[2]


def main() -> None:
    parser = argparse.ArgumentParser(description="What an edge costs.")
    parser.add_argument("--rounds", type=int, default=500)
    parser.add_argument("--clients", type=int, default=100)
    arguments = parser.parse_args()
    print(f"CPU microseconds per message, {arguments.clients} clients, {core_build()} core")
    print("| messages in a tick | a server alone | an edge | more | its origin |")
    print("| ---: | ---: | ---: | ---: | ---: |")
    for per_tick in (1, 16):
        alone, edge, origin = costs_us(arguments.clients, per_tick, arguments.rounds)
        print(f"| {per_tick} | {alone:.1f} | {edge:.1f} | {edge - alone:+.1f} | {origin:.1f} |")


if __name__ == "__main__":
    main()
