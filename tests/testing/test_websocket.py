"""WebSockets in memory: the same bytes as on a network, read as another library reads them, and
what a user would test.

Theory: the oracles share no code with the client in memory: a real server on a real socket must
send the same bytes and close for the same reason, and wsproto must read the same messages from
them. What is left are conversations as users of the library would write them down.
"""

from collections.abc import Iterator
from threading import Thread
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wsproto import ConnectionType
from wsproto.connection import Connection as Reader
from wsproto.events import CloseConnection, Message, Ping, Pong

from sigil import Callbacks, CloseReason, Conn, Deferred, Limits, Request, Response, SendStatus
from sigil.core.close_reasons import CLOSE_INFO
from sigil.core.websocket.frames import encode_close, encode_masked
from sigil.testing import (
    BadAnswer,
    Client,
    HandlerError,
    NoAnswer,
    NoMessage,
    UpgradeRefused,
    WebSocketClosed,
)
from tests.support.core_driver import cut
from tests.testing.test_client import Network, always, dateless, drink, finish, raising

KEY = b"mask"
UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def upgrade(request: Request) -> Response:
    """Everything is a WebSocket that hears the topics of its query, and speaks the first protocol
    offered.
    """
    offered = request.subprotocols
    return Response.upgrade(offered[0] if offered else None, topics=request.query.split(","))


def greet(server: Any, conn: Conn, request: Request) -> None:
    """Say something before anything was asked."""
    server.send(conn, f"welcome to {request.path}")


def obey(server: Any, conn: Conn, data: str | bytes) -> None:
    """Do what the message says; echo any other."""
    match data:
        case "all":
            server.broadcast("for all")
        case "some":
            server.broadcast(b"for some", topic="some")
        case "end":
            server.close(conn, 4_000, "as you say")
            server.send(conn, "too late")
        case "much":
            for number in range(40):
                server.send(conn, bytes([number]) * 600)
        case "fail":
            raise RuntimeError("not today")
        case _:
            server.send(conn, data)


CALLBACKS = Callbacks(ws_open=greet, ws_message=obey)


def client_of(**options: Any) -> Client:
    """A client of the obedient server."""
    return Client(upgrade, callbacks=CALLBACKS, **options)


# -- beside a real server --------------------------------------------------------------------------


def frame(opcode: int, payload: bytes = b"", fin: bool = True, rsv: int = 0) -> bytes:
    """A frame of a client."""
    return encode_masked(opcode, payload, KEY, fin, rsv)


WORDS = ("all", "some", "much", "end", "", "x" * 126, "\u20ac\U0001f600")
TEXTS = st.one_of(st.sampled_from(WORDS), st.text(max_size=20))
TO_ONE = TEXTS.filter(lambda text: text not in ("all", "some"))
FLAGS = st.sampled_from((0,) * 20 + (1, 4))


def pieces_of(payload: bytes, opcode: int, cuts: list[int]) -> bytes:
    """A message in fragments."""
    parts = cut(payload, cuts)
    return b"".join(
        frame(0 if index else opcode, part, index == len(parts) - 1)
        for index, part in enumerate(parts)
    )


def messages(texts: st.SearchStrategy[str]) -> st.SearchStrategy[bytes]:
    """A message as frames, or a pong."""
    return st.one_of(
        st.builds(lambda text: frame(1, text.encode()), texts),
        st.builds(frame, st.just(2), st.binary(max_size=200), st.just(True), FLAGS),
        st.builds(
            pieces_of,
            texts.map(str.encode),
            st.sampled_from((1, 2)),
            st.lists(st.integers(0, 9), max_size=3),
        ),
        st.builds(frame, st.just(10), st.binary(max_size=9)),
    )


PINGS = st.builds(frame, st.just(9), st.binary(max_size=125))
ENDS = st.one_of(
    st.sampled_from(
        (b"", frame(8), frame(8, encode_close(1000, "bye")), frame(8) + frame(1, b"x"))
    ),
    st.builds(frame, st.integers(0, 15), st.binary(max_size=130), st.booleans(), st.integers(0, 7)),
    st.binary(max_size=20),
)


@st.composite
def conversations(draw: st.DrawFn, steps: st.SearchStrategy[bytes]) -> bytes:
    """What a client may say after the handshake: mostly good frames, and any end."""
    return b"".join(draw(st.lists(steps, max_size=6))) + draw(ENDS)


@pytest.fixture(scope="module")
def network() -> Iterator[Network]:
    """One real server for all examples."""
    network = Network(upgrade, CALLBACKS)
    network.server.listen()
    yield network
    network.server._stop_now()


@settings(max_examples=80, deadline=None)
@given(
    data=conversations(st.one_of(messages(TEXTS), PINGS)),
    cuts=st.lists(st.integers(0, 600), max_size=3),
)
def test_a_conversation_in_memory_is_that_with_a_real_server(
    network: Network, data: bytes, cuts: list[int]
) -> None:
    pieces = [UPGRADE, *(piece for piece in cut(data, cuts) if piece)]
    connection = client_of().connect()
    for piece in pieces:
        connection.send(piece)
    assert finish(connection) == network.converse(pieces)


@settings(max_examples=25, deadline=None)  # each of them is thousands of turns
@given(
    data=conversations(messages(TO_ONE)),
    window_len=st.integers(1, 300),
    count=st.integers(100, 5_000),
)
def test_bytes_one_by_one_and_slow_reading_change_nothing(
    data: bytes, window_len: int, count: int
) -> None:
    whole = client_of().connect()
    bytewise = client_of().connect(byte_at_a_time=True)
    slow = client_of().connect(window_len=window_len)
    for connection in (whole, bytewise, slow):
        connection.send(UPGRADE)
        drink(connection, count) if connection is slow else None
        connection.send(data)
    drink(slow, count)
    slow.half_close()
    drink(slow, count)
    assert finish(whole) == finish(bytewise) == (dateless(slow.received), slow.reason)


@settings(max_examples=60, deadline=None)
@given(
    data=conversations(st.one_of(messages(TEXTS), PINGS)),
    answers=st.booleans(),
    window=st.sampled_from((None, 7, 200)),
)
def test_a_websocket_reads_what_another_library_reads(
    data: bytes, answers: bool, window: int | None
) -> None:
    websocket = client_of().websocket("/ws", answers_pings=answers, window_len=window)
    websocket.connection.send(data)
    while websocket.connection.wire.unread:
        websocket.read(50)
    said = websocket.connection.received.partition(b"\r\n\r\n")[2]
    reader = Reader(ConnectionType.CLIENT)
    reader.receive_data(said)
    messages, pongs, closes = heard_by(reader)
    assert (websocket.messages(), websocket.pongs) == (messages, pongs)
    assert closes == (
        [] if websocket.code in (None, 1006) else [(websocket.code, websocket.reason)]
    )


def heard_by(reader: Reader) -> tuple[list[str | bytes], list[bytes], list[tuple[int, str]]]:
    """Messages, pongs, and close frames."""
    messages: list[str | bytes] = []
    pongs: list[bytes] = []
    closes: list[tuple[int, str]] = []
    rope: list[Any] = []
    for event in reader.events():
        match event:
            case Message():
                rope.append(event.data)
                if event.message_finished:
                    messages.append(type(rope[0])().join(rope))
                    rope.clear()
            case Pong():
                pongs.append(bytes(event.payload))
            case CloseConnection():
                closes.append((int(event.code), event.reason or ""))
            case _:
                assert isinstance(event, Ping)
    return messages, pongs, closes


# -- saying and hearing ----------------------------------------------------------------------------


def test_messages_go_to_and_fro() -> None:
    websocket = client_of().websocket("/tea")
    assert websocket.receive() == "welcome to /tea"
    websocket.send("hello")
    websocket.send(b"\x00\xff")
    assert [websocket.receive(), websocket.receive()] == ["hello", b"\x00\xff"]
    with pytest.raises(NoMessage, match="no message"):
        websocket.receive()
    assert websocket.messages() == ["welcome to /tea", "hello", b"\x00\xff"]
    with pytest.raises(TypeError, match="int"):
        websocket.send(7)  # type: ignore[arg-type]


def test_what_the_program_says_by_itself_is_there_at_the_next_look() -> None:
    client = client_of()
    one, other = client.websocket("/?a,b"), client.websocket("/?b")
    server = client.server
    assert server.broadcast("all") is server.broadcast(b"b", topic="b") is SendStatus.SUCCESS
    assert (
        server.broadcast("a", topic="a")
        is server.broadcast("nobody", topic="c")
        is SendStatus.SUCCESS
    )
    assert server.send(other.handle, bytearray(b"you")) is SendStatus.SUCCESS
    assert one.messages()[1:] == ["all", b"b", "a"]
    assert other.messages()[1:] == ["all", b"b", b"you"]
    assert server.send(Conn(0, 99), "nobody") is SendStatus.DROPPED


def test_another_thread_leaves_word() -> None:
    client = client_of()
    websocket = client.websocket("/")
    server, found = client.server, []

    def speak() -> None:
        found.append(server.send(websocket.handle, "one"))
        found.append(server.broadcast("two"))
        server.close(websocket.handle, 4_001, "three")

    thread = Thread(target=speak)
    thread.start()
    thread.join()
    assert (found, websocket.messages()[1:]) == ([SendStatus.SUCCESS] * 2, ["one", "two"])
    assert (websocket.code, websocket.reason) == (4_001, "three")


def test_fragments_and_frames_of_the_tests_own() -> None:
    websocket = client_of().websocket("/", byte_at_a_time=True)
    websocket.send_frame(1, b"\xe2\x82", fin=False)
    websocket.ping(b"in between")
    websocket.send_frame(0, b"\xac")
    assert (websocket.messages()[1:], websocket.pongs) == (["\u20ac"], [b"in between"])


@pytest.mark.parametrize(
    ("opcode", "payload", "fin", "rsv", "reason"),
    [
        (3, b"", True, 0, CloseReason.WS_UNKNOWN_OPCODE),
        (1, b"x", True, 4, CloseReason.WS_BAD_RSV),
        (1, b"\xff", True, 0, CloseReason.WS_BAD_UTF8),
        (9, b"", False, 0, CloseReason.WS_FRAGMENTED_CONTROL),
        (2, bytes(101), True, 0, CloseReason.WS_OVERSIZE_FRAME),
    ],
)
def test_bad_frames_end_the_conversation(
    opcode: int, payload: bytes, fin: bool, rsv: int, reason: CloseReason
) -> None:
    websocket = client_of(limits=Limits(max_ws_recv_frame_len=100)).websocket("/")
    websocket.send_frame(opcode, payload, fin=fin, rsv=rsv)
    assert (websocket.code, websocket.connection.reason) == (CLOSE_INFO[reason].code, reason)
    assert websocket.connection.is_closed


# -- the handshake ---------------------------------------------------------------------------------


def test_a_handshake_offers_and_chooses() -> None:
    seen: list[tuple[str | None, ...]] = []

    def app(request: Request) -> Response:
        names = ("origin", "cookie", "sec-websocket-protocol", "sec-websocket-extensions", "host")
        seen.append(tuple(request.headers.get(name) for name in names))
        return upgrade(request)

    client = Client(app, limits=Limits(origins=("https://a.example",)))
    websocket = client.websocket(
        "/", ("chat.v2", "chat.v1"), origin="https://a.example", headers={"Cookie": "a=b"}
    )
    assert (websocket.subprotocol, client.websocket("/").subprotocol) == ("chat.v2", None)
    assert client.websocket("/", "one").subprotocol == "one"
    assert seen[0] == ("https://a.example", "a=b", "chat.v2, chat.v1", None, "testserver")


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({"origin": "https://b.example"}, 403),
        ({"headers": {"Sec-WebSocket-Version": "12"}}, 426),
        ({"headers": {"sec-websocket-key": "short"}}, 400),
        ({"headers": {"Upgrade": "h2c"}}, 426),
    ],
)
@pytest.mark.parametrize("window_len", [None, 10])
def test_a_refusal_has_its_answer(
    options: dict[str, Any], status: int, window_len: int | None
) -> None:
    client = client_of()
    with pytest.raises(UpgradeRefused, match=str(status)) as caught:
        client.websocket("/", window_len=window_len, **options)
    assert (caught.value.answer.status, caught.value.answer.is_whole) == (status, True)
    assert client.clients() == ()


def test_what_is_no_upgrade_is_refused_and_what_is_not_answered_is_no_answer() -> None:
    client = Client(always(Response.error(404, "no such room")))
    assert client.get("/").status == 404
    with pytest.raises(UpgradeRefused, match=r"404: .*no such room"):
        client.websocket("/")
    assert len(client.clients()) == 1
    with pytest.raises(NoAnswer, match="no answer yet"):
        Client(always(Deferred())).websocket("/")
    with pytest.raises(KeyError):
        Client(raising(KeyError("x"))).websocket("/")
    client.stop()
    with pytest.raises(ConnectionRefusedError):
        client.websocket("/")


# -- the end ---------------------------------------------------------------------------------------


class Diary:
    """Callbacks that write down what they are told."""

    def __init__(self) -> None:
        self.lines: list[tuple[Any, ...]] = []
        self.callbacks = Callbacks(
            open=lambda server, conn: self.lines.append(("open",)),
            close=lambda server, conn, reason: self.lines.append(("close", reason)),
            ws_open=lambda server, conn, request: self.lines.append(("ws_open", request.path)),
            ws_message=lambda server, conn, data: self.lines.append(("ws_message", data)),
            ws_close=lambda server, conn, reason, code: self.lines.append(
                ("ws_close", reason, code)
            ),
        )


def test_callbacks_are_told_in_order_and_the_client_has_the_last_word() -> None:
    diary = Diary()
    client = Client(upgrade, callbacks=diary.callbacks)
    websocket = client.websocket("/a")
    websocket.send("hi")
    before = client.stats().bytes_in
    websocket.close(3_000, "enough")
    websocket.close(3_001)
    assert client.stats().bytes_in - before == len(frame(8, encode_close(3_000, "enough")))
    assert diary.lines == [
        ("open",),
        ("ws_open", "/a"),
        ("ws_message", "hi"),
        ("ws_close", CloseReason.WS_PEER_CLOSED, 3_000),
        ("close", CloseReason.WS_PEER_CLOSED),
    ]
    assert (websocket.code, websocket.connection.is_closed, client.clients()) == (3_000, True, ())
    with pytest.raises(ValueError, match="1006"):
        client.websocket("/").close(1_006)


def test_the_program_closes_with_a_code_and_nothing_is_said_after_it() -> None:
    websocket = client_of().websocket("/")
    websocket.send("end")
    assert websocket.receive() == "welcome to /"
    for act in (websocket.receive, lambda: websocket.send("x")):
        with pytest.raises(WebSocketClosed, match=r"4000 \(as you say\)") as caught:
            act()
        assert (caught.value.code, caught.value.reason) == (4_000, "as you say")
    assert websocket.messages() == ["welcome to /"]
    websocket.close()


def test_a_server_that_stops_says_so() -> None:
    with client_of() as client:
        websocket = client.websocket("/")
        client.stop(grace=5)
        assert (websocket.code, client.running) == (1_001, False)


def test_a_callback_that_raises_is_raised_and_ends_its_connection() -> None:
    client = client_of()
    websocket, other = client.websocket("/"), client.websocket("/")
    with pytest.raises(HandlerError, match="not today"):
        websocket.send("fail")
    assert (websocket.code, websocket.connection.reason) == (1_011, CloseReason.HANDLER_ERROR)
    assert other.code is None
    quiet = client_of(raise_errors=False).websocket("/")
    quiet.send("fail")
    assert quiet.code == 1_011


def test_a_client_that_breaks_off_or_ends_its_side_is_gone() -> None:
    diary = Diary()
    client = Client(upgrade, callbacks=diary.callbacks)
    for leave in ("reset", "half_close"):
        websocket = client.websocket("/")
        getattr(websocket.connection, leave)()
        assert (websocket.code, websocket.reason, websocket.connection.is_closed) == (
            1_006,
            "",
            True,
        )
        assert diary.lines[-2:] == [
            ("ws_close", CloseReason.PEER_RESET, 1_006),
            ("close", CloseReason.PEER_RESET),
        ]
        with pytest.raises(WebSocketClosed, match="1006; PEER_RESET"):
            websocket.receive()


# -- time and slowness -----------------------------------------------------------------------------

LIMITS = Limits(ws_ping_interval=20.0, ws_pong_timeout=10.0, ws_close_timeout=5.0)


def test_pings_are_answered_by_itself_and_a_dead_peer_is_noticed() -> None:
    client = client_of(limits=LIMITS)
    alive, dead = client.websocket("/"), client.websocket("/", answers_pings=False)
    client.advance(29)
    assert (len(alive.pings), len(dead.pings), dead.code) == (1, 1, None)
    client.advance(2)
    assert (alive.code, dead.code, dead.reason) == (
        None,
        1_011,
        CLOSE_INFO[CloseReason.WS_PONG_TIMEOUT].sentence,
    )
    client.advance(600)
    assert (dead.connection.is_closed, dead.connection.reason) == (
        True,
        CloseReason.WS_PONG_TIMEOUT,
    )
    assert alive.code is None
    alive.send("still here")
    assert alive.messages()[-1] == "still here"


def test_a_close_frame_that_nobody_returns_is_waited_for() -> None:
    client = client_of(limits=LIMITS)
    dead = client.websocket("/", answers_pings=False)
    client.server.close(dead.handle, 4_000)
    client.advance(4.9)
    assert (dead.code, dead.connection.is_closed) == (4_000, False)
    client.advance(0.3)
    assert dead.connection.is_closed


def test_a_slow_reader_is_sent_what_it_has_room_for_and_receives_all() -> None:
    slow = client_of().websocket("/", window_len=100)
    slow.send("much")
    assert slow.messages() == []
    assert slow.read(14) == b"\x81\x0cwelcome to /"
    assert slow.messages() == ["welcome to /"]
    assert [slow.receive() for _ in range(41)] == [
        "welcome to /",
        *(bytes([number]) * 600 for number in range(40)),
    ]
    with pytest.raises(NoMessage):
        slow.receive()


def test_a_client_that_is_too_slow_is_dropped_before_it_hurts_others() -> None:
    told: list[SendStatus] = []
    client = Client(upgrade, limits=Limits(outgoing_buffer_sz=10_000))
    slow, other = client.websocket("/", window_len=1_000), client.websocket("/")
    server = client.server
    while SendStatus.DROPPED not in told:
        told.append(server.broadcast(bytes(500)))
        client.run_until_idle()
        assert len(told) < 100
    assert told == sorted(
        told, key=[SendStatus.SUCCESS, SendStatus.BACKPRESSURE, SendStatus.DROPPED].index
    )
    assert SendStatus.BACKPRESSURE in told
    assert slow.connection.reason is CloseReason.WS_CLIENT_TOO_SLOW
    assert (other.code, other.messages()) == (None, [bytes(500)] * len(told))
    assert server.buffered_amount(slow.handle) == 0


def test_what_is_owed_can_be_asked() -> None:
    client = Client(upgrade)
    slow = client.websocket("/", window_len=1_000)
    assert client.server.buffered_amount(slow.handle) == 0
    client.server.send(slow.handle, bytes(5_000))
    assert client.server.buffered_amount(slow.handle) >= 5_000
    client.run_until_idle()
    assert client.server.buffered_amount(slow.handle) == 4_004
    assert client.server.send(slow.handle, b"more") is SendStatus.BACKPRESSURE
    slow.receive()
    assert client.server.buffered_amount(slow.handle) == 0


def test_the_oldest_gives_its_place() -> None:
    client = Client(upgrade, limits=Limits(max_ws_connection_cnt=2))
    first, second, third = (client.websocket("/") for _ in range(3))
    assert [each.connection.reason for each in (first, second, third)] == [
        CloseReason.EVICTED,
        None,
        None,
    ]
    assert client.server.clients() == (second.handle, third.handle)


# -- what a client may not accept ------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"\x83\x00", b"\xc1\x00", b"\x81\x80mask", b"\x81\x01\xff"])
def test_what_is_no_frame_is_a_defect_of_the_server(data: bytes) -> None:
    websocket = Client(upgrade).websocket("/")
    websocket.connection.wire.received += data
    with pytest.raises(BadAnswer):
        websocket.messages()


def test_bytes_behind_the_last_word_are_discarded() -> None:
    websocket = client_of().websocket("/")
    websocket.send("end")
    websocket.connection.wire.received += b"\x83\x00"
    assert (websocket.messages(), websocket.code) == (["welcome to /"], 4_000)


def test_a_wrong_accept_is_a_defect_too() -> None:
    class Lying(Client):
        def connect(self, **options: Any) -> Any:
            connection = super().connect(**options)
            connection.wire.received += (
                b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n"
            )
            return connection

    with pytest.raises(BadAnswer, match="Accept"):
        Lying(upgrade).websocket("/")
