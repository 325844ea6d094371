"""Names for connections, requests and peers.

Theory: user code must be able to hold a name for a connection without holding the connection. A
name is a slot (a small recycled index, so that a look-up is one array read) and a generation (a
number that never repeats, so that a late response is seen to be for a connection that is gone).

Rules: names are plain values: hashable, comparable, printable. It does not know the records that
are found by them.
"""

from typing import NamedTuple

_PATH_STARTS = ("", "/", "@", ".")
"""How the path of a Unix socket begins; `@` stands for the NUL of an abstract one."""


class Conn(NamedTuple):
    """The name of a connection: `slot` is its place in the table, `generation` a number that no
    other connection of the server ever has.
    """

    slot: int
    generation: int


class Ticket(NamedTuple):
    """The name of a request: `number` counts the requests of the connection `conn` from 0, in the
    order in which they were received.
    """

    conn: Conn
    number: int


class Peer(NamedTuple):
    """The address of the other end, as the operating system gives it: host and port, or path and 0
    for a Unix socket, whose path is empty unless the other end has bound itself to one.

    As a str it is `host:port`, `[host]:port` for an IPv6 address, `host` alone without a port, and
    `unix:path`.
    """

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        if self.port:
            return f"{host}:{self.port}"
        return f"unix:{host}" if host[:1] in _PATH_STARTS else host
