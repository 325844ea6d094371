"""What the tests of WebSockets over real sockets share: a client that speaks frames, and a program
that keeps a diary.

Theory: a `Messaging` is a `Raw` client that has asked for an upgrade; what comes behind the 101 is
read as frames here, by code that shares nothing with sigil's. A `CallbackLog` writes down what the
callbacks are told, in order.

Rules: a frame that is masked, fragmented, reserved or torn is an AssertionError. It does not know
what is asked of the server.
"""

import struct
from collections.abc import Callable
from typing import Any

from sigil import Callbacks, CloseReason, Conn, HttpServer, Request, Response
from tests.support.requests import UPGRADE
from tests.support.servers import Raw, pump

NOT_AN_END = ("ws_message", "ws_fragment", "ws_drain", "ws_pong", "writable")
"""Callbacks that come any number of times."""
DECISIVE = ("admit", "ws_fragment")
"""Callbacks without which a server does something else than with one that returns None."""
KEY = b"\x37\xfa\x21\x3d"
BYE = b"\x03\xe8"


def upgrade(request: Request) -> Response:
    """Any path is the WebSocket."""
    return Response.upgrade()


def frame(opcode: int, payload: bytes = b"", fin: bool = True) -> bytes:
    """A frame of a client."""
    length = len(payload)
    size = (
        bytes([0x80 | length])
        if length < 126
        else struct.pack(">BH", 0xFE, length)
        if length < 65_536
        else struct.pack(">BQ", 0xFF, length)
    )
    masked = bytearray(payload)
    for index, byte in enumerate(KEY):
        masked[index::4] = bytes(value ^ byte for value in masked[index::4])
    return bytes([(0x80 if fin else 0) | opcode]) + size + KEY + masked


def text(words: str) -> bytes:
    """A text message of a client."""
    return frame(1, words.encode())


def close_frame(code: int, words: str = "") -> bytes:
    """A close frame of a client."""
    return frame(8, code.to_bytes(2) + words.encode())


def read_frames(data: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    """The whole frames of a server at the front of these bytes, opcode and payload, and what is
    left over.
    """
    found, start = list[tuple[int, bytes]](), 0
    while len(data) - start >= 2:
        first, length, begin = data[start], data[start + 1], start + 2
        assert first in (0x81, 0x82, 0x88, 0x89, 0x8A), (
            hex(first),
            len(found),
            data[start : start + 20],
        )
        assert length < 128, "a frame of the server is masked"
        width = {126: 2, 127: 8}.get(length, 0)
        if width:
            length = int.from_bytes(data[begin : begin + width])
            begin += width
        if len(data) < begin + length:
            break
        found.append((first & 15, data[begin : begin + length]))
        start = begin + length
    return found, data[start:]


class WebSocketClient(Raw):
    """A client that has asked for an upgrade, and perhaps said more behind it."""

    def __init__(self, where: HttpServer, more: bytes = b"", receive_buffer: int = 0) -> None:
        super().__init__(where, UPGRADE + more, receive_buffer)

    @property
    def is_open(self) -> bool:
        """The 101 is here."""
        return self.received.startswith(b"HTTP/1.1 101 ") and b"\r\n\r\n" in self.received

    @property
    def frames(self) -> list[tuple[int, bytes]]:
        """The frames that came."""
        if not self.is_open:
            return []
        return read_frames(bytes(self.received).partition(b"\r\n\r\n")[2])[0]

    @property
    def messages(self) -> list[bytes]:
        """The payloads of the messages that came."""
        return [payload for opcode, payload in self.frames if opcode in (1, 2)]

    @property
    def close_code(self) -> int:
        """The code of the server's close frame: 1005 if it has none, 0 if none has come."""
        for opcode, payload in self.frames:
            if opcode == 8:
                return int.from_bytes(payload[:2]) or 1005
        return 0

    @property
    def rest(self) -> bytes:
        """The bytes of a frame that is not whole."""
        return read_frames(bytes(self.received).partition(b"\r\n\r\n")[2])[1]


def websocket_clients(
    server: HttpServer, count: int, receive_buffer: int = 0
) -> list[WebSocketClient]:
    """So many WebSockets that are open."""
    clients = [WebSocketClient(server, receive_buffer=receive_buffer) for _ in range(count)]
    pump(server, lambda: all(client.is_open for client in clients), *clients)
    return clients


def close_clients(server: HttpServer, *clients: WebSocketClient) -> None:
    """Close them properly, and wait until the server has let go of them."""
    for client in clients:
        client.send(close_frame(1000))
        client.half_close()
    pump(server, lambda: all(client.over for client in clients), *clients)
    for client in clients:
        client.close()


class CallbackLog:
    """What the program was told, in order, and what it does about it: callbacks by name, called
    with the same.
    """

    def __init__(self, **deeds: Callable[..., object]) -> None:
        self.lines: list[tuple[Any, ...]] = []
        self.deeds = deeds

    @property
    def callbacks(self) -> Callbacks:
        """All of them, but for those that decide something and have no deed."""
        names = [name for name in Callbacks._fields if name not in DECISIVE or name in self.deeds]
        return Callbacks(**{name: self._writer(name) for name in names})

    def _writer(self, name: str) -> Callable[..., object]:
        def write(server: HttpServer, conn: Conn, *told: Any) -> object:
            self.lines.append((name, conn, *told))
            deed = self.deeds.get(name)
            return deed(server, conn, *told) if deed is not None else None

        return write

    def of(self, name: str) -> list[tuple[Any, ...]]:
        """What one callback was told."""
        return [
            told for callback, _, *rest in self.lines if callback == name for told in [tuple(rest)]
        ]

    @property
    def endings(self) -> list[tuple[CloseReason, int]]:
        """How WebSockets ended."""
        return [(reason, code) for reason, code in self.of("ws_close")]

    def assert_balanced(self) -> None:
        """Every beginning has one end, in the right order, and nothing is heard outside of them."""
        for conn in {line[1] for line in self.lines}:
            story = [line[0] for line in self.lines if line[1] == conn]
            short = [name for name in story if name not in NOT_AN_END]
            assert short in (["open", "close"], ["open", "ws_open", "ws_close", "close"]), story
            if "ws_message" in story:
                assert story.index("ws_open") < story.index("ws_message")
                assert story.index("ws_close") > len(story) - 1 - story[::-1].index("ws_message")


def echo(server: HttpServer, conn: Conn, data: str | bytes) -> None:
    """Say back what came."""
    server.send(conn, data)
