"""What is sent to a subscriber, a WebSocket or an event stream, and how it leaves.

Theory: what is sent to one client waits in its queue until the next flush, with places in it where
what was published belongs, so that a client receives everything in one order. A client that keeps
up has no cursor: it is where its cohort is, and what is published is sent to all of its cohort at
once. One that does not is a laggard: it has a cursor, and is sent what it missed as it takes it.

Rules: a frame that has begun is finished before any other byte; a pong goes behind it, and before
whatever else waits, however much that is. A laggard is sent no more at a time
than its outbox may hold; when it has caught up it is one of its cohort again. Functions take a
client that is a subscriber. They do not know any other client.
"""

from collections.abc import Sequence
from typing import Final, TypeAlias

from ..broadcast.broadcast import Broadcast
from ..broadcast.cohort_index import shared
from ..broadcast.encoding import EVENT_OVERHEAD_FACTOR
from ..broadcast.entry import frame_for, position_for, with_topics
from ..broadcast.numbering import public_number
from ..broadcast.reading import entries_published
from ..broadcast.ring import Ring
from ..close_reasons import CLOSE_INFO, CloseReason
from ..effects import ERROR_LOG, SERVER_LOG, CallSseClose, Effect, Log, LogLevel, Send, Then
from ..events import FanOutStalled, Segment, SendMessages, Subscribe
from ..limits import Limits
from ..send_status import SendStatus
from ..topics import without
from ..websocket.frames import Opcode, encode_close, encode_frame
from .client import Client, Disconnected, Phase, after_sending, with_outgoing, with_subscriber
from .client_status import buffered_len, is_in_cohort, outbox_len, subscriber_of
from .context import Context, Outcome, Step
from .outgoing import with_outbox
from .output import KEEP, write_and_shut
from .retained_reading import enqueue_retained
from .send_queue import (
    Dequeued,
    backlog_len,
    dequeue,
    enqueue_broadcast,
    enqueue_messages,
)
from .subscriber import (
    OPEN,
    CloseState,
    Subscriber,
    add_topics,
    make_place,
    places_len_max,
    segments_in,
    with_queue,
)
from .websocket_state import with_pongs

NOMINAL_FRAME_HEADER_LEN: Final = 4
"""Bytes that a frame's header counts for when it is asked whether there is room: near enough, and
the same wherever it is asked.
"""


# -- to one client ---------------------------------------------------------------------------------


def send_room(client: Client, limits: Limits) -> int:
    """How many bytes may still be sent to a client before it is too far behind; 0 or less for none,
    as for one that is closing.
    """
    subscriber = client.subscriber
    if subscriber is None or subscriber.close_state is not OPEN or subscriber.polling is not None:
        return 0
    return limits.max_ws_outbox_len - buffered_len(client)


SendCapacity: TypeAlias = tuple[SendStatus, int, bool]
"""What would become of a message to a client: the status, the bytes there is room for, and whether
only texts can be sent.
"""

NO_CAPACITY: Final = (SendStatus.DROPPED, 0, False)


def send_capacity(client: Client | None, limits: Limits) -> SendCapacity:
    """What would become of a message to this client now; None is one that is gone.

    Whoever sends asks this before, and a message for which there is no room never becomes an event.
    """
    room = 0 if client is None else send_room(client, limits)
    if client is None or room <= 0:
        return NO_CAPACITY
    status = SendStatus.BACKPRESSURE if client.outgoing.outbox else SendStatus.SUCCESS
    if client.websocket is None:
        return status, -(-room // EVENT_OVERHEAD_FACTOR), True
    return status, room, False


def on_send_messages(client: Client, event: SendMessages, context: Context) -> Step:
    """Queue what the program has sent to this client.

    Whether there is room was asked before (`send_capacity`): what was promised then is queued,
    though the kernel may have taken less since.
    """
    subscriber = client.subscriber
    if subscriber is None or subscriber.close_state is not OPEN or subscriber.polling is not None:
        return client, []
    subscriber = enqueue_broadcast(subscriber, context.broadcast)
    encoding = subscriber.subscription.encoding
    queue, added_len = enqueue_messages(subscriber.queue, event.messages, encoding)
    queued_len, outgoing = subscriber.queued_len + added_len, client.outgoing
    # the next flush looks at it, unless it has to wait for the kernel, which says when it is ready
    is_scheduled = subscriber.is_scheduled or not (not queue or outgoing.outbox or outgoing.is_full)
    subscriber = with_queue(subscriber, queue, queued_len, is_scheduled)
    return with_subscriber(client, subscriber), []


def reply(
    client: Client, messages: Sequence[tuple[int, bytes]], is_last: bool, context: Context
) -> tuple[Subscriber, tuple[Segment, ...]]:
    """The subscriber after its program has replied with these messages to what was delivered to it,
    and what is sent of them. They leave at once if they answer the last of what has come and
    nothing else is to be sent before them; else they are queued.
    """
    subscriber, outgoing = subscriber_of(client), client.outgoing
    if subscriber.close_state is not OPEN:
        return subscriber, ()
    subscriber = enqueue_broadcast(subscriber, context.broadcast)
    leaves = is_last and not subscriber.queue and subscriber.cursor is None
    encoding = subscriber.subscription.encoding
    queue, added_len = enqueue_messages(subscriber.queue, messages, encoding)
    is_behind = outgoing.outbox or outgoing.is_full
    if leaves and not is_behind and added_len <= context.limits.max_outbox_len:
        return subscriber, segments_in(queue)
    queued_len = subscriber.queued_len + added_len
    return with_queue(subscriber, queue, queued_len, subscriber.is_scheduled), ()


def flush_messages(
    client: Client, broadcast: Broadcast, limits: Limits, is_scheduled: bool = False
) -> Step:
    """Send what is queued, as far as there is room; nothing to a client that is behind with
    reading. It `is_scheduled` afterwards if it is still on the list of those to be flushed.
    """
    subscriber = subscriber_of(client)
    if client.outgoing.outbox or client.outgoing.is_full:
        queue, queued_len = subscriber.queue, subscriber.queued_len
        unsent = with_queue(subscriber, queue, queued_len, is_scheduled)
        return with_subscriber(client, unsent), []
    dequeued = dequeue_for(client, broadcast, limits.max_outbox_len, is_scheduled)
    return _send_dequeued(client, (), dequeued, client.waiting_since)


def resume_sending(client: Client, context: Context) -> Step:
    """The kernel takes bytes again: send the outbox, and then what else is queued. While there is
    anything that may be superseded, no more is taken before the outbox is empty: it would grow old.
    """
    outbox, ring = client.outgoing.outbox, context.broadcast.ring
    room = context.limits.max_outbox_len - sum(map(len, outbox))
    if outbox and ring.latest.newest:
        room = 0
    is_scheduled = subscriber_of(client).is_scheduled
    dequeued = dequeue_for(client, context.broadcast, room, is_scheduled)
    return _send_dequeued(client, outbox, dequeued, context.now)


def dequeue_for(
    client: Client, broadcast: Broadcast, room: int, is_scheduled: bool = False
) -> Dequeued:
    """What is to be sent next to this client, about `room` bytes at most, behind the pongs that are
    due to it; it `is_scheduled` afterwards or not.
    """
    pongs = b"" if client.websocket is None else client.websocket.pongs
    return dequeue(client.conn, subscriber_of(client), broadcast, room, pongs, is_scheduled)


def _send_dequeued(
    client: Client, outbox: tuple[Segment, ...], dequeued: Dequeued, waiting_since: float
) -> Step:
    """Send the outbox, which is all that the client has of one, and these; if that is much, wait
    until it is taken before there is more.
    """
    subscriber, websocket, outgoing = dequeued.subscriber, client.websocket, client.outgoing
    segments = outbox + dequeued.segments
    if outbox or outgoing.is_full is not dequeued.is_cut:
        outgoing = with_outbox(outgoing, (), dequeued.is_cut)
    if websocket is not None and websocket.pongs:
        websocket = with_pongs(websocket, b"")
    sent_len = sum(map(len, segments))
    is_ending = dequeued.is_all and subscriber.close_state is CloseState.CLOSING
    if websocket is None and is_ending:
        client = after_sending(
            client, client.incoming, outgoing, waiting_since, 0, subscriber, None
        )
        return end_event_stream(client, segments)
    after = after_sending(
        client, client.incoming, outgoing, waiting_since, sent_len, subscriber, websocket
    )
    return after, [Send(client.conn, segments, KEEP)] if segments else []


def end_event_stream(client: Client, segments: tuple[Segment, ...] = ()) -> Step:
    """Send the last of an event stream and end it: there is no close frame to be answered, and the
    program is notified at once.
    """
    subscriber = subscriber_of(client).replace(
        close_state=CloseState.CLOSED, cursor=None, queue=(), queued_len=0, places_len=0
    )
    reason = subscriber.reason
    client, effects = write_and_shut(with_subscriber(client, subscriber), segments, reason)
    return client, [*effects, CallSseClose(client.conn, reason)]


# -- laggards --------------------------------------------------------------------------------------


def begins_behind(client: Client, cursor: int | None, broadcast: Broadcast) -> bool:
    """True if a client that becomes a subscriber with this cursor is first sent what was published
    before, or has not taken the responses before it.
    """
    if cursor is None:
        return False
    outgoing = client.outgoing
    return cursor < broadcast.next_number or bool(outgoing.outbox) or outgoing.is_full


def become_laggard(client: Client, ring: Ring) -> Client:
    """The kernel is full: from here on this client has a cursor of its own."""
    subscriber = subscriber_of(client)
    is_ended = subscriber.close_state is not OPEN and subscriber.cursor is None
    if subscriber.is_behind or is_ended:
        return client
    cursor = ring.head_number if subscriber.cursor is None else subscriber.cursor
    return with_subscriber(client, subscriber.replace(cursor=cursor, is_behind=True))


def on_fan_out_stalled(client: Client, event: FanOutStalled, context: Context) -> Outcome:
    """Make a laggard of a client of which the kernel did not take all that was sent to its cohort:
    from the first frame that was not taken, with the rest of one that was taken in part.
    """
    subscriber, ring = subscriber_of(client), context.broadcast.ring
    if client.incoming.phase is Phase.DROPPED:
        return client, []
    if event.start < ring.tail_number:
        return drop_too_slow(client, event.start, context.broadcast, not event.taken)
    rest, cursor, total = _not_taken(ring, event)
    outgoing = client.outgoing.replace(outbox=rest + client.outgoing.outbox)
    if is_in_cohort(client):  # it had read all that was sent before
        outgoing = outgoing.replace(read_lag=None)
    client = client.replace(bytes_out=client.bytes_out - total + event.taken)
    if subscriber.close_state >= CloseState.ENDED:
        return with_outgoing(client, outgoing), []
    if subscriber.cursor is not None:
        cursor = min(cursor, subscriber.cursor)
    queue, held = subscriber.queue, subscriber.places_len
    # What it missed belongs before what was queued since, and is of the topics it had then.
    if queue or subscriber.subscription != event.subscription:
        place = make_place(event.end, event.subscription, subscriber.subscription)
        queue, held = (place, *queue), held + place.size
    client = client.replace(
        subscriber=subscriber.replace(cursor=cursor, queue=queue, places_len=held, is_behind=True),
        outgoing=outgoing.replace(is_full=not outgoing.outbox),
    )
    return client, []


def _not_taken(ring: Ring, event: FanOutStalled) -> tuple[tuple[Segment, ...], int, int]:
    """What is left of the frame that was taken in part, if one was, with its position; the number
    of the frame behind it; and the bytes of the whole `FanOut`.
    """
    taken, cursor, total = event.taken, event.start, 0
    rest: tuple[Segment, ...] = ()
    subscription = event.subscription
    published = entries_published(ring, event.start, event.end, subscription, event.conn)
    for number, entry in published:
        public = public_number(ring.numbering, number)
        position = position_for(entry, subscription, ring.epoch, public)
        frame = frame_for(entry, subscription, ring.epoch, public)
        begin, length = len(position), len(position) + len(frame)
        total += length
        if not taken:
            continue
        rest = ()
        if taken < begin:
            rest = (position[taken:], frame)
        elif taken < length:
            rest = (memoryview(frame)[taken - begin :],)
        taken, cursor = max(0, taken - length), number + 1
    return rest, cursor, total


def advance_cursor(client: Client, cursor: int) -> Client:
    """The client with its cursor moved on, past frames that it is not subscribed to."""
    return with_subscriber(client, subscriber_of(client).replace(cursor=cursor))


def drop_too_slow(
    client: Client, needed: int, broadcast: Broadcast, is_between_frames: bool = True
) -> Outcome:
    """Drop a laggard because the message with number `needed`, which it was not sent, is
    overwritten; the log gets the numbers. A WebSocket gets a close frame, if the kernel takes it:
    not inside a frame that is half sent.
    """
    ring = broadcast.ring
    kept_len = ring.head_offset + broadcast.pending_len - ring.tail_offset
    text = (
        f"{client.peer} dropped, WS_CLIENT_TOO_SLOW: it needed message {needed}, the oldest kept "
        f"is {ring.tail_number} of {broadcast.next_number}; {kept_len} bytes are kept, the limit "
        f"is {ring.max_bytes} bytes or {ring.max_frames} messages"
    )
    effects: list[Effect] = [Log(SERVER_LOG, LogLevel.INFO, text)]
    if client.websocket is not None and is_between_frames and not client.outgoing.outbox:
        info = CLOSE_INFO[CloseReason.WS_CLIENT_TOO_SLOW]
        frame = encode_frame(Opcode.CLOSE, encode_close(info.code, info.sentence))
        effects.append(Send(client.conn, (frame,), Then.DROP))
    return Disconnected(client, CloseReason.WS_CLIENT_TOO_SLOW), effects


# -- topics ----------------------------------------------------------------------------------------


def on_subscribe(client: Client, event: Subscribe, context: Context) -> Outcome:
    """Subscribe a client to a topic, or unsubscribe it, for the program; what was published before
    is still sent by the topics it had then: what is held for that is counted, and a client
    that has no room for it is too slow.

    A subscription beyond the limits is not made: the caller may be in another thread, so only the
    error log can tell.
    """
    subscriber = client.subscriber
    if subscriber is None or subscriber.close_state is not OPEN or subscriber.polling is not None:
        return client, []
    topics = subscriber.subscription.topics
    if (event.topic in topics) is event.is_subscribed:
        return client, []
    if event.is_subscribed:
        subscription = add_topics(subscriber.subscription, (event.topic,), context.limits)
        if isinstance(subscription, str):
            return client, [Log(ERROR_LOG, LogLevel.ERROR, f"{client.peer}: {subscription}")]
    else:
        subscription = with_topics(subscriber.subscription, without(topics, event.topic))
    subscription = shared(context.broadcast.cohort_index, subscription)
    is_full = subscriber.places_len >= places_len_max(context.limits)
    before, subscriber = subscriber, enqueue_broadcast(subscriber, context.broadcast)
    if event.is_subscribed:
        subscriber = enqueue_retained(subscriber, event.topic, context.broadcast)
    if is_full and subscriber.places_len > before.places_len:
        text = f"{client.peer} dropped, WS_CLIENT_TOO_SLOW: no room for one more change of topics"
        return Disconnected(client, CloseReason.WS_CLIENT_TOO_SLOW), [
            Log(SERVER_LOG, LogLevel.INFO, text)
        ]
    return with_subscriber(client, subscriber.replace(subscription=subscription)), []


def buffered_amount(client: Client | None, broadcast: Broadcast) -> int:
    """Bytes that are to be sent to a client and were not taken by the kernel, published ones
    included; 0 for one that is gone.
    """
    if client is None:
        return 0
    subscriber = client.subscriber
    if subscriber is None or subscriber.close_state >= CloseState.ENDED:
        return outbox_len(client)
    return buffered_len(client) + backlog_len(client.conn, subscriber, broadcast)
