"""The parts of it."""

from ..close_reasons import CloseReason
from ..conn import Conn
from ..connection.client import Disconnected
from ..connection.context import Parse
from ..connection.deadlines import deadline_of
from ..connection.timeouts import timed_out
from ..effects import Effect
from ..events import TickStarted, TimeRead
from ..http.encode import date_field_and_end
from .batch import Batch
from .eviction import slowest_reader
from .lifecycle import stop_now
from .state import Server, ServerState, at_time
from .timer_wheel import expire, next_expiry, schedule

OVERLOAD_GRACE_SECONDS = 1.0
"""How long clients have to take what they are owed when it is too much altogether, before the
slowest is dropped.
"""


def tick_started(server: Server, event: TickStarted, parse: Parse) -> tuple[Server, list[Effect]]:
    """The clock was read: deadlines may have passed, and the date may have changed."""
    now = event.now
    server = _at_time(server, now, event.unix_time, now)
    if server.running is ServerState.DRAINING and now >= server.deadline:
        return stop_now(server, parse)
    wheel, due = expire(server.wheel, now)
    is_relief_due = (
        server.load.paused_at is not None and now >= server.load.paused_at + OVERLOAD_GRACE_SECONDS
    )
    if not due and not is_relief_due:
        return server, []
    return _check_deadlines(server._replace(wheel=wheel), due, is_relief_due, parse)


def time_read(server: Server, event: TimeRead, parse: Parse) -> tuple[Server, list[Effect]]:
    """The clock was read, and nothing is due before the next turn."""
    return _at_time(server, event.now, event.unix_time, server.tick_started_at), []


def _at_time(server: Server, now: float, wall: int, began: float) -> Server:
    """The server at a time, in a turn that began at another."""
    date = server.date if wall == server.unix_time else date_field_and_end(wall)
    return at_time(server, now, wall, date, began)


def _check_deadlines(
    server: Server, due: list[Conn], is_relief_due: bool, parse: Parse
) -> tuple[Server, list[Effect]]:
    """Close what is overdue among these, and file the others again; make room if too much is owed."""
    batch = Batch(server, parse)
    for conn in due:
        client = batch.draft.find_client(conn)
        if client is not None and deadline_of(client, server.limits) <= server.now:
            batch.commit(client, timed_out(client, batch.context))
            client = batch.draft.find_client(conn)
        if client is not None:
            batch.wheel = schedule(
                batch.wheel, conn, server.now, deadline_of(client, server.limits)
            )
    while is_relief_due and batch.load.paused_at is not None:
        slowest = slowest_reader(batch.draft.clients(), server.now)
        if slowest is None:
            break
        batch.commit(slowest, (Disconnected(slowest, CloseReason.TOO_SLOW), []))
    return batch.finish()


def is_due(server: Server, now: float) -> bool:
    """True if `TickStarted` must be told at this time even if nothing else has happened."""
    soonest = server.wheel.soonest
    return (
        server.running is not ServerState.SERVING
        or server.load.paused_at is not None
        or (soonest is not None and now >= soonest * server.wheel.granularity)
    )


def next_deadline(server: Server) -> float | None:
    """When `TickStarted` must be told at the latest, on the clock of `now`; None if nothing waits."""
    paused_at = server.load.paused_at
    times = (
        next_expiry(server.wheel),
        server.deadline if server.running is ServerState.DRAINING else None,
        None if paused_at is None else paused_at + OVERLOAD_GRACE_SECONDS,
    )
    return min((at for at in times if at is not None), default=None)
