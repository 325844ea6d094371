"""The parts of it."""

from collections.abc import Iterable
from enum import IntEnum
from typing import NamedTuple, TypeAlias

from ..broadcast.entry import Subscription
from ..close_reasons import CloseReason
from ..events import Segment
from ..parse_result import Malformed
from ..websocket.frames import FrameRules
from ..websocket.messages import BETWEEN_MESSAGES, Close, CompressedMessage, Item, MessageReader


class CloseState(IntEnum):
    """How far the farewell has got."""

    OPEN = 0
    CLOSING = 1
    """Our close frame is said, or will be with the queue; theirs is waited for."""
    CLOSED = 2
    """Both have been said, or one side has failed; the program has been told."""


class Follow(NamedTuple):
    """A place in a queue: what was published up to number `to` for those who hear it so."""

    to: int
    subscription: Subscription


Queue: TypeAlias = tuple[Segment | Follow, ...]


class Undelivered(NamedTuple):
    """What was understood behind the messages the program has: items from `start` on, `body_length`
    bytes of messages.

    They are never copied, so that it costs the same to go on however many there are.
    """

    items: tuple[Item, ...]
    start: int
    length: int


NOTHING_UNDELIVERED = Undelivered((), 0, 0)


class Session(NamedTuple):
    """One conversation.  What changes with every message comes first."""

    awaits_pong: bool
    """It was asked for a sign of life, and has given none yet."""
    is_scheduled: bool
    """It is on the list of those to be flushed."""
    queue: Queue
    queued_len: int
    reader: MessageReader
    unread: bytes
    """What came while the program was at work."""
    undelivered: Undelivered
    """What was understood behind the messages the program has; `NOTHING` itself if that is nothing.
    """
    end: Close | Malformed | None
    """What ends the conversation, when the program has seen what came before."""
    pong_payload: bytes | None
    """The payload of the ping that is to be answered."""
    close_state: CloseState
    reason: CloseReason
    code: int
    """Why it ends and with which code, once that is known."""
    subscription: Subscription
    frame_rules: FrameRules
    cursor: int | None
    """The number of the next published frame it is to be sent, if it is a laggard; None: it is
    where its cohort is.
    """


def make_session(
    rules: FrameRules, subscription: Subscription, pending: bytes, cursor: int | None
) -> Session:
    """A conversation that has just begun: the program is told of it before it hears anything."""
    return Session(
        False,
        False,
        (),
        0,
        BETWEEN_MESSAGES,
        pending,
        NOTHING_UNDELIVERED,
        None,
        None,
        CloseState.OPEN,
        CloseReason.OK,
        0,
        subscription,
        rules,
        cursor,
    )


def with_queue(session: Session, queue: Queue, queued_len: int, is_listed: bool) -> Session:
    """The conversation with another queue, which is to be flushed at the end of the turn or not."""
    (
        is_pinged,
        _,
        _,
        _,
        reader,
        pending,
        undelivered,
        last_word,
        pong,
        closing,
        reason,
        code,
        subscription,
        rules,
        cursor,
    ) = session
    return Session(
        is_pinged,
        is_listed,
        queue,
        queued_len,
        reader,
        pending,
        undelivered,
        last_word,
        pong,
        closing,
        reason,
        code,
        subscription,
        rules,
        cursor,
    )


def unread_len(session: Session) -> int:
    """Bytes that came and are no message yet."""
    reader = session.reader
    rope = () if reader.message is None else reader.message.rope
    return (
        len(session.unread) + len(reader.buffer) + sum(map(len, rope)) + session.undelivered.length
    )


def messages_len(items: Iterable[Item]) -> int:
    """Bytes of the messages among these, as they came."""
    return sum(
        [
            len(item.payload if isinstance(item, CompressedMessage) else item)
            for item in items
            if isinstance(item, str | bytes | CompressedMessage)
        ]
    )
