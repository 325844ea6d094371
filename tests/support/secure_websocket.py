"""A WebSocket over TLS of a library of others, on a socket that one thread uses.

Theory: the blocking client of `websockets` reads in one thread and writes in another, and before
Python 3.13 two threads must not use one connection of OpenSSL at once: of thousands of handshakes
some hang. So its protocol is taken without its threads, and what is sent and received is moved
here.

Rules: every wait is bounded. What is no message is answered by the library. It does not know what
is sent.
"""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from tests.support.servers import PATIENCE


class SecureWebSocket:
    """An open WebSocket."""

    def __init__(self, sock: ssl.SSLSocket, protocol: ClientProtocol) -> None:
        self._sock, self._protocol = sock, protocol
        self._received: list[str | bytes] = []
        self._parts: list[bytes] = []
        self._is_text = True

    def open(self) -> None:
        """Open it; what the server answered else is raised."""
        self._protocol.send_request(self._protocol.connect())
        self._flush()
        while self._protocol.state is State.CONNECTING and self._protocol.handshake_exc is None:
            self._read()
        if self._protocol.handshake_exc is not None:
            raise self._protocol.handshake_exc

    def send(self, message: str | bytes) -> None:
        """Send a message."""
        if isinstance(message, str):
            self._protocol.send_text(message.encode())
        else:
            self._protocol.send_binary(message)
        self._flush()

    def recv(self) -> str | bytes:
        """The next message; `websockets.ConnectionClosed` if there is none."""
        while not self._received:
            if self._protocol.state is State.CLOSED:
                raise self._protocol.close_exc
            self._read()
        return self._received.pop(0)

    def close(self) -> None:
        """Close it, and wait for the end."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(1000)
            self._flush()
        while self._protocol.state is not State.CLOSED:
            self._read()

    @property
    def close_code(self) -> int | None:
        """The code that it was closed with."""
        return self._protocol.close_code

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                self._sock.sendall(data)

    def _read(self) -> None:
        """Take what one read brings."""
        try:
            data = self._sock.recv(65_536)
        except ConnectionError:
            data = b""
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()
        self._flush()
        for event in self._protocol.events_received():
            if isinstance(event, Frame):
                self._take(event)

    def _take(self, frame: Frame) -> None:
        """A frame has come."""
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY):
            self._is_text, self._parts = frame.opcode is Opcode.TEXT, []
        elif frame.opcode is not Opcode.CONT:
            return
        self._parts.append(bytes(frame.data))
        if frame.fin:
            data = b"".join(self._parts)
            self._received.append(data.decode() if self._is_text else data)


@contextmanager
def secure_websocket(
    url: str, context: ssl.SSLContext, *, origin: str | None = None
) -> Iterator[SecureWebSocket]:
    """A WebSocket at a `wss:` address of this machine; it is closed at the end."""
    uri = parse_uri(url)
    protocol = ClientProtocol(uri, origin=origin, max_size=None)  # type: ignore[arg-type]
    with (
        socket.create_connection(("127.0.0.1", uri.port), PATIENCE) as plain,
        context.wrap_socket(plain, server_hostname=uri.host) as sock,
    ):
        websocket = SecureWebSocket(sock, protocol)
        websocket.open()
        yield websocket
        websocket.close()
