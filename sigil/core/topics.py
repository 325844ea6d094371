"""Topics: the names that messages are published on, and `ALL_TOPICS`, which is no name.

Theory: topics may come from strangers, in a query for example, and whoever may choose a name must
not be able to choose more than that. So every str is an ordinary topic, `"*"` too, and who wants
all topics is subscribed to an object, which no text can be.

A client may be subscribed to very many, and each may come and go by itself. So a large set is held
in parts, of which a new one shares all but one.

Rules: a message is published on a str or on none, a client is subscribed to any of these and to
`ALL_TOPICS`. There is one such object: it is itself also when it was pickled. It does not know who
is subscribed to what.
"""

from collections.abc import Collection, Iterable, Iterator
from itertools import chain
from typing import Any, Final, TypeAlias, final

from .value import Value


@final
class AllTopics:
    """The type of `ALL_TOPICS`."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AllTopics)

    def __hash__(self) -> int:
        return 0x5161  # the same in every process

    def __repr__(self) -> str:
        return "ALL_TOPICS"

    def __reduce__(self) -> str:
        return "ALL_TOPICS"  # the name of what is unpickled


ALL_TOPICS: Final = AllTopics()
"""A client that is subscribed to this is sent what is published on whatever topic."""

Topic: TypeAlias = str | AllTopics
"""What a client is subscribed to."""


# -- sets of topics --------------------------------------------------------------------------------

FEW_TOPICS_MAX: Final = 64
"""Up to so many topics are copied when there is to be one more; of more only a part is."""
PARTS_MIN: Final = 16
PARTS_FACTOR: Final = 4
"""How many parts there are at first, and how many times as many when they have grown too large."""


@final
class ManyTopics(Value):
    """A set of more than `FEW_TOPICS_MAX` topics: `count` of them, each in one of the `parts`, by
    its hash; `code` is the hash of all, whatever the order in which they came.
    """

    __match_args__ = ("count", "code", "parts")
    __slots__ = __match_args__

    def __init__(self, count: int, code: int, parts: tuple[frozenset[Topic], ...]) -> None:
        self.count: Final = count
        self.code: Final = code
        self.parts: Final = parts

    def __len__(self) -> int:
        return self.count

    def __contains__(self, topic: object) -> bool:
        return topic in self.parts[hash(topic) & (len(self.parts) - 1)]

    def __iter__(self) -> Iterator[Topic]:
        return chain.from_iterable(self.parts)

    def __hash__(self) -> int:
        return hash((self.count, self.code))

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if isinstance(other, ManyTopics):
            if self.code != other.code or self.count != other.count:
                return False
            if len(self.parts) == len(other.parts):
                return self.parts == other.parts
            return frozenset(self) == frozenset(other)
        return frozenset(self) == other if isinstance(other, frozenset) else NotImplemented

    def __repr__(self) -> str:
        return f"ManyTopics({self.count} topics)"

    def __reduce__(self) -> tuple[Any, ...]:
        return topics_of, (tuple(in_order(self)),)  # hashes of texts differ between processes


Topics: TypeAlias = frozenset[Topic] | ManyTopics
"""A set of topics, in which one topic more or less costs about the same however many they are."""


def topics_of(topics: Iterable[Topic]) -> Topics:
    """These topics as a set."""
    few = frozenset(topics)
    if len(few) <= FEW_TOPICS_MAX:
        return few
    count = PARTS_MIN
    while _has_outgrown(len(few), count):
        count *= PARTS_FACTOR
    code, parts = 0, [list[Topic]() for _ in range(count)]
    for topic in few:
        key = hash(topic)
        code ^= key
        parts[key & (count - 1)].append(topic)
    return ManyTopics(len(few), code, tuple([frozenset(part) for part in parts]))


def _has_outgrown(count: int, parts: int) -> bool:
    """True for more topics than so many parts are for: a part would be larger than all parts are
    many.
    """
    return count > parts * parts * PARTS_FACTOR


def with_more(topics: Topics, more: Iterable[Topic]) -> Topics:
    """The set with more topics."""
    if len(topics) == 0:
        return topics_of(more)
    for topic in more:
        if topic not in topics:
            topics = _with_topic(topics, topic)
    return topics


def _with_topic(topics: Topics, topic: Topic) -> Topics:
    """The set with a topic that is not in it."""
    if not isinstance(topics, ManyTopics):
        grown = topics | {topic}
        return grown if len(grown) <= FEW_TOPICS_MAX else topics_of(grown)
    if _has_outgrown(topics.count + 1, len(topics.parts)):
        return topics_of(chain(topics, (topic,)))
    place = hash(topic) & (len(topics.parts) - 1)
    return _with_part(topics, place, topics.parts[place] | {topic}, 1, hash(topic))


def without(topics: Topics, topic: Topic) -> Topics:
    """The set without a topic that is in it."""
    if not isinstance(topics, ManyTopics):
        return topics - {topic}
    if topics.count - 1 <= FEW_TOPICS_MAX:
        return frozenset(topics) - {topic}
    place = hash(topic) & (len(topics.parts) - 1)
    return _with_part(topics, place, topics.parts[place] - {topic}, -1, hash(topic))


def _with_part(
    topics: ManyTopics, place: int, part: frozenset[Topic], more: int, key: int
) -> ManyTopics:
    """The set with another part, in which there is a topic with this hash more or less."""
    parts = topics.parts
    return ManyTopics(
        topics.count + more, topics.code ^ key, (*parts[:place], part, *parts[place + 1 :])
    )


def missing(topics: Topics, other: Topics) -> Collection[Topic]:
    """Those of the topics that are not in the other set; parts that both have are not looked at."""
    if not isinstance(topics, ManyTopics) or not isinstance(other, ManyTopics):
        return [topic for topic in topics if topic not in other]
    if len(topics.parts) != len(other.parts):
        return [topic for topic in topics if topic not in other]
    found: list[Topic] = []
    for mine, others in zip(topics.parts, other.parts, strict=True):
        if mine is not others:
            found += mine - others
    return found


def unshared(topics: Topics, other: Topics | None) -> Collection[Topic]:
    """The topics that this set holds in memory of its own: all but those in parts that the other
    set has too.
    """
    if not isinstance(topics, ManyTopics) or not isinstance(other, ManyTopics):
        return () if topics is other else frozenset(topics)
    if len(topics.parts) != len(other.parts):
        return frozenset(topics)
    found: list[Topic] = []
    for mine, others in zip(topics.parts, other.parts, strict=True):
        if mine is not others:
            found += mine
    return found


# -- shown -----------------------------------------------------------------------------------------


def in_order(topics: Iterable[Topic]) -> list[Topic]:
    """These topics in the order in which they are shown: `ALL_TOPICS`, then by name."""
    return sorted(topics, key=_order)


def names_of(topics: Iterable[Topic]) -> list[str]:
    """What these topics are shown as, in order."""
    return [str(topic) for topic in in_order(topics)]


def _order(topic: Topic) -> str:
    """What topics are sorted by; nothing but `ALL_TOPICS` is before the empty name."""
    return f"-{topic}" if isinstance(topic, str) else ""
