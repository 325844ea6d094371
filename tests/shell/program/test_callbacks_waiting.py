"""A program that takes its time, and clients that do not read: what waits for them, and what does
not, in a whole server in memory.
"""

import asyncio

import pytest

from sigil import Callbacks, CloseReason, Conn, Limits, Request, Response
from sigil.core.send_status import SendStatus
from sigil.core.views.footprint import footprint
from sigil.core.websocket.frames import encode_close, encode_masked
from sigil.testing import Client, MemoryServer, WebSocket
from tests.support.core_websockets import frames_in

MASK = b"\x01\x02\x03\x04"
PEER_CLOSED = CloseReason.WS_PEER_CLOSED
CLOSE = encode_masked(8, encode_close(4_000, "bye"), MASK)


def upgrade(request: Request) -> Response:
    """Everything becomes a WebSocket."""
    return Response.upgrade()


class Slow:
    """A program that takes four seconds for each message, and what it has seen."""

    def __init__(self) -> None:
        self.seen: list[object] = []
        self.statuses: list[SendStatus] = []
        self.client = Client(
            upgrade, callbacks=Callbacks(ws_message=self.on_message, ws_close=self.on_close)
        )
        self.websocket = self.client.websocket("/")
        self.begin = len(self.websocket.connection.wire.received)

    async def on_message(self, server: MemoryServer, conn: Conn, data: str | bytes) -> None:
        """Four times a second and a word."""
        for _ in range(4):
            await asyncio.sleep(1.0)
            self.statuses.append(server.send(conn, "word"))
        self.seen.append(data)

    def on_close(self, server: MemoryServer, conn: Conn, reason: CloseReason, code: int) -> None:
        """Note how it ended."""
        self.seen.append((reason, code))

    def arrive(self, *frames: bytes) -> None:
        """The client has sent these frames, in one read."""
        self.websocket.connection.wire.arrived += b"".join(frames)
        self.client.server.tick()

    def frames(self) -> list[tuple[int, bytes]]:
        """What the client has received."""
        return frames_in(bytes(self.websocket.connection.wire.received[self.begin :]))


def text(words: str) -> bytes:
    """A text message of a client."""
    return encode_masked(1, words.encode(), MASK)


@pytest.mark.parametrize("together", [False, True])
def test_a_ping_is_answered_in_the_tick_in_which_it_comes(together: bool) -> None:
    slow = Slow()
    frames = [text("a"), encode_masked(9, b"alive?", MASK)]
    for read in [frames] if together else [[frame] for frame in frames]:
        slow.arrive(*read)
    assert slow.frames() == [(10, b"alive?")]
    assert slow.seen == []
    slow.client.advance(4.5)
    assert slow.seen == ["a"]


@pytest.mark.parametrize("leaves", [False, True])
@pytest.mark.parametrize("together", [False, True])
def test_a_close_frame_is_answered_at_once_and_told_behind_all_that_came_before(
    together: bool, leaves: bool
) -> None:
    slow = Slow()
    frames = [text("a"), text("b"), text("c"), CLOSE]
    for read in [frames] if together else [[frame] for frame in frames]:
        slow.arrive(*read)
    assert slow.frames() == [(8, encode_close(4_000))]
    if leaves:
        slow.websocket.connection.half_close()
    for seen in (["a"], ["a", "b"], ["a", "b", "c", (PEER_CLOSED, 4_000)]):
        assert slow.seen == seen[:-1] or len(seen) == 4
        slow.client.advance(4.5)
        assert slow.seen == seen
    assert set(slow.statuses) == {SendStatus.DROPPED}
    assert slow.frames() == [(8, encode_close(4_000))]
    assert slow.client.server.clients() == ()


def test_a_peer_that_is_there_is_not_given_up_however_long_the_program_takes() -> None:
    slow = Slow()
    slow.arrive(*[text("a")] * 30)
    for _ in range(120):
        slow.client.advance(1.0)
    assert slow.websocket.code is None
    assert len(slow.seen) >= 29


def echo(server: MemoryServer, conn: Conn, data: str | bytes) -> None:
    """Everything is sent back."""
    assert server.send(conn, data) is not SendStatus.DROPPED


async def echo_later(server: MemoryServer, conn: Conn, data: str | bytes) -> None:
    """The same, a little later."""
    await asyncio.sleep(0.001)
    echo(server, conn, data)


@pytest.mark.parametrize(
    ("callback", "size"),
    [(echo, 500), (echo, 40_000), (echo, 300_000), (echo_later, 40_000), (echo_later, 300_000)],
)
def test_clients_that_send_and_do_not_read_are_held_within_bounds_and_have_every_echo(
    callback: object, size: int
) -> None:
    client = Client(upgrade, callbacks=Callbacks(ws_message=callback))
    sockets = [client.websocket("/") for _ in range(5)]
    count = 4_000_000 // size
    for websocket in sockets:
        wire = websocket.connection.wire
        wire.window_len = 10_000
        wire.arrived += b"".join(
            encode_masked(2, bytes([n % 256]) * size, MASK) for n in range(count)
        )
    before = [len(websocket.connection.wire.arrived) for websocket in sockets]
    for _ in range(400):
        client.server.tick()
        client.server.now += 0.01
    taken = [n - len(one.connection.wire.arrived) for n, one in zip(before, sockets, strict=True)]
    assert max(taken) < 1_500_000 + 2 * size
    assert client.server.state.load.outbound < 5 * (700_000 + 2 * size) < footprint(Limits())
    for websocket in sockets:
        assert messages_of(client, websocket) == [(n % 256, size) for n in range(count)]


def numbered(number: int, size: int) -> bytes:
    """A message of so many bytes that are all the same."""
    return encode_masked(2, bytes([number % 256]) * size, MASK)


def messages_of(client: Client, websocket: WebSocket) -> list[tuple[int, int]]:
    """What a client receives that reads at last, each message as its byte and its length."""
    wire = websocket.connection.wire
    begin = len(wire.received)
    wire.window_len = None
    wire.take(len(wire.unread))
    for _ in range(1_000):
        client.server.tick()
        client.server.now += 0.01
        if not wire.arrived and not client.server.has_work:
            break
    return [(data[0], len(data)) for _, data in frames_in(bytes(wire.received[begin:]))]
