"""Topic spans: what they say of frames agrees with a look at each of them."""

from random import Random

import pytest

from sigil.core.broadcast.encoding import Encoding
from sigil.core.broadcast.entry import (
    Published,
    Subscription,
    frame_len_for,
    matches,
)
from sigil.core.broadcast.topic_spans import Last, last_of, length_in, make_span, matching
from sigil.core.topics import ALL_TOPICS
from sigil.core.websocket.frames import encode_frame

TOPICS = ("news", "sport", "rare", None)
SUBSCRIPTIONS = [
    Subscription(encoding, frozenset(topics))
    for encoding in (Encoding.PLAIN, Encoding.SSE, Encoding.DEFLATE_15)
    for topics in ((), ("news",), ("news", "rare"), ("nothing",), (ALL_TOPICS,))
]


def some_entries(dice: Random, count: int) -> list[Published]:
    """So many entries, some of which are binary, and the later ones in encodings."""
    entries = []
    for number in range(count):
        frame = encode_frame(dice.choice((1, 1, 2)), b"x" * dice.randint(0, 300))
        encodings: tuple[tuple[Encoding, bytes], ...] = ()
        if number > count // 2:
            event = b"data: x" if frame[0] == 0x81 else b""
            encodings = ((Encoding.SSE, event), (Encoding.DEFLATE_15, frame[:9]))
        entries.append(Published(frame, dice.choices(TOPICS, (9, 9, 1, 3))[0], encodings))
    return entries


@pytest.mark.parametrize("seed", range(20))
def test_a_span_agrees_with_a_look_at_each_frame(seed: int) -> None:
    dice = Random(seed)
    start, entries = dice.randint(0, 1_000), some_entries(dice, dice.randint(1, 60))
    span = make_span(start, entries)
    assert (span.start, span.end) == (start, start + len(entries))
    for subscription in SUBSCRIPTIONS:
        kept = [n for n, entry in enumerate(entries, start) if matches(entry, subscription)]
        low, high = sorted(dice.randint(start, span.end) for _ in range(2))
        found = matching(span, low, high, subscription)
        assert list(found) == [number for number in kept if low <= number < high]
        left = [number for number in kept if number >= low]
        for count in (1, 2, 5, 100):
            first = left[-count:][0] if left else None
            assert last_of(span, low, subscription, count) == Last(first, len(left[-count:]))


@pytest.mark.parametrize("encoding", [Encoding.PLAIN, Encoding.DEFLATE_15, Encoding.ZSTD])
def test_the_length_of_a_span_is_the_sum_of_what_is_sent_of_it(encoding: Encoding) -> None:
    entries = some_entries(Random(7), 200)
    span = make_span(3, entries)
    for topics in ((), ("news",), ("news", "rare"), (ALL_TOPICS,)):
        subscription = Subscription(encoding, frozenset(topics))
        sent = [
            frame_len_for(entry, subscription) for entry in entries if matches(entry, subscription)
        ]
        assert length_in(span, subscription, 7) == sum(sent)


def test_a_binary_message_is_nothing_in_an_event_stream_if_it_was_published_to_one() -> None:
    text, binary = encode_frame(1, b"hi"), encode_frame(2, b"hi")
    entries = [
        Published(text, None, ((Encoding.SSE, b"data: hi\n\n"),)),
        Published(binary, None, ((Encoding.SSE, b""),)),
    ]
    assert length_in(make_span(0, entries), Subscription(Encoding.SSE), 7) == len(b"data: hi\n\n")
    assert (
        length_in(make_span(0, [Published(binary, None, ())]), Subscription(Encoding.SSE), 7) == 0
    )
