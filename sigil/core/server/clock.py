"""The parts of it."""

from ..close_reasons import CloseReason
from ..conn import Conn
from ..connection.client import Gone, Parse
from ..connection.deadlines import deadline_of
from ..connection.timeouts import overdue
from ..effects import Effect
from ..events import Elapsed, Moment
from ..http.encode import date_line
from .batch import Desk
from .eviction import slowest_reader
from .lifecycle import _stop_now
from .state import Running, Server, at_time
from .timer_wheel import file, next_look, turn

RELIEF_SECONDS = 1.0
"""How long clients have to take what they are owed when it is too much altogether, before the slowest is dropped."""


def elapsed(server: Server, event: Elapsed, parse: Parse) -> tuple[Server, list[Effect]]:
    """The clock was read: deadlines may have passed, and the date may have changed."""
    now = event.now
    server = _at(server, now, event.wall, now)
    if server.running is Running.DRAINING and now >= server.deadline:
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


def is_due(server: Server, now: float) -> bool:
    """True if `Elapsed` must be told at this time even if nothing else has happened."""
    soonest = server.wheel.soonest
    return (server.running is not Running.SERVING or server.load.paused_at is not None
            or (soonest is not None and now >= soonest * server.wheel.grain))


def next_deadline(server: Server) -> float | None:
    """When `Elapsed` must be told at the latest, on the clock of `now`; None if nothing waits."""
    paused_at = server.load.paused_at
    times = (next_look(server.wheel),
             server.deadline if server.running is Running.DRAINING else None,
             None if paused_at is None else paused_at + RELIEF_SECONDS)
    return min((at for at in times if at is not None), default=None)
