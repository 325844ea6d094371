"""A listener: a client that is sent the stream as an answer without end, of events (WHATWG HTML section 9.2).

Theory: what is broadcast is one stream, and server-sent events are one more encoding of it.  So a listener has a
conversation like a WebSocket's, of which only the half that is said is used: its place in the stream, and its queue.

Rules: the answer ends with the connection, so an event is the same bytes for everybody.  What a listener sends is
thrown away, and so are requests behind the one that made it one.  An id is a position, which a listener is told with
every event, when it begins, and now and then; who comes back with the last one (`Last-Event-ID`) goes on behind it.
What may be missing since then, on whatever topic, is told by an event `gap`: a hole is a lie, unless it says so.
The program is not called back: it knows a listener by its request.  It does not know any other client.
"""

from ..broadcast.broadcast import Stream, first_number
from ..broadcast.encoding import Encoding
from ..broadcast.entry import Hearing, position_after, read_position
from ..close_reasons import CloseReason
from ..events import HalfClosed, Segment
from ..http.response import Subscription
from ..http.sse import COMMENT, SseEvent, encode_event, encode_id, last_event_id
from ..websocket.frames import Terms
from .client import CLEAR, LISTENING, Client, Context, Step, talk_of, with_talk
from .output import emit, let_go_held
from .send_queue import append_frames, follow
from .session import Closing, make_talk
from .websocket_send import emit_end

ENDED = frozenset((CloseReason.OK, CloseReason.HANDLER_ERROR, CloseReason.SHUTDOWN))
"""Ends that were decided on before there was an answer; what a client has said wrong behind its request is none."""
MUTE = Terms(0, 0)
"""A listener says nothing."""


def begin_listening(client: Client, segments: tuple[Segment, ...], body: Subscription, context: Context) -> Step:
    """Answer the first request that is owed an answer with a head, `segments`, and from now on with the stream."""
    hearing, stream = Hearing(Encoding.SSE, frozenset(body.topics)), context.stream
    last_id = last_event_id(client.owed[0].headers)
    cursor, news = _start(stream, hearing, last_id, min(body.history, context.limits.history_messages))
    if cursor is None and client.outflow is not CLEAR:
        cursor = stream.next_number  # what was answered before is not taken yet
    client, effects = let_go_held(client)
    intake = client.intake
    deaf = LISTENING._replace(at_end=intake.at_end, discarded=intake.discarded + len(intake.buffer))
    client = client._replace(intake=deaf, owed=(), answered=client.answered + len(client.owed),
                             talk=make_talk(MUTE, hearing, b"", cursor))
    client, sent = emit(client, (*segments, news))
    if intake.doom is None or intake.doom.reason not in ENDED:
        return client, effects + sent
    client, last = end_listening(client, intake.doom.reason, context)
    return client, [*effects, *sent, *last]


def _start(stream: Stream, hearing: Hearing, last_id: str, history: int) -> tuple[int | None, bytes]:
    """Where a listener begins, and what it is told of that: behind what it has heard, or as a newcomer."""
    ring, position = stream.ring, read_position(last_id)
    epoch, following = (None, 0) if position is None else position
    if epoch != ring.epoch or following > stream.next_number:
        cursor = first_number(stream, hearing, history)
        return cursor, _beginning(stream, cursor, {"after": last_id, "missed": None} if last_id else None)
    cursor = max(following, ring.tail_number)
    gap = {"after": last_id, "missed": cursor - following} if cursor > following else None
    is_there = cursor == stream.next_number and not stream.pending
    return None if is_there else cursor, _beginning(stream, cursor, gap)


def _beginning(stream: Stream, cursor: int | None, gap: dict[str, object] | None) -> bytes:
    """The position from which on a listener hears; and if it has missed something, the event that says so.

    An id without data is no event, but it is what the client will come back with (WHATWG HTML section 9.2.6).
    """
    position = position_after(stream.ring.epoch, (stream.next_number if cursor is None else cursor) - 1)
    return encode_id(position) if gap is None else encode_event(SseEvent(gap, "gap", position))


def say_nothing(client: Client, context: Context) -> Step:
    """From time to time something that is no event keeps those on the way from thinking that nobody is there.

    Who is where its cohort is, is told so: what was said on topics of others is nothing that it has missed.
    """
    talk, ring, client = talk_of(client), context.stream.ring, client._replace(since=context.now)
    if talk.closing is not Closing.OPEN:
        return client, []
    is_there = talk.cursor is None and not talk.queue
    words = encode_id(position_after(ring.epoch, ring.head_number - 1)) if is_there else COMMENT
    return with_talk(client, talk._replace(queue=append_frames(talk.queue, words),
                                           queued_len=talk.queued_len + len(words))), []


def lose_listener(client: Client, event: HalfClosed, context: Context) -> Step:
    """It will send no more, and may still listen; most have left, and a byte to them finds out."""
    return say_nothing(client._replace(intake=client.intake._replace(at_end=True)), context)


def end_listening(client: Client, reason: CloseReason, context: Context) -> Step:
    """The stream ends for this client behind what was said until now, as soon as that has been sent."""
    talk = talk_of(client)
    if talk.closing is not Closing.OPEN:
        return client, []
    talk = follow(talk, context.stream)._replace(closing=Closing.SAID, reason=reason)
    client = with_talk(client, talk)
    return (client, []) if talk.queue else emit_end(client)
