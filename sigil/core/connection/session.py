"""The parts of it."""

from collections.abc import Iterable
from enum import IntEnum
from typing import NamedTuple, TypeAlias

from ..broadcast.entry import Hearing
from ..close_reasons import CloseReason
from ..events import Segment
from ..parse_result import Malformed
from ..websocket.frames import Terms
from ..websocket.messages import CALM, Close, Inbound, Item, Squeezed


class Closing(IntEnum):
    """How far the farewell has got."""

    OPEN = 0
    SAID = 1
    """Our close frame is said, or will be with the queue; theirs is waited for."""
    OVER = 2
    """Both have been said, or one side has failed; the program has been told."""


class Follow(NamedTuple):
    """A place in a queue: what was published up to number `to` for those who hear it so."""

    to: int
    hearing: Hearing

Queue: TypeAlias = tuple[Segment | Follow, ...]


class Later(NamedTuple):
    """What was understood behind the messages the program has: items from `start` on, `length` bytes of messages.

    They are never copied, so that it costs the same to go on however many there are.
    """

    items: tuple[Item, ...]
    start: int
    length: int

NOTHING = Later((), 0, 0)


class Talk(NamedTuple):
    """One conversation.  What changes with every message comes first."""

    is_pinged: bool
    """It was asked for a sign of life, and has given none yet."""
    is_listed: bool
    """It is on the list of those to be flushed."""
    queue: Queue
    queued_len: int
    inbound: Inbound
    pending: bytes
    """What came while the program was at work."""
    later: Later
    """What was understood behind the messages the program has; `NOTHING` itself if that is nothing."""
    last_word: Close | Malformed | None
    """What ends the conversation, when the program has seen what came before."""
    pong: bytes | None
    """The payload of the ping that is to be answered."""
    closing: Closing
    reason: CloseReason
    code: int
    """Why it ends and with which code, once that is known."""
    hearing: Hearing
    terms: Terms
    cursor: int | None
    """The number of the next published frame it is to be sent, if it is a laggard; None: it is where its cohort is."""


def make_talk(terms: Terms, hearing: Hearing, pending: bytes, cursor: int | None) -> Talk:
    """A conversation that has just begun: the program is told of it before it hears anything."""
    return Talk(False, False, (), 0, CALM, pending, NOTHING, None, None, Closing.OPEN, CloseReason.OK, 0, hearing,
                terms, cursor)


def with_queue(talk: Talk, queue: Queue, queued_len: int, is_listed: bool) -> Talk:
    """The conversation with another queue, which is to be flushed at the end of the turn or not."""
    (is_pinged, _, _, _, inbound, pending, later, last_word, pong, closing, reason, code, hearing, terms,
     cursor) = talk
    return Talk(is_pinged, is_listed, queue, queued_len, inbound, pending, later, last_word, pong, closing, reason,
                code, hearing, terms, cursor)


def heard_len(talk: Talk) -> int:
    """Bytes that came and are no message yet."""
    inbound = talk.inbound
    rope = () if inbound.message is None else inbound.message.rope
    return len(talk.pending) + len(inbound.buffer) + sum(map(len, rope)) + talk.later.length


def items_len(items: Iterable[Item]) -> int:
    """Bytes of the messages among these, as they came."""
    return sum([len(item.payload if isinstance(item, Squeezed) else item) for item in items
                if isinstance(item, str | bytes | Squeezed)])
