"""Publishing: a message for all subscribers of a topic becomes one entry of the broadcast.

Theory: publishing is making a frame, once in every encoding that somebody has, and nothing more: it
waits among the pending entries until the tick ends and `flush` sends it to whole cohorts. So the
cost does not depend on how many subscribers there are.

Rules: what is published is bounded by the ring. What was published in this tick is never
overwritten by what follows: the tick is flushed first. A laggard that still needs an entry which is
overwritten is disconnected, because a stream with a gap in it would be wrong and nobody would know;
one that skips has fallen off the ring, and is told the gap when it reads on. A message that cannot
fit on the ring at all, or cannot be retained and should be, is not published, and that is logged.
This file does not know who receives what: the cohorts do.
"""

from ..broadcast.broadcast import (
    Broadcast,
    append_pending,
    fits,
    has_subscribers,
    skip_numbers,
)
from ..broadcast.encode import encode_entries, encode_entry
from ..broadcast.encoding import Encoding
from ..broadcast.entry import NO_OPTIONS, Publication, Published, entry_len, plain_entries
from ..broadcast.laggards import (
    filed_under,
    laggards_passed,
    move_laggards,
    raise_lowest_cursor,
)
from ..broadcast.ring import Ring, with_latest
from ..conn import Conn
from ..connection.context import Parse
from ..connection.send_queue import next_needed
from ..connection.websocket_send import advance_cursor, drop_too_slow
from ..effects import SERVER_LOG, Effect, Log, LogLevel
from ..events import Publish
from ..limits import Limits
from ..websocket.frames import Opcode, frame_len
from .batch import Batch
from .flush import FLUSH_ALL, flush
from .retaining import is_too_long_to_retain, retain_published
from .state import Server, with_broadcast


def publish(server: Server, event: Publish, parse: Parse) -> tuple[Server, list[Effect]]:
    """The server with these messages of the program published, and the effects: none, unless the
    tick has to be flushed or laggards are disconnected to make room.
    """
    if not server.broadcast.ring.numbering.is_own:
        text = f"messages of the program that were not broadcast: {len(event.messages)}"
        reason = "what is published here is that of an upstream"
        return server, [Log(SERVER_LOG, LogLevel.WARNING, f"{text}; {reason}")]
    return publish_messages(server, event, parse)


def publish_messages(server: Server, event: Publish, parse: Parse) -> tuple[Server, list[Effect]]:
    """The server with these messages published, whoever they are of, and the effects."""
    broadcast, limits = server.broadcast, server.limits
    messages = event.messages
    with_options = [message for message in messages if message[3] is not NO_OPTIONS]
    if with_options:
        messages, refused = _without_too_long(messages, limits)
        if refused:
            server, effects = publish_messages(server, Publish(messages), parse)
            return server, refused + effects
    if not has_subscribers(broadcast, limits):
        return _skip(server, messages)
    entries = encoded = plain_entries(messages)
    if broadcast.encoding_counts:
        encoded = encode_entries(entries, broadcast)
        length = sum(map(entry_len, encoded))
    else:
        length = sum([len(entry.frame) for entry in entries])
    if fits(broadcast, len(encoded), length):
        after, effects = _append(server, encoded, length, parse, bool(with_options))
        if len(entries) == 1 or not _depends_on_order(broadcast, after.broadcast):
            return after, effects
    return _publish_one_by_one(server, entries, parse)


def _depends_on_order(before: Broadcast, after: Broadcast) -> bool:
    """True if publishing several entries together may not be what publishing each of them is: a
    laggard that was disconnected to make room may have been the last one in its encoding; or one
    was needed still when an entry overwrote it, and superseded by another entry behind that.
    """
    if after.encoding_counts != before.encoding_counts:
        return True
    has_superseded = after.ring.latest is not before.ring.latest
    return has_superseded and after.ring.tail_number > before.lowest_cursor


def _without_too_long(
    messages: tuple[Publication, ...], limits: Limits
) -> tuple[tuple[Publication, ...], list[Effect]]:
    """The messages without those that cannot be retained and should be, and a line for each."""
    too_long = [
        len(payload)
        for _, payload, topic, options in messages
        if options.retain and is_too_long_to_retain(len(payload), topic, limits)
    ]
    if not too_long:
        return messages, []
    left = [
        message
        for message in messages
        if not (message[3].retain and is_too_long_to_retain(len(message[1]), message[2], limits))
    ]
    reason = "Limits.max_retained_len is less"
    return tuple(left), [
        Log(
            SERVER_LOG,
            LogLevel.WARNING,
            f"a message of {length} bytes was not broadcast, to be retained: {reason}",
        )
        for length in too_long
    ]


def _skip(server: Server, messages: tuple[Publication, ...]) -> tuple[Server, list[Effect]]:
    """The server when nobody is to be sent these messages: those that would fit only take a number,
    and may be retained.
    """
    broadcast = server.broadcast
    max_len = broadcast.ring.max_bytes
    fitting = [message for message in messages if frame_len(len(message[1])) <= max_len]
    number = broadcast.next_number
    after = with_broadcast(server, skip_numbers(broadcast, len(fitting)), server.totals)
    if all(not options.retain for _, _, _, options in fitting):
        return after, []
    return retain_published(after, enumerate(plain_entries(fitting), number))


def _publish_one_by_one(
    server: Server, entries: tuple[Published, ...], parse: Parse
) -> tuple[Server, list[Effect]]:
    """The server with these plain entries published, each encoded and given room by itself."""
    effects: list[Effect] = []
    for entry in entries:
        server, more = _publish_one(server, entry, parse)
        effects += more
    return server, effects


def _publish_one(server: Server, entry: Published, parse: Parse) -> tuple[Server, list[Effect]]:
    """The server with one plain entry published, after a flush if it does not fit into this tick;
    or without it, and a log line, if it does not fit on the ring.
    """
    entry = encode_entry(entry, server.broadcast, server.broadcast.next_number)
    length = entry_len(entry)
    if length > server.limits.outgoing_buffer_sz:
        text = f"a message of about {length} bytes was not broadcast"
        reason = "Limits.outgoing_buffer_sz is less"
        return server, [Log(SERVER_LOG, LogLevel.WARNING, f"{text}: {reason}")]
    has_options = entry.options is not NO_OPTIONS
    if fits(server.broadcast, 1, length):
        return _append(server, (entry,), length, parse, has_options)
    server, flushed = flush(server, FLUSH_ALL, parse)
    server, more = _append(server, (entry,), length, parse, has_options)
    return server, flushed + more


def _append(
    server: Server, entries: tuple[Published, ...], length: int, parse: Parse, has_options: bool
) -> tuple[Server, list[Effect]]:
    """The server with these encoded entries pending, which fit and are `length` bytes together, and
    of which some have options, or none; laggards that need what they overwrite are disconnected.
    """
    ring_before, number = server.broadcast.ring, server.broadcast.next_number
    broadcast = append_pending(server.broadcast, entries, length, has_options)
    totals = server.totals
    if broadcast.encoding_counts and Encoding.SSE in dict(broadcast.encoding_counts):
        skipped = sum([entry.frame[0] & 0x0F != Opcode.TEXT for entry in entries])
        totals = totals.replace(sse_skipped=totals.sse_skipped + skipped)
    server, effects = with_broadcast(server, broadcast, totals), list[Effect]()
    if has_options:
        server, effects = retain_published(server, enumerate(entries, number))
    if broadcast.ring.tail_number <= broadcast.lowest_cursor:
        return server, effects
    # what the entries supersede is needed no more, also if they overwrite what supersedes it
    ring_before = with_latest(ring_before, entries, number)
    server, more = _move_laggards(server, ring_before, parse)
    return server, effects + more


def _move_laggards(server: Server, ring_before: Ring, parse: Parse) -> tuple[Server, list[Effect]]:
    """The server after the tail of its ring has passed a number of a laggard.

    Only those whose number it has passed are looked at. A laggard whose next entries are not for it
    is moved on to the first one it needs, which is looked for on the ring as it was before; if that
    one is overwritten, the laggard is disconnected, or has fallen off the ring, if it skips.
    """
    batch, tail_number = Batch(server, parse), server.broadcast.ring.tail_number
    moved: list[tuple[Conn, int]] = []
    for conn in laggards_passed(server.broadcast):
        client = batch.draft.find_client(conn)
        if client is None or client.subscriber is None or client.subscriber.cursor is None:
            continue
        cursor = client.subscriber.cursor
        if cursor < tail_number:
            cursor = next_needed(conn, client.subscriber, ring_before)
            if cursor < tail_number and not client.subscriber.skips:
                batch.commit(client, drop_too_slow(client, cursor, server.broadcast))
                continue
            batch.commit(client, (advance_cursor(client, cursor), []))
        moved.append((conn, filed_under(cursor, server.broadcast.ring)))
    server, effects = batch.finish()
    broadcast = raise_lowest_cursor(move_laggards(server.broadcast, moved))
    return with_broadcast(server, broadcast, server.totals), effects
