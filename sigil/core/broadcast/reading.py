"""What is read from the ring: the frames for a subscriber, from one number up to another.

Theory: there are two readings. Whoever keeps up is sent all that was published. To whoever is
behind, less is due: of what was published with `latest` only the newest (`latest`). What is due
next, how many bytes, and from where on, is answered from the indexes of the ring.

Rules: nobody is sent what it is excluded from; `conn` is who reads, if it is known. What is due is
in the order in which it was published. Reading costs what is found: frames on other topics are
passed over by the index of topics, superseded ones by that of the newest. Only the frames that are
not indexed yet, some hundreds, are looked at one by one. It does not know how far anybody has read.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from heapq import merge

from ..conn import Conn
from ..topics import ALL_TOPICS
from .entry import (
    NO_OPTIONS,
    Published,
    Subscription,
    frame_for,
    frame_len_for,
    is_excluded,
    matches,
    position_for,
)
from .latest import is_superseded, last_latest, latest_between
from .numbering import public_number, public_numbers
from .position import next_frame, next_frames_len
from .recoding import encode_anew, recoding_cost, stored_frame
from .ring import Ring, end_of, entries_at, walk
from .topic_spans import TopicSpan, last_of, length_in, matching, matching_all

# -- all that was published ------------------------------------------------------------------------


def ring_read(
    ring: Ring, start: int, end: int, subscription: Subscription, conn: Conn | None = None
) -> Iterator[tuple[int, bytes]]:
    """The frames from number `start` up to, without, `end` for a subscription, with their numbers,
    superseded ones too.

    `start` is not below the tail.
    """
    for number, entry in entries_published(ring, start, end, subscription, conn):
        public = public_number(ring.numbering, number)
        yield number, frame_for(entry, subscription, ring.epoch, public)


def read_encoded(
    ring: Ring, entries: Iterator[tuple[int, Published]], subscription: Subscription
) -> Iterator[tuple[int, bytes | None]]:
    """The frames of some entries, with their numbers, as far as they are encoded or may be in this
    tick; None in the place of the first one that may not, which is the last.
    """
    encoding, allowance = subscription.encoding, ring.recoded.allowance
    for number, entry in entries:
        frame = stored_frame(entry, number, encoding, ring.recoded)
        if frame is None:
            if allowance <= 0:
                yield number, None
                return
            public = public_number(ring.numbering, number)
            frame = encode_anew(entry, public, encoding, ring.epoch)
            allowance -= recoding_cost(entry)
        yield number, frame


def entries_published(
    ring: Ring, start: int, end: int, subscription: Subscription, conn: Conn | None = None
) -> Iterator[tuple[int, Published]]:
    """All entries from number `start` up to, without, `end` for a subscription, with their numbers,
    superseded ones too.
    """
    first = bisect_right(ring.topic_spans, start, key=end_of)
    for place in range(first, len(ring.topic_spans)):
        span = ring.topic_spans[place]
        if span.start >= end:
            return
        for number, entry in entries_at(ring, matching_all(span, start, end, subscription)):
            if not is_excluded(entry, conn):
                yield number, entry
    start = max(start, ring.indexed_number)
    if start < end:
        for number, entry in walk(ring, start, end):
            if matches(entry, subscription) and not is_excluded(entry, conn):
                yield number, entry


# -- what is due to one that is behind -------------------------------------------------------------


def first_due(
    ring: Ring, start: int, end: int, subscription: Subscription, conn: Conn | None = None
) -> int | None:
    """The number of the first frame that is due from number `start` up to, without, `end`; None if
    none is.
    """
    return next((number for number, _ in entries_due(ring, start, end, subscription, conn)), None)


def last_due(ring: Ring, subscription: Subscription, count: int) -> int | None:
    """The number of the first of the last `count` frames that are due to a subscription, or of as
    many as are stored; None if none is.
    """
    indexed_number = max(ring.indexed_number, ring.tail_number)
    numbers = [
        number
        for number, entry in walk(ring, indexed_number, ring.head_number)
        if matches(entry, subscription)
        and not is_superseded(ring.latest, number, entry, subscription)
    ][-count:]
    found, missing = next(iter(numbers), None), count - len(numbers)
    if not missing:
        return found
    newest = last_latest(ring.latest, ring.indexed_number, subscription, missing)
    newest = newest[bisect_left(newest, ring.tail_number) :]
    for index in reversed(_spans_due(ring, subscription, newest)):
        span = ring.topic_spans[index]
        if not missing or span.end <= ring.tail_number:
            break
        more = newest[bisect_left(newest, span.start) : bisect_left(newest, span.end)]
        last = last_of(span, ring.tail_number, subscription, missing, more)
        found = found if last.first is None else last.first
        missing -= last.found_count
    return found


def length_due(
    ring: Ring, start: int, end: int, subscription: Subscription, conn: Conn | None = None
) -> int:
    """The bytes of the frames that are due from number `start` up to, without, `end`, as they are
    sent; those that were not encoded for the subscription counted as plain frames.
    """
    end = min(end, ring.head_number)
    length, ordinary_end = 0, min(end, ring.ordinary_end)
    for span, span_start, span_end in _spans(ring, start, ordinary_end, subscription):
        if span is None:
            due = _walk_due(ring, span_start, span_end, subscription, conn)
            length += _length_of(ring, due, subscription, conn)
        elif (span.start, span.end) == (span_start, span_end):
            length += length_in(span, subscription, ring.epoch, ring.numbering)
            length -= _excluded_len(ring, span, subscription, conn)
        else:
            numbers = matching(span, span_start, span_end, subscription)
            length += _length_of(ring, entries_at(ring, numbers), subscription, conn)
    walked_end = max(start, ring.indexed_number, ordinary_end)
    for part in ((start, min(end, ring.indexed_number)), (walked_end, end)):
        newest = entries_at(ring, latest_between(ring.latest, *part, subscription))
        length += _length_of(ring, newest, subscription, conn)
    return length


def _length_of(
    ring: Ring,
    entries: Iterable[tuple[int, Published]],
    subscription: Subscription,
    conn: Conn | None,
) -> int:
    """The bytes of some entries as a subscription is sent them, positions included, without those
    that exclude who reads.
    """
    read = [(number, entry) for number, entry in entries if not is_excluded(entry, conn)]
    return entries_len_for(ring, read, subscription)


def entries_len_for(
    ring: Ring, entries: Sequence[tuple[int, Published]], subscription: Subscription
) -> int:
    """The bytes of these entries, which have numbers, as a subscription is sent them, positions
    included.
    """
    length = sum([frame_len_for(entry, subscription) for _, entry in entries])
    if subscription.is_relay:
        return length + sum(
            [len(position_before(ring, number, entry, subscription)) for number, entry in entries]
        )
    if subscription.has_positions:
        numbers = public_numbers(ring.numbering, [number for number, _ in entries])
        length += next_frames_len(ring.epoch, numbers)
    return length


def position_of(ring: Ring, number: int, subscription: Subscription) -> bytes:
    """What a subscriber that has asked for positions is sent before the frame with this number,
    which is stored.
    """
    if subscription.is_relay:
        _, entry = next(entries_at(ring, (number,)))
        return position_before(ring, number, entry, subscription)
    return next_frame(ring.epoch, public_number(ring.numbering, number))


def position_before(ring: Ring, number: int, entry: Published, subscription: Subscription) -> bytes:
    """What a subscriber is sent before the frame of the entry with this number."""
    if not subscription.has_positions:
        return b""
    public = public_number(ring.numbering, number)
    return position_for(entry, subscription, ring.epoch, public)


def _excluded_len(
    ring: Ring, span: TopicSpan, subscription: Subscription, conn: Conn | None
) -> int:
    """The bytes of the frames of a span that are for a subscription, and from which the one that
    reads is excluded.
    """
    numbers = () if conn is None else span.excluded.get(conn, ())
    found = [one for one in entries_at(ring, numbers) if matches(one[1], subscription)]
    return _length_of(ring, found, subscription, None)


def entries_due(
    ring: Ring, start: int, end: int, subscription: Subscription, conn: Conn | None = None
) -> Iterator[tuple[int, Published]]:
    """The entries that are due from number `start` up to, without, `end`, with their numbers."""
    end = min(end, ring.head_number)  # the newest may not be on the ring yet
    numbers = _numbers_due(ring, start, min(end, ring.indexed_number), subscription)
    for number, entry in entries_at(ring, numbers):
        if not is_excluded(entry, conn):
            yield number, entry
    start, ordinary_end = max(start, ring.indexed_number), min(end, ring.ordinary_end)
    if start < ordinary_end:
        yield from _walk_due(ring, start, ordinary_end, subscription, conn)
        start = ordinary_end
    if start < end:
        newest = latest_between(ring.latest, start, end, subscription)
        for number, entry in entries_at(ring, newest):
            if not is_excluded(entry, conn):
                yield number, entry


def _numbers_due(ring: Ring, start: int, end: int, subscription: Subscription) -> Iterable[int]:
    """The numbers of the entries that are due from `start` up to, without, `end`, all of which are
    indexed.
    """
    if start >= end:
        return ()
    numbers = _ordinary_numbers(ring, start, min(end, ring.ordinary_end), subscription)
    if not ring.latest.newest:
        return numbers
    return merge(numbers, latest_between(ring.latest, start, end, subscription))


def _ordinary_numbers(
    ring: Ring, start: int, end: int, subscription: Subscription
) -> Iterator[int]:
    """Those of the entries that were not published with `latest`, all of which are indexed."""
    for span, span_start, span_end in _spans(ring, start, end, subscription):
        if span is not None:
            yield from matching(span, span_start, span_end, subscription)


def _walk_due(
    ring: Ring, start: int, end: int, subscription: Subscription, conn: Conn | None
) -> Iterator[tuple[int, Published]]:
    """The entries that are due, found by a look at each from number `start` up to, without,
    `end`.
    """
    for number, entry in walk(ring, start, end):
        if matches(entry, subscription):
            if entry.options is not NO_OPTIONS and (
                is_excluded(entry, conn) or is_superseded(ring.latest, number, entry, subscription)
            ):
                continue
            yield number, entry


# -- by topic --------------------------------------------------------------------------------------


def _spans_due(ring: Ring, subscription: Subscription, newest: Sequence[int]) -> Sequence[int]:
    """The places of the spans on which something may be due, in order: by topic, and those that
    have one of the `newest` numbers.
    """
    places = _spans_with(ring, subscription)
    if not newest:
        return places
    found = {bisect_right(ring.topic_spans, number, key=end_of) for number in newest}
    return sorted(found.union(places))


def _spans_with(ring: Ring, subscription: Subscription) -> Sequence[int]:
    """The places of the spans on which a frame may be for a subscription, in order."""
    topics, spans = subscription.topics, ring.topic_spans
    if ALL_TOPICS in topics or len(topics) >= len(spans):
        return range(len(spans))
    starts = {start for topic in (None, *topics) for start in ring.topic_starts.get(topic, ())}
    if len(starts) == len(spans):
        return range(len(spans))
    return [bisect_left(spans, start, key=_start_of) for start in sorted(starts)]


def _spans(
    ring: Ring, start: int, end: int, subscription: Subscription
) -> Iterator[tuple[TopicSpan | None, int, int]]:
    """The parts of the numbers from `start` up to, without, `end` in which a frame may be for a
    subscription, in order, each with the span that it belongs to, None for what is not indexed.
    """
    first = bisect_right(ring.topic_spans, start, key=end_of)
    places: Sequence[int] = ()
    if first < len(ring.topic_spans):
        places = _spans_with(ring, subscription)
    for place in range(bisect_left(places, first), len(places)):
        span = ring.topic_spans[places[place]]
        if span.start >= end:
            return
        if span.topics:
            yield span, max(start, span.start), min(end, span.end)
    start = max(start, ring.indexed_number)
    if start < end:
        yield None, start, end


def _start_of(span: TopicSpan) -> int:
    """The number at which a span begins."""
    return span.start
