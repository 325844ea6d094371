"""What nearly every event of an idle connection is, done in one step: shortcuts beside the general
path.

Theory: each function here does what its namesake elsewhere does together with `after_transition`,
for the usual case alone: whole requests without a body, small responses in order, whole messages,
replies that fit. It makes the client anew once, where the general path does so for every part that
changes. None says that the event is anything else, and that nothing was done: then the general path
is taken.

Rules: a shortcut is tried only for a client whose `incoming` and `outgoing` are the idle records
(`transitions.Transition`, and `server.flush`), and leaves one whose records are idle. It may
decline whatever it likes; what it does not decline, it does as the general path would, to the last
field. That is held by one comparison of the two (`tests/core/connection/test_fast_path.py`).
Nothing is decided here that is not decided there: without this file only time would be lost. It
does not know any other client.
"""

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from ..broadcast.encoding import Encoding
from ..effects import Deliver, Send
from ..events import Delivered, Received, SendMessages
from ..websocket.frames import encode_short_frames
from ..websocket.messages import BETWEEN_MESSAGES, Message, take_unfragmented
from .client import (
    DELIVERING,
    IDLE_WEBSOCKET,
    NOTHING_OUTGOING,
    Client,
    after_delivery,
    after_read,
    with_subscriber,
)
from .context import Context, Step
from .output import KEEP
from .send_queue import append_frames
from .subscriber import OPEN, Follow, LongFrame, with_queue
from .websocket_state import NOTHING_UNDELIVERED

FastTransition: TypeAlias = Callable[[Client, Any, Context], Step | None]
"""Does what a transition and `after_transition` do, faster; None if it cannot."""

PLAIN: Final = Encoding.PLAIN
"""The member itself: finding it on its class takes ten times as long."""


# -- WebSockets ------------------------------------------------------------------------------------


def receive_frames(client: Client, event: Received, context: Context) -> Step | None:
    """The client after a read of whole messages and nothing else."""
    data, subscriber, websocket = event.data, client.subscriber, client.websocket
    # A message that was begun, a pong that is awaited and a close that was sent change what bytes
    # mean.
    if (
        subscriber is None
        or websocket is None
        or websocket.awaits_pong
        or websocket.reader is not BETWEEN_MESSAGES
        or subscriber.close_state is not OPEN
    ):
        return None
    limits = context.limits
    # replies to all of it may have no room
    if (
        len(data) > limits.max_ws_outbox_len - 2 * limits.max_outbox_len
        or subscriber.queued_len >= limits.max_outbox_len
    ):
        return None
    messages: list[Message] = []
    if take_unfragmented(data, 0, websocket.frame_rules, messages) != len(data):
        return None
    after = after_read(client, DELIVERING, client.outstanding, len(data), context.now)
    return after, [Deliver(client.conn, tuple(messages))]


def on_delivered(client: Client, event: Delivered, context: Context) -> Step | None:
    """The client after short replies to all that has come, which leave at once: nothing else is to
    be sent that they would have to wait for.
    """
    replies, subscriber, websocket = event.replies, client.subscriber, client.websocket
    if subscriber is None or websocket is None:
        return None
    # Something else is to be sent, in which the replies have their place.
    if (
        subscriber.is_scheduled
        or subscriber.queue
        or websocket.pongs
        or context.has_unflushed_broadcast
    ):
        return None
    # Something else has come, or this is the end.
    if (
        websocket.undelivered is not NOTHING_UNDELIVERED
        or websocket.end is not None
        or event.error is not None
        or subscriber.close_state is not OPEN
    ):
        return None
    if not replies:
        return after_delivery(client, IDLE_WEBSOCKET, 0, context.now), []
    if subscriber.subscription.encoding is not PLAIN:
        return None
    frames = encode_short_frames(replies)
    if not frames or len(frames) > context.limits.max_outbox_len:
        return None
    after = after_delivery(client, IDLE_WEBSOCKET, len(frames), context.now)
    return after, [Send(client.conn, (frames,), KEEP)]


def on_send_messages(client: Client, event: SendMessages, context: Context) -> Step | None:
    """The client, which is where its cohort is, with short messages behind its queue."""
    subscriber = client.subscriber
    if (
        subscriber is None
        or subscriber.close_state is not OPEN
        or subscriber.cursor is not None
        or context.has_unflushed_broadcast
        or subscriber.subscription.encoding is not PLAIN
    ):
        return None
    frames = encode_short_frames(event.messages)
    queue, queued_len = subscriber.queue, subscriber.queued_len + len(frames)
    if not frames or queued_len > context.limits.max_ws_outbox_len:
        return None
    queue = append_frames(queue, frames) if queue else (frames,)
    return with_subscriber(client, with_queue(subscriber, queue, queued_len, True)), []


def flush_messages(client: Client) -> Step | None:
    """The client, which is where its cohort is, after the one segment of its queue was sent."""
    subscriber, websocket = client.subscriber, client.websocket
    if (
        subscriber is None
        or websocket is None
        or client.outgoing is not NOTHING_OUTGOING
        or websocket.pongs
        or websocket.end is not None
        or websocket.undelivered is not NOTHING_UNDELIVERED
        or subscriber.cursor is not None
        or len(subscriber.queue) != 1
    ):
        return None
    if client.incoming is not IDLE_WEBSOCKET and client.incoming is not DELIVERING:
        return None
    (segment,) = subscriber.queue
    if isinstance(segment, Follow | LongFrame):
        return None
    after = with_subscriber(client, with_queue(subscriber, (), 0, False), len(segment))
    return after, [Send(client.conn, (segment,), KEEP)]
