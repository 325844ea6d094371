"""An index of a recording: when each turn was, what happened in it, and in which turns a connection
did something.

Theory: a recording of an hour has a hundred thousand turns, and whoever looks for the one that
matters cannot read them all each time. One pass over events and summaries is enough to know where
connections ended, where somebody stalled and where much was sent; after it, a place is found by
bisection, and a picture of the whole costs as much as it has columns.

Rules: counts are sums from the beginning, so that those of a stretch are differences, and the next
turn of a kind is where the sum grows. The pass holds no turn: some hundred bytes of each are kept.
It does not know the servers between the turns.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from itertools import pairwise
from typing import Any, Final, NamedTuple

from ..broadcast.upstream import UpstreamPublished
from ..close_reasons import CloseReason
from ..conn import Conn
from ..effects import (
    AccessLog,
    Adopt,
    CallClose,
    FanOut,
    Log,
    LogLevel,
    Reject,
    Send,
)
from ..events import (
    Accepted,
    FanOutStalled,
    Publish,
    Received,
    Stalled,
    TickStarted,
    TimeRead,
    conn_of,
)
from ..server.slots import clients_of
from ..server.state import Server
from ..views.story import EVICTIONS
from .summary import EFFECT_KINDS, TICKET
from .turn import Summary, Turn

KINDS: Final = (
    "closes",
    "evictions",
    "stalls",
    "warnings",
    "published",
    "received",
    "sent",
    "gaps",
)
"""What is counted: connections that ended, and those of them that were too slow or gave way; sends
that were not taken whole; log lines that warn; messages; bytes of either direction; and places
where turns are missing.
"""


class Life(NamedTuple):
    """A connection: its name, its address (empty if nobody knows), and the turns in which something
    of its own happened, in order.
    """

    conn: Conn
    peer: str
    turns: "array[int]"


class Timeline(NamedTuple):
    """The index: `times` in seconds of the server's clock and `counts` by kind have one item for
    the first state, and one for each turn; `lives` has connections by their generation, `fan_outs`
    the turns in which cohorts were sent something, `lines` those with a line of a log.
    """

    times: "array[float]"
    counts: "dict[str, array[int]]"
    lives: dict[int, Life]
    fan_outs: "array[int]"
    lines: "array[int]"

    @property
    def turns(self) -> int:
        """How many turns there are."""
        return len(self.times) - 1


def make_timeline(first: Server, turns: Iterable[Turn]) -> Timeline:
    """The index of a recording."""
    counts = {kind: array("q", [0]) for kind in KINDS}
    index = Timeline(array("d", [first.now]), counts, {}, array("q"), array("q"))
    _add_clients(index, first)
    for place, turn in enumerate(turns, 1):
        if turn.gap is not None:
            _add_clients(index, turn.gap.state)
        index.times.append(_time_of(turn, index.times[-1]))
        more = dict.fromkeys(KINDS, 0)
        more["gaps"] = turn.gap is not None
        _add_events(index, place, turn, more)
        _add_effects(index, place, turn, more)
        for kind, column in counts.items():
            column.append(column[-1] + more[kind])
    return index


def _add_clients(index: Timeline, server: Server) -> None:
    """Add the connections of a server that nothing else says of."""
    for client in clients_of(server.slots):
        if client.conn.generation not in index.lives:
            index.lives[client.conn.generation] = Life(client.conn, str(client.peer), array("q"))


def _time_of(turn: Turn, before: float) -> float:
    """What the clock said last in a turn, or before it."""
    for event in reversed(turn.events):
        if isinstance(event, (TickStarted, TimeRead)):
            return event.now
    return before if turn.gap is None else turn.gap.state.now


def _add_events(index: Timeline, place: int, turn: Turn, more: dict[str, int]) -> None:
    """Count the events of a turn."""
    for event in turn.events:
        if isinstance(event, (Stalled, FanOutStalled)):
            more["stalls"] += 1
        elif isinstance(event, Received):
            more["received"] += len(event.data)
        elif isinstance(event, (Publish, UpstreamPublished)):
            more["published"] += len(event.messages)
        conn = conn_of(event)
        if conn is not None:
            _add_place(index, conn, place)


def _add_effects(index: Timeline, place: int, turn: Turn, more: dict[str, int]) -> None:
    """Count the effects of a turn, by what is kept of them."""
    for summary in turn.effects:
        number: Any = summary[0]
        if number in OF_A_CONNECTION:
            _add_place(index, _conn_of(summary), place)
        count = _COUNTERS.get(number)
        if count is not None:
            count(index, place, summary, more)
    for event in turn.events:
        if isinstance(event, Accepted):
            _name_peers(index, turn)
            return


def _conn_of(summary: Summary) -> Conn:
    """The connection that an effect is about."""
    slot, generation = summary[1:3]
    assert isinstance(slot, int) and isinstance(generation, int)
    return Conn(slot, generation)


def _name_peers(index: Timeline, turn: Turn) -> None:
    """Note the addresses of the connections that were adopted in a turn."""
    peers = {one.socket_id: str(one.peer) for one in turn.events if isinstance(one, Accepted)}
    effects: Any = turn.effects
    for summary in effects:
        if summary[0] == _NUMBERS[Adopt]:
            life = index.lives[summary[2]]
            index.lives[summary[2]] = life._replace(peer=peers.get(summary[3], life.peer))


# -- what is counted of an effect, by what is kept of it -------------------------------------------


def _count_close(index: Timeline, place: int, summary: Any, more: dict[str, int]) -> None:
    """A connection ended."""
    more["closes"] += 1
    more["evictions"] += CloseReason(summary[3]) in EVICTIONS


def _count_log(index: Timeline, place: int, summary: Any, more: dict[str, int]) -> None:
    """A line was logged."""
    more["warnings"] += summary[2] >= LogLevel.WARNING
    _add(index.lines, place)


def _count_access(index: Timeline, place: int, summary: Any, more: dict[str, int]) -> None:
    """A line was logged about a request."""
    _add(index.lines, place)


def _count_send(index: Timeline, place: int, summary: Any, more: dict[str, int]) -> None:
    """A connection was sent something."""
    more["sent"] += summary[3][0]


def _count_reject(index: Timeline, place: int, summary: Any, more: dict[str, int]) -> None:
    """A connection was sent something, and is none."""
    more["sent"] += summary[2][0]


def _count_fan_out(index: Timeline, place: int, summary: Any, more: dict[str, int]) -> None:
    """A cohort was sent something."""
    members, data = summary[2], summary[3]
    more["sent"] += members[0] * data[0]
    _add(index.fan_outs, place)


_NUMBERS: Final = {kind.effect: kind.number for kind in EFFECT_KINDS}
OF_A_CONNECTION: Final = frozenset(
    [
        kind.number
        for kind in EFFECT_KINDS
        if kind.fields[:2] in (("conn.slot", "conn.generation"), TICKET[:2])
    ]
)
"""The kinds of effects that are about one connection, by their numbers."""
_COUNTERS: Final = {
    _NUMBERS[CallClose]: _count_close,
    _NUMBERS[Log]: _count_log,
    _NUMBERS[AccessLog]: _count_access,
    _NUMBERS[Send]: _count_send,
    _NUMBERS[Reject]: _count_reject,
    _NUMBERS[FanOut]: _count_fan_out,
}
"""What is counted of an effect, by the number of its kind."""


def _add_place(index: Timeline, conn: Conn, place: int) -> None:
    """Note that something of a connection happened in a turn."""
    life = index.lives.get(conn.generation)
    if life is None:
        life = index.lives[conn.generation] = Life(conn, "", array("q"))
    _add(life.turns, place)


def _add(places: "array[int]", place: int) -> None:
    """Add a turn to a list of turns, once."""
    if not places or places[-1] != place:
        places.append(place)


# -- looking for turns -----------------------------------------------------------------------------


def next_of(index: Timeline, kind: str, turn: int) -> int | None:
    """The first turn behind this one in which something of a kind happened."""
    column = index.counts[kind]
    found = bisect_right(column, column[turn])
    return found if found < len(column) else None


def previous_of(index: Timeline, kind: str, turn: int) -> int | None:
    """The last turn before this one in which something of a kind happened."""
    column = index.counts[kind]
    total = column[max(0, turn - 1)]
    return bisect_left(column, total) if total else None


def turn_at(index: Timeline, time: float) -> int:
    """The last turn that was not later than a time on the server's clock; 0 if there is none."""
    return max(0, bisect_right(index.times, time) - 1)


def columns_of(index: Timeline, first: int, last: int, count: int) -> dict[str, list[int]]:
    """The counts of the turns from `first` to `last`, in up to `count` columns of as many turns
    each: `"turns"` has the first turn of each column, and where the last one ends.
    """
    span = last - first + 1
    count = max(1, min(count, span))
    edges = [first + span * number // count for number in range(count + 1)]
    found = {"turns": edges}
    for kind, column in index.counts.items():
        sums = [column[edge - 1] if edge else 0 for edge in edges]
        found[kind] = [after - before for before, after in pairwise(sums)]
    return found


def places_before(places: "array[int]", turn: int, count: int) -> list[int]:
    """The last `count` of these turns that are not behind this one, in order."""
    end = bisect_right(places, turn)
    return list(places[max(0, end - count) : end])
