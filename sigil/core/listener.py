"""A listener: a client that is sent the stream as an answer without end, of events (WHATWG HTML section 9.2).

Theory: what is broadcast is one stream, and server-sent events are one more encoding of it.  So a listener has a
conversation like a WebSocket's, of which only the half that is said is used: its place in the stream, and its queue.

Rules: the answer ends with the connection, so an event is the same bytes for everybody.  What a listener sends is
thrown away, and so are requests behind the one that made it one.  An event's id is its position; who comes back with
the last one it has seen (`Last-Event-ID`) goes on behind it.  What of that is not kept any more is told by an event
`gap`: a stream with a hole in it is a lie, unless it says so.  The program is not called back: it knows a listener by
its request.  It does not know any other client.
"""

from .client import CLEAR, LISTENING, Client, Context, Step
from .converse import end_talk, first_number
from .emit import emit, let_go_held
from .encoding import Encoding
from .events import HalfClosed, Segment
from .frame import Terms
from .reasons import CloseReason
from .response import Subscription
from .ring import Hearing, read_position
from .sse import COMMENT, SseEvent, encode_event, last_event_id
from .stream import Stream
from .talk import append_frames, make_talk
from .utter import talk_of, with_talk

MUTE = Terms(0, 0)
"""A listener says nothing."""


def begin_listening(client: Client, segments: tuple[Segment, ...], body: Subscription, context: Context) -> Step:
    """Answer the first request that is owed an answer with a head, `segments`, and from now on with the stream."""
    hearing, stream = Hearing(Encoding.SSE, frozenset(body.topics)), context.stream
    last_id = last_event_id(client.owed[0].headers)
    cursor, gap = _start(stream, hearing, last_id, min(body.history, context.limits.history_messages))
    if cursor is None and client.outflow is not CLEAR:
        cursor = stream.next_number  # what was answered before is not taken yet
    client, effects = let_go_held(client)
    intake = client.intake
    intake = LISTENING._replace(at_end=intake.at_end, discarded=intake.discarded + len(intake.buffer))
    client = client._replace(intake=intake, owed=(), answered=client.answered + len(client.owed),
                             talk=make_talk(MUTE, hearing, b"", cursor))
    client, sent = emit(client, (*segments, gap) if gap else segments)
    return client, effects + sent


def _start(stream: Stream, hearing: Hearing, last_id: str, history: int) -> tuple[int | None, bytes]:
    """Where a listener begins, and what it is told before: behind the last event it has seen, or as a newcomer."""
    ring, position = stream.ring, read_position(last_id)
    following = 0 if position is None else position[1] + 1
    if position is None or position[0] != ring.epoch or following > stream.next_number:
        return first_number(stream, hearing, history), _gap(last_id, None) if last_id else b""
    cursor = max(following, ring.tail_number)
    is_there = cursor == stream.next_number and not stream.pending
    return None if is_there else cursor, _gap(last_id, cursor - following) if cursor > following else b""


def _gap(last_id: str, missed: int | None) -> bytes:
    """The event that tells of a hole: after which event, and of how many messages on any topic if that is known."""
    return encode_event(SseEvent({"after": last_id, "missed": missed}, "gap"))


def say_nothing(client: Client, context: Context) -> Step:
    """It has been silent for long: a comment keeps those on the way from thinking that nobody is there."""
    talk = talk_of(client)
    talk = talk._replace(queue=append_frames(talk.queue, COMMENT), queued_len=talk.queued_len + len(COMMENT))
    return with_talk(client._replace(since=context.now), talk), []


def lose_listener(client: Client, event: HalfClosed, context: Context) -> Step:
    """It will send no more, and may still listen; most have left, and a byte to them finds out."""
    return say_nothing(client._replace(intake=client.intake._replace(at_end=True)), context)


def end_listening(client: Client, reason: CloseReason, context: Context) -> Step:
    """The stream ends for this client, behind what was published until now."""
    return end_talk(client, b"", reason, 0, context)
