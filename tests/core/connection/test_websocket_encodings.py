"""Conversations in deflate and Zstandard: what is said, what is heard, and one copy for all who
agreed on the same.
"""

import asyncio
import tracemalloc
from random import Random
from string import ascii_letters

import pytest
from zstandard import ZstdDecompressor

from sigil import Callbacks, Limits, Request, Response
from sigil.core.broadcast.broadcast import publish_capacity
from sigil.core.broadcast.encoding import Encoding, recode
from sigil.core.broadcast.entry import Subscription
from sigil.core.close_reasons import CloseReason
from sigil.core.conn import Conn
from sigil.core.connection.websocket_send import send_capacity
from sigil.core.effects import CallWsClose, DeliverCompressed, FanOut
from sigil.core.events import Delivered
from sigil.core.parse_result import Malformed
from sigil.core.server.slots import find_client
from sigil.core.server.state import Server
from sigil.core.websocket.compression import deflate
from sigil.core.websocket.fragments import decompress
from sigil.core.websocket.frames import Opcode, encode_masked
from sigil.testing import Client, WebSocket
from tests.support.builds import needs_pure_sources
from tests.support.core_driver import CONN, advance_by, answered, asked, bytes_of
from tests.support.core_websockets import FLUSH, KEY, close, received, text
from tests.support.requests import UPGRADE

OFFER = {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"}
SMALL_WINDOW = {"Sec-WebSocket-Extensions": "permessage-deflate; server_max_window_bits=9"}
LONG = "all work and no play " * 50
MASK = b"\x01\x02\x03\x04"


def upgrade(request: Request) -> Response:
    """Every path is a WebSocket with as much history as its query says."""
    return Response.upgrade(history=int(request.query or "0"))


def echoing(limits: Limits | None = None) -> Client:
    """A server that says back what it hears."""
    echo = Callbacks(ws_message=lambda server, conn, data: server.send(conn, data))
    return Client(upgrade, limits=limits or Limits(), callbacks=echo)


def squeezed(words: str, opcode: int = Opcode.TEXT, rsv: int = 4, fin: bool = True) -> bytes:
    """A compressed frame of a client."""
    return encode_masked(opcode, deflate(words.encode(), 15), MASK, fin, rsv)


def wire_len(websocket: WebSocket) -> int:
    """Bytes that have come, the handshake included."""
    return len(websocket.connection.wire.received)


def fans_of(client: Client) -> list[FanOut]:
    """All orders to cohorts from here on."""
    fans: list[FanOut] = []
    methods = dict(client.server._engine.methods)
    fan = methods[FanOut]

    def noted(order: FanOut) -> object:
        fans.append(order)
        return fan(order)

    client.server._engine.methods = {**methods, FanOut: noted}
    return fans


def test_the_answer_says_that_no_window_is_kept() -> None:
    websocket = echoing().websocket("/", headers=SMALL_WINDOW)
    assert websocket.extensions == (
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; "
        "server_max_window_bits=9"
    )
    assert echoing(Limits(permessage_deflate=False)).websocket("/", headers=OFFER).extensions == ""


def test_what_comes_compressed_is_heard_and_what_is_long_goes_compressed() -> None:
    websocket = echoing().websocket("/", headers=OFFER)
    before = wire_len(websocket)
    websocket.connection.send(
        squeezed(LONG) + squeezed("short") + encode_masked(Opcode.TEXT, b"plain", MASK)
    )
    assert websocket.messages() == [LONG, "short", "plain"]
    assert wire_len(websocket) - before < 150


def test_a_compressed_message_may_come_in_fragments_with_a_ping_between() -> None:
    websocket, data = echoing().websocket("/", headers=OFFER), deflate(LONG.encode(), 15)
    websocket.connection.send(
        encode_masked(1, data[:9], MASK, False, 4)
        + encode_masked(9, b"?", MASK)
        + encode_masked(0, data[9:], MASK)
    )
    assert (websocket.messages(), websocket.pongs) == ([LONG], [b"?"])


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        (encode_masked(1, b"\xff", MASK, rsv=4), 1007),
        (encode_masked(1, deflate(b"\xff\xfe", 15), MASK, rsv=4), 1007),
        (encode_masked(2, deflate(bytes(10**6), 15), MASK, rsv=4), 1009),
        (encode_masked(9, b"", MASK, rsv=4), 1002),
        (encode_masked(1, b"", MASK, False, 4) + encode_masked(0, b"", MASK, True, 4), 1002),
        (encode_masked(1, b"a", MASK, rsv=2), 1002),
    ],
)
def test_what_may_not_be_ends_the_conversation_after_what_was_good(
    frames: bytes, code: int
) -> None:
    websocket = echoing(Limits(max_ws_message_len=50_000)).websocket("/", headers=OFFER)
    websocket.connection.send(squeezed("good") + frames + squeezed("never"))
    assert (websocket.messages(), websocket.code) == (["good"], code)


def test_without_agreement_a_compressed_message_is_an_error() -> None:
    websocket = echoing().websocket("/")
    websocket.connection.send(squeezed(LONG))
    assert (websocket.messages(), websocket.code) == ([], 1002)


def test_of_many_bombs_one_is_inflated_at_a_time() -> None:
    most = 10**6
    client = Client(
        upgrade, limits=Limits(max_ws_message_len=most), callbacks=Callbacks(ws_message=measure)
    )
    websockets = [client.websocket("/", headers=OFFER) for _ in range(10)]
    bombs = squeezed("0" * most) * 20
    tracemalloc.start()
    try:
        for websocket in websockets:
            websocket.connection.send(bombs)
        client.run_until_idle()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert all(websocket.messages() == [str(most)] * 20 for websocket in websockets)
    assert peak < 5 * most


def measure(server: object, conn: Conn, data: str | bytes) -> None:
    """Say how long it was."""
    server.send(conn, f"{len(data)}")  # type: ignore[attr-defined]


def test_behind_a_bad_message_nothing_is_heard_whenever_it_comes() -> None:
    server = negotiated()
    server, effects = advance_by(
        server, received(text("one") + encode_masked(1, b"\xff\xff\xff", KEY, rsv=4))
    )
    (order,) = effects
    assert isinstance(order, DeliverCompressed)
    server, effects = advance_by(server, received(text("two") + close(b"\x03\xe8")))
    assert effects == []
    error = decompress(order.messages[1], 99)  # type: ignore[arg-type]
    assert isinstance(error, Malformed)
    server, effects = advance_by(server, Delivered(CONN, error=error))
    assert [effect for effect in effects if isinstance(effect, CallWsClose)] == [
        CallWsClose(CONN, CloseReason.WS_BAD_COMPRESSION, 1007)
    ]
    payload = b"\x03\xef" + error.message.encode()
    assert bytes_of(effects) == bytes((0x88, len(payload))) + payload
    server, effects = advance_by(server, received(text("three")), FLUSH)
    assert bytes_of(effects) == b""


def negotiated() -> Server:
    """A server whose only connection speaks deflate."""
    data = UPGRADE.replace(b"\r\n\r\n", b"\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n")
    return advance_by(asked(data), answered(0, Response.upgrade()), Delivered(CONN))[0]


def test_coroutines_are_given_what_was_inflated_and_a_bad_message_ends_it() -> None:
    heard: list[str | bytes] = []

    async def hear(server: object, conn: Conn, data: str | bytes) -> None:
        await asyncio.sleep(1)
        heard.append(data)

    client = Client(upgrade, callbacks=Callbacks(ws_message=hear))
    websocket = client.websocket("/", headers=OFFER)
    websocket.connection.send(squeezed(LONG) + encode_masked(1, b"plain", MASK))
    websocket.connection.send(encode_masked(1, b"\xff", MASK, rsv=4))
    client.advance(1)
    client.advance(1)
    assert (heard, websocket.code) == ([LONG, "plain"], 1007)


def test_without_a_callback_a_bad_message_is_found_all_the_same() -> None:
    websocket = Client(upgrade).websocket("/", headers=OFFER)
    websocket.connection.send(squeezed("fine") + encode_masked(1, b"\xff", MASK, rsv=4))
    websocket.messages()
    assert websocket.code == 1007


def test_a_broadcast_that_has_no_room_in_all_encodings_lets_what_was_said_leave_first() -> None:
    client = echoing(Limits(outgoing_buffer_sz=3_000))
    slow, packed = client.websocket("/", window_len=10), client.websocket("/", headers=OFFER)
    dice = Random(5)
    said = ["".join(dice.choice(ascii_letters) for _ in range(900)) for _ in range(2)]
    statuses = [client.server.broadcast(words).name for words in said]
    client.run_until_idle()
    assert statuses == ["SUCCESS", "BACKPRESSURE"]
    assert [slow.receive(), slow.receive()] == packed.messages() == said


@needs_pure_sources
def test_what_nobody_keeps_up_with_is_encoded_once_too(monkeypatch: pytest.MonkeyPatch) -> None:
    client = echoing()
    slow = [client.websocket("/", headers=OFFER, window_len=10) for _ in range(5)]
    for websocket in slow:
        client.server.send(websocket.handle, "more than they take")
    client.run_until_idle()
    assert client.state.broadcast.encoding_counts == ((Encoding.DEFLATE_15, 5),)
    count = 0

    def counting(frame: bytes, encoding: Encoding, position: str) -> bytes:
        nonlocal count
        count += 1
        return recode(frame, encoding, position)

    monkeypatch.setattr("sigil.core.broadcast.encode.recode", counting)
    monkeypatch.setattr("sigil.core.broadcast.entry.recode", counting)
    for _ in range(10):
        client.server.broadcast(LONG)
    client.run_until_idle()
    for websocket in slow:
        assert [websocket.receive() for _ in range(11)][1:] == [LONG] * 10
    assert count == 10


def test_a_broadcast_is_encoded_once_for_each_encoding_and_everybody_hears_the_same() -> None:
    client = echoing()
    headers = ({}, {}, OFFER, OFFER, SMALL_WINDOW)
    websockets = [client.websocket("/", headers=fields) for fields in headers]
    websockets.append(client.websocket("/", "compress-zstd"))
    fans = fans_of(client)
    for words in (LONG, "short", LONG[::-1]):
        client.server.broadcast(words)
    client.run_until_idle()
    assert [fan.subscription.encoding for fan in fans] == [
        Encoding.PLAIN,
        Encoding.ZSTD,
        Encoding.DEFLATE_9,
        Encoding.DEFLATE_15,
    ]
    assert [len(fan.members) for fan in fans] == [2, 1, 1, 2]
    assert all(len(fan.data) < 400 for fan in fans[1:])
    for websocket in websockets[:-1]:
        assert websocket.messages() == [LONG, "short", LONG[::-1]]
    assert websockets[-1].messages() == [LONG.encode(), "short", LONG[::-1].encode()]


def test_who_joins_late_is_sent_history_in_an_encoding_that_nobody_had() -> None:
    client = echoing(Limits(history_messages=5))
    client.server.broadcast(LONG)
    client.server.broadcast(b"\x00" * 500)
    client.run_until_idle()
    assert client.websocket("/?2", headers=OFFER).messages() == [LONG, b"\x00" * 500]
    packed = client.websocket("/?2", "compress-zstd")
    assert packed.messages() == [LONG.encode(), b"\x00" * 500]


def test_a_slow_reader_is_sent_what_it_missed_in_its_encoding_and_no_frame_is_torn() -> None:
    client = echoing()
    slow = client.websocket("/", headers=OFFER, window_len=7)
    client.websocket("/", headers=OFFER)
    said = [f"{number} {LONG}" for number in range(30)]
    for words in said:
        client.server.broadcast(words)
        client.server.send(slow.handle, words[::-1])
        client.run_until_idle()
    heard = [slow.receive() for _ in range(2 * len(said))]
    assert [words for words in heard if words in said] == said
    assert [words for words in heard if words not in said] == [words[::-1] for words in said]


def test_what_is_kept_counts_in_all_encodings() -> None:
    client = echoing(Limits(outgoing_buffer_sz=3_000))
    plain = client.websocket("/")
    room = publish_capacity(client.state.broadcast)[1]
    client.websocket("/", headers=OFFER)
    assert publish_capacity(client.state.broadcast)[1] == room // 2
    packed = client.websocket("/", "compress-zstd")
    assert publish_capacity(client.state.broadcast)[1] == room // 4
    client.server.broadcast("x" * 900)
    kept = client.state.broadcast.pending_len
    assert 904 < kept < 1_000
    packed.close()
    client.run_until_idle()
    assert client.state.broadcast.encoding_counts == ((Encoding.DEFLATE_15, 1),)
    assert plain.messages() == ["x" * 900]


def test_a_message_that_fits_only_plain_is_broadcast_all_the_same() -> None:
    client = echoing(Limits(outgoing_buffer_sz=1_000))
    packed = client.websocket("/", headers=OFFER)
    words = "".join(chr(33 + (index * index) % 90) for index in range(900))
    client.server.broadcast(words)
    client.run_until_idle()
    assert packed.messages() == [words]


def test_what_is_said_to_one_is_owed_as_it_leaves() -> None:
    client = echoing()
    slow = client.websocket("/", headers=OFFER, window_len=1)
    before = send_capacity(find_client(client.state.slots, slow.handle), client.state.limits)[1]
    client.server.send(slow.handle, LONG)
    assert (
        0
        < before
        - send_capacity(find_client(client.state.slots, slow.handle), client.state.limits)[1]
        < len(LONG) // 4
    )


def test_a_topic_is_heard_in_every_encoding() -> None:
    client = Client(lambda request: Response.upgrade(topics=["news"]))
    packed = client.websocket("/", headers=OFFER)
    assert set(client.state.broadcast.cohorts) == {
        Subscription(Encoding.DEFLATE_15, frozenset(("news",)))
    }
    client.server.broadcast(LONG, topic="news")
    client.server.broadcast("nobody", topic="sport")
    client.server.unsubscribe(packed.handle, "news")
    client.server.broadcast("too late", topic="news")
    client.run_until_idle()
    assert packed.messages() == [LONG]


def test_a_client_of_the_reference_system_reads_what_it_is_sent() -> None:
    client = echoing()
    websocket = client.websocket("/", "compress-zstd")
    assert websocket.subprotocol == "compress-zstd"
    before = wire_len(websocket)
    client.server.send(websocket.handle, "x" * 200)
    client.server.send(websocket.handle, "x" * 201)
    client.run_until_idle()
    frames = bytes(websocket.connection.wire.received[before:])
    assert frames[:4] == b"\x81\x7e\x00\xc8"
    assert frames[204] == 0x82
    assert ZstdDecompressor().decompress(frames[206:]) == b"x" * 201
