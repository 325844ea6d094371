"""A conversation as a record: what a connection remembers once it has become a WebSocket (RFC 6455).

Theory: a conversation has two sides that end separately, and a program between them that may take its time.  So the
record holds what was heard and not yet said on (`inbound`, `pending`, `last_word`), what is to be said (`queue`,
`pong`), and how far the farewell has got (`closing`).

Rules: frames to be said wait in the queue until the turn of the loop is flushed, so that many become one piece of
memory; a large payload is never copied, it stays a piece of its own.  Of several pings only the latest is answered
(section 5.5.3).  It does not know sockets, nor when it is flushed.
"""

from enum import IntEnum
from typing import NamedTuple

from .events import Segment
from .frame import Opcode, Terms, encode_frame, frame_header
from .message import CALM, Close, Inbound
from .reasons import CloseReason
from .refusal import Malformed


class Closing(IntEnum):
    """How far the farewell has got."""

    OPEN = 0
    SAID = 1
    """Our close frame is said, or will be with the queue; theirs is waited for."""
    OVER = 2
    """Both have been said, or one side has failed; the program has been told."""


class SendStatus(IntEnum):
    """What became of a message the program said; the numbers are those of the Evo runtime."""

    BACKPRESSURE = 0
    """It waits behind what the client has not taken yet."""
    SUCCESS = 1
    """It is on its way."""
    DROPPED = 2
    """It will not be sent: the client is gone or going, or is so far behind that no more is kept for it."""


class Talk(NamedTuple):
    """One conversation.  What changes with every message comes first."""

    is_parked: bool
    """The program has messages to look at; nothing more is read from the bytes until it has."""
    is_pinged: bool
    """It was asked for a sign of life, and has given none yet."""
    is_listed: bool
    """It is on the list of those to be flushed."""
    queue: tuple[Segment, ...]
    queued_len: int
    inbound: Inbound
    pending: bytes
    """What came while the program was at work."""
    last_word: Close | Malformed | None
    """What ends the conversation, when the program has seen what came before."""
    pong: bytes | None
    """The payload of the ping that is to be answered."""
    closing: Closing
    reason: CloseReason
    code: int
    """Why it ends and with which code, once that is known."""
    topics: frozenset[str]
    terms: Terms


JOIN_MAX = 16_384
"""Payloads up to so many bytes are copied behind their header and joined with their neighbours."""


def make_talk(terms: Terms, topics: frozenset[str], pending: bytes) -> Talk:
    """A conversation that has just begun: the program is told of it before it hears anything."""
    return Talk(True, False, False, (), 0, CALM, pending, None, None, Closing.OPEN, CloseReason.OK, 0, topics, terms)


def heard_len(talk: Talk) -> int:
    """Bytes that came and are no message yet."""
    inbound = talk.inbound
    rope = () if inbound.message is None else inbound.message.rope
    return len(talk.pending) + len(inbound.buffer) + sum(map(len, rope))


def enqueue(queue: tuple[Segment, ...], opcode: int, payload: bytes) -> tuple[Segment, ...]:
    """The queue with one more frame at its end."""
    if len(payload) > JOIN_MAX:
        return (*queue, frame_header(opcode, len(payload)), payload)
    return append_frames(queue, encode_frame(opcode, payload))


def append_frames(queue: tuple[Segment, ...], frames: bytes) -> tuple[Segment, ...]:
    """The queue with more bytes at its end, joined with those before that are not at least twice as long.

    So a queue of many frames has few pieces, and each byte is copied a logarithmic number of times.
    """
    while queue and len(queue[-1]) < 2 * len(frames) and len(queue[-1]) + len(frames) <= JOIN_MAX:
        frames = bytes(queue[-1]) + frames
        queue = queue[:-1]
    return (*queue, frames)


def to_say(talk: Talk) -> tuple[Segment, ...]:
    """What is to be said now: the queue, and the answer to the latest ping."""
    return talk.queue if talk.pong is None else enqueue(talk.queue, Opcode.PONG, talk.pong)
