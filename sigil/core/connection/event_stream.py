"""An event stream: a client that is sent the broadcast as a response without end, of server-sent
events (WHATWG HTML section 9.2).

Theory: what is published is one broadcast, and server-sent events are one more encoding of it. So
the client of an event stream is a subscriber as a WebSocket is, with a place in the broadcast and a
queue, and without anything that comes from the peer.

Rules: the response ends with the connection, so an event is the same bytes for every subscriber.
What the client sends is discarded, and so are requests behind the one that opened the stream. An id
is a position, which a client is sent with every event, at the beginning, and now and then; one that
comes back with the last one (`Last-Event-ID`, or what the program found elsewhere) goes on behind
it. If anything may be missing since then, on whatever topic, an event `gap` reports it: a silent
hole would be a lie. The program is notified of the beginning and of the end (`CallSseOpen`,
`CallSseClose`). It does not know any other client.
"""

from typing import Final

from ..broadcast.announcing import announce_start
from ..broadcast.cohort_index import shared
from ..broadcast.encoding import Encoding
from ..broadcast.entry import Subscription
from ..broadcast.joining import join
from ..broadcast.ring import position_at
from ..close_reasons import CloseReason
from ..effects import CallSseOpen, LimitUnsent
from ..events import HalfClosed, Segment
from ..http.bodies import EventStream
from ..http.head import request_of
from ..http.sse import (
    KEEP_ALIVE_COMMENT,
    encode_id,
    encode_retry,
    last_event_id,
)
from ..limits import Limits
from .client import EVENT_STREAM, Client, with_incoming, with_subscriber
from .client_status import subscriber_of
from .context import Context, Step
from .heartbeat import keep_alive_notice
from .outgoing import NOTHING_OUTGOING
from .output import close_early_responses, write
from .send_queue import append_frames, enqueue_broadcast
from .subscriber import CloseState, add_topics, make_subscriber
from .websocket_send import begins_behind, end_event_stream

DECIDED_ENDS: Final = frozenset((CloseReason.OK, CloseReason.HANDLER_ERROR, CloseReason.SHUTDOWN))
"""Ends that may have been decided on before the response came, and that end the stream too. What is
wrong with bytes behind the request does not: they are discarded.
"""


def open_event_stream(
    client: Client,
    segments: tuple[Segment, ...],
    body: EventStream,
    subscription: Subscription,
    context: Context,
) -> Step:
    """Respond to the first outstanding request with a head, `segments`, and from now on with what
    is published.
    """
    broadcast, incoming = context.broadcast, client.incoming
    # a browser that reconnects asks for the same address again: what it says itself is newer
    head = client.outstanding[0]
    segments += keep_alive_notice(head, context.limits)
    after = last_event_id(head.headers) or body.after or ""
    joining = join(
        broadcast, subscription, after, min(body.history, context.limits.history_messages)
    )
    cursor = joining.cursor
    if cursor is None and client.outgoing is not NOTHING_OUTGOING:
        cursor = broadcast.next_number  # the responses before it are not taken yet
    subscription = shared(broadcast.cohort_index, subscription)
    is_behind = begins_behind(client, cursor, broadcast)
    client, effects = close_early_responses(client)
    client = client.replace(
        incoming=EVENT_STREAM.replace(
            peer_half_closed=incoming.peer_half_closed,
            discarded=incoming.discarded + len(incoming.buffer),
        ),
        outstanding=(),
        responded=client.responded + len(client.outstanding),
        subscriber=make_subscriber(
            subscription, cursor, is_behind, body.slow == "skip", joining.retained
        ),
    )
    # An id without data is no event, but it is what the client will come back with (WHATWG HTML
    # section 9.2.6).
    opening = announce_start(subscription, joining.position, joining.gap)
    if body.retry_ms is not None:
        opening = encode_retry(body.retry_ms) + opening
    client, sent = write(client, (*segments, opening))
    request = request_of(head, b"", client.peer, client.conn)
    effects += [LimitUnsent(client.conn), *sent, CallSseOpen(client.conn, request)]
    error = incoming.final_error
    if error is not None and error.reason in DECIDED_ENDS:
        client, last = stop_event_stream(client, error.reason, context)
        effects += last
    return client, effects


def event_stream_subscription(body: EventStream, limits: Limits) -> Subscription | str:
    """The subscription that a response asks for; or a sentence about which limit it is beyond."""
    return add_topics(Subscription(Encoding.SSE, frozenset()), body.topics, limits)


def send_keep_alive(client: Client, context: Context) -> Step:
    """Queue something that is no event, so that proxies on the way do not take the stream for dead.

    A client that is where its cohort is gets the present position: what was published on topics of
    others is nothing that it has missed.
    """
    subscriber, ring = subscriber_of(client), context.broadcast.ring
    data = KEEP_ALIVE_COMMENT
    if subscriber.cursor is None and not subscriber.queue:
        data = encode_id(position_at(ring, ring.head_number))
    return _queue_heartbeat(client, data, context)


def _queue_heartbeat(client: Client, data: bytes, context: Context) -> Step:
    """Queue something that is no event, unless the stream is about to end."""
    subscriber = subscriber_of(client)
    client = client.replace(waiting_since=context.now)
    if subscriber.close_state is not CloseState.OPEN:
        return client, []
    queue = append_frames(subscriber.queue, data)
    queued_len = subscriber.queued_len + len(data)
    return with_subscriber(client, subscriber.replace(queue=queue, queued_len=queued_len)), []


def event_stream_half_closed(client: Client, event: HalfClosed, context: Context) -> Step:
    """The peer will send no more, and may still read; most have left, and a byte shows it. It is no
    position: the kernel may not have taken the head, and by then the client has another one.
    """
    incoming = client.incoming.replace(peer_half_closed=True)
    return _queue_heartbeat(with_incoming(client, incoming), KEEP_ALIVE_COMMENT, context)


def stop_event_stream(client: Client, reason: CloseReason, context: Context) -> Step:
    """End the stream behind what was published and queued until now, as soon as that is sent."""
    subscriber = subscriber_of(client)
    if subscriber.close_state is not CloseState.OPEN:
        return client, []
    subscriber = enqueue_broadcast(subscriber, context.broadcast)
    subscriber = subscriber.replace(close_state=CloseState.CLOSING, reason=reason)
    client = with_subscriber(client, subscriber)
    return (client, []) if subscriber.queue else end_event_stream(client)
