"""What a client sends: frames into a queue, pongs between them, and what comes back."""

from hypothesis import given, settings
from hypothesis import strategies as st

from sigil.core.client.websocket_outgoing import (
    COMPRESS_MIN,
    TRANSMIT_MAX,
    Outgoing,
    answer_pings,
    enqueue_control,
    enqueue_messages,
    make_outgoing,
    may_send,
    take_queue,
    unsent_len,
    with_blocked,
)
from sigil.core.send_status import SendStatus
from sigil.core.websocket.fragments import CompressedMessage, decompress
from sigil.core.websocket.frames import FrameRules, Opcode
from sigil.core.websocket.messages import BETWEEN_MESSAGES, Item, Ping, Pong, receive_data

SEED = bytes(range(32))
MAX = 1_000
SUCCESS, BACKPRESSURE, DROPPED = SendStatus.SUCCESS, SendStatus.BACKPRESSURE, SendStatus.DROPPED


def received(data: bytes) -> tuple[Item, ...]:
    """What a server reads, which must be whole."""
    rules = FrameRules(2**20, 2**20, allows_rsv1=True)
    reader, items, error = receive_data(BETWEEN_MESSAGES, data, rules)
    assert error is None and reader is BETWEEN_MESSAGES
    return items


def queued(*messages: str | bytes, window_bits: int | None = None) -> Outgoing:
    """These messages, not sent yet."""
    return enqueue_messages(make_outgoing(SEED, window_bits), messages, 2**20)[0]


def test_messages_leave_in_order_as_whole_frames() -> None:
    outgoing, segments = take_queue(queued("a", b"b", ""))
    assert received(b"".join(segments)) == ("a", b"b", "")
    assert not may_send(outgoing)
    assert take_queue(outgoing) == (outgoing, ())


def test_a_seed_makes_the_same_bytes_again() -> None:
    assert take_queue(queued("a"))[1] == take_queue(queued("a"))[1]
    once, again = take_queue(queued("a"))[1][0], take_queue(queued("a", "a"))[1][0][-7:]
    assert received(once) == received(again) and once != again


def test_a_message_beyond_the_budget_is_dropped_but_not_the_only_one() -> None:
    long = b"x" * (MAX + 1)
    outgoing, statuses = enqueue_messages(make_outgoing(SEED, None), (long, b"y"), MAX)
    assert statuses == (SUCCESS, DROPPED)
    assert received(b"".join(take_queue(outgoing)[1])) == (long,)


def test_behind_what_was_not_taken_is_backpressure() -> None:
    outgoing, segments = take_queue(queued("one", "two"))
    outgoing = with_blocked(outgoing, True)
    assert unsent_len(outgoing) == sum(map(len, segments))
    outgoing, statuses = enqueue_messages(outgoing, ("three", b"x" * MAX), MAX)
    assert statuses == (BACKPRESSURE, DROPPED)
    assert take_queue(outgoing) == (outgoing, ())
    outgoing, more = take_queue(with_blocked(outgoing, False))
    assert received(b"".join(segments + more)) == ("one", "two", "three")
    assert unsent_len(outgoing) == 0


def test_a_pong_goes_before_what_waits_and_only_the_latest_does() -> None:
    outgoing = with_blocked(queued("one"), True)
    outgoing = answer_pings(answer_pings(outgoing, (b"1", b"2")), (b"3",))
    assert not may_send(outgoing)
    outgoing, segments = take_queue(with_blocked(outgoing, False))
    assert received(b"".join(segments)) == (Pong(b"3"), "one")


def test_all_pings_are_answered_by_who_is_not_blocked() -> None:
    outgoing = answer_pings(queued("one"), (b"1", b"2"))
    outgoing = enqueue_control(outgoing, Opcode.PING, b"3")
    taken = received(b"".join(take_queue(outgoing)[1]))
    assert taken == (Pong(b"1"), Pong(b"2"), "one", Ping(b"3"))


def test_a_backlog_leaves_in_parts() -> None:
    half, whole = b"x" * (TRANSMIT_MAX // 2), b"y" * (TRANSMIT_MAX + 1)
    outgoing, _ = enqueue_messages(make_outgoing(SEED, None), (half, half, whole, b"z"), 2**24)
    parts = []
    while may_send(outgoing):
        outgoing, segments = take_queue(outgoing)
        parts.append(received(b"".join(segments)))
    assert parts == [(half,), (half,), (whole,), (b"z",)]


def test_what_becomes_shorter_is_compressed() -> None:
    long, short = "a" * COMPRESS_MIN, "a" * (COMPRESS_MIN - 1)
    noise = bytes((index * index * 7919 >> 3) % 256 for index in range(400))
    items = received(b"".join(take_queue(queued(long, short, noise, window_bits=9))[1]))
    assert isinstance(items[0], CompressedMessage)
    assert decompress(items[0], MAX) == long
    assert items[1] == short
    assert queued(long, window_bits=8) == queued(long)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.binary(max_size=30_000), max_size=8),
    st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 3)), max_size=20),
)
def test_whatever_is_blocked_when_all_is_sent_in_order(
    messages: list[bytes], turns: list[tuple[bool, bool, int]]
) -> None:
    """Turns in which the connection is blocked or not, pinged or not, and so much is sent."""
    outgoing, waiting, output = make_outgoing(SEED, None), list(messages), b""
    for is_blocked, is_pinged, count in [*turns, (False, False, 9)]:
        outgoing, _ = enqueue_messages(outgoing, waiting[:count], 2**24)
        waiting = waiting[count:]
        if is_pinged:
            outgoing = answer_pings(outgoing, (b"?",))
        outgoing = with_blocked(outgoing, is_blocked)
        while may_send(outgoing):
            outgoing, segments = take_queue(outgoing)
            output += b"".join(segments)
    items = received(output)
    assert [item for item in items if isinstance(item, bytes)] == messages
    assert unsent_len(outgoing) == 0
    pinged = [is_pinged for _, is_pinged, _ in turns]
    assert sum(isinstance(item, Pong) for item in items) <= sum(pinged)
    assert any(isinstance(item, Pong) for item in items) == any(pinged)
