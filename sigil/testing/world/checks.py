"""The invariants of the core's value, checked after every tick.

Theory: the core updates sums, cohorts and cursors step by step, so that no step need visit all of
its value; here they are computed from all of it, and must agree.

Rules: each check is a generator of `Violation`s over a server value, and names the rule it is
about. It does not know clients beyond their records.
"""

from collections.abc import Iterator

from ...core.broadcast.cohort_index import recipients
from ...core.broadcast.entry import entry_len
from ...core.connection.client import (
    incoming_len,
    is_in_cohort,
    is_subscriber,
    outbox_len,
    outgoing_len,
)
from ...core.connection.subscriber import CloseState, Follow
from ...core.server.slots import clients_of, find_client, free_slots
from ...core.server.state import Server
from .model import Violation


def check_ring(server: Server) -> Iterator[Violation]:
    """Check that the ring is within both bounds, and that its offsets are those of its frames."""
    ring, pending = server.broadcast.ring, server.broadcast.pending
    kept = ring.head_offset - ring.tail_offset + server.broadcast.pending_len
    count = ring.head_number - ring.tail_number + len(pending)
    if kept > ring.max_bytes or count > ring.max_frames:
        yield Violation(
            "ring",
            f"{kept} bytes in {count} frames are held, not {ring.max_bytes} in {ring.max_frames}",
        )
    if sum(map(entry_len, pending)) != server.broadcast.pending_len:
        yield Violation(
            "ring", "the length of what was published in this tick is not that of its frames"
        )
    pages = [page for page in ring.pages[ring.first_page :] if page is not None]
    if any(sum(map(entry_len, page.entries)) != page.length for page in pages):
        yield Violation("ring", "the length of a page is not that of its frames")
    frames = [entry_len(entry) for page in pages for entry in page.entries]
    frames = frames[len(frames) - (ring.head_number - ring.tail_number) :]
    if sum(frames) != ring.head_offset - ring.tail_offset:
        yield Violation(
            "ring", "the offsets of tail and head are not those of the frames between them"
        )


def check_places(server: Server) -> Iterator[Violation]:
    """Check that every open subscriber is in the cohort of its subscription, or a laggard whose
    cursor is in the ring.
    """
    broadcast = server.broadcast
    clients = list(clients_of(server.slots))
    members = {
        (client.subscriber.subscription, client.conn)
        for client in clients
        if client.subscriber is not None and is_in_cohort(client)
    }
    laggards = {
        client.conn
        for client in clients
        if client.subscriber is not None and client.subscriber.cursor is not None
    }
    if members != {
        (subscription, conn)
        for subscription, cohort in broadcast.cohorts.items()
        for conn in cohort
    }:
        yield Violation("places", f"the cohorts are {broadcast.cohorts}, not {members}")
    if laggards != set(broadcast.laggards):
        yield Violation("places", f"the laggards are {broadcast.laggards}, not {laggards}")
    yield from check_indexes(server)
    for client in clients:
        if is_in_cohort(client) and (client.outgoing.outbox or client.outgoing.is_full):
            yield Violation("places", f"{client.conn} is in its cohort, but has output buffered")
        cursor = None if client.subscriber is None else client.subscriber.cursor
        if client.subscriber is None or cursor is None:
            continue
        if (
            not max(broadcast.ring.tail_number, broadcast.lowest_cursor)
            <= cursor
            <= broadcast.next_number
        ):
            yield Violation(
                "cursor",
                f"{client.conn} is at {cursor}, the tail at {broadcast.ring.tail_number}, "
                f"the floor at {broadcast.lowest_cursor}, the head at {broadcast.next_number}",
            )
        places = [item.to for item in client.subscriber.queue if isinstance(item, Follow)]
        if places != sorted(places) or any(place > broadcast.next_number for place in places):
            yield Violation("cursor", f"{client.conn} is to follow up to {places}")


def check_indexes(server: Server) -> Iterator[Violation]:
    """Check that cohorts are found by exactly their topics, and that nobody is filed above the
    cursor, or below the lowest one.
    """
    broadcast = server.broadcast
    index = broadcast.cohort_index
    found = dict(recipients(index, [*index.narrow, *index.wide]))
    expected = {
        subscription: subscription.topics
        for subscription in broadcast.cohorts
        if subscription.topics
    }
    if found != expected:
        yield Violation("index", f"cohorts are found by {found}, not {expected}")
    for conn, number in broadcast.laggards.items():
        client = find_client(server.slots, conn)
        cursor = None if client is None or client.subscriber is None else client.subscriber.cursor
        if cursor is None or not broadcast.lowest_cursor <= number <= cursor:
            yield Violation("index", f"{conn} is filed under {number}, its cursor is {cursor}")
        if conn not in broadcast.laggards_at.get(number, ()):
            yield Violation("index", f"{conn} is not under {number}")
    if sum(map(len, broadcast.laggards_at.values())) != len(broadcast.laggards):
        yield Violation("index", f"some are filed that do not lag: {broadcast.laggards_at}")


def check_load(server: Server) -> Iterator[Violation]:
    """Check that the load is the sum over all clients, and that each slot is either used or
    free.
    """
    clients = list(clients_of(server.slots))
    sums = (
        sum(map(incoming_len, clients)),
        sum(map(outgoing_len, clients)),
        sum(map(is_subscriber, clients)),
    )
    kept = server.load.inbound, server.load.outbound, server.load.websockets
    if sums != kept:
        yield Violation("load", f"incoming, outgoing bytes and subscribers are {sums}, not {kept}")
    slots = sorted([client.conn.slot for client in clients] + free_slots(server.slots))
    if slots != list(range(len(server.slots.entries))) or server.slots.used != len(clients):
        yield Violation("load", "a slot is in use and free, or neither")


def check_budgets(server: Server) -> Iterator[Violation]:
    """Check that no client has more output buffered than its budget, one message that exceeded it,
    and one response.
    """
    limits = server.limits
    max_len = (
        limits.max_outbox_len
        + limits.max_ws_outbox_len
        + limits.outgoing_buffer_sz
        + MAX_MESSAGE_LEN
        + MAX_RESPONSE_LEN
    )
    for client in clients_of(server.slots):
        subscriber = client.subscriber
        if subscriber is None or subscriber.close_state is CloseState.CLOSED:
            continue
        queued = sum(len(item) for item in subscriber.queue if not isinstance(item, Follow))
        if outbox_len(client) + queued > max_len:
            yield Violation(
                "budget",
                f"{client.conn} has {outbox_len(client)} and {queued} bytes, not {max_len}",
            )


MAX_MESSAGE_LEN, MAX_RESPONSE_LEN = 910, 1_300
"""Bytes of one message of the program, and of the response before an upgrade, at most."""

CHECKS = (check_ring, check_places, check_load, check_budgets)
