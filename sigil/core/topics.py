"""Topics: the names that messages are published on, and `ALL_TOPICS`, which is no name.

Theory: topics may come from strangers, in a query for example, and whoever may choose a name must
not be able to choose more than that. So every str is an ordinary topic, `"*"` too, and who wants
all topics is subscribed to an object, which no text can be.

Rules: a message is published on a str or on none, a client is subscribed to any of these and to
`ALL_TOPICS`. There is one such object: it is itself also when it was pickled. It does not know who
is subscribed to what.
"""

from collections.abc import Iterable
from typing import Final, TypeAlias, final


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
Topics: TypeAlias = frozenset[Topic]


def in_order(topics: Iterable[Topic]) -> list[Topic]:
    """These topics in the order in which they are shown: `ALL_TOPICS`, then by name."""
    return sorted(topics, key=_order)


def names_of(topics: Iterable[Topic]) -> list[str]:
    """What these topics are shown as, in order."""
    return [str(topic) for topic in in_order(topics)]


def _order(topic: Topic) -> str:
    """What topics are sorted by; nothing but `ALL_TOPICS` is before the empty name."""
    return f"-{topic}" if isinstance(topic, str) else ""
