"""Names for connections, requests and peers.

Theory: user code must be able to hold a name for a connection without holding the connection. A
name is a slot (a small recycled index, so that a look-up is one array read) and a generation (a
number that never repeats, so that a late response is seen to be for a connection that is gone).

Rules: names are plain values: hashable, comparable, printable. It does not know the records that
are found by them.
"""

from typing import Final, final

from .tls import Tls
from .value import Value

_PATH_STARTS: Final = ("", "/", "@", ".")
"""How the path of a Unix socket begins; `@` stands for the NUL of an abstract one."""


@final
class Conn(Value):
    """The name of a connection: `slot` is its place in the table, `generation` a number that no
    other connection of the server ever has.
    """

    __match_args__ = ("slot", "generation")
    __slots__ = __match_args__

    def __init__(self, slot: int, generation: int) -> None:
        self.slot: Final = slot
        self.generation: Final = generation

    # a connection is looked up by its name in tables, for every event: not by way of `Value`
    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Conn):
            return NotImplemented
        return self.generation == other.generation and self.slot == other.slot

    def __hash__(self) -> int:
        return hash((self.slot, self.generation))

    def __lt__(self, other: "Conn") -> bool:
        return (self.slot, self.generation) < (other.slot, other.generation)


NO_CONN: Final = Conn(0, -1)
"""Names no connection, and never will: generations begin with 0."""


@final
class Ticket(Value):
    """The name of a request: `number` counts the requests of the connection `conn` from 0, in the
    order in which they were received.
    """

    __match_args__ = ("conn", "number")
    __slots__ = __match_args__

    def __init__(self, conn: Conn, number: int) -> None:
        self.conn: Final = conn
        self.number: Final = number


@final
class Peer(Value):
    """The address of the other end, as the operating system gives it: host and port, or path and 0
    for a Unix socket, whose path is empty unless the other end has bound itself to one. `tls` is
    what TLS has settled with it, None without TLS.

    As a str it is `host:port`, `[host]:port` for an IPv6 address, `host` alone without a port, and
    `unix:path`.
    """

    __match_args__ = ("host", "port", "tls")
    __slots__ = __match_args__

    def __init__(self, host: str, port: int, tls: Tls | None = None) -> None:
        self.host: Final = host
        self.port: Final = port
        self.tls: Final = tls

    def over(self, tls: Tls | None) -> "Peer":
        """The peer, with which TLS has settled this."""
        return Peer(self.host, self.port, tls)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        if self.port:
            return f"{host}:{self.port}"
        return f"unix:{host}" if host[:1] in _PATH_STARTS else host
