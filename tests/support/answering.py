"""Servers that answer in any way at all: bytes that no server should send, and ends at any time.

Theory: what a client has to bear no good server sends. So this one does whatever a function does
with each connection, in a thread, with plain blocking sockets, and TLS if it is given a context.

Rules: every wait is bounded; what the function raises because its client has left is nothing. It
does not know HTTP but the end of a head.
"""

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from tests.support.servers import HOST, PATIENCE

Answerer = Callable[[socket.socket], object]


def read_head(connection: socket.socket) -> bytes:
    """What has come when a head has, which is all that a request without a body is."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65_536)
        if not more:
            break
        data += more
    return data


def sends(*pieces: bytes) -> Answerer:
    """What reads a head, and sends these, and closes."""

    def answer(connection: socket.socket) -> None:
        read_head(connection)
        for piece in pieces:
            connection.sendall(piece)

    return answer


def resets(*pieces: bytes) -> Answerer:
    """What reads a head, sends these, and breaks off."""

    def answer(connection: socket.socket) -> None:
        sends(*pieces)(connection)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return answer


def never_ends(piece: bytes, *before: bytes) -> Answerer:
    """What reads a head, sends `before`, and then a piece for ever."""

    def answer(connection: socket.socket) -> None:
        sends(*before)(connection)
        while True:
            connection.sendall(piece)

    return answer


def stays(connection: socket.socket) -> None:
    """What answers nothing, until its client leaves."""
    while connection.recv(65_536):
        pass


@contextmanager
def answering(answer: Answerer, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """The port of a server that does this with each connection."""
    listener = socket.create_server((HOST, 0))
    open_now: set[socket.socket] = set()

    def serve(connection: socket.socket) -> None:
        open_now.add(connection)
        secured = connection
        with suppress(OSError, ValueError):
            if context is not None:
                secured = context.wrap_socket(connection, server_side=True)
                open_now.add(secured)
            answer(secured)
        for end in (secured, connection):
            with suppress(OSError):
                end.close()
            open_now.discard(end)

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connection.settimeout(PATIENCE)
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for connection in tuple(open_now):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        thread.join(PATIENCE)
