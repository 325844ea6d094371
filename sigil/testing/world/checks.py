"""What must hold of the core's value after every tick, whatever has happened.

Theory: sums, cohorts and cursors are kept as things change, so that nothing need be looked at as a
whole; here all of it is looked at as a whole, and must come out the same.

Rules: each check is a generator of `Violation`s over a server value, and names the rule it is
about. It does not know clients beyond their records.
"""

from collections.abc import Iterator

from ...core.broadcast.entry import entry_len
from ...core.connection.client import (
    incoming_len,
    is_in_cohort,
    is_subscriber,
    outbox_len,
    outgoing_len,
)
from ...core.connection.subscriber import CloseState, Follow
from ...core.server.slots import clients_of, free_slots
from ...core.server.state import Server
from .model import Violation


def check_ring(server: Server) -> Iterator[Violation]:
    """What is kept of the stream is within both bounds, and the offsets are those of the frames."""
    ring, pending = server.broadcast.ring, server.broadcast.pending
    kept = ring.head_offset - ring.tail_offset + server.broadcast.pending_len
    count = ring.head_number - ring.tail_number + len(pending)
    if kept > ring.max_bytes or count > ring.max_frames:
        yield Violation(
            "ring",
            f"{kept} bytes in {count} frames are kept, not {ring.max_bytes} in {ring.max_frames}",
        )
    if sum(map(entry_len, pending)) != server.broadcast.pending_len:
        yield Violation(
            "ring", "the length of what was published in this turn is not that of its frames"
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
    """Every open WebSocket is in the cohort of those who hear the same, or a laggard with a cursor
    that is kept.
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
    for client in clients:
        if is_in_cohort(client) and (client.outgoing.outbox or client.outgoing.is_full):
            yield Violation("places", f"{client.conn} is in its cohort, but behind with reading")
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
                f"{client.conn} stands at {cursor}, the tail at {broadcast.ring.tail_number}, "
                f"the floor at {broadcast.lowest_cursor}, the head at {broadcast.next_number}",
            )
        places = [item.to for item in client.subscriber.queue if isinstance(item, Follow)]
        if places != sorted(places) or any(place > broadcast.next_number for place in places):
            yield Violation("cursor", f"{client.conn} is to follow up to {places}")


def check_load(server: Server) -> Iterator[Violation]:
    """The sums over all clients are those of their records, and slots are in use or free, once."""
    clients = list(clients_of(server.slots))
    sums = (
        sum(map(incoming_len, clients)),
        sum(map(outgoing_len, clients)),
        sum(map(is_subscriber, clients)),
    )
    kept = server.load.inbound, server.load.outbound, server.load.websockets
    if sums != kept:
        yield Violation("load", f"bytes heard, bytes owed and WebSockets are {sums}, not {kept}")
    slots = sorted([client.conn.slot for client in clients] + free_slots(server.slots))
    if slots != list(range(len(server.slots.entries))) or server.slots.used != len(clients):
        yield Violation("load", "a slot is in use and free, or neither")


def check_budgets(server: Server) -> Iterator[Violation]:
    """No client is owed more than its budget, a message that went over it, and what came at once."""
    limits = server.limits
    most = (
        limits.max_outbox_len
        + limits.max_ws_outbox_len
        + limits.outgoing_buffer_sz
        + A_MESSAGE
        + AN_ANSWER
    )
    for client in clients_of(server.slots):
        subscriber = client.subscriber
        if subscriber is None or subscriber.close_state is CloseState.CLOSED:
            continue
        queued = sum(len(item) for item in subscriber.queue if not isinstance(item, Follow))
        if outbox_len(client) + queued > most:
            yield Violation(
                "budget",
                f"{client.conn} is owed {outbox_len(client)} and {queued} bytes, not {most}",
            )


A_MESSAGE, AN_ANSWER = 910, 1_300
"""Bytes, at most: of what the program says at once, and of what may be owed from before the
upgrade.
"""

CHECKS = (check_ring, check_places, check_load, check_budgets)
