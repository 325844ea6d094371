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

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from ..close_reasons import CLOSE_INFO, CloseReason
from ..conn import Conn
from ..connection.client import (
    IDLE_HTTP,
    PROXIED,
    PROXIED_TLS,
    SECURING,
    Client,
    Incoming,
)
from ..connection.context import Parse
from ..connection.responses import NO_HEAD, service_unavailable
from ..connection.tls_handshake import FATAL_ALERT, on_secured
from ..effects import SERVER_LOG, Adopt, CallOpen, Effect, Log, LogLevel, Reject
from ..events import Accepted, DescriptorsExhausted, Event
from ..limits import Limits
from ..networks import is_in, networks_of
from ..securing import Secured, StartTls
from .batch import Batch
from .eviction import next_to_evict
from .state import Server, ServerState

EVICTED_PART: Final = 8
"""No more than this part of all connections is evicted in one tick, by newcomers."""
UNLIMITED: Final = 2**30
"""More connections than anybody can accept: new ones need not wait in the kernel's queue."""


def accept_new_client(server: Server, event: Accepted, parse: Parse) -> tuple[Server, list[Effect]]:
    """The server with a new connection, in a free slot or an evicted one's; or without it, and the
    effect that rejects it with a 503.
    """
    server, effects, _ = accept_run(server, (event,), 0, parse)
    return server, effects


def accept_run(
    server: Server, events: Sequence[Event], start: int, parse: Parse
) -> tuple[Server, list[Effect], int]:
    """The server with all connections that are accepted from the event at `start` on, up to one of
    another kind; the effects; and where that is.
    """
    batch, index = Batch(server, parse), start
    while index < len(events):
        event = events[index]
        if not isinstance(event, Accepted):
            break
        _accept(batch, event)
        index += 1
    return (*batch.finish(), index)


def _accept(batch: Batch, event: Accepted) -> None:
    """Give a new connection a slot, or reject it."""
    running, limits = batch.server.running, batch.server.limits
    if running is ServerState.STOPPED:
        _reject(batch, event, CloseReason.SHUTDOWN)
        return
    if _connection_count(batch) >= limits.max_connection_cnt:
        if running is ServerState.DRAINING or limits.full_policy != "evict":
            _reject(batch, event, CloseReason.FULL)
            return
        _evict_one(batch)
    incoming = _first_bytes(event, limits)
    conn = batch.add(event.peer, incoming)
    batch.effects += (Adopt(conn, event.socket_id), CallOpen(conn))
    if incoming is SECURING:
        batch.effects.append(StartTls(conn, b""))
    if running is ServerState.DRAINING:
        batch.server = _await_last_read(batch.server, conn)


def _first_bytes(event: Accepted, limits: Limits) -> Incoming:
    """What is expected of a newcomer: a request or a TLS handshake, or first, from a proxy, for
    whom it comes.
    """
    proxies = limits.proxy_protocol
    if proxies and is_in(event.peer.host, networks_of(proxies)):
        return PROXIED_TLS if event.is_tls else PROXIED
    return SECURING if event.is_tls else IDLE_HTTP


def secure(server: Server, event: Secured, parse: Parse) -> tuple[Server, list[Effect]]:
    """The server with a connection whose TLS handshake is over; a draining one reads it once before
    it may be closed, as any newcomer.
    """
    batch = Batch(server, parse)
    client = batch.draft.find_client(event.conn)
    if client is None:
        return server, []
    batch.commit(client, on_secured(client, event, batch.context))
    if server.running is ServerState.DRAINING:
        batch.server = _await_last_read(batch.server, event.conn)
    return batch.finish()


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
    batch = Batch(server, parse)
    if _connection_count(batch):
        _evict_one(batch, unless=partial(_is_active, server))
    else:
        batch.evict_oldest(None)
    return batch.finish()


def _is_active(server: Server, client: Client) -> bool:
    """True for a client that has begun to wait for something in this tick."""
    return client.waiting_since >= server.tick_started_at


def _connection_count(batch: Batch) -> int:
    """Connections that count against `max_connection_cnt`: all but subscribers."""
    return batch.draft.used - batch.server.load.websockets


def _evict_one(batch: Batch, unless: Callable[[Client], bool] = lambda client: False) -> None:
    """Free one slot, if there is a connection that is no subscriber and the next one to be evicted
    is not spared (`unless`).
    """
    server = batch.server
    client, candidates = next_to_evict(batch.draft, server.candidates, batch.context.now)
    if client is None or unless(client):
        return
    text = f"{client.peer} evicted: {CLOSE_INFO[CloseReason.EVICTED].sentence}"
    batch.effects.append(Log(SERVER_LOG, LogLevel.INFO, text))
    batch.close_now(client, CloseReason.EVICTED)
    batch.server = batch.server.replace(candidates=candidates)


def _reject(batch: Batch, event: Accepted, reason: CloseReason) -> None:
    """Count one more rejected connection, and order a log line and a 503."""
    server = batch.server
    totals = server.totals.replace(rejected=server.totals.rejected + 1)
    batch.server = server.replace(totals=totals)
    text = f"{event.peer} rejected, {reason.name}: {CLOSE_INFO[reason].sentence}"
    response = FATAL_ALERT
    if not event.is_tls:
        response = b"".join(service_unavailable(reason, NO_HEAD, server.date))
    batch.effects += (
        Log(SERVER_LOG, LogLevel.WARNING, text),
        Reject(event.socket_id, response),
    )


def accept_room(server: Server) -> int:
    """How many connections may be accepted now; more of them are to wait in the kernel's queue."""
    limits = server.limits
    if limits.full_policy != "wait":
        return UNLIMITED
    return max(0, limits.max_connection_cnt - (server.slots.used - server.load.websockets))


def max_accepts(limits: Limits) -> int:
    """How many connections may be accepted in one tick: not so many that newcomers evict each other
    before they were read and answered.
    """
    if limits.full_policy != "evict":
        return limits.max_accepts_per_tick
    return min(limits.max_accepts_per_tick, max(1, limits.max_connection_cnt // EVICTED_PART))
