"""Replies to what was delivered: when they leave at once, when they wait for the flush, and that
what came in fragments, between pings or compressed is answered as anything else is.
"""

from collections.abc import Sequence

import pytest

from sigil.core.broadcast.encoding import Encoding, encode_message
from sigil.core.broadcast.entry import NO_OPTIONS
from sigil.core.connection.client import DELIVERING, IDLE_WEBSOCKET
from sigil.core.connection.outgoing import NOTHING_OUTGOING
from sigil.core.connection.send_queue import COPY_MAX, enqueue_messages
from sigil.core.connection.subscriber import LongFrame
from sigil.core.effects import Deliver, Effect, Send, Then
from sigil.core.events import Delivered, Publish
from sigil.core.limits import Limits
from sigil.core.server.fold import advance
from sigil.core.websocket.frames import encode_frame, encode_masked
from sigil.core.websocket.messages import BETWEEN_MESSAGES
from tests.support.core_driver import CONN, advance_by, client_of
from tests.support.core_websockets import (
    FLUSH,
    KEY,
    frames_of,
    open_websocket,
    ping,
    received,
    sending,
    text,
)

REPLY = Delivered(CONN, ((1, b"re"), (2, b"\x00")))
FRAMES = b"\x81\x02re\x82\x01\x00"


def sends(effects: Sequence[Effect]) -> list[tuple[bytes, ...]]:
    """The segments of each send, in order."""
    return [tuple(map(bytes, effect.segments)) for effect in effects if isinstance(effect, Send)]


@pytest.mark.parametrize(
    "data",
    [
        text("a"),
        encode_masked(1, b"", KEY, fin=False) + encode_masked(0, b"a", KEY),
        encode_masked(1, b"a", KEY, fin=False) + encode_masked(0, b"", KEY),
    ],
    ids=["whole", "empty first", "empty last"],
)
def test_an_idle_websocket_is_idle_again_when_it_was_answered(data: bytes) -> None:
    server, effects = advance_by(open_websocket(), received(data))
    assert effects == [Deliver(CONN, ("a",))]
    assert client_of(server).incoming is DELIVERING
    server, effects = advance_by(server, REPLY)
    assert effects == [Send(CONN, (FRAMES,), Then.KEEP)]
    client = client_of(server)
    assert client.incoming is IDLE_WEBSOCKET
    assert client.outgoing is NOTHING_OUTGOING
    assert client.websocket is not None
    assert client.websocket.reader is BETWEEN_MESSAGES
    assert advance_by(server, FLUSH)[1] == []


def test_pongs_leave_before_the_replies_and_with_them() -> None:
    server, _ = advance_by(open_websocket(), received(ping(b"p") + text("a") + ping(b"q")))
    server, effects = advance_by(server, REPLY)
    assert sends(effects) == [(b"\x8a\x01p\x8a\x01q", FRAMES)]
    assert advance_by(server, FLUSH)[1] == []


def test_replies_keep_their_place_behind_what_is_queued_and_what_is_published() -> None:
    server, _ = advance_by(open_websocket(), received(text("a")), sending("first"))
    server, effects = advance_by(server, REPLY)
    assert effects == []
    assert frames_of(advance_by(server, FLUSH)[1]) == [(1, b"first"), (1, b"re"), (2, b"\x00")]
    server, _ = advance_by(
        open_websocket(), received(text("a")), Publish(((1, b"all", None, NO_OPTIONS),))
    )
    server, effects = advance_by(server, REPLY)
    assert effects == []
    assert frames_of(advance_by(server, FLUSH)[1]) == [(1, b"all"), (1, b"re"), (2, b"\x00")]


def test_replies_wait_for_those_to_what_came_meanwhile() -> None:
    server, _ = advance_by(open_websocket(), received(text("a")), received(text("b")))
    server, effects = advance_by(server, REPLY)
    assert effects == [Deliver(CONN, ("b",))]
    server, effects = advance_by(server, REPLY)
    assert effects == []
    assert sends(advance_by(server, FLUSH)[1]) == [(FRAMES + FRAMES,)]


def test_replies_beyond_the_budget_wait_for_the_flush() -> None:
    server, _ = advance_by(open_websocket(Limits(max_outbox_len=6)), received(text("a")))
    server, effects = advance_by(server, REPLY)
    assert effects == []
    assert advance_by(server, FLUSH)[1][0] == Send(CONN, (FRAMES,), Then.KEEP)


def test_a_long_reply_is_not_copied() -> None:
    payload = b"x" * (COPY_MAX + 1)
    server, _ = advance_by(open_websocket(), received(text("a")))
    _, effects = advance(server, (Delivered(CONN, ((2, payload),)),))
    (send,) = effects
    assert isinstance(send, Send)
    assert send.segments[1] is payload


@pytest.mark.parametrize("encoding", [Encoding.PLAIN, Encoding.DEFLATE_15, Encoding.ZSTD])
def test_messages_are_queued_as_each_would_be_by_itself(encoding: Encoding) -> None:
    sizes = (0, 1, 125, 126, 200, 201, 2_047, 2_048, COPY_MAX, COPY_MAX + 1, 70_000, 3)
    messages = [(1 + size % 2, b"%d" % (size % 7) * size) for size in sizes]
    queue, added_len = enqueue_messages((encode_frame(1, b"before"),), messages, encoding)
    pieces = [
        (item.header + item.payload) if isinstance(item, LongFrame) else item for item in queue
    ]
    expected = b"".join(encode_message(*message, encoding) for message in messages)
    assert b"".join(map(bytes, pieces)) == encode_frame(1, b"before") + expected  # type: ignore[arg-type]
    assert added_len == len(expected)


def test_a_binary_message_is_nothing_for_an_event_stream() -> None:
    assert enqueue_messages((), ((2, b"x"),), Encoding.SSE) == ((), 0)
    assert enqueue_messages((), ((2, b"x"), (1, b"y")), Encoding.SSE) == ((b"data: y\n\n",), 9)
