"""The parts of it."""

from collections.abc import Callable
from typing import Any, TypeAlias

from ..conn import Ticket
from ..effects import Deliver, Handle, Send
from ..events import Answered, Delivered, Received, Whisper
from ..http.encode import encode_simple
from ..http.head import Head, find_header_end, request_of
from ..websocket.frames import encode_small
from ..websocket.messages import CALM as BETWEEN
from ..websocket.messages import Item, take_whole
from .client import CALM, CLEAR, PARKED, TALKING, Client, Context, Step, delivered_to, received, responded, with_talk
from .requests import _hand_over, take_simple
from .responses import _KEEP
from .send_queue import append_frames
from .session import NOTHING, Follow, with_queue
from .websocket import _OPEN, _PLAIN


def read_simple(client: Client, event: Received, context: Context) -> Step | None:
    """What nearly every read of a connection at rest is: simple requests and nothing else; None if it is not.

    `handle_client_data` would do the same, slower.
    """
    data = event.data
    if client.owed or client.answered >= context.last_number:
        return None
    if find_header_end(data) != len(data) - 4:
        return _read_several(client, data, context) if data.endswith(b"\r\n\r\n") else None
    head = context.parse(data)
    if type(head) is not Head or not head.is_simple:
        return None
    after = received(client, client.intake, (head,), len(data), context.now)
    return after, [Handle(Ticket(client.conn, client.answered), (request_of(head, b"", client.peer),))]


def _read_several(client: Client, data: bytes, context: Context) -> Step | None:
    """The same for several requests."""
    heads, requests, end, behind = take_simple(client, data, 0, context)
    if not heads or end < len(data) or behind is not None:
        return None
    begun = client._replace(bytes_in=client.bytes_in + len(data), since=context.now)
    return _hand_over(begun, heads, requests, CALM)


def answer_simple(client: Client, event: Answered, context: Context) -> Step | None:
    """What nearly every answer of a connection at rest is: small, whole, in turn, to a simple request; None if not.

    `take_answers` would do the same, slower.
    """
    responses, owed = event.responses, client.owed
    count = len(responses)
    if (event.ticket.number != client.answered
            or not (0 < count <= len(owed) and context.is_quiet and owed[count - 1].is_simple)):
        return None
    data = encode_simple(responses, context.date)
    if data is None:
        return None
    return responded(client, count, len(data), context.now), [Send(client.conn, (data,), _KEEP)]


def hear_simple(client: Client, event: Received, context: Context) -> Step | None:
    """What nearly every read of a conversation at rest is: whole messages and nothing else; None if it is not.

    `hear` would do the same, slower.
    """
    data, talk = event.data, client.talk
    if talk is None or talk.is_pinged or talk.inbound is not BETWEEN or talk.closing is not _OPEN:
        return None
    messages: list[Item] = []
    if take_whole(data, 0, talk.terms, messages) != len(data):
        return None
    after = received(client, PARKED, client.owed, len(data), context.now)
    return after, [Deliver(client.conn, tuple(messages))]  # type: ignore[arg-type]  # `take_whole` unpacks nothing


def delivered_simple(client: Client, event: Delivered, context: Context) -> Step | None:
    """The same for a conversation in which nothing else has come, and nothing else is to be said.

    So what was said need not wait for the end of the turn: an answer leaves at once, and the record is made once.
    """
    said, talk = event.said, client.talk
    if (talk is None or talk.is_listed or talk.queue or talk.last_word is not None or talk.pending
            or talk.later is not NOTHING or talk.pong is not None or talk.closing is not _OPEN or context.has_pending
            or event.flaw is not None or (said and talk.hearing.encoding is not _PLAIN)):
        return None
    if not said:
        return delivered_to(client, TALKING, 0, context.now), []
    frames = encode_small(said)
    if not frames or len(frames) > context.limits.max_outbox_len:
        return None
    after = delivered_to(client, TALKING, len(frames), context.now)
    return after, [Send(client.conn, (frames,), _KEEP)]


def whisper_simple(client: Client, event: Whisper, context: Context) -> Step | None:
    """The same for a client that keeps up, if all is small and there is room for all of it; None if not."""
    talk = client.talk
    if (talk is None or talk.closing is not _OPEN or talk.cursor is not None or context.has_pending
            or talk.hearing.encoding is not _PLAIN):
        return None
    frames = encode_small(event.messages)
    queue, queued_len = talk.queue, talk.queued_len + len(frames)
    if not frames or queued_len > context.limits.max_ws_outbox_len:
        return None
    queue = append_frames(queue, frames) if queue else (frames,)
    return with_talk(client, with_queue(talk, queue, queued_len, True)), []


def flush_simple(client: Client) -> Step | None:
    """What most flushes are: a queue, and a client that keeps up; None if there is more to it."""
    talk = client.talk
    if (talk is None or client.outflow is not CLEAR or talk.pong is not None or talk.cursor is not None
            or (client.intake is not TALKING and client.intake is not PARKED) or len(talk.queue) != 1):
        return None
    (segment,) = talk.queue
    assert not isinstance(segment, Follow)
    after = with_talk(client, with_queue(talk, (), 0, False), len(segment))
    return after, [Send(client.conn, (segment,), _KEEP)]


Simple: TypeAlias = Callable[[Client, Any, Context], Step | None]
"""Does the same as a transition, faster, and leaves a client at rest that is at rest; None if it cannot."""
