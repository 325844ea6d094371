"""Laws of what a peer may rely on, tried on whatever Hypothesis can think of.

Answers are read by h11 as they were meant, pongs and messages come in order, nobody is late who was
not read, and nobody gives way while there is room.
"""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import NamedTuple

import h11
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sigil.core.close_reasons import CloseReason
from sigil.core.conn import Conn, Ticket
from sigil.core.connection.client_status import outgoing_len
from sigil.core.effects import (
    Adopt,
    CallClose,
    Deliver,
    Effect,
    Handle,
    Pull,
    Reject,
    Send,
    Then,
)
from sigil.core.events import (
    Accepted,
    Delivered,
    DescriptorsExhausted,
    Event,
    HandlerReturned,
    InputRead,
    Received,
    Stalled,
    Stop,
    StreamChunk,
    StreamEnded,
    TickStarted,
)
from sigil.core.http.bodies import StreamedBody
from sigil.core.http.head import Head, parse_headers_only
from sigil.core.http.response import Response
from sigil.core.limits import Limits
from sigil.core.parse_result import Malformed
from sigil.core.server import advance, make_server
from sigil.core.server.clock import next_deadline
from sigil.core.server.fold import coalesce
from sigil.core.server.slots import clients_of
from sigil.core.server.state import Server, ServerState
from tests.support.core_driver import (
    CONN,
    PEER,
    advance_by,
    asked,
    at,
    bytes_of,
    client_of,
    cut,
    serving,
)
from tests.support.core_websockets import (
    FLUSH,
    close_notices,
    frames_of,
    open_websocket,
    ping,
    received,
    text,
    websocket_in,
)
from tests.support.core_websockets import close as closing
from tests.support.requests import GET, UPGRADE
from tests.support.strategies import (
    CUTS,
    FRAMES,
    events,
    frame_streams,
    good_requests,
    streams,
)

few = settings(max_examples=100, deadline=None)
some = settings(max_examples=250, deadline=None)
SAFE = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))
"""The methods that are safe (RFC 9110 section 9.2.1)."""


# -- answers ---------------------------------------------------------------------------------------


class Exchange(NamedTuple):
    """A request, and the body that it is answered with: whole (None) or in chunks, of a declared
    length or not.
    """

    method: str
    is_last: bool
    body: bytes
    chunk_len: int | None
    is_declared: bool

    def response(self) -> Response:
        """What the program returns."""
        if self.chunk_len is None:
            return Response.bytes(self.body)
        declared = (("Content-Length", str(len(self.body))),) if self.is_declared else ()
        return Response(200, declared, StreamedBody(()))

    def chunks(self) -> Iterator[bytes]:
        """What the body yields."""
        step = self.chunk_len or 1
        return (self.body[start : start + step] for start in range(0, len(self.body), step))


EXCHANGES = st.lists(
    st.builds(
        Exchange,
        st.sampled_from(("GET", "GET", "HEAD", "POST", "DELETE", "OPTIONS")),
        st.sampled_from((False, False, False, True)),
        st.binary(max_size=40),
        st.sampled_from((None, None, 1, 7)),
        st.booleans(),
    ),
    min_size=1,
    max_size=5,
)


def served(exchanges: list[Exchange], reads: list[bytes]) -> tuple[bytes, bool]:
    """All bytes that a server sends for these reads, and whether it shuts its side; its program
    answers at once, and its kernel has room.
    """
    server, output, is_shut = serving(), b"", False
    bodies = {number: exchange.chunks() for number, exchange in enumerate(exchanges)}
    todo: list[Event] = [Received(CONN, data) for data in reads]
    while todo:
        server, effects = advance(server, [todo.pop(0)])
        output += bytes_of(effects)
        is_shut |= any(isinstance(one, Send) and one.then is Then.SHUT for one in effects)
        todo[:0] = chain.from_iterable(_answers(effect, exchanges, bodies) for effect in effects)
    return output, is_shut


def _answers(
    effect: Effect, exchanges: list[Exchange], bodies: dict[int, Iterator[bytes]]
) -> list[Event]:
    """What the program does about an effect."""
    if isinstance(effect, Handle):
        first = effect.ticket.number
        wanted = exchanges[first : first + len(effect.requests)]
        return [HandlerReturned(effect.ticket, tuple([one.response() for one in wanted]))]
    if isinstance(effect, Pull):
        chunk = next(bodies[effect.ticket.number], None)
        ended = StreamEnded(effect.ticket)
        return [ended if chunk is None else StreamChunk(effect.ticket, chunk)]
    return []


@some
@given(EXCHANGES, CUTS)
@example([Exchange("HEAD", False, b"hello", None, False)], [])
@example([Exchange("GET", False, b"hello", 2, True), Exchange("GET", True, b"", 1, False)], [])
def test_h11_reads_our_answers_as_they_were_meant(
    exchanges: list[Exchange], cuts: list[int]
) -> None:
    peers = [h11.Connection(h11.CLIENT) for _ in exchanges]
    sent = b""
    for one, peer in zip(exchanges, peers, strict=True):
        fields = [("Host", "a"), *([("Connection", "close")] if one.is_last else [])]
        sent += peer.send(h11.Request(method=one.method, target="/", headers=fields)) or b""
        sent += peer.send(h11.EndOfMessage()) or b""
    output, is_shut = served(exchanges, cut(sent, cuts))
    for one, peer in zip(exchanges, peers, strict=True):
        peer.receive_data(output)
        head, body = peer.next_event(), b""
        while isinstance(event := peer.next_event(), h11.Data):
            body += bytes(event.data)
        assert isinstance(head, h11.Response) and isinstance(event, h11.EndOfMessage)
        assert body == (b"" if one.method == "HEAD" else one.body)
        lengths = [int(value) for name, value in head.headers if name == b"content-length"]
        assert lengths in ([], [len(one.body)])
        output = peer.trailing_data[0]
        assert (peer.their_state is h11.MUST_CLOSE) is one.is_last
        if one.is_last:
            break
    assert output == b""
    assert is_shut is any(one.is_last for one in exchanges)


SENDS = st.lists(
    st.builds(
        Send,
        st.sampled_from((Conn(0, 0), Conn(1, 1))),
        st.sampled_from(((b"a",), (b"b", b"c"), ())),
        st.sampled_from((Then.KEEP, Then.KEEP, Then.SHUT, Then.DROP)),
    ),
    max_size=8,
)


def on_the_wire(sends: Iterable[Effect]) -> list[tuple[Conn, bytes | Then]]:
    """The bytes of these sends one by one, and the ends between them."""
    found: list[tuple[Conn, bytes | Then]] = []
    for send in sends:
        assert isinstance(send, Send)
        found += [(send.conn, bytes(segment)) for segment in send.segments]
        found += [(send.conn, send.then)] if send.then is not Then.KEEP else []
    return found


@few
@given(SENDS)
def test_sends_that_are_joined_are_the_same_bytes_and_the_same_ends(sends: list[Effect]) -> None:
    joined = coalesce(sends)
    assert on_the_wire(joined) == on_the_wire(sends)
    assert len(joined) <= len(sends)


@some
@given(streams())
@example(b"DELETE / HTTP/1.1\r\nHost: a\r\n\r\n" + GET)
def test_behind_an_unsafe_request_nothing_is_handled_before_it_is_answered(data: bytes) -> None:
    _, effects = advance(serving(), [Received(CONN, data)])
    handled = [effect.requests for effect in effects if isinstance(effect, Handle)]
    methods = [request.method for request in chain.from_iterable(handled)]
    assert all(method in SAFE for method in methods[:-1])


@few
@given(good_requests(), st.integers(1, 10**6), st.sampled_from((b"\n", b"\r", b"\x00")))
def test_half_a_line_end_is_refused_wherever_it_stands(
    data: bytes, place: int, stray: bytes
) -> None:
    head = data[: data.index(b"\r\n\r\n") + 4]
    place = place % (len(head) - 5) + 1
    if {head[place - 1 : place], head[place : place + 1]} & {b"\r", b"\n"}:
        return  # it would complete a line end, or be one more
    assert isinstance(parse_headers_only(head), Head)
    assert isinstance(parse_headers_only(head[:place] + stray + head[place:]), Malformed)


@few
@given(st.integers(0, 200), st.integers(1, 50), st.booleans())
def test_of_a_stream_that_nobody_reads_little_is_asked_for(
    room: int, chunk_len: int, is_declared: bool
) -> None:
    exchange = Exchange("GET", False, bytes(5_000), chunk_len, is_declared)
    server, effects = advance(
        asked(GET), [HandlerReturned(Ticket(CONN, 0), (exchange.response(),))]
    )
    chunks, head_len, pulled_len = exchange.chunks(), len(bytes_of(effects)), 0
    while any(isinstance(effect, Pull) for effect in effects):
        pulled_len += chunk_len
        server, effects = advance(server, [StreamChunk(Ticket(CONN, 0), next(chunks))])
        for effect in [effect for effect in effects if isinstance(effect, Send)]:
            data = b"".join(effect.segments)
            taken = min(room, len(data))
            room -= taken
            if taken < len(data):
                server, _ = advance(server, [Stalled(CONN, taken, (data[taken:],))])
    assert pulled_len <= max(0, 200 - head_len) + 200 + 2 * chunk_len
    assert outgoing_len(client_of(server)) <= 2 * chunk_len + 20


# -- WebSockets ------------------------------------------------------------------------------------


@few
@given(
    st.lists(st.lists(st.binary(max_size=9), max_size=4), max_size=6), st.sets(st.integers(0, 6))
)
def test_every_ping_is_answered_in_order(reads: list[list[bytes]], flushes: set[int]) -> None:
    server, effects = open_websocket(), list[Effect]()
    for number, payloads in enumerate(reads):
        data = b"".join(map(ping, payloads))
        run = [received(data)] if data else []
        server, more = advance(server, [*run, *([FLUSH] if number in flushes else [])])
        effects += more
    effects += advance(server, [FLUSH])[1]
    assert frames_of(effects) == [(10, payload) for payload in chain.from_iterable(reads)]


@few
@given(st.lists(st.lists(st.booleans(), min_size=1, max_size=4), max_size=6), st.integers(0, 6))
def test_every_ping_is_answered_also_by_a_program_that_replies_at_once(
    reads: list[list[bool]], flushed: int
) -> None:
    server, effects, count = open_websocket(), list[Effect](), 0
    for number, kinds in enumerate(reads):
        names = [str(count + place) for place in range(len(kinds))]
        count += len(kinds)
        frames = [
            ping(name.encode()) if is_ping else text(name)
            for name, is_ping in zip(names, kinds, strict=True)
        ]
        server, more = advance(server, [received(b"".join(frames))])
        given = chain.from_iterable(one.messages for one in more if isinstance(one, Deliver))
        replies = tuple([(1, message.encode()) for message in given if isinstance(message, str)])
        run: list[Event] = [Delivered(CONN, replies)] if replies else []
        server, others = advance(server, [*run, *([FLUSH] if number == flushed else [])])
        effects += more + others
    effects += advance(server, [FLUSH])[1]
    sent = sorted((int(payload), opcode) for opcode, payload in frames_of(effects))
    kinds_sent = chain.from_iterable(reads)
    assert sent == [(number, 10 if is_ping else 1) for number, is_ping in enumerate(kinds_sent)]


@few
@given(st.lists(st.integers(0, 4), max_size=8), st.sets(st.integers(0, 8)))
def test_messages_are_delivered_in_order_however_long_the_program_takes(
    counts: list[int], returns: set[int]
) -> None:
    server, effects, sent = open_websocket(), list[Effect](), 0
    for number, count in enumerate(counts):
        data = b"".join([text(str(sent + place)) for place in range(count)])
        sent += count
        run: list[Event] = [received(data)] if data else []
        run += [Delivered(CONN)] if number in returns else []
        server, more = advance(server, run)
        effects += more
    for _ in range(sent):
        server, more = advance(server, [Delivered(CONN)])
        effects += more
    found = [effect.messages for effect in effects if isinstance(effect, Deliver)]
    assert list(chain.from_iterable(found)) == [str(number) for number in range(sent)]


@few
@given(st.lists(FRAMES, min_size=1, max_size=4).map(b"".join), CUTS)
def test_whatever_comes_is_an_answer_to_our_ping(data: bytes, cuts: list[int]) -> None:
    limits = Limits(ws_ping_interval=5.0)
    for piece in filter(None, cut(data, cuts)):
        server, _ = advance_by(open_websocket(limits), at(6.0))
        assert websocket_in(server).awaits_pong
        server, _ = advance(server, [received(piece)])
        assert not websocket_in(server).awaits_pong


@few
@given(st.sampled_from((1000, 1001, 1011, 3000, 4000, 4999)), frame_streams().filter(bool))
def test_the_code_of_a_close_is_echoed_and_told(code: int, behind: bytes) -> None:
    data = closing(code.to_bytes(2)) + behind
    server, effects = advance(open_websocket(), [received(data)])
    effects += advance(server, [FLUSH])[1]
    assert frames_of(effects) == [(8, code.to_bytes(2))]
    assert close_notices(effects) == [(CloseReason.WS_PEER_CLOSED, code)]


# -- time ------------------------------------------------------------------------------------------


@some
@given(events())
@example([Received(CONN, b"GET / HT")])
@example([Stop(1_000.0)])
def test_nobody_is_judged_who_was_not_read(run: list[Event]) -> None:
    server, _ = advance_by(
        make_server(Limits(), 0.0, 0), *(Accepted(number, PEER) for number in range(3))
    )
    server, _ = advance(server, run)
    for _ in range(8):
        look = next_deadline(server)
        if look is None or (server.running is not ServerState.SERVING and look >= server.deadline):
            return
        unread = frozenset(client.conn for client in clients_of(server.slots))
        now = max(look, server.now)
        server, effects = advance(server, [TickStarted(now, 0), InputRead(unread)])
        assert [effect for effect in effects if isinstance(effect, CallClose)] == []


# -- places ----------------------------------------------------------------------------------------


@few
@given(st.integers(1, 6), st.integers(1, 6))
def test_nobody_gives_way_while_there_is_room(count: int, max_count: int) -> None:
    limits = Limits(max_ws_connection_cnt=max_count, max_connection_cnt=count)
    server, open_count = make_server(limits, 0.0, 0), 0
    for number in range(count):
        server, _ = advance(server, [Accepted(number, PEER)])
        conn = next(one.conn for one in clients_of(server.slots) if one.conn.generation == number)
        answer = HandlerReturned(Ticket(conn, 0), (Response.upgrade(),))
        server, effects = advance(server, [Received(conn, UPGRADE), answer])
        open_count += 1 - sum(isinstance(effect, CallClose) for effect in effects)
        assert open_count == min(number + 1, max_count)


@few
@given(st.permutations(range(5)), st.integers(1, 4))
def test_who_has_just_subscribed_is_not_who_gives_way(order: list[int], max_count: int) -> None:
    server, _ = advance(
        make_server(Limits(max_ws_connection_cnt=max_count), 0.0, 0),
        [Accepted(number, PEER) for number in range(5)],
    )
    for count, number in enumerate(order, 1):
        conn = Conn(number, number)
        answer = HandlerReturned(Ticket(conn, 0), (Response.upgrade(),))
        server, _ = advance(server, [Received(conn, UPGRADE), answer])
        left = {one.conn for one in clients_of(server.slots) if one.subscriber is not None}
        assert conn in left
        assert len(left) == min(count, max_count)


@few
@given(events(), st.booleans())
def test_who_is_accepted_is_taken_or_told_why_not(run: list[Event], is_stopped: bool) -> None:
    server, _ = advance(make_server(Limits(), 0.0, 0), run)
    server, _ = advance(server, [Stop(1.0), Stop(0.0)] if is_stopped else [])
    _, effects = advance(server, [Accepted(99, PEER)])
    taken = [one for one in effects if isinstance(one, Adopt | Reject) and one.socket_id == 99]
    assert len(taken) == 1
    assert isinstance(taken[0], Reject) or not is_stopped


@few
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(1, 200)), max_size=12))
def test_what_is_incomplete_is_within_its_budget_after_every_read(
    reads: list[tuple[int, int]],
) -> None:
    limits = Limits(max_inbound_len=500, max_outbound_len=20_000)
    server, _ = advance(
        make_server(limits, 0.0, 0), [Accepted(number, PEER) for number in range(5)]
    )
    begun = set[int]()
    for number, length in reads:
        data = (b"" if number in begun else b"GET /") + b"a" * length
        begun.add(number)
        server, _ = advance(server, [Received(Conn(number, number), data)])
        held = [len(client.incoming.buffer) for client in clients_of(server.slots)]
        assert sum(held) <= limits.max_inbound_len


def _is_at_rest(server: Server, conn: Conn) -> bool:
    """True for a connection on which nothing is asked."""
    return not any(one.conn == conn and one.outstanding for one in clients_of(server.slots))


@few
@given(st.lists(st.booleans(), min_size=1, max_size=5))
def test_somebody_at_rest_gives_way_for_a_descriptor_and_nobody_who_has_just_asked(
    has_asked: list[bool],
) -> None:
    server, _ = advance_by(
        make_server(Limits(), 0.0, 0), *(Accepted(number, PEER) for number in range(len(has_asked)))
    )
    reads = [Received(Conn(number, number), GET) for number, asks in enumerate(has_asked) if asks]
    server, _ = advance(server, [TickStarted(5.0, 0), *reads])
    _, effects = advance(server, [DescriptorsExhausted(24)])
    ended = [effect.conn for effect in effects if isinstance(effect, CallClose)]
    assert len(ended) == (not all(has_asked))
    assert all(_is_at_rest(server, conn) for conn in ended)
