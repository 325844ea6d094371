"""What happens to a connection that has become a WebSocket (RFC 6455 sections 5 to 7).

Theory: bytes become messages and are delivered to the program, which may take its time: after a
`Deliver` nothing more is delivered until `Delivered`. What the program sends meanwhile is queued,
and leaves with the next flush. However the connection ends, every message that came before the end
is delivered first, and the program is notified of the end once.

Rules: pings are answered and close frames returned here; the program does not see them. After our
close frame nothing is delivered any more. A peer that breaks the protocol gets a close frame with
the code of its error, and the end (section 7.1.7). Functions take a client that has a `websocket`.
They do not know any other client.
"""

from ..broadcast.broadcast import Broadcast, commit_pending
from ..close_reasons import CLOSE_INFO, CloseReason
from ..effects import (
    SERVER_LOG,
    CallWsClose,
    Deliver,
    DeliverCompressed,
    Effect,
    Log,
    LogLevel,
    Send,
    Then,
)
from ..events import Delivered, HalfClosed, Received, SendMessages
from ..parse_result import malformed
from ..websocket.frames import Opcode, encode_close, encode_frame, frame_len, is_close_code
from ..websocket.messages import (
    BETWEEN_MESSAGES,
    READER_CLOSED,
    Close,
    CompressedMessage,
    Item,
    Ping,
    receive_data,
)
from .client import (
    NOTHING_OUTGOING,
    Client,
    Disconnected,
    Phase,
    subscriber_of,
    websocket_of,
    with_incoming,
    with_subscriber,
    with_websocket,
)
from .context import Context, Outcome, Step
from .deadlines import Waiting, waiting_for
from .output import write_and_shut
from .send_queue import dequeue, enqueue, enqueue_broadcast
from .subscriber import OPEN, CloseState
from .websocket_send import dequeue_for, on_send_messages
from .websocket_state import NOTHING_UNDELIVERED, Undelivered, messages_len

NORMAL = 1000
"""The code of a close that needs no explanation (section 7.4.1)."""
NO_CLOSE_FRAME = malformed("the connection ended without a close frame", CloseReason.PEER_RESET)
"""What ends the connection of a peer that sent no close frame."""


# -- receiving -------------------------------------------------------------------------------------


def receive_frames(client: Client, event: Received, context: Context) -> Outcome:
    """Bytes came, which shows that the peer is there, whatever they are."""
    websocket = websocket_of(client)
    is_awaited = waiting_for(client) in (Waiting.PING, Waiting.PONG)
    client = client._replace(
        bytes_in=client.bytes_in + len(event.data),
        waiting_since=context.now if is_awaited else client.waiting_since,
    )
    if client.incoming.phase is Phase.DELIVERING:
        unread = websocket.unread + event.data
        return with_websocket(client, websocket._replace(unread=unread, awaits_pong=False)), []
    client = with_websocket(client, websocket._replace(awaits_pong=False))
    return _read_messages(client, event.data, context)


def _in_phase(client: Client, phase: Phase) -> Client:
    """The client in another phase."""
    return with_incoming(client, client.incoming._replace(phase=phase))


def _read_messages(client: Client, data: bytes, context: Context) -> Outcome:
    """Read messages and control frames from these bytes, and deliver them."""
    websocket = websocket_of(client)
    reader, items, error = receive_data(websocket.reader, data, websocket.frame_rules)
    last = items[-1] if items else None
    end = last if isinstance(last, Close) else error
    if end is None:
        end = websocket.end
    client = with_websocket(client, websocket._replace(reader=reader, end=end))
    return _deliver_items(client, Undelivered(items, 0, messages_len(items)), context)


def _deliver_items(client: Client, undelivered: Undelivered, context: Context) -> Outcome:
    """Answer the pings up to the first message, and deliver the messages up to the next ping.

    So a pong has the place that its ping had, however the bytes were cut.
    """
    items, start = undelivered.items, undelivered.start
    if subscriber_of(client).close_state is not OPEN:
        return _apply_end(client, context)
    while start < len(items) and not isinstance(items[start], str | bytes | CompressedMessage):
        item = items[start]
        if isinstance(item, Ping):
            client = _queue_pong(client, item.payload)
        start += 1
    if start == len(items):
        return _apply_end(client, context)
    end = next(
        (index for index in range(start, len(items)) if isinstance(items[index], Ping)), len(items)
    )
    messages = items[start:end]
    left = NOTHING_UNDELIVERED
    if end < len(items):
        left = Undelivered(items, end, undelivered.length - messages_len(messages))
    client = with_websocket(client, websocket_of(client)._replace(undelivered=left))
    return _in_phase(client, Phase.DELIVERING), [_delivery(client, messages)]


def _delivery(client: Client, items: tuple[Item, ...]) -> Effect:
    """The effect that delivers the messages among these items, compressed ones to be decompressed
    first.
    """
    plain = tuple([item for item in items if isinstance(item, str | bytes)])
    messages = tuple([item for item in items if isinstance(item, str | bytes | CompressedMessage)])
    if len(plain) == len(messages):
        return Deliver(client.conn, plain)
    return DeliverCompressed(client.conn, messages)


def _queue_pong(client: Client, payload: bytes) -> Client:
    """The client with a pong to be sent; while it is behind with reading, only its latest ping is
    answered (section 5.5.3).
    """
    if client.outgoing is not NOTHING_OUTGOING:
        return with_websocket(client, websocket_of(client)._replace(pong_payload=payload))
    subscriber = subscriber_of(client)
    queue = enqueue(subscriber.queue, Opcode.PONG, payload)
    queued_len = subscriber.queued_len + frame_len(len(payload))
    return with_subscriber(client, subscriber._replace(queue=queue, queued_len=queued_len))


def on_delivered(client: Client, event: Delivered, context: Context) -> Outcome:
    """The program has returned from what was delivered: its replies are queued, and what came
    behind is read now.
    """
    if event.replies:
        client, _ = on_send_messages(client, SendMessages(event.conn, event.replies), context)
    websocket = client.websocket
    if websocket is None or client.incoming.phase is not Phase.DELIVERING:
        return client, []
    client = _in_phase(client, Phase.WEBSOCKET)
    if event.error is not None:
        websocket = websocket._replace(
            reader=READER_CLOSED, end=event.error, unread=b"", undelivered=NOTHING_UNDELIVERED
        )
    undelivered, unread = websocket.undelivered, websocket.unread
    if undelivered is not NOTHING_UNDELIVERED:
        client = with_websocket(client, websocket._replace(undelivered=NOTHING_UNDELIVERED))
        return _deliver_items(client, undelivered, context)
    client = with_websocket(client, websocket._replace(unread=b""))
    if unread:
        return _read_messages(client, unread, context)
    return _apply_end(client, context)


# -- the end ---------------------------------------------------------------------------------------


def _apply_end(client: Client, context: Context) -> Outcome:
    """Everything before the end is delivered: end the connection, if there is an end."""
    end = websocket_of(client).end
    if end is None:
        return client, []
    if isinstance(end, Close):
        return _echo_close(client, end, context)
    return fail(client, end.reason, context, end.message)


def _echo_close(client: Client, close: Close, context: Context) -> Step:
    """The peer has sent its close frame: answer it with ours, unless it is the answer to ours
    (section 5.5.1).
    """
    subscriber = subscriber_of(client)
    if subscriber.close_state is CloseState.CLOSING:
        code = websocket_of(client).code
        return _close_connection(client, b"", subscriber.reason, code, context)
    frame = encode_frame(Opcode.CLOSE, encode_close(close.code))
    return _close_connection(client, frame, CloseReason.WS_PEER_CLOSED, close.code, context)


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
    client, effects = _close_connection(client, frame, reason, code, context)
    text = f"{client.peer} closed with {code}, {reason.name}: {message or info.sentence}"
    return client, [Log(SERVER_LOG, LogLevel.INFO, text), *effects]


def _close_connection(
    client: Client, frame: bytes, reason: CloseReason, code: int, context: Context
) -> Step:
    """Send what is queued, as far as there is room, then the close frame; shut our side, and notify
    the program.
    """
    broadcast, subscriber = context.broadcast, subscriber_of(client)
    if subscriber.close_state is OPEN:
        subscriber = enqueue_broadcast(subscriber, broadcast)
    ring = commit_pending(broadcast).ring
    segments = dequeue(subscriber, ring, context.limits.max_outbox_len).segments
    if frame:
        segments = (*segments, frame)
    subscriber = subscriber._replace(
        queue=(), queued_len=0, cursor=None, close_state=CloseState.CLOSED, reason=reason
    )
    websocket = websocket_of(client)._replace(
        reader=BETWEEN_MESSAGES,
        unread=b"",
        undelivered=NOTHING_UNDELIVERED,
        pong_payload=None,
        code=code,
    )
    client = with_websocket(with_subscriber(client, subscriber), websocket)
    client, effects = write_and_shut(client, segments, reason)
    return client, [*effects, CallWsClose(client.conn, reason, code)]


def close_notice(client: Client, reason: CloseReason) -> list[Effect]:
    """The effect that notifies the program of the end of a WebSocket, if its connection ends for
    this reason and the program was not notified yet.
    """
    subscriber, websocket = client.subscriber, client.websocket
    if subscriber is None or websocket is None or subscriber.close_state is CloseState.CLOSED:
        return []
    if subscriber.close_state is CloseState.CLOSING:
        return [CallWsClose(client.conn, subscriber.reason, websocket.code)]
    return [CallWsClose(client.conn, reason, CLOSE_INFO[reason].code)]


def closing_frames(client: Client, reason: CloseReason, context: Context) -> list[Effect]:
    """The effect that sends a subscriber that is dropped at once what is queued for it, and a
    WebSocket a close frame, as far as the kernel takes them; none if it is behind with reading.
    """
    subscriber, broadcast = subscriber_of(client), context.broadcast
    if subscriber.close_state is not OPEN or client.outgoing.outbox:
        return []
    client = with_subscriber(client, enqueue_broadcast(subscriber, broadcast))
    ring = commit_pending(broadcast).ring
    segments = dequeue_for(client, ring, context.limits.max_outbox_len).segments
    if client.websocket is not None:
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
    subscriber = subscriber_of(client)
    if subscriber.close_state is not OPEN:
        return client, []
    code = next(filter(is_close_code, (code, CLOSE_INFO[reason].code, NORMAL)))
    subscriber = enqueue_broadcast(subscriber, broadcast)
    queue = enqueue(subscriber.queue, Opcode.CLOSE, encode_close(code, text))
    subscriber = subscriber._replace(queue=queue, close_state=CloseState.CLOSING, reason=reason)
    websocket = websocket_of(client)._replace(code=code)
    return with_websocket(with_subscriber(client, subscriber), websocket), []


def websocket_half_closed(client: Client, event: HalfClosed, context: Context) -> Outcome:
    """The peer sends no more: what it has sent is delivered first."""
    websocket = websocket_of(client)
    client = with_incoming(client, client.incoming._replace(peer_half_closed=True))
    if websocket.end is None:
        client = with_websocket(client, websocket._replace(end=NO_CLOSE_FRAME))
    if client.incoming.phase is Phase.DELIVERING:
        return client, []
    return _apply_end(client, context)


# -- timeouts --------------------------------------------------------------------------------------


def send_ping(client: Client, context: Context) -> Outcome:
    """Nothing has come for long: send a ping, which is to be answered in time (section 5.5.2)."""
    subscriber = subscriber_of(client)
    queue = enqueue(subscriber.queue, Opcode.PING, b"")
    client = with_subscriber(client, subscriber._replace(queue=queue))
    return with_websocket(client, websocket_of(client)._replace(awaits_pong=True)), []


def pong_timed_out(client: Client, context: Context) -> Outcome:
    """Nothing has come since the ping."""
    return fail(client, CloseReason.WS_PONG_TIMEOUT, context)


def close_timed_out(client: Client, context: Context) -> Outcome:
    """Our close frame was not answered."""
    return Disconnected(client, subscriber_of(client).reason), []
