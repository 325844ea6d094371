"""A conversation as a record: what a connection remembers once it has become a WebSocket (RFC
6455).

Theory: a conversation has two sides that end separately, and a program between them that may take
its time. So the record holds what was heard and not yet said on (`reader`, `unread`, `end`), what
is to be said (`queue`, `pong_payload`), and how far the farewell has got (`close_state`).

Rules: frames to be said wait in the queue until the turn of the loop is flushed, so that many
become one piece of memory; a large payload is never copied, it stays a piece of its own. While the
peer is behind with reading, the payload of the latest ping is all that is kept of its pings
(section 5.5.3). It does not know sockets, nor when it is flushed.
"""

from typing import NamedTuple

from ..broadcast.broadcast import Broadcast, commit_pending
from ..broadcast.ring import Ring, first_matching, ring_read
from ..events import Segment
from ..websocket.frames import Opcode, encode_frame, frame_header
from .session import CloseState, Follow, Queue, Session

COPY_MAX = 16_384
"""Payloads up to so many bytes are copied behind their header, and pieces joined with their
neighbours.
"""


def enqueue(queue: Queue, opcode: int, payload: bytes) -> Queue:
    """The queue with one more frame at its end."""
    if len(payload) > COPY_MAX:
        return (*queue, frame_header(opcode, len(payload)), payload)
    return append_frames(queue, encode_frame(opcode, payload))


def append_frames(queue: Queue, frames: bytes) -> Queue:
    """The queue with more bytes at its end, joined with those before that are not at least twice as
    long.

    So a queue of many frames has few pieces, and each byte is copied a logarithmic number of times.
    """
    while queue:
        last = queue[-1]
        if not (
            isinstance(last, bytes)
            and len(last) < 2 * len(frames)
            and len(last) + len(frames) <= COPY_MAX
        ):
            break
        frames = last + frames
        queue = queue[:-1]
    return (*queue, frames)


def enqueue_broadcast(session: Session, broadcast: Broadcast) -> Session:
    """The conversation with all that was published until now before whatever is queued next.

    A client that is where its cohort is, with nothing published in this turn, needs no reminder;
    nor one to whom the place of all that was published is known already: one that changes its mind
    for ever has no queue without end.
    """
    cursor, to, queue = session.cursor, broadcast.next_number, session.queue
    if cursor is None and not broadcast.pending:
        return session
    cursor = broadcast.ring.head_number if cursor is None else cursor
    if to <= next((item.to for item in reversed(queue) if isinstance(item, Follow)), cursor):
        return session
    if queue and isinstance(queue[-1], Follow) and queue[-1].subscription == session.subscription:
        queue = queue[:-1]
    return session._replace(cursor=cursor, queue=(*queue, Follow(to, session.subscription)))


class Dequeued(NamedTuple):
    """What is taken from a conversation to be sent: the pieces, the conversation after it, and why
    there is no more.

    `is_all`: nothing is left. `is_cut`: there is more, but no room. Neither: the rest is not on the
    ring yet.
    """

    segments: tuple[Segment, ...]
    session: Session
    is_all: bool
    is_cut: bool


def dequeue(session: Session, ring: Ring, room: int) -> Dequeued:
    """What is to be said next, at most about `send_room` bytes: the queue, what was published, the
    answer to a ping.
    """
    segments: list[Segment] = []
    left, cursor = room, session.cursor
    hears_on = session.close_state is CloseState.OPEN and cursor is not None
    queue = (
        [*session.queue, Follow(ring.head_number, session.subscription)]
        if hears_on
        else list(session.queue)
    )
    taken = 0
    for item in queue:
        if left <= 0:
            break
        if isinstance(item, Follow):
            left, cursor = _read_broadcast(segments, ring, cursor or 0, item, left)
            if cursor < item.to:
                break
        else:
            segments.append(item)
            left -= len(item)
        taken += 1
    is_all, is_cut = taken == len(queue) and left > 0, left <= 0
    rest = session.queue[taken:]
    is_ahead = (
        cursor is not None and cursor > ring.head_number
    )  # it has joined behind what was published in this turn
    if is_all and session.pong_payload is not None and session.close_state is CloseState.OPEN:
        segments.append(encode_frame(Opcode.PONG, session.pong_payload))
    after = session._replace(
        queue=rest,
        queued_len=sum([len(item) for item in rest if not isinstance(item, Follow)]),
        is_scheduled=False,
        cursor=None if is_all and not is_ahead else ring.head_number if cursor is None else cursor,
        pong_payload=None if is_all else session.pong_payload,
    )
    return Dequeued(join_segments(segments), after, is_all, is_cut)


def join_segments(segments: list[Segment]) -> tuple[Segment, ...]:
    """The same bytes in few pieces: neighbours are joined up to `COPY_MAX`, what is larger stays as
    it is.

    A client that is behind is owed these for long, and pieces are counted, sent and handed back one
    by one.
    """
    pieces: list[Segment] = []
    small: list[Segment] = []
    size = 0
    for segment in segments:
        if small and size + len(segment) > COPY_MAX:
            pieces.append(b"".join(small) if len(small) > 1 else small[0])
            small, size = [], 0
        small.append(segment)
        size += len(segment)
    return (*pieces, b"".join(small) if len(small) > 1 else small[0]) if small else ()


def _read_broadcast(
    segments: list[Segment], ring: Ring, cursor: int, place: Follow, left: int
) -> tuple[int, int]:
    """Add what was published from the cursor up to a place, as far as it is there and there is
    room.

    Returned are the room that is left, and the cursor.
    """
    for number, frame in ring_read(ring, cursor, place.to, place.subscription):
        if left <= 0:
            return left, number
        segments.append(frame)
        left -= len(frame)
    return left, max(cursor, min(place.to, ring.head_number))


def next_needed(session: Session, ring: Ring) -> int:
    """The number of the first frame on the ring that a client that is behind has still to be sent;
    or the head's.
    """
    cursor = session.cursor or 0
    for to, subscription in _ranges(session, ring):
        number = first_matching(ring, cursor, min(to, ring.head_number), subscription)
        if number is not None:
            return number
        cursor = max(cursor, to)
    return ring.head_number


def _ranges(session: Session, ring: Ring) -> list[Follow]:
    """Up to where a client is to be sent what was published, and how it heard then."""
    places = [item for item in session.queue if isinstance(item, Follow)]
    if session.close_state is CloseState.OPEN:
        places.append(Follow(ring.head_number, session.subscription))
    return places


def backlog_len(session: Session, broadcast: Broadcast) -> int:
    """Bytes of what was published that a client has not been sent, this turn's included."""
    ring = commit_pending(broadcast).ring
    cursor = broadcast.ring.head_number if session.cursor is None else session.cursor
    length = 0
    for to, subscription in _ranges(session, ring):
        length += sum([len(frame) for _, frame in ring_read(ring, cursor, to, subscription)])
        cursor = max(cursor, to)
    return length
