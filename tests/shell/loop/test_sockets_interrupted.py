"""A fan-out that is interrupted: whoever was sent all has all of it once, and the rest comes later.

Theory: a KeyboardInterrupt comes in the middle of the loop of sends when a program ticks with the
handlers of signals that Python installs. The program may go on ticking: nobody has a hole, and
nothing comes twice.
"""

import pytest

from sigil import HttpServer, Limits
from tests.support.servers import pump, settle, ticking
from tests.support.websocket_client import WebSocketClient, upgrade, websocket_clients

COUNT = 7


class Sender:
    """The `send` methods of all connections, of which the n-th call raises."""

    def __init__(self, server: HttpServer, nth: int, part: int | None) -> None:
        self._left = nth
        self._part = part
        """How many bytes the call before that one takes; None for all."""
        for connection in server._sockets._sockets.values():
            connection.send = self._counted(connection.send)

    def _counted(self, send):  # type: ignore[no-untyped-def]
        def counted(data: bytes) -> int:
            self._left -= 1
            if self._left == 0:
                raise KeyboardInterrupt
            if self._left == 1 and self._part is not None:
                return int(send(data[: self._part]))
            return int(send(data))

        return counted


def open_clients(server: HttpServer) -> list[WebSocketClient]:
    clients = websocket_clients(server, COUNT)
    settle(server, *clients)
    return clients


@pytest.mark.parametrize("part", [None, 0, 1, 5])
@pytest.mark.parametrize("nth", range(1, COUNT + 1))
def test_an_interrupt_at_any_send_leaves_no_hole(nth: int, part: int | None) -> None:
    with ticking(upgrade, Limits()) as server:
        clients = open_clients(server)
        Sender(server, nth, part)
        server.broadcast("one")
        server.broadcast("two")
        with pytest.raises(KeyboardInterrupt):
            server.tick()
        server.broadcast("three")
        words = [b"one", b"two", b"three"]
        pump(server, lambda: all(client.messages == words for client in clients), *clients)
        settle(server, *clients)
        assert all(client.messages == words for client in clients)
        assert not any(client.over for client in clients)
