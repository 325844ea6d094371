"""What happens to a connection that has become a WebSocket (RFC 6455 sections 4 to 7).

Theory: bytes become messages and are handed to the program, which is one step behind: `Deliver`
parks the conversation until `Delivered`. What the program says meanwhile is queued, and leaves when
the turn is flushed. However the conversation ends, everything heard before the end is delivered
first, and the program is told of the end once.

Rules: pings are answered and close frames returned here; the program does not see them. After our
close frame nothing is delivered any more. A peer that breaks the protocol gets a close frame with
the code of its flaw, and the end. Functions take a client that has a `session`. They do not know
any other client.
"""

from ..broadcast.broadcast import Broadcast, commit_pending
from ..broadcast.encoding import Encoding
from ..close_reasons import CLOSE_INFO, CloseReason
from ..conn import Conn
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
    Ping,
    receive_data,
)
from .client import (
    NOTHING_OUTGOING,
    Client,
    Context,
    Disconnected,
    Outcome,
    Phase,
    Step,
    session_of,
    with_session,
)
from .deadlines import Waiting, waiting_for
from .output import write_and_shut
from .send_queue import dequeue, enqueue, enqueue_broadcast
from .session import NOTHING_UNDELIVERED, CloseState, Session, Undelivered, messages_len
from .websocket_send import queue_messages

_OPEN, _SAID, _OVER = CloseState.OPEN, CloseState.CLOSING, CloseState.CLOSED
_KEEP = Then.KEEP
_PLAIN = Encoding.PLAIN

NORMAL = 1000
NO_CLOSE_FRAME = malformed("the connection ended without a close frame", CloseReason.PEER_RESET)
"""The last word of a peer that did not say one."""


# -- the beginning ---------------------------------------------------------------------------------


# -- hearing ---------------------------------------------------------------------------------------


def receive_frames(client: Client, event: Received, context: Context) -> Outcome:
    """Bytes came, which is a sign of life whatever they are."""
    session = session_of(client)
    is_awaited = waiting_for(client) in (Waiting.PING, Waiting.PONG)
    client = client._replace(
        bytes_in=client.bytes_in + len(event.data),
        waiting_since=context.now if is_awaited else client.waiting_since,
    )
    if client.incoming.phase is Phase.DELIVERING:
        return with_session(
            client, session._replace(unread=session.unread + event.data, awaits_pong=False)
        ), []
    return _read_messages(
        with_session(client, session._replace(awaits_pong=False)), event.data, context
    )


def _delivering(client: Client, is_parked: bool) -> Client:
    """The client with its conversation parked, or not any more."""
    return client._replace(
        incoming=client.incoming._replace(phase=Phase.DELIVERING if is_parked else Phase.WEBSOCKET)
    )


def _read_messages(client: Client, data: bytes, context: Context) -> Outcome:
    """Make of these bytes what can be made of them."""
    session = session_of(client)
    reader, items, error = receive_data(session.reader, data, session.frame_rules)
    final = items[-1] if items else None
    last_word = final if isinstance(final, Close) else error
    session = session._replace(reader=reader, end=session.end if last_word is None else last_word)
    return _deliver_items(
        with_session(client, session), Undelivered(items, 0, messages_len(items)), context
    )


def _deliver_items(client: Client, undelivered: Undelivered, context: Context) -> Outcome:
    """Pings up to the first message are answered; the messages up to the next ping are for the
    program.

    So an answer has the place that what it answers had, however the bytes were cut.
    """
    session, items, start = session_of(client), undelivered.items, undelivered.start
    if session.close_state is not _OPEN:
        return _apply_end(client, context)
    while start < len(items) and not isinstance(items[start], str | bytes | CompressedMessage):
        item = items[start]
        session = (
            _queue_pong(session, item.payload, client.outgoing is NOTHING_OUTGOING)
            if isinstance(item, Ping)
            else session
        )
        start += 1
    if start == len(items):
        return _apply_end(with_session(client, session), context)
    end = next(
        (index for index in range(start, len(items)) if isinstance(items[index], Ping)), len(items)
    )
    given = tuple(
        [item for item in items[start:end] if isinstance(item, str | bytes | CompressedMessage)]
    )
    plain = tuple([item for item in given if not isinstance(item, CompressedMessage)])
    undelivered = (
        Undelivered(items, end, undelivered.length - messages_len(given))
        if end < len(items)
        else NOTHING_UNDELIVERED
    )
    client = with_session(client, session._replace(undelivered=undelivered))
    order = (
        Deliver(client.conn, plain)
        if len(plain) == len(given)
        else DeliverCompressed(client.conn, given)
    )
    return _delivering(client, True), [order]


def _queue_pong(session: Session, payload: bytes, keeps_up: bool) -> Session:
    """A pong that is due; if the client is behind, only the latest ping is answered (section
    5.5.3).
    """
    if not keeps_up:
        return session._replace(pong_payload=payload)
    return session._replace(
        queue=enqueue(session.queue, Opcode.PONG, payload),
        queued_len=session.queued_len + frame_len(len(payload)),
    )


def delivered(client: Client, event: Delivered, context: Context) -> Outcome:
    """The program has looked at what it was given: what came behind that counts now."""
    if event.replies:
        client, _ = queue_messages(client, SendMessages(event.conn, event.replies), context)
    session = client.session
    if session is None or client.incoming.phase is not Phase.DELIVERING:
        return client, []
    client = _delivering(client, False)
    if event.error is not None:
        session = session._replace(
            reader=READER_CLOSED, end=event.error, unread=b"", undelivered=NOTHING_UNDELIVERED
        )
    if session.undelivered is not NOTHING_UNDELIVERED:
        return _deliver_items(
            with_session(client, session._replace(undelivered=NOTHING_UNDELIVERED)),
            session.undelivered,
            context,
        )
    data, session = session.unread, session._replace(unread=b"")
    return (
        _read_messages(with_session(client, session), data, context)
        if data
        else _apply_end(with_session(client, session), context)
    )


# -- the end ---------------------------------------------------------------------------------------


def _apply_end(client: Client, context: Context) -> Outcome:
    """Nothing stands before the last word any more, if there is one."""
    word = session_of(client).end
    if word is None:
        return client, []
    if isinstance(word, Close):
        return _echo_close(client, word, context)
    return fail(client, word.reason, context, word.message)


def _echo_close(client: Client, word: Close, context: Context) -> Step:
    """The peer has said its close: ours is the answer to it, or it is the answer to ours (section
    5.5.1).
    """
    session = session_of(client)
    if session.close_state is _SAID:
        return _close_connection(client, b"", session.reason, session.code, context)
    frame = encode_frame(Opcode.CLOSE, encode_close(word.code))
    return _close_connection(client, frame, CloseReason.WS_PEER_CLOSED, word.code, context)


def fail(client: Client, reason: CloseReason, context: Context, message: str = "") -> Outcome:
    """The connection cannot go on: the peer is told why, if it can still be told (section 7.1.7)."""
    session, info = session_of(client), CLOSE_INFO[reason]
    if session.close_state is _SAID:
        reason, code, frame = session.reason, session.code, b""
    elif not is_close_code(info.code):
        if not session.queue and not client.outgoing.outbox and not context.has_unflushed_broadcast:
            return Disconnected(client, reason), []
        code, frame = info.code, b""
    else:
        code = info.code
        frame = encode_frame(Opcode.CLOSE, encode_close(code, message or info.sentence))
    client, effects = _close_connection(client, frame, reason, code, context)
    text = f"{client.peer} closed with {code}, {reason.name}: {message or info.sentence}"
    return client, [Log(SERVER_LOG, LogLevel.INFO, text), *effects]


def _close_connection(
    client: Client, frame: bytes, reason: CloseReason, code: int, context: Context
) -> Step:
    """Say what is left to say, as far as there is room, then the close frame; shut our side, and
    tell the program.
    """
    broadcast, session = context.broadcast, session_of(client)._replace(pong_payload=None)
    if session.close_state is _OPEN:
        session = enqueue_broadcast(session, broadcast)
    dequeued = dequeue(session, commit_pending(broadcast).ring, context.limits.max_outbox_len)
    last = (*dequeued.segments, frame) if frame else dequeued.segments
    session = session._replace(
        reader=BETWEEN_MESSAGES,
        unread=b"",
        undelivered=NOTHING_UNDELIVERED,
        queue=(),
        queued_len=0,
        pong_payload=None,
        cursor=None,
        close_state=_OVER,
        reason=reason,
        code=code,
    )
    client, effects = write_and_shut(with_session(client, session), last, reason)
    return client, [*effects, CallWsClose(client.conn, reason, code)]


def close_notice(conn: Conn, session: Session | None, reason: CloseReason) -> list[Effect]:
    """What the program is told when a connection ends for this reason, unless it has been told."""
    if (
        session is None
        or session.close_state is _OVER
        or session.subscription.encoding is Encoding.SSE
    ):
        return []
    return [
        CallWsClose(
            conn,
            *(session.reason, session.code)
            if session.close_state is _SAID
            else (reason, CLOSE_INFO[reason].code),
        )
    ]


def closing_frames(client: Client, reason: CloseReason, context: Context) -> list[Effect]:
    """What was said to a peer that is dropped at once, and a close frame, as far as it takes them."""
    session, broadcast = session_of(client), context.broadcast
    if session.close_state is not _OPEN or client.outgoing.outbox:
        return []
    dequeued = dequeue(
        enqueue_broadcast(session, broadcast),
        commit_pending(broadcast).ring,
        context.limits.max_outbox_len,
    )
    if session.subscription.encoding is Encoding.SSE:
        return [Send(client.conn, dequeued.segments, Then.DROP)] if dequeued.segments else []
    close = encode_frame(
        Opcode.CLOSE, encode_close(CLOSE_INFO[reason].code, CLOSE_INFO[reason].sentence)
    )
    return [Send(client.conn, (*dequeued.segments, close), Then.DROP)]


def start_closing_handshake(
    client: Client, reason: CloseReason, code: int, text: str, broadcast: Broadcast
) -> Step:
    """The program, or the server, wants the end: our close frame goes behind what is queued; theirs
    is waited for.
    """
    session = session_of(client)
    if session.close_state is not _OPEN:
        return client, []
    code = next(filter(is_close_code, (code, CLOSE_INFO[reason].code, NORMAL)))
    session = enqueue_broadcast(session, broadcast)
    queue = enqueue(session.queue, Opcode.CLOSE, encode_close(code, text))
    return with_session(
        client, session._replace(queue=queue, close_state=_SAID, reason=reason, code=code)
    ), []


def websocket_half_closed(client: Client, event: HalfClosed, context: Context) -> Outcome:
    """The peer sends no more: what it has said is delivered first."""
    session = session_of(client)
    client = client._replace(incoming=client.incoming._replace(peer_half_closed=True))
    client = with_session(
        client, session._replace(end=NO_CLOSE_FRAME if session.end is None else session.end)
    )
    return (
        (client, []) if client.incoming.phase is Phase.DELIVERING else _apply_end(client, context)
    )


def send_ping(client: Client, context: Context) -> Outcome:
    """Nothing was heard for long: a ping is to be answered in time (section 5.5.2)."""
    session = session_of(client)
    return with_session(
        client, session._replace(queue=enqueue(session.queue, Opcode.PING, b""), awaits_pong=True)
    ), []


def pong_timed_out(client: Client, context: Context) -> Outcome:
    """No sign of life came."""
    return fail(client, CloseReason.WS_PONG_TIMEOUT, context)


def close_timed_out(client: Client, context: Context) -> Outcome:
    """Our close frame was not answered."""
    return Disconnected(client, session_of(client).reason), []
