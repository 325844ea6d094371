"""The queue of a subscriber: what is to be sent to it, in order, and how it is taken to be sent.

Theory: frames wait in the queue until the next flush, so that many leave as one piece of memory.
What is published is not copied into queues: it is on the ring once, and a queue holds the places
(`Follow`) at which it belongs, so that a client receives everything in the order in which it was
sent and published.

Rules: small frames are joined with their neighbours, a large payload is never copied: it is a
segment of its own, behind that of its header, and both are one item (`LongFrame`). So whatever is
taken is whole frames, and whatever is sent next goes between two of them. What is taken at once is
bounded by the room there is, give or take one frame. Pongs go before everything that is queued:
they never wait for a client to catch up (RFC 6455 section 5.5.2). It does not know sockets, nor
when the queue is flushed.
"""

from collections.abc import Iterator, Sequence
from typing import Final, final

from ..broadcast.broadcast import Broadcast
from ..broadcast.encode import encode_for, retained_ahead
from ..broadcast.encoding import ENCODING_INFO, Encoding, encode_message
from ..broadcast.entry import Subscription, is_excluded, matches
from ..broadcast.latest import is_superseded
from ..broadcast.reading import (
    entries_due,
    entries_len_for,
    entries_published,
    first_due,
    length_due,
    position_of,
    read_encoded,
)
from ..broadcast.ring import FRAMES_MAX, Ring
from ..conn import Conn
from ..events import Segment
from ..limits import Limits
from ..value import Value
from ..websocket.frames import (
    SHORT_FRAME_HEADERS,
    SMALL_FRAME_MAX,
    encode_frame,
    frame_header,
    frame_len,
)
from .retained_reading import read_retained, retained_backlog_len, skip_to_tail
from .subscriber import (
    OPEN,
    Follow,
    LongFrame,
    Queue,
    RetainedPlace,
    Subscriber,
    after_dequeue,
    item_len,
    make_place,
    segments_of,
)

COPY_MAX: Final = 16_384
"""Bytes up to which a payload is copied behind its header, and neighbouring segments are joined."""


# -- filling it ------------------------------------------------------------------------------------


def enqueue(queue: Queue, opcode: int, payload: bytes) -> Queue:
    """The queue with one more frame at its end."""
    if len(payload) > COPY_MAX:
        return (*queue, LongFrame(frame_header(opcode, len(payload)), payload))
    return append_frames(queue, encode_frame(opcode, payload))


def enqueue_frame(subscriber: Subscriber, opcode: int, payload: bytes) -> Subscriber:
    """The subscriber with one more frame at the end of its queue."""
    return subscriber.replace(
        queue=enqueue(subscriber.queue, opcode, payload),
        queued_len=subscriber.queued_len + frame_len(len(payload)),
    )


def enqueue_messages(
    queue: Queue, messages: Sequence[tuple[int, bytes]], encoding: Encoding
) -> tuple[Queue, int]:
    """The queue with these messages (opcode and payload) at its end in an encoding, and how many
    bytes more are in it.
    """
    plain_max = ENCODING_INFO[encoding].plain_max
    short_max, added_len, size = min(plain_max, SMALL_FRAME_MAX - 1), 0, 0
    pieces: list[bytes] = []
    for opcode, payload in messages:
        length = len(payload)
        size += length
        if size > COPY_MAX and pieces:
            frames = b"".join(pieces)
            queue, added_len = append_frames(queue, frames), added_len + len(frames)
            pieces, size = [], length
        if length <= short_max:
            pieces += (SHORT_FRAME_HEADERS[opcode][length], payload)
        elif COPY_MAX < length <= plain_max:
            queue, added_len = enqueue(queue, opcode, payload), added_len + frame_len(length)
        else:
            pieces.append(encode_message(opcode, payload, encoding))
    frames = b"".join(pieces)
    if frames:
        queue, added_len = append_frames(queue, frames), added_len + len(frames)
    return queue, added_len


def append_frames(queue: Queue, frames: bytes) -> Queue:
    """The queue with whole frames at its end, joined with those before that are less than twice as
    long.

    So a queue of many frames has few segments, and each byte is copied a logarithmic number of
    times.
    """
    while queue:
        last = queue[-1]
        is_joinable = (
            isinstance(last, bytes)
            and len(last) < 2 * len(frames)
            and len(last) + len(frames) <= COPY_MAX
        )
        if not is_joinable:
            break
        assert isinstance(last, bytes)
        frames = last + frames
        queue = queue[:-1]
    return (*queue, frames)


def enqueue_broadcast(subscriber: Subscriber, broadcast: Broadcast) -> Subscriber:
    """The subscriber with everything that was published until now before whatever is queued next.

    One that is where its cohort is, with nothing published since the last flush, needs no place in
    its queue; nor one whose last place already covers all that was published: a client that changes
    its topics for ever has no endless queue.
    """
    cursor, to, queue = subscriber.cursor, broadcast.next_number, subscriber.queue
    if cursor is None:
        if not broadcast.pending:
            return subscriber
        cursor = broadcast.ring.head_number
    if to <= _last_place(queue, cursor):
        return subscriber
    last, subscription = queue[-1] if queue else None, subscriber.subscription
    held = subscriber.places_len
    if isinstance(last, Follow) and last.subscription == subscription:
        place = last.replace(to=to)
        queue = queue[:-1]
    else:
        place = make_place(to, subscription, _last_subscription(queue))
        held += place.size
    return subscriber.replace(cursor=cursor, queue=(*queue, place), places_len=held)


def _last_place(queue: Queue, cursor: int) -> int:
    """Up to which number what was published has its place in the queue."""
    return next((item.to for item in reversed(queue) if isinstance(item, Follow)), cursor)


def _last_subscription(queue: Queue) -> Subscription | None:
    """The subscription of the last place in the queue."""
    places = (item.subscription for item in reversed(queue) if isinstance(item, Follow))
    return next(places, None)


# -- emptying it -----------------------------------------------------------------------------------


@final
class Dequeued(Value):
    """What is taken from a subscriber to be sent: the segments, the subscriber without them, and
    why there is no more.

    `is_all`: nothing is left. `is_cut`: there is more, but no room. Neither: the rest is not on the
    ring yet.
    """

    __match_args__ = ("segments", "subscriber", "is_all", "is_cut")
    __slots__ = __match_args__

    def __init__(
        self, segments: tuple[Segment, ...], subscriber: Subscriber, is_all: bool, is_cut: bool
    ) -> None:
        self.segments: Final = segments
        self.subscriber: Final = subscriber
        self.is_all: Final = is_all
        self.is_cut: Final = is_cut


def dequeue(
    conn: Conn,
    subscriber: Subscriber,
    broadcast: Broadcast,
    room: int,
    pongs: bytes = b"",
    is_scheduled: bool = False,
) -> Dequeued:
    """What is to be sent next, about `room` bytes at most: these pongs, unless a close frame may be
    before them, then the queue, then what was published for a laggard. The subscriber
    `is_scheduled` afterwards if it is still on the list of those to be flushed.
    """
    ring, queue, cursor = broadcast.ring, subscriber.queue, subscriber.cursor
    gap = b""
    if cursor is not None and cursor < ring.tail_number and room > 0:
        # with no room it stays where it is: else it would be sent of gaps, and of nothing between
        gap, queue = skip_to_tail(subscriber, broadcast, cursor)
        cursor = ring.tail_number
    is_open, items = subscriber.close_state is OPEN, queue
    if is_open and cursor is not None:
        items = (*items, Follow(ring.head_number, subscriber.subscription, 0))
    segments: list[Segment] = [pongs] if pongs and is_open else []
    segments += [gap] if gap else []
    left, taken = room, 0
    for item in items:
        if left <= 0:
            break
        if isinstance(item, Follow):
            frames = _frames_for(conn, subscriber, ring, cursor or 0, item)
            left, cursor = _read_broadcast(segments, ring, cursor or 0, item, left, frames)
            if cursor < item.to:
                break
        elif isinstance(item, RetainedPlace):
            subscription = subscriber.subscription
            left, rest = read_retained(segments, broadcast, subscription, item, cursor or 0, left)
            if rest is not None:
                queue = (*queue[:taken], rest, *queue[taken + 1 :])
                break
        else:
            segments += segments_of(item)
            left -= item_len(item)
        taken += 1
    is_cut = left <= 0
    is_all = taken == len(items) and not is_cut
    cursor = _cursor_after(cursor, is_all, ring.head_number)
    is_behind = cursor is not None and (is_cut or subscriber.is_behind)
    after = after_dequeue(subscriber, queue[taken:], cursor, is_scheduled, is_behind)
    return Dequeued(join_segments(segments), after, is_all, is_cut)


def _cursor_after(cursor: int | None, is_all: bool, head_number: int) -> int | None:
    """The cursor of a subscriber after what was taken; None if it is where its cohort is."""
    if cursor is None:
        return None if is_all else head_number
    # One that joined behind what was published since the last flush is ahead of the ring's head.
    is_ahead = cursor > head_number
    return None if is_all and not is_ahead else cursor


def join_segments(segments: list[Segment]) -> tuple[Segment, ...]:
    """These bytes in few segments: neighbours are joined up to `COPY_MAX` bytes, larger ones
    stay as they are.

    For a client that is behind they are held for long, and segments are counted, sent and handed
    back one by one.
    """
    if len(segments) < 2:
        return tuple(segments)
    joined: list[Segment] = []
    small: list[Segment] = []
    size = 0
    for segment in segments:
        if small and size + len(segment) > COPY_MAX:
            joined.append(_join(small))
            small, size = [], 0
        small.append(segment)
        size += len(segment)
    return (*joined, _join(small))


def _join(segments: list[Segment]) -> Segment:
    """These segments as one, without a copy if it is only one."""
    return b"".join(segments) if len(segments) > 1 else segments[0]


def _frames_for(
    conn: Conn, subscriber: Subscriber, ring: Ring, cursor: int, place: Follow
) -> Iterator[tuple[int, bytes | None]]:
    """What a subscriber is sent from a cursor up to a place: what is due, if it is behind, and else
    all that was published.
    """
    if subscriber.is_behind:
        due = entries_due(ring, cursor, place.to, place.subscription, conn)
        return read_encoded(ring, due, place.subscription)
    entries = entries_published(ring, cursor, place.to, place.subscription, conn)
    return read_encoded(ring, entries, place.subscription)


def _read_broadcast(
    segments: list[Segment],
    ring: Ring,
    cursor: int,
    place: Follow,
    room: int,
    frames: Iterator[tuple[int, bytes | None]],
) -> tuple[int, int]:
    """Append to `segments` these frames, which are those from the cursor up to a place, as far as
    they are encoded, and there is room.

    Returned are the room that is left, in bytes, and the cursor.
    """
    subscription = place.subscription
    for number, frame in frames:
        if frame is None or len(segments) >= FRAMES_MAX:
            return 0, number
        if room <= 0:
            return room, number
        if subscription.has_positions:  # by itself: the next one may be too long to be copied
            position = position_of(ring, number, subscription)
            segments.append(position)
            room -= len(position)
        segments.append(frame)
        room -= len(frame)
    return room, max(cursor, min(place.to, ring.head_number))


def encode_ahead(
    subscriber: Subscriber, broadcast: Broadcast, tick_started_at: float, limits: Limits
) -> Broadcast:
    """The broadcast with what a subscriber is sent next encoded for it, as far as the tick allows.

    Only one that asked for what was published before anybody had its encoding needs that.
    """
    first = subscriber.queue[0] if subscriber.queue else None
    if isinstance(first, RetainedPlace):
        encoding = subscriber.subscription.encoding
        broadcast = retained_ahead(broadcast, first.wanted, encoding, tick_started_at, limits)
    if subscriber.cursor is None or subscriber.subscription.encoding is Encoding.PLAIN:
        return broadcast
    cursor = max(subscriber.cursor, broadcast.ring.tail_number)
    places = _places(subscriber, broadcast.ring.head_number)
    if not places:
        return broadcast
    due = [(place.to, place.subscription) for place in places]
    return encode_for(broadcast, cursor, due, tick_started_at, limits)


# -- how far behind it is --------------------------------------------------------------------------


def next_needed(conn: Conn, subscriber: Subscriber, ring: Ring) -> int:
    """The number of the first frame on the ring that a laggard has still to be sent, but superseded
    ones; the head's if there is none.
    """
    cursor = subscriber.cursor or 0
    for place in _places(subscriber, ring.head_number):
        end = min(place.to, ring.head_number)
        number = first_due(ring, cursor, end, place.subscription, conn)
        if number is not None:
            return number
        cursor = max(cursor, place.to)
    return ring.head_number


def _places(subscriber: Subscriber, head_number: int) -> list[Follow]:
    """Up to where a subscriber is to be sent what was published before `head_number`, and for which
    subscription.
    """
    places = [item for item in subscriber.queue if isinstance(item, Follow)]
    if subscriber.close_state is OPEN:
        places.append(Follow(head_number, subscriber.subscription, 0))
    return places


def backlog_len(conn: Conn, subscriber: Subscriber, broadcast: Broadcast) -> int:
    """Bytes of what was published, until now, that a subscriber is still to be sent; what was not
    encoded for it yet counts as plain frames.
    """
    ring, length = broadcast.ring, retained_backlog_len(subscriber, broadcast)
    cursor = ring.head_number if subscriber.cursor is None else subscriber.cursor
    cursor = max(cursor, ring.tail_number)
    for place in _places(subscriber, broadcast.next_number):
        end = min(place.to, ring.head_number)
        length += length_due(ring, cursor, end, place.subscription, conn)
        length += _pending_len(broadcast, cursor, place, conn, subscriber.is_behind)
        cursor = max(cursor, place.to)
    return length


def _pending_len(
    broadcast: Broadcast, cursor: int, place: Follow, conn: Conn, is_behind: bool
) -> int:
    """Bytes of the pending entries from the cursor up to a place that are sent to this connection:
    superseded ones too, unless it is behind.
    """
    ring, subscription = broadcast.ring, place.subscription
    start = max(0, cursor - ring.head_number)
    pending = broadcast.pending[start : max(0, place.to - ring.head_number)]
    found = [
        (number, entry)
        for number, entry in enumerate(pending, ring.head_number + start)
        if matches(entry, subscription)
        and not is_excluded(entry, conn)
        and not (is_behind and is_superseded(ring.latest, number, entry, subscription))
    ]
    return entries_len_for(ring, found, subscription)
