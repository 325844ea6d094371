"""What is said to a connection that has become a WebSocket, and how it leaves.

Theory: what is said waits in a queue until the turn is flushed, with places in it where what was
published belongs, so that a client receives everything in the order in which it was said. A client
that keeps up has no cursor: it is where its cohort is. One that does not is a laggard: it has a
cursor, and is sent what it missed as it takes it.

Rules: a frame that has begun is finished before any other byte. A laggard is sent no more at a time
than its outbox may hold; when it has caught up it is one of its cohort again. Functions take a
client that has a `session`. They do not know any other client.
"""

from typing import TypeAlias

from ..broadcast.broadcast import Broadcast
from ..broadcast.encoding import EVENT_OVERHEAD_FACTOR, Encoding, encode_message
from ..broadcast.entry import Subscription
from ..broadcast.ring import Ring, ring_read
from ..close_reasons import CloseReason
from ..effects import SERVER_LOG, Log, LogLevel, Then
from ..events import FanOutStalled, Segment, SendMessages, Subscribe
from ..limits import Limits
from ..send_status import SendStatus
from ..websocket.frames import frame_len
from .client import (
    Client,
    Context,
    Disconnected,
    Outcome,
    Step,
    buffered_len,
    outbox_len,
    session_of,
    with_session,
)
from .output import write, write_and_shut
from .send_queue import Dequeued, append_frames, backlog_len, dequeue, enqueue, enqueue_broadcast
from .session import CloseState, Follow

_OPEN, _OVER = CloseState.OPEN, CloseState.CLOSED
_KEEP = Then.KEEP
_PLAIN = Encoding.PLAIN


def send_room(client: Client, limits: Limits) -> int:
    """How many bytes may still be said to a client before it is too far behind; not above 0 if it
    is leaving.
    """
    session = client.session
    return (
        0
        if session is None or session.close_state is not _OPEN
        else limits.max_ws_outbox_len - buffered_len(client)
    )


def queue_messages(client: Client, event: SendMessages, context: Context) -> Step:
    """The program has said something to this client.

    Whether there is room is asked before (`send_room`, by `send_capacity`): what was promised then
    is kept, though the kernel may have taken less since.
    """
    session = client.session
    if session is None or session.close_state is not _OPEN:
        return client, []
    session = enqueue_broadcast(session, context.broadcast)
    queue, queued_len = session.queue, session.queued_len
    encoding = session.subscription.encoding
    for opcode, payload in event.messages:
        if encoding is _PLAIN:
            queue = enqueue(queue, opcode, payload)
            queued_len += frame_len(len(payload))
        else:
            frame = encode_message(opcode, payload, encoding)
            queue, queued_len = (
                append_frames(queue, frame) if frame else queue,
                queued_len + len(frame),
            )
    return with_session(client, session._replace(queue=queue, queued_len=queued_len)), []


NOMINAL_FRAME_HEADER_LEN = 4
"""What a frame's head counts for when it is asked whether there is room: near enough, and the same
for who asks.
"""


def flush_messages(client: Client, ring: Ring, limits: Limits) -> Step:
    """Send what is to be said, as far as there is room; a client that is behind is not sent
    anything more.
    """
    session = session_of(client)
    if client.outgoing.outbox or client.outgoing.is_full:
        return with_session(client, session._replace(is_scheduled=False)), []
    return _send_dequeued(client, (), dequeue(session, ring, limits.max_outbox_len))


def resume_sending(client: Client, context: Context) -> Step:
    """The kernel takes bytes again: what waits, and then what else is to be said."""
    outbox = client.outgoing.outbox
    client = client._replace(
        outgoing=client.outgoing._replace(outbox=(), is_full=False), waiting_since=context.now
    )
    room = context.limits.max_outbox_len - sum(map(len, outbox))
    return _send_dequeued(client, outbox, dequeue(session_of(client), context.broadcast.ring, room))


def _send_dequeued(client: Client, outbox: tuple[Segment, ...], dequeued: Dequeued) -> Step:
    """Send these; if that is much, wait until it is taken before there is more."""
    client = client._replace(
        session=dequeued.session, outgoing=client.outgoing._replace(is_full=dequeued.is_cut)
    )
    segments = outbox + dequeued.segments
    if (
        dequeued.is_all
        and dequeued.session.close_state is CloseState.CLOSING
        and dequeued.session.subscription.encoding is Encoding.SSE
    ):
        return end_event_stream(client, segments)
    return write(client, segments) if segments else (client, [])


def end_event_stream(client: Client, segments: tuple[Segment, ...] = ()) -> Step:
    """The last that an event stream is sent, and its end: there is no close frame to be answered."""
    session = session_of(client)._replace(close_state=_OVER, cursor=None, queue=(), queued_len=0)
    return write_and_shut(with_session(client, session), segments, session.reason)


def become_laggard(client: Client, ring: Ring) -> Client:
    """The kernel is full: from here on this client has a cursor of its own."""
    session = session_of(client)
    if session.cursor is not None or session.close_state is not _OPEN:
        return client
    return with_session(client, session._replace(cursor=ring.head_number))


def fan_out_stalled(client: Client, event: FanOutStalled, context: Context) -> Outcome:
    """The kernel did not take all that was sent to its cohort: a frame in the middle is finished
    first.
    """
    session, ring = session_of(client), context.broadcast.ring
    if event.start < ring.tail_number:
        return drop_too_slow(client, event.start, context.broadcast)
    left, cursor, total = event.taken, event.start, 0
    rest: tuple[Segment, ...] = ()
    for number, frame in ring_read(ring, event.start, event.end, event.subscription):
        total += len(frame)
        if left:
            rest = (memoryview(frame)[left:],) if left < len(frame) else ()
            left, cursor = max(0, left - len(frame)), number + 1
    outgoing = client.outgoing._replace(outbox=rest + client.outgoing.outbox)
    if session.close_state is _OVER:
        return client._replace(outgoing=outgoing), []
    cursor = cursor if session.cursor is None else min(cursor, session.cursor)
    is_reminded = bool(session.queue) or session.subscription != event.subscription
    queue = (Follow(event.end, event.subscription), *session.queue) if is_reminded else ()
    client = client._replace(
        bytes_out=client.bytes_out - total + event.taken,
        session=session._replace(cursor=cursor, queue=queue),
        outgoing=outgoing._replace(is_full=not outgoing.outbox),
    )
    return client, []


def advance_cursor(client: Client, cursor: int) -> Client:
    """What is overwritten is nothing that this laggard needs."""
    return with_session(client, session_of(client)._replace(cursor=cursor))


def drop_too_slow(client: Client, needed: int, broadcast: Broadcast) -> Outcome:
    """What a laggard needs is overwritten: it is dropped, and told apart by numbers."""
    ring = broadcast.ring
    kept_len = ring.head_offset + broadcast.pending_len - ring.tail_offset
    text = (
        f"{client.peer} dropped, WS_CLIENT_TOO_SLOW: it needed message {needed}, the oldest kept is "
        f"{ring.tail_number} of {broadcast.next_number}; {kept_len} bytes are kept, the limit is {ring.max_bytes} bytes or "
        f"{ring.max_frames} messages"
    )
    return Disconnected(client, CloseReason.WS_CLIENT_TOO_SLOW), [
        Log(SERVER_LOG, LogLevel.INFO, text)
    ]


def subscribed(client: Client, event: Subscribe, context: Context) -> Outcome:
    """The program changes what a client hears; what was published before is still for those who
    heard it then.
    """
    session = client.session
    if (
        session is None
        or session.close_state is not _OPEN
        or (event.topic in session.subscription.topics) is event.is_subscribed
    ):
        return client, []
    topics = session.subscription.topics
    subscription = Subscription(
        session.subscription.encoding,
        topics | {event.topic} if event.is_subscribed else topics - {event.topic},
    )
    return with_session(
        client, enqueue_broadcast(session, context.broadcast)._replace(subscription=subscription)
    ), []


SendCapacity: TypeAlias = tuple[SendStatus, int, bool]
"""What would become of a message to a client: the status, the bytes there is room for, and whether
only texts are.
"""

NO_CAPACITY = (SendStatus.DROPPED, 0, False)


def send_capacity(client: Client | None, limits: Limits) -> SendCapacity:
    """What would become of a message to this client now. One for which there is no room is dropped
    by not being told.
    """
    if client is None or client.session is None:
        return NO_CAPACITY
    room = send_room(client, limits)
    if room <= 0:
        return NO_CAPACITY
    status = SendStatus.BACKPRESSURE if client.outgoing.outbox else SendStatus.SUCCESS
    if client.session.subscription.encoding is Encoding.SSE:
        return status, -(-room // EVENT_OVERHEAD_FACTOR), True
    return status, room, False


def buffered_amount(client: Client | None, broadcast: Broadcast) -> int:
    """Bytes owed to a client and not yet taken by the kernel, published ones included; 0 for one
    that is gone.
    """
    if client is None:
        return 0
    session = client.session
    if session is None or session.close_state is CloseState.CLOSED:
        return outbox_len(client)
    return buffered_len(client) + backlog_len(session, broadcast)
