"""What must hold of the core's value after every tick, whatever has happened.

Theory: sums, cohorts and cursors are kept as things change, so that nothing need be looked at as a whole; here all of
it is looked at as a whole, and must come out the same.

Rules: each check is a generator of `Violation`s over a server value, and names the rule it is about.  It does not know
clients beyond their records.
"""

from collections.abc import Iterator

from ...core.broadcast.entry import entry_len
from ...core.connection.client import intake_len, is_member, is_talking, outbound_len, outbox_len
from ...core.connection.session import Closing, Follow
from ...core.server.slots import clients_of, free_slots
from ...core.server.state import Server
from .model import Violation


def check_ring(server: Server) -> Iterator[Violation]:
    """What is kept of the stream is within both bounds, and the offsets are those of the frames."""
    ring, pending = server.stream.ring, server.stream.pending
    kept = ring.head_offset - ring.tail_offset + server.stream.pending_len
    count = ring.head_number - ring.tail_number + len(pending)
    if kept > ring.size or count > ring.most:
        yield Violation("ring", f"{kept} bytes in {count} frames are kept, not {ring.size} in {ring.most}")
    if sum(map(entry_len, pending)) != server.stream.pending_len:
        yield Violation("ring", "the length of what was published in this turn is not that of its frames")
    pages = [page for page in ring.pages[ring.first:] if page is not None]
    if any(sum(map(entry_len, page.entries)) != page.length for page in pages):
        yield Violation("ring", "the length of a page is not that of its frames")
    frames = [entry_len(entry) for page in pages for entry in page.entries]
    frames = frames[len(frames) - (ring.head_number - ring.tail_number):]
    if sum(frames) != ring.head_offset - ring.tail_offset:
        yield Violation("ring", "the offsets of tail and head are not those of the frames between them")


def check_places(server: Server) -> Iterator[Violation]:
    """Every open WebSocket is in the cohort of those who hear the same, or a laggard with a cursor that is kept."""
    stream = server.stream
    clients = list(clients_of(server.slots))
    members = {(client.talk.hearing, client.conn) for client in clients
               if client.talk is not None and is_member(client)}
    laggards = {client.conn for client in clients if client.talk is not None and client.talk.cursor is not None}
    if members != {(hearing, conn) for hearing, cohort in stream.cohorts.items() for conn in cohort}:
        yield Violation("places", f"the cohorts are {stream.cohorts}, not {members}")
    if laggards != set(stream.laggards):
        yield Violation("places", f"the laggards are {stream.laggards}, not {laggards}")
    for client in clients:
        if is_member(client) and (client.outflow.outbox or client.outflow.is_full):
            yield Violation("places", f"{client.conn} is in its cohort, but behind with reading")
        cursor = None if client.talk is None else client.talk.cursor
        if client.talk is None or cursor is None:
            continue
        if not max(stream.ring.tail_number, stream.floor) <= cursor <= stream.next_number:
            yield Violation("cursor", f"{client.conn} stands at {cursor}, the tail at {stream.ring.tail_number}, "
                                      f"the floor at {stream.floor}, the head at {stream.next_number}")
        places = [item.to for item in client.talk.queue if isinstance(item, Follow)]
        if places != sorted(places) or any(place > stream.next_number for place in places):
            yield Violation("cursor", f"{client.conn} is to follow up to {places}")


def check_load(server: Server) -> Iterator[Violation]:
    """The sums over all clients are those of their records, and slots are in use or free, once."""
    clients = list(clients_of(server.slots))
    sums = sum(map(intake_len, clients)), sum(map(outbound_len, clients)), sum(map(is_talking, clients))
    kept = server.load.inbound, server.load.outbound, server.load.talks
    if sums != kept:
        yield Violation("load", f"bytes heard, bytes owed and WebSockets are {sums}, not {kept}")
    slots = sorted([client.conn.slot for client in clients] + free_slots(server.slots))
    if slots != list(range(len(server.slots.entries))) or server.slots.used != len(clients):
        yield Violation("load", "a slot is in use and free, or neither")


def check_budgets(server: Server) -> Iterator[Violation]:
    """No client is owed more than its budget, a message that went over it, and what came at once."""
    limits = server.limits
    most = limits.max_outbox_len + limits.max_ws_outbox_len + limits.outgoing_buffer_sz + A_MESSAGE + AN_ANSWER
    for client in clients_of(server.slots):
        talk = client.talk
        if talk is None or talk.closing is Closing.OVER:
            continue
        queued = sum(len(item) for item in talk.queue if not isinstance(item, Follow))
        if outbox_len(client) + queued > most:
            yield Violation("budget", f"{client.conn} is owed {outbox_len(client)} and {queued} bytes, not {most}")


A_MESSAGE, AN_ANSWER = 910, 1_300
"""Bytes, at most: of what the program says at once, and of what may be owed from before the upgrade."""

CHECKS = (check_ring, check_places, check_load, check_budgets)
