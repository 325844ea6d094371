"""What a program asks of one connection: reading that stops and goes on, a word when more can be
sent, and a timeout of its own.
"""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sigil.core.close_reasons import CloseReason
from sigil.core.conn import Conn, Ticket
from sigil.core.connection.client import IDLE_HTTP, IDLE_WEBSOCKET
from sigil.core.connection.control import NOTHING_ASKED
from sigil.core.connection.deadlines import Waiting, waiting_for
from sigil.core.connection.outgoing import NOTHING_OUTGOING, asked_of, is_held
from sigil.core.control import (
    CallWritable,
    CallWsPong,
    DeliveryHeld,
    ReadingAllowed,
    TimeoutReason,
    TimeoutRequested,
    WritableRequested,
)
from sigil.core.effects import (
    BodyPiece,
    CallClose,
    Deliver,
    DeliverCompressed,
    Drop,
    Effect,
    Handle,
    Interest,
    Log,
    Send,
    Then,
    Watch,
)
from sigil.core.events import (
    Accepted,
    BodyChosen,
    BodyWanted,
    CloseRequested,
    Delivered,
    Event,
    HalfClosed,
    Postponed,
    SendMessages,
    Stalled,
    TickStarted,
    Writable,
)
from sigil.core.limits import Limits
from sigil.core.server.extra_timers import EXTRA_TIMERS_MAX
from sigil.core.server.fold import step
from sigil.core.server.slots import find_client
from sigil.core.server.state import Server, make_server
from sigil.core.websocket.frames import encode_masked
from tests.support.core_driver import (
    CONN,
    OK,
    PEER,
    advance_by,
    answered,
    asked,
    bytes_of,
    client_of,
    serving,
)
from tests.support.core_websockets import (
    FLUSH,
    KEY,
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
from tests.support.requests import GET
from tests.support.strategies import websocket_runs

HOLD, GO_ON = ReadingAllowed(CONN, False), ReadingAllowed(CONN, True)
ASKING = WritableRequested(CONN)
TOLD = CallWritable(CONN)


def of(kind: type[Effect], effects: list[Effect]) -> list[Effect]:
    return [effect for effect in effects if type(effect) is kind]


def is_at_rest(server: Server) -> bool:
    """True if the connection has the records of one of which nothing was ever asked."""
    client = client_of(server)
    incoming = IDLE_HTTP if client.websocket is None else IDLE_WEBSOCKET
    return client.incoming is incoming and client.outgoing is NOTHING_OUTGOING


# -- reading ---------------------------------------------------------------------------------------


def test_messages_of_a_held_websocket_wait_and_are_delivered_in_order() -> None:
    server, effects = advance_by(open_websocket(), HOLD, received(text("a") + text("b")))
    assert delivered_in(effects) == []
    server, effects = advance_by(server, received(text("c")), GO_ON)
    assert delivered_in(effects) == ["a", "b", "c"]
    server, _ = advance_by(server, Delivered(CONN))
    assert is_at_rest(server)


def test_what_was_delivered_and_not_looked_at_comes_back_before_what_came_since() -> None:
    server, effects = advance_by(open_websocket(), received(text("a") + text("b") + text("c")))
    assert delivered_in(effects) == ["a", "b", "c"]
    server, _ = advance_by(server, received(text("d")), HOLD)
    back = DeliveryHeld(CONN, ((1, b"said"),), ("b", "c"))
    server, effects = advance_by(server, back, FLUSH)
    assert frames_of(effects) == [(1, b"said")] and delivered_in(effects) == []
    server, effects = advance_by(server, GO_ON)
    assert delivered_in(effects) == ["b", "c", "d"]


def test_pings_of_a_held_websocket_are_answered_and_its_close_frame_ends_the_hold() -> None:
    server, _ = advance_by(open_websocket(), HOLD, received(text("a")))
    server, effects = advance_by(server, received(ping(b"1") + ping(b"2")), FLUSH)
    assert frames_of(effects) == [(10, b"1"), (10, b"2")]
    server, effects = advance_by(server, received(close(b"\x03\xe8")), FLUSH)
    assert frames_of(effects) == [(8, b"\x03\xe8")]
    assert delivered_in(effects) == ["a"] and close_notices(effects) == []
    _, effects = advance_by(server, Delivered(CONN))
    assert close_notices(effects) == [(CloseReason.WS_PEER_CLOSED, 1000)]


@pytest.mark.parametrize(
    ("end", "reason", "code"),
    [
        (HalfClosed(CONN), CloseReason.PEER_RESET, 1006),
        (received(b"\xff\x80masked"), CloseReason.WS_UNKNOWN_OPCODE, 1002),
        (received(text("c") + b"\xff\x80masked"), CloseReason.WS_UNKNOWN_OPCODE, 1002),
    ],
    ids=["end", "violation", "message"],
)
def test_whatever_ends_a_held_websocket_ends_the_hold(
    end: Event, reason: CloseReason, code: int
) -> None:
    server, effects = advance_by(open_websocket(), HOLD, received(text("a") + text("b")))
    assert delivered_in(effects) == []
    server, effects = advance_by(server, end, FLUSH, HOLD)
    assert delivered_in(effects)[:2] == ["a", "b"] and close_notices(effects) == []
    server, effects = advance_by(server, Delivered(CONN), FLUSH)
    assert close_notices(effects) == [(reason, code)]


def test_what_was_given_back_by_one_that_has_ended_is_given_once_more() -> None:
    server, _ = advance_by(open_websocket(), received(text("a") + text("b")), HalfClosed(CONN))
    server, effects = advance_by(server, HOLD, DeliveryHeld(CONN, (), ("b",)))
    assert delivered_in(effects) == ["b"]
    _, effects = advance_by(server, Delivered(CONN), FLUSH)
    assert close_notices(effects) == [(CloseReason.PEER_RESET, 1006)]


def test_what_is_held_is_bounded_and_then_nothing_is_read() -> None:
    limits = Limits(max_header_len=200)
    server, effects = advance_by(open_websocket(limits), HOLD, received(text("a" * 100)))
    assert of(Watch, effects) == []
    server, effects = advance_by(server, received(text("b" * 100)))
    assert of(Watch, effects) == [Watch(CONN, Interest.NOTHING)]
    assert waiting_for(client_of(server)) is Waiting.CALLBACK
    server, effects = advance_by(server, GO_ON)
    assert delivered_in(effects) == ["a" * 100, "b" * 100]
    assert of(Watch, effects) == [Watch(CONN, Interest.READ)]


def test_a_held_http_connection_is_not_read_and_its_silence_is_not_held_against_it() -> None:
    server, effects = advance_by(serving(), HOLD)
    assert effects == [Watch(CONN, Interest.NOTHING)]
    server, effects = advance_by(server, TickStarted(10_000.0, 10_000))
    assert effects == [] and waiting_for(client_of(server)) is Waiting.CALLBACK
    server, effects = advance_by(server, GO_ON)
    assert effects == [Watch(CONN, Interest.READ)] and is_at_rest(server)
    server, effects = advance_by(server, TickStarted(10_030.0, 10_030))
    assert of(Drop, effects) == []
    server, effects = advance_by(server, TickStarted(10_062.0, 10_062))
    assert of(Drop, effects) == [Drop(CONN)]


def test_a_request_that_was_read_behind_the_hold_is_handled_when_it_ends() -> None:
    server, effects = advance_by(serving(), HOLD, received(GET))
    assert of(Handle, effects) == []
    server, effects = advance_by(server, GO_ON)
    assert len(of(Handle, effects)) == 1
    server, _ = advance_by(server, answered(0, OK))
    assert is_at_rest(server)


def test_an_answer_to_a_held_request_is_sent_and_the_next_one_waits() -> None:
    server, effects = advance_by(asked(GET), HOLD, received(GET))
    assert of(Handle, effects) == []
    server, effects = advance_by(server, answered(0, OK))
    assert bytes_of(effects).startswith(b"HTTP/1.1 200") and of(Handle, effects) == []
    assert len(of(Handle, advance_by(server, GO_ON)[1])) == 1


def test_requests_that_came_back_are_not_handed_out_again_behind_the_hold() -> None:
    server, effects = advance_by(serving(), received(GET + GET))
    (handle,) = of(Handle, effects)
    assert isinstance(handle, Handle)
    back = Postponed(Ticket(CONN, 1), handle.requests[1:])
    server, effects = advance_by(server, HOLD, back, answered(0, OK), Writable(CONN))
    assert of(Handle, effects) == []
    assert of(Handle, advance_by(server, GO_ON)[1]) == [Handle(back.ticket, back.requests)]


def test_a_body_in_pieces_is_held_back() -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n"
    server = serving().replace(asks_above=0)
    server, effects = advance_by(server, received(head + b"abc"))
    ticket = effects[0].ticket  # type: ignore[union-attr]
    server, effects = advance_by(server, BodyChosen(ticket, True), HOLD, BodyWanted(ticket))
    assert of(BodyPiece, effects) == []
    server, effects = advance_by(server, GO_ON)
    assert of(BodyPiece, effects) == [BodyPiece(ticket, b"abc", False)]
    server, effects = advance_by(server, HOLD, BodyWanted(ticket), received(b"defghi"))
    assert of(BodyPiece, effects) == []
    assert of(BodyPiece, advance_by(server, GO_ON)[1]) == [BodyPiece(ticket, b"defghi", True)]


def test_a_client_that_ends_its_side_behind_the_hold_is_not_kept_for_ever() -> None:
    server, _ = advance_by(serving(), received(GET[:9]), HOLD, HalfClosed(CONN))
    _, effects = advance_by(server, TickStarted(60.0, 60))
    assert any(type(effect) is Send and effect.then is Then.SHUT for effect in effects)


# -- writing ---------------------------------------------------------------------------------------


def test_the_program_is_told_once_when_the_kernel_takes_more() -> None:
    for server in (serving(), open_websocket()):
        server, effects = advance_by(server, ASKING, ASKING)
        assert effects == [Watch(CONN, Interest.BOTH)]
        server, effects = advance_by(server, Writable(CONN))
        assert effects == [TOLD, Watch(CONN, Interest.READ)] and is_at_rest(server)
        assert of(CallWritable, advance_by(server, Writable(CONN))[1]) == []


def test_nobody_is_told_before_everything_has_left() -> None:
    server, effects = advance_by(open_websocket(), sending("abcdef"), ASKING, FLUSH)
    assert frames_of(effects) == [(1, b"abcdef")]
    server, effects = advance_by(server, Stalled(CONN, 2, (b"abcdef",)), sending("g"), FLUSH)
    assert of(CallWritable, effects) == []
    server, effects = advance_by(server, Writable(CONN))
    assert len(of(Send, effects)) == 1 and of(CallWritable, effects) == []
    server, effects = advance_by(server, Stalled(CONN, 1, (b"f",)), Writable(CONN))
    assert of(CallWritable, effects) == []
    _, effects = advance_by(server, Writable(CONN))
    assert of(CallWritable, effects) == [TOLD]


def test_a_pong_with_data_is_for_the_program_and_one_without_for_the_server() -> None:
    pong = encode_masked(10, b"tag", KEY)
    server, effects = advance_by(open_websocket(), received(encode_masked(10, b"", KEY)))
    assert effects == []
    server, effects = advance_by(server, received(text("a") + pong + text("b")))
    assert of(CallWsPong, effects) == [CallWsPong(CONN, b"tag")]
    assert delivered_in(effects) == ["a", "b"]
    server, effects = advance_by(server, CloseRequested(CONN, CloseReason.OK), received(pong))
    assert of(CallWsPong, effects) == []


# -- the program's timeout -------------------------------------------------------------------------


def timed(seconds: float, reason: int = TimeoutReason.AWAITING_PING) -> TimeoutRequested:
    return TimeoutRequested(CONN, reason, seconds)


def test_a_connection_ends_when_the_time_is_over_that_the_program_gave_it() -> None:
    server, effects = advance_by(serving(), timed(0.5))
    assert effects == []
    server, effects = advance_by(server, TickStarted(0.4, 0))
    assert effects == []
    _, effects = advance_by(server, TickStarted(0.6, 0))
    assert of(CallClose, effects) == [CallClose(CONN, CloseReason.PROGRAM_TIMEOUT)]
    (log,) = of(Log, effects)
    assert isinstance(log, Log) and "AWAITING_PING" in log.text and "0.5 s" in log.text


def test_a_second_timeout_replaces_the_first_and_none_ends_it() -> None:
    server, _ = advance_by(serving(), timed(1.0), timed(20.0, 7_777))
    server, effects = advance_by(server, TickStarted(10.0, 10))
    assert of(CallClose, effects) == []
    server, _ = advance_by(server, timed(1.0, TimeoutReason.NO_PENDING_TIMEOUT))
    assert is_at_rest(server)
    _, effects = advance_by(server, TickStarted(30.0, 30))
    assert of(CallClose, effects) == []


def test_what_the_client_sends_is_no_reason_to_wait_longer() -> None:
    server, _ = advance_by(open_websocket(), timed(5.0))
    for second in (1, 2, 3, 4):
        server, _ = advance_by(server, TickStarted(second, second), received(ping()), FLUSH)
    _, effects = advance_by(server, TickStarted(6.0, 6), received(ping()))
    assert frames_of(effects)[-1][0] == 8
    assert close_notices(effects) == [(CloseReason.PROGRAM_TIMEOUT, 1008)]


def test_a_request_that_was_not_answered_is_told_503_and_a_response_that_has_begun_breaks() -> None:
    server, _ = advance_by(asked(GET), timed(1.0))
    _, effects = advance_by(server, TickStarted(2.0, 2))
    assert bytes_of(effects).startswith(b"HTTP/1.1 503")
    assert any(type(effect) is Send and effect.then is Then.SHUT for effect in effects)
    server, _ = advance_by(asked(GET), answered(0, OK), Stalled(CONN, 0, (b"x" * 9,)), timed(1.0))
    _, effects = advance_by(server, TickStarted(2.0, 2))
    assert of(CallClose, effects) == [CallClose(CONN, CloseReason.PROGRAM_TIMEOUT)]


def test_half_a_request_is_answered_too() -> None:
    server, _ = advance_by(serving(), received(GET[:9]), timed(1.0))
    _, effects = advance_by(server, TickStarted(2.0, 2))
    assert bytes_of(effects).startswith(b"HTTP/1.1 503")


def timers_of(server: Server) -> int:
    """How often the connection is in the timer wheel."""
    return [conn for bucket in server.wheel.buckets.values() for conn in bucket].count(CONN)


def test_a_timeout_that_is_set_again_and_again_takes_few_timers_and_gives_them_back() -> None:
    server, second = serving(), 0.0
    for number in range(100):
        second += 0.05
        turn = (TickStarted(second, 0), timed(1.0 - number % 7 / 10))
        server, effects = advance_by(server, *turn, ASKING, Writable(CONN), HOLD, GO_ON)
        assert of(CallClose, effects) == []
        assert timers_of(server) <= 1 + EXTRA_TIMERS_MAX
        assert timers_of(server) == 1 + asked_of(client_of(server).outgoing).extra_timers
    server, _ = advance_by(server, timed(0.0, TimeoutReason.NO_PENDING_TIMEOUT))
    server, _ = advance_by(server, TickStarted(second + 9.0, 0))
    assert timers_of(server) == 1
    assert asked_of(client_of(server).outgoing) == NOTHING_ASKED


def test_without_a_timeout_nothing_that_is_asked_takes_a_timer() -> None:
    server, _ = advance_by(serving(), ASKING, HOLD, GO_ON, Writable(CONN), ASKING, timed(90.0))
    assert timers_of(server) == 1


# -- the end ---------------------------------------------------------------------------------------


def test_of_a_connection_that_ends_nothing_is_asked() -> None:
    server, _ = advance_by(open_websocket(), HOLD, ASKING, timed(9.0))
    server, _ = advance_by(server, received(close(b"\x03\xe8")), FLUSH)
    assert asked_of(client_of(server).outgoing) == NOTHING_ASKED
    server, effects = advance_by(server, HOLD, ASKING, timed(9.0))
    assert effects == [] and asked_of(client_of(server).outgoing) == NOTHING_ASKED


def test_a_connection_that_is_gone_changes_nothing() -> None:
    server, effects = advance_by(serving(), CloseRequested(CONN, CloseReason.OK))
    server, _ = advance_by(server, HalfClosed(CONN))
    after, effects = advance_by(server, HOLD, GO_ON, ASKING, timed(1.0), SendMessages(CONN, ()))
    assert (after, effects) == (server, [])


# -- whatever happens ------------------------------------------------------------------------------

GIVING = (Deliver, DeliverCompressed, Handle, BodyPiece)


@settings(max_examples=400, deadline=None)
@given(st.integers(0, 2), websocket_runs())
def test_while_a_connection_is_held_the_program_is_given_nothing_of_it(
    slot: int, run: list[Event]
) -> None:
    server = three_connections()
    held = Conn(slot, slot)
    for event in [*run[:3], ReadingAllowed(held, False), *run[3:]]:
        if isinstance(event, ReadingAllowed) and event.is_allowed:
            continue
        before = find_client(server.slots, held)
        server, effects = step(server, event)
        after = find_client(server.slots, held)
        if before is None or after is None or not is_held(before.outgoing):
            continue
        given_to = {
            effect.ticket.conn if isinstance(effect, Handle | BodyPiece) else effect.conn
            for effect in effects
            if isinstance(effect, GIVING)
        }
        assert held not in given_to or not is_held(after.outgoing)


def three_connections() -> Server:
    server = make_server(Limits(), 0.0, 0)
    return advance_by(server, Accepted(0, PEER), Accepted(1, PEER), Accepted(2, PEER))[0]
