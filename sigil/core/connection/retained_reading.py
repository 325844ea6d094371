"""What is retained, as a subscriber takes it.

Theory: there may be thousands of retained messages, and thousands of clients that join at once. So
none is given a copy of them, nor a snapshot: its queue has a place, which stands for a range of
message numbers, and is read piece by piece when there is room.

Rules: what was replaced before it was read has another number by then, and is not read here: it
comes as all that is published. So each message is sent once. A subscriber that joins is sent its
position behind each piece, so that one that is cut off goes on there: that is where it goes on with
what is published, and from where on it lacks what is retained. It does not know the rest of
the queue.
"""

from collections.abc import Iterator

from ..broadcast.announcing import announce_position, announce_start
from ..broadcast.broadcast import Broadcast
from ..broadcast.cohort_index import NO_TOPICS
from ..broadcast.entry import Subscription
from ..broadcast.numbering import public_number
from ..broadcast.position import gap_json, labelled_retained_frame, message_label
from ..broadcast.retained import (
    RetainedMessage,
    RetainedRange,
    encode_retained,
    has_any,
    messages_in,
    piece_of,
    retained_cost,
    stored_retained,
)
from ..broadcast.ring import (
    FRAMES_MAX,
    missed_between,
    position_at,
    retained_start,
    start_at,
)
from ..events import Segment
from ..topics import ALL_TOPICS, Topic, Topics, missing
from .subscriber import (
    Follow,
    Queue,
    QueueItem,
    RetainedPlace,
    Subscriber,
    has_retained_place,
    make_retained_place,
)


def read_retained(
    segments: list[Segment],
    broadcast: Broadcast,
    subscription: Subscription,
    place: RetainedPlace,
    cursor: int,
    room: int,
) -> tuple[int, RetainedPlace | None]:
    """Append to `segments` what is retained in the range of a place, as far as it is encoded and
    there is room; and then the position of a subscriber that joins, and goes on at `cursor`.

    Returned are the room that is left, in bytes, and a place for what is left.
    """
    wanted, rest = place.wanted, None
    piece = None
    if not subscription.is_relay:
        piece = piece_of(broadcast.retained, wanted, subscription.encoding, room)
    if piece is not None:
        segments.append(piece.data)
        room -= len(piece.data)
        if piece.following is not None and piece.following < wanted.end:
            room, rest = 0, piece.following
        wanted = wanted.replace(start=wanted.end)
    for number, label, frame in _retained_frames(broadcast, subscription, wanted):
        if frame is None or len(segments) >= FRAMES_MAX:
            room, rest = 0, number
        elif room <= 0:
            rest = number
        if frame is None or rest is not None:
            break
        segments += [label, frame] if label else [frame]
        room -= len(label) + len(frame)
    if wanted.is_joining:
        start = wanted.end if rest is None else rest
        position = start_at(broadcast.ring, cursor, start)
        announced = announce_position(subscription, position)
        segments += [announced] if announced else []
        room -= len(announced)
    if rest is None:
        return room, None
    return min(room, 0), place.replace(wanted=place.wanted.replace(start=rest))


def _retained_frames(
    broadcast: Broadcast, subscription: Subscription, wanted: RetainedRange
) -> Iterator[tuple[int, bytes, bytes | None]]:
    """What is retained in a range, with the numbers, and what goes before it, as far as it is
    encoded or may be in this tick; None in the place of the first one that may not, which is the
    last.
    """
    retained, encoding = broadcast.retained, subscription.encoding
    allowance = broadcast.ring.recoded.allowance
    for topic, message in messages_in(retained, wanted, encoding):
        frame = stored_retained(retained, topic, message, encoding)
        if frame is None:
            if allowance <= 0:
                yield message.number, b"", None
                return
            frame = encode_retained(message, encoding)
            allowance -= retained_cost(message)
        yield message.number, _label_for(broadcast, subscription, topic, message), frame


def _label_for(
    broadcast: Broadcast, subscription: Subscription, topic: str | None, message: RetainedMessage
) -> bytes:
    """What a subscriber is sent before a retained message: its position and topic, if it is a
    relay.
    """
    if not subscription.is_relay:
        return b""
    ring = broadcast.ring
    number = max(0, public_number(ring.numbering, message.number))
    return labelled_retained_frame(ring.epoch, number, message_label(topic, False, True))


def retained_backlog_len(subscriber: Subscriber, broadcast: Broadcast) -> int:
    """Bytes of what is retained that a subscriber is still to be sent, with the position behind it;
    what was not encoded for it yet counts as plain frames.
    """
    length, subscription, retained = 0, subscriber.subscription, broadcast.retained
    cursor = subscriber.cursor or 0
    for item in subscriber.queue:
        if isinstance(item, RetainedPlace):
            for topic, message in messages_in(retained, item.wanted, subscription.encoding):
                frame = stored_retained(retained, topic, message, subscription.encoding)
                length += len(_label_for(broadcast, subscription, topic, message))
                length += len(message.frame if frame is None else frame)
            if item.wanted.is_joining:
                position = start_at(broadcast.ring, cursor, item.wanted.end)
                length += len(announce_position(subscription, position))
    return length


def enqueue_retained(subscriber: Subscriber, topic: Topic, broadcast: Broadcast) -> Subscriber:
    """The subscriber with what is retained on a topic behind everything that was published until
    now, if that is anything and it was not subscribed to it already; what is published from now on
    comes behind that.
    """
    known = subscriber.subscription.topics
    if ALL_TOPICS in known:
        return subscriber
    wanted = RetainedRange(0, broadcast.next_number, frozenset((topic,)), known, False)
    if not has_any(broadcast.retained, wanted, subscriber.subscription.encoding):
        return subscriber
    place = make_retained_place(wanted)
    cursor = broadcast.next_number if subscriber.cursor is None else subscriber.cursor
    return subscriber.replace(
        cursor=cursor,
        queue=(*subscriber.queue, place),
        places_len=subscriber.places_len + place.size,
    )


def skip_to_tail(subscriber: Subscriber, broadcast: Broadcast, cursor: int) -> tuple[bytes, Queue]:
    """What tells a subscriber that it goes on at the tail of the ring, past messages that are not
    kept any more, the first of which it needed, and its queue, with what is retained of these where
    it was published. Nothing is told to one that is not told positions.
    """
    ring, queue, subscription = broadcast.ring, subscriber.queue, subscriber.subscription
    unread = [item.wanted for item in queue if isinstance(item, RetainedPlace)]
    starts = [wanted.start for wanted in unread if wanted.is_joining]
    retained_from = min(starts, default=retained_start(ring, cursor))
    is_taken_over = cursor < ring.numbering.began_at
    if subscription.is_relay or (is_taken_over and has_retained_place(subscriber.queue)):
        retained_from = 0  # what is retained is not what it was
    wanted = RetainedRange(
        retained_from, ring.tail_number, subscription.topics, NO_TOPICS, is_joining=True
    )
    if has_any(broadcast.retained, wanted, subscription.encoding):
        rest = _without(queue, wanted, subscription, broadcast)
        queue = _with_retained_between(rest, wanted, subscription, broadcast)
    else:
        retained_from = ring.tail_number
        queue = tuple([item for item in queue if not _is_joining(item)])
    position = start_at(ring, ring.tail_number, retained_from)
    missed = missed_between(ring, cursor, ring.tail_number)
    gap = gap_json(position_at(ring, cursor), position, missed)
    return announce_start(subscription, position, gap), queue


def _is_joining(item: QueueItem) -> bool:
    """True for a place for what is retained up to where a subscriber begins, or goes on."""
    return isinstance(item, RetainedPlace) and item.wanted.is_joining


def _number_before(item: QueueItem) -> int | None:
    """The number up to which messages are sent before what is behind an item; None for one that
    does not say.
    """
    if isinstance(item, Follow):
        return item.to
    if isinstance(item, RetainedPlace) and item.wanted.is_joining:
        return item.wanted.end
    return None


def _without(
    queue: Queue, sent: RetainedRange, subscription: Subscription, broadcast: Broadcast
) -> Queue:
    """The queue without what is retained in a range that is sent in its place: a place that waits
    for what is retained on a topic stands for what is before and behind that.
    """
    left: list[QueueItem] = []
    for item in queue:
        if not isinstance(item, RetainedPlace) or not _is_asked_of(item.wanted, sent.topics):
            left.append(item)
            continue
        wanted = item.wanted
        parts = (
            wanted.replace(end=min(wanted.end, sent.start)),
            wanted.replace(start=max(wanted.start, sent.end)),
        )
        left += [
            item.replace(wanted=part)
            for part in parts
            if has_any(broadcast.retained, part, subscription.encoding)
        ]
    return tuple(left)


def _is_asked_of(wanted: RetainedRange, topics: Topics) -> bool:
    """True for what waits because of a topic that was subscribed to, which is among these."""
    return not wanted.is_joining and (ALL_TOPICS in topics or not missing(wanted.topics, topics))


def _with_retained_between(
    queue: Queue, wanted: RetainedRange, subscription: Subscription, broadcast: Broadcast
) -> Queue:
    """The queue with what is retained in a range that is passed over: each part of it where those
    numbers have their place, before whatever was sent later to this subscriber alone. What was
    retained when it came in, and it has not read, has its place already.
    """
    items: list[QueueItem] = []
    for item in queue:
        number = _number_before(item)
        if number is not None:
            end = max(wanted.start, min(number, wanted.end))
            part, rest = wanted.replace(end=end), wanted.replace(start=end)
            if not has_any(broadcast.retained, rest, subscription.encoding):
                part, rest = wanted, wanted.replace(start=wanted.end)  # the last one says so
            if has_any(broadcast.retained, part, subscription.encoding):
                items.append(make_retained_place(part))
            wanted = rest
        if not _is_joining(item):
            items.append(item)
    if has_any(broadcast.retained, wanted, subscription.encoding):
        items.append(make_retained_place(wanted))
    return tuple(items)
