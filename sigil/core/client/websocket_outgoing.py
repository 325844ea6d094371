"""What a client has sent over a WebSocket and its connection has not taken yet.

Theory: a frame is masked, and compressed where that was agreed on, when it is sent, and then waits
as bytes in a queue until the next flush. A flush gives the connection a part of it, which the
connection finishes whatever the kernel takes; while the kernel has not taken that part, the
connection is blocked, and the rest waits here.

Rules: a pong goes before whatever waits, and behind what was given to the connection, which is
`TRANSMIT_MAX` or one frame: so it is never inside a frame, and no backlog keeps it waiting; while
the connection is blocked, only the latest ping is answered (RFC 6455 section 5.5.3). What waits is
bounded in bytes (`max_queue_len`), and what does not fit is dropped whole. It does not know what is
received, nor when a WebSocket ends.
"""

from collections.abc import Sequence
from typing import Final, final

from ..rope import Rope, rope_append, rope_len
from ..send_status import SendStatus
from ..value import Value
from ..websocket.compression import deflate
from ..websocket.fragments import Message
from ..websocket.frames import RSV1, Opcode, encode_masked
from .websocket_masks import MaskKeys, make_mask_keys, next_key

TEXT: Final = Opcode.TEXT
BINARY: Final = Opcode.BINARY
SUCCESS: Final = SendStatus.SUCCESS
BACKPRESSURE: Final = SendStatus.BACKPRESSURE
DROPPED: Final = SendStatus.DROPPED
"""The members themselves, for the path of every message."""

COMPRESS_MIN: Final = 200
"""Bytes of a message that is compressed, at least; shorter ones hardly become shorter."""

TRANSMIT_MAX: Final = 262_144
"""Bytes that are given to the connection at once, unless a single frame has more."""

WINDOW_BITS_MIN: Final = 9
"""The smallest window that zlib has: what may refer back only 2**8 bytes is sent as it is."""

_RSV1_OF_THREE: Final = RSV1 >> 4


@final
class Outgoing(Value):
    """What is to be sent: `pong`, then `queue`, of `queued_len` bytes, each piece of it whole
    frames.

    `is_blocked` is true while the connection has not taken the `sent_len` bytes that it was given
    last; `window_bits` is None where nothing is compressed.
    """

    __match_args__ = (
        "keys", "window_bits", "queue", "queued_len", "pong", "is_blocked", "sent_len",
    )  # fmt: skip
    __slots__ = __match_args__

    def __init__(
        self,
        keys: MaskKeys,
        window_bits: int | None,
        queue: Rope,
        queued_len: int,
        pong: bytes,
        is_blocked: bool,
        sent_len: int,
    ) -> None:
        self.keys: Final = keys
        self.window_bits: Final = window_bits
        self.queue: Final = queue
        self.queued_len: Final = queued_len
        self.pong: Final = pong
        self.is_blocked: Final = is_blocked
        self.sent_len: Final = sent_len


def make_outgoing(seed: bytes, window_bits: int | None) -> Outgoing:
    """Nothing sent yet, over a connection with this seed and this window."""
    if window_bits is not None and window_bits < WINDOW_BITS_MIN:
        window_bits = None
    return Outgoing(make_mask_keys(seed), window_bits, (), 0, b"", False, 0)


def _with_queue(outgoing: Outgoing, keys: MaskKeys, queue: Rope, queued_len: int) -> Outgoing:
    """What is to be sent with another queue, and other keys left."""
    return Outgoing(
        keys, outgoing.window_bits, queue, queued_len, outgoing.pong, outgoing.is_blocked,
        outgoing.sent_len,
    )  # fmt: skip


# -- frames into the queue -------------------------------------------------------------------------


def enqueue_messages(
    outgoing: Outgoing, messages: Sequence[Message], max_queue_len: int
) -> tuple[Outgoing, tuple[SendStatus, ...]]:
    """What is to be sent with these messages behind it, and what became of each of them.

    A text that is no Unicode (a lone surrogate) raises UnicodeEncodeError.
    """
    keys, queue, queued_len = outgoing.keys, outgoing.queue, outgoing.queued_len
    accepted, unsent_len = SUCCESS, queued_len
    if outgoing.is_blocked:
        accepted, unsent_len = BACKPRESSURE, queued_len + outgoing.sent_len
    statuses: list[SendStatus] = []
    for message in messages:
        opcode, payload = BINARY, message
        if isinstance(payload, str):
            opcode, payload = TEXT, payload.encode()
        if unsent_len and unsent_len + len(payload) > max_queue_len:
            statuses.append(DROPPED)
            continue
        key, keys = next_key(keys)
        frame = _encode(opcode, payload, key, outgoing.window_bits)
        queue = rope_append(queue, frame)
        queued_len += len(frame)
        unsent_len += len(frame)
        statuses.append(accepted)
    return _with_queue(outgoing, keys, queue, queued_len), tuple(statuses)


def _encode(opcode: Opcode, payload: bytes, key: bytes, window_bits: int | None) -> bytes:
    """The frame of a message, compressed if that makes it shorter."""
    if window_bits is not None and len(payload) >= COMPRESS_MIN:
        compressed = deflate(payload, window_bits)
        if len(compressed) < len(payload):
            return encode_masked(opcode, compressed, key, True, _RSV1_OF_THREE)
    return encode_masked(opcode, payload, key)


def enqueue_control(outgoing: Outgoing, opcode: Opcode, payload: bytes) -> Outgoing:
    """What is to be sent with a control frame behind it."""
    key, keys = next_key(outgoing.keys)
    frame = encode_masked(opcode, payload, key)
    queue, queued_len = rope_append(outgoing.queue, frame), outgoing.queued_len + len(frame)
    return _with_queue(outgoing, keys, queue, queued_len)


def answer_pings(outgoing: Outgoing, payloads: Sequence[bytes]) -> Outgoing:
    """What is to be sent with the pongs for pings with these payloads, of which there is one at
    least.
    """
    keys, pong = outgoing.keys, outgoing.pong
    if outgoing.is_blocked:
        payloads, pong = payloads[-1:], b""
    for payload in payloads:
        key, keys = next_key(keys)
        pong += encode_masked(Opcode.PONG, payload, key)
    return Outgoing(
        keys, outgoing.window_bits, outgoing.queue, outgoing.queued_len, pong,
        outgoing.is_blocked, outgoing.sent_len,
    )  # fmt: skip


# -- out of the queue ------------------------------------------------------------------------------


def take_queue(outgoing: Outgoing) -> tuple[Outgoing, Rope]:
    """What is to be sent without what is given to the connection now, and that; nothing while it is
    blocked.
    """
    queue, pong = outgoing.queue, outgoing.pong
    if outgoing.is_blocked or not (queue or pong):
        return outgoing, ()
    taken, rest_len = queue, 0
    if outgoing.queued_len > TRANSMIT_MAX:
        taken, rest_len = _first_pieces(queue), outgoing.queued_len
        rest_len -= rope_len(taken)
    segments = (pong, *taken) if pong else taken
    sent_len = len(pong) + outgoing.queued_len - rest_len
    after = Outgoing(
        outgoing.keys, outgoing.window_bits, queue[len(taken) :], rest_len, b"", False, sent_len
    )
    return after, segments


def _first_pieces(queue: Rope) -> Rope:
    """The first pieces of a queue, of `TRANSMIT_MAX` bytes at most, but one at least."""
    length = 0
    for index, piece in enumerate(queue):
        length += len(piece)
        if length > TRANSMIT_MAX:
            return queue[: max(1, index)]
    return queue


def with_blocked(outgoing: Outgoing, is_blocked: bool) -> Outgoing:
    """What is to be sent over a connection that has not taken what it was given last, or has."""
    return Outgoing(
        outgoing.keys, outgoing.window_bits, outgoing.queue, outgoing.queued_len, outgoing.pong,
        is_blocked, outgoing.sent_len,
    )  # fmt: skip


def unsent_len(outgoing: Outgoing) -> int:
    """Bytes that the connection has not taken, at most."""
    waiting = outgoing.queued_len + len(outgoing.pong)
    return waiting + outgoing.sent_len if outgoing.is_blocked else waiting


def may_send(outgoing: Outgoing) -> bool:
    """True if anything waits for a flush."""
    return not outgoing.is_blocked and bool(outgoing.queue or outgoing.pong)
