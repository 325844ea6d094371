"""Topic spans: which of some hundreds of frames that follow each other are on which topic, and how
many bytes they are.

Theory: the ring is read for subscribers of few topics, and most of what is stored may be on others.
So the frames of every few hundred are indexed, once, when they are stored: by topic their numbers
and their bytes in every encoding. What is asked of a span then costs what it finds there.

Rules: a span is made of all frames from one number up to another, and never changed. What it says
agrees with `matches`, which decides. What was published with `latest` is kept apart: which of it is
still the newest changes, and `latest` knows it. It does not know the ring, nor where frames are
stored.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Final, final

from pyrsistent import PMap, pmap

from ..conn import Conn
from ..topics import ALL_TOPICS, Topic
from ..value import Value
from ..websocket.frames import Opcode
from .encoding import ENCODING_INFO, Encoding
from .entry import Published, Subscription
from .numbering import OWN, Numbering, public_numbers
from .position import message_label, next_frames_len


@final
class Postings(Value):
    """The frames of a span that are on one topic.

    `numbers` are those of all of them, `texts` those of text messages. `length` is the bytes of
    their plain frames, `lengths` those in other encodings, a frame that was not encoded counted as
    it is.
    """

    __match_args__ = ("numbers", "texts", "length", "lengths")
    __slots__ = __match_args__

    def __init__(
        self,
        numbers: tuple[int, ...],
        texts: tuple[int, ...],
        length: int,
        lengths: tuple[tuple[Encoding, int], ...],
    ) -> None:
        self.numbers: Final = numbers
        self.texts: Final = texts
        self.length: Final = length
        self.lengths: Final = lengths


@final
class TopicSpan(Value):
    """The frames from number `start` up to, without, `end`, by topic.

    `postings` has those that were published without `latest`, on the `topics`, and `latest` the
    others; `excluded` has by connection the numbers of those in `postings` that it is excluded
    from.
    """

    __match_args__ = ("start", "end", "topics", "postings", "latest", "excluded")
    __slots__ = __match_args__

    def __init__(
        self,
        start: int,
        end: int,
        topics: frozenset[Topic | None],
        postings: PMap[Topic | None, Postings],
        latest: PMap[Topic | None, Postings],
        excluded: PMap[Conn, tuple[int, ...]],
    ) -> None:
        self.start: Final = start
        self.end: Final = end
        self.topics: Final = topics
        self.postings: Final = postings
        self.latest: Final = latest
        self.excluded: Final = excluded

    def __repr__(self) -> str:
        return f"TopicSpan({self.start} to {self.end}, {len(self.topics)} topics)"


def make_span(start: int, entries: Sequence[Published]) -> TopicSpan:
    """The span of these entries, which are numbered from `start` on."""
    groups: dict[Topic | None, list[int]] = {}
    latest: dict[Topic | None, list[int]] = {}
    excluded: dict[Conn, tuple[int, ...]] = {}
    for place, entry in enumerate(entries):
        topic, exclude = entry.topic, entry.options.exclude
        among = latest if entry.options.latest else groups
        if topic in among:
            among[topic].append(place)
        else:
            among[topic] = [place]
        if exclude is not None and among is groups:
            excluded[exclude] = (*excluded.get(exclude, ()), start + place)
    postings, apart = _by_topic(start, entries, groups), _by_topic(start, entries, latest)
    end = start + len(entries)
    return TopicSpan(start, end, frozenset(groups), postings, apart, pmap(excluded))


def _by_topic(
    start: int, entries: Sequence[Published], groups: dict[Topic | None, list[int]]
) -> PMap[Topic | None, Postings]:
    """The postings by topic of the entries at the places that are given by topic."""
    found = {topic: _make_postings(start, entries, places) for topic, places in groups.items()}
    return pmap(found, 2 * len(found))


def _make_postings(start: int, entries: Sequence[Published], places: list[int]) -> Postings:
    """The postings of those entries that are at these places behind `start`."""
    numbers, texts, length = list[int](), list[int](), 0
    more: dict[Encoding, int] = {}
    for place in places:
        entry = entries[place]
        frame = entry.frame
        numbers.append(start + place)
        if frame[0] & 0x0F == Opcode.TEXT:
            texts.append(start + place)
        length += len(frame)
        for encoding, encoded in entry.encodings:
            more[encoding] = more.get(encoding, 0) + len(encoded) - len(frame)
    all_numbers = tuple(numbers)
    all_texts = all_numbers if len(texts) == len(numbers) else tuple(texts)
    lengths = tuple([(encoding, length + extra) for encoding, extra in more.items()])
    return Postings(all_numbers, all_texts, length, lengths)


# -- what is asked ---------------------------------------------------------------------------------


def matching(span: TopicSpan, start: int, end: int, subscription: Subscription) -> Sequence[int]:
    """The numbers from `start` up to, without, `end` of the frames of a span that are for a
    subscription, in order; those published with `latest` are not among them.
    """
    return _in_order(_postings_of(span, subscription), start, end, subscription)


def matching_all(
    span: TopicSpan, start: int, end: int, subscription: Subscription
) -> Sequence[int]:
    """The numbers from `start` up to, without, `end` of all frames of a span that are for a
    subscription, in order.
    """
    postings = [*_postings_of(span, subscription), *_latest_of(span, subscription)]
    return _in_order(postings, start, end, subscription)


def _in_order(
    postings: Iterable[Postings], start: int, end: int, subscription: Subscription
) -> Sequence[int]:
    """The numbers in some postings from `start` up to, without, `end` that a subscription has."""
    found = [_between(_numbers(one, subscription), start, end) for one in postings]
    return found[0] if len(found) == 1 else sorted([number for part in found for number in part])


@final
class Last(Value):
    """The last frames of a span for somebody: the number of the first of them, None if there are
    none, and how many there are.
    """

    __match_args__ = ("first", "found_count")
    __slots__ = __match_args__

    def __init__(self, first: int | None, found_count: int) -> None:
        self.first: Final = first
        self.found_count: Final = found_count


def last_of(
    span: TopicSpan, start: int, subscription: Subscription, count: int, more: Sequence[int] = ()
) -> Last:
    """The last `count` frames of a span that are for a subscription, or as many as there are from
    number `start` on: of those that were published without `latest`, and of these numbers `more`.
    """
    found = [_numbers(postings, subscription) for postings in _postings_of(span, subscription)]
    parts = [
        (numbers, len(numbers) - bisect_left(numbers, start)) for numbers in (*found, tuple(more))
    ]
    total = sum([length for _, length in parts])
    firsts = [numbers[-length] for numbers, length in parts if length]
    if total <= count:
        return Last(min(firsts, default=None), total)
    last = [
        number for numbers, length in parts if length for number in numbers[-min(length, count) :]
    ]
    return Last(sorted(last)[-count], count)


def length_in(
    span: TopicSpan, subscription: Subscription, epoch: int, numbering: Numbering = OWN
) -> int:
    """The bytes of all frames of a span that are for a subscription, as it is sent them in this
    epoch, positions included, but those published with `latest`; those that were not encoded for it
    counted as plain frames.
    """
    length, encoding = 0, subscription.encoding
    is_text_only = ENCODING_INFO[encoding].is_text_only
    for topic, postings in _topics_of(span, subscription):
        known = dict(postings.lengths).get(encoding)
        if known is not None:
            length += known
        elif postings.texts or not is_text_only:
            length += postings.length
        if subscription.has_positions:
            numbers = public_numbers(numbering, _numbers(postings, subscription))
            length += next_frames_len(epoch, numbers, _label_len(topic, subscription))
    return length


def _label_len(topic: Topic | None, subscription: Subscription) -> int:
    """The bytes of what a relay is told of a message on this topic; of any other, none."""
    if not subscription.is_relay:
        return 0
    return len(message_label(topic if isinstance(topic, str) else None, False, False))


def _postings_of(span: TopicSpan, subscription: Subscription) -> Iterable[Postings]:
    """The postings of a span on the topics of a subscription, without `latest`."""
    if ALL_TOPICS in subscription.topics:
        return span.postings.values()
    return [postings for _, postings in _topics_of(span, subscription)]


def _topics_of(
    span: TopicSpan, subscription: Subscription
) -> Iterable[tuple[Topic | None, Postings]]:
    """The postings of a span on the topics of a subscription, without `latest`, with the topics."""
    if ALL_TOPICS in subscription.topics:
        return span.postings.items()
    topics: list[Topic | None] = [
        topic for topic in span.topics if topic is not None and topic in subscription.topics
    ]
    if None in span.topics:
        topics.append(None)
    return [(topic, span.postings[topic]) for topic in topics]


def _latest_of(span: TopicSpan, subscription: Subscription) -> Iterable[Postings]:
    """The postings of a span on the topics of a subscription, with `latest`."""
    if ALL_TOPICS in subscription.topics:
        return span.latest.values()
    if len(span.latest) <= len(subscription.topics):
        topics = subscription.topics
        return [found for topic, found in span.latest.items() if topic is None or topic in topics]
    known = [span.latest.get(topic) for topic in (None, *subscription.topics)]
    return [found for found in known if found is not None]


def _numbers(postings: Postings, subscription: Subscription) -> tuple[int, ...]:
    """The numbers of those frames that the encoding of a subscription has at all."""
    is_text_only = ENCODING_INFO[subscription.encoding].is_text_only
    return postings.texts if is_text_only else postings.numbers


def _between(numbers: tuple[int, ...], start: int, end: int) -> tuple[int, ...]:
    """The numbers from `start` up to, without, `end`."""
    return numbers[bisect_left(numbers, start) : bisect_left(numbers, end)]
