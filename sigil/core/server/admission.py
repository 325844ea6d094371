"""The parts of it."""

from ..close_reasons import MEANINGS, CloseReason
from ..conn import Conn
from ..connection.client import Parse, is_talking, make_client
from ..connection.deadlines import deadline_of
from ..connection.responses import INFO, NO_HEAD, WARNING, unavailable
from ..effects import Adopt, Effect, Greet, Note, TurnAway
from ..events import Accepted
from .batch import Desk
from .eviction import victims
from .slots import Draft
from .state import Running, Server
from .timer_wheel import file


def accept_new_client(server: Server, event: Accepted, parse: Parse) -> tuple[Server, list[Effect]]:
    """A connection is at the door: give it a slot, which may be somebody else's, or a 503."""
    effects: list[Effect] = []
    if server.running is not Running.SERVING:
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


def room_of(server: Server) -> int:
    """How many newcomers may be let in now; those beyond are to wait where they are."""
    limits = server.limits
    used = server.slots.used - server.load.talks
    return max(0, limits.max_connection_cnt - used) if limits.full_policy == "wait" else EVERYBODY

EVERYBODY = 2**30
"""More than anybody could accept: the newcomers are not to wait."""
