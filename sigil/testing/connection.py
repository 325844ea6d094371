"""One connection of a test to its server.

Theory: a client can send, read, shut its side and reset. A test does these, and looks at what came;
nothing corrects it.

Rules: the server is idle again when a call returns. What was received is never forgotten. It does
not know how the server is run: its `Driver` does.
"""

from typing import Any

from ..core.close_reasons import CloseReason
from ..core.conn import Conn, Peer
from ..core.http.response import HeadersLike
from .answers import Answer, read_answers
from .driver import Driver
from .encode import ABSENT, encode_request
from .kernel import Wire


class Connection:
    """One connection to a server in memory; `Client.connect` makes it.

    When a call returns, the server has done all that it can do without time passing.
    """

    def __init__(self, driver: Driver, wire: Wire) -> None:
        self._driver = driver
        self.wire = wire
        """Both ends of the connection and their buffers; tests have no need of it."""
        self._methods: list[str] = []

    # -- its state ---------------------------------------------------------------------------------

    @property
    def handle(self) -> Conn | None:
        """The server's handle of this connection; None if it was not accepted."""
        return self.wire.conn

    @property
    def peer(self) -> Peer:
        """The address of the client's end, as the server sees it."""
        return self.wire.peer

    @property
    def received(self) -> bytes:
        """All bytes that have been received; with a window, those that have been read."""
        return bytes(self.wire.received)

    @property
    def has_ended(self) -> bool:
        """True once the server has shut its side and all that it sent has been read."""
        return self.wire.is_shut and not self.wire.unread

    @property
    def is_closed(self) -> bool:
        """True once the server has closed this connection, whatever the reason."""
        return self.wire.is_closed

    @property
    def was_reset(self) -> bool:
        """True if the client sees a reset: the server closed without reading all that was sent."""
        return self.wire.was_reset

    @property
    def reason(self) -> CloseReason | None:
        """The server's reason for closing it; None if it is open or was rejected with a 503."""
        return self.wire.reason

    def answers(self, *methods: str) -> list[Answer]:
        """What has been received, as answers to requests with these methods, in order.

        Without `methods` they are those of the calls of `request`, and GET beyond them. The last
        answer may not be whole yet. `BadAnswer` if what was received is not HTTP.
        """
        has_ended = self.has_ended and not self.was_reset
        return read_answers(self.received, methods or self._methods, has_ended)

    # -- what a client can do ----------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """Send bytes, whatever they are; they are lost if the server has closed.

        BrokenPipeError if the test has ended its own side.
        """
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(f"what is sent is bytes, not {type(data).__name__}")
        self._driver.require_idle()
        if self.wire.has_half_closed or self.wire.has_reset:
            raise BrokenPipeError("this side of the connection was ended by the test")
        if not self.wire.is_closed:
            self.wire.arrived += data
        self._driver.run_until_idle()

    def request(
        self,
        method: str,
        target: str,
        *,
        body: bytes | str = b"",
        json: Any = ABSENT,
        headers: HeadersLike = (),
    ) -> None:
        """Send one request without waiting for its answer, which will be in `answers`."""
        data = encode_request(method, target, body, json, headers)
        self._driver.require_idle()
        self._methods.append(method)
        self.send(data)

    def read(self, count: int) -> bytes:
        """Up to `count` bytes, which are taken out of the window, so that the server can send more.

        ValueError if the connection has no window, and so reads everything at once.
        """
        wire = self.wire
        if wire.window_len is None:
            raise ValueError(
                "this connection reads at once; connect(window_len=...) makes a slow reader"
            )
        self._driver.require_idle()
        data = wire.take(count)
        self._driver.run_until_idle()
        return data

    def half_close(self) -> None:
        """Shut the client's side: no more will be sent."""
        self._driver.require_idle()
        self.wire.has_half_closed = True
        self._driver.run_until_idle()

    def reset(self) -> None:
        """Reset the connection; what was sent before still arrives."""
        self._driver.require_idle()
        self.wire.has_reset = True
        self.wire.unread.clear()
        self._driver.run_until_idle()
