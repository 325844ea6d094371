"""The ring: what was published last, as frames in order, in memory that does not grow.

Theory: a stream is one gapless sequence of frames, each with a number and an offset that never repeat.  What is kept
of it is its end: so many bytes and so many frames.  Publishing adds at the head and lets go at the tail; whoever still
needs what is let go is too slow, and must be told so before.

Rules: the tail is exact: a frame is kept as long as it fits whole within `size` bytes and `most` frames behind the
head.  A frame is stored once, however many will be sent it, and never copied.  Frames that were published together
stand on one page; pages are the unit of memory.  Outside, a place behind a frame is a position: the epoch, which no
other stream has, and how many frames there were.  It does not know who reads.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

from pyrsistent import PVector, pvector

from .encoding import Encoding, recode
from .frame import Opcode

Topics = frozenset[str]
EVERY_TOPIC = "*"
"""Who hears this one hears all of them."""


Entry: TypeAlias = tuple[bytes, str | None, tuple[tuple[Encoding, bytes], ...]]
"""One published frame, plain; whom it is for: those who hear its topic, or everybody for None; and the same in the
encodings that were listened in.  A plain tuple, because one is made for every message."""


class Hearing(NamedTuple):
    """How somebody hears a stream: in which encoding, and which topics."""

    encoding: Encoding
    topics: Topics


def is_for(entry: Entry, hearing: Hearing) -> bool:
    """True if an entry is for somebody: on a topic that is heard, and of a kind that can be said so."""
    frame, topic, _ = entry
    return ((topic is None or topic in hearing.topics or EVERY_TOPIC in hearing.topics)
            and (hearing.encoding is not Encoding.SSE or frame[0] & 0x0F == Opcode.TEXT))


def heard(entry: Entry, hearing: Hearing, ring: "Ring", number: int) -> bytes:
    """The frame of an entry for somebody, which is nothing for whom it is not; `number` is what it has on the ring.

    What nobody listened to in an encoding when it was published is encoded now: only who asks for history needs that.
    """
    if not is_for(entry, hearing):
        return b""
    frame, _, others = entry
    if hearing.encoding is Encoding.PLAIN:
        return frame
    for encoding, other in others:
        if encoding is hearing.encoding:
            return other
    return recode(frame, hearing.encoding, position_after(ring, number))


def entry_len(entry: Entry) -> int:
    """Bytes of an entry in all its encodings; one that is the plain frame again takes nothing."""
    frame, _, others = entry
    return len(frame) + sum([len(other) for _, other in others if other is not frame]) if others else len(frame)


class Page(NamedTuple):
    """Entries that were published together, `length` bytes of frames; `number` is that of the first."""

    number: int
    entries: tuple[Entry, ...]
    length: int


class Ring(NamedTuple):
    """The last frames of a stream.

    Numbers count frames, offsets bytes, both since the beginning; the tail's are those of the first frame that is kept,
    the head's those of the next one to come.  `first` is the index of the tail's page; `epoch` tells the numbers of
    this stream from those of others.
    """

    size: int
    most: int
    pages: PVector[Page | None]
    first: int
    tail_number: int
    tail_offset: int
    head_number: int
    head_offset: int
    epoch: int


COMPACT_AT = 256
"""Pages behind the tail after which the vector is cut: rarely enough to cost nothing."""


def make_ring(size: int, most: int, epoch: int = 0) -> Ring:
    """A ring that keeps up to `size` bytes in up to `most` frames."""
    return Ring(size, most, pvector(), 0, 0, 0, 0, 0, epoch)


def position_after(ring: Ring, number: int) -> str:
    """Where in the stream somebody is who has heard all up to the frame with this number; -1 is before the first."""
    return f"{ring.epoch}-{number + 1}"


_POSITION = re.compile(r"([0-9]{1,18})-([0-9]{1,15})")


def read_position(text: str) -> tuple[int, int] | None:
    """The epoch of a position, and the number of the frame that follows; None if it is none."""
    match = _POSITION.fullmatch(text)
    return None if match is None else (int(match[1]), int(match[2]))


def append(ring: Ring, entries: tuple[Entry, ...], length: int) -> Ring:
    """The ring with these frames of `length` bytes at its head; `make_room` has let go what no longer fits."""
    size, most, pages, first, tail_number, tail_offset, number, offset, epoch = ring
    return Ring(size, most, pages.append(Page(number, entries, length)), first, tail_number, tail_offset,
                number + len(entries), offset + length, epoch)


def skip(ring: Ring, count: int) -> Ring:
    """The ring after frames that nobody will be sent: they have numbers, and what was kept before is not kept on."""
    number, offset = ring.head_number + count, ring.head_offset
    return Ring(ring.size, ring.most, pvector(), 0, number, offset, number, offset, ring.epoch)


def make_room(ring: Ring, count: int, length: int) -> Ring:
    """The ring with its tail where it must be before `count` more frames of `length` bytes are added."""
    size, most, pages, first, number, offset, head_number, head_offset, epoch = ring
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
    return Ring(size, most, pages, first, number, offset, head_number, head_offset, epoch)


def read(ring: Ring, start: int, end: int, hearing: Hearing) -> Iterator[tuple[int, bytes]]:
    """The frames from number `start` up to `end` that somebody is sent, with their numbers."""
    for index in range(page_of(ring, start), len(ring.pages)):
        page = ring.pages[index]
        assert page is not None
        if page.number >= end:
            return
        for number, entry in enumerate(page.entries, page.number):
            frame = heard(entry, hearing, ring, number) if start <= number < end else b""
            if frame:
                yield number, frame


def last_of(ring: Ring, hearing: Hearing, count: int) -> int | None:
    """The number of the last but `count` frame for somebody, or of the first of fewer; None if there is none."""
    found = None
    for index in range(len(ring.pages) - 1, ring.first - 1, -1):
        page = ring.pages[index]
        assert page is not None
        for at in range(len(page.entries) - 1, -1, -1):
            number = page.number + at
            if number < ring.tail_number or not count:
                return found
            if is_for(page.entries[at], hearing):
                found, count = number, count - 1
    return found


def page_of(ring: Ring, number: int) -> int:
    """The index of the page that holds this number, by bisection; the number of pages if none does."""
    low, high = ring.first, len(ring.pages)
    while low < high:
        middle = (low + high) // 2
        page = ring.pages[middle]
        assert page is not None
        if page.number + len(page.entries) <= number:
            low = middle + 1
        else:
            high = middle
    return low
