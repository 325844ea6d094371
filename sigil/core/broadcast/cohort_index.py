"""Which cohorts are sent what is published on a topic: the index that a flush looks them up in.

Theory: a flush may cost as much as the cohorts that are sent something, and no more, so it has to
find them by the topics that were published on. And a change of one subscription may cost as much as
that change, and no more, though a subscription may have many topics. A cohort of few topics is
found by each of them. A subscriber of many is hardly like another one, so it is found by itself: a
topic more is one entry more, and whether it lags or not changes no entry.

Rules: every cohort with members has a number, by its encoding and then in the order in which they
began: the order in which they are sent to, in every process. A subscription is narrow up to
`NARROW_TOPICS_MAX` topics, and wide beyond. What is under a topic is never empty. It does not know
members, nor what is published.
"""

from collections.abc import Collection, Iterable
from typing import Final, TypeAlias, TypeVar, final

from pyrsistent import PMap, PSet, pmap, pset

from ..conn import Conn
from ..topics import ALL_TOPICS, Topic, Topics, missing
from ..value import Value
from .entry import Subscription

NARROW_TOPICS_MAX: Final = 8
"""So many entries at most are made and dropped when the last one leaves a cohort and another one
begins; few enough to be no matter, and enough for most programs.
"""

NUMBERS_PER_ENCODING: Final = 2**48
"""More cohorts than ever begin: those of an encoding have the numbers from as many times this on as
the encoding's own value.
"""

NO_TOPICS: Final[Topics] = frozenset()
JUST_ALL_TOPICS: Final[Topics] = frozenset((ALL_TOPICS,))

Item = TypeVar("Item")
Few: TypeAlias = tuple[Item, ...] | PSet[Item]
"""A set: a tuple of up to `TUPLE_MAX`, since most topics have few subscribers, and a set of one
takes ten times as much memory.
"""
TUPLE_MAX: Final = 8


@final
class CohortIndex(Value):
    """The cohorts by number and by topic.

    `narrow` has the numbers of the narrow cohorts by topic; `wide` the subscribers of many topics,
    laggards too, by topic; `cohort_of` the cohort of each of these that is in one. `counts` has how
    many subscribers of few topics there are by topic, laggards too; one of `ALL_TOPICS` counts
    there alone.
    """

    __match_args__ = (
        "next_number", "numbers", "cohorts", "narrow", "wide", "cohort_of", "counts",
    )  # fmt: skip
    __slots__ = __match_args__

    def __init__(
        self,
        next_number: int,
        numbers: PMap[Subscription, int],
        cohorts: PMap[int, Subscription],
        narrow: PMap[Topic, Few[int]],
        wide: PMap[Topic, Few[Conn]],
        cohort_of: PMap[Conn, int],
        counts: PMap[Topic, int],
    ) -> None:
        self.next_number: Final = next_number
        self.numbers: Final = numbers
        self.cohorts: Final = cohorts
        self.narrow: Final = narrow
        self.wide: Final = wide
        self.cohort_of: Final = cohort_of
        self.counts: Final = counts

    def __repr__(self) -> str:
        topics = len(self.narrow) + len(self.wide)
        return f"CohortIndex({len(self.cohorts)} cohorts under {topics} topics)"


EMPTY_INDEX: Final = CohortIndex(0, pmap(), pmap(), pmap(), pmap(), pmap(), pmap())


def is_wide(topics: Collection[Topic]) -> bool:
    """True for more topics than a cohort is found by."""
    return len(topics) > NARROW_TOPICS_MAX


def shared(index: CohortIndex, subscription: Subscription) -> Subscription:
    """The subscription of the cohort, if there is one with an equal subscription: who joins it need
    not hold another record, nor another set of topics.
    """
    number = index.numbers.get(subscription)
    return subscription if number is None else index.cohorts[number]


# -- what changes ----------------------------------------------------------------------------------


def add_cohort(index: CohortIndex, subscription: Subscription) -> CohortIndex:
    """The index with a cohort that begins."""
    number = subscription.encoding * NUMBERS_PER_ENCODING + index.next_number
    narrow = index.narrow
    if not is_wide(subscription.topics):
        for topic in subscription.topics:
            narrow = _add(narrow, topic, number)
    return index.replace(
        next_number=index.next_number + 1,
        numbers=index.numbers.set(subscription, number),
        cohorts=index.cohorts.set(number, subscription),
        narrow=narrow,
    )


def remove_cohort(index: CohortIndex, subscription: Subscription) -> CohortIndex:
    """The index without a cohort, which has no members any more."""
    number, narrow = index.numbers[subscription], index.narrow
    if not is_wide(subscription.topics):
        for topic in subscription.topics:
            narrow = _remove(narrow, topic, number)
    return index.replace(
        numbers=index.numbers.remove(subscription),
        cohorts=index.cohorts.remove(number),
        narrow=narrow,
    )


def enter_cohort(index: CohortIndex, conn: Conn, subscription: Subscription) -> CohortIndex:
    """The index when a subscriber has joined its cohort."""
    if not is_wide(subscription.topics):
        return index
    return index.replace(cohort_of=index.cohort_of.set(conn, index.numbers[subscription]))


def exit_cohort(index: CohortIndex, conn: Conn, subscription: Subscription) -> CohortIndex:
    """The index when a subscriber has left its cohort."""
    if not is_wide(subscription.topics):
        return index
    return index.replace(cohort_of=index.cohort_of.remove(conn))


def with_topics(index: CohortIndex, conn: Conn, before: Topics, after: Topics) -> CohortIndex:
    """The index when the topics of a subscriber have become others, or it has begun or ended (none
    before or after).
    """
    wide, counts = index.wide, index.counts
    old, new = _wide_topics(before), _wide_topics(after)
    for topic in missing(new, old):
        wide = _add(wide, topic, conn)
    for topic in missing(old, new):
        wide = _remove(wide, topic, conn)
    old, new = _counted_topics(before), _counted_topics(after)
    for topic in missing(new, old):
        counts = counts.set(topic, counts.get(topic, 0) + 1)
    for topic in missing(old, new):
        count = counts[topic] - 1
        counts = counts.set(topic, count) if count else counts.remove(topic)
    if wide is index.wide and counts is index.counts:
        return index
    return index.replace(wide=wide, counts=counts)


def _add(entries: PMap[Topic, Few[Item]], topic: Topic, item: Item) -> PMap[Topic, Few[Item]]:
    """The entries with an item more under a topic."""
    known = entries.get(topic, ())
    if not isinstance(known, tuple):
        return entries.set(topic, known.add(item))
    known = (*known, item)
    return entries.set(topic, known if len(known) <= TUPLE_MAX else _as_set(known))


def _as_set(items: tuple[Item, ...]) -> PSet[Item]:
    """These items as a set that many may be added to."""
    found: PSet[Item] = pset()
    for item in items:
        found = found.add(item)
    return found


def _remove(entries: PMap[Topic, Few[Item]], topic: Topic, item: Item) -> PMap[Topic, Few[Item]]:
    """The entries without an item under a topic."""
    known = entries[topic]
    if isinstance(known, tuple):
        remaining: Few[Item] = tuple([other for other in known if other != item])
    else:
        remaining = known.remove(item)
    return entries.set(topic, remaining) if remaining else entries.remove(topic)


def _counted_topics(topics: Topics) -> Topics:
    """The topics that a subscriber of few is counted under."""
    if is_wide(topics):
        return NO_TOPICS
    return JUST_ALL_TOPICS if ALL_TOPICS in topics else topics


def _wide_topics(topics: Topics) -> Topics:
    """The topics that a subscriber is found by itself under: none if they are few."""
    return topics if is_wide(topics) else NO_TOPICS


# -- what is asked ---------------------------------------------------------------------------------


def count_of(index: CohortIndex, topic: Topic) -> int:
    """How many subscribers are sent what is published on a topic, laggards included; of
    `ALL_TOPICS`, how many are subscribed to that.

    Those of many topics are compared with those of `ALL_TOPICS` among them, which are few.
    """
    count, wide = index.counts.get(topic, 0), index.wide.get(topic, ())
    if topic == ALL_TOPICS:
        return count + len(wide)
    all_wide = index.wide.get(ALL_TOPICS, ())
    others = sum([conn not in wide for conn in all_wide])
    return count + len(wide) + index.counts.get(ALL_TOPICS, 0) + others


def recipients(
    index: CohortIndex, topics: Collection[Topic | None]
) -> list[tuple[Subscription, Topics]]:
    """The cohorts that are sent what was published on these topics, in order, each with those of
    the topics that it is subscribed to.

    None among the topics is for everybody; `ALL_TOPICS` must be among them.
    """
    found = _found_by_topic(index, topics) if index.narrow or index.wide else {}
    numbers = sorted(index.cohorts if None in topics else found)
    return [
        (index.cohorts[number], frozenset(found[number]) if number in found else NO_TOPICS)
        for number in numbers
    ]


def _found_by_topic(index: CohortIndex, topics: Collection[Topic | None]) -> dict[int, list[Topic]]:
    """The numbers of the cohorts that are subscribed to any of these topics, each with these."""
    found: dict[int, list[Topic]] = {}
    for topic in topics:
        if topic is None:
            continue
        for number in index.narrow.get(topic, ()):
            found.setdefault(number, []).append(topic)
        for number in _wide_cohorts_of(index, topic):
            found.setdefault(number, []).append(topic)
    return found


def _wide_cohorts_of(index: CohortIndex, topic: Topic) -> Iterable[int]:
    """The numbers of the wide cohorts that are subscribed to this topic: those of its subscribers,
    or, if there are fewer cohorts than these, of all cohorts those that have it.
    """
    conns = index.wide.get(topic, ())
    if len(conns) > len(index.cohorts):
        return [
            number
            for number, subscription in index.cohorts.items()
            if is_wide(subscription.topics) and topic in subscription.topics
        ]
    numbers = [index.cohort_of.get(conn) for conn in conns]  # None: it lags
    return {number for number in numbers if number is not None}
