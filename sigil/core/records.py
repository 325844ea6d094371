"""The server as a record.

Theory: a whole server is one value, so it can be kept, compared and gone back to.  What it is made of stands in other
files; what happens to it, in `server`.

Rules: immutable all the way down.  It does not know what any of its fields are for.
"""

from enum import IntEnum
from typing import NamedTuple

from pyrsistent import PVector

from .conn import Conn
from .limits import Limits
from .stats import Totals
from .stream import Stream
from .table import Slots
from .wheel import Wheel


class Running(IntEnum):
    """How far a server is from its end."""

    SERVING = 0
    DRAINING = 1
    """No new connections; those that are open are answered once more and closed."""
    STOPPED = 2


class Load(NamedTuple):
    """What all clients together have under way: bytes of unfinished requests, bytes owed, WebSockets open.

    `paused_at` is since when nothing is handed out because too much is owed; None while all is well.
    """

    inbound: int
    outbound: int
    paused_at: float | None
    talks: int


class Server(NamedTuple):
    """A server.  `turn` numbers connections and never goes back; `deadline` is when draining becomes stopping.

    `victims` are those whose places will be taken first, each with the time that proves it is still waiting as it was;
    `unflushed` are those to whom something is to be said at the end of the turn, which has `began` at that time.
    """

    slots: Slots
    now: float
    wall: int
    date: bytes
    limits: Limits
    running: Running
    wheel: Wheel
    since: float
    turn: int
    deadline: float
    totals: Totals
    logs_access: bool
    load: Load
    victims: tuple[tuple[Conn, float], ...]
    unflushed: PVector[Conn]
    began: float
    stream: Stream


UNLOADED = Load(0, 0, None, 0)
