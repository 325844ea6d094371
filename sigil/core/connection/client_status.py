"""What is read off a client: whether it is idle, behind, full, due; how much is held for it.

Theory: what a connection waits for and what it holds are not fields of its record: they are read
off it, so they agree with it. Each question that more than one file asks has its function here.

Rules: nothing here changes anything. It does not know the server, nor any other client.
"""

from typing import Final

from ..http.head import FIELD_BYTES, HEAD_BYTES, TARGET_FACTOR, TEXT_FACTOR, Head
from ..limits import Limits
from ..rope import rope_len
from ..websocket.messages import BETWEEN_MESSAGES, Close
from .client import DELIVERING, IDLE_HTTP, IDLE_WEBSOCKET, WHOLE, BodyMode, Client, Phase
from .outgoing import NOTHING_OUTGOING, Outgoing, is_held
from .subscriber import OPEN, CloseState, Subscriber, stays_in_place
from .websocket_state import NOTHING_UNDELIVERED, WebSocket, unread_len

BODY: Final = Phase.BODY
"""The member itself: finding it on its class takes ten times as long."""

SMALL_HEAD_LEN, SMALL_HEAD_FIELDS = 4_096, 32
"""Bytes and fields of a head that is small."""
UNCOUNTED_BYTES: Final = (
    HEAD_BYTES + FIELD_BYTES * SMALL_HEAD_FIELDS + (TEXT_FACTOR + TARGET_FACTOR) * SMALL_HEAD_LEN
)
"""What a small head takes at most. So much for each connection is in no sum: the usual request need
not be counted.
"""

EARLY_RESPONSE_LEN: Final = 1_024
"""Bytes that a response counts for beside its body while it is held: so that a great number of
empty ones is something too.
"""


def subscriber_of(client: Client) -> Subscriber:
    """The client's record as a subscriber, which must be there."""
    assert client.subscriber is not None
    return client.subscriber


def websocket_of(client: Client) -> WebSocket:
    """The client's record as a WebSocket, which must be there."""
    assert client.websocket is not None
    return client.websocket


def is_complete(client: Client) -> bool:
    """True for a connection over TLS with nothing under way: what it was sent can be told from what
    is cut off, and its end may be said.
    """
    if client.peer.tls is None or client.subscriber is not None or client.outstanding:
        return False
    return not client.outgoing.outbox and client.outgoing.streaming is None


def is_in_cohort(client: Client) -> bool:
    """True for a subscriber that is where its cohort is."""
    subscriber = client.subscriber
    return subscriber is not None and subscriber.close_state is OPEN and subscriber.cursor is None


def is_polling(client: Client) -> bool:
    """True for a connection whose first outstanding request is a long-poll that waits."""
    return client.subscriber is not None and client.subscriber.polling is not None


def is_laggard(client: Client) -> bool:
    """True for a subscriber that has a cursor of its own."""
    return client.subscriber is not None and client.subscriber.cursor is not None


def stays_at_rest(before: Client, after: Client) -> bool:
    """True if an HTTP connection was at rest before an event and is so behind it: it is watched for
    what it was, and holds nothing but the heads of its outstanding requests.
    """
    return (
        after.incoming is IDLE_HTTP
        and after.outgoing is NOTHING_OUTGOING
        and before.incoming is IDLE_HTTP
        and before.outgoing is NOTHING_OUTGOING
        and after.subscriber is before.subscriber  # a long-poll begins and ends
    )


def stays_idle(before: Client, after: Client) -> bool:
    """True if a WebSocket was idle before an event and is so behind it, told by identity: it is
    watched for what it was, waits for what it did, and is in the cohort that it was in.
    """
    if after.outgoing is not NOTHING_OUTGOING or before.outgoing is not NOTHING_OUTGOING:
        return False
    incoming, was = after.incoming, before.incoming
    if (incoming is not IDLE_WEBSOCKET and incoming is not DELIVERING) or (
        was is not IDLE_WEBSOCKET and was is not DELIVERING
    ):
        return False
    if after.websocket is not before.websocket:
        websocket, old = websocket_of(after), websocket_of(before)
        if websocket.awaits_pong is not old.awaits_pong:
            return False
        if websocket.undelivered is not NOTHING_UNDELIVERED:
            return False
    if after.subscriber is before.subscriber:
        return True
    return stays_in_place(subscriber_of(before), subscriber_of(after))


def holds_nothing(client: Client) -> bool:
    """True if what a client holds is in no sum, told without counting it."""
    incoming, websocket = client.incoming, client.websocket
    if client.outgoing is not NOTHING_OUTGOING or is_counted(client.outstanding):
        return False
    if websocket is None:
        return incoming is IDLE_HTTP
    if websocket.reader is not BETWEEN_MESSAGES:
        return False
    is_idle = incoming is IDLE_WEBSOCKET or incoming is DELIVERING
    return is_idle and websocket.undelivered is NOTHING_UNDELIVERED


def is_subscriber(client: Client) -> bool:
    """True for an event stream that has not ended, and for a WebSocket of whose end the program was
    not notified yet.
    """
    subscriber = client.subscriber
    return subscriber is not None and subscriber.close_state is not CloseState.CLOSED


def is_scheduled(client: Client) -> bool:
    """True for a subscriber that the next flush looks at."""
    return client.subscriber is not None and client.subscriber.is_scheduled


def has_unsent(client: Client) -> bool:
    """True for a subscriber for which there is something to send: its queue, a pong, the answer to
    a close frame, or what it lags behind; or the program may be told that it has taken all.
    """
    subscriber, websocket = client.subscriber, client.websocket
    if subscriber is None:
        return False
    if subscriber.queue or subscriber.cursor is not None:
        return True
    if websocket is None:
        return False
    return bool(websocket.pongs) or websocket.awaits_drain or is_close_due(client)


def is_close_due(client: Client) -> bool:
    """True for a WebSocket whose peer's close frame has come and is to be answered when the tick
    ends, at the latest.
    """
    subscriber, websocket = client.subscriber, client.websocket
    return (
        subscriber is not None
        and websocket is not None
        and isinstance(websocket.end, Close)
        and subscriber.close_state is OPEN
    )


def may_deliver(client: Client, limits: Limits) -> bool:
    """True if a WebSocket is known to be so little behind with reading, and its queue is so short,
    that more may be delivered, and the program wants it.
    """
    outgoing = client.outgoing
    if outgoing is not NOTHING_OUTGOING and not _may_be_given(outgoing):
        return False
    return buffered_len(client) < limits.max_outbox_len


def _may_be_given(outgoing: Outgoing) -> bool:
    """True if it is known what the kernel has taken, and the program wants what comes."""
    return not (is_held(outgoing) or (outgoing.is_full and not outgoing.outbox))


def is_outstanding(client: Client, number: int) -> bool:
    """True if the request with this number awaits its response."""
    return 0 <= number - client.responded < len(client.outstanding)


def pipeline_waits(client: Client) -> bool:
    """True while the next request has to wait for a response: behind an unsafe method, a body, a
    last request.
    """
    return bool(client.outstanding) and not client.outstanding[-1].may_pipeline


def may_parse(client: Client, limits: Limits) -> bool:
    """True if bytes in the buffer may become requests now."""
    outstanding, outgoing = client.outstanding, client.outgoing
    if client.incoming.body_mode is not WHOLE:
        return may_read_pieces(client, limits)
    if client.incoming.phase > BODY or len(outstanding) >= limits.max_queued_requests:
        return False
    if outstanding and pipeline_waits(client):
        return False
    if outgoing is NOTHING_OUTGOING:
        return True
    return not (outgoing.postponed or is_held(outgoing)) and has_response_room(client, limits)


def is_in_pieces(client: Client) -> bool:
    """True while the program takes the body of a request in pieces, and not all of it has come."""
    return client.incoming.body_mode >= BodyMode.HELD


def may_read_pieces(client: Client, limits: Limits) -> bool:
    """True if bytes in the buffer may become more of a body in pieces, or the program be asked for
    one.
    """
    incoming = client.incoming
    if is_held(client.outgoing):
        return False
    match incoming.body_mode:
        case BodyMode.QUEUED:
            return not client.outstanding
        case BodyMode.WANTED:
            return True
        case BodyMode.HELD:
            assert incoming.body is not None
            return rope_len(incoming.body.rope) < limits.max_body_piece_len
        case _:
            return False


def has_response_room(client: Client, limits: Limits) -> bool:
    """True if the response to one more request may be held for this client.

    Not while it does not take its responses, nor while many are held behind one that is to come
    first; and nothing is handed out behind a stream, whose end nobody knows. A request whose body
    has begun is one more at most: it is read to its end.
    """
    outgoing = client.outgoing
    if is_behind(client, limits):
        return False
    if client.incoming.phase is BODY:
        return True
    if outgoing.streaming is not None:
        return False
    return not outgoing.early_responses or early_len(client) < limits.max_outbox_len


def is_behind(client: Client, limits: Limits) -> bool:
    """True if a client is to take some of what was sent to it first."""
    outgoing = client.outgoing
    return outgoing.is_full or outbox_len(client) >= limits.max_outbox_len


def outbox_len(client: Client) -> int:
    """Bytes sent to this client that the kernel did not take."""
    outbox = client.outgoing.outbox
    return sum(map(len, outbox)) if outbox else 0


def early_len(client: Client) -> int:
    """Bytes of the responses that are held for this client because another one comes first."""
    return sum(
        [
            EARLY_RESPONSE_LEN + (len(response.body) if isinstance(response.body, bytes) else 0)
            for _, response in client.outgoing.early_responses
        ]
    )


def buffered_len(client: Client) -> int:
    """Bytes to be sent to a client, its outbox and its queue, without what is published."""
    subscriber, outbox = client.subscriber, client.outgoing.outbox
    queued_len = 0 if subscriber is None else subscriber.queued_len
    return queued_len + sum(map(len, outbox)) if outbox else queued_len


def is_at_rest(client: Client) -> bool:
    """True for an HTTP connection on which nothing special is going on: nothing is half read, and
    nothing held back. It may wait for the program.
    """
    return client.incoming is IDLE_HTTP and client.outgoing is NOTHING_OUTGOING


def has_more_behind(client: Client) -> bool:
    """True if something waits behind what an HTTP client is being sent: requests to be parsed or
    handled, responses, or the rest of one.
    """
    outgoing = client.outgoing
    if client.incoming.buffer or outgoing.postponed or outgoing.early_responses:
        return True
    return outgoing.streaming is not None


def is_counted(heads: tuple[Head, ...]) -> bool:
    """False for one request with a small head, or none: told without a sum."""
    return bool(heads) and (len(heads) > 1 or heads[0].size > UNCOUNTED_BYTES)


def outstanding_len(client: Client) -> int:
    """Bytes that the heads of a client's outstanding requests take, if they are more than those of
    one small head.
    """
    heads = client.outstanding
    if not is_counted(heads):
        return 0
    size = sum([head.size for head in heads])
    return size if size > UNCOUNTED_BYTES else 0


def incoming_len(client: Client) -> int:
    """Bytes this client has sent that are no complete request or message yet, or not delivered, and
    those of the heads of its outstanding requests.
    """
    incoming = client.incoming
    length = len(incoming.buffer) + outstanding_len(client)
    if incoming.body is not None:
        body = incoming.body
        length += body.length if incoming.body_mode is WHOLE else rope_len(body.rope)
    if client.websocket is not None:
        length += unread_len(client.websocket)
    return length


def lacking_len(client: Client, limits: Limits) -> int:
    """Bytes that are still to come of what is being read: the body of a request, or a chunk of it,
    or the payload of a frame; 0 if there is none, or what has come of it has no room yet.
    """
    incoming, websocket = client.incoming, client.websocket
    if websocket is not None:
        frame, piece_len = websocket.reader.frame, websocket.frame_rules.piece_len
        remaining = 0 if frame is None else frame.remaining
        return min(remaining, piece_len) if piece_len else remaining
    body = incoming.body
    if body is None or incoming.buffer:
        return 0
    if incoming.body_mode is WHOLE:
        return body.remaining
    return max(0, min(body.remaining, limits.max_body_piece_len - rope_len(body.rope)))


def outgoing_len(client: Client) -> int:
    """Bytes that are held for this client: its outbox, its early responses, its queue while it is
    behind, with the topics of the places in it.
    """
    outgoing = client.outgoing
    if outgoing is NOTHING_OUTGOING:
        return 0
    held = early_len(client) if outgoing.early_responses else 0
    if client.subscriber is not None:
        held += client.subscriber.places_len
    return held + buffered_len(client)
