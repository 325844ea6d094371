"""The queue of a conversation: frames in order, few pieces, large payloads untouched, one pong at
the end of it.
"""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from sigil.core.broadcast.encoding import Encoding
from sigil.core.broadcast.entry import Subscription
from sigil.core.broadcast.ring import make_ring
from sigil.core.connection.client import has_unsent, make_client, websocket_of
from sigil.core.connection.send_queue import COPY_MAX, append_frames, dequeue, enqueue
from sigil.core.connection.subscriber import Follow, Queue, make_subscriber
from sigil.core.connection.websocket_send import flush_messages
from sigil.core.connection.websocket_state import NOTHING_UNDELIVERED, make_websocket, unread_len
from sigil.core.effects import Send, Then
from sigil.core.events import Delivered
from sigil.core.limits import Limits
from sigil.core.websocket.frames import encode_frame
from tests.support.core_driver import CONN, PEER, advance_by
from tests.support.core_websockets import (
    PLAIN,
    frames_in,
    open_websocket,
    ping,
    received,
    text,
    websocket_in,
)

SIZES = st.sampled_from((0, 1, 5, 125, 126, 1_000, COPY_MAX - 4, COPY_MAX, COPY_MAX + 1, 70_000))
DATA = st.tuples(st.sampled_from((1, 2)), SIZES)
CONTROL = st.tuples(st.sampled_from((8, 9, 10)), st.integers(0, 125))
SAYINGS = st.lists(st.one_of(DATA, CONTROL), max_size=40)
EMPTY = make_ring(1_000, 10)
NOBODY = make_subscriber(Subscription(Encoding.PLAIN, frozenset()), None)


def pieces(queue: Queue) -> list[bytes]:
    """What is in a queue to which nothing was published."""
    return [bytes(item) for item in queue if not isinstance(item, Follow)]


@settings(max_examples=150, deadline=None)
@given(SAYINGS)
def test_a_queue_is_its_frames_in_order(sayings: list[tuple[int, int]]) -> None:
    queue: Queue = ()
    for number, (opcode, size) in enumerate(sayings):
        queue = enqueue(queue, opcode, bytes([number]) * size)
    assert frames_in(b"".join(pieces(queue))) == [
        (opcode, bytes([number]) * size) for number, (opcode, size) in enumerate(sayings)
    ]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(1, 600), max_size=300))
def test_a_queue_of_small_frames_has_few_pieces(sizes: list[int]) -> None:
    queue: Queue = ()
    for size in sizes:
        queue = append_frames(queue, b"x" * size)
    assert sum(map(len, pieces(queue))) == sum(sizes)
    assert all(
        len(left) >= 2 * len(right) or len(left) + len(right) > COPY_MAX
        for left, right in pairwise(pieces(queue))
    )


def test_a_large_payload_is_never_copied() -> None:
    payload = b"x" * (COPY_MAX + 1)
    queue = enqueue(enqueue((), 1, b"before"), 2, payload)
    assert queue[-1] is payload
    assert enqueue(queue, 1, b"after")[-2] is payload


def test_the_answer_to_a_ping_is_one_frame_among_whole_others() -> None:
    assert dequeue(NOBODY, EMPTY, 99).segments == ()
    assert frames_in(b"".join(dequeue(NOBODY, EMPTY, 99, b"p").segments)) == [(10, b"p")]
    dequeued = dequeue(NOBODY._replace(queue=(encode_frame(1, b"said"),)), EMPTY, 99, b"")
    assert sorted(frames_in(b"".join(dequeued.segments))) == [(1, b"said"), (10, b"")]
    assert (dequeued.subscriber.queue, dequeued.is_all) == ((), True)


def test_an_answer_to_a_ping_that_was_sent_is_due_no_more() -> None:
    client = make_client(CONN, PEER)._replace(
        subscriber=NOBODY,
        websocket=make_websocket(PLAIN, b"")._replace(pong_payload=b"p"),
    )
    assert has_unsent(client)
    after, effects = flush_messages(client, EMPTY, Limits())
    assert effects == [Send(CONN, (encode_frame(10, b"p"),), Then.KEEP)]
    assert websocket_of(after).pong_payload is None
    assert not has_unsent(after)


def test_what_waits_behind_a_ping_is_never_copied_and_counted_without_looking_again() -> None:
    server, _ = advance_by(
        open_websocket(),
        received(b"".join(text(words) + ping() for words in ("one", "two", "three"))),
    )
    first = websocket_in(server)
    assert (first.undelivered.start, first.undelivered.length, unread_len(first)) == (1, 8, 8)
    server, _ = advance_by(server, Delivered(CONN))
    second = websocket_in(server)
    assert second.undelivered.items is first.undelivered.items
    assert (second.undelivered.start, unread_len(second)) == (3, 5)
    server, _ = advance_by(server, Delivered(CONN))
    assert unread_len(websocket_in(server)) == 0
    server, _ = advance_by(server, Delivered(CONN))
    assert websocket_in(server).undelivered is NOTHING_UNDELIVERED
