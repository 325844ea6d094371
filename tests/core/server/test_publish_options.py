"""What is published with options, in literal events: the newest state for whoever is behind, and
nothing for whoever is excluded.
"""

import pytest

from sigil.core.broadcast.encoding import Encoding
from sigil.core.broadcast.entry import LATEST, NO_OPTIONS, PublishOptions, Subscription
from sigil.core.conn import Conn
from sigil.core.connection.websocket_send import buffered_amount
from sigil.core.effects import Effect, FanOut
from sigil.core.events import Event, FanOutStalled, Publish, Stalled, Writable
from sigil.core.limits import Limits
from sigil.core.server import advance
from sigil.core.server.slots import find_client
from sigil.core.server.state import Server
from sigil.core.websocket.frames import encode_frame
from tests.support.core_broadcasts import with_websockets
from tests.support.core_websockets import FLUSH, bytes_to, close_notices, sending

A, B, C = (Conn(slot, slot) for slot in range(3))
PLAIN = Subscription(Encoding.PLAIN, frozenset())
WITHOUT_A, WITHOUT_B = PublishOptions(exclude=A), PublishOptions(exclude=B)


def publish(*texts: str, options: PublishOptions = LATEST, topic: str | None = None) -> Publish:
    """The program broadcasts these texts."""
    return Publish(tuple((1, text.encode(), topic, options) for text in texts))


def frames(*texts: str) -> bytes:
    """The frames of these texts."""
    return b"".join(encode_frame(1, text.encode()) for text in texts)


def stalled(server: Server, conn: Conn, taken: int, *texts: str) -> Server:
    """The server after these texts were published, of which one client took so many bytes."""
    start = server.broadcast.ring.head_number
    server, _ = advance(server, [publish(*texts), FLUSH])
    end = server.broadcast.ring.head_number
    return advance(server, [FanOutStalled(conn, taken, start, end, PLAIN)])[0]


def sent_to(server: Server, conn: Conn, *events: Event) -> bytes:
    """What one client is sent because of these events."""
    return bytes_to(conn, advance(server, events)[1])


# -- latest ----------------------------------------------------------------------------------------


def test_who_is_behind_is_sent_the_newest_state_and_who_keeps_up_all_of_them() -> None:
    server, _ = with_websockets(2)
    server = stalled(server, A, 0, "s1")
    server, effects = advance(server, [publish("s2"), FLUSH, publish("s3", "s4"), FLUSH])
    assert bytes_to(B, effects) == frames("s2", "s3", "s4")
    assert bytes_to(A, effects) == b""
    assert sent_to(server, A, Writable(A)) == frames("s4")


def test_what_is_half_sent_is_finished() -> None:
    server, _ = with_websockets(1)
    server = stalled(server, A, 5, "s1", "s2", "s3")  # four bytes are s1
    events = [publish("s4"), FLUSH, Writable(A), Writable(A)]
    assert sent_to(server, A, *events) == frames("s2")[1:] + frames("s4")


def test_order_is_that_of_publication_among_states_and_other_messages() -> None:
    server, _ = with_websockets(1)
    server = stalled(server, A, 0, "s1")
    events = [
        publish("m1", options=NO_OPTIONS), publish("s2"), publish("m2", options=NO_OPTIONS), FLUSH
    ]  # fmt: skip
    assert sent_to(server, A, *events, Writable(A)) == frames("m1", "s2", "m2")


def test_nothing_grows_old_in_the_outbox() -> None:
    server, _ = with_websockets(1)
    server = stalled(server, A, 3, "s1")
    server, effects = advance(server, [publish("s2"), FLUSH, Writable(A)])
    assert bytes_to(A, effects) == frames("s1")[3:]  # and the kernel does not take it
    server, _ = advance(server, [Stalled(A, 0, (frames("s1")[3:],)), publish("s3"), FLUSH])
    assert sent_to(server, A, Writable(A), Writable(A)) == frames("s1")[3:] + frames("s3")


def test_what_was_published_and_is_not_on_the_ring_yet_supersedes_too() -> None:
    server, _ = with_websockets(1)
    server = stalled(server, A, 0, "s1")
    server, effects = advance(server, [publish("s2"), Writable(A)])
    assert bytes_to(A, effects) == b""
    assert sent_to(server, A, FLUSH) == frames("s2")


def test_a_state_of_another_topic_supersedes_nothing() -> None:
    server, _ = with_websockets(1)
    server = stalled(server, A, 0, "s1")
    events = [publish("other", topic="a"), FLUSH, Writable(A)]
    assert sent_to(server, A, *events) == frames("s1")


def test_who_keeps_up_is_sent_all_also_if_it_is_sent_something_of_its_own() -> None:
    server, _ = with_websockets(1)
    events = [publish("s1"), sending("mine"), publish("s2", "s3"), sending("too"), FLUSH]
    assert sent_to(server, A, *events) == frames("s1", "mine", "s2", "s3", "too")


def test_superseded_frames_do_not_make_a_laggard_fall_off_the_ring() -> None:
    server, _ = with_websockets(2, Limits(max_ws_send_frame_cnt=4))
    server = stalled(server, A, 0, "s0")
    effects: list[Effect] = []
    for number in range(1, 40):
        server, more = advance(server, [publish(f"s{number}"), FLUSH])
        effects += more
    assert close_notices(effects) == []
    assert find_client(server.slots, A) is not None
    assert sent_to(server, A, Writable(A)) == frames("s39")


def test_the_newest_state_makes_a_laggard_fall_off_as_any_message_does() -> None:
    server, _ = with_websockets(2, Limits(max_ws_send_frame_cnt=4))
    server = stalled(server, A, 0, "s0")
    for _ in range(4):
        server, effects = advance(server, [publish("m", options=NO_OPTIONS), FLUSH])
    assert len(close_notices(effects)) == 1


def test_what_is_buffered_does_not_count_what_is_superseded() -> None:
    server, _ = with_websockets(1)
    server = stalled(server, A, 0, "s1", "s2")
    assert buffered_amount(find_client(server.slots, A), server.broadcast) == len(frames("s2"))
    server, _ = advance(server, [publish("long state")])
    waiting = len(frames("long state"))
    assert buffered_amount(find_client(server.slots, A), server.broadcast) == waiting


# -- exclude ---------------------------------------------------------------------------------------


def test_who_is_excluded_is_not_sent_it_and_all_others_are_in_one_piece() -> None:
    server, _ = with_websockets(3)
    _, effects = advance(server, [publish("all", options=NO_OPTIONS),
                                  publish("not you", options=WITHOUT_A), FLUSH])  # fmt: skip
    assert bytes_to(A, effects) == frames("all")
    assert bytes_to(B, effects) == bytes_to(C, effects) == frames("all", "not you")
    fan_outs = [effect for effect in effects if isinstance(effect, FanOut)]
    assert sorted(map(len, [fan_out.members for fan_out in fan_outs])) == [1, 2]


def test_who_is_excluded_from_all_of_a_tick_costs_no_effect() -> None:
    server, _ = with_websockets(2)
    _, effects = advance(server, [publish("not you", options=WITHOUT_A), FLUSH])
    assert [fan_out.members for fan_out in effects if isinstance(fan_out, FanOut)] == [{B}]
    server, _ = with_websockets(1)
    assert advance(server, [publish("not you", options=WITHOUT_A), FLUSH])[1] == []


def test_each_is_excluded_from_its_own() -> None:
    server, _ = with_websockets(3)
    events = [publish("a", options=WITHOUT_A), publish("b", options=WITHOUT_B), FLUSH]
    _, effects = advance(server, events)
    assert [bytes_to(conn, effects) for conn in (A, B, C)] == [
        frames("b"),
        frames("a"),
        frames("a", "b"),
    ]


@pytest.mark.parametrize("taken", [0, 2, 4])
def test_who_is_behind_is_not_sent_it_either(taken: int) -> None:
    server, _ = with_websockets(2)
    server = stalled(server, A, taken, "s1")
    events = [publish("x", options=WITHOUT_A), publish("y", options=NO_OPTIONS), FLUSH]
    server, effects = advance(server, events)
    assert bytes_to(B, effects) == frames("x", "y")
    assert sent_to(server, A, Writable(A), Writable(A)) == frames("s1", "y")[taken:]


@pytest.mark.parametrize("taken", range(6))
def test_one_that_does_not_take_what_is_left_of_a_tick_for_it_gets_the_rest(taken: int) -> None:
    server, _ = with_websockets(2)
    events = [publish("x", options=WITHOUT_A), publish("y1", "y2", options=NO_OPTIONS), FLUSH]
    server, effects = advance(server, events)
    (fan_out,) = [one for one in effects if isinstance(one, FanOut) and one.members == {A}]
    assert fan_out.data == frames("y1", "y2")
    server, _ = advance(server, [FanOutStalled(A, taken, fan_out.start, fan_out.end, PLAIN)])
    assert sent_to(server, A, Writable(A)) == frames("y1", "y2")[taken:]


def test_one_that_is_gone_excludes_nobody() -> None:
    server, _ = with_websockets(2)
    gone = PublishOptions(exclude=Conn(0, 99))
    _, effects = advance(server, [publish("all", options=gone), FLUSH])
    assert bytes_to(A, effects) == bytes_to(B, effects) == frames("all")


def test_what_one_is_excluded_from_is_nothing_that_it_needs() -> None:
    server, _ = with_websockets(2, Limits(max_ws_send_frame_cnt=4))
    server = stalled(server, A, 4, "s1")
    effects: list[Effect] = []
    for _ in range(20):
        server, more = advance(server, [publish("x", options=WITHOUT_A), FLUSH])
        effects += more
    assert close_notices(effects) == []
    assert buffered_amount(find_client(server.slots, A), server.broadcast) == 0
