"""Who is meant: names for connections, requests and peers.

Theory: user code must be able to keep a name for a connection without keeping the connection. A
name is a slot (a small recycled index, which makes look-ups one array read) and a turn (which never
repeats, so that a late answer can be seen to be for somebody who has left).

Rules: names are plain values: hashable, comparable, printable. It does not know the records they
lead to.
"""

from typing import NamedTuple


class Conn(NamedTuple):
    """A connection: never equal to any other connection of the same server, before or after."""

    slot: int
    generation: int


class Ticket(NamedTuple):
    """One request of a connection: `number` counts that connection's requests from 0, in order of
    arrival.
    """

    conn: Conn
    number: int


class Peer(NamedTuple):
    """The other end: address and port as the operating system gives them (a path and 0 for a Unix
    socket).
    """

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
