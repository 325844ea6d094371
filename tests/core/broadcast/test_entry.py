"""Entries of the ring: for whom they are, in which encoding, and the position behind each."""

import pytest

from sigil.core.broadcast.broadcast import (
    append_pending,
    count_subscribers,
    make_broadcast,
)
from sigil.core.broadcast.encode import encode_entries
from sigil.core.broadcast.encoding import ENCODING_INFO, Encoding, recode
from sigil.core.broadcast.entry import (
    NO_OPTIONS,
    Published,
    Subscription,
    entries_len,
    entry_len,
    frame_for,
    matches,
    plain_entries,
)
from sigil.core.broadcast.reading import ring_read
from sigil.core.broadcast.ring import make_ring, ring_append, ring_reserve
from sigil.core.limits import Limits
from sigil.core.topics import ALL_TOPICS, Topic
from sigil.core.websocket.frames import encode_frame

LONG = b"all work and no play " * 20
TEXT, BINARY, FOR_ALL = plain_entries(
    ((1, LONG, "news", NO_OPTIONS), (2, LONG, "news", NO_OPTIONS), (1, LONG, None, NO_OPTIONS))
)
DEFLATED = Encoding.DEFLATE_9


def subscription(encoding: Encoding, *topics: Topic) -> Subscription:
    """A subscription to these topics."""
    return Subscription(encoding, frozenset(topics))


@pytest.mark.parametrize("encoding", Encoding)
def test_an_entry_is_for_those_on_its_topic_or_on_every_topic(encoding: Encoding) -> None:
    assert matches(TEXT, subscription(encoding, "news", "sport"))
    assert matches(TEXT, subscription(encoding, ALL_TOPICS))
    assert not matches(TEXT, subscription(encoding, "sport"))
    assert not matches(TEXT, subscription(encoding, "*"))
    assert not matches(TEXT, subscription(encoding))


@pytest.mark.parametrize("encoding", Encoding)
def test_an_entry_without_a_topic_is_for_everybody(encoding: Encoding) -> None:
    assert matches(FOR_ALL, subscription(encoding))


@pytest.mark.parametrize("encoding", Encoding)
def test_binary_data_cannot_be_sent_as_a_server_sent_event(encoding: Encoding) -> None:
    assert matches(BINARY, subscription(encoding, "news")) is (encoding is not Encoding.SSE)


@pytest.mark.parametrize("encoding", Encoding)
def test_a_frame_is_encoded_when_it_is_read_if_it_was_not_when_it_was_published(
    encoding: Encoding,
) -> None:
    counted = count_subscribers(make_broadcast(Limits(), 7), Subscription(DEFLATED), 1)
    (encoded,) = encode_entries((TEXT,), counted)
    for entry in (TEXT, encoded):
        frame = frame_for(entry, subscription(encoding, "news"), 7, 0)
        assert frame == recode(encode_frame(1, LONG), encoding, "7-1")
    assert frame_for(TEXT, subscription(encoding, "sport"), 7, 0) == b""


def test_the_length_of_an_entry_is_that_of_all_its_encodings() -> None:
    plain = encode_frame(1, LONG)
    deflated = recode(plain, DEFLATED, "0-1")
    counted = count_subscribers(make_broadcast(Limits()), Subscription(DEFLATED), 1)
    (encoded,) = encode_entries((TEXT,), counted)
    assert entry_len(TEXT) == len(plain)
    assert entry_len(encoded) == len(plain) + len(deflated)


def test_an_encoding_that_changes_nothing_takes_nothing() -> None:
    counted = count_subscribers(make_broadcast(Limits()), Subscription(DEFLATED), 1)
    (encoded,) = encode_entries(plain_entries(((1, b"x", None, NO_OPTIONS),)), counted)
    assert entry_len(encoded) == len(encode_frame(1, b"x"))


# -- in a notebook cell ----------------------------------------------------------------------------


def test_a_ring_is_filled_and_read_in_a_few_lines() -> None:
    ring = make_ring(max_bytes=1024, max_frames=8)
    entries = plain_entries(
        [(1, b"hello", None, NO_OPTIONS), (2, b"x" * 3_000, "news", NO_OPTIONS)]
    )[:1]
    ring = ring_reserve(ring, len(entries), entries_len(entries))
    ring = ring_append(ring, entries, entries_len(entries))
    assert list(ring_read(ring, 0, 1, Subscription())) == [(0, b"\x81\x05hello")]


def test_what_is_kept_is_shown_in_one_short_line() -> None:
    (short,) = plain_entries([(1, b"hello", None, NO_OPTIONS)])
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
