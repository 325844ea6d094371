"""One WebSocket server to be measured, in a process of its own.

    websocket_server.py NAME LIFE_S CONNECTIONS DEPTH PAYLOAD_SZ [PROFILE]

Theory: NAME alone echoes every message. NAME-ticks lets CONNECTIONS clients in; then every byte of
standard input is a tick, and on each it broadcasts DEPTH numbered texts of PAYLOAD_SZ bytes to all.
NAME-squeezed does the same with JSON of about that length, compressed for who has offered that.

Rules: it prints its port on a line and serves until SIGTERM, or until the alarm after LIFE_S
seconds, so that no server can outlive a harness that was killed. Only the module of the server
asked for is imported. With PROFILE, a file name, it runs under cProfile and leaves the statistics
there: for finding where time goes, never for measuring. It does not know who reads, or what is done
with the figures.
"""

from __future__ import annotations

import asyncio
import cProfile
import json
import os
import select
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, NamedTuple

HOST = "127.0.0.1"
BACKLOG = 1024
RECEIVE_SZ = 1 << 16
CONTROL = 0
DIGITS = 10
BODIES = 64
MASKED_EXTRA_SZ = 4
GREETING = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)


class Task(NamedTuple):
    conn_cnt: int
    depth: int
    payload_sz: int


def announce(port: int) -> None:
    print(port, flush=True)


def listener() -> socket.socket:
    sock = socket.socket()
    sock.bind((HOST, 0))
    sock.listen(BACKLOG)
    return sock


def texts(task: Task) -> Iterator[str]:
    """The messages of all ticks, numbered."""
    filling = "x" * (task.payload_sz - DIGITS)
    for number in count():
        yield f"{number:0{DIGITS}d}{filling}"


def documents(task: Task) -> Iterator[str]:
    """The messages of all ticks as JSON, numbered, of one length; all but the numbers is made
    beforehand.
    """
    bodies = [
        json.dumps([row_of(at * 7919 + row * 104729, row) for row in range(task.payload_sz // 64)])
        for at in range(BODIES)
    ]
    for number in count():
        yield f'{{"number": "{number:0{DIGITS}d}", "rows": {bodies[number % BODIES]}}}'


def row_of(figure: int, row: int) -> dict[str, object]:
    return {
        "symbol": f"SYM{row:04d}",
        "price": figure % 90000 + 10000,
        "change": figure % 900 + 100,
        "open": True,
    }


# -- the Python floor ------------------------------------------------------------------------------


def serve_floor(task: Task) -> None:
    """epoll, recv, count the frames by length, one send. Written for speed: locals, no classes."""
    head_sz = 2 if task.payload_sz < 126 else 4
    head = (
        bytes((0x81, task.payload_sz))
        if head_sz == 2
        else b"\x81\x7e" + task.payload_sz.to_bytes(2, "big")
    )
    request_sz = head_sz + MASKED_EXTRA_SZ + task.payload_sz
    answers = [(head + b"x" * task.payload_sz) * cnt for cnt in range(RECEIVE_SZ // request_sz + 2)]
    listening = listener()
    listening_fd = listening.fileno()
    announce(listening.getsockname()[1])
    epoll = select.epoll()
    epoll.register(listening_fd, select.EPOLLIN)
    socks: dict[int, socket.socket] = {}
    part_sz: dict[int, int] = {}
    poll = epoll.poll
    while True:
        for fd, _ in poll():
            if fd == listening_fd:
                sock, _ = listening.accept()
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.recv(RECEIVE_SZ)
                sock.sendall(GREETING)
                sock.setblocking(False)
                socks[sock.fileno()] = sock
                part_sz[sock.fileno()] = 0
                epoll.register(sock.fileno(), select.EPOLLIN)
                continue
            sock = socks[fd]
            data = sock.recv(RECEIVE_SZ)
            if data:
                cnt, part_sz[fd] = divmod(part_sz[fd] + len(data), request_sz)
                if cnt:
                    sock.send(answers[cnt])
            else:
                epoll.unregister(fd)
                socks.pop(fd).close()


def serve_floor_ticks(task: Task) -> None:
    """At each tick the frames of its messages are joined, and sent in one send per client."""
    listening = listener()
    announce(listening.getsockname()[1])
    socks: list[socket.socket] = []
    for _ in range(task.conn_cnt):
        sock, _ = listening.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.recv(RECEIVE_SZ)
        sock.sendall(GREETING)
        sock.setblocking(False)
        socks.append(sock)
    head, messages = b"\x81\x7e" + task.payload_sz.to_bytes(2, "big"), texts(task)
    while os.read(CONTROL, 1):
        joined = b"".join([head + next(messages).encode() for _ in range(task.depth)])
        for sock in socks:
            sock.send(joined)


# -- websockets ------------------------------------------------------------------------------------


async def until_told_to_end() -> None:
    """Returns at SIGTERM: an exception raised by the signal could land where asyncio
    swallows it.
    """
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    await told.wait()


def serve_websockets(task: Task) -> None:
    from websockets.asyncio.server import ServerConnection, serve

    async def echo(websocket: ServerConnection) -> None:
        async for message in websocket:
            await websocket.send(message)

    async def run() -> None:
        sock = listener()
        async with serve(echo, sock=sock, compression=None):
            announce(sock.getsockname()[1])
            await until_told_to_end()

    asyncio.run(run())


def serve_websockets_ticks(task: Task) -> None:
    tick_websockets(task, texts(task), None)


def serve_websockets_squeezed(task: Task) -> None:
    tick_websockets(task, documents(task), "deflate")


def tick_websockets(task: Task, messages: Iterator[str], compression: str | None) -> None:
    from websockets.asyncio.server import ServerConnection, broadcast, serve

    connections: set[ServerConnection] = set()

    async def join(websocket: ServerConnection) -> None:
        connections.add(websocket)
        await websocket.wait_closed()
        connections.discard(websocket)

    def tick() -> None:
        os.read(CONTROL, 1)
        for _ in range(task.depth):
            broadcast(connections, next(messages))

    async def run() -> None:
        sock = listener()
        async with serve(join, sock=sock, compression=compression):
            announce(sock.getsockname()[1])
            asyncio.get_running_loop().add_reader(CONTROL, tick)
            await until_told_to_end()

    asyncio.run(run())


# -- sigil -----------------------------------------------------------------------------------------


def make_sigil(**callbacks: Callable[..., object]) -> Any:
    """A server that listens and upgrades every request."""
    from sigil import Callbacks, Limits, Request, Response, make_http_server

    def app(request: Request) -> Response:
        return Response.upgrade()

    limits = Limits(max_connection_cnt=BACKLOG, max_ws_connection_cnt=BACKLOG)
    server = make_http_server(
        app, host=HOST, port=0, backlog=BACKLOG, limits=limits, callbacks=Callbacks(**callbacks)
    )
    server.listen()
    announce(server.port)
    return server


def serve_sigil(task: Task) -> None:
    make_sigil(ws_message=lambda server, conn, data: server.send(conn, data)).start()


def serve_sigil_ticks(task: Task) -> None:
    tick_sigil(task, texts(task))


def serve_sigil_squeezed(task: Task) -> None:
    tick_sigil(task, documents(task))


def tick_sigil(task: Task, messages: Iterator[str]) -> None:
    """A program with a loop of its own: it waits for its orders and for the server's descriptor,
    and ticks.
    """
    server = make_sigil()
    poll = select.poll()
    poll.register(CONTROL, select.POLLIN)
    poll.register(server.fileno(), select.POLLIN)
    while True:
        if any(fd == CONTROL for fd, _ in poll.poll()):
            if not os.read(CONTROL, 1):
                return
            for _ in range(task.depth):
                server.broadcast(next(messages))
        server.tick(0.0)


# -- the command -----------------------------------------------------------------------------------

SERVERS: dict[str, Callable[[Task], None]] = {
    "py-floor": serve_floor,
    "py-joined-ticks": serve_floor_ticks,
    "websockets": serve_websockets,
    "websockets-ticks": serve_websockets_ticks,
    "websockets-squeezed": serve_websockets_squeezed,
    "sigil": serve_sigil,
    "sigil-ticks": serve_sigil_ticks,
    "sigil-squeezed": serve_sigil_squeezed,
}


def end(*_: object) -> None:
    raise SystemExit


def main(arguments: list[str]) -> None:
    name, life_s, *numbers = arguments[:5]
    task = Task(*map(int, numbers))
    signal.alarm(int(life_s))
    signal.signal(signal.SIGTERM, end)
    if not arguments[5:]:
        SERVERS[name](task)
        return
    profiler = cProfile.Profile()
    try:
        profiler.runcall(SERVERS[name], task)
    except SystemExit:
        pass
    finally:
        profiler.dump_stats(arguments[5])


if __name__ == "__main__":
    main(sys.argv[1:])
