"""The parts of it."""

from ..close_reasons import CLOSE_INFO, CloseReason
from ..conn import Conn
from ..connection.client import is_subscriber, make_client
from ..connection.context import Parse
from ..connection.deadlines import deadline_of
from ..connection.responses import NO_HEAD, service_unavailable
from ..effects import SERVER_LOG, Adopt, CallOpen, Effect, Log, LogLevel, Reject
from ..events import Accepted
from .batch import Batch
from .eviction import eviction_candidates
from .slots import Draft
from .state import Server, ServerState
from .timer_wheel import schedule


def accept_new_client(server: Server, event: Accepted, parse: Parse) -> tuple[Server, list[Effect]]:
    """A connection is at the door: give it a slot, which may be somebody else's, or a 503."""
    effects: list[Effect] = []
    if server.running is not ServerState.SERVING:
        return _reject(server, event, CloseReason.SHUTDOWN)
    if server.slots.used - server.load.websockets >= server.limits.max_connection_cnt:
        if server.limits.full_policy != "evict":
            return _reject(server, event, CloseReason.FULL)
        server, effects = _evict_one(server, parse)
    draft, totals = Draft(server.slots), server.totals
    conn = Conn(draft.next_slot(), server.next_generation)
    client = make_client(conn, event.peer, server.now)
    draft.add(client)
    after = server._replace(
        slots=draft.finish(),
        next_generation=server.next_generation + 1,
        wheel=schedule(server.wheel, conn, server.now, deadline_of(client, server.limits)),
        totals=totals._replace(accepted=totals.accepted + 1),
    )
    return after, [*effects, Adopt(conn, event.socket_id), CallOpen(conn)]


def _evict_one(server: Server, parse: Parse) -> tuple[Server, list[Effect]]:
    """Free the slot of whoever is to go first.  The ranking is used up before another is made."""
    batch = Batch(server, parse)
    ranking = server.eviction_queue
    while True:
        ranking = ranking or eviction_candidates(batch.draft.clients())
        (conn, since), *rest = ranking
        ranking = tuple(rest)
        client = batch.draft.find_client(conn)
        if client is not None and client.waiting_since == since and not is_subscriber(client):
            break
    batch.close_now(client, CloseReason.EVICTED)
    after, effects = batch.finish()
    note = Log(
        SERVER_LOG,
        LogLevel.INFO,
        f"{client.peer} evicted: {CLOSE_INFO[CloseReason.EVICTED].sentence}",
    )
    return after._replace(eviction_queue=ranking), [note, *effects]


def _reject(server: Server, event: Accepted, reason: CloseReason) -> tuple[Server, list[Effect]]:
    """503 with a sentence, and no record."""
    totals = server.totals._replace(rejected=server.totals.rejected + 1)
    note = Log(
        SERVER_LOG,
        LogLevel.WARNING,
        f"{event.peer} turned away, {reason.name}: {CLOSE_INFO[reason].sentence}",
    )
    data = b"".join(service_unavailable(reason, NO_HEAD, server.date))
    return server._replace(totals=totals), [note, Reject(event.socket_id, data)]


def accept_room(server: Server) -> int:
    """How many newcomers may be let in now; those beyond are to wait where they are."""
    limits = server.limits
    used = server.slots.used - server.load.websockets
    return max(0, limits.max_connection_cnt - used) if limits.full_policy == "wait" else UNLIMITED


UNLIMITED = 2**30
"""More than anybody could accept: the newcomers are not to wait."""
