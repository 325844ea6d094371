"""The client: sends raw bytes over a real socket and reads answers strictly.

What it is: `ConnectionSocket` is one connection. It can send bytes in one write or one by one, read
the next answer, and see how the connection ends. Answers are parsed by h11, which shares no code
with sigil. Its rules: it reads while it sends, so that neither side can block the other; every wait
ends at a deadline; a reset is an error wherever it comes. What it does not know: which answers are
right; that is `test_conformance.py`.
"""

import select
import socket
from collections.abc import Callable
from types import TracebackType
from typing import NamedTuple

import h11

LIMIT = 60.0
EDGE = 300
READ = 65536


class Reply(NamedTuple):
    """One answer as it was read: names of fields in lower case, content complete."""

    status: int
    version: bytes
    fields: tuple[tuple[str, str], ...]
    content: bytes

    def values(self, name: str) -> tuple[str, ...]:
        """The comma-separated elements of a field, in lower case, from all its lines."""
        found = [value for other, value in self.fields if other == name]
        return tuple(part.strip().lower() for value in found for part in value.split(","))


def pieces(data: bytes) -> list[bytes]:
    """Single bytes; of long data the middle is one piece, for what matters is how it begins and
    ends.
    """
    if len(data) <= 2 * EDGE:
        return [data[i : i + 1] for i in range(len(data))]
    return [*pieces(data[:EDGE]), data[EDGE:-EDGE], *pieces(data[-EDGE:])]


def as_reply(event: h11.Response | h11.InformationalResponse, content: bytes) -> Reply:
    """An answer from what h11 made of it."""
    fields = tuple(
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in event.headers
    )
    return Reply(event.status_code, event.http_version, fields, content)


class Wire:
    """One connection to the server under test."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), LIMIT)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setblocking(False)
        self._unread = b""
        self._ended = False

    def __enter__(self) -> "Wire":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        """Send all of it, in one write if the kernel takes it, unless the server ends the
        connection meanwhile.
        """
        view = memoryview(data)
        while view and not self._ended:
            if self._wait(writing=True):
                view = view[self._socket.send(view) :]

    def dribble(self, data: bytes, settle: Callable[[], None]) -> None:
        """Send it byte by byte, giving the server a tick for each, until it has answered and
        closed.
        """
        for piece in pieces(data):
            if self._ended:
                return
            self.send(piece)
            settle()
            self._read_what_is_there()

    def finish(self) -> None:
        """End our side of the connection; the server may still answer."""
        self._socket.shutdown(socket.SHUT_WR)

    def answer(self, head: bool) -> Reply | None:
        """The next answer, interim or final, to a HEAD or to any other request; None if the
        connection ends instead.
        """
        parser = h11.Connection(h11.CLIENT)
        parser.send(
            h11.Request(method="HEAD" if head else "GET", target="/", headers=[("Host", "a")])
        )
        parser.send(h11.EndOfMessage())
        start: h11.Response | None = None
        content: list[bytes] = []
        self._feed(parser, self._unread)
        while True:
            event = parser.next_event()
            if event is h11.NEED_DATA:
                if start is None and self._ended and not parser.trailing_data[0]:
                    return None
                self._feed(parser, self._more())
            elif isinstance(event, h11.InformationalResponse):
                self._unread = parser.trailing_data[0]
                return as_reply(event, b"")
            elif isinstance(event, h11.Response):
                start = event
            elif isinstance(event, h11.Data):
                content.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage) and start is not None:
                self._unread = parser.trailing_data[0]
                return as_reply(start, b"".join(content))
            else:
                raise AssertionError(f"no answer but {event!r}")

    def rest(self) -> bytes:
        """Everything until the server ends the connection, which it must do within the limit and
        without a reset.
        """
        while not self._ended:
            self._unread += self._more()
        return self._unread

    def _feed(self, parser: h11.Connection, data: bytes) -> None:
        """Give the parser what was read; after the end of the connection it is told so, once."""
        if data:
            parser.receive_data(data)
        if self._ended and not parser.trailing_data[1]:
            parser.receive_data(b"")

    def _more(self) -> bytes:
        """Bytes as they come, or nothing at the end of the connection."""
        before, self._unread = self._unread, b""
        while not self._unread and not self._ended:
            self._wait(writing=False)
        data, self._unread = self._unread, before
        return data

    def _wait(self, writing: bool) -> bool:
        """Wait until something can be read, or written if asked; read what is there; say whether
        one may write.
        """
        watched = [self._socket] if writing else []
        readable, writable, _ = select.select([self._socket], watched, [], LIMIT)
        if not readable and not writable:
            raise TimeoutError(
                f"the server neither sent, read nor closed for {LIMIT} s; "
                f"have {self._unread[:200]!r}"
            )
        if readable:
            self._read_what_is_there()
        return bool(writable)

    def _read_what_is_there(self) -> None:
        """Take what has come, without waiting."""
        try:
            data = self._socket.recv(READ)
        except BlockingIOError:
            return
        self._unread += data
        self._ended = not data
