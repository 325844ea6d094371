"""The fold: a server and an event make the next server and the effects.

Theory: `step(server, event)` is the whole server. `advance` does many events at once: the fold of
`step`, with neighbouring sends of one connection joined. It is what the shell calls, because one
draft of the slot table then serves all the events.

Rules: both are pure and total; an event for a connection that is gone changes nothing. What an
event does to one connection stands in `connection.transitions.TRANSITIONS`; what it does to the
server as a whole, in `SERVER_TRANSITIONS` below. Every member of `Event` is a key of exactly one of
the two tables, which a test proves, so a new kind of event needs a row in one of them. This file
does not know sockets, clocks, threads or logs: facts come in, orders go out.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from ..broadcast.upstream import UpstreamJoined, UpstreamPublished
from ..connection.client import Client
from ..connection.context import Parse
from ..connection.transitions import TRANSITIONS
from ..effects import Effect, Send, Then
from ..events import (
    Accepted,
    DescriptorsExhausted,
    Event,
    Flush,
    InputRead,
    Publish,
    Stop,
    TickStarted,
    TimeRead,
    Writable,
)
from ..http.head import parse_headers_only
from ..securing import Secured
from .admission import accept_new_client, accept_run, free_descriptor, secure
from .batch import Batch
from .clock import input_read, tick_started, time_read
from .flush import flush
from .lifecycle import stop
from .publish import publish
from .state import Server
from .upstream import upstream_joined, upstream_published


def step(
    server: Server, event: Event, parse: Parse = parse_headers_only
) -> tuple[Server, tuple[Effect, ...]]:
    """The server after one event, and the effects that follow from it."""
    server, effects, _ = _fold(server, (event,), parse)
    return server, tuple(effects)


def advance(
    server: Server, events: Sequence[Event], parse: Parse = parse_headers_only
) -> tuple[Server, list[Effect]]:
    """The server after all events, and the effects: the fold of `step`, then `coalesce`.

    `parse` may be any function of bytes that is equal to `parse_headers_only` under the server's
    limits, such as one with a cache.
    """
    server, effects, may_be_joined = _fold(server, events, parse)
    return server, coalesce(effects) if may_be_joined else effects


def coalesce(effects: Sequence[Effect]) -> list[Effect]:
    """The effects with neighbouring sends of one connection made one."""
    joined: list[Effect] = []
    last: Effect | None = None
    for effect in effects:
        if (
            type(effect) is Send
            and type(last) is Send
            and last.conn == effect.conn
            and last.then is Then.KEEP  # behind a shut or a drop nothing may be sent
        ):
            last = Send(last.conn, last.segments + effect.segments, effect.then)
            joined[-1] = last
        else:
            joined.append(effect)
            last = effect
    return joined


# -- the fold --------------------------------------------------------------------------------------


ServerTransition: TypeAlias = Callable[[Server, Any, Parse], tuple[Server, list[Effect]]]

SERVER_TRANSITIONS: Final[dict[type, ServerTransition]] = {
    TickStarted: tick_started,
    TimeRead: time_read,
    InputRead: input_read,
    Accepted: accept_new_client,
    DescriptorsExhausted: free_descriptor,
    Publish: publish,
    UpstreamJoined: upstream_joined,
    UpstreamPublished: upstream_published,
    Flush: flush,
    Stop: stop,
    Secured: secure,
}
"""Every kind of event that concerns the server as a whole, and what it does."""


def _fold(
    server: Server, events: Sequence[Event], parse: Parse
) -> tuple[Server, list[Effect], bool]:
    """The server after events in order, the effects, and whether these may hold neighbouring sends
    of one connection, so that `coalesce` has work to do.
    """
    effects: list[Effect] = []
    start, may_be_joined = 0, False
    while start < len(events):
        transition = SERVER_TRANSITIONS.get(type(events[start]))
        if transition is None:
            server, more, joins, start = _apply_run(server, events, start, parse)
            may_be_joined = may_be_joined or joins or bool(effects)
        else:
            if transition is accept_new_client:  # newcomers come in crowds
                server, more, start = accept_run(server, events, start, parse)
            else:
                server, more = transition(server, events[start], parse)
                start += 1
            # a flush by itself sends once to each client; anything else may send twice to one
            may_be_joined = may_be_joined or (
                bool(more) and (bool(effects) or transition is not flush)
            )
        effects = effects + more if effects else more
    return server, effects, may_be_joined


def _apply_run(
    server: Server, events: Sequence[Any], start: int, parse: Parse
) -> tuple[Server, list[Effect], bool, int]:
    """The server after a run of events that concern single connections, from `start` up to the
    first that does not; the effects; whether these may hold neighbouring sends of one connection;
    and where the run ends.
    """
    # This loop runs once for every request and every message. What it needs is therefore in local
    # variables, and it writes into the draft of the slot table itself.
    batch = Batch(server, parse)
    entries, effects, context = batch.draft.entries, batch.effects, batch.context
    last_slot, may_be_joined, index, length = -1, False, start, len(server.slots.entries)
    for index in range(start, len(events)):
        event = events[index]
        kind = type(event)
        transition = TRANSITIONS.get(kind)
        if transition is None:
            break
        conn = event.ticket.conn if transition.has_ticket else event.conn
        slot = conn.slot
        client = entries[slot] if 0 <= slot < length else None
        # the entry may be a number (a free slot), or a later connection in the same slot; nearly
        # always the event has the very `Conn` that the client has, which saves a comparison
        if type(client) is not Client or (client.conn is not conn and client.conn != conn):
            batch.count_stale(kind)
            continue
        if kind is Writable:
            batch.encode_ahead(client)
            context = batch.context
        if transition.has_ticket and event.ticket.number < client.responded:
            batch.count_stale(kind)  # it was answered in another way, because this took too long
        applied = transition.apply(client, event, context)
        before = len(effects)
        batch.commit(client, applied)
        if len(effects) > before:
            is_next = slot == last_slot or len(effects) > before + 1
            may_be_joined, last_slot = may_be_joined or is_next, slot
        context = batch.context  # another one, if a budget was exceeded or met again
    else:
        index += 1  # no `break`: the run ends behind the last event
    server, effects = batch.finish()
    return server, effects, may_be_joined or batch.has_settled, index
