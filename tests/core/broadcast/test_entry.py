"""Entries and the ring as a notebook sees them: made from plain values, and shown in one line."""

from sigil.core.broadcast.broadcast import append_pending, make_broadcast
from sigil.core.broadcast.encoding import ENCODING_INFO, Encoding
from sigil.core.broadcast.entry import Published, Subscription, entries_len, plain_entries
from sigil.core.broadcast.ring import make_ring, ring_append, ring_read, ring_reserve
from sigil.core.limits import Limits


def test_a_ring_is_filled_and_read_in_a_few_lines() -> None:
    ring = make_ring(max_bytes=1024, max_frames=8)
    entries = plain_entries([(1, b"hello", None), (2, b"x" * 3_000, "news")])[:1]
    ring = ring_reserve(ring, len(entries), entries_len(entries))
    ring = ring_append(ring, entries, entries_len(entries))
    assert list(ring_read(ring, 0, 1, Subscription())) == [(0, b"\x81\x05hello")]


def test_what_is_kept_is_shown_in_one_short_line() -> None:
    (short,) = plain_entries([(1, b"hello", None)])
    assert repr(short) == r"Published(b'\x81\x05hello', topic=None, encodings=())"
    long = Published(b"x" * 1_000, "news", ((Encoding.ZSTD, b"y" * 1_000),))
    assert repr(long) == f"Published({b'x' * 32!r}... (1000 bytes), topic='news', encodings=(ZSTD))"
    broadcast = append_pending(make_broadcast(Limits(), 7), (short,) * 100, 700)
    ring = ring_append(make_ring(1024, 8), (short,), 7)
    assert repr(ring) == (
        "Ring(1 of 8 frames, 7 of 1024 bytes, tail_number=0, head_number=1, epoch=0)"
    )
    assert repr(ring.pages[0]) == "Page(1 frames from 0, 7 bytes)"
    assert repr(broadcast).endswith("100 pending, 0 subscribers in 0 cohorts, 0 laggards)")


def test_every_encoding_has_its_row() -> None:
    assert set(ENCODING_INFO) == set(Encoding)
