"""A WebSocket in the role of a client, from the 101 to its end (RFC 6455 sections 5 to 7).

Theory: a WebSocket is a value. What happens to it (bytes that came, what the program sends, time
that passes, the end of the connection) makes the next value, and outputs: what was received, what
is to be sent, and the end. It is the server's side with the roles exchanged: the same frames are
read by the same code, unmasked here, and masked where they are written.

Rules: a ping is answered when it comes, also between the fragments of a message and while the
program takes nothing. What the program sends leaves with `flush`; a close frame goes behind it, and
nothing goes behind that. A close frame of the server, or a violation, counts when the program was
given what came before it (`apply_end`); a violation is answered with a close frame that has its
code (section 7.1.7). After our close frame no message is received any more. The end is told once,
by `Ended`; then the connection is left to the server to end, as section 7.1.1 asks a client to,
until `close_timeout`. A compressed message comes out compressed, so that what waits for the program
is no larger than it came; `open_message` decompresses it, bounded.

It does not know sockets, addresses or the handshake; that the connection has not taken all that it
was given, and that it has, it is told (`blocked`, `drained`).
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import Final, TypeAlias, final

from ..close_reasons import CLOSE_INFO, CloseReason
from ..parse_result import Malformed, malformed
from ..rope import Rope
from ..send_status import SendStatus
from ..value import Value
from ..websocket.fragments import CompressedMessage, Message, decompress
from ..websocket.frames import FrameRules, Opcode, encode_close, is_close_code
from ..websocket.messages import (
    BETWEEN_MESSAGES,
    READER_CLOSED,
    Close,
    MessageReader,
    Ping,
    Pong,
    receive_data,
)
from .websocket_limits import WebSocketLimits, frame_rules
from .websocket_outgoing import (
    DROPPED,
    Outgoing,
    answer_pings,
    enqueue_control,
    enqueue_messages,
    make_outgoing,
    may_send,
    take_queue,
    unsent_len,
    with_blocked,
)


class ReadyState(IntEnum):
    """How far a WebSocket is, with the names and numbers of the WHATWG's interface."""

    CONNECTING = 0
    OPEN = 1
    CLOSING = 2
    """Our close frame is sent, or queued; the server's is awaited."""
    CLOSED = 3
    """Both close frames were sent, or one side has failed."""


OPEN: Final = ReadyState.OPEN
CLOSING: Final = ReadyState.CLOSING
CLOSED: Final = ReadyState.CLOSED
"""The members themselves, for the path of every message."""

ABNORMAL_CLOSURE: Final = 1006
"""The code of an end without a close frame of the server (RFC 6455 section 7.1.5)."""

NO_CLOSE_FRAME: Final = malformed(
    "the connection ended without a close frame", CloseReason.PEER_RESET
)
NO_PONG: Final = malformed("a ping was not answered in time", CloseReason.WS_PONG_TIMEOUT)
NO_CLOSE_IN_TIME: Final = malformed(
    "the close frame was not answered in time", CloseReason.PEER_RESET
)


# -- outputs ---------------------------------------------------------------------------------------


@final
class Transmit(Value):
    """Give the connection these bytes, which end where a frame ends."""

    __match_args__ = ("segments",)
    __slots__ = __match_args__

    def __init__(self, segments: Rope) -> None:
        self.segments: Final = segments


@final
class Ended(Value):
    """The WebSocket is over, with this code and reason; `error` is why, None if it was closed with
    close frames.

    The code is that of the server's close frame, 1005 if it has none; that of our own for a
    violation; 1006 if the connection was lost.
    """

    __match_args__ = ("code", "reason", "error")
    __slots__ = __match_args__

    def __init__(self, code: int, reason: str, error: Malformed | None) -> None:
        self.code: Final = code
        self.reason: Final = reason
        self.error: Final = error


@final
class Disconnect(Value):
    """Close the connection. If `is_abort`, do not wait for what was sent to be taken."""

    __match_args__ = ("is_abort",)
    __slots__ = __match_args__

    def __init__(self, is_abort: bool) -> None:
        self.is_abort: Final = is_abort


Output: TypeAlias = Message | CompressedMessage | Pong | Transmit | Ended | Disconnect
"""What a WebSocket has for its program or for its connection."""


# -- the record ------------------------------------------------------------------------------------


@final
class ClientWebSocket(Value):
    """A WebSocket of a client.

    `since` is when something was last received, or, unless it is open, when it began to close;
    `pinged_at` is when it was pinged if nothing was received since. `end` is the close frame or
    the violation that was received, until `apply_end`.
    """

    __match_args__ = (
        "state", "reader", "outgoing", "since", "pinged_at", "rules", "limits", "end",
    )  # fmt: skip
    __slots__ = __match_args__

    def __init__(
        self,
        state: ReadyState,
        reader: MessageReader,
        outgoing: Outgoing,
        since: float,
        pinged_at: float | None,
        rules: FrameRules,
        limits: WebSocketLimits,
        end: Close | Malformed | None = None,
    ) -> None:
        self.state: Final = state
        self.reader: Final = reader
        self.outgoing: Final = outgoing
        self.since: Final = since
        self.pinged_at: Final = pinged_at
        self.rules: Final = rules
        self.limits: Final = limits
        self.end: Final = end


def make_client_websocket(
    seed: bytes, window_bits: int | None, limits: WebSocketLimits, now: float
) -> ClientWebSocket:
    """A WebSocket that was just opened, with a seed of 32 bytes for its masks; `window_bits` is
    that of `AcceptedUpgrade`.
    """
    rules = frame_rules(limits, window_bits is not None)
    outgoing = make_outgoing(seed, window_bits)
    return ClientWebSocket(OPEN, BETWEEN_MESSAGES, outgoing, now, None, rules, limits)


def with_outgoing(websocket: ClientWebSocket, outgoing: Outgoing) -> ClientWebSocket:
    """The WebSocket with something else to be sent."""
    return ClientWebSocket(
        websocket.state, websocket.reader, outgoing, websocket.since, websocket.pinged_at,
        websocket.rules, websocket.limits, websocket.end,
    )  # fmt: skip


def _with_pinged_at(websocket: ClientWebSocket, now: float) -> ClientWebSocket:
    """The WebSocket, which was pinged."""
    return ClientWebSocket(
        websocket.state, websocket.reader, websocket.outgoing, websocket.since, now,
        websocket.rules, websocket.limits, websocket.end,
    )  # fmt: skip


def _after_read(
    websocket: ClientWebSocket,
    reader: MessageReader,
    outgoing: Outgoing,
    end: Close | Malformed | None,
    now: float,
) -> ClientWebSocket:
    """The WebSocket after a read, whatever came: that is an answer to any ping."""
    return ClientWebSocket(
        websocket.state, reader, outgoing, now if websocket.state is OPEN else websocket.since,
        None, websocket.rules, websocket.limits, end,
    )  # fmt: skip


def _closing(
    websocket: ClientWebSocket, state: ReadyState, outgoing: Outgoing, now: float
) -> ClientWebSocket:
    """The WebSocket when its end begins, or has come."""
    reader = READER_CLOSED if state is CLOSED else websocket.reader
    return ClientWebSocket(state, reader, outgoing, now, None, websocket.rules, websocket.limits)


# -- receiving -------------------------------------------------------------------------------------

Step: TypeAlias = tuple[ClientWebSocket, tuple[Output, ...]]
"""The WebSocket after something has happened, and what comes of it, in order."""


def receive(websocket: ClientWebSocket, data: bytes, now: float) -> Step:
    """The WebSocket after these bytes of the server, and what was received with them.

    A close frame or a violation among them counts with `apply_end`, when the program was given what
    came before it, and has answered; what is behind it is not read.
    """
    if websocket.reader.is_over:
        return websocket, ()
    reader, items, error = receive_data(websocket.reader, data, websocket.rules)
    is_open, outputs = websocket.state is OPEN, list[Output]()
    end: Close | Malformed | None = error
    pings = list[bytes]()
    for item in items:
        if isinstance(item, (str, bytes, CompressedMessage)):
            if is_open:
                outputs.append(item)
        elif isinstance(item, Ping):
            pings.append(item.payload)
        elif isinstance(item, Pong):
            outputs.append(item)
        elif isinstance(item, Close):  # no pieces are asked for
            end = item
    if not (pings and is_open):
        return _after_read(websocket, reader, websocket.outgoing, end, now), tuple(outputs)
    outgoing = answer_pings(websocket.outgoing, pings)
    after, sent = flush(_after_read(websocket, reader, outgoing, end, now))
    return after, (*outputs, *sent)


def apply_end(websocket: ClientWebSocket, now: float) -> Step:
    """What the close frame or the violation that was received leads to, if there is one."""
    end = websocket.end
    if end is None:
        return websocket, ()
    if isinstance(end, Malformed):
        return fail(websocket, end, now)
    # the answer to a close frame, unless that is the answer to ours (RFC 6455 section 5.5.1)
    outgoing = websocket.outgoing
    if websocket.state is OPEN:
        outgoing = enqueue_control(outgoing, Opcode.CLOSE, encode_close(end.code))
    after, outputs = flush(_closing(websocket, CLOSED, outgoing, now))
    return after, (*outputs, Ended(end.code, end.reason, None))


def open_message(websocket: ClientWebSocket, compressed: CompressedMessage) -> Message | Malformed:
    """The message that was compressed; what is wrong with it is for `fail`."""
    return decompress(compressed, websocket.limits.max_message_len)


def fail(websocket: ClientWebSocket, error: Malformed, now: float) -> Step:
    """Fail the connection (RFC 6455 section 7.1.7): the server is sent a close frame with the code
    of this error, unless it was sent one.
    """
    if websocket.state is CLOSED:
        return websocket, ()
    outgoing, code = websocket.outgoing, CLOSE_INFO[error.reason].code
    if websocket.state is OPEN and is_close_code(code):
        outgoing = enqueue_control(outgoing, Opcode.CLOSE, encode_close(code, error.message))
    after, outputs = flush(_closing(websocket, CLOSED, outgoing, now))
    return after, (*outputs, Ended(code, error.message, error))


# -- sending ---------------------------------------------------------------------------------------


def send_messages(
    websocket: ClientWebSocket, messages: Sequence[Message]
) -> tuple[ClientWebSocket, tuple[SendStatus, ...]]:
    """The WebSocket with these messages in its queue, and what became of each: all of them are
    `DROPPED` unless it is open.
    """
    if websocket.state is not OPEN:
        return websocket, (DROPPED,) * len(messages)
    outgoing, statuses = enqueue_messages(
        websocket.outgoing, messages, websocket.limits.max_queue_len
    )
    return with_outgoing(websocket, outgoing), statuses


def ping(websocket: ClientWebSocket, payload: bytes) -> ClientWebSocket:
    """The WebSocket with a ping in its queue, unless it is closing; ValueError above 125 bytes."""
    if len(payload) > 125:
        raise ValueError(f"a ping has at most 125 bytes, not {len(payload)}")
    if websocket.state is not OPEN:
        return websocket
    return with_outgoing(websocket, enqueue_control(websocket.outgoing, Opcode.PING, payload))


def close(websocket: ClientWebSocket, code: int, reason: str, now: float) -> Step:
    """Start the closing handshake (RFC 6455 section 7.1.2), behind what is queued.

    ValueError for a code that may not be sent; 1005 sends none.
    """
    payload = encode_close(code, reason)
    if websocket.state is not OPEN:
        return websocket, ()
    outgoing = enqueue_control(websocket.outgoing, Opcode.CLOSE, payload)
    return flush(_closing(websocket, CLOSING, outgoing, now))


def flush(websocket: ClientWebSocket) -> Step:
    """Give the connection what waits, unless it is blocked; if that is very much, a part of it, and
    `on_time` is due at once for the rest.
    """
    outgoing, segments = take_queue(websocket.outgoing)
    if not segments:
        return websocket, ()
    return with_outgoing(websocket, outgoing), (Transmit(segments),)


def blocked(websocket: ClientWebSocket) -> ClientWebSocket:
    """The connection has not taken all that it was given last; it sends the rest when it can."""
    return with_outgoing(websocket, with_blocked(websocket.outgoing, True))


def drained(websocket: ClientWebSocket) -> Step:
    """The connection has taken all that it was given: it is given what waits."""
    return flush(with_outgoing(websocket, with_blocked(websocket.outgoing, False)))


# -- time, and the end of the connection -----------------------------------------------------------


def next_deadline(websocket: ClientWebSocket) -> float:
    """When `on_time` has something to do unless something happens before."""
    since, limits = websocket.since, websocket.limits
    if may_send(websocket.outgoing):
        return since
    if websocket.state is not OPEN:
        return since + limits.close_timeout
    if websocket.pinged_at is not None:
        return websocket.pinged_at + limits.pong_timeout
    return since + limits.ping_interval


def on_time(websocket: ClientWebSocket, now: float) -> Step:
    """What is due at this time, when everything that came before was received: the rest of what is
    to be sent; a ping; or the end of who has not answered one, or our close frame.
    """
    if may_send(websocket.outgoing):
        return flush(websocket)
    if now < next_deadline(websocket):
        return websocket, ()
    if websocket.state is CLOSED:
        return websocket, (Disconnect(True),)
    if websocket.state is CLOSING:
        return _lose(websocket, NO_CLOSE_IN_TIME, now)
    if websocket.pinged_at is not None:
        return _lose(websocket, NO_PONG, now)
    return flush(_with_pinged_at(ping(websocket, b""), now))


def _lose(websocket: ClientWebSocket, error: Malformed, now: float) -> Step:
    """Give up a connection whose other side does not answer; it is sent a close frame all the same
    if it can have one.
    """
    after, outputs = connection_lost(websocket, error, now)
    code = CLOSE_INFO[error.reason].code
    if websocket.state is OPEN and is_close_code(code):
        closing = enqueue_control(
            websocket.outgoing, Opcode.CLOSE, encode_close(code, error.message)
        )
        after, sent = flush(with_outgoing(after, closing))
        outputs = (*sent, *outputs)
    return after, (*outputs, Disconnect(True))


def half_closed(websocket: ClientWebSocket, now: float) -> Step:
    """The server sends no more, so the connection is closed, with or without a close frame."""
    after, outputs = connection_lost(websocket, NO_CLOSE_FRAME, now)
    return after, (*outputs, Disconnect(False))


def connection_lost(websocket: ClientWebSocket, error: Malformed, now: float) -> Step:
    """The connection is gone, for this reason, which is told unless the WebSocket was over."""
    if websocket.state is CLOSED:
        return websocket, ()
    after = _closing(websocket, CLOSED, websocket.outgoing, now)
    return after, (Ended(ABNORMAL_CLOSURE, "", error),)


def resumed(websocket: ClientWebSocket, now: float) -> ClientWebSocket:
    """The WebSocket when it is read again: nothing that may have come meanwhile was late."""
    if websocket.state is not OPEN:
        return websocket
    return _after_read(websocket, websocket.reader, websocket.outgoing, websocket.end, now)


# -- what is known of it ---------------------------------------------------------------------------


def lacking_len(websocket: ClientWebSocket) -> int:
    """Bytes that are still to come of the payload of the frame that is being read; 0 if none is."""
    frame = websocket.reader.frame
    return 0 if frame is None else frame.remaining


def buffered_amount(websocket: ClientWebSocket) -> int:
    """Bytes of frames that were sent and that the connection has not taken, at most."""
    return unsent_len(websocket.outgoing)
