"""What a WebSocket costs a client: CPU microseconds for each message, beside other libraries.

    .venv/bin/python -m tests.bench.ws_client_cost [--clients NAME,NAME] [--rows ROW,ROW]
        [--seconds N] [--compiled-python PATH] [--tls]

What is measured. A server in a process of its own, which makes next to nothing of what it is sent:
it counts bytes, and sends frames that were made before. The client, in another, echoes (one message
is sent, and the next one when that has come back) or receives (the server sends without end, as a
fan-out does). Its own CPU time, user and system, is divided by the messages: what the kernel does
for it is in it, and what the server does is not. With `--tls` all of it is over TLS 1.3.

What it doesn't know. What a program does with a message, and a network.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from sigil.core.websocket.compression import deflate
from sigil.core.websocket.frames import RSV1, encode_frame
from sigil.core.websocket.handshake import accept_key

HOST = "127.0.0.1"
REPOSITORY = Path(__file__).resolve().parents[2]
WARM_UP = 0.2
"""The share of the time in which nothing is counted."""
AUTHORITY = "SIGIL_BENCH_AUTHORITY"
"""The variable that has the path of the authority's certificate, for clients over TLS."""
BLOCK = 65_536
"""Bytes that the server sends at once, at least."""


class Row(NamedTuple):
    """What is done: echo or receive, and messages of how many bytes."""

    name: str
    is_echo: bool
    size: int
    is_compressed: bool = False


ROWS = (
    Row("echo-64", True, 64),
    Row("echo-1k", True, 1_024),
    Row("echo-1m", True, 2**20),
    Row("receive-64", False, 64),
    Row("receive-1k", False, 1_024),
    Row("receive-1m", False, 2**20),
    Row("receive-1k-deflate", False, 1_024, True),
)
CLIENTS = ("sigil", "sigil-compiled", "sigil-asyncio", "websockets", "aiohttp", "picows")


def message_of(size: int) -> bytes:
    """A message as long as that, which is text and can be compressed somewhat."""
    line = json.dumps({"id": 1_234_567, "name": "sensor", "values": [1.5, 2.25, 3.125]}).encode()
    return (line * (size // len(line) + 1))[:size]


# -- the server ------------------------------------------------------------------------------------


def serve(listener: socket.socket, context: ssl.SSLContext | None = None) -> None:
    """Serve one client after another; the path of each says what is done with it."""
    while True:
        with suppress(OSError), listener.accept()[0] as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if context is None:
                serve_client(sock)
            else:
                with context.wrap_socket(sock, server_side=True) as secured:
                    serve_client(secured)


def serve_client(sock: socket.socket) -> None:
    """Answer a handshake, and echo or send until the client has left."""
    head = b""
    while b"\r\n\r\n" not in head:
        head += sock.recv(BLOCK)
    row = next(row for row in ROWS if f"/{row.name} " in head.decode())
    keys = [
        line for line in head.decode().split("\r\n") if line.lower().startswith("sec-websocket-key")
    ]
    fields = ["Upgrade: websocket", "Connection: Upgrade"]
    fields.append(f"Sec-WebSocket-Accept: {accept_key(keys[0].partition(':')[2].strip())}")
    if row.is_compressed:
        fields.append(
            "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; "
            "client_no_context_takeover"
        )
    sock.sendall("\r\n".join(["HTTP/1.1 101 Switching Protocols", *fields, "", ""]).encode())
    payload = message_of(row.size)
    frame = encode_frame(1, payload)
    if row.is_compressed:
        frame = encode_frame(1, deflate(payload, 15), True)
        assert frame[0] & RSV1
    if row.is_echo:
        count_and_send(sock, len(frame) + 4, frame)
    block = frame * max(1, BLOCK // len(frame))
    while True:
        sock.sendall(block)


def count_and_send(sock: socket.socket, masked_len: int, frame: bytes) -> None:
    """Send a frame for so many bytes that were received, again and again."""
    received, buffer = 0, bytearray(2**20)
    while count := sock.recv_into(buffer):
        received += count
        while received >= masked_len:
            received -= masked_len
            sock.sendall(frame)
    raise OSError("the client has left")


# -- the clients -----------------------------------------------------------------------------------


class Meter:
    """Counts messages for so many seconds, and the CPU time that they take behind a warm-up."""

    def __init__(self, seconds: float) -> None:
        self.count = 0
        self.cpu = 0.0
        self._start = time.monotonic()
        self._counts_from = self._start + WARM_UP * seconds
        self._ends_at = self._start + seconds
        self._is_counting = False

    def tell(self) -> bool:
        """One more message; True when it is time to end."""
        self.count += 1
        if self.count & 15 and self.count > 16:  # the clock is not looked at each time
            return False
        now = time.monotonic()
        if not self._is_counting and now >= self._counts_from:
            self._is_counting, self.count, self.cpu = True, 0, -time.process_time()
        if now < self._ends_at or not self._is_counting or not self.count:
            return False
        self.cpu += time.process_time()
        return True

    @property
    def microseconds(self) -> float:
        """CPU time for one message."""
        return 1e6 * self.cpu / self.count


def context_for(url: str) -> ssl.SSLContext | None:
    """How the certificate of the server is verified; None in plain."""
    if not url.startswith("wss:"):
        return None
    return ssl.create_default_context(cafile=os.environ[AUTHORITY])


def run_sigil(url: str, row: Row, meter: Meter) -> None:
    """Callbacks in the tick of a client."""
    from sigil.client import Client, WebSocket, WebSocketCallbacks, ws_connect

    message, over = message_of(row.size).decode(), []

    def receive(ws: WebSocket, data: str | bytes) -> None:
        if over:
            return
        if meter.tell():
            over.append(True)
        elif row.is_echo:
            ws.send(message)

    callbacks = WebSocketCallbacks(
        open=lambda ws: row.is_echo and ws.send(message), message=receive
    )
    with Client() as client:
        ws_connect(
            url, client=client, callbacks=callbacks, compress=row.is_compressed, reconnect=False,
            ssl_context=context_for(url),
        )  # fmt: skip
        while not over:
            client.tick(None)


async def sigil_asyncio(url: str, row: Row, meter: Meter) -> None:
    """Coroutines."""
    from sigil.client import ws_connect

    message = message_of(row.size).decode()
    ws = ws_connect(url, compress=row.is_compressed, reconnect=False, ssl_context=context_for(url))
    async with ws as connection:
        await run_loop(connection.recv, connection.send, message, row, meter)
        ws.client.close()  # the server does not answer a close frame


async def run_loop(
    receive: Callable[[], Awaitable[object]],
    send: Callable[[str], Awaitable[object]],
    message: str,
    row: Row,
    meter: Meter,
) -> None:
    """Send and receive until it is time to end."""
    if row.is_echo:
        await send(message)
    while True:
        await receive()
        if meter.tell():
            return
        if row.is_echo:
            await send(message)


async def run_websockets(url: str, row: Row, meter: Meter) -> None:
    """The asyncio client of the library."""
    from websockets.asyncio.client import connect

    message, compression = message_of(row.size).decode(), "deflate" if row.is_compressed else None
    async with connect(
        url, compression=compression, max_size=None, close_timeout=0, proxy=None,
        ssl=context_for(url),
    ) as connection:  # fmt: skip
        await run_loop(connection.recv, connection.send, message, row, meter)


async def run_aiohttp(url: str, row: Row, meter: Meter) -> None:
    """The client of aiohttp."""
    import aiohttp

    message, compress = message_of(row.size).decode(), 15 if row.is_compressed else 0
    async with aiohttp.ClientSession() as session:
        ws = await session.ws_connect(
            url, compress=compress, max_msg_size=0, ssl=context_for(url) or True
        )
        await run_loop(ws.receive_str, ws.send_str, message, row, meter)
        os._exit(report(meter))


async def run_picows(url: str, row: Row, meter: Meter) -> None:
    """The client of picows, whose callback gets a frame in memory; a text is made of it."""
    from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

    message, over = message_of(row.size), asyncio.get_running_loop().create_future()

    class Listener(WSListener):  # type: ignore[misc]
        def on_ws_connected(self, transport: WSTransport) -> None:
            if row.is_echo:
                transport.send(WSMsgType.TEXT, message)

        def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
            frame.get_payload_as_utf8_text()
            if over.done():
                return
            if meter.tell():
                over.set_result(None)
            elif row.is_echo:
                transport.send(WSMsgType.TEXT, message)

    await ws_connect(Listener, url, ssl_context=context_for(url))
    await over


def report(meter: Meter) -> int:
    """Print the figure; the exit code."""
    print(json.dumps(meter.microseconds), flush=True)
    return 0


ASYNCHRONOUS: dict[str, Callable[[str, Row, Meter], Awaitable[None]]] = {
    "sigil-asyncio": sigil_asyncio,
    "websockets": run_websockets,
    "aiohttp": run_aiohttp,
    "picows": run_picows,
}


def run(client: str, url: str, row: Row, seconds: float) -> int:
    """Run one client, in this process, and print its figure."""
    meter = Meter(seconds)
    if client in ASYNCHRONOUS:

        async def main() -> None:
            await ASYNCHRONOUS[client](url, row, meter)
            os._exit(report(meter))

        asyncio.run(main())
    run_sigil(url, row, meter)
    return report(meter)


def measured(python: str, client: str, port: int, row: Row, seconds: float) -> str:
    """The figure of one client and row; a dash if it cannot be had."""
    if client == "picows" and row.is_compressed:
        return "-"  # it has no compression
    command = [python, "-P", __file__, "--run", client, row.name, str(port)]
    command += ["--tls"] if AUTHORITY in os.environ else []
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    if client != "sigil-compiled":
        environment["PYTHONPATH"] = str(REPOSITORY)
    done = subprocess.run(
        [*command, "--seconds", str(seconds)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60 + 10 * seconds,
    )
    if done.returncode:
        print(f"{client} {row.name}: {done.stderr.strip()[-300:]}", file=sys.stderr)
        return "-"
    return f"{json.loads(done.stdout):.2f}"


def main() -> int:
    """Print a table of all clients and rows."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.ws_client_cost")
    parser.add_argument("--clients", default=",".join(CLIENTS))
    parser.add_argument("--rows", default=",".join(row.name for row in ROWS))
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--compiled-python", default="")
    parser.add_argument("--tls", action="store_true")
    parser.add_argument("--run", nargs=3, metavar=("CLIENT", "ROW", "PORT"))
    options = parser.parse_args()
    rows = {row.name: row for row in ROWS}
    if options.run:
        client, name, port = options.run
        place = f"wss://localhost:{port}" if options.tls else f"ws://{HOST}:{port}"
        return run(client, f"{place}/{name}", rows[name], options.seconds)
    clients = [name for name in options.clients.split(",") if is_here(name, options)]
    with socket.create_server((HOST, 0)) as listener, TemporaryDirectory() as folder:
        arguments = listener, secured_by(folder) if options.tls else None
        server = multiprocessing.get_context("fork").Process(target=serve, args=arguments)
        server.start()
        try:
            print(f"| CPU microseconds a message | {' | '.join(clients)} |")
            print(f"| --- |{' ---: |' * len(clients)}")
            for name in options.rows.split(","):
                port = listener.getsockname()[1]
                figures = [
                    measured(python_of(client, options), client, port, rows[name], options.seconds)
                    for client in clients
                ]
                print(f"| {name} | {' | '.join(figures)} |", flush=True)
        finally:
            server.terminate()
            server.join()
    return 0


def secured_by(folder: str) -> ssl.SSLContext:
    """A context for the server; the authority of its certificate is in the environment."""
    from tests.support.certificates import server_context, write_certificate

    os.environ[AUTHORITY] = str(write_certificate(Path(folder)).authority)
    return server_context()


def is_here(client: str, options: argparse.Namespace) -> bool:
    """True if a client can be had."""
    if client == "sigil-compiled":
        return bool(options.compiled_python)
    return client.startswith("sigil") or find_spec(client) is not None


def python_of(client: str, options: argparse.Namespace) -> str:
    """The Python that runs a client."""
    compiled: str = options.compiled_python
    return compiled if client == "sigil-compiled" else sys.executable


if __name__ == "__main__":
    sys.exit(main())
