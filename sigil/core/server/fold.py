"""The spine: a server is a fold of events, and every event gives orders.

Theory: `step(server, event)` is the whole server.  `advance` is the same for many events at once: the fold of `step`,
with neighbouring sends of one connection joined.  It is what the shell calls, because one draft of the table serves
all the events.

Rules: both are pure and total; an event for a connection that is gone changes nothing.  What happens to one connection
stands in `transition`; what happens to the server as a whole, here.  Adding a kind of event means adding a row
to one of the two tables.  It does not know sockets, clocks, threads or logs: it is told, and it orders.
"""

from collections.abc import Callable, Sequence
from typing import Any

from ..close_reasons import MEANINGS, CloseReason
from ..conn import Conn
from ..connection.client import CALM, CLEAR, PARKED, TALKING, Client, Gone, Parse, is_listed, is_talking, make_client
from ..connection.deadlines import Waiting, deadline_of, waiting_for
from ..connection.responses import INFO, NO_HEAD, WARNING, unavailable
from ..connection.transitions import TRANSITIONS, hung_up, overdue
from ..effects import Adopt, Effect, Greet, Note, Send, Then, TurnAway
from ..events import Accepted, Elapsed, Event, Flush, Hangup, Moment, Publish, Stop
from ..http.encode import date_line
from ..http.head import parse_headers_only
from .batch import Desk
from .eviction import slowest_reader, victims
from .publish import flush_turn, publish
from .slots import Draft, clients_of
from .state import Running, Server, at_time
from .state import make_server as make_server
from .timer_wheel import file, next_look, turn
from .totals import Stats, requests_of

_SERVING = Running.SERVING
_DRAINING = Running.DRAINING

RELIEF_SECONDS = 1.0
"""How long clients have to take what they are owed when it is too much altogether, before the slowest is dropped."""


# -- the fold -----------------------------------------------------------------------------------------------------

def _fold(server: Server, events: Sequence[Event], parse: Parse) -> tuple[Server, list[Effect], bool]:
    """Apply events in order; True if the orders may hold neighbouring sends of one connection."""
    effects: list[Effect] = []
    start, is_joinable = 0, False
    while start < len(events):
        whole = _TRANSITIONS.get(type(events[start]))
        if whole is None:
            server, more, joins, start = _apply_run(server, events, start, parse)
            is_joinable = is_joinable or joins or bool(effects)
        else:
            server, more = whole(server, events[start], parse)
            start += 1
            is_joinable = is_joinable or (bool(more) and (bool(effects) or whole is not flush_turn))
        effects = effects + more if effects else more
    return server, effects, is_joinable


def _apply_run(server: Server, events: Sequence[Any], start: int,
               parse: Parse) -> tuple[Server, list[Effect], bool, int]:
    """Apply neighbouring events that concern single connections, up to the first that does not: the loop to be fast in.

    Also returned: whether the orders may hold neighbouring sends of one connection, and where the run ended.
    """
    desk = Desk(server, parse)
    entries, effects, context = desk.draft.entries, desk.effects, desk.context
    last, is_joinable, index, length = -1, False, start, len(server.slots.entries)
    for index in range(start, len(events)):
        event = events[index]
        kind = type(event)
        transition = TRANSITIONS.get(kind)
        if transition is None:
            break
        conn = event.ticket.conn if transition.has_ticket else event.conn
        slot = conn.slot
        client = entries[slot] if 0 <= slot < length else None
        if type(client) is not Client or (client.conn is not conn and client.conn != conn):
            desk.miss(kind)
            continue
        is_joinable = is_joinable or slot == last
        last = slot
        if client.outflow is CLEAR:
            rest = client.intake
            simple = None
            if rest is CALM:
                simple = transition.calm
            elif rest is TALKING:
                simple = transition.talking
            elif rest is PARKED:
                simple = transition.parked
            step = None if simple is None else simple(client, event, context)
            if step is not None:
                after, orders = step
                entries[slot] = after
                effects += orders
                if rest is not CALM and is_listed(after) and not is_listed(client):
                    desk.unflushed.append(conn)
                continue
        desk.settle(client, transition.apply(client, event, context))
        is_joinable = True
        if desk.context is not context:
            context = desk.context
    else:
        index += 1
    return (*desk.finish(), is_joinable, index)


def coalesce(effects: Sequence[Effect]) -> list[Effect]:
    """The same orders with neighbouring sends of one connection made one."""
    joined: list[Effect] = []
    last: Effect | None = None
    for effect in effects:
        if type(effect) is Send and type(last) is Send and last.conn == effect.conn and last.then is Then.KEEP:
            last = Send(last.conn, last.segments + effect.segments, effect.then)
            joined[-1] = last
        else:
            joined.append(effect)
            last = effect
    return joined


def step(server: Server, event: Event, parse: Parse = parse_headers_only) -> tuple[Server, tuple[Effect, ...]]:
    """The server after one event, and the orders that follow from it."""
    server, effects, _ = _fold(server, (event,), parse)
    return server, tuple(effects)


def advance(server: Server, events: Sequence[Event],
            parse: Parse = parse_headers_only) -> tuple[Server, list[Effect]]:
    """The server after all events, and the orders: the fold of `step`, then `coalesce`.

    `parse` may be any function of bytes equal to `parse_headers_only` under the server's limits, such as one that
    remembers.
    """
    server, effects, is_joinable = _fold(server, events, parse)
    return server, coalesce(effects) if is_joinable else effects


# -- what happens to the server as a whole ------------------------------------------------------------------------

def elapsed(server: Server, event: Elapsed, parse: Parse) -> tuple[Server, list[Effect]]:
    """The clock was read: deadlines may have passed, and the date may have changed."""
    now = event.now
    server = _at(server, now, event.wall, now)
    if server.running is _DRAINING and now >= server.deadline:
        return _stop_now(server, parse)
    wheel, due = turn(server.wheel, now)
    is_relief_due = server.load.paused_at is not None and now >= server.load.paused_at + RELIEF_SECONDS
    if not due and not is_relief_due:
        return server, []
    return _look_at(server._replace(wheel=wheel), due, is_relief_due, parse)


def moment(server: Server, event: Moment, parse: Parse) -> tuple[Server, list[Effect]]:
    """The clock was read, and nothing is due before the next turn."""
    return _at(server, event.now, event.wall, server.began), []


def _at(server: Server, now: float, wall: int, began: float) -> Server:
    """The server at a time, in a turn that began at another."""
    date = server.date if wall == server.wall else date_line(wall)
    return at_time(server, now, wall, date, began)


def _look_at(server: Server, due: list[Conn], is_relief_due: bool, parse: Parse) -> tuple[Server, list[Effect]]:
    """Close what is overdue among these, and file the others again; make room if too much is owed."""
    desk = Desk(server, parse)
    for conn in due:
        client = desk.draft.find(conn)
        if client is not None and deadline_of(client, server.limits) <= server.now:
            desk.settle(client, overdue(client, desk.context))
            client = desk.draft.find(conn)
        if client is not None:
            desk.wheel = file(desk.wheel, conn, server.now, deadline_of(client, server.limits))
    while is_relief_due and desk.load.paused_at is not None:
        slowest = slowest_reader(desk.draft.clients(), server.now)
        if slowest is None:
            break
        desk.settle(slowest, (Gone(slowest, CloseReason.TOO_SLOW), []))
    return desk.finish()


def accept_new_client(server: Server, event: Accepted, parse: Parse) -> tuple[Server, list[Effect]]:
    """A connection is at the door: give it a slot, which may be somebody else's, or a 503."""
    effects: list[Effect] = []
    if server.running is not _SERVING:
        return _turn_away(server, event, CloseReason.SHUTDOWN)
    if server.slots.used - server.load.talks >= server.limits.max_connection_cnt:
        if server.limits.full_policy != "evict":
            return _turn_away(server, event, CloseReason.FULL)
        server, effects = _evict_one(server, parse)
    draft, totals = Draft(server.slots), server.totals
    conn = Conn(draft.next_slot(), server.turn)
    client = make_client(conn, event.peer, server.now)
    draft.add(client)
    after = server._replace(slots=draft.finish(), turn=server.turn + 1,
                            wheel=file(server.wheel, conn, server.now, deadline_of(client, server.limits)),
                            totals=totals._replace(accepted=totals.accepted + 1))
    return after, [*effects, Adopt(conn, event.door), Greet(conn)]


def _evict_one(server: Server, parse: Parse) -> tuple[Server, list[Effect]]:
    """Free the slot of whoever is to go first.  The ranking is used up before another is made."""
    desk = Desk(server, parse)
    ranking = server.victims
    while True:
        ranking = ranking or victims(desk.draft.clients())
        (conn, since), *rest = ranking
        ranking = tuple(rest)
        client = desk.draft.find(conn)
        if client is not None and client.since == since and not is_talking(client):
            break
    desk.dismiss(client, CloseReason.EVICTED)
    after, effects = desk.finish()
    note = Note("sigil.server", INFO, f"{client.peer} evicted: {MEANINGS[CloseReason.EVICTED].sentence}")
    return after._replace(victims=ranking), [note, *effects]


def _turn_away(server: Server, event: Accepted, reason: CloseReason) -> tuple[Server, list[Effect]]:
    """503 with a sentence, and no record."""
    totals = server.totals._replace(turned_away=server.totals.turned_away + 1)
    note = Note("sigil.server", WARNING, f"{event.peer} turned away, {reason.name}: {MEANINGS[reason].sentence}")
    data = b"".join(unavailable(reason, NO_HEAD, server.date))
    return server._replace(totals=totals), [note, TurnAway(event.door, data)]


def stop(server: Server, event: Stop, parse: Parse) -> tuple[Server, list[Effect]]:
    """Drain, or the second time stop at once."""
    if server.running is not _SERVING:
        return _stop_now(server, parse)
    draining = server._replace(running=Running.DRAINING, deadline=server.now + event.grace)
    if event.grace <= 0:
        return _stop_now(draining, parse)
    desk = Desk(draining, parse)
    for client in list(clients_of(draining.slots)):
        if waiting_for(client) is Waiting.IDLE:
            desk.settle(client, (Gone(client, CloseReason.SHUTDOWN), []))
        elif is_talking(client):
            desk.settle(client, hung_up(client, Hangup(client.conn, CloseReason.SHUTDOWN), desk.context))
    return desk.finish()


def _stop_now(server: Server, parse: Parse) -> tuple[Server, list[Effect]]:
    """Whoever is still owed an answer gets a 503 if it can take it at once; then everything is closed."""
    desk = Desk(server, parse)
    for known in list(clients_of(server.slots)):
        client = desk.draft.find(known.conn)
        if client is not None:
            desk.dismiss(client, CloseReason.SHUTDOWN)
    return desk.finish()


_TRANSITIONS: dict[type, Callable[[Server, Any, Parse], tuple[Server, list[Effect]]]] = {
    Elapsed: elapsed,
    Moment: moment,
    Accepted: accept_new_client,
    Publish: publish,
    Flush: flush_turn,
    Stop: stop,
}
"""Every kind of event that concerns the server as a whole, and what it does."""


# -- questions ----------------------------------------------------------------------------------------------------

def room_of(server: Server) -> int:
    """How many newcomers may be let in now; those beyond are to wait where they are."""
    limits = server.limits
    used = server.slots.used - server.load.talks
    return max(0, limits.max_connection_cnt - used) if limits.full_policy == "wait" else EVERYBODY


EVERYBODY = 2**30
"""More than anybody could accept: the newcomers are not to wait."""


def is_due(server: Server, now: float) -> bool:
    """True if `Elapsed` must be told at this time even if nothing else has happened."""
    soonest = server.wheel.soonest
    return (server.running is not _SERVING or server.load.paused_at is not None
            or (soonest is not None and now >= soonest * server.wheel.grain))


def next_deadline(server: Server) -> float | None:
    """When `Elapsed` must be told at the latest, on the clock of `now`; None if nothing waits."""
    paused_at = server.load.paused_at
    times = (next_look(server.wheel),
             server.deadline if server.running is _DRAINING else None,
             None if paused_at is None else paused_at + RELIEF_SECONDS)
    return min((at for at in times if at is not None), default=None)


def stats(server: Server) -> Stats:
    """The figures of a server."""
    clients = list(clients_of(server.slots))
    totals = server.totals
    return Stats(
        uptime_seconds=server.now - server.since,
        clients=len(clients),
        accepted=totals.accepted,
        turned_away=totals.turned_away,
        requests=totals.requests + sum(map(requests_of, clients)),
        bytes_in=totals.bytes_in + sum(client.bytes_in for client in clients),
        bytes_out=totals.bytes_out + sum(client.bytes_out for client in clients),
        late=totals.late,
        outbox_bytes=server.load.outbound,
        closed=dict(sorted(totals.closed.items())),
        sse_skipped=totals.skipped,
    )
