"""One connection of a test to its server.

Theory: what a client can do to a server is to send, to read, to end its side and to break off. A
test does these, and looks at what came; nobody helps it to be correct.

Rules: whatever is done, the server comes to rest before the call returns. What was received is
never forgotten. It does not know how the server is made to go on: `client` does.
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

    Whatever is done to it, the server has come to rest when the call returns, as far as it can
    without time passing.
    """

    def __init__(self, driver: Driver, wire: Wire) -> None:
        self._driver = driver
        self.wire = wire
        """Both ends and the memory between them; tests have no need of it."""
        self._methods: list[str] = []

    # -- questions ---------------------------------------------------------------------------------

    @property
    def handle(self) -> Conn | None:
        """What the server calls this connection; None if it was not let in."""
        return self.wire.conn

    @property
    def peer(self) -> Peer:
        """Our end, as the server sees it."""
        return self.wire.peer

    @property
    def received(self) -> bytes:
        """All bytes that have been received; of a connection with a window, all that have been
        read.
        """
        return bytes(self.wire.received)

    @property
    def has_ended(self) -> bool:
        """True once the server has said that it sends no more, and all it sent has been read."""
        return self.wire.is_shut and not self.wire.waiting

    @property
    def is_closed(self) -> bool:
        """True once the server has closed this connection, whatever the reason."""
        return self.wire.is_closed

    @property
    def was_reset(self) -> bool:
        """True if the server closed this connection without reading all that was sent: a client
        sees a reset.
        """
        return self.wire.was_reset

    @property
    def reason(self) -> CloseReason | None:
        """Why this connection is gone; None while it is not, and for one that was turned away with
        a 503.
        """
        return self.wire.reason

    def answers(self, *methods: str) -> list[Answer]:
        """What has been received, as answers to requests with these methods, in order.

        Without methods they are those of `request`, and GET beyond. The last answer may not be
        whole yet. `BadAnswer` if what was received is not HTTP.
        """
        has_ended = self.has_ended and not self.was_reset
        return read_answers(self.received, methods or self._methods, has_ended)

    # -- what a client can do ----------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """Send bytes, whatever they are. To a connection that is closed they are lost, as they
        would be.

        BrokenPipeError if our side is ended.
        """
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
        """Send one request, and wait for nothing: `answers` tells what became of it."""
        data = encode_request(method, target, body, json, headers)
        self._driver.require_idle()
        self._methods.append(method)
        self.send(data)

    def read(self, count: int) -> bytes:
        """Read up to `count` bytes of what the window holds, and let the server go on.

        ValueError if the connection has no window, and so has read everything already.
        """
        connection = self.wire
        if connection.window_len is None:
            raise ValueError(
                "this connection reads at once; connect(window_len=...) makes a slow reader"
            )
        self._driver.require_idle()
        data = bytes(connection.waiting[:count])
        del connection.waiting[:count]
        connection.received += data
        self._driver.run_until_idle()
        return data

    def half_close(self) -> None:
        """Say that no more will be sent."""
        self._driver.require_idle()
        self.wire.has_half_closed = True
        self._driver.run_until_idle()

    def reset(self) -> None:
        """Break the connection: no more is sent, and nothing read. What was sent before still
        arrives.
        """
        self._driver.require_idle()
        self.wire.has_reset = True
        self.wire.waiting.clear()
        self._driver.run_until_idle()
