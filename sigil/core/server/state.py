"""The server as a record.

Theory: a whole server is one value, so it can be kept, compared and gone back to.  What it is made of stands in other
files; what happens to it, in `server`.

Rules: immutable all the way down.  It does not know what any of its fields are for.
"""

from enum import IntEnum
from typing import NamedTuple

from pyrsistent import PVector, pvector

from ..broadcast.broadcast import Stream, make_stream
from ..conn import Conn
from ..http.encode import date_line
from ..limits import Limits, shortest_timeout, without_aliases
from .slots import EMPTY, Slots
from .timer_wheel import Wheel, make_wheel
from .totals import NOTHING, Totals


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


def make_server(limits: Limits, now: float, wall: int, logs_access: bool = False, epoch: int = 0) -> Server:
    """A server without clients, at a time; `epoch` is a number that no other server's stream has."""
    limits = without_aliases(limits)
    return Server(EMPTY, now, wall, date_line(wall), limits, Running.SERVING, make_wheel(shortest_timeout(limits)), now,
                  0, 0.0, NOTHING, logs_access, UNLOADED, (), pvector(), now, make_stream(limits, epoch))


# -- a server moved on: what most events change, by name -----------------------------------------------------------

def at_time(server: Server, now: float, wall: int, date: bytes, began: float) -> Server:
    """The server at a time, in a turn that began at another; `date` is the Date field of that second."""
    (slots, _, _, _, limits, running, wheel, since, turn, deadline, totals, logs, load, victims, listed, _,
     stream) = server
    return Server(slots, now, wall, date, limits, running, wheel, since, turn, deadline, totals, logs, load, victims,
                  listed, began, stream)


def with_slots(server: Server, slots: Slots) -> Server:
    """The server with another table."""
    (_, now, wall, date, limits, running, wheel, since, turn, deadline, totals, logs, load, victims, listed, began,
     stream) = server
    return Server(slots, now, wall, date, limits, running, wheel, since, turn, deadline, totals, logs, load, victims,
                  listed, began, stream)


def with_stream(server: Server, stream: Stream, totals: Totals | None = None) -> Server:
    """The server with another stream, and other totals if they are given."""
    (slots, now, wall, date, limits, running, wheel, since, turn, deadline, old, logs, load, victims, listed, began,
     _) = server
    return Server(slots, now, wall, date, limits, running, wheel, since, turn, deadline, totals or old, logs, load,
                  victims, listed, began, stream)
