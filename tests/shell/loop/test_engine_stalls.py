"""What the kernel did not take is known when a tick is over, and leaves in a later one."""

from hypothesis import given
from hypothesis import strategies as st

from sigil import Callbacks, Conn, Limits, Response
from sigil.core.websocket.frames import Opcode, encode_masked
from sigil.testing import Client, MemoryServer

LENGTHS = st.lists(st.integers(0, 120), max_size=3)
TICKS = st.lists(st.tuples(LENGTHS, LENGTHS, LENGTHS, st.integers(0, 200)), min_size=1, max_size=8)
"""What is sent alone, published, and replied by the program in each tick, and how much is read."""
GO = encode_masked(Opcode.TEXT, b"go", b"mask")
HEADER_LEN = 2
"""Bytes of a frame before a short message."""


@given(ticks=TICKS, window_len=st.integers(1, 150), max_rounds=st.integers(1, 3))
def test_what_the_kernel_did_not_take_is_known_after_the_tick_and_leaves_later(
    ticks: list[tuple[list[int], list[int], list[int], int]], window_len: int, max_rounds: int
) -> None:
    replies: list[int] = []
    sent: list[bytes] = []

    def message(length: int) -> bytes:
        sent.append(bytes([len(sent)]) * length)
        return sent[-1]

    def on_message(server: MemoryServer, conn: Conn, data: str | bytes) -> None:
        for length in replies:
            server.send(conn, message(length))

    client = Client(
        lambda request: Response.upgrade(),
        callbacks=Callbacks(ws_message=on_message),
        limits=Limits(max_rounds_per_tick=max_rounds),
    )
    server, websocket = client.server, client.websocket("/")
    wire, handle, taken_before = websocket.connection.wire, websocket.handle, bytes_taken(server)
    wire.window_len = window_len
    for alone, published, replied, read_len in ticks:
        replies[:] = replied
        for length in alone:
            server.send(handle, message(length))
        for length in published:
            server.broadcast(message(length))
        wire.arrived += GO
        wire.take(read_len)
        server.tick()
        sent_len = sum(HEADER_LEN + len(data) for data in sent)
        assert server.buffered_amount(handle) == sent_len - (bytes_taken(server) - taken_before)
    wire.take(len(wire.unread))
    wire.window_len = None
    assert websocket.messages() == sent
    assert server.buffered_amount(handle) == 0


def bytes_taken(server: MemoryServer) -> int:
    """Bytes that the kernel has taken from the server."""
    return server.kernel.bytes_written
