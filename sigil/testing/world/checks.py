"""The invariants of the core's value, checked after every step.

Theory: the core updates sums, cohorts and cursors step by step, so that no step need visit all of
its value; here they are computed from all of it, and must agree.

Rules: each check is a generator of `Violation`s over a server value, and names the rule it is
about. It does not know clients beyond their records.
"""

from collections import Counter
from collections.abc import Iterator

from ...core.broadcast.broadcast import NO_CURSOR
from ...core.broadcast.cohort_index import recipients
from ...core.broadcast.encoding import Encoding
from ...core.broadcast.entry import entry_len
from ...core.broadcast.retained import retained_len
from ...core.connection.client import Phase
from ...core.connection.client_status import (
    incoming_len,
    is_close_due,
    is_in_cohort,
    is_polling,
    is_scheduled,
    is_subscriber,
    outbox_len,
    outgoing_len,
)
from ...core.connection.outgoing import asked_of, is_held
from ...core.connection.subscriber import CloseState, Follow, item_len, places_len
from ...core.http.encode import end_of_head
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


def check_latest(server: Server) -> Iterator[Violation]:
    """Check that the newest messages by topic are those of what is kept, and that no other topic is
    remembered.
    """
    ring, pending = server.broadcast.ring, server.broadcast.pending
    pages = [page for page in ring.pages[ring.first_page :] if page is not None]
    stored = [entry for page in pages for entry in page.entries]
    stored = stored[len(stored) - (ring.head_number - ring.tail_number) :]
    newest: dict[str | None, int] = {}
    for number, entry in enumerate((*stored, *pending), ring.tail_number):
        if entry.options.latest:
            newest[entry.topic] = number
    known = {topic: one.number for topic, one in ring.latest.newest.items()}
    if known != newest:
        yield Violation("latest", f"the newest messages are {newest}, not {known}")


def check_retained(server: Server) -> Iterator[Violation]:
    """Check that what is retained is as long as is counted, and within its bounds."""
    retained, limits = server.broadcast.retained, server.limits
    length = sum(
        retained_len(len(message.frame), topic) for topic, message in retained.messages.items()
    )
    if length != retained.length:
        yield Violation("retained", f"{length} bytes are retained, not {retained.length}")
    if length > limits.max_retained_len or len(retained.messages) > limits.max_retained_topics:
        yield Violation("retained", f"{length} bytes are retained, of {len(retained.messages)}")


def check_date(server: Server) -> Iterator[Violation]:
    """Check that the Date field is that of the second."""
    date = end_of_head(server.unix_time, server.limits.date_header)
    if server.date != date:
        yield Violation("date", f"the date of {server.unix_time} is {date!r}, not {server.date!r}")


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
    if not all(broadcast.cohorts.values()):
        yield Violation("places", f"nobody is in one of the cohorts {broadcast.cohorts}")
    if laggards != set(broadcast.laggards):
        yield Violation("places", f"the laggards are {broadcast.laggards}, not {laggards}")
    yield from check_indexes(server)
    for client in clients:
        if is_polling(client):
            continue  # it is sent nothing but its answer, behind all that it is sent before
        if is_in_cohort(client) and (client.outgoing.outbox or client.outgoing.is_full):
            yield Violation("places", f"{client.conn} is in its cohort, but has output buffered")
        cursor = None if client.subscriber is None else client.subscriber.cursor
        if client.subscriber is None or cursor is None:
            continue
        has_fallen_off = client.subscriber.skips and cursor < broadcast.ring.tail_number
        if (
            not has_fallen_off
            and not max(broadcast.ring.tail_number, broadcast.lowest_cursor)
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
        if cursor is not None and cursor < broadcast.ring.tail_number:
            cursor = NO_CURSOR
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
        queued = sum(map(item_len, subscriber.queue))
        if queued > limits.max_ws_outbox_len + MAX_MESSAGE_LEN + MAX_CONTROL_LEN:
            yield Violation("budget", f"{queued} bytes are queued for {client.conn}")
        if outbox_len(client) + queued > max_len:
            yield Violation(
                "budget",
                f"{client.conn} has {outbox_len(client)} and {queued} bytes, not {max_len}",
            )


MAX_MESSAGE_LEN, MAX_RESPONSE_LEN, MAX_CONTROL_LEN = 910, 1_300, 200
"""Bytes of one message of the program, of the response before an upgrade, and of a few control
frames, at most.
"""


def check_counts(server: Server) -> Iterator[Violation]:
    """Check that there are as many subscribers in each encoding as are counted, and that the queue
    of each is as long as it says.
    """
    subscribers = [
        client.subscriber
        for client in clients_of(server.slots)
        if client.subscriber is not None and is_subscriber(client)
    ]
    encodings = Counter([one.subscription.encoding for one in subscribers])
    del encodings[Encoding.PLAIN]
    counted = dict(server.broadcast.encoding_counts)
    if counted != encodings:
        yield Violation("counts", f"the encodings are {dict(encodings)}, not {counted}")
    for one in subscribers:
        length = sum(map(item_len, one.queue))
        if length != one.queued_len:
            yield Violation("counts", f"{length} bytes are queued, not {one.queued_len}")
        held = places_len(one.queue)
        if held != one.places_len:
            yield Violation("counts", f"{held} bytes of places are queued, not {one.places_len}")


def check_lists(server: Server) -> Iterator[Violation]:
    """Check that whoever is to be flushed is on the list of those, once, and that every client is
    looked at by the timers.
    """
    clients = {client.conn: client for client in clients_of(server.slots)}
    listed = [conn for conn in server.unflushed if conn in clients]
    scheduled = [conn for conn, client in clients.items() if is_scheduled(client)]
    if sorted(listed) != sorted(scheduled):
        yield Violation("lists", f"{listed} are on the list of the next flush, not {scheduled}")
    looked_at = [conn for bucket in server.wheel.buckets.values() for conn in bucket]
    timed = Counter([conn for conn in looked_at if conn in clients])
    if set(timed) != set(clients):
        yield Violation("lists", f"{sorted(timed)} have timers, not {sorted(clients)}")
    for conn, count in timed.items():
        # one that has ended its side has a nearer deadline, for which it is scheduled once more,
        # and so may one have for which the program has set a timeout
        extra = asked_of(clients[conn].outgoing).extra_timers
        if count > 1 + clients[conn].incoming.peer_half_closed + extra:
            yield Violation("lists", f"{conn} has {count} timers")


def check_websockets(server: Server) -> Iterator[Violation]:
    """Check that nothing waits for ever: messages only while the program is at work or the client
    is behind, and a close frame only until the next flush.
    """
    for client in clients_of(server.slots):
        websocket, outgoing = client.websocket, client.outgoing
        if websocket is None:
            continue
        is_sending = bool(outgoing.outbox) or outgoing.is_full or is_scheduled(client)
        is_at_work = client.incoming.phase is Phase.DELIVERING or (
            client.subscriber is not None and client.subscriber.close_state is CloseState.ENDED
        )
        if is_held(outgoing):
            continue
        if websocket.undelivered.messages and not (is_at_work or is_sending):
            yield Violation("waiting", f"messages of {client.conn} wait for nothing")
        if is_close_due(client) and client.conn not in server.unflushed:
            yield Violation("waiting", f"the close frame of {client.conn} is not answered")


CHECKS = (
    check_ring,
    check_latest,
    check_retained,
    check_date,
    check_places,
    check_load,
    check_budgets,
    check_counts,
    check_lists,
    check_websockets,
)
