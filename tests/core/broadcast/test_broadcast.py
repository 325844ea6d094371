"""Publishing in literal events and laws: what everybody receives, whatever it is cut into."""

import subprocess
import sys
from collections.abc import Sequence
from itertools import count

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sigil.core.broadcast.broadcast import NO_CURSOR, has_subscribers
from sigil.core.broadcast.encoding import Encoding
from sigil.core.broadcast.entry import (
    LATEST,
    NO_OPTIONS,
    Publication,
    PublishOptions,
    Subscription,
)
from sigil.core.close_reasons import CloseReason
from sigil.core.conn import Conn, Ticket
from sigil.core.connection.client_status import is_in_cohort
from sigil.core.connection.websocket_send import buffered_amount
from sigil.core.effects import Effect, FanOut, Log, Send
from sigil.core.events import (
    Accepted,
    Delivered,
    Event,
    FanOutStalled,
    HandlerReturned,
    Publish,
    Received,
    SendMessages,
    Stalled,
    Stop,
    Subscribe,
    Writable,
)
from sigil.core.http.response import Response
from sigil.core.limits import Limits
from sigil.core.server import advance, make_server
from sigil.core.server.slots import find_client
from sigil.core.server.state import Server
from sigil.core.websocket.frames import encode_frame
from tests.support.core_driver import CONN, PEER, advance_by, answered, asked, client_of, same
from tests.support.core_websockets import (
    FLUSH,
    bytes_to,
    close_notices,
    frames_of,
    open_websocket,
    sending,
    subscriber_in,
)
from tests.support.requests import GET, UPGRADE
from tests.support.strategies import subscribing, upgrading

TINY = Limits(outgoing_buffer_sz=8, max_ws_send_frame_cnt=4)
ALL = Subscription(Encoding.PLAIN, frozenset())
CONNS = tuple(Conn(slot, slot) for slot in range(3))


def all_hear(*payloads: bytes, topic: str | None = None) -> Publish:
    """The program says binary messages to all."""
    return Publish(tuple((2, payload, topic, NO_OPTIONS) for payload in payloads))


def three(limits: Limits | None = None) -> Server:
    """A server with two WebSockets and a listener: to the last two `news` is said as well."""
    server = make_server(limits or Limits(), 0.0, 0)
    server, _ = advance(server, [Accepted(number, PEER) for number in range(3)])
    server, _ = advance(server, [*upgrading([0], ()), *upgrading([1], ("news",))])
    return advance(server, subscribing([2], ("news",)))[0]


def as_heard(conn: Conn, opcode: int, payload: bytes, number: int | None = None) -> bytes:
    """A message as one of those three is sent it; one that was published has a number."""
    if conn != CONNS[2]:
        return encode_frame(opcode, payload)
    start = b"" if number is None else b"id: 0-%d\n" % (number + 1)
    return start + b"data: " + payload + b"\n\n" if opcode == 1 else b""


# -- one ring --------------------------------------------------------------------------------------


def test_a_message_that_fits_exactly_is_published() -> None:
    _, effects = advance_by(open_websocket(TINY), all_hear(b"sixsix"), FLUSH)
    assert frames_of(effects) == [(2, b"sixsix")]


def test_a_message_that_fits_nowhere_changes_nothing_and_is_noted() -> None:
    before = open_websocket(TINY)
    server, effects = advance_by(before, all_hear(b"seven.."))
    assert [type(effect) for effect in effects] == [Log]
    assert same(server, before)
    _, effects = advance_by(server, all_hear(b"sixsix"), FLUSH)
    assert frames_of(effects) == [(2, b"sixsix")]


def test_a_burst_that_overruns_the_ring_evicts_nobody_who_keeps_up() -> None:
    server, effects = advance_by(
        open_websocket(TINY), all_hear(*[b"%02d" % number for number in range(20)]), FLUSH
    )
    assert frames_of(effects) == [(2, b"%02d" % number) for number in range(20)]
    assert close_notices(effects) == []
    assert server.broadcast.ring.head_number == 20


def test_a_laggard_is_dropped_before_what_it_needs_is_overwritten() -> None:
    server, _ = advance_by(open_websocket(TINY), all_hear(b"ab"), FLUSH)
    server, _ = advance_by(server, FanOutStalled(CONN, 1, 0, 1, ALL))
    server, effects = advance_by(server, all_hear(b"cd"), FLUSH)
    assert frames_of(effects) == []
    server, effects = advance_by(
        server, Writable(CONN), Stalled(CONN, 0, (b"\x02ab", b"\x82\x02cd"))
    )
    server, effects = advance_by(server, all_hear(b"ef", b"gh"))
    assert close_notices(effects) == []
    server, effects = advance_by(server, all_hear(b"ij"))
    server, more = advance_by(server, all_hear(b"kl"))
    assert close_notices([*effects, *more]) == [(CloseReason.WS_CLIENT_TOO_SLOW, 1013)]
    (note,) = [effect.text for effect in [*effects, *more] if isinstance(effect, Log)]
    assert "it needed message 2, the oldest kept is 3 of 5" in note
    assert server.broadcast.lowest_cursor == NO_CURSOR


def test_what_is_overwritten_is_nothing_to_who_does_not_hear_it() -> None:
    server, _ = advance_by(
        open_websocket(Limits(outgoing_buffer_sz=40)),
        Subscribe(CONN, "a", True),
        all_hear(b"ab"),
        FLUSH,
    )
    server, _ = advance_by(
        server, FanOutStalled(CONN, 1, 0, 1, Subscription(Encoding.PLAIN, frozenset("a")))
    )
    for _ in range(20):
        server, effects = advance_by(server, Publish(((2, b"other", "b", NO_OPTIONS),)), FLUSH)
        assert effects == []
    server, _ = advance_by(server, Publish(((2, b"heard", "a", NO_OPTIONS),)), FLUSH)
    server, effects = advance_by(server, Writable(CONN), FLUSH)
    assert bytes_to(CONN, effects) == b"\x02ab" + encode_frame(2, b"heard")
    assert is_in_cohort(client_of(server))


def test_who_changes_its_mind_for_ever_has_no_queue_without_end() -> None:
    server, _ = advance_by(open_websocket(), all_hear(b"ab"), FLUSH)
    server, _ = advance_by(server, FanOutStalled(CONN, 1, 0, 1, ALL))
    for number in range(100):
        server, _ = advance_by(server, Subscribe(CONN, "a", number % 2 == 0))
    server, _ = advance_by(server, all_hear(b"cd"))
    for number in range(100):
        server, _ = advance_by(server, Subscribe(CONN, "a", number % 2 == 0))
    assert len(subscriber_in(server).queue) == 1
    _, effects = advance_by(server, FLUSH, Writable(CONN), FLUSH)
    assert bytes_to(CONN, effects) == b"\x02ab" + encode_frame(2, b"cd")


def test_half_a_frame_is_finished_before_anything_else() -> None:
    server, effects = advance_by(open_websocket(), all_hear(b"abc", b"def"), FLUSH)
    sent = bytes_to(CONN, effects)[:7]
    server, _ = advance_by(
        server, FanOutStalled(CONN, 7, 0, 2, ALL), sending(b"w"), all_hear(b"ghi")
    )
    _, effects = advance_by(server, Writable(CONN), FLUSH)
    assert sent + bytes_to(CONN, effects) == b"".join(
        encode_frame(2, payload) for payload in (b"abc", b"def", b"w", b"ghi")
    )


def test_a_newcomer_hears_what_is_published_from_now_on() -> None:
    server = make_server(Limits(), 0.0, 0)
    server, _ = advance(server, [Accepted(number, PEER) for number in range(2)])
    server, _ = advance(server, upgrading([0], ()))
    server, _ = advance_by(server, all_hear(b"early"))
    server, _ = advance(server, upgrading([1], ()))
    _, effects = advance_by(server, all_hear(b"late"), FLUSH)
    assert bytes_to(CONNS[0], effects) == encode_frame(2, b"early") + encode_frame(2, b"late")
    assert bytes_to(CONNS[1], effects) == encode_frame(2, b"late")


# -- laws ------------------------------------------------------------------------------------------

PAYLOADS = st.sampled_from((b"", b"a", b"bc", b"x" * 5, b"y" * 130))
EXCLUDING = tuple(PublishOptions(exclude=conn) for conn in CONNS[1:])
OPTIONS = st.sampled_from((NO_OPTIONS, NO_OPTIONS, LATEST, *EXCLUDING))
MESSAGES = st.tuples(
    st.sampled_from((1, 2)), PAYLOADS, st.sampled_from((None, None, "news", "sport")), OPTIONS
)
BATCHES = st.lists(MESSAGES, min_size=1, max_size=6).map(tuple)
TO_ONE = st.sampled_from(CONNS)
WORDS = st.lists(st.tuples(st.sampled_from((1, 2)), PAYLOADS), min_size=1, max_size=3).map(tuple)
SAID = st.builds(SendMessages, TO_ONE, WORDS)
TOPIC = st.builds(Subscribe, TO_ONE, st.sampled_from(("news", "sport")), st.booleans())
ACTS = st.one_of(st.builds(Publish, BATCHES), SAID, TOPIC)
OTHER_ACTS = ACTS.filter(
    lambda act: not isinstance(act, Publish) or all(not one[3].latest for one in act.messages)
)
"""All that a client is sent also if it is behind."""
TROUBLE = st.one_of(
    st.builds(Stalled, TO_ONE, st.just(0), st.just((b"\x82\x00",))),
    st.builds(Writable, TO_ONE),
    st.just(FLUSH),
)


LAST_LISTENER_IS_BEHIND: list[Event] = [
    Publish(((1, b"", None, NO_OPTIONS),) * 2),
    Stalled(CONNS[2], 0, (b"\x82\x00",)),
    FLUSH,
]


def without_notes(effects: Sequence[Effect]) -> list[Effect]:
    """The effects but what is written to the log, which counts what was published at the time."""
    return [effect for effect in effects if not isinstance(effect, Log)]


@example(LAST_LISTENER_IS_BEHIND, ((1, b"", None, NO_OPTIONS), (2, b"", None, NO_OPTIONS)), 9, 2)
@example(LAST_LISTENER_IS_BEHIND, ((1, b"", None, NO_OPTIONS), (1, b"", None, NO_OPTIONS)), 40, 2)
@given(
    st.lists(st.one_of(ACTS, ACTS, TROUBLE), max_size=12),
    BATCHES,
    st.sampled_from((9, 40, 10_000)),
    st.sampled_from((2, 5, 100)),
)
def test_messages_in_a_batch_are_messages_one_by_one(
    before: list[Event], batch: tuple[Publication, ...], size: int, most: int
) -> None:
    server, _ = advance(three(Limits(outgoing_buffer_sz=size, max_ws_send_frame_cnt=most)), before)
    left, together = advance(server, [Publish(batch), FLUSH])
    right, singly = advance(server, [*(Publish((message,)) for message in batch), FLUSH])
    for conn in CONNS:
        assert bytes_to(conn, together) == bytes_to(conn, singly)
    assert sorted(close_notices(together)) == sorted(close_notices(singly))
    if has_subscribers(left.broadcast, left.limits):
        one, other = left.broadcast.ring, right.broadcast.ring
        assert one == other.replace(pages=one.pages, first_page=one.first_page)
    assert (
        left.broadcast.cohorts == right.broadcast.cohorts
        and left.broadcast.laggards == right.broadcast.laggards
    )
    assert same(left.totals, right.totals) and same(left.load, right.load)


@given(st.lists(ACTS, max_size=15), st.lists(st.integers(0, 15), max_size=6))
def test_where_turns_end_changes_nothing_in_what_anybody_receives(
    acts: list[Event], ends: list[int]
) -> None:
    cut: list[Event] = []
    for index, act in enumerate(acts):
        cut += [FLUSH] * (index in ends) + [act]
    _, whole = advance(three(), [*acts, FLUSH])
    _, pieces = advance(three(), [*cut, FLUSH])
    for conn in CONNS:
        assert bytes_to(conn, whole) == bytes_to(conn, pieces)


@given(st.lists(ACTS, max_size=15))
def test_everybody_receives_what_was_said_in_the_order_in_which_it_was_said(
    acts: list[Event],
) -> None:
    expected: dict[Conn, bytes] = dict.fromkeys(CONNS, b"")
    topics, numbers = {CONNS[0]: set[str](), CONNS[1]: {"news"}, CONNS[2]: {"news"}}, count()
    for act in acts:
        if isinstance(act, Publish):
            for message, number in zip(act.messages, numbers, strict=False):
                opcode, payload, topic, options = message
                for conn in CONNS:
                    is_for_it = topic is None or topic in topics[conn]
                    if is_for_it and conn != options.exclude:
                        expected[conn] += as_heard(conn, opcode, payload, number)
        elif isinstance(act, SendMessages):
            expected[act.conn] += b"".join(as_heard(act.conn, *message) for message in act.messages)
        elif isinstance(act, Subscribe):
            (topics[act.conn].add if act.is_subscribed else topics[act.conn].discard)(act.topic)
    _, effects = advance(three(), [*acts, FLUSH])
    assert {conn: bytes_to(conn, effects) for conn in CONNS} == expected


@given(
    st.lists(OTHER_ACTS, max_size=10),
    st.sampled_from((7, 50, 1_000)),
    st.integers(0, 200),
    st.sampled_from(CONNS[1:]),
)
def test_what_the_kernel_does_not_take_comes_later_and_in_order(
    acts: list[Event], most: int, taken: int, slow: Conn
) -> None:
    _, effects = advance(three(), [*acts, FLUSH])
    expected = bytes_to(slow, effects)
    server, effects = advance(three(), [*acts, FLUSH])
    received = b""
    for _ in range(len(expected)):
        events: list[Event] = []
        for effect in effects:
            if isinstance(effect, FanOut) and slow in effect.members:
                length = 0 if events else min(taken, len(effect.data))
                received += effect.data[:length]
                if length < len(effect.data):
                    events.append(
                        FanOutStalled(slow, length, effect.start, effect.end, effect.subscription)
                    )
            elif isinstance(effect, Send) and effect.conn == slow:
                data = b"".join(effect.segments)
                length = 0 if events else min(taken, len(data))
                received += data[:length]
                if length < len(data):
                    events.append(Stalled(slow, length, (data[length:],)))
        taken = most
        if not events:
            break
        server, effects = advance(server, [*events, Writable(slow)])
    assert received == expected


# -- what was wrong once ---------------------------------------------------------------------------


def behind(topics: tuple[str, ...] = ()) -> Server:
    """A server whose only client has become a WebSocket while it had not taken an answer from
    before.
    """
    server, _ = advance_by(asked(GET), answered(0, Response.bytes(b"a" * 900)))
    server, _ = advance_by(server, Stalled(CONN, 100, (b"a" * 800,)), Received(CONN, UPGRADE))
    return advance_by(
        server,
        HandlerReturned(Ticket(CONN, 1), (Response.upgrade(topics=topics),)),
        Delivered(CONN),
    )[0]


def test_one_who_is_behind_when_it_becomes_a_websocket_is_no_member_of_a_cohort() -> None:
    server = behind()
    assert not server.broadcast.cohorts
    assert set(server.broadcast.laggards) == {CONN}


def test_what_was_said_to_a_newcomer_that_is_behind_is_not_overtaken() -> None:
    server, effects = advance_by(behind(), sending(b"first"), FLUSH, all_hear(b"second"), FLUSH)
    lags = [
        FanOutStalled(CONN, 0, fan.start, fan.end, fan.subscription)
        for fan in effects
        if isinstance(fan, FanOut)
    ]
    _, effects = advance_by(server, *lags, Writable(CONN), FLUSH)
    sent = bytes_to(CONN, effects)
    assert sent[sent.index(b"\r\n\r\n") + 4 :] == encode_frame(2, b"first") + encode_frame(
        2, b"second"
    )


def test_the_end_leaves_no_hole_in_what_was_said() -> None:
    _, effects = advance_by(
        open_websocket(), all_hear(b"published"), sending(b"whispered"), Stop(0.0)
    )
    received = [payload for opcode, payload in frames_of(effects) if opcode == 2]
    assert received == [b"published", b"whispered"][: len(received)]


@pytest.mark.parametrize("is_flushed", [False, True])
def test_what_is_owed_is_counted_exactly(is_flushed: bool) -> None:
    server, _ = advance_by(
        open_websocket(), all_hear(b"abc"), sending(b"x", b"y" * 126, b"z" * 66_000)
    )
    owed = 5 + 3 + 130 + 66_010
    assert buffered_amount(find_client(server.slots, CONN), server.broadcast) == owed
    if is_flushed:
        server, effects = advance_by(server, FLUSH)
        server, _ = advance_by(
            server,
            Stalled(
                CONN,
                0,
                tuple(
                    segment
                    for effect in effects
                    if isinstance(effect, Send)
                    for segment in effect.segments
                ),
            ),
        )
        assert buffered_amount(find_client(server.slots, CONN), server.broadcast) == owed


def test_what_is_owed_is_counted_by_the_topics_it_was_published_on() -> None:
    server, _ = advance_by(
        open_websocket(topics=("news",)),
        all_hear(b"abc", topic="news"),
        Subscribe(CONN, "news", False),
        all_hear(b"more", topic="news"),
    )
    assert buffered_amount(find_client(server.slots, CONN), server.broadcast) == 5


def test_the_topics_of_a_laggard_count_from_when_they_were_changed() -> None:
    server, effects = advance_by(
        open_websocket(topics=("a",)),
        all_hear(b"one", topic="a"),
        all_hear(b"two", topic="b"),
        FLUSH,
    )
    (fan,) = [effect for effect in effects if isinstance(effect, FanOut)]
    server, _ = advance_by(
        server,
        Subscribe(CONN, "b", True),
        FanOutStalled(CONN, 2, fan.start, fan.end, fan.subscription),
    )
    _, effects = advance_by(server, Writable(CONN), FLUSH)
    assert fan.data[:2] + bytes_to(CONN, effects) == encode_frame(2, b"one")


ORDER = """
from tests.core.broadcast.test_broadcast import CONNS, FLUSH, FanOut, Subscribe, all_hear, three
from sigil.core.server import advance
subscribed = [Subscribe(conn, topic, True) for conn, topic in zip(CONNS, "abc")]
server, effects = advance(three(), [*subscribed, all_hear(b"a"), FLUSH])
print([sorted(effect.subscription.topics) for effect in effects if isinstance(effect, FanOut)])
"""


def test_the_order_of_orders_does_not_depend_on_the_interpreter() -> None:
    runs = {
        subprocess.run(
            [sys.executable, "-c", ORDER],
            env={"PYTHONHASHSEED": str(seed)},
            text=True,
            capture_output=True,
            check=True,
            timeout=60,
        ).stdout
        for seed in range(6)
    }
    assert len(runs) == 1, runs
