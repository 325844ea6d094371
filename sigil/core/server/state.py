"""The server as a record: everything that is known between two events, in one value.

Theory: a whole server is one immutable value, so it can be kept, compared, drawn and gone back to.
`fold` says what events make of it. The parts have files of their own: the table of connections
(`slots`), their timers (`timer_wheel`), what was published (`broadcast`), the sums over all clients
(`budgets`), the counters (`totals`).

Rules: immutable all the way down. A function of another file that changes the server on the path of
every request or message calls one of the functions below, which name what changes and are the only
ones that know the order of the fields; whatever is rare uses `_replace`. This file does not know
what happens, only what is left when it has happened.
"""

from enum import IntEnum
from typing import NamedTuple

from pyrsistent import PVector, pvector

from ..broadcast.broadcast import Broadcast, make_broadcast
from ..conn import Conn
from ..http.encode import date_field_and_end
from ..limits import Limits, shortest_timeout, without_aliases
from ..unchecked import make_unchecked
from .budgets import NO_LOAD, Load
from .eviction import NO_CANDIDATES, Candidates
from .held_up import NEVER_HELD_UP, HeldUp
from .oldest import NOBODY, Oldest
from .slots import EMPTY, Slots
from .timer_wheel import Wheel, make_wheel
from .totals import NO_TOTALS, Totals


class ServerState(IntEnum):
    """How far a server is from its end."""

    SERVING = 0
    DRAINING = 1
    """No new connections; the open ones get the responses they wait for and are closed."""
    STOPPED = 2


class LastReads(NamedTuple):
    """While a server is draining: who has sent nothing, and is closed when it was read once more.

    What came before the stop may not have been read yet. `InputRead` says what was, but only of its
    own tick, which may have begun before; so a whole one has to pass.
    """

    newest: PVector[Conn]
    """Those whom the next `InputRead` does not concern: its tick may have begun before the stop, or
    before they were accepted.
    """
    due: PVector[Conn]
    """Those whom it does."""


NO_LAST_READS = LastReads(pvector(), pvector())


class Server(NamedTuple):
    """A server; times are in seconds. Those of connections, of the wheel and of the load are of the
    counted time (`counted_now`); all others but `unix_time` are on the clock of `now`.
    """

    slots: Slots
    """The table of connections."""
    now: float
    """On a clock that never goes back."""
    unix_time: int
    """Whole seconds since 1970, for the Date field."""
    date: bytes
    """The Date field of that second, and the empty line that ends a head."""
    limits: Limits
    running: ServerState
    wheel: Wheel
    """When to look at which connection's deadline."""
    started_at: float
    next_generation: int
    """The `generation` of the next connection; it is never used twice."""
    deadline: float
    """When draining ends and whoever is left is closed; it means nothing before."""
    totals: Totals
    logs_access: bool
    load: Load
    """Sums over all clients, which the budgets are compared with."""
    candidates: Candidates
    """Who loses its slot next."""
    oldest: Oldest
    """The subscribers in the order in which they give way to newer ones."""
    unflushed: PVector[Conn]
    """The subscribers with something queued that leaves at the end of the tick, each once."""
    tick_started_at: float
    """When the last tick began, in counted time."""
    broadcast: Broadcast
    held_up: HeldUp
    last_reads: LastReads


def make_server(
    limits: Limits, now: float, unix_time: int, logs_access: bool = False, epoch: int = 0
) -> Server:
    """A server without clients at a time.

    `now` is in seconds on a clock that never goes back, `unix_time` in seconds since 1970. `epoch`
    begins the positions of what is published; no two servers should have the same one.
    """
    limits = without_aliases(limits)
    return Server(
        slots=EMPTY,
        now=now,
        unix_time=unix_time,
        date=date_field_and_end(unix_time),
        limits=limits,
        running=ServerState.SERVING,
        wheel=make_wheel(shortest_timeout(limits)),
        started_at=now,
        next_generation=0,
        deadline=0.0,
        totals=NO_TOTALS,
        logs_access=logs_access,
        load=NO_LOAD,
        candidates=NO_CANDIDATES,
        oldest=NOBODY,
        unflushed=pvector(),
        tick_started_at=now,
        broadcast=make_broadcast(limits, epoch),
        held_up=NEVER_HELD_UP._replace(tick_at=now),
        last_reads=NO_LAST_READS,
    )


def counted_now(server: Server) -> float:
    """The time of the server by which deadlines go: without what it was held up."""
    return server.now - server.held_up.seconds


# -- updates ---------------------------------------------------------------------------------------
#
# `_replace` with one field takes about three times as long as taking the record apart and making it
# anew. The fields are laid out by hand, in the order of the record, so that a look shows which of
# them are replaced.

# fmt: off


def at_time(
    server: Server,
    now: float,
    unix_time: int,
    date: bytes,
    tick_started_at: float,
    held_up: HeldUp,
) -> Server:
    """The server at `now`, in a tick that began at `tick_started_at`, with these hold-ups; `date`
    belongs to `unix_time`.
    """
    (slots, _, _, _, limits, running, wheel, started_at, next_generation,
     deadline, totals, logs_access, load, candidates, oldest, unflushed,
     _, broadcast, _, last_reads) = server
    after: Server = make_unchecked(Server, (
        slots, now, unix_time, date, limits, running, wheel, started_at, next_generation,
        deadline, totals, logs_access, load, candidates, oldest, unflushed,
        tick_started_at, broadcast, held_up, last_reads))
    return after


def with_slots(server: Server, slots: Slots, unflushed: PVector[Conn]) -> Server:
    """The server with another table, and other subscribers that are to be flushed."""
    (_, now, unix_time, date, limits, running, wheel, started_at, next_generation,
     deadline, totals, logs_access, load, candidates, oldest, _,
     tick_started_at, broadcast, held_up, last_reads) = server
    after: Server = make_unchecked(Server, (
        slots, now, unix_time, date, limits, running, wheel, started_at, next_generation,
        deadline, totals, logs_access, load, candidates, oldest, unflushed,
        tick_started_at, broadcast, held_up, last_reads))
    return after


def with_broadcast(server: Server, broadcast: Broadcast, totals: Totals) -> Server:
    """The server with another broadcast, and other totals."""
    (slots, now, unix_time, date, limits, running, wheel, started_at, next_generation,
     deadline, _, logs_access, load, candidates, oldest, unflushed,
     tick_started_at, _, held_up, last_reads) = server
    after: Server = make_unchecked(Server, (
        slots, now, unix_time, date, limits, running, wheel, started_at, next_generation,
        deadline, totals, logs_access, load, candidates, oldest, unflushed,
        tick_started_at, broadcast, held_up, last_reads))
    return after
