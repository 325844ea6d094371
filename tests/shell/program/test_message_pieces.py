"""Long messages that a program takes in pieces: what is inflated is what came, and no more of it is
ever in memory than a piece and a byte.
"""

import zlib
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sigil import Callbacks, CloseReason, Conn, Deferred, Fragment, HttpServer, Limits
from sigil.core.conn import Conn as AnyConn
from sigil.core.parse_result import Malformed
from sigil.core.websocket.compression import deflate, inflate
from sigil.core.websocket.fragments import CompressedFragment
from sigil.core.websocket.frames import FrameRules, Opcode, encode_masked
from sigil.core.websocket.messages import BETWEEN_MESSAGES, receive_data
from sigil.shell.program.message_pieces import BadPieces, MessagePieces
from sigil.testing import Client
from tests.support.servers import pump, ticking
from tests.support.websocket_client import (
    CallbackLog,
    close_clients,
    frame,
    text,
    upgrade,
    websocket_clients,
)

CONN = AnyConn(0, 0)
KEY = b"\x37\xfa\x21\x3d"
SMALL = Limits(max_ws_piece_len=16, max_ws_streamed_len=1_000)
ROOM = Limits(max_ws_piece_len=1_000)


def inflated(
    payload: bytes, limits: Limits = SMALL, cut: int = 16, opcode: Opcode = Opcode.BINARY
) -> list[object]:
    """What comes of a compressed message that came in pieces of so many bytes."""
    pieces = MessagePieces(limits)
    made: list[object] = []
    starts = list(range(0, len(payload), cut)) or [0]
    for start in starts:
        item: CompressedFragment | None = CompressedFragment(
            opcode, payload[start : start + cut], start == 0, start == starts[-1], 0
        )
        while item is not None:
            piece, item = pieces.take(CONN, item)
            made += [] if piece is None else [piece]
    assert len(pieces) == 0
    return made


def byte_len(data: str | bytes) -> int:
    """Bytes of a piece, as they are sent uncompressed."""
    return len(data.encode() if isinstance(data, str) else data)


def joined(made: list[object]) -> Any:
    """The message that these are the pieces of, which must be in order."""
    if len(made) == 1 and isinstance(made[0], str | bytes):
        return made[0]
    fragments = [piece for piece in made if isinstance(piece, Fragment)]
    assert len(fragments) == len(made) > 1
    assert [piece.is_first for piece in fragments] == [True] + [False] * (len(made) - 1)
    assert [piece.is_final for piece in fragments] == [False] * (len(made) - 1) + [True]
    assert all(byte_len(piece.data) <= 16 for piece in fragments)
    content = fragments[0].data
    for piece in fragments[1:]:
        content += piece.data  # type: ignore[operator]
    return content


# -- inflating -------------------------------------------------------------------------------------


@given(
    st.one_of(st.binary(max_size=200), st.integers(0, 500).map(bytes), st.text(max_size=100)),
    st.integers(1, 40),
)
def test_the_pieces_are_the_message(content: str | bytes, cut: int) -> None:
    opcode = Opcode.TEXT if isinstance(content, str) else Opcode.BINARY
    payload = content.encode() if isinstance(content, str) else content
    made = inflated(deflate(payload, 15), SMALL, cut, opcode)
    assert joined(made) == content
    assert (len(made) == 1) == (len(payload) <= 16)


@given(st.text("a\xe9\u20ac\U0001f600", max_size=60), st.integers(1, 40), st.integers(0, 100))
@example("abcdefghijklmn\U0001f600" * 3, 40, 0)
def test_the_pieces_of_a_text_are_the_same_when_it_is_compressed(
    content: str, cut: int, cut_at: int
) -> None:
    payload = content.encode()
    rules = FrameRules(1_000, 1_000, piece_len=16)
    frames = encode_masked(Opcode.TEXT, payload[:cut_at], KEY, fin=False)
    frames += encode_masked(Opcode.CONTINUATION, payload[cut_at:], KEY)
    _, items, error = receive_data(BETWEEN_MESSAGES, frames, rules)
    made = inflated(deflate(payload, 15), SMALL, cut, Opcode.TEXT)
    assert error is None and list(map(data_of, items)) == list(map(data_of, made))


def data_of(item: object) -> object:
    """What is in a message, or in a piece of one."""
    return item.data if isinstance(item, Fragment) else item


def test_a_character_that_would_be_cut_is_in_the_next_piece() -> None:
    text_of = "abcdefghijklmn\U0001f600" * 2
    made = inflated(deflate(text_of.encode(), 15), SMALL, 99, Opcode.TEXT)
    assert list(map(data_of, made)) == [text_of[:14], text_of[14:27], text_of[27:]]


def test_blocks_may_follow_a_final_block_and_refer_back() -> None:
    first = zlib.compressobj(9, zlib.DEFLATED, -15)
    head = first.compress(b"abcdefgh" * 9) + first.flush(zlib.Z_FINISH)
    second = zlib.compressobj(9, zlib.DEFLATED, -15, zdict=b"abcdefgh" * 9)
    tail = second.compress(b"abcdefgh" * 3) + second.flush(zlib.Z_SYNC_FLUSH)
    payload = head + tail[:-4]
    assert inflate(payload, 1_000) == b"abcdefgh" * 12
    for cut in (1, 2, 3, 7, 100):
        assert joined(inflated(payload, cut=cut)) == b"abcdefgh" * 12


@given(st.binary(max_size=60), st.integers(1, 20))
def test_what_is_no_deflate_is_refused_wherever_it_is_cut(payload: bytes, cut: int) -> None:
    whole = inflate(payload, 1_000)
    try:
        made = joined(inflated(payload, SMALL, cut))
    except BadPieces as bad:
        assert isinstance(whole, Malformed) and whole.reason is bad.error.reason
    else:
        assert made == whole


def test_a_message_that_grows_beyond_the_limit_is_refused_before_it_is_made() -> None:
    with pytest.raises(BadPieces) as caught:
        inflated(deflate(bytes(10**7), 15), SMALL)
    assert caught.value.error.reason is CloseReason.WS_OVERSIZE_FRAME


def test_a_text_that_is_none_is_refused() -> None:
    with pytest.raises(BadPieces) as caught:
        inflated(deflate(b"x" * 20 + b"\xff", 15), opcode=Opcode.TEXT)
    assert caught.value.error.reason is CloseReason.WS_BAD_UTF8


# -- delivering ------------------------------------------------------------------------------------


def compressed(payload: bytes) -> bytes:
    """A binary message of a client, compressed."""
    return encode_masked(Opcode.BINARY, deflate(payload, 15), KEY, rsv=4)


def noting(diary: CallbackLog) -> list[tuple[object, ...]]:
    """The messages and pieces that the program was called with."""
    return [
        (told[0].data, told[0].is_final) if isinstance(told[0], Fragment) else (told[0],)
        for name, _, *told in diary.lines
        if name in ("ws_message", "ws_fragment")
    ]


def test_messages_and_pieces_come_in_order() -> None:
    diary = CallbackLog(ws_fragment=lambda *told: None)
    with ticking(upgrade, callbacks=diary.callbacks, limits=SMALL) as server:
        (client,) = websocket_clients(server, 1)
        client.send(text("a") + text("x" * 20) + frame(2, b"y" * 16) + text("b"))
        pump(server, lambda: len(noting(diary)) == 5, client)
        assert noting(diary) == [
            ("a",), ("x" * 16, False), ("x" * 4, True), (b"y" * 16,), ("b",),
        ]  # fmt: skip
        close_clients(server, client)
    diary.assert_balanced()


def test_a_program_without_the_callback_gets_whole_messages() -> None:
    seen: list[object] = []
    callbacks = Callbacks(ws_message=lambda server, conn, data: seen.append(data))
    client = Client(upgrade, callbacks=callbacks, limits=SMALL)
    client.websocket("/").send("x" * 900)
    assert seen == ["x" * 900]


def test_thirty_megabytes_pass_through_and_are_not_held() -> None:
    seen, most = 0, 0
    whole = frame(2, bytes(2**20) * 30)

    def take(server: HttpServer, conn: Conn, fragment: Fragment) -> None:
        nonlocal seen, most
        seen += len(fragment)
        most = max(most, server.state.load.inbound)
        assert fragment.remaining == len(whole) - 14 - seen

    with ticking(upgrade, callbacks=Callbacks(ws_fragment=take)) as server:
        (client,) = websocket_clients(server, 1)
        client.send(whole)
        pump(server, lambda: seen == 30 * 2**20, client)
        assert most < 2**19
        close_clients(server, client)


@pytest.mark.parametrize("extension", ["permessage-deflate", ""])
def test_pieces_wait_for_a_callback_that_awaits_and_for_a_hold(extension: str) -> None:
    promised: list[Deferred] = []
    seen: list[bytes] = []

    def take(server: HttpServer, conn: Conn, fragment: Fragment) -> object:
        seen.append(fragment.data)  # type: ignore[arg-type]
        promised.append(Deferred())
        return promised[-1]

    callbacks = Callbacks(ws_fragment=take)
    client = Client(upgrade, callbacks=callbacks, limits=ROOM)
    headers = {"Sec-WebSocket-Extensions": extension} if extension else {}
    websocket = client.websocket("/", headers=headers)
    payload = bytes(3_500)
    websocket.connection.send(compressed(payload) if extension else frame(2, payload))
    assert [len(piece) for piece in seen] == [1_000]
    client.server.rx_flow_control(websocket.handle, False)
    promised[0].resolve(None)
    client.run_until_idle()
    assert len(seen) == 1
    client.server.rx_flow_control(websocket.handle, True)
    client.run_until_idle()
    for number in range(1, 4):
        assert len(seen) == number + 1
        promised[number].resolve(None)
        client.run_until_idle()
    assert b"".join(seen) == payload and len(seen) == 4


def test_a_message_that_is_nearly_nothing_and_grows_is_made_as_it_is_taken() -> None:
    seen: list[int] = []
    most = 0

    def take(server: HttpServer, conn: Conn, fragment: Fragment) -> None:
        nonlocal most
        seen.append(len(fragment))
        most = max(most, server.state.load.inbound)

    client = Client(upgrade, callbacks=Callbacks(ws_fragment=take), max_ticks=100_000)
    websocket = client.websocket("/", headers={"Sec-WebSocket-Extensions": "permessage-deflate"})
    websocket.connection.send(compressed(bytes(64 * 2**20)))
    client.run_until_idle()
    assert sum(seen) == 64 * 2**20 and max(seen) == 65_536
    assert most <= 70_000


def test_a_message_that_goes_wrong_ends_its_connection_and_nobody_elses() -> None:
    diary = CallbackLog(ws_fragment=lambda *told: None)
    with ticking(upgrade, callbacks=diary.callbacks, limits=SMALL) as server:
        bad, good = websocket_clients(server, 2)
        bad.send(frame(1, b"x" * 20 + b"\xff"))
        good.send(text("y" * 20))
        pump(server, lambda: bad.close_code == 1007 and len(noting(diary)) == 3, bad, good)
        assert ("x" * 16, False) in noting(diary) and ("y" * 4, True) in noting(diary)
        bad.send(frame(8))
        close_clients(server, bad, good)
    diary.assert_balanced()


def test_a_callback_that_raises_ends_its_connection_and_nothing_is_kept() -> None:
    def fail(server: HttpServer, conn: Conn, fragment: Fragment) -> None:
        raise ValueError("no")

    client = Client(upgrade, callbacks=Callbacks(ws_fragment=fail), limits=ROOM, raise_errors=False)
    websocket = client.websocket("/", headers={"Sec-WebSocket-Extensions": "permessage-deflate"})
    websocket.connection.send(compressed(bytes(5_000)))
    client.run_until_idle()
    assert websocket.code == 1011
    assert any("raised" in entry.text for entry in client.server.log)
    websocket.close()
    client.run_until_idle()
    assert len(client.server._application.callbacks._pieces) == 0


def test_the_limits_of_a_whole_message_do_not_bound_one_in_pieces() -> None:
    limits = Limits(max_ws_message_len=100, max_ws_recv_frame_len=100)
    seen: list[int] = []
    callbacks = Callbacks(ws_fragment=lambda server, conn, piece: seen.append(len(piece)))
    client = Client(upgrade, callbacks=callbacks, limits=limits._replace(max_ws_piece_len=64))
    client.websocket("/").send(b"x" * 200)
    assert seen == [64, 64, 64, 8]
