"""One server to be measured, in a process of its own: `bench_server.py NAME LIFE_S [PROFILE]`.

It prints its port on a line and serves until SIGTERM, or until the alarm after LIFE_S seconds, so
that no server can outlive a harness that was killed. Every server answers 200, thirteen bytes of
text and its own ordinary headers. Only the module of the server asked for is imported. With
PROFILE, a file name, it runs under cProfile and leaves the statistics there: for finding where time
goes, never for measuring (the profiler charges calls, not work).
"""

from __future__ import annotations

import cProfile
import select
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import Any

HOST = "127.0.0.1"
BACKLOG = 128
RECEIVE_SZ = 1 << 16
DEPTH_MAX = 64
RESPONSE = (
    b"HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\nContent-Length: 13\r\n\r\nhello, world\n"
)


def announce(port: int) -> None:
    print(port, flush=True)


def listener() -> socket.socket:
    sock = socket.socket()
    sock.bind((HOST, 0))
    sock.listen(BACKLOG)
    return sock


def serve_floor() -> None:
    """The Python floor: epoll, recv, count the blank lines, one send. Written for speed: locals, no
    classes.
    """
    listening = listener()
    listening_fd = listening.fileno()
    announce(listening.getsockname()[1])
    responses = [RESPONSE * cnt for cnt in range(DEPTH_MAX + 1)]
    epoll = select.epoll()
    epoll.register(listening_fd, select.EPOLLIN)
    socks: dict[int, socket.socket] = {}
    poll = epoll.poll
    while True:
        for fd, _ in poll():
            if fd == listening_fd:
                sock, _ = listening.accept()
                sock.setblocking(False)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                socks[sock.fileno()] = sock
                epoll.register(sock.fileno(), select.EPOLLIN)
                continue
            sock = socks[fd]
            data = sock.recv(RECEIVE_SZ)
            if data:
                sock.send(responses[data.count(b"\r\n\r\n")])
            else:
                epoll.unregister(fd)
                socks.pop(fd).close()


async def asgi_app(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[Any]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"13")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"hello, world\n"})


def serve_uvicorn() -> None:
    """uvicorn as its users start it for speed: httptools, uvloop, no access log."""
    import uvicorn

    config = uvicorn.Config(
        asgi_app,
        http="httptools",
        loop="uvloop",
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="warning",
    )
    sock = listener()
    announce(sock.getsockname()[1])
    uvicorn.Server(config).run(sockets=[sock])


def serve_sigil() -> None:
    from sigil import Request, Response, make_http_server

    def app(request: Request) -> Response:
        return Response.text("hello, world\n")

    server = make_http_server(app, host=HOST, port=0)
    server.listen()
    announce(server.port)
    server.start()


SERVERS: dict[str, Callable[[], None]] = {
    "floor": serve_floor,
    "uvicorn": serve_uvicorn,
    "sigil": serve_sigil,
}


def end(*_: object) -> None:
    raise SystemExit


def main(arguments: list[str]) -> None:
    name, life_s, *profile = arguments
    signal.alarm(int(life_s))
    signal.signal(signal.SIGTERM, end)
    if not profile:
        SERVERS[name]()
        return
    profiler = cProfile.Profile()
    try:
        profiler.runcall(SERVERS[name])
    except SystemExit:
        pass
    finally:
        profiler.dump_stats(profile[0])


if __name__ == "__main__":
    main(sys.argv[1:])
