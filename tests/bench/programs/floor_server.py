"""The Python floor: what the interpreter and its socket calls charge any server that has one recv
and one send for each read.

It understands nothing: it counts requests or messages by their length and answers prebuilt bytes.
The distance from it is the price of everything a server does for its users. Written for speed:
locals, no classes.
"""

from __future__ import annotations

import os
import select
import socket
import zlib
from collections.abc import Iterator

from orders import BACKLOG, CONTROL, Order, announce, listener, messages_of

RECEIVE_SZ = 1 << 16
GREATEST_SZ = 1 << 18
COPIES = 64
MASK_SZ = PING_SZ = 4
UPGRADED = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
)
DEFLATE = b"Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n"


def serve(order: Order) -> None:
    """Serve what is ordered."""
    if order.service in ("ticks", "deflate"):
        serve_ticks(order)
    elif order.service == "echo":
        serve_constant(message_sz(order), echo_of(order), UPGRADED + b"\r\n", False)
    else:
        response = order.head.encode() + body_of(order.body)
        serve_constant(order.request_sz, response, b"", order.is_closing)


def message_sz(order: Order) -> int:
    """The bytes of a masked text in its fragments, with its ping if it has one."""
    part = -(-order.payload_sz // order.fragment_cnt)
    last = order.payload_sz - part * (order.fragment_cnt - 1)
    heads = len(head_of(part)) * (order.fragment_cnt - 1) + len(head_of(last))
    ping_sz = 2 + MASK_SZ + PING_SZ if order.has_pings else 0
    return heads + MASK_SZ * order.fragment_cnt + order.payload_sz + ping_sz


def echo_of(order: Order) -> bytes:
    """What is answered to a text."""
    pong = b"\x8a\x04ping" if order.has_pings else b""
    return head_of(order.payload_sz) + b"x" * order.payload_sz + pong


def head_of(length: int, first: int = 0x81) -> bytes:
    """The head of a frame that is not masked (RFC 6455 section 5.2)."""
    if length < 126:
        return bytes((first, length))
    if length < 65536:
        return bytes((first, 126)) + length.to_bytes(2, "big")
    return bytes((first, 127)) + length.to_bytes(8, "big")


def body_of(words: str) -> bytes:
    """Bytes as the floors are told them: =N is N letters x."""
    return b"x" * int(words[1:]) if words.startswith("=") else words.encode()


def serve_constant(request_sz: int, response: bytes, greeting: bytes, is_closing: bool) -> None:
    """For every `request_sz` bytes one response, behind a greeting for the first read if any."""
    copies = max(1, min(COPIES, GREATEST_SZ // len(response)))
    responses = [response * cnt for cnt in range(copies + 1)]
    listening = listener()
    listening_fd = listening.fileno()
    announce(listening.getsockname()[1])
    epoll = select.epoll()
    epoll.register(listening_fd, select.EPOLLIN)
    socks: dict[int, socket.socket] = {}
    part_sz: dict[int, int] = {}
    unsent: dict[int, memoryview] = {}
    poll = epoll.poll
    while True:
        for fd, event in poll():
            if fd == listening_fd:
                sock, _ = listening.accept()
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                if greeting:
                    sock.recv(RECEIVE_SZ)
                    sock.sendall(greeting)
                sock.setblocking(False)
                socks[sock.fileno()] = sock
                part_sz[sock.fileno()] = 0
                epoll.register(sock.fileno(), select.EPOLLIN)
                continue
            sock = socks[fd]
            if event == select.EPOLLOUT:
                rest = unsent.pop(fd)
            else:
                data = sock.recv(RECEIVE_SZ)
                if not data:
                    epoll.unregister(fd)
                    socks.pop(fd).close()
                    continue
                cnt, part_sz[fd] = divmod(part_sz[fd] + len(data), request_sz)
                if not cnt:
                    continue
                owed = responses[cnt]
                sent = sock.send(owed)
                if sent < len(owed):
                    unsent[fd] = memoryview(owed)[sent:]
                    epoll.modify(fd, select.EPOLLOUT)
                elif is_closing:
                    epoll.unregister(fd)
                    socks.pop(fd).close()
                continue
            sent = sock.send(rest)
            if sent < len(rest):
                unsent[fd] = rest[sent:]
            else:
                epoll.modify(fd, select.EPOLLIN)


def serve_ticks(order: Order) -> None:
    """At each tick the frames of its messages are joined, and sent in one send per client."""
    listening = listener()
    listening.listen(BACKLOG)
    announce(listening.getsockname()[1])
    greeting = UPGRADED + (DEFLATE if order.service == "deflate" else b"") + b"\r\n"
    socks: list[socket.socket] = []
    for _ in range(order.conn_cnt):
        sock, _ = listening.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.recv(RECEIVE_SZ)
        sock.sendall(greeting)
        socks.append(sock)
    frames = frames_of(order)
    while os.read(CONTROL, 1):
        joined = b"".join([next(frames) for _ in range(order.depth)])
        for sock in socks:
            sock.sendall(joined)
    raise SystemExit


def frames_of(order: Order) -> Iterator[bytes]:
    """The frames of all messages; compressed ones have nothing of the one before (RFC 7692)."""
    for message in messages_of(order):
        data, first = message.encode(), 0x81
        if order.service == "deflate":
            compressor = zlib.compressobj(wbits=-15)
            data = (compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH))[:-4]
            first = 0xC1
        yield head_of(len(data), first) + data
