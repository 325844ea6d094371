"""What the program says to WebSockets: to one, to all, and when it leaves.

Theory: a message said is a frame made, nothing more: it waits in the queue of its client until the turn of the loop is
flushed, so that all that was said to a client in one turn leaves in one piece.

Rules: what was said to one client is bounded by `max_ws_outbox_len`; beyond it a message is dropped, and the program is
told.  What was said to all is bounded by the ring; a client that needs what is overwritten is dropped, because a
stream with a hole in it is a lie.  What a client receives is in the order in which it was said.
It does not know sockets: it orders.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeAlias

from ..broadcast.broadcast import NOBODY, NOT_BEHIND, Stream, data_for, fits, index_topics, is_heard, skip, store
from ..broadcast.broadcast import publish as add
from ..broadcast.encoding import Encoding, recode
from ..broadcast.ring import Entry, Hearing, Ring, entry_len, position_after
from ..conn import Conn
from ..connection.client import CLEAR, Client, Parse, outbox_len
from ..connection.send_queue import Closing, Follow, SendStatus, backlog_len, next_needed
from ..connection.websocket_send import fall_too_far, flush, flush_simple, move_on, owed_len, room_for
from ..effects import Effect, Fan, Note
from ..events import Flush, Publish
from ..websocket.frames import SMALL_HEADS, Opcode, encode_frame, frame_len
from .batch import Desk
from .slots import find
from .state import Server, with_stream
from .totals import count_sent

WARNING = 30

Prospect: TypeAlias = tuple[SendStatus, int, bool]
"""What would become of a message to a client: the status, the bytes there is room for, and whether only texts are."""

NO_PROSPECT = (SendStatus.DROPPED, 0, False)


def prospect_of(server: Server, conn: Conn) -> Prospect:
    """What would become of a message to this client now.  One for which there is no room is dropped by not being told.
    """
    client = find(server.slots, conn)
    if client is None or client.talk is None:
        return NO_PROSPECT
    is_clear = client.outflow is CLEAR and not client.talk.closing  # nearly always; the other says the same of anybody
    room = server.limits.max_ws_outbox_len - client.talk.queued_len if is_clear else room_for(client, server.limits)
    if room <= 0:
        return NO_PROSPECT
    status = SendStatus.BACKPRESSURE if client.outflow.outbox else SendStatus.SUCCESS
    if client.talk.hearing.encoding is Encoding.SSE:
        return status, -(-room // EVENT_WEIGHT), True
    return status, room, False


# -- to all -------------------------------------------------------------------------------------------------------

def publish(server: Server, event: Publish, parse: Parse) -> tuple[Server, list[Effect]]:
    """Say messages to everybody, or to those who hear their topics: each is a frame, made once.

    The turn is flushed first when what was published in it would be overwritten otherwise.
    """
    stream = server.stream
    if not is_heard(stream, server.limits):
        fitting = [payload for _, payload, _ in event.messages if frame_len(len(payload)) <= stream.ring.size]
        return with_stream(server, skip(stream, len(fitting))), []
    entries = _plain(event.messages)
    encoded = _encode_all(entries, stream) if stream.encodings else entries
    length = sum([len(entry[0]) for entry in entries]) if encoded is entries else sum(map(entry_len, encoded))
    if fits(stream, len(encoded), length):
        together = _add(server, encoded, length, parse)
        if together[0].stream.encodings == stream.encodings:
            return together
    # Who is dropped on the way may have been the last to hear an encoding.
    effects: list[Effect] = []
    for entry in entries:
        server, more = _publish_one(server, entry, parse)
        effects += more
    return server, effects


def _plain(messages: tuple[tuple[int, bytes, str | None], ...]) -> tuple[Entry, ...]:
    """The entries of messages, plain: if all are small, without a call for each."""
    try:
        return tuple([(SMALL_HEADS[opcode][len(payload)] + payload, topic, ()) for opcode, payload, topic in messages])
    except LookupError:
        return tuple([(encode_frame(opcode, payload), topic, ()) for opcode, payload, topic in messages])


def _encode_all(entries: tuple[Entry, ...], stream: Stream) -> tuple[Entry, ...]:
    """The entries that are published next, in each encoding that is listened in."""
    return tuple([_encoded(entry, stream, number) for number, entry in enumerate(entries, stream.next_number)])


def _encoded(entry: Entry, stream: Stream, number: int) -> Entry:
    """The entry in each encoding that is listened in, once, unless all of them together do not fit on the ring."""
    frame, topic, _ = entry
    position = position_after(stream.ring, number)
    others = tuple([(encoding, _shared(recode(frame, encoding, position), frame)) for encoding, _ in stream.encodings])
    whole = (frame, topic, others)
    return whole if entry_len(whole) <= stream.ring.size else entry


def _shared(other: bytes, frame: bytes) -> bytes:
    """The very frame, if it is the same in another encoding."""
    return frame if other == frame else other


def _publish_one(server: Server, entry: Entry, parse: Parse) -> tuple[Server, list[Effect]]:
    """The same for one plain frame, which may be too much for this turn, or for any."""
    entry = _encoded(entry, server.stream, server.stream.next_number)
    length = entry_len(entry)
    if length > server.limits.outgoing_buffer_sz:
        text = f"a message of about {length} bytes was not broadcast: Limits.outgoing_buffer_sz is less"
        return server, [Note("sigil.server", WARNING, text)]
    if fits(server.stream, 1, length):
        return _add(server, (entry,), length, parse)
    server, flushed = flush_turn(server, FLUSH, parse)
    server, more = _add(server, (entry,), length, parse)
    return server, flushed + more


FLUSH = Flush(None)


def _add(server: Server, entries: tuple[Entry, ...], length: int, parse: Parse) -> tuple[Server, list[Effect]]:
    """Publish frames that fit, and drop those who would need what this overwrites."""
    skipped = 0
    if server.stream.encodings and Encoding.SSE in dict(server.stream.encodings):
        skipped = sum([entry[0][0] & 0x0F != Opcode.TEXT for entry in entries])
    if skipped:
        server = server._replace(totals=server.totals._replace(skipped=server.totals.skipped + skipped))
    before = server.stream.ring  # it still has what is let go
    stream = add(server.stream, entries, length)
    server = with_stream(server, stream)
    if stream.ring.tail_number <= stream.floor:
        return server, []
    desk = Desk(server, parse)
    floor = NOT_BEHIND
    for conn in sorted(stream.laggards):
        client = desk.draft.find(conn)
        if client is None or client.talk is None or client.talk.cursor is None:
            continue
        cursor = client.talk.cursor
        if cursor < stream.ring.tail_number:
            cursor = next_needed(client.talk, before)
            if cursor < stream.ring.tail_number:
                desk.settle(client, fall_too_far(client, cursor, stream))
                continue
            desk.settle(client, (move_on(client, cursor), []))
        floor = min(floor, cursor)
    desk.stream = desk.stream._replace(floor=floor)
    return desk.finish()


def room_to_publish(server: Server) -> tuple[SendStatus, int, int]:
    """What would become of messages to all now, and for how many bytes and messages at least that is certain."""
    stream, ring = server.stream, server.stream.ring
    length, count = ring.size - stream.pending_len, ring.most - len(stream.pending)
    status = SendStatus.SUCCESS
    if stream.laggards:
        status = SendStatus.BACKPRESSURE
        free = ring.size - (ring.head_offset + stream.pending_len - ring.tail_offset)
        free_count = ring.most - (ring.head_number + len(stream.pending) - ring.tail_number)
        # at least: what they take in other encodings comes on top
        spare = [len(entry[0]) for entry in islice(_before(ring, stream.floor), SPARE_FRAMES)]
        length, count = min(length, free + sum(spare)), min(count, free_count + len(spare))
    return status, length // weight_of(stream), count


def weight_of(stream: Stream) -> int:
    """How often a frame's length is the most that it may take in all encodings.

    Zstandard may make it longer, and an event of nothing but line ends has seven bytes for each.
    """
    return 1 + sum([_WEIGHTS.get(encoding, 1) for encoding, _ in stream.encodings])


EVENT_WEIGHT = 8
_WEIGHTS = {Encoding.ZSTD: 2, Encoding.SSE: EVENT_WEIGHT}


PUBLISHED_HEAD_LEN = 10
"""The most that a frame adds to a message."""


SPARE_FRAMES = 64
"""How far ahead of the slowest laggard it is looked for frames that nobody needs."""


def _before(ring: Ring, number: int) -> Iterator[Entry]:
    """The frames from the tail up to a number."""
    for index in range(ring.first, len(ring.pages)):
        page = ring.pages[index]
        assert page is not None
        for at, entry in enumerate(page.entries, page.number):
            if at >= number:
                return
            if at >= ring.tail_number:
                yield entry


# -- the end of the turn ------------------------------------------------------------------------------------------

def flush_turn(server: Server, event: Flush, parse: Parse) -> tuple[Server, list[Effect]]:
    """What was said leaves: what was said to one before anything was published, then what was published, then the rest.

    With a `conn`, only what was said to this one client leaves, if nothing stands before it.
    """
    if event.conn is not None and not server.stream.pending:
        desk = Desk(server, parse)
        _flush_each(desk, (event.conn,), server.stream.ring)
        return desk.finish()
    listed, is_heard_by_all = server.unflushed, bool(server.stream.pending)
    if not listed:
        return _fan_out(server) if is_heard_by_all else (server, [])
    desk, number = Desk(server._replace(unflushed=listed[:0]), parse), server.stream.ring.head_number
    late = {conn for conn in listed if _waits_for(desk.draft.find(conn), number)} if is_heard_by_all else NOBODY
    _flush_each(desk, [conn for conn in listed if conn not in late] if late else listed, server.stream.ring)
    server, effects = desk.finish()
    if not is_heard_by_all:
        return server, effects
    server, fans = _fan_out(server)
    desk = Desk(server, parse)
    _flush_each(desk, [conn for conn in listed if conn in late], server.stream.ring)
    server, more = desk.finish()
    return server, effects + fans + more


def _waits_for(client: Client | None, number: int) -> bool:
    """True if something said to this client stands behind what was published from this number on."""
    if client is None or client.talk is None:
        return False
    talk = client.talk
    return (talk.cursor or 0) > number or any(isinstance(item, Follow) and item.to > number for item in talk.queue)


def _flush_each(desk: Desk, conns: Iterable[Conn], ring: Ring) -> None:
    """What was said to each of these leaves."""
    for conn in conns:
        client = desk.draft.find(conn)
        if client is None or client.talk is None:
            continue
        step = flush_simple(client)
        if step is None:
            desk.settle(client, flush(client, ring, desk.server.limits))
        else:
            desk.draft.put(step[0])
            desk.effects += step[1]


def _fan_out(server: Server) -> tuple[Server, list[Effect]]:
    """What was published in this turn leaves, one order for each cohort, and is on the ring."""
    stream = server.stream
    cohorts, sent = stream.cohorts, 0
    fans: list[Effect] = []
    several = len(cohorts) > 1
    index = index_topics(stream) if several else None
    known: dict[Hearing, bytes] = {}
    for hearing, members in sorted(cohorts.items(), key=_in_order) if several else cohorts.items():
        # cohorts that differ only in topics on which nothing was published are sent the same piece of memory
        heard = hearing
        if index is not None and hearing.topics:
            heard = Hearing(hearing.encoding, frozenset([topic for topic in hearing.topics if topic in index]))
        data = known.get(heard)
        if data is None:
            data = known[heard] = data_for(stream, heard, index)
        if data:
            fans.append(Fan(hearing, members, data, stream.ring.head_number, stream.next_number))
            sent += len(data) * len(members)
    return with_stream(server, store(stream), count_sent(server.totals, sent)), fans


def _in_order(item: tuple[Hearing, object]) -> tuple[int, list[str]]:
    """Cohorts by encoding and topics: the order of a set of texts is another one in every process."""
    return item[0].encoding, sorted(item[0].topics)


def buffered_amount(server: Server, conn: Conn) -> int:
    """Bytes owed to a client and not yet taken by the kernel, published ones included; 0 for one that is gone."""
    client = find(server.slots, conn)
    if client is None:
        return 0
    talk, stream = client.talk, server.stream
    if talk is None or talk.closing is Closing.OVER:
        return outbox_len(client)
    return owed_len(client) + backlog_len(talk, stream)
