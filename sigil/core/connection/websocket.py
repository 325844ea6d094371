"""What a connection receives once it has become a WebSocket (RFC 6455 sections 5 and 6).

Theory: bytes become messages and control frames as they come. Messages are delivered to the
program, which may take its time: after a `Deliver` nothing more is delivered until `Delivered`, and
what has come meanwhile waits. Control frames never wait for the program: a ping is answered, a pong
shows that the peer is there, and a close frame is answered in the tick in which it comes. What the
program sends is queued, and leaves with the next flush.

Rules: pings are answered and close frames returned here; the program does not see them. Replies of
the same tick go before the answer to a close frame, so a program that returns at once has answered
all that came before it. A violation counts when the messages before it were delivered. Of a
client that does not take what it is sent nothing more is delivered. Functions take a client that
has a `websocket`. They do not know any other client, nor how a WebSocket ends (`websocket_end`).
"""

from collections.abc import Sequence
from typing import Final

from ..events import Delivered, HalfClosed, Received, SendMessages
from ..websocket.frames import Opcode, encode_frame
from ..websocket.messages import (
    READER_CLOSED,
    Close,
    CompressedMessage,
    Ping,
    receive_data,
)
from .client import NOTHING_OUTGOING, Client, Phase, with_incoming, with_subscriber, with_websocket
from .client_status import buffered_len, may_deliver, subscriber_of, websocket_of
from .context import Context, Outcome, Step
from .deadlines import Waiting, waiting_for
from .send_queue import enqueue_frame
from .subscriber import OPEN, CloseState
from .websocket_end import NO_CLOSE_FRAME, apply_end, delivery, go_on_after_end, notify_end
from .websocket_send import flush_messages, on_send_messages, resume_sending
from .websocket_state import CONTROL, NOTHING_UNDELIVERED, count_controls, park, take_batch

_LIVELY: Final = (Waiting.PING, Waiting.PONG, Waiting.CALLBACK)
"""What an open WebSocket waits for that takes what it is sent."""


# -- receiving -------------------------------------------------------------------------------------


def receive_frames(client: Client, event: Received, context: Context) -> Outcome:
    """Bytes came, which shows that the peer is there, whatever they are."""
    is_awaited = waiting_for(client) in _LIVELY
    client = client.replace(
        bytes_in=client.bytes_in + len(event.data),
        waiting_since=context.now if is_awaited else client.waiting_since,
    )
    client = with_websocket(client, websocket_of(client).replace(awaits_pong=False))
    return take_data(client, event.data, context)


def take_data(client: Client, data: bytes, context: Context) -> Outcome:
    """Read messages and control frames from these bytes: answer the pings, and deliver the messages
    or let them wait.
    """
    websocket = websocket_of(client)
    if websocket.reader.is_over:  # behind a close frame or a violation nothing counts
        incoming = client.incoming
        discarded = incoming.discarded + len(data)
        return with_incoming(client, incoming.replace(discarded=discarded)), []
    reader, items, error = receive_data(websocket.reader, data, websocket.frame_rules)
    last = items[-1] if items else None
    end = last if isinstance(last, Close) else error
    if end is None:
        end = websocket.end
    websocket = websocket.replace(reader=reader, end=end)
    controls = [item for item in items if isinstance(item, CONTROL)]
    if controls:
        websocket, items = count_controls(websocket, items, context.now, context.limits)
    client = with_websocket(client, websocket)
    if subscriber_of(client).close_state is not OPEN:
        return apply_end(client, context)  # after our close frame only the peer's is awaited
    if controls:
        client = _answer_pings(client, [item.payload for item in items if isinstance(item, Ping)])
    messages = tuple([item for item in items if isinstance(item, str | bytes | CompressedMessage)])
    websocket = websocket_of(client)
    undelivered = park(websocket.undelivered, messages)
    client = with_websocket(client, websocket.replace(undelivered=undelivered))
    return deliver_waiting(client, context)


def _answer_pings(client: Client, payloads: Sequence[bytes]) -> Client:
    """The client with pongs to be sent; while it is behind with reading, only its latest ping is
    answered (section 5.5.3).
    """
    if not payloads:
        return client
    websocket = websocket_of(client)
    if client.outgoing is NOTHING_OUTGOING:
        frames = [encode_frame(Opcode.PONG, payload) for payload in payloads]
        pongs = b"".join([websocket.pongs, *frames])
    else:
        pongs = encode_frame(Opcode.PONG, payloads[-1])
    return with_websocket(client, websocket.replace(pongs=pongs))


# -- delivering ------------------------------------------------------------------------------------


def deliver_waiting(client: Client, context: Context) -> Outcome:
    """Deliver messages that wait, if the program is free and the client takes what it is sent; if
    none wait, apply what comes behind them.
    """
    undelivered = websocket_of(client).undelivered
    if client.incoming.phase is Phase.DELIVERING:
        return client, []
    if undelivered is NOTHING_UNDELIVERED:
        return apply_end(client, context)
    return _deliver_batch(client, context) if may_deliver(client, context.limits) else (client, [])


def _is_waiting(client: Client) -> bool:
    """True if messages wait, and not for the program."""
    undelivered = websocket_of(client).undelivered
    return undelivered is not NOTHING_UNDELIVERED and client.incoming.phase is Phase.WEBSOCKET


def _deliver_batch(client: Client, context: Context) -> Step:
    """Deliver the first messages that wait."""
    messages, rest = take_batch(websocket_of(client).undelivered, context.limits)
    client = with_websocket(client, websocket_of(client).replace(undelivered=rest))
    return _in_phase(client, Phase.DELIVERING), [delivery(client.conn, messages)]


def _in_phase(client: Client, phase: Phase) -> Client:
    """The client in another phase."""
    return with_incoming(client, client.incoming.replace(phase=phase))


def on_delivered(client: Client, event: Delivered, context: Context) -> Outcome:
    """The program has returned from what was delivered: its replies are queued, and what waits is
    delivered.
    """
    if event.replies:
        client, _ = on_send_messages(client, SendMessages(event.conn, event.replies), context)
    websocket = client.websocket
    if websocket is None:
        return client, []
    if subscriber_of(client).close_state is CloseState.ENDED:
        return go_on_after_end(client) if event.error is None else notify_end(client)
    if client.incoming.phase is not Phase.DELIVERING:
        return client, []
    if waiting_for(client) in _LIVELY:
        client = client.replace(waiting_since=context.now)
    client = _in_phase(client, Phase.WEBSOCKET)
    if event.error is not None:
        websocket = websocket.replace(
            reader=READER_CLOSED, end=event.error, undelivered=NOTHING_UNDELIVERED
        )
        client = with_websocket(client, websocket)
    return deliver_waiting(client, context)


def websocket_half_closed(client: Client, event: HalfClosed, context: Context) -> Outcome:
    """The peer sends no more: what it has sent is delivered first."""
    websocket = websocket_of(client)
    client = with_incoming(client, client.incoming.replace(peer_half_closed=True))
    if websocket.end is None:
        client = with_websocket(client, websocket.replace(end=NO_CLOSE_FRAME))
    return deliver_waiting(client, context)


def websocket_writable(client: Client, context: Context) -> Outcome:
    """The kernel takes bytes again: send what was not taken, and deliver what has waited for that.

    Only now it is known how much of what was sent before was taken.
    """
    is_taking = buffered_len(client) < context.limits.max_outbox_len
    client, effects = resume_sending(client, context)
    if not is_taking or not _is_waiting(client):
        return client, effects
    client, more = _deliver_batch(client, context)
    return client, effects + more


def flush_websocket(client: Client, context: Context) -> Step:
    """Send what is queued, and deliver what has waited for that."""
    client, effects = flush_messages(client, context.broadcast.ring, context.limits)
    if not _is_waiting(client) or not may_deliver(client, context.limits):
        return client, effects
    client, more = _deliver_batch(client, context)
    return client, effects + more


# -- pings of ours ---------------------------------------------------------------------------------


def send_ping(client: Client, context: Context) -> Step:
    """Nothing has come for long: send a ping, which is to be answered in time (section 5.5.2)."""
    client = with_subscriber(client, enqueue_frame(subscriber_of(client), Opcode.PING, b""))
    return with_websocket(client, websocket_of(client).replace(awaits_pong=True)), []
