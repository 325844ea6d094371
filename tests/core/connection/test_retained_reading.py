"""What is retained comes first, once, in order of publication, to whoever comes to be subscribed;
over every transport and in every encoding.
"""

import json
import re

import pytest

from sigil import ALL_TOPICS, Callbacks, Conn, HttpServer, Limits, Request, Response
from sigil.testing import Client, Connection, MemoryServer, WebSocket
from tests.support.event_stream_reader import read_events
from tests.support.requests import GET, UPGRADE

OFFERS: dict[str, dict[str, str]] = {
    "plain": {},
    "deflate": {"Sec-WebSocket-Extensions": "permessage-deflate"},
    "zstd": {"Sec-WebSocket-Protocol": "compress-zstd"},
}
LONG = "long " * 100
KEEPING = Limits(history_messages=100)


def app(request: Request) -> Response:
    """A WebSocket or an event stream, on the topics of its path (`*`: all), with a history."""
    names = [name for name in request.path.strip("/").split("+") if name]
    topics = [ALL_TOPICS if name == "*" else name for name in names]
    history = int(request.args.get("history", "0"))
    if request.is_upgrade:
        return Response.upgrade(topics=topics, history=history)
    return Response.sse(topics=topics, history=history)


def client_of(limits: Limits = KEEPING, **more: object) -> Client:
    """A server in memory on which something was retained: numbers 0 to 4 are "a0" to "a4"."""
    client = Client(app, limits=limits, **more)  # type: ignore[arg-type]
    server = client.server
    server.broadcast("zero", retain=True)
    server.broadcast("one", topic="a", retain=True)
    server.broadcast("two", topic="b", retain=True)
    server.broadcast("three", topic="a")
    server.broadcast("four", topic="a", retain=True)
    return client


def position(client: Client, text: int | str) -> str:
    """A position of this server's."""
    return f"{client.server.position().partition('-')[0]}-{text}"


def texts(websocket: WebSocket) -> list[str]:
    """All messages; in Zstandard a long text comes as a binary message."""
    return [
        message if isinstance(message, str) else message.decode()
        for message in websocket.messages()
    ]


# -- who joins -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/", ["zero"]),
        ("/a", ["zero", "four"]),
        ("/b", ["zero", "two"]),
        ("/b+a", ["zero", "two", "four"]),
        ("/*", ["zero", "two", "four"]),
        ("/c", ["zero"]),
        ("/a?history=1", ["zero", "four"]),
        ("/a?history=2", ["zero", "three", "four"]),
        ("/a?history=3", ["zero", "one", "three", "four"]),
        ("/*?history=4", ["zero", "one", "two", "three", "four"]),
    ],
)
def test_the_last_of_each_topic_comes_before_history_and_nothing_twice(
    target: str, expected: list[str]
) -> None:
    client = client_of()
    websocket, stream = client.websocket(target), client.connect()
    stream.request("GET", target)
    client.server.broadcast("live")
    client.run_until_idle()
    assert websocket.messages() == [*expected, "live"]
    assert [event.data for event in read_events(body_of(stream)).events] == [*expected, "live"]


def body_of(stream: Connection) -> bytes:
    """What came behind the head of a response."""
    return stream.received.partition(b"\r\n\r\n")[2]


@pytest.mark.parametrize("offer", OFFERS)
def test_it_comes_in_the_encoding_of_the_client(offer: str) -> None:
    client = client_of()
    client.server.broadcast(LONG, topic="a", retain=True)
    first, second = [client.websocket("/a", headers=OFFERS[offer]) for _ in range(2)]
    client.server.broadcast(LONG + "live", topic="a")
    client.run_until_idle()
    assert texts(first) == texts(second) == ["zero", LONG, LONG + "live"]


def test_who_asks_for_positions_has_one_that_says_what_is_still_to_come() -> None:
    client = client_of()
    websocket, stream = client.websocket("/a?after="), client.connect()
    stream.request("GET", "/a")
    client.server.broadcast("live")
    client.run_until_idle()
    begin, five, six = [position(client, text) for text in ("5.0", 5, 6)]
    assert websocket.messages() == [
        f"\0position:{begin}", "zero", "four", f"\0position:{five}", f"\0next:{six}", "live",
    ]  # fmt: skip
    assert body_of(stream).decode() == (
        f"id: {begin}\n\ndata: zero\n\ndata: four\n\nid: {five}\n\nid: {six}\ndata: live\n\n"
    )


def test_who_comes_back_in_the_middle_of_it_is_sent_what_it_lacks() -> None:
    client = client_of()
    for after, expected in [
        ("5.0", ["zero", "two", "four"]),
        ("5.1", ["two", "four"]),
        ("5.3", ["four"]),
        ("5.5", []),
        ("5", []),
    ]:
        websocket = client.websocket(f"/*?after={position(client, after)}")
        client.run_until_idle()
        begin = "5" if after == "5.5" else after
        end = [f"\0position:{position(client, 5)}"] if expected else []
        assert websocket.messages() == [
            f"\0position:{position(client, begin)}", *expected, *end,
        ]  # fmt: skip


def test_who_comes_back_too_late_is_sent_what_is_retained_of_the_gap() -> None:
    client = client_of(Limits(history_messages=100, max_ws_send_frame_cnt=2))
    websocket = client.websocket(f"/*?after={position(client, 1)}")
    client.run_until_idle()
    text, *rest = texts(websocket)
    assert json.loads(text.removeprefix("\0gap:")) == {
        "after": position(client, 1), "position": position(client, "3.1"), "missed": 2,
    }  # fmt: skip
    assert rest == [
        "two",
        f"\0position:{position(client, 3)}",
        f"\0next:{position(client, 4)}", "three",
        f"\0next:{position(client, 5)}", "four",
    ]  # fmt: skip


def test_what_is_replaced_before_it_was_taken_comes_as_what_is_published() -> None:
    client = Client(app, limits=Limits(max_outbox_len=2_000))
    for number in range(10):
        client.server.broadcast(f"old {number} {LONG}", topic=str(number), retain=True)
    websocket = client.websocket("/*", window_len=1_000)
    for number in range(10):
        client.server.broadcast(f"new {number} {LONG}", topic=str(number), retain=True)
        client.run_until_idle()
    while websocket.read(1_000):
        pass
    got = [text.split()[:2] for text in texts(websocket)]
    old = [int(number) for age, number in got if age == "old"]
    new = [int(number) for age, number in got if age == "new"]
    assert got == [["old", str(number)] for number in old] + [
        ["new", str(number)] for number in new
    ]
    assert new == list(range(10)) and 0 < len(old) < 10


def test_an_empty_message_is_sent_and_ends_it() -> None:
    client = client_of()
    websocket = client.websocket("/a")
    client.server.broadcast("", topic="a", retain=True)
    client.run_until_idle()
    assert websocket.messages() == ["zero", "four", ""]
    assert client.server.retained("a") is None and client.server.retained("b") == "two"
    assert client.websocket("/a").messages() == ["zero"]


def test_a_binary_message_is_retained_and_no_event() -> None:
    client = client_of()
    client.server.broadcast(b"\x00\x01", topic="a", retain=True)
    stream = client.connect()
    stream.request("GET", "/a")
    assert client.server.retained("a") == b"\x00\x01"
    assert client.websocket("/a").messages() == ["zero", b"\x00\x01"]
    assert [event.data for event in read_events(body_of(stream)).events] == ["zero"]


def test_it_outlives_the_ring_and_those_who_were_there() -> None:
    client = client_of(Limits(max_ws_send_frame_cnt=2))
    for number in range(10):
        client.server.broadcast(f"m{number}")
    client.run_until_idle()
    assert client.server.retained("a") == "four"
    assert client.websocket("/a").messages() == ["zero", "four"]


# -- who is subscribed later -----------------------------------------------------------------------


def subscribed(*topics: object) -> tuple[Client, WebSocket]:
    """A client whose WebSocket is subscribed to these, one after the other, and sent a message
    before and behind each.
    """

    def on_open(server: HttpServer, conn: Conn, request: Request) -> None:
        for number, topic in enumerate(topics):
            server.send(conn, f"before {number}")
            server.subscribe(conn, topic)  # type: ignore[arg-type]
        server.send(conn, "end")

    client = client_of(callbacks=Callbacks(ws_open=on_open))
    return client, client.websocket("/a")


@pytest.mark.parametrize(
    ("topics", "expected"),
    [
        (["b"], ["before 0", "two", "end"]),
        (["a"], ["before 0", "end"]),
        (["b", "b"], ["before 0", "two", "before 1", "end"]),
        (["c", "b"], ["before 0", "before 1", "two", "end"]),
        ([ALL_TOPICS], ["before 0", "two", "end"]),
        ([ALL_TOPICS, "b"], ["before 0", "two", "before 1", "end"]),
        (["b", ALL_TOPICS], ["before 0", "two", "before 1", "end"]),
    ],
)
def test_what_is_retained_comes_where_it_was_subscribed_to(
    topics: list[object], expected: list[str]
) -> None:
    client, websocket = subscribed(*topics)
    client.server.broadcast("live", topic="a")
    client.run_until_idle()
    assert websocket.messages() == ["zero", "four", *expected, "live"]


def test_it_comes_between_what_was_published_before_and_behind() -> None:
    client = client_of()
    websocket = client.websocket("/a")
    (conn,) = client.clients()
    client.server.broadcast("five", topic="a")
    client.server.subscribe(conn, "b")
    client.server.broadcast("six", topic="b", retain=True)
    client.server.broadcast("seven", topic="a")
    client.run_until_idle()
    assert websocket.messages() == ["zero", "four", "five", "six", "seven"]
    client.server.broadcast("eight", topic="c", retain=True)
    client.server.subscribe(conn, "c")
    client.server.broadcast("nine", topic="c")
    client.run_until_idle()
    assert websocket.messages()[5:] == ["eight", "nine"]


# -- many ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("offer", OFFERS)
def test_thousands_are_taken_piece_by_piece_and_what_is_left_is_counted(offer: str) -> None:
    client = Client(app, limits=Limits(max_outbox_len=4_000, max_recode_len_per_tick=2**24))
    for number in range(3_000):
        client.server.broadcast(f"{number}", topic=f"t{number}", retain=True)
    websocket = client.websocket("/*?after=", headers=OFFERS[offer], window_len=5_000)
    (conn,) = client.clients()
    client.server.broadcast("live")
    client.run_until_idle()
    while websocket.read(4_000):
        client.run_until_idle()
    got = [text for text in texts(websocket) if not text.startswith("\0")]
    assert got == [*map(str, range(3_000)), "live"]
    told = [text for text in texts(websocket) if text.startswith("\0position:")]
    assert told[0].endswith(".0") and told[-1].endswith("-3000") and len(told) > 3
    assert client.server.buffered_amount(conn) == 0


def test_what_waits_is_counted() -> None:
    client = Client(app, limits=Limits(max_outbox_len=4_000))
    for number in range(100):
        client.server.broadcast(f"{number} {LONG}", topic=f"t{number}", retain=True)
    websocket = client.websocket("/*", window_len=5_000)
    (conn,) = client.clients()
    buffered = client.server.buffered_amount(conn) + len(websocket.connection.wire.unread)
    length = 0
    while data := websocket.read(4_000):
        length += len(data)
    assert length == buffered


def test_subscribing_for_ever_without_reading_ends_a_client() -> None:
    client = client_of(Limits(max_ws_outbox_len=1_000))
    websocket = client.websocket("/", window_len=10)
    (conn,) = client.clients()
    for _ in range(1_000):
        client.server.subscribe(conn, "a")
        client.server.unsubscribe(conn, "a")
        client.run_until_idle()
    assert conn not in client.clients()
    assert websocket.connection.reason is not None
    assert websocket.connection.reason.name == "WS_CLIENT_TOO_SLOW"


def test_who_skips_is_sent_what_is_retained_of_the_gap() -> None:
    def skipping(request: Request) -> Response:
        return Response.upgrade(topics=[ALL_TOPICS], slow="skip")

    client = Client(skipping, limits=Limits(max_ws_send_frame_cnt=4, max_outbox_len=600))
    websocket = client.websocket("/?after=", window_len=1_000)
    client.server.broadcast("x" * 900)
    client.run_until_idle()
    for number in range(12):
        client.server.broadcast(f"{number}" * 200, topic=f"{number % 6}", retain=number < 6)
        client.run_until_idle()
    while websocket.read(500):
        pass
    got = [text if text.startswith("\0") else text[:2] for text in texts(websocket)]
    gap = next(text for text in got if text.startswith("\0gap:"))
    begin = int(json.loads(gap[5:])["position"].partition(".")[2])
    behind = got[got.index(gap) + 1 :]
    tail = json.loads(gap[5:])["position"].partition("-")[2].partition(".")[0]
    end = behind.index(f"\0position:{position(client, tail)}")
    retained = [text for text in behind[:end] if not text.startswith("\0")]
    assert retained == [str(number) * 2 for number in range(begin - 1, 6)]
    assert behind[end + 1].startswith("\0next:")


def test_who_skips_is_sent_once_what_is_retained_of_the_gap_and_of_a_topic_it_came_to() -> None:
    client = Client(
        lambda request: Response.upgrade(slow="skip"), limits=Limits(max_ws_send_frame_cnt=16)
    )
    server, websocket = client.server, client.websocket("/?after=", window_len=200)
    server.broadcast("long" * 100)
    client.run_until_idle()  # from here on it is behind
    for text, topic in [("before", "a"), ("fill", None), ("within", "b"), ("behind", "c")]:
        server.broadcast(text, topic=topic, retain=topic is not None)
    for topic in "abc":
        server.subscribe(websocket.handle, topic)
    client.run_until_idle()
    for number in range(15):  # the tail of the ring is behind "within", and before "behind"
        server.broadcast(f"live {number}")
        client.run_until_idle()
    while websocket.read(500):
        pass
    retained = [text for text in texts(websocket) if text in ("before", "within", "behind")]
    assert sorted(retained) == ["before", "behind", "within"]


def test_who_skips_and_has_read_nothing_is_sent_first_what_was_retained_when_it_came() -> None:
    def welcome(server: MemoryServer, conn: Conn, request: Request) -> None:
        server.send(conn, "welcome")

    client = Client(
        lambda request: Response.upgrade(topics=[ALL_TOPICS], slow="skip"),
        callbacks=Callbacks(ws_open=welcome),
        limits=Limits(max_ws_send_frame_cnt=4),
    )
    server, connection = client.server, client.connect(window_len=1)
    server.broadcast("kept", topic="a", retain=True)
    connection.send(UPGRADE)
    client.run_until_idle()  # it has not even taken the answer to its handshake
    for number in range(8):
        server.broadcast(f"live {number}", topic="b", retain=number == 1)
        client.run_until_idle()
    while connection.read(500):
        pass
    received = bytes(connection.wire.received)
    expected = [b"kept", b"welcome", b"live 1", b"live 4", b"live 7"]
    found = [received.find(text) for text in expected]
    assert found == sorted(found) and -1 not in found


@pytest.mark.parametrize("half_closes", [False, True])
@pytest.mark.parametrize("retained", [0, 3])
@pytest.mark.parametrize("is_websocket", [False, True])
def test_who_skips_and_has_read_nothing_is_told_positions_that_never_go_back(
    is_websocket: bool, retained: int, half_closes: bool
) -> None:
    def skipping(request: Request) -> Response:
        if request.is_upgrade:
            return Response.upgrade(topics=[ALL_TOPICS], slow="skip", after="")
        return Response.sse(topics=[ALL_TOPICS], slow="skip")

    def welcome(server: MemoryServer, conn: Conn, request: Request) -> None:
        server.send(conn, "welcome")

    limits = Limits(max_ws_send_frame_cnt=4, max_rounds_per_tick=1)
    client = Client(skipping, callbacks=Callbacks(ws_open=welcome), limits=limits)
    server, connection = client.server, client.connect(window_len=1)
    for number in range(3):
        server.broadcast(f"kept {number}", topic=f"{number}", retain=number < retained)
    connection.wire.arrived += UPGRADE if is_websocket else GET
    connection.wire.has_half_closed = half_closes and not is_websocket
    client.run_until_idle()  # it has not even taken the head of its answer
    for number in range(8):
        server.broadcast(f"live {number}", topic="a", retain=number == 1)
        client.run_until_idle()
    while connection.read(500):
        pass
    received = bytes(connection.wire.received)
    told = re.findall(
        rb'(?:"position":"|\0position:|id: )[0-9a-z]+-([0-9]+)(?:\.([0-9]+))?', received
    )
    positions = [(int(number), int(start or number)) for number, start in told]
    assert positions == sorted(positions) and positions[-1][0] >= 7
    assert (b"kept 2" in received) is bool(retained) and b"live 1" in received
