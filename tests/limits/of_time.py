"""The table of limits, its part about deadlines and rates.

Theory: a deadline is never early, and late by no more than the grain of the clock's wheel. So every
probe lets a client in memory do what begins the waiting, turns the clock, and tells what is to be
seen then.

Rules: at time 0 everything begins. What was to be said in the meantime is said once a second. The
values are multiples of the grain, so that what waits for two of them in turn can be counted. It
does not know sockets.
"""

from collections.abc import Iterator

from sigil import Deferred, Limits, Request, Response
from sigil.core.conn import Peer
from sigil.core.effects import CallClose
from sigil.core.events import Accepted
from sigil.core.server import advance, make_server
from sigil.testing import Client, WebSocket
from tests.limits.row import GRAIN_SECONDS, JUST_BEFORE_SECONDS, Row, end_of, fate, fine
from tests.support.core_driver import looked_until
from tests.support.servers import logged_by

POST = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n"
WINDOW_LEN = 400
LARGE = Response.bytes(bytes(20_000))


# -- requests --------------------------------------------------------------------------------------


def after(data: bytes, limits: Limits, seconds: float) -> str:
    """What became of a client that has sent this."""
    client = Client(fine, limits=limits)
    connection = client.connect()
    connection.send(data)
    client.advance(seconds)
    return fate(connection)


def dribble(data: bytes, piece: bytes, limits: Limits, seconds: float) -> str:
    """What became of a client that has sent this, and a little more in every second since."""
    client = Client(fine, limits=limits)
    connection = client.connect()
    connection.send(data)
    for _ in range(int(seconds)):
        client.advance(1)
        connection.send(piece)
    client.advance(seconds % 1)
    return fate(connection)


def silent_handshake(limits: Limits, seconds: float) -> str:
    """A connection to a server over TLS from which nothing comes."""
    state, _ = advance(make_server(limits, 0.0, 0), [Accepted(7, Peer("h", 1), is_tls=True)])
    state, effects = looked_until(state, seconds)
    ends = [effect.reason.name for effect in effects if isinstance(effect, CallClose)]
    return " ".join(ends) or "still there"


def poll(limits: Limits, seconds: float) -> str:
    """A long-poll for which nothing is published."""
    client = Client(lambda request: Response.poll(timeout=1_000.0), limits=limits)
    connection = client.connect()
    connection.request("GET", "/")
    client.advance(seconds)
    return "answered" if connection.answers() else "waits"


def half_a_head(limits: Limits, seconds: float) -> str:
    """A head that stops in the middle."""
    return after(b"GET / HTTP/1.1\r\nHost: ", limits, seconds)


def dribbled_head(limits: Limits, seconds: float) -> str:
    """A head that goes on and on."""
    return dribble(b"GET / HTTP/1.1\r\nHost: a\r\n", b"X: y\r\n", limits, seconds)


def half_a_body(limits: Limits, seconds: float) -> str:
    """A body that stops in the middle."""
    return after(POST + bytes(9), limits, seconds)


def dribbled_body(limits: Limits, seconds: float) -> str:
    """A body that goes on and on, and is never silent."""
    return dribble(POST, bytes(300), limits, seconds)


def no_body(limits: Limits, seconds: float) -> str:
    """A body that does not begin."""
    return after(POST, limits, seconds)


def silence(limits: Limits, seconds: float) -> str:
    """A connection on which nothing is asked."""
    return after(b"", limits, seconds)


def body_at(limits: Limits, rate: int) -> str:
    """A body that comes at so many bytes a second, for a minute."""
    client = Client(fine, limits=limits)
    connection = client.connect()
    connection.send(POST)
    for _ in range(60):
        client.advance(1)
        connection.send(bytes(rate))
    return fate(connection)


# -- answers ---------------------------------------------------------------------------------------


def promise(limits: Limits, seconds: float) -> str:
    """An answer that never comes."""
    client = Client(lambda request: Deferred(), limits=limits, raise_errors=False)
    connection = client.connect()
    connection.request("GET", "/")
    client.advance(seconds)
    return fate(connection)


def promise_half_closed(limits: Limits, seconds: float) -> str:
    """An answer that never comes, to a client that has ended its side."""
    client = Client(lambda request: Deferred(), limits=limits, raise_errors=False)
    connection = client.connect()
    connection.wire.arrived += b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    connection.half_close()
    client.advance(seconds)
    return fate(connection)


def nothing() -> Iterator[None]:
    """A stream that has nothing yet."""
    while True:
        yield None


def silent_stream(limits: Limits, seconds: float) -> str:
    """A stream whose next piece never comes."""
    client = Client(lambda request: Response.stream(nothing()), limits=limits, raise_errors=False)
    connection = client.connect()
    connection.request("GET", "/")
    client.advance(seconds)
    (answer,) = connection.answers()
    return f"{'whole' if answer.is_whole else 'not whole'}, {fate(connection)}"


def silent_stream_half_closed(limits: Limits, seconds: float) -> str:
    """A stream whose next piece never comes, to a client that has ended its side."""
    client = Client(lambda request: Response.stream(nothing()), limits=limits, raise_errors=False)
    connection = client.connect()
    connection.request("GET", "/")
    connection.half_close()
    client.advance(seconds)
    (answer,) = connection.answers()
    return f"{'whole' if answer.is_whole else 'not whole'}, {fate(connection)}"


def silent_events(limits: Limits, seconds: float) -> str:
    """A stream of events of which none comes."""
    client = Client(lambda request: Response.sse(nothing()), limits=limits)
    connection = client.connect()
    connection.request("GET", "/")
    client.advance(seconds)
    return f"{connection.answers()[0].text!r}, {fate(connection)}"


def last_answer(limits: Limits, seconds: float) -> str:
    """A client that stays after its last answer."""
    client = Client(fine, limits=limits)
    connection = client.connect()
    connection.request("GET", "/", headers={"Connection": "close"})
    client.advance(seconds)
    assert connection.has_ended
    return "still there" if connection.reason is None else connection.reason.name


def send_on(limits: Limits, length: int) -> str:
    """A client that sends so much after its last answer."""
    connection = Client(fine, limits=limits).connect()
    connection.request("GET", "/", headers={"Connection": "close"})
    connection.send(bytes(length))
    return "still there" if connection.reason is None else connection.reason.name


# -- slow readers ----------------------------------------------------------------------------------


def asleep(limits: Limits, seconds: float) -> str:
    """A client that takes nothing more of what it is owed."""
    return reading(limits, 0, seconds)


def reader_at(limits: Limits, rate: int) -> str:
    """A client that takes so many bytes a second, for a minute."""
    return reading(limits, rate, 60)


def reading(limits: Limits, rate: int, seconds: float) -> str:
    """What became of a client that is behind, and takes so many bytes a second."""
    client = Client(lambda request: LARGE, limits=limits)
    connection = client.connect(window_len=WINDOW_LEN)
    connection.request("GET", "/")
    for _ in range(int(seconds)):
        client.advance(1)
        connection.read(rate)
    client.advance(seconds % 1)
    return end_of(connection)


# -- WebSockets ------------------------------------------------------------------------------------


def dead_websocket(limits: Limits) -> tuple[Client, WebSocket]:
    """A WebSocket whose client does nothing."""
    client = Client(lambda request: Response.upgrade(), limits=limits)
    return client, client.websocket("/", answers_pings=False)


def silent_websocket(limits: Limits, seconds: float) -> str:
    """A WebSocket on which nothing is said."""
    client, websocket = dead_websocket(limits)
    client.advance(seconds)
    return f"{len(websocket.pings)} pings, {websocket.code}"


def unanswered_ping(limits: Limits, seconds: float) -> str:
    """A WebSocket that has been pinged."""
    client, websocket = dead_websocket(limits)
    client.advance(limits.ws_ping_interval)
    assert websocket.pings == [b""]
    client.advance(seconds)
    return f"{websocket.code}, {end_of(websocket.connection)}"


def unanswered_close(limits: Limits, seconds: float) -> str:
    """A WebSocket that was told that it is over."""
    client, websocket = dead_websocket(limits)
    client.server.close(websocket.handle)
    client.advance(seconds)
    return f"{websocket.code}, {end_of(websocket.connection)}"


AT = 8.0 - JUST_BEFORE_SECONDS
PAST = 8.0 + GRAIN_SECONDS
LINGERING = Limits(linger_timeout=8.0)
PAST_LINGERING = 8.0 + 5.0 / 32
"""The shortest of the other timeouts is 5 s."""
PATIENT = Limits(body_timeout=1_000.0, stall_timeout=1_000.0)
GRACE = PATIENT._replace(rate_grace=8.0)
DRIBBLED = Limits(rate_grace=8.0, min_body_rate=2**30)
RATES = PATIENT._replace(rate_grace=2.0, min_body_rate=10, min_read_rate=10)

# -- user code -------------------------------------------------------------------------------------


def begin_handlers(limits: Limits, seconds: float) -> str:
    """How many handlers are begun in one tick, and in the next, of two that take so long."""
    calls: list[str] = []

    def handler(request: Request) -> Response:
        client.server.now += seconds
        calls.append(request.path)
        return Response.text("fine")

    client = Client(handler, limits=limits)
    connection = client.connect()
    connection.wire.arrived += b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 2
    client.server.tick()
    first = len(calls)
    client.server.tick()
    return f"{first}, then {len(calls) - first}"


class Ending:
    """A handler whose end never comes."""

    def __call__(self, request: Request) -> Response:
        return Response.text("fine")

    def shutdown(self, server: object) -> Deferred:
        """A promise that is not kept."""
        return Deferred()


def end_of_a_handler(limits: Limits, seconds: float) -> str:
    """A server that is stopped, and whose handler does not end."""
    client = Client(Ending(), limits=limits, raise_errors=False)
    client.get("/")
    client.stop()
    client.advance(seconds)
    return "waits" if client.running else "ended"


SHUTTING_DOWN = Limits(shutdown_timeout=8.0)


def block(limits: Limits, seconds: float) -> str:
    """What the log has of a handler that has taken so long."""

    def app(request: Request) -> Response:
        client.server.now += seconds
        return fine(request)

    client = Client(app, limits=limits)
    with logged_by("sigil.slow") as lines:
        client.get("/")
    return lines[0].partition(" blocked the server for ")[0] if lines else "nobody is named"


ROWS = (
    Row(
        "header_timeout",
        Limits(header_timeout=8.0),
        half_a_head,
        AT,
        PAST,
        "open",
        "408 HEADER_TIMEOUT",
    ),
    Row(
        "header_timeout",
        Limits(header_timeout=8.0),
        dribbled_head,
        AT,
        PAST,
        "open",
        "408 HEADER_TIMEOUT",
    ),
    Row(
        "body_timeout", Limits(body_timeout=8.0), half_a_body, AT, PAST, "open", "408 BODY_TIMEOUT"
    ),
    Row(
        "response_timeout",
        Limits(response_timeout=8.0),
        promise,
        AT,
        PAST,
        "open",
        "503 ANSWER_TIMEOUT",
    ),
    Row(
        "response_timeout",
        Limits(response_timeout=8.0),
        silent_stream,
        AT,
        PAST,
        "not whole, 200 open",
        "not whole, 200 HANDLER_ERROR",
    ),
    Row(
        "half_closed_timeout",
        Limits(half_closed_timeout=8.0),
        promise_half_closed,
        AT,
        PAST,
        "open",
        "503 PEER_CLOSED",
    ),
    Row(
        "half_closed_timeout",
        Limits(half_closed_timeout=8.0),
        silent_stream_half_closed,
        AT,
        PAST,
        "not whole, 200 open",
        "not whole, 200 PEER_CLOSED",
    ),
    Row(
        "sse_keep_alive_interval",
        Limits(sse_keep_alive_interval=8.0),
        silent_events,
        AT,
        PAST,
        "'', 200 open",
        "':\\n\\n', 200 open",
    ),
    Row("max_poll_timeout", Limits(max_poll_timeout=8.0), poll, AT, PAST, "waits", "answered"),
    Row("idle_timeout", Limits(idle_timeout=8.0), silence, AT, PAST, "open", "IDLE_TIMEOUT"),
    Row("stall_timeout", Limits(stall_timeout=8.0), asleep, AT, PAST, "open", "WRITE_STALL"),
    Row("rate_grace", GRACE, no_body, AT, PAST, "open", "408 TOO_SLOW"),
    Row("rate_grace", DRIBBLED, dribbled_body, AT, PAST, "open", "408 TOO_SLOW"),
    Row("rate_grace", GRACE, asleep, AT, PAST, "open", "TOO_SLOW"),
    Row("min_body_rate", RATES, body_at, 10, 9, "open", "408 TOO_SLOW"),
    Row("min_read_rate", RATES, reader_at, 10, 9, "open", "TOO_SLOW"),
    Row(
        "ws_ping_interval",
        Limits(ws_ping_interval=8.0),
        silent_websocket,
        AT,
        PAST,
        "0 pings, None",
        "1 pings, None",
    ),
    Row(
        "ws_pong_timeout",
        Limits(ws_pong_timeout=8.0),
        unanswered_ping,
        AT,
        PAST,
        "None, open",
        "1011, WS_PONG_TIMEOUT",
    ),
    Row(
        "ws_close_timeout",
        Limits(ws_close_timeout=8.0),
        unanswered_close,
        AT,
        PAST,
        "1000, open",
        "1000, OK",
    ),
    Row("shutdown_timeout", SHUTTING_DOWN, end_of_a_handler, AT, PAST, "waits", "ended"),
    Row(
        "tls_handshake_timeout",
        Limits(tls_handshake_timeout=8.0),
        silent_handshake,
        AT,
        PAST,
        "still there",
        "TLS_HANDSHAKE_TIMEOUT",
    ),
    Row("linger_timeout", LINGERING, last_answer, AT, PAST_LINGERING, "still there", "OK"),
    Row(
        "max_user_seconds_per_tick",
        Limits(max_user_seconds_per_tick=8.0),
        begin_handlers,
        AT,
        PAST,
        "2, then 0",
        "1, then 1",
    ),
    Row(
        "slow_handler",
        Limits(slow_handler=8.0, max_user_seconds_per_tick=1.0),
        block,
        AT,
        PAST,
        "nobody is named",
        "tests.limits.of_time.block.<locals>.app",
    ),
    Row("max_linger_len", Limits(max_linger_len=100), send_on, 100, 101, "still there", "OK"),
)
