"""The parts of it."""

from collections.abc import Callable
from typing import Any, TypeAlias

from ..conn import Ticket
from ..effects import Deliver, Handle, Send
from ..events import Delivered, HandlerReturned, Received, SendMessages
from ..http.encode import encode_common_responses
from ..http.head import Head, find_header_end, request_of
from ..websocket.frames import encode_short_frames
from ..websocket.messages import BETWEEN_MESSAGES, Message, take_unfragmented
from .client import (
    DELIVERING,
    IDLE_HTTP,
    IDLE_WEBSOCKET,
    NOTHING_OUTGOING,
    Client,
    Context,
    Step,
    after_delivery,
    after_read,
    after_responses,
    with_session,
)
from .requests import order_handling, take_pipelined
from .responses import _KEEP
from .send_queue import append_frames
from .session import NOTHING_UNDELIVERED, Follow, with_queue
from .websocket import _OPEN, _PLAIN


def received(client: Client, event: Received, context: Context) -> Step | None:
    """What nearly every read of a connection at rest is: simple requests and nothing else; None if
    it is not.

    `handle_client_data` would do the same, slower.
    """
    data = event.data
    if client.outstanding or client.responded >= context.last_request_number:
        return None
    if find_header_end(data) != len(data) - 4:
        return _received_several(client, data, context) if data.endswith(b"\r\n\r\n") else None
    head = context.parse(data)
    if type(head) is not Head or not head.may_pipeline:
        return None
    after = after_read(client, client.incoming, (head,), len(data), context.now)
    return after, [
        Handle(Ticket(client.conn, client.responded), (request_of(head, b"", client.peer),))
    ]


def _received_several(client: Client, data: bytes, context: Context) -> Step | None:
    """The same for several requests."""
    heads, requests, end, behind = take_pipelined(client, data, 0, context)
    if not heads or end < len(data) or behind is not None:
        return None
    begun = client._replace(bytes_in=client.bytes_in + len(data), waiting_since=context.now)
    return order_handling(begun, heads, requests, IDLE_HTTP)


def handler_returned(client: Client, event: HandlerReturned, context: Context) -> Step | None:
    """What nearly every answer of a connection at rest is: small, whole, in turn, to a simple
    request; None if not.

    `take_responses` would do the same, slower.
    """
    responses, owed = event.responses, client.outstanding
    count = len(responses)
    if event.ticket.number != client.responded or not (
        0 < count <= len(owed) and context.is_unlogged and owed[count - 1].may_pipeline
    ):
        return None
    data = encode_common_responses(responses, context.date)
    if data is None:
        return None
    return after_responses(client, count, len(data), context.now), [
        Send(client.conn, (data,), _KEEP)
    ]


def receive_frames(client: Client, event: Received, context: Context) -> Step | None:
    """What nearly every read of a conversation at rest is: whole messages and nothing else; None if
    it is not.

    `receive_frames` would do the same, slower.
    """
    data, session = event.data, client.session
    if (
        session is None
        or session.awaits_pong
        or session.reader is not BETWEEN_MESSAGES
        or session.close_state is not _OPEN
    ):
        return None
    messages: list[Message] = []
    if take_unfragmented(data, 0, session.frame_rules, messages) != len(data):
        return None
    after = after_read(client, DELIVERING, client.outstanding, len(data), context.now)
    return after, [Deliver(client.conn, tuple(messages))]


def delivered(client: Client, event: Delivered, context: Context) -> Step | None:
    """The same for a conversation in which nothing else has come, and nothing else is to be said.

    So what was said need not wait for the end of the turn: an answer leaves at once, and the record
    is made once.
    """
    said, session = event.replies, client.session
    if (
        session is None
        or session.is_scheduled
        or session.queue
        or session.end is not None
        or session.unread
        or session.undelivered is not NOTHING_UNDELIVERED
        or session.pong_payload is not None
        or session.close_state is not _OPEN
        or context.has_unflushed_broadcast
        or event.error is not None
        or (said and session.subscription.encoding is not _PLAIN)
    ):
        return None
    if not said:
        return after_delivery(client, IDLE_WEBSOCKET, 0, context.now), []
    frames = encode_short_frames(said)
    if not frames or len(frames) > context.limits.max_outbox_len:
        return None
    after = after_delivery(client, IDLE_WEBSOCKET, len(frames), context.now)
    return after, [Send(client.conn, (frames,), _KEEP)]


def queue_messages(client: Client, event: SendMessages, context: Context) -> Step | None:
    """The same for a client that keeps up, if all is small and there is room for all of it; None if
    not.
    """
    session = client.session
    if (
        session is None
        or session.close_state is not _OPEN
        or session.cursor is not None
        or context.has_unflushed_broadcast
        or session.subscription.encoding is not _PLAIN
    ):
        return None
    frames = encode_short_frames(event.messages)
    queue, queued_len = session.queue, session.queued_len + len(frames)
    if not frames or queued_len > context.limits.max_ws_outbox_len:
        return None
    queue = append_frames(queue, frames) if queue else (frames,)
    return with_session(client, with_queue(session, queue, queued_len, True)), []


def flush_messages(client: Client) -> Step | None:
    """What most flushes are: a queue, and a client that keeps up; None if there is more to it."""
    session = client.session
    if (
        session is None
        or client.outgoing is not NOTHING_OUTGOING
        or session.pong_payload is not None
        or session.cursor is not None
        or (client.incoming is not IDLE_WEBSOCKET and client.incoming is not DELIVERING)
        or len(session.queue) != 1
    ):
        return None
    (segment,) = session.queue
    assert not isinstance(segment, Follow)
    after = with_session(client, with_queue(session, (), 0, False), len(segment))
    return after, [Send(client.conn, (segment,), _KEEP)]


FastTransition: TypeAlias = Callable[[Client, Any, Context], Step | None]
"""Does the same as a transition, faster, and leaves a client at rest that is at rest; None if it
cannot.
"""
