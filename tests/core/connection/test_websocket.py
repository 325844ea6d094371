"""A WebSocket in the core: what it hears, how it ends, and what is kept of it, in literal events.

What other clients make of it is in test_converse_oracles.
"""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings

from sigil.core.close_reasons import CloseReason
from sigil.core.connection.client import Client, Phase
from sigil.core.connection.transitions import TRANSITIONS
from sigil.core.connection.websocket_send import buffered_amount
from sigil.core.effects import CallWsClose, Deliver, Effect, Interest, Log, Send, Then, Watch
from sigil.core.events import Accepted, Delivered, Event, Received, SendMessages, Stalled, Writable
from sigil.core.http.head import parse_headers_only
from sigil.core.limits import Limits
from sigil.core.server import make_server, step
from sigil.core.server.batch import Batch
from sigil.core.server.slots import clients_of, find_client
from sigil.core.server.state import Server
from sigil.core.websocket.frames import encode_masked
from tests.support.core_driver import CONN, PEER, advance_by, at, bytes_of, client_of, same
from tests.support.core_websockets import (
    FLUSH,
    KEY,
    binary,
    close,
    close_notices,
    delivered_in,
    frames_of,
    open_websocket,
    ping,
    received,
    sending,
    text,
)
from tests.support.strategies import websocket_runs

BYE = b"\x03\xe8"


# -- hearing ---------------------------------------------------------------------------------------


def test_messages_of_one_read_are_handed_over_together_and_more_waits_for_the_program() -> None:
    server, effects = advance_by(open_websocket(), received(text("a") + binary(b"\x00") + text("")))
    assert effects == [Deliver(CONN, ("a", b"\x00", ""))]
    server, effects = advance_by(server, received(text("b")), received(text("c")))
    assert effects == []
    server, effects = advance_by(server, Delivered(CONN))
    assert effects == [Deliver(CONN, ("b", "c"))]
    assert advance_by(server, Delivered(CONN))[1] == []


def test_what_came_before_a_violation_is_answered_before_the_close_frame() -> None:
    server, effects = advance_by(open_websocket(), received(text("a") + b"\x81\x01b"))
    assert delivered_in(effects) == ["a"]
    _, effects = advance_by(server, sending("re"), Delivered(CONN))
    note, send, part = effects
    assert isinstance(note, Log)
    assert "WS_BAD_MASK" in note.text
    assert isinstance(send, Send)
    assert send.then is Then.SHUT
    (opcode, words), (last, payload) = frames_of(effects)
    assert (opcode, words, last, payload[:2]) == (1, b"re", 8, (1002).to_bytes(2))
    assert part == CallWsClose(CONN, CloseReason.WS_BAD_MASK, 1002)


def test_what_came_before_the_close_of_the_peer_is_answered_before_ours() -> None:
    server, _ = advance_by(open_websocket(), received(text("a") + close(b"\x0f\xa0bye")))
    _, effects = advance_by(server, sending("re"), Delivered(CONN))
    assert frames_of(effects) == [(1, b"re"), (8, b"\x0f\xa0")]
    assert close_notices(effects) == [(CloseReason.WS_PEER_CLOSED, 4000)]


def test_a_close_without_a_code_is_answered_without_one() -> None:
    _, effects = advance_by(open_websocket(), received(close()))
    assert frames_of(effects) == [(8, b"")]
    assert close_notices(effects) == [(CloseReason.WS_PEER_CLOSED, 1005)]


@pytest.mark.parametrize(
    ("data", "reason", "code"),
    [
        (b"\x81\x00", CloseReason.WS_BAD_MASK, 1002),
        (b"\x83\x80", CloseReason.WS_UNKNOWN_OPCODE, 1002),
        (b"\xc1\x80", CloseReason.WS_BAD_RSV, 1002),
        (b"\x80\x80", CloseReason.WS_EXPECTED_TEXT_OPCODE, 1002),
        (b"\x01\x80\x00\x00\x00\x00\x81", CloseReason.WS_EXPECTED_CONT_OPCODE, 1002),
        (b"\x09\x80", CloseReason.WS_FRAGMENTED_CONTROL, 1002),
        (b"\x89\xfe", CloseReason.WS_CONTROL_FRAME_TOO_LARGE, 1002),
        (b"\x82\xfe\x00\x7d", CloseReason.WS_NONMINIMAL_LENGTH, 1002),
        (b"\x82\xff\x80\x00\x00\x00\x00\x00\x00\x00", CloseReason.WS_OVERSIZE_FRAME, 1009),
        (encode_masked(1, b"\xff", KEY), CloseReason.WS_BAD_UTF8, 1007),
        (close(b"\x03"), CloseReason.WS_BAD_CLOSE_PAYLOAD, 1002),
        (close(b"\x03\xed"), CloseReason.WS_BAD_CLOSE_PAYLOAD, 1002),
        (close(b"\x03\xe8\xff"), CloseReason.WS_BAD_UTF8, 1007),
    ],
)
def test_every_violation_has_its_close_code_and_its_line_in_the_log(
    data: bytes, reason: CloseReason, code: int
) -> None:
    server, effects = advance_by(open_websocket(), received(data))
    note = effects[0]
    assert isinstance(note, Log)
    assert reason.name in note.text
    assert str(code) in note.text
    assert [(opcode, payload[:2]) for opcode, payload in frames_of(effects)] == [
        (8, code.to_bytes(2))
    ]
    assert close_notices(effects) == [(reason, code)]
    assert client_of(server).incoming.phase is Phase.LINGER


def test_limits_hold_at_the_bound_and_not_one_past_it_before_the_payload_comes() -> None:
    limits = Limits(max_ws_recv_frame_len=200, max_ws_message_len=300)
    assert delivered_in(advance_by(open_websocket(limits), received(binary(b"x" * 200)))[1]) == [
        b"x" * 200
    ]
    assert close_notices(advance_by(open_websocket(limits), received(b"\x82\xfe\x00\xc9"))[1]) == [
        (CloseReason.WS_OVERSIZE_FRAME, 1009)
    ]
    first = encode_masked(2, b"x" * 200, KEY, fin=False)
    assert delivered_in(
        advance_by(open_websocket(limits), received(first + encode_masked(0, b"y" * 100, KEY)))[1]
    ) == [b"x" * 200 + b"y" * 100]
    assert close_notices(advance_by(open_websocket(limits), received(first + b"\x80\xe5"))[1]) == [
        (CloseReason.WS_OVERSIZE_FRAME, 1009)
    ]


def test_a_program_that_is_slow_stops_the_reading_and_not_more_is_kept_than_that() -> None:
    server, _ = advance_by(open_websocket(), received(text("a")))
    count = 0
    while client_of(server).outgoing.interest & Interest.READ:
        server, _ = advance_by(server, received(binary(b"x" * 10_000)))
        count += 1
        assert count < 20
    server, effects = advance_by(server, Delivered(CONN))
    assert delivered_in(effects) == [b"x" * 10_000] * count
    assert Watch(CONN, Interest.READ) in effects


# -- pings -----------------------------------------------------------------------------------------


def test_each_ping_of_a_client_that_keeps_up_is_answered_once_in_order() -> None:
    server, effects = advance_by(
        open_websocket(), received(ping(b"1") + ping(b"2")), received(ping(b"3"))
    )
    assert effects == []
    server, effects = advance_by(server, FLUSH)
    assert frames_of(effects) == [(10, b"1"), (10, b"2"), (10, b"3")]
    assert advance_by(server, FLUSH)[1] == []


def test_pings_among_messages_do_not_part_them_and_are_answered_first() -> None:
    server, effects = advance_by(
        open_websocket(), received(ping(b"1") + text("a") + ping(b"2") + text("b"))
    )
    assert delivered_in(effects) == ["a", "b"]
    _, effects = advance_by(server, SendMessages(CONN, ((1, b"A"),)), Delivered(CONN), FLUSH)
    assert frames_of(effects) == [(10, b"1"), (10, b"2"), (1, b"A")]


@pytest.mark.parametrize("data", [ping(b"p") + text("a"), text("a") + ping(b"p")])
def test_a_ping_beside_a_message_is_answered_though_the_program_takes_its_time(
    data: bytes,
) -> None:
    server, effects = advance_by(open_websocket(), received(data), FLUSH)
    assert delivered_in(effects) == ["a"]
    assert frames_of(effects) == [(10, b"p")]
    _, effects = advance_by(server, received(ping(b"q")), FLUSH)
    assert frames_of(effects) == [(10, b"q")]


def test_a_client_that_is_behind_gets_one_pong_behind_what_it_has_begun_to_take() -> None:
    server, _ = advance_by(open_websocket(), Stalled(CONN, 0, (b"owed",)))
    server, effects = advance_by(server, received(ping(b"1")), FLUSH, received(ping(b"2")), FLUSH)
    assert bytes_of(effects) == b""
    server, effects = advance_by(server, Writable(CONN), FLUSH)
    assert bytes_of(effects) == b"owed\x8a\x012"
    assert advance_by(server, FLUSH)[1] == []


# -- signs of life ---------------------------------------------------------------------------------


def test_a_silent_peer_is_pinged_and_given_up_with_1011() -> None:
    server, effects = advance_by(open_websocket(), at(19.9), FLUSH)
    assert effects == []
    server, effects = advance_by(server, at(21.0), FLUSH)
    assert frames_of(effects) == [(9, b"")]
    _, effects = advance_by(server, at(43.0))
    assert frames_of(effects)[0][1][:2] == (1011).to_bytes(2)
    assert close_notices(effects) == [(CloseReason.WS_PONG_TIMEOUT, 1011)]


def test_any_byte_is_a_sign_of_life() -> None:
    server, _ = advance_by(open_websocket(), at(21.0), FLUSH, received(b"\x8a"), at(38.0))
    assert frames_of(advance_by(server, at(40.9), FLUSH)[1]) == []
    assert frames_of(advance_by(server, at(42.0), FLUSH)[1]) == [(9, b"")]


# -- bytes -----------------------------------------------------------------------------------------


def test_nothing_overtakes_what_was_not_taken() -> None:
    server, _ = advance_by(open_websocket(), sending("one"), FLUSH)
    server, _ = advance_by(server, Stalled(CONN, 2, (b"\x03one"[1:],)))
    server, effects = advance_by(
        server, sending("two"), received(ping(b"p")), FLUSH, received(close(BYE))
    )
    assert bytes_of(effects) == b""
    _, effects = advance_by(server, Writable(CONN))
    assert bytes_of(effects) == b"one\x8a\x01p\x81\x03two\x88\x02\x03\xe8"
    assert [effect.then for effect in effects if isinstance(effect, Send)] == [Then.SHUT]


def test_what_is_owed_to_a_client_is_counted_once() -> None:
    server, _ = advance_by(open_websocket(), Stalled(CONN, 0, (b"x" * 100_000,)), sending("hi"))
    assert 100_000 < buffered_amount(find_client(server.slots, CONN), server.broadcast) < 100_010


# -- the two ways to do the same -------------------------------------------------------------------


def slowly(
    server: Server, event: Delivered | SendMessages | Received
) -> tuple[Server, list[Effect]]:
    """One event by the general way only."""
    batch = Batch(server, parse_headers_only)
    client = find_client(server.slots, event.conn)
    if client is not None:
        batch.commit(client, TRANSITIONS[type(event)].apply(client, event, batch.context))
    return batch.finish()


def outcome(
    server: Server, effects: Sequence[Effect]
) -> tuple[list[bytes], list[str | bytes], list[Client]]:
    """What can be seen of an event when the turn is over: each client's bytes, messages, and the
    records, clocks apart.
    """
    server, more = advance_by(server, FLUSH)
    records = [client.replace(waiting_since=0.0) for client in clients_of(server.slots)]
    sent = [
        bytes_of(
            [effect for effect in (*effects, *more) if getattr(effect, "conn", None) == client.conn]
        )
        for client in records
    ]
    return sent, delivered_in([*effects, *more]), records


@settings(max_examples=300, deadline=None)
@given(websocket_runs())
def test_what_is_done_faster_at_rest_is_what_would_be_done_anyway(run: list[Event]) -> None:
    server, _ = advance_by(
        make_server(Limits(), 0.0, 0), Accepted(0, PEER), Accepted(1, PEER), Accepted(2, PEER)
    )
    for event in run:
        if isinstance(event, Received | Delivered | SendMessages):
            assert same(outcome(*step(server, event)), outcome(*slowly(server, event)))
        server, _ = step(server, event)


def test_a_program_that_took_its_time_leaves_the_client_the_whole_of_its_own() -> None:
    server, _ = advance_by(open_websocket(), received(text("a")), at(15.0), Delivered(CONN))
    server, effects = advance_by(server, at(34.0), FLUSH)
    assert frames_of(effects) == []
    assert frames_of(advance_by(server, at(36.0), FLUSH)[1]) == [(9, b"")]
