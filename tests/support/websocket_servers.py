"""Servers for the tests of our WebSocket client: one that is not ours, and one that does what its
script says, right or wrong.

Rules: everything is on loopback, in threads that end with the test. It does not know what a client
makes of it.
"""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from websockets.sync.server import ServerConnection, serve

from sigil.core.websocket.handshake import accept_key

HOST = "127.0.0.1"
PATIENCE = 60.0


def echo(connection: ServerConnection) -> None:
    """Send back what is received."""
    for message in connection:
        connection.send(message)


@contextmanager
def websockets_server(
    handler: Callable[[ServerConnection], None] = echo,
    ssl_context: ssl.SSLContext | None = None,
    **options: Any,
) -> Iterator[str]:
    """The server of the library `websockets`; yields its URL."""
    with serve(handler, HOST, 0, ssl=ssl_context, max_size=None, **options) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        name = f"ws://{HOST}" if ssl_context is None else "wss://localhost"
        yield f"{name}:{server.socket.getsockname()[1]}/"
        server.shutdown()
        thread.join(PATIENCE)


class Line:
    """One connection of a scripted server."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.head = b""

    def read_head(self) -> bytes:
        """The head of the request."""
        while b"\r\n\r\n" not in self.head:
            data = self.sock.recv(65_536)
            if not data:
                raise ConnectionError("no head")
            self.head += data
        return self.head

    @property
    def target(self) -> str:
        """What the request is for."""
        return self.read_head().split(b" ", 2)[1].decode()

    def accept(self, *fields: str, behind: bytes = b"", **changed: str) -> None:
        """Answer the handshake rightly, but for `changed` fields (underscores for hyphens)."""
        key = next(
            line.partition(":")[2].strip()
            for line in self.read_head().decode().split("\r\n")
            if line.lower().startswith("sec-websocket-key:")
        )
        right = {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec_WebSocket_Accept": accept_key(key),
        }
        lines = [
            f"{name.replace('_', '-')}: {value}" for name, value in {**right, **changed}.items()
        ]
        head = "\r\n".join(["HTTP/1.1 101 Switching Protocols", *lines, *fields, "", ""])
        self.sock.sendall(head.encode() + behind)

    def read_all(self) -> bytes:
        """Everything until the end."""
        data = b""
        with suppress(OSError):
            while more := self.sock.recv(65_536):
                data += more
        return data


@contextmanager
def scripted(*scripts: Callable[[Line], object]) -> Iterator[str]:
    """A server that does for each connection what the next script says, and closes it; for all
    further ones what the last says. Yields its URL.
    """
    with socket.create_server((HOST, 0)) as listener:
        threads: list[threading.Thread] = []

        def run(number: int, sock: socket.socket) -> None:
            sock.settimeout(PATIENCE)
            with sock, suppress(OSError):
                scripts[min(number, len(scripts) - 1)](Line(sock))
                sock.shutdown(socket.SHUT_WR)
                Line(sock).read_all()

        def accept() -> None:
            with suppress(OSError):
                while True:
                    sock = listener.accept()[0]
                    thread = threading.Thread(target=run, args=(len(threads), sock), daemon=True)
                    threads.append(thread)
                    thread.start()

        acceptor = threading.Thread(target=accept, daemon=True)
        acceptor.start()
        try:
            yield f"ws://{HOST}:{listener.getsockname()[1]}/"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            acceptor.join(PATIENCE)
            for thread in threads:
                thread.join(PATIENCE)
