"""The spine: a server is a fold of events, and every event gives orders.

Theory: `step(server, event)` is the whole server. `advance` is the same for many events at once:
the fold of `step`, with neighbouring sends of one connection joined. It is what the shell calls,
because one draft of the table serves all the events.

Rules: both are pure and total; an event for a connection that is gone changes nothing. What happens
to one connection stands in `transition`; what happens to the server as a whole, here. Adding a kind
of event means adding a row to one of the two tables. It does not know sockets, clocks, threads or
logs: it is told, and it orders.
"""

from collections.abc import Callable, Sequence
from typing import Any

from ..connection.client import (
    DELIVERING,
    IDLE_HTTP,
    IDLE_WEBSOCKET,
    NOTHING_OUTGOING,
    Client,
    is_scheduled,
)
from ..connection.context import Parse
from ..connection.transitions import TRANSITIONS
from ..effects import Effect, Send, Then
from ..events import Accepted, Event, Flush, Publish, Stop, TickStarted, TimeRead
from ..http.head import parse_headers_only
from .admission import accept_new_client
from .batch import Batch
from .clock import tick_started, time_read
from .flush import flush
from .lifecycle import stop
from .publish import publish
from .state import Server
from .state import make_server as make_server

# -- the fold --------------------------------------------------------------------------------------


def _fold(
    server: Server, events: Sequence[Event], parse: Parse
) -> tuple[Server, list[Effect], bool]:
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
            is_joinable = is_joinable or (bool(more) and (bool(effects) or whole is not flush))
        effects = effects + more if effects else more
    return server, effects, is_joinable


def _apply_run(
    server: Server, events: Sequence[Any], start: int, parse: Parse
) -> tuple[Server, list[Effect], bool, int]:
    """Apply neighbouring events that concern single connections, up to the first that does not: the
    loop to be fast in.

    Also returned: whether the orders may hold neighbouring sends of one connection, and where the
    run ended.
    """
    batch = Batch(server, parse)
    entries, effects, context = batch.draft.entries, batch.effects, batch.context
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
            batch.count_stale(kind)
            continue
        is_joinable = is_joinable or slot == last
        last = slot
        if client.outgoing is NOTHING_OUTGOING:
            rest = client.incoming
            simple = None
            if rest is IDLE_HTTP:
                simple = transition.idle_http
            elif rest is IDLE_WEBSOCKET:
                simple = transition.idle_websocket
            elif rest is DELIVERING:
                simple = transition.delivering
            step = None if simple is None else simple(client, event, context)
            if step is not None:
                after, orders = step
                entries[slot] = after
                effects += orders
                if rest is not IDLE_HTTP and is_scheduled(after) and not is_scheduled(client):
                    batch.unflushed.append(conn)
                continue
        batch.commit(client, transition.apply(client, event, context))
        is_joinable = True
        if batch.context is not context:
            context = batch.context
    else:
        index += 1
    return (*batch.finish(), is_joinable, index)


def coalesce(effects: Sequence[Effect]) -> list[Effect]:
    """The same orders with neighbouring sends of one connection made one."""
    joined: list[Effect] = []
    last: Effect | None = None
    for effect in effects:
        if (
            type(effect) is Send
            and type(last) is Send
            and last.conn == effect.conn
            and last.then is Then.KEEP
        ):
            last = Send(last.conn, last.segments + effect.segments, effect.then)
            joined[-1] = last
        else:
            joined.append(effect)
            last = effect
    return joined


def step(
    server: Server, event: Event, parse: Parse = parse_headers_only
) -> tuple[Server, tuple[Effect, ...]]:
    """The server after one event, and the orders that follow from it."""
    server, effects, _ = _fold(server, (event,), parse)
    return server, tuple(effects)


def advance(
    server: Server, events: Sequence[Event], parse: Parse = parse_headers_only
) -> tuple[Server, list[Effect]]:
    """The server after all events, and the orders: the fold of `step`, then `coalesce`.

    `parse` may be any function of bytes equal to `parse_headers_only` under the server's limits,
    such as one that remembers.
    """
    server, effects, is_joinable = _fold(server, events, parse)
    return server, coalesce(effects) if is_joinable else effects


# -- what happens to the server as a whole ---------------------------------------------------------


_TRANSITIONS: dict[type, Callable[[Server, Any, Parse], tuple[Server, list[Effect]]]] = {
    TickStarted: tick_started,
    TimeRead: time_read,
    Accepted: accept_new_client,
    Publish: publish,
    Flush: flush,
    Stop: stop,
}
"""Every kind of event that concerns the server as a whole, and what it does."""


# -- questions -------------------------------------------------------------------------------------
