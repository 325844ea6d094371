"""How much a server holds, by what its value says, and whether that is within its limits.

Theory: `footprint(limits)` promises a bound before anything has happened. What a value holds can be
computed from it: the bytes of what has come, of what waits to leave, of what was published and is
kept, and the records around them at what each is known to cost. If that sum is ever above the
promise, either the promise is wrong or something was kept that should not be.

Rules: computed from all of the value, clients and ring and tables, never from the sums that the
core keeps itself; those are compared too, each with its own bound. Bytes that are in two places are
counted twice, as the promise does. It does not know time.
"""

from collections.abc import Iterator

from ...core.connection.client import Client
from ...core.connection.client_status import incoming_len, outbox_len, outgoing_len
from ...core.connection.subscriber import item_len, places_len
from ...core.limits import Limits
from ...core.server.budgets import outbound_bound
from ...core.server.slots import clients_of
from ...core.server.state import Server
from ...core.views.footprint import (
    CONNECTION_BYTES,
    MESSAGE_BYTES,
    RESPONSE_BYTES,
    ROUND_PART,
    SERVER_BYTES,
    TOPIC_BYTES,
    footprint,
)
from .model import Violation

SKIPPING_LEN = 2_048
"""Bytes of the head of an answer, of a gap and of control frames, at most."""


def held_by(client: Client) -> int:
    """Bytes that are held for one client: its records, what it has sent, what it is to be sent."""
    subscriber = client.subscriber
    held = CONNECTION_BYTES + incoming_len(client) + outgoing_len(client)
    held += RESPONSE_BYTES * len(client.outgoing.early_responses)
    if subscriber is not None:
        held += sum(map(item_len, subscriber.queue)) + places_len(subscriber.queue)
        held += TOPIC_BYTES * len(subscriber.subscription.topics)
    return held


def held_len(server: Server) -> int:
    """Bytes that a server holds, as far as its value says."""
    broadcast = server.broadcast
    ring = broadcast.ring
    messages = ring.head_number - ring.tail_number + len(broadcast.pending)
    published = ring.head_offset - ring.tail_offset + broadcast.pending_len
    return (
        SERVER_BYTES
        + sum(map(held_by, clients_of(server.slots)))
        + published
        + messages * MESSAGE_BYTES
        + broadcast.retained.length
    )


def check_memory(server: Server, response_len: int, tick_len: int) -> Iterator[Violation]:
    """Check that a server holds no more than its limits promise, where the program has made no more
    than `response_len` bytes at once, and published no more than `tick_len` in a tick.
    """
    limits = server.limits
    promised = footprint(limits, response_len=response_len, tick_len=tick_len)
    held = held_len(server)
    if held > promised:
        yield Violation("memory", f"{held} bytes are held, {promised} are promised")
    yield from check_sums(server, response_len)


def check_skipping(server: Server, longest: int) -> Iterator[Violation]:
    """Check that little waits for whoever is moved on when it is slow, however long it stays, where
    nothing that the program has made is longer than `longest`.
    """
    bound = server.limits.max_outbox_len + 2 * longest + SKIPPING_LEN
    for client in clients_of(server.slots):
        if client.subscriber is None or not client.subscriber.skips:
            continue
        held = outbox_len(client)
        if held > bound:
            text = f"{held} bytes wait for {client.conn}, which skips; the bound is {bound}"
            yield Violation("memory", text)


def check_sums(server: Server, response_len: int) -> Iterator[Violation]:
    """Check that each sum that the core keeps is within the bound that is for it."""
    limits, load, ring = server.limits, server.load, server.broadcast.ring
    bounds = (
        ("bytes that have come", load.inbound, inbound_bound(limits)),
        ("bytes to be sent", load.outbound, _outbound_bound(limits, response_len, server)),
        ("bytes of the ring", ring.head_offset - ring.tail_offset, limits.outgoing_buffer_sz),
        ("messages", ring.head_number - ring.tail_number, limits.max_ws_send_frame_cnt),
        ("connections", server.slots.used - load.websockets, _connection_bound(limits)),
        ("subscribers", load.websockets, limits.max_ws_connection_cnt),
        ("retained topics", len(server.broadcast.retained.messages), limits.max_retained_topics),
    )
    for what, held, bound in bounds:
        if held > bound:
            yield Violation("memory", f"{held} {what} are held, the bound is {bound}")


def inbound_bound(limits: Limits) -> int:
    """Bytes of incomplete requests and messages that may be held after a tick."""
    reads = (limits.max_reads_per_tick + 1) * limits.max_read_len
    return limits.max_inbound_len + reads + limits.max_body_read_len_per_tick


def _outbound_bound(limits: Limits, response_len: int, server: Server) -> int:
    """Bytes that may wait to be sent after a tick: what is half taken is held whole."""
    in_one_round = limits.max_outbound_len // ROUND_PART + response_len
    return outbound_bound(limits) + in_one_round + server.slots.used * response_len


def _connection_bound(limits: Limits) -> int:
    """Connections that may be open after a tick: those beyond were ended, and tell it yet."""
    return limits.max_connection_cnt + limits.max_accepts_per_tick
