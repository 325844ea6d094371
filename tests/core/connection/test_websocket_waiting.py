"""What does not wait for the program, nor for a client that is behind: pings, pongs and close
frames; and what does: messages, in order and within bounds.
"""

import pytest

from sigil.core.close_reasons import CloseReason
from sigil.core.connection.client_status import incoming_len
from sigil.core.connection.deadlines import Waiting, waiting_for
from sigil.core.connection.subscriber import CloseState
from sigil.core.connection.websocket_send import send_capacity
from sigil.core.effects import (
    CallClose,
    CallWsClose,
    Deliver,
    Drop,
    Effect,
    Interest,
    Send,
    Then,
)
from sigil.core.events import (
    CloseRequested,
    ConnectionLost,
    Delivered,
    Event,
    HalfClosed,
    Stalled,
    Stop,
    Writable,
)
from sigil.core.limits import Limits
from sigil.core.parse_result import malformed
from sigil.core.send_status import SendStatus
from sigil.core.server.slots import find_client
from sigil.core.server.state import Server
from tests.support.core_driver import CONN, advance_by, at, bytes_of, client_of
from tests.support.core_websockets import (
    FLUSH,
    binary,
    close,
    close_notices,
    delivered_in,
    echoes,
    frames_in,
    frames_of,
    open_websocket,
    ping,
    publishing,
    received,
    sending,
    subscriber_in,
    text,
    websocket_in,
)

PEER_CLOSED = CloseReason.WS_PEER_CLOSED
CODE = 4_000
BYE = CODE.to_bytes(2) + b"bye"


def at_work(*more: Event) -> tuple[Server, list[Effect]]:
    """A WebSocket whose program is at work on the message `a` when this happens."""
    server, _ = advance_by(open_websocket(), received(text("a")))
    return advance_by(server, *more, FLUSH)


def status(server: Server) -> SendStatus:
    """What would become of a message to `CONN`."""
    return send_capacity(find_client(server.slots, CONN), server.limits)[0]


# -- while the program is at work ------------------------------------------------------------------


def test_a_close_frame_is_answered_at_once_and_told_when_the_program_has_returned() -> None:
    server, effects = at_work(received(text("b") + close(BYE)))
    assert frames_of(effects) == [(8, CODE.to_bytes(2))]
    assert [effect.then for effect in effects if isinstance(effect, Send)] == [Then.SHUT]
    assert (delivered_in(effects), close_notices(effects)) == ([], [])
    assert status(server) is SendStatus.DROPPED
    server, effects = advance_by(server, sending("late"), Delivered(CONN, ((1, b"late"),)))
    assert effects == [Deliver(CONN, ("b",))]
    server, effects = advance_by(server, Delivered(CONN))
    assert effects == [CallWsClose(CONN, PEER_CLOSED, CODE, "bye")]
    assert subscriber_in(server).close_state is CloseState.CLOSED
    assert server.load.websockets == 0


def test_a_peer_that_leaves_after_its_close_frame_has_closed_and_its_messages_are_delivered() -> (
    None
):
    server, _ = at_work(received(text("b") + close(BYE)))
    server, effects = advance_by(server, HalfClosed(CONN))
    assert effects == [Drop(CONN)]
    assert (waiting_for(client_of(server)), server.load.websockets) == (Waiting.CALLBACK, 1)
    late: list[Event] = [Stalled(CONN, 0, (b"x",)), HalfClosed(CONN), sending("x"), FLUSH]
    assert advance_by(server, *late, at(1_000.0), FLUSH)[1] == []
    server, effects = advance_by(server, Delivered(CONN))
    assert effects == [Deliver(CONN, ("b",))]
    server, effects = advance_by(server, Delivered(CONN))
    assert effects == [
        Drop(CONN),
        CallWsClose(CONN, PEER_CLOSED, CODE, "bye"),
        CallClose(CONN, PEER_CLOSED),
    ]
    assert server.slots.used == 0


@pytest.mark.parametrize(
    "end", [ConnectionLost(CONN, 104), at(3.0), received(b"x" * 2**21), HalfClosed(CONN)]
)
def test_however_a_peer_leaves_after_its_close_frame_it_has_closed(end: Event) -> None:
    server, _ = at_work(received(close(BYE)))
    server, effects = advance_by(server, end)
    assert effects == [Drop(CONN)]
    _, effects = advance_by(server, Delivered(CONN))
    assert close_notices(effects) == [(PEER_CLOSED, CODE)]


def test_a_program_that_returns_in_the_same_tick_has_answered_before_the_close_frame() -> None:
    server, _ = advance_by(open_websocket(), received(text("a") + close(BYE)))
    assert status(server) is SendStatus.SUCCESS
    server, effects = advance_by(server, Delivered(CONN, ((1, b"A"),)), FLUSH)
    assert frames_of(effects) == [(1, b"A"), (8, CODE.to_bytes(2))]
    assert close_notices(effects) == [(PEER_CLOSED, CODE)]


def test_what_was_sent_before_a_close_frame_came_goes_before_the_answer() -> None:
    server, _ = advance_by(open_websocket(), received(text("a")))
    _, effects = advance_by(
        server, sending("one"), publishing("all"), received(close(BYE)), sending("two"), FLUSH
    )
    assert frames_of(effects) == [(1, b"one"), (1, b"all"), (1, b"two"), (8, CODE.to_bytes(2))]


def test_a_flush_of_one_client_answers_no_close_frame() -> None:
    server, _ = advance_by(open_websocket(), received(text("a") + close(BYE)))
    flush_one = FLUSH.replace(conn=CONN)
    server, effects = advance_by(server, sending("x" * 10), flush_one)
    assert frames_of(effects) == [(1, b"x" * 10)]
    server, effects = advance_by(server, FLUSH)
    assert frames_of(effects) == [(8, CODE.to_bytes(2))]


def test_a_close_frame_waits_for_a_program_that_has_not_been_called_yet() -> None:
    server, _ = advance_by(open_websocket(), received(text("a") + close(BYE)))
    busy = FLUSH.replace(unhandled=frozenset((CONN,)))
    server, effects = advance_by(server, sending("x"), busy)
    assert frames_of(effects) == [(1, b"x")]
    assert advance_by(server, busy)[1] == []
    server, effects = advance_by(server, Delivered(CONN, ((1, b"A"),)))
    assert frames_of(effects) == [(1, b"A"), (8, CODE.to_bytes(2))]


@pytest.mark.parametrize("grace", [5.0, 0.0])
def test_a_server_that_stops_tells_what_the_peer_said(grace: float) -> None:
    server, _ = at_work(received(text("b") + close(BYE)))
    server, effects = advance_by(
        server, Stop(grace), HalfClosed(CONN), Delivered(CONN), Delivered(CONN)
    )
    assert delivered_in(effects) == ["b"]
    assert close_notices(effects) == [(PEER_CLOSED, CODE)]


def test_a_program_that_closes_too_is_given_nothing_more() -> None:
    server, _ = at_work(received(text("b") + close(BYE)))
    server, effects = advance_by(server, CloseRequested(CONN, CloseReason.OK), Delivered(CONN))
    assert effects == [CallWsClose(CONN, PEER_CLOSED, CODE, "bye")]
    assert incoming_len(client_of(server)) == 0


def test_a_message_that_cannot_be_decompressed_ends_the_delivery_after_the_end_too() -> None:
    server, _ = at_work(received(text("b") + close(BYE)))
    error = malformed("bad", CloseReason.WS_BAD_COMPRESSION)
    _, effects = advance_by(server, Delivered(CONN, (), error))
    assert effects == [CallWsClose(CONN, PEER_CLOSED, CODE, "bye")]


def test_the_answer_to_our_close_frame_ends_the_connection_while_the_program_is_at_work() -> None:
    server, effects = at_work(CloseRequested(CONN, CloseReason.OK, 4_001))
    assert frames_of(effects) == [(8, (4_001).to_bytes(2))]
    server, effects = advance_by(server, received(text("b") + close(BYE)))
    assert [effect.then for effect in effects if isinstance(effect, Send)] == [Then.SHUT]
    assert close_notices(effects) == []
    _, effects = advance_by(server, Delivered(CONN))
    assert effects == [CallWsClose(CONN, CloseReason.OK, 4_001, "bye")]


def test_a_program_that_closes_when_the_peer_just_has_ends_the_connection_at_once() -> None:
    server, _ = advance_by(open_websocket(), received(text("a") + close(BYE)))
    server, effects = advance_by(
        server, sending("x"), CloseRequested(CONN, CloseReason.OK, 4_001), FLUSH
    )
    assert frames_of(effects) == [(1, b"x"), (8, (4_001).to_bytes(2))]
    assert [effect.then for effect in effects if isinstance(effect, Send)] == [Then.SHUT]
    assert close_notices(effects) == []
    _, effects = advance_by(server, Delivered(CONN))
    assert effects == [CallWsClose(CONN, CloseReason.OK, 4_001, "bye")]


def test_a_violation_waits_for_the_messages_before_it() -> None:
    server, effects = at_work(received(text("b") + b"\x81\x01x" + text("c")))
    assert (frames_of(effects), close_notices(effects)) == ([], [])
    server, effects = advance_by(server, Delivered(CONN, ((1, b"A"),)))
    assert (frames_of(effects), delivered_in(effects)) == ([], ["b"])
    _, effects = advance_by(server, Delivered(CONN, ((1, b"B"),)))
    assert [opcode for opcode, _ in frames_of(effects)] == [1, 1, 8]
    assert close_notices(effects) == [(CloseReason.WS_BAD_MASK, 1002)]


def test_a_peer_is_pinged_and_its_pongs_count_while_the_program_is_at_work() -> None:
    server, _ = at_work()
    for second in range(21, 300, 21):
        server, effects = advance_by(server, at(float(second)), FLUSH)
        assert frames_of(effects) == [(9, b"")]
        server, _ = advance_by(server, received(b"\x8a\x80abcd"))
    server, effects = advance_by(server, at(315.0), FLUSH, at(335.5))
    assert [payload[:2] for _, payload in frames_of(effects)[1:]] == [(1011).to_bytes(2)]
    assert close_notices(effects) == [(CloseReason.WS_PONG_TIMEOUT, 1011)]
    assert advance_by(server, Delivered(CONN))[1] == []


def test_who_is_not_read_because_its_messages_wait_is_not_late() -> None:
    server, _ = at_work()
    server, _ = advance_by(server, received(binary(b"x" * 70_000)))
    assert client_of(server).outgoing.interest is Interest.NOTHING
    assert waiting_for(client_of(server)) is Waiting.CALLBACK
    server, effects = advance_by(server, at(100.0), FLUSH, at(200.0), FLUSH)
    assert effects == []
    server, effects = advance_by(server, Delivered(CONN))
    assert delivered_in(effects) == [b"x" * 70_000]
    assert client_of(server).outgoing.interest is Interest.READ


@pytest.mark.parametrize("data", [text(""), text("ab"), binary(b"x" * 500)])
def test_messages_that_wait_are_bounded_however_small_they_are(data: bytes) -> None:
    server, _ = at_work()
    count = 0
    while client_of(server).outgoing.interest & Interest.READ:
        server, _ = advance_by(server, received(data))
        count += 1
        assert count <= 1_024
    assert incoming_len(client_of(server)) < 65_536 + 600


def test_a_client_that_sends_too_slowly_for_the_budget_gives_way_after_its_close_frame_too() -> (
    None
):
    limits = Limits(max_inbound_len=5_000)
    server, _ = advance_by(open_websocket(limits), received(text("a")))
    server, _ = advance_by(server, received(binary(b"x" * 4_000) + close(BYE)), FLUSH)
    assert server.load.inbound > 4_000
    server, effects = advance_by(server, CloseRequested(CONN, CloseReason.EVICTED))
    assert close_notices(effects) == [(PEER_CLOSED, CODE)]
    assert server.load.inbound == 0


# -- while the client is behind --------------------------------------------------------------------


def test_a_pong_goes_behind_what_the_kernel_has_and_before_all_else() -> None:
    server, _ = advance_by(open_websocket(), Stalled(CONN, 1, (b"rest",)), sending("queued"))
    server, _ = advance_by(server, publishing("published"), FLUSH, received(ping(b"p")))
    _, effects = advance_by(server, Writable(CONN))
    assert bytes_of(effects)[:4] == b"rest"
    assert frames_in(bytes_of(effects)[4:])[0] == (10, b"p")


def test_a_pong_is_not_starved_by_a_client_that_never_catches_up() -> None:
    """300,000 bytes behind, 1,000 taken and 1,004 published in each turn."""
    server = far_behind()
    server, _ = advance_by(server, received(ping(b"still there?")))
    server, sent = taken_until(server, b"\x8a\x0cstill there?")
    assert len(sent) < 280_000
    assert client_of(server).outgoing.outbox  # it is as far behind as before


@pytest.mark.parametrize("end", [Stop(1_000.0), CloseRequested(CONN, CloseReason.OK, 1001)])
def test_a_close_frame_is_not_starved_by_what_is_published_behind_it(end: Event) -> None:
    server, _ = advance_by(far_behind(), end)
    server, sent = taken_until(server, b"\x88\x02\x03\xe9")
    assert len(sent) < 310_000


def far_behind() -> Server:
    """A server with a client that has 300 messages of 1,000 bytes to take."""
    server = open_websocket()
    for _ in range(300):
        server, _ = advance_by(server, publishing("x" * 1_000))
    return take(advance_by(server, FLUSH)[0], publishing("x" * 1_000), taken=1_000)[0]


def taken_until(server: Server, what: bytes) -> tuple[Server, bytes]:
    """What the client takes, 1,000 bytes in each turn, until this is among it; as much is published
    all the time.
    """
    sent = b""
    for _ in range(400):
        server, taken = take(server, publishing("x" * 1_000), taken=1_000)
        sent += taken
        if what in sent[-1_100:]:
            return server, sent
    raise AssertionError(sent[-20:])


def take(server: Server, event: Event, taken: int) -> tuple[Server, bytes]:
    """A turn in which this happens, and in which the client takes so many bytes."""
    if not client_of(server).outgoing.outbox:
        server, _ = advance_by(server, Stalled(CONN, 0, (b"",)))
    server, effects = advance_by(server, Writable(CONN), event, FLUSH)
    data = bytes_of(effects)
    server, _ = advance_by(server, Stalled(CONN, taken, (data[taken:],)))
    return server, data[:taken]


def test_whoever_keeps_what_was_sent_is_read_until_it_is_too_much_and_again_when_it_takes() -> None:
    limits = Limits(max_outbox_len=1_000, min_read_rate=0)
    server, _ = advance_by(open_websocket(limits), Stalled(CONN, 0, (b"x" * 600,)))
    assert client_of(server).outgoing.interest is Interest.BOTH
    server, _ = advance_by(server, sending("y" * 500), FLUSH)
    assert client_of(server).outgoing.interest is Interest.WRITE
    server, effects = advance_by(server, at(25.0), FLUSH)
    assert effects == []  # who is not read is not pinged
    server, effects = advance_by(server, Writable(CONN))
    server, _ = advance_by(server, Stalled(CONN, 1_000, (bytes_of(effects)[1_000:],)))
    assert client_of(server).outgoing.interest is Interest.BOTH
    server, _ = advance_by(server, sending("z" * 2_000))
    _, effects = advance_by(server, at(56.0))
    assert close_notices(effects) == [(CloseReason.WRITE_STALL, 1006)]


@pytest.mark.parametrize("size", [1, 100, 5_000])
@pytest.mark.parametrize("is_async", [False, True])
def test_who_sends_and_reads_nothing_is_held_within_bounds_and_no_echo_is_dropped(
    size: int, is_async: bool
) -> None:
    limits = Limits(max_outbox_len=2_000, max_ws_outbox_len=20_000)
    server = open_websocket(limits)
    sent: list[bytes] = []
    echoed = b""
    orders: list[Effect] = []
    for turn in range(2_000):
        if turn % 7 == 0 and turn > 500:  # at last it reads, a little at a time
            server, orders, got = writable(server, orders, 3_000)
            echoed += got
        if client_of(server).outgoing.interest & Interest.READ:
            batch = [bytes([len(sent) % 251, 1])[:size] + b"." * (size - 2) for _ in range(3)]
            sent += batch
            server, more = advance_by(server, received(b"".join(map(binary, batch))))
            orders += more
        if turn % 3 == 0 or not is_async:
            server, orders = answer(server, orders)
        queued = sum(map(len, client_of(server).outgoing.outbox)) + subscriber_in(server).queued_len
        assert queued < 20_000 + 2 * size
    while is_under_way(server) or orders:
        server, orders, got = writable(server, orders, 3_000)
        echoed += got
        server, orders = answer(server, orders)
    assert [payload for _, payload in frames_in(echoed)] == sent


def is_under_way(server: Server) -> bool:
    """True while anything waits for the program or the client."""
    is_sending = client_of(server).outgoing.interest & Interest.WRITE or subscriber_in(server).queue
    return bool(is_sending or websocket_in(server).undelivered.messages)


def answer(server: Server, orders: list[Effect]) -> tuple[Server, list[Effect]]:
    """What the program does with the messages it was given: it sends each back; then the flush, of
    which the kernel takes nothing.
    """
    deliveries = [order for order in orders if isinstance(order, Deliver)]
    rest: list[Effect] = []
    for order in deliveries:
        for event in echoes(order):
            assert status(server) is not SendStatus.DROPPED
            server, _ = advance_by(server, event)
        server, more = advance_by(server, Delivered(CONN.replace()))
        rest += more
    server, more = advance_by(server, FLUSH)
    return not_taken(server, [*rest, *more], 0)[:2]


def writable(
    server: Server, orders: list[Effect], taken: int
) -> tuple[Server, list[Effect], bytes]:
    """The client takes so many bytes."""
    if not client_of(server).outgoing.interest & Interest.WRITE:
        return server, orders, b""
    server, more = advance_by(server, Writable(CONN))
    server, rest, got = not_taken(server, more, taken)
    return server, [*orders, *rest], got


def not_taken(
    server: Server, effects: list[Effect], taken: int
) -> tuple[Server, list[Effect], bytes]:
    """Of what these effects send so many bytes are taken; the other effects are handed back."""
    data = bytes_of(effects)
    rest = [effect for effect in effects if not isinstance(effect, Send)]
    if len(data) > taken:
        server, _ = advance_by(server, Stalled(CONN, taken, (data[taken:],)))
    return server, rest, data[:taken]
