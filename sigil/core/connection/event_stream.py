"""A listener: a client that is sent the stream as an answer without end, of events (WHATWG HTML
section 9.2).

Theory: what is broadcast is one stream, and server-sent events are one more encoding of it. So a
listener has a conversation like a WebSocket's, of which only the half that is said is used: its
place in the stream, and its queue.

Rules: the answer ends with the connection, so an event is the same bytes for everybody. What a
listener sends is thrown away, and so are requests behind the one that made it one. An id is a
position, which a listener is told with every event, when it begins, and now and then; who comes
back with the last one (`Last-Event-ID`) goes on behind it. What may be missing since then, on
whatever topic, is told by an event `gap`: a hole is a lie, unless it says so. The program is not
called back: it knows a listener by its request. It does not know any other client.
"""

from ..broadcast.broadcast import Broadcast, first_cursor
from ..broadcast.encoding import Encoding
from ..broadcast.entry import Subscription, format_position, parse_position
from ..close_reasons import CloseReason
from ..events import HalfClosed, Segment
from ..http.response import EventStream
from ..http.sse import KEEP_ALIVE_COMMENT, SseEvent, encode_event, encode_id, last_event_id
from ..websocket.frames import FrameRules
from .client import EVENT_STREAM, NOTHING_OUTGOING, Client, Context, Step, session_of, with_session
from .output import close_early_responses, write
from .send_queue import append_frames, enqueue_broadcast
from .session import CloseState, make_session
from .websocket_send import end_event_stream

DECIDED_ENDS = frozenset((CloseReason.OK, CloseReason.HANDLER_ERROR, CloseReason.SHUTDOWN))
"""Ends that were decided on before there was an answer; what a client has said wrong behind its
request is none.
"""
MUTE = FrameRules(0, 0)
"""A listener says nothing."""


def open_event_stream(
    client: Client, segments: tuple[Segment, ...], body: EventStream, context: Context
) -> Step:
    """Answer the first request that is owed an answer with a head, `segments`, and from now on with
    the stream.
    """
    subscription, broadcast = Subscription(Encoding.SSE, frozenset(body.topics)), context.broadcast
    last_id = last_event_id(client.outstanding[0].headers)
    cursor, news = _resume_from(
        broadcast, subscription, last_id, min(body.history, context.limits.history_messages)
    )
    if cursor is None and client.outgoing is not NOTHING_OUTGOING:
        cursor = broadcast.next_number  # what was answered before is not taken yet
    client, effects = close_early_responses(client)
    incoming = client.incoming
    deaf = EVENT_STREAM._replace(
        peer_half_closed=incoming.peer_half_closed,
        discarded=incoming.discarded + len(incoming.buffer),
    )
    client = client._replace(
        incoming=deaf,
        outstanding=(),
        responded=client.responded + len(client.outstanding),
        session=make_session(MUTE, subscription, b"", cursor),
    )
    client, sent = write(client, (*segments, news))
    if incoming.final_error is None or incoming.final_error.reason not in DECIDED_ENDS:
        return client, effects + sent
    client, last = stop_event_stream(client, incoming.final_error.reason, context)
    return client, [*effects, *sent, *last]


def _resume_from(
    broadcast: Broadcast, subscription: Subscription, last_id: str, history: int
) -> tuple[int | None, bytes]:
    """Where a listener begins, and what it is told of that: behind what it has heard, or as a
    newcomer.
    """
    ring, position = broadcast.ring, parse_position(last_id)
    epoch, following = (None, 0) if position is None else position
    if epoch != ring.epoch or following > broadcast.next_number:
        cursor = first_cursor(broadcast, subscription, history)
        return cursor, _opening_event(
            broadcast, cursor, {"after": last_id, "missed": None} if last_id else None
        )
    cursor = max(following, ring.tail_number)
    gap = {"after": last_id, "missed": cursor - following} if cursor > following else None
    is_there = cursor == broadcast.next_number and not broadcast.pending
    return None if is_there else cursor, _opening_event(broadcast, cursor, gap)


def _opening_event(
    broadcast: Broadcast, cursor: int | None, gap: dict[str, object] | None
) -> bytes:
    """The position from which on a listener hears; and if it has missed something, the event that
    says so.

    An id without data is no event, but it is what the client will come back with (WHATWG HTML
    section 9.2.6).
    """
    position = format_position(
        broadcast.ring.epoch, (broadcast.next_number if cursor is None else cursor) - 1
    )
    return encode_id(position) if gap is None else encode_event(SseEvent(gap, "gap", position))


def send_keep_alive(client: Client, context: Context) -> Step:
    """From time to time something that is no event keeps those on the way from thinking that nobody
    is there.

    Who is where its cohort is, is told so: what was said on topics of others is nothing that it has
    missed.
    """
    session, ring, client = (
        session_of(client),
        context.broadcast.ring,
        client._replace(waiting_since=context.now),
    )
    if session.close_state is not CloseState.OPEN:
        return client, []
    is_there = session.cursor is None and not session.queue
    words = (
        encode_id(format_position(ring.epoch, ring.head_number - 1))
        if is_there
        else KEEP_ALIVE_COMMENT
    )
    return with_session(
        client,
        session._replace(
            queue=append_frames(session.queue, words), queued_len=session.queued_len + len(words)
        ),
    ), []


def event_stream_half_closed(client: Client, event: HalfClosed, context: Context) -> Step:
    """It will send no more, and may still listen; most have left, and a byte to them finds out."""
    return send_keep_alive(
        client._replace(incoming=client.incoming._replace(peer_half_closed=True)), context
    )


def stop_event_stream(client: Client, reason: CloseReason, context: Context) -> Step:
    """The stream ends for this client behind what was said until now, as soon as that has been
    sent.
    """
    session = session_of(client)
    if session.close_state is not CloseState.OPEN:
        return client, []
    session = enqueue_broadcast(session, context.broadcast)._replace(
        close_state=CloseState.CLOSING, reason=reason
    )
    client = with_session(client, session)
    return (client, []) if session.queue else end_event_stream(client)
