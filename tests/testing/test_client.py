"""The client in memory: what it says is what a network would have said, and what it offers works.

Theory: two oracles that share no code with it. A real server on a real socket, driven with the same
bytes, must send the same bytes and close for the same reason; h11 must read the same answers. What
is left is its own: time, slow readers, failures raised in the test, bounds, and a page of programs.
"""

import errno
import re
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sigil import (
    BadInput,
    Callbacks,
    CloseReason,
    Conn,
    Deferred,
    HttpServer,
    Limits,
    Peer,
    Request,
    Response,
)
from sigil.core.effects import Adopt, Effect, Interest, Send, Then, Watch
from sigil.core.events import CloseRequested, ConnectionLost, Stalled, Writable
from sigil.core.limits_check import FULL_POLICIES
from sigil.testing import (
    Answer,
    BadAnswer,
    Client,
    Connection,
    HandlerError,
    MemoryServer,
    NeverIdle,
    NoAnswer,
    read_answers,
)
from sigil.testing.kernel import Kernel, Wire
from tests.support import servers
from tests.support.core_driver import HELLO, OK, cut, echo, get
from tests.support.requests import GET
from tests.support.strategies import BODIES, CODES, CUTS, FIELDS, TARGETS, streams

PAGE = Path(__file__).parents[2] / "docs" / "guides" / "testing.md"
BIG = bytes(range(256)) * 80
LINES = [b"%d\n" % number for number in range(200)]


def various(request: Request) -> Response:
    """All kinds of answers, chosen by the target."""
    match len(request.target) % 7:
        case 0:
            return Response.stream(LINES)
        case 1:
            return Response.stream([b"abc", b"", b"de"], headers={"Content-Length": "5"})
        case 2:
            return Response.bytes(BIG)
        case 3:
            return Response(204, (), b"")
        case 4:
            return Response.error(404, request.target)
        case 5:
            return Response(304, (("Content-Length", "7"),), b"")
        case _:
            return Response.text(f"{request.method} {request.target} {request.body!r}")


def dateless(data: bytes) -> bytes:
    """The same bytes at no time."""
    return re.sub(rb"\r\nDate: [^\r]*", b"", data)


def raising(error: BaseException) -> Callable[[Request], Response]:
    """A handler that fails."""

    def handler(request: Request) -> Response:
        raise error

    return handler


def always(result: Any) -> Callable[[Request], Any]:
    """A handler that returns the same."""
    return lambda request: result


def endless() -> Iterator[bytes]:
    """A stream without an end."""
    while True:
        yield bytes(1_000)


# -- beside a real server --------------------------------------------------------------------------


class Network:
    """A real server, and why its last connection was closed."""

    def __init__(
        self, handler: Callable[[Request], Response], callbacks: Callbacks | None = None
    ) -> None:
        self.reasons: list[CloseReason] = []
        callbacks = callbacks or Callbacks()
        self.server = servers.make(handler, callbacks=callbacks._replace(close=self.keep))

    def keep(self, server: object, conn: Conn, reason: CloseReason) -> None:
        """Keep why a connection was closed."""
        self.reasons.append(reason)

    def converse(self, pieces: list[bytes]) -> tuple[bytes, CloseReason]:
        """What comes of sending these pieces one after another, and then ending our side."""
        before = len(self.reasons)
        with servers.Raw(self.server) as raw:
            raw.sock.setsockopt(
                socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
            )  # else two pieces may come as one
            for piece in pieces:
                raw.send(piece)
                servers.settle(self.server, raw)
            if not raw.over:
                raw.half_close()
            servers.pump(self.server, lambda: raw.over, raw)
            received = dateless(bytes(raw.received))
        servers.pump(self.server, lambda: len(self.reasons) > before)
        return received, self.reasons[-1]


@pytest.fixture(scope="module")
def network() -> Iterator[Network]:
    """One real server for all examples."""
    network = Network(various)
    network.server.listen()
    yield network
    servers.end(network.server)


def finish(connection: Connection) -> tuple[bytes, CloseReason | None]:
    """End our side, and read what there is."""
    connection.half_close()
    assert connection.is_closed and connection.has_ended
    return dateless(connection.received), connection.reason


@settings(max_examples=60, deadline=None)
@given(data=streams(), cuts=st.lists(st.integers(0, 600), max_size=3))
def test_a_server_in_memory_says_what_a_real_one_says(
    network: Network, data: bytes, cuts: list[int]
) -> None:
    pieces = [piece for piece in cut(data, cuts) if piece]
    connection = Client(various).connect()
    for piece in pieces:
        connection.send(piece)
    assert finish(connection) == network.converse(pieces)


@settings(max_examples=50, deadline=None)
@given(data=streams(), cuts=CUTS)
def test_small_pieces_change_nothing(data: bytes, cuts: list[int]) -> None:
    whole, apart, bytewise = (
        Client(various).connect(byte_at_a_time=small) for small in (False, False, True)
    )
    whole.send(data)
    bytewise.send(data)
    for piece in cut(data, cuts):
        apart.send(piece)
    assert finish(whole) == finish(apart) == finish(bytewise)


WINDOWS = st.one_of(
    st.tuples(st.just(echo), st.integers(1, 9)),
    st.tuples(st.just(various), st.integers(400, 5_000)),
)
"""A handler, and a window that is small beside its answers and not so small that reading them takes
long.
"""


@settings(max_examples=80, deadline=None)
@given(data=streams(), window=WINDOWS, count=st.integers(1, 5_000))
def test_slow_reading_changes_nothing(
    data: bytes, window: tuple[Callable[[Request], Response], int], count: int
) -> None:
    handler, window_len = window
    whole = Client(handler).connect()
    whole.send(data)
    slow = Client(handler, limits=Limits(max_outbox_len=1_000)).connect(window_len=window_len)
    slow.send(data)
    drink(slow, max(count, window_len // 2))
    slow.half_close()
    drink(slow, max(count, window_len // 2))
    assert (dateless(slow.received), slow.reason) == finish(whole)


def drink(connection: Connection, count: int) -> None:
    """Read so many bytes at a time, until there are no more."""
    while connection.read(count):
        pass


@pytest.mark.parametrize("policy", FULL_POLICIES)
def test_a_flood_of_connections_meets_the_same_policy_as_at_a_real_server(policy: str) -> None:
    limits = Limits(
        max_connection_cnt=3, max_accepts_per_tick=1, max_reads_per_tick=1, full_policy=policy
    )
    with servers.ticking(limits=limits) as server:
        raws: list[servers.Raw] = []
        for _ in range(5):
            raws.append(servers.Raw(server, GET))
            servers.settle(server, *raws)
        real, figures = [dateless(bytes(raw.received)) for raw in raws], server.stats()
        for raw in raws:
            raw.close()
    client = Client(servers.hello, limits=limits)
    connections: list[Connection] = []
    for _ in range(5):
        connections.append(client.connect())
        connections[-1].send(GET)
    assert [dateless(connection.received) for connection in connections] == real
    assert client.stats()._replace(uptime_seconds=0.0) == figures._replace(uptime_seconds=0.0)
    client.stop(0)
    assert all(connection.is_closed for connection in connections)


def test_a_tick_is_bounded_by_the_same_limits() -> None:
    limits = Limits(max_accepts_per_tick=2, max_reads_per_tick=1, max_rounds_per_tick=4)
    client = Client(lambda request: Response.stream(endless()), limits=limits)
    wires = [Wire(Peer("h", number), 10**6, 1 if number else None) for number in range(3)]
    for connection in wires:
        client.server.kernel.connect(connection)
        connection.arrived += GET
    client.server.tick()
    assert [connection.conn for connection in wires] == [Conn(0, 0), Conn(1, 1), None]
    left = []
    for _ in range(3):
        client.server.tick()
        left.append([len(connection.arrived) - len(GET) for connection in wires])
    assert left == [[0, -1, 0], [0, -1, -1], [-len(GET), -1, -1]]
    assert bytes(wires[0].unread).count(bytes(1_000)) == 2


def test_who_was_never_let_in_is_told_503_when_the_server_ends() -> None:
    client = Client(always(OK), limits=Limits(max_connection_cnt=1, full_policy="wait"))
    inside, outside = client.connect(), client.connect()
    assert (inside.handle, outside.handle, outside.is_closed) == (Conn(0, 0), None, False)
    client.stop(0)
    assert [(end.is_closed, end.was_reset) for end in (inside, outside)] == [
        (True, False),
        (True, False),
    ]
    assert outside.received.startswith(b"HTTP/1.1 503 ")


def test_a_stalled_wire_hands_everything_back_and_is_not_shut_before_its_bytes() -> None:
    kernel, connection, conn = Kernel(), Wire(Peer("h", 1), 3, None), Conn(0, 0)
    kernel.connect(connection)
    kernel.adopt(Adopt(conn, kernel.accept(1)[0].socket_id))  # type: ignore[union-attr]
    kernel.watch(Watch(conn, Interest.WRITE))
    assert kernel.send(Send(conn, (b"ab", b"cde", b"f"), Then.KEEP)) == Stalled(
        conn, 3, (memoryview(b"de"), b"f")
    )
    assert kernel.process_readable_clients(Limits()) == []
    assert kernel.send(Send(conn, (), Then.SHUT)) == Stalled(conn, 0, ())
    assert (bytes(connection.unread), connection.is_shut) == (b"abc", False)
    assert connection.take(9) == b"abc"
    assert kernel.send(Send(conn, (b"de",), Then.KEEP)) == Stalled(conn, 0, (b"de",))
    assert kernel.process_readable_clients(Limits()) == [Writable(conn)]
    assert kernel.send(Send(conn, (b"de", b"f"), Then.SHUT)) is None
    assert (bytes(connection.unread), connection.is_shut) == (b"def", True)
    connection.has_reset = True
    assert kernel.send(Send(conn, (b"x",), Then.KEEP)) == ConnectionLost(conn, errno.ECONNRESET)


def test_a_long_message_in_single_bytes_is_not_restless() -> None:
    connection = Client(always(OK), max_ticks=10).connect(byte_at_a_time=True)
    connection.request("POST", "/", body=bytes(1_000))
    assert connection.answers()[0].status == 200


def test_streams_that_have_nothing_yet_wait_for_the_clock_or_for_a_promise() -> None:
    promise = Deferred()
    client = Client(lambda request: Response.stream([b"a", None, b"b", promise, b"c"]))
    connection = client.connect()
    connection.send(GET)
    assert [connection.answers()[0].body, connection.answers()[0].is_whole] == [b"a", False]
    client.advance(0.1)
    assert connection.answers()[0].body == b"ab"
    client.advance(60)
    promise.resolve(b"!")
    client.run_until_idle()
    assert [connection.answers()[0].body, connection.answers()[0].is_whole] == [b"ab!c", True]


def test_every_effect_can_be_carried_out_and_an_unknown_one_is_loud() -> None:
    client = Client(always(OK))
    methods = dict(client.server._engine.methods)
    assert set(methods) == set(get_args(Effect))
    client.server._engine.methods = {kind: methods[kind] for kind in get_args(Effect)[1:]}
    with pytest.raises(KeyError, match=get_args(Effect)[0].__name__):
        client.get("/")


# -- reading answers -------------------------------------------------------------------------------

REQUESTS = st.lists(st.tuples(CODES, TARGETS, BODIES, FIELDS), min_size=1, max_size=5)


def plain(answers: Iterable[Any]) -> list[tuple[int, dict[str, str], bytes, bool]]:
    """Answers of either reader as the same values."""
    return [
        (answer.status, dict(answer.headers.items()), answer.body, answer.is_whole)
        for answer in answers
    ]


@settings(max_examples=150, deadline=None)
@given(requests=REQUESTS, backwards=st.integers(0, 400), has_ended=st.booleans())
def test_h11_reads_the_same_answers_wherever_they_break_off(
    requests: list[tuple[str, str, bytes, list[tuple[str, str]]]], backwards: int, has_ended: bool
) -> None:
    connection = Client(various).connect()
    for method, target, body, fields in requests:
        connection.request(method, target, body=body, headers=fields)
    methods = [method for method, *_ in requests]
    assert plain(connection.answers()) == plain(
        servers.read_answers(connection.received, methods, False)
    )
    assert len(connection.answers()) == len(requests)
    data = connection.received[: len(connection.received) - backwards]
    assert plain(read_answers(data, methods, has_ended)) == plain(
        servers.read_answers(data, methods, has_ended)
    )


OLD = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nab"


@pytest.mark.parametrize("has_ended", [False, True])
def test_a_body_without_a_length_ends_with_the_connection(has_ended: bool) -> None:
    assert (
        plain(read_answers(OLD, (), has_ended))
        == plain(servers.read_answers(OLD, ["GET"], has_ended))
        == [(200, {"connection": "close"}, b"ab", has_ended)]
    )


def test_interim_answers_are_passed_over_and_another_protocol_is_left_alone() -> None:
    interim, last = (
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
    )
    assert [answer.status for answer in read_answers(interim + last + interim * 2 + last)] == [
        200,
        200,
    ]
    assert read_answers(interim) == []
    switched = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x02hi"
    assert [(answer.status, answer.body) for answer in read_answers(switched)] == [(101, b"")]


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.0 200 OK\r\n\r\n",
        b"HTTP/1.1 200\r\n\r\n",
        b"HTTP/1.1 99 No\r\n\r\n",
        b"http/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\nC: d\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"1\r\nx\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;a\r\nx\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxy\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\nextra\r\n\r\n",
    ],
)
def test_what_is_not_http_is_not_read(data: bytes) -> None:
    with pytest.raises(BadAnswer):
        read_answers(data)


# -- requests --------------------------------------------------------------------------------------


def mirror(request: Request) -> Response:
    """The request as it came, told back."""
    return Response.json(
        [request.method, request.target, request.body.decode(), dict(request.headers.items())]
    )


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_a_request_comes_as_it_was_given(method: str) -> None:
    client = Client(mirror)
    ask = getattr(client, method.lower())
    length = {"content-length": "0"} if method.startswith("P") else {}
    assert ask("/a?b").json() == [method, "/a?b", "", {"host": "testserver"} | length]
    assert ask("/", body="\xe9", headers={"host": "h", "X": "y"}).json() == [
        method,
        "/",
        "\xe9",
        {"content-length": "2", "host": "h", "x": "y"},
    ]
    assert ask("/", json=None, headers=[("content-type", "a/b")]).json() == [
        method,
        "/",
        "null",
        {"host": "testserver", "content-length": "4", "content-type": "a/b"},
    ]
    assert client.stats().accepted == 1


def test_a_head_has_no_body_and_its_connection_goes_on() -> None:
    client = Client(various)
    answer = client.head("/12345")
    assert (answer.status, answer.body, answer.is_whole) == (200, b"", True)
    assert client.get("/12345").text == "GET /12345 b''"
    assert client.stats().accepted == 1


@pytest.mark.parametrize(
    ("method", "target", "headers"),
    [
        ("GET", "/a b", {}),
        ("GET", "", {}),
        ("GET", "/\u20ac", {}),
        ("G T", "/", {}),
        ("GET", "/", {"A": "b\r\nC: d"}),
        ("GET", "/", {"A b": "c"}),
        ("GET", "/", {"Transfer-Encoding": "chunked"}),
    ],
)
def test_a_request_that_cannot_be_written_is_refused(
    method: str, target: str, headers: dict[str, str]
) -> None:
    with pytest.raises(ValueError, match="connect"):
        Client(always(OK)).request(method, target, headers=headers)


def test_a_connection_that_the_server_ends_is_replaced() -> None:
    client = Client(always(Response.text("x", headers={"Connection": "close"})))
    assert [client.get("/").text for _ in range(3)] == ["x"] * 3
    assert client.stats().closed == {"OK": 3}
    assert client.clients() == ()


def test_only_a_function_is_a_handler() -> None:
    with pytest.raises(TypeError):
        Client("app")  # type: ignore[arg-type]


# -- failures --------------------------------------------------------------------------------------


def test_what_the_handler_raises_is_raised_once_and_has_been_answered() -> None:
    error = KeyError("tea")
    client = Client(raising(error))
    with pytest.raises(KeyError) as caught:
        client.get("/a")
    assert caught.value is error
    assert "handler" in [entry.name for entry in caught.traceback]
    client.run_until_idle()
    assert client.access[-1].status == 500
    with pytest.raises(BaseExceptionGroup) as group:
        client.connect().send(get("/a") + get("/b"))
    assert group.value.exceptions == (error, error)


@pytest.mark.parametrize(
    ("handler", "word"),
    [
        (
            lambda request: Response.stream(b"x" * (1 // number) for number in (1, 0)),
            "ZeroDivisionError",
        ),
        (always("text"), "returned str"),
        (always(Response(200, (("A b", "c"),), b"")), "header name"),
        (always(Response.stream([b"x"], headers={"Content-Length": "2"})), "short"),
    ],
)
def test_other_failures_are_raised_with_the_line_of_the_log(
    handler: Callable[[Request], Any], word: str
) -> None:
    with pytest.raises(HandlerError, match=word):
        Client(handler).get("/")
    client = Client(handler, raise_errors=False)
    answer = client.get("/")
    assert answer.status == 500 or not answer.is_whole
    assert [(line.logger, word in line.text) for line in client.log] == [("sigil.error", True)]


def test_a_failing_callback_is_raised_and_logged() -> None:
    def fail(server: object, conn: Conn) -> None:
        raise RuntimeError("not today")

    with pytest.raises(HandlerError, match="not today"):
        Client(always(OK), callbacks=Callbacks(open=fail)).connect()
    client = Client(always(OK), callbacks=Callbacks(open=fail), raise_errors=False)
    assert client.connect().answers()[0].status == 500
    assert "not today" in client.log[0].text


def test_bad_input_is_an_answer() -> None:
    assert (
        Client(raising(BadInput("no tea", 422))).get("/").text
        == "422 Unprocessable Content: no tea\n"
    )


def test_a_late_failure_is_raised_too() -> None:
    later = Deferred()
    client = Client(always(later))
    connection = client.connect()
    connection.send(GET)
    later.fail(KeyError("late"))
    with pytest.raises(KeyError, match="late"):
        client.run_until_idle()
    assert connection.answers()[0].status == 500


def test_an_interrupt_leaves_and_nothing_is_lost() -> None:
    def handler(request: Request) -> Response:
        if request.path == "/stop":
            raise KeyboardInterrupt
        return OK

    client = Client(handler)
    connection = client.connect()
    with pytest.raises(KeyboardInterrupt):
        connection.send(get("/a") + get("/stop") + get("/b"))
    with pytest.raises(HandlerError, match="interrupted"):
        client.run_until_idle()
    assert [answer.status for answer in connection.answers()] == [200, 500, 500]


def test_a_handler_cannot_turn_its_own_server() -> None:
    client = Client(lambda request: Response.text(client.get("/").text))
    with pytest.raises(RuntimeError, match="own tick"):
        client.get("/")


# -- no answer, no end -----------------------------------------------------------------------------


def test_a_request_that_nobody_answers_is_no_answer_and_the_client_goes_on() -> None:
    later = Deferred()
    client = Client(lambda request: later if request.path == "/later" else OK)
    with pytest.raises(NoAnswer, match="no answer yet") as caught:
        client.get("/later")
    assert caught.value.answer is None
    assert client.get("/").status == 200
    later.resolve(OK)
    client.run_until_idle()
    assert client.stats().stale_responses == 1


@pytest.mark.parametrize(
    ("piece", "limits"),
    [
        (bytes(1_000), {"max_ticks": 10}),
        (b"", {"max_ticks": 9}),
        (bytes(100_000), {"max_sent_len": 10**6}),
    ],
)
def test_an_endless_stream_comes_to_a_bound(piece: bytes, limits: dict[str, int]) -> None:
    client = Client(
        lambda request: Response.stream(iter(lambda: piece, None)) if request.path == "/" else OK,
        **limits,
    )
    with pytest.raises(NoAnswer, match="does not become idle") as caught:
        client.get("/")
    assert caught.value.answer is not None and not caught.value.answer.is_whole
    assert client.get("/else").status == 200
    with pytest.raises(NeverIdle):
        client.connect().send(GET)


def test_a_server_that_closes_without_a_word_says_why() -> None:
    client = Client(
        lambda request: (
            client.server._post(CloseRequested(Conn(0, 0), CloseReason.OK)) or Deferred()
        )
    )
    with pytest.raises(NoAnswer):
        client.get("/")


# -- slow readers ----------------------------------------------------------------------------------


def test_a_window_is_filled_and_no_more_until_it_is_read() -> None:
    closed: list[bool] = []

    def stream() -> Iterator[bytes]:
        try:
            yield from endless()
        finally:
            closed.append(True)

    client = Client(lambda request: Response.stream(stream()))
    slow = client.connect(window_len=5_000)
    slow.send(GET)
    assert slow.received == b""
    assert 0 < client.stats().outbox_bytes < 5_000
    assert [len(slow.read(count)) for count in (1, 5_000, 6_000, 5_000)] == [1, 5_000, 5_000, 5_000]
    assert len(slow.received) == 15_001
    slow.reset()
    assert (slow.is_closed, slow.reason, closed) == (True, CloseReason.PEER_RESET, [True])


def test_a_connection_without_a_window_has_nothing_left_to_read() -> None:
    client = Client(always(OK))
    with pytest.raises(ValueError, match="window_len"):
        client.connect().read(1)
    with pytest.raises(ValueError, match="at least one"):
        client.connect(window_len=0)


def test_bytes_wait_while_the_server_does_not_listen_and_an_early_close_is_a_reset() -> None:
    later = Deferred()
    client = Client(always(later), limits=Limits(max_header_len=100))
    connection = client.connect()
    connection.send(HELLO + b"x" * 50_000)
    connection.send(b"y" * 50_000)
    assert client.stats().bytes_in < 100_000
    client.stop(0)
    assert (connection.was_reset, connection.is_closed, connection.reason) == (
        True,
        True,
        CloseReason.SHUTDOWN,
    )
    assert not connection.answers()[0].is_whole or connection.answers()[0].status == 503


# -- the clock and the end -------------------------------------------------------------------------


def test_deadlines_fire_in_order_each_at_its_time() -> None:
    gone: list[tuple[float, CloseReason]] = []
    callbacks = Callbacks(close=lambda server, conn, reason: gone.append((server.now, reason)))  # type: ignore[attr-defined]
    client = Client(
        always(OK),
        limits=Limits(idle_timeout=60.0, header_timeout=10.0, linger_timeout=2.0),
        callbacks=callbacks,
    )
    client.connect()
    client.connect().send(b"GET / HT")
    client.advance(3_600)
    assert [reason for _, reason in gone] == [CloseReason.HEADER_TIMEOUT, CloseReason.IDLE_TIMEOUT]
    assert [12.0 <= at <= 12.2 for at, _ in gone[:1]] + [
        60.0 <= at <= 60.1 for at, _ in gone[1:]
    ] == [True, True]
    assert (client.server.now, client.stats().uptime_seconds) == (3_600.0, 3_600.0)
    assert client.get("/").headers["date"] == "Thu, 01 Jan 1970 01:00:00 GMT"
    with pytest.raises(ValueError, match="back"):
        client.advance(-1)


def test_time_stands_still_until_it_is_turned() -> None:
    client = Client(always(OK), limits=Limits(idle_timeout=0.001))
    connection = client.connect()
    for _ in range(100):
        client.run_until_idle()
    assert (client.server.now, connection.is_closed) == (0.0, False)


def test_a_stopped_server_drains_and_refuses() -> None:
    later = Deferred()
    client = Client(lambda request: later if request.path == "/later" else OK)
    assert client.get("/").status == 200
    waiting = client.connect()
    waiting.request("GET", "/later")
    client.stop(grace=5.0)
    assert client.running and len(client.clients()) == 1
    with pytest.raises(ConnectionRefusedError):
        client.connect()
    later.resolve(OK)
    client.run_until_idle()
    assert waiting.answers()[0].headers["connection"] == "close"
    waiting.half_close()
    assert not client.running
    client.stop()
    client.advance(1)


def test_grace_ends_with_time() -> None:
    client = Client(always(Deferred()))
    waiting = client.connect()
    waiting.send(GET)
    client.stop(grace=5.0)
    client.advance(4.9)
    assert client.running
    client.advance(0.2)
    assert (client.running, waiting.answers()[0].status, waiting.reason) == (
        False,
        503,
        CloseReason.SHUTDOWN,
    )
    with pytest.raises(BrokenPipeError):
        waiting.half_close()
        waiting.send(b"x")


def test_callbacks_are_given_the_server_and_handlers_the_peer() -> None:
    seen: list[object] = []
    callbacks = Callbacks(open=lambda server, conn: seen.append((server, conn, server.clients())))
    client = Client(lambda request: Response.text(str(request.peer)), callbacks=callbacks)
    connection = client.connect(peer=Peer("2001:db8::1", 7))
    connection.send(GET)
    assert connection.answers()[0].text == "[2001:db8::1]:7"
    assert seen == [(client.server, connection.handle, (connection.handle,))]


def test_a_call_waits_for_what_threads_bring() -> None:
    def later(result: object) -> Deferred:
        deferred = Deferred()
        threading.Thread(target=lambda: deferred.resolve(result)).start()
        return deferred

    def app(request: Request) -> Deferred:
        return later(Response.stream(later(b"%d," % number) for number in range(50)))

    client = Client(app, thread_timeout=10.0, max_ticks=20)
    assert client.get("/").body == b"".join(b"%d," % number for number in range(50))


def test_the_server_in_memory_answers_what_a_real_one_answers() -> None:
    offered = {name for name in dir(MemoryServer) if not name.startswith("_")}
    assert {
        "state",
        "running",
        "clients",
        "stats",
        "stop",
        "tick",
        "next_deadline",
        "send",
        "broadcast",
        "close",
        "buffered_amount",
    } <= offered
    assert {name for name in offered if not hasattr(HttpServer, name)} == {
        "listening",
        "has_work",
        "require_idle",
        "set_spawn",
        "wait_for_threads",
    }


# -- the page --------------------------------------------------------------------------------------

PROGRAMS = re.findall(
    r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
)


@pytest.mark.parametrize("number", range(len(PROGRAMS)))
def test_the_programs_of_the_page_hold(number: int) -> None:
    names: dict[str, Any] = {"__name__": "page"}
    exec(compile(PROGRAMS[number], f"{PAGE.name}:{number}", "exec"), names)
    tests = [value for name, value in names.items() if name.startswith("test_")]
    assert tests or "World(" in PROGRAMS[number]
    for test in tests:
        test()


def test_an_answer_is_a_plain_value() -> None:
    answer = Client(always(OK)).get("/")
    assert isinstance(answer, Answer)
    assert answer == Client(always(OK)).get("/")


def test_a_server_in_memory_shows_itself_as_one_with_sockets_does() -> None:
    client = Client(lambda request: Response.text("hello"))
    client.get("/")
    client.advance(3.0)
    assert repr(client.server) == "<MemoryServer serving, clients: 1>"
    card = client.server._repr_html_()
    assert "HttpServer" in card and "in memory" in card and "serving" in card
