"""When messages leave: at the end of the tick, each client from the byte where it stopped, no frame
torn.
"""

import pytest

from sigil.core.broadcast.broadcast import publish_capacity
from sigil.core.effects import FanOut, Send
from sigil.core.events import FanOutStalled, Flush, Stalled, Subscribe, Writable
from sigil.core.send_status import SendStatus
from tests.support.core_driver import CONN, advance_by
from tests.support.core_websockets import (
    FLUSH,
    OTHER,
    bytes_to,
    close,
    frames_of,
    pair,
    publishing,
    received,
    sending,
)

SUCCESS, BACKPRESSURE, DROPPED = SendStatus.SUCCESS, SendStatus.BACKPRESSURE, SendStatus.DROPPED


def test_a_flush_for_one_leaves_the_others_to_the_end_of_the_turn() -> None:
    server, effects = advance_by(pair(), sending("a"), sending("a", conn=OTHER), Flush(OTHER))
    assert (frames_of(effects), frames_of(effects, OTHER)) == ([], [(1, b"a")])
    _, effects = advance_by(server, FLUSH)
    assert (frames_of(effects), frames_of(effects, OTHER)) == ([(1, b"a")], [])


def test_for_who_is_behind_it_waits() -> None:
    server, _ = advance_by(pair(), Stalled(CONN, 0, (b"x" * 1_000,)))
    assert publish_capacity(server.broadcast)[0] is BACKPRESSURE
    server, effects = advance_by(server, publishing("a"), sending("b"), publishing("c"), FLUSH)
    assert (bytes_to(CONN, effects), frames_of(effects, OTHER)) == (b"", [(1, b"a"), (1, b"c")])
    _, effects = advance_by(server, Writable(CONN), FLUSH)
    assert bytes_to(CONN, effects) == b"x" * 1_000 + b"\x81\x01a\x81\x01b\x81\x01c"


@pytest.mark.parametrize("taken", range(9))
def test_a_client_that_takes_part_of_a_fan_out_gets_the_rest_from_the_byte_where_it_stopped(
    taken: int,
) -> None:
    server, effects = advance_by(pair(), publishing("a"), publishing("bcd"), FLUSH)
    (fan,) = [effect for effect in effects if isinstance(effect, FanOut)]
    assert len(fan.data) > taken or taken == 8
    lagged = FanOutStalled(
        CONN, min(taken, len(fan.data) - 1), fan.start, fan.end, fan.subscription
    )
    server, _ = advance_by(server, lagged, publishing("e"), FLUSH)
    _, effects = advance_by(server, Writable(CONN), FLUSH)
    assert (
        fan.data[: min(taken, len(fan.data) - 1)] + bytes_to(CONN, effects)
        == fan.data + b"\x81\x01e"
    )


@pytest.mark.parametrize("hears", [True, False])
def test_no_frame_is_torn_though_the_topics_change_before_it_is_known_that_a_client_lags(
    hears: bool,
) -> None:
    server, effects = advance_by(
        pair(topics=(() if hears else ("sport",), ())),
        publishing("goal", "sport"),
        publishing("a"),
        FLUSH,
    )
    (fan,) = [
        effect for effect in effects if isinstance(effect, FanOut) and CONN in effect.members
    ][:1]
    server, _ = advance_by(
        server,
        Subscribe(CONN, "sport", hears),
        FanOutStalled(CONN, 1, fan.start, fan.end, fan.subscription),
    )
    _, effects = advance_by(server, Writable(CONN), FLUSH)
    assert fan.data[:1] + bytes_to(CONN, effects) == fan.data


def test_no_frame_is_torn_by_a_goodbye_that_comes_before_it_is_known_that_a_client_lags() -> None:
    server, effects = advance_by(pair(), publishing("a"), FLUSH, received(close(b"\x03\xe8")))
    (fan,) = [effect for effect in effects if isinstance(effect, FanOut)]
    goodbye = [effect for effect in effects if isinstance(effect, Send)][-1]
    server, _ = advance_by(
        server,
        FanOutStalled(CONN, 1, fan.start, fan.end, fan.subscription),
        Stalled(CONN, 0, goodbye.segments),
    )
    _, effects = advance_by(server, Writable(CONN))
    assert fan.data[:1] + bytes_to(CONN, effects) in (fan.data[:1], fan.data + b"\x88\x02\x03\xe8")
