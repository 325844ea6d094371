"""The ring: what was published last, as frames in order, in memory that does not grow.

Theory: a stream is one gapless sequence of frames, each with a number and an offset that never
repeat. What is kept of it is its end: so many bytes and so many frames. Publishing adds at the head
and lets go at the tail; whoever still needs what is let go is too slow, and must be told so before.

Rules: the tail is exact: a frame is kept as long as it fits whole within `max_bytes` bytes and
`max_frames` frames behind the head. A frame is stored once, however many will be sent it, and never
copied. Frames that were published together stand on one page; pages are the unit of memory. Which
topics some hundreds of frames are on is noted, so that who hears little costs little, whatever else
there is. Outside, a place behind a frame is a position: the epoch, which no other stream has, and
how many frames there were. It does not know who reads.
"""

from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple

from pyrsistent import PVector, pvector

from ..websocket.frames import Opcode
from .encoding import Encoding
from .entry import EVERY_TOPIC, Published, Subscription, entry_len, frame_for, matches


class Page(NamedTuple):
    """Entries that were published together, `body_length` bytes of frames; `number` is that of the
    first.
    """

    number: int
    entries: tuple[Published, ...]
    length: int


TOPIC_SPAN_FRAMES = 256
"""Frames that are noted together, at least: a ring full of them has few stretches, and each is
walked through soon.
"""


class TopicSpan(NamedTuple):
    """Frames from one number up to another: the topics of the texts among them, and of the others."""

    start: int
    end: int
    texts: frozenset[str | None]
    others: frozenset[str | None]


class Ring(NamedTuple):
    """The last frames of a stream.

    Numbers count frames, offsets bytes, both since the beginning; the tail's are those of the first
    frame that is kept, the head's those of the next one to come. `first_page` is the index of the
    tail's page; `epoch` tells the numbers of this stream from those of others. `topic_spans` note
    what there is up to `indexed_number`.
    """

    max_bytes: int
    max_frames: int
    pages: PVector[Page | None]
    first_page: int
    tail_number: int
    tail_offset: int
    head_number: int
    head_offset: int
    epoch: int
    topic_spans: PVector[TopicSpan]
    indexed_number: int


COMPACT_AT = 256
"""Pages behind the tail after which the vector is cut: rarely enough to cost nothing."""


def make_ring(max_bytes: int, max_frames: int, epoch: int = 0) -> Ring:
    """A ring that keeps up to `max_bytes` bytes in up to `max_frames` frames."""
    return Ring(max_bytes, max_frames, pvector(), 0, 0, 0, 0, 0, epoch, pvector(), 0)


def ring_append(ring: Ring, entries: tuple[Published, ...], length: int) -> Ring:
    """The ring with these frames of `body_length` bytes at its head; `ring_reserve` has let go what
    no longer fits.
    """
    size, most, pages, first, tail_number, tail_offset, number, offset, epoch, stretches, noted = (
        ring
    )
    end = number + len(entries)
    ring = Ring(
        size,
        most,
        pages.append(Page(number, entries, length)),
        first,
        tail_number,
        tail_offset,
        end,
        offset + length,
        epoch,
        stretches,
        noted,
    )
    return ring if end - noted < TOPIC_SPAN_FRAMES else _index_topics(ring)


def _index_topics(ring: Ring) -> Ring:
    """The ring with a stretch of all that was not noted before, and without those that are not kept
    any more.
    """
    start, end = max(ring.indexed_number, ring.tail_number), ring.head_number
    texts, others = set[str | None](), set[str | None]()
    for _, (frame, topic, _) in _walk(ring, start, end):
        (texts if frame[0] & 0x0F == Opcode.TEXT else others).add(topic)
    old = bisect_right(ring.topic_spans, ring.tail_number, key=_end_of)
    stretches = ring.topic_spans[old:].append(
        TopicSpan(start, end, frozenset(texts), frozenset(others))
    )
    return ring._replace(topic_spans=stretches, indexed_number=end)


def _end_of(span: TopicSpan) -> int:
    return span.end


def ring_skip(ring: Ring, count: int) -> Ring:
    """The ring after frames that nobody will be sent: they have numbers, and what was kept before
    is not kept on.
    """
    number, offset = ring.head_number + count, ring.head_offset
    return Ring(
        ring.max_bytes,
        ring.max_frames,
        pvector(),
        0,
        number,
        offset,
        number,
        offset,
        ring.epoch,
        pvector(),
        number,
    )


def ring_reserve(ring: Ring, count: int, length: int) -> Ring:
    """The ring with its tail where it must be before `count` more frames of `body_length` bytes are
    added.
    """
    size, most, pages, first, number, offset, head_number, head_offset, epoch, stretches, noted = (
        ring
    )
    least_offset, least_number = head_offset + length - size, head_number + count - most
    if offset >= least_offset and number >= least_number:
        return ring
    while number < head_number and (offset < least_offset or number < least_number):
        page = pages[first]
        assert page is not None
        end = page.number + len(page.entries)
        if number == page.number and (offset + page.length <= least_offset or end <= least_number):
            number, offset = end, offset + page.length
        else:
            offset += entry_len(page.entries[number - page.number])
            number += 1
        if number == end:
            pages = pages.set(first, None)
            first += 1
    if first >= COMPACT_AT:
        pages, first = pages[first:], 0
    return Ring(
        size, most, pages, first, number, offset, head_number, head_offset, epoch, stretches, noted
    )


def ring_read(
    ring: Ring, start: int, end: int, subscription: Subscription
) -> Iterator[tuple[int, bytes]]:
    """The frames from number `start` up to `end` that somebody is sent, with their numbers."""
    for first, last in _spans(ring, start, end, subscription):
        for number, entry in _walk(ring, first, last):
            frame = frame_for(entry, subscription, ring.epoch, number)
            if frame:
                yield number, frame


def first_matching(ring: Ring, start: int, end: int, subscription: Subscription) -> int | None:
    """The number of the first frame from number `start` up to `end` that is for somebody; None if
    there is none.
    """
    for first, last in _spans(ring, start, end, subscription):
        for number, entry in _walk(ring, first, last):
            if matches(entry, subscription):
                return number
    return None


def last_matching(ring: Ring, subscription: Subscription, count: int) -> int | None:
    """The number of the last but `count` frame for somebody, or of the first of fewer; None if
    there is none.
    """
    found = None
    for start, end in reversed([*_spans(ring, ring.tail_number, ring.head_number, subscription)]):
        numbers = [
            number for number, entry in _walk(ring, start, end) if matches(entry, subscription)
        ][-count:]
        found, count = numbers[0] if numbers else found, count - len(numbers)
        if not count:
            break
    return found


def _spans(
    ring: Ring, start: int, end: int, subscription: Subscription
) -> Iterator[tuple[int, int]]:
    """Where from number `start` up to `end` there may be something for somebody: pairs like these
    two.
    """
    for index in range(bisect_right(ring.topic_spans, start, key=_end_of), len(ring.topic_spans)):
        span = ring.topic_spans[index]
        if span.start >= end:
            return
        if may_match(span, subscription):
            yield max(start, span.start), min(end, span.end)
    if ring.indexed_number < end:
        yield max(start, ring.indexed_number), end


def may_match(span: TopicSpan, subscription: Subscription) -> bool:
    """False if no frame of a stretch is for somebody."""
    topics = subscription.topics
    kinds = (span.texts,) if subscription.encoding is Encoding.SSE else (span.texts, span.others)
    if EVERY_TOPIC in topics:
        return any(kinds)
    return any(None in kind or not kind.isdisjoint(topics) for kind in kinds)


def _walk(ring: Ring, start: int, end: int) -> Iterator[tuple[int, Published]]:
    """All entries from number `start` up to `end`, with their numbers."""
    for index in range(page_of(ring, start), len(ring.pages)):
        page = ring.pages[index]
        assert page is not None
        if page.number >= end:
            return
        for number, entry in enumerate(page.entries, page.number):
            if start <= number < end:
                yield number, entry


def page_of(ring: Ring, number: int) -> int:
    """The index of the page that holds this number, by bisection; the number of pages if none does."""
    low, high = ring.first_page, len(ring.pages)
    while low < high:
        middle = (low + high) // 2
        page = ring.pages[middle]
        assert page is not None
        if page.number + len(page.entries) <= number:
            low = middle + 1
        else:
            high = middle
    return low
