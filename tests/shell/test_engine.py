"""The crank: how often the core is told something does not grow with the number of clients that talk."""

from sigil import Callbacks, Response
from sigil.core.events import Event
from sigil.core.head import parse_headers_only
from sigil.core.limits import Limits
from sigil.core.server import make_server
from sigil.shell.engine import Engine
from sigil.testing import Client
from sigil.testing.server import MemoryServer


class Counting(Engine):
    """An engine that counts how often it tells the core something."""

    told = 0

    def _tell(self, events: list[Event]) -> None:
        self.told += 1
        super()._tell(events)


def count_of_a_turn(clients: int, turns: int) -> int:
    """How often the core is told something in the last of these turns, in each of which all clients are echoed to."""
    engine = Counting(make_server(Limits(), 0.0, 0), parse_headers_only)
    echo = Callbacks(ws_message=lambda server, conn, data: server.send(conn, data))
    server = MemoryServer(lambda request: Response.upgrade(), Limits(), echo, engine)
    client = Client(lambda request: None)
    client.server = server
    sockets = [client.websocket("/") for _ in range(clients)]
    for turn in range(turns):
        for socket in sockets:
            socket.send(f"{turn}")
        engine.told = 0
        server.tick()
        told = engine.told
        client.settle()
        assert [socket.receive() for socket in sockets] == [f"{turn}"] * clients
    return told


def test_an_echo_is_told_with_all_others_in_every_turn() -> None:
    assert count_of_a_turn(1, 1) == count_of_a_turn(9, 1) == count_of_a_turn(9, 3)
