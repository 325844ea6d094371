"""The record of a subscriber of the broadcast: a connection that has become a WebSocket or an event
stream.

Theory: both kinds are sent what is published on their topics, and what the program sends to them
alone, in one order. So the record holds the place in the broadcast (`cursor`), the queue of what
else is to be sent, and how far the end of the connection has got. What a WebSocket has besides,
because its peer sends messages too, is a record of its own (`websocket_state`).

Rules: a place in the queue (`Follow`) stands for everything that was published up to a number, or
(`RetainedPlace`) for what is retained, so that the order is kept without copying a frame. `cursor`
is None while the subscriber is where its cohort is, and a number once it lags. It does not know how
queues are filled or emptied (`send_queue`), nor sockets.
"""

from collections.abc import Collection
from enum import IntEnum
from typing import Final, TypeAlias, final

from ..broadcast.entry import Subscription, with_topics
from ..broadcast.retained import RetainedRange
from ..close_reasons import CloseReason
from ..events import Segment
from ..http.response import Response
from ..limits import Limits
from ..topics import Topic, unshared, with_more
from ..value import Value

UTF8_BYTES_MAX: Final = 4
"""Bytes of a character in UTF-8, at most."""


class CloseState(IntEnum):
    """How far the closing handshake, or the end of an event stream, has got."""

    OPEN = 0
    CLOSING = 1
    """Our close frame is sent, or queued; the peer's is awaited. Or an event stream is to end
    behind its queue.
    """
    ENDED = 2
    """As `CLOSED`, but the program is still at work on what came before, and is called when it has
    returned.
    """
    CLOSED = 3
    """Both close frames were sent, or one side has failed; the program has been called."""


OPEN: Final = CloseState.OPEN
"""The member itself, for the paths of every message: finding it on its class takes ten times as
long.
"""


PLACE_BYTES: Final = 256
"""Bytes of memory of a place in a queue beside the topics that it is for."""
PLACES_LEN_MIN: Final = 65_536
"""Bytes of places that any client has room for, however little it may be sent."""
TOPIC_PLACE_BYTES: Final = 128
"""Bytes of memory of a topic in a set of topics, beside its text, which such sets share."""


@final
class Follow(Value):
    """A place in a queue: all that was published up to number `to`, for this subscription."""

    __match_args__ = ("to", "subscription", "size")
    __slots__ = __match_args__

    def __init__(self, to: int, subscription: Subscription, size: int) -> None:
        self.to: Final = to
        self.subscription: Final = subscription
        self.size: Final = size
        """Bytes of memory that are held for it."""


def make_place(to: int, subscription: Subscription, previous: Subscription | None) -> Follow:
    """A place for this subscription, behind one for the `previous`: the topics that both hold in
    the same memory are counted there. The others are here, and the longest text of these, which
    nothing else may hold.
    """
    size = PLACE_BYTES
    if subscription is not previous:
        topics = unshared(subscription.topics, None if previous is None else previous.topics)
        lengths = [len(topic) for topic in topics if isinstance(topic, str)]
        size += TOPIC_PLACE_BYTES * len(topics) + UTF8_BYTES_MAX * max(lengths, default=0)
    return Follow(to, subscription, size)


@final
class RetainedPlace(Value):
    """A place in a queue: what is retained, in this range, and not replaced when it is sent."""

    __match_args__ = ("wanted", "size")
    __slots__ = __match_args__

    def __init__(self, wanted: RetainedRange, size: int) -> None:
        self.wanted: Final = wanted
        self.size: Final = size
        """Bytes of memory that are held for it."""


def make_retained_place(wanted: RetainedRange) -> RetainedPlace:
    """A place for this range, whose topics the subscription of its client has anyway."""
    return RetainedPlace(wanted, PLACE_BYTES + TOPIC_PLACE_BYTES * len(wanted.known))


@final
class LongFrame(Value):
    """A frame whose payload is too long to be copied behind its header: one item of a queue, so
    that nothing can come between the two.
    """

    __match_args__ = ("header", "payload")
    __slots__ = __match_args__

    def __init__(self, header: bytes, payload: bytes) -> None:
        self.header: Final = header
        self.payload: Final = payload


Place: TypeAlias = Follow | RetainedPlace
QueueItem: TypeAlias = Segment | LongFrame | Place
Queue: TypeAlias = tuple[QueueItem, ...]
NO_QUEUE: Final[Queue] = ()


def has_retained_place(queue: Queue) -> bool:
    """True for a queue in which there is a place for what is retained."""
    return any(isinstance(item, RetainedPlace) for item in queue)


def item_len(item: QueueItem) -> int:
    """Bytes to be sent of an item of a queue; a place has none."""
    if isinstance(item, (Follow, RetainedPlace)):
        return 0
    return len(item.header) + len(item.payload) if isinstance(item, LongFrame) else len(item)


def segments_in(queue: Queue) -> tuple[Segment, ...]:
    """The segments to be sent of a queue in which there are no places."""
    segments: tuple[Segment, ...] = ()
    for item in queue:
        assert not isinstance(item, (Follow, RetainedPlace))
        segments += segments_of(item)
    return segments


def segments_of(item: LongFrame | Segment) -> tuple[Segment, ...]:
    """The segments to be sent of an item of a queue that is no place."""
    return (item.header, item.payload) if isinstance(item, LongFrame) else (item,)


@final
class Polling(Value):
    """A long-poll that is not answered yet: the response whose body is missing, when it is answered
    at the latest, whether it is answered in any case, and the first line of the answer.
    """

    __match_args__ = ("response", "until", "is_due", "opening")
    __slots__ = __match_args__

    def __init__(self, response: Response, until: float, is_due: bool, opening: bytes) -> None:
        self.response: Final = response
        self.until: Final = until
        self.is_due: Final = is_due
        self.opening: Final = opening


@final
class Subscriber(Value):
    """What a WebSocket or an event stream is to be sent, and how far its end has got."""

    __match_args__ = (
        "is_scheduled", "queue", "queued_len", "close_state", "reason", "subscription",
        "cursor", "places_len", "is_behind", "skips", "polling",
    )  # fmt: skip
    __slots__ = __match_args__

    def __init__(
        self,
        is_scheduled: bool,
        queue: Queue,
        queued_len: int,
        close_state: CloseState,
        reason: CloseReason,
        subscription: Subscription,
        cursor: int | None,
        places_len: int,
        is_behind: bool,
        skips: bool,
        polling: Polling | None,
    ) -> None:
        self.is_scheduled: Final = is_scheduled
        """It is among the clients that the next flush looks at."""
        self.queue: Final = queue
        self.queued_len: Final = queued_len
        """Bytes to be sent of the items in the queue."""
        self.close_state: Final = close_state
        self.reason: Final = reason
        """Why it ends, once that is known."""
        self.subscription: Final = subscription
        self.cursor: Final = cursor
        """The number of the next published frame it is to be sent, if it is a laggard; None: it is
        where its cohort is.
        """
        self.places_len: Final = places_len
        """Bytes of memory that are held for the places in the queue."""
        self.is_behind: Final = is_behind
        """It has not taken all it was sent, or begins with what was published before: what is
        superseded is not sent to it. With a cursor and not behind, it only has something of its own
        to be sent behind what was published in this tick.
        """
        self.skips: Final = skips
        """If what it needs is not kept any more it is moved on, and not dropped."""
        self.polling: Final = polling
        """The long-poll that it is, if it is one: what it is sent is its answer."""


def stays_in_place(before: Subscriber, after: Subscriber) -> bool:
    """True for a subscriber that is in the cohort that it was in, or was and is in none because its
    end has begun.
    """
    return (
        after.close_state is before.close_state
        and after.subscription is before.subscription
        and after.cursor is None
        and before.cursor is None
    )


def places_len_max(limits: Limits) -> int:
    """How many bytes of memory the places in a queue may hold before one more is too many."""
    return max(limits.max_ws_outbox_len, PLACES_LEN_MIN)


def places_len(queue: Queue) -> int:
    """Bytes of memory that are held for the places in a queue."""
    return sum([item.size for item in queue if isinstance(item, (Follow, RetainedPlace))])


def add_topics(
    subscription: Subscription, topics: Collection[Topic], limits: Limits
) -> Subscription | str:
    """The subscription with more topics, or a sentence about which limit that is beyond.

    Every way of subscribing passes here: an upgrade, an event stream, and `subscribe`.
    """
    added = with_more(subscription.topics, topics)
    if len(added) > limits.max_ws_topics_per_client:
        return (
            f"a client cannot be subscribed to {len(added)} topics: "
            f"Limits.max_ws_topics_per_client is {limits.max_ws_topics_per_client}"
        )
    for topic in topics:
        if isinstance(topic, str) and is_topic_too_long(topic, limits):
            length = len(topic.encode(errors="surrogatepass"))
            return (
                f"a client cannot be subscribed to a topic of {length} bytes: "
                f"Limits.max_topic_len is {limits.max_topic_len}"
            )
    return with_topics(subscription, added)


def is_topic_too_long(topic: str, limits: Limits) -> bool:
    """True for a topic that nobody can be subscribed to, as it is longer than the limit."""
    max_len = limits.max_topic_len
    if UTF8_BYTES_MAX * len(topic) <= max_len:
        return False
    return len(topic.encode(errors="surrogatepass")) > max_len


def make_subscriber(
    subscription: Subscription,
    cursor: int | None,
    is_behind: bool = False,
    skips: bool = False,
    retained: RetainedRange | None = None,
    polling: Polling | None = None,
) -> Subscriber:
    """A subscriber that has been sent nothing yet, and is first sent what is retained, if that is
    given; or the one of a long-poll.
    """
    queue, held, reason = NO_QUEUE, 0, CloseReason.OK
    if retained is not None:
        place = make_retained_place(retained)
        queue, held = (place,), place.size
    return Subscriber(
        False, queue, 0, OPEN, reason, subscription, cursor, held, is_behind, skips, polling
    )


def with_queue(
    subscriber: Subscriber, queue: Queue, queued_len: int, is_scheduled: bool
) -> Subscriber:
    """The subscriber with another queue, which the next flush looks at or not."""
    return Subscriber(
        is_scheduled, queue, queued_len, subscriber.close_state, subscriber.reason,
        subscriber.subscription, subscriber.cursor, subscriber.places_len, subscriber.is_behind,
        subscriber.skips, subscriber.polling,
    )  # fmt: skip


def after_dequeue(
    subscriber: Subscriber, rest: Queue, cursor: int | None, is_scheduled: bool, is_behind: bool
) -> Subscriber:
    """The subscriber after all but the `rest` of its queue was taken, and of what was published all
    before this cursor.
    """
    return Subscriber(
        is_scheduled, rest, sum(map(item_len, rest)), subscriber.close_state, subscriber.reason,
        subscriber.subscription, cursor, places_len(rest), is_behind, subscriber.skips,
        subscriber.polling,
    )  # fmt: skip
