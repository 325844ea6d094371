"""The ring and the stream over it, against a list that forgets nothing: what is kept, what is read,
who is where.
"""

import pytest

from sigil.core.broadcast.entry import Published
from sigil.core.broadcast.reading import ring_read
from sigil.core.broadcast.ring import (
    COMPACT_AT,
    Ring,
    make_ring,
    page_of,
    ring_append,
    ring_reserve,
)
from tests.support.core_broadcasts import NONE


def put(ring: Ring, *lengths: int) -> Ring:
    """The ring with frames of these lengths on one page more."""
    entries = tuple(Published(b"x" * length, None, ()) for length in lengths)
    return ring_append(ring_reserve(ring, len(entries), sum(lengths)), entries, sum(lengths))


def ones(count: int, size: int = 8) -> Ring:
    """A ring of so many bytes on which so many frames of one byte were published, each
    by itself.
    """
    ring = make_ring(size, 1_000)
    for _ in range(count):
        ring = put(ring, 1)
    return ring


@pytest.mark.parametrize(
    ("offset", "length", "clamp"),
    [
        (0, 8, 0),
        (6, 1, 0),
        (6, 2, 0),
        (7, 1, 0),
        (7, 2, 1),
        (8, 1, 1),
        (1, 8, 1),
        (7, 8, 7),
        (16, 8, 16),
        (5, 3, 0),
        (5, 4, 1),
        (13, 3, 8),
        (13, 4, 9),
    ],
)
def test_everything_below_the_clamp_is_let_go_and_nothing_else(
    offset: int, length: int, clamp: int
) -> None:
    ring = ring_reserve(ones(offset), 1, length)
    assert (ring.tail_offset, ring.tail_number) == (clamp, clamp)
    assert (ring.head_offset, ring.head_number) == (offset, offset)


def test_what_would_lose_a_byte_is_let_go_whole() -> None:
    ring = ring_reserve(put(put(make_ring(8, 100), 3, 3), 2), 1, 1)
    assert (ring.tail_offset, ring.tail_number) == (3, 1)


def test_frames_are_bounded_by_their_number_too() -> None:
    ring = put(put(make_ring(1_000, 3), 1, 1), 1, 1)
    assert (ring.tail_number, ring.head_number) == (1, 4)
    assert [number for number, _ in ring_read(ring, 1, 4, NONE)] == [1, 2, 3]


def test_a_frame_of_any_length_up_to_the_size_fits_at_any_offset() -> None:
    for length in range(1, 9):
        ring = make_ring(8, 1_000)
        for count in range(1, 50):
            ring = put(ring, length)
            assert ring.head_offset == count * length
            assert ring.head_offset - ring.tail_offset == min(count, 8 // length) * length


def test_a_page_is_found_by_any_number_on_it() -> None:
    ring = put(put(put(make_ring(6, 100), 1, 1), 1, 1, 1), 2)
    assert [page_of(ring, number) - ring.first_page for number in range(ring.tail_number, 8)] == [
        0,
        1,
        1,
        1,
        2,
        3,
        3,
    ]


def test_pages_behind_the_tail_are_let_go_at_once_and_their_places_in_time() -> None:
    ring = make_ring(2, 100)
    for count in range(3 * COMPACT_AT):
        ring = put(ring, 1)
        assert all(page is None for page in ring.pages[: ring.first_page])
        assert len(ring.pages) <= COMPACT_AT + 3, count


def test_the_same_ring_can_be_gone_on_from_twice() -> None:
    ring = put(make_ring(8, 100), 4, 4)
    left, right = put(ring, 8), put(ring, 1)
    assert [len(frame) for _, frame in ring_read(ring, 0, 2, NONE)] == [4, 4]
    assert [len(frame) for _, frame in ring_read(left, left.tail_number, 3, NONE)] == [8]
    assert [len(frame) for _, frame in ring_read(right, right.tail_number, 3, NONE)] == [4, 1]
