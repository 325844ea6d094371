"""New connections: who gets a slot, whose slot that is, and who is rejected with a 503.

Theory: `max_connection_cnt` bounds the connections, so a server can be full, and `full_policy` says
what becomes of a new connection then. "evict" gives it the slot of a connection that matters less,
so that idle ones cannot lock everybody out; "503" rejects it; under "wait" the shell asks
`accept_room` first and leaves it in the kernel's queue. A process without a descriptor for a
connection that waits is as full as one without a slot. A server that is draining takes those who
are still in that queue, since it closes it, and evicts nobody for them.

Rules: subscribers have a budget of their own and do not count. Candidates for eviction that were
seen are kept in `Server.candidates`, and one that has moved on since is passed over. A rejected
connection leaves no record, only a number in `Totals.rejected`. This file does not know sockets:
`socket_id` is handed back as it came.
"""

from collections.abc import Callable
from functools import partial

from ..close_reasons import CLOSE_INFO, CloseReason
from ..conn import Conn
from ..connection.client import Client, make_client
from ..connection.context import Parse
from ..connection.deadlines import deadline_of
from ..connection.responses import NO_HEAD, service_unavailable
from ..effects import SERVER_LOG, Adopt, CallOpen, Effect, Log, LogLevel, Reject
from ..events import Accepted, DescriptorsExhausted
from ..limits import Limits
from .batch import Batch
from .eviction import next_to_evict
from .slots import Draft
from .state import Server, ServerState, counted_now
from .timer_wheel import schedule

EVICTED_PART = 8
"""No more than this part of all connections is evicted in one tick, by newcomers."""
UNLIMITED = 2**30
"""More connections than anybody can accept: new ones need not wait in the kernel's queue."""


def accept_new_client(server: Server, event: Accepted, parse: Parse) -> tuple[Server, list[Effect]]:
    """The server with a new connection, in a free slot or an evicted one's; or without it, and the
    effect that rejects it with a 503.
    """
    evicted: list[Effect] = []
    is_draining = server.running is ServerState.DRAINING
    if server.running is ServerState.STOPPED:
        return _reject(server, event, CloseReason.SHUTDOWN)
    if _connection_count(server) >= server.limits.max_connection_cnt:
        if is_draining or server.limits.full_policy != "evict":
            return _reject(server, event, CloseReason.FULL)
        server, evicted = _evict_one(server, parse)
    draft, totals = Draft(server.slots), server.totals
    conn = Conn(draft.next_slot(), server.next_generation)
    now = counted_now(server)
    client = make_client(conn, event.peer, now)
    draft.add(client)
    server = server.replace(
        slots=draft.finish(),
        next_generation=server.next_generation + 1,
        wheel=schedule(server.wheel, conn, now, deadline_of(client, server.limits)),
        totals=totals.replace(accepted=totals.accepted + 1),
    )
    if is_draining:
        server = _await_last_read(server, conn)
    return server, [*evicted, Adopt(conn, event.socket_id), CallOpen(conn)]


def _await_last_read(server: Server, conn: Conn) -> Server:
    """The draining server, which reads this newcomer once before it may be closed."""
    last_reads = server.last_reads
    newest = last_reads.newest.append(conn)
    return server.replace(last_reads=last_reads.replace(newest=newest))


def free_descriptor(
    server: Server, event: DescriptorsExhausted, parse: Parse
) -> tuple[Server, list[Effect]]:
    """The server after somebody was evicted whose descriptor a newcomer can have, if that is the
    policy: a connection that matters less, or the oldest subscriber if there is none. Whoever has
    come in or has asked in this tick is left alone: it is answered before the next one.
    """
    if server.running is not ServerState.SERVING or server.limits.full_policy != "evict":
        return server, []
    if _connection_count(server):
        return _evict_one(server, parse, unless=partial(_is_active, server))
    batch = Batch(server, parse)
    batch.evict_oldest(None)
    return batch.finish()


def _is_active(server: Server, client: Client) -> bool:
    """True for a client that has begun to wait for something in this tick."""
    return client.waiting_since >= server.tick_started_at


def _connection_count(server: Server) -> int:
    """Connections that count against `max_connection_cnt`: all but subscribers."""
    return server.slots.used - server.load.websockets


def _evict_one(
    server: Server, parse: Parse, unless: Callable[[Client], bool] = lambda client: False
) -> tuple[Server, list[Effect]]:
    """The server with one more free slot, if it has a connection that is no subscriber and the next
    one to be evicted is not spared (`unless`).
    """
    batch = Batch(server, parse)
    client, candidates = next_to_evict(batch.draft, server.candidates, counted_now(server))
    if client is None or unless(client):
        return server, []
    batch.close_now(client, CloseReason.EVICTED)
    server, effects = batch.finish()
    text = f"{client.peer} evicted: {CLOSE_INFO[CloseReason.EVICTED].sentence}"
    return server.replace(candidates=candidates), [Log(SERVER_LOG, LogLevel.INFO, text), *effects]


def _reject(server: Server, event: Accepted, reason: CloseReason) -> tuple[Server, list[Effect]]:
    """The server with one more rejected connection, and the effects: a log line and a 503."""
    totals = server.totals.replace(rejected=server.totals.rejected + 1)
    text = f"{event.peer} rejected, {reason.name}: {CLOSE_INFO[reason].sentence}"
    response = b"".join(service_unavailable(reason, NO_HEAD, server.date))
    return server.replace(totals=totals), [
        Log(SERVER_LOG, LogLevel.WARNING, text),
        Reject(event.socket_id, response),
    ]


def accept_room(server: Server) -> int:
    """How many connections may be accepted now; more of them are to wait in the kernel's queue."""
    limits = server.limits
    if limits.full_policy != "wait":
        return UNLIMITED
    return max(0, limits.max_connection_cnt - _connection_count(server))


def max_accepts(limits: Limits) -> int:
    """How many connections may be accepted in one tick: not so many that newcomers evict each other
    before they were read and answered.
    """
    if limits.full_policy != "evict":
        return limits.max_accepts_per_tick
    return min(limits.max_accepts_per_tick, max(1, limits.max_connection_cnt // EVICTED_PART))
