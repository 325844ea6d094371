"""Messages to one client: their frames, their statuses, and how many there is room for."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sigil.core.conn import Conn
from sigil.core.connection.websocket_send import buffered_amount, send_capacity
from sigil.core.effects import Send
from sigil.core.events import Stalled, Writable
from sigil.core.limits import Limits
from sigil.core.send_status import SendStatus
from sigil.core.server.slots import find_client
from tests.support.core_driver import CONN, advance_by, bytes_of
from tests.support.core_websockets import (
    FLUSH,
    STALE,
    close,
    frames_in,
    frames_of,
    open_websocket,
    pair,
    received,
    sending,
)

SUCCESS, BACKPRESSURE, DROPPED = SendStatus.SUCCESS, SendStatus.BACKPRESSURE, SendStatus.DROPPED


def test_what_is_said_leaves_in_one_piece_when_the_turn_is_over() -> None:
    server, effects = advance_by(open_websocket(), sending("a"), sending(b"\x00", "b"))
    assert effects == []
    assert buffered_amount(find_client(server.slots, CONN), server.broadcast) > 0
    server, effects = advance_by(server, FLUSH)
    assert len(effects) == 1
    assert frames_of(effects) == [(1, b"a"), (2, b"\x00"), (1, b"b")]
    assert buffered_amount(find_client(server.slots, CONN), server.broadcast) == 0
    assert advance_by(server, FLUSH)[1] == []


def test_a_large_message_is_not_copied() -> None:
    payload = b"x" * 2**20
    _, effects = advance_by(open_websocket(), sending(payload), FLUSH)
    assert any(
        segment is payload
        for effect in effects
        if isinstance(effect, Send)
        for segment in effect.segments
    )


@pytest.mark.parametrize(
    "length", [0, 1, 125, 126, 2_047, 2_048, 4_095, 4_096, 16_384, 16_385, 65_535, 65_536]
)
def test_frames_of_all_lengths_are_whole(length: int) -> None:
    _, effects = advance_by(
        open_websocket(), sending("before"), sending(b"x" * length), sending("after"), FLUSH
    )
    assert frames_of(effects) == [(1, b"before"), (2, b"x" * length), (1, b"after")]


def test_the_status_is_what_becomes_of_it() -> None:
    server = open_websocket(Limits(max_ws_outbox_len=1_000))
    assert send_capacity(find_client(server.slots, CONN), server.limits)[0] is SUCCESS
    server, _ = advance_by(server, Stalled(CONN, 0, (b"x" * 500,)))
    assert send_capacity(find_client(server.slots, CONN), server.limits)[0] is BACKPRESSURE
    server, _ = advance_by(server, Stalled(CONN, 0, (b"x" * 500,)))
    assert send_capacity(find_client(server.slots, CONN), server.limits)[0] is DROPPED
    server, effects = advance_by(server, FLUSH, Writable(CONN), FLUSH)
    assert bytes_of(effects) == b"x" * 1_000


@pytest.mark.parametrize(
    "conn", [STALE, Conn(7, 7), Conn(2, 2)], ids=["successor", "nobody", "no websocket"]
)
def test_a_message_to_nobody_is_dropped(conn: Conn) -> None:
    server = pair()
    client = find_client(server.slots, conn)
    assert (send_capacity(client, server.limits)[0], buffered_amount(client, server.broadcast)) == (
        DROPPED,
        0,
    )
    assert advance_by(server, sending("x", conn=conn), FLUSH)[1] == []


def test_a_message_to_who_is_leaving_is_dropped() -> None:
    server, _ = advance_by(open_websocket(), received(close(b"\x03\xe8")))
    assert send_capacity(find_client(server.slots, CONN), server.limits)[0] is DROPPED
    assert bytes_of(advance_by(server, sending("x"), FLUSH)[1]) == b""


def test_while_there_is_room_a_message_of_any_length_may_be_said_and_the_next_one_may_not() -> None:
    server = open_websocket(Limits(max_ws_outbox_len=1_000))
    assert send_capacity(find_client(server.slots, CONN), server.limits) == (SUCCESS, 1_000, False)
    server, _ = advance_by(server, sending(b"x" * 5_000))
    assert send_capacity(find_client(server.slots, CONN), server.limits) == (DROPPED, 0, False)
    assert frames_of(advance_by(server, FLUSH)[1]) == [(2, b"x" * 5_000)]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 400), min_size=1, max_size=12))
def test_messages_are_taken_whole_and_in_order_until_there_is_no_room(lengths: list[int]) -> None:
    server, sent = open_websocket(Limits(max_ws_outbox_len=1_000)), list[bytes]()
    for number, length in enumerate(lengths):
        if send_capacity(find_client(server.slots, CONN), server.limits)[1] > 0:
            sent.append(bytes([number]) * length)
            server, _ = advance_by(server, sending(bytes([number]) * length))
    assert frames_of(advance_by(server, FLUSH)[1]) == [(2, payload) for payload in sent]


def test_what_was_promised_is_kept_though_the_kernel_has_taken_less_since() -> None:
    server = open_websocket(Limits(max_ws_outbox_len=1_000))
    assert send_capacity(find_client(server.slots, CONN), server.limits) == (SUCCESS, 1_000, False)
    server, _ = advance_by(server, Stalled(CONN, 0, (b"x" * 1_000,)), sending("promised"))
    assert frames_in(bytes_of(advance_by(server, Writable(CONN), FLUSH)[1])[1_000:]) == [
        (1, b"promised")
    ]
