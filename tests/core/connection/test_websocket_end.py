"""How a WebSocket in the core ends, in literal events: by whom, with which code, told once, behind
all that came.
"""

from sigil.core.close_reasons import CloseReason
from sigil.core.effects import CallClose, CallWsClose, Drop, Effect, Send, Then
from sigil.core.events import CloseRequested, ConnectionLost, Delivered, HalfClosed, Stalled, Stop
from sigil.core.limits import Limits
from sigil.core.websocket.frames import encode_masked
from tests.support.core_driver import CONN, advance_by, at, bytes_of, effect_names
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

BYE = b"\x03\xe8"


def hang_up(code: int = 1000, words: str = "") -> CloseRequested:
    """The program closes `CONN`."""
    return CloseRequested(CONN, CloseReason.OK, code, words)


def test_a_close_of_the_program_goes_behind_what_it_said_and_waits_for_the_answer() -> None:
    server, effects = advance_by(
        open_websocket(), sending("last"), hang_up(4001, "enough"), sending("more"), FLUSH
    )
    assert frames_of(effects) == [(1, b"last"), (8, b"\x0f\xa1enough")]
    assert close_notices(effects) == []
    server, effects = advance_by(server, received(text("deaf") + close(b"\x0f\xa1")))
    assert delivered_in(effects) == []
    assert close_notices(effects) == [(CloseReason.OK, 4001)]
    assert [effect.then for effect in effects if isinstance(effect, Send)] == [Then.SHUT]
    assert bytes_of(effects) == b""
    assert effect_names(advance_by(server, HalfClosed(CONN))[1]) == ["Drop", "CallClose"]


def test_a_close_twice_is_once_and_the_first_counts() -> None:
    _, effects = advance_by(
        open_websocket(), hang_up(4001), hang_up(4002), FLUSH, received(close(b"\x0f\xa2"))
    )
    assert frames_of(effects) == [(8, b"\x0f\xa1")]
    assert close_notices(effects) == [(CloseReason.OK, 4001)]


def test_a_close_while_the_program_is_at_work_stops_the_delivery() -> None:
    server, _ = advance_by(open_websocket(), received(text("a")), received(text("b") + close(BYE)))
    _, effects = advance_by(server, hang_up(4001), Delivered(CONN))
    assert delivered_in(effects) == []
    assert frames_of(effects) == [(8, b"\x0f\xa1")]
    assert close_notices(effects) == [(CloseReason.OK, 4001)]


def test_a_failure_of_the_program_is_told_with_1011_behind_what_it_said() -> None:
    server, _ = advance_by(open_websocket(), received(text("a")))
    _, effects = advance_by(
        server,
        sending("half"),
        CloseRequested(CONN, CloseReason.HANDLER_ERROR),
        Delivered(CONN),
        FLUSH,
    )
    assert frames_of(effects) == [(1, b"half"), (8, (1011).to_bytes(2))]


def test_a_close_that_is_not_answered_in_time_ends_the_connection() -> None:
    server, _ = advance_by(open_websocket(), hang_up(4001), FLUSH)
    assert advance_by(server, at(4.9))[1] == []
    _, effects = advance_by(server, at(5.5))
    assert effects == [
        Drop(CONN),
        CallWsClose(CONN, CloseReason.OK, 4001),
        CallClose(CONN, CloseReason.OK),
    ]


def test_who_goes_on_talking_gains_no_time_for_the_answer_to_our_close() -> None:
    server, _ = advance_by(open_websocket(), hang_up(4001), FLUSH)
    effects: list[Effect] = []
    for second in range(1, 60):
        server, more = advance_by(server, at(float(second)), received(text("and another thing")))
        effects += more
    assert close_notices(effects) == [(CloseReason.OK, 4001)]


def test_who_goes_on_talking_gains_no_time_for_taking_what_it_is_owed() -> None:
    server, _ = advance_by(open_websocket(Limits(min_read_rate=0)), Stalled(CONN, 0, (b"owed",)))
    effects: list[Effect] = []
    for second in range(1, 60):
        server, more = advance_by(server, at(float(second)), received(encode_masked(10, b"", KEY)))
        effects += more
    assert close_notices(effects) == [(CloseReason.WRITE_STALL, 1006)]


def test_an_end_without_a_close_frame_is_1006_and_comes_after_what_was_heard() -> None:
    assert effect_names(advance_by(open_websocket(), HalfClosed(CONN))[1]) == [
        "Drop",
        "CallWsClose",
        "CallClose",
    ]
    server, effects = advance_by(open_websocket(), received(text("a")), HalfClosed(CONN))
    assert delivered_in(effects) == ["a"]
    assert close_notices(effects) == []
    _, effects = advance_by(server, Delivered(CONN))
    assert close_notices(effects) == [(CloseReason.PEER_RESET, 1006)]


def test_all_that_came_before_the_end_is_delivered_and_counts() -> None:
    server, _ = advance_by(
        open_websocket(),
        received(text("a")),
        received(text("b") + close(b"\x0f\xa0")),
        HalfClosed(CONN),
    )
    server, effects = advance_by(server, Delivered(CONN))
    assert delivered_in(effects) == ["b"]
    _, effects = advance_by(server, Delivered(CONN))
    assert close_notices(effects) == [(CloseReason.WS_PEER_CLOSED, 4000)]


def test_a_broken_connection_is_1006_and_is_told_once() -> None:
    server, effects = advance_by(open_websocket(), ConnectionLost(CONN, 104))
    assert effects == [
        Drop(CONN),
        CallWsClose(CONN, CloseReason.PEER_RESET, 1006),
        CallClose(CONN, CloseReason.PEER_RESET),
    ]
    assert (
        advance_by(server, ConnectionLost(CONN, 104), Delivered(CONN), sending("x"), FLUSH)[1] == []
    )


def test_after_both_have_said_goodbye_a_broken_connection_is_nothing() -> None:
    server, effects = advance_by(open_websocket(), received(close(BYE)))
    assert close_notices(effects) == [(CloseReason.WS_PEER_CLOSED, 1000)]
    _, effects = advance_by(server, received(b"anything"), ConnectionLost(CONN, 104))
    assert effects == [Drop(CONN), CallClose(CONN, CloseReason.WS_PEER_CLOSED)]


def test_to_drain_is_to_say_1001_and_wait_for_the_answer() -> None:
    server, effects = advance_by(open_websocket(), sending("last"), Stop(5.0), FLUSH)
    assert frames_of(effects) == [(1, b"last"), (8, (1001).to_bytes(2))]
    server, effects = advance_by(server, received(close((1001).to_bytes(2))), HalfClosed(CONN))
    assert close_notices(effects) == [(CloseReason.SHUTDOWN, 1001)]
    assert server.slots.used == 0


def test_to_stop_at_once_is_to_say_1001_and_not_to_wait() -> None:
    _, effects = advance_by(open_websocket(), Stop(0.0))
    assert frames_of(effects)[-1][1][:2] == (1001).to_bytes(2)
    assert effect_names(effects) == ["Send", "Drop", "CallWsClose", "CallClose"]


def test_a_ping_behind_our_close_frame_is_not_answered() -> None:
    _, effects = advance_by(open_websocket(), hang_up(), received(ping(b"p")), FLUSH)
    assert frames_of(effects) == [(8, BYE)]


def test_a_pong_that_is_due_does_not_go_behind_our_close_frame() -> None:
    _, effects = advance_by(
        open_websocket(), received(ping(b"p") + text("x")), hang_up(), Delivered(CONN), FLUSH
    )
    assert frames_of(effects)[-1] == (8, BYE)


def test_a_second_stop_before_the_close_frame_has_left_sends_it() -> None:
    _, effects = advance_by(open_websocket(), sending("last"), Stop(30.0), Stop(30.0))
    assert frames_of(effects) == [(1, b"last"), (8, b"\x03\xe9")]
    assert effect_names(effects) == ["Send", "Drop", "CallWsClose", "CallClose"]


def test_a_second_stop_behind_the_close_frame_sends_no_other() -> None:
    server, effects = advance_by(open_websocket(), Stop(30.0), FLUSH)
    assert frames_of(effects) == [(8, b"\x03\xe9")]
    _, effects = advance_by(server, Stop(30.0))
    assert effect_names(effects) == ["Drop", "CallWsClose", "CallClose"]
