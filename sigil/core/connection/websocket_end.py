"""How a WebSocket ends (RFC 6455 sections 5.5.1 and 7).

Theory: a WebSocket ends when both sides have sent a close frame, or when one of them cannot go on.
The end on the wire is one thing, the end for the program another: that is told once, when it has
returned from what was delivered to it before.

Rules: after our close frame nothing is sent any more, and nothing is delivered but what came before
the peer's. A peer that breaks the protocol gets a close frame with the code of its error, and the
end (section 7.1.7). A close frame goes between two frames, never into one. Functions take a client
that has a `websocket`. They do not know any other client, nor how messages come to be delivered
(`websocket`).
"""

from typing import Final, cast

from ..broadcast.broadcast import Broadcast, commit_pending
from ..close_reasons import CLOSE_INFO, CloseReason
from ..conn import Conn
from ..effects import (
    SERVER_LOG,
    CallSseClose,
    CallWsClose,
    Deliver,
    DeliverCompressed,
    Drop,
    Effect,
    Interest,
    Log,
    LogLevel,
    Send,
    Then,
)
from ..parse_result import malformed
from ..websocket.fragments import AnyMessage, Message
from ..websocket.frames import Opcode, encode_close, encode_frame, is_close_code
from ..websocket.messages import BETWEEN_MESSAGES, Close
from .client import DROPPED, Client, Disconnected, Phase, with_subscriber, with_websocket
from .client_status import subscriber_of, websocket_of
from .context import Context, Outcome, Step
from .control import at_end
from .outgoing import NOTHING_OUTGOING
from .output import write_and_shut
from .send_queue import enqueue_broadcast, enqueue_frame
from .subscriber import OPEN, CloseState
from .websocket_send import dequeue_for
from .websocket_state import NOTHING_UNDELIVERED, Undelivered, WebSocket, take_all

NORMAL: Final = 1000
"""The code of a close that needs no explanation (section 7.4.1)."""
NO_CLOSE_FRAME: Final = malformed(
    "the connection ended without a close frame", CloseReason.PEER_RESET
)
"""What ends the connection of a peer that sent no close frame."""
PEER_CLOSED: Final = CloseReason.WS_PEER_CLOSED
"""The reason of an end that the peer has begun."""


def delivery(conn: Conn, messages: tuple[AnyMessage, ...]) -> Effect:
    """The effect that delivers these messages, compressed ones to be decompressed first."""
    for message in messages:
        if not isinstance(message, (str, bytes)):
            return DeliverCompressed(conn, messages)
    return Deliver(conn, cast("tuple[Message, ...]", messages))


# -- on the wire -----------------------------------------------------------------------------------


def apply_end(client: Client, context: Context) -> Outcome:
    """Nothing more is to be delivered before the end: end the connection, if there is an end."""
    end = websocket_of(client).end
    if end is None:
        return client, []
    if isinstance(end, Close):
        return answer_close(client, context)
    return fail(client, end.reason, context, end.message)


def answer_close(client: Client, context: Context) -> Outcome:
    """The peer has sent its close frame: answer it with ours, unless it is the answer to ours
    (section 5.5.1). What came before it is still delivered, and only then the program is notified.
    """
    subscriber, websocket = subscriber_of(client), websocket_of(client)
    assert isinstance(websocket.end, Close)
    if subscriber.close_state is CloseState.CLOSING:
        return _close_connection(client, b"", subscriber.reason, websocket.code, context)
    code = websocket.end.code
    frame = encode_frame(Opcode.CLOSE, encode_close(code))
    waiting = websocket.undelivered
    return _close_connection(client, frame, PEER_CLOSED, code, context, waiting)


def fail(client: Client, reason: CloseReason, context: Context, message: str = "") -> Outcome:
    """Fail the connection (section 7.1.7): the peer is sent a close frame with the code of
    `reason`, if it still reads, and `message`, or the sentence of the reason.
    """
    subscriber, info = subscriber_of(client), CLOSE_INFO[reason]
    code, frame = info.code, b""
    if subscriber.close_state is CloseState.CLOSING:
        reason, code = subscriber.reason, websocket_of(client).code
    elif is_close_code(code):
        frame = encode_frame(Opcode.CLOSE, encode_close(code, message or info.sentence))
    elif not (subscriber.queue or client.outgoing.outbox or context.has_unflushed_broadcast):
        return Disconnected(client, reason), []
    outcome, effects = _close_connection(client, frame, reason, code, context, is_orderly=False)
    text = f"{client.peer} closed with {code}, {reason.name}: {message or info.sentence}"
    return outcome, [Log(SERVER_LOG, LogLevel.INFO, text), *effects]


def _close_connection(
    client: Client,
    frame: bytes,
    reason: CloseReason,
    code: int,
    context: Context,
    undelivered: Undelivered = NOTHING_UNDELIVERED,
    is_orderly: bool = True,
) -> Outcome:
    """Send what is queued, as far as there is room, then the close frame, and shut our side;
    deliver what is `undelivered`, and notify the program: when it has returned, if both sides have
    closed in order, and else at once, so that nothing goes on for a peer that is not there.
    """
    broadcast, is_at_work = context.broadcast, client.incoming.phase is Phase.DELIVERING
    is_closing = subscriber_of(client).close_state is CloseState.CLOSING
    if subscriber_of(client).close_state is OPEN:
        client = with_subscriber(client, enqueue_broadcast(subscriber_of(client), broadcast))
    broadcast = commit_pending(broadcast)
    dequeued = dequeue_for(client, broadcast, context.limits.max_outbox_len)
    if is_closing and dequeued.subscriber.queue:  # our close frame is its last, and did not leave
        frame = encode_frame(Opcode.CLOSE, encode_close(code))
    segments = (*dequeued.segments, frame) if frame else dequeued.segments
    subscriber = subscriber_of(client).replace(
        queue=(),
        queued_len=0,
        places_len=0,
        cursor=None,
        close_state=CloseState.ENDED,
        reason=reason,
    )
    websocket = websocket_of(client).replace(
        reader=BETWEEN_MESSAGES, undelivered=undelivered, pongs=b"", code=code
    )
    client = with_websocket(with_subscriber(client, subscriber), websocket)
    client, effects = write_and_shut(client, segments, reason)
    if is_at_work and is_orderly:
        return client, effects
    outcome, more = go_on_after_end(client)
    return outcome, effects + more


def closing_frames(client: Client, reason: CloseReason, context: Context) -> list[Effect]:
    """The effect that sends a subscriber that is dropped at once what is queued for it, and a
    WebSocket a close frame, as far as the kernel takes them; none if it is behind with reading. One
    that is closing already has its close frame in the queue, or was sent it.
    """
    subscriber, broadcast = subscriber_of(client), context.broadcast
    is_open = subscriber.close_state is OPEN
    if client.outgoing.outbox or not (is_open or subscriber.queue):
        return []
    if is_open:
        client = with_subscriber(client, enqueue_broadcast(subscriber, broadcast))
    broadcast = commit_pending(broadcast)
    segments = dequeue_for(client, broadcast, context.limits.max_outbox_len).segments
    if is_open and client.websocket is not None:
        info = CLOSE_INFO[reason]
        payload = encode_close(info.code, info.sentence)
        segments = (*segments, encode_frame(Opcode.CLOSE, payload))
    return [Send(client.conn, segments, Then.DROP)] if segments else []


def start_closing_handshake(
    client: Client, reason: CloseReason, code: int, text: str, broadcast: Broadcast
) -> Step:
    """Start the closing handshake (section 7.1.2): our close frame goes behind what is queued, and
    the peer's is awaited.

    A code that may not be sent is replaced by that of the reason, or by 1000.
    """
    subscriber, websocket = subscriber_of(client), websocket_of(client)
    if subscriber.close_state is not OPEN:
        return client, []
    code = next(filter(is_close_code, (code, CLOSE_INFO[reason].code, NORMAL)))
    if websocket.pongs:
        subscriber = subscriber.replace(
            queue=(websocket.pongs, *subscriber.queue),
            queued_len=subscriber.queued_len + len(websocket.pongs),
        )
    subscriber = enqueue_broadcast(subscriber, broadcast)
    subscriber = enqueue_frame(subscriber, Opcode.CLOSE, encode_close(code, text))
    subscriber = subscriber.replace(close_state=CloseState.CLOSING, reason=reason)
    websocket = websocket.replace(code=code, pongs=b"", undelivered=NOTHING_UNDELIVERED)
    return with_websocket(with_subscriber(client, subscriber), websocket), []


# -- for the program -------------------------------------------------------------------------------


def disconnect(client: Client, reason: CloseReason) -> Outcome:
    """The connection is to be closed: a WebSocket that has ended while the program was at work is
    closed, and remembered until all that came before the end is delivered.
    """
    subscriber = client.subscriber
    is_at_work = subscriber is not None and subscriber.close_state is CloseState.ENDED
    if not is_at_work or client.incoming.phase is Phase.DROPPED:
        return Disconnected(client, reason), []
    control = at_end(client.outgoing.control)
    outgoing = NOTHING_OUTGOING.replace(reason=reason, interest=Interest.NOTHING, control=control)
    return client.replace(incoming=DROPPED, outgoing=outgoing), [Drop(client.conn)]


def go_on_after_end(client: Client) -> Outcome:
    """The connection has ended on the wire, and the program is free: deliver what came before, or
    notify it of the end if that is nothing.
    """
    undelivered = websocket_of(client).undelivered
    if undelivered is NOTHING_UNDELIVERED:
        return notify_end(client)
    return _forget_undelivered(client), [delivery(client.conn, take_all(undelivered))]


def notify_end(client: Client) -> Outcome:
    """The connection has ended on the wire: notify the program, with nothing delivered before."""
    client = _forget_undelivered(client)
    if client.incoming.phase is Phase.DROPPED:
        return Disconnected(client, client.outgoing.reason), []
    subscriber = subscriber_of(client).replace(close_state=CloseState.CLOSED)
    notice = _end_of(client.conn, subscriber.reason, websocket_of(client))
    return with_subscriber(client, subscriber), [notice]


def _end_of(conn: Conn, reason: CloseReason, websocket: WebSocket) -> CallWsClose:
    """The effect that notifies the program of an end whose code is known."""
    end = websocket.end
    text = end.reason if isinstance(end, Close) else ""
    return CallWsClose(conn, reason, websocket.code, text)


def may_be_given_more(client: Client) -> bool:
    """True while the program may be called with more messages of a WebSocket: until our close frame
    is sent, or all that came before the peer's is delivered.
    """
    subscriber = client.subscriber
    if subscriber is None or subscriber.close_state is OPEN:
        return subscriber is not None
    return subscriber.close_state is CloseState.ENDED and subscriber.reason is PEER_CLOSED


def _forget_undelivered(client: Client) -> Client:
    """The client with nothing that waits for the program."""
    return with_websocket(client, websocket_of(client).replace(undelivered=NOTHING_UNDELIVERED))


def close_notice(client: Client, reason: CloseReason) -> list[Effect]:
    """The effects that notify the program of the end of a WebSocket or an event stream, if its
    connection ends for this reason and the program was not notified yet; what came before a close
    frame is delivered first.
    """
    subscriber, websocket = client.subscriber, client.websocket
    if subscriber is None or subscriber.close_state is CloseState.CLOSED:
        return []
    if websocket is None:
        if subscriber.polling is not None:
            return []
        is_open = subscriber.close_state is OPEN
        return [CallSseClose(client.conn, reason if is_open else subscriber.reason)]
    if subscriber.close_state is OPEN:
        return [CallWsClose(client.conn, reason, CLOSE_INFO[reason].code)]
    notice = _end_of(client.conn, subscriber.reason, websocket)
    if websocket.undelivered is NOTHING_UNDELIVERED:
        return [notice]
    return [delivery(client.conn, take_all(websocket.undelivered)), notice]


# -- timeouts --------------------------------------------------------------------------------------


def pong_timed_out(client: Client, context: Context) -> Outcome:
    """Nothing has come since the ping."""
    return fail(client, CloseReason.WS_PONG_TIMEOUT, context)


def close_timed_out(client: Client, context: Context) -> Outcome:
    """Our close frame was not answered."""
    return Disconnected(client, subscriber_of(client).reason), []
