"""Which messages published with `latest` are the newest of their topics, and so are still to be
sent to whoever is behind; all others of them are superseded.

Theory: of a state that is published again and again only the newest matters to a subscriber that
has not kept up. Which one that is does not depend on the subscriber: it is the last one that was
published on the topic. So the numbers of these are kept by topic, beside the ring, and reading for
a subscriber that is behind costs what it is sent, however many are passed over.

Rules: binary messages supersede nothing for an encoding that has texts only, so the newest text is
kept too. What is published counts at once, before it is on the ring. Who is excluded from a message
needs no older one either: mostly the message came from it. A number that the tail of the ring
passes is forgotten, and with it its topic, since topics may come from strangers. It does not know
frames, nor who is behind.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Final, final

from pyrsistent import PMap, PVector, pmap, pvector

from ..topics import ALL_TOPICS, Topic
from ..value import Value
from ..websocket.frames import Opcode
from .encoding import ENCODING_INFO
from .entry import Published, Subscription

NO_NUMBER: Final = -1
"""Less than any number of a frame."""

SUPERSEDED_MAX: Final = 32
"""So many numbers that are superseded, or behind the tail, may stand in the list; beyond, and if
they are most, it is made anew.
"""


@final
class Newest(Value):
    """The number of the newest message on a topic, and that of the newest text; both of those that
    were published with `latest`.
    """

    __match_args__ = ("number", "text_number")
    __slots__ = __match_args__

    def __init__(self, number: int, text_number: int) -> None:
        self.number: Final = number
        self.text_number: Final = text_number


@final
class LatestIndex(Value):
    """The newest messages by topic, and in order, a topic with each number, from place `first` on,
    among them some that are superseded.
    """

    __match_args__ = ("newest", "order", "first")
    __slots__ = __match_args__

    def __init__(
        self,
        newest: PMap[Topic | None, Newest],
        order: PVector[tuple[int, Topic | None]],
        first: int,
    ) -> None:
        self.newest: Final = newest
        self.order: Final = order
        self.first: Final = first

    def __repr__(self) -> str:
        return f"LatestIndex({len(self.newest)} topics)"


NOTHING_LATEST: Final = LatestIndex(pmap(), pvector(), 0)


# -- what changes ----------------------------------------------------------------------------------


def add_latest(index: LatestIndex, entries: Sequence[Published], first_number: int) -> LatestIndex:
    """The index when these entries are published, which are numbered from `first_number` on."""
    found: dict[Topic | None, Newest] = {}
    added: list[tuple[int, Topic | None]] = []
    for number, entry in enumerate(entries, first_number):
        if not entry.options.latest:
            continue
        topic, text_number = entry.topic, number
        if entry.frame[0] & 0x0F != Opcode.TEXT:
            before = found.get(topic) or index.newest.get(topic)
            text_number = NO_NUMBER if before is None else before.text_number
        found[topic] = Newest(number, text_number)
        added.append((number, topic))
    if not added:
        return index
    newest = index.newest.update(found)
    order = index.order.extend(added)
    if len(order) - index.first > SUPERSEDED_MAX + 4 * len(newest):
        return LatestIndex(newest, _in_order(newest), 0)
    return LatestIndex(newest, order, index.first)


def _in_order(newest: PMap[Topic | None, Newest]) -> PVector[tuple[int, Topic | None]]:
    """The numbers that are not superseded, in order, each with its topic."""
    numbers: dict[int, Topic | None] = {}
    for topic, one in newest.items():
        numbers[one.number] = topic
        if one.text_number != NO_NUMBER:
            numbers[one.text_number] = topic
    return pvector([(number, numbers[number]) for number in sorted(numbers)])


def forget_latest(index: LatestIndex, tail_number: int) -> LatestIndex:
    """The index without what is below the tail of the ring."""
    order, first = index.order, index.first
    if first == len(order) or order[first][0] >= tail_number:
        return index
    newest = index.newest.evolver()
    while first < len(order) and order[first][0] < tail_number:
        topic = order[first][1]
        known = index.newest.get(topic)
        if known is not None and known.number == order[first][0]:
            newest.remove(topic)
        first += 1
    if 2 * first > len(order) + SUPERSEDED_MAX:
        order, first = order[first:], 0
    return LatestIndex(newest.persistent(), order, first)


# -- what is asked ---------------------------------------------------------------------------------


def is_superseded(
    index: LatestIndex, number: int, entry: Published, subscription: Subscription
) -> bool:
    """True for an entry that a subscriber is not sent any more if it is behind; `number` is that of
    the entry, which is for this subscription.
    """
    if not entry.options.latest:
        return False
    return _is_passed(index, number, entry.topic, subscription)


def _is_passed(
    index: LatestIndex, number: int, topic: Topic | None, subscription: Subscription
) -> bool:
    """True if there is a newer message on the topic than the one with this number."""
    newest = index.newest.get(topic)
    if newest is None:
        return False
    is_text_only = ENCODING_INFO[subscription.encoding].is_text_only
    return number != (newest.text_number if is_text_only else newest.number)


def latest_between(
    index: LatestIndex, start: int, end: int, subscription: Subscription
) -> Iterator[int]:
    """The numbers from `start` up to, without, `end` of the newest messages of the topics of a
    subscription, in order.
    """
    if not index.newest:
        return iter(())
    topics, place = subscription.topics, _place_of(index, start)
    if ALL_TOPICS in topics or len(topics) >= len(index.order) - place:
        return _walk(index, place, end, subscription)
    is_text_only = ENCODING_INFO[subscription.encoding].is_text_only
    found: list[int] = []
    for topic in (None, *topics):
        newest = index.newest.get(topic)
        if newest is not None:
            number = newest.text_number if is_text_only else newest.number
            if start <= number < end:
                found.append(number)
    return iter(sorted(found))


def last_latest(index: LatestIndex, end: int, subscription: Subscription, count: int) -> list[int]:
    """The last `count` numbers below `end` of the newest messages of the topics of a subscription,
    or as many as there are, in order.
    """
    if ALL_TOPICS not in subscription.topics:
        return list(latest_between(index, 0, end, subscription))[-count:]
    found: list[int] = []
    for at in range(_place_of(index, end) - 1, index.first - 1, -1):
        number, topic = index.order[at]
        if not _is_passed(index, number, topic, subscription):
            found.append(number)
            if len(found) == count:
                break
    return found[::-1]


def _walk(index: LatestIndex, place: int, end: int, subscription: Subscription) -> Iterator[int]:
    """The numbers below `end` from a place in the order on that are for a subscription and are not
    superseded.
    """
    topics, has_all = subscription.topics, ALL_TOPICS in subscription.topics
    for at in range(place, len(index.order)):
        number, topic = index.order[at]
        if number >= end:
            return
        is_for_it = has_all or topic is None or topic in topics
        if is_for_it and not _is_passed(index, number, topic, subscription):
            yield number


def _place_of(index: LatestIndex, number: int) -> int:
    """The first place in the order that has this number or a higher one."""
    return bisect_left(index.order, number, index.first, key=itemgetter(0))
