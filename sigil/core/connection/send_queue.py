"""A conversation as a record: what a connection remembers once it has become a WebSocket (RFC 6455).

Theory: a conversation has two sides that end separately, and a program between them that may take its time.  So the
record holds what was heard and not yet said on (`inbound`, `pending`, `last_word`), what is to be said (`queue`,
`pong`), and how far the farewell has got (`closing`).

Rules: frames to be said wait in the queue until the turn of the loop is flushed, so that many become one piece of
memory; a large payload is never copied, it stays a piece of its own.  While the peer is behind with reading, the
payload of the latest ping is all that is kept of its pings (section 5.5.3).  It does not know sockets, nor when it is
flushed.
"""

from typing import NamedTuple

from ..broadcast.broadcast import Stream, store
from ..broadcast.ring import Ring, first_of, read
from ..events import Segment
from ..websocket.frames import Opcode, encode_frame, frame_header
from .session import Closing, Follow, Queue, Talk

JOIN_MAX = 16_384
"""Payloads up to so many bytes are copied behind their header, and pieces joined with their neighbours."""


def enqueue(queue: Queue, opcode: int, payload: bytes) -> Queue:
    """The queue with one more frame at its end."""
    if len(payload) > JOIN_MAX:
        return (*queue, frame_header(opcode, len(payload)), payload)
    return append_frames(queue, encode_frame(opcode, payload))


def append_frames(queue: Queue, frames: bytes) -> Queue:
    """The queue with more bytes at its end, joined with those before that are not at least twice as long.

    So a queue of many frames has few pieces, and each byte is copied a logarithmic number of times.
    """
    while queue:
        last = queue[-1]
        if not (isinstance(last, bytes) and len(last) < 2 * len(frames) and len(last) + len(frames) <= JOIN_MAX):
            break
        frames = last + frames
        queue = queue[:-1]
    return (*queue, frames)


def follow(talk: Talk, stream: Stream) -> Talk:
    """The conversation with all that was published until now before whatever is queued next.

    A client that is where its cohort is, with nothing published in this turn, needs no reminder; nor one to whom the
    place of all that was published is known already: one that changes its mind for ever has no queue without end.
    """
    cursor, to, queue = talk.cursor, stream.next_number, talk.queue
    if cursor is None and not stream.pending:
        return talk
    cursor = stream.ring.head_number if cursor is None else cursor
    if to <= next((item.to for item in reversed(queue) if isinstance(item, Follow)), cursor):
        return talk
    if queue and isinstance(queue[-1], Follow) and queue[-1].hearing == talk.hearing:
        queue = queue[:-1]
    return talk._replace(cursor=cursor, queue=(*queue, Follow(to, talk.hearing)))


class Taking(NamedTuple):
    """What is taken from a conversation to be sent: the pieces, the conversation after it, and why there is no more.

    `is_all`: nothing is left.  `is_cut`: there is more, but no room.  Neither: the rest is not on the ring yet.
    """

    segments: tuple[Segment, ...]
    talk: Talk
    is_all: bool
    is_cut: bool


def take_queue(talk: Talk, ring: Ring, room: int) -> Taking:
    """What is to be said next, at most about `room` bytes: the queue, what was published, the answer to a ping."""
    segments: list[Segment] = []
    left, cursor = room, talk.cursor
    hears_on = talk.closing is Closing.OPEN and cursor is not None
    queue = [*talk.queue, Follow(ring.head_number, talk.hearing)] if hears_on else list(talk.queue)
    taken = 0
    for item in queue:
        if left <= 0:
            break
        if isinstance(item, Follow):
            left, cursor = _take_followed(segments, ring, cursor or 0, item, left)
            if cursor < item.to:
                break
        else:
            segments.append(item)
            left -= len(item)
        taken += 1
    is_all, is_cut = taken == len(queue) and left > 0, left <= 0
    rest = talk.queue[taken:]
    is_ahead = cursor is not None and cursor > ring.head_number  # it has joined behind what was published in this turn
    if is_all and talk.pong is not None and talk.closing is Closing.OPEN:
        segments.append(encode_frame(Opcode.PONG, talk.pong))
    after = talk._replace(
        queue=rest, queued_len=sum([len(item) for item in rest if not isinstance(item, Follow)]), is_listed=False,
        cursor=None if is_all and not is_ahead else ring.head_number if cursor is None else cursor,
        pong=None if is_all else talk.pong)
    return Taking(packed(segments), after, is_all, is_cut)


def packed(segments: list[Segment]) -> tuple[Segment, ...]:
    """The same bytes in few pieces: neighbours are joined up to `JOIN_MAX`, what is larger stays as it is.

    A client that is behind is owed these for long, and pieces are counted, sent and handed back one by one.
    """
    pieces: list[Segment] = []
    small: list[Segment] = []
    size = 0
    for segment in segments:
        if small and size + len(segment) > JOIN_MAX:
            pieces.append(b"".join(small) if len(small) > 1 else small[0])
            small, size = [], 0
        small.append(segment)
        size += len(segment)
    return (*pieces, b"".join(small) if len(small) > 1 else small[0]) if small else ()


def _take_followed(segments: list[Segment], ring: Ring, cursor: int, place: Follow, left: int) -> tuple[int, int]:
    """Add what was published from the cursor up to a place, as far as it is there and there is room.

    Returned are the room that is left, and the cursor.
    """
    for number, frame in read(ring, cursor, place.to, place.hearing):
        if left <= 0:
            return left, number
        segments.append(frame)
        left -= len(frame)
    return left, max(cursor, min(place.to, ring.head_number))


def next_needed(talk: Talk, ring: Ring) -> int:
    """The number of the first frame on the ring that a client that is behind has still to be sent; or the head's."""
    cursor = talk.cursor or 0
    for to, hearing in _places(talk, ring):
        number = first_of(ring, cursor, min(to, ring.head_number), hearing)
        if number is not None:
            return number
        cursor = max(cursor, to)
    return ring.head_number


def _places(talk: Talk, ring: Ring) -> list[Follow]:
    """Up to where a client is to be sent what was published, and how it heard then."""
    places = [item for item in talk.queue if isinstance(item, Follow)]
    if talk.closing is Closing.OPEN:
        places.append(Follow(ring.head_number, talk.hearing))
    return places


def backlog_len(talk: Talk, stream: Stream) -> int:
    """Bytes of what was published that a client has not been sent, this turn's included."""
    ring = store(stream).ring
    cursor = stream.ring.head_number if talk.cursor is None else talk.cursor
    length = 0
    for to, hearing in _places(talk, ring):
        length += sum([len(frame) for _, frame in read(ring, cursor, to, hearing)])
        cursor = max(cursor, to)
    return length
