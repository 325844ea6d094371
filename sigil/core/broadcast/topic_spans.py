"""Topic spans: which of some hundreds of frames that follow each other are on which topic, and how
many bytes they are.

Theory: the ring is read for subscribers of few topics, and most of what is stored may be on others.
So the frames of every few hundred are indexed, once, when they are stored: by topic their numbers
and their bytes in every encoding. What is asked of a span then costs what it finds there.

Rules: a span is made of all frames from one number up to another, and never changed. What it says
agrees with `matches`, which decides. It does not know the ring, nor where frames are stored.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Final, final

from pyrsistent import PMap, pmap

from ..topics import ALL_TOPICS, Topic
from ..value import Value
from ..websocket.frames import Opcode
from .encoding import ENCODING_INFO, Encoding
from .entry import Published, Subscription
from .position import next_frames_len


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
    """The frames from number `start` up to, without, `end`, by topic; `topics` are all of these."""

    __match_args__ = ("start", "end", "topics", "postings")
    __slots__ = __match_args__

    def __init__(
        self,
        start: int,
        end: int,
        topics: frozenset[Topic | None],
        postings: PMap[Topic | None, Postings],
    ) -> None:
        self.start: Final = start
        self.end: Final = end
        self.topics: Final = topics
        self.postings: Final = postings

    def __repr__(self) -> str:
        return f"TopicSpan({self.start} to {self.end}, {len(self.topics)} topics)"


def make_span(start: int, entries: Sequence[Published]) -> TopicSpan:
    """The span of these entries, which are numbered from `start` on."""
    groups: dict[Topic | None, list[int]] = {}
    for place, entry in enumerate(entries):
        topic = entry.topic
        if topic in groups:
            groups[topic].append(place)
        else:
            groups[topic] = [place]
    found = {topic: _make_postings(start, entries, places) for topic, places in groups.items()}
    return TopicSpan(start, start + len(entries), frozenset(groups), pmap(found, 2 * len(found)))


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
    subscription, in order.
    """
    found = [
        _between(_numbers(postings, subscription), start, end)
        for postings in _postings_of(span, subscription)
    ]
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


def last_of(span: TopicSpan, start: int, subscription: Subscription, count: int) -> Last:
    """The last `count` frames of a span that are for a subscription, or as many as there are from
    number `start` on.
    """
    parts = [
        (numbers, len(numbers) - bisect_left(numbers, start))
        for numbers in [_numbers(found, subscription) for found in _postings_of(span, subscription)]
    ]
    total = sum([length for _, length in parts])
    firsts = [numbers[-length] for numbers, length in parts if length]
    if total <= count:
        return Last(min(firsts, default=None), total)
    last = [
        number for numbers, length in parts if length for number in numbers[-min(length, count) :]
    ]
    return Last(sorted(last)[-count], count)


def length_in(span: TopicSpan, subscription: Subscription, epoch: int) -> int:
    """The bytes of all frames of a span that are for a subscription, as it is sent them in this
    epoch, positions included; those that were not encoded for it counted as plain frames.
    """
    length, encoding = 0, subscription.encoding
    is_text_only = ENCODING_INFO[encoding].is_text_only
    for postings in _postings_of(span, subscription):
        known = dict(postings.lengths).get(encoding)
        if known is not None:
            length += known
        elif postings.texts or not is_text_only:
            length += postings.length
        if subscription.has_positions:
            length += next_frames_len(epoch, _numbers(postings, subscription))
    return length


def _postings_of(span: TopicSpan, subscription: Subscription) -> Iterable[Postings]:
    """The postings of a span on the topics of a subscription."""
    if ALL_TOPICS in subscription.topics:
        return span.postings.values()
    topics = span.topics & subscription.topics
    found = [span.postings[topic] for topic in topics]
    if None in span.topics:
        found.append(span.postings[None])
    return found


def _numbers(postings: Postings, subscription: Subscription) -> tuple[int, ...]:
    """The numbers of those frames that the encoding of a subscription has at all."""
    is_text_only = ENCODING_INFO[subscription.encoding].is_text_only
    return postings.texts if is_text_only else postings.numbers


def _between(numbers: tuple[int, ...], start: int, end: int) -> tuple[int, ...]:
    """The numbers from `start` up to, without, `end`."""
    return numbers[bisect_left(numbers, start) : bisect_left(numbers, end)]
