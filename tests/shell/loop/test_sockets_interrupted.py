"""A fan-out that is interrupted: whoever was sent all has all of it once, and the rest comes later.

Theory: a KeyboardInterrupt comes in the middle of the loop of sends when a program ticks with the
handlers of signals that Python installs. The program may go on ticking: nobody has a hole, and
nothing comes twice.
"""

import socket
from itertools import count

import pytest

from sigil import HttpServer, Limits
from tests.support.builds import needs_pure_sources
from tests.support.servers import pump, settle, ticking
from tests.support.websocket_client import WebSocketClient, upgrade, websocket_clients

pytestmark = needs_pure_sources

COUNT = 7


def interrupt_send(
    patch: pytest.MonkeyPatch, server: HttpServer, nth: int, part: int | None
) -> None:
    """Let the n-th `send` of the shell raise, and the one before it take so many bytes (None: all
    of them).
    """
    numbers = count(1)

    def counted(sock: socket.socket, data: bytes) -> int:
        number = next(numbers)
        if number == nth:
            raise KeyboardInterrupt
        return sock.send(data[:part] if number == nth - 1 else data)

    patch.setattr(server._sockets._fan_outs, "_send_to", counted)


def open_clients(server: HttpServer) -> list[WebSocketClient]:
    clients = websocket_clients(server, COUNT)
    settle(server, *clients)
    return clients


@pytest.mark.parametrize("part", [None, 0, 1, 5])
@pytest.mark.parametrize("nth", range(1, COUNT + 1))
def test_an_interrupt_at_any_send_leaves_no_hole(nth: int, part: int | None) -> None:
    with ticking(upgrade, Limits()) as server:
        clients = open_clients(server)
        server.broadcast("one")
        server.broadcast("two")
        with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
            interrupt_send(patch, server, nth, part)
            server.tick()
        server.broadcast("three")
        words = [b"one", b"two", b"three"]
        pump(server, lambda: all(client.messages == words for client in clients), *clients)
        settle(server, *clients)
        assert all(client.messages == words for client in clients)
        assert not any(client.over for client in clients)
