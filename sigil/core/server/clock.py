"""Time: what a reading of the clock brings about, and when the next one is needed.

Theory: the core has no clock; the shell reads one and reports it. `TickStarted` opens a tick,
`TimeRead` says that time has gone on within it, and nothing is overdue because of either: what has
arrived by then is handled first. `InputRead` says that it was, and then whoever was due when the
tick started is judged (DESIGN 3, law 2).

Rules: a connection that is ready and was not read in this tick is not late; it is looked at again
in the next one. Only connections whose bucket of the timer wheel has expired are looked at, so a
tick in which nothing is due costs the same however many there are. A connection that is looked at
and is not overdue is scheduled again. When clients together do not read for
`OVERLOAD_GRACE_SECONDS` while the server is paused, the slowest readers are disconnected until it
is not. What it means for deadlines that the loop was held up stands in `held_up`. This file does
not know what a timeout means for a connection (`connection/timeouts`), nor who reads the clock.
"""

from math import inf, nextafter
from typing import Final

from ..conn import Conn
from ..connection.context import Parse
from ..connection.deadlines import deadline_of, lapse
from ..connection.timeouts import timed_out
from ..effects import Effect
from ..events import InputRead, TickStarted, TimeRead
from ..http.encode import end_of_head
from .batch import Batch
from .eviction import LONGEST_LOOK
from .extra_timers import gives_up_timer, without_extra_timer
from .held_up import judged_at, when_read, when_tick_started
from .lifecycle import close_unheard, stop_now
from .state import Server, ServerState, at_time
from .timer_wheel import expire, next_expiry, put_back, schedule

LOOKS_PER_OVERDUE: Final = 8
"""Connections that can be looked at in the time that it takes to deal with one that is overdue."""
OVERLOAD_GRACE_SECONDS: Final = 1.0
"""How long a paused server waits for its clients to read, before it disconnects the slowest."""


def tick_started(server: Server, event: TickStarted, parse: Parse) -> tuple[Server, list[Effect]]:
    """The server at the beginning of a tick; there are no effects."""
    now, unix_time = event.now, event.unix_time
    held_up = when_tick_started(server.held_up, server.wheel, server.tick_started_at, now)
    started_at = now - held_up.seconds
    return at_time(server, now, unix_time, _date_at(server, unix_time), started_at, held_up), []


def time_read(server: Server, event: TimeRead, parse: Parse) -> tuple[Server, list[Effect]]:
    """The server at a later time of the same tick; there are no effects."""
    now, unix_time, started_at = event.now, event.unix_time, server.tick_started_at
    held_up = when_read(server.held_up, server.wheel, started_at, now)
    return at_time(server, now, unix_time, _date_at(server, unix_time), started_at, held_up), []


def input_read(server: Server, event: InputRead, parse: Parse) -> tuple[Server, list[Effect]]:
    """The server with whatever was overdue when the tick started closed, and the effects."""
    at, paused_at = judged_at(server.held_up, server.tick_started_at), server.load.paused_at
    if server.running is ServerState.DRAINING and server.now >= server.deadline:
        return stop_now(server, parse)
    server, closed = close_unheard(server, event.unread, parse)
    max_looks = LOOKS_PER_OVERDUE * server.limits.max_overdue_per_tick
    wheel, expired = expire(server.wheel, at, max_looks)
    is_overloaded = paused_at is not None and at >= paused_at + OVERLOAD_GRACE_SECONDS
    if not expired and not is_overloaded:
        return server, closed
    server = server.replace(wheel=wheel)
    server, effects = _check_deadlines(server, at, expired, event.unread, parse)
    if not is_overloaded or server.load.paused_at is None:
        return server, closed + effects
    server, more = _disconnect_slowest_readers(server, event.unread, parse)
    return server, closed + effects + more


def _date_at(server: Server, unix_time: int) -> bytes:
    """The Date field of a second, made anew only if it is another second than before."""
    if unix_time == server.unix_time:
        return server.date
    return end_of_head(unix_time, server.limits.date_header)


def _check_deadlines(
    server: Server, at: float, conns: list[Conn], unread: frozenset[Conn], parse: Parse
) -> tuple[Server, list[Effect]]:
    """The server after those of these connections that are overdue at `at` have timed out, the
    `unread` apart, as many of them as one tick may deal with; those that are still open are
    scheduled again.
    """
    batch, wheel = Batch(server, parse), server.wheel
    left = server.limits.max_overdue_per_tick
    for place, conn in enumerate(conns):
        if not left:
            wheel = put_back(wheel, conns[place:], at)
            break
        client = batch.draft.find_client(conn)
        is_judged = client is not None and conn not in unread
        if client is not None and is_judged and deadline_of(client, server.limits) <= at:
            left -= 1
            batch.commit(client, timed_out(client, batch.context))
            client = batch.draft.find_client(conn)
        if client is not None:
            if is_judged:
                client = lapse(client, server.limits, at)
            deadline = deadline_of(client, server.limits)
            if is_judged and gives_up_timer(client, deadline, at, wheel.period):
                client = without_extra_timer(client)
            else:
                wheel = schedule(wheel, conn, at, deadline)
            batch.draft.put(client)
    server, effects = batch.finish()
    return server.replace(wheel=wheel), effects


def _disconnect_slowest_readers(
    server: Server, unread: frozenset[Conn], parse: Parse
) -> tuple[Server, list[Effect]]:
    """The server without the slowest readers, the `unread` the last of them: as many as it takes to
    resume, or as one tick may look at and deal with; the next one goes on with the other slots.
    """
    slot, slot_count = server.candidates.next_slot, max(1, len(server.slots.entries))
    after = (slot + LONGEST_LOOK) % slot_count
    server = server.replace(candidates=server.candidates.replace(next_slot=after))
    batch = Batch(server, parse)
    clients = batch.draft.clients_from(slot, min(LONGEST_LOOK, slot_count))
    max_count = server.limits.max_overdue_per_tick
    batch.drop_readers(lambda: batch.server.load.paused_at is not None, clients, unread, max_count)
    if not batch.server.load.outbound and batch.server.load.paused_at is not None:
        batch.end_pause()  # it could not end otherwise
    return batch.finish()


def is_due(server: Server, now: float) -> bool:
    """True if a tick that started at `now` must end in `InputRead`, even if nothing came in."""
    due = next_expiry(server.wheel)
    return (
        server.running is not ServerState.SERVING
        or server.load.paused_at is not None
        or (due is not None and now - server.held_up.seconds >= due)
    )


def next_deadline(server: Server) -> float | None:
    """When a tick is needed at the latest, on the clock of `now`; None if there is no deadline."""
    due, paused_at = next_expiry(server.wheel), server.load.paused_at
    deadlines = [server.deadline] if server.running is ServerState.DRAINING else []
    if server.last_reads.newest or server.last_reads.due:
        deadlines.append(server.now)  # whoever is to be read once more is read at once
    counted = [] if due is None else [due]
    if paused_at is not None:
        counted.append(paused_at + OVERLOAD_GRACE_SECONDS)
    if counted:
        deadlines.append(_on_the_clock(server, max(min(counted), server.held_up.judges_from)))
    return min(deadlines, default=None)


def _on_the_clock(server: Server, counted: float) -> float:
    """When the clock of `now` has come to a moment of the counted time."""
    seconds = server.held_up.seconds
    now = counted + seconds
    return now if now - seconds >= counted else nextafter(now, inf)
