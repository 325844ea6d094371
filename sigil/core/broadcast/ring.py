"""The ring: the last frames that were published, in order, in memory that does not grow.

Theory: a stream is one gapless sequence of frames, each with a number and an offset in bytes that
never repeat. The ring has its end: so many bytes and so many frames. Publishing adds at the head
and drops at the tail; a subscriber that still needs what is dropped is too slow, and has to be
dropped first.

Rules: the tail is exact: a frame is stored as long as it fits whole within `max_bytes` bytes and
`max_frames` frames behind the head. A frame is stored once, however many will be sent it, and never
copied. Frames that were published together are on one page; pages are the unit of memory. The
frames of every few hundred are indexed by topic, and of those published with `latest` it is known
which are the newest, so that reading for a subscriber costs what there is for it, however much is
passed over.

It does not know who reads, nor what (`reading`). In a notebook:

    ring = make_ring(max_bytes=1024, max_frames=8)
    entries = plain_entries([(1, b"hello", None, NO_OPTIONS)])
    ring = ring_reserve(ring, len(entries), entries_len(entries))
    ring = ring_append(ring, entries, entries_len(entries))
    list(ring_read(ring, 0, 1, Subscription())) == [(0, b"\\x81\\x05hello")]
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from math import isqrt
from typing import Final, final

from pyrsistent import PMap, PVector, pmap, pvector

from ..topics import Topic
from ..value import Value
from .entry import Published, entry_len
from .latest import NOTHING_LATEST, LatestIndex, add_latest, forget_latest
from .numbering import OWN, Numbering, own_number, public_number, taken_over
from .position import format_position, format_start
from .recoding import NOTHING_RECODED, Recoded
from .topic_spans import TopicSpan, make_span


@final
class Page(Value):
    """Entries that were published together: `length` bytes in all, the first with this number."""

    __match_args__ = ("number", "entries", "length")
    __slots__ = __match_args__

    def __init__(self, number: int, entries: tuple[Published, ...], length: int) -> None:
        self.number: Final = number
        self.entries: Final = entries
        self.length: Final = length

    def __repr__(self) -> str:
        return f"Page({len(self.entries)} frames from {self.number}, {self.length} bytes)"


TOPIC_SPAN_FRAMES: Final = 256
"""Frames that are indexed together, at least. On a ring of more than the square of this it is the
root of its frames: then there are as many spans to pass as frames behind the last one to walk
through.
"""


@final
class Ring(Value):
    """The last frames of a stream, within `max_bytes` bytes and `max_frames` frames.

    Numbers count frames and offsets count bytes, both from the begin of the stream: the tail's are
    those of the first frame that is stored, the head's those of the next one to come. `first_page`
    is the index of the tail's page; pages before it are None. `epoch` tells the numbers of this
    stream from those of others. `topic_spans` index the frames before `indexed_number`, and
    `topic_starts` has by topic the starts of those spans that have a frame on it, not counting
    what was published with `latest`: of that, `latest` has the newest. All that was published from
    `ordinary_end` on was so. `recoded` has what was encoded after it was published;
    `numbering` says which numbers positions have.
    """

    __match_args__ = (
        "max_bytes", "max_frames", "pages", "first_page", "tail_number", "tail_offset",
        "head_number", "head_offset", "epoch", "topic_spans", "topic_starts",
        "indexed_number", "recoded", "latest", "ordinary_end", "numbering",
    )  # fmt: skip
    __slots__ = __match_args__

    def __init__(
        self,
        max_bytes: int,
        max_frames: int,
        pages: PVector[Page | None],
        first_page: int,
        tail_number: int,
        tail_offset: int,
        head_number: int,
        head_offset: int,
        epoch: int,
        topic_spans: PVector[TopicSpan],
        topic_starts: PMap[Topic | None, tuple[int, ...]],
        indexed_number: int,
        recoded: Recoded,
        latest: LatestIndex,
        ordinary_end: int,
        numbering: Numbering,
    ) -> None:
        self.max_bytes: Final = max_bytes
        self.max_frames: Final = max_frames
        self.pages: Final = pages
        self.first_page: Final = first_page
        self.tail_number: Final = tail_number
        self.tail_offset: Final = tail_offset
        self.head_number: Final = head_number
        self.head_offset: Final = head_offset
        self.epoch: Final = epoch
        self.topic_spans: Final = topic_spans
        self.topic_starts: Final = topic_starts
        self.indexed_number: Final = indexed_number
        self.recoded: Final = recoded
        self.latest: Final = latest
        self.ordinary_end: Final = ordinary_end
        self.numbering: Final = numbering

    @property
    def span_frames(self) -> int:
        """Frames that are indexed together."""
        return max(TOPIC_SPAN_FRAMES, isqrt(self.max_frames))

    def __repr__(self) -> str:
        return (
            f"Ring({self.head_number - self.tail_number} of {self.max_frames} frames, "
            f"{self.head_offset - self.tail_offset} of {self.max_bytes} bytes, "
            f"tail_number={self.tail_number}, head_number={self.head_number}, epoch={self.epoch})"
        )


COMPACT_AT: Final = 256
"""Pages behind the tail after which the vector is cut: rarely enough to cost nothing."""


FRAMES_MAX: Final = 1_024
"""Frames up to which a subscriber is sent at once what was published: tiny ones cost time, not
room.
"""


# -- writing ---------------------------------------------------------------------------------------


def make_ring(max_bytes: int, max_frames: int, epoch: int = 0) -> Ring:
    """An empty ring for up to `max_bytes` bytes in up to `max_frames` frames."""
    return Ring(
        max_bytes, max_frames, pvector(), 0, 0, 0, 0, 0, epoch, pvector(), pmap(), 0,
        NOTHING_RECODED, NOTHING_LATEST, 0, OWN,
    )  # fmt: skip


def ring_append(ring: Ring, entries: tuple[Published, ...], length: int) -> Ring:
    """The ring with these entries of `length` bytes at its head; `ring_reserve` has made room."""
    number, end = ring.head_number, ring.head_number + len(entries)
    pages = ring.pages.append(Page(number, entries, length))
    tail = (ring.first_page, ring.tail_number, ring.tail_offset)
    head = (end, ring.head_offset + length)
    ring = _with_pages(ring, pages, tail, head, _ordinary_end(ring, entries, end))
    return ring if end - ring.indexed_number < ring.span_frames else _index_topics(ring)


def _ordinary_end(ring: Ring, entries: tuple[Published, ...], end: int) -> int:
    """The number behind the last entry that was not published with `latest`, when these entries are
    appended, which end at this number.
    """
    for entry in reversed(entries):
        if not entry.options.latest:
            return end
        end -= 1
    return ring.ordinary_end


def _with_pages(
    ring: Ring,
    pages: PVector[Page | None],
    tail: tuple[int, int, int],
    head: tuple[int, int],
    ordinary_end: int,
) -> Ring:
    """The ring with other pages, another tail (index of its page, number, offset), another head
    (number, offset), and where what is not `latest` ends now.
    """
    return Ring(
        ring.max_bytes, ring.max_frames, pages, tail[0], tail[1], tail[2], head[0], head[1],
        ring.epoch, ring.topic_spans, ring.topic_starts, ring.indexed_number, ring.recoded,
        ring.latest, ordinary_end, ring.numbering,
    )  # fmt: skip


def _index_topics(ring: Ring) -> Ring:
    """The ring with a span for all that was not indexed, and without the spans behind the tail."""
    start, end = max(ring.indexed_number, ring.tail_number), ring.head_number
    span = make_span(start, [entry for _, entry in walk(ring, start, end)])
    first = bisect_right(ring.topic_spans, ring.tail_number, key=end_of)
    return ring.replace(
        topic_spans=ring.topic_spans[first:].append(span),
        topic_starts=_topic_starts(ring, ring.topic_spans[:first], span),
        indexed_number=end,
    )


def _topic_starts(
    ring: Ring, dropped: Iterable[TopicSpan], added: TopicSpan
) -> PMap[Topic | None, tuple[int, ...]]:
    """The starts of spans by topic, without those that are dropped and with one that is added."""
    starts, changed = ring.topic_starts, dict[Topic | None, tuple[int, ...]]()
    for span in dropped:
        for topic in span.topics:
            changed[topic] = changed.get(topic, starts[topic])[1:]  # the oldest is dropped first
    for topic in added.topics:
        changed[topic] = (*changed.get(topic, starts.get(topic, ())), added.start)
    evolver = starts.evolver()
    for topic, remaining in changed.items():
        if remaining:
            evolver[topic] = remaining
        else:
            evolver.remove(topic)
    return evolver.persistent()


def end_of(span: TopicSpan) -> int:
    """The number behind a span."""
    return span.end


def with_latest(ring: Ring, entries: tuple[Published, ...], first_number: int) -> Ring:
    """The ring when these entries are published, which are numbered from `first_number` on and come
    to be on it later: what they supersede is not sent any more to whoever is behind.
    """
    latest = add_latest(ring.latest, entries, first_number)
    return ring if latest is ring.latest else ring.replace(latest=latest)


def ring_skip(ring: Ring, count: int) -> Ring:
    """The ring after `count` frames that nobody will be sent: they have numbers and no bytes, and
    nothing is stored any more.
    """
    number, offset = ring.head_number + count, ring.head_offset
    return ring.replace(
        pages=pvector(),
        first_page=0,
        tail_number=number,
        tail_offset=offset,
        head_number=number,
        topic_spans=pvector(),
        topic_starts=pmap(),
        indexed_number=number,
        latest=NOTHING_LATEST,
    )


def ring_restart(ring: Ring, epoch: int, public: int) -> Ring:
    """The ring when its stream is taken over from another server, or goes on behind a gap: nothing
    is stored, and the position before the next message has this number in this epoch. Whoever was
    at the head before is behind the tail now.
    """
    number = max(ring.head_number + 1, public)
    emptied = ring_skip(ring, number - ring.head_number)
    numbering = taken_over(ring.numbering, ring.epoch, number, public)
    return emptied.replace(epoch=epoch, numbering=numbering, recoded=NOTHING_RECODED)


def ring_reserve(ring: Ring, count: int, length: int) -> Ring:
    """The ring with its tail moved so far that `count` frames of `length` bytes can be appended."""
    min_offset = ring.head_offset + length - ring.max_bytes
    min_number = ring.head_number + count - ring.max_frames
    if ring.tail_offset >= min_offset and ring.tail_number >= min_number:
        return ring
    return _with_tail(ring, min_number, min_offset)


def _with_tail(ring: Ring, min_number: int, min_offset: int) -> Ring:
    """The ring without the frames below this number and offset, as far as there are any."""
    pages, first_page = ring.pages, ring.first_page
    number, offset, head_number = ring.tail_number, ring.tail_offset, ring.head_number
    while number < head_number and (offset < min_offset or number < min_number):
        page = pages[first_page]
        assert page is not None
        end, end_offset = page.number + len(page.entries), offset + page.length
        # A page of which nothing is dropped yet, and which goes as a whole, needs no look at its
        # entries.
        if number == page.number and (end_offset <= min_offset or end <= min_number):
            number, offset = end, end_offset
        else:
            offset += entry_len(page.entries[number - page.number])
            number += 1
        if number == end:
            pages = pages.set(first_page, None)
            first_page += 1
    if first_page >= COMPACT_AT:
        pages, first_page = pages[first_page:], 0
    tail, head = (first_page, number, offset), (head_number, ring.head_offset)
    moved = _with_pages(ring, pages, tail, head, ring.ordinary_end)
    latest = forget_latest(ring.latest, number)
    return moved if latest is ring.latest else moved.replace(latest=latest)


# -- positions -------------------------------------------------------------------------------------


def position_at(ring: Ring, number: int) -> str:
    """The position before the message with this number: what a client is told that has all that is
    before it.
    """
    epoch, numbering = ring.epoch, ring.numbering
    if number < numbering.began_at and numbering.before is not None:
        epoch, numbering = numbering.epoch_before, numbering.before
    return format_position(epoch, max(0, public_number(numbering, number)) - 1)


def start_at(ring: Ring, number: int, retained_from: int) -> str:
    """The position before the message with this number, of somebody who has of what is retained
    only what was published before message `retained_from`.
    """
    numbering = ring.numbering
    first = max(0, public_number(numbering, retained_from))
    return format_start(ring.epoch, public_number(numbering, number), first)


def missed_between(ring: Ring, start: int, end: int) -> int | None:
    """How many messages were published from one number up to another; None if nobody knows, since
    they are of two streams, or the upstream went back: what is told is never below 0.
    """
    epoch, numbering = ring.epoch, ring.numbering
    if start < numbering.began_at and numbering.before is not None:
        epoch, numbering = numbering.epoch_before, numbering.before
    if epoch != ring.epoch:
        return None
    missed = public_number(ring.numbering, end) - public_number(numbering, start)
    return missed if missed >= 0 else None


def retained_start(ring: Ring, number: int) -> int:
    """The number of the first message that may be retained, and that somebody lacks who has all
    that was published before this number.
    """
    numbering = ring.numbering
    if number >= numbering.began_at or numbering.before is None:
        return number
    if numbering.epoch_before != ring.epoch:
        return 0
    return own_number(numbering, public_number(numbering.before, number))


# -- by number -------------------------------------------------------------------------------------


def entries_at(ring: Ring, numbers: Iterable[int]) -> Iterator[tuple[int, Published]]:
    """The entries with these numbers, which are in order and stored, with them."""
    index = page_end = -1
    page: Page | None = None
    for number in numbers:
        if number >= page_end:
            index = index + 1 if number == page_end else page_of(ring, number)
            page = ring.pages[index]
            assert page is not None
            page_end = page.number + len(page.entries)
        assert page is not None
        yield number, page.entries[number - page.number]


def walk(ring: Ring, start: int, end: int) -> Iterator[tuple[int, Published]]:
    """All entries from number `start` up to, without, `end`, each with its number."""
    for index in range(page_of(ring, start), len(ring.pages)):
        page = ring.pages[index]
        assert page is not None
        if page.number >= end:
            return
        for number, entry in enumerate(page.entries, page.number):
            if start <= number < end:
                yield number, entry


def page_of(ring: Ring, number: int) -> int:
    """The index of the page that has this number, by bisection; the number of pages if none has."""
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
