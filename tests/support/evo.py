"""What the tests of `sigil.evo` share: a diary of events, and two worlds to keep it in.

Theory: the order of events must be the same over sockets and in memory, so a test says what clients
do and what is to come of it, and runs in both. Ids are random at the front, so the diary has a
number in the place of each, in the order in which they appear.

Rules: nothing waits for a time: a world is turned until what is waited for is so, or nothing moves
any more. It does not know what is tested.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from sigil.evo import SERVER, Event, EventType, HttpServer, WebServer, WebSocketServer
from sigil.testing import Client
from sigil.testing.connection import Connection
from tests.support.servers import PATIENCE, Raw

Face = HttpServer | WebSocketServer | WebServer
Entry = tuple[Any, ...]
ABSENT = frozenset(("UNKNOWN_OR_INVALID_WEBSERVER_EVENT",))


class Diary:
    """The events of a server, as they are delivered, and what is done about each by its name."""

    def __init__(self, server: Any, **deeds: Callable[[Event[Any]], object]) -> None:
        self.lines: list[Entry] = []
        self.ids: list[str] = []
        for name in EventType.__members__:
            if hasattr(server, name) and name not in ABSENT:
                server.on(name, self._writer(name, deeds.get(name)))

    def _writer(
        self, name: str, deed: Callable[[Event[Any]], object] | None
    ) -> Callable[[Event[Any]], None]:
        def write(event: Event[Any]) -> None:
            assert event.type.name == name
            more = [value for value in (event.opcode, event.code) if value is not None]
            self.lines.append((name, self.number_of(event.client_id), event.message, *more))
            if deed is not None:
                deed(event)

        return write

    def number_of(self, client_id: str) -> int | str:
        """The place of an id among all that came, from 1 on."""
        if client_id == SERVER:
            return SERVER
        if client_id not in self.ids:
            self.ids.append(client_id)
        return self.ids.index(client_id) + 1

    @property
    def names(self) -> list[str]:
        """The names of the events, in order."""
        return [line[0] for line in self.lines]


class MemoryWorld:
    """A server in memory, whose port is 0."""

    port = 0

    def __init__(self, server: Any) -> None:
        self.server = server
        self.client = Client(
            server.handler, limits=server.limits, callbacks=server.callbacks, raise_errors=False
        )

    def connect(self, data: bytes = b"") -> Connection:
        """A client that has sent this."""
        connection = self.client.connect()
        connection.send(data)
        return connection

    def until(self, is_so: Callable[[], bool]) -> None:
        """Let everything happen until something is so."""
        self.client.run_until_idle()
        while self.server.process_deferred_events() or not is_so():
            assert self.server.has_deferred_events or self.client.server.has_work or is_so()
            self.client.run_until_idle()

    def stop(self) -> None:
        """The server stops."""
        self.client.stop(0.0)
        self.until(lambda: True)


class SocketWorld:
    """A server on a port."""

    def __init__(self, server: Any) -> None:
        self.server = server
        self.raws: list[Raw] = []
        server.start_listening(0)
        self.port = server.port

    def connect(self, data: bytes = b"", receive_buffer: int = 0) -> Raw:
        """A client that has sent this, and which the kernel holds so many bytes for."""
        self.raws.append(Raw(self.server.server, data, receive_buffer))
        return self.raws[-1]

    def until(self, is_so: Callable[[], bool]) -> None:
        """Let everything happen until something is so."""
        deadline = time.monotonic() + PATIENCE
        while not is_so():
            assert time.monotonic() < deadline, "it never came to be"
            self.server.tick(0.002)
            for raw in self.raws:
                if raw.sock.fileno() != -1:
                    raw.poll()

    def stop(self) -> None:
        """The server stops."""
        self.server.stop_listening()


World = MemoryWorld | SocketWorld

every_world = pytest.mark.parametrize("world", [MemoryWorld, SocketWorld])


@contextmanager
def serving(world: type[World], server: Any) -> Iterator[Any]:
    """A world with a server in it, which is stopped at the end."""
    inhabited = world(server)
    try:
        yield inhabited
    finally:
        if isinstance(inhabited, SocketWorld):
            server.stop_listening()
            for raw in inhabited.raws:
                raw.close()
