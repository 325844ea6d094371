"""What the program says: to whom it goes, what becomes of it, and when it leaves; in literal
events.
"""

from sigil.core.broadcast.broadcast import publish_capacity
from sigil.core.broadcast.entry import NO_OPTIONS
from sigil.core.close_reasons import CloseReason
from sigil.core.conn import Conn
from sigil.core.effects import Drop, Effect
from sigil.core.events import Event, Publish, Stalled, Writable
from sigil.core.limits import Limits
from sigil.core.send_status import SendStatus
from tests.support.core_driver import CONN, advance_by, bytes_of
from tests.support.core_websockets import (
    FLUSH,
    OTHER,
    bytes_to,
    close,
    close_notices,
    frames_of,
    just_upgraded,
    open_websocket,
    pair,
    publishing,
    received,
    sending,
    subscriber_in,
)
from tests.support.requests import GET

SUCCESS, BACKPRESSURE, DROPPED = SendStatus.SUCCESS, SendStatus.BACKPRESSURE, SendStatus.DROPPED


# -- to all ----------------------------------------------------------------------------------------


def test_a_broadcast_goes_to_every_websocket_and_to_nobody_else() -> None:
    server, effects = advance_by(pair(), publishing("all"), FLUSH)
    assert (frames_of(effects), frames_of(effects, OTHER), len(effects)) == (
        [(1, b"all")],
        [(1, b"all")],
        1,
    )
    _, effects = advance_by(server, received(GET, Conn(2, 2)))
    assert len(effects) == 1


def test_a_topic_narrows_it() -> None:
    server = pair(topics=(("news", "sport"), ("news",)))
    for topic, heard in (("news", (1, 1)), ("sport", (1, 0)), ("weather", (0, 0)), (None, (1, 1))):
        _, effects = advance_by(server, publishing("x", topic), FLUSH)
        assert (len(frames_of(effects)), len(frames_of(effects, OTHER))) == heard


def test_a_broadcast_reaches_who_has_not_been_welcomed_yet_behind_the_101() -> None:
    _, effects = advance_by(just_upgraded(), publishing("x"), FLUSH)
    assert frames_of(effects) == [(1, b"x")]


def test_who_is_too_far_behind_is_dropped_before_it_is_overwritten_and_nobody_else_notices() -> (
    None
):
    server, _ = advance_by(pair(Limits(outgoing_buffer_sz=1_000)), Stalled(CONN, 0, (b"owed",)))
    words = [f"{number}" * 200 for number in range(6)]
    effects: list[Effect] = []
    for word in words:
        server, more = advance_by(server, publishing(word), FLUSH)
        effects += more
    assert close_notices(effects) == [(CloseReason.WS_CLIENT_TOO_SLOW, 1013)]
    assert Drop(CONN) in effects
    assert bytes_to(CONN, effects) == b""
    assert frames_of(effects, OTHER) == [(1, word.encode()) for word in words]
    assert publish_capacity(server.broadcast)[0] is SUCCESS


def test_who_keeps_up_is_never_too_far_behind_however_much_is_said_in_a_turn() -> None:
    events: list[Event] = [
        Publish(((2, bytes([number]) * 400, None, NO_OPTIONS),)) for number in range(100)
    ]
    _, effects = advance_by(pair(Limits(outgoing_buffer_sz=1_000)), *events, FLUSH)
    for conn in (CONN, OTHER):
        assert frames_of(effects, conn) == [(2, bytes([number]) * 400) for number in range(100)]


def test_who_is_a_little_behind_has_room_for_small_messages() -> None:
    server, _ = advance_by(open_websocket(), Stalled(CONN, 0, (b"x" * 100_000,)))
    for _ in range(5):
        server, _ = advance_by(server, sending("hi"))
    _, effects = advance_by(server, FLUSH, Writable(CONN), FLUSH)
    assert bytes_of(effects) == b"x" * 100_000 + b"\x81\x02hi" * 5


def test_who_is_leaving_hears_nothing_more_and_is_no_reason_for_a_bad_status() -> None:
    server, _ = advance_by(pair(), received(close(b"\x03\xe8")), Stalled(CONN, 0, (b"\x88\x00",)))
    assert publish_capacity(server.broadcast)[0] is SUCCESS
    _, effects = advance_by(server, publishing("x"), FLUSH)
    assert frames_of(effects) == []
    assert subscriber_in(server).queue == ()
