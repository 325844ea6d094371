"""The queue of a conversation: frames in order, few pieces, large payloads untouched and
never parted from their headers, pongs before it.
"""

import re
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sigil import Request, Response
from sigil.core.broadcast.broadcast import make_broadcast
from sigil.core.broadcast.encoding import Encoding
from sigil.core.broadcast.entry import Published, Subscription
from sigil.core.broadcast.ring import ring_append, ring_reserve
from sigil.core.connection.client import Client as ClientRecord
from sigil.core.connection.client import make_client
from sigil.core.connection.client_status import has_unsent, outbox_len, websocket_of
from sigil.core.connection.send_queue import COPY_MAX, append_frames, dequeue, enqueue
from sigil.core.connection.subscriber import (
    CloseState,
    Follow,
    LongFrame,
    Queue,
    item_len,
    make_subscriber,
)
from sigil.core.connection.websocket_send import flush_messages
from sigil.core.connection.websocket_state import make_websocket
from sigil.core.effects import Send, Then
from sigil.core.limits import Limits
from sigil.core.server.slots import clients_of
from sigil.core.websocket.frames import encode_frame
from sigil.testing import Client
from tests.support.core_driver import CONN, PEER
from tests.support.core_websockets import PLAIN, frames_in

SIZES = st.sampled_from((0, 1, 5, 125, 126, 1_000, COPY_MAX - 4, COPY_MAX, COPY_MAX + 1, 70_000))
DATA = st.tuples(st.sampled_from((1, 2)), SIZES)
CONTROL = st.tuples(st.sampled_from((8, 9, 10)), st.integers(0, 125))
SAYINGS = st.lists(st.one_of(DATA, CONTROL), max_size=40)
EMPTY = make_broadcast(Limits(outgoing_buffer_sz=1_000, max_ws_send_frame_cnt=10))
NOBODY = make_subscriber(Subscription(Encoding.PLAIN, frozenset()), None)


def pieces(queue: Queue) -> list[bytes]:
    """What is in a queue to which nothing was published."""
    return [
        piece
        for item in queue
        if not isinstance(item, Follow)
        for piece in (
            (item.header, item.payload) if isinstance(item, LongFrame) else (bytes(item),)
        )
    ]


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
    for item in (queue[-1], enqueue(queue, 1, b"after")[-2]):
        assert isinstance(item, LongFrame)
        assert item.payload is payload


@pytest.mark.parametrize("room", [1, 5, 6, 15, 16, 17, 20_000])
def test_a_long_frame_is_taken_whole_or_not_at_all(room: int) -> None:
    frame = LongFrame(b"\x82\x7e\x40\x01", bytes(COPY_MAX + 1))
    subscriber = NOBODY.replace(queue=(b"first", frame, frame), queued_len=5 + 2 * item_len(frame))
    dequeued = dequeue(CONN, subscriber, EMPTY, room)
    rest = dequeued.subscriber
    sent = b"".join(dequeued.segments)
    assert sent == b"first" + (2 - len(rest.queue)) * (frame.header + frame.payload)
    assert len(sent) + rest.queued_len == subscriber.queued_len


PONG = encode_frame(10, b"p")


@pytest.mark.parametrize("room", [-5, 0, 1, 99])
def test_the_answer_to_a_ping_goes_first_and_waits_for_no_room(room: int) -> None:
    assert dequeue(CONN, NOBODY, EMPTY, room).segments == ()
    assert dequeue(CONN, NOBODY, EMPTY, room, PONG).segments == (PONG,)
    dequeued = dequeue(CONN, NOBODY.replace(queue=(encode_frame(1, b"said"),)), EMPTY, room, PONG)
    assert frames_in(b"".join(dequeued.segments))[0] == (10, b"p")


def test_behind_a_close_frame_goes_no_answer_to_a_ping() -> None:
    closing = NOBODY.replace(close_state=CloseState.CLOSING)
    assert dequeue(CONN, closing, EMPTY, 99, PONG).segments == ()


def test_an_answer_to_a_ping_that_was_sent_is_due_no_more() -> None:
    client = make_client(CONN, PEER).replace(
        subscriber=NOBODY,
        websocket=make_websocket(PLAIN).replace(pongs=PONG),
    )
    assert has_unsent(client)
    after, effects = flush_messages(client, EMPTY, Limits())
    assert effects == [Send(CONN, (PONG,), Then.KEEP)]
    assert websocket_of(after).pongs == b""
    assert not has_unsent(after)


def skipping(request: Request) -> Response:
    if request.path == "/news":
        return Response.sse(slow="skip")
    return Response.upgrade(slow="skip", after="")


@pytest.mark.parametrize("path", ["/chat", "/news"])
def test_who_skips_and_reads_little_is_sent_messages_between_gaps_and_nothing_piles_up(
    path: str,
) -> None:
    client = Client(skipping, limits=Limits(outgoing_buffer_sz=1_000, max_outbox_len=200))
    if path == "/chat":
        slow = client.websocket(path, window_len=400).connection
    else:
        slow = client.connect(window_len=400)
        slow.request("GET", path)
    slow.read(400)
    held = []
    for number in range(400):
        client.server.broadcast(f"{number:90}")
        client.run_until_idle()
        slow.read(40)
        held.append(outbox_len(only_client(client)))
    text = slow.received.decode("latin-1")
    gaps, messages = text.count('"missed":'), len(re.findall(r" \d+", text))
    assert client.stats().skips >= gaps > 10
    assert messages > gaps
    assert max(held) <= 200 + 2 * 130  # a message, and a gap


def only_client(client: Client) -> ClientRecord:
    """The record of the one who is there."""
    (found,) = clients_of(client.state.slots)
    return found


@pytest.mark.parametrize("room", [-5, 0])
def test_who_has_no_room_is_moved_on_later(room: int) -> None:
    ring = EMPTY.ring
    for number in range(20):
        frame = encode_frame(1, b"%90d" % number)
        ring = ring_reserve(ring, 1, len(frame))
        ring = ring_append(ring, (Published(frame, None, ()),), len(frame))
    moved = EMPTY.replace(ring=ring)
    behind = NOBODY.replace(cursor=0, is_behind=True)
    assert ring.tail_number > 0
    dequeued = dequeue(CONN, behind, moved, room)
    assert (dequeued.segments, dequeued.subscriber.cursor, dequeued.is_cut) == ((), 0, True)
    later = dequeue(CONN, dequeued.subscriber, moved, 1)
    assert later.subscriber.cursor == ring.tail_number + 1
