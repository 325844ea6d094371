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

from ..control import CallWsPong
from ..effects import CallWsDrain, Effect, Send
from ..events import Delivered, HalfClosed, Received, SendMessages
from ..parse_result import Malformed
from ..websocket.fragments import AnyMessage
from ..websocket.frames import Opcode, encode_frame
from ..websocket.messages import (
    READER_CLOSED,
    Close,
    Item,
    MessageReader,
    Ping,
    Pong,
    receive_data,
)
from .client import (
    DELIVERING,
    IDLE_WEBSOCKET,
    Client,
    Incoming,
    Phase,
    after_frames,
    after_sending,
    with_incoming,
    with_outgoing,
    with_subscriber,
    with_websocket,
)
from .client_status import buffered_len, may_deliver, subscriber_of, websocket_of
from .context import Context, Outcome, Step
from .control import control_of
from .outgoing import NOTHING_OUTGOING, asked_of, is_held, is_lagging, with_control
from .output import KEEP
from .send_queue import enqueue_frame
from .subscriber import OPEN, CloseState
from .websocket_end import NO_CLOSE_FRAME, apply_end, delivery, go_on_after_end, notify_end
from .websocket_send import flush_messages, on_send_messages, reply, resume_sending
from .websocket_state import (
    NOTHING_UNDELIVERED,
    TOO_MANY_CONTROLS,
    WebSocket,
    after_read,
    count_controls,
    next_batch,
    park,
    take_batch,
    unread_len,
    with_pongs,
    with_undelivered,
)

AT_REST: Final = Phase.WEBSOCKET
AT_WORK: Final = Phase.DELIVERING
PONG: Final = Opcode.PONG
"""The members themselves, for the paths of every message: finding one on its class takes ten times
as long.
"""


# -- receiving -------------------------------------------------------------------------------------


def receive_frames(client: Client, event: Received, context: Context) -> Outcome:
    """Bytes came, which shows that the peer is there, whatever they are."""
    data = event.data
    waiting_since = context.now if _is_lively(client) else client.waiting_since
    return take_data(client, data, client.bytes_in + len(data), waiting_since, context)


def _is_lively(client: Client) -> bool:
    """True for an open WebSocket that takes what it is sent: then it waits for something that comes
    in, or for the program.
    """
    outgoing = client.outgoing
    if client.incoming.peer_half_closed or subscriber_of(client).close_state is not OPEN:
        return False
    return outgoing is NOTHING_OUTGOING or not (outgoing.outbox or outgoing.is_full)


def take_data(
    client: Client, data: bytes, bytes_in: int, waiting_since: float, context: Context
) -> Outcome:
    """Read messages and control frames from these bytes, with which `bytes_in` have come: answer
    the pings, and deliver the messages or let them wait.
    """
    before, subscriber, incoming = websocket_of(client), client.subscriber, client.incoming
    effects: list[Effect] = []
    pongs: list[Effect] = []
    if before.reader.is_over:  # behind a close frame or a violation nothing counts
        incoming = incoming.replace(discarded=incoming.discarded + len(data))
        return after_frames(client, incoming, bytes_in, waiting_since, before), effects
    reader, items, error = receive_data(before.reader, data, before.frame_rules)
    messages: tuple[AnyMessage, ...] = tuple(
        [item for item in items if isinstance(item, (str, bytes))]
    )
    websocket = before
    if error is not None or len(messages) != len(items):
        websocket, messages, pongs = _take_others(client, reader, items, error, context)
        if websocket.end is not None:
            client = _without_hold(client)
    elif reader is not before.reader or before.awaits_pong:
        websocket = after_read(
            before, reader, before.end, before.pongs, before.controls_since, before.controls
        )
    is_open = subscriber is not None and subscriber.close_state is OPEN
    # after our close frame only the peer's is awaited
    if is_open and (messages or before.undelivered is not NOTHING_UNDELIVERED):
        length = len(data) + unread_len(before)
        if incoming.phase is AT_REST and may_deliver(client, context.limits):
            batch, rest = next_batch(before.undelivered, messages, length, context.limits)
            incoming, effects = _at_work(incoming), [delivery(client.conn, batch)]
        else:
            rest = park(before.undelivered, messages)
        if rest is not before.undelivered:
            websocket = with_undelivered(websocket, rest)
    after = after_frames(client, incoming, bytes_in, waiting_since, websocket)
    is_over = websocket.end is not None and not effects
    if is_over and not is_open:
        return apply_end(after, context)
    outcome, effects = deliver_waiting(after, context) if is_over else (after, effects)
    return outcome, pongs + effects if pongs else effects


def _take_others(
    client: Client,
    reader: MessageReader,
    items: tuple[Item, ...],
    error: Malformed | None,
    context: Context,
) -> tuple[WebSocket, tuple[AnyMessage, ...], list[Effect]]:
    """The WebSocket after a read in which are control frames, compressed messages or something that
    ends the connection, the messages in it, and the effects of pongs.
    """
    websocket = websocket_of(client)
    end = websocket.end if error is None else error
    if items and isinstance(items[-1], Close):
        end = items[-1]
    since, count, counted = count_controls(websocket, items, context.now, context.limits)
    if len(counted) < len(items):
        reader, end = READER_CLOSED, TOO_MANY_CONTROLS
    pings = [item.payload for item in counted if isinstance(item, Ping)]
    pongs, is_open = websocket.pongs, subscriber_of(client).close_state is OPEN
    if pings and is_open:
        pongs = _answer_pings(client, pings)
    messages: tuple[AnyMessage, ...] = tuple(
        [item for item in counted if not isinstance(item, (Ping, Pong, Close))]
    )
    calls: list[Effect] = [
        CallWsPong(client.conn, item.payload)
        for item in counted
        if isinstance(item, Pong) and item.payload and is_open
    ]
    return after_read(websocket, reader, end, pongs, since, count), messages, calls


def _answer_pings(client: Client, payloads: Sequence[bytes]) -> bytes:
    """The pongs that are due to a client with those that answer these pings; while it is behind
    with reading, only its latest ping is answered (section 5.5.3).
    """
    if client.outgoing is not NOTHING_OUTGOING and is_lagging(client.outgoing):
        return encode_frame(PONG, payloads[-1])
    pongs = [encode_frame(PONG, payload) for payload in payloads]
    return b"".join([websocket_of(client).pongs, *pongs])


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
    if undelivered is NOTHING_UNDELIVERED or is_held(client.outgoing):
        return False
    return client.incoming.phase is Phase.WEBSOCKET


def _deliver_batch(client: Client, context: Context) -> Step:
    """Deliver the first messages that wait."""
    websocket = websocket_of(client)
    messages, rest = take_batch(websocket.undelivered, context.limits)
    client = with_websocket(client, with_undelivered(websocket, rest))
    return with_incoming(client, _at_work(client.incoming)), [delivery(client.conn, messages)]


def _at_work(incoming: Incoming) -> Incoming:
    """What has come when messages were delivered, and the program is at work on them."""
    if incoming is IDLE_WEBSOCKET:
        return DELIVERING
    return incoming.replace(phase=Phase.DELIVERING)


def _at_rest(incoming: Incoming) -> Incoming:
    """What has come when the program has returned from what was delivered."""
    if incoming is DELIVERING:
        return IDLE_WEBSOCKET
    return incoming.replace(phase=Phase.WEBSOCKET)


def on_delivered(client: Client, event: Delivered, context: Context) -> Outcome:
    """The program has returned from what was delivered: its replies are sent, and what waits is
    delivered.
    """
    subscriber, websocket = client.subscriber, client.websocket
    if (
        subscriber is None
        or websocket is None
        or client.incoming.phase is not AT_WORK
        or subscriber.close_state is CloseState.ENDED
    ):
        return _delivered_at_end(client, event, context)
    effects: list[Effect] = []
    sent_len, is_last = 0, websocket.undelivered is NOTHING_UNDELIVERED and websocket.end is None
    if event.replies:
        subscriber, segments = reply(client, event.replies, is_last, context)
        if segments and websocket.pongs:
            segments = (websocket.pongs, *segments)
            websocket = with_pongs(websocket, b"")
        if segments:
            sent_len = sum(map(len, segments))
            effects.append(Send(client.conn, segments, KEEP))
    if event.error is not None:
        websocket = websocket.replace(
            reader=READER_CLOSED, end=event.error, undelivered=NOTHING_UNDELIVERED
        )
    incoming = _at_rest(client.incoming)
    waiting_since = context.now if _is_lively(client) else client.waiting_since
    after = after_sending(
        client, incoming, client.outgoing, waiting_since, sent_len, subscriber, websocket
    )
    if is_last and event.error is None:
        return after, effects
    outcome, more = deliver_waiting(after, context)
    return outcome, effects + more


def _delivered_at_end(client: Client, event: Delivered, context: Context) -> Outcome:
    """The program has returned, but from no messages of an open WebSocket."""
    if event.replies:
        client, _ = on_send_messages(client, SendMessages(event.conn, event.replies), context)
    if client.websocket is None:
        return client, []
    if subscriber_of(client).close_state is CloseState.ENDED:
        return go_on_after_end(client) if event.error is None else notify_end(client)
    return client, []


def websocket_half_closed(client: Client, event: HalfClosed, context: Context) -> Outcome:
    """The peer sends no more: what it has sent is delivered first."""
    websocket = websocket_of(client)
    client = with_incoming(client, client.incoming.replace(peer_half_closed=True))
    if websocket.end is None:
        client = with_websocket(client, websocket.replace(end=NO_CLOSE_FRAME))
    return deliver_waiting(_without_hold(client), context)


def _without_hold(client: Client) -> Client:
    """The client of which nothing more comes: what was held is given to the program."""
    if not is_held(client.outgoing):
        return client
    control = control_of(asked_of(client.outgoing).replace(is_held=False))
    return with_outgoing(client, with_control(client.outgoing, control))


def websocket_writable(client: Client, context: Context) -> Outcome:
    """The kernel takes bytes again: send what was not taken, and deliver what has waited for that.

    Only now it is known how much of what was sent before was taken.
    """
    was_behind = client.outgoing.outbox or client.outgoing.is_full
    is_taking = buffered_len(client) < context.limits.max_outbox_len
    client, effects = resume_sending(client, context)
    is_open = subscriber_of(client).close_state is OPEN
    if was_behind and is_open and not client.outgoing.is_full:
        client = _with_awaits_drain(client, True)
    if not is_taking or not _is_waiting(client):
        return client, effects
    client, more = _deliver_batch(client, context)
    return client, effects + more


def _with_awaits_drain(client: Client, awaits_drain: bool) -> Client:
    """The client, of which the program is to be told when it has taken all, or not."""
    return with_websocket(client, websocket_of(client).replace(awaits_drain=awaits_drain))


def flush_websocket(client: Client, context: Context) -> Step:
    """Send what is queued, deliver what has waited for that, and tell the program if a client that
    was behind has taken all that it was sent until now.
    """
    is_behind = client.outgoing.outbox or client.outgoing.is_full
    client, effects = flush_messages(client, context.broadcast, context.limits)
    if websocket_of(client).awaits_drain and not is_behind:
        client = _with_awaits_drain(client, False)
        if subscriber_of(client).close_state is OPEN:
            effects.append(CallWsDrain(client.conn))
    if not _is_waiting(client) or not may_deliver(client, context.limits):
        return client, effects
    client, more = _deliver_batch(client, context)
    return client, effects + more


# -- pings of ours ---------------------------------------------------------------------------------


def send_ping(client: Client, context: Context) -> Step:
    """Nothing has come for long: send a ping, which is to be answered in time (section 5.5.2)."""
    client = with_subscriber(client, enqueue_frame(subscriber_of(client), Opcode.PING, b""))
    return with_websocket(client, websocket_of(client).replace(awaits_pong=True)), []
