"""What is remembered of the peer of a WebSocket, and how much of it."""

import pytest

from sigil.core.connection import websocket_state
from sigil.core.connection.websocket_state import (
    MESSAGE_BYTES,
    NOTHING_UNDELIVERED,
    WebSocket,
    count_controls,
    make_websocket,
    next_batch,
    park,
    take_all,
    take_batch,
    unread_len,
)
from sigil.core.limits import Limits
from sigil.core.websocket.fragments import CompressedMessage, FragmentedMessage
from sigil.core.websocket.frames import FrameRules, Opcode
from sigil.core.websocket.messages import (
    BETWEEN_MESSAGES,
    MessageReader,
    Ping,
    Pong,
)
from tests.support.builds import needs_pure_sources
from tests.support.records import updated, updates_of

RULES = FrameRules(1_000, 1_000)


def test_a_websocket_begins_between_messages_with_nothing_that_waits() -> None:
    websocket = make_websocket(RULES)
    assert (websocket.undelivered, websocket.reader) == (NOTHING_UNDELIVERED, BETWEEN_MESSAGES)


def test_what_came_and_is_no_message_yet_is_counted_wherever_it_is() -> None:
    websocket = make_websocket(RULES)
    assert unread_len(websocket) == 0
    message = FragmentedMessage(Opcode.TEXT, False, (b"abc", b"d"), 9, b"")
    reader = MessageReader(b"345", message, None, False)
    waiting = park(NOTHING_UNDELIVERED, ("12",))
    both = websocket.replace(undelivered=waiting, reader=reader)
    assert unread_len(both) == 7 + MESSAGE_BYTES + 2


def test_messages_wait_in_order_and_are_counted_with_their_objects() -> None:
    waiting = park(park(NOTHING_UNDELIVERED, ("a", b"bc")), ())
    waiting = park(waiting, (CompressedMessage(Opcode.TEXT, b"def"),))
    assert take_all(waiting) == ("a", b"bc", CompressedMessage(Opcode.TEXT, b"def"))
    assert waiting.length == 3 * MESSAGE_BYTES + 6


def test_so_many_are_delivered_together_that_replies_as_long_have_room() -> None:
    limits = Limits(max_ws_outbox_len=1_000 + 20, max_outbox_len=500)
    waiting = park(NOTHING_UNDELIVERED, ("12345", b"12345", "12345"))
    batch, rest = take_batch(waiting, limits)
    assert (batch, take_all(rest)) == (("12345", b"12345"), ("12345",))
    assert rest.messages is waiting.messages  # never copied when some are delivered
    assert rest.length == MESSAGE_BYTES + 5
    assert take_batch(rest, limits) == (("12345",), NOTHING_UNDELIVERED)
    assert take_all(park(rest, ("next",))) == ("12345", "next")


@pytest.mark.parametrize("length", [10, 10_000])
def test_new_messages_are_delivered_at_once_or_behind_those_that_wait(length: int) -> None:
    limits = Limits(max_ws_outbox_len=1_000 + 20_000, max_outbox_len=500)
    assert next_batch(NOTHING_UNDELIVERED, ("a", b"b"), length, limits) == (
        ("a", b"b"),
        NOTHING_UNDELIVERED,
    )
    waiting = park(NOTHING_UNDELIVERED, ("c",))
    assert next_batch(waiting, ("a",), length, limits) == (("c", "a"), NOTHING_UNDELIVERED)
    none = Limits(max_ws_outbox_len=0, max_outbox_len=0)
    batch, rest = next_batch(NOTHING_UNDELIVERED, ("a", b"b"), length, none)
    assert (batch, take_all(rest)) == (("a",), (b"b",))


@pytest.mark.parametrize(
    ("message", "length"),
    [
        ("a" * 17, 17),
        (b"a" * 17, 17),
        ("\u20ac" * 9, 36),
        (CompressedMessage(Opcode.TEXT, b"a"), 1_032),
    ],
)
def test_one_message_is_delivered_however_long_a_reply_may_be(
    message: str | bytes | CompressedMessage, length: int
) -> None:
    room = Limits(max_ws_outbox_len=2 * 4 + 2 * length, max_outbox_len=0)
    waiting = park(NOTHING_UNDELIVERED, (message, message))
    assert take_batch(waiting, room) == ((message, message), NOTHING_UNDELIVERED)
    for less in (room.max_ws_outbox_len - 1, 0):
        batch, rest = take_batch(waiting, room._replace(max_ws_outbox_len=less))
        assert (batch, take_all(rest)) == ((message,), (message,))


def test_pings_and_pongs_are_counted_by_the_second_and_what_is_behind_one_too_many_is_nothing() -> (
    None
):
    limits = Limits(max_ws_control_frames_per_second=3)
    websocket, two = make_websocket(RULES), (Ping(b""), "a", Pong(b""))
    assert count_controls(websocket, two, 10.0, limits) == (10.0, 2, two)
    websocket = websocket.replace(controls_since=10.0, controls=2)
    more = ("b", *two, "c")
    assert count_controls(websocket, more, 10.75, limits) == (10.0, 4, ("b", Ping(b""), "a"))
    assert count_controls(websocket, more, 11.0, limits) == (11.0, 2, more)


@needs_pure_sources
@pytest.mark.parametrize("name", updates_of(websocket_state, WebSocket))
def test_an_update_changes_the_fields_it_names_and_no_others(name: str) -> None:
    update = updated(getattr(websocket_state, name), WebSocket)
    assert update.changed - {"awaits_pong"} == update.named
    assert update.misplaced == set()
