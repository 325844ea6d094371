"""Real clients in every encoding on one server: all of them hear the same sequence, whatever it was
written in.
"""

import json
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.sync.client import ClientConnection, connect
from zstandard import ZstdDecompressor

from sigil import Callbacks, Conn, HttpServer, Limits, Request, Response
from tests.support.servers import HOST, PATIENCE, in_thread, make

MESSAGES = [
    "short",
    json.dumps([{"price": number, "symbol": "SYM"} for number in range(200)]),
    "x" * 200,
    "x" * 201,
    "grüß " * 100,
    "",
    *(json.dumps({"number": number, "text": "ha" * number}) for number in range(100, 150)),
]


def upgrade(request: Request) -> Response:
    """Every path is a WebSocket that is sent all that was said before."""
    return Response.upgrade(history=len(MESSAGES))


def deflating(bits: int | None) -> ClientPerMessageDeflateFactory:
    """An offer of deflate with a window of so many bits for the server."""
    return ClientPerMessageDeflateFactory(server_max_window_bits=bits, client_max_window_bits=True)


def unpacked(message: str | bytes) -> str:
    """What a client of `compress-zstd` reads."""
    return message if isinstance(message, str) else ZstdDecompressor().decompress(message).decode()


def as_it_is(message: str | bytes) -> str:
    assert isinstance(message, str)
    return message


CLIENTS: tuple[tuple[dict[str, object], Callable[[str | bytes], str]], ...] = (
    ({"compression": None}, as_it_is),
    ({}, as_it_is),
    ({"compression": None, "extensions": [deflating(9)]}, as_it_is),
    ({"compression": None, "extensions": [deflating(12)]}, as_it_is),
    ({"compression": None, "subprotocols": ["compress-zstd"]}, unpacked),
    ({"subprotocols": ["soap", "compress-zstd"]}, unpacked),
)


def open_all(
    stack: ExitStack, server: HttpServer
) -> Iterator[tuple[ClientConnection, Callable[[str | bytes], str]]]:
    """A client of each kind."""
    for options, read in CLIENTS:
        yield stack.enter_context(connect(f"ws://{HOST}:{server.port}/", **options)), read  # type: ignore[arg-type]


def test_all_hear_the_same_sequence_live_and_as_history() -> None:
    opened: list[Conn] = []
    callbacks = Callbacks(ws_open=lambda server, conn, request: opened.append(conn))
    server = make(upgrade, limits=Limits(history_messages=len(MESSAGES)), callbacks=callbacks)
    with in_thread(server), ExitStack() as stack:
        live = list(open_all(stack, server))
        for client, _ in live:
            client.ping().wait(PATIENCE)
        for message in MESSAGES:
            server.broadcast(message)
        heard = [[read(client.recv(PATIENCE)) for _ in MESSAGES] for client, read in live]
        late = [
            [read(client.recv(PATIENCE)) for _ in MESSAGES]
            for client, read in open_all(stack, server)
        ]
    assert heard == late == [MESSAGES] * len(CLIENTS)
    assert len(opened) == 2 * len(CLIENTS)


@pytest.mark.parametrize("bits", [None, *range(9, 16)])
def test_an_echo_in_every_window(bits: int | None) -> None:
    server = make(
        lambda request: Response.upgrade(),
        callbacks=Callbacks(ws_message=lambda server, conn, data: server.send(conn, data)),
    )
    large = bytes(zlib.crc32(number.to_bytes(4)) & 0xFF for number in range(30_000)) * 3
    with (
        in_thread(server),
        connect(
            f"ws://{HOST}:{server.port}/", compression=None, extensions=[deflating(bits)]
        ) as client,
    ):
        for message in (*MESSAGES, large):
            client.send(message)
            assert client.recv(PATIENCE) == message
