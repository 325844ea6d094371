"""What the program says to WebSockets: to one, to all, and when it leaves.

Theory: a message said is a frame made, nothing more: it waits in the queue of its client until the turn of the loop is
flushed, so that all that was said to a client in one turn leaves in one piece.

Rules: what was said to one client is bounded by `max_ws_outbox_len`; beyond it a message is dropped, and the program is
told.  What was said to all is bounded by the ring; a client that needs what is overwritten is dropped, because a
stream with a hole in it is a lie.  What a client receives is in the order in which it was said.
It does not know sockets: it orders.
"""


from ..broadcast.broadcast import NOT_BEHIND, _encode_all, _encoded, _plain, fits, is_heard, skip
from ..broadcast.broadcast import publish as add
from ..broadcast.encoding import Encoding
from ..broadcast.entry import Entry, entry_len
from ..connection.client import Parse
from ..connection.send_queue import next_needed
from ..connection.websocket_send import fall_too_far, move_on
from ..effects import Effect, Note
from ..events import Publish
from ..websocket.frames import Opcode, frame_len
from .batch import Desk
from .flush import FLUSH, flush_turn
from .state import Server, with_stream

WARNING = 30


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


# -- the end of the turn ------------------------------------------------------------------------------------------
