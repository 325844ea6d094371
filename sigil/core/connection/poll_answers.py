"""The answer to a long-poll: what is sent to it as a subscriber is the body of its response.

Theory: the queue of a subscriber knows what is to be sent next, and how much of that at once. What
it gives a long-poll are lines, and these make a response like one of the program's: it is framed,
logged and followed by the next request as any other.

Rules: a long-poll is answered when a flush finds something for it, when its time is over, when its
client has ended its side, and when it is ended: always with the position from which to go on, so
that nothing is lost. A connection for which there is no room among the others is closed behind the
answer. It does not know who waits, nor what is published.
"""

from ..broadcast.ring import start_at
from ..effects import Effect, Send, Then
from ..http.encode import Encoded, encode_response, gather
from ..http.ndjson import position_line
from ..http.response import Response
from .client import Client
from .client_status import subscriber_of
from .context import Context, Step
from .responses import readable_elsewhere, send_response
from .send_queue import Dequeued
from .subscriber import RetainedPlace, Subscriber
from .websocket_send import dequeue_for


def flush_poll(client: Client, context: Context) -> Step:
    """Answer a long-poll if there is something for it, and else let it wait where its cohort is."""
    subscriber = subscriber_of(client)
    assert subscriber.polling is not None
    if client.outgoing.outbox or client.outgoing.is_full:
        return client.replace(subscriber=subscriber.replace(is_scheduled=False)), []
    dequeued = dequeue_for(client, context.broadcast, context.limits.max_outbox_len)
    if dequeued.segments or subscriber.polling.is_due:
        return _answer(client, dequeued, context)
    return client.replace(subscriber=dequeued.subscriber), []


def answer_poll(client: Client, context: Context) -> Step:
    """Answer a long-poll with what there is for it, which may be nothing but its position."""
    dequeued = dequeue_for(client, context.broadcast, context.limits.max_outbox_len)
    return _answer(client, dequeued, context)


def last_poll_answer(client: Client, context: Context) -> list[Effect]:
    """The effect that answers a long-poll whose connection is dropped, as far as the kernel takes
    it; none if it is behind with reading.
    """
    if client.outgoing.outbox:
        return []
    dequeued = dequeue_for(client, context.broadcast, context.limits.max_outbox_len)
    response = _response(client, dequeued, context)
    encoded = encode_response(response, client.outstanding[0], True, context.date)
    if not isinstance(encoded, Encoded):
        return []
    return [Send(client.conn, gather(encoded.pieces), Then.DROP)]


def _answer(client: Client, dequeued: Dequeued, context: Context) -> Step:
    """Send a long-poll these lines: it is one no more."""
    response = _response(client, dequeued, context)
    if not context.has_connection_slot:
        headers = (*response.headers, ("Connection", "close"))
        response = response.replace(headers=headers, prepared=None)
    return send_response(client.replace(subscriber=None), (response,), context)


def _response(client: Client, dequeued: Dequeued, context: Context) -> Response:
    """The response to a long-poll with these lines, between the position from which it was asked
    and the one from which to go on.
    """
    polling = subscriber_of(client).polling
    assert polling is not None
    last = position_line(_position_after(dequeued.subscriber, context))
    lines = (polling.opening, *dequeued.segments, last)
    body = last if lines == (last, last) else b"".join(lines)
    response = polling.response.replace(body=body)
    return readable_elsewhere(response, client.outstanding[0], context)


def _position_after(subscriber: Subscriber, context: Context) -> str:
    """The position of a subscriber that was sent all but what is left in its queue."""
    ring, queue = context.broadcast.ring, subscriber.queue
    number = ring.head_number if subscriber.cursor is None else subscriber.cursor
    first = queue[0] if queue else None
    start = first.wanted.start if isinstance(first, RetainedPlace) else number
    return start_at(ring, number, start)
