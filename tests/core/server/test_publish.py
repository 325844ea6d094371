"""What the program says: to whom it goes, what becomes of it, and when it leaves; in literal
events.
"""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sigil.core.broadcast.broadcast import publish_capacity
from sigil.core.close_reasons import CloseReason
from sigil.core.conn import Conn, Ticket
from sigil.core.connection.websocket_send import buffered_amount, send_capacity
from sigil.core.effects import Drop, Effect, FanOut, Send
from sigil.core.events import (
    Accepted,
    Delivered,
    Event,
    FanOutStalled,
    Flush,
    HandlerReturned,
    Publish,
    Received,
    Stalled,
    Subscribe,
    Writable,
)
from sigil.core.http.response import Response
from sigil.core.limits import Limits
from sigil.core.send_status import SendStatus
from sigil.core.server import make_server
from sigil.core.server.slots import find_client
from sigil.core.server.state import Server
from tests.support.core_driver import CONN, GET, PEER, bytes_of, tell
from tests.support.core_websockets import (
    FLUSH,
    UPGRADE,
    bytes_to,
    came,
    close,
    frames_in,
    frames_of,
    parts_of,
    said,
    subscriber_in,
    talking,
    welcomed,
)

OTHER, STALE = Conn(1, 1), Conn(0, 99)
SUCCESS, BACKPRESSURE, DROPPED = SendStatus.SUCCESS, SendStatus.BACKPRESSURE, SendStatus.DROPPED


def everybody(text: str, topic: str | None = None) -> Publish:
    """The program says this to all."""
    return Publish(((1, text.encode(), topic),))


def pair(limits: Limits | None = None, topics: Sequence[Sequence[str]] = ((), ())) -> Server:
    """A server with two WebSockets, `CONN` and `OTHER`, and a connection that is none."""
    server, _ = tell(
        make_server(limits or Limits(), 0.0, 0),
        Accepted(0, PEER),
        Accepted(1, PEER),
        Accepted(2, PEER),
    )
    for conn, names in zip((CONN, OTHER), topics, strict=True):
        server, _ = tell(
            server,
            Received(conn, UPGRADE),
            HandlerReturned(Ticket(conn, 0), (Response.upgrade(topics=names),)),
            Delivered(conn),
        )
    return server


# -- to one ----------------------------------------------------------------------------------------


def test_what_is_said_leaves_in_one_piece_when_the_turn_is_over() -> None:
    server, effects = tell(talking(), said("a"), said(b"\x00", "b"))
    assert effects == []
    assert buffered_amount(find_client(server.slots, CONN), server.broadcast) > 0
    server, effects = tell(server, FLUSH)
    assert len(effects) == 1
    assert frames_of(effects) == [(1, b"a"), (2, b"\x00"), (1, b"b")]
    assert buffered_amount(find_client(server.slots, CONN), server.broadcast) == 0
    assert tell(server, FLUSH)[1] == []


def test_a_large_message_is_not_copied() -> None:
    payload = b"x" * 2**20
    _, effects = tell(talking(), said(payload), FLUSH)
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
    _, effects = tell(talking(), said("before"), said(b"x" * length), said("after"), FLUSH)
    assert frames_of(effects) == [(1, b"before"), (2, b"x" * length), (1, b"after")]


def test_the_status_is_what_becomes_of_it() -> None:
    server = talking(Limits(max_ws_outbox_len=1_000))
    assert send_capacity(find_client(server.slots, CONN), server.limits)[0] is SUCCESS
    server, _ = tell(server, Stalled(CONN, 0, (b"x" * 500,)))
    assert send_capacity(find_client(server.slots, CONN), server.limits)[0] is BACKPRESSURE
    server, _ = tell(server, Stalled(CONN, 0, (b"x" * 500,)))
    assert send_capacity(find_client(server.slots, CONN), server.limits)[0] is DROPPED
    server, effects = tell(server, FLUSH, Writable(CONN), FLUSH)
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
    assert tell(server, said("x", conn=conn), FLUSH)[1] == []


def test_a_message_to_who_is_leaving_is_dropped() -> None:
    server, _ = tell(talking(), came(close(b"\x03\xe8")))
    assert send_capacity(find_client(server.slots, CONN), server.limits)[0] is DROPPED
    assert bytes_of(tell(server, said("x"), FLUSH)[1]) == b""


def test_while_there_is_room_a_message_of_any_length_may_be_said_and_the_next_one_may_not() -> None:
    server = talking(Limits(max_ws_outbox_len=1_000))
    assert send_capacity(find_client(server.slots, CONN), server.limits) == (SUCCESS, 1_000, False)
    server, _ = tell(server, said(b"x" * 5_000))
    assert send_capacity(find_client(server.slots, CONN), server.limits) == (DROPPED, 0, False)
    assert frames_of(tell(server, FLUSH)[1]) == [(2, b"x" * 5_000)]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 400), min_size=1, max_size=12))
def test_messages_are_taken_whole_and_in_order_until_there_is_no_room(lengths: list[int]) -> None:
    server, sent = talking(Limits(max_ws_outbox_len=1_000)), list[bytes]()
    for number, length in enumerate(lengths):
        if send_capacity(find_client(server.slots, CONN), server.limits)[1] > 0:
            sent.append(bytes([number]) * length)
            server, _ = tell(server, said(bytes([number]) * length))
    assert frames_of(tell(server, FLUSH)[1]) == [(2, payload) for payload in sent]


def test_what_was_promised_is_kept_though_the_kernel_has_taken_less_since() -> None:
    server = talking(Limits(max_ws_outbox_len=1_000))
    assert send_capacity(find_client(server.slots, CONN), server.limits) == (SUCCESS, 1_000, False)
    server, _ = tell(server, Stalled(CONN, 0, (b"x" * 1_000,)), said("promised"))
    assert frames_in(bytes_of(tell(server, Writable(CONN), FLUSH)[1])[1_000:]) == [(1, b"promised")]


def test_a_flush_for_one_leaves_the_others_to_the_end_of_the_turn() -> None:
    server, effects = tell(pair(), said("a"), said("a", conn=OTHER), Flush(OTHER))
    assert (frames_of(effects), frames_of(effects, OTHER)) == ([], [(1, b"a")])
    _, effects = tell(server, FLUSH)
    assert (frames_of(effects), frames_of(effects, OTHER)) == ([(1, b"a")], [])


# -- to all ----------------------------------------------------------------------------------------


def test_a_broadcast_goes_to_every_websocket_and_to_nobody_else() -> None:
    server, effects = tell(pair(), everybody("all"), FLUSH)
    assert (frames_of(effects), frames_of(effects, OTHER), len(effects)) == (
        [(1, b"all")],
        [(1, b"all")],
        1,
    )
    _, effects = tell(server, came(GET, Conn(2, 2)))
    assert len(effects) == 1


def test_a_topic_narrows_it() -> None:
    server = pair(topics=(("news", "sport"), ("news",)))
    for topic, heard in (("news", (1, 1)), ("sport", (1, 0)), ("weather", (0, 0)), (None, (1, 1))):
        _, effects = tell(server, everybody("x", topic), FLUSH)
        assert (len(frames_of(effects)), len(frames_of(effects, OTHER))) == heard


def test_a_broadcast_reaches_who_has_not_been_welcomed_yet_behind_the_101() -> None:
    _, effects = tell(welcomed(), everybody("x"), FLUSH)
    assert frames_of(effects) == [(1, b"x")]


def test_who_is_too_far_behind_is_dropped_before_it_is_overwritten_and_nobody_else_notices() -> (
    None
):
    server, _ = tell(pair(Limits(outgoing_buffer_sz=1_000)), Stalled(CONN, 0, (b"owed",)))
    words = [f"{number}" * 200 for number in range(6)]
    effects: list[Effect] = []
    for word in words:
        server, more = tell(server, everybody(word), FLUSH)
        effects += more
    assert parts_of(effects) == [(CloseReason.WS_CLIENT_TOO_SLOW, 1013)]
    assert Drop(CONN) in effects
    assert bytes_to(CONN, effects) == b""
    assert frames_of(effects, OTHER) == [(1, word.encode()) for word in words]
    assert publish_capacity(server.broadcast)[0] is SUCCESS


def test_for_who_is_behind_it_waits() -> None:
    server, _ = tell(pair(), Stalled(CONN, 0, (b"x" * 1_000,)))
    assert publish_capacity(server.broadcast)[0] is BACKPRESSURE
    server, effects = tell(server, everybody("a"), said("b"), everybody("c"), FLUSH)
    assert (bytes_to(CONN, effects), frames_of(effects, OTHER)) == (b"", [(1, b"a"), (1, b"c")])
    _, effects = tell(server, Writable(CONN), FLUSH)
    assert bytes_to(CONN, effects) == b"x" * 1_000 + b"\x81\x01a\x81\x01b\x81\x01c"


@pytest.mark.parametrize("taken", range(9))
def test_who_does_not_take_all_of_what_its_cohort_was_sent_gets_the_rest_from_the_byte_where_it_stopped(
    taken: int,
) -> None:
    server, effects = tell(pair(), everybody("a"), everybody("bcd"), FLUSH)
    (fan,) = [effect for effect in effects if isinstance(effect, FanOut)]
    assert len(fan.data) > taken or taken == 8
    lagged = FanOutStalled(
        CONN, min(taken, len(fan.data) - 1), fan.start, fan.end, fan.subscription
    )
    server, _ = tell(server, lagged, everybody("e"), FLUSH)
    _, effects = tell(server, Writable(CONN), FLUSH)
    assert (
        fan.data[: min(taken, len(fan.data) - 1)] + bytes_to(CONN, effects)
        == fan.data + b"\x81\x01e"
    )


@pytest.mark.parametrize("hears", [True, False])
def test_no_frame_is_torn_though_the_topics_change_before_it_is_known_that_a_client_lags(
    hears: bool,
) -> None:
    server, effects = tell(
        pair(topics=(() if hears else ("sport",), ())),
        everybody("goal", "sport"),
        everybody("a"),
        FLUSH,
    )
    (fan,) = [
        effect for effect in effects if isinstance(effect, FanOut) and CONN in effect.members
    ][:1]
    server, _ = tell(
        server,
        Subscribe(CONN, "sport", hears),
        FanOutStalled(CONN, 1, fan.start, fan.end, fan.subscription),
    )
    _, effects = tell(server, Writable(CONN), FLUSH)
    assert fan.data[:1] + bytes_to(CONN, effects) == fan.data


def test_no_frame_is_torn_by_a_goodbye_that_comes_before_it_is_known_that_a_client_lags() -> None:
    server, effects = tell(pair(), everybody("a"), FLUSH, came(close(b"\x03\xe8")))
    (fan,) = [effect for effect in effects if isinstance(effect, FanOut)]
    goodbye = [effect for effect in effects if isinstance(effect, Send)][-1]
    server, _ = tell(
        server,
        FanOutStalled(CONN, 1, fan.start, fan.end, fan.subscription),
        Stalled(CONN, 0, goodbye.segments),
    )
    _, effects = tell(server, Writable(CONN))
    assert fan.data[:1] + bytes_to(CONN, effects) in (fan.data[:1], fan.data + b"\x88\x02\x03\xe8")


def test_who_keeps_up_is_never_too_far_behind_however_much_is_said_in_a_turn() -> None:
    events: list[Event] = [Publish(((2, bytes([number]) * 400, None),)) for number in range(100)]
    _, effects = tell(pair(Limits(outgoing_buffer_sz=1_000)), *events, FLUSH)
    for conn in (CONN, OTHER):
        assert frames_of(effects, conn) == [(2, bytes([number]) * 400) for number in range(100)]


def test_who_is_a_little_behind_has_room_for_small_messages() -> None:
    server, _ = tell(talking(), Stalled(CONN, 0, (b"x" * 100_000,)))
    for _ in range(5):
        server, _ = tell(server, said("hi"))
    _, effects = tell(server, FLUSH, Writable(CONN), FLUSH)
    assert bytes_of(effects) == b"x" * 100_000 + b"\x81\x02hi" * 5


def test_who_is_leaving_hears_nothing_more_and_is_no_reason_for_a_bad_status() -> None:
    server, _ = tell(pair(), came(close(b"\x03\xe8")), Stalled(CONN, 0, (b"\x88\x00",)))
    assert publish_capacity(server.broadcast)[0] is SUCCESS
    _, effects = tell(server, everybody("x"), FLUSH)
    assert frames_of(effects) == []
    assert subscriber_in(server).queue == ()
