"""What the program says to WebSockets: to one, to all, and when it leaves.

Theory: a message said is a frame made, nothing more: it waits in the queue of its client until the
turn of the loop is flushed, so that all that was said to a client in one turn leaves in one piece.

Rules: what was said to one client is bounded by `max_ws_outbox_len`; beyond it a message is
dropped, and the program is told. What was said to all is bounded by the ring; a client that needs
what is overwritten is dropped, because a stream with a hole in it is a lie. What a client receives
is in the order in which it was said. It does not know sockets: it orders.
"""

from ..broadcast.broadcast import (
    NO_CURSOR,
    append_pending,
    encode_entries,
    encode_entry,
    fits,
    has_subscribers,
    skip_numbers,
)
from ..broadcast.encoding import Encoding
from ..broadcast.entry import Published, entry_len, plain_entries
from ..connection.context import Parse
from ..connection.send_queue import next_needed
from ..connection.websocket_send import advance_cursor, drop_too_slow
from ..effects import SERVER_LOG, Effect, Log, LogLevel
from ..events import Publish
from ..websocket.frames import Opcode, frame_len
from .batch import Batch
from .flush import FLUSH, flush
from .state import Server, with_broadcast

# -- to all ----------------------------------------------------------------------------------------


def publish(server: Server, event: Publish, parse: Parse) -> tuple[Server, list[Effect]]:
    """Say messages to everybody, or to those who hear their topics: each is a frame, made once.

    The turn is flushed first when what was published in it would be overwritten otherwise.
    """
    broadcast = server.broadcast
    if not has_subscribers(broadcast, server.limits):
        fitting = [
            payload
            for _, payload, _ in event.messages
            if frame_len(len(payload)) <= broadcast.ring.max_bytes
        ]
        return with_broadcast(server, skip_numbers(broadcast, len(fitting))), []
    entries = plain_entries(event.messages)
    encoded = encode_entries(entries, broadcast) if broadcast.encoding_counts else entries
    length = (
        sum([len(entry.frame) for entry in entries])
        if encoded is entries
        else sum(map(entry_len, encoded))
    )
    if fits(broadcast, len(encoded), length):
        together = _add(server, encoded, length, parse)
        if together[0].broadcast.encoding_counts == broadcast.encoding_counts:
            return together
    # Who is dropped on the way may have been the last to hear an encoding.
    effects: list[Effect] = []
    for entry in entries:
        server, more = _publish_one(server, entry, parse)
        effects += more
    return server, effects


def _publish_one(server: Server, entry: Published, parse: Parse) -> tuple[Server, list[Effect]]:
    """The same for one plain frame, which may be too much for this turn, or for any."""
    entry = encode_entry(entry, server.broadcast, server.broadcast.next_number)
    length = entry_len(entry)
    if length > server.limits.outgoing_buffer_sz:
        text = f"a message of about {length} bytes was not broadcast: Limits.outgoing_buffer_sz is less"
        return server, [Log(SERVER_LOG, LogLevel.WARNING, text)]
    if fits(server.broadcast, 1, length):
        return _add(server, (entry,), length, parse)
    server, flushed = flush(server, FLUSH, parse)
    server, more = _add(server, (entry,), length, parse)
    return server, flushed + more


def _add(
    server: Server, entries: tuple[Published, ...], length: int, parse: Parse
) -> tuple[Server, list[Effect]]:
    """Publish frames that fit, and drop those who would need what this overwrites."""
    skipped = 0
    if server.broadcast.encoding_counts and Encoding.SSE in dict(server.broadcast.encoding_counts):
        skipped = sum([entry.frame[0] & 0x0F != Opcode.TEXT for entry in entries])
    if skipped:
        server = server._replace(
            totals=server.totals._replace(sse_skipped=server.totals.sse_skipped + skipped)
        )
    before = server.broadcast.ring  # it still has what is let go
    broadcast = append_pending(server.broadcast, entries, length)
    server = with_broadcast(server, broadcast)
    if broadcast.ring.tail_number <= broadcast.lowest_cursor:
        return server, []
    batch = Batch(server, parse)
    floor = NO_CURSOR
    for conn in sorted(broadcast.laggards):
        client = batch.draft.find_client(conn)
        if client is None or client.subscriber is None or client.subscriber.cursor is None:
            continue
        cursor = client.subscriber.cursor
        if cursor < broadcast.ring.tail_number:
            cursor = next_needed(client.subscriber, before)
            if cursor < broadcast.ring.tail_number:
                batch.commit(client, drop_too_slow(client, cursor, broadcast))
                continue
            batch.commit(client, (advance_cursor(client, cursor), []))
        floor = min(floor, cursor)
    batch.broadcast = batch.broadcast._replace(lowest_cursor=floor)
    return batch.finish()


# -- the end of the turn ---------------------------------------------------------------------------
