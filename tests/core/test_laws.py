"""Laws, tried on whatever Hypothesis can think of: cuts change nothing, advance is the fold of
step, nothing is lost.

And an oracle: h11 reads the heads that we read, and where the two differ is written down.
"""

import os
import subprocess
import sys
from itertools import pairwise
from math import inf

import h11
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sigil.core.broadcast.broadcast import subscriber_count
from sigil.core.conn import Conn
from sigil.core.connection.client_status import (
    has_unsent,
    incoming_len,
    is_close_due,
    is_subscriber,
    outgoing_len,
)
from sigil.core.connection.deadlines import deadline_of, interest_of
from sigil.core.connection.subscriber import CloseState
from sigil.core.effects import (
    CallClose,
    CallOpen,
    CallSseClose,
    CallSseOpen,
    CallWsClose,
    CallWsDrain,
    CallWsOpen,
    Deliver,
    Effect,
)
from sigil.core.events import (
    Accepted,
    ConnectionLost,
    Event,
    InputRead,
    Received,
    Stop,
    TickStarted,
)
from sigil.core.http.body import begin_body, continue_body_read
from sigil.core.http.head import Head, parse_headers_only
from sigil.core.limits import Limits
from sigil.core.parse_result import Malformed
from sigil.core.rope import rope_append, rope_join
from sigil.core.server import advance, make_server, step
from sigil.core.server.clock import next_deadline
from sigil.core.server.fold import coalesce
from sigil.core.server.slots import clients_of, free_slots
from sigil.core.server.state import Server, counted_now
from sigil.core.server.timer_wheel import expire, make_wheel, next_expiry, schedule
from sigil.core.topics import ALL_TOPICS
from sigil.shell.loop.head_cache import cached_parser
from tests.support.core_driver import (
    PEER,
    advance_by,
    byte_by_byte,
    cut,
    drive,
    same,
    serving,
    typed,
)
from tests.support.core_websockets import FLUSH, close, echo_run, open_websocket, ping, text
from tests.support.requests import GET
from tests.support.sources import ROOT
from tests.support.strategies import (
    CHUNKS,
    CODES,
    CUTS,
    FIELDS,
    TARGETS,
    chunked_bytes,
    events,
    frame_streams,
    good_requests,
    head_bytes,
    streams,
    websocket_runs,
)

LIMITS = Limits(
    max_connection_cnt=5,
    max_ws_connection_cnt=2,
    max_ws_recv_frame_len=70,
    max_ws_message_len=90,
    max_queued_requests=3,
    max_outbox_len=200,
    max_linger_len=300,
    max_header_len=400,
    max_target_len=30,
    max_headers=7,
    max_body_len=60,
    max_chunk_line_len=20,
    max_chunk_extension_len=30,
    max_trailer_len=20,
)
TIGHT = LIMITS._replace(
    outgoing_buffer_sz=600,
    max_ws_send_frame_cnt=4,
    history_messages=2,
    max_connection_cnt=3,
    max_inbound_len=90,
    max_outbound_len=150,
    max_requests_per_connection=4,
    response_timeout=7.0,
    rate_grace=3.0,
    sse_keep_alive_interval=2.0,
)
"""So little for all together that somebody has to give way all the time."""
few = settings(max_examples=100, deadline=None)
some = settings(max_examples=250, deadline=None)


# -- cuts ------------------------------------------------------------------------------------------


@some
@given(streams(), CUTS, st.sampled_from((Limits(), LIMITS)))
@example(GET * 70, [1, 2, 3], Limits())
@example(b"\r\n" * 9 + GET, [3], LIMITS)
@example(b"A" * 33 + b"\r\n\r\n", [32], LIMITS)
@example(b"GET /" + b"a" * 95, [50], LIMITS)
def test_cutting_a_stream_changes_neither_the_requests_nor_the_output(
    data: bytes, cuts: list[int], limits: Limits
) -> None:
    whole = drive(serving(limits), [data])
    assert same(drive(serving(limits), cut(data, cuts)), whole)
    assert same(drive(serving(limits), byte_by_byte(data)), whole)


@some
@given(frame_streams(), CUTS, st.sampled_from((Limits(), LIMITS)))
@example(ping(b"1") + text("a") + ping(b"2") + close(b"\x03\xe8"), [6, 7, 8, 20], Limits())
@example(text("\u20ac")[:-1] + b"\x00", [6, 7], Limits())
def test_cutting_a_conversation_changes_neither_the_messages_nor_the_output(
    data: bytes, cuts: list[int], limits: Limits
) -> None:
    whole = echo_run(open_websocket(limits), [data])
    assert same(echo_run(open_websocket(limits), cut(data, cuts)), whole)
    assert same(echo_run(open_websocket(limits), byte_by_byte(data)), whole)


@few
@given(CHUNKS, CUTS, st.binary(max_size=9))
def test_a_chunked_body_is_its_chunks_joined_however_it_is_cut(
    chunks: list[bytes], cuts: list[int], rest: bytes
) -> None:
    body, left = begin_body(-1), b""
    for piece in cut(chunked_bytes(chunks) + rest, cuts):
        read = continue_body_read(body, left + piece, Limits())
        assert not isinstance(read, Malformed)
        body, left = read
    assert (body.is_complete, rope_join(body.rope), body.length, left) == (
        True,
        b"".join(chunks),
        sum(map(len, chunks)),
        rest,
    )


@few
@given(st.lists(st.binary(min_size=1, max_size=30)))
def test_a_rope_keeps_every_byte_in_few_pieces(pieces: list[bytes]) -> None:
    rope: tuple[bytes, ...] = ()
    for piece in pieces:
        rope = rope_append(rope, piece)
    assert rope_join(rope) == b"".join(pieces)
    assert all(len(left) >= 2 * len(right) for left, right in pairwise(rope))


# -- folds -----------------------------------------------------------------------------------------


def start(limits: Limits = LIMITS) -> Server:
    """A server with three connections."""
    server = make_server(limits, 0.0, 0)
    return advance_by(server, Accepted(0, PEER), Accepted(1, PEER), Accepted(2, PEER))[0]


def fold(server: Server, run: list[Event]) -> tuple[Server, list[Effect]]:
    """The fold of `step`."""
    effects: list[Effect] = []
    for event in run:
        server, more = step(server, event)
        effects += more
    return server, effects


@settings(max_examples=400, deadline=None)
@given(events(), st.booleans(), st.sampled_from((LIMITS, TIGHT)))
def test_advance_is_the_fold_of_step_with_sends_joined(
    run: list[Event], logs_access: bool, limits: Limits
) -> None:
    server = start(limits).replace(logs_access=logs_access)
    stepped, effects = fold(server, run)
    advanced, orders = advance(server, run)
    assert same(advanced, stepped)
    assert same(orders, coalesce(effects))
    assert type(orders) is list


@some
@given(events())
def test_a_connection_is_always_watched_and_looked_at_in_time(run: list[Event]) -> None:
    server, _ = advance(start(), run)
    if any(deadline_of(client, LIMITS) < inf for client in clients_of(server.slots)):
        look = next_deadline(server)
        assert look is not None
        soonest = min(deadline_of(client, LIMITS) for client in clients_of(server.slots))
        latest = max(soonest, counted_now(server), server.held_up.judges_from)
        look -= server.held_up.seconds
        assert look <= latest + server.wheel.granularity + 1e-9


@some
@given(events())
def test_the_counted_time_goes_on_and_never_back(run: list[Event]) -> None:
    server = start()
    for event in run:
        before = server
        server, _ = step(server, event)
        gone = counted_now(server) - counted_now(before)
        assert -1e-9 <= gone <= server.now - before.now + 1e-9
        assert server.tick_started_at <= counted_now(server) + 1e-9


@some
@given(st.lists(st.floats(0.1, 1e4), min_size=2, max_size=20))
def test_who_is_overdue_ends_within_a_few_ticks_however_late_they_are(waits: list[float]) -> None:
    server, now, ticks = serving(LIMITS._replace(idle_timeout=0.1)), 0.0, 0
    for wait in waits:
        now += wait
        server, effects = advance(server, [TickStarted(now, 0), InputRead()])
        ticks += 1
        if effects:
            break
    assert ticks <= 3 and (effects or ticks < 3)


@some
@given(events(), st.sampled_from((LIMITS, TIGHT)))
def test_the_sums_over_all_clients_are_sums_over_all_clients(
    run: list[Event], limits: Limits
) -> None:
    server = start(limits)
    for event in run:
        server, _ = step(server, event)
        clients = list(clients_of(server.slots))
        load = server.load
        assert (load.inbound, load.outbound) == (
            sum(map(incoming_len, clients)),
            sum(map(outgoing_len, clients)),
        )
        assert load.websockets == sum(map(is_subscriber, clients))
        assert load.inbound <= limits.max_inbound_len
        assert (load.paused_at is None) or load.outbound > limits.max_outbound_len // 2
        assert (load.paused_at is not None) or load.outbound <= limits.max_outbound_len


@some
@given(websocket_runs(), st.sampled_from((LIMITS, TIGHT)))
def test_a_websocket_to_which_something_is_to_be_said_is_on_the_list_and_a_flush_empties_it(
    run: list[Event], limits: Limits
) -> None:
    server = start(limits)
    for event in run:
        server, _ = step(server, event)
        for client in clients_of(server.slots):
            assert client.outgoing.interest is interest_of(client, limits)
            if client.subscriber is not None:
                is_free = not (client.outgoing.outbox or client.outgoing.is_full)
                is_sayable = (
                    bool(client.subscriber.queue)
                    or (client.websocket is not None and bool(client.websocket.pongs))
                    or is_close_due(client)
                    or client.subscriber.cursor is not None
                    or (client.websocket is not None and client.websocket.awaits_drain)
                )
                assert is_sayable == has_unsent(client)
                assert client.subscriber.is_scheduled or not (is_free and is_sayable)
                assert client.conn in server.unflushed or not client.subscriber.is_scheduled
                assert client.subscriber.queued_len == 0 or client.subscriber.queue
    server, _ = step(server, FLUSH)
    assert not server.unflushed
    assert not server.broadcast.pending
    for client in clients_of(server.slots):
        if client.subscriber is not None:
            assert not client.subscriber.is_scheduled
            assert not client.subscriber.queue or client.outgoing.outbox or client.outgoing.is_full


@some
@given(websocket_runs(), st.sampled_from((LIMITS, TIGHT)))
def test_who_hears_the_stream_is_in_one_cohort_or_a_laggard_between_tail_and_head(
    run: list[Event], limits: Limits
) -> None:
    server = start(limits)
    for event in run:
        server, _ = step(server, event)
        broadcast, subscribers = server.broadcast, {}
        for client in clients_of(server.slots):
            if client.subscriber is not None and client.subscriber.close_state is CloseState.OPEN:
                subscribers[client.conn] = client.subscriber
        members = [conn for cohort in broadcast.cohorts.values() for conn in cohort]
        assert subscriber_count(broadcast) == len(subscribers)
        for topic in ("news", "sport", ALL_TOPICS):
            assert subscriber_count(broadcast, topic) == sum(
                bool({topic, ALL_TOPICS} & subscriber.subscription.topics)
                for subscriber in subscribers.values()
            )
        behind = [conn for conn, subscriber in subscribers.items() if subscriber.cursor is not None]
        assert len(set(members)) == len(members)
        assert not set(members) & set(broadcast.laggards)
        assert set(behind) <= set(broadcast.laggards)
        assert set(subscribers) <= set(members) | set(broadcast.laggards)
        for conn in behind:
            assert (
                broadcast.ring.tail_number
                <= (subscribers[conn].cursor or 0)
                <= broadcast.next_number
            )
        for subscription, cohort in broadcast.cohorts.items():
            assert cohort
            assert all(subscribers[conn].subscription == subscription for conn in cohort)


@some
@given(events(), st.sampled_from((LIMITS, TIGHT)))
def test_every_beginning_has_its_end_exactly_once(run: list[Event], limits: Limits) -> None:
    server, effects = fold(start(limits), [*run, Stop(0.0)])
    assert server.slots.used == 0
    for begun, ended in (
        (CallOpen, CallClose),
        (CallWsOpen, CallWsClose),
        (CallSseOpen, CallSseClose),
    ):
        beginnings = [effect.conn for effect in effects if isinstance(effect, begun)]
        endings = [effect.conn for effect in effects if isinstance(effect, ended)]
        if begun is CallOpen:
            beginnings += [Conn(0, 0), Conn(1, 1), Conn(2, 2)]
        assert sorted(beginnings) == sorted(endings)
        assert len(set(endings)) == len(endings)
    for conn in {effect.conn for effect in effects if isinstance(effect, CallWsClose)}:
        story = [type(effect) for effect in effects if getattr(effect, "conn", None) == conn]
        assert story.index(CallWsOpen) < story.index(CallWsClose) < story.index(CallClose)
        assert not {Deliver, CallWsDrain} & set(story[story.index(CallWsClose) :])
    for conn in {effect.conn for effect in effects if isinstance(effect, CallSseClose)}:
        story = [type(effect) for effect in effects if getattr(effect, "conn", None) == conn]
        assert story.index(CallSseOpen) < story.index(CallSseClose) < story.index(CallClose)


@some
@given(events(), st.sampled_from((LIMITS, TIGHT)))
def test_every_event_is_borne_and_every_slot_is_in_use_or_free_exactly_once(
    run: list[Event], limits: Limits
) -> None:
    server = start(limits)
    for event in run:
        server, _ = step(server, event)
        free, used = (
            free_slots(server.slots),
            [client.conn.slot for client in clients_of(server.slots)],
        )
        assert sorted(free + used) == list(range(len(server.slots.entries)))
        assert server.slots.used == len(used)


@few
@given(st.lists(st.one_of(st.none(), st.integers(0, 6)), max_size=60))
def test_slots_are_reused_and_names_never(moves: list[int | None]) -> None:
    server, here, seen = (
        make_server(Limits(max_connection_cnt=7, full_policy="503"), 0.0, 0),
        list[Conn](),
        set[Conn](),
    )
    for move in moves:
        if move is None:
            server, effects = step(server, Accepted(1, PEER))
            conn = getattr(effects[0], "conn", None)
            if conn is not None:
                assert conn not in seen
                seen.add(conn)
                here.append(conn)
        elif move < len(here):
            server, _ = step(server, ConnectionLost(here.pop(move), 104))
        assert {client.conn for client in clients_of(server.slots)} == set(here)
        assert len(server.slots.entries) <= 7
        assert sorted(free_slots(server.slots) + [conn.slot for conn in here]) == list(
            range(len(server.slots.entries))
        )


@some
@given(events())
def test_a_parser_that_remembers_gives_the_same_orders(run: list[Event]) -> None:
    parse = cached_parser(LIMITS)
    first, second = advance(start(), run, parse), advance(start(), run, parse)
    assert same(first, advance(start(), run))
    assert same(second, first)


# -- time ------------------------------------------------------------------------------------------


@some
@given(st.floats(0.01, 100.0), st.floats(0.0, 1e6), st.floats(0.0, 1e4))
def test_nobody_is_looked_at_more_than_a_grain_after_his_deadline_nor_before(
    period: float, now: float, after: float
) -> None:
    conn, wheel = Conn(0, 0), make_wheel(period)
    due = min(now + after, now + period)
    wheel = schedule(wheel, conn, now, now + after)
    look = next_expiry(wheel)
    assert look is not None
    slack = 1e-9 * max(1.0, now)
    assert due - slack <= look <= due + wheel.granularity + slack
    assert expire(wheel, look, 9)[1] == [conn]
    assert next_expiry(expire(wheel, look, 9)[0]) is None


# -- recordings ------------------------------------------------------------------------------------

REPLAY = """
import hashlib, sys
sys.path.insert(0, {root!r})
from sigil.core.conn import Conn, Peer, Ticket
from sigil.core.events import *
from sigil.core.limits import Limits
from sigil.core.http.response import Response
from sigil.core.close_reasons import CloseReason
from sigil.core.server import advance, make_server, stats
server, sink = make_server(Limits(), 0.0, 0, True), hashlib.sha256()
hello = (
    b"POST /p?q HTTP/1.1\\r\\nHost: a\\r\\nX-A: 1\\r\\nx-a: 2\\r\\nCookie: a=b\\r\\n"
    b"Content-Length: 2\\r\\n\\r\\nhi"
)
conns = [Conn(n, n) for n in range(8)]
run = [Accepted(n, Peer("h", n)) for n in range(8)] + [Received(c, hello * 2) for c in conns]
answer = Response.text("x", headers={{"B": "1", "A": "2"}})
run += [HandlerReturned(Ticket(c, 0), (answer,)) for c in conns]
run += [TickStarted(5.0, 5), ConnectionLost(conns[3], 104), InputRead()]
run += [CloseRequested(conns[4], CloseReason.HANDLER_ERROR), HalfClosed(conns[5])]
run += [Received(conns[6], b"GET /\\r\\n\\r\\n"), TickStarted(90.0, 90), InputRead()]
run += [TickStarted(91.0, 91), InputRead(frozenset(conns[:3]))]
run += [Stop(1.0), TickStarted(92.0, 92), InputRead()]
for event in run:
    server, effects = advance(server, [event])
    sink.update(repr((effects, stats(server), list(server.slots.entries))).encode())
print(sink.hexdigest())
"""


def replay(seed: str) -> str:
    """The fingerprint of all orders of one recording under this seed of Python's hashes."""
    result = subprocess.run(
        [sys.executable, "-c", REPLAY.format(root=str(ROOT))],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": seed},
    )
    return result.stdout


def test_a_recording_gives_the_same_orders_whatever_the_seed_of_hashes() -> None:
    first = replay("1")
    assert len(first) == 65
    assert replay("2") == first


# -- the oracle ------------------------------------------------------------------------------------


def ask_h11(data: bytes) -> h11.Request | None:
    """What h11 as a server reads at the front of these bytes, None if it refuses."""
    connection = h11.Connection(h11.SERVER)
    try:
        connection.receive_data(data)
        event = connection.next_event()
    except h11.RemoteProtocolError:
        return None
    return event if isinstance(event, h11.Request) else None


def agrees(head: Head, other: h11.Request) -> bool:
    """The same method, target, version and fields; h11 folds names and keeps both, and joins
    nothing.
    """
    pairs = [
        (name.encode("latin-1"), value.encode("latin-1")) for name, value in head.headers.pairs
    ]
    return (
        head.method.encode() == other.method
        and head.target.encode() == other.target
        and b"1.%d" % head.version == other.http_version
        and pairs == list(other.headers.raw_items())
    )


@some
@given(CODES, TARGETS, FIELDS, st.sampled_from(("1.0", "1.1")))
def test_h11_reads_good_heads_as_we_do(
    method: str, target: str, fields: list[tuple[str, str]], version: str
) -> None:
    data = head_bytes(method, target, fields, version)
    head, other = parse_headers_only(data), ask_h11(data)
    assert isinstance(head, Head)
    assert other is not None
    assert agrees(head, other)


STRICTER = (
    "the request line contains a byte",  # h11 takes obs-text (0x80 to 0xff) in targets
    "a header field is folded",  # h11 joins folded lines
    "a line feed without a carriage",  # h11 ends lines at a bare LF
    "is not one this server knows",  # h11 takes any token for a method
    "is not spoken here",  # h11 takes any HTTP/d.d
    "the request target",  # h11 does not look into targets
    "Host is not a valid host",  # h11 does not look into Host
    "Content-Length is not one",  # h11 takes equal Content-Length values as one
    "has more than one Host",  # h11 does not count Host in HTTP/1.0
    "has both Transfer-Encoding and",  # h11 lets Transfer-Encoding win
    "does not exist in HTTP/1.0",  # h11 takes Transfer-Encoding from HTTP/1.0
    "meets no expectation but",  # h11 leaves Expect to the application
    "is longer than",  # h11 has other bounds
    "beyond all bounds",
    "a header name is empty",
    "the head contains",  # h11 takes some control bytes in values
)
"""Sentences of ours for heads that h11 may take: where we are the stricter one."""


@st.composite
def doubtful_heads(draw: st.DrawFn) -> bytes:
    """A head with one or two bytes changed, inserted or taken out, and its end where it was."""
    odd = st.sampled_from(
        (
            ("Content-Length", "5"),
            ("Content-Length", "5, 5"),
            ("Transfer-Encoding", "chunked"),
            ("Host", "b"),
            ("Expect", "100-continue"),
            ("Connection", "upgrade"),
        )
    )
    data = head_bytes(draw(CODES), draw(TARGETS), draw(FIELDS) + draw(st.lists(odd, max_size=2)))[
        :-4
    ]
    for _ in range(draw(st.integers(0, 2))):
        position = draw(st.integers(0, len(data)))
        new = draw(
            st.sampled_from(
                (
                    b"",
                    b" ",
                    b"\t",
                    b":",
                    b"\r",
                    b"\n",
                    b"\r\n",
                    b"\x00",
                    b"\x7f",
                    b"\xff",
                    b"/",
                    b"1",
                )
            )
        )
        data = data[:position] + new + data[position + draw(st.integers(0, 1)) :]
    return data + b"\r\n\r\n"


@settings(max_examples=600, deadline=None)
@given(doubtful_heads())
def test_what_h11_refuses_we_refuse_and_where_we_are_stricter_we_know_why(data: bytes) -> None:
    if (
        data.startswith((b"\r", b"\n"))
        or b"\r\n\r\n" in data[:-4]
        or b"\n\n" in data
        or b"\n\r\n" in data[:-4]
    ):
        return  # empty lines: h11 skips them itself, we leave that to the connection
    parsed, other = parse_headers_only(data), ask_h11(data)
    if other is None:
        assert not isinstance(parsed, Head), (
            parsed
        )  # no exceptions: nothing is known that h11 refuses and we take
    elif isinstance(parsed, Head):
        assert agrees(parsed, other)
    else:
        assert isinstance(parsed, Malformed)
        assert any(sentence in parsed.message for sentence in STRICTER), parsed


@few
@given(good_requests())
def test_what_we_hand_over_is_what_h11_hands_over(data: bytes) -> None:
    driven = drive(serving(), [data])
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(data)
    head, body = connection.next_event(), b""
    while isinstance(event := connection.next_event(), h11.Data):
        body += bytes(event.data)
    assert isinstance(head, h11.Request)
    if head.method == b"TRACE":
        assert driven.requests == ()
    else:
        assert [(r.method.encode(), r.target.encode(), r.body) for r in driven.requests] == [
            (head.method, head.target, body)
        ]


def test_a_run_is_told_apart_by_type_and_by_value() -> None:
    assert not same(TickStarted(1.0, 1), ConnectionLost(Conn(0, 0), 1))
    assert not same((1, 2), Conn(1, 2))
    assert not same([Received(Conn(0, 0), b"x")], [Received(Conn(0, 0), b"y")])
    assert typed(Conn(1, 2)) == ("Conn", 1, 2)
