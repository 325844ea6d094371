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
from typing import Final, final

from pyrsistent import PVector, pvector

from ..broadcast.broadcast import Broadcast, make_broadcast
from ..conn import Conn
from ..connection.context import NEVER_ASKS
from ..http.encode import end_of_head
from ..limits import Limits, shortest_timeout, without_aliases
from ..value import Value
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


@final
class LastReads(Value):
    """While a server is draining: who has sent nothing, and is closed when it was read once more.

    What came before the stop may not have been read yet. `InputRead` says what was, but only of its
    own tick, which may have begun before; so a whole one has to pass.
    """

    __match_args__ = ("newest", "due")
    __slots__ = __match_args__

    def __init__(self, newest: PVector[Conn], due: PVector[Conn]) -> None:
        self.newest: Final = newest
        """Those whom the next `InputRead` does not concern: its tick may have begun before the
        stop, or before they were accepted.
        """
        self.due: Final = due
        """Those whom it does."""


NO_LAST_READS: Final = LastReads(pvector(), pvector())


@final
class Server(Value):
    """A server; times are in seconds. Those of connections, of the wheel and of the load are of the
    counted time (`counted_now`); all others but `unix_time` are on the clock of `now`.
    """

    __match_args__ = (
        "slots", "now", "unix_time", "date", "limits", "running", "wheel", "started_at",
        "next_generation", "deadline", "totals", "logs_access", "asks_above", "load",
        "candidates",
        "oldest", "unflushed", "tick_started_at", "broadcast", "held_up", "last_reads",
    )  # fmt: skip
    __slots__ = __match_args__

    def __init__(
        self,
        slots: Slots,
        now: float,
        unix_time: int,
        date: bytes,
        limits: Limits,
        running: ServerState,
        wheel: Wheel,
        started_at: float,
        next_generation: int,
        deadline: float,
        totals: Totals,
        logs_access: bool,
        asks_above: int,
        load: Load,
        candidates: Candidates,
        oldest: Oldest,
        unflushed: PVector[Conn],
        tick_started_at: float,
        broadcast: Broadcast,
        held_up: HeldUp,
        last_reads: LastReads,
    ) -> None:
        self.slots: Final = slots
        """The table of connections."""
        self.now: Final = now
        """On a clock that never goes back."""
        self.unix_time: Final = unix_time
        """Whole seconds since 1970, for the Date field."""
        self.date: Final = date
        """The Date field of that second, and the empty line that ends a head."""
        self.limits: Final = limits
        self.running: Final = running
        self.wheel: Final = wheel
        """When to look at which connection's deadline."""
        self.started_at: Final = started_at
        self.next_generation: Final = next_generation
        """The `generation` of the next connection; it is never used twice."""
        self.deadline: Final = deadline
        """When draining ends and whoever is left is closed; it means nothing before."""
        self.totals: Final = totals
        self.logs_access: Final = logs_access
        self.asks_above: Final = asks_above
        """The program is asked how it wants the body of a request that is longer, or whose length
        nobody knows, before that is read; `NEVER_ASKS` if about none.
        """
        self.load: Final = load
        """Sums over all clients, which the budgets are compared with."""
        self.candidates: Final = candidates
        """Who loses its slot next."""
        self.oldest: Final = oldest
        """The subscribers in the order in which they give way to newer ones."""
        self.unflushed: Final = unflushed
        """The subscribers with something queued that leaves at the end of the tick, each once."""
        self.tick_started_at: Final = tick_started_at
        """When the last tick began, in counted time."""
        self.broadcast: Final = broadcast
        self.held_up: Final = held_up
        self.last_reads: Final = last_reads


def make_server(
    limits: Limits,
    now: float,
    unix_time: int,
    logs_access: bool = False,
    epoch: int = 0,
    asks_above: int = NEVER_ASKS,
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
        date=end_of_head(unix_time, limits.date_header),
        limits=limits,
        running=ServerState.SERVING,
        wheel=make_wheel(shortest_timeout(limits)),
        started_at=now,
        next_generation=0,
        deadline=0.0,
        totals=NO_TOTALS,
        logs_access=logs_access,
        asks_above=asks_above,
        load=NO_LOAD,
        candidates=NO_CANDIDATES,
        oldest=NOBODY,
        unflushed=pvector(),
        tick_started_at=now,
        broadcast=make_broadcast(limits, epoch),
        held_up=NEVER_HELD_UP.replace(tick_at=now),
        last_reads=NO_LAST_READS,
    )


def counted_now(server: Server) -> float:
    """The time of the server by which deadlines go: without what it was held up."""
    return server.now - server.held_up.seconds


# -- updates ---------------------------------------------------------------------------------------
#
# `replace` asks for every field by its name, which takes many times as long as the constructor. The
# fields are laid out by hand, in the order of the record, so that a look shows which of them are
# replaced.


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
    return Server(
        server.slots, now, unix_time, date, server.limits, server.running, server.wheel,
        server.started_at, server.next_generation, server.deadline, server.totals,
        server.logs_access, server.asks_above, server.load, server.candidates, server.oldest,
        server.unflushed, tick_started_at, server.broadcast, held_up, server.last_reads,
    )  # fmt: skip


def after_run(
    server: Server,
    slots: Slots,
    unflushed: PVector[Conn],
    wheel: Wheel,
    next_generation: int,
    totals: Totals,
) -> Server:
    """The server after a run of events, which has left this table, these subscribers that are to be
    flushed, these timers and these totals.
    """
    return Server(
        slots, server.now, server.unix_time, server.date, server.limits, server.running,
        wheel, server.started_at, next_generation, server.deadline,
        totals, server.logs_access, server.asks_above, server.load, server.candidates,
        server.oldest, unflushed, server.tick_started_at, server.broadcast, server.held_up,
        server.last_reads,
    )  # fmt: skip


def with_broadcast(server: Server, broadcast: Broadcast, totals: Totals) -> Server:
    """The server with another broadcast, and other totals."""
    return Server(
        server.slots, server.now, server.unix_time, server.date, server.limits,
        server.running, server.wheel, server.started_at, server.next_generation,
        server.deadline, totals, server.logs_access, server.asks_above, server.load,
        server.candidates, server.oldest, server.unflushed, server.tick_started_at, broadcast,
        server.held_up, server.last_reads,
    )  # fmt: skip


def with_load(server: Server, load: Load) -> Server:
    """The server with other sums over all clients."""
    return Server(
        server.slots, server.now, server.unix_time, server.date, server.limits,
        server.running, server.wheel, server.started_at, server.next_generation,
        server.deadline, server.totals, server.logs_access, server.asks_above, load,
        server.candidates, server.oldest, server.unflushed, server.tick_started_at,
        server.broadcast, server.held_up, server.last_reads,
    )  # fmt: skip
