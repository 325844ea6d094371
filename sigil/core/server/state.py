"""The server as a record.

Theory: a whole server is one value, so it can be kept, compared and gone back to. What it is made
of stands in other files; what happens to it, in `server`.

Rules: immutable all the way down.  It does not know what any of its fields are for.
"""

from enum import IntEnum
from typing import NamedTuple

from pyrsistent import PVector, pvector

from ..broadcast.broadcast import Broadcast, make_broadcast
from ..conn import Conn
from ..http.encode import date_field_and_end
from ..limits import Limits, shortest_timeout, without_aliases
from .slots import EMPTY, Slots
from .timer_wheel import Wheel, make_wheel
from .totals import NO_TOTALS, Totals


class ServerState(IntEnum):
    """How far a server is from its end."""

    SERVING = 0
    DRAINING = 1
    """No new connections; those that are open are answered once more and closed."""
    STOPPED = 2


class Load(NamedTuple):
    """What all clients together have under way: bytes of unfinished requests, bytes owed,
    WebSockets open.

    `paused_at` is since when nothing is handed out because too much is owed; None while all is
    well.
    """

    inbound: int
    outbound: int
    paused_at: float | None
    websockets: int


class Server(NamedTuple):
    """A server. `turn` numbers connections and never goes back; `deadline` is when draining becomes
    stopping.

    `victims` are those whose places will be taken first, each with the time that proves it is still
    waiting as it was; `unflushed` are those to whom something is to be said at the end of the turn,
    which has `tick_started_at` at that time.
    """

    slots: Slots
    now: float
    unix_time: int
    date: bytes
    limits: Limits
    running: ServerState
    wheel: Wheel
    started_at: float
    next_generation: int
    deadline: float
    totals: Totals
    logs_access: bool
    load: Load
    eviction_queue: tuple[tuple[Conn, float], ...]
    unflushed: PVector[Conn]
    tick_started_at: float
    broadcast: Broadcast


UNLOADED = Load(0, 0, None, 0)


def make_server(
    limits: Limits, now: float, unix_time: int, logs_access: bool = False, epoch: int = 0
) -> Server:
    """A server without clients, at a time; `epoch` is a number that no other server's stream has."""
    limits = without_aliases(limits)
    return Server(
        EMPTY,
        now,
        unix_time,
        date_field_and_end(unix_time),
        limits,
        ServerState.SERVING,
        make_wheel(shortest_timeout(limits)),
        now,
        0,
        0.0,
        NO_TOTALS,
        logs_access,
        UNLOADED,
        (),
        pvector(),
        now,
        make_broadcast(limits, epoch),
    )


# -- a server moved on: what most events change, by name -------------------------------------------


def at_time(server: Server, now: float, wall: int, date: bytes, began: float) -> Server:
    """The server at a time, in a turn that began at another; `date` is the Date field of that
    second.
    """
    (
        slots,
        _,
        _,
        _,
        limits,
        running,
        wheel,
        since,
        turn,
        deadline,
        totals,
        logs,
        load,
        victims,
        listed,
        _,
        broadcast,
    ) = server
    return Server(
        slots,
        now,
        wall,
        date,
        limits,
        running,
        wheel,
        since,
        turn,
        deadline,
        totals,
        logs,
        load,
        victims,
        listed,
        began,
        broadcast,
    )


def with_slots(server: Server, slots: Slots) -> Server:
    """The server with another table."""
    (
        _,
        now,
        wall,
        date,
        limits,
        running,
        wheel,
        since,
        turn,
        deadline,
        totals,
        logs,
        load,
        victims,
        listed,
        began,
        broadcast,
    ) = server
    return Server(
        slots,
        now,
        wall,
        date,
        limits,
        running,
        wheel,
        since,
        turn,
        deadline,
        totals,
        logs,
        load,
        victims,
        listed,
        began,
        broadcast,
    )


def with_broadcast(server: Server, broadcast: Broadcast, totals: Totals | None = None) -> Server:
    """The server with another stream, and other totals if they are given."""
    (
        slots,
        now,
        wall,
        date,
        limits,
        running,
        wheel,
        since,
        turn,
        deadline,
        old,
        logs,
        load,
        victims,
        listed,
        began,
        _,
    ) = server
    return Server(
        slots,
        now,
        wall,
        date,
        limits,
        running,
        wheel,
        since,
        turn,
        deadline,
        totals or old,
        logs,
        load,
        victims,
        listed,
        began,
        broadcast,
    )
