"""What is said to a connection that has become a WebSocket, and how it leaves.

Theory: what is said waits in a queue until the turn is flushed, with places in it where what was published belongs,
so that a client receives everything in the order in which it was said.  A client that keeps up has no cursor: it is
where its cohort is.  One that does not is a laggard: it has a cursor, and is sent what it missed as it takes it.

Rules: a frame that has begun is finished before any other byte.  A laggard is sent no more at a time than its outbox
may hold; when it has caught up it is one of its cohort again.  Functions take a client that has a `talk`.  They do not
know any other client.
"""

from typing import TypeAlias

from ..broadcast.broadcast import EVENT_WEIGHT, Stream
from ..broadcast.encoding import Encoding, encode_message
from ..broadcast.entry import Hearing
from ..broadcast.ring import Ring, read
from ..close_reasons import CloseReason
from ..effects import Note, Then
from ..events import Lagged, Segment, Subscribe, Whisper
from ..limits import Limits
from ..send_status import SendStatus
from ..websocket.frames import frame_len
from .client import (
    Client,
    Context,
    Gone,
    Outcome,
    Step,
    outbox_len,
    owed_len,
    talk_of,
    with_talk,
)
from .output import emit, emit_last
from .send_queue import Taking, append_frames, backlog_len, enqueue, follow, take_queue
from .session import Closing, Follow

INFO = 20
_OPEN, _OVER = Closing.OPEN, Closing.OVER
_KEEP = Then.KEEP
_PLAIN = Encoding.PLAIN


def room_for(client: Client, limits: Limits) -> int:
    """How many bytes may still be said to a client before it is too far behind; not above 0 if it is leaving."""
    talk = client.talk
    return 0 if talk is None or talk.closing is not _OPEN else limits.max_ws_outbox_len - owed_len(client)


def whispered(client: Client, event: Whisper, context: Context) -> Step:
    """The program has said something to this client.

    Whether there is room is asked before (`room_for`, by `prospect_of`): what was promised then is kept, though the
    kernel may have taken less since.
    """
    talk = client.talk
    if talk is None or talk.closing is not _OPEN:
        return client, []
    talk = follow(talk, context.stream)
    queue, queued_len = talk.queue, talk.queued_len
    encoding = talk.hearing.encoding
    for opcode, payload in event.messages:
        if encoding is _PLAIN:
            queue = enqueue(queue, opcode, payload)
            queued_len += frame_len(len(payload))
        else:
            frame = encode_message(opcode, payload, encoding)
            queue, queued_len = append_frames(queue, frame) if frame else queue, queued_len + len(frame)
    return with_talk(client, talk._replace(queue=queue, queued_len=queued_len)), []


FRAME_HEAD_LEN = 4
"""What a frame's head counts for when it is asked whether there is room: near enough, and the same for who asks."""


def flush(client: Client, ring: Ring, limits: Limits) -> Step:
    """Send what is to be said, as far as there is room; a client that is behind is not sent anything more."""
    talk = talk_of(client)
    if client.outflow.outbox or client.outflow.is_full:
        return with_talk(client, talk._replace(is_listed=False)), []
    return _send_taken(client, (), take_queue(talk, ring, limits.max_outbox_len))


def go_on(client: Client, context: Context) -> Step:
    """The kernel takes bytes again: what waits, and then what else is to be said."""
    outbox = client.outflow.outbox
    client = client._replace(outflow=client.outflow._replace(outbox=(), is_full=False), since=context.now)
    room = context.limits.max_outbox_len - sum(map(len, outbox))
    return _send_taken(client, outbox, take_queue(talk_of(client), context.stream.ring, room))


def _send_taken(client: Client, outbox: tuple[Segment, ...], taking: Taking) -> Step:
    """Send these; if that is much, wait until it is taken before there is more."""
    client = client._replace(talk=taking.talk, outflow=client.outflow._replace(is_full=taking.is_cut))
    segments = outbox + taking.segments
    if taking.is_all and taking.talk.closing is Closing.SAID and taking.talk.hearing.encoding is Encoding.SSE:
        return emit_end(client, segments)
    return emit(client, segments) if segments else (client, [])


def emit_end(client: Client, segments: tuple[Segment, ...] = ()) -> Step:
    """The last that an event stream is sent, and its end: there is no close frame to be answered."""
    talk = talk_of(client)._replace(closing=_OVER, cursor=None, queue=(), queued_len=0)
    return emit_last(with_talk(client, talk), segments, talk.reason)


def fall_behind(client: Client, ring: Ring) -> Client:
    """The kernel is full: from here on this client has a cursor of its own."""
    talk = talk_of(client)
    if talk.cursor is not None or talk.closing is not _OPEN:
        return client
    return with_talk(client, talk._replace(cursor=ring.head_number))


def lagged(client: Client, event: Lagged, context: Context) -> Outcome:
    """The kernel did not take all that was sent to its cohort: a frame in the middle is finished first."""
    talk, ring = talk_of(client), context.stream.ring
    if event.start < ring.tail_number:
        return fall_too_far(client, event.start, context.stream)
    left, cursor, total = event.taken, event.start, 0
    rest: tuple[Segment, ...] = ()
    for number, frame in read(ring, event.start, event.end, event.hearing):
        total += len(frame)
        if left:
            rest = (memoryview(frame)[left:],) if left < len(frame) else ()
            left, cursor = max(0, left - len(frame)), number + 1
    outflow = client.outflow._replace(outbox=rest + client.outflow.outbox)
    if talk.closing is _OVER:
        return client._replace(outflow=outflow), []
    cursor = cursor if talk.cursor is None else min(cursor, talk.cursor)
    is_reminded = bool(talk.queue) or talk.hearing != event.hearing
    queue = (Follow(event.end, event.hearing), *talk.queue) if is_reminded else ()
    client = client._replace(bytes_out=client.bytes_out - total + event.taken,
                             talk=talk._replace(cursor=cursor, queue=queue),
                             outflow=outflow._replace(is_full=not outflow.outbox))
    return client, []


def move_on(client: Client, cursor: int) -> Client:
    """What is overwritten is nothing that this laggard needs."""
    return with_talk(client, talk_of(client)._replace(cursor=cursor))


def fall_too_far(client: Client, needed: int, stream: Stream) -> Outcome:
    """What a laggard needs is overwritten: it is dropped, and told apart by numbers."""
    ring = stream.ring
    kept_len = ring.head_offset + stream.pending_len - ring.tail_offset
    text = (f"{client.peer} dropped, WS_CLIENT_TOO_SLOW: it needed message {needed}, the oldest kept is "
            f"{ring.tail_number} of {stream.next_number}; {kept_len} bytes are kept, the limit is {ring.size} bytes or "
            f"{ring.most} messages")
    return Gone(client, CloseReason.WS_CLIENT_TOO_SLOW), [Note("sigil.server", INFO, text)]


def subscribed(client: Client, event: Subscribe, context: Context) -> Outcome:
    """The program changes what a client hears; what was published before is still for those who heard it then."""
    talk = client.talk
    if talk is None or talk.closing is not _OPEN or (event.topic in talk.hearing.topics) is event.hears:
        return client, []
    topics = talk.hearing.topics
    hearing = Hearing(talk.hearing.encoding, topics | {event.topic} if event.hears else topics - {event.topic})
    return with_talk(client, follow(talk, context.stream)._replace(hearing=hearing)), []


Prospect: TypeAlias = tuple[SendStatus, int, bool]
"""What would become of a message to a client: the status, the bytes there is room for, and whether only texts are."""

NO_PROSPECT = (SendStatus.DROPPED, 0, False)


def prospect_of(client: Client | None, limits: Limits) -> Prospect:
    """What would become of a message to this client now.  One for which there is no room is dropped by not being told.
    """
    if client is None or client.talk is None:
        return NO_PROSPECT
    room = room_for(client, limits)
    if room <= 0:
        return NO_PROSPECT
    status = SendStatus.BACKPRESSURE if client.outflow.outbox else SendStatus.SUCCESS
    if client.talk.hearing.encoding is Encoding.SSE:
        return status, -(-room // EVENT_WEIGHT), True
    return status, room, False


def buffered_amount(client: Client | None, stream: Stream) -> int:
    """Bytes owed to a client and not yet taken by the kernel, published ones included; 0 for one that is gone."""
    if client is None:
        return 0
    talk = client.talk
    if talk is None or talk.closing is Closing.OVER:
        return outbox_len(client)
    return owed_len(client) + backlog_len(talk, stream)
